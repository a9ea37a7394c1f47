//! Maximisers of concave exponents move less than what moves them.

use super::case::Case;
use super::{Violation, accepted, demand};
use crate::denoiser::Scratch;
use crate::message::small;

/// Moves in units of a deviation.
const MOVES: [f64; 4] = [1e-3, 0.3, 3.0, 100.0];
/// Rounding, and what an inner iteration leaves, relative to the product of both moves.
const ROUNDING: f64 = 1e-9;

/// Holds a MAP estimator of a convex cost to being firmly non-expansive: when `n` moves by `m` and the estimate by `y`,
/// `y' Gamma y <= m' y`. Row by row, or for all rows together where the estimator couples them. There must be an example
/// that it accepts.
pub(super) fn firmly_nonexpansive(case: &Case<'_>) -> Result<(), Violation> {
    const LAW: &str = "firmly non-expansive";
    let (subject, d) = (case.node, case.d);
    let name = subject.name();
    let mut scratch = Scratch::default();
    let mut tried = false;
    for input in case.inputs() {
        let Ok(here) = subject.estimate(&input.cavity(), &mut scratch) else { continue };
        for times in MOVES {
            let moved = input.shaken(times);
            let Ok(there) = subject.estimate(&moved.cavity(), &mut scratch) else { continue };
            tried = true;
            let difference = |a: &[f64], b: &[f64]| -> Vec<f64> {
                a.iter().zip(b).map(|(a, b)| a - b).collect()
            };
            let m = difference(moved.natural(), input.natural());
            let y = difference(&there.mean, &here.mean);
            let whole = if subject.separable() { d } else { m.len() };
            for (i, (m, y)) in m.chunks_exact(whole).zip(y.chunks_exact(whole)).enumerate() {
                let rows = y.chunks_exact(d);
                let square: f64 = rows.map(|y| small::bilinear(y, input.precision(), y, d)).sum();
                let product: f64 = m.iter().zip(y).map(|(m, y)| m * y).sum();
                let size = m.iter().chain(y).map(|v| v * v).sum::<f64>()
                    + here.mean.iter().zip(m).map(|(x, m)| (x * m).abs()).sum::<f64>();
                let at = || format!("{}, moved by {m:?}", input.describe(i));
                // Only an excess breaks the law, or what is no number.
                let bound = if square <= product { square } else { product };
                demand((&name, LAW), at, (square, bound), ROUNDING * size)?;
            }
        }
    }
    accepted((&name, LAW), tried)
}
