//! Many units of a diagonal precision: columns are independent given the vote, whose law is built up unit by unit.

use super::{Committee, Moments};
use crate::family::HalfLine;
use crate::family::curve::Fault;

/// Values of memory for `d` units.
pub(super) fn len(d: usize) -> usize {
    // Logarithms of masses, and means and variances of sizes, on both sides; a law of numbers of positive units.
    6 * d + (d + 1)
}

/// `log(e^a + e^b)`.
fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    // Two infinities leave NaN, which isn't larger.
    if low > f64::NEG_INFINITY { high + (low - high).exp().ln_1p() } else { high }
}

/// A unit on its negative and on its positive side.
#[derive(Clone, Copy)]
struct Unit {
    log_mass: [f64; 2],
    /// Of the size.
    mean: [f64; 2],
    variance: [f64; 2],
}

impl Unit {
    fn new(n: f64, gamma: f64) -> Result<Self, Fault> {
        if !(gamma > 0.0) {
            return Err(Fault::Improper);
        }
        let root = gamma.sqrt();
        let side = |s: f64| HalfLine::new(s * n, gamma, root).ok_or(Fault::Improper);
        let sides = [side(-1.0)?, side(1.0)?];
        Ok(Self {
            log_mass: [-n, n].map(|a| HalfLine::log_mass(a, gamma)),
            mean: sides.map(|half| half.mean),
            variance: sides.map(|half| half.variance),
        })
    }

    fn store(self, memory: &mut [f64]) {
        let Self { log_mass: [a, b], mean: [c, d], variance: [e, f] } = self;
        memory.copy_from_slice(&[a, b, c, d, e, f]);
    }

    fn load(memory: &[f64], j: usize) -> Self {
        let at = &memory[6 * j..6 * j + 6];
        Self { log_mass: [at[0], at[1]], mean: [at[2], at[3]], variance: [at[4], at[5]] }
    }

    /// How far both sides' means are apart.
    fn apart(&self) -> f64 {
        self.mean[0] + self.mean[1]
    }
}

impl Committee {
    /// Estimates a row of more than two units and returns its log-partition.
    ///
    /// With the probabilities `P_st` of the signs of two columns given the label, and the distance `a` between the means of
    /// a column on both sides, their covariance is `a_1 a_2 (P_++ P_-- - P_+- P_-+)`.
    pub(super) fn independent(
        &self,
        y: f64,
        n: &[f64],
        precision: &[f64],
        out: Moments<'_>,
        memory: &mut [f64],
    ) -> Result<f64, Fault> {
        let d = n.len();
        let (units, law) = memory.split_at_mut(6 * d);
        for (j, memory) in units.chunks_exact_mut(6).enumerate() {
            Unit::new(n[j], precision[j * d + j])?.store(memory);
        }
        let mut log_partition = f64::NEG_INFINITY;
        for j in 1..d {
            for k in 0..j {
                others(units, (j, k), &mut law[..=d]);
                let [a, b] = [j, k].map(|j| Unit::load(units, j));
                let joint = |s: usize, t: usize| {
                    let terms = law[..d - 1].iter().enumerate();
                    let log = terms.fold(f64::NEG_INFINITY, |sum, (count, law)| {
                        log_add(sum, law + self.share(y, count + s + t).ln())
                    });
                    log + a.log_mass[s] + b.log_mass[t]
                };
                let logs = [[joint(0, 0), joint(0, 1)], [joint(1, 0), joint(1, 1)]];
                let whole =
                    log_add(log_add(logs[0][0], logs[0][1]), log_add(logs[1][0], logs[1][1]));
                let p = logs.map(|row| row.map(|log| (log - whole).exp()));
                let tied = p[0][0] * p[1][1] - p[0][1] * p[1][0];
                let cross = a.apart() * b.apart() * tied;
                out.covariance[j * d + k] = cross;
                out.covariance[k * d + j] = cross;
                let (first, second) = (
                    [p[0][0] + p[0][1], p[1][0] + p[1][1]],
                    [p[0][0] + p[1][0], p[0][1] + p[1][1]],
                );
                for (j, unit, share) in [(j, a, first), (k, b, second)] {
                    out.mean[j] = share[1] * unit.mean[1] - share[0] * unit.mean[0];
                    let own = share[0] * unit.variance[0] + share[1] * unit.variance[1];
                    let between = (share[0] * unit.apart()) * (share[1] * unit.apart());
                    out.covariance[j * d + j] = own + between;
                }
                log_partition = whole;
            }
        }
        if log_partition.is_finite() { Ok(log_partition) } else { Err(Fault::Lost) }
    }
}

/// Logarithms of the masses of the events that `0, 1, ..` units other than two are positive.
fn others(units: &[f64], (j, k): (usize, usize), law: &mut [f64]) {
    law.fill(f64::NEG_INFINITY);
    law[0] = 0.0;
    for i in (0..units.len() / 6).filter(|i| *i != j && *i != k) {
        let [negative, positive] = Unit::load(units, i).log_mass;
        for count in (0..law.len()).rev() {
            let from_below = if count > 0 { law[count - 1] + positive } else { f64::NEG_INFINITY };
            law[count] = log_add(law[count] + negative, from_below);
        }
    }
}
