//! Data with rows that weren't observed.

use fg_core::Rows;
use fg_core::denoiser::{Estimation, Likelihood, Parameter, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;
use fg_core::special::number::Number;

use crate::error::ParameterError;
use crate::family::formula::{self, Formula};
use crate::family::gathered::{self, Apart};
use crate::family::part;

/// Any likelihood, of which some rows of data are missing.
///
/// For single entries of Gaussian data see [`DiagonalNoise`](crate::DiagonalNoise).
///
/// # Density
///
/// ```text
/// p(Y | Z) = prod_{i observed} p(y_i | z_i)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | likelihood | - | any | the model of the rows that are observed; its parameters are learned from those |
/// | observed | - | one or more rows | whether there is data of a row |
///
/// # Estimate
///
/// The likelihood's own. A missing row says nothing: its estimate is the cavity, mean `Gamma^-1 n` and covariance
/// `Gamma^-1`, its message that of precision zero.
///
/// # Numerical notes
///
/// Rows between short gaps are put side by side for the likelihood, and their answers back; long stretches are asked for as
/// they stand, and so is a likelihood for a number of rows. Without a proper cavity a missing row has no estimate:
/// [`Breakdown::ImproperCavity`]. What stands in the data for it doesn't matter, as long as it is finite.
///
/// # Reference
///
/// R. J. A. Little and D. B. Rubin, *Statistical Analysis with Missing Data* (2019), section 6.2: data missing at random can
/// be left out of the likelihood.
///
/// # Example
///
/// ```
/// use fg_core::Rows;
/// use fg_core::denoiser::Likelihood;
/// use fg_denoisers::{Masked, Sign};
/// let labels = Rows::column(vec![1.0, f64::NAN, -1.0]);
/// let (likelihood, labels) = Masked::with_gaps(Sign::new(), &labels)?;
/// assert_eq!(likelihood.observed(), [true, false, true]);
/// assert!(likelihood.row_model(1).is_some_and(|row| row.check(labels.row(1)).is_ok()));
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Debug)]
pub struct Masked {
    likelihood: Box<dyn Likelihood>,
    observed: Vec<bool>,
    /// The rows that are observed and those that aren't; none where they are asked for as they stand, stretch by stretch.
    apart: Option<[Vec<usize>; 2]>,
    missing: Missing,
}

impl Masked {
    /// A likelihood of which there is data in the rows marked true.
    ///
    /// # Errors
    /// [`ParameterError`] without rows, or when the likelihood is for another number of them.
    pub fn new(
        likelihood: impl Likelihood + 'static,
        observed: &[bool],
    ) -> Result<Self, ParameterError> {
        let found = observed.len();
        let expected = likelihood.rows().unwrap_or(found.max(1));
        if found != expected {
            return Err(ParameterError::Length { parameter: "observed", expected, found });
        }
        Ok(Self::of(Box::new(likelihood), observed.to_vec()))
    }

    fn of(likelihood: Box<dyn Likelihood>, observed: Vec<bool>) -> Self {
        let missing = Missing { estimation: likelihood.estimation() };
        let stretches = observed.chunk_by(|a, b| a == b).count();
        // A likelihood that knows its rows by their numbers must find them there.
        let is_apart =
            likelihood.rows().is_none() && gathered::is_worth_it(observed.len(), stretches);
        let rows = |kind| (0..observed.len()).filter(|&i| observed[i] == kind).collect();
        let apart = is_apart.then(|| [true, false].map(rows));
        Self { likelihood, observed, apart, missing }
    }

    /// A likelihood of data in which rows with a NaN are missing, and the data to give to the graph: zeros in their place.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_gaps(
        likelihood: impl Likelihood + 'static,
        data: &Rows,
    ) -> Result<(Self, Rows), ParameterError> {
        let mut filled = data.clone();
        let mut observed = vec![true; data.rows()];
        for (i, observed) in observed.iter_mut().enumerate() {
            if filled.row(i).iter().any(|v| v.is_nan()) {
                *observed = false;
                filled.row_mut(i).fill(0.0);
            }
        }
        Ok((Self::new(likelihood, &observed)?, filled))
    }

    /// Which rows there is data of.
    pub fn observed(&self) -> &[bool] {
        &self.observed
    }

    /// The model of the rows that are observed.
    pub fn likelihood(&self) -> &dyn Likelihood {
        &*self.likelihood
    }

    fn is_observed(&self, row: usize) -> bool {
        self.observed.get(row).copied().unwrap_or(false)
    }

    /// Stretches of the cavity that are observed or missing throughout: the rows of the cavity, and which.
    fn stretches(&self, first: usize, len: usize) -> impl Iterator<Item = (usize, usize, bool)> {
        let mut start = 0;
        core::iter::from_fn(move || {
            let observed = (start < len).then(|| self.is_observed(first + start))?;
            let same = |i: &usize| self.is_observed(first + i) == observed;
            let end = start + (start..len).take_while(same).count();
            let found = (start, end, observed);
            start = end;
            Some(found)
        })
    }

    fn model(&self, observed: bool) -> &dyn Likelihood {
        if observed { &*self.likelihood } else { &self.missing }
    }
}

impl Likelihood for Masked {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        let outputs = self.outputs(d);
        if let Some([seen, missing]) = &self.apart {
            let (places, rest) =
                (gathered::within(seen, cavity), gathered::within(missing, cavity));
            let at_once = d == 1 && cavity.len() < WORTH * rest.len();
            if at_once {
                let improper = Breakdown::ImproperCavity { port: 0, row: rest[0] };
                Missing::answer_all(cavity, out).ok_or(improper)?;
            }
            let rows = Apart { cavity, places, observed, outputs };
            rows.estimate(out, scratch, |data, cavity, out, scratch| {
                self.likelihood.estimate(data, cavity, out, scratch)
            })?;
            if at_once {
                return Ok(());
            }
            let rows = rest.iter().map(|row| row - cavity.first_row());
            return self.missing.answer(rows, cavity, out, scratch);
        }
        for (start, end, is_observed) in self.stretches(cavity.first_row(), cavity.len()) {
            let mut out = part::answers(out, start..end, d);
            let (data, rows) =
                (&observed[start * outputs..end * outputs], part::rows(cavity, start..end));
            self.model(is_observed).estimate(data, &rows, &mut out, scratch)?;
        }
        Ok(())
    }

    fn outputs(&self, d: usize) -> usize {
        self.likelihood.outputs(d)
    }

    fn columns(&self) -> Option<usize> {
        self.likelihood.columns()
    }

    fn rows(&self) -> Option<usize> {
        Some(self.observed.len())
    }

    fn row_model(&self, row: usize) -> Option<&dyn Likelihood> {
        if self.is_observed(row) {
            self.likelihood.row_model(row).or(Some(&*self.likelihood))
        } else {
            Some(&self.missing)
        }
    }

    fn estimation(&self) -> Estimation {
        self.likelihood.estimation()
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let outputs = self.outputs(cavity.columns());
        self.stretches(cavity.first_row(), cavity.len()).all(|(start, end, is_observed)| {
            let (data, rows) =
                (&observed[start * outputs..end * outputs], part::rows(cavity, start..end));
            self.model(is_observed).log_partition(data, &rows, &mut out[start..end])
        })
    }

    fn learning(&self) -> Vec<Parameter> {
        self.likelihood.learning()
    }

    /// From the rows that are observed.
    fn learned(
        &self,
        rows: &mut dyn Iterator<Item = (&[f64], RowCavity<'_>)>,
    ) -> Option<Box<dyn Likelihood>> {
        let mut pieces = Vec::new();
        for (data, rows) in rows {
            let outputs = self.outputs(rows.columns());
            for (start, end, is_observed) in self.stretches(rows.first_row(), rows.len()) {
                if is_observed {
                    let data = &data[start * outputs..end * outputs];
                    pieces.push((data, part::rows(&rows, start..end)));
                }
            }
        }
        let likelihood = self.likelihood.learned(&mut pieces.into_iter())?;
        Some(Box::new(Self::of(likelihood, self.observed.clone())))
    }

    fn uniforms(&self, d: usize) -> Option<usize> {
        self.likelihood.uniforms(d)
    }

    fn name(&self) -> String {
        format!("{} with gaps", self.likelihood.name())
    }
}

/// Rows of one column without data take as long one by one as this many of all rows do at once: 2 nanoseconds, and a quarter.
const WORTH: usize = 8;

/// The model of a row without data.
#[derive(Clone, Debug)]
struct Missing {
    estimation: Estimation,
}

impl Missing {
    /// Writes `Gamma^-1` and returns the logarithm of its determinant; `work` holds `2 d^2` values.
    fn invert(precision: &[f64], inverse: &mut [f64], work: &mut [f64], d: usize) -> Option<f64> {
        let (factor, inverse_factor) = work.split_at_mut(d * d);
        factor.copy_from_slice(precision);
        small::cholesky(factor, d).ok()?;
        small::invert_lower(factor, inverse_factor, d);
        for i in 0..d {
            for j in 0..=i {
                let sum =
                    (i..d).map(|k| inverse_factor[k * d + i] * inverse_factor[k * d + j]).sum();
                inverse[i * d + j] = sum;
                inverse[j * d + i] = sum;
            }
        }
        Some(-(0..d).map(|j| 2.0 * factor[j * d + j].ln()).sum::<f64>())
    }

    /// Answers all rows of a cavity of one column; none where it is improper.
    fn answer_all(cavity: &RowCavity<'_>, out: &mut RowEstimate<'_>) -> Option<()> {
        let gamma = cavity.scalar_precision();
        (gamma > 0.0).then(|| formula::apply(&Alone { variance: gamma.recip() }, cavity, out))
    }

    /// Answers these rows of the cavity.
    fn answer(
        &self,
        rows: impl Iterator<Item = usize>,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let (d, size) = (cavity.columns(), cavity.columns() * cavity.columns());
        let mut rows = rows.peekable();
        let Some(&first) = rows.peek() else { return Ok(()) };
        let (inverse, work) = scratch.slice(3 * size).split_at_mut(size);
        if Self::invert(cavity.precision(), inverse, work, d).is_none() {
            return Err(Breakdown::ImproperCavity { port: 0, row: cavity.first_row() + first });
        }
        if let [variance] = *inverse {
            for i in rows {
                out.mean[i] = variance * cavity.natural()[i];
                out.covariance[i] = variance;
            }
            return Ok(());
        }
        for i in rows {
            let n = &cavity.natural()[i * d..(i + 1) * d];
            small::row_times(n, inverse, &mut out.mean[i * d..(i + 1) * d], d);
            out.covariance[i * size..(i + 1) * size].copy_from_slice(inverse);
        }
        Ok(())
    }
}

/// Mean and variance of a row of one column as the cavity has them.
struct Alone {
    variance: f64,
}

impl Formula<1> for Alone {
    const FOURS: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let variance = n.constant(self.variance);
        [n * variance, variance]
    }
}

impl Likelihood for Missing {
    fn estimate(
        &self,
        _observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        self.answer(0..cavity.len(), cavity, out, scratch)
    }

    fn outputs(&self, d: usize) -> usize {
        d
    }

    fn estimation(&self) -> Estimation {
        self.estimation
    }

    fn log_partition(&self, _observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let d = cavity.columns();
        let (mut inverse, mut work) = (vec![0.0; d * d], vec![0.0; 2 * d * d]);
        let found = Self::invert(cavity.precision(), &mut inverse, &mut work, d);
        let Some(log_determinant) = found else { return false };
        let constant = match self.estimation {
            Estimation::Mmse => 0.5 * (log_determinant + d as f64 * core::f64::consts::TAU.ln()),
            Estimation::Map => 0.0,
        };
        for (out, n) in out.iter_mut().zip(cavity.natural().chunks_exact(d)) {
            *out = constant + 0.5 * small::bilinear(n, &inverse, n, d);
        }
        true
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(0)
    }

    /// Zeros: nothing is measured.
    fn draw(&self, _z: &[f64], _uniforms: &[f64], y: &mut [f64]) {
        y.fill(0.0);
    }

    fn name(&self) -> String {
        "missing".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Awgn;

    #[test]
    fn missing_rows_are_the_cavity_and_the_others_are_the_likelihood() {
        let node = Masked::new(Awgn::new(1.0).unwrap(), &[true, false, false, true]).unwrap();
        let (mut mean, mut covariance) = ([f64::NAN; 3], [f64::NAN; 3]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        // Rows 1 to 3.
        let cavity = RowCavity::new(1, 1, &[2.0, 4.0, 6.0], &[2.0, 4.0, 6.0], &[1.0]);
        node.estimate(&[9.0, 9.0, 8.0], &cavity, &mut out, &mut Scratch::default()).unwrap();
        assert_eq!((mean, covariance), ([2.0, 4.0, 7.0], [1.0, 1.0, 0.5]));
        let nothing = RowCavity::new(2, 1, &[0.0], &[0.0], &[0.0]);
        let mut out = RowEstimate { mean: &mut mean[..1], covariance: &mut covariance[..1] };
        let found = node.estimate(&[9.0], &nothing, &mut out, &mut Scratch::default());
        assert_eq!(found, Err(Breakdown::ImproperCavity { port: 0, row: 2 }));
    }

    #[test]
    fn only_observed_rows_are_learned_from() {
        let node = Masked::new(Awgn::new(1.0).unwrap().learn_noise(), &[true, false]).unwrap();
        // Both rows are known to be near zero; the second would say that the noise is huge.
        let rows = RowCavity::new(0, 1, &[0.0; 2], &[0.0; 2], &[1e12]);
        let data = [2.0, 1e6];
        let learned = node.learned(&mut core::iter::once((&data[..], rows))).unwrap();
        let variance = learned.learning()[0].values[0];
        assert!((variance - 4.0).abs() < 1e-9, "{variance}");
    }

    #[test]
    fn rows_are_counted() {
        assert!(Masked::new(Awgn::new(1.0).unwrap(), &[]).is_err());
        let two =
            crate::PerRow::likelihoods(vec![Awgn::new(1.0).unwrap(), Awgn::new(2.0).unwrap()]);
        assert!(Masked::new(two.unwrap(), &[true]).is_err());
    }
}
