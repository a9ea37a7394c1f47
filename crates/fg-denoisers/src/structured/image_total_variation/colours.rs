//! Total variation of the columns of an image, such as colours: one after the other, until none has reason to move.

use fg_core::denoiser::RowCavity;
use fg_core::message::small;

use super::Steps;
use super::flat::Flat;
use super::image::{Dual, Problem};

/// An image of several columns, the costs of their variations, and the bounds of the iteration.
#[derive(Debug)]
pub(super) struct Colours<'a> {
    pub(super) cavity: &'a RowCavity<'a>,
    /// Inverse of the precision.
    pub(super) covariance: &'a [f64],
    pub(super) width: usize,
    pub(super) steps: Steps,
    /// Cost of a unit of variation in each column.
    pub(super) costs: &'a [f64],
    /// Bound on the duality gap of all columns together.
    pub(super) gap: f64,
    /// Of each column.
    pub(super) iterations: usize,
}

/// A cost and how well it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) value: f64,
    pub(super) rounding: f64,
}

/// Errors of sums of as many terms as pixels, beside the sizes of the terms: their roundings add up as a random walk does.
const ROUNDING: f64 = 16.0 * f64::EPSILON;

impl Colours<'_> {
    /// The column by itself, while its duality gap may be this.
    pub(super) fn problem(&self, j: usize, gap: f64) -> Problem {
        let gamma = self.gamma(j, j);
        Problem {
            width: self.width,
            steps: self.steps,
            weight: self.costs[j] / gamma,
            gap: gap / gamma,
            iterations: self.iterations,
        }
    }

    pub(super) fn gamma(&self, j: usize, k: usize) -> f64 {
        self.cavity.precision()[j * self.costs.len() + k]
    }

    /// Whether the precision couples no columns.
    pub(super) fn alone(&self) -> bool {
        self.cavity.is_diagonal()
    }

    /// The minimiser of `tr (X - R) Gamma (X - R)' / 2 + sum_j cost_j variation(x_j)`, column after column, from these duals,
    /// which are left at the solution; none when the iterations don't suffice.
    ///
    /// The penalty is one of each column, so that minimising over one at a time has no other rest than the minimum. What a
    /// column says of itself once the others have moved on, `S`, joins the duality gap by `tr S Gamma^-1 S' / 2`.
    pub(super) fn minimise(&self, duals: &mut [Dual]) -> Option<Vec<Vec<f64>>> {
        let (n, d) = (self.cavity.len(), self.costs.len());
        let column = |j: usize| (0..n).map(|i| self.cavity.mean()[i * d + j]).collect();
        let mut x: Vec<Vec<f64>> = (0..d).map(column).collect();
        let mut seen = x.clone();
        let alone = self.alone();
        // Columns that are alone have all of the gap for themselves; others leave half of it for what they owe each other.
        let share = if alone { self.gap } else { 0.5 * self.gap } / d as f64;
        let mut left = vec![self.iterations; d];
        loop {
            let mut gap = 0.0;
            for j in 0..d {
                self.attend(j, &x, &mut seen[j]);
                let problem = Problem { iterations: left[j], ..self.problem(j, share) };
                let found = problem.minimise(&seen[j], &mut duals[j], &mut x[j])?;
                gap += self.gamma(j, j) * found.gap;
                left[j] = left[j].checked_sub(found.iterations.max(1))?;
            }
            if alone || gap + self.owed(&x, &seen) <= self.gap {
                return Some(x);
            }
        }
    }

    /// The cost of an image, less what doesn't depend on it.
    pub(super) fn cost(&self, x: &[Vec<f64>]) -> Cost {
        let mut sum = Cost { value: 0.0, rounding: 0.0 };
        for i in 0..self.cavity.len() {
            let Cost { value, rounding } = self.cost_at(x, i);
            sum = Cost { value: sum.value + value, rounding: sum.rounding + rounding };
        }
        sum
    }

    /// The part of a pixel.
    pub(super) fn cost_at(&self, x: &[Vec<f64>], i: usize) -> Cost {
        let d = self.costs.len();
        let (mut value, mut size) = (0.0, 0.0);
        for (j, column) in x.iter().enumerate() {
            let known = (0..d).map(|k| self.gamma(j, k) * x[k][i]).sum::<f64>();
            let square = 0.5 * column[i] * known;
            let linear = column[i] * self.cavity.natural()[i * d + j];
            let variation = self.costs[j] * self.problem(j, self.gap).variation_at(column, i);
            value += square - linear + variation;
            size += square.abs() + linear.abs() + variation;
        }
        Cost { value, rounding: ROUNDING * size }
    }

    /// The regions of a solution with these duals.
    pub(super) fn flat(&self, x: &[Vec<f64>], duals: &[Dual]) -> Flat<'_> {
        let columns = x.iter().zip(duals).enumerate();
        let regions = columns.map(|(j, (x, dual))| self.problem(j, self.gap).regions(x, dual));
        Flat::new(self, regions.collect())
    }

    /// Hands out the derivatives of the square in the pixels of a column, `(X Gamma - N)_j`.
    pub(super) fn add_residuals(&self, j: usize, x: &[Vec<f64>], mut add: impl FnMut(usize, f64)) {
        let d = self.costs.len();
        for i in 0..x[j].len() {
            let known = (0..d).map(|k| self.gamma(j, k) * x[k][i]).sum::<f64>();
            add(i, known - self.cavity.natural()[i * d + j]);
        }
    }

    /// What the square asks of a column, the others being what they are: `(n_j - sum_k Gamma_jk x_k) / Gamma_jj`.
    fn attend(&self, j: usize, x: &[Vec<f64>], out: &mut [f64]) {
        let d = self.costs.len();
        for (i, out) in out.iter_mut().enumerate() {
            let others = (0..d).filter(|&k| k != j).map(|k| self.gamma(j, k) * x[k][i]);
            *out = (self.cavity.natural()[i * d + j] - others.sum::<f64>()) / self.gamma(j, j);
        }
    }

    /// `tr S Gamma^-1 S' / 2` where columns were minimised for what was seen.
    fn owed(&self, x: &[Vec<f64>], seen: &[Vec<f64>]) -> f64 {
        let (n, d) = (self.cavity.len(), self.costs.len());
        let mut moved: Vec<Vec<f64>> = vec![vec![0.0; n]; d];
        for (j, moved) in moved.iter_mut().enumerate() {
            self.attend(j, x, moved);
            let gamma = self.gamma(j, j);
            moved.iter_mut().zip(&seen[j]).for_each(|(now, then)| *now = gamma * (*now - then));
        }
        let mut row = vec![0.0; d];
        let mut sum = 0.0;
        for i in 0..n {
            row.iter_mut().zip(&moved).for_each(|(entry, column)| *entry = column[i]);
            sum += 0.5 * small::bilinear(&row, self.covariance, &row, d);
        }
        sum
    }
}
