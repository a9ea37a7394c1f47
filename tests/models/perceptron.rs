//! A binary perceptron stays where it has found its teacher.

use fg_core::evolution::Spectrum;
use fg_core::operator::{Dense, Ensemble};
use fg_core::{Options, Rows, Status};
use fg_denoisers::{Discrete, Sign};
use fg_models::synthetic::gaussian_matrix;
use fg_models::{generalised, linear};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Beyond 1.4925 labels a weight (B. Aubin et al. 2019) the teacher is found exactly. Once it is, labels add nothing to
/// what is known, and other software takes that for ignorance and starts from the beginning.
#[test]
fn a_solved_run_ends() {
    const N: usize = 1000;
    const LABELS: usize = 2000;
    for seed in 0..4u64 {
        let rng = &mut Pcg64::seed_from_u64(seed);
        let samples = Dense::new(gaussian_matrix(LABELS, N, 1.0 / N as f64, rng)).unwrap();
        let teacher = Rows::from_fn(N, 1, |_, _| if rng.random::<bool>() { 1.0 } else { -1.0 });
        let clean = linear::outputs(&samples, &teacher);
        let data = Rows::from_fn(LABELS, 1, |i, _| 1f64.copysign(clean[(i, 0)]));
        let model = generalised::graph(samples, Discrete::binary(), Sign::new(), data);
        let fit = model.fit(&Options::default().with_max_sweeps(300), &mut ()).unwrap();
        assert_eq!(fit.report().status, Status::Converged, "{seed}: {}", fit.report());
        let error = fit.estimate().mean_squared_error(&teacher);
        assert!(error < 1e-12, "{seed}: {error}, {}", fit.report());
        assert!(fit.report().kept() > 0, "{seed}: {}", fit.report());
    }
}

#[test]
fn a_solved_prediction_ends() {
    for ratio in [1.6, 1.8, 3.0] {
        let spectrum = Spectrum::marchenko_pastur(ratio).unwrap().scaled(ratio).unwrap();
        let samples = Ensemble::new(1000, spectrum);
        let model = generalised::unobserved(samples, 1, Discrete::binary(), Sign::new());
        let signal = model.signal;
        let options = Options::default().with_max_sweeps(1000);
        let prediction = model.builder.build().unwrap().predict(&options).unwrap();
        let error = prediction.estimate(signal).mse();
        assert!(error < 1e-9, "{ratio}: {error} after {} sweeps", prediction.sweeps().len());
    }
}
