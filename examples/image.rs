//! A picture from a quarter of its scrambled cosine coefficients, by three denoisers that know nothing of the measurement.
//!
//! Each denoiser is a function from a noisy picture and a noise level to a clean one. The run measures its divergence and
//! tells it in every sweep how noisy the picture is that it gets: nothing is tuned to the picture.
//! `--image FILE` takes any picture; `--out DIR` (default `out/image`) receives the pictures, `psnr.csv` and the curves
//! `image.svg` + `.png`.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use fg_core::denoiser::{BlackBoxOptions, Denoiser};
use fg_core::operator::{LinearOperator, Spectral};
use fg_core::{IterationInfo, Options as RunOptions, Rows};
use fg_denoisers::structured::{ImageTotalVariation, NonLocalMeans, WaveletShrinkage};
use fg_models::report::{Axis, CsvTable, Figure, Panel, Series, TextTable};
use fg_models::synthetic::{active_entries, add_noise, noise_variance, scrambled_cosines};
use fg_models::{GeneralisedGraph, linear};
use rand::SeedableRng;
use rand_pcg::Pcg64;

#[path = "image/options.rs"]
mod options;
#[path = "image/picture.rs"]
mod picture;
mod support;

use options::Options;
use picture::Picture;
use support::{Failure, check_folder, progress_bar, say};

fn main() -> ExitCode {
    support::exit(run(&Options::parse()))
}

/// What a denoiser made of the data.
struct Outcome {
    name: &'static str,
    color: &'static str,
    picture: Picture,
    /// Peak signal-to-noise ratios after each sweep, in dB: true, and claimed by the run.
    psnr: Vec<[f64; 2]>,
    seconds: f64,
    status: String,
}

fn run(options: &Options) -> Result<(), Failure> {
    let setting = options.setting()?;
    check_folder(&options.out)?;
    let rng = &mut Pcg64::seed_from_u64(options.seed);
    let truth = setting.picture.pixels();
    let n = truth.rows();
    let measured = active_entries(n, setting.share).max(1);
    let operator = scrambled_cosines(measured, n, rng).map_err(Failure::input)?;
    let clean = linear::outputs(&operator, truth);
    let variance = noise_variance(&clean, setting.snr_db);
    let problem = Problem {
        seen: add_noise(&clean, variance, rng),
        operator,
        precision: variance.recip(),
        picture: &setting.picture,
        sweeps: setting.sweeps,
    };
    let (height, width) = setting.picture.shape();
    let wavelets = WaveletShrinkage::new(height, width).map_err(Failure::input)?;
    let wavelets = wavelets.denoiser().with_options(probes()).map_err(Failure::other)?;
    let means = NonLocalMeans::new(height, width).map_err(Failure::input)?;
    let means = means.denoiser().with_options(probes()).map_err(Failure::other)?;
    let variation = ImageTotalVariation::new(height, width, VARIATION).map_err(Failure::input)?;
    let mut variation =
        variation.following_noise().with_tolerance(INNER).map_err(Failure::other)?;
    if n > EXACT {
        variation = variation.with_probes(probes()).map_err(Failure::other)?;
    }
    let bar = progress_bar(3 * setting.sweeps, "sweeps");
    let outcomes = [
        problem.solve(("wavelet shrinkage", "#4477AA"), wavelets, &bar)?,
        problem.solve(("total variation", "#228833"), variation, &bar)?,
        problem.solve(("non-local means", "#EE6677"), means, &bar)?,
    ];
    bar.finish_and_clear();
    report(options, &problem, &outcomes)
}

/// Data, and what it is data of.
struct Problem<'a> {
    operator: Spectral,
    seen: Rows,
    precision: f64,
    picture: &'a Picture,
    sweeps: usize,
}

/// Weight of total variation in units of one over the noise level: a step must exceed the noise to be worth its edge.
const VARIATION: f64 = 1.0;
/// Error of its minimiser in units of the noise level: nobody sees it, and its divergence is right to a percent.
const INNER: f64 = 1e-2;
/// Pixels up to which that divergence is computed, in up to a gigabyte; of larger pictures it is measured.
const EXACT: usize = 1 << 20;
/// A message that changes by less than this moves no picture by 0.01 dB.
const TOLERANCE: f64 = 1e-3;

/// The divergence only scales a message, and tens of thousands of pixels average it: few probes with an error of a few
/// percent will do. Their step of a tenth of the noise is above the error of inner iterations.
fn probes() -> BlackBoxOptions {
    BlackBoxOptions::default().with_target(0.03).with_probes(2, 4).with_step(0.1)
}

impl Problem<'_> {
    fn solve(
        &self,
        (name, color): (&'static str, &'static str),
        denoiser: impl Denoiser + 'static,
        bar: &indicatif::ProgressBar,
    ) -> Result<Outcome, Failure> {
        let truth = self.picture.pixels();
        let mut psnr = Vec::new();
        let model = self.model(denoiser)?;
        let signal = model.signal;
        let mut watch = |info: &mut IterationInfo<'_>| {
            let claimed = info.belief(signal).map_or(f64::NAN, |belief| {
                belief.covariances().iter().sum::<f64>() / belief.covariances().len() as f64
            });
            let error = info.mean(signal).map_or(f64::NAN, |m| m.mean_squared_error(truth));
            psnr.push([error, claimed].map(decibel));
            bar.inc(1);
            ControlFlow::Continue(())
        };
        let options = RunOptions::default().with_max_sweeps(self.sweeps).with_tolerance(TOLERANCE);
        let clock = Instant::now();
        let fit = model.fit(&options, &mut watch).map_err(Failure::other)?;
        let seconds = clock.elapsed().as_secs_f64();
        let picture = self.picture.with_pixels(fit.estimate());
        let status = fit.solution().report().status.to_string();
        Ok(Outcome { name, color, picture, psnr, seconds, status })
    }

    fn model(&self, denoiser: impl Denoiser + 'static) -> Result<GeneralisedGraph, Failure> {
        linear::graph(self.operator.clone(), self.seen.clone(), denoiser, self.precision)
            .map_err(Failure::other)
    }

    /// The data put back where it came from, as large as the picture: what there is before anything is known of pictures.
    fn back_projection(&self) -> Picture {
        let mut pixels = Rows::zeros(self.operator.inputs(), 1);
        self.operator.apply_adjoint(self.seen.as_slice(), pixels.as_mut_slice(), 1);
        let grow = self.operator.inputs() as f64 / self.operator.outputs() as f64;
        pixels.as_mut_slice().iter_mut().for_each(|p| *p *= grow);
        self.picture.with_pixels(&pixels)
    }
}

/// Mean square error of grey levels from 0 to 1 as peak signal-to-noise ratio.
fn decibel(error: f64) -> f64 {
    -10.0 * error.log10()
}

fn report(options: &Options, problem: &Problem<'_>, outcomes: &[Outcome]) -> Result<(), Failure> {
    let out = &options.out;
    let mut table =
        TextTable::new(["denoiser", "PSNR / dB", "claimed", "sweeps", "s / sweep", "status"]);
    let mut csv = CsvTable::new(["denoiser", "sweep", "psnr_db", "claimed_psnr_db"]);
    let mut series = Vec::new();
    problem.picture.write(out, "original")?;
    problem.back_projection().write(out, "back_projection")?;
    for outcome in outcomes {
        let Outcome { name, color, picture, psnr, seconds, status } = outcome;
        picture.write(out, &name.replace([' ', '-'], "_"))?;
        let sweeps = psnr.len();
        let last = psnr.last().copied().unwrap_or([f64::NAN; 2]);
        let cells = [
            (*name).to_owned(),
            format!("{:.2}", last[0]),
            format!("{:.2}", last[1]),
            sweeps.to_string(),
            format!("{:.2}", seconds / sweeps as f64),
            status.clone(),
        ];
        table.push(cells);
        for (k, [found, claimed]) in psnr.iter().enumerate() {
            csv.push([
                (*name).to_owned(),
                (k + 1).to_string(),
                found.to_string(),
                claimed.to_string(),
            ]);
        }
        let points = psnr.iter().enumerate().map(|(k, p)| (k as f64 + 1.0, p[0])).collect();
        series.push(Series::new(*name, *color, points));
    }
    say(&table);
    csv.write(&out.join("psnr.csv")).map_err(Failure::other)?;
    let (x, y) = (Axis::linear("sweep"), Axis::linear("PSNR / dB"));
    let title = "a picture from scrambled cosine coefficients".to_owned();
    let panel = Panel { title, x, y, series, references: Vec::new() };
    Figure { title: String::new(), columns: 1, panels: vec![panel] }
        .write(out, "image")
        .map_err(Failure::other)
}
