//! From a belief to the factor's new message: divide by the cavity, exactly where the factor can, project or clamp.

use super::options::Options;
use crate::factor::{Belief, Breakdown, Gain};
use crate::message::small::{self, NotPositive};
use crate::message::{Message, Policy, Projector};

/// Buffers for the division at one edge, and what the last division found.
#[derive(Debug)]
pub(crate) struct Extrinsic {
    columns: usize,
    projector: Projector,
    covariance: Vec<f64>,
    lambda: Vec<f64>,
    root: Vec<f64>,
    whitened: Vec<f64>,
    vectors: Vec<f64>,
    values: Vec<f64>,
    work: Vec<f64>,
    row: Vec<f64>,
    pub(crate) counts: Counts,
}

/// How often a limit bit in one division.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) dropped: usize,
    pub(crate) clamped: usize,
    pub(crate) bounded: usize,
    pub(crate) kept: usize,
}

impl Extrinsic {
    pub(crate) fn new(columns: usize) -> Self {
        let square = || vec![0.0; columns * columns];
        Self {
            columns,
            projector: Projector::new(columns),
            covariance: square(),
            lambda: square(),
            root: square(),
            whitened: square(),
            vectors: square(),
            values: vec![0.0; columns],
            work: vec![0.0; 2 * columns * columns],
            row: vec![0.0; columns],
            counts: Counts::default(),
        }
    }

    /// Writes `belief / cavity` to `message`.
    ///
    /// `Gamma_new = Lambda - Gamma` and `N_new = Xhat Lambda - N` with `Lambda` the inverse of the belief's
    /// covariance restricted to the layout's form, or the belief's own gain where it has one.
    pub(crate) fn divide(
        &mut self,
        belief: &Belief,
        cavity: &Message,
        options: &Options,
        message: &mut Message,
    ) -> Result<(), Breakdown> {
        self.counts = Counts::default();
        // A gain isn't a difference: its sign is no matter of sampling.
        let errors = if belief.gain().is_some() { 0.0 } else { options.sampling_errors };
        let noise = errors * belief.standard_error();
        message.clear();
        for b in 0..cavity.layout().blocks() {
            if cavity.precision().is_infinite(b) {
                continue;
            }
            if belief.is_known(b) {
                set_known(message, belief, b);
                continue;
            }
            let not_positive =
                |NotPositive { pivot, .. }| Breakdown::NotPositive { port: 0, block: b, pivot };
            match belief.gain() {
                _ if options.policy == Policy::Fixed => reflect(belief, cavity, b, message),
                Some(gain) => self.take_gain(gain, cavity, b, message),
                None => self.subtract(belief, cavity, b, options, message).map_err(not_positive)?,
            }
            match options.policy {
                Policy::Project => {
                    let dropped = self.projector.project(message, b, &self.lambda, noise);
                    self.counts.dropped += dropped.map_err(not_positive)?;
                }
                Policy::Clamp { minimum, maximum } => {
                    let bounds = (minimum, maximum);
                    self.counts.clamped +=
                        self.projector.clamp(message, b, cavity, belief.mean(), bounds);
                }
                Policy::Fixed => {}
            }
        }
        Ok(())
    }

    /// Keeps those blocks of the message before that [`keeps`](Self::keeps) says.
    pub(crate) fn keep(
        &mut self,
        belief: &Belief,
        previous: &Message,
        options: &Options,
        message: &mut Message,
    ) {
        let size = self.columns * self.columns;
        for b in 0..message.layout().blocks() {
            let infinite =
                previous.precision().is_infinite(b) || message.precision().is_infinite(b);
            let (old, new) = (previous.precision().block(b), message.precision().block(b));
            let covariance = &belief.covariances()[b * size..(b + 1) * size];
            let rows = belief.layout().range(b);
            let moment = || {
                let values = belief.mean().rows_slice(rows.clone()).iter();
                values.map(|x| x * x).sum::<f64>() / rows.len() as f64
            };
            if !infinite && self.keeps(covariance, moment, [old, new], options.negligible) {
                let (natural, precision) = message.parts_mut();
                let range = precision.layout().range(b);
                precision.block_mut(b).copy_from_slice(old);
                let rows = previous.natural().rows_slice(range.clone());
                natural.rows_slice_mut(range).copy_from_slice(rows);
                self.counts.kept += 1;
            }
        }
    }

    /// Whether a block of the precision before stays: the new one would lose something, and what was there is a negligible
    /// share of the belief's information, the Frobenius norm of `C Gamma`.
    ///
    /// What little a factor adds once the answer is known, its covariance being a negligible share of the second `moment` of a
    /// row, hangs on single rows, which see one direction and not the other, or nothing at all: it is lost where the last
    /// division dropped a direction, and where there is less of it in some direction. Of other answers it is where a direction
    /// was dropped and there is less of it in all.
    pub(crate) fn keeps(
        &mut self,
        covariance: &[f64],
        moment: impl FnOnce() -> f64,
        [old, new]: [&[f64]; 2],
        negligible: f64,
    ) -> bool {
        let d = self.columns;
        // Seldom so, and the least to compute.
        small::multiply(covariance, old, &mut self.vectors, d);
        let share = self.vectors.iter().map(|v| v * v).sum::<f64>().sqrt();
        if !(share < negligible) {
            return false;
        }
        let known = small::trace(covariance, d) < negligible * moment();
        let dropped = self.counts.dropped > 0;
        if !(known || dropped && small::trace(new, d) < small::trace(old, d)) {
            return false;
        }
        if dropped {
            return true;
        }
        for (w, (new, old)) in self.whitened.iter_mut().zip(new.iter().zip(old)) {
            *w = new - old;
        }
        small::eigen_symmetric(&mut self.whitened, &mut self.values, &mut self.vectors, d);
        self.values.iter().any(|v| *v < 0.0)
    }

    /// Root mean square move of the belief if `message` replaced `previous`, as a share of the belief's root
    /// second moment; also the share of its precision that would change. Damping plays no part.
    pub(crate) fn change(&mut self, belief: &Belief, previous: &Message, message: &Message) -> f64 {
        let d = self.columns;
        let size = d * d;
        let (mut moved, mut moment, mut variance, mut precision_change) = (0.0, 0.0, 0.0, 0.0f64);
        for b in 0..message.layout().blocks() {
            let range = message.layout().range(b);
            let known = (previous.precision().is_infinite(b), message.precision().is_infinite(b));
            let covariance = &belief.covariances()[b * size..(b + 1) * size];
            let rows = range.len() as f64;
            if known == (false, false) {
                variance += rows * small::trace(covariance, d).max(0.0);
                let gammas = message.precision().block(b).iter().zip(previous.precision().block(b));
                for (v, (new, old)) in self.whitened.iter_mut().zip(gammas) {
                    *v = new - old;
                }
                // Frobenius norm of C dGamma: the share of the belief's information that changes.
                small::multiply(covariance, &self.whitened, &mut self.vectors, d);
                let norm: f64 = self.vectors.iter().map(|v| v * v).sum();
                precision_change = precision_change.max(norm.sqrt());
            } else if known.0 != known.1 {
                precision_change = f64::INFINITY;
            }
            for i in range {
                let mean = belief.mean().row(i);
                moment += mean.iter().map(|v| v * v).sum::<f64>();
                let (new, old) = (message.natural().row(i), previous.natural().row(i));
                for (r, (n, o)) in self.row.iter_mut().zip(new.iter().zip(old)) {
                    *r = n - o;
                }
                if known == (false, false) {
                    // dN C - Xhat dGamma C: what is left is the move of the mean, not of its weight.
                    small::row_times(&self.row, covariance, &mut self.values, d);
                    for j in 0..d {
                        let pull: f64 = (0..d).map(|k| mean[k] * self.vectors[j * d + k]).sum();
                        let step = self.values[j] - pull;
                        moved += step * step;
                    }
                } else {
                    moved += self.row.iter().map(|v| v * v).sum::<f64>();
                }
            }
        }
        moment += variance;
        let mean_change = if moved == 0.0 { 0.0 } else { (moved / moment).sqrt() };
        // Of what is known to rounding no precision matters: it may grow for good.
        let certain = known_to_rounding(variance, moment);
        if certain { mean_change } else { mean_change.max(precision_change) }
    }

    fn take_gain(&mut self, gain: &Gain, cavity: &Message, b: usize, message: &mut Message) {
        let size = self.columns * self.columns;
        let (natural, precision) = message.parts_mut();
        let range = precision.layout().range(b);
        let form = precision.layout().form();
        let block = precision.block_mut(b);
        block.copy_from_slice(&gain.precision[b * size..(b + 1) * size]);
        form.restrict(block, self.columns);
        for (l, (g, c)) in self.lambda.iter_mut().zip(block.iter().zip(cavity.precision().block(b)))
        {
            *l = g + c;
        }
        natural.rows_slice_mut(range.clone()).copy_from_slice(gain.natural.rows_slice(range));
    }

    fn subtract(
        &mut self,
        belief: &Belief,
        cavity: &Message,
        b: usize,
        options: &Options,
        message: &mut Message,
    ) -> Result<(), NotPositive> {
        let d = self.columns;
        let size = d * d;
        let gamma = cavity.precision().block(b);
        self.covariance.copy_from_slice(&belief.covariances()[b * size..(b + 1) * size]);
        self.bound(gamma, options.alpha_min, options.alpha_max);
        let form = message.layout().form();
        form.restrict(&mut self.covariance, d);
        small::invert_positive(&self.covariance, &mut self.lambda, &mut self.work, d)?;
        let (natural, precision) = message.parts_mut();
        let range = precision.layout().range(b);
        for (new, (l, g)) in precision.block_mut(b).iter_mut().zip(self.lambda.iter().zip(gamma)) {
            *new = l - g;
        }
        for i in range {
            let row = natural.row_mut(i);
            small::row_times(belief.mean().row(i), &self.lambda, row, d);
            for (n, c) in row.iter_mut().zip(cavity.natural().row(i)) {
                *n -= c;
            }
        }
        Ok(())
    }

    /// Keeps the eigenvalues `alpha` of `L' C L`, with `Gamma = L L'`, inside `[minimum, maximum]`; ratios of
    /// one and more are left alone, since bounding them would invent precision that projection drops. Where
    /// `Gamma` is singular only [what has no variance left](Self::bound_below) is bounded.
    fn bound(&mut self, gamma: &[f64], minimum: f64, maximum: f64) {
        let d = self.columns;
        let outside = |alpha: f64| alpha < minimum || (alpha > maximum && alpha < 1.0);
        if d == 1 {
            let alpha = gamma[0] * self.covariance[0];
            if gamma[0] > 0.0 && outside(alpha) {
                self.covariance[0] = alpha.clamp(minimum, maximum) / gamma[0];
                self.counts.bounded += 1;
            }
            return;
        }
        self.root.copy_from_slice(gamma);
        if small::cholesky(&mut self.root, d).is_err() {
            self.bound_below(gamma, minimum);
            return;
        }
        let work = &mut self.work[..d * d];
        small::multiply(&self.covariance, &self.root, work, d);
        for i in 0..d {
            for j in 0..d {
                let sum = (0..d).map(|k| self.root[k * d + i] * work[k * d + j]).sum();
                self.whitened[i * d + j] = sum;
            }
        }
        small::symmetrise(&mut self.whitened, d);
        small::eigen_symmetric(&mut self.whitened, &mut self.values, &mut self.vectors, d);
        let bounded = self.values.iter().filter(|&&a| outside(a)).count();
        if bounded == 0 {
            return;
        }
        self.counts.bounded += bounded;
        // C = (L^-T Q) alpha (L^-T Q)'.
        for k in 0..d {
            for i in 0..d {
                self.row[i] = self.vectors[i * d + k];
            }
            small::solve_lower_transposed(&self.root, &mut self.row, d);
            for i in 0..d {
                self.vectors[i * d + k] = self.row[i];
            }
            if outside(self.values[k]) {
                self.values[k] = self.values[k].clamp(minimum, maximum);
            }
        }
        small::rebuild(&self.vectors, &self.values, &mut self.covariance, d);
    }

    /// Where `Gamma = sum_k g_k q_k q_k'` is singular, and so is `C`: adds `minimum / g_k` along each `q_k` that is told
    /// anything, so that a direction that is known beyond doubt has a variance beside one of which nothing is known.
    fn bound_below(&mut self, gamma: &[f64], minimum: f64) {
        let d = self.columns;
        self.root.copy_from_slice(&self.covariance);
        if small::cholesky(&mut self.root, d).is_ok() {
            return;
        }
        self.whitened.copy_from_slice(gamma);
        small::eigen_symmetric(&mut self.whitened, &mut self.values, &mut self.vectors, d);
        let told = SINGULAR * self.values.iter().copied().fold(0.0, f64::max);
        for value in &mut self.values {
            *value = if *value > told { minimum / *value } else { 0.0 };
        }
        self.counts.bounded += self.values.iter().filter(|v| **v > 0.0).count();
        small::rebuild(&self.vectors, &self.values, &mut self.whitened, d);
        self.covariance.iter_mut().zip(&self.whitened).for_each(|(c, floor)| *c += floor);
    }
}

/// Eigenvalues of a cavity's precision that are a smaller share of the largest are none, but rounding.
const SINGULAR: f64 = 1e-14;

/// Whether deviations are below the rounding of values.
fn known_to_rounding(variance: f64, moment: f64) -> bool {
    variance <= f64::EPSILON * f64::EPSILON * moment
}

fn set_known(message: &mut Message, belief: &Belief, b: usize) {
    let (natural, precision) = message.parts_mut();
    let range = precision.layout().range(b);
    precision.set_infinite(b);
    natural.rows_slice_mut(range.clone()).copy_from_slice(belief.mean().rows_slice(range));
}

/// The cavity's precision for the message, around the cavity's mean reflected at the belief's.
fn reflect(belief: &Belief, cavity: &Message, b: usize, message: &mut Message) {
    let (natural, precision) = message.parts_mut();
    let (d, gamma) = (precision.layout().columns(), cavity.precision().block(b));
    precision.block_mut(b).copy_from_slice(gamma);
    let range = precision.layout().range(b);
    for i in range {
        let row = natural.row_mut(i);
        small::row_times(belief.mean().row(i), gamma, row, d);
        row.iter_mut().zip(cavity.natural().row(i)).for_each(|(n, c)| *n = 2.0 * *n - c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Precision, Structure};
    use crate::rows::Rows;

    /// What a factor says of a known answer stays where it would say less, or drop a direction; of others where it would do both.
    #[test]
    fn what_is_known_isnt_forgotten_for_want_of_news() {
        const NEGLIGIBLE: f64 = 1e-9;
        let (strong, weak) = ([1e3], [10.0]);
        let mut extrinsic = Extrinsic::new(1);
        for dropped in [0, 1] {
            extrinsic.counts.dropped = dropped;
            let mut keeps = |variance: f64, moment: f64, old_new: [&[f64]; 2]| {
                extrinsic.keeps(&[variance], || moment, old_new, NEGLIGIBLE)
            };
            let (less, more) = ([&strong[..], &weak[..]], [&weak[..], &strong[..]]);
            assert!(keeps(1e-15, 1.0, less), "known");
            assert_eq!(keeps(1e-15, 1e-7, less), dropped > 0, "not known");
            assert_eq!(keeps(1e-15, 1.0, more), dropped > 0, "known, and news");
            assert!(!keeps(1e-15, 1e-7, more), "news");
            assert!(!keeps(1e-10, 1.0, less), "not negligible");
        }
        let mut extrinsic = Extrinsic::new(2);
        let old = [1e3, 0.0, 0.0, 1e3];
        for (new, kept) in [([1e4, 0.0, 0.0, 10.0], true), ([1e4, 0.0, 0.0, 2e3], false)] {
            let covariance = [1e-15, 0.0, 0.0, 1e-15];
            let found = extrinsic.keeps(&covariance, || 1.0, [&old, &new], NEGLIGIBLE);
            assert_eq!(found, kept, "{new:?}");
        }
    }

    /// One column known beyond doubt and told, the other not told at all.
    #[test]
    fn certainty_beside_ignorance_is_a_finite_message() {
        let layout = Structure::shared().layout(1, 2).expect("a layout");
        let told = |precision: &[f64]| {
            let precision = Precision::from_matrix(layout.clone(), precision).expect("a precision");
            Message::new(Rows::from_fn(1, 2, |_, j| [8.0, 0.0][j]), precision).expect("a message")
        };
        let mut belief = Belief::new(layout.clone());
        let (mean, covariance) = belief.blocks_mut();
        mean.row_mut(0).copy_from_slice(&[2.0, 0.5]);
        covariance.copy_from_slice(&[0.0, 0.0, 0.0, 3.0]);
        let (mut extrinsic, options) = (Extrinsic::new(2), Options::default());
        let mut message = Message::vacuous(layout.clone());
        let cavity = told(&[4.0, 0.0, 0.0, 0.0]);
        extrinsic.divide(&belief, &cavity, &options, &mut message).expect("a message");
        let precision = message.precision().block(0);
        let certain = 4.0 / options.alpha_min;
        assert!((precision[0] / certain - 1.0).abs() < 1e-9, "{precision:?}");
        assert!((precision[3] - 1.0 / 3.0).abs() < 1e-12, "{precision:?}");
        let natural = message.natural().row(0);
        assert!((natural[0] / (2.0 * certain) - 1.0).abs() < 1e-9, "{natural:?}");
        assert!((natural[1] - 0.5 / 3.0).abs() < 1e-12, "{natural:?}");
        assert_eq!(extrinsic.counts.bounded, 1);
        // A variance below zero is no certainty.
        belief.blocks_mut().1.copy_from_slice(&[-1.0, 0.0, 0.0, 3.0]);
        assert!(extrinsic.divide(&belief, &cavity, &options, &mut message).is_err());
    }
}
