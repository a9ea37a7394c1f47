//! Curves of several estimators over sweeps or over a parameter, measured and predicted: table, CSV and figure.

use std::collections::BTreeMap;
use std::path::Path;

use fg_core::evolution::{EstimateLaw, Prediction};
use fg_core::{Status, VariableId};
use fg_models::ModelError;
use fg_models::metrics::Quartiles;
use fg_models::report::{Axis, CsvTable, Figure, Panel, Series, Stroke, TextTable};
use fg_models::synthetic::derived_seed;

use crate::support::{Failure, Study, in_parallel, progress_bar, say};

/// What is written where.
pub(crate) struct Labels {
    /// Name of the files.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
}

/// What was measured at some places, in several runs, and what is predicted there.
pub(crate) struct Curves {
    pub(crate) labels: Labels,
    /// The places.
    pub(crate) at: Vec<f64>,
    /// For each estimator its runs, each with a value at every place.
    pub(crate) measured: Vec<(&'static str, Vec<Vec<f64>>)>,
    /// Predictions, each with a value at every place.
    pub(crate) predicted: Vec<(&'static str, Vec<f64>)>,
}

/// Colours of measured curves.
const COLORS: [&str; 5] = ["#4477AA", "#228833", "#CCBB44", "#66CCEE", "#AA3377"];
/// Colours of predicted curves.
const PREDICTED: [&str; 3] = ["#EE6677", "#000000", "#BBBBBB"];
/// Up to so many places are printed, beyond that the last one.
const PRINTED: usize = 12;

impl Curves {
    /// Writes `NAME.csv` and the figure, and prints the table.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Failure> {
        self.write_named(folder, &[])
    }

    /// As [`write`](Self::write), with names of the places 1, 2 and so on, which are numbers where there are none.
    pub(crate) fn write_named(&self, folder: &Path, names: &[&str]) -> Result<(), Failure> {
        let Labels { name: file, title, x, y } = &self.labels;
        let mut csv = CsvTable::new(["curve", "run", *x, "value"]);
        let mut table = TextTable::new([*x, "curve", "median", "quartiles"]);
        let mut series = Vec::new();
        let printed =
            self.at.len().saturating_sub(if self.at.len() > PRINTED { 1 } else { PRINTED });
        for ((name, runs), color) in self.measured.iter().zip(COLORS.iter().cycle()) {
            let mut quartiles = Vec::with_capacity(self.at.len());
            for (i, x) in self.at.iter().enumerate() {
                let values: Vec<f64> = runs.iter().map(|run| run[i]).collect();
                for (run, value) in values.iter().enumerate() {
                    csv.push([
                        (*name).to_owned(),
                        run.to_string(),
                        x.to_string(),
                        value.to_string(),
                    ]);
                }
                let q = Quartiles::of(&values).ok_or_else(|| Failure::other("no runs"))?;
                if i >= printed {
                    let spread = format!("{:.3} .. {:.3}", q.lower, q.upper);
                    table.push([short(*x), (*name).to_owned(), format!("{:.3}", q.median), spread]);
                }
                quartiles.push(q);
            }
            let median = self.at.iter().zip(&quartiles).map(|(x, q)| (*x, q.median)).collect();
            let band = quartiles.iter().map(|q| (q.lower, q.upper)).collect();
            series.push(Series::new(*name, *color, median).with_band(band));
        }
        for ((name, values), color) in self.predicted.iter().zip(PREDICTED.iter().cycle()) {
            for (i, (x, value)) in self.at.iter().zip(values).enumerate() {
                csv.push([(*name).to_owned(), String::new(), x.to_string(), value.to_string()]);
                if i >= printed {
                    let value = format!("{value:.3}");
                    table.push([short(*x), (*name).to_owned(), value, String::new()]);
                }
            }
            let line = self.at.iter().copied().zip(values.iter().copied()).collect();
            series.push(Series::new(*name, *color, line).with_stroke(Stroke::Dashed));
        }
        csv.write(&folder.join(format!("{file}.csv"))).map_err(Failure::other)?;
        let panel = Panel {
            title: String::new(),
            x: Axis::named(*x, names.iter().map(|name| (*name).to_owned()).collect()),
            y: Axis::linear(*y),
            series,
            references: Vec::new(),
        };
        let figure = Figure { title: title.clone(), columns: 1, panels: vec![panel] };
        figure.write(folder, file).map_err(Failure::other)?;
        say(table);
        say(format_args!("Results in {}", folder.display()));
        Ok(())
    }
}

/// Curves over `at`: `measure` gives the value of a run and how it ended from its place and seed, `predict` the value of
/// state evolution.
#[allow(dead_code, reason = "some programs have runs over sweeps, or several curves")]
pub(crate) fn over_places(
    study: &Study,
    places: (&[f64], usize),
    labels: Labels,
    measure: impl Fn(f64, u64) -> Result<(f64, Status), ModelError> + Sync,
    predict: impl Fn(f64) -> Result<f64, ModelError> + Sync,
) -> Result<(), Failure> {
    let measured =
        (["runs"], |x: f64, seed| measure(x, seed).map(|(value, status)| ([value], [status])));
    let predicted = (["state evolution"], |x: f64| predict(x).map(|value| [value]));
    several_over_places(study, places, labels, measured, predicted)
}

/// As [`over_places`], with several named values of a job, which may be several runs, and of its prediction.
#[allow(dead_code, reason = "some programs have runs over sweeps")]
pub(crate) fn several_over_places<const K: usize, const P: usize, const S: usize>(
    study: &Study,
    (at, runs): (&[f64], usize),
    labels: Labels,
    (measured, measure): (
        [&'static str; K],
        impl Fn(f64, u64) -> Result<([f64; K], [Status; S]), ModelError> + Sync,
    ),
    (predicted, predict): ([&'static str; P], impl Fn(f64) -> Result<[f64; P], ModelError> + Sync),
) -> Result<(), Failure> {
    let folder = study.folder(labels.name)?;
    let bar = progress_bar(runs * at.len(), "runs");
    let values = in_parallel(runs * at.len(), study.threads(), &bar, |job| {
        let (run, k) = (job / at.len(), job % at.len());
        measure(at[k], derived_seed(study.seed, &[run as u64, k as u64]))
    });
    bar.finish_and_clear();
    let values = values.into_iter().collect::<Result<Vec<_>, _>>().map_err(Failure::other)?;
    let (values, statuses): (Vec<[f64; K]>, Vec<[Status; S]>) = values.into_iter().unzip();
    let of = |curve: usize| -> Vec<Vec<f64>> {
        let run = |values: &[[f64; K]]| values.iter().map(|v| v[curve]).collect();
        values.chunks(at.len()).map(run).collect()
    };
    let bar = progress_bar(at.len(), "predictions");
    let laws = in_parallel(at.len(), study.threads(), &bar, |k| predict(at[k]));
    bar.finish_and_clear();
    let laws = laws.into_iter().collect::<Result<Vec<_>, _>>().map_err(Failure::other)?;
    let law = |curve: usize| laws.iter().map(|v| v[curve]).collect();
    Curves {
        labels,
        at: at.to_vec(),
        measured: measured.into_iter().enumerate().map(|(k, name)| (name, of(k))).collect(),
        predicted: predicted.into_iter().enumerate().map(|(k, name)| (name, law(k))).collect(),
    }
    .write(&folder)?;
    say_endings(statuses.iter().flatten());
    Ok(())
}

/// The predicted error of a variable after each of `sweeps` sweeps, in decibels; a prediction that no longer changes ends.
#[allow(dead_code, reason = "most programs show the end of their runs")]
pub(crate) fn nmse_by_sweep(
    prediction: &Prediction,
    variable: VariableId,
    sweeps: usize,
) -> Vec<f64> {
    let laws = prediction.sweeps().iter().map(|sweep| sweep.estimate(variable));
    let mut errors: Vec<f64> = laws.map(|law| law.map_or(f64::NAN, EstimateLaw::nmse_db)).collect();
    errors.resize(sweeps, prediction.estimate(variable).nmse_db());
    errors
}

/// Says how many runs ended in which way.
#[allow(dead_code, reason = "some programs tell of every run by itself")]
pub(crate) fn say_endings<'s>(statuses: impl IntoIterator<Item = &'s Status>) {
    say(format_args!("Runs: {}", count_endings(statuses.into_iter().map(ending))));
}

/// How a run ended, without where it broke down.
#[allow(dead_code, reason = "some programs tell of every run by itself")]
pub(crate) fn ending(status: &Status) -> String {
    match status {
        Status::Diverged { .. } => "diverged".to_owned(),
        status => status.to_string(),
    }
}

/// How many ended in which way.
#[allow(dead_code, reason = "some programs tell of every run by itself")]
pub(crate) fn count_endings(endings: impl IntoIterator<Item = String>) -> String {
    let mut counts = BTreeMap::new();
    for ending in endings {
        *counts.entry(ending).or_insert(0usize) += 1;
    }
    let list: Vec<String> = counts.into_iter().map(|(e, count)| format!("{count} {e}")).collect();
    list.join(", ")
}

fn short(x: f64) -> String {
    format!("{}", (x * 1e6).round() / 1e6)
}
