//! The linear factor against the dense joint posterior, over shapes, structures, solvers and columns.

mod entries;
mod gains;
mod iterative;
mod limits;
mod posteriors;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::{LinearFactor, Solver};
use crate::factor::{Belief, Breakdown, Cavity, Factor};
use crate::operator::Dense;
use crate::{ColumnForm, Layout, Message, Precision, Rows, Structure};

const FORMS: [ColumnForm; 3] = [ColumnForm::Isotropic, ColumnForm::Diagonal, ColumnForm::Full];

/// Reproducible numbers in `[-1, 1)`.
struct Numbers(Pcg64);

impl Numbers {
    fn new(seed: u64) -> Self {
        Self(Pcg64::seed_from_u64(seed))
    }

    fn next(&mut self) -> f64 {
        2.0 * self.0.random::<f64>() - 1.0
    }

    fn rows(&mut self, n: usize, d: usize) -> Rows {
        Rows::from_fn(n, d, |_, _| self.next())
    }

    /// A matrix of the given rank.
    fn matrix(&mut self, m: usize, n: usize, rank: usize) -> Rows {
        let (left, right) = (self.rows(m, rank), self.rows(rank, n));
        Rows::from_fn(m, n, |i, j| (0..rank).map(|k| left[(i, k)] * right[(k, j)]).sum())
    }

    /// A positive definite matrix of this form and size.
    fn precision(&mut self, form: ColumnForm, d: usize, scale: f64) -> Vec<f64> {
        let (g, level) = (self.rows(d, d), 1.5 + self.next());
        let mut matrix = vec![0.0; d * d];
        for i in 0..d {
            for j in 0..d {
                let sum: f64 = (0..d).map(|k| g[(i, k)] * g[(j, k)]).sum();
                matrix[i * d + j] = match form {
                    ColumnForm::Full => scale * (sum + if i == j { 0.2 } else { 0.0 }),
                    ColumnForm::Diagonal if i == j => scale * (0.2 + sum),
                    ColumnForm::Isotropic if i == j => scale * level,
                    _ => 0.0,
                };
            }
        }
        matrix
    }

    /// A message with random means and precisions of the layout's form.
    fn message(&mut self, layout: &Layout, scale: f64) -> Message {
        let (n, d) = (layout.rows(), layout.columns());
        let mut precision = Precision::zero(layout.clone());
        for b in 0..layout.blocks() {
            precision.set_block(b, &self.precision(layout.form(), d, scale)).unwrap();
        }
        Message::from_mean(&self.rows(n, d), precision).unwrap()
    }
}

fn factor(matrix: &Rows, solver: Solver) -> LinearFactor {
    LinearFactor::new(Dense::from_rows(matrix).unwrap()).with_solver(solver)
}

/// Beliefs at the wanted ports by a fresh workspace.
fn beliefs(
    factor: &LinearFactor,
    messages: [&Message; 2],
    wanted: [bool; 2],
) -> Result<[Belief; 2], Breakdown> {
    let layouts = messages.map(|m| m.layout().clone());
    factor.check(&layouts).unwrap();
    let mut workspace = factor.workspace(&layouts)?;
    let mut beliefs = layouts.map(Belief::new);
    run(factor, messages, [1, 1], wanted, &mut beliefs, &mut *workspace)?;
    Ok(beliefs)
}

fn run(
    factor: &LinearFactor,
    messages: [&Message; 2],
    versions: [u64; 2],
    wanted: [bool; 2],
    beliefs: &mut [Belief],
    workspace: &mut dyn core::any::Any,
) -> Result<(), Breakdown> {
    let cavities = [0, 1].map(|p| Cavity { message: messages[p], version: versions[p] });
    beliefs.iter_mut().for_each(Belief::reset);
    factor.beliefs(&cavities, &wanted, beliefs, workspace)
}

fn shared(form: ColumnForm, n: usize, d: usize) -> Layout {
    Structure::shared().with_columns(form).layout(n, d).unwrap()
}

fn isotropic(mean: &Rows, precision: f64) -> Message {
    let layout = shared(ColumnForm::Isotropic, mean.rows(), mean.columns());
    Message::from_mean(mean, Precision::isotropic(layout, precision).unwrap()).unwrap()
}

fn known(values: &Rows) -> Message {
    isotropic(values, f64::INFINITY)
}

/// Largest difference relative to the largest value.
fn distance(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "lengths of two results");
    let largest = expected.iter().fold(f64::MIN_POSITIVE, |max, v| max.max(v.abs()));
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    // NaN must not pass: f64::max would drop it.
    differences.fold(0.0, |max: f64, v| if max.is_nan() || v <= max { max } else { v }) / largest
}

/// Mean over the rows of each block of row covariances.
fn averaged(layout: &Layout, rows: &[f64]) -> Vec<f64> {
    let size = layout.columns() * layout.columns();
    let mut out = Vec::new();
    for b in 0..layout.blocks() {
        let range = layout.range(b);
        for e in 0..size {
            let sum: f64 = range.clone().map(|i| rows[i * size + e]).sum();
            out.push(sum / range.len() as f64);
        }
    }
    out
}
