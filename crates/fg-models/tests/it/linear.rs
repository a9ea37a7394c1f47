//! The linear inverse problem against closed forms and its own claims.

use fg_core::operator::Dense;
use fg_core::{Options, Rows};
use fg_denoisers::prior::{BernoulliGauss, Gaussian};
use fg_models::linear;
use fg_models::metrics::nmse_db;
use fg_models::synthetic::{
    add_noise, bernoulli_gauss, gaussian_rows, geometric_spectrum, noise_variance,
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
        let fit = linear::fit(model, &Options::default(), &mut ()).unwrap();
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
    let fit = linear::fit(model, &Options::default(), &mut ()).unwrap();
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

#[test]
fn what_does_not_fit_is_named() {
    let operator = || Dense::from_rows(&Rows::from_fn(3, 2, |i, j| (i + j) as f64)).unwrap();
    let prior = || Gaussian::new(0.0, 1.0).unwrap();
    let error = linear::graph(operator(), Rows::zeros(3, 1), prior(), -1.0).unwrap_err();
    assert!(error.to_string().contains("precision"), "{error}");
    let model = linear::graph(operator(), Rows::zeros(4, 1), prior(), 1.0).unwrap();
    let error = linear::fit(model, &Options::default(), &mut ()).unwrap_err();
    assert!(error.to_string().contains("observations"), "{error}");
    let model = linear::graph(operator(), Rows::column(vec![1.0, f64::NAN, 1.0]), prior(), 1.0);
    let error = linear::fit(model.unwrap(), &Options::default(), &mut ()).unwrap_err();
    assert!(error.to_string().contains("NaN"), "{error}");
    assert!(Dense::from_rows(&Rows::zeros(0, 3)).is_err());
    assert!(Dense::from_rows(&Rows::column(vec![f64::INFINITY])).is_err());
}
