//! One of the columns with noise, nobody knows which: mixed regression.

use core::f64::consts::TAU;

use fg_core::denoiser::{Likelihood, Parameter, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;
use fg_core::special::{open_uniform, quantile};

use crate::error::{self, ParameterError};

/// A noisy observation of one column of the unknown; which one isn't recorded.
///
/// # Density
///
/// ```text
/// p(y | z) = sum_k w_k N(y; z_k, v)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weights `w` | - | above 0, at least one | how often each column is observed; divided by their sum |
/// | precision `1 / v` | - | `(0, inf]` | of the noise, in one column as in the others |
///
/// # Estimate
///
/// With the cavity's mean `r` and covariance `S = Gamma^-1`, a mixture over the column that was observed:
///
/// ```text
/// share of column k     w_k N(y; r_k, S_kk + v)
/// mean given k          r + s_k (y - r_k) / (S_kk + v),     s_k the column k of S
/// covariance given k    S - s_k s_k' / (S_kk + v)
/// ```
///
/// # Numerical notes and limits
///
/// * Shares are differences of logarithms to that of the largest one.
/// * The cavity's precision must be positive definite, else [`Breakdown::ImproperCavity`]: a row whose other columns aren't
///   known at all has no mean.
/// * A row is `O(d^3)`, the inverse is taken once for all rows that share a precision.
///
/// # Reference
///
/// R. D. De Veaux, "Mixtures of linear regressions", Computational Statistics and Data Analysis 8 (1989), doi
/// 10.1016/0167-9473(89)90043-1.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let mixed = fg_denoisers::MixedColumns::new(&[0.5, 0.5], 100.0)?;
/// let (mut mean, mut covariance) = ([0.0; 2], [0.0; 4]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
/// let cavity = RowCavity::new(0, 2, &[3.0, -3.0], &[3.0, -3.0], &[1.0, 0.0, 0.0, 1.0]);
/// mixed.estimate(&[2.5], &cavity, &mut out, &mut Scratch::default())?;
/// // It was the first column; nothing new is known of the second.
/// assert!((mean[0] - 2.5).abs() < 0.01 && (mean[1] + 3.0).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MixedColumns {
    weights: Vec<f64>,
    variance: f64,
    learns_noise: bool,
    learns_weights: bool,
}

impl MixedColumns {
    /// Observations of as many columns as there are weights, with noise of this precision.
    ///
    /// # Errors
    /// [`ParameterError`] unless there is a weight, all weights are positive and finite, and `precision > 0`; infinity is
    /// legal.
    pub fn new(weights: &[f64], precision: f64) -> Result<Self, ParameterError> {
        if weights.is_empty() {
            return Err(ParameterError::Length { parameter: "weights", expected: 1, found: 0 });
        }
        for weight in weights {
            error::positive("weight", *weight)?;
        }
        let total: f64 = weights.iter().sum();
        let total = error::positive("sum of the weights", total)?;
        let variance = error::precision("noise precision", precision)?.recip();
        let weights = weights.iter().map(|w| w / total).collect();
        Ok(Self { weights, variance, learns_noise: false, learns_weights: false })
    }

    /// Lets a run learn the variance of the noise, from the given one on. No noise at all stays.
    #[must_use]
    pub fn learn_noise(mut self) -> Self {
        self.learns_noise = self.variance > 0.0;
        self
    }

    /// Lets a run learn how often each column is observed, from the given weights on.
    #[must_use]
    pub fn learn_weights(mut self) -> Self {
        self.learns_weights = true;
        self
    }

    /// How often each column is observed; they add up to one.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Variance of the noise.
    pub fn variance(&self) -> f64 {
        self.variance
    }
}

/// What rows that share a precision have in common, and the shares of one row.
struct Work<'a> {
    model: &'a MixedColumns,
    /// `S`, `d x d`.
    covariance: Vec<f64>,
    shares: Vec<f64>,
}

impl<'a> Work<'a> {
    fn new(model: &'a MixedColumns, cavity: &RowCavity<'_>) -> Result<Self, Breakdown> {
        let d = model.weights.len();
        let (mut covariance, mut scratch) = (vec![0.0; d * d], vec![0.0; 2 * d * d]);
        let improper = Breakdown::ImproperCavity { port: 0, row: cavity.first_row() };
        small::invert_positive(cavity.precision(), &mut covariance, &mut scratch, d)
            .map_err(|_| improper)?;
        Ok(Self { model, covariance, shares: vec![0.0; d] })
    }

    /// Variance of what is observed of column `k`.
    fn spread(&self, k: usize) -> f64 {
        self.covariance[k * (self.shares.len() + 1)] + self.model.variance
    }

    /// Writes the shares of a row with this cavity mean, and returns `log p(y)`.
    fn row(&mut self, y: f64, mean: &[f64]) -> f64 {
        for (k, weight) in self.model.weights.iter().enumerate() {
            let (spread, apart) = (self.spread(k), y - mean[k]);
            self.shares[k] = weight.ln() - 0.5 * (apart * apart / spread + (TAU * spread).ln());
        }
        let largest = self.shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.shares.iter_mut().for_each(|s| *s = (*s - largest).exp());
        let total: f64 = self.shares.iter().sum();
        self.shares.iter_mut().for_each(|s| *s /= total);
        largest + total.ln()
    }
}

impl Likelihood for MixedColumns {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = self.weights.len();
        let mut work = Work::new(self, cavity)?;
        let pull = scratch.slice(d);
        for (i, &y) in observed.iter().enumerate() {
            let r = &cavity.mean()[i * d..(i + 1) * d];
            let mean = &mut out.mean[i * d..(i + 1) * d];
            let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
            work.row(y, r);
            for k in 0..d {
                pull[k] = (y - r[k]) / work.spread(k);
            }
            let s = |k: usize, a: usize| work.covariance[k * d + a];
            for a in 0..d {
                mean[a] = r[a] + (0..d).map(|k| work.shares[k] * s(k, a) * pull[k]).sum::<f64>();
            }
            for a in 0..d {
                for b in 0..d {
                    // Of a column from its observation as a whole, `S v / (S + v)`: the difference loses its digits.
                    let within = |k: usize| match a == k && b == k {
                        true => s(k, k) * self.variance / work.spread(k),
                        false => s(a, b) - s(k, a) * s(k, b) / work.spread(k),
                    };
                    let shift = |k: usize, a: usize| r[a] + s(k, a) * pull[k] - mean[a];
                    let part = |k: usize| work.shares[k] * (within(k) + shift(k, a) * shift(k, b));
                    covariance[a * d + b] = (0..d).map(part).sum();
                }
            }
            small::symmetrise(covariance, d);
        }
        Ok(())
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(self.weights.len())
    }

    /// False where a row is improper.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let d = self.weights.len();
        let Ok(mut work) = Work::new(self, cavity) else { return false };
        let mut factor = cavity.precision().to_vec();
        if small::cholesky(&mut factor, d).is_err() {
            return false;
        }
        let root: f64 = factor.iter().step_by(d + 1).map(|pivot| pivot.ln()).sum();
        let own = 0.5 * d as f64 * TAU.ln() - root;
        for (i, (out, &y)) in out.iter_mut().zip(observed).enumerate() {
            let row = i * d..(i + 1) * d;
            let (n, r) = (&cavity.natural()[row.clone()], &cavity.mean()[row]);
            let exponent: f64 = n.iter().zip(r).map(|(n, r)| n * r).sum();
            *out = own + 0.5 * exponent + work.row(y, r);
        }
        true
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(2)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let mut below = 0.0;
        let inner = &self.weights[..self.weights.len() - 1];
        let column = inner.iter().take_while(|w| (below += **w, uniforms[0] >= below).1).count();
        y[0] = z[column] + self.variance.sqrt() * quantile(open_uniform(uniforms[1]));
    }

    fn learning(&self) -> Vec<Parameter> {
        let noise = self.learns_noise.then(|| Parameter::scalar("noise variance", self.variance));
        let weights = self.learns_weights.then(|| Parameter::new("weights", self.weights.clone()));
        noise.into_iter().chain(weights).collect()
    }

    fn learned(
        &self,
        rows: &mut dyn Iterator<Item = (&[f64], RowCavity<'_>)>,
    ) -> Option<Box<dyn Likelihood>> {
        let d = self.weights.len();
        let (mut counts, mut square) = (vec![0.0; d], 0.0);
        for (data, piece) in rows {
            let mut work = Work::new(self, &piece).ok()?;
            for (i, &y) in data.iter().enumerate() {
                let r = &piece.mean()[i * d..(i + 1) * d];
                work.row(y, r);
                for k in 0..d {
                    let (s, left) =
                        (work.spread(k) - self.variance, self.variance / work.spread(k));
                    counts[k] += work.shares[k];
                    square += work.shares[k] * left * (left * (y - r[k]).powi(2) + s);
                }
            }
        }
        let total: f64 = counts.iter().sum();
        let mut learned = self.clone();
        if !(total > 0.0) {
            return None;
        }
        if self.learns_noise && square > 0.0 {
            learned.variance = square / total;
        }
        // A column that explains no row keeps its weight: nothing says that it will not be observed.
        if self.learns_weights && counts.iter().all(|c| *c > 0.0) {
            learned.weights = counts.iter().map(|c| c / total).collect();
        }
        Some(Box::new(learned))
    }

    fn name(&self) -> String {
        format!("one of {} columns", self.weights.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(model: &MixedColumns, y: f64, r: &[f64], gamma: &[f64]) -> (Vec<f64>, Vec<f64>, f64) {
        let d = r.len();
        let mut n = vec![0.0; d];
        small::row_times(r, gamma, &mut n, d);
        let cavity = RowCavity::new(0, d, &n, r, gamma);
        let (mut mean, mut covariance, mut log) = (vec![0.0; d], vec![0.0; d * d], [0.0]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        model.estimate(&[y], &cavity, &mut out, &mut Scratch::default()).unwrap();
        assert!(model.log_partition(&[y], &cavity, &mut log), "a log-partition function");
        (mean, covariance, log[0])
    }

    #[test]
    fn one_column_is_white_noise() {
        const ROUNDING: f64 = 1e-14;
        let (mean, covariance, log) =
            run(&MixedColumns::new(&[3.0], 4.0).unwrap(), 1.5, &[0.2], &[2.0]);
        assert!((mean[0] - (4.0 * 1.5 + 2.0 * 0.2) / 6.0).abs() < ROUNDING, "{mean:?}");
        assert!((covariance[0] - 1.0 / 6.0).abs() < ROUNDING, "{covariance:?}");
        // y'n - y' Gamma y / 2 + k' S k / 2 - log(1 + Gamma v) / 2, k = n - Gamma y.
        let k: f64 = 0.4 - 2.0 * 1.5;
        let exact = 1.5 * 0.4 - 1.5 * 1.5 + k * k / 12.0 - 0.5 * 1.5f64.ln();
        assert!((log - exact).abs() < 10.0 * ROUNDING, "{log} {exact}");
    }

    #[test]
    fn moments_are_those_of_a_grid() {
        // The trapezoidal rule on a wide grid is exact to rounding for these smooth densities.
        const ERROR: f64 = 1e-10;
        let model = MixedColumns::new(&[0.3, 0.7], 5.0).unwrap();
        let (r, gamma, y) = ([0.4, -0.9], [1.5, -0.6, -0.6, 0.8], 0.7);
        let (mean, covariance, log) = run(&model, y, &r, &gamma);
        let (mut mass, mut first, mut second) = (0.0, [0.0; 2], [0.0; 4]);
        let step = 0.05;
        for i in -300..=300 {
            for j in -300..=300 {
                let z = [f64::from(i) * step, f64::from(j) * step];
                let natural =
                    [gamma[0] * r[0] + gamma[1] * r[1], gamma[2] * r[0] + gamma[3] * r[1]];
                let exponent = natural[0] * z[0] + natural[1] * z[1]
                    - 0.5 * small::bilinear(&z, &gamma, &z, 2);
                let normal = |k: usize| (-2.5 * (y - z[k]).powi(2)).exp() * (5.0 / TAU).sqrt();
                let weight = exponent.exp() * (0.3 * normal(0) + 0.7 * normal(1)) * step * step;
                mass += weight;
                for a in 0..2 {
                    first[a] += weight * z[a];
                    (0..2).for_each(|b| second[2 * a + b] += weight * z[a] * z[b]);
                }
            }
        }
        assert!((log - mass.ln()).abs() < ERROR, "{log} {}", mass.ln());
        for a in 0..2 {
            assert!((mean[a] - first[a] / mass).abs() < ERROR, "{mean:?}");
            for b in 0..2 {
                let exact = second[2 * a + b] / mass - first[a] * first[b] / (mass * mass);
                assert!((covariance[2 * a + b] - exact).abs() < ERROR, "{covariance:?}");
            }
        }
    }

    #[test]
    fn parameters_are_checked_and_improper_rows_named() {
        assert!(
            MixedColumns::new(&[], 1.0).is_err() && MixedColumns::new(&[0.0, 1.0], 1.0).is_err()
        );
        assert!(MixedColumns::new(&[1.0, f64::NAN], 1.0).is_err());
        assert!(
            MixedColumns::new(&[1.0], 0.0).is_err() && MixedColumns::new(&[1.0], -1.0).is_err()
        );
        let model = MixedColumns::new(&[1.0, 3.0], f64::INFINITY).unwrap();
        assert_eq!((model.weights(), model.variance()), (&[0.25, 0.75][..], 0.0));
        let cavity = RowCavity::new(3, 2, &[0.0; 2], &[0.0; 2], &[1.0, 1.0, 1.0, 1.0]);
        let mut out = RowEstimate { mean: &mut [0.0; 2], covariance: &mut [0.0; 4] };
        let found = model.estimate(&[1.0], &cavity, &mut out, &mut Scratch::default());
        assert_eq!(found, Err(Breakdown::ImproperCavity { port: 0, row: 3 }));
    }

    #[test]
    fn labels_are_drawn_with_their_weights() {
        let model = MixedColumns::new(&[0.25, 0.75], f64::INFINITY).unwrap();
        let draw = |u: f64| {
            let mut y = [0.0];
            model.draw(&[1.0, 2.0], &[u, 0.5], &mut y);
            y[0]
        };
        assert!(draw(0.24) < 1.5 && draw(0.26) > 1.5 && draw(0.999) > 1.5);
    }
}
