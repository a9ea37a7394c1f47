//! The command line: what is asked for, and whether it makes sense.

use std::path::PathBuf;

use clap::Parser;

use crate::picture::Picture;
use crate::support::Failure;

/// The picture used when none is given.
const CAMERA: &[u8] = include_bytes!("../data/camera.png");
/// Sweeps, and those of `--quick`.
const SWEEPS: [usize; 2] = [10, 3];

/// Recover a picture from a part of its scrambled cosine coefficients with three denoisers
#[derive(Debug, Parser)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Options {
    /// A picture file, taken as grey levels [default: the camera man, 256 x 256]
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Measurements over pixels
    #[arg(long, default_value_t = 0.25)]
    share: f64,
    /// Signal-to-noise ratio of the measurements in dB
    #[arg(long, default_value_t = 30.0)]
    snr: f64,
    /// Most sweeps [default: 10]
    #[arg(long)]
    sweeps: Option<usize>,
    /// Seed of the scrambling and the noise
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Few sweeps
    #[arg(long)]
    quick: bool,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "out/image")]
    pub(crate) out: PathBuf,
}

/// What was asked for, checked.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) picture: Picture,
    pub(crate) share: f64,
    pub(crate) snr_db: f64,
    pub(crate) sweeps: usize,
}

impl Options {
    pub(crate) fn setting(&self) -> Result<Setting, Failure> {
        let Self { share, snr, .. } = *self;
        if !(share > 0.0 && share <= 1.0) {
            return Err(Failure::input(format!("--share must be in (0, 1], got {share}")));
        }
        if !snr.is_finite() {
            return Err(Failure::input(format!("--snr must be finite, got {snr}")));
        }
        let [all, few] = SWEEPS;
        let sweeps = self.sweeps.unwrap_or(if self.quick { few } else { all });
        if sweeps == 0 {
            return Err(Failure::input("--sweeps must be at least 1, got 0"));
        }
        let picture = match &self.image {
            None => Picture::decode(CAMERA, "the camera man")?,
            Some(path) => {
                let bytes = std::fs::read(path).map_err(|error| {
                    Failure::input(format!("--image {}: {error}", path.display()))
                })?;
                Picture::decode(&bytes, &format!("--image {}", path.display()))?
            }
        };
        Ok(Setting { picture, share, snr_db: snr, sweeps })
    }
}
