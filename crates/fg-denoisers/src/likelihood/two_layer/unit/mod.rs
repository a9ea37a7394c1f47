//! A label of a single rectified unit: `p(y | z) = link(y (w max(z, 0) + b))` of one column, by rules that all rows share.
//!
//! In deviations of the cavity, and but for the label, rows differ by one number, the cavity's mean `h`. On the side where the unit is
//! silent the label has one probability, and moments are those of a normal tail. On the other side the weight of `x > 0` is
//! `exp(h x - x^2 / 2)` times a function that all rows of a label share: rows whose weight falls from zero so steeply that a few
//! terms of that function do are a series in `1 / h`, those that end at zero before a peak is far behind them equal steps from zero
//! on, with what an end leaves by Euler and Maclaurin, and all others a straight line's.

mod lattice;
mod rows;
mod series;
mod side;
#[cfg(test)]
mod tests;
mod whole;

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::{inverse_mills, logistic};

use super::{Activation, Link, Output, TwoLayer};
use crate::family::curve::{self, Tilt};
use crate::family::logit::Logit;
use crate::family::{Rule, parted};
use lattice::{Both, Extent, Lattice, Steep};
use rows::Unit;
use series::{Along, gaussian, product};
use whole::{Probit, Whole};

/// From a peak on, deviations beyond which nothing is left: `exp(-36)`, also next to squares of distances.
const REACH: f64 = 8.5;
/// Rates from which on the series in their inverse has its thirty-two terms fall to `1e-12`: over the root of the curvature
/// that cavity and link may have together, and over the rate of the link's margin, whose poles are at `+-i pi`.
const STEEP: [f64; 2] = [10.0, 12.5];
/// The same over the slope that a normal link, unlike a logistic one, has far out.
const SLOPE: f64 = 3.0;
/// Steps times rates, up to which ten terms of the Euler-Maclaurin formula leave `1e-13`.
const RATE: f64 = 1.25;
/// The longest step, in deviations of cavity and link together.
const STEP: f64 = 0.5;
/// The steepest links, by the margin's rate, and the largest slope of their logarithms: points are as many as the steps are short.
const STEEPEST: f64 = 8.0;
/// Sizes of exponents on a lattice.
const EXPONENTS: f64 = 650.0;
/// A rate of the margin below which its logistic function is next to a parabola over a deviation: third derivatives are its cube.
const STRAIGHT: f64 = 1e-5;
/// Kinds of rows.
const KINDS: usize = 4;

/// The known weight, bias and link.
#[derive(Clone, Debug)]
pub(super) struct OneUnit {
    weight: f64,
    bias: f64,
    link: Link,
    rule: Rule,
}

/// Where rows of each kind end, and what lattices they need.
struct Bounds {
    steepest: f64,
    falling: f64,
    cut: Both,
    fine: Extent,
    coarse: Extent,
}

impl OneUnit {
    /// That of a second layer, if it is one.
    pub(super) fn of(network: &TwoLayer) -> Option<Self> {
        let (Output::Label(link), Activation::Relu) = (network.output, network.activation) else {
            return None;
        };
        let (&[weight], &[bias]) = (network.weights.as_slice(), network.bias.as_slice()) else {
            return None;
        };
        Some(Self { weight, bias, link, rule: curve::rule() })
    }

    /// Deviation of the noise that margins are counted in.
    fn noise(&self) -> f64 {
        match self.link {
            Link::Logistic => 1.0,
            Link::Probit { .. } => self.link.deviation(),
        }
    }

    /// The probability of the label `y` along the cavity's deviations.
    fn along(&self, y: f64, deviation: f64) -> Along {
        let noise = self.noise();
        let (start, rate) = (y * self.bias / noise, y * self.weight * deviation / noise);
        match self.link {
            Link::Logistic => Along::Logistic { start, rate },
            Link::Probit { .. } => Along::Probit { start, rate },
        }
    }

    /// None where links are too steep for shared rules.
    fn bounds(&self, deviation: f64) -> Option<Bounds> {
        let noise = self.noise();
        let (rate, bias) = (self.weight.abs() * deviation / noise, -self.bias.abs() / noise);
        // Slope of the logarithm of the less likely label, which is the larger one.
        let (slope, far, own) = match self.link {
            Link::Logistic => (rate * logistic(-bias), rate, 0.0),
            Link::Probit { .. } => {
                let slope = rate * inverse_mills(bias);
                (slope, rate * inverse_mills(bias - REACH * rate), slope)
            }
        };
        if !(rate <= STEEPEST && slope <= STEEPEST) {
            return None;
        }
        let steepest = (STEEP[0] * rate.hypot(1.0)).max(STEEP[1] * rate) + SLOPE * own;
        let step = STEP / rate.hypot(1.0);
        let falling = (own - RATE / step).min(0.0);
        let none = Both { plus: 0.0, minus: 0.0 };
        let against = REACH + far;
        let (mut cut, mut slopes) = (Both { plus: REACH, minus: REACH }, none);
        if self.weight > 0.0 {
            (cut.minus, slopes.minus) = (against, 0.5 * against);
        } else {
            (cut.plus, slopes.plus) = (against, 0.5 * against);
        }
        let highest = falling + slope;
        let fine = Extent {
            step: RATE / (steepest + slope),
            reach: highest + highest.hypot(REACH),
            slopes: none,
        };
        let coarse = Extent { step, reach: 2.0 * REACH + slope, slopes };
        let largest = (0.5 * against - falling) * coarse.reach;
        let bounds = Bounds { steepest: -steepest, falling, cut, fine, coarse };
        (largest <= EXPONENTS).then_some(bounds)
    }

    /// What labels of a straight line say.
    fn whole<'m>(&self, gamma: f64, scratch: &'m mut Scratch) -> Option<Whole<'m>> {
        let (weight, bias) = (self.weight, self.bias);
        match self.link {
            Link::Probit { variance } => {
                Some(Whole::Probit(Probit::new(weight, bias, variance, gamma)))
            }
            Link::Logistic if weight.abs() < STRAIGHT * gamma.sqrt() => {
                Some(Whole::Straight { weight, bias, variance: gamma.recip() })
            }
            Link::Logistic => {
                let precision = gamma / (weight * weight);
                let margin = Logit::averaged(precision, scratch)?;
                Some(Whole::Logistic { margin, weight, bias, pull: precision * bias })
            }
        }
    }

    /// Answers all rows by the rules that they share; false where rows are left open, none where there are no such rules.
    fn shared(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Option<bool> {
        let gamma = cavity.scalar_precision();
        let deviation = gamma.sqrt().recip();
        let Bounds { steepest, falling, cut, fine, coarse } = self.bounds(deviation)?;
        let (memory, within) = scratch.nested(Steep::LEN + fine.len() + coarse.len());
        let whole = self.whole(gamma, within)?;
        let along = [self.along(1.0, deviation), self.along(-1.0, deviation)];
        let around = gaussian(0.0, 1.0);
        let series = along.map(|along| product(&along.series(), &around));
        let series = [&series[0], &series[1]];
        let (steep, rest) = memory.split_at_mut(Steep::LEN);
        let (first, second) = rest.split_at_mut(fine.len());
        let unit = Unit {
            deviation,
            silent: Both { plus: along[0].at(0.0), minus: along[1].at(0.0) },
            steepest,
            falling,
            cut,
            steep: Steep::new(-steepest, series, steep),
            fine: Lattice::new(fine, along, series, first),
            coarse: Lattice::new(coarse, along, series, second),
            whole,
        };
        let input = [cavity.natural(), observed];
        Some(parted::apply_parted::<2, KINDS>(&unit, |row| unit.kind(row), input, out))
    }

    /// Answers all rows of a cavity of positive precision.
    pub(super) fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        match self.shared(observed, cavity, out, scratch) {
            Some(true) => return Ok(()),
            // A row that rules leave open, which none has been seen to be over 24 decades of precision and means up to a million
            // deviations, and cavities without rules are another method's and nothing to report: wherever both answer they agree to
            // 5e-12 of a mean next to its size and deviation and 2e-11 of a variance, as a test says.
            Some(false) => {}
            None => out.mean.fill(f64::NAN),
        }
        curve::settle_by(|i, tilt| self.answer(observed[i], tilt), cavity, out)
    }

    /// Log-partition functions of all rows; false where one has none.
    pub(super) fn log_partition(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut [f64],
    ) -> bool {
        let gamma = cavity.scalar_precision();
        let rows = cavity.natural().iter().zip(observed).zip(out);
        for ((&n, &y), out) in rows {
            match self.answer(y, Tilt { n, gamma }) {
                Ok(found) => *out = found.log_partition,
                Err(_) => return false,
            }
        }
        true
    }
}
