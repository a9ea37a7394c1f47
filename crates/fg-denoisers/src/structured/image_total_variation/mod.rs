//! Total variation over an image: pictures that are constant in regions.

mod colours;
mod flat;
mod image;
mod regions;
#[cfg(test)]
mod tests;

use fg_core::Rows;
use fg_core::denoiser::{
    BlackBox, BlackBoxError, BlackBoxOptions, Denoiser, Estimation, RowCavity, RowEstimate, Scratch,
};
use fg_core::factor::Breakdown;

use super::picture::Picture;
use crate::error::{self, ParameterError};
use crate::family::proper;
use colours::Colours;
use image::Dual;

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
/// | tolerance | 1e-3 | `(0, inf)` | root mean square error of the estimate, in deviations of the cavity |
/// | iterations | 20000 | 1 and more | limit of the inner iteration |
/// | polish | 8 | | Newton's steps after it |
/// | probes | none | | divergence by sampling, for very large pictures |
///
/// # Estimate
///
/// The variation of columns, such as colours, adds up. With `R = N Gamma^-1`:
///
/// ```text
/// estimate        argmin tr (X - R) Gamma (X - R)' / 2 + l TV(X)
/// covariance      blocks of P (P' (I (x) Gamma) P + C)^-1 P', each row with its own
/// log-partition   the maximum, up to the duality gap
/// ```
///
/// `P` are indicators of the regions in which a column is flat, `C` is the curvature of the lengths of its other gradients
/// `g`, `l / |g|` across them. Steps that are counted by absolute values have none: the divergence of a column is the number of
/// its regions.
///
/// # Numerical notes
///
/// * Not separable: all rows together, under one precision, which must be positive definite, since a constant costs nothing:
///   otherwise [`Breakdown::ImproperCavity`].
/// * Accelerated projected gradients on the dual problem, restarted where momentum leads uphill. Twice the duality gap
///   bounds the squared error, which ends the iteration; [`Breakdown::NoConvergence`] if the limit comes first. An
///   iteration takes some 4 ns a pixel. Columns that the precision couples take turns, and what they owe each other joins
///   the gap: the closer to singular, the more turns.
/// * Then Newton's steps for the values of the regions take the estimate to rounding where they settle: for small pictures, and for
///   absolute values in one step. Where they don't, it stays within the tolerance, which can't be below some 1e-7, the
///   rounding of a gap.
/// * The covariance is exact where regions are told apart: a pixel belongs to its neighbours where a step of its dual stays
///   within bounds, which are those after finitely many iterations. A picture of 256 x 256 pixels with noise of a tenth of its
///   range has a divergence within 1 percent at a tolerance of 1e-2, 5e-4 at one of 1e-3, 3e-5 at one of 1e-4; that of absolute
///   values is exact from 1e-3 on.
/// * The inverse is computed at the places that are needed, from a sparse factor: 0.2 s for 256 x 256 pixels at most, 1 s for
///   512 x 512; a few kilobytes a pixel for some millions, for which there are [probes](Self::with_probes).
///
/// # Reference
///
/// A. Beck and M. Teboulle, "Fast Gradient-Based Algorithms for Constrained Total Variation Image Denoising and Deblurring
/// Problems", IEEE Transactions on Image Processing 18 (2009), doi 10.1109/TIP.2009.2028250; divergence as in R. Tibshirani
/// and J. Taylor, "The solution path of the generalized lasso", Annals of Statistics 39 (2011), doi 10.1214/11-AOS878.
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
/// assert!((x[0] - 0.5).abs() < 1e-2 && (x[2] - 3.5).abs() < 1e-2);
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
    probes: Option<BlackBoxOptions>,
    polish: usize,
}

/// Default of the tolerance: the divergence is then right to 1e-3 or better, and large images take some hundred iterations.
const TOLERANCE: f64 = 1e-3;
/// Default of the limit: strong smoothing of large images takes some thousands.
const ITERATIONS: usize = 20_000;

/// Default of the limit of Newton's steps: three or four settle where the regions are right.
const POLISH: usize = 8;

/// The estimate, column by column, and what is known of it.
struct Solution {
    columns: Vec<Vec<f64>>,
    duals: Vec<Dual>,
    /// Inverse of the precision.
    covariance: Vec<f64>,
    /// Cost of a unit of variation in each column.
    costs: Vec<f64>,
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
            probes: None,
            polish: POLISH,
        })
    }

    /// Lets the weight count in units of `1 / s`, `s` the deviation of the cavity in each column: the noisier the picture that a
    /// run hands over, the stronger the smoothing, in proportion, which is `weight * s` against half of the square. That is a
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

    /// The same with another root mean square error, in deviations of the cavity. Default: 1e-3.
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

    /// The same with another limit of Newton's steps that follow the iteration and take the estimate from the tolerance to rounding,
    /// where they settle, each for the price of a sparse factorisation. Default: 8.
    #[must_use]
    pub fn with_polish(self, steps: usize) -> Self {
        Self { polish: steps, ..self }
    }

    /// The same with a divergence by Monte Carlo probes, as in a [`BlackBox`], each started from the solution of the estimate:
    /// for pictures of many millions of pixels, where the exact one takes tens of gigabytes. Precisions must be isotropic then.
    /// Their [standard error](Scratch::declare) is that of the last estimate; an error of the inner iteration counts there over the
    /// step of the probes, so that the tolerance is to stay well below the step. Default: the exact divergence.
    ///
    /// # Errors
    /// [`BlackBoxError`] when the options are out of bounds.
    pub fn with_probes(self, probes: BlackBoxOptions) -> Result<Self, BlackBoxError> {
        probes.validate()?;
        Ok(Self { probes: Some(probes), ..self })
    }

    /// Height and width in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.picture.height, self.picture.width)
    }

    /// Cost of a unit step along a unit of edge, in units of `1 / s` where it [follows the noise](Self::following_noise).
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// The image of a cavity.
    fn colours<'a>(
        &self,
        cavity: &'a RowCavity<'a>,
        covariance: &'a [f64],
        costs: &'a [f64],
    ) -> Colours<'a> {
        let entries = cavity.natural().len() as f64;
        Colours {
            cavity,
            covariance,
            width: self.picture.width,
            steps: self.steps,
            costs,
            gap: 0.5 * self.tolerance * self.tolerance * entries,
            iterations: self.iterations,
        }
    }

    /// The estimate, from these duals.
    fn solve(&self, cavity: &RowCavity<'_>, mut duals: Vec<Dual>) -> Result<Solution, Breakdown> {
        let (d, row) = (cavity.columns(), cavity.first_row());
        let mut covariance = vec![0.0; d * d];
        proper::inverse(cavity, &mut covariance, &mut vec![0.0; 2 * d * d])?;
        let cost = |variance: f64| {
            if self.follows_noise { self.weight / variance.sqrt() } else { self.weight }
        };
        let costs: Vec<f64> = covariance.iter().step_by(d + 1).map(|v| cost(*v)).collect();
        let columns = self.colours(cavity, &covariance, &costs).minimise(&mut duals);
        let columns = columns.ok_or(Breakdown::NoConvergence { port: 0, row })?;
        Ok(Solution { columns, duals, covariance, costs })
    }

    fn start(&self, cavity: &RowCavity<'_>) -> Result<Solution, Breakdown> {
        self.solve(cavity, vec![Dual::zero(cavity.len()); cavity.columns()])
    }

    /// Estimate and covariances by probes.
    fn probe(
        &self,
        options: BlackBoxOptions,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let gamma = proper::isotropic(cavity)?;
        let Solution { duals, .. } = self.start(cavity)?;
        // Neither the estimate nor a probe is far from this solution. A function can't fail, so failure is NaN.
        let near = |rows: &Rows, _: f64| {
            let (n, d) = rows.shape();
            let natural: Vec<f64> = rows.as_slice().iter().map(|r| gamma * r).collect();
            let cavity = RowCavity::new(0, d, &natural, rows.as_slice(), cavity.precision());
            match self.solve(&cavity, duals.clone()) {
                Ok(Solution { columns, .. }) => Rows::from_fn(n, d, |i, j| columns[j][i]),
                Err(_) => Rows::from_fn(n, d, |_, _| f64::NAN),
            }
        };
        let measured = BlackBox::new(self.name(), near).with_estimation(Estimation::Map);
        let measured = measured
            .with_options(options)
            .unwrap_or_else(|_| unreachable!("options are validated where they are set"));
        measured.estimate(cavity, out, scratch).map_err(|breakdown| match breakdown {
            Breakdown::NotFinite { port, .. } => {
                Breakdown::NoConvergence { port, row: cavity.first_row() }
            }
            other => other,
        })
    }
}

impl Denoiser for ImageTotalVariation {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        if let Some(options) = self.probes {
            return self.probe(options, cavity, out, scratch);
        }
        let Solution { mut columns, duals, covariance, costs } = self.start(cavity)?;
        let colours = self.colours(cavity, &covariance, &costs);
        let flat = colours.flat(&columns, &duals);
        flat.polish(&mut columns, self.polish).map_err(|_| Breakdown::Factorisation)?;
        for (i, row) in out.mean.chunks_exact_mut(columns.len()).enumerate() {
            row.iter_mut().zip(&columns).for_each(|(out, column)| *out = column[i]);
        }
        flat.covariances(&columns, out.covariance).map_err(|_| Breakdown::Factorisation)
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
        let Ok(Solution { mut columns, duals, covariance, costs }) = self.start(cavity) else {
            return false;
        };
        let colours = self.colours(cavity, &covariance, &costs);
        if colours.flat(&columns, &duals).polish(&mut columns, self.polish).is_err() {
            return false;
        }
        // The maximum, each row with its own part.
        out.iter_mut().enumerate().for_each(|(i, out)| *out = -colours.cost_at(&columns, i).value);
        true
    }

    fn name(&self) -> String {
        "ImageTotalVariation".to_owned()
    }
}
