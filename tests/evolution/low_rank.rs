//! Low-rank models: state evolution against closed forms, and runs against state evolution.

use std::ops::ControlFlow;

use fg_core::evolution::{Evolution, EvolutionError, MessageLaw, PredictedStatus};
use fg_core::factor::Independent;
use fg_core::{IterationInfo, Options, Rows};
use fg_denoisers::{Discrete, Gaussian};
use fg_models::low_rank::{self, Start};
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

/// `q = E tanh(a q + sqrt(b q) Z)`-like recursion of a Rademacher spike: the overlap and the power of the estimate.
fn rademacher(signal: f64, noise: f64) -> (f64, f64) {
    let average = |f: &dyn Fn(f64) -> f64| normal_average(|z| f(signal + noise.sqrt() * z));
    (average(&|n| n.tanh()), average(&|n| n.tanh().powi(2)))
}

const TINY: f64 = 1e-4;

#[test]
fn a_rademacher_spike_has_the_overlap_of_its_closed_form() {
    /// The fixed point of the recursion is 1e-8 away in steps, and integrals err by less than that.
    const TOLERANCE: f64 = 1e-5;
    const N: usize = 1000;
    for lambda in [1.2, 1.5, 2.0, 3.0, 4.0] {
        let variance = N as f64 / lambda;
        let model = low_rank::unobserved_symmetric(N, 1, Discrete::binary(), variance).unwrap();
        let (x, data) = (model.unknowns[0], model.data);
        let graph = model.builder.build().unwrap();
        let options = Options::default().with_max_sweeps(2000);
        let start = MessageLaw::isotropic(TINY, 1).unwrap();
        let prediction = Evolution::new(&graph, &options).with_start(data, 0, start).run().unwrap();
        assert_eq!(prediction.status(), &PredictedStatus::FixedPoint);
        let q = (0..2000).fold(1.0, |q, _| rademacher(lambda * q, lambda * q).0);
        let found = prediction.estimate(x);
        println!("{lambda}: {} for {q}, {} sweeps", found.overlap()[0], prediction.sweeps().len());
        assert!((found.overlap()[0] - q).abs() < TOLERANCE, "{lambda}: {found:?} for {q}");
        assert!((found.estimate()[0] - q).abs() < TOLERANCE, "{lambda}: {found:?} for {q}");
    }
}

fn measured(lambda: f64, n: usize, assumed: f64, options: &Options, seed: u64) -> Vec<f64> {
    let variance = n as f64 / lambda;
    let model = low_rank::unobserved_symmetric(n, 1, Discrete::binary(), variance).unwrap();
    let (x, data) = (model.unknowns[0], model.data);
    let graph = model.builder.build().unwrap();
    let rng = &mut Pcg64::seed_from_u64(seed);
    let draw = graph.draw(&mut Independent(rng)).unwrap();
    let truth = draw.variable(x);
    let y = draw.data(data).unwrap();
    let model = low_rank::symmetric(y, 1, Discrete::binary(), assumed * variance).unwrap();
    let mut overlaps = Vec::new();
    let mut watch = |info: &mut IterationInfo<'_>| {
        let mean = info.mean(x).unwrap();
        let pairs = mean.as_slice().iter().zip(truth.as_slice());
        overlaps.push(pairs.map(|(a, b)| a * b).sum::<f64>().abs() / n as f64);
        ControlFlow::Continue(())
    };
    let fit = model.fit(options, &mut watch).unwrap();
    println!("{}", fit.report());
    overlaps
}

#[test]
fn try_runs() {
    for lambda in [1.2, 1.5, 2.0, 4.0] {
        for damping in [1.0, 0.6] {
            let options =
                Options::default().with_max_sweeps(12).with_tolerance(0.0).with_damping(damping);
            let t = std::time::Instant::now();
            let run = measured(lambda, 2000, 1.0, &options, 1);
            println!("{:?}", t.elapsed());
            let n = 2000;
            let model = low_rank::unobserved_symmetric(n, 1, Discrete::binary(), n as f64 / lambda)
                .unwrap();
            let (x, data) = (model.unknowns[0], model.data);
            let graph = model.builder.build().unwrap();
            let start = MessageLaw::isotropic(lambda - 1.0, 1).unwrap();
            let p = Evolution::new(&graph, &options)
                .with_tolerance(0.0)
                .with_start(data, 0, start)
                .run()
                .unwrap();
            let se: Vec<f64> =
                p.sweeps().iter().map(|s| s.estimate(x).unwrap().overlap()[0]).collect();
            println!("lambda {lambda} damping {damping}\n{run:.4?}\n{se:.4?}");
        }
    }
}
