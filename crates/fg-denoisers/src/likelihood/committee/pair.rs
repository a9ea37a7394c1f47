//! Two units of any precision, row by row: in each quadrant one column in closed form, the other over panels.

use super::Committee;
use crate::family::HalfLine;
use crate::family::curve::{Curve, Fault, Flat, Mark, Peaks, Tilt};

/// Signs of both columns in each quadrant.
pub(super) const QUADRANTS: [[f64; 2]; 4] = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]];

impl Committee {
    /// Mean, covariance (`xx, xy, yy`) and log-partition of a row.
    pub(super) fn pair(&self, y: f64, n: [f64; 2], gamma: [f64; 3]) -> Result<Part, Fault> {
        let mut parts = [Part::NONE; 4];
        let mut top = 0;
        for (k, signs) in QUADRANTS.into_iter().enumerate() {
            let weight = self.share(y, signs.iter().filter(|s| **s > 0.0).count());
            if weight > 0.0 {
                parts[k] = self.quadrant(signs, n, gamma)?;
                parts[k].log_mass += weight.ln();
            }
            if parts[k].log_mass > parts[top].log_mass {
                top = k;
            }
        }
        let (height, centre) = (parts[top].log_mass, parts[top].mean);
        let (mut total, mut shift) = (0.0, [0.0; 2]);
        for part in &mut parts {
            part.log_mass = (part.log_mass - height).exp();
            total += part.log_mass;
            for j in 0..2 {
                shift[j] += part.log_mass * (part.mean[j] - centre[j]);
            }
        }
        let shift = shift.map(|s| s / total);
        let mut covariance = [0.0; 3];
        for part in &parts {
            let apart = [0, 1].map(|j| part.mean[j] - centre[j] - shift[j]);
            let square = [apart[0] * apart[0], apart[0] * apart[1], apart[1] * apart[1]];
            for k in 0..3 {
                covariance[k] += part.log_mass / total * (part.covariance[k] + square[k]);
            }
        }
        let mean = [0, 1].map(|j| centre[j] + shift[j]);
        Ok(Part { log_mass: height + total.ln(), mean, covariance })
    }

    /// The cavity's Gaussian within a quadrant.
    pub(super) fn quadrant(
        &self,
        [s, t]: [f64; 2],
        n: [f64; 2],
        gamma: [f64; 3],
    ) -> Result<Part, Fault> {
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

/// A quadrant or a mixture of them.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) log_mass: f64,
    pub(super) mean: [f64; 2],
    /// `xx, xy, yy`.
    pub(super) covariance: [f64; 3],
}

impl Part {
    const NONE: Self = Self { log_mass: f64::NEG_INFINITY, mean: [0.0; 2], covariance: [0.0; 3] };

    /// Whether all numbers are.
    pub(super) fn is_finite(&self) -> bool {
        let [xx, xy, yy] = self.covariance;
        (self.log_mass + self.mean[0] + self.mean[1] + xx + xy + yy).is_finite()
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
