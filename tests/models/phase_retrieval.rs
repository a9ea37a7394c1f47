//! Signals from magnitudes above the thresholds of full recovery, from the direction that the data prefer.

use fg_core::faer::Mat;
use fg_core::operator::{Complex, Dense};
use fg_core::{Options, Rows, Status};
use fg_denoisers::{ComplexMagnitude, Gaussian, Magnitude};
use fg_models::generalised::{self, GeneralisedGraph, Start};
use fg_models::linear;
use fg_models::metrics::{aligned, nmse_db};
use fg_models::synthetic::{
    add_noise, complex_gaussian_matrix, gaussian_matrix, gaussian_rows, haar_frame, unitary_frame,
};
use rand::SeedableRng;
use rand_pcg::Pcg64;

const SIZE: usize = 128;
/// Of either part; signals and columns have power one.
const NOISE: f64 = 1e-6;
const SEEDS: u64 = 7;
/// Runs end where the noise lets them, near -60 dB, or don't leave the neighbourhood of 0 dB.
const RECOVERED: f64 = -40.0;

/// Magnitudes of what an operator makes of a signal.
fn magnitudes(clean: &Rows, rng: &mut Pcg64) -> Rows {
    let noisy = add_noise(clean, NOISE, rng);
    Rows::from_fn(clean.rows(), 1, |i, _| noisy.row(i).iter().map(|v| v * v).sum::<f64>().sqrt())
}

/// Runs settle, and recover every signal, sign or phase aside.
#[track_caller]
fn recover(columns: usize, model: impl Fn(&Rows, &mut Pcg64) -> GeneralisedGraph) {
    let ends: Vec<(f64, Status)> = (0..SEEDS)
        .map(|seed| {
            let rng = &mut Pcg64::seed_from_u64(seed);
            let signal = gaussian_rows(SIZE, columns, 1.0 / columns as f64, rng);
            let options = Options::default().with_damping(0.8).with_max_sweeps(150);
            let model = model(&signal, rng).with_start(Start::Spectral { share: 0.3 });
            let fit = model.fit(&options, &mut ()).unwrap();
            let error = nmse_db(&aligned(fit.estimate(), &signal), &signal);
            (error, fit.report().status.clone())
        })
        .collect();
    println!("{ends:?}");
    let good = |(error, status): &(f64, Status)| *error < RECOVERED && status.is_usable();
    assert!(ends.iter().all(good), "{ends:?}");
}

fn complex(operator: Complex, signal: &Rows, rng: &mut Pcg64) -> GeneralisedGraph {
    let data = magnitudes(&linear::outputs(&operator, signal), rng);
    let likelihood = ComplexMagnitude::new(NOISE).unwrap();
    generalised::complex(operator, Gaussian::new(0.0, 0.5).unwrap(), likelihood, data)
}

/// Above 2.027 magnitudes an entry.
#[test]
fn complex_gaussian_projections() {
    recover(2, |signal, rng| {
        let matrix = complex_gaussian_matrix(3 * SIZE, SIZE, 1.0 / SIZE as f64, rng);
        complex(Complex::new(matrix.as_ref()).unwrap(), signal, rng)
    });
}

/// Above 2.264.
#[test]
fn complex_orthonormal_projections() {
    recover(2, |signal, rng| {
        let matrix = unitary_frame(3 * SIZE, SIZE, rng);
        complex(Complex::new(matrix.as_ref()).unwrap(), signal, rng)
    });
}

fn real(matrix: Mat<f64>, signal: &Rows, rng: &mut Pcg64) -> GeneralisedGraph {
    let operator = Dense::new(matrix).unwrap();
    let data = magnitudes(&linear::outputs(&operator, signal), rng);
    let prior = Gaussian::new(0.0, 1.0).unwrap();
    generalised::graph(operator, prior, Magnitude::new(NOISE).unwrap(), data)
}

/// Above 1.128.
#[test]
fn real_gaussian_projections() {
    recover(1, |signal, rng| {
        real(gaussian_matrix(2 * SIZE, SIZE, 1.0 / SIZE as f64, rng), signal, rng)
    });
}

/// Above 1.584.
#[test]
fn real_orthonormal_projections() {
    recover(1, |signal, rng| real(haar_frame(2 * SIZE, SIZE, rng), signal, rng));
}
