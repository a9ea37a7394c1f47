//! Pictures denoised by shrinking their wavelet coefficients.

use fg_core::Rows;
use fg_core::denoiser::{BlackBox, Denoiser, RowCavity, RowEstimate, Scratch};
use fg_core::operator::{Orthogonal, Wavelet};

use super::picture::{Picture, mirror};
use crate::error::ParameterError;
use crate::prior::GaussianMixture;

/// Wavelet shrinkage: posterior means of the coefficients, averaged over shifts of the picture.
///
/// # Formula
///
/// ```text
/// law of a band's coefficients    mixture of N(0, 0), N(0, s^2 / 4), N(0, s^2), N(0, 4 s^2), .. with weights by EM
/// estimate                        mean over shifts of the shifted-back picture with its coefficients shrunk
/// ```
///
/// with `s` the noise level that the message claims, and a band the details of a level and a direction. Means under
/// the law that coefficients have, unlike thresholds, err by as much as their slope says, which is what a run believes.
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | levels | 4 | - | how often the picture is halved; sizes are filled up to a multiple of `2^levels` by mirroring |
/// | shifts | 2 | at least 1 | shifts each way, so that `shifts^2` transforms are averaged |
///
/// Colours, the columns, are treated one by one.
///
/// # Numerical notes
///
/// * Time: `O(shifts^2 n)`.
///
/// # Reference
///
/// E. P. Simoncelli, E. H. Adelson, "Noise removal via Bayesian wavelet coring" (1996), doi 10.1109/ICIP.1996.559512;
/// shifts as in R. R. Coifman, D. L. Donoho, "Translation-invariant de-noising" (1995), doi
/// 10.1007/978-1-4612-2544-7_9.
///
/// # Example
///
/// ```
/// use fg_core::Rows;
/// use fg_denoisers::structured::WaveletShrinkage;
/// let shrinkage = WaveletShrinkage::new(10, 20)?;
/// let flat = Rows::from_fn(200, 1, |_, _| 0.5);
/// assert!((shrinkage.denoise(&flat, 0.1)[(9, 0)] - 0.5).abs() < 1e-12);
/// let denoiser = shrinkage.denoiser(); // for a graph
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct WaveletShrinkage {
    picture: Picture,
    levels: u32,
    shifts: usize,
}

/// Halvings after which details are wider than anything in common pictures: sixteen pixels.
const LEVELS: u32 = 4;
const SHIFTS: usize = 2;
/// Directions of details at each level.
const KINDS: usize = 3;
/// Variances of a band's components in units of the noise's: the smallest, and each to the next.
const SMALLEST: f64 = 0.25;
const GROWTH: f64 = 4.0;
/// Most components: 4^20 noise variances is more than any picture has.
const COMPONENTS: usize = 20;
/// Steps of expectation-maximisation from equal weights: the error changes by a percent where there are twice as many.
const STEPS: usize = 8;

impl WaveletShrinkage {
    /// For pictures of this size.
    ///
    /// # Errors
    /// [`ParameterError`] when there are no pixels.
    pub fn new(height: usize, width: usize) -> Result<Self, ParameterError> {
        Ok(Self { picture: Picture::new(height, width)?, levels: LEVELS, shifts: SHIFTS })
    }

    /// Averages over this many shifts each way.
    ///
    /// # Errors
    /// [`ParameterError`] without any.
    pub fn with_shifts(self, shifts: usize) -> Result<Self, ParameterError> {
        crate::error::positive("shifts", shifts as f64)?;
        Ok(Self { shifts, ..self })
    }

    /// The picture without noise of this level.
    ///
    /// # Panics
    /// When `pixels` has another number of rows than the picture has pixels.
    #[track_caller]
    pub fn denoise(&self, pixels: &Rows, noise: f64) -> Rows {
        let Picture { height, width } = self.picture;
        assert_eq!(pixels.rows(), self.picture.pixels(), "rows must be the pixels of the picture");
        if noise == 0.0 {
            return pixels.clone();
        }
        let step = 1usize << self.levels;
        let full = (height.next_multiple_of(step), width.next_multiple_of(step));
        let wavelet = Wavelet::image(full.0, full.1, self.levels)
            .expect("both sizes are multiples of the step");
        let bands = self.bands(&wavelet);
        let share = ((self.shifts * self.shifts) as f64).recip();
        let mut result = Rows::zeros(pixels.rows(), pixels.columns());
        let mut shifted = vec![0.0; full.0 * full.1];
        for c in 0..pixels.columns() {
            let mut laws = Vec::new();
            for (down, right) in
                (0..self.shifts).flat_map(|i| (0..self.shifts).map(move |j| (i, j)))
            {
                // Place `(i, j)` of the picture goes to `(i + down, j + right)`, around the ends.
                let place =
                    |i: usize, j: usize| (i + down) % full.0 * full.1 + (j + right) % full.1;
                for (i, j) in (0..full.0).flat_map(|i| (0..full.1).map(move |j| (i, j))) {
                    let source = mirror(i, 0, height) * width + mirror(j, 0, width);
                    shifted[place(i, j)] = pixels[(source, c)];
                }
                wavelet.apply(&mut shifted);
                if laws.is_empty() {
                    laws.extend(bands.iter().map(|band| law(&seen(band, &shifted), noise)));
                }
                for (band, law) in bands.iter().zip(&laws) {
                    let means = means(law.as_ref(), &seen(band, &shifted), noise);
                    band.iter().zip(means).for_each(|(&k, mean)| shifted[k] = mean);
                }
                wavelet.apply_adjoint(&mut shifted);
                for p in 0..pixels.rows() {
                    result[(p, c)] += share * shifted[place(p / width, p % width)];
                }
            }
        }
        result
    }

    /// The places of each band's coefficients: a level and a direction.
    fn bands(&self, wavelet: &Wavelet) -> Vec<Vec<usize>> {
        let mut bands = vec![Vec::new(); KINDS * self.levels as usize];
        for k in 0..wavelet.size() {
            if let Some((level, kind)) = wavelet.detail(k) {
                bands[KINDS * level as usize + usize::from(kind) - 1].push(k);
            }
        }
        bands
    }

    /// As the denoiser of a variable whose rows are the pixels.
    pub fn denoiser(self) -> BlackBox<impl Fn(&Rows, f64) -> Rows + Send + Sync> {
        let rows = self.picture.pixels();
        let denoise = move |pixels: &Rows, noise: f64| self.denoise(pixels, noise);
        BlackBox::new("wavelet shrinkage", denoise).with_rows(rows)
    }
}

/// Coefficients of a band.
fn seen(band: &[usize], coefficients: &[f64]) -> Vec<f64> {
    band.iter().map(|&k| coefficients[k]).collect()
}

/// `n` of what is seen with noise, and its precision.
fn noisy(seen: &[f64], noise: f64) -> (Vec<f64>, [f64; 1]) {
    let precision = (noise * noise).recip();
    (seen.iter().map(|c| c * precision).collect(), [precision])
}

/// A mixture of centred Gaussians, from a point to the largest coefficient, with weights fitted to what is seen.
fn law(seen: &[f64], noise: f64) -> Box<dyn Denoiser> {
    let largest = seen.iter().map(|c| c * c).fold(0.0, f64::max);
    let mut variances = vec![0.0];
    let mut variance = SMALLEST * noise * noise;
    while variance < largest && variances.len() < COMPONENTS {
        variances.push(variance);
        variance *= GROWTH;
    }
    let share = (variances.len() as f64).recip();
    let components: Vec<_> = variances.iter().map(|v| (share, 0.0, *v)).collect();
    let start = GaussianMixture::scalar(&components).expect("weights and variances are legal");
    let mut law: Box<dyn Denoiser> = Box::new(start.learn_weights());
    let (natural, precision) = noisy(seen, noise);
    let cavity = RowCavity::new(0, 1, &natural, seen, &precision);
    for _ in 0..STEPS {
        let Some(next) = law.learned(&mut core::iter::once(cavity)) else { break };
        law = next;
    }
    law
}

/// Posterior means of coefficients that are seen with noise.
fn means(law: &dyn Denoiser, seen: &[f64], noise: f64) -> Vec<f64> {
    let (mut mean, mut variance) = (vec![0.0; seen.len()], vec![0.0; seen.len()]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
    let (natural, precision) = noisy(seen, noise);
    let cavity = RowCavity::new(0, 1, &natural, seen, &precision);
    law.estimate(&cavity, &mut out, &mut Scratch::default())
        .expect("a proper law seen with noise has a mean");
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_goes_and_edges_stay() {
        let (height, width, noise) = (37, 50, 0.1);
        let clean = Rows::from_fn(height * width, 2, |p, c| {
            f64::from(u8::from(p % width < width / 2 + 3 * c)) + (p / width) as f64 / 100.0
        });
        let sign = |p: usize| if (p * p + p / 7).is_multiple_of(3) { 1.4 } else { -0.7 };
        let noisy =
            Rows::from_fn(height * width, 2, |p, c| clean[(p, c)] + noise * sign(p + 31 * c));
        let found = WaveletShrinkage::new(height, width).unwrap().denoise(&noisy, noise);
        let before = noisy.mean_squared_error(&clean);
        assert!(found.mean_squared_error(&clean) < 0.4 * before);
    }

    #[test]
    fn without_noise_nothing_changes() {
        let pixels = Rows::from_fn(12 * 9, 1, |p, _| (p as f64).sin());
        let shrinkage = WaveletShrinkage::new(12, 9).unwrap().with_shifts(2).unwrap();
        let found = shrinkage.denoise(&pixels, 0.0);
        assert!(found.mean_squared_error(&pixels) < 1e-28);
        assert!(shrinkage.with_shifts(0).is_err() && WaveletShrinkage::new(3, 0).is_err());
    }
}
