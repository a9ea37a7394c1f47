//! Scalar functions with stated accuracy, and low-discrepancy points.

pub mod exp;
pub mod number;
pub mod points;
