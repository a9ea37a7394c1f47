//! The graphs of the example `custom_graph`: a loop against the dense joint and against the same model without it, and a
//! variable in two branches against state evolution.

use fg_core::denoiser::Denoiser;
use fg_core::evolution::{Evolution, EvolutionError, Spectrum, Warning};
use fg_core::faer::linalg::solvers::Solve;
use fg_core::faer::{Mat, Scale};
use fg_core::operator::{Dense, Ensemble};
use fg_core::{Graph, Options, Rows, Solution, Status};
use fg_denoisers::{BernoulliGauss, Gaussian, GroupBernoulliGauss};
use fg_models::comparison::{Runs, Trial, compare};
use fg_models::linear;
use fg_models::metrics::nmse_db;
use fg_models::synthetic::{
    bernoulli_gauss, derived_seed, gaussian_matrix, gaussian_rows, row_sparse,
};
use rand::SeedableRng;
use rand_pcg::Pcg64;

#[path = "../../examples/custom_graph/graphs.rs"]
mod graphs;

use graphs::{Instrument, one_signal, two_signals, with_hum};

const NOISE: f64 = 1e-3;
const HUM: f64 = 1.0;

fn instrument(signal: &Rows, noise: &Rows, rng: &mut Pcg64) -> Instrument {
    let m = noise.rows();
    let matrix = gaussian_matrix(m, signal.rows(), 1.0 / m as f64, rng);
    let operator = Dense::new(matrix).unwrap();
    let clean = linear::outputs(&operator, signal);
    let seen = Rows::from_fn(m, 1, |i, _| clean[(i, 0)] + noise[(i, 0)]);
    Instrument { operator, seen }
}

/// Two instruments with one hum.
fn humming(signal: &Rows, m: usize, rng: &mut Pcg64) -> [Instrument; 2] {
    let hum = gaussian_rows(m, 1, HUM, rng);
    [(); 2].map(|()| {
        let own = gaussian_rows(m, 1, NOISE, rng);
        let noise = Rows::from_fn(m, 1, |i, _| own[(i, 0)] + hum[(i, 0)]);
        instrument(signal, &noise, rng)
    })
}

/// Their sum and difference over the square root of two, whose noises are independent.
fn opened(prior: impl Denoiser + 'static, [a, b]: [&Instrument; 2]) -> Graph {
    let half = 0.5_f64.sqrt();
    let [sum, difference] = [half, -half].map(|sign| Instrument {
        operator: Dense::new(a.operator.matrix() * Scale(half) + b.operator.matrix() * Scale(sign))
            .unwrap(),
        seen: Rows::from_fn(a.seen.rows(), 1, |i, _| half * a.seen[(i, 0)] + sign * b.seen[(i, 0)]),
    });
    one_signal(prior, &[(&sum, NOISE + 2.0 * HUM), (&difference, NOISE)]).unwrap()
}

fn solved(graph: &Graph, options: &Options) -> Solution {
    let solution = graph.infer(options).unwrap();
    assert_eq!(solution.report().status, Status::Converged, "{}", solution.report());
    solution
}

/// With a Gaussian prior the mean is that of the dense joint, `(I + A' K A) x = A' K y`, on the loop too.
#[test]
fn a_gaussian_loop_ends_at_the_dense_joint() {
    /// Relative to the largest entry: rounding times a condition of `1 / NOISE`, with room.
    const AGREEMENT: f64 = 1e-9;
    let (n, m) = (40, 25);
    let rng = &mut Pcg64::seed_from_u64(1);
    let signal = gaussian_rows(n, 1, 1.0, rng);
    let [a, b] = humming(&signal, m, rng);
    let graph = with_hum(Gaussian::new(0.0, 1.0).unwrap(), [&a, &b], NOISE, HUM).unwrap();
    assert!(!graph.is_tree());
    let options = Options::default().with_damping(0.8).with_max_sweeps(5000).with_tolerance(1e-13);
    let solution = solved(&graph, &options);

    let stacked = Mat::from_fn(2 * m, n, |i, j| [&a, &b][i / m].operator.matrix()[(i % m, j)]);
    let seen = Mat::from_fn(2 * m, 1, |i, _| [&a, &b][i / m].seen[(i % m, 0)]);
    let noise = Mat::from_fn(2 * m, 2 * m, |i, j| match (i == j, i % m == j % m) {
        (true, _) => NOISE + HUM,
        (false, true) => HUM,
        _ => 0.0,
    });
    // x = A' (A A' + noise)^-1 y, the prior being of variance one.
    let covariance = &stacked * stacked.transpose() + noise;
    let expected = stacked.transpose() * covariance.partial_piv_lu().solve(&seen);
    let found = solution.mean(graph.find_variable("x").unwrap());
    for i in 0..n {
        let gap = (found[(i, 0)] - expected[(i, 0)]).abs() / expected.norm_max();
        assert!(gap < AGREEMENT, "{i}: {gap:e}, {}", solution.report());
    }
}

/// A hum of four times the signal's power is told from it: an instrument alone, or both with the hum taken for noise of their
/// own, find nothing. Both paths of the loop go through operators that know nothing of each other, so that the messages
/// which meet are independent after all: the run ends where that of the model without the loop does.
#[test]
fn a_loop_through_independent_operators_costs_nothing() {
    /// Decibels between the ends of two runs: their error bars differ by the order of one over the readings.
    const AGREEMENT: f64 = 0.1;
    let (n, m) = (1000, 400);
    let prior = || BernoulliGauss::new(0.1, 0.0, 1.0).unwrap();
    for seed in 0..2 {
        let rng = &mut Pcg64::seed_from_u64(seed);
        let signal = bernoulli_gauss((n, 1), 0.1, 0.0, 1.0, rng);
        let [a, b] = humming(&signal, m, rng);
        let looped = with_hum(prior(), [&a, &b], NOISE, HUM).unwrap();
        let own = [(&a, NOISE + HUM), (&b, NOISE + HUM)];
        let graphs = [
            one_signal(prior(), &own[..1]).unwrap(),
            one_signal(prior(), &own).unwrap(),
            opened(prior(), [&a, &b]),
        ];
        let options = Options::default().with_max_sweeps(200);
        let error = |graph: &Graph| {
            nmse_db(solved(graph, &options).mean(graph.find_variable("x").unwrap()), &signal)
        };
        let [alone, independent, opened] = graphs.each_ref().map(error);
        let found = error(&looped);
        assert!(found < -24.0, "{seed}: {found} dB");
        assert!(alone > -2.0 && independent > -3.0, "{seed}: {alone} and {independent} dB");
        assert!((found - opened).abs() < AGREEMENT, "{seed}: {found} and {opened} dB");
        let refused = EvolutionError::Unacknowledged(Warning::Loop { variable: "x".into() });
        assert_eq!(looped.predict(&options).unwrap_err(), refused);
    }
}

/// Two signals of one support from 200 readings of 1000 entries each: what both instruments find is predicted sweep by sweep,
/// until errors fall so fast from sweep to sweep that small deviations of a finite size grow. One alone finds next to nothing.
#[test]
fn two_branches_of_one_variable_are_predicted() {
    const SWEEPS: usize = 6;
    const CORRELATION: f64 = 0.95;
    let (n, m) = (1000, 200);
    let graph = |seed: u64| {
        let rng = &mut Pcg64::seed_from_u64(seed);
        let nothing = row_sparse((n, 2), 0.1, CORRELATION, rng);
        let column = |k: usize| Rows::from_fn(n, 1, |i, _| nothing[(i, k)]);
        let [a, b] = [0, 1].map(|k| instrument(&column(k), &Rows::zeros(m, 1), rng));
        let covariance = [1.0, CORRELATION, CORRELATION, 1.0];
        let prior = GroupBernoulliGauss::with_covariance(0.1, 2, &covariance).unwrap();
        two_signals(prior, [&a, &b], NOISE).unwrap()
    };
    let model = graph(0);
    let both = model.find_variable("X").unwrap();
    let options = Options::default().with_max_sweeps(SWEEPS);
    let shared = Warning::SharedVariable { variable: "X".into() };
    let refused = model.predict(&options).unwrap_err();
    assert_eq!(refused, EvolutionError::Unacknowledged(shared.clone()));
    let evolution = Evolution::new(&model, &options).accept(shared);
    let trial = |k: usize| {
        let seed = derived_seed(5, &[k as u64]);
        Trial::draw(graph(seed), None, both, &mut Pcg64::seed_from_u64(seed))
    };
    let found = compare(&evolution, &options, both, Runs { count: 24, threads: 2 }, trial).unwrap();
    for sweep in &found.sweeps {
        // Sweeps of one set of runs err together: one fixed seed passes or fails as a whole, 5 percent.
        assert!(sweep.agrees(), "{sweep:?}");
    }
    let longer = Options::default();
    let shared = Warning::SharedVariable { variable: "X".into() };
    let joint = Evolution::new(&model, &longer).accept(shared).run().unwrap();
    let joint = joint.estimate(both).nmse_db();
    let alone = predicted_alone(m as f64 / n as f64);
    assert!(joint < -25.0 && alone > -6.0, "{joint} dB with both, {alone} dB alone");
}

fn predicted_alone(ratio: f64) -> f64 {
    let spectrum = Spectrum::marchenko_pastur(ratio).unwrap();
    let prior = BernoulliGauss::new(0.1, 0.0, 1.0).unwrap();
    let model = linear::unobserved(Ensemble::new(1000, spectrum), 1, prior, NOISE.recip()).unwrap();
    let graph = model.builder.build().unwrap();
    graph.predict(&Options::default()).unwrap().estimate(model.signal).nmse_db()
}
