//! Branch-free exponentials decide how fast a loop over points is: the same code for a double and a register of them.
//!
//! All of them use fused multiply-add and are meant for functions compiled for it, for example inside
//! `pulp::Arch::dispatch`; elsewhere they are right but slow, and `f64::exp` serves better.

use core::f64::consts::{LN_2, LOG2_E};

use super::number::{INTEGER_BITS, Number};

/// High part of `ln 2`: its trailing zeros make `n * LN2_HIGH` exact for every exponent `n`.
pub(super) const LN2_HIGH: f64 = 6.931_471_803_691_238_2e-1;
/// `ln 2 - LN2_HIGH`.
pub(super) const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Below it the result is zero: the smallest power of two that is scaled to is `2^-1022`, the last normal one.
const UNDERFLOW: f64 = -707.7;
/// Above it the result is infinite: `ln` of the largest finite double.
const OVERFLOW: f64 = 709.782_712_893_384;
/// Below it [`exp_negative`] is constant: nothing next to one, and far from being subnormal in products.
const NEGLIGIBLE: f64 = -690.0;
/// `1/2!, 1/3!, .., 1/13!`: on `|r| <= ln(2)/2` the rest is below `1e-17`.
const TAYLOR: [[f64; 4]; 3] = [
    [0.5, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0],
    [1.0 / 720.0, 1.0 / 5_040.0, 1.0 / 40_320.0, 1.0 / 362_880.0],
    [1.0 / 3_628_800.0, 1.0 / 39_916_800.0, 1.0 / 479_001_600.0, 1.0 / 6_227_020_800.0],
];
/// `p(r)` of least relative error of `1 + r + r^2 p(r)`, the exponential on `|r| <= 1.0005 ln(2)/2`: `3e-16`. Computed in 40
/// digits by Remez' exchange.
const SHORT: [[f64; 4]; 2] = [
    [
        0.499_999_999_999_983_2,
        0.166_666_666_666_113_38,
        0.041_666_666_668_142_34,
        0.008_333_333_370_981_771,
    ],
    [
        0.001_388_888_851_511_268_4,
        0.000_198_411_850_682_917_37,
        2.480_193_240_611_662_6e-5,
        2.763_506_792_697_022e-6,
    ],
];
/// The coefficient after those of [`SHORT`].
const SHORT_LAST: f64 = 2.747_671_574_958_128_3e-7;
/// The same with one coefficient more: `4e-18`.
const LONG: [[f64; 4]; 2] = [
    [
        0.500_000_000_000_001_1,
        0.166_666_666_666_664_1,
        0.041_666_666_666_529_725,
        0.008_333_333_333_494_976,
    ],
    [
        0.001_388_888_894_375_988_4,
        0.000_198_412_695_057_738_06,
        2.480_149_294_961_707e-5,
        2.755_758_680_384_707e-6,
    ],
];
/// The coefficients after those of [`LONG`].
const LONG_LAST: [f64; 2] = [2.763_030_625_564_785_7e-7, 2.500_001_885_308_334e-8];

/// `e^x`, to 2 units in the last place; zero below `x = -707.7`, infinite above `x = 709.78`, NaN for NaN.
///
/// Results below `5e-308`, nearly all of them subnormal, are flushed to zero.
#[inline(always)]
pub fn exp<N: Number>(x: N) -> N {
    let (q, n) = split(x);
    // 2^(n-1), doubled afterwards: 2^1024 itself isn't finite while e^709.7 is.
    let half = q * (n - x.constant(1.0)).power_of_two();
    let underflow = x.constant(UNDERFLOW);
    let value = underflow.if_above(x, x.constant(0.0), half + half);
    x.if_above(x.constant(OVERFLOW), x.constant(f64::INFINITY), value)
}

/// `e^x` for `x` at most zero, to 2 units in the last place; `e^-690` below `x = -690` and arbitrary, but not NaN, above
/// zero.
#[inline(always)]
pub fn exp_negative<N: Number>(x: N) -> N {
    exp_moderate(x)
}

/// `e^x` for `x` up to 709, to 2 units in the last place; `e^-690` below `x = -690` and arbitrary beyond.
#[inline(always)]
pub fn exp_moderate<N: Number>(x: N) -> N {
    let x = x.at_least(x.constant(NEGLIGIBLE));
    let sum = x.mul_add(x.constant(LOG2_E), x.constant(INTEGER_BITS));
    let n = sum - x.constant(INTEGER_BITS);
    let r = n.mul_add(x.constant(-LN2_LOW), n.mul_add(x.constant(-LN2_HIGH), x));
    let square = r * r;
    let fourth = square * square;
    let [low, middle] = LONG;
    let last = r.mul_add(x.constant(LONG_LAST[1]), x.constant(LONG_LAST[0]));
    let tail = last.mul_add(fourth, cubic(r, square, middle));
    let tail = tail.mul_add(fourth, cubic(r, square, low));
    (square.mul_add(tail, r) + x.constant(1.0)).scaled(sum)
}

/// `e^x` for `x` from -690 to 700, with relative error below `1e-15 + 4e-17 |x|`; arbitrary elsewhere, perhaps NaN. For weights of
/// points, of which those far below the peak hardly count.
#[inline(always)]
pub fn exp_weight<N: Number>(x: N) -> N {
    // Adding it rounds to an integer, whose bits are the lowest.
    let round = x.constant(INTEGER_BITS);
    let sum = x.mul_add(x.constant(LOG2_E), round);
    let n = sum - round;
    // ln 2 in one piece: its rounding is what the error grows by with |x|.
    short(n.mul_add(x.constant(-LN_2), x), sum)
}

/// `e^x` for `x` up to 700, with relative error below `1e-15`; `e^-690` below `x = -690`, also for NaN. For shares: next to one nothing
/// is left of what is below.
#[inline(always)]
pub fn exp_share<N: Number>(x: N) -> N {
    let x = x.at_least(x.constant(NEGLIGIBLE));
    let round = x.constant(INTEGER_BITS);
    let sum = x.mul_add(x.constant(LOG2_E), round);
    let n = sum - round;
    short(n.mul_add(x.constant(-LN2_LOW), n.mul_add(x.constant(-LN2_HIGH), x)), sum)
}

/// `2^n e^r` by the polynomial of fewer terms, given the sum of `n` and [`INTEGER_BITS`].
#[inline(always)]
fn short<N: Number>(r: N, sum: N) -> N {
    let square = r * r;
    let fourth = square * square;
    let [low, middle] = SHORT;
    let tail = fourth.mul_add(r.constant(SHORT_LAST), cubic(r, square, middle));
    let tail = tail.mul_add(fourth, cubic(r, square, low));
    square.mul_add(tail, r + r.constant(1.0)).scaled(sum)
}

/// `r` and an integer `n` with `x = n ln 2 + r`.
#[inline(always)]
fn reduce<N: Number>(x: N) -> (N, N) {
    let round = x.constant(INTEGER_BITS);
    let n = x.mul_add(x.constant(LOG2_E), round) - round;
    (n.mul_add(x.constant(-LN2_LOW), n.mul_add(x.constant(-LN2_HIGH), x)), n)
}

/// `q` and an integer `n` with `e^x = 2^n q`.
#[inline(always)]
fn split<N: Number>(x: N) -> (N, N) {
    let (r, n) = reduce(x);
    // 1 + (r + r^2 p(r)): the leading terms are added last, so that only their rounding is left.
    let square = r * r;
    let fourth = square * square;
    let [low, middle, high] = TAYLOR;
    let tail = cubic(r, square, high).mul_add(fourth, cubic(r, square, middle));
    let tail = tail.mul_add(fourth, cubic(r, square, low));
    (square.mul_add(tail, r) + x.constant(1.0), n)
}

/// The logistic function `1 / (1 + e^-x)`, to 3 units in the last place where it isn't below `1e-307`.
#[inline(always)]
pub fn sigmoid<N: Number>(x: N) -> N {
    let one = x.constant(1.0);
    one / (one + exp(-x))
}

/// `tanh x`, with absolute error below `5e-16` (the relative error grows as `x` vanishes).
#[inline(always)]
pub fn tanh<N: Number>(x: N) -> N {
    let one = x.constant(1.0);
    one - x.constant(2.0) / (one + exp(x + x))
}

/// Where the variable of [`mills`]' polynomial, `(x - CENTRE) / (x + CENTRE)`, vanishes; it balances the first and
/// the last coefficients of the Chebyshev series.
const CENTRE: f64 = 5.0;
/// Chebyshev series of `(x + CENTRE) M(x)` in that variable, truncated where its tail is below `5e-14` and
/// rearranged in powers, lowest first; computed in 60 digits from the Taylor series and the continued fraction
/// of `M`.
const MILLS: [[f64; 4]; 5] = [
    [
        1.928_081_047_153_130_7,
        -1.667_866_595_189_492_4,
        1.241_547_061_579_066_2,
        -0.785_911_075_516_013_9,
    ],
    [
        0.413_644_715_562_262_1,
        -0.173_254_734_617_019_46,
        0.052_125_504_603_916_32,
        -0.007_503_278_565_257_258,
    ],
    [
        -0.001_999_976_391_366_305,
        0.001_365_840_380_516_088_6,
        -0.000_148_778_180_595_416_35,
        -0.000_124_686_163_942_691_47,
    ],
    [
        4.168_613_655_262_076e-5,
        9.893_990_261_502_469e-6,
        -6.755_789_527_415_143e-6,
        -7.541_345_223_483_745e-7,
    ],
    [9.197_039_430_841_091e-7, 4.652_674_397_675_888_6e-8, -8.108_865_783_437_806e-8, 0.0],
];

/// Mills' ratio `M(x) = e^(x^2/2) int_x^oo e^(-t^2/2) dt` for finite `x >= 0`, with relative error below `4e-14`.
///
/// It is the well-conditioned form of a normal tail: `M(0) = sqrt(pi/2)` and `M(x) ~ 1/x`.
#[inline(always)]
pub fn mills<N: Number>(x: N) -> N {
    scaled_mills(x, x.constant(1.0) / (x + x.constant(CENTRE)))
}

/// `M(x)` and `M(y)` for one division; `x y` must be finite.
#[inline(always)]
pub fn mills_pair<N: Number>(x: N, y: N) -> (N, N) {
    let centre = x.constant(CENTRE);
    let (a, b) = (x + centre, y + centre);
    let inverse = x.constant(1.0) / (a * b);
    (scaled_mills(x, inverse * b), scaled_mills(y, inverse * a))
}

#[inline(always)]
fn scaled_mills<N: Number>(x: N, inverse: N) -> N {
    let q = (x - x.constant(CENTRE)) * inverse;
    let square = q * q;
    let fourth = square * square;
    let [a, b, c, d, e] = MILLS;
    let low = cubic(q, square, b).mul_add(fourth, cubic(q, square, a));
    let high = cubic(q, square, d).mul_add(fourth, cubic(q, square, c));
    let high = cubic(q, square, e).mul_add(fourth * fourth, high);
    high.mul_add(fourth * fourth, low) * inverse
}

/// `c_0 + c_1 x + c_2 x^2 + c_3 x^3`. Polynomials are cut into such groups, which don't wait for each other: what
/// limits a long formula is the chain of operations that do. Written out, since a loop isn't always unrolled.
#[inline(always)]
pub(super) fn cubic<N: Number>(x: N, square: N, c: [f64; 4]) -> N {
    let low = x.mul_add(x.constant(c[1]), x.constant(c[0]));
    let high = x.mul_add(x.constant(c[3]), x.constant(c[2]));
    high.mul_add(square, low)
}

/// `erf x` for finite `x`, with absolute error below `5e-14` (the relative error grows as `x` vanishes).
#[inline(always)]
pub fn erf<N: Number>(x: N) -> N {
    let tail = exp(-(x * x)) * mills(x.abs() * x.constant(core::f64::consts::SQRT_2));
    // erfc(x) = sqrt(2/pi) e^(-x^2) M(sqrt(2) x) for x >= 0
    let right = tail.mul_add(x.constant(-SQRT_2_OVER_PI), x.constant(1.0));
    x.if_above(x.constant(0.0), right, -right)
}

/// `sqrt(2 / pi)`.
const SQRT_2_OVER_PI: f64 = core::f64::consts::FRAC_2_SQRT_PI * core::f64::consts::FRAC_1_SQRT_2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two units in the last place of a double.
    const EXP_TOLERANCE: f64 = 2.0 * f64::EPSILON;
    /// Stated accuracy of weights, the share that grows with the exponent.
    const WEIGHT_TOLERANCE: [f64; 2] = [1e-15, 4e-17];
    /// Stated accuracy of the truncated Chebyshev series.
    const MILLS_TOLERANCE: f64 = 4e-14;
    /// Stated absolute accuracy of `tanh`.
    const TANH_TOLERANCE: f64 = 5e-16;
    /// Stated absolute accuracy of `erf`, whose tail is Mills' ratio.
    const ERF_TOLERANCE: f64 = 5e-14;

    proptest! {
        #[test]
        fn exponential_agrees_with_std(x in UNDERFLOW..OVERFLOW) {
            prop_assert!((exp(x) / x.exp() - 1.0).abs() <= EXP_TOLERANCE, "{} {}", exp(x), x.exp());
            let (found, expected) = (exp_negative(-x.abs()), x.abs().min(-NEGLIGIBLE));
            prop_assert!((found / (-expected).exp() - 1.0).abs() <= EXP_TOLERANCE, "{found}");
            let x = x.clamp(NEGLIGIBLE, 709.0);
            prop_assert!((exp_moderate(x) / x.exp() - 1.0).abs() <= EXP_TOLERANCE, "{x}");
            for x in [x.min(700.0), 0.05 * x] {
                let tolerance = WEIGHT_TOLERANCE[1].mul_add(x.abs(), WEIGHT_TOLERANCE[0]);
                prop_assert!((exp_weight(x) / x.exp() - 1.0).abs() <= tolerance, "{x}");
                prop_assert!((exp_share(x) / x.exp() - 1.0).abs() <= WEIGHT_TOLERANCE[0], "{x}");
            }
        }

        #[test]
        fn sigmoids_agree_with_std(x in -40.0..40.0f64) {
            let reference = 1.0 / (1.0 + (-x).exp());
            prop_assert!((sigmoid(x) / reference - 1.0).abs() <= 2.0 * EXP_TOLERANCE);
            prop_assert!((tanh(x) - x.tanh()).abs() <= TANH_TOLERANCE, "{} {}", tanh(x), x.tanh());
        }

        #[test]
        fn mills_ratio_agrees_with_erfcx(log in -12.0..15.0f64) {
            let x = 10f64.powf(log);
            let erfcx = errorfunctions::RealErrorFunctions::erfcx(x * core::f64::consts::FRAC_1_SQRT_2);
            let reference = (0.5 * core::f64::consts::PI).sqrt() * erfcx;
            let (first, second) = mills_pair(x, 1.0 / x);
            for found in [mills(x), first] {
                prop_assert!((found / reference - 1.0).abs() <= MILLS_TOLERANCE, "{found} {reference}");
            }
            prop_assert!((second / mills(1.0 / x) - 1.0).abs() <= MILLS_TOLERANCE, "{second}");
        }

        #[test]
        fn error_function_agrees_with_libm(x in -8.0..8.0f64) {
            prop_assert!((erf(x) - libm::erf(x)).abs() <= ERF_TOLERANCE, "{} {}", erf(x), libm::erf(x));
        }
    }

    #[test]
    fn limits_are_exact() {
        assert_eq!(exp(0.0).to_bits(), 1f64.to_bits());
        for x in [-1e300, f64::NEG_INFINITY, -800.0, UNDERFLOW - 1e-9] {
            assert_eq!(exp(x).to_bits(), 0f64.to_bits(), "exp({x})");
        }
        for x in [1e300, f64::INFINITY, 709.79] {
            assert_eq!(exp(x).to_bits(), f64::INFINITY.to_bits(), "exp({x})");
        }
        assert!(exp(709.78).is_finite() && exp(f64::NAN).is_nan(), "range and NaN");
        assert!(exp(UNDERFLOW) > 0.0, "normal down to the threshold");
        for x in [-1e300, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(exp_share(x).to_bits(), exp_share(NEGLIGIBLE).to_bits(), "share({x})");
        }
        assert_eq!(sigmoid(-1e5).to_bits(), 0f64.to_bits());
        assert_eq!(tanh(-1e5).to_bits(), (-1f64).to_bits());
        assert_eq!(tanh(1e5).to_bits(), 1f64.to_bits());
        assert!(mills(1e200) > 0.0 && erf(1e100) <= 1.0, "finite tails");
    }
}
