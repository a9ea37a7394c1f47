//! What failed in a sweep, and whether a run can go on after it.

use super::error::InferenceError;
use super::report::Event;
use crate::factor::Breakdown;
use crate::graph::Graph;

/// A sweep that failed: where and how.
pub(super) struct Failure {
    pub(super) factor: usize,
    pub(super) port: usize,
    pub(super) event: Event,
}

impl Failure {
    /// Whether damping can't help: the model itself leaves something open or contradicts itself.
    pub(super) fn is_structural(&self) -> bool {
        matches!(
            self.event,
            Event::Breakdown(
                Breakdown::ImproperCavity { .. }
                    | Breakdown::Undetermined { .. }
                    | Breakdown::Contradiction { .. }
                    | Breakdown::KnownCavity { .. }
                    | Breakdown::Form { .. }
                    | Breakdown::NoData { .. }
                    | Breakdown::Factorisation
            )
        )
    }

    /// The error of a run that has no estimate yet; `silent` is a factor that had nothing to say before.
    pub(super) fn error(&self, graph: &Graph, silent: Option<usize>) -> InferenceError {
        let Event::Breakdown(reason) = self.event else {
            unreachable!("a belief explodes against the first sweep, which has been completed")
        };
        let owed = reason.owed_to(silent, self.factor);
        match (breakdown_error(graph, self.factor, reason), owed) {
            (InferenceError::Breakdown { factor, variable, .. }, Some(silent)) => {
                let silent = graph.factor_nodes()[silent].name.clone();
                InferenceError::StartNeeded { silent, factor, variable }
            }
            (error, _) => error,
        }
    }
}

pub(super) fn breakdown_error(graph: &Graph, factor: usize, reason: Breakdown) -> InferenceError {
    let node = &graph.factor_nodes()[factor];
    let port = reason.port().min(node.ports.len() - 1);
    let variable = graph.edges()[node.first_edge + port].variable;
    InferenceError::Breakdown {
        factor: node.name.clone(),
        variable: graph.variable_nodes()[variable].name.clone(),
        reason,
    }
}
