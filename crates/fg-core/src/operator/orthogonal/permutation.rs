//! Another order of the entries.

use core::fmt;

use super::Orthogonal;

/// The matrix that puts entry `order[k]` in place `k`.
///
/// ```
/// use fg_core::operator::{Orthogonal, Permutation};
/// let mut x = [1.0, 2.0, 3.0];
/// Permutation::new(vec![2, 0, 1])?.apply(&mut x);
/// assert_eq!(x, [3.0, 1.0, 2.0]);
/// # Ok::<(), fg_core::operator::PermutationError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permutation {
    order: Vec<usize>,
}

impl Permutation {
    /// Of this order, which names each index below its length once.
    ///
    /// # Errors
    /// [`PermutationError`] when it doesn't.
    pub fn new(order: Vec<usize>) -> Result<Self, PermutationError> {
        Self::first(&order, order.len())
    }

    /// The order that puts these of `size` indices first, and the others behind them as they are.
    ///
    /// # Errors
    /// [`PermutationError`] when an index is too large or comes twice.
    pub fn first(chosen: &[usize], size: usize) -> Result<Self, PermutationError> {
        let mut rest = vec![true; size];
        for &index in chosen {
            match rest.get_mut(index) {
                Some(rest) if *rest => *rest = false,
                _ => return Err(PermutationError { index, size }),
            }
        }
        let others = (0..size).filter(|&i| rest[i]);
        Ok(Self { order: chosen.iter().copied().chain(others).collect() })
    }
}

impl Orthogonal for Permutation {
    fn size(&self) -> usize {
        self.order.len()
    }

    fn apply(&self, x: &mut [f64]) {
        let before = x.to_vec();
        x.iter_mut().zip(&self.order).for_each(|(x, &k)| *x = before[k]);
    }

    fn apply_adjoint(&self, x: &mut [f64]) {
        let before = x.to_vec();
        before.iter().zip(&self.order).for_each(|(&value, &k)| x[k] = value);
    }

    fn name(&self) -> String {
        "permutation".to_owned()
    }
}

/// Indices aren't in an order: one is too large, or comes twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermutationError {
    /// The first such index.
    pub index: usize,
    /// How many there are.
    pub size: usize,
}

impl fmt::Display for PermutationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, size } = self;
        write!(f, "index {index} must be below {size} and come once")
    }
}

impl core::error::Error for PermutationError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_orders_are_named() {
        let twice = Permutation::new(vec![0, 1, 1]).unwrap_err();
        assert_eq!(twice, PermutationError { index: 1, size: 3 });
        assert_eq!(Permutation::first(&[4], 3).unwrap_err().index, 4);
        assert_eq!(Permutation::first(&[2, 2], 3).unwrap_err().index, 2);
        let first = Permutation::first(&[2], 3).unwrap();
        assert_eq!(first, Permutation::new(vec![2, 0, 1]).unwrap());
    }
}
