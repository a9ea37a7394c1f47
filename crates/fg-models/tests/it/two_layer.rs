//! The two-layer model against closed forms, its own graph, and a teacher.

use fg_core::denoiser::Estimation;
use fg_core::faer::linalg::solvers::Solve;
use fg_core::faer::{Mat, Side};
use fg_core::{Options, Rows};
use fg_denoisers::likelihood::{Activation, TwoLayer};
use fg_models::metrics::normalised_test_error;
use fg_models::synthetic::{TeacherSettings, TwoLayerProblem, correlated_weights, gaussian_rows};
use fg_models::two_layer::{Start, with_constant_column};
use fg_models::{ModelError, TwoLayerModel};
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// A Gaussian model's mean is exact up to the rounding of a well-conditioned solve.
const EXACT: f64 = 1e-9;

/// The posterior mean of `X` in `Y = A X + noise` by the normal equations, slow and obvious.
pub(crate) fn ridge(a: &Rows, y: &Rows, prior_variance: &[f64], noise_variance: f64) -> Rows {
    let (m, n) = a.shape();
    let normal = Mat::from_fn(n, n, |i, j| {
        let gram: f64 = (0..m).map(|k| a[(k, i)] * a[(k, j)]).sum();
        gram / noise_variance + if i == j { prior_variance[i].recip() } else { 0.0 }
    });
    let right = Mat::from_fn(n, y.columns(), |i, j| {
        (0..m).map(|k| a[(k, i)] * y[(k, j)]).sum::<f64>() / noise_variance
    });
    let solution = normal.llt(Side::Lower).unwrap().solve(&right);
    Rows::from_fn(n, y.columns(), |i, j| solution[(i, j)])
}

fn linear_layer(weights: &[f64], noise_variance: f64) -> TwoLayer {
    let weights = Rows::column(weights.to_vec());
    TwoLayer::new(weights, vec![0.5], Activation::Linear, noise_variance.recip()).unwrap()
}

#[test]
fn linear_units_are_estimated_by_ridge_regression() {
    // y = X W1 w2 + b2: the sum u = W1 w2 is all the data sees, W1 = u w2' / |w2|^2.
    let (w2, noise) = ([1.0, -2.0, 0.5], 0.3);
    let square: f64 = w2.iter().map(|w| w * w).sum();
    let mut rng = Pcg64::seed_from_u64(1);
    let inputs = gaussian_rows(40, 6, 1.0, &mut rng);
    let targets = gaussian_rows(40, 1, 1.0, &mut rng);
    let centred = Rows::from_fn(40, 1, |i, _| targets[(i, 0)] - 0.5);
    for estimation in [Estimation::Mmse, Estimation::Map] {
        for bias in [false, true] {
            let mut model = TwoLayerModel::new(linear_layer(&w2, noise))
                .with_weight_variance(2.0)
                .with_estimation(estimation);
            let (mut operator, mut variances) = (inputs.clone(), vec![2.0 * square; 6]);
            if bias {
                model = model.with_bias(5.0);
                operator = with_constant_column(&inputs);
                variances.push(5.0 * square);
            }
            // Blocks of precisions need sweeps to agree with each other; one sweep is exact otherwise.
            let options = Options::default().with_max_sweeps(500).with_tolerance(1e-13);
            let fit = model.fit(&inputs, &targets, &options).unwrap();
            let sum = ridge(&operator, &centred, &variances, noise);
            let expected =
                Rows::from_fn(operator.columns(), 3, |i, j| sum[(i, 0)] * w2[j] / square);
            let error = fit.fit().estimate().mean_squared_error(&expected).sqrt();
            assert!(
                error < EXACT,
                "{estimation:?}, bias {bias}: off by {error:e}, {}",
                fit.fit().report()
            );
            let plugin = fit.predict(&inputs).unwrap();
            let averaged = fit.predict_averaged(&inputs).unwrap();
            let difference = plugin.mean_squared_error(&averaged).sqrt();
            assert!(difference < EXACT, "linear predictors differ by {difference:e}");
            assert_eq!(fit.input_weights().shape(), (6, 3));
            assert_eq!(fit.input_bias().iter().any(|&b| b != 0.0), bias);
        }
    }
}

#[test]
fn predictions_by_hand() {
    let layer = TwoLayer::new(Rows::column(vec![2.0, -1.0]), vec![0.25], Activation::Relu, 1.0);
    let model = TwoLayerModel::new(layer.unwrap()).with_bias(1.0);
    let weights = Rows::from_vec(2, 2, vec![1.0, 2.0, 0.5, -1.0]).unwrap();
    let inputs = Rows::column(vec![3.0, -1.0]);
    // Hidden rows (3 + 0.5, 6 - 1) and (-1 + 0.5, -2 - 1).
    let outputs = model.predict(&weights, &inputs).unwrap();
    assert_eq!(outputs.as_slice(), [7.0 - 5.0 + 0.25, 0.25]);
}

#[test]
fn weights_are_those_of_the_model_with_its_bias_or_without() {
    let layer = || TwoLayer::new(Rows::column(vec![2.0, -1.0]), vec![0.0], Activation::Relu, 1.0);
    let plain = TwoLayerModel::new(layer().unwrap());
    let biased = plain.clone().with_bias(1.0);
    let weights = |rows: usize| Rows::from_fn(rows, 2, |i, j| (i + j) as f64);
    let inputs = |columns: usize| Rows::from_fn(4, columns, |i, j| (i * j) as f64);
    // With a bias: it left out, or inputs one column long; without: inputs one column short; units that aren't there.
    let cases = [(&biased, weights(3), 3), (&biased, weights(4), 4), (&plain, weights(3), 2)];
    for (model, weights, columns) in cases {
        let error = model.predict(&weights, &inputs(columns)).unwrap_err();
        let (rows, needed) = (weights.rows(), columns + usize::from(model.has_bias()));
        let told = ["must be {needed} x 2", "got {rows} x 2"].map(|text| {
            text.replace("{needed}", &needed.to_string()).replace("{rows}", &rows.to_string())
        });
        assert!(told.iter().all(|text| error.to_string().contains(text)), "{error}");
        assert!(model.log_odds(&weights, &inputs(columns)).is_err());
    }
    let other = Rows::zeros(3, 1);
    let expected = ModelError::Weights { inputs: 3, bias: false, expected: (3, 2), found: (3, 1) };
    assert_eq!(plain.predict(&other, &inputs(3)), Err(expected));
    // A fit knows its weights.
    for model in [plain, biased] {
        let targets = Rows::column(vec![0.0, 1.0, -0.5, 2.0]);
        let fit = model.fit(&inputs(3), &targets, &TwoLayerModel::options()).unwrap();
        let same = model.predict(fit.fit().estimate(), &inputs(3)).unwrap();
        assert_eq!(fit.predict(&inputs(3)).unwrap(), same);
        for columns in [2, 4] {
            let expected = ModelError::Inputs { columns: 3, found: (4, columns) };
            assert_eq!(fit.predict(&inputs(columns)).unwrap_err(), expected);
            assert_eq!(fit.predict_averaged(&inputs(columns)).unwrap_err(), expected);
            assert_eq!(fit.log_odds(&inputs(columns)).unwrap_err(), expected);
        }
        let belief = fit.fit().belief();
        assert!(model.predict_averaged(belief, &inputs(4)).is_err());
        assert!(model.predict_averaged(belief, &inputs(2)).is_err());
        assert!(fit.fit().evidence().is_ok());
    }
}

#[test]
fn starts_that_do_not_fit_are_refused() {
    let problem = problem(4, true);
    let model = TwoLayerModel::new(problem.teacher.output.clone()).with_bias(1.0);
    let (inputs, targets) = (&problem.train.inputs, &problem.train.noisy);
    let (n, d) = problem.teacher.input_weights.shape();
    for share in [1.0, -0.1, f64::NAN] {
        let error = Start::correlated(&problem.teacher.input_weights, share, inputs).unwrap_err();
        assert!(error.to_string().starts_with("share must be at least 0 and below 1"), "{error}");
    }
    let error = Start::correlated(&Rows::zeros(n - 1, d), 0.5, inputs).unwrap_err();
    assert!(matches!(error, ModelError::Weights { .. }), "{error}");
    let without = Start::correlated(&Rows::zeros(n, d), 0.5, inputs).unwrap();
    let graph = model.graph(inputs, targets).unwrap();
    let error = graph.fit(&without, &TwoLayerModel::options(), &mut ()).unwrap_err();
    assert!(matches!(error, ModelError::Start(_)), "{error}");
}

fn problem(seed: u64, bias: bool) -> TwoLayerProblem {
    let mut settings = TeacherSettings::default();
    (settings.inputs, settings.hidden, settings.bias) = (20, 2, bias);
    (settings.train, settings.test) = (800, 400);
    TwoLayerProblem::draw(&settings, &mut Pcg64::seed_from_u64(seed)).unwrap()
}

#[test]
fn rectified_units_are_learned_with_and_without_bias() {
    for bias in [false, true] {
        for estimation in [Estimation::Mmse, Estimation::Map] {
            let problem = problem(3, bias);
            let mut model =
                TwoLayerModel::new(problem.teacher.output.clone()).with_estimation(estimation);
            if bias {
                model = model.with_bias(1.0);
            }
            let train = &problem.train;
            let fit = model.fit(&train.inputs, &train.noisy, &TwoLayerModel::options()).unwrap();
            let predictions = fit.predict_averaged(&problem.test.inputs).unwrap();
            let clean = &problem.test.clean;
            let error = normalised_test_error(&predictions, clean, problem.noise_variance);
            // 40 unknowns from 800 samples: an excess of 40 / 800 for a linear model; predicting nothing costs 10.
            assert!(error < 1.2, "{estimation:?}, bias {bias}: {error}, {}", fit.fit().report());
        }
    }
}

#[test]
fn a_start_changes_the_path_and_not_the_end() {
    let problem = problem(4, false);
    let model = TwoLayerModel::new(problem.teacher.output.clone());
    let train = &problem.train;
    let truth = &problem.teacher.input_weights;
    let start = correlated_weights(truth, 0.25, &mut Pcg64::seed_from_u64(5));
    let start = Start::correlated(&start, 0.25, &train.inputs).unwrap();
    let after = |start: &Start, sweeps| {
        let options = TwoLayerModel::options().with_max_sweeps(sweeps);
        let graph = model.graph(&train.inputs, &train.noisy).unwrap();
        graph.fit(start, &options, &mut ()).unwrap().input_weights()
    };
    let uninformed = Start::uninformed();
    let (early, late) = (
        after(&uninformed, 1).mean_squared_error(&after(&start, 1)),
        after(&uninformed, 100).mean_squared_error(&after(&start, 100)),
    );
    assert!(early > 1e-3, "after one sweep the estimates differ by {early:e}");
    // Both have converged to the default tolerance, far below.
    assert!(late < 1e-6, "after a hundred sweeps they differ by {late:e}");
}

#[test]
fn the_graph_can_be_changed_before_it_is_built() {
    let problem = problem(6, false);
    let model = TwoLayerModel::new(problem.teacher.output.clone());
    let mut parts = model.graph(&problem.train.inputs, &problem.train.noisy).unwrap();
    parts.builder.structure(parts.hidden, fg_core::Structure::per_row());
    let weights = parts.weights;
    let graph = parts.builder.build().unwrap();
    assert_eq!(graph.variable_name(weights), "W1");
    let solution = graph.infer(&TwoLayerModel::options().with_max_sweeps(3)).unwrap();
    assert_eq!(solution.mean(weights).shape(), (20, 2));
}

#[test]
fn what_does_not_fit_is_named() {
    let problem = problem(7, false);
    let model = TwoLayerModel::new(problem.teacher.output.clone());
    let options = TwoLayerModel::options();
    let inputs = &problem.train.inputs;
    let error = model.fit(inputs, &Rows::zeros(3, 1), &options).unwrap_err();
    assert!(error.to_string().contains("output"), "{error}");
    let mut bad = inputs.clone();
    bad[(5, 2)] = f64::NAN;
    let error = model.fit(&bad, &problem.train.noisy, &options).unwrap_err();
    assert!(error.to_string().contains("NaN"), "{error}");
    for variance in [0.0, f64::INFINITY, 1e-320] {
        let model = model.clone().with_weight_variance(variance).with_estimation(Estimation::Map);
        let error = model.graph(inputs, &problem.train.noisy).unwrap_err().to_string();
        assert!(error.starts_with("weight variance must be finite and above 0"), "{error}");
    }
    let negative = model.with_weight_variance(-1.0);
    let error = negative.fit(inputs, &problem.train.noisy, &options).unwrap_err();
    assert!(error.to_string().contains("variance"), "{error}");
}
