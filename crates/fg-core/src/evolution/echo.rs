//! What a message holds of its own cavity's noise, where a clamp, a bound or a fixed precision divides by another covariance
//! than the belief's.

use super::innovation::pseudo_inverse;
use super::port::{add_product, second_moment};
use crate::message::small;
use crate::rows::Rows;

/// `n' = x0 M + c + sum_t g_t B_t + p`, `g_t` being what was fresh in the cavity's noise when the factor was told its cavity for
/// the `t`-th time, and `p` free of all cavities.
///
/// With `n' = xhat L - n` for any `L` the average derivative in the cavity is `B = C L - I` with the average covariance `C`, by
/// Stein's lemma all that `n'` holds of the cavity's noise; it is zero where `L` is `C^-1`. The factor on the other side of the
/// variable is told `g_t B_t` as what it is, its own message of that time, and `p` as noise.
#[derive(Clone, Debug, Default)]
pub(super) struct Echo {
    parts: Vec<(usize, Vec<f64>)>,
}

impl Echo {
    /// Of a message of precision `message` that was divided out of a belief of this covariance by the cavity of precision
    /// `cavity` and index `told`.
    pub(super) fn new(
        told: usize,
        covariance: &[f64],
        [cavity, message]: [&[f64]; 2],
        d: usize,
    ) -> Self {
        let product: Vec<f64> = cavity.iter().zip(message).map(|(g, n)| g + n).collect();
        let mut derivative = vec![0.0; d * d];
        small::multiply(covariance, &product, &mut derivative, d);
        derivative.iter_mut().step_by(d + 1).for_each(|v| *v -= 1.0);
        Self { parts: vec![(told, derivative)] }
    }

    /// The same by regression on rows that realise the noise of the cavity of index `told`: for beliefs whose covariance is an
    /// estimate of the derivative, such as one by differences over a step.
    pub(super) fn regressed(told: usize, noise: &Rows, message: &Rows, weights: &[f64]) -> Self {
        let d = noise.columns();
        let inverse = pseudo_inverse(&second_moment(noise, noise, weights), d);
        let mut derivative = vec![0.0; d * d];
        small::multiply(&inverse, &second_moment(noise, message, weights), &mut derivative, d);
        Self { parts: vec![(told, derivative)] }
    }

    /// That of this message with weight `weight` and of the previous one with the rest.
    pub(super) fn damped(mut self, previous: &Self, weight: f64) -> Self {
        if weight < 1.0 {
            self.parts.iter_mut().for_each(|(_, b)| b.iter_mut().for_each(|b| *b *= weight));
            for (told, old) in &previous.parts {
                let old = old.iter().map(|b| (1.0 - weight) * b);
                match self.parts.iter_mut().find(|(t, _)| t == told) {
                    Some((_, own)) => own.iter_mut().zip(old).for_each(|(a, b)| *a += b),
                    None => self.parts.push((*told, old.collect())),
                }
            }
        }
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// `sum_t g_t B_t` as combinations of innovations, given those of each `g_t`.
    pub(super) fn combined<'a>(
        &self,
        noise: impl Fn(usize) -> &'a [Vec<f64>],
        d: usize,
    ) -> Vec<Vec<f64>> {
        let (mut blocks, mut product) = (Vec::new(), vec![0.0; d * d]);
        for (told, b) in &self.parts {
            let coefficients = noise(*told);
            blocks.resize(coefficients.len().max(blocks.len()), vec![0.0; d * d]);
            for (block, k) in blocks.iter_mut().zip(coefficients) {
                small::multiply(k, b, &mut product, d);
                block.iter_mut().zip(&product).for_each(|(o, p)| *o += p);
            }
        }
        blocks
    }

    /// `sum_t g_t B_t` on rows that realise the noises.
    pub(super) fn rows<'a>(&self, noise: impl Fn(usize) -> &'a Rows) -> Option<Rows> {
        let mut sum: Option<Rows> = None;
        for (told, b) in &self.parts {
            let g = noise(*told);
            let sum = sum.get_or_insert_with(|| Rows::zeros(g.rows(), g.columns()));
            for i in 0..g.rows() {
                add_product(g.row(i), b, sum.row_mut(i));
            }
        }
        sum
    }
}

/// Adds rows to those of a message, of which there may be more.
pub(super) fn add(rows: &Rows, to: &mut Rows, sign: f64) {
    to.as_mut_slice().iter_mut().zip(rows.as_slice()).for_each(|(t, r)| *t += sign * r);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of products of small matrices.
    const ROUNDING: f64 = 1e-13;
    const COVARIANCE: [f64; 4] = [0.5, 0.1, 0.1, 0.3];
    const CAVITY: [f64; 4] = [1.0, 0.2, 0.2, 2.0];

    #[test]
    fn a_quotient_holds_nothing_of_its_cavity() {
        let mut message = [0.0; 4];
        small::invert_positive(&COVARIANCE, &mut message, &mut [0.0; 8], 2).unwrap();
        message.iter_mut().zip(CAVITY).for_each(|(m, g)| *m -= g);
        let echo = Echo::new(3, &COVARIANCE, [&CAVITY, &message], 2);
        assert!(echo.parts[0].0 == 3 && echo.parts[0].1.iter().all(|b| b.abs() < ROUNDING));
        // Clamped to nothing it is C Gamma - I.
        let echo = Echo::new(0, &COVARIANCE, [&CAVITY, &[0.0; 4]], 2);
        for (b, expected) in echo.parts[0].1.iter().zip([-0.48, 0.3, 0.16, -0.38]) {
            assert!((b - expected).abs() < ROUNDING, "{echo:?}");
        }
    }

    #[test]
    fn regression_and_damping_keep_what_is_held() {
        let noise = Rows::from_vec(4, 2, vec![1.0, 0.5, -1.0, 0.2, 0.3, -0.9, -0.3, 0.2]).unwrap();
        let weights = [0.25; 4];
        let b = [0.2, -0.1, 0.05, 0.3];
        let mut message = Rows::zeros(4, 2);
        (0..4).for_each(|i| add_product(noise.row(i), &b, message.row_mut(i)));
        let first = Echo::regressed(0, &noise, &message, &weights);
        let second = Echo::regressed(1, &noise, &message, &weights).damped(&first, 0.7);
        let third = Echo::default().damped(&second, 0.5);
        let shares = third.parts.iter().map(|(told, found)| {
            let share = found[0] / b[0];
            let near = |(f, b): (&f64, &f64)| (f - share * b).abs() < ROUNDING;
            assert!(found.iter().zip(&b).all(near), "{third:?}");
            (*told, share)
        });
        for ((told, share), expected) in shares.zip([(1, 0.35), (0, 0.15)]) {
            assert!(told == expected.0 && (share - expected.1).abs() < ROUNDING, "{told} {share}");
        }
        let rows = second.rows(|_| &noise).unwrap();
        let apart = rows.as_slice().iter().zip(message.as_slice()).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f64::max) < ROUNDING, "both parts of one noise");
        assert!(Echo::default().is_empty() && Echo::default().rows(|_| &noise).is_none());
    }
}
