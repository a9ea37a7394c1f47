//! A sparse signal from signs alone: its direction is found at once, its length is hardly told, and the error bars say so.
//!
//! Labels are signs of `A x` with a little noise (sparse probit regression). Only labels next to zero tell how long `x` is:
//! that takes a run without acceleration thousands of sweeps, and leaves an error that no entry's own error bar contains.
//! Shown: the error as it is, the error at the best length (debiased), and what the run claims in the end with and without
//! the length. `--out DIR` (default `out/one_bit`) receives `one_bit.csv` and the figure.

use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::Spectrum;
use fg_core::operator::{Dense, Ensemble};
use fg_core::{IterationInfo, Options, Rows, Status};
use fg_denoisers::{BernoulliGauss, Sign};
use fg_models::metrics::{debiased_nmse_db, nmse_db};
use fg_models::synthetic::{add_noise, bernoulli_gauss, derived_seed, gaussian_matrix};
use fg_models::{ModelError, generalised, linear};
use rand::SeedableRng;
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::{Curves, Labels, nmse_by_sweep, say_endings};
use support::{Failure, Study, in_parallel, progress_bar, say};

/// Labels and entries.
const SIZE: (usize, usize) = (4096, 512);
/// Share of entries that aren't zero.
const SPARSITY: f64 = 0.1;
/// Variance of the noise before the sign is taken; `A x` has a power of one.
const NOISE: f64 = 1e-3;
/// Most runs need a quarter of them.
const SWEEPS: usize = 400;
/// Sweeps that are drawn.
const DRAWN: usize = 200;
/// The run is also to settle where the data say little.
const TOLERANCE: f64 = 1e-8;

/// One-bit compressed sensing: error and error bars, sweep by sweep.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    study: Study,
}

/// Errors after each sweep in decibels, as they are and at the best length; in the end the error and what is claimed of it
/// without and with the length, as shares of the signal's power.
struct Run {
    errors: [Vec<f64>; 2],
    error: f64,
    claimed: [f64; 2],
    status: Status,
}

fn main() -> ExitCode {
    support::exit(run(&Arguments::parse().study))
}

fn run(study: &Study) -> Result<(), Failure> {
    let (runs, folder) = (study.runs(40, 6)?, study.folder("one_bit")?);
    let bar = progress_bar(runs, "runs");
    let solve = |k: usize| solve(derived_seed(study.seed, &[k as u64]));
    let runs = in_parallel(runs, study.threads(), &bar, solve).into_iter();
    bar.finish_and_clear();
    let runs: Vec<Run> = runs.collect::<Result<_, _>>().map_err(Failure::other)?;
    let curve = |k: usize| runs.iter().map(|run| run.errors[k].clone()).collect();
    let claim = |k: usize| {
        runs.iter().map(|run| vec![10.0 * run.claimed[k].log10(); DRAWN]).collect::<Vec<_>>()
    };
    Curves {
        labels: Labels {
            name: "one_bit",
            title: format!("Signs of {} projections, {} entries", SIZE.0, SIZE.1),
            x: "sweep",
            y: "error over power (dB)",
        },
        at: (1..=DRAWN).map(|sweep| sweep as f64).collect(),
        measured: vec![
            ("error", curve(0)),
            ("at the best length", curve(1)),
            ("claimed, without the length", claim(0)),
            ("claimed, with the length", claim(1)),
        ],
        predicted: vec![("state evolution", predicted().map_err(Failure::other)?)],
    }
    .write(&folder)?;
    say_endings(runs.iter().map(|run| &run.status));
    let mean = |value: &dyn Fn(&Run) -> f64| {
        10.0 * (runs.iter().map(value).sum::<f64>() / runs.len() as f64).log10()
    };
    say(format_args!(
        "Mean square over runs: error {:.2} dB, claimed {:.2} dB, without the length {:.2} dB",
        mean(&|run| run.error),
        mean(&|run| run.claimed[1]),
        mean(&|run| run.claimed[0]),
    ));
    Ok(())
}

fn solve(seed: u64) -> Result<Run, ModelError> {
    let (m, n) = SIZE;
    let rng = &mut Pcg64::seed_from_u64(seed);
    let operator = Dense::new(gaussian_matrix(m, n, 1.0 / n as f64, rng))?;
    let signal = bernoulli_gauss((n, 1), SPARSITY, 0.0, 1.0 / SPARSITY, rng);
    let noisy = add_noise(&linear::outputs(&operator, &signal), NOISE, rng);
    let labels = Rows::from_fn(m, 1, |i, _| 1f64.copysign(noisy[(i, 0)]));
    let prior = BernoulliGauss::new(SPARSITY, 0.0, 1.0 / SPARSITY)?;
    let model = generalised::graph(operator, prior, Sign::probit(NOISE)?, labels).with_length();
    let (x, mut errors) = (model.signal, [Vec::new(), Vec::new()]);
    let mut watch = |info: &mut IterationInfo<'_>| {
        if let Ok(mean) = info.mean(x) {
            errors[0].push(nmse_db(mean, &signal));
            errors[1].push(debiased_nmse_db(mean, &signal));
        }
        ControlFlow::Continue(())
    };
    let options = Options::default().with_max_sweeps(SWEEPS).with_tolerance(TOLERANCE);
    let fit = model.fit(&options.with_acceleration(5), &mut watch)?;
    // A run that has settled stays where it is.
    for errors in &mut errors {
        errors.resize(DRAWN, errors.last().copied().unwrap_or(f64::NAN));
    }
    let power = signal.norm_squared();
    let rows = fit.solution().deviation(x).norm_squared() / power;
    let claimed = [rows, fit.deviation().norm_squared() / power];
    let error = fit.estimate().mean_squared_error(&signal) * n as f64 / power;
    Ok(Run { errors, error, claimed, status: fit.report().status.clone() })
}

/// The error that theory predicts, after each sweep without acceleration.
fn predicted() -> Result<Vec<f64>, ModelError> {
    let (m, n) = SIZE;
    let ratio = m as f64 / n as f64;
    let operator = Ensemble::new(n, Spectrum::marchenko_pastur(ratio)?.scaled(ratio)?);
    let prior = BernoulliGauss::new(SPARSITY, 0.0, 1.0 / SPARSITY)?;
    let model = generalised::unobserved(operator, 1, prior, Sign::probit(NOISE)?);
    let signal = model.signal;
    let options = Options::default().with_max_sweeps(DRAWN).with_tolerance(0.0);
    let prediction = model.builder.build()?.predict(&options)?;
    Ok(nmse_by_sweep(&prediction, signal, DRAWN))
}
