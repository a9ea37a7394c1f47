//! What an operator on entries sees of the laws of rows: it mixes the columns, so that all of them look alike.

use super::law::MessageLaw;
use super::port::add_product;
use super::truth::Moments;
use crate::message::small;

/// The laws that one port has been told, reduced to those of entries and written as isotropic ones of `d` columns.
///
/// In the singular basis truth and message are two vectors of which only lengths and the angle between them are known:
/// the truth has mean zero and the power `t = tr(T0) / d`, and the message is `n = m x0 + r` with `r` orthogonal to `x0`,
/// whatever share of `r` is noise, a constant, or a part of the truth turned into another column.
#[derive(Debug)]
pub(super) struct Entries {
    /// Moments of the rows of truth, as they are.
    truth: Moments,
    /// `M - m I` and `c` of each law told so far.
    told: Vec<Residual>,
}

/// What is left of a message when the truth is taken out entry by entry, but for its noise.
#[derive(Debug)]
struct Residual {
    slope: Vec<f64>,
    offset: Vec<f64>,
}

impl Entries {
    pub(super) fn new(truth: Moments) -> Self {
        Self { truth, told: Vec::new() }
    }

    /// The law that entries have; of `cross`, the covariances of the noise with those of all laws told before, `None` for
    /// the first of a new series.
    pub(super) fn tell(
        &mut self,
        law: &MessageLaw,
        cross: Option<&[Vec<f64>]>,
    ) -> (MessageLaw, Option<Vec<Vec<f64>>>) {
        let (reduced, residual) = self.reduce(law);
        if cross.is_none() {
            self.told.clear();
        }
        let d = law.columns();
        let crosses = cross.map(|cross| {
            let earlier = self.told.iter().zip(cross);
            let both = |(told, noise): (&Residual, &Vec<f64>)| {
                small::scalar_matrix(self.product(told, &residual, noise), d)
            };
            earlier.map(both).collect()
        });
        self.told.push(residual);
        (reduced, crosses)
    }

    /// The law of entries of one message by itself.
    pub(super) fn law(&self, law: &MessageLaw) -> MessageLaw {
        self.reduce(law).0
    }

    fn reduce(&self, law: &MessageLaw) -> (MessageLaw, Residual) {
        let d = law.columns();
        let mut shared = vec![0.0; d * d];
        small::multiply(&self.truth.second, &law.signal, &mut shared, d);
        let constant: f64 = self.truth.mean.iter().zip(&law.offset).map(|(m, c)| m * c).sum();
        let power = small::trace(&self.truth.second, d);
        let share = if power > 0.0 { (small::trace(&shared, d) + constant) / power } else { 0.0 };
        let mut slope = law.signal.clone();
        slope.iter_mut().step_by(d + 1).for_each(|m| *m -= share);
        let residual = Residual { slope, offset: law.offset.clone() };
        let mut reduced = MessageLaw::vacuous(d);
        reduced.precision = small::scalar_matrix(small::trace(&law.precision, d) / d as f64, d);
        reduced.signal = small::scalar_matrix(share, d);
        reduced.noise =
            small::scalar_matrix(self.product(&residual, &residual, &law.noise).max(0.0), d);
        (reduced, residual)
    }

    /// `E[r_s . r_t] / d` of two residuals with noises of this covariance.
    fn product(&self, s: &Residual, t: &Residual, noise: &[f64]) -> f64 {
        let d = s.offset.len();
        let Moments { mean, second } = &self.truth;
        let mut seen = vec![0.0; d * d];
        small::multiply(second, &t.slope, &mut seen, d);
        let slopes: f64 = s.slope.iter().zip(&seen).map(|(a, b)| a * b).sum();
        let through = |r: &Residual| {
            let mut out = r.offset.clone();
            add_product(mean, &r.slope, &mut out);
            out
        };
        // E[(x S + a) . (x T + b)] = tr(S' T0 T) + (mean S + a) . (mean T + b) - mean S . mean T.
        let (whole_s, whole_t) = (through(s), through(t));
        let constants: f64 = (0..d)
            .map(|j| {
                let moving = (whole_s[j] - s.offset[j]) * (whole_t[j] - t.offset[j]);
                whole_s[j] * whole_t[j] - moving
            })
            .sum();
        (slopes + constants + small::trace(noise, d)) / d as f64
    }
}

/// Moments of rows whose entries have the mean square of those of these rows, and nothing else in common.
pub(super) fn of_entries(moments: &Moments) -> Moments {
    let d = moments.mean.len();
    let power = small::trace(&moments.second, d) / d as f64;
    Moments { mean: vec![0.0; d], second: small::scalar_matrix(power, d) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    /// Truth and two messages about it.
    type Row = ([f64; 2], Vec<f64>, Vec<f64>);

    /// Rows of truth and of two messages about them, against the moments of their entries.
    #[test]
    fn laws_of_entries_are_averages_over_rows() {
        const ROWS: usize = 200;
        let (d, rng) = (2, &mut Pcg64::seed_from_u64(1));
        let mut number = || 2.0 * rng.random::<f64>() - 1.0;
        let mut matrix = || (0..4).map(|_| number()).collect::<Vec<f64>>();
        let (first, second, factors) = (matrix(), matrix(), matrix());
        let offsets = [[0.3, -0.2], [0.5, 0.1]];
        // Truths (1, 2), (-1, 0.5) and noises of which each pair comes equally often: moments are plain averages.
        let (truths, noises) =
            ([[1.0, 2.0], [-1.0, 0.5]], [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]);
        let mut rows: Vec<Row> = Vec::new();
        for i in 0..ROWS {
            let (x, e) = (truths[i % 2], noises[i / 2 % 4]);
            let noise = |k: usize| -> Vec<f64> {
                let scale = [1.0, 0.7][k];
                (0..2).map(|j| scale * (e[0] * factors[j] + e[1] * factors[2 + j])).collect()
            };
            let told = |k: usize, m: &[f64]| -> Vec<f64> {
                let noise = noise(k);
                (0..2).map(|j| x[0] * m[j] + x[1] * m[2 + j] + offsets[k][j] + noise[j]).collect()
            };
            rows.push((x, told(0, &first), told(1, &second)));
        }
        let average = |f: &dyn Fn(&Row) -> f64| rows.iter().map(f).sum::<f64>() / ROWS as f64;
        let truth = Moments {
            mean: (0..d).map(|j| average(&|r| r.0[j])).collect(),
            second: (0..4).map(|k| average(&|r| r.0[k / 2] * r.0[k % 2])).collect(),
        };
        let covariance = |scale: f64| -> Vec<f64> {
            let f = &factors;
            (0..4)
                .map(|k| 0.5 * scale * (f[k / 2] * f[k % 2] + f[2 + k / 2] * f[2 + k % 2]))
                .collect()
        };
        let law = |m: &[f64], k: usize, scale: f64| {
            let precision = small::scalar_matrix(1.5, d);
            MessageLaw::new(d, precision, m.to_vec(), offsets[k].to_vec(), covariance(scale))
                .unwrap()
        };
        let mut entries = Entries::new(truth);
        let (a, _) = entries.tell(&law(&first, 0, 1.0), None);
        let (b, cross) = entries.tell(&law(&second, 1, 0.49), Some(&[covariance(0.7)]));
        let dot =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / d as f64;
        let power = average(&|r| dot(&r.0, &r.0));
        let shares = [average(&|r| dot(&r.0, &r.1)) / power, average(&|r| dot(&r.0, &r.2)) / power];
        let left = |r: &Row, k: usize| -> Vec<f64> {
            let n = if k == 0 { &r.1 } else { &r.2 };
            (0..2).map(|j| n[j] - shares[k] * r.0[j]).collect()
        };
        let residual = |s: usize, t: usize| average(&|r| dot(&left(r, s), &left(r, t)));
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-13, "{a} {b}");
        for (law, k) in [(&a, 0), (&b, 1)] {
            close(law.signal()[0], shares[k]);
            close(law.noise()[3], residual(k, k));
            assert_eq!((law.signal()[1], law.noise()[2], law.offset()), (0.0, 0.0, &[0.0; 2][..]));
        }
        close(cross.unwrap()[0][0], residual(0, 1));
    }
}
