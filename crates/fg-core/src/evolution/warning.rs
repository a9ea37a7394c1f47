//! Which assumptions of state evolution a graph doesn't meet.

use super::Evolution;
use super::error::Warning;
use super::shared_basis::shared_bases;
use super::symmetry::unbroken;
use super::truth::{Anatomy, anatomy, given};
use crate::graph::Graph;
use crate::message::{ColumnForm, Policy};

/// All assumptions that don't hold.
pub(super) fn warnings(evolution: &Evolution<'_>) -> Vec<Warning> {
    let graph = evolution.graph;
    let own = |f: usize| {
        given(&evolution.laws, f).is_some() || given(&evolution.likelihoods, f).is_some()
    };
    let gaussian = |f: usize| is_gaussian(graph, f) && !own(f);
    let mut warnings = Vec::new();
    for (v, node) in graph.variable_nodes().iter().enumerate() {
        let rowwise = node.edges.iter().filter(|&&e| !gaussian(graph.edges()[e].factor));
        if rowwise.count() > 1 {
            warnings.push(Warning::SharedVariable { variable: node.name.clone() });
        }
        if node.layout.form() != ColumnForm::Full && !narrows_nothing(graph, v) {
            warnings.push(Warning::NarrowForm { variable: node.name.clone() });
        }
        if on_a_loop(graph, v) {
            warnings.push(Warning::Loop { variable: node.name.clone() });
        }
    }
    for (f, node) in graph.factor_nodes().iter().enumerate() {
        if let Some(Anatomy::Prior(denoiser)) = anatomy(graph, f)
            && !denoiser.separable()
        {
            warnings.push(Warning::NotSeparable { factor: node.name.clone() });
        }
    }
    if evolution.options.policy == Policy::Fixed {
        warnings.push(Warning::FixedPrecisions);
    }
    warnings.extend(shared_bases(graph));
    warnings.extend(unbroken(evolution));
    warnings
}

/// Whether a variable's messages lose nothing that matters by a form that isn't full: of one column, or read by operators on
/// entries alone, which see no more than an isotropic message holds.
pub(super) fn narrows_nothing(graph: &Graph, variable: usize) -> bool {
    let node = &graph.variable_nodes()[variable];
    if node.layout.columns() == 1 {
        return true;
    }
    let kinds = || node.edges.iter().map(|&e| anatomy(graph, graph.edges()[e].factor));
    kinds().any(|kind| matches!(kind, Some(Anatomy::Entries(_))))
        && !kinds().any(|kind| matches!(kind, None | Some(Anatomy::Linear(_))))
}

/// Whether a factor's messages are Gaussian sums over many rows, or it is Gaussian in its variable whatever its data.
fn is_gaussian(graph: &Graph, factor: usize) -> bool {
    let node = &graph.factor_nodes()[factor];
    let columns = |port: usize| graph.layouts_of(factor)[port].columns();
    match anatomy(graph, factor) {
        Some(Anatomy::Linear(_) | Anatomy::Entries(_) | Anatomy::LowRank(_)) => true,
        Some(Anatomy::Prior(denoiser)) => {
            let rows = denoiser.rows().unwrap_or(1);
            (0..rows).all(|i| denoiser.gaussian(i, columns(0)).is_some())
        }
        Some(Anatomy::Likelihood(factor)) => {
            let likelihood = factor.likelihood();
            likelihood.gaussian(&vec![0.0; likelihood.outputs(columns(0))]).is_some()
        }
        Some(Anatomy::Channel(_)) => false,
        None => node.ports.is_empty(),
    }
}

/// Whether a path leads from one of the variable's factors to another that avoids the variable.
fn on_a_loop(graph: &Graph, variable: usize) -> bool {
    let edges = &graph.variable_nodes()[variable].edges;
    edges.iter().any(|&e| {
        let from = graph.edges()[e].factor;
        let mut seen = vec![false; graph.factor_nodes().len()];
        let mut stack = vec![from];
        while let Some(f) = stack.pop() {
            if core::mem::replace(&mut seen[f], true) {
                continue;
            }
            let node = &graph.factor_nodes()[f];
            for port in 0..node.ports.len() {
                let v = graph.edges()[node.first_edge + port].variable;
                if v != variable {
                    let next = graph.variable_nodes()[v].edges.iter();
                    stack.extend(next.map(|&e| graph.edges()[e].factor));
                }
            }
        }
        edges.iter().any(|&o| o != e && seen[graph.edges()[o].factor])
    })
}
