//! Gaussian points decide what an average over a few directions costs and how exact it is.

mod solids;
mod steps;

use super::quantile;
use crate::message::small;

/// Points whose sample mean is zero and whose sample covariance is the identity, both to rounding: an average over
/// them is exact for every polynomial of degree three.
///
/// They are an Owen-scrambled Sobol sequence mapped to normal variables, completed by its mirror image and
/// whitened, or the corners of solids, or steps of one component. Points lie component after component, so that loops over points vectorise.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianPoints {
    dimension: usize,
    count: usize,
    values: Vec<f64>,
    /// Weights of mean one; empty where they are all equal.
    weights: Vec<f64>,
}

/// Half the spacing of the 24-bit uniforms of the Sobol generator: moves them off zero, symmetrically in `(0, 1)`.
const HALF_CELL: f64 = 1.0 / 33_554_432.0;
/// Sobol numbers exist for so many dimensions; beyond, they are padded with independently scrambled copies.
const SOBOL_DIMENSIONS: usize = 128;

impl GaussianPoints {
    /// At least `count` points of `dimension` components; their number is rounded up to a multiple of 16 and to
    /// what whitening needs. Another `seed` gives an independent scrambling. Without dimension there is nothing to
    /// tell points apart by, but their number.
    ///
    /// # Panics
    /// Beyond 2^16 pairs, the length of the Sobol sequence.
    pub fn new(dimension: usize, count: usize, seed: u32) -> Self {
        let pairs = count.max(4 * dimension).div_ceil(16) * 8;
        assert!(pairs <= 1 << 16, "{pairs} pairs of points exceed the Sobol sequence");
        let mut half = vec![0.0; dimension * pairs];
        for k in 0..dimension {
            for (i, v) in half[k * pairs..(k + 1) * pairs].iter_mut().enumerate() {
                *v = quantile(uniform(i, k, seed));
            }
        }
        whiten(&mut half, dimension, pairs);
        let count = 2 * pairs;
        let mut values = vec![0.0; dimension * count];
        for k in 0..dimension {
            for i in 0..pairs {
                values[k * count + i] = half[k * pairs + i];
                values[k * count + pairs + i] = -half[k * pairs + i];
            }
        }
        Self { dimension, count, values, weights: Vec::new() }
    }

    /// Two independent sets in one, each of half the count (rounded up as in [`new`](Self::new)) and with the moments of a
    /// whole one: averages over either differ by what the average over both may be wrong.
    ///
    /// # Panics
    /// As [`new`](Self::new), for either half.
    pub fn halves(dimension: usize, count: usize, seed: u32) -> Self {
        let seeds = [0, 1].map(|half| seed.wrapping_mul(2).wrapping_add(half));
        let [first, second] = seeds.map(|seed| Self::new(dimension, count.div_ceil(2), seed));
        let both = |k| first.component(k).iter().chain(second.component(k)).copied();
        let values = (0..dimension).flat_map(both).collect();
        Self { dimension, count: 2 * first.count, values, weights: Vec::new() }
    }

    /// Number of components of a point.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of points.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Weights of the points, of mean one; none where they are all equal.
    #[inline(always)]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Component `k` of all points.
    ///
    /// # Panics
    /// When `k` isn't below the dimension.
    #[track_caller]
    #[inline(always)]
    pub fn component(&self, k: usize) -> &[f64] {
        &self.values[k * self.count..(k + 1) * self.count]
    }
}

/// Coordinate `dimension` of a scrambled Sobol point, in the open unit interval.
#[expect(clippy::cast_possible_truncation, reason = "indices are below 2^16, dimensions below 128")]
pub(crate) fn uniform(index: usize, dimension: usize, seed: u32) -> f64 {
    let padding = (dimension / SOBOL_DIMENSIONS) as u32;
    // An odd multiplier spreads the seeds of padded dimensions away from those of other point sets.
    let seed = seed.wrapping_add(padding.wrapping_mul(0x9e37_79b9));
    let cell = sobol_burley::sample(index as u32, (dimension % SOBOL_DIMENSIONS) as u32, seed);
    f64::from(cell) + HALF_CELL
}

/// Replaces the points by `L^-1 u`, where `L L'` is their second moment.
fn whiten(points: &mut [f64], dimension: usize, count: usize) {
    let mut moment = vec![0.0; dimension * dimension];
    for j in 0..dimension {
        for k in 0..=j {
            let (a, b) = (&points[j * count..(j + 1) * count], &points[k * count..(k + 1) * count]);
            let sum: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
            moment[j * dimension + k] = sum / count as f64;
            moment[k * dimension + j] = sum / count as f64;
        }
    }
    if small::cholesky(&mut moment, dimension).is_err() {
        return;
    }
    let mut point = vec![0.0; dimension];
    for i in 0..count {
        for (k, p) in point.iter_mut().enumerate() {
            *p = points[k * count + i];
        }
        small::solve_lower(&moment, &mut point, dimension);
        for (k, p) in point.iter().enumerate() {
            points[k * count + i] = *p;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of sums over a few thousand points.
    const ROUNDING: f64 = 1e-13;

    #[test]
    fn moments_up_to_degree_three_are_exact() {
        for (dimension, count, seed) in [(1, 16, 1), (3, 64, 2), (7, 100, 3), (3, 4096, 4)] {
            let points = GaussianPoints::new(dimension, count, seed);
            let n = points.count() as f64;
            assert!(points.count() >= count && points.count().is_multiple_of(16), "{points:?}");
            for j in 0..dimension {
                let a = points.component(j);
                assert!(a.iter().sum::<f64>().abs() / n < ROUNDING, "mean of component {j}");
                for k in 0..dimension {
                    let products = a.iter().zip(points.component(k)).map(|(x, y)| x * y);
                    let expected = if j == k { 1.0 } else { 0.0 };
                    let found = products.sum::<f64>() / n;
                    assert!((found - expected).abs() < ROUNDING, "{j} {k}: {found}");
                }
            }
        }
    }

    #[test]
    fn either_half_has_the_moments_of_a_whole_set() {
        let points = GaussianPoints::halves(3, 100, 4);
        assert_eq!((points.count(), points.dimension()), (128, 3));
        let half = points.count() / 2;
        for j in 0..3 {
            for part in [0..half, half..2 * half] {
                let a = &points.component(j)[part.clone()];
                assert!(a.iter().sum::<f64>().abs() / 64.0 < ROUNDING, "mean of {j}");
                for k in 0..3 {
                    let products = a.iter().zip(&points.component(k)[part.clone()]);
                    let found = products.map(|(x, y)| x * y).sum::<f64>() / 64.0;
                    let expected = if j == k { 1.0 } else { 0.0 };
                    assert!((found - expected).abs() < ROUNDING, "{j} {k}: {found}");
                }
            }
            let (first, second) = points.component(j).split_at(half);
            assert_ne!(first, second, "independent");
        }
    }

    #[test]
    fn higher_moments_converge_to_the_normal_ones() {
        // E x^4 = 3, E x^2 y^2 = 1; 4096 random points would miss by 0.15 and 0.04.
        const QUASI_RANDOM: f64 = 0.03;
        let points = GaussianPoints::new(2, 4096, 5);
        let n = points.count() as f64;
        let (x, y) = (points.component(0), points.component(1));
        let fourth = x.iter().map(|v| v.powi(4)).sum::<f64>() / n;
        let mixed = x.iter().zip(y).map(|(a, b)| a * a * b * b).sum::<f64>() / n;
        assert!((fourth - 3.0).abs() < QUASI_RANDOM, "{fourth}");
        assert!((mixed - 1.0).abs() < QUASI_RANDOM, "{mixed}");
    }

    #[test]
    fn seeds_and_dimensions_give_other_points() {
        assert_ne!(GaussianPoints::new(2, 16, 1), GaussianPoints::new(2, 16, 2));
        assert_eq!(GaussianPoints::new(2, 16, 1), GaussianPoints::new(2, 16, 1));
        assert_eq!(GaussianPoints::new(0, 50, 1).count(), 64);
    }

    #[test]
    fn quantile_inverts_the_distribution_function() {
        for p in [HALF_CELL, 1e-4, 0.3, 0.5, 0.9, 1.0 - HALF_CELL] {
            let back = 0.5 * libm::erfc(-quantile(p) * core::f64::consts::FRAC_1_SQRT_2);
            assert!((back / p - 1.0).abs() < ROUNDING, "{p} {back}");
        }
    }
}
