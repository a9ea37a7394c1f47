//! Averages against a grid, two classes against points, and what is refused.

use super::*;

type Row = (Vec<f64>, Vec<f64>, f64);

fn run(model: &Softmax, class: f64, n: &[f64], gamma: &[f64]) -> Result<Row, Breakdown> {
    let d = n.len();
    let mut r = vec![0.0; d];
    let mut inverse = vec![0.0; d * d];
    fg_core::message::small::invert_positive(gamma, &mut inverse, &mut vec![0.0; 2 * d * d], d)
        .unwrap_or(());
    fg_core::message::small::row_times(n, &inverse, &mut r, d);
    let cavity = RowCavity::new(0, d, n, &r, gamma);
    let (mut mean, mut covariance, mut log) = (vec![0.0; d], vec![0.0; d * d], [0.0]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
    model.estimate(&[class], &cavity, &mut out, &mut Scratch::default())?;
    assert!(model.log_partition(&[class], &cavity, &mut log), "a log-partition function");
    Ok((mean, covariance, log[0]))
}

/// Slow and obvious: a grid of three columns.
fn grid(class: usize, n: &[f64], gamma: &[f64]) -> Row {
    const REACH: i32 = 32;
    const STEP: f64 = 0.25;
    let (mut mass, mut mean, mut square) = (0.0, vec![0.0; 3], vec![0.0; 9]);
    let side = 2 * REACH + 1;
    for point in 0..side * side * side {
        let z = [point / side / side, point / side % side, point % side]
            .map(|k| STEP * f64::from(k - REACH));
        let linear: f64 = n.iter().zip(z).map(|(n, z)| n * z).sum();
        let quadratic = fg_core::message::small::bilinear(&z, gamma, &z, 3);
        let weight = (linear - 0.5 * quadratic + z[class] - climb::log_sum(&z)).exp();
        mass += weight;
        for i in 0..3 {
            mean[i] += weight * z[i];
            for j in 0..3 {
                square[3 * i + j] += weight * z[i] * z[j];
            }
        }
    }
    mean.iter_mut().for_each(|m| *m /= mass);
    let covariance = (0..9).map(|k| square[k] / mass - mean[k / 3] * mean[k % 3]).collect();
    (mean, covariance, (mass * STEP * STEP * STEP).ln())
}

const FULL: [f64; 9] = [1.0, 0.3, -0.2, 0.3, 1.5, 0.4, -0.2, 0.4, 0.8];

/// What the documentation says of means, in deviations, and of covariances, relative, with a margin.
const POINTS_ERROR: f64 = 2.5e-3;
/// The same with 32768 points.
const MANY_ERROR: f64 = 1e-3;

#[test]
fn three_classes_agree_with_a_grid() {
    let (model, many) = (Softmax::new(3).unwrap(), 1 << 15);
    let finer = model.clone().with_points(many).unwrap();
    let inputs = [(0, [0.4, -0.3, 0.2]), (2, [1.5, 0.5, -1.0])];
    let cases = inputs
        .into_iter()
        .flat_map(|case| [(&model, POINTS_ERROR), (&finer, MANY_ERROR)].map(|m| (m, case)));
    for ((model, accuracy), (class, n)) in cases {
        let found = run(model, class as f64, &n, &FULL).unwrap();
        let expected = grid(class, &n, &FULL);
        for j in 0..3 {
            let deviation = expected.1[4 * j].sqrt();
            let error = (found.0[j] - expected.0[j]).abs();
            assert!(error < accuracy * deviation, "{class}: {found:?} {expected:?}");
        }
        for k in 0..9 {
            let scale = (expected.1[4 * (k / 3)] * expected.1[4 * (k % 3)]).sqrt();
            let error = (found.1[k] - expected.1[k]).abs();
            assert!(error < accuracy * scale, "{class}: {found:?} {expected:?}");
        }
        assert!((found.2 - expected.2).abs() < accuracy, "{class}: {found:?} {expected:?}");
    }
}

#[test]
fn a_class_that_is_out_of_reach_leaves_two() {
    // The third column is far below and known: what is left is the case of two classes.
    let three = [1.0, 0.4, 0.0, 0.4, 2.0, 0.0, 0.0, 0.0, 1e4];
    let found = run(&Softmax::new(3).unwrap(), 0.0, &[-0.5, 0.8, -1e6], &three).unwrap();
    let pair = run(&Softmax::new(2).unwrap(), 0.0, &[-0.5, 0.8], &[1.0, 0.4, 0.4, 2.0]).unwrap();
    for j in 0..2 {
        assert!((found.0[j] - pair.0[j]).abs() < POINTS_ERROR, "{found:?} {pair:?}");
        for k in 0..2 {
            let error = (found.1[3 * j + k] - pair.1[2 * j + k]).abs();
            assert!(error < 2.0 * POINTS_ERROR, "{found:?} {pair:?}");
        }
    }
}

#[test]
fn maximisers_are_where_shares_balance_the_cavity() {
    for class in 0..3 {
        for scale in [1e-8, 1.0, 1e8] {
            let gamma = FULL.map(|g| scale * g);
            let n = [0.4, -0.3, 0.2].map(|n| n * f64::sqrt(scale));
            let model = Softmax::new(3).unwrap().maximised();
            let (z, ..) = run(&model, class as f64, &n, &gamma).unwrap();
            let total = climb::log_sum(&z);
            for j in 0..3 {
                let pull: f64 = (0..3).map(|k| gamma[3 * j + k] * z[k]).sum();
                let own = if j == class { 1.0 } else { 0.0 };
                let slope = n[j] - pull + own - (z[j] - total).exp();
                let size = 1.0 + n[j].abs() + pull.abs();
                assert!(slope.abs() < 1e-13 * size, "{class} {scale}: {z:?}, slope {slope}");
            }
        }
    }
}

/// Both means are a million deviations away, where numbers next to each other are further apart than the columns compete.
#[test]
fn columns_that_compete_within_rounding_are_answered() {
    let model = Softmax::new(3).unwrap();
    let gamma = [1e-12, 0.0, 0.0, 0.0, 1e-12, 0.0, 0.0, 0.0, 1e-12];
    for sign in [-1.0, 1.0] {
        let n = [1.0, 3.0, 5.0].map(|angle| sign * f64::cos(angle));
        for class in [0.0, 1.0, 2.0] {
            for model in [model.clone(), model.clone().maximised()] {
                let (mean, ..) = run(&model, class, &n, &gamma).expect("an estimate");
                assert!(mean.iter().all(|m| m.is_finite()), "{mean:?}");
            }
        }
    }
}

#[test]
fn classes_are_drawn_and_checked() {
    let model = Softmax::new(3).unwrap();
    let draw = |u: f64| {
        let mut y = [0.0];
        model.draw(&[0.0, 2f64.ln(), 0.0], &[u], &mut y);
        y[0]
    };
    for (u, class) in [(0.2499, 0.0), (0.2501, 1.0), (0.7499, 1.0), (0.7501, 2.0), (1.0, 2.0)] {
        assert!((draw(u) - class).abs() < 0.5, "{u}");
    }
    assert!(model.check(&[2.0]).is_ok() && model.check(&[3.0]).is_err());
    let message = model.check(&[0.5]).unwrap_err();
    assert_eq!(message, "class must be a whole number from 0 to 2, got [0.5]");
    assert!(Softmax::new(1).is_err() && model.clone().with_points(3).is_err());
    let singular = run(&model, 0.0, &[0.0; 3], &[0.0; 9]);
    assert_eq!(singular, Err(Breakdown::ImproperCavity { port: 0, row: 0 }));
}
