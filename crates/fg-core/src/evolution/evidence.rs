//! The evidence that a run will find, by the laws of its messages: free energies and mutual information before any data.

use super::Evolution;
use super::error::EvolutionError;
use super::law::MessageLaw;
use super::linear::LinearNode;
use super::node::Node;
use super::rowwise::RowwiseNode;
use super::truth::{Moments, Nodes, Setup};
use crate::denoiser::Estimation;
use crate::evidence::{EvidenceError, estimation_of};
use crate::factor::partition::log_volume;
use crate::factor::{Breakdown, PartitionError};
use crate::graph::{Graph, VariableId};
use crate::message::small;

/// The expected [evidence](crate::evidence::Evidence) of a run, each term averaged over truth, data and messages.
///
/// For a matched model it is minus the entropy of the data. `sum_f E A_f - sum_v (deg_v - 1) E g_v` needs the laws of messages
/// only: row-wise factors are averaged over their points, linear ones over their spectrum, and with a message
/// `n = x0 M + c + p`,
///
/// ```text
/// E g = tr(Gamma^-1 E[n'n]) / 2 - log det Gamma / 2 + d / 2 log 2 pi
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedEvidence {
    estimation: Estimation,
    log: f64,
    /// Rows of each variable, relative to each other.
    sizes: Vec<f64>,
}

impl ExpectedEvidence {
    /// `E log Z` for each row of a variable, in nats: the evidence of a run over its number of rows.
    pub fn per_row(&self, variable: VariableId) -> f64 {
        self.log / self.sizes[variable.index()]
    }

    /// Whether factors integrate or maximise.
    pub fn estimation(&self) -> Estimation {
        self.estimation
    }
}

/// The expected evidence for the messages of all edges having these laws.
pub(super) fn expected(
    evolution: &Evolution<'_>,
    laws: &[&MessageLaw],
) -> Result<ExpectedEvidence, EvolutionError> {
    let graph = evolution.graph;
    let estimation = estimation_of(graph);
    // Rows of truth and messages, also where precisions alone were followed.
    let Nodes { mut nodes, moments } = Setup::nodes(evolution, false)?;
    let sizes = sizes(graph, &nodes);
    let mut log = 0.0;
    for (f, node) in nodes.iter_mut().enumerate() {
        let own = &graph.factor_nodes()[f];
        let variables: Vec<usize> = (0..own.ports.len())
            .map(|port| graph.edges()[own.first_edge + port].variable)
            .collect();
        for (port, &v) in variables.iter().enumerate() {
            let mut cavity = MessageLaw::vacuous(moments[v].mean.len());
            let edges = &graph.variable_nodes()[v].edges;
            let others = edges.iter().filter(|&&e| e != own.first_edge + port);
            others.for_each(|&e| cavity.multiply(laws[e]));
            node.tell(port, &cavity, None, None);
        }
        let output = &moments[variables[own.ports.len() - 1]];
        let value = average(node, estimation, output);
        let named = |reason| EvidenceError::Factor { factor: own.name.clone(), reason };
        log += sizes[variables[0]] * value.map_err(named)?;
    }
    for (v, node) in graph.variable_nodes().iter().enumerate() {
        if node.edges.len() < 2 {
            continue;
        }
        let mut product = MessageLaw::vacuous(moments[v].mean.len());
        node.edges.iter().for_each(|&e| product.multiply(laws[e]));
        let gaussian = gaussian(&product, &moments[v], estimation);
        let named = |reason| EvidenceError::Variable { variable: node.name.clone(), reason };
        log -= sizes[v] * (node.edges.len() - 1) as f64 * gaussian.map_err(named)?;
    }
    Ok(ExpectedEvidence { estimation, log, sizes })
}

/// Rows of all variables relative to those of the first; variables that no operator connects have as many as the graph's.
fn sizes(graph: &Graph, nodes: &[Node<'_>]) -> Vec<f64> {
    let rows = |v: usize| graph.variable_nodes()[v].layout.rows() as f64;
    let mut sizes: Vec<Option<f64>> = vec![None; graph.variable_nodes().len()];
    for start in 0..sizes.len() {
        if sizes[start].is_some() {
            continue;
        }
        sizes[start] = Some(rows(start) / rows(0));
        let mut open = vec![start];
        while let Some(v) = open.pop() {
            for &e in &graph.variable_nodes()[v].edges {
                let edge = graph.edges()[e];
                let own = &graph.factor_nodes()[edge.factor];
                for port in 0..own.ports.len() {
                    let other = graph.edges()[own.first_edge + port].variable;
                    if sizes[other].is_some() {
                        continue;
                    }
                    let ratio = match &nodes[edge.factor] {
                        Node::Linear(node) if edge.port < port => node.ratio(),
                        Node::Linear(node) => node.ratio().recip(),
                        Node::Rowwise(_) => 1.0,
                        Node::LowRank(_) => rows(other) / rows(v),
                    };
                    sizes[other] = sizes[v].map(|size| size * ratio);
                    open.push(other);
                }
            }
        }
    }
    sizes.into_iter().map(|size| size.unwrap_or(1.0)).collect()
}

/// The average of a factor's log-partition function for each row of its first variable; `output` is the truth of its last.
fn average(
    node: &mut Node<'_>,
    estimation: Estimation,
    output: &Moments,
) -> Result<f64, PartitionError> {
    node.beliefs()?;
    match node {
        Node::Rowwise(node) => rowwise(node, estimation),
        Node::Linear(node) => linear(node, estimation, output),
        Node::LowRank(_) => Err(PartitionError::Unknown),
    }
}

fn rowwise(node: &mut RowwiseNode<'_>, estimation: Estimation) -> Result<f64, PartitionError> {
    let values = node.log_partition(estimation)?;
    let weights = &node.ports[0].weights;
    let total: f64 = weights.iter().sum();
    Ok(values.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>() / total)
}

/// `E[n_x . xhat] / 2 + E[n_z . zhat] / 2` per row, and the volume.
fn linear(
    node: &LinearNode,
    estimation: Estimation,
    output: &Moments,
) -> Result<f64, PartitionError> {
    let pairing = |port: usize| -> f64 {
        let at = &node.ports[port];
        let pairs = at.cavity.natural().as_slice().iter().zip(at.belief.mean().as_slice());
        0.5 * pairs.map(|(n, x)| n * x).sum::<f64>()
    };
    let ratio = node.ratio();
    let mut value = pairing(0) + ratio * pairing(1);
    if let (Some(b), Some(told)) = (&node.bias, node.told_output()) {
        // n_z . b - b Gz b' / 2, of the message about Z itself.
        let d = b.len();
        let mut mean = told.offset.clone();
        super::port::add_product(&output.mean, &told.signal, &mut mean);
        let linear: f64 = mean.iter().zip(b).map(|(n, b)| n * b).sum();
        value += ratio * (linear - 0.5 * small::bilinear(b, &told.precision, b, d));
    }
    if estimation == Estimation::Mmse {
        value += node.volume();
    }
    Ok(value)
}

/// `E g` of a product of messages.
fn gaussian(law: &MessageLaw, moments: &Moments, estimation: Estimation) -> Result<f64, Breakdown> {
    let d = law.columns();
    let undetermined = Breakdown::Undetermined { port: 0 };
    let (mut inverse, mut work) = (vec![0.0; d * d], vec![0.0; 2 * d * d]);
    small::invert_positive(&law.precision, &mut inverse, &mut work, d).map_err(|_| undetermined)?;
    // Rows of M' T M + (m M)' c + c' m M + c' c + Chi.
    let mut mean = vec![0.0; d];
    super::port::add_product(&moments.mean, &law.signal, &mut mean);
    let mut power = 0.0;
    for i in 0..d {
        for j in 0..d {
            let column = |k: usize| -> Vec<f64> { (0..d).map(|r| law.signal[r * d + k]).collect() };
            let truth = small::bilinear(&column(i), &moments.second, &column(j), d);
            let constant = mean[i] * law.offset[j] + law.offset[i] * (mean[j] + law.offset[j]);
            power += inverse[i * d + j] * (truth + constant + law.noise[i * d + j]);
        }
    }
    let volume = match estimation {
        Estimation::Map => 0.0,
        Estimation::Mmse => log_volume(&law.precision, d).ok_or(undetermined)?,
    };
    Ok(0.5 * power + volume)
}
