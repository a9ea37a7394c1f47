//! The state of a run: a message, its cavity and buffers an edge; beliefs and a workspace a factor.

use core::any::Any;
use std::sync::Arc;

use super::beliefs::{check_finite, check_positive, gaussian_belief};
use super::extrinsic::Extrinsic;
use super::options::Options;
use super::saved::Saved;
use crate::denoiser::{Estimation, Parameter};
use crate::factor::{Belief, Breakdown, Cavity, Factor, PartitionError, Sent};
use crate::graph::{FactorNode, Graph, Variable};
use crate::message::Message;
use crate::rows::Rows;

/// Ports of a factor whose cavities fit on the stack; factors with more allocate a short list an update.
const INLINE_PORTS: usize = 4;

#[derive(Debug)]
pub(super) struct EdgeState {
    pub(super) message: Message,
    /// What the factor remembers with the message, empty for most.
    pub(super) memory: Rows,
    /// The product of the other messages, where there is more than one.
    cavity: Option<Message>,
    pub(super) damping: f64,
    /// Counts changes of `message`.
    pub(super) version: u64,
    /// Whether there is a message to damp towards.
    pub(super) updated: bool,
    /// Whether the message is fixed by the model.
    pub(super) constant: bool,
}

impl EdgeState {
    fn sent(&self) -> Sent<'_> {
        Sent { message: &self.message, memory: &self.memory }
    }
}

/// Where the new message of an edge is computed.
#[derive(Debug)]
pub(super) struct Division {
    pub(super) candidate: Message,
    pub(super) extrinsic: Extrinsic,
}

pub(super) struct FactorState {
    /// Whether it has parameters to learn.
    learns: bool,
    /// Whether its beliefs depend on what it has sent itself.
    recurrent: bool,
    /// What learning has made of it; the graph's own until then.
    pub(super) learned: Option<Arc<dyn Factor>>,
    workspace: Box<dyn Any + Send>,
    pub(super) beliefs: Vec<Belief>,
    wanted: Vec<bool>,
    /// The versions of all cavities together when each belief was computed.
    computed_at: Vec<Option<u64>>,
}

/// A factor's buffers while it is asked.
struct Parts<'a> {
    workspace: &'a mut Box<dyn Any + Send>,
    beliefs: &'a mut [Belief],
    wanted: &'a mut [bool],
}

pub(crate) struct State {
    pub(super) edges: Vec<EdgeState>,
    pub(super) divisions: Vec<Division>,
    pub(super) factors: Vec<FactorState>,
    pub(super) vacuous: Vec<Message>,
    /// External fields, where a variable has one.
    fields: Vec<Option<Message>>,
    /// Counts changes of fields.
    field_version: u64,
    /// Beliefs of variables that only constant messages reach.
    products: Vec<Option<Belief>>,
    /// How large each variable is.
    pub(super) scales: Vec<Scale>,
    /// Where this sweep began, and the last completed one.
    pub(super) saved: [Saved; 2],
}

/// The largest second moment of a variable's beliefs in the first sweep.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scale {
    largest: f64,
}

impl Scale {
    /// By how much a belief's second moment exceeds it. In the first sweep, and as long as it is zero, the moment counts itself.
    pub(super) fn growth(&mut self, moment: f64, first: bool) -> f64 {
        if first || !(self.largest > 0.0) {
            self.largest = self.largest.max(moment);
            return 1.0;
        }
        moment / self.largest
    }
}

/// Where a run stands: its messages with what factors remember of them, and the weights of new ones.
pub(super) struct Place {
    edges: Vec<(Message, Rows, f64)>,
}

impl State {
    /// Vacuous messages, constant ones filled in.
    ///
    /// # Errors
    /// The factor whose workspace can't be made, and why.
    pub(super) fn new(graph: &Graph, damping: f64) -> Result<Self, (usize, Breakdown)> {
        let mut edges = Vec::with_capacity(graph.edges().len());
        let mut divisions = Vec::with_capacity(graph.edges().len());
        for edge in graph.edges() {
            let variable = &graph.variable_nodes()[edge.variable];
            let layout = &variable.layout;
            let factor = &graph.factor_nodes()[edge.factor].factor;
            let memory = factor.memory(edge.port, &graph.layouts_of(edge.factor));
            let memory = memory.map_or_else(Rows::default, |(n, d)| Rows::zeros(n, d));
            let constant = factor.constant_message(edge.port, layout);
            let vacuous = || Message::vacuous(layout.clone());
            let extrinsic = Extrinsic::new(layout.columns());
            divisions.push(Division { candidate: vacuous(), extrinsic });
            edges.push(EdgeState {
                constant: constant.is_some(),
                updated: constant.is_some(),
                version: u64::from(constant.is_some()),
                message: constant.unwrap_or_else(vacuous),
                memory,
                cavity: (variable.edges.len() > 2).then(vacuous),
                damping,
            });
        }
        let mut factors = Vec::with_capacity(graph.factor_nodes().len());
        for (f, node) in graph.factor_nodes().iter().enumerate() {
            let layouts = graph.layouts_of(f);
            factors.push(FactorState {
                learns: !node.factor.learning().is_empty(),
                recurrent: graph.is_recurrent(f),
                learned: None,
                workspace: node.factor.workspace(&layouts).map_err(|reason| (f, reason))?,
                wanted: vec![false; layouts.len()],
                computed_at: vec![None; layouts.len()],
                beliefs: layouts.into_iter().map(Belief::new).collect(),
            });
        }
        let layouts = || graph.variable_nodes().iter().map(|v| v.layout.clone());
        let vacuous = layouts().map(Message::vacuous).collect();
        let products = layouts().map(|_| None).collect();
        let fields = layouts().map(|_| None).collect();
        let scales = vec![Scale::default(); graph.variable_nodes().len()];
        let saved = || {
            let parts = edges.iter().map(|e| (&e.message, &e.memory));
            Saved::new(parts, graph.factor_nodes().len(), graph.variable_nodes().len())
        };
        let saved = [saved(), saved()];
        let field_version = 0;
        Ok(Self {
            edges,
            divisions,
            factors,
            vacuous,
            fields,
            field_version,
            products,
            scales,
            saved,
        })
    }

    /// Adds `sum_i h_i . x_i` to a variable's log-density, in place of the field it had.
    pub(super) fn set_field(&mut self, graph: &Graph, variable: usize, field: &Rows) {
        let Variable { layout, edges, .. } = &graph.variable_nodes()[variable];
        let vacuous = || Message::vacuous(layout.clone());
        self.fields[variable].get_or_insert_with(vacuous).parts_mut().0.copy_from(field);
        for &e in edges {
            self.edges[e].cavity.get_or_insert_with(vacuous);
        }
        self.field_version += 1;
    }

    /// Where the run stands.
    pub(super) fn place(&self) -> Place {
        let of = |e: &EdgeState| (e.message.clone(), e.memory.clone(), e.damping);
        Place { edges: self.edges.iter().map(of).collect() }
    }

    /// Goes back to a place.
    pub(super) fn return_to(&mut self, place: &Place) {
        let edges = self.edges.iter_mut().zip(&place.edges);
        for (edge, (message, memory, damping)) in edges.filter(|(e, _)| !e.constant) {
            edge.message.copy_from(message);
            edge.memory.copy_from(memory);
            edge.damping = *damping;
            edge.version += 1;
        }
    }

    /// Whether factors learn from now on; what they have learned they keep.
    pub(super) fn set_learning(&mut self, graph: &Graph, learning: bool) {
        for (state, node) in self.factors.iter_mut().zip(graph.factor_nodes()) {
            state.learns = learning && !node.factor.learning().is_empty();
        }
    }

    /// The parameters that a factor learns, with their current values.
    pub(super) fn parameters(&self, graph: &Graph, factor: usize) -> Vec<Parameter> {
        match &self.factors[factor].learned {
            Some(learned) => learned.learning(),
            None => graph.factor_nodes()[factor].factor.learning(),
        }
    }

    /// Lets all factors that learn fit their parameters to their cavities.
    ///
    /// # Errors
    /// The factor that failed, and why.
    pub(super) fn learn(&mut self, graph: &Graph) -> Result<(), (usize, Breakdown)> {
        for factor in
            (0..self.factors.len()).filter(|&f| self.factors[f].learns).collect::<Vec<_>>()
        {
            let asked = |own: &dyn Factor, cavities: &[Cavity<'_>], parts: Parts<'_>| {
                own.learned(cavities, &mut **parts.workspace)
            };
            let learned = self.ask(graph, factor, asked).map_err(|reason| (factor, reason))?;
            let own = &mut self.factors[factor];
            if learned.is_some() {
                own.learned = learned;
                own.computed_at.fill(None);
            }
        }
        Ok(())
    }

    /// Whether a factor with one port has never said anything, and is told nothing.
    pub(super) fn is_untold(&mut self, graph: &Graph, factor: usize) -> bool {
        let node = &graph.factor_nodes()[factor];
        let e = node.first_edge;
        node.ports.len() == 1
            && !self.edges[e].updated
            && self.form_cavity(graph, e).is_ok()
            && cavity(graph, &self.edges, &self.vacuous, e).precision().is_zero()
    }

    /// Computes a factor's beliefs at the wanted ports, unless nothing has changed since they were computed.
    pub(super) fn beliefs(
        &mut self,
        graph: &Graph,
        factor: usize,
        ports: &[usize],
    ) -> Result<(), Breakdown> {
        let node = &graph.factor_nodes()[factor];
        let edges = node.first_edge..node.first_edge + node.ports.len();
        let own = |e: usize| if self.factors[factor].recurrent { self.edges[e].version } else { 0 };
        let now = edges.clone().map(|e| self.cavity_version(graph, e) + own(e)).sum();
        let fresh = |p: &usize| self.factors[factor].computed_at[*p] == Some(now);
        if ports.iter().all(fresh) {
            return Ok(());
        }
        let result = self.ask(graph, factor, |own, cavities, parts| {
            parts.wanted.fill(false);
            for &p in ports {
                parts.wanted[p] = true;
                parts.beliefs[p].reset();
            }
            own.beliefs(cavities, parts.wanted, parts.beliefs, &mut **parts.workspace)
        });
        let own = &mut self.factors[factor];
        for &p in ports {
            own.computed_at[p] = None;
        }
        result?;
        for &p in ports {
            check_finite(&mut own.beliefs[p], p)?;
            if node.factor.estimation() == Estimation::Mmse {
                check_positive(&own.beliefs[p], p)?;
            }
            own.computed_at[p] = Some(now);
        }
        Ok(())
    }

    /// Forms a factor's cavities and asks it for something, with its buffers at hand.
    fn ask<T>(
        &mut self,
        graph: &Graph,
        factor: usize,
        question: impl FnOnce(&dyn Factor, &[Cavity<'_>], Parts<'_>) -> Result<T, Breakdown>,
    ) -> Result<T, Breakdown> {
        let node = &graph.factor_nodes()[factor];
        let edges = node.first_edge..node.first_edge + node.ports.len();
        for (port, e) in edges.clone().enumerate() {
            self.form_cavity(graph, e).map_err(|breakdown| breakdown.at_port(port))?;
        }
        // The factor's own state leaves `self` while the cavities borrow the messages.
        let own = &mut self.factors[factor];
        let recurrent = own.recurrent;
        let learned = own.learned.clone();
        let mut workspace = core::mem::replace(&mut own.workspace, Box::new(()));
        let mut beliefs = core::mem::take(&mut own.beliefs);
        let mut wanted = core::mem::take(&mut own.wanted);
        let told = |e: usize| Cavity {
            message: cavity(graph, &self.edges, &self.vacuous, e),
            version: self.cavity_version(graph, e),
        };
        let current = learned.as_deref().unwrap_or(&*node.factor);
        if recurrent {
            let own = &self.edges[edges.clone()];
            if own.len() <= INLINE_PORTS {
                let inline: [Sent<'_>; INLINE_PORTS] =
                    core::array::from_fn(|p| own[p.min(own.len() - 1)].sent());
                current.recall(&inline[..own.len()], &mut *workspace);
            } else {
                let list: Vec<Sent<'_>> = own.iter().map(EdgeState::sent).collect();
                current.recall(&list, &mut *workspace);
            }
        }
        let parts = Parts { workspace: &mut workspace, beliefs: &mut beliefs, wanted: &mut wanted };
        let count = edges.len();
        let result = if count <= INLINE_PORTS {
            let inline: [Cavity<'_>; INLINE_PORTS] =
                core::array::from_fn(|p| told(edges.start + p.min(count - 1)));
            question(current, &inline[..count], parts)
        } else {
            let list: Vec<Cavity<'_>> = edges.map(told).collect();
            question(current, &list, parts)
        };
        let own = &mut self.factors[factor];
        (own.workspace, own.beliefs, own.wanted) = (workspace, beliefs, wanted);
        result
    }

    /// The belief users should read: a row-wise factor's where there is one that computes, otherwise any
    /// computing factor's, otherwise the product of all messages.
    pub(super) fn variable_belief(
        &mut self,
        graph: &Graph,
        variable: usize,
    ) -> Result<&Belief, (usize, Breakdown)> {
        let edges = &graph.variable_nodes()[variable].edges;
        let Some(e) = reporter(graph, variable, |e| self.edges[e].constant) else {
            let factor = graph.edges()[edges[0]].factor;
            let belief = self.product_belief(graph, variable);
            return belief.map_err(|reason| (factor, reason));
        };
        let edge = graph.edges()[e];
        self.beliefs(graph, edge.factor, &[edge.port]).map_err(|r| (edge.factor, r))?;
        Ok(&self.factors[edge.factor].beliefs[edge.port])
    }

    fn cavity_version(&self, graph: &Graph, e: usize) -> u64 {
        let edges = &graph.variable_nodes()[graph.edges()[e].variable].edges;
        let others = edges.iter().filter(|&&o| o != e);
        self.field_version + others.map(|&o| self.edges[o].version).sum::<u64>()
    }

    fn form_cavity(&mut self, graph: &Graph, e: usize) -> Result<(), Breakdown> {
        let Some(mut product) = self.edges[e].cavity.take() else { return Ok(()) };
        let variable = &graph.variable_nodes()[graph.edges()[e].variable];
        product.clear();
        let mut result = Ok(());
        if let Some(field) = &self.fields[graph.edges()[e].variable] {
            product.copy_from(field);
        }
        for &o in variable.edges.iter().filter(|&&o| o != e) {
            result = result.and(product.multiply(&self.edges[o].message));
        }
        self.edges[e].cavity = Some(product);
        result.map_err(|error| Breakdown::Contradiction { port: 0, row: error.row })
    }

    /// The cavities of all ports, factor by factor; empty where messages contradict each other.
    pub(super) fn cavities(&mut self, graph: &Graph) -> Vec<Vec<Message>> {
        let of = |e: usize| {
            let formed = self.form_cavity(graph, e);
            let told = cavity(graph, &self.edges, &self.vacuous, e);
            if formed.is_ok() { told.clone() } else { Message::vacuous(told.layout().clone()) }
        };
        let edges = |node: &FactorNode| node.first_edge..node.first_edge + node.ports.len();
        let mut edge = of;
        graph.factor_nodes().iter().map(|node| edges(node).map(&mut edge).collect()).collect()
    }

    /// The product of all messages about a variable.
    pub(super) fn product_belief(
        &mut self,
        graph: &Graph,
        variable: usize,
    ) -> Result<&Belief, Breakdown> {
        let product = self.product(graph, variable)?;
        let belief = gaussian_belief(&product, &graph.variable_nodes()[variable].layout)?;
        Ok(self.products[variable].insert(belief))
    }

    /// The product of all messages about a variable, as a message.
    pub(crate) fn product(&self, graph: &Graph, variable: usize) -> Result<Message, Breakdown> {
        let node = &graph.variable_nodes()[variable];
        let mut product = Message::vacuous(node.layout.clone());
        if let Some(field) = &self.fields[variable] {
            product.copy_from(field);
        }
        for &e in &node.edges {
            product
                .multiply(&self.edges[e].message)
                .map_err(|error| Breakdown::Contradiction { port: 0, row: error.row })?;
        }
        Ok(product)
    }

    /// Forms the messages about a variable that a run has left out, where the others leave one of its rows open.
    pub(crate) fn complete(&mut self, graph: &Graph, variable: usize) -> Result<(), Breakdown> {
        let unsent = |e: &usize| !self.edges[*e].updated && !self.edges[*e].constant;
        let edges: Vec<usize> =
            graph.variable_nodes()[variable].edges.iter().copied().filter(unsent).collect();
        if edges.is_empty() || self.product_belief(graph, variable).is_ok() {
            return Ok(());
        }
        for e in edges {
            let (factor, port) = (graph.edges()[e].factor, graph.edges()[e].port);
            self.beliefs(graph, factor, &[port])?;
            let Self { edges, divisions, factors, vacuous, .. } = self;
            let Division { candidate, extrinsic } = &mut divisions[e];
            let belief = &factors[factor].beliefs[port];
            let told = cavity(graph, edges, vacuous, e);
            extrinsic.divide(belief, told, &Options::default(), candidate)?;
            core::mem::swap(&mut edges[e].message, candidate);
            edges[e].version += 1;
        }
        Ok(())
    }

    /// A factor's log-partition function under its cavities.
    pub(crate) fn log_partition(
        &mut self,
        graph: &Graph,
        factor: usize,
        estimation: Estimation,
    ) -> Result<f64, PartitionError> {
        self.ask(graph, factor, |own, cavities, parts| {
            Ok(own.log_partition(cavities, estimation, &mut **parts.workspace))
        })?
    }

    /// The message of an edge.
    pub(crate) fn message(&self, edge: usize) -> &Message {
        &self.edges[edge].message
    }
}

/// The edge whose belief users should read: a row-wise factor's where there is one that computes, otherwise any
/// computing factor's; none when all messages are constant.
pub(crate) fn reporter(
    graph: &Graph,
    variable: usize,
    constant: impl Fn(usize) -> bool,
) -> Option<usize> {
    let computing = || {
        let edges = graph.variable_nodes()[variable].edges.iter().copied();
        edges.filter(|&e| !constant(e))
    };
    let informative = |&e: &usize| {
        let factor = &graph.factor_nodes()[graph.edges()[e].factor].factor;
        factor.informative()
    };
    computing().find(informative).or_else(|| computing().next())
}

/// The product of all messages into edge `e`'s variable but its own, as last formed.
pub(super) fn cavity<'a>(
    graph: &Graph,
    edges: &'a [EdgeState],
    vacuous: &'a [Message],
    e: usize,
) -> &'a Message {
    let variable = graph.edges()[e].variable;
    match (&edges[e].cavity, &graph.variable_nodes()[variable].edges[..]) {
        (Some(product), _) => product,
        (None, [a, b]) => &edges[if *a == e { *b } else { *a }].message,
        (None, _) => &vacuous[variable],
    }
}
