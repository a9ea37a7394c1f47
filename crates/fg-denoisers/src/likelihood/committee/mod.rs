//! The vote of the signs of all columns: a committee machine.

mod crossings;
mod decided;
mod mixture;
mod pair;
mod quadrant;
mod rows;
#[cfg(test)]
mod tests;
mod votes;

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::points::GaussianPoints;

use crate::error::ParameterError;
use crate::family::{Rule, curve, label};
use crossings::Batch;
use rows::Rows;

/// Labels -1 and 1 by the vote of the signs of all columns, with flips or without; ties by the toss of a coin, or as a label
/// of their own, 0.
///
/// # Density
///
/// ```text
/// p(1 | z) = eps + (1 - 2 eps) w,      w = 1 for a majority of positive columns, 1/2 for a tie, 0 for a minority
///
/// with ties:  p(0 | z) = 1 for a tie, else 0;  p(1 | z) = 0 for a tie
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | units `d` | 2 | 2 and more | the columns of the variable |
/// | ties | unseen | seen or unseen | whether a tie is a label of its own |
/// | flips `eps` | 0 | `[0, 1/2]` | probability that a label is the other one afterwards |
/// | points | 256 | 16 to 65536 | lines of the average, from three units with correlations on |
///
/// # Estimate
///
/// The posterior is a mixture of the cavity's Gaussian cut off to each orthant.
///
/// * Two units: in a quadrant the first column given the second one is a Gaussian on a half line, in closed form; the second
///   is integrated. Where a sign is beyond doubt (the other one has `e^-40` of the mass), the other column alone is on two
///   half lines. With a precision `[a, b; b, c]`, signs `s` and `t` of the columns and `x = t z_2`:
///
/// ```text
/// exponent        t n_2 x - c x^2 / 2 + log M(s (n_1 - t b x)),     M the mass of a half line of precision a
/// ```
///
/// * More units, diagonal precision: given the signs columns are independent half lines, and the number of positive ones
///   among others is found by adding one column after another: exact.
/// * More units, full precision: the row is integrated along parallel lines in the direction in which the mean vote changes
///   most. On a line the vote is constant between the zeros of the columns, and all moments are exact; across the lines they
///   are summed over whitened, mirrored, scrambled Sobol points. Rows take turns at several scramblings. Half of a row's
///   points are independent of the others: by how far both halves differ, the
///   [standard error](Scratch::declare) of the averaged covariance is found, that of the worst block of rows.
///
/// # Numerical notes and limits
///
/// * Two units: the exponent is concave, and integrated over all that is within 40 nats of its peak: by 40 points, 48 where
///   the correlation `b / sqrt(a c)` is beyond 0.7, or 80 where it is beyond 0.95, a register of rows at a time. Where `1 - b^2 / (a c)` is below `1e-6`, and
///   for rows whose numbers overflow on the way, by panels of 24 points around the peak, row by row. Errors are those of
///   rounding, which strong correlations enlarge: `1e-12` of the deviations, and `1e-10` at 0.9999 and thirty deviations.
/// * Masses are logarithms and moments those of Mills' ratio: labels against the evidence by thirty deviations keep their
///   digits, and the covariance is a sum of positive matrices. With correlations and more than two units this holds along
///   the lines only: where a label is against the evidence by several deviations few lines carry the mass, which the
///   standard error says.
/// * The cavity's precision must be positive definite, else [`Breakdown::ImproperCavity`]; no line that the label is possible
///   on is [`Breakdown::NotFinite`].
/// * Of two units below a microsecond a quadrant of positive weight, 25 where it takes panels: there are three such quadrants
///   without flips, four with them, one or two where ties are seen. Diagonal precisions of more units take
///   `d^4 / 4` operations of a logarithm and an exponential, others `points d^2`.
/// * For outputs that add up activations, see [`TwoLayerMmse`](crate::likelihood::TwoLayerMmse).
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
    units: usize,
    flips: f64,
    /// Whether ties are seen.
    ties: bool,
    /// Panels of single rows of two units.
    rule: Rule,
    /// Rules of registers of such rows.
    corners: [Rule; 3],
    /// Empty for two units.
    points: Vec<GaussianPoints>,
}

/// Default of [`Committee::with_points`].
const POINTS: usize = 256;
/// How many scramblings rows take turns at.
const SCRAMBLINGS: u32 = 16;

/// Correlations below this are rounding of zero.
const SPECK: f64 = f64::EPSILON;

/// Mean (`d`) and covariance (`d x d`) of a row.
struct Moments<'a> {
    mean: &'a mut [f64],
    covariance: &'a mut [f64],
}

impl Default for Committee {
    fn default() -> Self {
        Self::new()
    }
}

impl Committee {
    /// The vote of two units without flips.
    pub fn new() -> Self {
        let rule = curve::rule();
        let corners = quadrant::rules();
        Self { units: 2, flips: 0.0, ties: false, rule, corners, points: Vec::new() }
    }

    /// The vote of so many units. Default: 2.
    ///
    /// # Errors
    /// [`ParameterError`] for fewer than two.
    pub fn with_units(self, units: usize) -> Result<Self, ParameterError> {
        if units < 2 {
            let (value, requirement) = (units as f64, "2 or more");
            return Err(ParameterError::OutOfRange { parameter: "units", value, requirement });
        }
        Ok(Self { units, points: scramblings(units, POINTS), ..self })
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

    /// Ties are seen, as the label 0; flips don't change them. Default: a coin decides.
    #[must_use]
    pub fn with_ties(self) -> Self {
        Self { ties: true, ..self }
    }

    /// Lines of the average. Default: 256; of no effect for two units and for diagonal precisions.
    ///
    /// # Errors
    /// [`ParameterError`] unless there are 16 to 65536.
    pub fn with_points(self, points: usize) -> Result<Self, ParameterError> {
        if !(16..=1 << 16).contains(&points) {
            let (value, requirement) = (points as f64, "between 16 and 65536");
            return Err(ParameterError::OutOfRange { parameter: "points", value, requirement });
        }
        Ok(Self { points: scramblings(self.units, points), ..self })
    }

    /// Number of units.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Probability of a flipped label.
    pub fn flips(&self) -> f64 {
        self.flips
    }

    /// Whether ties are seen.
    pub fn ties(&self) -> bool {
        self.ties
    }

    /// Probability of the label `y` where so many units are positive.
    fn share(&self, y: f64, positive: usize) -> f64 {
        if self.ties && (y == 0.0 || 2 * positive == self.units) {
            return f64::from(u8::from(y == 0.0 && 2 * positive == self.units));
        }
        let lead = y * (2.0 * positive as f64 - self.units as f64);
        self.flips + (1.0 - 2.0 * self.flips) * (0.5 + 0.5 * lead.clamp(-1.0, 1.0))
    }

    /// Values of working memory.
    fn memory(&self) -> usize {
        let lines = if self.points.is_empty() { 0 } else { Batch::len(self) };
        lines.max(votes::len(self.units))
    }

    /// Estimates row `i` of more than two independent units, and returns its log-partition.
    fn row(
        &self,
        (i, y): (usize, f64),
        cavity: &RowCavity<'_>,
        out: Moments<'_>,
        memory: &mut [f64],
    ) -> Result<f64, Breakdown> {
        let range = i * self.units..(i + 1) * self.units;
        let found = self.independent(y, &cavity.natural()[range], cavity.precision(), out, memory);
        found.map_err(|fault| fault.breakdown(cavity.first_row() + i))
    }

    /// Whether columns are independent.
    fn diagonal(&self, precision: &[f64]) -> bool {
        let d = self.units;
        let speck = |k: usize| {
            let own = [k / d, k % d].map(|j| precision[j * d + j].sqrt());
            precision[k].abs() <= SPECK * own[0] * own[1]
        };
        (0..d * d).all(|k| k.is_multiple_of(d + 1) || speck(k))
    }
}

fn scramblings(units: usize, points: usize) -> Vec<GaussianPoints> {
    let count = if units == 2 { 0 } else { SCRAMBLINGS };
    (0..count).map(|seed| GaussianPoints::halves(units - 1, points, seed)).collect()
}

impl Likelihood for Committee {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        if self.units == 2 {
            let (out, log_partition) = (Some(out), None);
            let rows = Rows { vote: self, observed, cavity, out, log_partition };
            return pulp::Arch::new().dispatch(rows);
        }
        let (d, memory) = (self.units, scratch.slice(self.memory()));
        if !self.diagonal(cavity.precision()) {
            let (out, log_partition) = (Some(out), None);
            let batch = Batch { vote: self, observed, cavity, out, log_partition, memory };
            let error = pulp::Arch::new().dispatch(batch)?;
            scratch.declare(error);
            return Ok(());
        }
        for (i, &y) in observed.iter().enumerate() {
            let mean = &mut out.mean[i * d..(i + 1) * d];
            let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
            self.row((i, y), cavity, Moments { mean, covariance }, memory)?;
        }
        Ok(())
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(self.units)
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        match observed {
            [y] if self.ties && *y == 0.0 => Ok(()),
            [_] if self.ties => {
                label::check(observed).map_err(|e| e.replace("-1 or 1", "-1, 0 or 1"))
            }
            _ => label::check(observed),
        }
    }

    /// False where a row is improper.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        if self.units == 2 {
            let (out, log_partition) = (None, Some(out));
            let rows = Rows { vote: self, observed, cavity, out, log_partition };
            return pulp::Arch::new().dispatch(rows).is_ok();
        }
        let (d, mut memory) = (self.units, vec![0.0; self.memory()]);
        if !self.diagonal(cavity.precision()) {
            let (out, log_partition, memory) = (None, Some(out), &mut memory[..]);
            let batch = Batch { vote: self, observed, cavity, out, log_partition, memory };
            return pulp::Arch::new().dispatch(batch).is_ok();
        }
        let (mut mean, mut covariance) = (vec![0.0; d], vec![0.0; d * d]);
        observed.iter().enumerate().zip(out).all(|((i, &y), out)| {
            let moments = Moments { mean: &mut mean, covariance: &mut covariance };
            let found = self.row((i, y), cavity, moments, &mut memory);
            *out = found.unwrap_or(f64::NAN);
            found.is_ok()
        })
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    /// Zero counts as positive.
    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let positive = z.iter().filter(|z| **z >= 0.0).count();
        let tie = self.ties && 2 * positive == self.units;
        y[0] = match uniforms[0] >= 1.0 - self.share(1.0, positive) {
            _ if tie => 0.0,
            true => 1.0,
            false => -1.0,
        };
    }

    fn name(&self) -> String {
        "committee".to_owned()
    }
}
