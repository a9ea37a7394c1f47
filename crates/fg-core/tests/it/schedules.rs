//! Orders of updates.

use fg_core::operator::Dense;
use fg_core::schedule::ScheduleError;
use fg_core::{GraphBuilder, Options, Rows, Schedule, ScheduleChoice, Update};

use crate::rows_models::{Sign, Weighted};

#[test]
fn the_generative_order_goes_back_from_the_data_and_forward_again() {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", 1, 1);
    let data = Rows::from_vec(1, 2, vec![0.5, 1.0]).unwrap();
    let noise = builder.likelihood("noise", x, data, Weighted);
    let prior = builder.prior("prior", x, Sign);
    let graph = builder.build().unwrap();
    let schedule = ScheduleChoice::Auto.resolve(&graph).unwrap();
    assert_eq!(schedule.start, [Update::new(prior, 0)]);
    assert_eq!(schedule.sweep, [Update::new(noise, 0), Update::new(prior, 0)]);
}

#[test]
fn the_orders_of_a_chain() {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", 2, 1);
    let z = builder.variable("z", 1, 1);
    let prior = builder.prior("prior", x, Sign);
    let operator = builder.linear("A", x, z, Dense::from_rows(&Rows::zeros(1, 2)).unwrap());
    let data = Rows::from_vec(1, 2, vec![0.5, 1.0]).unwrap();
    let noise = builder.likelihood("noise", z, data, Weighted);
    let graph = builder.build().unwrap();
    let of = |choice: ScheduleChoice| {
        let Schedule { start, sweep } = choice.resolve(&graph).unwrap();
        let pairs = |updates: Vec<Update>| -> Vec<_> {
            updates.into_iter().map(|u| (u.factor, u.ports)).collect()
        };
        (pairs(start), pairs(sweep))
    };
    let back = [(noise, vec![0]), (operator, vec![0])];
    let forth = [(prior, vec![0]), (operator, vec![1])];
    let sweep = [back, forth.clone()].concat();
    let forth = forth.to_vec();
    assert_eq!(of(ScheduleChoice::Generative), (forth.clone(), sweep), "backward and forward");
    // Inward from both ends, and outward to the one that isn't the root.
    let (start, sweep) = of(ScheduleChoice::ForwardBackward(x));
    assert_eq!(start, [], "nothing has to be said before");
    let at = |factor, port| {
        let position = sweep.iter().position(|u| *u == (factor, vec![port]));
        position.unwrap_or_else(|| panic!("{sweep:?} has no {factor:?} at {port}"))
    };
    assert_eq!(sweep.len(), 4, "one message each way over each edge: {sweep:?}");
    assert!(at(noise, 0) < at(operator, 0), "inward: {sweep:?}");
    assert!(at(prior, 0) < at(operator, 1), "outward: {sweep:?}");
    let robin = vec![(prior, vec![0]), (operator, vec![0, 1]), (noise, vec![0])];
    assert_eq!(of(ScheduleChoice::RoundRobin), (forth, robin), "each factor in turn at all ports");
}

#[test]
fn a_model_without_a_prior_has_no_generative_order() {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", 1, 1);
    let data = Rows::from_vec(1, 2, vec![0.5, 1.0]).unwrap();
    builder.likelihood("noise", x, data, Weighted);
    let graph = builder.build().unwrap();
    let error = ScheduleChoice::Generative.resolve(&graph).unwrap_err();
    assert_eq!(error, ScheduleError::NotGenerative { variable: "x".into() });
    assert!(ScheduleChoice::Auto.resolve(&graph).is_ok());
}

#[test]
fn explicit_schedules_are_checked() {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", 1, 1);
    let prior = builder.prior("prior", x, Sign);
    let graph = builder.build().unwrap();
    let schedule = Schedule { start: vec![], sweep: vec![Update::new(prior, 1)] };
    let options = Options::default().with_schedule(ScheduleChoice::Explicit(schedule));
    let error = graph.infer(&options).unwrap_err().to_string();
    assert_eq!(error, "factor `prior` has no port 1");
}
