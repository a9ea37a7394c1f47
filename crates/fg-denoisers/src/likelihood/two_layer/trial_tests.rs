//! Errors that are declared, next to those that averaged covariances have.

use fg_core::Rows;
use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::special::quantile;

use super::label_tests::{ACTIVATIONS, LINKS};
use super::{Activation, Link, Output, TwoLayer, TwoLayerMmse};
use crate::family::whitened_square;

const WEIGHTS: [f64; 4] = [1.2, -0.7, 0.5, -1.5];

/// Fixed normal numbers.
fn normal(len: usize, seed: f64) -> Vec<f64> {
    let uniform = |i: usize| (0.5 + seed + i as f64 * 0.754_877_666_246_692_7).fract();
    (0..len).map(|i| quantile(uniform(i * i + i).clamp(1e-9, 1.0 - 1e-9))).collect()
}

/// Rows of a problem.
struct Problem {
    rows: usize,
    natural: Vec<f64>,
    mean: Vec<f64>,
    precision: Vec<f64>,
    observed: Vec<f64>,
}

impl Problem {
    /// Cavities of this variance of a matched run, and the data that a layer draws.
    fn drawn(layer: &TwoLayer, rows: usize, variance: f64, seed: f64) -> Self {
        let d = layer.hidden();
        let truth = normal(rows * d, seed);
        let noise = normal(rows, seed + 0.1);
        let mut observed = vec![0.0; rows];
        for ((y, z), e) in observed.iter_mut().zip(truth.chunks_exact(d)).zip(noise) {
            layer.draw(z, &[fg_core::special::cdf(e)], core::slice::from_mut(y));
        }
        let (share, spread) = (1.0 - variance, (variance * (1.0 - variance)).sqrt());
        let errors = normal(rows * d, seed + 0.2);
        let mean: Vec<f64> =
            truth.iter().zip(errors).map(|(z, e)| share * z + spread * e).collect();
        let precision = (0..d * d).map(|k| if k % (d + 1) == 0 { 1.0 / variance } else { 0.0 });
        Self::given(mean, precision.collect(), observed)
    }

    fn given(mean: Vec<f64>, precision: Vec<f64>, observed: Vec<f64>) -> Self {
        let rows = observed.len();
        let d = mean.len() / rows;
        let mut natural = vec![0.0; mean.len()];
        for (n, r) in natural.chunks_exact_mut(d).zip(mean.chunks_exact(d)) {
            fg_core::message::small::row_times(r, &precision, n, d);
        }
        Self { rows, natural, mean, precision, observed }
    }

    /// Covariances, and the error declared.
    fn answer(&self, node: &TwoLayerMmse) -> (Vec<f64>, f64) {
        let d = self.mean.len() / self.rows;
        let (mut mean, mut covariance) =
            (vec![0.0; self.mean.len()], vec![0.0; self.mean.len() * d]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        let cavity = RowCavity::new(0, d, &self.natural, &self.mean, &self.precision);
        let mut scratch = Scratch::default();
        node.estimate(&self.observed, &cavity, &mut out, &mut scratch).unwrap();
        (covariance, scratch.take_standard_error())
    }

    /// Relative error of the averaged covariance, and what is declared.
    fn errors(&self, node: &TwoLayerMmse, reference: &TwoLayerMmse) -> (f64, f64) {
        let size = self.precision.len();
        let ((found, declared), (expected, _)) = (self.answer(node), self.answer(reference));
        let (mut off, mut whole, mut work) = (vec![0.0; size], vec![0.0; size], vec![0.0; size]);
        for (k, (f, e)) in found.iter().zip(&expected).enumerate() {
            off[k % size] += f - e;
            whole[k % size] += e;
        }
        let mut square = |x: &[f64]| whitened_square(x, &self.precision, &mut work);
        ((square(&off) / square(&whole)).sqrt(), declared)
    }
}

#[test]
fn probe_noise() {
    for d in [1, 2, 3, 4] {
        for activation in ACTIVATIONS {
            for variance in [1.0, 0.2, 0.04] {
                let weights = Rows::column(WEIGHTS[..d].to_vec());
                let layer = TwoLayer::new(weights, vec![0.1], activation, 4.0).unwrap();
                let node = TwoLayerMmse::new(layer.clone());
                let reference = TwoLayerMmse::new(layer.clone()).with_points(1024).unwrap();
                let reference = reference.with_nodes(33).unwrap();
                for rows in [7, 100, 1000] {
                    let (mut t, mut dd) = (0.0, 0.0);
                    let mut worst = 0.0f64;
                    let many = if rows == 1000 { 4 } else { 8 };
                    for k in 0..many {
                        let problem = Problem::drawn(&layer, rows, variance, 0.03 * f64::from(k));
                        let (truth, declared) = problem.errors(&node, &reference);
                        t += truth * truth / f64::from(many);
                        dd += declared * declared / f64::from(many);
                        worst = worst.max(truth / declared);
                    }
                    println!(
                        "{d} {activation:?} v {variance} rows {rows}: true {:.2e} declared {:.2e} ratio {:.2} worst {worst:.1}",
                        t.sqrt(),
                        dd.sqrt(),
                        (dd / t).sqrt()
                    );
                }
            }
        }
    }
}

#[test]
fn probe_labels() {
    for link in LINKS {
        for activation in [Activation::Tanh, Activation::Sigmoid, Activation::Erf, Activation::Relu]
        {
            for (d, gamma) in
                [(2, [400.0, 50.0]), (2, [4.0, 1.0]), (2, [25.0, 1.0]), (2, [1.0, 1.0])]
            {
                let layer = TwoLayer::labels(&[1.2, -0.7], 0.2, activation, link).unwrap();
                let layer = if gamma[0] == 25.0 {
                    TwoLayer::labels(&[5.0, -4.0], 0.2, activation, link).unwrap()
                } else {
                    layer
                };
                let node = TwoLayerMmse::new(layer.clone());
                let reference = node.clone().with_points(2048).unwrap().with_nodes(129).unwrap();
                let _ = Output::Label(link);
                let _: Link = link;
                for r in
                    [[0.0, 0.0], [0.5, -0.5], [1.0, -1.0], [2.0, -1.0], [3.0, -3.0], [0.3, 2.0]]
                {
                    for rows in [64] {
                        let precision = vec![gamma[0], 0.0, 0.0, gamma[1]];
                        let problem = Problem::given(r.repeat(rows), precision, vec![-1.0; rows]);
                        let (truth, declared) = problem.errors(&node, &reference);
                        println!(
                            "{link:?} {activation:?} {gamma:?} {r:?}: true {truth:.2e} declared {declared:.2e} ratio {:.2}",
                            truth / declared
                        );
                    }
                }
                let _ = d;
            }
        }
    }
}
