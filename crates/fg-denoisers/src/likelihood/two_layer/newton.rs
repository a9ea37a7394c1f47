//! The maximiser by safeguarded Newton steps with the exact Hessian, from as many starts as there may be maxima.

use fg_core::message::small;

use super::TwoLayer;
use super::activation::Jet;
use super::maximiser::{Found, Maximiser, NoMaximum, Row};
use super::starts::Start;

/// Newton steps from one start before it is given up: convergence is quadratic after the first few.
const STEPS: usize = 200;
/// Increases below this multiple of what the objective's terms are sums and differences of drown in its rounding: the
/// objective can't judge such a step, and Newton's own quadratic convergence is trusted instead.
const BLIND: f64 = 64.0 * f64::EPSILON;
/// A step whose increase is below this share of the objective's terms is the last: it moves `z` by a share of `1e-9`,
/// and leaves an error of the order of that squared.
const SETTLED: f64 = 1e-18;
/// A blind step must shrink the next increase to this share of the last; quadratic convergence does far better, and where
/// it doesn't, rounding of the gradient is all that is left.
const PROGRESS: f64 = 0.25;
/// Share of the predicted increase a step must reach (Armijo's rule).
const SUFFICIENT: f64 = 1e-4;
/// Halvings of a step before the start is given up: beyond, it no longer changes `z`.
const HALVINGS: usize = 60;
/// First multiple of the Hessian's mean diagonal that is added where it isn't positive, and its growth.
const SHIFT: (f64, f64) = (1e-3, 10.0);
/// Shifts tried: the last one outweighs any Hessian.
const SHIFTS: usize = 24;
/// Tops nearer to each other than this share of their size are one.
const SAME: f64 = 1e-6;

/// The objective `n'z - z' Gamma z / 2 + log p(y | b2 + W2' sigma(z))` of rows with one precision.
#[derive(Debug)]
pub(super) struct Newton<'a> {
    pub(super) network: &'a TwoLayer,
    pub(super) gamma: &'a [f64],
    /// `Gamma^-1`.
    pub(super) inverse: &'a [f64],
    /// `W2 W2'`.
    pub(super) gram: &'a [f64],
}

/// A point and what is known of the objective there.
struct Site<'w> {
    z: &'w mut [f64],
    /// `Gamma z`.
    pushed: &'w mut [f64],
    slope: &'w mut [f64],
    curvature: &'w mut [f64],
    /// `sigma(z)`.
    unit: &'w mut [f64],
    residual: &'w mut [f64],
    /// Derivative of `log p` by each output.
    pull: &'w mut [f64],
    /// Negative second derivative of `log p` by an output, the same for all.
    stiffness: f64,
    value: f64,
    /// Size of the objective's terms.
    size: f64,
}

/// Buffers of one row.
struct Buffers<'w> {
    here: Site<'w>,
    trial: Site<'w>,
    gradient: &'w mut [f64],
    step: &'w mut [f64],
    hessian: &'w mut [f64],
    factor: &'w mut [f64],
    vectors: &'w mut [f64],
}

/// Most tops of a row of `d` units that are remembered: one for each start.
pub(super) fn tops(d: usize) -> usize {
    1 + 2 * d
}

/// Values [`Newton`] needs for one row.
pub(super) fn work_len(d: usize, outputs: usize) -> usize {
    12 * d + 4 * outputs + 6 * d * d
}

impl Newton<'_> {
    /// Computes the objective at `site.z` and everything its derivatives need.
    fn evaluate(&self, row: Row<'_>, site: &mut Site<'_>) {
        let d = site.z.len();
        site.residual.copy_from_slice(row.target);
        for j in 0..d {
            let Jet { value, slope, curvature } = self.network.activation.jet(site.z[j]);
            (site.unit[j], site.slope[j], site.curvature[j]) = (value, slope, curvature);
            for (r, w) in site.residual.iter_mut().zip(self.network.weights.row(j)) {
                *r -= w * value;
            }
        }
        small::row_times(site.z, self.gamma, site.pushed, d);
        let mut loss = 0.0;
        let data = row.observed.iter().zip(&*site.residual);
        for (pull, (y, residual)) in site.pull.iter_mut().zip(data) {
            loss += self.network.output.loss(*y, *residual);
            (*pull, site.stiffness) = self.network.output.slopes(*y, *residual);
        }
        let dot = |v: &[f64]| -> f64 { site.z.iter().zip(v).map(|(z, v)| z * v).sum() };
        let (linear, quadratic) = (dot(row.natural), 0.5 * dot(site.pushed));
        site.value = linear - quadratic - loss;
        site.size = linear.abs() + quadratic + loss;
    }

    /// An increase of the objective at the site that its rounding may hide.
    ///
    /// A residual is a difference of numbers of order one: where the fit is good its rounding is relative to those, and
    /// the loss is wrong by far more than a share of itself.
    fn blur(&self, row: Row<'_>, site: &Site<'_>) -> f64 {
        let (d, weights) = (site.z.len(), &self.network.weights);
        let (mut linear, mut quadratic, mut loss) = (0.0, 0.0, 0.0);
        for i in 0..d {
            linear += (row.natural[i] * site.z[i]).abs();
            let gamma = &self.gamma[i * d..(i + 1) * d];
            let pushed: f64 = gamma.iter().zip(&*site.z).map(|(g, z)| (g * z).abs()).sum();
            quadratic += 0.5 * site.z[i].abs() * pushed;
        }
        for (o, (target, pull)) in row.target.iter().zip(&*site.pull).enumerate() {
            let units = site.unit.iter().enumerate();
            let of: f64 =
                target.abs() + units.map(|(j, u)| (weights[(j, o)] * u).abs()).sum::<f64>();
            loss += (pull.abs() + site.stiffness * f64::EPSILON * of) * of;
        }
        BLIND * (linear + quadratic + loss)
    }

    /// Gradient and negative Hessian at the site of `b`.
    fn expand(&self, row: Row<'_>, b: &mut Buffers<'_>) {
        let (d, site) = (row.natural.len(), &b.here);
        for i in 0..d {
            let weights = self.network.weights.row(i);
            let pull: f64 = weights.iter().zip(&*site.pull).map(|(w, p)| w * p).sum();
            b.gradient[i] = row.natural[i] - site.pushed[i] + site.slope[i] * pull;
            for j in 0..d {
                let both = site.slope[i] * site.slope[j];
                let gauss_newton = site.stiffness * both * self.gram[i * d + j];
                b.hessian[i * d + j] = self.gamma[i * d + j] + gauss_newton;
            }
            b.hessian[i * d + i] -= site.curvature[i] * pull;
        }
    }

    /// Climbs from `b.here.z`; at the end `b.hessian` is the negative Hessian at the top.
    fn climb(&self, row: Row<'_>, b: &mut Buffers<'_>) -> Result<(), NoMaximum> {
        let d = row.natural.len();
        self.evaluate(row, &mut b.here);
        let mut last = f64::INFINITY;
        for _ in 0..STEPS {
            self.expand(row, b);
            let concave = factor_shifted(b.hessian, b.factor, d)?;
            b.step.copy_from_slice(b.gradient);
            small::solve_lower(b.factor, b.step, d);
            let increase: f64 = b.step.iter().map(|s| s * s).sum();
            small::solve_lower_transposed(b.factor, b.step, d);
            let blind = increase <= self.blur(row, &b.here);
            let rounded = blind && increase > PROGRESS * last;
            if rounded || increase <= SETTLED * b.here.size {
                if !concave {
                    self.leave(row, b)?;
                    last = f64::INFINITY;
                    continue;
                }
                if !rounded {
                    // The Hessian's own error is of the order of this step, too.
                    b.here.z.iter_mut().zip(&*b.step).for_each(|(z, s)| *z += s);
                }
                return Ok(());
            }
            if blind {
                last = increase;
                b.here.z.iter_mut().zip(&*b.step).for_each(|(z, s)| *z += s);
                self.evaluate(row, &mut b.here);
            } else {
                self.search(row, increase, b)?;
            }
        }
        Err(NoMaximum)
    }

    /// Halves the step until the objective rises enough, and takes it.
    fn search(&self, row: Row<'_>, increase: f64, b: &mut Buffers<'_>) -> Result<(), NoMaximum> {
        let mut length = 1.0;
        for _ in 0..HALVINGS {
            if self.rises(row, length, SUFFICIENT * length * increase, b) {
                return Ok(());
            }
            length *= 0.5;
        }
        Err(NoMaximum)
    }

    /// Takes `length` steps if the objective rises by at least `increase`.
    fn rises(&self, row: Row<'_>, length: f64, increase: f64, b: &mut Buffers<'_>) -> bool {
        for (t, (z, s)) in b.trial.z.iter_mut().zip(b.here.z.iter().zip(&*b.step)) {
            *t = z + length * s;
        }
        self.evaluate(row, &mut b.trial);
        let rises = b.trial.value >= b.here.value + increase;
        if rises {
            core::mem::swap(&mut b.here, &mut b.trial);
        }
        rises
    }

    /// Leaves a saddle, to which a climb keeps where units are alike, along its most convex direction.
    fn leave(&self, row: Row<'_>, b: &mut Buffers<'_>) -> Result<(), NoMaximum> {
        let d = row.natural.len();
        b.factor.copy_from_slice(b.hessian);
        small::eigen_symmetric(b.factor, b.gradient, b.vectors, d);
        let lowest = (0..d).fold(0, |k, j| if b.gradient[j] < b.gradient[k] { j } else { k });
        let convexity = -b.gradient[lowest];
        if !(convexity > 0.0) {
            return Err(NoMaximum);
        }
        (0..d).for_each(|j| b.step[j] = b.vectors[j * d + lowest]);
        // The quadratic model rises by one half over the first length.
        let mut length = convexity.sqrt().recip();
        for _ in 0..HALVINGS {
            let increase = SUFFICIENT * 0.5 * convexity * length * length;
            if self.rises(row, length, increase, b) || self.rises(row, -length, increase, b) {
                return Ok(());
            }
            length *= 0.5;
        }
        Err(NoMaximum)
    }

    /// Climbs from every start, and keeps the best top in `found` and all different ones in `tops`.
    fn best<'s>(
        &self,
        row: Row<'_>,
        starts: impl Iterator<Item = Start<'s>>,
        tops: &mut [f64],
        found: Found<'_>,
        work: &mut [f64],
    ) -> Result<(), NoMaximum> {
        let (d, outputs) = self.network.weights.shape();
        let (mut b, scratch) = Buffers::new(d, outputs, work);
        let (inverse, scratch) = scratch.split_at_mut(d * d);
        let (mut best, mut count) = (f64::NEG_INFINITY, 0);
        tops.fill(f64::NAN);
        for start in starts {
            match start {
                Start::Top(top) => b.here.z.copy_from_slice(top),
                Start::Mean => small::row_times(row.natural, self.inverse, b.here.z, d),
                Start::Unit(unit, side) => self.condition(row, best, (unit, side), b.here.z),
            }
            // A start that ends on a saddle, or nowhere, is no top; one of the others must be.
            if self.climb(row, &mut b).is_err() {
                continue;
            }
            if tops.chunks_exact(d).any(|top| same(top, b.here.z)) {
                continue;
            }
            if small::invert_positive(b.hessian, inverse, scratch, d).is_err() {
                continue;
            }
            if let Some(slot) = tops.get_mut(count * d..(count + 1) * d) {
                slot.copy_from_slice(b.here.z);
                count += 1;
            }
            if b.here.value > best {
                best = b.here.value;
                found.z.copy_from_slice(b.here.z);
                found.covariance.copy_from_slice(inverse);
            }
        }
        if best == f64::NEG_INFINITY { Err(NoMaximum) } else { Ok(()) }
    }
}

/// Whether two points are the same top; NaN is no point.
fn same(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= SAME * (1.0 + b.abs()))
}

impl<'w> Site<'w> {
    fn new(d: usize, outputs: usize, memory: &'w mut [f64]) -> (Self, &'w mut [f64]) {
        let (z, rest) = memory.split_at_mut(d);
        let (pushed, rest) = rest.split_at_mut(d);
        let (slope, rest) = rest.split_at_mut(d);
        let (curvature, rest) = rest.split_at_mut(d);
        let (unit, rest) = rest.split_at_mut(d);
        let (residual, rest) = rest.split_at_mut(outputs);
        let (pull, rest) = rest.split_at_mut(outputs);
        let (stiffness, value, size) = (0.0, 0.0, 0.0);
        let site =
            Self { z, pushed, slope, curvature, unit, residual, pull, stiffness, value, size };
        (site, rest)
    }
}

impl<'w> Buffers<'w> {
    fn new(d: usize, outputs: usize, memory: &'w mut [f64]) -> (Self, &'w mut [f64]) {
        let (here, rest) = Site::new(d, outputs, memory);
        let (trial, rest) = Site::new(d, outputs, rest);
        let (gradient, rest) = rest.split_at_mut(d);
        let (step, rest) = rest.split_at_mut(d);
        let (hessian, rest) = rest.split_at_mut(d * d);
        let (factor, rest) = rest.split_at_mut(d * d);
        let (vectors, rest) = rest.split_at_mut(d * d);
        (Self { here, trial, gradient, step, hessian, factor, vectors }, rest)
    }
}

/// Cholesky factor of the Hessian, with a multiple of the identity added where it isn't positive; whether it is.
fn factor_shifted(hessian: &[f64], factor: &mut [f64], d: usize) -> Result<bool, NoMaximum> {
    let diagonal = (0..d).map(|j| hessian[j * d + j].abs()).sum::<f64>() / d as f64;
    let mut shift = 0.0;
    for _ in 0..SHIFTS {
        factor.copy_from_slice(hessian);
        (0..d).for_each(|j| factor[j * d + j] += shift);
        if small::cholesky(factor, d).is_ok() {
            return Ok(shift == 0.0);
        }
        shift = if shift == 0.0 { SHIFT.0 * diagonal } else { SHIFT.1 * shift };
    }
    Err(NoMaximum)
}

impl Maximiser for Newton<'_> {
    fn solve(
        &self,
        row: Row<'_>,
        tops: &mut [f64],
        found: Found<'_>,
        work: &mut [f64],
    ) -> Result<(), NoMaximum> {
        // Where there is but one maximum every start leads to it.
        let units = if self.concave(row, work) { 0 } else { row.natural.len() };
        let bent = (0..units).flat_map(|j| [1.0, -1.0].map(|side| Start::Unit(j, side)));
        self.best(row, core::iter::once(Start::Mean).chain(bent), tops, found, work)
    }

    /// The tops move with the cavity; the mean finds one that wasn't there.
    fn solve_near(
        &self,
        row: Row<'_>,
        tops: &[f64],
        found: Found<'_>,
        work: &mut [f64],
    ) -> Result<(), NoMaximum> {
        let near = tops.chunks_exact(row.natural.len()).filter(|top| !top[0].is_nan());
        let starts = near.map(Start::Top).chain([Start::Mean]);
        // Tops of this row are of no further interest.
        self.best(row, starts, &mut [], found, work)
    }

    fn jumps(&self, row: Row<'_>, work: &mut [f64]) -> bool {
        !self.concave(row, work)
    }
}
