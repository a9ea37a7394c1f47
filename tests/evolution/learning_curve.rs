//! Learning curves of the two-layer network as predicted from sizes alone, against runs: weights and test errors.

use std::ops::ControlFlow;

use fg_core::denoiser::Estimation;
use fg_core::{IterationInfo, Options, Policy, Rows};
use fg_denoisers::likelihood::{Activation, TwoLayer};
use fg_models::TwoLayerModel;
use fg_models::metrics::normalised_test_error;
use fg_models::synthetic::{add_noise, correlated_weights, gaussian_rows};
use fg_models::two_layer::{LearningErrors, LearningSettings, Start};
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

/// Weights of the second layer, and variance of the noise.
const OUTPUT: [f64; 4] = [1.2, -0.7, 0.5, 1.9];
const NOISE: f64 = 0.3;

/// `W1` error, and excess of the test error over 1 for the plug-in and the averaged predictor, after each sweep.
type Curve = Vec<[f64; 3]>;

const NAMES: [&str; 3] = ["weights", "plug-in", "averaged"];

/// A network of four units that learns from `ratio` samples an input.
struct Case {
    activation: Activation,
    estimation: Estimation,
    /// What becomes of directions without information; none for the model's own.
    policy: Option<Policy>,
    inputs: usize,
    ratio: usize,
    /// Part of the weights' variance that the start shares with the truth.
    share: f64,
    runs: usize,
}

impl Case {
    fn options(&self) -> Options {
        let own = TwoLayerModel::options();
        let policy = self.policy.unwrap_or(own.policy);
        own.with_policy(policy).with_max_sweeps(SWEEPS).with_tolerance(0.0)
    }
}

/// One run.
fn measure(model: &TwoLayerModel, case: &Case, rng: &mut Pcg64) -> Curve {
    let Case { inputs, ratio, share, .. } = *case;
    let samples = ratio * inputs;
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
    let fit = graph.fit(&start, &case.options(), &mut watch).unwrap();
    let report = fit.fit().report();
    assert!(report.status.is_usable(), "{report}");
    curve
}

fn model(case: &Case) -> TwoLayerModel {
    let output =
        TwoLayer::new(Rows::column(OUTPUT.to_vec()), vec![0.4], case.activation, 1.0 / NOISE);
    TwoLayerModel::new(output.unwrap()).with_estimation(case.estimation)
}

/// What the model itself predicts.
fn predicted(case: &Case) -> Curve {
    let settings = LearningSettings::new(case.ratio as f64).with_share(case.share);
    let curve = model(case).learning_curve(&settings.with_options(case.options())).unwrap();
    assert_eq!(curve.errors.len(), SWEEPS, "a prediction for every sweep");
    let of = |e: &LearningErrors| [e.parameter_error, e.plugin - 1.0, e.averaged - 1.0];
    curve.errors.iter().map(of).collect()
}

/// Asserts that errors are within `band` of what is predicted.
fn compare(case: &Case, predicted: &Curve, band: f64) {
    let Case { activation, estimation, ratio, runs, .. } = *case;
    let (model, mut rng) = (model(case), Pcg64::seed_from_u64(20));
    let measured: Vec<Curve> = (0..runs).map(|_| measure(&model, case, &mut rng)).collect();
    // A maximiser has no posterior to average over.
    let compared = if estimation == Estimation::Mmse { NAMES.len() } else { NAMES.len() - 1 };
    for (t, expected) in predicted.iter().enumerate() {
        for k in 0..compared {
            let values: Vec<f64> = measured.iter().map(|m| m[t][k]).collect();
            let mean = values.iter().sum::<f64>() / runs as f64;
            let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            let error = (square / ((runs - 1) * runs) as f64).sqrt() / expected[k];
            let gap = mean / expected[k] - 1.0;
            let name = format!("{activation:?} {estimation:?} {ratio} {}", NAMES[k]);
            println!("{name} {}: {mean:.4}, {gap:+.3} +- {error:.3}", t + 1);
            let band = band.max(STANDARD_ERRORS * error);
            assert!(gap.abs() < band, "{name}, sweep {}: {mean} for {}", t + 1, expected[k]);
        }
    }
}

#[test]
fn rectified_units_from_no_information() {
    let (activation, estimation) = (Activation::Relu, Estimation::Mmse);
    let (inputs, ratio, share, runs, policy) = (250, 4, 0.0, 10, None);
    let case = Case { activation, estimation, policy, inputs, ratio, share, runs };
    compare(&case, &predicted(&case), BAND);
}

#[test]
fn sigmoid_units_from_a_correlated_start() {
    let (activation, estimation) = (Activation::Sigmoid, Estimation::Mmse);
    let (inputs, ratio, share, runs, policy) = (250, 4, 0.25, 10, None);
    let case = Case { activation, estimation, policy, inputs, ratio, share, runs };
    compare(&case, &predicted(&case), BAND);
}

/// Maximisers, as minimisers of a regularised empirical risk are.
fn maximisers(
    activation: Activation,
    policy: Option<Policy>,
    (inputs, ratio): (usize, usize),
) -> Case {
    let (estimation, share, runs) = (Estimation::Map, 0.0, 10);
    Case { activation, estimation, policy, inputs, ratio, share, runs }
}

/// How far it may be at [`LARGE`] sizes.
const NARROW: f64 = 0.03;
/// Sizes of two thousand rows and more, at three ratios of samples to inputs.
const LARGE: [(usize, usize); 3] = [(2000, 1), (800, 4), (400, 10)];

/// Posterior means from no information.
fn posterior_means(activation: Activation) {
    let (estimation, policy, share, runs) = (Estimation::Mmse, None, 0.0, 10);
    for (inputs, ratio) in LARGE {
        let case = Case { activation, estimation, policy, inputs, ratio, share, runs };
        compare(&case, &predicted(&case), NARROW);
    }
}

#[test]
#[ignore = "a minute when optimised: all ratios, at two thousand rows and more"]
fn posterior_means_of_rectified_units_generalise_as_predicted() {
    posterior_means(Activation::Relu);
}

#[test]
#[ignore = "a minute when optimised: all ratios, at two thousand rows and more"]
fn posterior_means_of_smooth_units_generalise_as_predicted() {
    posterior_means(Activation::Sigmoid);
}

#[test]
#[ignore = "a minute when optimised: all ratios, at two thousand rows and more"]
fn maximisers_of_smooth_units_generalise_as_predicted() {
    for size in LARGE {
        let case = maximisers(Activation::Sigmoid, None, size);
        compare(&case, &predicted(&case), NARROW);
    }
}

/// Where directions without information are left out. The node's differences smooth over 0.3 deviations, so that its messages
/// hold a little of their cavities' noise, which predictions follow: taken for noise of its own, test errors are up to 7 percent
/// higher than predicted.
#[test]
#[ignore = "a minute when optimised: all ratios, at two thousand rows and more"]
fn maximisers_of_rectified_units_generalise_as_predicted() {
    for size in LARGE {
        let case = maximisers(Activation::Relu, Some(Policy::Project), size);
        compare(&case, &predicted(&case), NARROW);
    }
}

/// Clamped at four and at ten samples an input the error overshoots in the second sweep, to 1.2 and 3.7, and what then happens
/// hangs on it, and on whether a direction next to a bound is clamped, which differs from run to run. The last errors of the
/// weights: at four 0.75 +- 0.02 in runs of 400 inputs, 0.69 to 0.73 in two sets of runs of 800, 0.72 predicted; at ten 0.395 +-
/// 0.007 in runs of 400, 0.381 +- 0.007 in runs of 800, 0.34 to 0.36 predicted. Where what a clamped message holds of its cavity
/// is taken for noise, the fourth sweep at ten is 27 percent off.
const OVERSHOT: f64 = 0.12;

#[test]
#[ignore = "a minute when optimised"]
fn clamped_maximisers_of_rectified_units_generalise_nearly_as_predicted() {
    for (size, band) in [((2000, 1), NARROW), ((800, 4), OVERSHOT), ((800, 10), OVERSHOT)] {
        let case = maximisers(Activation::Relu, None, size);
        compare(&case, &predicted(&case), band);
    }
}
