//! State evolution against simulation, sweep by sweep.

use std::ops::ControlFlow;

use fg_core::denoiser::{Estimation, Law};
use fg_core::evolution::{Evolution, EvolutionError, MessageLaw, Warning};
use fg_core::factor::{Stratified, Uniforms};
use fg_core::operator::Dense;
use fg_core::{
    FactorId, Graph, Inference, IterationInfo, Message, Options, Policy, Precision, Rows,
    VariableId,
};
use fg_denoisers::likelihood::{Activation, TwoLayer};
use fg_denoisers::{BernoulliGauss, Gaussian, L1};
use fg_models::TwoLayerModel;
use fg_models::synthetic::{add_noise, gaussian_matrix, gaussian_rows};
use fg_models::{GeneralisedGraph, linear};
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// `n` rows of a law of one uniform, stratified: the signal's own sampling noise would hide what is compared.
fn stratified(law: &dyn Law, n: usize, rng: &mut Pcg64) -> Rows {
    let mut uniforms = Vec::new();
    Stratified(rng).fill(n, 1, &mut uniforms);
    let mut rows = Rows::zeros(n, 1);
    for (i, u) in uniforms.iter().enumerate() {
        law.draw(&[*u], rows.row_mut(i));
    }
    rows
}

/// Errors of a variable after each sweep of a run.
fn errors_of(mut run: Inference<'_>, variable: VariableId, truth: &Rows) -> Vec<f64> {
    let mut errors = Vec::new();
    let mut watch = |info: &mut IterationInfo<'_>| {
        errors.push(info.mean(variable).unwrap().mean_squared_error(truth));
        ControlFlow::Continue(())
    };
    let solution = run.run(&mut watch).unwrap();
    assert!(solution.report().status.is_usable(), "{}", solution.report());
    errors
}

/// How far the mean of the runs may be from what is predicted at sizes of a few thousand, relative.
const BAND: f64 = 0.03;
/// Or so many of its own standard errors: single runs scatter by ten percent. With forty runs the chance of a false
/// alarm is 0.5 percent for one number, and those of one run go up and down together.
const STANDARD_ERRORS: f64 = 3.0;

/// Asserts that the mean of the runs is what is predicted, sweep by sweep.
fn compare(name: &str, measured: &[Vec<f64>], predicted: &[f64]) {
    compare_within(BAND, name, measured, predicted);
}

/// The same within another band.
fn compare_within(band: f64, name: &str, measured: &[Vec<f64>], predicted: &[f64]) {
    let runs = measured.len() as f64;
    assert_eq!(predicted.len(), SWEEPS, "{name}: a prediction for every sweep");
    for (t, &expected) in predicted.iter().enumerate() {
        let values: Vec<f64> = measured.iter().map(|m| m[t]).collect();
        let mean = values.iter().sum::<f64>() / runs;
        let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (runs - 1.0);
        let error = (spread / runs).sqrt() / expected;
        let gap = mean / expected - 1.0;
        println!("{name}, sweep {}: {mean:.5} for {expected:.5}, {gap:+.4} +- {error:.4}", t + 1);
        let band = band.max(STANDARD_ERRORS * error);
        assert!(gap.abs() < band, "{name}, sweep {}: {mean} for {expected}", t + 1);
    }
}

/// Sweeps compared.
const SWEEPS: usize = 12;

fn options() -> Options {
    Options::default().with_max_sweeps(SWEEPS).with_tolerance(0.0)
}

/// Prior or penalty - x - iid Gaussian operator - z - noise: a graph with data, and the truth.
struct Sparse {
    graph: Graph,
    x: VariableId,
    prior: FactorId,
    truth: Rows,
}

const NOISE: f64 = 1e-2;

impl Sparse {
    fn draw(
        n: usize,
        denoiser: impl fg_core::denoiser::Denoiser + 'static,
        law: &dyn Law,
        rng: &mut Pcg64,
    ) -> Self {
        let m = n / 2;
        let truth = stratified(law, n, rng);
        let operator = Dense::new(gaussian_matrix(m, n, 1.0 / m as f64, rng)).unwrap();
        let clean = linear::outputs(&operator, &truth);
        let data = add_noise(&clean, NOISE, rng);
        let model = linear::graph(operator, data, denoiser, 1.0 / NOISE).unwrap();
        let GeneralisedGraph { builder, signal: x, prior, .. } = model;
        Self { graph: builder.build().unwrap(), x, prior, truth }
    }
}

#[test]
fn wrong_sparsity_and_soft_thresholds() {
    sparse(800, 40);
}

#[test]
#[ignore = "a minute: a larger size"]
fn wrong_sparsity_and_soft_thresholds_at_a_larger_size() {
    sparse(2000, 48);
}

/// Matched, with a wrong sparsity, and with soft thresholds from a start that knows nothing.
fn sparse(n: usize, runs: u64) {
    let law = BernoulliGauss::new(0.1, 0.0, 1.0).unwrap();
    let mut measured = vec![Vec::new(); 3];
    let mut predicted = vec![Vec::new(); 3];
    for seed in 0..runs {
        let rng = &mut Pcg64::seed_from_u64(seed);
        for (k, assumed) in [0.1, 0.3].into_iter().enumerate() {
            let problem =
                Sparse::draw(n, BernoulliGauss::new(assumed, 0.0, 1.0).unwrap(), &law, rng);
            let run = Inference::new(&problem.graph, &options()).unwrap();
            measured[k].push(errors_of(run, problem.x, &problem.truth));
            if seed == 0 {
                let evolution = Evolution::new(&problem.graph, &options()).with_tolerance(0.0);
                let prediction = evolution.with_law(problem.prior, law.clone()).run().unwrap();
                assert!(!prediction.is_matched(), "a law was given");
                predicted[k] = prediction
                    .sweeps()
                    .iter()
                    .map(|s| s.estimate(problem.x).unwrap().mse())
                    .collect();
            }
        }
        let problem = Sparse::draw(n, L1::new(12.0).unwrap(), &law, rng);
        let prior = problem.prior;
        let precision = 5.0;
        let layout = problem.graph.layout(problem.x).clone();
        let start = Message::from_mean(
            &Rows::zeros(n, 1),
            Precision::isotropic(layout, precision).unwrap(),
        )
        .unwrap();
        let mut run = Inference::new(&problem.graph, &options()).unwrap();
        run.start(prior, 0, start).unwrap();
        measured[2].push(errors_of(run, problem.x, &problem.truth));
        if seed == 0 {
            let start =
                MessageLaw::new(1, vec![precision], vec![0.0], vec![0.0], vec![0.0]).unwrap();
            let evolution = Evolution::new(&problem.graph, &options()).with_tolerance(0.0);
            let prediction =
                evolution.with_law(prior, law.clone()).with_start(prior, 0, start).run().unwrap();
            predicted[2] =
                prediction.sweeps().iter().map(|s| s.estimate(problem.x).unwrap().mse()).collect();
        }
    }
    for (k, name) in ["matched", "wrong sparsity", "L1"].into_iter().enumerate() {
        compare(name, &measured[k], &predicted[k]);
    }
}

/// `rows` turned so that their second moment is the identity: the power of the truth doesn't scatter.
fn white(rows: &Rows) -> Rows {
    use fg_core::message::small;
    let (n, d) = rows.shape();
    let mut root = vec![0.0; d * d];
    for i in 0..n {
        for (k, m) in root.iter_mut().enumerate() {
            *m += rows[(i, k / d)] * rows[(i, k % d)] / n as f64;
        }
    }
    small::cholesky(&mut root, d).unwrap();
    let mut white = rows.clone();
    (0..n).for_each(|i| small::solve_lower(&root, white.row_mut(i), d));
    white
}

/// Noise variance of the two-layer problems: about 10 dB below their outputs.
const OUTPUT_NOISE: f64 = 0.3;

/// Points of the predictions of posterior means: at ten samples an input those of kinked units are off by one percent in the
/// first sweep and three in the second with half as many, and by less than a half with these.
const MEAN_POINTS: usize = 8192;

/// A two-layer problem of `ratio * inputs` samples, its error for `runs` draws of everything but the second layer, and
/// what is predicted for the first draw's operator. The model damps, so that sweeps are followed jointly. `policy` is what
/// becomes of directions without information.
fn two_layer(
    activation: Activation,
    estimation: Estimation,
    size: (usize, usize),
    runs: u64,
    policy: Policy,
) {
    two_layer_within(BAND, activation, estimation, size, runs, policy);
}

fn two_layer_within(
    band: f64,
    activation: Activation,
    estimation: Estimation,
    (inputs, ratio): (usize, usize),
    runs: u64,
    policy: Policy,
) {
    let rng = &mut Pcg64::seed_from_u64(77);
    let weights = Rows::from_vec(4, 1, vec![1.2, -0.7, 0.5, 1.9]).unwrap();
    let output = TwoLayer::new(weights, vec![0.0], activation, 1.0 / OUTPUT_NOISE).unwrap();
    let model = TwoLayerModel::new(output.clone()).with_estimation(estimation);
    let options = TwoLayerModel::options().with_policy(policy);
    let options = options.with_max_sweeps(SWEEPS).with_tolerance(0.0);
    let (mut measured, mut predicted) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let truth = white(&gaussian_rows(inputs, 4, 1.0, rng));
        let samples = gaussian_rows(ratio * inputs, inputs, 1.0 / inputs as f64, rng);
        let hidden = linear::outputs(&Dense::from_rows(&samples).unwrap(), &truth);
        let mut clean = Rows::zeros(hidden.rows(), 1);
        (0..clean.rows()).for_each(|i| output.predict(hidden.row(i), clean.row_mut(i)));
        let parts = model.graph(&samples, &add_noise(&clean, OUTPUT_NOISE, rng)).unwrap();
        let (w, prior) = (parts.weights, parts.prior);
        let graph = parts.builder.build().unwrap();
        if run == 0 {
            let law = Gaussian::new(0.0, 1.0).unwrap();
            let evolution = Evolution::new(&graph, &options).with_tolerance(0.0);
            let evolution = match estimation {
                Estimation::Mmse => evolution.with_points(MEAN_POINTS),
                Estimation::Map => evolution,
            };
            let prediction = evolution.with_law(prior, law).run().unwrap();
            let sweeps = prediction.sweeps().iter();
            predicted = sweeps.map(|s| s.estimate(w).unwrap().mse()).collect();
        }
        measured.push(errors_of(Inference::new(&graph, &options).unwrap(), w, &truth));
    }
    let name = format!("{activation:?} {estimation:?} {ratio}");
    compare_within(band, &name, &measured, &predicted);
}

/// The model's own policy.
fn clamp() -> Policy {
    TwoLayerModel::options().policy
}

#[test]
fn two_layer_sigmoid_mmse() {
    two_layer(Activation::Sigmoid, Estimation::Mmse, (250, 4), 4, clamp());
}

#[test]
fn two_layer_relu_mmse() {
    two_layer(Activation::Relu, Estimation::Mmse, (250, 4), 8, clamp());
}

#[test]
#[ignore = "half a minute: larger sizes and all ratios"]
fn two_layer_relu_mmse_at_every_ratio() {
    for (size, runs) in [((2000, 1), 4), ((500, 4), 8), ((300, 10), 8)] {
        two_layer(Activation::Relu, Estimation::Mmse, size, runs, clamp());
    }
}

#[test]
#[ignore = "half a minute: larger sizes and all ratios"]
fn two_layer_sigmoid_mmse_at_every_ratio() {
    for (size, runs) in [((2000, 1), 4), ((500, 4), 8), ((300, 10), 8)] {
        two_layer(Activation::Sigmoid, Estimation::Mmse, size, runs, clamp());
    }
}

/// Splitting with a fixed step is no expectation propagation: its messages keep their cavity's noise, and a prediction that is
/// accepted all the same has the first sweep right and is far off after some.
#[test]
fn fixed_precisions_are_refused() {
    const PRECISION: f64 = 20.0;
    let law = BernoulliGauss::new(0.1, 0.0, 1.0).unwrap();
    let rng = &mut Pcg64::seed_from_u64(1);
    let problem = Sparse::draw(2000, L1::new(12.0).unwrap(), &law, rng);
    let options = options().with_policy(Policy::Fixed);
    let start = MessageLaw::new(1, vec![PRECISION], vec![0.0], vec![0.0], vec![0.0]).unwrap();
    let evolution = || {
        let evolution = Evolution::new(&problem.graph, &options).with_tolerance(0.0);
        evolution.with_law(problem.prior, law.clone()).with_start(problem.prior, 0, start.clone())
    };
    let refused = evolution().run().unwrap_err();
    assert_eq!(refused, EvolutionError::Unacknowledged(Warning::FixedPrecisions));
    let prediction = evolution().accept(Warning::FixedPrecisions).run().unwrap();
    let layout = problem.graph.layout(problem.x).clone();
    let precision = Precision::isotropic(layout, PRECISION).unwrap();
    let mut run = Inference::new(&problem.graph, &options).unwrap();
    let first = Message::from_mean(&Rows::zeros(2000, 1), precision).unwrap();
    run.start(problem.prior, 0, first).unwrap();
    let measured = errors_of(run, problem.x, &problem.truth);
    let ratio = |t: usize| measured[t] / prediction.sweeps()[t].estimate(problem.x).unwrap().mse();
    assert!((ratio(0) - 1.0).abs() < 0.1, "{}", ratio(0));
    assert!(ratio(SWEEPS - 1) < 0.5, "{}", ratio(SWEEPS - 1));
}

/// Maximisers of kinked units know nothing of half of the directions, and are surer of them than they can be: in every
/// sweep clamps bite there, or those directions are left out.
#[test]
#[ignore = "half a minute when optimised: all ratios"]
fn two_layer_relu_maximisers() {
    for (size, runs) in [((800, 1), 16), ((500, 4), 16), ((300, 10), 16)] {
        two_layer(Activation::Relu, Estimation::Map, size, runs, Policy::Project);
    }
}

/// At four samples an input errors overshoot in the second sweep, and whether a direction next to a bound is clamped then differs
/// from run to run: what is predicted is off by up to 4 percent.
const CLAMPED: f64 = 0.1;

#[test]
#[ignore = "two minutes when optimised"]
fn two_layer_relu_maximisers_with_clamps() {
    let ranges = [(1e-6, 1e12), (1e-6, 1e3), (0.1, 1e3)];
    for (minimum, maximum) in ranges {
        for (size, band) in [((2000, 1), BAND), ((500, 4), CLAMPED)] {
            let policy = Policy::Clamp { minimum, maximum };
            two_layer_within(band, Activation::Relu, Estimation::Map, size, 8, policy);
        }
    }
}

/// With smooth units clamps bite, too, and do no harm.
#[test]
#[ignore = "half a minute when optimised: all ratios"]
fn two_layer_sigmoid_maximisers() {
    for (size, runs) in [((800, 1), 16), ((500, 4), 16), ((300, 10), 16)] {
        two_layer(Activation::Sigmoid, Estimation::Map, size, runs, clamp());
    }
}
