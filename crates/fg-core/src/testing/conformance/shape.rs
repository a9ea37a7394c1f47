//! Models with a symmetry or of a shape that their estimates inherit.

use super::case::Case;
use super::input::Input;
use super::one_port::OnePort;
use super::{Violation, accepted, demand};
use crate::denoiser::Scratch;
use crate::message::{ColumnForm, small};

/// Rounding of estimates under precisions that differ by a rotation, relative to their size.
const ROUNDING: f64 = 1e-9;
/// Rounding of the eigenvalues of a covariance in units of the cavity's.
const EIGENVALUE: f64 = 1e-9;

/// An orthogonal matrix without zeros: turns by one radian in each plane of neighbouring columns.
fn turn(d: usize) -> Vec<f64> {
    let mut q = vec![0.0; d * d];
    small::set_identity(&mut q, d);
    let (s, c) = f64::sin_cos(1.0);
    for k in 1..d {
        for row in q.chunks_exact_mut(d) {
            (row[k - 1], row[k]) = (c * row[k - 1] - s * row[k], s * row[k - 1] + c * row[k]);
        }
    }
    q
}

/// `q' m q`.
fn turned(m: &[f64], q: &[f64], d: usize) -> Vec<f64> {
    let (mut product, mut adjoint, mut out) =
        (vec![0.0; d * d], vec![0.0; d * d], vec![0.0; d * d]);
    small::multiply(m, q, &mut product, d);
    small::transpose(q, &mut adjoint, d);
    small::multiply(&adjoint, &product, &mut out, d);
    out
}

/// Rows times `q`.
fn turned_rows(rows: &[f64], q: &[f64], d: usize) -> Vec<f64> {
    let mut out = vec![0.0; rows.len()];
    for (row, out) in rows.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
        small::row_times(row, q, out, d);
    }
    out
}

/// Demands that a model is the same in all directions: rows of a cavity whose columns are rotated have the rotated estimate.
/// Data of a likelihood is rotated with them where it has as many columns, and stays otherwise. There must be an example that
/// it accepts.
pub(super) fn rotation(case: &Case<'_>) -> Result<(), Violation> {
    const LAW: &str = "rotation";
    let (subject, d) = (case.node, case.d);
    let mut tried = false;
    let name = subject.name();
    let q = turn(d);
    for input in case.inputs() {
        let mut matrix = turned(input.precision(), &q, d);
        small::symmetrise(&mut matrix, d);
        // Exactly so, for estimators that take no other form.
        if ColumnForm::Isotropic.holds(input.precision(), d) {
            matrix.copy_from_slice(input.precision());
        }
        let there = Input::new(d, turned_rows(input.natural(), &q, d), matrix);
        let mut scratch = Scratch::default();
        let data;
        let moved = match subject {
            OnePort::Likelihood(model, observed) if observed.len() == d => {
                data = turned_rows(observed, &q, d);
                OnePort::Likelihood(model, &data)
            }
            other => other,
        };
        let answers = (
            subject.estimate(&input.cavity(), &mut scratch),
            moved.estimate(&there.cavity(), &mut scratch),
        );
        let (here, there) = match answers {
            (Ok(here), Ok(there)) => (here, there),
            (Err(_), Err(_)) => continue,
            (Err(e), _) | (_, Err(e)) => return Err(subject.refused(LAW, &input, e)),
        };
        tried = true;
        let expected = turned_rows(&here.mean, &q, d);
        for (k, pair) in there.mean.iter().copied().zip(expected).enumerate() {
            let tolerance = ROUNDING * (1.0 + pair.1.abs());
            demand((&name, LAW), || input.describe(k / d), pair, tolerance)?;
        }
        let covariances =
            here.covariance.chunks_exact(d * d).zip(there.covariance.chunks_exact(d * d));
        for (i, (here, there)) in covariances.enumerate() {
            let scale = here.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            for pair in there.iter().copied().zip(turned(here, &q, d)) {
                demand((&name, LAW), || input.describe(i), pair, ROUNDING * scale)?;
            }
        }
    }
    accepted((&name, LAW), tried)
}

/// Demands what a log-concave density implies: data can only make a row more certain, so that the eigenvalues of
/// `Gamma^(1/2) C Gamma^(1/2)` are between zero and one. Costs that are convex have the same property. There must be an example
/// that it accepts.
pub(super) fn log_concave(case: &Case<'_>) -> Result<(), Violation> {
    const LAW: &str = "log-concave";
    let (subject, d) = (case.node, case.d);
    let name = subject.name();
    let mut tried = false;
    for input in case.inputs() {
        let Ok(estimate) = subject.estimate(&input.cavity(), &mut Scratch::default()) else {
            continue; // refusing a cavity is for the other laws to judge
        };
        tried = true;
        let (mut values, mut vectors) = (vec![0.0; d], vec![0.0; d * d]);
        small::eigen_symmetric(&mut input.precision().to_vec(), &mut values, &mut vectors, d);
        values.iter_mut().for_each(|v| *v = v.max(0.0).sqrt());
        let mut root = vec![0.0; d * d];
        small::rebuild(&vectors, &values, &mut root, d);
        for (i, covariance) in estimate.covariance.chunks_exact(d * d).enumerate() {
            let mut shares = turned(covariance, &root, d);
            small::symmetrise(&mut shares, d);
            let mut eigenvalues = vec![0.0; d];
            small::eigen_symmetric(&mut shares, &mut eigenvalues, &mut vectors, d);
            for value in eigenvalues {
                let pair = (value, value.clamp(0.0, 1.0));
                let tolerance = EIGENVALUE + estimate.sampling(d);
                demand((&name, LAW), || input.describe(i), pair, tolerance)?;
            }
        }
    }
    accepted((&name, LAW), tried)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denoiser::{Denoiser, Pointwise, RowCavity, RowEstimate};
    use crate::factor::Breakdown;
    use crate::testing::conformance::subject::Claims;
    use crate::testing::{Subject, check};

    /// A Gaussian prior of these precisions in two columns, for diagonal cavities and others.
    #[derive(Debug)]
    struct Columns([f64; 2]);

    impl Denoiser for Columns {
        fn estimate(
            &self,
            cavity: &RowCavity<'_>,
            out: &mut RowEstimate<'_>,
            _scratch: &mut Scratch,
        ) -> Result<(), Breakdown> {
            let g = cavity.precision();
            let total = [g[0] + self.0[0], g[1], g[2], g[3] + self.0[1]];
            let mut inverse = [0.0; 4];
            small::invert_positive(&total, &mut inverse, &mut [0.0; 8], 2)
                .map_err(|_| Breakdown::Undetermined { port: 0 })?;
            for (i, n) in cavity.natural().chunks_exact(2).enumerate() {
                small::row_times(n, &inverse, &mut out.mean[2 * i..2 * i + 2], 2);
                out.covariance[4 * i..4 * i + 4].copy_from_slice(&inverse);
            }
            Ok(())
        }

        fn name(&self) -> String {
            "columns".to_owned()
        }
    }

    #[test]
    fn a_preferred_direction_is_found() {
        let law = |prior: Columns| {
            check(Subject::denoiser(&prior).rotation_invariant(), 2).err().map(|v| v.law)
        };
        assert_eq!(law(Columns([2.0, 2.0])), None);
        assert_eq!(law(Columns([2.0, 2.0001])), Some("rotation"));
    }

    #[test]
    fn growing_uncertainty_is_found() {
        let law = |share: f64| {
            let prior = Pointwise::new("share", move |r: f64, _| (share * r, share));
            let case = Case { node: OnePort::Denoiser(&prior), d: 1, claims: Claims::default() };
            log_concave(&case).err().map(|v| v.law)
        };
        assert_eq!(law(0.5), None);
        assert_eq!(law(1.0), None);
        assert_eq!(law(1.01), Some("log-concave"));
        assert_eq!(law(-0.01), Some("log-concave"));
    }
}
