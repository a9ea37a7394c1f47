//! A step of learning never lowers the likelihood, and learns the parameters that were asked for.

use super::input::Input;
use super::one_port::OnePort;
use super::{Violation, demand};

/// Rounding of a sum of log-partition functions, relative to its largest term.
const ROUNDING: f64 = 1e-12;
/// Steps tried from each start: a wrong step of expectation-maximisation is wrong at once.
const STEPS: usize = 3;

const LAW: &str = "learning";

/// Steps from each of `inputs`: some are made, and none is wrong. An input may say too little to learn from, not all.
pub(super) fn learning(subject: OnePort<'_>, inputs: &[Input]) -> Result<(), Violation> {
    let mut made = 0;
    for input in inputs {
        made += climb(subject, input, STEPS)?;
    }
    let parameters = subject.parameters();
    let nothing = || format!("any input, from which {parameters:?} should be learned");
    let learns = f64::from(u8::from(made > 0));
    demand((&subject.name(), LAW), nothing, (learns, 1.0), 0.0)
}

/// The number of steps that were made, up to `steps`.
fn climb(subject: OnePort<'_>, input: &Input, steps: usize) -> Result<usize, Violation> {
    if steps == 0 {
        return Ok(0);
    }
    match subject {
        OnePort::Denoiser(denoiser) => {
            let learned = denoiser.learned(&mut core::iter::once(input.cavity()));
            let Some(learned) = learned else { return Ok(0) };
            let next = OnePort::Denoiser(&*learned);
            compare(subject, next, input)?;
            Ok(1 + climb(next, input, steps - 1)?)
        }
        OnePort::Likelihood(likelihood, observed) => {
            let data = observed.repeat(input.rows());
            let mut rows = core::iter::once((data.as_slice(), input.cavity()));
            let Some(learned) = likelihood.learned(&mut rows) else { return Ok(0) };
            let next = OnePort::Likelihood(&*learned, observed);
            compare(subject, next, input)?;
            Ok(1 + climb(next, input, steps - 1)?)
        }
    }
}

/// One step: the same parameters, and no lower likelihood.
fn compare(subject: OnePort<'_>, next: OnePort<'_>, input: &Input) -> Result<(), Violation> {
    let (name, before, after) = (subject.name(), subject.parameters(), next.parameters());
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
        // Only a fall breaks the law, or what is no number.
        let bound = if new >= old { new } else { old };
        demand((&name, LAW), describe, (new, bound), ROUNDING * largest)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denoiser::{Denoiser, Parameter, RowCavity, RowEstimate, Scratch};
    use crate::factor::Breakdown;

    /// A Gaussian of learned variance, in steps of this factor on the right one.
    #[derive(Clone, Debug)]
    struct Scale {
        variance: f64,
        factor: f64,
        learns: bool,
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
            if !self.learns {
                return None;
            }
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

    fn law(subject: &Scale) -> Option<&'static str> {
        let inputs = Input::examples(1);
        learning(OnePort::Denoiser(subject), &inputs).err().map(|violation| violation.law)
    }

    #[test]
    fn a_step_that_goes_wrong_is_found() {
        let scale = |factor: f64| Scale { variance: 0.5, factor, learns: true };
        assert_eq!(law(&scale(1.0)), None);
        assert_eq!(law(&scale(1.3)), Some("learning"));
        assert_eq!(law(&scale(0.5)), Some("learning"));
    }

    #[test]
    fn parameters_that_are_never_learned_are_found() {
        assert_eq!(law(&Scale { variance: 0.5, factor: 1.0, learns: false }), Some("learning"));
    }
}
