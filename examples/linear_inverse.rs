//! Solve a linear inverse problem `y = A x + noise` by message passing (VAMP): a synthetic study, or your own data.
//!
//! Without `--matrix` this draws sparse signals and operators of several condition numbers and shows how the error falls
//! with the iterations; with `--compare`, beside those of plain AMP, of the best L1 penalty and of ADMM. With `--matrix A.npy --observations y.npy --prior .. --noise-precision ..` it estimates the
//! signal behind the observations. `--help` lists the options.

use std::process::ExitCode;

use clap::Parser;

#[path = "linear_inverse/compare.rs"]
mod compare;
#[path = "support/curves.rs"]
mod curves;
#[path = "linear_inverse/methods.rs"]
mod methods;
#[path = "linear_inverse/options.rs"]
mod options;
#[path = "linear_inverse/own_data.rs"]
mod own_data;
#[path = "linear_inverse/problem.rs"]
mod problem;
#[path = "linear_inverse/study.rs"]
mod study;
mod support;

use options::{Job, Options};

fn main() -> ExitCode {
    support::exit(run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), support::Failure> {
    match options.job()? {
        Job::OwnData(task) => own_data::estimate(&task, &options.out),
        Job::Study(setting) => study::run(&setting, &options.out),
        Job::Comparison(setting) => compare::run(&setting, &options.out),
    }
}
