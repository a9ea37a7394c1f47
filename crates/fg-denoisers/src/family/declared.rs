//! What an estimator declares of its last estimate: the relative standard error of the averaged covariance.

use core::sync::atomic::{AtomicU64, Ordering};

/// The error of the last estimate. It is no part of what an estimator is: all are equal.
///
/// Estimators are shared between threads; a number is stored and read as a whole, whoever asked last.
#[derive(Debug)]
pub(crate) struct Declared(AtomicU64);

impl Declared {
    /// Nothing is sampled yet.
    pub(crate) fn none() -> Self {
        Self(AtomicU64::new(0.0f64.to_bits()))
    }

    /// Keeps the largest error of the blocks of rows of one sweep, of which the first has row 0.
    pub(crate) fn declare(&self, first_row: usize, error: f64) {
        let before = if first_row == 0 { 0.0 } else { self.error() };
        self.0.store(error.max(before).to_bits(), Ordering::Relaxed);
    }

    /// The error declared last.
    pub(crate) fn error(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Clone for Declared {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

impl PartialEq for Declared {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
