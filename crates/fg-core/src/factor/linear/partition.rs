//! The log-partition function of the linear factor: the exponent at its maximum, and the volume around it.

use core::f64::consts::TAU;

use super::shared::SharedWorkspace;
use super::{LinearFactor, Workspace, X, Z, check_finite, dense, shared};
use crate::denoiser::Estimation;
use crate::factor::partition::{PartitionError, exponent, log_volume};
use crate::factor::{Belief, Breakdown, Cavity, own};

/// `log int prod_p cavity_p` over `Z = A X + 1 b'`. With the posterior means `Xhat` and `Zhat`, which maximise the exponent,
/// and its Hessian `K = I (x) Gx + A'A (x) Gz`:
///
/// ```text
/// nx . Xhat - Xhat Gx Xhat' / 2 + nz . Zhat - Zhat Gz Zhat' / 2 + n d / 2 log 2 pi - log det K / 2
/// ```
///
/// and without the last two terms for the maximum. Where rows of Z are known the volume is that of the directions they leave
/// free, under the change of variables that the constraints are.
pub(super) fn log_partition(
    factor: &LinearFactor,
    cavities: &[Cavity<'_>],
    estimation: Estimation,
    workspace: &mut dyn core::any::Any,
) -> Result<f64, PartitionError> {
    let workspace = match own(workspace) {
        Workspace::Shared(workspace) => workspace,
        Workspace::Dense => return dense::log_partition(factor, cavities, estimation),
    };
    let mut beliefs = [X, Z].map(|port| Belief::new(cavities[port].message.layout().clone()));
    let all = [true; 2];
    shared::beliefs(factor, cavities, &all, &mut beliefs, workspace)?;
    check_finite(&all, &beliefs)?;
    let at = |port: usize| exponent(cavities[port].message, beliefs[port].mean());
    let top = at(X) + at(Z);
    Ok(match estimation {
        Estimation::Map => top,
        Estimation::Mmse => top + volume(factor, cavities, workspace)?,
    })
}

/// Logarithm of the integral of the exponential of the exponent less its maximum.
fn volume(
    factor: &LinearFactor,
    cavities: &[Cavity<'_>],
    workspace: &SharedWorkspace,
) -> Result<f64, PartitionError> {
    let decomposition = factor.decomposition()?;
    let (m, n) = (decomposition.outputs as f64, decomposition.inputs as f64);
    let d = cavities[X].message.layout().columns();
    let known = [X, Z].map(|port| cavities[port].message.precision().is_infinite(0));
    match known {
        [false, false] => {
            let pencil = &workspace.pencil;
            let spectrum = decomposition.spectrum();
            let beyond = n - n.min(m);
            let mut log = 0.0;
            for (&mu, &nu) in pencil.mu.iter().zip(&pencil.nu) {
                log += spectrum.values().map(|(s, count)| count * (mu + s * nu).ln()).sum::<f64>();
                if beyond > 0.0 {
                    log += beyond * mu.ln();
                }
            }
            // K in transformed columns is diagonal: T' K T, with T of the determinant that T T' = (Gx + Gz)^-1 has.
            Ok(0.5 * n * d as f64 * TAU.ln() - 0.5 * log + n * pencil.log_determinant())
        }
        [true, false] => Ok(0.0),
        [false, true] => {
            let spectrum = decomposition.spectrum();
            if spectrum.rank() < m {
                // Constraints that repeat each other have no density.
                return Err(Breakdown::KnownCavity { port: Z }.into());
            }
            let stretch: f64 = spectrum.values().map(|(s, count)| count * s.ln()).sum();
            let free = n - m;
            let mut volume = -0.5 * d as f64 * stretch;
            if free > 0.0 {
                let each = log_volume(cavities[X].message.precision().block(0), d);
                volume += free * each.ok_or(Breakdown::Undetermined { port: X })?;
            }
            Ok(volume)
        }
        [true, true] => Err(Breakdown::KnownCavity { port: Z }.into()),
    }
}
