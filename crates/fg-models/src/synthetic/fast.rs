//! Operators with the singular values of a Gaussian matrix and fast factors: for sizes whose matrix can't be stored.

use fg_core::evolution::Spectrum;
use fg_core::operator::{Chain, Cosine, OperatorError, Permutation, Signs, Spectral};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// What stands for an `m x n` matrix of independent entries of variance `1 / n` where that is too large to be stored: fast
/// orthogonal factors and singular values at the quantiles of the law of Marchenko and Pastur.
///
/// Each factor is twice a random order, random signs and a cosine transform, which mixes all entries but isn't uniform over
/// the orthogonal group. Averages over the singular values of a Gaussian matrix differ from those over the quantiles by the
/// order of `1 / n`.
///
/// # Errors
/// [`OperatorError`] without rows or columns.
pub fn fast_gaussian<R: Rng + ?Sized>(
    m: usize,
    n: usize,
    rng: &mut R,
) -> Result<Spectral, OperatorError> {
    let ratio = m as f64 / n as f64;
    let empty = |_| OperatorError::Empty { rows: m, columns: n };
    let spectrum = Spectrum::marchenko_pastur(ratio).and_then(|law| law.scaled(ratio));
    let squares = quantiles(&spectrum.map_err(empty)?, m.min(n));
    let singular = squares.iter().map(|s| s.sqrt()).collect();
    Spectral::new(mixing(m, rng)?, singular, mixing(n, rng)?)
}

fn mixing<R: Rng + ?Sized>(size: usize, rng: &mut R) -> Result<Chain, OperatorError> {
    let empty = OperatorError::Empty { rows: size, columns: size };
    let mut order = || {
        let mut order: Vec<usize> = (0..size).collect();
        order.shuffle(rng);
        let signs = Signs::new((0..size).map(|_| rng.random::<bool>()).collect());
        (Permutation::new(order), signs)
    };
    let (first, second) = (order(), order());
    let (Ok(start), Ok(middle)) = (first.0, second.0) else { return Err(empty) };
    let cosine = Cosine::new(size).map_err(|_| empty)?;
    Chain::new(start)
        .then(first.1)?
        .then(cosine.clone())?
        .then(middle)?
        .then(second.1)?
        .then(cosine)?
        .then(Signs::new((0..size).map(|_| rng.random::<bool>()).collect()))
}

/// Squares at `count` evenly spaced quantiles, between the atoms of a law of a density along straight lines.
fn quantiles(spectrum: &Spectrum, count: usize) -> Vec<f64> {
    let mut atoms = spectrum.atoms().to_vec();
    atoms.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // The quantile of an atom is the middle of its share.
    let mut below = 0.0;
    let places: Vec<(f64, f64)> = atoms
        .iter()
        .map(|(square, share)| {
            below += share;
            (below - 0.5 * share, *square)
        })
        .collect();
    let last = places.len() - 1;
    let mut k = 0;
    let at = |i: usize| {
        let level = (i as f64 + 0.5) / count as f64;
        while k < last && places[k + 1].0 <= level {
            k += 1;
        }
        let ((from, low), (to, high)) = (places[k], places[(k + 1).min(last)]);
        let part = if to > from { ((level - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 };
        low + part * (high - low)
    };
    (0..count).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fg_core::operator::LinearOperator;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    #[test]
    fn moments_are_those_of_marchenko_and_pastur() {
        // Evenly spaced quantiles of a bounded law: the midpoint rule, with an error of a square root at either end.
        const SPACING: f64 = 1e-3;
        let rng = &mut Pcg64::seed_from_u64(1);
        for (m, n) in [(300, 1000), (1000, 1000), (3000, 1000)] {
            let operator = fast_gaussian(m, n, rng).unwrap();
            assert_eq!((operator.outputs(), operator.inputs()), (m, n));
            let squares: Vec<f64> = operator.singular_values().iter().map(|s| s * s).collect();
            let ratio = m as f64 / n as f64;
            // (1 / n) tr A'A = m / n, (1 / n) tr (A'A)^2 = (m / n) (1 + m / n).
            let first = squares.iter().sum::<f64>() / n as f64;
            let second = squares.iter().map(|s| s * s).sum::<f64>() / n as f64;
            assert!((first / ratio - 1.0).abs() < SPACING, "{m} x {n}: {first}");
            assert!(
                (second / (ratio * (1.0 + ratio)) - 1.0).abs() < SPACING,
                "{m} x {n}: {second}"
            );
        }
    }

    #[test]
    fn entries_look_independent() {
        // The first column of the matrix: entries of mean zero and variance 1 / n, no two alike. The mean of 4096 values of
        // unit variance is beyond 0.08, five deviations, with a probability of 6e-7; so is their kurtosis beyond 3 +- 0.4.
        let rng = &mut Pcg64::seed_from_u64(2);
        let (m, n) = (4096, 1024);
        let operator = fast_gaussian(m, n, rng).unwrap();
        let mut unit = vec![0.0; n];
        unit[0] = (n as f64).sqrt();
        let mut column = vec![0.0; m];
        operator.apply(&unit, &mut column, 1);
        let moment = |k: i32| column.iter().map(|a| a.powi(k)).sum::<f64>() / m as f64;
        assert!(moment(1).abs() < 0.08, "{}", moment(1));
        assert!((moment(4) / moment(2).powi(2) - 3.0).abs() < 0.4, "{}", moment(4));
        assert!(fast_gaussian(0, 4, rng).is_err() && fast_gaussian(4, 0, rng).is_err());
    }
}
