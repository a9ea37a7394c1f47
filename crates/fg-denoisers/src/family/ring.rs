//! A row of two columns whose squared length has been seen with noise, under a Gaussian cavity: peak and moments.

use super::Rule;
use super::circle::{Circle, Harmonics};
use super::quartic::{Around, DEPTH, Quartic};
use super::root;

/// Moments of a row and logarithm of its mass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    pub(crate) mean: [f64; 2],
    /// `xx, xy, yy`.
    pub(crate) covariance: [f64; 3],
    pub(crate) log_partition: f64,
}

/// The exponent in the plane, around its highest point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plane {
    n: [f64; 2],
    /// `xx, xy, yy` of the precision.
    gamma: [f64; 3],
    /// The exponent without a tilt where the quartic is zero.
    base: f64,
    /// Larger eigenvalue of the precision less the smaller one.
    stretch: f64,
    peak: Peak,
}

/// The highest point, by its length and direction.
#[derive(Clone, Copy, Debug)]
struct Peak {
    length: f64,
    angle: f64,
    /// Exponent there but for the base.
    height: f64,
    /// Along its direction.
    around: Around<f64>,
}

/// Steps of the root of the secular equation: a bracket of any two doubles is halved to rounding in fewer.
const STEPS: usize = 2200;

impl Plane {
    /// A cavity, the data and the variance of its noise.
    pub(crate) fn new(n: [f64; 2], gamma: [f64; 3], (y, v): (f64, f64)) -> Self {
        let [a, b, c] = gamma;
        let (middle, half) = (0.5 * (a + c), (0.5 * (a - c)).hypot(b));
        let least = if middle > 0.0 { (a * c - b * b).max(0.0) / (middle + half) } else { 0.0 };
        let quartic = Quartic::new(y, v, least);
        // The axis of the larger eigenvalue.
        let axis = 0.5 * b.atan2(0.5 * (a - c));
        let peak = Peak::new(&quartic, n, (2.0 * half, axis));
        let base = Quartic::base(y, v, least);
        Self { n, gamma, base, stretch: 2.0 * half, peak }
    }

    /// What the cavity says of the direction at this length.
    fn directions(&self, s: f64) -> Harmonics {
        let [a, b, c] = self.gamma;
        let square = s * s;
        let second = [-0.25 * square * (a - c), -0.5 * square * b];
        Harmonics { first: [s * self.n[0], s * self.n[1]], second }
    }
}

impl Peak {
    /// In the axes of the precision, of which the second has `stretch` more: `x = nx / mu`, `y = ny / (stretch + mu)` with
    /// the one `mu >= 0` for which `x^2 + y^2 = b + v mu / 2`.
    fn new(quartic: &Quartic<f64>, n: [f64; 2], (stretch, axis): (f64, f64)) -> Self {
        let (sine, cosine) = axis.sin_cos();
        let (nx, ny) = (cosine * n[1] - sine * n[0], cosine * n[0] + sine * n[1]);
        let Quartic { r, a, v, .. } = *quartic;
        let along = ny / stretch;
        let (x, y, p) = if nx == 0.0 && (ny == 0.0 || along.abs() < r) {
            // Nothing tells the two sides of the other axis apart.
            let y = if ny == 0.0 { 0.0 } else { along };
            (((r - y) * (r + y)).sqrt(), y, 0.0)
        } else {
            let mu = Self::secular(quartic, [nx, ny], stretch);
            let (x, y) = (nx / mu, ny / (stretch + mu));
            let p = if r > 0.0 { 0.5 * v * mu } else { x * x + y * y };
            (x, y, p)
        };
        let length = x.hypot(y);
        let w = if r > 0.0 { p / (length + r) } else { length };
        // The direction, by its shares of the axes; at zero, where there is no tilt, that of less precision.
        let (ux, uy) = if length > 0.0 { (x / length, y / length) } else { (1.0, 0.0) };
        let tilt = nx * ux + ny * uy;
        let more = stretch * uy * uy;
        let plain = quartic.around(tilt, w);
        let around = Around {
            slope: plain.slope - more * plain.z,
            curvature: plain.curvature + more,
            ..plain
        };
        let height = nx * x + ny * y - 0.5 * (stretch * y * y + p * (p + 2.0 * a) / v);
        // Back to the columns: x along (-sine, cosine), y along (cosine, sine).
        let angle = (cosine * ux + sine * uy).atan2(cosine * uy - sine * ux);
        Self { length, angle, height, around }
    }

    fn secular(quartic: &Quartic<f64>, [nx, ny]: [f64; 2], stretch: f64) -> f64 {
        let Quartic { r, a, v, .. } = *quartic;
        let size = nx.hypot(ny);
        let cube = (2.0 * size * size / v).cbrt();
        let low = 2.0 * a / v;
        // Falls from above zero at the lower end to below at the upper one.
        let high = low + if r > 0.0 { cube.min(size / r) } else { cube };
        let at = |mu: f64| {
            let (x, y) = (nx / mu, ny / (stretch + mu));
            let excess = r * r + 0.5 * v * (mu - low) - x * x - y * y;
            (excess, 0.5 * v + 2.0 * (x * x / mu + y * y / (stretch + mu)))
        };
        let close = |step: f64, mu: f64| step <= f64::EPSILON * mu;
        root::rising(0.5 * (low + high), (low, high), STEPS, at, close)
    }
}

/// An end is found when it lies this many nats deeper than [`DEPTH`] at most, or is known to this share of its distance.
const SLACK: f64 = 10.0;
const SHARE: f64 = 1e-3;
/// Places at which the highest is looked for, as shares of the reach of the peak.
const PLACES: [f64; 9] = [0.0, 0.125, 0.25, 0.5, 1.0, -0.125, -0.25, -0.5, -1.0];
/// Doublings and halvings of the search for an end.
const SEARCH: usize = 200;
/// A panel that begins nearer to zero than so many deviations of the sharper axis ends at three times that place at most: there
/// the directions go from all to two.
const DEVIATIONS: f64 = 4.0;
const GROWTH: f64 = 3.0;

/// What a direction's law and the length say of each other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ring {
    circle: Circle,
    rule: Rule,
}

/// A length: logarithm of its mass relative to the peak's, and moments of the row given that length.
struct Shell {
    log_mass: f64,
    mean: [f64; 2],
    covariance: [f64; 3],
}

impl Ring {
    pub(crate) fn new(rule: Rule) -> Self {
        Self { circle: Circle::new(), rule }
    }

    fn shell(&self, plane: &Plane, t: f64) -> Shell {
        let peak = &plane.peak;
        let s = peak.length + t;
        let exponent = plane.directions(s);
        let found = self.circle.moments(&exponent);
        let rise = peak.around.rise(t) + exponent.rise(peak.angle, found.top);
        Shell {
            log_mass: rise + s.ln() + found.log_width,
            mean: found.mean.map(|m| s * m),
            covariance: found.covariance.map(|c| s * s * c),
        }
    }

    /// Mean, covariance and logarithm of the mass.
    pub(crate) fn moments(&self, plane: &Plane) -> Moments {
        let peak = &plane.peak;
        let mass = |t: f64| {
            if peak.length + t > 0.0 { self.shell(plane, t).log_mass } else { f64::NEG_INFINITY }
        };
        let reach = peak.around.reach();
        let places = PLACES.map(|share| share * reach).map(|t| (mass(t), t));
        let (mut top, mut centre) = places[0];
        for (height, t) in places {
            if height > top {
                (top, centre) = (height, t);
            }
        }
        let high = end(&mass, (top, centre), reach, f64::INFINITY);
        let low = end(&mass, (top, centre), -reach, -peak.length);
        let about = self.shell(plane, centre);
        let mut sums = Sums::default();
        let mut start = low;
        while start < high {
            let s = peak.length + start;
            let near = DEVIATIONS / plane.stretch.sqrt();
            let stop = (near.max(GROWTH * s) - peak.length).min(high);
            // Rounding could leave a panel without length.
            let stop = if stop > start { stop } else { high };
            let (middle, half) = (0.5 * (start + stop), 0.5 * (stop - start));
            for &(x, w) in self.rule.nodes() {
                let shell = self.shell(plane, half.mul_add(x, middle));
                sums.add(&shell, &about, half * w * (shell.log_mass - top).exp());
            }
            start = stop;
        }
        let (mean, covariance) = sums.moments(&about);
        let log_partition = plane.base + peak.height + top + sums.mass.ln();
        Moments { mean, covariance, log_partition }
    }
}

/// Where, from a place of this height outwards, nothing counts any more; a first guess of how far that is, and a limit.
fn end(mass: &impl Fn(f64) -> f64, (top, from): (f64, f64), guess: f64, limit: f64) -> f64 {
    let (way, most) = (guess.signum(), (limit - from).abs());
    let depth = |distance: f64| mass(from + way * distance) - top + DEPTH;
    let (mut inside, mut outside) = (0.0, guess.abs());
    for _ in 0..SEARCH {
        if outside >= most {
            outside = most;
            break;
        }
        let depth = depth(outside);
        if !(depth > 0.0) {
            if depth > -SLACK {
                return from + way * outside;
            }
            break;
        }
        (inside, outside) = (outside, 2.0 * outside);
    }
    for _ in 0..SEARCH {
        if !(outside - inside > SHARE * outside) {
            break;
        }
        let middle = 0.5 * (inside + outside);
        let depth = depth(middle);
        if depth > 0.0 {
            inside = middle;
        } else {
            outside = middle;
            if depth > -SLACK {
                break;
            }
        }
    }
    from + way * outside
}

/// Sums over lengths: mass, the shells' own covariances, and first and second moments of their means about one of them.
#[derive(Default)]
struct Sums {
    mass: f64,
    own: [f64; 3],
    first: [f64; 2],
    second: [f64; 3],
}

impl Sums {
    fn add(&mut self, shell: &Shell, about: &Shell, weight: f64) {
        let [x, y] = [0, 1].map(|j| shell.mean[j] - about.mean[j]);
        self.mass += weight;
        self.own.iter_mut().zip(shell.covariance).for_each(|(o, c)| *o += weight * c);
        self.first.iter_mut().zip([x, y]).for_each(|(f, v)| *f += weight * v);
        self.second.iter_mut().zip([x * x, x * y, y * y]).for_each(|(s, v)| *s += weight * v);
    }

    fn moments(&self, about: &Shell) -> ([f64; 2], [f64; 3]) {
        let [x, y] = self.first.map(|f| f / self.mass);
        let between = [x * x, x * y, y * y];
        let covariance = [0, 1, 2].map(|k| (self.own[k] + self.second[k]) / self.mass - between[k]);
        ([about.mean[0] + x, about.mean[1] + y], covariance)
    }
}
