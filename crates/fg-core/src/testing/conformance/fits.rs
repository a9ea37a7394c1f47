//! A subject is for rows of the columns that it is tried on: the law before all others.

use super::case::Case;
use super::channel::Pipe;
use super::one_port::OnePort;
use super::{Violation, demand};

const LAW: &str = "columns";

pub(super) fn one_port(case: &Case<'_>) -> Result<(), Violation> {
    let (name, d) = (case.node.name(), case.d);
    let wanted = match case.node {
        OnePort::Denoiser(denoiser) => denoiser.columns(),
        OnePort::Likelihood(model, _) => model.columns(),
    };
    let columns = || format!("rows of {d} columns");
    // There are no rows without a column.
    let legal = wanted.unwrap_or(d).max(1);
    demand((&name, LAW), columns, (d as f64, legal as f64), 0.0)?;
    let OnePort::Likelihood(model, observed) = case.node else { return Ok(()) };
    let data = || format!("data {observed:?} for rows of {d} columns");
    let pair = (observed.len() as f64, model.outputs(d) as f64);
    demand((&name, LAW), data, pair, 0.0)?;
    (0..case.node.rows_tried()).try_for_each(|row| {
        let Err(sentence) = model.row_model(row).unwrap_or(model).check(observed) else {
            return Ok(());
        };
        let refused = || format!("{}, which row {row} refuses ({sentence})", data());
        demand((&name, LAW), refused, (f64::NAN, 0.0), 0.0)
    })
}

pub(super) fn channel(pipe: &Pipe<'_>) -> Result<(), Violation> {
    let columns = || format!("inputs of {} columns", pipe.d);
    let taken = pipe.outputs.filter(|_| pipe.d > 0).map_or(f64::NAN, |_| pipe.d as f64);
    demand((&pipe.channel.name(), LAW), columns, (taken, pipe.d as f64), 0.0)
}
