//! Random complex operators: Gaussian matrices and unitary ones.

use fg_core::faer::{Mat, c64};
use fg_linalg::orthonormal::complex_orthonormal;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// An `m x n` matrix of independent circular Gaussian entries: `variance` is the mean square modulus, half of it that of
/// either part.
pub fn complex_gaussian_matrix<R: Rng + ?Sized>(
    m: usize,
    n: usize,
    variance: f64,
    rng: &mut R,
) -> Mat<c64> {
    let deviation = (0.5 * variance).sqrt();
    let mut matrix = Mat::zeros(m, n);
    for j in 0..n {
        for i in 0..m {
            let (re, im): (f64, f64) = (StandardNormal.sample(rng), StandardNormal.sample(rng));
            matrix[(i, j)] = c64::new(deviation * re, deviation * im);
        }
    }
    matrix
}

/// An `n x n` unitary matrix, uniform over the unitary group.
pub fn unitary<R: Rng + ?Sized>(n: usize, rng: &mut R) -> Mat<c64> {
    unitary_frame(n, n, rng)
}

/// `k` orthonormal columns of `n >= k` complex numbers, uniform over such frames: the first `k` columns of [`unitary`].
///
/// As [`haar_frame`](super::haar_frame), with phases in place of signs.
///
/// # Panics
/// When `k > n`: there is no such frame.
#[track_caller]
pub fn unitary_frame<R: Rng + ?Sized>(n: usize, k: usize, rng: &mut R) -> Mat<c64> {
    complex_orthonormal(&complex_gaussian_matrix(n, k, 1.0, rng))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    #[test]
    fn frames_are_orthonormal() {
        let mut rng = Pcg64::seed_from_u64(1);
        for (n, k) in [(1, 1), (5, 5), (40, 17)] {
            let frame = unitary_frame(n, k, &mut rng);
            let gram = frame.adjoint() * &frame;
            for i in 0..k {
                for j in 0..k {
                    let expected = if i == j { 1.0 } else { 0.0 };
                    let gap = gram[(i, j)] - c64::new(expected, 0.0);
                    // Rounding of a Householder factorisation of a few dozen columns.
                    assert!(f64::hypot(gap.re, gap.im) < 1e-13, "{n} x {k} at ({i}, {j})");
                }
            }
        }
    }

    #[test]
    fn phases_are_even_and_parts_alike() {
        // Without the phase fix Householder's Q has a real first entry. E |tr Q|^2 = 1 and E (tr Q)^2 = 0 over the unitary
        // group; E |tr Q|^4 = 2 for n >= 2, so that 2000 draws have a standard error of 0.023 and 0.032: 5 of them.
        const DRAWS: usize = 2000;
        let mut rng = Pcg64::seed_from_u64(2);
        let (mut square, mut power) = ([0.0; 2], 0.0);
        for _ in 0..DRAWS {
            let q = unitary(3, &mut rng);
            let trace = q[(0, 0)] + q[(1, 1)] + q[(2, 2)];
            power += (trace.re * trace.re + trace.im * trace.im) / DRAWS as f64;
            square[0] += (trace.re * trace.re - trace.im * trace.im) / DRAWS as f64;
            square[1] += 2.0 * trace.re * trace.im / DRAWS as f64;
        }
        assert!((power - 1.0).abs() < 0.12, "mean power of the trace {power}");
        assert!(f64::hypot(square[0], square[1]) < 0.16, "mean square of the trace {square:?}");
    }
}
