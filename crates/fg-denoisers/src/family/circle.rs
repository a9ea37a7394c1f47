//! Moments of a point on a circle whose direction has one and two harmonics in its exponent.

use core::f64::consts::TAU;

/// `A cos a + B sin a + P cos 2a + Q sin 2a`, the logarithm of a density of the direction `a`, with `first = [A, B]` and
/// `second = [P, Q]`: what a Gaussian in the plane leaves on a circle about the origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Harmonics {
    pub(crate) first: [f64; 2],
    pub(crate) second: [f64; 2],
}

/// Moments of `e = (cos a, sin a)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turned {
    pub(crate) mean: [f64; 2],
    /// `xx, xy, yy`.
    pub(crate) covariance: [f64; 3],
    /// Of the density's integral over `a` from 0 to `2 pi`.
    pub(crate) log_integral: f64,
    /// A direction next to the highest peak, and the logarithm of the integral of what the density is relative to that there.
    pub(crate) top: f64,
    pub(crate) log_width: f64,
}

/// Integrates over directions by the trapezoidal rule, which for an entire periodic integrand is exact to rounding once its
/// step resolves the narrowest peak.
///
/// Exponents are differences to that at the peak, as products of sines of half angles; moments are those of `1 - cos` and
/// `sin` of the angle from there. Both keep their digits where the direction is nearly known: the variance along it is then
/// half the square of that across.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Circle {
    /// Cosines and sines of evenly spaced directions, on which peaks are looked for.
    coarse: Vec<[f64; 2]>,
}

/// Directions on which peaks are looked for: two closer ones have no valley between them that counts.
const COARSE: usize = 128;
/// What lies this many nats below the peak is left out: `exp(-DEPTH)` is below rounding.
const DEPTH: f64 = 40.0;
/// Points of the rule on a circle for a unit of the root of its largest curvature, `sqrt(2 DEPTH)`: the error of the
/// trapezoidal rule with `N` points is `exp(-N^2 / (2 curvature))`.
const POINTS: f64 = 9.0;
/// Points on top: the error of a flat integrand falls faster than exponentially from here on.
const FLAT: f64 = 24.0;
/// Up to so many points the whole circle is summed.
const WHOLE: f64 = 256.0;
/// Bisections of a peak's bracket to rounding.
const BISECTIONS: usize = 60;

/// The exponent seen from one direction: values and slopes of both harmonics there.
struct Local {
    c1: f64,
    c2: f64,
    s2: f64,
    slope: f64,
}

impl Harmonics {
    fn value(&self, [c, s]: [f64; 2]) -> f64 {
        let double = [(c - s) * (c + s), 2.0 * c * s];
        self.first[0] * c
            + self.first[1] * s
            + self.second[0] * double[0]
            + self.second[1] * double[1]
    }

    fn slope(&self, [c, s]: [f64; 2]) -> f64 {
        let double = [(c - s) * (c + s), 2.0 * c * s];
        self.first[1] * c - self.first[0] * s
            + 2.0 * (self.second[1] * double[0] - self.second[0] * double[1])
    }

    /// No direction has a larger one.
    fn curvature(&self) -> f64 {
        self.first[0].hypot(self.first[1]) + 4.0 * self.second[0].hypot(self.second[1])
    }

    /// The exponent in one direction less that in another, as products of differences.
    pub(crate) fn rise(&self, from: f64, to: f64) -> f64 {
        let half = (0.5 * (to - from)).sin();
        self.local(from).rise((to - from).sin(), half * half)
    }

    fn local(&self, angle: f64) -> Local {
        let (s, c) = angle.sin_cos();
        let double = [(c - s) * (c + s), 2.0 * c * s];
        Local {
            c1: self.first[0] * c + self.first[1] * s,
            c2: self.second[0] * double[0] + self.second[1] * double[1],
            s2: self.second[1] * double[0] - self.second[0] * double[1],
            slope: self.slope([c, s]),
        }
    }

    /// The root of the slope between two directions.
    fn peak(&self, mut low: f64, mut high: f64) -> f64 {
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            let (s, c) = middle.sin_cos();
            if self.slope([c, s]) > 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }
}

impl Local {
    /// Exponent at the distance `d` less that here, given `sin d` and `sin(d / 2)^2`.
    fn rise(&self, sine: f64, half: f64) -> f64 {
        let harmonics = -2.0 * (self.c1 * half + self.c2 * sine * sine);
        harmonics + sine * (self.slope - 4.0 * self.s2 * half)
    }
}

/// Sums over the circle: mass, and of `q = 1 - cos d` and `s = sin d` the moments `q, s, q^2, s^2, q s`.
#[derive(Clone, Copy, Default)]
struct Sums {
    mass: f64,
    moments: [f64; 5],
}

impl Sums {
    fn add(&mut self, sine: f64, half: f64, weight: f64) {
        let q = 2.0 * half;
        self.mass += weight;
        for (m, v) in self.moments.iter_mut().zip([q, sine, q * q, sine * sine, q * sine]) {
            *m += weight * v;
        }
    }
}

impl Circle {
    pub(crate) fn new() -> Self {
        let at = |k: usize| {
            let (s, c) = (TAU * k as f64 / COARSE as f64).sin_cos();
            [c, s]
        };
        Self { coarse: (0..COARSE).map(at).collect() }
    }

    /// Highest peak and, where there is another one, that; both to the spacing of the coarse directions unless refined.
    fn peaks(&self, exponent: &Harmonics, refine: bool) -> (f64, Option<f64>) {
        if exponent.second.iter().all(|second| *second == 0.0) {
            return (exponent.first[1].atan2(exponent.first[0]), None);
        }
        let mut best = [(f64::NEG_INFINITY, 0); 2];
        for k in 0..COARSE {
            let value = |k: usize| exponent.value(self.coarse[k % COARSE]);
            let here = value(k);
            if here >= value(k + COARSE - 1) && here > value(k + 1) {
                let place = (here, k);
                if here > best[0].0 {
                    best = [place, best[0]];
                } else if here > best[1].0 {
                    best[1] = place;
                }
            }
        }
        let angle = |(_, k): (f64, usize)| {
            let (spacing, k) = (TAU / COARSE as f64, k as f64);
            let bracket = ((k - 1.0) * spacing, (k + 1.0) * spacing);
            if refine { exponent.peak(bracket.0, bracket.1) } else { k * spacing }
        };
        (angle(best[0]), (best[1].0 > f64::NEG_INFINITY).then(|| angle(best[1])))
    }

    /// The moments of a direction with the density `exp(exponent)`.
    pub(crate) fn moments(&self, exponent: &Harmonics) -> Turned {
        let count = (POINTS * exponent.curvature().sqrt() + FLAT).ceil();
        let whole = count <= WHOLE;
        let (mut top, mut other) = self.peaks(exponent, !whole);
        if let Some(second) = other {
            // Heights next to each other may have changed places between the coarse directions and the peaks.
            if exponent.rise(top, second) > 0.0 {
                (top, other) = (second, Some(top));
            }
        }
        let (local, step) = (exponent.local(top), TAU / count);
        let mut sums = Sums::default();
        // The point `k` steps from the top; false where it doesn't count.
        let mut visit = |k: f64| {
            let (sine, half) = ((k * step).sin(), (0.5 * k * step).sin());
            let rise = local.rise(sine, half * half);
            let counts = whole || rise > -DEPTH;
            if counts {
                sums.add(sine, half * half, rise.exp());
            }
            counts
        };
        let (mut left, mut right) = (0.0, 0.0);
        visit(0.0);
        while right - left < count - 1.0 && visit(right + 1.0) {
            right += 1.0;
        }
        while right - left < count - 1.0 && visit(left - 1.0) {
            left -= 1.0;
        }
        if let Some(second) = other.filter(|_| right - left < count - 1.0) {
            // Turned to the right of the top; the walks end where the first ones did.
            let k = ((second - top).rem_euclid(TAU) / step).round();
            let end = count + left;
            if k > right && k < end {
                let mut outwards = k;
                while outwards < end && visit(outwards) {
                    outwards += 1.0;
                }
                let mut inwards = k - 1.0;
                while inwards > right && visit(inwards) {
                    inwards -= 1.0;
                }
            }
        }
        let Sums { mass, moments } = sums;
        let [q, s, qq, ss, qs] = moments.map(|m| m / mass);
        let (sine, cosine) = top.sin_cos();
        let log_width = (mass * step).ln();
        // Along the top's direction 1 - q, across it s.
        let (along, across, mixed) = (qq - q * q, ss - s * s, q * s - qs);
        let (along, across) = (along.max(0.0), across.max(0.0));
        let double = 2.0 * cosine * sine * mixed;
        Turned {
            mean: [cosine * (1.0 - q) - sine * s, sine * (1.0 - q) + cosine * s],
            covariance: [
                cosine * cosine * along + sine * sine * across - double,
                cosine * sine * (along - across) + (cosine - sine) * (cosine + sine) * mixed,
                sine * sine * along + cosine * cosine * across + double,
            ],
            log_integral: exponent.value([cosine, sine]) + log_width,
            top,
            log_width,
        }
    }
}
