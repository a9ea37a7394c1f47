//! Non-convex penalties under a full precision: estimates, covariances with jumps, and maxima.

use fg_core::denoiser::{RowCavity, RowEstimate};
use fg_core::factor::Breakdown;

use super::branch_and_bound::{MOST_COLUMNS, Search};
use super::crossings::Crossings;
use super::thresholding::{Rule, standard_error};

/// Whether entries are estimated together: the precision isn't diagonal, and of few enough columns.
pub(super) fn holds(cavity: &RowCavity<'_>) -> bool {
    !cavity.is_diagonal() && cavity.columns() <= MOST_COLUMNS
}

/// Estimates all rows, with jumps within `step` deviations of the cavity; returns the standard error of the average covariance, in
/// the column where it is largest.
pub(super) fn estimate(
    rule: &impl Rule,
    step: f64,
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
) -> Result<f64, Breakdown> {
    let (d, precision) = (cavity.columns(), cavity.precision());
    // Such costs hold back no entry that the cavity doesn't.
    let improper = Breakdown::ImproperCavity { port: 0, row: cavity.first_row() };
    let search = rule.search(precision, d).ok_or(improper)?;
    let mut reach = [0.0; MOST_COLUMNS];
    (0..d).for_each(|j| reach[j] = step * precision[j * d + j].sqrt());
    let mut slopes = [0.0; MOST_COLUMNS * MOST_COLUMNS];
    // Of each column: the sum of the jumps, of their squares, and of all variances.
    let mut sums = [[0.0; 3]; MOST_COLUMNS];
    let rows = cavity.natural().chunks_exact(d).zip(out.mean.chunks_exact_mut(d));
    for ((natural, mean), covariance) in rows.zip(out.covariance.chunks_exact_mut(d * d)) {
        let maximum = search.maximum(natural);
        mean.copy_from_slice(&maximum.x[..d]);
        if !search.slopes(&maximum, covariance) {
            return Err(Breakdown::Undetermined { port: 0 });
        }
        if step > 0.0 {
            slopes[..d * d].copy_from_slice(covariance);
            let crossings = Crossings { search: &search, natural, step, reach: &reach[..d] };
            crossings.add(&maximum, &slopes[..d * d], covariance);
        }
        for (j, sums) in sums[..d].iter_mut().enumerate() {
            let jump = covariance[j * (d + 1)] - slopes[j * (d + 1)];
            sums[0] += jump;
            sums[1] += jump * jump;
            sums[2] += covariance[j * (d + 1)];
        }
    }
    let count = cavity.len() as f64;
    let errors = sums[..d].iter().map(|sums| standard_error(*sums, count));
    Ok(if step > 0.0 { errors.fold(0.0, f64::max) } else { 0.0 })
}

/// Maxima of the exponent of each row; false when there is none.
pub(super) fn log_partition(rule: &impl Rule, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
    let d = cavity.columns();
    let Some(search) = rule.search(cavity.precision(), d) else { return false };
    for (out, natural) in out.iter_mut().zip(cavity.natural().chunks_exact(d)) {
        *out = search.maximum(natural).height;
    }
    true
}

#[cfg(test)]
mod tests {
    use fg_core::denoiser::{Denoiser, Scratch};
    use fg_core::message::{ColumnForm, small};
    use fg_core::special::quantile;
    use proptest::prelude::*;

    use super::super::thresholding::Jumps;
    use super::*;
    use crate::{HardThreshold, Lq, MinimaxConcave, Scad};

    fn hard() -> HardThreshold {
        HardThreshold::new(0.8).unwrap()
    }

    fn concave(shape: f64) -> MinimaxConcave {
        MinimaxConcave::new(0.8, shape).unwrap()
    }

    fn clipped() -> Scad {
        Scad::new(0.8, 3.7).unwrap()
    }

    fn powers(exponent: f64) -> Lq {
        Lq::new(0.8, exponent).unwrap()
    }

    fn power_cost(exponent: f64, x: f64) -> f64 {
        if x == 0.0 { 0.0 } else { 0.8 * x.powf(exponent) }
    }

    fn hard_cost(x: f64) -> f64 {
        if x == 0.0 { 0.0 } else { 0.8 }
    }

    fn concave_cost(shape: f64, x: f64) -> f64 {
        let x = x.min(0.8 * shape);
        0.8 * x - 0.5 * x * x / shape
    }

    fn clipped_cost(x: f64) -> f64 {
        match x {
            x if x < 0.8 => 0.8 * x,
            x if x < 2.96 => (5.92 * x - x * x - 0.64) / 5.4,
            _ => 1.504,
        }
    }

    type Cost<'a> = &'a dyn Fn(f64) -> f64;

    fn exponent(cost: Cost<'_>, n: &[f64], precision: &[f64], x: &[f64]) -> f64 {
        let linear: f64 = n.iter().zip(x).map(|(n, x)| n * x - cost(x.abs())).sum();
        linear - 0.5 * small::bilinear(x, precision, x, n.len())
    }

    /// Slow and obvious: from every point of a grid, entry by entry to the end.
    fn by_grid(rule: &impl Rule, cost: Cost<'_>, n: &[f64], precision: &[f64]) -> f64 {
        const SIDE: usize = 13;
        let d = n.len();
        let (mut factor, mut mean) = (precision.to_vec(), n.to_vec());
        small::cholesky(&mut factor, d).unwrap();
        small::solve_lower(&factor, &mut mean, d);
        small::solve_lower_transposed(&factor, &mut mean, d);
        let reach = 1.2 * mean.iter().fold(0.1, |m: f64, v| m.max(v.abs()));
        let mut best = f64::NEG_INFINITY;
        for k in 0..(0..d).map(|_| SIDE).product() {
            let digit = |j: usize| (0..j).fold(k, |k, _| k / SIDE) % SIDE;
            let place = |j: usize| reach * (2.0 * digit(j) as f64 / (SIDE - 1) as f64 - 1.0);
            let mut x: Vec<f64> = (0..d).map(place).collect();
            for _ in 0..60 {
                let before = x.clone();
                for j in 0..d {
                    let others = (0..d).filter(|&k| k != j);
                    let pull = n[j] - others.map(|k| precision[j * d + k] * x[k]).sum::<f64>();
                    x[j] = rule.best(pull.abs(), precision[j * d + j]).x.copysign(pull);
                }
                if x == before {
                    break;
                }
            }
            best = best.max(exponent(cost, n, precision, &x));
        }
        best
    }

    #[track_caller]
    fn check(rule: &impl Rule, cost: Cost<'_>, n: &[f64], precision: &[f64]) {
        let d = n.len();
        let search = rule.search(precision, d).unwrap();
        let found = search.maximum(n);
        let (x, top) = (&found.x[..d], by_grid(rule, cost, n, precision));
        let terms: f64 = x.iter().zip(n).map(|(x, n)| (x * n).abs()).sum();
        let rounding = 1e-11 * (1.0 + terms);
        let own = exponent(cost, n, precision, x);
        assert!((own - found.height).abs() <= rounding, "{n:?} {precision:?} {found:?} {own}");
        assert!(found.height >= top - rounding, "{n:?} {precision:?} {found:?} {top}");
    }

    fn correlated(g: &[f64], ridge: f64, d: usize) -> Vec<f64> {
        let (mut transposed, mut precision) = (vec![0.0; d * d], vec![0.0; d * d]);
        small::transpose(&g[..d * d], &mut transposed, d);
        small::multiply(&g[..d * d], &transposed, &mut precision, d);
        (0..d).for_each(|j| precision[j * (d + 1)] += ridge);
        precision
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_point_is_higher(
            g in prop::collection::vec(-1.0..1.0f64, 9),
            n in prop::collection::vec(-3.0..3.0f64, 3),
            ridge in 0.05..1.0f64,
        ) {
            for d in [2, 3] {
                let (n, precision) = (&n[..d], correlated(&g, ridge, d));
                check(&hard(), &hard_cost, n, &precision);
                check(&concave(0.7), &|x| concave_cost(0.7, x), n, &precision);
                check(&concave(2.5), &|x| concave_cost(2.5, x), n, &precision);
                check(&clipped(), &clipped_cost, n, &precision);
                check(&powers(0.5), &|x| power_cost(0.5, x), n, &precision);
                check(&powers(0.9), &|x| power_cost(0.9, x), n, &precision);
            }
        }

        #[test]
        fn diagonal_precisions_are_those_of_columns(
            n in prop::collection::vec(-3.0..3.0f64, 12),
            precision in prop::collection::vec(0.1..3.0f64, 2),
        ) {
            // Next to where a piece has no curvature left it is a jump, or so steep that its ends aren't told from one.
            let critical = [1.0 / 0.7, 1.0 / 2.5, 1.0 / 2.7];
            let apart = |p: &f64| critical.iter().all(|c| (p / c - 1.0).abs() > 1e-2);
            prop_assume!(precision.iter().all(apart));
            let precision = [precision[0], 0.0, 0.0, precision[1]];
            let cavity = RowCavity::new(0, 2, &n, &n, &precision);
            compare(&hard(), &cavity);
            compare(&concave(0.7), &cavity);
            compare(&concave(2.5), &cavity);
            compare(&clipped(), &cavity);
            compare(&powers(0.5), &cavity);
        }
    }

    #[track_caller]
    fn compare(rule: &impl Rule, cavity: &RowCavity<'_>) {
        let jumps = Jumps::default();
        // Where a jump is at the end of its reach, rounding decides whether it counts.
        let at_end = cavity.natural().iter().enumerate().any(|(k, n)| {
            let gamma = cavity.precision()[3 * (k % 2)];
            let reach = jumps.step() * gamma.sqrt();
            let apart = rule.jump(gamma).map(|jump| [n - jump.at, n + jump.at]);
            apart.is_some_and(|apart| apart.iter().any(|a| (a.abs() / reach - 1.0).abs() < 1e-4))
        });
        if at_end {
            return;
        }
        let (mut x, mut covariance) = ([0.0; 12], [0.0; 24]);
        let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
        let mut scratch = Scratch::default();
        jumps.estimate(rule, cavity, &mut out, &mut scratch).unwrap();
        let (mut own, mut own_covariance) = ([0.0; 12], [0.0; 24]);
        let mut out = RowEstimate { mean: &mut own, covariance: &mut own_covariance };
        let error = estimate(rule, jumps.step(), cavity, &mut out).unwrap();
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * (1.0 + a.abs());
        assert!(x.iter().zip(&own).all(close), "{cavity:?} {x:?} {own:?}");
        // Slopes of pieces that meet smoothly at a kink are those of one of them, and its neighbours' jumps are none.
        assert!(
            covariance
                .iter()
                .zip(&own_covariance)
                .all(|(a, b)| (a - b).abs() <= 1e-5 * (1.0 + a.abs())),
            "{cavity:?} {covariance:?} {own_covariance:?}"
        );
        let own = scratch.take_standard_error();
        assert!((error - own).abs() < 1e-4, "{cavity:?} {error} {own}");
    }

    /// By Stein's lemma the average Jacobian of any map, jumps included, over rows `n` of normal law with covariance `v^2 I` is that
    /// of the map's products with `n` over `v^2`.
    #[track_caller]
    fn check_average(penalty: &dyn Denoiser, spread: f64) {
        const ROWS: usize = 1 << 15;
        let precision = [0.9, 0.5, 0.5, 0.7];
        // Equal steps of two irrational lengths fill the square.
        let place = |i: usize, step: f64| quantile((step * (i as f64 + 0.5)).fract());
        let (first, second) = (0.754_877_666_246_692_7, 0.569_840_290_998_053_3);
        let n: Vec<f64> = (0..ROWS)
            .flat_map(|i| [place(i, first), place(i, second)])
            .map(|n| n * spread)
            .collect();
        let (mut x, mut covariance) = (vec![0.0; 2 * ROWS], vec![0.0; 4 * ROWS]);
        let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
        let mut scratch = Scratch::default();
        let cavity = RowCavity::new(0, 2, &n, &n, &precision);
        penalty.estimate(&cavity, &mut out, &mut scratch).unwrap();
        for k in 0..2 {
            for j in 0..2 {
                let products = (0..ROWS).map(|i| x[2 * i + k] * n[2 * i + j]).sum::<f64>();
                let expected = products / (ROWS as f64 * spread * spread);
                let found =
                    (0..ROWS).map(|i| covariance[4 * i + 2 * k + j]).sum::<f64>() / ROWS as f64;
                // The bias of a step of 0.3 deviations is some percent of the jumps' part.
                assert!((found - expected).abs() < 0.02, "{penalty:?} {k} {j}: {found} {expected}");
            }
        }
        assert!(scratch.take_standard_error() < 0.01);
    }

    #[test]
    fn average_covariances_count_jumps_of_correlated_entries() {
        for spread in [0.8, 2.0] {
            check_average(&hard(), spread);
            check_average(&concave(0.7), spread);
            check_average(&concave(6.0), spread);
            check_average(&clipped(), spread);
            check_average(&powers(0.5), spread);
        }
    }

    #[test]
    fn what_it_cannot_answer_is_refused() {
        let run = |penalty: &dyn Denoiser, d: usize, precision: &[f64]| {
            let n = vec![1.0; d];
            let (mut x, mut covariance) = (vec![0.0; d], vec![0.0; d * d]);
            let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
            let cavity = RowCavity::new(3, d, &n, &n, precision);
            penalty.estimate(&cavity, &mut out, &mut Scratch::default())
        };
        let improper = Breakdown::ImproperCavity { port: 0, row: 3 };
        assert_eq!(run(&hard(), 2, &[1.0, 1.0, 1.0, 1.0]), Err(improper));
        let d = MOST_COLUMNS + 1;
        let wide: Vec<f64> = (0..d * d).map(|k| if k % (d + 1) == 0 { 2.0 } else { 0.1 }).collect();
        let form = Breakdown::Form { port: 0, needed: ColumnForm::Diagonal };
        assert_eq!(run(&hard(), d, &wide), Err(form));
        let powers = powers(0.5);
        assert_eq!(run(&powers, 2, &[1.0, 1.0, 1.0, 1.0]), Err(improper));
        assert_eq!(run(&powers, d, &wide), Err(form));
        assert_eq!(run(&powers, 2, &[1.0, 0.1, 0.1, 1.0]), Ok(()));
        assert_eq!(run(&hard(), 2, &[1.0, 0.1, 0.1, 1.0]), Ok(()));
    }
}
