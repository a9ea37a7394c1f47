//! A signal from a deep random network, seen through fewer measurements than it has entries: every layer is estimated,
//! with an error that is known beforehand.
//!
//! The generator is a ReLU network 20 - 100 - 500 - 784; 300 random projections of its output are seen at 30 dB. One run
//! estimates the input, all hidden layers and the output, each with error bars; state evolution predicts their errors.
//! `--out DIR` (default `out/deep_prior`) receives `deep_prior.csv` and the figure.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::Evolution;
use fg_core::factor::Stratified;
use fg_core::operator::Dense;
use fg_core::{Options, Status};
use fg_denoisers::{Awgn, Gaussian, PiecewiseLinear};
use fg_models::metrics::nmse_db;
use fg_models::synthetic::{derived_seed, gaussian_matrix};
use fg_models::{ModelError, MultiLayer, MultiLayerGraph};
use rand::SeedableRng;
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::{Curves, Labels, say_endings};
use support::{Failure, Study, drawn, in_parallel, progress_bar};

/// Entries of the generator's layers, and measurements.
const SIZES: [usize; 5] = [20, 100, 500, 784, 300];
/// Mean squares of what the operators are applied to: a ReLU keeps half of a power of one.
const POWERS: [f64; 4] = [1.0, 0.5, 0.5, 1.0];
/// Variance of the noise, measurements having a power of one.
const NOISE: f64 = 1e-3;
const SWEEPS: usize = 40;
const DAMPING: f64 = 0.9;

/// Places in the chain of the input, the hidden layers and the output.
const LAYERS: [usize; 4] = [0, 2, 4, 5];

/// Inference with a deep generative prior.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    study: Study,
}

/// What one run says of one layer, in decibels over the layer's power.
#[derive(Clone, Copy, Debug)]
struct Layer {
    error: f64,
    claimed: f64,
    predicted: f64,
}

fn main() -> ExitCode {
    support::exit(run(&Arguments::parse().study))
}

fn run(study: &Study) -> Result<(), Failure> {
    let (runs, folder) = (study.runs(20, 4)?, study.folder("deep_prior")?);
    let bar = progress_bar(runs, "networks");
    let results = in_parallel(runs, study.threads(), &bar, |k| {
        network(derived_seed(study.seed, &[k as u64]))
    });
    bar.finish_and_clear();
    let results: Result<Vec<_>, ModelError> = results.into_iter().collect();
    let (layers, statuses): (Vec<_>, Vec<_>) = results.map_err(Failure::other)?.into_iter().unzip();
    write(&folder, &layers)?;
    say_endings(&statuses);
    Ok(())
}

/// The chain of this network's layers.
fn graph(operators: &[Dense; 4]) -> Result<MultiLayerGraph, ModelError> {
    let [a, b, c, measured] = operators.clone();
    Ok(MultiLayer::new(SIZES[0], 1, Gaussian::new(0.0, 1.0)?)
        .linear("W1", a)
        .channel("ReLU 1", PiecewiseLinear::relu())
        .linear("W2", b)
        .channel("ReLU 2", PiecewiseLinear::relu())
        .linear("W3", c)
        .linear("A", measured)
        .unobserved(Awgn::from_variance(NOISE)?))
}

/// One network with one signal: its layers, and how its run ended.
fn network(seed: u64) -> Result<([Layer; 4], Status), ModelError> {
    let rng = &mut Pcg64::seed_from_u64(seed);
    let mut operator = |k: usize| {
        let variance = 1.0 / (SIZES[k] as f64 * POWERS[k]);
        Dense::new(gaussian_matrix(SIZES[k + 1], SIZES[k], variance, rng))
    };
    let operators = [operator(0)?, operator(1)?, operator(2)?, operator(3)?];
    let options = Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS);
    let MultiLayerGraph { builder, layers, factors } = graph(&operators)?;
    let graph = builder.build()?;
    let places = LAYERS.map(|place| layers[place]);
    let predicted = places
        .iter()
        .fold(Evolution::new(&graph, &options), |evolution, layer| evolution.follow(*layer))
        .run()?;
    let draw = graph.draw(&mut Stratified(rng))?;
    let likelihood = factors[factors.len() - 1];
    let data = drawn(&graph, &draw, likelihood)?.clone();
    let solution = graph.observe(likelihood, data)?.infer(&options)?;
    let layers = places.map(|layer| {
        let truth = draw.variable(layer);
        let claimed = solution.deviation(layer).norm_squared() / truth.norm_squared();
        Layer {
            error: nmse_db(solution.mean(layer), truth),
            claimed: 10.0 * claimed.log10(),
            predicted: predicted.estimate(layer).nmse_db(),
        }
    });
    Ok((layers, solution.report().status.clone()))
}

fn write(folder: &Path, results: &[[Layer; 4]]) -> Result<(), Failure> {
    let of = |value: fn(&Layer) -> f64| -> Vec<Vec<f64>> {
        results.iter().map(|run| run.iter().map(value).collect()).collect()
    };
    Curves {
        labels: Labels {
            name: "deep_prior",
            title: "A deep generator 20 - 100 - 500 - 784, 300 measurements, 30 dB".to_owned(),
            x: "layer",
            y: "NMSE (dB)",
        },
        at: vec![1.0, 2.0, 3.0, 4.0],
        measured: vec![
            ("runs: median and quartiles", of(|l| l.error)),
            ("claimed by the runs", of(|l| l.claimed)),
            ("state evolution of their networks", of(|l| l.predicted)),
        ],
        predicted: Vec::new(),
    }
    .write_named(folder, &["input", "first hidden", "second hidden", "output"])
}
