//! The example programs as a user runs them: bad input gives exit code 2, one clear line, and no files.

mod linear_inverse;
mod regression;
mod two_layer;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::files::Folder;

/// The folder of these example programs, built with the profile of the tests.
fn built(examples: &[&str]) -> PathBuf {
    // A test binary lies in `deps`, examples in `examples` beside it.
    let here = std::env::current_exe().unwrap();
    let profile = here.parent().and_then(Path::parent).unwrap().to_owned();
    let mut build = Command::new(env!("CARGO"));
    // As the tests were built, so that nothing is built again.
    build.args(["build", "--quiet", "--workspace"]);
    build.args(examples.iter().flat_map(|name| ["--example", name]));
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    build.env("CARGO_TARGET_DIR", profile.parent().unwrap());
    assert!(build.status().unwrap().success(), "the examples must compile");
    profile.join("examples")
}

/// The folder of the programs that most tests run, built once.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        built(&["two_layer", "linear_inverse", "regression", "erm", "custom_denoiser"])
    })
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(programs().join(program)).args(arguments).output().unwrap()
}

/// Runs `program` with an output folder that must not appear, checks exit code and message, and returns the message.
#[track_caller]
fn refused(program: &str, arguments: &[&str], named: &[&str]) -> String {
    let folder = Folder::new(&format!("refused-{}", arguments.join("").replace(['/', ' '], "")));
    let out = folder.path("out");
    let all = [arguments, &["--out", out.to_str().unwrap()]].concat();
    let output = run(program, &all);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{all:?}: {message}");
    for word in named {
        assert!(message.contains(word), "{all:?} must name {word}: {message}");
    }
    assert!(message.starts_with("error: "), "{all:?}: {message}");
    assert!(!out.exists(), "{all:?} wrote something");
    message
}

/// As [`refused`], with a message of one line.
#[track_caller]
fn refused_in_one_line(program: &str, arguments: &[&str], named: &[&str]) {
    let message = refused(program, arguments, named);
    assert_eq!(message.lines().count(), 1, "{arguments:?}: {message}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let folder = Folder::new("threads");
    let curves = |threads: &str| {
        let out = folder.path(threads);
        let setting =
            ["--inputs", "10", "--hidden", "2", "--train", "60", "--runs", "3", "--snr", "10"];
        let output = run(
            "two_layer",
            &[&setting[..], &["--threads", threads, "--out", out.to_str().unwrap()]].concat(),
        );
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(out.join("curves.csv")).unwrap()
    };
    assert_eq!(curves("1"), curves("2"));
}

#[test]
fn risks_are_chosen_by_name_and_minimised() {
    refused("erm", &["--loss", "cubic"], &["--loss", "cubic", "logistic"]);
    refused("erm", &["--penalty", "l3"], &["--penalty", "l3", "elastic-net"]);
    refused("erm", &["--runs", "0"], &["runs"]);
    let folder = Folder::new("erm");
    let out = folder.path("out");
    let arguments = ["--loss", "squared", "--penalty", "elastic-net", "--quick", "--runs", "1"];
    let output = run("erm", &[&arguments[..], &["--out", out.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(out.join("erm.csv")).unwrap();
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    let mut rows = 0;
    for line in lines {
        let values: Vec<&str> = line.split(',').collect();
        let number = |name: &str| values[at(name)].parse::<f64>().unwrap();
        assert!(number("residual") < 1e-6 && values[at("loss")] == "squared loss", "{line}");
        rows += 1;
    }
    assert!(rows > 2, "{text}");
}

/// Peak signal-to-noise ratios in dB that ten sweeps must reach, with three seeds each: what the page about the picture promises.
const PICTURE: [(&str, f64); 2] = [("total variation", 30.3), ("non-local means", 31.1)];
const MOST_SWEEPS: usize = 10;

#[test]
#[ignore = "a minute and more in a release build"]
fn the_picture_is_as_good_as_its_page_says() {
    let programs = built(&["image"]);
    let folder = Folder::new("picture");
    for seed in ["0", "1", "2"] {
        let out = folder.path(seed);
        let mut image = Command::new(programs.join("image"));
        let output = image.args(["--seed", seed, "--out", out.to_str().unwrap()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let table = std::fs::read_to_string(out.join("psnr.csv")).unwrap();
        for (name, wanted) in PICTURE {
            let rows: Vec<&str> = table.lines().filter(|line| line.starts_with(name)).collect();
            let last = rows.last().unwrap().split(',').nth(2).unwrap();
            let psnr: f64 = last.parse().unwrap();
            assert!(psnr >= wanted && rows.len() <= MOST_SWEEPS, "{name}, seed {seed}: {rows:?}");
        }
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_before_the_work() {
    let folder = Folder::new("taken");
    let taken = folder.path("file");
    std::fs::write(&taken, "not a folder").unwrap();
    let out = taken.join("out");
    for program in ["two_layer", "linear_inverse", "erm"] {
        // So many runs would take hours.
        let output = run(program, &["--runs", "10000", "--out", out.to_str().unwrap()]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{program}: {message}");
        let named = message.starts_with("error: --out ") && message.contains("file/out");
        assert!(named, "{program}: {message}");
    }
    let output = run("custom_denoiser", &["--out", out.to_str().unwrap()]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.starts_with("error: --out ") && message.lines().count() == 1, "{message}");
    assert_eq!(output.status.code(), Some(2));
}
