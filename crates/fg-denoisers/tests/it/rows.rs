//! Rows that differ, and rows without data, in graphs: runs, data drawn, predictions.

#![expect(clippy::unwrap_used, reason = "parts of tests fail by panicking")]

use fg_core::operator::Dense;
use fg_core::{Graph, GraphBuilder, Options, Rows, Structure, VariableId};
use fg_denoisers::{Awgn, DiagonalNoise, Gaussian, Masked, PerRow};

const INPUTS: usize = 4;
const OUTPUTS: usize = 9;
/// Gaussian models with a precision per row converge to the exact posterior.
const AGREEMENT: f64 = 1e-9;

fn entry(i: usize, j: usize) -> f64 {
    ((3 * i + 5 * j * j) as f64 + 0.3).sin()
}

fn value(i: usize) -> f64 {
    (7.0 * i as f64).cos()
}

/// `y = A x + noise` on some rows, with messages of a precision per row.
fn graph(rows: &[usize], add: impl FnOnce(&mut GraphBuilder, VariableId)) -> (Graph, VariableId) {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", INPUTS, 1);
    let z = builder.variable("z", rows.len(), 1);
    builder.structure(x, Structure::per_row());
    builder.structure(z, Structure::per_row());
    builder.prior("prior", x, Gaussian::new(0.0, 1.0).unwrap());
    let matrix = Rows::from_fn(rows.len(), INPUTS, |i, j| entry(rows[i], j));
    builder.linear("A", x, z, Dense::from_rows(&matrix).unwrap());
    add(&mut builder, z);
    (builder.build().unwrap(), x)
}

fn solve((graph, x): &(Graph, VariableId)) -> Vec<f64> {
    let options = Options::default().with_tolerance(1e-13).with_max_sweeps(2000).with_damping(0.8);
    graph.infer(&options).unwrap().mean(*x).as_slice().to_vec()
}

#[track_caller]
fn assert_close(a: &[f64], b: &[f64]) {
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < AGREEMENT), "{a:?} {b:?}");
}

fn precision(i: usize) -> f64 {
    0.5 + (i % 4) as f64
}

#[test]
fn missing_rows_are_no_rows() {
    let all: Vec<usize> = (0..OUTPUTS).collect();
    let kept: Vec<usize> = all.iter().copied().filter(|i| i % 3 != 1).collect();
    let gaps = Rows::from_fn(OUTPUTS, 1, |i, _| if i % 3 == 1 { f64::NAN } else { value(i) });
    let data = Rows::from_fn(kept.len(), 1, |i, _| value(kept[i]));
    let expected = solve(&graph(&kept, |b, z| {
        b.likelihood("y", z, data, Awgn::new(2.0).unwrap());
    }));
    let (noise, filled) = DiagonalNoise::with_gaps(2.0, &gaps).unwrap();
    let by_entry = solve(&graph(&all, |b, z| {
        b.likelihood("y", z, filled, noise);
    }));
    assert_close(&by_entry, &expected);
    let (masked, filled) = Masked::with_gaps(Awgn::new(2.0).unwrap(), &gaps).unwrap();
    let by_mask = solve(&graph(&all, |b, z| {
        b.likelihood("y", z, filled, masked);
    }));
    assert_close(&by_mask, &expected);
}

#[test]
fn precise_rows_count_more() {
    // Rows scaled to noise of precision one are the same measurements.
    let all: Vec<usize> = (0..OUTPUTS).collect();
    let noise = all.iter().map(|&i| Awgn::new(precision(i)).unwrap()).collect();
    let noise = PerRow::likelihoods(noise).unwrap();
    let data = Rows::from_fn(OUTPUTS, 1, |i, _| value(i));
    let found = solve(&graph(&all, |b, z| {
        b.likelihood("y", z, data, noise);
    }));
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", INPUTS, 1);
    let z = builder.variable("z", OUTPUTS, 1);
    builder.prior("prior", x, Gaussian::new(0.0, 1.0).unwrap());
    let matrix = Rows::from_fn(OUTPUTS, INPUTS, |i, j| precision(i).sqrt() * entry(i, j));
    builder.linear("A", x, z, Dense::from_rows(&matrix).unwrap());
    let data = Rows::from_fn(OUTPUTS, 1, |i, _| precision(i).sqrt() * value(i));
    builder.likelihood("y", z, data, Awgn::new(1.0).unwrap());
    assert_close(&found, &solve(&(builder.build().unwrap(), x)));
}

#[test]
fn another_number_of_rows_is_refused() {
    let mut builder = GraphBuilder::new();
    let z = builder.variable("z", 3, 1);
    builder.prior("prior", z, Gaussian::new(0.0, 1.0).unwrap());
    let noise = PerRow::likelihoods(vec![Awgn::new(1.0).unwrap(); 2]).unwrap();
    builder.likelihood("y", z, Rows::zeros(3, 1), noise);
    assert!(builder.build().is_err(), "two models for three rows");
}

#[test]
fn predictions_average_over_rows() {
    // Two thirds of all rows seen with noise of variance 0.5, one third not at all.
    let (observed, precision) = (2.0 / 3.0, 2.0);
    let mut builder = GraphBuilder::new();
    let z = builder.variable("z", 30, 1);
    builder.prior("prior", z, Gaussian::new(0.0, 1.0).unwrap());
    let mask: Vec<bool> = (0..30).map(|i| i % 3 != 1).collect();
    builder.unobserved("y", z, Masked::new(Awgn::new(precision).unwrap(), &mask).unwrap());
    let graph = builder.build().unwrap();
    let prediction = graph.predict(&Options::default()).unwrap();
    let expected = observed / (1.0 + precision) + (1.0 - observed);
    let found = prediction.estimate(z).mse();
    // Rows are met to a share of a point.
    assert!((found / expected - 1.0).abs() < 1e-2, "{found} {expected}");
}
