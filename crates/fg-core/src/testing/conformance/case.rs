//! An estimator of one port with the number of columns it is tried on, and under which conditions its laws apply.

use super::input::Input;
use super::laws::{Applies, given};
use super::one_port::OnePort;
use super::subject::Claims;
use crate::denoiser::{Estimation, Scratch};

/// An estimator, the columns of its rows, and what is claimed of it.
pub(super) struct Case<'a> {
    pub(super) node: OnePort<'a>,
    pub(super) d: usize,
    pub(super) claims: Claims<'a>,
}

impl Case<'_> {
    /// The rows that it is tried on: as many as it is for, where that is a few or they are estimated together.
    pub(super) fn inputs(&self) -> Vec<Input> {
        Input::examples_of(self.node.rows_tried(), self.d)
    }

    pub(super) fn row_wise(&self) -> Applies {
        given(self.node.separable(), "rows are estimated together")
    }

    pub(super) fn together(&self) -> Applies {
        given(!self.node.separable(), "rows are estimated one by one")
    }

    /// A row means the same wherever it stands: averages over points may let rows take turns at these.
    pub(super) fn exchangeable(&self) -> Applies {
        self.row_wise()?;
        given(self.node.rows().is_none(), "its rows differ")?;
        given(!self.node.sampled(self.d), "its estimates are averages over points")
    }

    pub(super) fn several_columns(&self) -> Applies {
        given(self.d > 1, "there is one column")
    }

    pub(super) fn log_partition(&self) -> Applies {
        let known = |input: &Input| self.node.log_partition(&input.cavity()).is_some();
        given(self.inputs().iter().any(known), "its log-partition function isn't known")
    }

    /// Rows can be anywhere, at least within what a constraint allows.
    pub(super) fn free(&self) -> Applies {
        let node = self.node;
        let tied = node.known(self.d) || node.discrete(self.d) || node.thin(self.d);
        given(!tied, "its rows are known, or on points or curves")
    }

    pub(super) fn learns(&self) -> Applies {
        given(!self.node.parameters().is_empty(), "it has no parameters to learn")
    }

    pub(super) fn draws(&self) -> Applies {
        given(self.node.draws(self.d), "it draws nothing")
    }

    /// A law of its rows is known, and an estimate that no cavity informs.
    pub(super) fn uninformed(&self) -> Applies {
        given(matches!(self.node, OnePort::Denoiser(_)), "it is no prior")?;
        self.draws()?;
        let nothing = Input::nothing(self.d);
        let estimate = self.node.estimate(&nothing.cavity(), &mut Scratch::default());
        given(estimate.is_ok(), "it refuses a cavity without information")
    }

    /// What is drawn has a density or a probability that is known.
    pub(super) fn normalised(&self) -> Applies {
        self.log_partition()?;
        let OnePort::Likelihood(model, _) = self.node else { return self.uninformed() };
        self.draws()?;
        given(model.outputs(self.d) == 1, "its data have several columns")?;
        given(model.row_model(0).is_none(), "its rows have models of their own")
    }

    pub(super) fn mean(&self) -> Applies {
        given(self.node.estimation() == Estimation::Mmse, "it answers with maximisers")
    }

    pub(super) fn maximiser(&self) -> Applies {
        given(self.node.estimation() == Estimation::Map, "it answers with posterior means")
    }

    pub(super) fn costs(&self) -> Applies {
        self.maximiser()?;
        given(self.claims.cost.is_some(), "no cost is given")
    }

    pub(super) fn integrates(&self) -> Applies {
        self.mean()?;
        given(self.d == 1, "a density is of one column")?;
        given(self.claims.density.is_some(), "no density is given")
    }

    pub(super) fn log_concave(&self) -> Applies {
        given(self.claims.log_concave, "it isn't claimed to be log-concave")
    }

    pub(super) fn rotation_invariant(&self) -> Applies {
        given(self.claims.rotation_invariant, "it isn't claimed to be the same in all directions")
    }
}
