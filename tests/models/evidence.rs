//! Evidence: exact on Gaussian models with one operator, stationary at fixed points of any model, and the objective where
//! estimates are maximisers.

use fg_core::evidence::EvidenceError;
use fg_core::factor::{Breakdown, LinearFactor, PartitionError};
use fg_core::faer::linalg::solvers::Solve;
use fg_core::faer::{Mat, Scale};
use fg_core::operator::Dense;
use fg_core::special::{log_cdf, log_pdf};
use fg_core::{
    ColumnForm, Graph, GraphBuilder, Inference, Message, Options, Precision, Rows, Status,
    Structure,
};
use fg_denoisers::likelihood::{Activation, TwoLayer, TwoLayerMmse};
use fg_denoisers::{
    Awgn, BernoulliGauss, ColumnMixing, Gaussian, GaussianNoise, L1, Laplace, MixedColumns,
    PiecewiseLinear, Sign, Smooth,
};
use fg_models::linear;
use fg_models::synthetic::{gaussian_matrix, gaussian_rows};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

fn positive(d: usize, rng: &mut Pcg64) -> Mat<f64> {
    let g = gaussian_matrix(d, d, 1.0 / d as f64, rng);
    &g * g.transpose() + Mat::<f64>::identity(d, d) * Scale(0.25)
}

fn inverse(m: &Mat<f64>) -> Mat<f64> {
    m.partial_piv_lu().solve(Mat::<f64>::identity(m.nrows(), m.nrows()))
}

fn flat(m: &Mat<f64>) -> Vec<f64> {
    let symmetric = |i: usize, j: usize| 0.5 * (m[(i, j)] + m[(j, i)]);
    (0..m.nrows()).flat_map(|i| (0..m.ncols()).map(move |j| symmetric(i, j))).collect()
}

/// `log N(y; 0, covariance)`.
fn log_density(y: &Mat<f64>, covariance: &Mat<f64>) -> f64 {
    let solved = covariance.partial_piv_lu().solve(y);
    let square = (y.transpose() * &solved)[(0, 0)];
    let log = covariance.llt(fg_core::faer::Side::Lower).unwrap();
    let root = log.L();
    let determinant: f64 = (0..root.nrows()).map(|i| 2.0 * root[(i, i)].ln()).sum();
    -0.5 * (square + determinant + y.nrows() as f64 * core::f64::consts::TAU.ln())
}

fn evidence(graph: &Graph, options: &Options) -> Result<f64, EvidenceError> {
    let mut inference = Inference::new(graph, options).unwrap();
    let solution = inference.run(&mut ()).unwrap();
    assert_eq!(solution.report().status, Status::Converged, "{}", solution.report());
    inference.evidence().map(|e| e.log())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// Rows of Z without noise are conditions, as is a bias; noise and prior have any covariance, messages any rows.
    #[test]
    fn evidence_with_one_operator_is_that_of_the_dense_joint(
        seed in any::<u64>(), d in 1usize..=3, m in 1usize..6, n in 1usize..6,
        (rows, noisy, biased) in (0usize..3, any::<bool>(), any::<bool>()),
    ) {
        let rng = &mut Pcg64::seed_from_u64(seed);
        let noisy = noisy || m > n;
        let (prior, noise) = (positive(d, rng), positive(d, rng));
        let a = gaussian_matrix(m, n, 1.0, rng);
        let (y, bias) = (gaussian_rows(m, d, 2.0, rng), gaussian_rows(1, d, 1.0, rng));
        let structure = |count: usize| match rows {
            1 if count > 1 => Structure::blocks([1, count - 1]),
            0 | 1 => Structure::shared(),
            _ => Structure::per_row(),
        }.with_columns(ColumnForm::Full);
        let mut builder = GraphBuilder::new();
        let x = builder.variable("x", n, d);
        builder.structure(x, structure(n));
        let z = builder.variable("z", m, d);
        builder.structure(z, structure(m));
        builder.prior("prior", x, Gaussian::with_covariance(&vec![0.0; d], &flat(&prior)).unwrap());
        let linear = LinearFactor::new(Dense::new(a.clone()).unwrap());
        let linear = if biased { linear.with_bias(bias.row(0).to_vec()) } else { linear };
        builder.factor("A", linear, &[x, z]);
        let likelihood = if noisy {
            Awgn::from_precision_matrix(d, &flat(&inverse(&noise))).unwrap()
        } else {
            Awgn::from_variance(0.0).unwrap()
        };
        builder.likelihood("y", z, y.clone(), likelihood);
        let found = evidence(&builder.build().unwrap(), &Options::default()).unwrap();
        let spread = &a * a.transpose();
        let covariance = Mat::from_fn(m * d, m * d, |r, s| {
            let own = if noisy && r / d == s / d { noise[(r % d, s % d)] } else { 0.0 };
            spread[(r / d, s / d)] * prior[(r % d, s % d)] + own
        });
        let shifted = Mat::from_fn(m * d, 1, |r, _| {
            y[(r / d, r % d)] - if biased { bias[(0, r % d)] } else { 0.0 }
        });
        let expected = log_density(&shifted, &covariance);
        // Square operators without noise can be of any condition.
        let squares = (y.norm_squared() + 1.0) * flat(&inverse(&covariance)).iter().map(|v| v.abs()).sum::<f64>();
        let tolerance = 1e-11 * (1.0 + squares);
        prop_assert!((found - expected).abs() < tolerance, "{found} against {expected}");
    }
}

#[test]
fn a_noise_channel_adds_its_covariance() {
    let rng = &mut Pcg64::seed_from_u64(1);
    let (d, rows) = (2, 5);
    let [prior, blur, noise] = [(); 3].map(|()| positive(d, rng));
    let mix = gaussian_rows(d, d, 1.0, rng);
    let y = gaussian_rows(rows, d, 2.0, rng);
    let mut builder = GraphBuilder::new();
    let [x, u, v] = ["x", "u", "v"].map(|name| builder.variable(name, rows, d));
    builder.prior("prior", x, Gaussian::with_covariance(&[0.0; 2], &flat(&prior)).unwrap());
    builder.channel("blur", x, u, GaussianNoise::with_covariance(d, &flat(&blur)).unwrap());
    builder.channel("mix", u, v, ColumnMixing::new(mix.clone()).unwrap());
    let awgn = Awgn::from_precision_matrix(d, &flat(&inverse(&noise))).unwrap();
    builder.likelihood("y", v, y.clone(), awgn);
    let found = evidence(&builder.build().unwrap(), &Options::default()).unwrap();
    let mix = Mat::from_fn(d, d, |i, j| mix[(i, j)]);
    let covariance = mix.transpose() * (&prior + &blur) * &mix + &noise;
    let row = |i: usize| log_density(&Mat::from_fn(d, 1, |j, _| y[(i, j)]), &covariance);
    let expected: f64 = (0..rows).map(row).sum();
    assert!((found - expected).abs() < 1e-11 * expected.abs(), "{found} against {expected}");
}

#[test]
fn rows_of_one_factor_that_isnt_gaussian_are_exact() {
    // Probit: the probability of a sign of x + noise, x ~ N(0, 4).
    let labels = Rows::column(vec![1.0, -1.0, 1.0]);
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", 3, 1);
    builder.structure(x, Structure::per_row());
    builder.prior("prior", x, Gaussian::new(1.0, 4.0).unwrap());
    builder.likelihood("sign", x, labels, Sign::probit(0.5).unwrap());
    let found = evidence(&builder.build().unwrap(), &Options::default()).unwrap();
    let expected: f64 = [1.0, -1.0, 1.0].map(|s| log_cdf(s / 4.5_f64.sqrt())).iter().sum();
    assert!((found - expected).abs() < 1e-12, "{found} against {expected}");

    // Bernoulli-Gauss seen with noise: a mixture of two normal densities.
    let y = [0.3, -2.0, 0.0];
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", 3, 1);
    builder.prior("prior", x, BernoulliGauss::new(0.2, 0.5, 2.0).unwrap());
    builder.likelihood("y", x, Rows::column(y.to_vec()), Awgn::from_variance(0.1).unwrap());
    let found = evidence(&builder.build().unwrap(), &Options::default()).unwrap();
    let normal = |x: f64, variance: f64| (log_pdf(x / variance.sqrt()) - 0.5 * variance.ln()).exp();
    let row = |y: f64| (0.8 * normal(y, 0.1) + 0.2 * normal(y - 0.5, 2.1)).ln();
    let expected: f64 = y.map(row).iter().sum();
    assert!((found - expected).abs() < 1e-12, "{found} against {expected}");
}

/// Differences of the fourth order, relative to the sizes of direction and estimate.
const DIFFERENCE: f64 = 1e-6;

/// Row integrals by a few hundred points: with 16384 of them 2e-3.
const SAMPLED: f64 = 2e-2;

/// A chain `prior - x - [A] - z - likelihood`, and one with a channel and a second operator in between.
fn models(rng: &mut Pcg64) -> Vec<(&'static str, Graph, f64)> {
    let operator = |m: usize, n: usize, rng: &mut Pcg64| {
        Dense::new(gaussian_matrix(m, n, 1.0 / n as f64, rng)).unwrap()
    };
    let mut all = Vec::new();
    let signs = |m: usize, rng: &mut Pcg64| {
        Rows::from_fn(m, 1, |_, _| if rng.random::<bool>() { 1.0 } else { -1.0 })
    };

    let mut builder = GraphBuilder::new();
    let (x, z) = (builder.variable("x", 30, 1), builder.variable("z", 40, 1));
    builder.prior("prior", x, BernoulliGauss::new(0.3, 0.0, 3.0).unwrap());
    builder.linear("A", x, z, operator(40, 30, rng));
    builder.likelihood("sign", z, signs(40, rng), Sign::probit(0.1).unwrap());
    all.push(("probit", builder.build().unwrap(), DIFFERENCE));

    for (name, channel) in [("relu", 0), ("tanh", 1)] {
        let mut builder = GraphBuilder::new();
        let x = builder.variable("x", 20, 1);
        let (z, u) = (builder.variable("z", 30, 1), builder.variable("u", 30, 1));
        let v = builder.variable("v", 25, 1);
        builder.prior("prior", x, Laplace::new(1.0).unwrap());
        builder.linear("A", x, z, operator(30, 20, rng));
        if channel == 0 {
            builder.channel(name, z, u, PiecewiseLinear::relu());
        } else {
            builder.channel(name, z, u, Smooth::tanh().with_noise(0.1).unwrap());
        }
        builder.linear("B", u, v, operator(25, 30, rng));
        let y = gaussian_rows(25, 1, 0.5, rng);
        builder.likelihood("y", v, y, Awgn::from_variance(0.2).unwrap());
        all.push((name, builder.build().unwrap(), DIFFERENCE));
    }

    let mut builder = GraphBuilder::new();
    let (x, z) = (builder.variable("x", 12, 2), builder.variable("z", 40, 2));
    builder.prior(
        "prior",
        x,
        Gaussian::with_covariance(&[0.3, -0.3], &[1.0, 0.4, 0.4, 0.8]).unwrap(),
    );
    builder.linear("A", x, z, operator(40, 12, rng));
    let y = gaussian_rows(40, 1, 1.0, rng);
    builder.likelihood("y", z, y, MixedColumns::new(&[0.5, 0.5], 2.0).unwrap());
    all.push(("mixed columns", builder.build().unwrap(), DIFFERENCE));

    let mut builder = GraphBuilder::new();
    let (x, z) = (builder.variable("w", 10, 2), builder.variable("z", 60, 2));
    builder.prior("prior", x, Gaussian::new(0.0, 1.0).unwrap());
    let operator = operator(60, 10, rng);
    let weights = Rows::from_fn(2, 1, |i, _| [1.0, -0.6][i]);
    let network = TwoLayer::new(weights, vec![0.1], Activation::Tanh, 4.0).unwrap();
    let hidden = linear::outputs(&operator, &gaussian_rows(10, 2, 1.0, rng));
    let mut y = gaussian_rows(60, 1, 0.25, rng);
    for i in 0..60 {
        let mut clean = [0.0];
        network.predict(hidden.row(i), &mut clean);
        y[(i, 0)] += clean[0];
    }
    builder.linear("X", x, z, operator);
    builder.likelihood("y", z, y, TwoLayerMmse::new(network));
    all.push(("two-layer", builder.build().unwrap(), SAMPLED));
    all
}

/// At a fixed point messages can move without moving the sum, so that its derivative by a field is the field's own: the
/// posterior mean. Every term of the sum takes part.
#[test]
fn evidence_is_stationary_at_fixed_points() {
    /// Fourth-order differences by fields of this many nats a unit of the estimate.
    const FIELD: f64 = 0.02;
    let rng = &mut Pcg64::seed_from_u64(3);
    for (name, graph, accuracy) in models(rng) {
        let x = graph.variables().next().unwrap();
        let layout = graph.layout(x).clone();
        let direction = gaussian_rows(layout.rows(), layout.columns(), 1.0, rng);
        let options =
            Options::default().with_tolerance(1e-12).with_max_sweeps(3000).with_damping(0.7);
        let mut inference = Inference::new(&graph, &options).unwrap();
        let before = inference.run(&mut ()).unwrap();
        let mean = before.mean(x).clone();
        println!(
            "{name}: {} {}",
            before.report(),
            before.report().history.last().unwrap().edges.iter().map(|e| e.dropped).sum::<usize>()
        );
        let mut at = |t: f64| {
            let mut field = direction.clone();
            field.as_mut_slice().iter_mut().for_each(|h| *h *= t * FIELD);
            inference.set_field(x, &field).unwrap();
            let solution = inference.run(&mut ()).unwrap();
            assert_eq!(solution.report().status, Status::Converged, "{name} {}", solution.report());
            inference.evidence().unwrap().log()
        };
        let slope = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * FIELD);
        let expected: f64 =
            direction.as_slice().iter().zip(mean.as_slice()).map(|(h, x)| h * x).sum();
        let scale = (direction.norm_squared() * mean.norm_squared()).sqrt();
        println!("{name}: {slope} {expected}");
        assert!((slope - expected).abs() < accuracy * scale, "{name}: {slope} against {expected}");
    }
}

/// Maximisers: the sum is the logarithm of the joint density of data and estimate, normalised or not.
#[test]
fn with_maximisers_it_is_the_objective() {
    let rng = &mut Pcg64::seed_from_u64(4);
    let (m, n, weight, variance) = (20, 30, 0.7, 0.3);
    let a = gaussian_matrix(m, n, 1.0 / n as f64, rng);
    let y = gaussian_rows(m, 1, 1.0, rng);
    let sparse = {
        let mut builder = GraphBuilder::new();
        let (x, z) = (builder.variable("x", n, 1), builder.variable("z", m, 1));
        builder.prior("prior", x, L1::new(weight).unwrap());
        builder.linear("A", x, z, Dense::new(a.clone()).unwrap());
        builder.likelihood("y", z, y.clone(), Awgn::from_variance(variance).unwrap());
        builder.build().unwrap()
    };
    let options = Options::default().with_tolerance(1e-12).with_max_sweeps(5000).with_damping(0.8);
    let mut inference = Inference::new(&sparse, &options).unwrap();
    let x = sparse.variables().next().unwrap();
    // Nothing known yet is all dead zone.
    let guess = Precision::isotropic(sparse.layout(x).clone(), 1.0).unwrap();
    let guess = Message::new(Rows::zeros(n, 1), guess).unwrap();
    inference.start(sparse.factors().next().unwrap(), 0, guess).unwrap();
    let estimate = inference.run(&mut ()).unwrap().mean(x).clone();
    let found = inference.evidence().unwrap();
    let fit: f64 = (0..m)
        .map(|i| {
            let seen: f64 = (0..n).map(|j| a[(i, j)] * estimate[(j, 0)]).sum();
            log_pdf((y[(i, 0)] - seen) / variance.sqrt()) - 0.5 * variance.ln()
        })
        .sum();
    let expected = fit - weight * estimate.as_slice().iter().map(|x| x.abs()).sum::<f64>();
    assert!((found.log() - expected).abs() < 1e-8 * expected.abs(), "{found:?}, not {expected}");

    // A posterior mean has no place in a sum of maxima, unless it is Gaussian.
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", 3, 1);
    builder.prior("mean", x, BernoulliGauss::new(0.2, 0.0, 1.0).unwrap());
    let losses = Rows::column(vec![1.0; 3]);
    builder.likelihood("maximum", x, losses, fg_denoisers::Logistic::new().maximised());
    let mixed = builder.build().unwrap();
    let mut inference = Inference::new(&mixed, &Options::default()).unwrap();
    let _ = inference.run(&mut ()).unwrap();
    let error = inference.evidence().unwrap_err();
    let reason = PartitionError::Estimation;
    assert_eq!(error, EvidenceError::Factor { factor: "mean".to_owned(), reason });
}

#[test]
fn points_have_no_density() {
    // Two factors that both fix x, and a constraint that repeats another.
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", 2, 1);
    builder.prior("prior", x, Gaussian::new(1.0, 0.0).unwrap());
    builder.likelihood("y", x, Rows::column(vec![1.0; 2]), Awgn::from_variance(0.0).unwrap());
    let graph = builder.build().unwrap();
    let error = evidence(&graph, &Options::default()).unwrap_err();
    assert_eq!(error, EvidenceError::DoublyKnown { variable: "x".to_owned(), row: 0 });
    assert_eq!(error.to_string(), "evidence: row 0 of variable `x` is fixed by two factors");

    for structure in [Structure::shared(), Structure::per_row()] {
        let mut builder = GraphBuilder::new();
        let x = builder.variable("x", 2, 1);
        builder.structure(x, structure.clone());
        let z = builder.variable("z", 2, 1);
        builder.structure(z, structure);
        builder.prior("prior", x, Gaussian::new(0.0, 1.0).unwrap());
        let twice = Dense::from_rows(&Rows::from_fn(2, 2, |_, j| [1.0, 2.0][j])).unwrap();
        builder.linear("A", x, z, twice);
        builder.likelihood("y", z, Rows::column(vec![1.0; 2]), Awgn::from_variance(0.0).unwrap());
        let graph = builder.build().unwrap();
        let error = evidence(&graph, &Options::default()).unwrap_err();
        let reason = PartitionError::Breakdown(Breakdown::KnownCavity { port: 1 });
        assert_eq!(error, EvidenceError::Factor { factor: "A".to_owned(), reason });
    }
}
