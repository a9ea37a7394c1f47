//! Regularised empirical risks: message passing and the primal-dual method reach one minimiser, and its errors are those
//! predicted.

use fg_core::Rows;
use fg_core::denoiser::{Denoiser, Law, Likelihood};
use fg_core::operator::Dense;
use fg_core::special::logistic;
use fg_denoisers::likelihood::HuberNoise;
use fg_denoisers::penalty::{ElasticNet, GroupLasso, L2};
use fg_denoisers::{Awgn, BernoulliGauss, Gaussian, Hinge, L1, Logistic, Poisson};
use fg_models::ModelError;
use fg_models::baseline::{End, primal_dual};
use fg_models::erm::{self, Risk};
use fg_models::linear::outputs;
use fg_models::synthetic::{add_noise, derived_seed, exactly_sparse, gaussian_rows};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Rows of data and unknowns: three to one, singular values within a factor of four.
const SIZE: (usize, usize) = (90, 30);
/// Residual and iterations of the primal-dual method.
const SETTLED: End = End { tolerance: 1e-11, iterations: 200_000 };
/// Largest residual of a run, and difference of the minimisers.
const OPTIMAL: f64 = 1e-8;
const EQUAL: f64 = 1e-7;

fn both<P, L>(name: &str, (penalty, loss): (P, L), data: impl Fn(f64, &mut Pcg64) -> f64)
where
    P: Denoiser + Clone + 'static,
    L: Likelihood + Clone + 'static,
{
    let (m, n) = SIZE;
    let rng = &mut Pcg64::seed_from_u64(8);
    let d = penalty.columns().or(loss.columns()).unwrap_or(2);
    let inputs = Dense::from_rows(&gaussian_rows(m, n, 1.0 / n as f64, rng)).unwrap();
    let clean = outputs(&inputs, &gaussian_rows(n, d, 2.0, rng));
    let data = Rows::from_fn(m, d, |i, j| data(clean[(i, j)], rng));
    let slow = primal_dual(&inputs, &penalty, &loss, &data, SETTLED).unwrap();
    let risk = Risk::new(penalty, loss).unwrap();
    let minimum = risk.minimise(inputs, data, &erm::options()).unwrap();
    let pairs = minimum.fit.estimate().as_slice().iter().zip(slow.estimate.as_slice());
    let gap = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let size = slow.estimate.as_slice().iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let report = minimum.fit.report();
    println!(
        "{name}: gap {gap:.1e} of {size:.2}, residuals {:.1e} and {:.1e} after {} iterations; {report}",
        minimum.residual, slow.residual, slow.iterations
    );
    assert!(
        slow.residual <= SETTLED.tolerance,
        "{name}: {} of the primal-dual method",
        slow.residual
    );
    assert!(minimum.residual < OPTIMAL, "{name}: {}, {report}", minimum.residual);
    assert!(gap < EQUAL && size > 0.1, "{name}: {gap} of {size}");
}

fn label(z: f64, rng: &mut Pcg64) -> f64 {
    if rng.random::<f64>() < logistic(z) { 1.0 } else { -1.0 }
}

fn count(z: f64, rng: &mut Pcg64) -> f64 {
    // The number of exponential waiting times within one unit of time.
    let (rate, mut time, mut count) = ((0.5 * z).exp(), 0.0, -1.0);
    while time < 1.0 {
        time -= (1.0 - rng.random::<f64>()).ln() / rate;
        count += 1.0;
    }
    count
}

/// Noise, a tenth of it ten times as large.
fn outlying(z: f64, rng: &mut Pcg64) -> f64 {
    let size = if rng.random::<f64>() < 0.1 { 5.0 } else { 0.5 };
    z + size * (2.0 * rng.random::<f64>() - 1.0)
}

#[test]
fn message_passing_reaches_the_minimiser_of_smooth_losses() {
    let logistic = || Logistic::new().maximised();
    both("logistic, L2", (L2::new(1.0).unwrap(), logistic()), label);
    both("logistic, L1", (L1::new(0.5).unwrap(), logistic()), label);
    let net = ElasticNet::new(0.2, 0.5).unwrap();
    both("counts, elastic net", (net, Poisson::exponential().maximised()), count);
    let huber = HuberNoise::new(0.5, 1.5).unwrap().maximised();
    both("Huber, L1", (L1::new(0.5).unwrap(), huber), outlying);
}

#[test]
fn message_passing_reaches_the_minimiser_of_squares_and_margins() {
    both("squares, L1", (L1::new(0.5).unwrap(), Awgn::new(2.0).unwrap()), outlying);
    both("squares, groups", (GroupLasso::new(1.0).unwrap(), Awgn::new(2.0).unwrap()), outlying);
    both("hinge, L2", (L2::new(1.0).unwrap(), Hinge::new(1.0).unwrap()), label);
}

/// Most or all unknowns are silenced, and the loss is linear next to zero: with a damping of 0.9, or where precisions may fall
/// below 1e-2, runs swing up to 1e5 and break off, the last two of these at 0.7 with precisions from 1e-6 on.
#[test]
fn margins_under_a_strong_penalty_of_sizes_settle() {
    let (m, n) = (800, 400);
    for (seed, run) in [(3, 0), (3, 1), (4, 1), (8, 1)] {
        let rng = &mut Pcg64::seed_from_u64(derived_seed(seed, &[run]));
        let truth = exactly_sparse((n, 1), 0.1, 0.0, 90.0, rng);
        let inputs = Dense::from_rows(&gaussian_rows(m, n, 1.0 / n as f64, rng)).unwrap();
        let odds = outputs(&inputs, &truth);
        let labels = Rows::from_fn(m, 1, |i, _| label(odds[(i, 0)], rng));
        let risk = Risk::new(L1::new(10.0).unwrap(), Hinge::new(1.0).unwrap()).unwrap();
        let minimum = risk.minimise(inputs, labels, &erm::options()).unwrap();
        let report = minimum.fit.report();
        println!("{seed}, {run}: {:.1e}, {report}", minimum.residual);
        assert!(minimum.residual < OPTIMAL, "{seed}, {run}: {}, {report}", minimum.residual);
        if seed == 3 {
            assert!(minimum.fit.estimate().norm_squared() > 1.0, "{run}: nothing is left");
        }
    }
}

#[test]
fn posterior_means_are_refused() {
    let error = Risk::new(L1::new(1.0).unwrap(), Logistic::new()).unwrap_err();
    assert_eq!(error, ModelError::Estimation { part: "loss" });
    assert!(error.to_string().contains("loss"), "{error}");
    let sparse = BernoulliGauss::new(0.1, 0.0, 1.0).unwrap();
    let error = Risk::new(sparse, Logistic::new().maximised()).unwrap_err();
    assert_eq!(error, ModelError::Estimation { part: "penalty" });
}

/// Ridge regression with the weight of the law of its unknowns is the posterior mean, whose error is known from random matrices.
#[test]
fn predicted_errors_of_ridge_regression_are_those_of_random_matrices() {
    /// Of integrals over 16384 points.
    const ACCURACY: f64 = 5e-4;
    let (ratio, noise, power) = (2.0, 0.5, 1.5);
    let risk = Risk::new(L2::new(1.0 / power).unwrap(), Awgn::new(1.0 / noise).unwrap()).unwrap();
    let (law, truth) = (Gaussian::new(0.0, power).unwrap(), Awgn::new(1.0 / noise).unwrap());
    let found = risk.predict(ratio, law, truth).unwrap();
    // e = 1 / (1 / power + ratio / (noise + e)), for E |a|^2 = 1 and ratio rows an unknown.
    let mut error = power;
    for _ in 0..200 {
        error = 1.0 / (1.0 / power + ratio / (noise + error));
    }
    let mse = found.estimate().mse();
    assert!((mse / error - 1.0).abs() < ACCURACY, "{mse} for {error}");
    // What is left at the training data is smaller by the share noise / (noise + error), twice.
    let left = found.training(|_, slope| (noise * slope).powi(2));
    let expected = noise * noise / (noise + error);
    assert!((left / expected - 1.0).abs() < ACCURACY, "{left} for {expected}");
}

#[test]
fn the_evidence_of_a_risk_is_minus_its_least_value() {
    let mut rng = Pcg64::seed_from_u64(17);
    let (m, n, noise, weight) = (40, 15, 0.5, 0.8);
    let features = gaussian_rows(m, n, 1.0 / n as f64, &mut rng);
    let signal = gaussian_rows(n, 1, 1.0, &mut rng);
    let operator = || Dense::from_rows(&features).unwrap();
    let data = add_noise(&outputs(&operator(), &signal), noise, &mut rng);
    let risk = Risk::new(L2::new(weight).unwrap(), Awgn::new(1.0 / noise).unwrap()).unwrap();
    let minimum = risk.minimise(operator(), data.clone(), &erm::options()).unwrap();
    let x = minimum.fit.estimate();
    let left = outputs(&operator(), x);
    let squares: f64 =
        data.as_slice().iter().zip(left.as_slice()).map(|(y, z)| (y - z).powi(2)).sum();
    // -log N(y; A x, noise) and the penalty.
    let loss = 0.5 * squares / noise + 0.5 * m as f64 * (core::f64::consts::TAU * noise).ln();
    let least = loss + 0.5 * weight * x.norm_squared();
    let found = minimum.fit.evidence().unwrap().log();
    assert!((found + least).abs() < 1e-6 * least.abs(), "{found} {least}");
}

/// Power of the teacher's weights.
const POWER: f64 = 9.0;

#[test]
fn errors_of_logistic_regression_are_predicted() {
    let law = Gaussian::new(0.0, POWER).unwrap();
    check_predicted("L2", L2::new(0.3).unwrap(), law, 1.0);
    // Penalties with a dead zone, on weights of which one in ten isn't zero.
    let law = || BernoulliGauss::new(0.1, 0.0, 10.0 * POWER).unwrap();
    check_predicted("L1", L1::new(0.6).unwrap(), law(), 0.1);
    check_predicted("elastic net", ElasticNet::new(0.4, 0.1).unwrap(), law(), 0.1);
}

/// Rates of wrong labels, new and of the training, in the mean of `RUNS` runs: within three of their own standard errors of what
/// is predicted, to which comes one over the unknowns; a chance of 2 percent with eight runs.
fn check_predicted(
    name: &str,
    penalty: impl Denoiser + Clone + 'static,
    law: impl Law + 'static,
    share: f64,
) {
    const RUNS: usize = 8;
    const UNKNOWNS: usize = 200;
    const RATIO: usize = 2;
    let risk = Risk::new(penalty, Logistic::new().maximised()).unwrap();
    let predicted = risk.predict(RATIO as f64, law, Logistic::new()).unwrap();
    let wrong = |z0: f64, z: f64| logistic(if z > 0.0 { -z0 } else { z0 });
    // The slope has the sign of the wrong label.
    let missed = |z: f64, slope: f64| f64::from(u8::from(z * slope > 0.0));
    let expected = [predicted.estimate().mse(), predicted.test(wrong), predicted.training(missed)];
    let rng = &mut Pcg64::seed_from_u64(12);
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let truth = exactly_sparse((UNKNOWNS, 1), share, 0.0, POWER / share, rng);
        let mut draw = |count: usize| {
            let x = gaussian_rows(count, UNKNOWNS, 1.0 / UNKNOWNS as f64, rng);
            let operator = Dense::from_rows(&x).unwrap();
            let clean = outputs(&operator, &truth);
            let labels = Rows::from_fn(count, 1, |i, _| label(clean[(i, 0)], rng));
            (operator, clean, labels)
        };
        let (inputs, _, labels) = draw(RATIO * UNKNOWNS);
        let (fresh, clean, _) = draw(2000);
        let minimum = risk.minimise(inputs.clone(), labels.clone(), &erm::options()).unwrap();
        assert!(minimum.residual < OPTIMAL, "{}", minimum.residual);
        let estimate = minimum.fit.estimate();
        let mean =
            |pairs: &mut dyn Iterator<Item = f64>, count: usize| pairs.sum::<f64>() / count as f64;
        let (new, old) = (outputs(&fresh, estimate), outputs(&inputs, estimate));
        let mut tested = clean.as_slice().iter().zip(new.as_slice()).map(|(z0, z)| wrong(*z0, *z));
        let mut trained = labels.as_slice().iter().zip(old.as_slice()).map(|(y, z)| missed(*z, -y));
        runs.push([
            estimate.mean_squared_error(&truth),
            mean(&mut tested, 2000),
            mean(&mut trained, RATIO * UNKNOWNS),
        ]);
    }
    for (k, what) in ["weights", "new labels", "training labels"].into_iter().enumerate() {
        let mean = runs.iter().map(|r| r[k]).sum::<f64>() / RUNS as f64;
        let square = runs.iter().map(|r| (r[k] - mean).powi(2)).sum::<f64>();
        let error = (square / ((RUNS - 1) * RUNS) as f64).sqrt();
        println!("{name}, {what}: {mean:.4} for {:.4} +- {error:.4}", expected[k]);
        let band = 3.0 * error + expected[k] / UNKNOWNS as f64;
        assert!((mean - expected[k]).abs() < band, "{name}, {what}: {mean} for {}", expected[k]);
    }
}
