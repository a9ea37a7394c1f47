//! Data in bins: which interval a noisy unknown lies in.

use std::sync::Arc;

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::{open_uniform, quantile};

use crate::PerRow;
use crate::error::{self, ParameterError};
use crate::family::parted::{self, PIECE};
use crate::family::{OneOf, Piece, Rule, TwoEnds, formula, part, pieces};

/// The number of the bin that `z`, or `z` with Gaussian noise, falls into: quantisers, ordinal answers, 1-bit data.
///
/// # Density
///
/// ```text
/// p(y | z) = P(e_(y-1) < z + noise < e_y),      e_(-1) = -inf,  e_K = inf
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | edges `e` | - | finite, ascending | where one bin ends and the next begins; bins are `0 .. K` |
/// | variance | - | `[0, inf)` | of the noise |
///
/// Data are bin numbers. [`with_dither`](Self::with_dither) adds a known value of its own to the unknown of every row before it
/// is quantised, which moves that row's edges.
///
/// # Estimate
///
/// `u = z + noise` is the Gaussian of natural parameter `n / k` and precision `gamma / k` within the bin,
/// `k = 1 + gamma variance`; given `u`, `z` has mean `(variance n + u) / k` and variance `variance / k`.
///
/// # Numerical notes and limits
///
/// * Outer bins by Mills' ratio, inner ones as [`Uniform`](crate::Uniform): neither
///   cancels, however far the cavity lies outside of the bin. Variances are positive everywhere.
/// * With `gamma = 0` outer bins are improper.
/// * Some 4 nanoseconds an entry where all bins are outer ones, 10 to 15 where there are inner ones.
///
/// # Reference
///
/// U. S. Kamilov, V. K. Goyal and S. Rangan, "Message-Passing De-Quantization With Applications to Compressed Sensing",
/// IEEE Transactions on Signal Processing 60 (2012), doi 10.1109/TSP.2012.2217334.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let bins = fg_denoisers::Quantised::new(&[-1.0, 0.0, 1.0], 0.0)?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// // Bin 2 lies between 0 and 1; nothing else is known.
/// let cavity = RowCavity::new(0, 1, &[0.0], &[0.0], &[0.0]);
/// bins.estimate(&[2.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!((mean[0] - 0.5).abs() < 1e-14 && (variance[0] - 1.0 / 12.0).abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Quantised {
    /// Where a bin starts and the one before it ends, from `-inf` to `inf`.
    ends: Vec<f64>,
    all: All,
}

/// What rows with bins of their own have in common.
#[derive(Clone, Debug, PartialEq)]
struct All {
    /// Length of the shortest bin.
    shortest: f64,
    variance: f64,
    rule: Arc<Rule>,
}

impl Quantised {
    /// Bins between these edges, of an unknown with noise of this variance.
    ///
    /// # Errors
    /// [`ParameterError`] unless there is an edge, edges are finite and ascend strictly, and `0 <= variance < inf`.
    pub fn new(edges: &[f64], variance: f64) -> Result<Self, ParameterError> {
        Self::with_rule(edges, variance, Arc::new(Rule::new()))
    }

    fn with_rule(edges: &[f64], variance: f64, rule: Arc<Rule>) -> Result<Self, ParameterError> {
        if edges.is_empty() {
            return Err(ParameterError::Length { parameter: "edges", expected: 1, found: 0 });
        }
        for (k, &edge) in edges.iter().enumerate() {
            error::finite("edge", edge)?;
            if k > 0 {
                error::above("edge", edge, edges[k - 1], "above the one before it")?;
            }
        }
        let variance = error::not_negative("noise variance", variance)?;
        let mut ends = vec![f64::NEG_INFINITY];
        ends.extend(edges);
        ends.push(f64::INFINITY);
        let shortest = ends.windows(2).fold(f64::INFINITY, |least, bin| least.min(bin[1] - bin[0]));
        Ok(Self { ends, all: All { shortest, variance, rule } })
    }

    /// The same bins for rows that have these known values added before they are quantised: a likelihood for that many rows.
    ///
    /// # Errors
    /// [`ParameterError`] unless there is a value and all are finite, and so small that edges stay apart by more than rounding.
    pub fn with_dither(&self, dither: &[f64]) -> Result<PerRow<Self>, ParameterError> {
        let moved = |&value: &f64| {
            let value = error::finite("dither", value)?;
            let edges: Vec<f64> = self.edges().iter().map(|edge| edge - value).collect();
            Self::with_rule(&edges, self.all.variance, Arc::clone(&self.all.rule))
        };
        PerRow::likelihoods(dither.iter().map(moved).collect::<Result<_, _>>()?)
    }

    /// Where one bin ends and the next begins.
    pub fn edges(&self) -> &[f64] {
        &self.ends[1..self.ends.len() - 1]
    }

    /// Variance of the noise.
    pub fn variance(&self) -> f64 {
        self.all.variance
    }

    /// The bin of a value.
    pub fn bin(&self, value: f64) -> usize {
        self.edges().partition_point(|edge| *edge <= value)
    }

    fn density(&self, y: f64) -> [Piece; 1] {
        line(&self.ends[number(y)..])
    }
}

/// The density of a bin, given where it and the next ones start.
fn line(ends: &[f64]) -> [Piece; 1] {
    [Piece::line(ends[0], ends[1], 0.0, 0.0)]
}

impl All {
    /// Answers rows, given where the bin of each and the next ones start.
    fn answer<'e>(
        &self,
        ends: impl Fn(usize) -> &'e [f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let (gamma, rows) = (cavity.scalar_precision(), cavity.len());
        if !(gamma > 0.0) {
            // Outer bins are improper.
            let noise = (self.variance, &*self.rule);
            return pieces::estimate_noisy(|i| line(ends(i)), noise, cavity, out, scratch);
        }
        let bins = TwoEnds::new(self.variance, gamma);
        let alike = bins.is_uniform(self.shortest);
        // What is looked up stays in the nearest cache.
        let (mut starts, mut stops) = ([0.0; PIECE], [0.0; PIECE]);
        for from in (0..rows).step_by(PIECE) {
            let piece = from..rows.min(from + PIECE);
            let len = piece.len();
            for ((start, stop), i) in starts.iter_mut().zip(&mut stops).zip(piece.clone()) {
                let own = ends(i);
                (*start, *stop) = (own[0], own[1]);
            }
            let input = [&cavity.natural()[piece.clone()], &starts[..len], &stops[..len]];
            let mut out = part::answers(out, piece, 1);
            if alike {
                let _ = formula::apply_to(&bins, input, &mut out);
            } else {
                let kind = |input: [f64; 3]| bins.kind(input);
                let _ = parted::apply_parted::<3, { TwoEnds::KINDS }>(&bins, kind, input, &mut out);
            }
        }
        Ok(())
    }
}

/// Adding it leaves a whole number below `2^32` in the lowest bits, which is faster than a conversion of any number.
const WHOLE: f64 = 4_503_599_627_370_496.0;

#[expect(clippy::cast_possible_truncation, reason = "a bin number that has been checked")]
fn number(y: f64) -> usize {
    ((y + WHOLE).to_bits() & u64::from(u32::MAX)) as usize
}

impl Likelihood for Quantised {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let gamma = cavity.scalar_precision();
        if let ([edge], true) = (self.edges(), gamma > 0.0) {
            // The number of the bin says on which side of the edge.
            let bins = OneOf::new(*edge, self.all.variance, gamma);
            formula::apply_observed(&bins, observed, cavity, out);
            return Ok(());
        }
        self.all.answer(|i| &self.ends[number(observed[i])..], cavity, out, scratch)
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        let last = self.edges().len() as f64;
        match observed {
            [y] if (0.0..=last).contains(y) && y.fract() == 0.0 => Ok(()),
            _ => Err(format!("bin must be a whole number from 0 to {last}, got {observed:?}")),
        }
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let density = |i: usize| self.density(observed[i]);
        pieces::log_partition_noisy(density, (self.all.variance, &self.all.rule), cavity, out)
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let noise = self.all.variance.sqrt() * quantile(open_uniform(uniforms[0]));
        y[0] = self.bin(z[0] + noise) as f64;
    }

    /// Where all have noise of one variance.
    fn side_by_side(models: &[Self]) -> Option<Box<dyn Likelihood>> {
        let all = &models.first()?.all;
        if models.iter().any(|m| m.all.variance.to_bits() != all.variance.to_bits()) {
            return None;
        }
        let shortest = models.iter().map(|m| m.all.shortest).fold(f64::INFINITY, f64::min);
        let (mut ends, mut first) = (Vec::new(), Vec::with_capacity(models.len()));
        for model in models {
            first.push(ends.len());
            ends.extend(&model.ends);
        }
        Some(Box::new(Dithered { ends, first, all: All { shortest, ..all.clone() } }))
    }

    fn name(&self) -> String {
        format!("{} bins", self.edges().len() + 1)
    }
}

/// Rows with bins of their own.
#[derive(Debug)]
struct Dithered {
    /// As of [`Quantised`], row after row, and where each row's begin.
    ends: Vec<f64>,
    first: Vec<usize>,
    all: All,
}

impl Likelihood for Dithered {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let first = &self.first[cavity.first_row()..];
        self.all.answer(|i| &self.ends[first[i] + number(observed[i])..], cavity, out, scratch)
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn name(&self) -> String {
        "bins of rows".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dither_moves_the_unknown() {
        let bins = Quantised::new(&[-1.0, 0.0, 1.0], 0.2).unwrap();
        let (dither, n, y) = ([0.3, -0.8], [0.5, 0.5], [2.0, 1.0]);
        let dithered = bins.with_dither(&dither).unwrap();
        let (mut mean, mut variance) = ([0.0; 2], [0.0; 2]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
        let gamma = [2.0];
        let cavity = RowCavity::new(0, 1, &n, &n, &gamma);
        dithered.estimate(&y, &cavity, &mut out, &mut Scratch::default()).unwrap();
        for i in 0..2 {
            // The unknown with the dither is what the bins are of.
            let (moved, mut own, mut spread) = ([n[i] + 2.0 * dither[i]], [0.0], [0.0]);
            let mut out = RowEstimate { mean: &mut own, covariance: &mut spread };
            let cavity = RowCavity::new(0, 1, &moved, &moved, &gamma);
            bins.estimate(&[y[i]], &cavity, &mut out, &mut Scratch::default()).unwrap();
            assert!((mean[i] - (own[0] - dither[i])).abs() < 1e-14, "{mean:?} {own:?}");
            assert!((variance[i] - spread[0]).abs() < 1e-14, "{variance:?} {spread:?}");
            let mut drawn = [f64::NAN];
            dithered.row_model(i).unwrap().draw(&[0.9], &[0.5], &mut drawn);
            assert_eq!(number(drawn[0]), bins.bin(0.9 + dither[i]));
        }
        assert!(bins.with_dither(&[]).is_err() && bins.with_dither(&[f64::NAN]).is_err());
        assert!(bins.with_dither(&[1e30]).is_err(), "edges that fall together");
    }

    #[test]
    fn parameters_and_bins_are_checked() {
        assert!(Quantised::new(&[], 0.0).is_err() && Quantised::new(&[1.0, 1.0], 0.0).is_err());
        assert!(Quantised::new(&[f64::NAN], 0.0).is_err() && Quantised::new(&[0.0], -1.0).is_err());
        let bins = Quantised::new(&[-1.0, 1.0], 0.0).unwrap();
        assert_eq!([-2.0, -1.0, 0.0, 1.0, 9.0].map(|v| bins.bin(v)), [0, 1, 1, 2, 2]);
        assert_eq!(bins.check(&[2.0]), Ok(()));
        for bad in [-1.0, 0.5, 3.0, f64::NAN] {
            assert!(bins.check(&[bad]).is_err(), "{bad}");
        }
    }
}
