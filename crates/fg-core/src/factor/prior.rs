//! A row-wise factor with one port: a prior or a penalty on a variable.

use core::any::Any;
use std::sync::Arc;

use super::Uniforms;
use super::rowwise::{self, RowWorkspace, constant_message, estimate_blocks, gaussian_estimate};
use super::{Belief, Breakdown, Cavity, Factor, Misfit, PartitionError, Port, Role, Undrawable};
use crate::denoiser::{Denoiser, Estimation, Parameter, shares_all_rows};
use crate::message::{Layout, Message};
use crate::rows::Rows;

/// The factor `prod_i f(x_i)` of a [`Denoiser`].
#[derive(Debug)]
pub struct PriorFactor {
    denoiser: Box<dyn Denoiser>,
}

impl PriorFactor {
    /// The factor of this denoiser.
    pub fn new(denoiser: impl Denoiser + 'static) -> Self {
        Self { denoiser: Box::new(denoiser) }
    }

    /// The row-wise estimator.
    pub fn denoiser(&self) -> &dyn Denoiser {
        &*self.denoiser
    }
}

impl Factor for PriorFactor {
    fn ports(&self) -> Vec<Port> {
        let (rows, columns) = (self.denoiser.rows(), self.denoiser.columns());
        vec![Port { name: "x", role: Role::Produced, rows, columns }]
    }

    fn check(&self, variables: &[Layout]) -> Result<(), Misfit> {
        if self.denoiser.separable() || shares_all_rows(&variables[0]) {
            Ok(())
        } else {
            Err(Misfit::NotShared { port: 0 })
        }
    }

    fn workspace(&self, variables: &[Layout]) -> Result<Box<dyn Any + Send>, Breakdown> {
        Ok(Box::new(RowWorkspace::new(&variables[0])))
    }

    fn constant_message(&self, _port: usize, layout: &Layout) -> Option<Message> {
        if !self.denoiser.learning().is_empty() {
            return None;
        }
        constant_message(layout, |i| self.denoiser.gaussian(i, layout.columns()))
    }

    fn beliefs(
        &self,
        cavities: &[Cavity<'_>],
        _wanted: &[bool],
        beliefs: &mut [Belief],
        workspace: &mut dyn Any,
    ) -> Result<(), Breakdown> {
        let workspace = super::own(workspace);
        let d = cavities[0].message.layout().columns();
        estimate_blocks(cavities[0], &mut beliefs[0], workspace, |rows, out, scratch| {
            gaussian_estimate(|i| self.denoiser.gaussian(i, d), rows, out, scratch)
                .unwrap_or_else(|| self.denoiser.estimate(rows, out, scratch))
        })
    }

    fn estimation(&self) -> Estimation {
        self.denoiser.estimation()
    }

    fn log_partition(
        &self,
        cavities: &[Cavity<'_>],
        estimation: Estimation,
        workspace: &mut dyn Any,
    ) -> Result<f64, PartitionError> {
        let d = cavities[0].message.layout().columns();
        rowwise::log_partition(
            cavities[0],
            super::own(workspace),
            (self.denoiser.estimation(), estimation),
            |i| self.denoiser.gaussian(i, d),
            |rows, out| self.denoiser.log_partition(rows, out),
        )
    }

    fn learning(&self) -> Vec<Parameter> {
        self.denoiser.learning()
    }

    fn learned(
        &self,
        cavities: &[Cavity<'_>],
        workspace: &mut dyn Any,
    ) -> Result<Option<Arc<dyn Factor>>, Breakdown> {
        let learned =
            self.denoiser.learned(&mut rowwise::pieces(cavities[0], super::own(workspace)));
        Ok(learned.map(|denoiser| Arc::new(Self { denoiser }) as Arc<dyn Factor>))
    }

    fn draw(
        &self,
        values: &mut [Rows],
        uniforms: &mut dyn Uniforms,
    ) -> Result<Option<Rows>, Undrawable> {
        let (n, d) = values[0].shape();
        let law = |i: usize| self.denoiser.row_law(i).ok_or(Undrawable);
        // Rows of several laws take the first of as many uniforms as the most demanding one needs.
        let k = (0..n).try_fold(0, |most, i| law(i).map(|l| l.uniforms(d).max(most)))?;
        let mut points = Vec::new();
        uniforms.fill(n, k, &mut points);
        for i in 0..n {
            let law = law(i)?;
            law.draw(&points[i * k..i * k + law.uniforms(d)], values[0].row_mut(i));
        }
        Ok(None)
    }

    fn informative(&self) -> bool {
        true
    }

    fn name(&self) -> String {
        self.denoiser.name()
    }
}
