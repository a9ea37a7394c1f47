//! The density of the data along a line on which the outputs are piecewise linear: the only part of a line that knows what
//! becomes of them.

use fg_core::special::number::Lanes;
use fg_core::special::positive_part;
use pulp::Simd;

use super::line::{Line, Ray};
use super::output::{Link, Term};
use crate::family::lines::Found;

/// With noise the grid shrinks with the posterior, to this many of its linearised deviations, ..
const NOISE_WIDTH: f64 = 3.0;
/// .. but not below this share, where the network is straight between nodes anyway.
const NARROWEST: f64 = 0.3;
/// Width of the grid with a label, against whose evidence a posterior may have a second mode.
const LABEL_WIDTH: f64 = 1.5;

/// What a row is integrated against.
pub(super) trait Density: Copy {
    /// Whether points are two independent halves, so that an error is declared.
    const HALVED: bool;

    /// Integrates along every line of the register, whose nodes have been placed.
    fn integrate<S: Simd>(self, line: &mut Line<'_, S>, ray: &Ray<'_>) -> Found<Lanes<S>>;

    /// By how much data make a standard normal coordinate more precise along which the output has a slope of this square, at
    /// most.
    fn information(self, slope_square: f64) -> f64;

    /// Centre and width of a grid for the posterior of a standard normal coordinate, for outputs of this residual and slope,
    /// one pair after another, that are taken as linear in it.
    fn grid(self, observed: &[f64], outputs: impl Iterator<Item = (f64, f64)>) -> (f64, f64);
}

/// Gaussian noise of this precision.
#[derive(Clone, Copy)]
pub(super) struct Noise {
    pub(super) precision: f64,
}

impl Density for Noise {
    const HALVED: bool = false;

    #[inline(always)]
    fn integrate<S: Simd>(self, line: &mut Line<'_, S>, _: &Ray<'_>) -> Found<Lanes<S>> {
        line.integrate(self.precision)
    }

    #[inline(always)]
    fn information(self, slope_square: f64) -> f64 {
        self.precision * slope_square
    }

    #[inline(always)]
    fn grid(self, _: &[f64], outputs: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
        let (mut square, mut product) = (0.0, 0.0);
        for (residual, slope) in outputs {
            square += slope * slope;
            product += slope * residual;
        }
        let variance = 1.0 / self.precision.mul_add(square, 1.0);
        let width = (NOISE_WIDTH * variance.sqrt()).clamp(NARROWEST, 1.0);
        (self.precision * product * variance, width)
    }
}

/// Labels of a single output.
#[derive(Clone, Copy)]
pub(super) struct Labels<'a> {
    pub(super) link: Link,
    pub(super) terms: &'a [Term],
}

impl Density for Labels<'_> {
    const HALVED: bool = true;

    #[inline(always)]
    fn integrate<S: Simd>(self, line: &mut Line<'_, S>, ray: &Ray<'_>) -> Found<Lanes<S>> {
        line.integrate_label(ray.observed[0], self.terms)
    }

    #[inline(always)]
    fn information(self, slope_square: f64) -> f64 {
        slope_square / (self.link.deviation() * self.link.deviation())
    }

    /// The posterior of a label is as wide as the cavity on one side; its centre is that of a linear network with a probit
    /// link.
    #[inline(always)]
    fn grid(self, observed: &[f64], outputs: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
        let mut centre = 0.0;
        for (y, (residual, slope)) in observed.iter().zip(outputs) {
            let spread = self.link.deviation().hypot(slope);
            centre = y * slope / spread * positive_part(-y * residual / spread).inverse_mills;
        }
        (centre, LABEL_WIDTH)
    }
}
