//! What extensions are tested with: conformance laws for estimators, slow references, strategies for property tests.
//!
//! Behind the feature `testing`, so that a user's own prior, likelihood or channel is held to the same laws as the
//! ones that come with the framework:
//!
//! ```
//! use fg_core::denoiser::Pointwise;
//! use fg_core::testing::{Subject, check};
//! let shrink = Pointwise::new("shrink", |r: f64, gamma: f64| {
//!     (r * gamma / (1.0 + gamma), gamma / (1.0 + gamma))
//! });
//! check(Subject::denoiser(&shrink), 1)?;
//! # Ok::<(), fg_core::testing::Violation>(())
//! ```
//!
//! [`check`] stops at the first law that is broken, for tests; [`report`] goes on and says what it found in a line, and in
//! another one for each broken law.

mod conformance;
pub mod reference;
pub mod strategies;

pub use conformance::{
    Density, Input, Report, Subject, Violation, check, check_against_density, check_calibration,
    check_maximiser, report,
};
