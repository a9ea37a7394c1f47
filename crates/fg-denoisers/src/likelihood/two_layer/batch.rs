//! Rows one after another: the loop that is compiled for the machine's vector units and for the usual sizes.

use fg_core::denoiser::{RowCavity, RowEstimate};
use fg_core::factor::Breakdown;

use super::density::{Density, Labels, Noise};
use super::frame::Frame;
use super::line::{Line, Ray, Shape};
use super::nodes::{Curve, Kinked, Shared};
use super::posterior::TwoLayerMmse;
use super::sets::SCRAMBLINGS;
use super::smooth::{ErrorFunction, Grid, Logistic};
use super::{Activation, Output, TwoLayer};
use crate::family::Replicates;
use crate::family::lines::{LOG_TAU, LONGEST, Lines, Moments, Whitening};

/// One call on a batch of rows.
pub(super) struct Batch<'a, 'b> {
    pub(super) node: &'a TwoLayerMmse,
    /// Nodes of its lines; empty for activations with kinks.
    pub(super) grid: &'a Grid,
    /// By how many places the turns at sets of lines are moved on.
    pub(super) turn: usize,
    pub(super) observed: &'a [f64],
    pub(super) cavity: &'a RowCavity<'a>,
    /// Moments, where they are asked for.
    pub(super) out: Option<&'a mut RowEstimate<'b>>,
    /// Log-partition functions, where they are asked for.
    pub(super) log_partition: Option<&'a mut [f64]>,
    pub(super) memory: &'a mut [f64],
}

/// Values of a row that curves share between its lines, at most, as a whole number of registers.
fn shared_len(Shape { units, outputs, nodes, .. }: Shape) -> usize {
    ((nodes + 2) * units + 2 * outputs).next_multiple_of(LONGEST)
}

impl Batch<'_, '_> {
    /// Values of working memory.
    pub(super) fn len(node: &TwoLayerMmse, grid: &Grid) -> usize {
        let shape = node.shape(grid);
        let Shape { units, outputs, .. } = shape;
        let lines = Lines::<pulp::Scalar>::len(units, node.points.most());
        let row = grid.nodes.len() + outputs + units + shared_len(shape);
        let replicates = Replicates::len(SCRAMBLINGS, units) + units * units;
        let working = Whitening::len(units) + Frame::len(units, outputs) + row + replicates;
        working + lines + shape.len()
    }

    /// What `log int p(y | z) exp(n'z - z' Gamma z / 2) dz` adds in every row to the mean mass of its lines.
    fn log_constant(network: &TwoLayer, log_determinant: f64) -> f64 {
        let (d, outputs) = network.weights.shape();
        // One of the d factors sqrt(2 pi) is in the mass along the lines.
        let whole = 0.5 * ((d as f64 - 1.0) * LOG_TAU - log_determinant);
        whole + outputs as f64 * network.output.log_scale()
    }

    /// Does what is asked for, and returns the relative standard error of the averaged covariance, on this machine's vector units. All callers share this one copy of the loops, which take the
    /// compiler as long as the rest of the crate together.
    #[inline(never)]
    pub(super) fn run(self) -> Result<f64, Breakdown> {
        pulp::Arch::new().dispatch(self)
    }

    /// Chooses the loop compiled for these sizes; a label takes so long that theirs don't matter, and neither do those of a
    /// machine without vector units.
    #[inline(always)]
    fn sized<S: pulp::Simd, C: Curve>(self, simd: S, curve: C) -> Result<f64, Breakdown> {
        let (shape, node) = (self.node.shape(self.grid), self.node);
        let far = C::NODES.is_none();
        let usual = |units| Shape { units, outputs: 1, nodes: C::NODES.unwrap_or(units), far };
        match node.network.output {
            Output::Noise { precision } if !S::IS_SCALAR && shape == usual(4) => {
                self.rows(simd, curve, Noise { precision }, usual(4))
            }
            Output::Noise { precision } => self.rows(simd, curve, Noise { precision }, shape),
            Output::Label(link) => {
                self.rows(simd, curve, Labels { link, terms: &node.terms }, shape)
            }
        }
    }

    #[inline(always)]
    fn rows<S: pulp::Simd, C: Curve, D: Density>(
        mut self,
        simd: S,
        curve: C,
        density: D,
        shape: Shape,
    ) -> Result<f64, Breakdown> {
        let Self { node, grid, turn, observed, cavity, .. } = self;
        let network = &node.network;
        let Shape { units: d, outputs, nodes, .. } = shape;
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
        let (at, target, direction) = (take(grid.nodes.len()), take(outputs), take(d));
        let shared = take(shared_len(shape));
        let (shared, _) =
            shared.split_at_mut(curve.shared(d, outputs, nodes).next_multiple_of(LONGEST));
        let count = node.points.most();
        let mut lines = Lines::new(simd, d, count, take(Lines::<S>::len(d, count)));
        let mut line = Line::new(simd, shape, take(shape.len()));
        let (difference, groups) = (take(d * d), SCRAMBLINGS);
        let mut replicates = Replicates::new(groups, d, take(Replicates::len(groups, d)));
        for i in 0..cavity.len() {
            let r = &cavity.mean()[i * d..(i + 1) * d];
            let y = &observed[i * outputs..(i + 1) * outputs];
            for ((t, y), b) in target.iter_mut().zip(y).zip(&network.bias) {
                *t = network.output.target(*y, *b);
            }
            let group = (cavity.first_row() + turn + i) % groups;
            let steepest = frame.turn(simd, network, &whitening, r);
            let points = node.points.of(group, density.information(steepest));
            let (centre, width) = frame.grid(network, density, y, target);
            for (t, unit) in at.iter_mut().zip(&grid.nodes) {
                *t = width.mul_add(*unit, centre);
            }
            for (a, row) in direction.iter_mut().zip(frame.map.chunks_exact(d)) {
                *a = row[0];
            }
            curve.prepare(simd, Shared { weights, grid: at, direction, values: shared });
            let ray = Ray {
                weights,
                observed: y,
                target,
                direction,
                grid,
                at,
                inverse_width: 1.0 / width,
                noise_precision: network.noise_precision(),
                shared,
            };
            for b in 0..lines.begin(points) {
                lines.place(line.base, points, b, (r, frame.map));
                curve.place(&mut line, &ray);
                lines.record(b, &density.integrate(&mut line, &ray));
            }
            let log_mass = lines.weigh(points);
            if let Some(out) = &mut self.log_partition {
                let natural = &cavity.natural()[i * d..(i + 1) * d];
                let quadratic: f64 = natural.iter().zip(r).map(|(n, r)| n * r).sum();
                out[i] = log_mass + 0.5 * quadratic + constant;
            }
            if let Some(out) = &mut self.out {
                let mean = &mut out.mean[i * d..(i + 1) * d];
                let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
                let mut moments = Moments { mean, covariance };
                if D::HALVED {
                    lines.halves((r, frame.map), &mut moments, difference);
                    replicates.add(group, difference);
                } else {
                    lines.accumulate((r, frame.map), &mut moments);
                }
                let Moments { mean, covariance } = moments;
                if !finite(mean, covariance) {
                    return Err(Breakdown::NotFinite { port: 0, row: cavity.first_row() + i });
                }
            }
        }
        Ok(if D::HALVED { self.standard_error(&mut replicates) } else { 0.0 })
    }

    /// The relative standard error of the averaged covariance, where one was asked for.
    fn standard_error(&self, replicates: &mut Replicates<'_>) -> f64 {
        let (Some(out), cavity) = (&self.out, self.cavity) else { return 0.0 };
        let d = self.node.network.hidden();
        let covariances = &out.covariance[..cavity.len() * d * d];
        replicates.relative_error(cavity.precision(), covariances)
    }
}

#[inline(always)]
fn finite(mean: &[f64], covariance: &[f64]) -> bool {
    // A sum of zeros, or NaN.
    !mean.iter().chain(covariance).map(|v| 0.0 * v).sum::<f64>().is_nan()
}

impl pulp::WithSimd for Batch<'_, '_> {
    type Output = Result<f64, Breakdown>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> Self::Output {
        match self.node.network.activation {
            Activation::Relu if !S::IS_SCALAR => self.sized(simd, Kinked { left: 0.0, right: 1.0 }),
            Activation::Relu | Activation::LeakyRelu { .. } | Activation::Linear => {
                let left = match self.node.network.activation {
                    Activation::LeakyRelu { slope } => slope,
                    Activation::Linear => 1.0,
                    _ => 0.0,
                };
                self.sized(simd, Kinked { left, right: 1.0 })
            }
            Activation::Sigmoid => self.sized(simd, Logistic::SIGMOID),
            Activation::Tanh => self.sized(simd, Logistic::TANH),
            Activation::Erf => self.sized(simd, ErrorFunction),
        }
    }
}
