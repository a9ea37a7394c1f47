//! The factor over entries against the dense posterior of the real embedding.

use proptest::prelude::*;

use super::{Numbers, averaged, distance};
use crate::factor::{Belief, Cavity, Factor, LinearEntries, LinearFactor, Misfit, Solver};
use crate::graph::GraphBuilder;
use crate::operator::{Complex, LinearOperator};
use crate::testing::reference::linear_posterior;
use crate::{ColumnForm, Layout, Message, Precision, RowSharing, Rows, Structure};

/// Rounding times the condition of the systems drawn: a complex matrix of at most eight rows, its rank full.
const ACCURACY: f64 = 1e-12;

fn complex(numbers: &mut Numbers, m: usize, n: usize) -> Complex {
    // A strong diagonal keeps the condition below ten.
    let mut real = numbers.rows(m, n);
    (0..m.min(n)).for_each(|k| real[(k, k)] += 6.0);
    Complex::from_parts(&real, &numbers.rows(m, n)).unwrap()
}

/// The real matrix of twice the sizes.
fn embedded(operator: &dyn LinearOperator) -> Rows {
    let (m, n) = (operator.outputs(), operator.inputs());
    let unit = Rows::from_fn(n, n, |i, j| f64::from(u8::from(i == j)));
    let mut matrix = Rows::zeros(m, n);
    operator.apply(unit.as_slice(), matrix.as_mut_slice(), n);
    matrix
}

fn layout(rows: RowSharing, n: usize) -> Layout {
    Structure { rows, columns: ColumnForm::Isotropic }.layout(n, 2).unwrap()
}

/// The same message with a precision for each of its entries.
fn of_entries(message: &Message) -> Message {
    let (n, d) = (message.layout().rows(), message.layout().columns());
    let layout = Structure::per_row().layout(n * d, 1).unwrap();
    let mut precision = Precision::zero(layout);
    for k in 0..n * d {
        let block = message.layout().partition().block_of(k / d);
        precision.set_block(k, &message.precision().block(block)[..1]).unwrap();
    }
    Message::new(Rows::column(message.natural().as_slice().to_vec()), precision).unwrap()
}

fn beliefs(factor: &dyn Factor, messages: [&Message; 2]) -> [Belief; 2] {
    let layouts = messages.map(|m| m.layout().clone());
    factor.check(&layouts).unwrap();
    let mut workspace = factor.workspace(&layouts).unwrap();
    let mut beliefs = layouts.map(Belief::new);
    let cavities = messages.map(|message| Cavity { message, version: 1 });
    factor.beliefs(&cavities, &[true; 2], &mut beliefs, &mut *workspace).unwrap();
    beliefs.iter_mut().for_each(Belief::average);
    beliefs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn entries_have_the_posterior_of_the_embedding(
        (m, n) in (1usize..8, 1usize..8),
        kinds in (0usize..3, 0usize..3),
        (ex, ez) in (-1.0..1.0f64, -1.0..1.0f64),
        solver in 0usize..3,
        seed in any::<u64>(),
    ) {
        let mut numbers = Numbers::new(seed);
        let operator = complex(&mut numbers, m, n);
        let matrix = embedded(&operator);
        let sharing = |kind: usize, n: usize| match kind {
            1 if n > 1 => RowSharing::Blocks(vec![1, n - 1]),
            2 => RowSharing::PerRow,
            _ => RowSharing::Shared,
        };
        let x = numbers.message(&layout(sharing(kinds.0, n), n), 10f64.powf(ex));
        let z = numbers.message(&layout(sharing(kinds.1, m), m), 10f64.powf(ez));
        let solver = [Solver::Auto, Solver::Svd, Solver::Gram][solver];
        let found = beliefs(&LinearEntries::new(operator).with_solver(solver), [&x, &z]);
        let expected = linear_posterior(&matrix, None, &of_entries(&x), &of_entries(&z)).unwrap();
        let means = [expected.x_mean, expected.z_mean];
        for (p, rows) in [expected.x_covariance, expected.z_covariance].iter().enumerate() {
            let error = distance(found[p].mean().as_slice(), means[p].as_slice());
            prop_assert!(error < ACCURACY, "mean at port {p}: {error:e}");
            // Variances of entries, averaged over each block: multiples of the identity.
            let layout = found[p].layout();
            let entries = averaged(&layout.of_entries(), rows);
            let blocks: Vec<f64> = entries.iter().flat_map(|v| [*v, 0.0, 0.0, *v]).collect();
            let error = distance(found[p].covariances(), &blocks);
            prop_assert!(error < ACCURACY, "covariance at port {p}: {error:e}");
            if let Some(gain) = found[p].gain() {
                let cavity = [&x, &z][p];
                for b in 0..layout.blocks() {
                    let lambda = gain.precision[4 * b] + cavity.precision().block(b)[0];
                    prop_assert!((lambda * entries[b] - 1.0).abs() < ACCURACY);
                    for i in layout.range(b) {
                        for j in 0..2 {
                            let natural = gain.natural[(i, j)] + cavity.natural()[(i, j)];
                            let error = natural - lambda * found[p].mean()[(i, j)];
                            prop_assert!(error.abs() < ACCURACY * (1.0 + natural.abs()));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_complex_operator_is_a_real_one_of_twice_the_size() {
    let mut numbers = Numbers::new(4);
    for (m, n) in [(3, 5), (5, 3)] {
        let operator = complex(&mut numbers, m, n);
        let dense = crate::operator::Dense::from_rows(&embedded(&operator)).unwrap();
        let layout = |n: usize| Structure::shared().layout(2 * n, 3).unwrap();
        let x = numbers.message(&layout(n), 1.0);
        let z = numbers.message(&layout(m), 1.0);
        let own = LinearFactor::new(operator);
        assert_eq!(own.decomposed_by(), Ok(Solver::Svd));
        let values = own.singular_values().unwrap();
        assert!(values.chunks(2).all(|pair| pair[0].to_bits() == pair[1].to_bits()));
        let (found, expected) =
            (beliefs(&own, [&x, &z]), beliefs(&LinearFactor::new(dense), [&x, &z]));
        for (found, expected) in found.iter().zip(&expected) {
            let error = distance(found.mean().as_slice(), expected.mean().as_slice());
            assert!(error < ACCURACY, "{m} x {n}: {error:e}");
            assert!(distance(found.covariances(), expected.covariances()) < ACCURACY);
        }
    }
}

#[test]
fn known_rows_stay_known() {
    let mut numbers = Numbers::new(5);
    let operator = complex(&mut numbers, 2, 3);
    let values = numbers.rows(3, 2);
    let mut image = Rows::zeros(2, 2);
    operator.apply(values.as_slice(), image.as_mut_slice(), 1);
    let x = Message::known(values, layout(RowSharing::Shared, 3)).unwrap();
    let z = numbers.message(&layout(RowSharing::Shared, 2), 1.0);
    let [_, found] = beliefs(&LinearEntries::new(operator), [&x, &z]);
    assert!(found.is_known(0));
    assert!(distance(found.mean().as_slice(), image.as_slice()) < ACCURACY);
}

#[test]
fn what_does_not_fit_is_named() {
    let operator = || complex(&mut Numbers::new(6), 2, 3);
    let build = |rows: (usize, usize), columns: usize, form: ColumnForm| {
        let mut builder = GraphBuilder::new();
        let x = builder.variable("x", rows.0, columns);
        let z = builder.variable("z", rows.1, columns);
        builder.structure(x, Structure::shared().with_columns(ColumnForm::Isotropic));
        builder.structure(z, Structure::shared().with_columns(form));
        builder.linear_entries("A", x, z, operator());
        builder.build().unwrap_err().to_string()
    };
    assert_eq!(
        build((3, 2), 2, ColumnForm::Diagonal),
        "factor `A`: port 1 needs a variable whose columns are declared isotropic: the operator mixes them"
    );
    let isotropic = ColumnForm::Isotropic;
    assert_eq!(build((4, 2), 2, isotropic), "factor `A`: port 0 needs 6 entries, 3 x 2, got 4 x 2");
    assert_eq!(
        build((2, 2), 4, isotropic),
        "factor `A`: port 0 needs 6 entries in 4 columns, which no number of rows has, got 2 x 4"
    );
    let two = Structure::shared().with_columns(isotropic).layout(3, 2).unwrap();
    let layouts = [two, Structure::shared().layout(4, 1).unwrap()];
    let error = LinearEntries::new(operator()).check(&layouts).unwrap_err();
    assert!(matches!(error, Misfit::Entries { port: 1, rows: Some(2), .. }), "{error}");
}
