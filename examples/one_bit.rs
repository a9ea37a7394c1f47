//! A sparse signal from signs alone: how large it is is the slow part, and what a run claims of it stays true.
//!
//! Labels are signs of `A x` with a little noise (sparse probit regression). The direction of the signal is found in a few
//! sweeps; its length, which signs hardly tell, in some more, and neither without the other is the estimate. Measured: the
//! error as it is, what is left of it at the best length (debiased), and the error that the runs claim; predicted: state
//! evolution. `--out DIR` (default `out/one_bit`) receives `one_bit.csv` and the figure.

use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Parser;
use fg_core::evolution::Spectrum;
use fg_core::operator::{Dense, Ensemble};
use fg_core::{IterationInfo, Options, Rows};
use fg_denoisers::{BernoulliGauss, Sign};
use fg_models::metrics::nmse_db;
use fg_models::synthetic::{bernoulli_gauss, derived_seed, gaussian_matrix};
use fg_models::{ModelError, generalised, linear};
use rand::SeedableRng;
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::{Curves, Labels};
use support::{Failure, Study, in_parallel, progress_bar};

fn main() -> ExitCode {
    let (n, m) = (512usize, 4096usize);
    let (mut sq, mut cl, mut db) = (0.0, 0.0, vec![]);
    for seed in 0..12 {
        let rng = &mut Pcg64::seed_from_u64(seed);
        let a = Dense::new(gaussian_matrix(m, n, 1.0 / n as f64, rng)).unwrap();
        let rho = 0.1;
        let x = bernoulli_gauss((n, 1), rho, 0.0, 1.0 / rho, rng);
        let clean = linear::outputs(&a, &x);
        let noise = 1e-3;
        let noisy = fg_models::synthetic::add_noise(&clean, noise, rng);
        let y = Rows::from_fn(m, 1, |i, _| 1f64.copysign(noisy[(i, 0)]));
        let model = generalised::graph(
            a,
            BernoulliGauss::new(rho, 0.0, 1.0 / rho).unwrap(),
            Sign::probit(noise).unwrap(),
            y,
        )
        .with_length();
        let fit = model
            .fit(
                &Options::default().with_max_sweeps(500).with_tolerance(1e-8).with_acceleration(5),
                &mut (),
            )
            .unwrap();
        let mean = fit.estimate();
        let (xx, hh) = (x.norm_squared(), mean.norm_squared());
        let xh: f64 = x.as_slice().iter().zip(mean.as_slice()).map(|(a, b)| a * b).sum();
        let deb = 10.0 * (1.0 - xh * xh / (xx * hh)).log10();
        let raw = nmse_db(&mean, &x);
        let c = fit.deviation().norm_squared() / x.norm_squared();
        sq += 10f64.powf(raw / 10.0);
        cl += c;
        db.push(deb);
        println!(
            "raw {raw:.2} deb {deb:.2} len {:.3} claimed {:.2} length {:?} {}",
            (hh / xx).sqrt(),
            10.0 * c.log10(),
            fit.length_deviation(),
            fit.report()
        );
    }
    println!("{} {}", 10.0 * (sq / 12.0f64).log10(), 10.0 * (cl / 12.0f64).log10());
    ExitCode::SUCCESS
}
