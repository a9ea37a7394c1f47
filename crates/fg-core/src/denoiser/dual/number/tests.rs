//! Every function of a dual number against finite differences, and the order of dual numbers.

use super::*;

/// Relative step of the central differences, and the error they then have: its square times a bounded third
/// derivative, plus `eps / STEP`.
const STEP: f64 = 1e-5;
const DIFFERENCE: f64 = 1e-8;

type Unary = (&'static str, fn(f64) -> f64, fn(Dual) -> Dual, [f64; 2]);
type Binary = (&'static str, fn(f64, f64) -> f64, fn(Dual, Dual) -> Dual, [f64; 2]);

macro_rules! unary {
    ($($name:ident at $a:expr, $b:expr;)*) => {
        [$((stringify!($name), f64::$name as fn(f64) -> f64, Float::$name as fn(Dual) -> Dual, [$a, $b])),*]
    };
}

/// Equality of two numbers that must not even differ by rounding.
#[track_caller]
fn exact(found: f64, expected: f64, label: &str) {
    assert!(found.to_bits() == expected.to_bits(), "{label}: {found:e}, not {expected:e}");
}

#[test]
fn unary_functions_match_finite_differences() {
    let table: [Unary; 26] = unary! {
        abs at -0.7, 2.0; fract at 1.3, -0.4; recip at -0.5, 3.0; sqrt at 0.2, 5.0;
        exp at -3.0, 1.5; exp2 at -1.0, 2.5; ln at 0.3, 4.0; log2 at 0.3, 4.0; log10 at 0.3, 4.0;
        to_degrees at 0.1, 2.0; to_radians at 10.0, 100.0; cbrt at -0.6, 3.0; sin at 0.4, 2.0;
        cos at 0.4, 2.0; tan at 0.4, -1.1; asin at 0.3, -0.9; acos at 0.3, -0.9; atan at -2.0, 0.5;
        exp_m1 at 1e-3, 1.0; ln_1p at 1e-3, 1.0; sinh at -1.0, 0.5; cosh at -1.0, 0.5;
        tanh at -1.0, 2.0; asinh at -1.0, 3.0; acosh at 1.5, 4.0; atanh at -0.5, 0.8;
    };
    for (name, f, dual, points) in table {
        for x in points {
            let step = STEP * x.abs();
            let slope = (f(x + step) - f(x - step)) / (2.0 * step);
            let found = dual(Dual { value: x, derivative: 3.0 });
            exact(found.value, f(x), name);
            let error = (found.derivative - 3.0 * slope).abs();
            let scale = slope.abs() + f(x).abs() / x.abs();
            assert!(
                error < DIFFERENCE * (1.0 + scale),
                "{name}'({x}) {} {slope}",
                found.derivative
            );
        }
    }
}

#[test]
fn binary_functions_match_finite_differences_in_both_arguments() {
    let table: [Binary; 14] = [
        ("add", |a, b| a + b, |a, b| a + b, [0.7, 1.9]),
        ("sub", |a, b| a - b, |a, b| a - b, [0.7, 1.9]),
        ("mul", |a, b| a * b, |a, b| a * b, [0.7, -1.9]),
        ("div", |a, b| a / b, |a, b| a / b, [0.7, -1.9]),
        ("rem", |a, b| a % b, |a, b| a % b, [7.3, 1.9]),
        ("powf", f64::powf, Float::powf, [0.7, 1.9]),
        ("log", f64::log, Float::log, [0.7, 1.9]),
        ("hypot", f64::hypot, Float::hypot, [0.7, -1.9]),
        ("atan2", f64::atan2, Float::atan2, [-0.7, -1.9]),
        ("max", f64::max, Float::max, [0.7, 1.9]),
        ("min", f64::min, Float::min, [0.7, 1.9]),
        ("copysign", f64::copysign, Float::copysign, [0.7, -1.9]),
        ("abs_sub", |a, b| (a - b).max(0.0), Float::abs_sub, [2.7, 1.9]),
        ("mul_add", |a, b| a.mul_add(b, a), |a, b| a.mul_add(b, a), [2.7, 1.9]),
    ];
    for (name, f, dual, [a, b]) in table {
        let da = (f(a + STEP, b) - f(a - STEP, b)) / (2.0 * STEP);
        let db = (f(a, b + STEP) - f(a, b - STEP)) / (2.0 * STEP);
        let by_a = dual(Dual::variable(a), Dual::constant(b));
        let by_b = dual(Dual::constant(a), Dual::variable(b));
        // Power and division of floats by operators and by methods round alike.
        exact(by_a.value, f(a, b), name);
        assert!((by_a.derivative - da).abs() < DIFFERENCE, "{name} {} {da}", by_a.derivative);
        assert!((by_b.derivative - db).abs() < DIFFERENCE, "{name} {} {db}", by_b.derivative);
    }
}

#[test]
fn edges_have_the_derivative_of_the_branch_and_constants_have_none() {
    let zero = Dual::constant(0.0);
    exact(zero.sqrt().derivative, 0.0, "zero sqrt derivative");
    exact(zero.powf(Dual::constant(0.5)).derivative, 0.0, "zero powf Dual constant 0 5 derivative");
    exact(Dual::variable(0.0).powi(0).derivative, 0.0, "Dual variable 0 0 powi 0 derivative");
    exact(Dual::variable(0.0).powi(1).derivative, 1.0, "Dual variable 0 0 powi 1 derivative");
    exact(Dual::variable(2.0).powi(-2).derivative, -0.25, "Dual variable 2 0 powi 2 derivative");
    exact(
        Dual::variable(0.0).powf(Dual::constant(1.0)).derivative,
        1.0,
        "Dual variable 0 0 powf Dual constant 1 0",
    );
    exact(
        Float::clamp(Dual::variable(2.0), zero, Dual::one()).derivative,
        0.0,
        "Float clamp Dual variable 2 0  zero  Dua",
    );
    exact(
        Float::clamp(Dual::variable(0.5), zero, Dual::one()).derivative,
        1.0,
        "Float clamp Dual variable 0 5  zero  Dua",
    );
    exact(Dual::variable(2.5).floor().derivative, 0.0, "Dual variable 2 5 floor derivative");
    exact(
        Float::max(Dual::variable(f64::NAN), Dual::one()).value,
        1.0,
        "Float max Dual variable f64 NAN  Dual on",
    );
    exact(Float::min(Dual::one(), Dual::nan()).value, 1.0, "Float min Dual one  Dual nan value");
    // Slope 4 exp(-2 x) far out, where 1 - tanh^2 is zero.
    let far = Dual::variable(300.0).tanh().derivative;
    assert!((far / (4.0 * (-600.0f64).exp()) - 1.0).abs() < 1e-12, "{far:e}");
    assert_eq!(<Dual as NumCast>::from(3u8).map(|d| d.value), Some(3.0));
    assert_eq!(Dual::from_str_radix("12", 10).map(|d| d.value).ok(), Some(12.0));
}
