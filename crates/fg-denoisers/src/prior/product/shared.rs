//! Which rows of a product share a lattice: cells of natural parameters, halved where one takes too many points.
//!
//! Where cells are is a matter of the precision alone, and so is the lattice of each: a row gets the same answer, to the bit, whatever
//! rows share its call.

use core::ops::Range;

use fg_core::denoiser::{RowCavity, RowEstimate};

use super::Product;
use super::density::Kind;
use super::lattice::{Density, Lattice, memory};
use crate::family::curve::Tilt;
use crate::family::parted::{PIECE, apply_at};

/// Width of a cell in deviations of the widest mass that a row may have, at most: half of the points of a lattice are then there
/// for the rows' own widths.
const SPAN: f64 = 16.0;
/// Halvings of a cell: after three it is hardly wider than the mass of one of its rows.
const HALVINGS: u32 = 3;
/// Rows that are looked through at once for those of a cell: as long as it takes to put a density on a lattice.
const AT_ONCE: usize = 1 << 14;
/// The sign and the exponent of a double.
const EXPONENT: u64 = 0xfff << 52;

/// Rows of a cavity, and where their answers go.
pub(super) struct Batch<'a, 'b> {
    pub(super) product: &'a Product,
    pub(super) cavity: &'a RowCavity<'a>,
    pub(super) out: &'a mut RowEstimate<'b>,
    /// For lattices, and for surveys.
    pub(super) memory: [&'a mut [f64]; 2],
}

/// Natural parameters from `low` on and below `high`.
#[derive(Clone, Copy)]
struct Cell {
    low: f64,
    high: f64,
}

impl Cell {
    fn holds(self, n: f64) -> bool {
        self.low <= n && n < self.high
    }

    /// That of `n` among cells of this width, a power of two, of which zero is in the middle of one.
    fn of(n: f64, width: f64) -> Self {
        let low = ((n / width + 0.5).floor() - 0.5) * width;
        Self { low, high: low + width }
    }

    fn halves(self) -> [Self; 2] {
        let Self { low, high } = self;
        let middle = 0.5 * low + 0.5 * high;
        [Self { low, high: middle }, Self { low: middle, high }]
    }
}

impl Product {
    /// Whether what isn't points is positive and smooth on the whole line.
    pub(super) fn is_smooth(&self) -> bool {
        let whole = (f64::NEG_INFINITY, f64::INFINITY);
        let own = |f: &super::LogDensity| f.support == whole && f.breaks.is_empty();
        let nothing = |f: &super::LogDensity| matches!(f.kind, Kind::Nothing);
        self.rest().all(own) && !self.factors().iter().any(nothing)
    }

    /// Values of memory for lattices.
    pub(super) fn lattice_memory(&self) -> usize {
        memory(self.points.len())
    }

    /// Width of the cells under a cavity of this precision, a power of two.
    fn cells(&self, gamma: f64) -> f64 {
        let widest = self.marks.iter().map(|mark| mark.scale).fold(0.0, f64::max);
        let width = SPAN * (gamma + self.precision + widest.powi(-2)).sqrt();
        f64::from_bits(width.to_bits() & EXPONENT)
    }
}

impl Batch<'_, '_> {
    /// Answers rows by the lattices of their cells, and leaves the others open: their means aren't numbers.
    pub(super) fn run(&mut self) {
        self.out.mean.fill(f64::NAN);
        let width = self.product.cells(self.cavity.scalar_precision());
        if !(width > 0.0 && width.is_finite()) {
            return;
        }
        for start in (0..self.cavity.len()).step_by(AT_ONCE) {
            let rows = start..(start + AT_ONCE).min(self.cavity.len());
            let mut from = f64::MIN;
            while let Some(n) = self.next(&rows, from) {
                let cell = Cell::of(n, width);
                // So far out that the width is less than a double's rounding there are no cells.
                from = if cell.holds(n) { cell.high } else { n.next_up() };
                if cell.holds(n) {
                    self.within(&rows, cell, HALVINGS);
                }
            }
        }
    }

    /// The smallest natural parameter from a value on.
    fn next(&self, rows: &Range<usize>, from: f64) -> Option<f64> {
        let mut least = f64::INFINITY;
        for &n in &self.cavity.natural()[rows.clone()] {
            least = if n >= from { n.min(least) } else { least };
        }
        least.is_finite().then_some(least)
    }

    /// Answers the rows of a cell by its lattice, or by those of its halves.
    fn within(&mut self, rows: &Range<usize>, cell: Cell, halvings: u32) {
        if !self.cavity.natural()[rows.clone()].iter().any(|&n| cell.holds(n)) {
            return;
        }
        let ends = self.ends(cell);
        if ends.is_some_and(|ends| self.answer(rows, cell, ends)) || halvings == 0 {
            return;
        }
        for half in cell.halves() {
            self.within(rows, half, halvings - 1);
        }
    }

    /// Places between which the masses lie of both ends of a cell, and so of all between them.
    fn ends(&mut self, cell: Cell) -> Option<(f64, f64)> {
        let (product, memory) = (self.product, &mut *self.memory[1]);
        let log = |x: f64| product.log(x);
        let (survey, gamma) = (product.survey(&log), self.cavity.scalar_precision());
        let mut all = (f64::INFINITY, f64::NEG_INFINITY);
        for n in [cell.low, cell.high] {
            let (low, high) = survey.reach(product.moved(Tilt { n, gamma }), memory).ok()?;
            all = (all.0.min(low), all.1.max(high));
        }
        Some(all)
    }

    /// Answers the rows of a cell by one lattice, if there is one for them.
    fn answer(&mut self, rows: &Range<usize>, cell: Cell, ends: (f64, f64)) -> bool {
        let product = self.product;
        let log = |x: f64| product.log(x);
        let [least, most] = [cell.low, cell.high].map(|n| product.moved(Tilt { n, gamma: 0.0 }).n);
        let gamma = self.cavity.scalar_precision() + product.precision;
        let density = Density { log: &log, points: &product.points, gamma };
        let Some(lattice) = Lattice::new(&density, (least, most), ends, self.memory[0]) else {
            return false;
        };
        let (mut places, mut kept, mut count) = ([0; PIECE], [[0.0; PIECE]; 1], 0);
        let mut answers = [[0.0; PIECE]; 2];
        let lattice = lattice.behind(product.natural);
        for (i, &n) in self.cavity.natural()[rows.clone()].iter().enumerate() {
            if cell.holds(n) {
                (places[count], kept[0][count]) = (rows.start + i, n);
                count += 1;
            }
            if count == PIECE {
                let _ = apply_at(&lattice, &kept, &places, &mut answers, self.out);
                count = 0;
            }
        }
        let _ = apply_at(&lattice, &kept, &places[..count], &mut answers, self.out);
        true
    }
}
