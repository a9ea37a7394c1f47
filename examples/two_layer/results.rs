//! What the experiment shows: a table, two CSV files and the figure.

use std::path::Path;

use fg_models::metrics::Quartiles;
use fg_models::report::{Axis, CsvTable, Figure, Panel, Reference, Series, Stroke, TextTable};

use crate::experiment::{Estimator, Run};
use crate::options::Setting;
use crate::support::{Failure, say, short};

/// All runs of one estimator in one setting, seen through one predictor.
struct Cell<'a> {
    snr_db: f64,
    train: usize,
    estimator: Estimator,
    predictor: usize,
    runs: Vec<&'a Run>,
}

/// Prints the table and writes `curves.csv`, `summary.csv`, `two_layer.svg` and `two_layer.png`.
pub(crate) fn report(setting: &Setting, runs: &[Run], folder: &Path) -> Result<(), Failure> {
    let cells = cells(setting, runs);
    curves(runs).write(&folder.join("curves.csv")).map_err(Failure::other)?;
    summary(&cells).write(&folder.join("summary.csv")).map_err(Failure::other)?;
    figure(setting, &cells).write(folder, "two_layer").map_err(Failure::other)?;
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
    fn quartiles(&self, value: impl Fn(&Run) -> f64) -> Quartiles {
        let values: Vec<f64> = self.runs.iter().map(|run| value(run)).collect();
        let none = Quartiles { lower: f64::NAN, median: f64::NAN, upper: f64::NAN };
        Quartiles::of(&values).unwrap_or(none)
    }

    fn test_error(&self) -> Quartiles {
        self.quartiles(|run| run.test_error(self.predictor))
    }

    fn failed(&self) -> usize {
        self.runs.iter().filter(|run| run.failed).count()
    }

    fn predictor_name(&self) -> &'static str {
        self.estimator.predictors()[self.predictor]
    }
}

fn curves(runs: &[Run]) -> CsvTable {
    let mut table = CsvTable::new([
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
    ]);
    for run in runs {
        let status = if run.failed { "failed" } else { run.outcome.status.as_str() };
        for point in &run.outcome.curve {
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
    table
}

fn summary(cells: &[Cell<'_>]) -> CsvTable {
    let mut header: Vec<String> =
        ["snr_db", "n_train", "estimator", "start", "predictor", "runs", "failed"]
            .map(str::to_owned)
            .to_vec();
    for quantity in ["test_mse", "parameter_mse", "matched_parameter_mse", "seconds"] {
        header.extend(["lower", "median", "upper"].map(|part| format!("{quantity}_{part}")));
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
            cell.quartiles(|run| run.outcome.matched_parameter_error),
            cell.quartiles(|run| run.outcome.seconds),
        ] {
            record.extend([q.lower, q.median, q.upper].map(|v| v.to_string()));
        }
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
    header.extend(Estimator::ALL.map(|e| match e {
        Estimator::Adam | Estimator::AdamPublished => e.name().to_owned(),
        _ => format!("{} {}", e.name(), e.start()),
    }));
    let mut table = TextTable::new(header);
    for line in judged.chunks(Estimator::ALL.len()) {
        let mut row = vec![line[0].snr_db.to_string(), line[0].train.to_string()];
        row.extend(line.iter().map(|cell| {
            let failed = match cell.failed() {
                0 => String::new(),
                count => format!(" ({count} failed)"),
            };
            format!("{}{failed}", short(cell.test_error().median))
        }));
        table.push(row);
    }
    table
}

/// A line of the figure: estimator, predictor, label, colour and stroke. Colours of Tol's bright scheme, which colour
/// blind readers can tell apart.
const LINES: [(Estimator, usize, &str, &str, Stroke); 5] = [
    (Estimator::AdamPublished, 0, "Adam, published L2 weight", "#BBBBBB", Stroke::Dashed),
    (Estimator::Adam, 0, "Adam, right L2 weight", "#CCBB44", Stroke::Solid),
    (Estimator::Map { correlated: false }, 0, "matrix AMP, MAP", "#EE6677", Stroke::Solid),
    (
        Estimator::Mmse { correlated: false },
        1,
        "matrix AMP, MMSE, uninformed start",
        "#4477AA",
        Stroke::Solid,
    ),
    (
        Estimator::Mmse { correlated: true },
        1,
        "matrix AMP, MMSE, correlated start",
        "#66CCEE",
        Stroke::Dotted,
    ),
];

/// Above: test errors as published. Below: their excess over the best possible, where small errors differ visibly.
fn figure(setting: &Setting, cells: &[Cell<'_>]) -> Figure {
    /// A line leaves the upper panels above this multiple of the right Adam's largest error.
    const HEADROOM: f64 = 1.4;
    let mut panels = Vec::new();
    for excess in [false, true] {
        for &snr_db in &setting.snr_db {
            let here: Vec<&Cell<'_>> =
                cells.iter().filter(|cell| cell.snr_db.to_bits() == snr_db.to_bits()).collect();
            let shift = if excess { 1.0 } else { 0.0 };
            let series = LINES.map(|line| series(&here, line, shift)).to_vec();
            let top = here
                .iter()
                .filter(|cell| cell.estimator == Estimator::Adam)
                .map(|cell| cell.test_error().upper)
                .fold(1.0, f64::max);
            let y = match excess {
                true => Axis::logarithmic("test error / noise variance - 1"),
                false => {
                    let top = if top.is_finite() { 1.0 + HEADROOM * (top - 1.0) } else { 10.0 };
                    let low = 1.0 - (top - 1.0) / 20.0;
                    Axis::linear("test error / noise variance").with_range(low, top)
                }
            };
            let reference = Reference { value: 1.0, label: "best possible".to_owned() };
            panels.push(Panel {
                title: match excess {
                    true => format!("{snr_db} dB: excess"),
                    false => format!("SNR {snr_db} dB"),
                },
                x: match excess {
                    true => Axis::logarithmic("training samples"),
                    false => Axis::linear("training samples"),
                },
                y,
                series,
                references: if excess { Vec::new() } else { vec![reference] },
            });
        }
    }
    let Setting { inputs, hidden, runs, activation_name, .. } = setting;
    Figure {
        title: format!(
            "Learning a two-layer network, {activation_name}, {inputs} inputs, {hidden} hidden units: medians and \
             quartiles of {runs} runs"
        ),
        columns: setting.snr_db.len(),
        panels,
    }
}

fn series(
    cells: &[&Cell<'_>],
    (estimator, predictor, label, color, stroke): (Estimator, usize, &str, &str, Stroke),
    shift: f64,
) -> Series {
    let mut line: Vec<(usize, Quartiles)> = cells
        .iter()
        .filter(|cell| cell.estimator == estimator && cell.predictor == predictor)
        .map(|cell| (cell.train, cell.test_error()))
        .collect();
    line.sort_unstable_by_key(|(train, _)| *train);
    let points = line.iter().map(|(train, q)| (*train as f64, q.median - shift)).collect();
    let band = line.iter().map(|(_, q)| (q.lower - shift, q.upper - shift)).collect();
    Series::new(label, color, points).with_stroke(stroke).with_band(band)
}
