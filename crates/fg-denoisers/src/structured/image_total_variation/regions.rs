//! The regions in which total variation holds an image flat, and how the rest answers: the derivative of an estimate.

use fg_core::message::ColumnForm;
use fg_linalg::sparse_inverse::{Failure, SparseInverse};

/// Where one column of an estimate is flat, and how its penalty bends elsewhere.
#[derive(Debug)]
pub(super) struct Regions {
    /// The region of each pixel.
    of: Vec<usize>,
    /// Pixels of each region.
    sizes: Vec<f64>,
    /// Second derivatives `(region, region, value)` of the penalty among regions, on and below the diagonal.
    curvature: Vec<(usize, usize, f64)>,
}

/// Regions that grow: every pixel points to an earlier one of its region, or to itself.
#[derive(Debug)]
pub(super) struct Union {
    earlier: Vec<usize>,
}

impl Union {
    /// Each of so many pixels by itself.
    pub(super) fn new(pixels: usize) -> Self {
        Self { earlier: (0..pixels).collect() }
    }

    fn first(&mut self, mut i: usize) -> usize {
        while self.earlier[i] != i {
            self.earlier[i] = self.earlier[self.earlier[i]];
            i = self.earlier[i];
        }
        i
    }

    /// Makes one region of those of two pixels.
    pub(super) fn join(&mut self, i: usize, j: usize) {
        let (i, j) = (self.first(i), self.first(j));
        self.earlier[i.max(j)] = i.min(j);
    }

    /// The regions, none of them bent.
    pub(super) fn finish(mut self) -> Regions {
        let (mut of, mut sizes) = (vec![0; self.earlier.len()], Vec::new());
        for i in 0..of.len() {
            let first = self.first(i);
            if first == i {
                of[i] = sizes.len();
                sizes.push(0.0);
            } else {
                of[i] = of[first];
            }
            sizes[of[i]] += 1.0;
        }
        Regions { of, sizes, curvature: Vec::new() }
    }
}

impl Regions {
    /// Adds to the penalty `weight (direction . steps)^2 / 2`, with steps from a pixel to the one on its right and the one
    /// below.
    pub(super) fn bend(&mut self, pixels: [usize; 3], [right, below]: [f64; 2], weight: f64) {
        let slopes = [-right - below, right, below];
        for a in 0..3 {
            for b in 0..=a {
                let (i, j) = (self.of[pixels[a]], self.of[pixels[b]]);
                // Both orders of a pair of slopes, where they are those of one region.
                let times = if a != b && i == j { 2.0 } else { 1.0 };
                let value = times * weight * slopes[a] * slopes[b];
                self.curvature.push((i.max(j), i.min(j), value));
            }
        }
    }
}

/// Writes the covariance of each pixel, `d x d`, for a square of this precision: with indicators `P` of the regions of all
/// columns and the curvature `C` of the penalty among them, the blocks of `P (P' (I (x) Gamma) P + C)^-1 P'`.
///
/// # Errors
/// [`Failure`] of the inverse.
pub(super) fn covariances(
    columns: &[Regions],
    precision: &[f64],
    out: &mut [f64],
) -> Result<(), Failure> {
    let d = columns.len();
    out.fill(0.0);
    if !ColumnForm::Diagonal.holds(precision, d) {
        return together(columns, precision, out);
    }
    for (j, regions) in columns.iter().enumerate() {
        let variances = variances(regions, precision[j * (d + 1)])?;
        let entries = out.iter_mut().skip(j * (d + 1)).step_by(d * d);
        entries.zip(&regions.of).for_each(|(out, &region)| *out = variances[region]);
    }
    Ok(())
}

/// Those of the regions of a column that is by itself.
fn variances(regions: &Regions, gamma: f64) -> Result<Vec<f64>, Failure> {
    let squares = regions.sizes.iter().map(|size| gamma * size);
    if regions.curvature.is_empty() {
        return Ok(squares.map(f64::recip).collect());
    }
    let mut entries = regions.curvature.clone();
    entries.extend(squares.enumerate().map(|(k, square)| (k, k, square)));
    let inverse = SparseInverse::new(regions.sizes.len(), &entries)?;
    let on_diagonal =
        |k| inverse.at(k, k).unwrap_or_else(|| unreachable!("a factor has a diagonal"));
    Ok((0..regions.sizes.len()).map(on_diagonal).collect())
}

/// Columns that a precision couples.
fn together(columns: &[Regions], precision: &[f64], out: &mut [f64]) -> Result<(), Failure> {
    let d = columns.len();
    let mut starts = vec![0];
    columns.iter().for_each(|column| starts.push(starts[starts.len() - 1] + column.sizes.len()));
    let mut entries = Vec::new();
    for (j, column) in columns.iter().enumerate() {
        let bends = column.curvature.iter();
        entries.extend(bends.map(|&(i, k, value)| (starts[j] + i, starts[j] + k, value)));
        let squares = column.sizes.iter().enumerate();
        let gamma = precision[j * (d + 1)];
        entries.extend(squares.map(|(k, size)| (starts[j] + k, starts[j] + k, gamma * size)));
        for (k, other) in columns[..j].iter().enumerate() {
            // Also where columns aren't coupled: their covariance is asked for.
            let gamma = precision[j * d + k];
            let pairs = column.of.iter().zip(&other.of);
            entries.extend(pairs.map(|(&own, &other)| (starts[j] + own, starts[k] + other, gamma)));
        }
    }
    let inverse = SparseInverse::new(starts[d], &entries)?;
    for (i, out) in out.chunks_exact_mut(d * d).enumerate() {
        for j in 0..d {
            for k in 0..=j {
                let (own, other) = (starts[j] + columns[j].of[i], starts[k] + columns[k].of[i]);
                let value = inverse.at(own, other);
                let value = value.unwrap_or_else(|| unreachable!("the matrix has this entry"));
                (out[j * d + k], out[k * d + j]) = (value, value);
            }
        }
    }
    Ok(())
}
