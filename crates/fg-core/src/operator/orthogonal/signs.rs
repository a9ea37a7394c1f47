//! Flips of signs.

use super::Orthogonal;

/// A diagonal matrix of ones and minus ones. Random ones before a fast transform spread any signal over all outputs.
///
/// ```
/// use fg_core::operator::{Orthogonal, Signs};
/// let mut x = [1.0, 2.0];
/// Signs::new(vec![false, true]).apply(&mut x);
/// assert_eq!(x, [1.0, -2.0]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signs {
    flipped: Vec<bool>,
}

impl Signs {
    /// Minus one where `flipped` says so.
    pub fn new(flipped: Vec<bool>) -> Self {
        Self { flipped }
    }
}

impl Orthogonal for Signs {
    fn size(&self) -> usize {
        self.flipped.len()
    }

    fn apply(&self, x: &mut [f64]) {
        for (value, &flipped) in x.iter_mut().zip(&self.flipped) {
            if flipped {
                *value = -*value;
            }
        }
    }

    fn apply_adjoint(&self, x: &mut [f64]) {
        self.apply(x);
    }

    fn name(&self) -> String {
        "signs".to_owned()
    }
}
