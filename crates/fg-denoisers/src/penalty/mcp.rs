//! The minimax concave penalty: a lasso without bias for large entries.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use super::patterns::{Patterns, Pieces};
use super::thresholding::{self, Best, Jump, Jumps, Line, Lines, Rule, Stretch};
use crate::error::{self, ParameterError};

/// The minimax concave penalty (MCP) of each entry: the slope falls from `weight` to zero in a straight line.
///
/// # Density
///
/// ```text
/// f(x) = exp(-sum_j p(|x_j|)),   p(x) = l x - x^2 / (2 b)   up to b l
///                                       b l^2 / 2            beyond
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weight `l` | - | `(0, inf)` | slope of the cost at zero |
/// | shape `b` | - | `(0, inf)` | the slope vanishes from `b l` on |
/// | step | 0.3 | `[0, inf)` | how far from a jump it counts, in deviations of the cavity |
///
/// # Estimate
///
/// The global maximiser of `n'x - x' Gamma x / 2` less the cost. Where columns are independent it is zero where zero is as good,
/// and with `n >= 0`:
///
/// ```text
/// b gamma > 1     0 up to l, then (n - l) / (gamma - 1 / b), from b gamma l on n / gamma: continuous
/// b gamma <= 1    0 up to l sqrt(b gamma), then n / gamma: a jump
/// slope           1 / (gamma - 1 / b) or 1 / gamma or 0
/// log-partition   the maximum
/// ```
///
/// # Numerical notes
///
/// * Where the precision is low the estimate jumps, and the average covariance counts the jumps: to its slope an entry
///   within a step of a jump adds the jump's height over twice the step, on average over rows the jump times their density
///   there. The covariance of a single row near a jump is its share of that average, and no error bar of its own; elsewhere
///   it is the slope, zero where the entry is. How far the average is from that of other rows is declared as
///   [standard error](Scratch::declare). With a precision of its own for each row there is nothing to average
///   over: a step of zero leaves the slope alone.
/// * With `b gamma > 1` nothing jumps, but the cost isn't convex and the slope exceeds `1 / gamma`.
/// * With correlated columns the global maximum is found by branch and bound: entries take their pieces one after the other, and
///   what can't be higher than the best so far with all others free of cost is left out. Its covariance is the inverse of the
///   curvature `Gamma + diag(p'')` of the entries that aren't zero, and where columns jump together `D D'` takes the place
///   of the jump's square, `D` the jump of the row.
/// * The precision must be positive definite, otherwise [`Breakdown::ImproperCavity`], and diagonal with more than eight columns,
///   otherwise [`Breakdown::Form`]: a search may have to look at all patterns.
///
/// # Reference
///
/// C.-H. Zhang, "Nearly unbiased variable selection under minimax concave penalty", Annals of Statistics 38 (2010),
/// doi 10.1214/09-AOS729.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::MinimaxConcave::new(1.0, 2.0)?;
/// let (mut x, mut covariance) = ([0.0; 2], [0.0; 2]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let n = [1.5, -3.0];
/// penalty.estimate(&RowCavity::new(0, 1, &n, &n, &[1.0]), &mut out, &mut Scratch::default())?;
/// assert_eq!(x, [1.0, -3.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MinimaxConcave {
    weight: f64,
    shape: f64,
    jumps: Jumps,
}

impl MinimaxConcave {
    /// The penalty of this weight and shape.
    ///
    /// # Errors
    /// [`ParameterError`] unless both are above zero and finite.
    pub fn new(weight: f64, shape: f64) -> Result<Self, ParameterError> {
        error::positive("weight", weight)?;
        error::positive("shape", shape)?;
        Ok(Self { weight, shape, jumps: Jumps::default() })
    }

    /// The same with another step for jumps, in deviations of the cavity. Default: 0.3.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= step < inf`.
    pub fn with_step(self, step: f64) -> Result<Self, ParameterError> {
        Ok(Self { jumps: Jumps::with_step(step)?, ..self })
    }

    /// Cost of a small unit of absolute value.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// The slope of the cost vanishes from the weight times this on.
    pub fn shape(&self) -> f64 {
        self.shape
    }

    /// How far from a jump it counts, in deviations of the cavity.
    pub fn step(&self) -> f64 {
        self.jumps.step()
    }

    fn stretches(&self) -> [Stretch; 2] {
        let (l, b) = (self.weight, self.shape);
        let near = Stretch { end: b * l, constant: 0.0, slope: l, curvature: -1.0 / b };
        let top = 0.5 * b * l * l;
        [near, Stretch { end: f64::INFINITY, constant: top, slope: 0.0, curvature: 0.0 }]
    }
}

impl Rule for MinimaxConcave {
    type Curve = Lines<2>;
    type Search = Patterns;

    fn curve(&self, gamma: f64) -> Lines<2> {
        let (l, b) = (self.weight, self.shape);
        let far = |from: f64| Line { from, offset: 0.0, slope: gamma.recip() };
        if b * gamma > 1.0 {
            let near = Line { from: l, offset: l, slope: (gamma - b.recip()).recip() };
            return Lines([near, far(b * gamma * l)]);
        }
        Lines([far(l * (b * gamma).sqrt()), Line::NONE])
    }

    fn best(&self, n: f64, gamma: f64) -> Best {
        thresholding::highest(&self.stretches(), n, gamma)
    }

    fn search(&self, precision: &[f64], d: usize) -> Option<Patterns> {
        Patterns::new(Pieces::even(&self.stretches()), precision, d)
    }

    /// From zero to beyond where the cost is flat; continuous where the maximand is concave.
    fn jump(&self, gamma: f64) -> Option<Jump> {
        let at = self.weight * (self.shape * gamma).sqrt();
        (self.shape * gamma <= 1.0).then(|| Jump { at, height: at / gamma })
    }
}

impl Denoiser for MinimaxConcave {
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
        "MinimaxConcave".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::thresholding::tests::{check_global, check_jumps};
    use super::*;

    #[test]
    fn it_is_the_global_maximiser_and_its_jumps_count() {
        let penalty = MinimaxConcave::new(0.8, 1.5).unwrap();
        let cost = |x: f64| if x < 1.2 { 0.8 * x - x * x / 3.0 } else { 0.48 };
        check_global(&penalty, cost);
        for gamma in [0.1, 0.6, 3.0] {
            check_jumps(&penalty, gamma, 6.0 * (1.0 + gamma));
        }
        // Continuous: next to the kink at 0.8 the slope alone counts, zero before it and 3 behind.
        let n = [0.501, 0.799, 0.801, 1.19, 1.21];
        let (mut x, mut covariance) = ([0.0; 5], [0.0; 5]);
        let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
        let cavity = RowCavity::new(0, 1, &n, &n, &[1.0]);
        penalty.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        for (found, expected) in covariance.iter().zip([0.0, 0.0, 3.0, 3.0, 1.0]) {
            assert!((found - expected).abs() < 1e-14, "{covariance:?}");
        }
        assert!(
            MinimaxConcave::new(0.0, 1.0).is_err() && MinimaxConcave::new(1.0, f64::NAN).is_err()
        );
    }
}
