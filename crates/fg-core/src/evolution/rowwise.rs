//! A row-wise factor under state evolution: its own belief code on low-discrepancy rows of truth, data and messages.

use super::echo;
use super::innovation::Innovations;
use super::law::MessageLaw;
use super::marginal::Marginal;
use super::points::Points;
use super::port::{Port, add_product};
use super::scalar::Scalar;
use crate::denoiser::{
    Channel, Denoiser, Estimation, GaussianRow, Likelihood, RowCavity, RowEstimate, Scratch,
    model_of,
};
use crate::factor::{Breakdown, PartitionError, gaussian_estimate, gaussian_excess};
use crate::message::{Message, small};
use crate::rows::Rows;

/// What the factor is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'g> {
    Prior(&'g dyn Denoiser),
    Likelihood(&'g dyn Likelihood),
    Channel(&'g dyn Channel),
}

/// The average posterior covariance of a matched factor, which is all that there is to follow, by itself.
#[derive(Debug)]
pub(super) enum Average<'g> {
    Scalar(Box<Scalar>, &'g dyn Denoiser),
    Marginal(Box<Marginal>, &'g dyn Likelihood),
}

impl Average<'_> {
    /// Writes it for a cavity of precision `gamma` (`d x d`).
    fn covariance(
        &mut self,
        gamma: &[f64],
        scratch: &mut Scratch,
        out: &mut [f64],
    ) -> Result<(), Breakdown> {
        match self {
            Self::Scalar(scalar, denoiser) => {
                out[0] = scalar.average_variance(*denoiser, gamma[0], scratch)?;
                Ok(())
            }
            Self::Marginal(marginal, likelihood) => {
                marginal.average(*likelihood, gamma, scratch, out)
            }
        }
    }
}

/// A row-wise factor on points.
#[derive(Debug)]
pub(super) struct RowwiseNode<'g> {
    kind: Kind<'g>,
    pub(super) ports: Vec<Port>,
    told: Vec<Told>,
    points: Points,
    /// Data drawn for the truth of a likelihood.
    data: Rows,
    /// The row of the variable that each point stands for, where the estimator tells rows apart.
    places: Option<Vec<usize>>,
    /// Where it is matched: its average in one integral, in place of points.
    average: Option<Average<'g>>,
    scratch: Scratch,
}

/// What one port has been told: innovations, and the rows that realise them.
#[derive(Debug)]
struct Told {
    innovations: Innovations,
    realised: Vec<Rows>,
    mean: Rows,
}

impl<'g> RowwiseNode<'g> {
    pub(super) fn new(
        kind: Kind<'g>,
        ports: Vec<Port>,
        data: Rows,
        places: Option<Vec<usize>>,
        mut points: Points,
    ) -> Self {
        for port in &ports {
            points.keep(&port.truth);
        }
        let told = |port: &Port| Told {
            innovations: Innovations::new(port.d),
            realised: Vec::new(),
            mean: Rows::zeros(port.truth.rows(), port.d),
        };
        let told = ports.iter().map(told).collect();
        Self { kind, ports, told, points, data, places, average: None, scratch: Scratch::default() }
    }

    /// Follows a matched factor by this average in place of points.
    pub(super) fn follow_exactly(&mut self, average: Option<Average<'g>>) {
        self.average = average;
    }

    /// Makes `law` the cavity of a port; `cross` holds the covariances of its noise with those of all earlier ones,
    /// or nothing when only the present matters.
    /// The rows of `echo` are what the cavity holds of messages that the port has sent, beside that noise.
    pub(super) fn tell(
        &mut self,
        port: usize,
        law: &MessageLaw,
        cross: Option<&[Vec<f64>]>,
        echo: Option<&Rows>,
    ) {
        if self.average.is_some() {
            let target = &mut self.ports[port];
            let block = target.cavity.parts_mut().1.block_mut(0);
            block.copy_from_slice(&law.precision);
            small::symmetrise(block, target.d);
            return;
        }
        let told = &mut self.told[port];
        if cross.is_none() {
            told.innovations.clear();
        }
        let coefficients = told.innovations.push(&law.noise, cross.unwrap_or(&[]));
        while told.realised.len() < coefficients.len() {
            told.realised.push(self.points.normals(self.ports[port].d));
        }
        let target = &mut self.ports[port];
        write(&target.truth, law, coefficients, &told.realised, &mut target.cavity);
        if let Some(echo) = echo {
            echo::add(echo, target.cavity.parts_mut().0, 1.0);
        }
    }

    /// The noise that a port was told for the `t`-th time, as combinations of innovations.
    pub(super) fn coefficients(&self, port: usize, t: usize) -> &[Vec<f64>] {
        self.told[port].innovations.coefficients(t)
    }

    /// Combinations of innovations on the rows of a port.
    pub(super) fn realise(&self, port: usize, coefficients: &[Vec<f64>]) -> Rows {
        let mut rows = Rows::zeros(self.ports[port].truth.rows(), self.ports[port].d);
        add_noise(coefficients, &self.told[port].realised, &mut rows);
        rows
    }

    /// A message of this law with a noise of its own, on the rows of a port: what a run starts from.
    pub(super) fn message(&mut self, port: usize, law: &MessageLaw) -> Message {
        let fresh = [self.points.normals(self.ports[port].d)];
        let mut innovations = Innovations::new(self.ports[port].d);
        let coefficients = innovations.push(&law.noise, &[]);
        let target = &self.ports[port];
        let mut message = Message::vacuous(target.layout());
        write(&target.truth, law, coefficients, &fresh, &mut message);
        message
    }

    fn gaussian(&self, i: usize) -> Option<GaussianRow> {
        match self.kind {
            Kind::Prior(denoiser) => denoiser.gaussian(self.place(i), self.ports[0].d),
            Kind::Likelihood(likelihood) => {
                model_of(likelihood, self.place(i)).gaussian(self.data.row(i))
            }
            Kind::Channel(_) => None,
        }
    }

    /// Whether the factor knows its variable exactly.
    pub(super) fn is_known(&self) -> bool {
        (0..self.ports[0].truth.rows()).all(|i| self.gaussian(i).is_some_and(|row| row.known))
    }

    /// The message of a factor that is Gaussian in every row with a precision that messages can have, on the rows.
    pub(super) fn gaussian_message(&self) -> Option<Message> {
        let port = &self.ports[0];
        let mut message = Message::vacuous(port.layout());
        let form = message.layout().form();
        let (natural, precision) = message.parts_mut();
        for i in 0..port.truth.rows() {
            let row = self.gaussian(i).filter(|row| !row.known)?;
            natural.row_mut(i).copy_from_slice(&row.natural);
            let block = precision.block_mut(0);
            let same =
                if i == 0 { form.holds(&row.precision, port.d) } else { block == row.precision };
            if !same {
                return None;
            }
            block.copy_from_slice(&row.precision);
        }
        Some(message)
    }

    fn place(&self, i: usize) -> usize {
        self.places.as_ref().map_or(0, |places| places[i])
    }

    /// Beliefs at all ports, given what they were told.
    pub(super) fn beliefs(&mut self) -> Result<(), Breakdown> {
        if let Some(average) = &mut self.average {
            let Port { cavity, belief, .. } = &mut self.ports[0];
            belief.reset();
            self.scratch.take_standard_error();
            let (gamma, out) = (cavity.precision().block(0), belief.blocks_mut().1);
            average.covariance(gamma, &mut self.scratch, out)?;
            belief.set_standard_error(self.scratch.take_standard_error());
            return Ok(());
        }
        for (port, told) in self.ports.iter_mut().zip(&mut self.told) {
            port.belief.reset();
            port.cavity.mean_into(&mut told.mean);
        }
        // What a sweep that broke down has left says nothing about this one.
        self.scratch.take_standard_error();
        match self.kind {
            Kind::Channel(channel) => self.channel_beliefs(channel)?,
            Kind::Prior(_) | Kind::Likelihood(_) => self.one_port_beliefs()?,
        }
        let standard_error = self.scratch.take_standard_error();
        for port in &mut self.ports {
            port.belief.set_standard_error(standard_error);
        }
        Ok(())
    }

    /// The log-partition function of every row, given what the ports were told.
    pub(super) fn log_partition(&self, asked: Estimation) -> Result<Vec<f64>, PartitionError> {
        let port = &self.ports[0];
        let own = match self.kind {
            Kind::Prior(denoiser) => denoiser.estimation(),
            Kind::Likelihood(likelihood) => likelihood.estimation(),
            Kind::Channel(channel) => channel.estimation(),
        };
        let count = port.truth.rows();
        let rows = |p: usize, range: core::ops::Range<usize>, place: usize| {
            let port = &self.ports[p];
            RowCavity::new(
                place,
                port.d,
                port.cavity.natural().rows_slice(range.clone()),
                self.told[p].mean.rows_slice(range),
                port.cavity.precision().block(0),
            )
        };
        let mut values = vec![0.0; count];
        let mut piece = |range: core::ops::Range<usize>, place: usize| {
            let out = &mut values[range.clone()];
            let cavity = rows(0, range.clone(), place);
            match self.kind {
                Kind::Prior(denoiser) => denoiser.log_partition(&cavity, out),
                Kind::Likelihood(likelihood) => {
                    likelihood.log_partition(self.data.rows_slice(range), &cavity, out)
                }
                Kind::Channel(channel) => {
                    channel.log_partition([&cavity, &rows(1, range, place)], out)
                }
            }
        };
        let known = match &self.places {
            None => piece(0..count, 0),
            Some(places) => (0..count).all(|i| piece(i..i + 1, places[i])),
        };
        if !known {
            return Err(PartitionError::Unknown);
        }
        for (i, value) in values.iter_mut().enumerate().filter(|_| own != asked) {
            let row = self.gaussian(i).ok_or(PartitionError::Estimation)?;
            *value += gaussian_excess(&row, port.cavity.precision().block(0), asked)?;
        }
        Ok(values)
    }

    fn one_port_beliefs(&mut self) -> Result<(), Breakdown> {
        let Self { kind, ports, told, data, places, scratch, .. } = self;
        let (port, told) = (&mut ports[0], &told[0]);
        let d = port.d;
        let count = port.truth.rows();
        let (mean, covariance) = port.belief.rows_mut();
        let mut estimate = |range: core::ops::Range<usize>, place: usize| {
            let cavity = RowCavity::new(
                place,
                d,
                port.cavity.natural().rows_slice(range.clone()),
                told.mean.rows_slice(range.clone()),
                port.cavity.precision().block(0),
            );
            let mut out = RowEstimate {
                mean: mean.rows_slice_mut(range.clone()),
                covariance: &mut covariance[range.start * d * d..range.end * d * d],
            };
            match kind {
                Kind::Prior(denoiser) => {
                    let gaussian = |i| denoiser.gaussian(i, d);
                    gaussian_estimate(gaussian, &cavity, &mut out, scratch)
                        .unwrap_or_else(|| denoiser.estimate(&cavity, &mut out, scratch))
                }
                Kind::Likelihood(likelihood) => {
                    let gaussian = |i: usize| {
                        let row = data.row(range.start + i - place);
                        model_of(*likelihood, i).gaussian(row)
                    };
                    let observed = data.rows_slice(range.clone());
                    gaussian_estimate(gaussian, &cavity, &mut out, scratch).unwrap_or_else(|| {
                        likelihood.estimate(observed, &cavity, &mut out, scratch)
                    })
                }
                Kind::Channel(_) => Ok(()),
            }
        };
        match places {
            None => estimate(0..count, 0),
            Some(places) => (0..count).try_for_each(|i| estimate(i..i + 1, places[i])),
        }
    }

    fn channel_beliefs(&mut self, channel: &dyn Channel) -> Result<(), Breakdown> {
        let [input, output] = &mut self.ports[..] else { return Ok(()) };
        let cavities = [&input.cavity, &output.cavity];
        let rows = |p: usize, d: usize| {
            RowCavity::new(
                0,
                d,
                cavities[p].natural().as_slice(),
                self.told[p].mean.as_slice(),
                cavities[p].precision().block(0),
            )
        };
        let (first, second) = (rows(0, input.d), rows(1, output.d));
        let (input_mean, input_covariance) = input.belief.rows_mut();
        let (output_mean, output_covariance) = output.belief.rows_mut();
        let mut out_input =
            RowEstimate { mean: input_mean.as_mut_slice(), covariance: input_covariance };
        let mut out_output =
            RowEstimate { mean: output_mean.as_mut_slice(), covariance: output_covariance };
        channel.estimate([&first, &second], [&mut out_input, &mut out_output], &mut self.scratch)
    }

    /// Truth, cavity mean and estimate of every point at a port.
    pub(super) fn samples(&self, port: usize) -> [Rows; 3] {
        let (told, port) = (&self.told[port], &self.ports[port]);
        [port.truth.clone(), told.mean.clone(), port.belief.mean().clone()]
    }
}

/// `n = x0 M + c + sum_s xi_s K_s` on all rows.
fn write(
    truth: &Rows,
    law: &MessageLaw,
    coefficients: &[Vec<f64>],
    xi: &[Rows],
    out: &mut Message,
) {
    let d = truth.columns();
    let (natural, precision) = out.parts_mut();
    precision.block_mut(0).copy_from_slice(&law.precision);
    small::symmetrise(precision.block_mut(0), d);
    for i in 0..truth.rows() {
        let row = natural.row_mut(i);
        row.copy_from_slice(&law.offset);
        add_product(truth.row(i), &law.signal, row);
    }
    add_noise(coefficients, xi, natural);
}

/// Adds `sum_s xi_s K_s`.
fn add_noise(coefficients: &[Vec<f64>], xi: &[Rows], out: &mut Rows) {
    for (xi, k) in xi.iter().zip(coefficients) {
        if k.iter().all(|&v| v == 0.0) {
            continue;
        }
        for i in 0..out.rows() {
            add_product(xi.row(i), k, out.row_mut(i));
        }
    }
}
