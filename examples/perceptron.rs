//! A perceptron with binary weights learns from labels: from how many on does it know its teacher?
//!
//! Below 1.4925 labels a weight an efficient algorithm keeps an error, above it the weights are found exactly. Runs and
//! state evolution show the jump. `--out DIR` (default `out/perceptron`) receives `perceptron.csv` and the figure.

use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::Spectrum;
use fg_core::operator::{Dense, Ensemble};
use fg_core::{Options, Rows, Status};
use fg_denoisers::{Discrete, Sign};
use fg_models::synthetic::gaussian_matrix;
use fg_models::{ModelError, generalised, linear};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::{Labels, over_places};
use support::{Failure, Study};

/// Number of weights.
const WEIGHTS: usize = 1000;
/// Labels a weight.
const RATIOS: [f64; 12] = [0.25, 0.5, 0.75, 1.0, 1.2, 1.4, 1.45, 1.5, 1.55, 1.6, 1.8, 2.0];
/// Next to the jump runs are slow.
const SWEEPS: usize = 300;

/// A binary perceptron: overlap with its teacher against the number of labels.
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
        name: "perceptron",
        title: format!("Binary perceptron, {WEIGHTS} weights"),
        x: "labels a weight",
        y: "overlap with the teacher",
    };
    over_places(study, (&RATIOS, study.runs(10, 2)?), labels, learn, predicted)
}

/// Overlap of estimate and teacher in one run.
fn learn(ratio: f64, seed: u64) -> Result<(f64, Status), ModelError> {
    let rng = &mut Pcg64::seed_from_u64(seed);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
    let labels = (ratio * WEIGHTS as f64).round() as usize;
    let samples = Dense::new(gaussian_matrix(labels, WEIGHTS, 1.0 / WEIGHTS as f64, rng))?;
    let teacher = Rows::from_fn(WEIGHTS, 1, |_, _| if rng.random::<bool>() { 1.0 } else { -1.0 });
    let clean = linear::outputs(&samples, &teacher);
    let data = Rows::from_fn(labels, 1, |i, _| 1f64.copysign(clean[(i, 0)]));
    let model = generalised::graph(samples, Discrete::binary(), Sign::new(), data);
    let fit = model.fit(&Options::default().with_max_sweeps(SWEEPS), &mut ())?;
    let pairs = fit.estimate().as_slice().iter().zip(teacher.as_slice());
    let overlap = pairs.map(|(a, b)| a * b).sum::<f64>() / WEIGHTS as f64;
    Ok((overlap, fit.report().status.clone()))
}

/// The overlap that theory predicts.
fn predicted(ratio: f64) -> Result<f64, ModelError> {
    let spectrum = Spectrum::marchenko_pastur(ratio)?.scaled(ratio)?;
    let samples = Ensemble::new(WEIGHTS, spectrum);
    let model = generalised::unobserved(samples, 1, Discrete::binary(), Sign::new());
    let signal = model.signal;
    let options = Options::default().with_max_sweeps(10 * SWEEPS);
    let prediction = model.builder.build()?.predict(&options)?;
    Ok(prediction.estimate(signal).overlap()[0])
}
