//! What a prediction refuses before anything is computed.

use super::Evolution;
use super::error::EvolutionError;
use super::truth::{Anatomy, anatomy};
use crate::graph::{FactorId, VariableId};

/// Refuses what doesn't fit before anything is computed.
pub(super) fn check(evolution: &Evolution<'_>) -> Result<(), EvolutionError> {
    let graph = evolution.graph;
    evolution.options.validate()?;
    if !(16..=1 << 16).contains(&evolution.points) {
        return Err(EvolutionError::Points { found: evolution.points });
    }
    if let Some(node) = graph.factor_nodes().iter().find(|n| !n.factor.learning().is_empty()) {
        return Err(EvolutionError::Learning { factor: node.name.clone() });
    }
    for node in graph.variable_nodes() {
        if node.layout.blocks() != 1 {
            return Err(EvolutionError::NotShared { variable: node.name.clone() });
        }
    }
    for (option, value) in [("tolerance", evolution.tolerance), ("exact", evolution.exact)] {
        if !(value >= 0.0) {
            return Err(EvolutionError::Negative { option, found: value });
        }
    }
    let name = |factor: FactorId| {
        let node = graph.factor_nodes().get(factor.index());
        let unknown = EvolutionError::UnknownFactor { index: factor.index() };
        node.map(|node| node.name.clone()).ok_or(unknown)
    };
    let known = |variable: VariableId| {
        let index = variable.index();
        let known = index < graph.variable_nodes().len();
        if known { Ok(()) } else { Err(EvolutionError::UnknownVariable { index }) }
    };
    let fits = |factor: FactorId, what: &'static str, fits: fn(&Anatomy<'_>) -> bool| {
        let factor_name = name(factor)?;
        if anatomy(graph, factor.index()).is_some_and(|a| fits(&a)) {
            return Ok(());
        }
        Err(EvolutionError::Misplaced { factor: factor_name, what })
    };
    evolution.followed.iter().try_for_each(|variable| known(*variable))?;
    for (factor, _) in &evolution.laws {
        fits(*factor, "the law of a variable", |a| matches!(a, Anatomy::Prior(_)))?;
    }
    for (factor, _) in &evolution.likelihoods {
        fits(*factor, "a true likelihood", |a| matches!(a, Anatomy::Likelihood(_)))?;
    }
    for (factor, _) in &evolution.channels {
        fits(*factor, "a true channel", |a| matches!(a, Anatomy::Channel(_)))?;
    }
    for (factor, _) in &evolution.spectra {
        fits(*factor, "a spectrum", |a| matches!(a, Anatomy::Linear(_) | Anatomy::Entries(_)))?;
    }
    for (variable, moments) in &evolution.moments {
        known(*variable)?;
        let expected = graph.layout(*variable).columns();
        let found = moments.mean.len();
        if found != expected || moments.second.len() != expected * expected {
            return Err(EvolutionError::Columns { what: "moments of the truth", expected, found });
        }
    }
    for (factor, port, law) in &evolution.starts {
        let factor_name = name(*factor)?;
        if *port >= graph.factor_nodes()[factor.index()].ports.len() {
            return Err(EvolutionError::Misplaced { factor: factor_name, what: "a start" });
        }
        let expected = graph.layout(graph.variable_at(*factor, *port)).columns();
        if law.columns() != expected {
            let found = law.columns();
            return Err(EvolutionError::Columns { what: "a start", expected, found });
        }
    }
    for (factor, value) in &evolution.noises {
        fits(*factor, "a true noise variance", |a| matches!(a, Anatomy::LowRank(_)))?;
        if !(*value > 0.0 && *value < f64::INFINITY) {
            return Err(EvolutionError::Variance { factor: name(*factor)?, found: *value });
        }
    }
    match evolution.warnings().into_iter().find(|w| !evolution.accepted.contains(w)) {
        Some(warning) => Err(EvolutionError::Unacknowledged(warning)),
        None => Ok(()),
    }
}
