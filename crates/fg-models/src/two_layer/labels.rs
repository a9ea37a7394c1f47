//! Labels: the odds that a network with estimated weights gives them, and how well it predicts.

use fg_core::Rows;
use fg_core::evolution::EstimateLaw;
use fg_core::factor::Belief;
use fg_core::special::{log1pexp, logistic};
use fg_denoisers::likelihood::{Link, Output, TwoLayerMmse};

use super::{Predictor, TwoLayerModel};
use crate::pairs::pairs;
use crate::predict::predict;
use crate::{ModelError, Predicted};

/// Points of [`TwoLayerModel::label_errors`]: excess losses to half a percent, excess rates, which jump, to two.
const POINTS: usize = 8192;

/// How well labels are predicted, on average over new labels.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LabelErrors {
    /// Minus the logarithm of the probability given to the label, in nats.
    pub log_loss: f64,
    /// What of it is lost to wrong probabilities: above the loss of the true ones, and at least zero.
    pub excess_log_loss: f64,
    /// Rate of labels that were given less than half of the probability.
    pub error_rate: f64,
    /// The rate above that of the true probabilities, at least zero.
    pub excess_error_rate: f64,
}

impl LabelErrors {
    /// Of predicted `log_odds` where `truth` are the true ones, averaged over labels drawn with these; infinite odds are
    /// those of a label that was seen, `y * INFINITY`.
    ///
    /// # Panics
    /// When the lengths differ.
    #[track_caller]
    pub fn of(log_odds: &[f64], truth: &[f64]) -> Self {
        assert_eq!(log_odds.len(), truth.len(), "a prediction for each label");
        let share = (truth.len() as f64).recip();
        let mut mean =
            Self { log_loss: 0.0, excess_log_loss: 0.0, error_rate: 0.0, excess_error_rate: 0.0 };
        for (&found, &true_odds) in log_odds.iter().zip(truth) {
            let loss = log_loss(found, true_odds);
            mean.log_loss += share * loss;
            mean.excess_log_loss += share * (loss - log_loss(true_odds, true_odds));
            let missed = if found > 0.0 { logistic(-true_odds) } else { logistic(true_odds) };
            mean.error_rate += share * missed;
            mean.excess_error_rate += share * (missed - logistic(-true_odds.abs()));
        }
        mean
    }
}

/// Expected minus log-probability under `log_odds` of a label with the odds `truth`.
fn log_loss(log_odds: f64, truth: f64) -> f64 {
    // What never happens costs nothing, however unlikely it was thought.
    let cost = |share: f64, loss: f64| if share > 0.0 { share * loss } else { 0.0 };
    cost(logistic(truth), log1pexp(-log_odds)) + cost(logistic(-truth), log1pexp(log_odds))
}

impl TwoLayerModel {
    /// The link of a model of labels.
    pub fn link(&self) -> Option<Link> {
        match self.output().output() {
            Output::Label(link) => Some(link),
            _ => None,
        }
    }

    /// Log-odds of the label 1 (`N x 1`) for `inputs` (`N x N_in`) with `weights` (`N_in x d`, with a bias one row more)
    /// plugged in; `None` in a model without labels.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn log_odds(&self, weights: &Rows, inputs: &Rows) -> Result<Option<Rows>, ModelError> {
        let outputs = self.predict(weights, inputs)?.into_vec();
        let odds = |link: Link| outputs.iter().map(|u| link.log_odds(*u)).collect();
        Ok(self.link().map(|link| Rows::column(odds(link))))
    }

    /// The same with the probability averaged over the belief about the weights, hidden rows being as in
    /// [`predict_averaged`](Self::predict_averaged). `None` also where a covariance is singular.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn log_odds_averaged(
        &self,
        belief: &Belief,
        inputs: &Rows,
    ) -> Result<Option<Rows>, ModelError> {
        self.check(belief.mean(), inputs)?;
        Ok(self.averaged(&predict(belief, inputs)))
    }

    /// How well labels of fresh inputs are predicted, as [`test_error`](Self::test_error) is for numbers, from the second
    /// moments of an estimate of `W1`. `None` as for [`log_odds_averaged`](Self::log_odds_averaged).
    ///
    /// # Panics
    /// When the law is of another number of columns than the model has hidden units.
    #[track_caller]
    pub fn label_errors(
        &self,
        law: &EstimateLaw,
        input_power: f64,
        predictor: Predictor,
    ) -> Option<LabelErrors> {
        self.label_errors_at(law, input_power, predictor, POINTS)
    }

    #[track_caller]
    pub(super) fn label_errors_at(
        &self,
        law: &EstimateLaw,
        input_power: f64,
        predictor: Predictor,
        points: usize,
    ) -> Option<LabelErrors> {
        let d = self.output().hidden();
        assert_eq!(law.columns(), d, "a law of as many columns as there are hidden units");
        let link = self.link()?;
        let (truth, estimate, _) = pairs(law, input_power, 0, points);
        let plugged = |hidden: &Rows| -> Vec<f64> {
            let mut u = [0.0];
            let odds = |i| {
                self.output().predict(hidden.row(i), &mut u);
                link.log_odds(u[0])
            };
            (0..hidden.rows()).map(odds).collect()
        };
        let truth = plugged(&truth);
        let found = match predictor {
            Predictor::Averaged => {
                let claimed: Vec<f64> = law.covariance().iter().map(|c| input_power * c).collect();
                self.averaged(&Predicted::alike(estimate, &claimed))?.into_vec()
            }
            Predictor::PlugIn => plugged(&estimate),
        };
        Some(LabelErrors::of(&found, &truth))
    }

    /// Log-odds averaged over hidden rows of these means and covariances.
    ///
    /// From the probability of the label that the mean makes unlikely: the other's, near one, would lose its digits.
    fn averaged(&self, hidden: &Predicted) -> Option<Rows> {
        self.link()?;
        let node = TwoLayerMmse::new(self.output().clone());
        let mut u = [0.0];
        let unlikely = |i: usize| {
            self.output().predict(hidden.mean().row(i), &mut u);
            if u[0] > 0.0 { -1.0 } else { 1.0 }
        };
        let labels: Vec<f64> = (0..hidden.mean().rows()).map(unlikely).collect();
        let labels = Rows::column(labels);
        let logs = hidden.log_density(&node, &labels).ok()?;
        let odds = |(log, label): (f64, &f64)| label * (log - (-log.exp()).ln_1p());
        Some(Rows::column(logs.into_iter().zip(labels.as_slice()).map(odds).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_of_labels_by_hand() {
        // Odds of 3 to 1 taken for even ones, and a certain label given odds of 1 to 3.
        let found = LabelErrors::of(&[0.0, -(3.0_f64.ln())], &[3.0_f64.ln(), f64::INFINITY]);
        let entropy = -(0.75 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln());
        let losses = [2.0_f64.ln(), 4.0_f64.ln()];
        let expected = [
            0.5 * (losses[0] + losses[1]),
            0.5 * (losses[0] - entropy + losses[1]),
            0.5 * (0.75 + 1.0),
            0.5 * (0.5 + 1.0),
        ];
        let LabelErrors { log_loss, excess_log_loss, error_rate, excess_error_rate } = found;
        let found = [log_loss, excess_log_loss, error_rate, excess_error_rate];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15, "{found} {expected}");
        }
    }

    #[test]
    fn the_truth_is_the_best_prediction_however_certain() {
        let truth = [-800.0, -3.0, 0.4, 50.0, f64::INFINITY];
        let found = LabelErrors::of(&truth, &truth);
        assert_eq!((found.excess_log_loss, found.excess_error_rate), (0.0, 0.0));
        assert!(found.log_loss.is_finite(), "{found:?}");
    }
}
