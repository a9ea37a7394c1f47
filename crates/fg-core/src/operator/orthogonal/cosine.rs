//! Cosine transforms of signals and pictures.

use core::fmt;

use fg_linalg::cosine::CosineSums;

use super::Orthogonal;

/// The orthogonal cosine transform (DCT-II) of a signal, or of the rows and columns of a picture:
///
/// ```text
/// (Q x)_k = sqrt(c_k / n) sum_i x_i cos(pi (i + 1/2) k / n)        c_0 = 1, otherwise 2
/// ```
///
/// Time: `O(n log n)`, for any `n`.
///
/// ```
/// use fg_core::operator::{Cosine, Orthogonal};
/// let mut x = [2.0; 4];
/// Cosine::new(4)?.apply(&mut x);
/// assert!((x[0] - 4.0).abs() < 1e-15 && x[1].abs() < 1e-15);
/// # Ok::<(), fg_core::operator::CosineError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cosine {
    /// One for the rows and, of pictures, one for the columns.
    along: CosineSums,
    across: Option<CosineSums>,
}

impl Cosine {
    /// Of signals of `size` entries.
    ///
    /// # Errors
    /// [`CosineError`] without entries.
    pub fn new(size: usize) -> Result<Self, CosineError> {
        Ok(Self { along: plan(size)?, across: None })
    }

    /// Of pictures, one row of `width` pixels after the other: along its rows, then along its columns.
    ///
    /// # Errors
    /// [`CosineError`] without pixels.
    pub fn image(height: usize, width: usize) -> Result<Self, CosineError> {
        Ok(Self { along: plan(width)?, across: Some(plan(height)?) })
    }

    /// `transform` of each row, and of each column by way of the transposed picture.
    fn all(&self, x: &mut [f64], transform: impl Fn(&CosineSums, &mut [f64], &mut [f64])) {
        let across = self.across.as_ref();
        let needed = across.map_or(0, |line| line.memory());
        let mut scratch = vec![0.0; self.along.memory().max(needed)];
        let width = self.along.size();
        for row in x.chunks_exact_mut(width) {
            transform(&self.along, row, &mut scratch);
        }
        let Some(line) = across else { return };
        let mut column = vec![0.0; line.size()];
        for j in 0..width {
            column.iter_mut().enumerate().for_each(|(i, c)| *c = x[i * width + j]);
            transform(line, &mut column, &mut scratch);
            column.iter().enumerate().for_each(|(i, c)| x[i * width + j] = *c);
        }
    }
}

fn plan(size: usize) -> Result<CosineSums, CosineError> {
    if size == 0 {
        return Err(CosineError);
    }
    Ok(CosineSums::new(size))
}

/// Factors of the first coefficient and of the others.
fn scales(size: usize) -> (f64, f64) {
    let constant = (size as f64).sqrt().recip();
    (constant, constant * core::f64::consts::SQRT_2)
}

impl Orthogonal for Cosine {
    fn size(&self) -> usize {
        self.along.size() * self.across.as_ref().map_or(1, |line| line.size())
    }

    fn apply(&self, x: &mut [f64]) {
        self.all(x, |line, x, scratch| {
            line.apply(x, scratch);
            let (first, others) = scales(x.len());
            x.iter_mut().for_each(|x| *x *= others);
            x[0] *= first / others;
        });
    }

    fn apply_adjoint(&self, x: &mut [f64]) {
        self.all(x, |line, x, scratch| {
            let (first, others) = scales(x.len());
            x[0] *= first / others;
            x.iter_mut().for_each(|x| *x *= others);
            line.apply_adjoint(x, scratch);
        });
    }

    fn name(&self) -> String {
        match &self.across {
            None => format!("cosine transform {}", self.along.size()),
            Some(across) => format!("cosine transform {} x {}", across.size(), self.along.size()),
        }
    }
}

/// Nothing to transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CosineError;

impl fmt::Display for CosineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cosine transform needs at least one entry")
    }
}

impl core::error::Error for CosineError {}

#[cfg(test)]
mod tests {
    use super::*;
    use core::f64::consts::PI;

    #[test]
    fn entries_are_as_defined() {
        for n in [1usize, 2, 7, 12] {
            for i in 0..n {
                let mut x = vec![0.0; n];
                x[i] = 1.0;
                Cosine::new(n).unwrap().apply(&mut x);
                for (k, found) in x.iter().enumerate() {
                    let c = if k == 0 { 1.0 } else { 2.0 };
                    let angle = PI * (i as f64 + 0.5) * k as f64 / n as f64;
                    let expected = (c / n as f64).sqrt() * angle.cos();
                    assert!((found - expected).abs() < 1e-14, "{n} {i} {k}");
                }
            }
        }
        assert!(Cosine::new(0).is_err() && Cosine::image(3, 0).is_err());
    }

    #[test]
    fn pictures_are_transformed_both_ways() {
        let (height, width) = (3, 5);
        let value = |i: usize, j: usize| (0.3 + (i * width + j) as f64).cos();
        let mut x: Vec<f64> = (0..15).map(|k| value(k / width, k % width)).collect();
        Cosine::image(height, width).unwrap().apply(&mut x);
        let mut by_hand = vec![0.0; 15];
        for i in 0..height {
            let mut row: Vec<f64> = (0..width).map(|j| value(i, j)).collect();
            Cosine::new(width).unwrap().apply(&mut row);
            by_hand[i * width..(i + 1) * width].copy_from_slice(&row);
        }
        for j in 0..width {
            let mut column: Vec<f64> = (0..height).map(|i| by_hand[i * width + j]).collect();
            Cosine::new(height).unwrap().apply(&mut column);
            (0..height).for_each(|i| by_hand[i * width + j] = column[i]);
        }
        for (found, expected) in x.iter().zip(&by_hand) {
            assert!((found - expected).abs() < 1e-14);
        }
    }
}
