//! By how much answers that are averages over a few lines may be off: some rows are asked again, along other lines and with more
//! nodes.

use fg_core::denoiser::{RowCavity, RowEstimate};
use fg_core::factor::Breakdown;

use super::Output;
use super::batch::Batch;
use super::posterior::TwoLayerMmse;
use super::sets::SCRAMBLINGS;
use super::smooth::Grid;
use crate::family::whitened_square;

/// The first rows of a variable are all asked again: a few rows have an error, too.
const FIRST: usize = 8;
/// Of the others one in so many, of four turns, so that there are pairs of the same turn even of a thousand rows.
const STRIDE: usize = 76;
/// Of these, one in so many is asked with finer nodes, too, which takes four times as long as a row: their error differs less from
/// row to row.
const REFINED: usize = 4 * STRIDE;
/// The other lines of a row: those of the turn that is farthest from its own.
const OTHER: usize = SCRAMBLINGS / 2;

/// Differences of the covariances of rows that are asked again, to what they are answered.
///
/// Rows of one turn share the directions of their lines, and so a part of their errors: what is found of pairs of such rows says
/// how large a part. The error of nodes is that of all rows, whatever their turn is.
pub(super) struct Trials<'a> {
    node: &'a TwoLayerMmse,
    /// Sum of the differences between lines of each turn, `turns x (d x d)`.
    turns: &'a mut [f64],
    /// Rows of each turn that are asked again.
    counts: &'a mut [f64],
    /// Sum of their whitened squares.
    squares: f64,
    /// Sum of the differences of nodes, `d x d`.
    nodes: &'a mut [f64],
    /// An answer: mean, and covariance.
    mean: &'a mut [f64],
    covariance: &'a mut [f64],
    product: &'a mut [f64],
}

impl<'a> Trials<'a> {
    /// Values of memory for the lines of a call, and for those of rows that are asked again.
    pub(super) fn lines(node: &TwoLayerMmse) -> usize {
        Batch::len(node, &node.grid).max(Batch::len(node, &node.finer))
    }

    /// Values of memory in all.
    pub(super) fn len(node: &TwoLayerMmse) -> usize {
        let d = node.network.hidden();
        Self::lines(node) + (SCRAMBLINGS + 3) * d * d + SCRAMBLINGS + d
    }

    /// With the memory that is left beside that for lines.
    pub(super) fn new(node: &'a TwoLayerMmse, memory: &'a mut [f64]) -> Self {
        let d = node.network.hidden();
        memory.fill(0.0);
        let (turns, rest) = memory.split_at_mut(SCRAMBLINGS * d * d);
        let (counts, rest) = rest.split_at_mut(SCRAMBLINGS);
        let (nodes, rest) = rest.split_at_mut(d * d);
        let (covariance, rest) = rest.split_at_mut(d * d);
        let (product, mean) = rest.split_at_mut(d * d);
        Self { node, turns, counts, squares: 0.0, nodes, mean, covariance, product }
    }

    /// The relative standard error of the average of the covariances that rows are answered; none where no row of the call is
    /// asked again, and of lines where these are two halves that are compared in every row.
    pub(super) fn run(
        mut self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        covariances: &[f64],
        lines: &mut [f64],
    ) -> Result<f64, Breakdown> {
        let (node, first, size) = (self.node, cavity.first_row(), self.nodes.len());
        let turned = self.mean.len() > 1 && matches!(node.network.output, Output::Noise { .. });
        let refined = !node.grid.nodes.is_empty();
        let (mut finer, precision) = (0.0, cavity.precision());
        for i in 0..cavity.len() {
            if first + i >= FIRST && !(first + i).is_multiple_of(STRIDE) {
                continue;
            }
            let own = &covariances[i * size..(i + 1) * size];
            if turned {
                self.ask(&node.grid, OTHER, (observed, cavity, i), lines)?;
                let group = (first + i) % SCRAMBLINGS;
                self.counts[group] += 1.0;
                self.differ(own);
                self.squares += whitened_square(self.covariance, precision, self.product);
                let sum = &mut self.turns[group * size..(group + 1) * size];
                sum.iter_mut().zip(&*self.covariance).for_each(|(s, d)| *s += d);
            }
            if refined && (first + i < FIRST || (first + i).is_multiple_of(REFINED)) {
                finer += 1.0;
                self.ask(&node.finer, 0, (observed, cavity, i), lines)?;
                self.differ(own);
                self.nodes.iter_mut().zip(&*self.covariance).for_each(|(s, d)| *s += d);
            }
        }
        let rows = cavity.len();
        let share = if finer > 0.0 { rows as f64 / finer } else { 0.0 };
        let nodes = share * share * whitened_square(self.nodes, precision, self.product);
        let of_lines = self.of_lines(rows, first, precision);
        let total = &mut *self.nodes;
        total.fill(0.0);
        for covariance in covariances.chunks_exact(size) {
            total.iter_mut().zip(covariance).for_each(|(t, c)| *t += c);
        }
        let whole = whitened_square(total, precision, self.product);
        let error = ((nodes + of_lines) / whole).sqrt();
        Ok(if whole > 0.0 { error } else { 0.0 })
    }

    /// Answers row `i` alone on another grid or in another turn.
    fn ask(
        &mut self,
        grid: &Grid,
        turn: usize,
        (observed, cavity, i): (&[f64], &RowCavity<'_>, usize),
        lines: &mut [f64],
    ) -> Result<(), Breakdown> {
        let (d, outputs) = (self.mean.len(), self.node.network.outputs());
        let row = i * d..(i + 1) * d;
        let (natural, mean) = (&cavity.natural()[row.clone()], &cavity.mean()[row]);
        let cavity = RowCavity::new(cavity.first_row() + i, d, natural, mean, cavity.precision());
        let mut out = RowEstimate { mean: &mut *self.mean, covariance: &mut *self.covariance };
        let again = Batch {
            node: self.node,
            grid,
            turn,
            observed: &observed[i * outputs..(i + 1) * outputs],
            cavity: &cavity,
            out: Some(&mut out),
            log_partition: None,
            memory: lines,
        };
        again.run().map(|_| ())
    }

    /// Takes the row's own answer from the other one.
    fn differ(&mut self, own: &[f64]) {
        self.covariance.iter_mut().zip(own).for_each(|(other, own)| *other -= own);
    }

    /// Square of the error of the sum over all rows that is due to their lines, of which the differences between two turns have
    /// twice the variance.
    fn of_lines(&mut self, rows: usize, first: usize, precision: &[f64]) -> f64 {
        let (size, asked) = (self.nodes.len(), self.counts.iter().sum::<f64>());
        if asked == 0.0 {
            return 0.0;
        }
        let mut products = -self.squares;
        for sum in self.turns.chunks_exact(size) {
            products += whitened_square(sum, precision, self.product);
        }
        let pairs: f64 = self.counts.iter().map(|m| m * (m - 1.0)).sum();
        let each = self.squares / asked;
        // As if there were one pair more, of equal errors: where there is none, all of a turn's are taken as equal.
        let alike = ((products + each) / (pairs + 1.0)).clamp(0.0, each);
        let mut sum = 0.0;
        for turn in 0..SCRAMBLINGS {
            let place = (turn + SCRAMBLINGS - first % SCRAMBLINGS) % SCRAMBLINGS;
            let own = (rows + SCRAMBLINGS - 1 - place) / SCRAMBLINGS;
            sum += own as f64 * (each - alike) + (own * own) as f64 * alike;
        }
        0.5 * sum
    }
}
