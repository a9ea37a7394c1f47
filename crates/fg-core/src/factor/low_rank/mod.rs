//! The low-rank factor decides what data `Y = U V' + noise` say of each of two unknown matrices, given the other.

mod beliefs;
mod error;
#[cfg(test)]
mod tests;

use core::any::Any;

use super::{
    Belief, Breakdown, Cavity, Factor, Misfit, Port, Role, Sent, Undrawable, Uniforms, Unready,
};
use crate::message::Layout;
use crate::operator::{Dense, LinearOperator};
use crate::rows::Rows;
use crate::special::quantile;
use beliefs::Workspace;
pub use error::LowRankError;

/// Port of `U`, and of `X` in the symmetric form.
pub(crate) const U: usize = 0;
/// Port of `V`.
pub(crate) const V: usize = 1;

/// Entries of symmetric data may differ from those across the diagonal by this share of the largest: what rounding leaves
/// of a product that was computed in two orders.
const ASYMMETRY: f64 = 1e-12;

/// The factor `prod_ij N(Y_ij; (U V')_ij, Delta)`, or `prod_(i <= j) N(Y_ij; (X X')_ij, Delta)` in its symmetric form.
///
/// Ports: `u` (`m x d`, given) and `v` (`n x d`, given) for data of `m x n`; `x` (`n x d`, given) for symmetric data.
/// The rank `d` is the number of columns of the variables. Nothing is scaled: the sizes enter through the noise. For
/// entries of `U` and `V` of size one the interesting noise has a variance of the order of `n`; the spiked Wigner model of
/// signal-to-noise ratio `lambda` is `Delta = n / lambda`.
///
/// It isn't Gaussian in its variables together, and no tree: an entry of `Y` joins each row of `U` with each row of `V`.
/// Its messages are those of low-rank approximate message passing. With `Uhat` the mean and `C_i` the covariances of the
/// product of the factor's cavity and of what it has sent itself at `u`, both of which are what they are believed to be
/// where the other factors of `U` answer with posterior means,
///
/// ```text
/// Gamma = Uhat' Uhat / Delta
/// N     = Y' Uhat / Delta - (rho / Delta) (Vhat sum_i C_i) / Delta
/// ```
///
/// where `Vhat` is what the message last sent at `u` was made of (the factor's [memory](Factor::memory)), and `rho` is the
/// mean square of `Y - Uhat Vhat'`: what the noise is, whatever its assumed variance. The second term takes out what `V`
/// has told `U` and would hear back. Costs `2 m n d` operations a message.
///
/// Where `U` and `V` have priors of zero mean, `U -> -U`, `V -> -V` is a symmetry, and zero a fixed point: a run has to
/// start somewhere else.
///
/// References: S. Rangan and A. Fletcher, "Iterative estimation of constrained rank-one matrices in noise", ISIT 2012, doi
/// 10.1109/ISIT.2012.6283056; T. Lesieur, F. Krzakala and L. Zdeborova, "Constrained low-rank matrix estimation: phase
/// transitions, approximate message passing and applications", J. Stat. Mech. (2017) 073403, doi
/// 10.1088/1742-5468/aa7284.
///
/// ```
/// use fg_core::{Rows, factor::LowRankFactor};
/// let data = Rows::from_fn(2, 3, |i, j| (i * j) as f64);
/// assert!(LowRankFactor::new(&data, 1.0).is_ok());
/// assert!(LowRankFactor::symmetric(&data, 1.0).is_err());
/// ```
#[derive(Debug)]
pub struct LowRankFactor {
    shape: (usize, usize),
    symmetric: bool,
    variance: f64,
    data: Option<Data>,
}

/// Data and the mean square of its entries.
#[derive(Debug)]
struct Data {
    matrix: Dense,
    power: f64,
}

impl LowRankFactor {
    /// The factor of `data`, `m x n`, with noise of this variance in each entry.
    ///
    /// # Errors
    /// [`LowRankError`] when the data is empty or not finite, or the variance isn't finite and above zero.
    pub fn new(data: &Rows, variance: f64) -> Result<Self, LowRankError> {
        let mut factor = Self::unobserved(data.rows(), data.columns(), variance)?;
        factor.data = Some(factor.checked(data)?);
        Ok(factor)
    }

    /// The factor of symmetric `data`, `n x n`, with symmetric noise of this variance off the diagonal.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when the data isn't square and symmetric.
    pub fn symmetric(data: &Rows, variance: f64) -> Result<Self, LowRankError> {
        let (rows, columns) = data.shape();
        if rows != columns {
            return Err(LowRankError::NotSquare { rows, columns });
        }
        let mut factor = Self::unobserved_symmetric(rows, variance)?;
        factor.data = Some(factor.checked(data)?);
        Ok(factor)
    }

    /// As [`new`](Self::new) without data, which is drawn or given later.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn unobserved(m: usize, n: usize, variance: f64) -> Result<Self, LowRankError> {
        if !(variance > 0.0 && variance < f64::INFINITY) {
            return Err(LowRankError::Variance { value: variance });
        }
        Ok(Self { shape: (m, n), symmetric: false, variance, data: None })
    }

    /// As [`symmetric`](Self::symmetric) without data, which is drawn or given later.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn unobserved_symmetric(n: usize, variance: f64) -> Result<Self, LowRankError> {
        Ok(Self { symmetric: true, ..Self::unobserved(n, n, variance)? })
    }

    /// `(m, n)`.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Whether there is one variable, `X`.
    pub fn is_symmetric(&self) -> bool {
        self.symmetric
    }

    /// `Delta`, the noise variance of an entry.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// `Y`, where there is data.
    pub fn data(&self) -> Option<&Dense> {
        self.data.as_ref().map(|data| &data.matrix)
    }

    /// The port whose estimate the message at `port` is made of.
    pub(crate) fn source(&self, port: usize) -> usize {
        if self.symmetric { port } else { 1 - port }
    }

    fn checked(&self, data: &Rows) -> Result<Data, LowRankError> {
        let matrix = Dense::from_rows(data).map_err(LowRankError::Data)?;
        let largest = data.as_slice().iter().fold(0.0f64, |most, v| most.max(v.abs()));
        for row in 0..if self.symmetric { data.rows() } else { 0 } {
            for column in 0..row {
                if (data[(row, column)] - data[(column, row)]).abs() > ASYMMETRY * largest {
                    return Err(LowRankError::NotSymmetric { row, column });
                }
            }
        }
        let power = data.norm_squared() / data.as_slice().len() as f64;
        Ok(Data { matrix, power })
    }
}

impl Factor for LowRankFactor {
    fn ports(&self) -> Vec<Port> {
        let port = |name, rows| Port { name, role: Role::Given, rows: Some(rows), columns: None };
        let (m, n) = self.shape;
        if self.symmetric { vec![port("x", n)] } else { vec![port("u", m), port("v", n)] }
    }

    fn check(&self, variables: &[Layout]) -> Result<(), Misfit> {
        let [u, v] = variables else { return Ok(()) };
        if u.columns() == v.columns() {
            return Ok(());
        }
        let found = (v.rows(), v.columns());
        Err(Misfit::Shape { port: V, expected: (Some(self.shape.1), Some(u.columns())), found })
    }

    fn ready(&self, _variables: &[Layout]) -> Result<(), Unready> {
        self.data.as_ref().map(|_| ()).ok_or(Unready::NoData)
    }

    fn observe(&mut self, data: Rows, _variables: &[Layout]) -> Result<(), Unready> {
        if data.shape() != self.shape {
            return Err(Unready::DataShape { expected: self.shape, found: data.shape() });
        }
        self.data = Some(self.checked(&data).map_err(|error| {
            let row = match error {
                LowRankError::NotSymmetric { row, .. } => row,
                _ => data.first_non_finite().map_or(0, |(row, _)| row),
            };
            Unready::BadData { row, reason: error.to_string() }
        })?);
        Ok(())
    }

    fn workspace(&self, variables: &[Layout]) -> Result<Box<dyn Any + Send>, Breakdown> {
        Ok(Box::new(Workspace::new(variables)))
    }

    fn memory(&self, port: usize, variables: &[Layout]) -> Option<(usize, usize)> {
        let source = &variables[self.source(port)];
        Some((source.rows(), source.columns()))
    }

    fn recall(&self, sent: &[Sent<'_>], workspace: &mut dyn Any) {
        super::own::<Workspace>(workspace).recall(sent);
    }

    fn beliefs(
        &self,
        cavities: &[Cavity<'_>],
        wanted: &[bool],
        beliefs: &mut [Belief],
        workspace: &mut dyn Any,
    ) -> Result<(), Breakdown> {
        let Some(data) = &self.data else { return Err(Breakdown::NoData { port: U }) };
        super::own::<Workspace>(workspace).answer(self, data, cavities, wanted, beliefs)
    }

    /// Noise of the symmetric form has twice the variance on the diagonal (the Gaussian orthogonal ensemble).
    fn draw(
        &self,
        values: &mut [Rows],
        uniforms: &mut dyn Uniforms,
    ) -> Result<Option<Rows>, Undrawable> {
        let (m, n) = self.shape;
        let (u, v) = (&values[U], &values[if self.symmetric { U } else { V }]);
        let mut points = Vec::new();
        uniforms.fill(m, n, &mut points);
        let noise = |i: usize, j: usize| {
            let place = if self.symmetric { i.max(j) * n + i.min(j) } else { i * n + j };
            let size = if self.symmetric && i == j { 2.0 } else { 1.0 };
            (size * self.variance).sqrt() * quantile(points[place])
        };
        let product = |i: usize, j: usize| u.row(i).iter().zip(v.row(j)).map(|(a, b)| a * b);
        Ok(Some(Rows::from_fn(m, n, |i, j| product(i, j).sum::<f64>() + noise(i, j))))
    }

    fn name(&self) -> String {
        let (m, n) = self.shape;
        format!("low rank {m} x {n}")
    }
}

impl Data {
    /// `Y' e` for `e` at `u`, `Y e` for `e` at `v`.
    fn image(&self, source: usize, estimate: &Rows, out: &mut Rows) {
        let d = estimate.columns();
        match source {
            U => self.matrix.apply_adjoint(estimate.as_slice(), out.as_mut_slice(), d),
            _ => self.matrix.apply(estimate.as_slice(), out.as_mut_slice(), d),
        }
    }
}
