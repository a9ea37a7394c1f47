//! What state evolution gives back: the law of every estimate and of every message, sweep by sweep.

use core::fmt;

use super::evidence::ExpectedEvidence;
use super::law::MessageLaw;
use crate::factor::Breakdown;
use crate::graph::{FactorId, VariableId};
use crate::message::small;
use crate::rows::Rows;

/// Second moments of a row of truth and of its estimate, all `d x d`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct EstimateLaw {
    pub(super) columns: usize,
    pub(super) truth: Vec<f64>,
    pub(super) overlap: Vec<f64>,
    pub(super) estimate: Vec<f64>,
    pub(super) error: Vec<f64>,
    pub(super) covariance: Vec<f64>,
}

impl EstimateLaw {
    /// Number of columns, `d`.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `E[x0' x0]`.
    pub fn truth(&self) -> &[f64] {
        &self.truth
    }

    /// `E[x0' xhat]`.
    pub fn overlap(&self) -> &[f64] {
        &self.overlap
    }

    /// `E[xhat' xhat]`.
    pub fn estimate(&self) -> &[f64] {
        &self.estimate
    }

    /// `E[(xhat - x0)' (xhat - x0)]`.
    pub fn error(&self) -> &[f64] {
        &self.error
    }

    /// The covariance that the estimator claims, averaged over rows.
    pub fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// Mean squared error of an entry: trace of [`error`](Self::error) over `d`.
    pub fn mse(&self) -> f64 {
        small::trace(&self.error, self.columns) / self.columns as f64
    }

    /// The mean squared error of an entry that the estimator claims.
    pub fn claimed_mse(&self) -> f64 {
        small::trace(&self.covariance, self.columns) / self.columns as f64
    }

    /// Mean squared error relative to the power of the truth.
    pub fn nmse(&self) -> f64 {
        small::trace(&self.error, self.columns) / small::trace(&self.truth, self.columns)
    }

    /// [`nmse`](Self::nmse) in decibels.
    pub fn nmse_db(&self) -> f64 {
        10.0 * self.nmse().log10()
    }

    /// Cosine of the angle between truth and estimate; NaN for an estimate of zero.
    pub fn cosine(&self) -> f64 {
        let d = self.columns;
        let lengths = small::trace(&self.truth, d) * small::trace(&self.estimate, d);
        small::trace(&self.overlap, d) / lengths.sqrt()
    }
}

/// What is predicted of one message.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MessagePrediction {
    /// The factor that sends it.
    pub factor: FactorId,
    /// The port it is sent at.
    pub port: usize,
    /// The variable it is about.
    pub variable: VariableId,
    /// What it claims and what is true of it, damping included.
    pub law: MessageLaw,
    /// How far the undamped message is from the one it replaces: see [`Prediction::change`].
    pub change: f64,
    /// Directions dropped by projection: they carry no message, and the others are predicted as ever.
    pub dropped: usize,
    /// Precisions clamped and covariance ratios bounded. Where any is, the average derivative of the message with respect
    /// to its cavity isn't zero, and its noise is only uncorrelated with the truth, not free of the cavity's: the
    /// prediction is then approximate.
    pub limited: usize,
    /// Whether the message before stayed, as in a run: see [`Options::negligible`](crate::Options::negligible).
    pub kept: bool,
}

/// What is predicted of one sweep.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SweepPrediction {
    /// Its number, from 1.
    pub sweep: usize,
    /// Largest change of its messages.
    pub change: f64,
    /// One entry a message sent, in order.
    pub messages: Vec<MessagePrediction>,
    pub(super) estimates: Vec<Option<EstimateLaw>>,
}

impl SweepPrediction {
    /// The law of a variable's estimate after this sweep; `None` unless the variable is followed.
    pub fn estimate(&self, variable: VariableId) -> Option<&EstimateLaw> {
        self.estimates.get(variable.index())?.as_ref()
    }
}

/// Why a recursion stopped.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PredictedStatus {
    /// A fixed point: no message changed by more than the tolerance, or all estimates that are followed are
    /// [exact](super::Evolution::with_exact).
    FixedPoint,
    /// All sweeps were used up.
    SweepLimit,
    /// A run of infinite size would break down here.
    Breakdown {
        /// Name of the factor.
        factor: String,
        /// The sweep, from 1; 0 when it is before the first.
        sweep: usize,
        /// What happens.
        reason: Breakdown,
    },
    /// A factor that has no answer to being told nothing leaves another one undetermined in the first sweep, as in a run
    /// ([`InferenceError::StartNeeded`](crate::InferenceError::StartNeeded)):
    /// [`Evolution::with_start`](super::Evolution::with_start) takes a first message.
    StartNeeded {
        /// Name of the factor that says nothing.
        silent: String,
        /// Name of the factor without a belief.
        factor: String,
    },
}

impl fmt::Display for PredictedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FixedPoint => f.write_str("fixed point"),
            Self::SweepLimit => f.write_str("sweep limit"),
            Self::Breakdown { factor, sweep, reason } => {
                write!(f, "breaks down in sweep {sweep} at factor `{factor}`: {reason}")
            }
            Self::StartNeeded { silent, factor } => write!(
                f,
                "factor `{silent}` says nothing before it is told something, which leaves factor `{factor}` undetermined: give a \
                 first message by `Evolution::with_start`"
            ),
        }
    }
}

/// Weighted rows of the joint law of truth, cavity mean and estimate of a variable.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Samples {
    /// `x0`.
    pub truth: Rows,
    /// `r`, the mean of the cavity the estimator is told.
    pub cavity: Rows,
    /// `xhat`.
    pub estimate: Rows,
    /// What each row counts for; they add up to one.
    pub weights: Vec<f64>,
}

impl Samples {
    /// The average of a test statistic of `(x0, r, xhat)`, rows of `d` values each.
    pub fn average(&self, mut statistic: impl FnMut(&[f64], &[f64], &[f64]) -> f64) -> f64 {
        let value = |(i, w): (usize, &f64)| {
            w * statistic(self.truth.row(i), self.cavity.row(i), self.estimate.row(i))
        };
        self.weights.iter().enumerate().map(value).sum()
    }
}

/// The prediction of a run.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Prediction {
    pub(super) status: PredictedStatus,
    pub(super) sweeps: Vec<SweepPrediction>,
    pub(super) last: Vec<Option<EstimateLaw>>,
    pub(super) samples: Vec<Option<Samples>>,
    pub(super) evidence: Option<ExpectedEvidence>,
    pub(super) matched: bool,
}

impl Prediction {
    /// Why it stopped.
    pub fn status(&self) -> &PredictedStatus {
        &self.status
    }

    /// All sweeps, in order.
    pub fn sweeps(&self) -> &[SweepPrediction] {
        &self.sweeps
    }

    /// Largest change of a message in the last sweep, relative to its precision.
    pub fn change(&self) -> f64 {
        self.sweeps.last().map_or(0.0, |s| s.change)
    }

    /// The law of a variable's estimate after the last sweep.
    ///
    /// # Panics
    /// When no factor computes an estimate of the variable from proper messages, as after a breakdown before the
    /// first sweep.
    #[track_caller]
    pub fn estimate(&self, variable: VariableId) -> &EstimateLaw {
        let law = self.last[variable.index()].as_ref();
        law.expect("an estimate that could be computed: see the status")
    }

    /// As [`estimate`](Self::estimate), `None` where there is none.
    pub fn find_estimate(&self, variable: VariableId) -> Option<&EstimateLaw> {
        self.last[variable.index()].as_ref()
    }

    /// Draws of `(x0, r, xhat)` after the last sweep, from which any test statistic is averaged; `None` unless they
    /// were [asked for](super::Evolution::with_samples) and a row-wise factor estimates the variable.
    pub fn samples(&self, variable: VariableId) -> Option<&Samples> {
        self.samples[variable.index()].as_ref()
    }

    /// The evidence expected of a run by its messages after the last sweep, where it was
    /// [asked for](super::Evolution::with_evidence) and no step broke down.
    pub fn evidence(&self) -> Option<&ExpectedEvidence> {
        self.evidence.as_ref()
    }

    /// Whether the shorter recursion of matched models was used: what messages claim is true.
    pub fn is_matched(&self) -> bool {
        self.matched
    }
}
