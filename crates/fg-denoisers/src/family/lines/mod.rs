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
    /// Mean and covariance of `(t, u)`.
    moments: Moments<'a>,
    /// Those of one half of the lines.
    half: Moments<'a>,
    product: &'a mut [f64],
}

/// Mean (`d`) and covariance (`d x d`).
struct Moments<'a> {
    first: &'a mut [f64],
    second: &'a mut [f64],
}

impl<'a> Moments<'a> {
    fn new(d: usize, memory: &'a mut [f64]) -> (Self, &'a mut [f64]) {
        let (first, rest) = memory.split_at_mut(d);
        let (second, rest) = rest.split_at_mut(d * d);
        (Self { first, second }, rest)
    }
}

impl<'a, S: Simd> Lines<'a, S> {
    /// Values needed by [`new`](Self::new).
    pub(crate) fn len(d: usize, count: usize) -> usize {
        4 * count + 2 * d + 3 * d * d
    }

    /// `count` lines, a multiple of 16, of a row of `d` units.
    #[inline(always)]
    pub(crate) fn new(simd: S, d: usize, count: usize, memory: &'a mut [f64]) -> Self {
        let (lanes, rest) = memory.split_at_mut(4 * count);
        let (lanes, _) = S::as_mut_simd_f64s(lanes);
        let registers = lanes.len() / 4;
        let (top, lanes) = lanes.split_at_mut(registers);
        let (mass, lanes) = lanes.split_at_mut(registers);
        let (mean, variance) = lanes.split_at_mut(registers);
        let (moments, rest) = Moments::new(d, rest);
        let (half, rest) = Moments::new(d, rest);
        Self { simd, top, mass, mean, variance, moments, half, product: &mut rest[..d * d] }
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

    /// Computes mean and covariance of `(t, u)`.
    #[inline(always)]
    pub(crate) fn accumulate(&mut self, points: &GaussianPoints) {
        let registers = self.mass.len();
        let found = Along { mass: self.mass, mean: self.mean, variance: self.variance };
        accumulate(self.simd, found, points, 0..registers, &mut self.moments);
    }

    /// The same from both halves of the lines, and writes by how much the covariance of `z` that the first half alone gives
    /// exceeds that of the second.
    #[inline(always)]
    pub(crate) fn halves(&mut self, points: &GaussianPoints, map: &[f64], difference: &mut [f64]) {
        let (simd, d, registers) = (self.simd, self.half.first.len(), self.mass.len());
        let mut shares = [0.0; 2];
        for (h, range) in [0..registers / 2, registers / 2..registers].into_iter().enumerate() {
            let mass = total(simd, range.clone(), |b| Lanes::new(simd, self.mass[b]));
            // Without any mass one half says nothing, and the other everything.
            let inverse = Lanes::splat(simd, if mass > 0.0 { 1.0 / mass } else { 0.0 });
            for b in range.clone() {
                self.mass[b] = (Lanes::new(simd, self.mass[b]) * inverse).get();
            }
            shares[h] = mass;
            let out = if h == 0 { &mut self.moments } else { &mut self.half };
            let found = Along { mass: self.mass, mean: self.mean, variance: self.variance };
            accumulate(simd, found, points, range, out);
        }
        let (whole, other) = (&mut self.moments, &self.half);
        let share = shares[1] / (shares[0] + shares[1]);
        for j in 0..d {
            for k in 0..d {
                let apart = (other.first[j] - whole.first[j]) * (other.first[k] - whole.first[k]);
                let (a, b) = (whole.second[j * d + k], other.second[j * d + k]);
                whole.second[j * d + k] = a + share * (b - a + (1.0 - share) * apart);
                difference[j * d + k] = a - b;
            }
        }
        for (a, b) in whole.first.iter_mut().zip(&*other.first) {
            *a += share * (b - *a);
        }
        self.half.second.copy_from_slice(difference);
        congruent(map, self.half.second, self.product, difference);
    }

    /// Takes mean and covariance of `(t, u)` to those of `z = r + map (t, u)`.
    #[inline(always)]
    pub(crate) fn spread(
        &mut self,
        map: &[f64],
        r: &[f64],
        mean: &mut [f64],
        covariance: &mut [f64],
    ) {
        let Self { moments: Moments { first, second }, product, .. } = self;
        let d = r.len();
        for j in 0..d {
            let mut shift = 0.0;
            for (m, f) in map[j * d..(j + 1) * d].iter().zip(&**first) {
                shift = m.mul_add(*f, shift);
            }
            mean[j] = r[j] + shift;
        }
        congruent(map, second, product, covariance);
    }
}

/// `out = map x map'` for a symmetric `x`, all `d x d`.
#[inline(always)]
fn congruent(map: &[f64], x: &[f64], product: &mut [f64], out: &mut [f64]) {
    let d = map.len().isqrt();
    for j in 0..d {
        let row = &map[j * d..(j + 1) * d];
        for m in 0..d {
            let mut entry = 0.0;
            for k in 0..d {
                entry = row[k].mul_add(x[k * d + m], entry);
            }
            product[j * d + m] = entry;
        }
    }
    for j in 0..d {
        for k in 0..=j {
            let mut entry = 0.0;
            for m in 0..d {
                entry = product[j * d + m].mul_add(map[k * d + m], entry);
            }
            out[j * d + k] = entry;
            out[k * d + j] = entry;
        }
    }
}

/// What is found along the lines: masses, and means and variances of `t`.
struct Along<'a, S: Simd> {
    mass: &'a [S::f64s],
    mean: &'a mut [S::f64s],
    variance: &'a [S::f64s],
}

/// Mean and covariance of `(t, u)` over some registers of lines, whose masses add up to one; the means along the lines are
/// replaced by what they are less their own mean.
#[inline(always)]
fn accumulate<S: Simd>(
    simd: S,
    found: Along<'_, S>,
    points: &GaussianPoints,
    range: Range<usize>,
    out: &mut Moments<'_>,
) {
    let Moments { first, second } = out;
    let Along { mass, mean, variance } = found;
    let d = first.len();
    let load = |v: S::f64s| Lanes::new(simd, v);
    first[0] = total(simd, range.clone(), |b| load(mass[b]) * load(mean[b]));
    let centre = Lanes::splat(simd, first[0]);
    for m in &mut mean[range.clone()] {
        *m = (load(*m) - centre).get();
    }
    let spread = |b: usize| load(mean[b]).mul_add(load(mean[b]), load(variance[b]));
    second[0] = total(simd, range.clone(), |b| load(mass[b]) * spread(b));
    for k in 1..d {
        let (u, _) = S::as_simd_f64s(points.component(k - 1));
        first[k] = total(simd, range.clone(), |b| load(mass[b]) * load(u[b]));
        second[k] = total(simd, range.clone(), |b| load(mass[b]) * load(mean[b]) * load(u[b]));
        second[k * d] = second[k];
        for m in 1..=k {
            let (v, _) = S::as_simd_f64s(points.component(m - 1));
            let moment = total(simd, range.clone(), |b| load(mass[b]) * load(u[b]) * load(v[b]));
            second[k * d + m] = first[k].mul_add(-first[m], moment);
            second[m * d + k] = second[k * d + m];
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
