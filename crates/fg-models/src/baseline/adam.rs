//! Adam on the two-layer network: the stochastic gradient method that message passing is compared with.

use core::fmt;

use fg_core::Rows;
use rand::Rng;
use rand::seq::SliceRandom;

use super::network::{Regression, transpose};

/// How Adam goes about it (Kingma and Ba 2015, Algorithm 1 in its efficient form, as in Keras).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AdamOptions {
    /// Step size. Default: 0.01.
    pub learning_rate: f64,
    /// Samples a step. Default: 32.
    pub batch: usize,
    /// Passes through the data. Default: 100.
    pub epochs: usize,
    /// Decay of the averaged gradient. Default: 0.9.
    pub mean_decay: f64,
    /// Decay of the averaged square of the gradient. Default: 0.999.
    pub square_decay: f64,
    /// Added to the root of the averaged square, against division by zero. Default: 1e-7, as in Keras.
    pub epsilon: f64,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self {
            learning_rate: 0.01,
            batch: 32,
            epochs: 100,
            mean_decay: 0.9,
            square_decay: 0.999,
            epsilon: 1e-7,
        }
    }
}

impl AdamOptions {
    /// Default: 100.
    #[must_use]
    pub fn with_epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// Default: 32.
    #[must_use]
    pub fn with_batch(mut self, batch: usize) -> Self {
        self.batch = batch;
        self
    }

    /// Default: 0.01.
    #[must_use]
    pub fn with_learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    /// Checks every option.
    ///
    /// # Errors
    /// [`AdamOptionsError`] naming the first bad one.
    pub fn validate(&self) -> Result<(), AdamOptionsError> {
        let positive = |name, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(AdamOptionsError { name, value }),
        };
        let decay = |name, value: f64| match (0.0..1.0).contains(&value) {
            true => Ok(()),
            false => Err(AdamOptionsError { name, value }),
        };
        positive("learning_rate", self.learning_rate)?;
        positive("batch", self.batch as f64)?;
        decay("mean_decay", self.mean_decay)?;
        decay("square_decay", self.square_decay)?;
        positive("epsilon", self.epsilon)
    }
}

/// An option is outside its range: positive numbers, decays in `[0, 1)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamOptionsError {
    /// Name of the option.
    pub name: &'static str,
    /// The value given.
    pub value: f64,
}

impl fmt::Display for AdamOptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "adam: {} can't be {}", self.name, self.value)
    }
}

impl core::error::Error for AdamOptionsError {}

/// Minimises the loss from `start` (`N_in x d`) and returns `W1`; `observe` sees `W1` after each epoch, counted
/// from 1.
///
/// # Errors
/// [`AdamOptionsError`] when an option is outside its range.
///
/// # Panics
/// When shapes of the problem and the start don't fit together.
pub fn adam<F, L, R>(
    problem: &Regression<'_, F, L>,
    options: &AdamOptions,
    start: &Rows,
    rng: &mut R,
    mut observe: impl FnMut(usize, &Rows),
) -> Result<Rows, AdamOptionsError>
where
    F: Fn(f64) -> (f64, f64),
    L: Fn(f64, f64) -> (f64, f64),
    R: Rng + ?Sized,
{
    options.validate()?;
    problem.check(start);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::squared_loss;
    use crate::synthetic::gaussian_rows;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    fn identity(z: f64) -> (f64, f64) {
        (z, 1.0)
    }

    #[test]
    fn two_steps_by_hand() {
        // One sample x = 1, y = 3, one linear unit with W2 = 2 and b2 = 1: loss (2 w - 2)^2 + 0.5 w^2,
        // gradient 8 (w - 1) + w. From w = 0 the first gradient is -8; the first step of Adam has length
        // lr |g| / (|g| + eps / sqrt(0.001)) whatever the gradient.
        let one = |v: f64| Rows::column(vec![v]);
        let (inputs, targets, output_weights) = (one(1.0), one(3.0), one(2.0));
        let problem = Regression {
            inputs: &inputs,
            targets: &targets,
            output_weights: &output_weights,
            output_bias: &[1.0],
            penalty: &[0.5],
            activation: identity,
            loss: squared_loss,
        };
        let options = AdamOptions::default().with_learning_rate(0.1).with_epochs(2);
        let mut path = Vec::new();
        let mut rng = Pcg64::seed_from_u64(0);
        adam(&problem, &options, &one(0.0), &mut rng, |_, w| path.push(w[(0, 0)])).unwrap();
        let (g1, eps) = (-8.0, 1e-7);
        let (m1, s1) = (0.1 * g1, 0.001 * g1 * g1);
        let w1 = -0.1 * 0.001_f64.sqrt() / 0.1 * m1 / (f64::sqrt(s1) + eps);
        let g2 = 8.0 * (w1 - 1.0) + w1;
        let (m2, s2) = (0.9 * m1 + 0.1 * g2, 0.999 * s1 + 0.001 * g2 * g2);
        let correction = (1.0 - 0.999_f64 * 0.999).sqrt() / (1.0 - 0.81);
        let w2 = w1 - 0.1 * correction * m2 / (f64::sqrt(s2) + eps);
        // The same few operations in another order.
        assert!((path[0] - w1).abs() < 1e-14 && (path[1] - w2).abs() < 1e-14, "{path:?} {w1} {w2}");
    }

    #[test]
    fn linear_units_reach_the_least_squares_solution() {
        let mut rng = Pcg64::seed_from_u64(2);
        let x = gaussian_rows(64, 5, 1.0, &mut rng);
        let truth = gaussian_rows(5, 1, 1.0, &mut rng);
        let y = Rows::from_fn(64, 1, |i, _| {
            2.0 * x.row(i).iter().zip(truth.as_slice()).map(|(x, w)| x * w).sum::<f64>()
        });
        let w2 = Rows::column(vec![2.0]);
        let problem = Regression {
            inputs: &x,
            targets: &y,
            output_weights: &w2,
            output_bias: &[0.0],
            penalty: &[0.0; 5],
            activation: identity,
            loss: squared_loss,
        };
        let options = AdamOptions::default().with_epochs(1000);
        let found = adam(&problem, &options, &Rows::zeros(5, 1), &mut rng, |_, _| {}).unwrap();
        // Noiseless data: every batch has the same minimiser, so the steps vanish there.
        assert!(found.mean_squared_error(&truth) < 1e-8, "{found:?} for {truth:?}");
    }

    #[test]
    fn options_outside_their_range_are_named() {
        let error = AdamOptions::default().with_batch(0).validate().unwrap_err();
        assert_eq!(error.to_string(), "adam: batch can't be 0");
        assert!(AdamOptions::default().with_learning_rate(f64::NAN).validate().is_err());
    }
}
