//! Columns of observations that others of them make up.

use fg_core::Rows;

/// Columns of which a combination vanishes to rounding, the first such: one that is zero, or two and more. `None` where the
/// columns are independent; more columns than rows never are.
///
/// By orthogonalisation of the columns, each in units of its own length: what is left of one that others make up is
/// rounding, at most the size of the matrix in units of it.
pub(crate) fn dependent_columns(rows: &Rows) -> Option<Vec<usize>> {
    /// Coefficients of a combination that count, in units of the lengths of the columns.
    const PART: f64 = 1e-8;
    let (m, d) = rows.shape();
    let rounding = f64::EPSILON * m.max(d) as f64;
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(d);
    // Unit column k is sum_j made[k][j] basis[j].
    let mut made: Vec<Vec<f64>> = Vec::with_capacity(d);
    for column in 0..d {
        let mut rest: Vec<f64> = (0..m).map(|i| rows[(i, column)]).collect();
        if !normalise(&mut rest) {
            return Some(vec![column]);
        }
        let mut along = vec![0.0; column];
        // Once leaves rounding of the size of what was taken out, twice does not.
        for _ in 0..2 {
            for (along, unit) in along.iter_mut().zip(&basis) {
                let part: f64 = rest.iter().zip(unit).map(|(r, u)| r * u).sum();
                rest.iter_mut().zip(unit).for_each(|(r, u)| *r -= part * u);
                *along += part;
            }
        }
        let left = rest.iter().map(|r| r * r).sum::<f64>().sqrt();
        if left <= rounding {
            let parts = combination(&made, along);
            let counts = (0..column).filter(|k| parts[*k].abs() > PART);
            return Some(counts.chain([column]).collect());
        }
        normalise(&mut rest);
        along.push(left);
        (basis, made) = (with(basis, rest), with(made, along));
    }
    None
}

/// The coefficients, in unit columns, of what is `along` the basis that they are made of.
fn combination(made: &[Vec<f64>], mut along: Vec<f64>) -> Vec<f64> {
    for k in (0..along.len()).rev() {
        along[k] /= made[k][k];
        let part = along[k];
        (0..k).for_each(|j| along[j] -= part * made[k][j]);
    }
    along
}

/// Divides by the length, without overflow; false where there is none.
fn normalise(values: &mut [f64]) -> bool {
    for size in [
        |v: &[f64]| v.iter().fold(0.0, |most: f64, v| most.max(v.abs())),
        |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt(),
    ] {
        let size = size(values);
        if !(size > 0.0) {
            return false;
        }
        values.iter_mut().for_each(|v| *v /= size);
    }
    true
}

fn with<T>(mut list: Vec<T>, item: T) -> Vec<T> {
    list.push(item);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(columns: &[fn(f64) -> f64]) -> Option<Vec<usize>> {
        dependent_columns(&Rows::from_fn(50, columns.len(), |i, j| columns[j](i as f64 + 0.5)))
    }

    #[test]
    fn columns_that_make_up_zero_are_named() {
        assert_eq!(of(&[f64::sin, f64::cos, f64::sqrt]), None);
        assert_eq!(of(&[f64::sin, f64::sin]), Some(vec![0, 1]));
        assert_eq!(of(&[f64::sin, |t| 2.0 * t.sin(), |t| -t.sin()]), Some(vec![0, 1]));
        assert_eq!(of(&[f64::sqrt, f64::sin, |t| 3e9 * t.sin() / 7.0]), Some(vec![1, 2]));
        let sum = |t: f64| 0.3 * t.sin() - 1e6 * t.cos();
        assert_eq!(of(&[f64::sin, f64::sqrt, f64::cos, sum]), Some(vec![0, 2, 3]));
        assert_eq!(of(&[f64::sin, |_| 0.0]), Some(vec![1]));
        assert_eq!(of(&[|t| 1e200 * t.sin(), |t| 1e-200 * t.cos()]), None);
        // A little noise makes columns independent.
        assert_eq!(of(&[f64::sin, |t| t.sin() + 1e-9 * (7.0 * t).cos()]), None);
    }
}
