//! Where climbs start: at the cavity's mean, where a unit is bent, at the tops of a neighbour; and where one climb is enough.

use fg_core::message::small;

use super::maximiser::Row;
use super::newton::Newton;

/// Where a climb starts.
pub(super) enum Start<'s> {
    /// At the cavity's mean.
    Mean,
    /// At the cavity's mean given that a unit is bent, on one side (1 or -1).
    Unit(usize, f64),
    /// At a top of a neighbouring problem.
    Top(&'s [f64]),
}

impl Newton<'_> {
    /// Writes the cavity's mean given that `unit` has gone to the bend of the activation on one side of the origin, or as
    /// far towards it as a better row than one of objective `best` can be.
    ///
    /// Maxima differ in which unit is bent and on which side; a unit that bends takes the others along. Where the loss
    /// vanishes the objective lies `(z_j - r_j)^2 / (2 (Gamma^-1)_jj)` or more below `r' Gamma r / 2`.
    pub(super) fn condition(
        &self,
        row: Row<'_>,
        best: f64,
        (unit, side): (usize, f64),
        z: &mut [f64],
    ) {
        let d = z.len();
        small::row_times(row.natural, self.inverse, z, d);
        let highest: f64 = 0.5 * row.natural.iter().zip(&*z).map(|(n, r)| n * r).sum::<f64>();
        let variance = self.inverse[unit * d + unit];
        let reach = (2.0 * variance * (highest - best).max(0.0)).sqrt();
        let bend = side * self.network.activation.bend();
        let step = (bend - z[unit]).clamp(-reach, reach) / variance;
        (0..d).for_each(|i| z[i] += step * self.inverse[i * d + unit]);
    }

    /// Whether the objective of a row with these data is concave everywhere, whatever the cavity's mean.
    ///
    /// The negative Hessian is `Gamma`, plus something positive, less `sigma''(z_j) W2_j' pull` on the diagonal. Bounded
    /// activations bound the residual, and the pull of a concave `log p` is largest at one of its ends.
    pub(super) fn concave(&self, row: Row<'_>, work: &mut [f64]) -> bool {
        let network = self.network;
        let (d, outputs) = network.weights.shape();
        let (bend, (low, high)) = network.activation.bounds();
        if bend == 0.0 {
            return true;
        }
        let (largest, rest) = work.split_at_mut(outputs);
        let factor = &mut rest[..d * d];
        for (o, largest) in largest.iter_mut().enumerate() {
            let (mut above, mut below) = (row.target[o], row.target[o]);
            for w in (0..d).map(|j| network.weights[(j, o)]) {
                above -= (w * low).min(w * high);
                below -= (w * low).max(w * high);
            }
            let pull = |residual| network.output.slopes(row.observed[o], residual).0.abs();
            *largest = pull(above).max(pull(below));
        }
        factor.copy_from_slice(self.gamma);
        for j in 0..d {
            let pull = network.weights.row(j).iter().zip(&*largest);
            let pull: f64 = pull.map(|(w, r)| w.abs() * r).sum();
            factor[j * d + j] -= bend * pull;
        }
        small::cholesky(factor, d).is_ok()
    }
}
