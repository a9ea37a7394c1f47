//! How Adam goes about it, and what it refuses.

use core::fmt;

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
