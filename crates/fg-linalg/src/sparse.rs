//! Cholesky factorisation of a large sparse matrix, and entries of its inverse at the places where the factor has entries.

use core::fmt;

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::sparse::linalg::SupernodalThreshold;
use faer::sparse::linalg::cholesky::supernodal::SymbolicSupernodalCholesky;
use faer::sparse::linalg::cholesky::{
    CholeskySymbolicParams, LltRef, SymbolicCholesky, SymbolicCholeskyRaw, SymmetricOrdering,
    factorize_symbolic_cholesky,
};
use faer::sparse::{SparseColMat, Triplet};
use faer::{Accum, Conj, Mat, MatMut, MatRef, Par, Side};

/// Supernodes for every matrix: `FORCE_SUPERNODAL` is zero, which a diagonal one, of no operations, doesn't exceed.
const SUPERNODES: SupernodalThreshold = SupernodalThreshold(-1.0);

/// Why there is no factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The matrix isn't positive definite.
    Singular,
    /// Its factor doesn't fit into memory.
    Memory,
}

/// The factor `L` of a sparse symmetric positive definite matrix `A = L L'`, in an order of rows that keeps it sparse.
///
/// For `n` places of a plane of which neighbours are coupled it takes some `n^1.5`: 0.1 s for 65536.
pub struct SparseFactor {
    symbolic: SymbolicCholesky<usize>,
    /// Of supernode after supernode `[L_JJ; L_RJ]`, column after column.
    values: Vec<f64>,
}

impl fmt::Debug for SparseFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, entries) = (self.symbolic.nrows(), self.values.len());
        f.debug_struct("SparseFactor").field("n", &n).field("entries", &entries).finish()
    }
}

impl SparseFactor {
    /// That of the `n x n` matrix with these entries `(row, column, value)` on and below its diagonal, in any order; entries
    /// of one place add up. Zeros ask for an entry of the inverse.
    ///
    /// # Errors
    /// [`Failure`] where the matrix isn't positive definite, or too large.
    ///
    /// # Panics
    /// Without rows, and where an entry is above the diagonal or outside.
    pub fn new(n: usize, entries: &[(usize, usize, f64)]) -> Result<Self, Failure> {
        let below = |&(row, column, _): &(usize, usize, f64)| column <= row && row < n;
        assert!(n > 0 && entries.iter().all(below), "entries of the lower triangle of {n} rows");
        let triplets: Vec<_> =
            entries.iter().map(|&(row, column, value)| Triplet::new(row, column, value)).collect();
        let matrix = SparseColMat::<usize, f64>::try_new_from_triplets(n, n, &triplets)
            .map_err(|_| Failure::Memory)?;
        let params = CholeskySymbolicParams {
            supernodal_flop_ratio_threshold: SUPERNODES,
            ..CholeskySymbolicParams::default()
        };
        let order = SymmetricOrdering::Amd;
        let symbolic = factorize_symbolic_cholesky(matrix.symbolic(), Side::Lower, order, params)
            .map_err(|_| Failure::Memory)?;
        let mut values = vec![0.0; symbolic.len_val()];
        let needed = symbolic.factorize_numeric_llt_scratch::<f64>(Par::Seq, Default::default());
        let mut memory = MemBuffer::try_new(needed).map_err(|_| Failure::Memory)?;
        symbolic
            .factorize_numeric_llt(
                &mut values,
                matrix.as_ref(),
                Side::Lower,
                Default::default(),
                Par::Seq,
                MemStack::new(&mut memory),
                Default::default(),
            )
            .map_err(|_| Failure::Singular)?;
        Ok(Self { symbolic, values })
    }

    /// Replaces `x` by `A^-1 x`.
    ///
    /// # Panics
    /// Where `x` is of another length.
    pub fn solve(&self, x: &mut [f64]) {
        let n = self.symbolic.nrows();
        let needed = self.symbolic.solve_in_place_scratch::<f64>(1, Par::Seq);
        let mut memory = MemBuffer::new(needed);
        LltRef::new(&self.symbolic, &self.values).solve_in_place_with_conj(
            Conj::No,
            MatMut::from_column_major_slice_mut(x, n, 1),
            Par::Seq,
            MemStack::new(&mut memory),
        );
    }

    /// The inverse `Z` of the matrix where the factor has entries; those of the matrix are among them.
    ///
    /// With the columns `J` of a supernode and its other rows `R`, from the last supernode to the first (K. Takahashi, J.
    /// Fagan and M.-S. Chen, "Formation of a Sparse Bus Impedance Matrix", PICA 1973):
    ///
    /// ```text
    /// Y = L_RJ L_JJ^-1,   Z_RJ = -Z_RR Y,   Z_JJ = (L_JJ L_JJ')^-1 + Y' Z_RR Y
    /// ```
    ///
    /// Both terms of `Z_JJ` are positive: its diagonal cancels nothing. It takes as long as the factor did.
    pub fn inverse(self) -> SparseInverse {
        let Self { symbolic, mut values } = self;
        let nodes = supernodes(&symbolic);
        let mut owner = vec![0; symbolic.nrows()];
        for s in 0..nodes.n_supernodes() {
            owner[nodes.supernode_begin()[s]..nodes.supernode_end()[s]].fill(s);
        }
        invert(nodes, &owner, &mut values);
        SparseInverse { symbolic, values, owner }
    }
}

/// The inverse `Z` of a sparse matrix, at the places where its [factor](SparseFactor::inverse) has entries.
pub struct SparseInverse {
    symbolic: SymbolicCholesky<usize>,
    /// `[Z_JJ; Z_RJ]`, as the factor is stored.
    values: Vec<f64>,
    /// The supernode of each column.
    owner: Vec<usize>,
}

impl fmt::Debug for SparseInverse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, entries) = (self.owner.len(), self.values.len());
        f.debug_struct("SparseInverse").field("n", &n).field("entries", &entries).finish()
    }
}

impl SparseInverse {
    /// `Z_ij`; none where the factor has no entry.
    pub fn at(&self, i: usize, j: usize) -> Option<f64> {
        let nodes = supernodes(&self.symbolic);
        let (i, j) = match self.symbolic.perm() {
            Some(order) => (order.arrays().1[i], order.arrays().1[j]),
            None => (i, j),
        };
        let (row, column) = (i.max(j), i.min(j));
        let s = self.owner[column];
        let (begin, end) = (nodes.supernode_begin()[s], nodes.supernode_end()[s]);
        let pattern = nodes.supernode(s).pattern();
        let place =
            if row < end { row - begin } else { end - begin + pattern.binary_search(&row).ok()? };
        let height = end - begin + pattern.len();
        Some(self.values[nodes.col_ptr_for_val()[s] + (column - begin) * height + place])
    }
}

fn supernodes(symbolic: &SymbolicCholesky<usize>) -> &SymbolicSupernodalCholesky<usize> {
    match symbolic.raw() {
        SymbolicCholeskyRaw::Supernodal(nodes) => nodes,
        SymbolicCholeskyRaw::Simplicial(_) => unreachable!("supernodes are asked for"),
    }
}

/// Replaces the factor by the inverse.
fn invert(nodes: &SymbolicSupernodalCholesky<usize>, owner: &[usize], values: &mut [f64]) {
    let count = nodes.n_supernodes();
    let parent = |s: usize| nodes.supernode(s).pattern().first().map(|&row| owner[row]);
    let mut children = vec![0usize; count];
    (0..count).filter_map(parent).for_each(|p| children[p] += 1);
    // `Z` among all rows of a supernode, until the last of its children has read it.
    let mut fronts: Vec<Mat<f64>> = (0..count).map(|_| Mat::new()).collect();
    let (mut rank, mut places) = (vec![0usize; owner.len()], Vec::new());
    for s in (0..count).rev() {
        let pattern = nodes.supernode(s).pattern();
        let columns = nodes.supernode_end()[s] - nodes.supernode_begin()[s];
        let size = columns + pattern.len();
        let mut front = Mat::zeros(size, size);
        if let Some(p) = parent(s) {
            // All other rows of a supernode are rows of its parent.
            let (begin, end) = (nodes.supernode_begin()[p], nodes.supernode_end()[p]);
            for (k, &row) in nodes.supernode(p).pattern().iter().enumerate() {
                rank[row] = end - begin + k;
            }
            places.clear();
            let place = |&row: &usize| if row < end { row - begin } else { rank[row] };
            places.extend(pattern.iter().map(place));
            gather(&fronts[p], &places, &mut front, columns);
            children[p] -= 1;
            if children[p] == 0 {
                fronts[p] = Mat::new();
            }
        }
        let range = nodes.col_ptr_for_val()[s]..nodes.col_ptr_for_val()[s + 1];
        let block = MatMut::from_column_major_slice_mut(&mut values[range], size, columns);
        extend(&mut front, block.as_ref());
        { block }.copy_from(front.as_ref().subcols(0, columns));
        if children[s] > 0 {
            fronts[s] = front;
        }
    }
}

/// Copies the entries of `from` at these places into the rows and columns of `front` after the first ones.
fn gather(from: &Mat<f64>, places: &[usize], front: &mut Mat<f64>, columns: usize) {
    for (k, &column) in places.iter().enumerate() {
        let source = from.col_as_slice(column);
        let target = &mut front.col_as_slice_mut(columns + k)[columns..];
        target.iter_mut().zip(places).for_each(|(t, &row)| *t = source[row]);
    }
}

/// Completes `Z` among all rows of a supernode with the factor `[L_JJ; L_RJ]`, from its last block `Z_RR`.
fn extend(front: &mut Mat<f64>, factor: MatRef<'_, f64>) {
    let columns = factor.ncols();
    let (diagonal, other) = factor.split_at_row(columns);
    let (mut jj, mut jr, mut rj, rr) = front.as_mut().split_at_mut(columns, columns);
    // Y'.
    let mut y = other.transpose().to_owned();
    solve_upper_triangular_in_place(diagonal.transpose(), y.as_mut(), Par::Seq);
    matmul(rj.as_mut(), Accum::Replace, rr.as_ref(), y.transpose(), -1.0, Par::Seq);
    jr.copy_from(rj.as_ref().transpose());
    (0..columns).for_each(|k| jj[(k, k)] = 1.0);
    solve_lower_triangular_in_place(diagonal, jj.as_mut(), Par::Seq);
    solve_upper_triangular_in_place(diagonal.transpose(), jj.as_mut(), Par::Seq);
    matmul(jj.as_mut(), Accum::Add, y.as_ref(), rj.as_ref(), -1.0, Par::Seq);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `1 + sum of (x_i - x_j)^2`-like terms along edges between near rows, so that factors are sparse.
    fn matrix(n: usize, edges: &[(usize, usize, f64)]) -> Vec<(usize, usize, f64)> {
        let mut entries: Vec<_> = (0..n).map(|i| (i, i, 1.0)).collect();
        for &(i, step, weight) in edges {
            let j = (i + 1 + step) % n;
            let slope = 1.0 + (i as f64).sin();
            entries.extend([(i, i, weight), (j, j, weight * slope * slope)]);
            if i != j {
                entries.push((i.max(j), i.min(j), -weight * slope));
            }
        }
        entries
    }

    /// The inverse, column by column, by elimination of the dense matrix.
    fn dense(n: usize, entries: &[(usize, usize, f64)]) -> Mat<f64> {
        let mut a = Mat::<f64>::zeros(n, n);
        for &(i, j, value) in entries {
            a[(i, j)] += value;
        }
        crate::cholesky::factor(&mut a).unwrap();
        let mut inverse = Mat::identity(n, n);
        crate::cholesky::solve_lower(a.as_ref(), inverse.as_mut());
        crate::cholesky::solve_lower_transposed(a.as_ref(), inverse.as_mut());
        inverse
    }

    proptest! {
        #[test]
        fn entries_are_those_of_the_dense_inverse(
            n in 1usize..60,
            edges in prop::collection::vec((0usize..60, 0usize..12, -3.0f64..3.0), 0..90),
        ) {
            let edges: Vec<_> = edges.iter().map(|&(i, step, w)| (i % n, step, w.exp())).collect();
            let entries = matrix(n, &edges);
            let factor = SparseFactor::new(n, &entries).unwrap();
            let expected = dense(n, &entries);
            let mut x: Vec<f64> = (0..n).map(|i| (3.0 * i as f64).cos()).collect();
            let solved = |i| (0..n).map(|j| expected[(i, j)] * (3.0 * j as f64).cos()).sum::<f64>();
            factor.solve(&mut x);
            for (i, x) in x.iter().enumerate() {
                prop_assert!((x - solved(i)).abs() < 1e-12, "{i} {x}");
            }
            let inverse = factor.inverse();
            for &(i, j, _) in &entries {
                for (i, j) in [(i, j), (j, i)] {
                    let found = inverse.at(i, j).unwrap();
                    prop_assert!((found - expected[(i, j)]).abs() < 1e-12, "{i} {j} {found}");
                }
            }
        }
    }

    #[test]
    fn weights_of_many_orders_keep_their_digits() {
        // Two rows tied by 1e12 share what they know: 1 / 2, and so do their entries of the inverse.
        let entries = [(0, 0, 1.0 + 1e12), (1, 0, -1e12), (1, 1, 1.0 + 1e12), (2, 2, 4.0)];
        let inverse = SparseFactor::new(3, &entries).unwrap().inverse();
        for (i, j) in [(0, 0), (0, 1), (1, 1)] {
            assert!((inverse.at(i, j).unwrap() - 0.5).abs() < 1e-4, "{:?}", inverse.at(i, j));
        }
        assert_eq!((inverse.at(2, 2), inverse.at(2, 0)), (Some(0.25), None));
    }

    #[test]
    fn indefinite_matrices_are_refused() {
        let entries = [(0, 0, 1.0), (1, 0, 2.0), (1, 1, 1.0)];
        assert!(matches!(SparseFactor::new(2, &entries), Err(Failure::Singular)));
        assert!(matches!(SparseFactor::new(1, &[(0, 0, f64::NAN)]), Err(Failure::Singular)));
        let factor = SparseFactor::new(1, &[(0, 0, 4.0)]).unwrap();
        assert_eq!(format!("{factor:?}"), "SparseFactor { n: 1, entries: 1 }");
        assert_eq!(format!("{:?}", factor.inverse()), "SparseInverse { n: 1, entries: 1 }");
    }
}
