//! What keeps a graph from being predicted, and what makes its prediction doubtful.

use core::fmt;

use super::prediction::PredictedStatus;
use super::symmetry::Symmetry;
use crate::evidence::EvidenceError;
use crate::inference::OptionsError;
use crate::schedule::ScheduleError;

/// State evolution can't follow a graph.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EvolutionError {
    /// An option of the run is out of range.
    Options(OptionsError),
    /// The schedule doesn't fit the graph.
    Schedule(ScheduleError),
    /// The evidence that was asked for isn't known.
    Evidence(EvidenceError),
    /// Something was given for a factor that the graph doesn't have.
    UnknownFactor {
        /// Its index.
        index: usize,
    },
    /// Something was given or asked for a variable that the graph doesn't have.
    UnknownVariable {
        /// Its index.
        index: usize,
    },
    /// A tolerance isn't zero or above.
    Negative {
        /// Which one.
        option: &'static str,
        /// Its value.
        found: f64,
    },
    /// A factor has no law to draw the truth from: give it one.
    NoLaw {
        /// Name of the factor.
        factor: String,
    },
    /// A factor is none of those that can be followed: row-wise, linear and low-rank ones.
    Unfollowed {
        /// Name of the factor.
        factor: String,
    },
    /// A factor learns its parameters from its data: give it the values that it would learn.
    Learning {
        /// Name of the factor.
        factor: String,
    },
    /// Only messages with one precision for all rows can be followed.
    NotShared {
        /// Name of the variable.
        variable: String,
    },
    /// No factor produces the variable, or the factors that do wait for each other.
    Order {
        /// Name of the variable.
        variable: String,
    },
    /// A constant message is infinitely precise: give the factor a large precision instead.
    Known {
        /// Name of the factor.
        factor: String,
    },
    /// A law, spectrum or start was given to a factor or port that has no use for it.
    Misplaced {
        /// Name of the factor.
        factor: String,
        /// What was given.
        what: &'static str,
    },
    /// A matrix given has another size than the variable's `d x d`.
    Columns {
        /// What was given.
        what: &'static str,
        /// Columns of the variable.
        expected: usize,
        /// Columns given.
        found: usize,
    },
    /// A true noise variance isn't finite and above zero.
    Variance {
        /// Name of the factor.
        factor: String,
        /// The value given.
        found: f64,
    },
    /// The recursion broke down before there was an estimate.
    NoEstimate {
        /// Where and why.
        status: PredictedStatus,
    },
    /// The operator's singular values can't be computed.
    Spectrum {
        /// Name of the factor.
        factor: String,
    },
    /// The number of points isn't between 16 and 65536.
    Points {
        /// The number.
        found: usize,
    },
    /// The prediction rests on an assumption that the graph doesn't meet, and the caller didn't accept that.
    Unacknowledged(Warning),
}

/// An assumption of state evolution that a graph doesn't meet: expectation propagation runs, but its prediction is an
/// approximation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Two row-wise factors that aren't Gaussian share a variable: messages between them aren't Gaussian.
    SharedVariable {
        /// Name of the variable.
        variable: String,
    },
    /// The graph has a loop through this variable: messages that meet there aren't independent.
    Loop {
        /// Name of the variable.
        variable: String,
    },
    /// Messages about this variable of several columns have a narrower form than full: what a message claims is then an
    /// average over columns, and its noise isn't free of its cavity's in each of them.
    NarrowForm {
        /// Name of the variable.
        variable: String,
    },
    /// An estimator looks at all rows together; it is called with the points as if they were its rows.
    NotSeparable {
        /// Name of the factor.
        factor: String,
    },
    /// Messages have the precision of their cavity, [`Policy::Fixed`](crate::Policy::Fixed), and aren't free of its noise: after
    /// the first they are predicted as if they were.
    FixedPrecisions,
    /// The operators of two linear factors that meet at a variable share a singular basis there, as the same matrix used
    /// twice: what one of them leaves unknown the other doesn't see in a basis of its own.
    SharedBasis {
        /// Name of the variable.
        variable: String,
        /// Names of the factors, in the order in which they were added.
        factors: [String; 2],
    },
    /// The model doesn't change when this is done to a variable, and the recursion starts where it makes no difference: it
    /// stays there, and predicts that nothing is learned of what the symmetry hides, whatever runs find that start
    /// otherwise or leave the point by chance. Give it an informed start by
    /// [`Evolution::with_start`](super::Evolution::with_start), or accept this.
    Symmetric {
        /// Name of the variable.
        variable: String,
        /// What makes no difference.
        symmetry: Symmetry,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SharedVariable { variable } => {
                write!(f, "two row-wise factors that aren't Gaussian share variable `{variable}`")
            }
            Self::Loop { variable } => {
                write!(f, "the graph has a loop through variable `{variable}`")
            }
            Self::NarrowForm { variable } => {
                write!(f, "messages about variable `{variable}` aren't full in their columns")
            }
            Self::NotSeparable { factor } => {
                write!(f, "factor `{factor}` looks at all rows together")
            }
            Self::FixedPrecisions => f.write_str(
                "precisions of messages are held fixed, which leaves them their cavity's noise",
            ),
            Self::SharedBasis { variable, factors: [first, second] } => {
                write!(
                    f,
                    "operators of factors `{first}` and `{second}` share a singular basis at variable \
                     `{variable}`"
                )
            }
            Self::Symmetric { variable, symmetry } => {
                write!(
                    f,
                    "the model doesn't see {symmetry} of variable `{variable}`, and the prediction stays \
                     where it knows nothing of it: give it a start (`Evolution::with_start`)"
                )
            }
        }
    }
}

impl fmt::Display for EvolutionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(error) => error.fmt(f),
            Self::Schedule(error) => error.fmt(f),
            Self::Evidence(error) => error.fmt(f),
            Self::NoEstimate { status } => write!(f, "no estimate: {status}"),
            Self::UnknownFactor { index } => write!(f, "graph has no factor {index}"),
            Self::UnknownVariable { index } => write!(f, "graph has no variable {index}"),
            Self::Negative { option, found } => {
                write!(f, "{option} must be at least 0, got {found}")
            }
            Self::NoLaw { factor } => {
                write!(
                    f,
                    "factor `{factor}` describes no distribution: give it the law of the truth"
                )
            }
            Self::Unfollowed { factor } => {
                write!(f, "factor `{factor}` is neither row-wise nor linear nor low-rank")
            }
            Self::Learning { factor } => {
                write!(f, "factor `{factor}` learns its parameters, which isn't followed: fix them")
            }
            Self::NotShared { variable } => {
                write!(f, "variable `{variable}` has more than one precision for its rows")
            }
            Self::Order { variable } => {
                write!(f, "variable `{variable}` is produced by no factor, or in a circle")
            }
            Self::Known { factor } => {
                write!(
                    f,
                    "factor `{factor}` knows its variable exactly: give it a finite precision"
                )
            }
            Self::Misplaced { factor, what } => {
                write!(f, "factor `{factor}` has no use for {what}")
            }
            Self::Columns { what, expected, found } => {
                write!(f, "{what} needs {expected} columns, got {found}")
            }
            Self::Variance { factor, found } => {
                write!(
                    f,
                    "noise variance of factor `{factor}` must be finite and above 0, got {found}"
                )
            }
            Self::Spectrum { factor } => {
                write!(f, "singular values of factor `{factor}` can't be computed")
            }
            Self::Points { found } => {
                write!(f, "number of points must be between 16 and 65536, got {found}")
            }
            Self::Unacknowledged(warning) => write!(f, "{warning}; accept it to go on"),
        }
    }
}

impl core::error::Error for EvolutionError {}

impl From<OptionsError> for EvolutionError {
    fn from(error: OptionsError) -> Self {
        Self::Options(error)
    }
}

impl From<EvidenceError> for EvolutionError {
    fn from(error: EvidenceError) -> Self {
        Self::Evidence(error)
    }
}

impl From<ScheduleError> for EvolutionError {
    fn from(error: ScheduleError) -> Self {
        Self::Schedule(error)
    }
}
