//! Building a graph by ordinary method calls; everything is checked when it is built.

use std::collections::HashSet;

use super::{Edge, FactorId, FactorNode, Graph, GraphError, Variable, VariableId};
use crate::denoiser::{Channel, Denoiser, Likelihood};
use crate::factor::{
    ChannelFactor, Factor, LikelihoodFactor, LinearEntries, LinearFactor, Misfit, Port,
    PriorFactor, Unready,
};
use crate::message::Structure;
use crate::operator::LinearOperator;
use crate::rows::Rows;

/// Collects variables and factors; [`build`](Self::build) checks them and makes the [`Graph`].
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct GraphBuilder {
    variables: Vec<NewVariable>,
    factors: Vec<NewFactor>,
}

#[derive(Debug)]
struct NewVariable {
    name: String,
    rows: usize,
    columns: usize,
    structure: Structure,
}

#[derive(Debug)]
struct NewFactor {
    name: String,
    factor: Box<dyn Factor>,
    variables: Vec<VariableId>,
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an unknown matrix of `rows x columns`. Its messages share one full `columns x columns` precision
    /// unless [`structure`](Self::structure) says otherwise.
    pub fn variable(&mut self, name: &str, rows: usize, columns: usize) -> VariableId {
        let structure = Structure::default();
        self.variables.push(NewVariable { name: name.to_owned(), rows, columns, structure });
        VariableId(self.variables.len() - 1)
    }

    /// Sets the structure of all messages about a variable.
    ///
    /// # Panics
    /// When the variable isn't of this builder.
    #[track_caller]
    pub fn structure(&mut self, variable: VariableId, structure: Structure) {
        self.variables[variable.0].structure = structure;
    }

    /// Adds any factor; its ports are connected to `variables` in order.
    pub fn factor(
        &mut self,
        name: &str,
        factor: impl Factor,
        variables: &[VariableId],
    ) -> FactorId {
        let variables = variables.to_vec();
        self.factors.push(NewFactor { name: name.to_owned(), factor: Box::new(factor), variables });
        FactorId(self.factors.len() - 1)
    }

    /// Adds a prior or penalty on the rows of `x`.
    pub fn prior(
        &mut self,
        name: &str,
        x: VariableId,
        denoiser: impl Denoiser + 'static,
    ) -> FactorId {
        self.factor(name, PriorFactor::new(denoiser), &[x])
    }

    /// Adds `Z = A X`.
    pub fn linear(
        &mut self,
        name: &str,
        x: VariableId,
        z: VariableId,
        operator: impl LinearOperator + 'static,
    ) -> FactorId {
        self.factor(name, LinearFactor::new(operator), &[x, z])
    }

    /// Adds `vec Z = A vec X` for an operator on the entries of `x` and `z`, row after row, such as a
    /// [`Complex`](crate::operator::Complex) one on variables of two columns. Both need [isotropic](crate::ColumnForm)
    /// columns, set by [`structure`](Self::structure).
    pub fn linear_entries(
        &mut self,
        name: &str,
        x: VariableId,
        z: VariableId,
        operator: impl LinearOperator + 'static,
    ) -> FactorId {
        self.factor(name, LinearEntries::new(operator), &[x, z])
    }

    /// Adds a likelihood of the rows of `z` with its data (`n x outputs`).
    pub fn likelihood(
        &mut self,
        name: &str,
        z: VariableId,
        data: Rows,
        likelihood: impl Likelihood + 'static,
    ) -> FactorId {
        self.factor(name, LikelihoodFactor::new(likelihood, data), &[z])
    }

    /// Adds a likelihood whose data is drawn or given later, by [`Graph::observe`].
    pub fn unobserved(
        &mut self,
        name: &str,
        z: VariableId,
        likelihood: impl Likelihood + 'static,
    ) -> FactorId {
        self.factor(name, LikelihoodFactor::unobserved(likelihood), &[z])
    }

    /// Adds a row-wise channel from `input` to `output`.
    pub fn channel(
        &mut self,
        name: &str,
        input: VariableId,
        output: VariableId,
        channel: impl Channel + 'static,
    ) -> FactorId {
        self.factor(name, ChannelFactor::new(channel), &[input, output])
    }

    /// Checks everything and makes the graph.
    ///
    /// # Errors
    /// [`GraphError`] naming the variable or factor that is wrong: empty or dangling variables, duplicate names,
    /// ports and shapes that don't fit, variables used twice by a factor, structures that don't fit, parts that
    /// aren't connected, data of the wrong shape or with NaN.
    pub fn build(self) -> Result<Graph, GraphError> {
        let mut names = HashSet::new();
        let mut variables = Vec::with_capacity(self.variables.len());
        for new in self.variables {
            let shape = (new.rows, new.columns);
            if new.rows == 0 || new.columns == 0 {
                return Err(GraphError::EmptyVariable { variable: new.name, shape });
            }
            if !names.insert(new.name.clone()) {
                return Err(GraphError::DuplicateName { name: new.name });
            }
            match new.structure.layout(new.rows, new.columns) {
                Ok(layout) => variables.push(Variable { name: new.name, layout, edges: vec![] }),
                Err(reason) => {
                    return Err(GraphError::Structure { variable: new.name, reason });
                }
            }
        }
        let mut graph = Graph { variables, factors: Vec::new(), edges: Vec::new() };
        names.clear();
        for new in self.factors {
            if !names.insert(new.name.clone()) {
                return Err(GraphError::DuplicateName { name: new.name });
            }
            graph.attach(new)?;
        }
        graph.check_connected()?;
        Ok(graph)
    }
}

impl Graph {
    fn attach(&mut self, new: NewFactor) -> Result<(), GraphError> {
        let NewFactor { name, factor, variables } = new;
        let ports = factor.ports();
        if ports.len() != variables.len() {
            let (expected, found) = (ports.len(), variables.len());
            return Err(GraphError::PortCount { factor: name, expected, found });
        }
        for (k, id) in variables.iter().enumerate() {
            if id.0 >= self.variables.len() {
                return Err(GraphError::UnknownVariable { factor: name });
            }
            let variable = self.variables[id.0].name.clone();
            if variables[..k].contains(id) {
                return Err(GraphError::DoubleUse { factor: name, variable });
            }
            self.check_shape(&name, &ports[k], id.0)?;
        }
        let layouts: Vec<_> =
            variables.iter().map(|v| self.variables[v.0].layout.clone()).collect();
        factor.check(&layouts).map_err(|reason| match reason {
            Misfit::Shape { port, expected, found } => GraphError::Shape {
                factor: name.clone(),
                port: ports[port].name,
                variable: self.variables[variables[port].0].name.clone(),
                expected,
                found,
            },
            reason => GraphError::Misfit { factor: name.clone(), reason },
        })?;
        let (index, first_edge) = (self.factors.len(), self.edges.len());
        for (port, v) in variables.iter().enumerate() {
            self.variables[v.0].edges.push(self.edges.len());
            self.edges.push(Edge { factor: index, port, variable: v.0 });
        }
        self.factors.push(FactorNode { name, factor, ports, first_edge });
        self.check_data(index)
    }

    fn check_shape(&self, factor: &str, port: &Port, variable: usize) -> Result<(), GraphError> {
        let node = &self.variables[variable];
        let found = (node.layout.rows(), node.layout.columns());
        let fits = |size: Option<usize>, actual| size.is_none_or(|s| s == actual);
        if fits(port.rows, found.0) && fits(port.columns, found.1) {
            return Ok(());
        }
        Err(GraphError::Shape {
            factor: factor.to_owned(),
            port: port.name,
            variable: node.name.clone(),
            expected: (port.rows, port.columns),
            found,
        })
    }

    /// Data that is there must fit; data that isn't may come later.
    fn check_data(&self, index: usize) -> Result<(), GraphError> {
        let node = &self.factors[index];
        match node.factor.ready(&self.layouts_of(index)) {
            Err(reason @ (Unready::BadData { .. } | Unready::DataShape { .. })) => {
                Err(GraphError::Data { factor: node.name.clone(), reason })
            }
            Err(_) | Ok(()) => Ok(()),
        }
    }

    fn check_connected(&self) -> Result<(), GraphError> {
        let Some(first) = self.variables.first() else { return Err(GraphError::Empty) };
        if let Some(lonely) = self.variables.iter().find(|v| v.edges.is_empty()) {
            return Err(GraphError::Dangling { variable: lonely.name.clone() });
        }
        let reached = self.reachable_from(0);
        match reached.iter().position(|r| !r) {
            None => Ok(()),
            Some(other) => Err(GraphError::Disconnected {
                variable: first.name.clone(),
                other: self.variables[other].name.clone(),
            }),
        }
    }
}
