//! What a run goes back to after a breakdown: where its last completed sweep began.
//!
//! A sweep that can be completed may leave messages that the next one can't work with, such as a prior that has fallen silent. The
//! state after it is no good one then, however often it is tried.

use std::sync::Arc;

use super::state::{Scale, State};
use crate::factor::Factor;
use crate::message::Message;
use crate::rows::Rows;

/// All that a sweep changes.
#[derive(Debug)]
pub(super) struct Saved {
    /// Messages, and what factors remember with them.
    pub(super) edges: Vec<(Message, Rows)>,
    /// What learning has made of the factors.
    learned: Vec<Option<Arc<dyn Factor>>>,
    scales: Vec<Scale>,
}

impl Saved {
    pub(super) fn new<'m>(
        edges: impl Iterator<Item = (&'m Message, &'m Rows)>,
        factors: usize,
        variables: usize,
    ) -> Self {
        Self {
            edges: edges.map(|(message, memory)| (message.clone(), memory.clone())).collect(),
            learned: vec![None; factors],
            scales: vec![Scale::default(); variables],
        }
    }

    fn copy_from(&mut self, other: &Self) {
        for ((message, memory), (from, remembered)) in self.edges.iter_mut().zip(&other.edges) {
            message.copy_from(from);
            memory.copy_from(remembered);
        }
        self.learned.clone_from_slice(&other.learned);
        self.scales.copy_from_slice(&other.scales);
    }
}

impl State {
    /// Remembers where a sweep begins, and forgets the start of the sweep before the last one; the first sweep of a run has
    /// nothing before it.
    pub(super) fn save(&mut self, first: bool) {
        let Self { edges, factors, scales, saved: [now, before], .. } = self;
        core::mem::swap(now, before);
        for ((message, memory), edge) in now.edges.iter_mut().zip(edges) {
            message.copy_from(&edge.message);
            memory.copy_from(&edge.memory);
        }
        for (learned, factor) in now.learned.iter_mut().zip(factors) {
            learned.clone_from(&factor.learned);
        }
        now.scales.copy_from_slice(scales);
        if first {
            before.copy_from(now);
        }
    }

    /// Goes back to where the last completed sweep began, or the first one.
    pub(super) fn restore(&mut self) {
        let Self { edges, factors, scales, saved: [now, before], .. } = self;
        now.copy_from(before);
        for ((message, memory), edge) in before.edges.iter().zip(edges) {
            if !edge.constant {
                edge.message.copy_from(message);
                edge.memory.copy_from(memory);
                edge.version += 1;
            }
        }
        for (learned, factor) in before.learned.iter().zip(factors) {
            factor.learned.clone_from(learned);
        }
        scales.copy_from_slice(&before.scales);
    }
}
