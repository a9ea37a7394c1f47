//! One column whose square has been seen with noise: `exp(n z - gamma z^2 / 2 - (y - z^2)^2 / (2 v))` and its moments.

use core::f64::consts::{PI, TAU};

use super::pieces::Answer;

/// What lies this many nats below the highest peak is left out: `exp(-DEPTH)` is below rounding.
pub(crate) const DEPTH: f64 = 40.0;
/// A second peak this many nats lower than the first, and not parted from it by a valley, has no weight even next to the
/// square of its distance in deviations, which doubles know to `1e10`.
const ABSENT: f64 = 90.0;
/// Newton's steps to a root from the side from which they don't pass it: two thirds of the distance are left at worst, down
/// to rounding.
const STEPS: usize = 200;
/// No rule has so many points to one side: some forty to [`DEPTH`], and three hundred to another peak not further than
/// [`ABSENT`] and a valley of [`DEPTH`] away.
const POINTS: u32 = 4096;

/// The exponent without its tilt, where the cavity's precision has been moved into the data:
/// `-gamma z^2 / 2 - (y - z^2)^2 / (2 v) = base - p (p + 2 a) / (2 v)` with `b = y - gamma v / 2`, `p = z^2 - r^2`,
/// `r^2 = max(b, 0)` and `a = max(-b, 0)`.
///
/// With `z = r + w` it is `p = w (2 r + w)`: the distance from where the data alone are keeps its digits, however precise they
/// are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quartic {
    pub(crate) r: f64,
    pub(crate) a: f64,
    pub(crate) v: f64,
    /// Exponent where `p` is zero.
    pub(crate) base: f64,
}

/// The exponent around one point, less that there: `slope t - curvature t^2 / 2 - 2 (z / v) t^3 - t^4 / (2 v)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around {
    pub(crate) slope: f64,
    pub(crate) curvature: f64,
    pub(crate) z: f64,
    pub(crate) v: f64,
}

impl Around {
    #[inline]
    pub(crate) fn rise(&self, t: f64) -> f64 {
        let bend = 0.5 * self.curvature + t * (2.0 * self.z + 0.5 * t) / self.v;
        t * (self.slope - t * bend)
    }

    /// No further away from zero than this has the exponent fallen by [`DEPTH`], where there is no slope.
    pub(crate) fn reach(&self) -> f64 {
        let Self { curvature, z, v, .. } = self;
        let square = (2.0 * DEPTH / curvature).sqrt();
        let cube = (0.5 * DEPTH * v / z).cbrt();
        square.min(cube).min((2.0 * DEPTH * v).sqrt().sqrt())
    }

    /// Step of a trapezoidal rule that is exact to rounding: for a Gaussian of the largest curvature within
    /// [`reach`](Self::reach) its error is `exp(-2 pi^2 / (step^2 curvature))`, and where the curvature is larger the
    /// density is as much lower.
    fn step(&self) -> f64 {
        let reach = self.reach();
        let largest = self.curvature + 6.0 * reach * (2.0 * self.z + reach) / self.v;
        PI * (2.0 / (DEPTH * largest)).sqrt()
    }
}

/// A peak on one side of zero, at the distance `r + w`.
#[derive(Clone, Copy, Debug)]
struct Well {
    w: f64,
    height: f64,
    around: Around,
}

/// Moments of a well: logarithm of its mass, and mean and variance of the distance from zero to its side.
struct Moments {
    log_mass: f64,
    mean: f64,
    variance: f64,
}

impl Quartic {
    /// A value `y` of the square, with noise of variance `v > 0`, under a cavity of this precision.
    pub(crate) fn new(y: f64, v: f64, gamma: f64) -> Self {
        let b = y - 0.5 * gamma * v;
        // Neither form of the base cancels on its side.
        let base = if b > 0.0 { -0.5 * gamma * (y - 0.25 * gamma * v) } else { -0.5 * y * y / v };
        // Not the maximum of zero and of minus zero, by which a bound is divided.
        let a = if b < 0.0 { -b } else { 0.0 };
        Self { r: b.max(0.0).sqrt(), a, v, base: base - 0.5 * (TAU * v).ln() }
    }

    /// Slope `tilt - (2 / v) z (p + a)` at `r + w`.
    fn slope(&self, tilt: f64, w: f64) -> f64 {
        let p = w * (2.0 * self.r + w);
        tilt - 2.0 * (self.r + w) * (p + self.a) / self.v
    }

    /// The exponent at `r + w` but for the base and the tilt's share at `r`.
    pub(crate) fn height(&self, tilt: f64, w: f64) -> f64 {
        let p = w * (2.0 * self.r + w);
        tilt * w - 0.5 * p * (p + 2.0 * self.a) / self.v
    }

    pub(crate) fn around(&self, tilt: f64, w: f64) -> Around {
        let z = self.r + w;
        let p = w * (2.0 * self.r + w);
        let curvature = 2.0 * (p + self.a + 2.0 * z * z) / self.v;
        Around { slope: self.slope(tilt, w), curvature, z, v: self.v }
    }

    /// The root of the slope next to `w`, upwards or downwards; steps towards it fall short of it.
    fn root(&self, tilt: f64, mut w: f64, way: f64) -> f64 {
        for _ in 0..STEPS {
            let Around { slope, curvature, .. } = self.around(tilt, w);
            let next = w + slope / curvature;
            if !((next - w) * way > 0.0) {
                break;
            }
            w = next;
        }
        w
    }

    fn well(&self, n: f64, side: f64, start: f64) -> Well {
        let tilt = side * n;
        let w = self.root(tilt, start, -1.0);
        let height = tilt * self.r + self.height(tilt, w);
        Well { w, height, around: self.around(tilt, w) }
    }

    /// The peak on the side to which `n >= 0` points.
    fn first(&self, n: f64) -> Well {
        // No root lies beyond: of `z (z^2 - b) = n v / 2` the left is at least the cube of the distance, and linear in it.
        let linear = if self.r > 0.0 { 4.0 * self.r * self.r } else { 2.0 * self.a };
        let push = n * self.v;
        let start = if push > 0.0 { (0.5 * push).cbrt().min(push / linear) } else { 0.0 };
        self.well(n, 1.0, start)
    }

    /// The peak on the other side, if there is one, and whether the valley to it is as deep as counts.
    fn second(&self, n: f64) -> Option<(Well, bool)> {
        let r = self.r;
        let steepest = 4.0 / (3.0 * 3f64.sqrt()) * r * r * r / self.v;
        if !(n < steepest) {
            return None;
        }
        let well = self.well(n, -1.0, 0.0);
        let dip = self.root(-n, -r, 1.0);
        let valley = -n * r + self.height(-n, dip);
        Some((well, well.height - valley > DEPTH))
    }

    /// Mean, variance and logarithm of the mass under the tilt `exp(n z)`.
    pub(crate) fn answer(&self, n: f64) -> Answer {
        let (size, sign) = (n.abs(), if n < 0.0 { -1.0 } else { 1.0 });
        let first = self.first(size);
        let found = match self.second(size) {
            Some((second, true)) => Self::parted(&first, &second),
            Some((second, false)) if first.height - second.height < ABSENT => {
                // In one piece: as far as the other peak at least.
                first.moments(-(2.0 * self.r + first.w + second.w))
            }
            _ => first.moments(0.0),
        };
        let log_partition = self.base + found.log_mass;
        Answer { mean: sign * found.mean, variance: found.variance, log_partition }
    }

    fn parted(first: &Well, second: &Well) -> Moments {
        let (a, b) = (first.moments(0.0), second.moments(0.0));
        let ratio = (b.log_mass - a.log_mass).exp();
        let p = 1.0 / (1.0 + ratio);
        let q = ratio * p;
        let apart = a.mean + b.mean;
        Moments {
            log_mass: a.log_mass + ratio.ln_1p(),
            mean: p * a.mean - q * b.mean,
            variance: p * a.variance + q * b.variance + p * q * apart * apart,
        }
    }
}

impl Well {
    /// By the trapezoidal rule around the peak, on the left as far as `least` at least.
    fn moments(&self, least: f64) -> Moments {
        let Self { height, around, .. } = *self;
        let step = around.step();
        let mut sums = [1.0, 0.0, 0.0];
        for (step, least) in [(step, 0.0), (-step, least)] {
            for k in 1..POINTS {
                let t = f64::from(k) * step;
                let rise = around.rise(t);
                if !(rise > -DEPTH || t * step.signum() < least.abs()) {
                    break;
                }
                let weight = rise.exp();
                sums[0] += weight;
                sums[1] += weight * t;
                sums[2] += weight * t * t;
            }
        }
        let shift = sums[1] / sums[0];
        Moments {
            log_mass: height + (step * sums[0]).ln(),
            mean: around.z + shift,
            variance: sums[2] / sums[0] - shift * shift,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of sums of some hundred terms.
    const ROUNDING: f64 = 1e-12;

    /// Slow and obvious: the trapezoidal rule over everything.
    fn slow(n: f64, y: f64, v: f64, gamma: f64) -> [f64; 3] {
        const POINTS: i32 = 8000;
        let (reach, half) = (16.0, f64::from(POINTS));
        let exponent = |z: f64| n * z - 0.5 * gamma * z * z - 0.5 * (y - z * z).powi(2) / v;
        let points = || (-POINTS..=POINTS).map(|k| reach * f64::from(k) / half);
        let top = points().map(exponent).fold(f64::NEG_INFINITY, f64::max);
        let mut sums = [0.0; 3];
        for z in points() {
            let weight = (exponent(z) - top).exp();
            sums[0] += weight;
            sums[1] += weight * z;
        }
        let mean = sums[1] / sums[0];
        for z in points() {
            sums[2] += (exponent(z) - top).exp() * (z - mean) * (z - mean);
        }
        let log = top + (sums[0] * reach / half).ln() - 0.5 * (TAU * v).ln();
        [log, mean, sums[2] / sums[0]]
    }

    #[test]
    fn every_shape_agrees_with_a_fine_grid() {
        for y in [-3.0, -0.2, 0.0, 0.3, 1.0, 4.0, 9.0] {
            for v in [0.02, 0.3, 2.0, 40.0] {
                for gamma in [0.0, 0.5, 8.0, 300.0] {
                    for n in [0.0, 0.01, -0.7, 3.0, -12.0, 60.0] {
                        let found = Quartic::new(y, v, gamma).answer(n);
                        let [log, mean, variance] = slow(n, y, v, gamma);
                        let at = format!("{y} {v} {gamma} {n}: {found:?} {log} {mean} {variance}");
                        let scale = mean.abs() + variance.sqrt();
                        assert!((found.mean - mean).abs() < ROUNDING * scale, "{at}");
                        assert!((found.variance / variance - 1.0).abs() < 10.0 * ROUNDING, "{at}");
                        let size = 1.0 + log.abs() + y * y / v;
                        assert!((found.log_partition - log).abs() < ROUNDING * size, "{at}");
                    }
                }
            }
        }
    }

    #[test]
    fn precise_data_leave_the_sign_unknown_and_nothing_else() {
        for v in [1e-8, 1e-16, 1e-30] {
            for (y, n, gamma) in [(1.7, 0.4, 3.0), (0.3, -2.0, 0.0), (5.0, 1e-3, 1e-12)] {
                let found = Quartic::new(y, v, gamma).answer(n);
                let r = f64::sqrt(y);
                let sharp = r * (n * r).tanh();
                assert!((found.mean - sharp).abs() < 10.0 * v / y + ROUNDING, "{v}: {found:?}");
                let spread = (r / (n * r).cosh()).powi(2);
                assert!(
                    (found.variance - spread).abs() < 10.0 * v / y + ROUNDING,
                    "{v}: {found:?}"
                );
            }
        }
        // The sign is known: what is left is the deviation of the root.
        for v in [1e-10, 1e-20, 1e-28] {
            let found = Quartic::new(2.0, v, 1.0).answer(400.0);
            assert!((found.variance * 8.0 / v - 1.0).abs() < 1e-6, "{v}: {found:?}");
        }
    }

    #[test]
    fn sharp_cavities_keep_their_deviation() {
        for (mean, gamma) in [(0.3, 1e12), (-0.8, 1e10), (1e-7, 1e12)] {
            let found = Quartic::new(1.2, 0.25, gamma).answer(mean * gamma);
            assert!((found.variance * gamma - 1.0).abs() < 1e-8, "{found:?}");
            assert!((found.mean - mean).abs() < 20.0 / gamma, "{found:?}");
        }
    }
}
