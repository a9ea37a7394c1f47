//! Rows from one of several Gaussians.

#[cfg(test)]
mod tests;

use fg_core::denoiser::{Denoiser, GaussianRow, Law, Parameter, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;
use fg_core::special::number::Number;
use fg_core::special::{open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::components::{self, Answer, Components};
use crate::family::{Spread, normal};

/// A mixture of any number of Gaussians for rows of `d` columns.
///
/// # Density
///
/// ```text
/// f(x) = sum_k w_k N(x; m_k, C_k)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weights `w` | - | above 0, finite | probabilities, up to a common factor |
/// | means `m` | - | finite | `d` values a component |
/// | covariances `C` | - | positive definite, or zero | `d x d` a component; zero is a single point |
///
/// # Estimate
///
/// Each component answers as a [`Gaussian`](crate::Gaussian): mean `x_k`, covariance `S_k`, log-partition `A_k`.
///
/// ```text
/// share           p_k = w_k exp(A_k) / sum w exp(A)
/// mean            sum p_k x_k
/// covariance      sum p_k (S_k + (x_k - mean) (x_k - mean)')
/// log-partition   log sum w_k exp(A_k)
/// ```
///
/// # Learning
///
/// [`learn_weights`](Self::learn_weights), [`learn_means`](Self::learn_means) and
/// [`learn_covariances`](Self::learn_covariances), by expectation-maximisation. Components that start alike stay alike. A
/// component that no row belongs to keeps its mean and covariance and the smallest weight there is; one whose rows have no
/// spread in some direction keeps its covariance.
///
/// # Numerical notes and limits
///
/// * Shares are exponentials of differences from the largest exponent: nothing overflows, and a component far away
///   counts with its share, however small.
/// * Covariances are sums of positive semi-definite terms with positive weights.
/// * Any precision is legal, zero and singular ones among them, and so are points.
/// * `O(K d^3)` a call, `O(K d^2)` and `K` exponentials a row.
///
/// # Reference
///
/// J. P. Vila and P. Schniter, "Expectation-Maximization Gaussian-Mixture Approximate Message Passing", IEEE
/// Transactions on Signal Processing 61 (2013), doi 10.1109/TSP.2013.2272287.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// use fg_denoisers::GaussianMixture;
/// let prior = GaussianMixture::scalar(&[(0.5, -3.0, 0.1), (0.5, 3.0, 0.1)])?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// // Seen at 1 with noise of variance one: near 3, shrunk towards what was seen.
/// prior.estimate(&RowCavity::new(0, 1, &[1.0], &[1.0], &[1.0]), &mut out, &mut Scratch::default())?;
/// assert!((mean[0] - 2.8).abs() < 0.05);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianMixture {
    d: usize,
    components: Vec<Component>,
    learns: Learns,
}

#[derive(Clone, Debug, PartialEq)]
struct Component {
    weight: f64,
    mean: Vec<f64>,
    spread: Spread,
}

/// Which parameters a run learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Learns {
    weights: bool,
    means: bool,
    covariances: bool,
}

impl GaussianMixture {
    /// A mixture of `weights.len()` components for rows of `d` columns: `means` holds `d` values and `covariances` `d x d`
    /// for each.
    ///
    /// # Errors
    /// [`ParameterError`] unless there is a component, lengths fit, weights are positive and finite, means are finite and
    /// covariances are positive definite or zero.
    pub fn new(
        d: usize,
        weights: &[f64],
        means: &[f64],
        covariances: &[f64],
    ) -> Result<Self, ParameterError> {
        let count = weights.len().max(1);
        for (parameter, found, expected) in [
            ("weights", weights.len(), count),
            ("means", means.len(), count * d.max(1)),
            ("covariances", covariances.len(), count * d.max(1) * d.max(1)),
        ] {
            if found != expected {
                return Err(ParameterError::Length { parameter, expected, found });
            }
        }
        for &weight in weights {
            error::positive("weights", weight)?;
        }
        let total: f64 = weights.iter().sum();
        let mut components = Vec::with_capacity(count);
        for (k, &weight) in weights.iter().enumerate() {
            let mean = means[k * d..(k + 1) * d].to_vec();
            for &value in &mean {
                error::finite("means", value)?;
            }
            let covariance = &covariances[k * d * d..(k + 1) * d * d];
            let spread = if covariance.iter().all(|&v| v == 0.0) {
                Spread::from_variance(0.0)?
            } else {
                Spread::from_covariance(d, covariance)?
            };
            components.push(Component { weight: weight / total, mean, spread });
        }
        Ok(Self { d, components, learns: Learns::default() })
    }

    /// A mixture for one column: weight, mean and variance of each component.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn scalar(components: &[(f64, f64, f64)]) -> Result<Self, ParameterError> {
        let part = |of: fn(&(f64, f64, f64)) -> f64| components.iter().map(of).collect::<Vec<_>>();
        let variances = part(|c| c.2);
        for &variance in &variances {
            error::not_negative("covariances", variance)?;
        }
        Self::new(1, &part(|c| c.0), &part(|c| c.1), &variances)
    }

    /// Lets a run learn the weights, from the given ones on.
    #[must_use]
    pub fn learn_weights(mut self) -> Self {
        self.learns.weights = true;
        self
    }

    /// Lets a run learn the means, from the given ones on.
    #[must_use]
    pub fn learn_means(mut self) -> Self {
        self.learns.means = true;
        self
    }

    /// Lets a run learn the covariances, from the given ones on. Points stay points.
    #[must_use]
    pub fn learn_covariances(mut self) -> Self {
        self.learns.covariances = true;
        self
    }

    /// Probabilities of the components.
    pub fn weights(&self) -> Vec<f64> {
        self.components.iter().map(|c| c.weight).collect()
    }

    /// Mean of component `k`.
    ///
    /// # Panics
    /// When there is no such component.
    #[track_caller]
    pub fn mean(&self, k: usize) -> &[f64] {
        &self.components[k].mean
    }

    /// Covariance of component `k`, `d x d`.
    ///
    /// # Panics
    /// When there is no such component.
    #[track_caller]
    pub fn covariance(&self, k: usize) -> Vec<f64> {
        self.components[k].spread.covariance(self.d)
    }

    /// Values that [`Work`] takes.
    fn work_len(&self) -> usize {
        let (count, d) = (self.components.len(), self.d);
        count * (d * d + d + 3) + d + 4 * d * d
    }
}

/// Buffers of one call: what the components answer, for the precision of all rows and for one row.
struct Work<'a> {
    /// `S_k`, `K x d x d`.
    s: &'a mut [f64],
    /// `log det(I + C_k Gamma)`.
    log_determinant: &'a mut [f64],
    /// `log w_k + A_k`, then relative to the largest.
    exponent: &'a mut [f64],
    /// `p_k`.
    share: &'a mut [f64],
    /// `x_k`, `K x d`.
    x: &'a mut [f64],
    innovation: &'a mut [f64],
}

impl<'a> Work<'a> {
    /// What doesn't depend on the row.
    fn new(mixture: &GaussianMixture, gamma: &[f64], memory: &'a mut [f64]) -> Self {
        let (count, d) = (mixture.components.len(), mixture.d);
        let (s, rest) = memory.split_at_mut(count * d * d);
        let (log_determinant, rest) = rest.split_at_mut(count);
        let (exponent, rest) = rest.split_at_mut(count);
        let (share, rest) = rest.split_at_mut(count);
        let (x, rest) = rest.split_at_mut(count * d);
        let (innovation, scratch) = rest.split_at_mut(d);
        for (k, component) in mixture.components.iter().enumerate() {
            let s = &mut s[k * d * d..(k + 1) * d * d];
            log_determinant[k] = component.spread.combine(gamma, s, scratch, d);
        }
        Self { s, log_determinant, exponent, share, x, innovation }
    }

    /// What the components answer for row `i`; returns the log-partition.
    fn row(&mut self, mixture: &GaussianMixture, cavity: &RowCavity<'_>, i: usize) -> f64 {
        let d = mixture.d;
        let n = &cavity.natural()[i * d..(i + 1) * d];
        let mut largest = f64::NEG_INFINITY;
        for (k, component) in mixture.components.iter().enumerate() {
            let (c, s) = (&component.mean, &self.s[k * d * d..(k + 1) * d * d]);
            let x = &mut self.x[k * d..(k + 1) * d];
            normal::innovate(cavity, n, c, self.innovation);
            small::row_times(self.innovation, s, x, d);
            // x holds S k here: k' S k without another product.
            let around: f64 = x.iter().zip(&*self.innovation).map(|(a, b)| a * b).sum();
            let at_centre: f64 = (0..d).map(|j| 0.5 * c[j] * (n[j] + self.innovation[j])).sum();
            x.iter_mut().zip(c).for_each(|(x, c)| *x += c);
            let log_partition = at_centre + 0.5 * (around - self.log_determinant[k]);
            self.exponent[k] = component.weight.ln() + log_partition;
            largest = largest.max(self.exponent[k]);
        }
        let mut total = 0.0;
        for (share, exponent) in self.share.iter_mut().zip(&*self.exponent) {
            *share = (exponent - largest).exp();
            total += *share;
        }
        self.share.iter_mut().for_each(|p| *p /= total);
        largest + total.ln()
    }
}

/// Components of one column under one precision. With `w = 1 / (1 + v gamma)` the exponent of one is `v w n^2 / 2 + w c n -
/// w c^2 gamma / 2 + log(weight sqrt(w))`, its mean `v w n + w c` and its variance `v w`: of each the coefficients of `n^2`,
/// `n` and 1 of the exponent, less those of the first one, then variance and mean at `n = 0`.
struct Scalar<'a>(&'a [[f64; 5]]);

/// A component as [`Scalar`] has it.
fn part(own: &Component, first: &Component, gamma: f64) -> [f64; 5] {
    let parameters = |of: &Component| {
        let variance = of.spread.scalar_variance().unwrap_or(f64::NAN);
        let growth = variance * gamma;
        (of.mean[0], variance, (1.0 + growth).recip(), growth.ln_1p())
    };
    let ((c, v, w, log), (first_c, first_v, first_w, first_log)) =
        (parameters(own), parameters(first));
    // Variances next to 1 / gamma differ by less than their rounding: v w - v_1 w_1 = (v - v_1) w w_1.
    let square = 0.5 * (v - first_v) * w * first_w;
    let at_zero = gamma * (w * c * c - first_w * first_c * first_c);
    let level = (own.weight / first.weight).ln() + 0.5 * (first_log - log - at_zero);
    [square, w * c - first_w * first_c, level, v * w, w * c]
}

impl Components for Scalar<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn answer<N: Number>(&self, k: usize, n: N) -> Answer<N> {
        let [square, slope, level, variance, mean] = self.0[k];
        let variance = n.constant(variance);
        let mean = variance.mul_add(n, n.constant(mean));
        // That of the first one is zero.
        if k == 0 {
            return Answer { exponent: n.constant(0.0), mean, variance };
        }
        let rise = n.mul_add(n.constant(square), n.constant(slope));
        Answer { exponent: rise.mul_add(n, n.constant(level)), mean, variance }
    }
}

impl Denoiser for GaussianMixture {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let (d, size) = (self.d, self.d * self.d);
        if d == 1 {
            let gamma = cavity.scalar_precision();
            let memory = scratch.slice(5 * self.components.len());
            let (parts, _) = memory.as_chunks_mut::<5>();
            for (part, own) in parts.iter_mut().zip(&self.components) {
                *part = self::part(own, &self.components[0], gamma);
            }
            if parts.iter().flatten().any(|v| !v.is_finite()) {
                return Err(Breakdown::NotFinite { port: 0, row: cavity.first_row() });
            }
            components::apply(Scalar(parts), cavity, out);
            return Ok(());
        }
        let mut work = Work::new(self, cavity.precision(), scratch.slice(self.work_len()));
        if work.s.iter().any(|v| !v.is_finite()) {
            return Err(Breakdown::NotFinite { port: 0, row: cavity.first_row() });
        }
        for i in 0..cavity.len() {
            work.row(self, cavity, i);
            let mean = &mut out.mean[i * d..(i + 1) * d];
            let covariance = &mut out.covariance[i * size..(i + 1) * size];
            mean.fill(0.0);
            covariance.fill(0.0);
            for (share, x) in work.share.iter().zip(work.x.chunks_exact(d)) {
                mean.iter_mut().zip(x).for_each(|(m, x)| *m += share * x);
            }
            for (k, share) in work.share.iter().enumerate() {
                let (x, s) = (&work.x[k * d..(k + 1) * d], &work.s[k * size..(k + 1) * size]);
                for a in 0..d {
                    for b in 0..d {
                        let apart = (x[a] - mean[a]) * (x[b] - mean[b]);
                        covariance[a * d + b] += share * (s[a * d + b] + apart);
                    }
                }
            }
        }
        Ok(())
    }

    fn columns(&self) -> Option<usize> {
        Some(self.d)
    }

    /// Gaussian when there is one component.
    fn gaussian(&self, _row: usize, _d: usize) -> Option<GaussianRow> {
        match self.components.as_slice() {
            [only] => Some(normal::message(&only.spread, &only.mean)),
            _ => None,
        }
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let mut memory = vec![0.0; self.work_len()];
        let mut work = Work::new(self, cavity.precision(), &mut memory);
        out.iter_mut().enumerate().for_each(|(i, out)| *out = work.row(self, cavity, i));
        true
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn learning(&self) -> Vec<Parameter> {
        let Learns { weights, means, covariances } = self.learns;
        let all = |name: &'static str, of: &dyn Fn(usize) -> Vec<f64>| {
            Parameter::new(name, (0..self.components.len()).flat_map(of).collect())
        };
        let weights = weights.then(|| all("weights", &|k| vec![self.components[k].weight]));
        let means = means.then(|| all("means", &|k| self.components[k].mean.clone()));
        let covariances = covariances.then(|| all("covariances", &|k| self.covariance(k)));
        [weights, means, covariances].into_iter().flatten().collect()
    }

    fn learned(&self, rows: &mut dyn Iterator<Item = RowCavity<'_>>) -> Option<Box<dyn Denoiser>> {
        let (d, size, count) = (self.d, self.d * self.d, self.components.len());
        // Shares, and first and second moments of rows around the present means, component by component.
        let mut weight = vec![0.0; count];
        let mut first = vec![0.0; count * d];
        let mut second = vec![0.0; count * size];
        let mut memory = vec![0.0; self.work_len()];
        for piece in rows {
            let mut work = Work::new(self, piece.precision(), &mut memory);
            for i in 0..piece.len() {
                work.row(self, &piece, i);
                for (k, component) in self.components.iter().enumerate() {
                    let (p, x) = (work.share[k], &work.x[k * d..(k + 1) * d]);
                    let shift = |a: usize| x[a] - component.mean[a];
                    weight[k] += p;
                    for a in 0..d {
                        first[k * d + a] += p * shift(a);
                        for b in 0..d {
                            let s = work.s[k * size + a * d + b];
                            second[k * size + a * d + b] += p * (s + shift(a) * shift(b));
                        }
                    }
                }
            }
        }
        let total: f64 = weight.iter().sum();
        if !(total > 0.0) {
            return None;
        }
        let mut learned = self.clone();
        for (k, component) in learned.components.iter_mut().enumerate() {
            if self.learns.weights {
                // As for points, no weight is zero.
                component.weight = (weight[k] / total).max(f64::MIN_POSITIVE);
            }
            // A component that explains no row has nothing else to learn from.
            if !(weight[k] > 0.0) {
                continue;
            }
            let shift: Vec<f64> = (0..d).map(|a| first[k * d + a] / weight[k]).collect();
            let moved = |a: usize| if self.learns.means { shift[a] } else { 0.0 };
            if self.learns.covariances && !component.spread.is_known() {
                let about = |e: usize| {
                    let (a, b) = (e / d, e % d);
                    second[k * size + e] / weight[k] - shift[a] * moved(b) - moved(a) * shift[b]
                        + moved(a) * moved(b)
                };
                let covariance: Vec<f64> = (0..size).map(about).collect();
                if let Some(fitted) = component.spread.fitted(&covariance, d) {
                    component.spread = fitted;
                }
            }
            (0..d).for_each(|a| component.mean[a] += moved(a));
        }
        Some(Box::new(learned))
    }

    fn name(&self) -> String {
        format!("mixture of {} Gaussians", self.components.len())
    }
}

impl Law for GaussianMixture {
    fn uniforms(&self, _d: usize) -> usize {
        self.d
    }

    fn jumps(&self) -> Option<Vec<f64>> {
        let mut below = 0.0;
        let inner = &self.components[..self.components.len() - 1];
        Some(inner.iter().map(|c| (below += c.weight, below).1).collect())
    }

    /// The first uniform also picks the component: its part of the unit interval is stretched to the whole.
    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        let (mut below, last) = (0.0, self.components.len() - 1);
        for (k, component) in self.components.iter().enumerate() {
            let above = below + component.weight;
            if uniforms[0] < above || k == last {
                let stretched = ((uniforms[0] - below) / component.weight).clamp(0.0, 1.0);
                row.copy_from_slice(&component.mean);
                let uniform = |t: usize| if t == 0 { stretched } else { uniforms[t] };
                let normal = |t: usize| quantile(open_uniform(uniform(t)));
                component.spread.add_factor_times(normal, row);
                return;
            }
            below = above;
        }
    }
}
