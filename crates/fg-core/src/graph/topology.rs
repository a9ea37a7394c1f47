//! The shape of a graph: connected parts, trees, and the order in which its model draws data.

use super::Graph;
use crate::factor::Role;

impl Graph {
    /// Whether the graph has no loop.
    pub fn is_tree(&self) -> bool {
        self.edges.len() + 1 == self.variables.len() + self.factors.len()
    }

    /// Which variables can be reached from `start`.
    pub(crate) fn reachable_from(&self, start: usize) -> Vec<bool> {
        let mut reached = vec![false; self.variables.len()];
        let mut stack = vec![start];
        reached[start] = true;
        while let Some(v) = stack.pop() {
            for &e in &self.variables[v].edges {
                let node = &self.factors[self.edges[e].factor];
                for edge in &self.edges[node.first_edge..node.first_edge + node.ports.len()] {
                    if !reached[edge.variable] {
                        reached[edge.variable] = true;
                        stack.push(edge.variable);
                    }
                }
            }
        }
        reached
    }

    /// The factors in an order in which each comes after those that produce what it is given, where there is
    /// one; otherwise the first variable that stands in the way.
    pub(crate) fn generative_order(&self) -> Result<Vec<usize>, usize> {
        let producers =
            |v: usize| {
                self.variables[v].edges.iter().map(|&e| self.edges[e]).filter(|edge| {
                    self.factors[edge.factor].ports[edge.port].role == Role::Produced
                })
            };
        let mut waiting: Vec<usize> = self
            .factors
            .iter()
            .enumerate()
            .map(|(f, _)| self.given(f).map(|v| producers(v).count()).sum())
            .collect();
        let mut ready: Vec<usize> =
            (0..self.factors.len()).rev().filter(|&f| waiting[f] == 0).collect();
        let mut order = Vec::with_capacity(self.factors.len());
        while let Some(f) = ready.pop() {
            order.push(f);
            for v in self.produced(f).collect::<Vec<_>>() {
                for &e in self.variables[v].edges.iter().rev() {
                    let edge = self.edges[e];
                    if self.factors[edge.factor].ports[edge.port].role == Role::Given {
                        waiting[edge.factor] -= 1;
                        if waiting[edge.factor] == 0 {
                            ready.push(edge.factor);
                        }
                    }
                }
            }
        }
        if let Some(v) = (0..self.variables.len()).find(|&v| producers(v).next().is_none()) {
            return Err(v);
        }
        match waiting.iter().position(|&w| w > 0) {
            None => Ok(order),
            Some(f) => Err(self.given(f).next().unwrap_or(0)),
        }
    }

    /// Variables a factor is given.
    pub(crate) fn given(&self, factor: usize) -> impl Iterator<Item = usize> {
        self.with_role(factor, Role::Given)
    }

    /// Variables a factor produces.
    pub(crate) fn produced(&self, factor: usize) -> impl Iterator<Item = usize> {
        self.with_role(factor, Role::Produced)
    }

    fn with_role(&self, factor: usize, role: Role) -> impl Iterator<Item = usize> {
        let node = &self.factors[factor];
        node.ports
            .iter()
            .enumerate()
            .filter(move |(_, port)| port.role == role)
            .map(move |(p, _)| self.edges[node.first_edge + p].variable)
    }
}
