//! Priors, penalties, likelihoods and channels: what a node of a factor graph can be.
//!
//! One family a file, under the folder that says what it is:
//!
//! * [`prior`]: distributions of the rows of an unknown, estimated by posterior means;
//! * [`penalty`]: costs of the rows of an unknown, estimated by maximisers (proximal operators);
//! * [`structured`]: estimators of all rows of an unknown together;
//! * [`likelihood`]: data given an unknown;
//! * [`channel`]: one unknown given another;
//! * [`catalogue`]: an instance of each, over which conformance tests iterate.
//!
//! Conventions, written once: values are rows of `d` columns, matrices row-major; a constructor checks its
//! parameters and returns [`ParameterError`]; once built, an estimator fails only with a
//! [`Breakdown`](fg_core::factor::Breakdown), where the estimate doesn't exist. A cavity has natural parameter
//! `n = Gamma r` and precision `Gamma`; a *known* parameter (zero variance, infinite precision) is legal.

pub mod catalogue;
pub mod channel;
mod error;
mod family;
pub mod likelihood;
pub mod penalty;
pub mod prior;
pub mod structured;

pub use channel::{ColumnMixing, GaussianNoise, PiecewiseLinear, Smooth};
pub use error::ParameterError;
pub use likelihood::{
    Awgn, Censored, Committee, ComplexIntensity, ComplexMagnitude, DiagonalNoise, Hinge,
    HuberNoise, Intensity, LaplaceNoise, Logistic, Magnitude, Masked, MixedColumns, Poisson,
    Quantised, Rectified, Sign, Softmax, StudentNoise, Survival, Tuned,
};
pub use penalty::{
    ElasticNet, GroupLasso, HardThreshold, Huber, Interval, L1, L2, Lq, MinimaxConcave,
    NonNegative, Scad, Simplex,
};
pub use prior::{
    BernoulliGauss, Discrete, Exponential, Gaussian, GaussianMixture, GroupBernoulliGauss, Grouped,
    Horseshoe, Laplace, LogDensity, PerRow, Product, Scaled, Stacked, StudentT, Tabulated,
    TruncatedGaussian, Uniform, UnitModulus,
};
pub use structured::{
    ImageTotalVariation, NonLocalMeans, NuclearNorm, TotalVariation, WaveletShrinkage,
};
