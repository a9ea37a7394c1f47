//! A row-wise factor with two ports, from input rows to output rows.

use core::any::Any;
use core::ops::Range;

use super::Uniforms;
use super::{Belief, Breakdown, Cavity, Factor, Misfit, PartitionError, Port, Role, Undrawable};
use crate::denoiser::{Channel, Estimation, RowCavity, RowEstimate, Scratch};
use crate::message::Layout;
use crate::rows::Rows;

/// The factor `prod_i p(output_i | input_i)` of a [`Channel`].
#[derive(Debug)]
pub struct ChannelFactor {
    channel: Box<dyn Channel>,
}

struct Workspace {
    means: [Rows; 2],
    scratch: Scratch,
}

impl ChannelFactor {
    /// The factor of this channel.
    pub fn new(channel: impl Channel + 'static) -> Self {
        Self { channel: Box::new(channel) }
    }

    /// The row-wise estimator.
    pub fn channel(&self) -> &dyn Channel {
        &*self.channel
    }
}

/// Writes the means of both cavities.
fn form_means(cavities: &[Cavity<'_>], means: &mut [Rows; 2]) -> Result<(), Breakdown> {
    for (port, mean) in means.iter_mut().enumerate() {
        let message = cavities[port].message;
        if message.precision().any_infinite() {
            // The belief at the other port would be that of a likelihood or a law, which a channel isn't.
            return Err(Breakdown::KnownCavity { port });
        }
        message.mean_into(mean);
    }
    Ok(())
}

/// Rows of both cavities in pieces of one precision at either port.
fn pieces<'a>(
    cavities: &'a [Cavity<'a>],
    means: &'a [Rows; 2],
) -> impl Iterator<Item = (Range<usize>, [RowCavity<'a>; 2])> {
    let layouts = [0, 1].map(|port| cavities[port].message.layout());
    let mut start = 0;
    core::iter::from_fn(move || {
        if start == layouts[0].rows() {
            return None;
        }
        let ends = layouts.map(|l| l.range(l.partition().block_of(start)).end);
        let range = start..ends[0].min(ends[1]);
        let rows = [0, 1].map(|port| {
            let message = cavities[port].message;
            RowCavity::new(
                range.start,
                layouts[port].columns(),
                message.natural().rows_slice(range.clone()),
                means[port].rows_slice(range.clone()),
                message.precision().block(layouts[port].partition().block_of(start)),
            )
        });
        start = range.end;
        Some((range, rows))
    })
}

impl Factor for ChannelFactor {
    fn ports(&self) -> Vec<Port> {
        let port = |name, role| Port { name, role, rows: None, columns: None };
        vec![port("input", Role::Given), port("output", Role::Produced)]
    }

    fn check(&self, variables: &[Layout]) -> Result<(), Misfit> {
        let [input, output] = variables else { return Ok(()) };
        let columns = self.channel.output_columns(input.columns());
        if columns == Some(output.columns()) && input.rows() == output.rows() {
            return Ok(());
        }
        Err(Misfit::Shape {
            port: 1,
            expected: (Some(input.rows()), columns),
            found: (output.rows(), output.columns()),
        })
    }

    fn workspace(&self, variables: &[Layout]) -> Result<Box<dyn Any + Send>, Breakdown> {
        let mean = |v: &Layout| Rows::zeros(v.rows(), v.columns());
        let means = [mean(&variables[0]), mean(&variables[1])];
        Ok(Box::new(Workspace { means, scratch: Scratch::default() }))
    }

    fn beliefs(
        &self,
        cavities: &[Cavity<'_>],
        _wanted: &[bool],
        beliefs: &mut [Belief],
        workspace: &mut dyn Any,
    ) -> Result<(), Breakdown> {
        let Workspace { means, scratch } = super::own(workspace);
        form_means(cavities, means)?;
        // What a sweep that broke down has left says nothing about this one.
        scratch.take_standard_error();
        let [input, output] = beliefs else { return Ok(()) };
        let ((input_mean, input_covariance), (output_mean, output_covariance)) =
            (input.rows_mut(), output.rows_mut());
        for (range, rows) in pieces(cavities, means) {
            let [d0, d1] = [0, 1].map(|port| rows[port].columns() * rows[port].columns());
            let mut out_input = RowEstimate {
                mean: input_mean.rows_slice_mut(range.clone()),
                covariance: &mut input_covariance[range.start * d0..range.end * d0],
            };
            let mut out_output = RowEstimate {
                mean: output_mean.rows_slice_mut(range.clone()),
                covariance: &mut output_covariance[range.start * d1..range.end * d1],
            };
            self.channel.estimate(
                [&rows[0], &rows[1]],
                [&mut out_input, &mut out_output],
                scratch,
            )?;
        }
        let error = scratch.take_standard_error();
        for belief in beliefs {
            belief.set_standard_error(error);
        }
        Ok(())
    }

    fn estimation(&self) -> Estimation {
        self.channel.estimation()
    }

    fn log_partition(
        &self,
        cavities: &[Cavity<'_>],
        estimation: Estimation,
        workspace: &mut dyn Any,
    ) -> Result<f64, PartitionError> {
        if self.channel.estimation() != estimation {
            return Err(PartitionError::Estimation);
        }
        let Workspace { means, .. } = super::own(workspace);
        form_means(cavities, means)?;
        let (mut total, mut values) = (0.0, Vec::new());
        for (range, rows) in pieces(cavities, means) {
            values.clear();
            values.resize(range.len(), 0.0);
            if !self.channel.log_partition([&rows[0], &rows[1]], &mut values) {
                return Err(PartitionError::Unknown);
            }
            total += values.iter().sum::<f64>();
        }
        Ok(total)
    }

    fn draw(
        &self,
        values: &mut [Rows],
        uniforms: &mut dyn Uniforms,
    ) -> Result<Option<Rows>, Undrawable> {
        let [input, output] = values else { return Err(Undrawable) };
        let k = self.channel.uniforms(input.columns()).ok_or(Undrawable)?;
        let mut points = Vec::new();
        uniforms.fill(input.rows(), k, &mut points);
        for i in 0..input.rows() {
            self.channel.draw(input.row(i), &points[i * k..(i + 1) * k], output.row_mut(i));
        }
        Ok(None)
    }

    fn informative(&self) -> bool {
        true
    }

    fn name(&self) -> String {
        self.channel.name()
    }
}
