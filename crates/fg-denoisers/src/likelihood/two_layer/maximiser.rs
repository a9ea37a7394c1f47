//! The MAP node of a two-layer network: the best hidden row, and how it moves with the cavity, jumps included.

use fg_core::denoiser::{Estimation, GaussianRow, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;

use super::TwoLayer;
use super::newton::{self, Newton};
use super::patterns::{self, Patterns};
use crate::ParameterError;

/// Row maximisers of `n'z - z' Gamma z / 2 - lambda / 2 |y - b2 - W2' sigma(z)|^2`.
///
/// # Method
///
/// Activations with a kink have finitely many pieces, on each of which the objective is quadratic: all are tried, and
/// the global maximum is exact. The others climb by safeguarded Newton steps with the exact Hessian from the cavity's
/// mean, the origin and the mirrored mean, and the best top is taken.
///
/// # The covariance
///
/// `C = J Gamma^-1` with `J` the Jacobian of the estimate in the cavity's mean. A maximiser jumps where two maxima are
/// equally high, and the average of `J` over rows must count the jumps. So each row adds to its smooth Jacobian what
/// central differences of the estimate find beyond it, over `step` cavity deviations in every direction of the
/// whitened row: nothing where the estimate is smooth, and on average exactly the jumps. The covariance of a single row
/// near a jump then isn't a covariance of that row and can be indefinite; the average over rows is what counts.
///
/// # Cost
///
/// `(2 d + 1)` solutions a row, each `3^d d (d + outputs)` operations with a kink, and as
/// much memory: meant for up to about eight units.
#[derive(Clone, Debug, PartialEq)]
pub struct TwoLayerMap {
    network: TwoLayer,
    step: f64,
}

/// Default of [`TwoLayerMap::with_step`]: the average over rows is that of a density smoothed over the step, whose
/// bias is of second order, while the noise of the jumps falls as one over the step.
pub(super) const STEP: f64 = 0.3;

/// There is no finite maximum, or the climb to it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoMaximum;

/// Finds the best row for one cavity precision.
pub(super) trait Maximiser {
    /// Writes the maximiser (`d`) and the inverse of the negative Hessian there (`d x d`), both without regard to
    /// jumps; returns the maximum. `target` is `y - b2`.
    fn solve(
        &self,
        natural: &[f64],
        target: &[f64],
        z: &mut [f64],
        covariance: &mut [f64],
        work: &mut [f64],
    ) -> Result<f64, NoMaximum>;
}

impl TwoLayerMap {
    /// The node with the default step.
    pub fn new(network: TwoLayer) -> Self {
        Self { network, step: STEP }
    }

    /// Default: 0.3. Half the width, in deviations of the cavity, over which jumps are looked for; zero leaves jumps
    /// out and the covariance to the smooth part, which is wrong on average where there are jumps.
    ///
    /// # Errors
    /// [`ParameterError`] when the step is negative or not finite.
    pub fn with_step(mut self, step: f64) -> Result<Self, ParameterError> {
        if !(0.0..f64::INFINITY).contains(&step) {
            let requirement = "at least zero and finite";
            return Err(ParameterError::OutOfRange { parameter: "step", value: step, requirement });
        }
        self.step = step;
        Ok(self)
    }

    /// The network's second layer.
    pub fn network(&self) -> &TwoLayer {
        &self.network
    }

    /// Prepares the maximiser for one precision and hands it on, with the rest of the memory.
    fn with_maximiser<R>(
        &self,
        gamma: &[f64],
        scratch: &mut Scratch,
        run: impl FnOnce(&dyn Maximiser, &Root<'_>, &mut [f64]) -> Result<R, Breakdown>,
    ) -> Result<R, Breakdown> {
        let (d, outputs) = self.network.weights.shape();
        let improper = Breakdown::ImproperCavity { port: 0, row: 0 };
        let slopes = self.network.activation.slopes();
        let buffer_len = slopes.map_or(0, |_| patterns::buffer_len(d, outputs));
        let row_len = newton::work_len(d, outputs) + 4 * d + outputs + 4 * d * d;
        let memory = scratch.slice(2 * d * d + buffer_len + row_len);
        let (root, memory) = memory.split_at_mut(d * d);
        let (inverse, memory) = memory.split_at_mut(d * d);
        let (buffer, work) = memory.split_at_mut(buffer_len);
        root.copy_from_slice(gamma);
        small::cholesky(root, d).map_err(|_| improper)?;
        small::invert_positive(gamma, inverse, work, d).map_err(|_| improper)?;
        let root = Root { root, step: self.step };
        match slopes {
            Some(slopes) => {
                let maximiser = Patterns::new(&self.network, slopes, gamma, buffer, work);
                run(&maximiser.map_err(|_| improper)?, &root, work)
            }
            None => run(&Newton { network: &self.network, gamma, inverse }, &root, work),
        }
    }
}

/// `Gamma = L L'`, and the step over which differences are taken.
struct Root<'a> {
    root: &'a [f64],
    step: f64,
}

impl Root<'_> {
    /// Adds to the whitened Jacobian (`d x d`) what differences of the estimate find beyond the smooth one.
    ///
    /// With `w = L' r` and `g = L' z`, the cavity `n + h L e_k` is the whitened mean moved by `h e_k`.
    fn add_jumps(
        &self,
        maximiser: &dyn Maximiser,
        (natural, target): (&[f64], &[f64]),
        jacobian: &mut [f64],
        work: &mut [f64],
    ) -> Result<(), NoMaximum> {
        let d = natural.len();
        let (moved, work) = work.split_at_mut(d);
        let (z, work) = work.split_at_mut(d);
        let (column, work) = work.split_at_mut(d);
        let (covariance, work) = work.split_at_mut(d * d);
        for k in 0..d {
            column.fill(0.0);
            for side in [1.0, -1.0] {
                for j in 0..d {
                    moved[j] = natural[j] + side * self.step * self.root[j * d + k];
                }
                maximiser.solve(moved, target, z, covariance, work)?;
                for i in 0..d {
                    // Row i of L' times z, and of the smooth whitened Jacobian L' C L in column k.
                    let g: f64 = (i..d).map(|j| self.root[j * d + i] * z[j]).sum();
                    let smooth = self.whitened(covariance, i, k, d);
                    column[i] += side * g / (2.0 * self.step) - 0.5 * smooth;
                }
            }
            for i in 0..d {
                jacobian[i * d + k] += column[i];
            }
        }
        Ok(())
    }

    /// Entry `(i, k)` of `L' C L`.
    fn whitened(&self, covariance: &[f64], i: usize, k: usize, d: usize) -> f64 {
        let mut sum = 0.0;
        for a in i..d {
            for b in k..d {
                sum += self.root[a * d + i] * covariance[a * d + b] * self.root[b * d + k];
            }
        }
        sum
    }

    /// `C = L^-T J L^-1`, symmetric part.
    fn unwhiten(&self, jacobian: &mut [f64], covariance: &mut [f64], row: &mut [f64], d: usize) {
        small::symmetrise(jacobian, d);
        for i in 0..d {
            // Row i of J L^-1 is L^-T applied to it, since (x' L^-1)' = L^-T x.
            small::solve_lower_transposed(self.root, &mut jacobian[i * d..(i + 1) * d], d);
        }
        for j in 0..d {
            for i in 0..d {
                row[i] = jacobian[i * d + j];
            }
            small::solve_lower_transposed(self.root, row, d);
            for i in 0..d {
                covariance[i * d + j] = row[i];
            }
        }
        small::symmetrise(covariance, d);
    }
}

impl Likelihood for TwoLayerMap {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let (d, outputs) = self.network.weights.shape();
        self.with_maximiser(cavity.precision(), scratch, |maximiser, root, memory| {
            let (target, memory) = memory.split_at_mut(outputs);
            let (jacobian, memory) = memory.split_at_mut(d * d);
            let (row, work) = memory.split_at_mut(d);
            for i in 0..cavity.len() {
                let failed = |_| Breakdown::NoConvergence { port: 0, row: cavity.first_row() + i };
                let natural = &cavity.natural()[i * d..(i + 1) * d];
                let data = &observed[i * outputs..(i + 1) * outputs];
                for (t, (y, b)) in target.iter_mut().zip(data.iter().zip(&self.network.bias)) {
                    *t = y - b;
                }
                let mean = &mut out.mean[i * d..(i + 1) * d];
                let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
                maximiser.solve(natural, target, mean, covariance, work).map_err(failed)?;
                if self.step == 0.0 {
                    continue;
                }
                for a in 0..d {
                    for b in 0..d {
                        jacobian[a * d + b] = root.whitened(covariance, a, b, d);
                    }
                }
                root.add_jumps(maximiser, (natural, target), jacobian, work).map_err(failed)?;
                root.unwhiten(jacobian, covariance, row, d);
            }
            Ok(())
        })
    }

    fn outputs(&self, _d: usize) -> usize {
        self.network.outputs()
    }

    fn columns(&self) -> Option<usize> {
        Some(self.network.hidden())
    }

    fn estimation(&self) -> Estimation {
        Estimation::Map
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        self.network.check_row(observed)
    }

    fn gaussian(&self, observed: &[f64]) -> Option<GaussianRow> {
        self.network.gaussian(observed)
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(self.network.uniforms())
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        self.network.draw(z, uniforms, y);
    }

    fn name(&self) -> String {
        format!("two-layer {:?}, MAP", self.network.activation)
    }
}
