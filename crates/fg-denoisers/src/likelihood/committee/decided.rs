//! Two units of which one has a sign beyond doubt: what is left is the other one on two half lines, in closed form.

use core::f64::consts::TAU;

use fg_core::special::{log_cdf, positive_part};

use super::Committee;
use super::mixture::Part;

/// The other sign of a unit is left out when it has this many nats less than what is kept: it is below rounding.
const DOUBT: f64 = 40.0;
/// Nearer to zero, in deviations, a sign isn't beyond doubt: the other one has more than `e^-40`.
pub(super) const SURE: f64 = 8.5;

/// A unit and its neighbour under the cavity.
struct Pair {
    /// Mean of the unit, and in its deviations.
    mean: f64,
    score: f64,
    /// Its variance given the neighbour, and its change for a change of the neighbour.
    rest: f64,
    slope: f64,
    /// Mean of the neighbour, its deviation, and the mean in deviations.
    other: f64,
    deviation: f64,
    other_score: f64,
}

impl Pair {
    /// Unit `j` of a cavity of this mean, `a` and `c` being the precisions of unit and neighbour and `b` in between.
    fn new(r: [f64; 2], [a, b, c]: [f64; 3]) -> Self {
        // Marginal precisions, as shares of what is on the diagonal: products of large numbers overflow.
        let share = 1.0 - (b / a) * (b / c);
        let deviation = (c * share).sqrt().recip();
        Self {
            mean: r[0],
            score: r[0] * (a * share).sqrt(),
            rest: a.recip(),
            slope: -b / a,
            other: r[1],
            deviation,
            other_score: r[1] / deviation,
        }
    }
}

impl Committee {
    /// Mean, covariance and log-partition of a row where one unit's sign is beyond doubt, in view of the label, too; none
    /// elsewhere. `r` is the mean of the cavity.
    ///
    /// Signs are certain where a deviation is a small share of the mean; positions are then known to fewer digits than a
    /// quadrature needs, here they aren't needed.
    pub(super) fn decided(
        &self,
        y: f64,
        n: [f64; 2],
        r: [f64; 2],
        gamma: [f64; 3],
    ) -> Option<Part<f64>> {
        let [a, b, c] = gamma;
        let pairs = [Pair::new(r, gamma), Pair::new([r[1], r[0]], [c, b, a])];
        let first = usize::from(pairs[1].score.abs() > pairs[0].score.abs());
        let pair = &pairs[first];
        if pair.score.abs() < SURE {
            return None;
        }
        let positive = usize::from(pair.mean > 0.0);
        let shares = [0, 1].map(|t| self.share(y, positive + t));
        let logs = [0, 1].map(|t| {
            let side = if t == 0 { -pair.other_score } else { pair.other_score };
            log_cdf(side) + shares[t].ln()
        });
        let top = logs[0].max(logs[1]);
        if !(top > f64::NEG_INFINITY) {
            return None;
        }
        let masses = logs.map(|log| (log - top).exp());
        let total = masses[0] + masses[1];
        let (kept, weights) = (top + total.ln(), masses.map(|m| m / total));
        if !(log_cdf(-pair.score.abs()) + DOUBT < kept) {
            return None;
        }
        let [low, high] = [-pair.other_score, pair.other_score].map(positive_part);
        let deviation = pair.deviation;
        let (mean, shift, own);
        if shares[0].to_bits() == shares[1].to_bits() {
            // The label says nothing.
            (mean, shift, own) = (pair.other, 0.0, deviation * deviation);
        } else {
            mean = deviation * (weights[1] * high.mean - weights[0] * low.mean);
            shift = deviation * (weights[1] * high.inverse_mills - weights[0] * low.inverse_mills);
            let within = weights[0] * low.variance + weights[1] * high.variance;
            let apart = low.mean + high.mean;
            let between = (weights[0] * apart) * (weights[1] * apart);
            own = (within + between) * deviation * deviation;
        }
        let found = [pair.slope.mul_add(shift, pair.mean), mean];
        let variances = [pair.rest + pair.slope * own * pair.slope, own];
        let order = |v: [f64; 2]| if first == 0 { v } else { [v[1], v[0]] };
        let [xx, yy] = order(variances);
        let log_determinant = a.ln() + c.ln() + (-(b / a) * (b / c)).ln_1p();
        let whole = 0.5 * (n[0] * r[0] + n[1] * r[1]) + TAU.ln() - 0.5 * log_determinant;
        Some(Part {
            log_mass: whole + kept,
            mean: order(found),
            covariance: [xx, pair.slope * own, yy],
        })
    }
}
