//! The low-rank factor under state evolution: second moments of its estimates, which are the laws of its messages.

use super::innovation::{Innovations, roots};
use super::law::MessageLaw;
use super::port::{Port, add_product, second_moment};
use super::truth::Moments as Truth;
use crate::factor::{Breakdown, LowRankFactor};
use crate::message::{ColumnForm, Message, small};
use crate::rows::Rows;

/// `Y = U V' + noise`, for rows of both sides and noise that are independent of each other.
///
/// As in a linear node, rows of a port stand for uncorrelated components of a row of the variable: a constant, which is
/// the first; the deviations of the truth from its mean; the innovations of the noises of what the port is told, of what
/// the factor has sent, and of what it might send. Estimates of one side are linear in cavity and own message, so that
/// coefficients carry all second moments, and with them the law of the message to the other side:
///
/// ```text
/// Gamma = m E[uhat' uhat] / Delta,    M = m E[u0' uhat] / Delta,    E[p_s' p_t] = m E[uhat_s' uhat_t] Delta0 / Delta^2
/// ```
#[derive(Debug)]
pub(super) struct LowRankNode {
    d: usize,
    symmetric: bool,
    /// The noises of several sweeps are followed together.
    joint: bool,
    /// Rows of each port over the assumed noise variance.
    information: Vec<f64>,
    /// The true noise variance over the assumed one.
    noise_ratio: f64,
    pub(super) ports: Vec<Port>,
    sides: Vec<Side>,
}

/// What is followed at one port.
#[derive(Debug)]
struct Side {
    /// Mean and root of the covariance of the truth, `1 + d` rows.
    truth: Vec<f64>,
    told: Noises,
    /// What was sent, where only the last message matters.
    sent: Noises,
    /// What was computed to be sent, and the estimates at the other port that each was made of.
    gains: Noises,
    sources: Vec<Rows>,
}

/// Noises and the first of the rows of each innovation.
#[derive(Debug)]
struct Noises {
    innovations: Innovations,
    first: Vec<usize>,
}

impl Noises {
    fn new(d: usize) -> Self {
        Self { innovations: Innovations::new(d), first: Vec::new() }
    }
}

impl LowRankNode {
    /// The node for truths of these moments and noise of the variance `noise`.
    pub(super) fn new(
        factor: &LowRankFactor,
        noise: f64,
        forms: &[ColumnForm],
        truths: &[Truth],
        joint: bool,
    ) -> Self {
        let d = truths[0].mean.len();
        let (m, n) = factor.shape();
        let sides: Vec<Side> = truths
            .iter()
            .map(|truth| {
                let (root, _) = roots(&truth.covariance(), 0.0, d);
                Side {
                    truth: truth.mean.iter().chain(&root).copied().collect(),
                    told: Noises::new(d),
                    sent: Noises::new(d),
                    gains: Noises::new(d),
                    sources: Vec::new(),
                }
            })
            .collect();
        let port = |(side, form): (&Side, &ColumnForm)| {
            let rows = Rows::from_fn(1 + d, d, |i, j| side.truth[i * d + j]);
            let mut port = Port::new(rows, vec![1.0; 1 + d], *form, false);
            port.sent = Some(Message::vacuous(port.layout()));
            port
        };
        let ports = sides.iter().zip(forms).map(port).collect();
        let information = [m, n].iter().map(|rows| *rows as f64 / factor.variance()).collect();
        let noise_ratio = noise / factor.variance();
        let symmetric = factor.is_symmetric();
        Self { d, symmetric, joint, information, noise_ratio, ports, sides }
    }

    /// As [`super::rowwise::RowwiseNode::tell`].
    pub(super) fn tell(&mut self, port: usize, law: &MessageLaw, cross: Option<&[Vec<f64>]>) {
        let noises = &mut self.sides[port].told;
        if cross.is_none() {
            noises.innovations.clear();
        }
        let blocks = noises.innovations.push(&law.noise, cross.unwrap_or(&[])).to_vec();
        let first = self.room(port, blocks.len(), |side| &mut side.told);
        self.ports[port].cavity = self.realise(port, law, &blocks, &first);
    }

    /// As [`super::rowwise::RowwiseNode::message`].
    pub(super) fn message(&mut self, port: usize, law: &MessageLaw) -> Message {
        let mut innovations = Innovations::new(self.d);
        let blocks = innovations.push(&law.noise, &[]).to_vec();
        let first = self.room(port, 1, |side| &mut side.sent);
        self.realise(port, law, &blocks, &first)
    }

    /// Takes note of the law of a message that was sent, where only the last one matters.
    pub(super) fn sent(&mut self, port: usize, law: &MessageLaw) {
        self.ports[port].sent = Some(self.message(port, law));
    }

    /// The first rows of `count` innovations, for which it makes room.
    fn room(
        &mut self,
        port: usize,
        count: usize,
        of: impl Fn(&mut Side) -> &mut Noises,
    ) -> Vec<usize> {
        let noises = of(&mut self.sides[port]);
        while noises.first.len() < count {
            let rows = self.ports[port].truth.rows();
            noises.first.push(rows);
            self.ports[port].extend(rows + self.d);
        }
        noises.first.clone()
    }

    /// A message of this law on the rows of a port.
    fn realise(
        &self,
        port: usize,
        law: &MessageLaw,
        blocks: &[Vec<f64>],
        first: &[usize],
    ) -> Message {
        let mut message = Message::vacuous(self.ports[port].layout());
        let (natural, precision) = message.parts_mut();
        precision.block_mut(0).copy_from_slice(&law.precision);
        small::symmetrise(precision.block_mut(0), self.d);
        self.write(port, &law.signal, blocks, first, natural);
        natural.row_mut(0).iter_mut().zip(&law.offset).for_each(|(n, c)| *n += c);
        message
    }

    /// `x0 M + sum_s xi_s K_s` on the rows of a port.
    fn write(
        &self,
        port: usize,
        signal: &[f64],
        blocks: &[Vec<f64>],
        first: &[usize],
        out: &mut Rows,
    ) {
        let d = self.d;
        out.as_mut_slice().fill(0.0);
        for (i, row) in self.sides[port].truth.chunks_exact(d).enumerate() {
            add_product(row, signal, out.row_mut(i));
        }
        for (block, &first) in blocks.iter().zip(first) {
            out.rows_slice_mut(first..first + d).copy_from_slice(block);
        }
    }

    /// Beliefs at all ports, given what they were told and have sent.
    pub(super) fn beliefs(&mut self) -> Result<(), Breakdown> {
        let ports = 0..self.ports.len();
        let estimates: Result<Vec<Rows>, Breakdown> =
            ports.clone().map(|p| self.estimate(p)).collect();
        let estimates = estimates?;
        for port in ports {
            let source = if self.symmetric { port } else { 1 - port };
            self.gain(port, source, &estimates[source]);
            self.belief(port)?;
        }
        Ok(())
    }

    /// The mean of the product of cavity and own message, on the rows.
    fn estimate(&self, port: usize) -> Result<Rows, Breakdown> {
        let at = &self.ports[port];
        let mut product = at.cavity.clone();
        let own = at.sent.as_ref().map(|own| product.multiply(own));
        own.transpose().map_err(|_| Breakdown::Undetermined { port })?;
        mean_and_covariance(&product, self.d)
            .map(|(mean, _)| mean)
            .ok_or(Breakdown::Undetermined { port })
    }

    /// The message that an estimate at `source` makes at `port`, as the gain of its belief.
    fn gain(&mut self, port: usize, source: usize, estimate: &Rows) {
        let (information, ratio) = (self.information[source], self.noise_ratio);
        let from = &self.ports[source];
        let moment = |a: &Rows, scale: f64| {
            let product = second_moment(a, estimate, &from.weights);
            product.iter().map(|v| information * scale * v).collect::<Vec<f64>>()
        };
        let mut precision = moment(estimate, 1.0);
        small::symmetrise(&mut precision, self.d);
        let signal = moment(&from.truth, 1.0);
        let noise: Vec<f64> = precision.iter().map(|v| ratio * v).collect();
        let side = &mut self.sides[port];
        if !self.joint {
            side.gains.innovations.clear();
            side.sources.clear();
        }
        let cross: Vec<Vec<f64>> =
            side.sources.iter().map(|earlier| moment(earlier, ratio)).collect();
        let blocks = side.gains.innovations.push(&noise, &cross).to_vec();
        if self.joint {
            side.sources.push(estimate.clone());
        }
        let first = self.room(port, blocks.len(), |side| &mut side.gains);
        let mut natural = Rows::zeros(self.ports[port].truth.rows(), self.d);
        self.write(port, &signal, &blocks, &first, &mut natural);
        let belief = &mut self.ports[port].belief;
        belief.reset();
        let gain = belief.gain_mut();
        gain.natural = natural;
        gain.precision.copy_from_slice(&precision);
    }

    /// The belief that cavity and gain make.
    fn belief(&mut self, port: usize) -> Result<(), Breakdown> {
        let Port { cavity, belief, .. } = &mut self.ports[port];
        let mut product = cavity.clone();
        if let Some(gain) = belief.gain() {
            let (natural, precision) = product.parts_mut();
            let add = |a: &mut [f64], b: &[f64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            add(natural.as_mut_slice(), gain.natural.as_slice());
            add(precision.block_mut(0), &gain.precision);
        }
        let (mean, covariance) =
            mean_and_covariance(&product, self.d).ok_or(Breakdown::Undetermined { port })?;
        let (own, block) = belief.blocks_mut();
        own.copy_from(&mean);
        block.copy_from_slice(&covariance);
        Ok(())
    }
}

/// Mean and covariance of a message; `None` where its precision is singular.
fn mean_and_covariance(message: &Message, d: usize) -> Option<(Rows, Vec<f64>)> {
    let (mut covariance, mut work) = (vec![0.0; d * d], vec![0.0; 2 * d * d]);
    small::invert_positive(message.precision().block(0), &mut covariance, &mut work, d).ok()?;
    let mut mean = Rows::zeros(message.natural().rows(), d);
    message.mean_into(&mut mean);
    Some((mean, covariance))
}
