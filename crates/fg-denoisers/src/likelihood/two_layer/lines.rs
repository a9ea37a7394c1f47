//! The lines of one row decide its moments: where they run, how they are weighed, and the sums over them.

use fg_core::special::exp;
use fg_core::special::points::GaussianPoints;

use super::line::{Found, LANES, Lane};

/// What is found on all lines of a row, and the moments over them.
pub(super) struct Lines<'a> {
    top: &'a mut [Lane],
    mass: &'a mut [Lane],
    mean: &'a mut [Lane],
    variance: &'a mut [Lane],
    /// Mean of `(t, u)`, `d`.
    first: &'a mut [f64],
    /// Covariance of `(t, u)`, `d x d`.
    second: &'a mut [f64],
    product: &'a mut [f64],
}

impl<'a> Lines<'a> {
    /// Values needed by [`new`](Self::new).
    pub(super) fn len(d: usize, count: usize) -> usize {
        4 * count + d + 2 * d * d
    }

    /// `count` lines, a multiple of [`LANES`], of a row of `d` units.
    pub(super) fn new(d: usize, count: usize, memory: &'a mut [f64]) -> Self {
        let (lanes, rest) = memory.split_at_mut(4 * count);
        let (lanes, _) = lanes.as_chunks_mut::<LANES>();
        let (top, lanes) = lanes.split_at_mut(count / LANES);
        let (mass, lanes) = lanes.split_at_mut(count / LANES);
        let (mean, variance) = lanes.split_at_mut(count / LANES);
        let (first, rest) = rest.split_at_mut(d);
        let (second, product) = rest.split_at_mut(d * d);
        Self { top, mass, mean, variance, first, second, product }
    }

    pub(super) fn blocks(&self) -> usize {
        self.top.len()
    }

    /// Where the findings on block `b` go.
    #[inline(always)]
    pub(super) fn found(&mut self, b: usize) -> Found<'_> {
        Found {
            top: &mut self.top[b],
            mass: &mut self.mass[b],
            mean: &mut self.mean[b],
            variance: &mut self.variance[b],
        }
    }

    /// Replaces the masses by weights that add up to one; returns the logarithm of the mean mass.
    #[inline(always)]
    pub(super) fn weigh(&mut self) -> f64 {
        let mut highest = self.top[0];
        for top in &self.top[1..] {
            for (h, &t) in highest.iter_mut().zip(top) {
                *h = if t > *h { t } else { *h };
            }
        }
        let highest = highest.iter().fold(f64::NEG_INFINITY, |m, &v| if v > m { v } else { m });
        for (mass, top) in self.mass.iter_mut().zip(&*self.top) {
            for (m, &t) in mass.iter_mut().zip(top) {
                *m *= exp::exp(t - highest);
            }
        }
        let total = sum(self.mass, |_, _, w| w);
        let inverse = 1.0 / total;
        for m in self.mass.as_flattened_mut() {
            *m *= inverse;
        }
        highest + (total / self.mass.as_flattened().len() as f64).ln()
    }

    /// Computes mean and covariance of `(t, u)`.
    #[inline(always)]
    pub(super) fn accumulate(&mut self, points: &GaussianPoints) {
        let Self { mass, mean, variance, first, second, .. } = self;
        let d = first.len();
        first[0] = sum(mass, |b, l, w| w * mean[b][l]);
        let centre = first[0];
        for (mean, mass) in mean.iter_mut().zip(&**mass) {
            for (m, w) in mean.iter_mut().zip(mass) {
                *m -= centre;
                // from here on weighted
                *m *= *w;
            }
        }
        second[0] = sum(mass, |b, l, w| w * variance[b][l])
            + sum(mass, |b, l, w| {
                let product = mean[b][l];
                if w > 0.0 { product * product / w } else { 0.0 }
            });
        for k in 1..d {
            let (u, _) = points.component(k - 1).as_chunks::<LANES>();
            first[k] = sum(mass, |b, l, w| w * u[b][l]);
            second[k] = sum(mean, |b, l, t| t * u[b][l]);
            second[k * d] = second[k];
            for m in 1..=k {
                let (v, _) = points.component(m - 1).as_chunks::<LANES>();
                let moment = sum(mass, |b, l, w| w * u[b][l] * v[b][l]);
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

/// Where the lines of block `b` cross the plane `t = 0`: `base = r + map (0, u)`.
#[inline(always)]
pub(super) fn place(base: &mut [Lane], points: &GaussianPoints, b: usize, r: &[f64], map: &[f64]) {
    let d = r.len();
    for (j, base) in base.iter_mut().enumerate() {
        *base = [r[j]; LANES];
        for k in 1..d {
            let entry = map[j * d + k];
            let (u, _) = points.component(k - 1).as_chunks::<LANES>();
            for (z, &u) in base.iter_mut().zip(&u[b]) {
                *z = entry.mul_add(u, *z);
            }
        }
    }
}

/// `sum_l term(block, lane, weight)`: partial sums by lane, as floating-point sums may not be reordered.
#[inline(always)]
fn sum(weights: &[Lane], term: impl Fn(usize, usize, f64) -> f64) -> f64 {
    let mut partial = [0.0; LANES];
    for (b, weights) in weights.iter().enumerate() {
        for l in 0..LANES {
            partial[l] += term(b, l, weights[l]);
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            partial[l] += partial[l + half];
        }
        half /= 2;
    }
    partial[0]
}
