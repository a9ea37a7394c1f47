//! Declared standard errors of what is averaged over points, against actual errors measured by much larger rules.

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::message::small;
use fg_core::testing::{Subject, check_calibration};
use fg_denoisers::likelihood::{Activation, Committee, Link, Softmax, TwoLayer, TwoLayerMmse};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const ROWS: usize = 16;
/// Cavities whose errors are averaged: a precision of its own turns the points for each.
const CAVITIES: usize = 24;
/// Each cavity's squared error is a sum of about four independent ones (six entries of unequal size), so that the root of
/// the mean of 24 has a standard error of `1 / sqrt(2 * 96)`, 7 percent, and so has what is declared; 4 of both together.
const BAND: f64 = 0.4;

fn normal(rng: &mut Pcg64) -> f64 {
    fg_core::special::quantile(rng.random_range(1e-12..1.0))
}

/// `I / 2 + G G' / d`.
fn precision(d: usize, rng: &mut Pcg64) -> Vec<f64> {
    let g: Vec<f64> = (0..d * d).map(|_| normal(rng)).collect();
    let dot = |i: usize, j: usize| (0..d).map(|k| g[i * d + k] * g[j * d + k]).sum::<f64>();
    let own = |k: usize| if k.is_multiple_of(d + 1) { 0.5 } else { 0.0 };
    (0..d * d).map(|k| dot(k / d, k % d) / d as f64 + own(k)).collect()
}

/// Row covariances, averaged, and the standard error declared of that.
fn average(model: &dyn Likelihood, y: &[f64], r: &[f64], gamma: &[f64]) -> (Vec<f64>, f64) {
    let d = gamma.len().isqrt();
    let mut natural = vec![0.0; r.len()];
    for (n, r) in natural.chunks_exact_mut(d).zip(r.chunks_exact(d)) {
        small::row_times(r, gamma, n, d);
    }
    let cavity = RowCavity::new(0, d, &natural, r, gamma);
    let (mut mean, mut covariance) = (vec![0.0; r.len()], vec![0.0; r.len() * d]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
    let mut scratch = Scratch::default();
    model.estimate(y, &cavity, &mut out, &mut scratch).expect("an estimate");
    let sum = |k: usize| covariance.iter().skip(k).step_by(d * d).sum::<f64>();
    ((0..d * d).map(|k| sum(k) / ROWS as f64).collect(), scratch.take_standard_error())
}

/// Squared norm of a symmetric matrix in the metric of the precision.
fn square(x: &[f64], gamma: &[f64]) -> f64 {
    let d = gamma.len().isqrt();
    let mut product = vec![0.0; d * d];
    small::multiply(gamma, x, &mut product, d);
    (0..d * d).map(|k| product[k] * product[k % d * d + k / d]).sum()
}

/// Compares over many cavities; `fine` has so many points that its own error adds next to nothing to the square.
fn compare(model: &dyn Likelihood, fine: &dyn Likelihood, d: usize) {
    let mut rng = Pcg64::seed_from_u64(11);
    let (mut declared, mut actual) = (0.0, 0.0);
    for _ in 0..CAVITIES {
        let gamma = precision(d, &mut rng);
        let r: Vec<f64> = (0..ROWS * d).map(|_| normal(&mut rng)).collect();
        let mut y = vec![0.0; ROWS];
        for (y, r) in y.iter_mut().zip(r.chunks_exact(d)) {
            // Data of another row near by: labels against the evidence occur.
            let z: Vec<f64> = r.iter().map(|r| r + normal(&mut rng)).collect();
            model.draw(&z, &[rng.random_range(0.0..1.0)], std::slice::from_mut(y));
        }
        let (rough, error) = average(model, &y, &r, &gamma);
        declared += error.powi(2);
        let (exact, _) = average(fine, &y, &r, &gamma);
        let error: Vec<f64> = rough.iter().zip(&exact).map(|(a, b)| a - b).collect();
        actual += square(&error, &gamma) / square(&exact, &gamma);
    }
    let [declared, actual] = [declared, actual].map(|s| (s / CAVITIES as f64).sqrt());
    let name = model.name();
    assert!((declared / actual - 1.0).abs() < BAND, "{name}: {declared:e}, actually {actual:e}");
}

#[test]
fn committees_declare_their_errors() {
    let vote = Committee::new().with_units(3).unwrap().with_flips(0.02).unwrap();
    compare(&vote, &vote.clone().with_points(1 << 11).unwrap(), 3);
}

/// What the catalogue leaves out, since derivatives of averages over points aren't exact: on data that the model draws the
/// squared errors are the covariances.
#[test]
#[ignore = "a minute in a test build"]
fn averages_over_points_are_calibrated() {
    let vote = Committee::new().with_units(3).unwrap().with_points(32).unwrap();
    let classes = Softmax::new(3).unwrap().with_points(64).unwrap();
    let layer = TwoLayer::labels(&[1.2, -0.7], 0.2, Activation::Relu, Link::Logistic).unwrap();
    let node = TwoLayerMmse::new(layer);
    let models: [(&dyn Likelihood, usize); 3] = [(&vote, 3), (&classes, 3), (&node, 2)];
    for (model, d) in models {
        if let Err(violation) = check_calibration(Subject::likelihood(model, &[1.0]), d) {
            panic!("{}: {violation}", model.name());
        }
    }
}

#[test]
fn softmax_declares_its_errors() {
    let model = Softmax::new(3).unwrap().with_points(256).unwrap();
    compare(&model, &model.clone().with_points(1 << 13).unwrap(), 3);
}

fn compare_labels(activation: Activation, link: Link) {
    let layer = TwoLayer::labels(&[1.2, -0.7, 2.0], 0.2, activation, link).expect("a layer");
    let node = TwoLayerMmse::new(layer);
    let fine = node.clone().with_points(256).expect("so many points");
    compare(&node, &fine, 3);
}

#[test]
fn labels_of_two_layers_declare_their_errors() {
    compare_labels(Activation::Relu, Link::Logistic);
}

#[test]
#[ignore = "twenty seconds in a test build"]
fn labels_of_other_two_layers_declare_their_errors() {
    compare_labels(Activation::Relu, Link::Probit { variance: 0.2 });
    compare_labels(Activation::Tanh, Link::Logistic);
    compare_labels(Activation::Sigmoid, Link::Probit { variance: 0.2 });
}
