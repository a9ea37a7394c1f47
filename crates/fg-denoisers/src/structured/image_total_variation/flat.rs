//! The image as values of its regions: the last digits of the estimate by Newton's steps, and its derivative.

use fg_linalg::sparse::{Failure, SparseFactor};

use super::colours::Colours;
use super::regions::Regions;

/// An image of which the regions are known.
#[derive(Debug)]
pub(super) struct Flat<'a> {
    colours: &'a Colours<'a>,
    columns: Vec<Regions>,
    /// Where the regions of each column start among those of all, and how many there are.
    starts: Vec<usize>,
}

/// Newton's steps double the digits that are right: after a step of this share of the image the next one changes nothing.
const SETTLED: f64 = 1e-9;

impl<'a> Flat<'a> {
    pub(super) fn new(colours: &'a Colours<'a>, columns: Vec<Regions>) -> Self {
        let mut starts = vec![0];
        columns.iter().for_each(|column| starts.push(starts[starts.len() - 1] + column.len()));
        Self { colours, columns, starts }
    }

    /// Replaces `x` by the minimum among the values of the regions, where Newton's steps, so many at most, settle on one that
    /// doesn't cost more than `x` beyond rounding: the [bound](Colours::minimise) on the error of `x` then holds for it as well.
    ///
    /// They settle at once where the variation doesn't bend, and where the regions are right. Gradients of next to nothing in
    /// large pictures keep them from it, where a region more or less is below the tolerance.
    ///
    /// # Errors
    /// [`Failure`] of the factorisation.
    pub(super) fn polish(&self, x: &mut Vec<Vec<f64>>, steps: usize) -> Result<(), Failure> {
        let cost = self.colours.cost(x);
        let bends = self.columns.iter().any(Regions::bends);
        let largest = |values: &[f64]| values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let size = x.iter().map(|column| largest(column)).fold(0.0, f64::max);
        let mut ahead = x.clone();
        self.columns.iter().zip(&mut ahead).for_each(|(column, x)| column.flatten(x));
        for _ in 0..steps {
            let mut step = self.slope(&ahead);
            self.factor(&ahead)?.solve(&mut step);
            for (j, column) in self.columns.iter().enumerate() {
                let step = &step[self.starts[j]..];
                ahead[j].iter_mut().enumerate().for_each(|(i, x)| *x -= step[column.of(i)]);
            }
            if !(self.colours.cost(&ahead).value <= cost.value + cost.rounding) {
                break;
            }
            if !bends || largest(&step) <= SETTLED * size {
                *x = ahead;
                break;
            }
        }
        Ok(())
    }

    /// Derivatives of the cost in the values of all regions.
    fn slope(&self, x: &[Vec<f64>]) -> Vec<f64> {
        let mut out = vec![0.0; self.starts[self.columns.len()]];
        for (j, column) in self.columns.iter().enumerate() {
            let out = &mut out[self.starts[j]..self.starts[j + 1]];
            column.add_pulls(&x[j], self.colours.costs[j], out);
            self.colours.add_residuals(j, x, |i, residual| out[column.of(i)] += residual);
        }
        out
    }

    /// The second derivatives there: `P' (I (x) Gamma) P + C`, with indicators `P` of the regions of all columns and the
    /// curvature `C` of the variation.
    fn factor(&self, x: &[Vec<f64>]) -> Result<SparseFactor, Failure> {
        let mut entries = Vec::new();
        for (j, column) in self.columns.iter().enumerate() {
            let start = self.starts[j];
            let curvature = column.curvature(&x[j], self.colours.costs[j]);
            entries
                .extend(curvature.into_iter().map(|(i, k, value)| (start + i, start + k, value)));
            let gamma = self.colours.gamma(j, j);
            let squares = column.sizes().iter().enumerate();
            entries.extend(squares.map(|(k, size)| (start + k, start + k, gamma * size)));
            for (k, other) in self.columns[..j].iter().enumerate().filter(|_| !self.colours.alone())
            {
                // Also where a pair isn't coupled by itself: its covariance is asked for.
                let gamma = self.colours.gamma(j, k);
                let pairs = (0..x[j].len()).map(|i| (column.of(i), other.of(i)));
                let other = self.starts[k];
                entries.extend(pairs.map(|(i, k)| (start + i, other + k, gamma)));
            }
        }
        SparseFactor::new(self.starts[self.columns.len()], &entries)
    }

    /// Writes the covariance of each pixel, `d x d`: the blocks of `P (P' (I (x) Gamma) P + C)^-1 P'`.
    ///
    /// # Errors
    /// [`Failure`] of the factorisation.
    pub(super) fn covariances(&self, x: &[Vec<f64>], out: &mut [f64]) -> Result<(), Failure> {
        let d = self.columns.len();
        let inverse = self.factor(x)?.inverse();
        for (i, out) in out.chunks_exact_mut(d * d).enumerate() {
            let place = |j: usize| self.starts[j] + self.columns[j].of(i);
            for j in 0..d {
                for k in 0..=j {
                    // Columns by themselves have no entries in common.
                    let value = inverse.at(place(j), place(k)).unwrap_or(0.0);
                    (out[j * d + k], out[k * d + j]) = (value, value);
                }
            }
        }
        Ok(())
    }
}
