//! Draws from a product of densities: its distribution function, panel by panel.

use fg_core::denoiser::Law;
use fg_core::special::open_uniform;

use super::{LogDensity, Product, parts_of};
use crate::family::curve::Tilt;
use crate::family::root;
use crate::family::survey::Survey;

/// Steps of the search for a quantile within a panel: Newton's, or bisections of it to rounding.
const STEPS: usize = 60;

/// The distribution function at the ends of panels and at points, in ascending order.
#[derive(Clone, Debug)]
pub(super) struct Table {
    factors: Vec<LogDensity>,
    /// Start and end, equal for points.
    places: Vec<(f64, f64)>,
    /// Share of the mass below each place, and one.
    below: Vec<f64>,
    /// Where the function isn't smooth.
    jumps: Vec<f64>,
    tilt: Tilt,
    rule: crate::family::Rule,
}

impl Table {
    /// Of a product that has a finite mass; none where its panels can't be found.
    pub(super) fn new(product: &Product, memory: &mut [f64]) -> Option<Self> {
        let (tilt, rule) = (product.moved(Tilt { n: 0.0, gamma: 0.0 }), Survey::rule());
        let log = |x: f64| product.log(x);
        let mut parts: Vec<(f64, f64, f64)> = Vec::new();
        let mut scale = f64::NEG_INFINITY;
        if product.is_wide() {
            let mut panels = Vec::new();
            let survey = product.survey(&log);
            let visited =
                survey.visit(tilt, &rule, memory, |(a, b, part)| panels.push((a, b, part[0])));
            if let Ok((top, base)) = visited {
                scale = base + tilt.rise(top, 0.0);
                parts.extend(panels.into_iter().map(|(a, b, mass)| (top + a, top + b, mass)));
            }
        }
        let points: Vec<[f64; 3]> = parts_of(&product.points, tilt).collect();
        let top = points.iter().map(|p| p[0]).fold(scale, f64::max);
        parts.iter_mut().for_each(|part| part.2 *= (scale - top).exp());
        parts.extend(points.iter().map(|p| (p[1], p[1], (p[0] - top).exp())));
        parts.retain(|part| part.2 > 0.0);
        parts.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let total: f64 = parts.iter().map(|part| part.2).sum();
        if !(total > 0.0 && total.is_finite()) {
            return None;
        }
        let (mut below, mut jumps, mut sum) = (vec![0.0], Vec::new(), 0.0);
        for &(start, end, mass) in &parts {
            let edge = product.edges.iter().any(|&e| e > start.next_down() && e < start.next_up());
            if (edge || start.total_cmp(&end).is_eq()) && sum > 0.0 {
                jumps.push(sum / total);
            }
            sum += mass;
            below.push(sum / total);
            if start.total_cmp(&end).is_eq() && sum < total {
                jumps.push(sum / total);
            }
        }
        jumps.dedup();
        let factors = product.factors.iter().filter(|f| !f.is_gaussian()).cloned().collect();
        let places = parts.into_iter().map(|part| (part.0, part.1)).collect();
        Some(Self { factors, places, below, jumps, tilt, rule })
    }

    /// The density relative to that at `origin`.
    fn density(&self, x: f64, origin: f64, base: f64) -> f64 {
        let log: f64 = self.factors.iter().map(|factor| factor.log(x)).sum();
        (log - base + self.tilt.rise(x, origin)).exp()
    }
}

impl Law for Table {
    fn uniforms(&self, _d: usize) -> usize {
        1
    }

    fn jumps(&self) -> Option<Vec<f64>> {
        Some(self.jumps.clone())
    }

    /// The inverse distribution function: within a panel the root of its integral.
    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        let u = open_uniform(uniforms[0]);
        let last = self.places.len() - 1;
        let k = self.below[1..].partition_point(|&below| below <= u).min(last);
        let (start, end) = self.places[k];
        row[0] = start;
        if !(end > start) {
            return;
        }
        let share = ((u - self.below[k]) / (self.below[k + 1] - self.below[k])).clamp(0.0, 1.0);
        let middle = 0.5 * (start + end);
        let base: f64 = self.factors.iter().map(|factor| factor.log(middle)).sum();
        let mass = |x: f64| {
            let (centre, half) = (0.5 * (start + x), 0.5 * (x - start));
            let node =
                |&(t, w): &(f64, f64)| w * self.density(half.mul_add(t, centre), middle, base);
            half * self.rule.nodes().iter().map(node).sum::<f64>()
        };
        let wanted = share * mass(end);
        row[0] = root::rising(
            start + share * (end - start),
            (start, end),
            STEPS,
            |x| (mass(x) - wanted, self.density(x, middle, base)),
            |step, x| !(step > 4.0 * f64::EPSILON * (x.abs() + (end - start))),
        );
    }
}
