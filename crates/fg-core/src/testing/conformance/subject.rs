//! What is tested, and on which rows of a cavity.

use core::fmt;

use super::Violation;
use crate::denoiser::{Denoiser, Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
use crate::factor::Breakdown;
use crate::message::{Message, Precision, Structure, small};
use crate::rows::Rows;

/// A one-port estimator under test.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A prior or penalty.
    Denoiser(&'a dyn Denoiser),
    /// A likelihood and the row of data that all rows observe.
    Likelihood(&'a dyn Likelihood, &'a [f64]),
}

/// Means and covariances of some rows.
pub(super) struct Estimate {
    pub(super) mean: Vec<f64>,
    pub(super) covariance: Vec<f64>,
    /// What was declared of the averaged covariance.
    pub(super) standard_error: f64,
}

impl Subject<'_> {
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

    /// Whether a row means the same wherever it stands.
    pub(super) fn exchangeable(self) -> bool {
        match self {
            Self::Denoiser(denoiser) => denoiser.separable() && denoiser.rows().is_none(),
            Self::Likelihood(likelihood, _) => likelihood.rows().is_none(),
        }
    }

    /// The number of rows it is for, when it is for one number and they are estimated together.
    pub(super) fn rows_together(self) -> Option<usize> {
        match self {
            Self::Denoiser(denoiser) if !denoiser.separable() => denoiser.rows(),
            _ => None,
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
        Ok(Estimate { mean, covariance, standard_error: scratch.take_standard_error() })
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

/// Rows of a cavity that share a precision.
#[derive(Clone, PartialEq)]
pub struct Input {
    columns: usize,
    natural: Vec<f64>,
    mean: Vec<f64>,
    precision: Vec<f64>,
}

impl Input {
    /// Rows with these natural parameters (`rows x columns`) and this precision (`columns x columns`).
    ///
    /// # Panics
    /// When the lengths don't fit or the precision isn't one.
    pub fn new(columns: usize, natural: Vec<f64>, precision: Vec<f64>) -> Self {
        let rows = natural.len() / columns;
        let layout = Structure::shared().layout(rows, columns).expect("one block of rows");
        let precision_of = Precision::from_matrix(layout, &precision).expect("a precision matrix");
        let rows_of = Rows::from_vec(rows, columns, natural.clone()).expect("whole rows");
        let mut mean = Rows::zeros(rows, columns);
        Message::new(rows_of, precision_of).expect("finite rows").mean_into(&mut mean);
        Self { columns, natural, mean: mean.into_vec(), precision }
    }

    /// Rows with these means (`rows x columns`) and this precision.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn from_mean(columns: usize, mean: &[f64], precision: Vec<f64>) -> Self {
        let mut natural = vec![0.0; mean.len()];
        for (n, r) in natural.chunks_exact_mut(columns).zip(mean.chunks_exact(columns)) {
            small::row_times(r, &precision, n, columns);
        }
        Self { columns, natural, mean: mean.to_vec(), precision }
    }

    /// Some rows at weak and strong precisions of each form: zero, isotropic, diagonal, full and singular.
    ///
    /// Means are of order one and follow no pattern, so that they miss the kinks of MAP estimates.
    pub fn examples(d: usize) -> Vec<Self> {
        /// Rows of each example; odd, so that vectorised loops have a rest.
        const ROWS: usize = 7;
        Self::examples_of(ROWS, d)
    }

    /// As [`examples`](Self::examples), with this number of rows.
    pub(super) fn examples_of(rows: usize, d: usize) -> Vec<Self> {
        let mean: Vec<f64> = (0..rows * d).map(|k| 2.5 * (1.0 + 3.0 * k as f64).sin()).collect();
        let matrix = |entry: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..d * d).map(|k| entry(k / d, k % d)).collect()
        };
        let diagonal = |scale: f64, growth: f64| {
            matrix(&|i, j| if i == j { scale * growth.powf(i as f64) } else { 0.0 })
        };
        let mut precisions = vec![diagonal(0.4, 1.0), diagonal(3.0, 1.0), diagonal(90.0, 1.0)];
        if d > 1 {
            precisions.push(diagonal(0.5, 3.0));
            let direction = |i: usize| 0.8 + (i as f64).cos();
            precisions.push(matrix(&|i, j| direction(i) * direction(j)));
            precisions.push(matrix(&|i, j| {
                2.0 * direction(i) * direction(j) + f64::from(u8::from(i == j))
            }));
        }
        let mut examples: Vec<_> =
            precisions.into_iter().map(|p| Self::from_mean(d, &mean, p)).collect();
        examples.push(Self::new(d, vec![0.0; d], vec![0.0; d * d]));
        examples
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.natural.len() / self.columns
    }

    /// `N`, row after row.
    pub fn natural(&self) -> &[f64] {
        &self.natural
    }

    /// `Gamma`.
    pub fn precision(&self) -> &[f64] {
        &self.precision
    }

    /// The rows as an estimator sees them.
    pub fn cavity(&self) -> RowCavity<'_> {
        RowCavity::new(0, self.columns, &self.natural, &self.mean, &self.precision)
    }

    /// Row `i` alone, still with its index.
    pub(super) fn row_cavity(&self, i: usize) -> RowCavity<'_> {
        let range = i * self.columns..(i + 1) * self.columns;
        RowCavity::new(
            i,
            self.columns,
            &self.natural[range.clone()],
            &self.mean[range],
            &self.precision,
        )
    }

    /// The first row alone.
    pub(super) fn first_row(&self) -> Self {
        Self {
            columns: self.columns,
            natural: self.natural[..self.columns].to_vec(),
            mean: self.mean[..self.columns].to_vec(),
            precision: self.precision.clone(),
        }
    }

    /// Row `i` in words.
    pub(super) fn describe(&self, i: usize) -> String {
        let range = i * self.columns..(i + 1) * self.columns;
        format!("row {i}, n = {:?}, Gamma = {:?}", &self.natural[range], self.precision)
    }

    /// The same rows with column `j` of every natural parameter moved by its own step.
    pub(super) fn moved(&self, j: usize, steps: &[f64], times: f64) -> Self {
        let mut natural = self.natural.clone();
        for (row, step) in natural.chunks_exact_mut(self.columns).zip(steps) {
            row[j] += times * step;
        }
        Self::new(self.columns, natural, self.precision.clone())
    }

    /// The same natural parameters, moved by what follows no pattern, of the size of a deviation.
    pub(super) fn shaken(&self, times: f64) -> Self {
        let d = self.columns;
        let mut natural = self.natural.clone();
        for (k, n) in natural.iter_mut().enumerate() {
            let scale = (1.0 + self.precision[k % d * (d + 1)]).sqrt();
            *n += times * scale * (2.0 + 5.0 * k as f64).sin();
        }
        Self::new(d, natural, self.precision.clone())
    }

    /// The rows in reverse order.
    pub(super) fn reversed(&self) -> Self {
        let reverse = |values: &[f64]| {
            values.chunks_exact(self.columns).rev().flatten().copied().collect::<Vec<f64>>()
        };
        Self {
            columns: self.columns,
            natural: reverse(&self.natural),
            mean: reverse(&self.mean),
            precision: self.precision.clone(),
        }
    }

    /// The same natural parameters under another precision.
    pub(super) fn with_precision(&self, precision: Vec<f64>) -> Self {
        Self::new(self.columns, self.natural.clone(), precision)
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { columns, natural, mean: _, precision } = self;
        write!(f, "{columns} columns, n = {natural:?}, Gamma = {precision:?}")
    }
}
