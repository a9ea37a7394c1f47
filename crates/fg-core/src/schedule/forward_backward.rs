//! Inward to a root and outward again: exact in one sweep on a Gaussian tree.

use super::{Schedule, ScheduleError, Update};
use crate::graph::{FactorId, Graph, VariableId};

pub(super) fn schedule(graph: &Graph, root: VariableId) -> Result<Schedule, ScheduleError> {
    if root.0 >= graph.variable_nodes().len() {
        return Err(ScheduleError::UnknownRoot { variable: root.0 });
    }
    if !graph.is_tree() {
        return Err(ScheduleError::NotATree);
    }
    // Depth first from the root: each factor below it with the port that points to the root.
    let mut visited = Vec::new();
    let mut stack = vec![(root.0, None)];
    while let Some((variable, parent)) = stack.pop() {
        for &e in &graph.variable_nodes()[variable].edges {
            let edge = graph.edges()[e];
            if parent == Some(edge.factor) {
                continue;
            }
            visited.push((edge.factor, edge.port));
            for port in 0..graph.factor_nodes()[edge.factor].ports.len() {
                if port != edge.port {
                    let below = graph.edges()[graph.edge(edge.factor, port)].variable;
                    stack.push((below, Some(edge.factor)));
                }
            }
        }
    }
    let inward = visited.iter().rev().map(|&(f, port)| Update::new(FactorId(f), port));
    let outward = visited.iter().flat_map(|&(f, inner)| {
        let ports = 0..graph.factor_nodes()[f].ports.len();
        ports.filter(move |&p| p != inner).map(move |p| Update::new(FactorId(f), p))
    });
    Ok(Schedule { start: Vec::new(), sweep: inward.chain(outward).collect() })
}
