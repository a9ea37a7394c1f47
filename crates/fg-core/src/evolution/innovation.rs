//! Innovations decide how noises of several sweeps are drawn together: each as what the earlier ones explain, and a
//! fresh part.

use crate::message::small;

/// The noises `p_1, p_2, ..` that one port has been told so far, as combinations of uncorrelated unit rows:
///
/// ```text
/// p_t = sum_(s <= t) xi_s K_st,    E[xi_s' xi_s] = I,    so that E[p_s' p_t] = sum_u K_us' K_ut.
/// ```
#[derive(Debug, Default)]
pub(super) struct Innovations {
    d: usize,
    /// `K_st` for `s <= t`, by `t`.
    coefficients: Vec<Vec<Vec<f64>>>,
    /// Pseudo-inverses of the `K_tt`.
    inverses: Vec<Vec<f64>>,
}

/// A direction of fresh noise below this share of the noise's standard deviation counts as explained. Later noises are
/// divided by it, and covariances carry the error of their integrals, a thousandth or so: next to a fixed point, where
/// hardly anything is fresh, a smaller share makes that error grow from sweep to sweep, a larger one shows in errors.
const EXPLAINED: f64 = 1e-4;

impl Innovations {
    pub(super) fn new(d: usize) -> Self {
        Self { d, coefficients: Vec::new(), inverses: Vec::new() }
    }

    /// How many noises there have been.
    pub(super) fn len(&self) -> usize {
        self.coefficients.len()
    }

    /// `K_st` of the `t`-th noise.
    pub(super) fn coefficients(&self, t: usize) -> &[Vec<f64>] {
        &self.coefficients[t]
    }

    /// Forgets all noises.
    pub(super) fn clear(&mut self) {
        self.coefficients.clear();
        self.inverses.clear();
    }

    /// Adds a noise of covariance `noise`, where `cross[s] = E[p_s' p]`; returns its `K_st`, the last of which
    /// belongs to a fresh innovation.
    pub(super) fn push(&mut self, noise: &[f64], cross: &[Vec<f64>]) -> &[Vec<f64>] {
        let d = self.d;
        assert_eq!(cross.len(), self.len(), "one cross-covariance for each earlier noise");
        let (mut rest, mut product) = (noise.to_vec(), vec![0.0; d * d]);
        let mut row: Vec<Vec<f64>> = Vec::with_capacity(cross.len() + 1);
        for (s, cross) in cross.iter().enumerate() {
            // K_ss' K_st = E[p_s' p_t] - sum_(u < s) K_us' K_ut
            let mut known = cross.clone();
            for (u, k_ut) in row.iter().enumerate() {
                transposed_times(&self.coefficients[s][u], k_ut, &mut product, d);
                known.iter_mut().zip(&product).for_each(|(k, p)| *k -= p);
            }
            let mut k_st = vec![0.0; d * d];
            transposed_times(&self.inverses[s], &known, &mut k_st, d);
            transposed_times(&k_st, &k_st, &mut product, d);
            rest.iter_mut().zip(&product).for_each(|(r, p)| *r -= p);
            row.push(k_st);
        }
        // What is explained but for rounding holds nothing fresh, column by column.
        for j in 0..d {
            if rest[j * d + j] <= EXPLAINED * EXPLAINED * noise[j * d + j] {
                (0..d).for_each(|k| (rest[j * d + k], rest[k * d + j]) = (0.0, 0.0));
            }
        }
        let (root, inverse) = roots(&rest, EXPLAINED * EXPLAINED, d);
        row.push(root);
        self.inverses.push(inverse);
        self.coefficients.push(row);
        &self.coefficients[self.coefficients.len() - 1]
    }
}

/// `out = a' b`.
pub(super) fn transposed_times(a: &[f64], b: &[f64], out: &mut [f64], d: usize) {
    for i in 0..d {
        for j in 0..d {
            out[i * d + j] = (0..d).map(|k| a[k * d + i] * b[k * d + j]).sum();
        }
    }
}

/// A root `K`, `K' K` being the symmetric positive semi-definite matrix, and its pseudo-inverse. Eigenvalues of the
/// matrix of correlations up to `zero` count as zero: columns of different units keep their own.
pub(super) fn roots(matrix: &[f64], zero: f64, d: usize) -> (Vec<f64>, Vec<f64>) {
    let size: Vec<f64> = (0..d).map(|j| matrix[j * d + j].max(0.0).sqrt()).collect();
    let scaled = |k: usize, v: f64| {
        let scale = size[k / d] * size[k % d];
        if scale > 0.0 { v / scale } else { 0.0 }
    };
    let mut work: Vec<f64> = matrix.iter().enumerate().map(|(k, &v)| scaled(k, v)).collect();
    small::symmetrise(&mut work, d);
    let (mut values, mut vectors) = (vec![0.0; d], vec![0.0; d * d]);
    small::eigen_symmetric(&mut work, &mut values, &mut vectors, d);
    let (mut root, mut inverse) = (vec![0.0; d * d], vec![0.0; d * d]);
    let map = |f: fn(f64) -> f64| -> Vec<f64> {
        values.iter().map(|&v| if v > zero { f(v) } else { 0.0 }).collect()
    };
    small::rebuild(&vectors, &map(f64::sqrt), &mut root, d);
    small::rebuild(&vectors, &map(|v| 1.0 / v.sqrt()), &mut inverse, d);
    // Correlations R^2 are S^-1 matrix S^-1: K = R S, K^-1 = S^-1 R^-1.
    for k in 0..d * d {
        root[k] *= size[k % d];
        let s = size[k / d];
        inverse[k] = if s > 0.0 { inverse[k] / s } else { 0.0 };
    }
    (root, inverse)
}

/// The pseudo-inverse of a symmetric positive semi-definite matrix; correlations below rounding count as zero.
pub(super) fn pseudo_inverse(matrix: &[f64], d: usize) -> Vec<f64> {
    let (_, inverse_root) = roots(matrix, d as f64 * 4.0 * f64::EPSILON, d);
    // (K' K)^-1 = K^-1 K^-T.
    let mut inverse = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..d {
            inverse[i * d + j] =
                (0..d).map(|k| inverse_root[i * d + k] * inverse_root[j * d + k]).sum();
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_rebuild_the_covariances() {
        // Noises p_t = sum_k g_tk B_k over four independent unit rows; the last repeats the second.
        const D: usize = 2;
        let mixes = [
            [1.0, 0.0, 0.0, 0.0],
            [0.5, 0.7, 0.0, 0.0],
            [0.2, 0.3, 0.9, 0.1],
            [0.5, 0.7, 0.0, 0.0],
        ];
        let blocks = [
            [1.0, 0.2, 0.0, 0.8],
            [0.3, -0.5, 0.6, 0.4],
            [0.9, 0.0, 0.1, 0.2],
            [0.1, 0.3, 0.2, 0.7],
        ];
        let covariance = |s: usize, t: usize| -> Vec<f64> {
            let mut sum = vec![0.0; D * D];
            let mut product = vec![0.0; D * D];
            for k in 0..4 {
                transposed_times(&blocks[k], &blocks[k], &mut product, D);
                let weight = mixes[s][k] * mixes[t][k];
                sum.iter_mut().zip(&product).for_each(|(a, p)| *a += weight * p);
            }
            sum
        };
        let mut innovations = Innovations::new(D);
        for t in 0..4 {
            let cross: Vec<_> = (0..t).map(|s| covariance(s, t)).collect();
            innovations.push(&covariance(t, t), &cross);
        }
        for t in 0..4 {
            for s in 0..=t {
                let (mut sum, mut product) = ([0.0; D * D], [0.0; D * D]);
                for u in 0..=s {
                    let k = &innovations.coefficients;
                    transposed_times(&k[s][u], &k[t][u], &mut product, D);
                    sum.iter_mut().zip(&product).for_each(|(a, p)| *a += p);
                }
                for (found, expected) in sum.iter().zip(covariance(s, t)) {
                    assert!((found - expected).abs() < 1e-9, "{s} {t}: {found} {expected}");
                }
            }
        }
        let fresh = &innovations.coefficients[3][3];
        assert!(fresh.iter().all(|v| v.abs() < 1e-9), "a repeated noise holds nothing fresh");
    }
}
