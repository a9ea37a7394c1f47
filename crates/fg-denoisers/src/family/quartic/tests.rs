//! Wells against a fine grid and against their limits.

use core::f64::consts::TAU;

use super::wells::ALIASES;
use super::{Masses, Wells};
use crate::family::formula;
use crate::family::pieces::Answer;

/// Rows of one call: registers in pairs, one alone, and some rows without one.
const ROWS: usize = 23;

fn answer((y, v): (f64, f64), gamma: f64, n: f64) -> Answer {
    let (wells, input) = (Wells::new(v, gamma), [&[n; ROWS][..], &[y; ROWS]]);
    let [mean, variance] = formula::found(&wells, input);
    let [log, _] = formula::found(&Masses(wells), input);
    let same = |all: &[f64]| all.iter().all(|x| x.to_bits() == all[0].to_bits());
    assert!(same(&mean) && same(&variance) && same(&log), "{y} {v} {gamma} {n}");
    Answer { mean: mean[0], variance: variance[0], log_partition: log[0] }
}

/// Rounding of the grid.
const ROUNDING: f64 = 1e-12;

/// Slow and obvious: the trapezoidal rule over everything.
fn slow(n: f64, y: f64, v: f64, gamma: f64) -> [f64; 3] {
    const POINTS: i32 = 8000;
    let (reach, half) = (16.0, f64::from(POINTS));
    let exponent = |z: f64| n * z - 0.5 * gamma * z * z - 0.5 * (y - z * z).powi(2) / v;
    let points = || (-POINTS..=POINTS).map(|k| reach * f64::from(k) / half);
    let top = points().map(exponent).fold(f64::NEG_INFINITY, f64::max);
    let mut sums = [0.0; 3];
    for z in points() {
        let weight = (exponent(z) - top).exp();
        sums[0] += weight;
        sums[1] += weight * z;
    }
    let mean = sums[1] / sums[0];
    for z in points() {
        sums[2] += (exponent(z) - top).exp() * (z - mean) * (z - mean);
    }
    let log = top + (sums[0] * reach / half).ln() - 0.5 * (TAU * v).ln();
    [log, mean, sums[2] / sums[0]]
}

#[test]
fn every_shape_agrees_with_a_fine_grid() {
    for y in [-3.0, -0.2, 0.0, 0.3, 1.0, 4.0, 9.0] {
        for v in [0.02, 0.3, 2.0, 40.0] {
            for gamma in [0.0, 0.5, 8.0, 300.0] {
                for n in [0.0, 0.01, -0.7, 3.0, -12.0, 60.0] {
                    let found = answer((y, v), gamma, n);
                    let [log, mean, variance] = slow(n, y, v, gamma);
                    let at = format!("{y} {v} {gamma} {n}: {found:?} {log} {mean} {variance}");
                    let scale = mean.abs() + variance.sqrt();
                    assert!((found.mean - mean).abs() < ROUNDING * scale, "{at}");
                    assert!((found.variance / variance - 1.0).abs() < 10.0 * ROUNDING, "{at}");
                    let size = 1.0 + log.abs() + y * y / v;
                    assert!((found.log_partition - log).abs() < ROUNDING * size, "{at}");
                }
            }
        }
    }
}

#[test]
fn precise_data_leave_the_sign_unknown_and_nothing_else() {
    for v in [1e-8, 1e-16, 1e-30] {
        for (y, n, gamma) in [(1.7, 0.4, 3.0), (0.3, -2.0, 0.0), (5.0, 1e-3, 1e-12)] {
            let found = answer((y, v), gamma, n);
            let r = f64::sqrt(y);
            let sharp = r * (n * r).tanh();
            assert!((found.mean - sharp).abs() < 10.0 * v / y + ROUNDING, "{v}: {found:?}");
            let spread = (r / (n * r).cosh()).powi(2);
            assert!((found.variance - spread).abs() < 10.0 * v / y + ROUNDING, "{v}: {found:?}");
        }
    }
    // The sign is known: what is left is the deviation of the root.
    for v in [1e-10, 1e-20, 1e-28] {
        let found = answer((2.0, v), 1.0, 400.0);
        assert!((found.variance * 8.0 / v - 1.0).abs() < 1e-6, "{v}: {found:?}");
    }
}

#[test]
fn sharp_cavities_keep_their_deviation() {
    for (mean, gamma) in [(0.3, 1e12), (-0.8, 1e10), (1e-7, 1e12)] {
        let found = answer((1.2, 0.25), gamma, mean * gamma);
        assert!((found.variance * gamma - 1.0).abs() < 1e-8, "{found:?}");
        assert!((found.mean - mean).abs() < 20.0 / gamma, "{found:?}");
    }
}

#[test]
fn steps_resolve_every_curvature() {
    /// At the distance `d`, of `d^4 / v`.
    const GROWTH: f64 = 4.0;
    /// Of the best distance to one of those that are tried.
    const ROUNDING: f64 = 1e-6;
    for k in -40..80 {
        let bend = 10f64.powf(0.1 * f64::from(k));
        let h = Wells::new(1.0, 0.0).step(bend);
        let below = |d: f64| TAU * d / h - 0.5 * bend * d * d - GROWTH * d.powi(4);
        let places = (1..10_000).map(|k| 1e-3 * f64::from(k) / (1.0 + bend).sqrt());
        let best = places.map(below).fold(0.0, f64::max);
        assert!(best > (1.0 - ROUNDING) * ALIASES && best < 1.05 * ALIASES, "{bend}: {best}");
    }
}
