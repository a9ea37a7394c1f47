//! Does theory predict message passing? State evolution against runs of finite size, sweep by sweep.
//!
//! `--model sparse` estimates a sparse signal by its posterior mean, `lasso` the same signal by the L1 penalty, and
//! `mismatch` by a posterior mean that assumes three times as many entries that aren't zero.
//! `--out DIR` (default `out/state_evolution`) receives `state_evolution.csv` and the figure.

use std::process::ExitCode;

use clap::Parser;
use fg_models::comparison::{Runs, compare};

#[path = "state_evolution/options.rs"]
mod options;
#[path = "state_evolution/output.rs"]
mod output;
#[path = "state_evolution/problem.rs"]
mod problem;
mod support;

use options::Options;
use problem::Problem;
use support::{Failure, check_folder, progress_bar};

fn main() -> ExitCode {
    support::exit(run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Failure> {
    let setting = options.setting()?;
    check_folder(&options.out)?;
    let problem = Problem::new(&setting)?;
    let (graph, parts) = problem.nominal()?;
    let evolution = problem.evolution(&graph, &parts)?;
    let bar = progress_bar(setting.runs, "runs");
    let runs = Runs { count: setting.runs, threads: setting.threads };
    let comparison = compare(&evolution, &problem.run_options(), parts.signal, runs, |k| {
        let trial = problem.trial(k);
        bar.inc(1);
        trial
    });
    bar.finish_and_clear();
    output::write(&setting, (&comparison.map_err(Failure::other)?, parts.signal), &options.out)
}
