//! Learn the first layer of a two-layer network by message passing: the published figure, or your own data.
//!
//! Without `--data` this reproduces figure 2 of Pandit, Sahraee-Ardakan, Rangan, Schniter and Fletcher, "Matrix
//! inference and estimation in multi-layer models" (2020), against Adam on the same data. With `--loss logistic` the network
//! draws labels, and learning is classification. With `--data FILE.npz` it learns from the arrays in the file; with
//! `--phase-diagram` it draws when learning succeeds, by state evolution. `--help` lists the options.

use std::process::ExitCode;

use clap::Parser;

#[path = "two_layer/experiment.rs"]
mod experiment;
#[path = "two_layer/figures.rs"]
mod figures;
#[path = "two_layer/loss.rs"]
mod loss;
#[path = "two_layer/options.rs"]
mod options;
#[path = "two_layer/own_data.rs"]
mod own_data;
#[path = "two_layer/phase.rs"]
mod phase;
#[path = "two_layer/prediction.rs"]
mod prediction;
#[path = "two_layer/results.rs"]
mod results;
mod support;

use options::{Job, Options};

fn main() -> ExitCode {
    support::exit(run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), support::Failure> {
    let folder = options.folder();
    match options.job()? {
        Job::PhaseDiagram(setting) => phase::diagram(&setting, &folder),
        Job::OwnData(task) => own_data::learn(&task, &folder),
        Job::Figure(setting) => {
            support::check_folder(&folder)?;
            let runs = experiment::run(&setting)?;
            results::report(&setting, &runs, &folder)
        }
    }
}
