//! The frame decides along which line a row is integrated: coordinates in which the likelihood varies along the first.

use fg_core::factor::Breakdown;
use fg_core::message::small;

use super::TwoLayer;

/// The Gaussian that rows of a cavity share, in the form `z = r + L u` with `L L' = Gamma^-1`.
pub(super) struct Whitening<'a> {
    /// `L`, `d x d`, upper triangular.
    pub(super) root: &'a mut [f64],
    /// Variances of single units, the diagonal of `Gamma^-1`.
    pub(super) variances: &'a mut [f64],
    /// `log det Gamma`.
    pub(super) log_determinant: f64,
}

impl<'a> Whitening<'a> {
    /// Values needed by [`new`](Self::new).
    pub(super) fn len(d: usize) -> usize {
        2 * d * d + d
    }

    /// Whitens the Gaussian of this precision.
    pub(super) fn new(
        precision: &[f64],
        first_row: usize,
        d: usize,
        memory: &'a mut [f64],
    ) -> Result<Self, Breakdown> {
        let (root, rest) = memory.split_at_mut(d * d);
        let (factor, variances) = rest.split_at_mut(d * d);
        factor.copy_from_slice(precision);
        small::cholesky(factor, d)
            .map_err(|_| Breakdown::ImproperCavity { port: 0, row: first_row })?;
        let log_determinant = (0..d).map(|j| 2.0 * factor[j * d + j].ln()).sum();
        small::invert_lower(factor, root, d);
        factor.copy_from_slice(root);
        small::transpose(factor, root, d);
        for (j, v) in variances[..d].iter_mut().enumerate() {
            *v = root[j * d..(j + 1) * d].iter().map(|x| x * x).sum();
        }
        if root.iter().all(|v| v.is_finite()) {
            Ok(Self { root, variances: &mut variances[..d], log_determinant })
        } else {
            Err(Breakdown::ImproperCavity { port: 0, row: first_row })
        }
    }
}

/// What a row's integration starts from.
pub(super) struct Frame<'a> {
    /// `z = centre + map (t, u)`: the first column of the `d x d` map is the direction of the lines.
    pub(super) map: &'a mut [f64],
    /// Whitened mean slope of each output, `outputs x d`.
    slopes: &'a mut [f64],
    axis: &'a mut [f64],
    product: &'a mut [f64],
}

/// Steps of the power iteration for the direction all outputs together vary along most: it need not be exact.
const POWER_STEPS: usize = 6;
/// Reach of the grid of a broad posterior, in cavity deviations: beyond, a smooth network continues straight on.
const GRID_REACH: f64 = 3.0;
/// How much denser the grid is in its middle: its nodes are at multiples of `sinh(GRID_FOCUS x)`, `|x| <= 1`.
const GRID_FOCUS: f64 = 1.5;
/// The grid shrinks with the posterior, to this many of its linearised deviations, ..
const GRID_WIDTH: f64 = 3.0;
/// .. but not below this share, where the network is straight between nodes anyway.
const GRID_NARROWEST: f64 = 0.3;

/// The nodes of a grid of width one, with one more on either side.
pub(super) fn unit_grid(nodes: usize) -> Vec<f64> {
    let half = 0.5 * (nodes as f64 - 1.0);
    let node = |k: usize| (GRID_FOCUS * ((k as f64 - 1.0) / half - 1.0)).sinh();
    (0..nodes + 2).map(|k| GRID_REACH * node(k) / GRID_FOCUS.sinh()).collect()
}

impl<'a> Frame<'a> {
    /// Values needed by [`new`](Self::new).
    pub(super) fn len(d: usize, outputs: usize) -> usize {
        d * d + d * outputs + 2 * d
    }

    pub(super) fn new(d: usize, outputs: usize, memory: &'a mut [f64]) -> Self {
        let (map, rest) = memory.split_at_mut(d * d);
        let (slopes, rest) = rest.split_at_mut(d * outputs);
        let (axis, rest) = rest.split_at_mut(d);
        Self { map, slopes, axis, product: &mut rest[..d] }
    }

    /// Turns the first coordinate along the mean slope of the outputs under the cavity of mean `r`, and returns centre
    /// and width of a grid that covers the linearised posterior along it; `target = y - b2`.
    #[inline(always)]
    pub(super) fn turn(
        &mut self,
        network: &TwoLayer,
        whitening: &Whitening<'_>,
        r: &[f64],
        target: &[f64],
    ) -> (f64, f64) {
        let (d, outputs) = network.weights.shape();
        self.slopes.fill(0.0);
        for j in 0..d {
            let (slope, _) = network.activation.rough_average(r[j], whitening.variances[j]);
            for o in 0..outputs {
                let weight = network.weights[(j, o)] * slope;
                let row = &whitening.root[j * d..(j + 1) * d];
                for (g, l) in self.slopes[o * d..(o + 1) * d].iter_mut().zip(row) {
                    *g = weight.mul_add(*l, *g);
                }
            }
        }
        self.principal(d, outputs);
        self.reflect(d, whitening.root);
        self.grid(network, whitening, r, target)
    }

    /// The unit vector along which the outputs vary most; the first one where they don't vary at all.
    #[inline(always)]
    fn principal(&mut self, d: usize, outputs: usize) {
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let (mut longest, mut at) = (0.0, 0);
        for o in 0..outputs {
            let length = norm(&self.slopes[o * d..(o + 1) * d]);
            if length > longest {
                (longest, at) = (length, o);
            }
        }
        if !(longest > 0.0) {
            self.axis.fill(0.0);
            self.axis[0] = 1.0;
            return;
        }
        for (a, g) in self.axis.iter_mut().zip(&self.slopes[at * d..(at + 1) * d]) {
            *a = g / longest;
        }
        for _ in 0..if outputs == 1 { 0 } else { POWER_STEPS } {
            self.product.fill(0.0);
            for slope in self.slopes.chunks_exact(d) {
                let along: f64 = slope.iter().zip(&*self.axis).map(|(g, a)| g / longest * a).sum();
                for (p, g) in self.product.iter_mut().zip(slope) {
                    *p += along * g / longest;
                }
            }
            let length = norm(self.product);
            for (a, p) in self.axis.iter_mut().zip(&*self.product) {
                *a = p / length;
            }
        }
    }

    /// `map = L H` with the Householder reflection `H = I - 2 v v' / v'v` whose first column is the axis, up to sign.
    #[inline(always)]
    fn reflect(&mut self, d: usize, root: &[f64]) {
        let sign = if self.axis[0] < 0.0 { -1.0 } else { 1.0 };
        let first = self.axis[0] + sign;
        // v = axis + sign e_1 is never small; v'v = 2 (1 + |axis_1|).
        let scale = 2.0 / (2.0 * (1.0 + self.axis[0].abs()));
        for j in 0..d {
            let (row, out) = (&root[j * d..(j + 1) * d], &mut self.map[j * d..(j + 1) * d]);
            let mut along = row[0] * first;
            for k in 1..d {
                along = row[k].mul_add(self.axis[k], along);
            }
            along *= scale;
            out[0] = (-along).mul_add(first, row[0]);
            for k in 1..d {
                out[k] = (-along).mul_add(self.axis[k], row[k]);
            }
        }
    }

    /// Where the linearised network puts the posterior of the first coordinate.
    #[inline(always)]
    fn grid(
        &self,
        network: &TwoLayer,
        whitening: &Whitening<'_>,
        r: &[f64],
        target: &[f64],
    ) -> (f64, f64) {
        if network.activation.slopes().is_some() {
            return (0.0, 1.0);
        }
        let (d, lambda) = (network.hidden(), network.noise_precision);
        let (mut square, mut product) = (0.0, 0.0);
        for (o, &y) in target.iter().enumerate() {
            let (mut residual, mut slope) = (y, 0.0);
            for j in 0..d {
                let (gain, value) = network.activation.rough_average(r[j], whitening.variances[j]);
                residual -= network.weights[(j, o)] * value;
                slope += network.weights[(j, o)] * gain * self.map[j * d];
            }
            square += slope * slope;
            product += slope * residual;
        }
        let variance = 1.0 / lambda.mul_add(square, 1.0);
        let centre = lambda * product * variance;
        let width = (GRID_WIDTH * variance.sqrt()).clamp(GRID_NARROWEST, 1.0);
        (centre, width)
    }
}
