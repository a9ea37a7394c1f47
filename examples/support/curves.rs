//! Curves of several estimators over sweeps or over a parameter, measured and predicted: table, CSV and figure.

use std::path::Path;

use fg_models::metrics::Quartiles;
use fg_models::report::{Axis, CsvTable, Figure, Panel, Series, Stroke, TextTable};

use crate::support::{Failure, say};

/// What was measured at some places, in several runs, and what is predicted there.
pub(crate) struct Curves {
    /// Name of the files.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
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
        let mut csv = CsvTable::new(["curve", "run", self.x, "value"]);
        let mut table = TextTable::new([self.x, "curve", "median", "quartiles"]);
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
        csv.write(&folder.join(format!("{}.csv", self.name))).map_err(Failure::other)?;
        let panel = Panel {
            title: String::new(),
            x: Axis::linear(self.x),
            y: Axis::linear(self.y),
            series,
            references: Vec::new(),
        };
        let figure = Figure { title: self.title.clone(), columns: 1, panels: vec![panel] };
        figure.write(folder, self.name).map_err(Failure::other)?;
        say(table);
        say(format_args!("Results in {}", folder.display()));
        Ok(())
    }
}

fn short(x: f64) -> String {
    format!("{}", (x * 1e6).round() / 1e6)
}
