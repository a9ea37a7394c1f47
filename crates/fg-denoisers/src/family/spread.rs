//! The covariance of a Gaussian row: a multiple of the identity for any `d`, a variance a column, or a full `d x d` matrix.

use fg_core::denoiser::Parameter;
use fg_core::message::small;

use crate::error::{self, ParameterError};

/// A covariance with its Cholesky factor and its inverse.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Spread {
    /// `variance I`, for any number of columns; zero variance has infinite precision.
    Isotropic { variance: f64, precision: f64 },
    /// Independent columns, each with a positive variance of its own.
    Diagonal { variances: Vec<f64> },
    /// A positive definite matrix, `factor factor'`.
    Full { d: usize, covariance: Vec<f64>, factor: Vec<f64>, precision: Vec<f64> },
}

impl Spread {
    pub(crate) fn from_variance(variance: f64) -> Result<Self, ParameterError> {
        let variance = error::not_negative("variance", variance)?;
        Ok(Self::Isotropic { variance, precision: variance.recip() })
    }

    pub(crate) fn from_precision(precision: f64) -> Result<Self, ParameterError> {
        let precision = error::precision("precision", precision)?;
        Ok(Self::Isotropic { variance: precision.recip(), precision })
    }

    pub(crate) fn from_variances(variances: &[f64]) -> Result<Self, ParameterError> {
        if variances.is_empty() {
            return Err(ParameterError::Length { parameter: "variances", expected: 1, found: 0 });
        }
        for &variance in variances {
            error::positive("variance", variance)?;
        }
        Ok(Self::Diagonal { variances: variances.to_vec() })
    }

    pub(crate) fn from_covariance(d: usize, covariance: &[f64]) -> Result<Self, ParameterError> {
        let (precision, factor) = factorise("covariance", d, covariance)?;
        Ok(Self::Full { d, covariance: covariance.to_vec(), factor, precision })
    }

    pub(crate) fn from_precision_matrix(
        d: usize,
        precision: &[f64],
    ) -> Result<Self, ParameterError> {
        let (covariance, _) = factorise("precision", d, precision)?;
        let (_, factor) = factorise("precision", d, &covariance)?;
        Ok(Self::Full { d, covariance, factor, precision: precision.to_vec() })
    }

    /// The number of columns it is for.
    pub(crate) fn columns(&self) -> Option<usize> {
        match self {
            Self::Isotropic { .. } => None,
            Self::Diagonal { variances } => Some(variances.len()),
            Self::Full { d, .. } => Some(*d),
        }
    }

    /// The spread of this form that a covariance of rows is fitted by, in the sense of their likelihood; none where it has no
    /// extent in some direction.
    pub(crate) fn fitted(&self, covariance: &[f64], d: usize) -> Option<Self> {
        match self {
            Self::Isotropic { .. } => {
                let variance = small::trace(covariance, d) / d as f64;
                (variance > 0.0).then(|| Self::from_variance(variance).ok()).flatten()
            }
            Self::Diagonal { .. } => {
                let diagonal: Vec<f64> = covariance.iter().step_by(d + 1).copied().collect();
                Self::from_variances(&diagonal).ok()
            }
            Self::Full { .. } => Self::from_covariance(d, covariance).ok(),
        }
    }

    /// Its value as a parameter, by the name of a variance or of a matrix.
    pub(crate) fn parameter(&self, variance: &'static str, matrix: &'static str) -> Parameter {
        match self {
            Self::Isotropic { variance: value, .. } => Parameter::scalar(variance, *value),
            Self::Diagonal { variances } => Parameter::new(variance, variances.clone()),
            Self::Full { covariance, .. } => Parameter::new(matrix, covariance.clone()),
        }
    }

    /// The variance of a row of one column.
    pub(crate) fn scalar_variance(&self) -> Option<f64> {
        match self {
            Self::Isotropic { variance, .. } => Some(*variance),
            Self::Diagonal { variances } => (variances.len() == 1).then(|| variances[0]),
            Self::Full { d, covariance, .. } => (*d == 1).then(|| covariance[0]),
        }
    }

    /// Whether rows have no spread at all.
    pub(crate) fn is_known(&self) -> bool {
        matches!(self, Self::Isotropic { variance, .. } if *variance == 0.0)
    }

    /// The covariance as a `d x d` matrix.
    pub(crate) fn covariance(&self, d: usize) -> Vec<f64> {
        match self {
            Self::Isotropic { variance, .. } => diagonal(|_| *variance, d),
            Self::Diagonal { variances } => diagonal(|j| variances[j], d),
            Self::Full { covariance, .. } => covariance.clone(),
        }
    }

    /// The precision as a `d x d` matrix; infinite on the diagonal where rows are known.
    pub(crate) fn precision(&self, d: usize) -> Vec<f64> {
        match self {
            Self::Isotropic { precision, .. } => diagonal(|_| *precision, d),
            Self::Diagonal { variances } => diagonal(|j| variances[j].recip(), d),
            Self::Full { precision, .. } => precision.clone(),
        }
    }

    /// Adds `factor t` to a row: noise of this covariance from independent standard normal `t`.
    pub(crate) fn add_factor_times(&self, t: impl Fn(usize) -> f64, row: &mut [f64]) {
        match self {
            Self::Isotropic { variance, .. } => {
                let deviation = variance.sqrt();
                row.iter_mut().enumerate().for_each(|(j, v)| *v += deviation * t(j));
            }
            Self::Diagonal { variances } => {
                let columns = row.iter_mut().zip(variances).enumerate();
                columns.for_each(|(j, (v, variance))| *v += variance.sqrt() * t(j));
            }
            Self::Full { d, factor, .. } => {
                for i in 0..*d {
                    row[i] += (0..=i).map(|k| factor[i * d + k] * t(k)).sum::<f64>();
                }
            }
        }
    }

    /// `out = factor' m`, both `d x d`.
    pub(crate) fn factor_adjoint_times(&self, m: &[f64], out: &mut [f64], d: usize) {
        match self {
            Self::Isotropic { variance, .. } => {
                let deviation = variance.sqrt();
                out.iter_mut().zip(m).for_each(|(o, v)| *o = deviation * v);
            }
            Self::Diagonal { variances } => {
                let rows = out.chunks_exact_mut(d).zip(m.chunks_exact(d)).zip(variances);
                for ((out, m), variance) in rows {
                    let deviation = variance.sqrt();
                    out.iter_mut().zip(m).for_each(|(o, v)| *o = deviation * v);
                }
            }
            Self::Full { factor, .. } => {
                for i in 0..d {
                    for j in 0..d {
                        out[i * d + j] = (i..d).map(|k| factor[k * d + i] * m[k * d + j]).sum();
                    }
                }
            }
        }
    }

    /// Writes `S = (C^-1 + Gamma)^-1` and returns `log det(I + C Gamma)`; `scratch` holds `4 d^2` values.
    ///
    /// Computed as `S = L (I + L' Gamma L)^-1 L'`, whose inner matrix has no eigenvalue below one: exact for known
    /// rows, singular `Gamma` and both together, where `C^-1` doesn't exist.
    pub(crate) fn combine(
        &self,
        gamma: &[f64],
        s: &mut [f64],
        scratch: &mut [f64],
        d: usize,
    ) -> f64 {
        if let (1, Some(variance)) = (d, self.scalar_variance()) {
            let growth = variance * gamma[0];
            s[0] = variance / (1.0 + growth);
            return growth.ln_1p();
        }
        let size = d * d;
        let (inner, rest) = scratch[..4 * size].split_at_mut(size);
        let (work, inverse) = rest.split_at_mut(size);
        let inverse = &mut inverse[..size];
        self.factor_adjoint_times(gamma, work, d);
        // (L' Gamma)' = Gamma L, and L' (Gamma L) is the inner matrix.
        small::transpose(work, inverse, d);
        self.factor_adjoint_times(inverse, inner, d);
        small::symmetrise(inner, d);
        (0..d).for_each(|j| inner[j * d + j] += 1.0);
        // A matrix no smaller than the identity: only overflow can stop its factorisation.
        if small::cholesky(inner, d).is_err() {
            s[..size].fill(f64::NAN);
            return f64::NAN;
        }
        let log_determinant = (0..d).map(|j| 2.0 * inner[j * d + j].ln()).sum();
        small::invert_lower(inner, inverse, d);
        // With K the inverse Cholesky factor, S = (K L')' (K L').
        let product = work;
        for i in 0..d {
            for j in 0..d {
                product[i * d + j] =
                    (0..=i).map(|k| inverse[i * d + k] * self.factor_at(j, k, d)).sum();
            }
        }
        for i in 0..d {
            for j in 0..=i {
                let sum = (0..d).map(|k| product[k * d + i] * product[k * d + j]).sum();
                s[i * d + j] = sum;
                s[j * d + i] = sum;
            }
        }
        log_determinant
    }

    fn factor_at(&self, i: usize, j: usize, d: usize) -> f64 {
        match self {
            Self::Isotropic { variance, .. } if i == j => variance.sqrt(),
            Self::Diagonal { variances } if i == j => variances[i].sqrt(),
            Self::Isotropic { .. } | Self::Diagonal { .. } => 0.0,
            Self::Full { factor, .. } => factor[i * d + j],
        }
    }
}

fn diagonal(entry: impl Fn(usize) -> f64, d: usize) -> Vec<f64> {
    (0..d * d).map(|k| if k % (d + 1) == 0 { entry(k / (d + 1)) } else { 0.0 }).collect()
}

/// Entries that should be equal may differ by this much of the matrix' largest entry: rounding of whoever made it.
const SYMMETRY: f64 = 1e-12;

/// Inverse and Cholesky factor of a symmetric positive definite matrix.
fn factorise(
    name: &'static str,
    d: usize,
    matrix: &[f64],
) -> Result<(Vec<f64>, Vec<f64>), ParameterError> {
    if d == 0 || matrix.len() != d * d {
        return Err(ParameterError::Length {
            parameter: name,
            expected: d.max(1) * d.max(1),
            found: matrix.len(),
        });
    }
    for &value in matrix {
        error::finite(name, value)?;
    }
    let largest = matrix.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    for row in 0..d {
        for column in 0..row {
            if (matrix[row * d + column] - matrix[column * d + row]).abs() > SYMMETRY * largest {
                return Err(ParameterError::NotSymmetric { parameter: name, row, column });
            }
        }
    }
    let not_positive = |e: small::NotPositive| ParameterError::NotPositive {
        parameter: name,
        index: e.index,
        pivot: e.pivot,
    };
    let mut factor = matrix.to_vec();
    small::cholesky(&mut factor, d).map_err(not_positive)?;
    let mut inverse = vec![0.0; d * d];
    small::invert_positive(matrix, &mut inverse, &mut vec![0.0; 2 * d * d], d)
        .map_err(not_positive)?;
    Ok((inverse, factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A handful of rounding errors of matrices with entries near one.
    const ROUNDING: f64 = 1e-13;

    #[test]
    fn combination_is_the_inverse_of_the_sum_of_precisions() {
        let covariance = [2.0, 0.5, 0.5, 1.0];
        let spread = Spread::from_covariance(2, &covariance).unwrap();
        let gamma = [1.0, -0.3, -0.3, 3.0];
        let (mut s, mut scratch) = ([0.0; 4], [f64::NAN; 16]);
        let log_determinant = spread.combine(&gamma, &mut s, &mut scratch, 2);
        let sum: Vec<f64> = spread.precision(2).iter().zip(&gamma).map(|(a, b)| a + b).collect();
        let mut product = [0.0; 4];
        small::multiply(&sum, &s, &mut product, 2);
        for (p, i) in product.iter().zip([1.0, 0.0, 0.0, 1.0]) {
            assert!((p - i).abs() < ROUNDING, "{product:?}");
        }
        let determinant = |m: &[f64]| m[0] * m[3] - m[1] * m[2];
        let expected = (determinant(&covariance) * determinant(&sum)).ln();
        assert!((log_determinant - expected).abs() < ROUNDING, "{log_determinant} {expected}");
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "results that rounding does not touch")]
    fn full_and_isotropic_agree_and_known_rows_stay_known() {
        let gamma = [1.0, 0.2, 0.2, 0.5];
        let (mut a, mut b, mut scratch) = ([0.0; 4], [0.0; 4], [0.0; 16]);
        let isotropic = Spread::from_variance(3.0).unwrap();
        let full = Spread::from_covariance(2, &[3.0, 0.0, 0.0, 3.0]).unwrap();
        isotropic.combine(&gamma, &mut a, &mut scratch, 2);
        full.combine(&gamma, &mut b, &mut scratch, 2);
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < ROUNDING), "{a:?} {b:?}");
        let known = Spread::from_precision(f64::INFINITY).unwrap();
        assert!(known.is_known());
        known.combine(&gamma, &mut a, &mut scratch, 2);
        assert_eq!(a, [0.0; 4]);
    }

    #[test]
    fn a_variance_a_column_is_the_diagonal_matrix() {
        let variances = [3.0, 0.2];
        let diagonal = Spread::from_variances(&variances).unwrap();
        let full = Spread::from_covariance(2, &[3.0, 0.0, 0.0, 0.2]).unwrap();
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < ROUNDING);
        assert!(close(&diagonal.covariance(2), &full.covariance(2)));
        assert!(close(&diagonal.precision(2), &full.precision(2)));
        let gamma = [1.0, 0.2, 0.2, 0.5];
        let (mut a, mut b, mut scratch) = ([0.0; 4], [0.0; 4], [0.0; 16]);
        let logs = [&diagonal, &full].map(|spread| {
            spread.combine(&gamma, if spread == &full { &mut b } else { &mut a }, &mut scratch, 2)
        });
        assert!(close(&a, &b) && (logs[0] - logs[1]).abs() < ROUNDING, "{a:?} {b:?} {logs:?}");
        let (mut x, mut y) = ([1.0, 2.0], [1.0, 2.0]);
        let normal = |k: usize| [0.7, -1.3][k];
        diagonal.add_factor_times(normal, &mut x);
        full.add_factor_times(normal, &mut y);
        assert!(close(&x, &y), "{x:?} {y:?}");
    }

    #[test]
    fn fits_are_of_their_own_form() {
        let covariance = [2.0, 0.5, 0.5, 1.0];
        let fit = |spread: &Spread| spread.fitted(&covariance, 2).unwrap().covariance(2);
        assert_eq!(fit(&Spread::from_variance(7.0).unwrap()), [1.5, 0.0, 0.0, 1.5]);
        assert_eq!(fit(&Spread::from_variances(&[7.0, 7.0]).unwrap()), [2.0, 0.0, 0.0, 1.0]);
        assert_eq!(fit(&Spread::from_covariance(2, &covariance).unwrap()), covariance);
        let flat = [1.0, 1.0, 1.0, 1.0];
        assert!(Spread::from_covariance(2, &covariance).unwrap().fitted(&flat, 2).is_none());
        assert!(
            Spread::from_variances(&[7.0, 7.0]).unwrap().fitted(&[1.0, 0.0, 0.0, 0.0], 2).is_none()
        );
    }

    #[test]
    fn bad_matrices_are_named() {
        let error = Spread::from_covariance(2, &[1.0, 2.0, 2.0, 1.0]).unwrap_err();
        assert_eq!(
            error,
            ParameterError::NotPositive { parameter: "covariance", index: 1, pivot: -3.0 }
        );
        let error = Spread::from_covariance(2, &[1.0, 0.2, 0.1, 1.0]).unwrap_err();
        assert_eq!(
            error,
            ParameterError::NotSymmetric { parameter: "covariance", row: 1, column: 0 }
        );
        assert!(Spread::from_variances(&[]).is_err());
        assert!(Spread::from_variances(&[1.0, 0.0]).is_err());
        assert!(Spread::from_variances(&[1.0, f64::INFINITY]).is_err());
        let error = Spread::from_precision_matrix(2, &[1.0]).unwrap_err();
        assert_eq!(error, ParameterError::Length { parameter: "precision", expected: 4, found: 1 });
    }
}
