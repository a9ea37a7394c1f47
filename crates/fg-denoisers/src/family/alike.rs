//! Whether models go together as parts of one: what they answer with, for how many columns, rows and data.

use fg_core::denoiser::{Denoiser, Estimation, Likelihood};

use crate::error::ParameterError;

/// What must be the same of all parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nature {
    estimation: Estimation,
    columns: Option<usize>,
}

impl Nature {
    pub(crate) fn of(model: &(impl Denoiser + ?Sized)) -> Self {
        Self { estimation: model.estimation(), columns: model.columns() }
    }

    /// That of the parts so far and of one more, which is part number `block`.
    pub(crate) fn joined(self, other: Self, block: usize) -> Result<Self, ParameterError> {
        if self.estimation != other.estimation {
            return Err(ParameterError::MixedEstimation { block });
        }
        if self.columns.zip(other.columns).is_some_and(|(a, b)| a != b) {
            return Err(ParameterError::MixedColumns { block });
        }
        Ok(Self { columns: self.columns.or(other.columns), ..self })
    }

    fn of_all(parts: impl Iterator<Item = Self>) -> Result<Option<Self>, ParameterError> {
        let mut all = None;
        for (block, own) in parts.enumerate() {
            all = Some(all.map_or(Ok(own), |all: Self| all.joined(own, block))?);
        }
        Ok(all)
    }
}

/// Checks priors or penalties that are to answer for single rows, wherever those stand.
pub(crate) fn denoisers<'m, M: Denoiser + ?Sized + 'm>(
    models: impl Iterator<Item = &'m M> + Clone,
) -> Result<(), ParameterError> {
    // An estimator of all rows together has no answer for one of them, whether or not it is for a number of rows.
    let row_wise = |m: &M| m.separable() && m.rows().is_none();
    if let Some(block) = models.clone().position(|m| !row_wise(m)) {
        return Err(ParameterError::NotRowWise { block });
    }
    Nature::of_all(models.map(Nature::of)).map(|_| ())
}

/// Columns that outputs are compared for where no likelihood says how many it has: a number of outputs, or one a column.
const COLUMNS: [usize; 2] = [1, 2];

/// The same for likelihoods, which must be for as many values of data a row, too.
pub(crate) fn likelihoods<'m, M: Likelihood + ?Sized + 'm>(
    models: impl Iterator<Item = &'m M> + Clone,
) -> Result<(), ParameterError> {
    if let Some(block) = models.clone().position(|m| m.rows().is_some()) {
        return Err(ParameterError::NotRowWise { block });
    }
    let nature = |m: &M| Nature { estimation: m.estimation(), columns: m.columns() };
    let Some(all) = Nature::of_all(models.clone().map(nature))? else { return Ok(()) };
    let tried = all.columns.map_or(COLUMNS, |d| [d; 2]);
    let outputs = |m: &M| tried.map(|d| m.outputs(d));
    let first = models.clone().next().map(outputs);
    match models.clone().position(|m| Some(outputs(m)) != first) {
        Some(block) => Err(ParameterError::MixedOutputs { block }),
        None => Ok(()),
    }
}
