//! A signal from the absolute values of random projections: how many magnitudes are needed, and from where to start.
//!
//! Magnitudes don't tell a signal from its negative, so a run that starts from nothing stays there. Runs start from the
//! direction that the data prefer; state evolution, told of a start that knows a little, predicts where they end: the
//! signal is recovered above 1.128 magnitudes an entry. `--out DIR` (default `out/phase_retrieval`) receives
//! `phase_retrieval.csv` and the figure.

use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::{Evolution, MessageLaw, Spectrum};
use fg_core::operator::{Dense, Ensemble};
use fg_core::{Options, Rows, Status};
use fg_denoisers::{Gaussian, Magnitude};
use fg_models::generalised::{self, Start};
use fg_models::metrics::nmse_db;
use fg_models::synthetic::{add_noise, gaussian_matrix, gaussian_rows};
use fg_models::{ModelError, linear};
use rand::SeedableRng;
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::{Labels, over_places};
use support::{Failure, Study};

/// Entries of the signal.
const ENTRIES: usize = 500;
/// Magnitudes an entry.
const RATIOS: [f64; 8] = [0.6, 0.8, 1.0, 1.1, 1.2, 1.4, 1.6, 2.0];
/// Variance of the noise; projections have a power of one.
const NOISE: f64 = 1e-6;
/// Next to the threshold runs are slow.
const SWEEPS: usize = 200;
const DAMPING: f64 = 0.8;
/// Part of the start's variance that is taken for true.
const SHARE: f64 = 0.3;
/// The same for the start of the prediction: any small one grows.
const LITTLE: f64 = 1e-2;

/// Phase retrieval: error against the number of magnitudes.
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
        name: "phase_retrieval",
        title: format!("Real phase retrieval, {ENTRIES} entries, from a spectral start"),
        x: "magnitudes an entry",
        y: "error over power (dB), sign aside",
    };
    over_places(study, (&RATIOS, study.runs(10, 2)?), labels, retrieve, predicted)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
fn magnitudes(ratio: f64) -> usize {
    (ratio * ENTRIES as f64).round() as usize
}

/// The error of one run in decibels.
fn retrieve(ratio: f64, seed: u64) -> Result<(f64, Status), ModelError> {
    let rng = &mut Pcg64::seed_from_u64(seed);
    let m = magnitudes(ratio);
    let operator = Dense::new(gaussian_matrix(m, ENTRIES, 1.0 / ENTRIES as f64, rng))?;
    let signal = gaussian_rows(ENTRIES, 1, 1.0, rng);
    let noisy = add_noise(&linear::outputs(&operator, &signal), NOISE, rng);
    let data = Rows::from_fn(m, 1, |i, _| noisy[(i, 0)].abs());
    let prior = Gaussian::new(0.0, 1.0)?;
    let model = generalised::graph(operator, prior, Magnitude::new(NOISE)?, data);
    let options = Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS);
    let fit = model.with_start(Start::Spectral { share: SHARE }).fit(&options, &mut ())?;
    let pairs = fit.estimate().as_slice().iter().zip(signal.as_slice());
    let sign = pairs.map(|(a, b)| a * b).sum::<f64>().signum();
    let flipped = Rows::from_fn(ENTRIES, 1, |i, _| sign * fit.estimate()[(i, 0)]);
    Ok((nmse_db(&flipped, &signal), fit.report().status.clone()))
}

/// The error that theory predicts in decibels.
fn predicted(ratio: f64) -> Result<f64, ModelError> {
    // Entries of the operator have the variance one over its columns.
    let spectrum = Spectrum::marchenko_pastur(ratio)?.scaled(ratio)?;
    let prior = Gaussian::new(0.0, 1.0)?;
    let model =
        generalised::unobserved(Ensemble::new(ENTRIES, spectrum), 1, prior, Magnitude::new(NOISE)?);
    let claimed = [1.0 / (1.0 - LITTLE)];
    let start = MessageLaw::from_mean_form(1, &claimed, &[LITTLE], &[LITTLE * (1.0 - LITTLE)])?;
    let (operator, signal) = (model.operator, model.signal);
    let graph = model.builder.build()?;
    let options = Options::default().with_max_sweeps(10 * SWEEPS);
    let prediction = Evolution::new(&graph, &options).with_start(operator, 1, start).run()?;
    Ok(prediction.estimate(signal).nmse_db())
}
