//! Closed forms of one row of one column without branches, applied to a register of rows at a time.

use fg_core::denoiser::{RowCavity, RowEstimate};
use fg_core::special::number::{Lanes, Number, Pair, align_frame};
use fg_core::special::tail::{Tail, tail};
use pulp::{Simd, WithSimd};

use super::ridge::Ridge;

/// What a row is answered: from `K` numbers, of which the first is the natural parameter, to mean and variance.
pub(crate) trait Formula<const K: usize> {
    /// Whether registers go through it in pairs: a chain of operations waits for itself, but for what a few registers can hold.
    const PAIRS: bool = true;
    /// Whether even four do: where each waits for itself most of its time.
    const FOURS: bool = false;
    /// Whether it leaves rows open, by numbers that aren't finite.
    const OPEN: bool = false;

    fn row<N: Number>(&self, input: [N; K]) -> [N; 2];
}

/// Answers all rows of a cavity.
pub(crate) fn apply(formula: &impl Formula<1>, cavity: &RowCavity<'_>, out: &mut RowEstimate<'_>) {
    let _ = apply_to(formula, [cavity.natural()], out);
}

/// Answers all rows of a cavity given one number of data for each; as [`apply_to`].
pub(crate) fn apply_observed(
    formula: &impl Formula<2>,
    observed: &[f64],
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
) -> bool {
    apply_to(formula, [cavity.natural(), observed], out)
}

/// Both numbers that a formula answers to each row, whatever they are.
pub(crate) fn found<const K: usize>(
    formula: &impl Formula<K>,
    input: [&[f64]; K],
) -> [Vec<f64>; 2] {
    let [mut first, mut second] = [vec![0.0; input[0].len()], vec![0.0; input[0].len()]];
    let mut out = RowEstimate { mean: &mut first, covariance: &mut second };
    let _ = apply_to(formula, input, &mut out);
    [first, second]
}

/// Answers all rows of these numbers; false where a formula that may leave rows [open](Formula::OPEN) has done so.
pub(crate) fn apply_to<const K: usize>(
    formula: &impl Formula<K>,
    input: [&[f64]; K],
    out: &mut RowEstimate<'_>,
) -> bool {
    let (mean, variance) = (&mut *out.mean, &mut *out.covariance);
    pulp::Arch::new().dispatch(Apply { formula, input, mean, variance })
}

struct Apply<'a, F, const K: usize> {
    formula: &'a F,
    input: [&'a [f64]; K],
    mean: &'a mut [f64],
    variance: &'a mut [f64],
}

impl<F: Formula<K>, const K: usize> WithSimd for Apply<'_, F, K> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { formula, input, mean, variance } = self;
        align_frame();
        let rows = mean.len().min(variance.len());
        let (mut registers, mut rest) = ([&[][..]; K], [&[][..]; K]);
        for (k, input) in input.into_iter().enumerate() {
            (registers[k], rest[k]) = Lanes::<S>::registers(&input[..rows]);
        }
        let (means, mean_rest) = Lanes::<S>::registers_mut(&mut mean[..rows]);
        let (variances, variance_rest) = Lanes::<S>::registers_mut(&mut variance[..rows]);
        // Zero while all numbers are finite, for a product and a sum each.
        let mut open = Lanes::splat(simd, 0.0);
        let mut done = 0;
        // What a processor without registers has no use for isn't compiled for it: these are large.
        if F::FOURS && !S::IS_SCALAR {
            let (means, variances) = (means.as_chunks_mut::<4>().0, variances.as_chunks_mut().0);
            let mut fours = [&[][..]; K];
            for (fours, registers) in fours.iter_mut().zip(registers) {
                *fours = &registers.as_chunks::<4>().0[..means.len()];
            }
            done = 4 * means.len();
            for (i, (mean, variance)) in means.iter_mut().zip(variances).enumerate() {
                let nothing = Lanes::splat(simd, 0.0);
                let nothing = Pair(nothing, nothing);
                let mut input = [Pair(nothing, nothing); K];
                for (input, fours) in input.iter_mut().zip(fours) {
                    let [a, b, c, d] = fours[i];
                    *input = Pair(pair(simd, [a, b]), pair(simd, [c, d]));
                }
                let [m, v] = formula.row(input);
                if F::OPEN {
                    let Pair(a, b) = faults(m, v);
                    open = open + ((a.0 + a.1) + (b.0 + b.1));
                }
                *mean = [m.0.0.get(), m.0.1.get(), m.1.0.get(), m.1.1.get()];
                *variance = [v.0.0.get(), v.0.1.get(), v.1.0.get(), v.1.1.get()];
            }
        }
        if F::PAIRS && !F::FOURS && !S::IS_SCALAR {
            let (means, variances) = (means.as_chunks_mut::<2>().0, variances.as_chunks_mut().0);
            let mut pairs = [&[][..]; K];
            for (pairs, registers) in pairs.iter_mut().zip(registers) {
                *pairs = &registers.as_chunks::<2>().0[..means.len()];
            }
            done = 2 * means.len();
            for (i, (mean, variance)) in means.iter_mut().zip(variances).enumerate() {
                let nothing = Lanes::splat(simd, 0.0);
                let mut input = [Pair(nothing, nothing); K];
                for (input, pairs) in input.iter_mut().zip(pairs) {
                    *input = pair(simd, pairs[i]);
                }
                let [m, v] = formula.row(input);
                if F::OPEN {
                    let faults = faults(m, v);
                    open = open + (faults.0 + faults.1);
                }
                *mean = [m.0.get(), m.1.get()];
                *variance = [v.0.get(), v.1.get()];
            }
        }
        let left = mean_rest.len();
        let last = filled::<S, K>(simd, rest);
        let mut answers = [[0.0; MOST_LANES]; 2];
        let [first, second] = &mut answers;
        let (m, v) = (Lanes::<S>::registers_mut(first).0, Lanes::<S>::registers_mut(second).0);
        let more = usize::from(left > 0);
        let ends = m[..more].iter_mut().zip(&mut v[..more]);
        let outputs = means[done..].iter_mut().zip(&mut variances[done..]).chain(ends);
        for (i, (mean, variance)) in (done..).zip(outputs) {
            let mut input = [Lanes::splat(simd, 0.0); K];
            for (k, input) in input.iter_mut().enumerate() {
                let own = registers[k].get(i).unwrap_or(&last[k]);
                *input = Lanes::new(simd, *own);
            }
            let [m, v] = formula.row(input);
            if F::OPEN {
                open = open + faults(m, v);
            }
            (*mean, *variance) = (m.get(), v.get());
        }
        mean_rest.copy_from_slice(&answers[0][..left]);
        variance_rest.copy_from_slice(&answers[1][..left]);
        open.sum() == 0.0
    }
}

/// The last rows, and copies of the very last one.
#[inline(always)]
fn filled<S: Simd, const K: usize>(simd: S, rest: [&[f64]; K]) -> [S::f64s; K] {
    let mut last = [simd.splat_f64s(0.0); K];
    for (last, rest) in last.iter_mut().zip(rest) {
        let mut all = [rest.last().copied().unwrap_or(0.0); MOST_LANES];
        all[..rest.len()].copy_from_slice(rest);
        *last = Lanes::<S>::registers(&all).0[0];
    }
    last
}

/// Numbers in the longest register there is.
const MOST_LANES: usize = 8;

/// Zero where both are finite, no number elsewhere.
#[inline(always)]
fn faults<N: Number>(mean: N, variance: N) -> N {
    let zero = mean.constant(0.0);
    mean.mul_add(zero, variance * zero)
}

/// Two registers side by side.
#[inline(always)]
fn pair<S: Simd>(simd: S, [first, second]: [S::f64s; 2]) -> Pair<Lanes<S>> {
    Pair(Lanes::new(simd, first), Lanes::new(simd, second))
}

/// Arguments of tails are cut off there, so that their products are finite: the tail itself has vanished long before.
pub(crate) const FARTHEST: f64 = 1e150;

/// Two exponential tails that meet at `y`, `exp(-rate |x - y|)`, under a cavity of positive precision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cusp {
    rate: f64,
    gamma: f64,
    /// `1 / sqrt(gamma)`.
    deviation: f64,
}

impl Cusp {
    pub(crate) fn new(rate: f64, gamma: f64) -> Self {
        Self { rate, gamma, deviation: gamma.sqrt().recip() }
    }

    /// Moments about the cusp.
    #[inline(always)]
    fn moments<N: Number>(&self, n: N) -> [N; 2] {
        let (rate, deviation) = (n.constant(self.rate), n.constant(self.deviation));
        let sides = Ridge::new((n - rate) * deviation, -((n + rate) * deviation));
        let [mean, variance] = sides.moments();
        [mean * deviation, variance * (deviation * deviation)]
    }
}

impl Formula<1> for Cusp {
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        self.moments(n)
    }
}

impl Formula<2> for Cusp {
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let [mean, variance] = self.moments(y.mul_add(-y.constant(self.gamma), n));
        [y + mean, variance]
    }
}

/// A Gaussian cut off at one end, with or without a point there, under a cavity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneEnd {
    end: f64,
    /// Slope at the end where `n` is zero, and `1 / sqrt(precision)`, both with the sign of the direction from the end.
    slope: f64,
    deviation: f64,
    /// Weight of the point, in units of that at the end times the deviation.
    odds: f64,
}

/// Odds of points up to which their products with probabilities that underflow are negligible.
const HEAVIEST: f64 = 1e100;

impl OneEnd {
    /// The density `exp(slope t - precision t^2 / 2)` at `end + t`, on the side that `direction` points to, and a point at
    /// `end` of weight `exp(point)`; none where the total precision isn't positive or the point too heavy.
    pub(crate) fn new(
        (end, direction): (f64, f64),
        (slope, precision): (f64, f64),
        point: f64,
        gamma: f64,
    ) -> Option<Self> {
        let root = (precision + gamma).sqrt();
        let odds = point.exp() * root;
        let legal = root > 0.0 && odds <= HEAVIEST;
        let slope = slope - gamma * end;
        legal.then_some(Self { end, slope, deviation: direction / root, odds })
    }
}

impl Formula<1> for OneEnd {
    const FOURS: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let (end, deviation) = (n.constant(self.end), n.constant(self.deviation));
        let square = deviation * deviation;
        let Tail { mean, variance, numerator, denominator } =
            tail((n + n.constant(self.slope)) * deviation);
        if self.odds == 0.0 {
            return [mean.mul_add(deviation, end), variance * square];
        }
        let against = n.constant(self.odds) * numerator;
        let inverse = n.constant(1.0) / (denominator + against);
        let (p, q) = (denominator * inverse, against * inverse);
        let spread = q.mul_add(mean * mean, variance);
        [(p * mean).mul_add(deviation, end), p * spread * square]
    }
}
