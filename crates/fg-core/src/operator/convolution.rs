//! Periodic convolutions, whose singular vectors are waves.

use faer::c64;

use super::orthogonal::Plane;
use super::{Chain, Hartley, OperatorError, Orthogonal, Spectral};
use crate::rows::Rows;

impl Spectral {
    /// Periodic convolution of signals of `size` entries:
    ///
    /// ```text
    /// z_i = sum_t kernel_t x_(i - t)        indices modulo size
    /// ```
    ///
    /// Its singular values are the moduli of the kernel's Fourier transform, and no decomposition is needed. The basis is one of
    /// waves, not a random one: beliefs are exact, but state evolution, which assumes that, is only as good as the waves look
    /// random to what is known of `x`.
    ///
    /// # Errors
    /// [`OperatorError`] without entries or kernel, or when the kernel isn't finite.
    ///
    /// ```
    /// use fg_core::operator::{LinearOperator, Spectral};
    /// let difference = Spectral::convolution(&[1.0, -1.0], 4)?;
    /// let (x, mut z) = ([1.0, 3.0, 3.0, 2.0], [0.0; 4]);
    /// difference.apply(&x, &mut z, 1);
    /// assert!((z[1] - 2.0).abs() < 1e-15 && (z[0] + 1.0).abs() < 1e-15);
    /// # Ok::<(), fg_core::operator::OperatorError>(())
    /// ```
    pub fn convolution(kernel: &[f64], size: usize) -> Result<Self, OperatorError> {
        let kernel = Rows::from_fn(1, kernel.len(), |_, t| kernel[t]);
        periodic(&kernel, (0, 0), (None, size))
    }

    /// Periodic convolution of pictures, one row of `width` pixels after the other, around the middle of the kernel:
    ///
    /// ```text
    /// z_(i, j) = sum_(s, t) kernel_(s, t) x_(i - s + h / 2, j - t + w / 2)        kernel h x w, halves rounded down
    /// ```
    ///
    /// # Errors
    /// As [`convolution`](Self::convolution).
    ///
    /// ```
    /// use fg_core::{Rows, operator::{LinearOperator, Spectral}};
    /// let blur = Spectral::image_convolution(&Rows::from_fn(3, 3, |_, _| 1.0 / 9.0), 8, 8)?;
    /// let mut z = [0.0; 64];
    /// blur.apply(&[1.0; 64], &mut z, 1);
    /// assert!((z[0] - 1.0).abs() < 1e-14);
    /// # Ok::<(), fg_core::operator::OperatorError>(())
    /// ```
    pub fn image_convolution(
        kernel: &Rows,
        height: usize,
        width: usize,
    ) -> Result<Self, OperatorError> {
        periodic(kernel, (kernel.rows() / 2, kernel.columns() / 2), (Some(height), width))
    }
}

/// What is left by rounding of a frequency that the kernel doesn't pass, for each doubling of the size and relative to the
/// sum of the kernel's moduli, at most; such frequencies are lost exactly.
const ROUNDING: f64 = f64::EPSILON;

/// `H P |K| H` by the Hartley transform `H`: at the frequencies `(f, -f)` a convolution is the rotation and scaling
/// `[Re K, -Im K; Im K, Re K]`, `K` the kernel's Fourier transform at `f`.
fn periodic(
    kernel: &Rows,
    middle: (usize, usize),
    (height, width): (Option<usize>, usize),
) -> Result<Spectral, OperatorError> {
    let (rows, columns) = kernel.shape();
    if rows * columns == 0 {
        return Err(OperatorError::Empty { rows, columns });
    }
    if let Some((row, column)) = kernel.first_non_finite() {
        return Err(OperatorError::NotFinite { row, column, value: kernel[(row, column)] });
    }
    let plane = Plane::new(height, width)?;
    let (n, lines) = (plane.size(), plane.height());
    let mut transform = vec![c64::new(0.0, 0.0); n];
    for s in 0..rows {
        for t in 0..columns {
            // What reaches beyond the picture comes back on its other side.
            let i = (s + lines * rows - middle.0) % lines;
            let j = (t + width * columns - middle.1) % width;
            transform[i * width + j].re += kernel[(s, t)];
        }
    }
    plane.sums(&mut transform);
    let total: f64 = kernel.as_slice().iter().map(|k| k.abs()).sum();
    let lost = ROUNDING * (1.0 + (n as f64).log2()) * total;
    let mut phases = Phases { size: n, pairs: Vec::new() };
    let mut singular = vec![0.0; n];
    for f in 0..n {
        let opposite = (lines - f / width) % lines * width + (width - f % width) % width;
        if opposite < f {
            continue;
        }
        let value = transform[f];
        // The transform of a real kernel is real where a frequency is its own opposite.
        let imaginary = if opposite == f { 0.0 } else { value.im };
        let modulus = value.re.hypot(imaginary);
        if modulus > lost {
            (singular[f], singular[opposite]) = (modulus, modulus);
            let turn = [value.re / modulus, imaginary / modulus];
            phases.pairs.push(Turn { first: f, second: opposite, turn });
        }
    }
    let waves = || match height {
        None => Hartley::new(width),
        Some(height) => Hartley::image(height, width),
    };
    Spectral::new(Chain::new(phases).then(waves()?)?, singular, waves()?)
}

/// Rotations of pairs of coefficients.
#[derive(Debug)]
struct Phases {
    size: usize,
    pairs: Vec<Turn>,
}

/// By the angle whose cosine and sine are `turn`; of one coefficient, where both are the same, its sign.
#[derive(Debug)]
struct Turn {
    first: usize,
    second: usize,
    turn: [f64; 2],
}

impl Phases {
    fn rotate(&self, x: &mut [f64], direction: f64) {
        for &Turn { first, second, turn: [cos, sin] } in &self.pairs {
            let (a, b) = (x[first], x[second]);
            x[second] = cos * b + direction * sin * a;
            // Last, for a coefficient without partner: its sine is zero.
            x[first] = cos * a - direction * sin * b;
        }
    }
}

impl Orthogonal for Phases {
    fn size(&self) -> usize {
        self.size
    }

    fn apply(&self, x: &mut [f64]) {
        self.rotate(x, 1.0);
    }

    fn apply_adjoint(&self, x: &mut [f64]) {
        self.rotate(x, -1.0);
    }

    fn name(&self) -> String {
        "phases".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::LinearOperator;
    use super::*;

    /// The convolution by its definition.
    fn by_hand(kernel: &Rows, middle: (usize, usize), x: &Rows) -> Rows {
        let (height, width) = x.shape();
        let at = |i: usize, s: usize, m: usize, n: usize| {
            let [i, s, m, n] = [i, s, m, n].map(|v| i64::try_from(v).unwrap());
            usize::try_from((i - s + m).rem_euclid(n)).unwrap()
        };
        Rows::from_fn(height, width, |i, j| {
            let mut sum = 0.0;
            for s in 0..kernel.rows() {
                for t in 0..kernel.columns() {
                    let place = (at(i, s, middle.0, height), at(j, t, middle.1, width));
                    sum += kernel[(s, t)] * x[place];
                }
            }
            sum
        })
    }

    fn wavy(rows: usize, columns: usize) -> Rows {
        Rows::from_fn(rows, columns, |i, j| (0.4 + 1.3 * i as f64 + (j * j) as f64).sin())
    }

    #[test]
    fn sums_are_as_defined() {
        // Kernels longer than the signal go around it.
        for (taps, n) in [(1, 1), (3, 8), (4, 7), (9, 5), (2, 2)] {
            let (kernel, x) = (wavy(1, taps), wavy(1, n));
            let operator = Spectral::convolution(kernel.as_slice(), n).unwrap();
            let mut z = vec![f64::NAN; n];
            operator.apply(x.as_slice(), &mut z, 1);
            for (found, expected) in z.iter().zip(by_hand(&kernel, (0, 0), &x).as_slice()) {
                assert!((found - expected).abs() < 1e-13, "{taps} taps of {n}");
            }
        }
        for (shape, (height, width)) in
            [((3, 3), (4, 6)), ((2, 5), (7, 5)), ((1, 1), (1, 3)), ((5, 2), (3, 8))]
        {
            let (kernel, x) = (wavy(shape.0, shape.1), wavy(height, width));
            let operator = Spectral::image_convolution(&kernel, height, width).unwrap();
            let expected = by_hand(&kernel, (shape.0 / 2, shape.1 / 2), &x);
            let mut z = vec![f64::NAN; height * width];
            operator.apply(x.as_slice(), &mut z, 1);
            for (found, expected) in z.iter().zip(expected.as_slice()) {
                assert!((found - expected).abs() < 1e-13, "{shape:?} over {height} x {width}");
            }
        }
    }

    #[test]
    fn frequencies_that_are_lost_have_no_singular_value() {
        let average = Spectral::convolution(&[0.5, 0.5], 6).unwrap();
        let lost = average.singular_values().iter().filter(|s| **s == 0.0).count();
        assert_eq!(lost, 1);
        assert!(average.singular_values().iter().all(|s| *s < 1.0 + 1e-15));
    }

    #[test]
    fn bad_kernels_are_refused() {
        let empty = Spectral::convolution(&[], 4).unwrap_err();
        assert_eq!(empty, OperatorError::Empty { rows: 1, columns: 0 });
        let nan = Spectral::convolution(&[1.0, f64::NAN], 4).unwrap_err();
        assert!(matches!(nan, OperatorError::NotFinite { row: 0, column: 1, .. }));
        assert!(Spectral::convolution(&[1.0], 0).is_err());
    }
}
