//! Integration of a row along parallel lines: where they run, how they are weighed, and the moments over them.
//!
//! Along a line a family integrates in closed form, however narrow its likelihood; across the lines it is summed over
//! low-discrepancy points. A register of lines is worked on at a time.

mod piece;
mod sums;
mod whitening;

pub(crate) use piece::{End, Gaussian, Part};
pub(crate) use sums::Best;
pub(crate) use whitening::{Whitening, reflect};

use core::ops::Range;

use fg_core::special::exp;
use fg_core::special::number::{Lanes, Number};
use fg_core::special::points::GaussianPoints;
use pulp::Simd;

/// `log(2 pi)`.
pub(crate) const LOG_TAU: f64 = 1.837_877_066_409_345_5;
/// Doubles in the longest register there is.
pub(crate) const LONGEST: usize = 8;

/// What is found on a line.
pub(crate) struct Found<N> {
    /// Largest logarithm of the integrand.
    pub(crate) top: N,
    /// Integral of the integrand divided by its largest value, and mean and variance of `t`.
    pub(crate) part: Part<N>,
}

/// What is found on all lines of a row, and the moments over them.
pub(crate) struct Lines<'a, S: Simd> {
    simd: S,
    /// Registers of lines of the row at hand.
    registers: usize,
    top: &'a mut [S::f64s],
    mass: &'a mut [S::f64s],
    mean: &'a mut [S::f64s],
    variance: &'a mut [S::f64s],
    /// Unit by unit: `z - r` where the lines cross the plane `t = 0`, then by how much their means differ from the mean of
    /// all.
    apart: &'a mut [S::f64s],
    /// Moments of `z - r` over one half of the lines.
    half: Moments<'a>,
}

/// Mean (`d`) and covariance (`d x d`).
pub(crate) struct Moments<'a> {
    pub(crate) mean: &'a mut [f64],
    pub(crate) covariance: &'a mut [f64],
}

impl<'a, S: Simd> Lines<'a, S> {
    /// Values needed by [`new`](Self::new).
    pub(crate) fn len(d: usize, count: usize) -> usize {
        (4 + d) * count + d + d * d
    }

    /// Up to `count` lines, a multiple of a register's length, of a row of `d` units.
    #[inline(always)]
    pub(crate) fn new(simd: S, d: usize, count: usize, memory: &'a mut [f64]) -> Self {
        let (lanes, rest) = memory.split_at_mut((4 + d) * count);
        let (lanes, _) = S::as_mut_simd_f64s(lanes);
        let registers = count / S::F64_LANES;
        let (top, lanes) = lanes.split_at_mut(registers);
        let (mass, lanes) = lanes.split_at_mut(registers);
        let (mean, lanes) = lanes.split_at_mut(registers);
        let (variance, apart) = lanes.split_at_mut(registers);
        let (first, rest) = rest.split_at_mut(d);
        let half = Moments { mean: first, covariance: &mut rest[..d * d] };
        Self { simd, registers, top, mass, mean, variance, apart, half }
    }

    /// Begins a row of as many lines as there are points; returns the number of registers.
    #[inline(always)]
    pub(crate) fn begin(&mut self, points: &GaussianPoints) -> usize {
        self.registers = points.count() / S::F64_LANES;
        self.registers
    }

    /// Where the lines of register `b` cross the plane `t = 0`: `base = r + map (0, u)`.
    #[inline(always)]
    pub(crate) fn place(
        &mut self,
        base: &mut [S::f64s],
        points: &GaussianPoints,
        b: usize,
        (r, map): (&[f64], &[f64]),
    ) {
        let (simd, d) = (self.simd, r.len());
        for (j, base) in base.iter_mut().enumerate() {
            let mut z = Lanes::splat(simd, 0.0);
            for k in 1..d {
                let (u, _) = S::as_simd_f64s(points.component(k - 1));
                z = Lanes::new(simd, u[b]).mul_add(Lanes::splat(simd, map[j * d + k]), z);
            }
            self.apart[j * self.registers + b] = z.get();
            *base = (z + Lanes::splat(simd, r[j])).get();
        }
    }

    /// Takes down what is found on register `b`.
    #[inline(always)]
    pub(crate) fn record(&mut self, b: usize, found: &Found<Lanes<S>>) {
        self.top[b] = found.top.get();
        self.mass[b] = found.part.mass.get();
        self.mean[b] = found.part.mean.get();
        self.variance[b] = found.part.variance.get();
    }

    /// Replaces the masses by weights that add up to one; returns the logarithm of the mean mass.
    #[inline(always)]
    pub(crate) fn weigh(&mut self, points: &GaussianPoints) -> f64 {
        let (simd, registers) = (self.simd, self.registers);
        let masses = &mut self.mass[..registers];
        let mut highest = Lanes::splat(simd, f64::NEG_INFINITY);
        for top in &self.top[..registers] {
            highest = Lanes::new(simd, *top).at_least(highest);
        }
        let highest = highest.largest();
        let (weights, _) = S::as_simd_f64s(points.weights());
        for (mass, weight) in masses.iter_mut().zip(weights) {
            *mass = (Lanes::new(simd, *mass) * Lanes::new(simd, *weight)).get();
        }
        let mut total = Lanes::splat(simd, 0.0);
        for (mass, top) in masses.iter_mut().zip(&*self.top) {
            let share = exp::exp(Lanes::new(simd, *top) - Lanes::splat(simd, highest));
            let weight = Lanes::new(simd, *mass) * share;
            total = total + weight;
            *mass = weight.get();
        }
        let total = total.sum();
        let inverse = Lanes::splat(simd, 1.0 / total);
        for mass in masses.iter_mut() {
            *mass = (Lanes::new(simd, *mass) * inverse).get();
        }
        highest + (total / points.count() as f64).ln()
    }

    /// Mean and covariance of `z = r + map (t, u)`.
    #[inline(always)]
    pub(crate) fn accumulate(&mut self, (r, map): (&[f64], &[f64]), out: &mut Moments<'_>) {
        self.sum(map, 0..self.registers, out);
        out.mean.iter_mut().zip(r).for_each(|(m, r)| *m += r);
    }

    /// The same from both halves of the lines, and writes by how much the covariance that the first half alone gives exceeds
    /// that of the second.
    #[inline(always)]
    pub(crate) fn halves(
        &mut self,
        (r, map): (&[f64], &[f64]),
        out: &mut Moments<'_>,
        difference: &mut [f64],
    ) {
        let (simd, d, registers) = (self.simd, r.len(), self.registers);
        let mut shares = [0.0; 2];
        for (h, range) in [0..registers / 2, registers / 2..registers].into_iter().enumerate() {
            let mass = total(simd, range.clone(), |b| Lanes::new(simd, self.mass[b]));
            // Without any mass one half says nothing, and the other everything.
            let inverse = Lanes::splat(simd, if mass > 0.0 { 1.0 / mass } else { 0.0 });
            for b in range.clone() {
                self.mass[b] = (Lanes::new(simd, self.mass[b]) * inverse).get();
            }
            shares[h] = mass;
            self.sum(map, range, out);
            if h == 0 {
                self.half.mean.copy_from_slice(out.mean);
                self.half.covariance.copy_from_slice(out.covariance);
            }
        }
        let whole = shares[0] + shares[1];
        let [first, second] = shares.map(|s| s / whole);
        let other = &self.half;
        for j in 0..d {
            for k in 0..d {
                let apart = (other.mean[j] - out.mean[j]) * (other.mean[k] - out.mean[k]);
                let (a, b) = (other.covariance[j * d + k], out.covariance[j * d + k]);
                out.covariance[j * d + k] = first * a + second * b + first * second * apart;
                difference[j * d + k] = a - b;
            }
        }
        for j in 0..d {
            out.mean[j] = r[j] + first * other.mean[j] + second * out.mean[j];
        }
    }

    /// Mean and covariance of `z - r` over some registers of lines, whose masses add up to one.
    ///
    /// The covariance is a sum of positive matrices, one of each line's mean about the mean of all and one along the lines:
    /// no variance is a difference, whatever the mass is and wherever it lies.
    #[inline(always)]
    fn sum(&mut self, map: &[f64], range: Range<usize>, out: &mut Moments<'_>) {
        let (simd, d, registers) = (self.simd, out.mean.len(), self.registers);
        let Self { mass, mean, variance, apart, .. } = self;
        let load = |v: S::f64s| Lanes::new(simd, v);
        for j in 0..d {
            let slope = Lanes::splat(simd, map[j * d]);
            let z = &mut apart[j * registers..(j + 1) * registers];
            let mut sum = Lanes::splat(simd, 0.0);
            for b in range.clone() {
                let here = load(mean[b]).mul_add(slope, load(z[b]));
                sum = load(mass[b]).mul_add(here, sum);
                z[b] = here.get();
            }
            out.mean[j] = sum.sum();
            for z in &mut z[range.clone()] {
                *z = (load(*z) - Lanes::splat(simd, out.mean[j])).get();
            }
        }
        let along = total(simd, range.clone(), |b| load(mass[b]) * load(variance[b]));
        for j in 0..d {
            let first = &apart[j * registers..(j + 1) * registers];
            for k in 0..=j {
                let second = &apart[k * registers..(k + 1) * registers];
                let across = total(simd, range.clone(), |b| {
                    load(mass[b]) * load(first[b]) * load(second[b])
                });
                let entry = (map[j * d] * along).mul_add(map[k * d], across);
                out.covariance[j * d + k] = entry;
                out.covariance[k * d + j] = entry;
            }
        }
    }
}

/// Sum of `term(register)` over all lanes of some registers.
#[inline(always)]
fn total<S: Simd>(simd: S, registers: Range<usize>, term: impl Fn(usize) -> Lanes<S>) -> f64 {
    let mut sum = Lanes::splat(simd, 0.0);
    for b in registers {
        sum = sum + term(b);
    }
    sum.sum()
}
