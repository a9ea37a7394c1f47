//! On which rows of a cavity estimators are tried.

use core::fmt;

use super::one_port::ROWS;
use crate::denoiser::RowCavity;
use crate::message::{Message, Precision, Structure, small};
use crate::rows::Rows;

/// Correlations of precisions that are tried far out: none, and one that leaves a direction nearly unknown.
pub(super) const CORRELATIONS: [f64; 2] = [0.0, 0.999];

/// Directions of a row of `d` columns: all in step, in turns, and no pattern.
fn directions(d: usize) -> Vec<Vec<f64>> {
    let mut directions = vec![vec![1.0; d]];
    if d > 1 {
        directions.push((0..d).map(|j| if j % 2 == 0 { 1.0 } else { -1.0 }).collect());
        directions.push((0..d).map(|j| (1.0 + 2.0 * j as f64).cos()).collect());
    }
    directions
}

/// Rows of a cavity that share a precision.
#[derive(Clone, PartialEq)]
pub struct Input {
    columns: usize,
    natural: Vec<f64>,
    mean: Vec<f64>,
    precision: Vec<f64>,
}

impl Input {
    /// Rows with these natural parameters (`rows x columns`) and this precision (`columns x columns`).
    ///
    /// # Panics
    /// When the lengths don't fit or the precision isn't one.
    pub fn new(columns: usize, natural: Vec<f64>, precision: Vec<f64>) -> Self {
        let rows = natural.len() / columns;
        let layout = Structure::shared().layout(rows, columns).expect("one block of rows");
        let precision_of = Precision::from_matrix(layout, &precision).expect("a precision matrix");
        let rows_of = Rows::from_vec(rows, columns, natural.clone()).expect("whole rows");
        let mut mean = Rows::zeros(rows, columns);
        Message::new(rows_of, precision_of).expect("finite rows").mean_into(&mut mean);
        Self { columns, natural, mean: mean.into_vec(), precision }
    }

    /// Rows with these means (`rows x columns`) and this precision.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn from_mean(columns: usize, mean: &[f64], precision: Vec<f64>) -> Self {
        let mut natural = vec![0.0; mean.len()];
        for (n, r) in natural.chunks_exact_mut(columns).zip(mean.chunks_exact(columns)) {
            small::row_times(r, &precision, n, columns);
        }
        Self { columns, natural, mean: mean.to_vec(), precision }
    }

    /// Some rows at weak and strong precisions of each form: zero, isotropic, diagonal, full and singular.
    ///
    /// Means are of order one and follow no pattern, so that they miss the kinks of MAP estimates.
    pub fn examples(d: usize) -> Vec<Self> {
        Self::examples_of(ROWS, d)
    }

    /// As [`examples`](Self::examples), with this number of rows.
    pub(super) fn examples_of(rows: usize, d: usize) -> Vec<Self> {
        let mean = Self::means(rows * d);
        let matrix = |entry: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..d * d).map(|k| entry(k / d, k % d)).collect()
        };
        let diagonal = |scale: f64, growth: f64| {
            matrix(&|i, j| if i == j { scale * growth.powf(i as f64) } else { 0.0 })
        };
        let mut precisions = vec![diagonal(0.4, 1.0), diagonal(3.0, 1.0), diagonal(90.0, 1.0)];
        if d > 1 {
            precisions.push(diagonal(0.5, 3.0));
            let direction = |i: usize| 0.8 + (i as f64).cos();
            precisions.push(matrix(&|i, j| direction(i) * direction(j)));
            precisions.push(matrix(&|i, j| {
                2.0 * direction(i) * direction(j) + f64::from(u8::from(i == j))
            }));
        }
        let mut examples: Vec<_> =
            precisions.into_iter().map(|p| Self::from_mean(d, &mean, p)).collect();
        examples.push(Self::nothing(d));
        examples
    }

    /// Means of order one that follow no pattern.
    fn means(len: usize) -> Vec<f64> {
        (0..len).map(|k| 2.5 * (1.0 + 3.0 * k as f64).sin()).collect()
    }

    /// As many rows as are wanted of the precision of this example, with the means of its rows and more of the same.
    pub(super) fn like(&self, rows: usize) -> Self {
        Self::from_mean(self.columns, &Self::means(rows * self.columns), self.precision.clone())
    }

    /// A row of which nothing is known.
    pub(super) fn nothing(d: usize) -> Self {
        Self::new(d, vec![0.0; d], vec![0.0; d * d])
    }

    /// Rows of means this many deviations away, in each of a few directions, under a precision with this correlation.
    pub(super) fn far((precision, correlation): (f64, f64), deviations: &[f64], d: usize) -> Self {
        let entry =
            |k: usize| if k.is_multiple_of(d + 1) { precision } else { correlation * precision };
        let matrix: Vec<f64> = (0..d * d).map(entry).collect();
        let mut natural = Vec::new();
        for direction in directions(d) {
            let mut along = vec![0.0; d];
            small::row_times(&direction, &matrix, &mut along, d);
            // Deviations are those of the direction: across a strong correlation it is nearly unknown.
            let square: f64 = direction.iter().map(|e| e * e).sum();
            let scale = (square / small::bilinear(&direction, &matrix, &direction, d)).sqrt();
            for k in deviations {
                natural.extend(along.iter().map(|a| k * scale * a));
            }
        }
        Self::new(d, natural, matrix)
    }

    /// A diagonal precision that is full by a rounding error; nothing of one that isn't diagonal or has one column.
    pub(super) fn nearly_diagonal(&self) -> Option<Self> {
        /// Off-diagonal entries that change nothing but the path taken, relative to the diagonal.
        const SPECK: f64 = 1e-18;
        let d = self.columns;
        let first = self.precision[0];
        if d == 1 || !self.cavity().is_diagonal() || !(first > 0.0) {
            return None;
        }
        let entry =
            |k: usize| if k.is_multiple_of(d + 1) { self.precision[k] } else { SPECK * first };
        Some(self.with_precision((0..d * d).map(entry).collect()))
    }

    /// All rows this many times.
    pub(super) fn repeated(&self, times: usize) -> Self {
        Self::new(self.columns, self.natural.repeat(times), self.precision.clone())
    }

    /// The rows in pieces of at most this many.
    pub(super) fn pieces(&self, rows: usize) -> impl Iterator<Item = Self> + '_ {
        let len = rows.clamp(1, self.rows()) * self.columns;
        let natural = self.natural.chunks(len);
        natural.map(|n| Self::new(self.columns, n.to_vec(), self.precision.clone()))
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.natural.len() / self.columns
    }

    /// `N`, row after row.
    pub fn natural(&self) -> &[f64] {
        &self.natural
    }

    /// `Gamma`.
    pub fn precision(&self) -> &[f64] {
        &self.precision
    }

    /// The rows as an estimator sees them.
    pub fn cavity(&self) -> RowCavity<'_> {
        RowCavity::new(0, self.columns, &self.natural, &self.mean, &self.precision)
    }

    /// Row `i` alone, still with its index.
    pub(super) fn row_cavity(&self, i: usize) -> RowCavity<'_> {
        let range = i * self.columns..(i + 1) * self.columns;
        RowCavity::new(
            i,
            self.columns,
            &self.natural[range.clone()],
            &self.mean[range],
            &self.precision,
        )
    }

    /// The first row alone.
    pub(super) fn first_row(&self) -> Self {
        self.first_rows(1)
    }

    /// So many rows from the first on.
    pub(super) fn first_rows(&self, rows: usize) -> Self {
        Self {
            columns: self.columns,
            natural: self.natural[..rows * self.columns].to_vec(),
            mean: self.mean[..rows * self.columns].to_vec(),
            precision: self.precision.clone(),
        }
    }

    /// Row `i` in words.
    pub(super) fn describe(&self, i: usize) -> String {
        let range = i * self.columns..(i + 1) * self.columns;
        format!("row {i}, n = {:?}, Gamma = {:?}", &self.natural[range], self.precision)
    }

    /// The same rows with column `j` of every natural parameter moved by its own step.
    pub(super) fn moved(&self, j: usize, steps: &[f64], times: f64) -> Self {
        let mut natural = self.natural.clone();
        for (row, step) in natural.chunks_exact_mut(self.columns).zip(steps) {
            row[j] += times * step;
        }
        Self::new(self.columns, natural, self.precision.clone())
    }

    /// The same natural parameters, moved by what follows no pattern, of the size of a deviation.
    pub(super) fn shaken(&self, times: f64) -> Self {
        let d = self.columns;
        let mut natural = self.natural.clone();
        for (k, n) in natural.iter_mut().enumerate() {
            let scale = (1.0 + self.precision[k % d * (d + 1)]).sqrt();
            *n += times * scale * (2.0 + 5.0 * k as f64).sin();
        }
        Self::new(d, natural, self.precision.clone())
    }

    /// The rows in reverse order.
    pub(super) fn reversed(&self) -> Self {
        let reverse = |values: &[f64]| {
            values.chunks_exact(self.columns).rev().flatten().copied().collect::<Vec<f64>>()
        };
        Self {
            columns: self.columns,
            natural: reverse(&self.natural),
            mean: reverse(&self.mean),
            precision: self.precision.clone(),
        }
    }

    /// The same natural parameters under another precision.
    pub(super) fn with_precision(&self, precision: Vec<f64>) -> Self {
        Self::new(self.columns, self.natural.clone(), precision)
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { columns, natural, mean: _, precision } = self;
        write!(f, "{columns} columns, n = {natural:?}, Gamma = {precision:?}")
    }
}
