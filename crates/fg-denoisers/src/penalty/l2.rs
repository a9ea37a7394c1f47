//! The ridge penalty: a Gaussian prior read as a cost.

use fg_core::denoiser::{Denoiser, Estimation, GaussianRow, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;

use crate::error::{self, ParameterError};

/// The penalty `weight * x'x / 2` on rows of any number of columns.
///
/// # Density
///
/// ```text
/// f(x) = exp(-l x'x / 2)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weight `l` | - | `[0, inf)` | precision of the Gaussian it amounts to; 0 leaves the rows free |
///
/// # Estimate
///
/// ```text
/// covariance      S = (Gamma + l I)^-1
/// estimate        S n
/// log-partition   the maximum, n' S n / 2
/// ```
///
/// # Numerical notes
///
/// A Gaussian without a normaliser: its message is constant and the engine sends it once. The estimate exists unless
/// `l = 0` and `Gamma` is singular, which is [`Breakdown::Undetermined`].
///
/// # Reference
///
/// A. E. Hoerl and R. W. Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", Technometrics 12
/// (1970), doi 10.1080/00401706.1970.10488634.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::Denoiser;
/// let penalty = fg_denoisers::L2::new(0.5)?;
/// assert_eq!(penalty.gaussian(0, 1).map(|row| row.precision), Some(vec![0.5]));
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct L2 {
    weight: f64,
}

impl L2 {
    /// The penalty of this weight.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= weight < inf`.
    pub fn new(weight: f64) -> Result<Self, ParameterError> {
        Ok(Self { weight: error::not_negative("weight", weight)? })
    }

    /// Precision of the Gaussian it amounts to.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Writes `(Gamma + l I)^-1` into `s`; `scratch` holds `3 d^2` values.
    fn covariance(
        &self,
        gamma: &[f64],
        s: &mut [f64],
        scratch: &mut [f64],
        d: usize,
    ) -> Result<(), Breakdown> {
        let (total, scratch) = scratch.split_at_mut(d * d);
        total.copy_from_slice(gamma);
        (0..d).for_each(|j| total[j * d + j] += self.weight);
        small::invert_positive(total, s, scratch, d)
            .map_err(|_| Breakdown::Undetermined { port: 0 })
    }
}

impl Denoiser for L2 {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        let (s, rest) = scratch.slice(4 * d * d).split_at_mut(d * d);
        self.covariance(cavity.precision(), s, rest, d)?;
        if d == 1 {
            let s = s[0];
            out.mean.iter_mut().zip(cavity.natural()).for_each(|(x, n)| *x = n * s);
            out.covariance.fill(s);
            return Ok(());
        }
        for i in 0..cavity.len() {
            let n = &cavity.natural()[i * d..(i + 1) * d];
            small::row_times(n, s, &mut out.mean[i * d..(i + 1) * d], d);
            out.covariance[i * d * d..(i + 1) * d * d].copy_from_slice(s);
        }
        Ok(())
    }

    fn estimation(&self) -> Estimation {
        Estimation::Map
    }

    fn gaussian(&self, _row: usize, d: usize) -> Option<GaussianRow> {
        let precision = small::scalar_matrix(self.weight, d);
        Some(GaussianRow { natural: vec![0.0; d], precision, known: false })
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let d = cavity.columns();
        let mut s = vec![0.0; d * d];
        if self.covariance(cavity.precision(), &mut s, &mut vec![0.0; 3 * d * d], d).is_err() {
            return false;
        }
        for (out, n) in out.iter_mut().zip(cavity.natural().chunks_exact(d)) {
            *out = 0.5 * small::bilinear(n, &s, n, d);
        }
        true
    }

    fn name(&self) -> String {
        "L2".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_weight_and_information_nothing_is_determined() {
        let mut out = RowEstimate { mean: &mut [0.0], covariance: &mut [0.0] };
        let cavity = RowCavity::new(0, 1, &[0.0], &[0.0], &[0.0]);
        let result = L2::new(0.0).unwrap().estimate(&cavity, &mut out, &mut Scratch::default());
        assert_eq!(result, Err(Breakdown::Undetermined { port: 0 }));
        let result = L2::new(2.0).unwrap().estimate(&cavity, &mut out, &mut Scratch::default());
        assert_eq!((result, out.mean[0], out.covariance[0]), (Ok(()), 0.0, 0.5));
    }
}
