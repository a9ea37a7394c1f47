//! Rows one after another: the loop that is compiled for the machine's vector units and for the usual sizes.

use fg_core::denoiser::{RowCavity, RowEstimate};
use fg_core::factor::Breakdown;

use super::frame::{Frame, Whitening};
use super::line::{LONGEST, Line, Ray, Shape};
use super::lines::{self, Lines};
use super::nodes::{Curve, Kinked, Shared};
use super::posterior::TwoLayerMmse;
use super::smooth::{ErrorFunction, Logistic};
use super::{Activation, TwoLayer};

/// One call on a batch of rows.
pub(super) struct Batch<'a, 'b> {
    pub(super) node: &'a TwoLayerMmse,
    pub(super) observed: &'a [f64],
    pub(super) cavity: &'a RowCavity<'a>,
    /// Moments, where they are asked for.
    pub(super) out: Option<&'a mut RowEstimate<'b>>,
    /// Log-partition functions, where they are asked for.
    pub(super) log_partition: Option<&'a mut [f64]>,
    pub(super) memory: &'a mut [f64],
}

/// Values of a row that curves share between its lines, at most, as a whole number of registers.
fn shared_len(Shape { units, outputs, nodes }: Shape) -> usize {
    ((nodes + 2) * units + 2 * outputs).next_multiple_of(LONGEST)
}

/// `log(2 pi)`.
const LOG_TAU: f64 = 1.837_877_066_409_345_5;

impl Batch<'_, '_> {
    /// Values of working memory.
    pub(super) fn len(node: &TwoLayerMmse) -> usize {
        let Shape { units, outputs, .. } = node.shape();
        let lines = Lines::<pulp::Scalar>::len(units, node.points[0].count());
        let row = node.grid.nodes.len() + outputs + units + shared_len(node.shape());
        Whitening::len(units) + Frame::len(units, outputs) + row + lines + node.shape().len()
    }

    /// What `log int p(y | z) exp(n'z - z' Gamma z / 2) dz` adds in every row to the mean mass of its lines.
    fn log_constant(network: &TwoLayer, log_determinant: f64) -> f64 {
        let (d, outputs) = network.weights.shape();
        let noise = outputs as f64 * (network.noise_precision.ln() - LOG_TAU);
        // One of the d factors sqrt(2 pi) is in the mass along the lines.
        0.5 * (noise - log_determinant + (d as f64 - 1.0) * LOG_TAU)
    }

    /// Chooses the loop compiled for these sizes.
    #[inline(always)]
    fn sized<S: pulp::Simd, C: Curve>(self, simd: S, curve: C) -> Result<(), Breakdown> {
        let shape = self.node.shape();
        let usual = |units| Shape { units, outputs: 1, nodes: C::NODES.unwrap_or(units) };
        if shape == usual(4) {
            self.rows(simd, curve, usual(4))
        } else {
            self.rows(simd, curve, shape)
        }
    }

    #[inline(always)]
    fn rows<S: pulp::Simd, C: Curve>(
        mut self,
        simd: S,
        curve: C,
        shape: Shape,
    ) -> Result<(), Breakdown> {
        let Self { node, observed, cavity, .. } = self;
        let network = &node.network;
        let Shape { units: d, outputs, nodes } = shape;
        let weights = &network.weights.as_slice()[..d * outputs];
        let mut rest = core::mem::take(&mut self.memory);
        let mut take = |len: usize| {
            let (head, tail) = core::mem::take(&mut rest).split_at_mut(len);
            rest = tail;
            head
        };
        let memory = take(Whitening::len(d));
        let whitening = Whitening::new(cavity.precision(), cavity.first_row(), d, memory)?;
        let constant = Self::log_constant(network, whitening.log_determinant);
        let mut frame = Frame::new(d, outputs, take(Frame::len(d, outputs)));
        let (at, target, direction) = (take(node.grid.nodes.len()), take(outputs), take(d));
        let shared = take(shared_len(shape));
        let (shared, _) =
            shared.split_at_mut(curve.shared(d, outputs, nodes).next_multiple_of(LONGEST));
        let count = node.points[0].count();
        let mut lines = Lines::new(simd, d, count, take(Lines::<S>::len(d, count)));
        let mut line = Line::new(simd, shape, take(shape.len()));
        for i in 0..cavity.len() {
            let r = &cavity.mean()[i * d..(i + 1) * d];
            let y = &observed[i * outputs..(i + 1) * outputs];
            for ((t, y), b) in target.iter_mut().zip(y).zip(&network.bias) {
                *t = y - b;
            }
            let points = &node.points[(cavity.first_row() + i) % node.points.len()];
            let (centre, width) = frame.turn(simd, network, &whitening, r, target);
            for (t, unit) in at.iter_mut().zip(&node.grid.nodes) {
                *t = width.mul_add(*unit, centre);
            }
            for (a, row) in direction.iter_mut().zip(frame.map.chunks_exact(d)) {
                *a = row[0];
            }
            curve.prepare(simd, Shared { weights, grid: at, direction, values: shared });
            let ray = Ray {
                weights,
                noise_precision: network.noise_precision,
                target,
                direction,
                grid: &node.grid,
                at,
                inverse_width: 1.0 / width,
                shared,
            };
            for b in 0..lines.registers() {
                lines::place(simd, line.base, points, b, (r, frame.map));
                lines.record(b, &line.integrate(&ray, curve));
            }
            let log_mass = lines.weigh();
            if let Some(out) = &mut self.log_partition {
                let natural = &cavity.natural()[i * d..(i + 1) * d];
                let quadratic: f64 = natural.iter().zip(r).map(|(n, r)| n * r).sum();
                out[i] = log_mass + 0.5 * quadratic + constant;
            }
            if let Some(out) = &mut self.out {
                let mean = &mut out.mean[i * d..(i + 1) * d];
                let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
                lines.accumulate(points);
                lines.spread(frame.map, r, mean, covariance);
                // A sum of zeros, or NaN.
                let zeros: f64 = mean.iter().chain(&*covariance).map(|v| 0.0 * v).sum();
                if zeros.is_nan() {
                    return Err(Breakdown::NotFinite { port: 0, row: cavity.first_row() + i });
                }
            }
        }
        Ok(())
    }
}

impl pulp::WithSimd for Batch<'_, '_> {
    type Output = Result<(), Breakdown>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> Self::Output {
        match self.node.network.activation {
            Activation::Relu => self.sized(simd, Kinked { left: 0.0, right: 1.0 }),
            Activation::LeakyRelu { slope } => self.sized(simd, Kinked { left: slope, right: 1.0 }),
            Activation::Linear => self.sized(simd, Kinked { left: 1.0, right: 1.0 }),
            Activation::Sigmoid => self.sized(simd, Logistic::SIGMOID),
            Activation::Tanh => self.sized(simd, Logistic::TANH),
            Activation::Erf => self.sized(simd, ErrorFunction),
        }
    }
}
