//! Adam on the two-layer network: the stochastic gradient method that message passing is compared with.

mod options;
#[cfg(test)]
mod tests;

pub use options::{AdamOptions, AdamOptionsError};

use fg_core::Rows;
use rand::Rng;
use rand::seq::SliceRandom;

use super::network::{Regression, transpose};
use crate::ModelError;

/// Minimises the loss from `start` (`N_in x d`) and returns `W1`; `observe` sees `W1` after each epoch, counted
/// from 1.
///
/// # Errors
/// [`ModelError::Adam`] when an option is outside its range, [`ModelError::Shape`] when shapes of the problem and the start
/// don't fit together, [`ModelError::NotFinite`].
pub fn adam<F, L, R>(
    problem: &Regression<'_, F, L>,
    options: &AdamOptions,
    start: &Rows,
    rng: &mut R,
    mut observe: impl FnMut(usize, &Rows),
) -> Result<Rows, ModelError>
where
    F: Fn(f64) -> (f64, f64),
    L: Fn(f64, f64) -> (f64, f64),
    R: Rng + ?Sized,
{
    options.validate()?;
    problem.check(start)?;
    let AdamOptions { learning_rate, mean_decay, square_decay, epsilon, .. } = *options;
    let mut weights = transpose(start);
    let [mut gradient, mut mean, mut square] =
        [(); 3].map(|()| vec![0.0; weights.as_slice().len()]);
    let mut order: Vec<usize> = (0..problem.inputs.rows()).collect();
    let (mut mean_left, mut square_left) = (1.0, 1.0);
    for epoch in 1..=options.epochs {
        order.shuffle(rng);
        for samples in order.chunks(options.batch) {
            problem.loss_and_gradient(&weights, samples, &mut gradient);
            mean_left *= mean_decay;
            square_left *= square_decay;
            let step = learning_rate * f64::sqrt(1.0 - square_left) / (1.0 - mean_left);
            let moments = mean.iter_mut().zip(&mut square);
            for ((w, g), (m, s)) in weights.as_mut_slice().iter_mut().zip(&gradient).zip(moments) {
                *m = mean_decay * *m + (1.0 - mean_decay) * g;
                *s = square_decay * *s + (1.0 - square_decay) * g * g;
                *w -= step * *m / (s.sqrt() + epsilon);
            }
        }
        observe(epoch, &transpose(&weights));
    }
    Ok(transpose(&weights))
}
