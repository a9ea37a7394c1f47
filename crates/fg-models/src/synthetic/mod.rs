//! Synthetic problems decide what the models are tried on: operators, signals, noise and teachers with known truth.
//!
//! Randomness is always an argument. Parallel runs take one seed each, from [`derived_seed`].

mod complex;
mod ensemble;
mod fast;
mod labels;
mod seed;
mod signal;
mod teacher;

pub use complex::{complex_gaussian_matrix, unitary, unitary_frame};
pub use ensemble::{
    EnsembleError, gaussian_matrix, geometric_spectrum, haar, haar_frame, rotationally_invariant,
    scrambled_cosines,
};
pub use fast::fast_gaussian;
pub use seed::derived_seed;
pub use signal::{
    active_entries, add_noise, bernoulli_gauss, exactly_sparse, gaussian_rows, noise_variance,
    row_sparse,
};
pub use teacher::{Samples, Teacher, TeacherSettings, TwoLayerProblem, correlated_weights};
