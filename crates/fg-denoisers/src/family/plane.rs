//! The plane of a complex unknown, for tests: what a likelihood answers there, and the same by a sum over a square grid.

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};

/// Mean, covariance and log-partition function of a row.
pub(crate) type Row = ([f64; 2], [f64; 4], f64);

/// What `model` answers to the data `y` under the cavity of natural parameters `n` and precision `gamma`.
pub(crate) fn answer(model: &dyn Likelihood, y: f64, n: [f64; 2], gamma: [f64; 4]) -> Row {
    let cavity = RowCavity::new(0, 2, &n, &n, &gamma);
    let (mut mean, mut covariance, mut log) = ([0.0; 2], [0.0; 4], [0.0]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
    model.estimate(&[y], &cavity, &mut out, &mut Scratch::default()).unwrap();
    assert!(model.log_partition(&[y], &cavity, &mut log), "a log-partition function");
    (mean, covariance, log[0])
}

/// Slow and obvious: a sum over `2 reach + 1` points a side, `step` apart, of a likelihood that depends on the modulus.
pub(crate) fn sum(
    (reach, step): (i32, f64),
    n: [f64; 2],
    gamma: [f64; 4],
    log_density: impl Fn(f64) -> f64,
) -> Row {
    let (mut mass, mut mean, mut square) = (0.0, [0.0; 2], [0.0; 4]);
    for i in -reach..=reach {
        for j in -reach..=reach {
            let z = [step * f64::from(i), step * f64::from(j)];
            let quadratic = gamma[0] * z[0] * z[0]
                + (gamma[1] + gamma[2]) * z[0] * z[1]
                + gamma[3] * z[1] * z[1];
            let exponent = n[0] * z[0] + n[1] * z[1] - 0.5 * quadratic;
            let weight = (exponent + log_density(z[0].hypot(z[1]))).exp();
            mass += weight;
            for a in 0..2 {
                mean[a] += weight * z[a];
                for b in 0..2 {
                    square[2 * a + b] += weight * z[a] * z[b];
                }
            }
        }
    }
    let mean = mean.map(|m| m / mass);
    let covariance = [0, 1, 2, 3].map(|k| square[k] / mass - mean[k / 2] * mean[k % 2]);
    (mean, covariance, (mass * step * step).ln())
}
