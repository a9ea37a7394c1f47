//! Data with additive Gaussian noise, `y = z + noise`.

use fg_core::denoiser::{GaussianRow, Likelihood, Parameter, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use crate::error::ParameterError;
use crate::family::{NormalRows, Residuals, Spread, normal};

/// Additive white Gaussian noise on the rows of the data, or noise correlated between columns.
///
/// # Density
///
/// ```text
/// p(y | z) = N(y; z, C)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | precision | - | `(0, inf]` | `C = I / precision` for any number of columns; infinite says that `z = y` exactly |
/// | precision matrix | - | positive definite | `C^-1`, `d x d` |
///
/// A complex variance `v` is the precision `2 / v` of its two real columns.
///
/// # Estimate
///
/// ```text
/// covariance      S = (C^-1 + Gamma)^-1
/// mean            y + S (n - Gamma y)
/// log-partition   y'n - y' Gamma y / 2 + k' S k / 2 - log det(I + C Gamma) / 2,      k = n - Gamma y
/// ```
///
/// # Numerical notes
///
/// Noise-free data and cavities without information need no special case, see [`Gaussian`](crate::Gaussian). The
/// factor's message is the Gaussian `(y, C^-1)` whatever the cavity: the engine sends it once.
///
/// # Reference
///
/// C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), section 2.3.3.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::Likelihood;
/// let noise = fg_denoisers::Awgn::new(4.0)?;
/// let message = noise.gaussian(&[1.5]).expect("Gaussian whatever the data");
/// assert_eq!((message.natural, message.precision), (vec![6.0], vec![4.0]));
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Awgn {
    noise: Spread,
    learns: bool,
}

impl Awgn {
    /// Independent noise of this precision (one over its variance) in each column.
    ///
    /// # Errors
    /// [`ParameterError`] unless `precision > 0`; infinity is legal.
    pub fn new(precision: f64) -> Result<Self, ParameterError> {
        Ok(Self { noise: Spread::from_precision(precision)?, learns: false })
    }

    /// Independent noise of this variance in each column.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= variance < inf`.
    pub fn from_variance(variance: f64) -> Result<Self, ParameterError> {
        Ok(Self { noise: Spread::from_variance(variance)?, learns: false })
    }

    /// Noise of this precision matrix (`d x d`, row-major) on rows of `d` columns.
    ///
    /// # Errors
    /// [`ParameterError`] unless it has `d * d` finite values and is symmetric and positive definite.
    pub fn from_precision_matrix(d: usize, precision: &[f64]) -> Result<Self, ParameterError> {
        Ok(Self { noise: Spread::from_precision_matrix(d, precision)?, learns: false })
    }

    /// Lets a run learn the variance of the noise, or its covariance, from the given one on. No noise at all stays: it
    /// says that the data is exact.
    #[must_use]
    pub fn learn_noise(mut self) -> Self {
        self.learns = !self.noise.is_known();
        self
    }

    /// Precision of the noise on a row of `d` columns, `d x d`; infinite on the diagonal when there is no noise.
    pub fn precision(&self, d: usize) -> Vec<f64> {
        self.noise.precision(d)
    }

    /// Covariance of the noise on a row of `d` columns, `d x d`.
    pub fn covariance(&self, d: usize) -> Vec<f64> {
        self.noise.covariance(d)
    }
}

impl Likelihood for Awgn {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        if d == 1 {
            return normal::estimate_column(&self.noise, observed, cavity, out);
        }
        let row = |i: usize| &observed[i * d..(i + 1) * d];
        normal::estimate(&self.noise, row, cavity, out, scratch)
    }

    fn outputs(&self, d: usize) -> usize {
        d
    }

    fn columns(&self) -> Option<usize> {
        self.noise.columns()
    }

    fn gaussian(&self, observed: &[f64]) -> Option<GaussianRow> {
        Some(normal::message(&self.noise, observed))
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let d = cavity.columns();
        let row = |i: usize| &observed[i * d..(i + 1) * d];
        normal::log_partition(&self.noise, row, cavity, out);
        true
    }

    fn uniforms(&self, d: usize) -> Option<usize> {
        Some(d)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        y.copy_from_slice(z);
        normal::add_noise(&self.noise, uniforms, y);
    }

    fn learning(&self) -> Vec<Parameter> {
        let noise = || self.noise.parameter("noise variance", "noise covariance");
        self.learns.then(noise).into_iter().collect()
    }

    fn learned(
        &self,
        rows: &mut dyn Iterator<Item = (&[f64], RowCavity<'_>)>,
    ) -> Option<Box<dyn Likelihood>> {
        let mut rows = rows.peekable();
        let d = rows.peek()?.1.columns();
        let mut residuals = Residuals::new(d);
        for (data, piece) in rows {
            residuals.add(&self.noise, |i| &data[i * d..(i + 1) * d], &piece);
        }
        let noise = residuals.spread(&self.noise, &vec![0.0; d])?;
        Some(Box::new(Self { noise, learns: self.learns }))
    }

    fn side_by_side(models: &[Self]) -> Option<Box<dyn Likelihood>> {
        let rows = NormalRows::of(Vec::new(), models.iter().map(|m| &m.noise))?;
        Some(Box::new(rows))
    }

    fn name(&self) -> String {
        "AWGN".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "results that rounding does not touch")]
    fn infinite_precision_is_exact_data() {
        let exact = Awgn::new(f64::INFINITY).unwrap();
        assert!(exact.gaussian(&[2.0]).is_some_and(|row| row.known));
        let mut out = RowEstimate { mean: &mut [0.0], covariance: &mut [1.0] };
        let cavity = RowCavity::new(0, 1, &[3.0], &[1.0], &[3.0]);
        exact.estimate(&[2.0], &cavity, &mut out, &mut Scratch::default()).unwrap();
        assert_eq!((out.mean[0], out.covariance[0]), (2.0, 0.0));
        let mut y = [0.0];
        exact.draw(&[5.0], &[0.1], &mut y);
        assert_eq!(y, [5.0]);
    }

    #[test]
    fn parameters_are_checked() {
        assert!(Awgn::new(0.0).is_err() && Awgn::new(f64::NAN).is_err());
        assert!(Awgn::from_variance(f64::INFINITY).is_err());
        assert!(Awgn::from_precision_matrix(2, &[1.0, 1.0, 1.0, 1.0]).is_err());
    }
}
