//! Several graphs about one unknown: their errors sweep by sweep, measured and predicted, in one figure.

use std::ops::ControlFlow;

use fg_core::evolution::{Evolution, EvolutionError, Warning};
use fg_core::{Graph, IterationInfo, Options, Rows, Status, VariableId};
use fg_models::ModelError;
use fg_models::metrics::{Quartiles, nmse_db};
use fg_models::report::{
    Axis, CsvTable, Figure, Panel, Series, Stroke, TextTable, write_atomically,
};
use fg_models::synthetic::derived_seed;
use rand::SeedableRng;
use rand_pcg::Pcg64;

use crate::curves::{nmse_by_sweep, say_endings};
use crate::support::{Failure, Study, in_parallel, progress_bar, say};

/// Sweeps of a run.
const SWEEPS: usize = 60;
/// Colours of cases, one a name, the whole graph first.
const COLORS: [&str; 6] = ["#4477AA", "#EE6677", "#CCBB44", "#AA3377", "#228833", "#66CCEE"];
/// Predictions are drawn as a dot in so many sweeps, between which runs are seen.
const DOTS: usize = 3;

/// A figure's panel: problems that are drawn alike, each with several graphs.
pub(crate) struct Scene {
    pub(crate) title: &'static str,
    pub(crate) draw: fn(&mut Pcg64) -> Result<Vec<Case>, ModelError>,
}

/// A graph with data, and the variable of which the truth is known.
pub(crate) struct Case {
    name: &'static str,
    graph: Graph,
    variable: &'static str,
    truth: Rows,
    accepted: Vec<Warning>,
}

impl Case {
    pub(crate) fn new(
        name: &'static str,
        graph: Graph,
        variable: &'static str,
        truth: &Rows,
    ) -> Self {
        Self { name, graph, variable, truth: truth.clone(), accepted: Vec::new() }
    }

    /// State evolution goes on although this assumption of it isn't met.
    pub(crate) fn accepting(mut self, warning: Warning) -> Self {
        self.accepted.push(warning);
        self
    }

    fn unknown(&self) -> VariableId {
        self.graph.find_variable(self.variable).expect("the graph has the variable it is about")
    }

    /// Errors in decibels after each sweep, and how the run ended.
    fn run(&self) -> Result<Ended, ModelError> {
        let x = self.unknown();
        let mut errors = Vec::with_capacity(SWEEPS);
        let mut watch = |info: &mut IterationInfo<'_>| {
            errors.push(info.mean(x).map_or(f64::NAN, |mean| nmse_db(mean, &self.truth)));
            ControlFlow::Continue(())
        };
        let solution = self.graph.infer_observed(&options(), &mut watch)?;
        // A run that has ended keeps its error.
        errors.resize(SWEEPS, errors.last().copied().unwrap_or(f64::NAN));
        Ok(Ended { errors, status: solution.report().status.clone() })
    }

    /// The same as state evolution has it; nothing where it declines to speak, which is printed.
    fn predict(&self) -> Result<Option<Vec<f64>>, ModelError> {
        let (x, options) = (self.unknown(), options());
        let mut evolution = Evolution::new(&self.graph, &options).follow(x);
        for warning in &self.accepted {
            evolution = evolution.accept(warning.clone());
        }
        match evolution.run() {
            Ok(prediction) => Ok(Some(nmse_by_sweep(&prediction, x, SWEEPS))),
            Err(refusal @ EvolutionError::Unacknowledged(_)) => {
                say(format_args!("State evolution of `{}`: {refusal}", self.name));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A run and its end.
struct Ended {
    errors: Vec<f64>,
    status: Status,
}

fn options() -> Options {
    Options::default().with_max_sweeps(SWEEPS)
}

/// A case with all its runs, and what is predicted.
struct Outcome {
    case: Case,
    runs: Vec<Ended>,
    predicted: Option<Vec<f64>>,
}

impl Outcome {
    /// Quartiles of the errors after each sweep.
    fn quartiles(&self) -> Vec<Quartiles> {
        let at = |s: usize| self.runs.iter().map(|run| run.errors[s]).collect::<Vec<_>>();
        (0..SWEEPS).filter_map(|s| Quartiles::of(&at(s))).collect()
    }
}

/// Runs every graph of every scene, and writes graphs, CSV and figure.
pub(crate) fn run(study: &Study, scenes: &[Scene]) -> Result<(), Failure> {
    let (runs, folder) = (study.runs(10, 2)?, study.folder("custom_graph")?);
    let mut csv = CsvTable::new(["scene", "graph", "run", "sweep", "nmse_db", "status"]);
    let mut table = TextTable::new(["scene", "graph", "NMSE dB", "quartiles", "state evolution"]);
    let (mut panels, mut statuses, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (k, scene) in (1..).zip(scenes) {
        let outcomes = outcomes(study, runs, k, scene).map_err(Failure::other)?;
        for (c, outcome) in (1..).zip(&outcomes) {
            let dot = outcome.case.graph.to_graphviz();
            let file = folder.join(format!("graph_{k}_{c}.dot"));
            write_atomically(&file, dot.as_bytes()).map_err(Failure::other)?;
            record(&mut csv, scene.title, outcome);
            if let Some(Quartiles { lower, median, upper, .. }) = outcome.quartiles().last() {
                table.push([
                    scene.title.to_owned(),
                    outcome.case.name.to_owned(),
                    format!("{median:.2}"),
                    format!("{lower:.2} .. {upper:.2}"),
                    outcome
                        .predicted
                        .as_ref()
                        .map_or(String::new(), |p| format!("{:.2}", p[SWEEPS - 1])),
                ]);
            }
            statuses.extend(outcome.runs.iter().map(|run| run.status.clone()));
        }
        panels.push(panel(scene.title, &outcomes, &mut names));
    }
    csv.write(&folder.join("custom_graph.csv")).map_err(Failure::other)?;
    let title = format!("Two instruments, three graphs: medians and quartiles of {runs} runs");
    let figure = Figure { title, columns: panels.len(), panels };
    figure.write(&folder, "custom_graph").map_err(Failure::other)?;
    say(table);
    say_endings(&statuses);
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

/// All runs of a scene; predicted are the graphs of the first.
fn outcomes(
    study: &Study,
    runs: usize,
    number: u64,
    scene: &Scene,
) -> Result<Vec<Outcome>, ModelError> {
    let cases = |run: usize| {
        let seed = derived_seed(study.seed, &[number, run as u64]);
        (scene.draw)(&mut Pcg64::seed_from_u64(seed))
    };
    let bar = progress_bar(runs, "runs");
    let ended = in_parallel(runs, study.threads(), &bar, |run| {
        cases(run)?.iter().map(Case::run).collect::<Result<Vec<_>, ModelError>>()
    });
    bar.finish_and_clear();
    let mut outcomes = Vec::new();
    for case in cases(0)? {
        let predicted = case.predict()?;
        outcomes.push(Outcome { case, runs: Vec::with_capacity(runs), predicted });
    }
    for run in ended {
        outcomes.iter_mut().zip(run?).for_each(|(outcome, ended)| outcome.runs.push(ended));
    }
    Ok(outcomes)
}

fn record(csv: &mut CsvTable, scene: &str, outcome: &Outcome) {
    let name = outcome.case.name;
    let mut line = |run: &str, sweep: usize, error: f64, status: &str| {
        csv.push([scene, name, run, &(sweep + 1).to_string(), &error.to_string(), status]);
    };
    for (run, Ended { errors, status }) in outcome.runs.iter().enumerate() {
        for (sweep, error) in errors.iter().enumerate() {
            line(&run.to_string(), sweep, *error, &status.to_string());
        }
    }
    for (sweep, error) in outcome.predicted.iter().flatten().enumerate() {
        line("", sweep, *error, "predicted");
    }
}

/// The errors of a scene; `names` are those that have a colour so far.
fn panel(title: &str, outcomes: &[Outcome], names: &mut Vec<&'static str>) -> Panel {
    let sweeps = || (1..).map(f64::from);
    let mut series = Vec::new();
    for outcome in outcomes {
        let name = outcome.case.name;
        let known = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        let color = COLORS[known % COLORS.len()];
        let quartiles = outcome.quartiles();
        let median = sweeps().zip(quartiles.iter().map(|q| q.median)).collect();
        let band = quartiles.iter().map(|q| (q.lower, q.upper)).collect();
        series.push(Series::new(name, color, median).with_band(band));
    }
    for predicted in outcomes.iter().filter_map(|outcome| outcome.predicted.as_ref()) {
        let dots = sweeps().zip(predicted.iter().copied()).step_by(DOTS).collect();
        series.push(Series::new("state evolution", "#000000", dots).with_stroke(Stroke::Dots));
    }
    Panel {
        title: title.to_owned(),
        x: Axis::linear("sweep"),
        y: Axis::linear("NMSE (dB)"),
        series,
        references: Vec::new(),
    }
}
