//! One problem of the studies: an operator, a signal, and what is seen of it; and what is predicted of all such.

use fg_core::Rows;
use fg_core::evolution::{Spectrum, SpectrumError};
use fg_core::operator::{Dense, Ensemble};
use fg_models::synthetic::{
    add_noise, derived_seed, exactly_sparse, geometric_spectrum, noise_variance,
    rotationally_invariant,
};
use fg_models::{ModelError, linear};
use rand::SeedableRng;
use rand_pcg::Pcg64;

use crate::curves::nmse_by_sweep;
use crate::options::{SWEEPS, Setting, run_options};
use crate::support::Failure;

pub(crate) struct Problem {
    pub(crate) operator: Dense,
    pub(crate) signal: Rows,
    pub(crate) observations: Rows,
    /// Variance of the noise in the observations.
    pub(crate) noise: f64,
}

impl Problem {
    /// The problem of this run at this condition number.
    pub(crate) fn draw(setting: &Setting, condition: f64, run: usize) -> Result<Self, Failure> {
        let Setting { rows, columns, prior, snr_db, seed, .. } = setting;
        let mut rng = Pcg64::seed_from_u64(derived_seed(*seed, &[condition.to_bits(), run as u64]));
        let matrix = geometric_spectrum((*rows).min(*columns), condition)
            .and_then(|spectrum| rotationally_invariant(*rows, *columns, &spectrum, &mut rng))
            .map_err(|error| Failure::input(format!("--condition: {error}")))?;
        let (sparsity, mean, variance) = (prior.sparsity(), prior.mean(), prior.variance());
        let signal = exactly_sparse((*columns, 1), sparsity, mean, variance, &mut rng);
        let operator = Dense::new(matrix).map_err(Failure::other)?;
        let clean = linear::outputs(&operator, &signal);
        let noise = noise_variance(&clean, *snr_db);
        let observations = add_noise(&clean, noise, &mut rng);
        Ok(Self { operator, signal, observations, noise })
    }
}

/// The operators of a condition number, and the variance of the noise.
pub(crate) fn ensemble(
    setting: &Setting,
    condition: f64,
) -> Result<(Ensemble, f64), SpectrumError> {
    let Setting { rows, columns, prior, snr_db, .. } = setting;
    let spectrum = Spectrum::geometric(*rows as f64 / *columns as f64, condition)?;
    let power = prior.sparsity() * prior.variance();
    let noise = power * spectrum.output_power() / 10_f64.powf(0.1 * snr_db);
    Ok((Ensemble::new(*columns, spectrum), noise))
}

/// What state evolution says of the error of posterior means, in decibels after each of [`SWEEPS`] sweeps.
pub(crate) fn predicted(setting: &Setting, condition: f64) -> Result<Vec<f64>, ModelError> {
    let (operator, noise) = ensemble(setting, condition)?;
    let model = linear::unobserved(operator, 1, setting.prior.clone(), noise.recip())?;
    let prediction = model.builder.build()?.predict(&run_options())?;
    Ok(nmse_by_sweep(&prediction, model.signal, SWEEPS))
}
