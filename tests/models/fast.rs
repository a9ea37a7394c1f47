//! Operators that are applied without being decomposed: random frequencies, a convolution, and sparse matrices.

use fg_core::evolution::Evolution;
use fg_core::factor::{Iterative, LinearFactor, Solver};
use fg_core::operator::{Dense, Fourier, LinearOperator, Sparse, Spectral};
use fg_core::{GraphBuilder, Options, Rows, Status};
use fg_denoisers::{Awgn, BernoulliGauss, Gaussian, GroupBernoulliGauss};
use fg_models::metrics::nmse_db;
use fg_models::synthetic::{add_noise, bernoulli_gauss, row_sparse};
use fg_models::{generalised, linear};
use rand::seq::SliceRandom;
use rand::seq::index::sample;
use rand::{RngExt, SeedableRng};
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

/// Entries of a column: as many in each, or those that are hardly seen would be all of the error.
const COLUMN: usize = 10;

/// A matrix of `m x n` with columns of length one, whose entries stand in random places.
fn spread(m: usize, n: usize, rng: &mut Pcg64) -> Sparse {
    let mut entries = Vec::with_capacity(n * COLUMN);
    for j in 0..n {
        for i in sample(rng, m, COLUMN) {
            let sign = if rng.random::<bool>() { 1.0 } else { -1.0 };
            entries.push((i, j, sign / (COLUMN as f64).sqrt()));
        }
    }
    Sparse::from_triplets(m, n, &entries).unwrap()
}

/// Its estimate by this solver, sweeps, the error in decibels and the error that is predicted from the solver's spectrum.
fn solved(factor: LinearFactor, truth: &Rows, data: &Rows) -> (Rows, usize, [f64; 2]) {
    let (m, n) = (data.rows(), truth.rows());
    let mut builder = GraphBuilder::new();
    let [x, z] = [builder.variable("x", n, 1), builder.variable("z", m, 1)];
    builder.prior("prior", x, BernoulliGauss::new(SPARSITY, 0.0, 1.0).unwrap());
    builder.factor("A", factor, &[x, z]);
    builder.likelihood("y", z, data.clone(), Awgn::from_variance(NOISE).unwrap());
    let graph = builder.build().unwrap();
    let options = Options::default().with_damping(0.7);
    let solution = graph.infer(&options).unwrap();
    assert_eq!(solution.report().status, Status::Converged, "{}", solution.report());
    let error = nmse_db(solution.mean(x), truth);
    let predicted = Evolution::new(&graph, &options).run().unwrap();
    (solution.mean(x).clone(), solution.report().sweeps, [error, predicted.estimate(x).nmse_db()])
}

/// Estimates from products alone are those of a decomposition, up to what probes leave open of variances.
#[test]
fn products_do_as_a_decomposition_does() {
    let rng = &mut Pcg64::seed_from_u64(4);
    let operator = spread(400, 800, rng);
    let truth = bernoulli_gauss((800, 1), SPARSITY, 0.0, 1.0, rng);
    let data = add_noise(&linear::outputs(&operator, &truth), NOISE, rng);
    let of =
        |solver| solved(LinearFactor::new(operator.clone()).with_solver(solver), &truth, &data);
    let (exact, _, [error, predicted]) = of(Solver::Svd);
    let (found, _, [own_error, own_prediction]) = of(Solver::Iterative(Iterative::default()));
    let difference =
        10.0 * (found.mean_squared_error(&exact) / exact.norm_squared() * 800.0).log10();
    println!(
        "{error:.2}, {own_error:.2} dB; {predicted:.2}, {own_prediction:.2} dB; {difference:.1} dB"
    );
    // Eight probes of 400 rows leave some percent of variances open, which move an estimate by far less than its own error.
    assert!(difference < error - 20.0, "{difference}");
    assert!((predicted - own_prediction).abs() < 0.3, "{predicted}, {own_prediction}");
}

/// Two million entries in a matrix of twenty thousand million.
#[test]
#[ignore = "half a minute in release"]
fn a_matrix_too_large_to_be_built() {
    let rng = &mut Pcg64::seed_from_u64(5);
    let (m, n) = (100_000, 200_000);
    let operator = spread(m, n, rng);
    let truth = bernoulli_gauss((n, 1), SPARSITY, 0.0, 1.0, rng);
    let data = add_noise(&linear::outputs(&operator, &truth), NOISE, rng);
    let start = std::time::Instant::now();
    let factor = LinearFactor::new(operator);
    assert_eq!(factor.decomposed_by(), Ok(Solver::Iterative(Iterative::default())));
    let ready = start.elapsed();
    let (_, sweeps, [error, predicted]) = solved(factor, &truth, &data);
    println!(
        "{error:.3} dB, predicted {predicted:.3}; {sweeps} sweeps; {ready:.1?}, {:.1?}",
        start.elapsed()
    );
    // Twenty thousand entries that aren't zero: a standard error of 0.04 dB of the signal's energy alone.
    assert!((error - predicted).abs() < 0.12, "{error}, {predicted}");
}
