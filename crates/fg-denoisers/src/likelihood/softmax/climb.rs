//! The mode of a row of softmax columns under a Gaussian cavity, by Newton's steps.

use fg_core::message::small;

use crate::family::curve::Fault;

/// Newton's steps: with slopes along them halved each time, more than any cavity needs.
const STEPS: usize = 1000;
/// Bisections of a step.
const BISECTIONS: usize = 200;
/// A step whose squared length in the metric of the curvature is below this is followed by one more, which squares it
/// twice: the place is then right to rounding.
const NEAR: f64 = 1e-10;
/// A step of this many roundings of the place is no step: far out two columns compete within a few of them, and the gain
/// that is left is none.
const ROUNDINGS: f64 = 4.0;
/// A step is taken where the slope at its end is at most this share of that at its start.
const FLATTER: f64 = 0.5;

/// The exponent `n'z - z'Gamma z / 2 + z_y - log sum exp z`, and a place.
pub(super) struct Climb<'a> {
    class: usize,
    natural: &'a [f64],
    precision: &'a [f64],
    z: &'a mut [f64],
    /// Slope at `z`.
    slope: &'a mut [f64],
    /// Probabilities at `z`.
    shares: &'a mut [f64],
    step: &'a mut [f64],
    trial: &'a mut [f64],
    /// Lower Cholesky factor of the curvature at `z`.
    factor: &'a mut [f64],
    work: &'a mut [f64],
}

/// `log sum exp z`.
pub(super) fn log_sum(z: &[f64]) -> f64 {
    let top = z.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
    top + z.iter().map(|v| (v - top).exp()).sum::<f64>().ln()
}

impl<'a> Climb<'a> {
    /// Values of memory for `d` columns.
    pub(super) fn len(d: usize) -> usize {
        5 * d + 3 * d * d
    }

    pub(super) fn new(
        class: usize,
        natural: &'a [f64],
        precision: &'a [f64],
        memory: &'a mut [f64],
    ) -> Self {
        let d = natural.len();
        let (z, rest) = memory.split_at_mut(d);
        let (slope, rest) = rest.split_at_mut(d);
        let (shares, rest) = rest.split_at_mut(d);
        let (step, rest) = rest.split_at_mut(d);
        let (trial, rest) = rest.split_at_mut(d);
        let (factor, work) = rest.split_at_mut(d * d);
        Self { class, natural, precision, z, slope, shares, step, trial, factor, work }
    }

    pub(super) fn class(&self) -> usize {
        self.class
    }

    /// The mode, after [`run`](Self::run).
    pub(super) fn place(&self) -> &[f64] {
        self.z
    }

    pub(super) fn natural(&self) -> &[f64] {
        self.natural
    }

    pub(super) fn precision(&self) -> &[f64] {
        self.precision
    }

    /// The Cholesky factor of the curvature at the mode.
    pub(super) fn factor(&self) -> &[f64] {
        self.factor
    }

    /// The exponent at the place.
    pub(super) fn height(&self) -> f64 {
        let d = self.z.len();
        let linear: f64 = self.natural.iter().zip(&*self.z).map(|(n, z)| n * z).sum();
        let quadratic = small::bilinear(self.z, self.precision, self.z, d);
        linear - 0.5 * quadratic + self.z[self.class] - log_sum(self.z)
    }

    /// Shares and slope at a place.
    fn look(&mut self, trial: bool) {
        let d = self.natural.len();
        let z = if trial { &*self.trial } else { &*self.z };
        let top = z.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
        self.shares.iter_mut().zip(z).for_each(|(p, z)| *p = (z - top).exp());
        let total: f64 = self.shares.iter().sum();
        self.shares.iter_mut().for_each(|p| *p /= total);
        small::row_times(z, self.precision, self.slope, d);
        for j in 0..d {
            // One less the share of the own class is the sum of the others.
            let miss = if j == self.class {
                (0..d).filter(|k| *k != j).map(|k| self.shares[k]).sum()
            } else {
                -self.shares[j]
            };
            self.slope[j] = self.natural[j] - self.slope[j] + miss;
        }
    }

    /// Factorises the curvature `Gamma + share (diag(p) - p p')` of the last look.
    fn factorise(&mut self, share: f64) -> Result<(), Fault> {
        let d = self.natural.len();
        self.factor.copy_from_slice(self.precision);
        for i in 0..d {
            for j in 0..i {
                let both = share * (self.shares[i] * self.shares[j]);
                self.factor[i * d + j] -= both;
                self.factor[j * d + i] -= both;
                // Rows of diag(p) - p p' add up to zero: a sum, not one less a share.
                self.factor[i * d + i] += both;
                self.factor[j * d + j] += both;
            }
        }
        small::cholesky(self.factor, d).map_err(|_| Fault::Improper)
    }

    fn along(&self) -> f64 {
        self.slope.iter().zip(&*self.step).map(|(g, s)| g * s).sum()
    }

    /// Climbs from `start`; `factor` holds `d^2` values of scratch.
    pub(super) fn run(&mut self, start: &[f64], factor: &mut [f64]) -> Result<(), Fault> {
        let d = start.len();
        factor.copy_from_slice(self.precision);
        small::cholesky(factor, d).map_err(|_| Fault::Improper)?;
        self.z.copy_from_slice(start);
        let mut near = false;
        for _ in 0..STEPS {
            self.look(false);
            self.factorise(1.0)?;
            self.step.copy_from_slice(self.slope);
            small::solve_lower(self.factor, self.step, d);
            small::solve_lower_transposed(self.factor, self.step, d);
            let gain = self.along();
            if !gain.is_finite() {
                return Err(Fault::Lost);
            }
            if gain <= NEAR || self.rounded() {
                self.z.iter_mut().zip(&*self.step).for_each(|(z, s)| *z += s);
                if near || gain == 0.0 {
                    // The curvature of the last look is that of the place but for rounding.
                    self.look(false);
                    return self.factorise(1.0);
                }
                near = true;
                continue;
            }
            self.advance(gain);
        }
        Err(Fault::Lost)
    }

    /// Whether rounding of the place swallows the step.
    fn rounded(&self) -> bool {
        let largest = |values: &[f64]| values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        largest(self.step) <= ROUNDINGS * f64::EPSILON * largest(self.z)
    }

    /// Goes along the step until the slope along it has halved.
    fn advance(&mut self, gain: f64) {
        let (mut low, mut high, mut share) = (0.0, f64::INFINITY, 1.0);
        for _ in 0..BISECTIONS {
            for j in 0..self.z.len() {
                self.trial[j] = share * self.step[j] + self.z[j];
            }
            self.look(true);
            let slope = self.along();
            if slope.abs() <= FLATTER * gain || high - low <= f64::EPSILON * share {
                break;
            }
            if slope > 0.0 {
                low = share;
            } else {
                high = share;
            }
            share = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * share };
        }
        self.z.copy_from_slice(self.trial);
    }

    /// Lets the factor be that of a Gaussian whose curvature has this share of the softmax only.
    pub(super) fn widen(&mut self, share: f64) -> Result<(), Fault> {
        self.factorise(share)
    }

    /// The inverse of the curvature at the mode.
    pub(super) fn invert(&mut self, out: &mut [f64]) -> Result<(), Fault> {
        let d = self.natural.len();
        let inverse = &mut self.work[..d * d];
        small::invert_lower(self.factor, inverse, d);
        for i in 0..d {
            for j in 0..=i {
                let sum = (i..d).map(|k| inverse[k * d + i] * inverse[k * d + j]).sum();
                out[i * d + j] = sum;
                out[j * d + i] = sum;
            }
        }
        if out.iter().all(|v: &f64| v.is_finite()) { Ok(()) } else { Err(Fault::Improper) }
    }
}
