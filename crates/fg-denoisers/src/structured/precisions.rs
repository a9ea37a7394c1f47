//! Full precisions that estimators of all rows together are tested with.

use fg_core::message::small;

/// A precision `G G'` and a ridge, of scales over this many decades.
pub(super) fn precision(g: &[f64], ridge: f64, decades: f64, d: usize) -> Vec<f64> {
    let scale = |j: usize| 10f64.powf(decades * j as f64 / d as f64);
    let entry = |a: usize, b: usize| {
        let product: f64 = (0..d).map(|k| g[a * 4 + k] * g[b * 4 + k]).sum();
        scale(a) * scale(b) * (product + if a == b { ridge } else { 0.0 })
    };
    (0..d * d).map(|k| entry(k / d, k % d)).collect()
}

/// The inverse of one.
pub(super) fn inverse(gamma: &[f64], d: usize) -> Vec<f64> {
    let mut out = vec![0.0; d * d];
    small::invert_positive(gamma, &mut out, &mut vec![0.0; 2 * d * d], d).unwrap();
    out
}
