//! The exact maximiser with a label for activations with a kink: the best of all patterns of units, as with noise, of which
//! each has one unknown.

use fg_core::message::small;

use super::maximiser::{Found, Maximiser, NoMaximum, Row};
use super::patterns::{allows, count, invert_free, slope, state};
use super::{Link, TwoLayer};
use crate::family::root;

/// Newton's steps and bisections for the pull of a label: half of them alone would reach rounding.
const STEPS: usize = 120;

/// For every pattern `C = Gamma^-1` over the units that aren't at the kink, zero elsewhere, and `k = C w`, `w` being the
/// output weights times the pattern's slopes.
///
/// With the pull `f = d log p / du` of the label the stationary point of a pattern is `z = C n + f k`, its output
/// `u = b2 + w' C n + f w' k`: one equation, of one solution, since `log p` is concave. As every local maximum is the
/// stationary point of its own pattern, the best of the points whose signs agree with their pattern is the global one.
#[derive(Debug)]
pub(super) struct LabelPatterns<'a> {
    network: &'a TwoLayer,
    link: Link,
    slopes: (f64, f64),
    /// `patterns x (d x d)`, then `patterns x d`.
    covariances: &'a [f64],
    gains: &'a [f64],
}

impl<'a> LabelPatterns<'a> {
    /// All maps for one cavity precision; `work` holds at least `4 d^2` values.
    pub(super) fn new(
        (network, link, slopes): (&'a TwoLayer, Link, (f64, f64)),
        gamma: &[f64],
        buffer: &'a mut [f64],
        work: &mut [f64],
    ) -> Result<Self, NoMaximum> {
        let d = network.hidden();
        let (covariances, gains) = buffer.split_at_mut(count(d) * d * d);
        for pattern in 0..count(d) {
            let covariance = &mut covariances[pattern * d * d..(pattern + 1) * d * d];
            invert_free(pattern, d, |i, j| gamma[i * d + j], covariance, work)?;
            for (i, gain) in gains[pattern * d..(pattern + 1) * d].iter_mut().enumerate() {
                let weight = |j: usize| slope(slopes, state(pattern, j)) * network.weights[(j, 0)];
                *gain = (0..d).map(|j| covariance[i * d + j] * weight(j)).sum();
            }
        }
        Ok(Self { network, link, slopes, covariances, gains })
    }

    fn maps(&self, pattern: usize) -> (&[f64], &[f64]) {
        let d = self.network.hidden();
        let covariance = &self.covariances[pattern * d * d..(pattern + 1) * d * d];
        (covariance, &self.gains[pattern * d..(pattern + 1) * d])
    }

    /// The output for `z`, in a pattern, without its bias.
    fn output(&self, pattern: usize, z: &[f64]) -> f64 {
        let unit = |(j, z): (usize, &f64)| {
            slope(self.slopes, state(pattern, j)) * self.network.weights[(j, 0)] * z
        };
        z.iter().enumerate().map(unit).sum()
    }

    /// The size `g` of the pull for which `g = pull(x + variance g)`.
    fn pull(&self, x: f64, variance: f64) -> f64 {
        let (most, stiffness) = self.link.slopes(x);
        root::rising(
            most / (1.0 + variance * stiffness),
            (0.0, most),
            STEPS,
            |g| {
                let (pull, stiffness) = self.link.slopes(variance.mul_add(g, x));
                (g - pull, 1.0 + variance * stiffness)
            },
            |step, g| step <= f64::EPSILON * g,
        )
    }

    /// Whether some pull from zero to `most` gives every unit the sign of its state: `start + g y gain`.
    fn possible(pattern: usize, start: &[f64], (gain, y): (&[f64], f64), most: f64) -> bool {
        let (mut low, mut high) = (0.0f64, most);
        for (j, (start, gain)) in start.iter().zip(gain).enumerate() {
            let sign = state(pattern, j) as f64 - 1.0;
            let (start, rate) = (sign * start, sign * y * gain);
            // start + g rate >= 0.
            if rate > 0.0 {
                low = low.max(-start / rate);
            } else if rate < 0.0 {
                high = high.min(-start / rate);
            } else if start < 0.0 {
                return false;
            }
        }
        low <= high
    }

    /// Tries all patterns.
    fn best(&self, row: Row<'_>, found: Found<'_>, work: &mut [f64]) -> Result<(), NoMaximum> {
        let (d, y, bias) = (row.natural.len(), row.observed[0], self.network.bias[0]);
        let (start, candidate) = work.split_at_mut(d);
        let candidate = &mut candidate[..d];
        let (mut best, mut winner) = (f64::NEG_INFINITY, None);
        for pattern in 0..count(d) {
            let (covariance, gain) = self.maps(pattern);
            small::row_times(row.natural, covariance, start, d);
            // The quadratic part is at most n' C n / 2, and log p is negative.
            let dot = |z: &[f64]| -> f64 { row.natural.iter().zip(z).map(|(n, z)| n * z).sum() };
            if 0.5 * dot(start) <= best {
                continue;
            }
            let x = y * (bias + self.output(pattern, start));
            if !Self::possible(pattern, start, (gain, y), self.link.slopes(x).0) {
                continue;
            }
            let variance = self.output(pattern, gain);
            let g = self.pull(x, variance);
            let mut agrees = true;
            for j in 0..d {
                candidate[j] = (g * y).mul_add(gain[j], start[j]);
                agrees &= allows(state(pattern, j), candidate[j]);
            }
            let falls = 0.5 * g * y * self.output(pattern, candidate);
            let value = 0.5 * dot(candidate) - falls + self.link.log(variance.mul_add(g, x));
            if agrees && value > best {
                best = value;
                winner = Some((pattern, self.link.slopes(variance.mul_add(g, x)).1, variance));
                found.z.copy_from_slice(candidate);
            }
        }
        let (pattern, stiffness, variance) = winner.ok_or(NoMaximum)?;
        let (covariance, gain) = self.maps(pattern);
        let share = stiffness / (1.0 + stiffness * variance);
        for k in 0..d * d {
            found.covariance[k] = covariance[k] - share * gain[k / d] * gain[k % d];
        }
        Ok(())
    }
}

impl Maximiser for LabelPatterns<'_> {
    fn solve(
        &self,
        row: Row<'_>,
        _: &mut [f64],
        found: Found<'_>,
        work: &mut [f64],
    ) -> Result<(), NoMaximum> {
        self.best(row, found, work)
    }

    fn solve_near(
        &self,
        row: Row<'_>,
        _: &[f64],
        found: Found<'_>,
        work: &mut [f64],
    ) -> Result<(), NoMaximum> {
        self.best(row, found, work)
    }

    fn jumps(&self, _: Row<'_>, _: &mut [f64]) -> bool {
        true
    }
}
