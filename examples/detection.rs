//! Symbols that many transmitters send at once, from what as many antennas receive: how often is one mistaken?
//!
//! Every antenna receives a random complex mixture of all QPSK symbols, with noise. Expectation propagation that knows the
//! four symbols, the linear detector (the same graph with a Gaussian prior, decided at the end), and what state evolution
//! predicts of both. `--out DIR` (default `out/detection`) receives `detection.csv` and the figure.

use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::{Evolution, Spectrum};
use fg_core::operator::{Complex, Ensemble};
use fg_core::special::cdf;
use fg_core::{Options, Rows};
use fg_denoisers::{Awgn, Discrete, Gaussian};
use fg_models::report::{Axis, CsvTable, Figure, Panel, Series, Stroke, TextTable};
use fg_models::synthetic::{add_noise, complex_gaussian_matrix, derived_seed};
use fg_models::{ModelError, generalised, linear};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

mod support;

use support::{Failure, Study, in_parallel, progress_bar, say, short};

/// Symbols sent at once.
const SYMBOLS: usize = 256;
/// Power of either part of a symbol.
const POWER: f64 = 0.5;
/// Antennas that receive them.
const ANTENNAS: usize = 256;
/// Power of what an antenna receives over that of its noise, in decibels.
const SNRS: [f64; 9] = [2.0, 4.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0];
const SWEEPS: usize = 40;
const DAMPING: f64 = 0.9;
/// Draws that stand for the joint law of symbol and estimate: the smallest rate that they can tell is one over this.
const DRAWS: usize = 65536;
/// Below this rate nothing is shown: the longest study has some ten thousand symbols.
const SHOWN: f64 = 3e-5;

/// Multiple-antenna detection: rate of wrong symbols against the signal-to-noise ratio.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    study: Study,
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

fn main() -> ExitCode {
    support::exit(run(&Arguments::parse().study))
}

fn run(study: &Study) -> Result<(), Failure> {
    let runs = study.runs(100, 10)?;
    let bar = progress_bar(runs * SNRS.len(), "runs");
    let counts = in_parallel(runs * SNRS.len(), study.threads(), &bar, |job| {
        let (run, k) = (job / SNRS.len(), job % SNRS.len());
        detect(SNRS[k], derived_seed(study.seed, &[run as u64, k as u64]))
    });
    bar.finish_and_clear();
    let counts: Result<Vec<[usize; 2]>, ModelError> = counts.into_iter().collect();
    let counts = counts.map_err(Failure::other)?;
    let mut csv = CsvTable::new(["detector", "snr (dB)", "wrong", "symbols", "rate", "predicted"]);
    let mut table = TextTable::new(["SNR (dB)", "detector", "rate", "predicted"]);
    let mut series = Vec::new();
    for (d, (detector, name, color)) in DETECTORS.into_iter().enumerate() {
        let (mut measured, mut expected) = (Vec::new(), Vec::new());
        for (k, snr) in SNRS.into_iter().enumerate() {
            let wrong: usize = counts.iter().skip(k).step_by(SNRS.len()).map(|c| c[d]).sum();
            let rate = wrong as f64 / (runs * SYMBOLS) as f64;
            let predicted = predicted(detector, snr).map_err(Failure::other)?;
            let numbers = [snr, wrong as f64, (runs * SYMBOLS) as f64, rate, predicted];
            csv.push([name.to_owned()].into_iter().chain(numbers.map(|v| v.to_string())));
            table.push([snr.to_string(), name.to_owned(), short(rate), short(predicted)]);
            measured.push((snr, rate));
            expected.push((snr, predicted));
        }
        series.push(Series::new(name, color, measured).with_stroke(Stroke::Dots));
        series.push(Series::new(format!("{name}, predicted"), color, expected));
    }
    let folder = study.folder("detection");
    csv.write(&folder.join("detection.csv")).map_err(Failure::other)?;
    let panel = Panel {
        title: String::new(),
        x: Axis::linear("signal to noise at an antenna (dB)"),
        y: Axis::logarithmic("rate of wrong symbols").with_range(SHOWN, 1.0),
        series,
        references: Vec::new(),
    };
    let title = format!("{SYMBOLS} QPSK symbols, {ANTENNAS} antennas");
    let figure = Figure { title, columns: 1, panels: vec![panel] };
    figure.write(&folder, "detection").map_err(Failure::other)?;
    say(table);
    say(format_args!("Results in {}", folder.display()));
    Ok(())
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

/// Wrong symbols of each detector in one run.
fn detect(snr: f64, seed: u64) -> Result<[usize; 2], ModelError> {
    let rng = &mut Pcg64::seed_from_u64(seed);
    let matrix = complex_gaussian_matrix(ANTENNAS, SYMBOLS, 1.0 / SYMBOLS as f64, rng);
    let channel = Complex::new(matrix.as_ref())?;
    let part = |positive: bool| if positive { POWER.sqrt() } else { -POWER.sqrt() };
    let sent = Rows::from_fn(SYMBOLS, 2, |_, _| part(rng.random::<bool>()));
    let received = add_noise(&linear::outputs(&channel, &sent), noise(snr), rng);
    let count =
        |estimate: &Rows| (0..SYMBOLS).filter(|&i| wrong(sent.row(i), estimate.row(i))).count();
    let likelihood = Awgn::new(noise(snr).recip())?;
    let model = generalised::complex(
        channel.clone(),
        Discrete::qpsk(),
        likelihood.clone(),
        received.clone(),
    );
    let known = model.fit(&options(), &mut ())?;
    let gaussian = Gaussian::new(0.0, POWER)?;
    let linear =
        generalised::complex(channel, gaussian, likelihood, received).fit(&options(), &mut ())?;
    Ok([count(known.estimate()), count(linear.estimate())])
}

/// The rate of wrong symbols that theory predicts: of draws of what was sent and of its estimate.
fn predicted(detector: Detector, snr: f64) -> Result<f64, ModelError> {
    let ratio = ANTENNAS as f64 / SYMBOLS as f64;
    let spectrum = Spectrum::marchenko_pastur(ratio)?.scaled(ratio)?;
    let (channel, likelihood) =
        (Ensemble::complex(SYMBOLS, spectrum), Awgn::new(noise(snr).recip())?);
    let model = match detector {
        Detector::Symbols => generalised::complex_unobserved(channel, Discrete::qpsk(), likelihood),
        Detector::Linear => {
            generalised::complex_unobserved(channel, Gaussian::new(0.0, POWER)?, likelihood)
        }
    };
    let signal = model.signal;
    let graph = model.builder.build()?;
    let evolution = Evolution::new(&graph, &Options::default()).with_points(DRAWS).with_samples();
    let prediction = evolution.run()?;
    Ok(match prediction.samples(signal) {
        Some(draws) => {
            draws.average(|sent, _, estimate| f64::from(u8::from(wrong(sent, estimate))))
        }
        None => {
            // All is Gaussian but the symbols: what the antennas say of a part is the part with noise of this precision.
            let precision = prediction.estimate(signal).claimed_mse().recip() - POWER.recip();
            let right = cdf((precision * POWER).sqrt());
            1.0 - right * right
        }
    })
}
