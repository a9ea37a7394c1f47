//! `linear_inverse` on options and files, bad and good.

use fg_core::Rows;
use fg_models::report::{read_npy, write_npy};

use super::{refused, refused_in_one_line, run};
use crate::files::Folder;

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
