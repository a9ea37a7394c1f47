//! The command line, and the problem that each cell stands for.

use std::path::PathBuf;

use clap::Parser;
use fg_core::Options as RunOptions;
use fg_core::evolution::{EstimateLaw, Evolution, EvolutionError, Spectrum};
use fg_core::operator::Ensemble;
use fg_denoisers::BernoulliGauss;
use fg_models::{GeneralisedGraph, linear};

use crate::support::{Failure, available_threads};

/// Sampling ratios start here.
pub(crate) const SMALLEST_RATIO: f64 = 1e-3;
/// Sweeps to a fixed point: next to the threshold it takes many.
const SWEEPS: usize = 1000;
/// Points of each row integral: errors far below what a picture shows.
const POINTS: usize = 1024;
/// Columns of the nominal operator, of which only the ratio of sizes matters.
const COLUMNS: usize = 10_000;

/// Phase diagram of a sparse linear inverse problem, from state evolution.
#[derive(Debug, Parser)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Options {
    /// Cells along each axis [default: 40, or 12 with --quick]
    #[arg(long)]
    grid: Option<usize>,
    /// A coarse diagram in a few seconds
    #[arg(long)]
    quick: bool,
    /// Signal-to-noise ratio in dB; a signal counts as recovered when its error is below half of it, with a minus sign
    #[arg(long, default_value_t = 80.0)]
    snr: f64,
    /// Condition number of A, whose singular values then fall geometrically [default: independent Gaussian entries]
    #[arg(long)]
    condition: Option<f64>,
    /// Threads; results don't depend on it [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "out/phase_diagram")]
    pub(crate) out: PathBuf,
}

/// What the diagram is of.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) grid: usize,
    pub(crate) snr_db: f64,
    pub(crate) condition: Option<f64>,
    pub(crate) threads: usize,
}

impl Options {
    /// Checks what the parser can't.
    pub(crate) fn setting(&self) -> Result<Setting, Failure> {
        let grid = self.grid.unwrap_or(if self.quick { 12 } else { 40 });
        let threads = self.threads.unwrap_or_else(available_threads);
        for (name, size) in [("grid", grid), ("threads", threads)] {
            if size == 0 {
                return Err(Failure::input(format!("--{name} must be at least 1, got 0")));
            }
        }
        if !(self.snr > 0.0 && self.snr <= 200.0) {
            let message = format!("--snr must be above 0 and at most 200, got {}", self.snr);
            return Err(Failure::input(message));
        }
        if let Some(bad) = self.condition.filter(|c| !(*c >= 1.0 && c.is_finite())) {
            let message = format!("--condition must be finite and at least 1, got {bad}");
            return Err(Failure::input(message));
        }
        Ok(Setting { grid, snr_db: self.snr, condition: self.condition, threads })
    }
}

impl Setting {
    /// Centres of the cells along each axis, both from 0 to 1.
    pub(crate) fn axis(&self) -> Vec<f64> {
        (0..self.grid).map(|k| (k as f64 + 0.5) / self.grid as f64).collect()
    }

    pub(crate) fn describe(&self) -> String {
        let operator = match self.condition {
            None => "Gaussian operator".to_owned(),
            Some(condition) => format!("condition number {condition}"),
        };
        format!("{operator}, SNR {} dB", self.snr_db)
    }

    pub(crate) fn recovers(&self, nmse_db: f64) -> bool {
        nmse_db < -0.5 * self.snr_db
    }

    /// The error at the fixed point, in decibels.
    pub(crate) fn nmse_db(&self, alpha: f64, rho: f64) -> Result<f64, EvolutionError> {
        let unlawful = |_| EvolutionError::Spectrum { factor: "A".to_owned() };
        let spectrum = match self.condition {
            None => Spectrum::marchenko_pastur(alpha),
            Some(condition) => Spectrum::geometric(alpha, condition),
        };
        let spectrum = spectrum.map_err(unlawful)?;
        // The slab has variance one, so that an entry of the signal has power rho.
        let noise = rho * spectrum.output_power() * 10_f64.powf(-0.1 * self.snr_db);
        let no_law = |name: &str| EvolutionError::NoLaw { factor: name.to_owned() };
        let prior = BernoulliGauss::new(rho, 0.0, 1.0).map_err(|_| no_law("prior"))?;
        let operator = Ensemble::new(COLUMNS, spectrum);
        let model = linear::unobserved(operator, 1, prior, noise.recip());
        let GeneralisedGraph { builder, signal, .. } = model.map_err(|_| no_law("observations"))?;
        let graph = builder.build().map_err(|_| no_law("A"))?;
        let options = RunOptions::default().with_max_sweeps(SWEEPS);
        let prediction = Evolution::new(&graph, &options).with_points(POINTS).run()?;
        let estimate = prediction.find_estimate(signal).map(EstimateLaw::nmse_db);
        estimate.ok_or_else(|| EvolutionError::NoEstimate { status: prediction.status().clone() })
    }
}
