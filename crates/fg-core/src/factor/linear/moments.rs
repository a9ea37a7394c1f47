//! Averages over the spectrum decide the covariance of a transformed column and the information it gains.

/// Variance averaged over rows, and the precision gained over the cavity, of one transformed column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moments {
    /// Row average of the posterior variance; zero when the operator leaves nothing free.
    pub(crate) variance: f64,
    /// `1 / variance` minus the cavity's precision, free of cancellation.
    pub(crate) gain: f64,
}

/// The shape of an operator and the squares of its `min(m, n)` singular values, or of some that stand for shares of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spectrum<'a> {
    pub(super) squares: &'a [f64],
    /// The shares, which add up to one; `None` where all squares count once.
    pub(super) weights: Option<&'a [f64]>,
    pub(super) outputs: usize,
    pub(super) inputs: usize,
}

impl Spectrum<'_> {
    /// Singular values on both sides.
    fn shared(&self) -> f64 {
        self.outputs.min(self.inputs) as f64
    }

    /// Squares, and how many singular values each stands for.
    pub(super) fn values(&self) -> impl Iterator<Item = (f64, f64)> {
        let shared = self.shared();
        let count = move |k: usize| self.weights.map_or(1.0, |weights| weights[k] * shared);
        self.squares.iter().enumerate().map(move |(k, &square)| (square, count(k)))
    }

    /// Number of singular values that aren't zero.
    pub(super) fn rank(&self) -> f64 {
        self.shared()
            - self.values().filter(|(s, _)| *s == 0.0).map(|(_, count)| count).sum::<f64>()
    }

    /// The moments of X over the `n` input directions.
    pub(super) fn input(&self, mu: f64, nu: f64) -> Moments {
        input_moments(self.directions(self.inputs), mu, nu)
    }

    /// The moments of Z over the `m` output directions.
    pub(super) fn output(&self, mu: f64, nu: f64) -> Moments {
        output_moments(self.directions(self.outputs), mu, nu)
    }

    /// Squares and weights of `count` directions, those beyond the singular values with square zero.
    fn directions(&self, count: usize) -> impl Iterator<Item = (f64, f64)> {
        let each = 1.0 / count as f64;
        let beyond = count as f64 - self.shared();
        let rest = (beyond > 0.0).then_some((0.0, beyond * each));
        self.values().map(move |(square, count)| (square, count * each)).chain(rest)
    }
}

/// The moments of X: averages over directions `(s^2, weight)` of `1 / (mu + s^2 nu)` and `s^2 nu / (mu + s^2 nu)`.
pub(crate) fn input_moments(
    directions: impl Iterator<Item = (f64, f64)>,
    mu: f64,
    nu: f64,
) -> Moments {
    let (mut variance, mut gained) = (0.0, 0.0);
    for (square, weight) in directions {
        let share = weight / (mu + square * nu);
        variance += share;
        gained += square * nu * share;
    }
    Moments { variance, gain: gained / variance }
}

/// The moments of Z: averages over directions `(s^2, weight)` of `s^2 / (mu + s^2 nu)` and `mu / (mu + s^2 nu)`.
///
/// Directions outside the range of the operator have variance zero: all information is gained there, whatever `mu`.
pub(crate) fn output_moments(
    directions: impl Iterator<Item = (f64, f64)>,
    mu: f64,
    nu: f64,
) -> Moments {
    let (mut variance, mut gained) = (0.0, 0.0);
    for (square, weight) in directions {
        if square > 0.0 {
            let share = weight / (mu + square * nu);
            variance += square * share;
            gained += mu * share;
        } else {
            gained += weight;
        }
    }
    Moments { variance, gain: gained / variance }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gain_is_the_difference_of_precisions(
            squares in prop::collection::vec(0.0..4.0f64, 1..6),
            (more, wide) in (0usize..4, any::<bool>()),
            (mu, nu) in (0.01..10.0f64, 0.01..10.0f64),
        ) {
            let r = squares.len();
            let (outputs, inputs) = if wide { (r, r + more) } else { (r + more, r) };
            let spectrum = Spectrum { squares: &squares, weights: None, outputs, inputs };
            for (moments, cavity) in [(spectrum.input(mu, nu), mu), (spectrum.output(mu, nu), nu)] {
                let lambda = 1.0 / moments.variance;
                // Rounding of lambda, the larger of the two.
                prop_assert!((lambda - cavity - moments.gain).abs() < 1e-13 * lambda);
            }
        }
    }

    #[test]
    fn tiny_gains_keep_their_digits() {
        let spectrum = Spectrum { squares: &[1.0, 4.0], weights: None, outputs: 2, inputs: 2 };
        // mean(s^2) nu to first order in nu / mu = 1e-14, mu / mean(s^-2)^-1 to first order in mu / nu.
        assert!((spectrum.input(1e2, 1e-12).gain / 2.5e-12 - 1.0).abs() < 1e-12);
        assert!((spectrum.output(1e-12, 1e2).gain / 0.625e-12 - 1.0).abs() < 1e-12);
    }
}
