//! What a model draws is finite, and data that the model itself accepts.

use super::calibration::point;
use super::case::Case;
use super::channel::Pipe;
use super::one_port::OnePort;
use super::{Violation, demand, demand_finite};

const LAW: &str = "draws";
/// Draws of each row's model.
const DRAWS: usize = 256;
/// The largest uniform below one.
const LARGEST: f64 = 1.0 - 0.5 * f64::EPSILON;
/// The width of the rows that data and outputs are drawn for.
const WIDTH: f64 = 3.0;

/// Uniforms `k` of `own`, and a row of `d` columns drawn for: both ends of the uniforms first.
fn place(k: usize, own: usize, d: usize) -> (Vec<f64>, Vec<f64>) {
    let mut u = Vec::new();
    point(k, own + d, &mut u);
    let row = u[own..].iter().map(|u| WIDTH * (2.0 * u - 1.0)).collect();
    u.truncate(own);
    match k {
        0 => u.fill(0.0),
        1 => u.fill(LARGEST),
        _ => {}
    }
    (u, row)
}

fn finite(name: &str, input: impl Fn() -> String, values: &[f64]) -> Result<(), Violation> {
    values.iter().try_for_each(|&v| demand_finite((name, LAW), &input, v))
}

pub(super) fn one_port(case: &Case<'_>) -> Result<(), Violation> {
    (0..case.node.rows_tried()).try_for_each(|row| match case.node {
        OnePort::Denoiser(denoiser) => {
            let Some(law) = denoiser.row_law(row) else { return Ok(()) };
            let own = law.uniforms(case.d);
            (0..DRAWS).try_for_each(|k| {
                let (u, _) = place(k, own, case.d);
                let mut x = vec![f64::NAN; case.d];
                law.draw(&u, &mut x);
                finite(&denoiser.name(), || format!("row {row}, {x:?} drawn from {u:?}"), &x)
            })
        }
        OnePort::Likelihood(model, _) => {
            let drawing = model.row_model(row).unwrap_or(model);
            let Some(own) = drawing.uniforms(case.d) else { return Ok(()) };
            (0..DRAWS).try_for_each(|k| {
                let (u, z) = place(k, own, case.d);
                let mut y = vec![f64::NAN; drawing.outputs(case.d)];
                drawing.draw(&z, &u, &mut y);
                let at = || format!("row {row}, data {y:?} drawn given {z:?} from {u:?}");
                finite(&model.name(), at, &y)?;
                let Err(sentence) = drawing.check(&y) else { return Ok(()) };
                let refused = || format!("{} ({sentence})", at());
                demand((&model.name(), LAW), refused, (f64::NAN, 0.0), 0.0)
            })
        }
    })
}

pub(super) fn channel(pipe: &Pipe<'_>) -> Result<(), Violation> {
    let (channel, [d, e]) = (pipe.channel, pipe.columns());
    let Some(own) = channel.uniforms(d) else { return Ok(()) };
    (0..DRAWS).try_for_each(|k| {
        let (u, x) = place(k, own, d);
        let mut z = vec![f64::NAN; e];
        channel.draw(&x, &u, &mut z);
        finite(&channel.name(), || format!("output {z:?} drawn given {x:?} from {u:?}"), &z)
    })
}
