//! Classes with softmax probabilities: multinomial logistic regression, as a posterior mean or a maximiser.

mod climb;
mod points;
#[cfg(test)]
mod tests;

use fg_core::denoiser::{Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::points::GaussianPoints;

use super::logistic::Label;
use crate::error::ParameterError;
use crate::family::curve::{self, Tilt};
use crate::family::{Replicates, Rule};
use climb::Climb;
use points::Moments;

/// The class of a row, with probabilities by the softmax of its columns.
///
/// # Density
///
/// ```text
/// p(y | z) = exp(z_y) / sum_k exp(z_k),      y = 0 .. d - 1
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | classes `d` | - | 2 and more | the columns of the variable |
/// | points | 2048 | 16 to 65536 | of the average, from three classes on |
///
/// # Estimate
///
/// * Two classes: the difference of the columns has logistic probabilities and is independent of what is left of the
///   Gaussian. Its moments are those of [`Logistic`](crate::Logistic), to the same accuracy.
/// * Three classes and more: an average over points of a Gaussian around the mode, each with the ratio of the posterior to
///   that Gaussian as its weight. Its precision is the cavity's and half the softmax's curvature at the mode, as the
///   posterior's tails are the cavity's. Points are whitened, mirrored, scrambled
///   Sobol points; rows take turns at several scramblings, so that their errors average out over rows. Half of a row's points
///   are independent of the others: by how far both halves differ, the [standard error](Scratch::declare) of the
///   averaged covariance is found, that of the worst block of rows.
/// * After [`maximised`](Self::maximised) the mode and the inverse of the curvature there, for any number of classes: the
///   cost of regularised multinomial logistic regression.
///
/// # Numerical notes and limits
///
/// * The mode by Newton's steps, shortened until the slope along them has halved: the exponent is concave.
/// * At cavities of deviations about one the mean of a single row is right to two thousandths of its deviation and the
///   covariance to two parts in a thousand, with the default number of points, and three times better with 32768. Errors
///   grow with the deviation of the cavity, for which the curvature at the mode says less and less of the tails.
/// * The cavity's precision must be positive definite, for two classes along `(1, 1)` only, else
///   [`Breakdown::ImproperCavity`].
/// * Two classes take less than 10 microseconds a row; others `points d^2` operations and Newton's steps of `d^3`.
///
/// # Reference
///
/// D. Boehning, "Multinomial logistic regression algorithm", Annals of the Institute of Statistical Mathematics 44 (1992),
/// doi 10.1007/BF00048682.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let class = fg_denoisers::Softmax::new(3)?;
/// let (mut mean, mut covariance) = ([0.0; 3], [0.0; 9]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
/// let unit = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
/// let cavity = RowCavity::new(0, 3, &[0.0; 3], &[0.0; 3], &unit);
/// class.estimate(&[2.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!(mean[2] > 0.0 && mean[0] < 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    classes: usize,
    estimation: Estimation,
    rule: Rule,
    points: Vec<GaussianPoints>,
}

/// Share of the softmax's curvature in that of the points: the posterior's tails are the cavity's.
const WIDE: f64 = 0.5;
/// Default of [`Softmax::with_points`].
const POINTS: usize = 2048;
/// How many scramblings rows take turns at.
const SCRAMBLINGS: u32 = 8;

impl Softmax {
    /// Classes, answered by posterior means.
    ///
    /// # Errors
    /// [`ParameterError`] for fewer than two classes.
    pub fn new(classes: usize) -> Result<Self, ParameterError> {
        if classes < 2 {
            let (value, requirement) = (classes as f64, "2 or more");
            return Err(ParameterError::OutOfRange { parameter: "classes", value, requirement });
        }
        let points = scramblings(classes, POINTS);
        let estimation = Estimation::Mmse;
        Ok(Self { classes, estimation, rule: curve::rule(), points })
    }

    /// The same classes, answered by maximisers. Default: posterior means.
    #[must_use]
    pub fn maximised(self) -> Self {
        Self { estimation: Estimation::Map, points: Vec::new(), ..self }
    }

    /// Points of the average. Default: 2048; of no effect for two classes and for maximisers.
    ///
    /// # Errors
    /// [`ParameterError`] unless there are 16 to 65536.
    pub fn with_points(self, points: usize) -> Result<Self, ParameterError> {
        if !(16..=1 << 16).contains(&points) {
            let (value, requirement) = (points as f64, "between 16 and 65536");
            return Err(ParameterError::OutOfRange { parameter: "points", value, requirement });
        }
        let points = match self.estimation {
            Estimation::Mmse => scramblings(self.classes, points),
            Estimation::Map => Vec::new(),
        };
        Ok(Self { points, ..self })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Values of scratch memory for a row.
    fn memory(&self) -> usize {
        Climb::len(self.classes) + points::len(self.classes)
    }

    /// Whether it averages over points.
    fn samples(&self) -> bool {
        self.classes > 2 && self.estimation == Estimation::Mmse
    }

    /// Estimates one row and returns its log-partition.
    fn row(
        &self,
        class: usize,
        (n, start, precision): (&[f64], &[f64], &[f64]),
        row: usize,
        out: &mut Moments<'_>,
        memory: &mut [f64],
    ) -> Result<f64, Breakdown> {
        let d = self.classes;
        let Moments { mean, covariance, difference: _ } = &mut *out;
        if d == 2 && self.estimation == Estimation::Mmse {
            return self
                .pair(class, n, precision, (mean, covariance))
                .map_err(|f| f.breakdown(row));
        }
        let (climb, rest) = memory.split_at_mut(Climb::len(d));
        let mut climb = Climb::new(class, n, precision, climb);
        climb.run(start, covariance).map_err(|fault| fault.breakdown(row))?;
        match self.estimation {
            Estimation::Map => {
                mean.copy_from_slice(climb.place());
                climb.invert(covariance).map_err(|fault| fault.breakdown(row))?;
                Ok(climb.height())
            }
            Estimation::Mmse => {
                climb.widen(WIDE).map_err(|fault| fault.breakdown(row))?;
                let points = &self.points[row % self.points.len()];
                points::average(&climb, points, out, rest)
                    .ok_or(Breakdown::NotFinite { port: 0, row })
            }
        }
    }

    /// Two classes: `z = k t + (1, 1) s` with the difference `t` of the columns, own class first, and an independent `s`.
    fn pair(
        &self,
        class: usize,
        n: &[f64],
        precision: &[f64],
        (mean, covariance): (&mut [f64], &mut [f64]),
    ) -> Result<f64, curve::Fault> {
        let (a, b, c) = (precision[0], 0.5 * (precision[1] + precision[2]), precision[3]);
        let whole = a + 2.0 * b + c;
        if !(whole > 0.0) {
            return Err(curve::Fault::Improper);
        }
        let sign = if class == 0 { 1.0 } else { -1.0 };
        let k = [sign * (c + b) / whole, -sign * (a + b) / whole];
        let gamma = (a * c - b * b).max(0.0) / whole;
        let tilt = Tilt { n: k[0] * n[0] + k[1] * n[1], gamma };
        let found = curve::average(&Label(1.0), tilt, &self.rule)?;
        let (pull, variance) = (n[0] + n[1], whole.recip());
        let common = pull * variance;
        for i in 0..2 {
            mean[i] = k[i] * found.mean + common;
            for j in 0..2 {
                covariance[2 * i + j] = variance + found.variance * (k[i] * k[j]);
            }
        }
        let log_common = 0.5 * (pull * common + (core::f64::consts::TAU * variance).ln());
        Ok(found.log_partition + log_common)
    }
}

fn scramblings(classes: usize, points: usize) -> Vec<GaussianPoints> {
    (0..SCRAMBLINGS).map(|seed| GaussianPoints::halves(classes, points, seed)).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "classes are checked")]
fn class_of(y: f64) -> usize {
    y as usize
}

impl Likelihood for Softmax {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let (d, groups) = (self.classes, self.points.len());
        let replicates = Replicates::len(groups, d);
        let memory = scratch.slice(self.memory() + replicates + d * d);
        let (replicates, memory) = memory.split_at_mut(replicates);
        let mut replicates = Replicates::new(groups, d, replicates);
        let (difference, memory) = memory.split_at_mut(d * d);
        for (i, &y) in observed.iter().enumerate() {
            let at = i * d..(i + 1) * d;
            let given =
                (&cavity.natural()[at.clone()], &cavity.mean()[at.clone()], cavity.precision());
            let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
            let difference = &mut *difference;
            let mut answer = Moments { mean: &mut out.mean[at], covariance, difference };
            let row = cavity.first_row() + i;
            self.row(class_of(y), given, row, &mut answer, memory)?;
            if self.samples() {
                replicates.add(row % groups, answer.difference);
            }
        }
        let covariances = &out.covariance[..observed.len() * d * d];
        let error = replicates.relative_error(cavity.precision(), covariances);
        scratch.declare(error);
        Ok(())
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(self.classes)
    }

    fn estimation(&self) -> Estimation {
        self.estimation
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        let last = self.classes - 1;
        match observed {
            [y] if *y >= 0.0 && *y <= last as f64 && y.fract() == 0.0 => Ok(()),
            _ => Err(format!("class must be a whole number from 0 to {last}, got {observed:?}")),
        }
    }

    /// False where a row is improper.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let d = self.classes;
        let mut memory = vec![0.0; self.memory()];
        let (mut mean, mut covariance) = (vec![0.0; d], vec![0.0; d * d]);
        let mut difference = vec![0.0; d * d];
        for (i, (&y, out)) in observed.iter().zip(out).enumerate() {
            let at = i * d..(i + 1) * d;
            let given = (&cavity.natural()[at.clone()], &cavity.mean()[at], cavity.precision());
            let mut answer = Moments {
                mean: &mut mean,
                covariance: &mut covariance,
                difference: &mut difference,
            };
            match self.row(class_of(y), given, cavity.first_row() + i, &mut answer, &mut memory) {
                Ok(log) => *out = log,
                Err(_) => return false,
            }
        }
        true
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let top = z.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
        let total: f64 = z.iter().map(|v| (v - top).exp()).sum();
        let (mut rest, mut class) = (uniforms[0] * total, 0);
        // The last class takes what rounding leaves.
        while class + 1 < z.len() {
            rest -= (z[class] - top).exp();
            if rest < 0.0 {
                break;
            }
            class += 1;
        }
        y[0] = class as f64;
    }

    fn name(&self) -> String {
        "softmax".to_owned()
    }
}
