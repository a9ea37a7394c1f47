//! One problem of the studies: an operator, a signal, and what is seen of it.

use fg_core::Rows;
use fg_core::operator::Dense;
use fg_models::linear;
use fg_models::synthetic::{
    add_noise, derived_seed, exactly_sparse, geometric_spectrum, noise_variance,
    rotationally_invariant,
};
use rand::SeedableRng;
use rand_pcg::Pcg64;

use crate::options::Setting;
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
