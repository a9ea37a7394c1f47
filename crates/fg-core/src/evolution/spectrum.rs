//! A spectrum decides what state evolution knows of an operator: its shape and the law of its singular values.

use core::f64::consts::PI;
use core::fmt;

/// The law of the squared singular values of an operator of `m` outputs and `n` inputs.
///
/// It is over the `min(m, n)` directions that both sides have; the others, on the longer side, have singular value
/// zero and are counted where they belong. Sizes are a ratio: no matrix is needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    ratio: f64,
    /// Squares of singular values and their shares, which add up to one.
    atoms: Vec<(f64, f64)>,
}

/// Nodes of a continuous law. Marchenko and Pastur's is integrated in an angle that it is analytic in, to rounding
/// unless the smallest singular value vanishes; a geometric one by the midpoint rule, to about `1e-4`, relative, at
/// condition number 1e4.
const NODES: usize = 256;

impl Spectrum {
    /// The law that gives the squared singular value `atoms[k].0` to a share proportional to `atoms[k].1` of the
    /// `min(m, n)` directions; `ratio` is `m / n`.
    ///
    /// # Errors
    /// [`SpectrumError`] when there is no atom, a square is negative, a weight isn't positive or the ratio isn't.
    pub fn new(ratio: f64, atoms: &[(f64, f64)]) -> Result<Self, SpectrumError> {
        if !(ratio > 0.0 && ratio < f64::INFINITY) {
            return Err(SpectrumError::Ratio { value: ratio });
        }
        if atoms.is_empty() {
            return Err(SpectrumError::Empty);
        }
        for (index, &(square, weight)) in atoms.iter().enumerate() {
            if !(0.0..f64::INFINITY).contains(&square) {
                return Err(SpectrumError::Atom { index, value: square });
            }
            if !(weight > 0.0 && weight < f64::INFINITY) {
                return Err(SpectrumError::Atom { index, value: weight });
            }
        }
        let total: f64 = atoms.iter().map(|a| a.1).sum();
        Ok(Self { ratio, atoms: atoms.iter().map(|&(s, w)| (s, w / total)).collect() })
    }

    /// The singular values of a given operator of `outputs x inputs`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_singular_values(
        values: &[f64],
        outputs: usize,
        inputs: usize,
    ) -> Result<Self, SpectrumError> {
        let atoms: Vec<_> = values.iter().map(|s| (s * s, 1.0)).collect();
        Self::new(outputs as f64 / inputs as f64, &atoms)
    }

    /// Independent entries of mean zero and variance `1 / m`, so that columns have length one: the law of Marchenko
    /// and Pastur with `m / n = ratio`.
    ///
    /// # Errors
    /// [`SpectrumError::Ratio`] unless the ratio is positive and finite.
    pub fn marchenko_pastur(ratio: f64) -> Result<Self, SpectrumError> {
        if !(ratio > 0.0 && ratio < f64::INFINITY) {
            return Err(SpectrumError::Ratio { value: ratio });
        }
        // Squares fill [(1 - q)^2, (1 + q)^2], q = sqrt(n / m), with density ~ sqrt((b - s)(s - a)) / s: in the angle
        // t of s = 1 + q^2 + 2 q cos t it is sin^2 t / s, and the midpoint rule is Gauss's.
        let q = ratio.recip().sqrt();
        let atoms: Vec<_> = (0..NODES)
            .map(|k| {
                let t = PI * (k as f64 + 0.5) / NODES as f64;
                // (1 - q)^2 + 4 q cos^2(t / 2): exact also where the lower edge is next to zero.
                let half = (0.5 * t).cos();
                let square = (1.0 - q) * (1.0 - q) + 4.0 * q * half * half;
                (square, t.sin() * t.sin() / square)
            })
            .collect();
        Self::new(ratio, &atoms)
    }

    /// All singular values one: orthonormal rows for `ratio <= 1`, orthonormal columns otherwise.
    ///
    /// # Errors
    /// [`SpectrumError::Ratio`] unless the ratio is positive and finite.
    pub fn orthonormal(ratio: f64) -> Result<Self, SpectrumError> {
        Self::new(ratio, &[(1.0, 1.0)])
    }

    /// Singular values that fall geometrically over `min(m, n)` directions with quotient `condition` of the largest
    /// and the smallest, mean square one.
    ///
    /// # Errors
    /// [`SpectrumError`] unless the condition number is at least one and the ratio positive, both finite.
    pub fn geometric(ratio: f64, condition: f64) -> Result<Self, SpectrumError> {
        if !(1.0..f64::INFINITY).contains(&condition) {
            return Err(SpectrumError::Condition { value: condition });
        }
        let log = 2.0 * condition.ln();
        let squares: Vec<f64> =
            (0..NODES).map(|k| (-log * (k as f64 + 0.5) / NODES as f64).exp()).collect();
        let mean = squares.iter().sum::<f64>() / NODES as f64;
        let atoms: Vec<_> = squares.iter().map(|s| (s / mean, 1.0)).collect();
        Self::new(ratio, &atoms)
    }

    /// The same law with all squares multiplied by `factor`.
    ///
    /// # Errors
    /// [`SpectrumError::Atom`] when the factor is negative or not finite.
    pub fn scaled(&self, factor: f64) -> Result<Self, SpectrumError> {
        let atoms: Vec<_> = self.atoms.iter().map(|&(s, w)| (s * factor, w)).collect();
        Self::new(self.ratio, &atoms)
    }

    /// `m / n`.
    pub fn ratio(&self) -> f64 {
        self.ratio
    }

    /// Squared singular values and their shares of the `min(m, n)` directions.
    pub fn atoms(&self) -> &[(f64, f64)] {
        &self.atoms
    }

    /// Mean of the squares over the `min(m, n)` directions.
    pub fn mean_square(&self) -> f64 {
        self.atoms.iter().map(|a| a.0 * a.1).sum()
    }

    /// Mean square over the `m` directions of the output: the power of `A x` for `x` of power one.
    pub fn output_power(&self) -> f64 {
        self.mean_square() * self.ratio.recip().min(1.0)
    }

    /// The directions as seen from both sides.
    pub(super) fn directions(&self) -> Vec<Direction> {
        let (shared_x, shared_z) = (self.ratio.min(1.0), self.ratio.recip().min(1.0));
        let shared = |&(square, weight): &(f64, f64)| Direction {
            square,
            input: weight * shared_x,
            output: weight * shared_z,
        };
        let mut directions: Vec<_> = self.atoms.iter().map(shared).collect();
        if shared_x < 1.0 {
            directions.push(Direction { square: 0.0, input: 1.0 - shared_x, output: 0.0 });
        }
        if shared_z < 1.0 {
            directions.push(Direction { square: 0.0, input: 0.0, output: 1.0 - shared_z });
        }
        directions
    }
}

/// A squared singular value and the share of input and of output directions that have it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Direction {
    pub(super) square: f64,
    pub(super) input: f64,
    pub(super) output: f64,
}

/// A spectrum isn't one.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum SpectrumError {
    /// No atoms.
    Empty,
    /// The ratio of outputs and inputs isn't positive and finite.
    Ratio {
        /// Its value.
        value: f64,
    },
    /// The condition number isn't finite and at least one.
    Condition {
        /// Its value.
        value: f64,
    },
    /// A square is negative, a weight isn't positive, or one of them isn't finite.
    Atom {
        /// Index of the atom.
        index: usize,
        /// The offending number.
        value: f64,
    },
}

impl fmt::Display for SpectrumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a spectrum needs at least one atom"),
            Self::Ratio { value } => {
                write!(f, "ratio of outputs and inputs must be positive and finite, got {value}")
            }
            Self::Condition { value } => {
                write!(f, "condition number must be at least 1 and finite, got {value}")
            }
            Self::Atom { index, value } => write!(
                f,
                "atom {index} needs a square of at least 0 and a weight above 0, both finite, got {value}"
            ),
        }
    }
}

impl core::error::Error for SpectrumError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of a few hundred terms.
    const ROUNDING: f64 = 1e-12;

    #[test]
    fn marchenko_pastur_has_the_moments_of_a_random_matrix() {
        // Over the n inputs: E s^2 = 1 and E s^4 = 1 + n / m, and E 1 / s^2 = 1 / (1 - n / m) for tall operators.
        for ratio in [0.3, 1.0, 2.5] {
            let spectrum = Spectrum::marchenko_pastur(ratio).unwrap();
            let mean = |f: &dyn Fn(f64) -> f64| -> f64 {
                let directions = spectrum.directions();
                let inputs = directions.iter().filter(|d| d.input > 0.0);
                inputs.map(|d| d.input * f(d.square)).sum()
            };
            assert!((mean(&|_| 1.0) - 1.0).abs() < ROUNDING, "{ratio}");
            assert!((mean(&|s| s) - 1.0).abs() < ROUNDING, "{ratio}: {}", mean(&|s| s));
            assert!((mean(&|s| s * s) - 1.0 - 1.0 / ratio).abs() < ROUNDING, "{ratio}");
            if ratio > 1.0 {
                let expected = 1.0 / (1.0 - 1.0 / ratio);
                assert!((mean(&|s| 1.0 / s) / expected - 1.0).abs() < ROUNDING, "{ratio}");
            }
            assert!((spectrum.output_power() - 1.0 / ratio).abs() < ROUNDING, "power of A x");
        }
    }

    #[test]
    fn directions_add_up_on_both_sides() {
        for ratio in [0.25, 1.0, 4.0] {
            let directions = Spectrum::geometric(ratio, 100.0).unwrap().directions();
            let input: f64 = directions.iter().map(|d| d.input).sum();
            let output: f64 = directions.iter().map(|d| d.output).sum();
            assert!((input - 1.0).abs() < ROUNDING && (output - 1.0).abs() < ROUNDING, "{ratio}");
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        assert_eq!(Spectrum::new(1.0, &[]), Err(SpectrumError::Empty));
        assert!(matches!(Spectrum::orthonormal(0.0), Err(SpectrumError::Ratio { .. })));
        assert!(matches!(Spectrum::geometric(1.0, 0.5), Err(SpectrumError::Condition { .. })));
        assert!(matches!(Spectrum::marchenko_pastur(f64::NAN), Err(SpectrumError::Ratio { .. })));
        let negative = Spectrum::new(1.0, &[(1.0, 1.0), (-1.0, 1.0)]);
        assert_eq!(negative, Err(SpectrumError::Atom { index: 1, value: -1.0 }));
    }
}
