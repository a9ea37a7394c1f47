//! The MAP node of a two-layer network: the best hidden row, and how it moves with the cavity, jumps included.

use fg_core::denoiser::{Estimation, GaussianRow, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;

use super::jumps::{self, Root, Scatter};
use super::label_patterns::LabelPatterns;
use super::newton::{self, Newton};
use super::patterns::{self, Kink, Patterns};
use super::{Activation, Output, TwoLayer, linear};
use crate::ParameterError;

/// Row maximisers of `n'z - z' Gamma z / 2 + log p(y | b2 + W2' sigma(z))`, the last term being
/// `-lambda / 2 |y - b2 - W2' sigma(z)|^2` with noise and `-log(1 + exp(-y (b2 + W2' sigma(z))))` with logistic labels.
///
/// # Method
///
/// Activations with a kink have finitely many pieces, on each of which the objective is concave, and quadratic with noise:
/// all are tried, and the global maximum is exact; with a label each takes the solution of an equation in one unknown. The others climb by safeguarded Newton steps with the exact Hessian. Where the data and
/// the cavity's precision bound the Hessian away from zero there is one maximum and one climb finds it; elsewhere there
/// are climbs from the cavity's mean and from where each unit in turn is bent, and the best top is taken.
///
/// # The covariance
///
/// `C = J Gamma^-1` with `J` the Jacobian of the estimate in the cavity's mean. A maximiser jumps where two maxima are
/// equally high, and the average of `J` over rows must count the jumps. So each row that may have several maxima adds to
/// its smooth Jacobian what central differences of the estimate find beyond it, over `step` cavity deviations in every
/// direction of the whitened row: nothing where the estimate is linear, and on average exactly the jumps. The
/// covariance of a single row near a jump then isn't a covariance of that row and can be indefinite; the average over
/// rows is what counts. How far it is from that of other rows of the same law is declared as the
/// [standard error](Scratch::declare) of the last estimate, that of the worst block of rows. With a
/// precision of its own for each row there is nothing to average over, and a step of zero serves better.
///
/// # Cost
///
/// `(2 d + 1)` solutions a row. With a kink each takes `3^d d (d + outputs)` operations, and all together as much
/// memory: no more than 8 units. Otherwise each takes a few Newton steps of `d^3` operations, and rows with one
/// maximum need one solution.
#[derive(Clone, Debug, PartialEq)]
pub struct TwoLayerMap {
    network: TwoLayer,
    step: f64,
}

/// Default of [`TwoLayerMap::with_step`]: the average over rows is that of a density smoothed over the step, whose
/// bias is of second order, while the noise of the jumps falls as one over the step.
pub(super) const STEP: f64 = 0.3;
/// Most units of an activation with a kink: `3^8` patterns take 4 MB, one unit more three times as much and as long.
const MOST_KINKED: usize = 8;

/// There is no finite maximum, or the climb to it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoMaximum;

/// What a row is about: the cavity's natural parameter, the data, and `y - b2` (with labels `-b2`).
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) natural: &'a [f64],
    pub(super) observed: &'a [f64],
    pub(super) target: &'a [f64],
}

/// Where a maximiser writes the best row (`d`) and the inverse of the negative Hessian there (`d x d`), both without
/// regard to jumps.
pub(super) struct Found<'a> {
    pub(super) z: &'a mut [f64],
    pub(super) covariance: &'a mut [f64],
}

/// Finds the best row for one cavity precision.
pub(super) trait Maximiser {
    /// Finds the best row; leaves what [`solve_near`](Self::solve_near) wants to know of it in `tops`.
    fn solve(
        &self,
        row: Row<'_>,
        tops: &mut [f64],
        found: Found<'_>,
        work: &mut [f64],
    ) -> Result<(), NoMaximum>;

    /// Finds the best row, given the tops of one whose cavity is near.
    fn solve_near(
        &self,
        row: Row<'_>,
        tops: &[f64],
        found: Found<'_>,
        work: &mut [f64],
    ) -> Result<(), NoMaximum>;

    /// Whether the best row may jump as the cavity's mean moves.
    fn jumps(&self, row: Row<'_>, work: &mut [f64]) -> bool;
}

impl TwoLayerMap {
    /// The node with the default step.
    ///
    /// # Errors
    /// [`ParameterError`] for more than 8 hidden units of an activation with a kink.
    pub fn new(network: TwoLayer) -> Result<Self, ParameterError> {
        if network.activation.kink().is_some() && network.hidden() > MOST_KINKED {
            return Err(ParameterError::OutOfRange {
                parameter: "number of hidden units",
                value: network.hidden() as f64,
                requirement: "at most 8 for the maximiser of an activation with a kink",
            });
        }
        Ok(Self { network, step: STEP })
    }

    /// Default: 0.3. Half the width, in deviations of the cavity, over which jumps are looked for; zero leaves jumps
    /// out and the covariance to the smooth part, which is wrong on average where there are jumps. Smaller steps find
    /// fewer rows near a jump, so that the average is noisier: by one over the root of the step. Runs of ReLU networks
    /// hardly notice (0.1 percent in the error of their weights from 0.05 to 0.6), and state evolution measures what a step
    /// leaves of the cavity in the messages.
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
        let kink = self.network.activation.kink();
        let buffer_len = kink.map_or(d * d, |_| patterns::buffer_len(d, outputs));
        let row_len = outputs + newton::tops(d) * d + 2 * d * d + d;
        let work_len = newton::work_len(d, outputs) + jumps::work_len(d);
        let memory = scratch.slice(2 * d * d + buffer_len + row_len + work_len);
        let (root, memory) = memory.split_at_mut(d * d);
        let (inverse, memory) = memory.split_at_mut(d * d);
        let (buffer, work) = memory.split_at_mut(buffer_len);
        root.copy_from_slice(gamma);
        small::cholesky(root, d).map_err(|_| improper)?;
        small::invert_positive(gamma, inverse, work, d).map_err(|_| improper)?;
        let root = Root { root, step: self.step };
        match (kink, self.network.output) {
            (Some(slopes), Output::Noise { precision: noise_precision }) => {
                let kink = Kink { slopes, noise_precision };
                let maximiser = Patterns::new(&self.network, kink, gamma, buffer, work);
                run(&maximiser.map_err(|_| improper)?, &root, work)
            }
            (Some(slopes), Output::Label(link)) => {
                let model = (&self.network, link, slopes);
                let maximiser = LabelPatterns::new(model, gamma, buffer, work);
                run(&maximiser.map_err(|_| improper)?, &root, work)
            }
            (None, _) => {
                self.network.gram(buffer);
                run(&Newton { network: &self.network, gamma, inverse, gram: buffer }, &root, work)
            }
        }
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
        if let (Activation::Linear, Some(lambda)) =
            (self.network.activation, self.network.noise_precision())
        {
            return linear::estimate(&self.network, lambda, (observed, cavity), out, scratch);
        }
        let error =
            self.with_maximiser(cavity.precision(), scratch, |maximiser, root, memory| {
                let (target, memory) = memory.split_at_mut(outputs);
                let (tops, memory) = memory.split_at_mut(newton::tops(d) * d);
                let (jumps, memory) = memory.split_at_mut(d * d);
                let (sum, memory) = memory.split_at_mut(d * d);
                let (line, work) = memory.split_at_mut(d);
                let mut scatter = Scatter::new(sum);
                for i in 0..cavity.len() {
                    let failed =
                        |_| Breakdown::NoConvergence { port: 0, row: cavity.first_row() + i };
                    let data = &observed[i * outputs..(i + 1) * outputs];
                    for (t, (y, b)) in target.iter_mut().zip(data.iter().zip(&self.network.bias)) {
                        *t = self.network.output.target(*y, *b);
                    }
                    let natural = &cavity.natural()[i * d..(i + 1) * d];
                    let row = Row { natural, observed: data, target };
                    let z = &mut out.mean[i * d..(i + 1) * d];
                    let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
                    let found = Found { z, covariance: &mut *covariance };
                    maximiser.solve(row, tops, found, work).map_err(failed)?;
                    if self.step > 0.0 && maximiser.jumps(row, work) {
                        root.jumps(maximiser, row, tops, jumps, work).map_err(failed)?;
                        scatter.add(jumps);
                        root.add_unwhitened(jumps, covariance, line, d);
                    }
                }
                let covariances = &out.covariance[..cavity.len() * d * d];
                Ok(scatter.relative_error(root, covariances, d))
            })?;
        scratch.declare(error);
        Ok(())
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

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let (d, outputs) = self.network.weights.shape();
        let rows = out.len();
        let (mut mean, mut covariance) = (vec![0.0; rows * d], vec![0.0; rows * d * d]);
        let mut found = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        // Jumps change covariances, not maxima.
        let still = Self { step: 0.0, ..self.clone() };
        if still.estimate(observed, cavity, &mut found, &mut Scratch::default()).is_err() {
            return false;
        }
        let mut prediction = vec![0.0; outputs];
        for (i, out) in out.iter_mut().enumerate() {
            let (z, n) = (&mean[i * d..(i + 1) * d], &cavity.natural()[i * d..(i + 1) * d]);
            self.network.predict(z, &mut prediction);
            let data = prediction.iter().zip(&observed[i * outputs..(i + 1) * outputs]);
            let output = self.network.output;
            let density =
                |(u, &y): (&f64, &f64)| output.log_scale() - output.loss(y, output.target(y, *u));
            let fit: f64 = data.map(density).sum();
            let linear: f64 = n.iter().zip(z).map(|(n, z)| n * z).sum();
            *out = fit + linear - 0.5 * small::bilinear(z, cavity.precision(), z, d);
        }
        true
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(self.network.uniforms())
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        self.network.draw(z, uniforms, y);
    }

    fn name(&self) -> String {
        format!("{}, MAP", self.network.name())
    }
}
