//! Operators that are applied without being stored: random frequencies of a complex signal, and a convolution.

use fg_core::evolution::Evolution;
use fg_core::operator::{Dense, Fourier, LinearOperator, Spectral};
use fg_core::{Options, Rows};
use fg_denoisers::{Awgn, BernoulliGauss, Gaussian, GroupBernoulliGauss};
use fg_models::metrics::nmse_db;
use fg_models::synthetic::{add_noise, bernoulli_gauss, row_sparse};
use fg_models::{generalised, linear};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

/// Complex entries, frequencies that are measured, and runs.
const SIZE: usize = 2000;
const MEASURED: usize = 800;
const RUNS: u64 = 6;
const SPARSITY: f64 = 0.1;
/// Of either part of the noise: 30 dB below the signal.
const NOISE: f64 = 1e-4;

/// Random frequencies.
fn frequencies(rng: &mut Pcg64) -> Spectral {
    let mut all: Vec<usize> = (0..SIZE).collect();
    all.shuffle(rng);
    let parts: Vec<usize> = all[..MEASURED].iter().flat_map(|k| [2 * k, 2 * k + 1]).collect();
    Spectral::rows_of(Fourier::new(SIZE).unwrap(), &parts).unwrap()
}

/// State evolution assumes a basis uniform among all; for one of waves and places that are chosen at random it is known to
/// hold as well. The mean of six runs, within three of its own standard deviations measured among the runs.
#[test]
fn random_frequencies_are_predicted() {
    let prior = || GroupBernoulliGauss::complex(SPARSITY, 2.0).unwrap();
    let noise = || Awgn::from_variance(NOISE).unwrap();
    let operator = frequencies(&mut Pcg64::seed_from_u64(0));
    let model = generalised::complex_unobserved(operator, prior(), noise());
    let signal = model.signal;
    let graph = model.builder.build().unwrap();
    let prediction = Evolution::new(&graph, &Options::default()).run().unwrap();
    let predicted = prediction.estimate(signal).nmse_db();
    let errors: Vec<f64> = (1..=RUNS)
        .map(|seed| {
            let rng = &mut Pcg64::seed_from_u64(seed);
            let operator = frequencies(rng);
            let truth = row_sparse((SIZE, 2), SPARSITY, 0.0, rng);
            let data = add_noise(&linear::outputs(&operator, &truth), NOISE, rng);
            let model = generalised::complex(operator, prior(), noise(), data);
            let fit = model.fit(&Options::default(), &mut ()).unwrap();
            assert!(fit.report().status.is_usable(), "{seed}: {}", fit.report());
            nmse_db(fit.estimate(), &truth)
        })
        .collect();
    let mean = errors.iter().sum::<f64>() / RUNS as f64;
    let squares: f64 = errors.iter().map(|e| (e - mean).powi(2)).sum();
    let deviation = (squares / (RUNS - 1) as f64 / RUNS as f64).sqrt();
    println!("{mean:.2} +- {deviation:.2} dB, predicted {predicted:.2}: {errors:.2?}");
    assert!((mean - predicted).abs() < 3.0 * deviation);
}

/// A convolution in factors, and the matrix that it is.
#[test]
fn a_convolution_runs_as_its_matrix_does() {
    const N: usize = 256;
    /// Two decompositions of one matrix differ by rounding, which sweeps pass on.
    const ROUNDING: f64 = 1e-9;
    let kernel: Vec<f64> = (0..12).map(|t| 0.8f64.powi(t)).collect();
    let operator = || Spectral::convolution(&kernel, N).unwrap();
    let fast = operator();
    let rng = &mut Pcg64::seed_from_u64(3);
    let truth = bernoulli_gauss((N, 1), 0.08, 0.0, 1.0, rng);
    let data = add_noise(&linear::outputs(&fast, &truth), 1e-4, rng);
    let columns: Vec<Vec<f64>> = (0..N)
        .map(|j| {
            let (mut unit, mut column) = (vec![0.0; N], vec![0.0; N]);
            unit[j] = 1.0;
            fast.apply(&unit, &mut column, 1);
            column
        })
        .collect();
    let dense = Dense::from_rows(&Rows::from_fn(N, N, |i, j| columns[j][i])).unwrap();
    let prior = || BernoulliGauss::new(0.08, 0.0, 1.0).unwrap();
    let options = Options::default().with_damping(0.8);
    let [found, expected] = [
        linear::graph(fast, data.clone(), prior(), 1e4),
        linear::graph(dense, data.clone(), prior(), 1e4),
    ]
    .map(|model| model.unwrap().fit(&options, &mut ()).unwrap());
    for fit in [&found, &expected] {
        assert!(fit.report().status.is_usable(), "{}", fit.report());
    }
    let difference = found.estimate().mean_squared_error(expected.estimate()).sqrt();
    assert!(difference < ROUNDING, "{difference:e}");
    // What knows that spikes are rare beats the best linear filter.
    let filter = linear::graph(operator(), data, Gaussian::new(0.0, 0.08).unwrap(), 1e4).unwrap();
    let filtered = filter.fit(&options, &mut ()).unwrap();
    let [sparse, linear] = [&found, &filtered].map(|fit| nmse_db(fit.estimate(), &truth));
    println!("spikes to {sparse:.1} dB, by a filter to {linear:.1} dB");
    assert!(sparse < linear - 10.0, "{sparse}, {linear}");
}
