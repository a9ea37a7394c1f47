//! The experiment: every estimator on the same data, run by run, watched at every iteration.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use fg_core::denoiser::Estimation;
use fg_core::factor::Belief;
use fg_core::{IterationInfo, Rows, Status};
use fg_models::baseline::{AdamOptions, Regression, adam, logistic_loss, squared_loss};
use fg_models::metrics::match_units;
use fg_models::synthetic::{TeacherSettings, TwoLayerProblem, correlated_weights, derived_seed};
use fg_models::two_layer::{Start, with_constant_column};
use fg_models::{ModelError, TwoLayerModel};
use rand::SeedableRng;
use rand_pcg::Pcg64;

use crate::loss::{Loss, Predictor, Score};
use crate::options::Setting;
use crate::prediction::{Predicted, predict};
use crate::support::{Failure, in_parallel, progress_bar};

/// Share of the variance of a correlated start that is the truth's, as published.
pub(crate) const SHARE: f64 = 0.25;
/// A run has failed when its excess error is above this multiple of the right Adam's on the same data.
const FAILURE: f64 = 2.0;
/// Test samples, as published.
const TEST: usize = 1000;
/// Variance of weights and biases, as published.
const WEIGHT_VARIANCE: f64 = 1.0;

/// An estimator with its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Estimator {
    Mmse {
        correlated: bool,
    },
    Map {
        correlated: bool,
    },
    /// The L2 weight of the published experiment, `noise variance / (N_in d weight variance)`.
    AdamPublished,
    /// The right L2 weight: `noise variance / (N weight variance)`, and with labels `1 / (2 N weight variance)`.
    Adam,
}

impl Estimator {
    /// All of the published experiment.
    pub(crate) const ALL: [Self; 6] = [
        Self::Adam,
        Self::AdamPublished,
        Self::Mmse { correlated: false },
        Self::Mmse { correlated: true },
        Self::Map { correlated: false },
        Self::Map { correlated: true },
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mmse { .. } => "amp-mmse",
            Self::Map { .. } => "amp-map",
            Self::AdamPublished => "adam-published",
            Self::Adam => "adam",
        }
    }

    pub(crate) fn start(self) -> &'static str {
        match self {
            Self::Mmse { correlated: false } | Self::Map { correlated: false } => "uninformed",
            _ => "correlated",
        }
    }

    /// How it predicts: the last is the one it is judged by.
    pub(crate) fn predictors(self) -> &'static [&'static str] {
        match self {
            Self::Mmse { .. } => &["plugin", "averaged"],
            _ => &["plugin"],
        }
    }
}

/// Errors after one iteration, with one score a predictor.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) iteration: usize,
    pub(crate) scores: Vec<Score>,
    pub(crate) parameter_error: f64,
    /// After the units have been matched.
    pub(crate) matched_error: f64,
}

/// What an estimator made of a data set.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) curve: Vec<Point>,
    pub(crate) status: String,
    pub(crate) seconds: f64,
}

/// One estimator on one data set.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) snr_db: f64,
    pub(crate) train: usize,
    pub(crate) run: usize,
    pub(crate) estimator: Estimator,
    pub(crate) outcome: Outcome,
    pub(crate) failed: bool,
    /// What state evolution says of the same estimator and second layer.
    pub(crate) predicted: Option<Predicted>,
}

impl Run {
    /// A measure of the final predictions of predictor `p`; NaN when there are none.
    pub(crate) fn score(&self, p: usize, measure: fn(&Score) -> f64) -> f64 {
        self.outcome.curve.last().map_or(f64::NAN, |point| measure(&point.scores[p]))
    }

    /// Errors after the last sweep as predicted; a fixed point or a breakdown may end a prediction earlier.
    pub(crate) fn predicted_end(&self) -> Option<&Point> {
        self.predicted.as_ref()?.curve.last()
    }

    /// The final error of the weights after the units have been matched; NaN when there is none.
    pub(crate) fn matched_error(&self) -> f64 {
        self.outcome.curve.last().map_or(f64::NAN, |point| point.matched_error)
    }

    /// The final error of the weights; NaN when there is none.
    pub(crate) fn parameter_error(&self) -> f64 {
        self.outcome.curve.last().map_or(f64::NAN, |point| point.parameter_error)
    }

    /// The excess error it is judged by.
    fn judged(&self) -> f64 {
        self.score(self.estimator.predictors().len() - 1, |score| score.excess)
    }
}

/// Runs every setting, in the order signal-to-noise ratio, training samples, run, estimator.
pub(crate) fn run(setting: &Setting) -> Result<Vec<Run>, Failure> {
    let cells: Vec<(f64, usize, usize)> = setting
        .snr_db
        .iter()
        .flat_map(|&snr| setting.train.iter().map(move |&train| (snr, train)))
        .flat_map(|(snr, train)| (0..setting.runs).map(move |run| (snr, train, run)))
        .collect();
    let bar = progress_bar(cells.len(), "data sets");
    let runs =
        in_parallel(cells.len(), setting.threads, &bar, |job| one_data_set(setting, cells[job]));
    bar.finish_and_clear();
    let runs: Result<Vec<Vec<Run>>, ModelError> = runs.into_iter().collect();
    // Sizes have been checked: only an extreme --snr leaves no noise that can be represented.
    let runs = runs.map_err(|error| Failure::input(format!("--snr: {error}")))?;
    Ok(runs.into_iter().flatten().collect())
}

fn one_data_set(
    setting: &Setting,
    (snr_db, train, run): (f64, usize, usize),
) -> Result<Vec<Run>, ModelError> {
    let seed = derived_seed(setting.seed, &[snr_db.to_bits(), train as u64, run as u64]);
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut settings = TeacherSettings::default();
    (settings.inputs, settings.hidden) = (setting.inputs, setting.hidden);
    (settings.bias, settings.activation) = (setting.bias, setting.activation);
    settings.link = setting.loss.link();
    (settings.snr_db, settings.train, settings.test) = (snr_db, train, TEST);
    let problem = TwoLayerProblem::draw(&settings, &mut rng)?;
    let data = DataSet::new(&problem, setting, &mut rng);
    let mut runs: Vec<Run> = Vec::new();
    for &estimator in setting.loss.estimators() {
        let outcome = data.estimate(estimator, seed);
        let predicted = match setting.predict.includes(estimator) {
            true => Some(predict(&data.model(estimator), estimator, train, setting)?),
            false => None,
        };
        let mut done = Run { snr_db, train, run, estimator, outcome, failed: false, predicted };
        let adam = runs.first().map_or(f64::INFINITY, Run::judged);
        let (judged, limit) = (done.judged(), FAILURE * adam);
        // Written so that NaN fails; an Adam that isn't finite excuses nobody who isn't.
        done.failed = !(judged.is_finite() && (judged <= limit || !adam.is_finite()));
        runs.push(done);
    }
    Ok(runs)
}

/// A problem, and what all estimators share.
struct DataSet<'a> {
    problem: &'a TwoLayerProblem,
    loss: Loss,
    bias: bool,
    /// `W1`, with `b1` as its last row where there is a bias.
    truth: Rows,
    /// Weights of the correlated start, shaped as the truth.
    start: Rows,
}

/// Errors of one estimator, iteration by iteration.
struct Watch<'a> {
    data: &'a DataSet<'a>,
    model: TwoLayerModel,
    curve: Vec<Point>,
    /// Time spent on measuring errors, which isn't the estimator's.
    measuring: Duration,
}

impl<'a> DataSet<'a> {
    fn new(problem: &'a TwoLayerProblem, setting: &Setting, rng: &mut Pcg64) -> Self {
        let (loss, bias) = (setting.loss, setting.bias);
        let teacher = &problem.teacher;
        let mut weights = teacher.input_weights.as_slice().to_vec();
        if bias {
            weights.extend(&teacher.input_bias);
        }
        let d = teacher.output.hidden();
        let truth = Rows::from_fn(weights.len() / d, d, |i, j| weights[i * d + j]);
        let start = correlated_weights(&truth, SHARE, rng);
        Self { problem, loss, bias, truth, start }
    }

    /// What is assumed: the truth, but for `W1` and `b1`.
    fn model(&self, estimator: Estimator) -> TwoLayerModel {
        let mut model = TwoLayerModel::new(self.problem.teacher.output.clone())
            .with_weight_variance(WEIGHT_VARIANCE);
        if self.bias {
            model = model.with_bias(WEIGHT_VARIANCE);
        }
        if matches!(estimator, Estimator::Map { .. }) {
            model = model.with_estimation(Estimation::Map);
        }
        model
    }

    fn estimate(&self, estimator: Estimator, seed: u64) -> Outcome {
        let model = self.model(estimator);
        let mut watch = Watch { data: self, model, curve: Vec::new(), measuring: Duration::ZERO };
        let began = Instant::now();
        let status = match estimator {
            Estimator::Mmse { .. } | Estimator::Map { .. } => {
                self.message_passing(estimator, &mut watch)
            }
            Estimator::Adam | Estimator::AdamPublished => self.adam(estimator, seed, &mut watch),
        };
        let seconds = began.elapsed().saturating_sub(watch.measuring).as_secs_f64();
        Outcome { curve: watch.curve, status, seconds }
    }

    fn message_passing(&self, estimator: Estimator, watch: &mut Watch<'_>) -> String {
        let TwoLayerProblem { train, .. } = self.problem;
        let start = match estimator {
            Estimator::Mmse { correlated: true } | Estimator::Map { correlated: true } => {
                Start::correlated(&self.start, SHARE, &train.inputs)
            }
            _ => Ok(Start::uninformed()),
        };
        let fit = watch.model.graph(&train.inputs, &train.noisy).and_then(|graph| {
            let start = start?;
            let weights = graph.weights;
            let mut observer = |info: &mut IterationInfo<'_>| {
                let sweep = info.sweep();
                // A belief that can't be computed breaks the next sweep, which reports it.
                if let Ok(belief) = info.belief(weights) {
                    watch.belief(sweep, belief);
                }
                ControlFlow::Continue(())
            };
            graph.fit(&start, &TwoLayerModel::options(), &mut observer)
        });
        match fit {
            Ok(fit) => match &fit.fit().report().status {
                Status::Diverged { .. } => "diverged".to_owned(),
                status => status.to_string(),
            },
            Err(_) => "breakdown".to_owned(),
        }
    }

    fn adam(&self, estimator: Estimator, seed: u64, watch: &mut Watch<'_>) -> String {
        let TwoLayerProblem { teacher, train, noise_variance, .. } = self.problem;
        let (samples, d) = (train.inputs.rows(), teacher.output.hidden());
        let divisor = match estimator {
            Estimator::AdamPublished => train.inputs.columns() * d,
            _ => samples,
        };
        let penalty = self.loss.unit(*noise_variance) / (divisor as f64 * WEIGHT_VARIANCE);
        let with_bias = self.bias.then(|| with_constant_column(&train.inputs));
        let activation = teacher.output.activation();
        let problem = Regression {
            inputs: with_bias.as_ref().unwrap_or(&train.inputs),
            targets: &train.noisy,
            output_weights: teacher.output.output_weights(),
            output_bias: teacher.output.bias(),
            penalty: &vec![penalty; self.truth.rows()],
            activation: |z| (activation.value(z), activation.slope(z)),
            loss: match self.loss {
                Loss::Squared => squared_loss,
                Loss::Logistic => logistic_loss,
            },
        };
        let mut rng = Pcg64::seed_from_u64(derived_seed(seed, &[u64::from(b'a')]));
        let options = AdamOptions::default();
        let done = adam(&problem, &options, &self.start, &mut rng, |epoch, weights| {
            watch.weights(epoch, weights);
        });
        if done.is_ok() { "completed" } else { "refused" }.to_owned()
    }
}

impl Watch<'_> {
    fn belief(&mut self, iteration: usize, belief: &Belief) {
        let began = Instant::now();
        let mut predictors = vec![Predictor::Plugin(belief.mean())];
        if self.model.estimation() == Estimation::Mmse {
            predictors.push(Predictor::Averaged(belief));
        }
        self.record(iteration, belief.mean(), &predictors);
        self.measuring += began.elapsed();
    }

    fn weights(&mut self, iteration: usize, weights: &Rows) {
        let began = Instant::now();
        self.record(iteration, weights, &[Predictor::Plugin(weights)]);
        self.measuring += began.elapsed();
    }

    fn record(&mut self, iteration: usize, weights: &Rows, predictors: &[Predictor<'_>]) {
        let TwoLayerProblem { teacher, .. } = self.data.problem;
        let score = |predictor: &_| Score::of(self.data.problem, &self.model, *predictor);
        let scores = predictors.iter().map(score).collect();
        let parameter_error = weights.mean_squared_error(&self.data.truth);
        let matching = match_units(weights, &self.data.truth, teacher.output.output_weights());
        let matched_error = matching.parameter_error;
        self.curve.push(Point { iteration, scores, parameter_error, matched_error });
    }
}
