//! Regularised empirical risk in high dimensions: the errors of classifiers against the weight of their penalty, measured and
//! predicted.
//!
//! A teacher labels random inputs with logistic probabilities. Its weights are estimated as minimisers of a loss and a penalty by
//! message passing; state evolution of the same runs predicts how many new labels are predicted wrongly, and how many of the
//! training, without data. Every minimiser is checked: the last line says how far the worst is from optimal, and from the minimiser of a
//! primal-dual method, which takes fewer iterations with `--quick`; NaN where one of them couldn't be checked. `--out DIR` (default `out/erm`) receives `erm.csv` and the figure.

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use fg_core::denoiser::{Denoiser, Likelihood};
use fg_core::evolution::PredictedStatus;
use fg_core::operator::Dense;
use fg_core::special::logistic;
use fg_core::{Rows, Status};
use fg_denoisers::penalty::{ElasticNet, L2};
use fg_denoisers::{Awgn, BernoulliGauss, Hinge, L1, Logistic};
use fg_models::baseline::{End, primal_dual};
use fg_models::erm::{self, Risk};
use fg_models::metrics::{Quartiles, largest};
use fg_models::report::{Axis, CsvTable, Figure, Panel, Series, Stroke, TextTable};
use fg_models::synthetic::{derived_seed, exactly_sparse, gaussian_rows};
use fg_models::{ModelError, linear};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;

#[path = "support/curves.rs"]
mod curves;
mod support;

use curves::{count_endings, say_endings};
use support::{Failure, Study, in_parallel, progress_bar, say, short};

/// Unknowns, and labels an unknown.
const UNKNOWNS: usize = 400;
const RATIO: usize = 2;
/// Variance of the logarithm of the odds.
const POWER: f64 = 9.0;
/// Share of the teacher's weights that aren't zero under a penalty that prefers zeros.
const SPARSITY: f64 = 0.1;
/// New labels of a run, each weighed with its true probability.
const HELD_OUT: usize = 4000;
/// Powers of ten of the weights.
const WEIGHTS: [f64; 9] = [-2.0, -1.5, -1.0, -0.75, -0.5, -0.25, 0.0, 0.5, 1.0];
/// The same with `--quick`.
const FEW: [f64; 5] = [-2.0, -1.0, -0.5, 0.0, 1.0];
/// Residual and iterations of the primal-dual method, and with `--quick`.
const SETTLED: End = End { tolerance: 1e-9, iterations: 50_000 };
const SOONER: End = End { tolerance: 1e-9, iterations: 10_000 };

/// What a wrong label costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Loss {
    /// log(1 + exp(-y z))
    Logistic,
    /// max(0, 1 - y z), the support vector machine
    Hinge,
    /// (y - z)^2 / 2
    Squared,
}

/// What large weights cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Penalty {
    /// x^2 / 2
    L2,
    /// |x|, for a sparse teacher
    L1,
    /// |x| / 2 + x^2 / 4, for a sparse teacher
    ElasticNet,
}

/// Errors of classifiers against the weight of their penalty, measured and predicted.
#[derive(Debug, Parser)]
struct Arguments {
    /// Losses that are compared, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Loss::Logistic, Loss::Hinge, Loss::Squared])]
    loss: Vec<Loss>,
    /// The penalty
    #[arg(long, value_enum, default_value_t = Penalty::L2)]
    penalty: Penalty,
    #[command(flatten)]
    study: Study,
}

/// Rates of wrong labels, and for a run how far it is from optimal and from the primal-dual minimiser.
#[derive(Clone, Copy)]
struct Errors {
    test: f64,
    training: f64,
    residual: f64,
    gap: f64,
}

/// What is done with a risk.
#[derive(Clone, Copy)]
enum Job {
    Predict,
    /// From this seed, against a primal-dual method that ends so.
    Measure(u64, End),
}

fn main() -> ExitCode {
    support::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { loss: losses, penalty, study } = arguments;
    let weights = if study.quick { &FEW[..] } else { &WEIGHTS[..] };
    let (at, runs) = (weights.len(), study.runs(10, 2)?);
    let folder = study.folder("erm")?;
    let bar = progress_bar(losses.len() * at * (runs + 1), "minimisers and predictions");
    let errors = in_parallel(losses.len() * at * (runs + 1), study.threads(), &bar, |job| {
        let (k, run) = (job / (runs + 1), job % (runs + 1));
        // The same data for every loss and weight.
        let seed = derived_seed(study.seed, &[run as u64]);
        let end = if study.quick { SOONER } else { SETTLED };
        let work = if run == runs { Job::Predict } else { Job::Measure(seed, end) };
        losses[k / at].errors(*penalty, 10_f64.powf(weights[k % at]), work)
    });
    bar.finish_and_clear();
    let errors: Result<Vec<_>, ModelError> = errors.into_iter().collect();
    let (errors, endings): (Vec<Errors>, Vec<_>) =
        errors.map_err(Failure::other)?.into_iter().unzip();
    let places = Places { losses, weights, runs, errors: &errors, endings: &endings };
    report((arguments.penalty, &folder), &places)?;
    say_endings(endings.iter().filter_map(|e| match e {
        Ending::Run(status) => Some(status),
        Ending::Prediction(_) => None,
    }));
    let predictions = endings.iter().filter_map(|e| match e {
        Ending::Prediction(status) => Some(status.to_string()),
        Ending::Run(_) => None,
    });
    say(format_args!("Predictions: {}", count_endings(predictions)));
    let worst = |value: fn(&Errors) -> f64| largest(errors.iter().map(value));
    let (residual, gap) = (worst(|e| e.residual), worst(|e| e.gap));
    say(format_args!("Largest residual {residual:.1e}; from the primal-dual minimiser {gap:.1e}"));
    Ok(())
}

/// How a run or a prediction ended.
enum Ending {
    Run(Status),
    Prediction(PredictedStatus),
}

/// Errors of a risk, and how what they are of ended.
type Outcome = Result<(Errors, Ending), ModelError>;

/// Errors of every loss, weight and run; of each weight the last is the prediction.
struct Places<'a> {
    losses: &'a [Loss],
    /// Powers of ten.
    weights: &'a [f64],
    runs: usize,
    errors: &'a [Errors],
    /// How these ended.
    endings: &'a [Ending],
}

impl Places<'_> {
    /// Where the runs of a loss at a weight begin.
    fn first(&self, loss: usize, weight: usize) -> usize {
        (loss * self.weights.len() + weight) * (self.runs + 1)
    }

    /// The runs of a loss at a weight, and the prediction.
    fn at(&self, loss: usize, weight: usize) -> (&[Errors], &Errors) {
        let first = self.first(loss, weight);
        let predicted = first + self.runs;
        (&self.errors[first..predicted], &self.errors[predicted])
    }

    fn panel(&self, title: &str, value: fn(&Errors) -> f64) -> Panel {
        let mut series = Vec::new();
        for (k, loss) in self.losses.iter().enumerate() {
            let (mut dots, mut band, mut line) = (Vec::new(), Vec::new(), Vec::new());
            for (w, weight) in self.weights.iter().enumerate() {
                let (runs, predicted) = self.at(k, w);
                let values: Vec<f64> = runs.iter().map(value).collect();
                let Some(q) = Quartiles::of(&values) else { continue };
                dots.push((10_f64.powf(*weight), q.median));
                band.push((q.lower, q.upper));
                line.push((10_f64.powf(*weight), value(predicted)));
            }
            let (name, color) = (loss.name(), loss.color());
            series.push(Series::new(format!("{name}, predicted"), color, line));
            let measured = Series::new(format!("{name}, runs"), color, dots);
            series.push(measured.with_stroke(Stroke::Dots).with_band(band));
        }
        let x = Axis::logarithmic("weight of the penalty");
        let (y, references) = (Axis::linear("rate of wrong labels"), Vec::new());
        Panel { title: title.to_owned(), x, y, series, references }
    }
}

/// Prints the table and writes `erm.csv` and the picture.
fn report((penalty, folder): (Penalty, &Path), places: &Places<'_>) -> Result<(), Failure> {
    let mut csv =
        CsvTable::new(["loss", "weight", "run", "test", "training", "residual", "gap", "status"]);
    let header = ["loss", "weight", "test", "predicted", "training", "predicted"];
    let mut table = TextTable::new(header);
    for (k, loss) in places.losses.iter().enumerate() {
        for (w, weight) in places.weights.iter().enumerate() {
            let (runs, predicted) = places.at(k, w);
            let weight = 10_f64.powf(*weight);
            let endings = &places.endings[places.first(k, w)..];
            for (run, (e, ending)) in runs.iter().chain([predicted]).zip(endings).enumerate() {
                let run = if run < runs.len() { run.to_string() } else { "predicted".to_owned() };
                let place = [loss.name().to_owned(), weight.to_string(), run];
                let values = [e.test, e.training, e.residual, e.gap].map(|v| v.to_string());
                let status = match ending {
                    Ending::Run(status) => status.to_string(),
                    Ending::Prediction(status) => status.to_string(),
                };
                csv.push(place.into_iter().chain(values).chain([status]));
            }
            let median = |value: fn(&Errors) -> f64| {
                let values: Vec<f64> = runs.iter().map(value).collect();
                short(Quartiles::of(&values).map_or(f64::NAN, |q| q.median))
            };
            let mut row = vec![loss.name().to_owned(), short(weight)];
            row.extend([median(|e| e.test), short(predicted.test)]);
            row.extend([median(|e| e.training), short(predicted.training)]);
            table.push(row);
        }
    }
    csv.write(&folder.join("erm.csv")).map_err(Failure::other)?;
    let penalty = penalty.name();
    let runs = places.runs;
    let figure = Figure {
        title: format!("{penalty} penalty, {UNKNOWNS} weights, {RATIO} labels each: {runs} runs"),
        columns: 2,
        panels: vec![
            places.panel("new labels", |e| e.test),
            places.panel("labels of the training", |e| e.training),
        ],
    };
    figure.write(folder, "erm").map_err(Failure::other)?;
    say(table);
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

impl Loss {
    fn errors(self, penalty: Penalty, weight: f64, job: Job) -> Outcome {
        match self {
            Self::Logistic => self.with(penalty, weight, Logistic::new().maximised(), job),
            Self::Hinge => self.with(penalty, weight, Hinge::new(1.0)?, job),
            Self::Squared => self.with(penalty, weight, Awgn::new(1.0)?, job),
        }
    }

    fn with<L: Likelihood + Clone + 'static>(
        self,
        penalty: Penalty,
        weight: f64,
        loss: L,
        job: Job,
    ) -> Outcome {
        let share = penalty.share();
        match penalty {
            Penalty::L2 => self.of(&Risk::new(L2::new(weight)?, loss)?, share, job),
            Penalty::L1 => self.of(&Risk::new(L1::new(weight)?, loss)?, share, job),
            Penalty::ElasticNet => {
                let net = ElasticNet::new(0.5 * weight, 0.5 * weight)?;
                self.of(&Risk::new(net, loss)?, share, job)
            }
        }
    }

    fn of<P, L>(self, risk: &Risk<P, L>, share: f64, job: Job) -> Outcome
    where
        P: Denoiser + Clone + 'static,
        L: Likelihood + Clone + 'static,
    {
        match job {
            Job::Predict => {
                let law = BernoulliGauss::new(share, 0.0, POWER / share)?;
                let found = risk.predict(RATIO as f64, law, Logistic::new())?;
                let training = found.training(|z, slope| wrong(self.label(z, slope), z));
                let test = found.test(expected);
                let errors = Errors { test, training, residual: 0.0, gap: 0.0 };
                Ok((errors, Ending::Prediction(found.status().clone())))
            }
            Job::Measure(seed, end) => measure(risk, (share, end), &mut Pcg64::seed_from_u64(seed)),
        }
    }

    /// The label that gives the loss this slope at `z`: its sign is against the label, but for squares beyond it. A flat hinge
    /// is one of a label that is right.
    fn label(self, z: f64, slope: f64) -> f64 {
        /// Between the slopes of a flat hinge and of a wrong label, zero and one; of a logistic one it is at least this.
        const WRONG: f64 = 0.4;
        match self {
            Self::Squared => z - slope,
            Self::Logistic | Self::Hinge if slope.abs() > WRONG => -slope,
            Self::Logistic | Self::Hinge => z,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Logistic => "logistic loss",
            Self::Hinge => "hinge loss",
            Self::Squared => "squared loss",
        }
    }

    fn color(self) -> &'static str {
        match self {
            Self::Logistic => "#4477AA",
            Self::Hinge => "#EE6677",
            Self::Squared => "#228833",
        }
    }
}

impl Penalty {
    /// Share of the teacher's weights that aren't zero.
    fn share(self) -> f64 {
        if self == Self::L2 { 1.0 } else { SPARSITY }
    }

    fn name(self) -> &'static str {
        match self {
            Self::L2 => "L2",
            Self::L1 => "L1",
            Self::ElasticNet => "elastic-net",
        }
    }
}

/// Whether the sign of `z` is not the label's; half where `z` has none.
fn wrong(label: f64, z: f64) -> f64 {
    let agreement = label * z;
    if agreement == 0.0 { 0.5 } else { f64::from(u8::from(agreement < 0.0)) }
}

/// Probability that the sign of `z` is not that of a label of the odds `z0`.
fn expected(z0: f64, z: f64) -> f64 {
    logistic(if z > 0.0 { -z0 } else { z0 })
}

fn measure<P, L>(risk: &Risk<P, L>, (share, end): (f64, End), rng: &mut Pcg64) -> Outcome
where
    P: Denoiser + Clone + 'static,
    L: Likelihood + Clone + 'static,
{
    let truth = exactly_sparse((UNKNOWNS, 1), share, 0.0, POWER / share, rng);
    let (inputs, odds) = draw(RATIO * UNKNOWNS, &truth, rng)?;
    let label =
        |z: f64, rng: &mut Pcg64| if rng.random::<f64>() < logistic(z) { 1.0 } else { -1.0 };
    let labels = Rows::column(odds.as_slice().iter().map(|z| label(*z, rng)).collect());
    let (fresh, new_odds) = draw(HELD_OUT, &truth, rng)?;
    let minimum = risk.minimise(inputs.clone(), labels.clone(), &erm::options())?;
    let slow = primal_dual(&inputs, risk.penalty(), risk.loss(), &labels, end);
    let x = minimum.fit.estimate();
    let mean = |a: &Rows, b: &Rows, error: fn(f64, f64) -> f64| {
        let pairs = a.as_slice().iter().zip(b.as_slice());
        pairs.map(|(a, b)| error(*a, *b)).sum::<f64>() / a.rows() as f64
    };
    let gap = slow.map_or(f64::NAN, |slow| slow.estimate.mean_squared_error(x).sqrt());
    let errors = Errors {
        test: mean(&new_odds, &linear::outputs(&fresh, x), expected),
        training: mean(&labels, &linear::outputs(&inputs, x), wrong),
        residual: minimum.residual,
        gap,
    };
    Ok((errors, Ending::Run(minimum.fit.report().status.clone())))
}

/// Inputs with `E |a|^2 = 1`, and the logarithm of the odds of their labels.
fn draw<R: Rng>(count: usize, truth: &Rows, rng: &mut R) -> Result<(Dense, Rows), ModelError> {
    let inputs = Dense::from_rows(&gaussian_rows(count, UNKNOWNS, 1.0 / UNKNOWNS as f64, rng))?;
    let odds = linear::outputs(&inputs, truth);
    Ok((inputs, odds))
}
