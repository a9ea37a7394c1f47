//! Random operators: Gaussian matrices, right-rotationally invariant ones with a chosen spectrum, scrambled transforms.

use core::fmt;

use fg_core::faer::{Mat, MatRef};
use fg_core::operator::{Chain, Cosine, OperatorError, Signs, Spectral};
use fg_linalg::orthonormal::orthonormal;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// An `m x n` matrix of independent centred Gaussian entries of the given variance.
pub fn gaussian_matrix<R: Rng + ?Sized>(
    m: usize,
    n: usize,
    variance: f64,
    rng: &mut R,
) -> Mat<f64> {
    let deviation = variance.sqrt();
    let mut matrix = Mat::zeros(m, n);
    for j in 0..n {
        for i in 0..m {
            let normal: f64 = StandardNormal.sample(rng);
            matrix[(i, j)] = deviation * normal;
        }
    }
    matrix
}

/// An `n x n` orthogonal matrix, uniform over the orthogonal group.
pub fn haar<R: Rng + ?Sized>(n: usize, rng: &mut R) -> Mat<f64> {
    haar_frame(n, n, rng)
}

/// `k` orthonormal columns of length `n >= k`, uniform over such frames: the first `k` columns of [`haar`].
///
/// `Q` of a Gaussian matrix's `QR` factorisation is uniform once the signs that the factorisation is free to
/// choose are fixed so that `R` has a positive diagonal (Mezzadri 2007).
///
/// # Panics
/// When `k > n`: there is no such frame.
#[track_caller]
pub fn haar_frame<R: Rng + ?Sized>(n: usize, k: usize, rng: &mut R) -> Mat<f64> {
    orthonormal(&gaussian_matrix(n, k, 1.0, rng))
}

/// `m` rows, drawn without replacement, of the cosine transform of `n` entries with random signs: orthonormal rows that mix
/// all entries, at the cost of a fast transform.
///
/// # Errors
/// [`OperatorError`] without rows, or when there are more than the transform has.
pub fn scrambled_cosines<R: Rng + ?Sized>(
    m: usize,
    n: usize,
    rng: &mut R,
) -> Result<Spectral, OperatorError> {
    if m == 0 || n == 0 {
        return Err(OperatorError::Empty { rows: m, columns: n });
    }
    if m > n {
        return Err(OperatorError::Row { row: m - 1, rows: n });
    }
    let signs = Signs::new((0..n).map(|_| rng.random::<bool>()).collect());
    let cosines = Cosine::new(n).map_err(|_| OperatorError::Empty { rows: m, columns: n })?;
    let rows = rand::seq::index::sample(rng, n, m).into_vec();
    Spectral::rows_of(Chain::new(signs).then(cosines)?, &rows)
}

/// `count` singular values in geometric progression, largest first, `s_1 / s_count = condition`, mean square 1.
///
/// # Errors
/// [`EnsembleError`] when `count` is zero or `condition` is less than 1, infinite or NaN.
pub fn geometric_spectrum(count: usize, condition: f64) -> Result<Vec<f64>, EnsembleError> {
    if count == 0 {
        return Err(EnsembleError::EmptySpectrum);
    }
    if !(condition >= 1.0 && condition.is_finite()) {
        return Err(EnsembleError::Condition { value: condition });
    }
    let steps = count.saturating_sub(1).max(1) as f64;
    let ratio = condition.ln() / steps;
    let mut values: Vec<f64> = (0..count).map(|k| (-ratio * k as f64).exp()).collect();
    let mean_square = values.iter().map(|s| s * s).sum::<f64>() / count as f64;
    let scale = mean_square.sqrt().recip();
    values.iter_mut().for_each(|s| *s *= scale);
    Ok(values)
}

/// `A = U diag(s) V'` (`m x n`) with `U` and `V` independent and uniform, and the `min(m, n)` singular values of
/// `spectrum`.
///
/// # Errors
/// [`EnsembleError`] when the spectrum has another length or holds a negative, infinite or NaN value.
pub fn rotationally_invariant<R: Rng + ?Sized>(
    m: usize,
    n: usize,
    spectrum: &[f64],
    rng: &mut R,
) -> Result<Mat<f64>, EnsembleError> {
    let rank = m.min(n);
    if spectrum.len() != rank {
        return Err(EnsembleError::SpectrumLength { expected: rank, found: spectrum.len() });
    }
    if let Some(index) = spectrum.iter().position(|s| !(*s >= 0.0 && s.is_finite())) {
        return Err(EnsembleError::SingularValue { index, value: spectrum[index] });
    }
    let mut left = haar_frame(m, rank, rng);
    let right = haar_frame(n, rank, rng);
    for (j, s) in spectrum.iter().enumerate() {
        for i in 0..m {
            left[(i, j)] *= s;
        }
    }
    Ok(product_with_transpose(left.as_ref(), right.as_ref()))
}

fn product_with_transpose(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    left * right.transpose()
}

/// An operator can't be drawn with these parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum EnsembleError {
    /// A spectrum of no values.
    EmptySpectrum,
    /// A condition number below 1, infinite or NaN.
    Condition {
        /// The number given.
        value: f64,
    },
    /// The number of singular values differs from `min(m, n)`.
    SpectrumLength {
        /// `min(m, n)`.
        expected: usize,
        /// Number of values given.
        found: usize,
    },
    /// A singular value is negative, infinite or NaN.
    SingularValue {
        /// Its index.
        index: usize,
        /// The value.
        value: f64,
    },
}

impl fmt::Display for EnsembleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptySpectrum => write!(f, "spectrum needs at least one value"),
            Self::Condition { value } => {
                write!(f, "condition number must be finite and at least 1, got {value}")
            }
            Self::SpectrumLength { expected, found } => {
                write!(f, "spectrum needs {expected} values, got {found}")
            }
            Self::SingularValue { index, value } => {
                write!(f, "singular value {index} must be finite and not negative, got {value}")
            }
        }
    }
}

impl core::error::Error for EnsembleError {}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    /// Rounding of a Householder factorisation of a few dozen columns.
    const ORTHOGONALITY: f64 = 1e-13;

    fn largest_deviation_from_identity(gram: &Mat<f64>) -> f64 {
        let entry = |i: usize, j: usize| (gram[(i, j)] - f64::from(u8::from(i == j))).abs();
        let n = gram.nrows();
        (0..n)
            .flat_map(|i| (0..n).map(move |j| (i, j)))
            .map(|(i, j)| entry(i, j))
            .fold(0.0, f64::max)
    }

    #[test]
    fn frames_are_orthonormal() {
        let mut rng = Pcg64::seed_from_u64(1);
        for (n, k) in [(1, 1), (5, 5), (40, 17)] {
            let frame = haar_frame(n, k, &mut rng);
            let error = largest_deviation_from_identity(&(frame.transpose() * &frame));
            assert!(error < ORTHOGONALITY, "{n} x {k}: {error:e}");
        }
    }

    #[test]
    fn haar_signs_are_even() {
        // Without the sign fix Householder's Q has a first entry of one sign only. 400 fair signs: a mean beyond
        // 4 / sqrt(400) has probability 6e-5.
        let mut rng = Pcg64::seed_from_u64(2);
        let signs: f64 = (0..400).map(|_| haar(3, &mut rng)[(0, 0)].signum()).sum();
        assert!((signs / 400.0).abs() < 0.2, "mean sign {}", signs / 400.0);
    }

    #[test]
    fn haar_trace_has_unit_variance() {
        // E tr(Q)^2 = 1 for uniform Q in O(n), n >= 2; the fourth moment is 3, so 2000 draws have a standard error
        // of 0.032: 5 of them.
        let mut rng = Pcg64::seed_from_u64(3);
        let draws = 2000;
        let squares: f64 = (0..draws)
            .map(|_| {
                let q = haar(4, &mut rng);
                (0..4).map(|i| q[(i, i)]).sum::<f64>().powi(2)
            })
            .sum();
        let mean = squares / f64::from(draws);
        assert!((mean - 1.0).abs() < 0.16, "mean square trace {mean}");
    }

    #[test]
    fn spectrum_is_geometric_and_normalised() {
        for condition in [1.0, 10.0, 1e4] {
            let s = geometric_spectrum(512, condition).unwrap();
            let mean_square = s.iter().map(|v| v * v).sum::<f64>() / 512.0;
            assert!((mean_square - 1.0).abs() < 1e-12, "mean square {mean_square}");
            let measured = s[0] / s[511];
            assert!((measured / condition - 1.0).abs() < 1e-12, "condition {measured}");
            let (first, last) = (s[1] / s[0], s[511] / s[510]);
            assert!((first / last - 1.0).abs() < 1e-10, "ratios {first} and {last}");
        }
        assert_eq!(geometric_spectrum(1, 10.0).unwrap(), [1.0]);
    }

    #[test]
    fn the_matrix_has_the_singular_values_asked_for() {
        let mut rng = Pcg64::seed_from_u64(4);
        for (m, n) in [(12, 30), (30, 12)] {
            let spectrum = geometric_spectrum(12, 100.0).unwrap();
            let a = rotationally_invariant(m, n, &spectrum, &mut rng).unwrap();
            assert_eq!(a.shape(), (m, n));
            let measured = a.thin_svd().unwrap();
            for (k, s) in spectrum.iter().enumerate() {
                let found = measured.S().column_vector()[k];
                assert!(
                    (found - s).abs() < 1e-13 * spectrum[0] * 10.0,
                    "value {k}: {found} for {s}"
                );
            }
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        assert_eq!(geometric_spectrum(0, 2.0), Err(EnsembleError::EmptySpectrum));
        for condition in [0.5, -1.0, f64::INFINITY] {
            let expected = Err(EnsembleError::Condition { value: condition });
            assert_eq!(geometric_spectrum(3, condition), expected);
        }
        assert!(geometric_spectrum(3, f64::NAN).is_err());
        let mut rng = Pcg64::seed_from_u64(5);
        let error = rotationally_invariant(4, 3, &[1.0, 1.0], &mut rng).unwrap_err();
        assert_eq!(error.to_string(), "spectrum needs 3 values, got 2");
        let error = rotationally_invariant(2, 2, &[1.0, -1.0], &mut rng).unwrap_err();
        assert_eq!(error, EnsembleError::SingularValue { index: 1, value: -1.0 });
    }
}
