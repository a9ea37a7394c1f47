//! Averages over the spectrum decide the covariance of a transformed column and the information it gains.

/// Variance averaged over rows, and the precision gained over the cavity, of one transformed column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moments {
    /// Row average of the posterior variance; zero when the operator leaves nothing free.
    pub(super) variance: f64,
    /// `1 / variance` minus the cavity's precision, free of cancellation.
    pub(super) gain: f64,
}

/// The shape of an operator and the squares of its `min(m, n)` singular values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spectrum<'a> {
    pub(super) squares: &'a [f64],
    pub(super) outputs: usize,
    pub(super) inputs: usize,
}

impl Spectrum<'_> {
    /// Number of singular values that aren't zero.
    pub(super) fn rank(&self) -> usize {
        self.squares.iter().filter(|&&s| s > 0.0).count()
    }

    /// The moments of X: over `n` directions, `1 / (mu + s^2 nu)` and `s^2 nu / (mu + s^2 nu)`.
    pub(super) fn input(&self, mu: f64, nu: f64) -> Moments {
        let (mut variance, mut gained) = (0.0, 0.0);
        for &square in self.squares {
            let precision = mu + square * nu;
            variance += 1.0 / precision;
            gained += square * nu / precision;
        }
        let beyond = self.inputs - self.squares.len();
        if beyond > 0 {
            variance += beyond as f64 / mu;
        }
        Moments { variance: variance / self.inputs as f64, gain: gained / variance }
    }

    /// The moments of Z: over `m` directions, `s^2 / (mu + s^2 nu)` and `mu / (mu + s^2 nu)`.
    ///
    /// Directions outside the range of the operator have variance zero: all information is gained there,
    /// whatever `mu`.
    pub(super) fn output(&self, mu: f64, nu: f64) -> Moments {
        let (mut variance, mut gained) = (0.0, (self.outputs - self.squares.len()) as f64);
        for &square in self.squares {
            if square > 0.0 {
                let precision = mu + square * nu;
                variance += square / precision;
                gained += mu / precision;
            } else {
                gained += 1.0;
            }
        }
        Moments { variance: variance / self.outputs as f64, gain: gained / variance }
    }
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
            let spectrum = Spectrum { squares: &squares, outputs, inputs };
            for (moments, cavity) in [(spectrum.input(mu, nu), mu), (spectrum.output(mu, nu), nu)] {
                let lambda = 1.0 / moments.variance;
                // Rounding of lambda, the larger of the two.
                prop_assert!((lambda - cavity - moments.gain).abs() < 1e-13 * lambda);
            }
        }
    }

    #[test]
    fn tiny_gains_keep_their_digits() {
        let spectrum = Spectrum { squares: &[1.0, 4.0], outputs: 2, inputs: 2 };
        // mean(s^2) nu to first order in nu / mu = 1e-14, mu / mean(s^-2)^-1 to first order in mu / nu.
        assert!((spectrum.input(1e2, 1e-12).gain / 2.5e-12 - 1.0).abs() < 1e-12);
        assert!((spectrum.output(1e-12, 1e2).gain / 0.625e-12 - 1.0).abs() < 1e-12);
    }
}
