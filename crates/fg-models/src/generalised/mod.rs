//! The generalised linear model: `prior - X - [A] - Z - likelihood`, data given a linear image of an unknown.

mod complex;
mod parts;
mod spectral;
mod start;

pub use complex::{complex, complex_unobserved};
pub use start::Start;

use fg_core::denoiser::{Denoiser, Likelihood};
use fg_core::operator::LinearOperator;
use fg_core::{ColumnForm, FactorId, GraphBuilder, Inference, Observer, Options};
use fg_core::{Rows, Status, Structure, VariableId};

use crate::{Fit, ModelError};

/// The graph of a generalised linear model with the names of its parts, not built yet, so that it can be changed.
#[derive(Debug)]
pub struct GeneralisedGraph {
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
    /// What is known about `X` before the first sweep of [`fit`](Self::fit). Default: [`Start::Auto`].
    pub start: Start,
}

/// Name of the likelihood in reports.
const DATA: &str = "observations";

/// The graph of data (`m` rows) that are drawn from `likelihood` given `Z = A X`, for an `operator` `A` (`m x n`) and a
/// signal `X` (`n x d`).
///
/// `d` is what the likelihood or the prior is for; where any will do, it is the number of columns of the data.
///
/// ```
/// use fg_core::{Options, Rows, operator::Dense};
/// use fg_denoisers::{Gaussian, Logistic};
/// use fg_models::generalised;
///
/// // Logistic regression: labels of four samples of two features.
/// let features = Rows::from_fn(4, 2, |i, j| [[1.0, 0.2], [0.8, -0.4], [-0.9, 0.1], [-1.1, -0.3]][i][j]);
/// let labels = Rows::column(vec![1.0, 1.0, -1.0, -1.0]);
/// let operator = Dense::from_rows(&features)?;
/// let model = generalised::graph(operator, Gaussian::new(0.0, 10.0)?, Logistic::new(), labels);
/// let fit = model.fit(&Options::default(), &mut ())?;
/// assert!(fit.estimate()[(0, 0)] > 1.0);
/// // The probability of a label of a new sample.
/// let new = Rows::from_fn(1, 2, |_, j| [0.9, 0.0][j]);
/// let log = fit.predict(&new).log_density(&Logistic::new(), &Rows::column(vec![1.0]));
/// assert!(log.is_some_and(|log| log[0].exp() > 0.7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn graph(
    operator: impl LinearOperator + 'static,
    prior: impl Denoiser + 'static,
    likelihood: impl Likelihood + 'static,
    data: Rows,
) -> GeneralisedGraph {
    let columns = likelihood.columns().or(prior.columns()).unwrap_or(data.columns());
    assemble(operator, columns, false, prior, |builder, output| {
        builder.likelihood(DATA, output, data, likelihood)
    })
}

/// As [`graph`], for a signal of `columns` columns and without data: to be drawn from, or predicted, for which an
/// [`Ensemble`](fg_core::operator::Ensemble) will do.
pub fn unobserved(
    operator: impl LinearOperator + 'static,
    columns: usize,
    prior: impl Denoiser + 'static,
    likelihood: impl Likelihood + 'static,
) -> GeneralisedGraph {
    assemble(operator, columns, false, prior, |builder, output| {
        builder.unobserved(DATA, output, likelihood)
    })
}

/// With an operator on the rows, or on the entries.
fn assemble(
    operator: impl LinearOperator + 'static,
    columns: usize,
    entries: bool,
    prior: impl Denoiser + 'static,
    observe: impl FnOnce(&mut GraphBuilder, VariableId) -> FactorId,
) -> GeneralisedGraph {
    let mixed = if entries { columns } else { 1 };
    let (n, m) = (operator.inputs() / mixed, operator.outputs() / mixed);
    let mut builder = GraphBuilder::new();
    let signal = builder.variable("X", n, columns);
    let output = builder.variable("Z", m, columns);
    let prior = builder.prior("prior", signal, prior);
    let operator = if entries {
        let isotropic = Structure::shared().with_columns(ColumnForm::Isotropic);
        builder.structure(signal, isotropic.clone());
        builder.structure(output, isotropic);
        builder.linear_entries("A", signal, output, operator)
    } else {
        builder.linear("A", signal, output, operator)
    };
    let likelihood = observe(&mut builder, output);
    let start = Start::Auto;
    GeneralisedGraph { builder, signal, output, prior, operator, likelihood, start }
}

impl GeneralisedGraph {
    /// Starts [`fit`](Self::fit) from something else than [`Start::Auto`].
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Builds the graph and runs it from its [`Start`]; `observer` is told of every sweep (`&mut ()` looks away).
    ///
    /// # Errors
    /// [`ModelError`] when shapes don't fit together or data isn't finite, or when the start's variance isn't positive or
    /// its message can't be set, as for a Gaussian prior, whose message is fixed. Not converging is no error: see the
    /// report.
    pub fn fit(self, options: &Options, observer: &mut dyn Observer) -> Result<Fit, ModelError> {
        self.run(options, None, observer)
    }

    /// As [`fit`](Self::fit), but a run that hasn't settled within the sweeps of `options` goes on, from where it is,
    /// with the weight `damping` for new messages, for as many sweeps again; one that has diverged starts anew with it.
    ///
    /// Without damping a run settles fastest, but at condition numbers of 1e3 and above some runs of a thousand unknowns
    /// go round in a cycle; a weight of 0.7 breaks almost all of them. Data unlike anything the prior expects can make its
    /// message vanish, which leaves more unknowns than observations undetermined; damping leaves a part of the message
    /// before. The report is that of the second part where there is one, and the observer counts its sweeps from one
    /// again.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and when `damping` isn't in `(0, 1]`.
    pub fn fit_settling(
        self,
        options: &Options,
        damping: f64,
        observer: &mut dyn Observer,
    ) -> Result<Fit, ModelError> {
        self.run(options, Some(damping), observer)
    }

    fn run(
        self,
        options: &Options,
        damping: Option<f64>,
        observer: &mut dyn Observer,
    ) -> Result<Fit, ModelError> {
        let (unknowns, parts) = (vec![self.signal, self.output], parts::Parts::of(&self));
        let Self { builder, signal, prior, start, .. } = self;
        let graph = builder.build()?;
        let mut run = Inference::new(&graph, options)?;
        let damped =
            damping.map(|weight| Inference::new(&graph, &options.clone().with_damping(weight)));
        let damped = damped.transpose()?;
        start.set(&mut run, &graph, &parts)?;
        let solution = run.run(observer)?;
        let Some(mut damped) = damped else { return Ok(Fit::new(unknowns, solution)) };
        match solution.report().status {
            Status::SweepLimit => {
                let layout = graph.layout(signal);
                if graph.factor(prior).constant_message(0, layout).is_none() {
                    damped.start(prior, 0, run.message(prior, 0).clone())?;
                }
            }
            Status::Diverged { .. } => start.set(&mut damped, &graph, &parts)?,
            _ => return Ok(Fit::new(unknowns, solution)),
        }
        Ok(Fit::new(unknowns, damped.run(observer)?))
    }
}
