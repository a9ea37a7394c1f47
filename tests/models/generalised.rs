//! Generalised linear models: what is claimed of an error, and what is predicted of new data.

use fg_core::evolution::Spectrum;
use fg_core::factor::Stratified;
use fg_core::operator::{Dense, Ensemble};
use fg_core::{Options, Rows, Status};
use fg_denoisers::{BernoulliGauss, Gaussian, Logistic, Poisson, Sign};
use fg_models::metrics::{Quartiles, debiased_nmse_db, nmse_db};
use fg_models::synthetic::{add_noise, bernoulli_gauss, gaussian_matrix, gaussian_rows};
use fg_models::{Fit, generalised, linear, predicted_log_density};
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// Variance of the noise before a sign is taken, for `A x` of power one: 30 dB.
const NOISE: f64 = 1e-3;
const SPARSITY: f64 = 0.1;

/// A sparse signal from `m` signs of its projections.
fn signs((m, n): (usize, usize), seed: u64, options: &Options, length: bool) -> (Fit, Rows) {
    let rng = &mut Pcg64::seed_from_u64(seed);
    let operator = Dense::new(gaussian_matrix(m, n, 1.0 / n as f64, rng)).unwrap();
    let signal = bernoulli_gauss((n, 1), SPARSITY, 0.0, 1.0 / SPARSITY, rng);
    let noisy = add_noise(&linear::outputs(&operator, &signal), NOISE, rng);
    let labels = Rows::from_fn(m, 1, |i, _| 1f64.copysign(noisy[(i, 0)]));
    let prior = BernoulliGauss::new(SPARSITY, 0.0, 1.0 / SPARSITY).unwrap();
    let mut model = generalised::graph(operator, prior, Sign::probit(NOISE).unwrap(), labels);
    model.length = length;
    (model.fit(options, &mut ()).unwrap(), signal)
}

/// Sparse probit regression of 512 weights from 4096 labels at 30 dB: -28.4 dB after at most twenty sweeps once the length is
/// set aside, by an independent implementation. State evolution says -29.9 dB; single runs scatter by one.
#[test]
fn directions_are_found_from_signs() {
    let errors: Vec<f64> = (0..7)
        .map(|seed| {
            let options = Options::default().with_max_sweeps(20).with_tolerance(0.0);
            let (fit, signal) = signs((4096, 512), seed, &options, false);
            debiased_nmse_db(fit.estimate(), &signal)
        })
        .collect();
    let median = Quartiles::of(&errors).unwrap().median;
    assert!(median < -28.4 && median > -32.0, "{errors:?}");
}

fn claims(size: (usize, usize), seeds: u64) -> [f64; 3] {
    let options =
        Options::default().with_max_sweeps(2000).with_tolerance(1e-8).with_acceleration(5);
    let (mut error, mut claimed, mut rows) = (0.0, 0.0, 0.0);
    for seed in 0..seeds {
        let (fit, signal) = signs(size, seed, &options, true);
        assert_eq!(fit.report().status, Status::Converged, "{seed}: {}", fit.report());
        assert!(fit.length_deviation().is_some(), "{seed}");
        let power = signal.norm_squared();
        error += fit.estimate().mean_squared_error(&signal) * size.1 as f64 / power;
        claimed += fit.deviation().norm_squared() / power;
        rows += fit.solution().deviation(fit.unknowns()[0]).norm_squared() / power;
    }
    [error, claimed, rows].map(|sum| 10.0 * (sum / seeds as f64).log10())
}

/// Signs tell the length of a signal only next to zero. What the rows' error bars claim is almost ten decibels too little; with
/// the length, what is claimed is what is found. The length being one number a run, the mean square of twelve runs scatters
/// by a factor of 1.4, three times which is five decibels.
#[test]
fn error_bars_contain_the_length() {
    let [error, claimed, rows] = claims((2048, 256), 12);
    assert!((error - claimed).abs() < 5.0, "{error} dB, claimed {claimed}, by rows {rows}");
    assert!(error > rows + 5.0, "{error} dB, by rows {rows}");
}

/// As above at the published size; 40 runs have a standard error of 0.9 dB.
#[test]
#[ignore = "a minute"]
fn raw_errors_from_signs_are_as_claimed() {
    let [error, claimed, rows] = claims((4096, 512), 40);
    assert!((error - claimed).abs() < 1.0, "{error} dB, claimed {claimed}, by rows {rows}");
}

/// The log-loss on new labels is as predicted: within three standard errors of 0.007 nats, the scatter of single runs of 300
/// weights being 0.02.
#[test]
fn held_out_loss_is_predicted() {
    const SIZE: (usize, usize) = (600, 300);
    const HELD_OUT: usize = 4000;
    let prior = || BernoulliGauss::new(SPARSITY, 0.0, 16.0 / SPARSITY).unwrap();
    let mut losses = Vec::new();
    for seed in 0..8 {
        let rng = &mut Pcg64::seed_from_u64(seed);
        let variance = 1.0 / SIZE.1 as f64;
        let inputs = Dense::new(gaussian_matrix(SIZE.0, SIZE.1, variance, rng)).unwrap();
        let new = gaussian_rows(HELD_OUT, SIZE.1, variance, rng);
        let model = generalised::unobserved(inputs.clone(), 1, prior(), Logistic::new());
        let (x, likelihood) = (model.signal, model.likelihood);
        let draw = model.builder.build().unwrap().draw(&mut Stratified(rng)).unwrap();
        let (weights, labels) = (draw.variable(x), draw.data(likelihood).unwrap().clone());
        // New labels by the logistic inequality: y z > logistic noise.
        let odds = linear::outputs(&Dense::from_rows(&new).unwrap(), weights);
        let uniform = gaussian_rows(HELD_OUT, 1, 1.0, rng);
        let truth = Rows::from_fn(HELD_OUT, 1, |i, _| {
            let u = fg_core::special::cdf(uniform[(i, 0)]);
            if odds[(i, 0)] > (u / (1.0 - u)).ln() { 1.0 } else { -1.0 }
        });
        let options = Options::default().with_damping(0.8).with_max_sweeps(200);
        let model = generalised::graph(inputs, prior(), Logistic::new(), labels);
        let fit = model.fit(&options, &mut ()).unwrap();
        assert!(fit.report().status.is_usable(), "{seed}: {}", fit.report());
        let log = fit.predict(&new).unwrap().log_density(&Logistic::new(), &truth).unwrap();
        losses.push(-log.iter().sum::<f64>() / HELD_OUT as f64);
    }
    let spectrum = Spectrum::marchenko_pastur(2.0).unwrap().scaled(2.0).unwrap();
    let model =
        generalised::unobserved(Ensemble::new(SIZE.1, spectrum), 1, prior(), Logistic::new());
    let x = model.signal;
    let prediction = model.builder.build().unwrap().predict(&Options::default()).unwrap();
    let expected = -predicted_log_density(prediction.estimate(x), 1.0, &Logistic::new()).unwrap();
    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
    assert!((mean - expected).abs() < 0.021, "{mean} against {expected}: {losses:?}");
}

/// The score of a law that knows the truth is the entropy of labels, whatever the power of the inputs; that of one that knows
/// nothing is log 2.
#[test]
fn scores_of_extreme_laws() {
    let score = |ratio: f64, variance: f64| {
        let spectrum = Spectrum::marchenko_pastur(ratio).unwrap().scaled(ratio).unwrap();
        let prior = Gaussian::new(0.0, variance).unwrap();
        let model =
            generalised::unobserved(Ensemble::new(100, spectrum), 1, prior, Logistic::new());
        let x = model.signal;
        let prediction = model.builder.build().unwrap().predict(&Options::default()).unwrap();
        predicted_log_density(prediction.estimate(x), 1.0, &Logistic::new()).unwrap()
    };
    let nothing = score(1e-3, 1.0);
    assert!((nothing + 2f64.ln()).abs() < 1e-3, "{nothing}");
    // E log p(y | z) for z of variance 1, by quadrature over a grid.
    let (mut entropy, mut mass) = (0.0, 0.0);
    for k in -800..=800 {
        let z = f64::from(k) / 100.0;
        let (density, p) = ((-0.5 * z * z).exp(), 1.0 / (1.0 + (-z).exp()));
        entropy += density * (p * p.ln() + (1.0 - p) * (1.0 - p).ln());
        mass += density;
    }
    let known = score(1e4, 1.0);
    assert!((known - entropy / mass).abs() < 2e-3, "{known} against {}", entropy / mass);
}

/// Counts of logarithmic rates: errors as predicted, within 0.6 dB in the median of eight runs, three times the standard error
/// of a scatter of half a decibel.
#[test]
fn errors_from_counts_are_predicted() {
    const SIZE: (usize, usize) = (600, 400);
    let ratio = SIZE.0 as f64 / SIZE.1 as f64;
    let prior = || BernoulliGauss::new(SPARSITY, 0.0, 4.0 / SPARSITY).unwrap();
    let errors: Vec<f64> = (0..8)
        .map(|seed| {
            let rng = &mut Pcg64::seed_from_u64(seed);
            let matrix = gaussian_matrix(SIZE.0, SIZE.1, 1.0 / SIZE.1 as f64, rng);
            let operator = Dense::new(matrix).unwrap();
            let model = generalised::unobserved(operator, 1, prior(), Poisson::exponential());
            let graph = model.builder.build().unwrap();
            let draw = graph.draw(&mut Stratified(rng)).unwrap();
            let data = draw.data(model.likelihood).unwrap().clone();
            let options = Options::default().with_damping(0.8).with_max_sweeps(60);
            let solution = graph.observe(model.likelihood, data).unwrap().infer(&options).unwrap();
            assert!(solution.report().status.is_usable(), "{seed}: {}", solution.report());
            nmse_db(solution.mean(model.signal), draw.variable(model.signal))
        })
        .collect();
    let spectrum = Spectrum::marchenko_pastur(ratio).unwrap().scaled(ratio).unwrap();
    let operator = Ensemble::new(SIZE.1, spectrum);
    let model = generalised::unobserved(operator, 1, prior(), Poisson::exponential());
    let prediction = model.builder.build().unwrap().predict(&Options::default()).unwrap();
    let expected = prediction.estimate(model.signal).nmse_db();
    let median = Quartiles::of(&errors).unwrap().median;
    assert!((median - expected).abs() < 0.6, "{median} against {expected}: {errors:?}");
}
