//! What the experiment shows: a table, CSV files and the figures.

use std::path::Path;

use fg_models::metrics::Quartiles;
use fg_models::report::{CsvTable, TextTable};

use crate::experiment::{Estimator, Point, Run};
use crate::figures;
use crate::options::Setting;
use crate::support::{Failure, say, short};

/// All runs of one estimator in one setting, seen through one predictor.
pub(crate) struct Cell<'a> {
    pub(crate) snr_db: f64,
    pub(crate) train: usize,
    pub(crate) estimator: Estimator,
    pub(crate) predictor: usize,
    pub(crate) runs: Vec<&'a Run>,
}

/// Prints the table and writes `curves.csv`, `predicted.csv`, `summary.csv` and the pictures `two_layer` and
/// `two_layer_iterations`.
pub(crate) fn report(setting: &Setting, runs: &[Run], folder: &Path) -> Result<(), Failure> {
    let cells = cells(setting, runs);
    curves(runs).write(&folder.join("curves.csv")).map_err(Failure::other)?;
    predicted(runs).write(&folder.join("predicted.csv")).map_err(Failure::other)?;
    summary(&cells).write(&folder.join("summary.csv")).map_err(Failure::other)?;
    figures::ends(setting, &cells).write(folder, "two_layer").map_err(Failure::other)?;
    let iterations = figures::iterations(setting, &cells);
    iterations.write(folder, "two_layer_iterations").map_err(Failure::other)?;
    say(table(&cells));
    say(
        "Test error without test noise over noise variance (best possible: 1), medians. A run has failed when",
    );
    say("its excess over 1 is more than twice that of `adam` on the same data, or not finite.");
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

fn cells<'a>(setting: &Setting, runs: &'a [Run]) -> Vec<Cell<'a>> {
    let mut cells = Vec::new();
    for &snr_db in &setting.snr_db {
        for &train in &setting.train {
            for estimator in Estimator::ALL {
                let here = |run: &&Run| {
                    let same_ratio = run.snr_db.to_bits() == snr_db.to_bits();
                    same_ratio && run.train == train && run.estimator == estimator
                };
                let runs: Vec<&Run> = runs.iter().filter(here).collect();
                for predictor in 0..estimator.predictors().len() {
                    let runs = runs.clone();
                    cells.push(Cell { snr_db, train, estimator, predictor, runs });
                }
            }
        }
    }
    cells
}

impl Cell<'_> {
    /// Quartiles over its runs; NaN for no runs.
    pub(crate) fn quartiles(&self, value: impl Fn(&Run) -> f64) -> Quartiles {
        let values: Vec<f64> = self.runs.iter().map(|run| value(run)).collect();
        let none = Quartiles { lower: f64::NAN, median: f64::NAN, upper: f64::NAN };
        Quartiles::of(&values).unwrap_or(none)
    }

    pub(crate) fn test_error(&self) -> Quartiles {
        self.quartiles(|run| run.test_error(self.predictor))
    }

    fn failed(&self) -> usize {
        self.runs.iter().filter(|run| run.failed).count()
    }

    /// Quartiles of what is predicted for its runs; `None` when nothing is.
    pub(crate) fn predicted(&self, value: &dyn Fn(&Point) -> f64) -> Option<Quartiles> {
        let values: Option<Vec<f64>> =
            self.runs.iter().map(|run| run.predicted_end().map(value)).collect();
        Quartiles::of(&values?)
    }

    fn predictor_name(&self) -> &'static str {
        self.estimator.predictors()[self.predictor]
    }
}

/// Columns of `curves.csv` and `predicted.csv`.
const CURVES: [&str; 10] = [
    "snr_db",
    "n_train",
    "estimator",
    "start",
    "run",
    "iteration",
    "predictor",
    "test_mse",
    "parameter_mse",
    "status",
];

fn curves(runs: &[Run]) -> CsvTable {
    let mut table = CsvTable::new(CURVES);
    for run in runs {
        let status = if run.failed { "failed" } else { run.outcome.status.as_str() };
        push_curve(&mut table, run, &run.outcome.curve, status);
    }
    table
}

/// As [`curves`]: `run` says whose second layer is predicted.
fn predicted(runs: &[Run]) -> CsvTable {
    let mut table = CsvTable::new(CURVES);
    for run in runs {
        if let Some(predicted) = &run.predicted {
            push_curve(&mut table, run, &predicted.curve, &predicted.status);
        }
    }
    table
}

fn push_curve(table: &mut CsvTable, run: &Run, curve: &[Point], status: &str) {
    for point in curve {
        for (p, predictor) in run.estimator.predictors().iter().enumerate() {
            table.push([
                run.snr_db.to_string(),
                run.train.to_string(),
                run.estimator.name().to_owned(),
                run.estimator.start().to_owned(),
                run.run.to_string(),
                point.iteration.to_string(),
                (*predictor).to_owned(),
                point.test_error[p].to_string(),
                point.parameter_error.to_string(),
                status.to_owned(),
            ]);
        }
    }
}

fn summary(cells: &[Cell<'_>]) -> CsvTable {
    let mut header: Vec<String> =
        ["snr_db", "n_train", "estimator", "start", "predictor", "runs", "failed"]
            .map(str::to_owned)
            .to_vec();
    for quantity in ["test_mse", "parameter_mse", "matched_parameter_mse", "seconds"] {
        header.extend(["lower", "median", "upper"].map(|part| format!("{quantity}_{part}")));
    }
    for quantity in ["test_mse", "parameter_mse", "matched_parameter_mse"] {
        header.push(format!("predicted_{quantity}_median"));
    }
    let mut table = CsvTable::new(header);
    for cell in cells {
        let mut record = vec![
            cell.snr_db.to_string(),
            cell.train.to_string(),
            cell.estimator.name().to_owned(),
            cell.estimator.start().to_owned(),
            cell.predictor_name().to_owned(),
            cell.runs.len().to_string(),
            cell.failed().to_string(),
        ];
        for q in [
            cell.test_error(),
            cell.quartiles(Run::parameter_error),
            cell.quartiles(Run::matched_error),
            cell.quartiles(|run| run.outcome.seconds),
        ] {
            record.extend([q.lower, q.median, q.upper].map(|v| v.to_string()));
        }
        let predicted = |value: &dyn Fn(&Point) -> f64| {
            cell.predicted(value).map_or_else(String::new, |q| q.median.to_string())
        };
        record.push(predicted(&|point| point.test_error[cell.predictor]));
        record.push(predicted(&|point| point.parameter_error));
        record.push(predicted(&|point| point.matched_error));
        table.push(record);
    }
    table
}

/// One line a setting, one column an estimator judged by its own predictor.
fn table(cells: &[Cell<'_>]) -> TextTable {
    let judged: Vec<&Cell<'_>> = cells
        .iter()
        .filter(|cell| cell.predictor + 1 == cell.estimator.predictors().len())
        .collect();
    let mut header = vec!["SNR dB".to_owned(), "N".to_owned()];
    let is_predicted = |cell: &&&Cell<'_>| cell.runs.iter().any(|run| run.predicted.is_some());
    for cell in &judged[..Estimator::ALL.len().min(judged.len())] {
        header.push(match cell.estimator {
            Estimator::Adam | Estimator::AdamPublished => cell.estimator.name().to_owned(),
            e => format!("{} {}", e.name(), e.start()),
        });
        header.extend(is_predicted(&cell).then(|| "(predicted)".to_owned()));
    }
    let mut table = TextTable::new(header);
    for line in judged.chunks(Estimator::ALL.len()) {
        let mut row = vec![line[0].snr_db.to_string(), line[0].train.to_string()];
        for cell in line {
            let failed = match cell.failed() {
                0 => String::new(),
                count => format!(" ({count} failed)"),
            };
            row.push(format!("{}{failed}", short(cell.test_error().median)));
            let predicted = cell.predicted(&|point| point.test_error[cell.predictor]);
            row.extend(predicted.map(|q| short(q.median)));
        }
        table.push(row);
    }
    table
}
