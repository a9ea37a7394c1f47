//! Regularised empirical risk: `min_x sum_i loss(y_i, a_i' x) + sum_j penalty(x_j)`, its minimiser, and what is predicted of it
//! in the limit of many unknowns.
//!
//! Loss and penalty are row-wise nodes that answer with maximisers. Message passing between them has the minimiser as its fixed
//! point where both are convex; state evolution of the same run predicts training and test errors of the minimiser for
//! random inputs, whatever the data truly come from.

mod law;
mod row_wise;

pub use law::RiskLaw;

use fg_core::denoiser::{Denoiser, Estimation, Likelihood};
use fg_core::message::small;
use fg_core::operator::LinearOperator;
use fg_core::{Message, Options, Policy, Rows};

use self::row_wise::RowWise;
use crate::baseline::optimality;
use crate::generalised::{self, GeneralisedGraph};
use crate::{Fit, ModelError};

/// Weight of new messages: undamped ones may cycle where a loss is flat, and at 0.9 a hinge under a strong L1 penalty still swings
/// up, each time further.
const DAMPING: f64 = 0.7;
/// Runs of well-conditioned problems gain a digit in two to ten sweeps.
const SWEEPS: usize = 1000;
/// Bounds of the precision of messages. Where all rows are on straight pieces of a loss its precision falls, and steps, which are its
/// inverse, grow with every sweep: under a strong L1 penalty one run in ten then swings up and breaks off at 1e-6; one in a hundred
/// still goes round, within bounds, at 1e-2. Above, next to certainty.
const PRECISIONS: (f64, f64) = (1e-2, 1e12);
/// Change of a belief, relative to its deviation, at which a run ends: minimisers to some ten digits.
const TOLERANCE: f64 = 1e-11;

/// A penalty and a loss.
///
/// ```
/// use fg_core::{Rows, operator::Dense};
/// use fg_denoisers::{L1, Logistic};
/// use fg_models::erm::Risk;
///
/// let risk = Risk::new(L1::new(0.5)?, Logistic::new().maximised())?;
/// let inputs = Dense::from_rows(&Rows::from_fn(6, 2, |i, j| ((1 + i * (j + 2)) as f64).sin()))?;
/// let labels = Rows::from_fn(6, 1, |i, _| if i % 2 == 0 { 1.0 } else { -1.0 });
/// let minimum = risk.minimise(inputs, labels, &fg_models::erm::options())?;
/// assert!(minimum.residual < 1e-8, "{}", minimum.residual);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Risk<P, L> {
    penalty: P,
    loss: L,
}

/// A minimiser by message passing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Minimum {
    /// The run; its estimate is the minimiser.
    pub fit: Fit,
    /// How far it is from optimal: see [`optimality`].
    pub residual: f64,
}

/// Options that suit convex risks: damping 0.7, up to 1000 sweeps, a tolerance of 1e-11, precisions clamped.
///
/// Where a cost is linear at the estimate of every row, as a hinge at first is, it has no curvature, and its message no precision,
/// but it pulls. The engine's default drops such directions with their pull: a run then ends at once, or goes round. Clamping
/// keeps the estimate.
///
/// A hinge with an L1 penalty is a linear program, curved nowhere. Unless the penalty silences most unknowns, runs approach the minimiser about as one over the
/// sweeps, with precisions of any bounds, fixed ones (which is ADMM) among them: of 400 unknowns and 800 labels residuals of
/// 4e-4 to 9e-4 are left after 1000 sweeps, and of 2e-4 to 5e-4 after 4000.
pub fn options() -> Options {
    let policy = Policy::Clamp { minimum: PRECISIONS.0, maximum: PRECISIONS.1 };
    let options = Options::default().with_damping(DAMPING).with_max_sweeps(SWEEPS);
    options.with_tolerance(TOLERANCE).with_policy(policy)
}

impl<P, L> Risk<P, L>
where
    P: Denoiser + Clone + 'static,
    L: Likelihood + Clone + 'static,
{
    /// The risk of this penalty and loss, the loss being minus the logarithm of the likelihood.
    ///
    /// # Errors
    /// [`ModelError::Estimation`] when one of them answers with posterior means that aren't maximisers, too.
    pub fn new(penalty: P, loss: L) -> Result<Self, ModelError> {
        let columns = loss.columns().or(penalty.columns()).unwrap_or(1);
        if penalty.estimation() != Estimation::Map && penalty.gaussian(0, columns).is_none() {
            return Err(ModelError::Estimation { part: "penalty" });
        }
        let row = vec![0.0; loss.outputs(columns)];
        if loss.estimation() != Estimation::Map && loss.gaussian(&row).is_none() {
            return Err(ModelError::Estimation { part: "loss" });
        }
        Ok(Self { penalty, loss })
    }

    /// The penalty.
    pub fn penalty(&self) -> &P {
        &self.penalty
    }

    /// The loss.
    pub fn loss(&self) -> &L {
        &self.loss
    }

    /// The graph for an `operator` of inputs (`m x n`) and `data` of `m` rows.
    pub fn graph(&self, operator: impl LinearOperator + 'static, data: Rows) -> GeneralisedGraph {
        generalised::graph(operator, self.penalty.clone(), RowWise(self.loss.clone()), data)
    }

    /// Minimises by message passing.
    ///
    /// # Errors
    /// [`ModelError`] when shapes don't fit together or data isn't finite. Not converging is no error: see the report and
    /// the residual.
    pub fn minimise(
        &self,
        operator: impl LinearOperator + Clone + 'static,
        data: Rows,
        options: &Options,
    ) -> Result<Minimum, ModelError> {
        let model = self.graph(operator.clone(), data.clone());
        let likelihood = model.likelihood;
        let fit = model.fit(options, &mut ())?;
        let z = fit.solution().mean(fit.unknowns()[1]);
        // The loss pulls against what the cavity says: its slope at z is N - Z Gamma.
        let cavity = fit.solution().cavity(likelihood, 0);
        let slope = pull(cavity, z);
        let residual = optimality(&operator, &self.penalty, fit.estimate(), z, &slope);
        let residual = residual.unwrap_or(f64::NAN);
        Ok(Minimum { fit, residual })
    }
}

/// `N - Z Gamma`: how hard a message pulls at `z`.
fn pull(message: &Message, z: &Rows) -> Rows {
    let (mut slope, d) = (message.natural().clone(), z.columns());
    let mut row = vec![0.0; d];
    for b in 0..message.layout().blocks() {
        for i in message.layout().range(b) {
            small::row_times(z.row(i), message.precision().block(b), &mut row, d);
            slope.row_mut(i).iter_mut().zip(&row).for_each(|(n, g)| *n -= g);
        }
    }
    slope
}
