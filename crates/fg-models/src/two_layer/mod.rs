//! Learning the first layer of a network whose second layer is known: `prior - W1 - [X] - Z - likelihood`.
//!
//! The model is `y_i = W2' sigma(W1' x_i + b1) + b2 + noise` with `W2`, `b2` and the noise variance known, rows of
//! `W1` Gaussian; or a label that is 1 with a probability made of `W2' sigma(W1' x_i + b1) + b2` by a known link. The samples
//! make up the operator, `Z = X W1`: learning is a linear inverse problem whose output node is the second layer. A bias `b1`
//! is a constant column of the inputs with a prior and a precision of its own.
//!
//! | symbol | meaning | shape |
//! |---|---|---|
//! | `X` | inputs | `N x N_in` |
//! | `Y` | targets, or labels -1 and 1 | `N x N_out` |
//! | `W1`, `b1` | learned | `N_in x d`, `d` |
//! | `W2`, `b2` | known | `d x N_out`, `N_out` |

mod assembly;
mod fit;
mod labels;
mod learning;
mod predict;
mod start;
mod unknown;

pub use fit::TwoLayerFit;
pub use labels::LabelErrors;
pub use learning::{LearningCurve, LearningErrors, LearningSettings};
pub use predict::Predictor;
pub use start::Start;

use fg_core::denoiser::Estimation;
use fg_core::{FactorId, GraphBuilder, Options, Policy, Rows, VariableId};
use fg_denoisers::likelihood::TwoLayer;

/// Weight of new messages: undamped posterior means are unstable off the matched line.
const DAMPING: f64 = 0.7;
/// The published experiment makes 20 sweeps. Of a hundred runs one, with two nearly equal output weights, needs up to 40 to
/// tell the two units apart.
const SWEEPS: usize = 40;
/// Bounds of the precision of messages about hidden units, whose prior precision is of order 1: next to nothing, and
/// next to certainty.
const PRECISIONS: (f64, f64) = (1e-6, 1e12);

/// A two-layer network of which the first layer is unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct TwoLayerModel {
    output: TwoLayer,
    weight_variance: f64,
    bias_variance: Option<f64>,
    estimation: Estimation,
    learns: Learns,
}

/// What a run learns beside the first layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Learns {
    noise: bool,
    variances: bool,
}

/// The graph of a two-layer network with the names of its parts, not built yet, so that it can be changed.
#[derive(Debug)]
pub struct TwoLayerGraph {
    /// The graph.
    pub builder: GraphBuilder,
    /// `W1`, `N_in x d`; with a bias one row more, the last, which is `b1`.
    pub weights: VariableId,
    /// `Z = X W1`, `N x d`.
    pub hidden: VariableId,
    /// The prior of `W1`.
    pub prior: FactorId,
    /// `X`: port 0 is `W1`, port 1 is `Z`.
    pub operator: FactorId,
    /// The second layer with the targets.
    pub likelihood: FactorId,
    /// What it was made of.
    model: TwoLayerModel,
}

impl TwoLayerModel {
    /// A model with this second layer, weights of variance 1, no bias, estimated by posterior means.
    pub fn new(output: TwoLayer) -> Self {
        Self {
            output,
            weight_variance: 1.0,
            bias_variance: None,
            estimation: Estimation::Mmse,
            learns: Learns::default(),
        }
    }

    /// Default: 1.
    #[must_use]
    pub fn with_weight_variance(mut self, variance: f64) -> Self {
        self.weight_variance = variance;
        self
    }

    /// Gives the hidden units a bias of this prior variance. Default: none.
    #[must_use]
    pub fn with_bias(mut self, variance: f64) -> Self {
        self.bias_variance = Some(variance);
        self
    }

    /// Default: posterior means.
    #[must_use]
    pub fn with_estimation(mut self, estimation: Estimation) -> Self {
        self.estimation = estimation;
        self
    }

    /// The second layer.
    pub fn output(&self) -> &TwoLayer {
        &self.output
    }

    /// Whether the hidden units have a bias.
    pub fn has_bias(&self) -> bool {
        self.bias_variance.is_some()
    }

    /// Posterior means or a maximiser.
    pub fn estimation(&self) -> Estimation {
        self.estimation
    }

    /// Options that suit this model: damping 0.7, 40 sweeps, precisions clamped.
    ///
    /// Units of nearly equal output weights start alike, and the posterior of their difference is wider than what the
    /// rest of the graph says about it: its message has a negative precision. Dropping that direction, the engine's
    /// default, would also drop which unit is larger, and the two would stay one for good. Clamping keeps the mean, so
    /// that the difference grows from sweep to sweep.
    pub fn options() -> Options {
        let policy = Policy::Clamp { minimum: PRECISIONS.0, maximum: PRECISIONS.1 };
        Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS).with_policy(policy)
    }
}

/// `inputs` with a last column of ones, whose weights are a bias.
pub fn with_constant_column(inputs: &Rows) -> Rows {
    let (n, last) = inputs.shape();
    Rows::from_fn(n, last + 1, |i, j| if j == last { 1.0 } else { inputs[(i, j)] })
}
