//! The second layer of linear units with noise: a Gaussian in the hidden row, whose covariance is that of all rows.

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;
use fg_core::special::number::Number;

use super::TwoLayer;
use crate::family::formula::{self, Formula};

/// Answers rows with mean `S (n + lambda W2 (y - b2))` and covariance `S = (Gamma + lambda W2 W2')^-1`.
pub(super) fn estimate(
    network: &TwoLayer,
    lambda: f64,
    (observed, cavity): (&[f64], &RowCavity<'_>),
    out: &mut RowEstimate<'_>,
    scratch: &mut Scratch,
) -> Result<(), Breakdown> {
    let (d, outputs) = network.weights.shape();
    let size = d * d;
    let (s, rest) = scratch.slice(4 * size + d).split_at_mut(size);
    let (precision, rest) = rest.split_at_mut(size);
    let (pull, work) = rest.split_at_mut(d);
    network.gram(precision);
    for (p, gamma) in precision.iter_mut().zip(cavity.precision()) {
        *p = lambda.mul_add(*p, *gamma);
    }
    small::invert_positive(precision, s, work, d)
        .map_err(|_| Breakdown::ImproperCavity { port: 0, row: cavity.first_row() })?;
    if let ([s], [bias]) = (&*s, &*network.bias) {
        let column = Column { s: *s, pull: lambda * network.weights.row(0)[0], bias: *bias };
        formula::apply_observed(&column, observed, cavity, out);
        return Ok(());
    }
    for (i, data) in observed.chunks_exact(outputs).enumerate() {
        let n = &cavity.natural()[i * d..(i + 1) * d];
        for (j, (pull, n)) in pull.iter_mut().zip(n).enumerate() {
            let residuals = data.iter().zip(&network.bias).map(|(y, b)| y - b);
            let sum: f64 = network.weights.row(j).iter().zip(residuals).map(|(w, r)| w * r).sum();
            *pull = lambda.mul_add(sum, *n);
        }
        small::row_times(pull, s, &mut out.mean[i * d..(i + 1) * d], d);
        out.covariance[i * size..(i + 1) * size].copy_from_slice(s);
    }
    Ok(())
}

/// One unit and one output.
struct Column {
    s: f64,
    pull: f64,
    bias: f64,
}

impl Formula<2> for Column {
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let s = n.constant(self.s);
        [s * (y - n.constant(self.bias)).mul_add(n.constant(self.pull), n), s]
    }
}
