//! The least that a row of one column takes: its numbers, natural parameter and data, are read, its answers written, and the
//! transcendental functions evaluated.

use std::fmt;
use std::hint::black_box;
use std::sync::LazyLock;

use fg_core::special::exp::exp;
use fg_core::special::log::ln;
use fg_core::special::number::{Lanes, Number, Pair};
use fg_core::special::tail::{above, below_pair, tail};
use pulp::{Simd, WithSimd};

/// What a family can't do without, in the fastest forms that the crate has: registers of rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Floor {
    /// One number and the data read, two written.
    Memory,
    /// A logarithm and so many exponentials.
    Logged(usize),
    /// A square root and a quotient.
    Root,
    /// So many powers: a logarithm and an exponential each.
    Powers(usize),
    /// So many exponentials.
    Exponentials(usize),
    /// The moments of one normal tail, or of two of which one is on the light side, with the exponential of the other.
    Tails(usize),
    /// The same of two tails that both may be on the heavy side, with an exponential each.
    Heavy,
    /// Exponentials at so many points of a rule.
    Points(usize),
    /// Normal tails and exponentials at so many points of rules.
    TailPoints(usize),
    /// A quotient: rows of variances of their own need one each.
    Quotient,
    /// An exponential in every other half of the rows.
    Half,
    /// An exponential, of numbers that are handed on in another unit, and whose answers are taken back.
    HandedOn,
    /// Rows that stand apart, all or two of three, put side by side with their data and put back.
    Apart { all: bool },
}

/// That of an instance of the catalogue.
pub(crate) fn of(module: &str, instance: &str) -> Floor {
    match (module, instance) {
        ("prior/bernoulli_gauss" | "prior/group_bernoulli_gauss", _) => Floor::Exponentials(1),
        ("prior/scaled", _) => Floor::HandedOn,
        ("prior/stacked", _) => Floor::Half,
        ("prior/per_row", _) => Floor::Quotient,
        ("likelihood/masked", "noise") => Floor::Apart { all: false },
        ("prior/grouped", _) => Floor::Apart { all: true },
        ("likelihood/quantised", "dithered") => Floor::Points(48),
        // One component is what the weights of the others count from.
        ("prior/gaussian_mixture", "scalar") => Floor::Exponentials(2),
        ("prior/gaussian_mixture", _) | ("prior/discrete", "binary") => Floor::Exponentials(1),
        ("prior/discrete", _) => Floor::Exponentials(4),
        ("prior/exponential", _) => Floor::Tails(1),
        ("prior/truncated_gaussian", "two ends") | ("prior/uniform", _) => Floor::Points(48),
        ("prior/truncated_gaussian", _) => Floor::Tails(1),
        ("prior/laplace", _) | ("prior/product", "Gaussian and Laplace") => Floor::Tails(2),
        // A function that is known by its values alone, between both ends.
        ("prior/product", _) => Floor::Points(48),
        ("prior/student_t", "three degrees") => Floor::Points(105),
        ("prior/student_t", _) => Floor::Points(50),
        ("prior/horseshoe", _) => Floor::Points(430),
        ("prior/tabulated", "few points") => Floor::Points(4 * 48),
        ("prior/tabulated", _) => Floor::Points(99 * 12),
        // Newton's steps from a good start.
        ("penalty/lq", _) => Floor::Powers(3),
        ("likelihood/sign", "exact" | "probit") => Floor::Tails(1),
        ("likelihood/laplace_noise", "maximum") => Floor::Memory,
        ("likelihood/masked", _) | ("likelihood/tuned", "probit") => Floor::Tails(1),
        ("likelihood/sign" | "likelihood/laplace_noise", _) => Floor::Tails(2),
        // Both sides may have a peak of their own.
        ("likelihood/tuned", "magnitudes") | ("likelihood/rectified", _) => Floor::Heavy,
        ("likelihood/magnitude", "exact") => Floor::Exponentials(1),
        ("likelihood/magnitude", _) => Floor::Heavy,
        ("likelihood/hinge", "mean") => Floor::Tails(2),
        ("likelihood/censored", _) | ("likelihood/quantised", "outer bin, noisy") => {
            Floor::Tails(1)
        }
        ("likelihood/quantised", _) => Floor::Points(48),
        ("likelihood/huber", "usual") => Floor::Points(48),
        ("likelihood/poisson", "rectified, maximum") => Floor::Root,
        (_, "maximum" | "exponential, maximum") => maximum(module),
        // Equal steps that are exact to rounding take 25 points for what is next to a Gaussian, and some more where the cavity
        // is no narrower than the density.
        ("likelihood/survival", "mean") => Floor::Points(29),
        ("likelihood/logistic" | "likelihood/survival", _) => Floor::Points(25),
        ("likelihood/poisson", "exponential, mean") => Floor::Points(25),
        // Rows without counts have two; the moments of the others follow from those of one.
        ("likelihood/poisson", _) => Floor::Tails(2),
        // Equal steps around one peak; precise data leave half of the rows here with a second one.
        ("likelihood/intensity", "noisy") => Floor::Points(25),
        ("likelihood/intensity", _) => Floor::Points(25 + 13),
        // Gaussians of so many variances, over the whole range that tails of these powers have at these distances.
        ("likelihood/student_noise", "usual") => Floor::Points(108),
        ("likelihood/student_noise", "precise") => Floor::Points(123),
        ("likelihood/student_noise", _) => Floor::Points(224),
        ("likelihood/two_layer", "one ReLU, mean") => Floor::Heavy,
        // A link over the half of the line where the unit is active has no closed form.
        ("likelihood/two_layer", "one ReLU, logistic, mean" | "one ReLU, probit, mean") => {
            Floor::Points(48)
        }
        // A rule of 48 points in each of three quadrants.
        ("likelihood/committee", _) => Floor::TailPoints(3 * 48),
        _ => Floor::Memory,
    }
}

/// Newton's steps of a maximiser, each of one exponential, that a good start leaves.
fn maximum(module: &str) -> Floor {
    match module {
        "likelihood/logistic" | "likelihood/poisson" => Floor::Exponentials(3),
        // And the logarithm of the time.
        "likelihood/survival" => Floor::Logged(3),
        _ => Floor::Memory,
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => write!(f, "memory"),
            Self::Logged(k) => write!(f, "a logarithm and {k} exponentials"),
            Self::Powers(k) => write!(f, "{k} powers"),
            Self::Root => write!(f, "a root and a quotient"),
            Self::Exponentials(1) => write!(f, "an exponential"),
            Self::Exponentials(k) => write!(f, "{k} exponentials"),
            Self::Tails(1) => write!(f, "a tail"),
            Self::Tails(k) => write!(f, "{k} tails"),
            Self::Heavy => write!(f, "2 heavy tails"),
            Self::Points(k) => write!(f, "exponentials at {k} points"),
            Self::TailPoints(k) => write!(f, "tails and exponentials at {k} points"),
            Self::Quotient => write!(f, "a quotient"),
            Self::Half => write!(f, "an exponential in half of the rows"),
            Self::HandedOn => write!(f, "an exponential, handed on and back"),
            Self::Apart { .. } => write!(f, "copies there and back"),
        }
    }
}

impl Floor {
    /// Reads `input` and `data`, of which there are as many or some times as many, or none, and writes the others, which are of
    /// the length of the first.
    pub(crate) fn run(self, input: &[f64], data: &[f64], first: &mut [f64], second: &mut [f64]) {
        match self {
            Self::Half => {
                let (half, len) = (input.len() / 2, input.len());
                let (above, below) = (first.split_at_mut(half), second.split_at_mut(half));
                Self::Exponentials(1).run(&input[..half], &[], above.0, below.0);
                Self::Memory.run(&input[half..len], &[], above.1, below.1);
            }
            Self::HandedOn => {
                let mut kept = [[0.0; PIECE]; 4];
                let pieces = first.chunks_mut(PIECE).zip(second.chunks_mut(PIECE));
                for (input, (first, second)) in input.chunks(PIECE).zip(pieces) {
                    let [a, b, c, d] = kept.each_mut().map(|k| &mut k[..input.len()]);
                    Self::Memory.run(input, &[], a, b);
                    Self::Exponentials(1).run(a, &[], c, d);
                    Self::Memory.run(c, &[], first, second);
                }
            }
            Self::Apart { all } => apart(&ROWS[usize::from(all)], input, first, second),
            _ => pulp::Arch::new().dispatch(Run { floor: self, input, data, first, second }),
        }
    }

    #[inline(always)]
    fn row<N: Number>(self, n: N) -> [N; 2] {
        // Small and of both signs: nothing is flushed.
        let x = n * n.constant(0.1);
        match self {
            Self::Memory | Self::Half | Self::HandedOn | Self::Apart { .. } => [x, n],
            Self::Quotient => [x / n.mul_add(n, n.constant(1.0)), n],
            Self::Root => [x / n.mul_add(n, n.constant(1.0)).sqrt(), n],
            Self::Powers(k) => {
                let (mut sum, mut at) = (n.constant(0.0), x.abs() + n.constant(1.0));
                for _ in 0..k {
                    at = at + n.constant(1e-3);
                    sum = sum + exp(ln(at) * n.constant(-0.5));
                }
                [sum, n]
            }
            Self::Exponentials(1) => [exp(x), n],
            Self::Exponentials(2) => [exp(x), exp(-x)],
            Self::Exponentials(k) | Self::Points(k) | Self::Logged(k) => {
                let (mut sum, mut at) = (n.constant(0.0), x);
                if matches!(self, Self::Logged(_)) {
                    sum = ln(x.abs() + n.constant(1.0));
                }
                for _ in 0..k {
                    at = at + n.constant(1e-3);
                    sum = sum + exp(at);
                }
                [sum, n]
            }
            Self::TailPoints(k) => {
                let (mut sum, mut spread, mut at) = (n.constant(0.0), n.constant(0.0), x);
                for _ in 0..k {
                    at = at + n.constant(1e-3);
                    let (weight, tail) = (exp(at), tail(at));
                    sum = weight.mul_add(tail.mean, sum);
                    spread = weight.mul_add(tail.variance, spread);
                }
                [sum, spread]
            }
            Self::Tails(1) => {
                let tail = tail(x);
                [tail.mean, tail.variance]
            }
            Self::Heavy => {
                let y = x.abs() + n.constant(1.0);
                let (near, far) = below_pair(x.abs(), y);
                let (near, far) = (above(x, near), above(y, far));
                [near.mean + far.mean, near.variance + far.variance]
            }
            Self::Tails(_) => {
                let (near, far) = below_pair(x.abs(), x.abs() + n.constant(1.0));
                let near = above(x, near);
                [near.mean + far.mean, near.variance + far.variance]
            }
        }
    }
}

/// Numbers of one piece.
const PIECE: usize = 256;

/// Two of three rows, and every row in groups of these and of the others.
static ROWS: LazyLock<[Vec<usize>; 2]> = LazyLock::new(|| {
    let two = |rows: usize| (0..rows).filter(|i| i % 3 != 1);
    let others = (0..crate::ROWS[0]).filter(|i| i % 3 == 1);
    [two(crate::ROWS[0]).collect(), two(crate::ROWS[0]).chain(others).collect()]
});

/// These rows: natural parameters, means and data there, answers back.
fn apart(rows: &[usize], input: &[f64], first: &mut [f64], second: &mut [f64]) {
    let mut kept = [[0.0; PIECE]; 3];
    for rows in rows.chunks(PIECE) {
        for kept in &mut kept {
            kept.iter_mut().zip(rows).for_each(|(kept, &row)| *kept = input[row]);
            black_box(kept);
        }
        rows.iter().zip(&kept[0]).for_each(|(&row, kept)| first[row] = *kept);
        rows.iter().zip(&kept[1]).for_each(|(&row, kept)| second[row] = *kept);
    }
}

struct Run<'a> {
    floor: Floor,
    input: &'a [f64],
    data: &'a [f64],
    first: &'a mut [f64],
    second: &'a mut [f64],
}

/// What data add to natural parameters, per unit.
const SHARE: f64 = 1e-3;

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

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.data.len() / self.input.len().max(1) {
            0 => self.known::<S, 0>(simd),
            1 => self.known::<S, 1>(simd),
            _ => self.known::<S, 2>(simd),
        }
    }
}

impl Run<'_> {
    /// Short ones each in a loop of its own: to ask every register what is to be computed takes as long as that.
    #[inline(always)]
    fn known<S: Simd, const EACH: usize>(self, simd: S) {
        match self.floor {
            Floor::Memory => self.rows::<S, EACH>(simd, Floor::Memory),
            Floor::Quotient => self.rows::<S, EACH>(simd, Floor::Quotient),
            Floor::Root => self.rows::<S, EACH>(simd, Floor::Root),
            Floor::Exponentials(1) => self.rows::<S, EACH>(simd, Floor::Exponentials(1)),
            Floor::Exponentials(2) => self.rows::<S, EACH>(simd, Floor::Exponentials(2)),
            Floor::Tails(1) => self.rows::<S, EACH>(simd, Floor::Tails(1)),
            Floor::Tails(2) => self.rows::<S, EACH>(simd, Floor::Tails(2)),
            Floor::Heavy => self.rows::<S, EACH>(simd, Floor::Heavy),
            floor => self.rows::<S, EACH>(simd, floor),
        }
    }

    #[inline(always)]
    fn rows<S: Simd, const EACH: usize>(self, simd: S, floor: Floor) {
        let (input, rest) = Lanes::<S>::registers(self.input);
        let (data, _) = Lanes::<S>::registers(self.data);
        let (first, first_rest) = Lanes::<S>::registers_mut(self.first);
        let (second, second_rest) = Lanes::<S>::registers_mut(self.second);
        // In pairs, which chains of functions are faster by.
        let chained =
            matches!(floor, Floor::Powers(_) | Floor::Logged(_) | Floor::Tails(2) | Floor::Heavy);
        let paired = if chained { input.len() / 2 * 2 } else { 0 };
        let outputs = first[..paired].chunks_exact_mut(2).zip(second[..paired].chunks_exact_mut(2));
        for (i, (n, (first, second))) in input[..paired].chunks_exact(2).zip(outputs).enumerate() {
            let own = informed::<S, EACH>(simd, n[0], data, 2 * i);
            let both = Pair(own, informed::<S, EACH>(simd, n[1], data, 2 * i + 1));
            let [a, b] = floor.row(both);
            (first[0], first[1]) = (a.0.get(), a.1.get());
            (second[0], second[1]) = (b.0.get(), b.1.get());
        }
        let outputs = first[paired..].iter_mut().zip(&mut second[paired..]);
        for (i, (n, (first, second))) in input[paired..].iter().zip(outputs).enumerate() {
            let n = informed::<S, EACH>(simd, *n, data, paired + i);
            let [a, b] = floor.row(n);
            (*first, *second) = (a.get(), b.get());
        }
        for ((n, first), second) in rest.iter().zip(first_rest).zip(second_rest) {
            [*first, *second] = floor.row(*n);
        }
    }
}
