use proptest::prelude::*;

use super::*;
use crate::structured::precisions::{inverse, precision};
use fg_core::message::small;

/// Estimates and covariances.
fn solve(natural: &[f64], gamma: &[f64], weight: f64, d: usize) -> (Vec<f64>, Vec<f64>) {
    let problem = Problem { natural, gamma, inverse: &inverse(gamma, d), weight, columns: d };
    let n = natural.len() / d;
    let (mut x, mut covariance) = (vec![f64::NAN; n * d], vec![f64::NAN; n * d * d]);
    let mut own = vec![f64::NAN; memory(n, d)];
    assert!(
        minimise(&problem, &mut x, &mut covariance, &mut own),
        "{natural:?} {gamma:?} {weight}"
    );
    (x, covariance)
}

/// The duality gap, from sums along the columns: the dual keeps within the weight, ends at zero, and pays for each step.
#[track_caller]
fn certify(natural: &[f64], gamma: &[f64], weight: f64, d: usize) {
    /// Rounding of sums along the column, in units of the sum of their terms.
    const ROUNDING: f64 = 1e-14;
    let (x, _) = solve(natural, gamma, weight, d);
    let n = natural.len() / d;
    for j in 0..d {
        let (mut dual, mut size) = (0.0, weight);
        let mut gap = (0.0, 0.0);
        for i in 0..n {
            for k in 0..d {
                dual += x[i * d + k] * gamma[k * d + j];
                size += (x[i * d + k] * gamma[k * d + j]).abs();
            }
            dual -= natural[i * d + j];
            size += natural[i * d + j].abs();
            if i + 1 < n {
                let step = x[(i + 1) * d + j] - x[i * d + j];
                gap.0 += weight * step.abs() - dual * step;
                gap.1 += step.abs();
            }
            let within = if i + 1 < n { weight } else { 0.0 };
            let beyond = dual.abs() - within;
            assert!(
                beyond <= ROUNDING * size,
                "{natural:?} {gamma:?} {weight} {x:?} {i} {beyond:e}"
            );
        }
        assert!(
            gap.0.abs() <= ROUNDING * size * gap.1,
            "{natural:?} {gamma:?} {weight} {x:?} {gap:?}"
        );
    }
}

/// Every row's own response to its data, by differences where the pieces stay: there the estimate is linear.
fn compare_with_differences(natural: &[f64], gamma: &[f64], weight: f64, d: usize) {
    const STEP: f64 = 1e-6;
    let (x, covariance) = solve(natural, gamma, weight, d);
    let pieces = |x: &[f64]| -> Vec<bool> {
        (0..x.len() - d).map(|k| x[k].to_bits() == x[k + d].to_bits()).collect()
    };
    let largest = inverse(gamma, d).iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    for k in 0..natural.len() {
        let moved = [STEP, -STEP].map(|h| {
            let mut natural = natural.to_vec();
            natural[k] += h;
            solve(&natural, gamma, weight, d).0
        });
        if moved.iter().any(|moved| pieces(moved) != pieces(&x)) {
            continue;
        }
        let (i, j) = (k / d, k % d);
        for other in 0..d {
            let slope = (moved[0][i * d + other] - moved[1][i * d + other]) / (2.0 * STEP);
            let found = covariance[i * d * d + other * d + j];
            // Rounding over the step.
            assert!(
                (found - slope).abs() <= 1e-7 * largest,
                "{natural:?} {gamma:?} {weight} row {i} {other} {j}: {found} {slope}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn solutions_carry_their_certificate(
        g in prop::collection::vec(-1.0..1.0f64, 16),
        natural in prop::collection::vec(-3.0..3.0f64, 96),
        decades in 0.0..3.0f64,
        weight in -3.0..2.0f64,
    ) {
        for d in 1..=4 {
            let n = natural.len() / d * d;
            for ridge in [0.3, 1e-3] {
                certify(&natural[..n], &precision(&g, ridge, decades, d), 10f64.powf(weight), d);
            }
        }
    }

    #[test]
    fn covariances_are_those_of_differences(
        g in prop::collection::vec(-1.0..1.0f64, 16),
        natural in prop::collection::vec(-3.0..3.0f64, 24),
        weight in 0.05..2.0f64,
    ) {
        for d in 1..=3 {
            compare_with_differences(&natural, &precision(&g, 0.2, 0.0, d), weight, d);
        }
    }
}

/// Rows that follow no pattern but a few levels, times a precision.
fn levels(n: usize, gamma: &[f64], d: usize) -> Vec<f64> {
    let mut natural = vec![0.0; n * d];
    for (i, out) in natural.chunks_exact_mut(d).enumerate() {
        let level = |j: usize| ((i / (7 + 3 * j)) as f64 * 1.7 + j as f64).sin();
        let row: Vec<f64> =
            (0..d).map(|j| 2.0 * level(j) + 0.3 * ((i * d + j) as f64 * 2.3).cos()).collect();
        small::row_times(&row, gamma, out, d);
    }
    natural
}

#[test]
fn nearly_singular_precisions_have_their_minimiser() {
    for (d, correlation) in [(2, 0.999), (3, 0.999), (2, 1.0 - 1e-8), (2, -1.0 + 1e-8)] {
        let gamma: Vec<f64> =
            (0..d * d).map(|k| if k % (d + 1) == 0 { 1.0 } else { correlation }).collect();
        for weight in [1e-4, 0.03, 0.5, 20.0, 1e5] {
            certify(&levels(60, &gamma, d), &gamma, weight, d);
        }
    }
}

#[test]
fn ties_and_ends_carry_their_certificate() {
    let gamma = [2.0, 0.9, 0.9, 1.0];
    certify(&[1.0; 18], &gamma, 0.7, 2);
    certify(&[0.0; 18], &gamma, 0.7, 2);
    certify(&[0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0], &gamma, 0.5, 2);
    certify(&[3.0, 1.0], &gamma, 0.5, 2);
    certify(&[3.0, 1.0, -1.0, 5.0], &gamma, 0.5, 2);
    let ramp: Vec<f64> = (0..60).map(|k| f64::from(k / 2) * f64::from(1 - 2 * (k % 2))).collect();
    for weight in [1e-9, 0.5, 1.0, 1.5, 300.0, 1e9] {
        certify(&ramp, &gamma, weight, 2);
    }
}

#[test]
fn one_column_is_the_chain() {
    let natural = levels(50, &[2.0], 1);
    let (x, covariance) = solve(&natural, &[2.0], 0.8, 1);
    let mut expected: Vec<f64> = natural.iter().map(|n| n / 2.0).collect();
    let mut own = vec![0.0; super::super::chain::Workspace::len(50)];
    let mut workspace = super::super::chain::Workspace::new(&mut own, 50);
    super::super::chain::minimise(&mut expected, 0.4, &mut workspace);
    let mut start = 0;
    for piece in expected.chunk_by(|a, b| a.to_bits() == b.to_bits()) {
        for i in start..start + piece.len() {
            assert!((x[i] - expected[i]).abs() < 1e-14, "{i}: {} {}", x[i], expected[i]);
            let variance = 0.5 / piece.len() as f64;
            assert!((covariance[i] - variance).abs() < 1e-15, "{i}: {} {variance}", covariance[i]);
        }
        start += piece.len();
    }
    assert!(expected[0].to_bits() != expected[49].to_bits());
}
