//! What happens to a quotient that isn't a message: keep the directions it knows, or clamp it.

use super::natural::Message;
use super::small::{self, NotPositive};
use crate::rows::Rows;

/// What the engine does with a factor's new message when some direction of it is indefinite or pure noise.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// Keep the directions whose share of the belief's information exceeds a threshold; the others carry no
    /// message. The threshold is zero for exact beliefs and `errors` standard errors for sampled ones.
    #[default]
    Project,
    /// Move the eigenvalues of the precision into `[minimum, maximum]`, and keep the mean
    /// of the belief: `N` follows `Gamma`.
    Clamp {
        /// Smallest precision of a message.
        minimum: f64,
        /// Largest precision of a message.
        maximum: f64,
    },
    /// Every message has the precision of its cavity, whatever the belief's covariance: `N = 2 Xhat Gamma - N_cavity`.
    /// Precisions then stay what the first messages had. Between a penalty and a square this is splitting after Peaceman
    /// and Rachford, and with a damping of 1/2 of the messages from the square after Douglas and Rachford: the alternating
    /// direction method of multipliers (ADMM) with a fixed step. Messages that don't depend on their cavity, those of
    /// Gaussian nodes, stay exact.
    Fixed,
}

/// Buffers to apply a [`Policy`] block by block.
#[derive(Debug)]
pub struct Projector {
    columns: usize,
    root: Vec<f64>,
    inverse_root: Vec<f64>,
    whitened: Vec<f64>,
    vectors: Vec<f64>,
    work: Vec<f64>,
    values: Vec<f64>,
    map: Vec<f64>,
    row: Vec<f64>,
}

impl Projector {
    /// Buffers for `d` columns.
    pub fn new(columns: usize) -> Self {
        let square = || vec![0.0; columns * columns];
        Self {
            columns,
            root: square(),
            inverse_root: square(),
            whitened: square(),
            vectors: square(),
            work: square(),
            map: square(),
            values: vec![0.0; columns],
            row: vec![0.0; columns],
        }
    }

    /// Projects block `b` of `message`: with `Lambda = L L'` and `L^-1 Gamma L^-T = Q D Q'`, keeps the
    /// directions `K` where `D > threshold`, so that `Gamma = L Q D_K Q' L'` and
    /// `N <- N L^-T Q P_K Q' L'`. Returns how many directions were dropped.
    ///
    /// `lambda` is the belief's precision in that block, `d x d`. A message that passes is left untouched, to
    /// the last bit.
    ///
    /// # Errors
    /// [`NotPositive`] when `lambda` isn't positive definite.
    pub fn project(
        &mut self,
        message: &mut Message,
        b: usize,
        lambda: &[f64],
        threshold: f64,
    ) -> Result<usize, NotPositive> {
        let d = self.columns;
        let form = message.layout().form();
        let (natural, precision) = message.parts_mut();
        let range = precision.layout().range(b);
        let gamma = precision.block_mut(b);
        if d == 1 {
            if gamma[0] > threshold * lambda[0] {
                return Ok(0);
            }
            let dropped = usize::from(gamma[0] != 0.0);
            gamma[0] = 0.0;
            natural.rows_slice_mut(range).fill(0.0);
            return Ok(dropped);
        }
        self.whiten(gamma, lambda)?;
        let dropped = self.values.iter().filter(|&&v| !(v > threshold)).count();
        if dropped == 0 {
            return Ok(0);
        }
        for k in 0..d {
            let kept = f64::from(u8::from(self.values[k] > threshold));
            for i in 0..d {
                self.map[i * d + k] = self.vectors[i * d + k] * kept;
            }
        }
        self.spectral(|value| if value > threshold { value } else { 0.0 });
        self.unwhiten(gamma);
        form.restrict(gamma, d);
        // N L^-T (Q P Q') L', rows times matrices; `map` becomes L^-T Q P Q' L'.
        self.projection_map();
        self.map_rows(natural, range);
        Ok(dropped)
    }

    /// Moves the eigenvalues of block `b` into `[minimum, maximum]` and sets `N = Xhat (Gamma_cavity + Gamma) -
    /// N_cavity`, so that cavity times message keeps the belief's mean. Returns how many eigenvalues moved.
    pub fn clamp(
        &mut self,
        message: &mut Message,
        b: usize,
        cavity: &Message,
        belief_mean: &Rows,
        bounds: (f64, f64),
    ) -> usize {
        let d = self.columns;
        let form = message.layout().form();
        let (natural, precision) = message.parts_mut();
        let range = precision.layout().range(b);
        let gamma = precision.block_mut(b);
        self.work.copy_from_slice(gamma);
        small::eigen_symmetric(&mut self.work, &mut self.values, &mut self.vectors, d);
        let inside = |v: f64| v >= bounds.0 && v <= bounds.1;
        let clamped = self.values.iter().filter(|&&v| !inside(v)).count();
        if clamped == 0 {
            return 0;
        }
        self.spectral(|value| value.clamp(bounds.0, bounds.1));
        gamma.copy_from_slice(&self.whitened);
        form.restrict(gamma, d);
        for (w, (g, c)) in self.work.iter_mut().zip(gamma.iter().zip(cavity.precision().block(b))) {
            *w = g + c;
        }
        for i in range {
            let row = natural.row_mut(i);
            small::row_times(belief_mean.row(i), &self.work, row, d);
            for (n, c) in row.iter_mut().zip(cavity.natural().row(i)) {
                *n -= c;
            }
        }
        clamped
    }

    /// Eigen-decomposition of `L^-1 gamma L^-T`; keeps `L` and `L^-1`.
    fn whiten(&mut self, gamma: &[f64], lambda: &[f64]) -> Result<(), NotPositive> {
        let d = self.columns;
        self.root.copy_from_slice(lambda);
        small::cholesky(&mut self.root, d)?;
        small::invert_lower(&self.root, &mut self.inverse_root, d);
        small::multiply(&self.inverse_root, gamma, &mut self.work, d);
        small::transpose(&self.inverse_root, &mut self.map, d);
        small::multiply(&self.work, &self.map, &mut self.whitened, d);
        small::symmetrise(&mut self.whitened, d);
        small::eigen_symmetric(&mut self.whitened, &mut self.values, &mut self.vectors, d);
        Ok(())
    }

    /// `whitened = Q f(D) Q'`.
    fn spectral(&mut self, f: impl Fn(f64) -> f64) {
        for (changed, &value) in self.row.iter_mut().zip(&self.values) {
            *changed = f(value);
        }
        small::rebuild(&self.vectors, &self.row, &mut self.whitened, self.columns);
    }

    /// `gamma = L whitened L'`.
    fn unwhiten(&mut self, gamma: &mut [f64]) {
        let d = self.columns;
        small::multiply(&self.root, &self.whitened, &mut self.work, d);
        for i in 0..d {
            for j in 0..=i {
                let sum = (0..d).map(|k| self.work[i * d + k] * self.root[j * d + k]).sum();
                gamma[i * d + j] = sum;
                gamma[j * d + i] = sum;
            }
        }
    }

    /// From `map = Q P` to `map = L^-T (Q P) Q' L'`.
    fn projection_map(&mut self) {
        let d = self.columns;
        for i in 0..d {
            for j in 0..d {
                let sum = (0..d).map(|k| self.map[i * d + k] * self.vectors[j * d + k]).sum();
                self.whitened[i * d + j] = sum;
            }
        }
        for i in 0..d {
            for j in 0..d {
                let left = (0..d).map(|k| self.inverse_root[k * d + i] * self.whitened[k * d + j]);
                self.work[i * d + j] = left.sum();
            }
        }
        for i in 0..d {
            for j in 0..d {
                let right = (0..d).map(|k| self.work[i * d + k] * self.root[j * d + k]);
                self.map[i * d + j] = right.sum();
            }
        }
    }

    fn map_rows(&mut self, natural: &mut Rows, range: core::ops::Range<usize>) {
        for i in range {
            let row = natural.row_mut(i);
            small::row_times(row, &self.map, &mut self.row, self.columns);
            row.copy_from_slice(&self.row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Precision, Structure};
    use proptest::prelude::*;

    /// A few rounding errors of 3 x 3 products of entries of order one, amplified by factors of condition 100.
    const ROUNDING: f64 = 1e-11;
    const D: usize = 3;

    /// `G G' + I / 10` from nine numbers: condition at most about 100.
    fn positive(g: &[f64]) -> Vec<f64> {
        let (mut transposed, mut a) = (vec![0.0; D * D], vec![0.0; D * D]);
        small::transpose(g, &mut transposed, D);
        small::multiply(g, &transposed, &mut a, D);
        (0..D).for_each(|j| a[j * D + j] += 0.1);
        a
    }

    /// A message of four rows with any symmetric matrix, definite or not.
    fn quotient(natural: &[f64], gamma: &[f64]) -> Message {
        let layout = Structure::shared().layout(4, D).unwrap();
        let natural = Rows::from_vec(4, D, natural.to_vec()).unwrap();
        let mut message = Message::new(natural, Precision::zero(layout)).unwrap();
        message.parts_mut().1.block_mut(0).copy_from_slice(gamma);
        small::symmetrise(message.parts_mut().1.block_mut(0), D);
        message
    }

    fn entries(n: usize) -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(-1.0..1.0f64, n)
    }

    proptest! {
        #[test]
        fn projection_keeps_what_it_knows_and_drops_the_rest(
            root in entries(D * D), gamma in entries(D * D), natural in entries(4 * D),
            threshold in 0.0..0.1f64,
        ) {
            let lambda = positive(&root);
            let before = quotient(&natural, &gamma);
            let mut after = before.clone();
            let mut projector = Projector::new(D);
            let dropped = projector.project(&mut after, 0, &lambda, threshold).unwrap();
            if dropped == 0 {
                prop_assert_eq!(&after, &before);
            }
            // Directions w_k = L^-T q_k: generalised eigenvectors of (Gamma, Lambda).
            let mut root = lambda.clone();
            small::cholesky(&mut root, D).unwrap();
            projector.whiten(before.precision().block(0), &lambda).unwrap();
            let mut lost = 0;
            for k in 0..D {
                let mut w: Vec<f64> = (0..D).map(|i| projector.vectors[i * D + k]).collect();
                small::solve_lower_transposed(&root, &mut w, D);
                let share = projector.values[k];
                let kept = share > threshold;
                lost += usize::from(!kept);
                let got = small::bilinear(&w, after.precision().block(0), &w, D);
                let expected = if kept { share } else { 0.0 };
                prop_assert!((got - expected).abs() < ROUNDING, "share {got} for {expected}");
                for i in 0..4 {
                    let along = |m: &Message| -> f64 {
                        m.natural().row(i).iter().zip(&w).map(|(n, w)| n * w).sum()
                    };
                    let expected = if kept { along(&before) } else { 0.0 };
                    let got = along(&after);
                    prop_assert!((got - expected).abs() < ROUNDING, "N w {got} for {expected}");
                }
            }
            prop_assert_eq!(lost, dropped);
        }

        #[test]
        fn clamping_keeps_the_mean_of_the_belief(
            root in entries(D * D), gamma in entries(D * D), natural in entries(4 * D),
            mean in entries(4 * D),
        ) {
            let cavity = quotient(&natural, &positive(&root));
            let mut message = quotient(&natural, &gamma);
            let mean = Rows::from_vec(4, D, mean).unwrap();
            let moved = Projector::new(D).clamp(&mut message, 0, &cavity, &mean, (0.05, 0.5));
            if moved > 0 {
                let mut total = cavity.clone();
                total.multiply(&message).unwrap();
                let mut product = Rows::zeros(4, D);
                total.mean_into(&mut product);
                let error = product.mean_squared_error(&mean).sqrt();
                prop_assert!(error < ROUNDING, "mean moved by {error:e}");
            }
            let (mut values, mut vectors) = (vec![0.0; D], vec![0.0; D * D]);
            let mut block = message.precision().block(0).to_vec();
            small::eigen_symmetric(&mut block, &mut values, &mut vectors, D);
            let inside = |v: &f64| *v > 0.05 - ROUNDING && *v < 0.5 + ROUNDING;
            prop_assert!(values.iter().all(inside), "{values:?}");
        }
    }

    #[test]
    fn scalar_messages_are_dropped_when_negative_or_noise() {
        let layout = Structure::per_row().layout(2, 1).unwrap();
        let precision = Precision::isotropic(layout, 0.5).unwrap();
        let mean = Rows::column(vec![1.0, 2.0]);
        let mut message = Message::from_mean(&mean, precision).unwrap();
        let mut projector = Projector::new(1);
        assert_eq!(projector.project(&mut message, 0, &[1.0], 0.4), Ok(0));
        assert_eq!(projector.project(&mut message, 1, &[1.0], 0.6), Ok(1));
        assert_eq!(message.natural().as_slice(), &[0.5, 0.0]);
    }
}
