//! How well a linear layer is predicted to predict: the mean log-density of new data, from the law of its estimate alone.

use fg_core::Rows;
use fg_core::denoiser::Likelihood;
use fg_core::evolution::EstimateLaw;

use super::Predicted;
use crate::pairs::pairs;
use crate::{ModelError, check};

/// Points of the average over new data. Doubled, they change the prediction of a sparse logistic model by less than 1e-3.
const POINTS: usize = 32_768;

/// The mean log-density of new data under `likelihood` that state evolution predicts, [`Predicted::log_density`] averaged
/// over new inputs with independent entries and `E |x|^2 = input_power`, and over data drawn from the likelihood: less, by the
/// information that is lost, than under the truth. `law` is that of the unknown `X` of a linear layer.
///
/// ```
/// use fg_core::{Options, evolution::Spectrum, operator::Ensemble};
/// use fg_denoisers::{Gaussian, Logistic};
/// use fg_models::{generalised, predicted_log_density};
///
/// // Labels are ten times as many as features; inputs have a power of one.
/// let operator = Ensemble::new(1000, Spectrum::marchenko_pastur(10.0)?.scaled(10.0)?);
/// let model = generalised::unobserved(operator, 1, Gaussian::new(0.0, 4.0)?, Logistic::new());
/// let signal = model.signal;
/// let prediction = model.builder.build()?.predict(&Options::default())?;
/// let score = predicted_log_density(prediction.estimate(signal), 1.0, &Logistic::new());
/// assert!((-0.55..-0.45).contains(&score?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ModelError::NoDensity`] where the likelihood can't be drawn from or has no log-partition function;
/// [`ModelError::Singular`] where nothing is left unknown; [`ModelError::Data`] for a likelihood of another number of columns
/// than the law, and for one whose rows differ: ask for the model of each row.
pub fn predicted_log_density(
    law: &EstimateLaw,
    input_power: f64,
    likelihood: &dyn Likelihood,
) -> Result<f64, ModelError> {
    let (d, name) = (law.columns(), || likelihood.name());
    check::columns(likelihood, d)?;
    if likelihood.rows().is_some() || likelihood.row_model(0).is_some() {
        let reason = "its rows differ: ask for the model of each".to_owned();
        return Err(ModelError::Data { likelihood: name(), reason });
    }
    let none = || ModelError::NoDensity { likelihood: name() };
    let uniforms = likelihood.uniforms(d).ok_or_else(none)?;
    let (truth, mean, uniforms) = pairs(law, input_power, uniforms, POINTS);
    let mut data = Rows::zeros(mean.rows(), likelihood.outputs(d));
    for i in 0..mean.rows() {
        likelihood.draw(truth.row(i), uniforms.row(i), data.row_mut(i));
    }
    let claimed: Vec<f64> = law.covariance().iter().map(|c| input_power * c).collect();
    let predicted = Predicted::alike(mean, &claimed);
    let densities = predicted.log_density(likelihood, &data)?;
    Ok(densities.iter().sum::<f64>() / densities.len() as f64)
}
