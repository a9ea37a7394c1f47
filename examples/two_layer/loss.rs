//! What the network is asked for, and how its predictions are judged: numbers by squared errors, labels by log-loss.

use fg_core::Rows;
use fg_core::factor::Belief;
use fg_denoisers::likelihood::Link;
use fg_models::TwoLayerModel;
use fg_models::metrics::normalised_test_error;
use fg_models::synthetic::TwoLayerProblem;
use fg_models::two_layer::{LabelErrors, LearningErrors};

use crate::experiment::Estimator;

/// What the outputs of the network become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Loss {
    /// Numbers with Gaussian noise
    Squared,
    /// Labels -1 and 1, of logistic probabilities
    Logistic,
}

/// How well new data are predicted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Score {
    /// Squared error without test noise over noise variance, or minus the log-probability of labels in nats.
    pub(crate) loss: f64,
    /// The loss above the best possible.
    pub(crate) excess: f64,
    /// Rate of wrong labels, and its excess over the best possible; NaN for numbers.
    pub(crate) error_rate: f64,
    pub(crate) excess_error_rate: f64,
}

/// A column of the CSV files.
pub(crate) type Measure = (&'static str, fn(&Score) -> f64);

/// A prediction of new data.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Predictor<'a> {
    /// With these weights plugged in.
    Plugin(&'a Rows),
    /// Averaged over this belief about the weights.
    Averaged(&'a Belief),
}

/// Outputs for `inputs`, or log-odds of labels; `None` where those can't be averaged, or shapes don't fit together.
pub(crate) fn predictions(
    model: &TwoLayerModel,
    predictor: Predictor<'_>,
    inputs: &Rows,
) -> Option<Rows> {
    match (predictor, model.link()) {
        (Predictor::Plugin(weights), None) => model.predict(weights, inputs).ok(),
        (Predictor::Plugin(weights), Some(_)) => model.log_odds(weights, inputs).ok()?,
        (Predictor::Averaged(belief), None) => model.predict_averaged(belief, inputs).ok(),
        (Predictor::Averaged(belief), Some(_)) => model.log_odds_averaged(belief, inputs).ok()?,
    }
}

impl Loss {
    /// How the network makes labels.
    pub(crate) fn link(self) -> Option<Link> {
        match self {
            Self::Squared => None,
            Self::Logistic => Some(Link::Logistic),
        }
    }

    /// Who is compared, the right Adam first: it is what the others are judged by. The L2 weight of the published experiment is
    /// made of its noise variance.
    pub(crate) fn estimators(self) -> &'static [Estimator] {
        const LABELS: [Estimator; 5] = [
            Estimator::Adam,
            Estimator::Mmse { correlated: false },
            Estimator::Mmse { correlated: true },
            Estimator::Map { correlated: false },
            Estimator::Map { correlated: true },
        ];
        match self {
            Self::Squared => &Estimator::ALL,
            Self::Logistic => &LABELS,
        }
    }

    /// What the CSV files say of a prediction, the first being what the table shows.
    pub(crate) fn measures(self) -> &'static [Measure] {
        match self {
            Self::Squared => &[("test_mse", |s| s.loss)],
            Self::Logistic => &[
                ("excess_log_loss", |s| s.excess),
                ("log_loss", |s| s.loss),
                ("error_rate", |s| s.error_rate),
                ("excess_error_rate", |s| s.excess_error_rate),
            ],
        }
    }

    /// The words below the table.
    pub(crate) fn explanation(self) -> [&'static str; 2] {
        match self {
            Self::Squared => [
                "Test error without test noise over noise variance (best possible: 1), medians. A run has failed when",
                "its excess over 1 is more than twice that of `adam` on the same data, or not finite.",
            ],
            Self::Logistic => [
                "Log-loss of new labels above that of their true probabilities, in nats, medians. A run has failed when",
                "it is more than twice that of `adam` on the same data, or not finite.",
            ],
        }
    }

    /// Minus twice the log-density of the data is what Adam minimises, in this unit.
    pub(crate) fn unit(self, noise_variance: f64) -> f64 {
        match self {
            Self::Squared => noise_variance,
            Self::Logistic => 0.5,
        }
    }
}

impl Score {
    /// How well `model` predicts the test data of the problem.
    pub(crate) fn of(
        problem: &TwoLayerProblem,
        model: &TwoLayerModel,
        predictor: Predictor<'_>,
    ) -> Self {
        let test = &problem.test;
        let found = predictions(model, predictor, &test.inputs);
        let Some(link) = model.link() else {
            let error =
                |found: Rows| normalised_test_error(&found, &test.clean, problem.noise_variance);
            return Self::of_numbers(found.map_or(f64::NAN, error));
        };
        let truth: Vec<f64> = test.clean.as_slice().iter().map(|u| link.log_odds(*u)).collect();
        Self::of_labels(found.map(|odds| LabelErrors::of(odds.as_slice(), &truth)))
    }

    /// What state evolution predicts: with the estimate plugged in, and averaged over the belief.
    pub(crate) fn predicted(errors: &LearningErrors, loss: Loss) -> [Self; 2] {
        match loss {
            Loss::Squared => [errors.plugin, errors.averaged].map(Self::of_numbers),
            Loss::Logistic => [errors.plugin_labels, errors.averaged_labels].map(Self::of_labels),
        }
    }

    /// The test error that is linear in what goes wrong: of numbers the loss, of labels the rate of wrong ones.
    pub(crate) fn test_error(&self) -> f64 {
        if self.error_rate.is_nan() { self.loss } else { self.error_rate }
    }

    /// The least such error there is.
    pub(crate) fn best_test_error(&self) -> f64 {
        match self.error_rate.is_nan() {
            true => self.loss - self.excess,
            false => self.error_rate - self.excess_error_rate,
        }
    }

    fn of_numbers(error: f64) -> Self {
        let (error_rate, excess_error_rate) = (f64::NAN, f64::NAN);
        Self { loss: error, excess: error - 1.0, error_rate, excess_error_rate }
    }

    fn of_labels(errors: Option<LabelErrors>) -> Self {
        let of = |value: fn(LabelErrors) -> f64| errors.map_or(f64::NAN, value);
        Self {
            loss: of(|e| e.log_loss),
            excess: of(|e| e.excess_log_loss),
            error_rate: of(|e| e.error_rate),
            excess_error_rate: of(|e| e.excess_error_rate),
        }
    }
}
