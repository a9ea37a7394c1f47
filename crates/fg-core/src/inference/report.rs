//! What a run tells about itself: why it stopped, and figures of every sweep and message.

use core::fmt;

use crate::denoiser::Parameter;
use crate::factor::Breakdown;
use crate::graph::{FactorId, VariableId};

/// Why a run stopped.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// No belief would move by more than the tolerance.
    Converged,
    /// All sweeps were used up.
    SweepLimit,
    /// The time was used up.
    TimeLimit,
    /// An observer stopped the run.
    Stopped,
    /// A breakdown that retries didn't mend; estimates are those of the last good state.
    Diverged {
        /// Name of the factor.
        factor: String,
        /// Its port.
        port: usize,
        /// The sweep, from 1.
        sweep: usize,
        /// What happened.
        reason: Event,
    },
}

impl Status {
    /// Whether estimates are those of a run that ended by its own rules.
    pub fn is_usable(&self) -> bool {
        !matches!(self, Self::Diverged { .. })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Converged => f.write_str("converged"),
            Self::SweepLimit => f.write_str("sweep limit"),
            Self::TimeLimit => f.write_str("time limit"),
            Self::Stopped => f.write_str("stopped"),
            Self::Diverged { factor, port, sweep, reason } => {
                write!(f, "diverged in sweep {sweep} at factor `{factor}`")?;
                // All breakdowns but one name their port themselves.
                match reason {
                    Event::Explosion { .. } | Event::Breakdown(Breakdown::Factorisation) => {
                        write!(f, ", port {port}")?;
                    }
                    Event::Breakdown(_) => {}
                }
                write!(f, ": {reason}")
            }
        }
    }
}

/// What went wrong in a sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A factor couldn't compute a belief.
    Breakdown(Breakdown),
    /// A belief's second moment grew by more than the option `explosion` allows.
    Explosion {
        /// Second moment of the belief over the largest of its variable in the first sweep.
        growth: f64,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breakdown(breakdown) => breakdown.fmt(f),
            Self::Explosion { growth } => write!(f, "belief grew by a factor {growth:.1e}"),
        }
    }
}

/// Figures of one message in one sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct EdgeFigures {
    /// The factor that sent it.
    pub factor: FactorId,
    /// The port it was sent at.
    pub port: usize,
    /// The variable it is about.
    pub variable: VariableId,
    /// Mean diagonal of its precision.
    pub precision: f64,
    /// Mean diagonal of the belief's covariance: the variance the factor claims.
    pub variance: f64,
    /// How far the undamped message would have moved the belief, as a share of the belief's root second moment.
    pub change: f64,
    /// Relative standard error of the belief's covariance; zero when it is exact.
    pub standard_error: f64,
    /// Directions dropped by projection, out of `blocks x d`.
    pub dropped: usize,
    /// Directions whose precision was clamped.
    pub clamped: usize,
    /// Directions in which the ratio of covariances was moved into `[alpha_min, alpha_max]`.
    pub bounded: usize,
    /// Blocks of rows whose message stayed as it was, since the new one would have lost a
    /// [negligible](crate::Options::negligible) share of what is believed. Directions that the new one had dropped count as
    /// dropped all the same.
    pub kept: usize,
}

/// Figures of one sweep.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SweepFigures {
    /// Its number, from 1.
    pub sweep: usize,
    /// Largest change of its messages.
    pub change: f64,
    /// Factor on every damping weight: below one after retries.
    pub damping_scale: f64,
    /// Whether the messages were moved on by [acceleration](crate::Options::acceleration).
    pub accelerated: bool,
    /// One entry a message sent, in order.
    pub edges: Vec<EdgeFigures>,
    /// What has been learned by the end of the sweep: every learned parameter of every factor.
    pub learned: Vec<(FactorId, Parameter)>,
}

/// A return to the last good state.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Recovery {
    /// The sweep that broke down, from 1.
    pub sweep: usize,
    /// Name of the factor.
    pub factor: String,
    /// Its port.
    pub port: usize,
    /// What happened.
    pub event: Event,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct Report {
    /// Why it stopped.
    pub status: Status,
    /// Number of completed sweeps.
    pub sweeps: usize,
    /// Figures of every completed sweep.
    pub history: Vec<SweepFigures>,
    /// Every return to the last good state.
    pub recoveries: Vec<Recovery>,
}

impl Report {
    /// Directions of messages dropped by projection, over all sweeps.
    pub fn dropped(&self) -> usize {
        self.sum(|e| e.dropped)
    }

    /// Eigenvalues of messages that were clamped, over all sweeps.
    pub fn clamped(&self) -> usize {
        self.sum(|e| e.clamped)
    }

    /// Ratios of covariances that were bounded, over all sweeps.
    pub fn bounded(&self) -> usize {
        self.sum(|e| e.bounded)
    }

    /// Messages of blocks of rows that stayed as they were in place of weaker ones, over all sweeps: see
    /// [`Options::negligible`](crate::Options::negligible).
    pub fn kept(&self) -> usize {
        self.sum(|e| e.kept)
    }

    fn sum(&self, figure: impl Fn(&EdgeFigures) -> usize) -> usize {
        self.history.iter().flat_map(|s| &s.edges).map(figure).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {} sweeps", self.status, self.sweeps)?;
        for (count, what) in [
            (self.dropped(), "directions dropped"),
            (self.clamped(), "precisions clamped"),
            (self.bounded(), "covariance ratios bounded"),
            (self.kept(), "messages kept"),
            (self.recoveries.len(), "recoveries"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}
