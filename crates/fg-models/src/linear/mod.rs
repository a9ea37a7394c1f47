//! The linear inverse problem `Y = A X + noise`: the generalised linear model whose data are `A X` with white Gaussian
//! noise.

pub(crate) mod dependence;
mod learning;

pub use learning::sparse;

use fg_core::Rows;
use fg_core::denoiser::Denoiser;
use fg_core::operator::LinearOperator;
use fg_denoisers::likelihood::Awgn;

use crate::ModelError;
use crate::generalised::{self, GeneralisedGraph};

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
/// let fit = model.fit(&Options::default(), &mut ())?;
/// assert_eq!(fit.estimate().shape(), (2, 1));
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
) -> Result<GeneralisedGraph, ModelError> {
    Ok(generalised::graph(operator, prior, Awgn::new(noise_precision)?, observations))
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
) -> Result<GeneralisedGraph, ModelError> {
    Ok(generalised::unobserved(operator, columns, prior, Awgn::new(noise_precision)?))
}

/// `A X` (`m x d`) for a signal `X` (`n x d`): the observations without noise. An operator of `n d` inputs, as a complex one,
/// takes all entries at once.
///
/// # Panics
/// When the signal has neither a row nor an entry for each input of the operator.
#[track_caller]
pub fn outputs(operator: &dyn LinearOperator, signal: &Rows) -> Rows {
    let (n, d) = signal.shape();
    let inputs = operator.inputs();
    assert!(inputs == n || inputs == n * d, "{inputs} inputs of an operator, {n} x {d} signal");
    let (columns, mixed) = if inputs == n { (d, 1) } else { (1, d) };
    let mut outputs = Rows::zeros(operator.outputs() / mixed, d);
    operator.apply(signal.as_slice(), outputs.as_mut_slice(), columns);
    outputs
}
