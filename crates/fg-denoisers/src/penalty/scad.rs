//! The smoothly clipped absolute deviation: a lasso that lets large entries go.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::number::Number;

use super::patterns::{Patterns, Pieces};
use super::thresholding::{self, Best, Curve, Jump, Jumps, Line, Lines, Rule, Stretch};
use crate::error::{self, ParameterError};

/// The smoothly clipped absolute deviation (SCAD) of each entry.
///
/// # Density
///
/// ```text
/// f(x) = exp(-sum_j p(|x_j|)),   p(x) = l x                                       up to l
///                                       (2 a l x - x^2 - l^2) / (2 (a - 1))       up to a l
///                                       (a + 1) l^2 / 2                           beyond
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weight `l` | - | `(0, inf)` | slope of the cost up to `l` |
/// | shape `a` | - | `(2, inf)` | the slope vanishes from `a l` on; 3.7 is usual |
/// | step | 0.3 | `[0, inf)` | how far from a jump it counts, in deviations of the cavity |
///
/// # Estimate
///
/// The global maximiser of `n'x - x' Gamma x / 2` less the cost. Where columns are independent it is zero where zero is as good,
/// and with `n >= 0`:
///
/// ```text
/// estimate        the best of 0 and the stationary points of the three pieces
///                 (n - l) / gamma,   (n - a l / (a - 1)) / (gamma - 1 / (a - 1)),   n / gamma
/// slope           1 over the divisor of the piece, or 0
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
/// * With `gamma > 1 / (a - 1)` nothing jumps, but the cost isn't convex and the slope exceeds `1 / gamma`.
/// * With correlated columns the global maximum is found by branch and bound: entries take their pieces one after the other, and
///   what can't be higher than the best so far with all others free of cost is left out. Its covariance is the inverse of the
///   curvature `Gamma + diag(p'')` of the entries that aren't zero, and where columns jump together `D D'` takes the place
///   of the jump's square, `D` the jump of the row.
/// * The precision must be positive definite, otherwise [`Breakdown::ImproperCavity`], and diagonal with more than eight columns,
///   otherwise [`Breakdown::Form`]: a search may have to look at all patterns, of which there are `6^d`; it takes 50 microseconds a
///   row of four columns under a low precision, and a thousand times as long at eight.
///
/// # Reference
///
/// J. Fan and R. Li, "Variable Selection via Nonconcave Penalized Likelihood and Its Oracle Properties", Journal of the
/// American Statistical Association 96 (2001), doi 10.1198/016214501753382273.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::Scad::new(1.0, 3.5)?;
/// let (mut x, mut covariance) = ([0.0; 2], [0.0; 2]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let n = [1.5, -4.0];
/// penalty.estimate(&RowCavity::new(0, 1, &n, &n, &[1.0]), &mut out, &mut Scratch::default())?;
/// assert_eq!(x, [0.5, -4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scad {
    weight: f64,
    shape: f64,
    jumps: Jumps,
}

impl Scad {
    /// The penalty of this weight and shape.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < weight < inf` and `2 < shape < inf`.
    pub fn new(weight: f64, shape: f64) -> Result<Self, ParameterError> {
        error::positive("weight", weight)?;
        error::above("shape", error::finite("shape", shape)?, 2.0, "above 2")?;
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

    fn stretches(&self) -> [Stretch; 3] {
        let (l, a) = (self.weight, self.shape);
        let bend = 1.0 / (a - 1.0);
        let near = Stretch { end: l, constant: 0.0, slope: l, curvature: 0.0 };
        let middle = Stretch {
            end: a * l,
            constant: -0.5 * l * l * bend,
            slope: a * l * bend,
            curvature: -bend,
        };
        let top = 0.5 * (a + 1.0) * l * l;
        let far = Stretch { end: f64::INFINITY, constant: top, slope: 0.0, curvature: 0.0 };
        [near, middle, far]
    }
}

/// The maximiser under one precision.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proximal {
    /// Where the exponent is concave.
    Continuous(Released),
    Jumping(Lines<2>),
}

/// `n` over the precision, less what the cost holds back: that of the first piece, which the middle one lets go in a straight line,
/// and which is nothing beyond. No line has to be chosen for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Released {
    /// How much of a unit the first and the last piece keep.
    slope: f64,
    /// What is held back at most, and where the middle piece's line meets zero and how steeply it falls there.
    held: f64,
    top: f64,
    fall: f64,
    /// The middle piece's slope.
    steep: f64,
}

impl Curve for Proximal {
    #[inline(always)]
    fn at<N: Number>(&self, n: N) -> [N; 2] {
        self.odd(n)
    }

    #[inline(always)]
    fn odd<N: Number>(&self, n: N) -> [N; 2] {
        match self {
            Self::Continuous(released) => released.odd(n),
            Self::Jumping(lines) => lines.odd(n),
        }
    }
}

impl Released {
    #[inline(always)]
    fn odd<N: Number>(&self, n: N) -> [N; 2] {
        let (zero, size) = (n.constant(0.0), n.abs());
        let alike = n.constant(self.slope);
        let free = n * alike;
        let line = size.mul_add(n.constant(-self.fall), n.constant(self.top));
        let held = line.within(zero, n.constant(self.held));
        let x = free - free.within(-held, held);
        // Nothing is bounded in the middle piece.
        let slope = held.if_equal(line, n.constant(self.steep), alike);
        [x, x.if_equal(zero, zero, slope)]
    }
}

impl Rule for Scad {
    type Curve = Proximal;
    type Search = Patterns;

    fn curve(&self, gamma: f64) -> Proximal {
        let (l, a) = (self.weight, self.shape);
        let line = |from: f64, offset: f64| Line { from, offset, slope: gamma.recip() };
        let flat = (a + 1.0) * gamma;
        if (a - 1.0) * gamma > 1.0 {
            let (slope, bend) = (gamma.recip(), 1.0 / (a - 1.0));
            let steep = (gamma - bend).recip();
            // The difference of both slopes.
            let fall = bend * slope * steep;
            return Proximal::Continuous(Released {
                slope,
                held: l * slope,
                top: fall * (a * l * gamma),
                fall,
                steep,
            });
        }
        Proximal::Jumping(if flat < 1.0 {
            Lines([line(l * flat.sqrt(), 0.0), Line::NONE])
        } else {
            Lines([line(l, l), line(0.5 * l * (1.0 + flat), 0.0)])
        })
    }

    fn best(&self, n: f64, gamma: f64) -> Best {
        thresholding::highest(&self.stretches(), n, gamma)
    }

    fn search(&self, precision: &[f64], d: usize) -> Option<Patterns> {
        Patterns::new(Pieces::even(&self.stretches()), precision, d)
    }

    /// From zero or from the first piece to the last, over the middle one that has no maximum; continuous where it has.
    fn jump(&self, gamma: f64) -> Option<Jump> {
        let (l, a) = (self.weight, self.shape);
        if (a - 1.0) * gamma > 1.0 {
            return None;
        }
        // Where the last piece is as high as zero, and as the first piece from where on that is above zero.
        let flat = (a + 1.0) * gamma;
        let (at, from) = if flat < 1.0 {
            (l * flat.sqrt(), 0.0)
        } else {
            (0.5 * l * (1.0 + flat), 0.5 * l * (flat - 1.0) / gamma)
        };
        Some(Jump { at, height: at / gamma - from })
    }
}

impl Denoiser for Scad {
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
        "Scad".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::thresholding::tests::{check_global, check_jumps};
    use super::*;

    #[test]
    fn it_is_the_global_maximiser_and_its_jumps_count() {
        let penalty = Scad::new(0.8, 3.7).unwrap();
        let cost = |x: f64| match x {
            x if x < 0.8 => 0.8 * x,
            x if x < 2.96 => (5.92 * x - x * x - 0.64) / 5.4,
            _ => 1.504,
        };
        check_global(&penalty, cost);
        for gamma in [0.1, 0.3, 3.0] {
            check_jumps(&penalty, gamma, 6.0 * (1.0 + gamma));
        }
        assert!(Scad::new(1.0, 2.0).is_err() && Scad::new(f64::NAN, 3.0).is_err());
    }
}
