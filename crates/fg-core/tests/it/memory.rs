//! What a factor remembers with its messages goes through damping and recovery as they do.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};

use fg_core::denoiser::Pointwise;
use fg_core::factor::{Belief, Breakdown, Cavity, Factor, LowRankFactor, Port, Role, Sent, own};
use fg_core::inference::StartError;
use fg_core::message::Layout;
use fg_core::{GraphBuilder, Inference, Message, Options, Precision, Rows, Status, Structure};

const ROWS: usize = 40;

/// Sends one more than what it remembers, with precision one, and remembers what it sends.
#[derive(Debug)]
struct Counter;

impl Factor for Counter {
    fn ports(&self) -> Vec<Port> {
        vec![Port { name: "x", role: Role::Given, rows: Some(ROWS), columns: Some(1) }]
    }

    fn workspace(&self, _variables: &[Layout]) -> Result<Box<dyn Any + Send>, Breakdown> {
        Ok(Box::new(0.0f64))
    }

    fn memory(&self, _port: usize, _variables: &[Layout]) -> Option<(usize, usize)> {
        Some((1, 1))
    }

    fn recall(&self, sent: &[Sent<'_>], workspace: &mut dyn Any) {
        // Both go through the same sums.
        let (message, memory) = (sent[0].message.natural()[(7, 0)], sent[0].memory[(0, 0)]);
        assert!((message - memory).abs() < 1e-12, "{message} sent, {memory} remembered");
        *own::<f64>(workspace) = memory;
    }

    fn beliefs(
        &self,
        cavities: &[Cavity<'_>],
        _wanted: &[bool],
        beliefs: &mut [Belief],
        workspace: &mut dyn Any,
    ) -> Result<(), Breakdown> {
        let next = *own::<f64>(workspace) + 1.0;
        let covariance = 1.0 / (1.0 + cavities[0].message.precision().block(0)[0]);
        beliefs[0].memory_mut(1, 1)[(0, 0)] = next;
        beliefs[0].gain_mut().natural.as_mut_slice().fill(next);
        beliefs[0].gain_mut().precision[0] = 1.0;
        let (mean, block) = beliefs[0].blocks_mut();
        for (m, n) in mean.as_mut_slice().iter_mut().zip(cavities[0].message.natural().as_slice()) {
            *m = covariance * (n + next);
        }
        block[0] = covariance;
        Ok(())
    }

    fn name(&self) -> String {
        "counter".to_owned()
    }
}

/// Signs, but for one number in the call `failing`.
fn signs(failing: usize) -> impl fg_core::denoiser::Denoiser {
    let calls = AtomicUsize::new(0);
    Pointwise::new("signs", move |r: f64, gamma: f64| {
        let broken = calls.fetch_add(1, Ordering::Relaxed) == failing;
        let x = if broken { f64::NAN } else { (gamma * r).tanh() };
        (x, gamma * (1.0 - x * x))
    })
}

#[test]
fn memories_are_damped_and_restored_with_their_messages() {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", ROWS, 1);
    builder.prior("prior", x, signs(5 * ROWS + 3));
    let counter = builder.factor("counter", Counter, &[x]);
    let graph = builder.build().unwrap();
    let options = Options::default().with_max_sweeps(12).with_tolerance(0.0).with_damping(0.6);
    let mut run = Inference::new(&graph, &options).unwrap();
    let layout = Structure::shared().layout(ROWS, 1).unwrap();
    let start = Rows::column(vec![0.25; ROWS]);
    let message = Message::new(start, Precision::isotropic(layout, 1.0).unwrap()).unwrap();
    run.start(counter, 0, message).unwrap();
    run.start_memory(counter, 0, &Rows::column(vec![0.25])).unwrap();
    let solution = run.run(&mut ()).unwrap();
    assert_eq!(solution.report().recoveries.len(), 1, "{}", solution.report());
    // Four or five sweeps of 0.6, the rest of 0.3.
    let sent = run.message(counter, 0).natural()[(0, 0)];
    let steps = (sent - 0.25) / 0.3;
    assert!((steps - steps.round()).abs() < 1e-9 && sent < 12.0 * 0.6, "{sent}");
}

#[test]
fn memories_of_another_shape_are_refused() {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", ROWS, 1);
    let prior = builder.prior("prior", x, signs(usize::MAX));
    let counter = builder.factor("counter", Counter, &[x]);
    let graph = builder.build().unwrap();
    let mut run = Inference::new(&graph, &Options::default()).unwrap();
    let refused = run.start_memory(prior, 0, &Rows::column(vec![0.0])).unwrap_err();
    assert_eq!(refused.to_string(), "memory of factor `prior` at port 0 must be 0 x 0, got 1 x 1");
    let refused = run.start_memory(counter, 1, &Rows::column(vec![0.0])).unwrap_err();
    assert!(matches!(refused, StartError::UnknownPort { port: 1, .. }), "{refused}");
}

#[test]
fn sweeps_of_a_low_rank_factor_allocate_nothing_but_their_figures() {
    let side = |i: usize| if i.is_multiple_of(3) { 1.0 } else { -1.0 };
    let noise = |i: usize, j: usize| ((i.max(j) * 17 + i.min(j) * 29) as f64).sin();
    let data = Rows::from_fn(ROWS, ROWS, |i, j| side(i) * side(j) + 3.0 * noise(i, j));
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", ROWS, 1);
    builder.prior("prior", x, signs(usize::MAX));
    let factor = LowRankFactor::symmetric(&data, 9.0).unwrap();
    let factor = builder.factor("data", factor, &[x]);
    let graph = builder.build().unwrap();
    let layout = Structure::shared().layout(ROWS, 1).unwrap();
    let guess = Rows::from_fn(ROWS, 1, |i, _| 0.2 * side(i) + 0.1);
    let guess = Message::new(guess, Precision::isotropic(layout, 0.3).unwrap()).unwrap();
    let allocations = |sweeps| {
        let options = Options::default().with_tolerance(0.0).with_max_sweeps(sweeps);
        let mut run = Inference::new(&graph, &options).unwrap();
        run.start(factor, 0, guess.clone()).unwrap();
        let mut status = Status::Stopped;
        let count = allocation_counter::measure(|| {
            let solution = run.run(&mut ()).unwrap();
            status = solution.report().status.clone();
        });
        assert_eq!(status, Status::SweepLimit);
        count.count_total
    };
    let (few, many) = (allocations(2), allocations(52));
    // Each sweep keeps one list of figures for the report.
    assert_eq!(many - few, 50, "{few} allocations for 2 sweeps, {many} for 52");
}
