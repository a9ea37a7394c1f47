//! Entries whose tails fall as a power.

use core::f64::consts::TAU;

use fg_core::denoiser::{Denoiser, Law, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::open_uniform;

use crate::error::{self, ParameterError};
use crate::family::{Mixing, ScaleMixture};

/// Student's t: entries of a variable of one column with tails that fall as `abs(x)^-(nu + 1)`.
///
/// # Density
///
/// ```text
/// f(x) = c (1 + x^2 / (nu s^2))^(-(nu + 1) / 2),      c = Gamma((nu + 1) / 2) / (Gamma(nu / 2) s sqrt(pi nu))
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | degrees of freedom `nu` | - | `(0, 1000]` | weight of the tails; 1 is Cauchy's law |
/// | scale `s` | - | `(0, inf)` | width of the peak; the variance is `s^2 nu / (nu - 2)` for `nu > 2` |
///
/// For entries about another centre than zero see [`Scaled`](crate::Scaled). With more than a thousand degrees of freedom
/// take a [`Gaussian`](crate::Gaussian).
///
/// # Estimate
///
/// A Gaussian of random variance, `x ~ N(0, s^2 v)`, `1 / v ~ Gamma(nu / 2, rate nu / 2)`. Given `v` the posterior is
/// Gaussian of variance `b = s^2 v / (1 + gamma s^2 v)` and mean `n b`; with the weights
///
/// ```text
/// w(v)            p(v) (1 + gamma s^2 v)^(-1/2) exp(n^2 b / 2)
/// mean            n E b
/// variance        E b + n^2 Var b
/// log-partition   log int w(v) dv
/// ```
///
/// # Numerical notes and limits
///
/// * Equal steps in `log v`, over all that counts for the precision and the largest `n` of a call: the error falls
///   exponentially with their number. Mean and variance are good to `1e-12`, relative, at any precision and 30 deviations
///   out.
/// * Terms are compared by their logarithms, relative to the largest. The variance is a sum of positive terms.
/// * Without precision the estimate exists for `n = 0` and `nu > 2`, and is [`Breakdown::ImproperCavity`] otherwise.
/// * Some 100 exponentials an entry.
///
/// # Reference
///
/// D. F. Andrews and C. L. Mallows, "Scale Mixtures of Normal Distributions", Journal of the Royal Statistical Society B 36
/// (1974), doi 10.1111/j.2517-6161.1974.tb00989.x. Draws: R. W. Bailey, "Polar Generation of Random Variates with the
/// t-Distribution", Mathematics of Computation 62 (1994), doi 10.1090/S0025-5718-1994-1219705-3.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let prior = fg_denoisers::StudentT::new(3.0, 1.0)?;
/// let (mut mean, mut variance) = ([0.0; 2], [0.0; 2]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// // Seen at 0.5 and at 50 with noise of variance one: the large entry is hardly shrunk.
/// let cavity = RowCavity::new(0, 1, &[0.5, 50.0], &[0.5, 50.0], &[1.0]);
/// prior.estimate(&cavity, &mut out, &mut Scratch::default())?;
/// assert!(mean[0] < 0.3 && mean[1] > 49.9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StudentT {
    degrees: f64,
    mixture: ScaleMixture,
}

/// Beyond it the law differs from a Gaussian by less than a thousandth, and the rule would need ever smaller steps.
const MOST_DEGREES: f64 = 1000.0;

impl StudentT {
    /// Entries of this many degrees of freedom and scale.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < degrees <= 1000` and `0 < scale < inf`.
    pub fn new(degrees: f64, scale: f64) -> Result<Self, ParameterError> {
        if !(degrees > 0.0 && degrees <= MOST_DEGREES) {
            let (parameter, requirement) = ("degrees", "in (0, 1000]");
            return Err(ParameterError::OutOfRange { parameter, value: degrees, requirement });
        }
        let scale = error::positive("scale", scale)?;
        Ok(Self { degrees, mixture: ScaleMixture::new(scale, Mixing::inverse_gamma(degrees)) })
    }

    /// Degrees of freedom `nu`.
    pub fn degrees(&self) -> f64 {
        self.degrees
    }

    /// Scale `s`.
    pub fn scale(&self) -> f64 {
        self.mixture.scale()
    }
}

impl Denoiser for StudentT {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        self.mixture.estimate(cavity, out, scratch)
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        self.mixture.log_partition(cavity, out)
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn name(&self) -> String {
        "Student-t".to_owned()
    }
}

impl Law for StudentT {
    fn uniforms(&self, _d: usize) -> usize {
        2
    }

    /// Bailey's polar map: `s sqrt(nu (u^(-2/nu) - 1)) cos(2 pi v)`.
    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        let u = open_uniform(uniforms[0]);
        let square = self.degrees * (-2.0 / self.degrees * u.ln()).exp_m1();
        row[0] = self.mixture.scale() * square.sqrt() * (TAU * uniforms[1]).cos();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(prior: &StudentT, n: f64, gamma: f64) -> Result<(f64, f64), Breakdown> {
        let (natural, precision) = ([n], [gamma]);
        let cavity = RowCavity::new(0, 1, &natural, &[0.0], &precision);
        let (mut mean, mut variance) = ([0.0], [0.0]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
        prior.estimate(&cavity, &mut out, &mut Scratch::default())?;
        Ok((mean[0], variance[0]))
    }

    #[test]
    fn without_precision_only_light_tails_have_moments() {
        let improper = Err(Breakdown::ImproperCavity { port: 0, row: 0 });
        assert_eq!(run(&StudentT::new(3.0, 2.0).unwrap(), 0.0, 0.0), Ok((0.0, 12.0)));
        assert_eq!(run(&StudentT::new(3.0, 2.0).unwrap(), 1e-9, 0.0), improper);
        assert_eq!(run(&StudentT::new(2.0, 2.0).unwrap(), 0.0, 0.0), improper);
    }

    #[test]
    fn many_degrees_are_nearly_gaussian() {
        let (mean, variance) = run(&StudentT::new(1000.0, 2.0).unwrap(), 3.0, 1.0).unwrap();
        // Of first order in one over the degrees of freedom.
        assert!((mean / 2.4 - 1.0).abs() < 1e-2 && (variance / 0.8 - 1.0).abs() < 1e-2);
    }

    #[test]
    fn parameters_are_checked() {
        for degrees in [0.0, -1.0, f64::NAN, 1001.0] {
            assert!(StudentT::new(degrees, 1.0).is_err(), "{degrees}");
        }
        assert!(StudentT::new(1.0, 0.0).is_err() && StudentT::new(1.0, f64::INFINITY).is_err());
    }
}
