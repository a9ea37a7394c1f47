//! Total variation over an image: pictures that are constant in regions.

use fg_core::Rows;
use fg_core::denoiser::{
    BlackBox, BlackBoxError, BlackBoxOptions, Denoiser, Estimation, RowCavity, RowEstimate, Scratch,
};
use fg_core::factor::Breakdown;

use super::image::{Dual, Problem};
use super::picture::Picture;
use crate::error::{self, ParameterError};
use crate::family::proper;

/// How the two differences at a pixel are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Steps {
    /// By the length of the gradient: edges cost the same in all directions.
    #[default]
    Isotropic,
    /// By the sum of absolute values: edges along the axes are the cheapest.
    Anisotropic,
}

/// The penalty `weight * TV` of an image, row `y * width + x` of the unknown being its pixel at `(x, y)`.
///
/// # Density
///
/// ```text
/// f(X) = exp(-l sum over pixels of length(right - here, below - here))
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | `height`, `width` | - | 1 and more | pixels |
/// | weight `l` | - | `[0, inf)` | cost of a unit step along a unit of edge |
/// | follows the noise | no | | the weight counts in units of one over the deviation of the cavity |
/// | steps | [`Steps::Isotropic`] | | length of a gradient |
/// | tolerance | 1e-5 | `(0, inf)` | root mean square error of the estimate, in deviations of the cavity |
/// | iterations | 20000 | 1 and more | limit of the inner iteration |
/// | probes | [`BlackBoxOptions::default`] | | how the divergence is measured |
///
/// # Estimate
///
/// Columns, such as colours, are independent, under one isotropic precision `gamma I`; with `r = n / gamma`:
///
/// ```text
/// estimate        argmin |x - r|^2 / 2 + (l / gamma) TV(x)
/// covariance      divergence / (n d gamma), the average over rows, for every row
/// log-partition   the maximum, up to the duality gap
/// ```
///
/// # Numerical notes
///
/// * Not separable: all rows together, under one precision. One that isn't isotropic is refused ([`Breakdown::Form`]); it
///   must be above zero, since a constant costs nothing: otherwise [`Breakdown::ImproperCavity`].
/// * Accelerated projected gradients on the dual problem, restarted where momentum leads uphill. Twice the duality gap
///   bounds the squared error, which ends the iteration; [`Breakdown::NoConvergence`] if the limit comes first. An
///   iteration takes some 4 ns a pixel.
/// * The divergence comes by Monte Carlo probes as in [`BlackBox`], each started from the dual solution of the estimate;
///   [standard error](Scratch::declare) is that of the last estimate. An error of the inner iteration counts
///   there over the step of the probes, so the tolerance is to stay well below the step.
///
/// # Reference
///
/// A. Beck and M. Teboulle, "Fast Gradient-Based Algorithms for Constrained Total Variation Image Denoising and Deblurring
/// Problems", IEEE Transactions on Image Processing 18 (2009), doi 10.1109/TIP.2009.2028250.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::ImageTotalVariation::new(2, 2, 0.5)?;
/// let (mut x, mut covariance) = ([0.0; 4], [0.0; 4]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let n = [0.0, 0.0, 4.0, 4.0];
/// penalty.estimate(&RowCavity::new(0, 1, &n, &n, &[1.0]), &mut out, &mut Scratch::default())?;
/// assert!((x[0] - 0.5).abs() < 1e-4 && (x[2] - 3.5).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageTotalVariation {
    picture: Picture,
    weight: f64,
    follows_noise: bool,
    steps: Steps,
    tolerance: f64,
    iterations: usize,
    probes: BlackBoxOptions,
}

/// Default of the tolerance: a thousandth of the step of the probes.
const TOLERANCE: f64 = 1e-5;
/// Default of the limit: strong smoothing of large images takes some thousands.
const ITERATIONS: usize = 20_000;

/// Precision of the square, estimate, and the dual of each column.
struct Solution {
    gamma: f64,
    rows: Rows,
    duals: Vec<Dual>,
}

impl ImageTotalVariation {
    /// The penalty of this weight on images of this size.
    ///
    /// # Errors
    /// [`ParameterError`] unless there is a pixel and `0 <= weight < inf`.
    pub fn new(height: usize, width: usize, weight: f64) -> Result<Self, ParameterError> {
        Ok(Self {
            picture: Picture::new(height, width)?,
            weight: error::not_negative("weight", weight)?,
            follows_noise: false,
            steps: Steps::default(),
            tolerance: TOLERANCE,
            iterations: ITERATIONS,
            probes: BlackBoxOptions::default(),
        })
    }

    /// Lets the weight count in units of `1 / s`, `s` the deviation of the cavity: the noisier the picture that a run hands
    /// over, the stronger the smoothing, in proportion, which is `weight * s` against half of the square. That is a
    /// denoiser for each noise level and no longer the maximiser of one density.
    #[must_use]
    pub fn following_noise(self) -> Self {
        Self { follows_noise: true, ..self }
    }

    /// The same with another length of gradients. Default: isotropic.
    #[must_use]
    pub fn with_steps(self, steps: Steps) -> Self {
        Self { steps, ..self }
    }

    /// The same with another root mean square error, in deviations of the cavity. Default: 1e-5.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < tolerance < inf`.
    pub fn with_tolerance(self, tolerance: f64) -> Result<Self, ParameterError> {
        Ok(Self { tolerance: error::positive("tolerance", tolerance)?, ..self })
    }

    /// The same with another limit of the inner iteration. Default: 20000.
    ///
    /// # Errors
    /// [`ParameterError`] for none.
    pub fn with_iterations(self, iterations: usize) -> Result<Self, ParameterError> {
        error::above("iterations", iterations as f64, 0.0, "at least 1")?;
        Ok(Self { iterations, ..self })
    }

    /// The same with other probes of the divergence. Default: those of a [`BlackBox`].
    ///
    /// # Errors
    /// [`BlackBoxError`] when the options are out of bounds.
    pub fn with_probes(self, probes: BlackBoxOptions) -> Result<Self, BlackBoxError> {
        probes.validate()?;
        Ok(Self { probes, ..self })
    }

    /// Height and width in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.picture.height, self.picture.width)
    }

    /// Cost of a unit step along a unit of edge, in units of `1 / s` where it [follows the noise](Self::following_noise).
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// That cost for a cavity of this precision.
    fn weight_at(&self, gamma: f64) -> f64 {
        if self.follows_noise { self.weight * gamma.sqrt() } else { self.weight }
    }

    /// The problem where the square has this precision.
    fn problem(&self, gamma: f64, pixels: usize) -> Problem {
        Problem {
            width: self.picture.width,
            steps: self.steps,
            weight: self.weight_at(gamma) / gamma,
            distance: self.tolerance * (pixels as f64 / gamma).sqrt(),
            iterations: self.iterations,
        }
    }

    /// Solves every column from its dual, which is left at the solution.
    fn solve(&self, rows: &Rows, gamma: f64, duals: &mut [Dual]) -> Option<Rows> {
        let (n, d) = rows.shape();
        let problem = self.problem(gamma, n);
        let mut answer = Rows::zeros(n, d);
        let mut x = vec![0.0; n];
        for (j, dual) in duals.iter_mut().enumerate() {
            let y: Vec<f64> = (0..n).map(|i| rows[(i, j)]).collect();
            if !problem.minimise(&y, dual, &mut x) {
                return None;
            }
            (0..n).for_each(|i| answer[(i, j)] = x[i]);
        }
        Some(answer)
    }

    /// The estimate, from a dual of zero.
    fn start(&self, cavity: &RowCavity<'_>) -> Result<Solution, Breakdown> {
        let (n, d, row) = (cavity.len(), cavity.columns(), cavity.first_row());
        let gamma = proper::isotropic(cavity)?;
        let rows = Rows::from_fn(n, d, |i, j| cavity.natural()[i * d + j] / gamma);
        let mut duals = vec![Dual::zero(n); d];
        let solved = self.solve(&rows, gamma, &mut duals);
        let rows = solved.ok_or(Breakdown::NoConvergence { port: 0, row })?;
        Ok(Solution { gamma, rows, duals })
    }
}

impl Denoiser for ImageTotalVariation {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let Solution { gamma, duals, .. } = self.start(cavity)?;
        // Neither the estimate nor a probe is far from this solution. A function can't fail, so failure is NaN.
        let near = |rows: &Rows, _: f64| {
            let (n, d) = rows.shape();
            self.solve(rows, gamma, &mut duals.clone())
                .unwrap_or_else(|| Rows::from_fn(n, d, |_, _| f64::NAN))
        };
        let measured = BlackBox::new(self.name(), near).with_estimation(Estimation::Map);
        let measured = measured
            .with_options(self.probes)
            .unwrap_or_else(|_| unreachable!("options are validated where they are set"));
        measured.estimate(cavity, out, scratch).map_err(|breakdown| match breakdown {
            Breakdown::NotFinite { port, .. } => {
                Breakdown::NoConvergence { port, row: cavity.first_row() }
            }
            other => other,
        })
    }

    fn rows(&self) -> Option<usize> {
        Some(self.picture.pixels())
    }

    fn estimation(&self) -> Estimation {
        Estimation::Map
    }

    fn separable(&self) -> bool {
        false
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        if self.follows_noise {
            return false;
        }
        let Ok(Solution { gamma, rows: solved, .. }) = self.start(cavity) else { return false };
        let (n, d) = solved.shape();
        let problem = self.problem(gamma, n);
        out.fill(0.0);
        for j in 0..d {
            let x: Vec<f64> = (0..n).map(|i| solved[(i, j)]).collect();
            for (i, out) in out.iter_mut().enumerate() {
                let variation = self.weight * problem.variation_at(&x, i);
                *out += x[i] * (cavity.natural()[i * d + j] - 0.5 * gamma * x[i]) - variation;
            }
        }
        true
    }

    fn name(&self) -> String {
        "ImageTotalVariation".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structured::TotalVariation;

    /// Estimate, average covariance and its declared standard error.
    type Answer = (Vec<f64>, f64, f64);

    fn run(penalty: &dyn Denoiser, n: &[f64], gamma: f64) -> Result<Answer, Breakdown> {
        let (mut x, mut covariance) = (vec![0.0; n.len()], vec![0.0; n.len()]);
        let r: Vec<f64> = n.iter().map(|n| n / gamma).collect();
        let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
        let precision = [gamma];
        let cavity = RowCavity::new(0, 1, n, &r, &precision);
        let mut scratch = Scratch::default();
        penalty.estimate(&cavity, &mut out, &mut scratch)?;
        let average = covariance.iter().sum::<f64>() / n.len() as f64;
        Ok((x, average, scratch.take_standard_error()))
    }

    fn wave(n: usize) -> Vec<f64> {
        (0..n).map(|i| 5.0 * (1.3 * i as f64).sin() + (i / 20) as f64).collect()
    }

    #[test]
    fn an_image_of_one_row_or_column_is_a_line() {
        let (n, gamma) = (wave(60), 2.0);
        let (exact, covariance, _) = run(&TotalVariation::new(1.5).unwrap(), &n, gamma).unwrap();
        for (height, width) in [(1, 60), (60, 1)] {
            for steps in [Steps::Isotropic, Steps::Anisotropic] {
                let penalty = ImageTotalVariation::new(height, width, 1.5).unwrap();
                let penalty = penalty.with_steps(steps).with_tolerance(1e-6).unwrap();
                let (x, average, error) = run(&penalty, &n, gamma).unwrap();
                let square: f64 = x.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum();
                let bound = 1e-6 * (60.0f64 / gamma).sqrt();
                assert!(square.sqrt() <= bound, "{height} {steps:?}: {:e}", square.sqrt());
                // Six standard errors, false alarm below 1e-6 were they normal, and the inner error over the step.
                let spread = 6.0 * error + 1e-3;
                assert!((average / covariance - 1.0).abs() < spread, "{average} {covariance}");
            }
        }
    }

    #[test]
    fn neighbours_cost_more_and_transposing_changes_nothing() {
        let (height, width, gamma) = (5, 4, 1.0);
        let n = wave(height * width);
        for steps in [Steps::Isotropic, Steps::Anisotropic] {
            let penalty = ImageTotalVariation::new(height, width, 0.8).unwrap();
            let penalty = penalty.with_steps(steps).with_tolerance(1e-7).unwrap();
            let (x, ..) = run(&penalty, &n, gamma).unwrap();
            let length = |a: f64, b: f64| match steps {
                Steps::Isotropic => a.hypot(b),
                Steps::Anisotropic => a.abs() + b.abs(),
            };
            let cost = |x: &[f64]| {
                let mut sum = 0.0;
                for i in 0..height * width {
                    let right = if i % width + 1 < width { x[i + 1] - x[i] } else { 0.0 };
                    let below = if i / width + 1 < height { x[i + width] - x[i] } else { 0.0 };
                    sum += 0.5 * gamma * x[i] * x[i] - n[i] * x[i] + 0.8 * length(right, below);
                }
                sum
            };
            for k in 0..200 {
                for size in [1e-1, 1e-3] {
                    let moved: Vec<f64> = (0..x.len())
                        .map(|i| {
                            x[i] + size * (1.0 + f64::from(k) + (3 * k + 1) as f64 * i as f64).sin()
                        })
                        .collect();
                    assert!(cost(&moved) >= cost(&x) - 1e-12, "{steps:?} {k} {size}");
                }
            }
            if steps == Steps::Anisotropic {
                let turned: Vec<f64> =
                    (0..20).map(|k| n[k % height * width + k / height]).collect();
                let other = ImageTotalVariation::new(width, height, 0.8).unwrap();
                let other = other.with_steps(steps).with_tolerance(1e-7).unwrap();
                let (y, ..) = run(&other, &turned, gamma).unwrap();
                for k in 0..20 {
                    assert!((y[k] - x[k % height * width + k / height]).abs() < 1e-6, "{y:?}");
                }
            }
        }
    }

    #[test]
    fn what_does_not_work_is_said() {
        let penalty = ImageTotalVariation::new(4, 5, 0.8).unwrap();
        let hasty = penalty.clone().with_iterations(1).unwrap();
        assert_eq!(run(&hasty, &wave(20), 1.0), Err(Breakdown::NoConvergence { port: 0, row: 0 }));
        let cavity = RowCavity::new(0, 1, &[1.0; 20], &[0.0; 20], &[0.0]);
        let mut out = RowEstimate { mean: &mut [0.0; 20], covariance: &mut [0.0; 20] };
        let result = penalty.estimate(&cavity, &mut out, &mut Scratch::default());
        assert_eq!(result, Err(Breakdown::ImproperCavity { port: 0, row: 0 }));
        assert!(ImageTotalVariation::new(0, 3, 1.0).is_err());
        assert!(ImageTotalVariation::new(3, 3, f64::NAN).is_err());
        assert!(
            penalty.clone().with_tolerance(0.0).is_err() && penalty.with_iterations(0).is_err()
        );
    }
}
