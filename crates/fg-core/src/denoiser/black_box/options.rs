//! How hard a black box is looked at: target, number and step of its probes.

use core::fmt;

/// How the divergence of a [`BlackBox`](super::BlackBox) is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BlackBoxOptions {
    /// Relative standard error of the average Jacobian at which no more probes are made. Default: 0.01.
    pub target: f64,
    /// Probes made in any case, at least two: the error is known from how they differ. Default: 3.
    pub min_probes: usize,
    /// Probes after which the error is taken as it is. Default: 24.
    pub max_probes: usize,
    /// Step of the central differences in units of the noise level. Default: 0.01.
    ///
    /// The bias is its square times a third derivative; jumps of the function within the step are averaged as
    /// they should be.
    pub step: f64,
    /// Chooses the directions of the probes. Default: 0.
    pub seed: u64,
}

impl Default for BlackBoxOptions {
    fn default() -> Self {
        Self { target: 0.01, min_probes: 3, max_probes: 24, step: 0.01, seed: 0 }
    }
}

/// A bound of [`BlackBoxOptions`] is broken.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum BlackBoxError {
    /// The target isn't above zero.
    Target(f64),
    /// The step isn't above zero and finite.
    Step(f64),
    /// The numbers of probes aren't `2 <= min_probes <= max_probes`.
    Probes {
        /// Probes in any case.
        min: usize,
        /// Probes at most.
        max: usize,
    },
}

impl fmt::Display for BlackBoxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(value) => write!(f, "target must be above 0, got {value}"),
            Self::Step(value) => write!(f, "step must be finite and above 0, got {value}"),
            Self::Probes { min, max } => {
                write!(f, "probes need 2 <= min_probes <= max_probes, got {min} and {max}")
            }
        }
    }
}

impl core::error::Error for BlackBoxError {}

impl BlackBoxOptions {
    /// As given, with this target of the relative standard error.
    #[must_use]
    pub fn with_target(mut self, target: f64) -> Self {
        self.target = target;
        self
    }

    /// As given, with these smallest and largest numbers of probes.
    #[must_use]
    pub fn with_probes(mut self, min: usize, max: usize) -> Self {
        (self.min_probes, self.max_probes) = (min, max);
        self
    }

    /// As given, with this step in units of the noise level.
    #[must_use]
    pub fn with_step(mut self, step: f64) -> Self {
        self.step = step;
        self
    }

    /// As given, with other directions of the probes.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks the bounds.
    ///
    /// # Errors
    /// [`BlackBoxError`] naming the first option that is out of bounds.
    pub fn validate(&self) -> Result<(), BlackBoxError> {
        if !(self.target > 0.0) {
            Err(BlackBoxError::Target(self.target))
        } else if !(self.step > 0.0 && self.step.is_finite()) {
            Err(BlackBoxError::Step(self.step))
        } else if !(2 <= self.min_probes && self.min_probes <= self.max_probes) {
            Err(BlackBoxError::Probes { min: self.min_probes, max: self.max_probes })
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_out_of_bounds_are_named() {
        let options = BlackBoxOptions::default();
        assert_eq!(options.validate(), Ok(()));
        let error = options.with_probes(1, 5).validate();
        assert_eq!(error, Err(BlackBoxError::Probes { min: 1, max: 5 }));
        assert_eq!(options.with_step(0.0).validate(), Err(BlackBoxError::Step(0.0)));
        assert!(options.with_target(f64::NAN).validate().is_err());
    }
}
