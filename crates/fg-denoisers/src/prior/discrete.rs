//! Rows that are one of finitely many points.

use core::f64::consts::FRAC_1_SQRT_2;

use fg_core::denoiser::{Denoiser, Law, Parameter, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;
use fg_core::special::number::Number;

use crate::error::{self, ParameterError};
use crate::family::components::{self, Answer, Components};

/// A discrete distribution on any points of `d` columns: constellations, classes, binary weights.
///
/// # Density
///
/// ```text
/// f(x) = sum_k w_k delta(x - a_k)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | points `a` | - | finite | as many as there are weights, `d` values each |
/// | weights `w` | - | above 0, finite | probabilities, up to a common factor; may be learned |
///
/// Constellations of mean power one, with equal weights, for complex entries as two real columns (real part, imaginary
/// part): [`qpsk`](Self::qpsk) and [`qam16`](Self::qam16); [`bpsk`](Self::bpsk) for real ones.
///
/// # Estimate
///
/// ```text
/// exponent        e_k = log w_k + n'a_k - a_k' Gamma a_k / 2
/// share           p_k = exp(e_k) / sum exp(e)
/// mean            sum p_k a_k
/// covariance      sum p_k (a_k - mean) (a_k - mean)'
/// log-partition   log sum exp(e)
/// ```
///
/// # Numerical notes and limits
///
/// * Exponents are differences from that of the first point, `(a_k - a_1)' (n - Gamma (a_k + a_1) / 2)`: points of
///   equal length keep their digits at any precision.
/// * Means and covariances are taken about the point of largest share. Where the others have shares far below
///   rounding, the covariance is still theirs, to full relative accuracy.
/// * Any precision is legal. However large it is, the row stays one of the points.
/// * `O(K d^2)` a call, `O(K d + d^2 K)` and `K` exponentials a row.
///
/// # Reference
///
/// J. Barbier, F. Krzakala, N. Macris, L. Miolane and L. Zdeborova, "Optimal errors and phase transitions in
/// high-dimensional generalized linear models", Proceedings of the National Academy of Sciences 116 (2019), doi
/// 10.1073/pnas.1802705116.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// use fg_denoisers::Discrete;
/// let prior = Discrete::binary();
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// prior.estimate(&RowCavity::new(0, 1, &[0.7], &[0.7], &[1.0]), &mut out, &mut Scratch::default())?;
/// assert!((mean[0] - 0.7f64.tanh()).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Discrete {
    d: usize,
    points: Vec<f64>,
    /// Probabilities, and their logarithms relative to the first.
    weights: Vec<f64>,
    log_ratios: Vec<f64>,
    learns_weights: bool,
}

/// Levels of one column of 16-QAM, before they are scaled to mean power one.
const QAM16_LEVELS: [f64; 4] = [-3.0, -1.0, 1.0, 3.0];

impl Discrete {
    /// Rows of `d` columns that are one of `points` (`weights.len() x d`, row after row), with probabilities in
    /// proportion to `weights`.
    ///
    /// # Errors
    /// [`ParameterError`] unless there is a weight, all weights are finite and above 0, all points are finite, and the
    /// lengths fit.
    pub fn new(d: usize, points: &[f64], weights: &[f64]) -> Result<Self, ParameterError> {
        let expected = d.max(1) * weights.len().max(1);
        if d == 0 || points.len() != expected {
            let found = points.len();
            return Err(ParameterError::Length { parameter: "points", expected, found });
        }
        for &value in points {
            error::finite("point", value)?;
        }
        for &value in weights {
            error::positive("weight", value)?;
        }
        // The largest first, so that the sum of any finite weights is finite.
        let largest = weights.iter().copied().fold(0.0, f64::max);
        let total: f64 = weights.iter().map(|w| w / largest).sum();
        let weights: Vec<f64> = weights.iter().map(|w| w / largest / total).collect();
        let log_ratios = weights.iter().map(|w| w.ln() - weights[0].ln()).collect();
        Ok(Self { d, points: points.to_vec(), weights, log_ratios, learns_weights: false })
    }

    /// These points, all as probable.
    fn even(d: usize, points: Vec<f64>) -> Self {
        let count = points.len() / d;
        let weights = vec![1.0 / count as f64; count];
        Self { d, points, weights, log_ratios: vec![0.0; count], learns_weights: false }
    }

    /// -1 or 1, with equal probability.
    pub fn binary() -> Self {
        Self::even(1, vec![-1.0, 1.0])
    }

    /// Binary phase shift keying, of mean power one: the same as [`binary`](Self::binary).
    pub fn bpsk() -> Self {
        Self::binary()
    }

    /// Quadrature phase shift keying, of mean power one: the four points `(+-1, +-1) / sqrt(2)`.
    pub fn qpsk() -> Self {
        Self::square(&[-FRAC_1_SQRT_2, FRAC_1_SQRT_2])
    }

    /// Quadrature amplitude modulation by 4 x 4 points, of mean power one: both columns are among
    /// `(-3, -1, 1, 3) / sqrt(10)`.
    pub fn qam16() -> Self {
        let power =
            QAM16_LEVELS.iter().map(|v| 2.0 * v * v).sum::<f64>() / QAM16_LEVELS.len() as f64;
        Self::square(&QAM16_LEVELS.map(|v| v / power.sqrt()))
    }

    /// All pairs of these levels.
    fn square(levels: &[f64]) -> Self {
        let row = |&a: &f64| levels.iter().flat_map(move |&b| [a, b]);
        Self::even(2, levels.iter().flat_map(row).collect())
    }

    /// The same points moved away from the origin or towards it, so that `E x'x = power`.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < power < inf` and some point isn't zero.
    pub fn with_mean_power(mut self, power: f64) -> Result<Self, ParameterError> {
        let power = error::positive("power", power)?;
        let points = self.points.chunks_exact(self.d).zip(&self.weights);
        let own: f64 = points.map(|(x, w)| w * x.iter().map(|v| v * v).sum::<f64>()).sum();
        let factor = (power / error::positive("mean power of the points", own)?).sqrt();
        for value in &mut self.points {
            *value = error::finite("point", *value * factor)?;
        }
        Ok(self)
    }

    /// Lets a run learn the weights, from the given ones on.
    #[must_use]
    pub fn learn_weights(mut self) -> Self {
        self.learns_weights = true;
        self
    }

    /// The points, row after row.
    pub fn points(&self) -> &[f64] {
        &self.points
    }

    /// Their probabilities.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Part of the exponents, relative to the first point's, that all rows share.
    fn shared_exponents(&self, gamma: &[f64], out: &mut [f64]) {
        let (d, first) = (self.d, &self.points[..self.d]);
        for (k, out) in out.iter_mut().enumerate() {
            let point = &self.points[k * d..(k + 1) * d];
            let mut sum = 0.0;
            for i in 0..d {
                let pull: f64 = (0..d).map(|j| gamma[i * d + j] * (point[j] + first[j])).sum();
                sum += (point[i] - first[i]) * pull;
            }
            *out = self.log_ratios[k] - 0.5 * sum;
        }
    }

    /// Exponents of a row relative to the first point's; returns the index of the largest.
    fn exponents(&self, shared: &[f64], n: &[f64], out: &mut [f64]) -> usize {
        let (d, first) = (self.d, &self.points[..self.d]);
        let mut top = 0;
        for k in 0..out.len() {
            let point = &self.points[k * d..(k + 1) * d];
            let tilt: f64 = (0..d).map(|j| n[j] * (point[j] - first[j])).sum();
            out[k] = shared[k] + tilt;
            if out[k] > out[top] {
                top = k;
            }
        }
        top
    }

    /// Turns exponents into shares relative to the largest; returns their sum.
    fn shares(exponents: &mut [f64], top: usize) -> f64 {
        let height = exponents[top];
        let mut total = 0.0;
        for share in exponents {
            *share = (*share - height).exp();
            total += *share;
        }
        total
    }
}

/// The points of one column, and the part of their exponents that all rows share.
struct Points<'a> {
    points: &'a [f64],
    shared: &'a [f64],
}

impl Components for Points<'_> {
    const POINTS: bool = true;

    fn count(&self) -> usize {
        self.points.len()
    }

    #[inline(always)]
    fn answer<N: Number>(&self, k: usize, n: N) -> Answer<N> {
        let (first, own) = (self.points[0], self.points[k]);
        Answer {
            exponent: n.mul_add(n.constant(own - first), n.constant(self.shared[k])),
            mean: n.constant(own),
            variance: n.constant(0.0),
        }
    }
}

impl Denoiser for Discrete {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let (d, count) = (self.d, self.weights.len());
        let size = d * d;
        let (shared, rest) = scratch.slice(2 * count + d).split_at_mut(count);
        let (shares, shift) = rest.split_at_mut(count);
        self.shared_exponents(cavity.precision(), shared);
        if d == 1 {
            components::apply(Points { points: &self.points, shared }, cavity, out);
            return Ok(());
        }
        for i in 0..cavity.len() {
            let top = self.exponents(shared, &cavity.natural()[i * d..(i + 1) * d], shares);
            let centre = &self.points[top * d..(top + 1) * d];
            let total = Self::shares(shares, top);
            let points = || self.points.chunks_exact(d);
            shift.fill(0.0);
            for (share, point) in shares.iter_mut().zip(points()) {
                *share /= total;
                for j in 0..d {
                    shift[j] += *share * (point[j] - centre[j]);
                }
            }
            let covariance = &mut out.covariance[i * size..(i + 1) * size];
            covariance.fill(0.0);
            for (share, point) in shares.iter().zip(points()) {
                let apart = |j: usize| point[j] - centre[j] - shift[j];
                for (entry, c) in covariance.iter_mut().enumerate() {
                    *c += share * (apart(entry / d) * apart(entry % d));
                }
            }
            for (j, mean) in out.mean[i * d..(i + 1) * d].iter_mut().enumerate() {
                *mean = centre[j] + shift[j];
            }
        }
        Ok(())
    }

    fn columns(&self) -> Option<usize> {
        Some(self.d)
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let (d, count) = (self.d, self.weights.len());
        let (mut shared, mut exponents) = (vec![0.0; count], vec![0.0; count]);
        self.shared_exponents(cavity.precision(), &mut shared);
        let first = &self.points[..d];
        let at_first =
            self.weights[0].ln() - 0.5 * small::bilinear(first, cavity.precision(), first, d);
        for (out, n) in out.iter_mut().zip(cavity.natural().chunks_exact(d)) {
            let top = self.exponents(&shared, n, &mut exponents);
            let height = exponents[top];
            let total: f64 = exponents.iter().map(|e| (e - height).exp()).sum();
            let tilt: f64 = n.iter().zip(first).map(|(n, a)| n * a).sum();
            *out = at_first + tilt + height + total.ln();
        }
        true
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn learning(&self) -> Vec<Parameter> {
        let weights = || Parameter::new("weights", self.weights.clone());
        self.learns_weights.then(weights).into_iter().collect()
    }

    /// The average share of each point.
    fn learned(&self, rows: &mut dyn Iterator<Item = RowCavity<'_>>) -> Option<Box<dyn Denoiser>> {
        let (d, count) = (self.d, self.weights.len());
        let (mut shared, mut shares) = (vec![0.0; count], vec![0.0; count]);
        let (mut sums, mut total) = (vec![0.0; count], 0.0);
        for piece in rows {
            self.shared_exponents(piece.precision(), &mut shared);
            for n in piece.natural().chunks_exact(d) {
                let top = self.exponents(&shared, n, &mut shares);
                let whole = Self::shares(&mut shares, top);
                sums.iter_mut().zip(&shares).for_each(|(sum, share)| *sum += share / whole);
                total += 1.0;
            }
        }
        if !(total > 0.0) {
            return None;
        }
        // A point of no share at all keeps the smallest weight there is, as no weight is zero.
        let weights: Vec<f64> =
            sums.iter().map(|sum| (sum / total).max(f64::MIN_POSITIVE)).collect();
        let learned = Self::new(d, &self.points, &weights).ok()?;
        Some(Box::new(Self { learns_weights: self.learns_weights, ..learned }))
    }

    fn name(&self) -> String {
        "discrete".to_owned()
    }
}

impl Law for Discrete {
    fn uniforms(&self, _d: usize) -> usize {
        1
    }

    /// A piece of the unit interval a point.
    fn jumps(&self) -> Option<Vec<f64>> {
        let mut sum = 0.0;
        let ends = self.weights.iter().map(|w| {
            sum += w;
            sum
        });
        Some(ends.take(self.weights.len() - 1).collect())
    }

    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        let mut left = uniforms[0];
        let mut point = self.weights.len() - 1;
        for (k, w) in self.weights.iter().enumerate() {
            left -= w;
            if left < 0.0 {
                point = k;
                break;
            }
        }
        row.copy_from_slice(&self.points[point * self.d..(point + 1) * self.d]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(prior: &Discrete, n: &[f64], gamma: &[f64]) -> (Vec<f64>, Vec<f64>, f64) {
        let d = n.len();
        let cavity = RowCavity::new(0, d, n, n, gamma);
        let (mut mean, mut covariance, mut log) = (vec![0.0; d], vec![0.0; d * d], [0.0]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        prior.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        assert!(prior.log_partition(&cavity, &mut log), "a log-partition function");
        (mean, covariance, log[0])
    }

    /// A handful of rounding errors.
    const ROUNDING: f64 = 1e-14;

    #[test]
    fn binary_rows_are_hyperbolic_tangents_at_any_precision() {
        let prior = Discrete::binary();
        for n in [0.0, 0.3, -2.0, 15.0, -300.0] {
            for gamma in [0.0, 1.0, 1e12] {
                let (mean, variance, log) = run(&prior, &[n], &[gamma]);
                let hyperbolic = n.cosh();
                let close =
                    |a: f64, b: f64| (a - b).abs() <= ROUNDING * b.abs().max(f64::MIN_POSITIVE);
                assert!(close(mean[0], n.tanh()), "{n} {gamma}: {mean:?}");
                assert!(close(variance[0], hyperbolic.powi(-2)), "{n} {gamma}: {variance:?}");
                let exact = hyperbolic.ln() - 0.5 * gamma;
                assert!((log - exact).abs() <= ROUNDING * exact.abs().max(1.0), "{log} {exact}");
            }
        }
    }

    #[test]
    fn far_evidence_leaves_one_point_and_the_covariance_of_the_next() {
        let corners = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        let prior = Discrete::new(2, &corners, &[1.0, 1.0, 2.0]).unwrap();
        let (mean, covariance, _) = run(&prior, &[100.0, 0.0], &[0.0; 4]);
        // The first corner follows by exp(-100), the third by twice that.
        let e = (-100.0f64).exp();
        assert!((mean[0] - 1.0).abs() < ROUNDING && (mean[1] / (2.0 * e) - 1.0).abs() < ROUNDING);
        for (found, expected) in covariance.iter().zip([3.0, -2.0, -2.0, 2.0]) {
            assert!((found / (expected * e) - 1.0).abs() < ROUNDING, "{covariance:?}");
        }
    }

    #[test]
    fn constellations_have_mean_power_one_and_no_mean() {
        for (prior, d, count) in
            [(Discrete::bpsk(), 1, 2), (Discrete::qpsk(), 2, 4), (Discrete::qam16(), 2, 16)]
        {
            let (mean, covariance, log) = run(&prior, &vec![0.0; d], &vec![0.0; d * d]);
            assert_eq!(prior.points().len(), count * d);
            assert!(mean.iter().all(|m| m.abs() < ROUNDING), "{mean:?}");
            for (k, c) in covariance.iter().enumerate() {
                let expected = if k % (d + 1) == 0 { 1.0 / d as f64 } else { 0.0 };
                assert!((c - expected).abs() < ROUNDING, "{covariance:?}");
            }
            assert!(log.abs() < ROUNDING, "{log}");
            let louder = prior.with_mean_power(3.0).unwrap();
            let (_, covariance, _) = run(&louder, &vec![0.0; d], &vec![0.0; d * d]);
            let power: f64 = (0..d).map(|j| covariance[j * d + j]).sum();
            assert!((power - 3.0).abs() < 10.0 * ROUNDING, "{power}");
        }
        assert!(Discrete::qpsk().with_mean_power(0.0).is_err());
        assert!(Discrete::new(1, &[0.0], &[1.0]).unwrap().with_mean_power(1.0).is_err());
    }

    #[test]
    fn parameters_are_checked_and_weights_normalised() {
        assert!(Discrete::new(1, &[], &[]).is_err());
        assert!(Discrete::new(2, &[1.0], &[1.0]).is_err());
        assert!(Discrete::new(1, &[1.0, f64::NAN], &[1.0, 1.0]).is_err());
        assert!(Discrete::new(1, &[1.0, 2.0], &[1.0, 0.0]).is_err());
        let prior = Discrete::new(1, &[1.0, 2.0], &[3.0, 1.0]).unwrap();
        assert!(prior.weights() == [0.75, 0.25] && prior.jumps() == Some(vec![0.75]));
        let mut row = [0.0];
        for (u, x) in [(0.0, 1.0), (0.7499, 1.0), (0.75, 2.0), (0.9999, 2.0)] {
            prior.draw(&[u], &mut row);
            assert_eq!(row[0].to_bits(), f64::to_bits(x), "{u}: {row:?}");
        }
    }
}
