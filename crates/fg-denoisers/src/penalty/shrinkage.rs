//! The proximal operator of `l1 |x|_1 + l2 x'x / 2`, which L1 and the elastic net share.

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::number::Number;

use super::piecewise::{Piece, Piecewise};
use crate::family::formula::{self, Formula};

/// The two weights of a penalty `l1 |x|_1 + l2 x'x / 2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shrinkage {
    pub(super) l1: f64,
    pub(super) l2: f64,
}

/// The soft threshold: what of `n` lies beyond the weight on either side, over the curvature.
struct Soft {
    weight: f64,
    variance: f64,
}

impl Formula<1> for Soft {
    const FOURS: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let (weight, variance) = (n.constant(self.weight), n.constant(self.variance));
        let held = n.within(-weight, weight);
        [(n - held) * variance, n.abs().if_above(weight, variance, n.constant(0.0))]
    }
}

impl Shrinkage {
    fn cost(self) -> Piecewise {
        let piece = |slope| Piece::new(0.0, slope, self.l2);
        Piecewise::one_kink(0.0, [piece(-self.l1), piece(self.l1)])
    }

    /// Minimisers of `l1 |x|_1 + l2 x'x / 2 + x' Gamma x / 2 - n'x` and their derivatives with respect to `n`.
    ///
    /// By column where `Gamma` is diagonal, by an exact active-set method a row otherwise.
    pub(super) fn estimate(
        self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        if cavity.columns() == 1 {
            self.one_column(cavity, out)
        } else if cavity.is_diagonal() {
            self.by_column(cavity, out)
        } else {
            self.cost().estimate(cavity, out, scratch)
        }
    }

    /// Maxima of `n'x - x' Gamma x / 2 - l1 |x|_1 - l2 x'x / 2`; infinite where there is none.
    ///
    /// At the maximiser `x' H x = x'(n - l1 sign x)`, so the maximum is half of `x'(n - l1 sign x)`: no cancellation.
    pub(super) fn log_partition(self, cavity: &RowCavity<'_>, out: &mut [f64]) {
        let d = cavity.columns();
        if !cavity.is_diagonal() {
            self.cost().log_partition(cavity, None, out);
            return;
        }
        for (i, out) in out.iter_mut().enumerate() {
            *out = (0..d)
                .map(|j| {
                    let h = cavity.precision()[j * d + j] + self.l2;
                    let over = cavity.natural()[i * d + j].abs() - self.l1;
                    if over > 0.0 { 0.5 * over * over / h } else { 0.0 }
                })
                .sum();
        }
    }

    fn one_column(
        self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
    ) -> Result<(), Breakdown> {
        let curvature = cavity.scalar_precision() + self.l2;
        if !(curvature > 0.0) {
            return self.by_column(cavity, out);
        }
        formula::apply(&Soft { weight: self.l1, variance: curvature.recip() }, cavity, out);
        Ok(())
    }

    fn by_column(self, cavity: &RowCavity<'_>, out: &mut RowEstimate<'_>) -> Result<(), Breakdown> {
        let d = cavity.columns();
        for i in 0..cavity.len() {
            let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
            covariance.fill(0.0);
            for j in 0..d {
                let n = cavity.natural()[i * d + j];
                let over = n.abs() - self.l1;
                let curvature = cavity.precision()[j * d + j] + self.l2;
                if !(over > 0.0) {
                    out.mean[i * d + j] = 0.0;
                    continue;
                }
                // The pull exceeds the penalty and nothing holds the entry back.
                if !(curvature > 0.0) {
                    let row = cavity.first_row() + i;
                    return Err(Breakdown::ImproperCavity { port: 0, row });
                }
                out.mean[i * d + j] = (over / curvature).copysign(n);
                covariance[j * d + j] = 1.0 / curvature;
            }
        }
        Ok(())
    }
}
