//! Two regressions in one data set, and nobody recorded which observation belongs to which.
//!
//! An observation is `a . x_1` or `a . x_2` with noise. Messages about both regressors hold a full 2 x 2 precision. A run
//! that starts from nothing prefers no order: it finds the mean of both, and leaves that late, by rounding, or never. A second
//! one starts from where it has ended, moved in the direction in which that is least stable, which tells the regressors apart.
//! Beside it stand state evolution, one regression for all data, and alternating least squares, which gives each observation
//! to the regressor that fits it better. Errors count after the best of both orders. `--out DIR` (default
//! `out/mixed_regression`) receives `mixed_regression.csv` and the figure.

use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::{Evolution, MessageLaw, Spectrum};
use fg_core::operator::{Dense, Ensemble, LinearOperator};
use fg_core::{Options, Rows, Status};
use fg_denoisers::{Gaussian, MixedColumns};
use fg_models::generalised::{self, Start};
use fg_models::metrics::match_units;
use fg_models::synthetic::{add_noise, gaussian_matrix, gaussian_rows};
use fg_models::{ModelError, linear};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::{Labels, several_over_places};
use support::{Failure, Study};

/// Entries of a regressor, and regressors.
const SIZE: [usize; 2] = [300, 2];
/// Observations an entry of one regressor.
const RATIOS: [f64; 9] = [1.0, 1.5, 2.0, 2.2, 2.5, 3.0, 4.0, 5.0, 6.0];
/// Variance of the noise; without it observations have a variance of one.
const NOISE: f64 = 1e-3;
const SWEEPS: usize = 200;
const DAMPING: f64 = 0.8;
/// Part of what the first run leaves unknown that is taken for told by the move away from it.
const MOVED: f64 = 0.1;
/// Part of the variance of the start that is true in the prediction.
const SHARE: f64 = 1e-2;
/// Rounds of alternating least squares.
const ROUNDS: usize = 50;

/// Mixed regression: error against the number of observations.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    study: Study,
}

fn main() -> ExitCode {
    support::exit(run(&Arguments::parse().study))
}

fn run(study: &Study) -> Result<(), Failure> {
    let labels = Labels {
        name: "mixed_regression",
        title: format!("Two mixed regressions of {} entries", SIZE[0]),
        x: "observations an entry",
        y: "error over power (dB), order aside",
    };
    let names = ["matrix messages", "alternating least squares", "one regression"];
    let places = (&RATIOS[..], study.runs(10, 1)?);
    let predicted = (["state evolution"], |ratio| predict(ratio).map(|error| [error]));
    several_over_places(study, places, labels, (names, solve), predicted)
}

/// Equal shares, and noise of a known size.
fn model() -> Result<MixedColumns, ModelError> {
    Ok(MixedColumns::new(&[0.5, 0.5], NOISE.recip())?)
}

/// Errors of the three estimators in one run, in decibels, and how the first ended.
fn solve(ratio: f64, seed: u64) -> Result<([f64; 3], [Status; 1]), ModelError> {
    let rng = &mut Pcg64::seed_from_u64(seed);
    let [n, d] = SIZE;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
    let m = (ratio * n as f64).round() as usize;
    let operator = Dense::new(gaussian_matrix(m, n, 1.0 / n as f64, rng))?;
    let truth = gaussian_rows(n, d, 1.0, rng);
    let both = linear::outputs(&operator, &truth);
    let seen = Rows::from_fn(m, 1, |i, _| both[(i, usize::from(rng.random::<bool>()))]);
    let data = add_noise(&seen, NOISE, rng);
    let values = gaussian_rows(n, d, 1.0, rng);
    let alternating = alternate(&operator, &data, values)?;
    let single = regress(&operator, &data)?;
    let single = Rows::from_fn(n, d, |i, _| single[(i, 0)]);
    let graph = generalised::graph(operator, Gaussian::new(0.0, 1.0)?, model()?, data);
    let options = Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS);
    let fit = graph.with_start(Start::LeastStable { share: MOVED }).fit(&options, &mut ())?;
    let error = |estimate: &Rows| {
        let matching = match_units(estimate, &truth, &Rows::zeros(d, 1));
        10.0 * matching.parameter_error.log10()
    };
    let errors = [error(fit.estimate()), error(&alternating), error(&single)];
    Ok((errors, [fit.report().status.clone()]))
}

/// The posterior mean of one regressor for all data, with the noise that data of another one are.
fn regress(operator: &Dense, data: &Rows) -> Result<Rows, ModelError> {
    let prior = Gaussian::new(0.0, 1.0)?;
    let model = linear::graph(operator.clone(), data.clone(), prior, 1.0)?;
    Ok(model.fit(&Options::default(), &mut ())?.estimate().clone())
}

/// Alternating least squares: every observation to the regressor that fits it, then both regressors anew.
fn alternate(operator: &Dense, data: &Rows, start: Rows) -> Result<Rows, ModelError> {
    let (mut values, mut before) = (start, Vec::new());
    for _ in 0..ROUNDS {
        let outputs = linear::outputs(operator, &values);
        let miss = |i: usize, k: usize| (data[(i, 0)] - outputs[(i, k)]).abs();
        let second: Vec<bool> = (0..data.rows()).map(|i| miss(i, 1) < miss(i, 0)).collect();
        if second == before {
            break;
        }
        for k in 0..2 {
            let own: Vec<usize> = (0..data.rows()).filter(|i| second[*i] == (k == 1)).collect();
            if own.is_empty() {
                continue;
            }
            let rows =
                Rows::from_fn(own.len(), operator.inputs(), |i, j| operator.matrix()[(own[i], j)]);
            let seen = Rows::from_fn(own.len(), 1, |i, _| data[(own[i], 0)]);
            let prior = Gaussian::new(0.0, 1.0)?;
            let model = linear::graph(Dense::from_rows(&rows)?, seen, prior, NOISE.recip())?;
            let fit = model.fit(&Options::default(), &mut ())?;
            (0..values.rows()).for_each(|i| values[(i, k)] = fit.estimate()[(i, 0)]);
        }
        before = second;
    }
    Ok(values)
}

/// The error that theory predicts in decibels, from a start that knows a little of each regressor.
fn predict(ratio: f64) -> Result<f64, ModelError> {
    let spectrum = Spectrum::marchenko_pastur(ratio)?.scaled(ratio)?;
    let prior = Gaussian::new(0.0, 1.0)?;
    let graph = generalised::unobserved(Ensemble::new(SIZE[0], spectrum), 2, prior, model()?);
    let (operator, signal) = (graph.operator, graph.signal);
    let start = MessageLaw::guess(SIZE[1], SHARE, 1.0)?;
    let graph = graph.builder.build()?;
    let options = Options::default().with_max_sweeps(2 * SWEEPS);
    let prediction = Evolution::new(&graph, &options).with_start(operator, 1, start).run()?;
    Ok(prediction.estimate(signal).nmse_db())
}
