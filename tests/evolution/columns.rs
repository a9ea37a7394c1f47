//! State evolution against simulation for several columns that share their support.

use crate::runs::{compare, errors, options};
use fg_core::Options;
use fg_core::evolution::{Evolution, Spectrum};
use fg_core::factor::Stratified;
use fg_core::operator::{Dense, Ensemble};
use fg_denoisers::GroupBernoulliGauss;
use fg_models::synthetic::gaussian_matrix;
use fg_models::{GeneralisedGraph, linear};
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// Measurement vectors.
const COLUMNS: usize = 8;
/// Share of rows that aren't zero.
const SPARSITY: f64 = 0.1;
/// Correlation of any two columns.
const CORRELATION: f64 = 0.95;
/// Observations for each row of the signal.
const RATIO: f64 = 0.4;
/// Variance of the noise; columns of the output without noise have a variance of `SPARSITY / RATIO`.
const NOISE: f64 = 0.05;

/// A tenth of the points has rows that aren't zero.
const POINTS: usize = 65536;
/// Standard error of the prediction, relative: measured by other scramblings of the points. Where the model is matched,
/// posterior covariances are averaged, and it is half a percent; where it isn't, squared errors, which scatter more.
const INTEGRATION: [f64; 2] = [0.005, 0.015];

/// The law of rows of `d` columns.
fn correlated(d: usize) -> GroupBernoulliGauss {
    let entry = |k: usize| if k.is_multiple_of(d + 1) { 1.0 } else { CORRELATION };
    let covariance: Vec<f64> = (0..d * d).map(entry).collect();
    GroupBernoulliGauss::with_covariance(SPARSITY, d, &covariance).unwrap()
}

/// Matched, and with a prior that takes the columns for independent and twice as many rows for other than zero.
fn columns(n: usize, runs: u64) {
    let independent = || GroupBernoulliGauss::new(2.0 * SPARSITY, 1.0).unwrap();
    let m = n * 2 / 5;
    assert!((m as f64 / n as f64 - RATIO).abs() < 1.0 / n as f64, "{m} of {n}");
    let (mut measured, mut predicted) = ([Vec::new(), Vec::new()], Vec::new());
    for seed in 0..runs {
        let rng = &mut Pcg64::seed_from_u64(seed);
        let operator = Dense::new(gaussian_matrix(m, n, 1.0 / m as f64, rng)).unwrap();
        let mut drawn = None;
        for (k, prior) in [correlated(COLUMNS), independent()].into_iter().enumerate() {
            let graph = linear::unobserved(operator.clone(), COLUMNS, prior, NOISE.recip());
            let GeneralisedGraph { builder, signal, prior, operator, likelihood, .. } =
                graph.unwrap();
            let graph = builder.build().unwrap();
            if seed == 0 {
                let clock = std::time::Instant::now();
                let mut evolution = Evolution::new(&graph, &options())
                    .with_spectrum(operator, Spectrum::marchenko_pastur(RATIO).unwrap())
                    .with_points(POINTS)
                    .with_tolerance(0.0);
                if k > 0 {
                    evolution = evolution.with_law(prior, correlated(COLUMNS));
                }
                let prediction = evolution.run().unwrap();
                let sweeps = prediction.sweeps();
                let cost = clock.elapsed().as_secs_f64() * 1e3 / sweeps.len() as f64;
                println!("state evolution: {cost:.2} ms a sweep");
                let mse =
                    |s: &fg_core::evolution::SweepPrediction| s.estimate(signal).unwrap().mse();
                predicted.push(sweeps.iter().map(mse).collect::<Vec<f64>>());
            }
            // Both on the truth and the data that the first draws.
            let draw = drawn.get_or_insert_with(|| graph.draw(&mut Stratified(rng)).unwrap());
            let graph = graph.observe(likelihood, draw.data(likelihood).unwrap().clone()).unwrap();
            measured[k].extend(errors(&graph, &[(signal, draw.variable(signal))]));
        }
    }
    for (k, name) in ["matched", "independent columns"].into_iter().enumerate() {
        compare(name, &measured[k], &predicted[k], INTEGRATION[k]);
    }
}

#[test]
fn rows_that_are_sparse_together() {
    columns(1000, 40);
}

#[test]
#[ignore = "half a minute: a larger size"]
fn rows_that_are_sparse_together_at_a_larger_size() {
    columns(2000, 80);
}

/// Next to a fixed point hardly anything is fresh in the noise of a sweep, and what is left of it is the error of integrals:
/// a damped prediction goes on for long after it has settled, and stays.
#[test]
fn a_damped_prediction_stays_where_it_has_settled() {
    const COUNT: usize = 60;
    const RATIO: f64 = 0.25;
    let operator = Ensemble::new(1000, Spectrum::marchenko_pastur(RATIO).unwrap());
    // 30 dB below the output.
    let noise = 1e-3 * SPARSITY / RATIO;
    let model = linear::unobserved(operator, 2, correlated(2), noise.recip()).unwrap();
    let signal = model.signal;
    let options = Options::default().with_damping(0.8).with_max_sweeps(COUNT).with_tolerance(0.0);
    let prediction = model.builder.build().unwrap().predict(&options).unwrap();
    let nmse = prediction.sweeps().iter().map(|s| s.estimate(signal).unwrap().nmse_db());
    let nmse: Vec<f64> = nmse.collect();
    let settled = nmse[COUNT / 2];
    assert!(nmse[COUNT / 2..].iter().all(|e| (e - settled).abs() < 0.1), "{nmse:.2?}");
}
