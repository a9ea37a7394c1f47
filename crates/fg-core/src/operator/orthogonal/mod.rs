//! Square matrices that keep lengths and are applied without being stored: what fast operators are made of.

mod chain;
mod cosine;
mod fourier;
mod hadamard;
mod permutation;
mod signs;
mod wavelet;

pub use chain::Chain;
pub use cosine::{Cosine, CosineError};
pub(super) use fourier::Plane;
pub use fourier::{Fourier, Hartley};
pub use hadamard::{Hadamard, HadamardError};
pub use permutation::{Permutation, PermutationError};
pub use signs::Signs;
pub use wavelet::{Wavelet, WaveletError};

use core::fmt;

/// An orthogonal matrix `Q` (`n x n`): `Q' Q = I`.
pub trait Orthogonal: fmt::Debug + Send + Sync {
    /// Its size `n`.
    fn size(&self) -> usize;

    /// `x <- Q x`, for `x` of `n` entries.
    fn apply(&self, x: &mut [f64]);

    /// `x <- Q' x`, for `x` of `n` entries.
    fn apply_adjoint(&self, x: &mut [f64]);

    /// Short name shown in pictures and reports.
    fn name(&self) -> String;
}

/// The identity.
///
/// ```
/// use fg_core::operator::{Identity, Orthogonal};
/// let mut x = [1.0, 2.0];
/// Identity::new(2).apply(&mut x);
/// assert_eq!(x, [1.0, 2.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    size: usize,
}

impl Identity {
    /// Of `size` rows.
    pub fn new(size: usize) -> Self {
        Self { size }
    }
}

impl Orthogonal for Identity {
    fn size(&self) -> usize {
        self.size
    }

    fn apply(&self, _x: &mut [f64]) {}

    fn apply_adjoint(&self, _x: &mut [f64]) {}

    fn name(&self) -> String {
        "identity".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What has to hold of any orthogonal matrix: it keeps lengths, and its adjoint undoes it.
    fn check(q: &dyn Orthogonal) {
        let n = q.size();
        let start: Vec<f64> = (0..n).map(|i| (1.0 + 0.7 * (i * i) as f64).sin()).collect();
        let length = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>();
        let mut x = start.clone();
        q.apply(&mut x);
        assert!((length(&x) / length(&start) - 1.0).abs() < 1e-13, "{} {n}", q.name());
        q.apply_adjoint(&mut x);
        for (found, expected) in x.iter().zip(&start) {
            assert!((found - expected).abs() < 1e-13, "{} {n}: {found} {expected}", q.name());
        }
    }

    #[test]
    fn adjoints_undo_and_lengths_stay() {
        for n in [1, 2, 5, 16, 60] {
            check(&Identity::new(n));
            check(&Cosine::new(n).unwrap());
            check(&Fourier::new(n).unwrap());
            check(&Hartley::new(n).unwrap());
            check(&Signs::new((0..n).map(|i| i % 3 == 0).collect()));
            check(&Permutation::new((0..n).map(|i| (i * 7 + 3) % n).collect()).unwrap());
        }
        for n in [1, 2, 64] {
            check(&Hadamard::new(n).unwrap());
        }
        for (height, width) in [(1, 1), (4, 6), (7, 3)] {
            check(&Cosine::image(height, width).unwrap());
            check(&Fourier::image(height, width).unwrap());
            check(&Hartley::image(height, width).unwrap());
        }
        for (height, width, levels) in [(1, 4, 1), (8, 4, 2), (2, 2, 1), (16, 8, 3)] {
            check(&Wavelet::image(height, width, levels.min(height.trailing_zeros())).unwrap());
        }
        check(&Wavelet::new(2, 1).unwrap());
        check(&Wavelet::new(48, 4).unwrap());
        let signs = Signs::new((0..12).map(|i| i % 5 == 1).collect());
        check(&Chain::new(signs).then(Cosine::image(3, 4).unwrap()).unwrap());
    }
}
