//! Where can a sparse signal be recovered? The phase diagram of `y = A x + noise`, computed without any data.
//!
//! State evolution gives the error of message passing at its fixed point for every sampling ratio (rows over columns of
//! `A`) and every sparsity; bisection gives the line between success and failure.
//! `--out DIR` (default `out/phase_diagram`) receives `phase_diagram.csv`, `threshold.csv` and the picture.

use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::{PhaseDiagram, ThresholdError, threshold};
use fg_models::report::{HeatMap, Series};

#[path = "phase_diagram/options.rs"]
mod options;
#[path = "phase_diagram/output.rs"]
mod output;
mod support;

use options::{Options, Setting};
use support::{Failure, check_folder, in_parallel, progress_bar};

/// Sampling ratios within this of the threshold aren't told apart: well below a cell.
const TOLERANCE: f64 = 5e-4;

fn main() -> ExitCode {
    support::exit(run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Failure> {
    let setting = options.setting()?;
    check_folder(&options.out)?;
    let axis = setting.axis();
    let bar = progress_bar(axis.len() * axis.len(), "fixed points");
    let diagram = PhaseDiagram::compute(&axis, &axis, setting.threads, |alpha, rho| {
        let cell = setting.nmse_db(alpha, rho);
        bar.inc(1);
        cell
    });
    bar.finish_and_clear();
    let bar = progress_bar(axis.len(), "thresholds");
    let line = in_parallel(axis.len(), setting.threads, &bar, |k| edge(&setting, axis[k]));
    bar.finish_and_clear();
    let line: Vec<f64> = line.into_iter().collect::<Result<_, _>>()?;
    let line: Vec<(f64, f64)> = axis.iter().copied().zip(line).collect();

    let error = |x: usize, y: usize| *diagram.cell(x, y).as_ref().unwrap_or(&f64::NAN);
    let row = |y: usize| (0..axis.len()).map(|x| error(x, y)).collect();
    // The line is drawn as far as there is one: above it every ratio up to one fails.
    let points = line.iter().filter(|p| p.1.is_finite()).map(|p| (p.1, p.0)).collect();
    let picture = HeatMap {
        title: format!("NMSE (dB) of message passing, {}", setting.describe()),
        x: ("sampling ratio, rows / columns".to_owned(), 0.0, 1.0),
        y: ("share of entries that aren't zero".to_owned(), 0.0, 1.0),
        values: (0..axis.len()).map(row).collect(),
        range: Some((-setting.snr_db, 0.0)),
        series: vec![Series::new("threshold by bisection", "#EE6677", points)],
    };
    output::write(&setting, &diagram, &line, &picture, &options.out)
}

/// The smallest sampling ratio that recovers a signal of this sparsity; NaN where none does up to one.
fn edge(setting: &Setting, rho: f64) -> Result<f64, Failure> {
    let found = threshold((options::SMALLEST_RATIO, 1.0), TOLERANCE, |alpha| {
        Ok(setting.recovers(setting.nmse_db(alpha, rho)?))
    });
    match found {
        Ok(edge) => Ok(edge.value()),
        Err(ThresholdError::SameAtEnds { .. }) => Ok(f64::NAN),
        Err(error) => Err(Failure::other(format_args!("sparsity {rho}: {error}"))),
    }
}
