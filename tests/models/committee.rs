//! The committee machine of two units against what is published, and runs against state evolution.
//!
//! B. Aubin, A. Maillard, J. Barbier, F. Krzakala, N. Macris and L. Zdeborova, "The committee machine: Computational to
//! statistical gaps in learning a two-layers neural network", Journal of Statistical Mechanics (2019), doi
//! 10.1088/1742-5468/ab43d2.

use fg_core::denoiser::Denoiser;
use fg_core::evolution::{Evolution, EvolutionError, MessageLaw, Prediction, Spectrum, threshold};
use fg_core::operator::Ensemble;
use fg_core::{Options, Rows, VariableId};
use fg_denoisers::{Committee, Discrete, Gaussian};
use fg_models::generalised::{self, Start};
use fg_models::linear;
use fg_models::metrics::match_units;
use fg_models::synthetic::{fast_gaussian, gaussian_rows};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// A start that knows this part of each unit's variance: what the symmetry of the units needs to be left.
const SHARE: f64 = 1e-2;

fn gaussian() -> Gaussian {
    Gaussian::new(0.0, 1.0).unwrap()
}

fn predict(
    alpha: f64,
    prior: impl Denoiser + 'static,
    (sweeps, points): (usize, usize),
) -> Result<(Prediction, VariableId), EvolutionError> {
    let spectrum = Spectrum::marchenko_pastur(alpha).unwrap().scaled(alpha).unwrap();
    let operator = Ensemble::new(1000, spectrum);
    let model = generalised::unobserved(operator, 2, prior, Committee::new());
    let diagonal = |v: f64| [v, 0.0, 0.0, v];
    let (claimed, noise) = (diagonal(1.0 / (1.0 - SHARE)), diagonal(SHARE * (1.0 - SHARE)));
    let start = MessageLaw::from_mean_form(2, &claimed, &diagonal(SHARE), &noise).unwrap();
    let graph = model.builder.build().unwrap();
    let options = Options::default().with_max_sweeps(sweeps);
    let evolution = Evolution::new(&graph, &options).with_points(points).with_tolerance(1e-5);
    Ok((evolution.with_start(model.operator, 1, start).run()?, model.signal))
}

/// Mean overlaps of a unit with itself and with the other one.
fn overlaps(prediction: &Prediction, x: VariableId) -> [f64; 2] {
    let q = prediction.estimate(x).overlap();
    [0.5 * (q[0] + q[3]), 0.5 * (q[1] + q[2])]
}

/// At three labels a weight Gaussian units share 0.653 of their variance with their own and 0.162 with the other one.
#[test]
fn overlaps_at_three_labels_a_weight() {
    // Half of the last published digit, and what 512 points leave of an integral.
    const TOLERANCE: f64 = 0.005;
    let (prediction, x) = predict(3.0, gaussian(), (100, 512)).unwrap();
    let [own, other] = overlaps(&prediction, x);
    assert!((own - 0.653).abs() < TOLERANCE, "{own} {other}");
    assert!((other - 0.162).abs() < TOLERANCE, "{own} {other}");
}

/// Overlaps of a run with its teacher, after the best order of the units, at three labels a weight.
fn run(n: usize, seed: u64) -> [f64; 2] {
    let rng = &mut Pcg64::seed_from_u64(seed);
    let samples = fast_gaussian(3 * n, n, rng).unwrap();
    let teacher = gaussian_rows(n, 2, 1.0, rng);
    let clean = linear::outputs(&samples, &teacher);
    let labels = Rows::from_fn(3 * n, 1, |i, _| {
        let tie = if rng.random::<bool>() { 0.5 } else { -0.5 };
        (clean[(i, 0)].signum() + clean[(i, 1)].signum() + tie).signum()
    });
    let start = Start::Guess { values: gaussian_rows(n, 2, 1.0, rng), share: SHARE };
    let model = generalised::graph(samples, gaussian(), Committee::new(), labels);
    let options = Options::default().with_max_sweeps(100).with_tolerance(1e-4);
    let fit = model.with_start(start).fit(&options, &mut ()).unwrap();
    let order = match_units(fit.estimate(), &teacher, &Rows::zeros(2, 1)).permutation;
    let overlap = |j: usize, k: usize| {
        (0..n).map(|i| fit.estimate()[(i, order[j])] * teacher[(i, k)]).sum::<f64>() / n as f64
    };
    [0.5 * (overlap(0, 0) + overlap(1, 1)), 0.5 * (overlap(0, 1) + overlap(1, 0))]
}
