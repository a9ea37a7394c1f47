//! What a model can't tell apart decides where its recursion stays unless it is told: signs, and the order of columns.

mod probes;

use core::fmt;

use self::probes::{even_channel, odd_channel, symmetric_likelihood, symmetric_prior};
use super::Evolution;
use super::error::Warning;
use super::law::MessageLaw;
use super::truth::{Anatomy, anatomy, given};

/// A change of a variable that makes no difference to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Symmetry {
    /// Another sign of the variable, or of one of its columns.
    Sign,
    /// Two of its columns exchanged.
    Columns,
}

impl fmt::Display for Symmetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sign => "the sign",
            Self::Columns => "the order of columns",
        })
    }
}

/// Columns in another order and with other signs: entry `j` of `x T` is `signs[j] x[sources[j]]`.
#[derive(Debug)]
struct Turn {
    sources: Vec<usize>,
    signs: Vec<f64>,
}

impl Turn {
    fn identity(d: usize) -> Self {
        Self { sources: (0..d).collect(), signs: vec![1.0; d] }
    }

    /// The turns of a kind, each of which undoes itself.
    fn all(symmetry: Symmetry, d: usize) -> Vec<Self> {
        match symmetry {
            Symmetry::Sign => {
                let mut turns: Vec<Self> = (0..d).map(|_| Self::identity(d)).collect();
                turns.iter_mut().enumerate().for_each(|(j, turn)| turn.signs[j] = -1.0);
                if d > 1 {
                    turns.push(Self { signs: vec![-1.0; d], ..Self::identity(d) });
                }
                turns
            }
            Symmetry::Columns => {
                let pairs = (0..d).flat_map(|j| (0..j).map(move |k| (j, k)));
                let swapped = |(j, k): (usize, usize)| {
                    let mut turn = Self::identity(d);
                    turn.sources.swap(j, k);
                    turn
                };
                pairs.map(swapped).collect()
            }
        }
    }

    fn columns(&self) -> usize {
        self.signs.len()
    }

    /// Whether it turns all columns round, which is all that an operator on entries passes on.
    fn is_whole(&self) -> bool {
        self.signs.iter().all(|s| *s < 0.0)
    }

    fn apply(&self, row: &[f64]) -> Vec<f64> {
        self.sources.iter().zip(&self.signs).map(|(k, s)| s * row[*k]).collect()
    }

    /// Whether rows stay what they are.
    fn keeps(&self, rows: &[f64]) -> bool {
        let same =
            |row: &[f64]| self.apply(row).iter().zip(row).all(|(a, b)| !((a - b).abs() > 0.0));
        rows.chunks_exact(self.columns()).all(same)
    }
}

/// The symmetries of variables with a prior that no start breaks.
///
/// A model that doesn't change when a variable `X` is turned to `X T`, and with it all that follow it in the same way, has
/// estimates that don't change either while messages don't: at `M T = M`, `c T = c`. The truth that the sign or the order of columns
/// picks isn't seen from there. What is asked is whether priors, likelihoods and channels themselves do the same
/// after the turn.
pub(super) fn unbroken(evolution: &Evolution<'_>) -> Vec<Warning> {
    let graph = evolution.graph;
    let mut warnings = Vec::new();
    for (v, node) in graph.variable_nodes().iter().enumerate() {
        let has_prior =
            |&e: &usize| matches!(anatomy(graph, graph.edges()[e].factor), Some(Anatomy::Prior(_)));
        if !node.edges.iter().any(has_prior) {
            continue;
        }
        for symmetry in [Symmetry::Sign, Symmetry::Columns] {
            let unseen = |turn: &Turn| {
                turned_with(evolution, v, turn).is_some_and(|all| !informed(evolution, &all, turn))
            };
            if Turn::all(symmetry, node.layout.columns()).iter().any(unseen) {
                warnings.push(Warning::Symmetric { variable: node.name.clone(), symmetry });
            }
        }
    }
    warnings
}

/// Whether a start tells the turned variables from what they were.
fn informed(evolution: &Evolution<'_>, turned: &[bool], turn: &Turn) -> bool {
    let graph = evolution.graph;
    evolution.starts.iter().any(|(factor, port, law): &(_, usize, MessageLaw)| {
        let variable = graph.edges()[graph.edge(factor.index(), *port)].variable;
        turned[variable] && !(turn.keeps(law.signal()) && turn.keeps(law.offset()))
    })
}

/// The variables that turn together with `variable` and leave the model as it is; `None` where something sees the turn, or
/// nothing is there that could.
fn turned_with(evolution: &Evolution<'_>, variable: usize, turn: &Turn) -> Option<Vec<bool>> {
    let graph = evolution.graph;
    let mut turned = vec![false; graph.variable_nodes().len()];
    let (mut stack, mut observed) = (vec![variable], false);
    while let Some(v) = stack.pop() {
        if core::mem::replace(&mut turned[v], true) {
            continue;
        }
        let node = &graph.variable_nodes()[v];
        if node.layout.columns() != turn.columns() {
            return None;
        }
        for edge in node.edges.iter().map(|&e| graph.edges()[e]) {
            let factor = &graph.factor_nodes()[edge.factor];
            let others = (0..factor.ports.len())
                .map(|port| graph.edges()[factor.first_edge + port].variable)
                .filter(|o| *o != v);
            match anatomy(graph, edge.factor)? {
                Anatomy::Prior(prior) => {
                    if !symmetric_prior(prior, node.layout.rows(), turn) {
                        return None;
                    }
                }
                Anatomy::Likelihood(likelihood) => {
                    observed = true;
                    let own = given(&evolution.likelihoods, edge.factor).map(|law| &**law);
                    if !symmetric_likelihood(likelihood, own, node.layout.rows(), turn) {
                        return None;
                    }
                }
                Anatomy::Channel(channel) => {
                    observed = true;
                    if edge.port == 0 && even_channel(channel, turn) {
                        continue;
                    }
                    if !odd_channel(channel, turn) {
                        return None;
                    }
                    stack.extend(others);
                }
                Anatomy::Linear(linear) => {
                    if !linear.bias().is_none_or(|bias| turn.keeps(bias)) {
                        return None;
                    }
                    stack.extend(others);
                }
                Anatomy::Entries(_) => {
                    if !turn.is_whole() {
                        return None;
                    }
                    stack.extend(others);
                }
                Anatomy::LowRank(_) => {
                    observed = true;
                    stack.extend(others);
                }
            }
        }
    }
    observed.then_some(turned)
}
