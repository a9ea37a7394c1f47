//! How exact state evolution is where its integrals have many dimensions, by its own measure, and what that costs.

use std::time::Instant;

use fg_core::evolution::{Evolution, PredictedStatus, Spectrum};
use fg_core::operator::Ensemble;
use fg_core::{GraphBuilder, Options, Rows};
use fg_denoisers::likelihood::{Activation, TwoLayer};
use fg_denoisers::{Awgn, BernoulliGauss};
use fg_models::TwoLayerModel;

/// Sweeps predicted.
const SWEEPS: usize = 12;
/// Samples an input.
const RATIO: f64 = 4.0;
/// Noise variance, about 10 dB below the output.
const NOISE: f64 = 0.3;

/// Largest change of the predicted error after a sweep, relative, when there are twice as many points than `points`, for
/// four hidden units that are estimated by posterior means.
fn change(activation: Activation, points: usize, options: &Options) -> f64 {
    let weights = Rows::from_vec(4, 1, vec![1.2, -0.7, 0.5, 1.9]).unwrap();
    let output = TwoLayer::new(weights, vec![0.0], activation, NOISE.recip()).unwrap();
    let spectrum = Spectrum::marchenko_pastur(RATIO).unwrap().scaled(RATIO).unwrap();
    let parts = TwoLayerModel::new(output).unobserved(Ensemble::new(1000, spectrum)).unwrap();
    let graph = parts.builder.build().unwrap();
    let options = options.clone().with_max_sweeps(SWEEPS);
    let evolution = Evolution::new(&graph, &options).with_tolerance(0.0).with_points(points);
    let clock = Instant::now();
    let doubling = evolution.run_doubled().unwrap();
    // Three times as many points as one run has.
    let seconds = clock.elapsed().as_secs_f64() / (3 * SWEEPS) as f64;
    let changes = doubling.changes(parts.weights);
    assert_eq!(changes.len(), SWEEPS, "a change for every sweep");
    let largest = doubling.largest_change(parts.weights);
    println!("{activation:?}, {points} points: {seconds:.3} s a sweep, changes {largest:.1e}");
    largest
}

/// What is wanted of predictions.
const WANTED: f64 = 1e-3;

#[test]
fn smooth_units_are_integrated_to_a_thousandth() {
    let undamped = change(Activation::Sigmoid, 4096, &Options::default());
    assert!(undamped < WANTED, "{undamped}");
}

#[test]
fn damped_smooth_units_are_integrated_to_a_thousandth() {
    let damped = change(Activation::Sigmoid, 8192, &TwoLayerModel::options());
    assert!(damped < WANTED, "{damped}");
}

/// Kinked units of a matched model, which is integrated over the data of a cavity; of drawn hidden rows even 32768 points leave
/// 0.0017. Measured: 4096 points 0.0042, 8192 0.0010, 16384 0.0002, 32768 0.0003.
const KINKED_COARSE: f64 = 0.002;

#[test]
fn kinked_units_are_integrated_to_two_thousandths_by_few_points() {
    let undamped = change(Activation::Relu, 8192, &Options::default());
    assert!(undamped < KINKED_COARSE, "{undamped}");
}

#[test]
#[ignore = "half a minute unless optimised"]
fn kinked_units_are_integrated_to_a_thousandth() {
    for points in [16384, 32768] {
        let undamped = change(Activation::Relu, points, &Options::default());
        assert!(undamped < WANTED, "{points}: {undamped}");
    }
}

/// Where claims aren't what is true, rows are drawn. Covariances of rows then differ from each other by as much as their average
/// differs from the cavity's, which is what a message is made of, and errors fall a little faster than with the root of the
/// number of points. Measured: 16384 points 0.0061, 32768 0.0013.
const DAMPED: f64 = 0.002;

#[test]
#[ignore = "a minute unless optimised: as many points as there can be"]
fn damped_kinked_units_are_integrated_to_two_thousandths_by_most_points() {
    let damped = change(Activation::Relu, 32768, &TwoLayerModel::options());
    assert!(damped < DAMPED, "{damped}");
}

/// Seconds that the fixed point of a scalar model may take, the best of some runs, as other work on the machine only adds.
const SCALAR_SECONDS: f64 = 5e-3;
const TIMED: usize = 20;

#[test]
#[ignore = "a time, which only an optimised build keeps"]
fn a_scalar_fixed_point_takes_milliseconds() {
    let mut builder = GraphBuilder::new();
    let operator = Ensemble::new(1000, Spectrum::marchenko_pastur(0.5).unwrap());
    let x = builder.variable("x", 1000, 1);
    let z = builder.variable("z", 500, 1);
    builder.prior("prior", x, BernoulliGauss::new(0.1, 0.0, 10.0).unwrap());
    builder.linear("A", x, z, operator);
    builder.unobserved("noise", z, Awgn::new(1e3).unwrap());
    let graph = builder.build().unwrap();
    let mut best = f64::INFINITY;
    for _ in 0..TIMED {
        let clock = Instant::now();
        let prediction = graph.predict(&Options::default()).unwrap();
        best = best.min(clock.elapsed().as_secs_f64());
        assert_eq!(*prediction.status(), PredictedStatus::FixedPoint, "a fixed point");
    }
    println!("scalar fixed point: {:.2} ms", 1e3 * best);
    assert!(best < SCALAR_SECONDS, "{best}");
}
