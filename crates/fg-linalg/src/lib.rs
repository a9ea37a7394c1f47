//! Dense linear algebra of large factors: products that read a matrix once, decompositions, cosine and Fourier transforms.
//!
//! The only door to the routines of faer and rustfft. Both are generic: compiled here, once, they aren't compiled again
//! with every change of the crates above.
//!
//! Several columns are *planar* here: column after column, each contiguous, as faer and the kernels like them. Shapes
//! are the callers' affair and asserted.

pub mod cholesky;
pub mod complex;
pub mod cosine;
pub mod fourier;
mod kernels;
pub mod orthonormal;
pub mod padded;
pub mod product;
pub mod sparse;
pub mod spectral;
pub mod symmetric;
mod tridiagonal;
