//! A scalar function written over any `Float` becomes a denoiser: its derivative comes by forward differentiation.

mod number;

pub use number::Dual;

use core::fmt;

use num_traits::Float;

use super::closure::estimate_pointwise;
use super::{Denoiser, Estimation, Law, RowCavity, RowEstimate, Scratch};
use crate::factor::Breakdown;

/// An estimate as a function of the mean `r` and precision `gamma` of the cavity, over any [`Float`].
pub trait ScalarFunction: Send + Sync {
    /// The estimate.
    fn value<T: Float>(&self, r: T, gamma: T) -> T;
}

/// A denoiser of one column from a [`ScalarFunction`], whose derivative is computed by [`Dual`] numbers.
///
/// The derivative is that of the branch taken: exact for continuous functions, and without the jumps of a
/// discontinuous one, for which [`BlackBox`](super::BlackBox) gives the averaged Jacobian. At `gamma = 0` the
/// estimate is refused, as for [`Pointwise`](super::Pointwise).
///
/// ```
/// use fg_core::denoiser::{Differentiated, ScalarFunction};
/// use num_traits::Float;
/// struct Tanh; // posterior mean of a fair sign
/// impl ScalarFunction for Tanh {
///     fn value<T: Float>(&self, r: T, gamma: T) -> T {
///         (gamma * r).tanh()
///     }
/// }
/// let signs = Differentiated::new("signs", Tanh);
/// ```
pub struct Differentiated<F> {
    name: String,
    function: F,
    estimation: Estimation,
    law: Option<Box<dyn Law>>,
}

impl<F: ScalarFunction> Differentiated<F> {
    /// The denoiser of this function; it is taken to answer with posterior means.
    pub fn new(name: impl Into<String>, function: F) -> Self {
        Self { name: name.into(), function, estimation: Estimation::default(), law: None }
    }

    /// Says whether the function is a posterior mean or a maximiser. Default: posterior mean.
    #[must_use]
    pub fn with_estimation(mut self, estimation: Estimation) -> Self {
        self.estimation = estimation;
        self
    }

    /// The distribution rows are drawn from. Default: none, the model can't draw data.
    #[must_use]
    pub fn with_law(mut self, law: impl Law + 'static) -> Self {
        self.law = Some(Box::new(law));
        self
    }
}

impl<F: ScalarFunction> Denoiser for Differentiated<F> {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        estimate_pointwise(cavity, out, |_, r, gamma| {
            let answer = self.function.value(Dual::variable(r), Dual::constant(gamma));
            (answer.value, answer.derivative)
        })
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn estimation(&self) -> Estimation {
        self.estimation
    }

    fn law(&self) -> Option<&dyn Law> {
        self.law.as_deref()
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl<F> fmt::Debug for Differentiated<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, function: _, estimation, law } = self;
        f.debug_struct("Differentiated")
            .field("name", name)
            .field("estimation", estimation)
            .field("law", law)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tanh;
    impl ScalarFunction for Tanh {
        fn value<T: Float>(&self, r: T, gamma: T) -> T {
            (gamma * r).tanh()
        }
    }

    #[test]
    fn covariance_of_a_sign_is_one_minus_its_mean_squared() {
        let denoiser = Differentiated::new("signs", Tanh);
        let (r, gamma) = ([0.3, -2.0], [1.5]);
        let natural = r.map(|r| gamma[0] * r);
        let (mut mean, mut covariance) = ([0.0; 2], [0.0; 2]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        let cavity = RowCavity::new(0, 1, &natural, &r, &gamma);
        denoiser.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        for i in 0..2 {
            // Rounding of one hyperbolic tangent.
            let expected = 1.0 - mean[i] * mean[i];
            assert!((covariance[i] - expected).abs() < 1e-15, "{mean:?} {covariance:?}");
        }
        let improper = RowCavity::new(0, 1, &[0.0], &[0.0], &[0.0]);
        let mut out = RowEstimate { mean: &mut [0.0], covariance: &mut [0.0] };
        assert!(denoiser.estimate(&improper, &mut out, &mut Scratch::default()).is_err());
    }
}
