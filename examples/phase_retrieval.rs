//! A signal from the absolute values of random projections: how many magnitudes are needed, and from where to start.
//!
//! Magnitudes don't tell a signal from its negative, or a complex one from another phase of it, so a run that starts from
//! nothing stays there. Runs start from the direction that the data prefer; state evolution, told of a start that knows a
//! little, predicts where they end: the signal is recovered above 1.128 magnitudes an entry, with `--ensemble orthonormal`
//! 1.584, with `--complex` 2.027 and with both 2.264. `--out DIR` (default `out/phase_retrieval`) receives
//! `phase_retrieval.csv` and the figure.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use fg_core::evolution::{Evolution, MessageLaw, Spectrum};
use fg_core::faer::{Scale, c64};
use fg_core::operator::{Complex, Dense, Ensemble};
use fg_core::{Options, Rows, Status};
use fg_denoisers::{ComplexMagnitude, Gaussian, Magnitude};
use fg_models::generalised::{self, GeneralisedGraph, Start};
use fg_models::metrics::{aligned, nmse_db};
use fg_models::synthetic::{
    add_noise, complex_gaussian_matrix, gaussian_matrix, gaussian_rows, haar_frame, unitary_frame,
};
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
    /// Law of the projections
    #[arg(long, value_enum, default_value_t = Projections::Gaussian)]
    ensemble: Projections,
    /// A complex signal, seen through complex projections
    #[arg(long)]
    complex: bool,
}

/// Laws of random projections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Projections {
    /// Independent Gaussian entries.
    Gaussian,
    /// Orthonormal columns, up to a factor.
    Orthonormal,
}

/// What is retrieved from what.
#[derive(Clone, Copy)]
struct Problem {
    projections: Projections,
    complex: bool,
}

fn main() -> ExitCode {
    support::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { study, ensemble, complex } = arguments;
    let problem = Problem { projections: *ensemble, complex: *complex };
    let kind = if *complex { "Complex" } else { "Real" };
    let of = if *ensemble == Projections::Gaussian { "Gaussian" } else { "orthonormal" };
    let labels = Labels {
        name: "phase_retrieval",
        title: format!("{kind} phase retrieval, {ENTRIES} entries, {of} projections"),
        x: "magnitudes an entry",
        y: if *complex {
            "error over power (dB), phase aside"
        } else {
            "error over power (dB), sign aside"
        },
    };
    let (measure, predict) = (
        |ratio: f64, seed: u64| problem.retrieve(ratio, seed),
        |ratio: f64| problem.predicted(ratio),
    );
    over_places(study, (problem.ratios(), study.runs(10, 2)?), labels, measure, predict)
}

impl Problem {
    /// Magnitudes an entry: around the threshold.
    fn ratios(self) -> &'static [f64] {
        match (self.projections, self.complex) {
            (Projections::Gaussian, false) => &[0.6, 0.8, 1.0, 1.1, 1.2, 1.4, 1.6, 2.0],
            (Projections::Orthonormal, false) => &[1.0, 1.2, 1.4, 1.5, 1.65, 1.8, 2.0, 2.4],
            (Projections::Gaussian, true) => &[1.2, 1.5, 1.8, 1.95, 2.1, 2.3, 2.6, 3.0],
            (Projections::Orthonormal, true) => &[1.4, 1.7, 2.0, 2.2, 2.35, 2.6, 2.9, 3.3],
        }
    }

    fn columns(self) -> usize {
        if self.complex { 2 } else { 1 }
    }

    /// Each part of a complex number has half of its power.
    fn prior(self) -> Result<Gaussian, ModelError> {
        Ok(Gaussian::new(0.0, 1.0 / self.columns() as f64)?)
    }

    /// The model of the magnitudes of noisy projections, of power one, of a signal.
    fn model(
        self,
        signal: &Rows,
        m: usize,
        rng: &mut Pcg64,
    ) -> Result<GeneralisedGraph, ModelError> {
        let (n, d) = (ENTRIES, self.columns());
        let noise = NOISE / d as f64;
        let gaussian = self.projections == Projections::Gaussian;
        let root = (m as f64 / n as f64).sqrt();
        let magnitudes = |clean: &Rows, rng: &mut Pcg64| {
            let noisy = add_noise(clean, noise, rng);
            Rows::from_fn(m, 1, |i, _| noisy.row(i).iter().map(|v| v * v).sum::<f64>().sqrt())
        };
        Ok(if self.complex {
            let matrix = if gaussian {
                complex_gaussian_matrix(m, n, 1.0 / n as f64, rng)
            } else {
                unitary_frame(m, n, rng) * Scale(c64::new(root, 0.0))
            };
            let operator = Complex::new(matrix.as_ref())?;
            let data = magnitudes(&linear::outputs(&operator, signal), rng);
            generalised::complex(operator, self.prior()?, ComplexMagnitude::new(noise)?, data)
        } else {
            let operator = Dense::new(if gaussian {
                gaussian_matrix(m, n, 1.0 / n as f64, rng)
            } else {
                haar_frame(m, n, rng) * Scale(root)
            })?;
            let data = magnitudes(&linear::outputs(&operator, signal), rng);
            generalised::graph(operator, self.prior()?, Magnitude::new(noise)?, data)
        })
    }

    /// The error of one run in decibels.
    fn retrieve(self, ratio: f64, seed: u64) -> Result<(f64, Status), ModelError> {
        let rng = &mut Pcg64::seed_from_u64(seed);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of rows"
        )]
        let m = (ratio * ENTRIES as f64).round() as usize;
        let signal = gaussian_rows(ENTRIES, self.columns(), 1.0 / self.columns() as f64, rng);
        let model = self.model(&signal, m, rng)?;
        let options = Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS);
        let fit = model.with_start(Start::Spectral { share: SHARE }).fit(&options, &mut ())?;
        let error = nmse_db(&aligned(fit.estimate(), &signal), &signal);
        Ok((error, fit.report().status.clone()))
    }

    /// The error that theory predicts in decibels.
    fn predicted(self, ratio: f64) -> Result<f64, ModelError> {
        let spectrum = match self.projections {
            Projections::Gaussian => Spectrum::marchenko_pastur(ratio)?,
            Projections::Orthonormal => Spectrum::orthonormal(ratio)?,
        };
        // Columns of power one make projections of power 1 / ratio.
        let (spectrum, d) = (spectrum.scaled(ratio)?, self.columns());
        let (prior, part) = (self.prior()?, 1.0 / d as f64);
        let noise = NOISE * part;
        let model = if self.complex {
            let operator = Ensemble::complex(ENTRIES, spectrum);
            generalised::complex_unobserved(operator, prior, ComplexMagnitude::new(noise)?)
        } else {
            let operator = Ensemble::new(ENTRIES, spectrum);
            generalised::unobserved(operator, 1, prior, Magnitude::new(noise)?)
        };
        let start = MessageLaw::guess(d, LITTLE, part)?;
        let (operator, signal) = (model.operator, model.signal);
        let graph = model.builder.build()?;
        // Where the run's damping leads, without its path.
        let options = Options::default().with_damping(DAMPING).with_max_sweeps(10 * SWEEPS);
        let evolution = Evolution::new(&graph, &options).with_fixed_point();
        let prediction = evolution.with_start(operator, 1, start).run()?;
        Ok(prediction.estimate(signal).nmse_db())
    }
}
