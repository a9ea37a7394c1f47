//! Jumps of global maximisers under a full precision: what they add to the covariance of a row that is close to one.

use super::patterns::{MOST_COLUMNS, Maximum, Search};

/// Halvings of a step after which two patterns that still differ are taken to meet there: what slopes add on what is left is below
/// a millionth of what they add on the step.
const HALVINGS: u32 = 20;

/// Heights that differ by less, relative, are equal but for their rounding.
const ROUNDINGS: f64 = 64.0 * f64::EPSILON;

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

    /// Where the pattern of another stop is as high, between both.
    ///
    /// Heights are quadratic along the line. Where both patterns meet smoothly one is never above the other, and they meet where the
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

/// The search, a row, and how far away jumps count in each column.
pub(super) struct Crossings<'a> {
    pub(super) search: &'a Search,
    pub(super) natural: &'a [f64],
    pub(super) reach: &'a [f64],
}

impl Crossings<'_> {
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

    /// The maximiser so far along the column; none where rounding leaves no curvature.
    fn look(&self, at: f64, column: usize) -> Option<Stop> {
        let d = self.natural.len();
        let mut natural = [0.0; MOST_COLUMNS];
        natural[..d].copy_from_slice(self.natural);
        natural[column] += at;
        let maximum = self.search.maximum(&natural[..d]);
        let mut slopes = [0.0; MOST_COLUMNS * MOST_COLUMNS];
        self.search
            .slopes(&maximum.pattern, &mut slopes[..d * d])
            .then(|| self.stop(at, maximum, &slopes, column))
    }

    /// Adds all jumps between two stops of different patterns.
    fn between(&self, a: &Stop, b: &Stop, column: usize, halvings: u32, covariance: &mut [f64]) {
        let at = a.meets(b, column);
        let Some(middle) = self.look(at, column).filter(|_| halvings > 0) else {
            self.jump(a, b, at, column, covariance);
            return;
        };
        let (before, after) = (middle.goes_on(a), middle.goes_on(b));
        if (before || after) && a.maximum.pattern != b.maximum.pattern {
            let [one, other] = [a, b].map(|stop| stop.height(at, column));
            if (one - other).abs() <= ROUNDINGS * (1.0 + one.abs()) {
                self.jump(a, b, at, column, covariance);
                return;
            }
        }
        if !before {
            self.between(a, &middle, column, halvings - 1, covariance);
        }
        if !after {
            self.between(&middle, b, column, halvings - 1, covariance);
        }
    }

    fn jump(&self, a: &Stop, b: &Stop, at: f64, column: usize, covariance: &mut [f64]) {
        let d = self.natural.len();
        let mut apart = [0.0; MOST_COLUMNS];
        (0..d).for_each(|j| apart[j] = b.entry(at, j) - a.entry(at, j));
        let squares = (0..d).map(|j| (apart[j] * self.reach[j]).powi(2)).sum::<f64>();
        if !(squares > 0.0) {
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
