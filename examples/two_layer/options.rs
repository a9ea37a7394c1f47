//! The command line: what is asked for, and whether it makes sense.

#![expect(clippy::doc_markdown, reason = "the command line shows these comments as they are")]

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use fg_denoisers::likelihood::Activation;

use crate::loss::Loss;
use crate::phase::PhaseSetting;
use crate::prediction::Predict;
use crate::support::{Failure, available_threads, short};

/// Training samples of the published figure.
const TRAIN: [usize; 10] = [200, 400, 600, 800, 1000, 1500, 2000, 2500, 3000, 4000];
/// Training samples, and runs, of the quick look.
const QUICK: ([usize; 3], usize) = ([200, 1000, 4000], 3);
/// Points of each integral of state evolution: errors of a few percent of the excess error, well inside the quartiles.
const POINTS: usize = 1024;
/// Numbers of points that state evolution takes.
const POINTS_ALLOWED: RangeInclusive<usize> = 16..=1 << 16;
/// Runs of the published figure.
const RUNS: usize = 10;
/// Inputs and hidden units of the published figure.
const INPUTS: usize = 100;
const HIDDEN: usize = 4;
/// Cells of the phase diagram along ratios and signal-to-noise ratios, and of its quick look.
const CELLS: (usize, usize) = (18, 15);
const QUICK_CELLS: (usize, usize) = (6, 5);
/// Signal-to-noise ratios of the published figure.
const SNR: [f64; 2] = [10.0, 15.0];
/// The same for labels, which say less than numbers do.
const TRAIN_LABELS: [usize; 5] = [250, 500, 1000, 2000, 4000];
const QUICK_LABELS: ([usize; 2], usize) = ([250, 1000], 1);
const SNR_LABELS: [f64; 2] = [5.0, 15.0];

/// Learn the first layer of a two-layer network: the published figure, or your own data with --data.
#[derive(Debug, Parser)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Options {
    /// Fewer training sizes and runs: under a minute
    #[arg(long)]
    quick: bool,
    /// Folder for the results [default: out/two_layer, out/two_layer_labels for labels]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What is learned from, and the loss it is judged by
    #[arg(long, value_enum, default_value_t = Loss::Squared)]
    loss: Loss,
    /// Seed of all randomness [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Runs of each setting [default: 10]
    #[arg(long)]
    runs: Option<usize>,
    /// Signal-to-noise ratios in dB, separated by commas; of labels that of the output to the logistic noise whose sign with it
    /// is the label [default: 10,15, and 5,15 for labels]
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    snr: Option<Vec<f64>>,
    /// Numbers of training samples, separated by commas [default: ten of them from 200 to 4000, for labels five from 250 to 4000]
    #[arg(long, value_delimiter = ',')]
    train: Option<Vec<usize>>,
    /// Number of inputs, N_in [default: 100]
    #[arg(long)]
    inputs: Option<usize>,
    /// Number of hidden units, d [default: 4]
    #[arg(long)]
    hidden: Option<usize>,
    /// Activation of the hidden units
    #[arg(long, value_enum, default_value_t = ActivationName::Relu)]
    activation: ActivationName,
    /// Give the hidden units a bias
    #[arg(long)]
    bias: bool,
    /// What state evolution predicts, for the same second layers [default: mmse, or none with --bias]
    #[arg(long, value_enum)]
    predict: Option<Predict>,
    /// Points of each integral of state evolution; labels have fixed points next to each other, which 8192 tell apart
    /// [default: 1024]
    #[arg(long)]
    points: Option<usize>,
    /// Threads; results don't depend on it [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// When does learning succeed? Errors over samples an input and signal-to-noise ratio, by state evolution
    #[arg(long)]
    phase_diagram: bool,
    /// Learn from the arrays X, Y, W2 of this file (and b2, X_test, Y_test, W1, noise_variance where it has them)
    #[arg(long, value_name = "FILE.npz")]
    data: Option<PathBuf>,
    /// Variance of the noise on Y, with --data; wins over the file's [default: the file's, otherwise learned]
    #[arg(long, allow_negative_numbers = true)]
    noise_variance: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ActivationName {
    Relu,
    LeakyRelu,
    Sigmoid,
    Tanh,
    Erf,
    Linear,
}

impl From<ActivationName> for Activation {
    fn from(name: ActivationName) -> Self {
        /// The usual slope of a leaky unit.
        const LEAK: f64 = 0.01;
        match name {
            ActivationName::Relu => Self::Relu,
            ActivationName::LeakyRelu => Self::LeakyRelu { slope: LEAK },
            ActivationName::Sigmoid => Self::Sigmoid,
            ActivationName::Tanh => Self::Tanh,
            ActivationName::Erf => Self::Erf,
            ActivationName::Linear => Self::Linear,
        }
    }
}

/// What the program does.
#[derive(Debug)]
pub(crate) enum Job {
    /// Draws when learning succeeds.
    PhaseDiagram(PhaseSetting),
    /// Learns from the user's file.
    OwnData(OwnData),
    /// Reproduces the published figure.
    Figure(Setting),
}

/// The user's file, and what it doesn't say.
#[derive(Debug)]
pub(crate) struct OwnData {
    pub(crate) file: PathBuf,
    pub(crate) noise_variance: Option<f64>,
    pub(crate) snr_db: Option<f64>,
    pub(crate) loss: Loss,
    pub(crate) activation: Activation,
    pub(crate) bias: bool,
}

/// Everything that defines the synthetic experiment.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) loss: Loss,
    pub(crate) seed: u64,
    pub(crate) runs: usize,
    pub(crate) snr_db: Vec<f64>,
    pub(crate) train: Vec<usize>,
    pub(crate) inputs: usize,
    pub(crate) hidden: usize,
    pub(crate) activation: Activation,
    pub(crate) activation_name: String,
    pub(crate) bias: bool,
    pub(crate) predict: Predict,
    pub(crate) points: usize,
    pub(crate) threads: usize,
}

impl Options {
    /// Folder for the results.
    pub(crate) fn folder(&self) -> PathBuf {
        let name = match self.loss {
            Loss::Squared => "out/two_layer",
            Loss::Logistic => "out/two_layer_labels",
        };
        self.out.clone().unwrap_or_else(|| PathBuf::from(name))
    }

    /// Checks what the parser can't.
    pub(crate) fn job(&self) -> Result<Job, Failure> {
        let bad = |name: &str, needs: &str, value: &dyn std::fmt::Display| {
            Err(Failure::input(format!("--{name} must be {needs}, got {value}")))
        };
        for (name, value) in [
            ("runs", self.runs),
            ("inputs", self.inputs),
            ("hidden", self.hidden),
            ("threads", self.threads),
        ] {
            if value == Some(0) {
                return bad(name, "at least 1", &0);
            }
        }
        if self.train.as_deref().is_some_and(|t| t.contains(&0)) {
            return bad("train", "at least 1", &0);
        }
        if let Some(snr) = self.snr.iter().flatten().find(|snr| !snr.is_finite()) {
            return bad("snr", "finite", snr);
        }
        let usable = |v: &f64| *v > 0.0 && v.is_finite() && v.recip().is_finite();
        if let Some(variance) = self.noise_variance.filter(|v| !usable(v)) {
            return bad("noise-variance", "finite and above 0, as its inverse", &short(variance));
        }
        if let Some(points) = self.points.filter(|points| !POINTS_ALLOWED.contains(points)) {
            let (low, high) = POINTS_ALLOWED.into_inner();
            return bad("points", &format!("from {low} to {high}"), &points);
        }
        match &self.data {
            Some(file) => self.own_data(file.clone()).map(Job::OwnData),
            None if self.phase_diagram => self.phase_setting().map(Job::PhaseDiagram),
            None => self.setting().map(Job::Figure),
        }
    }

    fn phase_setting(&self) -> Result<PhaseSetting, Failure> {
        let of_runs = [
            ("runs", self.runs.is_some()),
            ("train", self.train.is_some()),
            ("snr", self.snr.is_some()),
            ("inputs", self.inputs.is_some()),
            ("predict", self.predict.is_some()),
            ("bias", self.bias),
            ("noise-variance", self.noise_variance.is_some()),
            ("loss logistic", self.loss == Loss::Logistic),
        ];
        if let Some((name, _)) = of_runs.into_iter().find(|(_, given)| *given) {
            return Err(Failure::input(format!("--{name} has no meaning with --phase-diagram")));
        }
        Ok(PhaseSetting {
            cells: if self.quick { QUICK_CELLS } else { CELLS },
            hidden: self.hidden.unwrap_or(HIDDEN),
            activation: self.activation.into(),
            activation_name: self.activation_name(),
            points: self.points.unwrap_or(POINTS),
            threads: self.threads.unwrap_or_else(available_threads),
        })
    }

    fn activation_name(&self) -> String {
        let name = self.activation.to_possible_value();
        name.map_or_else(String::new, |name| name.get_name().to_owned())
    }

    fn own_data(&self, file: PathBuf) -> Result<OwnData, Failure> {
        let synthetic_only = [
            ("quick", self.quick),
            ("runs", self.runs.is_some()),
            ("train", self.train.is_some()),
            ("inputs", self.inputs.is_some()),
            ("hidden", self.hidden.is_some()),
            ("predict", self.predict.is_some()),
            ("seed", self.seed.is_some()),
            ("threads", self.threads.is_some()),
            ("points", self.points.is_some()),
            ("phase-diagram", self.phase_diagram),
        ];
        if let Some((name, _)) = synthetic_only.into_iter().find(|(_, given)| *given) {
            return Err(Failure::input(format!("--{name} has no meaning with --data")));
        }
        let of_noise =
            [("noise-variance", self.noise_variance.is_some()), ("snr", self.snr.is_some())];
        if let Some((name, _)) = of_noise.into_iter().find(|(_, given)| *given)
            && self.loss == Loss::Logistic
        {
            let why = "labels of given output weights have no noise of their own";
            return Err(Failure::input(format!(
                "--{name} has no meaning with --loss logistic: {why}"
            )));
        }
        if self.noise_variance.is_some() && self.snr.is_some() {
            return Err(Failure::input("--snr has no meaning with --noise-variance"));
        }
        let snr_db = match self.snr.as_deref() {
            None => None,
            Some([snr]) => Some(*snr),
            Some(_) => return Err(Failure::input("--snr must be one number with --data")),
        };
        Ok(OwnData {
            file,
            noise_variance: self.noise_variance,
            snr_db,
            loss: self.loss,
            activation: self.activation.into(),
            bias: self.bias,
        })
    }

    fn setting(&self) -> Result<Setting, Failure> {
        if self.noise_variance.is_some() {
            return Err(Failure::input(
                "--noise-variance needs --data; use --snr for synthetic data",
            ));
        }
        let predict = match (self.predict, self.bias) {
            (None, true) => Predict::None,
            (None | Some(Predict::Mmse), false) => Predict::Mmse,
            (Some(predict), bias) if predict == Predict::None || !bias => predict,
            _ => return Err(Failure::input("--predict can't follow a --bias")),
        };
        let (train, runs, snr_db) = match (self.loss, self.quick) {
            (Loss::Squared, true) => (QUICK.0.to_vec(), QUICK.1, SNR),
            (Loss::Squared, false) => (TRAIN.to_vec(), RUNS, SNR),
            (Loss::Logistic, true) => (QUICK_LABELS.0.to_vec(), QUICK_LABELS.1, SNR_LABELS),
            (Loss::Logistic, false) => (TRAIN_LABELS.to_vec(), RUNS, SNR_LABELS),
        };
        Ok(Setting {
            loss: self.loss,
            seed: self.seed.unwrap_or(0),
            runs: self.runs.unwrap_or(runs),
            snr_db: self.snr.clone().unwrap_or_else(|| snr_db.to_vec()),
            train: self.train.clone().unwrap_or(train),
            inputs: self.inputs.unwrap_or(INPUTS),
            hidden: self.hidden.unwrap_or(HIDDEN),
            activation: self.activation.into(),
            activation_name: self.activation_name(),
            bias: self.bias,
            predict,
            points: self.points.unwrap_or(POINTS),
            threads: self.threads.unwrap_or_else(available_threads),
        })
    }
}
