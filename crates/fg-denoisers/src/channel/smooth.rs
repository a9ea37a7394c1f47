//! Smooth monotone activations, `output = f(input)` with noise or without: sigmoid, tanh, softplus, a user's own.

use core::f64::consts::PI;
use core::fmt;
use std::sync::Arc;

use fg_core::denoiser::{Channel, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::{log1pexp, logistic, open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::Rule;
use crate::family::curve::{self, Curve, Fault, Flat, Mark, Peaks, Tilt};

/// A function of a number, with its derivative.
type Function = dyn Fn(f64) -> [f64; 2] + Send + Sync;

/// A smooth monotone function of a variable of one column, applied to each entry, with Gaussian noise or without.
///
/// # Density
///
/// ```text
/// p(output | input) = N(output; f(input), v),     for v = 0 the point f(input)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | `f` | - | monotone, smooth | [`sigmoid`](Self::sigmoid), [`tanh`](Self::tanh), [`softplus`](Self::softplus) or a function that gives its value and derivative |
/// | centre, scale | - | finite, scale above 0 | where `f` bends, and over which length; elsewhere it is smooth over the distance from there |
/// | variance `v` | 0 | `[0, inf)` | of the noise |
///
/// # Estimate
///
/// With cavities `(n, g)` of the input and `(m, h)` of the output and `k = 1 / (1 + h v)`, the input has the density
/// `exp(n z - g z^2 / 2 + k (m f - h f^2 / 2))`, `f = f(z)`. Its moments and those of `f` come by quadrature:
///
/// ```text
/// input           E z,                Var z
/// output          k (v m + E f),      k v + k^2 Var f
/// ```
///
/// # Numerical notes and limits
///
/// * Peaks are where the slope changes sign on a grid that is fine next to the cavity's mean, to the bend of `f`, and to
///   the place where `f` is what the output's cavity says. Gauss-Legendre panels cover all that is within 40 nats of the
///   highest one.
/// * Exponents are products of differences: what all points share cancels, whatever its size.
/// * Variances are sums of positive terms.
/// * The precision of the input may be zero where the output or the slope bounds it on both sides, else
///   [`Breakdown::ImproperCavity`]. To be found unbounded, `f` must grow without bound up to the largest numbers.
/// * Below 60 microseconds a row.
/// * A function that turns is for [`PiecewiseLinear`](crate::PiecewiseLinear).
///
/// # Reference
///
/// A. K. Fletcher, S. Rangan and P. Schniter, "Inference in Deep Networks in High Dimensions", IEEE International Symposium
/// on Information Theory (2018), doi 10.1109/ISIT.2018.8437792.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::Channel;
/// use fg_denoisers::Smooth;
/// let mut output = [0.0];
/// Smooth::softplus().draw(&[0.0], &[], &mut output);
/// assert_eq!(output[0], 2f64.ln());
/// // z / sqrt(1 + z^2), which bends at zero on the scale one.
/// let own = Smooth::new("algebraic", 0.0, 1.0, |z: f64| {
///     let root = z.hypot(1.0);
///     [z / root, 1.0 / (root * root * root)]
/// })?;
/// assert_eq!(own.value(0.0), 0.0);
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Clone)]
pub struct Smooth {
    function: Arc<Function>,
    bend: Mark,
    variance: f64,
    rule: Rule,
    name: &'static str,
}

impl fmt::Debug for Smooth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function: _, bend, variance, rule: _, name } = self;
        f.debug_struct("Smooth")
            .field("name", name)
            .field("bend", bend)
            .field("variance", variance)
            .finish_non_exhaustive()
    }
}

/// Panels next to a bend are of half the distance of its poles: functions of the activation are less smooth than itself.
const POLES: f64 = 0.5;
/// A function beyond this at the largest number has no bound.
const UNBOUNDED: f64 = 1e100;
/// Bisections that shrink a bracket of doubles to rounding, and doublings that make one.
const BISECTIONS: usize = 1100;

impl Smooth {
    /// The function that gives its value and its derivative. It must be monotone, and smooth over lengths of `scale`, and
    /// of the distance from `centre` where that is longer.
    ///
    /// # Errors
    /// [`ParameterError`] unless `centre` is finite and `0 < scale < inf`.
    pub fn new(
        name: &'static str,
        centre: f64,
        scale: f64,
        function: impl Fn(f64) -> [f64; 2] + Send + Sync + 'static,
    ) -> Result<Self, ParameterError> {
        let centre = error::finite("centre", centre)?;
        let scale = error::positive("scale", scale)?;
        Ok(Self::known(name, Mark { centre, scale }, function))
    }

    /// `1 / (1 + exp(-z))`.
    pub fn sigmoid() -> Self {
        Self::known("sigmoid", Mark { centre: 0.0, scale: POLES * PI }, |z| {
            let p = logistic(z);
            [p, p * logistic(-z)]
        })
    }

    /// `tanh z`.
    pub fn tanh() -> Self {
        Self::known("tanh", Mark { centre: 0.0, scale: 0.5 * POLES * PI }, |z| {
            [z.tanh(), 4.0 * logistic(2.0 * z) * logistic(-2.0 * z)]
        })
    }

    /// `log(1 + exp(z))`.
    pub fn softplus() -> Self {
        Self::known("softplus", Mark { centre: 0.0, scale: POLES * PI }, |z| {
            [log1pexp(z), logistic(z)]
        })
    }

    fn known(
        name: &'static str,
        bend: Mark,
        function: impl Fn(f64) -> [f64; 2] + Send + Sync + 'static,
    ) -> Self {
        Self { function: Arc::new(function), bend, variance: 0.0, rule: curve::rule(), name }
    }

    /// Noise of this variance on the output. Default: 0.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= variance < inf`.
    pub fn with_noise(self, variance: f64) -> Result<Self, ParameterError> {
        Ok(Self { variance: error::not_negative("noise variance", variance)?, ..self })
    }

    /// `f(z)`.
    pub fn value(&self, z: f64) -> f64 {
        (self.function)(z)[0]
    }

    /// Variance of the noise.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// Where `f` is `target`, and how well that is known; an infinite centre where it is nowhere.
    fn preimage(&self, target: f64, precision: f64) -> Mark {
        let none = Mark { centre: f64::INFINITY, scale: 1.0 };
        let Mark { centre, scale } = self.bend;
        let rises = self.value(centre + scale) > self.value(centre - scale);
        let below = |z: f64| (self.value(z) < target) == rises;
        let towards = if below(centre) { scale } else { -scale };
        let (mut near, mut step) = (centre, towards);
        let mut far = centre + step;
        while below(far) == (towards > 0.0) {
            (near, step) = (far, 2.0 * step);
            far = near + step;
            if !far.is_finite() {
                return none;
            }
        }
        for _ in 0..BISECTIONS {
            let middle = 0.5 * near + 0.5 * far;
            if !(near.min(far) < middle && middle < near.max(far)) {
                break;
            }
            if below(middle) == (towards > 0.0) {
                near = middle;
            } else {
                far = middle;
            }
        }
        let slope = (self.function)(far)[1].abs();
        Mark { centre: far, scale: 1.0 / (precision.sqrt() * slope) }
    }

    /// The output's cavity as a function of the input, and the share of it that the noise leaves.
    fn image(&self, m: f64, h: f64) -> (Image<'_>, f64) {
        let k = 1.0 / (1.0 + h * self.variance);
        let target = if h > 0.0 {
            self.preimage(m / h, k * h)
        } else {
            Mark { centre: f64::INFINITY, scale: 1.0 }
        };
        (Image { channel: self, tilt: Tilt { n: k * m, gamma: k * h }, target }, k)
    }

    /// Logarithm of the mass of a row: that of the image, and `(log k + k v m^2) / 2` of the noise.
    fn log_mass(&self, input: Tilt, m: f64, h: f64) -> Result<f64, Fault> {
        let (image, k) = self.image(m, h);
        let found = curve::average(&image, input, &self.rule)?;
        Ok(found.log_partition + 0.5 * (k.ln() + k * self.variance * m * m))
    }

    fn row(&self, input: Tilt, m: f64, h: f64) -> Result<[(f64, f64); 2], Fault> {
        let (image, k) = self.image(m, h);
        if input.gamma == 0.0 && image.flat(input.n) == Flat::Improper {
            return Err(Fault::Improper);
        }
        let peaks = Peaks::find(&image, input)?;
        let top = peaks.top();
        let at_top = self.value(top);
        let (mut z, mut u) = (Spread::default(), Spread::default());
        peaks.visit(&image, input, &self.rule, |offset, weight| {
            z.add(offset, weight);
            u.add(self.value(top + offset) - at_top, weight);
        });
        let mean = at_top + u.mean;
        Ok([
            (top + z.mean, z.variance()),
            (k * self.variance.mul_add(m, mean), k * (self.variance + k * u.variance())),
        ])
    }
}

/// Weighted mean and variance of values that come one by one: a sum of positive terms.
#[derive(Default)]
struct Spread {
    mass: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    fn add(&mut self, value: f64, weight: f64) {
        if weight > 0.0 {
            self.mass += weight;
            let before = value - self.mean;
            self.mean += before * (weight / self.mass);
            self.squares += weight * before * (value - self.mean);
        }
    }

    fn variance(&self) -> f64 {
        self.squares / self.mass
    }
}

/// `m f(z) - h f(z)^2 / 2`; its value is `f(z)` itself.
struct Image<'a> {
    channel: &'a Smooth,
    tilt: Tilt,
    target: Mark,
}

impl Curve for Image<'_> {
    fn value(&self, z: f64) -> f64 {
        self.channel.value(z)
    }

    fn rise(&self, z: f64, base: f64) -> f64 {
        self.tilt.rise(self.channel.value(z), base)
    }

    fn log(&self, base: f64) -> f64 {
        self.tilt.rise(base, 0.0)
    }

    /// The second derivative without the part of the curvature of `f`, which vanishes at the target.
    fn slopes(&self, z: f64) -> [f64; 2] {
        let [f, slope] = (self.channel.function)(z);
        [self.tilt.slope(f) * slope, -self.tilt.gamma * slope * slope]
    }

    fn is_concave(&self) -> bool {
        false
    }

    fn marks(&self) -> [Mark; 2] {
        [self.channel.bend, self.target]
    }

    fn flat(&self, n: f64) -> Flat {
        let bounded = |end: f64| {
            let value = self.channel.value(end).abs();
            self.tilt.gamma > 0.0 && !(value < UNBOUNDED)
        };
        let left = n > 0.0 || bounded(-f64::MAX);
        let right = n < 0.0 || bounded(f64::MAX);
        if left && right { Flat::Proper } else { Flat::Improper }
    }
}

impl Channel for Smooth {
    fn estimate(
        &self,
        cavities: [&RowCavity<'_>; 2],
        out: [&mut RowEstimate<'_>; 2],
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let [input, output] = cavities;
        let (gamma, h) = (input.scalar_precision(), output.scalar_precision());
        let [at_input, at_output] = out;
        for (i, (&n, &m)) in input.natural().iter().zip(output.natural()).enumerate() {
            let [z, u] = self
                .row(Tilt { n, gamma }, m, h)
                .map_err(|fault| fault.breakdown(input.first_row() + i))?;
            (at_input.mean[i], at_input.covariance[i]) = z;
            (at_output.mean[i], at_output.covariance[i]) = u;
        }
        Ok(())
    }

    fn log_partition(&self, cavities: [&RowCavity<'_>; 2], out: &mut [f64]) -> bool {
        let [input, output] = cavities;
        let (gamma, h) = (input.scalar_precision(), output.scalar_precision());
        let rows = input.natural().iter().zip(output.natural());
        for (out, (&n, &m)) in out.iter_mut().zip(rows) {
            match self.log_mass(Tilt { n, gamma }, m, h) {
                Ok(log) => *out = log,
                Err(_) => return false,
            }
        }
        true
    }

    fn output_columns(&self, d: usize) -> Option<usize> {
        (d == 1).then_some(1)
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(usize::from(self.variance > 0.0))
    }

    fn draw(&self, input: &[f64], uniforms: &[f64], output: &mut [f64]) {
        output[0] = self.value(input[0]);
        if let Some(u) = uniforms.first() {
            output[0] += self.variance.sqrt() * quantile(open_uniform(*u));
        }
    }

    fn name(&self) -> String {
        self.name.to_owned()
    }
}
