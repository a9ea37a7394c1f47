//! Answers are symmetric, not negative, finite over the whole range of cavities, and don't depend on the batch.

use super::subject::{Input, Subject};
use super::{Violation, demand};
use crate::denoiser::{Estimation, Scratch};
use crate::factor::Breakdown;
use crate::message::small;

/// Rounding of a `d x d` computation, relative to its largest entry.
const ROUNDING: f64 = 1e-12;

pub(super) fn covariance(subject: Subject<'_>, input: &Input) -> Result<(), Violation> {
    const LAW: &str = "covariance";
    let name = subject.name();
    let Ok(estimate) = subject.estimate(&input.cavity(), &mut Scratch::default()) else {
        return Ok(()); // refusing a cavity is for the other laws to judge
    };
    let d = input.columns();
    for (i, matrix) in estimate.covariance.chunks_exact(d * d).enumerate() {
        let scale = matrix.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        for j in 0..d {
            for k in 0..j {
                let pair = (matrix[j * d + k], matrix[k * d + j]);
                demand((&name, LAW), || input.describe(i), pair, ROUNDING * scale)?;
            }
        }
        let (mut values, mut vectors) = (vec![0.0; d], vec![0.0; d * d]);
        small::eigen_symmetric(&mut matrix.to_vec(), &mut values, &mut vectors, d);
        for value in values {
            demand((&name, LAW), || input.describe(i), (value.min(0.0), 0.0), ROUNDING * scale)?;
        }
    }
    Ok(())
}

/// Same bits whether rows come alone, together or in reverse, and whatever the scratch memory holds.
pub(super) fn batching(subject: Subject<'_>, input: &Input) -> Result<(), Violation> {
    const LAW: &str = "batching";
    if !subject.separable() {
        return Ok(());
    }
    let name = subject.name();
    let (n, d) = (input.rows(), input.columns());
    let Ok(together) = subject.estimate(&input.cavity(), &mut Scratch::default()) else {
        return Ok(());
    };
    let mut dirty = Scratch::default();
    /// More than any estimator asks for a row of so few columns.
    const DIRT: usize = 4096;
    let same = |i: usize, found: &[f64], expected: &[f64]| {
        found
            .iter()
            .zip(expected)
            .try_for_each(|(f, e)| demand((&name, LAW), || input.describe(i), (*f, *e), 0.0))
    };
    for i in 0..n {
        dirty.slice(DIRT).fill(f64::NAN);
        let alone = subject
            .estimate(&input.row_cavity(i), &mut dirty)
            .map_err(|e| subject.refused(LAW, input, e))?;
        same(i, &alone.mean, &together.mean[i * d..(i + 1) * d])?;
        same(i, &alone.covariance, &together.covariance[i * d * d..(i + 1) * d * d])?;
    }
    if subject.exchangeable() {
        let reversed = input.reversed();
        let found = subject
            .estimate(&reversed.cavity(), &mut dirty)
            .map_err(|e| subject.refused(LAW, input, e))?;
        for i in 0..n {
            let k = n - 1 - i;
            same(i, &found.mean[k * d..(k + 1) * d], &together.mean[i * d..(i + 1) * d])?;
        }
    }
    Ok(())
}

/// A diagonal precision may take a shorter way; the general one must lead to the same place.
pub(super) fn column_form(subject: Subject<'_>, input: &Input) -> Result<(), Violation> {
    const LAW: &str = "column form";
    /// Off-diagonal entries that change nothing but the path taken, relative to the diagonal.
    const SPECK: f64 = 1e-18;
    /// The two paths differ by rounding of matrices with entries of order one.
    const PATHS: f64 = 1e-10;
    let d = input.columns();
    let diagonal = input.cavity().is_diagonal() && input.precision()[0] > 0.0;
    if d == 1 || !diagonal {
        return Ok(());
    }
    let full = (0..d * d).map(|k| {
        let entry = input.precision()[k];
        if k.is_multiple_of(d + 1) { entry } else { SPECK * input.precision()[0] }
    });
    let full = input.with_precision(full.collect());
    let mut scratch = Scratch::default();
    let (short, general) = (
        subject.estimate(&input.cavity(), &mut scratch),
        subject.estimate(&full.cavity(), &mut scratch),
    );
    let (short, general) = match (short, general) {
        (Ok(short), Ok(general)) => (short, general),
        (Err(_), Err(_)) => return Ok(()),
        (Err(e), _) | (_, Err(e)) => return Err(subject.refused(LAW, input, e)),
    };
    let name = subject.name();
    for (k, (a, b)) in short.mean.iter().zip(&general.mean).enumerate() {
        let pair = (*b, *a);
        demand((&name, LAW), || input.describe(k / d), pair, PATHS * (1.0 + a.abs()))?;
    }
    for (k, (a, b)) in short.covariance.iter().zip(&general.covariance).enumerate() {
        let pair = (*b, *a);
        demand((&name, LAW), || input.describe(k / d / d), pair, PATHS * (1.0 + a.abs()))?;
    }
    Ok(())
}

/// A cavity far more precise than the estimator's own knowledge decides alone, within what a constraint allows.
pub(super) fn precise_cavity(subject: Subject<'_>, d: usize) -> Result<(), Violation> {
    const LAW: &str = "precise cavity";
    const PRECISION: f64 = 1e10;
    /// Precision of what the estimator itself knows, at most, and slope of its log-density: 1e4.
    const OWN: f64 = 1e4;
    if subject.known(d) || subject.discrete(d) || subject.thin(d) {
        return Ok(());
    }
    let matrix: Vec<f64> =
        (0..d * d).map(|k| if k.is_multiple_of(d + 1) { PRECISION } else { 0.0 }).collect();
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

/// Finite, and without a negative variance, over 24 decades of precision and a million deviations of mean.
pub(super) fn finite(subject: Subject<'_>, d: usize) -> Result<(), Violation> {
    const LAW: &str = "finite";
    const DEVIATIONS: [f64; 9] = [0.0, 1e-3, -1e-3, 1.0, -1.0, 30.0, -30.0, 1e6, -1e6];
    let name = subject.name();
    let mut scratch = Scratch::default();
    for exponent in -12..=12 {
        let precision = 10f64.powi(exponent);
        let natural: Vec<f64> =
            DEVIATIONS.iter().flat_map(|k| vec![k * precision.sqrt(); d]).collect();
        // Columns in step for an isotropic precision, and a strong correlation for a full one.
        for correlation in [0.0, 0.999] {
            let entry = |k: usize| {
                if k.is_multiple_of(d + 1) { precision } else { correlation * precision }
            };
            let input = Input::new(d, natural.clone(), (0..d * d).map(entry).collect());
            let estimate = match subject.estimate(&input.cavity(), &mut scratch) {
                Ok(estimate) => estimate,
                Err(breakdown) => return Err(subject.refused(LAW, &input, breakdown)),
            };
            for (k, mean) in estimate.mean.iter().enumerate() {
                if !mean.is_finite() {
                    let at = Breakdown::NotFinite { port: 0, row: k / d };
                    return Err(subject.refused(LAW, &input, at));
                }
            }
            for (k, value) in estimate.covariance.iter().enumerate() {
                let (i, entry) = (k / (d * d), k % (d * d));
                if !value.is_finite() {
                    return Err(subject.refused(
                        LAW,
                        &input,
                        Breakdown::NotFinite { port: 0, row: i },
                    ));
                }
                if entry % (d + 1) == 0 {
                    demand((&name, LAW), || input.describe(i), (value.min(0.0), 0.0), 0.0)?;
                }
            }
        }
    }
    Ok(())
}
