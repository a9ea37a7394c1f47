//! The least that a row of one column takes: its numbers, natural parameter and data, are read, its answers written, and the
//! transcendental functions evaluated.

use std::fmt;

use super::loops::{
    self, Climbed, Exponentials, Heavy, Logged, Memory, Pieces, Points, Powers, Quotient, Root,
    Shares, Tail, TailPoints, Tails,
};

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
    /// Shares of one and so many others in a mixture, as the logistic function has of two: an exponential each, and a quotient.
    Shares(usize),
    /// The moments of one normal tail, or of two of which one is on the light side, with the exponential of the other.
    Tails(usize),
    /// The same of so many pairs of tails that both may be on the heavy side, with an exponential each.
    Heavy(usize),
    /// The same of so many pieces, with their shares: an exponential each but for one, and a quotient.
    Pieces(usize),
    /// Exponentials at so many points of a rule.
    Points(usize),
    /// The same around a peak that is to be found first, by two exponentials and so many logarithms.
    Climbed { logs: usize, points: usize },
    /// Shares of the rows, which need different things.
    Parted(&'static [(f64, Self)]),
    /// Normal tails and exponentials at so many points of rules.
    TailPoints(usize),
    /// A quotient: rows of variances of their own need one each.
    Quotient,
    /// Two shares in every other half of the rows.
    Half,
    /// Two shares, of natural parameters that are handed on in another unit, with means as their data, and whose answers are
    /// taken back.
    HandedOn,
    /// Rows that stand apart, all or two of three, put side by side with their data and put back; the others are read and written.
    Apart { all: bool },
}

/// That of an instance of the catalogue.
pub(crate) fn of(module: &str, instance: &str) -> Floor {
    match (module, instance) {
        ("prior/bernoulli_gauss" | "prior/group_bernoulli_gauss", _) => Floor::Shares(1),
        ("prior/scaled", _) => Floor::HandedOn,
        ("prior/stacked", _) => Floor::Half,
        ("prior/per_row", _) => Floor::Quotient,
        ("likelihood/masked", "noise") => Floor::Apart { all: false },
        ("prior/grouped", _) => Floor::Apart { all: true },
        // Bins that are open on one side, and those that the rules for one nat and for four are enough for.
        ("likelihood/quantised", "dithered") => Floor::Parted(&[
            (0.34, Floor::Tails(1)),
            (0.38, Floor::Points(12)),
            (0.28, Floor::Points(18)),
        ]),
        // What is beyond either end of the bin.
        ("likelihood/quantised", "inner bin") => Floor::Heavy(1),
        // One component is what the weights of the others count from.
        ("prior/gaussian_mixture", "scalar") => Floor::Shares(2),
        ("prior/gaussian_mixture", _) | ("prior/discrete", "binary") => Floor::Shares(1),
        ("prior/discrete", _) => Floor::Shares(4),
        ("prior/exponential", _) => Floor::Tails(1),
        // What is beyond either end of an interval that the cavity is narrow in.
        ("prior/truncated_gaussian", "two ends") | ("prior/uniform", _) => Floor::Heavy(1),
        ("prior/truncated_gaussian", _) => Floor::Tails(1),
        ("prior/laplace", _) | ("prior/product", "Gaussian and Laplace") => Floor::Tails(2),
        // A function that is known by its values alone, between both ends.
        ("prior/product", _) => Floor::Points(48),
        ("prior/student_t", "three degrees") => Floor::Points(105),
        ("prior/student_t", _) => Floor::Points(50),
        ("prior/horseshoe", _) => Floor::Points(430),
        // Of each piece what is beyond either end, and its share.
        ("prior/tabulated", "few points") => Floor::Pieces(4),
        // Pieces that are within reach of the cavity, by how far the integrand falls in them.
        ("prior/tabulated", _) => Floor::Points(32 * 18 + 11 * 12),
        // Newton's steps from the maximiser without a penalty.
        ("penalty/lq", _) => Floor::Powers(3),
        // The other side is the mirror image.
        ("likelihood/sign", _) => Floor::Tails(1),
        ("likelihood/laplace_noise", "maximum") => Floor::Memory,
        ("likelihood/masked", _) | ("likelihood/tuned", "probit") => Floor::Tails(1),
        ("likelihood/laplace_noise", _) => Floor::Tails(2),
        // Both sides may have a peak of their own.
        ("likelihood/tuned", "magnitudes") | ("likelihood/rectified", _) => Floor::Heavy(1),
        ("likelihood/magnitude", "exact") => Floor::Shares(1),
        ("likelihood/magnitude", _) => Floor::Heavy(1),
        ("likelihood/hinge", "mean") => Floor::Tails(2),
        ("likelihood/censored", _) | ("likelihood/quantised", "outer bin, noisy") => {
            Floor::Tails(1)
        }
        // Beyond either end of the middle, of the middle itself and of the straight sides.
        ("likelihood/huber", "usual") => Floor::Heavy(2),
        ("likelihood/poisson", "rectified, maximum") => Floor::Root,
        (_, "maximum" | "exponential, maximum") => maximum(module),
        // Equal steps that are exact to rounding take 25 points for what is next to a Gaussian, and some more where the cavity
        // is no narrower than the density.
        ("likelihood/survival", "mean") => Floor::Climbed { logs: 1, points: 29 },
        ("likelihood/survival", _) => Floor::Climbed { logs: 1, points: 25 },
        ("likelihood/logistic", _) => Floor::Climbed { logs: 0, points: 25 },
        ("likelihood/poisson", "exponential, mean") => Floor::Climbed { logs: 0, points: 25 },
        // Rows without counts have two; the moments of the others follow from those of one.
        ("likelihood/poisson", _) => Floor::Tails(2),
        // Equal steps around one peak, to which a cubic equation leads; precise data leave half of the rows here with a second one.
        ("likelihood/intensity", "noisy") => Floor::Climbed { logs: 1, points: 25 },
        ("likelihood/intensity", _) => Floor::Climbed { logs: 1, points: 25 + 13 },
        // Gaussians of so many variances, over the whole range that tails of these powers have at these distances.
        ("likelihood/student_noise", "usual") => Floor::Points(108),
        ("likelihood/student_noise", "precise") => Floor::Points(123),
        ("likelihood/student_noise", _) => Floor::Points(224),
        ("likelihood/two_layer", "one ReLU, mean") => Floor::Heavy(1),
        // A link over the half of the line where the unit is active has no closed form.
        ("likelihood/two_layer", "one ReLU, logistic, mean" | "one ReLU, probit, mean") => {
            Floor::Points(48)
        }
        // A rule of 40 points in each of three quadrants.
        ("likelihood/committee", _) => Floor::TailPoints(3 * 40),
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
            Self::Heavy(k) => write!(f, "{} heavy tails", 2 * k),
            Self::Pieces(k) => {
                write!(f, "{} heavy tails, {} exponentials and a quotient", 2 * k, k - 1)
            }
            Self::Points(k) => write!(f, "exponentials at {k} points"),
            Self::Climbed { logs: 0, points } => {
                write!(f, "2 exponentials, and those at {points} points")
            }
            Self::Climbed { points, .. } => {
                write!(f, "a logarithm, 2 exponentials, and those at {points} points")
            }
            Self::Parted(_) => write!(f, "tails and exponentials by row"),
            Self::Shares(1) => write!(f, "a logistic function"),
            Self::Shares(k) => write!(f, "{k} exponentials and a quotient"),
            Self::TailPoints(k) => write!(f, "tails and exponentials at {k} points"),
            Self::Quotient => write!(f, "a quotient"),
            Self::Half => write!(f, "a logistic function in half of the rows"),
            Self::HandedOn => write!(f, "a logistic function, handed on and back"),
            Self::Apart { .. } => write!(f, "copies there and back"),
        }
    }
}

impl Floor {
    /// Reads `input` and `data`, of which there are as many or some times as many, or none, and writes the others, which are of
    /// the length of the first. With exponentials of the full range where `FULL`, or the cheapest ones that do.
    pub(crate) fn run<const FULL: bool>(
        self,
        input: &[f64],
        data: &[f64],
        first: &mut [f64],
        second: &mut [f64],
    ) {
        let out = [first, second];
        match self {
            Self::Memory => loops::run(Memory, input, data, out),
            Self::Quotient => loops::run(Quotient, input, data, out),
            Self::Root => loops::run(Root, input, data, out),
            Self::Shares(k) => loops::run(Shares::<FULL>(k), input, data, out),
            Self::Exponentials(k) => loops::run(Exponentials::<FULL>(k), input, data, out),
            Self::Points(k) => loops::run(Points::<FULL>(k), input, data, out),
            Self::Climbed { logs, points } => {
                loops::run(Climbed::<FULL> { logs, points }, input, data, out);
            }
            Self::Parted(parts) => {
                let ([first, second], rows) = (out, input.len());
                let (each, mut from) = (data.len() / rows.max(1), 0);
                for (k, (share, floor)) in parts.iter().enumerate() {
                    let last = k + 1 == parts.len();
                    let own = if last { rows - from } else { loops::part(rows, *share) };
                    let (all, data) = (from..from + own, &data[each * from..each * (from + own)]);
                    floor.run::<FULL>(
                        &input[all.clone()],
                        data,
                        &mut first[all.clone()],
                        &mut second[all],
                    );
                    from += own;
                }
            }
            Self::Logged(k) => loops::run(Logged::<FULL>(k), input, data, out),
            Self::Powers(k) => loops::run(Powers::<FULL>(k), input, data, out),
            Self::Tails(1) => loops::run(Tail, input, data, out),
            Self::Tails(_) => loops::run(Tails, input, data, out),
            Self::Heavy(k) => loops::run(Heavy(k), input, data, out),
            Self::Pieces(k) => loops::run(Pieces::<FULL>(k), input, data, out),
            Self::TailPoints(k) => loops::run(TailPoints::<FULL>(k), input, data, out),
            Self::Half => loops::half::<FULL>(input, out),
            Self::HandedOn => loops::handed_on::<FULL>(input, data, out),
            Self::Apart { all } => {
                let [first, second] = out;
                if !all {
                    // Of the others, which are answered as well, by all at once.
                    loops::run(Memory, input, &[], [&mut *first, &mut *second]);
                }
                loops::apart(all, input, data, [first, second]);
            }
        }
    }
}
