//! State evolution against published values.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use fg_core::denoiser::Denoiser;
use fg_core::evolution::{Evolution, EvolutionError, MessageLaw, Spectrum, threshold};
use fg_core::operator::Ensemble;
use fg_core::{FactorId, Graph, Options, Prediction, VariableId};
use fg_denoisers::{BernoulliGauss, L1};
use fg_models::linear::{self, LinearGraph};

/// Prior - X - operator - Z - Gaussian noise of this precision.
fn nominal(
    spectrum: Spectrum,
    prior: impl Denoiser + 'static,
    precision: f64,
) -> (Graph, VariableId, FactorId) {
    let operator = Ensemble::new(1000, spectrum);
    let LinearGraph { builder, signal, prior, .. } =
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

/// Error of the smallest L1 norm for independent Gaussian entries at half as many rows as columns, when `share` of the
/// rows is the number of entries that aren't zero.
fn smallest_norm(share: f64) -> f64 {
    const RATIO: f64 = 0.5;
    let spectrum = Spectrum::marchenko_pastur(RATIO).unwrap();
    // A weight of one vanishes beside this precision: the minimiser is that of smallest norm.
    let (graph, x, prior) = nominal(spectrum, L1::new(1.0).unwrap(), 1e9);
    let law = BernoulliGauss::new(share * RATIO, 0.0, 1.0).unwrap();
    // The estimator has no mean: start from zero, with the power of the signal.
    let (gamma, zero) = (vec![1.0 / (share * RATIO)], || vec![0.0]);
    let start = MessageLaw::new(1, gamma, zero(), zero(), zero()).unwrap();
    let options = Options::default().with_max_sweeps(500);
    let evolution = Evolution::new(&graph, &options).with_points(16384).with_law(prior, law);
    evolution.with_start(prior, 0, start).run().unwrap().estimate(x).nmse_db()
}

/// D. Donoho and J. Tanner, "Counting Faces of Randomly Projected Polytopes When the Projection Radically Lowers
/// Dimension", Journal of the American Mathematical Society 22 (2009): the weak threshold of the cross-polytope is 0.3857
/// at m / n = 0.5.
///
/// This transition is continuous: the error grows as the square of the distance beyond it, and the sweeps to a fixed
/// point as one over the distance. So it is enclosed, by shares 1.5 percent below and 1 percent above.
#[test]
fn donoho_tanner_threshold_of_the_smallest_norm() {
    let (below, above) = (smallest_norm(0.380), smallest_norm(0.390));
    assert!(below < -60.0, "a signal sparser than the threshold errs by {below} dB");
    assert!(above > -50.0, "a signal denser than the threshold errs by {above} dB");
}
