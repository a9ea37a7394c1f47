//! From cavities and what was sent to the messages of a low-rank factor.

use super::{Data, LowRankFactor};
use crate::factor::{Belief, Breakdown, Cavity, Sent};
use crate::message::{Layout, Message, small};
use crate::rows::Rows;

/// What is known at one port.
#[derive(Debug)]
struct Side {
    /// The factor's own message, and what it was made of.
    sent: Message,
    memory: Rows,
    /// The product of cavity and own message, its mean and the sum of the covariances of its rows.
    product: Message,
    mean: Rows,
    covariance: Vec<f64>,
    /// The data times the mean of the other side, of this side's shape.
    image: Rows,
}

/// Memory of a run.
#[derive(Debug)]
pub(super) struct Workspace {
    sides: Vec<Side>,
    block: Vec<f64>,
    work: Vec<f64>,
    row: Vec<f64>,
}

impl Workspace {
    pub(super) fn new(variables: &[Layout]) -> Self {
        let d = variables[0].columns();
        let side = |(port, layout): (usize, &Layout)| {
            let rows = || Rows::zeros(layout.rows(), d);
            let source = &variables[variables.len() - 1 - port];
            Side {
                sent: Message::vacuous(layout.clone()),
                memory: Rows::zeros(source.rows(), d),
                product: Message::vacuous(layout.clone()),
                mean: rows(),
                covariance: vec![0.0; d * d],
                image: rows(),
            }
        };
        let sides = variables.iter().enumerate().map(side).collect();
        Self { sides, block: vec![0.0; d * d], work: vec![0.0; 2 * d * d], row: vec![0.0; d] }
    }

    pub(super) fn recall(&mut self, sent: &[Sent<'_>]) {
        for (side, sent) in self.sides.iter_mut().zip(sent) {
            side.sent.copy_from(sent.message);
            side.memory.copy_from(sent.memory);
        }
    }

    pub(super) fn answer(
        &mut self,
        factor: &LowRankFactor,
        data: &Data,
        cavities: &[Cavity<'_>],
        wanted: &[bool],
        beliefs: &mut [Belief],
    ) -> Result<(), Breakdown> {
        for port in 0..self.sides.len() {
            self.estimate(port, cavities[port].message)?;
        }
        for port in (0..self.sides.len()).filter(|p| wanted[*p]) {
            self.message(factor, data, port, &mut beliefs[port]);
            self.belief(port, cavities[port].message, &mut beliefs[port])?;
        }
        Ok(())
    }

    /// What is known of one side: the product of cavity and own message.
    fn estimate(&mut self, port: usize, cavity: &Message) -> Result<(), Breakdown> {
        let Self { sides, block, work, .. } = self;
        let side = &mut sides[port];
        side.product.copy_from(&side.sent);
        side.product
            .multiply(cavity)
            .map_err(|error| Breakdown::Contradiction { port, row: error.row })?;
        side.product.mean_into(&mut side.mean);
        side.covariance.fill(0.0);
        let (layout, d) = (side.product.layout(), side.mean.columns());
        for b in (0..layout.blocks()).filter(|b| !side.product.precision().is_infinite(*b)) {
            small::invert_positive(side.product.precision().block(b), block, work, d)
                .map_err(|_| Breakdown::Undetermined { port })?;
            let rows = layout.range(b).len() as f64;
            side.covariance.iter_mut().zip(block.iter()).for_each(|(sum, c)| *sum += rows * c);
        }
        Ok(())
    }

    /// `N` and `Gamma` of the message at a port, as the gain of a belief, and what it is made of.
    fn message(&mut self, factor: &LowRankFactor, data: &Data, port: usize, belief: &mut Belief) {
        let (from, d) = (factor.source(port), self.row.len());
        let mut image = core::mem::take(&mut self.sides[port].image);
        data.image(from, &self.sides[from].mean, &mut image);
        let (own, source) = (&self.sides[port], &self.sides[from]);
        let delta = factor.variance;
        gram(&source.mean, &mut self.block);
        // |Y - Uhat Vhat'|^2 = |Y|^2 - 2 <Vhat, Y' Uhat> + <Uhat' Uhat, Vhat' Vhat>, rounding aside above zero.
        let work = &mut self.work[..d * d];
        gram(&own.mean, work);
        let both: f64 = work.iter().zip(&self.block).map(|(a, b)| a * b).sum();
        let cross: f64 = own.mean.as_slice().iter().zip(image.as_slice()).map(|(a, b)| a * b).sum();
        let entries = (factor.shape.0 * factor.shape.1) as f64;
        let noise = (data.power + (both - 2.0 * cross) / entries).max(0.0);
        let back = noise / (delta * delta);
        belief.memory_mut(source.mean.rows(), d).copy_from(&source.mean);
        let blocks = belief.layout().blocks();
        let gain = belief.gain_mut();
        for b in 0..blocks {
            let precision = gain.precision[b * d * d..(b + 1) * d * d].iter_mut();
            precision.zip(&self.block).for_each(|(g, m)| *g = m / delta);
        }
        for i in 0..image.rows() {
            // The message at the source was made of `memory`, an estimate of this side.
            small::row_times(source.memory.row(i), &source.covariance, &mut self.row, d);
            let natural = gain.natural.row_mut(i).iter_mut().zip(image.row(i)).zip(&self.row);
            natural.for_each(|((n, y), told)| *n = y / delta - back * told);
        }
        self.sides[port].image = image;
    }

    /// Mean and covariances of the product of a cavity and the new message.
    fn belief(
        &mut self,
        port: usize,
        cavity: &Message,
        belief: &mut Belief,
    ) -> Result<(), Breakdown> {
        let Self { sides, block, work, .. } = self;
        let product = &mut sides[port].product;
        product.copy_from(cavity);
        let size = block.len();
        for b in 0..cavity.layout().blocks() {
            if cavity.precision().is_infinite(b) {
                belief.set_known(b);
                continue;
            }
            let Some(gain) = belief.gain() else { continue };
            let (natural, precision) = product.parts_mut();
            let range = precision.layout().range(b);
            add(precision.block_mut(b), &gain.precision[b * size..(b + 1) * size]);
            add(natural.rows_slice_mut(range.clone()), gain.natural.rows_slice(range));
            small::invert_positive(precision.block(b), block, work, cavity.layout().columns())
                .map_err(|_| Breakdown::Undetermined { port })?;
            belief.blocks_mut().1[b * size..(b + 1) * size].copy_from_slice(block);
        }
        product.mean_into(belief.blocks_mut().0);
        Ok(())
    }
}

fn add(sum: &mut [f64], term: &[f64]) {
    sum.iter_mut().zip(term).for_each(|(s, t)| *s += t);
}

/// `rows' rows`.
fn gram(rows: &Rows, out: &mut [f64]) {
    let d = rows.columns();
    out.fill(0.0);
    for i in 0..rows.rows() {
        let row = rows.row(i);
        for (j, a) in row.iter().enumerate() {
            out[j * d..(j + 1) * d].iter_mut().zip(row).for_each(|(o, b)| *o += a * b);
        }
    }
}
