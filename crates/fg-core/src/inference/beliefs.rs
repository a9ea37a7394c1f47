//! Which beliefs a run accepts: finite ones, and posteriors of no negative variance.

use crate::factor::{Belief, Breakdown};
use crate::message::{Layout, Message, small};

/// The belief of a product of Gaussians alone.
pub(super) fn gaussian_belief(product: &Message, layout: &Layout) -> Result<Belief, Breakdown> {
    let d = layout.columns();
    let mut belief = Belief::new(layout.clone());
    let mut scratch = vec![0.0; 2 * d * d];
    for b in 0..layout.blocks() {
        if product.precision().is_infinite(b) {
            belief.set_known(b);
            continue;
        }
        let (_, covariances) = belief.blocks_mut();
        let block = &mut covariances[b * d * d..(b + 1) * d * d];
        small::invert_positive(product.precision().block(b), block, &mut scratch, d)
            .map_err(|_| Breakdown::Undetermined { port: 0 })?;
    }
    product.mean_into(belief.blocks_mut().0);
    Ok(belief)
}

/// Averages the rows' covariances and refuses NaN and infinities.
pub(super) fn check_finite(belief: &mut Belief, port: usize) -> Result<(), Breakdown> {
    if let Some((row, _)) = belief.mean().first_non_finite() {
        return Err(Breakdown::NotFinite { port, row });
    }
    belief.average();
    let size = belief.layout().columns() * belief.layout().columns();
    match belief.covariances().iter().position(|v| !v.is_finite()) {
        Some(k) => {
            let row = belief.layout().range(k / size).start;
            Err(Breakdown::NotFinite { port, row })
        }
        None => Ok(()),
    }
}

/// Refuses a negative variance of a posterior that isn't computed by sampling: whoever answers so is wrong.
pub(super) fn check_positive(belief: &Belief, port: usize) -> Result<(), Breakdown> {
    if belief.standard_error() > 0.0 {
        return Ok(());
    }
    let d = belief.layout().columns();
    for (block, covariance) in belief.covariances().chunks_exact(d * d).enumerate() {
        if let Some(&pivot) = covariance.iter().step_by(d + 1).find(|v| **v < 0.0) {
            return Err(Breakdown::NotPositive { port, block, pivot });
        }
    }
    Ok(())
}
