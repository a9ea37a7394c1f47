//! The linear inverse problem against closed forms and its own claims.

use fg_core::denoiser::Pointwise;
use fg_core::operator::{Dense, LinearOperator};
use fg_core::{Options, Rows, Status};
use fg_denoisers::L1;
use fg_denoisers::prior::{BernoulliGauss, Gaussian};
use fg_models::generalised::Start;
use fg_models::linear;
use fg_models::metrics::nmse_db;
use fg_models::synthetic::{
    add_noise, bernoulli_gauss, gaussian_matrix, gaussian_rows, geometric_spectrum, noise_variance,
    rotationally_invariant,
};
use rand::SeedableRng;
use rand_pcg::Pcg64;

use crate::two_layer::ridge;

/// A Gaussian model's mean is exact up to the rounding of a well-conditioned solve.
const EXACT: f64 = 1e-10;

#[test]
fn a_gaussian_signal_is_estimated_by_ridge_regression() {
    let mut rng = Pcg64::seed_from_u64(1);
    for (m, n) in [(12, 30), (30, 12), (15, 15)] {
        let a = gaussian_rows(m, n, 1.0, &mut rng);
        let y = gaussian_rows(m, 2, 1.0, &mut rng);
        let prior = Gaussian::new(0.0, 2.0).unwrap();
        let model = linear::graph(Dense::from_rows(&a).unwrap(), y.clone(), prior, 4.0).unwrap();
        let fit = model.fit(&Options::default(), &mut ()).unwrap();
        let expected = ridge(&a, &y, &vec![2.0; n], 0.25);
        let error = fit.estimate().mean_squared_error(&expected).sqrt();
        assert!(error < EXACT, "{m} x {n}: off by {error:e}");
    }
}

#[test]
fn a_sparse_signal_is_found_and_the_deviation_is_honest() {
    let mut rng = Pcg64::seed_from_u64(2);
    let spectrum = geometric_spectrum(256, 10.0).unwrap();
    let operator =
        Dense::new(rotationally_invariant(256, 512, &spectrum, &mut rng).unwrap()).unwrap();
    let signal = bernoulli_gauss((512, 1), 0.1, 0.0, 1.0, &mut rng);
    let clean = linear::outputs(&operator, &signal);
    let variance = noise_variance(&clean, 40.0);
    let observations = add_noise(&clean, variance, &mut rng);
    let prior = BernoulliGauss::new(0.1, 0.0, 1.0).unwrap();
    let model = linear::graph(operator, observations, prior, variance.recip()).unwrap();
    let fit = model.fit(&Options::default(), &mut ()).unwrap();
    // State evolution predicts -44.7 dB; a run of this size scatters by 1.5 dB, so this is more than 3 deviations.
    let error = nmse_db(fit.estimate(), &signal);
    assert!(error < -39.0, "NMSE {error} dB");
    let claimed = fit.deviation().norm_squared() / 512.0;
    let actual = fit.estimate().mean_squared_error(&signal);
    // The claimed variance is of the order of the error; a factor of 3 is beyond the scatter of 50 active entries.
    assert!(
        claimed < 3.0 * actual && actual < 3.0 * claimed,
        "claimed {claimed:e}, actual {actual:e}"
    );
}

/// A bare estimator has no variance of its own and the operator leaves half of the signal open: the run must find a
/// start by itself, and end where the subgradient of `noise |y - A x|^2 / 2 + l |x|_1` vanishes.
#[test]
fn a_penalty_on_a_wide_operator_needs_no_start_from_the_user() {
    let mut rng = Pcg64::seed_from_u64(3);
    let (m, n, weight, precision) = (100, 200, 20.0, 1e4);
    let operator = Dense::new(gaussian_matrix(m, n, 1.0 / m as f64, &mut rng)).unwrap();
    let signal = bernoulli_gauss((n, 1), 0.1, 0.0, 1.0, &mut rng);
    for scale in [1.0, 1e-3, 1e4] {
        // The same problem in other units has the same answer in these units.
        let clean = linear::outputs(&operator, &signal);
        let observations = Rows::from_fn(m, 1, |i, _| scale * clean[(i, 0)]);
        let (weight, precision) = (weight / scale, precision / (scale * scale));
        let penalty = L1::new(weight).unwrap();
        let model = linear::graph(operator.clone(), observations.clone(), penalty, precision);
        let options = Options::default().with_max_sweeps(500).with_tolerance(1e-10);
        let fit = model.unwrap().fit(&options, &mut ()).unwrap();
        assert_eq!(fit.solution().report().status, Status::Converged, "scale {scale}");
        let image = linear::outputs(&operator, fit.estimate());
        let misfit: Vec<f64> =
            (0..m).map(|i| precision * (observations[(i, 0)] - image[(i, 0)])).collect();
        let mut gradient = vec![0.0; n];
        operator.apply_adjoint(&misfit, &mut gradient, 1);
        for (i, g) in gradient.iter().enumerate() {
            let x = fit.estimate()[(i, 0)];
            // The run stops within 1e-10 of its own fixed point; the gradient multiplies by |A'A| precision / weight.
            let expected = if x == 0.0 { g.clamp(-weight, weight) } else { weight * x.signum() };
            assert!((g - expected).abs() < 1e-4 * weight, "scale {scale}, entry {i}: {x} {g}");
        }
    }
}

#[test]
fn closures_start_by_themselves_and_starts_can_be_chosen() {
    let mut rng = Pcg64::seed_from_u64(4);
    let operator = Dense::new(gaussian_matrix(100, 200, 0.01, &mut rng)).unwrap();
    let signal = bernoulli_gauss((200, 1), 0.05, 0.0, 1.0, &mut rng);
    let observations = linear::outputs(&operator, &signal);
    let soft = |r: f64, gamma: f64| {
        let threshold = 1.4 / gamma.sqrt();
        let kept = r.abs() > threshold;
        (r.signum() * (r.abs() - threshold).max(0.0), f64::from(u8::from(kept)))
    };
    let model = |start| {
        let prior = Pointwise::new("soft threshold", soft);
        let model = linear::graph(operator.clone(), observations.clone(), prior, 1e4).unwrap();
        model.with_start(start).fit(&Options::default(), &mut ())
    };
    for start in [Start::Auto, Start::Data, Start::Variance(0.05)] {
        let error = nmse_db(model(start.clone()).unwrap().estimate(), &signal);
        // Ten spikes behind 100 observations without noise: far inside the region where the threshold finds them.
        assert!(error < -25.0, "{start:?}: NMSE {error} dB");
    }
    let error = model(Start::Prior).unwrap_err().to_string();
    assert!(error.contains("prior"), "{error}");
    let error = model(Start::Variance(-1.0)).unwrap_err().to_string();
    assert!(error.contains("-1"), "{error}");
}

/// Ten dense unknowns behind six observations, where the prior expects one in ten: where its belief is wider than its
/// cavity its message vanishes, and nothing is left to determine the signal. Runs go back from there by themselves.
#[test]
fn data_unlike_the_prior_is_answered_by_a_damped_run() {
    let mut went_back = 0;
    for seed in 0..20 {
        let mut rng = Pcg64::seed_from_u64(seed);
        let operator = Dense::new(gaussian_matrix(6, 10, 1.0, &mut rng)).unwrap();
        let observations = linear::outputs(&operator, &Rows::from_fn(10, 1, |_, _| 1.0));
        let model = || {
            let prior = BernoulliGauss::new(0.1, 0.0, 1.0).unwrap();
            linear::graph(operator.clone(), observations.clone(), prior, 10.0).unwrap()
        };
        let plain = model().fit(&Options::default(), &mut ()).unwrap();
        went_back += usize::from(!plain.report().recoveries.is_empty());
        let fit = model().fit_settling(&Options::default(), 0.7, &mut ()).unwrap();
        for fit in [&plain, &fit] {
            assert!(fit.report().status.is_usable(), "{seed}: {}", fit.report());
        }
        let misfit = linear::outputs(&operator, fit.estimate()).mean_squared_error(&observations);
        assert!(misfit < observations.norm_squared() / 6.0, "{seed}: misfit {misfit}");
        assert!(model().fit_settling(&Options::default(), 0.0, &mut ()).is_err());
    }
    assert!(went_back > 0, "no run shows what damping is for");
}

#[test]
fn what_does_not_fit_is_named() {
    let operator = || Dense::from_rows(&Rows::from_fn(3, 2, |i, j| (i + j) as f64)).unwrap();
    let prior = || Gaussian::new(0.0, 1.0).unwrap();
    let error = linear::graph(operator(), Rows::zeros(3, 1), prior(), -1.0).unwrap_err();
    assert!(error.to_string().contains("precision"), "{error}");
    let model = linear::graph(operator(), Rows::zeros(4, 1), prior(), 1.0).unwrap();
    let error = model.fit(&Options::default(), &mut ()).unwrap_err();
    assert!(error.to_string().contains("observations"), "{error}");
    let model = linear::graph(operator(), Rows::column(vec![1.0, f64::NAN, 1.0]), prior(), 1.0);
    let error = model.unwrap().fit(&Options::default(), &mut ()).unwrap_err();
    assert!(error.to_string().contains("NaN"), "{error}");
    assert!(Dense::from_rows(&Rows::zeros(0, 3)).is_err());
    assert!(Dense::from_rows(&Rows::column(vec![f64::INFINITY])).is_err());
}
