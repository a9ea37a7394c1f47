//! Rows so far on the active side of one rectified unit that nothing is left of the other: a label of a straight line.

use fg_core::special::exp::exp_moderate;
use fg_core::special::number::Number;
use fg_core::special::tail::tail;

use crate::family::formula::Formula;
use crate::family::logit::Logit;

/// What a label of `bias + weight z` says of `z`, without an end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whole<'a> {
    /// With the probability of a normal law.
    Probit(Probit),
    /// Of a logistic function, by the margin.
    Logistic { margin: Logit<'a>, weight: f64, bias: f64, pull: f64 },
    /// Of a logistic function that is as good as straight.
    Straight { weight: f64, bias: f64, variance: f64 },
}

/// Constants of `Phi((bias + weight z) / deviation)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probit {
    /// The cavity's variance.
    variance: f64,
    /// The cavity's mean, by the natural parameter, and the bias, in deviations of output and noise together. The mean moves by the
    /// first, too.
    slope: f64,
    offset: f64,
    /// The share of the variance that the output explains.
    share: f64,
}

impl Probit {
    pub(super) fn new(weight: f64, bias: f64, noise: f64, gamma: f64) -> Self {
        let variance = gamma.recip();
        let explained = weight * weight * variance;
        let total = noise + explained;
        let inverse = total.sqrt().recip();
        Self {
            variance,
            slope: weight * variance * inverse,
            offset: bias * inverse,
            share: explained / total,
        }
    }

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let c = |value: f64| n.constant(value);
        let margin = y * n.mul_add(c(self.slope), c(self.offset));
        let tail = tail(margin);
        let pull = tail.numerator / tail.denominator;
        let mean = (y * c(self.slope)).mul_add(pull, n * c(self.variance));
        let left = c(self.share).mul_add(tail.variance, c(1.0 - self.share));
        [mean, left * c(self.variance)]
    }
}

impl Whole<'_> {
    /// Mean and variance given natural parameter and label.
    #[inline(always)]
    pub(super) fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        match *self {
            Self::Probit(probit) => probit.row([n, y]),
            Self::Logistic { margin, weight, bias, pull } => {
                let inverse = n.constant(weight.recip());
                let [mean, variance] = margin.row([n.mul_add(inverse, n.constant(pull)), y]);
                [(mean - n.constant(bias)) * inverse, variance * (inverse * inverse)]
            }
            Self::Straight { weight, bias, variance } => {
                let (one, variance, slope) =
                    (n.constant(1.0), n.constant(variance), n.constant(weight));
                let mean = n * variance;
                let margin = y * mean.mul_add(slope, n.constant(bias));
                // The other label's probability, which doesn't overflow on either side.
                let e = exp_moderate(-margin.abs());
                let large = one / (one + e);
                let other = margin.if_above(n.constant(0.0), e * large, large);
                let curvature = e * large * large * (slope * slope);
                let left = variance / curvature.mul_add(variance, one);
                [(y * slope * other).mul_add(left, mean), left]
            }
        }
    }
}
