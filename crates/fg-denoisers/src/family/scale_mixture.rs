//! Gaussians of random variance: symmetric heavy tails, by equal steps in the logarithm of the variance.

use core::f64::consts::PI;

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::exp::exp_negative;
use fg_core::special::number::{Lanes, Number};
use pulp::{Simd, WithSimd};

/// What lies this many nats below the largest term is left out: `exp(-DEPTH)` is below rounding.
const DEPTH: f64 = 37.0;
/// Beyond the last scale of a problem its terms fall at their final rate but for at most so many units of `log v`.
const SLACK: f64 = 4.0;
/// Step in `log v`. The error of equal steps is the Fourier transform of the terms at `2 pi / step`, which for terms that
/// are analytic up to `pi / 2` off the axis falls as `exp(-pi^2 / step)`.
const STEP: f64 = 0.25;
/// Degrees of freedom by which the terms become narrower than the step: their width is `sqrt(2 / nu)`.
const NARROWING: f64 = 16.0;
/// Values kept of each term: its logarithm at `n = 0`, `v`, `1 / (1 + gamma v)`, and its weight in a row.
const KEPT: usize = 4;
/// Terms come in groups of so many, a multiple of the length of every register.
const GROUP: usize = 8;

/// The law of `t = log v`, up to a common scale of the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mixing {
    /// `v = 1 / lambda`, `lambda ~ Gamma(nu / 2, rate nu / 2)`.
    InverseGamma {
        /// `nu / 2`.
        half: f64,
        /// `log p` at `t = 0`.
        peak: f64,
    },
    /// `v = lambda^2`, `lambda` half-Cauchy.
    HalfCauchy,
}

impl Mixing {
    pub(crate) fn inverse_gamma(degrees: f64) -> Self {
        let half = 0.5 * degrees;
        Self::InverseGamma { half, peak: half * half.ln() - half - libm::lgamma(half) }
    }

    /// `log p(t)`.
    fn log_density(self, t: f64) -> f64 {
        match self {
            Self::InverseGamma { half, peak } => peak - half * (t + (-t).exp_m1()),
            Self::HalfCauchy => -PI.ln() - 0.5 * t.abs() - (-t.abs()).exp().ln_1p(),
        }
    }

    /// `p(t)` falls as `exp(-rate t)` to the right.
    fn rate(self) -> f64 {
        match self {
            Self::InverseGamma { half, .. } => half,
            Self::HalfCauchy => 0.5,
        }
    }

    /// Where terms are negligible to the left, for cavities of precision `gamma`.
    fn start(self, gamma: f64) -> f64 {
        match self {
            // Beyond the solution of t + exp(-t) - 1 = wanted, by a bound that is tight for large and small values.
            Self::InverseGamma { half, .. } => {
                let wanted = (DEPTH + SLACK) / half;
                -(wanted + (2.0 * wanted).sqrt() + wanted.ln_1p()).ln_1p()
            }
            // Small variances count as exp(t / 2).
            Self::HalfCauchy => (-gamma.ln()).min(0.0) - 2.0 * DEPTH - SLACK,
        }
    }

    /// Where terms are negligible to the right; `square` is `n^2`.
    fn end(self, gamma: f64, square: f64) -> f64 {
        let last = (-gamma.ln()).max(0.0).max((square / gamma / gamma).ln());
        let end = last + DEPTH / (self.rate() + 0.5) + SLACK;
        match self {
            // The evidence, `n^2 / (2 gamma)` nats at most, doesn't make up for these.
            Self::InverseGamma { half, .. } => {
                end.min(1.0 + (DEPTH + SLACK + 0.5 * square / gamma) / half)
            }
            Self::HalfCauchy => end,
        }
    }

    /// `E v`, where it is finite.
    fn variance(self) -> Option<f64> {
        match self {
            Self::InverseGamma { half, .. } => (half > 1.0).then(|| half / (half - 1.0)),
            Self::HalfCauchy => None,
        }
    }
}

/// Rows `x ~ N(0, scale^2 v)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScaleMixture {
    scale: f64,
    mixing: Mixing,
    step: f64,
}

/// Terms of the rule under one cavity precision.
struct Terms<'a> {
    log: &'a mut [f64],
    variance: &'a mut [f64],
    /// `1 / (1 + gamma v)`.
    shrink: &'a mut [f64],
    weight: &'a mut [f64],
    gamma: f64,
}

/// Mean, variance and log-partition of a row, for rows of scale one.
struct Answer {
    mean: f64,
    variance: f64,
    log_partition: f64,
}

impl ScaleMixture {
    pub(crate) fn new(scale: f64, mixing: Mixing) -> Self {
        let step = match mixing {
            Mixing::InverseGamma { half, .. } => STEP / (1.0 + 2.0 * half / NARROWING).sqrt(),
            Mixing::HalfCauchy => STEP,
        };
        Self { scale, mixing, step }
    }

    pub(crate) fn scale(&self) -> f64 {
        self.scale
    }

    /// First and last term for rows of up to this `n^2`.
    fn range(&self, gamma: f64, square: f64) -> (f64, usize) {
        let first = (self.mixing.start(gamma) / self.step).floor();
        let last = (self.mixing.end(gamma, square) / self.step).ceil();
        // At most some ten thousand terms, even over all exponents of a double.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive and small"
        )]
        let count = (last - first).max(0.0) as usize + 1;
        (first, count.next_multiple_of(GROUP))
    }

    /// Terms on the part of `memory` they need.
    fn terms<'a>(&self, gamma: f64, first: f64, memory: &'a mut [f64]) -> Terms<'a> {
        let count = memory.len() / KEPT;
        let (log, rest) = memory.split_at_mut(count);
        let (variance, rest) = rest.split_at_mut(count);
        let (shrink, weight) = rest.split_at_mut(count);
        for k in 0..count {
            let t = (first + k as f64) * self.step;
            variance[k] = t.exp();
            let growth = gamma * variance[k];
            log[k] = self.mixing.log_density(t) - 0.5 * growth.ln_1p();
            shrink[k] = 1.0 / (1.0 + growth);
        }
        Terms { log, variance, shrink, weight, gamma }
    }

    /// Natural parameter and precision of a cavity for rows of scale one, and the terms for all its rows.
    fn prepare(&self, cavity: &RowCavity<'_>) -> (f64, f64, usize) {
        let gamma = cavity.scalar_precision() * self.scale * self.scale;
        let largest = cavity.natural().iter().fold(0.0, |m: f64, n| m.max(n.abs())) * self.scale;
        let (first, count) = self.range(gamma, largest * largest);
        (gamma, first, count)
    }

    pub(crate) fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let row = |i: usize| cavity.first_row() + i;
        if !(cavity.scalar_precision() > 0.0) {
            // Without a precision any tilt outgrows a tail that is a power.
            let own = self.mixing.variance();
            for (i, &n) in cavity.natural().iter().enumerate() {
                let improper = Breakdown::ImproperCavity { port: 0, row: row(i) };
                out.covariance[i] =
                    own.filter(|_| n == 0.0).ok_or(improper)? * self.scale * self.scale;
                out.mean[i] = 0.0;
            }
            return Ok(());
        }
        let (gamma, first, count) = self.prepare(cavity);
        let mut terms = self.terms(gamma, first, scratch.slice(KEPT * count));
        for (i, &n) in cavity.natural().iter().enumerate() {
            let found = terms.answer(n * self.scale);
            out.mean[i] = self.scale * found.mean;
            out.covariance[i] = self.scale * self.scale * found.variance;
            if !(out.mean[i].is_finite() && out.covariance[i].is_finite()) {
                return Err(Breakdown::NotFinite { port: 0, row: row(i) });
            }
        }
        Ok(())
    }

    /// False where a row has no posterior of finite variance.
    pub(crate) fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        if !(cavity.scalar_precision() > 0.0) {
            out.fill(0.0);
            return self.mixing.variance().is_some() && cavity.natural().iter().all(|&n| n == 0.0);
        }
        let (gamma, first, count) = self.prepare(cavity);
        let mut memory = vec![0.0; KEPT * count];
        let mut terms = self.terms(gamma, first, &mut memory);
        for (out, &n) in out.iter_mut().zip(cavity.natural()) {
            *out = terms.answer(n * self.scale).log_partition + self.step.ln();
        }
        true
    }
}

impl Terms<'_> {
    /// The answer to `n`; the step isn't in the log-partition.
    fn answer(&mut self, n: f64) -> Answer {
        pulp::Arch::new().dispatch(Row { terms: self, n })
    }
}

/// One row, a register of terms at a time.
struct Row<'a, 'b> {
    terms: &'a mut Terms<'b>,
    n: f64,
}

/// Posterior variances given `v` and `v'` differ by `(v - v') / ((1 + gamma v) (1 + gamma v'))`; `other` is `v'` and
/// `1 / (1 + gamma v')`.
#[inline(always)]
fn apart<N: Number>(variance: N, shrink: N, other: [f64; 2]) -> N {
    (variance - variance.constant(other[0])) * (shrink * shrink.constant(other[1]))
}

/// `v` and `1 / (1 + gamma v)` of the term of this logarithm of a weight, within one of so many registers.
#[inline(always)]
fn term(
    register: f64,
    height: f64,
    [weight, variance, shrink]: [&[f64]; 3],
    registers: usize,
) -> [f64; 2] {
    let lanes = weight.len() / registers;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of a register"
    )]
    let start = register as usize * lanes;
    let place = weight[start..start + lanes].iter().position(|w| !(*w < height));
    let k = start + place.unwrap_or(0);
    [variance[k], shrink[k]]
}

impl WithSimd for Row<'_, '_> {
    type Output = Answer;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Answer {
        let Self { terms: Terms { log, variance, shrink, weight, gamma }, n } = self;
        // n^2 v / (1 + gamma v) / 2 = evidence (1 - 1 / (1 + gamma v)): what differs between terms keeps its digits
        // where they all are far more precise than needed.
        let evidence = 0.5 * n * (n / *gamma);
        let lanes = |v: &S::f64s| Lanes::new(simd, *v);
        let zero = Lanes::splat(simd, 0.0);
        let (logs, shrinks) = (Lanes::<S>::registers(log).0, Lanes::<S>::registers(shrink).0);
        let variances = Lanes::<S>::registers(variance).0;
        let weights = Lanes::<S>::registers_mut(weight).0;
        // The largest weight so far in each lane, and the number of its register.
        let (mut largest, mut place, mut number) = (zero.constant(f64::NEG_INFINITY), zero, zero);
        for ((weight, log), shrink) in weights.iter_mut().zip(logs).zip(shrinks) {
            let w = lanes(shrink).mul_add(zero.constant(-evidence), lanes(log));
            place = w.if_above(largest, number, place);
            largest = w.at_least(largest);
            number = number + zero.constant(1.0);
            *weight = w.get();
        }
        let height = largest.largest();
        let top = zero.constant(height).if_above(largest, zero, place).largest();
        let own = term(top, height, [weight, variance, shrink], logs.len());
        let weights = Lanes::<S>::registers_mut(weight).0;
        let (mut total, mut first, mut shift) = (zero, zero, zero);
        for ((weight, variance), shrink) in weights.iter_mut().zip(variances).zip(shrinks) {
            let w = exp_negative(lanes(weight) - zero.constant(height));
            let (v, s) = (lanes(variance), lanes(shrink));
            total = total + w;
            first = w.mul_add(v * s, first);
            shift = w.mul_add(apart(v, s, own), shift);
            *weight = w.get();
        }
        let total = total.sum();
        let (mean, shift) = (first.sum() / total, shift.sum() / total);
        let mut second = zero;
        for ((weight, variance), shrink) in weights.iter().zip(variances).zip(shrinks) {
            let off = apart(lanes(variance), lanes(shrink), own) - zero.constant(shift);
            second = (lanes(weight) * off).mul_add(off, second);
        }
        let spread = n * (n * (second.sum() / total));
        Answer {
            mean: n * mean,
            variance: mean + spread,
            log_partition: evidence + height + total.ln(),
        }
    }
}
