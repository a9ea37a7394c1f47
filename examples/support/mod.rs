//! What the example programs share: errors with exit codes, printing, a progress bar and parallel runs.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fg_core::graph::{Draw, DrawError};
use fg_core::parallel::in_order;
use fg_core::{FactorId, Graph, Rows};
use indicatif::{ProgressBar, ProgressStyle};

/// What every study takes: how many runs, from which seed, where to.
#[allow(dead_code, reason = "some programs have options of their own")]
#[derive(Debug, clap::Args)]
pub(crate) struct Study {
    /// Runs of each case [default: see below, fewer with --quick]
    #[arg(long)]
    runs: Option<usize>,
    /// Seed of everything that is drawn
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Few runs, in some seconds
    #[arg(long)]
    pub(crate) quick: bool,
    /// Threads; results don't depend on it [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// Folder for the results [default: out/ and the name of the program]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[allow(dead_code, reason = "some programs have options of their own")]
impl Study {
    /// Number of runs: the one given, otherwise `all`, or `quick` with `--quick`.
    pub(crate) fn runs(&self, all: usize, quick: usize) -> Result<usize, Failure> {
        match self.runs {
            Some(0) => Err(Failure::input("--runs must be at least 1")),
            Some(runs) => Ok(runs),
            None => Ok(if self.quick { quick } else { all }),
        }
    }

    /// Threads to run on.
    pub(crate) fn threads(&self) -> usize {
        self.threads.unwrap_or_else(available_threads).max(1)
    }

    /// Folder for the results of the program of this name, where one [can be made](check_folder).
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.out.clone().unwrap_or_else(|| PathBuf::from("out").join(name));
        check_folder(&folder)?;
        Ok(folder)
    }
}

/// Exit code for input that can't be used, the same as for arguments that can't be parsed.
const BAD_INPUT: u8 = 2;

/// Why a program stops: one line for the user.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// Input that can't be used: exit code 2. The message names the file or parameter.
    pub(crate) fn input(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), code: BAD_INPUT }
    }

    /// Anything else, such as a full disk: exit code 1.
    pub(crate) fn other(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), code: 1 }
    }
}

/// Runs a program and turns its failure into a line on stderr and an exit code.
pub(crate) fn exit(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to be done where even stderr is gone.
            let _ = writeln!(std::io::stderr(), "error: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// Refuses a folder for results that can't be made: before the work, which would be lost without one.
pub(crate) fn check_folder(folder: &Path) -> Result<(), Failure> {
    // A relative path ends in an empty one, which stands for the current folder.
    let there =
        folder.ancestors().filter(|path| !path.as_os_str().is_empty()).find(|path| path.exists());
    match there.map(Path::metadata) {
        Some(Ok(found)) if !found.is_dir() => {
            Err(Failure::input(format_args!("--out {}: a file is in the way", folder.display())))
        }
        Some(Ok(found)) if found.permissions().readonly() => {
            Err(Failure::input(format_args!("--out {}: can't be written to", folder.display())))
        }
        Some(Err(error)) => {
            Err(Failure::input(format_args!("--out {}: {error}", folder.display())))
        }
        Some(Ok(_)) | None => Ok(()),
    }
}

/// Prints to stdout; a reader that has gone away, as `head` does, is no failure.
pub(crate) fn say(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A bar on stderr; nothing is drawn where stderr isn't a terminal.
#[allow(dead_code, reason = "not every program takes so long")]
pub(crate) fn progress_bar(steps: usize, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64).with_message(what);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// [`in_order`] with a bar that moves on with every job.
#[allow(dead_code, reason = "not every program divides its work here")]
pub(crate) fn in_parallel<T: Send>(
    jobs: usize,
    threads: usize,
    bar: &ProgressBar,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    in_order(jobs, threads, |job| {
        let result = work(job);
        bar.inc(1);
        result
    })
}

/// The data that were drawn for a likelihood; an error where none were.
#[allow(dead_code, reason = "most programs draw data themselves")]
pub(crate) fn drawn<'d>(
    graph: &Graph,
    draw: &'d Draw,
    likelihood: FactorId,
) -> Result<&'d Rows, DrawError> {
    let missing = || DrawError::NoLaw { factor: graph.factor_name(likelihood).to_owned() };
    draw.data(likelihood).ok_or_else(missing)
}

/// Number of threads that run at the same time on this machine.
#[allow(dead_code, reason = "not every program divides its work here")]
pub(crate) fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A number for tables: four significant digits.
#[allow(dead_code, reason = "not every program prints tables of numbers")]
pub(crate) fn short(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let digits = match value.abs() {
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        _ => 3,
    };
    if value != 0.0 && value.abs() < 0.01 {
        format!("{value:.2e}")
    } else {
        format!("{value:.digits$}")
    }
}
