//! Your own graph: two instruments that see sparse signals, in three models that are each a graph of a few lines.
//!
//! 1. *Two measurements of one variable.* Both instruments see one signal, one precisely, one with noise.
//! 2. *A loop.* Both hear the same hum, louder than the signal. Side by side their readings tell hum and signal apart.
//! 3. *A variable in two branches.* Each sees a signal of its own; both signals are zero at the same places.
//!
//! The graphs are in `custom_graph/graphs.rs`; here is what they are tried on. Each panel of the figure has the error of an
//! instrument alone and of the whole graph over sweeps, with what state evolution says of it. `--out DIR` (default
//! `out/custom_graph`) receives the graphs as `.dot` files, `custom_graph.csv` and the figure.

use std::process::ExitCode;

use clap::Parser;
use fg_core::Rows;
use fg_core::evolution::Warning;
use fg_core::faer::Scale;
use fg_core::operator::Dense;
use fg_denoisers::{BernoulliGauss, GroupBernoulliGauss};
use fg_models::synthetic::{bernoulli_gauss, gaussian_matrix, gaussian_rows, row_sparse};
use fg_models::{ModelError, linear};
use rand_pcg::Pcg64;

#[path = "custom_graph/compare.rs"]
mod compare;
#[path = "support/curves.rs"]
mod curves;
#[path = "custom_graph/graphs.rs"]
mod graphs;
mod support;

use compare::{Case, Scene};
use graphs::{Instrument, one_signal, two_signals, with_hum};
use support::Study;

/// Entries of a signal, and the share of them that aren't zero.
const ENTRIES: usize = 1000;
const SPARSITY: f64 = 0.1;

/// Two instruments, three graphs.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    study: Study,
}

fn main() -> ExitCode {
    let scenes = [
        Scene { title: "One signal, two instruments", draw: precise_and_noisy },
        Scene { title: "The same hum in both: a loop", draw: humming },
        Scene { title: "Two signals of one support", draw: one_support },
    ];
    support::exit(compare::run(&Arguments::parse().study, &scenes))
}

fn precise_and_noisy(rng: &mut Pcg64) -> Result<Vec<Case>, ModelError> {
    const PRECISE: (usize, f64) = (150, 1e-4);
    const NOISY: (usize, f64) = (300, 1e-2);
    let x = bernoulli_gauss((ENTRIES, 1), SPARSITY, 0.0, 1.0, rng);
    let precise = instrument(&x, &gaussian_rows(PRECISE.0, 1, PRECISE.1, rng), rng)?;
    let noisy = instrument(&x, &gaussian_rows(NOISY.0, 1, NOISY.1, rng), rng)?;
    let (precise, noisy) = ((&precise, PRECISE.1), (&noisy, NOISY.1));
    Ok(vec![
        Case::new("both", one_signal(sparse()?, &[precise, noisy])?, "x", &x),
        Case::new("precise alone", one_signal(sparse()?, &[precise])?, "x", &x),
        Case::new("noisy alone", one_signal(sparse()?, &[noisy])?, "x", &x),
    ])
}

fn humming(rng: &mut Pcg64) -> Result<Vec<Case>, ModelError> {
    const READINGS: usize = 400;
    const NOISE: f64 = 1e-3;
    const HUM: f64 = 1.0;
    let x = bernoulli_gauss((ENTRIES, 1), SPARSITY, 0.0, 1.0, rng);
    let hum = gaussian_rows(READINGS, 1, HUM, rng);
    let mut heard = || combined([&gaussian_rows(READINGS, 1, NOISE, rng), &hum], [1.0, 1.0]);
    let noises = [heard(), heard()];
    let (a, b) = (instrument(&x, &noises[0], rng)?, instrument(&x, &noises[1], rng)?);
    // Noises of the sum and the difference know nothing of each other: here, the loop can be opened.
    let half = 0.5_f64.sqrt();
    let (sum, difference) = (mixed([&a, &b], [half, half])?, mixed([&a, &b], [half, -half])?);
    let opened = [(&sum, NOISE + 2.0 * HUM), (&difference, NOISE)];
    let own = [(&a, NOISE + HUM), (&b, NOISE + HUM)];
    Ok(vec![
        Case::new("both", with_hum(sparse()?, [&a, &b], NOISE, HUM)?, "x", &x),
        Case::new("first alone", one_signal(sparse()?, &own[..1])?, "x", &x),
        Case::new("both, hum taken for noise", one_signal(sparse()?, &own)?, "x", &x),
        Case::new("sum and difference", one_signal(sparse()?, &opened)?, "x", &x),
    ])
}

fn one_support(rng: &mut Pcg64) -> Result<Vec<Case>, ModelError> {
    const READINGS: usize = 200;
    const NOISE: f64 = 1e-3;
    const CORRELATION: f64 = 0.95;
    let signals = row_sparse((ENTRIES, 2), SPARSITY, CORRELATION, rng);
    let [x, y] = [0, 1].map(|k| Rows::from_fn(ENTRIES, 1, |i, _| signals[(i, k)]));
    let a = instrument(&x, &gaussian_rows(READINGS, 1, NOISE, rng), rng)?;
    let b = instrument(&y, &gaussian_rows(READINGS, 1, NOISE, rng), rng)?;
    let covariance = [1.0, CORRELATION, CORRELATION, 1.0];
    let prior = GroupBernoulliGauss::with_covariance(SPARSITY, 2, &covariance)?;
    // State evolution warns of channels that meet a prior at a variable. These only take columns, of which each is seen
    // through an operator: what the prior is told is Gaussian.
    let shared = Warning::SharedVariable { variable: "X".into() };
    Ok(vec![
        Case::new("both", two_signals(prior, [&a, &b], NOISE)?, "x1", &x).accepting(shared),
        Case::new("first alone", one_signal(sparse()?, &[(&a, NOISE)])?, "x", &x),
    ])
}

fn sparse() -> Result<BernoulliGauss, ModelError> {
    Ok(BernoulliGauss::new(SPARSITY, 0.0, 1.0)?)
}

/// An instrument of random projections of a signal, as many as there are values of its noise.
fn instrument(signal: &Rows, noise: &Rows, rng: &mut Pcg64) -> Result<Instrument, ModelError> {
    let m = noise.rows();
    let operator = Dense::new(gaussian_matrix(m, signal.rows(), 1.0 / m as f64, rng))?;
    let seen = combined([&linear::outputs(&operator, signal), noise], [1.0, 1.0]);
    Ok(Instrument { operator, seen })
}

/// The instrument that reads a linear combination of what two others read.
fn mixed([a, b]: [&Instrument; 2], [v, w]: [f64; 2]) -> Result<Instrument, ModelError> {
    let (a_matrix, b_matrix) = (a.operator.matrix(), b.operator.matrix());
    let operator = Dense::new(a_matrix * Scale(v) + b_matrix * Scale(w))?;
    Ok(Instrument { operator, seen: combined([&a.seen, &b.seen], [v, w]) })
}

/// `v a + w b`.
fn combined([a, b]: [&Rows; 2], [v, w]: [f64; 2]) -> Rows {
    Rows::from_fn(a.rows(), a.columns(), |i, j| v * a[(i, j)] + w * b[(i, j)])
}
