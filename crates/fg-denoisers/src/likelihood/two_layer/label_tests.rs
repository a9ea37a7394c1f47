//! Posteriors of labels of a two-layer network against grids, plain averages over points, closed forms of linear networks, and limits.

use core::f64::consts::TAU;

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::message::small;
use fg_core::special::points::GaussianPoints;

use super::{Activation, Link, TwoLayer, TwoLayerMmse};
use crate::{Logistic, Sign};

pub(super) const ACTIVATIONS: [Activation; 6] = [
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.1 },
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Erf,
    Activation::Linear,
];
pub(super) const LINKS: [Link; 2] = [Link::Logistic, Link::Probit { variance: 0.5 }];
/// Accuracy of the sums of exponentials that links are made of, with a margin.
const TERMS: f64 = 5e-7;

/// Mean, covariance and log-partition of a row.
pub(super) struct Row {
    pub(super) mean: Vec<f64>,
    pub(super) covariance: Vec<f64>,
    pub(super) log: f64,
}

fn natural(r: &[f64], gamma: &[f64]) -> Vec<f64> {
    let mut natural = vec![0.0; r.len()];
    small::row_times(r, gamma, &mut natural, r.len());
    natural
}

pub(super) fn answer(node: &dyn Likelihood, y: f64, r: &[f64], gamma: &[f64]) -> Row {
    let (d, natural) = (r.len(), natural(r, gamma));
    let cavity = RowCavity::new(0, d, &natural, r, gamma);
    let (mut mean, mut covariance, mut log) = (vec![0.0; d], vec![0.0; d * d], [f64::NAN]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
    node.estimate(&[y], &cavity, &mut out, &mut Scratch::default()).unwrap();
    let _ = node.log_partition(&[y], &cavity, &mut log);
    Row { mean, covariance, log: log[0] }
}

/// The standard error that the estimate of a row declares.
fn declared(node: &dyn Likelihood, y: f64, r: &[f64], gamma: &[f64]) -> f64 {
    let (d, natural) = (r.len(), natural(r, gamma));
    let (mut mean, mut covariance) = (vec![0.0; d], vec![0.0; d * d]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
    let mut scratch = Scratch::default();
    node.estimate(&[y], &RowCavity::new(0, d, &natural, r, gamma), &mut out, &mut scratch).unwrap();
    scratch.take_standard_error()
}

pub(super) fn inverse(gamma: &[f64], d: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; d * d];
    small::invert_positive(gamma, &mut inverse, &mut vec![0.0; 2 * d * d], d).unwrap();
    inverse
}

/// `log int exp(n'z - z' Gamma z / 2) dz`.
fn log_gaussian(r: &[f64], gamma: &[f64]) -> f64 {
    let d = r.len();
    let mut factor = gamma.to_vec();
    small::cholesky(&mut factor, d).unwrap();
    let root: f64 = (0..d).map(|j| factor[j * d + j].ln()).sum();
    0.5 * small::bilinear(r, gamma, r, d) + 0.5 * d as f64 * TAU.ln() - root
}

#[track_caller]
fn compare(label: &str, found: &Row, expected: &Row, tolerance: f64) {
    let d = found.mean.len();
    let deviation = |j: usize| expected.covariance[j * d + j].sqrt();
    for j in 0..d {
        let error = (found.mean[j] - expected.mean[j]).abs() / deviation(j);
        let (f, e) = (&found.mean, &expected.mean);
        assert!(error < tolerance, "{label}: means {f:?} {e:?}, error {error:e}");
        for k in 0..d {
            let (f, e) = (found.covariance[j * d + k], expected.covariance[j * d + k]);
            let error = (f - e).abs() / (deviation(j) * deviation(k));
            assert!(error < tolerance, "{label}: covariances {j} {k}, {f} {e}, error {error:e}");
        }
    }
    let error = (found.log - expected.log).abs() / expected.log.abs().max(1.0);
    assert!(error < tolerance, "{label}: log-partitions {} {}", found.log, expected.log);
}

/// Slow and obvious: weighted points `r + L u` of these weights under the cavity.
fn weighed(
    layer: &TwoLayer,
    link: Link,
    y: f64,
    (r, gamma): (&[f64], &[f64]),
    points: impl Iterator<Item = (Vec<f64>, f64)>,
) -> Row {
    let d = r.len();
    let mut root = inverse(gamma, d);
    small::cholesky(&mut root, d).unwrap();
    let (mut whole, mut mass, mut mean, mut square) = (0.0, 0.0, vec![0.0; d], vec![0.0; d * d]);
    for (u, weight) in points {
        let e: Vec<f64> = (0..d).map(|j| (0..=j).map(|k| root[j * d + k] * u[k]).sum()).collect();
        let z: Vec<f64> = r.iter().zip(&e).map(|(r, e)| r + e).collect();
        let mut output = [0.0];
        layer.predict(&z, &mut output);
        whole += weight;
        let weight = weight * link.probability(y * output[0]);
        mass += weight;
        for j in 0..d {
            mean[j] += weight * e[j];
            for k in 0..d {
                square[j * d + k] += weight * (e[j] * e[k]);
            }
        }
    }
    mean.iter_mut().for_each(|m| *m /= mass);
    let covariance = (0..d * d).map(|k| square[k] / mass - mean[k / d] * mean[k % d]).collect();
    let mean = mean.iter().zip(r).map(|(m, r)| m + r).collect();
    Row { mean, covariance, log: (mass / whole).ln() + log_gaussian(r, gamma) }
}

/// A grid of `2 half + 1` values of step `h` in every direction.
pub(super) fn grid(d: usize, half: i32, h: f64) -> impl Iterator<Item = (Vec<f64>, f64)> {
    let side = usize::try_from(2 * half + 1).unwrap();
    (0..side.pow(u32::try_from(d).unwrap())).map(move |k| {
        let at = |j: u32| h * ((k / side.pow(j) % side) as f64 - f64::from(half));
        let u: Vec<f64> = (0..d).map(|j| at(u32::try_from(j).unwrap())).collect();
        let weight = (-0.5 * u.iter().map(|u| u * u).sum::<f64>()).exp();
        (u, weight)
    })
}

pub(super) const WEIGHTS: [f64; 4] = [1.2, -0.7, 2.0, -1.5];
pub(super) const MEANS: [f64; 4] = [0.3, -0.5, 0.8, 0.1];
pub(super) const FULL: [f64; 16] =
    [1.0, 0.3, -0.2, 0.1, 0.3, 1.5, 0.4, 0.0, -0.2, 0.4, 0.8, 0.2, 0.1, 0.0, 0.2, 2.0];

/// The leading block of `d` columns.
pub(super) fn leading(d: usize) -> Vec<f64> {
    (0..d * d).map(|k| FULL[k / d * 4 + k % d]).collect()
}

pub(super) fn layer(d: usize, activation: Activation, link: Link) -> TwoLayer {
    TwoLayer::labels(&WEIGHTS[..d], 0.2, activation, link).unwrap()
}

#[test]
fn one_unit_agrees_with_a_grid() {
    // Kinks leave an error of the squared step (and a thousandth of the second derivative's jump); the grid's smooth units are
    // exact, the node's interpolated between 65 nodes.
    const KINKED: f64 = 1e-6;
    const INTERPOLATED: f64 = 1e-3;
    for link in LINKS {
        for activation in ACTIVATIONS {
            let layer = layer(1, activation, link);
            let node = TwoLayerMmse::new(layer.clone());
            for (y, r) in [(1.0, 0.3), (-1.0, 0.3), (1.0, -2.5), (-1.0, 4.0)] {
                let given = (&[r][..], &[0.6][..]);
                let expected = weighed(&layer, link, y, given, grid(1, 20_000, 4e-4));
                let found = answer(&node, y, &[r], &[0.6]);
                let tolerance = if activation.slopes().is_some() { KINKED } else { INTERPOLATED };
                compare(&format!("{link:?} {activation:?} {y} {r}"), &found, &expected, tolerance);
            }
        }
    }
}

#[test]
fn two_units_agree_with_a_grid() {
    // The grid's kinks, 2048 lines; 1024 lines of 17 nodes, of which half as many are off by up to 2.2e-3.
    const TOLERANCE: f64 = 3e-3;
    for (link, y) in LINKS.into_iter().zip([1.0, -1.0]) {
        for activation in ACTIVATIONS {
            let layer = layer(2, activation, link);
            let lines = if activation.slopes().is_some() { 2048 } else { 1024 };
            let node = TwoLayerMmse::new(layer.clone()).with_points(lines).unwrap();
            let node = node.with_nodes(17).unwrap();
            let given = (&MEANS[..2], &leading(2)[..]);
            let expected = weighed(&layer, link, y, given, grid(2, 140, 0.05));
            let found = answer(&node, y, &MEANS[..2], &leading(2));
            compare(&format!("{link:?} {activation:?} {y}"), &found, &expected, TOLERANCE);
        }
    }
}

#[test]
fn four_units_agree_with_a_plain_average() {
    // 8192 points in four dimensions, 512 lines of 17 nodes: each is right to about 5e-3.
    const TOLERANCE: f64 = 2e-2;
    let points = GaussianPoints::new(4, 1 << 13, 7);
    for link in LINKS {
        for activation in [Activation::Relu, Activation::Tanh] {
            let layer = layer(4, activation, link);
            let node = TwoLayerMmse::new(layer.clone()).with_points(512).unwrap();
            let node = node.with_nodes(17).unwrap();
            let all = (0..points.count())
                .map(|i| ((0..4).map(|k| points.component(k)[i]).collect::<Vec<f64>>(), 1.0));
            let expected = weighed(&layer, link, -1.0, (&MEANS, &FULL), all);
            let found = answer(&node, -1.0, &MEANS, &FULL);
            compare(&format!("{link:?} {activation:?}"), &found, &expected, TOLERANCE);
        }
    }
}

/// A linear network's label depends on one combination of the units, whose moments are known: `w'z = t`, of the cavity's
/// mean `w'r` and variance `v = w' Gamma^-1 w`, and `z` given `t` is linear in it.
pub(super) fn linear(scalar: &dyn Likelihood, y: f64, r: &[f64], gamma: &[f64]) -> Row {
    let (d, inverse) = (r.len(), inverse(gamma, r.len()));
    let w = &WEIGHTS[..d];
    let slope: Vec<f64> = (0..d).map(|j| (0..d).map(|k| inverse[j * d + k] * w[k]).sum()).collect();
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let (m, v) = (dot(w, r), dot(w, &slope));
    let one = answer(scalar, y, &[m], &[1.0 / v]);
    let shift = (one.mean[0] - m) / v;
    let rest = (one.covariance[0] - v) / (v * v);
    Row {
        mean: r.iter().zip(&slope).map(|(r, s)| r + shift * s).collect(),
        covariance: (0..d * d).map(|k| inverse[k] + rest * slope[k / d] * slope[k % d]).collect(),
        log: one.log - log_gaussian(&[m], &[1.0 / v]) + log_gaussian(r, gamma),
    }
}

#[test]
fn linear_networks_are_the_labels_of_one_column() {
    for (link, scalar) in [
        (Link::Logistic, Box::<Logistic>::default() as Box<dyn Likelihood>),
        (Link::Probit { variance: 0.5 }, Box::new(Sign::probit(0.5).unwrap())),
    ] {
        let layer = TwoLayer::labels(&WEIGHTS[..3], 0.0, Activation::Linear, link).unwrap();
        let node = TwoLayerMmse::new(layer);
        // Up to where the label is against the evidence by some deviations, and steep or hardly any information.
        for shift in [0.0, 1.0, -3.0] {
            for scale in [1e-4, 1.0, 1e4] {
                let r: Vec<f64> = MEANS[..3].iter().map(|r| r + shift).collect();
                let r: Vec<f64> = r.iter().map(|r| r / f64::sqrt(scale)).collect();
                let gamma: Vec<f64> = leading(3).iter().map(|g| g * scale).collect();
                for y in [1.0, -1.0] {
                    let expected = linear(&*scalar, y, &r, &gamma);
                    let found = answer(&node, y, &r, &gamma);
                    // The points' moments are exact here: only the links' accuracy is left, within ten deviations.
                    let tolerance = if link == Link::Logistic { TERMS } else { 40.0 * TERMS };
                    let label = format!("{link:?}, y {y}, shift {shift}, scale {scale}");
                    compare(&label, &found, &expected, tolerance);
                    let error = declared(&node, y, &r, &gamma);
                    assert!(error < 1e-10, "{label}: {error}");
                }
            }
        }
    }
}

#[test]
fn labels_that_say_nothing_give_back_the_cavity() {
    const ROUNDING: f64 = 1e-9;
    for link in LINKS {
        for activation in ACTIVATIONS {
            for d in [1, 3] {
                let layer = TwoLayer::labels(&[0.0; 3][..d], 0.4, activation, link).unwrap();
                let gamma = leading(d);
                let log = link.log(0.4) + log_gaussian(&MEANS[..d], &gamma);
                let covariance = inverse(&gamma, d);
                let expected = Row { mean: MEANS[..d].to_vec(), covariance, log };
                let node = TwoLayerMmse::new(layer);
                let found = answer(&node, 1.0, &MEANS[..d], &gamma);
                let exact = Row { log: found.log, ..expected };
                compare(&format!("{link:?} {activation:?} {d}"), &found, &exact, ROUNDING);
                assert!((found.log - log).abs() < TERMS, "{} {log}", found.log);
            }
        }
    }
}

#[test]
fn cavities_next_to_certainty_stay_as_they_are() {
    for link in LINKS {
        for activation in ACTIVATIONS {
            for scale in [1e8, 1e12] {
                let layer = layer(3, activation, link);
                let gamma: Vec<f64> = leading(3).iter().map(|g| g * scale).collect();
                let mut u = [0.0];
                layer.predict(&MEANS[..3], &mut u);
                let log = link.log(u[0]) + log_gaussian(&MEANS[..3], &gamma);
                let mean = MEANS[..3].to_vec();
                let expected = Row { mean, covariance: inverse(&gamma, 3), log };
                let found = answer(&TwoLayerMmse::new(layer), 1.0, &MEANS[..3], &gamma);
                // The label moves the mean by its slope, of order one, times the variance.
                let tolerance = 10.0 / f64::sqrt(scale);
                let label = format!("{link:?} {activation:?} {scale}");
                compare(&label, &found, &expected, tolerance.max(1e-6));
            }
        }
    }
}

#[test]
fn steep_outputs_cut_the_cavity_in_two() {
    // With weights of a million the logistic function is a step; the output of a ReLU is positive where the unit is.
    let layer = TwoLayer::labels(&[1e6], -1e-3, Activation::Relu, Link::Logistic).unwrap();
    let node = TwoLayerMmse::new(layer);
    for r in [0.5, -3.0, -20.0] {
        let found = answer(&node, 1.0, &[r], &[1.0]);
        // Half of all negative units have the label, too, and only the positive ones all of it.
        let (with, against) = (fg_core::special::cdf(r), fg_core::special::cdf(-r));
        let log = (with + 0.5 * against).ln() + log_gaussian(&[r], &[1.0]);
        assert!((found.log - log).abs() < 1e-3, "{r}: {} {log}", found.log);
    }
}

#[test]
fn labels_are_drawn_and_checked() {
    for link in LINKS {
        let layer = layer(2, Activation::Tanh, link);
        let mut u = [0.0];
        layer.predict(&[0.4, -1.0], &mut u);
        let draw = |uniform: f64| {
            let mut y = [0.0];
            layer.draw(&[0.4, -1.0], &[uniform], &mut y);
            y[0]
        };
        let edge = link.probability(-u[0]);
        assert!(draw(edge - 1e-9) < 0.0 && draw(edge + 1e-9) > 0.0, "{link:?}");
        let node = TwoLayerMmse::new(layer);
        assert_eq!(node.check(&[0.5]), Err("label must be -1 or 1, got [0.5]".to_owned()));
        assert!(node.check(&[-1.0]).is_ok() && node.gaussian(&[1.0]).is_none(), "{link:?}");
    }
    let probit = |variance| {
        TwoLayer::labels(&[1.0], 0.0, Activation::Relu, Link::Probit { variance }).is_err()
    };
    assert!(probit(0.0) && probit(f64::NAN));
    assert!(TwoLayer::labels(&[], 0.0, Activation::Relu, Link::Logistic).is_err());
}
