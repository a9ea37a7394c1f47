//! The MMSE node of a two-layer network: posterior mean and covariance of each hidden row.

use fg_core::denoiser::{Estimation, GaussianRow, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::points::GaussianPoints;

use super::TwoLayer;
use super::frame::{Frame, Whitening, unit_grid};
use super::line::{Line, Ray, Shape};
use super::lines::{self, Lines};
use crate::ParameterError;

/// Row posteriors of `y = W2' sigma(z) + b2 + noise` under a Gaussian cavity.
///
/// # Method
///
/// Each row is integrated along parallel lines in the direction in which the outputs vary most on average
/// under the cavity. On a line the integrand is piecewise Gaussian and integrated exactly (activations with kinks) or
/// with the network interpolated between `nodes` (the others), so that a noise precision many orders above the
/// cavity's does no harm. Across the lines it is summed over `points` whitened, mirrored, scrambled Sobol points; a
/// likelihood that says nothing gives back the cavity to rounding. Rows take turns at several scramblings, so that
/// integration errors average out over rows. Everything is deterministic.
///
/// With several outputs only one of their directions is integrated along; the accuracy across it then falls where
/// `noise_precision` is far above the cavity's.
///
/// # Cost
///
/// Per row `points (d^2 + pieces)` with `pieces = d + 1` for activations with kinks and `nodes + 1` otherwise.
#[derive(Clone, Debug)]
pub struct TwoLayerMmse {
    network: TwoLayer,
    points: Vec<GaussianPoints>,
    /// Nodes of a grid of width one, with one more on either side; empty for activations with kinks.
    grid: Vec<f64>,
}

/// Default of [`TwoLayerMmse::with_points`] for activations with kinks.
const KINKED_POINTS: usize = 32;
/// Default of [`TwoLayerMmse::with_points`] for smooth activations, whose posteriors differ less from line to line.
const SMOOTH_POINTS: usize = 16;
/// Default of [`TwoLayerMmse::with_nodes`].
const NODES: usize = 5;
/// Default of [`TwoLayerMmse::with_nodes`] for a single hidden unit, where there is nothing but the one line.
const SINGLE_NODES: usize = 65;
/// How many scramblings rows take turns at: their errors average out, and they stay in the cache.
const SCRAMBLINGS: u32 = 16;
/// Bounds of the number of points: beyond, memory rather than accuracy grows.
const MOST_POINTS: usize = 1 << 16;

impl TwoLayerMmse {
    /// The node with default accuracy.
    pub fn new(network: TwoLayer) -> Self {
        let d = network.hidden();
        let (points, grid) = match network.activation.slopes() {
            Some(_) => (KINKED_POINTS, Vec::new()),
            None => (SMOOTH_POINTS, unit_grid(if d == 1 { SINGLE_NODES } else { NODES })),
        };
        Self { points: scramblings(d, points), network, grid }
    }

    /// Default: 32 for activations with kinks, 16 for the others. Lines per row, rounded up to a multiple of 16; each stands for a whole line of points. With a
    /// single hidden unit there is only one line.
    ///
    /// # Errors
    /// [`ParameterError`] when there is no point or more than 65536.
    pub fn with_points(mut self, points: usize) -> Result<Self, ParameterError> {
        if points == 0 || points > MOST_POINTS {
            let requirement = "between 1 and 65536";
            return Err(ParameterError::OutOfRange {
                parameter: "points",
                value: points as f64,
                requirement,
            });
        }
        self.points = scramblings(self.network.hidden(), points);
        Ok(self)
    }

    /// Default: 5, and 65 for a single hidden unit. Nodes on each line between which a smooth activation is interpolated; of no effect for
    /// activations with kinks, which are exact.
    ///
    /// # Errors
    /// [`ParameterError`] for fewer than 3 nodes or more than 1001.
    pub fn with_nodes(mut self, nodes: usize) -> Result<Self, ParameterError> {
        if !(3..=1001).contains(&nodes) {
            let requirement = "between 3 and 1001";
            return Err(ParameterError::OutOfRange {
                parameter: "nodes",
                value: nodes as f64,
                requirement,
            });
        }
        if self.network.activation.slopes().is_none() {
            self.grid = unit_grid(nodes);
        }
        Ok(self)
    }

    /// The network's second layer.
    pub fn network(&self) -> &TwoLayer {
        &self.network
    }

    fn shape(&self) -> Shape {
        let (units, outputs) = self.network.weights.shape();
        let nodes = if self.grid.is_empty() { units } else { self.grid.len() - 2 };
        Shape { units, outputs, nodes }
    }
}

fn scramblings(units: usize, points: usize) -> Vec<GaussianPoints> {
    (0..SCRAMBLINGS).map(|seed| GaussianPoints::new(units - 1, points, seed)).collect()
}

/// One call on a batch of rows: what [`pulp`] compiles for the machine's vector units.
struct Batch<'a, 'b> {
    node: &'a TwoLayerMmse,
    observed: &'a [f64],
    cavity: &'a RowCavity<'a>,
    /// Moments, where they are asked for.
    out: Option<&'a mut RowEstimate<'b>>,
    /// Log-partition functions, where they are asked for.
    log_partition: Option<&'a mut [f64]>,
    memory: &'a mut [f64],
}

impl Batch<'_, '_> {
    fn len(node: &TwoLayerMmse) -> usize {
        let (d, outputs) = node.network.weights.shape();
        let lines = Lines::<pulp::Scalar>::len(d, node.points[0].count());
        let row = node.grid.len() + outputs + d;
        Whitening::len(d) + Frame::len(d, outputs) + row + lines + node.shape().len()
    }

    /// `log int p(y | z) exp(n'z - z' Gamma z / 2) dz` of row `i`, from the mean mass of its lines.
    fn log_partition(&self, i: usize, log_mass: f64, log_determinant: f64) -> f64 {
        const LOG_TAU: f64 = 1.837_877_066_409_345_5;
        let (d, outputs) = self.node.network.weights.shape();
        let row = i * d..(i + 1) * d;
        let (natural, mean) = (&self.cavity.natural()[row.clone()], &self.cavity.mean()[row]);
        let quadratic: f64 = natural.iter().zip(mean).map(|(n, r)| n * r).sum();
        let noise = outputs as f64 * (self.node.network.noise_precision.ln() - LOG_TAU);
        // One of the d factors sqrt(2 pi) is in the mass along the lines.
        log_mass + 0.5 * (quadratic - log_determinant + noise + (d as f64 - 1.0) * LOG_TAU)
    }
}

impl pulp::WithSimd for Batch<'_, '_> {
    type Output = Result<(), Breakdown>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(mut self, simd: S) -> Self::Output {
        let Self { node, observed, cavity, .. } = self;
        let network = &node.network;
        let (d, outputs) = network.weights.shape();
        let mut rest = core::mem::take(&mut self.memory);
        let mut take = |len: usize| {
            let (head, tail) = core::mem::take(&mut rest).split_at_mut(len);
            rest = tail;
            head
        };
        let memory = take(Whitening::len(d));
        let whitening = Whitening::new(cavity.precision(), cavity.first_row(), d, memory)?;
        let mut frame = Frame::new(d, outputs, take(Frame::len(d, outputs)));
        let (grid, target, direction) = (take(node.grid.len()), take(outputs), take(d));
        let count = node.points[0].count();
        let mut lines = Lines::new(simd, d, count, take(Lines::<S>::len(d, count)));
        let mut line = Line::new(simd, node.shape(), take(node.shape().len()));
        for i in 0..cavity.len() {
            let r = &cavity.mean()[i * d..(i + 1) * d];
            let y = &observed[i * outputs..(i + 1) * outputs];
            for ((t, y), b) in target.iter_mut().zip(y).zip(&network.bias) {
                *t = y - b;
            }
            let points = &node.points[(cavity.first_row() + i) % node.points.len()];
            let (centre, width) = frame.turn(network, &whitening, r, target);
            for (t, unit) in grid.iter_mut().zip(&node.grid) {
                *t = width.mul_add(*unit, centre);
            }
            for (a, row) in direction.iter_mut().zip(frame.map.chunks_exact(d)) {
                *a = row[0];
            }
            let ray = Ray { network, target, direction, grid };
            for b in 0..lines.registers() {
                lines::place(simd, line.base, points, b, (r, frame.map));
                lines.record(b, &line.integrate(&ray));
            }
            let log_mass = lines.weigh();
            if self.log_partition.is_some() {
                let value = self.log_partition(i, log_mass, whitening.log_determinant);
                if let Some(out) = &mut self.log_partition {
                    out[i] = value;
                }
            }
            if let Some(out) = &mut self.out {
                let mean = &mut out.mean[i * d..(i + 1) * d];
                let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
                lines.accumulate(points);
                lines.spread(frame.map, r, mean, covariance);
                if !mean.iter().chain(&*covariance).all(|v| v.is_finite()) {
                    return Err(Breakdown::NotFinite { port: 0, row: cavity.first_row() + i });
                }
            }
        }
        Ok(())
    }
}

impl Likelihood for TwoLayerMmse {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let memory = scratch.slice(Batch::len(self));
        pulp::Arch::new().dispatch(Batch {
            node: self,
            observed,
            cavity,
            out: Some(out),
            log_partition: None,
            memory,
        })
    }

    fn outputs(&self, _d: usize) -> usize {
        self.network.outputs()
    }

    fn columns(&self) -> Option<usize> {
        Some(self.network.hidden())
    }

    fn estimation(&self) -> Estimation {
        Estimation::Mmse
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        self.network.check_row(observed)
    }

    fn gaussian(&self, observed: &[f64]) -> Option<GaussianRow> {
        self.network.gaussian(observed)
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let mut memory = vec![0.0; Batch::len(self)];
        let batch = Batch {
            node: self,
            observed,
            cavity,
            out: None,
            log_partition: Some(out),
            memory: &mut memory,
        };
        pulp::Arch::new().dispatch(batch).is_ok()
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(self.network.uniforms())
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        self.network.draw(z, uniforms, y);
    }

    fn name(&self) -> String {
        format!("two-layer {:?}", self.network.activation)
    }
}
