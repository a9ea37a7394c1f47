//! Posteriors of outputs with noise where most units are decided: what is left of the integral is nearly exact.

use super::label_tests::answer;
use super::{Activation, TwoLayer, TwoLayerMmse};
use fg_core::Rows;

/// Of a row's deviation, what the points may be off by where one unit alone is bent by the data.
const POINTS: f64 = 0.02;

fn layer(activation: Activation) -> TwoLayer {
    let weights = Rows::column(vec![1.2, -0.7, 0.5, -1.5]);
    TwoLayer::new(weights, vec![0.0], activation, 4.0).unwrap()
}

/// Units ten deviations below their kinks see nothing of the data: their rows stay what the cavity says. The lines run
/// nearly across them, so that their kinks are up to `1e8` deviations away along the lines.
#[test]
fn units_far_below_their_kinks_keep_their_cavity() {
    let deviation = 0.2;
    let gamma: Vec<f64> = (0..16).map(|k| if k % 5 == 0 { 25.0 } else { 0.0 }).collect();
    for (leading, dead) in [
        ([5.76, 0.12], [-9.74, -13.52]),
        ([6.59, 0.1], [-12.44, -20.0]),
        ([3.53, -0.4], [-30.0; 2]),
    ] {
        let r: Vec<f64> = leading.iter().chain(&dead).map(|x| deviation * x).collect();
        let row = answer(&TwoLayerMmse::new(layer(Activation::Relu)), 0.9, &r, &gamma);
        for j in 2..4 {
            let shift = (row.mean[j] - r[j]) / deviation;
            let share = row.covariance[5 * j] * gamma[5 * j];
            assert!(shift.abs() < POINTS, "{r:?}, unit {j}: {shift}");
            assert!((share - 1.0).abs() < POINTS, "{r:?}, unit {j}: {share}");
        }
    }
}

/// Where all units are decided the network is linear, and the posterior a Gaussian that degree three is exact for.
#[test]
fn decided_units_have_a_linear_posterior() {
    /// Rounding of sums over the lines.
    const ROUNDING: f64 = 1e-9;
    let gamma: Vec<f64> = (0..16).map(|k| if k % 5 == 0 { 100.0 } else { 0.0 }).collect();
    let (r, y) = ([2.0, -3.0, 4.0, -2.5], 5.1);
    let row = answer(&TwoLayerMmse::new(layer(Activation::Relu)), y, &r, &gamma);
    // `y = w z + noise` with w = (1.2, 0, 0.5, 0): a scalar update along the covariance times w.
    let w = [1.2, 0.0, 0.5, 0.0];
    let output: f64 = w.iter().zip(r).map(|(w, r)| w * r).sum();
    let variance = 0.01 * w.iter().map(|w| w * w).sum::<f64>() + 0.25;
    for j in 0..4 {
        let gain = 0.01 * w[j] / variance;
        let expected = r[j] + gain * (y - output);
        assert!((row.mean[j] - expected).abs() < ROUNDING, "{j}: {} {expected}", row.mean[j]);
        for k in 0..4 {
            let own = if j == k { 0.01 } else { 0.0 };
            let expected = own - gain * 0.01 * w[k];
            let found = row.covariance[4 * j + k];
            assert!((found - expected).abs() < ROUNDING, "{j} {k}: {found} {expected}");
        }
    }
}
