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
    let d = node.network().hidden();
    let mut natural = vec![0.0; mean.len()];
    for (n, r) in natural.chunks_exact_mut(d).zip(mean.chunks_exact(d)) {
        fg_core::message::small::row_times(r, gamma, n, d);
    }
    let (mut z, mut c) = (vec![0.0; mean.len()], vec![0.0; mean.len() * d]);
    let mut out = RowEstimate { mean: &mut z, covariance: &mut c };
    let cavity = RowCavity::new(0, d, &natural, mean, gamma);
    node.estimate(y, &cavity, &mut out, &mut Scratch::default()).unwrap();
    (z, c)
}

/// The cost `(z - r)' Gamma (z - r) / 2 + lambda / 2 |y - f(z)|^2`, by its definition.
fn cost(network: &TwoLayer, mean: &[f64], gamma: &[f64], y: f64, z: &[f64]) -> f64 {
    let step: Vec<f64> = z.iter().zip(mean).map(|(z, r)| z - r).collect();
    let mut f = [0.0];
    network.predict(z, &mut f);
    let prior = 0.5 * fg_core::message::small::bilinear(&step, gamma, &step, z.len());
    prior + 0.5 * network.noise_precision() * (y - f[0]).powi(2)
}

#[test]
fn one_unit_answers_with_the_global_minimum_of_a_grid() {
    let mut rng = Pcg64::seed_from_u64(1);
    for activation in ACTIVATIONS {
        for noise in NOISE {
            for _ in 0..20 {
                let network = network(1, activation, noise, &mut rng);
                let node = TwoLayerMap::new(network.clone()).with_step(0.0).unwrap();
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
                let node = TwoLayerMap::new(network.clone()).with_step(0.0).unwrap();
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

#[test]
fn the_smooth_covariance_is_the_jacobian_in_the_natural_parameter() {
    let mut rng = Pcg64::seed_from_u64(3);
    let (d, h) = (3, 1e-6);
    for activation in [Activation::Sigmoid, Activation::Tanh, Activation::Erf] {
        let network = network(d, activation, 2.0, &mut rng);
        let node = TwoLayerMap::new(network).with_step(0.0).unwrap();
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

/// Stein's lemma, `E[z(r) (r - m)'] = E[J] Gamma^-1` for `r ~ N(m, Gamma^-1)`, counts jumps; it checks that the
/// average covariance does too. 40000 rows in antithetic pairs: a standard error of about 0.01 on both sides.
#[test]
fn the_average_covariance_counts_jumps() {
    const ROWS: usize = 40_000;
    const BAND: f64 = 0.05;
    let mut rng = Pcg64::seed_from_u64(4);
    let weights = Rows::from_vec(2, 1, vec![1.5, -1.0]).unwrap();
    let network = TwoLayer::new(weights, vec![0.0], Activation::Relu, 1.0).unwrap();
    let (center, gamma) = ([-0.3, -0.2], [1.0, 0.0, 0.0, 1.0]);
    let mut noise = Vec::with_capacity(2 * ROWS);
    for _ in 0..ROWS / 2 {
        let (a, b) = (normal(&mut rng), normal(&mut rng));
        noise.extend([a, b, -a, -b]);
    }
    let mean: Vec<f64> = noise.iter().enumerate().map(|(k, w)| center[k % 2] + w).collect();
    // Between leaving the first unit off and jumping to it, the balance tips near r = -0.5.
    let y = vec![1.0; ROWS];
    let average = |step: f64| {
        let node = TwoLayerMap::new(network.clone()).with_step(step).unwrap();
        let (z, c) = answer(&node, &mean, &gamma, &y);
        let mut sums = [0.0; 4];
        for row in c.chunks_exact(4) {
            (0..4).for_each(|k| sums[k] += row[k] / ROWS as f64);
        }
        (z, sums)
    };
    let (z, jumps) = average(super::maximiser::STEP);
    let (_, smooth) = average(0.0);
    let mut worst_smooth = 0.0f64;
    for i in 0..2 {
        for k in 0..2 {
            let stein: f64 =
                (0..ROWS).map(|n| z[2 * n + i] * noise[2 * n + k]).sum::<f64>() / ROWS as f64;
            let found = jumps[i * 2 + k];
            assert!((found - stein).abs() < BAND, "entry {i}, {k}: {found} against {stein}");
            worst_smooth = worst_smooth.max((smooth[i * 2 + k] - stein).abs());
        }
    }
    assert!(
        worst_smooth > 2.0 * BAND,
        "the smooth part alone must be seen to be wrong: {worst_smooth}"
    );
}
