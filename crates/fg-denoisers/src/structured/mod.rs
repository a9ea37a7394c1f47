//! Estimators that see all rows of an unknown together: costs with their maximisers, and denoisers of pictures.

mod chain;
mod chains;
mod image_total_variation;
mod low_rank;
mod non_local_means;
mod nuclear_norm;
mod picture;
#[cfg(test)]
mod precisions;
mod total_variation;
mod wavelet_shrinkage;

pub use image_total_variation::{ImageTotalVariation, Steps};
pub use non_local_means::NonLocalMeans;
pub use nuclear_norm::NuclearNorm;
pub use total_variation::TotalVariation;
pub use wavelet_shrinkage::WaveletShrinkage;
