//! State evolution against simulation, sweep by sweep.

use std::ops::ControlFlow;

use fg_core::denoiser::{Estimation, Law};
use fg_core::evolution::{Evolution, MessageLaw};
use fg_core::operator::Dense;
use fg_core::{
    Graph, GraphBuilder, Inference, IterationInfo, Message, Options, Precision, Rows, VariableId,
};
use fg_denoisers::likelihood::{Activation, Awgn, TwoLayer};
use fg_denoisers::{BernoulliGauss, Gaussian, L1};
use fg_models::TwoLayerModel;
use fg_models::synthetic::{add_noise, gaussian_matrix, gaussian_rows};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// `n` rows of a law of one uniform, one from each of `n` equal parts of the unit interval, in random order: the
/// signal's own sampling noise would hide what is compared.
fn stratified(law: &dyn Law, n: usize, rng: &mut Pcg64) -> Rows {
    let mut uniforms: Vec<f64> =
        (0..n).map(|i| (i as f64 + rng.random::<f64>()) / n as f64).collect();
    uniforms.shuffle(rng);
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

/// Asserts that medians of runs are within `band`, relative, of what is predicted, and prints both.
fn compare(name: &str, measured: &[Vec<f64>], predicted: &[f64], band: f64) {
    let runs = measured.len() as f64;
    for (t, &expected) in predicted.iter().enumerate() {
        let values: Vec<f64> = measured.iter().map(|m| m[t]).collect();
        let mean = values.iter().sum::<f64>() / runs;
        let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (runs - 1.0);
        let error = (spread / runs).sqrt() / mean;
        println!(
            "{name} {}: {mean:.5} predicted {expected:.5} ratio {:.4} +- {error:.4}",
            t + 1,
            mean / expected
        );
        if std::env::var("LOOSE").is_err() {
            assert!(
                (mean / expected - 1.0).abs() < band,
                "{name}, sweep {}: {mean} for {expected}",
                t + 1
            );
        }
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
    truth: Rows,
}

const N: usize = 4000;
const M: usize = 2000;
const NOISE: f64 = 1e-2;

impl Sparse {
    fn draw(
        denoiser: impl fg_core::denoiser::Denoiser + 'static,
        law: &dyn Law,
        rng: &mut Pcg64,
    ) -> Self {
        let truth = stratified(law, N, rng);
        let operator = Dense::new(gaussian_matrix(M, N, 1.0 / M as f64, rng)).unwrap();
        let clean = fg_models::linear::outputs(&operator, &truth);
        let data = add_noise(&clean, NOISE, rng);
        let mut builder = GraphBuilder::new();
        let x = builder.variable("x", N, 1);
        let z = builder.variable("z", M, 1);
        builder.prior("prior", x, denoiser);
        builder.linear("A", x, z, operator);
        builder.likelihood("noise", z, data, Awgn::new(1.0 / NOISE).unwrap());
        Self { graph: builder.build().unwrap(), x, truth }
    }
}

#[test]
fn wrong_sparsity_and_soft_thresholds() {
    let law = BernoulliGauss::new(0.1, 0.0, 1.0).unwrap();
    let mut measured = vec![Vec::new(); 3];
    let mut predicted = vec![Vec::new(); 3];
    for seed in 0..3 {
        let rng = &mut Pcg64::seed_from_u64(seed);
        for (k, assumed) in [0.1, 0.3].into_iter().enumerate() {
            let problem = Sparse::draw(BernoulliGauss::new(assumed, 0.0, 1.0).unwrap(), &law, rng);
            let run = Inference::new(&problem.graph, &options()).unwrap();
            measured[k].push(errors_of(run, problem.x, &problem.truth));
            if seed == 0 {
                let prior = problem.graph.find_factor("prior").unwrap();
                let evolution = Evolution::new(&problem.graph, &options()).with_tolerance(0.0);
                let prediction = evolution.with_law(prior, law.clone()).run().unwrap();
                assert!(!prediction.is_matched(), "a law was given");
                predicted[k] = prediction
                    .sweeps()
                    .iter()
                    .map(|s| s.estimate(problem.x).unwrap().mse())
                    .collect();
            }
        }
        let problem = Sparse::draw(L1::new(12.0).unwrap(), &law, rng);
        let prior = problem.graph.find_factor("prior").unwrap();
        let precision = 5.0;
        let layout = problem.graph.layout(problem.x).clone();
        let start = Message::from_mean(
            &Rows::zeros(N, 1),
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
        compare(name, &measured[k], &predicted[k], 0.03);
    }
}

fn two_layer(
    activation: Activation,
    estimation: Estimation,
    inputs: usize,
    ratio: usize,
    runs: u64,
) {
    let rng = &mut Pcg64::seed_from_u64(77);
    let weights = Rows::from_vec(4, 1, vec![1.2, -0.7, 0.5, 1.9]).unwrap();
    let noise = 0.3;
    let output = TwoLayer::new(weights, vec![0.0], activation, 1.0 / noise).unwrap();
    let model = TwoLayerModel::new(output.clone()).with_estimation(estimation);
    let options = TwoLayerModel::options().with_max_sweeps(SWEEPS).with_tolerance(0.0);
    let (mut measured, mut predicted) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let truth = gaussian_rows(inputs, 4, 1.0, rng);
        let samples = gaussian_rows(ratio * inputs, inputs, 1.0 / inputs as f64, rng);
        let operator = Dense::from_rows(&samples).unwrap();
        let mut hidden = Rows::zeros(ratio * inputs, 4);
        fg_core::operator::LinearOperator::apply(
            &operator,
            truth.as_slice(),
            hidden.as_mut_slice(),
            4,
        );
        let mut clean = Rows::zeros(ratio * inputs, 1);
        for i in 0..clean.rows() {
            output.predict(hidden.row(i), clean.row_mut(i));
        }
        let data = add_noise(&clean, noise, rng);
        let parts = model.graph(&samples, &data).unwrap();
        let (w, prior) = (parts.weights, parts.prior);
        let graph = parts.builder.build().unwrap();
        if run == 0 {
            let began = std::time::Instant::now();
            let evolution = Evolution::new(&graph, &options).with_tolerance(0.0);
            let prediction =
                evolution.with_law(prior, Gaussian::new(0.0, 1.0).unwrap()).run().unwrap();
            println!("{:?} {}", began.elapsed(), prediction.status());
            predicted = prediction.sweeps().iter().map(|s| s.estimate(w).unwrap().mse()).collect();
        }
        measured.push(errors_of(Inference::new(&graph, &options).unwrap(), w, &truth));
    }
    compare(&format!("{activation:?} {estimation:?} {ratio}"), &measured, &predicted, 0.03);
}

#[test]
fn two_layer_relu_mmse() {
    two_layer(Activation::Relu, Estimation::Mmse, 500, 4, 3);
}
#[test]
fn two_layer_relu_map() {
    two_layer(Activation::Relu, Estimation::Map, 500, 4, 3);
}
#[test]
fn two_layer_relu_mmse_10() {
    two_layer(Activation::Relu, Estimation::Mmse, 200, 10, 4);
}
#[test]
fn two_layer_sigmoid_mmse() {
    two_layer(Activation::Sigmoid, Estimation::Mmse, 500, 4, 3);
}
