//! Options of a run; every clamp, floor and retry of the engine is one of them.

use core::fmt;
use std::time::Duration;

use crate::graph::FactorId;
use crate::message::Policy;
use crate::schedule::ScheduleChoice;

/// How a run proceeds and when it stops.
///
/// ```
/// use fg_core::Options;
/// let options = Options::default().with_max_sweeps(50).with_damping(0.7);
/// assert!(options.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// Most sweeps of a run.
    pub max_sweeps: usize,
    /// A run has converged when no belief would move by more than this share of its own second moment, damping
    /// left aside.
    pub tolerance: f64,
    /// Weight of a new message against the one it replaces, in `(0, 1]`; 1 doesn't damp.
    pub damping: f64,
    /// Weights of single messages in place of `damping`, by factor and port.
    pub port_damping: Vec<(FactorId, usize, f64)>,
    /// Order of updates.
    pub schedule: ScheduleChoice,
    /// What happens to messages that are indefinite in some direction.
    pub policy: Policy,
    /// Directions of a message within this many standard errors of nothing are dropped, for factors that
    /// sample.
    pub sampling_errors: f64,
    /// Smallest ratio of a belief's covariance to its cavity's, in any direction: keeps the message of a dead
    /// zone or of a saturated posterior finite.
    pub alpha_min: f64,
    /// Largest such ratio below one; ratios of one and above are left to the policy, which drops them.
    pub alpha_max: f64,
    /// Where a direction of a new message would be dropped, or where the answer is known and it would be weaker in one, the
    /// message before stays if it is below this share of the belief's precision; known is what has a variance below this
    /// share of its second moment. A factor that is told the answer adds nothing to it, and a run that took that for news
    /// would forget what it has found, and start again.
    pub negligible: f64,
    /// How often a run may go back after a breakdown, to its last good state: where the last sweep began that could be completed.
    pub retries: usize,
    /// By what the damping weight is multiplied at each retry, in `(0, 1)`.
    pub retry_damping: f64,
    /// A belief whose second moment exceeds that of its variable in the first sweep by this factor counts as a breakdown.
    pub explosion: f64,
    /// By how many earlier sweeps a sweep is accelerated (Anderson's method); 0 doesn't. Something that the data hardly
    /// tell, such as the length of a signal of which only signs are seen, otherwise takes hundreds of sweeps of ever
    /// smaller steps. Fixed points stay as they are; state evolution predicts runs without acceleration.
    pub acceleration: usize,
    /// Longest time of a run; the engine reads no clock without it.
    pub time_limit: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_sweeps: 100,
            tolerance: 1e-6,
            damping: 1.0,
            port_damping: Vec::new(),
            schedule: ScheduleChoice::Auto,
            policy: Policy::Project,
            sampling_errors: 2.0,
            alpha_min: 1e-12,
            alpha_max: 1.0,
            negligible: 1e-9,
            retries: 3,
            retry_damping: 0.5,
            explosion: 1e8,
            acceleration: 0,
            time_limit: None,
        }
    }
}

impl Options {
    /// Default: 100.
    #[must_use]
    pub fn with_max_sweeps(mut self, sweeps: usize) -> Self {
        self.max_sweeps = sweeps;
        self
    }

    /// Default: 1e-6. Zero runs all sweeps.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Default: 1, undamped.
    #[must_use]
    pub fn with_damping(mut self, weight: f64) -> Self {
        self.damping = weight;
        self
    }

    /// Damping of one factor's message at one port; the others keep the general weight.
    #[must_use]
    pub fn with_port_damping(mut self, factor: FactorId, port: usize, weight: f64) -> Self {
        self.port_damping.push((factor, port, weight));
        self
    }

    /// Default: [`ScheduleChoice::Auto`].
    #[must_use]
    pub fn with_schedule(mut self, schedule: ScheduleChoice) -> Self {
        self.schedule = schedule;
        self
    }

    /// Default: [`Policy::Project`].
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Default: 2 standard errors.
    #[must_use]
    pub fn with_sampling_errors(mut self, errors: f64) -> Self {
        self.sampling_errors = errors;
        self
    }

    /// Default: `[1e-12, 1]`.
    #[must_use]
    pub fn with_alpha_bounds(mut self, minimum: f64, maximum: f64) -> Self {
        (self.alpha_min, self.alpha_max) = (minimum, maximum);
        self
    }

    /// Default: 1e-9. Zero always drops.
    #[must_use]
    pub fn with_negligible(mut self, share: f64) -> Self {
        self.negligible = share;
        self
    }

    /// Default: 3 retries, each halving the damping weight.
    #[must_use]
    pub fn with_retries(mut self, retries: usize, damping: f64) -> Self {
        (self.retries, self.retry_damping) = (retries, damping);
        self
    }

    /// Default: 1e8.
    #[must_use]
    pub fn with_explosion(mut self, factor: f64) -> Self {
        self.explosion = factor;
        self
    }

    /// Default: 0, none. Four to eight are usual.
    #[must_use]
    pub fn with_acceleration(mut self, sweeps: usize) -> Self {
        self.acceleration = sweeps;
        self
    }

    /// Default: none.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Checks every option; a run does it once.
    ///
    /// # Errors
    /// [`OptionsError`] naming the option.
    pub fn validate(&self) -> Result<(), OptionsError> {
        let check = |holds: bool, option, value, requirement| {
            if holds { Ok(()) } else { Err(OptionsError { option, value, requirement }) }
        };
        let weight = |w: f64| w > 0.0 && w <= 1.0;
        check(weight(self.damping), "damping", self.damping, "in (0, 1]")?;
        for &(_, _, w) in &self.port_damping {
            check(weight(w), "port_damping", w, "in (0, 1]")?;
        }
        check(self.tolerance >= 0.0, "tolerance", self.tolerance, "at least 0")?;
        check(self.sampling_errors >= 0.0, "sampling_errors", self.sampling_errors, "at least 0")?;
        check(
            self.alpha_min >= 0.0 && self.alpha_min < self.alpha_max,
            "alpha_min",
            self.alpha_min,
            "at least 0 and below alpha_max",
        )?;
        check(self.alpha_max <= 1.0, "alpha_max", self.alpha_max, "at most 1")?;
        let share = self.negligible;
        check((0.0..1.0).contains(&share), "negligible", share, "at least 0 and below 1")?;
        let retry = self.retry_damping;
        check(retry > 0.0 && retry < 1.0, "retry_damping", retry, "in (0, 1)")?;
        check(self.explosion > 1.0, "explosion", self.explosion, "above 1")?;
        if let Policy::Clamp { minimum, maximum } = self.policy {
            let ordered = minimum > 0.0 && minimum <= maximum && maximum < f64::INFINITY;
            check(ordered, "policy.minimum", minimum, "above 0, at most the finite maximum")?;
        }
        Ok(())
    }
}

/// An option is out of its range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionsError {
    /// Name of the option.
    pub option: &'static str,
    /// Its value.
    pub value: f64,
    /// What it must be.
    pub requirement: &'static str,
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "option {} must be {}, got {}", self.option, self.requirement, self.value)
    }
}

impl core::error::Error for OptionsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_out_of_range_is_named() {
        let options = Options::default;
        let cases = [
            (options().with_damping(0.0), "damping"),
            (options().with_damping(f64::NAN), "damping"),
            (options().with_port_damping(FactorId(0), 0, 1.5), "port_damping"),
            (options().with_tolerance(f64::NAN), "tolerance"),
            (options().with_sampling_errors(-1.0), "sampling_errors"),
            (options().with_alpha_bounds(0.5, 0.1), "alpha_min"),
            (options().with_alpha_bounds(0.1, 1.5), "alpha_max"),
            (options().with_retries(1, 1.0), "retry_damping"),
            (options().with_explosion(0.5), "explosion"),
            (options().with_policy(Policy::Clamp { minimum: 0.0, maximum: 1.0 }), "policy.minimum"),
        ];
        for (options, name) in cases {
            assert_eq!(options.validate().unwrap_err().option, name);
        }
        assert_eq!(options().validate(), Ok(()));
    }
}
