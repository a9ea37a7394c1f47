//! Eight regressions with one support: what messages of full covariance gain over eight separate ones.
//!
//! The rows of a signal of eight columns are zero together, and where they aren't, the columns are nearly equal. Matrix
//! messages use both; separate runs and the multi-task LASSO, even at its best weight, can't recover it from so few
//! observations. `--out DIR` (default `out/multi_task`) receives `multi_task.csv` and the figure.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::Spectrum;
use fg_core::operator::{Dense, Ensemble};
use fg_core::{Options, Rows, Status};
use fg_denoisers::{BernoulliGauss, GroupBernoulliGauss, GroupLasso};
use fg_models::comparison::Errors;
use fg_models::synthetic::{add_noise, derived_seed, gaussian_matrix, noise_variance, row_sparse};
use fg_models::{GeneralisedGraph, ModelError, linear};
use rand::SeedableRng;
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::{Curves, Labels, nmse_by_sweep, say_endings};
use support::{Failure, Study, in_parallel, progress_bar};

/// Rows of the signal, observations, and columns.
const SIZE: [usize; 3] = [1024, 200, 8];
/// Share of rows that aren't zero.
const SPARSITY: f64 = 0.1;
/// Correlation of any two columns of a row that isn't zero.
const CORRELATION: f64 = 0.95;
/// Power of `A X` over that of the noise, in decibels.
const SNR_DB: f64 = 30.0;
const SWEEPS: usize = 40;
/// Weight of new messages: for two hundred observations of a thousand rows undamped runs are lively.
const DAMPING: f64 = 0.8;
/// Weights of the LASSO that are tried, times the deviation of the noise over that of an entry of `A`.
const WEIGHTS: [f64; 6] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Multi-task regression: matrix messages, separate runs, LASSO.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    study: Study,
}

/// Mean square errors of one run over the power of the signal, after each sweep.
type History = Vec<f64>;

/// What is compared.
const NAMES: [&str; 4] = [
    "matrix messages",
    "the same, parameters learned",
    "separate runs",
    "multi-task LASSO, best weight",
];

fn main() -> ExitCode {
    support::exit(run(&Arguments::parse().study))
}

fn run(study: &Study) -> Result<(), Failure> {
    let (runs, folder) = (study.runs(10, 1)?, study.folder("multi_task")?);
    let bar = progress_bar(runs, "runs");
    let problem = |k: usize| Problem::draw(derived_seed(study.seed, &[k as u64]))?.solve();
    let results = in_parallel(runs, study.threads(), &bar, problem);
    bar.finish_and_clear();
    let results: Result<Vec<_>, ModelError> = results.into_iter().collect();
    let (errors, statuses): (Vec<_>, Vec<_>) = results.map_err(Failure::other)?.into_iter().unzip();
    write(&folder, &errors)?;
    say_endings(statuses.iter().flatten());
    Ok(())
}

/// The law of the rows.
fn prior() -> Result<GroupBernoulliGauss, ModelError> {
    let d = SIZE[2];
    let entry = |k: usize| if k.is_multiple_of(d + 1) { 1.0 } else { CORRELATION };
    let covariance: Vec<f64> = (0..d * d).map(entry).collect();
    Ok(GroupBernoulliGauss::with_covariance(SPARSITY, d, &covariance)?)
}

struct Problem {
    operator: Dense,
    signal: Rows,
    observations: Rows,
    noise: f64,
}

impl Problem {
    fn draw(seed: u64) -> Result<Self, ModelError> {
        let [n, m, d] = SIZE;
        let rng = &mut Pcg64::seed_from_u64(seed);
        let operator = Dense::new(gaussian_matrix(m, n, 1.0 / m as f64, rng))?;
        let signal = row_sparse((n, d), SPARSITY, CORRELATION, rng);
        let clean = linear::outputs(&operator, &signal);
        let noise = noise_variance(&clean, SNR_DB);
        let observations = add_noise(&clean, noise, rng);
        Ok(Self { operator, signal, observations, noise })
    }

    /// Errors of all that are compared, and how every run ended.
    fn solve(&self) -> Result<([History; 4], Vec<Status>), ModelError> {
        let mut statuses = Vec::new();
        let (operator, y) = (|| self.operator.clone(), || self.observations.clone());
        let precision = self.noise.recip();
        let matrix = linear::graph(operator(), y(), prior()?, precision)?;
        let matrix = self.errors(matrix, &self.signal, &mut statuses)?;
        let learned = linear::sparse(operator(), y())?;
        let learned = self.errors(learned, &self.signal, &mut statuses)?;
        let mut separate = vec![0.0; SWEEPS];
        for j in 0..SIZE[2] {
            let column = |of: &Rows| Rows::from_fn(of.rows(), 1, |i, _| of[(i, j)]);
            let prior = BernoulliGauss::new(SPARSITY, 0.0, 1.0)?;
            let model = linear::graph(operator(), column(&y()), prior, precision)?;
            let errors = self.errors(model, &column(&self.signal), &mut statuses)?;
            separate.iter_mut().zip(errors).for_each(|(sum, e)| *sum += e / SIZE[2] as f64);
        }
        // The best weight is one that only the truth tells.
        let mut lasso = vec![f64::INFINITY; SWEEPS];
        for weight in WEIGHTS {
            let penalty = GroupLasso::new(weight * (SIZE[1] as f64 * precision).sqrt())?;
            let model = linear::graph(operator(), y(), penalty, precision)?;
            let errors = self.errors(model, &self.signal, &mut statuses)?;
            if errors[SWEEPS - 1] < lasso[SWEEPS - 1] {
                lasso = errors;
            }
        }
        Ok(([matrix, learned, separate, lasso], statuses))
    }

    /// Errors over the signal's power, sweep by sweep; how the run ended is added to `statuses`.
    fn errors(
        &self,
        model: GeneralisedGraph,
        truth: &Rows,
        statuses: &mut Vec<Status>,
    ) -> Result<History, ModelError> {
        let mut errors = Errors::new(model.signal, truth);
        let options = Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS);
        let fit = model.fit(&options, &mut errors)?;
        let power = self.signal.norm_squared() / self.signal.as_slice().len() as f64;
        let status = &fit.report().status;
        statuses.push(status.clone());
        let mse = errors.mse(SWEEPS, status);
        Ok(mse.into_iter().map(|e| e / power).collect())
    }
}

/// What theory says of the first estimator.
fn predicted() -> Result<Vec<f64>, ModelError> {
    let [n, m, d] = SIZE;
    let spectrum = Spectrum::marchenko_pastur(m as f64 / n as f64)?;
    // Entries of `A X` have the variance `SPARSITY n / m`.
    let noise = SPARSITY * n as f64 / m as f64 / 10_f64.powf(0.1 * SNR_DB);
    let model = linear::unobserved(Ensemble::new(n, spectrum), d, prior()?, noise.recip())?;
    let signal = model.signal;
    let options =
        Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS).with_tolerance(0.0);
    let prediction = model.builder.build()?.predict(&options)?;
    Ok(nmse_by_sweep(&prediction, signal, SWEEPS))
}

fn write(folder: &Path, results: &[[History; 4]]) -> Result<(), Failure> {
    let of = |k: usize| -> Vec<History> {
        let decibels = |errors: &History| errors.iter().map(|e| 10.0 * e.log10()).collect();
        results.iter().map(|run| decibels(&run[k])).collect()
    };
    let [n, m, d] = SIZE;
    Curves {
        labels: Labels {
            name: "multi_task",
            title: format!("{d} regressions with one support: {m} observations of {n} rows"),
            x: "sweep",
            y: "NMSE (dB)",
        },
        at: (1..=SWEEPS).map(|sweep| sweep as f64).collect(),
        measured: NAMES.into_iter().enumerate().map(|(k, name)| (name, of(k))).collect(),
        predicted: vec![("state evolution", predicted().map_err(Failure::other)?)],
    }
    .write(folder)
}
