//! Sparse logistic regression: how well new labels are predicted, and how well that is predicted.
//!
//! Held-out log-loss in nats a label against the number of labels: with the belief about the weights averaged over, with
//! the estimate plugged in, and with weights fitted under an L1 penalty at the best of several strengths, which only the
//! truth tells. `--out DIR` (default `out/logistic`) receives `logistic.csv` and the figure.

use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::Spectrum;
use fg_core::factor::Stratified;
use fg_core::operator::{Dense, Ensemble};
use fg_core::special::log1pexp;
use fg_core::{Options, Rows, Status};
use fg_denoisers::{BernoulliGauss, L1, Logistic};
use fg_models::synthetic::{gaussian_matrix, gaussian_rows};
use fg_models::{Fit, ModelError, generalised, linear, predicted_log_density};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::{Labels, several_over_places};
use support::{Failure, Study, drawn};

/// Weights, and the share of them that aren't zero.
const WEIGHTS: usize = 400;
const SPARSITY: f64 = 0.1;
/// Variance of the logarithm of the odds.
const POWER: f64 = 16.0;
/// Labels a weight.
const RATIOS: [f64; 7] = [0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0];
/// New labels.
const HELD_OUT: usize = 4000;
const SWEEPS: usize = 200;
const DAMPING: f64 = 0.8;
/// Strengths of the penalty that are tried.
const STRENGTHS: [f64; 5] = [0.1, 0.2, 0.4, 0.8, 1.6];

/// Runs of a job: one that learns, and one of each strength.
const RUNS: usize = 1 + STRENGTHS.len();

/// Logistic regression: held-out log-loss against the number of labels.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    study: Study,
}

fn main() -> ExitCode {
    support::exit(run(&Arguments::parse().study))
}

fn run(study: &Study) -> Result<(), Failure> {
    let labels = Labels {
        name: "logistic",
        title: format!("Sparse logistic regression, {WEIGHTS} weights"),
        x: "labels a weight",
        y: "held-out log-loss (nats)",
    };
    let names = ["averaged over the belief", "estimate plugged in", "L1 penalty, best strength"];
    let predict = |ratio| predicted(ratio).map(|loss| [loss]);
    let predicted = (["state evolution, averaged"], predict);
    let places = (&RATIOS[..], study.runs(10, 2)?);
    several_over_places(study, places, labels, (names, learn), predicted)
}

fn prior() -> Result<BernoulliGauss, ModelError> {
    Ok(BernoulliGauss::new(SPARSITY, 0.0, POWER / SPARSITY)?)
}

/// Inputs with `E |x|^2 = 1` and the labels they are given.
fn sample(count: usize, weights: &Rows, rng: &mut Pcg64) -> Result<(Rows, Rows), ModelError> {
    let inputs = gaussian_rows(count, WEIGHTS, 1.0 / WEIGHTS as f64, rng);
    let odds = linear::outputs(&Dense::from_rows(&inputs)?, weights);
    let label = |i: usize| {
        let probability = (-log1pexp(-odds[(i, 0)])).exp();
        if rng.random::<f64>() < probability { 1.0 } else { -1.0 }
    };
    Ok((inputs, Rows::column((0..count).map(label).collect())))
}

/// Held-out losses of one run, and how its estimators ended.
fn learn(ratio: f64, seed: u64) -> Result<([f64; 3], [Status; RUNS]), ModelError> {
    let rng = &mut Pcg64::seed_from_u64(seed);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
    let count = (ratio * WEIGHTS as f64).round() as usize;
    let inputs = Dense::new(gaussian_matrix(count, WEIGHTS, 1.0 / WEIGHTS as f64, rng))?;
    let model = generalised::unobserved(inputs.clone(), 1, prior()?, Logistic::new());
    let (x, likelihood) = (model.signal, model.likelihood);
    // Stratified, the weights have the power they should have, and so the labels their difficulty.
    let graph = model.builder.build()?;
    let draw = graph.draw(&mut Stratified(rng))?;
    let weights = draw.variable(x).clone();
    let labels = drawn(&graph, &draw, likelihood)?.clone();
    let (rows, truth) = sample(HELD_OUT, &weights, rng)?;
    let new = Dense::from_rows(&rows)?;
    let plugged = |fit: &Fit| {
        let odds = linear::outputs(&new, fit.estimate());
        let pairs = odds.as_slice().iter().zip(truth.as_slice());
        pairs.map(|(z, y)| log1pexp(-y * z)).sum::<f64>() / HELD_OUT as f64
    };
    let options = Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS);
    let model = generalised::graph(inputs.clone(), prior()?, Logistic::new(), labels.clone());
    let fit = model.fit(&options, &mut ())?;
    let densities = fit.predict(&rows)?.log_density(&Logistic::new(), &truth)?;
    let averaged = -densities.iter().sum::<f64>() / HELD_OUT as f64;
    let mut statuses = [(); RUNS].map(|()| fit.report().status.clone());
    let mut penalised = f64::INFINITY;
    for (strength, status) in STRENGTHS.into_iter().zip(&mut statuses[1..]) {
        let likelihood = Logistic::new().maximised();
        let model =
            generalised::graph(inputs.clone(), L1::new(strength)?, likelihood, labels.clone());
        let fit = model.fit(&options, &mut ())?;
        penalised = penalised.min(plugged(&fit));
        *status = fit.report().status.clone();
    }
    Ok(([averaged, plugged(&fit), penalised], statuses))
}

/// The loss that theory predicts.
fn predicted(ratio: f64) -> Result<f64, ModelError> {
    let operator = Ensemble::new(WEIGHTS, Spectrum::marchenko_pastur(ratio)?.scaled(ratio)?);
    let model = generalised::unobserved(operator, 1, prior()?, Logistic::new());
    let weights = model.signal;
    let options = Options::default().with_max_sweeps(SWEEPS);
    let prediction = model.builder.build()?.predict(&options)?;
    Ok(-predicted_log_density(prediction.estimate(weights), 1.0, &Logistic::new())?)
}
