//! Slow references that fast code is checked against.

pub mod reference;
