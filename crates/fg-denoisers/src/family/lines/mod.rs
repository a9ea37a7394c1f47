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
    top: &'a mut [S::f64s],
    mass: &'a mut [S::f64s],
    mean: &'a mut [S::f64s],
    variance: &'a mut [S::f64s],
    /// Unit by unit: by how much the lines' means differ from the mean of all.
    apart: &'a mut [S::f64s],
    /// Mean of `(t, u)`.
    centre: &'a mut [f64],
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
        (4 + d) * count + 2 * d + d * d
    }

    /// `count` lines, a multiple of a register's length, of a row of `d` units.
    #[inline(always)]
    pub(crate) fn new(simd: S, d: usize, count: usize, memory: &'a mut [f64]) -> Self {
        let (lanes, rest) = memory.split_at_mut((4 + d) * count);
        let (lanes, _) = S::as_mut_simd_f64s(lanes);
        let registers = count / S::F64_LANES;
        let (top, lanes) = lanes.split_at_mut(registers);
        let (mass, lanes) = lanes.split_at_mut(registers);
        let (mean, lanes) = lanes.split_at_mut(registers);
        let (variance, apart) = lanes.split_at_mut(registers);
        let (centre, rest) = rest.split_at_mut(d);
        let (first, rest) = rest.split_at_mut(d);
        let half = Moments { mean: first, covariance: &mut rest[..d * d] };
        Self { simd, top, mass, mean, variance, apart, centre, half }
    }

    /// Number of registers of lines.
    #[inline(always)]
    pub(crate) fn registers(&self) -> usize {
        self.top.len()
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
    pub(crate) fn weigh(&mut self) -> f64 {
        let simd = self.simd;
        let mut highest = Lanes::splat(simd, f64::NEG_INFINITY);
        for top in self.top.iter() {
            highest = Lanes::new(simd, *top).at_least(highest);
        }
        let highest = highest.largest();
        let mut total = Lanes::splat(simd, 0.0);
        for (mass, top) in self.mass.iter_mut().zip(&*self.top) {
            let share = exp::exp(Lanes::new(simd, *top) - Lanes::splat(simd, highest));
            let weight = Lanes::new(simd, *mass) * share;
            total = total + weight;
            *mass = weight.get();
        }
        let total = total.sum();
        let inverse = Lanes::splat(simd, 1.0 / total);
        let lanes = S::F64_LANES * self.mass.len();
        for mass in self.mass.iter_mut() {
            *mass = (Lanes::new(simd, *mass) * inverse).get();
        }
        highest + (total / lanes as f64).ln()
    }

    /// Mean and covariance of `z = r + map (t, u)`.
    #[inline(always)]
    pub(crate) fn accumulate(
        &mut self,
        points: &GaussianPoints,
        (r, map): (&[f64], &[f64]),
        out: &mut Moments<'_>,
    ) {
        let registers = self.mass.len();
        self.sum(points, map, 0..registers, out);
        out.mean.iter_mut().zip(r).for_each(|(m, r)| *m += r);
    }

    /// The same from both halves of the lines, and writes by how much the covariance that the first half alone gives exceeds
    /// that of the second.
    #[inline(always)]
    pub(crate) fn halves(
        &mut self,
        points: &GaussianPoints,
        (r, map): (&[f64], &[f64]),
        out: &mut Moments<'_>,
        difference: &mut [f64],
    ) {
        let (simd, d, registers) = (self.simd, r.len(), self.mass.len());
        let mut shares = [0.0; 2];
        for (h, range) in [0..registers / 2, registers / 2..registers].into_iter().enumerate() {
            let mass = total(simd, range.clone(), |b| Lanes::new(simd, self.mass[b]));
            // Without any mass one half says nothing, and the other everything.
            let inverse = Lanes::splat(simd, if mass > 0.0 { 1.0 / mass } else { 0.0 });
            for b in range.clone() {
                self.mass[b] = (Lanes::new(simd, self.mass[b]) * inverse).get();
            }
            shares[h] = mass;
            self.sum(points, map, range, out);
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

    /// Mean and covariance of `map (t, u)` over some registers of lines, whose masses add up to one.
    ///
    /// The covariance is a sum of positive matrices, one of each line's mean about the mean of all and one along the lines:
    /// no variance is a difference, whatever the mass is and wherever it lies.
    #[inline(always)]
    fn sum(
        &mut self,
        points: &GaussianPoints,
        map: &[f64],
        range: Range<usize>,
        out: &mut Moments<'_>,
    ) {
        let (simd, d, registers) = (self.simd, self.centre.len(), self.mass.len());
        let Self { mass, mean, variance, apart, centre, .. } = self;
        let load = |v: S::f64s| Lanes::new(simd, v);
        centre[0] = total(simd, range.clone(), |b| load(mass[b]) * load(mean[b]));
        for k in 1..d {
            let (u, _) = S::as_simd_f64s(points.component(k - 1));
            centre[k] = total(simd, range.clone(), |b| load(mass[b]) * load(u[b]));
        }
        for b in range.clone() {
            for j in 0..d {
                let along = load(mean[b]) - Lanes::splat(simd, centre[0]);
                let mut z = along * Lanes::splat(simd, map[j * d]);
                for k in 1..d {
                    let (u, _) = S::as_simd_f64s(points.component(k - 1));
                    let across = load(u[b]) - Lanes::splat(simd, centre[k]);
                    z = across.mul_add(Lanes::splat(simd, map[j * d + k]), z);
                }
                apart[j * registers + b] = z.get();
            }
        }
        let along = total(simd, range.clone(), |b| load(mass[b]) * load(variance[b]));
        for j in 0..d {
            let first = &apart[j * registers..(j + 1) * registers];
            out.mean[j] = 0.0;
            for k in 0..d {
                out.mean[j] = map[j * d + k].mul_add(centre[k], out.mean[j]);
            }
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

/// Where the lines of register `b` cross the plane `t = 0`: `base = r + map (0, u)`.
#[inline(always)]
pub(crate) fn place<S: Simd>(
    simd: S,
    base: &mut [S::f64s],
    points: &GaussianPoints,
    b: usize,
    (r, map): (&[f64], &[f64]),
) {
    let d = r.len();
    for (j, base) in base.iter_mut().enumerate() {
        let mut z = Lanes::splat(simd, r[j]);
        for k in 1..d {
            let (u, _) = S::as_simd_f64s(points.component(k - 1));
            z = Lanes::new(simd, u[b]).mul_add(Lanes::splat(simd, map[j * d + k]), z);
        }
        *base = z.get();
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
