//! The Bethe sum over the messages of a run.

use super::{Evidence, EvidenceError};
use crate::denoiser::Estimation;
use crate::factor::Breakdown;
use crate::factor::partition::{block_exponent, log_volume};
use crate::graph::Graph;
use crate::inference::State;
use crate::message::Message;
use crate::rows::Rows;

/// The evidence of a graph by the messages of a run.
pub(crate) fn bethe(graph: &Graph, state: &mut State) -> Result<Evidence, EvidenceError> {
    let nodes = graph.factor_nodes();
    let estimation = estimation_of(graph);
    let variables = (0..graph.variable_nodes().len())
        .map(|v| overcounted(graph, state, v, estimation))
        .collect::<Result<_, _>>()?;
    let mut factors = Vec::with_capacity(nodes.len());
    for (f, node) in nodes.iter().enumerate() {
        let value = state.log_partition(graph, f, estimation);
        let named = |reason| EvidenceError::Factor { factor: node.name.clone(), reason };
        factors.push(value.map_err(named)?);
    }
    Ok(Evidence { estimation, factors, variables })
}

/// Maximisers have no volume: with one of them all factors are asked for maxima.
pub(crate) fn estimation_of(graph: &Graph) -> Estimation {
    let nodes = graph.factor_nodes();
    let maximises = nodes.iter().any(|node| node.factor.estimation() == Estimation::Map);
    if maximises { Estimation::Map } else { Estimation::Mmse }
}

/// What the factors' sum counts too often of a variable's messages.
fn overcounted(
    graph: &Graph,
    state: &mut State,
    variable: usize,
    estimation: Estimation,
) -> Result<f64, EvidenceError> {
    let node = &graph.variable_nodes()[variable];
    if node.edges.len() < 2 {
        return Ok(0.0);
    }
    // A run leaves out messages that nobody reads. On trees the sum is the same for any message in their place, but not where
    // the others leave a row open, as missing data do.
    let message = |reason| EvidenceError::Variable { variable: node.name.clone(), reason };
    state.complete(graph, variable).map_err(message)?;
    let named = |reason| EvidenceError::Variable { variable: node.name.clone(), reason };
    let product = state.product(graph, variable).map_err(named)?;
    let mut mean = Rows::zeros(node.layout.rows(), node.layout.columns());
    product.mean_into(&mut mean);
    let mut sum = 0.0;
    for b in 0..node.layout.blocks() {
        if !product.precision().is_infinite(b) {
            let gaussian = block_partition(&product, b, &mean, estimation).map_err(named)?;
            sum += (node.edges.len() - 1) as f64 * gaussian;
            continue;
        }
        let knows = |e: &&usize| state.message(**e).precision().is_infinite(b);
        if node.edges.iter().filter(knows).count() > 1 {
            let (variable, row) = (node.name.clone(), node.layout.range(b).start);
            return Err(EvidenceError::DoublyKnown { variable, row });
        }
        sum += node.edges.iter().map(|&e| block_exponent(state.message(e), b, &mean)).sum::<f64>();
    }
    Ok(sum)
}

/// `log int exp(n . x - x Gamma x' / 2) dx` over the rows of a block, or the maximum of the exponent; `mean` is that of the
/// message.
fn block_partition(
    message: &Message,
    b: usize,
    mean: &Rows,
    estimation: Estimation,
) -> Result<f64, Breakdown> {
    let d = mean.columns();
    let top = block_exponent(message, b, mean);
    if estimation == Estimation::Map {
        return Ok(top);
    }
    let volume = log_volume(message.precision().block(b), d);
    let rows = message.layout().range(b).len() as f64;
    Ok(top + rows * volume.ok_or(Breakdown::Undetermined { port: 0 })?)
}
