//! Every factor in turn, at all its ports.

use super::{Schedule, Update, generative};
use crate::factor::Role;
use crate::graph::{FactorId, Graph};

/// Starts forward from the priors where the model has a generative order, so that cavities are proper.
pub(super) fn schedule(graph: &Graph) -> Schedule {
    let order = graph.generative_order();
    let start = order.as_ref().map_or_else(
        |_| Vec::new(),
        |order| generative::updates(graph, order.iter().copied(), Role::Produced),
    );
    let all = (0..graph.factor_nodes().len()).collect();
    let sweep = order
        .unwrap_or(all)
        .into_iter()
        .map(|f| {
            let ports = (0..graph.factor_nodes()[f].ports.len()).collect();
            Update { factor: FactorId(f), ports }
        })
        .collect();
    Schedule { start, sweep }
}
