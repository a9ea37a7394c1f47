//! Signs of an unknown as data: exact, with flipped labels, or of an unknown with noise (probit).

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::number::Number;
use fg_core::special::tail::{above, below, tail};
use fg_core::special::{cdf, log1pexp};

use crate::error::{self, ParameterError};
use crate::family::HalfLine;
use crate::family::formula::{self, FARTHEST, Formula};
use crate::family::label;

/// Labels -1 and 1 of a variable of one column: perceptron, one-bit compressed sensing, probit regression.
///
/// # Density
///
/// ```text
/// p(y | z) = eps + (1 - 2 eps) Phi(y z / sqrt(v)),      y = -1 or 1
/// ```
///
/// Without noise `Phi` is the step at zero, and the label of zero is 1.
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | noise variance `v` | 0 | `[0, inf)` | the label is the sign of `z` and noise of this variance |
/// | flips `eps` | 0 | `[0, 1/2]` | probability that a label is the other one afterwards |
///
/// # Estimate
///
/// The noisy unknown `t = z + noise` has a Gaussian cavity cut in two at zero, and `z` given `t` is Gaussian. With
/// `k = 1 / (1 + gamma v)`:
///
/// ```text
/// side s of zero  mass_s, mean c_s and variance w_s of  |t|  with weight  exp(s k n |t| - k gamma t^2 / 2)
/// share           p_s in proportion to (1 - eps) mass_s where s = y, eps mass_s elsewhere
/// mean            k v n + k (p_+ c_+ - p_- c_-)
/// variance        k v + k^2 (p_+ w_+ + p_- w_- + p_+ p_- (c_+ + c_-)^2)
/// log-partition   log(k) / 2 + k v n^2 / 2 + log(sum of weighted masses)
/// ```
///
/// # Numerical notes and limits
///
/// * Masses and moments come from series in both tails: labels against the evidence by thirty
///   deviations and more keep twelve digits, and nothing overflows.
/// * The variance is a sum of positive terms.
/// * A cavity of precision zero is legal where the labels bound the unknown, that is without flips and with `n` of the
///   other sign than the label; otherwise it is [`Breakdown::ImproperCavity`].
/// * For a register of rows at a time; some 10 ns a row.
///
/// # Reference
///
/// C. E. Rasmussen and C. K. I. Williams, *Gaussian Processes for Machine Learning* (2006), section 3.9; label flips as
/// in J. Barbier, F. Krzakala, N. Macris, L. Miolane and L. Zdeborova, "Optimal errors and phase transitions in
/// high-dimensional generalized linear models", Proceedings of the National Academy of Sciences 116 (2019), doi
/// 10.1073/pnas.1802705116.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let label = fg_denoisers::Sign::new();
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// let cavity = RowCavity::new(0, 1, &[0.0], &[0.0], &[1.0]);
/// label.estimate(&[-1.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!((mean[0] + (2.0 / std::f64::consts::PI).sqrt()).abs() < 1e-14); // half a normal variable
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Sign {
    variance: f64,
    flips: f64,
}

impl Sign {
    /// The exact sign.
    pub fn new() -> Self {
        Self::default()
    }

    /// The sign of the unknown and Gaussian noise of this variance.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= variance < inf`.
    pub fn probit(variance: f64) -> Result<Self, ParameterError> {
        Ok(Self { variance: error::not_negative("noise variance", variance)?, flips: 0.0 })
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

    /// Variance of the noise before the sign is taken.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// Probability of a flipped label.
    pub fn flips(&self) -> f64 {
        self.flips
    }

    /// Mean and variance of `t y`, the noisy unknown turned to the label's side, for the slope `a` there and precision
    /// `gamma`; none where it is improper.
    fn noisy(&self, a: f64, gamma: f64, root: f64) -> Option<(f64, f64)> {
        let with = HalfLine::new(a, gamma, root)?;
        if self.flips == 0.0 {
            return Some((with.mean, with.variance));
        }
        let against = HalfLine::new(-a, gamma, root)?;
        // The reciprocal of a mass that overflows is zero; the two never are at once.
        let odds = self.flips / (1.0 - self.flips);
        let p = 1.0 / (1.0 + odds * (with.reciprocal_mass / against.reciprocal_mass));
        let q = 1.0 / (1.0 + against.reciprocal_mass / with.reciprocal_mass / odds);
        let apart = with.mean + against.mean;
        let variance = p * with.variance + q * against.variance + (p * apart) * (q * apart);
        Some((p * with.mean - q * against.mean, variance))
    }
}

/// The estimate under one cavity precision, `k` and `root` as in [`Sign::noisy`].
struct Label {
    /// `k v`.
    own: f64,
    /// `k / root`.
    step: f64,
    /// Of a flipped label.
    odds: f64,
}

impl Formula<2> for Label {
    const FOURS: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (zero, own, step) = (n.constant(0.0), n.constant(self.own), n.constant(self.step));
        let h = y * n * step;
        if self.odds == 0.0 {
            let side = tail(h);
            return [
                own.mul_add(n, step * y * side.mean),
                (step * step).mul_add(side.variance, own),
            ];
        }
        // One side of zero is heavy and the other its mirror image.
        let light = below(h.abs().at_most(n.constant(FARTHEST)));
        let heavy = above(h.abs(), light);
        let (with, against) = (light.numerator * heavy.denominator, heavy.numerator);
        let pick = |a: N, b: N| h.if_above(zero, a, b);
        let (right, wrong) = (pick(with, against), pick(against, with) * n.constant(self.odds));
        let inverse = n.constant(1.0) / (right + wrong);
        let (p, q) = (right * inverse, wrong * inverse);
        let apart = heavy.mean + light.mean;
        let within = p * pick(heavy.variance, light.variance);
        let within = q.mul_add(pick(light.variance, heavy.variance), within);
        let variance = (p * apart).mul_add(q * apart, within);
        let mean = p * pick(heavy.mean, light.mean) - q * pick(light.mean, heavy.mean);
        [own.mul_add(n, step * y * mean), (step * step).mul_add(variance, own)]
    }
}

impl Likelihood for Sign {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let gamma = cavity.scalar_precision();
        let k = 1.0 / (1.0 + gamma * self.variance);
        let (narrowed, root) = (k * gamma, (k * gamma).sqrt());
        let own = k * self.variance;
        if root > 0.0 {
            let odds = self.flips / (1.0 - self.flips);
            let label = Label { own, step: k / root, odds };
            formula::apply_observed(&label, observed, cavity, out);
            return Ok(());
        }
        for (i, (&n, &y)) in cavity.natural().iter().zip(observed).enumerate() {
            let row = cavity.first_row() + i;
            let (mean, variance) = self
                .noisy(y * k * n, narrowed, root)
                .ok_or(Breakdown::ImproperCavity { port: 0, row })?;
            out.mean[i] = own * n + k * y * mean;
            out.covariance[i] = own + k * k * variance;
        }
        Ok(())
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        label::check(observed)
    }

    /// False where a row is improper.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let gamma = cavity.scalar_precision();
        let growth = gamma * self.variance;
        let k = 1.0 / (1.0 + growth);
        for (out, (&n, &y)) in out.iter_mut().zip(cavity.natural().iter().zip(observed)) {
            let a = y * k * n;
            let mut log = (-self.flips).ln_1p() + HalfLine::log_mass(a, k * gamma);
            if self.flips > 0.0 {
                let other = self.flips.ln() + HalfLine::log_mass(-a, k * gamma);
                log = log.max(other) + log1pexp(-(log - other).abs());
            }
            *out = 0.5 * (k * self.variance * n * n - growth.ln_1p()) + log;
        }
        out.iter().all(|log| log.is_finite())
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(usize::from(self.variance > 0.0 || self.flips > 0.0))
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let positive = match uniforms.first() {
            None => z[0] >= 0.0,
            Some(u) => {
                let share = if self.variance > 0.0 {
                    cdf(z[0] / self.variance.sqrt())
                } else if z[0] >= 0.0 {
                    1.0
                } else {
                    0.0
                };
                *u < self.flips + (1.0 - 2.0 * self.flips) * share
            }
        };
        y[0] = if positive { 1.0 } else { -1.0 };
    }

    fn name(&self) -> String {
        let name = if self.variance > 0.0 { "probit" } else { "sign" };
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `v, eps, y, n, gamma`, and log-partition, mean and variance: mpmath 1.3 with 500 digits, raw moments of both
    /// sides by `erfc`, inputs being the doubles shown.
    #[rustfmt::skip]
    const EXACT: [([f64; 5], [f64; 3]); 19] = [
        ([0.0, 0.0, 1.0, 0.3, 1.0], [0.48252837161619153, 0.91722085361273444, 0.4338721617817471]),
        ([0.0, 0.0, 1.0, -30.0, 1.0], [-3.4023054231385244, 0.033259667433677037, 0.001103771511890091]),
        ([0.0, 0.0, -1.0, 35.0, 1.0], [-3.5561627287178407, -0.02852497059668787, 0.00081235516838263269]),
        ([0.0, 0.0, 1.0, -40000.0, 1000000.0], [-10.597258759531252, 2.4968847207263723e-5, 6.2266837859138877e-10]),
        ([0.0, 0.0, 1.0, -2.5, 0.0], [-0.91629073187415507, 0.4, 0.16]),
        ([0.0, 0.0, 1.0, 7.0, 1e-08], [2450000010.1292789, 699999999.99999999, 99999999.999999998]),
        ([0.0, 0.0, -1.0, 0.001, 1e-08], [6.8979937546683849, -980.93233962511961, 944537.78256562608]),
        ([0.0, 0.001, 1.0, -2.0, 1.0], [-0.82314628701370233, 0.27309942199558929, 0.37921786171449646]),
        ([0.0, 0.001, 1.0, -40.0, 1.0], [794.01118325422254, -40.0, 1.0]),
        ([0.0, 0.1, -1.0, 3.7, 4.0], [-0.1366136049611071, 0.69572297891726232, 0.40951329210495825]),
        ([0.0, 1e-12, 1.0, -30.0, 4.0], [85.094770236716179, -7.5, 0.25]),
        ([0.5, 0.0, 1.0, 0.2, 1.0], [0.36775871309681514, 0.76902858976565784, 0.60033598539388564]),
        ([0.5, 0.0, -1.0, 60.0, 2.0], [446.2511209865815, 14.983370166283161, 0.25027594287797252]),
        ([1e-06, 0.0, 1.0, -30.0, 1.0], [-3.4018549246937624, 0.033229667390415969, 0.0011047715036175325]),
        ([4.0, 0.0, 1.0, -3.0, 0.0], [16.90138771133189, -11.666666666666667, 4.1111111111111111]),
        ([10000.0, 0.0, -1.0, 5.0, 0.1], [125.8946043509514, 49.885967498744724, 9.9926925177910956]),
        ([2.0, 0.0, 1.0, -300000.0, 100000000.0], [441.01375697918089, -0.0029999943485514148, 9.9999999681459006e-9]),
        ([0.3, 0.05, 1.0, -8.0, 1.0], [29.923206259671162, -7.9999999998715053, 1.0000000007907366]),
        ([1.0, 0.25, -1.0, 0.4, 30.0], [-1.4773869924773123, 0.00018381995937947893, 0.033166079336038511]),
    ];

    /// Worst loss of the truncated moments.
    const TRUNCATED: f64 = 2e-12;

    #[test]
    fn estimates_agree_with_many_digits() {
        for ([variance, flips, y, n, gamma], [log, mean, spread]) in EXACT {
            let label = Sign::probit(variance).unwrap().with_flips(flips).unwrap();
            let (natural, precision) = ([n], [gamma]);
            let cavity = RowCavity::new(0, 1, &natural, &[0.0], &precision);
            let (mut m, mut v, mut l) = ([0.0], [0.0], [0.0]);
            let mut out = RowEstimate { mean: &mut m, covariance: &mut v };
            label.estimate(&[y], &cavity, &mut out, &mut Scratch::default()).unwrap();
            assert!(label.log_partition(&[y], &cavity, &mut l), "a log-partition function");
            let at = format!("v {variance}, eps {flips}, y {y}, n {n}, gamma {gamma}");
            let deviation = spread.sqrt();
            assert!(
                (m[0] - mean).abs() <= TRUNCATED * (mean.abs() + deviation),
                "{at}: {m:?} {mean}"
            );
            assert!((v[0] / spread - 1.0).abs() <= TRUNCATED, "{at}: {v:?} {spread}");
            assert!((l[0] - log).abs() <= TRUNCATED * log.abs().max(1.0), "{at}: {l:?} {log}");
        }
    }

    #[test]
    fn labels_are_drawn_with_their_probabilities() {
        let draw = |label: &Sign, z: f64, u: &[f64]| {
            let mut y = [0.0];
            label.draw(&[z], u, &mut y);
            y[0] > 0.0
        };
        assert!(draw(&Sign::new(), 0.0, &[]) && !draw(&Sign::new(), -1e-9, &[]));
        let noisy = Sign::probit(4.0).unwrap().with_flips(0.1).unwrap();
        let share = 0.1 + 0.8 * cdf(0.5);
        assert!(draw(&noisy, 1.0, &[share - 1e-9]) && !draw(&noisy, 1.0, &[share + 1e-9]));
    }

    #[test]
    fn parameters_and_labels_are_checked_and_improper_rows_refused() {
        assert!(Sign::probit(-1.0).is_err() && Sign::probit(f64::NAN).is_err());
        for flips in [-0.1, 0.6, f64::NAN] {
            assert!(Sign::new().with_flips(flips).is_err(), "{flips}");
        }
        assert_eq!(Sign::new().check(&[0.5]), Err("label must be -1 or 1, got [0.5]".to_owned()));
        assert_eq!(Sign::new().check(&[-1.0]), Ok(()));
        let cavity = RowCavity::new(7, 1, &[1.0], &[0.0], &[0.0]);
        let mut out = RowEstimate { mean: &mut [0.0], covariance: &mut [0.0] };
        let found = Sign::new().estimate(&[1.0], &cavity, &mut out, &mut Scratch::default());
        assert_eq!(found, Err(Breakdown::ImproperCavity { port: 0, row: 7 }));
        assert!(!Sign::new().log_partition(&[1.0], &cavity, &mut [0.0]), "improper");
    }
}
