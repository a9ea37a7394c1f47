//! Models that don't see a sign or the order of columns: named before anything is predicted, and predicted from a start.

use fg_core::denoiser::{Denoiser, Likelihood};
use fg_core::evolution::{Evolution, EvolutionError, MessageLaw, Spectrum, Symmetry, Warning};
use fg_core::operator::Ensemble;
use fg_core::{GraphBuilder, Options};
use fg_denoisers::likelihood::{Activation, Link, TwoLayer, TwoLayerMmse};
use fg_denoisers::{
    Awgn, BernoulliGauss, Committee, ComplexMagnitude, Discrete, Gaussian, L1, Laplace, Logistic,
    Magnitude, MixedColumns, PiecewiseLinear, Sign,
};
use fg_models::generalised::{self, GeneralisedGraph};
use fg_models::{ModelError, low_rank};

const RATIO: f64 = 3.0;

fn ensemble() -> Ensemble {
    let spectrum = Spectrum::marchenko_pastur(RATIO).unwrap().scaled(RATIO).unwrap();
    Ensemble::new(1000, spectrum)
}

fn model(
    d: usize,
    prior: impl Denoiser + 'static,
    likelihood: impl Likelihood + 'static,
) -> GeneralisedGraph {
    generalised::unobserved(ensemble(), d, prior, likelihood)
}

fn normal() -> Gaussian {
    Gaussian::new(0.0, 1.0).unwrap()
}

/// What isn't seen of the signal.
fn unseen(model: GeneralisedGraph) -> Vec<Symmetry> {
    let graph = model.builder.build().unwrap();
    let warnings = Evolution::new(&graph, &Options::default()).warnings();
    let symmetry = |w: &Warning| match w {
        Warning::Symmetric { variable, symmetry } if variable == "X" => Some(*symmetry),
        _ => None,
    };
    warnings.iter().filter_map(symmetry).collect()
}

#[test]
fn symmetries_are_found() {
    use Symmetry::{Columns, Sign as Signs};
    let magnitude = || Magnitude::new(1e-2).unwrap();
    assert_eq!(unseen(model(1, normal(), magnitude())), [Signs]);
    assert_eq!(unseen(model(1, Laplace::new(1.0).unwrap(), magnitude())), [Signs]);
    assert_eq!(unseen(model(1, L1::new(1.0).unwrap(), magnitude())), [Signs]);
    let sparse = BernoulliGauss::new(0.1, 0.0, 1.0).unwrap();
    assert_eq!(unseen(model(1, sparse, magnitude())), [Signs]);
    assert_eq!(unseen(model(2, normal(), Committee::new().with_ties())), [Columns]);
    let mixed = MixedColumns::new(&[0.5, 0.5], 100.0).unwrap();
    assert_eq!(unseen(model(2, normal(), mixed)), [Columns]);
    // Two units of one weight and of two.
    let network = |weights: &[f64]| {
        let weights = fg_core::Rows::column(weights.to_vec());
        let layer = TwoLayer::new(weights, vec![0.0], Activation::Sigmoid, 10.0).unwrap();
        TwoLayerMmse::new(layer)
    };
    assert_eq!(unseen(model(2, normal(), network(&[1.0, 1.0]))), [Columns]);
    assert_eq!(unseen(model(2, normal(), network(&[1.0, 1.1]))), []);
    // Labels of both orders of units are the same where these are nearly alike.
    let labels = |weights: &[f64]| {
        let layer = TwoLayer::labels(weights, 0.0, Activation::Relu, Link::Logistic).unwrap();
        model(2, normal(), TwoLayerMmse::new(layer))
    };
    assert_eq!(unseen(labels(&[1.0, 1.0])), [Columns]);
    for second in [1.3, 1.01, 1.001] {
        assert_eq!(unseen(labels(&[1.0, second])), [], "{second}");
    }
}

#[test]
fn models_without_a_symmetry_are_predicted_as_ever() {
    assert_eq!(unseen(model(1, normal(), Sign::new())), []);
    assert_eq!(unseen(model(1, normal(), Logistic::new())), []);
    assert_eq!(unseen(model(8, normal(), Awgn::new(1.0).unwrap())), []);
    let magnitude = || Magnitude::new(1e-2).unwrap();
    // The prior sees the sign.
    assert_eq!(unseen(model(1, Gaussian::new(0.1, 1.0).unwrap(), magnitude())), []);
    let both = [0.2, 0.8];
    let uneven = Discrete::new(1, &[-1.0, 1.0], &both).unwrap();
    assert_eq!(unseen(model(1, uneven, magnitude())), []);
    let mixed = MixedColumns::new(&[0.4, 0.6], 100.0).unwrap();
    assert_eq!(unseen(model(2, normal(), mixed)), [], "shares tell the columns");
}

#[test]
fn complex_magnitudes_are_symmetric() {
    let spectrum = Spectrum::marchenko_pastur(RATIO).unwrap().scaled(RATIO).unwrap();
    let operator = Ensemble::complex(500, spectrum);
    let likelihood = ComplexMagnitude::new(1e-2).unwrap();
    let model =
        generalised::complex_unobserved(operator, Gaussian::new(0.0, 0.5).unwrap(), likelihood);
    assert_eq!(unseen(model), [Symmetry::Sign]);
}

/// A sign goes on through an odd function, and is lost in an even one.
#[test]
fn channels_pass_signs_on_or_not() {
    let found = |channel: PiecewiseLinear, magnitudes: bool| {
        let mut builder = GraphBuilder::new();
        let [x, z, u, w] = ["X", "z", "u", "w"].map(|name| builder.variable(name, 1000, 1));
        let square = || Ensemble::new(1000, Spectrum::marchenko_pastur(1.0).unwrap());
        builder.prior("prior", x, normal());
        builder.linear("A", x, z, square());
        builder.channel("f", z, u, channel);
        builder.linear("B", u, w, square());
        if magnitudes {
            builder.unobserved("data", w, Magnitude::new(1e-2).unwrap());
        } else {
            builder.unobserved("data", w, Awgn::new(1e2).unwrap());
        }
        let graph = builder.build().unwrap();
        !Evolution::new(&graph, &Options::default()).warnings().is_empty()
    };
    assert!(found(PiecewiseLinear::absolute(), false), "an even function");
    assert!(!found(PiecewiseLinear::relu(), false), "neither");
    assert!(!found(PiecewiseLinear::relu(), true), "neither, in front of magnitudes");
    assert!(!found(PiecewiseLinear::hard_tanh(), false), "an odd function");
    assert!(found(PiecewiseLinear::hard_tanh(), true), "an odd function in front of magnitudes");
}

/// The ordinary prediction of such a model is refused, and says what to do.
#[test]
fn a_prediction_without_a_start_is_refused_or_accepted() {
    let model = model(1, normal(), Magnitude::new(1e-2).unwrap());
    let (signal, operator) = (model.signal, model.operator);
    let graph = model.builder.build().unwrap();
    let options = Options::default();
    let error = graph.predict(&options).unwrap_err();
    let warning = Warning::Symmetric { variable: "X".into(), symmetry: Symmetry::Sign };
    assert_eq!(error, EvolutionError::Unacknowledged(warning.clone()));
    assert!(error.to_string().contains("with_start"), "{error}");
    let stays = Evolution::new(&graph, &options).accept(warning).run().unwrap();
    let started = |law: MessageLaw| {
        Evolution::new(&graph, &options)
            .with_start(operator, 1, law)
            .run()
            .map(|p| p.estimate(signal).nmse())
    };
    let found = started(MessageLaw::guess(1, 0.3, 1.0).unwrap()).unwrap();
    println!("{:e} without a start, {found:e} with one", stays.estimate(signal).nmse());
    assert!(found < 0.01, "{found}");
    // A start that says nothing of the sign is none.
    let blind = MessageLaw::new(1, vec![1.0], vec![0.0], vec![0.0], vec![1.0]).unwrap();
    assert!(started(blind).is_err(), "a start without the sign");
}

/// The model's own prediction has the start of its fit.
#[test]
fn models_are_predicted_from_their_own_start() {
    let predicted = |model: GeneralisedGraph| {
        let signal = model.signal;
        model.predict(&Options::default()).unwrap().estimate(signal).nmse()
    };
    let found = predicted(model(1, normal(), Magnitude::new(1e-2).unwrap()));
    assert!(found < 0.01, "{found}");
    let started =
        |start| predicted(model(1, normal(), Magnitude::new(1e-2).unwrap()).with_start(start));
    let share = generalised::Start::AUTO_SHARE;
    let spectral = started(generalised::Start::Spectral { share });
    assert_eq!(found.to_bits(), spectral.to_bits());
    // Where the prior speaks, and the model sees all, it is the plain prediction.
    let plain = || model(1, normal(), Awgn::new(1e2).unwrap());
    let signal = plain().signal;
    let graph = plain().builder.build().unwrap();
    let expected = graph.predict(&Options::default()).unwrap().estimate(signal).nmse();
    assert_eq!(predicted(plain()).to_bits(), expected.to_bits());
    // A penalty takes its size from data, or from the caller.
    let penalised = || model(1, L1::new(2.0).unwrap(), Awgn::new(1e2).unwrap());
    let error = penalised().predict(&Options::default()).unwrap_err();
    assert_eq!(error, ModelError::StartNeedsData);
    let (signal, prior) = (penalised().signal, penalised().prior);
    let sized = penalised().with_start(generalised::Start::Variance(1.0));
    let found = sized
        .predict_with(&Options::default(), |e| e.with_law(prior, Laplace::new(1.0).unwrap()))
        .unwrap();
    assert!(found.estimate(signal).nmse() < 0.1, "{found:?}");
}

#[test]
fn low_rank_models_without_a_start_are_named() {
    let signs = low_rank::unobserved_symmetric(1000, 1, Discrete::binary(), 500.0).unwrap();
    let graph = signs.builder.build().unwrap();
    let error = graph.predict(&Options::default()).unwrap_err();
    let warning = Warning::Symmetric { variable: "X".into(), symmetry: Symmetry::Sign };
    assert_eq!(error, EvolutionError::Unacknowledged(warning));
    let mean = Gaussian::new(0.3, 1.0).unwrap();
    let told = low_rank::unobserved_symmetric(1000, 1, mean, 500.0).unwrap();
    assert!(told.builder.build().unwrap().predict(&Options::default()).is_ok());
}
