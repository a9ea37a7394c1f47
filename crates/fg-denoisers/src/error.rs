//! What can be wrong with a parameter: one error for every constructor of the crate.

use core::convert::Infallible;
use core::fmt;

/// A parameter can't be what it was given as.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ParameterError {
    /// The value is outside its range, or NaN.
    OutOfRange {
        /// Name of the parameter.
        parameter: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        requirement: &'static str,
    },
    /// A list or matrix has the wrong number of values.
    Length {
        /// Name of the parameter.
        parameter: &'static str,
        /// Values needed.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A matrix isn't symmetric at this entry.
    NotSymmetric {
        /// Name of the parameter.
        parameter: &'static str,
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        column: usize,
    },
    /// A matrix isn't positive definite.
    NotPositive {
        /// Name of the parameter.
        parameter: &'static str,
        /// Pivot at which its Cholesky factorisation stops.
        index: usize,
        /// Value of that pivot.
        pivot: f64,
    },
    /// A part of a stack, of groups or of rows answers with means where the others answer with maximisers, or the reverse.
    MixedEstimation {
        /// Index of the part.
        block: usize,
    },
    /// A part of a stack, of groups or of rows is for another number of columns than the ones before it.
    MixedColumns {
        /// Index of the part.
        block: usize,
    },
    /// A likelihood of a group or row is for another number of values a row than the ones before it.
    MixedOutputs {
        /// Index of the part.
        block: usize,
    },
    /// A model of a group or row is for a certain number of rows, or estimates all its rows together.
    NotRowWise {
        /// Index of the part.
        block: usize,
    },
    /// A model of a single row is asked to learn.
    LearnsAlone {
        /// Index of the row.
        block: usize,
    },
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { parameter, value, requirement } => {
                write!(f, "{parameter} must be {requirement}, got ")?;
                // Hundreds of zeros say less than an exponent.
                match value.abs() > 0.0 && !(LEGIBLE.0..LEGIBLE.1).contains(&value.abs()) {
                    true => write!(f, "{value:e}"),
                    false => write!(f, "{value}"),
                }
            }
            Self::Length { parameter, expected, found } => {
                write!(f, "{parameter} needs {expected} values, got {found}")
            }
            Self::NotSymmetric { parameter, row, column } => {
                write!(f, "{parameter} must be symmetric, entry ({row}, {column}) is not")
            }
            Self::NotPositive { parameter, index, pivot } => {
                write!(f, "{parameter} must be positive definite, pivot {index} is {pivot:e}")
            }
            Self::MixedEstimation { block } => write!(
                f,
                "block {block} must answer with means or maximisers like the blocks before it"
            ),
            Self::MixedColumns { block } => {
                write!(f, "block {block} must be for as many columns as the blocks before it")
            }
            Self::MixedOutputs { block } => {
                write!(f, "block {block} must be for as many values a row as the blocks before it")
            }
            Self::NotRowWise { block } => {
                write!(f, "block {block} must estimate row by row, for any number of rows")
            }
            Self::LearnsAlone { block } => {
                write!(f, "row {block} must not learn, as all there is to learn from is that row")
            }
        }
    }
}

/// Sizes of numbers that are shown without an exponent.
const LEGIBLE: (f64, f64) = (1e-5, 1e16);

impl core::error::Error for ParameterError {}

impl From<Infallible> for ParameterError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The value, if it meets the requirement.
fn require(
    holds: bool,
    parameter: &'static str,
    value: f64,
    requirement: &'static str,
) -> Result<f64, ParameterError> {
    if holds {
        Ok(value)
    } else {
        Err(ParameterError::OutOfRange { parameter, value, requirement })
    }
}

pub(crate) fn finite(parameter: &'static str, value: f64) -> Result<f64, ParameterError> {
    require(value.is_finite(), parameter, value, "finite")
}

pub(crate) fn positive(parameter: &'static str, value: f64) -> Result<f64, ParameterError> {
    require(value > 0.0 && value.is_finite(), parameter, value, "finite and above 0")
}

pub(crate) fn not_negative(parameter: &'static str, value: f64) -> Result<f64, ParameterError> {
    require(value >= 0.0 && value.is_finite(), parameter, value, "finite and at least 0")
}

pub(crate) fn precision(parameter: &'static str, value: f64) -> Result<f64, ParameterError> {
    require(value > 0.0, parameter, value, "above 0, possibly infinite")
}

/// The value, if it is above `bound`; infinite values are legal, NaN isn't.
pub(crate) fn above(
    parameter: &'static str,
    value: f64,
    bound: f64,
    requirement: &'static str,
) -> Result<f64, ParameterError> {
    require(value > bound, parameter, value, requirement)
}

pub(crate) fn share(parameter: &'static str, value: f64) -> Result<f64, ParameterError> {
    require(value > 0.0 && value <= 1.0, parameter, value, "in (0, 1]")
}

pub(crate) fn fraction(parameter: &'static str, value: f64) -> Result<f64, ParameterError> {
    require(value > 0.0 && value < 1.0, parameter, value, "above 0 and below 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_refuse_nan_and_say_what_they_want() {
        for guard in [finite, positive, not_negative, precision, share, fraction] {
            assert!(guard("scale", f64::NAN).is_err());
        }
        let error = positive("scale", -1.0).unwrap_err();
        assert_eq!(error.to_string(), "scale must be finite and above 0, got -1");
        assert_eq!(precision("precision", f64::INFINITY), Ok(f64::INFINITY));
    }

    #[test]
    fn numbers_are_short_however_small() {
        let text = |value| positive("variance", value).unwrap_err().to_string();
        assert_eq!(text(0.0), "variance must be finite and above 0, got 0");
        assert_eq!(text(-0.25), "variance must be finite and above 0, got -0.25");
        assert_eq!(text(-1e-320), "variance must be finite and above 0, got -1e-320");
        assert_eq!(text(f64::INFINITY), "variance must be finite and above 0, got inf");
    }
}
