//! Symbols that many transmitters send at once, from what as many antennas receive: how often is one mistaken?
//!
//! Every antenna receives a random complex mixture of all QPSK symbols, with noise. Expectation propagation that knows the
//! four symbols, the linear detector (the same graph with a Gaussian prior, decided at the end), and what state evolution
//! predicts of both. `--out DIR` (default `out/detection`) receives `detection.csv` and the figure; `--symbols` and
//! `--antennas` are the size, which is finite: predictions are those of infinite size.

use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::{Evolution, Spectrum};
use fg_core::operator::{Complex, Ensemble};
use fg_core::special::cdf;
use fg_core::{Options, Rows, Status};
use fg_denoisers::{Awgn, Discrete, Gaussian};
use fg_models::generalised::GeneralisedGraph;
use fg_models::report::{Axis, CsvTable, Figure, Panel, Series, Stroke, TextTable};
use fg_models::synthetic::{add_noise, complex_gaussian_matrix, derived_seed};
use fg_models::{ModelError, generalised, linear};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::say_endings;
use support::{Failure, Study, in_parallel, progress_bar, say, short};

/// Power of either part of a symbol.
const POWER: f64 = 0.5;
/// Power of what an antenna receives over that of its noise, in decibels.
const SNRS: [f64; 9] = [2.0, 4.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0];
const SWEEPS: usize = 200;
const DAMPING: f64 = 0.9;
/// Below this rate nothing is shown: the longest study has some ten thousand symbols.
const SHOWN: f64 = 3e-5;

/// Multiple-antenna detection: rate of wrong symbols against the signal-to-noise ratio.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    study: Study,
    #[command(flatten)]
    size: Size,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct Size {
    /// Symbols sent at once
    #[arg(long, default_value_t = 256)]
    symbols: usize,
    /// Antennas that receive them
    #[arg(long, default_value_t = 256)]
    antennas: usize,
}

/// Detectors by the prior they use.
#[derive(Clone, Copy)]
enum Detector {
    /// The four symbols.
    Symbols,
    /// A complex Gaussian of the same power.
    Linear,
}

/// With the colours of runs and prediction.
const DETECTORS: [(Detector, &str, &str); 2] = [
    (Detector::Symbols, "expectation propagation", "#4477AA"),
    (Detector::Linear, "linear detector", "#CCBB44"),
];

/// Wrong symbols of either detector in one run, and how it ended.
type Outcome = [(usize, Status); 2];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    support::exit(run(&arguments.study, arguments.size))
}

fn run(study: &Study, size: Size) -> Result<(), Failure> {
    for (name, count) in [("--symbols", size.symbols), ("--antennas", size.antennas)] {
        if count == 0 {
            return Err(Failure::input(format_args!("{name} must be at least 1")));
        }
    }
    let (runs, folder) = (study.runs(100, 10)?, study.folder("detection")?);
    let bar = progress_bar(runs * SNRS.len(), "runs");
    let outcomes = in_parallel(runs * SNRS.len(), study.threads(), &bar, |job| {
        let (run, k) = (job / SNRS.len(), job % SNRS.len());
        size.detect(SNRS[k], derived_seed(study.seed, &[run as u64, k as u64]))
    });
    bar.finish_and_clear();
    let outcomes = outcomes.into_iter().collect::<Result<Vec<Outcome>, _>>();
    let outcomes = outcomes.map_err(Failure::other)?;
    let columns = ["detector", "snr (dB)", "wrong", "symbols", "rate", "deviation", "predicted"];
    let mut csv = CsvTable::new(columns);
    let mut table = TextTable::new(["SNR (dB)", "detector", "rate", "+-", "predicted"]);
    let mut series = Vec::new();
    for (d, (detector, name, color)) in DETECTORS.into_iter().enumerate() {
        let (mut measured, mut expected) = (Vec::new(), Vec::new());
        for (k, snr) in SNRS.into_iter().enumerate() {
            let counts = outcomes.iter().skip(k).step_by(SNRS.len()).map(|of| of[d].0);
            let rates: Vec<f64> = counts.clone().map(|c| c as f64 / size.symbols as f64).collect();
            let (rate, deviation) = mean(&rates);
            let predicted = size.predicted(detector, snr).map_err(Failure::other)?;
            let symbols = runs * size.symbols;
            let counts = [counts.sum::<usize>() as f64, symbols as f64];
            let numbers = [snr, counts[0], counts[1], rate, deviation, predicted];
            csv.push([name.to_owned()].into_iter().chain(numbers.map(|v| v.to_string())));
            let found = [rate, deviation, predicted].map(short);
            table.push([snr.to_string(), name.to_owned()].into_iter().chain(found));
            measured.push((snr, rate));
            expected.push((snr, predicted));
        }
        series.push(Series::new(name, color, measured).with_stroke(Stroke::Dots));
        series.push(Series::new(format!("{name}, predicted"), color, expected));
    }
    csv.write(&folder.join("detection.csv")).map_err(Failure::other)?;
    let panel = Panel {
        title: String::new(),
        x: Axis::linear("signal to noise at an antenna (dB)"),
        y: Axis::logarithmic("rate of wrong symbols").with_range(SHOWN, 1.0),
        series,
        references: Vec::new(),
    };
    let title = format!("{} QPSK symbols, {} antennas", size.symbols, size.antennas);
    let figure = Figure { title, columns: 1, panels: vec![panel] };
    figure.write(&folder, "detection").map_err(Failure::other)?;
    say(table);
    say_endings(outcomes.iter().flatten().map(|(_, status)| status));
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

/// The mean of the rates of several runs and its standard deviation, NaN of a single run.
fn mean(rates: &[f64]) -> (f64, f64) {
    let runs = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / runs;
    let squares: f64 = rates.iter().map(|rate| (rate - mean).powi(2)).sum();
    (mean, (squares / (runs - 1.0) / runs).sqrt())
}

/// Variance of either part of the noise: an antenna receives a power of one.
fn noise(snr: f64) -> f64 {
    POWER * 10f64.powf(-0.1 * snr)
}

fn options() -> Options {
    Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS)
}

/// Whether the nearest symbol is another than the one sent: each is in its own quadrant.
fn wrong(sent: &[f64], estimate: &[f64]) -> bool {
    sent.iter().zip(estimate).any(|(s, e)| s * e <= 0.0)
}

impl Size {
    /// One run of both detectors.
    fn detect(self, snr: f64, seed: u64) -> Result<Outcome, ModelError> {
        let Self { symbols, antennas } = self;
        let rng = &mut Pcg64::seed_from_u64(seed);
        let matrix = complex_gaussian_matrix(antennas, symbols, 1.0 / symbols as f64, rng);
        let channel = Complex::new(matrix.as_ref())?;
        let part = |positive: bool| if positive { POWER.sqrt() } else { -POWER.sqrt() };
        let sent = Rows::from_fn(symbols, 2, |_, _| part(rng.random::<bool>()));
        let received = add_noise(&linear::outputs(&channel, &sent), noise(snr), rng);
        let outcome = |model: GeneralisedGraph| -> Result<(usize, Status), ModelError> {
            let fit = model.fit(&options(), &mut ())?;
            let estimate = fit.estimate();
            let count = (0..symbols).filter(|&i| wrong(sent.row(i), estimate.row(i))).count();
            Ok((count, fit.report().status.clone()))
        };
        let likelihood = Awgn::new(noise(snr).recip())?;
        let gaussian = Gaussian::new(0.0, POWER)?;
        let (again, noisy) = (channel.clone(), received.clone());
        Ok([
            outcome(generalised::complex(again, Discrete::qpsk(), likelihood.clone(), noisy))?,
            outcome(generalised::complex(channel, gaussian, likelihood, received))?,
        ])
    }

    /// The rate of wrong symbols that theory predicts: what the antennas say of a part of a symbol is that part with
    /// Gaussian noise, whose precision state evolution tells.
    fn predicted(self, detector: Detector, snr: f64) -> Result<f64, ModelError> {
        let ratio = self.antennas as f64 / self.symbols as f64;
        let spectrum = Spectrum::marchenko_pastur(ratio)?.scaled(ratio)?;
        let channel = Ensemble::complex(self.symbols, spectrum);
        let likelihood = Awgn::new(noise(snr).recip())?;
        let model = match detector {
            Detector::Symbols => {
                generalised::complex_unobserved(channel, Discrete::qpsk(), likelihood)
            }
            Detector::Linear => {
                generalised::complex_unobserved(channel, Gaussian::new(0.0, POWER)?, likelihood)
            }
        };
        let (operator, signal) = (model.operator, model.signal);
        let graph = model.builder.build()?;
        let prediction = Evolution::new(&graph, &Options::default()).run()?;
        let mut messages = prediction.sweeps().iter().flat_map(|sweep| &sweep.messages);
        let precision = match messages.rfind(|m| m.factor == operator && m.variable == signal) {
            Some(told) => told.law.precision()[0],
            // Nobody reads a message to a Gaussian prior: it is what the estimate knows beyond the prior.
            None => prediction.estimate(signal).claimed_mse().recip() - POWER.recip(),
        };
        let right = cdf((precision * POWER).sqrt());
        Ok(1.0 - right * right)
    }
}
