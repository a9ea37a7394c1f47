//! A signal from a deep random network, seen through fewer measurements than it has entries: every layer is estimated,
//! with an error that is known beforehand.
//!
//! The generator is a ReLU network 20 - 100 - 500 - 784; 300 random projections of its output are seen at 30 dB. One run
//! estimates the input, all hidden layers and the output, each with error bars; state evolution predicts their errors.
//! `--out DIR` (default `out/deep_prior`) receives `layers.csv` and the figure.

use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::Evolution;
use fg_core::factor::Stratified;
use fg_core::operator::Dense;
use fg_core::{Options, Rows, VariableId};
use fg_denoisers::{Awgn, Gaussian, PiecewiseLinear};
use fg_models::metrics::{Quartiles, nmse_db};
use fg_models::report::{Axis, CsvTable, Figure, Panel, Series, Stroke, TextTable};
use fg_models::synthetic::{derived_seed, gaussian_matrix};
use fg_models::{Fit, ModelError, MultiLayer, MultiLayerGraph};
use rand::SeedableRng;
use rand_pcg::Pcg64;

mod support;

use support::{Failure, Study, in_parallel, progress_bar, say};

/// Entries of the generator's layers, and measurements.
const SIZES: [usize; 5] = [20, 100, 500, 784, 300];
/// Mean squares of what the operators are applied to: a ReLU keeps half of a power of one.
const POWERS: [f64; 4] = [1.0, 0.5, 0.5, 1.0];
/// Variance of the noise, measurements having a power of one.
const NOISE: f64 = 1e-3;
const SWEEPS: usize = 40;
const DAMPING: f64 = 0.9;

/// Layers that are estimated, by name and by place in the chain.
const LAYERS: [(&str, usize); 4] = [("input", 0), ("hidden 1", 2), ("hidden 2", 4), ("output", 5)];

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
    let runs = study.runs(20, 4)?;
    let bar = progress_bar(runs, "networks");
    let results = in_parallel(runs, study.threads(), &bar, |k| {
        network(derived_seed(study.seed, &[k as u64]))
    });
    bar.finish_and_clear();
    let results: Result<Vec<_>, ModelError> = results.into_iter().collect();
    write(study, &results.map_err(Failure::other)?)
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

/// One network with one signal.
fn network(seed: u64) -> Result<[Layer; 4], ModelError> {
    let rng = &mut Pcg64::seed_from_u64(seed);
    let mut operator = |k: usize| {
        let variance = 1.0 / (SIZES[k] as f64 * POWERS[k]);
        Dense::new(gaussian_matrix(SIZES[k + 1], SIZES[k], variance, rng))
    };
    let operators = [operator(0)?, operator(1)?, operator(2)?, operator(3)?];
    let options = Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS);
    let MultiLayerGraph { builder, layers, factors } = graph(&operators)?;
    let graph = builder.build()?;
    let places = LAYERS.map(|(_, place)| layers[place]);
    let predicted = places
        .iter()
        .fold(Evolution::new(&graph, &options), |evolution, layer| evolution.follow(*layer))
        .run()?;
    let draw = graph.draw(&mut Stratified(rng))?;
    let likelihood = factors[factors.len() - 1];
    let data = draw.data(likelihood).cloned().unwrap_or_else(|| Rows::zeros(SIZES[4], 1));
    let solution = graph.observe(likelihood, data)?.infer(&options)?;
    let fit = Fit::new(layers, solution);
    Ok(places.map(|layer| {
        let law = predicted.estimate(layer);
        judge(&fit, layer, draw.variable(layer), law.nmse_db())
    }))
}

fn judge(fit: &Fit, layer: VariableId, truth: &Rows, predicted: f64) -> Layer {
    let error = nmse_db(fit.solution().mean(layer), truth);
    let claimed = fit.solution().deviation(layer).norm_squared() / truth.norm_squared();
    Layer { error, claimed: 10.0 * claimed.log10(), predicted }
}

fn write(study: &Study, results: &[[Layer; 4]]) -> Result<(), Failure> {
    let folder = study.folder("deep_prior");
    let mut csv = CsvTable::new(["layer", "run", "nmse_db", "claimed_db", "predicted_db"]);
    let mut table = TextTable::new(["layer", "NMSE", "quartiles", "claimed", "predicted"]);
    let (mut measured, mut band) = (Vec::new(), Vec::new());
    let (mut claimed, mut predicted) = (Vec::new(), Vec::new());
    for (k, (name, _)) in LAYERS.into_iter().enumerate() {
        let of = |value: fn(&Layer) -> f64| {
            let values: Vec<f64> = results.iter().map(|r| value(&r[k])).collect();
            Quartiles::of(&values).ok_or_else(|| Failure::other("no runs"))
        };
        let (error, claim, theory) = (of(|l| l.error)?, of(|l| l.claimed)?, of(|l| l.predicted)?);
        for (run, result) in results.iter().enumerate() {
            let Layer { error, claimed, predicted } = result[k];
            let values = [error, claimed, predicted].map(|v| v.to_string());
            csv.push([name.to_owned(), run.to_string()].into_iter().chain(values));
        }
        table.push([
            name.to_owned(),
            format!("{:.2} dB", error.median),
            format!("{:.1} .. {:.1}", error.lower, error.upper),
            format!("{:.2} dB", claim.median),
            format!("{:.2} dB", theory.median),
        ]);
        let x = k as f64;
        measured.push((x, error.median));
        band.push((error.lower, error.upper));
        claimed.push((x, claim.median));
        predicted.push((x, theory.median));
    }
    csv.write(&folder.join("layers.csv")).map_err(Failure::other)?;
    let panel = Panel {
        title: String::new(),
        x: Axis::linear("layer: 0 input, 1 and 2 hidden, 3 output"),
        y: Axis::linear("NMSE (dB)"),
        series: vec![
            Series::new("runs: median and quartiles", "#4477AA", measured).with_band(band),
            Series::new("claimed by the runs", "#228833", claimed).with_stroke(Stroke::Dotted),
            Series::new("state evolution", "#EE6677", predicted).with_stroke(Stroke::Dashed),
        ],
        references: Vec::new(),
    };
    let title = "A deep generator 20 - 100 - 500 - 784, 300 measurements, 30 dB".to_owned();
    let figure = Figure { title, columns: 1, panels: vec![panel] };
    figure.write(&folder, "deep_prior").map_err(Failure::other)?;
    say(table);
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}
