//! A branch-free logarithm: the same code for a double and a register of them, as in [`exp`](super::exp).

use core::f64::consts::SQRT_2;

use super::exp::{LN2_HIGH, LN2_LOW, cubic};
use super::number::Number;

/// `2/3, 2/5, .., 2/23`: `log(1 + f) - 2 s = s^3 (2/3 + 2/5 s^2 + ..)` with `s = f / (2 + f)`. On `|s| <= 3 - 2 sqrt(2)` the
/// rest is below `1e-19`.
const SERIES: [[f64; 4]; 3] = [
    [2.0 / 3.0, 2.0 / 5.0, 2.0 / 7.0, 2.0 / 9.0],
    [2.0 / 11.0, 2.0 / 13.0, 2.0 / 15.0, 2.0 / 17.0],
    [2.0 / 19.0, 2.0 / 21.0, 2.0 / 23.0, 0.0],
];

/// `log x` of a positive normal number, to 2 units in the last place, also next to one; arbitrary for others.
///
/// With `x = 2^k (1 + f)` between `1 / sqrt(2)` and `sqrt(2)` times a power of two,
/// `log(1 + f) = f - (f^2 / 2 - s (f^2 / 2 + R(s)))`: what is subtracted is small beside `f`.
#[inline(always)]
pub fn ln<N: Number>(x: N) -> N {
    let (mantissa, exponent) = x.parts();
    let (one, half) = (x.constant(1.0), x.constant(0.5));
    let large = x.constant(SQRT_2);
    let k = mantissa.if_above(large, exponent + one, exponent);
    let f = mantissa.if_above(large, mantissa * half, mantissa) - one;
    let s = f / (x.constant(2.0) + f);
    let square = s * s;
    let (second, fourth) = (square * square, square * square * square * square);
    let [low, middle, high] = SERIES;
    let tail = cubic(square, second, high).mul_add(fourth, cubic(square, second, middle));
    let tail = tail.mul_add(fourth, cubic(square, second, low)) * square;
    let bend = half * f * f;
    let correction = s.mul_add(bend + tail, k * x.constant(LN2_LOW));
    k.mul_add(x.constant(LN2_HIGH), f - (bend - correction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Stated accuracy.
    const TOLERANCE: f64 = 2.0 * f64::EPSILON;

    proptest! {
        #[test]
        fn logarithm_agrees_with_std(log in -708.0..709.0f64, near in -0.4..0.5f64) {
            for x in [log.exp(), 1.0 + near, 1.0 + 1e-9 * near] {
                let (found, expected) = (ln(x), x.ln());
                prop_assert!((found - expected).abs() <= TOLERANCE * expected.abs(), "{x} {found} {expected}");
            }
        }
    }

    #[test]
    fn one_has_none_and_ends_have_theirs() {
        assert_eq!(ln(1.0).to_bits(), 0f64.to_bits());
        for x in [f64::MIN_POSITIVE, f64::MAX] {
            assert!((ln(x) / x.ln() - 1.0).abs() <= TOLERANCE, "{x}");
        }
    }
}
