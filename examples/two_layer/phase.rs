//! When does learning succeed? Parameter and test error over samples an input and signal-to-noise ratio, without data.

use std::path::Path;

use fg_core::Rows;
use fg_core::evolution::{PhaseDiagram, PredictedStatus};
use fg_core::special::quantile;
use fg_denoisers::likelihood::{Activation, TwoLayer};
use fg_models::report::{CsvTable, HeatMap, Series, TextTable};
use fg_models::two_layer::{LearningErrors, LearningSettings};
use fg_models::{ModelError, TwoLayerModel};

use crate::support::{Failure, check_folder, progress_bar, say, short};

/// Samples an input, as powers of two.
const RATIOS: (f64, f64) = (0.0, 6.0);
/// Signal-to-noise ratios in decibels.
const SNR: (f64, f64) = (0.0, 30.0);
/// The weights count as known below this mean squared error, of a variance of one.
const KNOWN: f64 = 0.1;
/// The network counts as learned below this test error over noise variance: no more than is lost to the noise itself.
const LEARNED: f64 = 2.0;
/// Least error of the weights told apart, in decibels.
const DARKEST: f64 = -20.0;

/// What the diagram is of.
#[derive(Clone, Debug)]
pub(crate) struct PhaseSetting {
    /// Cells along the axes of ratios and of signal-to-noise ratios.
    pub(crate) cells: (usize, usize),
    pub(crate) hidden: usize,
    pub(crate) activation: Activation,
    pub(crate) activation_name: String,
    pub(crate) points: usize,
    pub(crate) threads: usize,
}

/// What tells success from failure: its name, the colour of its line, the error it looks at, the value it must fall
/// below.
type Criterion = (&'static str, &'static str, fn(&LearningErrors) -> f64, f64);

const CRITERIA: [Criterion; 2] = [
    ("weights known to 10 dB", "#EE6677", |e| e.matched_parameter_error, KNOWN),
    ("test error twice the noise", "#000000", |e| e.averaged, LEARNED),
];

/// Computes the diagram, prints where learning succeeds, writes `phase_diagram.csv` and the picture.
pub(crate) fn diagram(setting: &PhaseSetting, folder: &Path) -> Result<(), Failure> {
    check_folder(folder)?;
    let (ratios, snr_db) = (centres(RATIOS, setting.cells.0), centres(SNR, setting.cells.1));
    let bar = progress_bar(ratios.len() * snr_db.len(), "learning curves");
    let diagram = PhaseDiagram::compute(&ratios, &snr_db, setting.threads, |ratio, snr| {
        let end = setting.end(ratio.exp2(), snr);
        bar.inc(1);
        end
    });
    bar.finish_and_clear();
    if let Some((ratio, snr, error)) = diagram.first_error() {
        let at = format!("{} samples an input, {snr} dB", ratio.exp2());
        return Err(Failure::other(format_args!("{at}: {error}")));
    }
    cells(&diagram).write(&folder.join("phase_diagram.csv")).map_err(Failure::other)?;
    picture(setting, &diagram).write(folder, "phase_diagram").map_err(Failure::other)?;
    say(table(&diagram));
    say(
        "Samples an input from which on learning succeeds, posterior means from an uninformed start.",
    );
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

type Diagram = PhaseDiagram<Option<LearningErrors>, ModelError>;

/// An error of a cell; NaN where the run breaks down.
fn of(cell: Option<LearningErrors>, error: fn(&LearningErrors) -> f64) -> f64 {
    cell.map_or(f64::NAN, |e| error(&e))
}

fn centres((low, high): (f64, f64), count: usize) -> Vec<f64> {
    (0..count).map(|k| low + (high - low) * (k as f64 + 0.5) / count as f64).collect()
}

impl PhaseSetting {
    /// Errors after the last sweep; none where a run breaks down.
    fn end(&self, ratio: f64, snr_db: f64) -> Result<Option<LearningErrors>, ModelError> {
        let layer = |precision: f64| {
            let bias = vec![0.0];
            TwoLayer::new(typical_weights(self.hidden), bias, self.activation, precision)
        };
        let (units, d) = (vec![1.0; self.hidden], self.hidden);
        let identity: Vec<f64> = (0..d * d).map(|k| f64::from(u8::from(k / d == k % d))).collect();
        let power = layer(1.0)?.correlation([&units, &units], &identity);
        let precision = 10_f64.powf(0.1 * snr_db) / power;
        let settings = LearningSettings::new(ratio).with_points(self.points);
        let curve = TwoLayerModel::new(layer(precision)?).learning_curve(&settings)?;
        let status = curve.prediction.status();
        let broken = !matches!(status, PredictedStatus::FixedPoint | PredictedStatus::SweepLimit);
        Ok(if broken { None } else { curve.errors.last().copied() })
    }
}

/// Output weights as typical normal ones are: sizes at equal steps of probability, no two the same, signs in turn.
fn typical_weights(hidden: usize) -> Rows {
    let size = |j: usize| quantile(0.5 + 0.5 * (j as f64 + 0.5) / hidden as f64);
    Rows::from_fn(hidden, 1, |j, _| if j % 2 == 0 { size(j) } else { -size(j) })
}

fn decibels(value: f64) -> f64 {
    10.0 * value.log10()
}

fn cells(diagram: &Diagram) -> CsvTable {
    let header =
        ["ratio", "snr_db", "parameter_mse", "matched_parameter_mse", "plugin", "averaged"];
    let mut table = CsvTable::new(header);
    for (ratio, snr, cell) in diagram.cells() {
        let Ok(cell) = cell else { continue };
        let errors: [fn(&LearningErrors) -> f64; 4] =
            [|e| e.parameter_error, |e| e.matched_parameter_error, |e| e.plugin, |e| e.averaged];
        let errors = errors.map(|error| of(*cell, error));
        let numbers = [ratio.exp2(), snr].into_iter().chain(errors);
        table.push(numbers.map(|v| v.to_string()));
    }
    table
}

fn picture(setting: &PhaseSetting, diagram: &Diagram) -> HeatMap {
    let value = |x: usize, y: usize| {
        diagram
            .cell(x, y)
            .as_ref()
            .map_or(f64::NAN, |e| decibels(of(*e, |e| e.matched_parameter_error)))
    };
    let row = |y: usize| (0..diagram.xs().len()).map(|x| value(x, y)).collect();
    let lines = CRITERIA.iter().map(|(name, color, error, level)| {
        let line = diagram.contour(level.ln(), |e| of(*e, *error).ln());
        let points = line.iter().zip(diagram.ys()).filter_map(|(x, y)| Some(((*x)?, *y)));
        Series::new(*name, *color, points.collect())
    });
    HeatMap {
        title: format!(
            "Error of W1 (dB), {}, {} hidden units, by state evolution",
            setting.activation_name, setting.hidden
        ),
        x: ("log2 of samples an input, N / N_in".to_owned(), RATIOS.0, RATIOS.1),
        y: ("signal-to-noise ratio, dB".to_owned(), SNR.0, SNR.1),
        values: (0..diagram.ys().len()).map(row).collect(),
        range: Some((DARKEST, 0.0)),
        series: lines.collect(),
    }
}

fn table(diagram: &Diagram) -> TextTable {
    let mut header = vec!["SNR dB".to_owned()];
    header.extend(CRITERIA.iter().map(|(name, ..)| (*name).to_owned()));
    let lines =
        CRITERIA.map(|(_, _, error, level)| diagram.contour(level.ln(), |e| of(*e, error).ln()));
    let mut table = TextTable::new(header);
    for (y, snr) in diagram.ys().iter().enumerate() {
        let mut row = vec![short(*snr)];
        row.extend(lines.iter().enumerate().map(|(k, line)| {
            let (.., error, level) = CRITERIA[k];
            let holds =
                |x: usize| diagram.cell(x, y).as_ref().is_ok_and(|e| of(*e, error) <= level);
            match line[y] {
                Some(x) => short(x.exp2()),
                None if holds(0) => format!("below {}", short(diagram.xs()[0].exp2())),
                None => format!("above {}", short(diagram.xs().last().map_or(0.0, |x| x.exp2()))),
            }
        }));
        table.push(row);
    }
    table
}
