//! Maximisers of concave exponents move less than what moves them.

use super::subject::{Input, Subject};
use super::{Violation, demand};
use crate::denoiser::Scratch;
use crate::message::small;

/// Rows where the estimator is for any number of them.
const ROWS: usize = 7;
/// Moves in units of a deviation.
const MOVES: [f64; 4] = [1e-3, 0.3, 3.0, 100.0];
/// Rounding, and what an inner iteration leaves, relative to the product of both moves.
const ROUNDING: f64 = 1e-9;

/// Holds a MAP estimator of a convex cost to being firmly non-expansive: when `n` moves by `m` and the estimate by `y`,
/// `y' Gamma y <= m' y`. Row by row, or for all rows together where the estimator couples them.
///
/// # Errors
/// The first [`Violation`]; also when there is no example that the estimator accepts.
pub fn check_firmly_nonexpansive(subject: Subject<'_>, d: usize) -> Result<(), Violation> {
    const LAW: &str = "firmly non-expansive";
    let name = subject.name();
    let mut scratch = Scratch::default();
    let mut tried = 0;
    for input in Input::examples_of(subject.rows_together().unwrap_or(ROWS), d) {
        let Ok(here) = subject.estimate(&input.cavity(), &mut scratch) else { continue };
        for times in MOVES {
            let moved = input.shaken(times);
            let Ok(there) = subject.estimate(&moved.cavity(), &mut scratch) else { continue };
            tried += 1;
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
                let excess = (square - product).max(0.0);
                let at = || format!("{}, moved by {m:?}", input.describe(i));
                demand((&name, LAW), at, (excess, 0.0), ROUNDING * size)?;
            }
        }
    }
    let nothing = || "no example that it accepts".to_owned();
    demand((&name, LAW), nothing, (f64::from(u8::from(tried > 0)), 1.0), 0.0)
}
