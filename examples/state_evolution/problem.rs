//! The problem in its three forms: as drawn, as assumed by the estimator, and as predicted.

use fg_core::denoiser::Denoiser;
use fg_core::evolution::{Evolution, MessageLaw, Spectrum};
use fg_core::operator::{Dense, Ensemble, LinearOperator};
use fg_core::{FactorId, Graph, Message, Options as RunOptions, Precision, Rows, VariableId};
use fg_denoisers::{BernoulliGauss, L1};
use fg_models::ModelError;
use fg_models::comparison::Trial;
use fg_models::synthetic::{derived_seed, geometric_spectrum, rotationally_invariant};
use fg_models::{GeneralisedGraph, linear};
use rand::SeedableRng;
use rand_pcg::Pcg64;

use crate::options::{Model, Setting};
use crate::support::Failure;

/// Points of each row integral: the slab is up to a thousand times as wide as the noise, and the default number would
/// err by a tenth of a decibel.
const POINTS: usize = 65536;
/// Share of entries of the signal that aren't zero; those have variance one.
const SPARSITY: f64 = 0.1;
/// What the mismatched estimator takes it for.
const ASSUMED: f64 = 0.3;

/// Everything that runs and prediction share.
#[derive(Debug)]
pub(crate) struct Problem {
    setting: Setting,
    singular_values: Vec<f64>,
    truth: BernoulliGauss,
    noise_precision: f64,
}

/// The parts of its graphs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    pub(crate) signal: VariableId,
    prior: FactorId,
}

impl Problem {
    pub(crate) fn new(setting: &Setting) -> Result<Self, Failure> {
        let Setting { rows, columns, condition, snr_db, .. } = *setting;
        let singular_values =
            geometric_spectrum(rows.min(columns), condition).map_err(Failure::input)?;
        // Power of an entry of A x: the sum of squares, times the power of an entry of x, over the rows.
        let squares: f64 = singular_values.iter().map(|s| s * s).sum();
        let variance = squares * SPARSITY / rows as f64 * 10_f64.powf(-0.1 * snr_db);
        let noise_precision = variance.recip();
        let truth = BernoulliGauss::new(SPARSITY, 0.0, 1.0).map_err(Failure::other)?;
        Ok(Self { setting: setting.clone(), singular_values, truth, noise_precision })
    }

    pub(crate) fn run_options(&self) -> RunOptions {
        RunOptions::default().with_max_sweeps(self.setting.sweeps)
    }

    fn graph(
        &self,
        operator: impl LinearOperator + 'static,
        prior: impl Denoiser + 'static,
    ) -> Result<(Graph, Parts), ModelError> {
        let GeneralisedGraph { builder, signal, prior, .. } =
            linear::unobserved(operator, 1, prior, self.noise_precision)?;
        Ok((builder.build()?, Parts { signal, prior }))
    }

    fn estimator(
        &self,
        operator: impl LinearOperator + 'static,
    ) -> Result<(Graph, Parts), ModelError> {
        match self.setting.model {
            Model::Sparse => self.graph(operator, self.truth.clone()),
            // The weight for which a Laplace density has the power of the signal.
            Model::Lasso => self.graph(operator, L1::new((2.0 / SPARSITY).sqrt())?),
            Model::Mismatch => self.graph(operator, BernoulliGauss::new(ASSUMED, 0.0, 1.0)?),
        }
    }

    /// The estimator's graph without a matrix.
    pub(crate) fn nominal(&self) -> Result<(Graph, Parts), Failure> {
        let Setting { rows, columns, .. } = self.setting;
        let spectrum = Spectrum::of_singular_values(&self.singular_values, rows, columns);
        let operator = Ensemble::new(columns, spectrum.map_err(Failure::other)?);
        self.estimator(operator).map_err(Failure::other)
    }

    /// The prediction of its runs.
    pub(crate) fn evolution<'g>(
        &self,
        graph: &'g Graph,
        parts: &Parts,
    ) -> Result<Evolution<'g>, Failure> {
        let mut evolution =
            Evolution::new(graph, &self.run_options()).with_points(POINTS).with_samples();
        if self.setting.model != Model::Sparse {
            evolution = evolution.with_law(parts.prior, self.truth.clone());
        }
        if self.setting.model == Model::Lasso {
            // A message at mean zero holds nothing of the truth.
            let zero = || vec![0.0];
            let start = MessageLaw::new(1, vec![1.0 / SPARSITY], zero(), zero(), zero());
            evolution = evolution.with_start(parts.prior, 0, start.map_err(Failure::other)?);
        }
        Ok(evolution)
    }

    /// The problem of one run.
    pub(crate) fn trial(&self, run: usize) -> Result<Trial, ModelError> {
        let Setting { rows, columns, seed, .. } = self.setting;
        let mut rng = Pcg64::seed_from_u64(derived_seed(seed, &[run as u64]));
        let matrix = rotationally_invariant(rows, columns, &self.singular_values, &mut rng)?;
        let operator = Dense::new(matrix)?;
        let (graph, parts) = self.estimator(operator.clone())?;
        let (law, _) = self.graph(operator, self.truth.clone())?;
        let start = (self.setting.model == Model::Lasso).then(|| {
            let layout = graph.layout(parts.signal).clone();
            let precision = Precision::isotropic(layout, 1.0 / SPARSITY)?;
            Message::from_mean(&Rows::zeros(columns, 1), precision)
        });
        let trial = Trial::draw(graph, Some(&law), parts.signal, &mut rng)?;
        Ok(match start.transpose()? {
            None => trial,
            Some(message) => trial.with_start(parts.prior, 0, message),
        })
    }
}
