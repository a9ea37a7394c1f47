//! The generalised linear model: `prior - X - [A] - Z - likelihood`, data given a linear image of an unknown.

mod complex;
mod learning;
mod length;
mod moved;
mod parts;
mod predict;
mod run;
mod spectral;
mod start;

pub use complex::{complex, complex_unobserved};
pub use learning::sparse;
pub(crate) use learning::sparse_of;
pub use start::Start;

use fg_core::denoiser::{Denoiser, Likelihood};
use fg_core::operator::LinearOperator;
use fg_core::{ColumnForm, FactorId, GraphBuilder, Rows, Structure, VariableId};

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
    /// Whether [`fit`](Self::fit) also measures how uncertain the length of `X` is. Default: no.
    pub length: bool,
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
/// let log = fit.predict(&new)?.log_density(&Logistic::new(), &Rows::column(vec![1.0]))?;
/// assert!(log[0].exp() > 0.7);
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
    let length = false;
    GeneralisedGraph { builder, signal, output, prior, operator, likelihood, start, length }
}

impl GeneralisedGraph {
    /// Starts [`fit`](Self::fit) from something else than [`Start::Auto`].
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Also measures how uncertain the length of `X` is, for which a run that has converged settles twice more under a
    /// small pull: the error bars of the fit then contain it. For data that tell the direction of `X` and hardly its
    /// length, such as signs, it is most of the error, and no row's own error bar shows it. Wants a small tolerance, and
    /// [acceleration](fg_core::Options::acceleration).
    #[must_use]
    pub fn with_length(mut self) -> Self {
        self.length = true;
        self
    }
}
