//! Counts instead of measurements: a sparse signal from Poisson data whose logarithmic rates are its projections.
//!
//! Error against the number of counts, of a graph whose only difference from the linear inverse problem is its likelihood,
//! with the prediction of state evolution. `--out DIR` (default `out/poisson`) receives `poisson.csv` and the figure.

use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::Spectrum;
use fg_core::factor::Stratified;
use fg_core::operator::{Dense, Ensemble};
use fg_core::{Options, Status};
use fg_denoisers::{BernoulliGauss, Poisson};
use fg_models::metrics::nmse_db;
use fg_models::synthetic::gaussian_matrix;
use fg_models::{GeneralisedGraph, ModelError, generalised};
use rand::SeedableRng;
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::{Labels, over_places};
use support::{Failure, Study, drawn};

/// Entries of the signal, and the share of them that aren't zero.
const ENTRIES: usize = 500;
const SPARSITY: f64 = 0.1;
/// Variance of the logarithm of the rate: a deviation is a factor of seven.
const POWER: f64 = 4.0;
/// Counts an entry.
const RATIOS: [f64; 7] = [0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0];
const SWEEPS: usize = 100;
const DAMPING: f64 = 0.8;

/// Poisson regression: error against the number of counts.
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
        name: "poisson",
        title: format!("Poisson counts, {ENTRIES} entries, a tenth of them not zero"),
        x: "counts an entry",
        y: "error over power (dB)",
    };
    over_places(study, (&RATIOS, study.runs(10, 2)?), labels, estimate, predicted)
}

fn model(
    operator: impl fg_core::operator::LinearOperator + 'static,
) -> Result<GeneralisedGraph, ModelError> {
    let prior = BernoulliGauss::new(SPARSITY, 0.0, POWER / SPARSITY)?;
    Ok(generalised::unobserved(operator, 1, prior, Poisson::exponential()))
}

/// The error of one run in decibels; signal and counts are drawn from the graph itself.
fn estimate(ratio: f64, seed: u64) -> Result<(f64, Status), ModelError> {
    let rng = &mut Pcg64::seed_from_u64(seed);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
    let counts = (ratio * ENTRIES as f64).round() as usize;
    let matrix = gaussian_matrix(counts, ENTRIES, 1.0 / ENTRIES as f64, rng);
    let GeneralisedGraph { builder, signal, likelihood, .. } = model(Dense::new(matrix)?)?;
    let graph = builder.build()?;
    let draw = graph.draw(&mut Stratified(rng))?;
    let data = drawn(&graph, &draw, likelihood)?.clone();
    let options = Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS);
    let solution = graph.observe(likelihood, data)?.infer(&options)?;
    let error = nmse_db(solution.mean(signal), draw.variable(signal));
    Ok((error, solution.report().status.clone()))
}

/// The error that theory predicts in decibels.
fn predicted(ratio: f64) -> Result<f64, ModelError> {
    let spectrum = Spectrum::marchenko_pastur(ratio)?.scaled(ratio)?;
    let GeneralisedGraph { builder, signal, .. } = model(Ensemble::new(ENTRIES, spectrum))?;
    let options = Options::default().with_max_sweeps(SWEEPS);
    Ok(builder.build()?.predict(&options)?.estimate(signal).nmse_db())
}
