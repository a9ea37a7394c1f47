//! What can be wrong with a graph, each error naming the variable or factor it is about.

use core::fmt;

use crate::factor::{Misfit, Size, Unready};
use crate::message::StructureError;

/// A graph isn't well formed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum GraphError {
    /// There are no variables.
    Empty,
    /// Two variables, or two factors, have the same name.
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A variable has no rows or no columns.
    EmptyVariable {
        /// Its name.
        variable: String,
        /// Its shape.
        shape: (usize, usize),
    },
    /// The message structure doesn't fit the variable.
    Structure {
        /// Its name.
        variable: String,
        /// What is wrong.
        reason: StructureError,
    },
    /// An identifier comes from another graph.
    UnknownVariable {
        /// Name of the factor it was given to.
        factor: String,
    },
    /// A factor is connected to fewer or more variables than it has ports.
    PortCount {
        /// Its name.
        factor: String,
        /// Number of its ports.
        expected: usize,
        /// Number of variables given.
        found: usize,
    },
    /// A factor is connected to the same variable twice.
    DoubleUse {
        /// Name of the factor.
        factor: String,
        /// Name of the variable.
        variable: String,
    },
    /// No factor touches a variable.
    Dangling {
        /// Its name.
        variable: String,
    },
    /// A variable has another shape than a port needs.
    Shape {
        /// Name of the factor.
        factor: String,
        /// Name of the port.
        port: &'static str,
        /// Name of the variable.
        variable: String,
        /// Shape needed; `None` where any will do.
        expected: (Option<usize>, Option<usize>),
        /// Shape of the variable.
        found: (usize, usize),
    },
    /// A factor can't work with the variables it is connected to.
    Misfit {
        /// Name of the factor.
        factor: String,
        /// What is wrong.
        reason: Misfit,
    },
    /// The graph falls apart: no path of factors leads from one variable to the other.
    Disconnected {
        /// A variable of one part.
        variable: String,
        /// A variable of another part.
        other: String,
    },
    /// Data doesn't fit the factor it was given to.
    Data {
        /// Name of the factor.
        factor: String,
        /// What is wrong.
        reason: Unready,
    },
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "graph has no variables"),
            Self::DuplicateName { name } => write!(f, "name `{name}` is used twice"),
            Self::EmptyVariable { variable, shape } => {
                write!(f, "variable `{variable}` is empty: {} x {}", shape.0, shape.1)
            }
            Self::Structure { variable, reason } => write!(f, "variable `{variable}`: {reason}"),
            Self::UnknownVariable { factor } => {
                write!(f, "factor `{factor}` is connected to a variable of another graph")
            }
            Self::PortCount { factor, expected, found } => {
                write!(f, "factor `{factor}` has {expected} ports, got {found} variables")
            }
            Self::DoubleUse { factor, variable } => {
                write!(f, "factor `{factor}` is connected to variable `{variable}` twice")
            }
            Self::Dangling { variable } => write!(f, "no factor touches variable `{variable}`"),
            Self::Shape { factor, port, variable, expected, found } => write!(
                f,
                "port `{port}` of factor `{factor}` needs {} x {}, variable `{variable}` is {} x {}",
                Size(expected.0),
                Size(expected.1),
                found.0,
                found.1
            ),
            Self::Misfit { factor, reason } => write!(f, "factor `{factor}`: {reason}"),
            Self::Disconnected { variable, other } => write!(
                f,
                "graph is disconnected: no factors lead from variable `{variable}` to `{other}`"
            ),
            Self::Data { factor, reason } => write!(f, "factor `{factor}`: {reason}"),
        }
    }
}

impl core::error::Error for GraphError {}
