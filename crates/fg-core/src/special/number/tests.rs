//! Registers, pairs and doubles against each other.

use super::*;

/// `abs(2^x - 3 sqrt(|x|))`, or `-x` above 5, and less that for one value: every operation of the trait.
fn formula<N: Number>(x: N) -> N {
    let value = x.sqrt().mul_add(-x.constant(3.0), x.power_of_two()).abs() / x.constant(2.0);
    let value = x.if_above(x.constant(5.0), -x, value + x);
    x.if_equal(x.constant(3.0), -value, value)
        .at_least(x.constant(-7.0))
        .at_most(x - x.constant(0.25))
        .scaled(x.constant(INTEGER_BITS) - x)
        .mul_add(x.constant(1.0), parted(x + x.constant(1.0)))
}

/// Nothing: a number less its mantissa at its exponent.
fn parted<N: Number>(x: N) -> N {
    let (mantissa, exponent) = x.parts();
    x - mantissa * exponent.power_of_two()
}

struct Check;

impl pulp::WithSimd for Check {
    type Output = ();

    fn with_simd<S: Simd>(self, simd: S) {
        let values: Vec<f64> = (0..16).map(f64::from).collect();
        let mut out = vec![0.0; 16];
        let (registers, rest) = Lanes::<S>::registers(&values);
        assert!(rest.is_empty(), "16 is a multiple of every register's length");
        for (o, v) in Lanes::<S>::registers_mut(&mut out).0.iter_mut().zip(registers) {
            *o = formula(Lanes::new(simd, *v)).get();
        }
        for (x, o) in values.iter().zip(&out) {
            assert_eq!(formula(*x).to_bits(), o.to_bits(), "{x}");
        }
        for pair in registers.chunks_exact(2) {
            let both = Pair(Lanes::new(simd, pair[0]), Lanes::new(simd, pair[1]));
            let (found, largest) = (formula(both), both.largest());
            let single = [found.0, found.1].map(|f| f.largest());
            let expected = pair.iter().map(|v| formula(Lanes::new(simd, *v)).largest());
            assert!(expected.eq(single), "{single:?}");
            assert_eq!(largest.to_bits(), both.1.largest().to_bits());
        }
        for a in [f64::NAN, -0.0, 0.0, 1.0] {
            for b in [f64::NAN, -0.0, 0.0, 2.0] {
                let (x, y) = (Lanes::splat(simd, a), Lanes::splat(simd, b));
                let lanes = x.within(y, Lanes::splat(simd, 3.0)).get();
                let lanes: &[f64] = bytemuck::cast_slice(core::slice::from_ref(&lanes));
                let own = a.within(b, 3.0);
                assert!(lanes.iter().all(|v| v.to_bits() == own.to_bits()), "{a} {b}");
                let lanes = x.within(Lanes::splat(simd, -3.0), y).get();
                let lanes: &[f64] = bytemuck::cast_slice(core::slice::from_ref(&lanes));
                let own = a.within(-3.0, b);
                assert!(lanes.iter().all(|v| v.to_bits() == own.to_bits()), "{a} {b}");
            }
        }
        let register = Lanes::new(simd, registers[0]);
        let lanes = 16 / registers.len();
        assert_eq!(register.largest().to_bits(), values[lanes - 1].to_bits());
        assert_eq!(register.sum().to_bits(), values[..lanes].iter().sum::<f64>().to_bits());
    }
}

#[test]
fn registers_compute_what_doubles_do() {
    pulp::Arch::new().dispatch(Check);
    pulp::WithSimd::with_simd(Check, pulp::Scalar);
}

#[test]
fn numbers_are_their_parts() {
    for x in [f64::MIN_POSITIVE, 0.3, 0.999_999, 1.0, 1.5, 2.0, 1e300, f64::MAX] {
        let (mantissa, exponent) = x.parts();
        assert!((1.0..2.0).contains(&mantissa) && exponent.fract() == 0.0, "{x}");
        assert_eq!((mantissa * exponent.power_of_two()).to_bits(), x.to_bits(), "{x}");
    }
}

#[test]
fn powers_of_two_are_exact_over_the_normal_range() {
    for n in -1022..=1023 {
        assert_eq!(f64::from(n).power_of_two().to_bits(), 2f64.powi(n).to_bits(), "{n}");
    }
}
