//! Your own denoiser, three ways: a closure with its derivative, a function that is differentiated for you, and a black box.
//!
//! Each is held to the laws of the conformance kit, then plugged into the same compressed sensing problem, beside the prior the
//! signal was drawn from, and its error is predicted without a line of code more (dashed).
//! `--out DIR` (default `out/custom_denoiser`) receives `custom_denoiser.csv` and the figure.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fg_core::denoiser::{BlackBox, Denoiser, Differentiated, Pointwise, ScalarFunction};
use fg_core::evolution::{Evolution, MessageLaw, Warning};
use fg_core::operator::Dense;
use fg_core::testing::{Subject, report};
use fg_core::{IterationInfo, Options, Rows};
use fg_denoisers::BernoulliGauss;
use fg_models::ModelError;
use fg_models::generalised::{GeneralisedGraph, Start};
use fg_models::linear;
use fg_models::metrics::nmse_db;
use fg_models::report::{Axis, CsvTable, Figure, Panel, Series, Stroke};
use fg_models::synthetic::{add_noise, exactly_sparse, gaussian_matrix};
use num_traits::Float;
use rand::SeedableRng;
use rand_pcg::Pcg64;

mod support;

use support::{Failure, say};

/// Mean square of the signal: what a bare estimator is told of it before the first sweep.
const POWER: f64 = 0.1;

#[derive(Parser)]
#[command(about = "Three ways to plug in a denoiser")]
struct Arguments {
    /// Folder for the results.
    #[arg(long, default_value = "out/custom_denoiser")]
    out: PathBuf,
    /// Seed of signal, operator and noise.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A smaller problem, in a second.
    #[arg(long)]
    quick: bool,
}

/// The garrote: leaves large values almost alone, sets small ones to zero. Value and derivative by hand.
fn garrote(r: f64, gamma: f64) -> (f64, f64) {
    let threshold = 2.0 / gamma.sqrt();
    if r.abs() <= threshold {
        return (0.0, 0.0);
    }
    (r - threshold * threshold / r, 1.0 + (threshold / r).powi(2))
}

/// The share of `r` that a spike-and-slab of density 0.1 and variance 1 keeps: any code over `Float` will do.
#[derive(Debug)]
struct Shrink;

impl ScalarFunction for Shrink {
    fn value<T: Float>(&self, r: T, gamma: T) -> T {
        let wide = T::one() + T::one() / gamma;
        let log_odds = (r * r) * (gamma - T::one() / wide) / (T::one() + T::one());
        // The odds against a spike, so that nothing overflows where it is certain.
        let against =
            (-log_odds).exp() * (wide * gamma).sqrt() * T::from(9.0).unwrap_or_else(T::one);
        r / wide / (T::one() + against)
    }
}

/// Any function of all rows and a noise level: here soft thresholding, of which the engine knows nothing.
fn black_box(rows: &Rows, noise: f64) -> Rows {
    let soft = |v: f64| v.signum() * (v.abs() - 1.4 * noise).max(0.0);
    Rows::from_fn(rows.rows(), rows.columns(), |i, j| soft(rows[(i, j)]))
}

/// One compressed sensing problem: the operator, what was seen, the noise variance and the truth.
struct Problem {
    operator: Dense,
    seen: Rows,
    variance: f64,
    signal: Rows,
}

impl Problem {
    /// Checks a denoiser, solves the problem with it and returns the error after every sweep, measured and predicted.
    fn solve<D: Denoiser + 'static>(
        &self,
        (name, color): (&str, &str),
        denoiser: impl Fn() -> D,
    ) -> Result<[Series; 2], Box<dyn std::error::Error>> {
        say(report(Subject::denoiser(&denoiser()), 1));
        let options = Options::default().with_max_sweeps(30);
        let model = self.model(denoiser())?.with_start(Start::Variance(POWER));
        let (x, mut curve) = (model.signal, Vec::new());
        let mut watch = |info: &mut IterationInfo<'_>| {
            let error = info.mean(x).map_or(f64::NAN, |mean| nmse_db(mean, &self.signal));
            curve.push((info.sweep() as f64, error));
            ControlFlow::Continue(())
        };
        let fit = model.fit(&options, &mut watch)?;
        let error = nmse_db(fit.estimate(), &self.signal);

        // The prediction needs nothing of the denoiser but that it can be called: and the law of the truth.
        let GeneralisedGraph { builder, prior, .. } = self.model(denoiser())?;
        let graph = builder.build()?;
        let start = MessageLaw::new(1, vec![1.0 / POWER], vec![0.0], vec![0.0], vec![0.0])?;
        let evolution = Evolution::new(&graph, &options)
            .with_law(prior, BernoulliGauss::new(0.1, 0.0, 1.0)?)
            .with_start(prior, 0, start)
            .accept(Warning::NotSeparable { factor: graph.factor_name(prior).to_owned() });
        let prediction = evolution.run()?;
        let estimates = prediction.sweeps().iter().filter_map(|s| s.estimate(x));
        let line = estimates.enumerate().map(|(k, e)| (k as f64 + 1.0, e.nmse_db())).collect();
        let predicted = prediction.find_estimate(x).map_or(f64::NAN, |law| law.nmse_db());
        say(format_args!("{name:15} prediction: {}", prediction.status()));
        say(format_args!(
            "{name:15} NMSE {error:6.2} dB, predicted {predicted:6.2}, {}",
            fit.solution().report()
        ));
        Ok([
            Series::new(name, color, curve),
            Series::new(format!("{name}, predicted"), color, line).with_stroke(Stroke::Dashed),
        ])
    }

    fn model(&self, denoiser: impl Denoiser + 'static) -> Result<GeneralisedGraph, ModelError> {
        linear::graph(self.operator.clone(), self.seen.clone(), denoiser, 1.0 / self.variance)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = support::check_folder(&arguments.out);
    support::exit(done.and_then(|()| run(&arguments).map_err(Failure::other)))
}

fn run(Arguments { out, seed, quick }: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let rng = &mut Pcg64::seed_from_u64(*seed);
    let (n, m, variance) = if *quick { (400, 200, 1e-3) } else { (2000, 1000, 1e-3) };
    let signal = exactly_sparse((n, 1), 0.1, 0.0, 1.0, rng);
    let operator = Dense::new(gaussian_matrix(m, n, 1.0 / m as f64, rng))?;
    let seen = add_noise(&linear::outputs(&operator, &signal), variance, rng);
    let problem = Problem { operator, seen, variance, signal };
    let prior = BernoulliGauss::new(0.1, 0.0, 1.0)?;
    // The posterior mean that is differentiated, too: drawn so that both are seen.
    let [run, predicted] = problem.solve(("true prior", "steelblue"), || prior.clone())?;
    let truth = [run.with_stroke(Stroke::Dots), predicted.with_stroke(Stroke::Dotted)];
    let series = [
        problem.solve(("closure", "firebrick"), || Pointwise::new("garrote", garrote))?,
        problem.solve(("black box", "darkorange"), || BlackBox::new("soft", black_box))?,
        problem.solve(("differentiated", "seagreen"), || Differentiated::new("shrink", Shrink))?,
        truth,
    ];
    let series: Vec<Series> = series.into_iter().flatten().collect();
    let mut csv = CsvTable::new(["curve", "sweep", "nmse_db"]);
    for Series { label, points, .. } in &series {
        for (sweep, error) in points {
            csv.push([label.clone(), sweep.to_string(), error.to_string()]);
        }
    }
    csv.write(&out.join("custom_denoiser.csv"))?;
    let (x, y) = (Axis::linear("sweep"), Axis::linear("NMSE / dB"));
    let panel = Panel { title: "four denoisers".into(), x, y, series, references: Vec::new() };
    Figure { title: String::new(), columns: 1, panels: vec![panel] }
        .write(out, "custom_denoiser")?;
    Ok(())
}
