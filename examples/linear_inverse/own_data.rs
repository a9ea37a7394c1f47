//! The signal behind the user's observations.

use std::fmt::Display;
use std::ops::ControlFlow;
use std::path::Path;

use fg_core::operator::{Dense, LinearOperator};
use fg_core::{GraphError, InferenceError, IterationInfo, Rows, Status};
use fg_models::report::{
    Axis, CsvTable, Figure, Panel, Series, Stroke, read_npy, read_sparse, write_npy,
};
use fg_models::{Fit, GeneralisedGraph, ModelError, linear};

use crate::options::{DAMPING, OwnData, run_options};
use crate::support::{Failure, check_folder, say, short};

/// Estimates the signal and writes `estimate.npy`, `deviation.npy`, `history.csv`, the figure `history` and, where they
/// are learned, `parameters.csv`.
pub(crate) fn estimate(task: &OwnData, folder: &Path) -> Result<(), Failure> {
    let sparse = task.matrix.extension().is_some_and(|extension| extension == "npz");
    let model = if sparse {
        graph(task, read_sparse(&task.matrix).map_err(Failure::input)?)?
    } else {
        let matrix = read_npy(&task.matrix).map_err(Failure::input)?;
        graph(task, Dense::from_rows(&matrix).map_err(|error| of_matrix(task, &error))?)?
    };
    check_folder(folder)?;
    let (x, mut history) = (model.signal, Vec::new());
    let mut observer = |info: &mut IterationInfo<'_>| {
        let claimed = info.figures().edges.iter().rfind(|edge| edge.variable == x);
        let deviation = claimed.map_or(f64::NAN, |edge| edge.variance.sqrt());
        history.push([1.0 + history.len() as f64, info.change(), deviation]);
        ControlFlow::Continue(())
    };
    let fit = model.fit_settling(&run_options(), DAMPING, &mut observer);
    let fit = fit.map_err(|error| Failure::input(named(task, factor_of(&error), &error)))?;
    let report = fit.solution().report();
    if let Status::Diverged { factor, .. } = &report.status {
        return Err(Failure::other(named(task, Some(factor), report)));
    }
    let mut csv = CsvTable::new(["sweep", "change", "deviation"]);
    for line in &history {
        csv.push(line.map(|value| value.to_string()));
    }
    let deviation = fit.deviation();
    write_npy(&folder.join("estimate.npy"), fit.estimate()).map_err(Failure::other)?;
    write_npy(&folder.join("deviation.npy"), &deviation).map_err(Failure::other)?;
    csv.write(&folder.join("history.csv")).map_err(Failure::other)?;
    figure(&fit, &deviation, &history).write(folder, "history").map_err(Failure::other)?;
    say(report);
    if task.known.is_none() {
        let mut csv = CsvTable::new(["parameter", "value"]);
        for (_, parameter) in fit.solution().parameters() {
            say(parameter);
            let values: Vec<String> = parameter.values.iter().map(f64::to_string).collect();
            csv.push([parameter.name.to_string(), values.join(" ")]);
        }
        csv.write(&folder.join("parameters.csv")).map_err(Failure::other)?;
    }
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

/// The graph of an operator with the observations, where both fit.
fn graph(
    task: &OwnData,
    operator: impl LinearOperator + 'static,
) -> Result<GeneralisedGraph, Failure> {
    let observations = read_npy(&task.observations).map_err(Failure::input)?;
    if observations.rows() != operator.outputs() {
        return Err(Failure::input(format!(
            "{}: needs {} rows, as {} has, got {}",
            task.observations.display(),
            operator.outputs(),
            task.matrix.display(),
            observations.rows()
        )));
    }
    let columns = task.known.as_ref().and_then(|(prior, _)| prior.columns());
    if let Some(columns) = columns.filter(|&c| c != observations.columns()) {
        return Err(Failure::input(format!(
            "{}: the number of columns must be {columns} with this prior, got {}",
            task.observations.display(),
            observations.columns()
        )));
    }
    let Some((prior, precision)) = &task.known else {
        let power = operator.squared_norm();
        if !(power > 0.0 && power.is_finite() && power.recip().is_finite()) {
            let power = short(power);
            let what = "sum of squares must be finite and above 0, as its inverse";
            return Err(of_matrix(task, &format!("{what}, got {power}")));
        }
        return linear::sparse(operator, observations)
            .map_err(|error| Failure::input(of_observations(task, &error)));
    };
    prior
        .graph(operator, observations, *precision)
        .map_err(|error| Failure::input(format!("--noise-precision: {error}")))
}

fn of_matrix(task: &OwnData, error: &dyn Display) -> Failure {
    Failure::input(format!("{}: {error}", task.matrix.display()))
}

fn of_observations(task: &OwnData, error: &dyn Display) -> String {
    format!("{}: {error}", task.observations.display())
}

/// The factor that an error is about, where it is about one.
fn factor_of(error: &ModelError) -> Option<&str> {
    match error {
        ModelError::Graph(GraphError::Data { factor, .. } | GraphError::Shape { factor, .. })
        | ModelError::Inference(
            InferenceError::Breakdown { factor, .. } | InferenceError::Unready { factor, .. },
        ) => Some(factor),
        _ => None,
    }
}

/// An error with what the user gave for this factor; a prior that is learned comes from all data.
fn named(task: &OwnData, factor: Option<&str>, error: &dyn Display) -> String {
    match factor {
        Some("prior") if task.known.is_some() => format!("--prior: {error}"),
        Some("observations") => of_observations(task, error),
        Some("A") => format!("{}: {error}", task.matrix.display()),
        _ => of_observations(task, &format!("with {}: {error}", task.matrix.display())),
    }
}

fn figure(fit: &Fit, deviation: &Rows, history: &[[f64; 3]]) -> Figure {
    /// Most rows drawn: more dots than pixels say nothing.
    const DRAWN: usize = 500;
    /// Colours of the columns of the estimate, repeated where there are more.
    const COLOURS: [&str; 4] = ["#4477AA", "#EE6677", "#228833", "#CCBB44"];
    let curve = |k: usize| history.iter().map(|line| (line[0], line[k])).collect();
    let estimate = fit.estimate();
    let step = estimate.rows().div_ceil(DRAWN);
    let drawn = || (0..estimate.rows()).step_by(step);
    let columns = (0..estimate.columns()).zip(COLOURS.into_iter().cycle()).map(|(j, colour)| {
        let points = drawn().map(|i| (i as f64, estimate[(i, j)])).collect();
        let ends = |i| (estimate[(i, j)] - deviation[(i, j)], estimate[(i, j)] + deviation[(i, j)]);
        Series::new(format!("estimate, column {j}"), colour, points)
            .with_stroke(Stroke::Dots)
            .with_band(drawn().map(ends).collect())
    });
    Figure {
        title: String::new(),
        columns: 2,
        panels: vec![
            Panel {
                title: "Convergence".to_owned(),
                x: Axis::linear("sweep"),
                y: Axis::logarithmic("relative change, claimed deviation"),
                series: vec![
                    Series::new("relative change", "#AA3377", curve(1)),
                    Series::new("claimed deviation", "#66CCEE", curve(2)),
                ],
                references: Vec::new(),
            },
            Panel {
                title: "Estimate and one standard deviation".to_owned(),
                x: Axis::linear("row"),
                y: Axis::linear("value"),
                series: columns.collect(),
                references: Vec::new(),
            },
        ],
    }
}
