//! One orthogonal matrix after the other.

use super::super::OperatorError;
use super::Orthogonal;

/// A product of orthogonal matrices.
///
/// ```
/// use fg_core::operator::{Chain, Hadamard, Orthogonal, Signs};
/// let mixed = Chain::new(Signs::new(vec![true, false])).then(Hadamard::new(2)?)?;
/// let mut x = [1.0, 1.0];
/// mixed.apply(&mut x);
/// assert_eq!(x[0], 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Chain {
    steps: Vec<Box<dyn Orthogonal>>,
    size: usize,
}

impl Chain {
    /// What is applied first.
    pub fn new(first: impl Orthogonal + 'static) -> Self {
        Self { size: first.size(), steps: vec![Box::new(first)] }
    }

    /// And what is applied to the result.
    ///
    /// # Errors
    /// [`OperatorError::Parts`] when it is of another size.
    pub fn then(mut self, next: impl Orthogonal + 'static) -> Result<Self, OperatorError> {
        if next.size() != self.size {
            let (expected, found) = (self.size, next.size());
            return Err(OperatorError::Parts { part: "rows in the next step", expected, found });
        }
        self.steps.push(Box::new(next));
        Ok(self)
    }
}

impl Orthogonal for Chain {
    fn size(&self) -> usize {
        self.size
    }

    fn apply(&self, x: &mut [f64]) {
        self.steps.iter().for_each(|step| step.apply(x));
    }

    fn apply_adjoint(&self, x: &mut [f64]) {
        self.steps.iter().rev().for_each(|step| step.apply_adjoint(x));
    }

    fn name(&self) -> String {
        let names: Vec<String> = self.steps.iter().map(|step| step.name()).collect();
        names.join(", ")
    }
}
