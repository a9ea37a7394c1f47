//! The recursion: message laws through the schedule, division, projection and damping of the run they predict.

use super::Evolution;
use super::check::check;
use super::echo::Echo;
use super::edge::{Edge, echo_of};
use super::error::EvolutionError;
use super::evidence;
use super::law::MessageLaw;
use super::node::Node;
use super::port::matched_law;
use super::prediction::{
    EstimateLaw, MessagePrediction, PredictedStatus, Prediction, Samples, SweepPrediction,
};
use super::truth::{Anatomy, Moments, Nodes, Setup, anatomy, given};
use super::warning::narrows_nothing;
use crate::denoiser::Estimation;
use crate::factor::{Breakdown, Role};
use crate::graph::{FactorId, Graph, VariableId};
use crate::inference::{Extrinsic, Options, prune, reporter};
use crate::message::small::{self, larger};
use crate::message::{ColumnForm, Message, Policy};
use crate::schedule::Update;

struct State<'g> {
    graph: &'g Graph,
    options: Options,
    nodes: Vec<Node<'g>>,
    moments: Vec<Moments>,
    edges: Vec<Edge>,
    /// Whether the noises of several sweeps are followed together.
    joint: bool,
    matched: bool,
    /// Whether a factor has been told nothing new since its beliefs were computed.
    fresh: Vec<bool>,
    /// Variables between two factors that can be told what they have sent themselves.
    echoes: Vec<bool>,
    /// Whether a sweep has been completed.
    swept: bool,
    /// The first factor that had nothing to say before that.
    silent: Option<usize>,
}

/// A step that failed, and at which factor.
struct Failure {
    factor: usize,
    reason: Breakdown,
}

pub(super) fn run(evolution: &Evolution<'_>) -> Result<Prediction, EvolutionError> {
    check(evolution)?;
    let mut state = State::new(evolution)?;
    let graph = evolution.graph;
    let constant: Vec<bool> = state.edges.iter().map(|e| e.constant).collect();
    let (mut start, sweep) = prune(graph, evolution.options.schedule.resolve(graph)?, &constant);
    for (factor, port, _) in &evolution.starts {
        for update in start.iter_mut().filter(|u| u.factor == *factor) {
            update.ports.retain(|p| p != port);
        }
    }
    start.retain(|update| !update.ports.is_empty());
    let followed = followed(evolution);
    let mut sweeps: Vec<SweepPrediction> = Vec::new();
    let mut status = PredictedStatus::SweepLimit;
    if let Err(failure) = start.iter().try_for_each(|u| state.update(u, &mut Vec::new())) {
        status = state.broken(&failure, 0);
    } else {
        for number in 1..=evolution.options.max_sweeps {
            let mut messages = Vec::new();
            if let Err(failure) = sweep.iter().try_for_each(|u| state.update(u, &mut messages)) {
                status = state.broken(&failure, number);
                break;
            }
            state.swept = true;
            let change = messages.iter().map(|m| m.change).fold(0.0, larger);
            let estimates: Vec<Option<EstimateLaw>> = (0..followed.len())
                .map(|v| followed[v].then(|| state.estimate(v).ok()).flatten())
                .collect();
            let mut wanted = estimates.iter().zip(&followed).filter(|(_, f)| **f).peekable();
            let exact = wanted.peek().is_some()
                && wanted.all(|(e, _)| e.as_ref().is_some_and(|law| law.nmse() <= evolution.exact));
            sweeps.push(SweepPrediction { sweep: number, change, messages, estimates });
            if change < evolution.tolerance || exact || sweep.is_empty() {
                status = PredictedStatus::FixedPoint;
                break;
            }
        }
    }
    let evidence = match status {
        PredictedStatus::Breakdown { .. } | PredictedStatus::StartNeeded { .. } => None,
        _ if evolution.evidence => {
            let laws: Vec<&MessageLaw> = state.edges.iter().map(|e| &e.law).collect();
            Some(evidence::expected(evolution, &laws)?)
        }
        _ => None,
    };
    let variables = 0..graph.variable_nodes().len();
    let last = variables.clone().map(|v| state.estimate(v).ok()).collect();
    let draw = |v| if evolution.samples { state.samples(v) } else { None };
    let samples = variables.map(draw).collect();
    Ok(Prediction { status, sweeps, last, samples, evidence, matched: state.matched })
}

/// Variables whose estimates are followed: those of priors and those asked for.
fn followed(evolution: &Evolution<'_>) -> Vec<bool> {
    let graph = evolution.graph;
    let mut followed = vec![false; graph.variable_nodes().len()];
    for edge in graph.edges() {
        followed[edge.variable] |= matches!(anatomy(graph, edge.factor), Some(Anatomy::Prior(_)));
    }
    for variable in &evolution.followed {
        followed[variable.index()] = true;
    }
    followed
}

impl<'g> State<'g> {
    fn new(evolution: &Evolution<'g>) -> Result<Self, EvolutionError> {
        let joint = evolution.is_joint();
        let mut matched = !joint && is_matched(evolution);
        let mut setup = Setup::nodes(evolution, matched)?;
        if matched && !starts_are_matched(evolution, &setup.moments) {
            matched = false;
            setup = Setup::nodes(evolution, matched)?;
        }
        let Nodes { nodes, moments } = setup;
        let (graph, options) = (evolution.graph, evolution.options.clone());
        let mut edges = Vec::with_capacity(graph.edges().len());
        for edge in graph.edges() {
            let d = graph.variable_nodes()[edge.variable].layout.columns();
            let law = constant_law(evolution, &nodes, edge.factor)?;
            let constant = law.is_some();
            let law = law.unwrap_or_else(|| MessageLaw::vacuous(d));
            let own =
                |(f, p, _): &&(FactorId, usize, f64)| f.index() == edge.factor && *p == edge.port;
            let damping = options.port_damping.iter().rev().find(own).map(|d| d.2);
            edges.push(Edge {
                noises: vec![law.noise.clone()],
                cross: vec![Vec::new()],
                law,
                version: 0,
                constant,
                updated: constant,
                damping: damping.unwrap_or(options.damping),
                extrinsic: Extrinsic::new(d),
                told: Vec::new(),
                echo: Echo::default(),
            });
        }
        let fresh = vec![false; nodes.len()];
        let hears = |e: &usize| nodes[graph.edges()[*e].factor].hears_echoes();
        let between = |edges: &[usize]| joint && edges.len() == 2 && edges.iter().all(hears);
        let echoes = graph.variable_nodes().iter().map(|v| between(&v.edges)).collect();
        let mut state = Self {
            graph,
            options,
            nodes,
            moments,
            edges,
            joint,
            matched,
            fresh,
            echoes,
            swept: false,
            silent: None,
        };
        state.start(evolution)?;
        Ok(state)
    }

    /// Sets the messages that the recursion starts from; where versions are followed jointly, also their rows.
    fn start(&mut self, evolution: &Evolution<'_>) -> Result<(), EvolutionError> {
        for (factor, port, law) in &evolution.starts {
            let edge = &mut self.edges[self.graph.edge(factor.index(), *port)];
            if edge.constant {
                let factor = self.graph.factor_name(*factor).to_owned();
                return Err(EvolutionError::Misplaced { factor, what: "a start" });
            }
            edge.law = law.clone();
            edge.noises = vec![law.noise.clone()];
            edge.updated = true;
            if !self.joint {
                self.nodes[factor.index()].sent(*port, law);
            }
        }
        if self.joint {
            for (e, edge) in self.graph.edges().iter().enumerate() {
                let node = &mut self.nodes[edge.factor];
                let message = if self.edges[e].updated && !self.edges[e].constant {
                    node.message(edge.port, &self.edges[e].law)
                } else {
                    Message::vacuous(node.port(edge.port).layout())
                };
                let port = node.port_mut(edge.port);
                let (_, noise) = port.law_of(&message);
                port.remember(noise);
                port.sent = Some(message);
            }
        }
        Ok(())
    }

    /// Brings a factor's beliefs up to date.
    fn refresh(&mut self, factor: usize) -> Result<(), Failure> {
        let failed = |reason| Failure { factor, reason };
        let node = &self.graph.factor_nodes()[factor];
        for port in 0..node.ports.len() {
            let e = node.first_edge + port;
            let variable = &self.graph.variable_nodes()[self.graph.edges()[e].variable];
            let others: Vec<usize> = variable.edges.iter().copied().filter(|&o| o != e).collect();
            let versions: Vec<usize> = others.iter().map(|&o| self.edges[o].version).collect();
            if self.edges[e].told.last() == Some(&versions) {
                continue;
            }
            let mut law = MessageLaw::vacuous(variable.layout.columns());
            others.iter().for_each(|&o| law.multiply(&self.edges[o].law));
            let cross = self.joint.then(|| {
                let with = |old: &Vec<usize>| self.cross(&others, old, &versions);
                self.edges[e].told.iter().map(with).collect::<Vec<_>>()
            });
            if !self.joint {
                self.edges[e].told.clear();
            }
            self.edges[e].told.push(versions);
            let echo = match &others[..] {
                [other] if !self.edges[*other].echo.is_empty() => {
                    let other = &self.edges[*other];
                    law.noise.clone_from(&other.noises[other.version]);
                    let sent = self.nodes[factor].port(port);
                    other.echo.rows(|t| sent.noise(other.told[t][0]))
                }
                _ => None,
            };
            self.nodes[factor].tell(port, &law, cross.as_deref(), echo.as_ref());
            self.fresh[factor] = false;
        }
        if !self.fresh[factor] {
            self.nodes[factor].beliefs().map_err(failed)?;
            self.fresh[factor] = true;
        }
        Ok(())
    }

    /// Whether a factor with one port has never said anything, and is told nothing.
    fn is_untold(&self, factor: usize) -> bool {
        let node = &self.graph.factor_nodes()[factor];
        let e = node.first_edge;
        let edges = &self.graph.variable_nodes()[self.graph.edges()[e].variable].edges;
        let silent = |o: &usize| self.edges[*o].law.precision().iter().all(|p| *p == 0.0);
        node.ports.len() == 1
            && !self.edges[e].updated
            && edges.iter().filter(|o| **o != e).all(silent)
    }

    /// `E[p_old' p_new]` of the product of several messages at two times.
    fn cross(&self, edges: &[usize], old: &[usize], new: &[usize]) -> Vec<f64> {
        let mut sum: Vec<f64> = Vec::new();
        for (&e, (&s, &t)) in edges.iter().zip(old.iter().zip(new)) {
            let edge = &self.edges[e];
            let term = if s == t { &edge.noises[t] } else { &edge.cross[t][s] };
            sum.resize(term.len(), 0.0);
            sum.iter_mut().zip(term).for_each(|(a, b)| *a += b);
        }
        sum
    }

    fn update(
        &mut self,
        update: &Update,
        messages: &mut Vec<MessagePrediction>,
    ) -> Result<(), Failure> {
        let factor = update.factor.index();
        // As in a run: see `Graph::infer`.
        let untold = !self.swept && self.is_untold(factor);
        match self.update_told(update, messages) {
            Err(failure) if untold && failure.reason.is_for_want_of_news() => {
                self.silent.get_or_insert(factor);
                Ok(())
            }
            result => result,
        }
    }

    /// How the recursion ends here.
    fn broken(&self, failure: &Failure, sweep: usize) -> PredictedStatus {
        let name = |factor: usize| self.graph.factor_nodes()[factor].name.clone();
        let &Failure { factor, reason } = failure;
        let silent = if self.swept { None } else { self.silent };
        match reason.owed_to(silent, factor) {
            Some(silent) => {
                PredictedStatus::StartNeeded { silent: name(silent), factor: name(factor) }
            }
            None => PredictedStatus::Breakdown { factor: name(factor), sweep, reason },
        }
    }

    fn update_told(
        &mut self,
        update: &Update,
        messages: &mut Vec<MessagePrediction>,
    ) -> Result<(), Failure> {
        let factor = update.factor.index();
        self.refresh(factor)?;
        for &port in &update.ports {
            let sent = self.send(factor, port);
            messages.push(sent.map_err(|reason| Failure { factor, reason })?);
        }
        Ok(())
    }

    /// Divides the belief by its cavity on the rows, damps, and takes the law of what comes out.
    fn send(&mut self, factor: usize, port: usize) -> Result<MessagePrediction, Breakdown> {
        let e = self.graph.edge(factor, port);
        let variable = self.graph.edges()[e].variable;
        let (node, edge) = (&mut self.nodes[factor], &mut self.edges[e]);
        let at = node.port(port);
        let mut message = Message::vacuous(at.layout());
        edge.extrinsic
            .divide(&at.belief, &at.cavity, &self.options, &mut message)
            .map_err(|b| b.at_port(port))?;
        if let Some(row) = message.first_non_finite() {
            return Err(Breakdown::NotFinite { port, row });
        }
        let counts = edge.extrinsic.counts;
        let law = if self.matched {
            let precision = message.precision().block(0);
            true_as_claimed(self.graph, &self.moments, (factor, port), precision)
        } else {
            node.finish(port, at.law_of(&message).0)
        };
        // As in a run: a factor that is told the answer adds nothing to it.
        let (covariance, negligible) = (at.belief.covariances(), self.options.negligible);
        let precisions = [edge.law.precision(), message.precision().block(0)];
        let moment = || small::trace(&self.moments[variable].second, at.d);
        let kept = edge.extrinsic.keeps(covariance, moment, precisions, negligible);
        let law = if kept { edge.law.clone() } else { law };
        let change = law.distance(&edge.law);
        // What is divided by another covariance than the belief's isn't free of the cavity.
        let limited = counts.clamped + counts.bounded;
        let held = self.echoes[variable] && limited > 0 && counts.dropped == 0;
        let maximises = self.graph.factor_nodes()[factor].factor.estimation() == Estimation::Map;
        let measured = self.echoes[variable] && maximises && at.belief.standard_error() > 0.0;
        let law = if !self.joint {
            // Weights below one are those of a fixed point that is looked for.
            if edge.updated { law.damped(&edge.law, edge.damping) } else { law }
        } else {
            let echo = echo_of(node, edge, port, &message, [measured, held]);
            let law = edge.send(node, port, (!kept).then_some((message, echo)));
            node.finish(port, law)
        };
        if !self.joint {
            node.sent(port, &law);
        }
        self.fresh[factor] &= !node.is_recurrent();
        edge.law = law.clone();
        edge.version += 1;
        edge.updated = true;
        let dropped = counts.dropped;
        let (factor, variable) = (FactorId(factor), VariableId(variable));
        Ok(MessagePrediction { factor, port, variable, law, change, dropped, limited, kept })
    }

    fn reporter(&self, variable: usize) -> Option<usize> {
        reporter(self.graph, variable, |e| self.edges[e].constant)
    }

    /// Draws of truth, cavity mean and estimate.
    fn samples(&mut self, variable: usize) -> Option<Samples> {
        let edge = self.graph.edges()[self.reporter(variable)?];
        self.refresh(edge.factor).ok()?;
        self.nodes[edge.factor].samples(edge.port)
    }

    /// The law of the estimate that users of a run read.
    fn estimate(&mut self, variable: usize) -> Result<EstimateLaw, ()> {
        let Some(e) = self.reporter(variable) else {
            // All that is known is Gaussian from the start.
            let mut product = MessageLaw::vacuous(self.moments[variable].mean.len());
            let edges = &self.graph.variable_nodes()[variable].edges;
            edges.iter().for_each(|&e| product.multiply(&self.edges[e].law));
            let moments = &self.moments[variable];
            return product.estimate(&moments.mean, &moments.second).ok_or(());
        };
        let edge = self.graph.edges()[e];
        self.refresh(edge.factor).map_err(|_| ())?;
        let mut law = self.nodes[edge.factor].estimate(edge.port);
        if self.matched {
            law.truth.copy_from_slice(&self.moments[variable].second);
            // A posterior mean errs as it claims to, and is the truth less its error.
            law.error.copy_from_slice(&law.covariance);
            for k in 0..law.error.len() {
                law.overlap[k] = law.truth[k] - law.error[k];
            }
            law.estimate.copy_from_slice(&law.overlap);
        }
        Ok(law)
    }
}

/// The law of a factor's message where it doesn't depend on the cavity.
fn constant_law(
    evolution: &Evolution<'_>,
    nodes: &[Node<'_>],
    factor: usize,
) -> Result<Option<MessageLaw>, EvolutionError> {
    let graph = evolution.graph;
    let Node::Rowwise(node) = &nodes[factor] else { return Ok(None) };
    if node.is_known() {
        let factor = graph.factor_nodes()[factor].name.clone();
        return Err(EvolutionError::Known { factor });
    }
    let Some(message) = node.gaussian_message() else { return Ok(None) };
    let own = given(&evolution.likelihoods, factor).is_some();
    let mmse = graph.factor_nodes()[factor].factor.estimation() == Estimation::Mmse;
    if !own && mmse && matches!(anatomy(graph, factor), Some(Anatomy::Likelihood(_))) {
        // Exact: the data of a Gaussian are the truth and noise of the precision it assumes.
        let d = message.layout().columns();
        return Ok(Some(matched_law(message.precision().block(0), None, d)));
    }
    Ok(Some(node.ports[0].law_of(&message).0))
}

/// The law of a message over an edge where what it claims is true.
fn true_as_claimed(
    graph: &Graph,
    moments: &[Moments],
    (factor, port): (usize, usize),
    precision: &[f64],
) -> MessageLaw {
    let moments = &moments[graph.edges()[graph.edge(factor, port)].variable];
    let covariance = moments.covariance();
    let produced = graph.factor_nodes()[factor].ports[port].role == Role::Produced;
    let prior = produced.then_some((&moments.mean[..], &covariance[..]));
    matched_law(precision, prior, moments.mean.len())
}

/// Whether the recursion starts from messages that are what they claim.
fn starts_are_matched(evolution: &Evolution<'_>, moments: &[Moments]) -> bool {
    /// Rounding of a law that was made of a truth's moments.
    const ROUNDING: f64 = 1e-10;
    evolution.starts.iter().all(|(factor, port, law)| {
        let at = (factor.index(), *port);
        true_as_claimed(evolution.graph, moments, at, law.precision()).distance(law) < ROUNDING
    })
}

/// Whether messages are what they claim, once those that the recursion starts from are: posterior means under the true laws,
/// and nothing else set from outside.
fn is_matched(evolution: &Evolution<'_>) -> bool {
    let graph = evolution.graph;
    let as_assumed = evolution.laws.is_empty()
        && evolution.likelihoods.is_empty()
        && evolution.channels.is_empty()
        && evolution.moments.is_empty()
        && evolution.noises.is_empty();
    // A narrower form than the covariance's own, a clamp or a bound makes a message other than what it claims.
    let exact = graph
        .variable_nodes()
        .iter()
        .enumerate()
        .all(|(v, node)| node.layout.form() == ColumnForm::Full || narrows_nothing(graph, v));
    let (options, usual) = (&evolution.options, Options::default());
    let unclamped = options.policy == Policy::Project
        && options.alpha_min <= usual.alpha_min
        && options.alpha_max >= usual.alpha_max;
    let mmse = |f: usize| {
        let law = match anatomy(graph, f) {
            Some(Anatomy::Prior(denoiser)) => denoiser.row_law(0).is_some(),
            _ => true,
        };
        law && graph.factor_nodes()[f].factor.estimation() == Estimation::Mmse
    };
    !evolution.general
        && as_assumed
        && exact
        && unclamped
        && (0..graph.factor_nodes().len()).all(mmse)
}
