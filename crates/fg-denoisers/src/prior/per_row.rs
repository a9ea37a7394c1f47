//! Rows that differ: an instance of a family for each.

use std::sync::Arc;

use fg_core::denoiser::{
    Denoiser, Estimation, GaussianRow, Law, Likelihood, RowCavity, RowEstimate, Scratch,
};
use fg_core::factor::Breakdown;

use crate::error::ParameterError;
use crate::family::{alike, part};

/// A prior, penalty or likelihood with parameters of its own in every row, such as a known variance per observation.
///
/// # Density
///
/// ```text
/// f(X) = prod_i f_i(x_i),      p(Y | Z) = prod_i p_i(y_i | z_i)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | rows | - | one or more | the model of each row |
///
/// # Estimate
///
/// Each row's own. All answer with means, or all with maximisers, for one number of columns and outputs.
///
/// # Learning
///
/// None, and models that are asked to learn are refused: a parameter that belongs to one row is fitted to one row, and the
/// likelihood then has its maximum where the row is certain, such as at a variance of zero. Rows that share a model share what
/// it learns: [`Grouped`](crate::Grouped) for groups in any order, [`Stacked`](crate::Stacked) for blocks.
///
/// # Numerical notes
///
/// Rows of one column of [`Gaussian`](crate::Gaussian), [`Awgn`](crate::Awgn) and, of one variance of noise,
/// [`Quantised`](crate::Quantised) are answered by one loop over registers of rows, whose parameters stand beside them. Others
/// are estimated one by one, so that what a model prepares for a call is prepared for each row. A likelihood finds its row
/// by the cavity's first row; checks, draws and constant messages go by
/// [`row_model`](Likelihood::row_model). Where messages of a variable are to keep the rows' different precisions, give it a
/// precision per row ([`Structure`](fg_core::Structure)).
///
/// # Reference
///
/// None: the density factorises.
///
/// # Example
///
/// Three measurements of known, different precision.
///
/// ```
/// use fg_core::denoiser::Likelihood;
/// use fg_denoisers::{Awgn, PerRow};
/// let variances = [0.1, 0.4, 2.0];
/// let noise = variances.into_iter().map(Awgn::from_variance).collect::<Result<Vec<_>, _>>()?;
/// let noise = PerRow::likelihoods(noise)?;
/// let second = noise.row_model(1).and_then(|row| row.gaussian(&[3.0])).expect("a Gaussian");
/// assert_eq!(second.precision, vec![2.5]);
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PerRow<T> {
    models: Vec<T>,
    together: Together,
}

/// All models as one estimator of one column, for families that have one.
#[derive(Clone, Debug)]
enum Together {
    None,
    Denoiser(Arc<dyn Denoiser>),
    Likelihood(Arc<dyn Likelihood>),
}

impl<T: PartialEq> PartialEq for PerRow<T> {
    fn eq(&self, other: &Self) -> bool {
        self.models == other.models
    }
}

impl<T> PerRow<T> {
    fn checked(models: Vec<T>, learns: impl Fn(&T) -> bool) -> Result<Self, ParameterError> {
        if models.is_empty() {
            return Err(ParameterError::Length { parameter: "rows", expected: 1, found: 0 });
        }
        match models.iter().position(learns) {
            Some(block) => Err(ParameterError::LearnsAlone { block }),
            None => Ok(Self { models, together: Together::None }),
        }
    }

    /// The models of the rows.
    pub fn models(&self) -> &[T] {
        &self.models
    }

    /// Asserts that there is a model for each row of the cavity.
    #[track_caller]
    fn within(&self, cavity: &RowCavity<'_>) {
        let (end, rows) = (cavity.first_row() + cavity.len(), self.models.len());
        assert!(end <= rows, "rows up to {end} of {rows} rows");
    }

    /// The model of a row.
    #[track_caller]
    fn model(&self, row: usize) -> &T {
        assert!(row < self.models.len(), "row {row} of {} rows", self.models.len());
        &self.models[row]
    }
}

impl<T: Denoiser> PerRow<T> {
    /// A prior or penalty for each row, from the first on.
    ///
    /// # Errors
    /// [`ParameterError`] without rows, for a model that learns, is for a number of rows or estimates all rows together, and
    /// for models that are for different numbers of columns or answer differently (means or maximisers).
    pub fn denoisers(models: Vec<T>) -> Result<Self, ParameterError> {
        alike::denoisers(models.iter())?;
        let mut rows = Self::checked(models, |m| !m.learning().is_empty())?;
        if let Some(together) = T::side_by_side(&rows.models) {
            rows.together = Together::Denoiser(together.into());
        }
        Ok(rows)
    }
}

impl<T: Likelihood> PerRow<T> {
    /// A likelihood for each row, from the first on.
    ///
    /// # Errors
    /// As [`denoisers`](Self::denoisers), and for likelihoods of different numbers of values a row.
    pub fn likelihoods(models: Vec<T>) -> Result<Self, ParameterError> {
        alike::likelihoods(models.iter())?;
        let mut rows = Self::checked(models, |m| !m.learning().is_empty())?;
        if let Some(together) = T::side_by_side(&rows.models) {
            rows.together = Together::Likelihood(together.into());
        }
        Ok(rows)
    }
}

impl<T: Denoiser> Denoiser for PerRow<T> {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        if let (1, Together::Denoiser(together)) = (d, &self.together) {
            self.within(cavity);
            return together.estimate(cavity, out, scratch);
        }
        for i in 0..cavity.len() {
            let row = cavity.first_row() + i;
            let mut out = part::answers(out, i..i + 1, d);
            self.model(row).estimate(&part::rows(cavity, i..i + 1), &mut out, scratch)?;
        }
        Ok(())
    }

    fn columns(&self) -> Option<usize> {
        self.models.iter().find_map(Denoiser::columns)
    }

    fn rows(&self) -> Option<usize> {
        Some(self.models.len())
    }

    fn estimation(&self) -> Estimation {
        self.models[0].estimation()
    }

    fn gaussian(&self, row: usize, d: usize) -> Option<GaussianRow> {
        self.models.get(row)?.gaussian(0, d)
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let mut rows = out.iter_mut().enumerate();
        rows.all(|(i, out)| {
            let model = self.model(cavity.first_row() + i);
            model.log_partition(&part::rows(cavity, i..i + 1), core::slice::from_mut(out))
        })
    }

    fn row_law(&self, row: usize) -> Option<&dyn Law> {
        self.models.get(row)?.row_law(0)
    }

    fn name(&self) -> String {
        format!("{} per row", self.models[0].name())
    }
}

impl<T: Likelihood> Likelihood for PerRow<T> {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        if let (1, Together::Likelihood(together)) = (d, &self.together) {
            self.within(cavity);
            return together.estimate(observed, cavity, out, scratch);
        }
        let data = observed.chunks_exact(self.outputs(d));
        for (i, data) in data.enumerate() {
            let row = cavity.first_row() + i;
            let mut out = part::answers(out, i..i + 1, d);
            self.model(row).estimate(data, &part::rows(cavity, i..i + 1), &mut out, scratch)?;
        }
        Ok(())
    }

    fn outputs(&self, d: usize) -> usize {
        self.models[0].outputs(d)
    }

    fn columns(&self) -> Option<usize> {
        self.models.iter().find_map(Likelihood::columns)
    }

    fn rows(&self) -> Option<usize> {
        Some(self.models.len())
    }

    fn row_model(&self, row: usize) -> Option<&dyn Likelihood> {
        self.models.get(row).map(|model| model as &dyn Likelihood)
    }

    fn estimation(&self) -> Estimation {
        self.models[0].estimation()
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let data = observed.chunks_exact(self.outputs(cavity.columns()));
        out.iter_mut().zip(data).enumerate().all(|(i, (out, data))| {
            let model = self.model(cavity.first_row() + i);
            model.log_partition(data, &part::rows(cavity, i..i + 1), core::slice::from_mut(out))
        })
    }

    /// As many as the row that needs most.
    fn uniforms(&self, d: usize) -> Option<usize> {
        self.models.iter().try_fold(0, |most, model| Some(model.uniforms(d)?.max(most)))
    }

    fn name(&self) -> String {
        format!("{} per row", self.models[0].name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Awgn, Gaussian, HuberNoise, L1, Logistic, Masked, Quantised, Softmax};

    #[test]
    fn rows_that_do_not_go_together_are_named() {
        let isotropic = Gaussian::new(0.0, 1.0).unwrap();
        let row = |d: usize| Gaussian::with_variances(&vec![0.0; d], &vec![1.0; d]).unwrap();
        let priors = |models: Vec<Gaussian>| PerRow::denoisers(models).map(|_| ());
        let none = ParameterError::Length { parameter: "rows", expected: 1, found: 0 };
        assert_eq!(priors(Vec::new()), Err(none));
        assert_eq!(priors(vec![isotropic.clone(), row(2), row(2)]), Ok(()));
        let columns = ParameterError::MixedColumns { block: 2 };
        assert_eq!(priors(vec![row(2), isotropic.clone(), row(3)]), Err(columns));
        let huber = || HuberNoise::new(1.0, 1.0).unwrap();
        let mixed = PerRow::likelihoods(vec![huber(), huber().maximised()]);
        assert_eq!(mixed.unwrap_err(), ParameterError::MixedEstimation { block: 1 });
        let learns = vec![isotropic.clone(), isotropic.clone().learn_mean()];
        assert_eq!(priors(learns), Err(ParameterError::LearnsAlone { block: 1 }));
        let noise = vec![Awgn::new(1.0).unwrap().learn_noise()];
        let learns = PerRow::likelihoods(noise).unwrap_err();
        assert_eq!(learns, ParameterError::LearnsAlone { block: 0 });
        assert_eq!(
            learns.to_string(),
            "row 0 must not learn, as all there is to learn from is that row"
        );
    }

    #[test]
    fn models_of_many_rows_are_no_models_of_one() {
        let pair = PerRow::denoisers(vec![L1::new(1.0).unwrap(); 2]).unwrap();
        let nested = PerRow::denoisers(vec![pair]).unwrap_err();
        assert_eq!(nested, ParameterError::NotRowWise { block: 0 });
        let masked = Masked::new(Logistic::new(), &[true]).unwrap();
        let masked = PerRow::likelihoods(vec![masked]).unwrap_err();
        assert_eq!(masked, ParameterError::NotRowWise { block: 0 });
        let classes = [2, 3].map(|d| Softmax::new(d).unwrap());
        let columns = PerRow::likelihoods(classes.to_vec()).unwrap_err();
        assert_eq!(columns, ParameterError::MixedColumns { block: 1 });
    }

    /// A handful of rounding errors.
    const ROUNDING: f64 = 1e-14;
    const ROWS: usize = 23;

    #[test]
    fn rows_side_by_side_are_answered_as_each_by_itself() {
        let gaussians: Vec<_> =
            (0..ROWS).map(|i| Gaussian::new(i as f64 - 3.0, (i % 4) as f64).unwrap()).collect();
        let noises: Vec<_> = (0..ROWS).map(|i| Awgn::new(0.5 + i as f64).unwrap()).collect();
        let bins = |i: usize| Quantised::new(&[-1.0, 0.1 * i as f64, 5.0], 0.3).unwrap();
        let bins: Vec<_> = (0..ROWS).map(bins).collect();
        let prior = PerRow::denoisers(gaussians.clone()).unwrap();
        let noise = PerRow::likelihoods(noises.clone()).unwrap();
        let quantised = PerRow::likelihoods(bins.clone()).unwrap();
        assert!(matches!(prior.together, Together::Denoiser(_)));
        assert!(matches!(noise.together, Together::Likelihood(_)));
        assert!(matches!(quantised.together, Together::Likelihood(_)));
        let n: Vec<f64> = (0..ROWS).map(|i| 0.7 * i as f64 - 8.0).collect();
        let y: Vec<f64> = (0..ROWS).map(|i| (i % 4) as f64).collect();
        // From the third row on.
        let first = 3;
        for gamma in [0.0, 1e-3, 2.0, 1e9] {
            let ask = |model: &dyn Fn(&RowCavity<'_>, &mut RowEstimate<'_>, &mut Scratch)| {
                let (mut mean, mut variance) = ([0.0; ROWS - 3], [0.0; ROWS - 3]);
                let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
                let precision = [gamma];
                let cavity = RowCavity::new(first, 1, &n[first..], &n[first..], &precision);
                model(&cavity, &mut out, &mut Scratch::default());
                (mean, variance)
            };
            let one = |i: usize, model: &dyn Fn(&RowCavity<'_>, &mut RowEstimate<'_>)| {
                let (mut mean, mut variance) = ([0.0], [0.0]);
                let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
                model(&RowCavity::new(0, 1, &n[i..=i], &n[i..=i], &[gamma]), &mut out);
                (mean[0], variance[0])
            };
            let close = |found: (f64, f64), expected: (f64, f64)| {
                let scale = expected.0.abs() + expected.1.sqrt();
                assert!((found.0 - expected.0).abs() <= ROUNDING * scale, "{found:?} {expected:?}");
                assert!((found.1 - expected.1).abs() <= ROUNDING * expected.1, "{gamma}");
            };
            let priors = ask(&|c, out, s| Denoiser::estimate(&prior, c, out, s).unwrap());
            let seen = ask(&|c, out, s| noise.estimate(&y[first..], c, out, s).unwrap());
            for k in 0..ROWS - first {
                let (i, scratch) = (first + k, Scratch::default);
                let alone =
                    one(i, &|c, out| gaussians[i].estimate(c, out, &mut scratch()).unwrap());
                close((priors.0[k], priors.1[k]), alone);
                let data = &y[i..=i];
                let alone =
                    one(i, &|c, out| noises[i].estimate(data, c, out, &mut scratch()).unwrap());
                close((seen.0[k], seen.1[k]), alone);
            }
            // Outer bins are improper without a cavity.
            if gamma == 0.0 {
                continue;
            }
            let binned = ask(&|c, out, s| quantised.estimate(&y[first..], c, out, s).unwrap());
            for k in 0..ROWS - first {
                let (i, data) = (first + k, &y[first + k..=first + k]);
                let alone = one(i, &|c, out| {
                    bins[i].estimate(data, c, out, &mut Scratch::default()).unwrap();
                });
                close((binned.0[k], binned.1[k]), alone);
            }
        }
    }

    #[test]
    fn noise_without_end_is_left_to_its_own_row() {
        let flat = Awgn::new(f64::MIN_POSITIVE / 1e3).unwrap();
        let rows = PerRow::likelihoods(vec![Awgn::new(1.0).unwrap(), flat]).unwrap();
        assert!(matches!(rows.together, Together::None));
        let bins = [0.1, 0.2].map(|v| Quantised::new(&[0.0], v).unwrap());
        let rows = PerRow::likelihoods(bins.to_vec()).unwrap();
        assert!(matches!(rows.together, Together::None));
    }
}
