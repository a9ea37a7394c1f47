//! How good an estimate is: errors against a known truth, and what many runs say together.

use fg_core::Rows;
use fg_core::evolution::EstimateLaw;

/// Squared error over squared truth in decibels: `10 log10(|estimate - truth|^2 / |truth|^2)`; lower is better.
///
/// # Panics
/// When the shapes differ.
#[track_caller]
pub fn nmse_db(estimate: &Rows, truth: &Rows) -> f64 {
    let count = (truth.rows() * truth.columns()) as f64;
    10.0 * (estimate.mean_squared_error(truth) * count / truth.norm_squared()).log10()
}

/// As [`nmse_db`] for the estimate at its best length, `10 log10(1 - <estimate, truth>^2 / (|estimate|^2 |truth|^2))`: the error
/// of the direction alone.
///
/// # Panics
/// When the shapes differ.
#[track_caller]
pub fn debiased_nmse_db(estimate: &Rows, truth: &Rows) -> f64 {
    assert_eq!(estimate.shape(), truth.shape(), "estimate and truth need one shape");
    let pairs = estimate.as_slice().iter().zip(truth.as_slice());
    let overlap: f64 = pairs.map(|(a, b)| a * b).sum();
    let scale = overlap / estimate.norm_squared();
    let best = Rows::from_fn(estimate.rows(), estimate.columns(), |i, j| scale * estimate[(i, j)]);
    nmse_db(&best, truth)
}

/// The estimate turned as it is nearest to the truth: by a sign for one column, by a phase for the two of a complex signal.
///
/// For data that don't tell a signal from its negative, or from one of another global phase.
///
/// # Panics
/// When the shapes differ, or there are more than two columns.
#[track_caller]
pub fn aligned(estimate: &Rows, truth: &Rows) -> Rows {
    assert_eq!(estimate.shape(), truth.shape(), "alignment of matrices of two shapes");
    let (n, d) = truth.shape();
    assert!(d == 1 || d == 2, "a sign or a phase of {d} columns");
    // The sum of conj(estimate) truth.
    let (mut re, mut im) = (0.0, 0.0);
    for i in 0..n {
        let (e, t) = (estimate.row(i), truth.row(i));
        re += e.iter().zip(t).map(|(e, t)| e * t).sum::<f64>();
        if d == 2 {
            im += e[0] * t[1] - e[1] * t[0];
        }
    }
    let length = f64::hypot(re, im);
    let [c, s] = if length > 0.0 { [re / length, im / length] } else { [1.0, 0.0] };
    Rows::from_fn(n, d, |i, j| {
        let e = estimate.row(i);
        match (d, j) {
            (1, _) => c * e[0],
            (_, 0) => c * e[0] - s * e[1],
            _ => c * e[1] + s * e[0],
        }
    })
}

/// Test error in units of the noise: `1 + mean square of (prediction - clean) / noise_variance`.
///
/// This is the expected squared error on noisy test data over the noise variance, without the sampling noise of the
/// test noise; the best possible value is 1.
///
/// # Panics
/// When the shapes differ.
#[track_caller]
pub fn normalised_test_error(prediction: &Rows, clean: &Rows, noise_variance: f64) -> f64 {
    1.0 + prediction.mean_squared_error(clean) / noise_variance
}

/// An estimate of `W1` compared with the truth after the hidden units have been matched.
#[derive(Clone, Debug, PartialEq)]
pub struct Matching {
    /// Unit `j` of the truth is unit `permutation[j]` of the estimate.
    pub permutation: Vec<usize>,
    /// Mean square of the entries of `W1` (matched) minus the truth.
    pub parameter_error: f64,
    /// Mean square of the entries of `W2` (matched) minus `W2`: what the relabelling costs in the output layer, zero
    /// only when it swaps units of equal output weights.
    pub output_change: f64,
}

/// Compares `estimate` and `truth` (`N_in x d`, any `d`) after the best relabelling of the hidden units.
///
/// A network's output doesn't change when its units are relabelled in both layers. `W2` (`output_weights`,
/// `d x N_out`) is known, so an estimate may only have swapped units of similar output weights; the permutation
/// minimises the squared error over both layers together, exactly, as an assignment problem in `O(d^3)`.
///
/// # Panics
/// When the shapes don't fit together.
#[track_caller]
pub fn match_units(estimate: &Rows, truth: &Rows, output_weights: &Rows) -> Matching {
    assert_eq!(estimate.shape(), truth.shape(), "estimate and truth need one shape");
    let d = truth.columns();
    assert_eq!(output_weights.rows(), d, "output weights need a row a hidden unit");
    let input_cost = |j: usize, k: usize| -> f64 {
        (0..truth.rows()).map(|i| (estimate[(i, k)] - truth[(i, j)]).powi(2)).sum()
    };
    matching(truth.rows(), &input_cost, output_weights)
}

/// Mean overlap of a unit of `estimate` with its own in the `truth`, and with another one (`n x d`, two units and more), after
/// the relabelling of the units that brings estimate and truth nearest: means over rows of products of entries.
///
/// # Panics
/// When the shapes differ, or there is no second unit.
#[track_caller]
pub fn unit_overlaps(estimate: &Rows, truth: &Rows) -> [f64; 2] {
    let (n, d) = truth.shape();
    assert!(d > 1, "overlaps of different units need two of them");
    let order = match_units(estimate, truth, &Rows::zeros(d, 1)).permutation;
    let overlap = |j: usize, k: usize| {
        (0..n).map(|i| estimate[(i, order[j])] * truth[(i, k)]).sum::<f64>() / n as f64
    };
    let own: f64 = (0..d).map(|j| overlap(j, j)).sum();
    let all: f64 = (0..d).map(|j| (0..d).map(|k| overlap(j, k)).sum::<f64>()).sum();
    [own / d as f64, (all - own) / (d * (d - 1)) as f64]
}

/// As [`match_units`] for an estimate of which only the law of `rows` rows is known, as state evolution predicts it.
///
/// # Panics
/// When the law is of another number of columns than there are output weights.
#[track_caller]
pub fn match_predicted_units(law: &EstimateLaw, rows: usize, output_weights: &Rows) -> Matching {
    let d = law.columns();
    assert_eq!(output_weights.rows(), d, "output weights need a row a hidden unit");
    // The same as E |xhat_k - x_j|^2, without the cancellation where units are where they belong.
    let row_cost = |j: usize, k: usize| match j == k {
        true => law.error()[j * d + j],
        false => {
            law.estimate()[k * d + k] - 2.0 * law.overlap()[j * d + k] + law.truth()[j * d + j]
        }
    };
    matching(rows, &|j, k| rows as f64 * row_cost(j, k), output_weights)
}

/// The best relabelling where unit `k` of the estimate costs `input_cost(j, k)`, a sum over rows, for unit `j` of the
/// truth.
fn matching(
    rows: usize,
    input_cost: &dyn Fn(usize, usize) -> f64,
    output_weights: &Rows,
) -> Matching {
    let d = output_weights.rows();
    let output_cost = |j: usize, k: usize| -> f64 {
        let (a, b) = (output_weights.row(j), output_weights.row(k));
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
    };
    let cost = Rows::from_fn(d, d, |j, k| input_cost(j, k) + output_cost(j, k));
    let permutation = assign(&cost);
    let mean = |cost: &dyn Fn(usize, usize) -> f64, count: usize| {
        permutation.iter().enumerate().map(|(j, &k)| cost(j, k)).sum::<f64>() / (count * d) as f64
    };
    let parameter_error = mean(input_cost, rows);
    let output_change = mean(&output_cost, output_weights.columns());
    Matching { permutation, parameter_error, output_change }
}

/// The permutation `p` that minimises `sum_j cost[j, p_j]`: the Hungarian method by shortest augmenting paths
/// (Jonker and Volgenant 1987).
///
/// Costs that aren't finite count as larger than any other; ties go to the lower index.
fn assign(cost: &Rows) -> Vec<usize> {
    let d = cost.rows();
    let finite = |v: f64| if v.is_finite() { v } else { f64::MAX / (2 * d) as f64 };
    const FREE: usize = usize::MAX;
    // Column `d` is the artificial root of each search.
    let mut owner = vec![FREE; d + 1];
    let (mut row_price, mut column_price) = (vec![0.0; d], vec![0.0; d + 1]);
    for row in 0..d {
        owner[d] = row;
        let mut distance = vec![f64::INFINITY; d];
        let mut previous = vec![d; d];
        let mut done = vec![false; d + 1];
        let mut column = d;
        while owner[column] != FREE {
            done[column] = true;
            let from = owner[column];
            let (mut nearest, mut next) = (f64::INFINITY, d);
            for k in (0..d).filter(|&k| !done[k]) {
                let reduced = finite(cost[(from, k)]) - row_price[from] - column_price[k];
                if reduced < distance[k] {
                    (distance[k], previous[k]) = (reduced, column);
                }
                if distance[k] < nearest {
                    (nearest, next) = (distance[k], k);
                }
            }
            for k in 0..=d {
                if done[k] {
                    row_price[owner[k]] += nearest;
                    column_price[k] -= nearest;
                } else {
                    distance[k] -= nearest;
                }
            }
            column = next;
        }
        while column != d {
            owner[column] = owner[previous[column]];
            column = previous[column];
        }
    }
    let mut permutation = vec![0; d];
    (0..d).for_each(|k| permutation[owner[k]] = k);
    permutation
}

/// The largest of `values`, zero for none; NaN where one of them is: what couldn't be measured is no small error.
pub fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    let worse = |worst: f64, v: f64| if worst.is_nan() || v <= worst { worst } else { v };
    values.into_iter().fold(0.0, worse)
}

/// Quartiles of a set of runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartiles {
    /// A quarter of the values are lower.
    pub lower: f64,
    /// Half of the values are lower.
    pub median: f64,
    /// Three quarters of the values are lower.
    pub upper: f64,
}

impl Quartiles {
    /// Quartiles of `values`, linear between order statistics; `None` for no values.
    ///
    /// NaN, the result of a failed run, counts as infinitely bad and is never left out. A quartile next to an
    /// infinite value is that value.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> =
            values.iter().map(|v| if v.is_nan() { f64::INFINITY } else { *v }).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |share: f64| {
            let position = share * last as f64;
            let below = position.floor();
            let weight = position - below;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number between 0 and the number of values"
            )]
            let index = below as usize;
            // Without the branch an infinite neighbour of weight zero would turn the value into NaN.
            if weight > 0.0 {
                sorted[index] * (1.0 - weight) + sorted[index + 1] * weight
            } else {
                sorted[index]
            }
        };
        Some(Self { lower: at(0.25), median: at(0.5), upper: at(0.75) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::gaussian_rows;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    #[test]
    fn estimates_are_turned_towards_the_truth() {
        let truth = Rows::from_fn(5, 2, |i, j| (1.0 + (3 * i + j) as f64).sin());
        let (c, s) = (0.6, -0.8);
        let turned = Rows::from_fn(5, 2, |i, j| {
            let x = truth.row(i);
            if j == 0 { c * x[0] - s * x[1] } else { c * x[1] + s * x[0] }
        });
        assert!(aligned(&turned, &truth).mean_squared_error(&truth) < 1e-30);
        let (truth, negative) = (Rows::column(vec![1.0, -2.0]), Rows::column(vec![-1.0, 2.5]));
        assert_eq!(aligned(&negative, &truth).as_slice(), &[1.0, -2.5]);
    }

    #[test]
    fn overlaps_of_units_after_the_best_order() {
        let truth = Rows::from_fn(2, 2, |i, j| [[1.0, 0.5], [-1.0, 2.0]][i][j]);
        let swapped = Rows::from_fn(2, 2, |i, j| 0.5 * truth[(i, 1 - j)]);
        // Halves of the mean squares 1 and 2.125, and of the mean product -0.75.
        let [own, other] = unit_overlaps(&swapped, &truth);
        assert!((own - 0.78125).abs() < 1e-15 && (other + 0.375).abs() < 1e-15, "{own} {other}");
    }

    #[test]
    fn decibels_and_noise_units() {
        let truth = Rows::column(vec![3.0, 4.0]);
        let estimate = Rows::column(vec![3.0, 3.5]);
        assert!((nmse_db(&estimate, &truth) + 20.0).abs() < 1e-12);
        assert!((normalised_test_error(&estimate, &truth, 0.5) - 1.25).abs() < 1e-15);
        assert!(nmse_db(&truth, &truth) == f64::NEG_INFINITY, "a perfect estimate");
    }

    #[test]
    fn swapped_units_of_equal_output_weights_are_matched() {
        let truth = Rows::from_fn(5, 3, |i, j| (i * 3 + j) as f64);
        let swapped = Rows::from_fn(5, 3, |i, j| truth[(i, [2, 0, 1][j])]);
        let w2 = Rows::column(vec![1.0; 3]);
        let matching = match_units(&swapped, &truth, &w2);
        assert_eq!(matching.permutation, [1, 2, 0]);
        assert_eq!((matching.parameter_error, matching.output_change), (0.0, 0.0));
    }

    #[test]
    fn units_of_distant_output_weights_stay() {
        let truth = Rows::from_fn(1, 2, |_, j| j as f64);
        let swapped = Rows::from_fn(1, 2, |_, j| 1.0 - j as f64);
        let w2 = Rows::column(vec![-5.0, 5.0]);
        let matching = match_units(&swapped, &truth, &w2);
        assert_eq!(matching.permutation, [0, 1]);
        assert_eq!((matching.parameter_error, matching.output_change), (1.0, 0.0));
    }

    #[test]
    fn a_diverged_estimate_is_matched_without_end_or_panic() {
        let matching = match_units(
            &Rows::from_fn(2, 3, |_, _| f64::NAN),
            &Rows::zeros(2, 3),
            &Rows::zeros(3, 1),
        );
        assert!(matching.parameter_error.is_nan());
    }

    #[test]
    fn quartiles_between_order_statistics() {
        let q = Quartiles::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((q.lower, q.median, q.upper), (1.75, 2.5, 3.25));
        let q = Quartiles::of(&[1.0, f64::NAN, 2.0]).unwrap();
        assert_eq!((q.lower, q.median, q.upper), (1.5, 2.0, f64::INFINITY));
        assert_eq!(Quartiles::of(&[]), None);
    }

    #[test]
    fn the_largest_of_values_that_could_not_all_be_measured() {
        assert!((largest([1.0, 3.0, 2.0]) - 3.0).abs() == 0.0 && largest([]) == 0.0, "a maximum");
        assert!(largest([1.0, f64::NAN, 2.0]).is_nan(), "a value that is missing");
        assert!(largest([f64::INFINITY, 1.0]) == f64::INFINITY, "infinite errors stay");
    }

    fn best_by_exhaustion(cost: &Rows, row: usize, used: &mut Vec<bool>) -> f64 {
        if row == cost.rows() {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        for k in 0..cost.rows() {
            if !used[k] {
                used[k] = true;
                best = best.min(cost[(row, k)] + best_by_exhaustion(cost, row + 1, used));
                used[k] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn assignment_equals_exhaustive_search(d in 1_usize..7, seed in any::<u64>()) {
            let cost = gaussian_rows(d, d, 1.0, &mut Pcg64::seed_from_u64(seed));
            let permutation = assign(&cost);
            let mut sorted = permutation.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..d).collect::<Vec<_>>());
            let total: f64 = permutation.iter().enumerate().map(|(j, &k)| cost[(j, k)]).sum();
            let best = best_by_exhaustion(&cost, 0, &mut vec![false; d]);
            prop_assert!((total - best).abs() < 1e-12, "{total} against {best}");
        }
    }
}
