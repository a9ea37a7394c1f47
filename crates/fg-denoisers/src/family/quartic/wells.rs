//! Moments of a row whose square has been seen with noise, a register of rows at a time: one well, or one to each side of zero.

use core::f64::consts::PI;

use fg_core::special::exp::exp_moderate;
use fg_core::special::log::ln;
use fg_core::special::number::Number;

use super::{Around, Quartic, steps};
use crate::family::formula::Formula;

/// The error of equal steps is the largest ratio `exp(growth - 2 pi d / step)`, over the distance `d` off the real axis, by
/// which the density grows there: steps are chosen so that it lies this many nats below one.
pub(super) const ALIASES: f64 = 34.5;
/// Inverse squares, in units of `v^(1/4)`, of the longest such steps where the curvature is large, for each unit of it, and where
/// there is none. Off the axis the density is that of `b + 3 d^2` in place of `b`, less `d^4 / (2 v)`: it grows by that, by half the
/// curvature times `d^2`, and by no more than `9 d^4 / (2 v)` from there to the peak, which that is where the data alone have one.
const ROUND: f64 = ALIASES / (2.0 * PI * PI);
const FLAT: f64 = 31.7;
/// What brings both together: steps are shorter by a hundredth at most than the longest.
const SHARE: f64 = 0.6;
/// Newton's steps to the peak from beyond, which fall short of it: two or three do, and two thirds of the distance are left at
/// worst, which is no more than a quarter from the start.
const STEPS: usize = 16;
/// Square of the distance from the peak, in deviations, from which points may count.
const NEAR: f64 = 1.0 / 16.0;
/// A second peak this many nats lower than the first has no weight even next to the square of its distance in deviations, which
/// doubles know to `1e10`.
const ABSENT: f64 = 90.0;
/// Wells nearer to each other than so many steps are one.
const CLOSE: f64 = 6.0;
/// Wells as far apart as this have a valley between them that no point of either reaches.
const PARTED: f64 = 256.0;
/// No walk has so many points.
const ENDLESS: f64 = 1e9;

/// Values of a square seen with noise of one variance, under one cavity precision: natural parameter and value to mean and
/// variance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wells {
    v: f64,
    gamma: f64,
    /// `sqrt(v)`.
    deviation: f64,
}

/// The same to the log-partition, and zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Masses(pub(crate) Wells);

/// Both wells, for `n >= 0`: places next to their peaks, as distances from `r`, and sums over steps of one length.
struct Found<N> {
    quartic: Quartic<N>,
    /// Place of the first, and its distance from zero.
    w: N,
    z: N,
    /// Distance from zero of the second.
    z_back: N,
    step: N,
    first: [N; 3],
    second: [N; 3],
    /// Weight of the place of the second over that of the first; zero where there is none.
    ratio: N,
}

impl Wells {
    pub(crate) fn new(v: f64, gamma: f64) -> Self {
        Self { v, gamma, deviation: v.sqrt() }
    }

    /// Whether a row may have a second well that counts.
    pub(crate) fn has_two(&self, [n, y]: [f64; 2]) -> bool {
        let b = y - 0.5 * self.gamma * self.v;
        b > 0.0 && self.may_have_two(n.abs(), b.sqrt()) > 0.0
    }

    /// One where there is a second peak, `n < 4 / (3 sqrt 3) r^3 / v`, and not too low: it is below the first by the tilt between
    /// `r` and `-r / sqrt 3` at least.
    #[inline(always)]
    fn may_have_two<N: Number>(&self, n: N, r: N) -> N {
        let (zero, one) = (n.constant(0.0), n.constant(1.0));
        let steepest = r * r * (r * n.constant(4.0 / 27f64.sqrt() / self.v));
        let low = n * r * n.constant(1.0 + 3f64.sqrt().recip());
        let counts = n.constant(ABSENT).if_above(low, one, zero);
        steepest.if_above(n, counts, zero)
    }

    /// A place next to the peak, above it.
    #[inline(always)]
    fn near<N: Number>(&self, quartic: &Quartic<N>, n: N) -> (N, Around<N>) {
        let (zero, one, half) = (n.constant(0.0), n.constant(1.0), n.constant(0.5));
        // No root of z (z^2 - b) = push lies beyond: the left is at least the cube of the distance w from r, and at least
        // 2 r^2 w + 3 r w^2 or a w.
        let (r, push) = (quartic.r, n * n.constant(0.5 * self.v));
        let linear = quartic.a.mul_add(half, r * r);
        let square = (push * r).mul_add(n.constant(3.0), linear * linear);
        let cube = exp_moderate(ln(push) * n.constant(1.0 / 3.0));
        let mut w = cube.at_most(push / (linear + square.sqrt()));
        let (unit, near) = (n.constant(self.deviation.recip()), n.constant(NEAR));
        let mut around = quartic.around(n, w);
        let mut active = one;
        for _ in 0..STEPS {
            let Around { slope, curvature, .. } = around;
            let away = active.if_above(zero, slope * slope, zero);
            active = away.if_above((curvature + unit) * near, one, zero);
            if !(active.largest() > 0.0) {
                break;
            }
            // Lanes that are there stay, whatever the others take.
            w = active.if_above(zero, w + slope / curvature, w);
            around = quartic.around(n, w);
        }
        (w, around)
    }

    /// A step of equal ones that resolves the density; in units of `v^(1/4)`, its inverse square is that of the best distance.
    #[inline(always)]
    pub(super) fn step<N: Number>(&self, curvature: N) -> N {
        let deviation = curvature.constant(self.deviation);
        let (bend, flat) = (curvature * deviation, curvature.constant(FLAT));
        let rest = curvature.constant(FLAT * FLAT) / bend.mul_add(curvature.constant(SHARE), flat);
        (deviation / bend.mul_add(curvature.constant(ROUND), rest)).sqrt()
    }

    /// For `n >= 0`.
    #[inline(always)]
    fn find<N: Number>(&self, n: N, y: N) -> Found<N> {
        let (zero, one, half) = (n.constant(0.0), n.constant(1.0), n.constant(0.5));
        let quartic = Quartic::new(y, self.v, self.gamma);
        let (w, around) = self.near(&quartic, n);
        let mut step = self.step(around.curvature);
        let mut limit = n.constant(ENDLESS);
        let (mut ratio, mut z_back, mut second) = (zero, zero, [one, zero, zero]);
        let two = self.may_have_two(n, quartic.r);
        if two.largest() > 0.0 {
            // Two of Newton's steps from -r: what they leave is a slope, as everywhere. Other lanes go along with their first well.
            let tilt = two.if_above(zero, -n, n);
            let mut w_back = two.if_above(zero, zero, w);
            for _ in 0..2 {
                let Around { slope, curvature, .. } = quartic.around(tilt, w_back);
                w_back = two.if_above(zero, w_back + slope / curvature, w_back);
            }
            let back = quartic.around(tilt, w_back);
            z_back = back.z;
            let apart = around.z + back.z;
            let lower = n.mul_add(-apart, quartic.depth(w_back) - quartic.depth(w));
            let count = apart / step;
            let counts = lower.if_above(n.constant(-ABSENT), two, zero);
            let counts = count.if_above(n.constant(CLOSE), counts, zero);
            if counts.largest() > 0.0 {
                // Steps of both fit together, and each walks to its side of the middle.
                let pairs = round((count - one) * half + half);
                let fitting = apart / (pairs + pairs + one);
                let joint = n.constant(PARTED).if_above(count, counts, zero);
                step = joint.if_above(zero, fitting, step);
                limit = joint.if_above(zero, pairs, limit);
                ratio = counts.if_above(zero, exp_moderate(lower), zero);
                let [mass, first, square] = steps::sums(&back, step, limit);
                // Lanes without one have the same numbers as where no lane has one.
                second = [
                    counts.if_above(zero, mass, one),
                    counts.if_above(zero, first, zero),
                    counts.if_above(zero, square, zero),
                ];
            }
        }
        let first = steps::sums(&around, step, limit);
        Found { quartic, w, z: around.z, z_back, step, first, second, ratio }
    }
}

/// To an integer, from zero to `2^51`.
#[inline(always)]
fn round<N: Number>(x: N) -> N {
    let bits = x.constant(fg_core::special::number::INTEGER_BITS);
    (x + bits) - bits
}

impl Formula<2> for Wells {
    const OPEN: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (zero, one) = (n.constant(0.0), n.constant(1.0));
        let Found { z, z_back, step, first, second, ratio, .. } = self.find(n.abs(), y);
        let inverse = one / (first[0] * second[0]);
        let (own, other) = (inverse * second[0], inverse * first[0]);
        let (shift, shift_back) = (first[1] * own, second[1] * other);
        let odds = ratio * second[0] * own;
        let p = one / (one + odds);
        let q = odds * p;
        let (mean, mean_back) = (shift.mul_add(step, z), shift_back.mul_add(step, z_back));
        // No place is further from the mean of its well than about a deviation: little cancels.
        let within = first[2].mul_add(own, -(shift * shift));
        let within_back = second[2].mul_add(other, -(shift_back * shift_back));
        let within = p.mul_add(within, q * within_back) * (step * step);
        let apart = mean + mean_back;
        let variance = (p * apart).mul_add(q * apart, within);
        let mean = p.mul_add(mean, -(q * mean_back));
        [n.if_above(zero, mean, -mean), variance]
    }
}

impl Formula<2> for Masses {
    const OPEN: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (size, Self(wells)) = (n.abs(), self);
        let Found { quartic, w, z, step, first, second, ratio, .. } = wells.find(size, y);
        let mass = ratio.mul_add(second[0], first[0]) * step;
        let height = size.mul_add(z, quartic.depth(w)) + Quartic::base(y, wells.v, wells.gamma);
        [height + ln(mass), n.constant(0.0)]
    }
}
