//! The law of a message decides what state evolution knows of it: what it claims, and what is true of it.

use core::fmt;

use super::innovation::transposed_times;
use super::prediction::EstimateLaw;
use crate::message::small::{self, larger};

/// What a message about rows `x0` of a variable claims and what is true of it, in natural form:
///
/// ```text
/// n = x0 M + c + p,    p ~ (0, Chi), uncorrelated with x0
/// ```
///
/// `Gamma` is the precision it claims. A fresh observation of that precision has `M = Chi = Gamma` and `c = 0`; what
/// an estimator sends on the side of a prior has `M = Chi = Gamma - Cov(x0)^-1` when it is matched, and anything
/// when it isn't. All matrices are `d x d`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageLaw {
    columns: usize,
    pub(super) precision: Vec<f64>,
    pub(super) signal: Vec<f64>,
    pub(super) offset: Vec<f64>,
    pub(super) noise: Vec<f64>,
}

impl MessageLaw {
    /// The message that says nothing, about a variable of `d` columns.
    pub fn vacuous(d: usize) -> Self {
        let square = || vec![0.0; d * d];
        Self {
            columns: d,
            precision: square(),
            signal: square(),
            offset: vec![0.0; d],
            noise: square(),
        }
    }

    /// A fresh, honest observation of the truth with noise of precision `precision` (`d x d`): `M = Chi = Gamma`.
    ///
    /// As a start with a tiny precision it is the perturbation that models with a symmetry need: without it, a matched
    /// recursion stays at the symmetric point for good, while a run of finite size leaves it by chance.
    ///
    /// # Errors
    /// [`LawError`] when the matrix isn't `d x d`, finite, symmetric and positive semi-definite.
    pub fn observation(precision: &[f64], d: usize) -> Result<Self, LawError> {
        let gamma = precision.to_vec();
        Self::new(d, gamma.clone(), gamma.clone(), vec![0.0; d], gamma)
    }

    /// An honest observation with noise of the same precision in every column.
    ///
    /// # Errors
    /// [`LawError`] when the precision is negative or not finite.
    pub fn isotropic(precision: f64, d: usize) -> Result<Self, LawError> {
        Self::observation(&small::scalar_matrix(precision, d), d)
    }

    /// An observation `r = x0 A + e`, `e ~ (0, E)`, that claims the precision `Gamma`: `M = A Gamma` and
    /// `Chi = Gamma E Gamma`. A guess that shares a part of the truth is of this kind.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_mean_form(
        d: usize,
        precision: &[f64],
        gain: &[f64],
        error: &[f64],
    ) -> Result<Self, LawError> {
        for (name, matrix) in [("precision", precision), ("gain", gain), ("error", error)] {
            check_length(name, matrix, d * d)?;
        }
        let (mut signal, mut half, mut noise) =
            (vec![0.0; d * d], vec![0.0; d * d], vec![0.0; d * d]);
        small::multiply(gain, precision, &mut signal, d);
        small::multiply(precision, error, &mut half, d);
        small::multiply(&half, precision, &mut noise, d);
        small::symmetrise(&mut noise, d);
        Self::new(d, precision.to_vec(), signal, vec![0.0; d], noise)
    }

    /// A guess at rows of which every column has the variance `variance`: it shares the part `share` of that with the truth,
    /// says so, and the rest is noise. It has the mean `share x0 + e` with `Cov e = share (1 - share) variance`, and claims the
    /// variance `(1 - share) variance`. What a run starts from that is told a guess.
    ///
    /// ```
    /// use fg_core::evolution::MessageLaw;
    /// // What is claimed is true of it: the signal is the precision less that of the prior.
    /// let law = MessageLaw::guess(1, 0.2, 1.0)?;
    /// assert!((law.signal()[0] - (law.precision()[0] - 1.0)).abs() < 1e-15);
    /// # Ok::<(), fg_core::evolution::LawError>(())
    /// ```
    ///
    /// # Errors
    /// [`LawError`] unless the share is in `[0, 1)` and the variance positive and finite.
    pub fn guess(d: usize, share: f64, variance: f64) -> Result<Self, LawError> {
        if !(0.0..1.0).contains(&share) {
            let (parameter, requirement) = ("share", "at least 0 and below 1");
            return Err(LawError::OutOfRange { parameter, value: share, requirement });
        }
        let left = (1.0 - share) * variance;
        if !(variance > 0.0 && variance.is_finite() && left.recip().is_finite()) {
            let requirement = "above 0 and finite, and so its inverse";
            return Err(LawError::OutOfRange {
                parameter: "variance",
                value: variance,
                requirement,
            });
        }
        let [precision, gain, error] =
            [left.recip(), share, share * left].map(|value| small::scalar_matrix(value, d));
        Self::from_mean_form(d, &precision, &gain, &error)
    }

    /// A message law from `Gamma`, `M`, `c` and `Chi`.
    ///
    /// # Errors
    /// [`LawError`] naming the matrix that has another size, isn't finite or, for `Gamma` and `Chi`, isn't symmetric
    /// and positive semi-definite.
    pub fn new(
        d: usize,
        precision: Vec<f64>,
        signal: Vec<f64>,
        offset: Vec<f64>,
        noise: Vec<f64>,
    ) -> Result<Self, LawError> {
        check_length("signal", &signal, d * d)?;
        check_length("offset", &offset, d)?;
        for (name, matrix) in [("precision", &precision), ("noise", &noise)] {
            check_length(name, matrix, d * d)?;
            if !semi_definite(matrix, d) {
                return Err(LawError::Indefinite { matrix: name });
            }
        }
        Ok(Self { columns: d, precision, signal, offset, noise })
    }

    /// Number of columns of the variable, `d`.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `Gamma`, `d x d`: the precision the message claims.
    pub fn precision(&self) -> &[f64] {
        &self.precision
    }

    /// `M`, `d x d`: how much of the truth it holds.
    pub fn signal(&self) -> &[f64] {
        &self.signal
    }

    /// `c`, of length `d`: what it holds whatever the truth.
    pub fn offset(&self) -> &[f64] {
        &self.offset
    }

    /// `Chi`, `d x d`: the covariance of its noise.
    pub fn noise(&self) -> &[f64] {
        &self.noise
    }

    /// The product of two messages whose noises are independent: everything adds.
    pub(super) fn multiply(&mut self, other: &Self) {
        let add = |a: &mut [f64], b: &[f64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        add(&mut self.precision, &other.precision);
        add(&mut self.signal, &other.signal);
        add(&mut self.offset, &other.offset);
        add(&mut self.noise, &other.noise);
    }

    /// This law with weight `weight` and `previous` with the rest: everything mixes, as the parts of one message do.
    pub(super) fn damped(mut self, previous: &Self, weight: f64) -> Self {
        let mix = |a: &mut [f64], b: &[f64]| {
            if weight < 1.0 {
                a.iter_mut().zip(b).for_each(|(a, b)| *a = weight.mul_add(*a - b, *b));
            }
        };
        mix(&mut self.precision, &previous.precision);
        mix(&mut self.signal, &previous.signal);
        mix(&mut self.offset, &previous.offset);
        mix(&mut self.noise, &previous.noise);
        self
    }

    /// The law of the mean of this message taken for a belief, when the rows of truth have this mean (`d`) and second
    /// moment (`d x d`); `None` where its precision is singular.
    pub(super) fn estimate(&self, mean: &[f64], second: &[f64]) -> Option<EstimateLaw> {
        let d = self.columns;
        let square = || vec![0.0; d * d];
        let (mut covariance, mut work) = (square(), vec![0.0; 2 * d * d]);
        small::invert_positive(&self.precision, &mut covariance, &mut work, d).ok()?;
        // xhat = x0 (I + D) + g + e: from M - Gamma, as D is small where the precision is large.
        let gap: Vec<f64> = self.signal.iter().zip(&self.precision).map(|(m, g)| m - g).collect();
        let (mut slope, mut constant) = (square(), vec![0.0; d]);
        small::multiply(&gap, &covariance, &mut slope, d);
        small::row_times(&self.offset, &covariance, &mut constant, d);
        // E[x0' (xhat - x0)] = T D + mean' g, and E[(xhat - x0)' (xhat - x0)].
        let mut cross = square();
        small::multiply(second, &slope, &mut cross, d);
        cross.iter_mut().enumerate().for_each(|(k, c)| *c += mean[k / d] * constant[k % d]);
        let mut shift = constant.clone();
        super::port::add_product(mean, &slope, &mut shift);
        let mut error = square();
        small::multiply(&covariance, &self.noise, &mut work, d);
        small::multiply(&work, &covariance, &mut error, d);
        transposed_times(&slope, &cross, &mut work, d);
        for (k, e) in error.iter_mut().enumerate() {
            *e += work[k] + constant[k / d] * shift[k % d];
        }
        small::symmetrise(&mut error, d);
        let overlap: Vec<f64> = second.iter().zip(&cross).map(|(t, c)| t + c).collect();
        let both = |k: usize| cross[k] + cross[k % d * d + k / d];
        let estimate = (0..d * d).map(|k| second[k] + both(k) + error[k]).collect();
        Some(EstimateLaw {
            columns: d,
            truth: second.to_vec(),
            overlap,
            estimate,
            error,
            covariance,
        })
    }

    /// Largest change of an entry of `Gamma`, `M`, `c` or `Chi` against `other`, relative to what the entry is or, for
    /// entries next to zero, to the least sizes of its row and column in either: directions of little precision count
    /// as much as those of a lot. In one dimension it is the change of the logarithm.
    pub(super) fn distance(&self, other: &Self) -> f64 {
        let d = self.columns;
        let relative = |a: &[f64], b: &[f64], sizes: &dyn Fn(usize) -> f64| {
            let change = |k: usize| {
                let moved = (a[k] - b[k]).abs();
                if moved == 0.0 { 0.0 } else { moved / a[k].abs().max(b[k].abs()).max(sizes(k)) }
            };
            (0..a.len()).map(change).fold(0.0, larger)
        };
        let diagonal = |m: &[f64], n: &[f64], k: usize| {
            let size = |j: usize| m[j * d + j].abs().max(n[j * d + j].abs());
            (size(k / d) * size(k % d)).sqrt()
        };
        let own = |a: &[f64], b: &[f64]| relative(a, b, &|k| diagonal(a, b, k));
        let offset = relative(&self.offset, &other.offset, &|j| {
            // Beside the noise of the message an offset far below it doesn't count.
            self.noise[j * d + j].max(other.noise[j * d + j]).sqrt()
        });
        let parts = [
            own(&self.precision, &other.precision),
            own(&self.signal, &other.signal),
            own(&self.noise, &other.noise),
        ];
        parts.into_iter().fold(offset, larger)
    }
}

fn check_length(matrix: &'static str, values: &[f64], expected: usize) -> Result<(), LawError> {
    if values.len() != expected {
        return Err(LawError::Length { matrix, expected, found: values.len() });
    }
    if values.iter().any(|v| !v.is_finite()) {
        return Err(LawError::NotFinite { matrix });
    }
    Ok(())
}

/// Eigenvalues of a positive semi-definite matrix of size one may fall this far below zero by rounding.
const ROUNDING: f64 = 1e-12;

fn semi_definite(matrix: &[f64], d: usize) -> bool {
    let mut work = matrix.to_vec();
    small::symmetrise(&mut work, d);
    let scale = work.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let symmetric = matrix.iter().zip(&work).all(|(a, b)| (a - b).abs() <= ROUNDING * scale);
    let (mut values, mut vectors) = (vec![0.0; d], vec![0.0; d * d]);
    small::eigen_symmetric(&mut work, &mut values, &mut vectors, d);
    symmetric && values.iter().all(|&v| v >= -ROUNDING * scale)
}

/// A message law can't be true of any message.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum LawError {
    /// A matrix has another number of entries than it needs.
    Length {
        /// Which one.
        matrix: &'static str,
        /// Entries needed.
        expected: usize,
        /// Entries given.
        found: usize,
    },
    /// A parameter that a law is made of is outside its range, or NaN.
    OutOfRange {
        /// Which one.
        parameter: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        requirement: &'static str,
    },
    /// An entry is NaN or infinite.
    NotFinite {
        /// Of which matrix.
        matrix: &'static str,
    },
    /// A precision or a covariance isn't symmetric and positive semi-definite.
    Indefinite {
        /// Which one.
        matrix: &'static str,
    },
}

impl fmt::Display for LawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { matrix, expected, found } => {
                write!(f, "{matrix} of a message law needs {expected} entries, got {found}")
            }
            Self::OutOfRange { parameter, value, requirement } => {
                write!(f, "{parameter} of a guess must be {requirement}, got {value}")
            }
            Self::NotFinite { matrix } => write!(f, "{matrix} of a message law must be finite"),
            Self::Indefinite { matrix } => {
                write!(f, "{matrix} of a message law must be symmetric and positive semi-definite")
            }
        }
    }
}

impl core::error::Error for LawError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_name_what_is_wrong() {
        let text = |share, variance| MessageLaw::guess(1, share, variance).unwrap_err().to_string();
        for variance in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-320] {
            assert!(text(0.01, variance).starts_with("variance of a guess must be above 0"));
        }
        for share in [1.0, -0.1, f64::NAN] {
            assert!(
                text(share, 1.0).starts_with("share of a guess must be at least 0 and below 1")
            );
        }
        assert!(MessageLaw::guess(1, 0.0, 1.0).is_ok());
    }

    #[test]
    fn a_matched_gaussian_errs_by_its_covariance() {
        const ROUNDING: f64 = 1e-14;
        // A prior of mean (1, -2) and precision P, and an honest observation.
        let (mean, precision) = ([1.0, -2.0], vec![2.0, 0.5, 0.5, 1.0]);
        let (mut covariance, mut offset) = (vec![0.0; 4], vec![0.0; 2]);
        small::invert_positive(&precision, &mut covariance, &mut [0.0; 8], 2).unwrap();
        small::row_times(&mean, &precision, &mut offset, 2);
        let second: Vec<f64> = (0..4).map(|k| covariance[k] + mean[k / 2] * mean[k % 2]).collect();
        let mut law = MessageLaw::new(2, precision, vec![0.0; 4], offset, vec![0.0; 4]).unwrap();
        law.multiply(&MessageLaw::observation(&[3.0, -0.4, -0.4, 0.2], 2).unwrap());
        let found = law.estimate(&mean, &second).unwrap();
        for k in 0..4 {
            let claimed = found.covariance[k];
            assert!((found.error[k] - claimed).abs() < ROUNDING, "{k}: {found:?}");
            let expected = second[k] - claimed;
            assert!((found.overlap[k] - expected).abs() < 10.0 * ROUNDING, "{k}: {found:?}");
            assert!((found.estimate[k] - expected).abs() < 10.0 * ROUNDING, "{k}: {found:?}");
        }
        assert_eq!(MessageLaw::vacuous(2).estimate(&mean, &second), None);
    }
}
