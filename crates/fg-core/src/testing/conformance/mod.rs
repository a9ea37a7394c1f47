//! Laws that every estimator obeys, as plain functions that say what they found.
//!
//! | law | what is compared |
//! |---|---|
//! | `gradient` | the estimate, with the derivative of the log-partition function by `n` |
//! | `jacobian` | the covariance, with the derivative of the estimate by `n` |
//! | `covariance` | symmetric, no negative eigenvalue |
//! | `precise cavity` | the estimate tends to the cavity mean, the covariance to `Gamma^-1`, unless rows are on points or curves; to their projections where a maximiser is constrained |
//! | `batching` | rows alone, together and in reverse, with dirty scratch: the same bits |
//! | `column form` | a diagonal precision, with one that is full by a rounding error |
//! | `finite` | a grid of precisions over 24 decades and means up to a million deviations |
//! | `calibration` | squared errors on data the model draws, with the covariances claimed |
//! | `law` | moments of drawn rows, with the estimate given no information |
//! | `normalisation` | how often data are drawn, with their density; the integral of a density, with one |
//! | `density` | estimates of one column, with quadrature of a density |
//! | `learning` | the likelihood after a step of learning, with that before |
//! | `maximiser` | the cost of a MAP estimate, with that of its neighbours |
//! | `rotation` | the estimate of rotated rows, with the rotated estimate, of models that are the same in all directions |
//! | `log-concave` | the covariance, with that of the cavity, of models whose density is log-concave |
//! | `operator` | products with an operator and its adjoint, with each other and with what it says of itself |
//! | `coupled` | gradient and average Jacobian of an estimator that looks at all rows together |
//! | `firmly non-expansive` | how far a MAP estimate of a convex cost moves, with how far its cavity did |

mod calculus;
mod calibration;
mod channel;
mod convexity;
mod coupled;
mod learning;
mod operator;
mod oracle;
mod report;
mod robustness;
mod shape;
mod subject;

pub use calibration::check_calibration;
pub use channel::check_channel;
pub use convexity::check_firmly_nonexpansive;
pub use coupled::check_coupled;
pub use operator::check_operator;
pub use oracle::{Density, check_against_density, check_maximiser};
pub use report::{Report, report};
pub use shape::{check_log_concave, check_rotation_invariance};
pub use subject::{Input, Subject};

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

/// Holds `subject` to every law that needs nothing but the estimator itself, on variables of `d` columns.
///
/// # Errors
/// The first [`Violation`].
pub fn check(subject: Subject<'_>, d: usize) -> Result<(), Violation> {
    for input in Input::examples(d) {
        calculus::gradient(subject, &input)?;
        calculus::jacobian(subject, &input)?;
        robustness::covariance(subject, &input)?;
        robustness::batching(subject, &input)?;
        robustness::column_form(subject, &input)?;
        learning::learning(subject, &input)?;
    }
    robustness::precise_cavity(subject, d)?;
    robustness::finite(subject, d)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denoiser::{Estimation, Law, Pointwise};

    /// Posterior of a Gaussian of variance one, with an error put in.
    fn shrink(
        wrong: impl Fn(f64, f64, (f64, f64)) -> (f64, f64) + Send + Sync,
    ) -> Pointwise<impl Fn(f64, f64) -> (f64, f64) + Send + Sync> {
        Pointwise::new("shrink", move |r: f64, gamma: f64| {
            let share = gamma / (1.0 + gamma);
            wrong(r, gamma, (share * r, share))
        })
    }

    #[derive(Debug)]
    struct Normal {
        deviation: f64,
    }

    impl Law for Normal {
        fn uniforms(&self, _d: usize) -> usize {
            1
        }
        fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
            use crate::special::{open_uniform, quantile};
            row[0] = self.deviation * quantile(open_uniform(uniforms[0]));
        }
    }

    fn broken_law(result: Result<(), Violation>) -> Option<&'static str> {
        result.err().map(|violation| violation.law)
    }

    #[test]
    fn a_right_estimator_passes_and_each_error_is_found_by_its_law() {
        let right = shrink(|_, _, answer| answer);
        assert_eq!(check(Subject::Denoiser(&right), 1), Ok(()));

        let overconfident = shrink(|_, _, (x, slope)| (x, 0.999 * slope));
        assert_eq!(broken_law(check(Subject::Denoiser(&overconfident), 1)), Some("jacobian"));

        let timid = shrink(|_, _, (x, slope)| (0.5 * x, 0.5 * slope));
        assert_eq!(broken_law(check(Subject::Denoiser(&timid), 1)), Some("precise cavity"));

        let negative = shrink(|r, _, _| (-r, -1.0));
        assert_eq!(broken_law(check(Subject::Denoiser(&negative), 1)), Some("covariance"));

        // Overflow far out only: the slope stays right.
        let fragile = shrink(|r, _, (x, slope)| (x + 0.0 * (r * 1e-3).powi(2).exp(), slope));
        assert_eq!(broken_law(check(Subject::Denoiser(&fragile), 1)), Some("finite"));
    }

    #[test]
    fn a_claim_that_does_not_match_the_law_is_found_by_drawing() {
        let right = shrink(|_, _, answer| answer).with_law(Normal { deviation: 1.0 });
        assert_eq!(check_calibration(Subject::Denoiser(&right), 1), Ok(()));
        let wrong = shrink(|_, _, answer| answer).with_law(Normal { deviation: 1.2 });
        let law = broken_law(check_calibration(Subject::Denoiser(&wrong), 1));
        assert_eq!(law, Some("calibration"));
    }

    #[test]
    fn a_point_that_is_not_the_minimum_is_found_by_its_neighbours() {
        let input = Input::new(1, vec![3.0], vec![2.0]);
        let cost = |x: &[f64]| 0.5 * x[0] * x[0];
        let right = shrink(|_, _, answer| answer).with_estimation(Estimation::Map);
        assert_eq!(check_maximiser(Subject::Denoiser(&right), &input, &cost), Ok(()));
        let wrong = shrink(|_, _, (x, slope)| (1.01 * x, slope)).with_estimation(Estimation::Map);
        let law = broken_law(check_maximiser(Subject::Denoiser(&wrong), &input, &cost));
        assert_eq!(law, Some("maximiser"));
    }

    #[test]
    fn an_estimate_that_moves_too_far_is_found() {
        let right = shrink(|_, _, answer| answer).with_estimation(Estimation::Map);
        assert_eq!(check_firmly_nonexpansive(Subject::Denoiser(&right), 1), Ok(()));
        let hard = shrink(|r, _, _| if r.abs() > 1.0 { (r, 1.0) } else { (0.0, 0.0) });
        let law = broken_law(check_firmly_nonexpansive(Subject::Denoiser(&hard), 1));
        assert_eq!(law, Some("firmly non-expansive"));
    }

    #[test]
    fn quadrature_finds_an_error_of_one_in_a_billion() {
        use crate::special::log_pdf;
        let density = Density {
            log: &|x| log_pdf(x),
            support: (f64::NEG_INFINITY, f64::INFINITY),
            breaks: &[],
            atoms: &[],
        };
        let right = shrink(|_, _, answer| answer);
        assert_eq!(check_against_density(Subject::Denoiser(&right), &density), Ok(()));
        let wrong = shrink(|_, _, (x, slope)| (x, slope * (1.0 + 1e-9)));
        let law = broken_law(check_against_density(Subject::Denoiser(&wrong), &density));
        assert_eq!(law, Some("density"));
        let shown = check_against_density(Subject::Denoiser(&wrong), &density).unwrap_err();
        assert!(shown.to_string().contains("shrink breaks the law `density` at row 0"), "{shown}");
    }
}
