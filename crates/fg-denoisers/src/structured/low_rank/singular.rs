//! Singular values by rotations of pairs of columns, which keep the relative accuracy of small ones.

use fg_core::message::small;

/// Sweeps of rotations after which they are given up: convergence is quadratic at the end.
const SWEEPS: usize = 60;
/// Columns are orthogonal when their product is this share of that of their lengths.
const ORTHOGONAL: f64 = 4.0 * f64::EPSILON;
/// Columns shorter than this share of the whole matrix are the rounding of zero, and parallel to anything.
const VANISHING: f64 = 4.0 * f64::EPSILON;

/// `R = U diag(sigma) V'`, singular values in no particular order.
pub(in crate::structured) struct Singular<'a> {
    /// `R V`, `n x d`: orthogonal columns.
    pub(in crate::structured) turned: &'a mut [f64],
    /// `V`, `d x d`.
    pub(in crate::structured) right: &'a mut [f64],
    pub(in crate::structured) values: &'a mut [f64],
    /// `d x d` values of memory to spare.
    pub(in crate::structured) work: &'a mut [f64],
}

impl<'a> Singular<'a> {
    pub(in crate::structured) fn len(n: usize, d: usize) -> usize {
        n * d + 2 * d * d + d
    }

    /// Of these rows of `d` columns; none where rotations don't come to an end.
    pub(in crate::structured) fn new(
        rows: impl Iterator<Item = f64>,
        memory: &'a mut [f64],
        d: usize,
    ) -> Option<Self> {
        let (rest, work) = memory.split_at_mut(memory.len() - d * d);
        let (right, rest) = rest.split_at_mut(d * d);
        let (values, turned) = rest.split_at_mut(d);
        turned.iter_mut().zip(rows).for_each(|(t, r)| *t = r);
        small::set_identity(right, d);
        // Entries of order one: products of extreme ones would leave the range of numbers.
        let scale = turned.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        if scale > 0.0 {
            turned.iter_mut().for_each(|v| *v /= scale);
        }
        let mut sweeps = 0;
        while rotate_all(turned, right, d) {
            sweeps += 1;
            if sweeps > SWEEPS {
                return None;
            }
        }
        turned.iter_mut().for_each(|v| *v *= scale);
        for (k, value) in values.iter_mut().enumerate() {
            let square: f64 = turned.iter().skip(k).step_by(d).map(|v| (v / scale).powi(2)).sum();
            *value = if scale > 0.0 { scale * square.sqrt() } else { 0.0 };
        }
        Some(Self { turned, right, values, work })
    }
}

/// Makes every pair of columns orthogonal in turn; false when all were.
fn rotate_all(turned: &mut [f64], right: &mut [f64], d: usize) -> bool {
    let mut rotated = false;
    let vanishing = turned.iter().map(|v| v * v).sum::<f64>() * VANISHING.powi(2);
    for p in 0..d {
        for q in p + 1..d {
            let (mut a, mut b, mut c) = (0.0, 0.0, 0.0);
            for row in turned.chunks_exact(d) {
                a += row[p] * row[p];
                b += row[q] * row[q];
                c += row[p] * row[q];
            }
            if !(c.abs() > ORTHOGONAL * (a * b).sqrt() && a.min(b) > vanishing) {
                continue;
            }
            rotated = true;
            // The smaller root of t^2 + 2 z t - 1 = 0.
            let z = (b - a) / (2.0 * c);
            let t = 1.0f64.copysign(z) / (z.abs() + z.hypot(1.0));
            let cosine = 1.0 / t.hypot(1.0);
            let sine = t * cosine;
            for row in turned.chunks_exact_mut(d).chain(right.chunks_exact_mut(d)) {
                let (x, y) = (row[p], row[q]);
                (row[p], row[q]) = (cosine * x - sine * y, sine * x + cosine * y);
            }
        }
    }
    rotated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_singular_values_keep_their_digits() {
        // Columns (1, 0, 0) and (1, 1e-12, 0): values sqrt(2) and 1e-12 / sqrt(2) to first order.
        let rows = [1.0, 1.0, 0.0, 1e-12, 0.0, 0.0];
        let mut memory = vec![0.0; Singular::len(3, 2)];
        let singular = Singular::new(rows.into_iter(), &mut memory, 2).unwrap();
        let smallest = singular.values.iter().copied().fold(f64::INFINITY, f64::min);
        assert!((smallest * 2f64.sqrt() / 1e-12 - 1.0).abs() < 1e-10, "{smallest:e}");
    }
}
