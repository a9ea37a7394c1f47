//! The linear factor against what bounds it: two matrix-vector products a belief, one eigen-decomposition to set up.
//!
//! | measured | bound | at `4096 x 2048` and `2048 x 4096` |
//! |---|---|---|
//! | `belief_of_x`, the work of a sweep of VAMP | `two_products`, `A x` and `A' z` with the same matrix | at most 1.5 |
//! | `set_up_gram`, from the matrix to a factor ready for beliefs | `eigen_alone`, faer's `self_adjoint_eigen` of the smaller Gram matrix, already formed | at most 1.2 |
//!
//! `set_up_gram` forms the Gram matrix, `eigen_alone` doesn't: the strict reading of the bound. Large sizes are left out
//! unless asked for: `cargo bench --bench linear -- --include-ignored`.

#![expect(clippy::unwrap_used, reason = "a benchmark has nobody to hand an error to")]

use core::any::Any;

use divan::{Bencher, black_box};
use fg_core::factor::{Belief, Cavity, Factor, LinearFactor, Solver};
use fg_core::faer::{Mat, Side};
use fg_core::operator::{Dense, LinearOperator};
use fg_core::{Layout, Message, Precision, Rows, Structure};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Outputs and inputs of an operator.
type Shape = (usize, usize);

/// Operators of the default run.
const SMALL: [Shape; 2] = [(256, 512), (512, 1024)];

/// Operators beyond every cache.
const LARGE: [Shape; 2] = [(2048, 4096), (4096, 2048)];

fn main() {
    divan::main();
}

fn operator((m, n): Shape) -> Dense {
    let mut rng = Pcg64::seed_from_u64(1);
    let scale = 1.0 / (m as f64).sqrt();
    let entry = |_, _| scale * (rng.random::<f64>() - 0.5);
    Dense::new(Mat::from_fn(m, n, entry)).unwrap()
}

fn message(rows: usize, precision: f64) -> Message {
    let layout: Layout = Structure::shared().layout(rows, 1).unwrap();
    let mean = Rows::from_fn(rows, 1, |i, _| (i as f64).sin());
    Message::from_mean(&mean, Precision::isotropic(layout, precision).unwrap()).unwrap()
}

/// A sweep of a linear inverse problem: the cavity of X is new, that of Z what it was.
fn belief(bencher: Bencher<'_, '_>, shape: Shape, wanted: [bool; 2]) {
    let factor = LinearFactor::new(operator(shape)).with_solver(Solver::Gram);
    let messages = [message(shape.1, 1.0), message(shape.0, 10.0)];
    let layouts = messages.each_ref().map(|m| m.layout().clone());
    let mut workspace: Box<dyn Any + Send> = factor.workspace(&layouts).unwrap();
    let mut beliefs = layouts.map(Belief::new);
    let mut version = 0;
    bencher.bench_local(|| {
        version += 1;
        let cavity = |p: usize, version| Cavity { message: &messages[p], version };
        let cavities = [cavity(0, version), cavity(1, 1)];
        beliefs.iter_mut().for_each(Belief::reset);
        factor.beliefs(&cavities, &wanted, &mut beliefs, &mut *workspace).unwrap();
    });
}

fn products(bencher: Bencher<'_, '_>, shape: Shape) {
    let a = operator(shape);
    let (mut x, mut z) = (vec![1.0; shape.1], vec![1.0; shape.0]);
    bencher.bench_local(|| {
        a.apply(black_box(&x), &mut z, 1);
        a.apply_adjoint(black_box(&z), &mut x, 1);
        x.iter_mut().for_each(|v| *v = v.clamp(-1.0, 1.0));
    });
}

fn set_up(bencher: Bencher<'_, '_>, shape: Shape) {
    bencher
        .with_inputs(|| LinearFactor::new(operator(shape)).with_solver(Solver::Gram))
        .bench_local_values(|factor| factor.decomposed_by().unwrap());
}

fn eigen(bencher: Bencher<'_, '_>, shape: Shape) {
    let a = operator(shape);
    let (a, adjoint) = (a.matrix(), a.matrix().transpose());
    let gram = if shape.0 <= shape.1 { a * adjoint } else { adjoint * a };
    bencher.bench_local(|| gram.self_adjoint_eigen(Side::Lower).unwrap());
}

#[divan::bench(args = SMALL)]
fn belief_of_x(bencher: Bencher<'_, '_>, shape: Shape) {
    belief(bencher, shape, [true, false]);
}

#[divan::bench(args = SMALL)]
fn belief_of_both(bencher: Bencher<'_, '_>, shape: Shape) {
    belief(bencher, shape, [true, true]);
}

#[divan::bench(args = SMALL)]
fn two_products(bencher: Bencher<'_, '_>, shape: Shape) {
    products(bencher, shape);
}

#[divan::bench(args = SMALL, sample_count = 5)]
fn set_up_gram(bencher: Bencher<'_, '_>, shape: Shape) {
    set_up(bencher, shape);
}

#[divan::bench(args = SMALL, sample_count = 5)]
fn eigen_alone(bencher: Bencher<'_, '_>, shape: Shape) {
    eigen(bencher, shape);
}

#[divan::bench(args = LARGE, ignore)]
fn large_belief_of_x(bencher: Bencher<'_, '_>, shape: Shape) {
    belief(bencher, shape, [true, false]);
}

#[divan::bench(args = LARGE, ignore)]
fn large_belief_of_both(bencher: Bencher<'_, '_>, shape: Shape) {
    belief(bencher, shape, [true, true]);
}

#[divan::bench(args = LARGE, ignore)]
fn large_two_products(bencher: Bencher<'_, '_>, shape: Shape) {
    products(bencher, shape);
}

#[divan::bench(args = LARGE, ignore, sample_count = 3)]
fn large_set_up_gram(bencher: Bencher<'_, '_>, shape: Shape) {
    set_up(bencher, shape);
}

#[divan::bench(args = LARGE, ignore, sample_count = 3)]
fn large_eigen_alone(bencher: Bencher<'_, '_>, shape: Shape) {
    eigen(bencher, shape);
}
