//! A parameter of a node that a run learns along with the variables.

use core::fmt;

/// A learned parameter and its current value.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, as the node's documentation has it.
    pub name: &'static str,
    /// One value, or the entries of a vector or matrix, row-major.
    pub values: Vec<f64>,
}

impl Parameter {
    /// A parameter of one value.
    pub fn scalar(name: &'static str, value: f64) -> Self {
        Self { name, values: vec![value] }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.values.as_slice() {
            [value] => write!(f, "{} {value}", self.name),
            values => write!(f, "{} {values:?}", self.name),
        }
    }
}
