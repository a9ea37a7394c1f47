//! Absolute values of an unknown as data, exact or with noise: real phase retrieval.

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::exp::exp_share;
use fg_core::special::number::Number;
use fg_core::special::{log_cdf, log1pexp, open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::formula::{self, Formula};
use crate::family::halves::{Half, meet};

/// The absolute value of a variable of one column, seen with Gaussian noise.
///
/// # Density
///
/// ```text
/// p(y | z) = N(y; abs(z), v)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | noise variance `v` | - | `[0, inf)` | 0 leaves the sign alone unknown |
///
/// # Estimate
///
/// A mixture of one Gaussian on each side `s = 1, -1` of zero, cut off there. With `k = 1 / (1 + gamma v)`:
///
/// ```text
/// side            abs(z) ~ N(k (y + s v n), k v)  above zero,     h_s = mean / deviation,    moments c_s, w_s
/// log ratio       l = 2 k n y + log(Phi(h_+) / Phi(h_-))
/// probability     p = 1 / (1 + exp(-l)),     q = 1 - p
/// mean            p c_+ - q c_-
/// variance        p w_+ + q w_- + p q (c_+ + c_-)^2
/// log-partition   log(k) / 2 + k (v n^2 - gamma y^2) / 2 + log(exp(k n y) Phi(h_+) + exp(-k n y) Phi(h_-))
/// ```
///
/// # Numerical notes and limits
///
/// * Nothing is divided by `v`: as it vanishes the sides become points, `y tanh(n y)` and its variance, and 0 is exact.
/// * Where a side's mean is below zero, as for `y` far below zero, its mass is Mills' ratio, from which the square has been
///   taken analytically.
/// * Both weights come from the log ratio and the variance is a sum of positive terms.
/// * Any cavity is legal, one without information included. With `n = 0` both sides are alike: the mean is zero and so
///   is the message of a cavity that knows no sign. Models of magnitudes alone need a start that does.
/// * For a register of rows at a time; some 16 ns a row with noise.
///
/// # Reference
///
/// A. Maillard, B. Loureiro, F. Krzakala and L. Zdeborova, "Phase retrieval in high dimensions: Statistical and
/// computational phase transitions", Advances in Neural Information Processing Systems 33 (2020),
/// [arXiv:2006.05228](https://arxiv.org/abs/2006.05228).
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let exact = fg_denoisers::Magnitude::new(0.0)?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// let cavity = RowCavity::new(0, 1, &[0.5], &[0.5], &[1.0]);
/// exact.estimate(&[3.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!((mean[0] - 3.0 * 1.5f64.tanh()).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Magnitude {
    variance: f64,
}

/// What both sides share, for one cavity precision.
struct Narrowed {
    /// `1 / (1 + gamma v)`.
    k: f64,
    /// Deviation of either side before it is cut off.
    deviation: f64,
    variance: f64,
}

impl Magnitude {
    /// Absolute values with Gaussian noise of this variance.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= variance < inf`.
    pub fn new(variance: f64) -> Result<Self, ParameterError> {
        Ok(Self { variance: error::not_negative("noise variance", variance)? })
    }

    /// Variance of the noise.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    fn narrowed(&self, gamma: f64) -> Narrowed {
        let k = 1.0 / (1.0 + gamma * self.variance);
        Narrowed { k, deviation: (k * self.variance).sqrt(), variance: self.variance }
    }
}

impl Narrowed {
    /// Means of both sides before they are cut off, in deviations.
    fn peaks(&self, n: f64, y: f64) -> [f64; 2] {
        let moved = self.variance * n;
        [y + moved, y - moved].map(|peak| self.k * peak / self.deviation)
    }

    /// `log(exp(k n y) Phi(h_+) + exp(-k n y) Phi(h_-))`.
    fn log_sides(&self, n: f64, y: f64) -> f64 {
        let tilt = self.k * n * y;
        let whole = if self.variance == 0.0 { [0.0; 2] } else { self.peaks(n, y).map(log_cdf) };
        let (right, left) = (whole[0] + tilt, whole[1] - tilt);
        right.max(left) + log1pexp(-(right - left).abs())
    }
}

impl Formula<2> for Narrowed {
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let deviation = n.constant(self.deviation);
        let (moved, scale) = (n * n.constant(self.variance), n.constant(self.k / self.deviation));
        let side = |peak: N| Half { h: peak * scale, deviation };
        let apart = n * y * n.constant(-2.0 * self.k);
        meet(side(y + moved), side(y - moved), apart)
    }
}

/// Data without noise: two points.
struct Exact;

impl Formula<2> for Exact {
    /// With `e = exp(-2 |n y|)` the mean is `(1 - e) / (1 + e)` of the likelier point.
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (one, tilt) = (n.constant(1.0), n * y);
        let e = exp_share(tilt.abs() * n.constant(-2.0));
        let share = one / (one + e);
        let mean = y * ((one - e) * share);
        let variance = (y * share) * (y * share) * (n.constant(4.0) * e);
        [tilt.if_above(n.constant(0.0), mean, -mean), variance]
    }
}

impl Likelihood for Magnitude {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        if self.variance > 0.0 {
            formula::apply_observed(
                &self.narrowed(cavity.scalar_precision()),
                observed,
                cavity,
                out,
            );
        } else {
            formula::apply_observed(&Exact, observed, cavity, out);
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
        if self.variance == 0.0 && observed.iter().any(|y| *y < 0.0) {
            return Err(format!("magnitude without noise must be at least 0, got {observed:?}"));
        }
        Ok(())
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let gamma = cavity.scalar_precision();
        let narrowed = self.narrowed(gamma);
        let half_log = 0.5 * (gamma * self.variance).ln_1p();
        for (out, (&n, &y)) in out.iter_mut().zip(cavity.natural().iter().zip(observed)) {
            let common = 0.5 * narrowed.k * (self.variance * n * n - gamma * y * y);
            *out = common - half_log + narrowed.log_sides(n, y);
        }
        true
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(usize::from(self.variance > 0.0))
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        y[0] = z[0].abs();
        for &u in uniforms {
            y[0] += self.variance.sqrt() * quantile(open_uniform(u));
        }
    }

    fn name(&self) -> String {
        "magnitude".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(variance: f64, y: f64, n: f64, gamma: f64) -> [f64; 3] {
        let model = Magnitude::new(variance).unwrap();
        let (natural, precision) = ([n], [gamma]);
        let cavity = RowCavity::new(0, 1, &natural, &[0.0], &precision);
        let (mut m, mut v, mut l) = ([0.0], [0.0], [0.0]);
        let mut out = RowEstimate { mean: &mut m, covariance: &mut v };
        model.estimate(&[y], &cavity, &mut out, &mut Scratch::default()).unwrap();
        assert!(model.log_partition(&[y], &cavity, &mut l), "a log-partition function");
        [l[0], m[0], v[0]]
    }

    /// `v, y, n, gamma`, and log-partition, mean and variance: mpmath 1.3 with 500 digits, raw moments of both sides by
    /// `erfc`, inputs being the doubles shown.
    #[rustfmt::skip]
    const EXACT: [([f64; 4], [f64; 3]); 12] = [
        ([0.25, 1.0, 0.3, 0.8], [0.27572206919906502, 0.27501520000976714, 0.88607370065096955]),
        ([0.25, 0.1, -0.4, 2.0], [-0.072230559681958678, -0.075981599046986615, 0.1897058107687264]),
        ([0.25, -1.5, 1.0, 0.5], [-5.90554826232532, 0.036765915365833169, 0.037556659181921749]),
        ([1.0, -30.0, 0.2, 1.0], [-453.62915478456671, 0.0004396046920094194, 0.0021982133759055896]),
        ([0.01, 2.0, 0.0, 0.0], [core::f64::consts::LN_2, 0.0, 4.01]),
        ([0.01, 2.0, -3.0, 0.0], [6.0450061441934777, -2.0299754233015911, 0.010098306189621331]),
        ([1e-08, 0.7, 0.5, 3.0], [0.018186053653514444, 0.23546287245318804, 0.43455721865072329]),
        ([1e-20, 1.3, -0.2, 5.0], [-3.4984269058353823, -0.33058419241430854, 1.5807140917257795]),
        ([4.0, 0.5, 30.0, 1.0], [362.17028104378295, 24.1, 0.8]),
        ([10000.0, 1.0, 0.7, 1.0], [-4.3601961093064289, 0.69998160883569269, 0.99996245412935124]),
        ([0.001, 0.01, 1.0, 1000000.0], [-3.4963838397912675, 1.0070042643167407e-6, 1.0070042616210985e-6]),
        ([0.5, 3.0, -4000.0, 10000.0], [788.98265514394462, -0.40051989602079584, 9.998000399920016e-5]),
    ];

    /// Rounding of log ratios of up to some ten.
    const BULK: f64 = 1e-12;

    #[test]
    fn estimates_agree_with_many_digits() {
        for ([variance, y, n, gamma], [log, mean, spread]) in EXACT {
            let found = run(variance, y, n, gamma);
            let at = format!("v {variance}, y {y}, n {n}, gamma {gamma}: {found:?}");
            assert!((found[1] - mean).abs() <= BULK * (mean.abs() + spread.sqrt()), "{at} {mean}");
            assert!((found[2] / spread - 1.0).abs() <= BULK, "{at} {spread}");
            assert!((found[0] - log).abs() <= BULK * log.abs().max(1.0), "{at} {log}");
        }
    }

    #[test]
    fn without_noise_only_the_sign_is_left() {
        for (y, n) in [(1.0, 0.3), (2.0, -4.0), (0.5, 300.0), (0.0, 1.0)] {
            let [log, mean, spread] = run(0.0, y, n, 2.0);
            let hyperbolic = (n * y).cosh();
            assert!((mean - y * (n * y).tanh()).abs() <= BULK, "{y} {n}: {mean}");
            assert!(
                (spread - (y / hyperbolic).powi(2)).abs() <= BULK * spread,
                "{y} {n}: {spread}"
            );
            let exact = (2.0 * hyperbolic).ln() - y * y;
            assert!((log - exact).abs() <= BULK * exact.abs().max(1.0), "{y} {n}: {log} {exact}");
            // The limit: noise moves a side by its own variance.
            let near = run(1e-30, y, n, 2.0);
            assert!((near[1] - mean).abs() <= BULK, "{y} {n}: {near:?} {mean}");
        }
    }

    #[test]
    fn the_mirror_image_has_the_mirrored_mean() {
        let (a, b) = (run(0.3, 0.8, 1.7, 0.4), run(0.3, 0.8, -1.7, 0.4));
        assert_eq!((a[0], a[1], a[2]), (b[0], -b[1], b[2]));
    }

    #[test]
    fn parameters_and_data_are_checked() {
        assert!(Magnitude::new(-1.0).is_err() && Magnitude::new(f64::NAN).is_err());
        let exact = Magnitude::new(0.0).unwrap();
        let refused = "magnitude without noise must be at least 0, got [-0.5]".to_owned();
        assert_eq!(exact.check(&[-0.5]), Err(refused));
        assert_eq!(Magnitude::new(0.1).unwrap().check(&[-0.5]), Ok(()));
    }
}
