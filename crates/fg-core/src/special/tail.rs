//! Moments of a normal variable cut off at zero, branch-free: what truncated estimates in long loops are made of.
//!
//! [`positive_part`](super::positive_part) is the same for single values. As in [`exp`](super::exp), functions are meant for
//! code compiled for fused multiply-add.

use core::hint::black_box;

use super::exp::exp_share;
use super::number::{Number, Pair};

/// Where the variable of the polynomials, `(x - CENTRE) / (x + CENTRE)`, vanishes; it balances the first and the last
/// coefficients of the Chebyshev series.
const CENTRE: f64 = 4.0;
/// Chebyshev series of `(x + CENTRE) E t` and `(x + CENTRE)^2 Var t` in that variable, truncated where their tails are below `2e-14`
/// and `4e-13` and rearranged in powers, highest first; computed in 60 digits from Laplace's continued fraction and Mills' ratio.
const SERIES: [[f64; 2]; 24] = [
    [3.976_966_552_546_567e-8, -2.216_825_786_678_517_7e-6],
    [-5.771_099_195_018_053e-7, -1.260_258_157_598_238_5e-5],
    [7.811_569_898_054_796e-9, 3.031_041_044_289_023_6e-5],
    [5.559_465_477_248_159e-6, 0.000_108_260_075_436_216_75],
    [-3.024_689_951_660_219_5e-6, -0.000_213_306_391_668_844_8],
    [-2.813_379_958_382_366_5e-5, -0.000_458_243_502_565_322_9],
    [2.704_996_252_696_311_6e-5, 0.001_049_796_459_331_509_7],
    [0.000_101_628_391_071_538_21, 0.001_243_825_570_189_403_8],
    [-0.000_151_252_783_575_723_4, -0.004_094_114_224_492_931_4],
    [-0.000_287_300_435_715_004_9, -0.002_021_761_322_824_718],
    [0.000_665_898_590_022_044_4, 0.013_371_321_203_288_997],
    [0.000_594_037_212_797_380_3, -0.000_943_779_930_548_799_9],
    [-0.002_485_911_913_517_474_7, -0.036_968_971_542_406_43],
    [-0.000_373_363_109_545_605_97, 0.023_241_136_911_129_084],
    [0.007_961_434_561_068_896, 0.083_350_191_040_029_69],
    [-0.004_488_628_491_486_369_5, -0.112_051_190_254_402_45],
    [-0.020_800_457_159_219_188, -0.130_494_940_732_565_1],
    [0.031_656_531_445_233_86, 0.367_198_992_889_001_93],
    [0.033_703_667_848_339_35, 0.012_282_842_637_909_804],
    [-0.138_224_491_688_966_83, -0.859_640_802_011_401_8],
    [0.067_517_927_916_563_15, 0.822_969_677_557_145_8],
    [0.401_956_703_810_600_5, 1.003_316_327_781_916_6],
    [-1.182_204_501_519_220_6, -3.168_322_410_650_569],
    [1.804_857_155_915_753_6, 2.987_061_657_434_596],
];
/// `sqrt(2 pi)`.
const SQRT_2PI: f64 = 2.506_628_274_631_000_5;

/// Moments of `t ~ N(h, 1)` given `t > 0`, and `m = phi(h) / Phi(h)`, one over its mass relative to the weight at zero.
#[derive(Clone, Copy, Debug)]
pub struct Tail<N> {
    /// `E t`.
    pub mean: N,
    /// `Var t`.
    pub variance: N,
    /// `m = numerator / denominator`, where both are positive and neither overflows before the square of `h` does. The
    /// numerator stops falling where the mass is about to overflow, at `e^-690` of the denominator.
    pub numerator: N,
    /// See [`numerator`](Self::numerator).
    pub denominator: N,
}

/// The moments for `h = -x`, `x >= 0`, and `m = x + E t` over one: relative errors below `2e-13` of the mean and `1e-12` of
/// the variance.
#[inline(always)]
pub fn below<N: Number>(x: N) -> Tail<N> {
    scaled(x, x.constant(1.0) / (x + x.constant(CENTRE)))
}

/// The moments for `h = -x` and `h = -y`, both negative or zero, for one division; `x y` must be finite.
#[inline(always)]
pub fn below_pair<N: Number>(x: N, y: N) -> (Tail<N>, Tail<N>) {
    let centre = x.constant(CENTRE);
    let (a, b) = (x + centre, y + centre);
    let inverse = x.constant(1.0) / (a * b);
    let both = scaled(Pair(x, y), Pair(inverse * b, inverse * a));
    let Tail { mean, variance, numerator, denominator } = both;
    let first = Tail {
        mean: mean.0,
        variance: variance.0,
        numerator: numerator.0,
        denominator: denominator.0,
    };
    let second = Tail {
        mean: mean.1,
        variance: variance.1,
        numerator: numerator.1,
        denominator: denominator.1,
    };
    (first, second)
}

/// By Horner's rule: of four numbers side by side, as two registers are of a pair of tails or four of one, both series are as many chains
/// as two units have in flight, and each coefficient is read once for all.
///
/// The table is one that the compiler doesn't see: it would write the loop out, read a coefficient for every use, and take twice as
/// long.
#[inline(always)]
fn scaled<N: Number>(x: N, inverse: N) -> Tail<N> {
    let q = (x - x.constant(CENTRE)) * inverse;
    let (mut mean, mut variance) = (x.constant(SERIES[0][0]), x.constant(SERIES[0][1]));
    for [m, v] in &black_box(&SERIES)[1..] {
        mean = mean.mul_add(q, x.constant(*m));
        variance = variance.mul_add(q, x.constant(*v));
    }
    let mean = mean * inverse;
    let variance = variance * (inverse * inverse);
    Tail { mean, variance, numerator: x + mean, denominator: x.constant(1.0) }
}

/// The moments for any `h`, from those for `-|h|`; to the accuracy of [`below`].
///
/// On the heavy side `m = e / (sqrt(2 pi) - e M(|h|))`, `e = exp(-h^2 / 2)`, where the two terms of the denominator differ
/// by a factor of two at least, the mean is `h + m` and the variance `1 - m (h + m)`, which is a third or more.
#[inline(always)]
pub fn above<N: Number>(h: N, mirrored: Tail<N>) -> Tail<N> {
    let zero = h.constant(0.0);
    let m = mirrored.numerator;
    // Bounded from below where it is nothing next to one: nothing is left of it in a mean or a variance.
    let e = exp_share(h * h * h.constant(-0.5));
    let numerator = h.if_above(zero, e * m, m);
    let heavy = m.mul_add(h.constant(SQRT_2PI), -e);
    let denominator = h.if_above(zero, heavy, mirrored.denominator);
    let ratio = e * m / heavy;
    let mean = h + ratio;
    let variance = h.constant(1.0) - ratio * mean;
    Tail {
        mean: h.if_above(zero, mean, mirrored.mean),
        variance: h.if_above(zero, variance, mirrored.variance),
        numerator,
        denominator,
    }
}

/// The moments for any `h`.
#[inline(always)]
pub fn tail<N: Number>(h: N) -> Tail<N> {
    above(h, below(h.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::positive_part;
    use proptest::prelude::*;

    /// Stated accuracy, and the accuracy of what it is compared with.
    const TOLERANCE: f64 = 2e-12;

    proptest! {
        #[test]
        fn moments_agree_with_those_of_single_values(log in -12.0..9.0f64, heavy: bool) {
            let x = 10f64.powf(log);
            let h = if heavy { x } else { -x };
            let (found, expected) = (tail(h), positive_part(h));
            let close = |a: f64, b: f64| (a / b - 1.0).abs() <= TOLERANCE;
            prop_assert!(close(found.mean, expected.mean), "{found:?} {expected:?}");
            prop_assert!(close(found.variance, expected.variance), "{found:?} {expected:?}");
            let (first, second) = below_pair(x, 1.0 / x);
            prop_assert!(close(first.mean, below(x).mean) && close(second.variance, below(1.0 / x).variance));
            // Beyond that a mass is more than the inverse of the smallest normal number.
            if h < 37.0 {
                let m = found.numerator / found.denominator;
                prop_assert!((m / expected.inverse_mills - 1.0).abs() <= TOLERANCE * (1.0 + h * h), "{found:?}");
            }
        }
    }

    #[test]
    fn limits_are_finite() {
        for h in [-1e200, -1e9, 0.0, -0.0, 40.0, 1e9, 1e150] {
            let found = tail(h);
            assert!(found.mean > 0.0 && found.variance >= 0.0, "{h} {found:?}");
            assert!(found.numerator >= 0.0 && found.denominator > 0.0, "{h} {found:?}");
        }
        assert_eq!(tail(1e9).variance.to_bits(), 1f64.to_bits());
    }
}
