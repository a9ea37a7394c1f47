//! Which updates a run needs: those whose messages reach a factor that is still computed.

use crate::graph::Graph;
use crate::schedule::{Schedule, Update};

/// Removes ports whose message is constant or is read by no remaining update, from both parts of a schedule.
///
/// A message is read by the updates of the other factors at its variable; where those are all constant, so that
/// they need no update, the message is dead, and with it perhaps the messages that only served it. What starts a
/// run is needed where the sweeps or the rest of the start read it.
pub(crate) fn prune(
    graph: &Graph,
    schedule: Schedule,
    constant: &[bool],
) -> (Vec<Update>, Vec<Update>) {
    let sweep = keep_read(graph, &schedule.sweep, &[], constant);
    let start = keep_read(graph, &schedule.start, &sweep, constant);
    (start, sweep)
}

/// The updates whose messages are read by each other or by `readers`.
fn keep_read(
    graph: &Graph,
    updates: &[Update],
    readers: &[Update],
    constant: &[bool],
) -> Vec<Update> {
    let mut alive: Vec<Vec<usize>> = updates
        .iter()
        .map(|u| {
            let keep = |&p: &usize| !constant[graph.edge(u.factor.index(), p)];
            u.ports.iter().copied().filter(keep).collect()
        })
        .collect();
    let recurrent: Vec<bool> =
        (0..graph.factor_nodes().len()).map(|f| graph.is_recurrent(f)).collect();
    loop {
        let mut computed = vec![false; graph.factor_nodes().len()];
        for reader in readers {
            computed[reader.factor.index()] = true;
        }
        for (update, ports) in updates.iter().zip(&alive) {
            computed[update.factor.index()] |= !ports.is_empty();
        }
        let read = |factor: usize, port: usize| {
            let variable = graph.edges()[graph.edge(factor, port)].variable;
            let edges = &graph.variable_nodes()[variable].edges;
            // A factor with a memory reads what it has sent itself.
            let reads = |f: usize| (f != factor || recurrent[f]) && computed[f];
            edges.iter().map(|&e| graph.edges()[e].factor).any(reads)
        };
        let mut changed = false;
        for (update, ports) in updates.iter().zip(&mut alive) {
            let before = ports.len();
            ports.retain(|&p| read(update.factor.index(), p));
            changed |= ports.len() != before;
        }
        if !changed {
            break;
        }
    }
    let keep = updates.iter().zip(alive).filter(|(_, ports)| !ports.is_empty());
    keep.map(|(u, ports)| Update { factor: u.factor, ports }).collect()
}
