//! Activations made of straight pieces, `output = f(input)` without noise: ReLU, absolute value, sign, hard tanh.

use fg_core::denoiser::{Channel, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use crate::error::{self, ParameterError};
use crate::family::{Cut, Rule, anchor};

/// A piecewise linear function of a variable of one column, continuous or not, applied to each entry.
///
/// # Density
///
/// ```text
/// p(output | input) = delta(output - f(input)),     f(z) = s_k z + c_k  between breaks k and k + 1
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | breaks | - | finite, ascending | where one piece ends and the next begins; a break itself belongs to the right piece |
/// | lines `(s, c)` | - | finite | slope and intercept of each piece, one more than there are breaks |
///
/// # Estimate
///
/// With cavities `(n, g)` of the input and `(m, h)` of the output, the input has on each piece the weight of a Gaussian
/// that is cut off at its ends. At an end `a`, with `f = s a + c` there:
///
/// ```text
/// exponent at a    n a - g a^2 / 2 + m f - h f^2 / 2
/// slope at a       (n - g a) + s (m - h f)
/// precision        g + s^2 h
/// input            sum p_k mean_k,   sum p_k (variance_k + (mean_k - mean)^2)
/// output           the same with s mean_k + c and s^2 variance_k
/// ```
///
/// where `p_k` is the share of piece `k` in the total mass.
///
/// # Numerical notes and limits
///
/// * Pieces with one end are in closed form by Mills' ratio, stable in both tails. Pieces with two ends are integrated
///   by a Gauss-Legendre rule over all that is within 40 nats of their peak, to rounding: their closed form is a
///   difference of tails that cancels where the piece is short or far out.
/// * Masses are logarithms relative to one point of the function, from which exponents are taken as products of
///   differences: what all pieces share cancels exactly, whatever its size.
/// * Variances are sums of positive terms about the piece of most weight, so that also that of an output which is
///   almost certainly constant keeps its digits.
/// * Either precision may be zero, and both, where the function bounds the input; the input of a ReLU that nothing
///   is known of is unbounded on the left: [`Breakdown::ImproperCavity`].
/// * Means and variances are good to `1e-12`, relative, times the size of the exponents.
/// * Some 0.1 microseconds a piece with one end, a microsecond a piece with two.
/// * One column only: between the columns of a row, pieces would be cells whose Gaussian integrals have no closed form.
///
/// # Reference
///
/// P. Pandit, M. Sahraee-Ardakan, S. Rangan, P. Schniter and A. K. Fletcher, "Inference with Deep Generative Priors in
/// High Dimensions", IEEE Journal on Selected Areas in Information Theory 1 (2020), doi 10.1109/JSAIT.2020.2986321.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::Channel;
/// use fg_denoisers::PiecewiseLinear;
/// let relu = PiecewiseLinear::relu();
/// let mut output = [0.0];
/// relu.draw(&[-1.5], &[], &mut output);
/// assert_eq!((output[0], relu.value(2.0)), (0.0, 2.0));
/// let dead_zone = PiecewiseLinear::new(&[-1.0, 1.0], &[(1.0, 1.0), (0.0, 0.0), (1.0, -1.0)])?;
/// assert_eq!(dead_zone.value(1.5), 0.5);
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PiecewiseLinear {
    breaks: Vec<f64>,
    lines: Vec<(f64, f64)>,
    /// For pieces with two ends.
    rule: Rule,
    name: &'static str,
}

/// One piece between its ends, seen by the cavities of a row.
struct Part {
    /// Logarithm of its mass, relative to the function's reference point.
    log_mass: f64,
    mean: f64,
    variance: f64,
    image: f64,
}

/// Natural parameter and precision of one entry.
#[derive(Clone, Copy)]
struct Tilt {
    n: f64,
    gamma: f64,
}

impl Tilt {
    /// Slope of the exponent `n x - gamma x^2 / 2` at `x`.
    #[inline]
    fn slope(self, x: f64) -> f64 {
        self.n - self.gamma * x
    }

    /// Exponent at `x` less that at `origin`.
    #[inline]
    fn rise(self, x: f64, origin: f64) -> f64 {
        (x - origin) * (self.n - 0.5 * self.gamma * (x + origin))
    }
}

/// What is kept of each piece while a row is put together.
const KEPT: usize = 4;

impl PiecewiseLinear {
    /// The function with these breaks and these lines `(slope, intercept)`, one more than there are breaks.
    ///
    /// # Errors
    /// [`ParameterError`] unless all values are finite, breaks ascend strictly, and the lengths fit.
    pub fn new(breaks: &[f64], lines: &[(f64, f64)]) -> Result<Self, ParameterError> {
        let (expected, found) = (breaks.len() + 1, lines.len());
        if expected != found {
            return Err(ParameterError::Length { parameter: "lines", expected, found });
        }
        for (k, &value) in breaks.iter().enumerate() {
            error::finite("break", value)?;
            if k > 0 && !(value > breaks[k - 1]) {
                let requirement = "above the one before it";
                return Err(ParameterError::OutOfRange { parameter: "break", value, requirement });
            }
        }
        for &(slope, intercept) in lines {
            error::finite("slope", slope)?;
            error::finite("intercept", intercept)?;
        }
        Ok(Self::named("piecewise linear", breaks, lines))
    }

    /// `max(z, 0)`.
    pub fn relu() -> Self {
        Self::named("ReLU", &[0.0], &[(0.0, 0.0), (1.0, 0.0)])
    }

    /// `z` where it is positive and `slope z` where it is negative.
    ///
    /// # Errors
    /// [`ParameterError`] unless the slope is finite.
    pub fn leaky_relu(slope: f64) -> Result<Self, ParameterError> {
        let slope = error::finite("slope", slope)?;
        Ok(Self::named("leaky ReLU", &[0.0], &[(slope, 0.0), (1.0, 0.0)]))
    }

    /// `abs(z)`.
    pub fn absolute() -> Self {
        Self::named("absolute value", &[0.0], &[(-1.0, 0.0), (1.0, 0.0)])
    }

    /// -1 where `z` is negative, 1 elsewhere.
    pub fn sign() -> Self {
        Self::named("sign", &[0.0], &[(0.0, -1.0), (0.0, 1.0)])
    }

    /// `z` between -1 and 1, and the nearer of the two beyond.
    pub fn hard_tanh() -> Self {
        Self::named("hard tanh", &[-1.0, 1.0], &[(0.0, -1.0), (1.0, 0.0), (0.0, 1.0)])
    }

    fn named(name: &'static str, breaks: &[f64], lines: &[(f64, f64)]) -> Self {
        Self { breaks: breaks.to_vec(), lines: lines.to_vec(), rule: Rule::new(), name }
    }

    /// Where pieces meet, ascending.
    pub fn breaks(&self) -> &[f64] {
        &self.breaks
    }

    /// Slope and intercept of each piece, from left to right.
    pub fn lines(&self) -> &[(f64, f64)] {
        &self.lines
    }

    /// `f(z)`.
    pub fn value(&self, z: f64) -> f64 {
        let (slope, intercept) = self.lines[self.breaks.partition_point(|b| *b <= z)];
        slope * z + intercept
    }

    /// Exponents are taken relative to that at the first break, as the limit from the left.
    fn reference(&self) -> [f64; 2] {
        let z = self.breaks.first().copied().unwrap_or(0.0);
        let (slope, intercept) = self.lines[0];
        [z, slope * z + intercept]
    }

    /// Piece `k` under both cavities; none where its mass is infinite.
    #[inline]
    fn part(&self, k: usize, input: Tilt, output: Tilt, reference: [f64; 2]) -> Option<Part> {
        let (slope, intercept) = self.lines[k];
        let start = k.checked_sub(1).map_or(f64::NEG_INFINITY, |before| self.breaks[before]);
        let end = self.breaks.get(k).copied().unwrap_or(f64::INFINITY);
        let anchor = anchor(start, end);
        let image = slope * anchor + intercept;
        let precision = input.gamma + slope * slope * output.gamma;
        let rise = input.slope(anchor) + slope * output.slope(image);
        let Cut { offset, variance, log_mass } =
            Cut::new((start, end), rise, precision, &self.rule)?;
        let at_anchor = input.rise(anchor, reference[0]) + output.rise(image, reference[1]);
        Some(Part {
            log_mass: at_anchor + log_mass,
            mean: anchor + offset,
            variance,
            image: slope.mul_add(offset, image),
        })
    }

    /// Mean and variance at both ports from the parts of a row, `[log mass, mean, variance, image]` each; log masses
    /// are overwritten by shares.
    fn combine(&self, parts: &mut [f64]) -> [(f64, f64); 2] {
        let mut top = 0;
        for k in 1..self.lines.len() {
            if parts[KEPT * k] > parts[KEPT * top] {
                top = k;
            }
        }
        let (height, centre, image) =
            (parts[KEPT * top], parts[KEPT * top + 1], parts[KEPT * top + 3]);
        let mut total = 0.0;
        for part in parts.chunks_exact_mut(KEPT) {
            part[0] = (part[0] - height).exp();
            total += part[0];
        }
        // Means relative to the heaviest piece's: where the others hardly count, so do their squares.
        let mut shift = [0.0; 2];
        for part in parts.chunks_exact_mut(KEPT) {
            part[0] /= total;
            shift[0] += part[0] * (part[1] - centre);
            shift[1] += part[0] * (part[3] - image);
        }
        let mut variance = [0.0; 2];
        for (part, (slope, _)) in parts.chunks_exact(KEPT).zip(&self.lines) {
            let apart = [part[1] - centre - shift[0], part[3] - image - shift[1]];
            variance[0] += part[0] * (part[2] + apart[0] * apart[0]);
            variance[1] += part[0] * (slope * slope * part[2] + apart[1] * apart[1]);
        }
        [(centre + shift[0], variance[0]), (image + shift[1], variance[1])]
    }
}

impl Channel for PiecewiseLinear {
    fn estimate(
        &self,
        cavities: [&RowCavity<'_>; 2],
        out: [&mut RowEstimate<'_>; 2],
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let [input, output] = cavities;
        let gammas = [input.scalar_precision(), output.scalar_precision()];
        let reference = self.reference();
        let parts = scratch.slice(KEPT * self.lines.len());
        let [at_input, at_output] = out;
        for i in 0..input.len() {
            let tilts = [
                Tilt { n: input.natural()[i], gamma: gammas[0] },
                Tilt { n: output.natural()[i], gamma: gammas[1] },
            ];
            for (k, kept) in parts.chunks_exact_mut(KEPT).enumerate() {
                let row = input.first_row() + i;
                let part = self
                    .part(k, tilts[0], tilts[1], reference)
                    .ok_or(Breakdown::ImproperCavity { port: 0, row })?;
                kept.copy_from_slice(&[part.log_mass, part.mean, part.variance, part.image]);
            }
            let [z, u] = self.combine(parts);
            (at_input.mean[i], at_input.covariance[i]) = z;
            (at_output.mean[i], at_output.covariance[i]) = u;
        }
        Ok(())
    }

    fn log_partition(&self, cavities: [&RowCavity<'_>; 2], out: &mut [f64]) -> bool {
        let [input, output] = cavities;
        let gammas = [input.scalar_precision(), output.scalar_precision()];
        let reference = self.reference();
        let mut masses = vec![0.0; self.lines.len()];
        let rows = input.natural().iter().zip(output.natural());
        for (out, (&n, &m)) in out.iter_mut().zip(rows) {
            let tilts = [Tilt { n, gamma: gammas[0] }, Tilt { n: m, gamma: gammas[1] }];
            for (k, mass) in masses.iter_mut().enumerate() {
                let Some(part) = self.part(k, tilts[0], tilts[1], reference) else { return false };
                *mass = part.log_mass;
            }
            let base = tilts[0].rise(reference[0], 0.0) + tilts[1].rise(reference[1], 0.0);
            let top = masses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = masses.iter().map(|mass| (mass - top).exp()).sum();
            *out = base + top + total.ln();
        }
        true
    }

    fn output_columns(&self, d: usize) -> Option<usize> {
        (d == 1).then_some(1)
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(0)
    }

    fn draw(&self, input: &[f64], _uniforms: &[f64], output: &mut [f64]) {
        output[0] = self.value(input[0]);
    }

    fn name(&self) -> String {
        self.name.to_owned()
    }
}

#[cfg(test)]
mod tests;
