//! What state evolution of the run says of a minimiser: training and test errors in the limit of many unknowns.

use fg_core::denoiser::{Denoiser, Law, Likelihood};
use fg_core::evolution::{EstimateLaw, Evolution, MessageLaw, PredictedStatus, Samples, Spectrum};
use fg_core::operator::Ensemble;

use super::row_wise::RowWise;
use super::{Risk, options};
use crate::pairs::pairs;
use crate::start::OUTPUT_PORT;
use crate::{ModelError, generalised};

/// Unknowns of the graph that is predicted: only ratios of sizes matter.
const NOMINAL_UNKNOWNS: usize = 1000;
/// Points of integrals over rows and of averages over new data: errors of some 1e-4.
const POINTS: usize = 16_384;
/// Change of a message, relative to its size, at which the recursion has settled: what so many points resolve. Smaller changes
/// come from single points that cross a kink, on which it may go round for ever.
const RESOLVED: f64 = 1e-4;

/// What is predicted of a minimiser.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskLaw {
    estimate: EstimateLaw,
    training: Samples,
    precision: f64,
    status: PredictedStatus,
}

impl<P, L> Risk<P, L>
where
    P: Denoiser + Clone + 'static,
    L: Likelihood + Clone + 'static,
{
    /// Predicts the minimiser for `ratio` rows of data an unknown, inputs with independent entries and `E |a|^2 = 1`, unknowns
    /// truly drawn from `law` and data from `truth`; for one column.
    ///
    /// # Errors
    /// [`ModelError`] when the ratio isn't positive or a factor can't be followed.
    pub fn predict(
        &self,
        ratio: f64,
        law: impl Law + 'static,
        truth: impl Likelihood + 'static,
    ) -> Result<RiskLaw, ModelError> {
        let spectrum = Spectrum::marchenko_pastur(ratio)?.scaled(ratio)?;
        let operator = Ensemble::new(NOMINAL_UNKNOWNS, spectrum);
        let model =
            generalised::unobserved(operator, 1, self.penalty.clone(), RowWise(self.loss.clone()));
        let graph = model.builder.build()?;
        let options = options();
        let mut evolution = Evolution::new(&graph, &options);
        if self.penalty.gaussian(0, 1).is_none() {
            // A dead zone that is told nothing says zero for certain. Minimisers don't depend on where a run starts.
            let size = MessageLaw::new(1, vec![1.0], vec![0.0], vec![0.0], vec![0.0])?;
            evolution = evolution.with_start(model.prior, 0, size);
        }
        let prediction = evolution
            .with_law(model.prior, law)
            .with_likelihood(model.likelihood, truth)
            .with_points(POINTS)
            .with_tolerance(RESOLVED)
            .with_fixed_point()
            .with_samples()
            .run()?;
        let mut last = prediction.sweeps().last().into_iter().flat_map(|sweep| &sweep.messages);
        let sent = last.rfind(|m| (m.factor, m.port) == (model.operator, OUTPUT_PORT));
        let estimate = prediction.find_estimate(model.signal).cloned();
        let training = prediction.samples(model.output).cloned();
        match (estimate, training, sent) {
            (Some(estimate), Some(training), Some(sent)) => {
                let (precision, status) = (sent.law.precision()[0], prediction.status().clone());
                Ok(RiskLaw { estimate, training, precision, status })
            }
            _ => Err(ModelError::Unpredicted { status: prediction.status().clone() }),
        }
    }
}

impl RiskLaw {
    /// Second moments of an unknown and of its estimate.
    pub fn estimate(&self) -> &EstimateLaw {
        &self.estimate
    }

    /// How the recursion ended: where it hasn't settled, as it may not where runs are slow, or where a penalty leaves so few
    /// unknowns that single points of the integrals count, the rest is of its last sweep.
    pub fn status(&self) -> &PredictedStatus {
        &self.status
    }

    /// The average of a statistic of `(z0, zhat)`, true and estimated output, over new inputs.
    pub fn test(&self, statistic: impl Fn(f64, f64) -> f64) -> f64 {
        let (truth, estimate, _) = pairs(&self.estimate, 1.0, 0, POINTS);
        let pairs = truth.as_slice().iter().zip(estimate.as_slice());
        pairs.map(|(z0, z)| statistic(*z0, *z)).sum::<f64>() / truth.rows() as f64
    }

    /// The average over the training data of a statistic of the estimated output and of the slope of the loss there, which
    /// tells what of the data the loss depends on.
    pub fn training(&self, statistic: impl Fn(f64, f64) -> f64) -> f64 {
        self.training.average(|_, r, z| statistic(z[0], self.precision * (r[0] - z[0])))
    }
}
