//! The L0 penalty, whose proximal operator is the hard threshold.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use super::patterns::{Patterns, Pieces};
use super::thresholding::{self, Best, Jump, Jumps, Kept, Rule, Stretch};
use crate::error::{self, ParameterError};

/// The penalty `weight` for each entry that isn't zero.
///
/// # Density
///
/// ```text
/// f(x) = exp(-l (number of j with x_j != 0))
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weight `l` | - | `[0, inf)` | cost of an entry that isn't zero |
/// | step | 0.3 | `[0, inf)` | how far from a jump it counts, in deviations of the cavity |
///
/// # Estimate
///
/// The global maximiser of `n'x - x' Gamma x / 2` less the cost. Where columns are independent it is zero where zero is as good,
/// and with `n >= 0`:
///
/// ```text
/// estimate        n / gamma where n^2 > 2 l gamma, else 0
/// slope           1 / gamma where the estimate is not zero, else 0
/// log-partition   the maximum
/// ```
///
/// # Numerical notes
///
/// * The estimate jumps, and the average covariance counts the jumps: to its slope an entry
///   within a step of a jump adds the jump's height over twice the step, on average over rows the jump times their density
///   there. The covariance of a single row near a jump is its share of that average, and no error bar of its own; elsewhere
///   it is the slope, zero where the entry is. How far the average is from that of other rows is declared as
///   [standard error](Scratch::declare). With a precision of its own for each row there is nothing to average
///   over: a step of zero leaves the slope alone.
/// * The jump has the height `sqrt(2 l / gamma)`.
/// * With correlated columns the global maximum is found by branch and bound: entries take their pieces one after the other, and
///   what can't be higher than the best so far with all others free of cost is left out. Its covariance is the inverse of the
///   curvature `Gamma + diag(p'')` of the entries that aren't zero, and where columns jump together `D D'` takes the place
///   of the jump's square, `D` the jump of the row.
/// * The precision must be positive definite, otherwise [`Breakdown::ImproperCavity`], and diagonal with more than eight columns,
///   otherwise [`Breakdown::Form`]: a search may have to look at all patterns.
///
/// # Reference
///
/// T. Blumensath and M. Davies, "Iterative Thresholding for Sparse Approximations", Journal of Fourier Analysis and
/// Applications 14 (2008), doi 10.1007/s00041-008-9035-z.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::HardThreshold::new(2.0)?;
/// let (mut x, mut covariance) = ([0.0; 2], [0.0; 2]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let n = [1.9, -3.0];
/// penalty.estimate(&RowCavity::new(0, 1, &n, &n, &[1.0]), &mut out, &mut Scratch::default())?;
/// assert_eq!(x, [0.0, -3.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HardThreshold {
    weight: f64,
    jumps: Jumps,
}

impl HardThreshold {
    /// The penalty of this weight.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= weight < inf`.
    pub fn new(weight: f64) -> Result<Self, ParameterError> {
        Ok(Self { weight: error::not_negative("weight", weight)?, jumps: Jumps::default() })
    }

    /// The same with another step for jumps, in deviations of the cavity. Default: 0.3.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= step < inf`.
    pub fn with_step(self, step: f64) -> Result<Self, ParameterError> {
        Ok(Self { jumps: Jumps::with_step(step)?, ..self })
    }

    /// Cost of an entry that isn't zero.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// How far from a jump it counts, in deviations of the cavity.
    pub fn step(&self) -> f64 {
        self.jumps.step()
    }

    fn stretches(&self) -> [Stretch; 1] {
        [Stretch { end: f64::INFINITY, constant: self.weight, slope: 0.0, curvature: 0.0 }]
    }
}

impl Rule for HardThreshold {
    type Curve = Kept;
    type Search = Patterns;

    fn curve(&self, gamma: f64) -> Kept {
        Kept { from: (2.0 * self.weight * gamma).sqrt(), slope: gamma.recip() }
    }

    fn best(&self, n: f64, gamma: f64) -> Best {
        thresholding::highest(&self.stretches(), n, gamma)
    }

    fn search(&self, precision: &[f64], d: usize) -> Option<Patterns> {
        Patterns::new(Pieces::even(&self.stretches()), precision, d)
    }

    fn jump(&self, gamma: f64) -> Option<Jump> {
        let at = (2.0 * self.weight * gamma).sqrt();
        (at > 0.0).then(|| Jump { at, height: at / gamma })
    }
}

impl Denoiser for HardThreshold {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        self.jumps.estimate(self, cavity, out, scratch)
    }

    fn estimation(&self) -> Estimation {
        Estimation::Map
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        thresholding::log_partition(self, cavity, out)
    }

    fn name(&self) -> String {
        "HardThreshold".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::thresholding::tests::{check_global, check_jumps};
    use super::*;

    #[test]
    fn it_is_the_global_maximiser_and_its_jumps_count() {
        let penalty = HardThreshold::new(0.8).unwrap();
        check_global(&penalty, |x| if x == 0.0 { 0.0 } else { 0.8 });
        check_jumps(&penalty, 0.7, 4.0);
        check_jumps(&penalty, 50.0, 100.0);
        assert!(HardThreshold::new(-1.0).is_err() && HardThreshold::new(f64::NAN).is_err());
    }
}
