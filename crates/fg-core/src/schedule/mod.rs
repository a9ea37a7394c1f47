//! A schedule decides in which order factors send their messages.

mod forward_backward;
mod generative;
mod round_robin;

use core::fmt;

use crate::graph::{FactorId, Graph, VariableId};

/// One step: a factor computes its beliefs at some ports and sends the new messages there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The factor.
    pub factor: FactorId,
    /// The ports it sends at, computed from the same cavities.
    pub ports: Vec<usize>,
}

impl Update {
    /// The factor sends at one port.
    pub fn new(factor: FactorId, port: usize) -> Self {
        Self { factor, ports: vec![port] }
    }
}

/// Steps taken once, and steps taken every sweep.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Schedule {
    /// Taken once before the first sweep, so that every cavity is proper.
    pub start: Vec<Update>,
    /// Taken every sweep, in order.
    pub sweep: Vec<Update>,
}

/// How the order of updates is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ScheduleChoice {
    /// [`Generative`](Self::Generative) where the model can be read as a recipe for drawing data; otherwise
    /// forward-backward from the first variable on a tree, and round-robin on loops.
    #[default]
    Auto,
    /// Start from the priors forward; every sweep backward from the likelihoods, then forward again. On chains
    /// this is the order of VAMP and ML-VAMP: estimates of the first variable are up to date after each sweep.
    Generative,
    /// On a tree: every sweep inward to the root, then outward from it. Exact after one sweep where messages
    /// don't depend on their cavities.
    ForwardBackward(VariableId),
    /// Every sweep each factor in turn sends at all its ports.
    RoundRobin,
    /// The user's own list.
    Explicit(Schedule),
}

impl ScheduleChoice {
    /// The schedule for a graph.
    ///
    /// # Errors
    /// [`ScheduleError`] when the choice doesn't fit the graph.
    pub fn resolve(&self, graph: &Graph) -> Result<Schedule, ScheduleError> {
        match self {
            Self::Auto => {
                if let Ok(schedule) = generative::schedule(graph) {
                    return Ok(schedule);
                }
                if graph.is_tree() {
                    return forward_backward::schedule(graph, VariableId(0));
                }
                Ok(round_robin::schedule(graph))
            }
            Self::Generative => generative::schedule(graph),
            Self::ForwardBackward(root) => forward_backward::schedule(graph, *root),
            Self::RoundRobin => Ok(round_robin::schedule(graph)),
            Self::Explicit(schedule) => {
                check(graph, schedule)?;
                Ok(schedule.clone())
            }
        }
    }
}

fn check(graph: &Graph, schedule: &Schedule) -> Result<(), ScheduleError> {
    for update in schedule.start.iter().chain(&schedule.sweep) {
        let factor = update.factor.0;
        let Some(node) = graph.factor_nodes().get(factor) else {
            return Err(ScheduleError::UnknownFactor { factor });
        };
        if let Some(&port) = update.ports.iter().find(|&&p| p >= node.ports.len()) {
            return Err(ScheduleError::UnknownPort { factor: node.name.clone(), port });
        }
    }
    Ok(())
}

/// A schedule doesn't fit a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScheduleError {
    /// Forward-backward needs a tree.
    NotATree,
    /// The root isn't a variable of the graph.
    UnknownRoot {
        /// Its index.
        variable: usize,
    },
    /// The model can't be read as a recipe: this variable is produced by no factor or in a circle.
    NotGenerative {
        /// Name of the variable.
        variable: String,
    },
    /// An update names a factor the graph doesn't have.
    UnknownFactor {
        /// Its index.
        factor: usize,
    },
    /// An update names a port the factor doesn't have.
    UnknownPort {
        /// Name of the factor.
        factor: String,
        /// The port.
        port: usize,
    },
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATree => write!(f, "forward-backward needs a tree, the graph has loops"),
            Self::UnknownRoot { variable } => write!(f, "graph has no variable {variable}"),
            Self::NotGenerative { variable } => {
                write!(f, "variable `{variable}` is produced by no factor, or in a circle")
            }
            Self::UnknownFactor { factor } => write!(f, "graph has no factor {factor}"),
            Self::UnknownPort { factor, port } => {
                write!(f, "factor `{factor}` has no port {port}")
            }
        }
    }
}

impl core::error::Error for ScheduleError {}
