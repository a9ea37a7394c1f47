//! The methods that are compared on one problem.

use std::ops::ControlFlow;

use fg_core::message::MessageError;
use fg_core::{
    Inference, IterationInfo, Message, Observer, Options, Policy, Precision, Rows, Status,
};
use fg_denoisers::L1;
use fg_models::baseline::amp;
use fg_models::generalised::Start;
use fg_models::metrics::nmse_db;
use fg_models::{GeneralisedGraph, ModelError, linear};

use crate::curves::ending;
use crate::options::{SWEEPS, Setting, TOLERANCE, run_options};
use crate::problem::Problem;

/// Messages from the square are averaged with those before, which makes splitting ADMM.
const ADMM: f64 = 0.5;
/// How a run that has settled ends.
const SETTLED: &str = "converged";

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Method {
    /// Plain approximate message passing with the posterior mean.
    Amp,
    /// VAMP with the posterior mean.
    Mmse,
    /// VAMP with the maximiser under the best L1 penalty.
    Map,
    /// The same cost by ADMM whose soft threshold is this share of the deviation of an entry of the signal.
    Admm(f64),
}

/// Errors in decibels after each sweep, and how the run ended.
pub(crate) struct Run {
    pub(crate) errors: Vec<f64>,
    pub(crate) ending: String,
}

impl Run {
    /// A run that has settled keeps its error.
    pub(crate) fn error(&self, sweep: usize) -> f64 {
        let rest = self.errors.last().copied().filter(|_| self.ending == SETTLED);
        self.errors.get(sweep).copied().or(rest).unwrap_or(f64::NAN)
    }
}

impl Problem {
    /// Runs a method; `weight` is that of the L1 penalty.
    pub(crate) fn solve(
        &self,
        setting: &Setting,
        method: Method,
        weight: f64,
    ) -> Result<Run, ModelError> {
        let data = || (self.operator.clone(), self.observations.clone());
        let precision = self.noise.recip();
        let prior = || setting.prior.clone();
        let options = run_options();
        let penalised = |(operator, y)| linear::graph(operator, y, L1::new(weight)?, precision);
        let posterior = |(operator, y)| linear::graph(operator, y, prior(), precision);
        let mut errors = Vec::new();
        let model = match method {
            Method::Amp => {
                // Where the prior can't answer, nothing is left of the run.
                let estimates = match amp(&self.operator, &self.observations, &prior(), SWEEPS) {
                    Err(ModelError::Breakdown(_)) => Vec::new(),
                    found => found?,
                };
                return Ok(self.amp_run(&estimates));
            }
            Method::Mmse => posterior(data())?,
            Method::Map | Method::Admm(_) => {
                penalised(data())?.with_start(Start::Variance(variance(weight)))
            }
        };
        let x = model.signal;
        let mut observer = |info: &mut IterationInfo<'_>| {
            errors.push(info.mean(x).map_or(f64::NAN, |mean| nmse_db(mean, &self.signal)));
            ControlFlow::Continue(())
        };
        let status = if let Method::Admm(threshold) = method {
            let step = weight / (threshold * setting.prior.variance().sqrt());
            splitting(model, step, &options, &mut observer)?
        } else {
            model.fit(&options, &mut observer)?.report().status.clone()
        };
        Ok(Run { errors, ending: ending(&status) })
    }

    fn amp_run(&self, estimates: &[Rows]) -> Run {
        let errors = estimates.iter().map(|x| nmse_db(x, &self.signal)).collect();
        let ending = match estimates {
            _ if estimates.len() < SWEEPS => "diverged",
            [.., before, last] if moved(before, last) <= TOLERANCE => SETTLED,
            _ => "sweep limit",
        };
        Run { errors, ending: ending.to_owned() }
    }
}

/// The variance of the distribution that has the penalty in its exponent: a run that starts from the size of the data
/// instead finds nothing above its first threshold, and at a condition number of 100 may not come back.
pub(crate) fn variance(weight: f64) -> f64 {
    2.0 / (weight * weight)
}

/// The move of an estimate as a share of its size.
fn moved(before: &Rows, last: &Rows) -> f64 {
    let entries = (last.rows() * last.columns()) as f64;
    (entries * last.mean_squared_error(before) / last.norm_squared()).sqrt()
}

/// The same graph with messages that all have the precision `step`: the alternating direction method of multipliers.
fn splitting(
    model: GeneralisedGraph,
    step: f64,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Status, ModelError> {
    let GeneralisedGraph { builder, signal, prior, operator, .. } = model;
    let options = options.clone().with_policy(Policy::Fixed);
    let options = options.with_port_damping(operator, 0, ADMM);
    let graph = builder.build()?;
    let layout = graph.layout(signal).clone();
    let zero = Rows::zeros(layout.rows(), layout.columns());
    let zero =
        Message::from_mean(&zero, Precision::isotropic(layout, step).map_err(MessageError::from)?)?;
    let mut run = Inference::new(&graph, &options)?;
    run.start(operator, 0, zero.clone())?;
    run.start(prior, 0, zero)?;
    Ok(run.run(observer)?.report().status.clone())
}
