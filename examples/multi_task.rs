//! Eight regressions with one support: what messages of full covariance gain over eight separate ones.
//!
//! The rows of a signal of eight columns are zero together, and where they aren't, the columns are nearly equal. Matrix
//! messages use both; separate runs and the multi-task LASSO, even at its best weight, can't recover it from so few
//! observations. `--out DIR` (default `out/multi_task`) receives `runs.csv` and the figure.

use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::Spectrum;
use fg_core::operator::{Dense, Ensemble};
use fg_core::{Options, Rows};
use fg_denoisers::{BernoulliGauss, GroupBernoulliGauss, GroupLasso};
use fg_models::comparison::Errors;
use fg_models::metrics::Quartiles;
use fg_models::report::{Axis, CsvTable, Figure, Panel, Reference, Series, Stroke, TextTable};
use fg_models::synthetic::{
    add_noise, derived_seed, exactly_sparse, gaussian_matrix, noise_variance,
};
use fg_models::{GeneralisedGraph, ModelError, linear};
use rand::SeedableRng;
use rand_pcg::Pcg64;

mod support;

use support::{Failure, Study, in_parallel, progress_bar, say};

/// Rows of the signal, observations, and columns.
const SIZE: [usize; 3] = [1024, 200, 8];
/// Share of rows that aren't zero.
const SPARSITY: f64 = 0.1;
/// Correlation of any two columns of a row that isn't zero.
const CORRELATION: f64 = 0.95;
/// Power of `A X` over that of the noise, in decibels.
const SNR_DB: f64 = 30.0;
const SWEEPS: usize = 60;
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
    let runs = study.runs(10, 2)?;
    let bar = progress_bar(runs, "runs");
    let problem = |k: usize| Problem::draw(derived_seed(study.seed, &[k as u64]))?.solve();
    let results = in_parallel(runs, study.threads(), &bar, problem);
    bar.finish_and_clear();
    let results: Result<Vec<_>, ModelError> = results.into_iter().collect();
    write(study, &results.map_err(Failure::other)?)
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
        let active = exactly_sparse((n, 1), SPARSITY, 1.0, 0.0, rng);
        // A part that all columns share, and one of their own.
        let common = add_noise(&Rows::zeros(n, 1), CORRELATION, rng);
        let own = add_noise(&Rows::zeros(n, d), 1.0 - CORRELATION, rng);
        let signal = Rows::from_fn(n, d, |i, j| active[(i, 0)] * (common[(i, 0)] + own[(i, j)]));
        let clean = linear::outputs(&operator, &signal);
        let noise = noise_variance(&clean, SNR_DB);
        let observations = add_noise(&clean, noise, rng);
        Ok(Self { operator, signal, observations, noise })
    }

    fn solve(&self) -> Result<[History; 4], ModelError> {
        let (operator, y) = (|| self.operator.clone(), || self.observations.clone());
        let precision = self.noise.recip();
        let matrix =
            self.errors(linear::graph(operator(), y(), prior()?, precision)?, &self.signal)?;
        let learned = self.errors(linear::sparse(operator(), y())?, &self.signal)?;
        let mut separate = vec![0.0; SWEEPS];
        for j in 0..SIZE[2] {
            let column = |of: &Rows| Rows::from_fn(of.rows(), 1, |i, _| of[(i, j)]);
            let prior = BernoulliGauss::new(SPARSITY, 0.0, 1.0)?;
            let model = linear::graph(operator(), column(&y()), prior, precision)?;
            let errors = self.errors(model, &column(&self.signal))?;
            separate.iter_mut().zip(errors).for_each(|(sum, e)| *sum += e / SIZE[2] as f64);
        }
        // The best weight is one that only the truth tells.
        let mut lasso = vec![f64::INFINITY; SWEEPS];
        for weight in WEIGHTS {
            let penalty = GroupLasso::new(weight * (SIZE[1] as f64 * precision).sqrt())?;
            let errors =
                self.errors(linear::graph(operator(), y(), penalty, precision)?, &self.signal)?;
            if errors[SWEEPS - 1] < lasso[SWEEPS - 1] {
                lasso = errors;
            }
        }
        Ok([matrix, learned, separate, lasso])
    }

    /// Errors over the signal's power, sweep by sweep.
    fn errors(&self, model: GeneralisedGraph, truth: &Rows) -> Result<History, ModelError> {
        let mut errors = Errors::new(model.signal, truth);
        let options = Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS);
        let fit = model.fit(&options, &mut errors)?;
        let power = self.signal.norm_squared() / self.signal.as_slice().len() as f64;
        let mse = errors.mse(SWEEPS, &fit.report().status);
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
    let nmse = |sweep: &fg_core::evolution::SweepPrediction| {
        sweep.estimate(signal).map_or(f64::NAN, |law| law.nmse_db())
    };
    Ok(prediction.sweeps().iter().map(nmse).collect())
}

fn decibels(value: f64) -> f64 {
    10.0 * value.log10()
}

fn write(study: &Study, results: &[[History; 4]]) -> Result<(), Failure> {
    let folder = study.folder("multi_task");
    let mut csv = CsvTable::new(["estimator", "run", "sweep", "nmse_db"]);
    let mut table = TextTable::new(["estimator", "median NMSE", "quartiles"]);
    let mut series = Vec::new();
    for (k, (name, color)) in
        NAMES.into_iter().zip(["#4477AA", "#66CCEE", "#228833", "#CCBB44"]).enumerate()
    {
        for (run, result) in results.iter().enumerate() {
            for (sweep, error) in result[k].iter().enumerate() {
                let row = [run.to_string(), (sweep + 1).to_string(), decibels(*error).to_string()];
                csv.push(core::iter::once(name.to_owned()).chain(row));
            }
        }
        let at = |t: usize| {
            let errors: Vec<f64> = results.iter().map(|r| decibels(r[k][t])).collect();
            Quartiles::of(&errors).ok_or_else(|| Failure::other("no runs"))
        };
        let quartiles = (0..SWEEPS).map(at).collect::<Result<Vec<_>, _>>()?;
        let last = quartiles[SWEEPS - 1];
        let spread = format!("{:.1} .. {:.1}", last.lower, last.upper);
        table.push([name.to_owned(), format!("{:.2} dB", last.median), spread]);
        let median = quartiles.iter().enumerate().map(|(t, q)| ((t + 1) as f64, q.median));
        let band = quartiles.iter().map(|q| (q.lower, q.upper));
        series.push(Series::new(name, color, median.collect()).with_band(band.collect()));
    }
    let predicted = predicted().map_err(Failure::other)?;
    let end = predicted.last().copied().unwrap_or(f64::NAN);
    table.push(["state evolution".to_owned(), format!("{end:.2} dB"), String::new()]);
    let line = predicted.iter().enumerate().map(|(t, e)| ((t + 1) as f64, *e)).collect();
    series.push(Series::new("state evolution", "#000000", line).with_stroke(Stroke::Dashed));
    csv.write(&folder.join("runs.csv")).map_err(Failure::other)?;
    let [n, m, d] = SIZE;
    let panel = Panel {
        title: String::new(),
        x: Axis::linear("sweep"),
        y: Axis::linear("NMSE (dB)"),
        series,
        references: Vec::<Reference>::new(),
    };
    let title = format!("{d} regressions with one support: {m} observations of {n} rows");
    let figure = Figure { title, columns: 1, panels: vec![panel] };
    figure.write(&folder, "multi_task").map_err(Failure::other)?;
    say(table);
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}
