//! The command line: what is asked for, and whether it makes sense.

use std::path::PathBuf;

use clap::Parser;
use fg_core::denoiser::Denoiser;
use fg_core::operator::LinearOperator;
use fg_core::{Options as RunOptions, Rows};
use fg_denoisers::prior::{BernoulliGauss, Gaussian, Laplace};
use fg_models::synthetic::active_entries;
use fg_models::{GeneralisedGraph, ModelError, linear};

use crate::support::{Failure, available_threads};

/// Condition numbers of the study, and of the comparison.
const CONDITIONS: [f64; 5] = [1.0, 10.0, 1e2, 1e3, 1e4];
const COMPARED: [f64; 3] = [1.0, 10.0, 1e2];
/// Rows, columns and runs, and the same with `--quick`.
const USUAL: [usize; 3] = [512, 1024, 10];
const QUICK: [usize; 3] = [128, 256, 2];
/// Most sweeps without damping, and again with it: several times what a condition number of 1e4 takes.
pub(crate) const SWEEPS: usize = 200;
/// Weight of a new message against the one before, for runs that haven't settled without damping.
pub(crate) const DAMPING: f64 = 0.7;
/// Relative change of the estimate at which it has settled to well below 0.01 dB.
pub(crate) const TOLERANCE: f64 = 1e-5;

/// Solve linear inverse problems: a synthetic study, or your own data with --matrix.
#[derive(Debug, Parser)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Options {
    /// Rows of A, M [default: 512, or 128 with --quick]
    #[arg(long)]
    rows: Option<usize>,
    /// Columns of A, N [default: 1024, or 256 with --quick]
    #[arg(long)]
    cols: Option<usize>,
    /// Share of entries of the signal that aren't zero [default: 0.1]
    #[arg(long, allow_negative_numbers = true)]
    sparsity: Option<f64>,
    /// Signal-to-noise ratio in dB [default: 40]
    #[arg(long, allow_negative_numbers = true)]
    snr: Option<f64>,
    /// Compare with plain AMP, with the best L1 penalty and with ADMM
    #[arg(long)]
    compare: bool,
    /// Condition numbers of A, separated by commas [default: 1,10,100,1000,10000, or the first three with --compare]
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    condition: Option<Vec<f64>>,
    /// Runs of each condition number [default: 10, or 2 with --quick]
    #[arg(long)]
    runs: Option<usize>,
    /// Few runs of small problems, in some seconds
    #[arg(long)]
    quick: bool,
    /// Seed of all randomness [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Threads; results don't depend on it [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "out/linear_inverse")]
    pub(crate) out: PathBuf,
    /// The operator A (M x N); A.npz: a sparse one, of scipy
    #[arg(long, value_name = "A.npy")]
    matrix: Option<PathBuf>,
    /// The observations y (M, or M x d)
    #[arg(long, value_name = "y.npy")]
    observations: Option<PathBuf>,
    /// The prior: bernoulli-gauss:RHO,MEAN,VAR or gauss:MEAN,VAR or laplace:SCALE [default: sparse, learned with the noise]
    #[arg(long, allow_hyphen_values = true)]
    prior: Option<String>,
    /// Precision (one over the variance) of the noise on each observation
    #[arg(long, allow_negative_numbers = true)]
    noise_precision: Option<f64>,
}

/// What the program does.
#[derive(Debug)]
pub(crate) enum Job {
    /// Estimates the signal behind the user's observations.
    OwnData(OwnData),
    /// Draws problems and solves them.
    Study(Setting),
    /// Draws problems and solves them by several methods.
    Comparison(Setting),
}

/// The user's problem.
#[derive(Debug)]
pub(crate) struct OwnData {
    pub(crate) matrix: PathBuf,
    pub(crate) observations: PathBuf,
    /// The prior and the precision of the noise; learned where there are none.
    pub(crate) known: Option<(Prior, f64)>,
}

/// Everything that defines the study.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) prior: BernoulliGauss,
    pub(crate) snr_db: f64,
    pub(crate) conditions: Vec<f64>,
    pub(crate) runs: usize,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
}

/// A prior that can be named on the command line.
#[derive(Clone, Debug)]
pub(crate) enum Prior {
    BernoulliGauss(BernoulliGauss),
    Gauss(Gaussian),
    Laplace(Laplace),
}

impl Prior {
    /// Reads `NAME:PARAMETER,PARAMETER,..`.
    fn parse(text: &str) -> Result<Self, String> {
        let (name, list) = text.split_once(':').unwrap_or((text, ""));
        let numbers = || -> Result<Vec<f64>, String> {
            let number = |part: &str| {
                let parsed = part.trim().parse();
                parsed.map_err(|_| format!("`{part}` in `{text}` is not a number"))
            };
            if list.is_empty() { Ok(Vec::new()) } else { list.split(',').map(number).collect() }
        };
        let count =
            |needed: &str, found: usize| format!("{name} needs {needed}, got {found} numbers");
        let error = |error: fg_denoisers::ParameterError| format!("{name}: {error}");
        match name {
            "bernoulli-gauss" => match numbers()?[..] {
                [rho, mean, variance] => BernoulliGauss::new(rho, mean, variance)
                    .map(Self::BernoulliGauss)
                    .map_err(error),
                ref other => Err(count("RHO,MEAN,VAR", other.len())),
            },
            "gauss" => match numbers()?[..] {
                [mean, variance] => Gaussian::new(mean, variance).map(Self::Gauss).map_err(error),
                ref other => Err(count("MEAN,VAR", other.len())),
            },
            "laplace" => match numbers()?[..] {
                [scale] => Laplace::new(scale).map(Self::Laplace).map_err(error),
                ref other => Err(count("SCALE", other.len())),
            },
            _ => Err(format!(
                "unknown prior `{name}`, must be bernoulli-gauss:RHO,MEAN,VAR, gauss:MEAN,VAR or laplace:SCALE"
            )),
        }
    }

    /// The number of columns of a signal it is for; `None` when any will do.
    pub(crate) fn columns(&self) -> Option<usize> {
        match self {
            Self::BernoulliGauss(p) => p.columns(),
            Self::Gauss(p) => p.columns(),
            Self::Laplace(p) => p.columns(),
        }
    }

    /// The graph of a problem with this prior.
    pub(crate) fn graph(
        &self,
        operator: impl LinearOperator + 'static,
        observations: Rows,
        noise_precision: f64,
    ) -> Result<GeneralisedGraph, ModelError> {
        match self.clone() {
            Self::BernoulliGauss(p) => linear::graph(operator, observations, p, noise_precision),
            Self::Gauss(p) => linear::graph(operator, observations, p, noise_precision),
            Self::Laplace(p) => linear::graph(operator, observations, p, noise_precision),
        }
    }
}

/// Options of a run.
pub(crate) fn run_options() -> RunOptions {
    RunOptions::default().with_max_sweeps(SWEEPS).with_tolerance(TOLERANCE)
}

impl Options {
    /// Checks what the parser can't.
    pub(crate) fn job(&self) -> Result<Job, Failure> {
        let own = [
            ("matrix", self.matrix.is_some()),
            ("observations", self.observations.is_some()),
            ("prior", self.prior.is_some()),
            ("noise-precision", self.noise_precision.is_some()),
        ];
        match own.iter().any(|(_, given)| *given) {
            true => self.own_data().map(Job::OwnData),
            false if self.compare => self.setting().map(Job::Comparison),
            false => self.setting().map(Job::Study),
        }
    }

    fn own_data(&self) -> Result<OwnData, Failure> {
        let missing = |name: &str| {
            Failure::input(format!(
                "--{name} is missing: --matrix and --observations go together, and so do --prior and --noise-precision"
            ))
        };
        let synthetic_only = [
            ("rows", self.rows.is_some()),
            ("cols", self.cols.is_some()),
            ("sparsity", self.sparsity.is_some()),
            ("snr", self.snr.is_some()),
            ("compare", self.compare),
            ("condition", self.condition.is_some()),
            ("runs", self.runs.is_some()),
            ("quick", self.quick),
            ("seed", self.seed.is_some()),
        ];
        if let Some((name, _)) = synthetic_only.into_iter().find(|(_, given)| *given) {
            return Err(Failure::input(format!("--{name} has no meaning with --matrix")));
        }
        if let Some(bad) = self.noise_precision.filter(|p| !(*p > 0.0 && p.is_finite())) {
            let message = format!("--noise-precision must be finite and above 0, got {bad}");
            return Err(Failure::input(message));
        }
        let known = match (self.prior.as_deref(), self.noise_precision) {
            (None, None) => None,
            (Some(_), None) => return Err(missing("noise-precision")),
            (None, Some(_)) => return Err(missing("prior")),
            (Some(prior), Some(precision)) => {
                let prior = Prior::parse(prior);
                let prior = prior.map_err(|e| Failure::input(format!("--prior: {e}")))?;
                Some((prior, precision))
            }
        };
        Ok(OwnData {
            matrix: self.matrix.clone().ok_or_else(|| missing("matrix"))?,
            observations: self.observations.clone().ok_or_else(|| missing("observations"))?,
            known,
        })
    }

    fn setting(&self) -> Result<Setting, Failure> {
        let sizes = if self.quick { QUICK } else { USUAL };
        let (rows, columns) = (self.rows.unwrap_or(sizes[0]), self.cols.unwrap_or(sizes[1]));
        let runs = self.runs.unwrap_or(sizes[2]);
        let threads = self.threads.unwrap_or_else(available_threads);
        for (name, size) in
            [("rows", rows), ("cols", columns), ("runs", runs), ("threads", threads)]
        {
            if size == 0 {
                return Err(Failure::input(format!("--{name} must be at least 1, got 0")));
            }
        }
        let snr_db = self.snr.unwrap_or(40.0);
        if !snr_db.is_finite() {
            return Err(Failure::input(format!("--snr must be finite, got {snr_db}")));
        }
        let usual = if self.compare { &COMPARED[..] } else { &CONDITIONS };
        let conditions = self.condition.clone().unwrap_or_else(|| usual.to_vec());
        if let Some(bad) = conditions.iter().find(|c| !(**c >= 1.0 && c.is_finite())) {
            let message = format!("--condition must be finite and at least 1, got {bad}");
            return Err(Failure::input(message));
        }
        let prior = BernoulliGauss::new(self.sparsity.unwrap_or(0.1), 0.0, 1.0);
        let prior = prior.map_err(|error| Failure::input(format!("--sparsity: {error}")))?;
        if active_entries(columns, prior.sparsity()) == 0 {
            let message = format!("--sparsity: {} leaves no entry of {columns}", prior.sparsity());
            return Err(Failure::input(message));
        }
        let seed = self.seed.unwrap_or(0);
        Ok(Setting { rows, columns, prior, snr_db, conditions, runs, seed, threads })
    }
}
