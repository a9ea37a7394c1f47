//! Laws of two-port estimators.

use super::calculus::{STENCIL, slope};
use super::calibration::{Average, point};
use super::subject::Input;
use super::{Violation, demand};
use crate::denoiser::{Channel, Estimation, RowEstimate, Scratch};
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
    let buffers = |input: &Input| {
        let (n, d) = (input.rows(), input.columns());
        (vec![f64::NAN; n * d], vec![f64::NAN; n * d * d])
    };
    let mut ports = inputs.map(buffers);
    let cavities = inputs.map(Input::cavity);
    let [a, b] = &mut ports;
    let mut out = [a, b].map(|(mean, covariance)| RowEstimate { mean, covariance });
    let [x, y] = &mut out;
    channel.estimate([&cavities[0], &cavities[1]], [x, y], scratch)?;
    Ok(ports)
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

/// Holds a channel with inputs of `d` columns to the laws of an estimator: covariances are derivatives of means by the
/// port's own `n`, means those of the log-partition function where it is known, which is that of the input's cavity where
/// nothing is known of the output, the cross derivatives of the two ports are each other's transpose, rows don't depend on the batch,
/// answers are finite over 24 decades of precision, and errors on data it draws average to what it claims. An input
/// without information may be refused with [`Breakdown::ImproperCavity`].
///
/// # Errors
/// The first [`Violation`].
pub fn check_channel(channel: &dyn Channel, d: usize) -> Result<(), Violation> {
    let Some(e) = channel.output_columns(d) else { return Ok(()) };
    let (mut inputs, mut outputs) = (Input::examples(d), Input::examples(e));
    // The last example has no information, which is for the other port to have.
    let nothing = inputs.pop().zip(outputs.pop());
    for (k, input) in inputs.iter().enumerate() {
        let pair = [input, &outputs[(k + 1) % outputs.len()]];
        derivatives(channel, pair)?;
        batching(channel, pair)?;
    }
    if let Some((no_input, no_output)) = &nothing {
        let first = outputs[0].first_row();
        let found = estimate(channel, [no_input, &first], &mut Scratch::default());
        // An output that doesn't bound the input leaves it improper.
        if !matches!(found, Err(Breakdown::ImproperCavity { port: 0, .. })) {
            derivatives(channel, [no_input, &first])?;
        }
        derivatives(channel, [&inputs[0].first_row(), no_output])?;
        normalisation(channel, [&inputs[0].first_row(), no_output])?;
    }
    finite(channel, d, e)?;
    if channel.estimation() == Estimation::Mmse { calibration(channel, d, e) } else { Ok(()) }
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

fn derivatives(channel: &dyn Channel, inputs: [&Input; 2]) -> Result<(), Violation> {
    let columns = inputs.map(Input::columns);
    let found = estimate(channel, inputs, &mut Scratch::default())
        .map_err(|b| refused(channel, "jacobian", inputs, b))?;
    let mut tables = [Vec::new(), Vec::new()];
    for port in 0..2 {
        for j in 0..columns[port] {
            tables[port].push(derivative(channel, inputs, (port, j))?);
        }
    }
    let name = channel.name();
    gradient(channel, inputs, &found)?;
    for i in 0..inputs[0].rows() {
        for port in 0..2 {
            let d = columns[port];
            for (j, k) in (0..d * d).map(|entry| (entry / d, entry % d)) {
                let expected = tables[port][j][port][i * d + k];
                let claimed = found[port].1[(i * d + k) * d + j];
                let tolerance = DIFFERENCE * (1.0 + claimed.abs());
                demand((&name, "jacobian"), || describe(inputs), (claimed, expected), tolerance)?;
            }
        }
        for (j, k) in
            (0..columns[0] * columns[1]).map(|entry| (entry / columns[1], entry % columns[1]))
        {
            let output_by_input = tables[0][j][1][i * columns[1] + k];
            let input_by_output = tables[1][k][0][i * columns[0] + j];
            let pair = (output_by_input, input_by_output);
            demand(
                (&name, "cross derivative"),
                || describe(inputs),
                pair,
                DIFFERENCE * (1.0 + pair.0.abs()),
            )?;
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
fn gradient(channel: &dyn Channel, inputs: [&Input; 2], found: &Ports) -> Result<(), Violation> {
    if log_partition(channel, inputs).is_none() {
        return Ok(());
    }
    let name = channel.name();
    for port in 0..2 {
        let d = inputs[port].columns();
        let h = STEP * (1.0 + inputs[port].precision()[0]).sqrt();
        for j in 0..d {
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
                let pair = (mean, expected);
                demand((&name, "gradient"), || describe(inputs), pair, tolerance)?;
            }
        }
    }
    Ok(())
}

/// With nothing known of the output, the log-partition function is that of the input's cavity alone.
fn normalisation(channel: &dyn Channel, inputs: [&Input; 2]) -> Result<(), Violation> {
    let Some(found) = log_partition(channel, inputs) else { return Ok(()) };
    let (cavity, d) = (inputs[0].cavity(), inputs[0].columns());
    let mut inverse = vec![0.0; d * d];
    let mut scratch = vec![0.0; 2 * d * d];
    let volume = log_volume(cavity.precision(), d);
    let inverted = small::invert_positive(cavity.precision(), &mut inverse, &mut scratch, d);
    let (Some(volume), Ok(())) = (volume, inverted) else { return Ok(()) };
    for (i, n) in cavity.natural().chunks_exact(d).enumerate() {
        let expected = 0.5 * small::bilinear(n, &inverse, n, d) + volume;
        let tolerance = NORMALISED * (1.0 + expected.abs());
        let pair = (expected, found[i]);
        demand((&channel.name(), "normalisation"), || describe(inputs), pair, tolerance)?;
    }
    Ok(())
}

fn batching(channel: &dyn Channel, inputs: [&Input; 2]) -> Result<(), Violation> {
    const LAW: &str = "batching";
    let run = |inputs: [&Input; 2], scratch: &mut Scratch| {
        estimate(channel, inputs, scratch).map_err(|b| refused(channel, LAW, inputs, b))
    };
    let together = run(inputs, &mut Scratch::default())?;
    let reversed = inputs.map(Input::reversed);
    let mut dirty = Scratch::default();
    dirty.slice(4096).fill(f64::NAN);
    let backwards = run([&reversed[0], &reversed[1]], &mut dirty)?;
    let name = channel.name();
    for port in 0..2 {
        let d = inputs[port].columns();
        let rows = backwards[port].0.chunks_exact(d).rev().flatten();
        for (expected, &found) in together[port].0.iter().zip(rows) {
            demand((&name, LAW), || describe(inputs), (found, *expected), 0.0)?;
        }
    }
    Ok(())
}

fn finite(channel: &dyn Channel, d: usize, e: usize) -> Result<(), Violation> {
    const LAW: &str = "finite";
    let input = |gamma: f64, deviations: f64, d: usize| {
        let matrix = (0..d * d).map(|k| if k % (d + 1) == 0 { gamma } else { 0.0 }).collect();
        Input::new(d, vec![deviations * gamma.sqrt(); d], matrix)
    };
    let name = channel.name();
    for (a, b) in (-4..=4).flat_map(|a| (-4..=4).map(move |b| (a, b))) {
        let gammas = [10f64.powi(3 * a), 10f64.powi(3 * b)];
        for (k, l) in [(0.0, 0.0), (1e6, 0.0), (0.0, -1e6), (30.0, -30.0)] {
            let inputs = [input(gammas[0], k, d), input(gammas[1], l, e)];
            let inputs = [&inputs[0], &inputs[1]];
            let found = estimate(channel, inputs, &mut Scratch::default())
                .map_err(|b| refused(channel, LAW, inputs, b))?;
            for (port, (mean, covariance)) in found.iter().enumerate() {
                let columns = inputs[port].columns();
                if mean.iter().chain(covariance).any(|v| !v.is_finite()) {
                    let breakdown = Breakdown::NotFinite { port, row: 0 };
                    return Err(refused(channel, LAW, inputs, breakdown));
                }
                for j in 0..columns {
                    let variance = covariance[j * columns + j].min(0.0);
                    demand((&name, LAW), || describe(inputs), (variance, 0.0), 0.0)?;
                }
            }
        }
    }
    Ok(())
}

/// Rows drawn from the input's cavity, pushed through the channel and seen through noise at the output.
fn calibration(channel: &dyn Channel, d: usize, e: usize) -> Result<(), Violation> {
    const LAW: &str = "calibration";
    const DRAWS: usize = 20_000;
    const PRECISIONS: [f64; 2] = [0.8, 3.0];
    let Some(own) = channel.uniforms(d) else { return Ok(()) };
    let isotropic = |gamma: f64, d: usize| -> Vec<f64> {
        (0..d * d).map(|k| if k % (d + 1) == 0 { gamma } else { 0.0 }).collect()
    };
    let centre: Vec<f64> = (0..d).map(|j| 0.4 - 0.3 * j as f64).collect();
    let given = Input::from_mean(d, &centre, isotropic(PRECISIONS[0], d));
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
        let output = Input::from_mean(e, &seen, isotropic(PRECISIONS[1], e));
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
