//! The Walsh-Hadamard transform.

use core::fmt;

use super::Orthogonal;

/// The symmetric matrix of entries `(-1)^<i, k> / sqrt(n)`, where `<i, k>` counts the bits that `i` and `k` share, for `n`
/// a power of two. Time: `n log2 n` additions.
///
/// ```
/// use fg_core::operator::{Hadamard, Orthogonal};
/// let mut x = [1.0, 0.0, 0.0, 0.0];
/// Hadamard::new(4)?.apply(&mut x);
/// assert_eq!(x, [0.5; 4]);
/// # Ok::<(), fg_core::operator::HadamardError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hadamard {
    size: usize,
}

impl Hadamard {
    /// Of `size` rows.
    ///
    /// # Errors
    /// [`HadamardError`] unless `size` is a power of two.
    pub fn new(size: usize) -> Result<Self, HadamardError> {
        if size.is_power_of_two() { Ok(Self { size }) } else { Err(HadamardError { size }) }
    }
}

impl Orthogonal for Hadamard {
    fn size(&self) -> usize {
        self.size
    }

    fn apply(&self, x: &mut [f64]) {
        let mut half = 1;
        while half < x.len() {
            for block in x.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for (a, b) in low.iter_mut().zip(high) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
            half *= 2;
        }
        let scale = (self.size as f64).sqrt().recip();
        x.iter_mut().for_each(|x| *x *= scale);
    }

    fn apply_adjoint(&self, x: &mut [f64]) {
        self.apply(x);
    }

    fn name(&self) -> String {
        format!("Hadamard {}", self.size)
    }
}

/// A size that isn't a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HadamardError {
    /// The size.
    pub size: usize,
}

impl fmt::Display for HadamardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "size of a Hadamard transform must be a power of two, got {}", self.size)
    }
}

impl core::error::Error for HadamardError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_as_defined() {
        let n = 8usize;
        for k in 0..n {
            let mut x = vec![0.0; n];
            x[k] = 1.0;
            Hadamard::new(n).unwrap().apply(&mut x);
            for (i, found) in x.iter().enumerate() {
                let sign = if (i & k).count_ones() % 2 == 0 { 1.0 } else { -1.0 };
                assert!((found - sign / 8.0f64.sqrt()).abs() < 1e-15, "{i} {k}");
            }
        }
        assert_eq!(Hadamard::new(12), Err(HadamardError { size: 12 }));
        assert!(Hadamard::new(0).is_err());
    }
}
