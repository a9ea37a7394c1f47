//! Detection of symbols: how often one is mistaken, measured and predicted.

use fg_core::evolution::{Evolution, Spectrum};
use fg_core::operator::{Complex, Ensemble};
use fg_core::special::cdf;
use fg_core::{Options, Rows};
use fg_denoisers::{Awgn, Discrete};
use fg_models::synthetic::{add_noise, complex_gaussian_matrix};
use fg_models::{generalised, linear};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Symbols sent at once, antennas that receive them, and runs.
const SIZE: usize = 256;
const RUNS: u64 = 12;
/// Power of either part of a symbol.
const POWER: f64 = 0.5;
/// Variance of either part of the noise: 5 dB below, where a fifth of the symbols is mistaken.
const NOISE: f64 = 0.158_113_883_008;

/// The rate that state evolution predicts: what the antennas say of a part of a symbol is that part with Gaussian noise.
fn predicted() -> f64 {
    let channel = Ensemble::complex(SIZE, Spectrum::marchenko_pastur(1.0).unwrap());
    let likelihood = Awgn::from_variance(NOISE).unwrap();
    let model = generalised::complex_unobserved(channel, Discrete::qpsk(), likelihood);
    let (operator, signal) = (model.operator, model.signal);
    let graph = model.builder.build().unwrap();
    let prediction = Evolution::new(&graph, &Options::default()).run().unwrap();
    let mut messages = prediction.sweeps().iter().flat_map(|sweep| &sweep.messages);
    let told = messages.rfind(|m| m.factor == operator && m.variable == signal).unwrap();
    let right = cdf((told.law.precision()[0] * POWER).sqrt());
    1.0 - right * right
}

/// The mean of twelve runs of 256 symbols, within three of its own standard deviations, measured among the runs, and a tenth
/// that goes with the size.
#[test]
fn symbols_are_mistaken_as_often_as_predicted() {
    const FINITE: f64 = 0.1;
    let rates: Vec<f64> = (0..RUNS)
        .map(|seed| {
            let rng = &mut Pcg64::seed_from_u64(seed);
            let matrix = complex_gaussian_matrix(SIZE, SIZE, 1.0 / SIZE as f64, rng);
            let channel = Complex::new(matrix.as_ref()).unwrap();
            let part = |positive: bool| if positive { POWER.sqrt() } else { -POWER.sqrt() };
            let sent = Rows::from_fn(SIZE, 2, |_, _| part(rng.random::<bool>()));
            let received = add_noise(&linear::outputs(&channel, &sent), NOISE, rng);
            let likelihood = Awgn::from_variance(NOISE).unwrap();
            let model = generalised::complex(channel, Discrete::qpsk(), likelihood, received);
            let options = Options::default().with_damping(0.9).with_max_sweeps(200);
            let fit = model.fit(&options, &mut ()).unwrap();
            assert!(fit.report().status.is_usable(), "{seed}: {}", fit.report());
            let estimate = fit.estimate();
            let mistaken =
                |i: &usize| sent.row(*i).iter().zip(estimate.row(*i)).any(|(s, e)| s * e <= 0.0);
            (0..SIZE).filter(mistaken).count() as f64 / SIZE as f64
        })
        .collect();
    let mean = rates.iter().sum::<f64>() / RUNS as f64;
    let squares: f64 = rates.iter().map(|rate| (rate - mean).powi(2)).sum();
    let deviation = (squares / (RUNS - 1) as f64 / RUNS as f64).sqrt();
    let expected = predicted();
    println!("{mean} +- {deviation} for {expected}");
    let band = 3.0 * deviation + FINITE * expected;
    assert!((mean - expected).abs() < band, "{mean} +- {deviation} for {expected}: {rates:?}");
}
