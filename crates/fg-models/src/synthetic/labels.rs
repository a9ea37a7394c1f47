//! Labels of outputs, and how large the outputs are for the labels to be as certain as asked for.

use fg_core::Rows;
use fg_denoisers::likelihood::Link;
use rand::{Rng, RngExt};

use super::signal::noise_variance;

/// What outputs are multiplied by, and what is added then, for a mean of zero and a variance of `snr_db` decibels over the
/// noise of the link.
pub(super) fn scale_and_bias(outputs: &Rows, link: Link, snr_db: f64) -> (f64, f64) {
    let values = outputs.as_slice();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let centred = Rows::column(values.iter().map(|u| u - mean).collect());
    let scale = (link.noise_variance() / noise_variance(&centred, snr_db)).sqrt();
    (scale, -scale * mean)
}

/// Labels -1 and 1 of these outputs.
pub(super) fn draw_labels<R: Rng + ?Sized>(outputs: &Rows, link: Link, rng: &mut R) -> Rows {
    let label = |u: &f64| if rng.random::<f64>() < link.probability(*u) { 1.0 } else { -1.0 };
    Rows::column(outputs.as_slice().iter().map(label).collect())
}
