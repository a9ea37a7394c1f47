//! State evolution of each data set's estimators: the same second layer, noise and options, but no data.

use fg_models::two_layer::{LearningErrors, LearningSettings};
use fg_models::{ModelError, TwoLayerModel};

use crate::experiment::{Estimator, Point, SHARE};
use crate::loss::Score;
use crate::options::Setting;

/// A learning curve as predicted.
#[derive(Clone, Debug)]
pub(crate) struct Predicted {
    pub(crate) curve: Vec<Point>,
    pub(crate) status: String,
}

/// Which estimators are predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Predict {
    /// None
    None,
    /// Posterior means from the uninformed start
    Mmse,
    /// Posterior means and maximisers, from both starts
    All,
}

impl Predict {
    pub(crate) fn includes(self, estimator: Estimator) -> bool {
        match self {
            Self::None => false,
            Self::Mmse => estimator == Estimator::Mmse { correlated: false },
            Self::All => matches!(estimator, Estimator::Mmse { .. } | Estimator::Map { .. }),
        }
    }
}

/// The prediction for an estimator of message passing.
pub(crate) fn predict(
    model: &TwoLayerModel,
    estimator: Estimator,
    train: usize,
    setting: &Setting,
) -> Result<Predicted, ModelError> {
    let ratio = train as f64 / setting.inputs as f64;
    let share = if estimator.start() == "correlated" { SHARE } else { 0.0 };
    let settings = LearningSettings::new(ratio).with_share(share).with_points(setting.points);
    let curve = model.learning_curve(&settings)?;
    let point = |e: &LearningErrors| Point {
        iteration: e.sweep,
        scores: Score::predicted(e, setting.loss)[..estimator.predictors().len()].to_vec(),
        parameter_error: e.parameter_error,
        matched_error: e.matched_parameter_error,
    };
    let status = curve.prediction.status().to_string();
    Ok(Predicted { curve: curve.errors.iter().map(point).collect(), status })
}
