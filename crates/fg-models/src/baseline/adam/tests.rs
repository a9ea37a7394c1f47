//! Adam by hand, at a minimum that is known, and with options that make no sense.

use super::*;
use crate::baseline::squared_loss;
use crate::synthetic::gaussian_rows;
use rand::SeedableRng;
use rand_pcg::Pcg64;

fn identity(z: f64) -> (f64, f64) {
    (z, 1.0)
}

#[test]
fn two_steps_by_hand() {
    // One sample x = 1, y = 3, one linear unit with W2 = 2 and b2 = 1: loss (2 w - 2)^2 + 0.5 w^2,
    // gradient 8 (w - 1) + w. From w = 0 the first gradient is -8; the first step of Adam has length
    // lr |g| / (|g| + eps / sqrt(0.001)) whatever the gradient.
    let one = |v: f64| Rows::column(vec![v]);
    let (inputs, targets, output_weights) = (one(1.0), one(3.0), one(2.0));
    let problem = Regression {
        inputs: &inputs,
        targets: &targets,
        output_weights: &output_weights,
        output_bias: &[1.0],
        penalty: &[0.5],
        activation: identity,
        loss: squared_loss,
    };
    let options = AdamOptions::default().with_learning_rate(0.1).with_epochs(2);
    let mut path = Vec::new();
    let mut rng = Pcg64::seed_from_u64(0);
    adam(&problem, &options, &one(0.0), &mut rng, |_, w| path.push(w[(0, 0)])).unwrap();
    let (g1, eps) = (-8.0, 1e-7);
    let (m1, s1) = (0.1 * g1, 0.001 * g1 * g1);
    let w1 = -0.1 * 0.001_f64.sqrt() / 0.1 * m1 / (f64::sqrt(s1) + eps);
    let g2 = 8.0 * (w1 - 1.0) + w1;
    let (m2, s2) = (0.9 * m1 + 0.1 * g2, 0.999 * s1 + 0.001 * g2 * g2);
    let correction = (1.0 - 0.999_f64 * 0.999).sqrt() / (1.0 - 0.81);
    let w2 = w1 - 0.1 * correction * m2 / (f64::sqrt(s2) + eps);
    // The same few operations in another order.
    assert!((path[0] - w1).abs() < 1e-14 && (path[1] - w2).abs() < 1e-14, "{path:?} {w1} {w2}");
}

#[test]
fn linear_units_reach_the_least_squares_solution() {
    let mut rng = Pcg64::seed_from_u64(2);
    let x = gaussian_rows(64, 5, 1.0, &mut rng);
    let truth = gaussian_rows(5, 1, 1.0, &mut rng);
    let y = Rows::from_fn(64, 1, |i, _| {
        2.0 * x.row(i).iter().zip(truth.as_slice()).map(|(x, w)| x * w).sum::<f64>()
    });
    let w2 = Rows::column(vec![2.0]);
    let problem = Regression {
        inputs: &x,
        targets: &y,
        output_weights: &w2,
        output_bias: &[0.0],
        penalty: &[0.0; 5],
        activation: identity,
        loss: squared_loss,
    };
    let options = AdamOptions::default().with_epochs(1000);
    let found = adam(&problem, &options, &Rows::zeros(5, 1), &mut rng, |_, _| {}).unwrap();
    // Noiseless data: every batch has the same minimiser, so the steps vanish there.
    assert!(found.mean_squared_error(&truth) < 1e-8, "{found:?} for {truth:?}");
}

#[test]
fn problems_that_do_not_fit_are_refused() {
    let (inputs, targets, output_weights) =
        (Rows::zeros(4, 3), Rows::zeros(4, 1), Rows::zeros(2, 1));
    let problem = Regression {
        inputs: &inputs,
        targets: &targets,
        output_weights: &output_weights,
        output_bias: &[0.0],
        penalty: &[0.0; 3],
        activation: identity,
        loss: squared_loss,
    };
    let said = |problem: &Regression<'_, _, _>, start: &Rows| {
        let rng = &mut Pcg64::seed_from_u64(0);
        let found = adam(problem, &AdamOptions::default(), start, rng, |_, _| {});
        found.unwrap_err().to_string()
    };
    assert_eq!(said(&problem, &Rows::zeros(2, 2)), "start must be 3 x 2, got 2 x 2");
    let few = Rows::zeros(3, 1);
    let short = Regression { targets: &few, ..problem };
    assert_eq!(said(&short, &Rows::zeros(3, 2)), "targets must be 4 x 1, got 3 x 1");
}

#[test]
fn options_outside_their_range_are_named() {
    let error = AdamOptions::default().with_batch(0).validate().unwrap_err();
    assert_eq!(error.to_string(), "adam: batch can't be 0");
    assert!(AdamOptions::default().with_learning_rate(f64::NAN).validate().is_err());
}
