//! Groups of rows, each group with an instance of its own that learns from all of them.

use core::ops::Range;
use std::sync::Arc;

use fg_core::denoiser::{
    Denoiser, Estimation, GaussianRow, Law, Likelihood, Parameter, RowCavity, RowEstimate, Scratch,
};
use fg_core::factor::Breakdown;

use crate::error::ParameterError;
use crate::family::gathered::{self, Apart};
use crate::family::{alike, part};

/// Rows that fall into groups, in any order: all rows of a group share one prior, penalty or likelihood.
///
/// # Density
///
/// ```text
/// f(X) = prod_i f_g(i)(x_i),      p(Y | Z) = prod_i p_g(i)(y_i | z_i),      g(i) the group of row i
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | models | - | one or more | the estimator of each group; learns what it is asked to |
/// | groups `g` | - | indices of models | the group of each row, from the first row on |
///
/// # Estimate
///
/// That of the row's group. All answer with means, or all with maximisers, for one number of columns. Each group learns from its
/// own rows; the parameters are named by the group, such as `group 1 variance`.
///
/// # Numerical notes
///
/// Rows of a group that stand apart are put side by side for its estimator, and their answers back; long runs are asked for
/// as they stand. For groups that are blocks of
/// consecutive rows see also [`Stacked`](crate::Stacked), for rows that all differ [`PerRow`](crate::PerRow). Where messages
/// of a variable are to keep the groups' different precisions, give it a precision per row
/// ([`Structure`](fg_core::Structure)).
///
/// # Reference
///
/// None: the density factorises.
///
/// # Example
///
/// Measurements by two instruments in turn, whose precisions a run learns.
///
/// ```
/// use fg_core::denoiser::Likelihood;
/// use fg_denoisers::{Awgn, Grouped};
/// let instruments = vec![Awgn::new(1.0)?.learn_noise(), Awgn::new(10.0)?.learn_noise()];
/// let noise = Grouped::likelihoods(instruments, &[0, 1, 0, 1, 0])?;
/// assert_eq!(noise.learning()[1].name, "group 1 noise variance");
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Debug)]
pub struct Grouped<T: ?Sized> {
    /// Shared with what learning makes of this one.
    models: Vec<Arc<T>>,
    groups: Arc<[usize]>,
    /// The rows of each group; none where they are asked for as they stand, run by run.
    apart: Option<Arc<[Vec<usize>]>>,
}

fn checked<T: ?Sized>(models: Vec<Arc<T>>, groups: &[usize]) -> Result<Grouped<T>, ParameterError> {
    if models.is_empty() || groups.is_empty() {
        let (expected, found) = (1, 0);
        return Err(ParameterError::Length { parameter: "groups", expected, found });
    }
    if let Some(&group) = groups.iter().find(|&&g| g >= models.len()) {
        let (parameter, requirement) = ("group", "below the number of models");
        return Err(ParameterError::OutOfRange { parameter, value: group as f64, requirement });
    }
    let runs = groups.chunk_by(|a, b| a == b).count();
    let apart = gathered::is_worth_it(groups.len(), runs).then(|| {
        let rows = |group| (0..groups.len()).filter(|&i| groups[i] == group).collect();
        (0..models.len()).map(rows).collect()
    });
    Ok(Grouped { models, groups: groups.into(), apart })
}

impl Grouped<dyn Denoiser> {
    /// Priors or penalties: row `i` has the model `groups[i]`.
    ///
    /// # Errors
    /// [`ParameterError`] without models or rows, for a group without a model, and for models that are for a number of
    /// rows, estimate all rows together, are for different numbers of columns or of values a row, or answer differently
    /// (means or maximisers).
    pub fn denoisers<M: Denoiser + 'static>(
        models: impl IntoIterator<Item = M>,
        groups: &[usize],
    ) -> Result<Self, ParameterError> {
        Self::new(models.into_iter().map(|m| Arc::new(m) as _).collect(), groups)
    }

    /// Priors or penalties of different families.
    ///
    /// # Errors
    /// As [`denoisers`](Self::denoisers).
    pub fn new(models: Vec<Arc<dyn Denoiser>>, groups: &[usize]) -> Result<Self, ParameterError> {
        alike::denoisers(models.iter().map(|m| &**m))?;
        checked(models, groups)
    }
}

impl Grouped<dyn Likelihood> {
    /// Likelihoods: row `i` has the model `groups[i]`.
    ///
    /// # Errors
    /// As [`denoisers`](Grouped::denoisers).
    pub fn likelihoods<M: Likelihood + 'static>(
        models: impl IntoIterator<Item = M>,
        groups: &[usize],
    ) -> Result<Self, ParameterError> {
        Self::new(models.into_iter().map(|m| Arc::new(m) as _).collect(), groups)
    }

    /// Likelihoods of different families.
    ///
    /// # Errors
    /// As [`denoisers`](Grouped::denoisers).
    pub fn new(models: Vec<Arc<dyn Likelihood>>, groups: &[usize]) -> Result<Self, ParameterError> {
        alike::likelihoods(models.iter().map(|m| &**m))?;
        checked(models, groups)
    }
}

impl<T: ?Sized> Grouped<T> {
    /// The estimators of the groups.
    pub fn models(&self) -> impl Iterator<Item = &T> {
        self.models.iter().map(|model| &**model)
    }

    /// The group of each row.
    pub fn groups(&self) -> &[usize] {
        &self.groups
    }

    fn of_row(&self, row: usize) -> Option<&T> {
        self.groups.get(row).map(|&group| &*self.models[group])
    }

    /// Asserts that there is a group for each row of the cavity.
    fn within(&self, cavity: &RowCavity<'_>) {
        let (first, len, total) = (cavity.first_row(), cavity.len(), self.groups.len());
        assert!(first + len <= total, "rows {first}..{} of {total} rows", first + len);
    }

    /// Runs of a cavity's rows that are of one group: the group, and which of these rows.
    fn runs(&self, cavity: &RowCavity<'_>) -> impl Iterator<Item = (usize, Range<usize>)> {
        self.within(cavity);
        let (first, len) = (cavity.first_row(), cavity.len());
        let groups = &self.groups[first..first + len];
        let mut start = 0;
        core::iter::from_fn(move || {
            let group = *groups.get(start)?;
            let end = start + groups[start..].iter().take_while(|&&g| g == group).count();
            let run = start..end;
            start = end;
            Some((group, run))
        })
    }

    /// The same groups with the models that learned; none where no model did.
    fn replaced(&self, learned: impl Iterator<Item = Option<Arc<T>>>) -> Option<Self> {
        let (mut models, mut changed) = (self.models.clone(), false);
        for (model, learned) in models.iter_mut().zip(learned) {
            if let Some(learned) = learned {
                *model = learned;
                changed = true;
            }
        }
        let (groups, apart) = (Arc::clone(&self.groups), self.apart.clone());
        changed.then(|| Self { models, groups, apart })
    }
}

fn of_groups(parameters: impl Iterator<Item = Vec<Parameter>>) -> Vec<Parameter> {
    let named = |(g, own): (usize, Vec<Parameter>)| {
        own.into_iter().map(move |parameter| parameter.of_part(format_args!("group {g}")))
    };
    parameters.enumerate().flat_map(named).collect()
}

fn name_of(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
    names.dedup();
    format!("{} by group", names.join(" / "))
}

impl Denoiser for Grouped<dyn Denoiser> {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        if let Some(groups) = &self.apart {
            self.within(cavity);
            for (model, rows) in self.models.iter().zip(&**groups) {
                let places = gathered::within(rows, cavity);
                let rows = Apart { cavity, places, observed: &[], outputs: 0 };
                rows.estimate(out, scratch, |_, cavity, out, scratch| {
                    model.estimate(cavity, out, scratch)
                })?;
            }
            return Ok(());
        }
        for (group, rows) in self.runs(cavity) {
            let mut out = part::answers(out, rows.clone(), cavity.columns());
            self.models[group].estimate(&part::rows(cavity, rows), &mut out, scratch)?;
        }
        Ok(())
    }

    fn columns(&self) -> Option<usize> {
        self.models().find_map(Denoiser::columns)
    }

    fn rows(&self) -> Option<usize> {
        Some(self.groups.len())
    }

    fn estimation(&self) -> Estimation {
        self.models[0].estimation()
    }

    fn gaussian(&self, row: usize, d: usize) -> Option<GaussianRow> {
        self.of_row(row)?.gaussian(row, d)
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        self.runs(cavity).all(|(group, rows)| {
            self.models[group].log_partition(&part::rows(cavity, rows.clone()), &mut out[rows])
        })
    }

    fn row_law(&self, row: usize) -> Option<&dyn Law> {
        self.of_row(row)?.law()
    }

    fn learning(&self) -> Vec<Parameter> {
        of_groups(self.models().map(Denoiser::learning))
    }

    /// A step of every group, from its own rows.
    fn learned(&self, rows: &mut dyn Iterator<Item = RowCavity<'_>>) -> Option<Box<dyn Denoiser>> {
        let mut pieces: Vec<Vec<_>> = self.models.iter().map(|_| Vec::new()).collect();
        for piece in rows {
            for (group, rows) in self.runs(&piece) {
                pieces[group].push(part::rows(&piece, rows));
            }
        }
        let steps = self.models.iter().zip(pieces);
        let learned = steps.map(|(model, own)| model.learned(&mut own.into_iter()).map(Arc::from));
        self.replaced(learned).map(|grouped| Box::new(grouped) as Box<dyn Denoiser>)
    }

    fn name(&self) -> String {
        name_of(self.models().map(Denoiser::name))
    }
}

impl Likelihood for Grouped<dyn Likelihood> {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let outputs = self.outputs(cavity.columns());
        if let Some(groups) = &self.apart {
            self.within(cavity);
            for (model, rows) in self.models.iter().zip(&**groups) {
                let places = gathered::within(rows, cavity);
                let rows = Apart { cavity, places, observed, outputs };
                rows.estimate(out, scratch, |data, cavity, out, scratch| {
                    model.estimate(data, cavity, out, scratch)
                })?;
            }
            return Ok(());
        }
        for (group, rows) in self.runs(cavity) {
            let mut out = part::answers(out, rows.clone(), cavity.columns());
            let data = &observed[rows.start * outputs..rows.end * outputs];
            self.models[group].estimate(data, &part::rows(cavity, rows), &mut out, scratch)?;
        }
        Ok(())
    }

    fn outputs(&self, d: usize) -> usize {
        self.models[0].outputs(d)
    }

    fn columns(&self) -> Option<usize> {
        self.models().find_map(Likelihood::columns)
    }

    fn rows(&self) -> Option<usize> {
        Some(self.groups.len())
    }

    fn row_model(&self, row: usize) -> Option<&dyn Likelihood> {
        self.of_row(row)
    }

    fn estimation(&self) -> Estimation {
        self.models[0].estimation()
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let outputs = self.outputs(cavity.columns());
        self.runs(cavity).all(|(group, rows)| {
            let data = &observed[rows.start * outputs..rows.end * outputs];
            self.models[group].log_partition(
                data,
                &part::rows(cavity, rows.clone()),
                &mut out[rows],
            )
        })
    }

    fn learning(&self) -> Vec<Parameter> {
        of_groups(self.models().map(Likelihood::learning))
    }

    /// A step of every group, from its own rows.
    fn learned(
        &self,
        rows: &mut dyn Iterator<Item = (&[f64], RowCavity<'_>)>,
    ) -> Option<Box<dyn Likelihood>> {
        let mut pieces: Vec<Vec<_>> = self.models.iter().map(|_| Vec::new()).collect();
        for (data, piece) in rows {
            let outputs = self.outputs(piece.columns());
            for (group, rows) in self.runs(&piece) {
                let data = &data[rows.start * outputs..rows.end * outputs];
                pieces[group].push((data, part::rows(&piece, rows)));
            }
        }
        let steps = self.models.iter().zip(pieces);
        let learned = steps.map(|(model, own)| model.learned(&mut own.into_iter()).map(Arc::from));
        self.replaced(learned).map(|grouped| Box::new(grouped) as Box<dyn Likelihood>)
    }

    /// As many as the group that needs most.
    fn uniforms(&self, d: usize) -> Option<usize> {
        self.models().try_fold(0, |most, model| Some(model.uniforms(d)?.max(most)))
    }

    fn name(&self) -> String {
        name_of(self.models().map(Likelihood::name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Awgn, BernoulliGauss, Gaussian, L2, Logistic, Masked, NuclearNorm, PerRow, Survival,
    };

    const GROUPS: [usize; 6] = [1, 0, 0, 1, 2, 1];

    fn learner(variance: f64) -> Gaussian {
        Gaussian::new(0.0, variance).unwrap().learn_covariance()
    }

    #[test]
    fn rows_are_answered_by_their_group() {
        let models: Vec<_> = [1.0, 4.0, 0.5].map(|v| Gaussian::new(0.0, v).unwrap()).into();
        let grouped = Grouped::denoisers(models.clone(), &GROUPS).unwrap();
        let alone = PerRow::denoisers(GROUPS.map(|g| models[g].clone()).to_vec()).unwrap();
        let n = [0.3, -1.0, 2.0, 5.0, 0.1, -0.7];
        let ask = |prior: &dyn Denoiser, rows: Range<usize>| {
            let n = &n[rows.clone()];
            let cavity = RowCavity::new(rows.start, 1, n, n, &[1.0]);
            let (mut mean, mut variance) = (vec![0.0; n.len()], vec![0.0; n.len()]);
            let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
            prior.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
            let mut log = vec![0.0; n.len()];
            assert!(prior.log_partition(&cavity, &mut log));
            (mean, variance, log)
        };
        for rows in [0..6, 2..5, 5..6] {
            assert_eq!(ask(&grouped, rows.clone()), ask(&alone, rows));
        }
    }

    #[test]
    fn groups_learn_from_their_own_rows_wherever_they_stand() {
        let models = [learner(1.0), learner(1.0), Gaussian::new(0.0, 3.0).unwrap()];
        let grouped = Grouped::denoisers(models, &GROUPS).unwrap();
        // Rows known to be these: variances (4 + 9) / 2 and (1 + 16 + 64) / 3.
        let x: [f64; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 8.0];
        let n = x.map(|x| 1e18 * x);
        let mut pieces = [
            RowCavity::new(0, 1, &n[..2], &x[..2], &[1e18]),
            RowCavity::new(2, 1, &n[2..], &x[2..], &[1e18]),
        ]
        .into_iter();
        let learned = grouped.learned(&mut pieces).unwrap().learning();
        let found: Vec<_> = learned.iter().map(|p| (&*p.name, p.values[0])).collect();
        let expected = [("group 0 variance", 6.5), ("group 1 variance", 27.0)];
        let close =
            |(a, b): (&(&str, f64), &(&str, f64))| a.0 == b.0 && (a.1 / b.1 - 1.0).abs() < 1e-12;
        assert!(found.len() == 2 && found.iter().zip(&expected).all(close), "{found:?}");
    }

    #[test]
    fn instruments_learn_their_noise() {
        let models = [1.0, 1.0].map(|p| Awgn::new(p).unwrap().learn_noise());
        let noise = Grouped::likelihoods(models, &[0, 1, 0, 1]).unwrap();
        // Known rows and data that are off by 1 and 2, by 3 and 5.
        let (x, y) = ([0.0; 4], [1.0, 3.0, -2.0, 5.0]);
        let cavity = RowCavity::new(0, 1, &x, &x, &[1e18]);
        let learned = noise.learned(&mut core::iter::once((&y[..], cavity))).unwrap().learning();
        let found = [learned[0].values[0], learned[1].values[0]];
        for (found, expected) in found.into_iter().zip([2.5, 17.0]) {
            assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn models_that_do_not_go_together_are_named() {
        let priors = |groups: &[usize]| Grouped::denoisers([learner(1.0)], groups).map(|_| ());
        assert!(priors(&[]).is_err() && priors(&[0, 1]).is_err() && priors(&[0]).is_ok());
        let mixed: Vec<Arc<dyn Denoiser>> = vec![
            Arc::new(L2::new(1.0).unwrap()),
            Arc::new(BernoulliGauss::new(0.1, 0.0, 1.0).unwrap()),
        ];
        let error = Grouped::<dyn Denoiser>::new(mixed, &[0, 1]).unwrap_err();
        assert_eq!(error, ParameterError::MixedEstimation { block: 1 });
        // Rows of a group stand anywhere.
        let together = Grouped::denoisers([NuclearNorm::new(1.0).unwrap()], &[0]).unwrap_err();
        assert_eq!(together, ParameterError::NotRowWise { block: 0 });
        assert_eq!(
            together.to_string(),
            "block 0 must estimate row by row, for any number of rows"
        );
        let likelihoods = |models: [Arc<dyn Likelihood>; 2]| {
            Grouped::<dyn Likelihood>::new(models.into(), &[0, 1]).unwrap_err()
        };
        let noise = || Arc::new(Awgn::new(1.0).unwrap());
        // Of one column all have one value, but events have two.
        let outputs = likelihoods([noise(), Arc::new(Survival::new(1.0).unwrap())]);
        assert_eq!(outputs, ParameterError::MixedOutputs { block: 1 });
        let estimation = likelihoods([noise(), Arc::new(Logistic::new().maximised())]);
        assert_eq!(estimation, ParameterError::MixedEstimation { block: 1 });
        let two_columns = Awgn::from_precision_matrix(2, &[1.0, 0.0, 0.0, 1.0]).unwrap();
        let columns = likelihoods([Arc::new(Logistic::new()), Arc::new(two_columns)]);
        assert_eq!(columns, ParameterError::MixedColumns { block: 1 });
        let masked = Masked::new(Awgn::new(1.0).unwrap(), &[true]).unwrap();
        let rows = likelihoods([noise(), Arc::new(masked)]);
        assert_eq!(rows, ParameterError::NotRowWise { block: 1 });
        assert!(
            Grouped::likelihoods([Awgn::new(1.0).unwrap(), Awgn::new(2.0).unwrap()], &[0, 1])
                .is_ok()
        );
    }
}
