//! A committee of two hidden units learns from its teacher's votes: from how many on does it tell the units apart?
//!
//! The label of a sample is the sum of two signs, a tie being a label of its own. Below 2.05 labels a weight both units of the
//! estimate are alike, with the mean of the teacher's in each; above, Gaussian weights specialise, gradually. Binary weights
//! are found exactly from about two labels a weight on. Messages hold a full 2 x 2 precision; runs start from random values,
//! as a run that starts from nothing can't prefer one order of the units: it learns the sum of both, and stays with it. Samples
//! are fast factors with the singular values of a Gaussian matrix. Overlaps count after the best of both orders.
//! `--out DIR` (default `out/committee`) receives `committee.csv` and the figure.

use std::process::ExitCode;

use clap::Parser;
use fg_core::denoiser::Denoiser;
use fg_core::evolution::{Evolution, MessageLaw, PredictedStatus, Spectrum};
use fg_core::operator::Ensemble;
use fg_core::{Options, Rows, Status};
use fg_denoisers::{Committee, Discrete, Gaussian, ParameterError};
use fg_models::generalised::{self, Start};
use fg_models::metrics::unit_overlaps;
use fg_models::synthetic::{fast_gaussian, gaussian_rows};
use fg_models::{ModelError, linear};
use rand::SeedableRng;
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::{Labels, several_over_places};
use support::{Failure, Study};

/// Weights of a unit, and units.
const SIZE: [usize; 2] = [2000, 2];
/// Labels a weight.
const RATIOS: [f64; 10] = [0.5, 1.0, 1.5, 1.8, 2.0, 2.2, 2.5, 3.0, 3.5, 4.0];
/// Next to the transition runs are slow.
const SWEEPS: usize = 500;
/// Part of the variance of the random start that is taken for true, in runs and in the prediction.
const SHARE: f64 = 0.5;
/// Weight of new messages in runs, whose start doesn't know what it claims. Undamped ones of binary weights at 3.5 labels a
/// weight and more are next to the teacher before they have got over that: some wrong weights are beyond doubt by then, and half of
/// the runs get lost.
const DAMPING: f64 = 0.7;
/// Points of the prediction's integrals, and with `--quick`. Their error prefers an order of the units, and next to the
/// transition little becomes much: at two labels a weight 2048 of them leave units 0.013 apart that are alike, 16384 of them
/// 0.002. Of binary units, 2048 make an overlap of 0.458 one of 0.469.
const POINTS: usize = 16384;
const FEW: usize = 2048;

/// A committee machine: overlaps with its teacher against the number of labels.
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
        name: "committee",
        title: format!("Committee of two units, {} weights each", SIZE[0]),
        x: "labels a weight",
        y: "overlap with the teacher",
    };
    let measured = ["own unit", "other unit", "own unit, binary weights"];
    let predicted =
        ["predicted: own unit", "predicted: other unit", "predicted: own unit, binary weights"];
    let (ratios, runs) = if study.quick {
        (&[1.0, 2.5, 3.0][..], study.runs(1, 1)?)
    } else {
        (&RATIOS[..], study.runs(6, 1)?)
    };
    let points = if study.quick { FEW } else { POINTS };
    let predict = |ratio: f64| predict(ratio, points);
    several_over_places(study, (ratios, runs), labels, (measured, learn), (predicted, predict))
}

/// Votes of two units, of which a tie is seen.
fn vote() -> Committee {
    Committee::new().with_ties()
}

/// All four rows of two signs.
fn binary() -> Result<Discrete, ParameterError> {
    Discrete::new(2, &[1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0], &[1.0; 4])
}

/// The overlaps of [`learned`] with Gaussian weights, the first of them with binary weights, and how both runs ended.
fn learn(ratio: f64, seed: u64) -> Result<([f64; 3], [Status; 2]), ModelError> {
    let rng = &mut Pcg64::seed_from_u64(seed);
    let [n, d] = SIZE;
    let [teacher, values] = [(); 2].map(|()| gaussian_rows(n, d, 1.0, rng));
    let ([own, other], gaussian) =
        learned(ratio, Gaussian::new(0.0, 1.0)?, [teacher, values], rng)?;
    let signs = [(); 2].map(|()| {
        let values = gaussian_rows(n, d, 1.0, rng);
        Rows::from_fn(n, d, |i, j| 1f64.copysign(values[(i, j)]))
    });
    let ([exact, _], binary) = learned(ratio, binary()?, signs, rng)?;
    Ok(([own, other, exact], [gaussian, binary]))
}

/// Mean overlap of a unit with its own in the teacher, and with the other one, in one run from random values, and how that
/// ended.
fn learned(
    ratio: f64,
    prior: impl Denoiser + 'static,
    [teacher, values]: [Rows; 2],
    rng: &mut Pcg64,
) -> Result<([f64; 2], Status), ModelError> {
    let n = SIZE[0];
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
    let labels = (ratio * n as f64).round() as usize;
    let samples = fast_gaussian(labels, n, rng)?;
    let votes = linear::outputs(&samples, &teacher);
    let data = Rows::from_fn(labels, 1, |i, _| {
        0.5 * votes.row(i).iter().map(|z| 1f64.copysign(*z)).sum::<f64>()
    });
    let start = Start::Guess { values, share: SHARE };
    let model = generalised::graph(samples, prior, vote(), data).with_start(start);
    let options = Options::default().with_max_sweeps(SWEEPS).with_damping(DAMPING);
    let fit = model.fit(&options, &mut ())?;
    Ok((unit_overlaps(fit.estimate(), &teacher), fit.report().status.clone()))
}

/// The overlaps that theory predicts, from a start that knows a little of each unit.
fn predict(ratio: f64, points: usize) -> Result<[f64; 3], ModelError> {
    let [own, other] = predicted(ratio, Gaussian::new(0.0, 1.0)?, points)?;
    let [exact, _] = predicted(ratio, binary()?, points)?;
    Ok([own, other, exact])
}

/// NaN where the recursion hasn't settled: what it then says is no prediction of where runs end.
fn predicted(
    ratio: f64,
    prior: impl Denoiser + 'static,
    points: usize,
) -> Result<[f64; 2], ModelError> {
    let spectrum = Spectrum::marchenko_pastur(ratio)?.scaled(ratio)?;
    let model = generalised::unobserved(Ensemble::new(SIZE[0], spectrum), 2, prior, vote());
    let (operator, signal) = (model.operator, model.signal);
    let start = MessageLaw::guess(SIZE[1], SHARE, 1.0)?;
    let graph = model.builder.build()?;
    let options = Options::default().with_max_sweeps(2 * SWEEPS);
    let evolution = Evolution::new(&graph, &options).with_points(points);
    let prediction = evolution.with_start(operator, 1, start).run()?;
    if prediction.status() != &PredictedStatus::FixedPoint {
        return Ok([f64::NAN; 2]);
    }
    let q = prediction.estimate(signal).overlap();
    // As for runs the better order counts: next to the transition little tells both apart at first.
    let (one, other) = (0.5 * (q[0] + q[3]), 0.5 * (q[1] + q[2]));
    Ok([one.max(other), one.min(other)])
}
