//! Data with heavy-tailed noise: absolute deviations.

use fg_core::denoiser::{Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::number::Number;
use fg_core::special::open_uniform;

use crate::error::{self, ParameterError};
use crate::family::formula::{self, Cusp, Formula};
use crate::family::{Piece, Rule, pieces};

/// Data with Laplace noise: robust regression by absolute deviations.
///
/// # Density
///
/// ```text
/// p(y | z) = exp(-|y - z| / s) / (2 s)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | scale `s` | - | `(0, inf)` | mean absolute deviation |
///
/// # Estimate
///
/// On either side of `y` a Gaussian of natural parameter `n + 1 / s` (left) or `n - 1 / s` (right) and precision `gamma`,
/// cut off at `y`, with their shares of the mass. [`maximised`](Self::maximised): the data where `|n - gamma y| <= 1 / s`, of
/// slope zero, else `y` plus what of `n - gamma y` exceeds `1 / s`, over `gamma`; the cost of least absolute deviations.
///
/// # Numerical notes and limits
///
/// * By Mills' ratio on both sides, masses relative to the weight at `y`: outliers any number of deviations away keep
///   their digits. With `gamma = 0` it is improper unless `|n| < 1 / s`.
/// * For a register of entries at a time; some 13 ns an entry.
///
/// # Reference
///
/// P. J. Huber and E. M. Ronchetti, *Robust Statistics* (2009), doi 10.1002/9780470434697.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let noise = fg_denoisers::LaplaceNoise::new(0.5)?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// // An outlier at 100 moves the estimate by no more than the slope of its cost, 1 / s.
/// let cavity = RowCavity::new(0, 1, &[0.0], &[0.0], &[1.0]);
/// noise.estimate(&[100.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!((mean[0] - 2.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LaplaceNoise {
    scale: f64,
    estimation: Estimation,
    rule: Rule,
}

/// The proximal map of absolute deviations under one positive cavity precision.
struct Nearest {
    rate: f64,
    gamma: f64,
}

impl Formula<2> for Nearest {
    const FOURS: bool = true;

    /// What of the pull is beyond the rate on either side moves the unknown away from the data.
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (rate, variance) = (n.constant(self.rate), n.constant(self.gamma.recip()));
        let pull = y.mul_add(n.constant(-self.gamma), n);
        let beyond = pull - pull.within(-rate, rate);
        [beyond.mul_add(variance, y), pull.abs().if_above(rate, variance, n.constant(0.0))]
    }
}

impl LaplaceNoise {
    /// Noise of this mean absolute deviation.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < scale < inf`.
    pub fn new(scale: f64) -> Result<Self, ParameterError> {
        let scale = error::positive("scale", scale)?;
        Ok(Self { scale, estimation: Estimation::Mmse, rule: Rule::new() })
    }

    /// The same noise, answered by maximisers: the proximal map of absolute deviations. Default: posterior means.
    #[must_use]
    pub fn maximised(self) -> Self {
        Self { estimation: Estimation::Map, ..self }
    }

    /// Distance of the maximiser from `y`, given `n - gamma y`; none where there is no single one.
    fn apart(&self, pull: f64, gamma: f64) -> Option<f64> {
        let over = pull.abs() - self.scale.recip();
        if gamma == 0.0 && !(over < 0.0) {
            return None;
        }
        Some(if over > 0.0 { (over / gamma).copysign(pull) } else { 0.0 })
    }

    /// Mean absolute deviation.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    fn density(&self, y: f64) -> [Piece; 2] {
        let (height, rate) = (-(2.0 * self.scale).ln(), self.scale.recip());
        [
            Piece::line(f64::NEG_INFINITY, y, height, rate),
            Piece::line(y, f64::INFINITY, height, -rate),
        ]
    }
}

impl Likelihood for LaplaceNoise {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let gamma = cavity.scalar_precision();
        if self.estimation == Estimation::Map {
            if gamma > 0.0 {
                let nearest = Nearest { rate: self.scale.recip(), gamma };
                formula::apply_observed(&nearest, observed, cavity, out);
                return Ok(());
            }
            for (i, (&n, &y)) in cavity.natural().iter().zip(observed).enumerate() {
                let row = cavity.first_row() + i;
                let improper = Breakdown::ImproperCavity { port: 0, row };
                (out.mean[i], out.covariance[i]) = (y + self.apart(n, gamma).ok_or(improper)?, 0.0);
            }
            return Ok(());
        }
        if gamma > 0.0 {
            formula::apply_observed(&Cusp::new(self.scale.recip(), gamma), observed, cavity, out);
            return Ok(());
        }
        pieces::estimate(|i| self.density(observed[i]), &self.rule, cavity, out, scratch)
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

    /// False where a row is improper.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        if self.estimation == Estimation::Map {
            let gamma = cavity.scalar_precision();
            for (out, (&n, &y)) in out.iter_mut().zip(cavity.natural().iter().zip(observed)) {
                let pull = n - gamma * y;
                let Some(e) = self.apart(pull, gamma) else { return false };
                // At e the cost is e (pull - gamma e): half of gamma e^2 is left of the maximand.
                let rise = 0.5 * gamma * e * e;
                *out = y * (n - 0.5 * gamma * y) + rise - (2.0 * self.scale).ln();
            }
            return true;
        }
        pieces::log_partition(|i| self.density(observed[i]), &self.rule, cavity, out)
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let u = open_uniform(uniforms[0]);
        let noise = if u < 0.5 { (2.0 * u).ln() } else { -(2.0 * (1.0 - u)).ln() };
        y[0] = z[0] + self.scale * noise;
    }

    fn name(&self) -> String {
        "Laplace noise".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(noise: &LaplaceNoise, y: f64, n: f64, gamma: f64) -> Result<[f64; 3], Breakdown> {
        let (natural, precision) = ([n], [gamma]);
        let cavity = RowCavity::new(4, 1, &natural, &[0.0], &precision);
        let (mut mean, mut variance, mut log) = ([0.0], [0.0], [f64::NAN]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
        noise.estimate(&[y], &cavity, &mut out, &mut Scratch::default())?;
        assert!(noise.log_partition(&[y], &cavity, &mut log), "a maximum");
        Ok([mean[0], variance[0], log[0]])
    }

    #[test]
    fn maximisers_are_the_highest_of_a_grid() {
        const ROUNDING: f64 = 1e-12;
        let noise = LaplaceNoise::new(0.5).unwrap().maximised();
        for (y, n, gamma) in [(0.4, 0.9, 1.3), (0.4, 9.0, 1.3), (-2.0, -8.0, 0.7), (3.0, 3.0, 1.0)]
        {
            let [z, slope, log] = run(&noise, y, n, gamma).unwrap();
            let value = |z: f64| n * z - 0.5 * gamma * z * z - (y - z).abs() / 0.5;
            assert!((log - value(z)).abs() < ROUNDING, "{z} {log}");
            let grid = (-4000..4000).map(|k| value(5e-3 * f64::from(k)));
            assert!(grid.fold(f64::NEG_INFINITY, f64::max) <= log + ROUNDING, "{y} {n}: {z}");
            // The slope of the estimate, by a difference that stays on one side of the kinks.
            let moved = run(&noise, y, n + 1e-3, gamma).unwrap()[0];
            assert!((slope - (moved - z) / 1e-3).abs() < 1e-9, "{y} {n}: {slope}");
        }
    }

    #[test]
    fn without_information_the_data_are_the_maximiser_up_to_the_slope_of_the_cost() {
        let noise = LaplaceNoise::new(0.5).unwrap().maximised();
        assert_eq!(run(&noise, 1.5, 1.9, 0.0), Ok([1.5, 0.0, 1.5 * 1.9]));
        for n in [2.0, -2.1] {
            let improper = Breakdown::ImproperCavity { port: 0, row: 4 };
            assert_eq!(run(&noise, 1.5, n, 0.0), Err(improper));
        }
    }
}
