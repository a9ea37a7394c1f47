//! The leading eigenvectors or singular vectors of a matrix, by Lanczos' method with restarts.

use fg_core::Rows;
use fg_core::message::small;
use fg_core::operator::{Dense, LinearOperator};
use fg_core::special::quantile;

/// The largest eigenvalues or singular values, in descending order, and their unit vectors, one a column.
#[derive(Debug)]
pub(super) struct Leading {
    pub(super) values: Vec<f64>,
    pub(super) left: Rows,
    pub(super) right: Rows,
}

/// Vectors of a cycle beyond those wanted, and how many more of them the next cycle keeps.
const CYCLE: usize = 32;
const KEPT: usize = 6;
/// A pair is found when its residual is below this share of the largest value: next to the noise, values are a
/// thousandth apart, and a start needs no more.
const RESIDUAL: f64 = 1e-6;
/// Most cycles: a direction that isn't found by then is one of noise.
const CYCLES: usize = 50;

/// The `d` leading pairs of a matrix, symmetric or not.
pub(super) fn leading(matrix: &Dense, symmetric: bool, d: usize) -> Leading {
    let (m, n) = (matrix.outputs(), matrix.inputs());
    let mut image = vec![0.0; m];
    let apply = |x: &[f64], out: &mut [f64]| {
        if symmetric {
            return matrix.apply(x, out, 1);
        }
        matrix.apply(x, &mut image, 1);
        matrix.apply_adjoint(&image, out, 1);
    };
    let (mut values, vectors) = eigen(n, d, apply);
    let right = Rows::from_fn(n, d, |i, k| vectors.get(k).map_or(0.0, |v| v[i]));
    let mut left = Rows::zeros(m, d);
    values.resize(d, 0.0);
    if !symmetric {
        values.iter_mut().for_each(|v| *v = v.max(0.0).sqrt());
        matrix.apply(right.as_slice(), left.as_mut_slice(), d);
        let scale: Vec<f64> =
            values.iter().map(|v| if *v > 0.0 { v.recip() } else { 0.0 }).collect();
        (0..m).for_each(|i| left.row_mut(i).iter_mut().zip(&scale).for_each(|(u, s)| *u *= s));
    }
    Leading { values, left, right }
}

/// The `d` largest eigenvalues of a symmetric `n x n` operator and their vectors.
fn eigen(
    n: usize,
    d: usize,
    mut apply: impl FnMut(&[f64], &mut [f64]),
) -> (Vec<f64>, Vec<Vec<f64>>) {
    let size = (CYCLE + d).min(n);
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(size);
    let mut images: Vec<Vec<f64>> = Vec::with_capacity(size);
    let mut next = fresh(n, 0, &basis);
    for cycle in 0.. {
        while images.len() < size {
            let mut image = vec![0.0; n];
            apply(&next, &mut image);
            basis.push(next);
            images.push(image.clone());
            next = match orthogonal(image, &basis) {
                Some(vector) => vector,
                None => fresh(n, basis.len() + cycle, &basis),
            };
        }
        let (values, combinations) = ritz(&basis, &images);
        let combine = |vectors: &[Vec<f64>], k: usize| {
            let mut sum = vec![0.0; n];
            for (vector, weights) in vectors.iter().zip(combinations.chunks_exact(size)) {
                sum.iter_mut().zip(vector).for_each(|(s, v)| *s += weights[k] * v);
            }
            sum
        };
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        order.truncate(if size < n { d + KEPT } else { size });
        let kept: Vec<(Vec<f64>, Vec<f64>)> =
            order.iter().map(|k| (combine(&basis, *k), combine(&images, *k))).collect();
        let values: Vec<f64> = order.iter().map(|k| values[*k]).collect();
        let largest = values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        let found = kept.iter().zip(&values).take(d).all(|((vector, image), value)| {
            let residual = image.iter().zip(vector).map(|(a, v)| (a - value * v).powi(2));
            residual.sum::<f64>().sqrt() <= RESIDUAL * largest
        });
        (basis, images) = kept.into_iter().unzip();
        if found || size == n || cycle == CYCLES {
            basis.truncate(d);
            return (values.into_iter().take(d).collect(), basis);
        }
    }
    (Vec::new(), Vec::new())
}

/// Eigenvalues of the operator within a basis, and the combinations of the basis they belong to, one a column.
fn ritz(basis: &[Vec<f64>], images: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let size = basis.len();
    let mut matrix = vec![0.0; size * size];
    for (i, q) in basis.iter().enumerate() {
        for (j, image) in images.iter().enumerate() {
            matrix[i * size + j] = dot(q, image);
        }
    }
    small::symmetrise(&mut matrix, size);
    let (mut values, mut vectors) = (vec![0.0; size], vec![0.0; size * size]);
    small::eigen_symmetric(&mut matrix, &mut values, &mut vectors, size);
    (values, vectors)
}

/// The unit vector of what is left of a vector when a basis is taken out; `None` where it is rounding.
fn orthogonal(mut vector: Vec<f64>, basis: &[Vec<f64>]) -> Option<Vec<f64>> {
    let before = dot(&vector, &vector).sqrt();
    // Once leaves rounding of the size of what was taken out, twice does not.
    for _ in 0..2 {
        for q in basis {
            let along = dot(&vector, q);
            vector.iter_mut().zip(q).for_each(|(v, q)| *v -= along * q);
        }
    }
    let length = dot(&vector, &vector).sqrt();
    if !(length > 1e3 * f64::EPSILON * before) {
        return None;
    }
    vector.iter_mut().for_each(|v| *v /= length);
    Some(vector)
}

/// A unit vector outside a basis, the same in every run: quantiles at multiples of the golden ratio.
fn fresh(n: usize, shift: usize, basis: &[Vec<f64>]) -> Vec<f64> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let value = |i: usize| quantile(((i + n * shift) as f64 + 0.5) * GOLDEN % 1.0);
    orthogonal((0..n).map(value).collect(), basis).unwrap_or_else(|| vec![0.0; n])
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A symmetric matrix with eigenvalues `values`, in a basis made of reflections.
    fn with_values(values: &[f64]) -> Rows {
        let n = values.len();
        let w: Vec<f64> = (0..n).map(|i| ((i * i + 1) as f64).sin()).collect();
        let norm = dot(&w, &w);
        let entry = |i: usize, k: usize| f64::from(u8::from(i == k)) - 2.0 * w[i] * w[k] / norm;
        Rows::from_fn(n, n, |i, j| (0..n).map(|k| entry(i, k) * values[k] * entry(j, k)).sum())
    }

    #[test]
    fn the_largest_values_are_found_and_not_the_largest_in_modulus() {
        // Two values stand out, the third is at the end of a continuum.
        let mut values: Vec<f64> = (0..120).map(|k| -3.0 + 4.0 * f64::from(k) / 119.0).collect();
        (values[7], values[80]) = (1.5, 2.0);
        let matrix = Dense::from_rows(&with_values(&values)).unwrap();
        let Leading { values, right, .. } = leading(&matrix, true, 2);
        // An error of a value is the square of a residual over the gap to the next value, 1/2.
        let error = 2.0 * (2.0 * RESIDUAL).powi(2);
        assert!((values[0] - 2.0).abs() < error && (values[1] - 1.5).abs() < error, "{values:?}");
        let mut image = vec![0.0; 240];
        matrix.apply(right.as_slice(), &mut image, 2);
        for i in 0..120 {
            for k in 0..2 {
                let gap = image[2 * i + k] - values[k] * right[(i, k)];
                assert!(gap.abs() < 10.0 * RESIDUAL, "{i}, {k}: {gap}");
            }
        }
    }

    #[test]
    fn small_matrices_and_singular_ones_are_no_exception() {
        let u = [3.0, 0.0, 4.0];
        let data = Rows::from_fn(3, 2, |i, j| u[i] * [0.6, 0.8][j]);
        let Leading { values, left, right } = leading(&Dense::from_rows(&data).unwrap(), false, 2);
        assert!((values[0] - 5.0).abs() < 1e-12 && values[1] < 1e-6, "{values:?}");
        for i in 0..3 {
            for j in 0..2 {
                let found = values[0] * left[(i, 0)] * right[(j, 0)];
                assert!((found - data[(i, j)]).abs() < 1e-12, "{found}");
            }
        }
    }
}
