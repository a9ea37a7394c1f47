//! Two units of any precision: in each quadrant one column in closed form, the other integrated.

use fg_core::special::{log_cdf, log_mills};

use super::{Committee, Moments};
use crate::family::HalfLine;
use crate::family::curve::{Curve, Fault, Flat, Mark, Peaks, Tilt};

/// Signs of both columns in each quadrant.
const QUADRANTS: [[f64; 2]; 4] = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]];
/// A determinant below this share of the product of the diagonal is rounding of zero.
const SINGULAR: f64 = 8.0 * f64::EPSILON;

impl Committee {
    /// Estimates a row and returns its log-partition.
    pub(super) fn quadrants(
        &self,
        y: f64,
        (n, r): ([f64; 2], [f64; 2]),
        precision: &[f64],
        out: Moments<'_>,
    ) -> Result<f64, Fault> {
        let gamma = symmetric(precision);
        let found = self.pair(y, Seen::new(n, r, gamma))?;
        let [xx, xy, yy] = found.covariance;
        out.mean.copy_from_slice(&found.mean);
        out.covariance.copy_from_slice(&[xx, xy, xy, yy]);
        Ok(found.log_mass)
    }

    /// Mean, covariance (`xx, xy, yy`) and log-partition of a row.
    fn pair(&self, y: f64, seen: Seen) -> Result<Part, Fault> {
        let [a, b, c] = seen.gamma;
        if !(a > 0.0 && c > 0.0 && a * c - b * b > SINGULAR * a * c) {
            return Err(Fault::Improper);
        }
        let mut parts = [Part::NONE; 4];
        let mut top = 0;
        let weight = |[s, t]: [f64; 2]| self.share(y, usize::from(s > 0.0) + usize::from(t > 0.0));
        let near = |signs: [f64; 2]| !seen.is_far(signs[1]);
        let any_near = QUADRANTS.into_iter().any(|signs| near(signs) && weight(signs) > 0.0);
        for (k, signs) in QUADRANTS.into_iter().enumerate() {
            let weight = weight(signs);
            if weight > 0.0 && (near(signs) || !any_near) {
                parts[k] = self.quadrant(signs, seen)?;
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
        Ok(Part { log_mass: height + total.ln() + seen.height(), mean, covariance })
    }

    /// The cavity's Gaussian within a quadrant.
    pub(super) fn quadrant(&self, [s, t]: [f64; 2], seen: Seen) -> Result<Part, Fault> {
        let ([a, b, c], frame) = (seen.gamma, seen.frame(t));
        let (pull, end) = (s * frame.pull, -t * frame.origin);
        let edge = Edge { pull, bend: s * t * b, precision: a, root: a.sqrt(), own: c, end };
        let tilt = Tilt { n: t * frame.tilt, gamma: c };
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
            log_mass: peaks.height(&edge, tilt) + mass.ln() + (frame.height - seen.height()),
            mean: [s * (at_top + u), frame.origin + t * (top + x)],
            covariance: [v + (uu - u * u).max(0.0), s * t * (xu - x * u), xx - x * x],
        })
    }
}

/// What a cavity says of a row.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    n: [f64; 2],
    r: [f64; 2],
    gamma: [f64; 3],
    /// Whether the second column's offsets count from its mean, on that side of zero where the mean is.
    fine: bool,
}

/// What a cavity says of a row, the second column counted from an origin.
struct Frame {
    origin: f64,
    /// Slope of the first column where it and the offset are zero, and of the second.
    pull: f64,
    tilt: f64,
    /// Log-partition where it and the offset are zero.
    height: f64,
}

/// Where the rounding of a natural parameter moves the mean by more than so many deviations, offsets count from the mean.
const ROUNDED: f64 = 1e-6;

impl Seen {
    /// Of these natural parameters, means and precision `a, b, c`.
    pub(super) fn new(n: [f64; 2], r: [f64; 2], gamma: [f64; 3]) -> Self {
        let fine = f64::EPSILON * n[1].abs() > ROUNDED * gamma[2].sqrt();
        Self { n, r, gamma, fine }
    }

    /// Whether the side `t` of the second column is billions of deviations away from the mean: of no weight beside the other.
    fn is_far(&self, t: f64) -> bool {
        self.fine && t * self.r[1] < 0.0
    }

    /// That of quadrants on the side `t` of the second column.
    fn frame(&self, t: f64) -> Frame {
        let (Self { n, r, gamma: [a, b, c], .. }, none) = (*self, 0.0);
        if self.fine && !self.is_far(t) {
            let height = r[1] * (b * r[0] + 0.5 * c * r[1]);
            return Frame { origin: r[1], pull: a * r[0], tilt: b * r[0], height };
        }
        Frame { origin: none, pull: n[0], tilt: n[1], height: none }
    }

    /// What log-partitions of quadrants count from.
    fn height(&self) -> f64 {
        self.frame(self.r[1]).height
    }
}

/// A quadrant or a mixture of them.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) log_mass: f64,
    mean: [f64; 2],
    covariance: [f64; 3],
}

impl Part {
    const NONE: Self = Self { log_mass: f64::NEG_INFINITY, mean: [0.0; 2], covariance: [0.0; 3] };
}

/// The first column's mass given the second one's offset `x`, with the sign of its quadrant: that of a half line of slope
/// `pull - bend x`.
struct Edge {
    pull: f64,
    bend: f64,
    precision: f64,
    root: f64,
    /// Precision of the second column.
    own: f64,
    /// Where the second column is zero.
    end: f64,
}

impl Edge {
    fn half(&self, x: f64) -> Option<HalfLine> {
        HalfLine::new(self.pull - self.bend * x, self.precision, self.root)
    }
}

impl Curve for Edge {
    /// The offset itself, from which differences are taken.
    fn value(&self, x: f64) -> f64 {
        x
    }

    /// Where the half line reaches over its peak its logarithm is `h^2 / 2` and a little, whose difference would cancel.
    fn rise(&self, x: f64, base: f64) -> f64 {
        let [here, there] = [x, base].map(|x| (self.pull - self.bend * x) / self.root);
        let (light, both) = (here.min(there) <= 0.0, here + there);
        if light {
            return log_mills(here) - log_mills(there);
        }
        let squares = 0.5 * both * (self.bend * (base - x) / self.root);
        squares + log_cdf(here) - log_cdf(there)
    }

    fn log(&self, base: f64) -> f64 {
        HalfLine::log_mass(self.pull - self.bend * base, self.precision)
    }

    fn slopes(&self, x: f64) -> [f64; 2] {
        let moments = self.half(x).map_or([0.0; 2], |half| [half.mean, half.variance]);
        [-self.bend * moments[0], self.bend * self.bend * moments[1]]
    }

    fn support(&self) -> (f64, f64) {
        (self.end, f64::INFINITY)
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
        self.end.max(0.0) + gamma.sqrt().recip()
    }

    fn flat(&self, _n: f64) -> Flat {
        Flat::Improper
    }
}

fn symmetric(precision: &[f64]) -> [f64; 3] {
    [precision[0], 0.5 * (precision[1] + precision[2]), precision[3]]
}
