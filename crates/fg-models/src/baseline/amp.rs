//! Plain approximate message passing, which trusts an operator to have independent entries.

use fg_core::Rows;
use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
use fg_core::operator::LinearOperator;

use crate::linear::outputs;
use crate::{ModelError, check};

/// The estimates of `x` (one column) from `observations` of `A x`, iteration by iteration:
///
/// ```text
/// x = eta(r, tau^2)        r = x + g A'z,  tau^2 = g |z|^2 / m,  g = n / |A|_F^2
/// z = y - A x + (n / m) <eta'> z
/// ```
///
/// `eta` is the prior's estimate where `r` is seen with noise of variance `tau^2`. For independent entries of `A` errors are
/// those of vector approximate message passing; for others, such as those of a condition number of ten, the iteration
/// diverges, and the list ends before the first estimate that isn't finite.
///
/// Reference: D. L. Donoho, A. Maleki and A. Montanari, "Message-passing algorithms for compressed sensing", PNAS 106 (2009),
/// doi 10.1073/pnas.0909892106.
///
/// # Errors
/// [`ModelError::Shape`] when observations aren't a column of outputs of `A`, [`ModelError::NotFinite`], and
/// [`ModelError::Breakdown`] of the prior.
pub fn amp(
    operator: &dyn LinearOperator,
    observations: &Rows,
    prior: &dyn Denoiser,
    iterations: usize,
) -> Result<Vec<Rows>, ModelError> {
    let (m, n) = (operator.outputs(), operator.inputs());
    check::shape("observations", (m, 1), observations.shape())?;
    check::finite("observations", observations)?;
    let gain = n as f64 / operator.squared_norm();
    let mut scratch = Scratch::default();
    let mut x = Rows::zeros(n, 1);
    let (mut z, mut r, mut variances) = (observations.clone(), vec![0.0; n], vec![0.0; n]);
    let mut history = Vec::with_capacity(iterations);
    for _ in 0..iterations {
        let precision = m as f64 / (gain * z.norm_squared());
        operator.apply_adjoint(z.as_slice(), &mut r, 1);
        r.iter_mut().zip(x.as_slice()).for_each(|(r, x)| *r = x + gain * *r);
        let natural: Vec<f64> = r.iter().map(|r| precision * r).collect();
        if !natural.iter().all(|n| n.is_finite()) {
            break;
        }
        let cavity = RowCavity::new(0, 1, &natural, &r, core::slice::from_ref(&precision));
        let mut out = RowEstimate { mean: x.as_mut_slice(), covariance: &mut variances };
        prior.estimate(&cavity, &mut out, &mut scratch)?;
        let memory = precision * variances.iter().sum::<f64>() / m as f64;
        let image = outputs(operator, &x);
        for (z, (y, a)) in
            z.as_mut_slice().iter_mut().zip(observations.as_slice().iter().zip(image.as_slice()))
        {
            *z = y - a + memory * *z;
        }
        history.push(x.clone());
    }
    Ok(history)
}
