//! The output of a two-layer network, `u = W2' sigma(z) + b2`, with noise or as a label, as a likelihood of its hidden rows
//! `z`.
//!
//! [`TwoLayer`] holds the parameters; [`TwoLayerMmse`] answers with posterior means, [`TwoLayerMap`] with
//! maximisers. With a linear activation and noise both are Gaussian and exact.

mod activation;
mod average;
mod batch;
mod density;
mod frame;
mod jumps;
#[cfg(test)]
mod label_maximiser_tests;
mod label_patterns;
#[cfg(test)]
mod label_tests;
mod labels;
mod line;
mod linear;
mod maximiser;
#[cfg(test)]
mod maximiser_tests;
mod newton;
mod nodes;
#[cfg(test)]
mod noise_tests;
mod output;
mod patterns;
mod posterior;
mod sets;
mod smooth;
mod starts;
#[cfg(test)]
mod trial_tests;
mod trials;
mod unit;

pub use activation::Activation;
pub use maximiser::TwoLayerMap;
pub use output::{Link, Output};
pub use posterior::TwoLayerMmse;

use fg_core::Rows;
use fg_core::denoiser::GaussianRow;

use crate::ParameterError;

/// The known second layer: `y = W2' sigma(z) + b2 + noise`, noise `~ N(0, I / noise_precision)`, or labels -1 and 1 of
/// probability `link(y (W2' sigma(z) + b2))`.
///
/// | parameter | shape | range |
/// |---|---|---|
/// | `output_weights` | `d x outputs`, `W2` | finite, neither side empty |
/// | `bias` | `outputs`, `b2` | finite |
/// | `activation` | | see [`Activation`] |
/// | `noise_precision` | | above zero, finite |
/// | `link` | | see [`Link`]; for a single output |
#[derive(Clone, Debug, PartialEq)]
pub struct TwoLayer {
    weights: Rows,
    bias: Vec<f64>,
    activation: Activation,
    output: Output,
}

impl TwoLayer {
    /// The second layer with `output_weights` (`d x outputs`) and `bias` (`outputs`).
    ///
    /// # Errors
    /// [`ParameterError`] naming the parameter that is outside its range.
    pub fn new(
        output_weights: Rows,
        bias: Vec<f64>,
        activation: Activation,
        noise_precision: f64,
    ) -> Result<Self, ParameterError> {
        if !(noise_precision > 0.0 && noise_precision < f64::INFINITY) {
            let (value, requirement) = (noise_precision, "above zero and finite");
            let parameter = "noise_precision";
            return Err(ParameterError::OutOfRange { parameter, value, requirement });
        }
        let output = Output::Noise { precision: noise_precision };
        Self::with_output(output_weights, bias, activation, output)
    }

    /// The same layer with noise of another precision.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_noise_precision(self, precision: f64) -> Result<Self, ParameterError> {
        Self::new(self.weights, self.bias, self.activation, precision)
    }

    /// The second layer of a classifier, with `output_weights` (`d`) and `bias` of its single output.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn labels(
        output_weights: &[f64],
        bias: f64,
        activation: Activation,
        link: Link,
    ) -> Result<Self, ParameterError> {
        link.check()?;
        let weights = Rows::column(output_weights.to_vec());
        Self::with_output(weights, vec![bias], activation, Output::Label(link))
    }

    fn with_output(
        output_weights: Rows,
        bias: Vec<f64>,
        activation: Activation,
        output: Output,
    ) -> Result<Self, ParameterError> {
        let error = |parameter, value, requirement| {
            Err(ParameterError::OutOfRange { parameter, value, requirement })
        };
        let (d, outputs) = output_weights.shape();
        if d == 0 || outputs == 0 {
            return error("output_weights", 0.0, "a matrix of at least one row and one column");
        }
        if let Some(at) = output_weights.first_non_finite() {
            return error("output_weights", output_weights[at], "finite");
        }
        if bias.len() != outputs {
            return error("bias", bias.len() as f64, "one value for each column of output_weights");
        }
        if let Some(&value) = bias.iter().find(|v| !v.is_finite()) {
            return error("bias", value, "finite");
        }
        activation.check()?;
        Ok(Self { weights: output_weights, bias, activation, output })
    }

    /// `d`, the number of hidden units.
    pub fn hidden(&self) -> usize {
        self.weights.rows()
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.weights.columns()
    }

    /// `W2`, `d x outputs`.
    pub fn output_weights(&self) -> &Rows {
        &self.weights
    }

    /// `b2`.
    pub fn bias(&self) -> &[f64] {
        &self.bias
    }

    /// `sigma`.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// What the outputs become.
    pub fn output(&self) -> Output {
        self.output
    }

    /// Precision of the noise on each output; none with labels.
    pub fn noise_precision(&self) -> Option<f64> {
        match self.output {
            Output::Noise { precision } => Some(precision),
            Output::Label(_) => None,
        }
    }

    /// The noiseless output `W2' sigma(z) + b2` of the hidden row `z` (`d`), into `y` (`outputs`).
    ///
    /// # Panics
    /// When a length doesn't fit.
    #[track_caller]
    pub fn predict(&self, z: &[f64], y: &mut [f64]) {
        self.combine(z.len(), y, |j| self.activation.value(z[j]));
    }

    /// The mean output `E[W2' sigma(z) + b2]` for `z ~ N(mean, covariance)` (`d` and `d x d`), into `y`
    /// (`outputs`): the Bayes prediction for a hidden row known up to a Gaussian. Only the variances of single
    /// units matter.
    ///
    /// # Panics
    /// When a length doesn't fit.
    #[track_caller]
    pub fn average(&self, mean: &[f64], covariance: &[f64], y: &mut [f64]) {
        let d = self.hidden();
        assert_eq!(covariance.len(), d * d, "a covariance of {d} x {d}");
        self.combine(mean.len(), y, |j| self.activation.average(mean[j], covariance[j * d + j]));
    }

    /// `E f(a) f(b)`, averaged over outputs, of the second layer without its bias, `f(z) = W2' sigma(z)`, for two hidden
    /// rows that are jointly normal around zero: `variances` of the units of either, and `cross`, `E a' b` (`d x d`).
    ///
    /// With it the errors of a trained layer on fresh inputs follow from second moments alone.
    ///
    /// # Panics
    /// When a length doesn't fit.
    #[track_caller]
    pub fn correlation(&self, variances: [&[f64]; 2], cross: &[f64]) -> f64 {
        let d = self.hidden();
        assert!(variances.iter().all(|v| v.len() == d), "a variance a hidden unit, {d}");
        assert_eq!(cross.len(), d * d, "a covariance of {d} x {d}");
        let mut sum = 0.0;
        for j in 0..d {
            for k in 0..d {
                let weights = self.weights.row(j).iter().zip(self.weights.row(k));
                let weight: f64 = weights.map(|(a, b)| a * b).sum();
                let pair = [variances[0][j], variances[1][k]];
                sum += weight * self.activation.correlation(pair, cross[j * d + k]);
            }
        }
        sum / self.outputs() as f64
    }

    #[track_caller]
    fn combine(&self, found: usize, y: &mut [f64], unit: impl Fn(usize) -> f64) {
        assert_eq!(found, self.hidden(), "a row of as many hidden units as W2 has rows");
        assert_eq!(y.len(), self.outputs(), "a row of as many outputs as W2 has columns");
        y.copy_from_slice(&self.bias);
        for j in 0..self.hidden() {
            let value = unit(j);
            for (y, w) in y.iter_mut().zip(self.weights.row(j)) {
                *y += w * value;
            }
        }
    }

    /// How many uniforms [`draw`](Self::draw) takes: one for each output.
    pub fn uniforms(&self) -> usize {
        self.outputs()
    }

    /// Draws the data of hidden row `z`, its prediction with noise or its label, made of `uniforms` in `[0, 1)`.
    ///
    /// # Panics
    /// When a length doesn't fit.
    #[track_caller]
    pub fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        assert_eq!(uniforms.len(), self.uniforms(), "one uniform for each output");
        self.predict(z, y);
        for (y, u) in y.iter_mut().zip(uniforms) {
            *y = self.output.draw(*y, *u);
        }
    }

    /// The Gaussian in `z` that a row of data amounts to under a linear activation.
    pub(crate) fn gaussian(&self, observed: &[f64]) -> Option<GaussianRow> {
        let lambda = self.noise_precision()?;
        (self.activation == Activation::Linear).then(|| {
            let d = self.hidden();
            let pull = |j: usize| {
                let residuals = observed.iter().zip(&self.bias).map(|(y, b)| y - b);
                self.weights.row(j).iter().zip(residuals).map(|(w, r)| lambda * w * r).sum()
            };
            let mut precision = vec![0.0; d * d];
            self.gram(&mut precision);
            precision.iter_mut().for_each(|p| *p *= lambda);
            GaussianRow { natural: (0..d).map(pull).collect(), precision, known: false }
        })
    }

    /// `W2 W2'`, `d x d`.
    fn gram(&self, out: &mut [f64]) {
        let d = self.hidden();
        for (k, out) in out.iter_mut().enumerate() {
            let (a, b) = (self.weights.row(k / d), self.weights.row(k % d));
            *out = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        }
    }

    fn check_row(&self, observed: &[f64]) -> Result<(), String> {
        self.output.check(observed)
    }

    fn name(&self) -> String {
        let kind = if self.noise_precision().is_some() { "two-layer" } else { "two-layer labels" };
        format!("{kind} {:?}", self.activation)
    }
}
