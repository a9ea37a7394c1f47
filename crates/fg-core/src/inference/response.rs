//! Linear response: how far an estimate moves when its variable is pulled, which is its posterior covariance.

use super::engine::Inference;
use super::error::{InferenceError, StartError};
use super::report::Status;
use crate::graph::VariableId;
use crate::message::small;
use crate::rows::Rows;

/// What a pull at a variable does to its estimate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Response {
    /// `Cov(X) h` for the direction `h` of the pull, `n x d`: how far the posterior mean moves for a unit of pull.
    pub covariance: Rows,
    /// `h' Cov(X) h`, the variance of `sum_i h_i . x_i`.
    pub variance: f64,
    /// What the belief itself claims of this variance, taking the errors of its rows for independent.
    pub claimed: f64,
    /// Why the two runs stopped; unless both have converged the response is incomplete.
    pub status: [Status; 2],
}

impl Inference<'_> {
    /// Adds `sum_i h_i . x_i` to the log-density of a variable, for the field `h` (`n x d`), from here on; a field replaces
    /// the one before, and zeros take it away.
    ///
    /// # Errors
    /// [`StartError::Layout`] when the shape isn't the variable's.
    pub fn set_field(&mut self, variable: VariableId, field: &Rows) -> Result<(), StartError> {
        self.check_shape(variable, field)?;
        self.state.set_field(self.graph, variable.index(), field);
        self.acceleration.forget();
        Ok(())
    }

    fn check_shape(&self, variable: VariableId, rows: &Rows) -> Result<(), StartError> {
        let layout = self.graph.layout(variable);
        let expected = (layout.rows(), layout.columns());
        if rows.shape() == expected {
            return Ok(());
        }
        let variable = self.graph.variable_name(variable).to_owned();
        Err(StartError::Layout { variable, expected, found: rows.shape() })
    }

    /// Pulls a variable in a `direction` (`n x d`), one way and the other, lets the run settle each time, and returns to where
    /// it was, with what is learned held: the linear response `d Xhat / d h = Cov(X)`, along this direction. It shows what the rows' own error bars
    /// can't, that errors hang together: a common factor that the data leave open, such as the length of a signal of which
    /// only signs are seen, is hardly a part of any row's variance and most of the error.
    ///
    /// Call it after a run that has converged. `size` is the pull in units of the deviation that the belief claims for the
    /// direction, such as 0.01: small against the posterior, large against the tolerance of the run. On Gaussian models the
    /// response is exact; where estimates are maximisers it is that of the maximiser.
    ///
    /// Reference: M. Opper and O. Winther, "Expectation consistent approximate inference", Journal of Machine Learning Research
    /// 6 (2005), section 4; T. Minka 2001.
    ///
    /// # Errors
    /// [`InferenceError`] of the runs, or when the direction's shape isn't the variable's or `size` isn't above zero.
    pub fn response(
        &mut self,
        variable: VariableId,
        direction: &Rows,
        size: f64,
    ) -> Result<Response, InferenceError> {
        self.check_shape(variable, direction)?;
        if !(size > 0.0 && size < f64::INFINITY) {
            return Err(StartError::Pull { size }.into());
        }
        let belief = self.belief(variable)?;
        let layout = belief.layout();
        let (d, blocks) = (layout.columns(), layout.blocks());
        let mut claimed = 0.0;
        for b in 0..blocks {
            let covariance = &belief.covariances()[b * d * d..(b + 1) * d * d];
            let rows = layout.range(b).map(|i| direction.row(i));
            claimed += rows.map(|h| small::bilinear(h, covariance, h, d)).sum::<f64>();
        }
        let pull = if claimed > 0.0 { size / claimed.sqrt() } else { size };
        let (place, scale) = (self.state.place(), self.damping_scale);
        self.state.set_learning(self.graph, false);
        let pulled = [pull, -pull].map(|pull| {
            let pulled = self.pulled(variable, direction, pull);
            self.state.return_to(&place);
            self.damping_scale = scale;
            pulled
        });
        self.state.set_learning(self.graph, true);
        self.set_field(variable, &Rows::zeros(direction.rows(), direction.columns()))?;
        let [up, down] = pulled;
        let ((up, first), (down, second)) = (up?, down?);
        let covariance =
            Rows::from_fn(up.rows(), d, |i, j| (up[(i, j)] - down[(i, j)]) / (2.0 * pull));
        let pairs = covariance.as_slice().iter().zip(direction.as_slice());
        let variance = pairs.map(|(c, h)| c * h).sum();
        Ok(Response { covariance, variance, claimed, status: [first, second] })
    }

    /// The estimate under a field, and how the run to it ended.
    fn pulled(
        &mut self,
        variable: VariableId,
        direction: &Rows,
        pull: f64,
    ) -> Result<(Rows, Status), InferenceError> {
        let mut field = direction.clone();
        field.as_mut_slice().iter_mut().for_each(|h| *h *= pull);
        self.set_field(variable, &field)?;
        let solution = self.run(&mut ())?;
        Ok((solution.mean(variable).clone(), solution.report().status.clone()))
    }
}
