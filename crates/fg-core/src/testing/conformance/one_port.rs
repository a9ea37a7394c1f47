//! An estimator of one port, whichever trait it is of.

use super::Violation;
use super::input::Input;
use crate::denoiser::{
    Denoiser, Estimation, Likelihood, Parameter, RowCavity, RowEstimate, Scratch,
};
use crate::factor::Breakdown;

/// An estimator of one port.
#[derive(Clone, Copy, Debug)]
pub(super) enum OnePort<'a> {
    /// A prior or penalty.
    Denoiser(&'a dyn Denoiser),
    /// A likelihood and the row of data that all rows observe.
    Likelihood(&'a dyn Likelihood, &'a [f64]),
}

/// Rows of each example; odd, so that vectorised loops have a rest.
pub(super) const ROWS: usize = 7;

/// Means and covariances of some rows.
pub(super) struct Estimate {
    pub(super) mean: Vec<f64>,
    pub(super) covariance: Vec<f64>,
    /// Relative standard error of the covariance averaged over the rows, where that is sampled.
    pub(super) standard_error: f64,
}

/// Standard errors that what is sampled may be off.
const STANDARD_ERRORS: f64 = 6.0;

impl Estimate {
    /// What a row may be off by the declared error, in units of its deviation for means and of its variance for covariances:
    /// rows that are sampled independently have the root of their number times the error of the average. None where nothing
    /// is sampled.
    pub(super) fn sampling(&self, d: usize) -> f64 {
        let rows = (self.mean.len() / d) as f64;
        STANDARD_ERRORS * self.standard_error * rows.sqrt()
    }
}

impl OnePort<'_> {
    pub(super) fn name(self) -> String {
        match self {
            Self::Denoiser(denoiser) => denoiser.name(),
            Self::Likelihood(likelihood, _) => likelihood.name(),
        }
    }

    pub(super) fn estimation(self) -> Estimation {
        match self {
            Self::Denoiser(denoiser) => denoiser.estimation(),
            Self::Likelihood(likelihood, _) => likelihood.estimation(),
        }
    }

    /// The number of rows it is for; `None` when any will do.
    pub(super) fn rows(self) -> Option<usize> {
        match self {
            Self::Denoiser(denoiser) => denoiser.rows(),
            Self::Likelihood(likelihood, _) => likelihood.rows(),
        }
    }

    /// The number of rows it is tried on: all where they are estimated together, and a few otherwise.
    pub(super) fn rows_tried(self) -> usize {
        let rows = self.rows().unwrap_or(ROWS);
        if self.separable() { rows.min(ROWS) } else { rows }
    }

    /// The parameters it is asked to learn.
    pub(super) fn parameters(self) -> Vec<Parameter> {
        match self {
            Self::Denoiser(denoiser) => denoiser.learning(),
            Self::Likelihood(likelihood, _) => likelihood.learning(),
        }
    }

    /// Whether its estimates are averages over points, in any of the examples.
    pub(super) fn sampled(self, d: usize) -> bool {
        let mut scratch = Scratch::default();
        let inputs = Input::examples_of(self.rows_tried(), d);
        let mut found = inputs.iter().map(|input| self.estimate(&input.cavity(), &mut scratch));
        found.any(|found| found.is_ok_and(|estimate| estimate.standard_error > 0.0))
    }

    /// Whether rows, or data of rows, of `d` columns can be drawn.
    pub(super) fn draws(self, d: usize) -> bool {
        match self {
            Self::Denoiser(denoiser) => denoiser.row_law(0).is_some(),
            Self::Likelihood(likelihood, _) => {
                likelihood.row_model(0).unwrap_or(likelihood).uniforms(d).is_some()
            }
        }
    }

    pub(super) fn separable(self) -> bool {
        match self {
            Self::Denoiser(denoiser) => denoiser.separable(),
            Self::Likelihood(..) => true,
        }
    }

    /// Whether its rows are fixed whatever the cavity says.
    pub(super) fn known(self, d: usize) -> bool {
        let message = match self {
            Self::Denoiser(denoiser) => denoiser.gaussian(0, d),
            Self::Likelihood(likelihood, observed) => likelihood.gaussian(observed),
        };
        message.is_some_and(|row| row.known)
    }

    /// Whether its rows are some points whatever the cavity says: draws of the law next to each other are the same.
    pub(super) fn discrete(self, d: usize) -> bool {
        const PLACES: usize = 16;
        const APART: f64 = 1e-9;
        let Self::Denoiser(denoiser) = self else { return false };
        let Some(law) = denoiser.law() else { return false };
        let draw = |uniform: f64| {
            let mut row = vec![0.0; d];
            law.draw(&vec![uniform; law.uniforms(d)], &mut row);
            row
        };
        (0..PLACES).all(|k| {
            let uniform = (k as f64 + 0.37) / PLACES as f64;
            draw(uniform) == draw(uniform + APART)
        })
    }

    /// Whether its law is on a curve or surface, made of fewer uniforms than there are columns: precise cavities then don't
    /// decide alone.
    pub(super) fn thin(self, d: usize) -> bool {
        let Self::Denoiser(denoiser) = self else { return false };
        denoiser.law().is_some_and(|law| law.uniforms(d) < d)
    }

    /// The row, with entries outside of what its law draws moved into that: some laws are bounded.
    pub(super) fn within(self, mut row: Vec<f64>) -> Vec<f64> {
        const DRAWS: usize = 64;
        /// Off the middle, where symmetric laws may have a kink.
        const SHARE: f64 = 0.7;
        let d = row.len();
        let Self::Denoiser(denoiser) = self else { return row };
        let Some(law) = denoiser.law() else { return row };
        let draw = |k: usize| {
            let mut drawn = vec![0.0; d];
            law.draw(&vec![(k as f64 + 0.5) / DRAWS as f64; law.uniforms(d)], &mut drawn);
            drawn
        };
        let drawn: Vec<Vec<f64>> = (0..DRAWS).map(draw).collect();
        for (j, value) in row.iter_mut().enumerate() {
            let column = || drawn.iter().map(|row| row[j]);
            let low = column().fold(f64::INFINITY, f64::min);
            let high = column().fold(f64::NEG_INFINITY, f64::max);
            if !(low < *value && *value < high) {
                *value = low + SHARE * (high - low);
            }
        }
        row
    }

    /// The estimate of these rows, from buffers full of NaN.
    pub(super) fn estimate(
        self,
        cavity: &RowCavity<'_>,
        scratch: &mut Scratch,
    ) -> Result<Estimate, Breakdown> {
        let (n, d) = (cavity.len(), cavity.columns());
        let mut mean = vec![f64::NAN; n * d];
        let mut covariance = vec![f64::NAN; n * d * d];
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        match self {
            Self::Denoiser(denoiser) => denoiser.estimate(cavity, &mut out, scratch)?,
            Self::Likelihood(likelihood, observed) => {
                likelihood.estimate(&observed.repeat(n), cavity, &mut out, scratch)?;
            }
        }
        let standard_error = scratch.take_standard_error();
        Ok(Estimate { mean, covariance, standard_error })
    }

    pub(super) fn log_partition(self, cavity: &RowCavity<'_>) -> Option<Vec<f64>> {
        let mut out = vec![f64::NAN; cavity.len()];
        let known = match self {
            Self::Denoiser(denoiser) => denoiser.log_partition(cavity, &mut out),
            Self::Likelihood(likelihood, observed) => {
                likelihood.log_partition(&observed.repeat(cavity.len()), cavity, &mut out)
            }
        };
        known.then_some(out)
    }

    /// A breakdown where there should be an estimate.
    pub(super) fn refused(
        self,
        law: &'static str,
        input: &Input,
        breakdown: Breakdown,
    ) -> Violation {
        Violation {
            subject: self.name(),
            law,
            input: format!("{input:?} ({breakdown})"),
            expected: 0.0,
            found: f64::NAN,
            tolerance: 0.0,
        }
    }
}
