//! What can be wrong with a factor: a variable that doesn't fit, data that is missing, a belief that doesn't exist.

use core::fmt;

use crate::message::ColumnForm;

/// A factor has no distribution to draw from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undrawable;

/// A variable doesn't fit a factor's port.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misfit {
    /// The shape of the variable differs from what the port needs.
    Shape {
        /// Index of the port.
        port: usize,
        /// Shape needed; `None` where any will do.
        expected: (Option<usize>, Option<usize>),
        /// Shape of the variable.
        found: (usize, usize),
    },
    /// The number of entries of the variable differs from what an operator on entries needs, or its columns from those of
    /// the factor's other variable.
    Entries {
        /// Index of the port.
        port: usize,
        /// Entries needed.
        entries: usize,
        /// Rows needed; `None` where no number of rows has as many entries.
        rows: Option<usize>,
        /// Columns needed.
        columns: usize,
        /// Shape of the variable.
        found: (usize, usize),
    },
    /// The bias of a linear factor has another length than its variables have columns.
    BiasLength {
        /// Columns of the variables.
        expected: usize,
        /// Length of the bias.
        found: usize,
    },
    /// The bias of a linear factor is NaN or infinite.
    BiasNotFinite {
        /// The first such column.
        column: usize,
    },
    /// An operator on entries mixes columns, and those of the variable aren't declared isotropic.
    NotIsotropic {
        /// Index of the port.
        port: usize,
    },
    /// The estimator looks at all rows together and the variable's rows don't share one precision.
    NotShared {
        /// Index of the port.
        port: usize,
    },
}

/// A factor lacks what a run needs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Unready {
    /// No data has been given.
    NoData,
    /// Data was given to a factor that holds none.
    TakesNoData,
    /// The operator is an ensemble that no matrix has been drawn from.
    NoMatrix,
    /// The solver asked for needs spectral factors, and the operator has none.
    NoFactors,
    /// The operator neither stores a matrix nor has spectral factors, and the matrix would be larger than may be built.
    MatrixTooLarge {
        /// Entries of the matrix.
        entries: usize,
        /// Entries allowed: [`LinearFactor::with_matrix_limit`](super::LinearFactor::with_matrix_limit).
        limit: usize,
    },
    /// An option of the factor's solver has no meaning.
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        expected: &'static str,
    },
    /// Row `row` of the data can't come from the model.
    BadData {
        /// The first such row.
        row: usize,
        /// What was expected and what was got.
        reason: String,
    },
    /// The data has another shape than the variable needs.
    DataShape {
        /// Shape needed.
        expected: (usize, usize),
        /// Shape given.
        found: (usize, usize),
    },
}

/// A belief doesn't exist or couldn't be computed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Breakdown {
    /// The estimate needs a positive definite cavity precision; the cavity of `row` has none.
    ImproperCavity {
        /// Index of the port.
        port: usize,
        /// The first such row.
        row: usize,
    },
    /// The factor and its cavities leave some direction undetermined.
    Undetermined {
        /// Index of the port.
        port: usize,
    },
    /// A result is NaN or infinite.
    NotFinite {
        /// Index of the port.
        port: usize,
        /// The first such row.
        row: usize,
    },
    /// Known rows contradict the factor.
    Contradiction {
        /// Index of the port.
        port: usize,
        /// The first such row.
        row: usize,
    },
    /// A belief's covariance isn't positive.
    NotPositive {
        /// Index of the port.
        port: usize,
        /// Block of rows.
        block: usize,
        /// The offending pivot.
        pivot: f64,
    },
    /// The factor can't answer where a cavity is infinitely precise.
    KnownCavity {
        /// Index of the port.
        port: usize,
    },
    /// The estimator is for cavity precisions of a narrower form.
    Form {
        /// Index of the port.
        port: usize,
        /// The form it needs.
        needed: ColumnForm,
    },
    /// A likelihood was asked for a belief before it had data.
    NoData {
        /// Index of the port.
        port: usize,
    },
    /// A matrix has no factorisation: it didn't converge, met a pivot that isn't positive, or ran out of memory.
    Factorisation,
    /// An inner iteration didn't reach its tolerance.
    NoConvergence {
        /// Index of the port.
        port: usize,
        /// The first such row.
        row: usize,
    },
    /// Conjugate gradients reached their limit of iterations.
    Unsolved {
        /// Iterations made.
        iterations: usize,
        /// Norm of the residual, relative to that of the right-hand side, of the worst column.
        residual: f64,
    },
    /// A user's function answered with a matrix of another shape than it was given.
    WrongShape {
        /// Index of the port.
        port: usize,
        /// Shape it was given.
        expected: (usize, usize),
        /// Shape it answered with.
        found: (usize, usize),
    },
}

/// A size that may be free, for messages.
pub(crate) struct Size(pub(crate) Option<usize>);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(size) => size.fmt(f),
            None => f.write_str("any"),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { port, expected, found } => write!(
                f,
                "port {port} needs {} x {}, got {} x {}",
                Size(expected.0),
                Size(expected.1),
                found.0,
                found.1
            ),
            Self::Entries { port, entries, rows, columns, found } => {
                write!(f, "port {port} needs {entries} entries")?;
                match rows {
                    Some(rows) => write!(f, ", {rows} x {columns}")?,
                    None => write!(f, " in {columns} columns, which no number of rows has")?,
                }
                write!(f, ", got {} x {}", found.0, found.1)
            }
            Self::BiasLength { expected, found } => {
                write!(f, "bias needs {expected} values, one a column, got {found}")
            }
            Self::BiasNotFinite { column } => {
                write!(f, "bias must be finite, that of column {column} is not")
            }
            Self::NotIsotropic { port } => write!(
                f,
                "port {port} needs a variable whose columns are declared isotropic: the operator mixes them"
            ),
            Self::NotShared { port } => write!(
                f,
                "port {port} needs one precision shared by all rows: the estimator isn't separable"
            ),
        }
    }
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoData => write!(f, "no data has been given"),
            Self::TakesNoData => write!(f, "is no likelihood and takes no data"),
            Self::NoMatrix => write!(f, "operator is an ensemble without a matrix"),
            Self::NoFactors => {
                write!(f, "operator has no spectral factors, which the solver needs")
            }
            Self::MatrixTooLarge { entries, limit } => write!(
                f,
                "operator has no spectral factors, and its matrix would have {entries} entries, of {limit} allowed"
            ),
            Self::Option { option, value, expected } => {
                write!(f, "option {option} is {value}, must be {expected}")
            }
            Self::BadData { row, reason } => write!(f, "data row {row}: {reason}"),
            Self::DataShape { expected, found } => write!(
                f,
                "data must be {} x {}, got {} x {}",
                expected.0, expected.1, found.0, found.1
            ),
        }
    }
}

impl fmt::Display for Undrawable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "factor has no distribution to draw from")
    }
}

impl fmt::Display for Breakdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImproperCavity { port, row } => write!(
                f,
                "port {port}, row {row}: needs a positive definite cavity precision, the other factors leave a \
                 direction free"
            ),
            Self::Undetermined { port } => {
                write!(f, "port {port}: factor and cavities leave a direction undetermined")
            }
            Self::NotFinite { port, row } => {
                write!(f, "port {port}, row {row}: belief is not finite")
            }
            Self::Contradiction { port, row } => {
                write!(f, "port {port}, row {row}: known values contradict the factor")
            }
            Self::NotPositive { port, block, pivot } => {
                write!(f, "port {port}, block {block}: covariance is not positive, pivot {pivot:e}")
            }
            Self::KnownCavity { port } => {
                write!(f, "port {port}: the factor can't answer an infinitely precise cavity")
            }
            Self::Form { port, needed } => {
                let form = match needed {
                    ColumnForm::Isotropic => "a multiple of the identity",
                    ColumnForm::Diagonal => "diagonal",
                    ColumnForm::Full => "of any form",
                };
                write!(f, "port {port}: the estimator needs a cavity precision that is {form}")
            }
            Self::NoData { port } => write!(f, "port {port}: no data has been given"),
            Self::Factorisation => write!(f, "a matrix could not be factorised"),
            Self::WrongShape { port, expected, found } => write!(
                f,
                "port {port}: estimator answered {} x {} for {} x {} rows",
                found.0, found.1, expected.0, expected.1
            ),
            Self::NoConvergence { port, row } => {
                write!(f, "port {port}, row {row}: inner iteration did not converge")
            }
            Self::Unsolved { iterations, residual } => write!(
                f,
                "conjugate gradients left a residual of {residual:e} after {iterations} iterations"
            ),
        }
    }
}

impl Breakdown {
    /// The port it happened at; zero for a failed factorisation.
    pub fn port(&self) -> usize {
        match *self {
            Self::ImproperCavity { port, .. }
            | Self::Undetermined { port }
            | Self::NotFinite { port, .. }
            | Self::Contradiction { port, .. }
            | Self::NotPositive { port, .. }
            | Self::KnownCavity { port }
            | Self::Form { port, .. }
            | Self::NoData { port }
            | Self::WrongShape { port, .. }
            | Self::NoConvergence { port, .. } => port,
            Self::Factorisation | Self::Unsolved { .. } => 0,
        }
    }

    /// Whether it may be that a factor has no answer to being told nothing of its variable: a penalty has a place then but no
    /// spread, others not even that.
    pub(crate) fn is_for_want_of_news(&self) -> bool {
        matches!(self, Self::ImproperCavity { .. } | Self::NotPositive { .. })
    }

    /// The factor whose silence in the first sweep this one is owed to, at `factor`: what has been told something, and breaks down on
    /// it, is owed to none.
    pub(crate) fn owed_to(&self, silent: Option<usize>, factor: usize) -> Option<usize> {
        let open = matches!(self, Self::Undetermined { .. } | Self::ImproperCavity { .. });
        silent.filter(|&other| open && other != factor)
    }

    /// The same breakdown at another port: estimators with one port report port zero.
    #[must_use]
    pub fn at_port(mut self, at: usize) -> Self {
        match &mut self {
            Self::ImproperCavity { port, .. }
            | Self::Undetermined { port }
            | Self::NotFinite { port, .. }
            | Self::Contradiction { port, .. }
            | Self::NotPositive { port, .. }
            | Self::KnownCavity { port }
            | Self::Form { port, .. }
            | Self::NoData { port }
            | Self::WrongShape { port, .. }
            | Self::NoConvergence { port, .. } => *port = at,
            Self::Factorisation | Self::Unsolved { .. } => {}
        }
        self
    }
}

impl core::error::Error for Misfit {}
impl core::error::Error for Unready {}
impl core::error::Error for Undrawable {}
impl core::error::Error for Breakdown {}
