//! The published figure of the two-layer network: test errors of posterior means against those of Adam, and against numbers of an
//! independent implementation.
//!
//! P. Pandit, M. Sahraee-Ardakan, S. Rangan, P. Schniter and A. K. Fletcher, "Matrix inference and estimation in
//! multi-layer models" (2020), figure 2: 100 inputs, 4 hidden units, 1000 test samples. The data are those that the example
//! `two_layer` draws, and so are the runs: uninformed starts, the model's own options.

use fg_core::Rows;
use fg_core::denoiser::Estimation;
use fg_denoisers::likelihood::Activation;
use fg_models::TwoLayerModel;
use fg_models::baseline::{AdamOptions, Regression, adam, squared_loss};
use fg_models::metrics::{Quartiles, normalised_test_error};
use fg_models::synthetic::{TeacherSettings, TwoLayerProblem, correlated_weights, derived_seed};
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// Training samples.
const SAMPLES: [usize; 5] = [200, 400, 1000, 2000, 4000];
/// Runs at each.
const RUNS: usize = 20;
/// A run has failed when its excess error is above this multiple of Adam's on the same data.
const FAILURE: f64 = 2.0;
/// Share of the variance of Adam's start that is the truth's, as published.
const SHARE: f64 = 0.25;
/// What medians may be above Adam's: those of smooth units are equal to it where data are many.
const SMOOTH: f64 = 1.02;

/// The data of a run, the generator they were drawn from, and its seed.
fn drawn(
    activation: Activation,
    snr_db: f64,
    train: usize,
    run: usize,
) -> (TwoLayerProblem, Pcg64, u64) {
    let seed = derived_seed(0, &[snr_db.to_bits(), train as u64, run as u64]);
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut settings = TeacherSettings::default();
    (settings.activation, settings.snr_db, settings.train) = (activation, snr_db, train);
    (TwoLayerProblem::draw(&settings, &mut rng).unwrap(), rng, seed)
}

/// Test error of maximisers in units of the noise; NaN where a run breaks down.
fn maximiser_error(activation: Activation, snr_db: f64, train: usize, run: usize) -> f64 {
    let (TwoLayerProblem { teacher, train, test, noise_variance }, ..) =
        drawn(activation, snr_db, train, run);
    let model = TwoLayerModel::new(teacher.output).with_estimation(Estimation::Map);
    let fit = model.fit(&train.inputs, &train.noisy, &TwoLayerModel::options()).unwrap();
    let found = fit.predict(&test.inputs).unwrap();
    normalised_test_error(&found, &test.clean, noise_variance)
}

/// Test errors in units of the noise, of posterior means and of Adam with the right L2 weight, `noise variance / N`.
fn errors(activation: Activation, snr_db: f64, train: usize, run: usize) -> [f64; 2] {
    let (problem, mut rng, seed) = drawn(activation, snr_db, train, run);
    let TwoLayerProblem { teacher, train, test, noise_variance } = &problem;
    let error = |found: Rows| normalised_test_error(&found, &test.clean, *noise_variance);
    let model = TwoLayerModel::new(teacher.output.clone());
    let fit = model.fit(&train.inputs, &train.noisy, &TwoLayerModel::options());
    let found = fit.and_then(|fit| fit.predict_averaged(&test.inputs)).map_or(f64::NAN, error);
    let start = correlated_weights(&teacher.input_weights, SHARE, &mut rng);
    let regression = Regression {
        inputs: &train.inputs,
        targets: &train.noisy,
        output_weights: teacher.output.output_weights(),
        output_bias: teacher.output.bias(),
        penalty: &vec![noise_variance / train.inputs.rows() as f64; train.inputs.columns()],
        activation: |z| (activation.value(z), activation.slope(z)),
        loss: squared_loss,
    };
    let mut rng = Pcg64::seed_from_u64(derived_seed(seed, &[u64::from(b'a')]));
    let weights = adam(&regression, &AdamOptions::default(), &start, &mut rng, |_, _| {}).unwrap();
    [found, error(model.predict(&weights, &test.inputs).unwrap())]
}

/// Medians of both at each number of samples, with three standard errors of the difference of two such medians.
fn medians(activation: Activation, snr_db: f64) -> Vec<[(f64, f64); 2]> {
    let mut failed = Vec::new();
    let mut medians = Vec::new();
    for samples in SAMPLES {
        let runs: Vec<_> = (0..RUNS).map(|run| errors(activation, snr_db, samples, run)).collect();
        for (run, [found, adam]) in runs.iter().enumerate() {
            // Written so that NaN fails.
            if !(found - 1.0 <= FAILURE * (adam - 1.0)) {
                failed.push((samples, run, *found, *adam));
            }
        }
        let of = |k: usize| median(&runs.iter().map(|r| r[k]).collect::<Vec<f64>>());
        println!("{activation:?} {snr_db} dB, {samples}: means {:.4?}, Adam {:.4?}", of(0), of(1));
        medians.push([of(0), of(1)]);
    }
    assert!(failed.is_empty(), "{activation:?}, {snr_db} dB: {failed:?}");
    medians
}

/// A median with three standard errors of the difference of two such medians.
fn median(values: &[f64]) -> (f64, f64) {
    let Quartiles { lower, median, upper } = Quartiles::of(values).unwrap();
    // Of normal laws: quartiles are 1.349 deviations apart, a median has 1.253 of a mean's standard errors.
    let error = 1.253 * (upper - lower) / 1.349 / (values.len() as f64).sqrt();
    (median, 3.0 * core::f64::consts::SQRT_2 * error)
}

/// Medians are at most this share of Adam's at every number of samples.
fn compare(activation: Activation, snr_db: f64, share: f64) -> Vec<[(f64, f64); 2]> {
    let medians = medians(activation, snr_db);
    for (samples, [found, adam]) in SAMPLES.iter().zip(&medians) {
        assert!(found.0 < share * adam.0, "{samples}: {} against {}", found.0, adam.0);
    }
    medians
}

#[test]
#[ignore = "a minute when optimised"]
fn rectified_units_are_learned_better_than_by_adam_at_10_db() {
    /// Samples, and medians of posterior means and of Adam by an independent implementation.
    const REFERENCE: [(usize, [f64; 2]); 4] =
        [(200, [4.14, 4.85]), (1000, [1.495, 1.56]), (2000, [1.218, 1.24]), (4000, [1.106, 1.12])];
    let medians = compare(Activation::Relu, 10.0, 1.0);
    for (samples, reference) in REFERENCE {
        let at = SAMPLES.iter().position(|n| *n == samples).unwrap();
        for ((found, band), reference) in medians[at].iter().zip(reference) {
            let apart = (found - reference).abs();
            assert!(apart < *band, "{samples}: {found} against {reference}, band {band}");
        }
    }
}

/// Maximisers fail in some runs, which are counted like all others.
#[test]
#[ignore = "a minute when optimised"]
fn maximisers_of_rectified_units_are_those_of_an_independent_implementation() {
    /// Samples, and medians of maximisers by an independent implementation.
    const REFERENCE: [(usize, f64); 4] = [(200, 4.65), (1000, 1.60), (2000, 1.25), (4000, 1.11)];
    for (samples, reference) in REFERENCE {
        let run = |run| maximiser_error(Activation::Relu, 10.0, samples, run);
        let errors: Vec<f64> = (0..RUNS).map(run).collect();
        let (found, band) = median(&errors);
        println!("{samples}: {found:.4}, band {band:.4}, reference {reference}: {errors:.3?}");
        assert!((found - reference).abs() < band, "{samples}: {found}, band {band}");
    }
}

#[test]
#[ignore = "a minute when optimised"]
fn rectified_units_are_learned_better_than_by_adam_at_15_db() {
    compare(Activation::Relu, 15.0, 1.0);
}

#[test]
#[ignore = "a minute when optimised"]
fn smooth_units_are_learned_as_well_as_by_adam_at_10_db() {
    compare(Activation::Sigmoid, 10.0, SMOOTH);
}

#[test]
#[ignore = "a minute when optimised"]
fn smooth_units_are_learned_as_well_as_by_adam_at_15_db() {
    compare(Activation::Sigmoid, 15.0, SMOOTH);
}
