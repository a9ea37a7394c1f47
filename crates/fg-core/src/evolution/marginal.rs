//! Matched likelihoods of one datum a row: the average posterior covariance over the estimator's own law of the data.

use core::f64::consts::TAU;

use super::innovation::roots;
use super::points::in_turn;
use super::port::add_product;
use super::truth::Moments;
use crate::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use crate::factor::Breakdown;
use crate::message::small;
use crate::special::points::{GaussianPoints, uniform};

/// Draws that tell where the data of a cavity lie. They are the same for all cavities, and needn't tell exactly.
const DRAWS: usize = 16;
/// Scrambling of the draws, another than that of the points.
const SEED: u32 = 0x6472_6177;
/// Data are placed by a normal law so much wider than they are found to be: where it is the narrower one, few points count
/// for many.
const WIDER: f64 = 1.2;
/// Densities that add up to one within this are the estimator's own law: what it may be wrong by where it integrates itself.
const NORMALISED: f64 = 0.02;
/// And within so much over the root of the number of points, about ten times the scatter that their weights have where data are
/// normal.
const SCATTER: f64 = 2.0;

/// A likelihood whose posterior covariance is averaged over cavity means and data.
///
/// With a hidden row `z` of covariance `S`, a matched cavity of precision `Gamma` has the mean `r`, of covariance
/// `S - Gamma^-1`, and `z` is normal about it with the covariance `Gamma^-1`. So the datum `y` has the density
///
/// ```text
/// p(y | r) = det(Gamma / 2 pi)^(1/2) exp(A(y, r Gamma) - r Gamma r' / 2)
/// ```
///
/// with the log-partition function `A`, and `E C(y, r)` is an integral over `r` and `y`. Drawing `z` and `y` instead takes
/// `d` dimensions more, and a network with kinks makes it rough in all of them; the density is smooth.
#[derive(Debug)]
pub(super) struct Marginal {
    d: usize,
    /// Mean and covariance of the hidden rows.
    mean: Vec<f64>,
    covariance: Vec<f64>,
    /// `d` components for the cavity's mean, one for the datum.
    points: GaussianPoints,
    /// Point by point, standard normal rows and uniforms of draws of data.
    normals: GaussianPoints,
    uniforms: Vec<f64>,
    rows: Rows,
    weights: Vec<f64>,
    /// `Gamma^-1`.
    inverse: Vec<f64>,
}

/// Cavities and data of all points, and what the estimator makes of them.
#[derive(Debug, Default)]
struct Rows {
    natural: Vec<f64>,
    r: Vec<f64>,
    data: Vec<f64>,
    log_partition: Vec<f64>,
    estimate: Vec<f64>,
    posterior: Vec<f64>,
}

impl Marginal {
    /// For hidden rows that are normal with these moments, on about `points` points; `None` where the estimator's densities
    /// don't add up to one.
    pub(super) fn new(
        likelihood: &dyn Likelihood,
        moments: &Moments,
        points: usize,
        scratch: &mut Scratch,
    ) -> Option<Self> {
        let d = moments.mean.len();
        let k = likelihood.uniforms(d)?;
        let covariance = moments.covariance();
        let (mut precision, mut work) = (vec![0.0; d * d], vec![0.0; 2 * d * d]);
        small::invert_positive(&covariance, &mut precision, &mut work, d).ok()?;
        let points = GaussianPoints::new(d + 1, points, 0);
        let normals = GaussianPoints::new(d, DRAWS, SEED);
        let uniforms = (0..normals.count() * k).map(|i| uniform(i / k, d + i % k, SEED)).collect();
        let count = points.count();
        let square = || vec![0.0; count * d * d];
        let row = || vec![0.0; count * d];
        let rows = Rows {
            natural: row(),
            r: row(),
            data: vec![0.0; count],
            log_partition: vec![0.0; count],
            estimate: row(),
            posterior: square(),
        };
        let (mean, weights) = (moments.mean.clone(), vec![0.0; count]);
        let inverse = vec![0.0; d * d];
        let mut own =
            Self { d, mean, covariance, points, normals, uniforms, rows, weights, inverse };
        // Half of what there is to know, about which a run begins to tell rows apart.
        precision.iter_mut().for_each(|p| *p *= 2.0);
        let probe = own.average(likelihood, &precision, scratch, &mut work[..d * d]);
        probe.is_ok().then_some(own)
    }

    /// Writes `E C` for a matched cavity of precision `gamma` (`d x d`).
    pub(super) fn average(
        &mut self,
        likelihood: &dyn Likelihood,
        gamma: &[f64],
        scratch: &mut Scratch,
        out: &mut [f64],
    ) -> Result<(), Breakdown> {
        let (d, count) = (self.d, self.points.count());
        let unknown = Breakdown::NoConvergence { port: 0, row: 0 };
        let improper = |_| Breakdown::ImproperCavity { port: 0, row: 0 };
        let mut lower = gamma.to_vec();
        small::cholesky(&mut lower, d).map_err(improper)?;
        let log_determinant = 2.0 * (0..d).map(|j| lower[j * d + j].ln()).sum::<f64>();
        self.place(likelihood, gamma)?;
        let Rows { natural, r, data, log_partition, estimate, posterior } = &mut self.rows;
        let cavity = RowCavity::new(0, d, natural, r, gamma);
        if !likelihood.log_partition(data, &cavity, log_partition) {
            return Err(unknown);
        }
        likelihood.estimate(
            data,
            &cavity,
            &mut RowEstimate { mean: estimate, covariance: posterior },
            scratch,
        )?;
        let constant = 0.5 * (log_determinant - d as f64 * TAU.ln());
        let mut mass = 0.0;
        for (i, (value, weight)) in log_partition.iter().zip(&mut self.weights).enumerate() {
            let (n, r) = (&natural[i * d..(i + 1) * d], &r[i * d..(i + 1) * d]);
            let quadratic: f64 = n.iter().zip(r).map(|(n, r)| n * r).sum();
            let density = value - 0.5 * quadratic + constant;
            *weight = (density + *weight).exp() / count as f64;
            mass += *weight;
        }
        let tolerance = NORMALISED + SCATTER / (count as f64).sqrt();
        if !((mass - 1.0).abs() < tolerance) {
            return Err(unknown);
        }
        self.weights.iter_mut().for_each(|w| *w /= mass);
        self.total(out);
        Ok(())
    }

    /// Writes `E C` as the regression of `C` on `C + (zhat - r)' (zhat - r)`, whose average is `Gamma^-1`: what is learned of a
    /// row on average is what its estimate moves by.
    fn total(&self, out: &mut [f64]) {
        let (d, Rows { r, estimate, posterior, .. }) = (self.d, &self.rows);
        for (k, out) in out.iter_mut().enumerate() {
            let (a, b, prior) = (k / d, k % d, self.inverse[k]);
            // About Gamma^-1, next to which both are: sums of squares are no differences of large numbers.
            let [mut c, mut t, mut ct, mut tt] = [0.0; 4];
            for (i, w) in self.weights.iter().enumerate() {
                let moved = |j: usize| estimate[i * d + j] - r[i * d + j];
                let own = posterior[i * d * d + k] - prior;
                let total = moved(a).mul_add(moved(b), own);
                c += w * own;
                t += w * total;
                ct += w * own * total;
                tt += w * total * total;
            }
            let (cross, square) = (ct - c * t, tt - t * t);
            let slope = if square > 0.0 { cross / square } else { 0.0 };
            *out = prior + slope.mul_add(-t, c);
        }
        small::symmetrise(out, d);
    }

    /// Cavities and data of all points; leaves minus the logarithm of the density that a datum is placed by.
    fn place(&mut self, likelihood: &dyn Likelihood, gamma: &[f64]) -> Result<(), Breakdown> {
        let (d, count) = (self.d, self.points.count());
        let (inverse, mut work) = (&mut self.inverse, vec![0.0; 2 * d * d]);
        small::invert_positive(gamma, inverse, &mut work, d)
            .map_err(|_| Breakdown::ImproperCavity { port: 0, row: 0 })?;
        // What is known has no variance that rounding makes negative.
        let known: Vec<f64> = self.covariance.iter().zip(&*inverse).map(|(s, v)| s - v).collect();
        let (known, _) = roots(&known, 0.0, d);
        let (spread, _) = roots(inverse, 0.0, d);
        let draws = self.normals.count();
        // Draw by draw, by how much the hidden row is away from the cavity's mean.
        let mut away = vec![0.0; draws * d];
        let mut normal = vec![0.0; d];
        for (q, away) in away.chunks_exact_mut(d).enumerate() {
            normal.iter_mut().enumerate().for_each(|(k, v)| *v = self.normals.component(k)[q]);
            add_product(&normal, &spread, away);
        }
        let k = self.uniforms.len() / draws;
        let mut z = vec![0.0; d];
        for i in 0..count {
            let point = in_turn(i, count);
            normal.iter_mut().enumerate().for_each(|(k, v)| *v = self.points.component(k)[point]);
            let r = &mut self.rows.r[i * d..(i + 1) * d];
            r.copy_from_slice(&self.mean);
            add_product(&normal, &known, r);
            small::row_times(r, gamma, &mut self.rows.natural[i * d..(i + 1) * d], d);
            let (mut sum, mut squares, mut y) = (0.0, 0.0, [0.0]);
            for (away, u) in away.chunks_exact(d).zip(self.uniforms.chunks_exact(k)) {
                z.iter_mut().zip(r.iter().zip(away)).for_each(|(z, (r, a))| *z = r + a);
                likelihood.draw(&z, u, &mut y);
                sum += y[0];
                squares += y[0] * y[0];
            }
            let mean = sum / draws as f64;
            let variance = (squares / draws as f64 - mean * mean).max(0.0);
            let deviation = WIDER * variance.sqrt();
            let u = self.points.component(d)[point];
            self.rows.data[i] = deviation.mul_add(u, mean);
            self.weights[i] = 0.5 * (u * u + TAU.ln()) + deviation.ln();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::quantile;

    /// Rounding of averages over some thousand points.
    const ROUNDING: f64 = 1e-12;

    /// `y = z1 - 2 z2 + noise` of variance 0.5, whose density it is wrong about by a factor.
    #[derive(Debug)]
    struct Contrast {
        factor: f64,
    }

    impl Contrast {
        const WEIGHTS: [f64; 2] = [1.0, -2.0];
        const NOISE: f64 = 0.5;

        /// Covariance of the cavity times the weights, and the variance of a datum.
        fn parts(gamma: &[f64]) -> ([f64; 2], f64) {
            let mut v = [0.0; 4];
            small::invert_positive(gamma, &mut v, &mut [0.0; 8], 2).unwrap();
            let mut gain = [0.0; 2];
            small::row_times(&Self::WEIGHTS, &v, &mut gain, 2);
            let spread = gain[0] * Self::WEIGHTS[0] + gain[1] * Self::WEIGHTS[1];
            (gain, spread + Self::NOISE)
        }
    }

    impl Likelihood for Contrast {
        fn estimate(
            &self,
            observed: &[f64],
            cavity: &RowCavity<'_>,
            out: &mut RowEstimate<'_>,
            _scratch: &mut Scratch,
        ) -> Result<(), Breakdown> {
            let (gain, variance) = Self::parts(cavity.precision());
            let mut v = [0.0; 4];
            small::invert_positive(cavity.precision(), &mut v, &mut [0.0; 8], 2).unwrap();
            for (i, y) in observed.iter().enumerate() {
                let r = &cavity.mean()[2 * i..2 * i + 2];
                let error = (y - Self::WEIGHTS[0] * r[0] - Self::WEIGHTS[1] * r[1]) / variance;
                for (j, gain) in gain.iter().enumerate() {
                    out.mean[2 * i + j] = gain.mul_add(error, r[j]);
                }
                for (k, v) in v.iter().enumerate() {
                    out.covariance[4 * i + k] = v - gain[k / 2] * gain[k % 2] / variance;
                }
            }
            Ok(())
        }

        fn outputs(&self, _d: usize) -> usize {
            1
        }

        fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
            let (_, variance) = Self::parts(cavity.precision());
            let gamma = cavity.precision();
            let determinant = gamma[0] * gamma[3] - gamma[1] * gamma[2];
            for (i, (y, out)) in observed.iter().zip(out).enumerate() {
                let r = &cavity.mean()[2 * i..2 * i + 2];
                let error = y - Self::WEIGHTS[0] * r[0] - Self::WEIGHTS[1] * r[1];
                let density = -0.5 * (error * error / variance + (TAU * variance).ln());
                let whole =
                    TAU.ln() - 0.5 * determinant.ln() + 0.5 * small::bilinear(r, gamma, r, 2);
                *out = self.factor.ln() + density + whole;
            }
            true
        }

        fn uniforms(&self, _d: usize) -> Option<usize> {
            Some(1)
        }

        fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
            let noise = Self::NOISE.sqrt() * quantile(uniforms[0]);
            y[0] = Self::WEIGHTS[0].mul_add(z[0], Self::WEIGHTS[1].mul_add(z[1], noise));
        }

        fn has_density(&self) -> bool {
            true
        }

        fn name(&self) -> String {
            "contrast".into()
        }
    }

    fn moments() -> Moments {
        Moments { mean: vec![0.3, -1.0], second: vec![1.09, -0.1, -0.1, 3.0] }
    }

    #[test]
    fn covariances_that_are_alike_are_their_average() {
        let (node, gamma) = (Contrast { factor: 1.0 }, [2.0, 0.3, 0.3, 1.5]);
        let mut scratch = Scratch::default();
        let mut marginal = Marginal::new(&node, &moments(), 4096, &mut scratch).unwrap();
        let mut found = [0.0; 4];
        marginal.average(&node, &gamma, &mut scratch, &mut found).unwrap();
        let (gain, variance) = Contrast::parts(&gamma);
        let mut v = [0.0; 4];
        small::invert_positive(&gamma, &mut v, &mut [0.0; 8], 2).unwrap();
        for (k, f) in found.iter().enumerate() {
            let expected = v[k] - gain[k / 2] * gain[k % 2] / variance;
            assert!((f - expected).abs() < ROUNDING, "{found:?} {expected}");
        }
    }

    #[test]
    fn what_moves_is_what_is_learned() {
        // Of data that are normal the squared moves alone tell the covariance, to the error of 4096 points.
        const POINTS: f64 = 1e-3;
        let (node, gamma) = (Contrast { factor: 1.0 }, [2.0, 0.3, 0.3, 1.5]);
        let mut scratch = Scratch::default();
        let mut marginal = Marginal::new(&node, &moments(), 4096, &mut scratch).unwrap();
        let mut covariance = [0.0; 4];
        marginal.average(&node, &gamma, &mut scratch, &mut covariance).unwrap();
        for k in 0..4 {
            let moved =
                |i: usize, j: usize| marginal.rows.estimate[2 * i + j] - marginal.rows.r[2 * i + j];
            let terms = marginal
                .weights
                .iter()
                .enumerate()
                .map(|(i, w)| w * moved(i, k / 2) * moved(i, k % 2));
            let (found, expected) = (terms.sum::<f64>(), marginal.inverse[k] - covariance[k]);
            assert!((found - expected).abs() < POINTS, "{k}: {found} {expected}");
        }
    }

    #[test]
    fn a_density_of_another_law_is_refused() {
        let new = |factor| {
            Marginal::new(&Contrast { factor }, &moments(), 4096, &mut Scratch::default()).is_some()
        };
        assert!(new(1.0) && !new(0.9) && !new(1.1) && !new(f64::NAN));
    }
}
