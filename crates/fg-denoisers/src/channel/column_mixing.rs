//! Columns mixed by a known matrix, `output row = input row C + b`: the same for all rows.

use core::f64::consts::TAU;

use fg_core::Rows;
use fg_core::denoiser::{Channel, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;

use crate::error::{self, ParameterError};

/// A linear map of the columns of each row, of any shape and any rank.
///
/// # Density
///
/// ```text
/// p(output | input) = delta(output - input C - b)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | `C` | - | finite, `d x e` | takes rows of `d` columns to rows of `e` |
/// | bias `b` | 0 | finite, `e` | added to each row |
///
/// # Estimate
///
/// With cavities `(n, G)` of the input and `(m, H)` of the output:
///
/// ```text
/// input covariance     S = (G + C H C')^-1
/// input mean           x = (n + (m - b H) C') S
/// output               x C + b,    C' S C
/// ```
///
/// # Numerical notes and limits
///
/// * `S` comes from the singular values of the stacked square roots of `G` and `C H C'`, by rotations of columns: the sum
///   itself would lose all directions that are `1e16` less precise than others, of which the square roots keep half the
///   digits.
/// * Cavities and `C` may be singular. Where both leave a direction of the input open: [`Breakdown::ImproperCavity`].
/// * The covariances are the same for all rows: `O((d + e) d^2)` a call, `O(d^2 + d e)` a row.
///
/// # Reference
///
/// R. E. Kalman, "A New Approach to Linear Filtering and Prediction Problems", Journal of Basic Engineering 82 (1960),
/// doi 10.1115/1.3662552. Rotations: J. Demmel and K. Veselic, "Jacobi's Method is More Accurate than QR", SIAM Journal on
/// Matrix Analysis and Applications 13 (1992), doi 10.1137/0613074.
///
/// # Example
///
/// ```
/// use fg_core::{Rows, denoiser::Channel};
/// let difference = fg_denoisers::ColumnMixing::new(Rows::column(vec![1.0, -1.0]))?;
/// let mut output = [0.0];
/// difference.draw(&[3.0, 1.0], &[], &mut output);
/// assert_eq!((output, difference.output_columns(2)), ([2.0], Some(1)));
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnMixing {
    matrix: Rows,
    bias: Vec<f64>,
}

/// Sweeps after which rotations are given up: quadratic convergence needs fewer than ten.
const SWEEPS: usize = 60;

impl ColumnMixing {
    /// The map by this matrix, a row for each column of the input and a column for each of the output.
    ///
    /// # Errors
    /// [`ParameterError`] when it is empty or not finite.
    pub fn new(matrix: Rows) -> Result<Self, ParameterError> {
        let (d, e) = matrix.shape();
        if d == 0 || e == 0 {
            return Err(ParameterError::Length { parameter: "matrix", expected: 1, found: 0 });
        }
        for &value in matrix.as_slice() {
            error::finite("matrix", value)?;
        }
        Ok(Self { bias: vec![0.0; e], matrix })
    }

    /// The same map with this row added. Default: zero.
    ///
    /// # Errors
    /// [`ParameterError`] unless it has a finite value for each column of the output.
    pub fn with_bias(self, bias: &[f64]) -> Result<Self, ParameterError> {
        let (expected, found) = (self.bias.len(), bias.len());
        if expected != found {
            return Err(ParameterError::Length { parameter: "bias", expected, found });
        }
        for &value in bias {
            error::finite("bias", value)?;
        }
        Ok(Self { bias: bias.to_vec(), ..self })
    }

    /// `C`, `d x e`.
    pub fn matrix(&self) -> &Rows {
        &self.matrix
    }

    /// `b`, of `e` values.
    pub fn bias(&self) -> &[f64] {
        &self.bias
    }

    /// `output = input C`.
    fn forward(&self, input: &[f64], output: &mut [f64]) {
        let e = self.bias.len();
        output.fill(0.0);
        for (x, row) in input.iter().zip(self.matrix.as_slice().chunks_exact(e)) {
            output.iter_mut().zip(row).for_each(|(o, c)| *o += x * c);
        }
    }

    /// Writes as rows of `y` directions in which the input's covariance is the identity, `S = y' y`, and returns `log det S`.
    /// `stack` holds `(d + e) d` values, `root` and `work` are those of [`square_root`].
    fn directions(
        &self,
        [input, output]: [&RowCavity<'_>; 2],
        stack: &mut [f64],
        y: &mut [f64],
        (root, work): (&mut [f64], &mut [f64]),
    ) -> Result<f64, Breakdown> {
        let (d, e) = self.matrix.shape();
        square_root(input.precision(), &mut stack[..d * d], work, d);
        square_root(output.precision(), root, work, e);
        for (k, row) in root.chunks_exact(e).enumerate() {
            for j in 0..d {
                let entries = row.iter().zip(self.matrix.row(j));
                stack[(d + k) * d + j] = entries.map(|(r, c)| r * c).sum();
            }
        }
        orthogonalise(stack, y, d);
        let size = |k: usize| stack.chunks_exact(d).map(|row| row[k] * row[k]).sum::<f64>().sqrt();
        let most = (0..d).map(size).fold(0.0, f64::max);
        let mut log_determinant = 0.0;
        for (k, y) in y.chunks_exact_mut(d).enumerate() {
            let size = size(k);
            // What is below the rounding of the largest is zero.
            if !(size > f64::EPSILON * (d + e) as f64 * most) {
                return Err(Breakdown::ImproperCavity { port: 0, row: input.first_row() });
            }
            y.iter_mut().for_each(|v| *v /= size);
            log_determinant -= 2.0 * size.ln();
        }
        Ok(log_determinant)
    }
}

/// Writes the rows `sqrt(value_k) v_k'` whose Gram matrix is the positive semi-definite `gamma`; `scratch` holds
/// `2 d^2 + d` values.
fn square_root(gamma: &[f64], out: &mut [f64], scratch: &mut [f64], d: usize) {
    let (copy, rest) = scratch.split_at_mut(d * d);
    let (v, values) = rest.split_at_mut(d * d);
    copy.copy_from_slice(gamma);
    small::eigen_symmetric(copy, &mut values[..d], v, d);
    for k in 0..d {
        // Rounding can leave eigenvalues of a singular precision below zero.
        let root = values[k].max(0.0).sqrt();
        for j in 0..d {
            out[k * d + j] = root * v[j * d + k];
        }
    }
}

/// Rotates the columns of `t` (`rows x d`) until they are orthogonal; the rows of `y` (`d x d`) become the directions,
/// `t_before = t_after y`.
fn orthogonalise(t: &mut [f64], y: &mut [f64], d: usize) {
    small::set_identity(y, d);
    for _ in 0..SWEEPS {
        let mut turned = false;
        for p in 0..d {
            for q in p + 1..d {
                let (mut a, mut b, mut g) = (0.0, 0.0, 0.0);
                for row in t.chunks_exact(d) {
                    a += row[p] * row[p];
                    b += row[q] * row[q];
                    g += row[p] * row[q];
                }
                if !(g.abs() > f64::EPSILON * (a.sqrt() * b.sqrt())) {
                    continue;
                }
                turned = true;
                let zeta = (b - a) / (2.0 * g);
                let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = cosine * tangent;
                for row in t.chunks_exact_mut(d) {
                    let (x, z) = (row[p], row[q]);
                    row[p] = cosine * x - sine * z;
                    row[q] = sine * x + cosine * z;
                }
                for j in 0..d {
                    let (x, z) = (y[p * d + j], y[q * d + j]);
                    y[p * d + j] = cosine * x - sine * z;
                    y[q * d + j] = sine * x + cosine * z;
                }
            }
        }
        if !turned {
            return;
        }
    }
}

/// Adds up `w_k w_k'` of the rows of `w`, each of `d` values.
fn gram(w: &[f64], out: &mut [f64], d: usize) {
    out.fill(0.0);
    for w in w.chunks_exact(d) {
        for i in 0..d {
            for j in 0..d {
                out[i * d + j] += w[i] * w[j];
            }
        }
    }
}

impl Channel for ColumnMixing {
    fn estimate(
        &self,
        cavities: [&RowCavity<'_>; 2],
        out: [&mut RowEstimate<'_>; 2],
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let [input, output] = cavities;
        let (d, e) = self.matrix.shape();
        let largest = d.max(e);
        let mut rest = scratch
            .slice((d + e) * d + 2 * d * d + 3 * e * e + d * e + 4 * largest * (largest + 1));
        let mut take = |len: usize| {
            let (head, tail) = core::mem::take(&mut rest).split_at_mut(len);
            rest = tail;
            head
        };
        let (stack, y, covariance) = (take((d + e) * d), take(d * d), take(d * d));
        let (root, image, output_covariance) = (take(e * e), take(d * e), take(e * e));
        let (natural, residual) = (take(d), take(e));
        let work = take(2 * largest * largest + largest);
        self.directions(cavities, stack, y, (root, work))?;
        for (y, image) in y.chunks_exact(d).zip(image.chunks_exact_mut(e)) {
            self.forward(y, image);
        }
        gram(y, covariance, d);
        gram(image, output_covariance, e);
        let [at_input, at_output] = out;
        for i in 0..input.len() {
            let (n, m) =
                (&input.natural()[i * d..(i + 1) * d], &output.natural()[i * e..(i + 1) * e]);
            small::row_times(&self.bias, output.precision(), residual, e);
            residual.iter_mut().zip(m).for_each(|(r, m)| *r = m - *r);
            for j in 0..d {
                let pull = self.matrix.row(j).iter().zip(&*residual);
                natural[j] = n[j] + pull.map(|(c, r)| c * r).sum::<f64>();
            }
            let x = &mut at_input.mean[i * d..(i + 1) * d];
            let u = &mut at_output.mean[i * e..(i + 1) * e];
            x.fill(0.0);
            u.copy_from_slice(&self.bias);
            // Direction by direction: what the output doesn't see can't cancel in it.
            for (y, image) in y.chunks_exact(d).zip(image.chunks_exact(e)) {
                let share: f64 = y.iter().zip(&*natural).map(|(y, n)| y * n).sum();
                x.iter_mut().zip(y).for_each(|(x, y)| *x += share * y);
                u.iter_mut().zip(image).for_each(|(u, c)| *u += share * c);
            }
            at_input.covariance[i * d * d..(i + 1) * d * d].copy_from_slice(covariance);
            at_output.covariance[i * e * e..(i + 1) * e * e].copy_from_slice(output_covariance);
        }
        Ok(())
    }

    fn log_partition(&self, cavities: [&RowCavity<'_>; 2], out: &mut [f64]) -> bool {
        let (d, e) = self.matrix.shape();
        let (largest, rows) = (d.max(e), out.len());
        let zeros = |len: usize| vec![0.0; len];
        let (mut root, mut work) = (zeros(e * e), zeros(2 * largest * largest + largest));
        let (mut stack, mut y) = (zeros((d + e) * d), zeros(d * d));
        let Ok(log) = self.directions(cavities, &mut stack, &mut y, (&mut root, &mut work)) else {
            return false;
        };
        let mut ports = [d, e].map(|d| (zeros(rows * d), zeros(rows * d * d)));
        let [x, u] = &mut ports;
        let [mut x, mut u] = [x, u].map(|(mean, covariance)| RowEstimate { mean, covariance });
        if self.estimate(cavities, [&mut x, &mut u], &mut Scratch::default()).is_err() {
            return false;
        }
        out.fill(0.5 * (d as f64 * TAU.ln() + log));
        // The exponent at its maximum.
        for (cavity, (mean, _)) in cavities.into_iter().zip(&ports) {
            let d = cavity.columns();
            let rows = cavity.natural().chunks_exact(d).zip(mean.chunks_exact(d));
            for (out, (n, x)) in out.iter_mut().zip(rows) {
                let linear: f64 = n.iter().zip(x).map(|(n, x)| n * x).sum();
                *out += linear - 0.5 * small::bilinear(x, cavity.precision(), x, d);
            }
        }
        true
    }

    fn output_columns(&self, d: usize) -> Option<usize> {
        (d == self.matrix.rows()).then_some(self.matrix.columns())
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(0)
    }

    fn draw(&self, input: &[f64], _uniforms: &[f64], output: &mut [f64]) {
        self.forward(input, output);
        output.iter_mut().zip(&self.bias).for_each(|(o, b)| *o += b);
    }

    fn name(&self) -> String {
        "column mixing".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Ports = [(Vec<f64>, Vec<f64>); 2];

    fn run(mix: &ColumnMixing, cavities: [(&[f64], &[f64]); 2]) -> Result<Ports, Breakdown> {
        let shape = mix.matrix().shape();
        let columns = [shape.0, shape.1];
        let row = |p: usize| {
            let (n, gamma) = cavities[p];
            RowCavity::new(3, columns[p], n, n, gamma)
        };
        let rows = [row(0), row(1)];
        let mut ports = columns.map(|d| (vec![0.0; d], vec![0.0; d * d]));
        let [a, b] = &mut ports;
        let mut out = [a, b].map(|(mean, covariance)| RowEstimate { mean, covariance });
        let [x, y] = &mut out;
        mix.estimate([&rows[0], &rows[1]], [x, y], &mut Scratch::default())?;
        Ok(ports)
    }

    #[test]
    fn two_columns_to_one_by_hand() {
        // x ~ N(0, I) and x0 + 2 x1 + 1 seen as 7 with variance 1: innovation 6, its variance 6.
        let mix = ColumnMixing::new(Rows::column(vec![1.0, 2.0])).unwrap();
        let mix = mix.with_bias(&[1.0]).unwrap();
        let cavities: [(&[f64], &[f64]); 2] =
            [(&[0.0, 0.0], &[1.0, 0.0, 0.0, 1.0]), (&[7.0], &[1.0])];
        let [(x, s), (u, v)] = run(&mix, cavities).unwrap();
        let expected = [1.0, 2.0, 5.0 / 6.0, -1.0 / 3.0, -1.0 / 3.0, 1.0 / 3.0, 6.0, 5.0 / 6.0];
        let found = [x, s, u, v].concat();
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 1e-14, "{found:?}");
        }
    }

    #[test]
    fn directions_that_only_one_side_sees_are_kept_over_twenty_decades() {
        let mix = ColumnMixing::new(Rows::column(vec![0.6, 0.8])).unwrap();
        let weak = [1e-10, 0.0, 0.0, 1e-10];
        let cavities: [(&[f64], &[f64]); 2] = [(&[0.0, 0.0], &weak), (&[1e10], &[1e10])];
        let [(_, s), (u, v)] = run(&mix, cavities).unwrap();
        // Across the direction the input's own variance, along it the output's.
        for (f, e) in s.iter().zip([0.64e10, -0.48e10, -0.48e10, 0.36e10]) {
            assert!((f / e - 1.0).abs() < 1e-12, "{s:?}");
        }
        assert!((u[0] - 1.0).abs() < 1e-8 && (v[0] * 1e10 - 1.0).abs() < 1e-8, "{u:?} {v:?}");
    }

    #[test]
    fn open_directions_and_bad_parameters_are_refused() {
        let mix = ColumnMixing::new(Rows::column(vec![1.0, 1.0])).unwrap();
        let nothing: [(&[f64], &[f64]); 2] = [(&[0.0, 0.0], &[0.0; 4]), (&[1.0], &[1.0])];
        assert_eq!(run(&mix, nothing), Err(Breakdown::ImproperCavity { port: 0, row: 3 }));
        // One input column alone and the sum determine both.
        let half: [(&[f64], &[f64]); 2] = [(&[2.0, 0.0], &[1.0, 0.0, 0.0, 0.0]), (&[3.0], &[1.0])];
        let [(x, _), (u, _)] = run(&mix, half).unwrap();
        assert!((x[0] - 2.0).abs() < 1e-14 && (x[1] - 1.0).abs() < 1e-14, "{x:?}");
        assert!((u[0] - 3.0).abs() < 1e-14, "{u:?}");
        assert!(ColumnMixing::new(Rows::column(vec![f64::NAN])).is_err());
        assert!(ColumnMixing::new(Rows::zeros(0, 2)).is_err());
        let error = mix.with_bias(&[1.0, 2.0]).unwrap_err();
        assert_eq!(error, ParameterError::Length { parameter: "bias", expected: 1, found: 2 });
    }
}
