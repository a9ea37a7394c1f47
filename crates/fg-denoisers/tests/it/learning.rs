//! Learning: steps never lower the likelihood, and lead to the parameters that the rows were drawn with.

#![expect(clippy::unwrap_used, reason = "parts of tests fail by panicking")]

use fg_core::denoiser::{Denoiser, Law, Likelihood, Parameter, RowCavity};
use fg_denoisers::{
    Awgn, BernoulliGauss, Discrete, Gaussian, GaussianMixture, GroupBernoulliGauss,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Rows drawn, and their number of steps: learned values err by a few percent, and have settled.
const ROWS: usize = 20_000;
const STEPS: usize = 200;
/// A likelihood of a few ten thousand may fall by rounding.
const ROUNDING: f64 = 1e-9;
/// Five standard errors of a variance from this many rows are 5 percent of it.
const STATISTICAL: f64 = 0.05;

fn uniforms(count: usize, rng: &mut Pcg64) -> Vec<f64> {
    (0..count).map(|_| rng.random()).collect()
}

/// Rows of a law.
fn draw(law: &dyn Law, d: usize, rng: &mut Pcg64) -> Vec<f64> {
    let mut rows = vec![0.0; ROWS * d];
    for row in rows.chunks_exact_mut(d) {
        law.draw(&uniforms(law.uniforms(d), rng), row);
    }
    rows
}

/// Natural parameters and means of cavities of an isotropic precision about these rows.
fn observe(rows: &[f64], precision: f64, rng: &mut Pcg64) -> (Vec<f64>, Vec<f64>) {
    let noise = Gaussian::new(0.0, 1.0 / precision).unwrap();
    let mut noises = vec![0.0; rows.len()];
    noise.law().unwrap().draw(&uniforms(rows.len(), rng), &mut noises);
    let mean: Vec<f64> = rows.iter().zip(noises).map(|(x, e)| x + e).collect();
    (mean.iter().map(|m| precision * m).collect(), mean)
}

fn identity(scale: f64, d: usize) -> Vec<f64> {
    (0..d * d).map(|k| if k % (d + 1) == 0 { scale } else { 0.0 }).collect()
}

/// Learns `prior` from rows of `truth` seen in two pieces of different precision.
fn learn(prior: impl Denoiser + 'static, truth: &dyn Law, d: usize) -> Vec<Parameter> {
    let mut rng = Pcg64::seed_from_u64(11);
    let rows = draw(truth, d, &mut rng);
    let half = rows.len() / 2;
    let precisions = [30.0, 2.0];
    let (mut natural, mut mean) = observe(&rows[..half], precisions[0], &mut rng);
    let (more, further) = observe(&rows[half..], precisions[1], &mut rng);
    natural.extend(more);
    mean.extend(further);
    let matrices = precisions.map(|p| identity(p, d));
    let piece = |k: usize| {
        let range = k * half..(k + 1) * half;
        RowCavity::new(k * ROWS / 2, d, &natural[range.clone()], &mean[range], &matrices[k])
    };
    let mut prior: Box<dyn Denoiser> = Box::new(prior);
    let mut last = f64::NEG_INFINITY;
    for step in 0..STEPS {
        let mut likelihood = 0.0;
        for k in 0..2 {
            let mut out = vec![0.0; ROWS / 2];
            assert!(prior.log_partition(&piece(k), &mut out), "{} has a likelihood", prior.name());
            likelihood += out.iter().sum::<f64>();
        }
        assert!(
            likelihood >= last - ROUNDING * likelihood.abs(),
            "{} falls in step {step}: {last} to {likelihood}",
            prior.name()
        );
        last = likelihood;
        prior = prior.learned(&mut (0..2).map(piece)).unwrap();
    }
    prior.learning()
}

#[track_caller]
fn assert_learned(found: &[Parameter], expected: &[(&str, &[f64])]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (parameter, (name, values)) in found.iter().zip(expected) {
        assert_eq!(parameter.name, *name, "{parameter}");
        assert_eq!(parameter.values.len(), values.len(), "{parameter}");
        let scale = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        for (a, b) in parameter.values.iter().zip(*values) {
            assert!((a - b).abs() < STATISTICAL * scale, "{parameter}, expected {values:?}");
        }
    }
}

#[test]
fn sparsity_and_slab() {
    let truth = BernoulliGauss::new(0.2, 1.5, 2.0).unwrap();
    let start = BernoulliGauss::new(0.6, 0.0, 0.5).unwrap();
    let learned = learn(start.learn_sparsity().learn_mean().learn_variance(), &truth, 1);
    assert_learned(&learned, &[("sparsity", &[0.2]), ("mean", &[1.5]), ("variance", &[2.0])]);
}

#[test]
fn what_is_not_to_be_learned_stays() {
    let truth = BernoulliGauss::new(0.2, 0.0, 2.0).unwrap();
    let start = BernoulliGauss::new(0.6, 0.0, 2.0).unwrap();
    assert!(start.learning().is_empty());
    let learned = learn(start.learn_sparsity(), &truth, 1);
    assert_learned(&learned, &[("sparsity", &[0.2])]);
}

#[test]
fn gaussian_mean_and_covariance() {
    let (mean, covariance) = ([1.0, -2.0], [2.0, 0.8, 0.8, 1.0]);
    let truth = Gaussian::with_covariance(&mean, &covariance).unwrap();
    let start = Gaussian::with_covariance(&[0.0, 0.0], &[1.0, 0.0, 0.0, 1.0]).unwrap();
    let learned = learn(start.learn_mean().learn_covariance(), &truth, 2);
    assert_learned(&learned, &[("mean", &mean), ("covariance", &covariance)]);
    let truth = Gaussian::new(3.0, 0.5).unwrap();
    let start = Gaussian::new(0.0, 4.0).unwrap();
    let learned = learn(start.learn_mean().learn_covariance(), &truth, 3);
    assert_learned(&learned, &[("mean", &[3.0]), ("variance", &[0.5])]);
}

#[test]
fn sparse_rows() {
    let covariance = [2.0, 0.8, 0.8, 1.0];
    let truth = GroupBernoulliGauss::with_covariance(0.3, 2, &covariance).unwrap();
    let start = GroupBernoulliGauss::with_covariance(0.6, 2, &[1.0, 0.0, 0.0, 1.0]).unwrap();
    let learned = learn(start.learn_sparsity().learn_covariance(), &truth, 2);
    assert_learned(&learned, &[("sparsity", &[0.3]), ("covariance", &covariance)]);
}

#[test]
fn mixtures() {
    let truth = GaussianMixture::scalar(&[(0.3, -3.0, 0.5), (0.7, 2.0, 1.5)]).unwrap();
    let start = GaussianMixture::scalar(&[(0.5, -1.0, 1.0), (0.5, 1.0, 1.0)]).unwrap();
    let learned = learn(start.learn_weights().learn_means().learn_covariances(), &truth, 1);
    let expected: [(&str, &[f64]); 3] =
        [("weights", &[0.3, 0.7]), ("means", &[-3.0, 2.0]), ("covariances", &[0.5, 1.5])];
    assert_learned(&learned, &expected);
}

#[test]
fn weights_of_points() {
    let points = [-2.0, 0.0, 1.0];
    let truth = Discrete::new(1, &points, &[0.5, 0.3, 0.2]).unwrap();
    let start = Discrete::new(1, &points, &[0.1, 0.1, 0.8]).unwrap();
    assert!(start.learning().is_empty());
    assert_learned(&learn(start.learn_weights(), &truth, 1), &[("weights", &[0.5, 0.3, 0.2])]);
}

#[test]
fn rows_that_are_known_are_not_learned() {
    let known = Gaussian::new(1.0, 0.0).unwrap().learn_covariance();
    assert!(known.learning().is_empty());
    assert!(Awgn::new(f64::INFINITY).unwrap().learn_noise().learning().is_empty());
}

#[test]
fn noise_of_data() {
    let mut rng = Pcg64::seed_from_u64(5);
    for d in [1, 2] {
        let covariance = if d == 1 { vec![0.3] } else { vec![0.5, -0.2, -0.2, 0.3] };
        let z = draw(&Gaussian::new(0.0, 1.0).unwrap(), d, &mut rng);
        let law = Gaussian::with_covariance(&vec![0.0; d], &covariance).unwrap();
        let noise = draw(&law, d, &mut rng);
        let data: Vec<f64> = z.iter().zip(noise).map(|(z, e)| z + e).collect();
        let (natural, mean) = observe(&z, 4.0, &mut rng);
        let matrix = identity(4.0, d);
        let rows = || RowCavity::new(0, d, &natural, &mean, &matrix);
        let start = Awgn::from_precision_matrix(d, &identity(0.2, d)).unwrap().learn_noise();
        let mut node: Box<dyn Likelihood> = Box::new(start);
        let mut last = f64::NEG_INFINITY;
        for _ in 0..STEPS {
            let mut out = vec![0.0; ROWS];
            assert!(node.log_partition(&data, &rows(), &mut out));
            let likelihood = out.iter().sum::<f64>();
            assert!(likelihood >= last - ROUNDING * likelihood.abs(), "{last} to {likelihood}");
            last = likelihood;
            let mut pieces = core::iter::once((data.as_slice(), rows()));
            node = node.learned(&mut pieces).unwrap();
        }
        assert_learned(&node.learning(), &[("noise covariance", &covariance)]);
    }
}
