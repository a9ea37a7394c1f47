//! Parameters, learning where a component has nothing to learn from, and a mixture that is another family.

use super::*;

#[test]
fn parameters_are_checked_and_weights_normalised() {
    assert!(GaussianMixture::scalar(&[]).is_err());
    assert!(GaussianMixture::scalar(&[(0.0, 0.0, 1.0)]).is_err());
    assert!(GaussianMixture::scalar(&[(1.0, f64::NAN, 1.0)]).is_err());
    assert!(GaussianMixture::scalar(&[(1.0, 0.0, -1.0)]).is_err());
    assert!(GaussianMixture::new(2, &[1.0], &[0.0], &[1.0, 0.0, 0.0, 1.0]).is_err());
    assert!(GaussianMixture::new(2, &[1.0], &[0.0; 2], &[1.0, 2.0, 2.0, 1.0]).is_err());
    let mixture = GaussianMixture::scalar(&[(3.0, 0.0, 0.0), (1.0, 0.0, 1.0)]).unwrap();
    assert_eq!(mixture.weights(), [0.75, 0.25]);
    assert_eq!(mixture.jumps(), Some(vec![0.75]));
}

/// A step from rows of one column known to be these.
fn learned(mixture: &GaussianMixture, x: &[f64], precision: f64) -> Vec<Parameter> {
    let n: Vec<f64> = x.iter().map(|x| precision * x).collect();
    let gamma = [precision];
    let mut rows = core::iter::once(RowCavity::new(0, 1, &n, x, &gamma));
    mixture.learned(&mut rows).unwrap().learning()
}

#[test]
fn weights_add_up_to_one_where_a_component_has_no_share() {
    let mixture = GaussianMixture::scalar(&[(0.5, 0.0, 1.0), (0.3, 2.0, 1.0), (0.2, 1e4, 1.0)]);
    let mixture = mixture.unwrap().learn_weights().learn_means().learn_covariances();
    let found = learned(&mixture, &[0.1, 2.2, -0.4], 10.0);
    let weights = &found[0].values;
    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-15, "{weights:?}");
    assert!(weights[2] > 0.0 && weights[2] < 1e-300, "{weights:?}");
    assert_eq!((found[1].values[2], found[2].values[2]), (1e4, 1.0));
    let none = mixture.learned(&mut core::iter::empty());
    assert!(none.is_none(), "no rows");
}

#[test]
fn a_component_of_rows_on_a_line_keeps_its_covariance_and_all_else_learns() {
    // Far out next to the deviations of the cavity, so that rounding leaves no spread across the line.
    let (far, apart, precision) = (1e9, 1e8, 100.0);
    let covariances = [1.0, 0.0, 0.0, 1.0].repeat(2);
    let means = [0.0, 0.0, far, far];
    let mixture = GaussianMixture::new(2, &[0.5, 0.5], &means, &covariances).unwrap();
    let mixture = mixture.learn_weights().learn_means().learn_covariances();
    let (low, high) = (far - apart, far + apart);
    let x = [1.0, 0.0, 0.0, 1.0, 2.0, 2.0, low, low, high, high];
    let n = x.map(|x| precision * x);
    let gamma = [precision, 0.0, 0.0, precision];
    let mut rows = core::iter::once(RowCavity::new(0, 2, &n, &x, &gamma));
    let found = mixture.learned(&mut rows).unwrap().learning();
    let close = |found: &[f64], expected: &[f64]| {
        found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs().max(1.0))
    };
    let (share, left) = (precision / (1.0 + precision), 1.0 / (1.0 + precision));
    assert!(close(&found[0].values, &[0.6, 0.4]), "{found:?}");
    assert!(close(&found[1].values, &[share, share, far, far]), "{found:?}");
    let one = share * share / 3.0;
    let two = 2.0 * one + left;
    assert!(close(&found[2].values, &[two, one, one, two, 1.0, 0.0, 0.0, 1.0]), "{found:?}");
}

#[test]
fn a_point_and_a_slab_are_bernoulli_gauss() {
    const ROUNDING: f64 = 1e-13;
    let mixture = GaussianMixture::scalar(&[(0.8, 0.0, 0.0), (0.2, 0.5, 2.0)]).unwrap();
    let sparse = crate::BernoulliGauss::new(0.2, 0.5, 2.0).unwrap();
    for (n, gamma) in [(0.3, 0.1), (-4.0, 2.0), (60.0, 30.0), (0.0, 0.0)] {
        let (natural, precision) = ([n], [gamma]);
        let cavity = RowCavity::new(0, 1, &natural, &[0.0], &precision);
        let ask = |prior: &dyn Denoiser| {
            let (mut mean, mut variance, mut log) = ([0.0], [0.0], [0.0]);
            let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
            prior.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
            assert!(prior.log_partition(&cavity, &mut log));
            [mean[0], variance[0], log[0]]
        };
        for (a, b) in ask(&mixture).into_iter().zip(ask(&sparse)) {
            assert!((a - b).abs() <= ROUNDING * b.abs().max(1e-3), "{n} {gamma}: {a} {b}");
        }
    }
}
