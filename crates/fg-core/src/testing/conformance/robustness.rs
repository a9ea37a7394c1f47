//! Answers are symmetric, not negative, finite over the whole range of cavities, and don't depend on the batch.

use super::input::{CORRELATIONS, Input};
use super::one_port::OnePort;
use super::{Violation, demand};
use crate::denoiser::{Estimation, Scratch};
use crate::factor::Breakdown;
use crate::message::small;

/// Rounding of a `d x d` computation, relative to its largest entry.
const ROUNDING: f64 = 1e-12;
/// Values of scratch memory: more than any estimator asks for a row of so few columns.
pub(super) const DIRT: usize = 4096;
/// The paths of diagonal and full precisions differ by rounding of matrices with entries of order one.
pub(super) const PATHS: f64 = 1e-10;
/// Those of estimators of all rows together also by what an inner iteration leaves.
const ITERATED: f64 = 1e-6;

pub(super) fn covariance(subject: OnePort<'_>, input: &Input) -> Result<(), Violation> {
    const LAW: &str = "covariance";
    let name = subject.name();
    let Ok(estimate) = subject.estimate(&input.cavity(), &mut Scratch::default()) else {
        return Ok(()); // refusing a cavity is for the other laws to judge
    };
    let d = input.columns();
    for (i, matrix) in estimate.covariance.chunks_exact(d * d).enumerate() {
        semi_definite((&name, LAW), || input.describe(i), matrix, d)?;
    }
    Ok(())
}

/// Symmetric, and without a negative eigenvalue.
pub(super) fn semi_definite(
    label: (&str, &'static str),
    input: impl Fn() -> String,
    matrix: &[f64],
    d: usize,
) -> Result<(), Violation> {
    let scale = matrix.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    for j in 0..d {
        for k in 0..j {
            let pair = (matrix[j * d + k], matrix[k * d + j]);
            demand(label, &input, pair, ROUNDING * scale)?;
        }
    }
    let (mut values, mut vectors) = (vec![0.0; d], vec![0.0; d * d]);
    small::eigen_symmetric(&mut matrix.to_vec(), &mut values, &mut vectors, d);
    // What is not a number differs from its positive part, too.
    values.iter().try_for_each(|v| demand(label, &input, (v - v.max(0.0), 0.0), ROUNDING * scale))
}

/// Rows of the calls that each row alone is compared with: fewer than a register or two take, and more than estimators need to
/// share work among rows; not all a multiple of any register.
pub(super) const TOGETHER: [usize; 3] = [7, 64, 100];

/// Same bits whether rows come alone or together, few or many, and whatever the scratch memory holds: registers of rows go through
/// the operations of a single row, and what rows share is a matter of the precision.
pub(super) fn batching(subject: OnePort<'_>, input: &Input) -> Result<(), Violation> {
    const LAW: &str = "batching";
    if !subject.separable() {
        return Ok(());
    }
    let name = subject.name();
    let (n, d) = (input.rows(), input.columns());
    let most = subject.rows().unwrap_or(usize::MAX);
    let mut dirty = Scratch::default();
    let all =
        if n > 1 { input.like(TOGETHER[TOGETHER.len() - 1].min(most)) } else { input.first_row() };
    let mut alone = Vec::new();
    for i in 0..all.rows() {
        dirty.slice(DIRT).fill(f64::NAN);
        match subject.estimate(&all.row_cavity(i), &mut dirty) {
            Ok(found) => alone.push(found),
            // Refusing a cavity is for the other laws to judge, unless it comes and goes with the company.
            Err(_) if i == 0 && subject.estimate(&all.cavity(), &mut dirty).is_err() => {
                return Ok(());
            }
            Err(e) => return Err(subject.refused(LAW, &all, e)),
        }
    }
    for count in TOGETHER.map(|count| count.min(all.rows())) {
        let some = all.first_rows(count);
        let together = subject
            .estimate(&some.cavity(), &mut Scratch::default())
            .map_err(|e| subject.refused(LAW, &some, e))?;
        for (i, alone) in alone[..count].iter().enumerate() {
            let means = alone.mean.iter().zip(&together.mean[i * d..]);
            let covariances = alone.covariance.iter().zip(&together.covariance[i * d * d..]);
            let where_it_is = || format!("{}, of {count} rows", some.describe(i));
            for (found, expected) in means.chain(covariances) {
                demand((&name, LAW), where_it_is, (*found, *expected), 0.0)?;
            }
        }
    }
    Ok(())
}

/// Same bits whether rows stand in order or in reverse.
pub(super) fn order(subject: OnePort<'_>, input: &Input) -> Result<(), Violation> {
    const LAW: &str = "order";
    let (n, d, name) = (input.rows(), input.columns(), subject.name());
    let mut scratch = Scratch::default();
    let Ok(together) = subject.estimate(&input.cavity(), &mut scratch) else {
        return Ok(()); // refusing a cavity is for the other laws to judge
    };
    let reversed = input.reversed();
    let found = subject
        .estimate(&reversed.cavity(), &mut scratch)
        .map_err(|e| subject.refused(LAW, input, e))?;
    let pieces = found.mean.chunks_exact(d).rev().zip(together.mean.chunks_exact(d));
    for (i, (found, expected)) in pieces.enumerate().take(n) {
        for pair in found.iter().copied().zip(expected.iter().copied()) {
            demand((&name, LAW), || input.describe(i), pair, 0.0)?;
        }
    }
    Ok(())
}

/// A diagonal precision may take a shorter way; the general one must lead to the same place. Estimators of all rows together may
/// refuse it by its form.
pub(super) fn column_form(subject: OnePort<'_>, input: &Input) -> Result<(), Violation> {
    const LAW: &str = "column form";
    let d = input.columns();
    let Some(full) = input.nearly_diagonal() else { return Ok(()) };
    let mut scratch = Scratch::default();
    let (short, general) = (
        subject.estimate(&input.cavity(), &mut scratch),
        subject.estimate(&full.cavity(), &mut scratch),
    );
    let (short, general) = match (short, general) {
        (Ok(short), Ok(general)) => (short, general),
        (Err(_), Err(_)) => return Ok(()),
        (Ok(_), Err(Breakdown::Form { .. })) if !subject.separable() => return Ok(()),
        (Err(e), _) | (_, Err(e)) => return Err(subject.refused(LAW, input, e)),
    };
    let name = subject.name();
    let rounding = if subject.separable() { PATHS } else { ITERATED };
    // The points of an average may differ with the path.
    let sampling = short.sampling(d).max(general.sampling(d));
    let variance = |i: usize| small::trace(&short.covariance[i * d * d..(i + 1) * d * d], d);
    for (k, (a, b)) in short.mean.iter().zip(&general.mean).enumerate() {
        let tolerance = rounding * (1.0 + a.abs()) + sampling * variance(k / d).sqrt();
        demand((&name, LAW), || input.describe(k / d), (*b, *a), tolerance)?;
    }
    for (k, (a, b)) in short.covariance.iter().zip(&general.covariance).enumerate() {
        let i = k / (d * d);
        let tolerance = rounding * (1.0 + a.abs()) + sampling * variance(i);
        demand((&name, LAW), || input.describe(i), (*b, *a), tolerance)?;
    }
    Ok(())
}

/// A cavity far more precise than the estimator's own knowledge decides alone, within what a constraint allows.
pub(super) fn precise_cavity(subject: OnePort<'_>, d: usize) -> Result<(), Violation> {
    const LAW: &str = "precise cavity";
    const PRECISION: f64 = 1e10;
    /// Precision of what the estimator itself knows, at most, and slope of its log-density: 1e4.
    const OWN: f64 = 1e4;
    if subject.known(d) || subject.discrete(d) || subject.thin(d) {
        return Ok(());
    }
    let matrix = small::scalar_matrix(PRECISION, d);
    let name = subject.name();
    let estimate = |input: &Input| {
        subject
            .estimate(&input.cavity(), &mut Scratch::default())
            .map_err(|e| subject.refused(LAW, input, e))
    };
    let wanted = subject.within((0..d).map(|j| 0.9 + 0.3 * j as f64).collect());
    let input = Input::from_mean(d, &wanted, matrix.clone());
    let first = estimate(&input)?;
    let reached = (0..d).all(|j| (first.mean[j] - wanted[j]).abs() <= OWN / PRECISION);
    let compare = |input: &Input, pair: (f64, f64)| {
        demand((&name, LAW), || input.describe(0), pair, OWN / PRECISION)
    };
    if reached || subject.estimation() == Estimation::Mmse {
        for j in 0..d {
            compare(&input, (first.mean[j], wanted[j]))?;
            compare(&input, (PRECISION * first.covariance[j * d + j], 1.0))?;
        }
        return Ok(());
    }
    // A maximiser elsewhere is the nearest point of a constraint: itself when asked again, the Jacobian a projection.
    let input = Input::from_mean(d, &first.mean, matrix);
    let again = estimate(&input)?;
    let jacobian: Vec<f64> = again.covariance.iter().map(|c| PRECISION * c).collect();
    let mut square = vec![0.0; d * d];
    small::multiply(&jacobian, &jacobian, &mut square, d);
    (0..d).try_for_each(|j| compare(&input, (again.mean[j], first.mean[j])))?;
    (0..d * d).try_for_each(|k| compare(&input, (square[k], jacobian[k])))
}

/// Finite, and without a negative variance, over 24 decades of precision and a million deviations of mean in a few directions,
/// isotropic and strongly correlated.
pub(super) fn finite(subject: OnePort<'_>, d: usize) -> Result<(), Violation> {
    const DEVIATIONS: [f64; 9] = [0.0, 1e-3, -1e-3, 1.0, -1.0, 30.0, -30.0, 1e6, -1e6];
    let rows = subject.rows().unwrap_or(usize::MAX);
    let mut scratch = Scratch::default();
    for exponent in -12..=12 {
        let precision = 10f64.powi(exponent);
        for correlation in CORRELATIONS.into_iter().take(if d > 1 { 2 } else { 1 }) {
            let input = Input::far((precision, correlation), &DEVIATIONS, d);
            input.pieces(rows).try_for_each(|input| bounded(subject, &input, &mut scratch))?;
        }
    }
    Ok(())
}

fn bounded(subject: OnePort<'_>, input: &Input, scratch: &mut Scratch) -> Result<(), Violation> {
    const LAW: &str = "finite";
    let (name, d) = (subject.name(), input.columns());
    let estimate = subject
        .estimate(&input.cavity(), scratch)
        .map_err(|breakdown| subject.refused(LAW, input, breakdown))?;
    let not_finite =
        |row: usize| Err(subject.refused(LAW, input, Breakdown::NotFinite { port: 0, row }));
    if let Some(k) = estimate.mean.iter().position(|v| !v.is_finite()) {
        return not_finite(k / d);
    }
    if let Some(k) = estimate.covariance.iter().position(|v| !v.is_finite()) {
        return not_finite(k / (d * d));
    }
    for (i, matrix) in estimate.covariance.chunks_exact(d * d).enumerate() {
        for variance in matrix.iter().step_by(d + 1) {
            demand((&name, LAW), || input.describe(i), (variance.min(0.0), 0.0), 0.0)?;
        }
    }
    Ok(())
}
