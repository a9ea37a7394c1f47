//! The two-layer network as a problem of minimisation: its regularised loss on data, and the gradient.

use fg_core::Rows;
use fg_core::special::{log1pexp, logistic};

use crate::{ModelError, check};

/// The loss `1/N sum_i sum_o loss(y_io, u_io) + sum_r penalty_r |row r of W1|^2` of the outputs `u_i = W2' sigma(W1' x_i) +
/// b2`, to be minimised over the `N_in x d` matrix `W1`. A bias is a constant column of the inputs.
#[derive(Clone, Debug)]
pub struct Regression<'a, F, L> {
    /// `X`, `N x N_in`.
    pub inputs: &'a Rows,
    /// `Y`, `N x N_out`.
    pub targets: &'a Rows,
    /// `W2`, `d x N_out`.
    pub output_weights: &'a Rows,
    /// `b2`, of length `N_out`.
    pub output_bias: &'a [f64],
    /// L2 weight of each row of `W1`, of length `N_in`.
    pub penalty: &'a [f64],
    /// Value and derivative of the activation.
    pub activation: F,
    /// Value of the loss and its derivative by the output, given target and output: [`squared_loss`], [`logistic_loss`].
    pub loss: L,
}

/// `(y - u)^2`.
pub fn squared_loss(y: f64, u: f64) -> (f64, f64) {
    ((u - y) * (u - y), 2.0 * (u - y))
}

/// `log(1 + exp(-y u))` for labels `y` of -1 and 1.
pub fn logistic_loss(y: f64, u: f64) -> (f64, f64) {
    (log1pexp(-y * u), -y * logistic(-y * u))
}

impl<F: Fn(f64) -> (f64, f64), L: Fn(f64, f64) -> (f64, f64)> Regression<'_, F, L> {
    /// The loss with its mean taken over `samples`, and its gradient, at the transposed weights (`d x N_in`, so that
    /// every loop runs along a row of inputs).
    pub(super) fn loss_and_gradient(
        &self,
        weights: &Rows,
        samples: &[usize],
        gradient: &mut [f64],
    ) -> f64 {
        let ((d, inputs), share) = (weights.shape(), (samples.len() as f64).recip());
        let mut loss = 0.0;
        for ((g, w), k) in gradient.iter_mut().zip(weights.as_slice()).zip((0..inputs).cycle()) {
            loss += self.penalty[k] * w * w;
            *g = 2.0 * self.penalty[k] * w;
        }
        let mut hidden = vec![(0.0, 0.0); d];
        let mut output = vec![0.0; self.targets.columns()];
        for &i in samples {
            let x = self.inputs.row(i);
            output.copy_from_slice(self.output_bias);
            for (j, unit) in hidden.iter_mut().enumerate() {
                *unit = (self.activation)(dot(weights.row(j), x));
                let outputs = output.iter_mut().zip(self.output_weights.row(j));
                outputs.for_each(|(u, w)| *u += unit.0 * w);
            }
            for (u, y) in output.iter_mut().zip(self.targets.row(i)) {
                let (value, slope) = (self.loss)(*y, *u);
                loss += share * value;
                *u = slope;
            }
            for (j, unit) in hidden.iter().enumerate() {
                let delta = share * unit.1 * dot(&output, self.output_weights.row(j));
                let row = &mut gradient[j * inputs..(j + 1) * inputs];
                row.iter_mut().zip(x).for_each(|(g, x)| *g += delta * x);
            }
        }
        loss
    }

    pub(super) fn check(&self, start: &Rows) -> Result<(), ModelError> {
        let (n, inputs) = self.inputs.shape();
        let (d, outputs) = self.output_weights.shape();
        check::shape("start", (inputs, d), start.shape())?;
        check::shape("targets", (n, outputs), self.targets.shape())?;
        check::shape("output bias", (outputs, 1), (self.output_bias.len(), 1))?;
        check::shape("penalty", (inputs, 1), (self.penalty.len(), 1))?;
        check::finite("inputs", self.inputs)?;
        check::finite("targets", self.targets)?;
        check::finite("start", start)
    }
}

pub(super) fn transpose(matrix: &Rows) -> Rows {
    Rows::from_fn(matrix.columns(), matrix.rows(), |i, j| matrix[(j, i)])
}

/// Sums in eight lanes, which the compiler may not introduce by itself since it changes the rounding.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        (0..8).for_each(|k| lanes[k] += a[k] * b[k]);
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::gaussian_rows;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    fn tanh(z: f64) -> (f64, f64) {
        (z.tanh(), z.cosh().powi(-2))
    }

    #[test]
    fn gradients_agree_with_differences() {
        check_gradient(squared_loss);
        check_gradient(|y, u| logistic_loss(y.signum(), u));
    }

    fn check_gradient(loss: impl Fn(f64, f64) -> (f64, f64)) {
        let mut rng = Pcg64::seed_from_u64(1);
        let (n, inputs, d, outputs) = (7, 11, 3, 2);
        let x = gaussian_rows(n, inputs, 1.0, &mut rng);
        let y = gaussian_rows(n, outputs, 1.0, &mut rng);
        let w2 = gaussian_rows(d, outputs, 1.0, &mut rng);
        let penalty: Vec<f64> = (0..inputs).map(|k| 0.01 * k as f64).collect();
        let problem = Regression {
            inputs: &x,
            targets: &y,
            output_weights: &w2,
            output_bias: &[0.3, -0.2],
            penalty: &penalty,
            activation: tanh,
            loss,
        };
        let weights = gaussian_rows(d, inputs, 0.1, &mut rng);
        let (samples, mut gradient) = ([0, 2, 5, 6], vec![f64::NAN; d * inputs]);
        problem.loss_and_gradient(&weights, &samples, &mut gradient);
        // Central differences with step h err by h^2 times a third derivative of order 1 and by rounding over h.
        let h = 1e-5;
        let mut ignored = gradient.clone();
        for k in 0..gradient.len() {
            let mut at = |shift: f64| {
                let mut moved = weights.clone();
                moved.as_mut_slice()[k] += shift;
                problem.loss_and_gradient(&moved, &samples, &mut ignored)
            };
            let difference = (at(h) - at(-h)) / (2.0 * h);
            let error = (difference - gradient[k]).abs();
            assert!(error < 1e-8, "entry {k}: {difference} against {}", gradient[k]);
        }
    }

    #[test]
    fn dot_products_of_every_length() {
        for n in 0..40 {
            let a: Vec<f64> = (0..n).map(f64::from).collect();
            let expected: f64 = a.iter().map(|v| v * v).sum();
            assert!((dot(&a, &a) - expected).abs() <= 1e-9, "length {n}");
        }
    }
}
