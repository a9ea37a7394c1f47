//! The frame decides along which line a row is integrated: coordinates in which the likelihood varies along the first.

use fg_core::special::number::Lanes;
use pulp::Simd;

use super::density::Density;
use super::{Activation, TwoLayer};
use crate::family::lines::{LONGEST, Whitening, reflect};

/// What a row's integration starts from.
pub(super) struct Frame<'a> {
    /// `z = centre + map (t, u)`: the first column of the `d x d` map is the direction of the lines.
    pub(super) map: &'a mut [f64],
    /// Whitened mean slope of each output, `outputs x d`.
    slopes: &'a mut [f64],
    axis: &'a mut [f64],
    product: &'a mut [f64],
    /// Cavity means of the units, then rough averages of their slopes and values, each as whole registers.
    units: [&'a mut [f64]; 3],
}

/// Steps of the power iteration for the direction all outputs together vary along most: it need not be exact.
const POWER_STEPS: usize = 6;

impl<'a> Frame<'a> {
    /// Values needed by [`new`](Self::new).
    pub(super) fn len(d: usize, outputs: usize) -> usize {
        d * d + d * outputs + 2 * d + 3 * d.next_multiple_of(LONGEST)
    }

    #[inline(always)]
    pub(super) fn new(d: usize, outputs: usize, memory: &'a mut [f64]) -> Self {
        let (map, rest) = memory.split_at_mut(d * d);
        let (slopes, rest) = rest.split_at_mut(d * outputs);
        let (axis, rest) = rest.split_at_mut(d);
        let (product, rest) = rest.split_at_mut(d);
        let (first, rest) = rest.split_at_mut(d.next_multiple_of(LONGEST));
        let (second, third) = rest.split_at_mut(d.next_multiple_of(LONGEST));
        first.fill(0.0);
        Self { map, slopes, axis, product, units: [first, second, third] }
    }

    /// Turns the first coordinate along the mean slope of the outputs under the cavity of mean `r`; returns the square of
    /// that slope, the largest one where there are several outputs.
    #[inline(always)]
    pub(super) fn turn<S: Simd>(
        &mut self,
        simd: S,
        network: &TwoLayer,
        whitening: &Whitening<'_>,
        r: &[f64],
    ) -> f64 {
        let (d, outputs) = (r.len(), network.outputs());
        let weights = &network.weights.as_slice()[..d * outputs];
        self.sense(simd, network.activation, whitening, r);
        self.slopes.fill(0.0);
        for j in 0..d {
            for o in 0..outputs {
                let weight = weights[j * outputs + o] * self.units[1][j];
                let row = &whitening.root[j * d..(j + 1) * d];
                for (g, l) in self.slopes[o * d..(o + 1) * d].iter_mut().zip(row) {
                    *g = weight.mul_add(*l, *g);
                }
            }
        }
        let steepest = self.principal(d, outputs);
        reflect(self.axis, whitening.root, self.map);
        steepest
    }

    /// Averages slopes and values of the units under the cavity, a register of units at a time.
    #[inline(always)]
    fn sense<S: Simd>(
        &mut self,
        simd: S,
        activation: Activation,
        whitening: &Whitening<'_>,
        r: &[f64],
    ) {
        let [means, slopes, values] = &mut self.units;
        means[..r.len()].copy_from_slice(r);
        let means = S::as_simd_f64s(means).0.iter().zip(S::as_simd_f64s(whitening.variances).0);
        let found = S::as_mut_simd_f64s(slopes).0.iter_mut().zip(S::as_mut_simd_f64s(values).0);
        let used = r.len().div_ceil(S::F64_LANES);
        for ((mean, variance), (slope, value)) in means.zip(found).take(used) {
            let load = |v| Lanes::new(simd, v);
            let rough = activation.rough_average(load(*mean), load(*variance));
            (*slope, *value) = (rough.0.get(), rough.1.get());
        }
    }

    /// The unit vector along which the outputs vary most; the first one where they don't vary at all. Returns the square of the
    /// largest slope.
    #[inline(always)]
    fn principal(&mut self, d: usize, outputs: usize) -> f64 {
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
            return 0.0;
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
        longest * longest
    }

    /// Centre and width of a grid that covers the posterior of the first coordinate that the linearised network has.
    #[inline(always)]
    pub(super) fn grid(
        &self,
        network: &TwoLayer,
        density: impl Density,
        observed: &[f64],
        target: &[f64],
    ) -> (f64, f64) {
        if network.activation.slopes().is_some() {
            return (0.0, 1.0);
        }
        let outputs = target.len();
        let d = self.map.len().isqrt();
        let weights = network.weights.as_slice();
        let linear = target.iter().enumerate().map(|(o, &y)| {
            let (mut residual, mut slope) = (y, 0.0);
            for j in 0..d {
                let (gain, value) = (self.units[1][j], self.units[2][j]);
                residual -= weights[j * outputs + o] * value;
                slope += weights[j * outputs + o] * gain * self.map[j * d];
            }
            (residual, slope)
        });
        density.grid(observed, linear)
    }
}
