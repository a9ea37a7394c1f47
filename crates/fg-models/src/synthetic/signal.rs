//! Random signals and noise, and what a signal-to-noise ratio in decibels means.

use fg_core::Rows;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// `n x d` independent centred Gaussian entries of the given variance.
pub fn gaussian_rows<R: Rng + ?Sized>(n: usize, d: usize, variance: f64, rng: &mut R) -> Rows {
    let deviation = variance.sqrt();
    Rows::from_fn(n, d, |_, _| {
        let normal: f64 = StandardNormal.sample(rng);
        deviation * normal
    })
}

/// Independent entries, each zero with probability `1 - sparsity`, otherwise Gaussian of this mean and variance;
/// `shape` is `(n, d)`.
///
/// # Panics
/// When `sparsity` is outside `[0, 1]` or `variance` is negative or NaN.
#[track_caller]
pub fn bernoulli_gauss<R: Rng + ?Sized>(
    (n, d): (usize, usize),
    sparsity: f64,
    mean: f64,
    variance: f64,
    rng: &mut R,
) -> Rows {
    assert!((0.0..=1.0).contains(&sparsity), "sparsity {sparsity} outside [0, 1]");
    assert!(variance >= 0.0, "variance {variance} is negative or NaN");
    let deviation = variance.sqrt();
    Rows::from_fn(n, d, |_, _| {
        if rng.random::<f64>() < sparsity {
            let normal: f64 = StandardNormal.sample(rng);
            mean + deviation * normal
        } else {
            0.0
        }
    })
}

/// As [`bernoulli_gauss`], but with exactly `round(sparsity n d)` entries that aren't zero, at uniform places.
///
/// Errors of small signals scatter less: left to chance, the number of active entries scatters by a tenth of itself at
/// `n = 1024` and a sparsity of 0.1.
///
/// # Panics
/// When `sparsity` is outside `[0, 1]` or `variance` is negative or NaN.
#[track_caller]
pub fn exactly_sparse<R: Rng + ?Sized>(
    (n, d): (usize, usize),
    sparsity: f64,
    mean: f64,
    variance: f64,
    rng: &mut R,
) -> Rows {
    let active = active_entries(n * d, sparsity);
    let mut values = bernoulli_gauss((active, 1), 1.0, mean, variance, rng).into_vec();
    values.resize(n * d, 0.0);
    // Fisher and Yates: entry `i` changes places with a later one or itself.
    for i in 0..active {
        values.swap(i, rng.random_range(i..n * d));
    }
    Rows::from_fn(n, d, |i, j| values[i * d + j])
}

/// `n x d` (the shape) with exactly `round(sparsity n)` rows that aren't zero, at uniform places: Gaussian, with columns of
/// variance 1 of which any two have this correlation.
///
/// # Panics
/// When `sparsity` or `correlation` is outside `[0, 1]`.
#[track_caller]
pub fn row_sparse<R: Rng + ?Sized>(
    (n, d): (usize, usize),
    sparsity: f64,
    correlation: f64,
    rng: &mut R,
) -> Rows {
    assert!((0.0..=1.0).contains(&correlation), "correlation {correlation} outside [0, 1]");
    let active = exactly_sparse((n, 1), sparsity, 1.0, 0.0, rng);
    // A part that all columns share, and one of their own.
    let common = gaussian_rows(n, 1, correlation, rng);
    let own = gaussian_rows(n, d, 1.0 - correlation, rng);
    Rows::from_fn(n, d, |i, j| active[(i, 0)] * (common[(i, 0)] + own[(i, j)]))
}

/// `round(sparsity entries)`: how many entries of [`exactly_sparse`] aren't zero.
///
/// # Panics
/// When `sparsity` is outside `[0, 1]`.
#[track_caller]
pub fn active_entries(entries: usize, sparsity: f64) -> usize {
    assert!((0.0..=1.0).contains(&sparsity), "sparsity {sparsity} outside [0, 1]");
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and the number of entries")]
    let active = (sparsity * entries as f64).round() as usize;
    active
}

/// The variance of noise that lies `snr_db` decibels below the mean square of `clean`:
/// `mean square / 10^(snr_db / 10)`.
pub fn noise_variance(clean: &Rows, snr_db: f64) -> f64 {
    let count = (clean.rows() * clean.columns()) as f64;
    clean.norm_squared() / count / 10_f64.powf(snr_db / 10.0)
}

/// `clean` plus independent Gaussian noise of the given variance.
pub fn add_noise<R: Rng + ?Sized>(clean: &Rows, variance: f64, rng: &mut R) -> Rows {
    let deviation = variance.sqrt();
    let mut noisy = clean.clone();
    for value in noisy.as_mut_slice() {
        let normal: f64 = StandardNormal.sample(rng);
        *value += deviation * normal;
    }
    noisy
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    #[test]
    fn rows_are_zero_together_and_columns_correlated() {
        const ROWS: usize = 20_000;
        let rows = row_sparse((ROWS, 2), 0.5, 0.9, &mut Pcg64::seed_from_u64(2));
        let active = |i: &usize| rows[(*i, 0)] != 0.0;
        assert_eq!((0..ROWS).filter(active).count(), ROWS / 2);
        assert!((0..ROWS).all(|i| (rows[(i, 0)] == 0.0) == (rows[(i, 1)] == 0.0)));
        let moment = |a: usize, b: usize| {
            (0..ROWS).map(|i| rows[(i, a)] * rows[(i, b)]).sum::<f64>() / (ROWS / 2) as f64
        };
        // Five standard errors of a second moment of ten thousand: 5 sqrt(2 / 1e4).
        for (found, expected) in [(moment(0, 0), 1.0), (moment(1, 1), 1.0), (moment(0, 1), 0.9)] {
            assert!((found - expected).abs() < 0.071, "{found} for {expected}");
        }
    }

    #[test]
    fn noise_lies_as_far_below_the_signal_as_asked() {
        let clean = Rows::from_vec(2, 2, vec![1.0, -3.0, 1.0, 1.0]).unwrap();
        // Mean square 3, 20 dB is a factor of 100.
        assert!((noise_variance(&clean, 20.0) - 0.03).abs() < 1e-16);
        let clean = Rows::from_fn(100_000, 1, |_, _| 2.0);
        let noisy = add_noise(&clean, 0.25, &mut Pcg64::seed_from_u64(1));
        // Relative standard error of a variance from 1e5 samples: sqrt(2 / 1e5) = 0.0045; 5 of them.
        let measured = noisy.mean_squared_error(&clean);
        assert!((measured / 0.25 - 1.0).abs() < 0.0225, "noise variance {measured}");
    }

    #[test]
    fn entries_are_zero_as_often_as_asked() {
        let x = bernoulli_gauss((10_000, 2), 0.1, 0.0, 4.0, &mut Pcg64::seed_from_u64(2));
        let active = x.as_slice().iter().filter(|&&v| v != 0.0).count();
        // Standard deviation of the count: sqrt(20000 * 0.09) = 42; 5 of them.
        assert!(active.abs_diff(2000) < 210, "{active} active entries");
        let variance = x.norm_squared() / active as f64;
        // Relative standard error: sqrt(2 / 2000) = 0.032; 5 of them.
        assert!((variance / 4.0 - 1.0).abs() < 0.16, "slab variance {variance}");
    }

    #[test]
    fn the_number_of_active_entries_is_exact_and_their_places_are_even() {
        let mut rng = Pcg64::seed_from_u64(4);
        let (draws, mut hits, mut squares) = (2000, [0_u32; 7], 0.0);
        for _ in 0..draws {
            let x = exactly_sparse((7, 1), 0.3, 0.0, 4.0, &mut rng);
            let active: Vec<usize> = (0..7).filter(|&i| x[(i, 0)] != 0.0).collect();
            assert_eq!(active.len(), 2, "{x:?}");
            active.iter().for_each(|&i| hits[i] += 1);
            squares += x.norm_squared();
        }
        // Standard deviation of a count: sqrt(2000 (2/7) (5/7)) = 20; 5 of them.
        let expected = f64::from(draws) * 2.0 / 7.0;
        assert!(hits.iter().all(|&h| (f64::from(h) - expected).abs() < 101.0), "{hits:?}");
        // Relative standard error of a variance from 4000 samples: 0.022; 5 of them.
        let variance = squares / f64::from(2 * draws);
        assert!((variance / 4.0 - 1.0).abs() < 0.11, "slab variance {variance}");
        assert_eq!(active_entries(1024, 0.1), 102);
        assert_eq!(exactly_sparse((3, 2), 1.0, 1.0, 0.0, &mut rng).as_slice(), [1.0; 6]);
    }

    #[test]
    #[should_panic(expected = "sparsity 1.5 outside [0, 1]")]
    fn sparsity_is_a_probability() {
        bernoulli_gauss((1, 1), 1.5, 0.0, 1.0, &mut Pcg64::seed_from_u64(3));
    }
}
