//! What keeps a run from starting.

use core::fmt;

use super::options::OptionsError;
use crate::factor::{Breakdown, Unready};
use crate::schedule::ScheduleError;

/// A run can't start, or breaks down before there is any estimate.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InferenceError {
    /// An option is out of its range.
    Options(OptionsError),
    /// The schedule doesn't fit the graph.
    Schedule(ScheduleError),
    /// A factor lacks what a run needs.
    Unready {
        /// Its name.
        factor: String,
        /// What is missing.
        reason: Unready,
    },
    /// A message or a field can't be set.
    Start(StartError),
    /// A factor that has no answer to being told nothing leaves another one undetermined in the first sweep, as a penalty does
    /// with fewer data than unknowns: [`Inference::start`](super::Inference::start) takes a first message.
    StartNeeded {
        /// Name of the factor that says nothing.
        silent: String,
        /// Name of the factor without a belief.
        factor: String,
        /// Name of the variable that has none.
        variable: String,
    },
    /// A belief doesn't exist: the model leaves something undetermined, or contradicts itself.
    Breakdown {
        /// Name of the factor.
        factor: String,
        /// Name of the variable.
        variable: String,
        /// What is wrong.
        reason: Breakdown,
    },
}

impl fmt::Display for InferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(error) => error.fmt(f),
            Self::Schedule(error) => error.fmt(f),
            Self::Start(error) => error.fmt(f),
            Self::Unready { factor, reason } => write!(f, "factor `{factor}`: {reason}"),
            Self::StartNeeded { silent, factor, variable } => write!(
                f,
                "factor `{silent}` says nothing before it is told something, which leaves factor `{factor}`, variable \
                 `{variable}`, undetermined: give a first message by `Inference::start`"
            ),
            Self::Breakdown { factor, variable, reason } => {
                write!(f, "factor `{factor}`, variable `{variable}`: {reason}")
            }
        }
    }
}

impl core::error::Error for InferenceError {}

impl From<OptionsError> for InferenceError {
    fn from(error: OptionsError) -> Self {
        Self::Options(error)
    }
}

impl From<StartError> for InferenceError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<ScheduleError> for InferenceError {
    fn from(error: ScheduleError) -> Self {
        Self::Schedule(error)
    }
}

/// An initial message can't be used.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StartError {
    /// The factor has no such port.
    UnknownPort {
        /// Name of the factor.
        factor: String,
        /// The port.
        port: usize,
    },
    /// The message has another shape or structure than the variable.
    Layout {
        /// Name of the variable.
        variable: String,
        /// Shape of the variable.
        expected: (usize, usize),
        /// Shape of the message.
        found: (usize, usize),
    },
    /// What the factor remembers has another shape.
    Memory {
        /// Name of the factor.
        factor: String,
        /// The port.
        port: usize,
        /// Shape of what it remembers; empty where it remembers nothing.
        expected: (usize, usize),
        /// Shape given.
        found: (usize, usize),
    },
    /// A pull must be above zero and finite.
    Pull {
        /// Its size.
        size: f64,
    },
    /// The factor's message doesn't depend on the run, so that it can't be chosen.
    Constant {
        /// Name of the factor.
        factor: String,
        /// The port.
        port: usize,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownPort { factor, port } => {
                write!(f, "factor `{factor}` has no port {port}")
            }
            Self::Pull { size } => write!(f, "a pull must be above zero and finite, got {size}"),
            Self::Layout { variable, expected, found } => write!(
                f,
                "initial message about `{variable}` must be {} x {} with the variable's structure, got {} x {}",
                expected.0, expected.1, found.0, found.1
            ),
            Self::Memory { factor, port, expected, found } => write!(
                f,
                "memory of factor `{factor}` at port {port} must be {} x {}, got {} x {}",
                expected.0, expected.1, found.0, found.1
            ),
            Self::Constant { factor, port } => write!(
                f,
                "message of factor `{factor}` at port {port} is fixed by the model and can't be set"
            ),
        }
    }
}

impl core::error::Error for StartError {}
