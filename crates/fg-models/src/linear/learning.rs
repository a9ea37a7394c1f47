//! A sparse signal of which nothing is known: noise, sparsity and size are learned along with it, for several columns also
//! how they hang together.

use fg_core::Rows;
use fg_core::operator::LinearOperator;
use fg_core::special::{cdf, pdf};
use fg_denoisers::likelihood::Awgn;
use fg_denoisers::prior::{BernoulliGauss, GroupBernoulliGauss};

use crate::ModelError;
use crate::generalised::{self, GeneralisedGraph};

/// Share of noise in the observations that learning starts from, one over a signal-to-noise ratio.
const NOISE: f64 = 1.0 / 101.0;

/// The graph of [`graph`](super::graph) for a Bernoulli-Gauss signal whose sparsity and variance, and whose noise, are
/// learned by expectation-maximisation in the loop, one step a sweep. Of several columns (multiple measurement vectors,
/// multi-task regression) rows are zero or not as a whole, and the full covariance of the columns is learned.
///
/// It starts from what Vila and Schniter start from: a hundredth of the power of the observations being noise, as many
/// non-zero entries as basis pursuit can recover from `m` observations of `n` entries, and slabs that make up for the
/// power. Learned values are in [`Solution::parameters`](fg_core::Solution::parameters).
///
/// Reference: J. P. Vila and P. Schniter, "Expectation-Maximization Gaussian-Mixture Approximate Message Passing", IEEE
/// Transactions on Signal Processing 61 (2013), doi 10.1109/TSP.2013.2272287, section III-E.
///
/// # Errors
/// [`ModelError`] when the observations or the operator vanish, so that there is nothing to start from. Shapes and data
/// are checked when the graph is built.
pub fn sparse(
    operator: impl LinearOperator + 'static,
    observations: Rows,
) -> Result<GeneralisedGraph, ModelError> {
    let (m, n) = (operator.outputs() as f64, operator.inputs() as f64);
    let power = observations.norm_squared() / observations.columns() as f64;
    let noise = NOISE * power / m;
    let sparsity = recoverable(m / n);
    let variance = (1.0 - NOISE) * power / (sparsity * operator.squared_norm());
    let noise = Awgn::from_variance(noise)?.learn_noise();
    Ok(if observations.columns() == 1 {
        let prior = BernoulliGauss::new(sparsity, 0.0, variance)?;
        let prior = prior.learn_sparsity().learn_variance();
        generalised::graph(operator, prior, noise, observations)
    } else {
        let d = observations.columns();
        let entry = |k: usize| if k.is_multiple_of(d + 1) { variance } else { 0.0 };
        let covariance: Vec<f64> = (0..d * d).map(entry).collect();
        let prior = GroupBernoulliGauss::with_covariance(sparsity, d, &covariance)?;
        let prior = prior.learn_sparsity().learn_covariance();
        generalised::graph(operator, prior, noise, observations)
    })
}

/// Share of non-zero entries that basis pursuit recovers at the sampling ratio `delta = m / n`, with independent entries
/// of the operator: `delta max_c (1 - 2 g / delta) / (1 + c^2 - 2 g)`, `g = (1 + c^2) Phi(-c) - c phi(c)` (Donoho, Maleki
/// and Montanari 2009). Beyond `delta = 1` as there.
fn recoverable(delta: f64) -> f64 {
    /// Thresholds tried, and the largest: the maximum is flat, and beyond six deviations nothing is left of a Gaussian.
    const TRIED: u32 = 600;
    const LARGEST: f64 = 6.0;
    let delta = delta.min(1.0);
    let at = |c: f64| {
        let tail = (1.0 + c * c) * cdf(-c) - c * pdf(c);
        (1.0 - 2.0 * tail / delta) / (1.0 + c * c - 2.0 * tail)
    };
    let best = (1..=TRIED).map(|k| at(LARGEST * f64::from(k) / f64::from(TRIED)));
    delta * best.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_basis_pursuit_recovers() {
        // Donoho and Tanner's weak transition, k / m at m / n = 0.5 and 0.1; the grid is exact to its square.
        const TOLERANCE: f64 = 5e-4;
        for (delta, expected) in [(0.5, 0.3857), (0.1, 0.1894)] {
            let found = recoverable(delta) / delta;
            assert!((found - expected).abs() < TOLERANCE, "{delta}: {found}");
        }
        assert!(recoverable(2.0) > 0.9 && recoverable(2.0) <= 1.0);
    }
}
