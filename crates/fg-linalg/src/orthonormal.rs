//! Orthonormal columns that span those of a tall matrix.

use core::ops::MulAssign;

use faer::traits::ComplexField;
use faer::{Mat, c64};

/// `Q` of `A = Q R` with a positive diagonal of `R`, which makes it unique for columns that are independent.
///
/// # Panics
/// When `A` has more columns than rows.
#[track_caller]
pub fn orthonormal(a: &Mat<f64>) -> Mat<f64> {
    turned(a, |pivot| if pivot < 0.0 { -1.0 } else { 1.0 })
}

/// As [`orthonormal`], of a complex matrix: phases in place of signs.
///
/// # Panics
/// When `A` has more columns than rows.
#[track_caller]
pub fn complex_orthonormal(a: &Mat<c64>) -> Mat<c64> {
    turned(a, |pivot| {
        let modulus = f64::hypot(pivot.re, pivot.im);
        let known = modulus > 0.0;
        if known { c64::new(pivot.re / modulus, pivot.im / modulus) } else { c64::new(1.0, 0.0) }
    })
}

/// `Q`, each column times the factor that makes its pivot in `R` positive.
#[track_caller]
fn turned<T: ComplexField + Copy + MulAssign>(a: &Mat<T>, factor: impl Fn(T) -> T) -> Mat<T> {
    let (rows, columns) = a.shape();
    assert!(columns <= rows, "{columns} orthonormal columns of length {rows}");
    let factors = a.qr();
    let mut q = factors.compute_thin_Q();
    let r = factors.thin_R();
    for j in 0..columns {
        let factor = factor(r[(j, j)]);
        (0..rows).for_each(|i| q[(i, j)] *= factor);
    }
    q
}
