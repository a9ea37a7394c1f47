//! Fourier transforms of complex signals and pictures, and of real ones.

use faer::c64;
use fg_linalg::fourier::FourierSums;

use super::super::OperatorError;
use super::Orthogonal;

/// The unitary Fourier transform of `n` complex numbers, as an orthogonal matrix of their `2 n` parts `re, im, re, im, ..`:
///
/// ```text
/// (Q x)_k = n^(-1/2) sum_j x_j exp(-2 pi i j k / n)
/// ```
///
/// of a signal, or of the rows and columns of a picture. A variable of two columns holds complex numbers in this order, and
/// [`LinearEntries`](crate::factor::LinearEntries) applies operators to it; magnetic resonance measures rows of this matrix.
///
/// Time: `O(n log n)`, for any `n`.
///
/// ```
/// use fg_core::operator::{Fourier, LinearOperator, Orthogonal, Spectral};
/// let mut x = [1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0];
/// Fourier::new(4)?.apply(&mut x);
/// assert!((x[2] - 1.0).abs() < 1e-15 && x[0].abs() < 1e-15);
/// // Frequencies 1 and 3 of eight.
/// let rows: Vec<usize> = [1, 3].into_iter().flat_map(|k| [2 * k, 2 * k + 1]).collect();
/// assert_eq!(Spectral::rows_of(Fourier::new(8)?, &rows)?.outputs(), 4);
/// # Ok::<(), fg_core::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fourier {
    plane: Plane,
}

/// The Hartley transform of a signal or a picture of real numbers: the sum of the cosine and sine parts of their Fourier
/// transform, orthogonal, symmetric and its own inverse.
///
/// ```text
/// (Q x)_k = n^(-1/2) sum_j x_j (cos(2 pi j k / n) + sin(2 pi j k / n))
/// ```
///
/// Time: `O(n log n)`, for any `n`.
///
/// ```
/// use fg_core::operator::{Hartley, Orthogonal};
/// let mut x = [0.0, 1.0, 0.0, -1.0];
/// Hartley::new(4)?.apply(&mut x);
/// assert!((x[1] - 1.0).abs() < 1e-15 && (x[3] + 1.0).abs() < 1e-15);
/// # Ok::<(), fg_core::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Hartley {
    plane: Plane,
}

/// Which way a transform goes.
#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Backward,
}

/// Lines along and, of pictures, across.
#[derive(Clone, Debug)]
pub(in crate::operator) struct Plane {
    along: FourierSums,
    across: Option<FourierSums>,
}

impl Plane {
    /// Of one line, or of `height` lines.
    pub(in crate::operator) fn new(
        height: Option<usize>,
        width: usize,
    ) -> Result<Self, OperatorError> {
        let size = height.unwrap_or(1) * width;
        if size == 0 {
            return Err(OperatorError::Empty { rows: size, columns: size });
        }
        Ok(Self { along: FourierSums::new(width), across: height.map(FourierSums::new) })
    }

    pub(in crate::operator) fn size(&self) -> usize {
        self.along.size() * self.height()
    }

    pub(in crate::operator) fn height(&self) -> usize {
        self.across.as_ref().map_or(1, FourierSums::size)
    }

    /// Replaces the values by their sums, without a factor.
    pub(in crate::operator) fn sums(&self, values: &mut [c64]) {
        self.go(values, Direction::Forward);
    }

    fn go(&self, values: &mut [c64], direction: Direction) {
        let zero = c64::new(0.0, 0.0);
        let across = self.across.as_ref();
        let needed = across.map_or(0, FourierSums::memory).max(self.along.memory());
        let mut memory = vec![zero; needed];
        let mut line = |sums: &FourierSums, values: &mut [c64]| match direction {
            Direction::Forward => sums.apply(values, &mut memory),
            Direction::Backward => sums.apply_adjoint(values, &mut memory),
        };
        line(&self.along, values);
        let Some(across) = across else { return };
        let width = self.along.size();
        let mut column = vec![zero; across.size()];
        for j in 0..width {
            column.iter_mut().enumerate().for_each(|(i, c)| *c = values[i * width + j]);
            line(across, &mut column);
            column.iter().enumerate().for_each(|(i, c)| values[i * width + j] = *c);
        }
    }

    fn name(&self, kind: &str) -> String {
        match &self.across {
            None => format!("{kind} transform {}", self.along.size()),
            Some(across) => format!("{kind} transform {} x {}", across.size(), self.along.size()),
        }
    }
}

impl Fourier {
    /// Of signals of `size` complex numbers.
    ///
    /// # Errors
    /// [`OperatorError::Empty`] without numbers.
    pub fn new(size: usize) -> Result<Self, OperatorError> {
        Ok(Self { plane: Plane::new(None, size)? })
    }

    /// Of pictures, one row of `width` complex numbers after the other: along its rows, then along its columns.
    ///
    /// # Errors
    /// [`OperatorError::Empty`] without pixels.
    pub fn image(height: usize, width: usize) -> Result<Self, OperatorError> {
        Ok(Self { plane: Plane::new(Some(height), width)? })
    }

    fn go(&self, x: &mut [f64], direction: Direction) {
        let mut values: Vec<c64> = x.chunks_exact(2).map(|p| c64::new(p[0], p[1])).collect();
        self.plane.go(&mut values, direction);
        let scale = (self.plane.size() as f64).sqrt().recip();
        for (pair, value) in x.chunks_exact_mut(2).zip(&values) {
            (pair[0], pair[1]) = (scale * value.re, scale * value.im);
        }
    }
}

impl Orthogonal for Fourier {
    fn size(&self) -> usize {
        2 * self.plane.size()
    }

    fn apply(&self, x: &mut [f64]) {
        self.go(x, Direction::Forward);
    }

    fn apply_adjoint(&self, x: &mut [f64]) {
        self.go(x, Direction::Backward);
    }

    fn name(&self) -> String {
        self.plane.name("Fourier")
    }
}

impl Hartley {
    /// Of signals of `size` entries.
    ///
    /// # Errors
    /// [`OperatorError::Empty`] without entries.
    pub fn new(size: usize) -> Result<Self, OperatorError> {
        Ok(Self { plane: Plane::new(None, size)? })
    }

    /// Of pictures, one row of `width` pixels after the other, with the angle of both directions together.
    ///
    /// # Errors
    /// [`OperatorError::Empty`] without pixels.
    pub fn image(height: usize, width: usize) -> Result<Self, OperatorError> {
        Ok(Self { plane: Plane::new(Some(height), width)? })
    }
}

impl Orthogonal for Hartley {
    fn size(&self) -> usize {
        self.plane.size()
    }

    fn apply(&self, x: &mut [f64]) {
        let mut values: Vec<c64> = x.iter().map(|&x| c64::new(x, 0.0)).collect();
        self.plane.sums(&mut values);
        let scale = (self.plane.size() as f64).sqrt().recip();
        for (x, value) in x.iter_mut().zip(&values) {
            *x = scale * (value.re - value.im);
        }
    }

    fn apply_adjoint(&self, x: &mut [f64]) {
        self.apply(x);
    }

    fn name(&self) -> String {
        self.plane.name("Hartley")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::f64::consts::TAU;

    fn unit(size: usize, place: usize) -> Vec<f64> {
        let mut x = vec![0.0; size];
        x[place] = 1.0;
        x
    }

    #[test]
    fn entries_are_as_defined() {
        for (height, width) in [(None, 1), (None, 6), (None, 7), (Some(3), 4)] {
            let rows = height.unwrap_or(1);
            let n = rows * width;
            let (fourier, hartley) = match height {
                None => (Fourier::new(width).unwrap(), Hartley::new(width).unwrap()),
                Some(h) => (Fourier::image(h, width).unwrap(), Hartley::image(h, width).unwrap()),
            };
            for j in 0..n {
                let (mut parts, mut real) = (unit(2 * n, 2 * j), unit(n, j));
                fourier.apply(&mut parts);
                hartley.apply(&mut real);
                for k in 0..n {
                    let turn = (j / width * (k / width)) as f64 / rows as f64
                        + (j % width * (k % width)) as f64 / width as f64;
                    let (sin, cos) = (TAU * turn).sin_cos();
                    let scale = (n as f64).sqrt().recip();
                    assert!((parts[2 * k] - scale * cos).abs() < 1e-14, "{height:?} {j} {k}");
                    assert!((parts[2 * k + 1] + scale * sin).abs() < 1e-14, "{height:?} {j} {k}");
                    assert!((real[k] - scale * (cos + sin)).abs() < 1e-14, "{height:?} {j} {k}");
                }
            }
        }
        let nothing = Fourier::new(0).unwrap_err();
        assert_eq!(nothing, OperatorError::Empty { rows: 0, columns: 0 });
        assert!(Hartley::image(3, 0).is_err());
    }
}
