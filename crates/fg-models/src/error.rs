//! What keeps a model from being built or fitted.

use core::fmt;

use fg_core::evolution::{EvolutionError, LawError, PredictedStatus, SpectrumError};
use fg_core::factor::{Breakdown, LowRankError};
use fg_core::graph::DrawError;
use fg_core::inference::StartError;
use fg_core::message::MessageError;
use fg_core::operator::OperatorError;
use fg_core::{GraphError, InferenceError};
use fg_denoisers::ParameterError;

use crate::baseline::AdamOptionsError;
use crate::synthetic::EnsembleError;

/// A model can't be built or fitted; the parts say what is wrong and where.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelError {
    /// A parameter is outside its range.
    Parameter(ParameterError),
    /// The operator's matrix is empty or not finite.
    Operator(OperatorError),
    /// Data or noise variance of a low-rank model can't be used.
    LowRank(LowRankError),
    /// Shapes or data don't fit together.
    Graph(GraphError),
    /// The message to start from doesn't fit.
    Start(StartError),
    /// The message to start from isn't finite.
    Message(MessageError),
    /// The run can't start or breaks down at once.
    Inference(InferenceError),
    /// Truth and data can't be drawn from a graph.
    Draw(DrawError),
    /// A run can't be predicted.
    Evolution(EvolutionError),
    /// There is no such law of singular values.
    Spectrum(SpectrumError),
    /// There is no such law of a message.
    Law(LawError),
    /// A random operator can't be drawn.
    Ensemble(EnsembleError),
    /// A part of a risk answers with posterior means: a minimiser needs maximisers.
    Estimation {
        /// The penalty or the loss.
        part: &'static str,
    },
    /// Columns of observations are linearly dependent, in which noise and covariance of the columns can't both be learned.
    Dependent {
        /// Columns that make up zero.
        columns: Vec<usize>,
    },
    /// Weights of a first layer aren't of the shape that its model and its inputs need.
    Weights {
        /// Columns of the inputs.
        inputs: usize,
        /// Whether the model has a bias, the last row of the weights.
        bias: bool,
        /// Their shape.
        expected: (usize, usize),
        /// The shape given.
        found: (usize, usize),
    },
    /// New inputs aren't of as many columns as those a model was fitted to.
    Inputs {
        /// Columns of those.
        columns: usize,
        /// The shape given.
        found: (usize, usize),
    },
    /// Something given isn't of the shape that what it goes with needs.
    Shape {
        /// What it is: observations, target, ...
        part: &'static str,
        /// The shape needed.
        expected: (usize, usize),
        /// The shape given.
        found: (usize, usize),
    },
    /// A number given isn't finite.
    NotFinite {
        /// What it is part of.
        part: &'static str,
        /// The first such row.
        row: usize,
    },
    /// Folds of a cross-validation aren't between two and the number of rows.
    Folds {
        /// The number given.
        folds: usize,
        /// Rows there are.
        rows: usize,
    },
    /// A likelihood can't have such data, or isn't for so many columns or rows.
    Data {
        /// Name of the likelihood.
        likelihood: String,
        /// What is wrong.
        reason: String,
    },
    /// A likelihood has no log-partition function, or can't be drawn from where that is needed: it tells no density.
    NoDensity {
        /// Name of the likelihood.
        likelihood: String,
    },
    /// A covariance of a prediction is singular: nothing is left unknown in some direction, and there is no density.
    Singular {
        /// The row.
        row: usize,
    },
    /// A node of a baseline can't answer.
    Breakdown(Breakdown),
    /// An option of Adam is outside its range.
    Adam(AdamOptionsError),
    /// A prediction starts from the size of data that aren't there.
    StartNeedsData,
    /// State evolution ends before there is an estimate.
    Unpredicted {
        /// How it ended.
        status: PredictedStatus,
    },
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(error) => error.fmt(f),
            Self::Operator(error) => error.fmt(f),
            Self::LowRank(error) => error.fmt(f),
            Self::Graph(error) => error.fmt(f),
            Self::Start(error) => error.fmt(f),
            Self::Message(error) => error.fmt(f),
            Self::Inference(error) => error.fmt(f),
            Self::Draw(error) => error.fmt(f),
            Self::Evolution(error) => error.fmt(f),
            Self::Spectrum(error) => error.fmt(f),
            Self::Law(error) => error.fmt(f),
            Self::Ensemble(error) => error.fmt(f),
            Self::Estimation { part } => {
                write!(f, "{part} answers with posterior means, a risk needs maximisers")
            }
            Self::Dependent { columns } => match columns[..] {
                [column] => write!(f, "column {column} of the observations is zero"),
                _ => {
                    let columns: Vec<String> = columns.iter().map(usize::to_string).collect();
                    write!(
                        f,
                        "columns {} of the observations are linearly dependent",
                        columns.join(", ")
                    )
                }
            },
            Self::Weights { inputs, bias, expected: (rows, columns), found } => {
                let bias = if *bias { " and a bias" } else { "" };
                write!(f, "weights for {inputs} inputs{bias} must be {rows} x {columns}, ")?;
                write!(f, "got {} x {}", found.0, found.1)
            }
            Self::Inputs { columns, found: (rows, found) } => {
                write!(f, "inputs must have {columns} columns, got {rows} x {found}")
            }
            Self::Shape { part, expected: (rows, columns), found } => {
                write!(f, "{part} must be {rows} x {columns}, got {} x {}", found.0, found.1)
            }
            Self::NotFinite { part, row } => write!(f, "row {row} of the {part} isn't finite"),
            Self::Folds { folds, rows } => {
                write!(f, "{folds} folds of {rows} rows: there must be two at least, and a row in each")
            }
            Self::Data { likelihood, reason } => write!(f, "likelihood `{likelihood}`: {reason}"),
            Self::NoDensity { likelihood } => {
                write!(f, "likelihood `{likelihood}` has no log-partition function, or no law")
            }
            Self::Singular { row } => {
                write!(f, "the covariance of prediction {row} is singular, it has no density")
            }
            Self::Breakdown(error) => error.fmt(f),
            Self::Adam(error) => error.fmt(f),
            Self::StartNeedsData => f.write_str(
                "the start takes its size from data, and there are none: choose one that has a size",
            ),
            Self::Unpredicted { status } => write!(f, "state evolution has no estimate: {status}"),
        }
    }
}

impl core::error::Error for ModelError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Parameter(error) => Some(error),
            Self::Operator(error) => Some(error),
            Self::LowRank(error) => Some(error),
            Self::Graph(error) => Some(error),
            Self::Start(error) => Some(error),
            Self::Message(error) => Some(error),
            Self::Inference(error) => Some(error),
            Self::Draw(error) => Some(error),
            Self::Evolution(error) => Some(error),
            Self::Spectrum(error) => Some(error),
            Self::Law(error) => Some(error),
            Self::Ensemble(error) => Some(error),
            Self::Breakdown(error) => Some(error),
            Self::Adam(error) => Some(error),
            Self::Estimation { .. }
            | Self::Shape { .. }
            | Self::NotFinite { .. }
            | Self::Folds { .. }
            | Self::Data { .. }
            | Self::NoDensity { .. }
            | Self::Singular { .. }
            | Self::Dependent { .. }
            | Self::Weights { .. }
            | Self::Inputs { .. }
            | Self::StartNeedsData
            | Self::Unpredicted { .. } => None,
        }
    }
}

macro_rules! from_part {
    ($($part:ident($error:ty)),*) => {
        $(impl From<$error> for ModelError {
            fn from(error: $error) -> Self {
                Self::$part(error)
            }
        })*
    };
}

from_part!(
    Parameter(ParameterError),
    Operator(OperatorError),
    LowRank(LowRankError),
    Graph(GraphError),
    Start(StartError),
    Message(MessageError),
    Inference(InferenceError),
    Draw(DrawError),
    Evolution(EvolutionError),
    Spectrum(SpectrumError),
    Law(LawError),
    Ensemble(EnsembleError),
    Breakdown(Breakdown),
    Adam(AdamOptionsError)
);
