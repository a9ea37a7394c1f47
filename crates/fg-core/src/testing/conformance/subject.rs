//! What is held to the laws, and what is claimed of it beyond what its trait says.

use core::fmt;

use super::Violation;
use super::one_port::OnePort;
use super::oracle::Density;
use crate::denoiser::{Channel, Denoiser, Likelihood};
use crate::operator::LinearOperator;

/// What is under test: a denoiser, a likelihood, a channel or an operator, and what is claimed of it.
///
/// A claim adds laws to those that the trait alone decides: a cost those of its minimum, a density its integrals, a convex
/// shape how far estimates move, a symmetry that they keep it.
///
/// ```
/// use fg_core::denoiser::{Estimation, Pointwise};
/// use fg_core::testing::{Subject, check};
/// let ridge = Pointwise::new("ridge", |r: f64, gamma: f64| {
///     let share = gamma / (0.7 + gamma);
///     (r * share, share)
/// })
/// .with_estimation(Estimation::Map);
/// let cost = |x: &[f64]| 0.35 * x[0] * x[0];
/// check(Subject::denoiser(&ridge).with_cost(&cost).log_concave(), 1)?;
/// # Ok::<(), fg_core::testing::Violation>(())
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct Subject<'a> {
    pub(super) node: Node<'a>,
    pub(super) claims: Claims<'a>,
}

/// Which trait it is of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'a> {
    OnePort(OnePort<'a>),
    Channel(&'a dyn Channel),
    Operator(&'a dyn LinearOperator),
}

/// What a row, or all rows, cost.
type Cost<'a> = &'a dyn Fn(&[f64]) -> f64;

/// What is said of a subject that its trait doesn't say.
#[derive(Clone, Copy, Default)]
pub(super) struct Claims<'a> {
    pub(super) cost: Option<Cost<'a>>,
    pub(super) density: Option<&'a Density<'a>>,
    pub(super) log_concave: bool,
    pub(super) rotation_invariant: bool,
}

impl<'a> Subject<'a> {
    fn new(node: Node<'a>) -> Self {
        Self { node, claims: Claims::default() }
    }

    /// A prior or penalty.
    pub fn denoiser(denoiser: &'a dyn Denoiser) -> Self {
        Self::new(Node::OnePort(OnePort::Denoiser(denoiser)))
    }

    /// A likelihood and the row of data that all rows observe.
    pub fn likelihood(likelihood: &'a dyn Likelihood, observed: &'a [f64]) -> Self {
        Self::new(Node::OnePort(OnePort::Likelihood(likelihood, observed)))
    }

    /// A channel.
    pub fn channel(channel: &'a dyn Channel) -> Self {
        Self::new(Node::Channel(channel))
    }

    /// A linear operator, of moderate size: it is asked for its product with each unit vector.
    pub fn operator(operator: &'a dyn LinearOperator) -> Self {
        Self::new(Node::Operator(operator))
    }

    /// A maximiser's cost of a row, or of all rows where they are estimated together; infinite where it is no legal one.
    /// Default: none, and nobody looks whether estimates are minima.
    pub fn with_cost(mut self, cost: &'a dyn Fn(&[f64]) -> f64) -> Self {
        self.claims.cost = Some(cost);
        self
    }

    /// The density of a row of one column, up to the factor of the log-partition function. Default: none, and nothing is
    /// integrated.
    pub fn with_density(mut self, density: &'a Density<'a>) -> Self {
        self.claims.density = Some(density);
        self
    }

    /// Claims that the density is log-concave, or the cost convex. Default: not claimed.
    pub fn log_concave(mut self) -> Self {
        self.claims.log_concave = true;
        self
    }

    /// Claims that the model is the same in all directions of its columns. Default: not claimed.
    pub fn rotation_invariant(mut self) -> Self {
        self.claims.rotation_invariant = true;
        self
    }

    pub(super) fn name(self) -> String {
        match self.node {
            Node::OnePort(estimator) => estimator.name(),
            Node::Channel(channel) => channel.name(),
            Node::Operator(operator) => operator.name(),
        }
    }

    /// The estimator of one port, for the laws of those.
    pub(super) fn one_port(self, law: &'static str) -> Result<OnePort<'a>, Violation> {
        match self.node {
            Node::OnePort(estimator) => Ok(estimator),
            Node::Channel(_) | Node::Operator(_) => Err(Violation {
                subject: self.name(),
                law,
                input: "a subject that is no estimator of one port".to_owned(),
                expected: 1.0,
                found: f64::NAN,
                tolerance: 0.0,
            }),
        }
    }
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, claims: Claims { cost, density, log_concave, rotation_invariant } } = self;
        f.debug_struct("Subject")
            .field("node", node)
            .field("cost", &cost.is_some())
            .field("density", density)
            .field("log_concave", log_concave)
            .field("rotation_invariant", rotation_invariant)
            .finish()
    }
}
