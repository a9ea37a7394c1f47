//! Low-rank models: state evolution against closed forms, and runs against state evolution.

use std::ops::ControlFlow;

use fg_core::denoiser::Denoiser;
use fg_core::evolution::{Evolution, EvolutionError, MessageLaw, PredictedStatus, Prediction};
use fg_core::factor::Independent;
use fg_core::{IterationInfo, Options, Rows, VariableId};
use fg_denoisers::{Discrete, Gaussian};
use fg_models::LowRankGraph;
use fg_models::low_rank::{self, Start};
use fg_models::synthetic::gaussian_rows;
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// `E f(Z)` for a standard normal `Z`: the trapezoid rule, which converges faster than any power of its step.
fn normal_average(f: impl Fn(f64) -> f64) -> f64 {
    const STEPS: i32 = 2000;
    const END: f64 = 10.0;
    let step = 2.0 * END / f64::from(STEPS);
    let weight = |z: f64| step * (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    (0..=STEPS).map(|k| -END + step * f64::from(k)).map(|z| weight(z) * f(z)).sum()
}

/// `E tanh(n)` and `E tanh^2(n)` for `n = signal + sqrt(noise) Z`: overlap and power of the estimate of a Rademacher spike.
fn rademacher(signal: f64, noise: f64) -> (f64, f64) {
    let average = |f: &dyn Fn(f64) -> f64| normal_average(|z| f(noise.sqrt().mul_add(z, signal)));
    (average(&|n| n.tanh()), average(&|n| n.tanh().powi(2)))
}

/// The precision that predictions of fixed points start from.
const TINY: f64 = 1e-4;
/// The fixed point of a prediction is 1e-8 away in steps, which next to the transition is 1e-6 in distance, and the
/// integrals of laws of one uniform err by less than that.
const FIXED: f64 = 1e-5;

/// The fixed point of a model without data that starts from next to nothing.
fn fixed_point(model: LowRankGraph, columns: usize, noise: f64) -> (Prediction, Vec<VariableId>) {
    let LowRankGraph { builder, unknowns, data, .. } = model;
    let graph = builder.build().unwrap();
    let options = Options::default().with_max_sweeps(3000);
    let start = MessageLaw::isotropic(TINY, columns).unwrap();
    let evolution = Evolution::new(&graph, &options)
        .with_start(data, unknowns.len() - 1, start)
        .with_noise_variance(data, noise);
    let prediction = evolution.run().unwrap();
    let status = prediction.status();
    assert_eq!(status, &PredictedStatus::FixedPoint, "{} sweeps", prediction.sweeps().len());
    (prediction, unknowns)
}

#[test]
fn a_rademacher_spike_has_the_overlap_of_its_closed_form() {
    const N: usize = 1000;
    for lambda in [1.2, 1.5, 2.0, 3.0, 4.0] {
        let variance = N as f64 / lambda;
        let model = low_rank::unobserved_symmetric(N, 1, Discrete::binary(), variance).unwrap();
        let (prediction, unknowns) = fixed_point(model, 1, variance);
        let q = (0..2000).fold(1.0, |q, _| rademacher(lambda * q, lambda * q).0);
        let found = prediction.estimate(unknowns[0]);
        for value in [found.overlap()[0], found.estimate()[0]] {
            assert!((value - q).abs() < FIXED, "{lambda}: {found:?} for {q}");
        }
    }
}

/// The model's own prediction starts as its fit does, and ends where any start does that knows the sign.
#[test]
fn predictions_of_the_model_start_spectrally() {
    const SHAPE: (usize, usize) = (400, 1000);
    let variance = 2.0 * 0.5 * (4e5f64).sqrt() / 2.0;
    let prior = |variance| Gaussian::new(0.0, variance).unwrap();
    let model = || low_rank::unobserved(SHAPE, 1, prior(2.0), prior(0.5), variance).unwrap();
    let unknowns = model().unknowns;
    let prediction = model().predict(&Options::default().with_max_sweeps(2000)).unwrap();
    // Gaussian priors: the start is the fixed point.
    let first = prediction.sweeps()[0].estimate(unknowns[1]).unwrap().overlap()[0];
    let (expected, _) = fixed_point(model(), 1, variance);
    for v in unknowns.iter() {
        let [found, expected] = [&prediction, &expected].map(|p| p.estimate(*v).overlap()[0]);
        assert!((found - expected).abs() < FIXED, "{found} for {expected}");
    }
    let last = expected.estimate(unknowns[1]).overlap()[0];
    assert!((first - last).abs() < FIXED, "{first} for {last}");
}

#[test]
fn below_the_transition_nothing_is_found() {
    const N: usize = 1000;
    let variance = N as f64 / 0.8;
    let model = low_rank::unobserved_symmetric(N, 1, Discrete::binary(), variance).unwrap();
    let (x, data) = (model.unknowns[0], model.data);
    let graph = model.builder.build().unwrap();
    let options = Options::default().with_max_sweeps(200);
    let start = MessageLaw::isotropic(0.5, 1).unwrap();
    let evolution = Evolution::new(&graph, &options).with_start(data, 0, start);
    // It shrinks by 0.8 or more from sweep to sweep; what is claimed of it, to the rounding of one less the error.
    let last = evolution.with_general_path().run().unwrap().estimate(x).overlap()[0];
    assert!(last < 0.8f64.powi(190), "{last}");
}

#[test]
fn a_wrong_noise_variance_has_the_overlap_of_its_closed_form() {
    const N: usize = 1000;
    const LAMBDA: f64 = 3.0;
    let variance = N as f64 / LAMBDA;
    for ratio in [0.5, 2.0] {
        let model =
            low_rank::unobserved_symmetric(N, 1, Discrete::binary(), ratio * variance).unwrap();
        let (prediction, unknowns) = fixed_point(model, 1, variance);
        // The signal is divided by the assumed variance, the noise by its square.
        let step = |(m, q): (f64, f64)| rademacher(LAMBDA / ratio * m, LAMBDA / ratio / ratio * q);
        let (m, q) = (0..2000).fold((1.0, 1.0), |state, _| step(state));
        let found = prediction.estimate(unknowns[0]);
        assert!((found.overlap()[0] - m).abs() < FIXED, "{ratio}: {found:?} for {m}");
        assert!((found.estimate()[0] - q).abs() < FIXED, "{ratio}: {found:?} for {q}");
    }
}

#[test]
fn gaussian_priors_have_the_overlaps_of_singular_vectors() {
    const SHAPE: (usize, usize) = (400, 1000);
    let (m, n) = (SHAPE.0 as f64, SHAPE.1 as f64);
    let (first, second) = (2.0, 0.5);
    for ratio in [1.3, 4.0] {
        // The transition is at a product of variances of Delta / sqrt(m n).
        let variance = first * second * (m * n).sqrt() / ratio;
        let prior = |variance| Gaussian::new(0.0, variance).unwrap();
        let model = low_rank::unobserved(SHAPE, 1, prior(first), prior(second), variance).unwrap();
        let (prediction, unknowns) = fixed_point(model, 1, variance);
        let (a, b) = (m * first * second / variance, n * first * second / variance);
        let shares = [(a * b - 1.0) / (a + a * b), (a * b - 1.0) / (b + a * b)];
        for ((variable, share), power) in unknowns.iter().zip(shares).zip([first, second]) {
            let found = prediction.estimate(*variable).overlap()[0] / power;
            assert!((found - share).abs() < FIXED, "{ratio}: {found} for {share}");
        }
    }
}

#[test]
fn columns_of_different_strength_are_found_as_if_alone() {
    const N: usize = 1000;
    const VARIANCE: f64 = 700.0;
    let strengths = [1.5, 1.0];
    let prior = Gaussian::with_covariance(&[0.0, 0.0], &[strengths[0], 0.0, 0.0, strengths[1]]);
    let model = low_rank::unobserved_symmetric(N, 2, prior.unwrap(), VARIANCE).unwrap();
    let LowRankGraph { builder, unknowns, data, .. } = model;
    let graph = builder.build().unwrap();
    let options = Options::default().with_max_sweeps(3000);
    // Points have the moments of the law within a few thousandths only.
    let second = vec![strengths[0], 0.0, 0.0, strengths[1]];
    let evolution = Evolution::new(&graph, &options)
        .with_start(data, 0, MessageLaw::isotropic(TINY, 2).unwrap())
        .with_moments(unknowns[0], vec![0.0; 2], second);
    let prediction = evolution.run().unwrap();
    let overlap = prediction.estimate(unknowns[0]).overlap();
    for (k, s) in strengths.iter().enumerate() {
        let expected = s * (1.0 - VARIANCE / (N as f64 * s * s));
        assert!((overlap[3 * k] - expected).abs() < FIXED, "{k}: {overlap:?} for {expected}");
        assert!(overlap[1 + k].abs() < FIXED, "{overlap:?}");
    }
}

/// Signs of which four in five are positive break the symmetry themselves: no start, and claims are true.
#[test]
fn matched_predictions_are_those_of_the_general_recursion() {
    const N: usize = 1000;
    let prior = || Discrete::new(1, &[-1.0, 1.0], &[0.2, 0.8]).unwrap();
    let options = Options::default().with_max_sweeps(200);
    let symmetric = low_rank::unobserved_symmetric(N, 1, prior(), 900.0).unwrap();
    let other = low_rank::unobserved((N, N / 2), 1, prior(), prior(), 900.0).unwrap();
    for LowRankGraph { builder, unknowns, .. } in [symmetric, other] {
        let graph = builder.build().unwrap();
        let matched = graph.predict(&options).unwrap();
        let general = Evolution::new(&graph, &options).with_general_path().run().unwrap();
        assert!(matched.is_matched() && !general.is_matched(), "one of each");
        for x in unknowns {
            let (a, b) = (matched.estimate(x), general.estimate(x));
            for (a, b) in [(a.overlap(), b.overlap()), (a.estimate(), b.estimate())] {
                assert!((a[0] - b[0]).abs() < FIXED, "{a:?} {b:?}");
            }
            assert!(a.mse() < 0.6, "better than the prior's variance of 0.64: {a:?}");
        }
    }
}

#[test]
fn true_noise_variances_are_for_low_rank_factors_and_above_zero() {
    let model = low_rank::unobserved_symmetric(10, 1, Discrete::binary(), 1.0).unwrap();
    let (prior, data) = (model.priors[0], model.data);
    let graph = model.builder.build().unwrap();
    let options = Options::default();
    let run = |factor, value| {
        Evolution::new(&graph, &options).with_noise_variance(factor, value).run().unwrap_err()
    };
    assert!(matches!(run(prior, 1.0), EvolutionError::Misplaced { .. }), "a prior");
    for value in [0.0, f64::NAN] {
        assert!(matches!(run(data, value), EvolutionError::Variance { .. }), "{value}");
    }
}

/// A model to run, and how.
struct Case<P> {
    name: &'static str,
    /// Rows of `U`, none in the symmetric form, and rows of `V`.
    shape: (Option<usize>, usize),
    columns: usize,
    prior: P,
    variance: f64,
    /// Assumed over true noise variance.
    ratio: f64,
    damping: f64,
    /// Share of the guess's variance that is true; none starts from the leading eigenvector, of this ratio of signal to
    /// noise.
    share: Option<f64>,
}

/// Sweeps compared.
const SWEEPS: usize = 8;
/// Runs of each case.
const RUNS: usize = 10;
/// Runs of some hundred rows differ from those of infinite size by a share of the order of one over their number.
const BAND: f64 = 0.01;
/// Or their mean by so many of its standard errors, estimated from ten runs: for one number the chance of a false alarm is
/// 0.2 percent, and those of one run go up and down together.
const STANDARD_ERRORS: f64 = 4.3;

impl<P: Denoiser + Clone + 'static> Case<P> {
    fn options(&self) -> Options {
        let options = Options::default().with_max_sweeps(SWEEPS).with_tolerance(0.0);
        options.with_damping(self.damping)
    }

    fn unobserved(&self, variance: f64) -> LowRankGraph {
        let prior = || self.prior.clone();
        match self.shape {
            (Some(m), n) => low_rank::unobserved((m, n), self.columns, prior(), prior(), variance),
            (None, n) => low_rank::unobserved_symmetric(n, self.columns, prior(), variance),
        }
        .unwrap()
    }

    /// Traces of overlap and power of each unknown after each sweep of a run.
    fn run(&self, seed: u64) -> Vec<f64> {
        let rng = &mut Pcg64::seed_from_u64(seed);
        let LowRankGraph { builder, unknowns, data, .. } = self.unobserved(self.variance);
        let draw = builder.build().unwrap().draw(&mut Independent(rng)).unwrap();
        let y = draw.data(data).unwrap();
        let (prior, assumed) = (|| self.prior.clone(), self.ratio * self.variance);
        let model = match self.shape.0 {
            Some(_) => low_rank::graph(y, self.columns, prior(), prior(), assumed),
            None => low_rank::symmetric(y, self.columns, prior(), assumed),
        };
        let mut model = model.unwrap();
        if let Some(share) = self.share {
            let truth = draw.variable(unknowns[unknowns.len() - 1]);
            let noise = gaussian_rows(truth.rows(), truth.columns(), 1.0, rng);
            let value =
                |i, j| share.sqrt() * truth[(i, j)] + f64::sqrt(1.0 - share) * noise[(i, j)];
            let values = Rows::from_fn(truth.rows(), truth.columns(), value);
            model = model.with_start(Start::Guess { values, share });
        }
        let mut traces = Vec::new();
        let mut watch = |info: &mut IterationInfo<'_>| {
            for x in &unknowns {
                let (mean, truth) = (info.mean(*x).unwrap(), draw.variable(*x));
                let pairs = mean.as_slice().iter().zip(truth.as_slice());
                let overlap = pairs.map(|(a, b)| a * b).sum::<f64>().abs();
                traces.extend([overlap, mean.norm_squared()].map(|v| v / truth.rows() as f64));
            }
            ControlFlow::Continue(())
        };
        let fit = model.fit(&self.options(), &mut watch).unwrap();
        assert!(fit.report().recoveries.is_empty(), "{}: {}", self.name, fit.report());
        traces
    }

    fn predicted(&self) -> Vec<f64> {
        let LowRankGraph { builder, unknowns, data, .. } =
            self.unobserved(self.ratio * self.variance);
        let graph = builder.build().unwrap();
        let precision = match self.share {
            Some(share) => share / (1.0 - share),
            None => self.shape.1 as f64 / self.variance - 1.0,
        };
        let start = MessageLaw::isotropic(precision, self.columns).unwrap();
        let prediction = Evolution::new(&graph, &self.options())
            .with_tolerance(0.0)
            .with_noise_variance(data, self.variance)
            .with_start(data, unknowns.len() - 1, start)
            .run()
            .unwrap();
        let d = self.columns;
        let trace = |m: &[f64]| (0..d).map(|j| m[j * d + j]).sum::<f64>();
        let mut found = Vec::new();
        for sweep in prediction.sweeps() {
            for x in &unknowns {
                let law = sweep.estimate(*x).unwrap();
                found.extend([law.overlap(), law.estimate()].map(trace));
            }
        }
        assert_eq!(found.len(), SWEEPS * unknowns.len() * 2, "{}: {prediction:?}", self.name);
        found
    }

    fn compare(&self, runs: usize) {
        let found: Vec<Vec<f64>> = (0..runs as u64).map(|seed| self.run(seed)).collect();
        let predicted = self.predicted();
        for (k, expected) in predicted.iter().enumerate() {
            let values: Vec<f64> = found.iter().map(|run| run[k]).collect();
            let mean = values.iter().sum::<f64>() / runs as f64;
            let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            let error = (spread / ((runs - 1) * runs) as f64).sqrt() / expected;
            let gap = mean / expected - 1.0;
            println!("{}, {k}: {mean:.5} for {expected:.5}, {gap:+.4} +- {error:.4}", self.name);
            let band = BAND + STANDARD_ERRORS * error;
            assert!(gap.abs() < band, "{}, {k}: {mean} for {expected}", self.name);
        }
    }
}

/// A Rademacher spike of signal-to-noise ratio 2.5, symmetric and from a guess.
fn spike(name: &'static str) -> Case<Discrete> {
    Case {
        name,
        shape: (None, 500),
        columns: 1,
        prior: Discrete::binary(),
        variance: 200.0,
        ratio: 1.0,
        damping: 1.0,
        share: Some(0.2),
    }
}

#[test]
fn runs_from_a_guess_follow_their_prediction() {
    spike("guess").compare(RUNS);
}

#[test]
fn damped_runs_follow_their_prediction() {
    Case { damping: 0.6, ..spike("damped") }.compare(RUNS);
}

#[test]
fn runs_from_the_leading_eigenvector_follow_the_prediction_from_an_observation() {
    Case { share: None, ..spike("spectral") }.compare(RUNS);
}

#[test]
fn runs_with_a_wrong_noise_variance_follow_their_prediction() {
    Case { ratio: 2.0, ..spike("noise overstated") }.compare(RUNS);
    Case { ratio: 0.5, ..spike("noise understated") }.compare(RUNS);
}

#[test]
fn rectangular_runs_follow_their_prediction() {
    Case { shape: (Some(300), 600), ..spike("rectangular") }.compare(RUNS);
    Case { shape: (Some(300), 600), damping: 0.7, ..spike("rectangular, damped") }.compare(RUNS);
}

/// A tenth of the scatter, and a quarter of what is due to the size, of the runs above.
#[test]
#[ignore = "forty runs of 2000 rows in each of four cases take minutes"]
fn large_runs_follow_their_prediction() {
    let large = |name| Case { shape: (None, 2000), variance: 800.0, ..spike(name) };
    large("large").compare(40);
    Case { damping: 0.6, ..large("large, damped") }.compare(40);
    Case { share: None, ..large("large, spectral") }.compare(40);
    Case { ratio: 0.5, ..large("large, noise understated") }.compare(40);
}

#[test]
fn runs_of_rank_two_follow_their_prediction() {
    // Three groups: the corners of a triangle, of covariance one.
    let corner = |k: u32| (std::f64::consts::TAU * f64::from(k) / 3.0).sin_cos();
    let points: Vec<f64> = (0..3)
        .flat_map(|k| [corner(k).1, corner(k).0])
        .map(|v| v * std::f64::consts::SQRT_2)
        .collect();
    let prior = Discrete::new(2, &points, &[1.0 / 3.0; 3]).unwrap();
    let case = spike("rank two");
    let Case { name, shape, variance, ratio, damping, share, .. } = case;
    let case = Case { name, shape, columns: 2, prior, variance, ratio, damping, share };
    case.compare(RUNS);
    Case { damping: 0.6, ..case }.compare(RUNS);
}
