//! Counts: Poisson data of which the unknown is the logarithm of the rate, or the rate itself.

use core::f64::consts::{PI, TAU};

use fg_core::denoiser::{Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::number::Number;
use fg_core::special::{open_uniform, quantile};

use crate::family::curve::{self, Curve, Flat, Mark};
use crate::family::formula::{self, Formula};
use crate::family::growth::Growth;
use crate::family::leftover;
use crate::family::positive_rate::{AnyCounts, FewCounts, Maximised, PositiveRate};
use crate::family::{Piece, Rule, pieces};

/// Poisson counts of a variable of one column: event counts, photon counts.
///
/// # Density
///
/// ```text
/// p(y | z) = rate^y exp(-rate) / y!,      y = 0, 1, 2, ..
/// rate     = exp(z)  or  max(z, 0)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | rate | - | [`exponential`](Self::exponential) or [`rectified`](Self::rectified) | what the unknown says of the rate |
///
/// # Estimate
///
/// Mean, variance and log-partition by quadrature; a count of zero at a rectified rate in closed form. After
/// [`maximised`](Self::maximised) the maximiser and one over the curvature there; both densities are log-concave.
///
/// # Numerical notes and limits
///
/// * For a register of rows at a time, by a step or two of third order to the mode, of rectified rates in closed form, and, for
///   means, equal steps outwards from it in the logarithm of the rate, over all that is within 37 nats: one exponential a
///   point, since the rate at each follows from that at the one before.
/// * Means of rectified rates with at most 16 counts, where the density at the rate zero doesn't fall by more than one over the root
///   of the count a deviation of the cavity, by a recurrence over the counts from the moments of a normal tail: variances to `1e-11`.
/// * Rows whose posterior is longer than some five hundred steps to one side, which takes a precision of `1e-4` and counts
///   near zero, row by row: the mode by Newton's steps within a bracket, then Gauss-Legendre panels.
/// * With `gamma = 0` an exponential rate needs `n > -y`; a rectified one `n < 1` where there are counts and `0 < n < 1`
///   where there are none; otherwise it is improper.
/// * A draw takes as many steps as the deviation of the count; beyond a rate
///   of a million it is a normal one with a correction for its skewness, right to a few parts in a million.
///
/// # Reference
///
/// A. C. Cameron and P. K. Trivedi, *Regression Analysis of Count Data* (2013), doi 10.1017/CBO9781139013567.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let counts = fg_denoisers::Poisson::exponential();
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// let cavity = RowCavity::new(0, 1, &[0.0], &[0.0], &[0.01]);
/// counts.estimate(&[100.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!((mean[0] - 100f64.ln()).abs() < 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Poisson {
    rectified: bool,
    estimation: Estimation,
    rule: Rule,
    /// For pieces of the line.
    wide: Rule,
}

impl Poisson {
    /// Counts of rate `exp(z)`.
    pub fn exponential() -> Self {
        Self {
            rectified: false,
            estimation: Estimation::Mmse,
            rule: curve::rule(),
            wide: Rule::new(),
        }
    }

    /// Counts of rate `max(z, 0)`.
    pub fn rectified() -> Self {
        Self { rectified: true, ..Self::exponential() }
    }

    /// The same counts, answered by maximisers. Default: posterior means.
    #[must_use]
    pub fn maximised(self) -> Self {
        Self { estimation: Estimation::Map, ..self }
    }

    /// The rate at `z`.
    pub fn rate(&self, z: f64) -> f64 {
        if self.rectified { z.max(0.0) } else { z.exp() }
    }

    /// What a row is answered: through a curve, or for no counts at a rectified rate from two lines.
    fn answer(&self, y: f64, n: f64, gamma: f64) -> Result<pieces::Answer, curve::Fault> {
        let tilt = curve::Tilt { n, gamma };
        let average = self.estimation == Estimation::Mmse;
        match (self.rectified, average) {
            (true, true) if y == 0.0 => {
                let parts = [
                    Piece::line(f64::NEG_INFINITY, 0.0, 0.0, 0.0),
                    Piece::line(0.0, f64::INFINITY, 0.0, -1.0),
                ];
                let mut kept = [0.0; 6];
                pieces::answer(&parts, (n, gamma), &self.wide, &mut kept)
                    .ok_or(curve::Fault::Improper)
            }
            (true, false) if y == 0.0 => no_counts(n, gamma),
            (true, true) => curve::average(&Rate { y, highest: highest(y) }, tilt, &self.rule),
            (true, false) => curve::maximise(&Rate { y, highest: highest(y) }, tilt),
            (false, true) => curve::average(&LogRate::new(y), tilt, &self.rule),
            (false, false) => curve::maximise(&LogRate::new(y), tilt),
        }
    }
}

/// Maximiser of `n z - gamma z^2 / 2 - max(z, 0)`.
fn no_counts(n: f64, gamma: f64) -> Result<pieces::Answer, curve::Fault> {
    let pull = if n > 1.0 { n - 1.0 } else { n.min(0.0) };
    if gamma == 0.0 && !(0.0 < n && n < 1.0) {
        return Err(curve::Fault::Improper);
    }
    if pull == 0.0 {
        return Ok(pieces::Answer { mean: 0.0, variance: 0.0, log_partition: 0.0 });
    }
    let mean = pull / gamma;
    Ok(pieces::Answer { mean, variance: gamma.recip(), log_partition: 0.5 * pull * mean })
}

/// From here on Stirling's series gives all digits of the logarithm of `y!` beyond its first terms.
const STIRLING: f64 = 16.0;

/// `y log y - y - log y!`, the largest log-probability of a count as a function of the rate.
fn highest(y: f64) -> f64 {
    if y == 0.0 {
        return 0.0;
    }
    if y < STIRLING {
        return y * y.ln() - y - libm::lgamma(y + 1.0);
    }
    let r = 1.0 / (y * y);
    let series = (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r / 1680.0))) / y;
    -0.5 * (TAU * y).ln() - series
}

/// Counts of exponential rates under one positive precision: natural parameter and count to mean and variance.
struct Counts<const AVERAGED: bool>(Growth);

impl<const AVERAGED: bool> Formula<2> for Counts<AVERAGED> {
    const FOURS: bool = !AVERAGED;
    const OPEN: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        if AVERAGED { self.0.moments(n + y) } else { self.0.peak(n + y) }
    }
}

/// The same rows to a place next to the peak and the logarithm of the integral over the density there, or to the peak and zero.
struct Masses<const AVERAGED: bool>(Growth);

impl<const AVERAGED: bool> Formula<2> for Masses<AVERAGED> {
    const FOURS: bool = !AVERAGED;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        if AVERAGED { self.0.log_mass(n + y) } else { [self.0.peak(n + y)[0], n.constant(0.0)] }
    }
}

/// `y z - exp(z) - log y!`, as the difference to its maximum: the terms of large counts cancel.
struct LogRate {
    y: f64,
    log_y: f64,
    highest: f64,
}

impl LogRate {
    fn new(y: f64) -> Self {
        Self { y, log_y: y.ln(), highest: highest(y) }
    }
}

impl Curve for LogRate {
    /// The place itself: differences of the logarithm are functions of it and of the distance.
    fn value(&self, z: f64) -> f64 {
        z
    }

    /// `y d - exp(base) (exp(d) - 1)`, `d = z - base`. Around the peak of the likelihood both terms cancel, and what is
    /// left of them is taken by itself.
    fn rise(&self, z: f64, base: f64) -> f64 {
        let (apart, rate) = (z - base, base.exp());
        let growth = apart.exp_m1();
        if growth == f64::INFINITY {
            return f64::NEG_INFINITY;
        }
        if 2.0 * rate < self.y {
            return self.y * apart - rate * growth;
        }
        self.y * (apart - growth) + (self.y - rate) * growth
    }

    fn log(&self, base: f64) -> f64 {
        if self.y == 0.0 {
            return -base.exp();
        }
        let t = base - self.log_y;
        self.y * (t - t.exp_m1()) + self.highest
    }

    fn slopes(&self, z: f64) -> [f64; 2] {
        let rate = z.exp();
        [self.y - rate, -rate]
    }

    /// `exp(-exp(z))` oscillates from an imaginary part of a half pi on; for large rates the peak itself is narrower.
    fn marks(&self) -> [Mark; 2] {
        /// Twice the half pi: the first panel is two thirds of it.
        const SCALE: f64 = PI;
        [Mark { centre: 0.0, scale: SCALE }; 2]
    }

    fn flat(&self, n: f64) -> Flat {
        if self.y + n > 0.0 { Flat::Proper } else { Flat::Improper }
    }
}

/// `y log z - z - log y!` on positive `z`, for a positive `y`, as the difference to its maximum.
struct Rate {
    y: f64,
    highest: f64,
}

impl Curve for Rate {
    fn value(&self, z: f64) -> f64 {
        let q = (z - self.y) / self.y;
        // The increment keeps the digits next to the peak, the quotient those next to zero.
        let log = if q.abs() < 0.5 { q.ln_1p() } else { (z / self.y).ln() };
        self.y * (log - q) + self.highest
    }

    fn slopes(&self, z: f64) -> [f64; 2] {
        [self.y / z - 1.0, -self.y / (z * z)]
    }

    fn support(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }

    /// None: an integer power is smooth.
    fn marks(&self) -> [Mark; 2] {
        [Mark { centre: f64::INFINITY, scale: 1.0 }; 2]
    }

    /// The peak itself: the positive root of `gamma z^2 - (n - 1) z = y`.
    fn start(&self, n: f64, gamma: f64) -> f64 {
        let b = n - 1.0;
        let root = (b * b + 4.0 * gamma * self.y).sqrt();
        if b > 0.0 { (b + root) / (2.0 * gamma) } else { 2.0 * self.y / (root - b) }
    }

    fn flat(&self, n: f64) -> Flat {
        if n < 1.0 { Flat::Proper } else { Flat::Improper }
    }
}

impl Likelihood for Poisson {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let (gamma, input) = (cavity.scalar_precision(), [cavity.natural(), observed]);
        let averaged = self.estimation == Estimation::Mmse;
        let complete = match (self.rectified, averaged) {
            _ if !(gamma > 0.0) => {
                out.mean.fill(f64::NAN);
                false
            }
            (true, true) => {
                let rate = PositiveRate::new(gamma);
                leftover::apply_then(&FewCounts(rate), &AnyCounts(rate), input, out)
            }
            (true, false) => formula::apply_to(&Maximised(PositiveRate::new(gamma)), input, out),
            (false, true) => formula::apply_to(&Counts::<true>(Growth::new(gamma)), input, out),
            (false, false) => formula::apply_to(&Counts::<false>(Growth::new(gamma)), input, out),
        };
        if complete {
            return Ok(());
        }
        curve::settle_by(|i, tilt| self.answer(observed[i], tilt.n, tilt.gamma), cavity, out)
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

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        match observed {
            [y] if *y >= 0.0 && y.is_finite() && y.fract() == 0.0 => Ok(()),
            _ => Err(format!("count must be a whole number of at least 0, got {observed:?}")),
        }
    }

    /// False where a row is improper.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let gamma = cavity.scalar_precision();
        if gamma > 0.0 && !self.rectified {
            let (growth, input) = (Growth::new(gamma), [cavity.natural(), observed]);
            let [places, masses] = match self.estimation {
                Estimation::Mmse => formula::found(&Masses::<true>(growth), input),
                Estimation::Map => formula::found(&Masses::<false>(growth), input),
            };
            let (how, found) = ((self.estimation, &self.rule), (&*places, &*masses));
            let curve = |i: usize| LogRate::new(observed[i]);
            return curve::log_partition_from(curve, how, found, cavity, out);
        }
        for (out, (&n, &y)) in out.iter_mut().zip(cavity.natural().iter().zip(observed)) {
            match self.answer(y, n, gamma) {
                Ok(found) => *out = found.log_partition,
                Err(_) => return false,
            }
        }
        true
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        y[0] = count(self.rate(z[0]), open_uniform(uniforms[0]));
    }

    fn name(&self) -> String {
        if self.rectified { "Poisson, rectified rate" } else { "Poisson" }.to_owned()
    }
}

/// Rate beyond which counts are drawn by the normal law with its first correction, whose error is about one over the rate.
const MANY: f64 = 1e6;

/// The `u`-quantile of the Poisson law: from the count next to the rate, whose distribution function is summed up
/// downwards, one by one.
fn count(rate: f64, u: f64) -> f64 {
    if rate == 0.0 {
        return 0.0;
    }
    if !(rate < MANY) {
        let q = quantile(u);
        return (rate + rate.sqrt() * q + (q * q - 1.0) / 6.0).round().max(0.0);
    }
    let start = rate.floor();
    let mass = (start * rate.ln() - rate - libm::lgamma(start + 1.0)).exp();
    let (mut sum, mut term, mut k) = (0.0, mass, start);
    while term > sum * f64::EPSILON && k >= 0.0 {
        sum += term;
        term *= k / rate;
        k -= 1.0;
    }
    let (mut below, mut k, mut term) = (sum, start, mass);
    while k > 0.0 && u < below - term {
        below -= term;
        term *= k / rate;
        k -= 1.0;
    }
    while u >= below && term > 0.0 {
        k += 1.0;
        term *= rate / k;
        below += term;
        // The rest of the tail is below rounding of one.
        if term < f64::EPSILON * f64::EPSILON && k > rate {
            break;
        }
    }
    k
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_are_quantiles() {
        // Distribution function at 0, 1, 2 for the rate 1: 1/e, 2/e, 2.5/e.
        let e = (-1f64).exp();
        for (edge, below) in [(e, 0.0), (2.0 * e, 1.0), (2.5 * e, 2.0)] {
            let (left, right) = (count(1.0, edge - 1e-12), count(1.0, edge + 1e-12));
            assert!((left - below).abs() < 0.5 && (right - below - 1.0).abs() < 0.5, "{edge}");
        }
        assert!(count(0.0, 0.999) == 0.0 && count(1e-300, 0.999_999) == 0.0, "no counts");
        for u in [1e-3, 0.2, 0.5, 0.9, 0.999] {
            let (below, above) = (count(MANY * (1.0 - 1e-9), u), count(MANY, u));
            assert!((below - above).abs() <= 1.0, "{u}: {below} {above}");
        }
    }

    #[test]
    fn both_forms_of_the_largest_probability_agree_where_they_meet() {
        let direct = STIRLING * STIRLING.ln() - STIRLING - libm::lgamma(STIRLING + 1.0);
        assert!((highest(STIRLING) - direct).abs() < 1e-13, "{direct}");
    }

    /// Errors of means, next to their size and the deviation, and of variances, as a share, beyond the rounding of the exponents
    /// that rows one by one are weighted by.
    const AGREEMENT: f64 = 2e-12;

    #[track_caller]
    fn assert_agrees(model: &Poisson, y: f64, n: f64, gamma: f64) {
        let natural = [n; 5];
        let cavity_precision = [gamma];
        let cavity = RowCavity::new(0, 1, &natural, &natural, &cavity_precision);
        let (mut mean, mut variance) = ([0.0; 5], [0.0; 5]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
        model.estimate(&[y; 5], &cavity, &mut out, &mut Scratch::default()).unwrap();
        let slow = model.answer(y, n, gamma).unwrap();
        let agreement = AGREEMENT + f64::EPSILON * (slow.log_partition.abs() + n * n / gamma);
        for (m, v) in mean.into_iter().zip(variance) {
            let scale = slow.mean.abs() + slow.variance.sqrt();
            let label = format!("{} {y} {n} {gamma}: {m} {v} {slow:?}", model.name());
            assert!((m - slow.mean).abs() <= agreement * scale, "{label}");
            assert!((v - slow.variance).abs() <= 10.0 * agreement * slow.variance, "{label}");
        }
    }

    proptest! {
        #[test]
        fn registers_agree_with_rows_one_by_one(
            count in 0.0..14.0f64,
            mean in -8.0..8.0f64,
            gamma in -3.0..8.0f64,
        ) {
            let (y, gamma) = (count.exp_m1().floor(), 10f64.powf(gamma));
            for model in [Poisson::exponential(), Poisson::rectified()] {
                assert_agrees(&model, y, mean * gamma, gamma);
                assert_agrees(&model.maximised(), y, mean * gamma, gamma);
            }
        }
    }

    #[test]
    fn data_that_is_no_count_is_refused() {
        let counts = Poisson::exponential();
        for y in [-1.0, 0.5, f64::NAN, f64::INFINITY] {
            assert!(counts.check(&[y]).is_err(), "{y}");
        }
        assert_eq!(counts.check(&[3.0]), Ok(()));
        let message = counts.check(&[0.5]).unwrap_err();
        assert_eq!(message, "count must be a whole number of at least 0, got [0.5]");
    }
}
