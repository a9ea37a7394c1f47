//! A likelihood with one positive parameter that a run learns, whatever the likelihood.

use core::fmt;
use std::sync::Arc;

use fg_core::denoiser::{
    Estimation, GaussianRow, Likelihood, Parameter, RowCavity, RowEstimate, Scratch,
};
use fg_core::factor::Breakdown;

use crate::error::{self, ParameterError};

/// Any family of likelihoods of one positive parameter, such as the variance of a noise, which a run learns.
///
/// # Density
///
/// ```text
/// p(y | z) = f_t(y | z),    t > 0
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | name | - | | what the parameter is called in reports |
/// | value `t` | - | above 0, finite | where learning starts |
/// | family `f` | - | posterior means with a log-partition function | the likelihood of each value |
///
/// # Estimate
///
/// That of the family at the current value.
///
/// # Learning
///
/// A step of Newton's method on the log-partition function of all rows, as a function of `log t`: the evidence of what the
/// cavities say.
///
/// # Numerical notes and limits
///
/// * Derivatives are differences. A family that integrates on points takes the same ones for all values, so that their
///   error hardly shows in a difference.
/// * A step changes the parameter by no more than a factor of two, and is halved until the evidence doesn't fall: the
///   cavities of early sweeps are nobody's last word.
/// * Maximisers have no evidence, and some families no log-partition function: their parameter stays what it was.
/// * Four log-partition functions of all rows a sweep.
///
/// # Reference
///
/// C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), section 3.5: parameters by their evidence.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity};
/// use fg_denoisers::{Magnitude, Tuned};
/// let noisy = Tuned::new("noise variance", 1.0, Magnitude::new)?;
/// // Magnitudes of values known to be near 3, off by a half.
/// let rows = RowCavity::new(0, 1, &[3e6; 4], &[3.0; 4], &[1e6]);
/// let mut node: Box<dyn Likelihood> = Box::new(noisy);
/// for _ in 0..8 {
///     let mut pieces = core::iter::once((&[2.5, 3.5, 3.5, 2.5][..], rows));
///     node = node.learned(&mut pieces).expect("a log-partition function");
/// }
/// assert!((node.learning()[0].values[0] - 0.25).abs() < 1e-3);
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
pub struct Tuned {
    name: &'static str,
    value: f64,
    family: Arc<Family>,
    likelihood: Box<dyn Likelihood>,
}

type Family = dyn Fn(f64) -> Result<Box<dyn Likelihood>, ParameterError> + Send + Sync;

/// Step of the differences in the logarithm of the parameter: they err by its square, and by rounding over it.
const STEP: f64 = 0.02;
/// Largest change of the logarithm in a sweep.
const LARGEST: f64 = core::f64::consts::LN_2;
/// A step so often halved is none.
const HALVINGS: u32 = 12;

impl Tuned {
    /// The likelihoods that `family` gives for the values of a parameter of this name, from `value` on.
    ///
    /// # Errors
    /// [`ParameterError`] unless the value is positive and finite, and that of the family.
    pub fn new<L: Likelihood + 'static>(
        name: &'static str,
        value: f64,
        family: impl Fn(f64) -> Result<L, ParameterError> + Send + Sync + 'static,
    ) -> Result<Self, ParameterError> {
        error::positive(name, value)?;
        let boxed = move |value| family(value).map(|l| Box::new(l) as Box<dyn Likelihood>);
        let likelihood = boxed(value)?;
        Ok(Self { name, value, family: Arc::new(boxed), likelihood })
    }

    /// The parameter.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The likelihood of the current value.
    pub fn likelihood(&self) -> &dyn Likelihood {
        &*self.likelihood
    }

    /// The evidence of this many times the value.
    fn evidence(&self, log: f64, pieces: &[(&[f64], RowCavity<'_>)]) -> Option<f64> {
        let likelihood = (self.family)(self.value * log.exp()).ok()?;
        let (mut sum, mut out) = (0.0, Vec::new());
        for (data, rows) in pieces {
            out.resize(rows.len(), 0.0);
            if !likelihood.log_partition(data, rows, &mut out) {
                return None;
            }
            sum += out.iter().sum::<f64>();
        }
        Some(sum)
    }

    /// By how much the logarithm of the parameter is to change.
    fn step(&self, pieces: &[(&[f64], RowCavity<'_>)]) -> Option<f64> {
        let at = |log| self.evidence(log, pieces);
        let (below, here, above) = (at(-STEP)?, at(0.0)?, at(STEP)?);
        let slope = (above - below) / (2.0 * STEP);
        let curvature = (above - 2.0 * here + below) / (STEP * STEP);
        let newton = if curvature < 0.0 { -slope / curvature } else { slope * f64::INFINITY };
        let mut step = newton.clamp(-LARGEST, LARGEST);
        for _ in 0..HALVINGS {
            // Written so that NaN, as where nothing depends on the parameter, is no step.
            if at(step).is_some_and(|evidence| evidence >= here) {
                return Some(step);
            }
            step *= 0.5;
        }
        Some(0.0)
    }
}

impl fmt::Debug for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, likelihood, family: _ } = self;
        let mut debug = f.debug_struct("Tuned");
        debug.field("name", name).field("value", value).field("likelihood", likelihood);
        debug.finish_non_exhaustive()
    }
}

impl Likelihood for Tuned {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        self.likelihood.estimate(observed, cavity, out, scratch)
    }

    fn outputs(&self, d: usize) -> usize {
        self.likelihood.outputs(d)
    }

    fn columns(&self) -> Option<usize> {
        self.likelihood.columns()
    }

    fn rows(&self) -> Option<usize> {
        self.likelihood.rows()
    }

    fn row_model(&self, row: usize) -> Option<&dyn Likelihood> {
        self.likelihood.row_model(row)
    }

    fn estimation(&self) -> Estimation {
        self.likelihood.estimation()
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        self.likelihood.check(observed)
    }

    fn gaussian(&self, observed: &[f64]) -> Option<GaussianRow> {
        self.likelihood.gaussian(observed)
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        self.likelihood.log_partition(observed, cavity, out)
    }

    fn learning(&self) -> Vec<Parameter> {
        vec![Parameter::scalar(self.name, self.value)]
    }

    fn learned(
        &self,
        rows: &mut dyn Iterator<Item = (&[f64], RowCavity<'_>)>,
    ) -> Option<Box<dyn Likelihood>> {
        if self.likelihood.estimation() != Estimation::Mmse {
            return None;
        }
        let pieces: Vec<_> = rows.collect();
        let value = self.value * self.step(&pieces)?.exp();
        let likelihood = (self.family)(value).ok()?;
        Some(Box::new(Self {
            name: self.name,
            value,
            family: Arc::clone(&self.family),
            likelihood,
        }))
    }

    fn uniforms(&self, d: usize) -> Option<usize> {
        self.likelihood.uniforms(d)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        self.likelihood.draw(z, uniforms, y);
    }

    fn name(&self) -> String {
        format!("{}, learned {}", self.likelihood.name(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Awgn, HuberNoise, Sign};

    /// The value that steps on the same cavities end at.
    fn settled(node: Tuned, data: &[f64], rows: RowCavity<'_>) -> f64 {
        let mut node: Box<dyn Likelihood> = Box::new(node);
        for _ in 0..60 {
            let Some(next) = node.learned(&mut core::iter::once((data, rows))) else { break };
            node = next;
        }
        node.learning()[0].values[0]
    }

    #[test]
    fn the_variance_of_gaussian_noise_is_what_the_cavity_leaves_unexplained() {
        // Steps end where differences of the evidence vanish: off by the square of their step.
        const TOLERANCE: f64 = STEP * STEP;
        let data = [1.0, -2.0, 0.5, 3.0, -1.5];
        let precision = 2.0;
        let means = [0.2, -0.1, 0.3, 0.1, 0.0];
        let natural = means.map(|m| precision * m);
        let rows = RowCavity::new(0, 1, &natural, &means, core::slice::from_ref(&precision));
        let squares: f64 = data.iter().zip(means).map(|(y, m)| (y - m) * (y - m)).sum();
        let expected = squares / 5.0 - 0.5;
        for start in [1e-3, 1.0, 1e3] {
            let node = Tuned::new("noise variance", start, Awgn::from_variance).unwrap();
            let found = settled(node, &data, rows);
            assert!((found / expected - 1.0).abs() < TOLERANCE, "{start}: {found}, {expected}");
        }
    }

    #[test]
    fn what_has_no_evidence_keeps_its_parameter() {
        let rows = RowCavity::new(0, 1, &[1.0], &[1.0], &[1.0]);
        let node =
            Tuned::new("deviation", 0.7, |s| Ok(HuberNoise::new(s, 1.345)?.maximised())).unwrap();
        assert!(node.learned(&mut core::iter::once((&[5.0][..], rows))).is_none());
        assert!(Tuned::new("variance", 0.0, Sign::probit).is_err());
        assert!(Tuned::new("variance", f64::NAN, Sign::probit).is_err());
    }
}
