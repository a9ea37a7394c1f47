//! The MMSE node of a two-layer network: posterior mean and covariance of each hidden row.

use fg_core::denoiser::{Estimation, GaussianRow, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::exp;
use fg_core::special::points::GaussianPoints;

use super::frame::{Frame, Whitening};
use super::line::{Lines, Shape};
use super::TwoLayer;
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
    nodes: usize,
}

/// Default of [`TwoLayerMmse::with_points`].
const POINTS: usize = 64;
/// Default of [`TwoLayerMmse::with_nodes`].
const NODES: usize = 9;
/// How many scramblings rows take turns at: their errors average out, and they stay in the cache.
const SCRAMBLINGS: u32 = 16;
/// Bounds of the number of points: beyond, memory rather than accuracy grows.
const MOST_POINTS: usize = 1 << 16;

impl TwoLayerMmse {
    /// The node with default accuracy.
    pub fn new(network: TwoLayer) -> Self {
        let nodes = match network.activation.slopes() {
            Some(_) => network.hidden(),
            None => NODES,
        };
        let points = scramblings(network.hidden(), POINTS);
        Self { network, points, nodes }
    }

    /// Default: 64. Lines per row, rounded up to a multiple of 16; each stands for a whole line of points. With a
    /// single hidden unit there is only one line.
    ///
    /// # Errors
    /// [`ParameterError`] when there is no point or more than 65536.
    pub fn with_points(mut self, points: usize) -> Result<Self, ParameterError> {
        if points == 0 || points > MOST_POINTS {
            let requirement = "between 1 and 65536";
            return Err(ParameterError::OutOfRange { name: "points", value: points as f64, requirement });
        }
        self.points = scramblings(self.network.hidden(), points);
        Ok(self)
    }

    /// Default: 9. Nodes on each line between which a smooth activation is interpolated; of no effect for
    /// activations with kinks, which are exact.
    ///
    /// # Errors
    /// [`ParameterError`] for fewer than 3 nodes or more than 1001.
    pub fn with_nodes(mut self, nodes: usize) -> Result<Self, ParameterError> {
        if !(3..=1001).contains(&nodes) {
            let requirement = "between 3 and 1001";
            return Err(ParameterError::OutOfRange { name: "nodes", value: nodes as f64, requirement });
        }
        if self.network.activation.slopes().is_none() {
            self.nodes = nodes;
        }
        Ok(self)
    }

    /// The network's second layer.
    pub fn network(&self) -> &TwoLayer {
        &self.network
    }

    fn shape(&self) -> Shape {
        let (units, outputs) = self.network.weights.shape();
        Shape { lines: self.points[0].count(), units, outputs, nodes: self.nodes }
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
    fn len(shape: Shape) -> usize {
        let d = shape.units;
        Whitening::len(d)
            + Frame::len(d, shape.outputs)
            + shape.outputs
            + 2 * (d * d + d)
            + shape.len()
    }
}

impl pulp::NullaryFnOnce for Batch<'_, '_> {
    type Output = Result<(), Breakdown>;

    #[inline(always)]
    fn call(mut self) -> Self::Output {
        let Self { node, observed, cavity, .. } = self;
        let network = &node.network;
        let (d, outputs) = network.weights.shape();
        let (head, rest) = self.memory.split_at_mut(Whitening::len(d));
        let whitening = Whitening::new(cavity.precision(), cavity.first_row(), d, head)?;
        let (head, rest) = rest.split_at_mut(Frame::len(d, outputs));
        let mut frame = Frame::new(d, outputs, head);
        let (target, rest) = rest.split_at_mut(outputs);
        let (direction, rest) = rest.split_at_mut(d);
        let (moments, rest) = rest.split_at_mut(2 * d * d + d);
        let mut lines = Lines::new(node.shape(), rest);
        for i in 0..cavity.len() {
            let r = &cavity.mean()[i * d..(i + 1) * d];
            let y = &observed[i * outputs..(i + 1) * outputs];
            for ((t, y), b) in target.iter_mut().zip(y).zip(&network.bias) {
                *t = y - b;
            }
            let points = &node.points[(cavity.first_row() + i) % node.points.len()];
            let grid = frame.turn(network, &whitening, r, target);
            place(&mut lines, points, r, frame.map, d);
            for (j, a) in direction.iter_mut().enumerate() {
                *a = frame.map[j * d];
            }
            lines.integrate(network, target, direction, grid);
            let log_mass = weigh(&mut lines);
            if let Some(out) = &mut self.log_partition {
                let natural = &cavity.natural()[i * d..(i + 1) * d];
                let quadratic: f64 = natural.iter().zip(r).map(|(n, r)| n * r).sum();
                let noise = (network.noise_precision / (2.0 * core::f64::consts::PI)).ln();
                out[i] = log_mass
                    + 0.5 * (quadratic - whitening.log_determinant)
                    + 0.5
                        * (outputs as f64 * noise
                            + (d as f64 - 1.0) * (2.0 * core::f64::consts::PI).ln());
            }
            if let Some(out) = &mut self.out {
                let mean = &mut out.mean[i * d..(i + 1) * d];
                let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
                accumulate(&lines, points, moments, d);
                spread(moments, frame.map, r, mean, covariance);
                if !mean.iter().chain(&*covariance).all(|v| v.is_finite()) {
                    return Err(Breakdown::NotFinite { port: 0, row: cavity.first_row() + i });
                }
            }
        }
        Ok(())
    }
}

/// Where the lines cross the plane `t = 0`: `base = r + map (0, u)`.
#[inline(always)]
fn place(lines: &mut Lines<'_>, points: &GaussianPoints, r: &[f64], map: &[f64], d: usize) {
    let n = points.count();
    for j in 0..d {
        let base = &mut lines.base[j * n..(j + 1) * n];
        base.fill(r[j]);
        for k in 1..d {
            let entry = map[j * d + k];
            for (b, &u) in base.iter_mut().zip(points.component(k - 1)) {
                *b = entry.mul_add(u, *b);
            }
        }
    }
}

/// Replaces the masses by weights that add up to one; returns the logarithm of the mean mass.
#[inline(always)]
fn weigh(lines: &mut Lines<'_>) -> f64 {
    let highest = lines.top.iter().fold(f64::NEG_INFINITY, |m, &v| if v > m { v } else { m });
    for (m, &t) in lines.mass.iter_mut().zip(&*lines.top) {
        *m *= exp::exp(t - highest);
    }
    let total = sum(lines.mass, |l, m| m[l]);
    let inverse = 1.0 / total;
    for m in lines.mass.iter_mut() {
        *m *= inverse;
    }
    highest + (total / lines.mass.len() as f64).ln()
}

/// Independent partial sums, so that a reduction vectorises: floating-point sums may not be reordered.
const PARTIAL: usize = 8;

/// `sum_l term(l, weights)` in a fixed order.
#[inline(always)]
fn sum(weights: &[f64], term: impl Fn(usize, &[f64]) -> f64) -> f64 {
    let n = weights.len();
    let mut partial = [0.0; PARTIAL];
    let whole = n / PARTIAL * PARTIAL;
    let mut start = 0;
    while start < whole {
        for k in 0..PARTIAL {
            partial[k] += term(start + k, weights);
        }
        start += PARTIAL;
    }
    let mut total = partial.iter().sum();
    for l in whole..n {
        total += term(l, weights);
    }
    total
}

/// Mean (`d`) and covariance (`d x d`) of `(t, u)`, into the front of `moments`.
#[inline(always)]
fn accumulate(lines: &Lines<'_>, points: &GaussianPoints, moments: &mut [f64], d: usize) {
    let n = points.count();
    let (weights, t, v) = (&lines.mass[..n], &lines.mean[..n], &lines.variance[..n]);
    let (mean, second) = moments.split_at_mut(d);
    mean[0] = sum(weights, |l, w| w[l] * t[l]);
    let centre = mean[0];
    second[0] = sum(weights, |l, w| w[l] * (t[l] - centre).mul_add(t[l] - centre, v[l]));
    for k in 1..d {
        let u = &points.component(k - 1)[..n];
        mean[k] = sum(weights, |l, w| w[l] * u[l]);
        second[k] = sum(weights, |l, w| w[l] * (t[l] - centre) * u[l]);
        second[k * d] = second[k];
        for m in 1..=k {
            let other = &points.component(m - 1)[..n];
            let moment = sum(weights, |l, w| w[l] * u[l] * other[l]);
            second[k * d + m] = mean[k].mul_add(-mean[m], moment);
            second[m * d + k] = second[k * d + m];
        }
    }
}

/// Takes mean and covariance of `(t, u)` to those of `z = r + map (t, u)`.
#[inline(always)]
fn spread(moments: &mut [f64], map: &[f64], r: &[f64], mean: &mut [f64], covariance: &mut [f64]) {
    let d = r.len();
    let (first, rest) = moments.split_at_mut(d);
    let (second, product) = rest.split_at_mut(d * d);
    for j in 0..d {
        let row = &map[j * d..(j + 1) * d];
        let mut shift = 0.0;
        for k in 0..d {
            shift = row[k].mul_add(first[k], shift);
        }
        mean[j] = r[j] + shift;
        for m in 0..d {
            let mut entry = 0.0;
            for k in 0..d {
                entry = row[k].mul_add(second[k * d + m], entry);
            }
            product[j * d + m] = entry;
        }
    }
    for j in 0..d {
        for k in 0..=j {
            let mut entry = 0.0;
            for m in 0..d {
                entry = product[j * d + m].mul_add(map[k * d + m], entry);
            }
            covariance[j * d + k] = entry;
            covariance[k * d + j] = entry;
        }
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
        let memory = scratch.slice(Batch::len(self.shape()));
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
        let mut memory = vec![0.0; Batch::len(self.shape())];
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
