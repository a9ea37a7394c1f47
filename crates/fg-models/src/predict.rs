//! What a belief about the unknown of a linear layer says about the outputs of new inputs.

use fg_core::Rows;
use fg_core::denoiser::{Likelihood, RowCavity};
use fg_core::evolution::EstimateLaw;
use fg_core::factor::Belief;
use fg_core::message::small;

use crate::pairs::pairs;

/// Outputs of new inputs with what is left unknown about them: row `i` is Gaussian.
#[derive(Clone, Debug)]
pub struct Predicted {
    mean: Rows,
    covariances: Vec<f64>,
}

impl Predicted {
    /// Outputs of which every row is as uncertain, with this covariance (`d x d`).
    pub(crate) fn alike(mean: Rows, covariance: &[f64]) -> Self {
        let covariances = covariance.repeat(mean.rows());
        Self { mean, covariances }
    }

    /// Means, `N x d`.
    pub fn mean(&self) -> &Rows {
        &self.mean
    }

    /// Covariances of the rows, `N x d x d`.
    pub fn covariances(&self) -> &[f64] {
        &self.covariances
    }

    /// Standard deviation of each entry, `N x d`.
    pub fn deviation(&self) -> Rows {
        let d = self.mean.columns();
        let variance = |i: usize, j: usize| self.covariances[(i * d + j) * d + j];
        Rows::from_fn(self.mean.rows(), d, |i, j| variance(i, j).sqrt())
    }

    /// The log-density of each row of `data` under `likelihood`, averaged over what is left unknown,
    /// `log int p(y | z) N(z; mean, covariance) dz`: for labels and counts the logarithm of their probability.
    ///
    /// `None` where the likelihood has no log-partition function, or a covariance is singular. A likelihood whose rows
    /// differ must be for these rows.
    ///
    /// # Panics
    /// When there aren't as many rows of data as predictions, or the likelihood is for another number.
    #[track_caller]
    pub fn log_density(&self, likelihood: &dyn Likelihood, data: &Rows) -> Option<Vec<f64>> {
        let (rows, d) = self.mean.shape();
        assert_eq!(data.rows(), rows, "data needs a row a prediction");
        let expected = likelihood.rows().unwrap_or(rows);
        assert_eq!(rows, expected, "predictions of as many rows as the likelihood is for");
        let [mut factor, mut precision] = [(); 2].map(|()| vec![0.0; d * d]);
        let (mut natural, mut scratch) = (vec![0.0; d], vec![0.0; 2 * d * d]);
        let mut densities = vec![0.0; rows];
        for (i, density) in densities.iter_mut().enumerate() {
            let mean = self.mean.row(i);
            let covariance = &self.covariances[i * d * d..(i + 1) * d * d];
            factor.copy_from_slice(covariance);
            small::cholesky(&mut factor, d).ok()?;
            small::invert_positive(covariance, &mut precision, &mut scratch, d).ok()?;
            natural.copy_from_slice(mean);
            small::solve_lower(&factor, &mut natural, d);
            small::solve_lower_transposed(&factor, &mut natural, d);
            let cavity = RowCavity::new(0, d, &natural, mean, &precision);
            let model = likelihood.row_model(i).unwrap_or(likelihood);
            if !model.log_partition(data.row(i), &cavity, core::slice::from_mut(density)) {
                return None;
            }
            // Less the logarithm of `int exp(n'z - z' Gamma z / 2) dz`.
            let exponent: f64 = natural.iter().zip(mean).map(|(n, m)| n * m).sum();
            let volume = d as f64 * core::f64::consts::TAU.ln();
            let root: f64 = factor.iter().step_by(d + 1).map(|pivot| pivot.ln()).sum();
            *density -= 0.5 * (exponent + volume) + root;
        }
        Some(densities)
    }
}

/// Points of the average over new data. Doubled, they change the prediction of a sparse logistic model by less than 1e-3.
const POINTS: usize = 32_768;

/// The mean log-density of new data under `likelihood` that state evolution predicts, [`Predicted::log_density`] averaged
/// over new inputs with independent entries and `E |x|^2 = input_power`, and over data drawn from the likelihood: less, by the
/// information that is lost, than under the truth. `law` is that of the unknown `X` of a linear layer.
///
/// `None` where the likelihood can't be drawn from or has no log-partition function, where nothing is left unknown, and for
/// likelihoods whose rows differ: ask for the model of each row.
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
/// assert!(score.is_some_and(|score| (-0.55..-0.45).contains(&score)), "{score:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// When the likelihood is for another number of columns than the law.
#[track_caller]
pub fn predicted_log_density(
    law: &EstimateLaw,
    input_power: f64,
    likelihood: &dyn Likelihood,
) -> Option<f64> {
    let d = law.columns();
    let expected = likelihood.columns().unwrap_or(d);
    assert_eq!(d, expected, "a law of as many columns as the likelihood is for");
    if likelihood.rows().is_some() || likelihood.row_model(0).is_some() {
        return None;
    }
    let uniforms = likelihood.uniforms(d)?;
    let (truth, mean, uniforms) = pairs(law, input_power, uniforms, POINTS);
    let mut data = Rows::zeros(mean.rows(), likelihood.outputs(d));
    for i in 0..mean.rows() {
        likelihood.draw(truth.row(i), uniforms.row(i), data.row_mut(i));
    }
    let claimed: Vec<f64> = law.covariance().iter().map(|c| input_power * c).collect();
    let predicted = Predicted::alike(mean, &claimed);
    let densities = predicted.log_density(likelihood, &data)?;
    Some(densities.iter().sum::<f64>() / densities.len() as f64)
}

/// `Z = inputs X` (`N x d`) for the belief about `X` and `inputs` (`N x n`): row `i` has the mean `Xhat' a_i` and the
/// covariance `sum_k a_ik^2 C_k`, `C_k` being that of row `k` of `X`, averaged over the block of rows it shares its
/// precision with. A row of `X` beyond the columns of the inputs is a bias, whose input is 1.
#[track_caller]
pub(crate) fn predict(belief: &Belief, inputs: &Rows) -> Predicted {
    let mean = outputs(belief.mean(), inputs);
    let (rows, d) = mean.shape();
    let (layout, size) = (belief.layout(), d * d);
    let mut covariances = vec![0.0; rows * size];
    for (i, covariance) in covariances.chunks_exact_mut(size).enumerate() {
        let x = inputs.row(i);
        for b in 0..layout.blocks() {
            let squares = layout.range(b).map(|k| x.get(k).map_or(1.0, |x| x * x));
            let length: f64 = squares.sum();
            let block = &belief.covariances()[b * size..(b + 1) * size];
            covariance.iter_mut().zip(block).for_each(|(c, v)| *c += length * v);
        }
    }
    Predicted { mean, covariances }
}

/// `inputs X`, where a row of `X` beyond the columns of the inputs is a bias.
#[track_caller]
pub(crate) fn outputs(unknown: &Rows, inputs: &Rows) -> Rows {
    let (n, d) = unknown.shape();
    let columns = inputs.columns();
    assert!(
        n == columns || n == columns + 1,
        "{n} rows of weights for inputs of {columns} columns"
    );
    let mut outputs = Rows::zeros(inputs.rows(), d);
    for i in 0..inputs.rows() {
        let z = outputs.row_mut(i);
        if n > columns {
            z.copy_from_slice(unknown.row(columns));
        }
        for (k, x) in inputs.row(i).iter().enumerate() {
            z.iter_mut().zip(unknown.row(k)).for_each(|(z, w)| *z += x * w);
        }
    }
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;
    use fg_core::Options;
    use fg_core::evolution::Spectrum;
    use fg_core::operator::Ensemble;
    use fg_denoisers::likelihood::{Awgn, Sign};
    use fg_denoisers::{Gaussian, Masked, PerRow};

    fn predicted(mean: Rows, covariances: Vec<f64>) -> Predicted {
        Predicted { mean, covariances }
    }

    #[test]
    fn densities_of_gaussian_data_are_those_of_the_sum() {
        let (mean, covariance) = (Rows::from_fn(1, 2, |_, j| j as f64), vec![2.0, 0.6, 0.6, 1.0]);
        let data = Rows::from_fn(1, 2, |_, j| 0.5 - 2.0 * j as f64);
        let noise = Awgn::new(4.0).unwrap();
        let found = predicted(mean, covariance).log_density(&noise, &data).unwrap();
        // N(y; mean, C + I / 4), the difference being (0.5, -2.5).
        let (a, b, c) = (2.25, 0.6, 1.25);
        let determinant: f64 = a * c - b * b;
        let square = (c * 0.25 + 2.0 * b * 0.5 * 2.5 + a * 6.25) / determinant;
        let expected = -0.5 * (square + determinant.ln()) - core::f64::consts::TAU.ln();
        assert!((found[0] - expected).abs() < 1e-13, "{found:?} {expected}");
    }

    #[test]
    fn every_row_has_its_own_model() {
        let noises = [4.0, 0.25].map(|precision| Awgn::new(precision).unwrap());
        let data = Rows::column(vec![0.5, -1.0]);
        let both = predicted(Rows::column(vec![1.0, 1.0]), vec![2.0, 2.0]);
        let alone = |i: usize| both.log_density(&noises[i], &data).unwrap()[i];
        let model = PerRow::likelihoods(noises.to_vec()).unwrap();
        assert_eq!(both.log_density(&model, &data).unwrap(), [alone(0), alone(1)]);
        // What isn't measured has no surprises.
        let gaps = Masked::new(model, &[false, true]).unwrap();
        let found = both.log_density(&gaps, &data).unwrap();
        assert!(found[0].abs() < 1e-15, "{found:?}");
        assert_eq!(found[1..], [alone(1)]);
    }

    #[test]
    #[should_panic(expected = "as many rows as the likelihood is for")]
    fn a_model_of_other_rows_is_refused() {
        let model = PerRow::likelihoods(vec![Awgn::new(1.0).unwrap(); 3]).unwrap();
        let both = predicted(Rows::column(vec![1.0, 1.0]), vec![2.0, 2.0]);
        both.log_density(&model, &Rows::column(vec![0.5, -1.0]));
    }

    #[test]
    fn no_score_is_predicted_for_rows_that_differ() {
        let operator = Ensemble::new(100, Spectrum::marchenko_pastur(2.0).unwrap());
        let noise = Awgn::new(4.0).unwrap();
        let prior = Gaussian::new(0.0, 1.0).unwrap();
        let model = crate::generalised::unobserved(operator, 1, prior, noise.clone());
        let signal = model.signal;
        let graph = model.builder.build().unwrap();
        let prediction = graph.predict(&Options::default()).unwrap();
        let law = prediction.estimate(signal);
        assert!(predicted_log_density(law, 1.0, &noise).is_some_and(f64::is_finite));
        let rows = PerRow::likelihoods(vec![noise; 3]).unwrap();
        assert_eq!(predicted_log_density(law, 1.0, &rows), None);
    }

    #[test]
    fn probabilities_of_labels_sum_to_one() {
        let model = predicted(Rows::column(vec![0.3, -2.0]), vec![1.7, 0.2]);
        let probability = |label: f64| {
            let labels = Rows::column(vec![label; 2]);
            model.log_density(&Sign::new(), &labels).unwrap()
        };
        for (yes, no) in probability(1.0).iter().zip(probability(-1.0)) {
            assert!((yes.exp() + no.exp() - 1.0).abs() < 1e-14, "{yes} {no}");
        }
    }
}
