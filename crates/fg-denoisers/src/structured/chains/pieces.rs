//! Values and covariances of columns that are constant in given pieces.

use fg_core::message::small;

use super::Problem;
use crate::family::memory::take;

/// The linear system of the values of pieces, `P' (I x Gamma) P` with `P` the pieces' indicators.
///
/// Pieces are eliminated in the order of their ends. At any row as many are open as there are columns, and only these are
/// coupled: a matrix of them goes along the rows. Backwards, the same rows of the factor give values and, from the covariance of
/// the open pieces, that of the one which opens: Takahashi's recursion, in which nothing is subtracted.
pub(super) struct Pieces<'a> {
    /// A row of the factor and the right hand side for each piece, in the order of elimination.
    pivots: &'a mut [f64],
    /// Of the open pieces: information, or going back covariance.
    open: &'a mut [f64],
    /// Of the open pieces: right hand side, or going back values.
    values: &'a mut [f64],
    gains: &'a mut [f64],
}

impl<'a> Pieces<'a> {
    pub(super) fn len(rows: usize, d: usize) -> usize {
        rows * d * (d + 1) + d * d + 2 * d
    }

    pub(super) fn new(mut memory: &'a mut [f64], d: usize) -> Self {
        let memory = &mut memory;
        let (open, values, gains) = (take(memory, d * d), take(memory, d), take(memory, d));
        Self { pivots: core::mem::take(memory), open, values, gains }
    }

    /// Writes values for these signs of steps (zero within a piece), `rows x columns` of which the last row is unused, and
    /// covariances if there is room for them; false where rounding leaves a pivot that isn't positive.
    pub(super) fn solve(
        &mut self,
        problem: &Problem<'_>,
        signs: &[f64],
        x: &mut [f64],
        covariance: &mut [f64],
    ) -> bool {
        let Some(count) = self.eliminate(problem, signs) else { return false };
        self.substitute(signs, count, x, covariance);
        true
    }

    /// Forward; the number of pieces.
    fn eliminate(&mut self, problem: &Problem<'_>, signs: &[f64]) -> Option<usize> {
        let (n, d) = (problem.rows(), problem.columns);
        self.open.fill(0.0);
        self.values.fill(0.0);
        let (mut pending, mut count) = (0.0, 0);
        for i in 0..n {
            let row = i * d..(i + 1) * d;
            self.values.iter_mut().zip(&problem.natural[row.clone()]).for_each(|(b, n)| *b += n);
            pending += 1.0;
            let (last, signs) = (i + 1 == n, &signs[row]);
            if !last && signs.iter().all(|&s| s == 0.0) {
                continue;
            }
            self.open.iter_mut().zip(problem.gamma).for_each(|(a, gamma)| *a += pending * gamma);
            pending = 0.0;
            for j in 0..d {
                // The dual at the end of a piece pulls at it, and at the next one the other way.
                let pull = if last { 0.0 } else { problem.weight * signs[j] };
                if last || signs[j] != 0.0 {
                    self.values[j] += pull;
                    self.close(j, count)?;
                    self.values[j] = -pull;
                    count += 1;
                }
            }
        }
        Some(count)
    }

    /// Eliminates the open piece of column `j`.
    fn close(&mut self, j: usize, count: usize) -> Option<()> {
        let d = self.values.len();
        let saved = &mut self.pivots[count * (d + 1)..(count + 1) * (d + 1)];
        saved[..d].copy_from_slice(&self.open[j * d..(j + 1) * d]);
        saved[d] = self.values[j];
        let pivot = saved[j];
        if !(pivot > 0.0) {
            return None;
        }
        for a in (0..d).filter(|&a| a != j) {
            let share = saved[a] / pivot;
            for b in 0..d {
                self.open[a * d + b] -= share * saved[b];
            }
            self.open[a * d + j] = 0.0;
            self.values[a] -= share * saved[d];
        }
        self.open[j * d..(j + 1) * d].fill(0.0);
        Some(())
    }

    /// Backward.
    fn substitute(&mut self, signs: &[f64], count: usize, x: &mut [f64], covariance: &mut [f64]) {
        let d = self.values.len();
        let n = x.len() / d;
        let mut count = count;
        self.open.fill(0.0);
        self.values.fill(0.0);
        for i in (0..n).rev() {
            let row = i * d..(i + 1) * d;
            for j in (0..d).rev() {
                if i + 1 == n || signs[i * d + j] != 0.0 {
                    count -= 1;
                    self.reopen(j, count, !covariance.is_empty());
                }
            }
            x[row].copy_from_slice(self.values);
            if !covariance.is_empty() {
                covariance[i * d * d..(i + 1) * d * d].copy_from_slice(self.open);
            }
        }
    }

    fn reopen(&mut self, j: usize, count: usize, covariance: bool) {
        let d = self.values.len();
        let saved = &self.pivots[count * (d + 1)..(count + 1) * (d + 1)];
        let pivot = saved[j];
        // Entries of pieces that were closed before this one are zero.
        let others = || (0..d).filter(move |&a| a != j);
        let pull: f64 = others().map(|a| saved[a] * self.values[a]).sum();
        self.values[j] = (saved[d] - pull) / pivot;
        if !covariance {
            return;
        }
        for a in others() {
            self.gains[a] = -others().map(|b| saved[b] * self.open[b * d + a]).sum::<f64>() / pivot;
        }
        let spread: f64 = others().map(|a| -saved[a] / pivot * self.gains[a]).sum();
        for a in others() {
            (self.open[a * d + j], self.open[j * d + a]) = (self.gains[a], self.gains[a]);
        }
        // The spread is a variance, which rounding can make negative.
        self.open[j * d + j] = 1.0 / pivot + spread.max(0.0);
        small::symmetrise(self.open, d);
    }
}
