//! The expected evidence: closed forms, mutual information as an integral of errors, and runs.

use fg_core::denoiser::Estimation;
use fg_core::evolution::{Evolution, ExpectedEvidence, MessageLaw, Spectrum};
use fg_core::factor::{LinearFactor, Stratified};
use fg_core::operator::{Dense, Ensemble, LinearOperator};
use fg_core::{
    FactorId, Graph, GraphBuilder, Inference, Message, Options, Precision, Rows, Structure,
    VariableId,
};
use fg_denoisers::{Awgn, BernoulliGauss, DiagonalNoise, Gaussian, L1, PiecewiseLinear, Sign};
use fg_models::synthetic::gaussian_matrix;
use rand::SeedableRng;
use rand_pcg::Pcg64;

use core::f64::consts::{E, TAU};

fn predicted(graph: &Graph, options: &Options) -> ExpectedEvidence {
    let evolution = Evolution::new(graph, options).with_points(16384).with_evidence();
    evolution.run().unwrap().evidence().unwrap().clone()
}

/// Prior - x - [A] - z - noise with a bias, without data.
fn linear(
    operator: impl LinearOperator + 'static,
    prior: impl fg_core::denoiser::Denoiser + 'static,
    precision: f64,
    bias: f64,
) -> (Graph, [VariableId; 2], FactorId) {
    let mut builder = GraphBuilder::new();
    let (m, n) = (operator.outputs(), operator.inputs());
    let (x, z) = (builder.variable("x", n, 1), builder.variable("z", m, 1));
    builder.prior("prior", x, prior);
    builder.factor("A", LinearFactor::new(operator).with_bias(vec![bias]), &[x, z]);
    let y = builder.unobserved("y", z, Awgn::new(precision).unwrap());
    (builder.build().unwrap(), [x, z], y)
}

#[test]
fn gaussian_models_have_the_entropy_of_their_data() {
    /// Row integrals by points; their squares are exact to rounding.
    const POINTS: f64 = 1e-3;
    let (precision, variance) = (20.0, 2.0);
    let spectrum = Spectrum::geometric(0.6, 30.0).unwrap();
    let operator = Ensemble::new(1000, spectrum.clone());
    let (graph, [x, z], _) =
        linear(operator, Gaussian::new(0.7, variance).unwrap(), precision, -0.4);
    let found = predicted(&graph, &Options::default());
    // As many rows of data as singular values: y ~ N(0.7 A 1 + b, variance A A' + 1 / precision).
    let row = |&(square, share): &(f64, f64)| {
        -0.5 * share * (TAU * E * (variance * square + precision.recip())).ln()
    };
    let expected: f64 = spectrum.atoms().iter().map(row).sum();
    assert_eq!(found.estimation(), Estimation::Mmse);
    println!("{} {expected}", found.per_row(z));
    assert!((found.per_row(z) - expected).abs() < POINTS, "{found:?}, not {expected}");
    assert!((found.per_row(x) - 0.6 * found.per_row(z)).abs() < 1e-12, "{found:?}");
}

/// Guo, Shamai and Verdu, "Mutual information and minimum mean-square error in Gaussian channels", IEEE Transactions on
/// Information Theory 51 (2005): `d I / d precision = mmse / 2`, with `I = -E log p(y) - log(2 pi e / precision) / 2` a row.
#[test]
fn information_grows_by_half_the_error() {
    /// Relative; points are the same on both sides of the difference.
    const INTEGRATION: f64 = 0.01;
    for precision in [2.0, 50.0, 1000.0] {
        let case = |precision: f64| {
            let spectrum = Spectrum::marchenko_pastur(0.6).unwrap();
            let prior = BernoulliGauss::new(0.2, 0.5, 1.0).unwrap();
            let (graph, [_, z], _) = linear(Ensemble::new(1000, spectrum), prior, precision, 0.3);
            let options = Options::default().with_max_sweeps(200);
            let evolution = Evolution::new(&graph, &options).with_points(16384).follow(z);
            let prediction = evolution.with_evidence().run().unwrap();
            let log = prediction.evidence().unwrap().per_row(z);
            (-log - 0.5 * (TAU * E / precision).ln(), prediction.estimate(z).mse())
        };
        const STEP: f64 = 0.02;
        let [below, here, above] =
            [1.0 - STEP, 1.0, 1.0 + STEP].map(|factor| case(precision * factor));
        let slope = (above.0 - below.0) / (2.0 * STEP * precision);
        println!("{precision}: information {} slope {slope} error {}", here.0, here.1);
        let gap = slope / (0.5 * here.1) - 1.0;
        assert!(gap.abs() < INTEGRATION, "{precision}: {slope} for {}", 0.5 * here.1);
        assert!(below.0 > 0.0 && here.0 > below.0 && above.0 > here.0, "{below:?} {above:?}");
    }
}

/// The mean over runs of the evidence a row, against its expectation.
fn simulated(
    name: &str,
    (expected, rows): (f64, usize),
    runs: usize,
    run: impl Fn(&mut Pcg64) -> f64,
) {
    /// Terms of the order of one over the rows, relative to one nat.
    const FINITE_SIZE: f64 = 5.0;
    const STANDARD_ERRORS: f64 = 3.5;
    let values: Vec<f64> =
        (0..runs).map(|seed| run(&mut Pcg64::seed_from_u64(seed as u64))).collect();
    let mean = values.iter().sum::<f64>() / runs as f64;
    let spread: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let error = (spread / (runs * (runs - 1)) as f64).sqrt();
    println!("{name}: {mean} +- {error} for {expected}");
    let band = STANDARD_ERRORS * error + FINITE_SIZE / rows as f64;
    assert!(band < 0.05, "{name}: a band of {band} shows nothing");
    assert!((mean - expected).abs() < band, "{name}: {mean} +- {error} for {expected}");
}

/// Evidence a row of a graph with data drawn from `truth`.
fn evidence(graph: Graph, y: FactorId, truth: &Graph, rows: usize, rng: &mut Pcg64) -> f64 {
    let draw = truth.draw(&mut Stratified(rng)).unwrap();
    let graph = graph.observe(y, draw.data(y).unwrap().clone()).unwrap();
    let options = Options::default().with_max_sweeps(100).with_damping(0.9);
    let mut inference = Inference::new(&graph, &options).unwrap();
    let prior = graph.factors().next().unwrap();
    if graph.factor(prior).estimation() == Estimation::Map {
        // Nothing known yet is all dead zone.
        let layout = graph.layout(graph.variable_at(prior, 0)).clone();
        let guess =
            Message::new(Rows::zeros(layout.rows(), 1), Precision::isotropic(layout, 1.0).unwrap());
        inference.start(prior, 0, guess.unwrap()).unwrap();
    }
    let solution = inference.run(&mut ()).unwrap();
    assert!(solution.report().status.is_usable(), "{}", solution.report());
    inference.evidence().unwrap().log() / rows as f64
}

#[test]
fn runs_find_the_evidence_that_is_expected() {
    const RUNS: usize = 8;
    let (n, m) = (1000, 700);
    let matrix = |m: usize, n: usize, power: f64, rng: &mut Pcg64| {
        Dense::new(gaussian_matrix(m, n, 1.0 / (n as f64 * power), rng)).unwrap()
    };
    let law = |m: usize, n: usize, power: f64| {
        let ratio = m as f64 / n as f64;
        let spectrum = Spectrum::marchenko_pastur(ratio).unwrap().scaled(ratio / power).unwrap();
        Ensemble::new(n, spectrum)
    };
    let options = Options::default().with_max_sweeps(100);

    // Matched, with a bias, and with a prior that is wrong: the evidence is less by the divergence of the two.
    let right = || BernoulliGauss::new(0.2, 0.0, 1.0).unwrap();
    let wrong = || BernoulliGauss::new(0.6, 0.0, 0.3).unwrap();
    let (graph, [_, z], _) = linear(law(m, n, 0.2), right(), 30.0, 0.5);
    let matched = predicted(&graph, &options).per_row(z);
    simulated("matched", (matched, m), RUNS, |rng| {
        let (graph, _, y) = linear(matrix(m, n, 0.2, rng), right(), 30.0, 0.5);
        let truth = linear(matrix_of(&graph), right(), 30.0, 0.5).0;
        evidence(graph, y, &truth, m, rng)
    });
    let (graph, [_, z], _) = linear(law(m, n, 0.2), wrong(), 30.0, 0.5);
    let prior = graph.factors().next().unwrap();
    let evolution = Evolution::new(&graph, &options).with_points(16384).with_law(prior, right());
    let mismatched = evolution.with_evidence().run().unwrap().evidence().unwrap().per_row(z);
    assert!(mismatched < matched - 0.02, "{mismatched} with the wrong prior, {matched}");
    simulated("wrong prior", (mismatched, m), RUNS, |rng| {
        let (graph, _, y) = linear(matrix(m, n, 0.2, rng), wrong(), 30.0, 0.5);
        let truth = linear(matrix_of(&graph), right(), 30.0, 0.5).0;
        evidence(graph, y, &truth, m, rng)
    });

    // A ReLU between two operators, and signs at the end.
    let (k, m) = (800, 1200);
    let (graph, v, _) = chain(law(k, n, 0.2), law(m, k, 0.5));
    let expected = predicted(&graph, &options).per_row(v);
    simulated("signs of a ReLU layer", (expected, m), RUNS, |rng| {
        let (first, second) = (matrix(k, n, 0.2, rng), matrix(m, k, 0.5, rng));
        let (graph, _, y) = chain(first.clone(), second.clone());
        let (truth, _, _) = chain(first, second);
        evidence(graph, y, &truth, m, rng)
    });

    // Maximisers: the objective, on the truth of another law.
    let m = 800;
    let (graph, [_, z], _) = linear(law(m, n, 0.2), L1::new(2.0).unwrap(), 30.0, 0.0);
    let prior = graph.factors().next().unwrap();
    let guess = MessageLaw::guess(1, 0.01, 1.0).unwrap();
    let evolution = Evolution::new(&graph, &options).with_points(16384).with_law(prior, right());
    let prediction = evolution.with_start(prior, 0, guess).with_evidence().run().unwrap();
    let expected = prediction.evidence().unwrap();
    assert_eq!(expected.estimation(), Estimation::Map);
    simulated("objective of L1", (expected.per_row(z), m), RUNS, |rng| {
        let (graph, _, y) = linear(matrix(m, n, 0.2, rng), L1::new(2.0).unwrap(), 30.0, 0.0);
        let truth = linear(matrix_of(&graph), right(), 30.0, 0.0).0;
        evidence(graph, y, &truth, m, rng)
    });
}

/// Prior - x - [A] - z - ReLU - u - [B] - v - signs.
fn chain(
    first: impl LinearOperator + 'static,
    second: impl LinearOperator + 'static,
) -> (Graph, VariableId, FactorId) {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", first.inputs(), 1);
    let z = builder.variable("z", first.outputs(), 1);
    let u = builder.variable("u", second.inputs(), 1);
    let v = builder.variable("v", second.outputs(), 1);
    builder.prior("prior", x, BernoulliGauss::new(0.2, 0.0, 1.0).unwrap());
    builder.linear("A", x, z, first);
    builder.channel("ReLU", z, u, PiecewiseLinear::relu());
    builder.linear("B", u, v, second);
    let y = builder.unobserved("y", v, Sign::probit(0.05).unwrap());
    (builder.build().unwrap(), v, y)
}

fn matrix_of(graph: &Graph) -> Dense {
    let any = graph.factors().map(|f| graph.factor(f) as &dyn core::any::Any);
    let linear = any.filter_map(|f| f.downcast_ref::<LinearFactor>()).next().unwrap();
    let matrix = linear.operator().dense().unwrap();
    Dense::new(matrix.to_owned()).unwrap()
}

/// Rows without data leave the messages of others open, but not the joint density.
#[test]
fn gaussian_models_with_gaps_have_the_density_of_the_data_that_are_there() {
    let (variance, noise) = (2.0, 0.3);
    let a = Rows::from_fn(3, 2, |i, j| [[1.0, 0.5], [-0.4, 2.0], [0.3, 0.7]][i][j]);
    let data = Rows::column(vec![0.8, f64::NAN, -0.2]);
    // Messages of a precision a row are exact about z; about x any will do.
    for structure in [Structure::shared(), Structure::per_row()] {
        let (likelihood, filled) = DiagonalNoise::with_gaps(1.0 / noise, &data).unwrap();
        let mut builder = GraphBuilder::new();
        let (x, z) = (builder.variable("x", 2, 1), builder.variable("z", 3, 1));
        builder.structure(x, structure.clone());
        builder.structure(z, Structure::per_row());
        builder.prior("prior", x, Gaussian::new(0.0, variance).unwrap());
        builder.factor("A", LinearFactor::new(Dense::from_rows(&a).unwrap()), &[x, z]);
        builder.likelihood("y", z, filled, likelihood);
        let graph = builder.build().unwrap();
        let mut run = Inference::new(&graph, &Options::default().with_tolerance(1e-13)).unwrap();
        let _ = run.run(&mut ()).unwrap();
        let found = run.evidence().unwrap().log();
        // Covariance of the two rows that are there.
        let dot = |i: usize, k: usize| variance * (a[(i, 0)] * a[(k, 0)] + a[(i, 1)] * a[(k, 1)]);
        let (p, q, r) = (dot(0, 0) + noise, dot(2, 2) + noise, dot(0, 2));
        let determinant = p * q - r * r;
        let (y0, y2) = (data[(0, 0)], data[(2, 0)]);
        let square = (q * y0 * y0 - 2.0 * r * y0 * y2 + p * y2 * y2) / determinant;
        let expected = -0.5 * (square + determinant.ln() + 2.0 * TAU.ln());
        println!("{structure:?}: {found} {expected}");
        assert!((found - expected).abs() < 1e-9 * expected.abs(), "{found} {expected}");
    }
}
