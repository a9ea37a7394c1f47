//! Denoisers that see all rows of an unknown together, such as the pixels of a picture.

mod non_local_means;
mod picture;
mod wavelet_shrinkage;

pub use non_local_means::NonLocalMeans;
pub use wavelet_shrinkage::WaveletShrinkage;
