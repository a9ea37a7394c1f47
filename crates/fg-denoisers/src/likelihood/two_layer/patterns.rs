//! The exact maximiser with noise for activations with a kink: the best of all patterns of units left of it, at it and right of it.

use fg_core::message::small;

use super::TwoLayer;
use super::maximiser::{Found, Maximiser, NoMaximum, Row};

/// States of a unit: left of the kink, at it, right of it.
const STATES: usize = 3;

/// For every pattern of the units the affine map `z = C n + K (y - b2)` to the stationary point, where
/// `C = (Gamma + lambda W W')^-1` over the units that aren't at the kink, zero elsewhere, `W` being the output
/// weights times the pattern's slopes, and `K = lambda C W`.
///
/// Every local minimum of the objective is the stationary point of its own pattern, so that the best of the
/// points whose signs agree with their pattern is the global minimum: no descent, no starting point.
#[derive(Debug)]
pub(super) struct Patterns<'a> {
    network: &'a TwoLayer,
    kink: Kink,
    /// `patterns x (d x d)`, then `patterns x (d x outputs)`.
    covariances: &'a [f64],
    gains: &'a [f64],
}

/// What all patterns have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kink {
    /// Slopes of the activation left and right of zero.
    pub(super) slopes: (f64, f64),
    pub(super) noise_precision: f64,
}

/// Number of patterns of `d` units.
pub(super) fn count(d: usize) -> usize {
    STATES.pow(u32::try_from(d).unwrap_or(u32::MAX))
}

/// Values [`Patterns::new`] needs for `d` units and some outputs.
pub(super) fn buffer_len(d: usize, outputs: usize) -> usize {
    count(d) * d * (d + outputs)
}

impl<'a> Patterns<'a> {
    /// All maps for one cavity precision; `work` holds at least `4 d^2 + d outputs` values.
    pub(super) fn new(
        network: &'a TwoLayer,
        kink: Kink,
        gamma: &[f64],
        buffer: &'a mut [f64],
        work: &mut [f64],
    ) -> Result<Self, NoMaximum> {
        let (d, outputs) = network.weights.shape();
        let (covariances, gains) = buffer.split_at_mut(count(d) * d * d);
        for pattern in 0..count(d) {
            let covariance = &mut covariances[pattern * d * d..(pattern + 1) * d * d];
            let gain = &mut gains[pattern * d * outputs..(pattern + 1) * d * outputs];
            solve_pattern((network, kink), gamma, pattern, (covariance, gain), work)?;
        }
        Ok(Self { network, kink, covariances, gains })
    }

    fn slope(&self, state: usize) -> f64 {
        slope(self.kink.slopes, state)
    }
}

/// Slope of a unit in this state.
pub(super) fn slope(slopes: (f64, f64), state: usize) -> f64 {
    match state {
        0 => slopes.0,
        1 => 0.0,
        _ => slopes.1,
    }
}

/// State of a unit: 0 left of the kink, 1 at it, 2 right of it.
pub(super) fn state(pattern: usize, unit: usize) -> usize {
    pattern / count(unit) % STATES
}

/// Whether a unit of this state may have the value `z`.
pub(super) fn allows(state: usize, z: f64) -> bool {
    match state {
        0 => z <= 0.0,
        1 => true,
        _ => z >= 0.0,
    }
}

/// The inverse of a positive matrix over the units that aren't at the kink, zero elsewhere; `work` holds `4 d^2` values.
pub(super) fn invert_free(
    pattern: usize,
    d: usize,
    matrix: impl Fn(usize, usize) -> f64,
    inverse: &mut [f64],
    work: &mut [f64],
) -> Result<(), NoMaximum> {
    let (kept, work) = work.split_at_mut(d * d);
    let (whole, scratch) = work.split_at_mut(d * d);
    let both = |k: usize| state(pattern, k / d) != 1 && state(pattern, k % d) != 1;
    for (k, kept) in kept.iter_mut().enumerate() {
        // A unit at the kink is cut out: its row and column become those of the identity.
        let apart = f64::from(u8::from(k.is_multiple_of(d + 1)));
        *kept = if both(k) { matrix(k / d, k % d) } else { apart };
    }
    small::invert_positive(kept, whole, scratch, d).map_err(|_| NoMaximum)?;
    for (k, inverse) in inverse.iter_mut().enumerate() {
        *inverse = if both(k) { whole[k] } else { 0.0 };
    }
    Ok(())
}

fn solve_pattern(
    (network, kink): (&TwoLayer, Kink),
    gamma: &[f64],
    pattern: usize,
    (covariance, gain): (&mut [f64], &mut [f64]),
    work: &mut [f64],
) -> Result<(), NoMaximum> {
    let (d, outputs) = network.weights.shape();
    let scaled =
        |j: usize, o: usize| slope(kink.slopes, state(pattern, j)) * network.weights[(j, o)];
    let hessian = |i: usize, j: usize| {
        let cross: f64 = (0..outputs).map(|o| scaled(i, o) * scaled(j, o)).sum();
        gamma[i * d + j] + kink.noise_precision * cross
    };
    invert_free(pattern, d, hessian, covariance, work)?;
    for i in 0..d {
        for o in 0..outputs {
            let sum: f64 = (0..d).map(|j| covariance[i * d + j] * scaled(j, o)).sum();
            gain[i * outputs + o] = kink.noise_precision * sum;
        }
    }
    Ok(())
}

impl Maximiser for Patterns<'_> {
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

impl Patterns<'_> {
    /// Tries all patterns.
    fn best(
        &self,
        Row { natural, target, .. }: Row<'_>,
        found: Found<'_>,
        work: &mut [f64],
    ) -> Result<(), NoMaximum> {
        let (d, outputs) = self.network.weights.shape();
        let (candidate, pull) = work.split_at_mut(d);
        for j in 0..d {
            let weights = self.network.weights.row(j);
            let dot: f64 = weights.iter().zip(target).map(|(w, t)| w * t).sum();
            pull[j] = self.kink.noise_precision * dot;
        }
        let (mut best, mut winner) = (f64::NEG_INFINITY, 0);
        for pattern in 0..count(d) {
            let c = &self.covariances[pattern * d * d..(pattern + 1) * d * d];
            let k = &self.gains[pattern * d * outputs..(pattern + 1) * d * outputs];
            // Half of h'z, with h = n + lambda W (y - b2), is how far the objective lies below that of z = 0.
            let (mut value, mut agrees) = (0.0, true);
            for i in 0..d {
                let mut sum = 0.0;
                for (c, n) in c[i * d..(i + 1) * d].iter().zip(natural) {
                    sum += c * n;
                }
                for (k, t) in k[i * outputs..(i + 1) * outputs].iter().zip(target) {
                    sum += k * t;
                }
                let state = state(pattern, i);
                agrees &= allows(state, sum);
                if !agrees {
                    break;
                }
                candidate[i] = sum;
                value += 0.5 * sum * (natural[i] + self.slope(state) * pull[i]);
            }
            if agrees && value > best {
                (best, winner) = (value, pattern);
                found.z.copy_from_slice(candidate);
            }
        }
        if best == f64::NEG_INFINITY {
            return Err(NoMaximum);
        }
        let covariance = &self.covariances[winner * d * d..(winner + 1) * d * d];
        found.covariance.copy_from_slice(covariance);
        Ok(())
    }
}
