//! The low-rank model: `prior - U - [Y = U V' + noise] - V - prior`, and its symmetric form `Y = X X' + noise`.

mod leading;
mod predict;
mod spike;
mod start;

pub use start::Start;

use fg_core::denoiser::Denoiser;
use fg_core::factor::LowRankFactor;
use fg_core::{FactorId, GraphBuilder, Inference, Observer, Options, Rows, VariableId};

use crate::{Fit, ModelError, check};

/// The graph of a low-rank model with the names of its parts, not built yet, so that it can be changed.
///
/// Nothing is scaled: `Y = U V' + noise` of variance `Delta` in every entry, and the sizes enter through `Delta`. Where the
/// entries of `U` and `V` are of size one, the transition at which `Y` begins to tell anything of them is at
/// `Delta = sqrt(m n)`; the spiked Wigner model of signal-to-noise ratio `lambda` has `Delta = n / lambda`.
#[derive(Debug)]
pub struct LowRankGraph {
    /// The graph.
    pub builder: GraphBuilder,
    /// `U` (`m x d`) and `V` (`n x d`), or `X` (`n x d`) alone.
    pub unknowns: Vec<VariableId>,
    /// The prior of each unknown.
    pub priors: Vec<FactorId>,
    /// The data.
    pub data: FactorId,
    /// What is known about the unknowns before the first sweep of [`fit`](Self::fit). Default: [`Start::Spectral`].
    pub start: Start,
}

/// The graph of symmetric data (`n x n`) of rank `rank`, `Y = X X' + noise` of this variance off the diagonal.
///
/// ```
/// use fg_core::{Options, Rows};
/// use fg_denoisers::Discrete;
/// use fg_models::low_rank;
///
/// // Two communities, told apart by who gets on with whom; two answers are wrong.
/// let side = |i: usize| if i % 3 == 0 { 1.0 } else { -1.0 };
/// let wrong = |i: usize, j: usize| matches!((i.min(j), i.max(j)), (1, 4) | (0, 5));
/// let data = Rows::from_fn(12, 12, |i, j| side(i) * side(j) * if wrong(i, j) { -1.0 } else { 1.0 });
/// let model = low_rank::symmetric(&data, 1, Discrete::binary(), 1.0)?;
/// let fit = model.fit(&Options::default(), &mut ())?;
/// let x = fit.estimate();
/// assert!((0..12).all(|i| x[(i, 0)] * x[(0, 0)] * side(i) > 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ModelError::LowRank`] when the data isn't finite, square and symmetric, or the variance isn't finite and above zero.
pub fn symmetric(
    data: &Rows,
    rank: usize,
    prior: impl Denoiser + 'static,
    variance: f64,
) -> Result<LowRankGraph, ModelError> {
    Ok(one(LowRankFactor::symmetric(data, variance)?, rank, prior))
}

/// The graph of data (`m x n`) of rank `rank`, `Y = U V' + noise` of this variance.
///
/// # Errors
/// [`ModelError::LowRank`] when the data is empty or not finite, or the variance isn't finite and above zero.
pub fn graph(
    data: &Rows,
    rank: usize,
    prior_u: impl Denoiser + 'static,
    prior_v: impl Denoiser + 'static,
    variance: f64,
) -> Result<LowRankGraph, ModelError> {
    Ok(two(LowRankFactor::new(data, variance)?, rank, prior_u, prior_v))
}

/// The noise variance of low-rank data of which it isn't known: the mean square of the entries. It is too large by what the signal adds, of the order of one over the sizes where the signal is
/// of the size that message passing is for.
///
/// ```
/// use fg_core::Rows;
/// use fg_models::low_rank::{noise_variance, noise_variance_symmetric};
///
/// let data = Rows::from_fn(2, 2, |i, j| if i == j { 9.0 } else { 2.0 });
/// assert_eq!((noise_variance(&data), noise_variance_symmetric(&data)?), (42.5, 4.0));
/// # Ok::<(), fg_models::ModelError>(())
/// ```
pub fn noise_variance(data: &Rows) -> f64 {
    data.norm_squared() / data.as_slice().len() as f64
}

/// As [`noise_variance`] for symmetric data, of which the diagonal tells nothing.
///
/// # Errors
/// [`ModelError::Shape`] when the data aren't square, or a single number.
pub fn noise_variance_symmetric(data: &Rows) -> Result<f64, ModelError> {
    let n = data.columns().max(2);
    check::shape("symmetric data", (n, n), data.shape())?;
    let diagonal: f64 = (0..n).map(|i| data[(i, i)] * data[(i, i)]).sum();
    Ok((data.norm_squared() - diagonal) / (n * (n - 1)) as f64)
}

/// As [`symmetric`] without data: to be drawn from, or predicted.
///
/// A prediction for priors of zero mean needs a start as a run does: [`LowRankGraph::predict`] has that of its fit, and
/// [`Evolution::with_start`](fg_core::Evolution::with_start) takes any at a port of [`LowRankGraph::data`], the second where
/// there are two, which is read first. From a tiny precision it takes the way of a run that starts without knowledge.
///
/// # Errors
/// [`ModelError::LowRank`] when the variance isn't finite and above zero.
pub fn unobserved_symmetric(
    n: usize,
    rank: usize,
    prior: impl Denoiser + 'static,
    variance: f64,
) -> Result<LowRankGraph, ModelError> {
    Ok(one(LowRankFactor::unobserved_symmetric(n, variance)?, rank, prior))
}

/// As [`graph`] without data of shape `(m, n)`: to be drawn from, or predicted as [`unobserved_symmetric`].
///
/// # Errors
/// [`ModelError::LowRank`] when the variance isn't finite and above zero.
pub fn unobserved(
    (m, n): (usize, usize),
    rank: usize,
    prior_u: impl Denoiser + 'static,
    prior_v: impl Denoiser + 'static,
    variance: f64,
) -> Result<LowRankGraph, ModelError> {
    Ok(two(LowRankFactor::unobserved(m, n, variance)?, rank, prior_u, prior_v))
}

fn one(factor: LowRankFactor, rank: usize, prior: impl Denoiser + 'static) -> LowRankGraph {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("X", factor.shape().0, rank);
    let priors = vec![builder.prior("prior", x, prior)];
    let data = builder.factor(DATA, factor, &[x]);
    LowRankGraph { builder, unknowns: vec![x], priors, data, start: Start::Spectral }
}

fn two(
    factor: LowRankFactor,
    rank: usize,
    prior_u: impl Denoiser + 'static,
    prior_v: impl Denoiser + 'static,
) -> LowRankGraph {
    let mut builder = GraphBuilder::new();
    let (m, n) = factor.shape();
    let (u, v) = (builder.variable("U", m, rank), builder.variable("V", n, rank));
    let priors =
        vec![builder.prior("prior of U", u, prior_u), builder.prior("prior of V", v, prior_v)];
    let data = builder.factor(DATA, factor, &[u, v]);
    LowRankGraph { builder, unknowns: vec![u, v], priors, data, start: Start::Spectral }
}

/// Name of the factor in reports.
const DATA: &str = "observations";

impl LowRankGraph {
    /// Starts [`fit`](Self::fit) from something else than [`Start::Spectral`].
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Builds the graph and runs it from its [`Start`]; `observer` is told of every sweep (`&mut ()` looks away).
    ///
    /// # Errors
    /// [`ModelError`] when shapes don't fit together, there is no data or the start's parameters are out of range. Not
    /// converging is no error: see the report.
    pub fn fit(self, options: &Options, observer: &mut dyn Observer) -> Result<Fit, ModelError> {
        let Self { builder, unknowns, priors, data, start } = self;
        let graph = builder.build()?;
        let mut run = Inference::new(&graph, options)?;
        start.set(&mut run, &graph, data, &priors)?;
        let solution = run.run(observer)?;
        Ok(Fit::new(unknowns, solution, &mut run))
    }
}
