//! One change of columns `T` decides both precisions at once: `T' Gx T = diag(mu)`, `T' Gz T = diag(nu)`.

use crate::factor::Breakdown;
use crate::message::ColumnForm;
use crate::message::small;

/// `T`, its inverse and the two diagonals, for `d` columns.
#[derive(Debug)]
pub(crate) struct Pencil {
    d: usize,
    form: ColumnForm,
    /// `T`, row-major.
    pub(crate) map: Vec<f64>,
    /// `T^-1`, row-major.
    pub(crate) inverse: Vec<f64>,
    /// Precision of X in each transformed column, not negative.
    pub(crate) mu: Vec<f64>,
    /// Precision of Z in each transformed column, not negative.
    pub(crate) nu: Vec<f64>,
    /// Whether `Gx` says nothing but rounding about some column.
    pub(crate) leaves_open: bool,
    root: Vec<f64>,
    work: Vec<f64>,
    product: Vec<f64>,
    vectors: Vec<f64>,
    values: Vec<f64>,
}

/// A diagonal of a congruence is at least minus this, relative to the sum of both, unless a precision is
/// indefinite: rounding of products of small matrices, with room for their condition.
const INDEFINITE: f64 = 1e-9;
/// Rounding errors a sum of `d` products may carry for each of its terms.
const ERRORS: f64 = 8.0;

impl Pencil {
    pub(crate) fn new(d: usize) -> Self {
        let square = || vec![0.0; d * d];
        Self {
            d,
            form: ColumnForm::Isotropic,
            map: square(),
            inverse: square(),
            mu: vec![0.0; d],
            nu: vec![0.0; d],
            leaves_open: false,
            root: square(),
            work: square(),
            product: square(),
            vectors: square(),
            values: vec![0.0; d],
        }
    }

    /// The narrowest form that holds for both precisions; unless it is full, `T` is the identity.
    pub(crate) fn form(&self) -> ColumnForm {
        self.form
    }

    /// Diagonalises `Gx` and `Gz` (`d x d`).
    ///
    /// # Errors
    /// [`Breakdown::Undetermined`] when `Gx + Gz` is singular, [`Breakdown::ImproperCavity`] when one of them
    /// is indefinite.
    pub(crate) fn update(&mut self, gx: &[f64], gz: &[f64]) -> Result<(), Breakdown> {
        let d = self.d;
        let holds = |form: ColumnForm| form.holds(gx, d) && form.holds(gz, d);
        self.form = if holds(ColumnForm::Isotropic) {
            ColumnForm::Isotropic
        } else if holds(ColumnForm::Diagonal) {
            ColumnForm::Diagonal
        } else {
            ColumnForm::Full
        };
        if self.form == ColumnForm::Full {
            self.diagonalise(gx, gz)?;
            for j in 0..d {
                self.mu[j] = quadratic(&self.map, gx, j, d);
                self.nu[j] = quadratic(&self.map, gz, j, d);
            }
        } else {
            // No rounding at all: T = I.
            small::set_identity(&mut self.map, d);
            small::set_identity(&mut self.inverse, d);
            for j in 0..d {
                self.mu[j] = gx[j * d + j];
                self.nu[j] = gz[j * d + j];
            }
        }
        let rounding = ERRORS * d as f64 * f64::EPSILON;
        let full = self.form == ColumnForm::Full;
        let bound = |j: usize| if full { rounding * size(&self.map, gx, j, d) } else { 0.0 };
        self.leaves_open = (0..d).any(|j| self.mu[j] <= bound(j));
        for j in 0..d {
            let (mu, nu) = (self.mu[j], self.nu[j]);
            if !(mu + nu > 0.0) {
                return Err(Breakdown::Undetermined { port: 0 });
            }
            for (port, value) in [mu, nu].into_iter().enumerate() {
                if !(value >= -INDEFINITE * (mu.abs() + nu.abs())) {
                    return Err(Breakdown::ImproperCavity { port, row: 0 });
                }
            }
            self.mu[j] = mu.max(0.0);
            self.nu[j] = nu.max(0.0);
        }
        Ok(())
    }

    fn diagonalise(&mut self, gx: &[f64], gz: &[f64]) -> Result<(), Breakdown> {
        let d = self.d;
        let refined = self.factor_sum(gx, gz)?;
        // W = L^-1 Gx L^-T = Q diag(mu) Q'.
        small::invert_lower(&self.root, &mut self.inverse, d);
        small::multiply(&self.inverse, gx, &mut self.work, d);
        small::transpose(&self.inverse, &mut self.map, d);
        small::multiply(&self.work, &self.map, &mut self.product, d);
        small::symmetrise(&mut self.product, d);
        small::eigen_symmetric(&mut self.product, &mut self.values, &mut self.vectors, d);
        // T = L^-T Q and T^-1 = Q' L'.
        small::multiply(&self.map, &self.vectors, &mut self.work, d);
        self.map.copy_from_slice(&self.work);
        small::transpose(&self.vectors, &mut self.work, d);
        small::transpose(&self.root, &mut self.product, d);
        small::multiply(&self.work, &self.product, &mut self.inverse, d);
        if refined {
            self.refine(gz);
        }
        Ok(())
    }

    /// `L` of `Gx + Gz = L L'`. Where one precision drowns the other in the sum, the larger of them may still be
    /// regular alone, and whitening by it serves as well. Returns whether `Gx` has a part in `L`: where it has none,
    /// `W` has the eigenvectors of `Gx` itself and `Gz` is the identity, with nothing to refine.
    fn factor_sum(&mut self, gx: &[f64], gz: &[f64]) -> Result<bool, Breakdown> {
        for (wx, wz) in [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0)] {
            for (r, (x, z)) in self.root.iter_mut().zip(gx.iter().zip(gz)) {
                *r = wx * x + wz * z;
            }
            self.work.copy_from_slice(&self.root);
            if small::cholesky(&mut self.root, self.d).is_ok() && self.regular() {
                return Ok(wx > 0.0);
            }
        }
        Err(Breakdown::Undetermined { port: 0 })
    }

    /// Whether no pivot of `root` is mere rounding beside the diagonal of `work` it came from.
    fn regular(&self) -> bool {
        let d = self.d;
        let tolerance = ERRORS * d as f64 * f64::EPSILON;
        (0..d).all(|j| self.root[j * d + j].powi(2) > tolerance * self.work[j * d + j])
    }

    /// Rotates the directions where Gx dominates once more, so that Gz is diagonal among them to its own
    /// accuracy: there `mu` is one minus little, and the eigenvectors of `W` follow rounding of the one.
    fn refine(&mut self, gz: &[f64]) {
        let d = self.d;
        let dominated = |j: &usize| self.values[*j] > 0.5;
        let chosen: Vec<usize> = (0..d).filter(dominated).collect();
        let k = chosen.len();
        if k < 2 {
            return;
        }
        let column = |j: usize| -> Vec<f64> { (0..d).map(|i| self.map[i * d + j]).collect() };
        let columns: Vec<Vec<f64>> = chosen.iter().map(|&j| column(j)).collect();
        let mut block = vec![0.0; k * k];
        for a in 0..k {
            for b in 0..k {
                block[a * k + b] = small::bilinear(&columns[a], gz, &columns[b], d);
            }
        }
        small::symmetrise(&mut block, k);
        let (mut values, mut rotation) = (vec![0.0; k], vec![0.0; k * k]);
        small::eigen_symmetric(&mut block, &mut values, &mut rotation, k);
        let rows: Vec<Vec<f64>> =
            chosen.iter().map(|&j| self.inverse[j * d..(j + 1) * d].to_vec()).collect();
        for (b, &j) in chosen.iter().enumerate() {
            for i in 0..d {
                self.map[i * d + j] = (0..k).map(|a| columns[a][i] * rotation[a * k + b]).sum();
                self.inverse[j * d + i] = (0..k).map(|a| rows[a][i] * rotation[a * k + b]).sum();
            }
        }
    }

    /// Logarithm of the absolute determinant of `T`.
    pub(crate) fn log_determinant(&self) -> f64 {
        if self.form != ColumnForm::Full {
            return 0.0;
        }
        // T T' is positive definite.
        let mut square = vec![0.0; self.d * self.d];
        self.covariance(&vec![1.0; self.d], &mut square);
        0.5 * crate::factor::partition::log_determinant(&square, self.d).unwrap_or(f64::NAN)
    }

    /// `out = T diag(values) T'`: a covariance in the original columns.
    pub(crate) fn covariance(&self, values: &[f64], out: &mut [f64]) {
        let entry = |i: usize, j: usize| self.map[i * self.d + j];
        congruence(self.d, values, entry, out);
    }

    /// `out = T^-T diag(values) T^-1`: a precision in the original columns.
    pub(crate) fn precision(&self, values: &[f64], out: &mut [f64]) {
        let entry = |i: usize, j: usize| self.inverse[j * self.d + i];
        congruence(self.d, values, entry, out);
    }

    /// Planar `out` (`n x d`) of the natural parameters `rows` (`n x d`, row-major) in transformed columns, `N T`.
    pub(crate) fn transform(&self, rows: &[f64], out: &mut [f64]) {
        let d = self.d;
        if d == 1 {
            return out.copy_from_slice(rows);
        }
        let n = rows.len() / d;
        for (j, column) in out.chunks_exact_mut(n).enumerate() {
            for (o, row) in column.iter_mut().zip(rows.chunks_exact(d)) {
                *o = (0..d).map(|c| row[c] * self.map[c * d + j]).sum();
            }
        }
    }

    /// Planar `out` of a mean `rows` (`n x d`, row-major) in transformed columns, `X T^-T`: undoes [`mean`](Self::mean).
    pub(crate) fn coordinates(&self, rows: &[f64], out: &mut [f64]) {
        let d = self.d;
        let n = rows.len() / d;
        for (j, column) in out.chunks_exact_mut(n).enumerate() {
            for (o, row) in column.iter_mut().zip(rows.chunks_exact(d)) {
                *o = (0..d).map(|c| row[c] * self.inverse[j * d + c]).sum();
            }
        }
    }

    /// As [`transform`](Self::transform), of planar natural parameters.
    pub(crate) fn transform_planar(&self, planar: &[f64], out: &mut [f64]) {
        let d = self.d;
        let n = planar.len() / d;
        for (e, o) in out.iter_mut().enumerate() {
            *o = (0..d).map(|c| planar[c * n + e % n] * self.map[c * d + e / n]).sum();
        }
    }

    /// Row-major values of a planar mean in transformed columns, `Xt T'`.
    pub(crate) fn mean(&self, planar: &[f64], out: &mut [f64]) {
        let d = self.d;
        to_rows(planar, out, d, |j, c| self.map[c * d + j]);
    }

    /// Row-major values of planar natural parameters in transformed columns, `(N T) T^-1`.
    pub(crate) fn natural(&self, planar: &[f64], out: &mut [f64]) {
        let d = self.d;
        to_rows(planar, out, d, |j, c| self.inverse[j * d + c]);
    }
}

fn to_rows(planar: &[f64], out: &mut [f64], d: usize, entry: impl Fn(usize, usize) -> f64) {
    if d == 1 {
        return out.copy_from_slice(planar);
    }
    let n = out.len() / d;
    for (i, row) in out.chunks_exact_mut(d).enumerate() {
        for (c, o) in row.iter_mut().enumerate() {
            *o = (0..d).map(|j| planar[j * n + i] * entry(j, c)).sum();
        }
    }
}

/// `t_j' g t_j` for column `j` of `t`.
fn quadratic(t: &[f64], g: &[f64], j: usize, d: usize) -> f64 {
    let terms = (0..d).map(|a| {
        let row: f64 = (0..d).map(|b| g[a * d + b] * t[b * d + j]).sum();
        t[a * d + j] * row
    });
    terms.sum()
}

/// What the moduli of the terms of [`quadratic`] add up to.
fn size(t: &[f64], g: &[f64], j: usize, d: usize) -> f64 {
    let term = |k: usize| (t[k / d * d + j] * g[k] * t[k % d * d + j]).abs();
    (0..d * d).map(term).sum()
}

/// `out = M diag(values) M'`, exactly symmetric.
fn congruence(d: usize, values: &[f64], m: impl Fn(usize, usize) -> f64, out: &mut [f64]) {
    for i in 0..d {
        for j in 0..=i {
            let sum = (0..d).map(|k| m(i, k) * values[k] * m(j, k)).sum();
            out[i * d + j] = sum;
            out[j * d + i] = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const D: usize = 3;

    fn positive(scale: f64, seed: &[f64]) -> Vec<f64> {
        let mut g = vec![0.0; D * D];
        for i in 0..D {
            for j in 0..D {
                let sum: f64 = (0..D).map(|k| seed[i * D + k] * seed[j * D + k]).sum();
                g[i * D + j] = scale * (sum + if i == j { 0.1 } else { 0.0 });
            }
        }
        g
    }

    proptest! {
        #[test]
        fn both_precisions_become_diagonal_to_their_own_accuracy(
            seed in prop::collection::vec(-1.0..1.0f64, 2 * D * D),
            exponent in -12.0..12.0f64,
        ) {
            let scale = 10f64.powf(exponent);
            let (gx, gz) = (positive(1.0, &seed[..9]), positive(scale, &seed[9..]));
            let mut pencil = Pencil::new(D);
            pencil.update(&gx, &gz).unwrap();
            for (g, diagonal) in [(&gx, &pencil.mu), (&gz, &pencil.nu)] {
                for a in 0..D {
                    for b in 0..D {
                        let column = |j: usize| -> Vec<f64> {
                            (0..D).map(|i| pencil.map[i * D + j]).collect()
                        };
                        let entry = small::bilinear(&column(a), g, &column(b), D);
                        let size = (diagonal[a] * diagonal[b]).sqrt();
                        let expected = if a == b { diagonal[a] } else { 0.0 };
                        // Condition of the matrices drawn, about 1e3, times rounding.
                        prop_assert!((entry - expected).abs() < 1e-11 * size, "{entry:e} {size:e}");
                    }
                }
            }
            let mut product = vec![0.0; D * D];
            small::multiply(&pencil.map, &pencil.inverse, &mut product, D);
            for (k, p) in product.iter().enumerate() {
                prop_assert!((p - f64::from(u8::from(k % (D + 1) == 0))).abs() < 1e-11);
            }
        }
    }

    #[test]
    fn diagonal_precisions_keep_their_columns() {
        let mut pencil = Pencil::new(2);
        pencil.update(&[1e-12, 0.0, 0.0, 3.0], &[1e12, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(pencil.form(), ColumnForm::Diagonal);
        assert_eq!((&pencil.mu[..], &pencil.nu[..]), (&[1e-12, 3.0][..], &[1e12, 0.0][..]));
        assert_eq!(pencil.map, [1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn singular_sums_are_undetermined() {
        let undetermined = Err(Breakdown::Undetermined { port: 0 });
        let mut pencil = Pencil::new(2);
        let g = [1.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 9.0];
        assert_eq!(pencil.update(&g, &g), undetermined);
        assert_eq!(pencil.update(&[0.0; 4], &[1.0, 0.0, 0.0, 0.0]), undetermined);
        assert_eq!(pencil.update(&[f64::NAN; 4], &g), undetermined);
    }

    #[test]
    fn a_regular_precision_drowned_in_the_sum_still_counts() {
        let (ones, identity) = ([1e17, 1e17, 1e17, 1e17], [1.0, 0.0, 0.0, 1.0]);
        for swapped in [false, true] {
            let mut pencil = Pencil::new(2);
            let (gx, gz) = if swapped { (&identity, &ones) } else { (&ones, &identity) };
            pencil.update(gx, gz).unwrap();
            let ratio = |j: usize| (pencil.mu[j] / pencil.nu[j]).powi(if swapped { -1 } else { 1 });
            let (small, large) = (ratio(0).min(ratio(1)), ratio(0).max(ratio(1)));
            // Eigenvalues of the matrix of ones relative to the identity; the zero one to rounding of the other.
            assert!((large / 2e17 - 1.0).abs() < 1e-14 && small < 1e-15 * large, "{small} {large}");
        }
    }

    #[test]
    fn indefinite_precisions_are_refused() {
        let error = Pencil::new(1).update(&[2.0], &[-1.0]);
        assert_eq!(error, Err(Breakdown::ImproperCavity { port: 1, row: 0 }));
    }
}
