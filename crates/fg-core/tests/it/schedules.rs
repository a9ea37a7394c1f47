//! Orders of updates.

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
    let rooted = ScheduleChoice::ForwardBackward(x).resolve(&graph).unwrap();
    assert_eq!(rooted.sweep.len(), 2);
    let robin = ScheduleChoice::RoundRobin.resolve(&graph).unwrap();
    assert_eq!(robin.sweep.len(), 2);
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
