//! Matched scalar priors: the average posterior variance as one integral over the cavity mean, exact to many digits.

use core::f64::consts::TAU;

use super::atoms::atoms;
use crate::denoiser::{Denoiser, Law, RowCavity, RowEstimate, Scratch};
use crate::factor::Breakdown;
use crate::special::points::GaussianPoints;

/// Nodes and weights of Gauss and Legendre's rule of 16 points on `[-1, 1]`, the positive half.
pub(super) const LEGENDRE: [(f64, f64); 8] = [
    (0.09501250983763744, 0.1894506104550685),
    (0.28160355077925891, 0.18260341504492359),
    (0.45801677765722739, 0.16915651939500254),
    (0.617_876_244_402_643_75, 0.149_595_988_816_576_73),
    (0.75540440835500303, 0.12462897125553387),
    (0.86563120238783174, 0.095158511682492785),
    (0.94457502307323258, 0.062253523938647893),
    (0.98940093499164993, 0.027152459411754095),
];
const PANEL: usize = 2 * LEGENDRE.len();

/// Panels around an atom grow by this factor: posteriors change with the logarithm of the distance from it.
const GROWTH: f64 = 1.35;
/// The integral ends so many standard deviations of the noise beyond the ends of the law, where its density is 1e-18.
const RANGE: f64 = 9.0;
/// The ends of a law are where this share of each of its smooth pieces is left. A sparse law reaches many of its own
/// standard deviations, so that these don't tell.
const TAIL: f64 = 1e-14;
/// A density that integrates to one within this is the one the law describes.
const NORMALISED: f64 = 1e-6;
/// Or within this many roundings of its exponent, a difference of two numbers of the size of the signal-to-noise ratio.
const ROUNDINGS: f64 = 64.0 * f64::EPSILON;
/// Beyond such an error of the exponent none of its digits is left, and the average is taken over draws of the law.
const LOST: f64 = 0.1;
/// Noise is then of this many points for every draw: it matters next to atoms only.
const NOISES: usize = 32;

/// The smallest and the largest value of a law of one uniform, but for its tails.
fn ends(law: &dyn Law) -> (f64, f64) {
    let mut edges = vec![0.0];
    edges.extend(law.jumps().unwrap_or_default().into_iter().filter(|j| *j > 0.0 && *j < 1.0));
    edges.push(1.0);
    let mut ends = (f64::INFINITY, f64::NEG_INFINITY);
    for piece in edges.windows(2) {
        let width = piece[1] - piece[0];
        for share in [TAIL, 0.5, 1.0 - TAIL] {
            let mut row = [0.0];
            law.draw(&[width.mul_add(share, piece[0])], &mut row);
            ends = (ends.0.min(row[0]), ends.1.max(row[0]));
        }
    }
    ends
}

/// A scalar prior whose posterior variance is averaged over its own marginal law.
#[derive(Debug, Default)]
pub(super) struct Scalar {
    atoms: Vec<f64>,
    ends: (f64, f64),
    mean: f64,
    variance: f64,
    /// Draws of the law, and how much each counts.
    draws: (Vec<f64>, Vec<f64>),
    breaks: Vec<f64>,
    natural: Vec<f64>,
    r: Vec<f64>,
    weights: Vec<f64>,
    estimate: Vec<f64>,
    posterior: Vec<f64>,
    log_partition: Vec<f64>,
}

impl Scalar {
    /// The average for a law of one uniform, of which draws with weights that add up to one are given; `None` when the prior
    /// doesn't know its log-partition function, or it isn't that of the law.
    pub(super) fn new(
        law: &dyn Law,
        denoiser: &dyn Denoiser,
        draws: (Vec<f64>, Vec<f64>),
    ) -> Option<Self> {
        let average = |f: &dyn Fn(f64) -> f64| -> f64 {
            draws.0.iter().zip(&draws.1).map(|(x, w)| w * f(*x)).sum()
        };
        let mean = average(&|x| x);
        let variance = average(&|x| (x - mean) * (x - mean));
        if !(variance > 0.0) {
            return None;
        }
        let mut scalar =
            Self { atoms: atoms(law), ends: ends(law), mean, variance, draws, ..Self::default() };
        let probe = scalar.average_variance(denoiser, variance.recip(), &mut Scratch::default());
        probe.is_ok().then_some(scalar)
    }

    /// `E Var(x | r)` for `r = x + noise` of precision `gamma`:
    ///
    /// ```text
    /// int p(r) Var(x | r) dr,    p(r) = sqrt(gamma / 2 pi) exp(A(gamma r) - gamma r^2 / 2)
    /// ```
    ///
    /// Where `gamma` is so large that rounding leaves nothing of that exponent, over draws of the law with noise.
    ///
    /// # Errors
    /// [`Breakdown`] of the estimator; [`Breakdown::NoConvergence`] when the log-partition function `A` isn't known, or
    /// the density that it gives doesn't integrate to one.
    pub(super) fn average_variance(
        &mut self,
        denoiser: &dyn Denoiser,
        gamma: f64,
        scratch: &mut Scratch,
    ) -> Result<f64, Breakdown> {
        let unknown = Err(Breakdown::NoConvergence { port: 0, row: 0 });
        if gamma == 0.0 {
            return Ok(self.variance);
        }
        let rounding = ROUNDINGS * gamma * self.variance;
        if rounding > LOST {
            return self.average_over_draws(denoiser, gamma, scratch);
        }
        self.place_nodes(gamma);
        let count = self.r.len();
        for buffer in [&mut self.estimate, &mut self.posterior, &mut self.log_partition] {
            buffer.resize(count, 0.0);
        }
        let precision = [gamma];
        let cavity = RowCavity::new(0, 1, &self.natural, &self.r, &precision);
        if !denoiser.log_partition(&cavity, &mut self.log_partition) {
            return unknown;
        }
        let mut out = RowEstimate { mean: &mut self.estimate, covariance: &mut self.posterior };
        denoiser.estimate(&cavity, &mut out, scratch)?;
        let scale = (gamma / TAU).sqrt();
        let (mut mass, mut sum) = (0.0, 0.0);
        for i in 0..count {
            let exponent = self.log_partition[i] - 0.5 * self.natural[i] * self.r[i];
            let share = self.weights[i] * scale * exponent.exp();
            mass += share;
            sum += share * self.posterior[i];
        }
        if (mass - 1.0).abs() < NORMALISED.max(rounding) { Ok(sum / mass) } else { unknown }
    }

    /// `E Var(x | r)` over draws of the law and of the noise.
    fn average_over_draws(
        &mut self,
        denoiser: &dyn Denoiser,
        gamma: f64,
        scratch: &mut Scratch,
    ) -> Result<f64, Breakdown> {
        let noise = GaussianPoints::new(1, NOISES, 0);
        let deviation = gamma.recip().sqrt();
        let count = noise.count();
        for buffer in [&mut self.natural, &mut self.r, &mut self.estimate, &mut self.posterior] {
            buffer.resize(count, 0.0);
        }
        let precision = [gamma];
        let mut sum = 0.0;
        for (x, weight) in self.draws.0.iter().zip(&self.draws.1) {
            for (k, noise) in noise.component(0).iter().enumerate() {
                self.r[k] = deviation.mul_add(*noise, *x);
                self.natural[k] = gamma * self.r[k];
            }
            let (natural, r) = (&self.natural[..count], &self.r[..count]);
            let cavity = RowCavity::new(0, 1, natural, r, &precision);
            let mut out = RowEstimate {
                mean: &mut self.estimate[..count],
                covariance: &mut self.posterior[..count],
            };
            denoiser.estimate(&cavity, &mut out, scratch)?;
            sum += weight * self.posterior[..count].iter().sum::<f64>() / count as f64;
        }
        Ok(sum)
    }

    /// Panels between the atoms and the ends, graded around each atom, and the nodes of each panel.
    fn place_nodes(&mut self, gamma: f64) {
        let noise = gamma.recip().sqrt();
        let (low, high) = (self.ends.0 - RANGE * noise, self.ends.1 + RANGE * noise);
        let reach = high - low;
        self.breaks.clear();
        self.breaks.extend([low, high]);
        let centres = if self.atoms.is_empty() { &[self.mean][..] } else { &self.atoms };
        // Without atoms the density varies on the scale of the law or of the noise, whichever is larger.
        let finest =
            if self.atoms.is_empty() { noise.max(0.1 * self.variance.sqrt()) } else { noise };
        for &centre in centres {
            self.breaks.push(centre);
            let mut distance = finest;
            while distance < reach {
                self.breaks.extend([centre - distance, centre + distance]);
                distance *= GROWTH;
            }
        }
        self.breaks.retain(|b| *b >= low && *b <= high);
        self.breaks.sort_by(f64::total_cmp);
        self.breaks.dedup();
        for buffer in [&mut self.r, &mut self.natural, &mut self.weights] {
            buffer.clear();
            buffer.reserve(PANEL * self.breaks.len());
        }
        for panel in self.breaks.windows(2) {
            let (centre, half) = (0.5 * (panel[0] + panel[1]), 0.5 * (panel[1] - panel[0]));
            for (x, w) in LEGENDRE {
                for node in [-x, x] {
                    let r = half.mul_add(node, centre);
                    self.r.push(r);
                    self.natural.push(gamma * r);
                    self.weights.push(half * w);
                }
            }
        }
    }
}
