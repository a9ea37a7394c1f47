//! Densities of one column whose logarithm is a parabola or a line between breaks, with or without atoms.

use core::f64::consts::TAU;

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::log_cdf;

use super::Rule;
use super::cut::{Cut, anchor};
use super::formula::{self, OneEnd};
use super::interval::Interval;
use super::segments::Segments;
use super::two_ends::Between;

/// One piece: `log f = height + slope t - precision t^2 / 2`, `t` counted from its anchor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Piece {
    /// Infinite where it has no such end; equal ends are an atom.
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) height: f64,
    pub(super) slope: f64,
    pub(super) precision: f64,
}

/// What a row of a cavity is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
    pub(crate) log_partition: f64,
}

/// What is kept of each piece while a row is put together: log mass, mean and variance.
const KEPT: usize = 3;

impl Piece {
    /// A line: `height` at the anchor, and a slope.
    pub(crate) fn line(start: f64, end: f64, height: f64, slope: f64) -> Self {
        Self { start, end, height, slope, precision: 0.0 }
    }

    /// `exp(log_weight) N(x; mean, variance)` between the ends.
    pub(crate) fn gaussian(
        start: f64,
        end: f64,
        log_weight: f64,
        mean: f64,
        variance: f64,
    ) -> Self {
        let apart = mean - anchor(start, end);
        let precision = variance.recip();
        let height = log_weight - 0.5 * ((TAU * variance).ln() + apart * apart * precision);
        Self { start, end, height, slope: apart * precision, precision }
    }

    /// A point of this weight.
    pub(crate) fn atom(at: f64, log_weight: f64) -> Self {
        Self { start: at, end: at, height: log_weight, slope: 0.0, precision: 0.0 }
    }

    fn anchor(&self) -> f64 {
        anchor(self.start, self.end)
    }

    fn is_whole(&self) -> bool {
        !(self.start.is_finite() || self.end.is_finite())
    }

    pub(super) fn is_bounded(&self) -> bool {
        self.start.is_finite() && self.end.is_finite()
    }

    /// Log mass, mean and variance under the tilt `exp(n x - gamma x^2 / 2)`, whose logarithm is taken relative to that at
    /// `origin`: what all pieces share cancels, whatever its size.
    #[inline]
    fn tilted(&self, n: f64, gamma: f64, origin: f64, rule: &Rule) -> Option<[f64; KEPT]> {
        let at = self.anchor();
        if self.height == f64::NEG_INFINITY {
            return Some([self.height, at, 0.0]);
        }
        let slope = self.slope + (n - gamma * at);
        let precision = self.precision + gamma;
        // Where the piece is largest, its moments, and its mass relative to that: between the peak and an end there may be
        // millions of nats, which would cancel.
        let (t, offset, variance, log_width) = if self.is_bounded() && self.end > self.start {
            let part = Interval::new(slope, precision, self.end - self.start, rule);
            (part.peak, part.mean, part.variance, part.log_width)
        } else {
            let cut = Cut::new((self.start, self.end), slope, precision, rule)?;
            let inwards = match (self.start.is_finite(), self.end.is_finite()) {
                (true, true) => 0.0,
                (true, false) => slope.max(0.0),
                (false, true) => slope.min(0.0),
                (false, false) => slope,
            };
            if inwards == 0.0 || !(precision > 0.0) {
                (0.0, cut.offset, cut.variance, cut.log_mass)
            } else {
                let inside =
                    if self.is_whole() { 0.0 } else { log_cdf(inwards.abs() / precision.sqrt()) };
                let log_width = inside + 0.5 * (TAU / precision).ln();
                (inwards / precision, cut.offset, cut.variance, log_width)
            }
        };
        let x = at + t;
        let own = self.height + t * (self.slope - 0.5 * self.precision * t);
        let rise = (x - origin) * (n - 0.5 * gamma * (x + origin));
        Some([own + rise + log_width, at + offset, variance])
    }
}

/// The point that the tilt is taken relative to: the cavity's mean as far as the density reaches, so that what counts is near;
/// the first anchor without precision.
fn origin(pieces: &[Piece], n: f64, gamma: f64) -> Option<f64> {
    let first = pieces.first()?;
    if !(gamma > 0.0) {
        return Some(first.anchor());
    }
    let ends = (first.start, first.end);
    let reach = |(low, high): (f64, f64), p: &Piece| (low.min(p.start), high.max(p.end));
    let (low, high) = pieces.iter().fold(ends, reach);
    Some((n / gamma).clamp(low, high))
}

/// The answer of a density to the tilt `(n, gamma)`, `kept` holding [`KEPT`] values a piece; none where it is improper.
pub(crate) fn answer(
    pieces: &[Piece],
    (n, gamma): (f64, f64),
    rule: &Rule,
    kept: &mut [f64],
) -> Option<Answer> {
    let kept = &mut kept[..KEPT * pieces.len()];
    let origin = origin(pieces, n, gamma)?;
    for (piece, kept) in pieces.iter().zip(kept.chunks_exact_mut(KEPT)) {
        kept.copy_from_slice(&piece.tilted(n, gamma, origin, rule)?);
    }
    // Moments are taken about the heaviest piece's mean: where the others hardly count, so do their squares.
    let heavier = |a: [f64; 2], part: &[f64]| if part[0] > a[0] { [part[0], part[1]] } else { a };
    let [height, centre] = kept.chunks_exact(KEPT).fold([f64::NEG_INFINITY, origin], heavier);
    let (mut total, mut shift) = (0.0, 0.0);
    for part in kept.chunks_exact_mut(KEPT) {
        part[0] = (part[0] - height).exp();
        total += part[0];
        shift += part[0] * (part[1] - centre);
    }
    shift /= total;
    let mut variance = 0.0;
    for part in kept.chunks_exact(KEPT) {
        let apart = part[1] - centre - shift;
        variance += part[0] / total * (part[2] + apart * apart);
    }
    let log_partition = origin * (n - 0.5 * gamma * origin) + height + total.ln();
    Some(Answer { mean: centre + shift, variance, log_partition })
}

/// Estimates rows that all have this density.
pub(crate) fn estimate_alike(
    pieces: &[Piece],
    rule: &Rule,
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
    scratch: &mut Scratch,
) -> Result<(), Breakdown> {
    let gamma = cavity.scalar_precision();
    if let Some(law) = one_end(pieces, gamma) {
        formula::apply(&law, cavity, out);
        return Ok(());
    }
    if let [piece @ Piece { start, end, slope, precision, .. }] = *pieces
        && piece.is_bounded()
        && end > start
    {
        formula::apply(&Between::new([start, end], (slope, precision), gamma), cavity, out);
        return Ok(());
    }
    if let Some(segments) = Segments::new(pieces, gamma, scratch) {
        segments.apply(cavity, out);
        return Ok(());
    }
    estimate(|_| pieces, rule, cavity, out, scratch)
}

/// The closed form of a density of one piece with one end, and perhaps an atom there.
#[expect(clippy::float_cmp, reason = "an atom is at the very end, or it isn't of that form")]
fn one_end(pieces: &[Piece], gamma: f64) -> Option<OneEnd> {
    let (piece, point) = match pieces {
        [piece] => (piece, f64::NEG_INFINITY),
        [piece, atom] if atom.start == atom.end && atom.anchor() == piece.anchor() => {
            (piece, atom.height - piece.height)
        }
        _ => return None,
    };
    let direction = match (piece.start.is_finite(), piece.end.is_finite()) {
        (true, false) => 1.0,
        (false, true) => -1.0,
        _ => return None,
    };
    OneEnd::new((piece.anchor(), direction), (piece.slope, piece.precision), point, gamma)
}

/// Estimates rows whose densities are `pieces(i)`.
pub(crate) fn estimate<P: AsRef<[Piece]>>(
    pieces: impl Fn(usize) -> P,
    rule: &Rule,
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
    scratch: &mut Scratch,
) -> Result<(), Breakdown> {
    estimate_noisy(pieces, (0.0, rule), cavity, out, scratch)
}

/// Log-partition functions of rows whose densities are `pieces(i)`; false where one is improper.
pub(crate) fn log_partition<P: AsRef<[Piece]>>(
    pieces: impl Fn(usize) -> P,
    rule: &Rule,
    cavity: &RowCavity<'_>,
    out: &mut [f64],
) -> bool {
    log_partition_noisy(pieces, (0.0, rule), cavity, out)
}

/// What a density of `u = z + noise` of variance `noise` says of `z`: integrated over the noise, the tilt of `u` is
/// `(n, gamma) / k`, `k = 1 + gamma noise`, and given `u` the mean of `z` is `(noise n + u) / k`.
fn through_noise(
    pieces: &[Piece],
    (n, gamma): (f64, f64),
    noise: f64,
    rule: &Rule,
    kept: &mut [f64],
) -> Option<Answer> {
    let k = 1.0 + gamma * noise;
    let found = answer(pieces, (n / k, gamma / k), rule, kept)?;
    let mean = noise.mul_add(n, found.mean) / k;
    let variance = (noise + found.variance / k) / k;
    let log_partition = found.log_partition + 0.5 * (n * noise * n / k - (gamma * noise).ln_1p());
    Some(Answer { mean, variance, log_partition })
}

/// As [`estimate`], for rows of which a noisy version has the densities `pieces(i)`.
pub(crate) fn estimate_noisy<P: AsRef<[Piece]>>(
    pieces: impl Fn(usize) -> P,
    (noise, rule): (f64, &Rule),
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
    scratch: &mut Scratch,
) -> Result<(), Breakdown> {
    let gamma = cavity.scalar_precision();
    for (i, &n) in cavity.natural().iter().enumerate() {
        let pieces = pieces(i);
        let kept = scratch.slice(KEPT * pieces.as_ref().len());
        let row = cavity.first_row() + i;
        let found = through_noise(pieces.as_ref(), (n, gamma), noise, rule, kept);
        let found = found.ok_or(Breakdown::ImproperCavity { port: 0, row })?;
        (out.mean[i], out.covariance[i]) = (found.mean, found.variance);
    }
    Ok(())
}

/// As [`log_partition`], for rows of which a noisy version has the densities `pieces(i)`.
pub(crate) fn log_partition_noisy<P: AsRef<[Piece]>>(
    pieces: impl Fn(usize) -> P,
    (noise, rule): (f64, &Rule),
    cavity: &RowCavity<'_>,
    out: &mut [f64],
) -> bool {
    let gamma = cavity.scalar_precision();
    let mut kept = Vec::new();
    for (i, (&n, out)) in cavity.natural().iter().zip(out).enumerate() {
        let pieces = pieces(i);
        kept.resize(KEPT * pieces.as_ref().len(), 0.0);
        match through_noise(pieces.as_ref(), (n, gamma), noise, rule, &mut kept) {
            Some(found) => *out = found.log_partition,
            None => return false,
        }
    }
    true
}
