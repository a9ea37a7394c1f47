//! Noise with power-law tails: Student's t distribution.

use core::f64::consts::{PI, TAU};

use fg_core::denoiser::{Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::open_uniform;

use crate::error::{self, ParameterError};
use crate::family::curve::{self, Curve, Flat, Mark};
use crate::family::{Mixing, Rule, ScaleMixture, finite};

/// An unknown with noise of Student's t distribution, whose tails forgive outliers altogether.
///
/// # Density
///
/// ```text
/// p(y | z) = c (1 + (y - z)^2 / (nu s^2))^(-(nu + 1) / 2),     c = Gamma((nu + 1) / 2) / (Gamma(nu / 2) sqrt(nu pi) s)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | degrees of freedom `nu` | - | `(0, inf)` | power of the tails; 1 is Cauchy noise |
/// | scale `s` | - | `(0, inf)` | width of the centre; the variance is `s^2 nu / (nu - 2)` for `nu > 2` |
///
/// # Estimate
///
/// Mean, variance and log-partition by quadrature, over variances or along the line. The posterior has one peak or two, one near the data and one near the
/// cavity's mean.
///
/// # Numerical notes and limits
///
/// * Mean and variance as [`StudentT`](crate::StudentT) around the data: the noise is a Gaussian of random variance, given which
///   all is in closed form, and some 100 variances in equal steps of their logarithm are averaged over, for a register of rows
///   at a time. Means count from the data or from the cavity's mean, whichever is nearer: outliers cancel nothing.
/// * The log-partition, and means beyond 1000 degrees of freedom, by quadrature along the line: peaks are where the slope changes
///   sign on a grid that is fine next to the data and to the cavity's mean; panels reach as far as densities times the third
///   power of the distance count, so that tails of small `nu` are not cut off.
/// * With `gamma = 0` it is improper: no tilt, however small, leaves a power law integrable.
///
/// # Reference
///
/// K. L. Lange, R. J. A. Little and J. M. G. Taylor, "Robust Statistical Modeling Using the t Distribution", Journal of the
/// American Statistical Association 84 (1989), doi 10.1080/01621459.1989.10478852. Draws: R. W. Bailey, "Polar generation
/// of random variates with the t-distribution", Mathematics of Computation 62 (1994), doi 10.1090/S0025-5718-1994-1219702-8.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let noise = fg_denoisers::StudentNoise::new(3.0, 0.5)?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// // The further away an outlier lies, the less it counts: about (nu + 1) / y.
/// let cavity = RowCavity::new(0, 1, &[0.0], &[0.0], &[1.0]);
/// noise.estimate(&[1000.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!((mean[0] - 0.004).abs() < 1e-7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StudentNoise {
    dof: f64,
    scale: f64,
    /// Logarithm of the density at its centre.
    height: f64,
    rule: Rule,
    /// The noise as Gaussians of random variance; none where they would be too many.
    mixture: Option<ScaleMixture>,
}

/// Degrees of freedom beyond which the variances of the Gaussians that make up the noise are so close together that the
/// density itself is the shorter integral.
const MIXED: f64 = 1000.0;

impl StudentNoise {
    /// Noise of these degrees of freedom and this scale.
    ///
    /// # Errors
    /// [`ParameterError`] unless both are positive and finite.
    pub fn new(degrees_of_freedom: f64, scale: f64) -> Result<Self, ParameterError> {
        let dof = error::positive("degrees of freedom", degrees_of_freedom)?;
        let scale = error::positive("scale", scale)?;
        let height = log_gamma_ratio(0.5 * dof) - 0.5 * (dof * PI).ln() - scale.ln();
        let mixture = (dof <= MIXED).then(|| ScaleMixture::new(scale, Mixing::inverse_gamma(dof)));
        Ok(Self { dof, scale, height, rule: curve::rule(), mixture })
    }

    /// Degrees of freedom.
    pub fn degrees_of_freedom(&self) -> f64 {
        self.dof
    }

    /// Width of the centre.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    fn density(&self, y: f64) -> Student<'_> {
        Student { noise: self, y }
    }
}

/// From here on the first terms of the asymptotic series give all digits, of which the difference of two logarithms of
/// the gamma function loses as many as its argument has.
const ASYMPTOTIC: f64 = 1e3;

/// `log(Gamma(x + 1/2) / Gamma(x))`.
fn log_gamma_ratio(x: f64) -> f64 {
    if x < ASYMPTOTIC {
        return libm::lgamma(x + 0.5) - libm::lgamma(x);
    }
    let r = x.recip();
    0.5 * x.ln() - r / 8.0 * (1.0 - r * r / 24.0)
}

struct Student<'a> {
    noise: &'a StudentNoise,
    y: f64,
}

impl Curve for Student<'_> {
    fn value(&self, z: f64) -> f64 {
        let StudentNoise { dof, scale, height, .. } = self.noise;
        let e = (z - self.y) / scale;
        height - 0.5 * (dof + 1.0) * (e * e / dof).ln_1p()
    }

    fn slopes(&self, z: f64) -> [f64; 2] {
        let StudentNoise { dof, scale, .. } = self.noise;
        let e = (z - self.y) / scale;
        // Divided by the square before it can overflow.
        let inverse = 1.0 / (dof + e * e);
        let slope = -(dof + 1.0) * (e * inverse);
        let bend = -(dof + 1.0) * inverse * (1.0 - 2.0 * e * (e * inverse));
        [slope / scale, bend / (scale * scale)]
    }

    fn is_concave(&self) -> bool {
        false
    }

    fn marks(&self) -> [Mark; 2] {
        [Mark { centre: self.y, scale: self.noise.scale * self.noise.dof.sqrt() }; 2]
    }

    /// No tilt leaves a power law integrable.
    fn flat(&self, _n: f64) -> Flat {
        Flat::Improper
    }
}

impl Likelihood for StudentNoise {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        if let Some(mixture) = &self.mixture {
            return mixture.estimate_around(observed, cavity, out, scratch);
        }
        let how = (Estimation::Mmse, &self.rule);
        curve::estimate(|i| self.density(observed[i]), how, cavity, out)
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        finite::check(observed, "value")
    }

    /// False where a row is improper.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let how = (Estimation::Mmse, &self.rule);
        curve::log_partition(|i| self.density(observed[i]), how, cavity, out)
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(2)
    }

    /// A radius and an angle: `sqrt(nu (u^(-2 / nu) - 1)) cos(2 pi v)` is of Student's distribution.
    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let power = -2.0 / self.dof * open_uniform(uniforms[0]).ln();
        let radius = (self.dof * power.exp_m1()).sqrt();
        y[0] = z[0] + self.scale * radius * (TAU * uniforms[1]).cos();
    }

    fn name(&self) -> String {
        "Student noise".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_constant_agree_where_they_meet() {
        let x = ASYMPTOTIC;
        let exact = libm::lgamma(x + 0.5) - libm::lgamma(x);
        assert!((log_gamma_ratio(x) - exact).abs() < 1e-11, "{exact}");
    }

    #[test]
    fn many_degrees_of_freedom_are_gaussian_noise() {
        let noise = StudentNoise::new(1e12, 0.5).unwrap();
        let cavity = RowCavity::new(0, 1, &[0.6], &[0.3], &[2.0]);
        let (mut mean, mut variance) = ([0.0], [0.0]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
        noise.estimate(&[1.0], &cavity, &mut out, &mut Scratch::default()).unwrap();
        assert!((mean[0] - 4.6 / 6.0).abs() < 1e-11, "{mean:?}");
        assert!((variance[0] - 1.0 / 6.0).abs() < 1e-11, "{variance:?}");
    }

    #[test]
    fn parameters_are_checked_and_improper_rows_refused() {
        assert!(StudentNoise::new(0.0, 1.0).is_err() && StudentNoise::new(3.0, f64::NAN).is_err());
        let flat = RowCavity::new(4, 1, &[0.0], &[0.0], &[0.0]);
        let mut out = RowEstimate { mean: &mut [0.0], covariance: &mut [0.0] };
        let noise = StudentNoise::new(4.0, 1.0).unwrap();
        let found = noise.estimate(&[1.5], &flat, &mut out, &mut Scratch::default());
        assert_eq!(found, Err(Breakdown::ImproperCavity { port: 0, row: 4 }));
    }
}
