//! Every law that applies to an estimator, and which of them it breaks.

use core::fmt;

use super::subject::{Input, Subject};
use super::{Violation, calculus, calibration, check_coupled, learning, robustness};
use crate::denoiser::Estimation;

/// What the kit found: the laws that apply, and the first violation of each that is broken.
///
/// Its text is a line, and another one for each broken law.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Report {
    subject: String,
    laws: Vec<&'static str>,
    violations: Vec<Violation>,
}

impl Report {
    /// Whether no law is broken.
    pub fn passes(&self) -> bool {
        self.violations.is_empty()
    }

    /// The laws that apply.
    pub fn laws(&self) -> &[&'static str] {
        &self.laws
    }

    /// The first violation of each law that is broken.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    fn judge(&mut self, law: &'static str, verdict: Result<(), Violation>) {
        self.laws.push(law);
        self.violations.extend(verdict.err());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, laws, violations } = self;
        if violations.is_empty() {
            return write!(f, "{subject} obeys every law that applies: {}", laws.join(", "));
        }
        write!(f, "{subject} breaks {} of {} laws", violations.len(), laws.len())?;
        violations.iter().try_for_each(|violation| write!(f, "\n  {violation}"))
    }
}

/// A law on one input.
type Law = fn(Subject<'_>, &Input) -> Result<(), Violation>;

/// Holds `subject` to every law that needs nothing but the estimator itself, on variables of `d` columns, and goes on where
/// one is broken: what to run on an estimator of your own.
///
/// The laws of [`check`](super::check) and of [`check_calibration`](super::check_calibration) that apply: there is nothing to
/// compare with a log-partition function, a law of draws or learned parameters that the estimator doesn't have. Of
/// estimators that look at all rows together those of [`check_coupled`].
///
/// # Example
///
/// A derivative of one in place of the right one, and what the kit says about it.
///
/// ```
/// use fg_core::denoiser::Pointwise;
/// use fg_core::testing::{Subject, report};
/// let shrink = Pointwise::new("shrink", |r: f64, gamma: f64| (r * gamma / (1.0 + gamma), 1.0));
/// let found = report(Subject::Denoiser(&shrink), 1);
/// assert!(!found.passes());
/// let text = found.to_string();
/// let mut lines = text.lines();
/// assert_eq!(lines.next(), Some("shrink breaks 1 of 5 laws"));
/// let line = lines.next().expect("the law, where it is broken, and by how much");
/// assert!(line.starts_with("  shrink breaks the law `jacobian` at row 0, n = ["), "{line}");
/// ```
pub fn report(subject: Subject<'_>, d: usize) -> Report {
    let mut found = Report { subject: subject.name(), laws: Vec::new(), violations: Vec::new() };
    if let Subject::Denoiser(denoiser) = subject
        && !denoiser.separable()
    {
        found.judge("coupled", check_coupled(denoiser, d));
        return found;
    }
    let inputs = Input::examples(d);
    let has_gradient = inputs.iter().any(|input| subject.log_partition(&input.cavity()).is_some());
    let (learns, draws) = match subject {
        Subject::Denoiser(node) => (!node.learning().is_empty(), node.row_law(0).is_some()),
        Subject::Likelihood(node, _) => (!node.learning().is_empty(), node.uniforms(d).is_some()),
    };
    let laws: [(&'static str, bool, Law); 6] = [
        ("gradient", has_gradient, calculus::gradient),
        ("jacobian", true, calculus::jacobian),
        ("covariance", true, robustness::covariance),
        ("batching", true, robustness::batching),
        ("column form", d > 1, robustness::column_form),
        ("learning", learns, learning::learning),
    ];
    for (name, _, law) in laws.into_iter().filter(|&(_, applies, _)| applies) {
        found.judge(name, inputs.iter().try_for_each(|input| law(subject, input)));
    }
    found.judge("precise cavity", robustness::precise_cavity(subject, d));
    found.judge("finite", robustness::finite(subject, d));
    if draws && subject.estimation() == Estimation::Mmse {
        found.judge("calibration", calibration::check_calibration(subject, d));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denoiser::Pointwise;

    #[test]
    fn all_laws_are_tried_and_each_broken_one_has_its_line() {
        let shrink = |factor: f64| {
            Pointwise::new("shrink", move |r: f64, gamma: f64| {
                (r * gamma / (1.0 + gamma), factor * gamma / (1.0 + gamma))
            })
        };
        let right = report(Subject::Denoiser(&shrink(1.0)), 1);
        assert!(right.passes() && right.laws().len() == 5, "{right}");
        assert_eq!(right.to_string().lines().count(), 1);
        // A negative variance is no derivative, no covariance, not finite and not the cavity's.
        let wrong = report(Subject::Denoiser(&shrink(-1.0)), 1);
        let broken: Vec<_> = wrong.violations().iter().map(|v| v.law).collect();
        assert_eq!(broken, ["jacobian", "covariance", "precise cavity", "finite"]);
        assert_eq!(wrong.to_string().lines().count(), 5, "{wrong}");
    }
}
