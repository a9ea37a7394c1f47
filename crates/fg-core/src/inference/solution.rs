//! What a run gives back: an estimate with error bars for every variable, and the report.

use super::report::Report;
use crate::denoiser::Parameter;
use crate::factor::Belief;
use crate::graph::{FactorId, VariableId};
use crate::message::Message;
use crate::rows::Rows;

/// Estimates of all variables after a run.
#[derive(Clone, Debug)]
#[must_use]
pub struct Solution {
    pub(super) beliefs: Vec<Belief>,
    pub(super) cavities: Vec<Vec<Message>>,
    pub(super) parameters: Vec<(FactorId, Parameter)>,
    pub(super) report: Report,
}

impl Solution {
    /// Posterior mean (or maximiser) of a variable, `n x d`.
    pub fn mean(&self, variable: VariableId) -> &Rows {
        self.belief(variable).mean()
    }

    /// Covariances averaged over the rows of each block of the variable's structure, `blocks x d x d`.
    pub fn covariance(&self, variable: VariableId) -> &[f64] {
        self.belief(variable).covariances()
    }

    /// Covariance of each row, `n x d x d`, where a row-wise factor computed the estimate.
    pub fn row_covariances(&self, variable: VariableId) -> Option<&[f64]> {
        self.belief(variable).row_covariances()
    }

    /// Standard deviation of each entry, `n x d`: of its own row where that is known, otherwise of its block.
    ///
    /// Where an estimate is a maximiser the covariance of a row is its slope, and the deviation zero where the estimate doesn't
    /// move with what is seen, such as at exact zeros; what jumps of an estimate add is of their average over rows, and no error
    /// bar of one row. A variance below zero, which estimates of a divergence by probes can give for single rows, counts as zero.
    pub fn deviation(&self, variable: VariableId) -> Rows {
        let belief = self.belief(variable);
        let layout = belief.layout();
        let d = layout.columns();
        Rows::from_fn(layout.rows(), d, |i, j| {
            let entry = j * d + j;
            let variance = match belief.row_covariances() {
                Some(rows) => rows[i * d * d + entry],
                None => belief.covariances()[layout.partition().block_of(i) * d * d + entry],
            };
            variance.max(0.0).sqrt()
        })
    }

    /// Mean and covariances together.
    pub fn belief(&self, variable: VariableId) -> &Belief {
        &self.beliefs[variable.index()]
    }

    /// What a factor was told at a port in the end: the product of all other messages about its variable. For a prior that is
    /// the unknown seen with Gaussian noise, all that the data say of it.
    ///
    /// # Panics
    /// When there is no such port.
    #[track_caller]
    pub fn cavity(&self, factor: FactorId, port: usize) -> &Message {
        &self.cavities[factor.index()][port]
    }

    /// The parameters of all factors that were learned along the way, with their last values.
    pub fn parameters(&self) -> &[(FactorId, Parameter)] {
        &self.parameters
    }

    /// The last value of a learned parameter of one value; `None` when the factor learns no such parameter, or one of several
    /// [values](Self::parameters).
    pub fn parameter(&self, factor: FactorId, name: &str) -> Option<f64> {
        let own = |(f, p): &&(FactorId, Parameter)| *f == factor && p.name == name;
        match self.parameters.iter().find(own)?.1.values[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// How the run went.
    pub fn report(&self) -> &Report {
        &self.report
    }
}
