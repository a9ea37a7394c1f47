//! A loss whose messages the engine never takes for constant.

use fg_core::denoiser::{Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

/// A loss that is told its cavity in every sweep, as squares aren't, whose message never changes: the slope of the loss is
/// read off there.
#[derive(Clone, Debug)]
pub(super) struct RowWise<L>(pub(super) L);

impl<L: Likelihood> Likelihood for RowWise<L> {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        self.0.estimate(observed, cavity, out, scratch)
    }

    fn outputs(&self, d: usize) -> usize {
        self.0.outputs(d)
    }

    fn columns(&self) -> Option<usize> {
        self.0.columns()
    }

    fn rows(&self) -> Option<usize> {
        self.0.rows()
    }

    fn estimation(&self) -> Estimation {
        Estimation::Map
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        self.0.check(observed)
    }

    fn row_model(&self, row: usize) -> Option<&dyn Likelihood> {
        self.0.row_model(row)
    }

    /// The maximum of the exponent, also for squares, which answer with an integral themselves.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        if !self.0.log_partition(observed, cavity, out) {
            return false;
        }
        if self.0.estimation() == Estimation::Map || out.is_empty() {
            return true;
        }
        let outputs = observed.len() / out.len();
        out.iter_mut().zip(observed.chunks_exact(outputs)).all(|(value, y)| {
            let volume = self.0.gaussian(y).and_then(|row| row.log_volume(cavity.precision()));
            volume.is_some_and(|volume| {
                *value -= volume;
                true
            })
        })
    }

    fn name(&self) -> String {
        self.0.name()
    }
}
