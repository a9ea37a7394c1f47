//! A penalty that nothing has been said to yet waits for its turn: graphs of one's own need no start where the data alone suffice.

use fg_core::denoiser::{Denoiser, Pointwise};
use fg_core::evolution::{Evolution, MessageLaw, PredictedStatus};
use fg_core::factor::Independent;
use fg_core::operator::Dense;
use fg_core::{
    Graph, GraphBuilder, Inference, InferenceError, Message, Options, Precision, Rows, Status,
    VariableId,
};
use fg_denoisers::{Awgn, BernoulliGauss, ElasticNet, L1, MinimaxConcave, NonNegative};
use fg_models::synthetic::gaussian_matrix;
use rand::SeedableRng;
use rand_pcg::Pcg64;

const WEIGHT: f64 = 20.0;
const UNKNOWNS: usize = 200;

/// A sparse signal behind `rows` projections, to be found under a penalty.
fn seen<D: Denoiser + 'static>(rows: usize, penalty: D) -> (Graph, VariableId) {
    let rng = &mut Pcg64::seed_from_u64(5);
    let matrix = gaussian_matrix(rows, UNKNOWNS, 1.0 / rows as f64, rng);
    let build = |builder: &mut GraphBuilder| {
        let (x, z) = (builder.variable("x", UNKNOWNS, 1), builder.variable("z", rows, 1));
        builder.linear("A", x, z, Dense::new(matrix.clone()).unwrap());
        (x, builder.unobserved("seen", z, Awgn::from_variance(1e-3).unwrap()))
    };
    let mut law = GraphBuilder::new();
    let (x, data) = build(&mut law);
    law.prior("law", x, BernoulliGauss::new(0.1, 0.0, 1.0).unwrap());
    let draw = law.build().unwrap().draw(&mut Independent(rng)).unwrap();
    let mut builder = GraphBuilder::new();
    let (x, likelihood) = build(&mut builder);
    builder.prior("penalty", x, penalty);
    (builder.build().unwrap().observe(likelihood, draw.data(data).unwrap().clone()).unwrap(), x)
}

/// Soft thresholding, as users write it.
fn soft(r: f64, gamma: f64) -> (f64, f64) {
    let outside = r.abs() > WEIGHT / gamma;
    (if outside { r - r.signum() * WEIGHT / gamma } else { 0.0 }, f64::from(u8::from(outside)))
}

/// With more projections than unknowns the first thing that a penalty is told are least squares; where it ends doesn't depend on
/// whether something was said before.
#[test]
fn what_is_found_is_what_a_start_leads_to() {
    let cases = [
        ("L1", seen(300, L1::new(WEIGHT).unwrap())),
        ("closure", seen(300, Pointwise::new("soft", soft))),
        ("elastic net", seen(300, ElasticNet::new(WEIGHT, 1.0).unwrap())),
        ("non-negative", seen(300, NonNegative::new())),
        ("minimax concave", seen(300, MinimaxConcave::new(WEIGHT, 3.0).unwrap())),
    ];
    let options = Options::default().with_tolerance(1e-10).with_max_sweeps(500);
    for (name, (graph, x)) in cases {
        let from_nothing = graph.infer(&options).unwrap();
        let mut run = Inference::new(&graph, &options).unwrap();
        let guess = Precision::isotropic(graph.layout(x).clone(), 10.0).unwrap();
        let guess = Message::from_mean(&Rows::zeros(UNKNOWNS, 1), guess).unwrap();
        run.start(graph.find_factor("A").unwrap(), 0, guess).unwrap();
        let from_guess = run.run(&mut ()).unwrap();
        for solution in [&from_nothing, &from_guess] {
            assert_eq!(solution.report().status, Status::Converged, "{name}");
        }
        let moved = from_nothing.mean(x).mean_squared_error(from_guess.mean(x)).sqrt();
        assert!(moved < 1e-9, "{name}: {moved}");
    }
}

/// With fewer projections nothing is determined before the penalty has spoken, and the error says what to do about it.
#[test]
fn where_data_dont_suffice_the_error_names_the_way_out() {
    let (graph, _) = seen(100, L1::new(WEIGHT).unwrap());
    let error = graph.infer(&Options::default()).unwrap_err();
    let names = ["penalty", "A", "x"].map(str::to_owned);
    let [silent, factor, variable] = names;
    assert_eq!(error, InferenceError::StartNeeded { silent, factor, variable });
    assert!(error.to_string().contains("`Inference::start`"), "{error}");
    let penalty = graph.find_factor("penalty").unwrap();
    let law = BernoulliGauss::new(0.1, 0.0, 1.0).unwrap();
    for options in [Options::default(), Options::default().with_damping(0.8)] {
        let prediction =
            Evolution::new(&graph, &options).with_law(penalty, law.clone()).run().unwrap();
        let status = prediction.status();
        let [silent, factor] = ["penalty", "A"].map(str::to_owned);
        assert_eq!(status, &PredictedStatus::StartNeeded { silent, factor });
        assert!(status.to_string().contains("`Evolution::with_start`"), "{status}");
    }
}

/// Predictions pass over what runs pass over, and end where one with a start does; damped ones there, too, to what the joint draws of
/// all sweeps resolve.
#[test]
fn predictions_pass_over_what_runs_pass_over() {
    const RESOLVED: f64 = 1e-2;
    let (graph, x) = seen(300, L1::new(WEIGHT).unwrap());
    let [penalty, operator] = ["penalty", "A"].map(|name| graph.find_factor(name).unwrap());
    let law = BernoulliGauss::new(0.1, 0.0, 1.0).unwrap();
    let by = |options: &Options| Evolution::new(&graph, options).with_law(penalty, law.clone());
    let start = MessageLaw::guess(1, 0.0, 0.1).unwrap();
    let from_guess = by(&Options::default()).with_start(operator, 0, start).run().unwrap();
    let expected = from_guess.estimate(x).mse();
    for (damping, band) in [(1.0, 1e-5), (0.8, RESOLVED)] {
        let options = Options::default().with_damping(damping);
        let (prediction, run) = (by(&options).run().unwrap(), graph.infer(&options).unwrap());
        let found = prediction.estimate(x).mse();
        assert!((found / expected - 1.0).abs() < band, "{damping}: {found} and {expected}");
        for (sweep, predicted) in run.report().history.iter().zip(prediction.sweeps()) {
            let in_run = sweep.edges.iter().map(|e| (e.factor, e.port));
            let predicted = predicted.messages.iter().map(|m| (m.factor, m.port));
            assert!(in_run.eq(predicted), "{damping}, sweep {}", sweep.sweep);
        }
    }
}
