//! Building blocks that several families share.

mod half_line;
mod interval;
pub(crate) mod normal;
mod residuals;
mod spread;

pub(crate) use half_line::HalfLine;
pub(crate) use interval::{Interval, Rule};
pub(crate) use residuals::Residuals;
pub(crate) use spread::Spread;
