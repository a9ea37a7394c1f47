//! Which columns of a table explain another one: a sparse regression that learns its noise and its sparsity.
//!
//! Every coefficient comes with an error bar and the probability that it isn't zero; the cross-validated LASSO is fitted beside
//! it, and both are compared, with least squares, on rows held out. Without `--data` it takes ten measurements of 442 patients
//! with their squares and products, and the progression of their diabetes. `--out DIR` (default `out/regression`) receives
//! `coefficients.csv`, `held_out.csv` and the figure.

use core::f64::consts::{E, TAU};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fg_core::Evidence;
use fg_core::operator::Dense;
use fg_core::{Options, Rows, Status};
use fg_denoisers::{Awgn, BernoulliGauss, Gaussian, L2};
use fg_models::baseline::Lasso;
use fg_models::metrics::Quartiles;
use fg_models::report::{Axis, CsvTable, Figure, Panel, Series, Stroke, TextTable};
use fg_models::synthetic::derived_seed;
use fg_models::{Fit, ModelError, generalised, linear};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;
#[path = "regression/table.rs"]
mod table;

use curves::say_endings;
use support::{Failure, Study, in_parallel, progress_bar, say, short};
use table::Table;

/// Share of rows held out.
const HELD_OUT: f64 = 0.25;
/// Parts of the LASSO's cross-validation.
const FOLDS: usize = 10;
/// Columns of real tables are far from independent: small steps.
const DAMPING: f64 = 0.5;
const SWEEPS: usize = 1000;
/// Columns that are printed and drawn.
const PRINTED: usize = 15;

/// Sparse regression of one column of a CSV file on the others.
#[derive(Debug, Parser)]
struct Arguments {
    /// Table with a header line; all columns must be numbers [default: the diabetes data]
    #[arg(long, value_name = "FILE.csv", requires = "target")]
    data: Option<PathBuf>,
    /// Name of the column to be explained
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Adds squares and products of the columns [default: only without --data]
    #[arg(long)]
    products: bool,
    #[command(flatten)]
    study: Study,
}

fn main() -> ExitCode {
    support::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/diabetes.csv");
    let path = arguments.data.clone().unwrap_or_else(|| PathBuf::from(shipped));
    let target = arguments.target.as_deref().unwrap_or("progression");
    let mut table = Table::read(&path, target)?;
    if arguments.products || arguments.data.is_none() {
        table = table.with_products();
    }
    let study = &arguments.study;
    let folder = study.folder("regression")?;
    let splits = study.runs(20, 3)?;
    let bar = progress_bar(splits, "splits");
    let results = in_parallel(splits, study.threads(), &bar, |k| {
        held_out(&table, derived_seed(study.seed, &[k as u64]))
    });
    bar.finish_and_clear();
    let results: Result<Vec<_>, ModelError> = results.into_iter().collect();
    let results = results.map_err(Failure::other)?;
    compare(&results).write(&folder.join("held_out.csv")).map_err(Failure::other)?;
    say_endings(results.iter().map(|(_, status)| status));
    let all: Vec<usize> = (0..table.rows()).collect();
    let part = Part::of(&table, &all);
    let found = part.sparse().map_err(Failure::other)?;
    let lasso = Lasso::cross_validated(&part.inputs, part.target.as_slice(), FOLDS);
    let lasso = lasso.map_err(Failure::other)?.coefficients;
    report(&table.names, &found, &lasso, &folder)?;
    let (_, dense) = part.dense().map_err(Failure::other)?;
    // Of the standardised target alone, normal.
    let nothing = -0.5 * part.target.rows() as f64 * (TAU * E).ln();
    let over = |evidence: f64| format!("{:.1}", evidence - nothing);
    let mut models = TextTable::new(["model", "log evidence, nats over nothing explained"]);
    models.push(["sparse coefficients".to_owned(), over(found.evidence)]);
    models.push(["Gaussian coefficients".to_owned(), over(dense)]);
    say(models);
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

/// Rows of the table, columns and target standardised by them.
struct Part {
    inputs: Rows,
    target: Rows,
    /// Mean and deviation of each column, and of the target.
    scales: Vec<(f64, f64)>,
    scale: (f64, f64),
}

/// What a run found: coefficients of standardised columns, error bars, probabilities that they aren't zero, and the share of
/// the target's variance that is noise.
struct Found {
    coefficients: Vec<f64>,
    deviations: Vec<f64>,
    inclusion: Vec<f64>,
    noise: f64,
    /// Logarithm of the evidence, with what was learned.
    evidence: f64,
    status: Status,
}

impl Part {
    fn of(table: &Table, rows: &[usize]) -> Self {
        let scale = |value: &dyn Fn(usize) -> f64| {
            let count = rows.len() as f64;
            let mean = rows.iter().map(|&i| value(i)).sum::<f64>() / count;
            let square = rows.iter().map(|&i| (value(i) - mean).powi(2)).sum::<f64>();
            let deviation = (square / count).sqrt();
            // A column that is constant in these rows tells nothing there.
            (mean, if deviation > 0.0 { deviation } else { 1.0 })
        };
        let columns = 0..table.inputs.columns();
        let scales = columns.map(|j| scale(&|i| table.inputs[(i, j)])).collect();
        let target = scale(&|i| table.target[i]);
        let mut part =
            Self { inputs: Rows::zeros(0, 0), target: Rows::zeros(0, 0), scales, scale: target };
        (part.inputs, part.target) = part.standardised(table, rows);
        part
    }

    /// Rows of the table in this part's units.
    fn standardised(&self, table: &Table, rows: &[usize]) -> (Rows, Rows) {
        let inputs = Rows::from_fn(rows.len(), self.scales.len(), |i, j| {
            let (mean, deviation) = self.scales[j];
            (table.inputs[(rows[i], j)] - mean) / deviation
        });
        let (mean, deviation) = self.scale;
        let target = rows.iter().map(|&i| (table.target[i] - mean) / deviation).collect();
        (inputs, Rows::column(target))
    }

    fn sparse(&self) -> Result<Found, ModelError> {
        let model = linear::sparse(Dense::from_rows(&self.inputs)?, self.target.clone())?;
        let (prior, likelihood) = (model.prior, model.likelihood);
        let fit = model.fit(&learning(), &mut ())?;
        let solution = fit.solution();
        let learned = |factor, name: &str| solution.parameter(factor, name).unwrap_or(f64::NAN);
        let law = BernoulliGauss::new(learned(prior, "sparsity"), 0.0, learned(prior, "variance"))?;
        Ok(Found {
            coefficients: fit.estimate().as_slice().to_vec(),
            deviations: fit.deviation().as_slice().to_vec(),
            inclusion: law.inclusion(solution.cavity(prior, 0)),
            noise: learned(likelihood, "noise variance"),
            evidence: evidence(&fit),
            status: fit.report().status.clone(),
        })
    }

    /// All coefficients alike: a Gaussian prior, its variance and the noise learned; coefficients and evidence.
    fn dense(&self) -> Result<(Vec<f64>, f64), ModelError> {
        let operator = Dense::from_rows(&self.inputs)?;
        // Half of the target's variance is signal, to start from.
        let prior = Gaussian::new(0.0, 0.5 / self.inputs.columns() as f64)?.learn_covariance();
        let noise = Awgn::from_variance(0.5)?.learn_noise();
        let model = generalised::graph(operator, prior, noise, self.target.clone());
        let fit = model.fit(&learning(), &mut ())?;
        Ok((fit.estimate().as_slice().to_vec(), evidence(&fit)))
    }

    /// Least squares: a flat prior.
    fn least_squares(&self) -> Result<Vec<f64>, ModelError> {
        let operator = Dense::from_rows(&self.inputs)?;
        let model = linear::graph(operator, self.target.clone(), L2::new(0.0)?, 1.0)?;
        Ok(model.fit(&Options::default(), &mut ())?.estimate().as_slice().to_vec())
    }
}

/// Of runs that learn.
fn learning() -> Options {
    Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS)
}

/// The evidence of a fit; not a number where it has none.
fn evidence(fit: &Fit) -> f64 {
    fit.evidence().map_or(f64::NAN, Evidence::log)
}

/// Squared errors on rows held out, over the variance of the target, of the estimators in one split.
fn held_out(table: &Table, seed: u64) -> Result<([f64; 4], Status), ModelError> {
    let mut rows: Vec<usize> = (0..table.rows()).collect();
    rows.shuffle(&mut Pcg64::seed_from_u64(seed));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
    let (test, training) = rows.split_at((HELD_OUT * table.rows() as f64).ceil() as usize);
    let part = Part::of(table, training);
    let (inputs, target) = part.standardised(table, test);
    let error = |coefficients: &[f64]| {
        let fitted =
            |i: usize| -> f64 { inputs.row(i).iter().zip(coefficients).map(|(x, b)| x * b).sum() };
        let errors = target.as_slice().iter().enumerate().map(|(i, y)| (y - fitted(i)).powi(2));
        errors.sum::<f64>() / test.len() as f64
    };
    let found = part.sparse()?;
    let lasso = Lasso::cross_validated(&part.inputs, part.target.as_slice(), FOLDS)?;
    // More columns than rows leave least squares undetermined.
    let plain = match part.inputs.rows() > part.inputs.columns() {
        true => error(&part.least_squares()?),
        false => f64::NAN,
    };
    let (dense, _) = part.dense()?;
    let errors = [&found.coefficients, &dense, &lasso.coefficients].map(|of| error(of));
    Ok(([errors[0], errors[1], errors[2], plain], found.status))
}

fn compare(results: &[([f64; 4], Status)]) -> CsvTable {
    const NAMES: [&str; 4] =
        ["sparse, all learned", "Gaussian, all learned", "LASSO, cross-validated", "least squares"];
    let mut csv = CsvTable::new(["estimator", "split", "error"]);
    let mut table = TextTable::new(["held out, error over variance", "median", "quartiles"]);
    for (k, name) in NAMES.into_iter().enumerate() {
        let errors: Vec<f64> = results.iter().map(|(errors, _)| errors[k]).collect();
        for (split, error) in errors.iter().enumerate() {
            csv.push([name.to_owned(), split.to_string(), error.to_string()]);
        }
        if let Some(q) = Quartiles::of(&errors) {
            let quartiles = format!("{} .. {}", short(q.lower), short(q.upper));
            table.push([name.to_owned(), short(q.median), quartiles]);
        }
    }
    say(table);
    csv
}

fn report(
    names: &[String],
    found: &Found,
    lasso: &[f64],
    folder: &std::path::Path,
) -> Result<(), Failure> {
    let Found { coefficients, deviations, inclusion, noise, status, .. } = found;
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|&a, &b| inclusion[b].total_cmp(&inclusion[a]));
    let header = ["column", "coefficient", "deviation", "inclusion", "lasso"];
    let (mut csv, mut table) = (CsvTable::new(header), TextTable::new(header));
    for (k, &j) in order.iter().enumerate() {
        let values = [coefficients[j], deviations[j], inclusion[j], lasso[j]];
        let texts = |text: &dyn Fn(f64) -> String| {
            let mut record = vec![names[j].clone()];
            record.extend(values.iter().map(|v| text(*v)));
            record
        };
        csv.push(texts(&|v| v.to_string()));
        if k < PRINTED {
            table.push(texts(&|v| format!("{v:.3}")));
        }
    }
    csv.write(&folder.join("coefficients.csv")).map_err(Failure::other)?;
    order.truncate(PRINTED);
    figure(names, found, lasso, &order).write(folder, "regression").map_err(Failure::other)?;
    say(table);
    say(format_args!("Noise: {:.3} of the variance; {status}", noise));
    Ok(())
}

/// Coefficients with error bars, and probabilities, of the columns `shown`.
fn figure(names: &[String], found: &Found, lasso: &[f64], shown: &[usize]) -> Figure {
    let Found { coefficients, deviations, inclusion, .. } = found;
    let places = || shown.iter().enumerate().map(|(k, &j)| ((k + 1) as f64, j));
    let dots = |name: &str, color: &str, of: &[f64]| {
        let points = places().map(|(x, j)| (x, of[j])).collect();
        Series::new(name, color, points).with_stroke(Stroke::Dots)
    };
    let bar = |(x, j): (f64, usize)| {
        let ends = [-2.0, 2.0].map(|count| (x, coefficients[j] + count * deviations[j]));
        Series::new("two deviations", "#66CCEE", ends.to_vec())
    };
    let mut estimates: Vec<Series> = places().map(bar).collect();
    estimates.push(dots("sparse", "#4477AA", coefficients));
    estimates.push(dots("LASSO", "#EE6677", lasso));
    let probabilities = vec![dots("probability of not being zero", "#228833", inclusion)];
    let panel = |y: &str, series| Panel {
        title: String::new(),
        x: Axis::named("", shown.iter().map(|&j| names[j].clone()).collect()),
        y: Axis::linear(y),
        series,
        references: Vec::new(),
    };
    let count = names.len();
    Figure {
        title: format!(
            "Coefficients of standardised columns: the {} likeliest of {count}",
            shown.len()
        ),
        columns: 2,
        panels: vec![panel("coefficient", estimates), panel("probability", probabilities)],
    }
}
