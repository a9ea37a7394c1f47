//! One comparison: messages against plain AMP, posterior means against the best L1 penalty, and precisions that adapt
//! against the fixed ones of ADMM.

use std::path::Path;

use fg_core::evolution::{Evolution, MessageLaw};
use fg_denoisers::L1;
use fg_models::metrics::Quartiles;
use fg_models::report::{Axis, CsvTable, Figure, Panel, Series, Stroke, TextTable};
use fg_models::{ModelError, linear};

use crate::curves::{count_endings, nmse_by_sweep};
use crate::methods::{Method, Run, variance};
use crate::options::{SWEEPS, Setting, run_options};
use crate::problem::{Problem, ensemble, predicted};
use crate::support::{Failure, check_folder, in_parallel, progress_bar, say};

/// Weights of the L1 penalty that are tried, times the deviation of the noise: `10^(k / 8)` of this one.
const SMALLEST_WEIGHT: f64 = 0.04;
const WEIGHTS: i32 = 16;
/// Errors shown, in decibels: what is above has diverged.
const SHOWN: (f64, f64) = (-50.0, 15.0);

/// Method, name, and colour of Tol's bright scheme, which colour blind readers can tell apart.
const METHODS: [(Method, &str, &str); 6] = [
    (Method::Amp, "AMP, posterior mean", "#CCBB44"),
    (Method::Mmse, "VAMP, posterior mean", "#4477AA"),
    (Method::Map, "VAMP, L1", "#EE6677"),
    (Method::Admm(1.0), "ADMM, L1, threshold 1", "#BBBBBB"),
    (Method::Admm(0.1), "ADMM, L1, threshold 0.1", "#228833"),
    (Method::Admm(0.01), "ADMM, L1, threshold 0.01", "#66CCEE"),
];

/// All runs at a condition number, one of each method a problem, and the predictions.
struct Cell {
    condition: f64,
    runs: Vec<Vec<Run>>,
    /// Of posterior mean and of the penalty, by sweep.
    predicted: [Vec<f64>; 2],
}

impl Cell {
    fn quartiles(&self, method: usize, sweep: usize) -> Option<Quartiles> {
        let errors = self.runs.iter().map(|run| run[method].error(sweep));
        Quartiles::of(&errors.collect::<Vec<_>>())
    }

    /// The predicted error of a method after the last sweep.
    fn predicted_end(&self, method: Method) -> Option<f64> {
        match method {
            Method::Mmse => self.predicted[0].last().copied(),
            Method::Map => self.predicted[1].last().copied(),
            Method::Amp | Method::Admm(_) => None,
        }
    }
}

/// Solves all problems by all methods; prints a table and writes `comparison.csv` and the figure `comparison`.
pub(crate) fn run(setting: &Setting, folder: &Path) -> Result<(), Failure> {
    check_folder(folder)?;
    let mut cells = Vec::new();
    for &condition in &setting.conditions {
        let invalid = |error| Failure::input(format!("--condition, --snr, --sparsity: {error}"));
        let (weight, predicted) = predict(setting, condition).map_err(invalid)?;
        let bar = progress_bar(setting.runs, "problems");
        let runs = in_parallel(setting.runs, setting.threads, &bar, |run| {
            let problem = Problem::draw(setting, condition, run)?;
            let weight = weight / problem.noise.sqrt();
            let solve = |(method, _, _): &(Method, _, _)| problem.solve(setting, *method, weight);
            let solved: Result<Vec<Run>, ModelError> = METHODS.iter().map(solve).collect();
            solved.map_err(Failure::other)
        });
        bar.finish_and_clear();
        let runs = runs.into_iter().collect::<Result<_, Failure>>()?;
        cells.push(Cell { condition, runs, predicted });
    }
    csv(&cells).write(&folder.join("comparison.csv")).map_err(Failure::other)?;
    figure(setting, &cells).write(folder, "comparison").map_err(Failure::other)?;
    say(table(&cells));
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

/// What state evolution says of the posterior mean, and of the penalty at the weight where it says that the error is
/// smallest: weight times deviation of the noise, and errors by sweep.
fn predict(setting: &Setting, condition: f64) -> Result<(f64, [Vec<f64>; 2]), ModelError> {
    let (operator, noise) = ensemble(setting, condition)?;
    let (prior, options) = (&setting.prior, run_options());
    let mean = predicted(setting, condition)?;
    let mut best = (f64::NAN, vec![f64::INFINITY]);
    for k in 0..WEIGHTS {
        let weight = SMALLEST_WEIGHT * 10_f64.powf(f64::from(k) / 8.0);
        let penalty = L1::new(weight / noise.sqrt())?;
        let model = linear::unobserved(operator.clone(), 1, penalty, noise.recip())?;
        let graph = model.builder.build()?;
        let precision = variance(weight / noise.sqrt()).recip();
        let size = MessageLaw::new(1, vec![precision], vec![0.0], vec![0.0], vec![0.0])?;
        let evolution = Evolution::new(&graph, &options).with_law(model.prior, prior.clone());
        let prediction = evolution.with_start(model.prior, 0, size).run()?;
        let errors = nmse_by_sweep(&prediction, model.signal, SWEEPS);
        if errors.last() < best.1.last() {
            best = (weight, errors);
        }
    }
    Ok((best.0, [mean, best.1]))
}

fn csv(cells: &[Cell]) -> CsvTable {
    let mut csv = CsvTable::new(["condition", "method", "run", "sweep", "nmse_db", "status"]);
    for cell in cells {
        let mut line = |name: &str, run: &str, sweep: usize, error: f64, ending: &str| {
            let (condition, error) = (cell.condition.to_string(), error.to_string());
            csv.push([&condition, name, run, &(sweep + 1).to_string(), &error, ending]);
        };
        for (run, methods) in cell.runs.iter().enumerate() {
            for ((_, name, _), Run { errors, ending }) in METHODS.iter().zip(methods) {
                for (sweep, error) in errors.iter().enumerate() {
                    line(name, &run.to_string(), sweep, *error, ending);
                }
            }
        }
        for ((_, name, _), errors) in METHODS[1..3].iter().zip(&cell.predicted) {
            for (sweep, error) in errors.iter().enumerate() {
                line(name, "", sweep, *error, "predicted");
            }
        }
    }
    csv
}

fn table(cells: &[Cell]) -> TextTable {
    let heads =
        ["condition", "method", "median NMSE dB", "quartiles", "predicted", "sweeps", "runs"];
    let mut table = TextTable::new(heads);
    for cell in cells {
        for (k, (method, name, _)) in METHODS.into_iter().enumerate() {
            let Some(q) = cell.quartiles(k, SWEEPS - 1) else { continue };
            let sweeps = cell.runs.iter().map(|run| run[k].errors.len() as f64);
            let sweeps = Quartiles::of(&sweeps.collect::<Vec<_>>());
            table.push([
                cell.condition.to_string(),
                name.to_owned(),
                format!("{:.2}", q.median),
                format!("{:.2} .. {:.2}", q.lower, q.upper),
                cell.predicted_end(method).map_or(String::new(), |error| format!("{error:.2}")),
                sweeps.map_or(String::new(), |q| q.median.to_string()),
                count_endings(cell.runs.iter().map(|run| run[k].ending.clone())),
            ]);
        }
    }
    table
}

fn figure(setting: &Setting, cells: &[Cell]) -> Figure {
    let sweeps = || (1..).map(f64::from);
    let panels = cells.iter().map(|cell| {
        let mut series = Vec::new();
        for (k, (_, name, color)) in METHODS.into_iter().enumerate() {
            let curve: Vec<_> = (0..SWEEPS).filter_map(|s| cell.quartiles(k, s)).collect();
            let points = sweeps().zip(curve.iter().map(|q| q.median)).collect();
            let band = curve.iter().map(|q| (q.lower, q.upper)).collect();
            series.push(Series::new(name, color, points).with_band(band));
        }
        for errors in &cell.predicted {
            let line = sweeps().zip(errors.iter().copied()).collect();
            let line = Series::new("state evolution", "#000000", line);
            series.push(line.with_stroke(Stroke::Dashed));
        }
        Panel {
            title: format!("condition number {}", cell.condition),
            x: Axis::logarithmic("sweep"),
            y: Axis::linear("NMSE (dB)").with_range(SHOWN.0, SHOWN.1),
            series,
            references: Vec::new(),
        }
    });
    let Setting { rows, columns, snr_db, prior, runs, .. } = setting;
    Figure {
        title: format!(
            "{rows} x {columns}, {} percent non-zero, SNR {snr_db} dB: medians and quartiles of {runs} runs",
            100.0 * prior.sparsity(),
        ),
        columns: cells.len(),
        panels: panels.collect(),
    }
}
