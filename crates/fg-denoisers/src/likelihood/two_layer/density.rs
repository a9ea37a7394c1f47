//! The density of the data along a line on which the outputs are piecewise linear: the only part of a line that knows what
//! becomes of them.

use fg_core::special::number::Lanes;
use fg_core::special::positive_part;
use pulp::Simd;

use super::line::{Line, Ray};
use super::output::{Link, Term};
use crate::family::lines::Found;

/// What a row is integrated against.
pub(super) trait Density: Copy {
    /// Integrates along every line of the register, whose nodes have been placed.
    fn integrate<S: Simd>(self, line: &mut Line<'_, S>, ray: &Ray<'_>) -> Found<Lanes<S>>;

    /// Mean and variance of a standard normal coordinate given the data, for outputs of this residual and slope, one pair
    /// after another, that are linear in it.
    fn posterior(self, observed: &[f64], outputs: impl Iterator<Item = (f64, f64)>) -> (f64, f64);
}

/// Gaussian noise of this precision.
#[derive(Clone, Copy)]
pub(super) struct Noise {
    pub(super) precision: f64,
}

impl Density for Noise {
    #[inline(always)]
    fn integrate<S: Simd>(self, line: &mut Line<'_, S>, _: &Ray<'_>) -> Found<Lanes<S>> {
        line.integrate(self.precision)
    }

    #[inline(always)]
    fn posterior(self, _: &[f64], outputs: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
        let (mut square, mut product) = (0.0, 0.0);
        for (residual, slope) in outputs {
            square += slope * slope;
            product += slope * residual;
        }
        let variance = 1.0 / self.precision.mul_add(square, 1.0);
        (self.precision * product * variance, variance)
    }
}

/// Labels of a single output.
#[derive(Clone, Copy)]
pub(super) struct Labels<'a> {
    pub(super) link: Link,
    pub(super) terms: &'a [Term],
}

impl Density for Labels<'_> {
    #[inline(always)]
    fn integrate<S: Simd>(self, line: &mut Line<'_, S>, ray: &Ray<'_>) -> Found<Lanes<S>> {
        line.integrate_label(ray.observed[0], self.terms)
    }

    /// Exact for a probit link.
    #[inline(always)]
    fn posterior(
        self,
        observed: &[f64],
        outputs: impl Iterator<Item = (f64, f64)>,
    ) -> (f64, f64) {
        let (mut mean, mut variance) = (0.0, 1.0);
        for (y, (residual, slope)) in observed.iter().zip(outputs) {
            let spread = self.link.deviation().hypot(slope);
            let (x, share) = (-y * residual / spread, y * slope / spread);
            let cut = positive_part(x);
            mean = share * cut.inverse_mills;
            variance = 1.0 - share * share * (1.0 - cut.variance);
        }
        (mean, variance)
    }
}
