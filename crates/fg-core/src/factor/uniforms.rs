//! Where the uniforms come from that drawing turns into truth, noise and data.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// A source of uniforms for the rows of one factor: random, stratified or low-discrepancy.
pub trait Uniforms {
    /// Fills `out` (`rows x dimension`, row-major) with points of `[0, 1)^dimension`, one a row.
    fn fill(&mut self, rows: usize, dimension: usize, out: &mut Vec<f64>);
}

/// Independent uniforms from a random number generator.
#[derive(Debug)]
pub struct Independent<'a, R: Rng + ?Sized>(pub &'a mut R);

impl<R: Rng + ?Sized> Uniforms for Independent<'_, R> {
    fn fill(&mut self, rows: usize, dimension: usize, out: &mut Vec<f64>) {
        out.clear();
        out.extend((0..rows * dimension).map(|_| self.0.random::<f64>()));
    }
}

/// Uniforms that fill every coordinate evenly: each of `rows` equal intervals holds one row's value, at a random place
/// in it, and the order is random and another one in every coordinate (Latin hypercube sampling).
///
/// Each row is uniform, but the share of rows with a property of one coordinate is exact to one row. A signal drawn so
/// has the power and the number of zeros of its law, whose chance fluctuations would otherwise hide the difference of a
/// run of small size and its prediction.
#[derive(Debug)]
pub struct Stratified<'a, R: Rng + ?Sized>(pub &'a mut R);

/// The largest number below one: an interval's end can round to one.
const BELOW_ONE: f64 = 1.0 - 0.5 * f64::EPSILON;

impl<R: Rng + ?Sized> Uniforms for Stratified<'_, R> {
    fn fill(&mut self, rows: usize, dimension: usize, out: &mut Vec<f64>) {
        out.clear();
        out.resize(rows * dimension, 0.0);
        let mut order: Vec<usize> = (0..rows).collect();
        for k in 0..dimension {
            order.shuffle(self.0);
            for (i, stratum) in order.iter().enumerate() {
                let place = *stratum as f64 + self.0.random::<f64>();
                out[i * dimension + k] = (place / rows as f64).min(BELOW_ONE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    #[test]
    fn every_interval_holds_one_value_in_each_coordinate() {
        let (rows, dimension) = (50, 3);
        let (mut out, mut rng) = (vec![7.0; 2], Pcg64::seed_from_u64(1));
        Stratified(&mut rng).fill(rows, dimension, &mut out);
        assert_eq!(out.len(), rows * dimension);
        for k in 0..dimension {
            let mut column: Vec<f64> = out.iter().skip(k).step_by(dimension).copied().collect();
            let ascending = column.is_sorted();
            column.sort_unstable_by(f64::total_cmp);
            for (i, u) in column.iter().enumerate() {
                let interval = i as f64 / 50.0..(i + 1) as f64 / 50.0;
                assert!(interval.contains(u), "coordinate {k}: {u} isn't in {interval:?}");
            }
            // One order of 50! is ascending.
            assert!(!ascending, "the order of coordinate {k} isn't random");
        }
    }

    #[test]
    fn coordinates_are_uncorrelated() {
        // Standard error of a rank correlation: 1 / sqrt(5000) = 0.014; 5 of them.
        let (rows, mut out) = (5000, Vec::new());
        Stratified(&mut Pcg64::seed_from_u64(2)).fill(rows, 2, &mut out);
        let products = out.chunks_exact(2).map(|u| (u[0] - 0.5) * (u[1] - 0.5));
        let correlation = 12.0 * products.sum::<f64>() / rows as f64;
        assert!(correlation.abs() < 0.07, "{correlation}");
    }
}
