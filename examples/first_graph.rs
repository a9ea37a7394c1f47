//! A first graph: a sparse signal `x` behind `y = A x + noise`, from half as many observations as it has entries.
//!
//! `x` is a variable with a prior, `z = A x` another one, and what is seen of it a likelihood. One run gives every entry with
//! its error bar; state evolution says beforehand how large the error will be.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use fg_core::operator::Dense;
use fg_core::{GraphBuilder, Options};
use fg_denoisers::{Awgn, BernoulliGauss};
use fg_models::linear;
use fg_models::metrics::nmse_db;
use fg_models::synthetic::{add_noise, exactly_sparse, gaussian_matrix};
use rand::SeedableRng;
use rand_pcg::Pcg64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A tenth of a thousand entries isn't zero; 500 projections are seen with noise of variance 1e-3.
    let (n, m, share, noise) = (1000, 500, 0.1, 1e-3);
    let rng = &mut Pcg64::seed_from_u64(0);
    let truth = exactly_sparse((n, 1), share, 0.0, 1.0, rng);
    let operator = Dense::new(gaussian_matrix(m, n, 1.0 / m as f64, rng))?;
    let seen = add_noise(&linear::outputs(&operator, &truth), noise, rng);

    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", n, 1);
    let z = builder.variable("z", m, 1);
    builder.prior("prior", x, BernoulliGauss::new(share, 0.0, 1.0)?);
    builder.linear("A", x, z, operator);
    builder.likelihood("seen", z, seen, Awgn::from_variance(noise)?);
    let graph = builder.build()?;

    let options = Options::default();
    let solution = graph.infer(&options)?;
    println!("{}", solution.report());
    let (mean, deviation) = (solution.mean(x), solution.deviation(x));
    for i in 0..10 {
        let (estimate, bar) = (mean[(i, 0)], deviation[(i, 0)]);
        println!("x[{i}] = {:6.3}, found {estimate:6.3} +- {bar:.3}", truth[(i, 0)]);
    }
    let predicted = graph.predict(&options)?.estimate(x).nmse_db();
    println!("error {:.2} dB, predicted {predicted:.2} dB", nmse_db(mean, &truth));
    Ok(())
}
