//! State evolution: the error of every estimate of a graph at every sweep, before there are any data.
//!
//! Each message has a law ([`MessageLaw`]): what it claims and what is true of it. Laws go through the same schedule,
//! division, projection and damping as the messages of a run: row-wise factors answer by their own code on
//! low-discrepancy rows, linear factors in closed form over a [`Spectrum`], low-rank factors by second moments. It holds for many rows and few columns,
//! where row-wise factors meet only through operators whose singular bases are independent and uniform in law.
//!
//! ```
//! # use fg_core::{denoiser::*, evolution::Spectrum, operator::Dense, GraphBuilder, Options, Rows};
//! # use fg_core::evolution::Evolution;
//! # fn demo(graph: &fg_core::Graph, x: fg_core::VariableId) -> Result<(), Box<dyn std::error::Error>> {
//! let prediction = graph.predict(&Options::default())?;
//! println!("{:.2} dB", prediction.estimate(x).nmse_db());
//! # Ok(())
//! # }
//! ```

mod atoms;
mod check;
mod doubling;
mod echo;
mod edge;
mod entries;
mod error;
mod evidence;
mod innovation;
mod law;
mod linear;
mod low_rank;
mod marginal;
mod node;
mod phase;
mod points;
mod port;
mod prediction;
mod product;
mod recursion;
mod rowwise;
mod scalar;
mod shared_basis;
mod spectrum;
mod support;
mod symmetry;
mod threshold;
mod truth;
mod warning;

pub use doubling::Doubling;
pub use error::{EvolutionError, Warning};
pub use evidence::ExpectedEvidence;
pub use law::{LawError, MessageLaw};
pub use phase::PhaseDiagram;
pub use prediction::{
    EstimateLaw, MessagePrediction, PredictedStatus, Prediction, Samples, SweepPrediction,
};
pub use spectrum::{Spectrum, SpectrumError};
pub use support::SupportErrors;
pub use symmetry::Symmetry;
pub use threshold::{Threshold, ThresholdError, threshold};

use crate::denoiser::{Channel, Law, Likelihood};
use crate::graph::{FactorId, Graph, VariableId};
use crate::inference::Options;

/// Default of [`Evolution::with_points`].
const POINTS: usize = 4096;
/// Default of [`Evolution::with_tolerance`]: far below what integration resolves, and small enough that a slow approach
/// to a fixed point isn't taken for one.
const TOLERANCE: f64 = 1e-8;

/// Default of [`Evolution::with_exact`].
const EXACT: f64 = f64::EPSILON * f64::EPSILON;

/// A prediction to be made: a graph, the options of the run it is for, and what is true where the graph assumes
/// otherwise.
#[derive(Debug)]
#[must_use = "nothing is predicted until it is run"]
pub struct Evolution<'g> {
    graph: &'g Graph,
    options: Options,
    points: usize,
    tolerance: f64,
    exact: f64,
    general: bool,
    fixed_point: bool,
    samples: bool,
    evidence: bool,
    laws: Vec<(FactorId, Box<dyn Law>)>,
    likelihoods: Vec<(FactorId, Box<dyn Likelihood>)>,
    channels: Vec<(FactorId, Box<dyn Channel>)>,
    spectra: Vec<(FactorId, Spectrum)>,
    noises: Vec<(FactorId, f64)>,
    moments: Vec<(VariableId, truth::Moments)>,
    starts: Vec<(FactorId, usize, MessageLaw)>,
    followed: Vec<VariableId>,
    accepted: Vec<Warning>,
}

impl Graph {
    /// Predicts a run with these options, everything being as the graph assumes.
    ///
    /// # Errors
    /// [`EvolutionError`] when a factor can't be followed or describes no law.
    pub fn predict(&self, options: &Options) -> Result<Prediction, EvolutionError> {
        Evolution::new(self, options).run()
    }
}

impl<'g> Evolution<'g> {
    /// The prediction of a run of `graph` with these options: their schedule, damping, policy, bounds and number of
    /// sweeps are the run's; tolerance, retries and limits of time and growth play no part.
    pub fn new(graph: &'g Graph, options: &Options) -> Self {
        Self {
            graph,
            options: options.clone(),
            points: POINTS,
            tolerance: TOLERANCE,
            exact: EXACT,
            general: false,
            fixed_point: false,
            samples: false,
            evidence: false,
            laws: Vec::new(),
            likelihoods: Vec::new(),
            channels: Vec::new(),
            spectra: Vec::new(),
            noises: Vec::new(),
            moments: Vec::new(),
            starts: Vec::new(),
            followed: Vec::new(),
            accepted: Vec::new(),
        }
    }

    /// Default: 4096. Points of each row integral; doubling them measures its error: see
    /// [`run_doubled`](Self::run_doubled).
    pub fn with_points(mut self, points: usize) -> Self {
        self.points = points;
        self
    }

    /// Default: 1e-8. The recursion is at a fixed point when no precision changes by more, relative to itself: in its
    /// logarithm. Zero goes through all sweeps.
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Default: the square of rounding. Estimates whose error is at most this share of the truth's power are exact, and the
    /// recursion ends where all that are followed are. Discrete variables can be recovered without any error; precisions
    /// then grow from sweep to sweep until integrals no longer see what little is unknown.
    pub fn with_exact(mut self, nmse: f64) -> Self {
        self.exact = nmse;
        self
    }

    /// Default: off. Follows what is true of messages beside what they claim also where the model is matched and both
    /// are the same. Overlaps with the truth then keep their digits however small they are; as the power of the truth less
    /// the error that is claimed, they are rounded at 1e-12 of that power.
    pub fn with_general_path(mut self) -> Self {
        self.general = true;
        self
    }

    /// Default: off. Looks for the fixed point of a damped run and not for its path: message laws are damped in place of
    /// messages, so that no sweep needs the noises of those before it. Where both converge, it is to the same laws: there
    /// all noises of a message are one. What is said of sweeps on the way, and of whether and how fast the run itself
    /// gets there, doesn't hold. Undamped predictions are the same with and without.
    pub fn with_fixed_point(mut self) -> Self {
        self.fixed_point = true;
        self
    }

    /// Default: off. Keeps draws of the joint law of truth, cavity mean and estimate after the last sweep: see
    /// [`Prediction::samples`].
    pub fn with_samples(mut self) -> Self {
        self.samples = true;
        self
    }

    /// Default: off. Also predicts the [evidence](Prediction::evidence) by the messages after the last sweep, which costs as
    /// much as one more sweep.
    pub fn with_evidence(mut self) -> Self {
        self.evidence = true;
        self
    }

    /// The true law of the variable that a prior produces, in place of the one it assumes.
    pub fn with_law(mut self, prior: FactorId, law: impl Law + 'static) -> Self {
        self.laws.push((prior, Box::new(law)));
        self
    }

    /// The likelihood that the data of `factor` truly come from.
    pub fn with_likelihood(mut self, factor: FactorId, law: impl Likelihood + 'static) -> Self {
        self.likelihoods.push((factor, Box::new(law)));
        self
    }

    /// The channel that the output of `factor` truly comes from.
    pub fn with_channel(mut self, factor: FactorId, law: impl Channel + 'static) -> Self {
        self.channels.push((factor, Box::new(law)));
        self
    }

    /// The spectrum of a linear factor, in place of its operator's own; also the ratio of its sizes is then the
    /// spectrum's, and the sizes of the graph's variables play no part.
    pub fn with_spectrum(mut self, linear: FactorId, spectrum: Spectrum) -> Self {
        self.spectra.push((linear, spectrum));
        self
    }

    /// The noise variance that the data of a low-rank factor truly have, in place of the one it assumes.
    pub fn with_noise_variance(mut self, factor: FactorId, variance: f64) -> Self {
        self.noises.push((factor, variance));
        self
    }

    /// Mean (`d`) and second moment (`d x d`) of the true rows of a variable, in place of those propagated.
    pub fn with_moments(mut self, variable: VariableId, mean: Vec<f64>, second: Vec<f64>) -> Self {
        self.moments.push((variable, truth::Moments { mean, second }));
        self
    }

    /// The law of the message that `factor` has sent at `port` before the first sweep, as
    /// [`Inference::start`](crate::Inference::start) sets the message itself. A law that claims what is true of it, such as
    /// [`MessageLaw::guess`] with the variance of the truth, leaves a matched model matched.
    pub fn with_start(mut self, factor: FactorId, port: usize, law: MessageLaw) -> Self {
        self.starts.push((factor, port, law));
        self
    }

    /// Follows the estimate of one more variable from sweep to sweep. Variables that priors produce always are.
    pub fn follow(mut self, variable: VariableId) -> Self {
        self.followed.push(variable);
        self
    }

    /// Goes on although this assumption isn't met.
    pub fn accept(mut self, warning: Warning) -> Self {
        self.accepted.push(warning);
        self
    }

    /// The assumptions that the graph doesn't meet.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        warning::warnings(self)
    }

    /// Whether noises of several sweeps mix, so that they must be followed together.
    fn is_joint(&self) -> bool {
        let mut weights = self.options.port_damping.iter().map(|d| d.2);
        !self.fixed_point && (self.options.damping < 1.0 || weights.any(|w| w < 1.0))
    }

    /// Runs the recursion.
    ///
    /// # Errors
    /// [`EvolutionError`] when a factor can't be followed or describes no law, something given doesn't fit, or a
    /// warning hasn't been accepted. A breakdown of the run it predicts is no error: see [`Prediction::status`].
    pub fn run(&self) -> Result<Prediction, EvolutionError> {
        recursion::run(self)
    }
}
