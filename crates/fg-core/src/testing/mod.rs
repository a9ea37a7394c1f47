//! Slow references that fast code is checked against, and conformance checks for users' own estimators.

pub mod reference;
