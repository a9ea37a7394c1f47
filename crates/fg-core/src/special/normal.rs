//! The standard normal law and the logistic function, in forms that keep their digits in both tails.
//!
//! Accuracy is stated as a relative error against values computed with 60 digits; the tests hold them to it.
//! Products such as `exp(x^2) erfc(x)` come from one scaled function, so that nothing overflows before it
//! cancels.

use core::f64::consts::FRAC_1_SQRT_2;

use errorfunctions::RealErrorFunctions;

/// `1 / sqrt(2 pi)`.
const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_677_94;
/// `sqrt(2 / pi)`.
const SQRT_FRAC_2_PI: f64 = 0.797_884_560_802_865_355_88;
/// `ln(2 pi) / 2`.
const HALF_LN_2PI: f64 = 0.918_938_533_204_672_741_78;
/// `ln(pi / 2) / 2`.
const HALF_LN_HALF_PI: f64 = 0.225_791_352_644_727_432_36;

/// Density `phi(x)`; relative error a few rounding errors of `x^2 / 2`.
pub fn pdf(x: f64) -> f64 {
    FRAC_1_SQRT_2PI * (-0.5 * x * x).exp()
}

/// `log phi(x)`.
pub fn log_pdf(x: f64) -> f64 {
    -0.5 * x * x - HALF_LN_2PI
}

/// Distribution function `Phi(x)`; relative error below `1e-12` wherever the value is a normal number.
pub fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// `log Phi(x)`; relative error below `1e-14` for `x < 8`, finite down to `x = -1e154`.
///
/// Left of -1 the square is taken out analytically; right of it the logarithm is of `1 - Phi(-x)`.
pub fn log_cdf(x: f64) -> f64 {
    if x < -1.0 {
        (0.5 * (-x * FRAC_1_SQRT_2).erfcx()).ln() - 0.5 * x * x
    } else {
        (-0.5 * libm::erfc(x * FRAC_1_SQRT_2)).ln_1p()
    }
}

/// `log(Phi(x) / phi(x))`, the logarithm of `int_0^inf exp(x t - t^2 / 2) dt`; finite for `|x| < 1e154`.
pub fn log_mills(x: f64) -> f64 {
    if x < 0.0 {
        (-x * FRAC_1_SQRT_2).erfcx().ln() + HALF_LN_HALF_PI
    } else {
        log_cdf(x) + 0.5 * x * x + HALF_LN_2PI
    }
}

/// `phi(x) / Phi(x)`, the inverse Mills ratio; relative error below `1e-14` for `x < 8`, and below `1e-12`
/// beyond, where the value is below `1e-14` itself.
pub fn inverse_mills(x: f64) -> f64 {
    SQRT_FRAC_2_PI / (-x * FRAC_1_SQRT_2).erfcx()
}

/// Mean and variance of a truncated normal variable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruncatedMoments {
    /// `E t`.
    pub mean: f64,
    /// `Var t`.
    pub variance: f64,
    /// `phi(h) / Phi(h)`, see [`inverse_mills`].
    pub inverse_mills: f64,
}

/// Left of this the variance `1 - m (m + h)` has lost three digits and the continued fraction is cheap.
const FRACTION_BELOW: f64 = -5.0;
/// The fraction has converged to `1e-15` after `FRACTION_TERMS + FRACTION_GROWTH / h^2` terms, at any such `h`.
const FRACTION_TERMS: f64 = 10.0;
/// See [`FRACTION_TERMS`].
const FRACTION_GROWTH: f64 = 700.0;

/// Moments of `t ~ N(h, 1)` given `t > 0`; relative error of both below `1e-12` for all `h`.
///
/// With `m = phi(h) / Phi(h)` they are `h + m` and `1 - m (m + h)`. For `h = -x` far below zero both cancel;
/// there Laplace's continued fraction `m = x + 1 / (x + e)`, `e = 2 / (x + 3 / (x + ..))`, gives the mean
/// `c = 1 / (x + e)` and the variance `c (e - c)`, where `e` is about twice `c`.
pub fn positive_part(h: f64) -> TruncatedMoments {
    if h < FRACTION_BELOW {
        let x = -h;
        let (mut e, mut k) = (0.0, (FRACTION_TERMS + FRACTION_GROWTH / (x * x)).floor());
        while k > 1.0 {
            e = k / (x + e);
            k -= 1.0;
        }
        let mean = 1.0 / (x + e);
        TruncatedMoments { mean, variance: mean * (e - mean), inverse_mills: x + mean }
    } else {
        let m = inverse_mills(h);
        TruncatedMoments { mean: h + m, variance: 1.0 - m * (m + h), inverse_mills: m }
    }
}

/// `log(1 + exp(x))`, without overflow and without loss for negative `x`.
pub fn log1pexp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `1 / (1 + exp(-x))`; its complement is `logistic(-x)`.
pub fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Moves a uniform of `[0, 1)` into the open interval: `0` becomes `2^-54`, anything from 1 on becomes
/// `1 - 2^-53`.
///
/// Uniforms are multiples of `2^-53`, so zero stands for the cell `[0, 2^-53)` and `2^-54` is its middle:
/// every map from uniforms has finite values, and no other uniform is changed.
pub fn open_uniform(u: f64) -> f64 {
    const MIDDLE_OF_FIRST_CELL: f64 = 0.25 * f64::EPSILON;
    const LAST_BELOW_ONE: f64 = 1.0 - 0.5 * f64::EPSILON;
    u.clamp(MIDDLE_OF_FIRST_CELL, LAST_BELOW_ONE)
}

/// The `u`-quantile `Phi^-1(u)`: relative error below `1e-15` for `u` in `(0, 1)`, subnormal `u` included;
/// `-inf` at 0, `inf` at 1 and NaN outside. Maps from uniforms apply [`open_uniform`] first.
///
/// Rational approximations of M. J. Wichura, "Algorithm AS 241: the percentage points of the normal
/// distribution", Applied Statistics 37 (1988), doi 10.2307/2347330.
pub fn quantile(u: f64) -> f64 {
    /// Half width of the central region.
    const CENTRE: f64 = 0.425;
    /// Square root of `-log u` that separates the two tail approximations.
    const FAR: f64 = 5.0;
    let q = u - 0.5;
    if q.abs() <= CENTRE {
        let r = CENTRE * CENTRE - q * q;
        return q * polynomial(&CENTRE_NUMERATOR, r) / polynomial(&CENTRE_DENOMINATOR, r);
    }
    let tail = if q < 0.0 { u } else { 1.0 - u };
    if !(tail > 0.0) {
        return if tail == 0.0 { f64::INFINITY.copysign(q) } else { f64::NAN };
    }
    let r = (-tail.ln()).sqrt();
    let x = if r <= FAR {
        polynomial(&TAIL_NUMERATOR, r - 1.6) / polynomial(&TAIL_DENOMINATOR, r - 1.6)
    } else {
        polynomial(&FAR_NUMERATOR, r - FAR) / polynomial(&FAR_DENOMINATOR, r - FAR)
    };
    x.copysign(q)
}

/// Horner's rule, coefficients from the constant term on.
fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

const CENTRE_NUMERATOR: [f64; 8] = [
    3.387_132_872_796_366_608_0,
    133.141_667_891_784_377_45,
    1_971.590_950_306_551_442_7,
    13_731.693_765_509_461_125,
    45_921.953_931_549_871_457,
    67_265.770_927_008_700_853,
    33_430.575_583_588_128_105,
    2_509.080_928_730_122_672_7,
];
const CENTRE_DENOMINATOR: [f64; 8] = [
    1.0,
    42.313_330_701_600_911_252,
    687.187_007_492_057_908_30,
    5_394.196_021_424_751_107_7,
    21_213.794_301_586_595_867,
    39_307.895_800_092_710_610,
    28_729.085_735_721_942_674,
    5_226.495_278_852_854_561_0,
];
const TAIL_NUMERATOR: [f64; 8] = [
    1.423_437_110_749_683_577_34,
    4.630_337_846_156_545_295_90,
    5.769_497_221_460_691_405_50,
    3.647_848_324_763_204_605_04,
    1.270_458_252_452_368_382_58,
    0.241_780_725_177_450_611_770,
    0.022_723_844_989_269_184_583_3,
    7.745_450_142_783_414_076_40e-4,
];
const TAIL_DENOMINATOR: [f64; 8] = [
    1.0,
    2.053_191_626_637_758_821_87,
    1.676_384_830_183_803_849_40,
    0.689_767_334_985_100_004_550,
    0.148_103_976_427_480_074_590,
    0.015_198_666_563_616_457_196_6,
    5.475_938_084_995_344_946_00e-4,
    1.050_750_071_644_416_843_24e-9,
];
const FAR_NUMERATOR: [f64; 8] = [
    6.657_904_643_501_103_777_20,
    5.463_784_911_164_114_369_90,
    1.784_826_539_917_291_335_80,
    0.296_560_571_828_504_891_230,
    0.026_532_189_526_576_123_093_0,
    1.242_660_947_388_078_438_60e-3,
    2.711_555_568_743_487_578_15e-5,
    2.010_334_399_292_288_132_65e-7,
];
const FAR_DENOMINATOR: [f64; 8] = [
    1.0,
    0.599_832_206_555_887_937_690,
    0.136_929_880_922_735_805_310,
    0.014_875_361_290_850_614_852_5,
    7.868_691_311_456_132_591_00e-4,
    1.846_318_317_510_054_681_80e-5,
    1.421_511_758_316_445_888_70e-7,
    2.044_263_103_389_939_785_64e-15,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `x, log Phi, phi / Phi, truncated mean, truncated variance`: mpmath 1.3 with 60 to 120 digits,
    /// `erfc(-x / sqrt(2)) / 2` and `exp(-x^2 / 2) / sqrt(2 pi)` combined by the defining formulas.
    const EXACT: [(f64, f64, f64, f64, f64); 14] = [
        (
            -1e4,
            -5.0000010129278915e+7,
            1.0000000099999998e+4,
            9.99999980000001e-5,
            9.99999940000005e-9,
        ),
        (
            -300.0,
            -4.5006622732118663e+4,
            3.0000333325926337e+2,
            3.3332592633741473e-3,
            1.1110370438949582e-5,
        ),
        (
            -37.0,
            -6.8903058557689059e+2,
            3.702698768612699e+1,
            2.6987686126990096e-2,
            7.2727809887751334e-4,
        ),
        (
            -10.0,
            -5.3231285150512471e+1,
            1.0098093233962512e+1,
            9.8093233962511963e-2,
            9.4453778256562612e-3,
        ),
        (
            -4.5,
            -1.2592419735713079e+1,
            4.7043198448277324,
            2.043198448277324e-1,
            3.8814099284775534e-2,
        ),
        (
            -4.0,
            -1.0360101486527291e+1,
            4.2256071444894711,
            2.2560714448947107e-1,
            4.6672838397422631e-2,
        ),
        (
            -3.5,
            -8.3660653083440929,
            3.7513912648576997,
            2.5139126485769973e-1,
            5.6933004951296804e-2,
        ),
        (
            -1.0,
            -1.8410216450092635,
            1.5251352761609812,
            5.2513527616098121e-1,
            1.9909766557034879e-1,
        ),
        (
            -0.5,
            -1.1759117615936186,
            1.1410777703680645,
            6.4107777036806448e-1,
            2.6848040715587895e-1,
        ),
        (
            0.0,
            -core::f64::consts::LN_2,
            7.9788456080286536e-1,
            7.9788456080286536e-1,
            3.6338022763241866e-1,
        ),
        (
            0.5,
            -3.6894641528865639e-1,
            5.0916043383703349e-1,
            1.0091604338370335,
            4.861754356963671e-1,
        ),
        (
            1.0,
            -1.7275377902344989e-1,
            2.8759997093917836e-1,
            1.2875999709391784,
            6.296862857766054e-1,
        ),
        (
            3.0,
            -1.3508099647481938e-3,
            4.4378390421256638e-3,
            3.0044378390421257,
            9.8666678845825919e-1,
        ),
        (
            8.0,
            -6.2209605742717861e-16,
            5.0522710835368954e-15,
            8.0000000000000051,
            9.9999999999995958e-1,
        ),
    ];

    /// `u, Phi^-1(u)`: mpmath root of `log Phi(x) = log u`, `u` being the nearest double.
    const QUANTILES: [(f64, f64); 13] = [
        (5e-324, -3.8467405617144346e+1),
        (1e-300, -3.7047096299361199e+1),
        (1e-100, -2.1273453560965324e+1),
        (5.551115123125783e-17, -8.2923610758135955),
        (1e-05, -4.2648907939228246),
        (0.02425, -1.9729610513118848),
        (0.075, -1.4395314709384559),
        (0.3, -5.2440051270804082e-1),
        (0.5, 0.0),
        (0.7, 5.2440051270804066e-1),
        (0.925, 1.4395314709384562),
        (0.999, 3.0902323061678133),
        (0.9999999999999999, 8.2095361516013869),
    ];

    /// `erfcx` is accurate to a few rounding errors.
    const ROUNDING: f64 = 1e-14;
    /// Worst loss of the truncated moments, just right of [`FRACTION_BELOW`].
    const TRUNCATED: f64 = 1e-12;
    /// Wichura's stated accuracy.
    const QUANTILE: f64 = 1e-15;

    #[track_caller]
    fn close(name: &str, x: f64, found: f64, expected: f64, relative: f64) {
        assert!(
            (found - expected).abs() <= relative * expected.abs(),
            "{name}({x}) = {found:e}, not {expected:e}"
        );
    }

    #[test]
    fn functions_agree_with_exact_values() {
        for (x, log, mills, mean, variance) in EXACT {
            close("log_cdf", x, log_cdf(x), log, ROUNDING);
            close("inverse_mills", x, inverse_mills(x), mills, ROUNDING);
            let found = positive_part(x);
            close("truncated mean", x, found.mean, mean, TRUNCATED);
            close("truncated variance", x, found.variance, variance, TRUNCATED);
            close("truncated ratio", x, found.inverse_mills, mills, ROUNDING);
            close("log_mills", x, log_mills(x), -mills.ln(), 10.0 * ROUNDING);
            if x > -38.0 {
                // Subtracting a large exponent costs its number of digits.
                close("cdf", x, cdf(x), log.exp(), 1e-12);
            }
        }
        for (u, x) in QUANTILES {
            close("quantile", u, quantile(u), x, QUANTILE);
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "results that rounding does not touch")]
    fn extremes_are_limits_and_not_numbers_out_of_range() {
        assert_eq!(quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(quantile(1.0), f64::INFINITY);
        assert!(quantile(-0.1).is_nan() && quantile(1.1).is_nan() && quantile(f64::NAN).is_nan());
        assert!(quantile(open_uniform(0.0)).is_finite() && quantile(open_uniform(1.0)).is_finite());
        assert_eq!(inverse_mills(1e3), 0.0);
        assert_eq!(
            positive_part(1e8),
            TruncatedMoments { mean: 1e8, variance: 1.0, inverse_mills: 0.0 }
        );
        let far = positive_part(-1e100);
        close("mean", -1e100, far.mean, 1e-100, ROUNDING);
        close("variance", -1e100, far.variance, 1e-200, ROUNDING);
        assert_eq!(log1pexp(-800.0), 0.0);
        assert_eq!(log1pexp(800.0), 800.0);
        close("log1pexp", 0.0, log1pexp(0.0), core::f64::consts::LN_2, ROUNDING);
        assert_eq!((logistic(-800.0), logistic(800.0)), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn truncated_variance_is_positive_below_one_and_smooth(h in -50.0..50.0f64) {
            let t = positive_part(h);
            prop_assert!(t.variance > 0.0 && t.variance <= 1.0 && t.mean > 0.0, "{h}: {t:?}");
            // d mean / d h = variance, by central differences (error step^2 / 6 of a bounded derivative).
            let step = 1e-4;
            let slope = (positive_part(h + step).mean - positive_part(h - step).mean) / (2.0 * step);
            prop_assert!((slope - t.variance).abs() < 1e-7, "{h}: {slope} against {}", t.variance);
        }

        #[test]
        fn quantile_inverts_the_distribution_function(u in 1e-12..1.0f64) {
            // The density near one is small: an error of u of one rounding moves x by eps / phi(x).
            let x = quantile(u);
            prop_assert!((cdf(x) - u).abs() < 4.0 * f64::EPSILON * (1.0 + x.abs() * pdf(x)), "{u} {x}");
        }

        #[test]
        fn softplus_is_a_log_sum(x in -700.0..700.0f64) {
            let expected = if x > 30.0 { x + (-x).exp() } else { x.exp().ln_1p() };
            prop_assert!((log1pexp(x) - expected).abs() <= ROUNDING * expected.abs());
            prop_assert!((logistic(x) + logistic(-x) - 1.0).abs() <= ROUNDING);
        }
    }
}
