//! The command line: what is asked for, and whether it makes sense.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::support::{Failure, available_threads};

/// What the estimator assumes of the signal, of which a tenth of the entries aren't zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Model {
    /// The truth
    Sparse,
    /// An L1 penalty, of which the maximum is taken
    Lasso,
    /// Three times as many entries that aren't zero
    Mismatch,
}

/// Compare state evolution with runs of a sparse linear inverse problem.
#[derive(Debug, Parser)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Options {
    /// What the estimator assumes
    #[arg(long, value_enum, default_value_t = Model::Sparse)]
    model: Model,
    /// Rows of A [default: 512, or 256 with --quick]
    #[arg(long)]
    rows: Option<usize>,
    /// Columns of A [default: 1024, or 512 with --quick]
    #[arg(long)]
    cols: Option<usize>,
    /// Condition number of A, whose singular values fall geometrically
    #[arg(long, default_value_t = 10.0)]
    condition: f64,
    /// Signal-to-noise ratio in dB
    #[arg(long, default_value_t = 40.0)]
    snr: f64,
    /// Runs [default: 20, or 5 with --quick]
    #[arg(long)]
    runs: Option<usize>,
    /// Sweeps of each run
    #[arg(long, default_value_t = 20)]
    sweeps: usize,
    /// Seed of all randomness
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads; results don't depend on it [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// A small comparison in a few seconds
    #[arg(long)]
    quick: bool,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "out/state_evolution")]
    pub(crate) out: PathBuf,
}

/// Everything that defines the comparison.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) model: Model,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) condition: f64,
    pub(crate) snr_db: f64,
    pub(crate) runs: usize,
    pub(crate) sweeps: usize,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
}

impl Options {
    /// Checks what the parser can't.
    pub(crate) fn setting(&self) -> Result<Setting, Failure> {
        let sized = |given: Option<usize>, full: usize, quick: usize| {
            given.unwrap_or(if self.quick { quick } else { full })
        };
        let (rows, columns) = (sized(self.rows, 512, 256), sized(self.cols, 1024, 512));
        let (runs, sweeps) = (sized(self.runs, 20, 5), self.sweeps);
        let threads = self.threads.unwrap_or_else(available_threads);
        let sizes = [
            ("rows", rows),
            ("cols", columns),
            ("runs", runs),
            ("sweeps", sweeps),
            ("threads", threads),
        ];
        if let Some((name, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
            return Err(Failure::input(format!("--{name} must be at least 1, got 0")));
        }
        if !(self.condition >= 1.0 && self.condition.is_finite()) {
            let given = self.condition;
            let message = format!("--condition must be finite and at least 1, got {given}");
            return Err(Failure::input(message));
        }
        if !(self.snr.abs() <= 200.0) {
            let message = format!("--snr must be between -200 and 200, got {}", self.snr);
            return Err(Failure::input(message));
        }
        let (model, condition, seed) = (self.model, self.condition, self.seed);
        let snr_db = self.snr;
        Ok(Setting { model, rows, columns, condition, snr_db, runs, sweeps, seed, threads })
    }
}
