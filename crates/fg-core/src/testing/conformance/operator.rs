//! An operator and its adjoint belong together, are linear, and are what they say of themselves.

use super::laws::{Applies, given};
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

/// An operator, and the numbers of columns that its products are tried on.
pub(super) struct Map<'a> {
    operator: &'a dyn LinearOperator,
    columns: [usize; 2],
}

impl<'a> Map<'a> {
    pub(super) fn new(operator: &'a dyn LinearOperator, d: usize) -> Self {
        // One column may take a shorter way, and several a loop.
        Self { operator, columns: [1, d.max(3)] }
    }

    pub(super) fn realised(&self) -> Applies {
        given(self.operator.is_realised(), "it isn't realised")
    }

    pub(super) fn stored(&self) -> Applies {
        self.realised()?;
        given(self.operator.dense().is_some(), "it stores no matrix")
    }

    pub(super) fn spectral(&self) -> Applies {
        given(self.operator.spectrum().is_some(), "its spectrum isn't known")
    }

    fn products(&self) -> impl Iterator<Item = Products<'_>> {
        self.columns.into_iter().map(|columns| Products { operator: self.operator, columns })
    }

    /// The product with the unit vector of input `k`.
    fn column(&self, k: usize) -> Vec<f64> {
        let mut unit = vec![0.0; self.operator.inputs()];
        unit[k] = 1.0;
        Products { operator: self.operator, columns: 1 }.apply(&unit)
    }

    /// Rounding of a product with values of size `scale`.
    fn rounding(&self, scale: f64) -> f64 {
        ROUNDING * self.operator.inputs().max(self.operator.outputs()) as f64 * scale
    }

    /// Demands that values agree to the rounding of a product.
    fn same(
        &self,
        law: &'static str,
        input: impl Fn() -> String,
        (found, expected): (&[f64], &[f64]),
    ) -> Result<(), Violation> {
        let name = self.operator.name();
        let scale = expected.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
        let mut pairs = found.iter().copied().zip(expected.iter().copied());
        pairs.try_for_each(|pair| demand((&name, law), &input, pair, self.rounding(scale)))
    }
}

/// There is something to hold to laws: products, or at least a spectrum.
pub(super) fn realised(map: &Map<'_>) -> Result<(), Violation> {
    let operator = map.operator;
    let says = operator.is_realised() || operator.spectrum().is_some();
    let input = || "an operator without products must know its spectrum".to_owned();
    demand((&operator.name(), "realised"), input, (f64::from(u8::from(says)), 1.0), 0.0)
}

/// `<A x, z> = <x, A' z>`.
pub(super) fn adjoint(map: &Map<'_>) -> Result<(), Violation> {
    let (m, n, name) = (map.operator.outputs(), map.operator.inputs(), map.operator.name());
    for products in map.products() {
        let columns = products.columns;
        let (x, z) = (values(n * columns, 0.1), values(m * columns, 0.3));
        let dot = |a: &[f64], b: &[f64]| -> (f64, f64) {
            let terms = || a.iter().zip(b).map(|(a, b)| a * b);
            (terms().sum(), terms().map(f64::abs).sum())
        };
        let (left, size) = dot(&products.apply(&x), &z);
        let (right, other) = dot(&products.adjoint(&z), &x);
        let input = || format!("{columns} columns");
        demand((&name, "adjoint"), input, (left, right), ROUNDING * (size + other))?;
    }
    Ok(())
}

/// Both products of a sum are the sum of the products.
pub(super) fn linearity(map: &Map<'_>) -> Result<(), Violation> {
    let (m, n) = (map.operator.outputs(), map.operator.inputs());
    let combine = |a: &[f64], b: &[f64]| -> Vec<f64> {
        a.iter().zip(b).map(|(a, b)| 2.0 * a - 3.0 * b).collect()
    };
    for products in map.products() {
        let columns = products.columns;
        let (x, y) = (values(n * columns, 0.1), values(n * columns, 0.7));
        let (z, w) = (values(m * columns, 0.3), values(m * columns, 0.9));
        let (found, expected) =
            (products.apply(&combine(&x, &y)), combine(&products.apply(&x), &products.apply(&y)));
        map.same("linearity", || format!("A, {columns} columns"), (&found, &expected))?;
        let found = products.adjoint(&combine(&z, &w));
        let expected = combine(&products.adjoint(&z), &products.adjoint(&w));
        map.same("linearity", || format!("the adjoint, {columns} columns"), (&found, &expected))?;
    }
    Ok(())
}

/// Every column is multiplied as if it were alone.
pub(super) fn alone(map: &Map<'_>) -> Result<(), Violation> {
    let (m, n) = (map.operator.outputs(), map.operator.inputs());
    let alone = Products { operator: map.operator, columns: 1 };
    for products in map.products() {
        let columns = products.columns;
        let (x, z) = (values(n * columns, 0.1), values(m * columns, 0.3));
        let (ax, az) = (products.apply(&x), products.adjoint(&z));
        for j in 0..columns {
            let column =
                |v: &[f64]| -> Vec<f64> { v.iter().skip(j).step_by(columns).copied().collect() };
            let at = || format!("column {j} of {columns}");
            map.same("columns alone", at, (&alone.apply(&column(&x)), &column(&ax)))?;
            map.same("columns alone", at, (&alone.adjoint(&column(&z)), &column(&az)))?;
        }
    }
    Ok(())
}

/// The stored matrix is that of the products with unit vectors.
pub(super) fn matrix(map: &Map<'_>) -> Result<(), Violation> {
    const LAW: &str = "matrix";
    let (operator, name) = (map.operator, map.operator.name());
    let Some(stored) = operator.dense() else { return Ok(()) };
    let shape = (stored.nrows() as f64, operator.outputs() as f64);
    demand((&name, LAW), || "rows".to_owned(), shape, 0.0)?;
    let shape = (stored.ncols() as f64, operator.inputs() as f64);
    demand((&name, LAW), || "columns".to_owned(), shape, 0.0)?;
    (0..operator.inputs()).try_for_each(|k| {
        map.column(k).iter().enumerate().try_for_each(|(i, &value)| {
            let entry = stored[(i, k)];
            let input = || format!("entry at row {i}, column {k}");
            demand((&name, LAW), input, (entry, value), ROUNDING * value.abs())
        })
    })
}

/// The squared norm is the sum of the squares of all entries.
pub(super) fn squared_norm(map: &Map<'_>) -> Result<(), Violation> {
    let operator = map.operator;
    let squares = |k: usize| map.column(k).iter().map(|v| v * v).sum::<f64>();
    let norm: f64 = (0..operator.inputs()).map(squares).sum();
    let input = || "products with unit vectors".to_owned();
    let pair = (operator.squared_norm(), norm);
    demand((&operator.name(), "squared norm"), input, pair, NORM * norm)
}

/// The spectrum is that of the operator's shape and norm.
pub(super) fn spectrum(map: &Map<'_>) -> Result<(), Violation> {
    let (operator, name) = (map.operator, map.operator.name());
    let (m, n) = (operator.outputs() as f64, operator.inputs() as f64);
    let Some(spectrum) = operator.spectrum() else { return Ok(()) };
    let label = (&*name, "spectrum");
    // Sizes are whole numbers.
    demand(label, || "ratio".to_owned(), (spectrum.ratio(), m / n), 1.0 / n)?;
    let (power, norm) = (m * spectrum.output_power(), operator.squared_norm());
    demand(label, || "squared norm".to_owned(), (power, norm), NORM * norm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rows;
    use crate::evolution::Spectrum;
    use crate::operator::{
        Chain, Complex, Cosine, Dense, Ensemble, Fourier, Hadamard, Identity, Permutation, Signs,
        Sparse, Spectral, Wavelet,
    };
    use crate::testing::{Subject, check};

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

    fn verdict(operator: &dyn LinearOperator) -> Result<(), Violation> {
        check(Subject::operator(operator), 1)
    }

    #[test]
    fn operators_that_come_with_the_crate_pass() {
        for (m, n) in [(1, 1), (3, 7), (8, 5)] {
            let entry = |i: usize, j: usize| ((3 * i + 5 * j * j) as f64 + 0.3).sin();
            let dense = Dense::from_rows(&Rows::from_fn(m, n, entry)).unwrap();
            assert_eq!(verdict(&dense), Ok(()));
            let few = |e: usize| (e / n, e % n, entry(e / n, e % n));
            let entries: Vec<_> = (0..m * n).step_by(3).map(few).collect();
            assert_eq!(verdict(&Sparse::from_triplets(m, n, &entries).unwrap()), Ok(()));
            let parts = [0, 40].map(|k| Rows::from_fn(m, n, |i, j| entry(i + k, j)));
            let complex = Complex::from_parts(&parts[0], &parts[1]).unwrap();
            assert_eq!(verdict(&complex), Ok(()));
        }
        for ratio in [0.3, 1.0, 2.5] {
            let spectrum = Spectrum::marchenko_pastur(ratio).unwrap();
            assert_eq!(verdict(&Ensemble::new(400, spectrum.clone())), Ok(()));
            assert_eq!(verdict(&Ensemble::complex(200, spectrum)), Ok(()));
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
        assert_eq!(verdict(&wide), Ok(()));
        let tall = Spectral::new(Cosine::new(7).unwrap(), singular, Identity::new(4)).unwrap();
        assert_eq!(verdict(&tall), Ok(()));
        let rows = Spectral::rows_of(Cosine::image(3, 5).unwrap(), &[14, 0, 7]).unwrap();
        assert_eq!(verdict(&rows), Ok(()));
        let frequencies =
            Spectral::rows_of(Fourier::image(3, 4).unwrap(), &[4, 5, 22, 23]).unwrap();
        assert_eq!(verdict(&frequencies), Ok(()));
        let blur = Rows::from_fn(2, 3, |i, j| (i + 2 * j) as f64);
        let convolutions = [
            Spectral::convolution(&[1.0, -0.5, 0.25], 7).unwrap(),
            Spectral::convolution(&[0.5, 0.5], 6).unwrap(),
            Spectral::image_convolution(&blur, 4, 6).unwrap(),
        ];
        for operator in &convolutions {
            assert_eq!(verdict(operator), Ok(()));
        }
    }

    #[test]
    fn each_error_is_found() {
        let law = |adjoint: f64, writes_all: bool, norm: f64| {
            let operator = Differences { adjoint, writes_all, norm };
            verdict(&operator).err().map(|v| v.law)
        };
        assert_eq!(law(1.0, true, 8.0), None);
        assert_eq!(law(1.001, true, 8.0), Some("adjoint"));
        assert_eq!(law(1.0, false, 8.0), Some("adjoint"));
        assert_eq!(law(1.0, true, 8.1), Some("squared norm"));
    }
}
