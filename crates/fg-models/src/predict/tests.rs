//! Densities of predictions against formulas, row by row.

use super::*;
use fg_core::Options;
use fg_core::evolution::Spectrum;
use fg_core::operator::Ensemble;
use fg_denoisers::likelihood::{Awgn, Sign};
use fg_denoisers::{Gaussian, Masked, PerRow};

fn predicted(mean: Rows, covariances: Vec<f64>) -> Predicted {
    Predicted { mean, covariances }
}

#[test]
fn densities_of_gaussian_data_are_those_of_the_sum() {
    let (mean, covariance) = (Rows::from_fn(1, 2, |_, j| j as f64), vec![2.0, 0.6, 0.6, 1.0]);
    let data = Rows::from_fn(1, 2, |_, j| 0.5 - 2.0 * j as f64);
    let noise = Awgn::new(4.0).unwrap();
    let found = predicted(mean, covariance).log_density(&noise, &data).unwrap();
    // N(y; mean, C + I / 4), the difference being (0.5, -2.5).
    let (a, b, c) = (2.25, 0.6, 1.25);
    let determinant: f64 = a * c - b * b;
    let square = (c * 0.25 + 2.0 * b * 0.5 * 2.5 + a * 6.25) / determinant;
    let expected = -0.5 * (square + determinant.ln()) - core::f64::consts::TAU.ln();
    assert!((found[0] - expected).abs() < 1e-13, "{found:?} {expected}");
}

#[test]
fn every_row_has_its_own_model() {
    let noises = [4.0, 0.25].map(|precision| Awgn::new(precision).unwrap());
    let data = Rows::column(vec![0.5, -1.0]);
    let both = predicted(Rows::column(vec![1.0, 1.0]), vec![2.0, 2.0]);
    let alone = |i: usize| both.log_density(&noises[i], &data).unwrap()[i];
    let model = PerRow::likelihoods(noises.to_vec()).unwrap();
    assert_eq!(both.log_density(&model, &data).unwrap(), [alone(0), alone(1)]);
    // What isn't measured has no surprises.
    let gaps = Masked::new(model, &[false, true]).unwrap();
    let found = both.log_density(&gaps, &data).unwrap();
    assert!(found[0].abs() < 1e-15, "{found:?}");
    assert_eq!(found[1..], [alone(1)]);
}

#[test]
fn data_that_do_not_fit_are_refused() {
    let noise = Awgn::new(1.0).unwrap();
    let both = predicted(Rows::column(vec![1.0, 1.0]), vec![2.0, 2.0]);
    let said = |likelihood: &dyn Likelihood, data: Vec<f64>| {
        both.log_density(likelihood, &Rows::column(data)).unwrap_err().to_string()
    };
    let model = PerRow::likelihoods(vec![noise.clone(); 3]).unwrap();
    let name = model.name();
    assert_eq!(
        said(&model, vec![0.5, -1.0]),
        format!("likelihood `{name}`: it is for 3 rows, there are 2")
    );
    assert_eq!(said(&noise, vec![0.5]), "data must be 2 x 1, got 1 x 1");
    assert_eq!(said(&noise, vec![0.5, f64::NAN]), "row 1 of the data isn't finite");
    let wrong = said(&Sign::new(), vec![1.0, 3.0]);
    assert!(wrong.starts_with("likelihood `sign`: row 1: "), "{wrong}");
    let certain = predicted(Rows::column(vec![1.0]), vec![0.0]);
    let refused = certain.log_density(&noise, &Rows::column(vec![0.0]));
    assert_eq!(refused, Err(ModelError::Singular { row: 0 }));
}

#[test]
fn no_score_is_predicted_for_rows_that_differ() {
    let operator = Ensemble::new(100, Spectrum::marchenko_pastur(2.0).unwrap());
    let noise = Awgn::new(4.0).unwrap();
    let prior = Gaussian::new(0.0, 1.0).unwrap();
    let model = crate::generalised::unobserved(operator, 1, prior, noise.clone());
    let signal = model.signal;
    let graph = model.builder.build().unwrap();
    let prediction = graph.predict(&Options::default()).unwrap();
    let law = prediction.estimate(signal);
    assert!(predicted_log_density(law, 1.0, &noise).is_ok_and(f64::is_finite));
    let rows = PerRow::likelihoods(vec![noise; 3]).unwrap();
    let refused = predicted_log_density(law, 1.0, &rows).unwrap_err();
    assert!(matches!(refused, ModelError::Data { .. }), "{refused}");
}

#[test]
fn probabilities_of_labels_sum_to_one() {
    let model = predicted(Rows::column(vec![0.3, -2.0]), vec![1.7, 0.2]);
    let probability = |label: f64| {
        let labels = Rows::column(vec![label; 2]);
        model.log_density(&Sign::new(), &labels).unwrap()
    };
    for (yes, no) in probability(1.0).iter().zip(probability(-1.0)) {
        assert!((yes.exp() + no.exp() - 1.0).abs() < 1e-14, "{yes} {no}");
    }
}
