//! Precisions that differ between rows: Cholesky of the normal equations of all free unknowns, once a call.
//!
//! Messages to the side that knows more keep their digits; in what is said to X by a Z that knows far more, rounding errors
//! grow by the ratio of the two, the condition number of the normal equations.

mod dual;
mod known;
mod system;

use faer::Mat;

use super::{LinearFactor, X, Z};
use crate::denoiser::Estimation;
use crate::factor::partition::{PartitionError, exponent};
use crate::factor::{Belief, Breakdown, Cavity};
use crate::message::{ColumnForm, Layout, Message, small};
use crate::rows::Rows;
use dual::Dual;
use known::Split;
use system::{Precisions, System};

/// Rows whose covariances are computed together: enough for blocked products, few enough to bound memory.
const PANEL: usize = 128;

/// A row whose variance is below this share of what it is without constraints is determined by them: what is left
/// is the square of the rounding of a projection.
const DETERMINED: f64 = 1e-18;

/// Share of what is known that X adds to a block of Z below which it is computed from the [output's side](Dual): down to
/// here the difference of covariances keeps twelve digits.
const SMALL_SHARE: f64 = 1e-4;

/// Row covariances averaged over blocks, and whether a block has any.
struct Averages {
    covariance: Vec<f64>,
    free: Vec<bool>,
}

/// The beliefs at the wanted ports.
pub(super) fn beliefs(
    factor: &LinearFactor,
    cavities: &[Cavity<'_>],
    wanted: &[bool],
    beliefs: &mut [Belief],
) -> Result<(), Breakdown> {
    let messages = [cavities[X].message, cavities[Z].message];
    let split = Split::new(factor, messages);
    let mut posterior = Posterior::new(&split, messages);
    posterior.solve(factor, wanted)?;
    posterior.write(wanted, beliefs)
}

/// The logarithm of the integral over all free rows, or the maximum of the exponent.
pub(super) fn log_partition(
    factor: &LinearFactor,
    cavities: &[Cavity<'_>],
    estimation: Estimation,
) -> Result<f64, PartitionError> {
    let messages = [cavities[X].message, cavities[Z].message];
    let split = Split::new(factor, messages);
    let mut posterior = Posterior::new(&split, messages);
    let volume = posterior.solve(factor, &[false; 2])?;
    let output = split.output(&posterior.mean);
    let parts = [(X, &split.x, &posterior.mean), (Z, &split.z, &output)];
    let top: f64 = parts
        .iter()
        .map(|&(port, rows, free)| {
            let mut values = messages[port].natural().clone();
            rows.iter().enumerate().for_each(|(k, &i)| {
                values.row_mut(i).copy_from_slice(free.row(k));
            });
            exponent(messages[port], &values)
        })
        .sum();
    match (estimation, volume) {
        (Estimation::Map, _) => Ok(top),
        (Estimation::Mmse, Some(volume)) => Ok(top + volume),
        // Constraints that repeat each other have no density.
        (Estimation::Mmse, None) => Err(Breakdown::KnownCavity { port: Z }.into()),
    }
}

/// The narrowest form of all finite precisions.
fn common_form(messages: [&Message; 2], split: &Split<'_>) -> ColumnForm {
    let d = messages[X].layout().columns();
    let holds = |form: ColumnForm| {
        let finite = |message: &Message, rows: &[usize]| {
            let block = |&i: &usize| block(message, i);
            rows.iter().map(block).all(|b| form.holds(b, d))
        };
        finite(messages[X], &split.x) && finite(messages[Z], &split.z)
    };
    [ColumnForm::Isotropic, ColumnForm::Diagonal]
        .into_iter()
        .find(|&form| holds(form))
        .unwrap_or(ColumnForm::Full)
}

/// The precision of row `i`.
fn block(message: &Message, i: usize) -> &[f64] {
    message.precision().block(message.layout().partition().block_of(i))
}

impl Averages {
    fn new(message: &Message) -> Self {
        let precision = message.precision();
        Self {
            covariance: vec![0.0; precision.values().len()],
            free: vec![false; precision.blocks()],
        }
    }

    /// Adds row `i`'s covariance in `columns`.
    fn add(
        &mut self,
        message: &Message,
        i: usize,
        columns: core::ops::Range<usize>,
        covariance: &[f64],
    ) {
        let layout = message.layout();
        let b = layout.partition().block_of(i);
        self.free[b] = true;
        add_block(&mut self.covariance, message, b, columns, covariance);
    }
}

/// Adds `matrix / rows of block b` to the part `columns x columns` of block `b`.
fn add_block(
    sums: &mut [f64],
    message: &Message,
    b: usize,
    columns: core::ops::Range<usize>,
    matrix: &[f64],
) {
    let (d, w) = (message.layout().columns(), columns.len());
    let rows = message.layout().range(b).len() as f64;
    for c in 0..w {
        for e in 0..w {
            let at = (columns.start + c) * d + columns.start + e;
            sums[b * d * d + at] += matrix[c * w + e] / rows;
        }
    }
}

struct Posterior<'a> {
    split: &'a Split<'a>,
    messages: [&'a Message; 2],
    form: ColumnForm,
    /// Mean of the free rows of X.
    mean: Rows,
    averages: [Averages; 2],
    /// `I - C Gx` averaged over each block of X.
    shares: Vec<f64>,
    constrained: bool,
}

impl<'a> Posterior<'a> {
    fn new(split: &'a Split<'a>, messages: [&'a Message; 2]) -> Self {
        Self {
            split,
            messages,
            form: common_form(messages, split),
            mean: Rows::zeros(split.x.len(), messages[X].layout().columns()),
            averages: messages.map(Averages::new),
            shares: vec![0.0; messages[X].precision().values().len()],
            constrained: !split.fixed.is_empty(),
        }
    }

    /// Solves for the mean of all free rows, and for the covariances of the wanted ports; returns the logarithm of the
    /// [volume](System::volume) around the mean, none where constraints repeat each other.
    fn solve(&mut self, factor: &LinearFactor, wanted: &[bool]) -> Result<Option<f64>, Breakdown> {
        let d = self.mean.columns();
        let mut volume = if self.split.x.is_empty() && self.constrained { None } else { Some(0.0) };
        if !self.split.x.is_empty() {
            let mut system = None;
            let groups = if self.form == ColumnForm::Full { 1 } else { d };
            for group in 0..groups {
                let columns = if self.form == ColumnForm::Full { 0..d } else { group..group + 1 };
                self.group(factor, columns, wanted, &mut system)?;
                let own = system.as_ref().and_then(System::volume);
                volume = volume.zip(own).map(|(sum, own)| sum + own);
            }
        }
        self.split.check_constraints(&self.mean)?;
        Ok(volume)
    }

    /// Solves for `columns`; an isotropic system is factored and inverted for the first column only.
    fn group(
        &mut self,
        factor: &LinearFactor,
        columns: core::ops::Range<usize>,
        wanted: &[bool],
        system: &mut Option<System>,
    ) -> Result<(), Breakdown> {
        let first = columns.start == 0;
        if first || self.form != ColumnForm::Isotropic {
            let (d, start) = (self.mean.columns(), columns.start);
            let [x, z] = self.messages;
            let split = self.split;
            let entry = |block: &[f64], c: usize, e: usize| block[(start + c) * d + start + e];
            let precisions = Precisions {
                width: columns.len(),
                x: &|i, c, e| entry(block(x, split.x[i]), c, e),
                z: &|m, c, e| entry(block(z, split.z[m]), c, e),
                normal: (z.precision().blocks() == 1 && split.all_free()).then(|| factor.normal()),
            };
            let made = System::new(split.free(), split.constraints.as_ref(), &precisions)?;
            // Isotropic covariances are repeated for every column.
            let all = 0..if self.form == ColumnForm::Isotropic { d } else { 1 };
            for shift in all {
                self.covariances(columns.start + shift..columns.end + shift, wanted, &made);
            }
            *system = Some(made);
        }
        let (n, w) = (self.split.x.len(), columns.len());
        let right = self.split.right_side(&columns);
        let mut right = Mat::from_fn(n * w, 1, |e, _| right[(e % n, e / n)]);
        let k = self.split.fixed.len();
        let values =
            Mat::from_fn(k * w, 1, |e, _| self.split.fixed_values[(e % k, columns.start + e / k)]);
        if let Some(system) = system {
            system.solve(&mut right, &values);
        }
        for e in 0..n * w {
            self.mean[(e % n, columns.start + e / n)] = right[(e, 0)];
        }
        Ok(())
    }

    fn covariances(&mut self, columns: core::ops::Range<usize>, wanted: &[bool], system: &System) {
        let Self { split, messages, averages, shares, constrained, .. } = self;
        let n = split.x.len();
        let [x_average, z_average] = averages;
        for first in (0..n).step_by(PANEL).filter(|_| wanted[X]) {
            let count = PANEL.min(n - first);
            let units = Mat::from_fn(n, count, |i, t| f64::from(u8::from(i == first + t)));
            system.covariances(units.as_ref(), |t, covariance, share| {
                if share > DETERMINED {
                    x_average.add(messages[X], split.x[first + t], columns.clone(), covariance);
                }
            });
            if !*constrained {
                system.shares(first, count, |t, share| {
                    let b = messages[X].layout().partition().block_of(split.x[first + t]);
                    add_block(shares, messages[X], b, columns.clone(), share);
                });
            }
        }
        let rows = split.z.len();
        for first in (0..rows).step_by(PANEL).filter(|_| wanted[Z]) {
            let count = PANEL.min(rows - first);
            let targets = split.free().subrows(first, count).transpose();
            system.covariances(targets, |t, covariance, share| {
                if share > DETERMINED {
                    z_average.add(messages[Z], split.z[first + t], columns.clone(), covariance);
                }
            });
        }
    }

    fn write(&self, wanted: &[bool], beliefs: &mut [Belief]) -> Result<(), Breakdown> {
        let output = self.split.output(&self.mean);
        for port in [X, Z] {
            if !wanted[port] {
                continue;
            }
            let belief = &mut beliefs[port];
            let (mean, covariance) = belief.blocks_mut();
            covariance.copy_from_slice(&self.averages[port].covariance);
            let (rows, values) =
                if port == X { (&self.split.x, &self.mean) } else { (&self.split.z, &output) };
            mean.copy_from(self.messages[port].natural());
            for (at, &i) in rows.iter().enumerate() {
                mean.row_mut(i).copy_from_slice(values.row(at));
            }
            for (b, free) in self.averages[port].free.iter().enumerate() {
                if !free {
                    belief.set_known(b);
                }
            }
        }
        let exact = |layout: &Layout| match layout.form() {
            ColumnForm::Full => true,
            ColumnForm::Diagonal => self.form != ColumnForm::Full,
            ColumnForm::Isotropic => self.form == ColumnForm::Isotropic,
        };
        if wanted[X] && !self.constrained && exact(beliefs[X].layout()) {
            let residual = self.split.residual(&output);
            let rows = (&self.split.x[..], &self.mean, &residual);
            self.write_gain(X, &self.shares, rows, &mut beliefs[X])?;
        }
        if wanted[Z] && !self.constrained && exact(beliefs[Z].layout()) {
            self.write_output_gain(&output, &mut beliefs[Z])?;
        }
        Ok(())
    }

    /// The gain at Z, where in some block X adds little to what is known: then by the [output's side](Dual) in all blocks in
    /// which that loses fewer digits than a difference. Elsewhere the engine's own difference does.
    fn write_output_gain(&self, output: &Rows, belief: &mut Belief) -> Result<(), Breakdown> {
        let message = self.messages[Z];
        let layout = message.layout();
        let (d, partition) = (layout.columns(), layout.partition());
        let mut shares = vec![0.0; message.precision().values().len()];
        let mut least = vec![1.0; layout.blocks()];
        for b in (0..layout.blocks()).filter(|&b| self.averages[Z].free[b]) {
            let range = b * d * d..(b + 1) * d * d;
            let covariance = &self.averages[Z].covariance[range.clone()];
            remainder(covariance, message.precision().block(b), &mut shares[range.clone()], d);
            least[b] = least_share(covariance, message.precision().block(b), d);
        }
        if !least.iter().any(|&share| share < SMALL_SHARE) {
            return Ok(());
        }
        let Some(dual) = Dual::new(self.split, self.messages, self.form)? else { return Ok(()) };
        let mut residual = self.split.misfit(output);
        for (at, &i) in self.split.z.iter().enumerate() {
            let b = partition.block_of(i);
            if least[b] * dual.losses[b] < 1.0 {
                residual.row_mut(at).copy_from_slice(dual.residual.row(at));
                let range = b * d * d..(b + 1) * d * d;
                shares[range.clone()].copy_from_slice(&dual.shares[range]);
            }
        }
        self.write_gain(Z, &shares, (&self.split.z, output, &residual), belief)
    }

    /// `Lambda - G = C^-1 (I - C G)`, and `X Lambda - N = X (Lambda - G) + (X G - N)`, of the free `rows` of a port with
    /// their means and their `X G - N`, which is `A' (Nz - Z Gz)` for X by the normal equations: neither subtracts what is nearly
    /// equal where the other side says little.
    fn write_gain(
        &self,
        port: usize,
        shares: &[f64],
        (rows, mean, residual): (&[usize], &Rows, &Rows),
        belief: &mut Belief,
    ) -> Result<(), Breakdown> {
        let layout = belief.layout().clone();
        let d = layout.columns();
        let (mut lambda, mut scratch) = (vec![0.0; d * d], vec![0.0; 2 * d * d]);
        let mut precision = vec![0.0; layout.blocks() * d * d];
        for b in 0..layout.blocks() {
            let range = b * d * d..(b + 1) * d * d;
            if belief.is_known(b) {
                continue;
            }
            let covariance = &self.averages[port].covariance[range.clone()];
            small::invert_positive(covariance, &mut lambda, &mut scratch, d)
                .map_err(|error| Breakdown::NotPositive { port, block: b, pivot: error.pivot })?;
            small::multiply(&lambda, &shares[range.clone()], &mut precision[range.clone()], d);
            small::symmetrise(&mut precision[range], d);
        }
        let gain = belief.gain_mut();
        gain.natural.as_mut_slice().fill(0.0);
        for (at, &i) in rows.iter().enumerate() {
            let b = layout.partition().block_of(i);
            let row = gain.natural.row_mut(i);
            small::row_times(mean.row(at), &precision[b * d * d..(b + 1) * d * d], row, d);
            row.iter_mut().zip(residual.row(at)).for_each(|(sum, r)| *sum += r);
        }
        gain.precision = precision;
        Ok(())
    }
}

/// `out = I - C G`.
fn remainder(covariance: &[f64], precision: &[f64], out: &mut [f64], d: usize) {
    small::multiply(covariance, precision, out, d);
    for e in 0..d * d {
        out[e] = f64::from(u8::from(e / d == e % d)) - out[e];
    }
}

/// The smallest eigenvalue of `I - C G`, which are those of `I - M' G M` for `C = M M'`; zero where `C` has no factor.
fn least_share(covariance: &[f64], precision: &[f64], d: usize) -> f64 {
    let mut root = covariance.to_vec();
    if small::cholesky(&mut root, d).is_err() {
        return 0.0;
    }
    let mut transposed = vec![0.0; d * d];
    let (mut half, mut whole) = (vec![0.0; d * d], vec![0.0; d * d]);
    small::transpose(&root, &mut transposed, d);
    small::multiply(precision, &root, &mut half, d);
    small::multiply(&transposed, &half, &mut whole, d);
    small::symmetrise(&mut whole, d);
    let (mut values, mut vectors) = (vec![0.0; d], vec![0.0; d * d]);
    small::eigen_symmetric(&mut whole, &mut values, &mut vectors, d);
    1.0 - values.into_iter().fold(0.0, small::larger)
}
