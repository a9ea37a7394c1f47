//! The dense joint posterior of one linear factor, by textbook elimination of the full system.

use crate::message::Message;
use crate::rows::Rows;

/// Posterior of `X` and `Z = A X + 1 b'` given one Gaussian message about each.
#[derive(Clone, Debug)]
pub struct LinearPosterior {
    /// Mean of `X`, `n x d`.
    pub x_mean: Rows,
    /// Covariance of each row of `X`, `n x d x d`.
    pub x_covariance: Vec<f64>,
    /// Mean of `Z`, `m x d`.
    pub z_mean: Rows,
    /// Covariance of each row of `Z`, `m x d x d`.
    pub z_covariance: Vec<f64>,
}

/// The posterior of one linear factor, or `None` when the system is singular.
///
/// Unknowns are the `n d` entries of `X` and one multiplier for each known value:
/// `[H C'; C 0] (x, l) = (N, c)` with `H = blockdiag(Gx) + sum_m a_m a_m' (x) Gz_m` and `C x = c` the known rows of
/// `X` and of `Z`; the leading block of the inverse is the covariance. `O((n d)^3)`, by Gauss-Jordan elimination
/// with pivots. Constraints must be independent.
///
/// # Panics
/// When shapes disagree.
pub fn linear_posterior(
    matrix: &Rows,
    bias: Option<&[f64]>,
    x: &Message,
    z: &Message,
) -> Option<LinearPosterior> {
    let (m, n) = matrix.shape();
    let d = x.layout().columns();
    assert_eq!((x.layout().rows(), z.layout().rows()), (n, m), "messages about other variables");
    let b = |c: usize| bias.map_or(0.0, |b| b[c]);
    let block = |message: &'_ Message, i: usize| -> Option<Vec<f64>> {
        let k = message.layout().partition().block_of(i);
        let precision = message.precision();
        (!precision.is_infinite(k)).then(|| precision.block(k).to_vec())
    };
    let size = n * d;
    let mut rows: Vec<Vec<f64>> = vec![vec![0.0; size]; size];
    let mut right: Vec<f64> = x.natural().as_slice().to_vec();
    let mut constraints: Vec<(Vec<f64>, f64)> = Vec::new();
    for i in 0..n {
        match block(x, i) {
            Some(g) => {
                (0..d * d).for_each(|e| rows[i * d + e / d][i * d + e % d] += g[e]);
            }
            None => {
                for c in 0..d {
                    let mut row = vec![0.0; size];
                    row[i * d + c] = 1.0;
                    right[i * d + c] = 0.0;
                    constraints.push((row, x.natural()[(i, c)]));
                }
            }
        }
    }
    for k in 0..m {
        let Some(g) = block(z, k) else {
            for c in 0..d {
                let mut row = vec![0.0; size];
                (0..n).for_each(|i| row[i * d + c] = matrix[(k, i)]);
                constraints.push((row, z.natural()[(k, c)] - b(c)));
            }
            continue;
        };
        for c in 0..d {
            let shift: f64 = (0..d).map(|e| b(e) * g[e * d + c]).sum();
            for i in 0..n {
                right[i * d + c] += matrix[(k, i)] * (z.natural()[(k, c)] - shift);
                for e in 0..n * d {
                    rows[i * d + c][e] += matrix[(k, i)] * matrix[(k, e / d)] * g[c * d + e % d];
                }
            }
        }
    }
    for (at, (row, value)) in constraints.iter().enumerate() {
        for (e, r) in rows.iter_mut().enumerate() {
            r.push(if e < size { row[e] } else { 0.0 });
        }
        let mut bordered = row.clone();
        bordered.resize(size + at + 1, 0.0);
        rows.push(bordered);
        right.push(*value);
    }
    let inverse = inverse(rows)?;
    let solve = |e: usize| -> f64 { inverse[e].iter().zip(&right).map(|(a, b)| a * b).sum() };
    let x_mean = Rows::from_fn(n, d, |i, c| solve(i * d + c));
    let z_mean = Rows::from_fn(m, d, |k, c| {
        b(c) + (0..n).map(|i| matrix[(k, i)] * x_mean[(i, c)]).sum::<f64>()
    });
    let mut x_covariance = Vec::new();
    for e in 0..n * d * d {
        let (i, c, f) = (e / (d * d), e / d % d, e % d);
        x_covariance.push(inverse[i * d + c][i * d + f]);
    }
    let mut z_covariance = Vec::new();
    for e in 0..m * d * d {
        let (k, c, f) = (e / (d * d), e / d % d, e % d);
        let terms = (0..n * n).map(|p| {
            let (i, j) = (p / n, p % n);
            matrix[(k, i)] * inverse[i * d + c][j * d + f] * matrix[(k, j)]
        });
        z_covariance.push(terms.sum());
    }
    Some(LinearPosterior { x_mean, x_covariance, z_mean, z_covariance })
}

/// Gauss-Jordan elimination, each row scaled to its largest entry and pivots chosen in the column.
fn inverse(mut rows: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let n = rows.len();
    for (i, row) in rows.iter_mut().enumerate() {
        let scale = row.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
        if !(scale > 0.0) {
            return None;
        }
        row.iter_mut().for_each(|v| *v /= scale);
        row.resize(2 * n, 0.0);
        row[n + i] = 1.0 / scale;
    }
    for j in 0..n {
        let pivot = (j..n).max_by(|&a, &b| rows[a][j].abs().total_cmp(&rows[b][j].abs()))?;
        rows.swap(j, pivot);
        let value = rows[j][j];
        if value == 0.0 {
            return None;
        }
        rows[j].iter_mut().for_each(|v| *v /= value);
        let row = rows[j].clone();
        for (i, other) in rows.iter_mut().enumerate() {
            let factor = other[j];
            if i != j && factor != 0.0 {
                other.iter_mut().zip(&row).for_each(|(o, r)| *o -= factor * r);
            }
        }
    }
    Some(rows.into_iter().map(|row| row[n..].to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Precision, Structure};

    #[test]
    fn one_equation_by_hand() {
        // x ~ N(1, 1/2), z = 3 x + 1 seen as 7 with precision 4: precision 2 + 36, mean (2 + 3 * 4 * 6) / 38.
        let message = |mean: f64, precision: f64| {
            let layout = Structure::shared().layout(1, 1).unwrap();
            let precision = Precision::isotropic(layout, precision).unwrap();
            Message::from_mean(&Rows::column(vec![mean]), precision).unwrap()
        };
        let matrix = Rows::column(vec![3.0]);
        let (x, z) = (message(1.0, 2.0), message(7.0, 4.0));
        let posterior = linear_posterior(&matrix, Some(&[1.0]), &x, &z).unwrap();
        assert!((posterior.x_mean[(0, 0)] - 74.0 / 38.0).abs() < 1e-15);
        assert!((posterior.z_covariance[0] - 9.0 / 38.0).abs() < 1e-15);
        let known = message(7.0, f64::INFINITY);
        let posterior = linear_posterior(&matrix, Some(&[1.0]), &x, &known).unwrap();
        assert!((posterior.x_mean[(0, 0)] - 2.0).abs() < 1e-15);
        assert!(posterior.x_covariance[0].abs() < 1e-15);
    }
}
