//! Entries spread evenly over an interval.

use fg_core::denoiser::{Denoiser, Law, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use crate::error::{self, ParameterError};
use crate::family::{Piece, Rule, pieces};

/// Entries of a variable of one column that are uniform on an interval.
///
/// # Density
///
/// ```text
/// f(x) = 1 / (b - a)  for a < x < b
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | start `a` | - | finite | lower end |
/// | end `b` | - | finite, above `a` | upper end |
///
/// # Estimate
///
/// Mean and variance of `exp(n x - gamma x^2 / 2)` on the interval; the log-partition is the logarithm of its integral
/// over `b - a`.
///
/// # Numerical notes and limits
///
/// * What is beyond the further end is taken off a half line where that takes no digits, elsewhere, where the integrand changes
///   little, there is a recurrence of moments. Any precision is legal, zero included, and so are cavities far outside the interval.
/// * Some 8 nanoseconds an entry.
///
/// # Reference
///
/// N. L. Johnson, S. Kotz and N. Balakrishnan, *Continuous Univariate Distributions*, volume 1 (1994), section 10.1.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let prior = fg_denoisers::Uniform::new(0.0, 6.0)?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// prior.estimate(&RowCavity::new(0, 1, &[0.0], &[0.0], &[0.0]), &mut out, &mut Scratch::default())?;
/// assert!((mean[0] - 3.0).abs() < 1e-14 && (variance[0] - 3.0).abs() < 1e-14); // nothing known: the prior itself
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Uniform {
    start: f64,
    end: f64,
    density: [Piece; 1],
    rule: Rule,
}

impl Uniform {
    /// Entries between `start` and `end`.
    ///
    /// # Errors
    /// [`ParameterError`] unless both are finite and `start < end`.
    pub fn new(start: f64, end: f64) -> Result<Self, ParameterError> {
        error::finite("start", start)?;
        error::finite("end", end)?;
        error::above("end", end, start, "above start")?;
        let density = [Piece::line(start, end, -(end - start).ln(), 0.0)];
        Ok(Self { start, end, density, rule: Rule::new() })
    }

    /// Lower end.
    pub fn start(&self) -> f64 {
        self.start
    }

    /// Upper end.
    pub fn end(&self) -> f64 {
        self.end
    }
}

impl Denoiser for Uniform {
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
        "uniform".to_owned()
    }
}

impl Law for Uniform {
    fn uniforms(&self, _d: usize) -> usize {
        1
    }

    fn jumps(&self) -> Option<Vec<f64>> {
        Some(Vec::new())
    }

    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        row[0] = self.start + uniforms[0] * (self.end - self.start);
    }
}
