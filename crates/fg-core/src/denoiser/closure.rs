//! The least a user can write: a closure for one number, with its derivative.

use core::fmt;

use super::{Denoiser, Estimation, Law, Likelihood, RowCavity, RowEstimate, Scratch};
use crate::factor::Breakdown;

/// A denoiser of one column from a closure `|r, gamma| -> (estimate, derivative)`.
///
/// `r` is the mean of the cavity, `gamma` its precision, and the derivative is with respect to `r`; the
/// covariance handed to the engine is `derivative / gamma`. That quotient says nothing at `gamma = 0`, where the
/// closure isn't called and the estimate is refused as [`Breakdown::ImproperCavity`]: write the full
/// [`Denoiser`] for an estimator that must answer without any message from the rest of the graph.
///
/// ```
/// use fg_core::denoiser::{Denoiser, Estimation, Pointwise};
/// let soft = Pointwise::new("soft threshold", |r: f64, gamma: f64| {
///     let kept = (r.abs() - 1.0 / gamma).max(0.0);
///     (kept.copysign(r), if kept > 0.0 { 1.0 } else { 0.0 })
/// })
/// .with_estimation(Estimation::Map);
/// assert_eq!(soft.name(), "soft threshold");
/// ```
pub struct Pointwise<F> {
    name: String,
    estimator: F,
    estimation: Estimation,
    law: Option<Box<dyn Law>>,
}

impl<F: Fn(f64, f64) -> (f64, f64) + Send + Sync> Pointwise<F> {
    /// The denoiser of this closure; it is taken to answer with posterior means.
    pub fn new(name: impl Into<String>, estimator: F) -> Self {
        Self { name: name.into(), estimator, estimation: Estimation::default(), law: None }
    }

    /// Says whether the closure answers with posterior means or with maximisers. Default: posterior means.
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

impl<F: Fn(f64, f64) -> (f64, f64) + Send + Sync> Denoiser for Pointwise<F> {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        estimate_pointwise(cavity, out, |_, r, gamma| (self.estimator)(r, gamma))
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

impl<F> fmt::Debug for Pointwise<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, estimator: _, estimation, law } = self;
        f.debug_struct("Pointwise")
            .field("name", name)
            .field("estimation", estimation)
            .field("law", law)
            .finish_non_exhaustive()
    }
}

/// Calls `estimator(row, r, gamma) -> (estimate, derivative)` on every row of a variable of one column.
pub(super) fn estimate_pointwise(
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
    estimator: impl Fn(usize, f64, f64) -> (f64, f64),
) -> Result<(), Breakdown> {
    let gamma = cavity.scalar_precision();
    if !(gamma > 0.0) {
        return Err(Breakdown::ImproperCavity { port: 0, row: cavity.first_row() });
    }
    let rows = out.mean.iter_mut().zip(out.covariance.iter_mut()).zip(cavity.mean());
    for (i, ((mean, covariance), &r)) in rows.enumerate() {
        let (estimate, derivative) = estimator(i, r, gamma);
        *mean = estimate;
        *covariance = derivative / gamma;
        if !(estimate.is_finite() && covariance.is_finite()) {
            return Err(Breakdown::NotFinite { port: 0, row: cavity.first_row() + i });
        }
    }
    Ok(())
}

type Draw = Box<dyn Fn(f64, &[f64]) -> f64 + Send + Sync>;

/// A likelihood of one column and one observation from a closure `|y, r, gamma| -> (estimate, derivative)`.
///
/// Conventions as for [`Pointwise`]; `y` is the observed value of the row.
///
/// ```
/// use fg_core::denoiser::{Likelihood, PointwiseLikelihood};
/// // Gaussian noise of precision 4.
/// let noise = PointwiseLikelihood::new("noise", |y: f64, r: f64, gamma: f64| {
///     ((4.0 * y + gamma * r) / (4.0 + gamma), gamma / (4.0 + gamma))
/// })
/// .with_draw(1, |z, uniforms| z + 0.5 * fg_core::special::quantile(uniforms[0].max(1e-16)));
/// assert_eq!(noise.uniforms(1), Some(1));
/// ```
pub struct PointwiseLikelihood<F> {
    name: String,
    estimator: F,
    estimation: Estimation,
    draw: Option<(usize, Draw)>,
}

impl<F: Fn(f64, f64, f64) -> (f64, f64) + Send + Sync> PointwiseLikelihood<F> {
    /// The likelihood of this closure; it is taken to answer with posterior means.
    pub fn new(name: impl Into<String>, estimator: F) -> Self {
        Self { name: name.into(), estimator, estimation: Estimation::default(), draw: None }
    }

    /// Says whether the closure answers with posterior means or with maximisers. Default: posterior means.
    #[must_use]
    pub fn with_estimation(mut self, estimation: Estimation) -> Self {
        self.estimation = estimation;
        self
    }

    /// How `|z, uniforms| -> y` draws an observation from as many `uniforms` in `[0, 1)`. Default: it can't.
    #[must_use]
    pub fn with_draw(
        mut self,
        uniforms: usize,
        draw: impl Fn(f64, &[f64]) -> f64 + Send + Sync + 'static,
    ) -> Self {
        self.draw = Some((uniforms, Box::new(draw)));
        self
    }
}

impl<F: Fn(f64, f64, f64) -> (f64, f64) + Send + Sync> Likelihood for PointwiseLikelihood<F> {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        estimate_pointwise(cavity, out, |i, r, gamma| (self.estimator)(observed[i], r, gamma))
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn estimation(&self) -> Estimation {
        self.estimation
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        self.draw.as_ref().map(|(uniforms, _)| *uniforms)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        y[0] = self.draw.as_ref().map_or(f64::NAN, |(_, draw)| draw(z[0], uniforms));
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl<F> fmt::Debug for PointwiseLikelihood<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, estimator: _, estimation, draw } = self;
        f.debug_struct("PointwiseLikelihood")
            .field("name", name)
            .field("estimation", estimation)
            .field("uniforms", &draw.as_ref().map(|(uniforms, _)| *uniforms))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(denoiser: &dyn Denoiser, r: f64, gamma: f64) -> Result<(f64, f64), Breakdown> {
        let (n, r, gamma) = ([gamma * r], [r], [gamma]);
        let (mut mean, mut covariance) = ([0.0], [0.0]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        denoiser.estimate(
            &RowCavity::new(3, 1, &n, &r, &gamma),
            &mut out,
            &mut Scratch::default(),
        )?;
        Ok((mean[0], covariance[0]))
    }

    #[test]
    fn covariance_is_the_derivative_over_the_precision() {
        let shrink = Pointwise::new("shrink", |r: f64, gamma: f64| {
            (r * gamma / (1.0 + gamma), gamma / (1.0 + gamma))
        });
        assert_eq!(run(&shrink, 2.0, 3.0), Ok((1.5, 0.25)));
        assert_eq!(
            run(&shrink, 0.0, 0.0),
            Err(Breakdown::ImproperCavity { port: 0, row: 3 }),
            "derivative / gamma says nothing at gamma = 0"
        );
        assert!(format!("{shrink:?}").contains("shrink"));
    }

    #[test]
    fn a_closure_that_answers_nan_is_named_by_its_row() {
        let broken = Pointwise::new("broken", |_: f64, _: f64| (f64::NAN, 1.0));
        assert_eq!(run(&broken, 1.0, 1.0), Err(Breakdown::NotFinite { port: 0, row: 3 }));
    }

    #[test]
    fn a_likelihood_sees_the_observation_of_its_row() {
        let model = PointwiseLikelihood::new("copy", |y: f64, _: f64, _: f64| (y, 0.5));
        let (mut mean, mut covariance) = ([0.0; 2], [0.0; 2]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        let cavity = RowCavity::new(0, 1, &[2.0, 4.0], &[1.0, 2.0], &[2.0]);
        model.estimate(&[7.0, 8.0], &cavity, &mut out, &mut Scratch::default()).unwrap();
        assert_eq!((mean, covariance), ([7.0, 8.0], [0.25; 2]));
        let mut y = [0.0];
        model.draw(&[1.0], &[], &mut y);
        assert!(y[0].is_nan() && model.uniforms(1).is_none());
    }
}
