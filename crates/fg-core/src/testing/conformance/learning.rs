//! A step of learning never lowers the likelihood, and learns the parameters that were asked for.

use super::subject::{Input, Subject};
use super::{Violation, demand};
use crate::denoiser::{Denoiser, Likelihood, Parameter};

/// Rounding of a sum of log-partition functions, relative to its largest term.
const ROUNDING: f64 = 1e-12;
/// Steps tried from each start: a wrong step of expectation-maximisation is wrong at once.
const STEPS: usize = 3;

/// What a step has made of a subject.
enum Learned {
    Denoiser(Box<dyn Denoiser>),
    Likelihood(Box<dyn Likelihood>),
}

fn parameters(subject: Subject<'_>) -> Vec<Parameter> {
    match subject {
        Subject::Denoiser(denoiser) => denoiser.learning(),
        Subject::Likelihood(likelihood, _) => likelihood.learning(),
    }
}

fn step(subject: Subject<'_>, input: &Input) -> Option<Learned> {
    match subject {
        Subject::Denoiser(denoiser) => {
            denoiser.learned(&mut core::iter::once(input.cavity())).map(Learned::Denoiser)
        }
        Subject::Likelihood(likelihood, observed) => {
            let data = observed.repeat(input.rows());
            let mut rows = core::iter::once((data.as_slice(), input.cavity()));
            likelihood.learned(&mut rows).map(Learned::Likelihood)
        }
    }
}

pub(super) fn learning(subject: Subject<'_>, input: &Input) -> Result<(), Violation> {
    climb(subject, input, STEPS)
}

fn climb(subject: Subject<'_>, input: &Input, steps: usize) -> Result<(), Violation> {
    const LAW: &str = "learning";
    let (name, before) = (subject.name(), parameters(subject));
    if before.is_empty() || steps == 0 {
        return Ok(());
    }
    let Some(learned) = step(subject, input) else { return Ok(()) };
    let next = match (&learned, subject) {
        (Learned::Likelihood(node), Subject::Likelihood(_, observed)) => {
            Subject::Likelihood(&**node, observed)
        }
        (Learned::Denoiser(node), _) => Subject::Denoiser(&**node),
        (Learned::Likelihood(_), Subject::Denoiser(_)) => return Ok(()),
    };
    let after = parameters(next);
    let describe = || format!("{before:?} on {input:?}");
    let same = before.len() == after.len()
        && before
            .iter()
            .zip(&after)
            .all(|(a, b)| a.name == b.name && a.values.len() == b.values.len());
    let count = |kept: bool| if kept { before.len() as f64 } else { f64::NAN };
    demand((&name, LAW), describe, (count(same), before.len() as f64), 0.0)?;
    let cavity = input.cavity();
    if let (Some(old), Some(new)) = (subject.log_partition(&cavity), next.log_partition(&cavity)) {
        let largest = old.iter().chain(&new).fold(1.0, |m: f64, v| m.max(v.abs()));
        let (old, new): (f64, f64) = (old.iter().sum(), new.iter().sum());
        // Only a fall breaks the law.
        demand((&name, LAW), describe, (new.min(old), old), ROUNDING * largest)?;
    }
    climb(next, input, steps - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denoiser::{RowCavity, RowEstimate, Scratch};
    use crate::factor::Breakdown;

    /// A Gaussian of learned variance, in steps of this factor on the right one.
    #[derive(Clone, Debug)]
    struct Scale {
        variance: f64,
        factor: f64,
    }

    impl Denoiser for Scale {
        fn estimate(
            &self,
            cavity: &RowCavity<'_>,
            out: &mut RowEstimate<'_>,
            _scratch: &mut Scratch,
        ) -> Result<(), Breakdown> {
            let s = self.variance / (1.0 + self.variance * cavity.scalar_precision());
            out.covariance.fill(s);
            out.mean.iter_mut().zip(cavity.natural()).for_each(|(m, n)| *m = s * n);
            Ok(())
        }

        fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
            let growth = self.variance * cavity.scalar_precision();
            let s = self.variance / (1.0 + growth);
            let rows = out.iter_mut().zip(cavity.natural());
            rows.for_each(|(o, n)| *o = 0.5 * (s * n * n - growth.ln_1p()));
            true
        }

        fn learning(&self) -> Vec<Parameter> {
            vec![Parameter::scalar("variance", self.variance)]
        }

        fn learned(
            &self,
            rows: &mut dyn Iterator<Item = RowCavity<'_>>,
        ) -> Option<Box<dyn Denoiser>> {
            let (mut sum, mut count) = (0.0, 0.0);
            for piece in rows {
                let s = self.variance / (1.0 + self.variance * piece.scalar_precision());
                sum += piece.natural().iter().map(|n| s + s * s * n * n).sum::<f64>();
                count += piece.len() as f64;
            }
            Some(Box::new(Self { variance: self.factor * sum / count, ..self.clone() }))
        }

        fn name(&self) -> String {
            "scale".to_owned()
        }
    }

    #[test]
    fn a_step_that_goes_wrong_is_found() {
        let law = |factor: f64| {
            let subject = Scale { variance: 0.5, factor };
            let inputs = Input::examples(1);
            let mut found = inputs.iter().map(|i| learning(Subject::Denoiser(&subject), i));
            found.find_map(Result::err).map(|violation| violation.law)
        };
        assert_eq!(law(1.0), None);
        assert_eq!(law(1.3), Some("learning"));
        assert_eq!(law(0.5), Some("learning"));
    }
}
