//! `regression` on tables, bad and good.

use super::{refused, refused_in_one_line, run};
use crate::files::Folder;

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
