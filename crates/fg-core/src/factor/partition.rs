//! What log-partition functions share: why there is none, and the exponent of a message at given values.

use core::f64::consts::TAU;
use core::fmt;

use super::Breakdown;
use crate::message::{Message, small};
use crate::rows::Rows;

/// A factor has no log-partition function under its cavities.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PartitionError {
    /// It doesn't know any.
    Unknown,
    /// It knows that of the other kind of estimation only: the integral where the maximum is asked for, or the reverse.
    Estimation,
    /// The integral doesn't exist or couldn't be computed.
    Breakdown(Breakdown),
}

impl fmt::Display for PartitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("log-partition function isn't known"),
            Self::Estimation => {
                f.write_str("log-partition function is known for the other kind of estimation only")
            }
            Self::Breakdown(breakdown) => breakdown.fmt(f),
        }
    }
}

impl core::error::Error for PartitionError {}

impl From<Breakdown> for PartitionError {
    fn from(breakdown: Breakdown) -> Self {
        Self::Breakdown(breakdown)
    }
}

/// Sum over the rows of block `b` of `n . x - x Gamma x' / 2` at `values`; a known block has no exponent.
pub(crate) fn block_exponent(message: &Message, b: usize, values: &Rows) -> f64 {
    if message.precision().is_infinite(b) {
        return 0.0;
    }
    let (d, gamma) = (values.columns(), message.precision().block(b));
    let row = |i: usize| {
        let (n, x) = (message.natural().row(i), values.row(i));
        let linear: f64 = n.iter().zip(x).map(|(n, x)| n * x).sum();
        linear - 0.5 * small::bilinear(x, gamma, x, d)
    };
    message.layout().range(b).map(row).sum()
}

/// The same over all rows that aren't known.
pub(crate) fn exponent(message: &Message, values: &Rows) -> f64 {
    (0..message.precision().blocks()).map(|b| block_exponent(message, b, values)).sum()
}

/// `log int exp(-x Gamma x' / 2) dx = (d log 2 pi - log det Gamma) / 2` of a `d x d` precision; none where it isn't positive
/// definite.
pub(crate) fn log_volume(precision: &[f64], d: usize) -> Option<f64> {
    log_determinant(precision, d).map(|log| 0.5 * (d as f64 * TAU.ln() - log))
}

/// `log det` of a positive definite `d x d` matrix; none where it isn't.
pub(crate) fn log_determinant(matrix: &[f64], d: usize) -> Option<f64> {
    let mut root = matrix.to_vec();
    small::cholesky(&mut root, d).ok()?;
    Some((0..d).map(|j| 2.0 * root[j * d + j].ln()).sum())
}
