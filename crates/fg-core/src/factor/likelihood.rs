//! A row-wise factor with one port that holds data.

use core::any::Any;
use std::sync::Arc;

use super::Unready;
use super::rowwise::{self, RowWorkspace, constant_message, estimate_blocks, gaussian_estimate};
use super::{Belief, Breakdown, Cavity, Factor, PartitionError, Port, Role, Undrawable, Uniforms};
use crate::denoiser::{Estimation, Likelihood, Parameter, model_of};
use crate::message::{Layout, Message};
use crate::rows::Rows;

/// The factor `prod_i p(y_i | z_i)` of a [`Likelihood`] and its data `Y` (`n x outputs`).
///
/// It can be built without data, so that a graph can draw the data itself; a run needs it.
#[derive(Debug)]
pub struct LikelihoodFactor {
    likelihood: Box<dyn Likelihood>,
    /// Shared with the factors that learning makes of this one.
    data: Option<Arc<Rows>>,
}

impl LikelihoodFactor {
    /// The factor of this likelihood and data.
    pub fn new(likelihood: impl Likelihood + 'static, data: Rows) -> Self {
        Self { likelihood: Box::new(likelihood), data: Some(Arc::new(data)) }
    }

    /// The factor of this likelihood, its data to be drawn or given later.
    pub fn unobserved(likelihood: impl Likelihood + 'static) -> Self {
        Self { likelihood: Box::new(likelihood), data: None }
    }

    /// The row-wise estimator.
    pub fn likelihood(&self) -> &dyn Likelihood {
        &*self.likelihood
    }

    /// The model of one row.
    fn row_model(&self, row: usize) -> &dyn Likelihood {
        model_of(&*self.likelihood, row)
    }

    /// The data, `n x outputs`.
    pub fn data(&self) -> Option<&Rows> {
        self.data.as_deref()
    }

    /// Checks data against the likelihood and the variable it is about.
    ///
    /// # Errors
    /// [`Unready`] when the shape is wrong, a value isn't finite or the model can't produce a row.
    fn check_data(&self, layout: &Layout) -> Result<(), Unready> {
        let data = self.data.as_ref().ok_or(Unready::NoData)?;
        let expected = (layout.rows(), self.likelihood.outputs(layout.columns()));
        if data.shape() != expected {
            return Err(Unready::DataShape { expected, found: data.shape() });
        }
        if let Some((row, column)) = data.first_non_finite() {
            let reason = format!("value in column {column} is {}", data[(row, column)]);
            return Err(Unready::BadData { row, reason });
        }
        for row in 0..data.rows() {
            let check = self.row_model(row).check(data.row(row));
            check.map_err(|reason| Unready::BadData { row, reason })?;
        }
        Ok(())
    }
}

impl Factor for LikelihoodFactor {
    fn ports(&self) -> Vec<Port> {
        // Rows of the data are compared where its columns are, by an error that speaks of data.
        let (rows, columns) = (self.likelihood.rows(), self.likelihood.columns());
        vec![Port { name: "z", role: Role::Given, rows, columns }]
    }

    fn ready(&self, variables: &[Layout]) -> Result<(), Unready> {
        self.check_data(&variables[0])
    }

    fn observe(&mut self, data: Rows, variables: &[Layout]) -> Result<(), Unready> {
        self.data = Some(Arc::new(data));
        self.check_data(&variables[0])
    }

    fn workspace(&self, variables: &[Layout]) -> Result<Box<dyn Any + Send>, Breakdown> {
        Ok(Box::new(RowWorkspace::new(&variables[0])))
    }

    fn constant_message(&self, _port: usize, layout: &Layout) -> Option<Message> {
        if !self.likelihood.learning().is_empty() {
            return None;
        }
        let data = self.data.as_ref()?;
        constant_message(layout, |i| self.row_model(i).gaussian(data.row(i)))
    }

    fn beliefs(
        &self,
        cavities: &[Cavity<'_>],
        _wanted: &[bool],
        beliefs: &mut [Belief],
        workspace: &mut dyn Any,
    ) -> Result<(), Breakdown> {
        let workspace = super::own(workspace);
        let Some(data) = &self.data else { return Err(Breakdown::NoData { port: 0 }) };
        estimate_blocks(cavities[0], &mut beliefs[0], workspace, |rows, out, scratch| {
            let observed = data.rows_slice(rows.first_row()..rows.first_row() + rows.len());
            gaussian_estimate(|i| self.row_model(i).gaussian(data.row(i)), rows, out, scratch)
                .unwrap_or_else(|| self.likelihood.estimate(observed, rows, out, scratch))
        })
    }

    fn estimation(&self) -> Estimation {
        self.likelihood.estimation()
    }

    fn log_partition(
        &self,
        cavities: &[Cavity<'_>],
        estimation: Estimation,
        workspace: &mut dyn Any,
    ) -> Result<f64, PartitionError> {
        let Some(data) = &self.data else { return Err(Breakdown::NoData { port: 0 }.into()) };
        rowwise::log_partition(
            cavities[0],
            super::own(workspace),
            (self.likelihood.estimation(), estimation),
            |i| self.row_model(i).gaussian(data.row(i)),
            |rows, out| {
                let observed = data.rows_slice(rows.first_row()..rows.first_row() + rows.len());
                self.likelihood.log_partition(observed, rows, out)
            },
        )
    }

    fn learning(&self) -> Vec<Parameter> {
        self.likelihood.learning()
    }

    fn learned(
        &self,
        cavities: &[Cavity<'_>],
        workspace: &mut dyn Any,
    ) -> Result<Option<Arc<dyn Factor>>, Breakdown> {
        let Some(data) = &self.data else { return Err(Breakdown::NoData { port: 0 }) };
        let mut rows = rowwise::pieces(cavities[0], super::own(workspace)).map(|rows| {
            let range = rows.first_row()..rows.first_row() + rows.len();
            (data.rows_slice(range), rows)
        });
        let learned = self.likelihood.learned(&mut rows);
        Ok(learned.map(|likelihood| {
            Arc::new(Self { likelihood, data: Some(Arc::clone(data)) }) as Arc<dyn Factor>
        }))
    }

    fn draw(
        &self,
        values: &mut [Rows],
        uniforms: &mut dyn Uniforms,
    ) -> Result<Option<Rows>, Undrawable> {
        let (n, d) = values[0].shape();
        let k = self.likelihood.uniforms(d).ok_or(Undrawable)?;
        let mut points = Vec::new();
        uniforms.fill(n, k, &mut points);
        let mut data = Rows::zeros(n, self.likelihood.outputs(d));
        for i in 0..n {
            let model = self.row_model(i);
            let own = model.uniforms(d).ok_or(Undrawable)?;
            model.draw(values[0].row(i), &points[i * k..i * k + own], data.row_mut(i));
        }
        Ok(Some(data))
    }

    fn informative(&self) -> bool {
        true
    }

    fn name(&self) -> String {
        self.likelihood.name()
    }
}
