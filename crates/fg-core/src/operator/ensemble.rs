//! An operator of which only the sizes and the law of its singular values are given: enough to predict, not to run.

use super::LinearOperator;
use crate::evolution::Spectrum;

/// A random operator `A = U diag(s) V'` with `U` and `V` uniform among orthogonal matrices and `s` of a given law, none
/// of them drawn.
///
/// State evolution needs no more; a run refuses a graph with such an operator when it is prepared. The ratio of
/// sizes is the spectrum's; `inputs` only gives variables a number of rows.
///
/// ```
/// use fg_core::{evolution::Spectrum, operator::{Ensemble, LinearOperator}};
/// let operator = Ensemble::new(1000, Spectrum::marchenko_pastur(0.5)?);
/// assert_eq!((operator.outputs(), operator.inputs()), (500, 1000));
/// # Ok::<(), fg_core::evolution::SpectrumError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    outputs: usize,
    inputs: usize,
    spectrum: Spectrum,
}

impl Ensemble {
    /// Operators of `inputs` columns with this spectrum, and as many rows as its ratio asks for, at least one.
    pub fn new(inputs: usize, spectrum: Spectrum) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive number of rows; a size beyond memory is only nominal"
        )]
        let outputs = (inputs as f64 * spectrum.ratio()).round().max(1.0) as usize;
        Self { outputs, inputs, spectrum }
    }

    /// Complex operators of `inputs` columns, on pairs of real entries as [`Complex`](super::Complex) is: twice the sizes,
    /// with `U` and `V` uniform among unitary matrices and the spectrum of the complex one.
    pub fn complex(inputs: usize, spectrum: Spectrum) -> Self {
        let Self { outputs, inputs, spectrum } = Self::new(inputs, spectrum);
        Self { outputs: 2 * outputs, inputs: 2 * inputs, spectrum }
    }
}

impl LinearOperator for Ensemble {
    fn outputs(&self) -> usize {
        self.outputs
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    /// # Panics
    /// Always: there is no matrix.
    fn apply(&self, _x: &[f64], _z: &mut [f64], _columns: usize) {
        panic!("an ensemble of operators has no matrix to apply")
    }

    /// # Panics
    /// Always: there is no matrix.
    fn apply_adjoint(&self, _z: &[f64], _x: &mut [f64], _columns: usize) {
        panic!("an ensemble of operators has no matrix to apply")
    }

    fn squared_norm(&self) -> f64 {
        self.outputs as f64 * self.spectrum.output_power()
    }

    fn spectrum(&self) -> Option<Spectrum> {
        Some(self.spectrum.clone())
    }

    fn is_realised(&self) -> bool {
        false
    }

    fn name(&self) -> String {
        format!("{} x {} ensemble", self.outputs, self.inputs)
    }
}
