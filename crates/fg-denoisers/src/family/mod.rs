//! Building blocks that several families share.

pub(crate) mod normal;
mod residuals;
mod spread;

pub(crate) use residuals::Residuals;
pub(crate) use spread::Spread;
