//! Laws that every estimator obeys, as plain functions that say what they found.
//!
//! | law | what is compared | of |
//! |---|---|---|
//! | `columns` | the columns it is for, with those it is tried on; its own check, with the data | estimators, channels |
//! | `gradient` | the estimate, with the derivative of the log-partition function by `n` | estimators, channels |
//! | `jacobian` | the covariance, with the derivative of the estimate by `n` | estimators, channels |
//! | `cross derivative` | derivatives of each port's means by the other's `n`, with each other | channels |
//! | `covariance` | symmetric, no negative eigenvalue | estimators, channels |
//! | `batching` | rows alone, and with a few and a hundred others (of channels in reverse, too), with dirty scratch: the same bits | estimators, channels |
//! | `order` | rows in order and in reverse: the same bits, unless rows differ | estimators |
//! | `column form` | a diagonal precision, with one that is full by a rounding error; of rows estimated together, unless refused by its form | estimators, channels |
//! | `precise cavity` | the estimate tends to the cavity mean, the covariance to `Gamma^-1`, unless rows are on points or curves; to their projections where a maximiser is constrained | estimators |
//! | `finite` | a grid of precisions over 24 decades, with strong correlations, and means up to a million deviations | estimators, channels |
//! | `coupled` | gradient and average Jacobian over all rows, where these are estimated together | estimators |
//! | `learning` | the likelihood after a step of learning, with that before; some step is made | estimators |
//! | `draws` | what is drawn is finite, and data that its own check accepts | estimators, channels |
//! | `law` | moments of drawn rows, with the estimate given no information | denoisers |
//! | `normalisation` | how often data are drawn, with their density; the integral of a density, with one | estimators, channels |
//! | `calibration` | squared errors on data the model draws, with the covariances claimed | estimators, channels |
//! | `maximiser` | the cost of a MAP estimate, with that of its neighbours | claimed cost |
//! | `density` | estimates of one column, with quadrature of a density | claimed density |
//! | `log-concave` | the covariance, with that of the cavity | claimed shape |
//! | `firmly non-expansive` | how far a MAP estimate moves, with how far its cavity did | claimed shape |
//! | `rotation` | the estimate of rotated rows, with the rotated estimate | claimed symmetry |
//! | `realised` | there are products, or a spectrum | operators |
//! | `adjoint` | products with the operator, with those with its adjoint | operators |
//! | `linearity` | products of sums, with sums of products | operators |
//! | `columns alone` | products of several columns, with those of each | operators |
//! | `matrix`, `squared norm`, `spectrum` | what it says of itself, with its products, shape and norm | operators |
//!
//! The module `laws` lists them, says when they apply, and is what [`check`] and [`report`] go through. Estimates that are
//! averages over points obey the laws within the error that they declare; where their derivatives are off by more, as errors turn
//! over from place to place, the laws `gradient` and `jacobian` are held to over two deviations.

mod across;
mod calculus;
mod calibration;
mod case;
mod channel;
mod convexity;
mod coupled;
mod draws;
mod fits;
mod input;
mod laws;
mod learning;
mod one_port;
mod operator;
mod oracle;
mod report;
mod robustness;
mod shape;
mod subject;
#[cfg(test)]
mod tests;

pub use calibration::check_calibration;
pub use input::Input;
pub use oracle::{Density, check_against_density, check_maximiser};
pub use report::{Report, report};
pub use subject::Subject;

use core::fmt;

/// A law that an estimator breaks, the input on which it does, and the two numbers that differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// Name of the estimator.
    pub subject: String,
    /// Name of the law.
    pub law: &'static str,
    /// Where it is broken.
    pub input: String,
    /// What the law demands.
    pub expected: f64,
    /// What the estimator answers.
    pub found: f64,
    /// The difference that would have passed.
    pub tolerance: f64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, law, input, expected, found, tolerance } = self;
        write!(
            f,
            "{subject} breaks the law `{law}` at {input}: expected {expected:e}, found {found:e}, tolerance \
             {tolerance:e}"
        )
    }
}

impl core::error::Error for Violation {}

/// Holds `subject` to every law that applies on variables of `d` columns, to that of its trait and those of what is claimed of
/// it, and stops at the first that is broken: for tests. [`report`] goes on. Products with an operator are tried on one column
/// and on `d`, at least three.
///
/// # Errors
/// The first [`Violation`].
pub fn check(subject: Subject<'_>, d: usize) -> Result<(), Violation> {
    laws::outcomes(subject, d).try_for_each(|(_, outcome)| match outcome {
        laws::Outcome::Broken(violation) => Err(violation),
        laws::Outcome::Obeyed | laws::Outcome::Silent(_) => Ok(()),
    })
}

/// Refuses a subject that has refused every example: nothing was compared.
fn accepted(label: (&str, &'static str), tried: bool) -> Result<(), Violation> {
    let nothing = || "no example that it accepts".to_owned();
    demand(label, nothing, (f64::from(u8::from(tried)), 1.0), 0.0)
}

/// Refuses a number that differs from what a law demands by more than `tolerance`, or is NaN.
fn demand(
    (subject, law): (&str, &'static str),
    input: impl Fn() -> String,
    (found, expected): (f64, f64),
    tolerance: f64,
) -> Result<(), Violation> {
    if (found - expected).abs() <= tolerance {
        return Ok(());
    }
    Err(Violation { subject: subject.to_owned(), law, input: input(), expected, found, tolerance })
}

/// Refuses a number that isn't finite.
fn demand_finite(
    label: (&str, &'static str),
    input: impl Fn() -> String,
    value: f64,
) -> Result<(), Violation> {
    // Zero, unless it isn't.
    demand(label, input, (0.0 * value, 0.0), 0.0)
}
