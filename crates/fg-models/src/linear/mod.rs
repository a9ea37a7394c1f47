//! The linear inverse problem `Y = A X + noise`: `prior - X - [A] - Z - likelihood`.

mod learning;
mod start;

pub use learning::sparse;
pub use start::Start;

use fg_core::denoiser::Denoiser;
use fg_core::operator::LinearOperator;
use fg_core::{
    FactorId, GraphBuilder, Inference, Observer, Options, Rows, Solution, Status, VariableId,
};
use fg_denoisers::likelihood::Awgn;

use crate::ModelError;

/// The graph of a linear inverse problem with the names of its parts, not built yet, so that it can be changed.
#[derive(Debug)]
pub struct LinearGraph {
    /// The graph.
    pub builder: GraphBuilder,
    /// `X`, `n x d`.
    pub signal: VariableId,
    /// `Z = A X`, `m x d`.
    pub output: VariableId,
    /// The prior of `X`.
    pub prior: FactorId,
    /// `A`.
    pub operator: FactorId,
    /// The data.
    pub likelihood: FactorId,
    /// What is known about `X` before the first sweep of [`fit`]. Default: [`Start::Auto`].
    pub start: Start,
}

impl LinearGraph {
    /// Starts [`fit`] from something else than [`Start::Auto`].
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }
}

/// The graph of `Y = A X + noise` with `operator` (`m x n`), `observations` (`m x d`) and white Gaussian noise of
/// `noise_precision` on each entry.
///
/// ```
/// use fg_core::{Options, Rows, operator::Dense};
/// use fg_denoisers::prior::Gaussian;
/// use fg_models::linear;
///
/// let operator = Dense::from_rows(&Rows::from_fn(3, 2, |i, j| (i + j) as f64))?;
/// let observations = Rows::column(vec![1.0, 3.0, 5.0]);
/// let model = linear::graph(operator, observations, Gaussian::new(0.0, 10.0)?, 100.0)?;
/// let signal = model.signal;
/// let solution = model.builder.build()?.infer(&Options::default())?;
/// assert_eq!(solution.mean(signal).shape(), (2, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ModelError`] when the noise precision isn't positive. Shapes and data are checked when the graph is built.
pub fn graph(
    operator: impl LinearOperator + 'static,
    observations: Rows,
    prior: impl Denoiser + 'static,
    noise_precision: f64,
) -> Result<LinearGraph, ModelError> {
    let columns = observations.columns();
    assemble(operator, columns, prior, noise_precision, Some(observations))
}

/// As [`graph`], for a signal of `columns` columns and without observations: to be drawn from, or predicted, for which
/// an [`Ensemble`](fg_core::operator::Ensemble) will do.
///
/// # Errors
/// [`ModelError`] when the noise precision isn't positive.
pub fn unobserved(
    operator: impl LinearOperator + 'static,
    columns: usize,
    prior: impl Denoiser + 'static,
    noise_precision: f64,
) -> Result<LinearGraph, ModelError> {
    assemble(operator, columns, prior, noise_precision, None)
}

fn assemble(
    operator: impl LinearOperator + 'static,
    columns: usize,
    prior: impl Denoiser + 'static,
    noise_precision: f64,
    observations: Option<Rows>,
) -> Result<LinearGraph, ModelError> {
    assemble_with(operator, columns, prior, Awgn::new(noise_precision)?, observations)
}

fn assemble_with(
    operator: impl LinearOperator + 'static,
    columns: usize,
    prior: impl Denoiser + 'static,
    noise: Awgn,
    observations: Option<Rows>,
) -> Result<LinearGraph, ModelError> {
    const DATA: &str = "observations";
    let (n, m) = (operator.inputs(), operator.outputs());
    let mut builder = GraphBuilder::new();
    let signal = builder.variable("X", n, columns);
    let output = builder.variable("Z", m, columns);
    let prior = builder.prior("prior", signal, prior);
    let operator = builder.linear("A", signal, output, operator);
    let likelihood = match observations {
        Some(observations) => builder.likelihood(DATA, output, observations, noise),
        None => builder.unobserved(DATA, output, noise),
    };
    let start = Start::Auto;
    Ok(LinearGraph { builder, signal, output, prior, operator, likelihood, start })
}

/// `A X` (`m x d`) for a signal `X` (`n x d`): the observations without noise.
///
/// # Panics
/// When the signal has another number of rows than the operator has inputs.
#[track_caller]
pub fn outputs(operator: &dyn LinearOperator, signal: &Rows) -> Rows {
    assert_eq!(signal.rows(), operator.inputs(), "signal needs a row an input of the operator");
    let d = signal.columns();
    let mut outputs = Rows::zeros(operator.outputs(), d);
    operator.apply(signal.as_slice(), outputs.as_mut_slice(), d);
    outputs
}

/// What a run of the linear inverse problem found.
#[derive(Debug)]
pub struct LinearFit {
    signal: VariableId,
    solution: Solution,
}

impl LinearFit {
    /// The estimate of `X`, `n x d`.
    pub fn estimate(&self) -> &Rows {
        self.solution.mean(self.signal)
    }

    /// Standard deviation of each entry, `n x d`.
    pub fn deviation(&self) -> Rows {
        self.solution.deviation(self.signal)
    }

    /// Everything the run found, and how it went.
    pub fn solution(&self) -> &Solution {
        &self.solution
    }
}

/// Builds a [`graph`] and runs it from its [`Start`]; `observer` is told of every sweep (`&mut ()` looks away).
///
/// # Errors
/// [`ModelError`] when shapes don't fit together or data isn't finite, or when the start's variance isn't positive or
/// its message can't be set, as for a Gaussian prior, whose message is fixed. Not converging is no error: see the report.
pub fn fit(
    model: LinearGraph,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<LinearFit, ModelError> {
    run(model, options, None, observer)
}

/// As [`fit`], but a run that hasn't settled within the sweeps of `options` goes on, from where it is, with the weight
/// `damping` for new messages, for as many sweeps again; one that has diverged starts anew with it.
///
/// Without damping a run settles fastest, but at condition numbers of 1e3 and above some runs of a thousand unknowns go
/// round in a cycle; a weight of 0.7 breaks almost all of them. Data unlike anything the prior expects can make its
/// message vanish, which leaves more unknowns than observations undetermined; damping leaves a part of the message
/// before. The report is that of the second part where there is one, and the observer counts its sweeps from one again.
///
/// # Errors
/// As [`fit`], and when `damping` isn't in `(0, 1]`.
pub fn fit_settling(
    model: LinearGraph,
    options: &Options,
    damping: f64,
    observer: &mut dyn Observer,
) -> Result<LinearFit, ModelError> {
    run(model, options, Some(damping), observer)
}

fn run(
    model: LinearGraph,
    options: &Options,
    damping: Option<f64>,
    observer: &mut dyn Observer,
) -> Result<LinearFit, ModelError> {
    let (signal, start, parts) = (model.signal, model.start, start::Parts::of(&model));
    let prior = model.prior;
    let graph = model.builder.build()?;
    let mut run = Inference::new(&graph, options)?;
    let damped =
        damping.map(|weight| Inference::new(&graph, &options.clone().with_damping(weight)));
    let damped = damped.transpose()?;
    start.set(&mut run, &graph, &parts)?;
    let mut solution = run.run(observer)?;
    let Some(mut damped) = damped else { return Ok(LinearFit { signal, solution }) };
    match solution.report().status {
        Status::SweepLimit => {
            let layout = graph.layout(signal);
            if graph.factor(prior).constant_message(0, layout).is_none() {
                damped.start(prior, 0, run.message(prior, 0).clone())?;
            }
        }
        Status::Diverged { .. } => start.set(&mut damped, &graph, &parts)?,
        _ => return Ok(LinearFit { signal, solution }),
    }
    solution = damped.run(observer)?;
    Ok(LinearFit { signal, solution })
}
