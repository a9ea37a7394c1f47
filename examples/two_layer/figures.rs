//! The figures: errors against the number of samples, and against iterations, measured and predicted.

use fg_models::metrics::Quartiles;
use fg_models::report::{Axis, Figure, Panel, Reference, Series, Stroke};

use crate::experiment::{Estimator, Point};
use crate::loss::{Loss, Score};
use crate::options::Setting;
use crate::results::Cell;

/// A line of the figure: estimator, predictor, label, colour and stroke. Colours of Tol's bright scheme, which colour
/// blind readers can tell apart.
type Line = (Estimator, usize, &'static str, &'static str, Stroke);

const MAP: Line =
    (Estimator::Map { correlated: false }, 0, "matrix AMP, MAP", "#EE6677", Stroke::Solid);
const MMSE: Line = (
    Estimator::Mmse { correlated: false },
    1,
    "matrix AMP, MMSE, uninformed start",
    "#4477AA",
    Stroke::Solid,
);

const LINES: [Line; 5] = [
    (Estimator::AdamPublished, 0, "Adam, published L2 weight", "#BBBBBB", Stroke::Dashed),
    (Estimator::Adam, 0, "Adam, right L2 weight", "#CCBB44", Stroke::Solid),
    MAP,
    MMSE,
    (
        Estimator::Mmse { correlated: true },
        1,
        "matrix AMP, MMSE, correlated start",
        "#66CCEE",
        Stroke::Dotted,
    ),
];

/// Predictions are drawn over what they predict, darker than it.
const PREDICTED: [(Line, &str, &str); 2] =
    [(MAP, "state evolution, MAP", "#882233"), (MMSE, "state evolution, MMSE", "#000000")];

/// What a row of panels shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Test errors as published, or rates of wrong labels.
    TestError,
    /// The excess of the loss over the best possible, where small errors differ visibly.
    Excess,
    /// Errors of the weights, units matched.
    Parameters,
}

impl Shown {
    fn of(self, point: &Point, predictor: usize) -> f64 {
        let score = &point.scores[predictor];
        match self {
            Self::TestError => score.test_error(),
            Self::Excess => score.excess,
            Self::Parameters => point.matched_error,
        }
    }

    fn title(self, snr_db: f64) -> String {
        match self {
            Self::TestError => format!("SNR {snr_db} dB"),
            Self::Excess => format!("{snr_db} dB: excess"),
            Self::Parameters => format!("{snr_db} dB: weights"),
        }
    }

    fn axis(self, loss: Loss, (best, top): (f64, f64)) -> Axis {
        match (self, loss) {
            (Self::TestError, _) => {
                let low = best - (top - best) / 20.0;
                let label = match loss {
                    Loss::Squared => "test error / noise variance",
                    Loss::Logistic => "rate of wrong labels",
                };
                Axis::linear(label).with_range(low, top)
            }
            (Self::Excess, Loss::Squared) => Axis::logarithmic("test error / noise variance - 1"),
            (Self::Excess, Loss::Logistic) => {
                Axis::logarithmic("log-loss of labels above the best possible (nats)")
            }
            (Self::Parameters, _) => Axis::logarithmic("mean squared error of W1, units matched"),
        }
    }
}

/// Errors at the end against the number of training samples.
pub(crate) fn ends(setting: &Setting, cells: &[Cell<'_>]) -> Figure {
    let mut panels = Vec::new();
    for shown in [Shown::TestError, Shown::Excess, Shown::Parameters] {
        for &snr_db in &setting.snr_db {
            let here = at(cells, snr_db);
            let mut series: Vec<Series> = LINES
                .iter()
                .filter(|(estimator, ..)| setting.loss.estimators().contains(estimator))
                .map(|line| measured_ends(&here, *line, shown))
                .collect();
            series.extend(PREDICTED.iter().filter_map(|line| predicted_ends(&here, *line, shown)));
            let best = best(&here);
            let linear = shown == Shown::TestError;
            panels.push(Panel {
                title: shown.title(snr_db),
                x: match linear && setting.loss == Loss::Squared {
                    true => Axis::linear("training samples"),
                    false => Axis::logarithmic("training samples"),
                },
                y: shown.axis(setting.loss, (best, top(&here, best))),
                series,
                references: match linear {
                    true => vec![Reference { value: best, label: "best possible".to_owned() }],
                    false => Vec::new(),
                },
            });
        }
    }
    Figure { title: title(setting), columns: setting.snr_db.len(), panels }
}

/// Errors after each iteration of message passing for a few numbers of training samples.
pub(crate) fn iterations(setting: &Setting, cells: &[Cell<'_>]) -> Figure {
    /// Colours of Tol's muted scheme, from few samples to many.
    const COLORS: [&str; 4] = ["#CC6677", "#DDCC77", "#44AA99", "#332288"];
    let mut train = setting.train.clone();
    train.sort_unstable();
    train.dedup();
    let count = COLORS.len().min(train.len());
    let chosen: Vec<usize> =
        (0..count).map(|k| train[k * (train.len() - 1) / count.max(2).saturating_sub(1)]).collect();
    let mut panels = Vec::new();
    for shown in [Shown::Excess, Shown::Parameters] {
        for &snr_db in &setting.snr_db {
            let here = at(cells, snr_db);
            let mut series = Vec::new();
            for (samples, color) in chosen.iter().zip(COLORS) {
                let (estimator, predictor, ..) = MMSE;
                let cell = here.iter().find(|cell| {
                    cell.train == *samples
                        && cell.estimator == estimator
                        && cell.predictor == predictor
                });
                let Some(cell) = cell else { continue };
                let measured = cell.runs.iter().map(|run| run.outcome.curve.as_slice());
                let label = format!("{samples} samples, measured");
                let line = by_iteration(measured, shown, predictor, (label, color));
                series.push(line.with_stroke(Stroke::Dots));
                let predicted = cell.runs.iter().filter_map(|run| run.predicted.as_ref());
                let predicted = predicted.map(|p| p.curve.as_slice());
                let label = format!("{samples} samples, predicted");
                let mut line = by_iteration(predicted, shown, predictor, (label, color));
                line.band = None;
                if !line.points.is_empty() {
                    series.push(line);
                }
            }
            panels.push(Panel {
                title: shown.title(snr_db),
                x: Axis::linear("iteration"),
                y: shown.axis(setting.loss, (f64::NAN, f64::NAN)),
                series,
                references: Vec::new(),
            });
        }
    }
    Figure { title: title(setting), columns: setting.snr_db.len(), panels }
}

fn title(setting: &Setting) -> String {
    let Setting { inputs, hidden, runs, activation_name, .. } = setting;
    let what = match setting.loss {
        Loss::Squared => "Learning a two-layer network",
        Loss::Logistic => "Classification by a two-layer network",
    };
    format!(
        "{what}, {activation_name}, {inputs} inputs, {hidden} hidden units: medians and quartiles of {runs} runs"
    )
}

fn at<'a, 'r>(cells: &'a [Cell<'r>], snr_db: f64) -> Vec<&'a Cell<'r>> {
    cells.iter().filter(|cell| cell.snr_db.to_bits() == snr_db.to_bits()).collect()
}

/// The best possible test error, in the median of all runs.
fn best(cells: &[&Cell<'_>]) -> f64 {
    let runs = cells.iter().filter(|cell| cell.estimator == Estimator::Adam).flat_map(|c| &c.runs);
    let best: Vec<f64> = runs.map(|run| run.score(0, Score::best_test_error)).collect();
    Quartiles::of(&best).map_or(f64::NAN, |q| q.median)
}

/// The upper end of panels of test errors.
fn top(cells: &[&Cell<'_>], best: f64) -> f64 {
    /// A line leaves the panel above this multiple of the right Adam's largest error.
    const HEADROOM: f64 = 1.4;
    /// Where Adam's error isn't finite.
    const ANY: f64 = 10.0;
    let adam = cells.iter().filter(|cell| cell.estimator == Estimator::Adam);
    let top = adam.map(|cell| cell.score(Score::test_error).upper).fold(best, f64::max);
    if top.is_finite() { best + HEADROOM * (top - best) } else { ANY }
}

/// Cells of one line in the order of their training samples.
fn along<'a, 'r>(cells: &[&'a Cell<'r>], line: Line) -> Vec<&'a Cell<'r>> {
    let mut cells: Vec<_> = cells
        .iter()
        .filter(|cell| cell.estimator == line.0 && cell.predictor == line.1)
        .copied()
        .collect();
    cells.sort_unstable_by_key(|cell| cell.train);
    cells
}

fn measured_ends(cells: &[&Cell<'_>], line: Line, shown: Shown) -> Series {
    let (_, predictor, label, color, stroke) = line;
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for cell in along(cells, line) {
        let last = |p: &[Point]| p.last().map_or(f64::NAN, |point| shown.of(point, predictor));
        let q = cell.quartiles(|run| last(&run.outcome.curve));
        points.push((cell.train as f64, q.median));
        band.push((q.lower, q.upper));
    }
    Series::new(label, color, points).with_stroke(stroke).with_band(band)
}

fn predicted_ends(
    cells: &[&Cell<'_>],
    (line, label, color): (Line, &str, &str),
    shown: Shown,
) -> Option<Series> {
    let points: Option<Vec<(f64, f64)>> = along(cells, line)
        .iter()
        .map(|cell| {
            let q = cell.predicted(&|point| shown.of(point, line.1))?;
            Some((cell.train as f64, q.median))
        })
        .collect();
    Some(Series::new(label, color, points?).with_stroke(Stroke::Dashed))
}

/// Quartiles over curves after each iteration; a curve that has ended stays at its end.
fn by_iteration<'a>(
    curves: impl Iterator<Item = &'a [Point]>,
    shown: Shown,
    predictor: usize,
    (label, color): (String, &str),
) -> Series {
    let curves: Vec<&[Point]> = curves.collect();
    let length = curves.iter().map(|c| c.len()).max().unwrap_or(0);
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for k in 0..length {
        let value = |curve: &&[Point]| {
            let point = curve.get(k).or(curve.last());
            point.map_or(f64::NAN, |p| shown.of(p, predictor))
        };
        let values: Vec<f64> = curves.iter().map(value).collect();
        let Some(Quartiles { lower, median, upper, .. }) = Quartiles::of(&values) else { break };
        points.push((k as f64 + 1.0, median));
        band.push((lower, upper));
    }
    Series::new(label, color, points).with_band(band)
}
