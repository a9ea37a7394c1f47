//! Means, covariances and gains against the reference, where nothing is extreme.

use proptest::prelude::*;

use super::{FORMS, Numbers, Solver, averaged, beliefs, distance, factor, run, shared};
use crate::factor::{Belief, Factor};
use crate::message::small;
use crate::testing::reference::linear_posterior;
use crate::{ColumnForm, Message, RowSharing, Rows, Structure};

/// Rounding times the condition of the systems drawn, up to about `1e4`.
const ACCURACY: f64 = 1e-10;

/// Compares both beliefs with the dense posterior; gains with `Lambda - Gamma` and `Xhat Lambda - N`.
fn check(matrix: &Rows, bias: Option<&[f64]>, messages: [&Message; 2], found: &[Belief; 2]) {
    let expected = linear_posterior(matrix, bias, messages[0], messages[1]).unwrap();
    let means = [&expected.x_mean, &expected.z_mean];
    let rows = [&expected.x_covariance, &expected.z_covariance];
    for p in 0..2 {
        let error = distance(found[p].mean().as_slice(), means[p].as_slice());
        assert!(error < ACCURACY, "mean at port {p}: {error:e}");
        let layout = found[p].layout();
        let error = distance(found[p].covariances(), &averaged(layout, rows[p]));
        assert!(error < ACCURACY, "covariance at port {p}: {error:e}");
        check_gain(messages[p], &found[p], p);
    }
}

fn check_gain(cavity: &Message, found: &Belief, port: usize) {
    let Some(gain) = found.gain() else { return };
    let (layout, d) = (found.layout(), found.layout().columns());
    let (mut lambda, mut scratch) = (vec![0.0; d * d], vec![0.0; 2 * d * d]);
    let mut row = vec![0.0; d];
    for b in 0..layout.blocks() {
        if found.is_known(b) || cavity.precision().is_infinite(b) {
            continue;
        }
        let range = b * d * d..(b + 1) * d * d;
        let covariance = &found.covariances()[range.clone()];
        small::invert_positive(covariance, &mut lambda, &mut scratch, d).unwrap();
        let sum: Vec<f64> = gain.precision[range]
            .iter()
            .zip(cavity.precision().block(b))
            .map(|(a, b)| a + b)
            .collect();
        let error = distance(&sum, &lambda);
        assert!(error < ACCURACY, "precision gained at port {port}, block {b}: {error:e}");
        for i in layout.range(b) {
            small::row_times(found.mean().row(i), &lambda, &mut row, d);
            let scale =
                row.iter().chain(cavity.natural().row(i)).fold(1.0f64, |m, v| m.max(v.abs()));
            for j in 0..d {
                let sum = gain.natural[(i, j)] + cavity.natural()[(i, j)];
                let error = (sum - row[j]).abs() / scale;
                assert!(error < ACCURACY, "natural gained at port {port}, row {i}: {error:e}");
            }
        }
    }
}

fn sharing(kind: usize, n: usize) -> RowSharing {
    match kind {
        0 => RowSharing::Shared,
        1 if n > 1 => RowSharing::Blocks(vec![1, n - 1]),
        _ => RowSharing::PerRow,
    }
}

fn structure(rows: RowSharing, columns: ColumnForm) -> Structure {
    Structure { rows, columns }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn spectral_solvers_agree_with_the_dense_posterior(
        (m, n, d) in (1usize..8, 1usize..8, 1usize..5),
        (deficit, forms) in (0usize..3, (0usize..3, 0usize..3)),
        (ex, ez, with_bias) in (-1.0..1.0f64, -1.0..1.0f64, any::<bool>()),
        seed in any::<u64>(),
    ) {
        let mut numbers = Numbers::new(seed);
        let rank = m.min(n).saturating_sub(deficit).max(1);
        let matrix = numbers.matrix(m, n, rank);
        let x = numbers.message(&shared(FORMS[forms.0], n, d), 10f64.powf(ex));
        let z = numbers.message(&shared(FORMS[forms.1], m, d), 10f64.powf(ez));
        let bias = with_bias.then(|| numbers.rows(1, d).into_vec());
        for solver in [Solver::Auto, Solver::Svd, Solver::Gram] {
            let mut factor = factor(&matrix, solver);
            if let Some(bias) = &bias {
                factor = factor.with_bias(bias.clone());
            }
            let both = beliefs(&factor, [&x, &z], [true; 2]).unwrap();
            check(&matrix, bias.as_deref(), [&x, &z], &both);
            // One port alone takes another way through the kernels.
            let [alone, _] = beliefs(&factor, [&x, &z], [true, false]).unwrap();
            let [_, other] = beliefs(&factor, [&x, &z], [false, true]).unwrap();
            check(&matrix, bias.as_deref(), [&x, &z], &[alone, other]);
        }
    }

    #[test]
    fn cholesky_agrees_with_the_dense_posterior(
        (m, n, d) in (1usize..7, 2usize..7, 1usize..4),
        (kinds, forms) in ((0usize..3, 1usize..3), (0usize..3, 0usize..3)),
        (swap, with_bias) in (any::<bool>(), any::<bool>()),
        seed in any::<u64>(),
    ) {
        let mut numbers = Numbers::new(seed);
        let matrix = numbers.matrix(m, n, m.min(n));
        let kinds = if swap { (kinds.1, kinds.0) } else { kinds };
        let layout = |kind, form: usize, rows| {
            structure(sharing(kind, rows), FORMS[form]).layout(rows, d).unwrap()
        };
        let x = numbers.message(&layout(kinds.0, forms.0, n), 1.0);
        let z = numbers.message(&layout(kinds.1, forms.1, m), 2.0);
        let bias = with_bias.then(|| numbers.rows(1, d).into_vec());
        let mut factor = factor(&matrix, Solver::Auto);
        if let Some(bias) = &bias {
            factor = factor.with_bias(bias.clone());
        }
        let both = beliefs(&factor, [&x, &z], [true; 2]).unwrap();
        check(&matrix, bias.as_deref(), [&x, &z], &both);
    }

    #[test]
    fn a_singular_precision_is_legal_where_the_other_side_sees(
        (n, more, solver) in (2usize..6, 0usize..3, 0usize..3),
        (blind, exponent) in (0usize..2, -2.0..2.0f64),
        seed in any::<u64>(),
    ) {
        // Rank one out of two columns at one port, an operator of full column rank.
        let mut numbers = Numbers::new(seed);
        let matrix = Rows::from_fn(n + more, n, |i, j| {
            numbers.next() * 0.1 + if i == j { 1.0 } else { 0.0 }
        });
        let layouts = [shared(ColumnForm::Full, n, 2), shared(ColumnForm::Full, n + more, 2)];
        let mut messages = layouts.each_ref().map(|l| numbers.message(l, 1.0));
        let direction = numbers.rows(1, 2);
        let scale = 10f64.powf(exponent);
        let outer: Vec<f64> =
            (0..4).map(|e| scale * direction[(0, e / 2)] * direction[(0, e % 2)]).collect();
        let precision = crate::Precision::from_matrix(layouts[blind].clone(), &outer).unwrap();
        let mean = numbers.rows(layouts[blind].rows(), 2);
        messages[blind] = Message::from_mean(&mean, precision).unwrap();
        let solver = [Solver::Auto, Solver::Svd, Solver::Gram][solver];
        let messages = [&messages[0], &messages[1]];
        let found = beliefs(&factor(&matrix, solver), messages, [true; 2]).unwrap();
        check(&matrix, None, messages, &found);
    }

    #[test]
    fn a_used_workspace_answers_as_a_fresh_one(
        (m, n, d) in (1usize..6, 2usize..6, 1usize..3),
        (solver, per_row) in (0usize..3, any::<bool>()),
        changes in prop::collection::vec((any::<bool>(), any::<bool>(), 0usize..3), 1..6),
        seed in any::<u64>(),
    ) {
        let mut numbers = Numbers::new(seed);
        let matrix = numbers.matrix(m, n, m.min(n));
        let factor = factor(&matrix, [Solver::Auto, Solver::Svd, Solver::Gram][solver]);
        let rows = if per_row { RowSharing::PerRow } else { RowSharing::Shared };
        let layouts =
            [n, m].map(|k| structure(rows.clone(), ColumnForm::Full).layout(k, d).unwrap());
        let mut messages = layouts.each_ref().map(|l| numbers.message(l, 1.0));
        let mut versions = [1, 1];
        let mut workspace = factor.workspace(&layouts).unwrap();
        let mut used = layouts.clone().map(Belief::new);
        for (first, second, wanted) in changes {
            for (p, changed) in [first, second].into_iter().enumerate() {
                if changed {
                    messages[p] = numbers.message(&layouts[p], 1.0);
                    versions[p] += 1;
                }
            }
            let wanted = [[true, true], [true, false], [false, true]][wanted];
            let told = [&messages[0], &messages[1]];
            run(&factor, told, versions, wanted, &mut used, &mut *workspace).unwrap();
            let fresh = beliefs(&factor, told, wanted).unwrap();
            for p in (0..2).filter(|&p| wanted[p]) {
                prop_assert_eq!(used[p].mean(), fresh[p].mean());
                prop_assert_eq!(used[p].covariances(), fresh[p].covariances());
                let gains = [&used[p], &fresh[p]].map(|b| b.gain().map(|g| g.natural.clone()));
                prop_assert_eq!(&gains[0], &gains[1]);
            }
        }
    }
}

#[test]
fn gains_are_given_where_the_form_allows() {
    let mut numbers = Numbers::new(5);
    let matrix = numbers.matrix(3, 4, 3);
    let given = |fx, fz| {
        let mut numbers = Numbers::new(6);
        let x = numbers.message(&shared(fx, 4, 2), 1.0);
        let z = numbers.message(&shared(fz, 3, 2), 1.0);
        let found = beliefs(&factor(&matrix, Solver::Auto), [&x, &z], [true; 2]).unwrap();
        found.map(|b| b.gain().is_some())
    };
    use ColumnForm::{Diagonal, Full, Isotropic};
    assert_eq!(given(Full, Isotropic), [true, false]);
    assert_eq!(given(Diagonal, Diagonal), [true, true]);
    assert_eq!(given(Diagonal, Isotropic), [true, false]);
    assert_eq!(given(Isotropic, Isotropic), [true, true]);
}
