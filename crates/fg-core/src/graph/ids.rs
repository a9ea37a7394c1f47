//! Names of variables and factors for the compiler.

/// A variable of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VariableId(pub(crate) usize);

/// A factor of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FactorId(pub(crate) usize);

impl VariableId {
    /// Position among the graph's variables, in the order they were added.
    pub fn index(self) -> usize {
        self.0
    }
}

impl FactorId {
    /// Position among the graph's factors, in the order they were added.
    pub fn index(self) -> usize {
        self.0
    }
}
