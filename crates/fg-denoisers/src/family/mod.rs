//! Building blocks that several families share.

pub(crate) mod normal;
mod spread;

pub(crate) use spread::Spread;
