//! The factor graph: variables, factors and which port touches which variable; fixed once built.

mod builder;
mod draw;
mod error;
mod ids;
mod render;
mod topology;

pub use builder::GraphBuilder;
pub use draw::{Draw, DrawError};
pub use error::GraphError;
pub use ids::{FactorId, VariableId};

use crate::factor::{Factor, Port, Unready};
use crate::message::Layout;
use crate::rows::Rows;

/// A validated factor graph.
///
/// Built by [`GraphBuilder`]; shared by any number of runs, which keep their state to themselves.
#[derive(Debug)]
pub struct Graph {
    variables: Vec<Variable>,
    factors: Vec<FactorNode>,
    edges: Vec<Edge>,
}

/// A variable and the edges that touch it.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) layout: Layout,
    pub(crate) edges: Vec<usize>,
}

/// A factor, its ports and the edges they are: `first_edge + port`.
#[derive(Debug)]
pub(crate) struct FactorNode {
    pub(crate) name: String,
    pub(crate) factor: Box<dyn Factor>,
    pub(crate) ports: Vec<Port>,
    pub(crate) first_edge: usize,
}

/// One port of one factor, connected to one variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) factor: usize,
    pub(crate) port: usize,
    pub(crate) variable: usize,
}

impl Graph {
    /// All variables, in the order they were added.
    pub fn variables(&self) -> impl Iterator<Item = VariableId> + use<> {
        (0..self.variables.len()).map(VariableId)
    }

    /// All factors, in the order they were added.
    pub fn factors(&self) -> impl Iterator<Item = FactorId> + use<> {
        (0..self.factors.len()).map(FactorId)
    }

    /// The variable of this name.
    pub fn find_variable(&self, name: &str) -> Option<VariableId> {
        self.variables.iter().position(|v| v.name == name).map(VariableId)
    }

    /// The factor of this name.
    pub fn find_factor(&self, name: &str) -> Option<FactorId> {
        self.factors.iter().position(|f| f.name == name).map(FactorId)
    }

    /// Name of a variable.
    pub fn variable_name(&self, variable: VariableId) -> &str {
        &self.variables[variable.0].name
    }

    /// Name of a factor.
    pub fn factor_name(&self, factor: FactorId) -> &str {
        &self.factors[factor.0].name
    }

    /// Shape and message structure of a variable.
    pub fn layout(&self, variable: VariableId) -> &Layout {
        &self.variables[variable.0].layout
    }

    /// The factor itself.
    pub fn factor(&self, factor: FactorId) -> &dyn Factor {
        &*self.factors[factor.0].factor
    }

    /// The variable a factor's port is connected to.
    ///
    /// # Panics
    /// When the factor has no such port.
    #[track_caller]
    pub fn variable_at(&self, factor: FactorId, port: usize) -> VariableId {
        VariableId(self.edges[self.edge(factor.0, port)].variable)
    }

    /// The ports that touch a variable, as `(factor, port)`.
    pub fn neighbours(&self, variable: VariableId) -> impl Iterator<Item = (FactorId, usize)> {
        self.variables[variable.0]
            .edges
            .iter()
            .map(|&e| (FactorId(self.edges[e].factor), self.edges[e].port))
    }

    /// Gives a factor its data, replacing what it had.
    ///
    /// # Errors
    /// [`GraphError::Data`] when the factor holds no data, or the data doesn't fit it.
    pub fn observe(mut self, factor: FactorId, data: Rows) -> Result<Self, GraphError> {
        let layouts = self.layouts_of(factor.0);
        let node = &mut self.factors[factor.0];
        let bad = |reason| GraphError::Data { factor: node.name.clone(), reason };
        node.factor.observe(data, &layouts).map_err(bad)?;
        Ok(self)
    }

    /// Whether every factor has what a run needs.
    ///
    /// # Errors
    /// The first factor that hasn't, and why.
    pub(crate) fn ready(&self) -> Result<(), (usize, Unready)> {
        for (f, node) in self.factors.iter().enumerate() {
            node.factor.ready(&self.layouts_of(f)).map_err(|reason| (f, reason))?;
        }
        Ok(())
    }

    pub(crate) fn edge(&self, factor: usize, port: usize) -> usize {
        let node = &self.factors[factor];
        assert!(port < node.ports.len(), "factor `{}` has no port {port}", node.name);
        node.first_edge + port
    }

    pub(crate) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    pub(crate) fn variable_nodes(&self) -> &[Variable] {
        &self.variables
    }

    pub(crate) fn factor_nodes(&self) -> &[FactorNode] {
        &self.factors
    }

    /// Whether a factor's beliefs depend on what it has sent itself.
    pub(crate) fn is_recurrent(&self, factor: usize) -> bool {
        let (node, layouts) = (&self.factors[factor], self.layouts_of(factor));
        (0..layouts.len()).any(|port| node.factor.memory(port, &layouts).is_some())
    }

    /// Layouts of the variables at a factor's ports.
    pub(crate) fn layouts_of(&self, factor: usize) -> Vec<Layout> {
        let node = &self.factors[factor];
        (0..node.ports.len())
            .map(|p| self.variables[self.edges[node.first_edge + p].variable].layout.clone())
            .collect()
    }
}
