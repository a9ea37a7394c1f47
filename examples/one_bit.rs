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
    let rng = &mut Pcg64::seed_from_u64(1);
    let (n, m) = (512usize, 4096usize);
    for seed in 0..4 {
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
        );
        let v = model.signal;
        let mut watch = |info: &mut IterationInfo<'_>| {
            if let Ok(mean) = info.mean(v) {
                let (xx, hh) = (x.norm_squared(), mean.norm_squared());
                let xh: f64 = x.as_slice().iter().zip(mean.as_slice()).map(|(a, b)| a * b).sum();
                let mean = mean.clone();
                let deb = 10.0 * (1.0 - xh * xh / (xx * hh)).log10();
                let raw = nmse_db(&mean, &x);
                if info.sweep() < 25 || info.sweep() % 10 == 0 {
                    println!(
                        "{} {:?} raw {:.2} deb {:.2} len {:.4}",
                        info.sweep(),
                        info.figures().accelerated,
                        raw,
                        deb,
                        (hh / xx).sqrt()
                    );
                }
            }
            ControlFlow::Continue(())
        };
        let fit = model
            .fit(
                &Options::default()
                    .with_max_sweeps(300)
                    .with_tolerance(1e-7)
                    .with_acceleration(std::env::var("DEPTH").unwrap().parse().unwrap()),
                &mut watch,
            )
            .unwrap();
        println!(
            "claimed {:.2} {}",
            10.0 * (fit.deviation().norm_squared() / x.norm_squared()).log10(),
            fit.report()
        );
    }
    ExitCode::SUCCESS
}
