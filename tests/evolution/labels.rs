//! Learning from labels as predicted from sizes alone, against runs: weights, log-loss and rate of wrong labels.

use std::ops::ControlFlow;

use fg_core::denoiser::Estimation;
use fg_core::{IterationInfo, Rows};
use fg_denoisers::likelihood::{Activation, Link, TwoLayer};
use fg_models::TwoLayerModel;
use fg_models::synthetic::gaussian_rows;
use fg_models::two_layer::{LabelErrors, LearningSettings, Start};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Sweeps that are compared, as far as they are made.
const COMPARED: [usize; 3] = [1, 3, 8];
/// New labels of a run, each weighed with its true probability.
const TEST: usize = 2000;
/// Points of the predictions: the weights of maximisers to half a percent after three sweeps, to one after eight.
const POINTS: usize = 8192;
/// How far the mean of the runs may be from what is predicted: the inputs are few, and predictions are of the limit.
const BAND: f64 = 0.04;
/// Or so many of its own standard errors: with 8 runs a chance of 2 percent for one number, and those of one run go up and
/// down together.
const STANDARD_ERRORS: f64 = 3.0;

/// Error of `W1`, excess log-loss and excess rate of wrong labels, the two for either predictor.
type Errors = [f64; 5];

const NAMES: [&str; 5] =
    ["weights", "plug-in loss", "plug-in rate", "averaged loss", "averaged rate"];

fn errors(weights: f64, plugin: LabelErrors, averaged: Option<LabelErrors>) -> Errors {
    let pair = |e: LabelErrors| [e.excess_log_loss, e.excess_error_rate];
    let ([a, b], [c, d]) = (pair(plugin), averaged.map_or([f64::NAN; 2], pair));
    [weights, a, b, c, d]
}

/// A network of one output and two units that learns from `ratio` labels an input.
struct Case {
    activation: Activation,
    estimation: Estimation,
    inputs: usize,
    ratio: usize,
    runs: usize,
    sweeps: usize,
}

fn measure(model: &TwoLayerModel, case: &Case, rng: &mut Pcg64) -> Vec<Errors> {
    let Case { inputs, ratio, sweeps, .. } = *case;
    let link = model.link().unwrap();
    let d = model.output().hidden();
    let truth = gaussian_rows(inputs, d, 1.0, rng);
    let mut draw = |count: usize| {
        let x = gaussian_rows(count, inputs, 1.0 / inputs as f64, rng);
        let outputs = model.predict(&truth, &x).unwrap();
        let label = |u: &f64| if rng.random::<f64>() < link.probability(*u) { 1.0 } else { -1.0 };
        let labels = Rows::column(outputs.as_slice().iter().map(label).collect());
        (x, outputs, labels)
    };
    let (x, _, labels) = draw(ratio * inputs);
    let (fresh, expected, _) = draw(TEST);
    let graph = model.graph(&x, &labels).unwrap();
    let (weights, mut curve) = (graph.weights, Vec::new());
    let mut watch = |info: &mut IterationInfo<'_>| {
        if COMPARED.contains(&info.sweep()) {
            let belief = info.belief(weights).unwrap();
            let of = |odds: Rows| LabelErrors::of(odds.as_slice(), expected.as_slice());
            let plugin = of(model.log_odds(belief.mean(), &fresh).unwrap().unwrap());
            let mmse = model.estimation() == Estimation::Mmse;
            let odds = || model.log_odds_averaged(belief, &fresh).unwrap().unwrap();
            let averaged = mmse.then(|| of(odds()));
            curve.push(errors(belief.mean().mean_squared_error(&truth), plugin, averaged));
        }
        ControlFlow::Continue(())
    };
    let options = TwoLayerModel::options().with_max_sweeps(sweeps).with_tolerance(0.0);
    let fit = graph.fit(&Start::uninformed(), &options, &mut watch).unwrap();
    let report = fit.fit().report();
    assert!(report.status.is_usable(), "{report}");
    curve
}

fn compare(case: &Case) {
    let Case { activation, estimation, ratio, runs, sweeps, .. } = *case;
    let layer = TwoLayer::labels(&[4.0, -2.5], 0.3, activation, Link::Logistic).unwrap();
    let model = TwoLayerModel::new(layer).with_estimation(estimation);
    let options = TwoLayerModel::options().with_max_sweeps(sweeps).with_tolerance(0.0);
    let settings = LearningSettings::new(ratio as f64).with_options(options).with_points(POINTS);
    let predicted = model.learning_curve(&settings).unwrap();
    assert_eq!(predicted.errors.len(), sweeps, "a prediction for every sweep");
    let mut rng = Pcg64::seed_from_u64(30);
    let measured: Vec<Vec<Errors>> = (0..runs).map(|_| measure(&model, case, &mut rng)).collect();
    for (t, sweep) in COMPARED.into_iter().filter(|s| *s <= sweeps).enumerate() {
        let e = &predicted.errors[sweep - 1];
        let plugin = e.plugin_labels.unwrap();
        let expected = errors(e.parameter_error, plugin, e.averaged_labels);
        for k in (0..NAMES.len()).filter(|&k| !expected[k].is_nan()) {
            let values: Vec<f64> = measured.iter().map(|m| m[t][k]).collect();
            let mean = values.iter().sum::<f64>() / runs as f64;
            let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            let error = (square / ((runs - 1) * runs) as f64).sqrt() / expected[k];
            let gap = mean / expected[k] - 1.0;
            let name = NAMES[k];
            println!("{activation:?} {name} {sweep}: {mean:.4}, {gap:+.3} +- {error:.3}");
            let band = BAND.max(STANDARD_ERRORS * error);
            assert!(gap.abs() < band, "{name}, sweep {sweep}: {mean} for {}", expected[k]);
        }
    }
}

#[test]
fn maximisers_with_labels_of_rectified_units() {
    let (activation, estimation) = (Activation::Relu, Estimation::Map);
    compare(&Case { activation, estimation, inputs: 200, ratio: 4, runs: 8, sweeps: 3 });
}

#[test]
#[ignore = "a quarter of a minute in a release build"]
fn labels_of_rectified_units() {
    let (activation, estimation) = (Activation::Relu, Estimation::Mmse);
    compare(&Case { activation, estimation, inputs: 200, ratio: 8, runs: 8, sweeps: 8 });
}

#[test]
#[ignore = "half a minute in a release build"]
fn labels_of_smooth_units() {
    let (activation, estimation) = (Activation::Tanh, Estimation::Mmse);
    compare(&Case { activation, estimation, inputs: 200, ratio: 8, runs: 8, sweeps: 8 });
}
