//! Another unit and another origin for the rows of any estimator.

use std::sync::Arc;

use fg_core::denoiser::{
    Denoiser, Estimation, GaussianRow, Law, Parameter, RowCavity, RowEstimate, Scratch,
};
use fg_core::factor::Breakdown;
use fg_core::message::small;
use fg_core::special::number::Number;

use crate::error::{self, ParameterError};
use crate::family::formula::{self, Formula};
use crate::family::part;

/// Rows `x = a u + b` whose `u` has any prior or penalty.
///
/// # Density
///
/// ```text
/// f(x) = g((x - b) / a) / abs(a)^d,      g the density of u
/// ```
///
/// For a penalty, whose cost isn't normalised, `cost(x) = cost_u((x - b) / a)`.
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | denoiser | - | any | the estimator of `u`; learns what it is asked to |
/// | scale `a` | - | finite, not 0 | what a unit of `u` is in `x`; negative ones mirror |
/// | shift `b` | 0 | finite | a row of `d` values |
///
/// # Estimate
///
/// That of `u` under the cavity `a (n - Gamma b)`, `a^2 Gamma`:
///
/// ```text
/// mean            a mean_u + b
/// covariance      a^2 covariance_u
/// log-partition   log-partition_u + b'n - b' Gamma b / 2
/// ```
///
/// # Numerical notes
///
/// A step of learning is one of `u`: the log-partition functions differ by what doesn't depend on its parameters. Where the
/// cavity is precise, `n - Gamma b` has the digits that `x - b` has next to `x`.
///
/// # Reference
///
/// None: a change of variables.
///
/// # Example
///
/// Student's t about 10.
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// use fg_denoisers::{Scaled, StudentT};
/// let prior = Scaled::new(StudentT::new(4.0, 1.0)?, 2.0, &[10.0])?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// prior.estimate(&RowCavity::new(0, 1, &[0.0], &[0.0], &[0.0]), &mut out, &mut Scratch::default())?;
/// assert!((mean[0] - 10.0).abs() < 1e-12 && (variance[0] - 8.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Scaled {
    denoiser: Arc<dyn Denoiser>,
    scale: f64,
    /// Empty for none.
    shift: Arc<[f64]>,
    /// The law of each row where rows differ, of all rows otherwise.
    laws: Vec<ScaledLaw>,
}

impl Scaled {
    /// Rows `scale u + shift`, of as many columns as the shift.
    ///
    /// # Errors
    /// [`ParameterError`] unless the scale is finite and not zero, and the shift finite and of as many columns as the denoiser
    /// is for.
    pub fn new(
        denoiser: impl Denoiser + 'static,
        scale: f64,
        shift: &[f64],
    ) -> Result<Self, ParameterError> {
        let expected = denoiser.columns().unwrap_or(shift.len().max(1));
        if shift.len() != expected {
            let found = shift.len();
            return Err(ParameterError::Length { parameter: "shift", expected, found });
        }
        for &value in shift {
            error::finite("shift", value)?;
        }
        Self::of(Arc::new(denoiser), scale, shift.into())
    }

    /// Rows `scale u`, of any number of columns that the denoiser is for.
    ///
    /// # Errors
    /// [`ParameterError`] unless the scale is finite and not zero.
    pub fn by(denoiser: impl Denoiser + 'static, scale: f64) -> Result<Self, ParameterError> {
        Self::of(Arc::new(denoiser), scale, Arc::new([]))
    }

    fn of(
        denoiser: Arc<dyn Denoiser>,
        scale: f64,
        shift: Arc<[f64]>,
    ) -> Result<Self, ParameterError> {
        error::positive("absolute scale", scale.abs())?;
        let law = |row| {
            let (denoiser, shift) = (Arc::clone(&denoiser), Arc::clone(&shift));
            ScaledLaw { denoiser, row, scale, shift }
        };
        let drawn = (0..denoiser.rows().unwrap_or(1)).map(law);
        let laws = drawn.filter(|law| law.inner().is_some()).collect::<Vec<_>>();
        // Rows of which some can't be drawn can't be found by their number.
        let laws = if laws.len() == denoiser.rows().unwrap_or(1) { laws } else { Vec::new() };
        Ok(Self { denoiser, scale, shift, laws })
    }

    /// The estimator of `u`.
    pub fn denoiser(&self) -> &dyn Denoiser {
        &*self.denoiser
    }

    /// Scale `a`.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Shift `b`; empty for none.
    pub fn shift(&self) -> &[f64] {
        &self.shift
    }

    fn shift_at(&self, j: usize) -> f64 {
        self.shift.get(j).copied().unwrap_or(0.0)
    }

    /// The map of one column.
    fn affine(&self) -> Affine {
        Affine { scale: self.scale, shift: self.shift_at(0) }
    }

    /// Rows of one column that are answered one by one, as many at a time as the nearest cache has room for.
    fn by_pieces(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let most = PIECE.min(cavity.len());
        let (memory, scratch) = scratch.nested(4 * most + 1);
        for start in (0..cavity.len()).step_by(PIECE) {
            let rows = start..(start + PIECE).min(cavity.len());
            let len = rows.len();
            let (mean, rest) = memory.split_at_mut(len);
            let (variance, rest) = rest.split_at_mut(len);
            let inner = self.inner(&part::rows(cavity, rows.clone()), &mut rest[..2 * len + 1]);
            let mut found = RowEstimate { mean, covariance: variance };
            self.denoiser.estimate(&inner, &mut found, scratch)?;
            let mut out = part::answers(out, rows, 1);
            formula::apply_to(&self.affine(), [&*mean, &*variance], &mut out);
        }
        Ok(())
    }

    /// Values that the cavity of `u` takes: natural parameters and means of all rows, and the precision.
    fn memory(cavity: &RowCavity<'_>) -> usize {
        2 * cavity.natural().len() + cavity.precision().len()
    }

    /// What the cavity says of `u`.
    fn inner<'m>(&self, cavity: &RowCavity<'_>, memory: &'m mut [f64]) -> RowCavity<'m> {
        let (d, len) = (cavity.columns(), cavity.natural().len());
        let (natural, rest) = memory.split_at_mut(len);
        let (mean, precision) = rest.split_at_mut(len);
        for (p, gamma) in precision.iter_mut().zip(cavity.precision()) {
            *p = self.scale * self.scale * gamma;
        }
        if d == 1 {
            let inwards = Inwards { affine: self.affine(), gamma: cavity.scalar_precision() };
            let mut rows = RowEstimate { mean: natural, covariance: mean };
            formula::apply_to(&inwards, [cavity.natural(), cavity.mean()], &mut rows);
            return RowCavity::new(cavity.first_row(), d, natural, mean, precision);
        }
        for (k, n) in natural.iter_mut().enumerate() {
            let row = &cavity.precision()[(k % d) * d..(k % d + 1) * d];
            let pull: f64 = row.iter().enumerate().map(|(j, g)| g * self.shift_at(j)).sum();
            *n = self.scale * (cavity.natural()[k] - pull);
            mean[k] = (cavity.mean()[k] - self.shift_at(k % d)) / self.scale;
        }
        RowCavity::new(cavity.first_row(), d, natural, mean, precision)
    }
}

impl Denoiser for Scaled {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        if d == 1 && self.denoiser.separable() {
            return self.by_pieces(cavity, out, scratch);
        }
        let (memory, scratch) = scratch.nested(Self::memory(cavity));
        self.denoiser.estimate(&self.inner(cavity, memory), out, scratch)?;
        for row in out.mean.chunks_exact_mut(d) {
            for (j, mean) in row.iter_mut().enumerate() {
                *mean = self.scale * *mean + self.shift_at(j);
            }
        }
        out.covariance.iter_mut().for_each(|c| *c *= self.scale * self.scale);
        Ok(())
    }

    fn columns(&self) -> Option<usize> {
        self.denoiser.columns().or_else(|| (!self.shift.is_empty()).then_some(self.shift.len()))
    }

    fn rows(&self) -> Option<usize> {
        self.denoiser.rows()
    }

    fn estimation(&self) -> Estimation {
        self.denoiser.estimation()
    }

    fn separable(&self) -> bool {
        self.denoiser.separable()
    }

    fn gaussian(&self, row: usize, d: usize) -> Option<GaussianRow> {
        let mut found = self.denoiser.gaussian(row, d)?;
        if found.known {
            for (j, value) in found.natural.iter_mut().enumerate() {
                *value = self.scale.mul_add(*value, self.shift_at(j));
            }
            return Some(found);
        }
        found.precision.iter_mut().for_each(|p| *p /= self.scale * self.scale);
        for (j, n) in found.natural.iter_mut().enumerate() {
            let pull: f64 = (0..d).map(|k| found.precision[j * d + k] * self.shift_at(k)).sum();
            *n = *n / self.scale + pull;
        }
        Some(found)
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let d = cavity.columns();
        let mut memory = vec![0.0; Self::memory(cavity)];
        if !self.denoiser.log_partition(&self.inner(cavity, &mut memory), out) {
            return false;
        }
        let shift: Vec<f64> = (0..d).map(|j| self.shift_at(j)).collect();
        let own = 0.5 * small::bilinear(&shift, cavity.precision(), &shift, d);
        for (out, n) in out.iter_mut().zip(cavity.natural().chunks_exact(d)) {
            *out += n.iter().zip(&shift).map(|(n, b)| n * b).sum::<f64>() - own;
        }
        true
    }

    fn law(&self) -> Option<&dyn Law> {
        self.denoiser.law()?;
        self.laws.first().map(|law| law as &dyn Law)
    }

    fn row_law(&self, row: usize) -> Option<&dyn Law> {
        let place = if self.rows().is_some() { row } else { 0 };
        self.laws.get(place).map(|law| law as &dyn Law)
    }

    fn learning(&self) -> Vec<Parameter> {
        self.denoiser.learning()
    }

    fn learned(&self, rows: &mut dyn Iterator<Item = RowCavity<'_>>) -> Option<Box<dyn Denoiser>> {
        let pieces: Vec<_> = rows.collect();
        let mut memories: Vec<_> = pieces.iter().map(|p| vec![0.0; Self::memory(p)]).collect();
        let inner = pieces.iter().zip(&mut memories).map(|(piece, m)| self.inner(piece, m));
        let learned = self.denoiser.learned(&mut inner.collect::<Vec<_>>().into_iter())?;
        let scaled = Self::of(learned.into(), self.scale, Arc::clone(&self.shift)).ok()?;
        Some(Box::new(scaled))
    }

    fn name(&self) -> String {
        format!("scaled {}", self.denoiser.name())
    }
}

/// Rows of one call where each stands for itself.
const PIECE: usize = 256;

/// Mean and variance of `u` to those of `a u + b`.
#[derive(Clone, Copy)]
struct Affine {
    scale: f64,
    shift: f64,
}

impl Formula<2> for Affine {
    #[inline(always)]
    fn row<N: Number>(&self, [mean, variance]: [N; 2]) -> [N; 2] {
        let scale = mean.constant(self.scale);
        [mean.mul_add(scale, mean.constant(self.shift)), variance * (scale * scale)]
    }
}

/// Natural parameter and mean of a cavity to those of `u`.
struct Inwards {
    affine: Affine,
    gamma: f64,
}

impl Formula<2> for Inwards {
    #[inline(always)]
    fn row<N: Number>(&self, [n, r]: [N; 2]) -> [N; 2] {
        let Affine { scale, shift } = self.affine;
        let pull = n.constant(self.gamma * shift);
        [n.constant(scale) * (n - pull), n.constant(scale.recip()) * (r - n.constant(shift))]
    }
}

/// The law of a row.
#[derive(Debug)]
struct ScaledLaw {
    denoiser: Arc<dyn Denoiser>,
    row: usize,
    scale: f64,
    shift: Arc<[f64]>,
}

impl ScaledLaw {
    fn inner(&self) -> Option<&dyn Law> {
        self.denoiser.row_law(self.row)
    }
}

impl Law for ScaledLaw {
    fn uniforms(&self, d: usize) -> usize {
        self.inner().map_or(0, |law| law.uniforms(d))
    }

    fn jumps(&self) -> Option<Vec<f64>> {
        self.inner()?.jumps()
    }

    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        if let Some(law) = self.inner() {
            law.draw(uniforms, row);
        }
        for (j, value) in row.iter_mut().enumerate() {
            *value = self.scale.mul_add(*value, self.shift.get(j).copied().unwrap_or(0.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BernoulliGauss, Gaussian, GaussianMixture, L2, Stacked};

    fn ask(prior: &dyn Denoiser, n: &[f64], gamma: &[f64]) -> Vec<f64> {
        let d = n.len();
        let cavity = RowCavity::new(0, d, n, n, gamma);
        let (mut mean, mut covariance, mut log) = (vec![0.0; d], vec![0.0; d * d], [0.0]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        prior.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        assert!(prior.log_partition(&cavity, &mut log));
        [mean, covariance, log.to_vec()].concat()
    }

    #[test]
    fn scaled_and_shifted_families_are_the_families_of_other_parameters() {
        const ROUNDING: f64 = 1e-12;
        let close = |a: &dyn Denoiser, b: &dyn Denoiser, n: &[f64], gamma: &[f64]| {
            for (x, y) in ask(a, n, gamma).iter().zip(&ask(b, n, gamma)) {
                assert!((x - y).abs() < ROUNDING * (1.0 + y.abs()), "{a:?}: {x} {y}");
            }
        };
        let scaled = Scaled::by(BernoulliGauss::new(0.2, 1.0, 0.5).unwrap(), -2.0).unwrap();
        let same = BernoulliGauss::new(0.2, -2.0, 2.0).unwrap();
        for (n, gamma) in [(0.0, 0.0), (3.0, 2.0), (-40.0, 30.0)] {
            close(&scaled, &same, &[n], &[gamma]);
        }
        let mixture = GaussianMixture::scalar(&[(0.3, -2.0, 0.5), (0.7, 1.0, 0.0)]).unwrap();
        let scaled = Scaled::new(mixture, 3.0, &[1.0]).unwrap();
        let same = GaussianMixture::scalar(&[(0.3, -5.0, 4.5), (0.7, 4.0, 0.0)]).unwrap();
        close(&scaled, &same, &[2.0], &[0.7]);
        let (covariance, larger) = ([1.0, 0.6, 0.6, 2.0], [4.0, 2.4, 2.4, 8.0]);
        let scaled = Gaussian::with_covariance(&[1.0, -1.0], &covariance).unwrap();
        let scaled = Scaled::new(scaled, 2.0, &[0.5, 1.0]).unwrap();
        let same = Gaussian::with_covariance(&[2.5, -1.0], &larger).unwrap();
        close(&scaled, &same, &[0.3, 0.8], &[2.0, 0.5, 0.5, 1.0]);
        let (a, b) = (scaled.gaussian(0, 2).unwrap(), same.gaussian(0, 2).unwrap());
        for (x, y) in a.natural.iter().chain(&a.precision).zip(b.natural.iter().chain(&b.precision))
        {
            assert!((x - y).abs() < ROUNDING, "{a:?} {b:?}");
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "results that rounding does not touch")]
    fn rows_of_different_law_are_drawn_by_their_own() {
        let stack = Stacked::new(1, Gaussian::new(1.0, 0.0).unwrap()).unwrap();
        let stack = stack.then(1, Gaussian::new(5.0, 0.0).unwrap()).unwrap();
        let scaled = Scaled::new(stack, 2.0, &[1.0]).unwrap();
        let mut x = [0.0];
        scaled.row_law(1).unwrap().draw(&[0.3], &mut x);
        assert_eq!(x, [11.0]);
        assert!(scaled.law().is_none() && scaled.row_law(2).is_none());
        assert!(Scaled::by(L2::new(1.0).unwrap(), 2.0).unwrap().row_law(0).is_none());
    }

    #[test]
    fn parameters_are_checked() {
        let inner = || BernoulliGauss::new(0.2, 1.0, 0.5).unwrap();
        for scale in [0.0, f64::NAN, f64::INFINITY] {
            assert!(Scaled::by(inner(), scale).is_err(), "{scale}");
        }
        assert!(Scaled::new(inner(), 1.0, &[1.0, 2.0]).is_err());
        assert!(Scaled::new(inner(), 1.0, &[f64::NAN]).is_err());
        assert!(Scaled::new(Gaussian::new(0.0, 1.0).unwrap(), 1.0, &[]).is_err());
    }
}
