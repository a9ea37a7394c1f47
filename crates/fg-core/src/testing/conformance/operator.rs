//! An operator and its adjoint belong together, are linear, and are what they say of themselves.

use super::{Violation, demand};
use crate::operator::LinearOperator;

/// Rounding of a sum, relative to the sum of the absolute values of its terms.
const ROUNDING: f64 = 1e-12;
/// Rounding of a squared norm, or of one that is known from a law of continuous values.
const NORM: f64 = 1e-9;

/// Values of order one that follow no pattern.
fn values(len: usize, seed: f64) -> Vec<f64> {
    (0..len).map(|k| ((k * k + 3 * k) as f64 + seed).sin()).collect()
}

/// Both products, into buffers full of NaN.
struct Products<'a> {
    operator: &'a dyn LinearOperator,
    columns: usize,
}

impl Products<'_> {
    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let mut z = vec![f64::NAN; self.operator.outputs() * self.columns];
        self.operator.apply(x, &mut z, self.columns);
        z
    }

    fn adjoint(&self, z: &[f64]) -> Vec<f64> {
        let mut x = vec![f64::NAN; self.operator.inputs() * self.columns];
        self.operator.apply_adjoint(z, &mut x, self.columns);
        x
    }
}

/// Holds an operator to its laws, on rows of one column and of three: `<A x, z> = <x, A' z>`, linearity of both products, every
/// column as if it were alone, all of the output written, the stored matrix and the squared norm those of the products, and the
/// spectrum of its own shape and norm. Takes a product with each unit vector: for operators of moderate size. One that isn't
/// realised is held to what it says of its norm alone.
///
/// # Errors
/// The first [`Violation`].
pub fn check_operator(operator: &dyn LinearOperator) -> Result<(), Violation> {
    const LAW: &str = "operator";
    let (m, n, name) = (operator.outputs(), operator.inputs(), operator.name());
    let label = (&*name, LAW);
    if operator.is_realised() {
        for columns in [1, 3] {
            linear(operator, columns, label)?;
        }
        matrix(operator, label)?;
    }
    let Some(spectrum) = operator.spectrum() else { return Ok(()) };
    let ratio = (spectrum.ratio(), m as f64 / n as f64);
    // Sizes are whole numbers.
    demand(label, || "ratio of the spectrum".to_owned(), ratio, 1.0 / n as f64)?;
    let power = m as f64 * spectrum.output_power();
    let norm = operator.squared_norm();
    demand(label, || "norm of the spectrum".to_owned(), (power, norm), NORM * norm)
}

fn linear(
    operator: &dyn LinearOperator,
    columns: usize,
    label: (&str, &'static str),
) -> Result<(), Violation> {
    let (m, n) = (operator.outputs(), operator.inputs());
    let products = Products { operator, columns };
    let (x, y) = (values(n * columns, 0.1), values(n * columns, 0.7));
    let (z, w) = (values(m * columns, 0.3), values(m * columns, 0.9));
    let (ax, az) = (products.apply(&x), products.adjoint(&z));
    let dot = |a: &[f64], b: &[f64]| -> (f64, f64) {
        let terms = || a.iter().zip(b).map(|(a, b)| a * b);
        (terms().sum(), terms().map(f64::abs).sum())
    };
    let ((left, size), (right, other)) = (dot(&ax, &z), dot(&az, &x));
    let input = || format!("adjoint identity, {columns} columns");
    demand(label, input, (left, right), ROUNDING * (size + other))?;

    let combine = |a: &[f64], b: &[f64]| -> Vec<f64> {
        a.iter().zip(b).map(|(a, b)| 2.0 * a - 3.0 * b).collect()
    };
    let (ay, aw) = (products.apply(&y), products.adjoint(&w));
    let sides = [
        ("A", products.apply(&combine(&x, &y)), combine(&ax, &ay)),
        ("the adjoint", products.adjoint(&combine(&z, &w)), combine(&az, &aw)),
    ];
    for (side, found, expected) in &sides {
        let scale = expected.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
        let input = || format!("linearity of {side}, {columns} columns");
        found.iter().zip(expected).try_for_each(|(f, e)| {
            demand(label, input, (*f, *e), ROUNDING * n.max(m) as f64 * scale)
        })?;
    }

    let alone = Products { operator, columns: 1 };
    for j in 0..columns {
        let column =
            |v: &[f64]| -> Vec<f64> { v.iter().skip(j).step_by(columns).copied().collect() };
        let pairs =
            [(alone.apply(&column(&x)), column(&ax)), (alone.adjoint(&column(&z)), column(&az))];
        for (found, expected) in &pairs {
            let scale = expected.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
            let input = || format!("column {j} of {columns} alone");
            found.iter().zip(expected).try_for_each(|(f, e)| {
                demand(label, input, (*f, *e), ROUNDING * n.max(m) as f64 * scale)
            })?;
        }
    }
    Ok(())
}

/// The matrix of products with unit vectors, with the one that is stored and the norm that is claimed.
fn matrix(operator: &dyn LinearOperator, label: (&str, &'static str)) -> Result<(), Violation> {
    let products = Products { operator, columns: 1 };
    let (stored, mut norm) = (operator.dense(), 0.0);
    if let Some(stored) = stored {
        let shape = (stored.nrows() as f64, operator.outputs() as f64);
        demand(label, || "rows of the matrix".to_owned(), shape, 0.0)?;
        let shape = (stored.ncols() as f64, operator.inputs() as f64);
        demand(label, || "columns of the matrix".to_owned(), shape, 0.0)?;
    }
    for k in 0..operator.inputs() {
        let mut unit = vec![0.0; operator.inputs()];
        unit[k] = 1.0;
        let column = products.apply(&unit);
        norm += column.iter().map(|v| v * v).sum::<f64>();
        for (i, &value) in column.iter().enumerate() {
            let entry = stored.map_or(value, |stored| stored[(i, k)]);
            let input = || format!("entry at row {i}, column {k}");
            demand(label, input, (value, entry), ROUNDING * entry.abs())?;
        }
    }
    demand(label, || "squared norm".to_owned(), (operator.squared_norm(), norm), NORM * norm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rows;
    use crate::evolution::Spectrum;
    use crate::operator::{
        Chain, Complex, Cosine, Dense, Ensemble, Hadamard, Identity, Permutation, Signs, Spectral,
        Wavelet,
    };

    /// The difference of neighbours, with errors put in.
    #[derive(Debug)]
    struct Differences {
        adjoint: f64,
        writes_all: bool,
        norm: f64,
    }

    impl LinearOperator for Differences {
        fn outputs(&self) -> usize {
            4
        }

        fn inputs(&self) -> usize {
            5
        }

        fn apply(&self, x: &[f64], z: &mut [f64], columns: usize) {
            for (k, z) in z.iter_mut().enumerate() {
                if self.writes_all || k > 0 {
                    *z = x[k + columns] - x[k];
                }
            }
        }

        fn apply_adjoint(&self, z: &[f64], x: &mut [f64], columns: usize) {
            x.fill(0.0);
            for (k, z) in z.iter().enumerate() {
                x[k + columns] += z;
                x[k] -= self.adjoint * z;
            }
        }

        fn squared_norm(&self) -> f64 {
            self.norm
        }

        fn name(&self) -> String {
            "differences".to_owned()
        }
    }

    #[test]
    fn operators_that_come_with_the_crate_pass() {
        for (m, n) in [(1, 1), (3, 7), (8, 5)] {
            let entry = |i: usize, j: usize| ((3 * i + 5 * j * j) as f64 + 0.3).sin();
            let dense = Dense::from_rows(&Rows::from_fn(m, n, entry)).unwrap();
            assert_eq!(check_operator(&dense), Ok(()));
            let parts = [0, 40].map(|k| Rows::from_fn(m, n, |i, j| entry(i + k, j)));
            let complex = Complex::from_parts(&parts[0], &parts[1]).unwrap();
            assert_eq!(check_operator(&complex), Ok(()));
        }
        for ratio in [0.3, 1.0, 2.5] {
            let spectrum = Spectrum::marchenko_pastur(ratio).unwrap();
            assert_eq!(check_operator(&Ensemble::new(400, spectrum.clone())), Ok(()));
            assert_eq!(check_operator(&Ensemble::complex(200, spectrum)), Ok(()));
        }
    }

    #[test]
    fn fast_factors_pass() {
        let singular = vec![2.0, 1.0, 0.5, 0.0];
        let wavelet = Wavelet::image(4, 6, 1).unwrap();
        let signs = Signs::new((0..4).map(|k| k % 3 == 0).collect());
        let left = Chain::new(signs).then(Hadamard::new(4).unwrap()).unwrap();
        let reversed = Permutation::new((0..24).rev().collect()).unwrap();
        let right = Chain::new(wavelet).then(reversed).unwrap();
        let wide = Spectral::new(left, singular.clone(), right).unwrap();
        assert_eq!(check_operator(&wide), Ok(()));
        let tall = Spectral::new(Cosine::new(7).unwrap(), singular, Identity::new(4)).unwrap();
        assert_eq!(check_operator(&tall), Ok(()));
        let rows = Spectral::rows_of(Cosine::image(3, 5).unwrap(), &[14, 0, 7]).unwrap();
        assert_eq!(check_operator(&rows), Ok(()));
    }

    #[test]
    fn each_error_is_found() {
        let input = |adjoint: f64, writes_all: bool, norm: f64| {
            check_operator(&Differences { adjoint, writes_all, norm }).err().map(|v| v.input)
        };
        assert_eq!(input(1.0, true, 8.0), None);
        assert_eq!(input(1.001, true, 8.0).as_deref(), Some("adjoint identity, 1 columns"));
        assert_eq!(input(1.0, false, 8.0).as_deref(), Some("adjoint identity, 1 columns"));
        assert_eq!(input(1.0, true, 8.1).as_deref(), Some("squared norm"));
    }
}
