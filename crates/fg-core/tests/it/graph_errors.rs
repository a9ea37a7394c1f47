//! Every way to build a wrong graph, and what the user is told.

use fg_core::factor::{Belief, Breakdown, Cavity, Factor, LinearFactor, Port, Role};
use fg_core::operator::Dense;
use fg_core::{GraphBuilder, GraphError, Rows, Structure};

use crate::rows_models::{Sign, Weighted};

/// A factor over two variables that must both have two rows.
#[derive(Debug)]
struct Pair;

impl Factor for Pair {
    fn ports(&self) -> Vec<Port> {
        let port = |name, role| Port { name, role, rows: Some(2), columns: None };
        vec![port("left", Role::Given), port("right", Role::Produced)]
    }

    fn beliefs(
        &self,
        _: &[Cavity<'_>],
        _: &[bool],
        _: &mut [Belief],
        _: &mut dyn std::any::Any,
    ) -> Result<(), Breakdown> {
        Ok(())
    }

    fn name(&self) -> String {
        "pair".to_owned()
    }
}

fn error(build: impl FnOnce(&mut GraphBuilder)) -> String {
    let mut builder = GraphBuilder::new();
    build(&mut builder);
    builder.build().unwrap_err().to_string()
}

#[test]
fn each_error_names_what_is_wrong() {
    assert_eq!(GraphBuilder::new().build().unwrap_err(), GraphError::Empty);
    let message = error(|b| {
        b.variable("x", 0, 1);
    });
    assert_eq!(message, "variable `x` is empty: 0 x 1");
    let message = error(|b| {
        b.variable("x", 2, 1);
    });
    assert_eq!(message, "no factor touches variable `x`");
    let message = error(|b| {
        b.variable("x", 2, 1);
        b.variable("x", 2, 1);
    });
    assert_eq!(message, "name `x` is used twice");
    let message = error(|b| {
        let x = b.variable("x", 2, 1);
        b.prior("p", x, Sign);
        b.prior("p", x, Sign);
    });
    assert_eq!(message, "name `p` is used twice");
    let message = error(|b| {
        let x = b.variable("x", 2, 1);
        b.structure(x, Structure::blocks([3]));
        b.prior("p", x, Sign);
    });
    assert_eq!(message, "variable `x`: block sizes add up to 3, the variable has 2 rows");
}

#[test]
fn ports_are_checked() {
    let message = error(|b| {
        let x = b.variable("x", 2, 1);
        b.factor("f", Pair, &[x]);
    });
    assert_eq!(message, "factor `f` has 2 ports, got 1 variables");
    let message = error(|b| {
        let x = b.variable("x", 2, 1);
        b.factor("f", Pair, &[x, x]);
    });
    assert_eq!(message, "factor `f` is connected to variable `x` twice");
    let message = error(|b| {
        let x = b.variable("x", 2, 1);
        let y = b.variable("y", 3, 4);
        b.factor("f", Pair, &[x, y]);
    });
    assert_eq!(message, "port `right` of factor `f` needs 2 x any, variable `y` is 3 x 4");
    let message = error(|b| {
        let mut other = GraphBuilder::new();
        other.variable("a", 2, 1);
        let foreign = other.variable("b", 2, 1);
        b.variable("x", 2, 1);
        b.prior("p", foreign, Sign);
    });
    assert_eq!(message, "factor `p` is connected to a variable of another graph");
    let message = error(|b| {
        let x = b.variable("x", 2, 1);
        b.likelihood("noise", x, Rows::zeros(3, 2), Weighted);
    });
    assert_eq!(message, "factor `noise`: data must be 2 x 2, got 3 x 2");
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", 2, 1);
    let prior = builder.prior("p", x, Sign);
    let message = builder.build().unwrap().observe(prior, Rows::zeros(2, 1)).unwrap_err();
    assert_eq!(message.to_string(), "factor `p`: is no likelihood and takes no data");
}

#[test]
fn a_bias_that_does_not_fit_is_named() {
    let biased = |bias: Vec<f64>| {
        error(|b| {
            let (x, z) = (b.variable("x", 3, 2), b.variable("z", 2, 2));
            let operator = Dense::from_rows(&Rows::from_fn(2, 3, |i, j| (i + j) as f64)).unwrap();
            b.factor("A", LinearFactor::new(operator).with_bias(bias), &[x, z]);
        })
    };
    assert_eq!(biased(vec![1.0]), "factor `A`: bias needs 2 values, one a column, got 1");
    let not_finite = "factor `A`: bias must be finite, that of column 1 is not";
    assert_eq!(biased(vec![0.0, f64::NAN]), not_finite);
}

#[test]
fn parts_that_are_not_connected_are_named() {
    let message = error(|b| {
        let x = b.variable("x", 2, 1);
        let y = b.variable("y", 2, 1);
        b.prior("p", x, Sign);
        b.prior("q", y, Sign);
    });
    assert_eq!(message, "graph is disconnected: no factors lead from variable `x` to `y`");
}
