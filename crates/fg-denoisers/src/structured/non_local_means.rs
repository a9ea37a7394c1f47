//! Pictures denoised by averages over pixels with similar surroundings.

use fg_core::Rows;
use fg_core::denoiser::BlackBox;
use fg_core::special::exp::exp_negative;

use super::picture::Picture;
use crate::error::{self, ParameterError};

/// Non-local means: each pixel becomes the average of the pixels around it, weighted by how alike their patches are.
///
/// # Formula
///
/// ```text
/// xhat_p = sum_q w_pq r_q / sum_q w_pq        q in a window around p, w_pp = 1
/// w_pq   = exp(-max(D_pq - 2 s^2, 0) / h^2),  D_pq = mean square difference of the patches around p and q
/// ```
///
/// with `s` the noise level that the message claims and `h = strength * s`: two patches that differ by noise alone have
/// `D = 2 s^2`.
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | patch | 1 | - | pixels on each side of the middle of a patch |
/// | window | 6 | - | pixels on each side of the middle of the window |
/// | strength `h / s` | 1 | `(0, inf)` | how unlike patches may be |
///
/// Colours, the columns, share their weights: `D` is averaged over them.
///
/// # Numerical notes
///
/// * Edges are mirrored.
/// * Time: `w^2` passes over the picture with an exponential a pixel each, `w` the width of the window.
///
/// # Reference
///
/// A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising" (2005), doi 10.1109/CVPR.2005.38; the
/// noise taken off the distances as in "Non-Local Means Denoising", Image Processing On Line 1 (2011), doi
/// `10.5201/ipol.2011.bcm_nlm`, whose sizes for moderate noise are the defaults' within a pixel.
///
/// # Example
///
/// ```
/// use fg_core::Rows;
/// use fg_denoisers::structured::NonLocalMeans;
/// let means = NonLocalMeans::new(8, 8)?;
/// let flat = Rows::from_fn(64, 1, |_, _| 0.5);
/// assert!((means.denoise(&flat, 0.1)[(9, 0)] - 0.5).abs() < 1e-12);
/// let denoiser = means.denoiser(); // for a graph
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NonLocalMeans {
    picture: Picture,
    patch: usize,
    window: usize,
    strength: f64,
}

impl NonLocalMeans {
    /// For pictures of this size.
    ///
    /// # Errors
    /// [`ParameterError`] when there are no pixels.
    pub fn new(height: usize, width: usize) -> Result<Self, ParameterError> {
        let picture = Picture::new(height, width)?;
        Ok(Self { picture, patch: 1, window: 6, strength: 1.0 })
    }

    /// Patches of `2 patch + 1` and windows of `2 window + 1` pixels a side.
    #[must_use]
    pub fn with_sizes(self, patch: usize, window: usize) -> Self {
        Self { patch, window, ..self }
    }

    /// How unlike patches may be, in units of the noise level.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < strength < inf`.
    pub fn with_strength(self, strength: f64) -> Result<Self, ParameterError> {
        Ok(Self { strength: error::positive("strength", strength)?, ..self })
    }

    /// The picture without noise of this level.
    ///
    /// # Panics
    /// When `pixels` has another number of rows than the picture has pixels.
    #[track_caller]
    pub fn denoise(&self, pixels: &Rows, noise: f64) -> Rows {
        let Self { picture, patch, window, strength } = *self;
        assert_eq!(pixels.rows(), picture.pixels(), "rows must be the pixels of the picture");
        let margin = patch + window;
        let mut colours = vec![Vec::new(); pixels.columns()];
        for (c, colour) in colours.iter_mut().enumerate() {
            picture.mirrored(pixels, c, margin, colour);
        }
        let average = Average {
            colours: &colours,
            picture,
            patch,
            stride: picture.width + 2 * margin,
            expected: 2.0 * noise * noise,
            scale: -(strength * noise).powi(2).recip(),
        };
        let planes = vec![vec![0.0; picture.pixels()]; colours.len()];
        let mut sums = Sums { weights: vec![0.0; picture.pixels()], planes };
        let arch = pulp::Arch::new();
        for down in 0..=2 * window {
            for right in 0..=2 * window {
                arch.dispatch(Neighbour {
                    average: &average,
                    offset: (down, right),
                    window,
                    sums: &mut sums,
                });
            }
        }
        let Sums { weights, planes } = sums;
        Rows::from_fn(pixels.rows(), planes.len(), |p, c| planes[c][p] / weights[p])
    }

    /// As the denoiser of a variable whose rows are the pixels.
    pub fn denoiser(self) -> BlackBox<impl Fn(&Rows, f64) -> Rows + Send + Sync> {
        let rows = self.picture.pixels();
        let denoise = move |pixels: &Rows, noise: f64| self.denoise(pixels, noise);
        BlackBox::new("non-local means", denoise).with_rows(rows)
    }
}

/// What the averages are over.
struct Average<'a> {
    /// With margins.
    colours: &'a [Vec<f64>],
    picture: Picture,
    patch: usize,
    /// Pixels of a line with its margins.
    stride: usize,
    /// Mean square difference of like patches.
    expected: f64,
    /// `-1 / h^2`.
    scale: f64,
}

struct Sums {
    weights: Vec<f64>,
    planes: Vec<Vec<f64>>,
}

/// One offset, for the fastest instructions of the machine.
struct Neighbour<'a> {
    average: &'a Average<'a>,
    offset: (usize, usize),
    window: usize,
    sums: &'a mut Sums,
}

impl pulp::NullaryFnOnce for Neighbour<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.average.add(self.offset, self.window, self.sums);
    }
}

impl Average<'_> {
    /// Adds the neighbours at one offset, counted from the upper left of the window; `x_p` itself where there is none.
    #[inline(always)]
    fn add(&self, offset: (usize, usize), window: usize, sums: &mut Sums) {
        let Picture { height, width } = self.picture;
        let side = 2 * self.patch + 1;
        let middle = offset == (window, window);
        let mean = ((side * side * self.colours.len()) as f64).recip();
        // Sums along the lines of a patch, of the last `side` lines.
        let mut lines = vec![0.0; side * width];
        let mut distances = vec![0.0; width];
        let mut squares = vec![0.0; width + 2 * self.patch];
        for i in 0..height + 2 * self.patch {
            let line = &mut lines[i % side * width..][..width];
            self.along(window + i, window, (i + offset.0, offset.1), &mut squares, line);
            if i + 1 < side {
                continue;
            }
            distances.fill(0.0);
            for line in lines.chunks_exact(width) {
                distances.iter_mut().zip(line).for_each(|(d, l)| *d += l);
            }
            for distance in &mut distances {
                let unlike = (*distance * mean - self.expected).max(0.0);
                *distance = exp_negative(unlike * self.scale);
            }
            if middle {
                distances.fill(1.0);
            }
            let row = i + 1 - side;
            let range = row * width..(row + 1) * width;
            let source = (row + self.patch + offset.0) * self.stride + self.patch + offset.1;
            for (plane, colour) in sums.planes.iter_mut().zip(self.colours) {
                let values = &colour[source..source + width];
                for ((sum, w), value) in plane[range.clone()].iter_mut().zip(&distances).zip(values)
                {
                    *sum += w * value;
                }
            }
            sums.weights[range].iter_mut().zip(&distances).for_each(|(sum, w)| *sum += w);
        }
    }

    /// Square differences of two lines, summed over the width of a patch and over colours.
    #[inline(always)]
    fn along(
        &self,
        line: usize,
        place: usize,
        (other_line, other_place): (usize, usize),
        squares: &mut [f64],
        out: &mut [f64],
    ) {
        let (here, there) = (line * self.stride + place, other_line * self.stride + other_place);
        squares.fill(0.0);
        for colour in self.colours {
            let values = colour[here..].iter().zip(&colour[there..]);
            squares.iter_mut().zip(values).for_each(|(s, (a, b))| *s += (a - b) * (a - b));
        }
        out.fill(0.0);
        for k in 0..=2 * self.patch {
            out.iter_mut().zip(&squares[k..]).for_each(|(o, s)| *o += s);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structured::picture::mirror;

    /// The definition, pixel by pixel.
    fn slow(means: &NonLocalMeans, pixels: &Rows, noise: f64) -> Rows {
        let NonLocalMeans { picture: Picture { height, width }, patch, window, strength } = *means;
        let margin = patch + window;
        let at = |i: usize, j: usize, c: usize| {
            pixels[(mirror(i, margin, height) * width + mirror(j, margin, width), c)]
        };
        let mut result = Rows::zeros(pixels.rows(), pixels.columns());
        for (i, j) in (0..height).flat_map(|i| (0..width).map(move |j| (i, j))) {
            let (mut total, mut sums) = (0.0, vec![0.0; pixels.columns()]);
            for (k, l) in (0..=2 * window).flat_map(|k| (0..=2 * window).map(move |l| (k, l))) {
                let (mut distance, mut count) = (0.0, 0.0);
                for (a, b) in (0..=2 * patch).flat_map(|a| (0..=2 * patch).map(move |b| (a, b))) {
                    for c in 0..pixels.columns() {
                        let here = at(i + window + a, j + window + b, c);
                        distance += (here - at(i + k + a, j + l + b, c)).powi(2);
                        count += 1.0;
                    }
                }
                let unlike = (distance / count - 2.0 * noise * noise).max(0.0);
                let weight = (-unlike / (strength * noise).powi(2)).exp();
                total += weight;
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum += weight * at(i + k + patch, j + l + patch, c);
                }
            }
            let row = result.row_mut(i * width + j);
            row.iter_mut().zip(&sums).for_each(|(r, s)| *r = s / total);
        }
        result
    }

    #[test]
    fn the_fast_way_is_the_definition() {
        let (height, width) = (7, 9);
        for colours in [1, 3] {
            let means = NonLocalMeans::new(height, width).unwrap().with_sizes(1, 2);
            let pixels = Rows::from_fn(height * width, colours, |p, c| {
                (0.9 * p as f64 + 2.0 * c as f64).sin() * f64::from(u8::from(p % width < 4))
            });
            let (fast, slow) = (means.denoise(&pixels, 0.3), slow(&means, &pixels, 0.3));
            for (a, b) in fast.as_slice().iter().zip(slow.as_slice()) {
                assert!((a - b).abs() < 1e-13, "{a} {b}");
            }
        }
    }

    #[test]
    fn noise_goes_and_edges_stay() {
        let (size, noise) = (32, 0.1);
        let clean = Rows::from_fn(size * size, 1, |p, _| f64::from(u8::from(p % size < size / 2)));
        let sign = |p: usize| if (p * p + p / 7).is_multiple_of(3) { 1.4 } else { -0.7 };
        let noisy = Rows::from_fn(size * size, 1, |p, _| clean[(p, 0)] + noise * sign(p));
        let found = NonLocalMeans::new(size, size).unwrap().denoise(&noisy, noise);
        let before = noisy.mean_squared_error(&clean);
        assert!(found.mean_squared_error(&clean) < 0.1 * before);
        assert!(NonLocalMeans::new(0, 3).is_err());
    }
}
