//! Gaussians of random variance: symmetric heavy tails, by equal steps in the logarithm of the variance.

use core::f64::consts::PI;

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::exp::exp_weight;
use fg_core::special::number::Number;

use super::finite;
use super::formula::{self, Formula};

/// What lies this many nats below the largest term is left out, and [`SLACK`] more: `exp(-DEPTH)` is below rounding.
const DEPTH: f64 = 36.0;
/// Beyond the last scale of a problem its terms fall at their final rate but for at most so many units of `log v`.
const SLACK: f64 = 4.0;
/// Step in `log v`. The error of equal steps is the Fourier transform of the terms at `2 pi / step`, which for terms that
/// are analytic up to `pi / 2` off the axis falls as `exp(-pi^2 / step)`.
const STEP: f64 = 0.28;
/// Degrees of freedom by which the terms become narrower than the step: their width is `sqrt(2 / nu)`.
const NARROWING: f64 = 16.0;
/// Logarithms of weights below it are taken for it: nothing next to one.
const LOWEST: f64 = -600.0;
/// Terms are compared at every so many steps. Terms that equal steps are exact for are wide: four steps from the largest they have
/// fallen by five nats at most.
const STRIDE: usize = 8;
/// Values kept of each term: its logarithm at `n = 0`, `v / (1 + gamma v)` and `1 / (1 + gamma v)`.
const KEPT: usize = 3;

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
        (first, count)
    }

    /// The terms for rows of up to this `|n|` under a cavity of positive precision, in the memory that `make` gives.
    fn terms<'a>(
        &self,
        precision: f64,
        largest: f64,
        make: impl FnOnce(usize) -> &'a mut [f64],
    ) -> Terms<'a> {
        let (gamma, square) = (precision * self.scale * self.scale, largest * self.scale);
        let (first, count) = self.range(gamma, square * square);
        let kept = make(KEPT * count);
        for (k, kept) in kept.chunks_exact_mut(KEPT).enumerate() {
            let t = (first + k as f64) * self.step;
            let growth = gamma * t.exp();
            let log = self.mixing.log_density(t) - 0.5 * growth.ln_1p();
            kept.copy_from_slice(&[log, 1.0 / ((-t).exp() + gamma), 1.0 / (1.0 + growth)]);
        }
        Terms { kept, gamma, scale: self.scale }
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
        let largest = cavity.natural().iter().fold(0.0, |m: f64, n| m.max(n.abs()));
        let terms = self.terms(cavity.scalar_precision(), largest, |len| scratch.slice(len));
        formula::apply(&terms, cavity, out);
        finite::answers(cavity, out)
    }

    /// Of rows `z` that have been seen at `observed`, with noise of this law.
    pub(crate) fn estimate_around(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let precision = cavity.scalar_precision();
        if !(precision > 0.0) {
            return Err(Breakdown::ImproperCavity { port: 0, row: cavity.first_row() });
        }
        let largest = farthest(observed, cavity);
        let terms = self.terms(precision, largest, |len| scratch.slice(len));
        formula::apply_observed(&Around { terms, precision }, observed, cavity, out);
        finite::answers(cavity, out)
    }

    /// False where a row has no posterior of finite variance.
    pub(crate) fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        if !(cavity.scalar_precision() > 0.0) {
            out.fill(0.0);
            return self.mixing.variance().is_some() && cavity.natural().iter().all(|&n| n == 0.0);
        }
        let largest = cavity.natural().iter().fold(0.0, |m: f64, n| m.max(n.abs()));
        let mut memory = Vec::new();
        let terms = self.terms(cavity.scalar_precision(), largest, |len| {
            memory.resize(len, 0.0);
            &mut memory
        });
        let mut total = vec![0.0; out.len()];
        let mut found = RowEstimate { mean: out, covariance: &mut total };
        formula::apply(&Masses(terms), cavity, &mut found);
        for (log, total) in out.iter_mut().zip(&total) {
            *log += total.ln() + self.step.ln();
        }
        true
    }
}

/// The largest `|n - gamma y|`.
fn farthest(observed: &[f64], cavity: &RowCavity<'_>) -> f64 {
    let gamma = cavity.scalar_precision();
    let rows = cavity.natural().iter().zip(observed);
    rows.fold(0.0, |m: f64, (n, y)| m.max(gamma.mul_add(-y, *n).abs()))
}

/// Terms of the rule under one cavity precision, for rows of scale one.
#[derive(Debug)]
struct Terms<'a> {
    kept: &'a [f64],
    gamma: f64,
    scale: f64,
}

/// Averages of one row over all terms.
struct Averages<N> {
    /// Of `v / (1 + gamma v)`, the posterior variance given `v`, and the variance of that.
    within: N,
    spread: N,
    /// Of `1 / (1 + gamma v)`.
    shrink: N,
    /// Logarithm of a term next to the largest, but for the evidence, and all terms relative to it.
    height: N,
    total: N,
}

impl Terms<'_> {
    /// `n^2 v / (1 + gamma v) / 2 = evidence (1 - 1 / (1 + gamma v))`: what differs between terms keeps its digits where they
    /// all are far more precise than needed.
    #[inline(always)]
    fn evidence<N: Number>(&self, n: N) -> N {
        n.constant(0.5) * n * (n * n.constant(self.gamma.recip()))
    }

    #[inline(always)]
    fn averages<N: Number>(&self, n: N) -> Averages<N> {
        let (zero, one) = (n.constant(0.0), n.constant(1.0));
        let against = -self.evidence(n);
        let (mut height, mut own) = (n.constant(f64::NEG_INFINITY), zero);
        for kept in self.kept.chunks(KEPT * STRIDE) {
            let log = against.mul_add(n.constant(kept[2]), n.constant(kept[0]));
            own = log.if_above(height, n.constant(kept[1]), own);
            height = log.at_least(height);
        }
        let (mut total, mut shares) = (zero, zero);
        let (mut shift, mut second, lowest) = (zero, zero, n.constant(LOWEST));
        for kept in self.kept.chunks_exact(KEPT) {
            let shrink = n.constant(kept[2]);
            let log = against.mul_add(shrink, n.constant(kept[0]));
            let weight = exp_weight((log - height).at_least(lowest));
            let apart = n.constant(kept[1]) - own;
            let part = weight * apart;
            total = total + weight;
            shares = weight.mul_add(shrink, shares);
            shift = shift + part;
            second = part.mul_add(apart, second);
        }
        let inverse = one / total;
        let shift = shift * inverse;
        // The term that others count from is no further from the mean than a few deviations: little cancels.
        let spread = second.mul_add(inverse, -(shift * shift)).at_least(zero);
        Averages { within: own + shift, spread, shrink: shares * inverse, height, total }
    }
}

impl Formula<1> for Terms<'_> {
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let scale = n.constant(self.scale);
        let n = n * scale;
        let Averages { within, spread, .. } = self.averages(n);
        let variance = n.mul_add(n * spread, within);
        [n * within * scale, variance * (scale * scale)]
    }
}

/// The logarithm of a row's mass but for the step, as that of the largest term and what is to be added to it.
struct Masses<'a>(Terms<'a>);

impl Formula<1> for Masses<'_> {
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let n = n * n.constant(self.0.scale);
        let Averages { height, total, .. } = self.0.averages(n);
        [self.0.evidence(n) + height, total]
    }
}

/// The law around data: natural parameter and data to mean and variance.
struct Around<'a> {
    terms: Terms<'a>,
    precision: f64,
}

impl Formula<2> for Around<'_> {
    const PAIRS: bool = false;

    /// The mean is nearer to the data or to the cavity's mean, and counts from there.
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (scale, precision) = (n.constant(self.terms.scale), n.constant(self.precision));
        let pull = y.mul_add(-precision, n);
        let tilt = pull * scale;
        let Averages { within, spread, shrink, .. } = self.terms.averages(tilt);
        let variance = tilt.mul_add(tilt * spread, within);
        let inverse = n.constant(self.precision.recip());
        let (from_data, from_cavity) = (tilt * within * scale, pull * inverse * shrink);
        let half = n.constant(0.5);
        let mean = half.if_above(shrink, n.mul_add(inverse, -from_cavity), y + from_data);
        [mean, variance * (scale * scale)]
    }
}
