//! The synthetic study: sparse signals behind rotationally invariant operators of several condition numbers.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use fg_core::IterationInfo;
use fg_models::linear;
use fg_models::metrics::{Quartiles, nmse_db};
use fg_models::report::{Axis, CsvTable, Figure, Panel, Series, Stroke, TextTable};

use crate::options::{DAMPING, Setting, run_options};
use crate::problem::{Problem, predicted};
use crate::support::{Failure, check_folder, in_parallel, progress_bar, say, short};

/// One problem solved.
struct Run {
    condition: f64,
    run: usize,
    /// Error after each sweep, in decibels.
    nmse_db: Vec<f64>,
    status: String,
    diverged: bool,
    seconds: f64,
}

impl Run {
    fn last(&self) -> f64 {
        self.nmse_db.last().copied().unwrap_or(f64::NAN)
    }
}

/// Solves all problems, prints a table and writes `runs.csv`, `linear_inverse.svg` and `linear_inverse.png`.
pub(crate) fn run(setting: &Setting, folder: &Path) -> Result<(), Failure> {
    check_folder(folder)?;
    let jobs = setting.conditions.len() * setting.runs;
    let bar = progress_bar(jobs, "problems");
    let runs = in_parallel(jobs, setting.threads, &bar, |job| {
        solve(setting, setting.conditions[job / setting.runs], job % setting.runs)
    });
    bar.finish_and_clear();
    let runs: Vec<Run> = runs.into_iter().collect::<Result<_, _>>()?;
    let predictions = setting.conditions.iter().map(|&condition| predicted(setting, condition));
    let predictions: Vec<Vec<f64>> =
        predictions.collect::<Result<_, _>>().map_err(Failure::other)?;
    let mut csv = CsvTable::new(["condition", "run", "nmse_db", "sweeps", "status", "seconds"]);
    for run in &runs {
        csv.push([
            run.condition.to_string(),
            run.run.to_string(),
            run.last().to_string(),
            run.nmse_db.len().to_string(),
            run.status.clone(),
            run.seconds.to_string(),
        ]);
    }
    csv.write(&folder.join("runs.csv")).map_err(Failure::other)?;
    figure(setting, &runs, &predictions).write(folder, "linear_inverse").map_err(Failure::other)?;
    say(table(setting, &runs, &predictions));
    say(NOTE);
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

fn solve(setting: &Setting, condition: f64, run: usize) -> Result<Run, Failure> {
    let Problem { operator, signal, observations, noise } = Problem::draw(setting, condition, run)?;
    let began = Instant::now();
    let model = linear::graph(operator, observations, setting.prior.clone(), noise.recip())
        .map_err(|error| Failure::input(format!("--snr, --sparsity: {error}")))?;
    let (x, mut errors) = (model.signal, Vec::new());
    let mut observer = |info: &mut IterationInfo<'_>| {
        // A belief that can't be computed breaks the next sweep, which reports it.
        if let Ok(mean) = info.mean(x) {
            errors.push(nmse_db(mean, &signal));
        }
        ControlFlow::Continue(())
    };
    let fit = model.fit_settling(&run_options(), DAMPING, &mut observer);
    let fit = fit.map_err(Failure::other)?;
    let seconds = began.elapsed().as_secs_f64();
    let status = &fit.solution().report().status;
    let diverged = !status.is_usable();
    let status = if diverged { "diverged".to_owned() } else { status.to_string() };
    Ok(Run { condition, run, nmse_db: errors, status, diverged, seconds })
}

fn runs_at(runs: &[Run], condition: f64) -> impl Iterator<Item = &Run> {
    runs.iter().filter(move |run| run.condition.to_bits() == condition.to_bits())
}

fn quartiles<'a>(runs: impl Iterator<Item = &'a Run>, value: impl Fn(&Run) -> f64) -> Quartiles {
    let none = Quartiles { lower: f64::NAN, median: f64::NAN, upper: f64::NAN };
    Quartiles::of(&runs.map(value).collect::<Vec<_>>()).unwrap_or(none)
}

/// What the errors in the table are.
const NOTE: &str = "Predicted: by state evolution, of infinite size. Medians with the standard error of so many runs.";

/// Standard error of the median: half the distance of the values half a root of their number below and above it. Fewer than
/// four runs don't tell.
fn median_error<'a>(runs: impl Iterator<Item = &'a Run>) -> Option<f64> {
    let mut values: Vec<f64> = runs.map(Run::last).collect();
    values.sort_unstable_by(f64::total_cmp);
    let reach = values.len().isqrt() / 2;
    let (last, middle) = (values.len() - 1, values.len() / 2);
    (reach > 0).then(|| 0.5 * (values[(middle + reach).min(last)] - values[middle - reach]))
}

fn table(setting: &Setting, runs: &[Run], predictions: &[Vec<f64>]) -> TextTable {
    let mut table = TextTable::new([
        "condition",
        "predicted NMSE dB",
        "median NMSE dB",
        "quartiles",
        "median sweeps",
        "diverged",
        "median seconds",
    ]);
    for (&condition, predicted) in setting.conditions.iter().zip(predictions) {
        let here = || runs_at(runs, condition);
        let error = quartiles(here(), Run::last);
        let sweeps = quartiles(here(), |run| run.nmse_db.len() as f64);
        let seconds = quartiles(here(), |run| run.seconds);
        table.push([
            condition.to_string(),
            format!("{:.2}", predicted.last().copied().unwrap_or(f64::NAN)),
            median_error(here()).map_or_else(
                || format!("{:.2}", error.median),
                |deviation| format!("{:.2} +- {deviation:.2}", error.median),
            ),
            format!("{:.2} .. {:.2}", error.lower, error.upper),
            sweeps.median.to_string(),
            here().filter(|run| run.diverged).count().to_string(),
            short(seconds.median),
        ]);
    }
    table
}

fn figure(setting: &Setting, runs: &[Run], predictions: &[Vec<f64>]) -> Figure {
    /// Tol's bright scheme, which colour blind readers can tell apart.
    const COLOURS: [&str; 6] = ["#4477AA", "#66CCEE", "#228833", "#CCBB44", "#EE6677", "#AA3377"];
    let mut series = Vec::new();
    let conditions = setting.conditions.iter().zip(predictions);
    for ((&condition, predicted), colour) in conditions.zip(COLOURS.into_iter().cycle()) {
        let longest = runs_at(runs, condition).map(|run| run.nmse_db.len()).max().unwrap_or(0);
        // A run that has converged keeps its error.
        let at = |sweep: usize| {
            quartiles(runs_at(runs, condition), |run| {
                run.nmse_db.get(sweep).copied().unwrap_or_else(|| run.last())
            })
        };
        let curve: Vec<Quartiles> = (0..longest).map(at).collect();
        let points = curve.iter().enumerate().map(|(k, q)| ((k + 1) as f64, q.median)).collect();
        let band = curve.iter().map(|q| (q.lower, q.upper)).collect();
        series.push(
            Series::new(format!("condition number {condition}"), colour, points).with_band(band),
        );
        let by_sweep = predicted.iter().take(longest).enumerate();
        let points = by_sweep.map(|(k, error)| ((k + 1) as f64, *error)).collect();
        let name = format!("predicted, {condition}");
        series.push(Series::new(name, colour, points).with_stroke(Stroke::Dashed));
    }
    let Setting { rows, columns, snr_db, prior, .. } = setting;
    Figure {
        title: format!(
            "VAMP, {rows} x {columns}, {} percent non-zero, SNR {snr_db} dB: medians and quartiles of {} runs",
            100.0 * prior.sparsity(),
            setting.runs
        ),
        columns: 1,
        panels: vec![Panel {
            title: String::new(),
            x: Axis::logarithmic("sweep"),
            y: Axis::linear("NMSE (dB)"),
            series,
            references: Vec::new(),
        }],
    }
}
