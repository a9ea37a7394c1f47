//! State evolution and simulation side by side: predicted and measured error of one variable, sweep by sweep.

use core::ops::ControlFlow;

use fg_core::evolution::{Evolution, Prediction, SupportErrors};
use fg_core::factor::Stratified;
use fg_core::parallel::in_order;
use fg_core::{
    FactorId, Graph, Inference, IterationInfo, Message, Observer, Options, Rows, Status, VariableId,
};
use rand::Rng;

use crate::ModelError;
use crate::metrics::Quartiles;

/// Observes the error of one variable, sweep by sweep.
#[derive(Debug)]
pub struct Errors<'t> {
    variable: VariableId,
    truth: &'t Rows,
    squares: Vec<f64>,
}

impl<'t> Errors<'t> {
    /// Of this variable, whose true value is `truth`.
    pub fn new(variable: VariableId, truth: &'t Rows) -> Self {
        Self { variable, truth, squares: Vec::new() }
    }

    /// Mean square error of an entry after each of `sweeps` sweeps: those of a run that has converged before stay as they
    /// were, and those that a broken run never reached are NaN.
    pub fn mse(mut self, sweeps: usize, status: &Status) -> Vec<f64> {
        let rest = match (status, self.squares.last()) {
            (Status::Converged, Some(last)) => *last,
            _ => f64::NAN,
        };
        self.squares.resize(sweeps, rest);
        self.squares
    }
}

impl Observer for Errors<'_> {
    fn on_iteration(&mut self, info: &mut IterationInfo<'_>) -> ControlFlow<()> {
        let error = info.mean(self.variable).map(|mean| mean.mean_squared_error(self.truth));
        self.squares.push(error.unwrap_or(f64::NAN));
        ControlFlow::Continue(())
    }
}

/// One problem of finite size: a graph with data, and what the data come from.
#[derive(Debug)]
pub struct Trial {
    graph: Graph,
    truth: Rows,
    starts: Vec<(FactorId, usize, Message)>,
}

impl Trial {
    /// Draws truth and data for `graph` from `law`, a graph of the same variables and factors that may assume other
    /// distributions; `None` draws from the graph itself. Uniforms are [`Stratified`], so that chance fluctuations of
    /// the signal's power don't hide what is compared.
    ///
    /// # Errors
    /// [`ModelError`] when the law can't be drawn from, or its data don't fit the graph.
    pub fn draw<R: Rng + ?Sized>(
        graph: Graph,
        law: Option<&Graph>,
        variable: VariableId,
        rng: &mut R,
    ) -> Result<Self, ModelError> {
        let draw = law.unwrap_or(&graph).draw(&mut Stratified(rng))?;
        let truth = draw.variable(variable).clone();
        let factors: Vec<FactorId> = graph.factors().collect();
        let mut graph = graph;
        for factor in factors {
            if let Some(data) = draw.data(factor) {
                graph = graph.observe(factor, data.clone())?;
            }
        }
        Ok(Self { graph, truth, starts: Vec::new() })
    }

    /// The message of a factor at a port that the run starts from.
    #[must_use]
    pub fn with_start(mut self, factor: FactorId, port: usize, message: Message) -> Self {
        self.starts.push((factor, port, message));
        self
    }

    /// Error after each sweep in decibels, and the last estimate; a sweep that a broken run never reached is NaN.
    fn run(&self, variable: VariableId, options: &Options) -> Result<(Vec<f64>, Rows), ModelError> {
        let mut run = Inference::new(&self.graph, options)?;
        for (factor, port, message) in &self.starts {
            run.start(*factor, *port, message.clone())?;
        }
        let mut errors = Errors::new(variable, &self.truth);
        let solution = run.run(&mut errors)?;
        let power = self.truth.norm_squared() / self.truth.as_slice().len() as f64;
        let mse = errors.mse(options.max_sweeps, &solution.report().status);
        let errors = mse.into_iter().map(|e| 10.0 * (e / power).log10()).collect();
        Ok((errors, solution.mean(variable).clone()))
    }
}

/// What was predicted and measured of one sweep, in decibels of error over power.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SweepComparison {
    /// Its number, from 1.
    pub sweep: usize,
    /// NMSE by state evolution.
    pub predicted: f64,
    /// NMSE of the runs.
    pub measured: Quartiles,
    /// Half the width of the 95 percent interval of `measured.median - predicted` if the prediction is right.
    pub uncertainty: f64,
}

impl SweepComparison {
    /// Whether the median is as far from the prediction as chance explains; in one of twenty sweeps it is further.
    pub fn agrees(&self) -> bool {
        (self.measured.median - self.predicted).abs() <= self.uncertainty
    }
}

/// A prediction and the runs it is compared with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Comparison {
    /// Sweep by sweep.
    pub sweeps: Vec<SweepComparison>,
    /// Errors of each run after each sweep, in decibels.
    pub runs: Vec<Vec<f64>>,
    /// Truth and last estimate of each run, of which any statistic can be compared with that of
    /// [`Prediction::samples`].
    pub estimates: Vec<(Rows, Rows)>,
    /// The prediction.
    pub prediction: Prediction,
}

impl Comparison {
    /// Rates of support errors of all runs together: see [`SupportErrors::of`].
    pub fn support_errors(&self, threshold: f64) -> SupportErrors {
        let rows = self.estimates.iter().flat_map(|(truth, estimate)| {
            (0..truth.rows()).map(|i| (1.0, truth.row(i), estimate.row(i)))
        });
        SupportErrors::of(rows, threshold)
    }
}

/// How many problems are solved, and on how many threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// Problems.
    pub count: usize,
    /// Threads.
    pub threads: usize,
}

/// Solves problems of finite size and predicts them.
///
/// `evolution` is the prediction, with the laws and starts of the trials; `trial(k)` makes the problem of run `k`, for
/// which it should take a seed of its own, and is called on the threads of `runs`. All sweeps of `options` are done: its
/// tolerance plays no part. A prediction at its fixed point stays there.
///
/// # Errors
/// [`ModelError`] when the prediction or a run can't start. A run that breaks down later counts as infinitely bad.
pub fn compare(
    evolution: &Evolution<'_>,
    options: &Options,
    variable: VariableId,
    runs: Runs,
    trial: impl Fn(usize) -> Result<Trial, ModelError> + Sync,
) -> Result<Comparison, ModelError> {
    let prediction = evolution.run()?;
    let options = options.clone().with_tolerance(0.0);
    let done = in_order(runs.count, runs.threads, |k| -> Result<_, ModelError> {
        let trial = trial(k)?;
        let (errors, estimate) = trial.run(variable, &options)?;
        Ok((errors, (trial.truth, estimate)))
    });
    let (runs, estimates): (Vec<Vec<f64>>, Vec<(Rows, Rows)>) =
        done.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let rows = estimates.first().map_or(0, |(truth, _)| truth.rows());
    let sweeps = sweeps(&prediction, variable, &runs, rows);
    Ok(Comparison { sweeps, runs, estimates, prediction })
}

/// Standard deviations on either side of a 95 percent interval.
const INTERVAL: f64 = 1.96;
/// Standard error of a median over that of a mean, for normal values: `sqrt(pi / 2)`.
const MEDIAN: f64 = 1.253;
/// Distance of the quartiles of a normal variable, in standard deviations.
const QUARTILES: f64 = 1.349;
/// The median of a finite size differs from the limit by terms of the order of one over the rows, of which only the
/// order is known: so many of them are allowed for, relative to the error.
const FINITE_SIZE: f64 = 5.0;

fn sweeps(
    prediction: &Prediction,
    variable: VariableId,
    runs: &[Vec<f64>],
    rows: usize,
) -> Vec<SweepComparison> {
    let count = runs.first().map_or(0, Vec::len);
    let bias = 10.0 * (FINITE_SIZE / rows.max(1) as f64).ln_1p() / core::f64::consts::LN_10;
    let predicted = |k: usize| {
        let at = prediction.sweeps().get(k).or_else(|| prediction.sweeps().last());
        at.and_then(|s| s.estimate(variable)).map_or(f64::NAN, |estimate| estimate.nmse_db())
    };
    let mut sweeps = Vec::with_capacity(count);
    for k in 0..count {
        let errors: Vec<f64> = runs.iter().map(|run| run[k]).collect();
        let Some(measured) = Quartiles::of(&errors) else { break };
        let deviation = (measured.upper - measured.lower) / QUARTILES;
        let chance = INTERVAL * MEDIAN * deviation / (runs.len() as f64).sqrt();
        let uncertainty = chance + bias;
        sweeps.push(SweepComparison {
            sweep: k + 1,
            predicted: predicted(k),
            measured,
            uncertainty,
        });
    }
    sweeps
}

#[cfg(test)]
mod tests {
    use super::*;
    use fg_core::operator::Dense;
    use fg_denoisers::BernoulliGauss;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    use crate::linear;
    use crate::synthetic::{derived_seed, rotationally_invariant};

    const SIZE: (usize, usize) = (128, 256);

    fn graph(seed: u64) -> Result<(Graph, VariableId), ModelError> {
        let mut rng = Pcg64::seed_from_u64(seed);
        let matrix = rotationally_invariant(SIZE.0, SIZE.1, &[1.0; SIZE.0], &mut rng)?;
        let prior = BernoulliGauss::new(0.2, 0.0, 1.0)?;
        let model = linear::unobserved(Dense::new(matrix)?, 1, prior, 100.0)?;
        Ok((model.builder.build()?, model.signal))
    }

    #[test]
    fn support_errors_are_as_often_as_predicted() {
        // Entries below half of the slab's deviation count as zero.
        const FOUND: f64 = 0.5;
        let (model, x) = graph(0).unwrap();
        let options = Options::default().with_max_sweeps(12);
        let evolution = Evolution::new(&model, &options).with_samples();
        let trial = |k: usize| {
            let mut rng = Pcg64::seed_from_u64(derived_seed(8, &[k as u64]));
            Trial::draw(graph(k as u64)?.0, None, x, &mut rng)
        };
        let found =
            compare(&evolution, &options, x, Runs { count: 24, threads: 2 }, trial).unwrap();
        let predicted = found.prediction.samples(x).unwrap().support_errors(FOUND);
        let measured = found.support_errors(FOUND);
        let entries = (24 * SIZE.1) as f64;
        let close = |name: &str, found: f64, expected: f64, count: f64| {
            // Three deviations of a count; between runs rates differ by no more than that at this size.
            let band = 3.0 * (expected * (1.0 - expected) / count).sqrt();
            assert!((found - expected).abs() < band, "{name}: {found} for {expected} +- {band}");
            assert!(expected > 10.0 / count, "{name}: {expected} is too rare to be counted");
        };
        close("missed", measured.missed, predicted.missed, 0.2 * entries);
        close("false alarms", measured.false_alarms, predicted.false_alarms, 0.8 * entries);
    }

    #[test]
    fn prediction_and_runs_agree_on_any_number_of_threads() {
        let (model, x) = graph(0).unwrap();
        let options = Options::default().with_max_sweeps(6);
        let evolution = Evolution::new(&model, &options);
        let trial = |k: usize| {
            let seed = derived_seed(7, &[k as u64]);
            let mut rng = Pcg64::seed_from_u64(seed);
            Trial::draw(graph(seed)?.0, None, x, &mut rng)
        };
        let found =
            compare(&evolution, &options, x, Runs { count: 24, threads: 2 }, trial).unwrap();
        assert_eq!((found.sweeps.len(), found.runs.len()), (6, 24));
        // Sweeps of one set of runs err together, so that one fixed seed passes or fails as a whole: 5 percent.
        for sweep in &found.sweeps {
            assert!(sweep.agrees(), "{sweep:?}");
        }
        assert!(found.sweeps[5].measured.median < -10.0, "{:?}", found.sweeps[5]);
        let alone =
            compare(&evolution, &options, x, Runs { count: 24, threads: 1 }, trial).unwrap();
        assert_eq!(alone.runs, found.runs);
    }
}
