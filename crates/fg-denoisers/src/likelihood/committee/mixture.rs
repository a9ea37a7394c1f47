//! Moments of a mixture of quadrants, of one row or of a register of them.

use fg_core::special::exp::exp_share;
use fg_core::special::log::ln;
use fg_core::special::number::Number;

/// A part of the posterior of two units, or several of them together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<N> {
    pub(super) log_mass: N,
    pub(super) mean: [N; 2],
    /// `xx, xy, yy`.
    pub(super) covariance: [N; 3],
}

impl<N: Number> Part<N> {
    /// No mass.
    #[inline(always)]
    pub(super) fn none(zero: N) -> Self {
        Self { log_mass: zero.constant(f64::MIN), mean: [zero; 2], covariance: [zero; 3] }
    }

    /// Logarithm of the mass, means and covariance.
    #[inline(always)]
    pub(super) fn numbers(&self) -> [N; 6] {
        let Self { log_mass, mean: [x, y], covariance: [xx, xy, yy] } = *self;
        [log_mass, x, y, xx, xy, yy]
    }

    /// All parts together.
    #[inline(always)]
    pub(super) fn mixture<const K: usize>(mut parts: [Self; K]) -> Self {
        let zero = parts[0].log_mass.constant(0.0);
        // Means count from that of the heaviest part, so that little cancels.
        let Self { log_mass: mut top, mean: mut centre, .. } = Self::none(zero);
        for part in &parts {
            for (centre, mean) in centre.iter_mut().zip(part.mean) {
                *centre = part.log_mass.if_above(top, mean, *centre);
            }
            top = part.log_mass.at_least(top);
        }
        let (mut total, mut shift) = (zero, [zero; 2]);
        for part in &mut parts {
            let weight = exp_share(part.log_mass - top);
            total = total + weight;
            for ((shift, mean), centre) in shift.iter_mut().zip(&mut part.mean).zip(centre) {
                *mean = *mean - centre;
                *shift = weight.mul_add(*mean, *shift);
            }
            part.log_mass = weight;
        }
        let inverse = zero.constant(1.0) / total;
        let shift = [shift[0] * inverse, shift[1] * inverse];
        let mut covariance = [zero; 3];
        for part in &parts {
            let [x, y] = [part.mean[0] - shift[0], part.mean[1] - shift[1]];
            let weight = part.log_mass * inverse;
            let squares = [x * x, x * y, y * y];
            let terms = part.covariance.iter().zip(squares);
            for (sum, (own, square)) in covariance.iter_mut().zip(terms) {
                *sum = weight.mul_add(*own + square, *sum);
            }
        }
        let mean = [centre[0] + shift[0], centre[1] + shift[1]];
        Self { log_mass: top + ln(total), mean, covariance }
    }
}

impl Part<f64> {
    /// Whether all numbers are.
    pub(super) fn is_finite(&self) -> bool {
        let [xx, xy, yy] = self.covariance;
        (self.log_mass + self.mean[0] + self.mean[1] + xx + xy + yy).is_finite()
    }
}
