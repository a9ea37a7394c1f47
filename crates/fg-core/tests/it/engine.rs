//! The engine's promises: honest stopping, recovery, typed failures, no allocation.

use std::ops::ControlFlow;
use std::time::Duration;

use fg_core::denoiser::Denoiser;
use fg_core::factor::{Breakdown, Independent, Unready};
use fg_core::inference::{Event, Every, StartError};
use fg_core::operator::Dense;
use fg_core::{
    FactorId, Graph, GraphBuilder, Inference, InferenceError, IterationInfo, Message, Options,
    Precision, Rows, Status, Structure, VariableId,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::rows_models::{Fault, Faulty, Sign, Weighted};

/// Rows of the test model: enough for the shared precision to be a real average.
const ROWS: usize = 60;

fn data(seed: u64) -> Rows {
    let mut rng = Pcg64::seed_from_u64(seed);
    Rows::from_fn(ROWS, 2, |_, j| if j == 0 { rng.random_range(-1.5..1.5) } else { 0.0 })
        .with_precisions(&mut rng)
}

trait WithPrecisions {
    fn with_precisions(self, rng: &mut Pcg64) -> Self;
}

impl WithPrecisions for Rows {
    fn with_precisions(mut self, rng: &mut Pcg64) -> Self {
        for i in 0..self.rows() {
            self[(i, 1)] = 10f64.powf(rng.random_range(-1.0..1.0));
        }
        self
    }
}

fn graph(prior: impl Denoiser + 'static) -> (Graph, VariableId, [FactorId; 2]) {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", ROWS, 1);
    let prior = builder.prior("prior", x, prior);
    let noise = builder.likelihood("noise", x, data(1), Weighted);
    (builder.build().unwrap(), x, [prior, noise])
}

/// Far below the default: the reference the other runs are compared with.
fn converged() -> Rows {
    let (graph, x, _) = graph(Sign);
    let options = Options::default().with_tolerance(1e-13).with_max_sweeps(2000);
    let solution = graph.infer(&options).unwrap();
    assert_eq!(solution.report().status, Status::Converged, "{}", solution.report());
    solution.mean(x).clone()
}

#[test]
fn heavy_damping_does_not_fake_convergence() {
    let reference = converged();
    let (graph, x, _) = graph(Sign);
    let options = Options::default().with_damping(0.02).with_max_sweeps(5000);
    let solution = graph.infer(&options).unwrap();
    assert_eq!(solution.report().status, Status::Converged);
    let error = solution.mean(x).mean_squared_error(&reference).sqrt();
    // The criterion bounds one undamped step by 1e-6 of the belief's scale; contraction adds a small factor.
    assert!(error < 1e-5, "error {error:e} after {} sweeps", solution.report().sweeps);
    assert!(solution.report().sweeps > 100, "damping 0.02 needs hundreds of sweeps");
}

#[test]
fn per_row_messages_are_exact_for_one_nonlinear_factor() {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", ROWS, 1);
    builder.structure(x, Structure::per_row());
    builder.prior("prior", x, Sign);
    builder.likelihood("noise", x, data(1), Weighted);
    let graph = builder.build().unwrap();
    let solution = graph.infer(&Options::default()).unwrap();
    let data = data(1);
    for i in 0..ROWS {
        let exact = (data[(i, 0)] * data[(i, 1)]).tanh();
        let got = solution.mean(x)[(i, 0)];
        assert!((got - exact).abs() < 1e-12, "row {i}: {got} against {exact}");
    }
    assert_eq!(solution.row_covariances(x).unwrap().len(), ROWS);
}

#[test]
fn a_bad_sweep_is_undone_and_reported() {
    let reference = converged();
    let faults =
        [(3..=3, Fault::Nan), (2..=2, Fault::Nan), (1..=1, Fault::Nan), (4..=4, Fault::Huge)];
    for (bad, fault) in faults {
        let first = *bad.start();
        let (graph, x, _) = graph(Faulty::new(Sign, bad, fault));
        let options = Options::default().with_tolerance(1e-12).with_max_sweeps(500);
        let result = graph.infer(&options);
        if first == 1 {
            // The very first belief is computed before any sweep: there is no state to go back to.
            assert!(matches!(result, Err(InferenceError::Breakdown { .. })), "{result:?}");
            continue;
        }
        let solution = result.unwrap();
        let report = solution.report();
        assert_eq!(report.status, Status::Converged, "{fault:?}");
        assert_eq!(report.recoveries.len(), 1, "{fault:?}");
        assert_eq!(report.recoveries[0].factor, "prior");
        let expected = matches!(report.recoveries[0].event, Event::Explosion { .. });
        assert_eq!(expected, matches!(fault, Fault::Huge));
        let error = solution.mean(x).mean_squared_error(&reference).sqrt();
        assert!(error < 1e-9, "{fault:?}: error {error:e}");
    }
}

#[test]
fn retries_are_limited_and_divergence_is_named() {
    let (graph, x, _) = graph(Faulty::new(Sign, 3..=6, Fault::Nan));
    let solution = graph.infer(&Options::default().with_retries(2, 0.5)).unwrap();
    let report = solution.report();
    let Status::Diverged { factor, port, sweep, reason } = &report.status else {
        panic!("expected divergence, got {}", report.status)
    };
    assert_eq!((factor.as_str(), *port, *sweep), ("prior", 0, 2));
    assert_eq!(*reason, Event::Breakdown(Breakdown::NotFinite { port: 0, row: 1 }));
    let text = report.status.to_string();
    assert_eq!(text, "diverged in sweep 2 at factor `prior`: port 0, row 1: belief is not finite");
    assert_eq!(report.recoveries.len(), 2);
    assert!(!report.status.is_usable());
    assert_eq!(solution.mean(x).first_non_finite(), None);
}

/// One equation for two unknowns leaves a direction open in the sweep after the one in which the prior says nothing, however
/// much that is damped: the run goes back to where the prior spoke.
#[test]
fn a_prior_that_falls_silent_is_asked_again() {
    let run = |prior: Faulty<Sign>| {
        let mut builder = GraphBuilder::new();
        let (x, z) = (builder.variable("x", 2, 1), builder.variable("z", 1, 1));
        builder.prior("prior", x, prior);
        let row = Rows::from_fn(1, 2, |_, j| 1.0 + 0.5 * j as f64);
        builder.linear("A", x, z, Dense::from_rows(&row).unwrap());
        builder.likelihood("noise", z, Rows::from_fn(1, 2, |_, j| [0.7, 1.0][j]), Weighted);
        let solution = builder.build().unwrap().infer(&Options::default()).unwrap();
        (solution.mean(x).clone(), solution.report().clone())
    };
    let (expected, report) = run(Faulty::new(Sign, 1000..=1000, Fault::Silent));
    assert_eq!((&report.status, report.recoveries.len()), (&Status::Converged, 0), "{report}");
    // Before the second call there is no estimate to go back to.
    for silent in 3..6 {
        let (found, report) = run(Faulty::new(Sign, silent..=silent, Fault::Silent));
        assert_eq!(report.status, Status::Converged, "{report}");
        let recoveries: Vec<&str> = report.recoveries.iter().map(|r| &*r.factor).collect();
        assert_eq!(recoveries, ["A"], "{report}");
        assert!(found.mean_squared_error(&expected).sqrt() < 1e-5, "{found:?}");
    }
}

#[test]
fn growth_is_counted_from_the_first_sweep() {
    // The first belief, before any sweep, says nothing about the size of the variable.
    let (graph, x, _) = graph(Faulty::new(Sign, 1..=1, Fault::Tiny));
    let options = Options::default().with_tolerance(1e-12).with_max_sweeps(500);
    let solution = graph.infer(&options).unwrap();
    let report = solution.report();
    assert_eq!((&report.status, report.recoveries.len()), (&Status::Converged, 0), "{report}");
    assert!(solution.mean(x).mean_squared_error(&converged()).sqrt() < 1e-9);
    // A factor of ten a sweep is a factor of 1e8 in the second moment after four.
    let (graph, _, _) = self::graph(Faulty::new(Sign, 2..=1000, Fault::Growing));
    let solution = graph.infer(&Options::default()).unwrap();
    let Status::Diverged { sweep, reason: Event::Explosion { .. }, .. } = solution.report().status
    else {
        panic!("expected an explosion, got {}", solution.report())
    };
    assert!(sweep <= 6, "{}", solution.report());
}

#[test]
fn negative_posterior_variances_are_refused() {
    let (graph, x, _) = graph(Faulty::new(Sign, 2..=1000, Fault::Negative));
    let solution = graph.infer(&Options::default()).unwrap();
    let Status::Diverged { factor, reason, .. } = &solution.report().status else {
        panic!("expected divergence, got {}", solution.report())
    };
    let negative = matches!(
        reason,
        Event::Breakdown(Breakdown::NotPositive { pivot, .. }) if *pivot < 0.0
    );
    assert!(factor == "prior" && negative, "{}", solution.report());
    assert_eq!(solution.mean(x).first_non_finite(), None);
}

#[test]
fn a_run_goes_on_with_another_weight_from_where_it_is() {
    let (graph, x, [prior, noise]) = graph(Sign);
    let options = |sweeps: usize, weight: f64| {
        Options::default().with_tolerance(0.0).with_max_sweeps(sweeps).with_damping(weight)
    };
    let mut run = Inference::new(&graph, &options(3, 1.0)).unwrap();
    let _ = run.run(&mut ()).unwrap();
    run.set_damping(0.3).unwrap();
    let messages = [prior, noise].map(|f| run.message(f, 0).clone());
    let found = run.run(&mut ()).unwrap();
    let mut damped = Inference::new(&graph, &options(3, 0.3)).unwrap();
    for (factor, message) in [prior, noise].into_iter().zip(messages) {
        damped.start(factor, 0, message).unwrap();
    }
    assert_eq!(found.mean(x), damped.run(&mut ()).unwrap().mean(x));
    for weight in [0.0, 1.5, f64::NAN] {
        assert!(run.set_damping(weight).is_err(), "{weight}");
    }
}

#[test]
fn a_pull_leaves_the_run_where_it_was() {
    let (graph, x, [prior, noise]) = graph(Sign);
    let options = Options::default().with_tolerance(1e-12).with_max_sweeps(500);
    let mut run = Inference::new(&graph, &options).unwrap();
    let before = run.run(&mut ()).unwrap();
    let messages = [prior, noise].map(|f| run.message(f, 0).clone());
    let direction = Rows::from_fn(ROWS, 1, |i, _| f64::from(u8::from(i == 3)));
    let response = run.response(x, &direction, 0.01).unwrap();
    assert!(response.variance > 0.0 && response.variance < 1.0, "{}", response.variance);
    for (factor, message) in [prior, noise].into_iter().zip(messages) {
        assert_eq!(run.message(factor, 0), &message);
    }
    for size in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(run.response(x, &direction, size).is_err(), "{size}");
    }
    assert!(run.response(x, &Rows::zeros(2, 1), 0.01).is_err());
    let after = run.run(&mut ()).unwrap();
    assert!(before.mean(x).mean_squared_error(after.mean(x)).sqrt() < 1e-9);
}

#[test]
fn structural_failures_are_errors_that_name_factor_and_variable() {
    let (graph, _, _) = graph(Faulty::new(Sign, 1..=100, Fault::Improper));
    let error = graph.infer(&Options::default()).unwrap_err();
    let expected = "factor `prior`, variable `x`: port 0, row 2: needs a positive definite cavity precision, \
                    the other factors leave a direction free";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_run_without_data_is_refused_and_observing_mends_it() {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", ROWS, 1);
    builder.prior("prior", x, Sign);
    let noise = builder.unobserved("noise", x, Weighted);
    let graph = builder.build().unwrap();
    let error = graph.infer(&Options::default()).unwrap_err();
    assert_eq!(error, InferenceError::Unready { factor: "noise".into(), reason: Unready::NoData });
    let graph = graph.observe(noise, data(1)).unwrap();
    assert!(graph.infer(&Options::default()).is_ok());
}

#[test]
fn bad_data_is_named() {
    let (graph, _, [_, noise]) = graph(Sign);
    let mut bad = data(1);
    bad[(7, 0)] = f64::NAN;
    let error = graph.observe(noise, bad).unwrap_err().to_string();
    assert_eq!(error, "factor `noise`: data row 7: value in column 0 is NaN");
    let (graph, _, [_, noise]) = self::graph(Sign);
    let error = graph.observe(noise, Rows::zeros(3, 2)).unwrap_err().to_string();
    assert_eq!(error, "factor `noise`: data must be 60 x 2, got 3 x 2");
    let (graph, _, [prior, noise]) = self::graph(Sign);
    assert!(graph.observe(prior, data(1)).is_err());
    let (graph, _, _) = self::graph(Sign);
    let error = graph.observe(noise, Rows::zeros(ROWS, 2)).unwrap_err().to_string();
    assert_eq!(error, "factor `noise`: data row 0: precision is 0");
}

#[test]
fn observers_see_every_sweep_and_can_stop() {
    let (graph, x, _) = graph(Sign);
    let mut seen = Vec::new();
    let mut observer = |info: &mut IterationInfo<'_>| {
        seen.push((info.sweep(), info.mean(x).unwrap()[(0, 0)]));
        if info.sweep() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let solution = graph.infer_observed(&Options::default(), &mut observer).unwrap();
    assert_eq!(solution.report().status, Status::Stopped);
    assert_eq!(seen.iter().map(|s| s.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(solution.mean(x)[(0, 0)].to_bits(), seen[2].1.to_bits());

    let mut count = 0;
    let counter = |_: &mut IterationInfo<'_>| {
        count += 1;
        ControlFlow::Continue(())
    };
    let options = Options::default().with_tolerance(0.0).with_max_sweeps(10);
    let solution = graph.infer_observed(&options, &mut Every(4, counter)).unwrap();
    assert_eq!((count, solution.report().sweeps), (2, 10));
    assert_eq!(solution.report().status, Status::SweepLimit);
}

#[test]
fn the_clock_can_stop_a_run() {
    let (graph, _, _) = graph(Sign);
    let options = Options::default().with_tolerance(0.0).with_time_limit(Duration::ZERO);
    let solution = graph.infer(&options).unwrap();
    assert_eq!((solution.report().sweeps, &solution.report().status), (1, &Status::TimeLimit));
}

#[test]
fn initial_messages_are_used_and_checked() {
    let (graph, x, [prior, noise]) = graph(Sign);
    let layout = graph.layout(x).clone();
    let mut run = Inference::new(&graph, &Options::default().with_max_sweeps(1)).unwrap();
    let precision = Precision::isotropic(layout, 100.0).unwrap();
    let informed = Message::from_mean(&Rows::from_fn(ROWS, 1, |_, _| 0.9), precision).unwrap();
    run.start(noise, 0, informed.clone()).unwrap();
    assert_eq!(run.message(noise, 0), &informed);
    let wrong = Message::vacuous(Structure::shared().layout(3, 1).unwrap());
    let error = run.start(prior, 0, wrong).unwrap_err();
    assert_eq!(
        error,
        StartError::Layout { variable: "x".into(), expected: (ROWS, 1), found: (3, 1) }
    );
    assert!(matches!(run.start(prior, 1, informed), Err(StartError::UnknownPort { .. })));
    // The first sweep updates `noise` first and `prior` last: its cavity is then the new message of `noise`.
    assert!(run.run(&mut ()).is_ok());
}

#[test]
fn a_second_run_continues_from_the_first() {
    let (graph, x, _) = graph(Sign);
    let options = |sweeps| Options::default().with_tolerance(0.0).with_max_sweeps(sweeps);
    let mut split = Inference::new(&graph, &options(3)).unwrap();
    let _ = split.run(&mut ()).unwrap();
    let second = split.run(&mut ()).unwrap();
    let whole = graph.infer(&options(6)).unwrap();
    assert_eq!(second.mean(x), whole.mean(x));
}

#[test]
fn graphs_draw_their_own_truth_and_refuse_what_has_no_law() {
    let (graph, x, [_, noise]) = graph(Sign);
    let mut rng = Pcg64::seed_from_u64(0);
    let error = graph.draw(&mut Independent(&mut rng)).unwrap_err();
    assert_eq!(error.to_string(), "factor `noise` describes no distribution to draw from");
    let mut builder = GraphBuilder::new();
    let s = builder.variable("x", ROWS, 1);
    builder.prior("prior", s, Sign);
    let graph = builder.build().unwrap();
    let draw = graph.draw(&mut Independent(&mut rng)).unwrap();
    assert!(draw.variable(s).as_slice().iter().all(|v| [-1.0, 1.0].contains(v)));
    assert_eq!((x, draw.data(noise.min(graph.factors().next().unwrap()))), (s, None));
}

#[test]
fn sweeps_after_the_first_allocate_nothing_but_their_figures() {
    let (graph, _, _) = graph(Sign);
    let allocations = |sweeps| {
        let options = Options::default().with_tolerance(0.0).with_max_sweeps(sweeps);
        let mut run = Inference::new(&graph, &options).unwrap();
        allocation_counter::measure(|| drop(run.run(&mut ()).unwrap())).count_total
    };
    let (few, many) = (allocations(2), allocations(52));
    // Each sweep keeps one list of figures for the report.
    assert_eq!(many - few, 50, "{few} allocations for 2 sweeps, {many} for 52");
}
