//! Entries of any density, given by its values on a grid.

use fg_core::denoiser::{Denoiser, Law, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::open_uniform;

use crate::error::{self, ParameterError};
use crate::family::{Piece, Rule, pieces};

/// A density whose logarithm is linear between the points of a grid, and which vanishes outside: entries of a variable of one
/// column.
///
/// # Density
///
/// ```text
/// log f(x) = log f_k + (x - x_k) (log f_(k+1) - log f_k) / (x_(k+1) - x_k) - log Z      for x_k < x < x_(k+1)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | points `x` | - | finite, ascending | two or more |
/// | log-densities | - | finite | at the points, up to a common constant; `Z` is found |
///
/// # Estimate
///
/// Between two points the posterior is a Gaussian, or without precision an exponential, cut off at both: mass, mean and variance
/// of each, put together by their masses.
///
/// # Numerical notes and limits
///
/// * Exact for the density as it is, up to rounding: a recurrence of moments where the density changes little within a piece, what is beyond
///   one end taken off a half line elsewhere. Masses are compared by their logarithms, so that no precision or mean underflows. The variance is a sum of positive
///   terms.
/// * A smooth density is met to second order in the distance of the points.
/// * Two exponentials a piece and a recurrence where it is short, two tails where it isn't.
///
/// # Reference
///
/// W. R. Gilks and P. Wild, "Adaptive Rejection Sampling for Gibbs Sampling", Applied Statistics 41 (1992), doi
/// 10.2307/2347565: laws that are exponential piece by piece.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// // A triangle on a logarithmic scale: exponential to both sides.
/// let prior = fg_denoisers::Tabulated::new(&[-5.0, 0.0, 5.0], &[-5.0, 0.0, -5.0])?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// prior.estimate(&RowCavity::new(0, 1, &[0.0], &[0.0], &[0.0]), &mut out, &mut Scratch::default())?;
/// assert!(mean[0].abs() < 1e-15 && variance[0] > 1.7 && variance[0] < 2.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Tabulated {
    points: Vec<f64>,
    /// Normalised.
    log_density: Vec<f64>,
    /// Share of the mass to the left of each point.
    below: Vec<f64>,
    density: Vec<Piece>,
    rule: Rule,
}

/// `log int_0^length exp(slope t) dt`.
fn log_mass(slope: f64, length: f64) -> f64 {
    // From the end where it is largest: no exponential overflows.
    let fall = slope.abs() * length;
    let share = if fall > 0.0 { -(-fall).exp_m1() / fall } else { 1.0 };
    (slope * length).max(0.0) + length.ln() + share.ln()
}

impl Tabulated {
    /// The law with these log-densities, up to a constant, at these points.
    ///
    /// # Errors
    /// [`ParameterError`] unless there are two points or more, finite and ascending, and a finite log-density of each.
    pub fn new(points: &[f64], log_density: &[f64]) -> Result<Self, ParameterError> {
        if points.len() < 2 {
            let found = points.len();
            return Err(ParameterError::Length { parameter: "points", expected: 2, found });
        }
        if log_density.len() != points.len() {
            let (expected, found) = (points.len(), log_density.len());
            return Err(ParameterError::Length { parameter: "log-densities", expected, found });
        }
        for (k, &value) in points.iter().enumerate() {
            error::finite("point", value)?;
            if k > 0 {
                error::above("point", value, points[k - 1], "above the point before it")?;
            }
        }
        for &value in log_density {
            error::finite("log-density", value)?;
        }
        let count = points.len() - 1;
        let length = |k: usize| points[k + 1] - points[k];
        let slope = |k: usize| (log_density[k + 1] - log_density[k]) / length(k);
        let logs: Vec<f64> =
            (0..count).map(|k| log_density[k] + log_mass(slope(k), length(k))).collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
        let log_total = error::finite("sum of the density", largest + total.ln())?;
        let density = (0..count)
            .map(|k| Piece::line(points[k], points[k + 1], log_density[k] - log_total, slope(k)));
        let mut below = vec![0.0];
        let mut sum = 0.0;
        below.extend(logs.iter().map(|log| {
            sum += (log - largest).exp() / total;
            sum
        }));
        Ok(Self {
            points: points.to_vec(),
            log_density: log_density.iter().map(|v| v - log_total).collect(),
            below,
            density: density.collect(),
            rule: Rule::new(),
        })
    }

    /// The law of this log-density, up to a constant, at `count + 1` points of equal distance between the ends.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of(
        log_density: impl Fn(f64) -> f64,
        (start, end): (f64, f64),
        count: usize,
    ) -> Result<Self, ParameterError> {
        let step = (end - start) / count as f64;
        let points: Vec<f64> = (0..=count).map(|k| step.mul_add(k as f64, start)).collect();
        let values: Vec<f64> = points.iter().map(|&x| log_density(x)).collect();
        Self::new(&points, &values)
    }

    /// The product of this density and a function of this logarithm at the points, up to a constant.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn times(&self, log_factor: impl Fn(f64) -> f64) -> Result<Self, ParameterError> {
        let values = self.points.iter().zip(&self.log_density).map(|(&x, log)| log + log_factor(x));
        Self::new(&self.points, &values.collect::<Vec<_>>())
    }

    /// The points of the grid.
    pub fn points(&self) -> &[f64] {
        &self.points
    }

    /// The normalised log-density at the points.
    pub fn log_density(&self) -> &[f64] {
        &self.log_density
    }

    /// The normalised log-density between the first and the last point.
    pub(super) fn log_at(&self, x: f64) -> f64 {
        let last = self.points.len() - 2;
        let k = self.points.partition_point(|&p| p <= x).saturating_sub(1).min(last);
        let share = (x - self.points[k]) / (self.points[k + 1] - self.points[k]);
        share.mul_add(self.log_density[k + 1] - self.log_density[k], self.log_density[k])
    }
}

impl Denoiser for Tabulated {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        pieces::estimate_alike(&self.density, &self.rule, cavity, out, scratch)
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        pieces::log_partition(|_| &self.density, &self.rule, cavity, out)
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn name(&self) -> String {
        "tabulated".to_owned()
    }
}

impl Law for Tabulated {
    fn uniforms(&self, _d: usize) -> usize {
        1
    }

    /// Smooth within each piece.
    fn jumps(&self) -> Option<Vec<f64>> {
        Some(self.below[1..self.below.len() - 1].to_vec())
    }

    /// The inverse distribution function, which is a logarithm within each piece.
    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        let u = open_uniform(uniforms[0]);
        let last = self.points.len() - 2;
        let k = self.below[1..].partition_point(|&below| below <= u).min(last);
        let share = ((u - self.below[k]) / (self.below[k + 1] - self.below[k])).clamp(0.0, 1.0);
        let length = self.points[k + 1] - self.points[k];
        let rise = self.log_density[k + 1] - self.log_density[k];
        // share = (exp(rise t) - 1) / (exp(rise) - 1), counted from the denser end.
        let (from, fall) = if rise > 0.0 { (1.0 - share, -rise) } else { (share, rise) };
        let t = if fall < 0.0 { (from * fall.exp_m1()).ln_1p() / fall } else { from };
        let t = if rise > 0.0 { 1.0 - t } else { t };
        row[0] = (self.points[k] + length * t).clamp(self.points[k], self.points[k + 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Laplace, Uniform};

    fn ask(prior: &dyn Denoiser, n: f64, gamma: f64) -> [f64; 3] {
        let (natural, precision) = ([n], [gamma]);
        let cavity = RowCavity::new(0, 1, &natural, &[0.0], &precision);
        let (mut mean, mut variance, mut log) = ([0.0], [0.0], [0.0]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
        prior.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        assert!(prior.log_partition(&cavity, &mut log));
        [mean[0], variance[0], log[0]]
    }

    #[test]
    fn a_flat_table_is_uniform_and_a_wide_tent_laplace() {
        const ROUNDING: f64 = 1e-12;
        let flat = Tabulated::new(&[-0.5, 0.1, 0.4, 2.0], &[7.0; 4]).unwrap();
        let uniform = Uniform::new(-0.5, 2.0).unwrap();
        // Beyond sixty units the tent leaves out exp(-60).
        let tent = Tabulated::new(&[-60.0, 0.0, 60.0], &[-60.0, 0.0, -60.0]).unwrap();
        let laplace = Laplace::new(1.0).unwrap();
        for (n, gamma) in [(0.3, 0.0), (-40.0, 2.0), (5.0, 300.0), (3e5, 1e6)] {
            let (a, b) = (ask(&flat, n, gamma), ask(&uniform, n, gamma));
            let (c, d) = (ask(&tent, n, gamma), ask(&laplace, n, gamma.max(0.01)));
            let close = |x: f64, y: f64| (x - y).abs() < ROUNDING * (1e-3 + y.abs());
            assert!((0..3).all(|k| close(a[k], b[k])), "{n} {gamma}: {a:?} {b:?}");
            assert!(gamma < 0.01 || (0..3).all(|k| close(c[k], d[k])), "{n} {gamma}: {c:?} {d:?}");
        }
    }

    #[test]
    fn draws_are_quantiles() {
        let rising = Tabulated::new(&[0.0, 1.0, 3.0], &[0.0, 2.0, -1.0]).unwrap();
        let mass = |slope: f64, length: f64| ((slope * length).exp() - 1.0) / slope;
        let (first, second) = (mass(2.0, 1.0), f64::exp(2.0) * mass(-1.5, 2.0));
        let mut x = [0.0];
        for u in [0.01, 0.3, 0.5, 0.9, 0.999] {
            rising.draw(&[u], &mut x);
            let left = mass(2.0, x[0].min(1.0));
            let right = if x[0] > 1.0 { f64::exp(2.0) * mass(-1.5, x[0] - 1.0) } else { 0.0 };
            assert!(((left + right) / (first + second) - u).abs() < 1e-12, "{u} {x:?}");
        }
    }

    #[test]
    fn a_tilt_is_a_natural_parameter() {
        let tilted = Tabulated::new(&[-1.0, 0.3, 2.0], &[0.0, 1.0, -1.0]).unwrap();
        let product = tilted.times(|x| 1.7 * x + 40.0).unwrap();
        let (a, b) = (ask(&product, 0.0, 0.0), ask(&tilted, 1.7, 0.0));
        assert!((a[0] - b[0]).abs() < 1e-14 && (a[1] - b[1]).abs() < 1e-14, "{a:?} {b:?}");
        assert!(a[2].abs() < 1e-14, "normalised: {a:?}");
    }

    #[test]
    fn parameters_are_checked() {
        assert!(Tabulated::new(&[0.0], &[0.0]).is_err());
        assert!(Tabulated::new(&[0.0, 1.0], &[0.0]).is_err());
        assert!(Tabulated::new(&[0.0, 0.0], &[0.0; 2]).is_err());
        assert!(Tabulated::new(&[0.0, f64::NAN], &[0.0; 2]).is_err());
        assert!(Tabulated::new(&[0.0, 1.0], &[0.0, f64::NEG_INFINITY]).is_err());
        assert!(Tabulated::of(|x| -x * x, (-3.0, 3.0), 0).is_err());
    }
}
