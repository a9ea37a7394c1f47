//! Densities `exp(c x - e^x - g x^2 / 2)`, of counts and of times until events, as formulas for a register of rows.

use core::f64::consts::TAU;

use fg_core::special::exp::exp_share;
use fg_core::special::log::ln;
use fg_core::special::number::Number;

use super::outwards::{ALIASES, Exponent, Outwards, Step as Apart, Walk};

/// Steps of a climb: three from the start do in the bulk. Rows that take more are left open.
const STEPS: usize = 10;
/// A step of Newton's of this length is followed by one that is exact to rounding: its error is the fourth power of it.
const LAST: f64 = 3e-5;
/// Logarithm of `w`, in [`Growth::start`], up to which it is as good as none where two steps are to follow.
const NOTHING: f64 = -1.0;
/// The same where the start is to be next to the peak.
const LITTLE: f64 = -4.0;
/// Square of the distance from the peak, in deviations, from which a rule may count.
const NEAR: f64 = 1.0 / 16.0;
/// Longest step of a climb: one from a bad start is no better.
const LONGEST: f64 = 1.0;
/// How far off the axis a rule may look: beyond, `exp(-e^z)` grows too fast.
const STRIP: f64 = 1.2;
/// What `-log cos d`, by which `exp(-e^z)` grows at the distance `d` off the axis, exceeds `d^2 / 2` by, over its square's
/// half: bounds `d^2 / 6` and the terms beyond it as far as [`STRIP`].
const BEND: f64 = 0.3;

/// The density under one positive precision `g`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    g: f64,
    log_g: f64,
}

/// What is at a place: `e^x`, one over the curvature, Newton's step and the one that it begins.
struct Step<N> {
    rate: N,
    inverse: N,
    newton: N,
    step: N,
}

/// Where a climb has led to: the place, `e^x` there, and the slope of the exponent.
struct Place<N> {
    x: N,
    rate: N,
    slope: N,
}

impl Growth {
    pub(crate) fn new(g: f64) -> Self {
        Self { g, log_g: g.ln() }
    }

    /// Next to the root of `e^x + g x = c`. With `w = e^x / g` it is that of `w + log w = c / g - log g`, for which there are
    /// forms that are right for small and for large `w`; up to `nothing` of the logarithm it is none.
    #[inline(always)]
    fn start<N: Number>(&self, c: N, nothing: f64) -> N {
        let (one, half) = (c.constant(1.0), c.constant(0.5));
        let alone = c * c.constant(self.g.recip());
        let level = alone - c.constant(self.log_g);
        if !(level.largest() > nothing) {
            return alone;
        }
        let nothing = c.constant(nothing);
        let t = (one - level).at_least(c.constant(0.0));
        let growth = t.mul_add(t.mul_add(t.mul_add(c.constant(1.0 / 6.0), half), one), one);
        let small = level.if_above(nothing, alone - one / growth, alone);
        if !(level.largest() > 1.0) {
            return small;
        }
        let large = level.at_least(one);
        let log = ln(large);
        let w = large - log + log / large;
        level.if_above(one, ln(w) + c.constant(self.log_g), small)
    }

    /// The step that follows from what is at `x`.
    #[inline(always)]
    fn onwards<N: Number>(&self, c: N, x: N) -> Step<N> {
        let (one, g) = (c.constant(1.0), c.constant(self.g));
        let rate = exp_share(x);
        let inverse = one / (rate + g);
        let newton = (x.mul_add(-g, c) - rate) * inverse;
        Step { rate, inverse, newton, step: step(newton, rate * inverse) }
    }

    /// Maximiser and one over the curvature there; NaN in lanes that are left open.
    #[inline(always)]
    pub(crate) fn peak<N: Number>(&self, c: N) -> [N; 2] {
        let (zero, one) = (c.constant(0.0), c.constant(1.0));
        let nothing = c.constant(f64::NAN);
        let first = self.start(c, NOTHING);
        // No start is right to rounding; two steps are enough for most.
        let mut x = first + self.onwards(c, first).step;
        let last = c.constant(LAST);
        let Step { rate, inverse, newton, step } = self.onwards(c, x);
        let there = last.if_above(newton.abs(), zero, one);
        if !(there.largest() > 0.0) {
            return [x + step, variance(rate, inverse, step)];
        }
        let (mut active, mut place, mut spread) = (one, nothing, nothing);
        for _ in 0..STEPS {
            let Step { rate, inverse, newton, step } = self.onwards(c, x);
            // Lanes that are there keep what they have found, whatever the others take.
            let size = active.if_above(zero, newton.abs(), nothing);
            place = last.if_above(size, x + step, place);
            spread = last.if_above(size, variance(rate, inverse, step), spread);
            active = last.if_above(size, zero, active);
            if !(active.largest() > 0.0) {
                break;
            }
            x = x + step;
        }
        [place, spread]
    }

    /// A place next to the peak; NaN in lanes that are left open.
    #[inline(always)]
    fn near<N: Number>(&self, c: N) -> Place<N> {
        let (zero, one, g) = (c.constant(0.0), c.constant(1.0), c.constant(self.g));
        let nothing = c.constant(f64::NAN);
        // A lane that finds none goes on with numbers: its neighbours look at the largest of all.
        let mut found = Place { x: nothing, rate: zero, slope: zero };
        let (mut x, mut active) = (self.start(c, LITTLE), one);
        for _ in 0..STEPS {
            let rate = exp_share(x);
            let curvature = rate + g;
            let slope = x.mul_add(-g, c) - rate;
            let square = active.if_above(zero, slope * slope, nothing);
            let there = (curvature * c.constant(NEAR)).if_above(square, one, zero);
            found.x = there.if_above(zero, x, found.x);
            found.rate = there.if_above(zero, rate, found.rate);
            found.slope = there.if_above(zero, slope, found.slope);
            active = there.if_above(zero, zero, active);
            if !(active.largest() > 0.0) {
                break;
            }
            let inverse = one / curvature;
            x = x + step(slope * inverse, rate * inverse);
        }
        found
    }

    /// Mean and variance by equal steps from next to the peak; NaN in lanes that are left open.
    #[inline(always)]
    pub(crate) fn moments<N: Number>(&self, c: N) -> [N; 2] {
        let (x, outwards, below) = self.rule(c);
        let [shift, variance] = outwards.moments(&below);
        [x + shift, variance]
    }

    /// A place next to the peak, and the logarithm of the integral over the density there; NaN in lanes that are left open.
    #[inline(always)]
    pub(crate) fn log_mass<N: Number>(&self, c: N) -> [N; 2] {
        let (x, outwards, below) = self.rule(c);
        [x, outwards.log_mass(&below)]
    }

    /// Equal steps from a place next to the peak.
    #[inline(always)]
    fn rule<N: Number>(&self, c: N) -> (N, Outwards<N>, Below<N>) {
        let Place { x, rate, slope } = self.near(c);
        let g = c.constant(self.g);
        // At the distance d off the axis the density has grown by (g + rate (1 + BEND d^2)) d^2 / 2 nats at most.
        let curvature = rate + g;
        let widest = (c.constant(2.0 * ALIASES) / curvature).at_most(c.constant(STRIP * STRIP));
        let grown = (rate * widest).mul_add(c.constant(BEND), curvature) * widest;
        let all = grown.mul_add(c.constant(0.5), c.constant(ALIASES));
        let h = widest.sqrt() * c.constant(TAU) / all;
        let below = Below { rate, g, slope };
        (x, Outwards::new(h), below)
    }
}

/// One over the curvature, after a last step `s`: `e^s - 1` and the quotient to second order.
#[inline(always)]
fn variance<N: Number>(rate: N, inverse: N, s: N) -> N {
    let rise = s.mul_add(s * s.constant(0.5), s) * (rate * inverse);
    rise.mul_add(rise * inverse, inverse - rise * inverse)
}

/// The step to the root that Newton's step `u` is the beginning of, where the second and all further derivatives are
/// `share` of the first: the series `u = s + share (s^2 / 2 + s^3 / 6 + ..)` inverted.
#[inline(always)]
fn step<N: Number>(u: N, share: N) -> N {
    let half = u.constant(0.5);
    let cube = share * (share * half - u.constant(1.0 / 6.0));
    let series = u.mul_add(cube, -(share * half));
    let step = (u * u).mul_add(series, u);
    let longest = u.constant(LONGEST);
    step.at_most(longest).at_least(-longest)
}

/// The exponent next to the peak: `slope s - rate (e^s - 1 - s) - g s^2 / 2`.
struct Below<N> {
    rate: N,
    g: N,
    slope: N,
}

impl<N: Number> Exponent<N> for Below<N> {
    type Walk = Down<N>;

    #[inline(always)]
    fn walk(&self, step: &Apart<N>) -> Down<N> {
        let (zero, Apart { one, h, rise, growth }) = (self.g.constant(0.0), step);
        let bend = -self.g * *h * *h;
        // Both parts of the slope are small next to the peak, and don't cancel beyond.
        let line = bend.mul_add(zero.constant(0.5), self.slope * *h) - self.rate * *growth;
        Down {
            level: zero.constant(-Down::<N>::LIFT),
            line,
            bend,
            fall: zero,
            factor: *rise + zero.constant(1.0),
            added: self.rate * *rise * *rise,
            count: zero,
            one: *one,
        }
    }

    #[inline(always)]
    fn unit(&self, h: N) -> N {
        h
    }
}

/// The exponent by its differences, a line and `rate (e^h - 1) (e^s - 1)`: both fall to either side, where sums of terms of one sign
/// give the next of each, so that relative errors grow with the number of steps alone.
struct Down<N> {
    level: N,
    /// Difference to the next but for the exponential, and what it changes by.
    line: N,
    bend: N,
    /// The exponential's, which the next is a multiple of, and more.
    fall: N,
    factor: N,
    added: N,
    count: N,
    one: N,
}

impl<N: Number> Walk<N> for Down<N> {
    /// Half the square of the distance from the peak.
    const LIFT: f64 = 0.5 * NEAR;

    #[inline(always)]
    fn further(&mut self) -> N {
        self.level = self.level + (self.line - self.fall);
        self.line = self.line + self.bend;
        self.fall = self.factor.mul_add(self.fall, self.added);
        self.count = self.count + self.one;
        self.level
    }

    #[inline(always)]
    fn value(&self) -> N {
        self.count
    }
}
