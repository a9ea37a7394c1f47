//! Regularised empirical risk: `min_x sum_i loss(y_i, a_i' x) + sum_j penalty(x_j)`, its minimiser, and what is predicted of it
//! in the limit of many unknowns.
//!
//! Loss and penalty are row-wise nodes that answer with maximisers. Message passing between them has the minimiser as its fixed
//! point where both are convex; state evolution of the same run predicts training and test errors of the minimiser for
//! random inputs, whatever the data truly come from.

use fg_core::denoiser::{Denoiser, Estimation, Law, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::evolution::{EstimateLaw, Evolution, Samples, Spectrum};
use fg_core::factor::Breakdown;
use fg_core::message::small;
use fg_core::operator::{Ensemble, LinearOperator};
use fg_core::{Message, Options, Policy, Rows};

use crate::baseline::optimality;
use crate::generalised::{self, GeneralisedGraph};
use crate::predict::pairs;
use crate::start::OUTPUT_PORT;
use crate::{Fit, ModelError};

/// Weight of new messages: undamped ones may cycle where a loss is flat.
const DAMPING: f64 = 0.9;
/// Runs of well-conditioned problems gain a digit in two to ten sweeps.
const SWEEPS: usize = 1000;
/// Bounds of the precision of messages, next to nothing and next to certainty.
const PRECISIONS: (f64, f64) = (1e-6, 1e12);
/// Change of a belief, relative to its deviation, at which a run ends: minimisers to some ten digits.
const TOLERANCE: f64 = 1e-11;
/// Unknowns of the graph that is predicted: only ratios of sizes matter.
const NOMINAL_UNKNOWNS: usize = 1000;
/// Points of integrals over rows and of averages over new data: errors of some 1e-4.
const POINTS: usize = 16_384;

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

/// What is predicted of a minimiser.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskLaw {
    estimate: EstimateLaw,
    training: Samples,
    precision: f64,
}

/// Options that suit convex risks: damping 0.9, up to 1000 sweeps, a tolerance of 1e-11, precisions clamped.
///
/// Where a cost is linear at the estimate of every row, as a hinge at first is, it has no curvature, and its message no precision,
/// but it pulls. The engine's default drops such directions with their pull: a run then ends at once, or goes round. Clamping
/// keeps the estimate.
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
        let residual = optimality(&operator, &self.penalty, (fit.estimate(), z), &slope);
        let residual = residual.unwrap_or(f64::NAN);
        Ok(Minimum { fit, residual })
    }

    /// Predicts the minimiser for `ratio` rows of data an unknown, inputs with independent entries and `E |a|^2 = 1`, unknowns
    /// truly drawn from `law` and data from `truth`; for one column.
    ///
    /// # Errors
    /// [`ModelError`] when the ratio isn't positive or a factor can't be followed.
    pub fn predict(
        &self,
        ratio: f64,
        law: impl Law + 'static,
        truth: impl Likelihood + 'static,
    ) -> Result<RiskLaw, ModelError> {
        let spectrum = Spectrum::marchenko_pastur(ratio)?.scaled(ratio)?;
        let operator = Ensemble::new(NOMINAL_UNKNOWNS, spectrum);
        let model =
            generalised::unobserved(operator, 1, self.penalty.clone(), RowWise(self.loss.clone()));
        let graph = model.builder.build()?;
        let prediction = Evolution::new(&graph, &options())
            .with_law(model.prior, law)
            .with_likelihood(model.likelihood, truth)
            .with_points(POINTS)
            .with_fixed_point()
            .with_samples()
            .run()?;
        let mut last = prediction.sweeps().last().into_iter().flat_map(|sweep| &sweep.messages);
        let sent = last.rfind(|m| (m.factor, m.port) == (model.operator, OUTPUT_PORT));
        let estimate = prediction.find_estimate(model.signal).cloned();
        let training = prediction.samples(model.output).cloned();
        match (estimate, training, sent) {
            (Some(estimate), Some(training), Some(sent)) => {
                Ok(RiskLaw { estimate, training, precision: sent.law.precision()[0] })
            }
            _ => Err(ModelError::Unpredicted { status: prediction.status().clone() }),
        }
    }
}

/// A loss that is told its cavity in every sweep, as squares aren't, whose message never changes: the slope of the loss is
/// read off there.
#[derive(Clone, Debug)]
struct RowWise<L>(L);

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

    fn name(&self) -> String {
        self.0.name()
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

impl RiskLaw {
    /// Second moments of an unknown and of its estimate.
    pub fn estimate(&self) -> &EstimateLaw {
        &self.estimate
    }

    /// The average of a statistic of `(z0, zhat)`, true and estimated output, over new inputs.
    pub fn test(&self, statistic: impl Fn(f64, f64) -> f64) -> f64 {
        let (truth, estimate, _) = pairs(&self.estimate, 1.0, 0, POINTS);
        let pairs = truth.as_slice().iter().zip(estimate.as_slice());
        pairs.map(|(z0, z)| statistic(*z0, *z)).sum::<f64>() / truth.rows() as f64
    }

    /// The average over the training data of a statistic of the estimated output and of the slope of the loss there, which
    /// tells what of the data the loss depends on.
    pub fn training(&self, statistic: impl Fn(f64, f64) -> f64) -> f64 {
        self.training.average(|_, r, z| statistic(z[0], self.precision * (r[0] - z[0])))
    }
}
