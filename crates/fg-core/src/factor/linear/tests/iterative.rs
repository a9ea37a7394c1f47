//! Products alone give the answers of a decomposition: means to the tolerance, variances to their standard error.

use proptest::prelude::*;
use rand::RngExt;

use super::super::{Iterative, LinearFactor};
use super::{ColumnForm, FORMS, Numbers, Solver, beliefs, distance, factor, known, run, shared};
use crate::factor::{Belief, Breakdown, Factor, Unready};
use crate::message::Layout;
use crate::operator::{Dense, LinearOperator, Sparse};
use crate::{Message, Rows};

/// Close to rounding, for comparisons, and with so many probes that five standard errors are next to never exceeded.
fn exact() -> Iterative {
    Iterative::default().with_tolerance(1e-13).with_probes(64)
}

/// A matrix with a few entries a row, and the same as a stored one.
fn sparse(m: usize, n: usize, numbers: &mut Numbers) -> (Sparse, Dense) {
    let triplets: Vec<_> =
        (0..8 * m).map(|k| (k % m, numbers.0.random_range(0..n), numbers.next())).collect();
    let mut stored = Rows::zeros(m, n);
    triplets.iter().for_each(|&(i, k, a)| stored[(i, k)] += a);
    let sparse = Sparse::from_triplets(m, n, &triplets).unwrap();
    (sparse, Dense::from_rows(&stored).unwrap())
}

fn messages(layouts: &[Layout; 2], scales: [f64; 2], numbers: &mut Numbers) -> [Message; 2] {
    [0, 1].map(|p| numbers.message(&layouts[p], scales[p]))
}

/// Means agree to `accuracy`; averaged covariances to five standard errors and the accuracy.
fn compare(found: &[Belief], expected: &[Belief], accuracy: f64) {
    for port in [0, 1] {
        let (found, expected) = (&found[port], &expected[port]);
        let error = distance(found.mean().as_slice(), expected.mean().as_slice());
        assert!(error < accuracy, "mean at port {port}: {error:e}");
        let error = distance(found.covariances(), expected.covariances());
        let bound = 5.0 * found.standard_error() + accuracy;
        assert!(error < bound, "covariance at port {port}: {error:e}, bound {bound:e}");
        assert_eq!(found.gain().is_some(), expected.gain().is_some(), "gain at port {port}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn beliefs_are_those_of_a_decomposition(
        (m, n, d) in (20usize..60, 20usize..60, 1usize..4),
        form in 0usize..3,
        (weak, scale) in (0usize..2, -2.0..2.0f64),
        seed in any::<u64>(),
    ) {
        let mut numbers = Numbers::new(seed);
        let (sparse, dense) = sparse(m, n, &mut numbers);
        let bias = vec![0.3; d];
        let factors = [
            LinearFactor::new(sparse).with_solver(Solver::Iterative(exact())),
            LinearFactor::new(dense).with_solver(Solver::Svd),
        ]
        .map(|factor| factor.with_bias(bias.clone()));
        let layouts = [shared(FORMS[form], n, d), shared(FORMS[form], m, d)];
        let mut scales = [1.0; 2];
        scales[weak] = 10f64.powf(scale);
        let mut workspaces = [&factors[0], &factors[1]].map(|f| f.workspace(&layouts).unwrap());
        let mut answers = [0, 1].map(|_| layouts.clone().map(Belief::new));
        // The second call starts from the solution of the first, under other precisions.
        for version in 1..3 {
            let messages = messages(&layouts, scales, &mut numbers);
            for k in 0..2 {
                let (answer, workspace) = (&mut answers[k], &mut *workspaces[k]);
                let told = [&messages[0], &messages[1]];
                run(&factors[k], told, [version; 2], [true; 2], answer, workspace).unwrap();
            }
            // The tolerance times the condition of the systems, up to some 1e4.
            compare(&answers[0], &answers[1], 1e-9);
        }
        // One port alone is answered as both are.
        let messages = messages(&layouts, scales, &mut numbers);
        for wanted in [[true, false], [false, true]] {
            let told = [&messages[0], &messages[1]];
            let [found, expected] = [&factors[0], &factors[1]].map(|f| beliefs(f, told, wanted).unwrap());
            let port = usize::from(wanted[1]);
            let error = distance(found[port].mean().as_slice(), expected[port].mean().as_slice());
            prop_assert!(error < 1e-9, "port {port} alone: {error:e}");
        }
    }
}

/// Errors of the variance of X at a precision of X, relative to their standard errors, of thirty sets of probes.
fn ratios(matrix: &Rows, scale: f64, steps: usize) -> Vec<f64> {
    let layouts = [matrix.columns(), matrix.rows()].map(|n| shared(ColumnForm::Isotropic, n, 1));
    let told = messages(&layouts, [scale, 1.0], &mut Numbers::new(3));
    let told = [&told[0], &told[1]];
    let expected = beliefs(&factor(matrix, Solver::Svd), told, [true; 2]).unwrap();
    let ratio = |seed| {
        let solver = Solver::Iterative(Iterative::default().with_seed(seed).with_steps(steps));
        let found = beliefs(&factor(matrix, solver), told, [true; 2]).unwrap();
        let error = found[0].covariances()[0] / expected[0].covariances()[0] - 1.0;
        error / found[0].standard_error()
    };
    (0..30).map(ratio).collect()
}

#[test]
fn standard_errors_are_those_of_the_variances() {
    // A spectrum that the steps resolve: the probes scatter. Student's t of 7 degrees has variance 1.4, and 30 of its
    // squares a standard error of 0.6.
    let resolved = Numbers::new(5).rows(120, 200);
    for scale in [1e-1, 1.0, 10.0] {
        let ratios = ratios(&resolved, scale, 100);
        let square = ratios.iter().map(|r| r * r).sum::<f64>() / 30.0;
        assert!((0.4..3.2).contains(&square), "mean square {square} at precision {scale:e}");
    }
    // A singular value of 1e-4 times the largest, which they don't: Gauss rules fall short, by less than the bound.
    let unresolved = Numbers::new(5).matrix(150, 200, 150);
    for ratio in ratios(&unresolved, 1e-3, 100) {
        assert!((-1.0..-0.01).contains(&ratio), "error {ratio} of its bound");
    }
}

#[test]
fn a_flat_spectrum_is_known_exactly() {
    // All singular values alike: a single step of a single probe knows them, and gains keep all digits.
    let (m, n) = (4, 8);
    let hadamard =
        |i: usize, j: usize| if (i & j).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
    let matrix = Rows::from_fn(m, n, hadamard);
    let layouts = [shared(ColumnForm::Isotropic, n, 1), shared(ColumnForm::Isotropic, m, 1)];
    let mut numbers = Numbers::new(6);
    for scales in [[1.0, 1e-12], [1e-12, 1.0], [1.0, 1.0]] {
        let told = messages(&layouts, scales, &mut numbers);
        let told = [&told[0], &told[1]];
        let expected = beliefs(&factor(&matrix, Solver::Svd), told, [true; 2]).unwrap();
        let solver = Solver::Iterative(exact());
        let found = beliefs(&factor(&matrix, solver), told, [true; 2]).unwrap();
        compare(&found, &expected, 1e-12);
        for port in [0, 1] {
            assert!(found[port].standard_error() < 1e-12, "nothing is left to chance");
            let [found, expected] = [&found, &expected].map(|b| b[port].gain().unwrap());
            let error = distance(found.natural.as_slice(), expected.natural.as_slice());
            assert!(error < 1e-8, "natural gained at port {port}, scales {scales:?}: {error:e}");
            let error = distance(&found.precision, &expected.precision);
            assert!(error < 1e-8, "precision gained at port {port}, scales {scales:?}: {error:e}");
        }
    }
}

#[test]
fn two_probes_of_two_steps_leave_variances_positive_and_gains_within_the_cavity() {
    let mut numbers = Numbers::new(7);
    let layouts = [shared(ColumnForm::Isotropic, 60, 1), shared(ColumnForm::Isotropic, 40, 1)];
    for seed in 0..50 {
        let (operator, _) = sparse(40, 60, &mut numbers);
        let options = Iterative::default().with_probes(2).with_steps(2).with_seed(seed);
        let factor = LinearFactor::new(operator).with_solver(Solver::Iterative(options));
        for scales in [[1e-6, 1.0], [1.0, 1.0], [1.0, 1e-6]] {
            let told = messages(&layouts, scales, &mut numbers);
            let found = beliefs(&factor, [&told[0], &told[1]], [true; 2]).unwrap();
            for (port, belief) in found.iter().enumerate() {
                let (cavity, variance) =
                    (told[port].precision().block(0)[0], belief.covariances()[0]);
                assert!(variance > 0.0 && variance * cavity < 1.0, "{variance:e} {cavity:e}");
                assert!(belief.gain().unwrap().precision[0] > 0.0);
            }
        }
    }
}

#[test]
fn known_rows_constrain_the_others() {
    let mut numbers = Numbers::new(8);
    for (m, n, d) in [(30, 50, 1), (30, 50, 2), (40, 40, 1), (50, 30, 2)] {
        let (operator, dense) = sparse(m, n, &mut numbers);
        let layouts = [shared(ColumnForm::Isotropic, n, d), shared(ColumnForm::Isotropic, m, d)];
        let told = messages(&layouts, [1.0; 2], &mut numbers);
        let x = numbers.rows(n, d);
        let mut z = Rows::zeros(m, d);
        dense.apply(x.as_slice(), z.as_mut_slice(), d);
        let [known_x, known_z] = [known(&x), known(&z)];
        let factors = [
            LinearFactor::new(operator).with_solver(Solver::Iterative(exact())),
            LinearFactor::new(dense).with_solver(Solver::Svd),
        ];
        for pair in [[&known_x, &told[1]], [&told[0], &known_z]] {
            let [found, expected] =
                [&factors[0], &factors[1]].map(|f| beliefs(f, pair, [true; 2]).unwrap());
            for port in [0, 1] {
                let error =
                    distance(found[port].mean().as_slice(), expected[port].mean().as_slice());
                assert!(error < 1e-8, "{m} x {n}, port {port}: {error:e}");
                assert_eq!(found[port].is_known(0), expected[port].is_known(0));
                let error = distance(found[port].covariances(), expected[port].covariances());
                assert!(
                    found[port].is_known(0) || error < 1e-12,
                    "{m} x {n}, port {port}: {error:e}"
                );
            }
        }
    }
}

#[test]
fn what_is_not_solved_is_said() {
    let mut numbers = Numbers::new(9);
    let matrix = numbers.matrix(40, 40, 40);
    let layouts = [shared(ColumnForm::Isotropic, 40, 1), shared(ColumnForm::Isotropic, 40, 1)];
    let told = messages(&layouts, [1e-6, 1.0], &mut numbers);
    let few = factor(&matrix, Solver::Iterative(Iterative::default().with_limit(3)));
    let error = beliefs(&few, [&told[0], &told[1]], [true; 2]).unwrap_err();
    let Breakdown::Unsolved { iterations: 3, residual } = error else { panic!("{error:?}") };
    assert!(residual > 1e-9 && residual < 2.0, "{residual:e}");
    assert!(error.to_string().ends_with("after 3 iterations"), "{error}");
    let bad = [
        (Iterative::default().with_tolerance(0.0), "tolerance"),
        (Iterative::default().with_tolerance(f64::NAN), "tolerance"),
        (Iterative::default().with_limit(0), "limit"),
        (Iterative::default().with_probes(1), "probes"),
        (Iterative::default().with_steps(1), "steps"),
    ];
    for (options, name) in bad {
        match factor(&matrix, Solver::Iterative(options)).ready(&layouts) {
            Err(Unready::Option { option, .. }) => assert_eq!(option, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn what_is_too_large_to_be_built_is_iterated() {
    let mut numbers = Numbers::new(10);
    let (operator, _) = sparse(20, 30, &mut numbers);
    let large = LinearFactor::new(operator.clone()).with_matrix_limit(599);
    assert_eq!(large.decomposed_by(), Ok(Solver::Iterative(Iterative::default())));
    assert!(large.singular_values().unwrap().is_empty());
    let whole = LinearFactor::new(operator).with_matrix_limit(600);
    assert!(matches!(whole.decomposed_by(), Ok(Solver::Svd | Solver::Gram)));
    let [estimate, own] = [large, whole].map(|factor| factor.spectrum().unwrap());
    assert!((estimate.ratio() - own.ratio()).abs() < 1e-15);
    // Twenty steps from each probe: the mean square is that of eight probes.
    let error = estimate.mean_square() / own.mean_square() - 1.0;
    assert!(error.abs() < 0.2, "{error}");
}

#[test]
fn operators_of_nothing_and_of_too_much() {
    let layouts = [shared(ColumnForm::Isotropic, 3, 1), shared(ColumnForm::Isotropic, 2, 1)];
    let told = messages(&layouts, [1.0; 2], &mut Numbers::new(11));
    let told = [&told[0], &told[1]];
    let iterating = |entries: &[_]| {
        let operator = Sparse::from_triplets(2, 3, entries).unwrap();
        LinearFactor::new(operator).with_solver(Solver::Iterative(Iterative::default()))
    };
    let found = beliefs(&iterating(&[]), told, [true; 2]).unwrap();
    assert!(found[1].is_known(0) && found[1].mean().norm_squared() == 0.0);
    let gamma = told[0].precision().block(0)[0];
    let mean: Vec<f64> = told[0].natural().as_slice().iter().map(|n| n / gamma).collect();
    let error = distance(found[0].mean().as_slice(), &mean);
    assert!(
        error < 1e-14 && found.iter().all(|belief| belief.standard_error() == 0.0),
        "{error:e}"
    );
    let overflowing = iterating(&[(0, 0, 1e300), (1, 1, 1e300), (0, 2, 1e300)]);
    assert_eq!(beliefs(&overflowing, told, [true; 2]).unwrap_err(), Breakdown::Factorisation);
}
