//! Known cavities, undetermined directions, set-up failures, drawing.

use super::{
    ColumnForm, Numbers, Solver, averaged, beliefs, distance, factor, isotropic, known, shared,
};
use crate::factor::{Breakdown, Factor, Independent, LinearFactor, Misfit, Unready};
use crate::operator::{Chain, Cosine, Dense, Hadamard, LinearOperator, Signs, Spectral};
use crate::testing::reference::linear_posterior;
use crate::{Message, Precision, Rows, Structure};

/// Rounding times the condition of small random operators, squared by Gram matrices.
const ACCURACY: f64 = 1e-10;

const SOLVERS: [Solver; 2] = [Solver::Svd, Solver::Gram];

fn image(matrix: &Rows, x: &Rows) -> Rows {
    Rows::from_fn(matrix.rows(), x.columns(), |i, c| {
        (0..x.rows()).map(|j| matrix[(i, j)] * x[(j, c)]).sum()
    })
}

#[test]
fn known_inputs_decide_the_outputs() {
    let mut numbers = Numbers::new(1);
    let (matrix, x) = (numbers.matrix(4, 3, 3), numbers.rows(3, 2));
    let factor = factor(&matrix, Solver::Auto).with_bias(vec![1.0, -2.0]);
    let mut expected = image(&matrix, &x);
    (0..4).for_each(|i| (0..2).for_each(|c| expected[(i, c)] += [1.0, -2.0][c]));
    let vague = isotropic(&numbers.rows(4, 2), 1.0);
    let found = beliefs(&factor, [&known(&x), &vague], [true; 2]).unwrap();
    assert!(found[0].is_known(0) && found[1].is_known(0));
    assert!(distance(found[1].mean().as_slice(), expected.as_slice()) < ACCURACY);
    assert!(beliefs(&factor, [&known(&x), &known(&expected)], [true; 2]).is_ok());
    expected[(2, 1)] += 1e-3;
    let contradiction = Breakdown::Contradiction { port: 1, row: 2 };
    let found = beliefs(&factor, [&known(&x), &known(&expected)], [true; 2]);
    assert_eq!(found.unwrap_err(), contradiction);
}

#[test]
fn known_outputs_constrain_the_inputs() {
    for (m, n, rank) in [(3, 6, 3), (5, 5, 5), (6, 3, 3)] {
        for solver in SOLVERS {
            let mut numbers = Numbers::new(2);
            let matrix = numbers.matrix(m, n, rank);
            let x = numbers.message(&shared(ColumnForm::Full, n, 2), 1.0);
            let z = known(&image(&matrix, &numbers.rows(n, 2)));
            let found = beliefs(&factor(&matrix, solver), [&x, &z], [true; 2]).unwrap();
            assert!(found[1].is_known(0));
            assert_eq!(found[0].is_known(0), rank == n);
            if rank < n {
                let expected = linear_posterior(&matrix, None, &x, &z).unwrap();
                let error = distance(found[0].mean().as_slice(), expected.x_mean.as_slice());
                assert!(error < ACCURACY, "{m} x {n}: {error:e}");
                let covariance = averaged(x.layout(), &expected.x_covariance);
                assert!(distance(found[0].covariances(), &covariance) < ACCURACY);
            }
        }
    }
}

#[test]
fn known_outputs_are_the_limit_of_precise_ones() {
    for solver in SOLVERS {
        let mut numbers = Numbers::new(3);
        let matrix = numbers.matrix(3, 5, 3);
        let x = numbers.message(&shared(ColumnForm::Full, 5, 2), 1.0);
        let values = numbers.rows(3, 2);
        let factor = factor(&matrix, solver).with_bias(vec![0.5, -0.25]);
        let precise = beliefs(&factor, [&x, &isotropic(&values, 1e13)], [true; 2]).unwrap();
        let exact = beliefs(&factor, [&x, &known(&values)], [true; 2]).unwrap();
        // The limit is approached as the inverse of the precision.
        let close = |a: &[f64], b: &[f64]| distance(a, b) < 1e-9;
        assert!(close(precise[0].mean().as_slice(), exact[0].mean().as_slice()));
        assert!(close(precise[0].covariances(), exact[0].covariances()));
        let gains = [precise[0].gain().unwrap(), exact[0].gain().unwrap()];
        assert!(close(&gains[0].precision, &gains[1].precision));
        assert!(close(gains[0].natural.as_slice(), gains[1].natural.as_slice()));
    }
}

#[test]
fn outputs_outside_the_range_are_contradictions() {
    for solver in SOLVERS {
        // The third output repeats the first.
        let matrix = Rows::from_fn(3, 2, |i, j| [[1.0, 2.0], [3.0, -1.0], [1.0, 2.0]][i][j]);
        let x = isotropic(&Rows::zeros(2, 1), 1.0);
        let z = known(&Rows::column(vec![1.0, 1.0, 2.0]));
        let error = beliefs(&factor(&matrix, solver), [&x, &z], [true; 2]).unwrap_err();
        assert!(matches!(error, Breakdown::Contradiction { port: 1, .. }), "{error:?}");
    }
}

#[test]
fn free_directions_are_undetermined() {
    let mut numbers = Numbers::new(4);
    let undetermined = Some(Breakdown::Undetermined { port: 0 });
    for (m, n, rank) in [(2, 4, 2), (4, 4, 3), (5, 4, 3)] {
        let matrix = numbers.matrix(m, n, rank);
        let x = isotropic(&Rows::zeros(n, 1), 0.0);
        for z in [isotropic(&numbers.rows(m, 1), 1.0), known(&Rows::zeros(m, 1))] {
            for solver in SOLVERS {
                let found = beliefs(&factor(&matrix, solver), [&x, &z], [true; 2]);
                assert_eq!(found.err(), undetermined, "{m} x {n} {solver:?}");
            }
        }
    }
    let matrix = numbers.matrix(3, 2, 2);
    let [x, z] = [2, 3].map(|rows| isotropic(&Rows::zeros(rows, 1), 0.0));
    let found = beliefs(&factor(&matrix, Solver::Auto), [&x, &z], [true; 2]);
    assert_eq!(found.err(), undetermined);
}

#[test]
fn directions_that_a_full_precision_leaves_open_are_undetermined() {
    // Rank one out of d columns, whose other directions have no precision but rounding.
    for (seed, d) in (0..20).flat_map(|seed| [(seed, 2), (seed, 3), (seed, 4)]) {
        let mut numbers = Numbers::new(100 + seed);
        let matrix = numbers.matrix(4, 5, 3);
        let direction = numbers.rows(1, d);
        let outer: Vec<f64> =
            (0..d * d).map(|k| direction[(0, k / d)] * direction[(0, k % d)]).collect();
        let layout = shared(ColumnForm::Full, 5, d);
        let precision = Precision::from_matrix(layout, &outer).unwrap();
        let x = Message::from_mean(&numbers.rows(5, d), precision).unwrap();
        let z = numbers.message(&shared(ColumnForm::Full, 4, d), 1.0);
        let found = beliefs(&factor(&matrix, Solver::Auto), [&x, &z], [true; 2]);
        assert_eq!(found.err(), Some(Breakdown::Undetermined { port: 0 }), "{seed} {d}");
    }
}

#[test]
fn an_operator_without_range_fixes_its_output() {
    for solver in SOLVERS {
        let factor = factor(&Rows::zeros(2, 3), solver).with_bias(vec![1.5]);
        let mut numbers = Numbers::new(5);
        let x = isotropic(&numbers.rows(3, 1), 2.0);
        let z = isotropic(&numbers.rows(2, 1), 1.0);
        let found = beliefs(&factor, [&x, &z], [true; 2]).unwrap();
        assert!(found[1].is_known(0) && found[1].mean().as_slice() == [1.5, 1.5]);
        assert_eq!(found[0].gain().unwrap().precision, [0.0]);
    }
}

#[test]
fn variables_must_fit() {
    let matrix = Numbers::new(6).matrix(2, 3, 2);
    let plain = factor(&matrix, Solver::Auto);
    let layout = |rows, d| shared(ColumnForm::Full, rows, d);
    let shape = |port, rows, columns, found| {
        Err(Misfit::Shape { port, expected: (Some(rows), Some(columns)), found })
    };
    assert_eq!(plain.check(&[layout(3, 2), layout(2, 2)]), Ok(()));
    assert_eq!(plain.check(&[layout(3, 2), layout(2, 1)]), shape(1, 2, 2, (2, 1)));
    assert_eq!(plain.check(&[layout(2, 1), layout(2, 1)]), shape(0, 3, 1, (2, 1)));
    let biased = plain.with_bias(vec![1.0, 2.0]);
    let wrong = Err(Misfit::BiasLength { expected: 1, found: 2 });
    assert_eq!(biased.check(&[layout(3, 1), layout(2, 1)]), wrong);
}

#[test]
fn overflowing_operators_fail_by_name() {
    let factor = factor(&Rows::from_fn(3, 4, |i, j| 1e300 * (i + j + 1) as f64), Solver::Gram);
    assert_eq!(factor.decomposed_by(), Err(Breakdown::Factorisation));
    let layouts = [4, 3].map(|n| shared(ColumnForm::Full, n, 1));
    assert_eq!(factor.workspace(&layouts).err(), Some(Breakdown::Factorisation));
}

/// Sums of neighbours, by a rule.
#[derive(Debug)]
struct Neighbours(usize);

impl LinearOperator for Neighbours {
    fn outputs(&self) -> usize {
        self.0 - 1
    }

    fn inputs(&self) -> usize {
        self.0
    }

    fn apply(&self, x: &[f64], z: &mut [f64], columns: usize) {
        for (e, z) in z.iter_mut().enumerate() {
            *z = x[e] + x[e + columns];
        }
    }

    fn apply_adjoint(&self, z: &[f64], x: &mut [f64], columns: usize) {
        x.fill(0.0);
        for (e, z) in z.iter().enumerate() {
            x[e] += z;
            x[e + columns] += z;
        }
    }

    fn name(&self) -> String {
        "neighbours".to_owned()
    }
}

#[test]
fn operators_without_a_matrix_are_made_explicit() {
    let n = 40;
    let adjacent = |i: usize, j: usize| f64::from(u8::from(j == i || j == i + 1));
    let matrix = Rows::from_fn(n - 1, n, adjacent);
    let mut numbers = Numbers::new(7);
    let x = numbers.message(&shared(ColumnForm::Full, n, 2), 1.0);
    let z = numbers.message(&shared(ColumnForm::Full, n - 1, 2), 1.0);
    let implicit = beliefs(&LinearFactor::new(Neighbours(n)), [&x, &z], [true; 2]).unwrap();
    let explicit = LinearFactor::new(Dense::from_rows(&matrix).unwrap());
    let explicit = beliefs(&explicit, [&x, &z], [true; 2]).unwrap();
    for p in 0..2 {
        let error = distance(implicit[p].mean().as_slice(), explicit[p].mean().as_slice());
        assert!(error < ACCURACY, "port {p}: {error:e}");
    }
}

/// Transforms on both sides, and singular values of which one may be zero.
fn fast(m: usize, n: usize, zero: bool) -> Spectral {
    let mut singular: Vec<f64> = (0..m.min(n)).map(|k| 0.5 + k as f64).collect();
    if zero {
        singular[1] = 0.0;
    }
    let signs = Signs::new((0..n).map(|i| i % 3 == 1).collect());
    let right = Chain::new(signs).then(Cosine::new(n).unwrap()).unwrap();
    Spectral::new(Cosine::new(m).unwrap(), singular, right).unwrap()
}

/// Operators in factors; the last one loses a frequency.
fn in_factors() -> Vec<Spectral> {
    let sizes = [(4, 9, false), (9, 4, false), (6, 6, true), (5, 8, true)];
    let mut all: Vec<Spectral> = sizes.map(|(m, n, zero)| fast(m, n, zero)).into();
    all.push(Spectral::convolution(&[1.0, 0.5, -0.25], 7).unwrap());
    all.push(Spectral::convolution(&[0.5, 0.5], 6).unwrap());
    all
}

#[test]
fn factors_of_an_operator_serve_as_its_decomposition() {
    let mut numbers = Numbers::new(9);
    for operator in in_factors() {
        let (m, n) = (operator.outputs(), operator.inputs());
        let [own, dense] = [Solver::Operator, Solver::Svd]
            .map(|solver| LinearFactor::new(operator.clone()).with_solver(solver));
        assert_eq!(own.decomposed_by(), Ok(Solver::Operator));
        let x = numbers.message(&shared(ColumnForm::Full, n, 3), 1.0);
        let z = numbers.message(&shared(ColumnForm::Full, m, 3), 1.0);
        let mut image = Rows::zeros(m, 3);
        operator.apply(numbers.rows(n, 3).as_slice(), image.as_mut_slice(), 3);
        for z in [z, known(&image)] {
            let [found, expected] =
                [&own, &dense].map(|factor| beliefs(factor, [&x, &z], [true; 2]).unwrap());
            for p in 0..2 {
                let error = distance(found[p].mean().as_slice(), expected[p].mean().as_slice());
                assert!(error < ACCURACY, "{m} x {n}, mean at port {p}: {error:e}");
                let error = distance(found[p].covariances(), expected[p].covariances());
                assert!(error < ACCURACY, "{m} x {n}, covariance at port {p}: {error:e}");
                let gains = [&found[p], &expected[p]].map(|b| b.gain().map(|g| &g.natural));
                if let [Some(found), Some(expected)] = gains {
                    let error = distance(found.as_slice(), expected.as_slice());
                    assert!(error < ACCURACY, "{m} x {n}, gain at port {p}: {error:e}");
                }
            }
        }
    }
}

#[test]
fn a_solver_without_what_it_needs_is_not_ready() {
    let factor = factor(&Numbers::new(1).matrix(2, 3, 2), Solver::Operator);
    let layouts = [shared(ColumnForm::Full, 3, 1), shared(ColumnForm::Full, 2, 1)];
    assert_eq!(factor.ready(&layouts), Err(Unready::NoFactors));
}

/// A matrix of ones that nobody stores.
#[derive(Debug)]
struct Ones(usize);

impl LinearOperator for Ones {
    fn outputs(&self) -> usize {
        self.0
    }

    fn inputs(&self) -> usize {
        self.0
    }

    fn apply(&self, x: &[f64], z: &mut [f64], columns: usize) {
        for (k, z) in z.iter_mut().enumerate() {
            *z = x.iter().skip(k % columns).step_by(columns).sum();
        }
    }

    fn apply_adjoint(&self, z: &[f64], x: &mut [f64], columns: usize) {
        self.apply(z, x, columns);
    }

    fn name(&self) -> String {
        "ones".to_owned()
    }
}

#[test]
fn matrices_beyond_the_limit_are_not_built() {
    let ready = |factor: &LinearFactor, rows: usize| {
        let layouts = [shared(ColumnForm::Full, rows, 1), shared(ColumnForm::Full, rows, 1)];
        factor.ready(&layouts)
    };
    let refused = |entries, limit| Err(Unready::MatrixTooLarge { entries, limit });
    let large = 100_000;
    let ones = LinearFactor::new(Ones(large));
    assert_eq!(ready(&ones, large), Ok(()), "products are enough");
    let ones = ones.with_solver(Solver::Svd);
    assert_eq!(ready(&ones, large), refused(large * large, LinearFactor::MATRIX_LIMIT));
    assert_eq!(ready(&ones.with_matrix_limit(large * large), large), Ok(()), "more is allowed");
    let rows = Structure::per_row().layout(3, 1).unwrap();
    let ones = LinearFactor::new(Ones(3)).with_matrix_limit(8);
    assert_eq!(ones.ready(&[rows.clone(), rows]), refused(9, 8), "a precision for each row");
    assert_eq!(ready(&LinearFactor::new(Ones(3)).with_matrix_limit(9), 3), Ok(()));
    // What is stored, and what has factors of its own, isn't built.
    let stored = factor(&Numbers::new(1).matrix(3, 3, 2), Solver::Auto).with_matrix_limit(8);
    assert_eq!(ready(&stored, 3), Ok(()));
    let factors = || Spectral::rows_of(Hadamard::new(4).unwrap(), &[0, 1, 2, 3]).unwrap();
    assert_eq!(ready(&LinearFactor::new(factors()).with_matrix_limit(8), 4), Ok(()));
    let decomposed = LinearFactor::new(factors()).with_solver(Solver::Svd).with_matrix_limit(8);
    assert_eq!(ready(&decomposed, 4), refused(16, 8));
}

#[test]
fn drawing_applies_the_operator_and_the_bias() {
    use rand::SeedableRng;
    let mut numbers = Numbers::new(8);
    let (matrix, x) = (numbers.matrix(2, 3, 2), numbers.rows(3, 1));
    let factor = factor(&matrix, Solver::Auto).with_bias(vec![0.5]);
    let mut expected = image(&matrix, &x);
    expected.as_mut_slice().iter_mut().for_each(|v| *v += 0.5);
    let mut values = [x, Rows::zeros(2, 1)];
    let mut rng = rand_pcg::Pcg64::seed_from_u64(1);
    let data = factor.draw(&mut values, &mut Independent(&mut rng)).unwrap();
    assert!(data.is_none() && distance(values[1].as_slice(), expected.as_slice()) < ACCURACY);
}

/// `x` one precision a row, some rows known; `z` likewise.
fn partly_known(numbers: &mut Numbers, values: &Rows, known_rows: &[usize]) -> Message {
    let (n, d) = values.shape();
    let layout = Structure::per_row().layout(n, d).unwrap();
    let mut message = numbers.message(&layout, 1.0);
    let (natural, precision) = message.parts_mut();
    for &i in known_rows {
        precision.set_infinite(i);
        natural.row_mut(i).copy_from_slice(values.row(i));
    }
    message
}

#[test]
fn known_rows_agree_with_the_dense_posterior() {
    for (known_x, known_z) in [(vec![1], vec![]), (vec![], vec![0, 2]), (vec![0, 3], vec![1])] {
        for d in 1..3 {
            let mut numbers = Numbers::new(9);
            let (matrix, truth) = (numbers.matrix(4, 6, 4), numbers.rows(6, d));
            let x = partly_known(&mut numbers, &truth, &known_x);
            let mut output = image(&matrix, &truth);
            output.as_mut_slice().iter_mut().for_each(|v| *v += 0.75);
            let z = partly_known(&mut numbers, &output, &known_z);
            let bias = vec![0.75; d];
            let factor = factor(&matrix, Solver::Auto).with_bias(bias.clone());
            let found = beliefs(&factor, [&x, &z], [true; 2]).unwrap();
            let expected = linear_posterior(&matrix, Some(&bias), &x, &z).unwrap();
            let means = [&expected.x_mean, &expected.z_mean];
            let covariances = [&expected.x_covariance, &expected.z_covariance];
            for p in 0..2 {
                let error = distance(found[p].mean().as_slice(), means[p].as_slice());
                assert!(error < ACCURACY, "mean {p} with {known_x:?} {known_z:?}: {error:e}");
                let error = distance(found[p].covariances(), covariances[p]);
                assert!(error < ACCURACY, "covariance {p}: {error:e}");
                for i in 0..found[p].layout().blocks() {
                    assert_eq!(found[p].is_known(i), [&known_x, &known_z][p].contains(&i));
                }
            }
        }
    }
}

#[test]
fn known_rows_may_determine_others() {
    // z_0 = x_0 + x_1 with z_0 and x_0 known decides x_1 and with it z_1 = 2 x_1; x_2 stays free.
    let matrix =
        Rows::from_fn(3, 3, |i, j| [[1.0, 1.0, 0.0], [0.0, 2.0, 0.0], [0.0, 1.0, 1.0]][i][j]);
    let mut numbers = Numbers::new(10);
    let x = partly_known(&mut numbers, &Rows::column(vec![1.0, 0.0, 0.0]), &[0]);
    let z = partly_known(&mut numbers, &Rows::column(vec![4.0, 0.0, 0.0]), &[0]);
    let found = beliefs(&factor(&matrix, Solver::Auto), [&x, &z], [true; 2]).unwrap();
    let known = |p: usize| -> Vec<bool> { (0..3).map(|i| found[p].is_known(i)).collect() };
    assert_eq!((known(0), known(1)), (vec![true, true, false], vec![true, true, false]));
    assert!((found[0].mean()[(1, 0)] - 3.0).abs() < ACCURACY);
    assert!((found[1].mean()[(1, 0)] - 6.0).abs() < ACCURACY);
}

#[test]
fn rows_known_at_both_ports_may_contradict() {
    let matrix = Rows::from_fn(2, 2, |i, j| [[1.0, 1.0], [2.0, 2.0]][i][j]);
    let mut numbers = Numbers::new(11);
    let contradiction = Some(Breakdown::Contradiction { port: 1, row: 1 });
    for known_x in [vec![], vec![0], vec![0, 1]] {
        let x = partly_known(&mut numbers, &Rows::column(vec![1.0, 2.0]), &known_x);
        let z = partly_known(&mut numbers, &Rows::column(vec![3.0, 6.0]), &[0, 1]);
        assert!(beliefs(&factor(&matrix, Solver::Auto), [&x, &z], [true; 2]).is_ok());
        let z = partly_known(&mut numbers, &Rows::column(vec![3.0, 9.0]), &[0, 1]);
        let found = beliefs(&factor(&matrix, Solver::Auto), [&x, &z], [true; 2]);
        let error = found.err();
        // Without free rows the first row holds and the second is named; else their compromise breaks both.
        let named = matches!(error, Some(Breakdown::Contradiction { port: 1, .. }));
        assert!(named && (known_x.len() < 2 || error == contradiction), "{error:?}");
    }
}

#[test]
fn rows_nobody_knows_are_undetermined() {
    let layouts = [4, 2].map(|n| Structure::per_row().layout(n, 1).unwrap());
    let mut numbers = Numbers::new(12);
    let x = Message::vacuous(layouts[0].clone());
    let z = numbers.message(&layouts[1], 1.0);
    let matrix = numbers.matrix(2, 4, 2);
    let found = beliefs(&factor(&matrix, Solver::Auto), [&x, &z], [true; 2]);
    assert_eq!(found.err(), Some(Breakdown::Undetermined { port: 0 }));
}

#[test]
fn classic_messages_about_inputs_keep_tiny_gains() {
    // Orthogonal rows: to first order in the weak precision the gain of row i is sum_m a_mi^2 g_m.
    let matrix = Rows::from_fn(2, 2, |i, j| [[0.6, 0.8], [-0.8, 0.6]][i][j]);
    let layout = Structure::per_row().layout(2, 1).unwrap();
    let mut numbers = Numbers::new(13);
    let (x, z) = (numbers.message(&layout, 1.0), numbers.message(&layout, 1e-13));
    let found = beliefs(&factor(&matrix, Solver::Auto), [&x, &z], [true; 2]).unwrap();
    let g = z.precision().values();
    let expected: Vec<f64> =
        (0..2).map(|i| (0..2).map(|m| matrix[(m, i)].powi(2) * g[m]).sum()).collect();
    assert!(distance(&found[0].gain().unwrap().precision, &expected) < ACCURACY);
}
