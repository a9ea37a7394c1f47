//! Two regressions in one data set without labels: runs end where state evolution says.

use fg_core::evolution::{Evolution, MessageLaw, Spectrum};
use fg_core::operator::{Dense, Ensemble};
use fg_core::{Options, Rows};
use fg_denoisers::{Gaussian, MixedColumns};
use fg_models::generalised::{self, Start};
use fg_models::linear;
use fg_models::metrics::match_units;
use fg_models::synthetic::{add_noise, gaussian_matrix, gaussian_rows};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Observations an entry of a regressor: well above the 2.5 from which on runs find both.
const RATIO: usize = 4;
const NOISE: f64 = 1e-3;
const SHARE: f64 = 1e-2;

fn parts() -> (Gaussian, MixedColumns) {
    let noise = MixedColumns::new(&[0.5, 0.5], NOISE.recip()).unwrap();
    (Gaussian::new(0.0, 1.0).unwrap(), noise)
}

fn predicted() -> f64 {
    let ratio = RATIO as f64;
    let spectrum = Spectrum::marchenko_pastur(ratio).unwrap().scaled(ratio).unwrap();
    let (prior, noise) = parts();
    let model = generalised::unobserved(Ensemble::new(1000, spectrum), 2, prior, noise);
    let (operator, signal) = (model.operator, model.signal);
    let diagonal = |v: f64| [v, 0.0, 0.0, v];
    let (claimed, error) = (diagonal(1.0 / (1.0 - SHARE)), diagonal(SHARE * (1.0 - SHARE)));
    let start = MessageLaw::from_mean_form(2, &claimed, &diagonal(SHARE), &error).unwrap();
    let graph = model.builder.build().unwrap();
    let options = Options::default().with_max_sweeps(100);
    let prediction = Evolution::new(&graph, &options).with_start(operator, 1, start).run();
    prediction.unwrap().estimate(signal).nmse_db()
}

/// Error of a run from random values, after the best order.
fn measured(n: usize, seed: u64) -> f64 {
    let rng = &mut Pcg64::seed_from_u64(seed);
    let operator = Dense::new(gaussian_matrix(RATIO * n, n, 1.0 / n as f64, rng)).unwrap();
    let truth = gaussian_rows(n, 2, 1.0, rng);
    let both = linear::outputs(&operator, &truth);
    let seen = Rows::from_fn(RATIO * n, 1, |i, _| both[(i, usize::from(rng.random::<bool>()))]);
    let data = add_noise(&seen, NOISE, rng);
    let start = Start::Guess { values: gaussian_rows(n, 2, 1.0, rng), share: SHARE };
    let (prior, noise) = parts();
    let model = generalised::graph(operator, prior, noise, data).with_start(start);
    let options = Options::default().with_damping(0.8).with_max_sweeps(100);
    let fit = model.fit(&options, &mut ()).unwrap();
    let matching = match_units(fit.estimate(), &truth, &Rows::zeros(2, 1));
    10.0 * (matching.parameter_error / (truth.norm_squared() / (2 * n) as f64)).log10()
}

#[test]
fn runs_end_where_state_evolution_says() {
    // The mean of 300 squared errors, normal ones: a deviation of sqrt(2 / 300), 0.35 dB. Four of them, for three seeds a
    // false alarm in five thousand.
    const BAND: f64 = 1.4;
    let expected = predicted();
    assert!(expected < -25.0, "{expected}");
    for seed in 0..3 {
        let found = measured(150, seed);
        assert!((found - expected).abs() < BAND, "{seed}: {found} {expected}");
    }
}
