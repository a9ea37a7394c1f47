//! Equal steps from a place next to a peak: the exponent is a polynomial of the fourth degree, and so every weight a product of
//! the one before and of ratios that are products again. No point takes an exponential.

use fg_core::special::exp::exp_moderate;
use fg_core::special::number::Number;

use super::Around;

/// Weights below this one, `exp(-34.5)` of that at the peak, are left out, once and for all on their side.
pub(super) const LEAST: f64 = 1e-15;
/// Points to each side before the first look at whether any lane needs more: next to a Gaussian eleven do.
const FIRST: usize = 12;
/// Points between two looks.
const BLOCK: usize = 2;
/// Most blocks: more than there can be on this side of a valley.
const BLOCKS: usize = 256;

/// A weight and the ratios that it grows by: those of weights, of such ratios, and of these.
struct Run<N> {
    weight: N,
    ratio: N,
    second: N,
    third: N,
}

impl<N: Number> Run<N> {
    /// One step further; `fourth` is what third ratios grow by.
    #[inline(always)]
    fn further(&mut self, fourth: N) {
        self.weight = self.weight * self.ratio;
        self.ratio = self.ratio * self.second;
        self.second = self.second * self.third;
        self.third = self.third * fourth;
    }
}

/// Sums over points `k h` outwards and inwards, the latter no further than `limit` steps: of weights, relative to that at the
/// place itself, and of their products with `k` and `k^2`.
#[inline(always)]
pub(super) fn sums<N: Number>(around: &Around<N>, h: N, limit: N) -> [N; 3] {
    let (zero, one, v) = (h.constant(0.0), h.constant(1.0), around.v);
    let square = h * h;
    // The exponent at k h: linear k - bend k^2 - cube k^3 - fourth k^4.
    let linear = around.slope * h;
    let bend = around.curvature * square * h.constant(0.5);
    let fold = square * h.constant(v.recip());
    let (cube, fourth) = ((around.z + around.z) * h * fold, square * fold * h.constant(0.5));
    // Differences of it at zero: to both sides alike, and with the sign of the side.
    let even = exp_moderate(-(bend + fourth));
    let odd = exp_moderate(linear - cube);
    let second_odd = exp_moderate(cube * h.constant(-6.0));
    let part = exp_moderate(fourth * h.constant(-12.0));
    let second_even = even * even * part;
    let fourth = part * part;
    let third_even = fourth * part;
    let inverse = one / (odd * second_odd);
    let (odd_back, second_back) = (inverse * second_odd, inverse * odd);
    let mut outwards = Run {
        weight: one,
        ratio: even * odd,
        second: second_even * second_odd,
        third: third_even * second_odd,
    };
    let mut inwards = Run {
        weight: one,
        ratio: even * odd_back,
        second: second_even * second_back,
        third: third_even * second_back,
    };
    let mut sums = [one, zero, zero];
    let mut k = 0.0;
    for _ in 0..FIRST {
        k += 1.0;
        outwards.further(fourth);
        inwards.further(fourth);
        inwards.weight = limit.if_above(h.constant(k - 0.5), inwards.weight, zero);
        add(&mut sums, k, &outwards, &inwards);
    }
    let least = h.constant(LEAST);
    for _ in 0..BLOCKS {
        if !(outwards.weight.at_least(inwards.weight).largest() > LEAST) {
            break;
        }
        for _ in 0..BLOCK {
            k += 1.0;
            // What has been left out stays out, whatever the neighbours take.
            outwards.weight = outwards.weight.if_above(least, outwards.weight, zero);
            inwards.weight = inwards.weight.if_above(least, inwards.weight, zero);
            outwards.further(fourth);
            inwards.further(fourth);
            inwards.weight = limit.if_above(h.constant(k - 0.5), inwards.weight, zero);
            add(&mut sums, k, &outwards, &inwards);
        }
    }
    sums
}

#[inline(always)]
fn add<N: Number>(sums: &mut [N; 3], k: f64, outwards: &Run<N>, inwards: &Run<N>) {
    let [mass, first, second] = *sums;
    let (both, apart) = (outwards.weight + inwards.weight, outwards.weight - inwards.weight);
    *sums = [
        mass + both,
        apart.mul_add(mass.constant(k), first),
        both.mul_add(mass.constant(k * k), second),
    ];
}
