//! Corners of regular solids, turned at random: points of three components that are exact to degree five.

use core::f64::consts::TAU;

use super::{GaussianPoints, uniform};

/// Scrambling of the uniforms that turns are made of.
const TURNS: u32 = 0x7472_6e73;
/// As many turns are spread evenly before a scrambling of their own.
const TURNS_SPREAD: u32 = 1 << 16;
/// Uniforms of a turn.
const UNIFORMS: usize = 3;

impl GaussianPoints {
    /// Sixteen weighted points of three components: the corners of an octahedron and of a cube, and the centre, twice. Their
    /// weighted averages are exact for every polynomial of degree five.
    ///
    /// With the centre's weight `w`, the `2 n` ends of axes at the distance `1 / sqrt(x)`, of weight `x^2`, and the `2^n` corners
    /// of the cube of half side `1 / sqrt(y)`, of weight `y^2 / 2^n`, have the right moments of degree two and four where
    /// `2 x + y = 1` and `2 n x^2 + y^2 + w = 1`, here with `n = 3`; Stroud, "Approximate calculation of multiple integrals"
    /// (1971), derives such rules. At `w = 0.3` weights are as even as radii: `x = 0.3`, `y = 0.4`.
    ///
    /// Each `seed` turns them to an orientation of its own; these are spread evenly over all there are.
    pub fn cubic(seed: u32) -> Self {
        const CENTRE: f64 = 0.3;
        const AXIS: f64 = 0.3;
        const CORNER: f64 = 1.0 - 2.0 * AXIS;
        const COUNT: f64 = 16.0;
        let (axis, corner) = (AXIS.sqrt().recip(), CORNER.sqrt().recip());
        let turn = rotation(seed, 0);
        let mut cloud = Cloud::default();
        for k in 0..3 {
            for side in [axis, -axis] {
                let mut point = [0.0; 3];
                point[k] = side;
                cloud.push(turned(&turn, point), COUNT * AXIS * AXIS);
            }
        }
        for signs in SIGNS {
            cloud.push(turned(&turn, signs.map(|s| s * corner)), COUNT * CORNER * CORNER / 8.0);
        }
        for _ in 0..2 {
            cloud.push([0.0; 3], COUNT * CENTRE / 2.0);
        }
        cloud.points()
    }

    /// Thirty-two points of three components and equal weights: the corners of an icosahedron and, within it, of a dodecahedron,
    /// both turned. Averages are exact for every polynomial of degree five, which either is on its sphere.
    ///
    /// The squares of their radii `a`, `b` have `12 a + 20 b = 32 E r^2 = 96` and `12 a^2 + 20 b^2 = 32 E r^4 = 480`.
    pub fn icosahedral(seed: u32) -> Self {
        let inner = (320.0 - f64::sqrt(40_960.0)) / (320.0 / 3.0);
        let outer: f64 = 8.0 - 5.0 / 3.0 * inner;
        let golden = 0.5 * (1.0 + f64::sqrt(5.0));
        let (first, second) = (rotation(seed, UNIFORMS), rotation(seed, 2 * UNIFORMS));
        let mut cloud = Cloud::default();
        for [s, t, _] in &SIGNS[..4] {
            for k in 0..3 {
                let mut icosahedron = [0.0; 3];
                (icosahedron[k], icosahedron[(k + 1) % 3]) = (*s, t * golden);
                cloud.push(turned(&first, on_sphere(icosahedron, outer)), 1.0);
            }
        }
        for [s, t, _] in &SIGNS[..4] {
            for k in 0..3 {
                let mut dodecahedron = [0.0; 3];
                (dodecahedron[k], dodecahedron[(k + 1) % 3]) = (s / golden, t * golden);
                cloud.push(turned(&second, on_sphere(dodecahedron, inner)), 1.0);
            }
        }
        for signs in SIGNS {
            cloud.push(turned(&second, on_sphere(signs, inner)), 1.0);
        }
        cloud.weights.clear();
        cloud.points()
    }
}

/// The corners of a cube; the first four have all signs of two components.
const SIGNS: [[f64; 3]; 8] = [
    [1.0, 1.0, 1.0],
    [1.0, -1.0, 1.0],
    [-1.0, 1.0, 1.0],
    [-1.0, -1.0, 1.0],
    [1.0, 1.0, -1.0],
    [1.0, -1.0, -1.0],
    [-1.0, 1.0, -1.0],
    [-1.0, -1.0, -1.0],
];

/// Points one after another.
#[derive(Default)]
struct Cloud {
    points: Vec<[f64; 3]>,
    weights: Vec<f64>,
}

impl Cloud {
    fn push(&mut self, point: [f64; 3], weight: f64) {
        self.points.push(point);
        self.weights.push(weight);
    }

    fn points(self) -> GaussianPoints {
        let component = |k: usize| self.points.iter().map(move |point| point[k]);
        let values = (0..3).flat_map(component).collect();
        GaussianPoints { dimension: 3, count: self.points.len(), values, weights: self.weights }
    }
}

fn on_sphere(point: [f64; 3], square: f64) -> [f64; 3] {
    let length = point.iter().map(|x| x * x).sum::<f64>();
    point.map(|x| x * (square / length).sqrt())
}

fn turned(rotation: &[[f64; 3]; 3], point: [f64; 3]) -> [f64; 3] {
    rotation.map(|row| row.iter().zip(point).map(|(r, x)| r * x).sum())
}

/// A rotation of the uniform law, by Shoemake's quaternion of three uniforms (Graphics Gems III, 1992), which start at
/// dimension `first` of a Sobol sequence.
fn rotation(seed: u32, first: usize) -> [[f64; 3]; 3] {
    let index = (seed % TURNS_SPREAD) as usize;
    let scrambling = TURNS.wrapping_add(seed / TURNS_SPREAD);
    let [share, a, b] = [0, 1, 2].map(|k| uniform(index, first + k, scrambling));
    let (near, far) = ((1.0 - share).sqrt(), share.sqrt());
    let ((sa, ca), (sb, cb)) = ((TAU * a).sin_cos(), (TAU * b).sin_cos());
    let [x, y, z, w] = [near * sa, near * ca, far * sb, far * cb];
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
        [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
        [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of sums over some tens of points.
    const ROUNDING: f64 = 1e-13;

    /// `E x^a y^b z^c` of independent standard normal variables.
    fn moment(powers: [i32; 3]) -> f64 {
        let odd = |k: i32| (1..k).step_by(2).map(f64::from).product::<f64>();
        if powers.iter().any(|k| k % 2 == 1) { 0.0 } else { powers.map(odd).iter().product() }
    }

    #[test]
    fn moments_up_to_degree_five_are_exact() {
        for seed in [0, 1, 77, 1 << 20] {
            for (points, count) in
                [(GaussianPoints::cubic(seed), 16), (GaussianPoints::icosahedral(seed), 32)]
            {
                assert_eq!((points.dimension(), points.count()), (3, count));
                let weight = |i: usize| points.weights().get(i).copied().unwrap_or(1.0);
                for a in 0..=5 {
                    for b in 0..=5 - a {
                        for c in 0..=5 - a - b {
                            let power = |i: usize| {
                                let x = [0, 1, 2].map(|k| points.component(k)[i]);
                                x[0].powi(a) * x[1].powi(b) * x[2].powi(c)
                            };
                            let sum: f64 = (0..count).map(|i| weight(i) * power(i)).sum();
                            let (found, expected) = (sum / count as f64, moment([a, b, c]));
                            let near = (found - expected).abs() < ROUNDING * (1.0 + expected);
                            assert!(near, "{seed}, {count}, {a} {b} {c}: {found} {expected}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn turns_are_rotations_spread_over_all() {
        // The mean of 64 entries of variance 1/3 would be within 0.22 by three deviations at random.
        const SPREAD: f64 = 0.1;
        let turns: Vec<_> = (0..64).map(|seed| rotation(seed, 0)).collect();
        for turn in &turns {
            for j in 0..3 {
                for k in 0..3 {
                    let dot: f64 = (0..3).map(|i| turn[j][i] * turn[k][i]).sum();
                    assert!((dot - f64::from(u8::from(j == k))).abs() < ROUNDING, "{turn:?}");
                }
            }
        }
        for k in 0..9 {
            let mean = turns.iter().map(|t| t[k / 3][k % 3]).sum::<f64>() / 64.0;
            assert!(mean.abs() < SPREAD, "{k}: {mean}");
        }
    }
}
