//! A sparse regression that learns its noise and sparsity, against the cross-validated LASSO on rows of real data held out.

use fg_core::operator::Dense;
use fg_core::{Options, Rows};
use fg_denoisers::L2;
use fg_models::baseline::Lasso;
use fg_models::linear;
use fg_models::metrics::Quartiles;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

/// Splits of the rows, a quarter of which is held out.
const SPLITS: u64 = 4;
const FOLDS: usize = 5;

/// Ten measurements of 442 patients with their squares (but of the sex) and products, and the progression of their
/// diabetes: see `examples/data/README.md`.
fn diabetes() -> (Rows, Vec<f64>) {
    let text = include_str!("../../examples/data/diabetes.csv");
    let number = |field: &str| field.trim().parse::<f64>().unwrap();
    let rows: Vec<Vec<f64>> =
        text.lines().skip(1).map(|line| line.split(',').map(number).collect()).collect();
    let d = rows[0].len() - 1;
    let two_values = |j: usize| rows.iter().all(|row| (row[j] - 1.0) * (row[j] - 2.0) == 0.0);
    let mut columns: Vec<Vec<f64>> = Vec::new();
    let of = |value: &dyn Fn(&[f64]) -> f64| standardised(rows.iter().map(|row| value(row)));
    for i in 0..d {
        columns.push(of(&|row| row[i]));
    }
    for i in 0..d {
        for j in i..d {
            if i != j || !two_values(i) {
                let product: Vec<f64> =
                    columns[i].iter().zip(&columns[j]).map(|(a, b)| a * b).collect();
                columns.push(product);
            }
        }
    }
    let inputs = Rows::from_fn(rows.len(), columns.len(), |i, j| columns[j][i]);
    (inputs, rows.iter().map(|row| row[d]).collect())
}

fn standardised(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let (mean, deviation) = moments(&values);
    values.into_iter().map(|v| (v - mean) / deviation).collect()
}

fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (mean, (square / values.len() as f64).sqrt())
}

/// Errors of the sparse regression, the LASSO and least squares on rows held out, over the variance of the target.
fn errors(inputs: &Rows, target: &[f64], seed: u64) -> [f64; 3] {
    let mut rows: Vec<usize> = (0..target.len()).collect();
    rows.shuffle(&mut Pcg64::seed_from_u64(seed));
    let (test, training) = rows.split_at(target.len().div_ceil(4));
    // Columns and target in units of the rows of the training.
    let of = |value: &dyn Fn(usize) -> f64| {
        moments(&training.iter().map(|&i| value(i)).collect::<Vec<f64>>())
    };
    let scales: Vec<(f64, f64)> = (0..inputs.columns()).map(|j| of(&|i| inputs[(i, j)])).collect();
    let (mean, deviation) = of(&|i| target[i]);
    let part = |rows: &[usize]| {
        let x = Rows::from_fn(rows.len(), scales.len(), |i, j| {
            (inputs[(rows[i], j)] - scales[j].0) / scales[j].1
        });
        (x, Rows::column(rows.iter().map(|&i| (target[i] - mean) / deviation).collect()))
    };
    let ((x, y), (new, truth)) = (part(training), part(test));
    let error = |coefficients: &[f64]| {
        let column = Rows::column(coefficients.to_vec());
        linear::outputs(&Dense::from_rows(&new).unwrap(), &column).mean_squared_error(&truth)
    };
    let operator = || Dense::from_rows(&x).unwrap();
    let options = Options::default().with_damping(0.5).with_max_sweeps(1000);
    let sparse = linear::sparse(operator(), y.clone()).unwrap().fit(&options, &mut ()).unwrap();
    assert!(sparse.report().status.is_usable(), "{seed}: {}", sparse.report());
    let lasso = Lasso::cross_validated(&x, y.as_slice(), FOLDS).unwrap();
    let plain = linear::graph(operator(), y, L2::new(0.0).unwrap(), 1.0).unwrap();
    let plain = plain.fit(&Options::default(), &mut ()).unwrap();
    [sparse.estimate().as_slice(), &lasso.coefficients, plain.estimate().as_slice()].map(error)
}

/// As good as the LASSO to two percent in the median of the splits, whose errors scatter by ten percent together, and better
/// than least squares.
#[test]
fn held_out_rows_of_real_data() {
    const WORSE: f64 = 1.02;
    let (inputs, target) = diabetes();
    assert_eq!(inputs.shape(), (442, 64), "ten columns, nine squares, 45 products");
    let found: Vec<[f64; 3]> = (0..SPLITS).map(|seed| errors(&inputs, &target, seed)).collect();
    let median = |ratio: &dyn Fn(&[f64; 3]) -> f64| {
        Quartiles::of(&found.iter().map(ratio).collect::<Vec<f64>>()).unwrap().median
    };
    let (lasso, plain) = (median(&|e| e[0] / e[1]), median(&|e| e[0] / e[2]));
    assert!(lasso < WORSE, "{lasso} of the error of the LASSO: {found:?}");
    assert!(plain < 1.0, "{plain} of the error of least squares: {found:?}");
}
