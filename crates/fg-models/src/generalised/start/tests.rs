//! What starts refuse, and what a flat prior is told.

use super::*;
use crate::linear;
use fg_core::operator::Dense;
use fg_denoisers::L2;
use fg_denoisers::prior::BernoulliGauss;

#[test]
fn a_flat_prior_is_not_told_anything() {
    let operator = Dense::from_rows(&Rows::from_fn(3, 2, |i, j| (i + 2 * j) as f64)).unwrap();
    let data = Rows::column(vec![1.0, 3.0, 5.0]);
    let model = linear::graph(operator, data, L2::new(0.0).unwrap(), 1.0).unwrap();
    let fit = model.fit(&Options::default(), &mut ()).unwrap();
    // Least squares: `y = x_1 i + x_2 (i + 2)` has the solution (3/2, 1/2) where the columns are i and i + 2.
    let x = fit.estimate();
    let exact = [1.5, 0.5];
    assert!((0..2).all(|k| (x[(k, 0)] - exact[k]).abs() < 1e-9), "{x:?}");
}

#[test]
fn variances_are_checked() {
    for (variance, found) in
        [(0.0, "0"), (-1.0, "-1"), (f64::INFINITY, "inf"), (f64::NAN, "NaN"), (1e-320, "1e-320")]
    {
        let operator = Dense::from_rows(&Rows::from_fn(2, 3, |i, j| (i + 2 * j) as f64));
        let prior = BernoulliGauss::new(0.5, 0.0, 1.0).unwrap();
        let data = Rows::column(vec![3.0, 4.0]);
        let model = linear::graph(operator.unwrap(), data, prior, 1.0).unwrap();
        let model = model.with_start(Start::Variance(variance));
        let error = model.fit(&Options::default(), &mut ()).unwrap_err().to_string();
        let expected = format!("start variance must be finite and above 0, got {found}");
        assert_eq!(error, expected);
    }
}

#[test]
fn guesses_are_checked() {
    let fit = |values: Rows, share: f64| {
        let operator = Dense::from_rows(&Rows::from_fn(2, 3, |i, j| (i + 2 * j) as f64)).unwrap();
        let prior = BernoulliGauss::new(0.5, 0.0, 1.0).unwrap();
        let model = linear::graph(operator, Rows::column(vec![3.0, 4.0]), prior, 1.0).unwrap();
        let start = Start::Guess { values, share };
        model.with_start(start).fit(&Options::default(), &mut ())
    };
    let error = fit(Rows::zeros(2, 1), 0.5).unwrap_err().to_string();
    assert!(error.contains('X') && error.contains("(3, 1)") || error.contains("3 x 1"), "{error}");
    assert!(fit(Rows::column(vec![1.0; 3]), 1.0).unwrap_err().to_string().contains("share"));
    assert!(fit(Rows::column(vec![1.0; 3]), 0.5).is_ok());
    assert!(fit(Rows::zeros(3, 1), 0.5).is_err(), "values without variance");
}
