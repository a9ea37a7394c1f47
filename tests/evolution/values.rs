//! State evolution against published values.

use fg_core::denoiser::Denoiser;
use fg_core::evolution::{
    Evolution, EvolutionError, MessageLaw, Spectrum, SweepPrediction, threshold,
};
use fg_core::operator::Ensemble;
use fg_core::{FactorId, Graph, Options, Prediction, VariableId};
use fg_denoisers::{BernoulliGauss, L1};
use fg_models::{GeneralisedGraph, linear};

/// Prior - X - operator - Z - Gaussian noise of this precision.
fn nominal(
    spectrum: Spectrum,
    prior: impl Denoiser + 'static,
    precision: f64,
) -> (Graph, VariableId, FactorId) {
    let operator = Ensemble::new(1000, spectrum);
    let GeneralisedGraph { builder, signal, prior, .. } =
        linear::unobserved(operator, 1, prior, precision).unwrap();
    (builder.build().unwrap(), signal, prior)
}

/// The slab is a thousand times as wide as the noise: the default of 4096 points errs by up to 0.2 dB here (0.4 dB on
/// the general path), 16384 by 0.02 dB, these by less than 0.001 dB.
const POINTS: usize = 65536;
/// Values to be reproduced are given to 0.01 dB.
const DECIBELS: f64 = 0.02;
/// Thresholds to be reproduced are given to four digits; half of this is left to bisection.
const ALPHA: f64 = 0.002;

/// Bernoulli-Gauss(0.1, variance 10), m = n / 2, noise variance 1e-3, singular values falling geometrically: the
/// example of Rangan, Schniter and Fletcher, "Vector Approximate Message Passing", IEEE Transactions on Information
/// Theory 65 (2019), with a mean square of one over the n inputs (`scaled(2.0)`, as half of them have singular value
/// zero). The numbers come from an independent implementation of its state evolution.
fn vamp(condition: f64, general: bool) -> (Prediction, VariableId) {
    let spectrum = Spectrum::geometric(0.5, condition).unwrap().scaled(2.0).unwrap();
    let (graph, x, _) = nominal(spectrum, BernoulliGauss::new(0.1, 0.0, 10.0).unwrap(), 1e3);
    let options = Options::default().with_max_sweeps(300);
    let evolution = Evolution::new(&graph, &options).with_points(POINTS);
    let evolution = if general { evolution.with_general_path() } else { evolution };
    let prediction = evolution.run().unwrap();
    assert_eq!(prediction.is_matched(), !general, "the path that was asked for");
    (prediction, x)
}

#[test]
fn vamp_at_four_condition_numbers() {
    for general in [false, true] {
        for (condition, expected) in
            [(1.0, -38.81), (10.0, -37.25), (100.0, -33.96), (1000.0, -29.37)]
        {
            let (prediction, x) = vamp(condition, general);
            let found = prediction.estimate(x).nmse_db();
            assert!(
                (found - expected).abs() < DECIBELS,
                "condition {condition}, general {general}: {found} for {expected}"
            );
        }
    }
}

#[test]
fn vamp_sweep_by_sweep() {
    let expected = [
        -6.46, -11.45, -16.07, -20.27, -23.90, -26.87, -29.17, -30.84, -32.00, -32.75, -33.23,
        -33.52,
    ];
    for general in [false, true] {
        let (prediction, x) = vamp(100.0, general);
        for (sweep, expected) in prediction.sweeps().iter().zip(expected) {
            let found = sweep.estimate(x).unwrap().nmse_db();
            assert!(
                (found - expected).abs() < DECIBELS,
                "sweep {}, general {general}: {found} for {expected}",
                sweep.sweep
            );
        }
    }
}

/// Noise so small that only the phase matters: a signal that isn't recovered errs by more than -20 dB, one that is by
/// less than -80 dB.
const NOISELESS: f64 = 1e11;
/// Between both.
const RECOVERED: f64 = -40.0;

/// The smallest sampling ratio at which independent Gaussian entries recover a Bernoulli-Gauss signal.
fn sampling_threshold(rho: f64, bracket: (f64, f64)) -> f64 {
    // Sweeps next to a threshold scale as its distance to the power of -1/2.
    let options = Options::default().with_max_sweeps(2000);
    let recovers = |alpha: f64| -> Result<bool, EvolutionError> {
        let spectrum = Spectrum::marchenko_pastur(alpha).unwrap();
        let prior = BernoulliGauss::new(rho, 0.0, 1.0).unwrap();
        let (graph, x, _) = nominal(spectrum, prior, NOISELESS);
        Ok(graph.predict(&options)?.estimate(x).nmse_db() < RECOVERED)
    };
    threshold(bracket, 0.5 * ALPHA, recovers).unwrap().value()
}

/// Noiseless compressed sensing by the Bayes estimator: F. Krzakala, M. Mezard, F. Sausset, Y. Sun and L. Zdeborova,
/// "Statistical-Physics-Based Reconstruction in Compressed Sensing", Physical Review X 2 (2012), figure 3, computed
/// anew to four digits.
#[test]
fn bayes_thresholds_of_compressed_sensing() {
    for (rho, expected, bracket) in [(0.1, 0.2076, (0.19, 0.225)), (0.5, 0.6857, (0.67, 0.705))] {
        let found = sampling_threshold(rho, bracket);
        assert!((found - expected).abs() < ALPHA, "rho {rho}: {found} for {expected}");
    }
}

/// Noise variance that vanishes beside entries of size one, whose number decides the phase and whose law doesn't.
const VANISHING: f64 = 1e-14;

/// The smallest L1 norm for independent Gaussian entries, when `share` of the `ratio * n` rows is the number of entries
/// that aren't zero: its error after every sweep from a start that errs by `start`, over the variance of the noise.
///
/// Below the threshold the error is a multiple of the noise, at it that multiple is infinite, and above it errors grow,
/// however small, until they are of the size of the entries. So the threshold is where small errors stop shrinking.
fn amplification(
    (ratio, share): (f64, f64),
    damping: f64,
    start: f64,
    sweeps: usize,
) -> Result<Vec<f64>, EvolutionError> {
    let spectrum = Spectrum::marchenko_pastur(ratio).unwrap();
    // A weight of one vanishes beside this precision: the minimiser is that of smallest norm.
    let (graph, x, prior) = nominal(spectrum, L1::new(1.0).unwrap(), VANISHING.recip());
    let law = BernoulliGauss::new(share * ratio, 0.0, 1.0).unwrap();
    // Where the weight is one, soft thresholds are the inverse of the precision.
    let claimed = start.sqrt().recip();
    let start = MessageLaw::from_mean_form(1, &[claimed], &[1.0], &[start]).unwrap();
    let options = Options::default().with_max_sweeps(sweeps).with_damping(damping);
    let evolution = Evolution::new(&graph, &options).with_points(KINKED).with_fixed_point();
    let prediction = evolution.with_law(prior, law).with_start(prior, 0, start).run()?;
    let error = |s: &SweepPrediction| s.estimate(x).unwrap().mse() / VANISHING;
    Ok(prediction.sweeps().iter().map(error).collect())
}

/// Kinks of the soft threshold are integrated to one over the number of points: 1024 move thresholds by 0.002, these by
/// less than 0.0005.
const KINKED: usize = 4096;
/// And amplifications by less than this.
const AMPLIFICATION: f64 = 0.015;

/// Ratios `m / n`, the threshold there, and the weight of new messages: at a tenth undamped messages diverge on both
/// sides of the threshold.
const SMALLEST_NORM: [(f64, f64, f64); 2] = [(0.5, 0.3857, 1.0), (0.1, 0.1894, 0.3)];
/// The bracket of bisection reaches so far to both sides, not by the same, so that it doesn't begin with the answer.
const BRACKET: (f64, f64) = (0.013, 0.019);
/// Thresholds are to be reproduced to this.
const SHARE: f64 = 0.002;
/// An error of so many times the noise: one over it is what the noise adds to the rate at which errors grow.
const AMPLIFIED: f64 = 1e4;
/// Sweeps until nothing is left of the start but its size, and those over which an error must shrink.
const SETTLING: usize = 40;
const SHRINKING: usize = 60;

/// D. Donoho and J. Tanner, "Counting Faces of Randomly Projected Polytopes When the Projection Radically Lowers
/// Dimension", Journal of the American Mathematical Society 22 (2009): weak thresholds of the cross-polytope, 0.3857 at
/// m / n = 0.5 and 0.1894 at 0.1.
#[test]
fn donoho_tanner_thresholds_of_the_smallest_norm() {
    for (ratio, expected, damping) in SMALLEST_NORM {
        let shrinks = |share: f64| -> Result<bool, EvolutionError> {
            let start = AMPLIFIED * VANISHING;
            let errors = amplification((ratio, share), damping, start, SETTLING + SHRINKING)?;
            Ok(errors.last() < errors.get(SETTLING))
        };
        let bracket = (expected - BRACKET.0, expected + BRACKET.1);
        let value = threshold(bracket, 0.1 * SHARE, shrinks).unwrap().value();
        assert!((value - expected).abs() < SHARE, "m / n = {ratio}: {value} for {expected}");
    }
}

/// Below the threshold the smallest norm errs by `M / (1 - M / delta)` times the noise, where `delta = m / n` is the share
/// of entries that aren't zero after a soft threshold at `theta` deviations and `M(theta)` its error: D. Donoho, A. Maleki
/// and A. Montanari, "The Noise-Sensitivity Phase Transition in Compressed Sensing", IEEE Transactions on Information
/// Theory 57 (2011). Solved for these shares by bisection.
#[test]
fn the_smallest_norm_amplifies_noise_as_published() {
    for (ratio, share, damping, expected) in [(0.5, 0.37, 1.0, 20.182), (0.1, 0.15, 0.3, 0.5494)] {
        let errors = amplification((ratio, share), damping, VANISHING, 500).unwrap();
        let found = errors.last().unwrap() / expected;
        assert!(
            (found - 1.0).abs() < AMPLIFICATION,
            "{ratio} {share}: {found} times what is expected"
        );
    }
}

/// Kinks are integrated on other points where all noises of a run are followed than where laws are damped, and on neither
/// is there a point where nothing moves any more: it comes within half of this of where more points lead.
const INTEGRATION: f64 = 0.01;

/// A damped run comes to where damped laws come to, and that is where an undamped one does.
#[test]
fn fixed_points_of_damped_runs() {
    let (graph, x, prior) =
        nominal(Spectrum::marchenko_pastur(0.5).unwrap(), L1::new(1.0).unwrap(), 100.0);
    let error = |damping: f64, points: usize, fixed_point: bool| {
        let sweeps = if fixed_point { 400 } else { 40 };
        let start = MessageLaw::new(1, vec![10.0], vec![0.0], vec![0.0], vec![0.0]).unwrap();
        let options = Options::default().with_max_sweeps(sweeps).with_damping(damping);
        let mut evolution = Evolution::new(&graph, &options)
            .with_law(prior, BernoulliGauss::new(0.1, 0.0, 1.0).unwrap())
            .with_start(prior, 0, start)
            .with_points(points);
        if fixed_point {
            evolution = evolution.with_fixed_point();
        }
        evolution.run().unwrap().estimate(x).mse()
    };
    let (path, point) = (error(0.6, 16384, false), error(0.6, 4096, true));
    assert!((path / point - 1.0).abs() < INTEGRATION, "{path} along the path, {point} for its end");
    let undamped = error(1.0, 4096, true);
    let gap = undamped / point - 1.0;
    assert!(gap.abs() < INTEGRATION, "{undamped} undamped, {point} damped");
}
