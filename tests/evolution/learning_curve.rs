//! Learning curves of the two-layer network as predicted from sizes alone, against runs: weights and test errors.

use std::ops::ControlFlow;

use fg_core::{IterationInfo, Rows};
use fg_denoisers::likelihood::{Activation, TwoLayer};
use fg_models::TwoLayerModel;
use fg_models::metrics::normalised_test_error;
use fg_models::synthetic::{add_noise, correlated_weights, gaussian_rows};
use fg_models::two_layer::{LearningSettings, Start};
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// Sweeps compared.
const SWEEPS: usize = 12;
/// Samples that test errors are measured on: one run's then scatters by two percent of the excess.
const TEST: usize = 4000;
/// How far the mean of the runs may be from what is predicted: the inputs are few, and predictions are of the limit.
const BAND: f64 = 0.04;
/// Or so many of its own standard errors: with 10 runs a chance of 1.5 percent for one number, and those of one run go
/// up and down together.
const STANDARD_ERRORS: f64 = 3.0;

/// `W1` error, and excess of the test error over 1 for the plug-in and the averaged predictor, after each sweep.
type Curve = Vec<[f64; 3]>;

const NAMES: [&str; 3] = ["weights", "plug-in", "averaged"];

/// One run on a network of `inputs` inputs.
fn measure(
    model: &TwoLayerModel,
    (inputs, samples): (usize, usize),
    share: f64,
    rng: &mut Pcg64,
) -> Curve {
    let noise = 1.0 / model.output().noise_precision().unwrap();
    let truth = gaussian_rows(inputs, model.output().hidden(), 1.0, rng);
    let draw = |count: usize, rng: &mut Pcg64| {
        let x = gaussian_rows(count, inputs, 1.0 / inputs as f64, rng);
        let clean = model.predict(&truth, &x).unwrap();
        (x, clean)
    };
    let (x, clean) = draw(samples, rng);
    let (fresh, expected) = draw(TEST, rng);
    let start = match share > 0.0 {
        true => Start::correlated(&correlated_weights(&truth, share, rng), share, &x).unwrap(),
        false => Start::uninformed(),
    };
    let graph = model.graph(&x, &add_noise(&clean, noise, rng)).unwrap();
    let weights = graph.weights;
    let mut curve = Curve::new();
    let mut watch = |info: &mut IterationInfo<'_>| {
        let belief = info.belief(weights).unwrap();
        let excess = |found: &Rows| normalised_test_error(found, &expected, noise) - 1.0;
        curve.push([
            belief.mean().mean_squared_error(&truth),
            excess(&model.predict(belief.mean(), &fresh).unwrap()),
            excess(&model.predict_averaged(belief, &fresh).unwrap()),
        ]);
        ControlFlow::Continue(())
    };
    let options = TwoLayerModel::options().with_max_sweeps(SWEEPS).with_tolerance(0.0);
    let fit = graph.fit(&start, &options, &mut watch).unwrap();
    let report = fit.fit().report();
    assert!(report.status.is_usable(), "{report}");
    curve
}

fn compare(activation: Activation, (inputs, ratio): (usize, usize), share: f64, runs: usize) {
    let output = Rows::column(vec![1.2, -0.7, 0.5, 1.9]);
    let noise = 0.3;
    let output = TwoLayer::new(output, vec![0.4], activation, 1.0 / noise).unwrap();
    let model = TwoLayerModel::new(output);
    let options = TwoLayerModel::options().with_max_sweeps(SWEEPS).with_tolerance(0.0);
    let settings = LearningSettings::new(ratio as f64).with_share(share).with_options(options);
    let predicted = model.learning_curve(&settings).unwrap();
    assert_eq!(predicted.errors.len(), SWEEPS, "a prediction for every sweep");
    let mut rng = Pcg64::seed_from_u64(20);
    let measured: Vec<Curve> =
        (0..runs).map(|_| measure(&model, (inputs, ratio * inputs), share, &mut rng)).collect();
    for (t, expected) in predicted.errors.iter().enumerate() {
        let expected = [expected.parameter_error, expected.plugin - 1.0, expected.averaged - 1.0];
        for k in 0..NAMES.len() {
            let values: Vec<f64> = measured.iter().map(|m| m[t][k]).collect();
            let mean = values.iter().sum::<f64>() / runs as f64;
            let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            let error = (square / ((runs - 1) * runs) as f64).sqrt() / expected[k];
            let gap = mean / expected[k] - 1.0;
            let name = NAMES[k];
            println!("{activation:?} {name} {}: {mean:.4}, {gap:+.3} +- {error:.3}", t + 1);
            let band = BAND.max(STANDARD_ERRORS * error);
            assert!(gap.abs() < band, "{name}, sweep {}: {mean} for {}", t + 1, expected[k]);
        }
    }
}

#[test]
fn rectified_units_from_no_information() {
    compare(Activation::Relu, (250, 4), 0.0, 10);
}

#[test]
fn sigmoid_units_from_a_correlated_start() {
    compare(Activation::Sigmoid, (250, 4), 0.25, 10);
}
