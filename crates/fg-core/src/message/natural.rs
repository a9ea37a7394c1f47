//! The message itself, `(N, Gamma)`: products, quotients, damping and the mean where it is needed.

use core::fmt;

use super::precision::{Precision, PrecisionError};
use super::small;
use super::structure::Layout;
use crate::rows::Rows;

/// A Gaussian about the rows of one variable: `N = R Gamma` (`n x d`) and the precision `Gamma`.
///
/// Where a block is known (infinite precision) the rows of `N` hold the values themselves.
///
/// ```
/// use fg_core::{Message, Precision, Rows, Structure};
/// let layout = Structure::shared().layout(2, 1)?;
/// let mut product = Message::vacuous(layout.clone());
/// let precision = Precision::isotropic(layout, 4.0)?;
/// product.multiply(&Message::from_mean(&Rows::column(vec![1.0, -1.0]), precision)?)?;
/// assert_eq!(product.natural().as_slice(), &[4.0, -4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    natural: Rows,
    precision: Precision,
}

impl Message {
    /// The message that says nothing.
    pub fn vacuous(layout: Layout) -> Self {
        let natural = Rows::zeros(layout.rows(), layout.columns());
        Self { natural, precision: Precision::zero(layout) }
    }

    /// A message from its natural parameters; rows of known blocks hold the values.
    ///
    /// # Errors
    /// [`MessageError`] when the shapes differ or a value isn't finite.
    pub fn new(natural: Rows, precision: Precision) -> Result<Self, MessageError> {
        let layout = precision.layout();
        let expected = (layout.rows(), layout.columns());
        if natural.shape() != expected {
            return Err(MessageError::Shape { expected, found: natural.shape() });
        }
        if let Some((row, column)) = natural.first_non_finite() {
            return Err(MessageError::NotFinite { row, column });
        }
        Ok(Self { natural, precision })
    }

    /// A message from its mean `R` (`n x d`) and precision.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_mean(mean: &Rows, precision: Precision) -> Result<Self, MessageError> {
        let mut message = Self::new(mean.clone(), precision)?;
        let d = mean.columns();
        for b in 0..message.precision.blocks() {
            if message.precision.is_infinite(b) {
                continue;
            }
            for i in message.precision.layout().range(b) {
                let block = message.precision.block(b);
                small::row_times(mean.row(i), block, message.natural.row_mut(i), d);
            }
        }
        Ok(message)
    }

    /// The message that fixes every row to its value.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn known(values: Rows, layout: Layout) -> Result<Self, MessageError> {
        let precision = Precision::isotropic(layout, f64::INFINITY)?;
        Self::new(values, precision)
    }

    /// `N`, of the variable's shape; values themselves in known blocks.
    pub fn natural(&self) -> &Rows {
        &self.natural
    }

    /// `Gamma`.
    pub fn precision(&self) -> &Precision {
        &self.precision
    }

    /// Shape and structure.
    pub fn layout(&self) -> &Layout {
        self.precision.layout()
    }

    pub(crate) fn parts_mut(&mut self) -> (&mut Rows, &mut Precision) {
        (&mut self.natural, &mut self.precision)
    }

    /// Makes this message vacuous again, keeping its storage.
    pub fn clear(&mut self) {
        self.natural.as_mut_slice().fill(0.0);
        self.precision.clear();
    }

    /// Overwrites this message by another of the same layout, without allocating.
    ///
    /// # Panics
    /// When the shapes or block counts differ.
    #[track_caller]
    pub fn copy_from(&mut self, other: &Self) {
        self.natural.copy_from(&other.natural);
        self.precision.copy_from(&other.precision);
    }

    /// The first row with a NaN or infinite natural parameter or precision.
    pub fn first_non_finite(&self) -> Option<usize> {
        let size = self.layout().columns() * self.layout().columns();
        let block = self.precision.values().iter().position(|v| !v.is_finite());
        let by_precision = block.map(|k| self.layout().range(k / size).start);
        by_precision.or(self.natural.first_non_finite().map(|(row, _)| row))
    }

    /// Product of densities: `N` and `Gamma` add; known rows win over any finite precision.
    ///
    /// # Errors
    /// [`Contradiction`] when both messages know a row and disagree; this message is then unchanged in that
    /// block.
    ///
    /// # Panics
    /// When the layouts differ.
    #[track_caller]
    pub fn multiply(&mut self, other: &Self) -> Result<(), Contradiction> {
        assert_eq!(self.layout(), other.layout(), "product of messages of two layouts");
        for b in 0..self.precision.blocks() {
            let range = self.layout().range(b);
            match (self.precision.is_infinite(b), other.precision.is_infinite(b)) {
                (false, false) => self.add_block(other, b, 1.0),
                (true, false) => {}
                (false, true) => {
                    self.precision.set_infinite(b);
                    let values = other.natural.rows_slice(range.clone());
                    self.natural.rows_slice_mut(range).copy_from_slice(values);
                }
                (true, true) => {
                    let mut rows = range;
                    if let Some(row) = rows.find(|&i| self.natural.row(i) != other.natural.row(i)) {
                        return Err(Contradiction { row });
                    }
                }
            }
        }
        Ok(())
    }

    /// Quotient of densities: `N` and `Gamma` subtract. A known block divided by a finite one stays known;
    /// divided by a known one it carries nothing. The result may be indefinite: see [`Policy`](super::Policy).
    ///
    /// # Panics
    /// When the layouts differ.
    #[track_caller]
    pub fn divide(&mut self, other: &Self) {
        assert_eq!(self.layout(), other.layout(), "quotient of messages of two layouts");
        for b in 0..self.precision.blocks() {
            match (self.precision.is_infinite(b), other.precision.is_infinite(b)) {
                (false, false) => self.add_block(other, b, -1.0),
                (true, false) => {}
                (_, true) => self.clear_block(b),
            }
        }
    }

    /// Geometric damping towards this message from `previous`: `(N, Gamma) <- w (N, Gamma) + (1 - w) previous`.
    /// Blocks that either message knows are taken undamped, since a mean of certainty and doubt is certainty.
    ///
    /// # Panics
    /// When the layouts differ or `weight` is outside `(0, 1]`.
    #[track_caller]
    pub fn damp(&mut self, previous: &Self, weight: f64) {
        assert_eq!(self.layout(), previous.layout(), "damping between messages of two layouts");
        assert!(weight > 0.0 && weight <= 1.0, "damping weight {weight} outside (0, 1]");
        for b in 0..self.precision.blocks() {
            if self.precision.is_infinite(b) || previous.precision.is_infinite(b) {
                continue;
            }
            for v in self.precision.block_mut(b) {
                *v *= weight;
            }
            let range = self.layout().range(b);
            for v in self.natural.rows_slice_mut(range) {
                *v *= weight;
            }
            self.add_block(previous, b, 1.0 - weight);
        }
    }

    fn add_block(&mut self, other: &Self, b: usize, factor: f64) {
        for (v, o) in self.precision.block_mut(b).iter_mut().zip(other.precision.block(b)) {
            *v += factor * o;
        }
        let range = self.layout().range(b);
        let rows = other.natural.rows_slice(range.clone());
        for (v, o) in self.natural.rows_slice_mut(range).iter_mut().zip(rows) {
            *v += factor * o;
        }
    }

    pub(crate) fn clear_block(&mut self, b: usize) {
        self.precision.block_mut(b).fill(0.0);
        let range = self.layout().range(b);
        self.natural.rows_slice_mut(range).fill(0.0);
    }

    /// Writes the mean `R` (`n x d`): known values, `N Gamma^-1`, and where `Gamma` is singular the mean in
    /// the directions it knows (pseudo-inverse), zero in the others.
    ///
    /// # Panics
    /// When `out` has another shape.
    #[track_caller]
    pub fn mean_into(&self, out: &mut Rows) {
        assert_eq!(out.shape(), self.natural.shape(), "mean of a message of another shape");
        let d = out.columns();
        let (mut inverse, mut scratch) = ([0.0; 64], [0.0; 128]);
        let (mut large_inverse, mut large_scratch) = (Vec::new(), Vec::new());
        let (inverse, scratch) = if d * d <= inverse.len() {
            (&mut inverse[..d * d], &mut scratch[..2 * d * d])
        } else {
            large_inverse.resize(d * d, 0.0);
            large_scratch.resize(2 * d * d, 0.0);
            (&mut large_inverse[..], &mut large_scratch[..])
        };
        for b in 0..self.precision.blocks() {
            let range = self.layout().range(b);
            if self.precision.is_infinite(b) {
                let values = self.natural.rows_slice(range.clone());
                out.rows_slice_mut(range).copy_from_slice(values);
                continue;
            }
            let block = self.precision.block(b);
            if small::invert_positive(block, inverse, scratch, d).is_err() {
                pseudo_inverse(block, inverse, d);
            }
            for i in range {
                small::row_times(self.natural.row(i), inverse, out.row_mut(i), d);
            }
        }
    }
}

/// Eigenvalues below this multiple of the largest count as zero in a pseudo-inverse.
const RANK_TOLERANCE: f64 = 1e-14;

fn pseudo_inverse(matrix: &[f64], out: &mut [f64], d: usize) {
    let (mut values, mut vectors) = (vec![0.0; d], vec![0.0; d * d]);
    small::eigen_symmetric(&mut matrix.to_vec(), &mut values, &mut vectors, d);
    let largest = values.iter().copied().fold(0.0, f64::max);
    for value in &mut values {
        *value = if *value > RANK_TOLERANCE * largest { 1.0 / *value } else { 0.0 };
    }
    small::rebuild(&vectors, &values, out, d);
}

/// Values can't be a message about a variable.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum MessageError {
    /// Rows and precision belong to variables of two shapes.
    Shape {
        /// Shape of the precision's variable.
        expected: (usize, usize),
        /// Shape of the rows.
        found: (usize, usize),
    },
    /// A value is NaN or infinite.
    NotFinite {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
    },
    /// The precision isn't one.
    Precision(PrecisionError),
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { expected, found } => write!(
                f,
                "message needs {} x {} values, got {} x {}",
                expected.0, expected.1, found.0, found.1
            ),
            Self::NotFinite { row, column } => {
                write!(f, "message is not finite at row {row}, column {column}")
            }
            Self::Precision(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MessageError {}

impl From<PrecisionError> for MessageError {
    fn from(error: PrecisionError) -> Self {
        Self::Precision(error)
    }
}

/// Two messages know the same row and disagree about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The first such row.
    pub row: usize,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "two factors fix row {} to different values", self.row)
    }
}

impl core::error::Error for Contradiction {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Structure;

    fn message(mean: &[f64], precision: f64) -> Message {
        let layout = Structure::per_row().layout(mean.len(), 1).unwrap();
        let precision = Precision::isotropic(layout, precision).unwrap();
        Message::from_mean(&Rows::column(mean.to_vec()), precision).unwrap()
    }

    #[test]
    fn quotient_undoes_product() {
        let (a, b) = (message(&[1.0, 2.0], 3.0), message(&[-1.0, 0.5], 0.25));
        let mut product = a.clone();
        product.multiply(&b).unwrap();
        product.divide(&b);
        assert_eq!(product, a);
    }

    #[test]
    fn known_rows_win_and_contradictions_are_named() {
        let mut product = message(&[1.0, 2.0], 3.0);
        let known = message(&[5.0, 6.0], f64::INFINITY);
        product.multiply(&known).unwrap();
        assert_eq!(product, known);
        let other = message(&[5.0, 7.0], f64::INFINITY);
        assert_eq!(product.multiply(&other), Err(Contradiction { row: 1 }));
    }

    #[test]
    fn mean_of_a_singular_precision_is_finite() {
        let layout = Structure::shared().layout(1, 2).unwrap();
        let precision = Precision::from_matrix(layout, &[1.0, 1.0, 1.0, 1.0]).unwrap();
        let natural = Rows::from_vec(1, 2, vec![3.0, 3.0]).unwrap();
        let mut mean = Rows::zeros(1, 2);
        Message::new(natural, precision).unwrap().mean_into(&mut mean);
        assert!(mean.row(0).iter().all(|v| (v - 1.5).abs() < 1e-12), "{mean:?}");
    }

    #[test]
    fn damping_moves_both_parameters() {
        let mut new = message(&[2.0], 2.0);
        new.damp(&message(&[1.0], 1.0), 0.75);
        assert_eq!(new.natural().as_slice(), &[3.25]);
        assert_eq!(new.precision().block(0), &[1.75]);
    }
}
