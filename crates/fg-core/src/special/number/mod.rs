//! A number is one double or a SIMD register of them: functions written for it serve single values and loops alike.
//!
//! This isn't about precision: everything is `f64`. It is the one way to write a formula once and be sure that it
//! is compiled to vector instructions, which a loop over a long formula often isn't.

use core::hint::black_box;
use core::ops::{Add, Div, Mul, Neg, Sub};

use pulp::Simd;
use pulp::bytemuck;

/// What branch-free formulas need: arithmetic, selection, and powers of two.
pub trait Number:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// `value` in every lane.
    #[must_use]
    fn constant(self, value: f64) -> Self;

    /// `self * b + c`, rounded once.
    #[must_use]
    fn mul_add(self, b: Self, c: Self) -> Self;

    /// `sqrt(self)`.
    #[must_use]
    fn sqrt(self) -> Self;

    /// `|self|`.
    #[must_use]
    fn abs(self) -> Self;

    /// `then` in the lanes where `self > bound`, `otherwise` in the others, also where either is NaN.
    #[must_use]
    fn if_above(self, bound: Self, then: Self, otherwise: Self) -> Self;

    /// `then` in the lanes where both are the same number, `otherwise` in the others.
    #[must_use]
    fn if_equal(self, other: Self, then: Self, otherwise: Self) -> Self;

    /// `2^self` for integers from -1022 to 1023; arbitrary for other values.
    #[must_use]
    fn power_of_two(self) -> Self;

    /// `self 2^n`, given the sum of an integer `n` and [`INTEGER_BITS`], where neither it nor the result is anything but a normal
    /// number; arbitrary elsewhere.
    #[must_use]
    fn scaled(self, sum: Self) -> Self;

    /// `m` and the integer `e` with `self = m 2^e` and `1 <= m < 2`, for positive normal numbers; arbitrary for others.
    #[must_use]
    fn parts(self) -> (Self, Self);

    /// The largest lane; the number itself, where it is one.
    #[must_use]
    fn largest(self) -> f64;

    /// The larger of both, `bound` where `self` is NaN.
    #[must_use]
    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        self.if_above(bound, self, bound)
    }

    /// The smaller of both, `self` where it is NaN.
    #[must_use]
    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        self.if_above(bound, bound, self)
    }

    /// What is nearest to it between `low` and `high`, of which the first isn't larger; `low` where `self` is NaN.
    #[must_use]
    #[inline(always)]
    fn within(self, low: Self, high: Self) -> Self {
        self.at_most(high).at_least(low)
    }
}

/// `1.5 * 2^52`: adding it to an integer leaves that integer in the low bits of the sum.
pub const INTEGER_BITS: f64 = 6_755_399_441_055_744.0;
/// Bias of the exponent of a double.
const BIAS: f64 = 1023.0;
/// Bits of the mantissa of a double.
const MANTISSA: u32 = 52;
/// Those bits.
const FRACTION: u64 = (1 << MANTISSA) - 1;
/// `2^52`, whose mantissa takes up integers below it, and its bits.
const INTEGERS: f64 = 4_503_599_627_370_496.0;
/// See [`INTEGERS`].
const INTEGERS_BITS: u64 = INTEGERS.to_bits();
/// Bits of one.
const ONE_BITS: u64 = 1f64.to_bits();

impl Number for f64 {
    #[inline(always)]
    fn constant(self, value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        Self::mul_add(self, b, c)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self::sqrt(self)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self::abs(self)
    }

    #[inline(always)]
    fn if_above(self, bound: Self, then: Self, otherwise: Self) -> Self {
        if self > bound { then } else { otherwise }
    }

    #[inline(always)]
    #[expect(clippy::float_cmp, reason = "that is what is asked for")]
    fn if_equal(self, other: Self, then: Self, otherwise: Self) -> Self {
        if self == other { then } else { otherwise }
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self::from_bits((self + BIAS + INTEGER_BITS).to_bits() << MANTISSA)
    }

    #[inline(always)]
    fn scaled(self, sum: Self) -> Self {
        Self::from_bits(self.to_bits().wrapping_add(sum.to_bits() << MANTISSA))
    }

    #[inline(always)]
    fn parts(self) -> (Self, Self) {
        let bits = self.to_bits();
        let mantissa = Self::from_bits(bits & FRACTION | ONE_BITS);
        (mantissa, Self::from_bits(bits >> MANTISSA | INTEGERS_BITS) - (INTEGERS + BIAS))
    }

    #[inline(always)]
    fn largest(self) -> f64 {
        self
    }
}

/// Whether registers have a maximum and a minimum of one instruction that are the second number where either isn't one, and where both
/// are zero, as a comparison and a selection are.
const SECOND_WINS: bool = cfg!(any(target_arch = "x86", target_arch = "x86_64"));

/// A SIMD register of doubles, as many as the machine has.
#[derive(Clone, Copy, Debug)]
pub struct Lanes<S: Simd> {
    simd: S,
    value: S::f64s,
}

impl<S: Simd> Lanes<S> {
    /// The register that holds `value`.
    #[inline(always)]
    pub fn new(simd: S, value: S::f64s) -> Self {
        Self { simd, value }
    }

    /// `value` in every lane.
    #[inline(always)]
    pub fn splat(simd: S, value: f64) -> Self {
        Self { simd, value: simd.splat_f64s(value) }
    }

    /// The register itself.
    #[inline(always)]
    pub fn get(self) -> S::f64s {
        self.value
    }

    /// Sum of all lanes.
    #[inline(always)]
    pub fn sum(self) -> f64 {
        self.simd.reduce_sum_f64s(self.value)
    }

    /// Values as registers, and what is left over.
    #[inline(always)]
    pub fn registers(values: &[f64]) -> (&[S::f64s], &[f64]) {
        S::as_simd_f64s(values)
    }

    /// Values as registers, and what is left over.
    #[inline(always)]
    pub fn registers_mut(values: &mut [f64]) -> (&mut [S::f64s], &mut [f64]) {
        S::as_mut_simd_f64s(values)
    }
}

impl<S: Simd> Add for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { value: self.simd.add_f64s(self.value, other.value), ..self }
    }
}

impl<S: Simd> Sub for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { value: self.simd.sub_f64s(self.value, other.value), ..self }
    }
}

impl<S: Simd> Mul for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self { value: self.simd.mul_f64s(self.value, other.value), ..self }
    }
}

impl<S: Simd> Div for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self { value: self.simd.div_f64s(self.value, other.value), ..self }
    }
}

impl<S: Simd> Neg for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { value: self.simd.neg_f64s(self.value), ..self }
    }
}

impl<S: Simd> Number for Lanes<S> {
    #[inline(always)]
    fn constant(self, value: f64) -> Self {
        Self { value: self.simd.splat_f64s(value), ..self }
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        Self { value: self.simd.mul_add_f64s(self.value, b.value, c.value), ..self }
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self { value: self.simd.sqrt_f64s(self.value), ..self }
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self { value: self.simd.abs_f64s(self.value), ..self }
    }

    #[inline(always)]
    fn if_above(self, bound: Self, then: Self, otherwise: Self) -> Self {
        let mask = self.simd.greater_than_f64s(self.value, bound.value);
        Self { value: self.simd.select_f64s(mask, then.value, otherwise.value), ..self }
    }

    #[inline(always)]
    fn if_equal(self, other: Self, then: Self, otherwise: Self) -> Self {
        let mask = self.simd.equal_f64s(self.value, other.value);
        Self { value: self.simd.select_f64s(mask, then.value, otherwise.value), ..self }
    }

    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        if SECOND_WINS && !S::IS_SCALAR {
            return Self { value: self.simd.max_f64s(self.value, bound.value), ..self };
        }
        self.if_above(bound, self, bound)
    }

    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        if SECOND_WINS && !S::IS_SCALAR {
            return Self { value: self.simd.min_f64s(bound.value, self.value), ..self };
        }
        self.if_above(bound, bound, self)
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        let mut shifted = (self + self.constant(BIAS + INTEGER_BITS)).value;
        // One shift of the whole register: the loop runs over its lanes.
        let bits: &mut [u64] = bytemuck::cast_slice_mut(core::slice::from_mut(&mut shifted));
        for lane in bits {
            *lane <<= MANTISSA;
        }
        Self { value: shifted, ..self }
    }

    #[inline(always)]
    fn scaled(self, sum: Self) -> Self {
        let (mut value, mut shifted) = (self.value, sum.value);
        let own: &mut [u64] = bytemuck::cast_slice_mut(core::slice::from_mut(&mut value));
        let bits: &mut [u64] = bytemuck::cast_slice_mut(core::slice::from_mut(&mut shifted));
        for (own, lane) in own.iter_mut().zip(bits) {
            *own = own.wrapping_add(*lane << MANTISSA);
        }
        Self { value, ..self }
    }

    #[inline(always)]
    fn parts(self) -> (Self, Self) {
        let (mut mantissa, mut exponent) = (self.value, self.value);
        let bits: &mut [u64] = bytemuck::cast_slice_mut(core::slice::from_mut(&mut mantissa));
        for lane in bits {
            *lane = *lane & FRACTION | ONE_BITS;
        }
        let bits: &mut [u64] = bytemuck::cast_slice_mut(core::slice::from_mut(&mut exponent));
        for lane in bits {
            *lane = *lane >> MANTISSA | INTEGERS_BITS;
        }
        let exponent = Self { value: exponent, ..self } - self.constant(INTEGERS + BIAS);
        (Self { value: mantissa, ..self }, exponent)
    }

    #[inline(always)]
    fn largest(self) -> f64 {
        self.simd.reduce_max_f64s(self.value)
    }
}

/// A line of the caches.
#[repr(align(64))]
struct Line([u8; 64]);

/// Lets the frame of the function that this is inlined into begin where a line of the caches does. Registers that a long formula puts
/// down there otherwise lie across two lines or not as the stack happens to, which is up to a fifth of the time.
#[inline(always)]
pub fn align_frame() {
    black_box(&mut Line([0; 64]).0);
}

/// Two numbers side by side: a long formula of one waits for itself, that of two for half as long.
#[derive(Clone, Copy, Debug)]
pub struct Pair<N>(pub N, pub N);

impl<N: Number> Add for Pair<N> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }
}

impl<N: Number> Sub for Pair<N> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0, self.1 - other.1)
    }
}

impl<N: Number> Mul for Pair<N> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0, self.1 * other.1)
    }
}

impl<N: Number> Div for Pair<N> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(self.0 / other.0, self.1 / other.1)
    }
}

impl<N: Number> Neg for Pair<N> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

impl<N: Number> Number for Pair<N> {
    #[inline(always)]
    fn constant(self, value: f64) -> Self {
        Self(self.0.constant(value), self.1.constant(value))
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        Self(self.0.mul_add(b.0, c.0), self.1.mul_add(b.1, c.1))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.sqrt(), self.1.sqrt())
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.abs(), self.1.abs())
    }

    #[inline(always)]
    fn if_above(self, bound: Self, then: Self, otherwise: Self) -> Self {
        let (a, b) = (then, otherwise);
        Self(self.0.if_above(bound.0, a.0, b.0), self.1.if_above(bound.1, a.1, b.1))
    }

    #[inline(always)]
    fn if_equal(self, other: Self, then: Self, otherwise: Self) -> Self {
        let (a, b) = (then, otherwise);
        Self(self.0.if_equal(other.0, a.0, b.0), self.1.if_equal(other.1, a.1, b.1))
    }

    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        Self(self.0.at_least(bound.0), self.1.at_least(bound.1))
    }

    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        Self(self.0.at_most(bound.0), self.1.at_most(bound.1))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self(self.0.power_of_two(), self.1.power_of_two())
    }

    #[inline(always)]
    fn scaled(self, sum: Self) -> Self {
        Self(self.0.scaled(sum.0), self.1.scaled(sum.1))
    }

    #[inline(always)]
    fn parts(self) -> (Self, Self) {
        let ((a, e), (b, f)) = (self.0.parts(), self.1.parts());
        (Self(a, b), Self(e, f))
    }

    #[inline(always)]
    fn largest(self) -> f64 {
        self.0.at_least(self.1).largest()
    }
}

#[cfg(test)]
mod tests;
