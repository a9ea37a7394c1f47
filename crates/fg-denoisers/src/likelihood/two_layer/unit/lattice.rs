//! Equal steps from zero outwards that all rows of a cavity share: what differs between rows is an exponential, which is a product
//! from one point to the next, and what an end leaves is a polynomial of its rate.

use fg_core::special::exp::exp_moderate;
use fg_core::special::number::Number;

use super::series::{Along, ENDS, Series, TERMS, ends, gaussian, product, scaled};

/// A number for each label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Both {
    pub(super) plus: f64,
    pub(super) minus: f64,
}

impl Both {
    /// That of a label.
    #[inline(always)]
    pub(super) fn of<N: Number>(self, y: N) -> N {
        y.if_above(y.constant(0.0), y.constant(self.plus), y.constant(self.minus))
    }
}

/// Moments of order zero to two about zero, of one label and the other.
pub(super) const KEPT: usize = 6;
/// Values of a point: one for each label.
const EACH: usize = 2;

/// Puts numbers of both labels next to each other.
fn pairs(plus: [f64; 3], minus: [f64; 3]) -> [f64; KEPT] {
    [plus[0], minus[0], plus[1], minus[1], plus[2], minus[2]]
}

/// Adds a polynomial's next coefficients.
#[inline(always)]
fn horner<N: Number>(sums: [N; 3], x: N, kept: &[f64], y: N) -> [N; 3] {
    let mut next = sums;
    for (next, own) in next.iter_mut().zip(kept.chunks_exact(2)) {
        *next = next.mul_add(x, Both { plus: own[0], minus: own[1] }.of(y));
    }
    next
}

/// Where a lattice lies, in deviations of the cavity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) step: f64,
    pub(super) reach: f64,
    /// Slopes of the exponent about which rows are: what differs from them is the rate that is left.
    pub(super) slopes: Both,
}

impl Extent {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of points, bounded by the caller"
    )]
    pub(super) fn points(&self) -> usize {
        (self.reach / self.step).ceil() as usize + 1
    }

    /// Values of memory.
    pub(super) fn len(&self) -> usize {
        KEPT * 2 * ENDS + EACH * self.points()
    }
}

/// `exp(slope x - x^2 / 2)` times the probability of a label, at equal steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lattice<'a> {
    extent: Extent,
    ends: &'a [f64],
    points: &'a [f64],
}

impl<'a> Lattice<'a> {
    /// `probability` and `series` are those of the labels 1 and -1.
    pub(super) fn new(
        extent: Extent,
        probability: [Along; 2],
        series: [&Series; 2],
        memory: &'a mut [f64],
    ) -> Self {
        let Extent { step, slopes, .. } = extent;
        let (corrections, points) = memory.split_at_mut(KEPT * 2 * ENDS);
        let slopes = [slopes.plus, slopes.minus];
        let mut own = [[[0.0; 3]; 2 * ENDS]; 2];
        for ((own, series), slope) in own.iter_mut().zip(series).zip(slopes) {
            ends(&scaled(&product(series, &gaussian(slope, 0.0)), step), own);
        }
        for ((kept, plus), minus) in corrections.chunks_exact_mut(KEPT).zip(own[0]).zip(own[1]) {
            kept.copy_from_slice(&pairs(plus, minus));
        }
        for (k, kept) in points.chunks_exact_mut(EACH).enumerate() {
            let (x, share) = (step * k as f64, if k == 0 { 0.5 } else { 1.0 });
            for ((kept, probability), slope) in kept.iter_mut().zip(probability).zip(slopes) {
                *kept = share * (x * (slope - 0.5 * x)).exp() * probability.at(x);
            }
        }
        Self { extent, ends: corrections, points }
    }

    /// Moments about zero of `x > 0` with weight `exp(h x - x^2 / 2)` times the probability of the label.
    #[inline(always)]
    pub(super) fn moments<N: Number>(&self, h: N, y: N) -> [N; 3] {
        let (zero, one) = (h.constant(0.0), h.constant(1.0));
        let step = h.constant(self.extent.step);
        let rate = (h - self.extent.slopes.of(y)) * step;
        let growth = exp_moderate(rate);
        let (mut sums, mut power, mut count) = ([zero; 3], one, 0.0);
        for kept in self.points.chunks_exact(EACH) {
            let weight = power * Both { plus: kept[0], minus: kept[1] }.of(y);
            let k = h.constant(count);
            let first = weight * k;
            sums = [sums[0] + weight, sums[1] + first, first.mul_add(k, sums[2])];
            power = power * growth;
            count += 1.0;
        }
        let mut rest = [zero; 3];
        for kept in self.ends.chunks_exact(KEPT).rev() {
            rest = horner(rest, rate, kept, y);
        }
        let square = step * step;
        [
            (sums[0] + rest[0]) * step,
            (sums[1] + rest[1]) * square,
            (sums[2] + rest[2]) * (square * step),
        ]
    }
}

/// The same where the exponential falls so steeply that all is next to zero: a series in one over the rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steep<'a> {
    /// The least rate.
    rate: f64,
    terms: &'a [f64],
}

impl<'a> Steep<'a> {
    /// Values of memory.
    pub(super) const LEN: usize = KEPT * TERMS;

    pub(super) fn new(rate: f64, series: [&Series; 2], terms: &'a mut [f64]) -> Self {
        // (k + j)! / rate^k
        let mut factor = 1.0;
        for (k, kept) in terms.chunks_exact_mut(KEPT).enumerate() {
            let order = k as f64;
            factor *= if k > 0 { order / rate } else { 1.0 };
            let factors = [1.0, order + 1.0, (order + 1.0) * (order + 2.0)];
            let own = series.map(|series| factors.map(|f| f * factor * series[k]));
            kept.copy_from_slice(&pairs(own[0], own[1]));
        }
        Self { rate, terms }
    }

    /// As [`Lattice::moments`].
    #[inline(always)]
    pub(super) fn moments<N: Number>(&self, h: N, y: N) -> [N; 3] {
        let (zero, one, least) = (h.constant(0.0), h.constant(1.0), h.constant(self.rate));
        let inverse = one / (-h).at_least(least);
        let share = inverse * least;
        let mut sums = [zero; 3];
        for kept in self.terms.chunks_exact(KEPT).rev() {
            sums = horner(sums, share, kept, y);
        }
        let square = inverse * inverse;
        [sums[0] * inverse, sums[1] * square, sums[2] * (square * inverse)]
    }
}
