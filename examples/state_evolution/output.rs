//! What is printed and written: a table, the comparison sweep by sweep, the figure.

use std::path::Path;

use fg_core::VariableId;
use fg_models::comparison::{Comparison, SweepComparison};
use fg_models::report::{Axis, CsvTable, Figure, Panel, Series, Stroke, TextTable};

use crate::options::{Model, Setting};
use crate::support::{Failure, say};

/// Writes all files and prints the table.
pub(crate) fn write(
    setting: &Setting,
    (comparison, signal): (&Comparison, VariableId),
    folder: &Path,
) -> Result<(), Failure> {
    let header = ["sweep", "predicted_db", "lower_db", "median_db", "upper_db", "uncertainty_db"];
    let mut csv = CsvTable::new(header);
    let mut table = TextTable::new(["sweep", "predicted", "median", "quartiles", "difference"]);
    for s in &comparison.sweeps {
        let SweepComparison { sweep, predicted, measured, uncertainty, .. } = *s;
        let numbers = [predicted, measured.lower, measured.median, measured.upper, uncertainty];
        csv.push(core::iter::once(sweep.to_string()).chain(numbers.map(|v| v.to_string())));
        table.push([
            sweep.to_string(),
            format!("{predicted:.2}"),
            format!("{:.2}", measured.median),
            format!("{:.2} .. {:.2}", measured.lower, measured.upper),
            format!("{:+.2} +- {uncertainty:.2}", measured.median - predicted),
        ]);
    }
    csv.write(&folder.join("state_evolution.csv")).map_err(Failure::other)?;
    figure(setting, comparison).write(folder, "state_evolution").map_err(Failure::other)?;
    say(table);
    let agreeing = comparison.sweeps.iter().filter(|s| s.agrees()).count();
    say(format_args!(
        "Median and prediction agree within the 95 percent interval in {agreeing} of {} sweeps.",
        comparison.sweeps.len()
    ));
    say_support(comparison, signal);
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

/// Estimates below a tenth of the deviation of entries that aren't zero count as zero.
const FOUND: f64 = 0.1;

/// How often a zero is mistaken for something and something for a zero, by theory and in all runs together.
fn say_support(comparison: &Comparison, signal: VariableId) {
    let Some(samples) = comparison.prediction.samples(signal) else { return };
    let predicted = samples.support_errors(FOUND);
    let measured = comparison.support_errors(FOUND);
    say(format_args!(
        "Entries missed: {:.4} predicted, {:.4} measured. False alarms: {:.4} predicted, {:.4} measured.",
        predicted.missed, measured.missed, predicted.false_alarms, measured.false_alarms
    ));
}

fn figure(setting: &Setting, comparison: &Comparison) -> Figure {
    let at = |value: fn(&SweepComparison) -> f64| -> Vec<(f64, f64)> {
        comparison.sweeps.iter().map(|s| (s.sweep as f64, value(s))).collect()
    };
    let quartiles = comparison.sweeps.iter().map(|s| (s.measured.lower, s.measured.upper));
    let measured = at(|s| s.measured.median);
    let label = "runs: median and quartiles";
    let series = vec![
        Series::new("state evolution", "#EE6677", at(|s| s.predicted)),
        Series::new(label, "#4477AA", measured)
            .with_band(quartiles.collect())
            .with_stroke(Stroke::Dots),
    ];
    let Setting { rows, columns, condition, snr_db, runs, .. } = setting;
    let model = match setting.model {
        Model::Sparse => "posterior mean",
        Model::Lasso => "L1 penalty",
        Model::Mismatch => "wrong sparsity assumed",
    };
    Figure {
        title: format!(
            "{model}: {rows} x {columns}, condition {condition}, SNR {snr_db} dB, {runs} runs"
        ),
        columns: 1,
        panels: vec![Panel {
            title: String::new(),
            x: Axis::linear("sweep"),
            y: Axis::linear("NMSE (dB)"),
            series,
            references: Vec::new(),
        }],
    }
}
