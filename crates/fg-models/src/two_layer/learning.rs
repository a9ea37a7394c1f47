//! The learning curve as state evolution predicts it: parameter and test error after every sweep, without data.

use fg_core::Options;
use fg_core::denoiser::Estimation;
use fg_core::evolution::{EstimateLaw, Evolution, MessageLaw, Prediction, Spectrum};
use fg_core::operator::{Ensemble, LinearOperator};
use fg_denoisers::prior::Gaussian;

use super::{LabelErrors, Predictor, TwoLayerGraph, TwoLayerModel};
use crate::ModelError;
use crate::metrics::match_predicted_units;
use crate::start::OUTPUT_PORT;

/// Rows of `W1` in the graph that is predicted: only ratios of sizes matter.
const NOMINAL_INPUTS: usize = 1000;

/// What is to be predicted: inputs with independent Gaussian entries, `E |x|^2 = 1`, and a teacher with weights from the
/// model's prior and the model's own second layer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LearningSettings {
    /// Training samples an input, `N / N_in`.
    pub ratio: f64,
    /// Share of the weights' variance that the start has in common with the truth. Default: 0, the uninformed start.
    pub share: f64,
    /// Points of each row integral, and of averages over new labels. Default: 4096.
    pub points: usize,
    /// Options of the run that is predicted. Default: the model's.
    pub options: Options,
}

impl LearningSettings {
    /// From an uninformed start, by the model's options.
    pub fn new(ratio: f64) -> Self {
        Self { ratio, share: 0.0, points: 4096, options: TwoLayerModel::options() }
    }

    /// Default: 0. As [`Start::correlated`](super::Start::correlated).
    #[must_use]
    pub fn with_share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Default: 4096. Doubling them measures the error of integration.
    #[must_use]
    pub fn with_points(mut self, points: usize) -> Self {
        self.points = points;
        self
    }

    /// Default: [`TwoLayerModel::options`].
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }
}

/// Errors after a sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LearningErrors {
    /// Its number, from 1.
    pub sweep: usize,
    /// Mean squared error of an entry of `W1`.
    pub parameter_error: f64,
    /// The same after the hidden units have been [matched](crate::metrics::match_units). Where two output weights are
    /// next to each other, chance decides in a run of finite size which unit is which, and only this error is
    /// predictable.
    pub matched_parameter_error: f64,
    /// Test error in units of the noise with the estimate plugged in, as
    /// [`normalised_test_error`](crate::metrics::normalised_test_error) measures it; 1 is the best possible. NaN with
    /// labels.
    pub plugin: f64,
    /// The same, averaged over the belief about `W1`.
    pub averaged: f64,
    /// How well labels are predicted with the estimate plugged in, in a model of labels.
    pub plugin_labels: Option<LabelErrors>,
    /// The same, averaged over the belief about `W1`, of which a maximiser has none.
    pub averaged_labels: Option<LabelErrors>,
}

/// A predicted learning curve.
#[derive(Clone, Debug, PartialEq)]
pub struct LearningCurve {
    /// Sweep by sweep.
    pub errors: Vec<LearningErrors>,
    /// All that is predicted.
    pub prediction: Prediction,
}

impl TwoLayerModel {
    /// The graph without data, to be drawn from or predicted, for which an [`Ensemble`] will do. With a bias the last
    /// column of the operator, which is meant to be constant, is its input.
    ///
    /// # Errors
    /// [`ModelError`] when a variance isn't positive.
    pub fn unobserved(
        &self,
        operator: impl LinearOperator + 'static,
    ) -> Result<TwoLayerGraph, ModelError> {
        self.assemble(operator, None)
    }

    /// Predicts parameter and test error after every sweep of a run, in the limit of many inputs.
    ///
    /// ```
    /// use fg_core::Rows;
    /// use fg_denoisers::likelihood::{Activation, TwoLayer};
    /// use fg_models::{TwoLayerModel, two_layer::LearningSettings};
    /// let weights = Rows::column(vec![1.0, -0.5]);
    /// let layer = TwoLayer::new(weights, vec![0.0], Activation::Relu, 10.0)?;
    /// let settings = LearningSettings::new(5.0).with_points(256);
    /// let curve = TwoLayerModel::new(layer).learning_curve(&settings)?;
    /// let [first, .., last] = curve.errors.as_slice() else { unreachable!() };
    /// assert!(last.averaged < first.averaged && last.averaged > 1.0);
    /// # Ok::<(), fg_models::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError`] when the ratio isn't positive, the share is outside `[0, 1)`, an option is out of range, or the
    /// model has a bias: its messages have two precisions, which state evolution doesn't follow.
    pub fn learning_curve(&self, settings: &LearningSettings) -> Result<LearningCurve, ModelError> {
        // Entries of X have variance 1 / N_in, those of the law 1 / N.
        let spectrum = Spectrum::marchenko_pastur(settings.ratio)?.scaled(settings.ratio)?;
        let parts = self.unobserved(Ensemble::new(NOMINAL_INPUTS, spectrum))?;
        let graph = parts.builder.build()?;
        let mut evolution = Evolution::new(&graph, &settings.options).with_points(settings.points);
        if self.estimation == Estimation::Map {
            evolution = evolution.with_law(parts.prior, Gaussian::new(0.0, self.weight_variance)?);
        }
        if settings.share != 0.0 {
            let d = self.output.hidden();
            let start = MessageLaw::guess(d, settings.share, self.weight_variance)?;
            evolution = evolution.with_start(parts.operator, OUTPUT_PORT, start);
        }
        let prediction = evolution.run()?;
        let of = |sweep: usize, law: &EstimateLaw| LearningErrors {
            sweep,
            parameter_error: law.mse(),
            matched_parameter_error: self.matched_error(law),
            plugin: self.test_error(law, 1.0, Predictor::PlugIn),
            averaged: self.test_error(law, 1.0, Predictor::Averaged),
            plugin_labels: self.label_errors_at(law, 1.0, Predictor::PlugIn, settings.points),
            averaged_labels: match self.estimation {
                Estimation::Mmse => {
                    self.label_errors_at(law, 1.0, Predictor::Averaged, settings.points)
                }
                Estimation::Map => None,
            },
        };
        let sweeps = prediction.sweeps().iter();
        let errors = sweeps.filter_map(|s| Some(of(s.sweep, s.estimate(parts.weights)?))).collect();
        Ok(LearningCurve { errors, prediction })
    }

    /// Test error in units of the noise (NaN with labels, which have none), `1 + E |yhat - y|^2 / noise variance` an output,
    /// of an estimate of `W1` whose rows have these second moments, for a fresh input with independent entries of mean zero and `E |x|^2 =
    /// input_power`, by this predictor, which averages over the covariance that the estimator claims.
    ///
    /// Hidden rows `(W1' x, What' x)` are then normal with `input_power` times those moments. The averaged predictor is
    /// `E sigma(zhat + e)` over the claimed error `e`; errors of different evaluations being independent, it only adds
    /// to the variances of the kernel of the layer, not to its covariances.
    ///
    /// # Panics
    /// When the law is of another number of columns than the model has hidden units.
    #[track_caller]
    pub fn test_error(&self, law: &EstimateLaw, input_power: f64, predictor: Predictor) -> f64 {
        let d = self.output.hidden();
        assert_eq!(law.columns(), d, "a law of as many columns as there are hidden units");
        let scaled = |m: &[f64]| -> Vec<f64> { m.iter().map(|v| input_power * v).collect() };
        let diagonal = |m: &[f64]| -> Vec<f64> { (0..d).map(|j| m[j * d + j]).collect() };
        let (truth, estimate) = (scaled(law.truth()), scaled(law.estimate()));
        let overlap = scaled(law.overlap());
        let variances = diagonal(&truth);
        let mut spread = diagonal(&estimate);
        if predictor == Predictor::Averaged {
            let claimed = diagonal(&scaled(law.covariance()));
            spread.iter_mut().zip(claimed).for_each(|(v, c)| *v += c);
        }
        let layer = &self.output;
        let error = layer.correlation([&variances, &variances], &truth)
            - 2.0 * layer.correlation([&variances, &spread], &overlap)
            + layer.correlation([&spread, &spread], &estimate);
        // Rounding of three terms of the output's size; the error itself can't be negative.
        layer.noise_precision().map_or(f64::NAN, |precision| 1.0 + error.max(0.0) * precision)
    }

    fn matched_error(&self, law: &EstimateLaw) -> f64 {
        match_predicted_units(law, NOMINAL_INPUTS, self.output.output_weights()).parameter_error
    }
}
