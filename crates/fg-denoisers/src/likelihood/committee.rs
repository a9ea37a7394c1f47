//! The vote of two signs: a committee machine with two units.

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use crate::error::ParameterError;
use crate::family::curve::{self, Curve, Fault, Flat, Mark, Peaks, Tilt};
use crate::family::label;
use crate::family::{HalfLine, Rule};

/// Labels -1 and 1 by the vote of the signs of two columns, ties by the toss of a coin, with flips or without.
///
/// # Density
///
/// ```text
/// p(1 | z) = eps + (1 - 2 eps) w,      w = 1 for two positive columns, 1/2 for one, 0 for none
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | flips `eps` | 0 | `[0, 1/2]` | probability that a label is the other one afterwards |
///
/// # Estimate
///
/// The posterior is a mixture of the cavity's Gaussian cut off to each quadrant. In a quadrant the first column given the
/// second one is a Gaussian on a half line, in closed form; the second is integrated. With a precision `[a, b; b, c]`, signs
/// `s` and `t` of the columns and `x = t z_2`:
///
/// ```text
/// exponent        t n_2 x - c x^2 / 2 + log M(s (n_1 - t b x)),     M the mass of a half line of precision a
/// ```
///
/// # Numerical notes and limits
///
/// * The exponent is concave: panels around its peak, over all that is within 40 nats of it.
/// * Masses are logarithms and moments those of Mills' ratio: labels against the evidence by thirty deviations keep their
///   digits, and the covariance is a sum of positive matrices.
/// * The cavity's precision must be positive definite, else [`Breakdown::ImproperCavity`].
/// * Below 25 microseconds a quadrant of positive weight: three without flips, four with them.
/// * For more units, and for outputs that add up activations, see [`TwoLayerMmse`](crate::likelihood::TwoLayerMmse).
///
/// # Reference
///
/// B. Aubin, A. Maillard, J. Barbier, F. Krzakala, N. Macris and L. Zdeborova, "The committee machine: Computational to
/// statistical gaps in learning a two-layers neural network", Journal of Statistical Mechanics (2019), doi
/// 10.1088/1742-5468/ab43d2.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let vote = fg_denoisers::Committee::new();
/// let (mut mean, mut covariance) = ([0.0; 2], [0.0; 4]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
/// let cavity = RowCavity::new(0, 2, &[0.0; 2], &[0.0; 2], &[1.0, 0.0, 0.0, 1.0]);
/// vote.estimate(&[1.0], &cavity, &mut out, &mut Scratch::default())?;
/// // Each unit is positive in three of four cases: half of half a normal variable's mean.
/// assert!((mean[0] - 0.5 * (2.0 / std::f64::consts::PI).sqrt()).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Committee {
    flips: f64,
    rule: Rule,
}

/// Signs of both columns in each quadrant.
const QUADRANTS: [[f64; 2]; 4] = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]];
/// A determinant below this share of the product of the diagonal is rounding of zero.
const SINGULAR: f64 = 8.0 * f64::EPSILON;

impl Default for Committee {
    fn default() -> Self {
        Self::new()
    }
}

impl Committee {
    /// The vote without flips.
    pub fn new() -> Self {
        Self { flips: 0.0, rule: curve::rule() }
    }

    /// The same label, turned with probability `flips`. Default: 0.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= flips <= 1/2`.
    pub fn with_flips(self, flips: f64) -> Result<Self, ParameterError> {
        let requirement = "in [0, 1/2]";
        if (0.0..=0.5).contains(&flips) {
            return Ok(Self { flips, ..self });
        }
        Err(ParameterError::OutOfRange { parameter: "flips", value: flips, requirement })
    }

    /// Probability of a flipped label.
    pub fn flips(&self) -> f64 {
        self.flips
    }

    /// Probability of the label 1 in a quadrant.
    fn share(&self, signs: [f64; 2]) -> f64 {
        let votes = 0.25 * (2.0 + signs[0] + signs[1]);
        self.flips + (1.0 - 2.0 * self.flips) * votes
    }

    /// Mean, covariance (`xx, xy, yy`) and log-partition of a row.
    fn row(&self, y: f64, n: [f64; 2], gamma: [f64; 3]) -> Result<Part, Fault> {
        let [a, b, c] = gamma;
        if !(a > 0.0 && c > 0.0 && a * c - b * b > SINGULAR * a * c) {
            return Err(Fault::Improper);
        }
        let mut parts = [Part::NONE; 4];
        let mut top = 0;
        for (k, signs) in QUADRANTS.into_iter().enumerate() {
            let weight = self.share(signs.map(|s| y * s));
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
    fn quadrant(&self, [s, t]: [f64; 2], n: [f64; 2], gamma: [f64; 3]) -> Result<Part, Fault> {
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
struct Part {
    log_mass: f64,
    mean: [f64; 2],
    covariance: [f64; 3],
}

impl Part {
    const NONE: Self = Self { log_mass: f64::NEG_INFINITY, mean: [0.0; 2], covariance: [0.0; 3] };
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

fn symmetric(precision: &[f64]) -> [f64; 3] {
    [precision[0], 0.5 * (precision[1] + precision[2]), precision[3]]
}

impl Likelihood for Committee {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let gamma = symmetric(cavity.precision());
        for (i, (n, &y)) in cavity.natural().chunks_exact(2).zip(observed).enumerate() {
            let found = self
                .row(y, [n[0], n[1]], gamma)
                .map_err(|fault| fault.breakdown(cavity.first_row() + i))?;
            let [xx, xy, yy] = found.covariance;
            out.mean[2 * i..2 * i + 2].copy_from_slice(&found.mean);
            out.covariance[4 * i..4 * i + 4].copy_from_slice(&[xx, xy, xy, yy]);
        }
        Ok(())
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(2)
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        label::check(observed)
    }

    /// False where a row is improper.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let gamma = symmetric(cavity.precision());
        let rows = cavity.natural().chunks_exact(2).zip(observed);
        for (out, (n, &y)) in out.iter_mut().zip(rows) {
            match self.row(y, [n[0], n[1]], gamma) {
                Ok(found) => *out = found.log_mass,
                Err(_) => return false,
            }
        }
        true
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    /// Zero counts as positive.
    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let sign = |z: f64| if z >= 0.0 { 1.0 } else { -1.0 };
        let positive = uniforms[0] >= 1.0 - self.share([sign(z[0]), sign(z[1])]);
        y[0] = if positive { 1.0 } else { -1.0 };
    }

    fn name(&self) -> String {
        "committee".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(vote: &Committee, y: f64, n: [f64; 2], gamma: [f64; 4]) -> ([f64; 2], [f64; 4], f64) {
        let cavity = RowCavity::new(0, 2, &n, &n, &gamma);
        let (mut mean, mut covariance, mut log) = ([0.0; 2], [0.0; 4], [0.0]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        vote.estimate(&[y], &cavity, &mut out, &mut Scratch::default()).unwrap();
        assert!(vote.log_partition(&[y], &cavity, &mut log), "a log-partition function");
        (mean, covariance, log[0])
    }

    #[test]
    fn correlated_columns_have_the_orthant_probability_of_sheppard() {
        // Precision [1, -r; -r, 1] / (1 - r^2) is a covariance of correlation r: both are positive with probability
        // 1/4 + asin(r) / (2 pi), the labels are as likely.
        for r in [-0.9f64, -0.3, 0.0, 0.6, 0.99] {
            let scale = 1.0 / (1.0 - r * r);
            let gamma = [scale, -r * scale, -r * scale, scale];
            let own = core::f64::consts::TAU.ln() - 0.5 * scale.ln();
            let (mean, _, log) = run(&Committee::new(), 1.0, [0.0; 2], gamma);
            assert!((log - own - 0.5f64.ln()).abs() < 1e-12, "{r}: {log}");
            // E z w over P(w): E z_1 1(z_1 > 0) and E z_1 1(z_2 > 0), halves, are 1 and r over sqrt(2 pi).
            let expected = (1.0 + r) / core::f64::consts::TAU.sqrt();
            assert!((mean[0] - expected).abs() < 1e-12, "{r}: {mean:?} {expected}");
            let quadrant =
                Committee::new().quadrant([1.0, 1.0], [0.0; 2], [scale, -r * scale, scale]);
            let share = (quadrant.unwrap().log_mass - own).exp();
            let exact = 0.25 + r.asin() / core::f64::consts::TAU;
            assert!((share / exact - 1.0).abs() < 1e-12, "{r}: {share} {exact}");
        }
    }

    #[test]
    fn independent_columns_are_mixtures_of_half_lines() {
        let (n, gamma) = ([-40.0, 3.0], [1.0, 0.0, 0.0, 4.0]);
        let (mean, covariance, log) = run(&Committee::new(), 1.0, n, gamma);
        let half = |k: usize, s: f64| {
            let (n, g) = (s * n[k], gamma[3 * k]);
            (HalfLine::log_mass(n, g), HalfLine::new(n, g, g.sqrt()).unwrap())
        };
        // The first column is negative but for a share of exp(-800): the second one is positive in half of all cases.
        let (left, down) = (half(0, -1.0), half(1, 1.0));
        assert!((mean[0] + left.1.mean).abs() < 1e-12, "{mean:?}");
        assert!((mean[1] - down.1.mean).abs() < 1e-12, "{mean:?}");
        assert!((covariance[3] / down.1.variance - 1.0).abs() < 1e-11, "{covariance:?}");
        assert!((log - left.0 - down.0 - 0.5f64.ln()).abs() < 1e-9, "{log}");
    }

    #[test]
    fn labels_are_drawn_with_their_probabilities_and_parameters_checked() {
        let vote = Committee::new().with_flips(0.1).unwrap();
        let draw = |z: [f64; 2], u: f64| {
            let mut y = [0.0];
            vote.draw(&z, &[u], &mut y);
            y[0] > 0.0
        };
        assert!(draw([1.0, 2.0], 0.1 + 1e-9) && !draw([1.0, 2.0], 0.1 - 1e-9));
        assert!(draw([1.0, -2.0], 0.5 + 1e-9) && !draw([1.0, -2.0], 0.5 - 1e-9));
        assert!(draw([-1.0, -2.0], 0.9 + 1e-9) && !draw([-1.0, -2.0], 0.9 - 1e-9));
        assert!(Committee::new().with_flips(0.6).is_err() && vote.check(&[0.0]).is_err());
        let cavity = RowCavity::new(2, 2, &[0.0; 2], &[0.0; 2], &[1.0, 1.0, 1.0, 1.0]);
        let mut out = RowEstimate { mean: &mut [0.0; 2], covariance: &mut [0.0; 4] };
        let found = vote.estimate(&[1.0], &cavity, &mut out, &mut Scratch::default());
        assert_eq!(found, Err(Breakdown::ImproperCavity { port: 0, row: 2 }));
    }
}
