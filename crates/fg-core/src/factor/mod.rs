//! A factor is a term of the joint density; it computes beliefs and nothing else.
//!
//! The engine alone forms cavities, divides, projects and damps.

mod belief;
mod channel;
mod error;
mod likelihood;
pub(crate) mod linear;
pub(crate) mod low_rank;
pub(crate) mod partition;
mod prior;
mod rowwise;
mod uniforms;

pub use belief::{Belief, Gain};
pub use channel::ChannelFactor;
pub(crate) use error::Size;
pub use error::{Breakdown, Misfit, Undrawable, Unready};
pub use likelihood::LikelihoodFactor;
pub use linear::{Iterative, LinearEntries, LinearFactor, Solver};
pub use low_rank::{LowRankError, LowRankFactor};
pub use partition::PartitionError;
pub use prior::PriorFactor;
pub(crate) use rowwise::{gaussian_estimate, gaussian_excess};
pub use uniforms::{Independent, Stratified, Uniforms};

use core::any::Any;
use core::fmt;
use std::sync::Arc;

use crate::denoiser::{Estimation, Parameter};
use crate::message::{Layout, Message};
use crate::rows::Rows;

/// The part a port plays when the model is read as a recipe for drawing data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The factor is given this variable: a likelihood's port, the input of an operator.
    Given,
    /// The factor produces this variable: a prior's port, the output of an operator.
    Produced,
}

/// What a factor expects at one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name used in errors and pictures, such as `x` or `output`.
    pub name: &'static str,
    /// The part it plays in drawing data.
    pub role: Role,
    /// Rows it must have; `None` when any will do.
    pub rows: Option<usize>,
    /// Columns it must have; `None` when any will do.
    pub columns: Option<usize>,
}

/// The product of all messages into a variable but the factor's own: what the factor is told.
#[derive(Clone, Copy, Debug)]
pub struct Cavity<'a> {
    /// The Gaussian.
    pub message: &'a Message,
    /// Changes whenever the Gaussian does, so that a factor can keep what it derived from it.
    pub version: u64,
}

/// What a factor has sent at one port.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The message, damped.
    pub message: &'a Message,
    /// What it [remembered](Belief::memory_mut) with the message, damped as the message was; zero before the first.
    pub memory: &'a Rows,
}

/// A term of the joint density, over one or more variables.
///
/// Required: [`ports`](Self::ports), [`beliefs`](Self::beliefs) and [`name`](Self::name).
///
/// # Example
/// A total of all rows has been measured, `y = sum_i x_i + noise`: the one number that no row-wise likelihood can hold.
///
/// ```
/// use core::any::Any;
/// use fg_core::factor::{Belief, Breakdown, Cavity, Factor, Port, Role, Unready};
/// use fg_core::message::{Layout, Message, Precision};
/// use fg_core::{GraphBuilder, Options, Rows, Structure};
///
/// #[derive(Debug)]
/// struct Total {
///     noise: f64,
///     data: Option<f64>,
/// }
///
/// impl Factor for Total {
///     fn ports(&self) -> Vec<Port> {
///         vec![Port { name: "x", role: Role::Given, rows: None, columns: Some(1) }]
///     }
///
///     fn ready(&self, _: &[Layout]) -> Result<(), Unready> {
///         self.data.map(|_| ()).ok_or(Unready::NoData)
///     }
///
///     fn observe(&mut self, data: Rows, _: &[Layout]) -> Result<(), Unready> {
///         if data.shape() != (1, 1) {
///             return Err(Unready::DataShape { expected: (1, 1), found: data.shape() });
///         }
///         self.data = Some(data[(0, 0)]);
///         Ok(())
///     }
///
///     fn beliefs(
///         &self,
///         cavities: &[Cavity<'_>],
///         _wanted: &[bool],
///         beliefs: &mut [Belief],
///         _workspace: &mut dyn Any,
///     ) -> Result<(), Breakdown> {
///         let data = self.data.ok_or(Breakdown::NoData { port: 0 })?;
///         let (told, n) = (cavities[0].message, cavities[0].message.natural().rows());
///         let variance = 1.0 / told.precision().block(0)[0];
///         let mean = |i: usize| told.natural()[(i, 0)] * variance;
///         let of_total = n as f64 * variance + self.noise;
///         let surprise = data - (0..n).map(mean).sum::<f64>();
///         let (rows, covariance) = beliefs[0].blocks_mut();
///         for i in 0..n {
///             rows[(i, 0)] = mean(i) + variance * surprise / of_total;
///         }
///         covariance[0] = variance - variance * variance / of_total;
///         Ok(())
///     }
///
///     fn name(&self) -> String {
///         "total".to_owned()
///     }
/// }
///
/// /// What has been seen of `X` before: a factor that always sends the same message.
/// #[derive(Debug)]
/// struct Seen(Message);
///
/// impl Factor for Seen {
///     fn ports(&self) -> Vec<Port> {
///         vec![Port { name: "x", role: Role::Produced, rows: None, columns: Some(1) }]
///     }
///
///     fn constant_message(&self, _port: usize, layout: &Layout) -> Option<Message> {
///         (self.0.layout() == layout).then(|| self.0.clone())
///     }
///
///     fn beliefs(
///         &self,
///         _cavities: &[Cavity<'_>],
///         _wanted: &[bool],
///         _beliefs: &mut [Belief],
///         _workspace: &mut dyn Any,
///     ) -> Result<(), Breakdown> {
///         Err(Breakdown::Undetermined { port: 0 })
///     }
///
///     fn name(&self) -> String {
///         "seen".to_owned()
///     }
/// }
///
/// let unit = Precision::from_matrix(Structure::default().layout(3, 1)?, &[1.0])?;
/// let seen = Message::from_mean(&Rows::from_fn(3, 1, |i, _| i as f64), unit)?;
/// let mut builder = GraphBuilder::new();
/// let x = builder.variable("x", 3, 1);
/// builder.factor("seen", Seen(seen), &[x]);
/// let total = builder.factor("total", Total { noise: 1.0, data: None }, &[x]);
/// let graph = builder.build()?.observe(total, Rows::from_fn(1, 1, |_, _| 7.0))?;
/// let solution = graph.infer(&Options::default())?;
/// // Four more than was expected, shared among three rows of variance one and the noise.
/// assert!((solution.mean(x)[(2, 0)] - 3.0).abs() < 1e-12);
/// assert!((solution.covariance(x)[0] - 0.75).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Factor: Any + fmt::Debug + Send + Sync {
    /// What it expects at each port, in order.
    fn ports(&self) -> Vec<Port>;

    /// Refuses variables that fit each port alone but not together; `variables[p]` is what port `p` is
    /// connected to.
    ///
    /// # Errors
    /// [`Misfit`] naming the port.
    fn check(&self, variables: &[Layout]) -> Result<(), Misfit> {
        let _ = variables;
        Ok(())
    }

    /// Whether the factor has what a run needs; a likelihood without data hasn't. Graphs can be built before, unless what is
    /// there doesn't fit: [`Unready::BadData`], [`Unready::DataShape`].
    ///
    /// # Errors
    /// [`Unready`] saying what is missing or wrong.
    fn ready(&self, variables: &[Layout]) -> Result<(), Unready> {
        let _ = variables;
        Ok(())
    }

    /// Gives the factor its data, replacing what it had; `variables` as in [`check`](Self::check).
    ///
    /// # Errors
    /// [`Unready`] when the data doesn't fit; by default [`Unready::TakesNoData`]. The factor may be left with the bad data,
    /// which [`ready`](Self::ready) then refuses.
    fn observe(&mut self, data: Rows, variables: &[Layout]) -> Result<(), Unready> {
        let _ = (data, variables);
        Err(Unready::TakesNoData)
    }

    /// Memory for [`beliefs`](Self::beliefs), made once a run.
    ///
    /// # Errors
    /// [`Breakdown`] when a factorisation made in advance fails.
    fn workspace(&self, variables: &[Layout]) -> Result<Box<dyn Any + Send>, Breakdown> {
        let _ = variables;
        Ok(Box::new(()))
    }

    /// The message at `port` when it doesn't depend on the cavities and the layout can represent it.
    fn constant_message(&self, port: usize, layout: &Layout) -> Option<Message> {
        let _ = (port, layout);
        None
    }

    /// Shape of what the factor remembers with every message it sends at `port`; `None`, the default, for factors whose
    /// beliefs depend on their cavities alone.
    fn memory(&self, port: usize, variables: &[Layout]) -> Option<(usize, usize)> {
        let _ = (port, variables);
        None
    }

    /// Tells a factor with a [`memory`](Self::memory) what it has sent at all ports, each time before it is asked for
    /// beliefs.
    fn recall(&self, sent: &[Sent<'_>], workspace: &mut dyn Any) {
        let _ = (sent, workspace);
    }

    /// Computes the beliefs of the ports `p` for which `wanted[p]`, given the cavities of all ports.
    ///
    /// # Errors
    /// [`Breakdown`] when a belief doesn't exist or a computation fails.
    fn beliefs(
        &self,
        cavities: &[Cavity<'_>],
        wanted: &[bool],
        beliefs: &mut [Belief],
        workspace: &mut dyn Any,
    ) -> Result<(), Breakdown>;

    /// Whether it answers with posterior means or with maximisers.
    fn estimation(&self) -> Estimation {
        Estimation::Mmse
    }

    /// The log-partition function under the cavities `exp(N . X - X Gamma X' / 2)` of all ports: `log int f prod_p cavity_p`
    /// for `estimation` [Mmse](Estimation::Mmse), the maximum of the exponent for [Map](Estimation::Map). A cavity that is
    /// known is the point mass at its values.
    ///
    /// # Errors
    /// [`PartitionError::Unknown`], the default, for factors that know none.
    fn log_partition(
        &self,
        cavities: &[Cavity<'_>],
        estimation: Estimation,
        workspace: &mut dyn Any,
    ) -> Result<f64, PartitionError> {
        let _ = (cavities, estimation, workspace);
        Err(PartitionError::Unknown)
    }

    /// The parameters that a run is asked to learn, with their current values; none by default.
    fn learning(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// The factor with its learned parameters fitted to its cavities, which takes this one's place and its workspace
    /// from here on; `None` keeps this one. The engine asks after every sweep where there is something to
    /// [learn](Self::learning).
    ///
    /// # Errors
    /// [`Breakdown`] when a computation fails.
    fn learned(
        &self,
        cavities: &[Cavity<'_>],
        workspace: &mut dyn Any,
    ) -> Result<Option<Arc<dyn Factor>>, Breakdown> {
        let _ = (cavities, workspace);
        Ok(None)
    }

    /// Draws the produced ports given the others: `values[p]` is set for given ports and to be filled for
    /// produced ones. A likelihood returns the data it draws.
    ///
    /// # Errors
    /// [`Undrawable`] when the factor doesn't describe a distribution.
    fn draw(
        &self,
        values: &mut [Rows],
        uniforms: &mut dyn Uniforms,
    ) -> Result<Option<Rows>, Undrawable> {
        let _ = (values, uniforms);
        Err(Undrawable)
    }

    /// Whether the estimate at a port is more than a linear combination of messages, so that users should read
    /// the variable's estimate here.
    fn informative(&self) -> bool {
        false
    }

    /// Short name shown in pictures and reports.
    fn name(&self) -> String;
}

/// The factor's own workspace behind the engine's opaque one.
///
/// # Panics
/// When the workspace was made by another factor.
#[track_caller]
pub fn own<W: 'static>(workspace: &mut dyn Any) -> &mut W {
    let own = workspace.downcast_mut::<W>();
    own.expect("a workspace made by this factor's `workspace`")
}
