//! Signs hidden in a symmetric matrix of noise: from which signal on are they seen, and how well?
//!
//! The spiked Wigner model `Y = x x' + noise` of variance `n / lambda`. Below `lambda = 1` nothing is seen, above it the
//! leading eigenvector sees the signs, and message passing, which knows that they are signs, sees them better. `--out DIR`
//! (default `out/low_rank`) receives `low_rank.csv` and the figure.

use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::MessageLaw;
use fg_core::factor::Independent;
use fg_core::{Evolution, Options, Rows, Status};
use fg_denoisers::{Discrete, Gaussian};
use fg_models::{LowRankGraph, ModelError, low_rank};
use rand::SeedableRng;
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::{Labels, several_over_places};
use support::{Failure, Study, drawn};

/// Number of signs.
const SIZE: usize = 2000;
/// Signal-to-noise ratios.
const RATIOS: [f64; 12] = [0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 2.0, 2.5, 3.0, 4.0];
/// Next to the transition runs are slow.
const SWEEPS: usize = 200;
/// Precision of what predictions start from, as good as nothing.
const TINY: f64 = 1e-4;

/// A spiked Wigner matrix: cosine of estimate and truth against the signal-to-noise ratio.
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
        name: "low_rank",
        title: format!("{SIZE} signs in a symmetric matrix of noise"),
        x: "signal-to-noise ratio",
        y: "cosine with the truth",
    };
    let names = ["message passing", "leading eigenvector"];
    let laws = ["state evolution", "random matrix theory"];
    let predict = |ratio: f64| {
        let eigenvector = (1.0 - ratio.recip()).max(0.0).sqrt();
        predicted(ratio).map(|cosine| [cosine, eigenvector])
    };
    let places = (&RATIOS[..], study.runs(10, 2)?);
    several_over_places(study, places, labels, (names, measured), (laws, predict))
}

/// Cosines of the truth with the estimate and with the leading eigenvector, in one run, and how that ended.
fn measured(ratio: f64, seed: u64) -> Result<([f64; 2], [Status; 1]), ModelError> {
    let variance = SIZE as f64 / ratio;
    let model = low_rank::unobserved_symmetric(SIZE, 1, Discrete::binary(), variance)?;
    let LowRankGraph { builder, unknowns, data, .. } = model;
    let graph = builder.build()?;
    let draw = graph.draw(&mut Independent(&mut Pcg64::seed_from_u64(seed)))?;
    let (truth, data) = (draw.variable(unknowns[0]), drawn(&graph, &draw, data)?);
    let options = Options::default().with_max_sweeps(SWEEPS);
    let signs = low_rank::symmetric(data, 1, Discrete::binary(), variance)?;
    let signs = signs.fit(&options, &mut ())?;
    // A run with a Gaussian prior starts from the eigenvector and stays there.
    let numbers = low_rank::symmetric(data, 1, Gaussian::new(0.0, 1.0)?, variance)?;
    let numbers = numbers.fit(&options.with_max_sweeps(1), &mut ())?;
    let cosines = [&signs, &numbers].map(|fit| cosine(fit.estimate(), truth));
    Ok((cosines, [signs.report().status.clone()]))
}

/// Whatever the sign, which the data don't tell.
fn cosine(a: &Rows, b: &Rows) -> f64 {
    let sum: f64 = a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| a * b).sum();
    let lengths = (a.norm_squared() * b.norm_squared()).sqrt();
    if lengths > 0.0 { sum.abs() / lengths } else { 0.0 }
}

/// The cosine that theory predicts: the square root of the overlap, as the model is matched.
fn predicted(ratio: f64) -> Result<f64, ModelError> {
    let variance = SIZE as f64 / ratio;
    let model = low_rank::unobserved_symmetric(SIZE, 1, Discrete::binary(), variance)?;
    let (x, data) = (model.unknowns[0], model.data);
    let graph = model.builder.build()?;
    let start = MessageLaw::isotropic(TINY, 1)?;
    let options = Options::default().with_max_sweeps(10 * SWEEPS);
    let prediction = Evolution::new(&graph, &options).with_start(data, 0, start).run()?;
    Ok(prediction.estimate(x).overlap()[0].max(0.0).sqrt())
}
