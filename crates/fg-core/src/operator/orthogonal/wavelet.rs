//! Wavelet transforms of signals and pictures.

use core::fmt;

use super::Orthogonal;

/// The orthogonal wavelet transform of Daubechies with two vanishing moments, periodic at the ends, of signals or pictures.
///
/// Each level splits what is left into a coarse half, first, and details, behind it; pictures along their rows, then
/// along their columns, so that a level leaves a quarter. Time: `O(n)`.
///
/// Reference: I. Daubechies, "Orthonormal bases of compactly supported wavelets", Communications on Pure and Applied
/// Mathematics 41 (1988), doi 10.1002/cpa.3160410705.
///
/// ```
/// use fg_core::operator::{Orthogonal, Wavelet};
/// // Straight lines have no details, but where the ends meet.
/// let mut x: Vec<f64> = (0..16).map(f64::from).collect();
/// Wavelet::new(16, 1)?.apply(&mut x);
/// assert!(x[8..15].iter().all(|detail| detail.abs() < 1e-14));
/// # Ok::<(), fg_core::operator::WaveletError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wavelet {
    height: usize,
    width: usize,
    levels: u32,
}

/// The low-pass filter: `(1 + r, 3 + r, 3 - r, 1 - r) / (4 sqrt 2)` with `r = sqrt 3`.
fn filter() -> [f64; 4] {
    let r = 3.0f64.sqrt();
    [1.0 + r, 3.0 + r, 3.0 - r, 1.0 - r].map(|c| c / (4.0 * core::f64::consts::SQRT_2))
}

impl Wavelet {
    /// Of signals of `size` entries.
    ///
    /// # Errors
    /// [`WaveletError`] unless `2^levels` divides the size.
    pub fn new(size: usize, levels: u32) -> Result<Self, WaveletError> {
        Self { height: 1, width: size, levels }.checked(&[size])
    }

    /// Of pictures, one row of `width` pixels after the other.
    ///
    /// # Errors
    /// [`WaveletError`] unless `2^levels` divides both sizes.
    pub fn image(height: usize, width: usize, levels: u32) -> Result<Self, WaveletError> {
        Self { height, width, levels }.checked(&[height, width])
    }

    fn checked(self, sizes: &[usize]) -> Result<Self, WaveletError> {
        let levels = self.levels;
        for &size in sizes {
            let fits = 1usize.checked_shl(levels).is_some_and(|step| size.is_multiple_of(step));
            if size == 0 || !fits {
                return Err(WaveletError { size, levels });
            }
        }
        Ok(self)
    }

    /// Which level's details the coefficient is from, counted from the finest as 0, and of which kind: 1 for differences
    /// along rows, 2 along columns, 3 along both. `None` for what is coarse at the end.
    pub fn detail(&self, index: usize) -> Option<(u32, u8)> {
        let (row, column) = (index / self.width, index % self.width);
        for level in 0..self.levels {
            let inner = (self.width >> (level + 1), self.coarse_height(level + 1));
            let kind = u8::from(column >= inner.0) + 2 * u8::from(row >= inner.1);
            if kind > 0 {
                return Some((level, kind));
            }
        }
        None
    }

    fn coarse_height(&self, level: u32) -> usize {
        if self.height == 1 { 1 } else { self.height >> level }
    }

    /// One-dimensional steps on lines of the coarse part of a level, in place.
    fn level(&self, level: u32, x: &mut [f64], lines: Lines, step: fn(&[f64], &mut [f64])) {
        let (height, width) = (self.coarse_height(level), self.width >> level);
        let (count, length, apart, stride) = match lines {
            Lines::Rows => (height, width, self.width, 1),
            Lines::Columns if self.height == 1 => return,
            Lines::Columns => (width, height, 1, self.width),
        };
        let (mut line, mut out) = (vec![0.0; length], vec![0.0; length]);
        for k in 0..count {
            let places = (0..length).map(|i| k * apart + i * stride);
            line.iter_mut().zip(places.clone()).for_each(|(l, place)| *l = x[place]);
            step(&line, &mut out);
            out.iter().zip(places).for_each(|(o, place)| x[place] = *o);
        }
    }
}

#[derive(Clone, Copy)]
enum Lines {
    Rows,
    Columns,
}

/// Coarse half and details of a line.
fn split(line: &[f64], out: &mut [f64]) {
    let (h, n) = (filter(), line.len());
    let half = n / 2;
    for k in 0..half {
        let at = |i: usize| line[(2 * k + i) % n];
        out[k] = (0..4).map(|i| h[i] * at(i)).sum();
        out[half + k] = h[3] * at(0) - h[2] * at(1) + h[1] * at(2) - h[0] * at(3);
    }
}

/// The transpose of [`split`], which undoes it.
fn join(line: &[f64], out: &mut [f64]) {
    let (h, n) = (filter(), line.len());
    let half = n / 2;
    out.fill(0.0);
    for k in 0..half {
        let (coarse, detail) = (line[k], line[half + k]);
        for i in 0..4 {
            let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
            out[(2 * k + i) % n] += h[i] * coarse + sign * h[3 - i] * detail;
        }
    }
}

impl Orthogonal for Wavelet {
    fn size(&self) -> usize {
        self.height * self.width
    }

    fn apply(&self, x: &mut [f64]) {
        for level in 0..self.levels {
            self.level(level, x, Lines::Rows, split);
            self.level(level, x, Lines::Columns, split);
        }
    }

    fn apply_adjoint(&self, x: &mut [f64]) {
        for level in (0..self.levels).rev() {
            self.level(level, x, Lines::Columns, join);
            self.level(level, x, Lines::Rows, join);
        }
    }

    fn name(&self) -> String {
        let Self { height, width, levels } = self;
        format!("wavelets of {levels} levels, {height} x {width}")
    }
}

/// A size that can't be halved so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaveletError {
    /// The size.
    pub size: usize,
    /// How often it was to be halved.
    pub levels: u32,
}

impl fmt::Display for WaveletError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, levels } = self;
        write!(
            f,
            "size of a wavelet transform must be a multiple of 2^{levels} above 0, got {size}"
        )
    }
}

impl core::error::Error for WaveletError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_coarse() {
        let mut x = vec![1.0; 64];
        let wavelet = Wavelet::image(8, 8, 2).unwrap();
        wavelet.apply(&mut x);
        for (index, value) in x.iter().enumerate() {
            let expected = if wavelet.detail(index).is_none() { 4.0 } else { 0.0 };
            assert!((value - expected).abs() < 1e-14, "{index}: {value}");
        }
        assert_eq!(
            [7, 56, 63, 2, 16, 18, 9].map(|i| wavelet.detail(i)),
            [
                Some((0, 1)),
                Some((0, 2)),
                Some((0, 3)),
                Some((1, 1)),
                Some((1, 2)),
                Some((1, 3)),
                None
            ]
        );
    }

    #[test]
    fn sizes_must_halve() {
        assert_eq!(Wavelet::new(12, 3), Err(WaveletError { size: 12, levels: 3 }));
        assert_eq!(Wavelet::image(0, 4, 1), Err(WaveletError { size: 0, levels: 1 }));
        assert!(Wavelet::new(12, 2).is_ok() && Wavelet::new(8, 200).is_err());
    }
}
