//! The lines of one row decide its moments: where they run, how they are weighed, and the sums over them.

use fg_core::special::exp;
use fg_core::special::number::{Lanes, Number};
use fg_core::special::points::GaussianPoints;
use pulp::Simd;

use super::line::Found;

/// What is found on all lines of a row, and the moments over them.
pub(super) struct Lines<'a, S: Simd> {
    simd: S,
    top: &'a mut [S::f64s],
    mass: &'a mut [S::f64s],
    mean: &'a mut [S::f64s],
    variance: &'a mut [S::f64s],
    /// Mean of `(t, u)`, `d`.
    first: &'a mut [f64],
    /// Covariance of `(t, u)`, `d x d`.
    second: &'a mut [f64],
    product: &'a mut [f64],
}

impl<'a, S: Simd> Lines<'a, S> {
    /// Values needed by [`new`](Self::new).
    pub(super) fn len(d: usize, count: usize) -> usize {
        4 * count + d + 2 * d * d
    }

    /// `count` lines, a multiple of 16, of a row of `d` units.
    #[inline(always)]
    pub(super) fn new(simd: S, d: usize, count: usize, memory: &'a mut [f64]) -> Self {
        let (lanes, rest) = memory.split_at_mut(4 * count);
        let (lanes, _) = S::as_mut_simd_f64s(lanes);
        let registers = lanes.len() / 4;
        let (top, lanes) = lanes.split_at_mut(registers);
        let (mass, lanes) = lanes.split_at_mut(registers);
        let (mean, variance) = lanes.split_at_mut(registers);
        let (first, rest) = rest.split_at_mut(d);
        let (second, product) = rest.split_at_mut(d * d);
        Self { simd, top, mass, mean, variance, first, second, product }
    }

    /// Number of registers of lines.
    #[inline(always)]
    pub(super) fn registers(&self) -> usize {
        self.top.len()
    }

    /// Takes down what is found on register `b`.
    #[inline(always)]
    pub(super) fn record(&mut self, b: usize, found: &Found<Lanes<S>>) {
        self.top[b] = found.top.get();
        self.mass[b] = found.part.mass.get();
        self.mean[b] = found.part.mean.get();
        self.variance[b] = found.part.variance.get();
    }

    /// Replaces the masses by weights that add up to one; returns the logarithm of the mean mass.
    #[inline(always)]
    pub(super) fn weigh(&mut self) -> f64 {
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
    pub(super) fn accumulate(&mut self, points: &GaussianPoints) {
        let Self { simd, mass, mean, variance, first, second, .. } = self;
        let (simd, d) = (*simd, first.len());
        let load = |v: S::f64s| Lanes::new(simd, v);
        let n = mass.len();
        first[0] = total(simd, n, |b| load(mass[b]) * load(mean[b]));
        let centre = Lanes::splat(simd, first[0]);
        for m in mean.iter_mut() {
            *m = (load(*m) - centre).get();
        }
        let spread = |b: usize| load(mean[b]).mul_add(load(mean[b]), load(variance[b]));
        second[0] = total(simd, n, |b| load(mass[b]) * spread(b));
        for k in 1..d {
            let (u, _) = S::as_simd_f64s(points.component(k - 1));
            first[k] = total(simd, n, |b| load(mass[b]) * load(u[b]));
            second[k] = total(simd, n, |b| load(mass[b]) * load(mean[b]) * load(u[b]));
            second[k * d] = second[k];
            for m in 1..=k {
                let (v, _) = S::as_simd_f64s(points.component(m - 1));
                let moment = total(simd, n, |b| load(mass[b]) * load(u[b]) * load(v[b]));
                second[k * d + m] = first[k].mul_add(-first[m], moment);
                second[m * d + k] = second[k * d + m];
            }
        }
    }

    /// Takes mean and covariance of `(t, u)` to those of `z = r + map (t, u)`.
    #[inline(always)]
    pub(super) fn spread(
        &mut self,
        map: &[f64],
        r: &[f64],
        mean: &mut [f64],
        covariance: &mut [f64],
    ) {
        let Self { first, second, product, .. } = self;
        let d = r.len();
        for j in 0..d {
            let row = &map[j * d..(j + 1) * d];
            let mut shift = 0.0;
            for k in 0..d {
                shift = row[k].mul_add(first[k], shift);
            }
            mean[j] = r[j] + shift;
            for m in 0..d {
                let mut entry = 0.0;
                for k in 0..d {
                    entry = row[k].mul_add(second[k * d + m], entry);
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
                covariance[j * d + k] = entry;
                covariance[k * d + j] = entry;
            }
        }
    }
}

/// Where the lines of register `b` cross the plane `t = 0`: `base = r + map (0, u)`.
#[inline(always)]
pub(super) fn place<S: Simd>(
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

/// Sum of `term(register)` over all lanes of all registers.
#[inline(always)]
fn total<S: Simd>(simd: S, registers: usize, term: impl Fn(usize) -> Lanes<S>) -> f64 {
    let mut sum = Lanes::splat(simd, 0.0);
    for b in 0..registers {
        sum = sum + term(b);
    }
    sum.sum()
}
