//! The example programs as a user runs them: bad input gives exit code 2, one clear line, and no files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use fg_core::Rows;
use fg_models::report::{NpzFile, read_npy, write_npy};

use crate::files::{Folder, write_npz};

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
fn two_layer_refuses_bad_parameters() {
    let refused_here = |arguments: &[&str], named: &[&str]| {
        refused_in_one_line("two_layer", arguments, named);
    };
    refused_here(&["--runs", "0"], &["--runs", "at least 1"]);
    refused_here(&["--train", "100,0"], &["--train"]);
    refused_here(&["--hidden", "0"], &["--hidden"]);
    refused_here(&["--inputs", "0"], &["--inputs"]);
    refused_here(&["--snr", "nan"], &["--snr", "NaN"]);
    refused_here(&["--snr", "1e5", "--train", "10", "--runs", "1"], &["--snr", "noise_precision"]);
    refused_here(&["--noise-variance", "1"], &["--noise-variance", "--data"]);
    refused_here(&["--loss", "logistic", "--phase-diagram"], &["--loss logistic"]);
    refused_here(&["--loss", "logistic", "--noise-variance", "1"], &["--noise-variance"]);
    refused("two_layer", &["--loss", "hinge"], &["--loss", "hinge"]);
    refused("two_layer", &["--activation", "step"], &["--activation", "step"]);
    refused("two_layer", &["--train", "-5"], &["--train"]);
    refused("two_layer", &["--seed", "x"], &["--seed"]);
}

#[test]
fn two_layer_learns_the_noise_that_nobody_tells() {
    let folder = Folder::new("two-layer-noise");
    let (path, out) = (folder.path("data.npz"), folder.path("out"));
    let x = Rows::from_fn(60, 2, |i, j| ((3 * i + 7 * j) as f64).sin());
    let noise = |i: usize| 0.1 * (11.0 * i as f64).cos();
    let y = Rows::from_fn(60, 1, |i, _| (x[(i, 0)] - x[(i, 1)]).max(0.0) + noise(i));
    write_npz(&path, &[("X", &x), ("Y", &y), ("W2", &Rows::column(vec![1.0]))]);
    let arguments = ["--data", path.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let output = run("two_layer", &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let learned = std::fs::read_to_string(out.join("parameters.csv")).unwrap();
    let line = learned.lines().find(|line| line.starts_with("noise variance,")).unwrap();
    let variance: f64 = line.rsplit(',').next().unwrap().parse().unwrap();
    // That of the noise is 0.005.
    assert!((0.003..0.008).contains(&variance), "{learned}");
}

#[test]
fn two_layer_refuses_bad_arrays() {
    let folder = Folder::new("two-layer-arrays");
    let path = folder.path("data.npz");
    let file = path.to_str().unwrap();
    let (x, y) =
        (Rows::from_fn(6, 2, |i, j| (i * 2 + j) as f64), Rows::from_fn(6, 1, |i, _| i as f64));
    let w2 = Rows::column(vec![1.0, -1.0]);
    let noise = Rows::column(vec![0.5]);
    let refused_with = |arrays: &[(&str, &Rows)], named: &[&str]| {
        write_npz(&path, arrays);
        refused_in_one_line("two_layer", &["--data", file], &[&["data.npz"], named].concat());
    };
    refused_with(&[("X", &x), ("Y", &y)], &["W2", "not in the file"]);
    let nothing = Rows::zeros(6, 1);
    refused_with(&[("X", &x), ("Y", &nothing), ("W2", &w2)], &["targets", "above 0"]);
    let short = Rows::zeros(5, 1);
    refused_with(&[("X", &x), ("Y", &short), ("W2", &w2)], &["array Y", "6 x any", "5 x 1"]);
    let wide = Rows::zeros(2, 3);
    refused_with(&[("X", &x), ("Y", &y), ("W2", &wide)], &["array W2", "2 x 3"]);
    let mut bad = x.clone();
    bad[(4, 1)] = f64::NEG_INFINITY;
    refused_with(&[("X", &bad), ("Y", &y), ("W2", &w2)], &["array X", "row 4, column 1", "-inf"]);
    let nan = Rows::from_fn(6, 1, |i, _| if i == 2 { f64::NAN } else { 0.0 });
    refused_with(&[("X", &x), ("Y", &nan), ("W2", &w2)], &["array Y", "NaN"]);
    let negative = Rows::column(vec![-0.5]);
    let arrays = [("X", &x), ("Y", &y), ("W2", &w2), ("noise_variance", &negative)];
    refused_with(&arrays, &["noise_variance", "-0.5"]);
    // So small that its inverse overflows, from each of its sources.
    let tiny = Rows::column(vec![1e-320]);
    let arrays = [("X", &x), ("Y", &y), ("W2", &w2), ("noise_variance", &tiny)];
    refused_with(&arrays, &["array noise_variance", "got 1.00e-320"]);
    let arrays = [("X", &x), ("Y", &y), ("W2", &w2), ("noise_variance", &noise)];
    write_npz(&path, &arrays);
    let refused_option = |option: [&str; 2], named: &[&str]| {
        refused_in_one_line("two_layer", &[&["--data", file], &option[..]].concat(), named);
    };
    refused_option(["--noise-variance", "1e-320"], &["--noise-variance", "got 1.00e-320"]);
    refused_option(["--snr", "10"], &["noise_variance", "--snr"]);
    for option in [["--seed", "5"], ["--threads", "3"], ["--points", "64"]] {
        refused_option(option, &[option[0], "--data"]);
    }
    let arrays = [("X", &x), ("Y", &nothing), ("W2", &w2)];
    write_npz(&path, &arrays);
    refused_option(["--snr", "10"], &["array Y", "--snr"]);
    let both = ["--data", file, "--snr", "10", "--noise-variance", "1"];
    refused_in_one_line("two_layer", &both, &["--snr", "--noise-variance"]);
    let empty = Rows::zeros(0, 2);
    refused_with(&[("X", &empty), ("Y", &y), ("W2", &w2)], &["array X", "0 x 2"]);
    let arrays = [("X", &x), ("Y", &y), ("W2", &w2), ("noise_variance", &noise), ("X_test", &y)];
    refused_with(&arrays, &["array X_test", "any x 2", "6 x 1"]);
    let arrays = [("X", &x), ("Y", &y), ("W2", &w2), ("noise_variance", &noise), ("W1", &y)];
    refused_with(&arrays, &["array W1", "2 x 2", "6 x 1"]);

    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 40]).unwrap();
    refused_in_one_line("two_layer", &["--data", file], &["data.npz"]);
    refused_in_one_line("two_layer", &["--data", "/nowhere/data.npz"], &["/nowhere/data.npz"]);
    refused_in_one_line("two_layer", &["--data", file, "--train", "100"], &["--train"]);
    refused_in_one_line(
        "two_layer",
        &["--data", file, "--noise-variance", "-1"],
        &["--noise-variance"],
    );
}

#[test]
fn two_layer_learns_from_the_example_file() {
    let folder = Folder::new("two-layer-example");
    let data =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/two_layer_small.npz");
    let output =
        run("two_layer", &["--data", data.to_str().unwrap(), "--out", folder.0.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(read_npy(&folder.path("W1.npy")).unwrap().shape(), (10, 4));
    assert_eq!(read_npy(&folder.path("W1_deviation.npy")).unwrap().shape(), (10, 4));
    assert_eq!(read_npy(&folder.path("b1.npy")).unwrap().shape(), (4, 1));
    assert_eq!(read_npy(&folder.path("predictions.npy")).unwrap().shape(), (100, 1));
    let errors = std::fs::read_to_string(folder.path("errors.csv")).unwrap();
    let line = errors.lines().find(|line| line.starts_with("test_mse_averaged")).unwrap();
    let error: f64 = line.split(',').nth(1).unwrap().parse().unwrap();
    // The targets have variance 1; ridge regression on the same split reaches 0.53.
    assert!(error < 0.6, "test error {error}");
}

#[test]
fn two_layer_refuses_bad_labels() {
    let folder = Folder::new("two-layer-labels");
    let path = folder.path("data.npz");
    let label = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
    let x = Rows::from_fn(6, 2, |i, j| (i * 2 + j) as f64);
    let (y, w2) = (Rows::from_fn(6, 1, |i, _| label(i)), Rows::column(vec![1.0, -1.0]));
    let labels = ["--loss", "logistic", "--data", path.to_str().unwrap()];
    let refused_with = |arrays: &[(&str, &Rows)], more: &[&str], named: &[&str]| {
        write_npz(&path, arrays);
        refused_in_one_line("two_layer", &[&labels[..], more].concat(), named);
    };
    let zeros = Rows::from_fn(6, 1, |i, _| label(i).max(0.0));
    let words = ["data.npz", "array Y", "-1 or 1", "got 0", "row 1"];
    refused_with(&[("X", &x), ("Y", &zeros), ("W2", &w2)], &[], &words);
    let arrays = [("X", &x), ("Y", &y), ("W2", &w2), ("X_test", &x), ("Y_test", &zeros)];
    refused_with(&arrays, &[], &["array Y_test", "-1 or 1"]);
    let pair = Rows::from_fn(6, 2, |i, _| label(i));
    refused_with(&[("X", &x), ("Y", &pair), ("W2", &w2)], &[], &["array Y", "6 x 1", "6 x 2"]);
    let good = [("X", &x), ("Y", &y), ("W2", &w2)];
    refused_with(&good, &["--snr", "10"], &["--snr", "--loss logistic"]);
    refused_with(&good, &["--noise-variance", "1"], &["--noise-variance", "--loss logistic"]);
}

/// The targets of the example file above and below their mean as labels.
#[test]
fn two_layer_learns_from_labels() {
    let folder = Folder::new("two-layer-classes");
    let data =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/two_layer_small.npz");
    let file = NpzFile::open(&data).unwrap();
    let [x, y, x_test, y_test] =
        ["X", "Y", "X_test", "Y_test"].map(|name| file.rows(name).unwrap());
    let labels = |of: &Rows| Rows::from_fn(of.rows(), 1, |i, _| of[(i, 0)].signum());
    // Weights that make odds of up to some tens to one.
    let w2 = Rows::column(vec![2.0, -2.0, 2.0, -2.0]);
    let (y, y_test) = (labels(&y), labels(&y_test));
    let path = folder.path("data.npz");
    let arrays = [("X", &x), ("Y", &y), ("W2", &w2), ("X_test", &x_test), ("Y_test", &y_test)];
    write_npz(&path, &arrays);
    let out = folder.path("out");
    let arguments = [path.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let output = run("two_layer", &[&["--loss", "logistic", "--data"], &arguments[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(read_npy(&out.join("W1.npy")).unwrap().shape(), (10, 4));
    assert_eq!(read_npy(&out.join("W1_deviation.npy")).unwrap().shape(), (10, 4));
    let probabilities = read_npy(&out.join("predictions.npy")).unwrap();
    assert_eq!(probabilities.shape(), (100, 1));
    assert!(probabilities.as_slice().iter().all(|p| (0.0..=1.0).contains(p)));
    let wrong = probabilities.as_slice().iter().zip(y_test.as_slice());
    let wrong = wrong.filter(|(p, y)| (**p > 0.5) != (**y > 0.0)).count() as f64 / 100.0;
    let errors = std::fs::read_to_string(out.join("errors.csv")).unwrap();
    let value = |name: &str| -> f64 {
        let line = errors.lines().find(|line| line.starts_with(name)).unwrap();
        line.split(',').nth(1).unwrap().parse().unwrap()
    };
    assert!((value("test_error_rate_averaged") - wrong).abs() < 1e-12);
    // Logistic regression is wrong in a quarter of the cases, a coin in half of them, give or take 0.05.
    assert!(wrong < 0.35, "{wrong}");
    assert!(value("test_log_loss_averaged") < 0.6 && value("training_log_loss") < 0.6, "{errors}");
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
fn linear_inverse_refuses_bad_input() {
    let folder = Folder::new("linear-bad");
    let write = |name: &str, rows: &Rows| {
        let path = folder.path(name);
        write_npy(&path, rows).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let a = write("A.npy", &Rows::from_fn(3, 2, |i, j| (1 + i + j) as f64));
    let y = write("y.npy", &Rows::column(vec![1.0, 2.0, 3.0]));
    let short = write("short.npy", &Rows::column(vec![1.0, 2.0]));
    let nan = write("nan.npy", &Rows::column(vec![1.0, f64::NAN, 3.0]));
    let pair = write("pair.npy", &Rows::zeros(3, 2));
    let infinite = write("infinite.npy", &Rows::from_fn(3, 2, |_, _| f64::INFINITY));
    let empty = write("empty.npy", &Rows::zeros(0, 2));
    let cut = folder.path("cut.npy");
    let bytes = std::fs::read(&a).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 8]).unwrap();
    let cut = cut.to_str().unwrap().to_owned();
    let text = folder.path("text.npy");
    std::fs::write(&text, "1 2 3").unwrap();
    let text = text.to_str().unwrap().to_owned();

    let case = |matrix: &str, observations: &str, prior: &str, precision: &str, named: &[&str]| {
        let arguments = [
            "--matrix",
            matrix,
            "--observations",
            observations,
            "--prior",
            prior,
            "--noise-precision",
            precision,
        ];
        refused_in_one_line("linear_inverse", &arguments, named);
    };
    let prior = "bernoulli-gauss:0.1,0,1";
    case(&a, &short, prior, "1", &["short.npy", "3 rows", "got 2"]);
    case(&a, &pair, prior, "1", &["pair.npy", "columns must be 1", "got 2"]);
    case(&a, &nan, prior, "1", &["nan.npy", "NaN"]);
    case(&infinite, &y, prior, "1", &["infinite.npy", "inf"]);
    case(&empty, &y, prior, "1", &["empty.npy", "0 x 2"]);
    case(&cut, &y, prior, "1", &["cut.npy", "truncated"]);
    case(&text, &y, prior, "1", &["text.npy"]);
    case("/nowhere/A.npy", &y, prior, "1", &["/nowhere/A.npy"]);
    case(&a, &y, prior, "-1", &["--noise-precision", "-1"]);
    case(&a, &y, prior, "nan", &["--noise-precision", "NaN"]);
    case(&a, &y, "cauchy:1", "1", &["--prior", "cauchy"]);
    case(&a, &y, "bernoulli-gauss:0,0,1", "1", &["--prior", "sparsity", "0"]);
    case(&a, &y, "bernoulli-gauss:1.5,0,1", "1", &["--prior", "sparsity", "1.5"]);
    case(&a, &y, "gauss:0", "1", &["--prior", "MEAN,VAR"]);
    case(&a, &y, "laplace:-2", "1", &["--prior", "scale", "-2"]);
    case(&a, &y, "laplace:two", "1", &["--prior", "two"]);
    refused_in_one_line("linear_inverse", &["--matrix", &a], &["--noise-precision", "missing"]);
    refused_in_one_line("linear_inverse", &["--matrix", &a, "--quick"], &["--quick", "no meaning"]);
    for (name, value) in [
        ("--sparsity", "0"),
        ("--sparsity", "1.1"),
        ("--sparsity", "-0.1"),
        ("--sparsity", "1e-5"),
        ("--condition", "0.5"),
        ("--condition", "nan"),
        ("--rows", "0"),
        ("--cols", "0"),
        ("--runs", "0"),
        ("--snr", "inf"),
    ] {
        refused_in_one_line("linear_inverse", &[name, value], &[name]);
    }
}

/// The file or the option that is to blame comes first.
#[test]
fn linear_inverse_names_the_file_that_is_wrong() {
    let folder = Folder::new("linear-blame");
    let write = |name: &str, rows: &Rows| {
        let path = folder.path(name);
        write_npy(&path, rows).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let a = write("A.npy", &Rows::from_fn(3, 2, |i, j| (1 + i + j) as f64));
    let y = write("y.npy", &Rows::column(vec![1.0, 2.0, 3.0]));
    let message = |matrix: &str, observations: &str, more: &[&str]| {
        let files = ["--matrix", matrix, "--observations", observations];
        refused("linear_inverse", &[&files[..], more].concat(), &[])
    };
    let starts = |message: &str, named: &str| {
        let start = message.split(": ").nth(1).unwrap().to_owned();
        assert!(start.ends_with(named), "must begin with {named}: {message}");
    };
    let zero = write("zero.npy", &Rows::zeros(3, 1));
    let huge = write("huge.npy", &Rows::column(vec![1e200, -1e200, 1e200]));
    let twice = write("twice.npy", &Rows::from_fn(3, 2, |i, _| i as f64));
    let nothing = write("nothing.npy", &Rows::zeros(3, 2));
    starts(&message(&a, &zero, &[]), "zero.npy");
    starts(&message(&a, &huge, &[]), "huge.npy");
    starts(&message(&a, &twice, &[]), "twice.npy");
    starts(&message(&nothing, &y, &[]), "nothing.npy");
    let wide = write("wide.npy", &Rows::from_fn(3, 5, |i, j| ((2 * i + 3 * j) as f64).sin()));
    let prior = ["--prior", "laplace:1e300", "--noise-precision", "1"];
    starts(&message(&wide, &y, &prior), "--prior");
}

#[test]
fn linear_inverse_estimates_the_users_signal() {
    let folder = Folder::new("linear-own");
    let a = Rows::from_fn(4, 2, |i, j| if (i + j) % 2 == 0 { 1.0 } else { 0.25 * i as f64 });
    let signal = [2.0, -1.0];
    let y = Rows::from_fn(4, 1, |i, _| a[(i, 0)] * signal[0] + a[(i, 1)] * signal[1]);
    let (matrix, observations) = (folder.path("A.npy"), folder.path("y.npy"));
    write_npy(&matrix, &a).unwrap();
    write_npy(&observations, &y).unwrap();
    for prior in ["gauss:0,100", "bernoulli-gauss:0.9,0,10", "laplace:10"] {
        let out = folder.path(prior);
        let output = run(
            "linear_inverse",
            &[
                "--matrix",
                matrix.to_str().unwrap(),
                "--observations",
                observations.to_str().unwrap(),
                "--prior",
                prior,
                "--noise-precision",
                "1e6",
                "--out",
                out.to_str().unwrap(),
            ],
        );
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let estimate = read_npy(&out.join("estimate.npy")).unwrap();
        // Noise of 1e-3 on well-conditioned observations, and a prior whose pull is of the same size or less.
        let error = estimate.mean_squared_error(&Rows::column(signal.to_vec())).sqrt();
        assert!(error < 1e-2, "{prior}: {estimate:?}");
        assert_eq!(read_npy(&out.join("deviation.npy")).unwrap().shape(), (2, 1));
        assert!(out.join("history.csv").exists() && out.join("history.png").exists());
    }
}

/// A table of 40 rows in which `y` is twice `a`, and `b` has no part.
fn table(of: impl Fn(usize, [f64; 3]) -> String) -> String {
    let row = |i: usize| {
        let wave = |speed: f64| (speed * (i as f64 + 0.5)).sin();
        let [a, b] = [wave(1.3), wave(2.9)];
        of(i, [a, b, 2.0 * a + 0.01 * wave(7.7)])
    };
    let rows: Vec<String> = (0..40).map(row).collect();
    format!("a,b,y\n{}\n", rows.join("\n"))
}

#[test]
fn regression_refuses_bad_tables() {
    let folder = Folder::new("tables");
    let path = folder.path("table.csv");
    let file = path.to_str().unwrap();
    let line = |_: usize, [a, b, y]: [f64; 3]| format!("{a},{b},{y}");
    let good = table(line);
    let few: Vec<&str> = good.lines().take(11).collect();
    let cases: [(String, &str, &[&str]); 7] = [
        (good.clone(), "z", &["no column `z`", "a, b, y"]),
        (
            table(
                |i, [a, b, y]| {
                    if i == 4 { format!("{a},soon,{y}") } else { format!("{a},{b},{y}") }
                },
            ),
            "y",
            &["row 5", "column `b`", "`soon`"],
        ),
        (
            table(
                |i, [a, b, y]| if i == 2 { format!("{a},{b},inf") } else { format!("{a},{b},{y}") },
            ),
            "y",
            &["row 3", "column `y`", "`inf`"],
        ),
        (
            table(|i, [a, b, y]| if i == 6 { format!("{a},{b}") } else { format!("{a},{b},{y}") }),
            "y",
            &["line: 8"],
        ),
        (table(|_, [a, b, _]| format!("{a},{b},1")), "y", &["`y` is constant"]),
        (few.join("\n"), "y", &["needs 20 rows", "has 10"]),
        (String::new(), "y", &["no column `y`"]),
    ];
    for (text, target, named) in cases {
        std::fs::write(&path, text).unwrap();
        let named = [&["table.csv"], named].concat();
        refused_in_one_line("regression", &["--data", file, "--target", target], &named);
    }
    let missing = folder.path("missing.csv");
    let missing = ["--data", missing.to_str().unwrap(), "--target", "y"];
    refused_in_one_line("regression", &missing, &["missing.csv"]);
    // A table without a target is a mistake in the options, which are shown.
    refused("regression", &["--data", file], &["--target"]);
}

#[test]
fn regression_explains_the_users_column() {
    let folder = Folder::new("regression");
    let (path, out) = (folder.path("table.csv"), folder.path("out"));
    std::fs::write(&path, table(|_, [a, b, y]| format!("{a},{b},{y}"))).unwrap();
    let arguments = ["--data", path.to_str().unwrap(), "--target", "y", "--runs", "2"];
    let output = run("regression", &[&arguments[..], &["--out", out.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(out.join("coefficients.csv")).unwrap();
    let row = |name: &str| -> Vec<f64> {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split(',').skip(1).map(|value| value.parse().unwrap()).collect()
    };
    // Standardised: `y` is `a` but for a hundredth of noise. Probability and coefficient.
    let (a, b) = (row("a,"), row("b,"));
    assert!((a[0] - 1.0).abs() < 0.01 && a[2] > 0.999, "{text}");
    assert!(b[0].abs() < 0.01 && b[2] < 0.5, "{text}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("log evidence"), "a comparison");
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
