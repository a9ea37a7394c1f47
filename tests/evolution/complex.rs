//! Complex operators: predictions against runs; and the published threshold of phase retrieval with orthonormal columns.

use fg_core::evolution::{Evolution, MessageLaw, Spectrum, threshold};
use fg_core::operator::{Complex, Ensemble};
use fg_core::{Options, Rows};
use fg_denoisers::{Awgn, Discrete, Gaussian, Magnitude};
use fg_models::generalised;
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
        let power = alpha.recip();
        let operator = Ensemble::new(1000, Spectrum::orthonormal(alpha).unwrap());
        let magnitudes = Magnitude::new(NOISELESS * power).unwrap();
        let prior = Gaussian::new(0.0, 1.0).unwrap();
        let model = generalised::unobserved(operator, 1, prior, magnitudes);
        let start = MessageLaw::guess(1, LITTLE, power).unwrap();
        let (x, operator) = (model.signal, model.operator);
        let graph = model.builder.build().unwrap();
        let options = Options::default().with_max_sweeps(2000);
        let evolution = Evolution::new(&graph, &options).with_points(65536).with_exact(RECOVERED);
        Ok(evolution.with_start(operator, 1, start).run()?.estimate(x).nmse() <= RECOVERED)
    };
    let found = threshold((1.56, 1.61), 0.5 * TOLERANCE, at).unwrap().value();
    assert!((found - 1.584).abs() < TOLERANCE, "full recovery: {found}");
}
