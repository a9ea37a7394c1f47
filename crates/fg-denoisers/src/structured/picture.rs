//! The shape of a picture, whose pixels are the rows of a variable.

use fg_core::Rows;

use crate::error::{self, ParameterError};

/// Height and width of a picture: row `i * width + j` of a variable is the pixel in line `i` and place `j`, and its
/// columns are the colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Picture {
    pub(super) fn new(height: usize, width: usize) -> Result<Self, ParameterError> {
        for (parameter, size) in [("height", height), ("width", width)] {
            error::above(parameter, size as f64, 0.0, "at least 1")?;
        }
        Ok(Self { height, width })
    }

    pub(super) fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Colour `c` with a margin of pixels mirrored at the edges: line and place count from the margin's corner.
    pub(super) fn mirrored(self, pixels: &Rows, c: usize, margin: usize, out: &mut Vec<f64>) {
        let (height, width) = (self.height + 2 * margin, self.width + 2 * margin);
        out.resize(height * width, 0.0);
        for i in 0..height {
            let row = mirror(i, margin, self.height) * self.width;
            for (j, out) in out[i * width..(i + 1) * width].iter_mut().enumerate() {
                *out = pixels[(row + mirror(j, margin, self.width), c)];
            }
        }
    }
}

/// Where place `i` of a line with a margin looks: the line is followed by itself backwards, and so on.
pub(super) fn mirror(i: usize, margin: usize, size: usize) -> usize {
    let period = 2 * size;
    let place = (i + period * margin.div_ceil(period) - margin) % period;
    if place < size { place } else { period - 1 - place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_mirror() {
        let places: Vec<usize> = (0..10).map(|i| mirror(i, 4, 3)).collect();
        assert_eq!(places, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0]);
        assert_eq!(mirror(0, 3, 1), 0);
    }
}
