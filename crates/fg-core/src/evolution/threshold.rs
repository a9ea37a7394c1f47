//! The value of a parameter at which a yes-or-no question about predictions changes its answer.

use core::fmt;

use super::error::EvolutionError;

/// Where a criterion changes: it was found to hold at one value and to fail at the other, next to each other.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Threshold {
    /// The value nearest to the threshold at which the criterion was found to hold.
    pub holds: f64,
    /// The value nearest to the threshold at which it was found to fail.
    pub fails: f64,
}

impl Threshold {
    /// The middle of both.
    pub fn value(&self) -> f64 {
        0.5 * (self.holds + self.fails)
    }

    /// How far the threshold can be from [`value`](Self::value).
    pub fn uncertainty(&self) -> f64 {
        0.5 * (self.holds - self.fails).abs()
    }
}

/// Bisects for the threshold of a criterion that holds at one end of `bracket` and fails at the other, until both
/// values are within `tolerance` or no number lies between them. Where the criterion changes more than once, one of the
/// changes is found.
///
/// The criterion usually runs a prediction to its fixed point and looks at the error, such as
/// `Ok(graph_at(alpha).predict(&options)?.estimate(x).nmse_db() < -40.0)`. Next to a threshold recursions take many
/// sweeps: one that stops at its limit of sweeps moves the threshold.
///
/// ```
/// use fg_core::evolution::threshold;
/// let root = threshold((0.0, 2.0), 1e-9, |x| Ok(x * x > 2.0))?;
/// assert!((root.value() - 2.0_f64.sqrt()).abs() < 1e-9);
/// # Ok::<(), fg_core::evolution::ThresholdError>(())
/// ```
///
/// # Errors
/// [`ThresholdError`] when the bracket or the tolerance makes no sense, the criterion is the same at both ends, or a
/// prediction fails.
pub fn threshold(
    bracket: (f64, f64),
    tolerance: f64,
    mut criterion: impl FnMut(f64) -> Result<bool, EvolutionError>,
) -> Result<Threshold, ThresholdError> {
    let (low, high) = bracket;
    if !(low.is_finite() && high.is_finite() && low < high) {
        return Err(ThresholdError::Bracket { low, high });
    }
    if !(tolerance > 0.0) {
        return Err(ThresholdError::Tolerance { value: tolerance });
    }
    let mut at =
        |value: f64| criterion(value).map_err(|error| ThresholdError::Evolution { value, error });
    let (at_low, at_high) = (at(low)?, at(high)?);
    if at_low == at_high {
        return Err(ThresholdError::SameAtEnds { low, high, holds: at_low });
    }
    let (mut holds, mut fails) = if at_low { (low, high) } else { (high, low) };
    while (holds - fails).abs() > tolerance {
        // Halves first, so that the sum can't overflow.
        let middle = 0.5 * holds + 0.5 * fails;
        if !(middle > holds.min(fails) && middle < holds.max(fails)) {
            break;
        }
        *(if at(middle)? { &mut holds } else { &mut fails }) = middle;
    }
    Ok(Threshold { holds, fails })
}

/// A threshold can't be found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ThresholdError {
    /// The ends of the bracket aren't finite and in ascending order.
    Bracket {
        /// The first end.
        low: f64,
        /// The second end.
        high: f64,
    },
    /// The tolerance isn't positive.
    Tolerance {
        /// Its value.
        value: f64,
    },
    /// The criterion holds at both ends of the bracket, or fails at both.
    SameAtEnds {
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
        /// Whether it holds.
        holds: bool,
    },
    /// A prediction can't be made.
    Evolution {
        /// The value of the parameter.
        value: f64,
        /// Why.
        error: EvolutionError,
    },
}

impl fmt::Display for ThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bracket { low, high } => {
                write!(
                    f,
                    "a bracket needs two finite ends in ascending order, got {low} and {high}"
                )
            }
            Self::Tolerance { value } => write!(f, "tolerance must be above 0, got {value}"),
            Self::SameAtEnds { low, high, holds } => {
                let answer = if *holds { "holds" } else { "fails" };
                write!(f, "the criterion {answer} at both ends of the bracket, {low} and {high}")
            }
            Self::Evolution { value, error } => write!(f, "at {value}: {error}"),
        }
    }
}

impl core::error::Error for ThresholdError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Evolution { error, .. } => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_side_may_hold() {
        const TOLERANCE: f64 = 1e-6;
        for above in [false, true] {
            let found = threshold((-1.0, 1.0), TOLERANCE, |x| Ok((x > 0.3) == above)).unwrap();
            assert!((found.value() - 0.3).abs() <= found.uncertainty(), "{found:?}");
            assert!(found.uncertainty() <= 0.5 * TOLERANCE, "{found:?}");
            assert_eq!(found.holds > found.fails, above);
        }
    }

    #[test]
    fn a_tolerance_below_rounding_ends_at_neighbouring_numbers() {
        let found = threshold((1.0, 2.0), f64::MIN_POSITIVE, |x| Ok(x >= 1.7)).unwrap();
        assert!(found.holds >= 1.7 && found.fails < 1.7, "{found:?}");
        assert_eq!(found.fails.to_bits() + 1, found.holds.to_bits());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let never = |_: f64| -> Result<bool, EvolutionError> { Ok(false) };
        for bracket in [(1.0, 0.0), (0.0, f64::NAN), (f64::NEG_INFINITY, 0.0), (1.0, 1.0)] {
            let error = threshold(bracket, 0.1, never).unwrap_err();
            assert!(matches!(error, ThresholdError::Bracket { .. }), "{bracket:?}: {error}");
        }
        for tolerance in [0.0, -1.0, f64::NAN] {
            let error = threshold((0.0, 1.0), tolerance, never).unwrap_err();
            assert!(matches!(error, ThresholdError::Tolerance { .. }), "{tolerance}: {error}");
        }
        let error = threshold((0.0, 1.0), 0.1, never).unwrap_err();
        assert_eq!(error, ThresholdError::SameAtEnds { low: 0.0, high: 1.0, holds: false });
        let broken = |x: f64| {
            if x > 0.0 && x < 1.0 { Err(EvolutionError::Points { found: 1 }) } else { Ok(x > 0.5) }
        };
        let error = threshold((0.0, 1.0), 0.1, broken).unwrap_err();
        let expected = EvolutionError::Points { found: 1 };
        assert_eq!(error, ThresholdError::Evolution { value: 0.5, error: expected });
    }
}
