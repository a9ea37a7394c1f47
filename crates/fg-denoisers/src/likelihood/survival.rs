//! Survival times, seen or censored: Weibull's law with the unknown as the logarithm of its scale.

use fg_core::denoiser::{Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::log::ln;
use fg_core::special::number::Number;
use fg_core::special::open_uniform;

use crate::error::{self, ParameterError};
use crate::family::curve::{self, Curve, Flat, Mark};
use crate::family::formula::{self, Formula};
use crate::family::growth::Growth;
use crate::family::{Rule, part};

/// Times until an event, some of which are only known to be longer than a time: Weibull regression of one column.
///
/// # Density
///
/// ```text
/// data           time t and flag e:  1 the event came at t,  0 it came later
/// h              (t / exp(z))^k
/// p(t, 1 | z)    (k / t) h exp(-h)
/// p(t, 0 | z)    exp(-h)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | shape `k` | - | `(0, inf)` | 1 is the exponential law, more is ageing |
/// | horizon | infinite | `(0, inf]` | when drawing: times beyond it are censored there; estimates take the flags of the data |
///
/// # Estimate
///
/// Mean, variance and log-partition by quadrature. After [`maximised`](Self::maximised) the maximiser and one over the
/// curvature there; the density is log-concave in `z`.
///
/// # Numerical notes and limits
///
/// * As [`Poisson`](crate::Poisson), of which it is the mirror image on the scale `1 / k`.
/// * With `gamma = 0` an event needs `n < k`, a censored time `n < 0`; otherwise it is improper.
///
/// # Reference
///
/// J. D. Kalbfleisch and R. L. Prentice, *The Statistical Analysis of Failure Time Data* (2002), doi 10.1002/9781118032985.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let times = fg_denoisers::Survival::new(2.0)?;
/// let (mut mean, mut variance) = ([0.0; 2], [0.0; 2]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// let cavity = RowCavity::new(0, 1, &[0.0; 2], &[0.0; 2], &[1.0]);
/// times.estimate(&[1.5, 1.0, 1.5, 0.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!(mean[1] > mean[0]); // the censored time may have been longer
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Survival {
    shape: f64,
    horizon: f64,
    estimation: Estimation,
    rule: Rule,
}

impl Survival {
    /// Times of this shape.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < shape < inf`.
    pub fn new(shape: f64) -> Result<Self, ParameterError> {
        Ok(Self {
            shape: error::positive("shape", shape)?,
            horizon: f64::INFINITY,
            estimation: Estimation::Mmse,
            rule: curve::rule(),
        })
    }

    /// Drawn times beyond `horizon` are censored there. Default: infinite.
    ///
    /// # Errors
    /// [`ParameterError`] unless `horizon > 0`.
    pub fn with_horizon(self, horizon: f64) -> Result<Self, ParameterError> {
        let requirement = "above 0, possibly infinite";
        Ok(Self { horizon: error::above("horizon", horizon, 0.0, requirement)?, ..self })
    }

    /// The same times, answered by maximisers. Default: posterior means.
    #[must_use]
    pub fn maximised(self) -> Self {
        Self { estimation: Estimation::Map, ..self }
    }

    /// Shape `k`.
    pub fn shape(&self) -> f64 {
        self.shape
    }

    fn density(&self, data: &[f64]) -> Time {
        Time { shape: self.shape, log_time: data[0].ln(), event: data[1] }
    }
}

/// Rows whose times and flags are taken apart at once.
const PIECE: usize = 128;

/// Times under one positive cavity precision: natural parameter, time and flag to mean and variance.
struct Times<const AVERAGED: bool> {
    growth: Growth,
    gamma: f64,
    shape: f64,
}

/// The same to a place next to the peak and the logarithm of the integral over the density there, or to the peak and zero.
struct Masses<const AVERAGED: bool>(Times<AVERAGED>);

/// Answers all rows.
fn apply(
    formula: &impl Formula<3>,
    observed: &[f64],
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
) -> bool {
    let (mut time, mut event, mut complete) = ([0.0; PIECE], [0.0; PIECE], true);
    for start in (0..cavity.len()).step_by(PIECE) {
        let rows = start..(start + PIECE).min(cavity.len());
        let (time, event) = (&mut time[..rows.len()], &mut event[..rows.len()]);
        for (k, i) in rows.clone().enumerate() {
            (time[k], event[k]) = (observed[2 * i], observed[2 * i + 1]);
        }
        let mut piece = part::answers(out, rows.clone(), 1);
        complete &= formula::apply_to(formula, [&cavity.natural()[rows], time, event], &mut piece);
    }
    complete
}

impl<const AVERAGED: bool> Times<AVERAGED> {
    /// Logarithm of the time, and what stands for it in the density: in `x = k (log t - z)` that is `exp(c x - e^x - g x^2 / 2)`
    /// with `g = gamma / k^2` and `c = event + (gamma log t - n) / k`.
    #[inline(always)]
    fn exponent<N: Number>(&self, [n, time, event]: [N; 3]) -> [N; 2] {
        let (log, scale) = (ln(time), n.constant(self.shape.recip()));
        [log, log.mul_add(n.constant(self.gamma), -n).mul_add(scale, event)]
    }

    /// `z` from `x`. Of subnormal times the logarithm isn't one: such rows are left open.
    #[inline(always)]
    fn place<N: Number>(&self, x: N, log: N, time: N) -> N {
        let (scale, nothing) = (x.constant(self.shape.recip()), x.constant(f64::NAN));
        x.constant(f64::MIN_POSITIVE).if_above(time, nothing, x.mul_add(-scale, log))
    }
}

impl<const AVERAGED: bool> Formula<3> for Times<AVERAGED> {
    const FOURS: bool = !AVERAGED;
    const OPEN: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, input: [N; 3]) -> [N; 2] {
        let ([log, c], scale) = (self.exponent(input), input[0].constant(self.shape.recip()));
        let [mean, variance] = if AVERAGED { self.growth.moments(c) } else { self.growth.peak(c) };
        [self.place(mean, log, input[1]), variance * (scale * scale)]
    }
}

impl<const AVERAGED: bool> Formula<3> for Masses<AVERAGED> {
    const FOURS: bool = !AVERAGED;

    #[inline(always)]
    fn row<N: Number>(&self, input: [N; 3]) -> [N; 2] {
        let (Self(times), [log, c]) = (self, self.0.exponent(input));
        if !AVERAGED {
            let [x, _] = times.growth.peak(c);
            return [times.place(x, log, input[1]), c.constant(0.0)];
        }
        let [x, mass] = times.growth.log_mass(c);
        [times.place(x, log, input[1]), mass - c.constant(times.shape.ln())]
    }
}

/// `event (log k - log t + x) - exp(x)`, `x = k (log t - z)`.
struct Time {
    shape: f64,
    log_time: f64,
    event: f64,
}

impl Curve for Time {
    fn value(&self, z: f64) -> f64 {
        let x = self.shape * (self.log_time - z);
        self.event * (self.shape.ln() - self.log_time + x) - x.exp()
    }

    fn slopes(&self, z: f64) -> [f64; 2] {
        let hazard = (self.shape * (self.log_time - z)).exp();
        [self.shape * (hazard - self.event), -self.shape * (self.shape * hazard)]
    }

    fn marks(&self) -> [Mark; 2] {
        /// As for a Poisson rate.
        const SCALE: f64 = core::f64::consts::PI;
        [Mark { centre: self.log_time, scale: SCALE / self.shape }; 2]
    }

    fn flat(&self, n: f64) -> Flat {
        if n < self.shape * self.event { Flat::Proper } else { Flat::Improper }
    }
}

impl Likelihood for Survival {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let (gamma, how) = (cavity.scalar_precision(), (self.estimation, &self.rule));
        let density = |i: usize| self.density(&observed[2 * i..2 * i + 2]);
        if !(gamma > 0.0) {
            return curve::estimate(density, how, cavity, out);
        }
        let (growth, shape) = (Growth::new(gamma / self.shape / self.shape), self.shape);
        let complete = match self.estimation {
            Estimation::Mmse => {
                apply(&Times::<true> { growth, gamma, shape }, observed, cavity, out)
            }
            Estimation::Map => {
                apply(&Times::<false> { growth, gamma, shape }, observed, cavity, out)
            }
        };
        if complete {
            return Ok(());
        }
        curve::settle(density, how, cavity, out)
    }

    fn outputs(&self, _d: usize) -> usize {
        2
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn estimation(&self) -> Estimation {
        self.estimation
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        match observed {
            [t, e] if *t > 0.0 && t.is_finite() && (*e == 0.0 || (e - 1.0).abs() == 0.0) => Ok(()),
            _ => Err(format!(
                "data must be a time above 0 and a flag, 1 for an event and 0 for a censored time, got {observed:?}"
            )),
        }
    }

    /// False where a row is improper.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let (gamma, how) = (cavity.scalar_precision(), (self.estimation, &self.rule));
        let density = |i: usize| self.density(&observed[2 * i..2 * i + 2]);
        if !(gamma > 0.0) {
            return curve::log_partition(density, how, cavity, out);
        }
        let (growth, shape) = (Growth::new(gamma / self.shape / self.shape), self.shape);
        let (mut places, mut masses) = (vec![0.0; out.len()], vec![0.0; out.len()]);
        let mut found = RowEstimate { mean: &mut places, covariance: &mut masses };
        match self.estimation {
            Estimation::Mmse => {
                let times = Times::<true> { growth, gamma, shape };
                apply(&Masses(times), observed, cavity, &mut found);
            }
            Estimation::Map => {
                let times = Times::<false> { growth, gamma, shape };
                apply(&Masses(times), observed, cavity, &mut found);
            }
        }
        curve::log_partition_from(density, how, (&places, &masses), cavity, out)
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let time = (z[0] + (-open_uniform(uniforms[0]).ln()).ln() / self.shape).exp();
        y[0] = time.min(self.horizon);
        y[1] = if time <= self.horizon { 1.0 } else { 0.0 };
    }

    fn name(&self) -> String {
        "survival times".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::family::curve::Tilt;

    /// Errors of means, next to their size and the deviation, and of variances, as a share, beyond the rounding of the exponents
    /// that rows one by one are weighted by.
    const AGREEMENT: f64 = 2e-12;

    proptest! {
        #[test]
        fn registers_agree_with_rows_one_by_one(
            mean in -6.0..6.0f64,
            gamma in -3.0..8.0f64,
            log_time in -3.0..3.0f64,
            shape in -1.0..1.0f64,
            event: bool,
        ) {
            let gamma = 10f64.powf(gamma);
            let (n, precision) = (mean * gamma, [gamma]);
            let natural = [n; 5];
            let data = [log_time.exp(), f64::from(u8::from(event))];
            let model = Survival::new(10f64.powf(shape)).unwrap();
            let cavity = RowCavity::new(0, 1, &natural, &natural, &precision);
            let (curve, tilt) = (model.density(&data), Tilt { n, gamma });
            let slow = [
                curve::average(&curve, tilt, &curve::rule()).unwrap(),
                curve::maximise(&curve, tilt).unwrap(),
            ];
            for (model, slow) in [model.clone(), model.maximised()].iter().zip(slow) {
                let (mut mean, mut variance) = ([0.0; 5], [0.0; 5]);
                let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
                model.estimate(&data.repeat(5), &cavity, &mut out, &mut Scratch::default()).unwrap();
                let agreement = AGREEMENT + f64::EPSILON * (slow.log_partition.abs() + n * n / gamma);
                for (m, v) in mean.into_iter().zip(variance) {
                    let scale = slow.mean.abs() + slow.variance.sqrt();
                    prop_assert!((m - slow.mean).abs() <= agreement * scale, "{m} {v} {slow:?}");
                    prop_assert!((v / slow.variance - 1.0).abs() <= 10.0 * agreement, "{m} {v} {slow:?}");
                }
            }
        }
    }
}
