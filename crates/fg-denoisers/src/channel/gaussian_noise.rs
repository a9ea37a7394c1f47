//! Additive Gaussian noise between two unknowns, `output = input + noise`.

use core::f64::consts::TAU;

use fg_core::denoiser::{Channel, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;

use crate::error::ParameterError;
use crate::family::{Spread, normal};

/// Gaussian noise on the way from one variable to another.
///
/// # Density
///
/// ```text
/// p(output | input) = N(output; input, C)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | variance | - | `[0, inf)` | `C = variance I` for any number of columns; 0 makes the two variables equal |
/// | covariance | - | positive definite | `C`, `d x d` |
///
/// # Estimate
///
/// Each cavity `(n, Gamma)` reaches the other port blurred, as `(Gamma^-1 + C)^-1`; with `Gamma = F F'`:
///
/// ```text
/// precision       M = F (I + F' C F)^-1 F'
/// natural         R n,      R = (I + Gamma C)^-1 = F (I + F' C F)^-1 F^-1
/// covariance      (Gamma_own + M_other)^-1
/// mean            covariance (n_own + natural_other)
/// log-partition   (p'S p + log det 2 pi S + m'C t - log det(I + C H)) / 2
/// ```
///
/// with `t` what the input is told by the output's cavity `(m, H)`, and `S`, `p` covariance and sum of natural parameters at
/// the input.
///
/// # Numerical notes
///
/// `F` comes from the eigenvectors of `Gamma`, scaled, and `I + F' C F` is never singular: cavities that see some
/// directions only, no noise and much noise are all exact. [`Breakdown::Undetermined`] where neither cavity nor both
/// together determine a direction. The covariance is the same for all rows: `O(d^3)` a call, `O(d^2)` a row.
///
/// # Reference
///
/// R. E. Kalman, "A New Approach to Linear Filtering and Prediction Problems", Journal of Basic Engineering 82 (1960),
/// doi 10.1115/1.3662552.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::Channel;
/// let channel = fg_denoisers::GaussianNoise::new(0.25)?;
/// let mut output = [0.0];
/// channel.draw(&[1.0], &[0.5], &mut output); // the median of the noise is zero
/// assert_eq!(output, [1.0]);
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianNoise {
    noise: Spread,
}

impl GaussianNoise {
    /// Independent noise of this variance in each column.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= variance < inf`.
    pub fn new(variance: f64) -> Result<Self, ParameterError> {
        Ok(Self { noise: Spread::from_variance(variance)? })
    }

    /// Noise of this covariance (`d x d`, row-major) on rows of `d` columns.
    ///
    /// # Errors
    /// [`ParameterError`] unless it has `d * d` finite values and is symmetric and positive definite.
    pub fn with_covariance(d: usize, covariance: &[f64]) -> Result<Self, ParameterError> {
        Ok(Self { noise: Spread::from_covariance(d, covariance)? })
    }

    /// Covariance of the noise on a row of `d` columns, `d x d`.
    pub fn covariance(&self, d: usize) -> Vec<f64> {
        self.noise.covariance(d)
    }

    /// Writes the precision `M` of a cavity of precision `gamma` seen through the noise, and the matrix `R` by which a
    /// row of its natural parameters is to be multiplied; returns `log det(I + C Gamma)`, none where a result isn't finite.
    /// `scratch` holds `6 d^2` values.
    fn blur(
        &self,
        gamma: &[f64],
        m: &mut [f64],
        r: &mut [f64],
        scratch: &mut [f64],
        d: usize,
    ) -> Option<f64> {
        if let (1, Some(variance)) = (d, self.noise.scalar_variance()) {
            r[0] = 1.0 / (1.0 + gamma[0] * variance);
            m[0] = gamma[0] * r[0];
            return m[0].is_finite().then(|| (gamma[0] * variance).ln_1p());
        }
        let size = d * d;
        let (values, rest) = scratch.split_at_mut(size);
        let (v, rest) = rest.split_at_mut(size);
        let (inner, rest) = rest.split_at_mut(size);
        let (inverse, rest) = rest.split_at_mut(size);
        let (work, f) = rest.split_at_mut(size);
        inner.copy_from_slice(gamma);
        small::eigen_symmetric(inner, values, v, d);
        // In a direction without information the two factors of R are zero and infinite; just above zero their
        // product is the limit. Rounding can also leave eigenvalues of a singular precision below zero.
        values[..d].iter_mut().for_each(|value| *value = value.max(NEXT_TO_NOTHING));
        for (k, f) in f[..size].iter_mut().enumerate() {
            *f = v[k] * values[k % d].sqrt();
        }
        self.noise.factor_adjoint_times(f, work, d);
        for i in 0..d {
            for j in 0..d {
                let sum: f64 = (0..d).map(|k| work[k * d + i] * work[k * d + j]).sum();
                inner[i * d + j] = if i == j { 1.0 + sum } else { sum };
            }
        }
        small::cholesky(inner, d).ok()?;
        let log_determinant = (0..d).map(|j| 2.0 * inner[j * d + j].ln()).sum();
        // K = inverse Cholesky factor: M = (K F')' (K F') and R = F K' K D^-1/2 V' = (I + Gamma C)^-1.
        small::invert_lower(inner, inverse, d);
        for i in 0..d {
            for j in 0..d {
                work[i * d + j] = (0..=i).map(|k| inverse[i * d + k] * f[j * d + k]).sum();
                let scaled = |k: usize| inverse[i * d + k] * v[j * d + k] / values[k].sqrt();
                inner[i * d + j] = (0..=i).map(scaled).sum();
            }
        }
        for i in 0..d {
            for j in 0..d {
                let sum: f64 = (0..d).map(|k| work[k * d + i] * work[k * d + j]).sum();
                m[i * d + j] = if sum.abs() * f64::EPSILON > NEXT_TO_NOTHING { sum } else { 0.0 };
                // Rows are multiplied from the left: entry (i, j) takes n_i to component j.
                r[i * d + j] = (0..d).map(|k| inner[k * d + i] * work[k * d + j]).sum();
            }
        }
        Some(log_determinant)
    }
}

/// Stands for an eigenvalue of zero; a precision of this size leaves no trace in any sum.
const NEXT_TO_NOTHING: f64 = f64::MIN_POSITIVE;

impl Channel for GaussianNoise {
    fn estimate(
        &self,
        cavities: [&RowCavity<'_>; 2],
        out: [&mut RowEstimate<'_>; 2],
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = cavities[0].columns();
        let size = d * d;
        for (port, out) in out.into_iter().enumerate() {
            let (own, other) = (cavities[port], cavities[1 - port]);
            let (m, rest) = scratch.slice(9 * size + d).split_at_mut(size);
            let (r, rest) = rest.split_at_mut(size);
            let (covariance, rest) = rest.split_at_mut(size);
            let (natural, rest) = rest.split_at_mut(d);
            self.blur(other.precision(), m, r, rest, d)
                .ok_or(Breakdown::NotFinite { port, row: own.first_row() })?;
            m.iter_mut().zip(own.precision()).for_each(|(m, g)| *m += g);
            small::invert_positive(m, covariance, rest, d)
                .map_err(|_| Breakdown::Undetermined { port })?;
            for i in 0..own.len() {
                let row = i * d..(i + 1) * d;
                small::row_times(&other.natural()[row.clone()], r, natural, d);
                natural.iter_mut().zip(&own.natural()[row.clone()]).for_each(|(t, n)| *t += n);
                small::row_times(natural, covariance, &mut out.mean[row], d);
                out.covariance[i * size..(i + 1) * size].copy_from_slice(covariance);
            }
        }
        Ok(())
    }

    fn log_partition(&self, cavities: [&RowCavity<'_>; 2], out: &mut [f64]) -> bool {
        let [input, output] = cavities;
        let d = input.columns();
        let square = || vec![0.0; d * d];
        let (mut m, mut r, mut covariance, mut scratch) =
            (square(), square(), square(), vec![0.0; 6 * d * d]);
        let Some(blurred) = self.blur(output.precision(), &mut m, &mut r, &mut scratch, d) else {
            return false;
        };
        m.iter_mut().zip(input.precision()).for_each(|(m, g)| *m += g);
        if small::invert_positive(&m, &mut covariance, &mut scratch, d).is_err()
            || small::cholesky(&mut m, d).is_err()
        {
            return false;
        }
        let log: f64 = (0..d).map(|j| 2.0 * m[j * d + j].ln()).sum();
        let volume = 0.5 * (d as f64 * TAU.ln() - log - blurred);
        let noise = self.noise.covariance(d);
        let mut natural = vec![0.0; d];
        for (i, out) in out.iter_mut().enumerate() {
            let row = i * d..(i + 1) * d;
            let told = &output.natural()[row.clone()];
            small::row_times(told, &r, &mut natural, d);
            let spread = small::bilinear(told, &noise, &natural, d);
            natural.iter_mut().zip(&input.natural()[row]).for_each(|(t, n)| *t += n);
            *out = volume + 0.5 * (small::bilinear(&natural, &covariance, &natural, d) + spread);
        }
        true
    }

    fn output_columns(&self, d: usize) -> Option<usize> {
        self.noise.columns().is_none_or(|columns| columns == d).then_some(d)
    }

    fn uniforms(&self, d: usize) -> Option<usize> {
        Some(d)
    }

    fn draw(&self, input: &[f64], uniforms: &[f64], output: &mut [f64]) {
        output.copy_from_slice(input);
        normal::add_noise(&self.noise, uniforms, output);
    }

    fn name(&self) -> String {
        "Gaussian noise".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Port = (Vec<f64>, Vec<f64>);

    fn run(
        channel: &GaussianNoise,
        d: usize,
        cavities: [(&[f64], &[f64]); 2],
    ) -> Result<[Port; 2], Breakdown> {
        let rows = cavities.map(|(n, gamma)| RowCavity::new(0, d, n, n, gamma));
        let mut ports = [(); 2].map(|()| (vec![0.0; d], vec![0.0; d * d]));
        let [a, b] = &mut ports;
        let mut out = [a, b].map(|(mean, covariance)| RowEstimate { mean, covariance });
        let [x, y] = &mut out;
        channel.estimate([&rows[0], &rows[1]], [x, y], &mut Scratch::default())?;
        Ok(ports)
    }

    /// Slow and obvious: the joint Gaussian of both rows, `[G1 + P, -P; -P, G2 + P]` with `P = C^-1`.
    fn dense(covariance: &[f64], d: usize, cavities: [(&[f64], &[f64]); 2]) -> Vec<Port> {
        let mut p = vec![0.0; d * d];
        small::invert_positive(covariance, &mut p, &mut vec![0.0; 2 * d * d], d).unwrap();
        let e = 2 * d;
        let mut joint = vec![0.0; e * e];
        for i in 0..e {
            for j in 0..e {
                let block = p[(i % d) * d + j % d];
                joint[i * e + j] = if i / d == j / d {
                    block + cavities[i / d].1[(i % d) * d + j % d]
                } else {
                    -block
                };
            }
        }
        let mut inverse = vec![0.0; e * e];
        small::invert_positive(&joint, &mut inverse, &mut vec![0.0; 2 * e * e], e).unwrap();
        let natural: Vec<f64> = cavities.iter().flat_map(|c| c.0.to_vec()).collect();
        let mut mean = vec![0.0; e];
        small::row_times(&natural, &inverse, &mut mean, e);
        let part = |port: usize| {
            let entry = |k: usize| inverse[(port * d + k / d) * e + port * d + k % d];
            (mean[port * d..(port + 1) * d].to_vec(), (0..d * d).map(entry).collect())
        };
        vec![part(0), part(1)]
    }

    #[test]
    fn agrees_with_the_joint_gaussian_also_for_singular_cavities() {
        let covariance = [0.5, 0.2, 0.2, 0.3];
        let channel = GaussianNoise::with_covariance(2, &covariance).unwrap();
        let (full, singular) = ([2.0, 0.5, 0.5, 1.0], [4.0, 2.0, 2.0, 1.0]);
        let cavities: [(&[f64], &[f64]); 2] = [(&[1.0, -2.0], &full), (&[6.0, 3.0], &singular)];
        for cavities in [cavities, [cavities[1], cavities[0]]] {
            let found = run(&channel, 2, cavities).unwrap();
            for (found, expected) in found.iter().zip(dense(&covariance, 2, cavities)) {
                let close =
                    |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-13);
                assert!(close(&found.0, &expected.0), "{found:?} {expected:?}");
                assert!(close(&found.1, &expected.1), "{found:?} {expected:?}");
            }
        }
    }

    #[test]
    fn without_noise_both_ports_have_the_product_of_the_cavities() {
        let channel = GaussianNoise::new(0.0).unwrap();
        let ports = run(&channel, 1, [(&[1.0], &[3.0]), (&[5.0], &[1.0])]).unwrap();
        for (mean, covariance) in ports {
            assert!(
                (mean[0] - 1.5).abs() < 1e-15 && covariance == [0.25],
                "{mean:?} {covariance:?}"
            );
        }
        let nothing = run(&channel, 1, [(&[0.0], &[0.0]), (&[0.0], &[0.0])]);
        assert_eq!(nothing, Err(Breakdown::Undetermined { port: 0 }));
    }

    #[test]
    fn one_cavity_alone_is_seen_through_the_noise() {
        let channel = GaussianNoise::new(0.5).unwrap();
        let [input, output] = run(&channel, 1, [(&[4.0], &[2.0]), (&[0.0], &[0.0])]).unwrap();
        assert!((input.0[0] - 2.0).abs() < 1e-15 && (input.1[0] - 0.5).abs() < 1e-15, "{input:?}");
        assert!(
            (output.0[0] - 2.0).abs() < 1e-15 && (output.1[0] - 1.0).abs() < 1e-15,
            "{output:?}"
        );
        assert!(channel.output_columns(3) == Some(3) && channel.uniforms(2) == Some(2));
    }
}
