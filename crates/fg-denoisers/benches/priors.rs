//! Time an element of the row-wise estimators that a run spends its time in.

use divan::{Bencher, black_box, counter::ItemsCount};
use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
use fg_denoisers::{BernoulliGauss, Gaussian, L1, Laplace, LogDensity, Product};

fn main() {
    divan::main();
}

/// Fits the caches, and does not.
const ROWS: [usize; 2] = [4096, 1 << 20];
const PRECISION: f64 = 50.0;

fn time(bencher: Bencher<'_, '_>, rows: usize, denoiser: &dyn Denoiser) {
    let mean: Vec<f64> = (0..rows).map(|i| 3.0 * (i as f64 * 0.618).fract() - 1.5).collect();
    let natural: Vec<f64> = mean.iter().map(|r| PRECISION * r).collect();
    let (mut estimate, mut covariance) = (vec![0.0; rows], vec![0.0; rows]);
    let mut scratch = Scratch::default();
    bencher.counter(ItemsCount::new(rows)).bench_local(|| {
        let cavity = RowCavity::new(0, 1, black_box(&natural), &mean, &[PRECISION]);
        let mut out = RowEstimate { mean: &mut estimate, covariance: &mut covariance };
        denoiser.estimate(&cavity, &mut out, &mut scratch)
    });
}

#[divan::bench(args = ROWS)]
fn bernoulli_gauss(bencher: Bencher<'_, '_>, rows: usize) {
    time(bencher, rows, &BernoulliGauss::new(0.1, 0.0, 1.0).expect("valid parameters"));
}

#[divan::bench(args = ROWS)]
fn soft_threshold(bencher: Bencher<'_, '_>, rows: usize) {
    time(bencher, rows, &L1::new(20.0).expect("valid parameters"));
}

#[divan::bench(args = ROWS)]
fn laplace(bencher: Bencher<'_, '_>, rows: usize) {
    time(bencher, rows, &Laplace::new(0.3).expect("valid parameters"));
}

/// By quadrature: too slow for the longer list.
#[divan::bench]
fn product(bencher: Bencher<'_, '_>) {
    let wells = LogDensity::new(|x| -(x * x - 1.0).powi(2));
    let product = Product::new(Laplace::new(0.3).expect("valid parameters"), wells);
    time(bencher, ROWS[0], &product.expect("a product"));
}

#[divan::bench(args = ROWS)]
fn product_with_gaussian(bencher: Bencher<'_, '_>, rows: usize) {
    let gaussian = Gaussian::new(0.5, 2.0).expect("valid parameters");
    let product = Product::new(gaussian, Laplace::new(0.3).expect("valid parameters"));
    time(bencher, rows, &product.expect("a product"));
}
