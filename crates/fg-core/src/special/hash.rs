//! Values that look random and depend on nothing but their arguments, for probes that are the same in every call.

/// 64 bits of a seed, a probe and an index: the output function of `SplitMix64` (Steele, Lea, Flood 2014, doi
/// 10.1145/2660193.2660195).
fn bits(seed: u64, probe: u64, index: usize) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let state = mix(mix(seed ^ GOLDEN).wrapping_add(probe)).wrapping_add(index as u64);
    mix(state.wrapping_mul(GOLDEN))
}

/// Finaliser of `SplitMix64`.
fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// -1 or 1: the top bit.
pub(crate) fn sign(seed: u64, probe: u64, index: usize) -> f64 {
    if bits(seed, probe, index) >> 63 == 0 { 1.0 } else { -1.0 }
}

/// A value in `(0, 1)`: the middle of one of `2^32` intervals.
pub(crate) fn fraction(seed: u64, probe: u64, index: usize) -> f64 {
    let [a, b, c, d, ..] = bits(seed, probe, index).to_be_bytes();
    (f64::from(u32::from_be_bytes([a, b, c, d])) + 0.5) / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_even_and_unlike_from_probe_to_probe() {
        // Standard errors of 4096 values are 0.016 and 0.0045; bands of five.
        let mean = |f: &dyn Fn(usize) -> f64| (0..4096).map(f).sum::<f64>() / 4096.0;
        assert!(mean(&|i| sign(1, 0, i)).abs() < 0.08, "mean of signs");
        assert!(mean(&|i| sign(1, 0, i) * sign(1, 1, i)).abs() < 0.08, "signs of two probes");
        assert!((mean(&|i| fraction(1, 0, i)) - 0.5).abs() < 0.023, "mean of fractions");
        assert!((0..4096).all(|i| (1e-12..1.0).contains(&fraction(1, 0, i))), "range");
    }
}
