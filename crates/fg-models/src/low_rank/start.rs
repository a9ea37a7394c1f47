//! Where a run of the low-rank model starts: from the leading directions of its data, a guess, or the priors alone.

use core::any::Any;

use fg_core::factor::LowRankFactor;
use fg_core::message::MessageError;
use fg_core::operator::Dense;
use fg_core::{FactorId, Graph, Inference, Message, Precision, Rows};

use super::leading::{Leading, leading};
use super::spike::{Column, Spike};
use crate::ModelError;
use crate::start::{alone, guessed_power};

/// What is known about the unknowns before the first sweep. It only starts the run: the model, and so its fixed points,
/// stay as they are.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Start {
    /// The leading eigenvectors of symmetric data, singular vectors of other data: what the same factor would come to
    /// with Gaussian priors. Column `k` is the `k`-th direction; its size and precision follow from the `k`-th value by
    /// what random matrix theory says of a spike in noise. Where no value stands out of the noise the direction is
    /// as if it just did. Its sign is one of those that are possible, and so is, where several directions are equally strong,
    /// their rotation.
    ///
    /// The factor is also told what estimates the directions would be made of, without which the first sweeps would
    /// count the data twice: undamped runs from here follow state evolution that starts from an observation of this
    /// precision. Damped ones come to the same fixed point by a way that isn't predicted, as their first message and the
    /// next share their noise.
    ///
    /// Reference: A. Montanari and R. Venkataramanan, "Estimation of low-rank matrices via approximate message passing",
    /// Annals of Statistics 49 (2021), doi 10.1214/20-AOS1958.
    #[default]
    Spectral,
    /// Values of `V`, of `X` in the symmetric form, that owe nothing to the data and share the part `share`, in `(0, 1)`,
    /// of their variance with the truth.
    Guess {
        /// `n x d`.
        values: Rows,
        /// Part of their variance that is taken for true.
        share: f64,
    },
    /// The priors by themselves, which is enough where they have a mean.
    Prior,
}

impl Start {
    /// Sets the first messages of a run.
    pub(super) fn set(
        &self,
        run: &mut Inference<'_>,
        graph: &Graph,
        data: FactorId,
        priors: &[FactorId],
    ) -> Result<(), ModelError> {
        match self {
            Self::Prior => Ok(()),
            Self::Guess { values, share } => {
                guess(run, graph, (data, priors.len() - 1), values, *share)
            }
            Self::Spectral => {
                let factor: &dyn Any = graph.factor(data);
                let own = factor.downcast_ref::<LowRankFactor>();
                let Some((factor, matrix)) = own.and_then(|f| Some((f, f.data()?))) else {
                    return Ok(());
                };
                if factor.is_symmetric() {
                    symmetric(run, graph, data, (factor, matrix))
                } else {
                    rectangular(run, graph, (data, priors), (factor, matrix))
                }
            }
        }
    }
}

fn guess(
    run: &mut Inference<'_>,
    graph: &Graph,
    at: (FactorId, usize),
    values: &Rows,
    share: f64,
) -> Result<(), ModelError> {
    let power = guessed_power(graph, graph.variable_at(at.0, at.1), values, share)?;
    let column = Column { precision: share / ((1.0 - share) * power), size: share.sqrt().recip() };
    send(run, graph, at, values, &vec![column; values.columns()])
}

/// Sends `values`, each column multiplied by its size, as observations.
fn send(
    run: &mut Inference<'_>,
    graph: &Graph,
    (factor, port): (FactorId, usize),
    values: &Rows,
    columns: &[Column],
) -> Result<(), ModelError> {
    let layout = graph.layout(graph.variable_at(factor, port)).clone();
    let d = columns.len();
    let mut matrix = vec![0.0; d * d];
    columns.iter().enumerate().for_each(|(k, c)| matrix[k * d + k] = c.precision);
    let precision = Precision::from_matrix(layout, &matrix).map_err(MessageError::from)?;
    let mean = scaled(values, |k| columns[k].size);
    run.start(factor, port, Message::from_mean(&mean, precision)?)?;
    Ok(())
}

fn scaled(values: &Rows, size: impl Fn(usize) -> f64) -> Rows {
    Rows::from_fn(values.rows(), values.columns(), |i, k| size(k) * values[(i, k)])
}

/// With `s` the variance of a column of `X`, its eigenvalue is `n s + Delta / s`, and with `lambda = n s^2 / Delta` the
/// Gaussian fixed point has the posterior mean `sqrt(q n s)` times the unit eigenvector, `q = 1 - 1 / lambda`, and the
/// precision `(lambda - 1) / s`.
fn symmetric(
    run: &mut Inference<'_>,
    graph: &Graph,
    data: FactorId,
    (factor, matrix): (&LowRankFactor, &Dense),
) -> Result<(), ModelError> {
    let (n, noise) = (factor.shape().0 as f64, factor.variance());
    let d = graph.layout(graph.variable_at(data, 0)).columns();
    let Leading { values, right, .. } = leading(matrix, true, d);
    let columns: Vec<(f64, Column)> = values
        .iter()
        .map(|value| {
            let root = (value * value - 4.0 * n * noise).max(0.0).sqrt();
            let spike = Spike::symmetric(n, noise, (value + root) / (2.0 * n));
            ((spike.share * n * spike.variance).sqrt(), spike.column())
        })
        .collect();
    let estimate = scaled(&right, |k| columns[k].0);
    let columns: Vec<Column> = columns.into_iter().map(|(_, column)| column).collect();
    send(run, graph, (data, 0), &estimate, &columns)?;
    Ok(run.start_memory(data, 0, &estimate)?)
}

/// With `t^2 = m n s` for the product `s` of the variances of a column of `U` and of `V`, the square of its singular
/// value is `(t^2 + m Delta) (t^2 + n Delta) / t^2`. The Gaussian fixed point has, with `a = m s / Delta` and
/// `b = n s / Delta`, the shares `q_u = (a b - 1) / (a + a b)` and `q_v = (a b - 1) / (b + a b)`, and the precision
/// `q / (1 - q)` over the variance of a column.
fn rectangular(
    run: &mut Inference<'_>,
    graph: &Graph,
    (data, priors): (FactorId, &[FactorId]),
    (factor, matrix): (&LowRankFactor, &Dense),
) -> Result<(), ModelError> {
    let (m, n, noise) = (factor.shape().0 as f64, factor.shape().1 as f64, factor.variance());
    let d = graph.layout(graph.variable_at(data, 0)).columns();
    let own = [0, 1].map(|port| alone(graph, priors[port]).unwrap_or(1.0));
    let Leading { values, left, right } = leading(matrix, false, d);
    let mut columns = [Vec::new(), Vec::new()];
    for value in &values {
        let excess = value * value - (m + n) * noise;
        let root = (excess * excess - 4.0 * m * n * noise * noise).max(0.0).sqrt();
        let product = 0.5 * (excess + root) / (m * n);
        for (port, spike) in Spike::rectangular([m, n], noise, own, product).into_iter().enumerate()
        {
            let length = (spike.share * [m, n][port] * spike.variance).sqrt();
            columns[port].push((length, spike.column()));
        }
    }
    let estimates = [(&left, 0), (&right, 1)].map(|(side, p)| scaled(side, |k| columns[p][k].0));
    for port in [0, 1] {
        let own: Vec<Column> = columns[port].iter().map(|(_, column)| *column).collect();
        send(run, graph, (data, port), &estimates[port], &own)?;
        run.start_memory(data, port, &estimates[1 - port])?;
    }
    Ok(())
}
