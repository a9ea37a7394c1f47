//! State evolution of scalar estimators from next to no information to next to perfect information.

use fg_core::denoiser::Denoiser;
use fg_core::evolution::{Evolution, EvolutionError, Spectrum};
use fg_core::operator::Ensemble;
use fg_core::{FactorId, Graph, GraphBuilder, Options, VariableId};
use fg_denoisers::{Awgn, BernoulliGauss, Gaussian, L1, Laplace};
use fg_models::linear;

/// One line of `data/scalar_extremes.csv`.
struct Reference {
    law: String,
    estimator: String,
    gamma: f64,
    mse: f64,
}

fn references() -> Vec<Reference> {
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [law, estimator, power, mse] = fields[..] else { panic!("four fields: {line}") };
        Reference {
            law: law.to_owned(),
            estimator: estimator.to_owned(),
            gamma: 10.0_f64.powi(power.parse().unwrap()),
            mse: mse.parse().unwrap(),
        }
    };
    include_str!("data/scalar_extremes.csv").lines().skip(1).map(parse).collect()
}

/// A prior on a variable that is seen with noise of precision `gamma`.
fn seen(gamma: f64, prior: impl Denoiser + 'static) -> (Graph, VariableId, FactorId) {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", 1000, 1);
    let prior = builder.prior("prior", x, prior);
    builder.unobserved("data", x, Awgn::new(gamma).unwrap());
    (builder.build().unwrap(), x, prior)
}

fn sparse() -> BernoulliGauss {
    BernoulliGauss::new(0.1, 0.0, 1.0).unwrap()
}

fn double() -> Laplace {
    Laplace::new(1.0).unwrap()
}

/// Relative error of what is predicted.
fn error(reference: &Reference, points: usize, general: bool) -> f64 {
    let gamma = reference.gamma;
    let penalty = || L1::new(1.0).unwrap();
    let (law, estimator) = (reference.law.as_str(), reference.estimator.as_str());
    let (graph, x, prior) = match (law, estimator) {
        (_, "l1") => seen(gamma, penalty()),
        ("gauss", _) => seen(gamma, Gaussian::new(0.0, 1.0).unwrap()),
        ("laplace", _) => seen(gamma, double()),
        _ => seen(gamma, sparse()),
    };
    let options = Options::default();
    let mut evolution = Evolution::new(&graph, &options).with_points(points);
    if general {
        evolution = evolution.with_general_path();
    }
    evolution = match (law, estimator) {
        ("laplace", "l1") => evolution.with_law(prior, double()),
        (_, "l1") => evolution.with_law(prior, sparse()),
        _ => evolution,
    };
    let found = evolution.run().unwrap().estimate(x).mse();
    assert!(found > 0.0 && found.is_finite(), "{law} {estimator} at {gamma:e}: {found}");
    let error = found / reference.mse - 1.0;
    println!("{law} {estimator} at {gamma:e}, {points} points, general {general}: {error:.1e}");
    error.abs()
}

/// Largest error of a law and an estimator at all precisions.
fn largest(law: &str, estimator: &str, points: usize, general: bool) -> f64 {
    let references = references().into_iter();
    let chosen = references.filter(|r| r.law == law && r.estimator == estimator);
    chosen.map(|r| error(&r, points, general)).fold(0.0, f64::max)
}

/// What is wanted of matched predictions.
const WANTED: f64 = 1e-6;

#[test]
fn matched_estimators_are_exact_at_all_precisions() {
    for law in ["gauss", "bernoulli-gauss", "laplace"] {
        let error = largest(law, "mean", 4096, false);
        assert!(error < WANTED, "{law}: {error}");
    }
}

/// The same where what is true of messages is followed beside what they claim.
#[test]
fn smooth_estimators_are_exact_at_all_precisions_on_the_general_path() {
    for law in ["gauss", "laplace"] {
        let error = largest(law, "mean", 4096, true);
        assert!(error < WANTED, "{law}: {error}");
    }
}

/// Soft thresholds have kinks, so that errors fall as one over the number of points.
const KINKS: f64 = 2e-4;
const KINKS_AT_MOST_POINTS: f64 = 1e-5;

#[test]
fn soft_thresholds_are_followed_at_all_precisions() {
    for law in ["bernoulli-gauss", "laplace"] {
        for (points, wanted) in [(4096, KINKS), (65536, KINKS_AT_MOST_POINTS)] {
            let error = largest(law, "l1", points, true);
            assert!(error < wanted, "{law}: {error}");
        }
    }
}

/// On the general path the slab is cut where it passes the spike, so that points lie there at every distance: what is uncertain is the
/// smaller and the less likely the larger the precision. Largest at 1e3, where slab and spike differ within a few deviations
/// of the noise; with most points it is what the ends of the grid leave out.
const SPIKE: f64 = 2e-4;
const SPIKE_AT_MOST_POINTS: f64 = 1e-6;

#[test]
fn a_spike_is_followed_at_all_precisions_on_the_general_path() {
    for (points, wanted) in [(4096, SPIKE), (65536, SPIKE_AT_MOST_POINTS)] {
        let error = largest("bernoulli-gauss", "mean", points, true);
        assert!(error < wanted, "{points} points: {error}");
    }
}

/// A law whose own standard deviation says nothing about how far it reaches.
#[test]
fn rare_entries_count_in_full() {
    // Known to within the noise where they are found, which almost all are: an error of rho / gamma, and a little more.
    const GAMMA: f64 = 1e12;
    const RHO: f64 = 1e-4;
    let (graph, x, _) = seen(GAMMA, BernoulliGauss::new(RHO, 0.0, 1.0).unwrap());
    let prediction = graph.predict(&Options::default()).unwrap();
    let found = prediction.estimate(x).mse() * GAMMA / RHO - 1.0;
    println!("{found:.1e}");
    // Entries within ten deviations of the noise are one in 1e5.
    assert!((0.0..1e-3).contains(&found), "{found}");
}

/// Beyond where doubles hold the density of what is seen, nearly every entry is known to the noise, or to be zero.
#[test]
fn precisions_beyond_the_digits_of_the_density_are_followed() {
    for power in [14, 15, 16, 18, 20] {
        let gamma = 10.0_f64.powi(power);
        let (graph, x, _) = seen(gamma, sparse());
        let found = graph.predict(&Options::default()).unwrap().estimate(x).mse();
        assert!((found * gamma / 0.1 - 1.0).abs() < 1e-4, "1e{power}: {found:e}");
    }
}

#[test]
fn bounds_of_the_covariance_are_not_taken_for_what_messages_claim() {
    let spectrum = Spectrum::marchenko_pastur(0.5).unwrap();
    let operator = Ensemble::new(1000, spectrum);
    let model = linear::unobserved(operator, 1, sparse(), 100.0).unwrap();
    let (x, graph) = (model.signal, model.builder.build().unwrap());
    assert!(graph.predict(&Options::default()).unwrap().is_matched());
    // The prior halves the covariance it is told and more.
    let options = Options::default().with_alpha_bounds(0.7, 0.999);
    let found = graph.predict(&options).unwrap();
    assert!(!found.is_matched(), "a bounded message isn't what it claims");
    let general = Evolution::new(&graph, &options).with_general_path().run().unwrap();
    let [found, general] = [found, general].map(|prediction| prediction.estimate(x).mse());
    assert!((found / general - 1.0).abs() < 1e-12, "{found:e} {general:e}");
}

#[test]
fn of_several_laws_the_last_counts_and_strangers_are_named() {
    let (graph, x, prior) = seen(3.0, sparse());
    let options = Options::default();
    let evolution = || Evolution::new(&graph, &options).with_points(256);
    let twice = evolution().with_law(prior, double()).with_law(prior, Laplace::new(3.0).unwrap());
    let once = evolution().with_law(prior, Laplace::new(3.0).unwrap());
    let [twice, once] = [twice, once].map(|e| e.run().unwrap().estimate(x).mse());
    assert_eq!(twice.to_bits(), once.to_bits());
    // Identities of a larger graph.
    let mut builder = GraphBuilder::new();
    let many: Vec<VariableId> =
        ["a", "b", "c", "d"].into_iter().map(|name| builder.variable(name, 5, 1)).collect();
    let priors: Vec<FactorId> = ["p", "q", "r", "s"]
        .into_iter()
        .zip(&many)
        .map(|(p, x)| builder.prior(p, *x, sparse()))
        .collect();
    let error = evolution().follow(many[3]).run().unwrap_err();
    assert_eq!(error, EvolutionError::UnknownVariable { index: 3 });
    let error = evolution().with_law(priors[3], double()).run().unwrap_err();
    assert_eq!(error, EvolutionError::UnknownFactor { index: 3 });
    let error = evolution().with_tolerance(f64::NAN).run().unwrap_err();
    assert!(matches!(error, EvolutionError::Negative { option: "tolerance", .. }), "{error}");
}
