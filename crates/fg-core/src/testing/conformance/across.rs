//! Averages over points, whose derivatives aren't to be trusted: integrals of the estimate, and of the covariance, over two
//! deviations, with the change of the log-partition function, and of the estimate.
//!
//! Points go with the row, so that an error of a share of a deviation turns over within a few of the steps that derivatives are taken
//! with. Over a deviation to either side it stays what it is.

use super::calculus::STENCIL;
use super::input::Input;
use super::one_port::{Estimate, OnePort};
use super::{Violation, demand};
use crate::denoiser::Scratch;
use crate::message::small;

/// Weights of Boole's and of Simpson's rule at the places of the stencil: averages from one end to the other.
const BOOLE: [f64; 5] = [7.0 / 90.0, 32.0 / 90.0, 12.0 / 90.0, 32.0 / 90.0, 7.0 / 90.0];
const SIMPSON: [f64; 5] = [1.0 / 6.0, 0.0, 4.0 / 6.0, 0.0, 1.0 / 6.0];
/// Declared errors of both ends and of what is between them.
const PARTS: f64 = 2.0;

/// The rows and their answers at the places of the stencil, a deviation of column `j` to either side.
struct Places {
    inputs: Vec<Input>,
    answers: Vec<Estimate>,
    steps: Vec<f64>,
    deviations: Vec<f64>,
}

impl Places {
    fn new(
        (subject, law): (OnePort<'_>, &'static str),
        input: &Input,
        j: usize,
    ) -> Result<Self, Violation> {
        let ask = |input: &Input| {
            subject
                .estimate(&input.cavity(), &mut Scratch::default())
                .map_err(|e| subject.refused(law, input, e))
        };
        let (here, d) = (ask(input)?, input.columns());
        let variances = here.covariance.iter().skip(j * (d + 1)).step_by(d * d);
        let deviations: Vec<f64> = variances.map(|v| v.sqrt()).collect();
        let steps: Vec<f64> = deviations.iter().map(|s| s.recip()).collect();
        let inputs: Vec<Input> = STENCIL.iter().map(|&t| input.moved(j, &steps, t)).collect();
        let answers = inputs.iter().map(ask).collect::<Result<_, _>>()?;
        Ok(Self { inputs, answers, steps, deviations })
    }

    /// What a row may be off by, in its deviations.
    fn sampling(&self, d: usize) -> f64 {
        PARTS * self.answers.iter().map(|answer| answer.sampling(d)).fold(0.0, f64::max)
    }
}

/// An average over the stencil, and how far it can be trusted.
fn average(values: [f64; 5]) -> (f64, f64) {
    let by = |weights: [f64; 5]| weights.iter().zip(values).map(|(w, v)| w * v).sum::<f64>();
    let (found, rougher) = (by(BOOLE), by(SIMPSON));
    (found, (found - rougher).abs())
}

pub(super) fn gradient(subject: OnePort<'_>, input: &Input) -> Result<(), Violation> {
    const LAW: &str = "gradient";
    let (name, d) = (subject.name(), input.columns());
    for j in 0..d {
        let places = Places::new((subject, LAW), input, j)?;
        let logs = [0, 4]
            .map(|k: usize| subject.log_partition(&places.inputs[k].cavity()).unwrap_or_default());
        let sampling = places.sampling(d);
        for i in 0..input.rows() {
            let [before, after] =
                logs.each_ref().map(|logs| logs.get(i).copied().unwrap_or(f64::NAN));
            let change = (after - before) / (2.0 * places.steps[i]);
            let means = [0, 1, 2, 3, 4].map(|t: usize| places.answers[t].mean[i * d + j]);
            let (found, trust) = average(means);
            let tolerance = sampling * places.deviations[i] + trust;
            demand((&name, LAW), || input.describe(i), (found, change), tolerance)?;
        }
    }
    Ok(())
}

pub(super) fn jacobian(subject: OnePort<'_>, input: &Input) -> Result<(), Violation> {
    const LAW: &str = "jacobian";
    let (name, d) = (subject.name(), input.columns());
    for j in 0..d {
        let places = Places::new((subject, LAW), input, j)?;
        let (sampling, answers) = (places.sampling(d), &places.answers);
        for i in 0..input.rows() {
            let own = i * d * d..(i + 1) * d * d;
            let size = small::trace(&answers[2].covariance[own.clone()], d);
            for k in 0..d {
                let mean = |t: usize| answers[t].mean[i * d + k];
                let change = (mean(4) - mean(0)) / (2.0 * places.steps[i]);
                let at = own.start + k * d + j;
                let (found, trust) =
                    average([0, 1, 2, 3, 4].map(|t: usize| answers[t].covariance[at]));
                let tolerance = sampling * size + trust;
                demand((&name, LAW), || input.describe(i), (found, change), tolerance)?;
            }
        }
    }
    Ok(())
}
