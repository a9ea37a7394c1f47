//! Fits from the data alone: what is learned beside the unknown, against what the data were drawn with.

use fg_core::denoiser::Likelihood;
use fg_core::operator::Dense;
use fg_core::{Options, Rows};
use fg_denoisers::likelihood::Activation;
use fg_denoisers::{
    Awgn, BernoulliGauss, Discrete, Gaussian, Logistic, PiecewiseLinear, Poisson, Rectified, Tuned,
};
use fg_models::metrics::{nmse_db, normalised_test_error};
use fg_models::synthetic::{
    TeacherSettings, TwoLayerProblem, add_noise, exactly_sparse, gaussian_matrix, gaussian_rows,
};
use fg_models::{MultiLayer, TwoLayerFit, TwoLayerModel, generalised, linear, low_rank};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Decibels by which learning may be worse than knowing.
const WORSE: f64 = 0.5;

fn mean_square(values: &Rows) -> f64 {
    values.norm_squared() / values.as_slice().len() as f64
}

fn assert_near(name: &str, found: f64, expected: f64, band: f64) {
    assert!((found / expected - 1.0).abs() < band, "{name}: {found} for {expected}");
}

/// Sparsity and variance of 40 non-zero entries of 400, seen through `likelihood` 800 times, with what else is learned;
/// `learning` is the same likelihood, of which less is known.
fn learn_sparse(
    seed: u64,
    likelihood: impl Likelihood + 'static,
    learning: impl Likelihood + 'static,
) -> Vec<f64> {
    /// Entries below the noise, up to a fifth, don't count as such: fewer and larger ones are then as likely.
    const BAND: f64 = 0.25;
    let rng = &mut Pcg64::seed_from_u64(seed);
    let (n, m) = (400, 800);
    let operator = Dense::new(gaussian_matrix(m, n, 1.0 / 40.0, rng)).unwrap();
    let signal = exactly_sparse((n, 1), 0.1, 0.0, 2.0, rng);
    let clean = linear::outputs(&operator, &signal);
    let mut data = Rows::zeros(m, 1);
    for i in 0..m {
        let uniforms: Vec<f64> =
            (0..likelihood.uniforms(1).unwrap()).map(|_| rng.random()).collect();
        likelihood.draw(clean.row(i), &uniforms, data.row_mut(i));
    }
    let options = Options::default().with_damping(0.8).with_max_sweeps(600);
    let prior = BernoulliGauss::new(0.1, 0.0, 2.0).unwrap();
    let known = generalised::graph(operator.clone(), prior, likelihood, data.clone());
    let known = known.fit(&options, &mut ()).unwrap();
    let learned = generalised::sparse(operator, learning, data).unwrap();
    let learned = learned.fit(&options, &mut ()).unwrap();
    let errors = [&known, &learned].map(|fit| nmse_db(fit.estimate(), &signal));
    assert!(errors[1] < errors[0] + WORSE, "{seed}: {errors:?}, {}", learned.report());
    let evidence = [&known, &learned].map(|fit| fit.evidence().unwrap().log());
    assert!(evidence[1] > evidence[0], "{seed}: what is learned explains more, {evidence:?}");
    let parameters = learned.solution().parameters();
    let values: Vec<f64> = parameters.iter().map(|(_, p)| p.values[0]).collect();
    assert_near("sparsity", values[0], 0.1, BAND);
    assert_near("variance", values[1], 10.0 * mean_square(&signal), BAND);
    values[2..].to_vec()
}

#[test]
fn a_sparse_signal_behind_counts_teaches_its_prior() {
    for seed in [1, 3] {
        let other = learn_sparse(seed, Poisson::exponential(), Poisson::exponential());
        assert!(other.is_empty(), "{other:?}");
    }
}

#[test]
fn a_sparse_signal_behind_labels_teaches_its_prior() {
    for seed in [1, 3] {
        let other = learn_sparse(seed, Logistic::new(), Logistic::new());
        assert!(other.is_empty(), "{other:?}");
    }
}

#[test]
fn a_sparse_signal_behind_rectified_data_teaches_its_prior_and_the_noise() {
    const NOISE: f64 = 0.01;
    for seed in [0, 1] {
        let unknown = Tuned::new("noise variance", 0.5, Rectified::relu).unwrap();
        let other = learn_sparse(seed, Rectified::relu(NOISE).unwrap(), unknown);
        // Three standard errors of a variance from the 400 rows that aren't cut off.
        assert_near("noise", other[0], NOISE, 0.21);
    }
}

#[test]
fn a_chain_of_layers_learns_its_noise() {
    const SIZES: [usize; 3] = [20, 200, 150];
    for seed in 0..3 {
        let rng = &mut Pcg64::seed_from_u64(seed);
        let mut matrix = |m: usize, n: usize, variance| gaussian_matrix(m, n, variance, &mut *rng);
        let a = Dense::new(matrix(SIZES[1], SIZES[0], 1.0 / 20.0)).unwrap();
        let b = Dense::new(matrix(SIZES[2], SIZES[1], 1.0 / 100.0)).unwrap();
        let unknown = gaussian_rows(SIZES[0], 1, 1.0, rng);
        let mut hidden = linear::outputs(&a, &unknown);
        hidden.as_mut_slice().iter_mut().for_each(|z| *z = z.max(0.0));
        let clean = linear::outputs(&b, &hidden);
        let data = add_noise(&clean, 0.01, rng);
        let noise = data.mean_squared_error(&clean);
        let chain = || {
            MultiLayer::new(SIZES[0], 1, Gaussian::new(0.0, 1.0).unwrap())
                .linear("A", a.clone())
                .channel("ReLU", PiecewiseLinear::relu())
                .linear("B", b.clone())
        };
        let options = Options::default().with_damping(0.9);
        let known = chain().observed(Awgn::from_variance(0.01).unwrap(), data.clone());
        let known = known.fit(&options, &mut ()).unwrap();
        let learned = chain().observed_in_noise(data).unwrap();
        let fit = learned.fit(&options, &mut ()).unwrap();
        let errors = [&known, &fit].map(|fit| nmse_db(fit.estimate(), &unknown));
        assert!(errors[1] < errors[0] + WORSE, "{seed}: {errors:?}, {}", fit.report());
        let found = fit.solution().parameters()[0].1.values[0];
        // Twenty unknowns fit as much of 150 rows: four deviations, sqrt(2 20) / 150 each.
        assert_near("noise", found, noise, 0.17);
    }
}

#[test]
fn a_two_layer_network_learns_its_noise_and_the_size_of_its_weights() {
    let (inputs, hidden, train) = (20, 2, 600);
    for (seed, activation) in [(0, Activation::Relu), (1, Activation::Tanh)] {
        let rng = &mut Pcg64::seed_from_u64(seed);
        let mut settings = TeacherSettings::default();
        (settings.inputs, settings.hidden, settings.train) = (inputs, hidden, train);
        settings.activation = activation;
        let problem = TwoLayerProblem::draw(&settings, rng).unwrap();
        let (x, y) = (&problem.train.inputs, &problem.train.noisy);
        let output = problem.teacher.output.clone();
        let error = |fit: &TwoLayerFit| {
            let predicted = fit.predict_averaged(&problem.test.inputs).unwrap();
            normalised_test_error(&predicted, &problem.test.clean, problem.noise_variance)
        };
        let options = TwoLayerModel::options();
        let known = TwoLayerModel::new(output.clone());
        let knowing = error(&known.fit(x, y, &options).unwrap());
        let (weights, bias) = (output.output_weights().clone(), output.bias().to_vec());
        let learned = TwoLayerModel::learning(weights, bias, activation, y).unwrap();
        let fit = learned.fit(x, y, &options).unwrap();
        let learning = error(&fit);
        // Excess errors over the best possible, which is one.
        assert!(learning - 1.0 < 1.2 * (knowing - 1.0), "{activation:?}: {learning}, {knowing}");
        // Forty weights fit as much of 600 rows: four deviations, sqrt(2 40) / 600 each.
        let noise = y.mean_squared_error(&problem.train.clean);
        assert_near("noise", fit.noise_variance().unwrap(), noise, 0.06);
        // Of what 40 weights are their variance is known to sqrt(2 / 40), less well where single ones aren't.
        let size = fit.fit().solution().parameters()[0].1.values[0];
        assert_near("weights", size, mean_square(&problem.teacher.input_weights), 0.5);
    }
}

/// Signs in a matrix of noise at a signal-to-noise ratio of 4: `Delta = n / 4`, to which the signal adds one.
#[test]
fn low_rank_data_show_their_noise() {
    let n = 500;
    let variance = n as f64 / 4.0;
    let model = low_rank::unobserved_symmetric(n, 1, Discrete::binary(), variance).unwrap();
    let graph = model.builder.build().unwrap();
    let draw = graph.draw(&mut fg_core::factor::Stratified(&mut Pcg64::seed_from_u64(3))).unwrap();
    let data = draw.data(model.data).unwrap();
    // The signal's share, 4 / n, and four standard errors, each 2 / n.
    assert_near(
        "noise",
        low_rank::noise_variance_symmetric(data).unwrap(),
        variance,
        12.0 / n as f64,
    );
}
