//! Conformance checks for users' own estimators, and strategies for property tests.
