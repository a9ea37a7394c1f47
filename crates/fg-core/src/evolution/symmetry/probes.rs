//! Whether an estimator does the same when columns are turned: asked on a few rows of every size.

use super::Turn;
use crate::denoiser::{Channel, Denoiser, Likelihood, RowCavity, RowEstimate, Scratch, model_of};
use crate::factor::{Breakdown, LikelihoodFactor};
use crate::message::small;
use crate::rows::Rows;
use crate::special::{hash::fraction, quantile};

/// Sizes of the rows asked about: what is symmetric is so at all of them, whatever the units of the model.
const SIZES: [f64; 5] = [1e-4, 1e-2, 1.0, 1e2, 1e4];
/// Rows where all are alike.
const ROWS: usize = 16;
/// Data that differ by less than this share of their size are the same but for rounding.
const SAME_DATA: f64 = 1e-9;
/// Estimates that differ by less than this share of their size and error bar are: those of a sum or an integral are symmetric
/// as far as that is exact.
const SAME_ESTIMATE: f64 = 1e-6;

/// Halvings of the interval in which data change: what is left is below the smallest difference that is looked at.
const HALVINGS: usize = 40;

/// Seeds of the rows of either port, and of uniforms.
const PORTS: [u64; 2] = [1, 2];
const UNIFORMS: u64 = 3;

/// Whether a prior, of as many rows as the variable where they differ, estimates turned rows as it does the rows.
pub(super) fn symmetric_prior(prior: &dyn Denoiser, rows: usize, turn: &Turn) -> bool {
    let rows = prior.rows().map_or(ROWS, |_| rows);
    let ask = |told: &Told| told.ask(|cavity, out, scratch| prior.estimate(cavity, out, scratch));
    prior.separable()
        && SIZES.iter().all(|&size| {
            let told = Told::new(rows, turn.columns(), size, PORTS[0]);
            alike(ask(&told), ask(&told.turned(turn)), Some(turn))
        })
}

/// Whether a likelihood draws the same data for turned rows, or finds the turned estimates in the same data: those of `law`,
/// those it draws, or its own.
pub(super) fn symmetric_likelihood(
    factor: &LikelihoodFactor,
    law: Option<&dyn Likelihood>,
    rows: usize,
    turn: &Turn,
) -> bool {
    let (likelihood, d) = (factor.likelihood(), turn.columns());
    let rows = likelihood.rows().map_or(ROWS.min(rows), |_| rows);
    let told = |size: f64| Told::new(rows, d, size, PORTS[0]);
    let same_data = |size: &f64| {
        let told = told(*size);
        let turned = told.turned(turn).mean;
        let pair = drawn(likelihood, &told.mean).zip(drawn(likelihood, &turned));
        pair.is_some_and(|(a, b)| close(a.as_slice(), b.as_slice(), rms(a.as_slice()), SAME_DATA))
            && close(&steps(likelihood, &told.mean), &steps(likelihood, &turned), 1.0, SAME_DATA)
    };
    let same_estimates = |size: &f64| {
        let told = told(*size);
        let own = || factor.data().map(|data| head(data, rows));
        let Some(data) = drawn(law.unwrap_or(likelihood), &told.mean).or_else(own) else {
            return false;
        };
        let ask = |told: &Told| {
            told.ask(|cavity, out, s| likelihood.estimate(data.as_slice(), cavity, out, s))
        };
        alike(ask(&told), ask(&told.turned(turn)), Some(turn))
    };
    SIZES.iter().all(same_data) || SIZES.iter().all(same_estimates)
}

/// Whether the output of a channel doesn't see its input turned.
pub(super) fn even_channel(channel: &dyn Channel, turn: &Turn) -> bool {
    passes_on(channel, turn, None)
}

/// Whether the output of a channel turns with its input.
pub(super) fn odd_channel(channel: &dyn Channel, turn: &Turn) -> bool {
    channel.output_columns(turn.columns()) == Some(turn.columns())
        && passes_on(channel, turn, Some(turn))
}

fn passes_on(channel: &dyn Channel, turn: &Turn, output: Option<&Turn>) -> bool {
    let d = turn.columns();
    let Some(columns) = channel.output_columns(d) else { return false };
    let turned = |rows: &Rows| output.map_or_else(|| rows.clone(), |turn| turned(rows, turn));
    let same_output = |size: &f64| {
        let input = Told::new(ROWS, d, *size, PORTS[0]);
        let pass = |input: &Rows| {
            let k = channel.uniforms(d)?;
            let mut out = Rows::zeros(ROWS, columns);
            for i in 0..ROWS {
                channel.draw(input.row(i), &uniforms(i, k), out.row_mut(i));
            }
            Some(out)
        };
        let pair = pass(&input.mean).zip(pass(&input.turned(turn).mean));
        pair.is_some_and(|(a, b)| {
            close(turned(&a).as_slice(), b.as_slice(), rms(a.as_slice()), SAME_DATA)
        })
    };
    let same_estimates = |size: &f64| {
        let told = [Told::new(ROWS, d, *size, PORTS[0]), Told::new(ROWS, columns, *size, PORTS[1])];
        let behind = output.map_or_else(|| told[1].clone(), |turn| told[1].turned(turn));
        let found = both(channel, [&told[0], &told[1]]);
        let other = both(channel, [&told[0].turned(turn), &behind]);
        let Some(([a, b], [c, e])) = found.zip(other) else { return false };
        alike(Some(a), Some(c), Some(turn)) && alike(Some(b), Some(e), output)
    };
    SIZES.iter().all(same_output) || SIZES.iter().all(same_estimates)
}

/// Rows that an estimator is told: means of a size, with errors of that size.
#[derive(Clone, Debug)]
struct Told {
    mean: Rows,
    natural: Rows,
    precision: Vec<f64>,
}

/// Estimates, and the root mean square of their size and error bar.
struct Found {
    mean: Rows,
    size: f64,
}

impl Told {
    fn new(rows: usize, d: usize, size: f64, seed: u64) -> Self {
        let mean = Rows::from_fn(rows, d, |i, j| size * quantile(fraction(seed, i as u64, j)));
        Self::of(mean, size)
    }

    fn of(mean: Rows, size: f64) -> Self {
        let (d, precision) = (mean.columns(), (size * size).recip());
        let natural = Rows::from_fn(mean.rows(), d, |i, j| precision * mean[(i, j)]);
        Self { mean, natural, precision: small::scalar_matrix(precision, d) }
    }

    fn turned(&self, turn: &Turn) -> Self {
        // Errors are alike in all directions and stay so.
        let (mean, natural) = (turned(&self.mean, turn), turned(&self.natural, turn));
        Self { mean, natural, precision: self.precision.clone() }
    }

    fn cavity(&self) -> RowCavity<'_> {
        let (d, natural) = (self.mean.columns(), self.natural.as_slice());
        RowCavity::new(0, d, natural, self.mean.as_slice(), &self.precision)
    }

    /// What is estimated; `None` where it can't be, or isn't finite.
    fn ask(
        &self,
        estimate: impl FnOnce(
            &RowCavity<'_>,
            &mut RowEstimate<'_>,
            &mut Scratch,
        ) -> Result<(), Breakdown>,
    ) -> Option<Found> {
        let mut answer = Answer::new(&self.mean);
        estimate(&self.cavity(), &mut answer.out(), &mut Scratch::default()).ok()?;
        answer.found()
    }
}

/// Room for estimates and covariances.
struct Answer {
    mean: Rows,
    covariance: Vec<f64>,
}

impl Answer {
    fn new(rows: &Rows) -> Self {
        let (n, d) = rows.shape();
        Self { mean: Rows::zeros(n, d), covariance: vec![0.0; n * d * d] }
    }

    fn out(&mut self) -> RowEstimate<'_> {
        RowEstimate { mean: self.mean.as_mut_slice(), covariance: &mut self.covariance }
    }

    fn found(self) -> Option<Found> {
        let (n, d) = self.mean.shape();
        let blocks = self.covariance.chunks_exact(d * d);
        let trace: f64 = blocks.map(|block| block.iter().step_by(d + 1).sum::<f64>()).sum();
        let variance = trace / (n * d) as f64;
        let size = (rms(self.mean.as_slice()).powi(2) + variance).sqrt();
        size.is_finite().then_some(Found { mean: self.mean, size })
    }
}

/// What a channel finds at both ports.
fn both(channel: &dyn Channel, told: [&Told; 2]) -> Option<[Found; 2]> {
    let [mut input, mut output] = told.map(|told| Answer::new(&told.mean));
    let cavities = told.map(Told::cavity);
    let (first, second) = (&mut input.out(), &mut output.out());
    let asked = [&cavities[0], &cavities[1]];
    channel.estimate(asked, [first, second], &mut Scratch::default()).ok()?;
    Some([input.found()?, output.found()?])
}

/// The first rows.
fn head(rows: &Rows, count: usize) -> Rows {
    Rows::from_fn(count, rows.columns(), |i, j| rows[(i, j)])
}

fn turned(rows: &Rows, turn: &Turn) -> Rows {
    let mut out = rows.clone();
    for i in 0..rows.rows() {
        out.row_mut(i).copy_from_slice(&turn.apply(rows.row(i)));
    }
    out
}

/// The uniforms of a row: the same before and after a turn.
fn uniforms(row: usize, count: usize) -> Vec<f64> {
    (0..count).map(|k| fraction(UNIFORMS, row as u64, k)).collect()
}

/// Data of rows; `None` where the likelihood can't draw.
fn drawn(likelihood: &dyn Likelihood, rows: &Rows) -> Option<Rows> {
    let d = rows.columns();
    let count = likelihood.uniforms(d)?;
    let mut data = Rows::zeros(rows.rows(), likelihood.outputs(d));
    for i in 0..rows.rows() {
        let model = model_of(likelihood, i);
        model.draw(rows.row(i), &uniforms(i, needed(model, d, count)), data.row_mut(i));
    }
    Some(data)
}

/// Uniforms that a row takes, of those that all of them take.
fn needed(model: &dyn Likelihood, d: usize, count: usize) -> usize {
    model.uniforms(d).unwrap_or(count).min(count)
}

/// For each row the first uniform at which its data aren't any more what they are at zero: with labels a probability, which
/// differs also where the labels are the same by chance.
fn steps(likelihood: &dyn Likelihood, rows: &Rows) -> Vec<f64> {
    let d = rows.columns();
    let Some(count) = likelihood.uniforms(d) else { return Vec::new() };
    let [mut start, mut data] = [(); 2].map(|()| vec![0.0; likelihood.outputs(d)]);
    let mut step = |i: usize| {
        let model = model_of(likelihood, i);
        let mut uniforms = uniforms(i, needed(model, d, count));
        let mut at = |u: f64, data: &mut [f64]| {
            if let Some(first) = uniforms.first_mut() {
                *first = u;
            }
            model.draw(rows.row(i), &uniforms, data);
        };
        at(0.0, &mut start);
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            at(middle, &mut data);
            *if data == start { &mut low } else { &mut high } = middle;
        }
        low
    };
    (0..rows.rows()).map(&mut step).collect()
}

/// Whether two answers are the same but for the turn, or as they are.
fn alike(first: Option<Found>, second: Option<Found>, turn: Option<&Turn>) -> bool {
    let Some((first, second)) = first.zip(second) else { return false };
    let expected = turn.map_or_else(|| first.mean.clone(), |turn| turned(&first.mean, turn));
    close(expected.as_slice(), second.mean.as_slice(), first.size, SAME_ESTIMATE)
}

fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt()
}

/// Whether no entry differs by more than a share of `size`; what isn't a number in both is the same.
fn close(first: &[f64], second: &[f64], size: f64, share: f64) -> bool {
    let same = |(a, b): (&f64, &f64)| {
        (a - b).abs() <= share * size || a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
    };
    first.iter().zip(second).all(same)
}
