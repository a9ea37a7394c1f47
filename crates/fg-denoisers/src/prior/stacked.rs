//! Blocks of consecutive rows, each with its own estimator.

use std::sync::Arc;

use fg_core::denoiser::{
    Denoiser, Estimation, GaussianRow, Law, Parameter, RowCavity, RowEstimate, Scratch,
};
use fg_core::factor::Breakdown;

use crate::error::ParameterError;
use crate::family::alike::Nature;
use crate::family::part;

/// A stack of estimators: the first for the first rows of the variable, the next for the rows below, and so on.
///
/// # Density
///
/// ```text
/// f(X) = prod_b f_b(X_b),      X_b the rows of block b
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | rows | - | 1, 2, .. | rows of a block |
/// | denoiser | - | any | the block's estimator |
///
/// # Estimate
///
/// Each block's own. All blocks answer with means, or all with maximisers. Each block learns what it is asked to from its own
/// rows; the parameters are named by the block, such as `block 0 sparsity`.
///
/// # Numerical notes
///
/// The cavity is cut at the blocks' borders without copying. Under a precision shared by all rows the engine averages
/// the covariance over blocks; where they differ much, give the variable one block of precisions each
/// ([`Structure::blocks`](fg_core::Structure::blocks)). The law differs by row, so there is a
/// [`row_law`](Denoiser::row_law) and no [`law`](Denoiser::law).
///
/// # Reference
///
/// None: the density factorises.
///
/// # Example
///
/// Ten weights with a Gaussian prior and, below them, a row of free intercepts.
///
/// ```
/// use fg_core::denoiser::Denoiser;
/// use fg_denoisers::{L2, Stacked};
/// let penalty = Stacked::new(10, L2::new(0.1)?)?.then(1, L2::new(0.0)?)?;
/// assert_eq!(penalty.rows(), Some(11));
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Debug)]
pub struct Stacked {
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    /// First row behind it.
    end: usize,
    start: usize,
    /// Shared with the stacks that learning makes of this one.
    denoiser: Arc<dyn Denoiser>,
}

impl Block {
    /// What the cavity says of the block: which of its rows, and those alone; none where there are none.
    fn part<'c>(&self, cavity: &RowCavity<'c>) -> Option<(core::ops::Range<usize>, RowCavity<'c>)> {
        let first = cavity.first_row();
        let start = self.start.max(first);
        let end = self.end.min(first + cavity.len());
        if start >= end {
            return None;
        }
        let rows = start - first..end - first;
        let part = part::renumbered(cavity, rows.clone(), start - self.start);
        Some((rows, part))
    }
}

impl Stacked {
    /// A stack of one block of `rows` rows.
    ///
    /// # Errors
    /// [`ParameterError`] when there is no row, or the denoiser is for another number of rows.
    pub fn new(rows: usize, denoiser: impl Denoiser + 'static) -> Result<Self, ParameterError> {
        Self { blocks: Vec::new() }.then(rows, denoiser)
    }

    /// The same stack with `rows` more rows below.
    ///
    /// # Errors
    /// [`ParameterError`] when there is no row, or the denoiser is for another number of rows or columns or answers
    /// otherwise (mean or maximiser) than the blocks above.
    pub fn then(
        mut self,
        rows: usize,
        denoiser: impl Denoiser + 'static,
    ) -> Result<Self, ParameterError> {
        let block = self.blocks.len();
        if rows == 0 {
            return Err(ParameterError::OutOfRange {
                parameter: "rows",
                value: 0.0,
                requirement: "at least 1",
            });
        }
        if let Some(expected) = denoiser.rows().filter(|&r| r != rows) {
            return Err(ParameterError::Length { parameter: "rows", expected, found: rows });
        }
        if block > 0 {
            Nature::of(&self).joined(Nature::of(&denoiser), block)?;
        }
        let start = self.blocks.last().map_or(0, |b| b.end);
        self.blocks.push(Block { start, end: start + rows, denoiser: Arc::new(denoiser) });
        Ok(self)
    }

    /// The estimators and the rows they are for.
    pub fn blocks(&self) -> impl Iterator<Item = (core::ops::Range<usize>, &dyn Denoiser)> {
        self.blocks.iter().map(|b| (b.start..b.end, &*b.denoiser))
    }

    fn block_of(&self, row: usize) -> Option<&Block> {
        self.blocks.iter().find(|b| row < b.end)
    }

    /// Calls `act(block, rows of the cavity, cavity of those rows)` for each block that the cavity touches.
    fn cut<'c, E>(
        &self,
        cavity: &RowCavity<'c>,
        mut act: impl FnMut(&Block, core::ops::Range<usize>, &RowCavity<'c>) -> Result<(), E>,
    ) -> Result<(), E> {
        for block in &self.blocks {
            let Some((rows, part)) = block.part(cavity) else { continue };
            act(block, rows, &part)?;
        }
        Ok(())
    }
}

impl Denoiser for Stacked {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        self.cut(cavity, |block, rows, part| {
            let mut out = part::answers(out, rows, d);
            block.denoiser.estimate(part, &mut out, scratch)
        })
    }

    fn columns(&self) -> Option<usize> {
        self.blocks.iter().find_map(|b| b.denoiser.columns())
    }

    fn rows(&self) -> Option<usize> {
        self.blocks.last().map(|b| b.end)
    }

    fn estimation(&self) -> Estimation {
        self.blocks.first().map(|b| b.denoiser.estimation()).unwrap_or_default()
    }

    fn separable(&self) -> bool {
        self.blocks.iter().all(|b| b.denoiser.separable())
    }

    fn gaussian(&self, row: usize, d: usize) -> Option<GaussianRow> {
        let block = self.block_of(row)?;
        block.denoiser.gaussian(row - block.start, d)
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let known = self.cut(cavity, |block, rows, part| {
            if block.denoiser.log_partition(part, &mut out[rows]) { Ok(()) } else { Err(()) }
        });
        known.is_ok()
    }

    /// The largest of the blocks'.
    fn row_law(&self, row: usize) -> Option<&dyn Law> {
        let block = self.block_of(row)?;
        block.denoiser.row_law(row - block.start)
    }

    fn learning(&self) -> Vec<Parameter> {
        let of = |(b, block): (usize, &Block)| {
            let own = block.denoiser.learning().into_iter();
            own.map(move |parameter| parameter.of_part(format_args!("block {b}")))
                .collect::<Vec<_>>()
        };
        self.blocks.iter().enumerate().flat_map(of).collect()
    }

    /// A step of every block, from its own rows.
    fn learned(&self, rows: &mut dyn Iterator<Item = RowCavity<'_>>) -> Option<Box<dyn Denoiser>> {
        let mut parts: Vec<Vec<_>> = self.blocks.iter().map(|_| Vec::new()).collect();
        for piece in rows {
            for (block, parts) in self.blocks.iter().zip(&mut parts) {
                parts.extend(block.part(&piece).map(|(_, part)| part));
            }
        }
        let mut blocks = self.blocks.clone();
        let mut changed = false;
        for (block, parts) in blocks.iter_mut().zip(parts) {
            if let Some(learned) = block.denoiser.learned(&mut parts.into_iter()) {
                block.denoiser = learned.into();
                changed = true;
            }
        }
        changed.then(|| Box::new(Self { blocks }) as Box<dyn Denoiser>)
    }

    fn name(&self) -> String {
        let names: Vec<_> = self.blocks.iter().map(|b| b.denoiser.name()).collect();
        names.join(" / ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gaussian, L1, L2};

    #[test]
    #[expect(clippy::float_cmp, reason = "results that rounding does not touch")]
    fn blocks_answer_for_their_own_rows_wherever_the_cavity_is_cut() {
        let stack = Stacked::new(2, L2::new(1.0).unwrap()).unwrap();
        let stack = stack.then(3, L1::new(0.5).unwrap()).unwrap();
        let natural = [3.0; 5];
        let (mut mean, mut covariance) = ([0.0; 5], [0.0; 5]);
        for range in [0..1, 1..4, 4..5] {
            let n = &natural[range.clone()];
            let cavity = RowCavity::new(range.start, 1, n, n, &[1.0]);
            let mut out =
                RowEstimate { mean: &mut mean[range.clone()], covariance: &mut covariance[range] };
            stack.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        }
        assert_eq!(mean, [1.5, 1.5, 2.5, 2.5, 2.5]);
        assert_eq!(covariance, [0.5, 0.5, 1.0, 1.0, 1.0]);
        assert!(stack.gaussian(1, 1).is_some() && stack.gaussian(2, 1).is_none());
        assert!(stack.gaussian(5, 1).is_none(), "no row below the stack");
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "results that rounding does not touch")]
    fn the_law_is_that_of_the_row() {
        let stack = Stacked::new(1, Gaussian::new(0.0, 1.0).unwrap()).unwrap();
        let stack = stack.then(1, Gaussian::new(5.0, 0.0).unwrap()).unwrap();
        let mut x = [0.0];
        stack.row_law(1).unwrap().draw(&[0.3], &mut x);
        assert_eq!(x, [5.0]);
        assert!(stack.law().is_none());
    }

    #[test]
    fn blocks_learn_from_their_own_rows() {
        let learner = |variance: f64| Gaussian::new(0.0, variance).unwrap().learn_covariance();
        let stack = Stacked::new(2, learner(1.0)).unwrap().then(1, L2::new(1.0).unwrap());
        assert!(stack.is_err(), "maximisers don't go with means");
        let stack = Stacked::new(2, learner(1.0)).unwrap();
        let stack = stack.then(1, Gaussian::new(0.0, 3.0).unwrap()).unwrap();
        let stack = stack.then(1, learner(2.0)).unwrap();
        let values = |stack: &dyn Denoiser| {
            let all = stack.learning().into_iter();
            all.map(|p| (p.name.into_owned(), p.values[0])).collect::<Vec<_>>()
        };
        let named = |a: f64, b: f64| {
            vec![("block 0 variance".to_owned(), a), ("block 2 variance".to_owned(), b)]
        };
        assert_eq!(values(&stack), named(1.0, 2.0));
        // Rows known to be 1, 3, 9, 4, in two pieces cut across the first block.
        let x = [1.0, 3.0, 9.0, 4.0];
        let n = x.map(|x| 1e18 * x);
        let gamma = [1e18];
        let mut pieces = [
            RowCavity::new(0, 1, &n[..1], &x[..1], &gamma),
            RowCavity::new(1, 1, &n[1..], &x[1..], &gamma),
        ]
        .into_iter();
        let learned = stack.learned(&mut pieces).unwrap();
        let close = values(&*learned)
            .iter()
            .zip(named(5.0, 16.0))
            .all(|(a, b)| a.0 == b.0 && (a.1 / b.1 - 1.0).abs() < 1e-12);
        assert!(close, "{:?}", values(&*learned));
    }

    #[test]
    fn blocks_that_do_not_go_together_are_named() {
        let stack = || Stacked::new(1, Gaussian::with_covariance(&[0.0], &[1.0]).unwrap()).unwrap();
        let error = stack().then(1, L1::new(1.0).unwrap()).unwrap_err();
        assert_eq!(error, ParameterError::MixedEstimation { block: 1 });
        let two = Gaussian::with_covariance(&[0.0, 0.0], &[1.0, 0.0, 0.0, 1.0]).unwrap();
        assert_eq!(stack().then(1, two).unwrap_err(), ParameterError::MixedColumns { block: 1 });
        assert!(stack().then(0, Gaussian::new(0.0, 1.0).unwrap()).is_err());
    }
}
