//! The only door to faer's routines: products that read a matrix once, spectral decompositions, Cholesky.
//!
//! Several columns are *planar* here: column after column, each contiguous, as faer and the kernels like them.

pub(crate) mod cholesky;
pub(crate) mod complex;
pub(crate) mod kernels;
pub(crate) mod padded;
pub(crate) mod product;
pub(crate) mod spectral;
mod tridiagonal;
