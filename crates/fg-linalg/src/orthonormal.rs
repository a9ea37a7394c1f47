//! Orthonormal columns that span those of a tall matrix.

use faer::{Mat, c64};

/// `Q` of `A = Q R` with a positive diagonal of `R`, which makes it unique for columns that are independent.
///
/// # Panics
/// When `A` has more columns than rows.
#[track_caller]
pub fn orthonormal(a: &Mat<f64>) -> Mat<f64> {
    check(a.shape());
    let factors = a.qr();
    let mut q = factors.compute_thin_Q();
    let r = factors.thin_R();
    for j in (0..a.ncols()).filter(|&j| r[(j, j)] < 0.0) {
        (0..a.nrows()).for_each(|i| q[(i, j)] = -q[(i, j)]);
    }
    q
}

/// As [`orthonormal`], of a complex matrix: phases in place of signs.
///
/// # Panics
/// When `A` has more columns than rows.
#[track_caller]
pub fn complex_orthonormal(a: &Mat<c64>) -> Mat<c64> {
    check(a.shape());
    let factors = a.qr();
    let mut q = factors.compute_thin_Q();
    let r = factors.thin_R();
    for j in 0..a.ncols() {
        let pivot = r[(j, j)];
        let modulus = f64::hypot(pivot.re, pivot.im);
        if modulus > 0.0 {
            let phase = c64::new(pivot.re / modulus, pivot.im / modulus);
            (0..a.nrows()).for_each(|i| q[(i, j)] *= phase);
        }
    }
    q
}

#[track_caller]
fn check((rows, columns): (usize, usize)) {
    assert!(columns <= rows, "{columns} orthonormal columns of length {rows}");
}
