//! Jumps of global maximisers under a full precision: what they add to the covariance of a row that is close to one.

use super::branch_and_bound::{MOST_COLUMNS, Maximum, Search};

/// Halvings of a step after which two patterns that still differ are taken to meet there: what slopes add on what is left is below
/// a millionth of what they add on the step.
const HALVINGS: u32 = 20;

/// Heights that differ by less, relative, are equal but for their rounding.
const ROUNDINGS: f64 = 64.0 * f64::EPSILON;

/// Squares of jumps, in deviations of the cavity, that are those of patterns which meet smoothly: the place where they do is known to the
/// root of the rounding of heights, or to what is left of a step.
const SMOOTH: f64 = 1e-11;

/// Steps to where two patterns are as high: Newton's take a few.
const MEETINGS: usize = 50;

/// Whether heights are equal but for their rounding.
fn alike(one: f64, other: f64) -> bool {
    (one - other).abs() <= ROUNDINGS * (1.0 + one.abs())
}

/// A maximiser on a line through a row along one column, and how it changes from there while its pattern lasts.
#[derive(Clone, Copy)]
struct Stop {
    at: f64,
    maximum: Maximum,
    /// Derivative of the maximiser along the line.
    slope: [f64; MOST_COLUMNS],
}

impl Stop {
    /// Whether the pattern is that of the other, and no entry of another sign: between those it was zero.
    fn goes_on(&self, other: &Self) -> bool {
        let (own, others) = (&self.maximum, &other.maximum);
        let signs = own.x.iter().zip(&others.x).all(|(x, y)| x * y >= 0.0);
        own.pattern == others.pattern && signs
    }

    /// The maximum of the same pattern at another place.
    fn height(&self, at: f64, column: usize) -> f64 {
        let apart = at - self.at;
        let Maximum { x, height, .. } = &self.maximum;
        height + apart * (x[column] + 0.5 * apart * self.slope[column])
    }

    fn entry(&self, at: f64, j: usize) -> f64 {
        self.maximum.x[j] + (at - self.at) * self.slope[j]
    }

    /// The maximum at another place, as if the exponent of its pattern were quadratic.
    fn straight(&self, at: f64, column: usize) -> Maximum {
        let mut moved = Maximum { height: self.height(at, column), ..self.maximum };
        (0..MOST_COLUMNS).for_each(|j| moved.x[j] = self.entry(at, j));
        moved
    }

    /// Where the pattern of another stop is as high, between both, if exponents are quadratic.
    ///
    /// So are heights along the line. Where both patterns meet smoothly one is never above the other, and they meet where the
    /// maximisers do.
    fn meets(&self, other: &Self, column: usize) -> f64 {
        let (low, high) = (self.at.min(other.at), self.at.max(other.at));
        // Height of this over the other at `self.at + t`: a + b t + c t^2 / 2.
        let a = self.maximum.height - other.height(self.at, column);
        let b = self.maximum.x[column] - other.entry(self.at, column);
        let c = self.slope[column] - other.slope[column];
        let root = (b * b - 2.0 * a * c).max(0.0).sqrt();
        let sum = -(b + root.copysign(b));
        let places = [2.0 * a / sum, sum / c].map(|t| self.at + t);
        let inside = |t: &f64| *t > low && *t < high;
        places.into_iter().find(inside).unwrap_or(0.5 * (low + high))
    }
}

/// The search, a row, and how far away jumps count, in deviations and in each column.
pub(super) struct Crossings<'a, S> {
    pub(super) search: &'a S,
    pub(super) natural: &'a [f64],
    pub(super) step: f64,
    pub(super) reach: &'a [f64],
}

impl<S: Search> Crossings<'_, S> {
    /// Adds to the covariance of this maximiser its share of the jumps within reach along each column.
    ///
    /// Where two patterns are equally high the maximum of the exponent bends, and its second derivative there, the average Jacobian's
    /// part that slopes leave out, is the density of rows at that place times `D D'`, `D` the jump of the maximiser: the gradient
    /// of the difference of heights is `D`. The density is the share of rows that meet the place within reach, to either side, on
    /// average over the columns by what of the jump lies across them. That is never negative, and with a diagonal precision what
    /// each column adds by itself.
    pub(super) fn add(&self, maximum: &Maximum, slopes: &[f64], covariance: &mut [f64]) {
        let d = self.natural.len();
        for j in 0..d {
            let here = self.stop(0.0, *maximum, slopes, j);
            for side in [-1.0, 1.0] {
                if let Some(there) = self.look(side * self.reach[j], j)
                    && !there.goes_on(&here)
                {
                    self.between(&here, &there, j, HALVINGS, covariance);
                }
            }
        }
    }

    fn stop(&self, at: f64, maximum: Maximum, slopes: &[f64], column: usize) -> Stop {
        let d = self.natural.len();
        let mut slope = [0.0; MOST_COLUMNS];
        (0..d).for_each(|k| slope[k] = slopes[k * d + column]);
        Stop { at, maximum, slope }
    }

    /// The row so far along the column.
    fn natural_at(&self, at: f64, column: usize) -> [f64; MOST_COLUMNS] {
        let mut natural = [0.0; MOST_COLUMNS];
        natural[..self.natural.len()].copy_from_slice(self.natural);
        natural[column] += at;
        natural
    }

    /// The maximiser so far along the column; none where rounding leaves no curvature.
    fn look(&self, at: f64, column: usize) -> Option<Stop> {
        let (d, natural) = (self.natural.len(), self.natural_at(at, column));
        let maximum = self.search.maximum(&natural[..d]);
        let mut slopes = [0.0; MOST_COLUMNS * MOST_COLUMNS];
        self.search
            .slopes(&maximum, &mut slopes[..d * d])
            .then(|| self.stop(at, maximum, &slopes, column))
    }

    /// Where two patterns are as high, and the maximum of each there; for exponents that aren't quadratic, by Newton's steps on the
    /// difference of heights, whose derivative is that of the entries. Some place between, where one of them ends before.
    fn meeting(&self, a: &Stop, b: &Stop, column: usize) -> (f64, [Maximum; 2]) {
        let mut at = a.meets(b, column);
        let straight = |at: f64| [a.straight(at, column), b.straight(at, column)];
        if S::QUADRATIC || a.maximum.pattern == b.maximum.pattern {
            return (at, straight(at));
        }
        let (mut before, mut after) = (a.at, b.at);
        for _ in 0..MEETINGS {
            let natural = self.natural_at(at, column);
            let natural = &natural[..self.natural.len()];
            let own = self.search.again(&a.maximum.pattern, natural);
            let Some((own, other)) = own.zip(self.search.again(&b.maximum.pattern, natural)) else {
                break;
            };
            if alike(own.height, other.height) {
                return (at, [own, other]);
            }
            let apart = own.height - other.height;
            *if apart > 0.0 { &mut before } else { &mut after } = at;
            at -= apart / (own.x[column] - other.x[column]);
            if !((at - before) * (at - after) < 0.0) {
                at = 0.5 * (before + after);
            }
        }
        let middle = 0.5 * (a.at + b.at);
        (middle, straight(middle))
    }

    /// Adds all jumps between two stops of different patterns.
    fn between(&self, a: &Stop, b: &Stop, column: usize, halvings: u32, covariance: &mut [f64]) {
        let (at, meeting) = self.meeting(a, b, column);
        let Some(middle) = self.look(at, column).filter(|_| halvings > 0) else {
            self.jump(&meeting, column, covariance);
            return;
        };
        let (before, after) = (middle.goes_on(a), middle.goes_on(b));
        let other = a.maximum.pattern != b.maximum.pattern;
        if (before || after) && other && alike(meeting[0].height, meeting[1].height) {
            self.jump(&meeting, column, covariance);
            return;
        }
        if !before {
            self.between(a, &middle, column, halvings - 1, covariance);
        }
        if !after {
            self.between(&middle, b, column, halvings - 1, covariance);
        }
    }

    fn jump(&self, [a, b]: &[Maximum; 2], column: usize, covariance: &mut [f64]) {
        let d = self.natural.len();
        let mut apart = [0.0; MOST_COLUMNS];
        (0..d).for_each(|j| apart[j] = b.x[j] - a.x[j]);
        let squares = (0..d).map(|j| (apart[j] * self.reach[j]).powi(2)).sum::<f64>();
        if !(squares > SMOOTH * (1.0 + a.height.abs()) * self.step * self.step) {
            return;
        }
        let share = apart[column].abs() * self.reach[column] / (2.0 * squares);
        for k in 0..d {
            for l in 0..d {
                covariance[k * d + l] += share * apart[k] * apart[l];
            }
        }
    }
}
