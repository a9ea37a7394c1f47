//! The normal equations of one group of columns: assembly, Cholesky factor, constraints, posterior covariances.
//!
//! Unknown `(i, c)`, row `i` and column `c` of a group of width `w`, has index `c n + i`.

use core::f64::consts::TAU;

use faer::{Mat, MatRef};
use fg_linalg::{cholesky, product, spectral, symmetric};

use crate::factor::Breakdown;
use crate::factor::linear::X;

/// Precisions of the free rows as functions of row and pair of columns.
pub(super) struct Precisions<'a> {
    pub(super) width: usize,
    pub(super) x: &'a dyn Fn(usize, usize, usize) -> f64,
    pub(super) z: &'a dyn Fn(usize, usize, usize) -> f64,
    /// The lower triangle of `A' A`, where all rows of Z share a precision.
    pub(super) normal: Option<MatRef<'a, f64>>,
}

/// `H = blockdiag(Gx) + S`, `S = sum_m a_m a_m' (x) Gz_m`, factored, with exact constraints `C x = c`.
#[derive(Debug)]
pub(super) struct System {
    n: usize,
    width: usize,
    /// The Cholesky factor of `H`, of `H + rho C'C` where there are constraints.
    lower: Mat<f64>,
    /// `S`.
    data: Mat<f64>,
    constraints: Constraints,
}

/// What `C x = c` are in coordinates in which the density is round.
#[derive(Debug)]
struct Constraints {
    /// Orthonormal basis of `L^-1 C'`.
    span: Mat<f64>,
    /// From values of `C x` to coordinates in `span`.
    pull: Mat<f64>,
    /// `log det C H^-1 C'` with the penalised `H`, none where constraints repeat each other.
    stretch: Option<f64>,
}

/// Constraints whose share of the largest is smaller repeat others; the square of a singular value, so that about
/// half the digits remain for what is kept.
const DEPENDENT: f64 = 1e-12;

impl System {
    /// Assembles and factors the system of the free rows `a` of the operator and its constraints `fixed`.
    pub(super) fn new(
        a: MatRef<'_, f64>,
        fixed: MatRef<'_, f64>,
        precisions: &Precisions<'_>,
    ) -> Result<Self, Breakdown> {
        let (n, w) = (a.ncols(), precisions.width);
        let data = assemble(a, precisions);
        let mut lower = data.clone();
        for c in 0..w {
            for e in 0..w {
                (0..n).for_each(|i| lower[(c * n + i, e * n + i)] += (precisions.x)(i, c, e));
            }
        }
        if fixed.nrows() > 0 {
            penalise(&mut lower, fixed, w);
        }
        cholesky::factor(&mut lower).map_err(|_| Breakdown::Undetermined { port: X })?;
        let constraints = constrain(&lower, fixed, w)?;
        Ok(Self { n, width: w, lower, data, constraints })
    }

    /// Logarithm of `int exp(-x'H x / 2) delta(C x) dx`: `(n w - k) / 2 log 2 pi - log det H / 2 - log det(C H^-1 C') / 2` for
    /// `k` constraints, the same for every penalty; none where they repeat each other.
    pub(super) fn volume(&self) -> Option<f64> {
        let free = (self.n * self.width - self.constraints.span.ncols()) as f64;
        let log: f64 = (0..self.lower.nrows()).map(|i| self.lower[(i, i)].ln()).sum();
        Some(0.5 * free * TAU.ln() - log - 0.5 * self.constraints.stretch?)
    }

    /// Entry `(i, c), (i, c)` of `H`, penalty included.
    pub(super) fn diagonal(&self, i: usize, c: usize) -> f64 {
        let k = c * self.n + i;
        (0..=k).map(|j| self.lower[(k, j)].powi(2)).sum()
    }

    /// Whether constraints bind.
    pub(super) fn constrained(&self) -> bool {
        self.constraints.span.ncols() > 0
    }

    /// Replaces the right side `N + A' Nz` by the posterior mean; `values` are those of `C x`.
    pub(super) fn solve(&self, right: &mut Mat<f64>, values: &Mat<f64>) {
        cholesky::solve_lower(self.lower.as_ref(), right.as_mut());
        self.project(right);
        if self.constrained() {
            let mut coordinates = Mat::zeros(self.constraints.span.ncols(), 1);
            product::accumulate(
                coordinates.as_mut(),
                1.0,
                self.constraints.pull.as_ref(),
                values.as_ref(),
            );
            product::accumulate(
                right.as_mut(),
                1.0,
                self.constraints.span.as_ref(),
                coordinates.as_ref(),
            );
        }
        cholesky::solve_lower_transposed(self.lower.as_ref(), right.as_mut());
    }

    /// Takes out of every column its part in `span`.
    fn project(&self, panel: &mut Mat<f64>) {
        if self.constrained() {
            let mut inside = Mat::zeros(self.constraints.span.ncols(), panel.ncols());
            product::accumulate(
                inside.as_mut(),
                1.0,
                self.constraints.span.transpose(),
                panel.as_ref(),
            );
            product::accumulate(
                panel.as_mut(),
                -1.0,
                self.constraints.span.as_ref(),
                inside.as_ref(),
            );
        }
    }

    /// For each column `t` of `targets` (`n x k`) the `w x w` posterior covariance of `t' X`, and how much of the
    /// unconstrained variance is left; calls `visit(t, covariance, share)`.
    pub(super) fn covariances(
        &self,
        targets: MatRef<'_, f64>,
        mut visit: impl FnMut(usize, &[f64], f64),
    ) {
        let (w, k) = (self.width, targets.ncols());
        let mut panel = self.spread(targets);
        cholesky::solve_lower(self.lower.as_ref(), panel.as_mut());
        let square = |panel: &Mat<f64>, t: usize| -> f64 {
            (0..w).map(|c| panel.col(c * k + t).squared_norm_l2()).sum()
        };
        let before: Vec<f64> = (0..k).map(|t| square(&panel, t)).collect();
        self.project(&mut panel);
        let mut covariance = vec![0.0; w * w];
        for t in 0..k {
            inner(&panel, &panel, (t, k, w), &mut covariance);
            let share = if before[t] > 0.0 { square(&panel, t) / before[t] } else { 0.0 };
            visit(t, &covariance, share);
        }
    }

    /// For rows `first..first + k` of X the diagonal blocks of `H^-1 S`, `I - C_i Gx_i` without subtraction.
    pub(super) fn shares(&self, first: usize, k: usize, mut visit: impl FnMut(usize, &[f64])) {
        let (n, w) = (self.n, self.width);
        let targets = Mat::from_fn(n, k, |i, t| f64::from(u8::from(i == first + t)));
        let mut units = self.spread(targets.as_ref());
        cholesky::solve_lower(self.lower.as_ref(), units.as_mut());
        let mut data = Mat::zeros(n * w, k * w);
        for c in 0..w {
            let source = self.data.as_ref().subcols(c * n + first, k);
            data.as_mut().subcols_mut(c * k, k).copy_from(source);
        }
        cholesky::solve_lower(self.lower.as_ref(), data.as_mut());
        let mut share = vec![0.0; w * w];
        for t in 0..k {
            inner(&units, &data, (t, k, w), &mut share);
            visit(t, &share);
        }
    }

    /// `targets` once for each column of the group, column `c k + t` being target `t` in column `c`.
    fn spread(&self, targets: MatRef<'_, f64>) -> Mat<f64> {
        let (n, w, k) = (self.n, self.width, targets.ncols());
        let mut panel = Mat::zeros(n * w, k * w);
        for c in 0..w {
            panel.submatrix_mut(c * n, c * k, n, k).copy_from(targets);
        }
        panel
    }
}

/// `S`, both triangles.
fn assemble(a: MatRef<'_, f64>, precisions: &Precisions<'_>) -> Mat<f64> {
    let (n, w) = (a.ncols(), precisions.width);
    let mut data = Mat::zeros(n * w, n * w);
    let mut block = Mat::zeros(n, n);
    let mut weighted = Mat::zeros(a.nrows(), n);
    for c in 0..w {
        for e in 0..=c {
            let weight = |m: usize| (precisions.z)(m, c, e);
            let factor = match precisions.normal {
                Some(normal) => {
                    block.copy_from(normal);
                    weight(0)
                }
                None => {
                    for j in 0..n {
                        (0..a.nrows()).for_each(|m| weighted[(m, j)] = weight(m) * a[(m, j)]);
                    }
                    block.fill(0.0);
                    symmetric::add_lower_product(
                        block.as_mut(),
                        1.0,
                        a.transpose(),
                        weighted.as_ref(),
                    );
                    1.0
                }
            };
            for j in 0..n {
                for i in j..n {
                    let value = factor * block[(i, j)];
                    for (p, q) in [(c * n + i, e * n + j), (c * n + j, e * n + i)] {
                        data[(p, q)] = value;
                        data[(q, p)] = value;
                    }
                }
            }
        }
    }
    data
}

/// Adds `rho C'C`, which no solution of the constraints feels: a direction that only they determine then has
/// a pivot, of the size of the others.
fn penalise(hessian: &mut Mat<f64>, fixed: MatRef<'_, f64>, w: usize) {
    let n = fixed.ncols();
    let trace: f64 = (0..n * w).map(|i| hessian[(i, i)]).sum();
    let square = fixed.squared_norm_l2() * w as f64;
    // Neither side may vanish: without any precision, and without any constraint, every scale is as good.
    let rho = if trace > 0.0 && square > 0.0 { trace / square } else { 1.0 };
    for c in 0..w {
        let block = hessian.as_mut().submatrix_mut(c * n, c * n, n, n);
        product::accumulate(block, rho, fixed.transpose(), fixed);
    }
}

/// `L^-1 C' = span * root` by the eigenvectors of its Gram matrix.
fn constrain(lower: &Mat<f64>, fixed: MatRef<'_, f64>, w: usize) -> Result<Constraints, Breakdown> {
    let (k, n) = fixed.shape();
    let mut image = Mat::zeros(n * w, k * w);
    for c in 0..w {
        image.submatrix_mut(c * n, c * k, n, k).copy_from(fixed.transpose());
    }
    if k == 0 {
        return Ok(Constraints { span: image, pull: Mat::zeros(0, 0), stretch: Some(0.0) });
    }
    cholesky::solve_lower(lower.as_ref(), image.as_mut());
    let gram = spectral::gram(image.transpose());
    let spectral::Eigen { values, vectors } =
        spectral::eigen(gram).map_err(|_| Breakdown::Factorisation)?;
    let largest = values.iter().copied().fold(0.0, f64::max);
    let kept: Vec<usize> = (0..values.len()).filter(|&p| values[p] > DEPENDENT * largest).collect();
    // pull = diag(1 / sqrt(value)) Q', span = image pull'.
    let pull =
        Mat::from_fn(kept.len(), k * w, |r, p| vectors.column(kept[r])[p] / values[kept[r]].sqrt());
    let mut span = Mat::zeros(n * w, kept.len());
    product::accumulate(span.as_mut(), 1.0, image.as_ref(), pull.transpose());
    let stretch = (kept.len() == k * w).then(|| kept.iter().map(|&p| values[p].ln()).sum());
    Ok(Constraints { span, pull, stretch })
}

/// `out[c][e] = left_(c, t) . right_(e, t)`.
fn inner(left: &Mat<f64>, right: &Mat<f64>, (t, k, w): (usize, usize, usize), out: &mut [f64]) {
    for c in 0..w {
        for e in 0..w {
            let (a, b) = (left.col_as_slice(c * k + t), right.col_as_slice(e * k + t));
            out[c * w + e] = a.iter().zip(b).map(|(a, b)| a * b).sum();
        }
    }
}
