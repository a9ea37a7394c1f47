//! A port followed on rows: the truth, what it is told, what it answers, and the law of the message it sends.

use super::innovation::{pseudo_inverse, transposed_times};
use super::law::MessageLaw;
use super::prediction::EstimateLaw;
use crate::factor::Belief;
use crate::message::{ColumnForm, Layout, Message, Structure, small};
use crate::rows::Rows;

/// One port of a node on rows whose weighted sums are averages over the law.
///
/// Row-wise nodes have a row a point; linear nodes have rows that stand for uncorrelated components, already scaled by
/// the root of their share, and weight one.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) d: usize,
    form: ColumnForm,
    pub(super) weights: Vec<f64>,
    pub(super) truth: Rows,
    /// Whether a constant is one of the components of a message, so that it isn't taken for noise.
    constant: bool,
    truth_mean: Vec<f64>,
    /// Pseudo-inverse of the second moment of the truth: about its mean where there is a constant.
    truth_inverse: Vec<f64>,
    pub(super) cavity: Message,
    pub(super) belief: Belief,
    /// The message last sent, on the rows.
    pub(super) sent: Option<Message>,
    /// The noise of all messages sent, on the rows: kept where sweeps are followed jointly.
    noises: Vec<Rows>,
}

impl Port {
    pub(super) fn new(truth: Rows, weights: Vec<f64>, form: ColumnForm, constant: bool) -> Self {
        let d = truth.columns();
        let layout = layout(truth.rows(), d, form);
        let mut port = Self {
            d,
            form,
            weights,
            constant,
            truth_mean: vec![0.0; d],
            truth_inverse: vec![0.0; d * d],
            cavity: Message::vacuous(layout.clone()),
            belief: Belief::new(layout),
            sent: None,
            noises: Vec::new(),
            truth,
        };
        if constant {
            port.truth_mean = mean(&port.truth, &port.weights);
        }
        let mut moment = second_moment(&port.truth, &port.truth, &port.weights);
        for (k, m) in moment.iter_mut().enumerate() {
            *m -= port.truth_mean[k / d] * port.truth_mean[k % d];
        }
        port.truth_inverse = pseudo_inverse(&moment, d);
        port
    }

    /// Makes room for more rows, zero where they are new: another component of a linear node.
    pub(super) fn extend(&mut self, rows: usize) {
        let layout = layout(rows, self.d, self.form);
        self.weights.resize(rows, 1.0);
        self.truth = extended(&self.truth, rows);
        self.cavity = extended_message(&self.cavity, rows, self.form);
        self.belief = Belief::new(layout);
        self.sent = self.sent.take().map(|message| extended_message(&message, rows, self.form));
        for noise in &mut self.noises {
            *noise = extended(noise, rows);
        }
    }

    pub(super) fn layout(&self) -> Layout {
        layout(self.truth.rows(), self.d, self.form)
    }

    /// The law of a message on the rows, and its noise on them: what is left of it when the truth is regressed out.
    pub(super) fn law_of(&self, message: &Message) -> (MessageLaw, Rows) {
        let (d, natural) = (self.d, message.natural());
        let mut law = MessageLaw::vacuous(d);
        law.precision.copy_from_slice(message.precision().block(0));
        let mut cross = second_moment(&self.truth, natural, &self.weights);
        if self.constant {
            law.offset = mean(natural, &self.weights);
            for (k, c) in cross.iter_mut().enumerate() {
                *c -= self.truth_mean[k / d] * law.offset[k % d];
            }
        }
        small::multiply(&self.truth_inverse, &cross, &mut law.signal, d);
        if self.constant {
            let mut explained = vec![0.0; d];
            small::row_times(&self.truth_mean, &law.signal, &mut explained, d);
            law.offset.iter_mut().zip(&explained).for_each(|(c, e)| *c -= e);
        }
        let mut noise = natural.clone();
        let mut explained = vec![0.0; d];
        for i in 0..noise.rows() {
            small::row_times(self.truth.row(i), &law.signal, &mut explained, d);
            for ((n, e), c) in noise.row_mut(i).iter_mut().zip(&explained).zip(&law.offset) {
                *n -= e + c;
            }
        }
        law.noise = second_moment(&noise, &noise, &self.weights);
        small::symmetrise(&mut law.noise, d);
        (law, noise)
    }

    /// Remembers the noise of a message and returns its covariances with all earlier ones, `E[p_s' p_t]`.
    pub(super) fn remember(&mut self, noise: Rows) -> Vec<Vec<f64>> {
        let cross = self
            .noises
            .iter()
            .map(|earlier| second_moment(earlier, &noise, &self.weights))
            .collect();
        self.noises.push(noise);
        cross
    }

    /// The noise of a message sent, on the rows, as it was remembered.
    pub(super) fn noise(&self, version: usize) -> &Rows {
        &self.noises[version]
    }

    /// Averages the covariances of the rows, with their weights.
    pub(super) fn average(&mut self) {
        let size = self.d * self.d;
        let Some(rows) = self.belief.row_covariances() else { return };
        let mut sum = vec![0.0; size];
        for (row, w) in rows.chunks_exact(size).zip(&self.weights) {
            sum.iter_mut().zip(row).for_each(|(s, v)| *s += w * v);
        }
        self.belief.blocks_mut().1.copy_from_slice(&sum);
    }

    /// The law of truth and estimate; `shift` is a row that both are short of, and
    /// by how much each row of this port is the constant that it multiplies.
    pub(super) fn estimate(&self, shift: Option<(&[f64], Vec<f64>)>) -> EstimateLaw {
        let (d, weights) = (self.d, &self.weights);
        let estimate = self.belief.mean();
        let mut error = estimate.clone();
        for (e, t) in error.as_mut_slice().iter_mut().zip(self.truth.as_slice()) {
            *e -= t;
        }
        let (mut truth, mut moved) = (self.truth.clone(), estimate.clone());
        if let Some((b, constant)) = shift {
            // The bias lies along the constant: it adds to each row what the constant holds of it.
            for (i, c) in constant.iter().enumerate() {
                truth.row_mut(i).iter_mut().zip(b).for_each(|(t, b)| *t += c * b);
                moved.row_mut(i).iter_mut().zip(b).for_each(|(e, b)| *e += c * b);
            }
        }
        EstimateLaw {
            columns: d,
            truth: second_moment(&truth, &truth, weights),
            overlap: second_moment(&truth, &moved, weights),
            estimate: second_moment(&moved, &moved, weights),
            error: second_moment(&error, &error, weights),
            covariance: self.belief.covariances().to_vec(),
        }
    }
}

fn layout(rows: usize, d: usize, form: ColumnForm) -> Layout {
    let structure = Structure::shared().with_columns(form);
    structure.layout(rows, d).unwrap_or_else(|_| unreachable!("a shared structure fits any shape"))
}

fn extended(rows: &Rows, count: usize) -> Rows {
    let d = rows.columns();
    let old = rows.as_slice();
    Rows::from_fn(count, d, |i, j| old.get(i * d + j).copied().unwrap_or(0.0))
}

fn extended_message(message: &Message, rows: usize, form: ColumnForm) -> Message {
    let d = message.layout().columns();
    let mut out = Message::vacuous(layout(rows, d, form));
    let (natural, precision) = out.parts_mut();
    *natural = extended(message.natural(), rows);
    precision.block_mut(0).copy_from_slice(message.precision().block(0));
    out
}

/// `sum_i w_i a_i' b_i`, `d x d`.
pub(super) fn second_moment(a: &Rows, b: &Rows, weights: &[f64]) -> Vec<f64> {
    let d = a.columns();
    let mut sum = vec![0.0; d * d];
    if d == 1 {
        let products = a.as_slice().iter().zip(b.as_slice()).zip(weights);
        sum[0] = products.map(|((a, b), w)| w * a * b).sum();
        return sum;
    }
    let rows = a.as_slice().chunks_exact(d).zip(b.as_slice().chunks_exact(d));
    for ((a, b), w) in rows.zip(weights) {
        for (i, a) in a.iter().enumerate() {
            sum[i * d..(i + 1) * d].iter_mut().zip(b).for_each(|(s, b)| *s += w * a * b);
        }
    }
    sum
}

/// `sum_i w_i a_i`, of length `d`.
pub(super) fn mean(a: &Rows, weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; a.columns()];
    for (row, w) in a.as_slice().chunks_exact(a.columns()).zip(weights) {
        sum.iter_mut().zip(row).for_each(|(s, v)| *s += w * v);
    }
    sum
}

/// `out += row K`, for `K` of as many columns as `out`.
pub(super) fn add_product(row: &[f64], matrix: &[f64], out: &mut [f64]) {
    let d = out.len();
    for (r, m) in row.iter().zip(matrix.chunks_exact(d)) {
        out.iter_mut().zip(m).for_each(|(o, m)| *o += r * m);
    }
}

/// The matched law of a message: what it claims is true. `covariance` and `mean` of the truth are given where the
/// message holds the prior of the variable.
pub(super) fn matched_law(
    precision: &[f64],
    prior: Option<(&[f64], &[f64])>,
    d: usize,
) -> MessageLaw {
    let mut law = MessageLaw::vacuous(d);
    law.precision.copy_from_slice(precision);
    law.signal.copy_from_slice(precision);
    law.noise.copy_from_slice(precision);
    if let Some((mean, covariance)) = prior {
        // r = E[x0 | r]: N = r Gamma has M = Chi = Gamma - Cov^-1 about the mean of x0.
        let inverse = pseudo_inverse(covariance, d);
        law.signal.iter_mut().zip(&inverse).for_each(|(s, i)| *s -= i);
        small::row_times(mean, &inverse, &mut law.offset, d);
        // Integration errors may leave a direction that holds nothing with a negative share.
        let (root, _) = super::innovation::roots(&law.signal, 0.0, d);
        transposed_times(&root, &root, &mut law.signal, d);
        law.noise.copy_from_slice(&law.signal);
    }
    law
}
