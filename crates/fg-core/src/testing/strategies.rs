//! Strategies for property tests: the inputs on which estimators go wrong.

use core::ops::RangeInclusive;

use proptest::prelude::{Strategy, prop};

use crate::message::small;

/// A precision `10^e`, `e` uniform over `decades`.
pub fn precision(decades: RangeInclusive<i32>) -> impl Strategy<Value = f64> {
    (f64::from(*decades.start())..=f64::from(*decades.end())).prop_map(|e| 10f64.powf(e))
}

/// A symmetric `d x d` matrix in a random basis, its eigenvalues `10^e` with `e` over `decades`.
///
/// With decades far apart it is nearly singular; take `-300..=0` for one that is singular to rounding.
pub fn positive_matrix(d: usize, decades: RangeInclusive<i32>) -> impl Strategy<Value = Vec<f64>> {
    let eigenvalues = prop::collection::vec(precision(decades), d);
    let angles = prop::collection::vec(0.0..core::f64::consts::TAU, d * (d.max(1) - 1) / 2);
    (eigenvalues, angles).prop_map(move |(values, angles)| rotated(&values, &angles))
}

/// A symmetric matrix of exact rank `d - 1` to rounding: one eigenvalue is zero, the others over `decades`.
pub fn singular_matrix(d: usize, decades: RangeInclusive<i32>) -> impl Strategy<Value = Vec<f64>> {
    let eigenvalues = prop::collection::vec(precision(decades), d);
    let angles = prop::collection::vec(0.0..core::f64::consts::TAU, d * (d.max(1) - 1) / 2);
    (eigenvalues, angles).prop_map(move |(mut values, angles)| {
        values[0] = 0.0;
        rotated(&values, &angles)
    })
}

/// A row of means, each entry up to `10^decades.end()` in size, of either sign, or zero.
pub fn row(d: usize, decades: RangeInclusive<i32>) -> impl Strategy<Value = Vec<f64>> {
    let entry = (precision(decades), -1i8..=1).prop_map(|(size, sign)| size * f64::from(sign));
    prop::collection::vec(entry, d)
}

/// A number within a few units in the last place of `x`, on either side or equal: where branches meet.
pub fn neighbour(x: f64) -> impl Strategy<Value = f64> {
    (-4i8..=4).prop_map(move |steps| {
        let step = if steps < 0 { f64::next_down } else { f64::next_up };
        (0..steps.unsigned_abs()).fold(x, |x, _| step(x))
    })
}

/// `Q diag(values) Q'`, `Q` a product of plane rotations by the angles.
fn rotated(values: &[f64], angles: &[f64]) -> Vec<f64> {
    let d = values.len();
    let mut matrix = vec![0.0; d * d];
    (0..d).for_each(|j| matrix[j * d + j] = values[j]);
    let mut angle = angles.iter();
    for p in 0..d {
        for q in p + 1..d {
            let (s, c) = angle.next().copied().unwrap_or(0.0).sin_cos();
            for k in 0..d {
                let (a, b) = (matrix[p * d + k], matrix[q * d + k]);
                (matrix[p * d + k], matrix[q * d + k]) = (c * a - s * b, s * a + c * b);
            }
            for k in 0..d {
                let (a, b) = (matrix[k * d + p], matrix[k * d + q]);
                (matrix[k * d + p], matrix[k * d + q]) = (c * a - s * b, s * a + c * b);
            }
        }
    }
    small::symmetrise(&mut matrix, d);
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn matrices_have_the_eigenvalues_asked_for(a in positive_matrix(3, -2..=2)) {
            let (mut values, mut vectors) = ([0.0; 3], [0.0; 9]);
            small::eigen_symmetric(&mut a.clone(), &mut values, &mut vectors, 3);
            for value in values {
                // Rounding of a matrix of norm up to 100 moves an eigenvalue by some 1e-13.
                prop_assert!(value > 0.0099 && value < 100.1, "{a:?} {values:?}");
            }
        }

        #[test]
        fn neighbours_are_near(x in neighbour(1.0)) {
            prop_assert!((x - 1.0).abs() <= 4.0 * f64::EPSILON);
        }
    }
}
