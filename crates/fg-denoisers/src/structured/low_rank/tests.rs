use proptest::prelude::*;

use super::*;
use crate::structured::precisions::{inverse, precision};
use fg_core::message::small;

/// Estimate, and covariance of all rows together.
fn solve(natural: &[f64], gamma: &[f64], weight: f64, d: usize) -> (Vec<f64>, Vec<f64>) {
    let problem = Problem { natural, gamma, weight, columns: d };
    let n = natural.len() / d;
    let (mut x, mut covariance) = (vec![f64::NAN; n * d], vec![f64::NAN; d * d]);
    let mut own = vec![f64::NAN; memory(n, d)];
    assert!(
        minimise(&problem, &mut x, &mut covariance, &mut own),
        "{natural:?} {gamma:?} {weight}"
    );
    (x, covariance)
}

fn singular(rows: &[f64], d: usize) -> Vec<f64> {
    let mut memory = vec![0.0; Singular::len(rows.len() / d, d)];
    Singular::new(rows.iter().copied(), &mut memory, d).unwrap().values.to_vec()
}

/// `(N - X Gamma) / l` has no singular value above one, and its product with X is the nuclear norm. Returns the rank.
#[track_caller]
fn certify(natural: &[f64], gamma: &[f64], weight: f64, d: usize) -> usize {
    /// Rounding of products of matrices, in units of their sizes.
    const ROUNDING: f64 = 1e-13;
    let (x, _) = solve(natural, gamma, weight, d);
    let mut dual = natural.to_vec();
    let length = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let size = weight + length(natural) + length(&x) * length(gamma);
    for (dual, x) in dual.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
        let mut row = vec![0.0; d];
        small::row_times(x, gamma, &mut row, d);
        dual.iter_mut().zip(&row).for_each(|(dual, row)| *dual -= row);
    }
    let beyond = singular(&dual, d).into_iter().fold(0.0, f64::max) - weight;
    assert!(beyond <= ROUNDING * size, "{natural:?} {gamma:?} {weight} {x:?} {beyond:e}");
    let values = singular(&x, d);
    let norm: f64 = values.iter().sum();
    let product: f64 = x.iter().zip(&dual).map(|(x, dual)| x * dual).sum();
    let gap = weight * norm - product;
    assert!(gap.abs() <= ROUNDING * size * norm, "{natural:?} {gamma:?} {weight} {x:?} {gap:e}");
    values.iter().filter(|&&s| s > 1e-9 * norm).count()
}

/// The sum over rows of each one's response to its own data.
fn compare_with_differences(natural: &[f64], gamma: &[f64], weight: f64, d: usize) {
    const STEP: f64 = 1e-5;
    let (_, covariance) = solve(natural, gamma, weight, d);
    let mut sums = vec![0.0; d * d];
    for k in 0..natural.len() {
        let moved = [STEP, -STEP].map(|h| {
            let mut natural = natural.to_vec();
            natural[k] += h;
            solve(&natural, gamma, weight, d).0
        });
        let (i, j) = (k / d, k % d);
        for other in 0..d {
            sums[other * d + j] +=
                (moved[0][i * d + other] - moved[1][i * d + other]) / (2.0 * STEP);
        }
    }
    let largest = inverse(gamma, d).iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    for (found, sum) in covariance.iter().zip(&sums) {
        // Square of the step, and rounding over the step.
        assert!(
            (found - sum).abs() <= 1e-7 * largest * natural.len() as f64,
            "{natural:?} {gamma:?} {weight}: {covariance:?} {sums:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn solutions_carry_their_certificate(
        g in prop::collection::vec(-1.0..1.0f64, 16),
        natural in prop::collection::vec(-3.0..3.0f64, 24),
        decades in 0.0..3.0f64,
        weight in -3.0..1.0f64,
    ) {
        for d in 1..=4 {
            for n in [1, 2, 6] {
                for ridge in [0.3, 1e-3] {
                    let gamma = precision(&g, ridge, decades, d);
                    certify(&natural[..n * d], &gamma, 10f64.powf(weight), d);
                }
            }
        }
    }
}

fn wave(n: usize, d: usize) -> Vec<f64> {
    (0..n * d).map(|k| 3.0 * (1.0 + 7.0 * k as f64 + 0.4 * (k * k) as f64).sin()).collect()
}

/// Entries of no pattern.
fn mixed() -> Vec<f64> {
    (0..16).map(|k| (2.0 + 5.0 * f64::from(k)).cos()).collect()
}

#[test]
fn covariances_are_those_of_differences_at_every_rank() {
    let mut ranks = [false; 4];
    for (n, d) in [(6, 3), (3, 3), (2, 4), (5, 2), (1, 3), (6, 1)] {
        let gamma = precision(&mixed(), 0.2, 0.5, d);
        for weight in [0.05, 2.0, 5.0, 8.0, 15.0] {
            let natural = wave(n, d);
            compare_with_differences(&natural, &gamma, weight, d);
            ranks[certify(&natural, &gamma, weight, d)] = true;
        }
    }
    assert_eq!(ranks, [true; 4]);
}

#[test]
fn a_rank_that_the_data_have_is_enough() {
    // Two columns of three say all.
    let natural: Vec<f64> = (0..7)
        .flat_map(|i| {
            let (a, b) = ((1.3 * f64::from(i)).sin(), (2.1 * f64::from(i)).cos());
            [a, b, a - 2.0 * b]
        })
        .collect();
    let gamma = precision(&mixed(), 0.2, 0.5, 3);
    for weight in [0.1, 0.5, 2.0] {
        assert!(certify(&natural, &gamma, weight, 3) <= 2);
        compare_with_differences(&natural, &gamma, weight, 3);
    }
}

#[test]
fn nearly_singular_precisions_have_their_minimiser() {
    for (d, correlation) in [(2, 0.999), (3, 0.999), (2, 1.0 - 1e-8), (2, -1.0 + 1e-8)] {
        let gamma: Vec<f64> =
            (0..d * d).map(|k| if k % (d + 1) == 0 { 1.0 } else { correlation }).collect();
        for weight in [1e-4, 0.03, 0.5, 5.0, 20.0, 1e5] {
            certify(&wave(8, d), &gamma, weight, d);
        }
    }
}

#[test]
fn without_data_nothing_moves() {
    let gamma = precision(&mixed(), 0.2, 0.5, 2);
    assert_eq!(solve(&[0.0; 6], &gamma, 1.0, 2), (vec![0.0; 6], vec![0.0; 4]));
    assert_eq!(solve(&wave(3, 2), &gamma, 100.0, 2), (vec![0.0; 6], vec![0.0; 4]));
}

/// Vectors of a small singular value are known to the rounding of the largest one; a rank may be between those that two floors tell.
#[test]
fn least_singular_values_are_found_however_small() {
    let natural = [-2.6852647, 2.5335777, 2.7239914, 0.5253667, -0.1432518, -1.5509044];
    let gamma = [
        2.4091784, -2.8402108, -1.2894295, -2.8402108, 7.2675281, 5.4417859, -1.2894295, 5.4417859,
        31.5132175,
    ];
    for weight in [1.01, 1.017, 1.0178, 1.01788, 1.017883, 1.018, 1.02] {
        certify(&natural, &gamma, weight, 3);
    }
    let natural = [
        0.0,
        0.0,
        1.762127143568148,
        0.0,
        0.0,
        1.2227952710980377,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        -1.1915843490277875,
        -0.05911642422473622,
        0.0,
        2.661963429294931,
        -1.967930282738509,
        -1.0422474536224786,
        0.0,
        0.0,
        -0.7161595598998753,
        0.5922789299534627,
        2.744202276642446,
        -2.1481292221712427,
    ];
    let gamma = [
        0.4097237521099755,
        -1.697585070023175,
        16.60191168735236,
        35.30317974509237,
        -1.697585070023175,
        52.400284996786674,
        66.10111394684955,
        161.56649798621618,
        16.60191168735236,
        66.10111394684955,
        1441.0669290883745,
        6219.269599334232,
        35.30317974509237,
        161.56649798621618,
        6219.269599334232,
        46342.94538075201,
    ];
    assert_eq!(certify(&natural, &gamma, 1.742214984086378, 4), 3);
}
