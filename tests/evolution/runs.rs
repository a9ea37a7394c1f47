//! How runs of finite size are compared with their prediction.

use std::ops::ControlFlow;

use fg_core::{Graph, Inference, IterationInfo, Options, Rows, VariableId};

/// How far the mean of the runs may be from what is predicted at sizes of a few thousand, relative.
const BAND: f64 = 0.03;
/// Or so many of its own standard errors: single runs scatter by ten percent. With forty runs the chance of a false
/// alarm is 0.5 percent for one number, and those of one run go up and down together.
const STANDARD_ERRORS: f64 = 3.0;

/// Sweeps compared.
pub(crate) const SWEEPS: usize = 12;

/// All of these sweeps.
pub(crate) fn options() -> Options {
    Options::default().with_max_sweeps(SWEEPS).with_tolerance(0.0)
}

/// Errors of variables after each sweep of a run, one list a variable.
pub(crate) fn errors(graph: &Graph, of: &[(VariableId, &Rows)]) -> Vec<Vec<f64>> {
    errors_of(graph, &options(), of)
}

/// The same of a run with these options.
pub(crate) fn errors_of(
    graph: &Graph,
    options: &Options,
    of: &[(VariableId, &Rows)],
) -> Vec<Vec<f64>> {
    let mut errors = vec![Vec::new(); of.len()];
    let mut watch = |info: &mut IterationInfo<'_>| {
        for (errors, (variable, truth)) in errors.iter_mut().zip(of) {
            errors.push(info.mean(*variable).unwrap().mean_squared_error(truth));
        }
        ControlFlow::Continue(())
    };
    let mut run = Inference::new(graph, options).unwrap();
    let solution = run.run(&mut watch).unwrap();
    assert!(solution.report().status.is_usable(), "{}", solution.report());
    errors
}

/// Asserts that the mean of the runs is what is predicted, sweep by sweep; `integration` is the relative standard error
/// of the prediction.
pub(crate) fn compare(name: &str, measured: &[Vec<f64>], predicted: &[f64], integration: f64) {
    let runs = measured.len() as f64;
    assert_eq!(predicted.len(), SWEEPS, "{name}: a prediction for every sweep");
    for (t, &expected) in predicted.iter().enumerate() {
        let values: Vec<f64> = measured.iter().map(|m| m[t]).collect();
        let mean = values.iter().sum::<f64>() / runs;
        let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (runs - 1.0);
        let error = ((spread / runs).sqrt() / expected).hypot(integration);
        let gap = mean / expected - 1.0;
        println!("{name}, sweep {}: {mean:.5} for {expected:.5}, {gap:+.4} +- {error:.4}", t + 1);
        let band = BAND.max(STANDARD_ERRORS * error);
        assert!(gap.abs() < band, "{name}, sweep {}: {mean} for {expected}", t + 1);
    }
}
