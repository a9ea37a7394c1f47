//! What a belief about the unknown of a linear layer says about the outputs of new inputs.

mod score;
#[cfg(test)]
mod tests;

pub use score::predicted_log_density;

use fg_core::Rows;
use fg_core::denoiser::{Likelihood, RowCavity};
use fg_core::factor::Belief;
use fg_core::message::small;

use crate::{ModelError, check};

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
    /// A likelihood whose rows differ must be for these rows.
    ///
    /// # Errors
    /// [`ModelError::Shape`], [`ModelError::NotFinite`] and [`ModelError::Data`] for data that isn't a row a prediction, or that
    /// the likelihood can't have; [`ModelError::NoDensity`] where it has no log-partition function;
    /// [`ModelError::Singular`] where nothing is left unknown in some direction.
    pub fn log_density(
        &self,
        likelihood: &dyn Likelihood,
        data: &Rows,
    ) -> Result<Vec<f64>, ModelError> {
        let (rows, d) = self.mean.shape();
        check::data(likelihood, (rows, d), data)?;
        let [mut factor, mut precision] = [(); 2].map(|()| vec![0.0; d * d]);
        let (mut natural, mut scratch) = (vec![0.0; d], vec![0.0; 2 * d * d]);
        let mut densities = vec![0.0; rows];
        for (i, density) in densities.iter_mut().enumerate() {
            let mean = self.mean.row(i);
            let covariance = &self.covariances[i * d * d..(i + 1) * d * d];
            factor.copy_from_slice(covariance);
            let singular = |_| ModelError::Singular { row: i };
            small::cholesky(&mut factor, d).map_err(singular)?;
            small::invert_positive(covariance, &mut precision, &mut scratch, d)
                .map_err(singular)?;
            natural.copy_from_slice(mean);
            small::solve_lower(&factor, &mut natural, d);
            small::solve_lower_transposed(&factor, &mut natural, d);
            let cavity = RowCavity::new(0, d, &natural, mean, &precision);
            let model = likelihood.row_model(i).unwrap_or(likelihood);
            if !model.log_partition(data.row(i), &cavity, core::slice::from_mut(density)) {
                return Err(ModelError::NoDensity { likelihood: model.name() });
            }
            // Less the logarithm of `int exp(n'z - z' Gamma z / 2) dz`.
            let exponent: f64 = natural.iter().zip(mean).map(|(n, m)| n * m).sum();
            let volume = d as f64 * core::f64::consts::TAU.ln();
            let root: f64 = factor.iter().step_by(d + 1).map(|pivot| pivot.ln()).sum();
            *density -= 0.5 * (exponent + volume) + root;
        }
        Ok(densities)
    }
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
