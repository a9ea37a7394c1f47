//! Gaussian rows of one column, each of a variance of its own: their parameters side by side.

use fg_core::denoiser::{Denoiser, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::number::Number;

use super::Spread;
use super::formula::{self, Formula};

/// Rows `x_i ~ N(c_i, v_i)`, or data `c_i` with noise of variance `v_i`.
#[derive(Debug)]
pub(crate) struct NormalRows {
    /// Empty where data are the centres.
    centres: Vec<f64>,
    variances: Vec<f64>,
}

impl NormalRows {
    /// Rows of these spreads, where all are for one column and finite; around the data where there are no centres.
    pub(crate) fn of<'s>(
        centres: Vec<f64>,
        spreads: impl Iterator<Item = &'s Spread>,
    ) -> Option<Self> {
        let variances = spreads.map(Spread::scalar_variance).collect::<Option<Vec<_>>>()?;
        // With finite variances an estimate is finite whatever the precision.
        variances.iter().all(|v| v.is_finite()).then_some(Self { centres, variances })
    }

    fn answer(
        &self,
        centres: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
    ) -> Result<(), Breakdown> {
        let first = cavity.first_row();
        let variances = &self.variances[first..first + cavity.len()];
        let row = Row { gamma: cavity.scalar_precision() };
        if !row.gamma.is_finite() {
            return Err(Breakdown::NotFinite { port: 0, row: first });
        }
        formula::apply_to(&row, [cavity.natural(), centres, variances], out);
        Ok(())
    }
}

/// Natural parameter, centre and variance to the mean `c + s (n - gamma c)` and the variance `s = v / (1 + gamma v)`.
struct Row {
    gamma: f64,
}

impl Formula<3> for Row {
    #[inline(always)]
    fn row<N: Number>(&self, [n, c, v]: [N; 3]) -> [N; 2] {
        let gamma = n.constant(self.gamma);
        let s = v / (n.constant(1.0) + v * gamma);
        [s.mul_add(c.mul_add(-gamma, n), c), s]
    }
}

impl Denoiser for NormalRows {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let first = cavity.first_row();
        self.answer(&self.centres[first..first + cavity.len()], cavity, out)
    }

    fn name(&self) -> String {
        "Gaussian rows".to_owned()
    }
}

impl Likelihood for NormalRows {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        self.answer(observed, cavity, out)
    }

    fn outputs(&self, d: usize) -> usize {
        d
    }

    fn name(&self) -> String {
        "AWGN of rows".to_owned()
    }
}
