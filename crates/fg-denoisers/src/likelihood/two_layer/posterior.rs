//! The MMSE node of a two-layer network, with noise or labels: posterior mean and covariance of each hidden row.

use fg_core::denoiser::{Estimation, GaussianRow, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use super::batch::Batch;
use super::line::Shape;
use super::output::Term;
use super::sets::Sets;
use super::smooth::{Grid, NODES};
use super::trials::Trials;
use super::unit::OneUnit;
use super::{Output, TwoLayer};
use crate::ParameterError;
use crate::family::formula;
use crate::family::sides::Sides;

/// Row posteriors of `y = W2' sigma(z) + b2 + noise`, or of a label of that output, under a Gaussian cavity.
///
/// # Method
///
/// Each row is integrated along parallel lines in the direction in which the outputs vary most on average
/// under the cavity. On a line the integrand is piecewise Gaussian and integrated exactly (activations with kinks) or
/// with the network interpolated between `nodes` (the others), so that a noise precision many orders above the
/// cavity's does no harm. Across the lines it is summed over points: with noise and four units the corners of turned solids,
/// exact to degree five ([`GaussianPoints::cubic`](fg_core::special::points::GaussianPoints::cubic), and `icosahedral` where
/// data make a direction of a row of kinked units three times as precise and more), of two units steps of the one direction that
/// is left ([`GaussianPoints::steps`](fg_core::special::points::GaussianPoints::steps)), else `points` whitened, mirrored,
/// scrambled Sobol points. A likelihood that says nothing gives back the cavity to rounding. Rows take turns at several
/// turns or scramblings, so that integration errors average out over rows. Everything is deterministic.
///
/// Means are taken about the cavity's, and the covariance is a sum of positive matrices: one of each line's mean about the mean
/// of all, one along the lines. Kinks without mass next to them are left out: what is farther from the cavity's mean than
/// `-t^2 / 2` allows, next to the density there.
///
/// With a label the integrand isn't Gaussian on a piece, but on both sides of the zeros of the output its probability is a sum
/// of exponentials (a logistic link to `5e-8`, relative, a probit link to `1e-7` within five deviations of its noise), each
/// of which makes a Gaussian: exact however steep the output is.
///
/// # Declared error
///
/// The [standard error](Scratch::declare) of the averaged covariance has two parts. That of lines is found with labels from all
/// rows, half of whose points are independent of the others, and with noise from some rows that are asked again along the lines of
/// another turn: the first eight of a variable and every 76th. That of smooth units' nodes, which doesn't average out over rows alike,
/// is found from the first eight and every fourth of the others, asked with steps half as long. Calls without such a row declare
/// nothing of it. What all turns
/// have in common, such as the radii of solids, isn't seen; over 1000 rows of four units errors are between 0.6 and 1.7 times what is
/// declared, over seven rows of four smooth units up to seven times.
///
/// A label of a single ReLU unit needs no lines: registers of rows are answered by points that all of them share, to `1e-11` of
/// mean and variance, in some 26 ns a row. Where cavities are wide, so that the unit's output has a deviation of about eight of
/// the link's noise, two and a half of a normal one, rows are answered one by one over panels, to `1e-12`.
///
/// With several outputs only one of their directions is integrated along; the accuracy across it then falls where
/// `noise_precision` is far above the cavity's.
///
/// # Accuracy
///
/// With the defaults, at the cavities of runs of the published experiment (`d = 4`, 1000 samples, 10 dB, three data
/// sets), against 4096 lines of 101 nodes; the error of a row's mean is in its posterior deviations, root mean square,
/// those of the averaged covariance and of the message's precision are relative:
///
/// | activation | sweep | row mean | covariance | message |
/// |---|---|---|---|---|
/// | ReLU | 1 | 0.033 to 0.042 | 0.003 to 0.006 | 0.006 to 0.010 |
/// | ReLU | 20 | 0.012 to 0.016 | 0.001 to 0.002 | 0.012 to 0.018 |
/// | sigmoid | 1 | 0.003 to 0.008 | 0.001 to 0.002 | 0.003 to 0.017 |
/// | sigmoid | 20 | 0.004 to 0.007 | 0.0003 to 0.001 | 0.006 to 0.012 |
///
/// With labels, at cavities of deviations about one (`d = 4`, weights up to 2, random rows), an average over 40
/// rows (ReLU, `d = 3`) is off by what is declared, to a tenth; a single row's mean and covariance, in its deviations, against 256 lines of 129
/// nodes:
///
/// | activation, link | mean | covariance | declared | of the nodes alone |
/// |---|---|---|---|---|
/// | sigmoid, logistic | 0.001 | 0.008 | 0.007 | 0.0002 |
/// | tanh, logistic | 0.004 | 0.029 | 0.032 | 0.001 |
/// | sigmoid, probit of variance 0.5 | 0.002 | 0.012 | 0.014 | 0.0004 |
/// | tanh, probit of variance 0.5 | 0.008 | 0.034 | 0.048 | 0.003 |
/// | ReLU, logistic, against 16384 lines | 0.008 | 0.030 | 0.058 | none |
///
/// Labels of two smooth units, whose lines are exact: covariances of any row are off by what is declared, to a tenth, from
/// `1e-8` to `8e-3` with how much of the units' bend is within the cavity.
///
/// With noise test errors after 20 sweeps are within 1.2 percent of those with 512 lines of 65 nodes. Derivatives of the
/// log-partition function and of means agree with means and covariances to the accuracy above, not to rounding, and depend on whose
/// turn a row is.
///
/// # Cost
///
/// With labels every piece is one of ten (logistic) or fourteen (probit) Gaussians on either side of a zero. Per row
/// `points (d^2 + pieces)` with `pieces = d + 1` for activations with kinks and `nodes + 1` otherwise. Loops
/// are compiled for four units with one output and the default number of nodes; other sizes take about twice as long.
#[derive(Clone, Debug)]
pub struct TwoLayerMmse {
    pub(super) network: TwoLayer,
    pub(super) points: Sets,
    /// Where the lines have their nodes; empty for activations with kinks.
    pub(super) grid: Grid,
    /// A grid of half its steps, for the rows that are asked again.
    pub(super) finer: Grid,
    /// The probability of a label as a sum of exponentials; empty without labels.
    pub(super) terms: Vec<Term>,
    /// A label of one rectified unit needs neither lines nor terms.
    unit: Option<OneUnit>,
}

/// Default of [`TwoLayerMmse::with_nodes`] for a single hidden unit, where there is nothing but the one line.
const SINGLE_NODES: usize = 65;
/// Default of [`TwoLayerMmse::with_nodes`] for labels: posteriors stay as wide as the cavity, so that all of the activation
/// is seen.
const LABEL_NODES: usize = 9;
/// Bounds of the number of points: beyond, memory rather than accuracy grows.
const MOST_POINTS: usize = 1 << 16;

/// A grid of so many nodes, and one of half its steps.
fn grids(nodes: usize) -> (Grid, Grid) {
    (Grid::new(nodes), Grid::new(2 * nodes - 1))
}

impl TwoLayerMmse {
    /// The node with default accuracy.
    pub fn new(network: TwoLayer) -> Self {
        let single = network.hidden() == 1;
        let (terms, nodes) = match network.output {
            Output::Noise { .. } => (Vec::new(), NODES),
            Output::Label(link) => (link.terms(), LABEL_NODES),
        };
        let (grid, finer) = match network.activation.slopes() {
            Some(_) => (Grid::default(), Grid::default()),
            None => grids(if single { SINGLE_NODES } else { nodes }),
        };
        let unit = OneUnit::of(&network);
        Self { points: Sets::new(&network), network, grid, finer, terms, unit }
    }

    /// Default: 32 for activations with kinks and for labels, 16 for the others; with noise and four units the solids described
    /// above, of 16 and 32. Lines per row, by Sobol points or, of two units, steps, rounded up to a multiple of 16; each stands for a whole line of
    /// points. With a single hidden unit there is only one line, and none is needed where it has a kink and noise, or is a ReLU with a label.
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
        self.points = Sets::with_count(&self.network, points);
        Ok(self)
    }

    /// Default: 5, 9 for labels, and 65 for a single hidden unit. Nodes on each line between which a smooth activation is
    /// interpolated; of no effect for activations with kinks, which are exact.
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
            (self.grid, self.finer) = grids(nodes);
        }
        Ok(self)
    }

    /// The network's second layer.
    pub fn network(&self) -> &TwoLayer {
        &self.network
    }

    /// Both sides of the kink of a single unit, whose noisy output is seen: they need no lines.
    fn sides(&self, cavity: &RowCavity<'_>) -> Option<Sides> {
        let network = &self.network;
        let precision = network.noise_precision()?;
        let (left, right) = network.activation.kink()?;
        let (&[weight], &[offset]) = (network.weights.as_slice(), network.bias.as_slice()) else {
            return None;
        };
        let gamma = cavity.scalar_precision();
        let slopes = (weight * right, weight * left);
        (gamma > 0.0).then(|| Sides::new(slopes, (offset, precision), gamma))
    }

    /// The single rectified unit behind a label, under a proper cavity.
    fn unit(&self, cavity: &RowCavity<'_>) -> Option<&OneUnit> {
        self.unit.as_ref().filter(|_| cavity.scalar_precision() > 0.0)
    }

    pub(super) fn shape(&self, grid: &Grid) -> Shape {
        let (units, outputs) = self.network.weights.shape();
        let nodes = if grid.nodes.is_empty() { units } else { grid.inner() };
        Shape { units, outputs, nodes, far: grid.nodes.is_empty() }
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
        if let Some(sides) = self.sides(cavity) {
            formula::apply_observed(&sides, observed, cavity, out);
            return Ok(());
        }
        if let Some(unit) = self.unit(cavity) {
            return unit.estimate(observed, cavity, out, scratch);
        }
        let (lines, trials) = scratch.slice(Trials::len(self)).split_at_mut(Trials::lines(self));
        let halves = Batch {
            node: self,
            grid: &self.grid,
            turn: 0,
            observed,
            cavity,
            out: Some(&mut *out),
            log_partition: None,
            memory: lines,
        };
        let halves = halves.run()?;
        let again = Trials::new(self, trials).run(observed, cavity, out.covariance, lines)?;
        scratch.declare(halves.hypot(again));
        Ok(())
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
        if let Some(unit) = self.unit(cavity) {
            return unit.log_partition(observed, cavity, out);
        }
        let mut memory = vec![0.0; Batch::len(self, &self.grid)];
        let batch = Batch {
            node: self,
            grid: &self.grid,
            turn: 0,
            observed,
            cavity,
            out: None,
            log_partition: Some(out),
            memory: &mut memory,
        };
        batch.run().is_ok()
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(self.network.uniforms())
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        self.network.draw(z, uniforms, y);
    }

    fn has_density(&self) -> bool {
        self.network.noise_precision().is_some() && self.network.outputs() == 1
    }

    fn name(&self) -> String {
        self.network.name()
    }
}
