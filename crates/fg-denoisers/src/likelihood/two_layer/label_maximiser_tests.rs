//! Maximisers with a label against grids, perturbations and differences.

use fg_core::message::small;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::label_tests::{
    ACTIVATIONS, FULL, LINKS, MEANS, WEIGHTS, answer, grid, inverse, layer, leading, linear,
};
use super::{Activation, Link, TwoLayer, TwoLayerMap};
use crate::Logistic;

fn cost(layer: &TwoLayer, link: Link, y: f64, (r, gamma): (&[f64], &[f64]), z: &[f64]) -> f64 {
    let step: Vec<f64> = z.iter().zip(r).map(|(z, r)| z - r).collect();
    let mut u = [0.0];
    layer.predict(z, &mut u);
    0.5 * small::bilinear(&step, gamma, &step, z.len()) - link.log(y * u[0])
}

fn normal(rng: &mut Pcg64) -> f64 {
    fg_core::special::quantile(rng.random_range(1e-12..1.0))
}

/// How far a better point may lie above the answer, relative to the objective's scale: rounding.
const OPTIMALITY: f64 = 1e-11;

#[test]
fn maximisers_are_the_global_minimum_of_a_grid_and_of_what_is_near() {
    let mut rng = Pcg64::seed_from_u64(3);
    for link in [Link::Logistic, Link::Probit { variance: 0.02 }] {
        for activation in ACTIVATIONS {
            for case in 0..6 {
                let d = 1 + case % 2;
                let weights: Vec<f64> = (0..d).map(|_| 3.0 * normal(&mut rng)).collect();
                let layer = TwoLayer::labels(&weights, 0.3, activation, link).unwrap();
                let node = TwoLayerMap::new(layer.clone()).unwrap().with_step(0.0).unwrap();
                let r: Vec<f64> = (0..d).map(|_| 2.0 * normal(&mut rng)).collect();
                let (y, gamma) = (if rng.random_bool(0.5) { 1.0 } else { -1.0 }, leading(d));
                let given = (&r[..], &gamma[..]);
                let z = answer(&node, y, &r, &gamma).mean;
                let found = cost(&layer, link, y, given, &z);
                let (half, h) = if d == 1 { (8000, 1e-3) } else { (80, 0.09) };
                let best = grid(d, half, h)
                    .map(|(z, _)| cost(&layer, link, y, given, &z))
                    .fold(f64::INFINITY, f64::min);
                let label = format!("{link:?} {activation:?} {weights:?} {r:?} {y}");
                assert!(found <= best + OPTIMALITY * (1.0 + best), "{label}: {found} {best}");
                for size in [1e-6, 1e-4, 1e-2] {
                    let near: Vec<f64> = z.iter().map(|z| z + size * normal(&mut rng)).collect();
                    let other = cost(&layer, link, y, given, &near);
                    let slack = OPTIMALITY * (1.0 + found);
                    assert!(found <= other + slack, "{label}: {found} above {other}");
                }
            }
        }
    }
}

#[test]
fn four_kinked_units_have_the_best_of_all_patterns() {
    let mut rng = Pcg64::seed_from_u64(4);
    for link in LINKS {
        for _ in 0..20 {
            let layer = layer(4, Activation::Relu, link);
            let node = TwoLayerMap::new(layer.clone()).unwrap().with_step(0.0).unwrap();
            let r: Vec<f64> = (0..4).map(|_| normal(&mut rng)).collect();
            let z = answer(&node, -1.0, &r, &FULL).mean;
            let found = cost(&layer, link, -1.0, (&r, &FULL), &z);
            for size in [1e-5, 1e-2, 0.3, 1.0] {
                for _ in 0..200 {
                    let near: Vec<f64> = z.iter().map(|z| z + size * normal(&mut rng)).collect();
                    let other = cost(&layer, link, -1.0, (&r, &FULL), &near);
                    assert!(found <= other + OPTIMALITY * (1.0 + found), "{found} above {other}");
                }
            }
        }
    }
}

#[test]
fn the_smooth_covariance_is_the_jacobian_in_the_natural_parameter() {
    // Central differences of step h err by h^2 and by the rounding of Newton's steps over h.
    const STEP: f64 = 1e-5;
    const TOLERANCE: f64 = 1e-7;
    for link in LINKS {
        for activation in ACTIVATIONS {
            let node = TwoLayerMap::new(layer(3, activation, link)).unwrap();
            let node = node.with_step(0.0).unwrap();
            let (gamma, r) = (leading(3), &MEANS[..3]);
            let inverse = inverse(&gamma, 3);
            let c = answer(&node, -1.0, r, &gamma).covariance;
            for k in 0..3 {
                let moved = |h: f64| {
                    let r: Vec<f64> = (0..3).map(|j| r[j] + h * inverse[j * 3 + k]).collect();
                    answer(&node, -1.0, &r, &gamma).mean
                };
                let (up, down) = (moved(STEP), moved(-STEP));
                for i in 0..3 {
                    let (slope, found) = ((up[i] - down[i]) / (2.0 * STEP), c[i * 3 + k]);
                    let label = format!("{link:?} {activation:?} {i} {k}");
                    assert!((slope - found).abs() < TOLERANCE, "{label}: {slope} {found}");
                }
            }
        }
    }
}

#[test]
fn linear_maximisers_are_those_of_one_column() {
    let scalar = Logistic::new().maximised();
    let layer = TwoLayer::labels(&WEIGHTS[..3], 0.0, Activation::Linear, Link::Logistic).unwrap();
    let node = TwoLayerMap::new(layer).unwrap();
    for y in [1.0, -1.0] {
        let expected = linear(&scalar, y, &MEANS[..3], &leading(3));
        let found = answer(&node, y, &MEANS[..3], &leading(3));
        for (f, e) in found.mean.iter().zip(&expected.mean) {
            assert!((f - e).abs() < 1e-9, "{:?} {:?}", found.mean, expected.mean);
        }
        for (f, e) in found.covariance.iter().zip(&expected.covariance) {
            assert!((f - e).abs() < 1e-9, "{:?} {:?}", found.covariance, expected.covariance);
        }
    }
}
