//! Small row-wise models that the tests build graphs from.

use std::sync::atomic::{AtomicUsize, Ordering};

use fg_core::denoiser::{Denoiser, Law, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

/// `x = +1` or `-1` with equal probability.
#[derive(Clone, Debug)]
pub(crate) struct Sign;

impl Denoiser for Sign {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _: &mut Scratch,
    ) -> Result<(), Breakdown> {
        for (i, n) in cavity.natural().iter().enumerate() {
            out.mean[i] = n.tanh();
            out.covariance[i] = 1.0 / n.cosh().powi(2);
        }
        Ok(())
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn name(&self) -> String {
        "sign".to_owned()
    }
}

impl Law for Sign {
    fn uniforms(&self, _: usize) -> usize {
        1
    }

    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        row[0] = if uniforms[0] < 0.5 { -1.0 } else { 1.0 };
    }
}

/// Gaussian noise whose precision is the second column of the data: no shared message can represent it.
#[derive(Clone, Debug)]
pub(crate) struct Weighted;

impl Likelihood for Weighted {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _: &mut Scratch,
    ) -> Result<(), Breakdown> {
        for (i, data) in observed.chunks_exact(2).enumerate() {
            let total = cavity.scalar_precision() + data[1];
            out.mean[i] = (cavity.natural()[i] + data[0] * data[1]) / total;
            out.covariance[i] = 1.0 / total;
        }
        Ok(())
    }

    fn outputs(&self, _: usize) -> usize {
        2
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        if observed[1] > 0.0 { Ok(()) } else { Err(format!("precision is {}", observed[1])) }
    }

    fn name(&self) -> String {
        "weighted noise".to_owned()
    }
}

/// Behaves like another denoiser but for the calls in `bad`, counted from 1, which fail as `fault` says.
#[derive(Debug)]
pub(crate) struct Faulty<D> {
    pub(crate) inner: D,
    pub(crate) bad: std::ops::RangeInclusive<usize>,
    pub(crate) fault: Fault,
    calls: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Nan,
    Huge,
    Improper,
    Tiny,
    Growing,
    Negative,
    /// The estimate is what is seen: nothing is added.
    Silent,
}

impl<D> Faulty<D> {
    pub(crate) fn new(inner: D, bad: std::ops::RangeInclusive<usize>, fault: Fault) -> Self {
        Self { inner, bad, fault, calls: AtomicUsize::new(0) }
    }
}

impl<D: Denoiser> Denoiser for Faulty<D> {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        self.inner.estimate(cavity, out, scratch)?;
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if self.bad.contains(&call) {
            match self.fault {
                Fault::Nan => out.mean[1] = f64::NAN,
                Fault::Huge => out.mean.iter_mut().for_each(|m| *m = 1e6),
                Fault::Tiny => {
                    out.mean.fill(0.0);
                    out.covariance.fill(1e-12);
                }
                Fault::Growing => {
                    out.mean.fill(10f64.powi(i32::try_from(call).unwrap_or(300)));
                    out.covariance.fill(0.5 / cavity.scalar_precision());
                }
                Fault::Silent => {
                    let gamma = cavity.scalar_precision();
                    let seen = out.mean.iter_mut().zip(cavity.natural());
                    seen.for_each(|(mean, n)| *mean = n / gamma);
                    out.covariance.fill(1.0 / gamma);
                }
                Fault::Negative => out.covariance[1] = -100.0,
                Fault::Improper => return Err(Breakdown::ImproperCavity { port: 0, row: 2 }),
            }
        }
        Ok(())
    }

    fn name(&self) -> String {
        "faulty".to_owned()
    }
}
