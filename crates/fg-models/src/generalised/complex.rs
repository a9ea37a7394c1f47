//! The generalised linear model of a complex signal, kept as its real and imaginary parts.

use fg_core::Rows;
use fg_core::denoiser::{Denoiser, Likelihood};
use fg_core::operator::LinearOperator;

use super::{DATA, GeneralisedGraph, assemble};

/// Columns of a complex variable: real and imaginary part.
const PARTS: usize = 2;

/// As [`graph`](super::graph), for a complex signal (`n x 2`: real and imaginary parts) and a complex operator, such as
/// [`Complex`](fg_core::operator::Complex); messages have one precision for both parts. A complex variance `v` is `v / 2` of
/// each part.
///
/// ```
/// use fg_core::{Options, Rows, operator::Complex};
/// use fg_denoisers::{Awgn, Discrete};
/// use fg_models::generalised;
///
/// // A symbol is multiplied by i.
/// let channel = Complex::from_parts(&Rows::column(vec![0.0]), &Rows::column(vec![1.0]))?;
/// let received = Rows::from_fn(1, 2, |_, j| [-0.8, 0.6][j]);
/// let model = generalised::complex(channel, Discrete::qpsk(), Awgn::new(100.0)?, received);
/// let fit = model.fit(&Options::default(), &mut ())?;
/// assert!(fit.estimate().row(0).iter().all(|part| *part > 0.7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn complex(
    operator: impl LinearOperator + 'static,
    prior: impl Denoiser + 'static,
    likelihood: impl Likelihood + 'static,
    data: Rows,
) -> GeneralisedGraph {
    assemble(operator, PARTS, true, prior, |builder, output| {
        builder.likelihood(DATA, output, data, likelihood)
    })
}

/// As [`complex`], without data: to be drawn from, or predicted, for which
/// [`Ensemble::complex`](fg_core::operator::Ensemble::complex) will do.
pub fn complex_unobserved(
    operator: impl LinearOperator + 'static,
    prior: impl Denoiser + 'static,
    likelihood: impl Likelihood + 'static,
) -> GeneralisedGraph {
    assemble(operator, PARTS, true, prior, |builder, output| {
        builder.unobserved(DATA, output, likelihood)
    })
}
