//! Complex entries of known modulus and unknown phase.

use core::f64::consts::TAU;

use fg_core::denoiser::{Denoiser, Law, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use crate::error::{self, ParameterError};
use crate::family::Rule;

/// Points of the plane at a known distance from the origin, in any direction: complex entries whose modulus is known, as two
/// columns.
///
/// # Density
///
/// ```text
/// x = R (cos t, sin t),      t uniform on [0, 2 pi)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | radius `R` | 1 | `(0, inf)` | the modulus |
///
/// # Estimate
///
/// The angle has the density `exp(e(t))`, `e(t) = n'x - x' Gamma x / 2`: one harmonic of `t` from `n`, and one of `2 t` from
/// what differs between the columns of `Gamma`.
///
/// ```text
/// mean            E x
/// covariance      E (x - E x)(x - E x)'
/// log-partition   log int exp(e(t)) dt / (2 pi)
/// ```
///
/// Where `Gamma` is isotropic this is von Mises' law of concentration `k = R abs(n)`: the mean has the length
/// `R I_1(k) / I_0(k)`.
///
/// # Numerical notes and limits
///
/// * Around each of the one or two peaks of `e`, Gauss-Legendre rules of 48 points to both sides over all that is within 40 nats:
///   any concentration, to rounding; that of the mean next to the radius.
/// * Moments are taken about the highest peak by `1 - cos` and `sin` of the angle from there, which keep their digits where the
///   angle is nearly known: the radial variance is then the square of the tangential one.
/// * Any precision is legal, zero and singular ones included.
/// * Some 100 to 200 exponentials a row.
///
/// # Reference
///
/// K. V. Mardia and P. E. Jupp, *Directional Statistics* (2000), section 3.5.4.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let prior = fg_denoisers::UnitModulus::new();
/// let (mut mean, mut covariance) = ([0.0; 2], [0.0; 4]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
/// // Seen at (0, 3) with noise of precision 10: the direction is nearly known, the length is one.
/// let cavity = RowCavity::new(0, 2, &[0.0, 30.0], &[0.0, 3.0], &[10.0, 0.0, 0.0, 10.0]);
/// prior.estimate(&cavity, &mut out, &mut Scratch::default())?;
/// assert!(mean[0].abs() < 1e-12 && (mean[1] - 1.0).abs() < 0.02);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct UnitModulus {
    radius: f64,
    rule: Rule,
}

/// What lies this many nats below the highest peak is left out: `exp(-DEPTH)` is below rounding.
const DEPTH: f64 = 40.0;
/// Steps of the scan for peaks and valleys. Between a sum of one and two harmonics there are at most two of each.
const SCAN: usize = 64;
/// Halvings of a bracket of a sixty-fourth of the circle, to rounding.
const HALVINGS: usize = 52;

/// `e(t) = p cos(t - alpha) + q cos(2 (t - beta))` as `first . (cos t, sin t) + second . (cos 2t, sin 2t)`.
#[derive(Clone, Copy, Debug)]
struct Exponent {
    first: [f64; 2],
    second: [f64; 2],
}

impl Exponent {
    /// The slope at an angle.
    fn slope(&self, t: f64) -> f64 {
        let ((s, c), (s2, c2)) = (t.sin_cos(), (2.0 * t).sin_cos());
        let first = self.first[1] * c - self.first[0] * s;
        first + 2.0 * (self.second[1] * c2 - self.second[0] * s2)
    }

    fn at(&self, t: f64) -> f64 {
        let ((s, c), (s2, c2)) = (t.sin_cos(), (2.0 * t).sin_cos());
        let first = self.first[0] * c + self.first[1] * s;
        first + self.second[0] * c2 + self.second[1] * s2
    }

    /// The same function of the angle from `origin`, less its value there, ready to keep its digits near zero.
    fn about(&self, origin: f64) -> Local {
        let ((s, c), (s2, c2)) = (origin.sin_cos(), (2.0 * origin).sin_cos());
        let turn = |[x, y]: [f64; 2], c: f64, s: f64| [x * c + y * s, y * c - x * s];
        Local { first: turn(self.first, c, s), second: turn(self.second, c2, s2) }
    }

    /// Peaks, each with the valleys to its left and right; none where the function is constant.
    fn peaks(&self, out: &mut [[f64; 3]; 2]) -> usize {
        let step = TAU / SCAN as f64;
        // Where the two harmonics balance nearly, peaks are close to the axes of the second: off them by half a step.
        let start = 0.5 * self.second[1].atan2(self.second[0]) + 0.5 * step;
        let angle = |k: usize| step.mul_add(k as f64, start);
        let (mut peaks, mut valleys) = ([0.0; 2], [0.0; 2]);
        let (mut highs, mut lows) = (0, 0);
        // A slope of zero counts as rising, so that each change is met once; the last angle is the first.
        let first = self.slope(angle(0)) >= 0.0;
        let mut rises = first;
        for k in 0..SCAN {
            let next = if k + 1 < SCAN { self.slope(angle(k + 1)) >= 0.0 } else { first };
            if rises && !next && highs < peaks.len() {
                peaks[highs] = self.root(rises, angle(k), angle(k + 1));
                highs += 1;
            } else if !rises && next && lows < valleys.len() {
                valleys[lows] = self.root(rises, angle(k), angle(k + 1));
                lows += 1;
            }
            rises = next;
        }
        if highs == 0 || lows == 0 {
            return 0;
        }
        let count = highs.min(lows);
        for (k, out) in out.iter_mut().take(count).enumerate() {
            let peak = peaks[k];
            // The nearest valley on either side, around the circle.
            let before = |v: f64| (peak - v).rem_euclid(TAU);
            let after = |v: f64| (v - peak).rem_euclid(TAU);
            let near = |distance: &dyn Fn(f64) -> f64| {
                valleys[..count].iter().map(|&v| distance(v)).fold(TAU, f64::min)
            };
            *out = [near(&before), peak, near(&after)];
        }
        count
    }

    /// Where the slope, rising or falling at `low`, changes its sign.
    fn root(&self, rises: bool, mut low: f64, mut high: f64) -> f64 {
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if (self.slope(middle) >= 0.0) == rises {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }
}

/// `e` about an angle.
#[derive(Clone, Copy, Debug)]
struct Local {
    first: [f64; 2],
    second: [f64; 2],
}

impl Local {
    /// `e(origin + u) - e(origin)`, and `1 - cos u`, `sin u`.
    fn at(&self, u: f64) -> [f64; 3] {
        let (half, quarter) = (0.5 * u).sin_cos();
        let sine = 2.0 * half * quarter;
        let drop = 2.0 * half * half;
        let [a, b] = self.first;
        let [c, d] = self.second;
        // cos 2u - 1 = -2 sin^2 u, sin 2u = 2 sin u cos u.
        let second = 2.0 * sine * (d * (1.0 - drop) - c * sine);
        [b * sine - a * drop + second, drop, sine]
    }

    /// How far to go, up to `limit`, for the exponent to fall by [`DEPTH`].
    fn reach(&self, direction: f64, limit: f64) -> f64 {
        let falls = |u: f64| self.at(direction * u)[0] < -DEPTH;
        if !falls(limit) {
            return limit;
        }
        let mut outside = limit;
        // The fall is quadratic near the peak: a bound within a factor of two is good enough.
        while falls(0.5 * outside) {
            outside *= 0.5;
        }
        outside
    }
}

impl Default for UnitModulus {
    fn default() -> Self {
        Self::new()
    }
}

impl UnitModulus {
    /// Points at distance one.
    pub fn new() -> Self {
        Self { radius: 1.0, rule: Rule::new() }
    }

    /// Points at this distance.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < radius < inf`.
    pub fn with_radius(radius: f64) -> Result<Self, ParameterError> {
        Ok(Self { radius: error::positive("radius", radius)?, ..Self::new() })
    }

    /// The distance from the origin.
    pub fn radius(&self) -> f64 {
        self.radius
    }

    /// Mean and covariance of `x / R`, and the log-partition function.
    fn answer(&self, n: &[f64], gamma: &[f64]) -> ([f64; 2], [f64; 4], f64) {
        let r = self.radius;
        // x' Gamma x = R^2 (trace / 2 + (g11 - g22) / 2 cos 2t + g12 sin 2t).
        let quarter = -0.25 * r * r;
        let exponent = Exponent {
            first: [r * n[0], r * n[1]],
            second: [quarter * (gamma[0] - gamma[3]), quarter * (gamma[1] + gamma[2])],
        };
        let constant = quarter * (gamma[0] + gamma[3]);
        let mut peaks = [[0.0; 3]; 2];
        let count = exponent.peaks(&mut peaks);
        if count == 0 {
            // No direction is better than another.
            return ([0.0; 2], [0.5, 0.0, 0.0, 0.5], constant);
        }
        let higher = |a: [f64; 3], b: &[f64; 3]| {
            if exponent.at(b[1]) > exponent.at(a[1]) { *b } else { a }
        };
        let top = peaks[..count].iter().fold(peaks[0], higher)[1];
        let sums = self.sums(&exponent, top, &peaks[..count]);
        let [total, drop, sine, ..] = sums;
        // In the frame of the peak: x = (1 - drop, sine).
        let (drop, sine) = (drop / total, sine / total);
        let central = self.central(&exponent, top, &peaks[..count], [drop, sine]);
        let [radial, cross, tangential] = central.map(|v| v / total);
        let (s, c) = top.sin_cos();
        let mean = [(1.0 - drop) * c - sine * s, (1.0 - drop) * s + sine * c];
        // Rotated back; `cross` is the covariance of drop and sine, minus that of the coordinates.
        let xx = c * c * radial + 2.0 * c * s * cross + s * s * tangential;
        let yy = s * s * radial - 2.0 * c * s * cross + c * c * tangential;
        let xy = c * s * (radial - tangential) - (c * c - s * s) * cross;
        let log = constant + exponent.at(top) + (total / TAU).ln();
        (mean, [xx, xy, xy, yy], log)
    }

    /// Calls `add(weight, drop, sine)` on all points of the rule.
    fn integrate(
        &self,
        exponent: &Exponent,
        top: f64,
        peaks: &[[f64; 3]],
        mut add: impl FnMut(f64, f64, f64),
    ) {
        let frame = exponent.about(top);
        for [before, peak, after] in peaks {
            let local = exponent.about(*peak);
            let offset = *peak - top;
            let height = frame.at(offset)[0];
            if height < -DEPTH {
                continue;
            }
            for (direction, limit) in [(-1.0, *before), (1.0, *after)] {
                let reach = local.reach(direction, limit);
                for &(x, w) in self.rule.nodes() {
                    let u = 0.5 * reach * (1.0 + x);
                    let [fall, ..] = local.at(direction * u);
                    let [_, drop, sine] = frame.at(offset + direction * u);
                    add(0.5 * reach * w * (fall + height).exp(), drop, sine);
                }
            }
        }
    }

    fn sums(&self, exponent: &Exponent, top: f64, peaks: &[[f64; 3]]) -> [f64; 3] {
        let mut sums = [0.0; 3];
        self.integrate(exponent, top, peaks, |weight, drop, sine| {
            sums[0] += weight;
            sums[1] += weight * drop;
            sums[2] += weight * sine;
        });
        sums
    }

    /// Sums of the squares of drop and sine about these means, and of their product.
    fn central(
        &self,
        exponent: &Exponent,
        top: f64,
        peaks: &[[f64; 3]],
        means: [f64; 2],
    ) -> [f64; 3] {
        let mut sums = [0.0; 3];
        self.integrate(exponent, top, peaks, |weight, drop, sine| {
            let (a, b) = (drop - means[0], sine - means[1]);
            sums[0] += weight * a * a;
            sums[1] += weight * a * b;
            sums[2] += weight * b * b;
        });
        sums
    }
}

impl Denoiser for UnitModulus {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let r = self.radius;
        for (i, n) in cavity.natural().chunks_exact(2).enumerate() {
            let (mean, covariance, _) = self.answer(n, cavity.precision());
            for j in 0..2 {
                out.mean[2 * i + j] = r * mean[j];
            }
            for j in 0..4 {
                out.covariance[4 * i + j] = r * r * covariance[j];
            }
        }
        Ok(())
    }

    fn columns(&self) -> Option<usize> {
        Some(2)
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        for (out, n) in out.iter_mut().zip(cavity.natural().chunks_exact(2)) {
            *out = self.answer(n, cavity.precision()).2;
        }
        true
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn name(&self) -> String {
        "unit modulus".to_owned()
    }
}

impl Law for UnitModulus {
    fn uniforms(&self, _d: usize) -> usize {
        1
    }

    /// Smooth all around.
    fn jumps(&self) -> Option<Vec<f64>> {
        Some(Vec::new())
    }

    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        let (s, c) = (TAU * uniforms[0]).sin_cos();
        row.copy_from_slice(&[self.radius * c, self.radius * s]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of sums over two hundred points.
    const ROUNDING: f64 = 1e-13;

    /// `k`, `I_1(k) / I_0(k)`, its radial variance `1 - A / k - A^2` and `log I_0(k)`: mpmath with 40 digits.
    #[rustfmt::skip]
    const VON_MISES: [[f64; 4]; 8] = [
        [0.001, 0.000499999937500010427, 0.499999812500052083, 2.49999984375001747e-7],
        [0.3, 0.148337426940875257, 0.483537917965642953, 0.0223746886220419032],
        [1.0, 0.446389965896534507, 0.354346032450356253, 0.235914358507178649],
        [5.0, 0.893383137044085222, 0.0231899430364521996, 3.30468177582253343],
        [40.0, 0.987419841336350658, 0.000316560901887325029, 37.2397868613523568],
        [1000.0, 0.99949987487480428, 5.0025037578328756e-7, 995.627308889869465],
        [1000000.0, 0.999999499999875, 5.00000250000375001e-13, 999992.173306312813],
        [10000000000.0, 0.99999999995, 5.00000000025e-21, 9999999987.568136],
    ];

    #[test]
    fn isotropic_precisions_give_von_mises_law() {
        let prior = UnitModulus::new();
        for [k, ratio, radial, log] in VON_MISES {
            for angle in [0.0, 0.7, -2.0, 0.5 * TAU] {
                let (s, c) = f64::sin_cos(angle);
                let (mean, covariance, found) =
                    prior.answer(&[k * c, k * s], &[2.0, 0.0, 0.0, 2.0]);
                let (a, b) = (mean[0] * c + mean[1] * s, mean[1] * c - mean[0] * s);
                assert!((a - ratio).abs() < ROUNDING && b.abs() < ROUNDING, "{k}: {mean:?}");
                assert!((found - (log - 1.0)).abs() < ROUNDING * (1.0 + log.abs()), "{k}: {found}");
                // Rotating back mixes the two variances: along the axes they stand alone.
                if angle == 0.0 {
                    let tangential = ratio / k;
                    let close = |x: f64, y: f64| (x / y - 1.0).abs() < 10.0 * ROUNDING;
                    assert!(close(covariance[0], radial), "{k}: {covariance:?} {radial}");
                    assert!(close(covariance[3], tangential), "{k}: {covariance:?} {tangential}");
                }
            }
        }
    }

    #[test]
    fn full_precisions_agree_with_equal_steps_around_the_circle() {
        /// The rule converges exponentially once it resolves the peaks.
        const STEPS: usize = 4096;
        let prior = UnitModulus::with_radius(1.5).unwrap();
        for gamma in [[3.0, 1.0, 1.0, 0.5], [40.0, -9.0, -9.0, 4.0], [0.0, 0.0, 0.0, 70.0]] {
            for n in [[0.0, 0.0], [1.0, -2.0], [0.0, 30.0], [12.0, 1e-3]] {
                let exponent = |t: f64| {
                    let x = [1.5 * t.cos(), 1.5 * t.sin()];
                    let pull = gamma[0] * x[0] * x[0] + 2.0 * gamma[1] * x[0] * x[1];
                    n[0] * x[0] + n[1] * x[1] - 0.5 * (pull + gamma[3] * x[1] * x[1])
                };
                let angles = || (0..STEPS).map(|k| TAU * k as f64 / STEPS as f64);
                let height = angles().map(exponent).fold(f64::NEG_INFINITY, f64::max);
                let mean_of = |f: &dyn Fn(f64) -> f64| {
                    angles().map(|t| (exponent(t) - height).exp() * f(t)).sum::<f64>()
                        / STEPS as f64
                };
                let total = mean_of(&|_| 1.0);
                let mean = [mean_of(&f64::cos) / total, mean_of(&f64::sin) / total];
                let xy = mean_of(&|t| (t.cos() - mean[0]) * (t.sin() - mean[1])) / total;
                let yy = mean_of(&|t| (t.sin() - mean[1]).powi(2)) / total;
                let (found, covariance, log) = prior.answer(&n, &gamma);
                let expected = [mean[0], mean[1], xy, yy, height + total.ln()];
                let all = [found[0], found[1], covariance[1], covariance[3], log];
                for (a, b) in all.iter().zip(expected) {
                    assert!(
                        (a - b).abs() < 10.0 * ROUNDING * (1.0 + b.abs()),
                        "{all:?} {expected:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn parameters_are_checked() {
        for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(UnitModulus::with_radius(radius).is_err(), "{radius}");
        }
    }
}
