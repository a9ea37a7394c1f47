//! Costs of all rows of an unknown together, estimated by maximisers.

mod chain;
mod image;
mod image_total_variation;
mod nuclear_norm;
mod total_variation;

pub use image_total_variation::{ImageTotalVariation, Steps};
pub use nuclear_norm::NuclearNorm;
pub use total_variation::TotalVariation;
