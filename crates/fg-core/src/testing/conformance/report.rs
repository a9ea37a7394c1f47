//! Every law that applies to an estimator, and which of them it breaks.

use core::fmt;

use super::subject::{Input, Subject};
use super::{Violation, calculus, calibration, check_coupled, learning, robustness};

/// What the kit found: the laws that were tried, and the first violation of each that is broken.
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

    /// The laws that were tried.
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
            return write!(f, "{subject} obeys {} laws: {}", laws.len(), laws.join(", "));
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
/// The laws of [`check`](super::check) and of [`check_calibration`](super::check_calibration); of estimators that look at all
/// rows together those of [`check_coupled`].
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
/// assert_eq!(lines.next(), Some("shrink breaks 1 of 9 laws"));
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
    let laws: [(&'static str, Law); 6] = [
        ("gradient", calculus::gradient),
        ("jacobian", calculus::jacobian),
        ("covariance", robustness::covariance),
        ("batching", robustness::batching),
        ("column form", robustness::column_form),
        ("learning", learning::learning),
    ];
    let inputs = Input::examples(d);
    for (name, law) in laws {
        found.judge(name, inputs.iter().try_for_each(|input| law(subject, input)));
    }
    found.judge("precise cavity", robustness::precise_cavity(subject, d));
    found.judge("finite", robustness::finite(subject, d));
    found.judge("calibration", calibration::check_calibration(subject, d));
    found
}
