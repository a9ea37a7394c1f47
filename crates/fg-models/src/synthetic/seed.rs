//! Seeds of parallel runs: each depends on what the run is, not on which thread does it or which others are done.

/// A seed for the run that `labels` describe, such as the bits of a signal-to-noise ratio and a run number.
///
/// Equal arguments give equal seeds; a change in any argument or in the order changes the result as a good hash
/// does. Every seed, zero included, is as good as any other.
///
/// ```
/// use fg_models::synthetic::derived_seed;
/// assert_eq!(derived_seed(0, &[1, 2]), derived_seed(0, &[1, 2]));
/// assert_ne!(derived_seed(0, &[1, 2]), derived_seed(0, &[2, 1]));
/// ```
pub fn derived_seed(seed: u64, labels: &[u64]) -> u64 {
    labels.iter().fold(scramble(seed), |state, &label| scramble(state.wrapping_add(label)))
}

/// The output function of `SplitMix64` (Steele, Lea, Flood 2014) after its additive step: a bijection of `u64`.
fn scramble(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_output_of_splitmix64_seeded_with_zero() {
        // Value published with the reference implementation at https://prng.di.unimi.it/splitmix64.c.
        assert_eq!(scramble(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn neighbouring_runs_have_different_seeds() {
        let mut seeds: Vec<u64> =
            (0..20).flat_map(|seed| (0..20).map(move |run| derived_seed(seed, &[run]))).collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 400);
    }
}
