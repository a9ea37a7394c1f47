//! Twenty sweeps of the published two-layer experiment at its largest size: `d = 4`, `N_in = 100`, `N_out = 1`, one
//! core.
//!
//! Every run makes all its sweeps: the tolerance is zero. `cargo bench --bench two_layer -- --include-ignored` adds the
//! maximiser.

#![expect(clippy::unwrap_used, reason = "a benchmark has nobody to hand an error to")]

use divan::Bencher;
use fg_core::denoiser::Estimation;
use fg_denoisers::likelihood::Activation;
use fg_models::TwoLayerModel;
use fg_models::synthetic::{TeacherSettings, TwoLayerProblem};
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// Training samples.
const SAMPLES: usize = 4000;
/// Sweeps of a run.
const SWEEPS: usize = 20;

fn main() {
    divan::main();
}

/// Setting up the graph, its decomposition and the sweeps; drawing the data isn't counted.
fn twenty_sweeps(bencher: Bencher<'_, '_>, activation: Activation, estimation: Estimation) {
    let mut settings = TeacherSettings::default();
    (settings.train, settings.activation) = (SAMPLES, activation);
    let problem = TwoLayerProblem::draw(&settings, &mut Pcg64::seed_from_u64(1)).unwrap();
    let model = TwoLayerModel::new(problem.teacher.output).with_estimation(estimation);
    let options = TwoLayerModel::options().with_max_sweeps(SWEEPS).with_tolerance(0.0);
    let train = &problem.train;
    bencher.bench_local(|| {
        let fit = model.fit(&train.inputs, &train.noisy, &options).unwrap();
        assert_eq!(fit.fit().report().sweeps, SWEEPS, "{}", fit.fit().report());
        fit
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn mmse_relu(bencher: Bencher<'_, '_>) {
    twenty_sweeps(bencher, Activation::Relu, Estimation::Mmse);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn mmse_sigmoid(bencher: Bencher<'_, '_>) {
    twenty_sweeps(bencher, Activation::Sigmoid, Estimation::Mmse);
}

#[divan::bench(sample_count = 1, sample_size = 1, ignore)]
fn map_relu(bencher: Bencher<'_, '_>) {
    twenty_sweeps(bencher, Activation::Relu, Estimation::Map);
}

#[divan::bench(sample_count = 1, sample_size = 1, ignore)]
fn map_sigmoid(bencher: Bencher<'_, '_>) {
    twenty_sweeps(bencher, Activation::Sigmoid, Estimation::Map);
}
