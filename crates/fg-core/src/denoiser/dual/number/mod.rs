//! Dual numbers: every function of `Float` with its derivative, by the chain rule.

use core::cmp::Ordering;
use core::num::FpCategory;
use core::ops::{Add, Div, Mul, Neg, Rem, Sub};

use num_traits::{Float, Num, NumCast, One, ToPrimitive, Zero};

/// A number and its derivative with respect to one variable.
///
/// Comparisons look at the value only, so that branches are taken as for a plain number. A zero derivative stays
/// zero where the local slope is infinite or undefined (`sqrt` of the constant 0), since a constant has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dual {
    /// The value.
    pub value: f64,
    /// Its derivative.
    pub derivative: f64,
}

impl Dual {
    /// A number that doesn't depend on the variable.
    pub const fn constant(value: f64) -> Self {
        Self { value, derivative: 0.0 }
    }

    /// The variable itself.
    pub const fn variable(value: f64) -> Self {
        Self { value, derivative: 1.0 }
    }

    /// `f(self)` by the chain rule, given `f` and its slope at the value.
    fn chain(self, value: f64, slope: f64) -> Self {
        Self { value, derivative: times(slope, self.derivative) }
    }

    /// `f(a, b)` by the chain rule, given both partial slopes.
    fn chain2(value: f64, (a, slope_a): (Self, f64), (b, slope_b): (Self, f64)) -> Self {
        let derivative = times(slope_a, a.derivative) + times(slope_b, b.derivative);
        Self { value, derivative }
    }
}

/// `slope * derivative`, zero for a constant even where the slope is infinite.
fn times(slope: f64, derivative: f64) -> f64 {
    if derivative == 0.0 { 0.0 } else { slope * derivative }
}

impl PartialEq for Dual {
    fn eq(&self, other: &Self) -> bool {
        self.value.eq(&other.value)
    }
}

impl PartialOrd for Dual {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, b: Self) -> Self {
        Self { value: self.value + b.value, derivative: self.derivative + b.derivative }
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, b: Self) -> Self {
        Self { value: self.value - b.value, derivative: self.derivative - b.derivative }
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, b: Self) -> Self {
        Self::chain2(self.value * b.value, (self, b.value), (b, self.value))
    }
}

impl Div for Dual {
    type Output = Self;
    fn div(self, b: Self) -> Self {
        let value = self.value / b.value;
        Self::chain2(value, (self, b.value.recip()), (b, -value / b.value))
    }
}

impl Rem for Dual {
    type Output = Self;
    /// `a - b trunc(a / b)`, whose derivative ignores the jumps of the truncation.
    fn rem(self, b: Self) -> Self {
        let whole = (self.value / b.value).trunc();
        Self::chain2(self.value % b.value, (self, 1.0), (b, -whole))
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, derivative: -self.derivative }
    }
}

impl Zero for Dual {
    fn zero() -> Self {
        Self::constant(0.0)
    }
    fn is_zero(&self) -> bool {
        self.value == 0.0
    }
}

impl One for Dual {
    fn one() -> Self {
        Self::constant(1.0)
    }
}

impl Num for Dual {
    type FromStrRadixErr = <f64 as Num>::FromStrRadixErr;
    fn from_str_radix(text: &str, radix: u32) -> Result<Self, Self::FromStrRadixErr> {
        f64::from_str_radix(text, radix).map(Self::constant)
    }
}

impl ToPrimitive for Dual {
    fn to_i64(&self) -> Option<i64> {
        self.value.to_i64()
    }
    fn to_u64(&self) -> Option<u64> {
        self.value.to_u64()
    }
    fn to_f64(&self) -> Option<f64> {
        Some(self.value)
    }
}

impl NumCast for Dual {
    fn from<T: ToPrimitive>(n: T) -> Option<Self> {
        n.to_f64().map(Self::constant)
    }
}

impl Float for Dual {
    fn nan() -> Self {
        Self::constant(f64::NAN)
    }
    fn infinity() -> Self {
        Self::constant(f64::INFINITY)
    }
    fn neg_infinity() -> Self {
        Self::constant(f64::NEG_INFINITY)
    }
    fn neg_zero() -> Self {
        Self::constant(-0.0)
    }
    fn min_value() -> Self {
        Self::constant(f64::MIN)
    }
    fn min_positive_value() -> Self {
        Self::constant(f64::MIN_POSITIVE)
    }
    fn epsilon() -> Self {
        Self::constant(f64::EPSILON)
    }
    fn max_value() -> Self {
        Self::constant(f64::MAX)
    }
    fn is_nan(self) -> bool {
        self.value.is_nan()
    }
    fn is_infinite(self) -> bool {
        self.value.is_infinite()
    }
    fn is_finite(self) -> bool {
        self.value.is_finite()
    }
    fn is_normal(self) -> bool {
        self.value.is_normal()
    }
    fn classify(self) -> FpCategory {
        self.value.classify()
    }
    fn floor(self) -> Self {
        Self::constant(self.value.floor())
    }
    fn ceil(self) -> Self {
        Self::constant(self.value.ceil())
    }
    fn round(self) -> Self {
        Self::constant(self.value.round())
    }
    fn trunc(self) -> Self {
        Self::constant(self.value.trunc())
    }
    fn fract(self) -> Self {
        self.chain(self.value.fract(), 1.0)
    }
    fn abs(self) -> Self {
        self.chain(self.value.abs(), self.value.signum())
    }
    fn signum(self) -> Self {
        Self::constant(self.value.signum())
    }
    fn is_sign_positive(self) -> bool {
        self.value.is_sign_positive()
    }
    fn is_sign_negative(self) -> bool {
        self.value.is_sign_negative()
    }
    fn copysign(self, sign: Self) -> Self {
        let flip =
            if self.value.is_sign_positive() == sign.value.is_sign_positive() { 1.0 } else { -1.0 };
        self.chain(self.value.copysign(sign.value), flip)
    }
    fn mul_add(self, a: Self, b: Self) -> Self {
        let product = self * a;
        Self {
            value: self.value.mul_add(a.value, b.value),
            derivative: product.derivative + b.derivative,
        }
    }
    fn recip(self) -> Self {
        let value = self.value.recip();
        self.chain(value, -value * value)
    }
    fn powi(self, n: i32) -> Self {
        // The slope of x^0 is zero also at x = 0, where 0 * x^-1 isn't.
        let slope = if n == 0 {
            0.0
        } else {
            <f64 as From<i32>>::from(n) * self.value.powi(n.saturating_sub(1))
        };
        self.chain(self.value.powi(n), slope)
    }
    fn powf(self, n: Self) -> Self {
        let value = self.value.powf(n.value);
        let base_slope =
            if n.value == 0.0 { 0.0 } else { n.value * self.value.powf(n.value - 1.0) };
        // x^n log x tends to zero with x for n > 0.
        let power_slope = if value == 0.0 { 0.0 } else { value * self.value.ln() };
        Self::chain2(value, (self, base_slope), (n, power_slope))
    }
    fn sqrt(self) -> Self {
        let value = self.value.sqrt();
        self.chain(value, 0.5 / value)
    }
    fn exp(self) -> Self {
        let value = self.value.exp();
        self.chain(value, value)
    }
    fn exp2(self) -> Self {
        let value = self.value.exp2();
        self.chain(value, value * core::f64::consts::LN_2)
    }
    fn ln(self) -> Self {
        self.chain(self.value.ln(), self.value.recip())
    }
    fn log(self, base: Self) -> Self {
        let scale = base.value.ln().recip();
        let value = self.value.log(base.value);
        let base_slope = -value * scale / base.value;
        Self::chain2(value, (self, scale / self.value), (base, base_slope))
    }
    fn log2(self) -> Self {
        self.chain(self.value.log2(), core::f64::consts::LOG2_E / self.value)
    }
    fn log10(self) -> Self {
        self.chain(self.value.log10(), core::f64::consts::LOG10_E / self.value)
    }
    fn to_degrees(self) -> Self {
        self.chain(self.value.to_degrees(), 1.0f64.to_degrees())
    }
    fn to_radians(self) -> Self {
        self.chain(self.value.to_radians(), 1.0f64.to_radians())
    }
    fn max(self, other: Self) -> Self {
        // As for plain numbers, a NaN gives way to the other.
        if self.value >= other.value || other.value.is_nan() { self } else { other }
    }
    fn min(self, other: Self) -> Self {
        if self.value <= other.value || other.value.is_nan() { self } else { other }
    }
    fn clamp(self, min: Self, max: Self) -> Self {
        if self.value < min.value {
            min
        } else if self.value > max.value {
            max
        } else {
            self
        }
    }
    fn abs_sub(self, other: Self) -> Self {
        if self.value <= other.value { Self::zero() } else { self - other }
    }
    fn cbrt(self) -> Self {
        let value = self.value.cbrt();
        self.chain(value, (3.0 * value * value).recip())
    }
    fn hypot(self, other: Self) -> Self {
        let value = self.value.hypot(other.value);
        Self::chain2(value, (self, self.value / value), (other, other.value / value))
    }
    fn sin(self) -> Self {
        let (sin, cos) = self.value.sin_cos();
        self.chain(sin, cos)
    }
    fn cos(self) -> Self {
        let (sin, cos) = self.value.sin_cos();
        self.chain(cos, -sin)
    }
    fn tan(self) -> Self {
        let value = self.value.tan();
        self.chain(value, value.mul_add(value, 1.0))
    }
    fn asin(self) -> Self {
        self.chain(self.value.asin(), one_minus_square(self.value).sqrt().recip())
    }
    fn acos(self) -> Self {
        self.chain(self.value.acos(), -one_minus_square(self.value).sqrt().recip())
    }
    fn atan(self) -> Self {
        self.chain(self.value.atan(), self.value.mul_add(self.value, 1.0).recip())
    }
    fn atan2(self, other: Self) -> Self {
        // Divided twice by the radius, so that its square neither overflows nor vanishes.
        let radius = self.value.hypot(other.value);
        let slopes = (other.value / radius / radius, -self.value / radius / radius);
        Self::chain2(self.value.atan2(other.value), (self, slopes.0), (other, slopes.1))
    }
    fn sin_cos(self) -> (Self, Self) {
        (self.sin(), self.cos())
    }
    fn exp_m1(self) -> Self {
        self.chain(self.value.exp_m1(), self.value.exp())
    }
    fn ln_1p(self) -> Self {
        self.chain(self.value.ln_1p(), (1.0 + self.value).recip())
    }
    fn sinh(self) -> Self {
        self.chain(self.value.sinh(), self.value.cosh())
    }
    fn cosh(self) -> Self {
        self.chain(self.value.cosh(), self.value.sinh())
    }
    fn tanh(self) -> Self {
        // 1 / cosh^2 keeps the digits that 1 - tanh^2 loses in the tails.
        let reciprocal = self.value.cosh().recip();
        self.chain(self.value.tanh(), reciprocal * reciprocal)
    }
    fn asinh(self) -> Self {
        self.chain(self.value.asinh(), self.value.hypot(1.0).recip())
    }
    fn acosh(self) -> Self {
        let slope = ((self.value - 1.0).sqrt() * (self.value + 1.0).sqrt()).recip();
        self.chain(self.value.acosh(), slope)
    }
    fn atanh(self) -> Self {
        self.chain(self.value.atanh(), one_minus_square(self.value).recip())
    }
    fn integer_decode(self) -> (u64, i16, i8) {
        Float::integer_decode(self.value)
    }
}

/// `1 - x^2` without cancellation near `|x| = 1`.
fn one_minus_square(x: f64) -> f64 {
    (1.0 - x) * (1.0 + x)
}

#[cfg(test)]
mod tests;
