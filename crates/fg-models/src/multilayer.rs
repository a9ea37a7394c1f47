//! Chains of layers: `prior - X - [A] - Z1 - channel - X1 - [B] - Z2 - ... - likelihood`, inference through a network.

use fg_core::denoiser::{Channel, Denoiser, Likelihood};
use fg_core::operator::LinearOperator;
use fg_core::{FactorId, GraphBuilder, Inference, Observer, Options, Rows, VariableId};

use crate::start::unknown_noise;
use crate::{Fit, ModelError};

/// A chain of layers that grows from the unknown to the data.
///
/// ```
/// use fg_core::{Options, Rows, operator::Dense};
/// use fg_denoisers::{Awgn, Gaussian, PiecewiseLinear};
/// use fg_models::MultiLayer;
///
/// let matrix = |m, n| Dense::from_rows(&Rows::from_fn(m, n, |i, j| ((3 * i + 5 * j + 1) as f64).sin()));
/// let data = Rows::column(vec![0.4, 0.1, -0.3, 0.8]);
/// let model = MultiLayer::new(2, 1, Gaussian::new(0.0, 1.0)?)
///     .linear("A", matrix(6, 2)?)
///     .channel("ReLU", PiecewiseLinear::relu())
///     .linear("B", matrix(4, 6)?)
///     .observed(Awgn::new(100.0)?, data);
/// let fit = model.fit(&Options::default().with_damping(0.8), &mut ())?;
/// // The unknown, and the output of the hidden layer.
/// assert_eq!(fit.estimate().shape(), (2, 1));
/// assert_eq!(fit.solution().mean(fit.unknowns()[2]).shape(), (6, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a chain does nothing until it ends with a likelihood"]
pub struct MultiLayer {
    builder: GraphBuilder,
    layers: Vec<VariableId>,
    factors: Vec<FactorId>,
    shape: (usize, usize),
    linear: usize,
    /// Channels since the last operator.
    channels: usize,
}

/// The graph of a chain of layers with the names of its parts, not built yet, so that it can be changed.
#[derive(Debug)]
pub struct MultiLayerGraph {
    /// The graph.
    pub builder: GraphBuilder,
    /// The unknown and every layer after it: `X`, `Z1`, `X1`, `Z2`, ...; the output of operator `k` is `Zk`, that of a
    /// channel behind it `Xk`, of a second one `Xk.2`.
    pub layers: Vec<VariableId>,
    /// Prior, operators and channels in order, and the likelihood last: factor `k` is before layer `k`.
    pub factors: Vec<FactorId>,
}

impl MultiLayer {
    /// An unknown `X` of `rows x columns` with its prior.
    pub fn new(rows: usize, columns: usize, prior: impl Denoiser + 'static) -> Self {
        let mut builder = GraphBuilder::new();
        let unknown = builder.variable("X", rows, columns);
        let prior = builder.prior("prior", unknown, prior);
        Self {
            builder,
            layers: vec![unknown],
            factors: vec![prior],
            shape: (rows, columns),
            linear: 0,
            channels: 0,
        }
    }

    /// Multiplies the last layer by `operator`.
    pub fn linear(mut self, name: &str, operator: impl LinearOperator + 'static) -> Self {
        (self.linear, self.channels) = (self.linear + 1, 0);
        self.shape.0 = operator.outputs();
        let (input, output) = self.next(&format!("Z{}", self.linear));
        self.factors.push(self.builder.linear(name, input, output, operator));
        self
    }

    /// Sends the rows of the last layer through `channel`.
    pub fn channel(mut self, name: &str, channel: impl Channel + 'static) -> Self {
        // An input that the channel doesn't take is refused when the graph is built.
        self.shape.1 = channel.output_columns(self.shape.1).unwrap_or(self.shape.1);
        self.channels += 1;
        let (input, output) = match self.channels {
            1 => self.next(&format!("X{}", self.linear)),
            more => self.next(&format!("X{}.{more}", self.linear)),
        };
        self.factors.push(self.builder.channel(name, input, output, channel));
        self
    }

    /// Ends the chain with data.
    pub fn observed(
        mut self,
        likelihood: impl Likelihood + 'static,
        data: Rows,
    ) -> MultiLayerGraph {
        let last = self.last();
        self.factors.push(self.builder.likelihood(DATA, last, data, likelihood));
        self.graph()
    }

    /// Ends the chain with data in white Gaussian noise of unknown variance, which is learned in the loop and is then in
    /// [`Solution::parameters`](fg_core::Solution::parameters).
    ///
    /// # Errors
    /// [`ModelError`] when the data vanish or aren't finite.
    pub fn observed_in_noise(self, data: Rows) -> Result<MultiLayerGraph, ModelError> {
        let (noise, _) = unknown_noise(&data)?;
        Ok(self.observed(noise, data))
    }

    /// Ends the chain without data: to be drawn from, or predicted.
    pub fn unobserved(mut self, likelihood: impl Likelihood + 'static) -> MultiLayerGraph {
        let last = self.last();
        self.factors.push(self.builder.unobserved(DATA, last, likelihood));
        self.graph()
    }

    fn last(&self) -> VariableId {
        self.layers[self.layers.len() - 1]
    }

    /// The last layer, and a new one behind it.
    fn next(&mut self, name: &str) -> (VariableId, VariableId) {
        let (input, (rows, columns)) = (self.last(), self.shape);
        let output = self.builder.variable(name, rows, columns);
        self.layers.push(output);
        (input, output)
    }

    fn graph(self) -> MultiLayerGraph {
        let Self { builder, layers, factors, .. } = self;
        MultiLayerGraph { builder, layers, factors }
    }
}

/// Name of the likelihood in reports.
const DATA: &str = "observations";

impl MultiLayerGraph {
    /// Builds the graph and runs it; `observer` is told of every sweep (`&mut ()` looks away). The
    /// [`unknowns`](Fit::unknowns) of the fit are the layers.
    ///
    /// # Errors
    /// [`ModelError`] when shapes don't fit together or data isn't finite. Not converging is no error: see the report.
    pub fn fit(self, options: &Options, observer: &mut dyn Observer) -> Result<Fit, ModelError> {
        let graph = self.builder.build()?;
        let mut run = Inference::new(&graph, options)?;
        let solution = run.run(observer)?;
        Ok(Fit::new(self.layers, solution, &mut run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fg_core::operator::Dense;
    use fg_denoisers::{Awgn, Gaussian, GaussianNoise, PiecewiseLinear};

    #[test]
    fn a_channel_follows_a_channel() {
        let operator = Dense::from_rows(&Rows::from_fn(4, 2, |i, j| (i + 3 * j) as f64)).unwrap();
        let model = MultiLayer::new(2, 1, Gaussian::new(0.0, 1.0).unwrap())
            .linear("A", operator)
            .channel("noise", GaussianNoise::new(0.1).unwrap())
            .channel("ReLU", PiecewiseLinear::relu())
            .observed(Awgn::new(100.0).unwrap(), Rows::column(vec![0.4, 0.0, 1.3, 0.8]));
        let layers = model.layers.clone();
        let graph = model.builder.build().unwrap();
        let names: Vec<&str> = layers.iter().map(|layer| graph.variable_name(*layer)).collect();
        assert_eq!(names, ["X", "Z1", "X1", "X1.2"]);
        let solution = graph.infer(&Options::default().with_damping(0.8)).unwrap();
        assert!(solution.report().status.is_usable(), "{}", solution.report());
    }
}
