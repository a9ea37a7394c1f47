//! The law of the singular values of an operator that is only applied: Gauss rules of a few random vectors.

use faer::Mat;
use fg_linalg::spectral::{self, Unconverged};

use super::super::moments::{Moments, Spectrum};
use super::options::Iterative;
use crate::operator::LinearOperator;
use crate::special::hash::sign;

/// Squares of singular values and their shares of the `min(m, n)` directions, of all probes together.
#[derive(Debug)]
pub(in super::super) struct Law {
    pub(in super::super) squares: Vec<f64>,
    pub(in super::super) weights: Vec<f64>,
    probes: Vec<Rules>,
    outputs: usize,
    inputs: usize,
}

/// What one probe says: the rule of all its steps, that of half of them, and that of all with a node at zero (Radau's).
#[derive(Debug)]
struct Rules {
    full: Rule,
    half: Rule,
    zero: Rule,
}

/// A Gauss rule of the spectrum as one vector sees it; weights add up to one.
#[derive(Debug)]
struct Rule {
    squares: Vec<f64>,
    weights: Vec<f64>,
}

/// The bidiagonal matrix of one probe: `U' C V` with the diagonal and the entries below it, as many.
#[derive(Debug, Default)]
struct Bidiagonal {
    diagonal: Vec<f64>,
    below: Vec<f64>,
    /// Whether what is left of the probe is nothing but rounding.
    ended: bool,
}

impl Law {
    /// Of `probes` vectors of signs over the smaller side, `steps` steps each: two products a step, with all probes at once.
    pub(in super::super) fn new(
        operator: &dyn LinearOperator,
        options: &Iterative,
    ) -> Result<Self, Unconverged> {
        let (outputs, inputs) = (operator.outputs(), operator.inputs());
        let mut probes = bidiagonal(operator, options)
            .iter()
            .map(|probe| {
                let steps = probe.diagonal.len();
                let [full, half] = [steps, steps.div_ceil(2)].map(|steps| probe.rule(steps, false));
                Ok(Rules { full: full?, half: half?, zero: probe.rule(steps, true)? })
            })
            .collect::<Result<Vec<_>, _>>()?;
        drop_rounding(&mut probes, outputs.max(inputs) as f64 * f64::EPSILON);
        let share = 1.0 / probes.len() as f64;
        let full = || probes.iter().map(|probe| &probe.full);
        let squares = full().flat_map(|rule| rule.squares.iter().copied()).collect();
        let weights = full().flat_map(|rule| rule.weights.iter().map(|w| w * share)).collect();
        Ok(Self { squares, weights, probes, outputs, inputs })
    }

    /// Mean square of the singular values.
    pub(super) fn mean_square(&self) -> f64 {
        self.squares.iter().zip(&self.weights).map(|(s, w)| s * w).sum()
    }

    /// The relative standard error of an average over the directions.
    ///
    /// The scatter of the probes, and what steps may be missing: the variance is between what a Gauss rule and one with a node
    /// at zero say of it (Golub and Meurant, theorem 6.4). Where no precision at all stands against a singular value of zero,
    /// there is no such bound, and what the second half of the steps has changed takes its place.
    pub(in super::super) fn standard_error(
        &self,
        average: impl Fn(&Spectrum<'_>) -> Moments,
    ) -> f64 {
        let variance = |rule: &Rule| average(&rule.spectrum(self.outputs, self.inputs)).variance;
        let sum =
            |of: fn(&Rules) -> &Rule| self.probes.iter().map(|p| variance(of(p))).sum::<f64>();
        let (full, half, zero) = (sum(|p| &p.full), sum(|p| &p.half), sum(|p| &p.zero));
        if full == 0.0 {
            // Without any range nothing is left to chance.
            return 0.0;
        }
        let count = self.probes.len() as f64;
        let scatter: f64 =
            self.probes.iter().map(|p| (count * variance(&p.full) / full - 1.0).powi(2)).sum();
        let bound = if zero.is_finite() { zero } else { half };
        let missing = bound / full - 1.0;
        (scatter / (count * (count - 1.0)) + missing * missing).sqrt()
    }
}

/// Counts as zero what a decomposition would count as such: singular values below this share of the largest.
fn drop_rounding(probes: &mut [Rules], share: f64) {
    let squares = probes.iter().flat_map(|p| &p.full.squares);
    let zero = share * share * squares.copied().fold(0.0, f64::max);
    for rule in probes.iter_mut().flat_map(|p| [&mut p.full, &mut p.half, &mut p.zero]) {
        rule.squares.iter_mut().filter(|s| **s <= zero).for_each(|s| *s = 0.0);
    }
}

impl Rule {
    fn spectrum(&self, outputs: usize, inputs: usize) -> Spectrum<'_> {
        let Self { squares, weights } = self;
        Spectrum { squares, weights: Some(weights), outputs, inputs }
    }
}

impl Bidiagonal {
    /// The rule of the first `steps` steps, with or without a node at zero: squares of the singular values, weighted by the
    /// squares of the first entries of the left singular vectors.
    fn rule(&self, steps: usize, zero: bool) -> Result<Rule, Unconverged> {
        let rows = steps + usize::from(zero);
        let matrix = Mat::from_fn(rows, steps, |i, j| match i.wrapping_sub(j) {
            0 => self.diagonal[i],
            1 => self.below[j],
            _ => 0.0,
        });
        let spectral::Svd { u, s, .. } = spectral::thin_svd(matrix.as_ref())?;
        let mut weights: Vec<f64> = (0..steps).map(|k| u[(0, k)] * u[(0, k)]).collect();
        let mut squares: Vec<f64> = s.iter().map(|s| s * s).collect();
        if zero {
            squares.push(0.0);
            weights.push((1.0 - weights.iter().sum::<f64>()).max(0.0));
        }
        Ok(Rule { squares, weights })
    }
}

/// Golub and Kahan's bidiagonalisation of `C`, which is `A` or `A'`, whichever has fewer rows, from vectors of signs.
fn bidiagonal(operator: &dyn LinearOperator, options: &Iterative) -> Vec<Bidiagonal> {
    let (m, n) = (operator.outputs(), operator.inputs());
    let (rows, columns, count) = (m.min(n), m.max(n), options.probes);
    // `C' u` and `C v`.
    let back = |u: &[f64], out: &mut [f64]| {
        if m <= n { operator.apply_adjoint(u, out, count) } else { operator.apply(u, out, count) }
    };
    let forth = |v: &[f64], out: &mut [f64]| {
        if m <= n { operator.apply(v, out, count) } else { operator.apply_adjoint(v, out, count) }
    };
    let length = (rows as f64).sqrt();
    let mut u: Vec<f64> = (0..rows * count)
        .map(|e| sign(options.seed, (e % count) as u64, e / count) / length)
        .collect();
    let (mut v, mut next_u) = (vec![0.0; columns * count], vec![0.0; rows * count]);
    let mut next_v = vec![0.0; columns * count];
    let mut probes: Vec<_> = (0..count).map(|_| Bidiagonal::default()).collect();
    let (mut below, mut norms) = (vec![0.0; count], vec![0.0; count]);
    for _ in 0..options.steps.min(rows) {
        // alpha v = C' u - beta v
        back(&u, &mut next_v);
        normalise_rest(&mut next_v, &mut v, &below, &mut norms);
        let alphas = norms.clone();
        // beta u = C v - alpha u
        forth(&v, &mut next_u);
        normalise_rest(&mut next_u, &mut u, &alphas, &mut below);
        for (p, probe) in probes.iter_mut().enumerate().filter(|(_, probe)| !probe.ended) {
            probe.diagonal.push(alphas[p]);
            probe.below.push(below[p]);
            probe.ended = alphas[p] == 0.0 || below[p] == 0.0;
        }
    }
    probes
}

/// `old = (new - factor old)`, made of length one column by column; columns that are rounding of what was subtracted become
/// zero, and so does their norm.
fn normalise_rest(new: &mut [f64], old: &mut [f64], factor: &[f64], norms: &mut [f64]) {
    let d = factor.len();
    norms.fill(0.0);
    for (new, old) in new.chunks_exact_mut(d).zip(old.chunks_exact(d)) {
        for j in 0..d {
            new[j] -= factor[j] * old[j];
            norms[j] += new[j] * new[j];
        }
    }
    for (norm, factor) in norms.iter_mut().zip(factor) {
        let length = norm.sqrt();
        // What isn't a number stays, for the decomposition to refuse.
        *norm = if length <= f64::EPSILON * factor { 0.0 } else { length };
    }
    for (new, old) in new.chunks_exact(d).zip(old.chunks_exact_mut(d)) {
        for j in 0..d {
            old[j] = if norms[j] > 0.0 { new[j] / norms[j] } else { 0.0 };
        }
    }
}
