//! Data that can't be larger or smaller than some limit: clipped sensors, detection limits.

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::number::Number;
use fg_core::special::tail::{Tail, tail};
use fg_core::special::{open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::formula::{self, Formula};
use crate::family::{Piece, Rule, pieces};

/// Noisy data clipped to an interval (the Tobit model).
///
/// # Density
///
/// ```text
/// y = min(max(z + noise, a), b)
/// ```
///
/// Data equal to a limit say only that the noisy unknown is at or beyond it.
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | low `a`, high `b` | - | `a < b`, possibly infinite | limits |
/// | variance | - | `[0, inf)` | of the noise |
///
/// # Estimate
///
/// As that of [`Quantised`](crate::Quantised) for data at a limit, as that of [`Awgn`](crate::Awgn) for all others.
///
/// # Numerical notes and limits
///
/// * By Mills' ratio, stable in both tails. With `gamma = 0` data at a limit are improper.
/// * For a register of entries at a time; some 10 ns an entry.
///
/// # Reference
///
/// J. Tobin, "Estimation of Relationships for Limited Dependent Variables", Econometrica 26 (1958), doi 10.2307/1907382.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let clipped = fg_denoisers::Censored::new(-1.0, 1.0, 0.01)?;
/// let (mut mean, mut variance) = ([0.0; 2], [0.0; 2]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// let cavity = RowCavity::new(0, 1, &[0.0; 2], &[0.0; 2], &[1.0]);
/// clipped.estimate(&[0.5, 1.0], &cavity, &mut out, &mut Scratch::default())?;
/// // The second is at least one, and nobody knows by how much.
/// assert!((mean[0] - 0.5 / 1.01).abs() < 1e-14 && mean[1] > 1.4 && variance[1] > 10.0 * variance[0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Censored {
    low: f64,
    high: f64,
    variance: f64,
    rule: Rule,
}

impl Censored {
    /// Data with noise of this variance, clipped to `[low, high]`; infinite limits are none.
    ///
    /// # Errors
    /// [`ParameterError`] unless `low < high` and `0 <= variance < inf`.
    pub fn new(low: f64, high: f64, variance: f64) -> Result<Self, ParameterError> {
        error::above("high", high, low, "above low")?;
        let variance = error::not_negative("noise variance", variance)?;
        Ok(Self { low, high, variance, rule: Rule::new() })
    }

    /// The limits.
    pub fn limits(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Variance of the noise.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    fn density(&self, y: f64) -> [Piece; 1] {
        [if y <= self.low {
            Piece::line(f64::NEG_INFINITY, self.low, 0.0, 0.0)
        } else if y >= self.high {
            Piece::line(self.high, f64::INFINITY, 0.0, 0.0)
        } else {
            Piece::atom(y, 0.0)
        }]
    }
}

/// The limits under one cavity precision `gamma`; `k = 1 + gamma noise`.
struct Limits {
    low: f64,
    high: f64,
    noise: f64,
    k: f64,
    /// `gamma / k`, that of the unknown with noise.
    precision: f64,
}

impl Formula<2> for Limits {
    const FOURS: bool = true;

    /// The unknown with noise is what was seen between the limits, and a normal tail beyond them; given that, the unknown
    /// is Gaussian.
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let zero = n.constant(0.0);
        let (low, high) = (n.constant(self.low), n.constant(self.high));
        let (noise, share) = (n.constant(self.noise), n.constant(self.k.recip()));
        let deviation = n.constant(self.precision.sqrt().recip());
        let limit = y.if_above(low, high, low);
        let step = y.if_above(low, deviation, -deviation);
        let h = n.mul_add(share, -(limit * n.constant(self.precision))) * step;
        let Tail { mean, variance, .. } = tail(h);
        let inside = (y - low).at_most(high - y);
        let mean = inside.if_above(zero, y, mean.mul_add(step, limit));
        let (own, scale) = (noise * share, deviation * share);
        let variance = inside.if_above(zero, zero, variance * (scale * scale)) + own;
        [own.mul_add(n, mean * share), variance]
    }
}

impl Likelihood for Censored {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let k = 1.0 + cavity.scalar_precision() * self.variance;
        let precision = cavity.scalar_precision() / k;
        if precision > 0.0 {
            let limits =
                Limits { low: self.low, high: self.high, noise: self.variance, k, precision };
            formula::apply_observed(&limits, observed, cavity, out);
            return Ok(());
        }
        let density = |i: usize| self.density(observed[i]);
        pieces::estimate_noisy(density, (self.variance, &self.rule), cavity, out, scratch)
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        let Self { low, high, .. } = self;
        match observed {
            [y] if (*low..=*high).contains(y) => Ok(()),
            _ => Err(format!("value must be from {low} to {high}, got {observed:?}")),
        }
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let density = |i: usize| self.density(observed[i]);
        pieces::log_partition_noisy(density, (self.variance, &self.rule), cavity, out)
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let noise = self.variance.sqrt() * quantile(open_uniform(uniforms[0]));
        y[0] = (z[0] + noise).clamp(self.low, self.high);
    }

    fn name(&self) -> String {
        "censored".to_owned()
    }
}
