//! The linear factor over entries: an operator that mixes the columns of rows, as complex ones do.

use core::any::Any;

use super::{LinearFactor, Solver, X, Z};
use crate::denoiser::Estimation;
use crate::factor::{Belief, Breakdown, Cavity, Factor, Misfit, PartitionError, Port, Role};
use crate::factor::{Undrawable, Uniforms, Unready, own};
use crate::message::{ColumnForm, Layout, Message};
use crate::operator::LinearOperator;
use crate::rows::Rows;

/// The factor `vec Z = A vec X` between the entries of two variables, row after row, exact in both directions.
///
/// Ports: `x` (`n x d`, given) and `z` (`m x d`, produced) for an operator of `n d` inputs and `m d` outputs, such as
/// [`Complex`](crate::operator::Complex) at `d = 2`. Both variables must declare
/// [isotropic](ColumnForm::Isotropic) columns: a message of precision `gamma I` about rows is one of precision `gamma` about
/// their entries, and the [`LinearFactor`] answers it. A complex variance `v` is a precision `2 / v` of each part.
///
/// ```
/// use fg_core::{Rows, factor::{Factor, LinearEntries}, operator::Complex};
/// let part = Rows::from_fn(2, 3, |i, j| (i + j) as f64);
/// let factor = LinearEntries::new(Complex::from_parts(&part, &part)?);
/// assert_eq!(factor.name(), "complex 2 x 3");
/// # Ok::<(), fg_core::operator::OperatorError>(())
/// ```
#[derive(Debug)]
pub struct LinearEntries {
    linear: LinearFactor,
}

/// Messages and beliefs of the entries, and the memory of the factor that answers.
struct Workspace {
    messages: [Message; 2],
    beliefs: [Belief; 2],
    linear: Box<dyn Any + Send>,
}

impl LinearEntries {
    /// `vec Z = A vec X`.
    pub fn new(operator: impl LinearOperator + 'static) -> Self {
        Self { linear: LinearFactor::new(operator) }
    }

    /// How the operator is decomposed. Default: [`Solver::Auto`].
    #[must_use]
    pub fn with_solver(mut self, solver: Solver) -> Self {
        self.linear = self.linear.with_solver(solver);
        self
    }

    /// The factor between the entries as columns of length `n d` and `m d`.
    pub fn of_entries(&self) -> &LinearFactor {
        &self.linear
    }
}

impl Factor for LinearEntries {
    fn ports(&self) -> Vec<Port> {
        let port = |name, role| Port { name, role, rows: None, columns: None };
        vec![port("x", Role::Given), port("z", Role::Produced)]
    }

    fn check(&self, variables: &[Layout]) -> Result<(), Misfit> {
        let columns = variables[X].columns();
        let operator = self.linear.operator();
        for (port, entries) in [(X, operator.inputs()), (Z, operator.outputs())] {
            let found = (variables[port].rows(), variables[port].columns());
            if found.0 * found.1 != entries || found.1 != columns {
                let rows = entries.is_multiple_of(columns).then_some(entries / columns);
                return Err(Misfit::Entries { port, entries, rows, columns, found });
            }
            if columns > 1 && variables[port].form() != ColumnForm::Isotropic {
                return Err(Misfit::NotIsotropic { port });
            }
        }
        Ok(())
    }

    fn ready(&self, variables: &[Layout]) -> Result<(), Unready> {
        self.linear.ready(&[X, Z].map(|port| variables[port].of_entries()))
    }

    fn workspace(&self, variables: &[Layout]) -> Result<Box<dyn Any + Send>, Breakdown> {
        let layouts = [X, Z].map(|port| variables[port].of_entries());
        let linear = self.linear.workspace(&layouts)?;
        let messages = layouts.clone().map(Message::vacuous);
        Ok(Box::new(Workspace { messages, beliefs: layouts.map(Belief::new), linear }))
    }

    fn beliefs(
        &self,
        cavities: &[Cavity<'_>],
        wanted: &[bool],
        beliefs: &mut [Belief],
        workspace: &mut dyn Any,
    ) -> Result<(), Breakdown> {
        let own = own::<Workspace>(workspace);
        let told = of_entries(cavities, &mut own.messages);
        own.beliefs.iter_mut().for_each(Belief::reset);
        let d = cavities[X].message.layout().columns();
        self.linear
            .beliefs(&told, wanted, &mut own.beliefs, &mut *own.linear)
            .map_err(|error| of_row(error, d))?;
        for port in [X, Z].into_iter().filter(|&port| wanted[port]) {
            own.beliefs[port].average();
            write_belief(&own.beliefs[port], &mut beliefs[port]);
        }
        Ok(())
    }

    fn log_partition(
        &self,
        cavities: &[Cavity<'_>],
        estimation: Estimation,
        workspace: &mut dyn Any,
    ) -> Result<f64, PartitionError> {
        let own = own::<Workspace>(workspace);
        let told = of_entries(cavities, &mut own.messages);
        self.linear.log_partition(&told, estimation, &mut *own.linear)
    }

    fn draw(
        &self,
        values: &mut [Rows],
        _uniforms: &mut dyn Uniforms,
    ) -> Result<Option<Rows>, Undrawable> {
        let [x, z] = values else { return Err(Undrawable) };
        let operator = self.linear.operator();
        if !operator.is_realised() {
            return Err(Undrawable);
        }
        operator.apply(x.as_slice(), z.as_mut_slice(), 1);
        Ok(None)
    }

    fn name(&self) -> String {
        self.linear.name()
    }
}

/// The cavities of rows as those of their entries, whose messages are written.
fn of_entries<'a>(cavities: &[Cavity<'_>], messages: &'a mut [Message; 2]) -> [Cavity<'a>; 2] {
    for (cavity, message) in cavities.iter().zip(messages.iter_mut()) {
        write_message(cavity.message, message);
    }
    let messages: &[Message; 2] = messages;
    [X, Z].map(|port| Cavity { message: &messages[port], version: cavities[port].version })
}

/// The message about rows as one about their entries.
fn write_message(rows: &Message, entries: &mut Message) {
    let (natural, precision) = entries.parts_mut();
    natural.as_mut_slice().copy_from_slice(rows.natural().as_slice());
    precision.clear();
    for b in 0..rows.precision().blocks() {
        if rows.precision().is_infinite(b) {
            precision.set_infinite(b);
        } else {
            precision.block_mut(b)[0] = rows.precision().block(b)[0];
        }
    }
}

/// The belief about entries as one about their rows.
fn write_belief(entries: &Belief, rows: &mut Belief) {
    let (d, blocks) = (rows.layout().columns(), rows.layout().blocks());
    let isotropic = |values: &[f64], out: &mut [f64]| {
        for (value, block) in values.iter().zip(out.chunks_exact_mut(d * d)) {
            block.fill(0.0);
            block.iter_mut().step_by(d + 1).for_each(|v| *v = *value);
        }
    };
    let (mean, covariances) = rows.blocks_mut();
    mean.as_mut_slice().copy_from_slice(entries.mean().as_slice());
    isotropic(entries.covariances(), covariances);
    (0..blocks).filter(|&b| entries.is_known(b)).for_each(|b| rows.set_known(b));
    if let Some(gain) = entries.gain() {
        let out = rows.gain_mut();
        out.natural.as_mut_slice().copy_from_slice(gain.natural.as_slice());
        isotropic(&gain.precision, &mut out.precision);
    }
}

/// The error with the row that holds its entry.
fn of_row(mut error: Breakdown, d: usize) -> Breakdown {
    match &mut error {
        Breakdown::ImproperCavity { row, .. }
        | Breakdown::NotFinite { row, .. }
        | Breakdown::Contradiction { row, .. }
        | Breakdown::NoConvergence { row, .. } => *row /= d,
        _ => {}
    }
    error
}
