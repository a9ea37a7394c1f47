//! The cost of a support vector machine: its maximiser, and the mean of what it is the logarithm of.

use fg_core::denoiser::{Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::number::Number;

use crate::error::{self, ParameterError};
use crate::family::formula::{self, Formula};
use crate::family::label;
use crate::family::ridge::Ridge;
use crate::family::{Piece, Rule, pieces};

/// Labels -1 and 1 that should lie on their side of a margin: the hinge cost of support vector machines.
///
/// # Density
///
/// ```text
/// exp(-c max(0, 1 - y z)),      y = -1 or 1
/// ```
///
/// It is no law of labels: it doesn't sum to one.
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weight `c` | - | `(0, inf)` | slope of the cost |
///
/// # Estimate
///
/// The maximiser, of `u = y z` with `a = y n`, and the slope of the estimate in `n`:
///
/// ```text
/// a >= gamma            u = a / gamma           1 / gamma
/// a + c <= gamma        u = (a + c) / gamma     1 / gamma
/// else                  u = 1                   0
/// ```
///
/// After [`averaged`](Self::averaged) mean and variance of the density: on either side of the margin a Gaussian that is cut
/// off there.
///
/// # Numerical notes and limits
///
/// * With `gamma = 0` it is improper unless `-c < y n < 0`.
/// * Some 10 nanoseconds a row; averaged two tails of the normal law.
///
/// # Reference
///
/// C. Cortes and V. Vapnik, "Support-vector networks", Machine Learning 20 (1995), doi 10.1007/BF00994018.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let margin = fg_denoisers::Hinge::new(1.0)?;
/// let (mut mean, mut variance) = ([0.0; 3], [0.0; 3]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// let cavity = RowCavity::new(0, 1, &[3.0, 0.5, -2.0], &[3.0, 0.5, -2.0], &[1.0]);
/// margin.estimate(&[1.0; 3], &cavity, &mut out, &mut Scratch::default())?;
/// assert_eq!(mean, [3.0, 1.0, -1.0]); // right, at the margin, pulled towards it
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Hinge {
    weight: f64,
    estimation: Estimation,
    rule: Rule,
}

impl Hinge {
    /// The cost of this slope, answered by maximisers.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < weight < inf`.
    pub fn new(weight: f64) -> Result<Self, ParameterError> {
        let weight = error::positive("weight", weight)?;
        Ok(Self { weight, estimation: Estimation::Map, rule: Rule::new() })
    }

    /// The same cost, answered by means of `exp(-cost)`. Default: maximisers.
    #[must_use]
    pub fn averaged(self) -> Self {
        Self { estimation: Estimation::Mmse, ..self }
    }

    /// Slope of the cost.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    fn density(&self, y: f64) -> [Piece; 2] {
        // Ascending in z: for the label -1 the margin is at -1 and the cost on its right.
        let (left, right) = if y > 0.0 { (self.weight, 0.0) } else { (0.0, -self.weight) };
        [Piece::line(f64::NEG_INFINITY, y, 0.0, left), Piece::line(y, f64::INFINITY, 0.0, right)]
    }

    /// The maximiser and its slope for the label 1; none where there is none.
    fn nearest(&self, a: f64, gamma: f64) -> Option<(f64, f64)> {
        let own = a - gamma;
        if gamma == 0.0 && (own >= 0.0 || own + self.weight <= 0.0) {
            return None;
        }
        Some(if own >= 0.0 {
            (a / gamma, gamma.recip())
        } else if own + self.weight <= 0.0 {
            ((a + self.weight) / gamma, gamma.recip())
        } else {
            (1.0, 0.0)
        })
    }
}

/// The cost under one positive cavity precision.
struct Margin {
    weight: f64,
    gamma: f64,
    /// `1 / sqrt(gamma)`.
    deviation: f64,
}

impl Margin {
    /// What pulls the unknown, turned to the side of its label, up where it is one, and what the cost holds against.
    #[inline(always)]
    fn pull<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        [y.mul_add(n, n.constant(-self.gamma)), n.constant(self.weight)]
    }
}

/// Means.
struct Averaged(Margin);

impl Formula<2> for Averaged {
    /// The cost is convex: there is one peak.
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let Self(margin) = self;
        let ([above, weight], deviation) = (margin.pull([n, y]), n.constant(margin.deviation));
        let sides = Ridge::new(above * deviation, -((above + weight) * deviation));
        let [mean, variance] = sides.moments();
        [y.mul_add(mean * deviation, y), variance * (deviation * deviation)]
    }
}

/// Maximisers.
struct Nearest(Margin);

impl Formula<2> for Nearest {
    const FOURS: bool = true;

    /// What of the pull is beyond what the cost holds against, on either side.
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let Self(margin) = self;
        let ([above, weight], zero) = (margin.pull([n, y]), n.constant(0.0));
        let variance = n.constant(margin.deviation * margin.deviation);
        let beyond = above - above.within(-weight, zero);
        [y.mul_add(beyond * variance, y), beyond.abs().if_above(zero, variance, zero)]
    }
}

impl Likelihood for Hinge {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let gamma = cavity.scalar_precision();
        if gamma > 0.0 {
            let margin = Margin { weight: self.weight, gamma, deviation: gamma.sqrt().recip() };
            if self.estimation == Estimation::Mmse {
                formula::apply_observed(&Averaged(margin), observed, cavity, out);
            } else {
                formula::apply_observed(&Nearest(margin), observed, cavity, out);
            }
            return Ok(());
        }
        if self.estimation == Estimation::Mmse {
            let density = |i: usize| self.density(observed[i]);
            return pieces::estimate(density, &self.rule, cavity, out, scratch);
        }
        for (i, (&n, &y)) in cavity.natural().iter().zip(observed).enumerate() {
            let row = cavity.first_row() + i;
            let (u, slope) =
                self.nearest(y * n, gamma).ok_or(Breakdown::ImproperCavity { port: 0, row })?;
            (out.mean[i], out.covariance[i]) = (y * u, slope);
        }
        Ok(())
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn estimation(&self) -> Estimation {
        self.estimation
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        label::check(observed)
    }

    /// False where a row is improper.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        if self.estimation == Estimation::Mmse {
            return pieces::log_partition(|i| self.density(observed[i]), &self.rule, cavity, out);
        }
        let gamma = cavity.scalar_precision();
        for (out, (&n, &y)) in out.iter_mut().zip(cavity.natural().iter().zip(observed)) {
            let Some((u, _)) = self.nearest(y * n, gamma) else { return false };
            let cost = self.weight * (1.0 - u).max(0.0);
            *out = u * (y * n - 0.5 * gamma * u) - cost;
        }
        true
    }

    fn name(&self) -> String {
        "hinge".to_owned()
    }
}
