//! A label of one rectified unit, row by row: the side of zero where the unit is active over panels, the other one in closed form.

use core::f64::consts::PI;

use super::OneUnit;
use crate::family::HalfLine;
use crate::family::curve::{Curve, Fault, Flat, Mark, Tilt, average};
use crate::family::pieces::Answer;
use crate::likelihood::two_layer::Link;

/// The zeros of the complementary error function lie two deviations off the axis.
const ZEROS: f64 = 2.0;

/// `log link(start + rate z)` of `z > 0`.
struct Active {
    link: Link,
    start: f64,
    rate: f64,
    /// Deviation of the cavity.
    width: f64,
}

impl Curve for Active {
    fn value(&self, z: f64) -> f64 {
        self.link.log(self.rate.mul_add(z, self.start))
    }

    fn slopes(&self, z: f64) -> [f64; 2] {
        let (pull, stiffness) = self.link.slopes(self.rate.mul_add(z, self.start));
        [self.rate * pull, -self.rate * self.rate * stiffness]
    }

    fn support(&self) -> (f64, f64) {
        (0.0, f64::INFINITY)
    }

    fn marks(&self) -> [Mark; 2] {
        let poles = match self.link {
            Link::Logistic => PI,
            Link::Probit { .. } => ZEROS * self.link.deviation(),
        };
        let rate = self.rate.abs();
        let mark = if rate > 0.0 {
            Mark { centre: -self.start / self.rate, scale: poles / rate }
        } else {
            Mark { centre: f64::INFINITY, scale: self.width }
        };
        [mark; 2]
    }

    fn start(&self, n: f64, gamma: f64) -> f64 {
        (n / gamma).max(self.width)
    }

    fn flat(&self, _n: f64) -> Flat {
        Flat::Improper
    }
}

impl OneUnit {
    /// The answer to a row of label `y`.
    pub(super) fn answer(&self, y: f64, tilt: Tilt) -> Result<Answer, Fault> {
        let Tilt { n, gamma } = tilt;
        let (root, start) = (gamma.sqrt(), y * self.bias);
        let width = root.recip();
        let active = Active { link: self.link, start, rate: y * self.weight, width };
        let right = average(&active, tilt, &self.rule)?;
        let left = HalfLine::new(-n, gamma, root).ok_or(Fault::Improper)?;
        let left_mass = HalfLine::log_mass(-n, gamma) + self.link.log(start);
        let top = right.log_partition.max(left_mass);
        let [p, q] = [right.log_partition, left_mass].map(|log| (log - top).exp());
        let mass = p + q;
        let (p, q) = (p / mass, q / mass);
        let apart = right.mean + left.mean;
        Ok(Answer {
            mean: p * right.mean - q * left.mean,
            variance: p * right.variance + q * left.variance + p * q * apart * apart,
            log_partition: top + mass.ln(),
        })
    }
}
