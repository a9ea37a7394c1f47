//! Drawing truth and data from a graph whose factors all describe distributions.

use core::fmt;

use super::{FactorId, Graph, VariableId};
use crate::factor::{Role, Uniforms};
use crate::rows::Rows;

/// A truth for every variable and data for every likelihood, drawn from the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    variables: Vec<Rows>,
    data: Vec<Option<Rows>>,
}

impl Draw {
    /// The true value of a variable, `n x d`.
    pub fn variable(&self, variable: VariableId) -> &Rows {
        &self.variables[variable.0]
    }

    /// The data of a likelihood, `n x outputs`; `None` for other factors.
    pub fn data(&self, factor: FactorId) -> Option<&Rows> {
        self.data[factor.0].as_ref()
    }
}

impl Graph {
    /// Draws a truth and data: priors first, then what operators and channels make of them, then likelihoods.
    ///
    /// # Errors
    /// [`DrawError`] when a factor has no law, or a variable is produced by no factor, by two, or in a circle.
    pub fn draw(&self, uniforms: &mut dyn Uniforms) -> Result<Draw, DrawError> {
        let order = self
            .generative_order()
            .map_err(|v| DrawError::Order { variable: self.variables[v].name.clone() })?;
        for variable in &self.variables {
            let producers = variable.edges.iter().filter(|&&e| {
                let edge = self.edges[e];
                self.factors[edge.factor].ports[edge.port].role == Role::Produced
            });
            if producers.count() > 1 {
                return Err(DrawError::ProducedTwice { variable: variable.name.clone() });
            }
        }
        let zero = |v: &super::Variable| Rows::zeros(v.layout.rows(), v.layout.columns());
        let mut variables: Vec<Rows> = self.variables.iter().map(zero).collect();
        let mut data = vec![None; self.factors.len()];
        for f in order {
            let node = &self.factors[f];
            let at = |p: usize| self.edges[node.first_edge + p].variable;
            let mut values: Vec<Rows> =
                (0..node.ports.len()).map(|p| core::mem::take(&mut variables[at(p)])).collect();
            data[f] = node
                .factor
                .draw(&mut values, uniforms)
                .map_err(|_| DrawError::NoLaw { factor: node.name.clone() })?;
            for (p, value) in values.into_iter().enumerate() {
                variables[at(p)] = value;
            }
        }
        Ok(Draw { variables, data })
    }
}

/// A graph can't draw from itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DrawError {
    /// A factor describes no distribution: a penalty, say.
    NoLaw {
        /// Its name.
        factor: String,
    },
    /// No factor produces the variable, or the factors that do wait for each other.
    Order {
        /// Name of the variable.
        variable: String,
    },
    /// Two factors produce the variable.
    ProducedTwice {
        /// Name of the variable.
        variable: String,
    },
}

impl fmt::Display for DrawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLaw { factor } => {
                write!(f, "factor `{factor}` describes no distribution to draw from")
            }
            Self::Order { variable } => {
                write!(f, "variable `{variable}` is produced by no factor, or in a circle")
            }
            Self::ProducedTwice { variable } => {
                write!(f, "variable `{variable}` is produced by two factors")
            }
        }
    }
}

impl core::error::Error for DrawError {}
