//! Low-rank models: fixed points against their equations, directions against eigenvectors, failures by name.

use std::sync::atomic::{AtomicUsize, Ordering};

use fg_core::denoiser::Pointwise;
use fg_core::factor::{Independent, LowRankError};
use fg_core::{Options, Rows, Status};
use fg_denoisers::{Discrete, Gaussian};
use fg_models::low_rank::{self, Start};
use fg_models::synthetic::gaussian_rows;
use fg_models::{LowRankGraph, ModelError};
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// Sizes of what is left of an equation: runs end when nothing moves by 1e-12 of itself, and next to their fixed point move
/// by a tenth of their distance or more.
const STATIONARY: f64 = 1e-9;

fn settled() -> Options {
    Options::default().with_max_sweeps(3000).with_tolerance(1e-12)
}

fn drawn(model: LowRankGraph, seed: u64) -> (Vec<Rows>, Rows) {
    let LowRankGraph { builder, unknowns, data, .. } = model;
    let draw = builder.build().unwrap();
    let draw = draw.draw(&mut Independent(&mut Pcg64::seed_from_u64(seed))).unwrap();
    (unknowns.iter().map(|v| draw.variable(*v).clone()).collect(), draw.data(data).unwrap().clone())
}

/// With a prior of variance one, `xhat = C (Y xhat - rho n C xhat / Delta) / Delta`, `C = 1 / (1 + |xhat|^2 / Delta)`.
#[test]
fn the_fixed_point_of_a_small_symmetric_model_satisfies_its_equations() {
    const N: usize = 20;
    let (n, delta) = (N as f64, 4.0);
    let prior = || Gaussian::new(0.0, 1.0).unwrap();
    let (_, y) = drawn(low_rank::unobserved_symmetric(N, 1, prior(), delta).unwrap(), 3);
    let model = low_rank::symmetric(&y, 1, prior(), delta).unwrap();
    let fit = model.fit(&settled(), &mut ()).unwrap();
    assert_eq!(fit.report().status, Status::Converged);
    let x = fit.estimate().as_slice();
    let c = 1.0 / (1.0 + x.iter().map(|v| v * v).sum::<f64>() / delta);
    let mut rho = 0.0;
    for i in 0..N {
        for j in 0..N {
            rho += (y[(i, j)] - x[i] * x[j]).powi(2) / (n * n);
        }
    }
    assert!(c < 0.5, "data without a direction: {c}");
    for i in 0..N {
        let told: f64 = (0..N).map(|j| y[(i, j)] * x[j]).sum();
        let right = c * (told - rho * n * c * x[i] / delta) / delta;
        assert!((x[i] - right).abs() < STATIONARY, "{i}: {} for {right}", x[i]);
    }
    let variance = fit.belief().covariances()[0];
    assert!((variance - c).abs() < STATIONARY, "{variance} for {c}");
}

/// Two columns and two sides: `Uhat = (Y Vhat - rho n Uhat C_v / Delta) C_u / Delta`, and the same with both exchanged.
#[test]
fn the_fixed_point_of_a_small_model_of_rank_two_satisfies_its_equations() {
    const SHAPE: (usize, usize) = (14, 24);
    let delta = 1.5;
    let prior = |first: f64| Gaussian::with_covariance(&[0.0; 2], &[first, 0.0, 0.0, 1.0]).unwrap();
    let unobserved = low_rank::unobserved(SHAPE, 2, prior(4.0), prior(1.0), delta).unwrap();
    let (_, y) = drawn(unobserved, 5);
    let model = low_rank::graph(&y, 2, prior(4.0), prior(1.0), delta).unwrap();
    let fit = model.fit(&settled(), &mut ()).unwrap();
    assert_eq!(fit.report().status, Status::Converged, "{}", fit.report());
    let [u, v] = [0, 1].map(|k| fit.solution().mean(fit.unknowns()[k]));
    let covariance = |other: &Rows, first: f64| {
        let sum = |j: usize, k: usize| -> f64 {
            (0..other.rows()).map(|i| other[(i, j)] * other[(i, k)]).sum::<f64>() / delta
        };
        let (a, b, d) = (sum(0, 0) + 1.0 / first, sum(0, 1), sum(1, 1) + 1.0);
        let determinant = a * d - b * b;
        [d / determinant, -b / determinant, -b / determinant, a / determinant]
    };
    let (cu, cv) = (covariance(v, 4.0), covariance(u, 1.0));
    let product = |i: usize, j: usize| u[(i, 0)] * v[(j, 0)] + u[(i, 1)] * v[(j, 1)];
    let mut rho = 0.0;
    for i in 0..SHAPE.0 {
        for j in 0..SHAPE.1 {
            rho += (y[(i, j)] - product(i, j)).powi(2) / (SHAPE.0 * SHAPE.1) as f64;
        }
    }
    let times =
        |row: [f64; 2], m: [f64; 4]| [row[0] * m[0] + row[1] * m[2], row[0] * m[1] + row[1] * m[3]];
    let check =
        |own: &Rows, other: &Rows, y: &dyn Fn(usize, usize) -> f64, [c, back]: [[f64; 4]; 2]| {
            for i in 0..own.rows() {
                let heard = times([own[(i, 0)], own[(i, 1)]], back);
                let natural = [0, 1].map(|k| {
                    let told: f64 = (0..other.rows()).map(|j| y(i, j) * other[(j, k)]).sum();
                    (told - rho * other.rows() as f64 * heard[k] / delta) / delta
                });
                let right = times(natural, c);
                for k in 0..2 {
                    let gap = own[(i, k)] - right[k];
                    assert!(gap.abs() < STATIONARY, "{i}, {k}: {} for {}", own[(i, k)], right[k]);
                }
            }
        };
    check(u, v, &|i, j| y[(i, j)], [cu, cv]);
    check(v, u, &|j, i| y[(i, j)], [cv, cu]);
}

/// Gaussian priors answer linearly, so that a fixed point is an eigenvector; from another start than the eigenvector itself.
#[test]
fn a_gaussian_prior_finds_the_leading_eigenvector() {
    const N: usize = 300;
    const LAMBDA: f64 = 3.0;
    let (delta, prior) = (N as f64 / LAMBDA, || Gaussian::new(0.0, 1.0).unwrap());
    let (truth, y) = drawn(low_rank::unobserved_symmetric(N, 1, prior(), delta).unwrap(), 8);
    let rng = &mut Pcg64::seed_from_u64(9);
    let values = gaussian_rows(N, 1, 1.0, rng);
    let guess = Start::Guess { values, share: 0.1 };
    let fit = |start| {
        let model = low_rank::symmetric(&y, 1, prior(), delta).unwrap().with_start(start);
        model.fit(&settled(), &mut ()).unwrap()
    };
    let (spectral, guessed) = (fit(Start::Spectral), fit(guess));
    let cosine = |a: &Rows, b: &Rows| {
        let sum: f64 = a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| a * b).sum();
        (sum / (a.norm_squared() * b.norm_squared()).sqrt()).abs()
    };
    let both = cosine(spectral.estimate(), guessed.estimate());
    assert!((both - 1.0).abs() < STATIONARY, "{both}");
    // The square of the overlap is 1 - 1 / lambda = 2 / 3, of a single run with a deviation of about
    // sqrt(2 / (n lambda (lambda - 1))) or 0.03: five of these.
    let overlap = cosine(spectral.estimate(), &truth[0]).powi(2);
    assert!((overlap - 1.0 + 1.0 / LAMBDA).abs() < 0.15, "{overlap}");
}

/// A prior that fails once, in its third sweep: the run goes back with all that the factor remembers.
#[test]
fn a_run_that_has_failed_once_comes_to_the_same_end() {
    const N: usize = 200;
    let delta = N as f64 / 3.0;
    let (_, y) = drawn(low_rank::unobserved_symmetric(N, 1, Discrete::binary(), delta).unwrap(), 2);
    let fit = |failing: usize| {
        let calls = AtomicUsize::new(0);
        let prior = Pointwise::new("sign", move |r: f64, gamma: f64| {
            let broken = calls.fetch_add(1, Ordering::Relaxed) == failing;
            let x = if broken { f64::NAN } else { (r * gamma).tanh() };
            (x, gamma * (1.0 - x * x))
        });
        let model = low_rank::symmetric(&y, 1, prior, delta).unwrap();
        model.fit(&settled(), &mut ()).unwrap()
    };
    let (whole, broken) = (fit(usize::MAX), fit(3 * N + 7));
    assert_eq!(broken.report().recoveries.len(), 1);
    assert_eq!(broken.report().status, Status::Converged);
    let gap = whole.estimate().mean_squared_error(broken.estimate()).sqrt();
    assert!(gap < STATIONARY, "{gap}");
}

#[test]
fn what_does_not_fit_is_named() {
    let binary = Discrete::binary;
    let square = |value: f64| Rows::from_fn(3, 3, |i, j| if i + j == 1 { value } else { 1.0 });
    let refused =
        |data: &Rows, variance| low_rank::symmetric(data, 1, binary(), variance).unwrap_err();
    let reason = |error| match error {
        ModelError::LowRank(error) => error,
        other => panic!("{other}"),
    };
    assert!(matches!(reason(refused(&square(f64::NAN), 1.0)), LowRankError::Data(_)), "NaN");
    for value in [0.0, -2.0, f64::INFINITY] {
        let error = reason(refused(&square(1.0), value));
        assert_eq!(error, LowRankError::Variance { value });
    }
    assert!(
        matches!(reason(refused(&square(1.0), f64::NAN)), LowRankError::Variance { .. }),
        "NaN"
    );
    let error = reason(refused(&Rows::zeros(3, 2), 1.0));
    assert_eq!(error, LowRankError::NotSquare { rows: 3, columns: 2 });
    let skew = Rows::from_fn(3, 3, |i, j| (i as f64) - (j as f64));
    assert_eq!(reason(refused(&skew, 1.0)), LowRankError::NotSymmetric { row: 1, column: 0 });
    let fit =
        |model: LowRankGraph| model.fit(&Options::default(), &mut ()).unwrap_err().to_string();
    // A prior of one column on a variable of two.
    let error = fit(low_rank::symmetric(&square(2.0), 2, binary(), 1.0).unwrap());
    assert!(error.contains("prior") && error.contains('X'), "{error}");
    let error = fit(low_rank::unobserved_symmetric(3, 1, binary(), 1.0).unwrap());
    assert!(error.contains("observations"), "{error}");
    let guess = |values: Rows, share| {
        let model = low_rank::symmetric(&square(2.0), 1, binary(), 1.0).unwrap();
        fit(model.with_start(Start::Guess { values, share }))
    };
    assert!(guess(Rows::zeros(2, 1), 0.5).contains("3 x 1"), "a shape");
    assert!(guess(Rows::column(vec![1.0; 3]), 1.0).contains("share"), "a share");
    assert!(guess(Rows::zeros(3, 1), 0.5).contains("mean square"), "a power");
}
