//! State evolution against published values.

use fg_core::evolution::{Evolution, Spectrum};
use fg_core::operator::Ensemble;
use fg_core::{Graph, GraphBuilder, Options, VariableId};
use fg_denoisers::BernoulliGauss;
use fg_denoisers::likelihood::Awgn;

/// Sparse prior - X - operator - Z - Gaussian noise.
fn sparse(spectrum: Spectrum, prior: BernoulliGauss, precision: f64) -> (Graph, VariableId) {
    let operator = Ensemble::new(1000, spectrum);
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", 1000, 1);
    let z = builder.variable("z", fg_core::operator::LinearOperator::outputs(&operator), 1);
    builder.prior("prior", x, prior);
    builder.linear("A", x, z, operator);
    builder.unobserved("noise", z, Awgn::new(precision).unwrap());
    (builder.build().unwrap(), x)
}

/// Medians to be reproduced are given to 0.01 dB.
const DECIBELS: f64 = 0.02;

#[test]
fn vamp_at_four_condition_numbers() {
    // Bernoulli-Gauss(0.1, variance 10), m = n / 2, noise variance 1e-3, singular values falling geometrically with
    // mean square one.
    for general in [false, true] {
        for (condition, expected) in
            [(1.0, -38.81), (10.0, -37.25), (100.0, -33.96), (1000.0, -29.37)]
        {
            let spectrum = Spectrum::geometric(0.5, condition).unwrap().scaled(2.0).unwrap();
            let (graph, x) = sparse(spectrum, BernoulliGauss::new(0.1, 0.0, 10.0).unwrap(), 1e3);
            let began = std::time::Instant::now();
            let mut evolution = Evolution::new(&graph, &Options::default().with_max_sweeps(300));
            if let Ok(points) = std::env::var("POINTS") {
                evolution = evolution.with_points(points.parse().unwrap());
            }
            if general {
                evolution = evolution.with_general_path();
            }
            let prediction = evolution.run().unwrap();
            let found = prediction.estimate(x).nmse_db();
            println!(
                "{condition} {general}: {found:.3} {expected} {} sweeps {} {:?}",
                prediction.sweeps().len(),
                prediction.status(),
                began.elapsed()
            );
            if condition == 100.0 {
                for s in prediction.sweeps().iter().take(12) {
                    print!("{:.2} ", s.estimate(x).unwrap().nmse_db());
                }
                println!();
            }
            assert!(
                (found - expected).abs() < 100.0 * DECIBELS,
                "{condition}: {found} for {expected}"
            );
        }
    }
}
#[test]
fn speed_probe() {
    let spectrum = Spectrum::marchenko_pastur(0.5).unwrap();
    let (graph, x) = sparse(spectrum, BernoulliGauss::new(0.1, 0.0, 10.0).unwrap(), 1e3);
    for _ in 0..3 {
        let began = std::time::Instant::now();
        let p = graph.predict(&Options::default().with_max_sweeps(300)).unwrap();
        println!("probe {:?} {} {}", began.elapsed(), p.sweeps().len(), p.estimate(x).nmse_db());
    }
}
