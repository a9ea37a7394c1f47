//! The least that a row of one column takes: its numbers, natural parameter and data, are read, its answers written, and the
//! transcendental functions evaluated.

use std::fmt;

use super::loops::{
    self, Exponential, Exponentials, Heavy, Logged, Memory, Powers, Quotient, Root, Tail,
    TailPoints, Tails, TwoExponentials,
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
    /// An exponential, of natural parameters that are handed on in another unit, with means as their data, and whose answers are
    /// taken back.
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
        let out = [first, second];
        match self {
            Self::Memory => loops::run(Memory, input, data, out),
            Self::Quotient => loops::run(Quotient, input, data, out),
            Self::Root => loops::run(Root, input, data, out),
            Self::Exponentials(1) => loops::run(Exponential, input, data, out),
            Self::Exponentials(2) => loops::run(TwoExponentials, input, data, out),
            Self::Exponentials(k) | Self::Points(k) => {
                loops::run(Exponentials(k), input, data, out);
            }
            Self::Logged(k) => loops::run(Logged(k), input, data, out),
            Self::Powers(k) => loops::run(Powers(k), input, data, out),
            Self::Tails(1) => loops::run(Tail, input, data, out),
            Self::Tails(_) => loops::run(Tails, input, data, out),
            Self::Heavy => loops::run(Heavy, input, data, out),
            Self::TailPoints(k) => loops::run(TailPoints(k), input, data, out),
            Self::Half => loops::half(input, out),
            Self::HandedOn => loops::handed_on(input, data, out),
            Self::Apart { all } => loops::apart(all, input, data, out),
        }
    }
}
