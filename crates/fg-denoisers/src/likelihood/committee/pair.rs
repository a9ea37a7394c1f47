//! Two units of any precision, row by row: in each quadrant one column in closed form, the other over panels.

use super::Committee;
use super::mixture::Part;
use crate::family::HalfLine;
use crate::family::curve::{Curve, Fault, Flat, Mark, Peaks, Tilt};

/// Signs of both columns in each quadrant.
pub(super) const QUADRANTS: [[f64; 2]; 4] = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]];

impl Committee {
    /// Mean, covariance and log-partition of a row.
    pub(super) fn pair(&self, y: f64, n: [f64; 2], gamma: [f64; 3]) -> Result<Part<f64>, Fault> {
        let mut parts = [Part::none(0.0); 4];
        for (signs, part) in QUADRANTS.into_iter().zip(&mut parts) {
            let share = self.share(y, signs.iter().filter(|s| **s > 0.0).count());
            if share > 0.0 {
                *part = self.quadrant(signs, n, gamma)?;
                part.log_mass += share.ln();
            }
        }
        Ok(Part::mixture(parts))
    }

    /// The cavity's Gaussian within a quadrant.
    pub(super) fn quadrant(
        &self,
        [s, t]: [f64; 2],
        n: [f64; 2],
        gamma: [f64; 3],
    ) -> Result<Part<f64>, Fault> {
        let [a, b, c] = gamma;
        let edge = Edge { pull: s * n[0], bend: s * t * b, precision: a, root: a.sqrt(), own: c };
        let tilt = Tilt { n: t * n[1], gamma: c };
        let peaks = Peaks::find(&edge, tilt)?;
        let top = peaks.top();
        let at_top = edge.half(top).map_or(0.0, |half| half.mean);
        let mut mass = 0.0;
        // Of the offset x and of the first column's mean u given it: x, u, xx, xu, uu; and of its variance.
        let mut sums = [0.0; 6];
        peaks.visit(&edge, tilt, &self.rule, |x, weight| {
            if let Some(half) = edge.half(top + x) {
                let u = half.mean - at_top;
                mass += weight;
                let terms = [x, u, x * x, x * u, u * u, half.variance];
                sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += weight * term);
            }
        });
        let [x, u, xx, xu, uu, v] = sums.map(|sum| sum / mass);
        Ok(Part {
            log_mass: peaks.height(&edge, tilt) + mass.ln(),
            mean: [s * (at_top + u), t * (top + x)],
            covariance: [v + (uu - u * u).max(0.0), s * t * (xu - x * u), xx - x * x],
        })
    }
}

/// The first column's mass given the second one's size `x`: that of a half line of slope `pull - bend x`.
struct Edge {
    pull: f64,
    bend: f64,
    precision: f64,
    root: f64,
    /// Precision of the second column.
    own: f64,
}

impl Edge {
    fn half(&self, x: f64) -> Option<HalfLine> {
        HalfLine::new(self.pull - self.bend * x, self.precision, self.root)
    }
}

impl Curve for Edge {
    fn value(&self, x: f64) -> f64 {
        HalfLine::log_mass(self.pull - self.bend * x, self.precision)
    }

    fn slopes(&self, x: f64) -> [f64; 2] {
        let moments = self.half(x).map_or([0.0; 2], |half| [half.mean, half.variance]);
        [-self.bend * moments[0], self.bend * self.bend * moments[1]]
    }

    fn support(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }

    /// Where the slope changes its sign; the zeros of the complementary error function lie two deviations off the axis.
    fn marks(&self) -> [Mark; 2] {
        let none = Mark { centre: f64::INFINITY, scale: self.own.sqrt().recip() };
        if self.bend == 0.0 {
            return [none; 2];
        }
        let scale = 2.0 * self.root / self.bend.abs();
        [Mark { centre: self.pull / self.bend, scale }; 2]
    }

    fn start(&self, _n: f64, gamma: f64) -> f64 {
        gamma.sqrt().recip()
    }

    fn flat(&self, _n: f64) -> Flat {
        Flat::Improper
    }
}

/// `xx, xy, yy`.
pub(super) fn symmetric(precision: &[f64]) -> [f64; 3] {
    [precision[0], 0.5 * (precision[1] + precision[2]), precision[3]]
}
