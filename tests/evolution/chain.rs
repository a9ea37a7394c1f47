//! State evolution against simulation, sweep by sweep, for a chain of two operators with a ReLU between them.

use crate::runs::{compare, errors, options};
use fg_core::evolution::{Evolution, Spectrum};
use fg_core::factor::Stratified;
use fg_core::operator::{Dense, LinearOperator};
use fg_core::{FactorId, Graph, GraphBuilder, VariableId};
use fg_denoisers::{Awgn, BernoulliGauss, PiecewiseLinear};
use fg_models::synthetic::gaussian_matrix;
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// Standard error of the prediction, relative: measured by doubling the points.
const INTEGRATION: f64 = 0.003;
/// Share of entries of the signal that aren't zero.
const SPARSITY: f64 = 0.3;
/// Variance of the noise; the output without noise has one.
const NOISE: f64 = 0.1;

/// Second moments of signal and hidden layer: half of a power of one is left behind a ReLU.
const POWERS: [f64; 2] = [SPARSITY, 0.5];

/// Independent Gaussian entries that turn a vector of this power into one of power one.
fn gaussian(outputs: usize, inputs: usize, power: f64, rng: &mut Pcg64) -> Dense {
    Dense::new(gaussian_matrix(outputs, inputs, 1.0 / (inputs as f64 * power), rng)).unwrap()
}

/// Its singular values as their law has them.
fn law_of(operator: &Dense, power: f64) -> Spectrum {
    let ratio = operator.outputs() as f64 / operator.inputs() as f64;
    Spectrum::marchenko_pastur(ratio).unwrap().scaled(ratio / power).unwrap()
}

/// Prior - x - [A] - z - ReLU - u - [B] - w - Gaussian noise.
struct Chain {
    graph: Graph,
    x: VariableId,
    u: VariableId,
    prior: FactorId,
    operators: [(FactorId, Spectrum); 2],
    noise: FactorId,
}

impl Chain {
    /// The chain that takes this share of the signal's entries for other than zero.
    fn new(sparsity: f64, first: &Dense, second: &Dense) -> Self {
        let mut builder = GraphBuilder::new();
        let x = builder.variable("x", first.inputs(), 1);
        let z = builder.variable("z", first.outputs(), 1);
        let u = builder.variable("u", second.inputs(), 1);
        let w = builder.variable("w", second.outputs(), 1);
        let law = BernoulliGauss::new(sparsity, 0.0, 1.0).unwrap();
        let prior = builder.prior("prior", x, law);
        let a = builder.linear("A", x, z, first.clone());
        builder.channel("ReLU", z, u, PiecewiseLinear::relu());
        let b = builder.linear("B", u, w, second.clone());
        let noise = builder.unobserved("noise", w, Awgn::from_variance(NOISE).unwrap());
        let operators = [(a, law_of(first, POWERS[0])), (b, law_of(second, POWERS[1]))];
        Self { graph: builder.build().unwrap(), x, u, prior, operators, noise }
    }

    /// Errors of signal and hidden layer after each sweep, as predicted from the laws of signal, operators and noise alone.
    fn predicted(&self) -> [Vec<f64>; 2] {
        let clock = std::time::Instant::now();
        let mut evolution = Evolution::new(&self.graph, &options())
            .with_law(self.prior, BernoulliGauss::new(SPARSITY, 0.0, 1.0).unwrap())
            .with_tolerance(0.0)
            .follow(self.u);
        for (factor, spectrum) in &self.operators {
            evolution = evolution.with_spectrum(*factor, spectrum.clone());
        }
        let prediction = evolution.run().unwrap();
        let sweeps = prediction.sweeps();
        let cost = clock.elapsed().as_secs_f64() * 1e3 / sweeps.len() as f64;
        println!("state evolution: {cost:.2} ms a sweep");
        [self.x, self.u]
            .map(|variable| sweeps.iter().map(|s| s.estimate(variable).unwrap().mse()).collect())
    }
}

/// Matched, and with a prior that takes twice as many entries for other than zero, on the same signals and data.
fn chain([n, hidden, outputs]: [usize; 3], runs: u64) {
    const ASSUMED: [f64; 2] = [SPARSITY, 2.0 * SPARSITY];
    let mut measured = [[(); 2]; 2].map(|of| of.map(|()| Vec::new()));
    let mut predicted = Vec::new();
    for seed in 0..runs {
        let rng = &mut Pcg64::seed_from_u64(seed);
        let first = gaussian(hidden, n, POWERS[0], rng);
        let second = gaussian(outputs, hidden, POWERS[1], rng);
        let chains = ASSUMED.map(|sparsity| Chain::new(sparsity, &first, &second));
        let draw = chains[0].graph.draw(&mut Stratified(rng)).unwrap();
        for (k, mut chain) in chains.into_iter().enumerate() {
            let data = draw.data(chain.noise).unwrap().clone();
            chain.graph = chain.graph.observe(chain.noise, data).unwrap();
            if seed == 0 {
                predicted.push(chain.predicted());
            }
            let of = [chain.x, chain.u].map(|variable| (variable, draw.variable(variable)));
            for (all, errors) in measured[k].iter_mut().zip(errors(&chain.graph, &of)) {
                all.push(errors);
            }
        }
    }
    for (k, case) in ["matched", "wrong sparsity"].into_iter().enumerate() {
        for (v, variable) in ["signal", "hidden layer"].into_iter().enumerate() {
            let name = format!("{case}, {variable}");
            compare(&name, &measured[k][v], &predicted[k][v], INTEGRATION);
        }
    }
}

#[test]
fn a_hidden_layer_with_relu() {
    chain([400, 1000, 500], 40);
}

#[test]
#[ignore = "a minute: a larger size"]
fn a_hidden_layer_with_relu_at_a_larger_size() {
    chain([800, 2000, 1000], 40);
}
