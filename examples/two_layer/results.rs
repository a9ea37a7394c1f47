//! What the experiment shows: a table, CSV files and the figures.

use std::path::Path;

use fg_models::metrics::Quartiles;
use fg_models::report::{CsvTable, TextTable};

use crate::experiment::{Estimator, Point, Run};
use crate::figures;
use crate::loss::{Loss, Score};
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
    let loss = setting.loss;
    curves(loss, runs).write(&folder.join("curves.csv")).map_err(Failure::other)?;
    predicted(loss, runs).write(&folder.join("predicted.csv")).map_err(Failure::other)?;
    summary(loss, &cells).write(&folder.join("summary.csv")).map_err(Failure::other)?;
    figures::ends(setting, &cells).write(folder, "two_layer").map_err(Failure::other)?;
    let iterations = figures::iterations(setting, &cells);
    iterations.write(folder, "two_layer_iterations").map_err(Failure::other)?;
    say(table(loss, &cells));
    loss.explanation().into_iter().for_each(say);
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

fn cells<'a>(setting: &Setting, runs: &'a [Run]) -> Vec<Cell<'a>> {
    let mut cells = Vec::new();
    for &snr_db in &setting.snr_db {
        for &train in &setting.train {
            for &estimator in setting.loss.estimators() {
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

    /// Quartiles of a measure of its predictions.
    pub(crate) fn score(&self, measure: fn(&Score) -> f64) -> Quartiles {
        self.quartiles(|run| run.score(self.predictor, measure))
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

/// A table with the columns of `curves.csv` and `predicted.csv`.
fn table_of_curves(loss: Loss) -> CsvTable {
    let place = ["snr_db", "n_train", "estimator", "start", "run", "iteration", "predictor"];
    let measures = loss.measures().iter().map(|(name, _)| *name);
    CsvTable::new(place.into_iter().chain(measures).chain(["parameter_mse", "status"]))
}

fn curves(loss: Loss, runs: &[Run]) -> CsvTable {
    let mut table = table_of_curves(loss);
    for run in runs {
        let status = if run.failed { "failed" } else { run.outcome.status.as_str() };
        push_curve(&mut table, loss, run, (&run.outcome.curve, status));
    }
    table
}

/// As [`curves`]: `run` says whose second layer is predicted.
fn predicted(loss: Loss, runs: &[Run]) -> CsvTable {
    let mut table = table_of_curves(loss);
    for run in runs {
        if let Some(predicted) = &run.predicted {
            push_curve(&mut table, loss, run, (&predicted.curve, &predicted.status));
        }
    }
    table
}

fn push_curve(table: &mut CsvTable, loss: Loss, run: &Run, (curve, status): (&[Point], &str)) {
    for point in curve {
        for (predictor, score) in run.estimator.predictors().iter().zip(&point.scores) {
            let place = [
                run.snr_db.to_string(),
                run.train.to_string(),
                run.estimator.name().to_owned(),
                run.estimator.start().to_owned(),
                run.run.to_string(),
                point.iteration.to_string(),
                (*predictor).to_owned(),
            ];
            let measures = loss.measures().iter().map(|(_, measure)| measure(score).to_string());
            let rest = [point.parameter_error.to_string(), status.to_owned()];
            table.push(place.into_iter().chain(measures).chain(rest));
        }
    }
}

fn summary(loss: Loss, cells: &[Cell<'_>]) -> CsvTable {
    let mut header: Vec<String> =
        ["snr_db", "n_train", "estimator", "start", "predictor", "runs", "failed"]
            .map(str::to_owned)
            .to_vec();
    let measures = || loss.measures().iter().map(|(name, _)| *name);
    let weights = ["parameter_mse", "matched_parameter_mse"];
    for quantity in measures().chain(weights).chain(["seconds"]) {
        header.extend(["lower", "median", "upper"].map(|part| format!("{quantity}_{part}")));
    }
    for quantity in measures().chain(weights) {
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
        let measures = loss.measures().iter().map(|(_, measure)| cell.score(*measure));
        let rest = [
            cell.quartiles(Run::parameter_error),
            cell.quartiles(Run::matched_error),
            cell.quartiles(|run| run.outcome.seconds),
        ];
        for q in measures.chain(rest) {
            record.extend([q.lower, q.median, q.upper].map(|v| v.to_string()));
        }
        let predicted = |value: &dyn Fn(&Point) -> f64| {
            cell.predicted(value).map_or_else(String::new, |q| q.median.to_string())
        };
        for (_, measure) in loss.measures() {
            record.push(predicted(&|point| measure(&point.scores[cell.predictor])));
        }
        record.push(predicted(&|point| point.parameter_error));
        record.push(predicted(&|point| point.matched_error));
        table.push(record);
    }
    table
}

/// One line a setting, one column an estimator judged by its own predictor.
fn table(loss: Loss, cells: &[Cell<'_>]) -> TextTable {
    let (estimators, (_, shown)) = (loss.estimators().len(), loss.measures()[0]);
    let judged: Vec<&Cell<'_>> = cells
        .iter()
        .filter(|cell| cell.predictor + 1 == cell.estimator.predictors().len())
        .collect();
    let mut header = vec!["SNR dB".to_owned(), "N".to_owned()];
    let is_predicted = |cell: &&&Cell<'_>| cell.runs.iter().any(|run| run.predicted.is_some());
    for cell in &judged[..estimators.min(judged.len())] {
        header.push(match cell.estimator {
            Estimator::Adam | Estimator::AdamPublished => cell.estimator.name().to_owned(),
            e => format!("{} {}", e.name(), e.start()),
        });
        header.extend(is_predicted(&cell).then(|| "(predicted)".to_owned()));
    }
    let mut table = TextTable::new(header);
    for line in judged.chunks(estimators) {
        let mut row = vec![line[0].snr_db.to_string(), line[0].train.to_string()];
        for cell in line {
            let failed = match cell.failed() {
                0 => String::new(),
                count => format!(" ({count} failed)"),
            };
            row.push(format!("{}{failed}", short(cell.score(shown).median)));
            let predicted = cell.predicted(&|point| shown(&point.scores[cell.predictor]));
            row.extend(predicted.map(|q| short(q.median)));
        }
        table.push(row);
    }
    table
}
