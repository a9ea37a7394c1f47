//! A parameter of a node that a run learns along with the variables.

use core::fmt;
use std::borrow::Cow;

/// A learned parameter and its current value.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, as the node's documentation has it.
    pub name: Cow<'static, str>,
    /// One value, or the entries of a vector or matrix, row-major.
    pub values: Vec<f64>,
}

impl Parameter {
    /// A parameter of these values.
    pub fn new(name: impl Into<Cow<'static, str>>, values: Vec<f64>) -> Self {
        Self { name: name.into(), values }
    }

    /// A parameter of one value.
    pub fn scalar(name: impl Into<Cow<'static, str>>, value: f64) -> Self {
        Self::new(name, vec![value])
    }

    /// The same parameter of a part of a node, such as `block 2 sparsity`.
    #[must_use]
    pub fn of_part(self, part: impl fmt::Display) -> Self {
        Self { name: format!("{part} {}", self.name).into(), values: self.values }
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
