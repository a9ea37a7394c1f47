//! What a row-wise node is: the traits a user implements for priors, penalties, likelihoods and channels.
//!
//! All three see rows of a cavity (what the rest of the graph says about a row) and answer with an estimate and
//! a covariance for each row. They know nothing of messages, schedules or graphs. Two conventions hold for all:
//!
//! * **MMSE** nodes answer with posterior mean and covariance under
//!   `f(x) exp(n'x - x' Gamma x / 2)`;
//! * **MAP** nodes answer with the maximiser of the same expression and `J Gamma^-1`, where `J` is the Jacobian
//!   of the estimate with respect to the cavity mean, averaged as the map is, jumps included.
//!
//! In both cases the estimate is the gradient, and the covariance the Hessian, of the log-partition function with
//! respect to `n`.

mod black_box;
mod closure;
mod dual;
mod law;
mod parameter;
mod rows;

pub use black_box::{BlackBox, BlackBoxError, BlackBoxOptions};
pub use closure::{Pointwise, PointwiseLikelihood};
pub use dual::{Differentiated, Dual, ScalarFunction};
pub use law::Law;
pub use parameter::Parameter;
pub use rows::{RowCavity, RowEstimate, Scratch};

use core::fmt;

use crate::factor::Breakdown;
use crate::factor::partition::log_volume;
use crate::message::Layout;

/// Whether a node answers with posterior means or with maximisers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Estimation {
    /// Posterior mean and covariance (sum-product).
    #[default]
    Mmse,
    /// Maximiser and scaled Jacobian (max-product, proximal).
    Map,
}

/// The message of a node that is Gaussian in its variable: independent of what the rest of the graph says.
///
/// All rows carry the same precision; `natural` is a row of `N` (values themselves when `known`).
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianRow {
    /// `Gamma r`, of length `d`; the value itself when `known`.
    pub natural: Vec<f64>,
    /// `Gamma`, `d x d` row-major; ignored when `known`.
    pub precision: Vec<f64>,
    /// Infinite precision: the row is fixed.
    pub known: bool,
}

impl GaussianRow {
    /// `log` of the integral of `exp(n'x - x' Gamma x / 2)` times this Gaussian over the maximum of that product, for a cavity
    /// of this `precision` (`d x d`): what posteriors have in excess of maximisers. Zero for a known row; none where the
    /// product isn't proper.
    pub fn log_volume(&self, precision: &[f64]) -> Option<f64> {
        if self.known {
            return Some(0.0);
        }
        let sum: Vec<f64> = self.precision.iter().zip(precision).map(|(p, g)| p + g).collect();
        log_volume(&sum, self.natural.len())
    }
}

/// A row-wise estimator for a node with one port: a prior (MMSE) or a penalty (MAP).
///
/// Required: [`estimate`](Self::estimate). Everything else has a default that is right for an estimator of which
/// nothing more is known; a model that can draw data also gives [`law`](Self::law).
pub trait Denoiser: fmt::Debug + Send + Sync {
    /// Estimates every row of `cavity`: `mean` (`rows x d`) and `covariance` (`rows x d x d`). An estimator that samples
    /// [declares](Scratch::declare) how far its averaged covariance may be off.
    ///
    /// # Errors
    /// [`Breakdown`] when the estimate doesn't exist, for example for an improper posterior.
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown>;

    /// The number of columns it is for; `None` when any will do.
    fn columns(&self) -> Option<usize> {
        None
    }

    /// The number of rows it is for; `None` when any will do.
    fn rows(&self) -> Option<usize> {
        None
    }

    /// Whether it answers with posterior means or with maximisers.
    fn estimation(&self) -> Estimation {
        Estimation::Mmse
    }

    /// Whether rows are estimated one by one. An estimator that looks at all rows together is called with all of
    /// them and needs one precision shared by all rows.
    fn separable(&self) -> bool {
        true
    }

    /// The Gaussian it is in row `row` of `d` columns, when it is one.
    fn gaussian(&self, row: usize, d: usize) -> Option<GaussianRow> {
        let _ = (row, d);
        None
    }

    /// Writes for each row the log-partition function `log int f(x) exp(n'x - x' Gamma x / 2) dx` (MMSE) or the
    /// maximum of the exponent (MAP) and returns true; false when it isn't known.
    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let _ = (cavity, out);
        false
    }

    /// The distribution of a row, when the estimator describes one.
    fn law(&self) -> Option<&dyn Law> {
        None
    }

    /// The distribution of row `row`, for estimators whose rows differ in law; the same for all by default.
    fn row_law(&self, row: usize) -> Option<&dyn Law> {
        let _ = row;
        self.law()
    }

    /// The parameters that a run is asked to learn, with their current values; none by default. A node whose parameters
    /// change isn't taken for one of constant message, even where it is [`gaussian`](Self::gaussian).
    fn learning(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// The estimator with its learned parameters fitted to what the rest of the graph says of its rows: a step of
    /// expectation-maximisation, which can't lower the likelihood that the sum of [`log_partition`](Self::log_partition)
    /// stands for. `rows` are all rows that aren't known, in pieces of one precision; `None` keeps the estimator.
    fn learned(&self, rows: &mut dyn Iterator<Item = RowCavity<'_>>) -> Option<Box<dyn Denoiser>> {
        let _ = rows;
        None
    }

    /// One estimator for rows of one column of which row `i` has `models[i]`, with parameters side by side that one loop goes
    /// through. `None`, the default, where each row is best asked of its own model.
    fn side_by_side(models: &[Self]) -> Option<Box<dyn Denoiser>>
    where
        Self: Sized,
    {
        let _ = models;
        None
    }

    /// Short name shown in pictures and reports.
    fn name(&self) -> String;
}

/// A row-wise node with one port that holds data: `p(y | z)` (MMSE) or `exp(-loss(y, z))` (MAP).
///
/// Required: [`estimate`](Self::estimate), [`outputs`](Self::outputs) and [`name`](Self::name).
pub trait Likelihood: fmt::Debug + Send + Sync {
    /// Estimates every row of `cavity` given the rows of data `observed` (`rows x outputs`).
    ///
    /// # Errors
    /// [`Breakdown`] when the estimate doesn't exist.
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown>;

    /// Number of columns of the data for a variable of `d` columns.
    fn outputs(&self, d: usize) -> usize;

    /// The number of columns of the variable it is for; `None` when any will do.
    fn columns(&self) -> Option<usize> {
        None
    }

    /// The number of rows it is for; `None` when any will do.
    fn rows(&self) -> Option<usize> {
        None
    }

    /// The model of row `row`, for likelihoods whose rows differ: what checks, describes and draws that row in place of
    /// the likelihood as a whole. `None` when all rows are alike.
    fn row_model(&self, row: usize) -> Option<&dyn Likelihood> {
        let _ = row;
        None
    }

    /// Whether it answers with posterior means or with maximisers.
    fn estimation(&self) -> Estimation {
        Estimation::Mmse
    }

    /// Refuses a row of data that the model can't produce; the message says what was expected.
    ///
    /// # Errors
    /// A sentence for the user, such as `label must be -1 or 1, got 3`.
    fn check(&self, observed: &[f64]) -> Result<(), String> {
        let _ = observed;
        Ok(())
    }

    /// The Gaussian in `z` that a row of data amounts to, when it is one whatever the data.
    fn gaussian(&self, observed: &[f64]) -> Option<GaussianRow> {
        let _ = observed;
        None
    }

    /// As [`Denoiser::log_partition`], given the data.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let _ = (observed, cavity, out);
        false
    }

    /// As [`Denoiser::learning`].
    fn learning(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// As [`Denoiser::learned`], from pieces of data and cavity.
    fn learned(
        &self,
        rows: &mut dyn Iterator<Item = (&[f64], RowCavity<'_>)>,
    ) -> Option<Box<dyn Likelihood>> {
        let _ = rows;
        None
    }

    /// How many uniforms [`draw`](Self::draw) takes for one row; `None` when it can't draw.
    fn uniforms(&self, d: usize) -> Option<usize> {
        let _ = d;
        None
    }

    /// Draws a row of data `y` given a row `z`, as a map from `uniforms` in `[0, 1)`.
    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let _ = (z, uniforms);
        y.fill(f64::NAN);
    }

    /// Whether the data of a row are one number, of which a Gaussian cavity makes a bounded density with tails no heavier than
    /// normal ones, whose logarithm [`log_partition`](Self::log_partition) gives. [State evolution](crate::evolution) of
    /// matched models then integrates over the number in place of drawing the row behind it.
    fn has_density(&self) -> bool {
        false
    }

    /// As [`Denoiser::side_by_side`].
    fn side_by_side(models: &[Self]) -> Option<Box<dyn Likelihood>>
    where
        Self: Sized,
    {
        let _ = models;
        None
    }

    /// Short name shown in pictures and reports.
    fn name(&self) -> String;
}

/// A row-wise node with two ports, `p(output row | input row)`: an activation, a noise.
///
/// Required: [`estimate`](Self::estimate), [`output_columns`](Self::output_columns) and [`name`](Self::name).
pub trait Channel: fmt::Debug + Send + Sync {
    /// Estimates every row at both ports given both cavities.
    ///
    /// # Errors
    /// [`Breakdown`] when an estimate doesn't exist.
    fn estimate(
        &self,
        cavities: [&RowCavity<'_>; 2],
        out: [&mut RowEstimate<'_>; 2],
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown>;

    /// Columns of the output for an input of `d` columns; `None` when it doesn't take such an input.
    fn output_columns(&self, d: usize) -> Option<usize>;

    /// Whether it answers with posterior means or with maximisers.
    fn estimation(&self) -> Estimation {
        Estimation::Mmse
    }

    /// Writes for each row the log-partition function of both ports together, `log int p(v | u) exp(n'u - u' Gamma u / 2 +
    /// m'v - v' H v / 2) du dv` (MMSE) or the maximum of the exponent (MAP), and returns true; false when it isn't known.
    fn log_partition(&self, cavities: [&RowCavity<'_>; 2], out: &mut [f64]) -> bool {
        let _ = (cavities, out);
        false
    }

    /// How many uniforms [`draw`](Self::draw) takes for one row; `None` when it can't draw.
    fn uniforms(&self, d: usize) -> Option<usize> {
        let _ = d;
        None
    }

    /// Draws an output row given an input row, as a map from `uniforms` in `[0, 1)`.
    fn draw(&self, input: &[f64], uniforms: &[f64], output: &mut [f64]) {
        let _ = (input, uniforms);
        output.fill(f64::NAN);
    }

    /// Short name shown in pictures and reports.
    fn name(&self) -> String;
}

/// What is said of row `row`: by its own model where rows differ.
pub(crate) fn model_of(likelihood: &dyn Likelihood, row: usize) -> &dyn Likelihood {
    likelihood.row_model(row).unwrap_or(likelihood)
}

/// Whether one precision is shared by all rows, as estimators that aren't separable need.
pub(crate) fn shares_all_rows(layout: &Layout) -> bool {
    layout.blocks() == 1
}
