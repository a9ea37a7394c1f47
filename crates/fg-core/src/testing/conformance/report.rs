//! Every law that applies to a subject, and which of them it breaks.

use core::fmt;

use super::laws::{Outcome, outcomes};
use super::{Subject, Violation};

/// What the kit found: the laws that apply, the first violation of each that is broken, and the laws that say nothing.
///
/// Its text is a line, another one for each broken law, and one for the laws that don't apply.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Report {
    subject: String,
    laws: Vec<&'static str>,
    violations: Vec<Violation>,
    silent: Vec<(&'static str, &'static str)>,
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

    /// The laws that don't apply, and why: there is nothing to compare.
    pub fn silent(&self) -> &[(&'static str, &'static str)] {
        &self.silent
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, laws, violations, silent } = self;
        if violations.is_empty() {
            write!(f, "{subject} obeys every law that applies: {}", laws.join(", "))?;
        } else {
            write!(f, "{subject} breaks {} of {} laws", violations.len(), laws.len())?;
        }
        violations.iter().try_for_each(|violation| write!(f, "\n  {violation}"))?;
        let mut separator = "\n  not applicable: ";
        for (law, reason) in silent {
            write!(f, "{separator}{law} ({reason})")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// Holds `subject` to every law on variables of `d` columns, and goes on where one is broken: what to run on a node of your
/// own.
///
/// The laws of [`check`](super::check): there is nothing to compare with a log-partition function, a law of draws or learned
/// parameters that the node doesn't have, nor with what isn't claimed of the [`Subject`]; the report says so.
///
/// # Example
///
/// A derivative of one in place of the right one, and what the kit says about it.
///
/// ```
/// use fg_core::denoiser::Pointwise;
/// use fg_core::testing::{Subject, report};
/// let shrink = Pointwise::new("shrink", |r: f64, gamma: f64| (r * gamma / (1.0 + gamma), 1.0));
/// let found = report(Subject::denoiser(&shrink), 1);
/// assert!(!found.passes());
/// let text = found.to_string();
/// let mut lines = text.lines();
/// assert_eq!(lines.next(), Some("shrink breaks 1 of 7 laws"));
/// let line = lines.next().expect("the law, where it is broken, and by how much");
/// assert!(line.starts_with("  shrink breaks the law `jacobian` at row 0, n = ["), "{line}");
/// let line = lines.next().expect("the laws that don't apply");
/// assert!(line.starts_with("  not applicable: gradient (its log-partition function isn't known), "), "{line}");
/// ```
pub fn report(subject: Subject<'_>, d: usize) -> Report {
    let mut found = Report {
        subject: subject.name(),
        laws: Vec::new(),
        violations: Vec::new(),
        silent: Vec::new(),
    };
    for (law, outcome) in outcomes(subject, d) {
        match outcome {
            Outcome::Obeyed => found.laws.push(law),
            Outcome::Broken(violation) => {
                found.laws.push(law);
                found.violations.push(violation);
            }
            Outcome::Silent(reason) => found.silent.push((law, reason)),
        }
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
        let right = report(Subject::denoiser(&shrink(1.0)), 1);
        assert!(right.passes() && right.laws().len() == 7, "{right}");
        assert_eq!(right.to_string().lines().count(), 2, "{right}");
        // A negative variance is no derivative, no covariance, not finite and not the cavity's.
        let wrong = report(Subject::denoiser(&shrink(-1.0)), 1);
        let broken: Vec<_> = wrong.violations().iter().map(|v| v.law).collect();
        assert_eq!(broken, ["jacobian", "covariance", "precise cavity", "finite"]);
        assert_eq!(wrong.to_string().lines().count(), 6, "{wrong}");
    }
}
