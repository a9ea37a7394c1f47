//! Errors that are declared, next to those that averaged covariances have.

use fg_core::Rows;
use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::message::small::row_times;
use fg_core::special::{cdf, quantile};

use super::label_tests::LINKS;
use super::{Activation, Link, TwoLayer, TwoLayerMmse};
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
            layer.draw(z, &[cdf(e)], core::slice::from_mut(y));
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
            row_times(r, &precision, n, d);
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

/// Logarithms of what is declared over what is true, of many problems.
#[derive(Default)]
struct Ratios {
    sum: f64,
    count: f64,
}

impl Ratios {
    #[track_caller]
    fn add(&mut self, label: &str, (truth, declared): (f64, f64), most: f64) {
        /// Where the data say next to nothing both are rounding.
        const ROUNDING: f64 = 1e-13;
        if truth < ROUNDING && declared < ROUNDING {
            return;
        }
        assert!(truth <= most * declared, "{label}: off by {truth:e}, declared {declared:e}");
        self.sum += (declared / truth).ln();
        self.count += 1.0;
    }

    /// Their geometric mean.
    fn mean(&self) -> f64 {
        (self.sum / self.count).exp()
    }
}

#[test]
fn noisy_outputs_declare_what_averages_are_off() {
    const ROWS: usize = 400;
    /// Of the root mean square of a few problems: 2.1 has been seen.
    const MOST: f64 = 3.0;
    /// Geometric means over all problems; small errors of two units are overstated by up to six.
    const CALIBRATED: [f64; 2] = [0.6, 2.0];
    let mut ratios = Ratios::default();
    for d in [2, 4] {
        for activation in [Activation::Relu, Activation::Sigmoid, Activation::Tanh] {
            for variance in [1.0, 0.1] {
                let weights = Rows::column(WEIGHTS[..d].to_vec());
                let layer = TwoLayer::new(weights, vec![0.1], activation, 4.0).unwrap();
                let node = TwoLayerMmse::new(layer.clone());
                let reference = node.clone().with_points(256).unwrap().with_nodes(17).unwrap();
                let mut squares = [0.0; 2];
                for seed in [0.0, 0.03, 0.06] {
                    let problem = Problem::drawn(&layer, ROWS, variance, seed);
                    let (truth, declared) = problem.errors(&node, &reference);
                    squares[0] += truth * truth;
                    squares[1] += declared * declared;
                }
                let [truth, declared] = squares.map(f64::sqrt);
                let label = format!("{d} {activation:?}, variance {variance}");
                ratios.add(&label, (truth, declared), MOST);
            }
        }
    }
    let mean = ratios.mean();
    assert!(CALIBRATED[0] < mean && mean < CALIBRATED[1], "{mean}");
}

/// Labels that agree with what two units predict or contradict it, by up to several deviations of the noise, for cavities wide
/// and narrow, and outputs that are steep next to the noise.
#[test]
fn labels_of_two_units_declare_what_they_are_off() {
    /// Smooth units are off by 1.1 times what is declared, by 1.5 where that is `1e-7`, kinked ones by more, whose error isn't that of
    /// one scale.
    const MOST: [f64; 2] = [3.0, 6.0];
    /// Geometric mean over the smooth ones.
    const CALIBRATED: [f64; 2] = [0.6, 1.7];
    let mut ratios = [Ratios::default(), Ratios::default()];
    for link in LINKS {
        for activation in [Activation::Tanh, Activation::Sigmoid, Activation::Relu] {
            for (gamma, weights) in [
                ([400.0, 50.0], [1.2, -0.7]),
                ([4.0, 1.0], [1.2, -0.7]),
                ([25.0, 1.0], [5.0, -4.0]),
                ([1.0, 1.0], [1.2, -0.7]),
            ] {
                let layer = TwoLayer::labels(&weights, 0.2, activation, link).unwrap();
                let node = TwoLayerMmse::new(layer);
                let reference = node.clone().with_points(256).unwrap().with_nodes(65).unwrap();
                for r in [[0.0, 0.0], [1.0, -1.0], [3.0, -3.0], [0.3, 2.0]] {
                    for y in [-1.0, 1.0] {
                        let precision = vec![gamma[0], 0.0, 0.0, gamma[1]];
                        let problem = Problem::given(r.to_vec(), precision, vec![y]);
                        let errors = problem.errors(&node, &reference);
                        let kinked = usize::from(activation.slopes().is_some());
                        let label = format!("{link:?} {activation:?} {gamma:?} {r:?} {y}");
                        ratios[kinked].add(&label, errors, MOST[kinked]);
                    }
                }
            }
        }
    }
    let mean = ratios[0].mean();
    assert!(CALIBRATED[0] < mean && mean < CALIBRATED[1], "{mean}");
}

/// A row of a label alone and among others like it: what nodes are off by doesn't average out.
#[test]
fn rows_alike_share_the_error_of_their_nodes() {
    let layer = TwoLayer::labels(&[1.2, -0.7], 0.2, Activation::Tanh, Link::Logistic).unwrap();
    let node = TwoLayerMmse::new(layer);
    let errors = [1, 64].map(|rows: usize| {
        let precision = vec![400.0, 0.0, 0.0, 50.0];
        let problem = Problem::given([1.0, -1.0].repeat(rows), precision, vec![-1.0; rows]);
        problem.answer(&node).1
    });
    assert!((errors[1] / errors[0] - 1.0).abs() < 0.1, "{errors:?}");
}
