//! Two units against closed forms, more against sums over all signs and against many lines.

use super::*;
use crate::family::HalfLine;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

fn run(vote: &Committee, y: f64, n: [f64; 2], gamma: [f64; 4]) -> ([f64; 2], [f64; 4], f64) {
    let determinant = gamma[0] * gamma[3] - gamma[1] * gamma[2];
    let solve = |k: usize| gamma[3 - 3 * k] * n[k] - gamma[1] * n[1 - k];
    let r = [0, 1].map(|k| solve(k) / determinant);
    let cavity = RowCavity::new(0, 2, &n, &r, &gamma);
    let (mut mean, mut covariance, mut log) = ([0.0; 2], [0.0; 4], [0.0]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
    vote.estimate(&[y], &cavity, &mut out, &mut Scratch::default()).unwrap();
    assert!(vote.log_partition(&[y], &cavity, &mut log), "a log-partition function");
    (mean, covariance, log[0])
}

#[test]
fn correlated_columns_have_the_orthant_probability_of_sheppard() {
    // Precision [1, -r; -r, 1] / (1 - r^2) is a covariance of correlation r: both are positive with probability
    // 1/4 + asin(r) / (2 pi), the labels are as likely.
    for r in [-0.9f64, -0.3, 0.0, 0.6, 0.99] {
        let scale = 1.0 / (1.0 - r * r);
        let gamma = [scale, -r * scale, -r * scale, scale];
        let own = core::f64::consts::TAU.ln() - 0.5 * scale.ln();
        let (mean, _, log) = run(&Committee::new(), 1.0, [0.0; 2], gamma);
        assert!((log - own - 0.5f64.ln()).abs() < 1e-12, "{r}: {log}");
        // E z w over P(w): E z_1 1(z_1 > 0) and E z_1 1(z_2 > 0), halves, are 1 and r over sqrt(2 pi).
        let expected = (1.0 + r) / core::f64::consts::TAU.sqrt();
        assert!((mean[0] - expected).abs() < 1e-12, "{r}: {mean:?} {expected}");
        let quadrant = Committee::new().quadrant([1.0, 1.0], [0.0; 2], [scale, -r * scale, scale]);
        let share = (quadrant.unwrap().log_mass - own).exp();
        let exact = 0.25 + r.asin() / core::f64::consts::TAU;
        assert!((share / exact - 1.0).abs() < 1e-12, "{r}: {share} {exact}");
    }
}

#[test]
fn independent_columns_are_mixtures_of_half_lines() {
    let (n, gamma) = ([-40.0, 3.0], [1.0, 0.0, 0.0, 4.0]);
    let (mean, covariance, log) = run(&Committee::new(), 1.0, n, gamma);
    let half = |k: usize, s: f64| {
        let (n, g) = (s * n[k], gamma[3 * k]);
        (HalfLine::log_mass(n, g), HalfLine::new(n, g, g.sqrt()).unwrap())
    };
    // The first column is negative but for a share of exp(-800): the second one is positive in half of all cases.
    let (left, down) = (half(0, -1.0), half(1, 1.0));
    assert!((mean[0] + left.1.mean).abs() < 1e-12, "{mean:?}");
    assert!((mean[1] - down.1.mean).abs() < 1e-12, "{mean:?}");
    assert!((covariance[3] / down.1.variance - 1.0).abs() < 1e-11, "{covariance:?}");
    assert!((log - left.0 - down.0 - 0.5f64.ln()).abs() < 1e-9, "{log}");
}

#[test]
fn labels_are_drawn_with_their_probabilities_and_parameters_checked() {
    let vote = Committee::new().with_flips(0.1).unwrap();
    let draw = |z: [f64; 2], u: f64| {
        let mut y = [0.0];
        vote.draw(&z, &[u], &mut y);
        y[0] > 0.0
    };
    assert!(draw([1.0, 2.0], 0.1 + 1e-9) && !draw([1.0, 2.0], 0.1 - 1e-9));
    assert!(draw([1.0, -2.0], 0.5 + 1e-9) && !draw([1.0, -2.0], 0.5 - 1e-9));
    assert!(draw([-1.0, -2.0], 0.9 + 1e-9) && !draw([-1.0, -2.0], 0.9 - 1e-9));
    assert!(Committee::new().with_flips(0.6).is_err() && vote.check(&[0.0]).is_err());
    let seen = vote.clone().with_ties();
    let labels = |z: [f64; 2], u: f64, expected: f64| {
        let mut y = [f64::NAN];
        seen.draw(&z, &[u], &mut y);
        (y[0] - expected).abs() == 0.0
    };
    assert!(labels([1.0, -2.0], 0.0, 0.0) && labels([1.0, -2.0], 0.999, 0.0));
    assert!(labels([1.0, 2.0], 0.05, -1.0) && labels([1.0, 2.0], 0.5, 1.0));
    assert!(seen.check(&[0.0]).is_ok() && seen.check(&[0.5]).is_err());
    let cavity = RowCavity::new(2, 2, &[0.0; 2], &[0.0; 2], &[1.0, 1.0, 1.0, 1.0]);
    let mut out = RowEstimate { mean: &mut [0.0; 2], covariance: &mut [0.0; 4] };
    let found = vote.estimate(&[1.0], &cavity, &mut out, &mut Scratch::default());
    assert_eq!(found, Err(Breakdown::ImproperCavity { port: 0, row: 2 }));
}

type Row = (Vec<f64>, Vec<f64>, f64);

/// Mean, covariance and log-partition of a row.
fn answer(vote: &Committee, y: f64, r: &[f64], gamma: &[f64]) -> Result<Row, Breakdown> {
    let d = r.len();
    let mut natural = vec![0.0; d];
    fg_core::message::small::row_times(r, gamma, &mut natural, d);
    let cavity = RowCavity::new(0, d, &natural, r, gamma);
    let (mut mean, mut covariance, mut log) = (vec![0.0; d], vec![0.0; d * d], [0.0]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
    vote.estimate(&[y], &cavity, &mut out, &mut Scratch::default())?;
    assert!(vote.log_partition(&[y], &cavity, &mut log), "a log-partition function");
    Ok((mean, covariance, log[0]))
}

/// The standard error that the estimate of a row declares.
fn declared(vote: &Committee, y: f64, r: &[f64], gamma: &[f64]) -> f64 {
    let d = r.len();
    let mut natural = vec![0.0; d];
    fg_core::message::small::row_times(r, gamma, &mut natural, d);
    let (mut mean, mut covariance) = (vec![0.0; d], vec![0.0; d * d]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
    let mut scratch = Scratch::default();
    vote.estimate(&[y], &RowCavity::new(0, d, &natural, r, gamma), &mut out, &mut scratch).unwrap();
    scratch.take_standard_error()
}

fn diagonal(entries: &[f64]) -> Vec<f64> {
    let d = entries.len();
    (0..d * d).map(|k| if k.is_multiple_of(d + 1) { entries[k / d] } else { 0.0 }).collect()
}

/// Slow and obvious: all orthants of independent columns.
fn orthants(vote: &Committee, y: f64, r: &[f64], gamma: &[f64]) -> Row {
    let d = r.len();
    let half = |j: usize, s: f64| {
        let g = gamma[j * d + j];
        let n = s * g * r[j];
        (HalfLine::log_mass(n, g), HalfLine::new(n, g, g.sqrt()).unwrap())
    };
    let (mut mass, mut mean, mut square) = (0.0, vec![0.0; d], vec![0.0; d * d]);
    for orthant in 0..1usize << d {
        let sign = |j: usize| if orthant >> j & 1 == 1 { 1.0 } else { -1.0 };
        let votes: f64 = (0..d).map(sign).sum();
        let label = 0.5 + 0.5 * f64::clamp(y * votes, -1.0, 1.0);
        let share = match vote.ties() && (votes == 0.0 || y == 0.0) {
            true => f64::from(u8::from(votes == 0.0 && y == 0.0)),
            false => vote.flips() + (1.0 - 2.0 * vote.flips()) * label,
        };
        let weight = share * (0..d).map(|j| half(j, sign(j)).0).sum::<f64>().exp();
        mass += weight;
        for j in 0..d {
            let (s, own) = (sign(j), half(j, sign(j)).1);
            mean[j] += weight * s * own.mean;
            for k in 0..d {
                let other = half(k, sign(k)).1;
                let product = if j == k {
                    own.variance + own.mean * own.mean
                } else {
                    s * sign(k) * own.mean * other.mean
                };
                square[j * d + k] += weight * product;
            }
        }
    }
    mean.iter_mut().for_each(|m| *m /= mass);
    let covariance = (0..d * d).map(|k| square[k] / mass - mean[k / d] * mean[k % d]);
    let covariance = covariance.collect();
    (mean, covariance, mass.ln())
}

#[test]
fn independent_columns_agree_with_a_sum_over_all_orthants() {
    // Rounding of logarithms of some ten nats.
    const TOLERANCE: f64 = 1e-12;
    let cases: [(&[f64], &[f64]); 3] = [
        (&[0.3, -0.8, 1.1], &[1.0, 4.0, 0.5]),
        (&[-1.5, -0.8, -2.0, 0.1], &[1.0, 2.0, 0.7, 3.0]),
        (&[0.0, 0.4, 0.2, -0.3, 1.0], &[1.0, 1.0, 9.0, 2.0, 0.1]),
    ];
    for (r, entries) in cases {
        for (flips, ties) in [(0.0, false), (0.2, false), (0.1, true)] {
            // Only an even number of units can tie.
            let labels: &[f64] =
                if ties && r.len() == 4 { &[1.0, -1.0, 0.0] } else { &[1.0, -1.0] };
            for &y in labels {
                let vote = Committee::new().with_units(r.len()).unwrap();
                let vote = vote.with_flips(flips).unwrap();
                let vote = if ties { vote.with_ties() } else { vote };
                let gamma = diagonal(entries);
                let found = answer(&vote, y, r, &gamma).unwrap();
                assert!(declared(&vote, y, r, &gamma) == 0.0, "exact");
                let expected = orthants(&vote, y, r, &gamma);
                assert!((found.2 - expected.2).abs() < TOLERANCE, "{found:?} {expected:?}");
                let both = found.0.iter().zip(&expected.0).chain(found.1.iter().zip(&expected.1));
                for (f, e) in both {
                    assert!((f - e).abs() < TOLERANCE, "{r:?} {y}: {found:?} {expected:?}");
                }
            }
        }
    }
}

#[test]
fn a_vote_against_all_evidence_leaves_the_cheapest_majority() {
    // All three are negative by thirty deviations and more: the two nearest to zero change sides.
    let vote = Committee::new().with_units(3).unwrap();
    let found = answer(&vote, 1.0, &[-30.0, -31.0, -33.0], &diagonal(&[1.0; 3])).unwrap();
    let half = |n: f64| HalfLine::new(n, 1.0, 1.0).unwrap();
    for (mean, r) in found.0.iter().zip([-30.0, -31.0]) {
        assert!((mean / half(r).mean - 1.0).abs() < 1e-9, "{found:?}");
    }
    assert!((found.0[2] + 33.0).abs() < 1e-9, "{found:?}");
}

/// Units, their mean and their precision, the latter times a number next to 1 off the diagonal.
fn correlated(d: usize, share: f64) -> (Vec<f64>, Vec<f64>) {
    let r = (0..d).map(|j| 0.4 - 0.35 * j as f64).collect();
    let gamma = (0..d * d).map(|k| {
        let (i, j) = (k / d, k % d);
        if i == j { 1.0 + 0.3 * i as f64 } else { share * (0.4 - 0.15 * (i + j) as f64) }
    });
    (r, gamma.collect())
}

#[test]
fn lines_converge_to_the_closed_form_where_correlations_vanish() {
    // Measured with 4096 lines: 1.1e-2 for five units, which are against the evidence, 2e-3 for fewer; it falls to 9e-4 and
    // 1e-4 with 65536.
    const TOLERANCE: f64 = 2e-2;
    for (d, flips, labels) in [(3, 0.0, 2), (4, 0.1, 2), (4, 0.1, 3), (5, 0.0, 2)] {
        let vote = Committee::new().with_units(d).unwrap().with_flips(flips).unwrap();
        let vote = vote.with_points(4096).unwrap();
        let vote = if labels == 3 { vote.with_ties() } else { vote };
        for &y in &[1.0, -1.0, 0.0][..labels] {
            let (r, full) = correlated(d, 1e-12);
            let (_, diagonal) = correlated(d, 0.0);
            let (lines, exact) =
                (answer(&vote, y, &r, &full).unwrap(), answer(&vote, y, &r, &diagonal).unwrap());
            assert!((lines.2 - exact.2).abs() < TOLERANCE, "{d} {y}: {lines:?} {exact:?}");
            let both = lines.0.iter().zip(&exact.0).chain(lines.1.iter().zip(&exact.1));
            for (f, e) in both {
                assert!((f - e).abs() < TOLERANCE, "{d} {y}: {lines:?} {exact:?}");
            }
        }
    }
}

#[test]
fn a_coin_gives_back_the_cavity() {
    // Labels that say nothing: all lines have the same mass, and the points' moments are exact.
    const ROUNDING: f64 = 1e-12;
    for d in [3, 6] {
        let vote = Committee::new().with_units(d).unwrap().with_flips(0.5).unwrap();
        let (r, gamma) = correlated(d, 2.0 / d as f64);
        let found = answer(&vote, 1.0, &r, &gamma).unwrap();
        let mut inverse = vec![0.0; d * d];
        fg_core::message::small::invert_positive(
            &gamma,
            &mut inverse,
            &mut vec![0.0; 2 * d * d],
            d,
        )
        .unwrap();
        let both = found.0.iter().zip(&r).chain(found.1.iter().zip(&inverse));
        for (f, e) in both {
            assert!((f - e).abs() < ROUNDING, "{found:?}, {r:?} {inverse:?}");
        }
        let error = declared(&vote, 1.0, &r, &gamma);
        assert!(error < ROUNDING, "{error}");
    }
}

/// Next to the point from which a sign is beyond doubt both ways agree, and beyond it there are answers at any precision.
#[test]
fn signs_beyond_doubt_leave_the_other_unit() {
    // Of quadratures of some hundred nats.
    const TOLERANCE: f64 = 1e-11;
    /// Weights of both half lines that differ by a factor of two at most can't widen a unit by more than that.
    const WIDEST: f64 = 2.0;
    for vote in
        [Committee::new(), Committee::new().with_flips(0.1).unwrap(), Committee::new().with_ties()]
    {
        for y in [1.0, -1.0] {
            for r in [[9.6, 0.3], [-0.4, 12.0], [-9.8, -0.8], [9.9, -2.0]] {
                let gamma = [1.2, 0.4, 0.9];
                let n = [gamma[0] * r[0] + gamma[1] * r[1], gamma[1] * r[0] + gamma[2] * r[1]];
                // Seen ties leave no label but the sign of both.
                if vote.ties && r.iter().any(|r| r * y < -1.0) {
                    continue;
                }
                let Some(short) = vote.decided(y, n, r, gamma) else { panic!("{r:?} is in doubt") };
                let long = vote.pair(y, n, gamma).unwrap();
                let pairs = short.mean.iter().zip(&long.mean);
                let pairs = pairs.chain(short.covariance.iter().zip(&long.covariance));
                for (a, b) in pairs.chain([(&short.log_mass, &long.log_mass)]) {
                    assert!((a - b).abs() < TOLERANCE * (1.0 + b.abs()), "{y} {r:?}: {a} {b}");
                }
            }
        }
        for (a, c) in [(1e40, 1e6), (1e6, 1e40), (1e300, 1.0), (1e40, 1e40)] {
            for share in [0.0, 1e-6, 0.9, -0.99] {
                let b = share * f64::sqrt(a) * f64::sqrt(c);
                for r in [[1.0, 1.0], [1.0, -0.9], [-1.0, 0.001], [0.9, 1.0]] {
                    // A label that is possible without either unit in doubt.
                    let y = if r[0] + r[1] > 0.0 { 1.0 } else { -1.0 };
                    let sides = [r[0] * y, r[1] * y];
                    if vote.ties && sides.iter().any(|s| *s < 0.0) {
                        continue;
                    }
                    let found = answer(&vote, y, &r, &[a, b, b, c]).unwrap();
                    let scaled =
                        [found.1[0] * a, found.1[3] * c].map(|s| s * (1.0 - share * share));
                    let inside = scaled.iter().all(|s| *s > 0.0 && *s < WIDEST);
                    assert!(inside, "{a:e} {c:e} {share} {r:?}: {found:?}");
                    assert!(
                        (found.0[0] - r[0]).abs() < 0.01,
                        "{a:e} {c:e} {share} {r:?}: {found:?}"
                    );
                }
            }
        }
    }
}

/// Random rows of this correlation of the columns' precision, whose means lie up to thirty deviations from zero to all sides.
fn wide_rows(correlation: f64, scale: f64, seed: u64) -> (Vec<f64>, Vec<f64>, [f64; 4]) {
    const ROWS: usize = 500;
    let rng = &mut Pcg64::seed_from_u64(seed);
    let gamma = [1.0, correlation * scale, correlation * scale, scale * scale];
    let rest = (1.0 - correlation) * (1.0 + correlation);
    let mean: Vec<f64> = (0..2 * ROWS)
        .map(|k| {
            let near = rng.random::<f64>();
            let score = 60.0 * near * near * (rng.random::<f64>() - 0.5);
            score / (gamma[3 * (k % 2)] * rest).sqrt()
        })
        .collect();
    let mut natural = vec![0.0; 2 * ROWS];
    for (n, r) in natural.chunks_exact_mut(2).zip(mean.chunks_exact(2)) {
        fg_core::message::small::row_times(r, &gamma, n, 2);
    }
    (natural, mean, gamma)
}

/// Registers of rows against panels of single ones, with precisions that are a factor of 1e6 apart.
#[test]
fn rows_side_by_side_agree_with_panels() {
    // Rounding of tails, next to one, and of thirty deviations, which is worse where correlations are strong.
    let tolerance = |correlation: f64| {
        4e-12 + 30.0 * 32.0 * f64::EPSILON / ((1.0 - correlation) * (1.0 + correlation))
    };
    let votes = [Committee::new(), Committee::new().with_ties()];
    let flipped = votes.clone().map(|vote| vote.with_flips(0.1).unwrap());
    for (seed, size) in
        [0.0, 0.2, 0.6, 0.9, 0.947, 0.95, 0.99, 0.999, 0.9999].into_iter().enumerate()
    {
        for (correlation, scale) in [(size, 1e-3), (size, 1.0), (-size, 1.0), (-size, 1e3)] {
            let (natural, mean, gamma) = wide_rows(correlation, scale, seed as u64);
            let cavity = RowCavity::new(0, 2, &natural, &mean, &gamma);
            for vote in votes.iter().chain(&flipped) {
                let labels: &[f64] = if vote.ties() { &[1.0, 0.0, -1.0] } else { &[1.0, -1.0] };
                let rows = mean.len() / 2;
                let observed: Vec<_> = (0..rows).map(|i| labels[i % labels.len()]).collect();
                let (mut means, mut covariances) = (vec![0.0; 2 * rows], vec![0.0; 4 * rows]);
                let mut logs = vec![0.0; rows];
                let mut out = RowEstimate { mean: &mut means, covariance: &mut covariances };
                vote.estimate(&observed, &cavity, &mut out, &mut Scratch::default()).unwrap();
                assert!(vote.log_partition(&observed, &cavity, &mut logs));
                for (i, y) in observed.iter().enumerate() {
                    let n = [natural[2 * i], natural[2 * i + 1]];
                    let expected = vote.pair(*y, n, [gamma[0], gamma[1], gamma[3]]).unwrap();
                    let [xx, xy, yy] = expected.covariance;
                    let [x, y] = expected.mean;
                    let found = &covariances[4 * i..4 * i + 4];
                    let errors = [
                        (logs[i] - expected.log_mass) / (1.0 + expected.log_mass.abs()),
                        (means[2 * i] - x) / xx.sqrt(),
                        (means[2 * i + 1] - y) / yy.sqrt(),
                        found[0] / xx - 1.0,
                        found[3] / yy - 1.0,
                        (found[1] - xy) / (xx * yy).sqrt(),
                    ];
                    let good = errors.iter().all(|e| e.abs() < tolerance(correlation));
                    assert!(good, "{correlation} {scale} {n:?} {:?}: {errors:?}", observed[i]);
                }
            }
        }
    }
}
