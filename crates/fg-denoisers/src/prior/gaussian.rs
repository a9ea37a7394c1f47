//! Gaussian rows, `x ~ N(mean, covariance)`.

use fg_core::denoiser::{Denoiser, GaussianRow, Law, Parameter, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use crate::error::{self, ParameterError};
use crate::family::{NormalRows, Residuals, Spread, normal};

/// Independent Gaussian rows.
///
/// # Density
///
/// ```text
/// f(x) = N(x; m, C)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | mean `m` | 0 | finite | mean of each entry ([`new`](Self::new)) or of the row ([`with_variances`](Self::with_variances), [`with_covariance`](Self::with_covariance)) |
/// | variance | - | `[0, inf)` | `C = variance I` for any number of columns; 0 says that the row is known to be `m` |
/// | variances | - | `(0, inf)` | `C` is diagonal: one for each of `d` independent columns |
/// | covariance | - | positive definite | `C`, `d x d` |
///
/// # Estimate
///
/// ```text
/// covariance      S = (C^-1 + Gamma)^-1 = L (I + L' Gamma L)^-1 L',      C = L L'
/// mean            m + S k,                                               k = n - Gamma m
/// log-partition   m'n - m' Gamma m / 2 + k' S k / 2 - log det(I + C Gamma) / 2
/// ```
///
/// # Learning
///
/// [`learn_mean`](Self::learn_mean) and [`learn_covariance`](Self::learn_covariance), by expectation-maximisation. A
/// covariance stays of the form it was given in: one variance, one for each column, or a full matrix. Where rows leave no
/// spread in some direction it stays as it is, while the mean is learned.
///
/// # Numerical notes
///
/// The matrix `I + L' Gamma L` is never singular, so known rows, no information (`Gamma = 0`) and singular
/// precisions need no special case. The factor's message doesn't depend on its cavity: the engine sends it once.
/// Cost: `O(d^3)` a call and `O(d^2)` a row.
///
/// # Reference
///
/// C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), section 2.3.3.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::Denoiser;
/// use fg_denoisers::Gaussian;
/// let weights = Gaussian::new(0.0, 4.0)?;
/// let message = weights.gaussian(0, 2).expect("a Gaussian prior is Gaussian");
/// assert_eq!(message.precision, [0.25, 0.0, 0.0, 0.25]);
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    mean: Mean,
    spread: Spread,
    learns_mean: bool,
    learns_spread: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Mean {
    /// The same in every column, of which there may be any number.
    Entry(f64),
    Row(Vec<f64>),
}

impl Mean {
    fn entry(&self, column: usize) -> f64 {
        match self {
            Self::Entry(mean) => *mean,
            Self::Row(mean) => mean[column],
        }
    }
}

impl Gaussian {
    /// Rows of independent entries with this mean and variance, of any number of columns.
    ///
    /// # Errors
    /// [`ParameterError`] unless the mean is finite and `0 <= variance < inf`.
    pub fn new(mean: f64, variance: f64) -> Result<Self, ParameterError> {
        let mean = Mean::Entry(error::finite("mean", mean)?);
        let spread = Spread::from_variance(variance)?;
        Ok(Self { mean, spread, learns_mean: false, learns_spread: false })
    }

    /// Rows of independent columns with these means and variances, one each a column.
    ///
    /// # Errors
    /// [`ParameterError`] unless there is a column, means are finite, variances are positive and finite, and there are as
    /// many of either.
    pub fn with_variances(mean: &[f64], variances: &[f64]) -> Result<Self, ParameterError> {
        for &value in mean {
            error::finite("mean", value)?;
        }
        if variances.len() != mean.len() {
            let (expected, found) = (mean.len(), variances.len());
            return Err(ParameterError::Length { parameter: "variances", expected, found });
        }
        let spread = Spread::from_variances(variances)?;
        let mean = Mean::Row(mean.to_vec());
        Ok(Self { mean, spread, learns_mean: false, learns_spread: false })
    }

    /// Rows with this mean (length `d`) and covariance (`d x d`, row-major).
    ///
    /// # Errors
    /// [`ParameterError`] unless all values are finite, the covariance is symmetric and positive definite, and
    /// the lengths fit.
    pub fn with_covariance(mean: &[f64], covariance: &[f64]) -> Result<Self, ParameterError> {
        if mean.is_empty() {
            let (parameter, requirement) = ("length of the mean", "at least 1");
            return Err(ParameterError::OutOfRange { parameter, value: 0.0, requirement });
        }
        for &value in mean {
            error::finite("mean", value)?;
        }
        let spread = Spread::from_covariance(mean.len(), covariance)?;
        let mean = Mean::Row(mean.to_vec());
        Ok(Self { mean, spread, learns_mean: false, learns_spread: false })
    }

    /// Lets a run learn the mean, from the given one on.
    #[must_use]
    pub fn learn_mean(mut self) -> Self {
        self.learns_mean = true;
        self
    }

    /// Lets a run learn the variance, variances or covariance, from the given ones on. A variance of zero stays: it says that
    /// rows are known.
    #[must_use]
    pub fn learn_covariance(mut self) -> Self {
        self.learns_spread = !self.spread.is_known();
        self
    }

    /// Mean of a row of `d` columns.
    pub fn mean(&self, d: usize) -> Vec<f64> {
        match &self.mean {
            Mean::Entry(mean) => vec![*mean; d],
            Mean::Row(mean) => mean.clone(),
        }
    }

    /// Covariance of a row of `d` columns, `d x d`.
    pub fn covariance(&self, d: usize) -> Vec<f64> {
        self.spread.covariance(d)
    }
}

impl Denoiser for Gaussian {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        if cavity.columns() == 1 {
            return normal::estimate_around(&self.spread, self.mean.entry(0), cavity, out);
        }
        let (memory, scratch) = scratch.nested(cavity.columns());
        let mean = match &self.mean {
            Mean::Row(mean) => mean,
            Mean::Entry(mean) => {
                memory.fill(*mean);
                &*memory
            }
        };
        normal::estimate(&self.spread, |_| mean, cavity, out, scratch)
    }

    fn columns(&self) -> Option<usize> {
        self.spread.columns()
    }

    fn gaussian(&self, _row: usize, d: usize) -> Option<GaussianRow> {
        Some(normal::message(&self.spread, &self.mean(d)))
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let mean = self.mean(cavity.columns());
        normal::log_partition(&self.spread, |_| &mean, cavity, out);
        true
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn learning(&self) -> Vec<Parameter> {
        let mean = self.learns_mean.then(|| match &self.mean {
            Mean::Entry(mean) => Parameter::scalar("mean", *mean),
            Mean::Row(mean) => Parameter::new("mean", mean.clone()),
        });
        let spread = self.learns_spread.then(|| self.spread.parameter("variance", "covariance"));
        mean.into_iter().chain(spread).collect()
    }

    fn learned(&self, rows: &mut dyn Iterator<Item = RowCavity<'_>>) -> Option<Box<dyn Denoiser>> {
        let mut rows = rows.peekable();
        let d = rows.peek()?.columns();
        let old = self.mean(d);
        let mut residuals = Residuals::new(d);
        rows.for_each(|piece| residuals.add(&self.spread, |_| &old, &piece));
        let mut learned = self.clone();
        let mut shift = vec![0.0; d];
        if self.learns_mean {
            shift = residuals.mean()?;
            match &mut learned.mean {
                Mean::Row(mean) => mean.iter_mut().zip(&shift).for_each(|(m, s)| *m += s),
                Mean::Entry(mean) => {
                    let common = shift.iter().sum::<f64>() / d as f64;
                    *mean += common;
                    shift.fill(common);
                }
            }
        }
        if self.learns_spread {
            // Rows without spread in some direction have none to teach; the mean is learned all the same.
            learned.spread = residuals.spread(&self.spread, &shift).unwrap_or(learned.spread);
        }
        Some(Box::new(learned))
    }

    fn side_by_side(models: &[Self]) -> Option<Box<dyn Denoiser>> {
        let centres = models.iter().map(|m| m.mean.entry(0)).collect();
        let rows = NormalRows::of(centres, models.iter().map(|m| &m.spread))?;
        Some(Box::new(rows))
    }

    fn name(&self) -> String {
        "Gaussian".to_owned()
    }
}

impl Law for Gaussian {
    fn uniforms(&self, d: usize) -> usize {
        d
    }

    fn jumps(&self) -> Option<Vec<f64>> {
        Some(Vec::new())
    }

    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        match &self.mean {
            Mean::Entry(mean) => row.fill(*mean),
            Mean::Row(mean) => row.copy_from_slice(mean),
        }
        normal::add_noise(&self.spread, uniforms, row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "results that rounding does not touch")]
    fn zero_variance_is_a_known_row() {
        let known = Gaussian::new(3.0, 0.0).unwrap();
        let row = known.gaussian(0, 2).unwrap();
        assert!(row.known && row.natural == [3.0, 3.0], "{row:?}");
        let mut x = [0.0; 2];
        known.draw(&[0.0, 0.9], &mut x);
        assert_eq!(x, [3.0, 3.0]);
    }

    #[test]
    fn variances_of_columns_are_learned_as_such() {
        let prior = Gaussian::with_variances(&[0.0, 0.0], &[1.0, 3.0]).unwrap();
        assert_eq!((prior.columns(), prior.covariance(2)), (Some(2), vec![1.0, 0.0, 0.0, 3.0]));
        let prior = prior.learn_covariance();
        // Rows known to be (1, 2) and (3, 4): correlated, but columns stay independent.
        let x = [1.0, 2.0, 3.0, 4.0];
        let n = x.map(|x| 1e18 * x);
        let gamma = [1e18, 0.0, 0.0, 1e18];
        let mut rows = core::iter::once(RowCavity::new(0, 2, &n, &x, &gamma));
        let learned = prior.learned(&mut rows).unwrap().learning();
        assert_eq!((learned.len(), &*learned[0].name), (1, "variance"));
        let close = |(a, b): (&f64, f64)| (a / b - 1.0).abs() < 1e-12;
        assert!(learned[0].values.iter().zip([5.0, 10.0]).all(close), "{learned:?}");
    }

    #[test]
    fn the_mean_is_learned_where_the_covariance_can_not_be() {
        let identity = [1.0, 0.0, 0.0, 1.0];
        let prior = Gaussian::with_covariance(&[0.0, 0.0], &identity).unwrap();
        let prior = prior.learn_mean().learn_covariance();
        // Known rows on a line.
        let x = [1.0, 2.0, 3.0, 2.0];
        let n = x.map(|x| 1e40 * x);
        let gamma = identity.map(|v| 1e40 * v);
        let mut rows = core::iter::once(RowCavity::new(0, 2, &n, &x, &gamma));
        let learned = prior.learned(&mut rows).unwrap().learning();
        assert!(learned[0].values.iter().all(|m| (m - 2.0).abs() < 1e-12), "{learned:?}");
        assert_eq!(learned[1].values, identity);
    }

    #[test]
    fn parameters_are_checked() {
        let error = Gaussian::new(0.0, -1.0).unwrap_err();
        assert_eq!(error.to_string(), "variance must be finite and at least 0, got -1");
        assert!(Gaussian::new(f64::NAN, 1.0).is_err());
        assert!(Gaussian::with_covariance(&[0.0, 0.0], &[1.0]).is_err());
        let error = Gaussian::with_covariance(&[], &[]).unwrap_err().to_string();
        assert_eq!(error, "length of the mean must be at least 1, got 0");
        assert!(Gaussian::with_variances(&[], &[]).is_err());
        assert!(Gaussian::with_variances(&[0.0], &[0.0]).is_err());
        let error = Gaussian::with_variances(&[0.0], &[1.0, 2.0]).unwrap_err();
        assert_eq!(error.to_string(), "variances needs 1 values, got 2");
    }
}
