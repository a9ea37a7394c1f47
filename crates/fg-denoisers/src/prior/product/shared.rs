//! Which rows of a product share a lattice: intervals of natural parameters, halved until one has few enough points.

use fg_core::denoiser::{RowCavity, RowEstimate};

use super::Product;
use super::density::Kind;
use super::lattice::{Density, Lattice, memory};
use crate::family::curve::Tilt;
use crate::family::formula;
use crate::family::parted::{PIECE, apply_at};

/// Rows that are worth a lattice: to find its ends takes what two or three rows do one by one.
pub(super) const FEW: usize = 16;
/// Lattices tried at most, each after a look at all rows.
const LATTICES: usize = 64;

/// Rows of a cavity, and where their answers go.
pub(super) struct Batch<'a, 'b> {
    pub(super) product: &'a Product,
    pub(super) cavity: &'a RowCavity<'a>,
    pub(super) out: &'a mut RowEstimate<'b>,
    /// For lattices, and for surveys.
    pub(super) memory: [&'a mut [f64]; 2],
    tried: usize,
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
}

impl<'a, 'b> Batch<'a, 'b> {
    pub(super) fn new(
        product: &'a Product,
        cavity: &'a RowCavity<'a>,
        out: &'a mut RowEstimate<'b>,
        memory: [&'a mut [f64]; 2],
    ) -> Self {
        Self { product, cavity, out, memory, tried: 0 }
    }

    /// Answers rows that share lattices, and leaves the others open: their means aren't numbers.
    pub(super) fn run(&mut self) {
        self.out.mean.fill(f64::NAN);
        self.within(f64::NEG_INFINITY, f64::INFINITY);
    }

    /// Those of natural parameters from `least` on and below `end`.
    fn within(&mut self, least: f64, end: f64) {
        let (mut count, mut low, mut high) = (0, f64::INFINITY, f64::NEG_INFINITY);
        for &n in self.cavity.natural() {
            if least <= n && n < end {
                (count, low, high) = (count + 1, n.min(low), n.max(high));
            }
        }
        if count < FEW || self.tried == LATTICES || !(low.is_finite() && high.is_finite()) {
            return;
        }
        self.tried += 1;
        let Some(ends) = self.ends(low, high) else { return };
        if self.answer((low, high), ends) {
            return;
        }
        let middle = 0.5 * low + 0.5 * high;
        if low < middle && middle < high {
            self.within(low, middle);
            self.within(middle, high.next_up());
        }
    }

    /// Places between which the masses of both these natural parameters lie, and so of all between them.
    fn ends(&mut self, low: f64, high: f64) -> Option<(f64, f64)> {
        let (product, memory) = (self.product, &mut *self.memory[1]);
        let log = |x: f64| product.log(x);
        let (survey, gamma) = (product.survey(&log), self.cavity.scalar_precision());
        let mut all = (f64::INFINITY, f64::NEG_INFINITY);
        for n in [low, high] {
            let mut own = (0.0f64, 0.0f64);
            let tilt = product.moved(Tilt { n, gamma });
            let widen = |(a, b, _): (f64, f64, [f64; 3])| own = (own.0.min(a), own.1.max(b));
            let (top, _) = survey.visit(tilt, &product.rule, memory, widen).ok()?;
            all = (all.0.min(top + own.0), all.1.max(top + own.1));
        }
        Some(all)
    }

    /// Answers the rows between two natural parameters by one lattice, if there is one for them.
    fn answer(&mut self, (low, high): (f64, f64), ends: (f64, f64)) -> bool {
        let product = self.product;
        let log = |x: f64| product.log(x);
        let [least, most] = [low, high].map(|n| product.moved(Tilt { n, gamma: 0.0 }).n);
        let gamma = self.cavity.scalar_precision() + product.precision;
        let density = Density { log: &log, points: &product.points, gamma };
        let Some(lattice) = Lattice::new(&density, (least, most), ends, self.memory[0]) else {
            return false;
        };
        let (mut places, mut kept, mut count) = ([0; PIECE], [[0.0; PIECE]; 1], 0);
        let mut answers = [[0.0; PIECE]; 2];
        let natural = self.cavity.natural();
        let lattice = lattice.behind(product.natural);
        if natural.iter().all(|n| (low..=high).contains(n)) {
            let _ = formula::apply_to(&lattice, [natural], self.out);
            return true;
        }
        for (i, &n) in natural.iter().enumerate() {
            if low <= n && n <= high {
                (places[count], kept[0][count]) = (i, n);
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
