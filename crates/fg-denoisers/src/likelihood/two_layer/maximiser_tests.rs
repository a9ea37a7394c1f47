//! The MAP node against grids, perturbations, differences and Stein's lemma.

use fg_core::Rows;
use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::{Activation, TwoLayer, TwoLayerMap};

const ACTIVATIONS: [Activation; 6] = [
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.1 },
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Erf,
    Activation::Linear,
];

/// Noise precisions from nothing to far above the cavity's.
const NOISE: [f64; 5] = [1e-6, 1e-1, 4.0, 1e2, 1e6];

/// How far a better point may lie above the answer, relative to the objective's scale: rounding.
const OPTIMALITY: f64 = 1e-11;

fn normal(rng: &mut Pcg64) -> f64 {
    fg_core::special::quantile(rng.random_range(1e-12..1.0))
}

fn network(d: usize, activation: Activation, noise: f64, rng: &mut Pcg64) -> TwoLayer {
    let weights = Rows::from_fn(d, 1, |_, _| normal(rng));
    TwoLayer::new(weights, vec![0.3], activation, noise).unwrap()
}

/// `I + G G' / d`.
fn precision(d: usize, rng: &mut Pcg64) -> Vec<f64> {
    let g = Rows::from_fn(d, d, |_, _| normal(rng));
    let dot = |i: usize, j: usize| -> f64 {
        g.row(i).iter().zip(g.row(j)).map(|(a, b)| a * b).sum::<f64>() / d as f64
    };
    (0..d * d).map(|k| dot(k / d, k % d) + f64::from(u8::from(k / d == k % d))).collect()
}

/// The row the node answers with and its covariance.
fn answer(node: &TwoLayerMap, mean: &[f64], gamma: &[f64], y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (z, covariance, _) = declared_answer(node, mean, gamma, y);
    (z, covariance)
}

/// Maximisers, covariances and the declared standard error of these rows.
fn declared_answer(
    node: &TwoLayerMap,
    mean: &[f64],
    gamma: &[f64],
    y: &[f64],
) -> (Vec<f64>, Vec<f64>, f64) {
    let d = node.network().hidden();
    let mut natural = vec![0.0; mean.len()];
    for (n, r) in natural.chunks_exact_mut(d).zip(mean.chunks_exact(d)) {
        fg_core::message::small::row_times(r, gamma, n, d);
    }
    let (mut z, mut c) = (vec![0.0; mean.len()], vec![0.0; mean.len() * d]);
    let mut out = RowEstimate { mean: &mut z, covariance: &mut c };
    let cavity = RowCavity::new(0, d, &natural, mean, gamma);
    let mut scratch = Scratch::default();
    node.estimate(y, &cavity, &mut out, &mut scratch).unwrap();
    (z, c, scratch.take_standard_error())
}

/// The cost `(z - r)' Gamma (z - r) / 2 + lambda / 2 |y - f(z)|^2`, by its definition.
fn cost(network: &TwoLayer, mean: &[f64], gamma: &[f64], y: f64, z: &[f64]) -> f64 {
    let step: Vec<f64> = z.iter().zip(mean).map(|(z, r)| z - r).collect();
    let mut f = [0.0];
    network.predict(z, &mut f);
    let prior = 0.5 * fg_core::message::small::bilinear(&step, gamma, &step, z.len());
    prior + 0.5 * network.noise_precision().unwrap() * (y - f[0]).powi(2)
}

#[test]
fn one_unit_answers_with_the_global_minimum_of_a_grid() {
    let mut rng = Pcg64::seed_from_u64(1);
    for activation in ACTIVATIONS {
        for noise in NOISE {
            for _ in 0..20 {
                let network = network(1, activation, noise, &mut rng);
                let node = TwoLayerMap::new(network.clone()).unwrap().with_step(0.0).unwrap();
                let (r, y, gamma) = (2.0 * normal(&mut rng), normal(&mut rng), [1.5]);
                let found = cost(&network, &[r], &gamma, y, &answer(&node, &[r], &gamma, &[y]).0);
                let grid = (-40_000..=40_000).map(|k| f64::from(k) * 5e-4);
                let best = grid
                    .map(|z| cost(&network, &[r], &gamma, y, &[z]))
                    .fold(f64::INFINITY, f64::min);
                assert!(
                    found <= best + OPTIMALITY * (1.0 + best),
                    "{activation:?}, noise {noise}, r {r}, y {y}: {found} above {best}"
                );
            }
        }
    }
}

#[test]
fn no_nearby_point_is_better_with_four_units() {
    let mut rng = Pcg64::seed_from_u64(2);
    for activation in ACTIVATIONS {
        for noise in NOISE {
            for _ in 0..10 {
                let network = network(4, activation, noise, &mut rng);
                let gamma = precision(4, &mut rng);
                let node = TwoLayerMap::new(network.clone()).unwrap().with_step(0.0).unwrap();
                let r: Vec<f64> = (0..4).map(|_| normal(&mut rng)).collect();
                let y = 2.0 * normal(&mut rng);
                let z = answer(&node, &r, &gamma, &[y]).0;
                let found = cost(&network, &r, &gamma, y, &z);
                for size in [1e-6, 1e-4, 1e-2, 0.3] {
                    for _ in 0..50 {
                        let near: Vec<f64> =
                            z.iter().map(|z| z + size * normal(&mut rng)).collect();
                        let other = cost(&network, &r, &gamma, y, &near);
                        let slack = OPTIMALITY * (1.0 + found);
                        // A kinked maximum is global; a smooth one is the best of its starts, so a local one.
                        let local = activation.slopes().is_none() && size > 0.1;
                        assert!(
                            local || found <= other + slack,
                            "{activation:?}, noise {noise}: {found} above {other}"
                        );
                    }
                }
            }
        }
    }
}

/// Two units, of weights that may be equal, against a grid fine enough to tell basins apart.
#[test]
fn two_smooth_units_answer_with_the_global_minimum_of_a_grid() {
    let mut rng = Pcg64::seed_from_u64(8);
    for activation in [Activation::Sigmoid, Activation::Tanh, Activation::Erf] {
        for noise in [0.3, 4.0, 100.0] {
            for case in 0..30 {
                let first = 2.0 * normal(&mut rng);
                let second = if case % 3 == 0 { first } else { 2.0 * normal(&mut rng) };
                let weights = Rows::from_vec(2, 1, vec![first, second]).unwrap();
                let network = TwoLayer::new(weights, vec![0.1], activation, noise).unwrap();
                let node = TwoLayerMap::new(network.clone()).unwrap().with_step(0.0).unwrap();
                let (gamma, same) = (precision(2, &mut rng), normal(&mut rng));
                let other = if case % 3 == 0 { same } else { normal(&mut rng) };
                let (r, y) = ([same, other], 2.0 * normal(&mut rng));
                let found = cost(&network, &r, &gamma, y, &answer(&node, &r, &gamma, &[y]).0);
                let at = |k: i32| f64::from(k) * 0.05;
                let mut best = f64::INFINITY;
                for i in -120..=120 {
                    for j in -120..=120 {
                        best = best.min(cost(&network, &r, &gamma, y, &[at(i), at(j)]));
                    }
                }
                assert!(
                    found <= best + OPTIMALITY * (1.0 + best),
                    "{activation:?}, noise {noise}, case {case}: {found} above {best}"
                );
            }
        }
    }
}

/// Before the first sweep all rows are at the origin, where some fit their data at once: the loss of these is next to
/// zero, and its rounding isn't.
#[test]
fn rows_that_fit_their_data_are_solved() {
    let weights = vec![
        -0.638_852_110_348_912_4,
        -0.167_828_473_879_258_53,
        0.525_636_584_148_996_5,
        -0.695_853_067_764_678_8,
    ];
    let weights = Rows::from_vec(4, 1, weights).unwrap();
    for activation in [Activation::Sigmoid, Activation::Tanh, Activation::Erf] {
        let network = TwoLayer::new(weights.clone(), vec![0.0], activation, 34.38).unwrap();
        let mut fit = [0.0];
        network.predict(&[0.0; 4], &mut fit);
        let y: Vec<f64> = (-5000..5000).map(|k| fit[0] + f64::from(k) * 1e-6).collect();
        let mut gamma = vec![0.0; 16];
        fg_core::message::small::set_identity(&mut gamma, 4);
        let node = TwoLayerMap::new(network).unwrap();
        let (z, _) = answer(&node, &vec![0.0; 4 * y.len()], &gamma, &y);
        assert!(z.iter().all(|z| z.abs() < 0.01), "{activation:?}: near the origin");
    }
}

/// Four units with one weight, as in a committee: a climb from a row of equal entries keeps them equal, and ends on a
/// saddle where the best row has them differ.
#[test]
fn units_that_are_alike_are_told_apart() {
    let mut rng = Pcg64::seed_from_u64(9);
    let mut apart = 0;
    for activation in [Activation::Sigmoid, Activation::Tanh, Activation::Erf] {
        for _ in 0..200 {
            let weights = Rows::from_vec(4, 1, vec![2.0; 4]).unwrap();
            let network = TwoLayer::new(weights, vec![0.0], activation, 10.0).unwrap();
            let node = TwoLayerMap::new(network.clone()).unwrap().with_step(0.0).unwrap();
            let mut gamma = vec![0.0; 16];
            fg_core::message::small::set_identity(&mut gamma, 4);
            let (r, y) = (vec![normal(&mut rng); 4], 3.0 * normal(&mut rng));
            let z = answer(&node, &r, &gamma, &[y]).0;
            apart += usize::from(z.iter().any(|v| (v - z[0]).abs() > 0.1));
            let found = cost(&network, &r, &gamma, y, &z);
            for _ in 0..50 {
                let near: Vec<f64> = z.iter().map(|z| z + 0.01 * normal(&mut rng)).collect();
                let other = cost(&network, &r, &gamma, y, &near);
                assert!(
                    found <= other + OPTIMALITY * (1.0 + found),
                    "{activation:?}, r {}, y {y}: {found} above {other}",
                    r[0]
                );
            }
        }
    }
    assert!(apart > 0, "equal units must be seen to part");
}

#[test]
fn the_smooth_covariance_is_the_jacobian_in_the_natural_parameter() {
    let mut rng = Pcg64::seed_from_u64(3);
    let (d, h) = (3, 1e-6);
    for activation in [Activation::Sigmoid, Activation::Tanh, Activation::Erf] {
        let network = network(d, activation, 2.0, &mut rng);
        let node = TwoLayerMap::new(network).unwrap().with_step(0.0).unwrap();
        let mut identity = vec![0.0; d * d];
        fg_core::message::small::set_identity(&mut identity, d);
        let r: Vec<f64> = (0..d).map(|_| normal(&mut rng)).collect();
        let c = answer(&node, &r, &identity, &[0.7]).1;
        for k in 0..d {
            let moved = |side: f64| {
                let mut r = r.clone();
                r[k] += side * h;
                answer(&node, &r, &identity, &[0.7]).0
            };
            let (up, down) = (moved(1.0), moved(-1.0));
            for i in 0..d {
                let slope = (up[i] - down[i]) / (2.0 * h);
                assert!(
                    (slope - c[i * d + k]).abs() < 1e-7,
                    "{activation:?}: {slope}, {}",
                    c[i * d + k]
                );
            }
        }
    }
}

#[test]
fn more_kinked_units_than_can_be_tried_are_refused() {
    let mut rng = Pcg64::seed_from_u64(5);
    let mut node = |d, activation| TwoLayerMap::new(network(d, activation, 1.0, &mut rng));
    let error = node(9, Activation::Relu).unwrap_err().to_string();
    assert!(error.contains("hidden units") && error.contains("at most 8"), "{error}");
    assert!(node(9, Activation::LeakyRelu { slope: 0.1 }).is_err(), "a kink, too");
    for activation in [Activation::Sigmoid, Activation::Linear] {
        assert!(node(9, activation).is_ok(), "{activation:?} has no kink");
    }
    assert!(node(8, Activation::Relu).is_ok(), "the limit itself");
}

/// Rows about one centre under a cavity of precision 1, in antithetic pairs, and their distances from it.
fn rows_about(center: [f64; 2], count: usize, rng: &mut Pcg64) -> (Vec<f64>, Vec<f64>) {
    let mut noise = Vec::with_capacity(2 * count);
    for _ in 0..count / 2 {
        let (a, b) = (normal(rng), normal(rng));
        noise.extend([a, b, -a, -b]);
    }
    (noise.iter().enumerate().map(|(k, w)| center[k % 2] + w).collect(), noise)
}

const IDENTITY: [f64; 4] = [1.0, 0.0, 0.0, 1.0];

/// A network, the centre of its rows, and an output. Between leaving the first unit off and jumping to it, the balance
/// tips near a mean of -0.5 (kinked) or -2.2 (smooth).
fn jumping(activation: Activation) -> (TwoLayer, [f64; 2], f64) {
    let (weights, noise_precision, center, y) = match activation {
        Activation::Relu => (vec![1.5, -1.0], 1.0, [-0.3, -0.2], 1.0),
        _ => (vec![3.0, -0.5], 0.3, [-2.2, 0.0], 3.0),
    };
    let weights = Rows::from_vec(2, 1, weights).unwrap();
    (TwoLayer::new(weights, vec![0.0], activation, noise_precision).unwrap(), center, y)
}

fn average(covariances: &[f64]) -> [f64; 4] {
    let mut sums = [0.0; 4];
    for row in covariances.chunks_exact(4) {
        (0..4).for_each(|k| sums[k] += row[k] * 4.0 / covariances.len() as f64);
    }
    sums
}

/// Stein's lemma, `E[z(r) (r - m)'] = E[J] Gamma^-1` for `r ~ N(m, Gamma^-1)`, counts jumps; it checks that the
/// average covariance does too. 40000 rows in antithetic pairs: a standard error of about 0.01 on both sides.
#[test]
fn the_average_covariance_counts_jumps() {
    const ROWS: usize = 40_000;
    const BAND: f64 = 0.05;
    let mut rng = Pcg64::seed_from_u64(4);
    for activation in [Activation::Relu, Activation::Tanh] {
        let (network, center, y) = jumping(activation);
        let (mean, noise) = rows_about(center, ROWS, &mut rng);
        let y = vec![y; ROWS];
        let averaged = |step: f64| {
            let node = TwoLayerMap::new(network.clone()).unwrap().with_step(step).unwrap();
            let (z, c) = answer(&node, &mean, &IDENTITY, &y);
            (z, average(&c))
        };
        let (z, jumps) = averaged(super::maximiser::STEP);
        let (_, smooth) = averaged(0.0);
        let mut worst_smooth = 0.0f64;
        for i in 0..2 {
            for k in 0..2 {
                let stein: f64 =
                    (0..ROWS).map(|n| z[2 * n + i] * noise[2 * n + k]).sum::<f64>() / ROWS as f64;
                let found = jumps[i * 2 + k];
                assert!(
                    (found - stein).abs() < BAND,
                    "{activation:?}, entry {i}, {k}: {found} against {stein}"
                );
                worst_smooth = worst_smooth.max((smooth[i * 2 + k] - stein).abs());
            }
        }
        assert!(
            worst_smooth > 2.0 * BAND,
            "{activation:?}: the smooth part alone must be seen to be wrong: {worst_smooth}"
        );
    }
}

/// The declared error against the scatter of what jumps add to the average, over 100 batches of 400 rows. Its four
/// entries are nearly of rank one, so the ratio of root mean squares has a standard error of about `1 / sqrt(200)`, 7
/// percent.
#[test]
fn the_declared_error_is_the_scatter_of_the_jumps() {
    const BATCHES: usize = 100;
    const ROWS: usize = 400;
    const BAND: f64 = 0.3;
    let mut rng = Pcg64::seed_from_u64(6);
    for activation in [Activation::Relu, Activation::Tanh] {
        let (network, center, y) = jumping(activation);
        let node = TwoLayerMap::new(network).unwrap();
        let smooth = node.clone().with_step(0.0).unwrap();
        let (mut jumps, mut declared, mut size) = (Vec::new(), 0.0, 0.0);
        for _ in 0..BATCHES {
            // Independent rows: each pair gives one.
            let (pairs, _) = rows_about(center, 2 * ROWS, &mut rng);
            let mean: Vec<f64> = pairs.chunks_exact(4).flat_map(|p| [p[0], p[1]]).collect();
            let y = vec![y; ROWS];
            let (_, all, error) = declared_answer(&node, &mean, &IDENTITY, &y);
            let (_, without, none) = declared_answer(&smooth, &mean, &IDENTITY, &y);
            let [all, without] = [all, without].map(|covariances| average(&covariances));
            jumps.push([0, 1, 2, 3].map(|k| all[k] - without[k]));
            declared += error.powi(2) / BATCHES as f64;
            size += all.iter().map(|v| v * v).sum::<f64>() / BATCHES as f64;
            assert!(none == 0.0, "nothing is sampled without a step");
        }
        let mut variance = 0.0;
        for k in 0..4 {
            let mean: f64 = jumps.iter().map(|j| j[k]).sum::<f64>() / BATCHES as f64;
            variance +=
                jumps.iter().map(|j| (j[k] - mean).powi(2)).sum::<f64>() / (BATCHES as f64 - 1.0);
        }
        let ratio = (declared / (variance / size)).sqrt();
        assert!((ratio - 1.0).abs() < BAND, "{activation:?}: {ratio}");
        assert!(declared > 0.0, "{activation:?} jumps");
    }
}

#[test]
fn rows_with_one_maximum_declare_no_error_and_answer_with_a_covariance() {
    let mut rng = Pcg64::seed_from_u64(7);
    // Data this noisy can't make a second maximum.
    let network = network(3, Activation::Sigmoid, 0.1, &mut rng);
    let node = TwoLayerMap::new(network).unwrap();
    let gamma = precision(3, &mut rng);
    let mean: Vec<f64> = (0..3 * 50).map(|_| normal(&mut rng)).collect();
    let (_, with_step, error) = declared_answer(&node, &mean, &gamma, &[0.4; 50]);
    assert!(error == 0.0, "{error}");
    let without = answer(&node.with_step(0.0).unwrap(), &mean, &gamma, &[0.4; 50]).1;
    assert_eq!(with_step, without, "no differences are taken");
}
