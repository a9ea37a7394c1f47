//! The linear factor under state evolution: second moments in closed form in the singular basis, over a spectrum.

use core::f64::consts::TAU;

use super::echo;
use super::entries::{Entries, of_entries};
use super::innovation::{Innovations, roots};
use super::law::MessageLaw;
use super::port::{Port, add_product};
use super::spectrum::{Direction, Spectrum};
use super::truth::Moments as Truth;
use crate::factor::Breakdown;
use crate::factor::linear::{Moments, Pencil, exact_gain, input_moments, output_moments};
use crate::message::{ColumnForm, Message, small};
use crate::rows::Rows;

/// `Z = A X + 1 b'`, or `vec Z = A vec X`, with singular bases that are independent of everything else and uniform in law.
///
/// In the singular basis a row of either side is a sum of uncorrelated components: the mean of the truth, its
/// deviations, constants and the innovations of the noises. Component `g` and direction `k` make row `g K + k`; in
/// each direction beliefs are linear in the components, so that rows of coefficients carry all second moments.
#[derive(Debug)]
pub(super) struct LinearNode {
    d: usize,
    pub(super) bias: Option<Vec<f64>>,
    directions: Vec<Direction>,
    ratio: f64,
    /// What the output was told last.
    output: Option<MessageLaw>,
    pub(super) ports: [Port; 2],
    told: [Told; 2],
    /// Mean and root of the covariance of the truth, `1 + d` rows.
    truth: Vec<f64>,
    /// Whose component each group of rows is; none where messages are what they claim.
    groups: Vec<Group>,
    pencil: Pencil,
    /// What an operator on entries sees of what its ports are told.
    entries: Option<[Entries; 2]>,
}

/// What the rows of a group stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// The truth, which reaches the output multiplied by the singular value.
    Truth,
    /// A constant or a noise at this port.
    Own(usize),
}

/// Coefficients of a port's cavity, one row a component; the noises told so far; the groups of their innovations.
#[derive(Debug)]
struct Told {
    coefficients: Vec<f64>,
    innovations: Innovations,
    groups: Vec<usize>,
    /// What the cavity holds of messages sent, on the rows.
    echo: Option<Rows>,
}

impl Told {
    /// What a row of the cavity holds of messages sent, in transformed columns and without the row's share `weight`.
    fn echo(&self, row: usize, weight: f64, map: &[f64], out: &mut [f64]) {
        let d = out.len();
        match self.echo.as_ref().filter(|rows| row < rows.rows() && weight > 0.0) {
            None => out.fill(0.0),
            Some(rows) => {
                small::row_times(rows.row(row), map, out, d);
                out.iter_mut().for_each(|v| *v /= weight);
            }
        }
    }
}

/// Ports of the factor.
const X: usize = 0;
const Z: usize = 1;

impl LinearNode {
    /// The node for an input of these moments; without rows where messages are what they claim, so that precisions say
    /// all.
    pub(super) fn new(
        spectrum: &Spectrum,
        bias: Option<Vec<f64>>,
        forms: [ColumnForm; 2],
        input: &Truth,
        matched: bool,
    ) -> Self {
        let d = input.mean.len();
        let directions = spectrum.directions();
        let (root, _) = roots(&input.covariance(), 0.0, d);
        // The mean, d deviations, a constant at the output.
        let truth: Vec<f64> = input.mean.iter().chain(&root).copied().collect();
        let mut groups = Vec::new();
        if !matched {
            groups.resize(1 + d, Group::Truth);
            groups.push(Group::Own(Z));
        }
        let rows = groups.len() * directions.len();
        let of_truth = |port: usize| {
            Rows::from_fn(rows, d, |i, j| {
                let (g, k) = (i / directions.len(), i % directions.len());
                let value = truth.get(g * d + j).copied().unwrap_or(0.0);
                value * scale(&directions[k], port) * reach(&directions[k], port)
            })
        };
        let ports = [X, Z].map(|p| Port::new(of_truth(p), vec![1.0; rows], forms[p], false));
        let told = [X, Z].map(|_| Told {
            coefficients: vec![0.0; groups.len() * d],
            innovations: Innovations::new(d),
            groups: Vec::new(),
            echo: None,
        });
        Self {
            d,
            bias,
            directions,
            ratio: spectrum.ratio(),
            output: None,
            ports,
            told,
            truth,
            groups,
            pencil: Pencil::new(d),
            entries: None,
        }
    }

    /// The node of an operator on entries: that of isotropic laws, which rows of entries have.
    pub(super) fn over_entries(
        spectrum: &Spectrum,
        forms: [ColumnForm; 2],
        [input, output]: [&Truth; 2],
        matched: bool,
    ) -> Self {
        let mut node = Self::new(spectrum, None, forms, &of_entries(input), matched);
        node.entries = Some([input, output].map(|truth| Entries::new(truth.clone())));
        node
    }

    /// As [`super::rowwise::RowwiseNode::tell`].
    pub(super) fn tell(
        &mut self,
        port: usize,
        law: &MessageLaw,
        cross: Option<&[Vec<f64>]>,
        echo: Option<&Rows>,
    ) {
        if self.groups.is_empty() {
            let block = self.ports[port].cavity.parts_mut().1.block_mut(0);
            block.copy_from_slice(&law.precision);
            return;
        }
        if port == Z && self.bias.is_some() {
            self.output = Some(law.clone());
        }
        let reduced = self.entries.as_mut().map(|entries| entries[port].tell(law, cross));
        let (law, cross) = match &reduced {
            Some((law, cross)) => (law, cross.as_deref()),
            None => (law, cross),
        };
        if cross.is_none() {
            self.told[port].innovations.clear();
        }
        let blocks = self.told[port].innovations.push(&law.noise, cross.unwrap_or(&[])).to_vec();
        while self.told[port].groups.len() < blocks.len() {
            let group = self.add_groups(port);
            self.told[port].groups.push(group);
        }
        let coefficients = self.coefficients(port, law, &blocks, &self.told[port].groups);
        let mut cavity = Message::vacuous(self.ports[port].layout());
        self.write(port, &coefficients, law, &mut cavity);
        if let Some(echo) = echo {
            echo::add(echo, cavity.parts_mut().0, 1.0);
        }
        self.told[port].echo = echo.cloned();
        self.ports[port].cavity = cavity;
        self.told[port].coefficients = coefficients;
    }

    pub(super) fn is_over_entries(&self) -> bool {
        self.entries.is_some()
    }

    /// As [`super::rowwise::RowwiseNode::coefficients`].
    pub(super) fn noise_coefficients(&self, port: usize, t: usize) -> &[Vec<f64>] {
        self.told[port].innovations.coefficients(t)
    }

    /// As [`super::rowwise::RowwiseNode::realise`].
    pub(super) fn realise(&self, port: usize, coefficients: &[Vec<f64>]) -> Rows {
        let (d, count) = (self.d, self.directions.len());
        let mut rows = Rows::zeros(self.groups.len() * count, d);
        for (block, first) in coefficients.iter().zip(&self.told[port].groups) {
            for (g, component) in block.chunks_exact(d).enumerate() {
                for (k, direction) in self.directions.iter().enumerate() {
                    let row = rows.row_mut((first + g) * count + k);
                    let factor = scale(direction, port);
                    row.iter_mut().zip(component).for_each(|(r, c)| *r = factor * c);
                }
            }
        }
        rows
    }

    /// As [`super::rowwise::RowwiseNode::message`].
    pub(super) fn message(&mut self, port: usize, law: &MessageLaw) -> Message {
        let group = self.add_groups(port);
        let reduced = self.entries.as_ref().map(|entries| entries[port].law(law));
        let law = reduced.as_ref().unwrap_or(law);
        let mut innovations = Innovations::new(self.d);
        let blocks = innovations.push(&law.noise, &[]).to_vec();
        let coefficients = self.coefficients(port, law, &blocks, &[group]);
        let mut message = Message::vacuous(self.ports[port].layout());
        self.write(port, &coefficients, law, &mut message);
        message
    }

    /// Room for the `d` components of one more noise; returns the first of its groups.
    fn add_groups(&mut self, port: usize) -> usize {
        let first = self.groups.len();
        self.groups.resize(first + self.d, Group::Own(port));
        let rows = self.groups.len() * self.directions.len();
        self.ports.iter_mut().for_each(|p| p.extend(rows));
        let length = self.groups.len() * self.d;
        self.told.iter_mut().for_each(|t| t.coefficients.resize(length, 0.0));
        first
    }

    /// The components of a message: of the mean, the deviations, the constant, the innovations.
    fn coefficients(
        &self,
        port: usize,
        law: &MessageLaw,
        blocks: &[Vec<f64>],
        groups: &[usize],
    ) -> Vec<f64> {
        let d = self.d;
        let mut out = vec![0.0; self.groups.len() * d];
        for (g, row) in self.truth.chunks_exact(d).enumerate() {
            add_product(row, &law.signal, &mut out[g * d..(g + 1) * d]);
        }
        // A constant of X lies along the mean of the truth's component; one of Z is a direction of its own, and
        // messages about Z are seen as messages about Z - 1 b'.
        let constant = if port == X { 0 } else { 1 + d };
        let slot = &mut out[constant * d..(constant + 1) * d];
        slot.iter_mut().zip(&law.offset).for_each(|(s, c)| *s += c);
        if let Some(b) = self.bias.as_ref().filter(|_| port == Z) {
            let gap: Vec<f64> = law.signal.iter().zip(&law.precision).map(|(m, g)| m - g).collect();
            add_product(b, &gap, slot);
        }
        for (block, &first) in blocks.iter().zip(groups) {
            out[first * d..(first + d) * d].copy_from_slice(block);
        }
        out
    }

    /// Rows of the output for each of the input.
    pub(super) fn ratio(&self) -> f64 {
        self.ratio
    }

    /// What an output with a bias was told last.
    pub(super) fn told_output(&self) -> Option<&MessageLaw> {
        self.output.as_ref()
    }

    /// `d / 2 log 2 pi - E log det(Gx + s^2 Gz) / 2` over the input's directions, for the precisions that the last beliefs
    /// are of.
    pub(super) fn volume(&self) -> f64 {
        let Pencil { mu, nu, .. } = &self.pencil;
        let columns = mu.iter().zip(nu);
        let log: f64 = columns
            .map(|(mu, nu)| {
                let inputs = self.directions.iter().filter(|k| k.input > 0.0);
                inputs.map(|k| k.input * (mu + k.square * nu).ln()).sum::<f64>()
            })
            .sum();
        0.5 * (self.d as f64 * TAU.ln() - log) + self.pencil.log_determinant()
    }

    /// By how much each row is the constant of the output.
    pub(super) fn constant_of_output(&self) -> Vec<f64> {
        let (d, count) = (self.d, self.directions.len());
        let rows = 0..self.groups.len() * count;
        let share = |i: usize| {
            if i / count == 1 + d { scale(&self.directions[i % count], Z) } else { 0.0 }
        };
        rows.map(share).collect()
    }

    /// Writes a message's components to the rows of a port.
    fn write(&self, port: usize, coefficients: &[f64], law: &MessageLaw, out: &mut Message) {
        let (d, count) = (self.d, self.directions.len());
        let (natural, precision) = out.parts_mut();
        precision.block_mut(0).copy_from_slice(&law.precision);
        small::symmetrise(precision.block_mut(0), d);
        for (g, group) in self.groups.iter().enumerate() {
            if *group == Group::Own(1 - port) {
                continue;
            }
            let component = &coefficients[g * d..(g + 1) * d];
            for (k, direction) in self.directions.iter().enumerate() {
                let reached = if *group == Group::Truth { reach(direction, port) } else { 1.0 };
                let factor = scale(direction, port) * reached;
                let row = natural.row_mut(g * count + k);
                row.iter_mut().zip(component).for_each(|(r, c)| *r = factor * c);
            }
        }
    }

    /// Beliefs at both ports, given what they were told.
    pub(super) fn beliefs(&mut self) -> Result<(), Breakdown> {
        let d = self.d;
        let gx = self.ports[X].cavity.precision().block(0).to_vec();
        let gz = self.ports[Z].cavity.precision().block(0).to_vec();
        self.pencil.update(&gx, &gz)?;
        let open = |k: &Direction| k.square == 0.0 && k.input > 0.0;
        if self.directions.iter().any(open) && self.pencil.leaves_open {
            return Err(Breakdown::Undetermined { port: X });
        }
        let mut moments = [Vec::new(), Vec::new()];
        for j in 0..d {
            let (mu, nu) = (self.pencil.mu[j], self.pencil.nu[j]);
            let inputs = self.directions.iter().filter(|k| k.input > 0.0);
            moments[X].push(input_moments(inputs.map(|k| (k.square, k.input)), mu, nu));
            let outputs = self.directions.iter().filter(|k| k.output > 0.0);
            moments[Z].push(output_moments(outputs.map(|k| (k.square, k.output)), mu, nu));
        }
        for port in [X, Z] {
            self.belief(port, &moments[port]);
        }
        Ok(())
    }

    fn belief(&mut self, port: usize, moments: &[Moments]) {
        let (d, count) = (self.d, self.directions.len());
        let Self { ports, told, groups, directions, pencil, .. } = self;
        let form = ports[port].layout().form();
        let belief = &mut ports[port].belief;
        belief.reset();
        let variances: Vec<f64> = moments.iter().map(|m| m.variance).collect();
        pencil.covariance(&variances, belief.blocks_mut().1);
        let exact = exact_gain(form, pencil.form());
        if exact {
            let gains: Vec<f64> = moments.iter().map(|m| m.gain).collect();
            pencil.precision(&gains, &mut belief.gain_mut().precision);
        }
        let (mut nx, mut nz) = (vec![0.0; d], vec![0.0; d]);
        let (mut mean, mut gained) = (vec![0.0; d], vec![0.0; d]);
        let (mut ex, mut ez) = (vec![0.0; d], vec![0.0; d]);
        for (g, group) in groups.iter().enumerate() {
            // In transformed columns: n T.
            let component = g * d..(g + 1) * d;
            small::row_times(&told[X].coefficients[component.clone()], &pencil.map, &mut nx, d);
            small::row_times(&told[Z].coefficients[component], &pencil.map, &mut nz, d);
            let of_truth = *group == Group::Truth;
            for (k, direction) in directions.iter().enumerate() {
                let weight = scale(direction, port);
                if weight == 0.0 {
                    continue;
                }
                let s = direction.square.sqrt();
                let reached = if of_truth { s } else { 1.0 };
                let row = g * count + k;
                told[X].echo(row, scale(direction, X), &pencil.map, &mut ex);
                told[Z].echo(row, scale(direction, Z), &pencil.map, &mut ez);
                for j in 0..d {
                    let (mu, nu) = (pencil.mu[j], pencil.nu[j]);
                    let (a, b) = (nx[j] + ex[j], reached.mul_add(nz[j], ez[j]));
                    let precision = mu + direction.square * nu;
                    // A direction that neither side knows of exists at the output only: Z is the bias there.
                    let x = if precision > 0.0 { (a + s * b) / precision } else { 0.0 };
                    let residual = match port {
                        X => s * (mu * b - s * nu * a) / precision,
                        _ if s == 0.0 => -b,
                        // nu s x - b, without the difference of nearly equal numbers.
                        _ => (nu * s * a - mu * b) / precision,
                    };
                    let own = if port == X { x } else { s * x };
                    mean[j] = weight * own;
                    gained[j] = weight * (residual + moments[j].gain * own);
                }
                // x = xt T'.
                let out = belief.blocks_mut().0.row_mut(row);
                for (i, o) in out.iter_mut().enumerate() {
                    *o = (0..d).map(|j| mean[j] * pencil.map[i * d + j]).sum();
                }
                if exact {
                    // n = nt T^-1.
                    let out = belief.gain_mut().natural.row_mut(row);
                    small::row_times(&gained, &pencil.inverse, out, d);
                }
            }
        }
    }
}

/// The root of the share of a port's directions.
fn scale(direction: &Direction, port: usize) -> f64 {
    if port == X { direction.input.sqrt() } else { direction.output.sqrt() }
}

/// By what the truth is multiplied on its way to a port.
fn reach(direction: &Direction, port: usize) -> f64 {
    if port == X { 1.0 } else { direction.square.sqrt() }
}
