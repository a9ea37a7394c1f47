//! A committee of two units whose ties are seen, against published overlaps and a published threshold.

use fg_core::denoiser::Denoiser;
use fg_core::evolution::{
    Evolution, EvolutionError, MessageLaw, PredictedStatus, Spectrum, threshold,
};
use fg_core::operator::{Dense, Ensemble, LinearOperator};
use fg_core::{FactorId, Graph, Options, Rows, Status, VariableId};
use fg_denoisers::{Committee, Discrete, Gaussian};
use fg_models::generalised::{self, Start};
use fg_models::metrics::unit_overlaps;
use fg_models::synthetic::{fast_gaussian, gaussian_matrix, gaussian_rows};
use fg_models::{Fit, GeneralisedGraph, linear};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

fn model(operator: impl LinearOperator + 'static) -> GeneralisedGraph {
    let prior = Gaussian::new(0.0, 1.0).unwrap();
    generalised::unobserved(operator, 2, prior, Committee::new().with_ties())
}

/// Overlaps of a unit with its own in the teacher and with the other one, from a start that knows half of each unit's
/// variance.
fn predicted(ratio: f64, points: usize) -> [f64; 2] {
    const SHARE: f64 = 0.5;
    let spectrum = Spectrum::marchenko_pastur(ratio).unwrap().scaled(ratio).unwrap();
    let model = model(Ensemble::new(1000, spectrum));
    let start = MessageLaw::guess(2, SHARE, 1.0).unwrap();
    let graph = model.builder.build().unwrap();
    let options = Options::default().with_max_sweeps(1000);
    let evolution = Evolution::new(&graph, &options).with_points(points);
    let prediction = evolution.with_start(model.operator, 1, start).run().unwrap();
    assert_eq!(prediction.status(), &PredictedStatus::FixedPoint, "{ratio}");
    let q = prediction.estimate(model.signal).overlap();
    [0.5 * (q[0] + q[3]), 0.5 * (q[1] + q[2])]
}

/// Overlaps at three labels a weight, by an independent implementation of the fixed point of B. Aubin et al. (2018), doi
/// 10.1088/1742-5468/ab43d2.
const PUBLISHED: [f64; 2] = [0.653, 0.162];

fn specialise(points: usize, band: f64) {
    let found = predicted(3.0, points);
    for (found, expected) in found.iter().zip(PUBLISHED) {
        assert!((found - expected).abs() < band, "{found} against {expected}");
    }
}

/// The error of integration is 9e-3 with 4096 points and 1.5e-3 with 16384.
#[test]
fn units_specialise_as_published() {
    specialise(4096, 0.012);
}

/// Every row of two signs.
fn signs() -> Discrete {
    Discrete::new(2, &[1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0], &[1.0; 4]).unwrap()
}

/// Binary units, and a start that knows half of their variance.
fn binary_graph(ratio: f64) -> (Graph, VariableId, (FactorId, MessageLaw)) {
    let spectrum = Spectrum::marchenko_pastur(ratio).unwrap().scaled(ratio).unwrap();
    let vote = Committee::new().with_ties();
    let model = generalised::unobserved(Ensemble::new(1000, spectrum), 2, signs(), vote);
    let start = MessageLaw::guess(2, 0.5, 1.0).unwrap();
    (model.builder.build().unwrap(), model.signal, (model.operator, start))
}

/// Overlaps of binary units, as [`predicted`], and how the prediction ended.
fn binary(ratio: f64, points: usize) -> Result<([f64; 2], PredictedStatus), EvolutionError> {
    binary_by(&Options::default(), ratio, points)
}

fn binary_by(
    options: &Options,
    ratio: f64,
    points: usize,
) -> Result<([f64; 2], PredictedStatus), EvolutionError> {
    let (graph, signal, (operator, start)) = binary_graph(ratio);
    let options = options.clone().with_max_sweeps(600);
    let evolution = Evolution::new(&graph, &options).with_points(points);
    let prediction = evolution.with_start(operator, 1, start).run()?;
    let q = prediction.estimate(signal).overlap();
    // The smaller one: both units must be found.
    Ok(([q[0].min(q[3]), 0.5 * (q[1] + q[2])], prediction.status().clone()))
}

/// What is left to rounding of an overlap of one.
const EXACT: f64 = 1.0 - 1e-9;

/// Messages grow without bound on the way to exact units.
#[test]
fn binary_units_are_found_exactly() {
    let ([own, other], status) = binary(3.0, 2048).unwrap();
    assert!(own > EXACT && own < 2.0 - EXACT, "{own} and {other}, {status}");
}

/// Few points see single rows that tell one unit and not the other once both are known to many digits: what is known stays. By 512
/// points this is so at eight digits of one unit and fourteen of the other, when what is told of the former isn't yet negligible by
/// the default.
#[test]
fn binary_units_are_found_by_few_points_too() {
    const NEGLIGIBLE: f64 = 1e-6;
    let options = Options::default().with_negligible(NEGLIGIBLE);
    for ratio in [2.2, 2.4, 3.0] {
        for points in [512, 1024] {
            let ([own, other], status) = binary_by(&options, ratio, points).unwrap();
            let found = own > EXACT && own < 2.0 - EXACT;
            assert!(found, "{ratio}, {points} points: {own} and {other}, {status}");
            assert_eq!(status, PredictedStatus::FixedPoint, "{ratio}, {points} points");
        }
    }
}

/// Errors after each sweep of a damped prediction that finds the units and goes on, and how many messages were kept.
fn damped(negligible: f64) -> (Vec<f64>, usize) {
    let options = Options::default().with_damping(0.5).with_negligible(negligible);
    let (graph, signal, start) = binary_graph(3.0);
    let options = options.with_max_sweeps(30);
    let evolution = Evolution::new(&graph, &options).with_points(1024).with_tolerance(0.0);
    let (operator, law) = start;
    let prediction = evolution.with_start(operator, 1, law).with_exact(0.0).run().unwrap();
    let kept = prediction.sweeps().iter().flat_map(|s| &s.messages).filter(|m| m.kept).count();
    (prediction.sweeps().iter().map(|s| s.estimate(signal).unwrap().nmse()).collect(), kept)
}

/// Damping halves a message that is dropped from sweep to sweep, unless it is kept: in predictions as in runs. A few points
/// that tell something again unsettle both, which a prediction that ends where it is exact doesn't get to see.
#[test]
fn damped_predictions_keep_what_is_found() {
    let worst_after = |errors: &[f64]| {
        let found = errors.iter().position(|e| *e < 1e-12).unwrap();
        errors[found..].iter().copied().fold(0.0, f64::max)
    };
    let ((kept, count), (dropped, none)) = (damped(1e-6), damped(0.0));
    assert!(count > 0 && none == 0, "{count} and {none} messages kept");
    // 1.3e-5 and 4.6e-3.
    assert!(worst_after(&kept) < 1e-4, "{kept:?}");
    assert!(worst_after(&dropped) > 1e-3, "{dropped:?}");
}

/// Binary units are found exactly from two labels a weight on, to a tenth: below, the prediction settles at overlaps far from
/// one. B. Aubin et al., as above.
#[test]
fn binary_units_are_found_exactly_from_two_labels_a_weight_on() {
    const BAND: f64 = 0.1;
    /// Overlaps jump: next to the threshold they are 0.66.
    const MISSED: f64 = 0.8;
    let exact = |ratio: f64| {
        let ([own, other], status) = binary(ratio, 2048)?;
        println!("{ratio}: {own} and {other}, {status}");
        assert_eq!(status, PredictedStatus::FixedPoint, "{ratio}: {own}");
        assert!(!(MISSED..=EXACT).contains(&own), "{ratio}: {own} is neither found nor missed");
        Ok(own > EXACT)
    };
    let found = threshold((1.8, 2.2), BAND, exact).unwrap().value();
    assert!((found - 2.0).abs() < BAND, "binary units are exact from {found} on");
}

/// Digits as published: with 65536 points.
#[test]
#[ignore = "a minute"]
fn units_specialise_to_all_published_digits() {
    specialise(1 << 16, 1e-3);
}

/// Gaussian weights specialise from 2.05 labels a weight on: below, both units of the estimate are alike. The error of
/// integration prefers an order of the units, and next to the transition little becomes much: at 1.95 units that are alike
/// are left 7e-3 apart by 4096 points, 1e-3 by 16384 and 1e-10 by 65536. They may end in the other order than they started in.
#[test]
#[ignore = "two minutes"]
fn units_specialise_from_the_published_threshold_on() {
    let difference = |ratio, points| {
        let [own, other] = predicted(ratio, points);
        (own - other).abs()
    };
    let (below, above) = (difference(1.95, 1 << 16), difference(2.15, 4096));
    assert!(below < 1e-3, "{below}");
    assert!(above > 0.02, "{above}");
}

/// Five hundred binary weights a unit, from random signs of which half of the variance is taken for true. Returns whether the run
/// converged to the teacher.
fn small_run_is_exact(ratio: f64, seed: u64, damping: f64) -> bool {
    const SIZE: usize = 500;
    let rng = &mut Pcg64::seed_from_u64(seed);
    let [teacher, values] = [(); 2].map(|()| {
        let values = gaussian_rows(SIZE, 2, 1.0, rng);
        Rows::from_fn(SIZE, 2, |i, j| 1f64.copysign(values[(i, j)]))
    });
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
    let labels = (ratio * SIZE as f64).round() as usize;
    let samples = Dense::new(gaussian_matrix(labels, SIZE, 1.0 / SIZE as f64, rng)).unwrap();
    let votes = linear::outputs(&samples, &teacher);
    let data = Rows::from_fn(labels, 1, |i, _| {
        0.5 * votes.row(i).iter().map(|z| 1f64.copysign(*z)).sum::<f64>()
    });
    let model = generalised::graph(samples, signs(), Committee::new().with_ties(), data);
    let model = model.with_start(Start::Guess { values, share: 0.5 });
    let options = Options::default().with_max_sweeps(300).with_damping(damping);
    let fit = model.fit(&options, &mut ()).unwrap();
    let [own, other] = unit_overlaps(fit.estimate(), &teacher);
    println!("{ratio}, {seed}: {own} and {other}, {}", fit.report());
    fit.report().status == Status::Converged && own > EXACT
}

/// Next to the teacher no label may be left that is in doubt, and the likelihood has nothing to say any more: a run that took that
/// for news forgot what it had found.
#[test]
fn small_binary_runs_keep_what_they_find() {
    for (ratio, seed) in [(4.0, 2), (3.0, 2)] {
        assert!(small_run_is_exact(ratio, seed, 1.0), "{ratio} {seed}");
    }
}

/// The start claims what isn't true. Undamped runs at four labels a weight end in eight sweeps, too few to get over it: nearly at the
/// teacher they claim that all is known, some wrong weights are beyond doubt, and half of the runs get lost. Of damped ones none of
/// twenty did.
#[test]
fn small_binary_runs_are_exact_when_damped() {
    for (ratio, seed) in [(4.0, 1), (4.0, 9), (4.0, 10), (2.5, 1)] {
        assert!(small_run_is_exact(ratio, seed, 0.7), "{ratio} {seed}");
    }
}

/// Weights of a unit in large runs.
const SIZE: usize = 10_000;

/// A run from the votes of this teacher, on samples that are fast factors with the singular values of a Gaussian matrix; it
/// starts from values of which half of the variance is taken for true.
fn large_run(
    ratio: f64,
    prior: impl Denoiser + 'static,
    [teacher, values]: [&Rows; 2],
    rng: &mut Pcg64,
) -> Fit {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
    let labels = (ratio * SIZE as f64).round() as usize;
    let samples = fast_gaussian(labels, SIZE, rng).unwrap();
    let votes = linear::outputs(&samples, teacher);
    let data = Rows::from_fn(labels, 1, |i, _| {
        0.5 * votes.row(i).iter().map(|z| 1f64.copysign(*z)).sum::<f64>()
    });
    let model = generalised::graph(samples, prior, Committee::new().with_ties(), data);
    let model = model.with_start(Start::Guess { values: values.clone(), share: 0.5 });
    let fit = model.fit(&Options::default().with_max_sweeps(300), &mut ()).unwrap();
    assert!(fit.report().status.is_usable(), "{ratio}: {}", fit.report());
    fit
}

/// Runs of ten thousand weights a unit, from random values. Single runs scatter by 0.02, the more the nearer the threshold is.
#[test]
#[ignore = "ten minutes"]
fn large_runs_agree_with_theory() {
    const RUNS: u64 = 8;
    let mut mean = [0.0; 2];
    for seed in 0..RUNS {
        let rng = &mut Pcg64::seed_from_u64(seed);
        let [teacher, values] = [(); 2].map(|()| gaussian_rows(SIZE, 2, 1.0, rng));
        let fit = large_run(3.0, Gaussian::new(0.0, 1.0).unwrap(), [&teacher, &values], rng);
        let found = unit_overlaps(fit.estimate(), &teacher);
        println!("RUN {seed} {found:?} {}", fit.report());
        mean.iter_mut().zip(found).for_each(|(m, f)| *m += f / RUNS as f64);
    }
    for (found, expected) in mean.iter().zip(PUBLISHED) {
        assert!((found - expected).abs() < 0.01, "{mean:?} against {expected}");
    }
}

/// Ten thousand binary weights a unit, from random signs: exact at 2.2 labels a weight and at 3, beyond the threshold of two.
///
/// They aren't compared at 1.8, below it, where 0.458 is predicted, and 0.244 of the other unit: single runs scatter, by 0.016
/// where they tell the units apart, which 3 of 16 didn't in 600 sweeps; the other 13 end at 0.474 in the mean. It is a matter of
/// size: eight runs of 60000 weights all tell them apart and end at 0.460 and 0.243 in the mean, with a standard error of 0.005.
#[test]
#[ignore = "a minute"]
fn large_binary_runs_agree_with_theory() {
    const RUNS: u64 = 2;
    for ratio in [2.2, 3.0] {
        let ([predicted, _], status) = binary(ratio, 2048).unwrap();
        println!("{ratio}: {predicted} predicted, {status}");
        let mut mean = 0.0;
        for seed in 0..RUNS {
            let rng = &mut Pcg64::seed_from_u64(seed);
            let mut sign = || if rng.random::<bool>() { 1.0 } else { -1.0 };
            let [teacher, values] = [(); 2].map(|()| Rows::from_fn(SIZE, 2, |_, _| sign()));
            let fit = large_run(ratio, signs(), [&teacher, &values], rng);
            let [own, other] = unit_overlaps(fit.estimate(), &teacher);
            println!("{ratio}, {seed}: {own} and {other}, {}", fit.report());
            mean += own / RUNS as f64;
        }
        assert!((mean - predicted).abs() < 0.01, "{ratio}: {mean} for {predicted}");
    }
}
