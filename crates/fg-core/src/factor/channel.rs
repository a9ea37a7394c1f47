//! A row-wise factor with two ports, from input rows to output rows.

use core::any::Any;

use super::{Belief, Breakdown, Cavity, Factor, Misfit, Port, Role, Undrawable, Uniforms};
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
        for port in 0..2 {
            let message = cavities[port].message;
            if message.precision().any_infinite() {
                // The belief at the other port would be that of a likelihood or a law, which a channel isn't.
                return Err(Breakdown::KnownCavity { port });
            }
            message.mean_into(&mut means[port]);
        }
        let layouts = [cavities[0].message.layout(), cavities[1].message.layout()];
        let error = self.channel.standard_error();
        let [input, output] = beliefs else { return Ok(()) };
        let ((input_mean, input_covariance), (output_mean, output_covariance)) =
            (input.rows_mut(), output.rows_mut());
        let mut start = 0;
        while start < layouts[0].rows() {
            let ends = layouts.map(|l| l.range(l.partition().block_of(start)).end);
            let range = start..ends[0].min(ends[1]);
            let rows = |port: usize| -> RowCavity<'_> {
                let message = cavities[port].message;
                RowCavity::new(
                    range.start,
                    layouts[port].columns(),
                    message.natural().rows_slice(range.clone()),
                    means[port].rows_slice(range.clone()),
                    message.precision().block(layouts[port].partition().block_of(start)),
                )
            };
            let [d0, d1] = layouts.map(|l| l.columns() * l.columns());
            let mut out_input = RowEstimate {
                mean: input_mean.rows_slice_mut(range.clone()),
                covariance: &mut input_covariance[range.start * d0..range.end * d0],
            };
            let mut out_output = RowEstimate {
                mean: output_mean.rows_slice_mut(range.clone()),
                covariance: &mut output_covariance[range.start * d1..range.end * d1],
            };
            self.channel.estimate(
                [&rows(0), &rows(1)],
                [&mut out_input, &mut out_output],
                scratch,
            )?;
            start = range.end;
        }
        for belief in beliefs {
            belief.set_standard_error(error);
        }
        Ok(())
    }

    fn estimation(&self) -> Estimation {
        self.channel.estimation()
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
