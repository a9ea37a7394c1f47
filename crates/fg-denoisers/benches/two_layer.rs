//! Time a row of the two-layer likelihood at cavities like those of a run: early, halfway and late.

#![expect(clippy::unwrap_used, reason = "a benchmark has nobody to hand an error to")]

use divan::{Bencher, black_box, counter::ItemsCount};
use fg_core::Rows;
use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::special::quantile;
use fg_denoisers::likelihood::{Activation, TwoLayer, TwoLayerMap, TwoLayerMmse};

/// Rows of a batch.
const ROWS: usize = 4000;
/// Hidden units.
const UNITS: usize = 4;
/// Signal over noise, 10 dB.
const SIGNAL_TO_NOISE: f64 = 10.0;
/// Variances of hidden units under the cavity: they fall from 1 as a run learns.
const VARIANCES: [f64; 3] = [1.0, 0.2, 0.04];

fn main() {
    divan::main();
}

/// `n` fixed normal numbers.
fn normal(n: usize, seed: f64) -> Vec<f64> {
    // Additive recurrence of an irrational step: equidistributed, and the same on every machine.
    let uniform = |i: usize| (0.5 + seed + i as f64 * 0.754_877_666_246_692_7).fract();
    (0..n).map(|i| quantile(uniform(i * i + i).clamp(1e-9, 1.0 - 1e-9))).collect()
}

fn time(
    bencher: Bencher<'_, '_>,
    variance: f64,
    activation: Activation,
    node: impl Fn(TwoLayer) -> Box<dyn Likelihood>,
) {
    let weights = Rows::column(vec![1.2, -0.7, 0.5, -1.5]);
    let layer = |precision| TwoLayer::new(weights.clone(), vec![0.0], activation, precision);
    let truth = normal(ROWS * UNITS, 0.1);
    let mut y = vec![0.0; ROWS];
    let clean = layer(1.0).unwrap();
    for (y, z) in y.iter_mut().zip(truth.chunks_exact(UNITS)) {
        clean.predict(z, core::slice::from_mut(y));
    }
    let noise_variance = y.iter().map(|y| y * y).sum::<f64>() / ROWS as f64 / SIGNAL_TO_NOISE;
    for (y, n) in y.iter_mut().zip(normal(ROWS, 0.2)) {
        *y += noise_variance.sqrt() * n;
    }
    // The cavity of a matched run: r is z shrunk by 1 - v, with an error of variance v (1 - v).
    let (share, spread) = (1.0 - variance, (variance * (1.0 - variance)).sqrt());
    let errors = normal(ROWS * UNITS, 0.3);
    let mean: Vec<f64> = truth.iter().zip(errors).map(|(z, e)| share * z + spread * e).collect();
    let natural: Vec<f64> = mean.iter().map(|r| r / variance).collect();
    let identity = |k: usize| if k.is_multiple_of(UNITS + 1) { 1.0 / variance } else { 0.0 };
    let precision: Vec<f64> = (0..UNITS * UNITS).map(identity).collect();
    let node = node(layer(1.0 / noise_variance).unwrap());
    let (mut estimate, mut covariance) = (vec![0.0; ROWS * UNITS], vec![0.0; ROWS * UNITS * UNITS]);
    let mut scratch = Scratch::default();
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        let cavity = RowCavity::new(0, UNITS, black_box(&natural), &mean, &precision);
        let mut out = RowEstimate { mean: &mut estimate, covariance: &mut covariance };
        node.estimate(&y, &cavity, &mut out, &mut scratch)
    });
}

#[divan::bench(args = VARIANCES)]
fn mmse_relu(bencher: Bencher<'_, '_>, variance: f64) {
    time(bencher, variance, Activation::Relu, |layer| Box::new(TwoLayerMmse::new(layer)));
}

#[divan::bench(args = VARIANCES)]
fn mmse_sigmoid(bencher: Bencher<'_, '_>, variance: f64) {
    time(bencher, variance, Activation::Sigmoid, |layer| Box::new(TwoLayerMmse::new(layer)));
}

#[divan::bench(args = VARIANCES, sample_count = 5)]
fn map_relu(bencher: Bencher<'_, '_>, variance: f64) {
    time(bencher, variance, Activation::Relu, |layer| Box::new(TwoLayerMap::new(layer).unwrap()));
}

#[divan::bench(args = VARIANCES, sample_count = 5)]
fn map_sigmoid(bencher: Bencher<'_, '_>, variance: f64) {
    time(bencher, variance, Activation::Sigmoid, |layer| {
        Box::new(TwoLayerMap::new(layer).unwrap())
    });
}
