//! Laws of two-port estimators.

use super::calculus::{STENCIL, slope};
use super::calibration::{Average, point};
use super::input::{CORRELATIONS, Input};
use super::laws::{Applies, given};
use super::robustness::{DIRT, PATHS, TOGETHER, semi_definite};
use super::{Violation, demand};
use crate::denoiser::{Channel, Estimation, RowCavity, RowEstimate, Scratch};
use crate::factor::Breakdown;
use crate::factor::partition::log_volume;
use crate::message::small;
use crate::special::{open_uniform, quantile};

/// Means and covariances at the two ports.
type Ports = [(Vec<f64>, Vec<f64>); 2];

fn estimate(
    channel: &dyn Channel,
    inputs: [&Input; 2],
    scratch: &mut Scratch,
) -> Result<Ports, Breakdown> {
    estimate_rows(channel, inputs.map(Input::cavity), scratch)
}

fn estimate_rows(
    channel: &dyn Channel,
    cavities: [RowCavity<'_>; 2],
    scratch: &mut Scratch,
) -> Result<Ports, Breakdown> {
    let [mut a, mut b] = cavities.each_ref().map(|cavity| {
        let (n, d) = (cavity.len(), cavity.columns());
        (vec![f64::NAN; n * d], vec![f64::NAN; n * d * d])
    });
    let [mut x, mut y] =
        [&mut a, &mut b].map(|(mean, covariance)| RowEstimate { mean, covariance });
    channel.estimate([&cavities[0], &cavities[1]], [&mut x, &mut y], scratch)?;
    Ok([a, b])
}

fn describe(inputs: [&Input; 2]) -> String {
    format!("input {:?}; output {:?}", inputs[0], inputs[1])
}

fn refused(
    channel: &dyn Channel,
    law: &'static str,
    inputs: [&Input; 2],
    breakdown: Breakdown,
) -> Violation {
    Violation {
        subject: channel.name(),
        law,
        input: format!("{} ({breakdown})", describe(inputs)),
        expected: 0.0,
        found: f64::NAN,
        tolerance: 0.0,
    }
}

/// A channel and the columns of its input and of its output, where it takes such an input.
pub(super) struct Pipe<'a> {
    pub(super) channel: &'a dyn Channel,
    pub(super) d: usize,
    pub(super) outputs: Option<usize>,
}

impl<'a> Pipe<'a> {
    pub(super) fn new(channel: &'a dyn Channel, d: usize) -> Self {
        let outputs = if d > 0 { channel.output_columns(d).filter(|&e| e > 0) } else { None };
        Self { channel, d, outputs }
    }

    /// Columns at both ports.
    pub(super) fn columns(&self) -> [usize; 2] {
        [self.d, self.outputs.unwrap_or_default()]
    }

    pub(super) fn mean(&self) -> Applies {
        given(self.channel.estimation() == Estimation::Mmse, "it answers with maximisers")
    }

    pub(super) fn draws(&self) -> Applies {
        given(self.channel.uniforms(self.d).is_some(), "it draws nothing")
    }

    pub(super) fn log_partition(&self) -> Applies {
        let known = |pair: &[Input; 2]| log_partition(self.channel, each(pair)).is_some();
        given(self.pairs().iter().any(known), "its log-partition function isn't known")
    }

    pub(super) fn several_columns(&self) -> Applies {
        given(self.columns() != [1, 1], "there is one column")
    }

    /// A row of which nothing is known but at the input.
    fn open_end(&self) -> [Input; 2] {
        let [d, e] = self.columns();
        [Input::examples(d)[0].first_row(), Input::nothing(e)]
    }

    /// Cavities of both ports; those where one of them has no information at the end.
    fn pairs(&self) -> Vec<[Input; 2]> {
        let [mut inputs, mut outputs] = self.columns().map(Input::examples);
        // The last example has no information, which is for the other port to have.
        inputs.pop();
        outputs.pop();
        let closed = [Input::nothing(self.d), outputs[0].first_row()];
        outputs.rotate_left(1);
        let count = inputs.len();
        let second = outputs.into_iter().cycle().take(count);
        let mut pairs: Vec<_> = inputs.into_iter().zip(second).map(<[Input; 2]>::from).collect();
        // An output that doesn't bound the input leaves it improper.
        let found = estimate(self.channel, each(&closed), &mut Scratch::default());
        if !matches!(found, Err(Breakdown::ImproperCavity { port: 0, .. })) {
            pairs.push(closed);
        }
        pairs.push(self.open_end());
        pairs
    }
}

fn each([a, b]: &[Input; 2]) -> [&Input; 2] {
    [a, b]
}

/// Step in `n`, in units of one over the deviation, and the accuracy of extrapolated differences.
const STEP: f64 = 1e-3;
const DIFFERENCE: f64 = 1e-7;

/// Accuracy of log-partition functions, relative to themselves and to one.
const NORMALISED: f64 = 1e-9;

/// Derivatives of all means (`2 ports`) by column `j` of the natural parameters of `port`, row by row.
fn derivative(
    channel: &dyn Channel,
    inputs: [&Input; 2],
    (port, j): (usize, usize),
) -> Result<[Vec<f64>; 2], Violation> {
    let h = STEP * (1.0 + inputs[port].precision()[0]).sqrt();
    let steps = vec![h; inputs[port].rows()];
    let mut values = Vec::with_capacity(STENCIL.len());
    for t in STENCIL {
        let moved = inputs[port].moved(j, &steps, t);
        let moved = if port == 0 { [&moved, inputs[1]] } else { [inputs[0], &moved] };
        let found = estimate(channel, moved, &mut Scratch::default());
        values.push(found.map_err(|b| refused(channel, "jacobian", moved, b))?);
    }
    Ok([0, 1].map(|p| {
        let count = values[0][p].0.len();
        let at = |k: usize| slope([0, 1, 2, 3, 4].map(|t| values[t][p].0[k]), h).value;
        (0..count).map(at).collect()
    }))
}

/// Derivatives of all means by every column of either port: `[port][column]`.
fn derivatives(
    channel: &dyn Channel,
    inputs: [&Input; 2],
) -> Result<[Vec<[Vec<f64>; 2]>; 2], Violation> {
    let of = |port: usize| -> Result<Vec<_>, Violation> {
        (0..inputs[port].columns()).map(|j| derivative(channel, inputs, (port, j))).collect()
    };
    Ok([of(0)?, of(1)?])
}

/// Covariances are derivatives of means by the port's own `n`.
pub(super) fn jacobian(pipe: &Pipe<'_>) -> Result<(), Violation> {
    const LAW: &str = "jacobian";
    let name = pipe.channel.name();
    for pair in pipe.pairs() {
        let inputs = each(&pair);
        let found = estimate(pipe.channel, inputs, &mut Scratch::default())
            .map_err(|b| refused(pipe.channel, LAW, inputs, b))?;
        let tables = derivatives(pipe.channel, inputs)?;
        for (port, table) in tables.iter().enumerate() {
            let d = inputs[port].columns();
            for (entry, &claimed) in found[port].1.iter().enumerate() {
                let (i, k, j) = (entry / (d * d), entry / d % d, entry % d);
                let expected = table[j][port][i * d + k];
                let tolerance = DIFFERENCE * (1.0 + claimed.abs());
                demand((&name, LAW), || describe(inputs), (claimed, expected), tolerance)?;
            }
        }
    }
    Ok(())
}

/// The derivatives of each port's means by the other port's `n` are each other's transpose.
pub(super) fn cross_derivative(pipe: &Pipe<'_>) -> Result<(), Violation> {
    const LAW: &str = "cross derivative";
    let (name, [d, e]) = (pipe.channel.name(), pipe.columns());
    for pair in pipe.pairs() {
        let inputs = each(&pair);
        let tables = derivatives(pipe.channel, inputs)?;
        for entry in 0..inputs[0].rows() * d * e {
            let (i, j, k) = (entry / (d * e), entry / e % d, entry % e);
            let pair = (tables[0][j][1][i * e + k], tables[1][k][0][i * d + j]);
            let tolerance = DIFFERENCE * (1.0 + pair.0.abs());
            demand((&name, LAW), || describe(inputs), pair, tolerance)?;
        }
    }
    Ok(())
}

pub(super) fn covariance(pipe: &Pipe<'_>) -> Result<(), Violation> {
    const LAW: &str = "covariance";
    let name = pipe.channel.name();
    for pair in pipe.pairs() {
        let inputs = each(&pair);
        let found = estimate(pipe.channel, inputs, &mut Scratch::default())
            .map_err(|b| refused(pipe.channel, LAW, inputs, b))?;
        for (port, (_, covariance)) in found.iter().enumerate() {
            let d = inputs[port].columns();
            for matrix in covariance.chunks_exact(d * d) {
                semi_definite((&name, LAW), || describe(inputs), matrix, d)?;
            }
        }
    }
    Ok(())
}

/// The log-partition function of each row, where the channel knows it.
fn log_partition(channel: &dyn Channel, inputs: [&Input; 2]) -> Option<Vec<f64>> {
    let mut values = vec![f64::NAN; inputs[0].rows()];
    let cavities = inputs.map(Input::cavity);
    channel.log_partition([&cavities[0], &cavities[1]], &mut values).then_some(values)
}

/// Means are derivatives of the log-partition function.
pub(super) fn gradient(pipe: &Pipe<'_>) -> Result<(), Violation> {
    const LAW: &str = "gradient";
    let (channel, name) = (pipe.channel, pipe.channel.name());
    for pair in pipe.pairs() {
        let inputs = each(&pair);
        if log_partition(channel, inputs).is_none() {
            continue;
        }
        let found = estimate(channel, inputs, &mut Scratch::default())
            .map_err(|b| refused(channel, LAW, inputs, b))?;
        for (port, j) in (0..2).flat_map(|port| (0..inputs[port].columns()).map(move |j| (port, j)))
        {
            let d = inputs[port].columns();
            let h = STEP * (1.0 + inputs[port].precision()[0]).sqrt();
            let steps = vec![h; inputs[port].rows()];
            let values = STENCIL.map(|t| {
                let moved = inputs[port].moved(j, &steps, t);
                let pair = if port == 0 { [&moved, inputs[1]] } else { [inputs[0], &moved] };
                log_partition(channel, pair).unwrap_or_else(|| vec![f64::NAN; moved.rows()])
            });
            for i in 0..inputs[port].rows() {
                let expected = slope([0, 1, 2, 3, 4].map(|t| values[t][i]), h).value;
                let mean = found[port].0[i * d + j];
                let largest = values.iter().map(|v| v[i].abs()).fold(0.0, f64::max);
                // Rounding of the values in a difference quotient.
                let tolerance = DIFFERENCE * (1.0 + mean.abs()) + 4.0 * f64::EPSILON * largest / h;
                demand((&name, LAW), || describe(inputs), (mean, expected), tolerance)?;
            }
        }
    }
    Ok(())
}

/// With nothing known of the output, the log-partition function is that of the input's cavity alone.
pub(super) fn normalisation(pipe: &Pipe<'_>) -> Result<(), Violation> {
    const LAW: &str = "normalisation";
    let (pair, d) = (pipe.open_end(), pipe.d);
    let inputs = each(&pair);
    let Some(found) = log_partition(pipe.channel, inputs) else { return Ok(()) };
    let cavity = inputs[0].cavity();
    let mut inverse = vec![0.0; d * d];
    let mut scratch = vec![0.0; 2 * d * d];
    let volume = log_volume(cavity.precision(), d);
    let inverted = small::invert_positive(cavity.precision(), &mut inverse, &mut scratch, d);
    let (Some(volume), Ok(())) = (volume, inverted) else { return Ok(()) };
    let name = pipe.channel.name();
    for (n, &found) in cavity.natural().chunks_exact(d).zip(&found) {
        let expected = 0.5 * small::bilinear(n, &inverse, n, d) + volume;
        let tolerance = NORMALISED * (1.0 + expected.abs());
        demand((&name, LAW), || describe(inputs), (found, expected), tolerance)?;
    }
    Ok(())
}

/// Rows in reverse order and dirty scratch change nothing.
pub(super) fn batching(pipe: &Pipe<'_>) -> Result<(), Violation> {
    const LAW: &str = "batching";
    let name = pipe.channel.name();
    let run = |inputs: [&Input; 2], scratch: &mut Scratch| {
        estimate(pipe.channel, inputs, scratch).map_err(|b| refused(pipe.channel, LAW, inputs, b))
    };
    for pair in pipe.pairs() {
        let inputs = each(&pair);
        let together = run(inputs, &mut Scratch::default())?;
        let reversed = inputs.map(Input::reversed);
        let mut dirty = Scratch::default();
        dirty.slice(DIRT).fill(f64::NAN);
        let backwards = run(each(&reversed), &mut dirty)?;
        for port in 0..2 {
            let d = inputs[port].columns();
            let rows = backwards[port].0.chunks_exact(d).rev().flatten();
            for (expected, &found) in together[port].0.iter().zip(rows) {
                demand((&name, LAW), || describe(inputs), (found, *expected), 0.0)?;
            }
        }
        if inputs.iter().all(|input| input.rows() > 1) {
            many_rows(pipe.channel, inputs, LAW)?;
        }
    }
    Ok(())
}

/// Rows alone, and each of them in calls of few and of many.
fn many_rows(
    channel: &dyn Channel,
    inputs: [&Input; 2],
    law: &'static str,
) -> Result<(), Violation> {
    let name = channel.name();
    let all = inputs.map(|input| input.like(TOGETHER[TOGETHER.len() - 1]));
    let mut together = Vec::new();
    for count in TOGETHER {
        let some = all.each_ref().map(|input| input.first_rows(count));
        let found = estimate(channel, each(&some), &mut Scratch::default());
        together.push(found.map_err(|b| refused(channel, law, inputs, b))?);
    }
    let mut dirty = Scratch::default();
    for i in 0..all[0].rows() {
        dirty.slice(DIRT).fill(f64::NAN);
        let rows = all.each_ref().map(|input| input.row_cavity(i));
        let alone = estimate_rows(channel, rows, &mut dirty);
        let alone = alone.map_err(|b| refused(channel, law, inputs, b))?;
        for together in together.iter().zip(TOGETHER).filter(|(_, count)| i < *count) {
            for (port, (alone, together)) in alone.iter().zip(together.0).enumerate() {
                let d = inputs[port].columns();
                let means = alone.0.iter().zip(&together.0[i * d..]);
                let covariances = alone.1.iter().zip(&together.1[i * d * d..]);
                for (found, expected) in means.chain(covariances) {
                    let place = || format!("port {port}, {}", all[port].describe(i));
                    demand((&name, law), place, (*found, *expected), 0.0)?;
                }
            }
        }
    }
    Ok(())
}

/// Diagonal precisions, and the same that are full by a rounding error.
pub(super) fn column_form(pipe: &Pipe<'_>) -> Result<(), Violation> {
    const LAW: &str = "column form";
    let name = pipe.channel.name();
    for pair in pipe.pairs() {
        let inputs = each(&pair);
        if inputs.iter().any(|input| !input.cavity().is_diagonal()) {
            continue;
        }
        let full = inputs.map(|input| input.nearly_diagonal().unwrap_or_else(|| input.clone()));
        let run = |inputs: [&Input; 2]| {
            estimate(pipe.channel, inputs, &mut Scratch::default())
                .map_err(|b| refused(pipe.channel, LAW, inputs, b))
        };
        let (short, general) = (run(inputs)?, run(each(&full))?);
        for (short, general) in short.iter().zip(&general) {
            let expected = short.0.iter().chain(&short.1);
            for (&a, &b) in expected.zip(general.0.iter().chain(&general.1)) {
                demand((&name, LAW), || describe(inputs), (b, a), PATHS * (1.0 + a.abs()))?;
            }
        }
    }
    Ok(())
}

/// Deviations of both ports' means.
const DEVIATIONS: [(f64, f64); 4] = [(0.0, 0.0), (1e6, 0.0), (0.0, -1e6), (30.0, -30.0)];

/// Finite, and without a negative variance, over 24 decades of precision at either port, isotropic and strongly correlated.
pub(super) fn finite(pipe: &Pipe<'_>) -> Result<(), Violation> {
    const LAW: &str = "finite";
    let (name, columns) = (pipe.channel.name(), pipe.columns());
    let grid = (-4..=4).flat_map(|a| (-4..=4).map(move |b| [a, b]));
    for exponents in grid {
        let precisions = exponents.map(|k| 10f64.powi(3 * k));
        for correlations in CORRELATIONS.into_iter().flat_map(|a| CORRELATIONS.map(|b| [a, b])) {
            if [0, 1].into_iter().any(|port| columns[port] == 1 && correlations[port] != 0.0) {
                continue;
            }
            let side = |port: usize| {
                let deviations = DEVIATIONS.map(|pair| if port == 0 { pair.0 } else { pair.1 });
                let place = (precisions[port], correlations[port]);
                Input::far(place, &deviations, columns[port])
            };
            // One column has fewer directions.
            let sides = [side(0), side(1)];
            let rows = sides[0].rows().max(sides[1].rows());
            let pair = sides.map(|side| side.repeated(rows / side.rows()));
            let inputs = each(&pair);
            let found = estimate(pipe.channel, inputs, &mut Scratch::default())
                .map_err(|b| refused(pipe.channel, LAW, inputs, b))?;
            for (port, (mean, covariance)) in found.iter().enumerate() {
                let d = columns[port];
                if mean.iter().chain(covariance).any(|v| !v.is_finite()) {
                    let breakdown = Breakdown::NotFinite { port, row: 0 };
                    return Err(refused(pipe.channel, LAW, inputs, breakdown));
                }
                let variances =
                    covariance.chunks_exact(d * d).flat_map(|matrix| matrix.iter().step_by(d + 1));
                for variance in variances {
                    let pair = (variance.min(0.0), 0.0);
                    demand((&name, LAW), || describe(inputs), pair, 0.0)?;
                }
            }
        }
    }
    Ok(())
}

/// Rows drawn from the input's cavity, pushed through the channel and seen through noise at the output.
pub(super) fn calibration(pipe: &Pipe<'_>) -> Result<(), Violation> {
    const LAW: &str = "calibration";
    const DRAWS: usize = 20_000;
    const PRECISIONS: [f64; 2] = [0.8, 3.0];
    let (channel, [d, e]) = (pipe.channel, pipe.columns());
    let Some(own) = channel.uniforms(d) else { return Ok(()) };
    let centre: Vec<f64> = (0..d).map(|j| 0.4 - 0.3 * j as f64).collect();
    let given = Input::from_mean(d, &centre, small::scalar_matrix(PRECISIONS[0], d));
    let mut averages = [vec![Average::default(); 2 * d], vec![Average::default(); 2 * e]];
    let (mut u, mut scratch) = (Vec::new(), Scratch::default());
    let (mut x, mut z) = (vec![0.0; d], vec![0.0; e]);
    for k in 0..DRAWS {
        point(k, own + d + e, &mut u);
        let normal = |k: usize| quantile(open_uniform(u[own + k]));
        for j in 0..d {
            x[j] = centre[j] + normal(j) / PRECISIONS[0].sqrt();
        }
        channel.draw(&x, &u[..own], &mut z);
        let seen: Vec<f64> = (0..e).map(|j| z[j] + normal(d + j) / PRECISIONS[1].sqrt()).collect();
        let output = Input::from_mean(e, &seen, small::scalar_matrix(PRECISIONS[1], e));
        let found = estimate(channel, [&given, &output], &mut scratch)
            .map_err(|b| refused(channel, LAW, [&given, &output], b))?;
        for (port, truth) in [&x, &z].into_iter().enumerate() {
            let columns = truth.len();
            for j in 0..columns {
                let error = truth[j] - found[port].0[j];
                averages[port][2 * j].add(error);
                averages[port][2 * j + 1].add(error * error - found[port].1[j * columns + j]);
            }
        }
    }
    for average in averages.iter().flatten() {
        average.demand((&channel.name(), LAW), "draws of the channel", 0.0, 1.0)?;
    }
    Ok(())
}
