//! The linear factor `Z = A X + 1 b'` decides, by the precisions it is told, which solver answers.

mod beliefs;
mod decomposition;
mod dense;
mod entries;
mod gram;
mod iterative;
mod known;
mod moments;
mod partition;
mod pencil;
mod shared;
mod side;
mod svd;
#[cfg(test)]
mod tests;

use core::any::Any;
use std::sync::OnceLock;

use faer::{Mat, MatRef};
use fg_linalg::padded::Padded;

use super::{Belief, Breakdown, Cavity, Factor, Misfit, PartitionError, Port, Role, Undrawable};
use super::{Uniforms, Unready};
use crate::denoiser::Estimation;
use crate::evolution::Spectrum;
use crate::message::Layout;
use crate::operator::{Complex, LinearOperator, Spectral};
use crate::rows::Rows;
pub(crate) use beliefs::exact_gain;
use decomposition::Decomposition;
pub use decomposition::Solver;
pub use entries::LinearEntries;
pub use iterative::Iterative;
pub(crate) use moments::{Moments, input_moments, output_moments};
pub(crate) use pencil::Pencil;
use shared::SharedWorkspace;

/// Port of the input `X`.
const X: usize = 0;
/// Port of the output `Z`.
const Z: usize = 1;

/// The factor `Z = A X + 1 b'`, exact in both directions.
///
/// Ports: `x` (`n x d`, given) and `z` (`m x d`, produced), for any `d`.
///
/// | precisions of the cavities | solver | set-up | a pair of beliefs |
/// |---|---|---|---|
/// | one for all rows at both ports, operator of [`spectral`](LinearOperator::spectral) factors | these | none | two passes of each factor a column |
/// | the same, [`complex`](LinearOperator::complex) operator | complex singular value decomposition, once a factor | `O(k^2 max(m, n))` | `O(m n d)` |
/// | one for all rows at both ports | [`Solver`], once a factor | `O(k^2 max(m, n))`, `k = min(m, n)` | `O((m n + k^2) d)` |
/// | the same, [`Iterative`] solver | conjugate gradients | some hundred products with `A` and `A'` | two products an iteration |
/// | blocks, or one for each row | Cholesky of `(n d) x (n d)` | none | `O((n d)^2 (n + m) d)` |
///
/// In the last case diagonal precisions split into `d` systems of size `n`, isotropic ones share a single one.
/// Known cavities (infinite precision) are constraints, at both ports.
///
/// ```
/// use fg_core::{Rows, factor::LinearFactor, operator::Dense};
/// let a = Dense::from_rows(&Rows::from_fn(2, 3, |i, j| (i + j) as f64))?;
/// let factor = LinearFactor::new(a).with_bias(vec![1.0]);
/// assert_eq!(factor.bias(), Some(&[1.0][..]));
/// # Ok::<(), fg_core::operator::OperatorError>(())
/// ```
#[derive(Debug)]
pub struct LinearFactor {
    operator: Box<dyn LinearOperator>,
    solver: Solver,
    bias: Option<Vec<f64>>,
    matrix_limit: usize,
    matrix: OnceLock<Mat<f64>>,
    normal: OnceLock<Padded>,
    decomposition: OnceLock<Result<Decomposition, Breakdown>>,
}

enum Workspace {
    Shared(Box<SharedWorkspace>),
    Dense,
}

impl LinearFactor {
    /// Entries of a matrix that is built from products unless more are [allowed](Self::with_matrix_limit): half a gigabyte,
    /// whose decomposition takes some minutes.
    pub const MATRIX_LIMIT: usize = 1 << 26;

    /// `Z = A X`.
    pub fn new(operator: impl LinearOperator + 'static) -> Self {
        Self {
            operator: Box::new(operator),
            solver: Solver::Auto,
            bias: None,
            matrix_limit: Self::MATRIX_LIMIT,
            matrix: OnceLock::new(),
            normal: OnceLock::new(),
            decomposition: OnceLock::new(),
        }
    }

    /// How the operator is decomposed. Default: [`Solver::Auto`].
    #[must_use]
    pub fn with_solver(mut self, solver: Solver) -> Self {
        self.solver = solver;
        self.decomposition = OnceLock::new();
        self
    }

    /// The row `b` added to every row of `A X`; its length is the number of columns. Default: none.
    #[must_use]
    pub fn with_bias(mut self, bias: Vec<f64>) -> Self {
        self.bias = Some(bias);
        self
    }

    /// How many entries the matrix of an operator may have that neither stores it nor has spectral factors, and is built from
    /// products with unit vectors. Beyond it [`Solver::Auto`] iterates, where both variables share one precision over rows;
    /// other precisions and solvers need the matrix, and aren't ready. Default: [`MATRIX_LIMIT`](Self::MATRIX_LIMIT).
    #[must_use]
    pub fn with_matrix_limit(mut self, entries: usize) -> Self {
        self.matrix_limit = entries;
        self
    }

    /// The operator `A`.
    pub fn operator(&self) -> &dyn LinearOperator {
        &*self.operator
    }

    /// The row added to every row of `A X`.
    pub fn bias(&self) -> Option<&[f64]> {
        self.bias.as_deref()
    }

    /// The decomposition in use, never [`Solver::Auto`]; computed now unless it has been before.
    ///
    /// # Errors
    /// [`Breakdown::Factorisation`] when it doesn't converge.
    pub fn decomposed_by(&self) -> Result<Solver, Breakdown> {
        Ok(self.decomposition()?.solver())
    }

    /// The `min(m, n)` singular values of `A`, in no particular order, zero beyond the numerical rank; none where the
    /// [solver](Solver::Iterative) finds only their [law](Self::spectrum).
    ///
    /// # Errors
    /// [`Breakdown::Factorisation`] when the decomposition doesn't converge.
    pub fn singular_values(&self) -> Result<&[f64], Breakdown> {
        Ok(&self.decomposition()?.singular)
    }

    /// The law of the singular values of `A`: these themselves, or an estimate where the solver [iterates](Solver::Iterative).
    ///
    /// # Errors
    /// [`Breakdown::Factorisation`] when the decomposition doesn't converge, or values aren't finite.
    pub fn spectrum(&self) -> Result<Spectrum, Breakdown> {
        let spectrum = self.decomposition()?.spectrum();
        let atoms: Vec<_> = spectrum.values().filter(|(_, count)| *count > 0.0).collect();
        let ratio = spectrum.outputs as f64 / spectrum.inputs as f64;
        Spectrum::new(ratio, &atoms).map_err(|_| Breakdown::Factorisation)
    }

    fn decomposition(&self) -> Result<&Decomposition, Breakdown> {
        let decompose = || {
            let decomposition = if let Some(options) = self.iterates() {
                Decomposition::products(&*self.operator, options)
            } else if let Some(operator) = self.own_factors() {
                Ok(Decomposition::given(operator))
            } else if let Some(operator) = self.complex_matrix() {
                Decomposition::complex(operator)
            } else {
                Decomposition::new(self.matrix(), self.solver)
            };
            decomposition.map_err(|_| Breakdown::Factorisation)
        };
        self.decomposition.get_or_init(decompose).as_ref().map_err(|error| *error)
    }

    /// The operator's own factors, where they are used.
    fn own_factors(&self) -> Option<&Spectral> {
        match self.solver {
            Solver::Auto | Solver::Operator => self.operator.spectral(),
            Solver::Svd | Solver::Gram | Solver::Iterative(_) => None,
        }
    }

    /// How it iterates, where it does.
    fn iterates(&self) -> Option<Iterative> {
        match self.solver {
            Solver::Iterative(options) => Some(options),
            Solver::Auto if self.entries() > self.matrix_limit && self.builds_matrix(true) => {
                Some(Iterative::default())
            }
            _ => None,
        }
    }

    /// Entries of the matrix, stored or not.
    fn entries(&self) -> usize {
        self.operator.outputs().saturating_mul(self.operator.inputs())
    }

    /// The complex matrix, where it is what is decomposed.
    fn complex_matrix(&self) -> Option<&Complex> {
        self.operator.complex().filter(|_| self.solver != Solver::Gram)
    }

    /// Whether the matrix is built from products, by the spectral solvers or by those of other precisions.
    fn builds_matrix(&self, spectral: bool) -> bool {
        let other = spectral && (self.own_factors().is_some() || self.complex_matrix().is_some());
        self.operator.dense().is_none() && !other
    }

    /// The matrix: the operator's own, or built once from products with unit vectors.
    fn matrix(&self) -> MatRef<'_, f64> {
        self.operator
            .dense()
            .unwrap_or_else(|| self.matrix.get_or_init(|| explicit(&*self.operator)).as_ref())
    }

    /// The lower triangle of `A' A`.
    fn normal(&self) -> MatRef<'_, f64> {
        let normal = || fg_linalg::spectral::gram(self.matrix().transpose());
        self.normal.get_or_init(normal).as_ref()
    }
}

/// One block of rows at both ports.
fn spectral_solvers_apply(variables: &[Layout]) -> bool {
    variables[X].blocks() == 1 && variables[Z].blocks() == 1
}

/// Refuses wanted beliefs whose means aren't finite.
fn check_finite(wanted: &[bool], beliefs: &[Belief]) -> Result<(), Breakdown> {
    for port in [X, Z] {
        let bad = wanted[port].then(|| beliefs[port].mean().first_non_finite()).flatten();
        if let Some((row, _)) = bad {
            return Err(Breakdown::NotFinite { port, row });
        }
    }
    Ok(())
}

/// Unit vectors sent through an operator at once: enough for its blocked products, few enough to stay in cache.
const UNIT_VECTORS: usize = 32;

fn explicit(operator: &dyn LinearOperator) -> Mat<f64> {
    let (m, n) = (operator.outputs(), operator.inputs());
    let mut matrix = Mat::zeros(m, n);
    let (mut x, mut z) = (Vec::new(), Vec::new());
    for start in (0..n).step_by(UNIT_VECTORS) {
        let count = UNIT_VECTORS.min(n - start);
        x.clear();
        x.resize(n * count, 0.0);
        z.resize(m * count, 0.0);
        (0..count).for_each(|j| x[(start + j) * count + j] = 1.0);
        operator.apply(&x, &mut z[..m * count], count);
        for j in 0..count {
            for i in 0..m {
                matrix[(i, start + j)] = z[i * count + j];
            }
        }
    }
    matrix
}

impl Factor for LinearFactor {
    fn ports(&self) -> Vec<Port> {
        let port = |name, role, rows| Port { name, role, rows: Some(rows), columns: None };
        vec![
            port("x", Role::Given, self.operator.inputs()),
            port("z", Role::Produced, self.operator.outputs()),
        ]
    }

    fn check(&self, variables: &[Layout]) -> Result<(), Misfit> {
        let columns = variables[X].columns();
        if let Some(bias) = &self.bias {
            if bias.len() != columns {
                return Err(Misfit::BiasLength { expected: columns, found: bias.len() });
            }
            if let Some(column) = bias.iter().position(|b| !b.is_finite()) {
                return Err(Misfit::BiasNotFinite { column });
            }
        }
        let rows = [self.operator.inputs(), self.operator.outputs()];
        for port in [X, Z] {
            let found = (variables[port].rows(), variables[port].columns());
            if found != (rows[port], columns) {
                return Err(Misfit::Shape {
                    port,
                    expected: (Some(rows[port]), Some(columns)),
                    found,
                });
            }
        }
        Ok(())
    }

    fn ready(&self, variables: &[Layout]) -> Result<(), Unready> {
        if !self.operator.is_realised() {
            return Err(Unready::NoMatrix);
        }
        if self.solver == Solver::Operator && self.operator.spectral().is_none() {
            return Err(Unready::NoFactors);
        }
        if let Solver::Iterative(options) = self.solver {
            options.check()?;
        }
        let (entries, limit) = (self.entries(), self.matrix_limit);
        let spectral = spectral_solvers_apply(variables);
        let iterates = spectral && self.iterates().is_some();
        if entries > limit && !iterates && self.builds_matrix(spectral) {
            return Err(Unready::MatrixTooLarge { entries, limit });
        }
        Ok(())
    }

    fn workspace(&self, variables: &[Layout]) -> Result<Box<dyn Any + Send>, Breakdown> {
        let d = variables[X].columns();
        let (m, n) = (self.operator.outputs(), self.operator.inputs());
        Ok(Box::new(if spectral_solvers_apply(variables) {
            self.decomposition()?;
            Workspace::Shared(Box::new(SharedWorkspace::new(m, n, d)))
        } else {
            Workspace::Dense
        }))
    }

    fn beliefs(
        &self,
        cavities: &[Cavity<'_>],
        wanted: &[bool],
        beliefs: &mut [Belief],
        workspace: &mut dyn Any,
    ) -> Result<(), Breakdown> {
        match super::own(workspace) {
            Workspace::Shared(workspace) => {
                shared::beliefs(self, cavities, wanted, beliefs, workspace)?;
            }
            Workspace::Dense => dense::beliefs(self, cavities, wanted, beliefs)?,
        }
        check_finite(wanted, beliefs)
    }

    fn log_partition(
        &self,
        cavities: &[Cavity<'_>],
        estimation: Estimation,
        workspace: &mut dyn Any,
    ) -> Result<f64, PartitionError> {
        partition::log_partition(self, cavities, estimation, workspace)
    }

    fn draw(
        &self,
        values: &mut [Rows],
        _uniforms: &mut dyn Uniforms,
    ) -> Result<Option<Rows>, Undrawable> {
        let [x, z] = values else { return Err(Undrawable) };
        if !self.operator.is_realised() {
            return Err(Undrawable);
        }
        let d = x.columns();
        self.operator.apply(x.as_slice(), z.as_mut_slice(), d);
        beliefs::add_bias(z.as_mut_slice(), self.bias(), d);
        Ok(None)
    }

    fn name(&self) -> String {
        self.operator.name()
    }
}
