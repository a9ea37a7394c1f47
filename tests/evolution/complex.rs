//! Complex operators: predictions against runs, and published thresholds of phase retrieval.

use fg_core::evolution::{
    Evolution, EvolutionError, MessageLaw, Spectrum, SpectrumError, threshold,
};
use fg_core::operator::{Complex, Ensemble};
use fg_core::{Options, Rows};
use fg_denoisers::{Awgn, ComplexMagnitude, Discrete, Gaussian, Magnitude};
use fg_models::generalised::{self, GeneralisedGraph};
use fg_models::linear;
use fg_models::synthetic::{add_noise, complex_gaussian_matrix};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::runs::{compare, errors_of, options};

/// Runs of each comparison.
const RUNS: u64 = 12;
const SIZE: usize = 256;
/// Observations an unknown.
const RATIO: f64 = 0.75;
/// Variance of either part of the noise.
const NOISE: f64 = 0.05;
/// Sobol points of two columns and a noise, measured by doubling.
const INTEGRATION: f64 = 0.003;

/// Truths of few values, and what is assumed of them.
fn compare_symbols(name: &str, truth: &Discrete, values: &[[f64; 2]], damping: f64) {
    let options = options().with_damping(damping);
    let likelihood = || Awgn::new(NOISE.recip()).unwrap();
    let measured: Vec<Vec<f64>> = (0..RUNS)
        .map(|seed| {
            let rng = &mut Pcg64::seed_from_u64(seed);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number of rows"
            )]
            let rows = (RATIO * SIZE as f64) as usize;
            let matrix = complex_gaussian_matrix(rows, SIZE, 1.0 / rows as f64, rng);
            let operator = Complex::new(matrix.as_ref()).unwrap();
            // Each value as often as the law has it: the law of the truth is met.
            let first = rng.random_range(0..SIZE);
            let signal = Rows::from_fn(SIZE, 2, |i, j| values[(i + first) % values.len()][j]);
            let data = add_noise(&linear::outputs(&operator, &signal), NOISE, rng);
            let model = generalised::complex(operator, Discrete::qpsk(), likelihood(), data);
            let x = model.signal;
            let graph = model.builder.build().unwrap();
            errors_of(&graph, &options, &[(x, &signal)]).remove(0)
        })
        .collect();
    let operator = Ensemble::complex(SIZE, Spectrum::marchenko_pastur(RATIO).unwrap());
    let model = generalised::complex_unobserved(operator, Discrete::qpsk(), likelihood());
    let (x, prior) = (model.signal, model.prior);
    let graph = model.builder.build().unwrap();
    let prediction = Evolution::new(&graph, &options)
        .with_law(prior, truth.clone())
        .with_tolerance(0.0)
        .run()
        .unwrap();
    let predicted: Vec<f64> =
        prediction.sweeps().iter().map(|s| s.estimate(x).unwrap().mse()).collect();
    compare(name, &measured, &predicted, INTEGRATION);
}

#[test]
fn symbols_as_assumed() {
    let a = 0.5f64.sqrt();
    compare_symbols("QPSK", &Discrete::qpsk(), &[[a, a], [a, -a], [-a, a], [-a, -a]], 1.0);
}

/// Symbols of another law than is assumed, with a mean and unlike parts: messages hold constants and parts of the truth that
/// an operator on entries takes for noise.
#[test]
fn other_symbols_than_assumed() {
    let values = [[1.1, 0.4], [-0.3, 0.9], [0.8, -0.2], [-0.5, 0.1]];
    let truth = Discrete::new(2, &values.concat(), &[0.25; 4]).unwrap();
    compare_symbols("other symbols", &truth, &values, 1.0);
    compare_symbols("other symbols, damped", &truth, &values, 0.7);
}

/// What is asked of a threshold; a half is left to bisection, a half to integration.
const TOLERANCE: f64 = 0.005;
/// Next to none, as a share of the power of a projection.
const NOISELESS: f64 = 1e-10;
/// Shares of the signal that are unknown, between the first steps away from a tiny start, which any number of magnitudes
/// near these thresholds makes, and the last ones; in steps that miss the bottleneck by a twentieth at most.
const UNKNOWN: (f64, f64) = (0.7, 0.01);
const STEP: f64 = 1.1;

/// Whether what is known of a Gaussian signal grows wherever it is, so that a little at the start leads to full recovery from
/// magnitudes without noise. Matched recursions have one number, the share that is known, and it grows with what it was: they
/// end where it comes back as it was.
fn recovers(
    model: impl Fn() -> GeneralisedGraph,
    power: f64,
    columns: usize,
    points: usize,
) -> Result<bool, EvolutionError> {
    let isotropic = |value: f64| -> Vec<f64> {
        (0..columns * columns).map(|k| if k % (columns + 1) == 0 { value } else { 0.0 }).collect()
    };
    let model = model();
    let (operator, graph) = (model.operator, model.builder.build().unwrap());
    let mut unknown = UNKNOWN.0;
    while unknown > UNKNOWN.1 {
        // A guess sqrt(q) x0 + sqrt(1 - q) noise, as seen by the output: the law of a matched message.
        let q = 1.0 - unknown;
        let claimed = 1.0 / (unknown * power);
        let error = isotropic(q * unknown * power);
        let start = MessageLaw::from_mean_form(columns, &isotropic(claimed), &isotropic(q), &error)
            .unwrap();
        let options = Options::default().with_max_sweeps(1);
        let evolution = Evolution::new(&graph, &options).with_points(points);
        let prediction = evolution.with_start(operator, 1, start).run()?;
        let messages = &prediction.sweeps()[0].messages;
        let back = messages.iter().find(|m| m.factor == operator && m.port == 1).unwrap();
        if back.law.precision()[0] <= claimed {
            return Ok(false);
        }
        unknown /= STEP;
    }
    Ok(true)
}

/// The threshold of full recovery of a complex signal.
fn complex_threshold(
    bracket: (f64, f64),
    spectrum: impl Fn(f64) -> Result<Spectrum, SpectrumError>,
) -> f64 {
    const POINTS: usize = 32768;
    let at = |alpha: f64| {
        let spectrum = spectrum(alpha).unwrap();
        let power = 0.5 * spectrum.output_power();
        let model = || {
            let magnitudes = ComplexMagnitude::new(NOISELESS * power).unwrap();
            let prior = Gaussian::new(0.0, 0.5).unwrap();
            let operator = Ensemble::complex(1000, spectrum.clone());
            generalised::complex_unobserved(operator, prior, magnitudes)
        };
        recovers(model, power, 2, POINTS)
    };
    threshold(bracket, 0.5 * TOLERANCE, at).unwrap().value()
}

// A. Maillard, B. Loureiro, F. Krzakala and L. Zdeborova, "Phase retrieval in high dimensions: statistical and computational
// phase transitions", Advances in Neural Information Processing Systems 33 (2020), table 1: full recovery by the best known
// polynomial algorithm.

#[test]
#[ignore = "a minute"]
fn real_orthonormal_columns() {
    /// A start that shares so much of its variance with the truth: any little grows.
    const LITTLE: f64 = 1e-2;
    /// Between a signal that is recovered and one that isn't.
    const RECOVERED: f64 = 1e-6;
    let at = |alpha: f64| {
        let (q, power) = (LITTLE, alpha.recip());
        let operator = Ensemble::new(1000, Spectrum::orthonormal(alpha).unwrap());
        let magnitudes = Magnitude::new(NOISELESS * power).unwrap();
        let prior = Gaussian::new(0.0, 1.0).unwrap();
        let model = generalised::unobserved(operator, 1, prior, magnitudes);
        let claimed = [1.0 / ((1.0 - q) * power)];
        let start =
            MessageLaw::from_mean_form(1, &claimed, &[q], &[q * (1.0 - q) * power]).unwrap();
        let (x, operator) = (model.signal, model.operator);
        let graph = model.builder.build().unwrap();
        let options = Options::default().with_max_sweeps(2000);
        let evolution = Evolution::new(&graph, &options).with_points(65536).with_exact(RECOVERED);
        Ok(evolution.with_start(operator, 1, start).run()?.estimate(x).nmse() <= RECOVERED)
    };
    let found = threshold((1.56, 1.61), 0.5 * TOLERANCE, at).unwrap().value();
    assert!((found - 1.584).abs() < TOLERANCE, "full recovery: {found}");
}

#[test]
#[ignore = "minutes"]
fn complex_gaussian_entries() {
    let found = complex_threshold((2.0, 2.06), Spectrum::marchenko_pastur);
    println!("complex, Gaussian: {found}");
    assert!((found - 2.027).abs() < TOLERANCE, "full recovery: {found}");
}
