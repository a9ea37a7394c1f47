//! Mixed regression: a start from where a symmetric run is least stable tells the regressors apart.

use fg_core::evolution::{Evolution, MessageLaw, Spectrum};
use fg_core::operator::{Dense, Ensemble};
use fg_core::{Options, Rows};
use fg_denoisers::{Gaussian, MixedColumns};
use fg_models::generalised::{self, Start};
use fg_models::metrics::match_units;
use fg_models::synthetic::{add_noise, gaussian_matrix, gaussian_rows};
use fg_models::{Fit, linear};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const SIZE: [usize; 2] = [200, 2];
/// Observations an entry of one regressor: where runs from random starts often keep both alike.
const RATIO: usize = 6;
const NOISE: f64 = 1e-3;
const RUNS: u64 = 6;
/// Decibels between a run of this size and the limit.
const BAND: f64 = 1.5;

fn likelihood() -> MixedColumns {
    MixedColumns::new(&[0.5, 0.5], NOISE.recip()).unwrap()
}

/// The truth, and what a run from `start` finds.
fn run(seed: u64, start: Start) -> (Rows, Fit) {
    let rng = &mut Pcg64::seed_from_u64(seed);
    let [n, d] = SIZE;
    let operator = Dense::new(gaussian_matrix(RATIO * n, n, 1.0 / n as f64, rng)).unwrap();
    let truth = gaussian_rows(n, d, 1.0, rng);
    let both = linear::outputs(&operator, &truth);
    let seen = Rows::from_fn(both.rows(), 1, |i, _| both[(i, usize::from(rng.random::<bool>()))]);
    let data = add_noise(&seen, NOISE, rng);
    let prior = Gaussian::new(0.0, 1.0).unwrap();
    let model = generalised::graph(operator, prior, likelihood(), data).with_start(start);
    let options = Options::default().with_damping(0.8).with_max_sweeps(200);
    (truth, model.fit(&options, &mut ()).unwrap())
}

/// Of these six, a run from nothing stays with the mean of both in one, and leaves it by rounding in the others.
#[test]
fn moved_where_it_is_least_stable_it_ends_where_predicted() {
    let spectrum = Spectrum::marchenko_pastur(RATIO as f64).unwrap().scaled(RATIO as f64).unwrap();
    let (operator, prior) = (Ensemble::new(SIZE[0], spectrum), Gaussian::new(0.0, 1.0).unwrap());
    let model = generalised::unobserved(operator, SIZE[1], prior, likelihood());
    let (operator, signal) = (model.operator, model.signal);
    let graph = model.builder.build().unwrap();
    let start = MessageLaw::guess(SIZE[1], 0.1, 1.0).unwrap();
    let evolution = Evolution::new(&graph, &Options::default().with_max_sweeps(200));
    let prediction = evolution.with_start(operator, 1, start).run().unwrap();
    let predicted = prediction.estimate(signal).nmse_db();
    for seed in 0..RUNS {
        let (truth, fit) = run(seed, Start::LeastStable { share: 0.1 });
        let matching = match_units(fit.estimate(), &truth, &Rows::zeros(SIZE[1], 1));
        let found = 10.0 * matching.parameter_error.log10();
        let status = fit.report();
        assert!((found - predicted).abs() < BAND, "{seed}: {found} for {predicted}, {status}");
    }
}
