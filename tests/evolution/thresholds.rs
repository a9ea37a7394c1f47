//! Published thresholds of generalised linear models by state evolution.

use fg_core::denoiser::{Denoiser, Likelihood};
use fg_core::evolution::{Evolution, EvolutionError, MessageLaw, Prediction, Spectrum, threshold};
use fg_core::operator::{Ensemble, LinearOperator};
use fg_core::{FactorId, Graph, GraphBuilder, Options, VariableId};
use fg_denoisers::{Discrete, Gaussian, Magnitude, Sign};

/// Prior - x - [independent Gaussian entries] - z - data, `alpha` data an entry of `x`.
struct Model {
    graph: Graph,
    x: VariableId,
    operator: FactorId,
}

impl Model {
    fn new(
        alpha: f64,
        prior: impl Denoiser + 'static,
        likelihood: impl Likelihood + 'static,
    ) -> Self {
        let operator = Ensemble::new(1000, Spectrum::marchenko_pastur(alpha).unwrap());
        let mut builder = GraphBuilder::new();
        let x = builder.variable("x", operator.inputs(), 1);
        let z = builder.variable("z", operator.outputs(), 1);
        builder.prior("prior", x, prior);
        let operator = builder.linear("A", x, z, operator);
        builder.unobserved("data", z, likelihood);
        Self { graph: builder.build().unwrap(), x, operator }
    }
}

/// Half of what is asked of a threshold is left to bisection, half to integration.
const TOLERANCE: f64 = 0.002;
/// Between a signal that is recovered and one that isn't: errors jump from a tenth of the power to below a millionth.
const RECOVERED: f64 = 1e-6;
/// Sweeps next to a threshold scale as its distance to the power of -1/2.
const SWEEPS: usize = 2000;

fn options() -> Options {
    Options::default().with_max_sweeps(SWEEPS)
}

/// A binary teacher is recovered from signs of random projections, without information to start from, above 1.4925
/// examples a weight: J. Barbier, F. Krzakala, N. Macris, L. Miolane and L. Zdeborova, "Optimal errors and phase
/// transitions in high-dimensional generalized linear models", Proceedings of the National Academy of Sciences 116 (2019).
#[test]
fn binary_perceptron() {
    let recovers = |alpha: f64| {
        let model = Model::new(alpha, Discrete::binary(), Sign::new());
        let evolution = Evolution::new(&model.graph, &options()).with_exact(RECOVERED);
        Ok(evolution.run()?.estimate(model.x).mse() <= RECOVERED)
    };
    let found = threshold((1.4, 1.6), 0.5 * TOLERANCE, recovers).unwrap().value();
    assert!((found - 1.4925).abs() < TOLERANCE, "perceptron: {found}");
}

/// The prediction of retrieving a Gaussian signal from magnitudes, from a start that shares `overlap` of its variance.
fn magnitudes(
    alpha: f64,
    overlap: f64,
    sweeps: usize,
) -> Result<(Prediction, VariableId), EvolutionError> {
    /// Next to none: an error below this, as a share of the power, is rounding.
    const NOISE: f64 = 1e-10;
    /// Half of the signal's entries are next to the kink of the magnitude's posterior: a quarter of these moves the threshold by 0.002.
    const POINTS: usize = 65536;
    let signal = Gaussian::new(0.0, 1.0).unwrap();
    let model = Model::new(alpha, signal, Magnitude::new(NOISE).unwrap());
    // A guess sqrt(q) x0 + sqrt(1 - q) noise, seen by the output of power 1 / alpha.
    let start = MessageLaw::guess(1, overlap, 1.0 / alpha).unwrap();
    let options = Options::default().with_max_sweeps(sweeps);
    let evolution = Evolution::new(&model.graph, &options).with_points(POINTS);
    Ok((evolution.with_start(model.operator, 1, start).run()?, model.x))
}

/// Real phase retrieval by the Bayes estimator, a Gaussian signal and independent Gaussian entries: a signal is recovered
/// above 1.128 magnitudes an entry. A. Maillard, B. Loureiro, F. Krzakala and L. Zdeborova, "Phase retrieval in high
/// dimensions: statistical and computational phase transitions", Advances in Neural Information Processing Systems 33
/// (2020), table 1.
#[test]
fn real_phase_retrieval_full_recovery() {
    let recovers = |alpha: f64| {
        let (prediction, x) = magnitudes(alpha, 1e-2, SWEEPS)?;
        Ok(prediction.estimate(x).mse() < RECOVERED)
    };
    let found = threshold((1.115, 1.14), 0.5 * TOLERANCE, recovers).unwrap().value();
    assert!((found - 1.128).abs() < TOLERANCE, "full recovery: {found}");
}

/// The same: above half a magnitude an entry a little knowledge of the signal grows. It grows to an overlap that rises from
/// zero with the distance from this threshold, so that the threshold is where the line through overlaps ends.
#[test]
fn real_phase_retrieval_weak_recovery() {
    /// What is left to the third order of the curve and to integration.
    const EXTRAPOLATION: f64 = 0.004;
    let points = [0.54, 0.57, 0.6].map(|alpha| {
        let (prediction, x) = magnitudes(alpha, 1e-2, SWEEPS).unwrap();
        (alpha, prediction.estimate(x).overlap()[0])
    });
    // Inverse interpolation: alpha as a parabola in the overlap, at zero.
    let term = |k: usize| {
        let others = (0..3).filter(|&j| j != k);
        others.map(|j| points[j].1 / (points[j].1 - points[k].1)).product::<f64>() * points[k].0
    };
    let found: f64 = (0..3).map(term).sum();
    assert!((found - 0.5).abs() < EXTRAPOLATION, "weak recovery: {found} from {points:?}");
}
