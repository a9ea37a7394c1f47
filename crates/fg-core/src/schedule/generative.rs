//! Backward from the data, forward from the priors: the order of VAMP and its multi-layer forms.

use super::{Schedule, ScheduleError, Update};
use crate::factor::Role;
use crate::graph::{FactorId, Graph};

pub(super) fn schedule(graph: &Graph) -> Result<Schedule, ScheduleError> {
    let order = graph.generative_order().map_err(|v| ScheduleError::NotGenerative {
        variable: graph.variable_nodes()[v].name.clone(),
    })?;
    let start = updates(graph, order.iter().copied(), Role::Produced);
    let mut sweep = updates(graph, order.iter().rev().copied(), Role::Given);
    sweep.extend(start.iter().cloned());
    Ok(Schedule { start, sweep })
}

/// One update a port of this role, in the order of the factors.
pub(super) fn updates(
    graph: &Graph,
    order: impl Iterator<Item = usize>,
    role: Role,
) -> Vec<Update> {
    order
        .flat_map(|f| {
            let ports = &graph.factor_nodes()[f].ports;
            let of_role = move |(_, port): &(usize, &crate::factor::Port)| port.role == role;
            ports.iter().enumerate().filter(of_role).map(move |(p, _)| Update::new(FactorId(f), p))
        })
        .collect()
}
