//! Scalar functions with stated accuracy that estimators are made of, and low-discrepancy points.

pub mod exp;
pub(crate) mod hash;
pub mod log;
mod normal;
pub mod number;
pub mod points;
pub mod tail;

pub use normal::{
    TruncatedMoments, cdf, inverse_mills, log_cdf, log_mills, log_pdf, log1pexp, logistic,
    open_uniform, pdf, positive_part, quantile,
};
