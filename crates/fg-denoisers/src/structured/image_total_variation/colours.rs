//! Total variation of the columns of an image, such as colours: one after the other, until none has reason to move.

use fg_core::denoiser::RowCavity;
use fg_core::message::{ColumnForm, small};

use super::Steps;
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

    fn gamma(&self, j: usize, k: usize) -> f64 {
        self.cavity.precision()[j * self.costs.len() + k]
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
        let alone = ColumnForm::Diagonal.holds(self.cavity.precision(), d);
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
