//! What a run learns beside the first layer: the noise, and the variance of the weights.

use fg_core::Rows;
use fg_denoisers::likelihood::{Activation, TwoLayer, TwoLayerMmse};
use fg_denoisers::prior::Gaussian;
use fg_denoisers::{ParameterError, Tuned};

use super::TwoLayerModel;
use crate::ModelError;
use crate::start::mean_square;

/// Share of the targets' power that is taken for noise where learning starts: with less, a run that knows nothing yet
/// takes its first guesses for certain.
const NOISE: f64 = 0.5;

impl TwoLayerModel {
    /// A model of which nothing is known but the second layer: the noise in `targets` (`N x N_out`) and the variance of the
    /// weights are learned along with them.
    ///
    /// It starts from half of the power of the targets being noise, and from weights of variance 1. Learned values are in
    /// [`Solution::parameters`](fg_core::Solution::parameters).
    ///
    /// ```
    /// use fg_core::Rows;
    /// use fg_denoisers::likelihood::Activation;
    /// use fg_models::TwoLayerModel;
    ///
    /// let inputs = Rows::from_fn(40, 2, |i, j| ((3 * i + 7 * j) as f64).sin());
    /// let targets = Rows::from_fn(40, 1, |i, _| {
    ///     let x = inputs.row(i);
    ///     (x[0] - x[1]).max(0.0) + 0.1 * (11.0 * i as f64).cos()
    /// });
    /// let second = Rows::column(vec![1.0]);
    /// let model = TwoLayerModel::learning(second, vec![0.0], Activation::Relu, &targets)?;
    /// let fit = model.fit(&inputs, &targets, &TwoLayerModel::options())?;
    /// let noise = fit.noise_variance().expect("it was learned");
    /// assert!((0.002..0.01).contains(&noise), "{noise}");
    /// # Ok::<(), fg_models::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError`] when the second layer isn't finite, its shapes don't fit together, or the targets vanish.
    pub fn learning(
        output_weights: Rows,
        output_bias: Vec<f64>,
        activation: Activation,
        targets: &Rows,
    ) -> Result<Self, ModelError> {
        let power = mean_square(["mean square of the targets", "number of targets"], targets)?;
        let precision = (NOISE * power).recip();
        let layer = TwoLayer::new(output_weights, output_bias, activation, precision)?;
        Ok(Self::new(layer).learn_noise().learn_weight_variance())
    }

    /// Lets a run learn the variance of the noise from the second layer's on. Labels have none, and maximisers learn nothing.
    #[must_use]
    pub fn learn_noise(mut self) -> Self {
        self.learns.noise = true;
        self
    }

    /// Lets a run learn the variance of the weights from the given one on; that of a bias stays. Maximisers learn nothing.
    #[must_use]
    pub fn learn_weight_variance(mut self) -> Self {
        self.learns.variances = true;
        self
    }

    /// The node that learns its noise, where there is one to be learned.
    pub(super) fn learned_noise(&self) -> Result<Option<Tuned>, ParameterError> {
        let Some(precision) = self.output.noise_precision().filter(|_| self.learns.noise) else {
            return Ok(None);
        };
        let layer = self.output.clone();
        let node = move |variance: f64| {
            layer.clone().with_noise_precision(variance.recip()).map(TwoLayerMmse::new)
        };
        Tuned::new(NOISE_VARIANCE, precision.recip(), node).map(Some)
    }

    /// The prior of weights of this variance.
    pub(super) fn gaussian(&self, variance: f64) -> Result<Gaussian, ParameterError> {
        let prior = Gaussian::new(0.0, variance)?;
        Ok(if self.learns.variances { prior.learn_covariance() } else { prior })
    }
}

/// Name of the noise in reports.
pub(super) const NOISE_VARIANCE: &str = "noise variance";
