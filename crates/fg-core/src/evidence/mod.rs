//! Evidence: what the data say for the model as a whole, by the Bethe free energy of the messages of a run.
//!
//! With `A_f` the log-partition function of a factor under its cavities and `g_v` that of the product of all messages about a
//! variable, of which `deg_v` factors speak,
//!
//! ```text
//! log Z = sum_f A_f - sum_v (deg_v - 1) g_v
//! ```
//!
//! At a fixed point its derivative by any parameter of a factor, messages held, is its total derivative. It is exact for
//! Gaussian factors around one linear operator where the structure of messages can represent what they send, and an
//! approximation elsewhere that becomes exact for many rows where state evolution holds. Maximisers have no volume: with
//! [`Estimation::Map`] the same sum is the logarithm of the joint density of the estimates, what the run maximises.
//!
//! Reference: T. Minka, "Expectation propagation for approximate Bayesian inference", Uncertainty in Artificial Intelligence 17
//! (2001); M. Opper and O. Winther, "Expectation consistent approximate inference", Journal of Machine Learning Research 6
//! (2005).
//!
//! ```
//! # use fg_core::Graph;
//! # fn demo(graph: &Graph, other: &Graph) -> Result<(), Box<dyn std::error::Error>> {
//! use fg_core::{Inference, Options};
//! let evidence = |graph| -> Result<f64, Box<dyn std::error::Error>> {
//!     let mut inference = Inference::new(graph, &Options::default())?;
//!     let _solution = inference.run(&mut ())?;
//!     Ok(inference.evidence()?.log())
//! };
//! println!("{:.1} nats for the first model", evidence(graph)? - evidence(other)?);
//! # Ok(())
//! # }
//! ```

mod bethe;

pub(crate) use bethe::{bethe, estimation_of};

use core::fmt;

use crate::denoiser::Estimation;
use crate::factor::{Breakdown, PartitionError};
use crate::graph::{FactorId, VariableId};

/// The logarithm of the evidence, and what each factor and variable contribute to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    estimation: Estimation,
    factors: Vec<f64>,
    variables: Vec<f64>,
}

impl Evidence {
    /// `log Z` in nats: the logarithm of the density of all data under the model, or for
    /// [maximisers](Self::estimation) that of the joint density of data and estimates. It is as good as densities are
    /// normalised: penalties aren't. Rounding is a few `1e-16` of the largest exponent, so that a precision of `1e12` costs
    /// as many digits.
    pub fn log(&self) -> f64 {
        self.factors.iter().sum::<f64>() - self.variables.iter().sum::<f64>()
    }

    /// Whether factors integrate or maximise: [`Estimation::Map`] as soon as one of them does.
    pub fn estimation(&self) -> Estimation {
        self.estimation
    }

    /// `A_f`, the log-partition function of a factor under its cavities.
    pub fn of_factor(&self, factor: FactorId) -> f64 {
        self.factors[factor.index()]
    }

    /// What is subtracted for a variable: `(deg_v - 1) g_v`; where one factor knows rows, the exponents of the other messages at
    /// their values.
    pub fn of_variable(&self, variable: VariableId) -> f64 {
        self.variables[variable.index()]
    }
}

/// The evidence isn't known.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EvidenceError {
    /// A factor has no log-partition function under its cavities.
    Factor {
        /// Its name.
        factor: String,
        /// Why.
        reason: PartitionError,
    },
    /// Messages about a variable contradict each other, or leave a direction undetermined.
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong.
        reason: Breakdown,
    },
    /// Two factors both know a row: the density of what they agree on is that of a point.
    DoublyKnown {
        /// Name of the variable.
        variable: String,
        /// The first such row.
        row: usize,
    },
}

impl fmt::Display for EvidenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factor { factor, reason } => write!(f, "evidence: factor `{factor}`: {reason}"),
            Self::Variable { variable, reason } => {
                write!(f, "evidence: variable `{variable}`: {reason}")
            }
            Self::DoublyKnown { variable, row } => {
                write!(f, "evidence: row {row} of variable `{variable}` is fixed by two factors")
            }
        }
    }
}

impl core::error::Error for EvidenceError {}
