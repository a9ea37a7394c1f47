//! The loops whose time is a floor: as little as there is between reading a register of rows and writing its answers.
//!
//! Each is a function of its own, so that its constants stay in registers.

use std::hint::black_box;
use std::sync::LazyLock;

use fg_core::special::exp::{exp, exp_share, exp_weight};
use fg_core::special::log::ln;
use fg_core::special::number::{Lanes, Number, Pair, align_frame};
use fg_core::special::tail::{above, below_pair, tail};
use pulp::{Simd, WithSimd};

/// What is computed of a row, of which the first number is small and of both signs: nothing is flushed.
pub(crate) trait Body: Copy {
    /// Whether registers go through it in pairs, which chains of functions are faster by.
    const PAIRED: bool = false;
    /// Whether they do in fours.
    const FOURS: bool = false;

    fn row<N: Number>(self, x: N, n: N) -> [N; 2];
}

/// An exponential of the full range where `FULL`, or of what a share is of: no less than the smallest number.
#[inline(always)]
fn share<const FULL: bool, N: Number>(x: N) -> N {
    if FULL { exp(x) } else { exp_share(x) }
}

/// The same of the weights of points, which are one at most.
#[inline(always)]
fn weight<const FULL: bool, N: Number>(x: N) -> N {
    if FULL { exp(x) } else { exp_weight(x) }
}

#[derive(Clone, Copy)]
pub(crate) struct Memory;

impl Body for Memory {
    #[inline(always)]
    fn row<N: Number>(self, x: N, n: N) -> [N; 2] {
        [x, n]
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Quotient;

impl Body for Quotient {
    #[inline(always)]
    fn row<N: Number>(self, x: N, n: N) -> [N; 2] {
        [x / n.mul_add(n, n.constant(1.0)), n]
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Root;

impl Body for Root {
    #[inline(always)]
    fn row<N: Number>(self, x: N, n: N) -> [N; 2] {
        [x / n.mul_add(n, n.constant(1.0)).sqrt(), n]
    }
}

/// Shares of one and so many others in a mixture.
#[derive(Clone, Copy)]
pub(crate) struct Shares<const FULL: bool>(pub(crate) usize);

impl<const FULL: bool> Body for Shares<FULL> {
    #[inline(always)]
    fn row<N: Number>(self, x: N, n: N) -> [N; 2] {
        let one = n.constant(1.0);
        let others = summed::<FULL, _>(-x, n.constant(0.0), self.0);
        let share = one / (one + others);
        [share, others * share]
    }
}

/// So many exponentials.
#[derive(Clone, Copy)]
pub(crate) struct Exponentials<const FULL: bool>(pub(crate) usize);

impl<const FULL: bool> Body for Exponentials<FULL> {
    #[inline(always)]
    fn row<N: Number>(self, x: N, n: N) -> [N; 2] {
        [summed::<FULL, _>(x, n.constant(0.0), self.0), n]
    }
}

/// Exponentials at so many points of a rule, which are weights.
#[derive(Clone, Copy)]
pub(crate) struct Points<const FULL: bool>(pub(crate) usize);

impl<const FULL: bool> Body for Points<FULL> {
    #[inline(always)]
    fn row<N: Number>(self, mut x: N, n: N) -> [N; 2] {
        let mut sum = n.constant(0.0);
        for _ in 0..self.0 {
            x = x + n.constant(1e-3);
            sum = sum + weight::<FULL, _>(x);
        }
        [sum, n]
    }
}

/// The same around a peak that is found by two exponentials and so many logarithms.
#[derive(Clone, Copy)]
pub(crate) struct Climbed<const FULL: bool> {
    pub(crate) logs: usize,
    pub(crate) points: usize,
}

impl<const FULL: bool> Body for Climbed<FULL> {
    #[inline(always)]
    fn row<N: Number>(self, x: N, n: N) -> [N; 2] {
        let mut peak = x;
        for _ in 0..self.logs {
            peak = ln(peak.abs() + n.constant(1.0));
        }
        Points::<FULL>(self.points).row(x, summed::<FULL, _>(peak, peak, 2))
    }
}

/// A logarithm and so many exponentials.
#[derive(Clone, Copy)]
pub(crate) struct Logged<const FULL: bool>(pub(crate) usize);

impl<const FULL: bool> Body for Logged<FULL> {
    const PAIRED: bool = true;

    #[inline(always)]
    fn row<N: Number>(self, x: N, n: N) -> [N; 2] {
        [summed::<FULL, _>(x, ln(x.abs() + n.constant(1.0)), self.0), n]
    }
}

/// So many exponentials, added to a sum.
#[inline(always)]
fn summed<const FULL: bool, N: Number>(mut x: N, mut sum: N, count: usize) -> N {
    for _ in 0..count {
        x = x + x.constant(1e-3);
        sum = sum + share::<FULL, _>(x);
    }
    sum
}

/// So many powers.
#[derive(Clone, Copy)]
pub(crate) struct Powers<const FULL: bool>(pub(crate) usize);

impl<const FULL: bool> Body for Powers<FULL> {
    const PAIRED: bool = true;

    #[inline(always)]
    fn row<N: Number>(self, x: N, n: N) -> [N; 2] {
        let (mut sum, mut at) = (n.constant(0.0), x.abs() + n.constant(1.0));
        for _ in 0..self.0 {
            at = at + n.constant(1e-3);
            sum = sum + share::<FULL, _>(ln(at) * n.constant(-0.5));
        }
        [sum, n]
    }
}

/// Tails and exponentials at so many points.
#[derive(Clone, Copy)]
pub(crate) struct TailPoints<const FULL: bool>(pub(crate) usize);

impl<const FULL: bool> Body for TailPoints<FULL> {
    #[inline(always)]
    fn row<N: Number>(self, mut x: N, n: N) -> [N; 2] {
        let (mut sum, mut spread) = (n.constant(0.0), n.constant(0.0));
        for _ in 0..self.0 {
            x = x + n.constant(1e-3);
            let (weight, tail) = (weight::<FULL, _>(x), tail(x));
            sum = weight.mul_add(tail.mean, sum);
            spread = weight.mul_add(tail.variance, spread);
        }
        [sum, spread]
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Tail;

impl Body for Tail {
    const FOURS: bool = true;

    #[inline(always)]
    fn row<N: Number>(self, x: N, _n: N) -> [N; 2] {
        let tail = tail(x);
        [tail.mean, tail.variance]
    }
}

/// Two, one of them on the light side.
#[derive(Clone, Copy)]
pub(crate) struct Tails;

impl Body for Tails {
    const PAIRED: bool = true;

    #[inline(always)]
    fn row<N: Number>(self, x: N, n: N) -> [N; 2] {
        let (near, far) = below_pair(x.abs(), x.abs() + n.constant(1.0));
        let near = above(x, near);
        [near.mean + far.mean, near.variance + far.variance]
    }
}

/// So many pairs that both may be on the heavy side.
#[derive(Clone, Copy)]
pub(crate) struct Heavy(pub(crate) usize);

impl Body for Heavy {
    const PAIRED: bool = true;

    #[inline(always)]
    fn row<N: Number>(self, x: N, n: N) -> [N; 2] {
        let (mut mean, mut variance, mut x) = (n.constant(0.0), n.constant(0.0), x);
        for _ in 0..self.0 {
            let y = x.abs() + n.constant(1.0);
            let (near, far) = below_pair(x.abs(), y);
            let (near, far) = (above(x, near), above(y, far));
            mean = mean + (near.mean + far.mean);
            variance = variance + (near.variance + far.variance);
            x = y;
        }
        [mean, variance]
    }
}

/// So many pairs of heavy tails, and the shares of as many pieces.
#[derive(Clone, Copy)]
pub(crate) struct Pieces<const FULL: bool>(pub(crate) usize);

impl<const FULL: bool> Body for Pieces<FULL> {
    const PAIRED: bool = true;

    #[inline(always)]
    fn row<N: Number>(self, x: N, n: N) -> [N; 2] {
        let [mean, variance] = Heavy(self.0).row(x, n);
        let one = n.constant(1.0);
        let share = one / summed::<FULL, _>(-x, one, self.0 - 1);
        [mean * share, variance * share]
    }
}

/// Reads `input` and `data`, and writes what the body makes of them.
pub(crate) fn run(body: impl Body, input: &[f64], data: &[f64], out: [&mut [f64]; 2]) {
    match data.len() / input.len().max(1) {
        0 => pulp::Arch::new().dispatch(Run::<_, 0> { body, input, data, out }),
        1 => pulp::Arch::new().dispatch(Run::<_, 1> { body, input, data, out }),
        _ => pulp::Arch::new().dispatch(Run::<_, 2> { body, input, data, out }),
    }
}

/// A loop over rows with so many registers of data for each.
struct Run<'a, B, const EACH: usize> {
    body: B,
    input: &'a [f64],
    data: &'a [f64],
    out: [&'a mut [f64]; 2],
}

/// What data add to natural parameters, per unit.
const SHARE: f64 = 1e-3;
/// Of the square of a natural parameter, which functions are evaluated at.
const SQUARE: f64 = 0.1;

/// A register of natural parameters with something of the `EACH` registers of data of its rows.
#[inline(always)]
fn informed<S: Simd, const EACH: usize>(
    simd: S,
    n: S::f64s,
    data: &[S::f64s],
    i: usize,
) -> Lanes<S> {
    let mut n = Lanes::new(simd, n);
    for k in 0..EACH {
        n = Lanes::new(simd, data[EACH * i + k]).mul_add(Lanes::splat(simd, SHARE), n);
    }
    n
}

#[inline(always)]
fn answer<B: Body, N: Number>(body: B, n: N) -> [N; 2] {
    body.row(n * n * n.constant(SQUARE), n)
}

impl<B: Body, const EACH: usize> WithSimd for Run<'_, B, EACH> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        align_frame();
        let Self { body, input, data, out: [first, second] } = self;
        let (input, rest) = Lanes::<S>::registers(input);
        let (data, _) = Lanes::<S>::registers(data);
        let (first, first_rest) = Lanes::<S>::registers_mut(first);
        let (second, second_rest) = Lanes::<S>::registers_mut(second);
        let fours = if B::FOURS { input.len() / 4 * 4 } else { 0 };
        let outputs = first[..fours].chunks_exact_mut(4).zip(second[..fours].chunks_exact_mut(4));
        for (i, (n, (first, second))) in input[..fours].chunks_exact(4).zip(outputs).enumerate() {
            let own = informed::<S, EACH>(simd, n[0], data, 4 * i);
            let one = Pair(own, informed::<S, EACH>(simd, n[1], data, 4 * i + 1));
            let own = informed::<S, EACH>(simd, n[2], data, 4 * i + 2);
            let other = Pair(own, informed::<S, EACH>(simd, n[3], data, 4 * i + 3));
            let [a, b] = answer(body, Pair(one, other));
            (first[0], first[1]) = (a.0.0.get(), a.0.1.get());
            (first[2], first[3]) = (a.1.0.get(), a.1.1.get());
            (second[0], second[1]) = (b.0.0.get(), b.0.1.get());
            (second[2], second[3]) = (b.1.0.get(), b.1.1.get());
        }
        let paired = if B::PAIRED { input.len() / 2 * 2 } else { fours };
        let outputs =
            first[fours..paired].chunks_exact_mut(2).zip(second[fours..paired].chunks_exact_mut(2));
        let pairs = input[fours..paired].chunks_exact(2).zip(outputs);
        for (i, (n, (first, second))) in pairs.enumerate() {
            let own = informed::<S, EACH>(simd, n[0], data, fours + 2 * i);
            let both = Pair(own, informed::<S, EACH>(simd, n[1], data, fours + 2 * i + 1));
            let [a, b] = answer(body, both);
            (first[0], first[1]) = (a.0.get(), a.1.get());
            (second[0], second[1]) = (b.0.get(), b.1.get());
        }
        let outputs = first[paired..].iter_mut().zip(&mut second[paired..]);
        for (i, (n, (first, second))) in input[paired..].iter().zip(outputs).enumerate() {
            let n = informed::<S, EACH>(simd, *n, data, paired + i);
            let [a, b] = answer(body, n);
            (*first, *second) = (a.get(), b.get());
        }
        for ((n, first), second) in rest.iter().zip(first_rest).zip(second_rest) {
            [*first, *second] = answer(body, *n);
        }
    }
}

/// Two shares in the first half of the rows.
pub(crate) fn half<const FULL: bool>(input: &[f64], [first, second]: [&mut [f64]; 2]) {
    let (half, len) = (input.len() / 2, input.len());
    let (first, second) = (first.split_at_mut(half), second.split_at_mut(half));
    run(Shares::<FULL>(1), &input[..half], &[], [first.0, second.0]);
    run(Memory, &input[half..len], &[], [first.1, second.1]);
}

/// So many of these rows, in whole registers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number of rows"
)]
pub(crate) fn part(rows: usize, share: f64) -> usize {
    ((rows as f64 * share) as usize).next_multiple_of(16).min(rows)
}

/// Numbers of one piece.
const PIECE: usize = 256;

/// Two shares between copies there, of natural parameters and means, and back, by pieces.
pub(crate) fn handed_on<const FULL: bool>(
    input: &[f64],
    mean: &[f64],
    [first, second]: [&mut [f64]; 2],
) {
    let mut kept = [[0.0; PIECE]; 4];
    let pieces = first.chunks_mut(PIECE).zip(second.chunks_mut(PIECE));
    for ((input, mean), (first, second)) in input.chunks(PIECE).zip(mean.chunks(PIECE)).zip(pieces)
    {
        let [a, b, c, d] = kept.each_mut().map(|k| &mut k[..input.len()]);
        run(Memory, input, mean, [a, b]);
        run(Shares::<FULL>(1), a, &[], [c, d]);
        run(Memory, c, &[], [first, second]);
    }
}

/// Two of three rows, and every row in groups of these and of the others.
static ROWS: LazyLock<[Vec<usize>; 2]> = LazyLock::new(|| {
    let two = |rows: usize| (0..rows).filter(|i| i % 3 != 1);
    let others = (0..crate::ROWS[0]).filter(|i| i % 3 == 1);
    [two(crate::ROWS[0]).collect(), two(crate::ROWS[0]).chain(others).collect()]
});

/// Rows that stand apart, all or two of three: natural parameters, data and what was in the place of means there, answers back.
pub(crate) fn apart(all: bool, input: &[f64], data: &[f64], [first, second]: [&mut [f64]; 2]) {
    let mut kept = [[0.0; PIECE]; 3];
    let (data, second) = (&data[..input.len()], &mut second[..input.len()]);
    let first = &mut first[..input.len()];
    for rows in ROWS[usize::from(all)].chunks(PIECE) {
        let [x, y, z] = &mut kept;
        for (((x, y), z), &row) in x.iter_mut().zip(&mut *y).zip(&mut *z).zip(rows) {
            (*x, *y, *z) = (input[row], data[row], second[row]);
        }
        black_box(&mut kept);
        let [x, y, _] = &kept;
        for ((x, y), &row) in x.iter().zip(y).zip(rows) {
            (first[row], second[row]) = (*x, *y);
        }
    }
}
