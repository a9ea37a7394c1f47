//! On data that the model itself draws, squared errors average to the covariances claimed.

use core::f64::consts::TAU;

use super::case::Case;
use super::input::Input;
use super::one_port::OnePort;
use super::{Subject, Violation, demand};
use crate::denoiser::{Denoiser, Likelihood, RowCavity, RowEstimate, Scratch};
use crate::message::small;
use crate::special::{open_uniform, points::uniform, quantile};

/// Draws for each average.
const DRAWS: usize = 20_000;
/// Draws for each average of a model whose estimates take long: errors of a tenth of a variance are still found.
const SAMPLED_DRAWS: usize = 1000;
/// Draws that are counted.
const FREQUENCIES: usize = 4000;
/// Integrals of densities are one within this.
const NORMALISED: f64 = 1e-9;
/// Standard errors of independent draws that an average may be off: one false alarm in a million, and the points are
/// far more even than independent ones.
const STANDARD_ERRORS: f64 = 5.0;

/// Point `k` of a scrambled Sobol sequence in `[0, 1)^dimension`.
///
/// An additive recurrence would do for smooth integrands; in three dimensions it has slow beats that a sparse law, which
/// looks at a part of the unit interval only, takes for a correlation.
pub(super) fn point(k: usize, dimension: usize, out: &mut Vec<f64>) {
    const SEED: u32 = 0;
    out.clear();
    out.extend((0..dimension).map(|j| uniform(k, j, SEED)));
}

/// Mean and standard error of a running sample.
#[derive(Clone, Default)]
pub(super) struct Average {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Average {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.squares += before * (value - self.mean);
    }

    /// Counts values of zero.
    fn add_zeros(&mut self, count: usize) {
        (0..count).for_each(|_| self.add(0.0));
    }

    /// Demands that the average is `expected`, within its own error and the rounding of values of size `scale`.
    pub(super) fn demand(
        &self,
        label: (&str, &'static str),
        input: &str,
        expected: f64,
        scale: f64,
    ) -> Result<(), Violation> {
        let error = (self.squares / (self.count * (self.count - 1.0))).sqrt();
        let tolerance = STANDARD_ERRORS * error + 1e-12 * scale;
        demand(label, || input.to_owned(), (self.mean, expected), tolerance)
    }
}

/// Holds a model to its own draws on rows of `d` columns; maximisers and models that can't draw pass.
///
/// * `calibration`, denoiser: rows from its law, seen through noise of several precisions; likelihood: data drawn from
///   Gaussian rows, the cavity being their law. Errors must average to zero, their squares to the variances.
/// * `normalisation`, where the log-partition function is known: a density integrates to one; data of a likelihood, of one
///   column, are drawn as often as its log-partition function says.
/// * `law`, denoiser: mean and variance of the law are those of the estimate without information.
///
/// [`check`](super::check) does the same, but with fewer draws of a model that is averaged over points.
///
/// # Errors
/// The first [`Violation`]; also for a subject that is no estimator of one port.
pub fn check_calibration(subject: Subject<'_>, d: usize) -> Result<(), Violation> {
    let case = Case { node: subject.one_port("calibration")?, d, claims: subject.claims };
    if case.row_wise().and_then(|()| case.mean()).is_err() {
        return Ok(());
    }
    if case.uninformed().is_ok() {
        moments(case.node, d)?;
    }
    if case.normalised().is_ok() {
        normalisation(case.node, d)?;
    }
    calibration(case.node, d, DRAWS)
}

/// Draws that [`check`](super::check) takes: estimates that are averages over many points take long.
pub(super) fn draws_of(case: &Case<'_>) -> usize {
    if case.node.sampled(case.d) { SAMPLED_DRAWS } else { DRAWS }
}

/// Errors on what the model draws.
pub(super) fn calibration(node: OnePort<'_>, d: usize, draws: usize) -> Result<(), Violation> {
    [0.3, 4.0, 50.0].into_iter().try_for_each(|gamma| match node {
        OnePort::Denoiser(denoiser) => prior(denoiser, d, (gamma, draws)),
        OnePort::Likelihood(model, _) => likelihood(model, d, (gamma, draws)),
    })
}

/// The integral of a density, or how often data are drawn.
pub(super) fn normalisation(node: OnePort<'_>, d: usize) -> Result<(), Violation> {
    let OnePort::Likelihood(model, _) = node else {
        let log = node.log_partition(&Input::nothing(d).cavity());
        let Some(log) = log else { return Ok(()) };
        let label = (&*node.name(), "normalisation");
        return demand(label, || "no information".to_owned(), (log[0], 0.0), NORMALISED);
    };
    frequencies(model, d)
}

/// Errors and excess squares of each column.
struct Tally {
    errors: Vec<Average>,
    squares: Vec<Average>,
}

impl Tally {
    fn new(d: usize) -> Self {
        Self { errors: vec![Average::default(); d], squares: vec![Average::default(); d] }
    }

    fn add(&mut self, truth: &[f64], mean: &[f64], covariance: &[f64]) {
        let d = truth.len();
        for j in 0..d {
            let error = truth[j] - mean[j];
            self.errors[j].add(error);
            self.squares[j].add(error * error - covariance[j * d + j]);
        }
    }

    fn demand(&self, name: &str, gamma: f64) -> Result<(), Violation> {
        let input = format!("cavity precision {gamma}");
        for average in self.errors.iter().chain(&self.squares) {
            average.demand((name, "calibration"), &input, 0.0, 1.0)?;
        }
        Ok(())
    }
}

fn prior(denoiser: &dyn Denoiser, d: usize, (gamma, draws): (f64, usize)) -> Result<(), Violation> {
    let subject = OnePort::Denoiser(denoiser);
    let precision = small::scalar_matrix(gamma, d);
    let (mut tally, mut scratch, mut u) = (Tally::new(d), Scratch::default(), Vec::new());
    let mut x = vec![0.0; d];
    for k in 0..draws {
        let row = k % denoiser.rows().unwrap_or(1);
        let Some(law) = denoiser.row_law(row) else { return Ok(()) };
        let own = law.uniforms(d);
        point(k, own + d, &mut u);
        law.draw(&u[..own], &mut x);
        let noise = |j: usize| quantile(open_uniform(u[own + j])) / gamma.sqrt();
        let r: Vec<f64> = (0..d).map(|j| x[j] + noise(j)).collect();
        let n: Vec<f64> = r.iter().map(|r| gamma * r).collect();
        let cavity = RowCavity::new(row, d, &n, &r, &precision);
        let estimate = subject.estimate(&cavity, &mut scratch).map_err(|e| {
            subject.refused("calibration", &Input::from_mean(d, &r, precision.clone()), e)
        })?;
        tally.add(&x, &estimate.mean, &estimate.covariance);
    }
    tally.demand(&denoiser.name(), gamma)
}

fn likelihood(
    model: &dyn Likelihood,
    d: usize,
    (gamma, draws): (f64, usize),
) -> Result<(), Violation> {
    let Some(own) = model.uniforms(d) else { return Ok(()) };
    let precision = small::scalar_matrix(gamma, d);
    let r: Vec<f64> = (0..d).map(|j| 0.4 - 0.3 * j as f64).collect();
    let n: Vec<f64> = r.iter().map(|r| gamma * r).collect();
    let (mut tally, mut scratch, mut u) = (Tally::new(d), Scratch::default(), Vec::new());
    let (mut z, mut y) = (vec![0.0; d], vec![0.0; model.outputs(d)]);
    let (mut mean, mut covariance) = (vec![0.0; d], vec![0.0; d * d]);
    for k in 0..draws {
        let row = k % model.rows().unwrap_or(1);
        let drawing = model.row_model(row).unwrap_or(model);
        let cavity = RowCavity::new(row, d, &n, &r, &precision);
        point(k, own + d, &mut u);
        for j in 0..d {
            z[j] = r[j] + quantile(open_uniform(u[own + j])) / gamma.sqrt();
        }
        drawing.draw(&z, &u[..drawing.uniforms(d).unwrap_or(own).min(own)], &mut y);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        model.estimate(&y, &cavity, &mut out, &mut scratch).map_err(|e| {
            let input = Input::from_mean(d, &r, precision.clone());
            OnePort::Likelihood(model, &y).refused("calibration", &input, e)
        })?;
        tally.add(&z, &mean, &covariance);
    }
    tally.demand(&model.name(), gamma)
}

/// Data of one column drawn for a Gaussian row, against their density: values that come again and again are points of a
/// probability; over the middle half of the others, the average of one over their density is the length of it.
fn frequencies(model: &dyn Likelihood, d: usize) -> Result<(), Violation> {
    const LAW: &str = "normalisation";
    const GAMMA: f64 = 4.0;
    let drawn = model.uniforms(d).filter(|_| model.outputs(d) == 1 && model.row_model(0).is_none());
    let Some(own) = drawn else { return Ok(()) };
    let r: Vec<f64> = (0..d).map(|j| 0.4 - 0.3 * j as f64).collect();
    let n: Vec<f64> = r.iter().map(|r| GAMMA * r).collect();
    let precision = small::scalar_matrix(GAMMA, d);
    let cavity = RowCavity::new(0, d, &n, &r, &precision);
    let squares: f64 = r.iter().map(|r| r * r).sum();
    let whole = 0.5 * (GAMMA * squares + d as f64 * (TAU / GAMMA).ln());
    let log_density = |y: f64| {
        let mut log = [f64::NAN];
        model.log_partition(&[y], &cavity, &mut log).then(|| log[0] - whole)
    };
    let (mut u, mut z, mut y) = (Vec::new(), vec![0.0; d], [0.0]);
    let mut values = Vec::with_capacity(FREQUENCIES);
    for k in 0..FREQUENCIES {
        point(k, own + d, &mut u);
        for j in 0..d {
            z[j] = r[j] + quantile(open_uniform(u[own + j])) / GAMMA.sqrt();
        }
        model.draw(&z, &u[..own], &mut y);
        values.push(y[0]);
    }
    values.sort_by(f64::total_cmp);
    let name = model.name();
    let mut single = Vec::new();
    for equal in values.chunk_by(|a, b| a.total_cmp(b).is_eq()) {
        if equal.len() == 1 {
            single.push(equal[0]);
            continue;
        }
        let Some(log) = log_density(equal[0]) else { return Ok(()) };
        let (share, expected) = (equal.len() as f64 / FREQUENCIES as f64, log.exp());
        let error = (expected / FREQUENCIES as f64).sqrt();
        let input = || format!("data {}", equal[0]);
        demand((&name, LAW), input, (share, expected), STANDARD_ERRORS * error)?;
    }
    // Values between points of a small probability are of one.
    if single.len() < FREQUENCIES / 10 {
        return Ok(());
    }
    let (low, high) = (single[single.len() / 4], single[3 * single.len() / 4]);
    let mut lengths = Average::default();
    for &y in &single {
        let inside = low <= y && y <= high;
        let Some(log) = log_density(y) else { return Ok(()) };
        lengths.add(if inside { (-log).exp() / (high - low) } else { 0.0 });
    }
    lengths.add_zeros(FREQUENCIES - single.len());
    lengths.demand((&name, LAW), &format!("data from {low} to {high}"), 1.0, 1.0)
}

/// Moments of the law against the estimate without information, where the estimator gives one.
pub(super) fn moments(subject: OnePort<'_>, d: usize) -> Result<(), Violation> {
    let OnePort::Denoiser(denoiser) = subject else { return Ok(()) };
    let Some(law) = denoiser.row_law(0) else { return Ok(()) };
    let nothing = Input::nothing(d);
    let Ok(estimate) = subject.estimate(&nothing.cavity(), &mut Scratch::default()) else {
        return Ok(());
    };
    let mut averages = vec![Average::default(); d + d * d];
    let (mut u, mut x) = (Vec::new(), vec![0.0; d]);
    for k in 0..DRAWS {
        point(k, law.uniforms(d), &mut u);
        law.draw(&u, &mut x);
        for j in 0..d {
            averages[j].add(x[j]);
            for l in 0..d {
                let product = (x[j] - estimate.mean[j]) * (x[l] - estimate.mean[l]);
                averages[d + j * d + l].add(product);
            }
        }
    }
    let scale = small::trace(&estimate.covariance, d) + 1.0;
    let label = (&*denoiser.name(), "law");
    for (average, &expected) in
        averages.iter().zip(estimate.mean.iter().chain(&estimate.covariance))
    {
        average.demand(label, "no information", expected, scale)?;
    }
    Ok(())
}
