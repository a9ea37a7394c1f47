//! What can be wrong with the parameters of a node.

use core::fmt;

/// A parameter of a node is outside its domain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterError {
    /// Name of the parameter, as in the constructor.
    pub parameter: &'static str,
    /// The value given.
    pub value: f64,
    /// What it must be.
    pub requirement: &'static str,
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameter, value, requirement } = self;
        write!(f, "{parameter} must be {requirement}, got {value}")
    }
}

impl core::error::Error for ParameterError {}
