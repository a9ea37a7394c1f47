//! The spectrum of a product of two Gaussian matrices, as atoms at an angle in which its law is smooth.

use core::f64::consts::PI;

use super::scalar::LEGENDRE;
use super::spectrum::{Spectrum, SpectrumError};

/// Panels of Gauss and Legendre's rule, each half as long as the one before it towards the lower edge. The law is
/// analytic in the angle but next to that edge, where it comes close to zero when two of the three sizes are close to
/// each other, and where functions such as `1 / (mu + s^2 nu)` vary fastest.
const PANELS: i32 = 16;

impl Spectrum {
    /// `B C` with independent entries of mean zero: `B` of `m x k` and variance `1 / m`, `C` of `k x n` and variance
    /// `1 / k`, so that columns of the product have length one, root mean square. `ratio` is `m / n`, `inner` is
    /// `k / n`; below the smaller of one and `ratio` it leaves a share of directions with singular value zero.
    ///
    /// # Method
    ///
    /// With `a` and `b` the smallest size over the two others, the generating function `u(z)` of the moments over the
    /// smallest size solves `u = z P(u)`, `P(u) = (1 + u)(1 + a u)(1 + b u)`, up to scale. Squares are the real values of
    /// `x = P(u) / u` on a curve `u = r(t) exp(i t)`, and their density is `Im (1 + u) / (pi x)` there. Averages of smooth
    /// functions are exact to rounding, for equal sizes too.
    ///
    /// # Errors
    /// [`SpectrumError::Ratio`] unless both ratios are positive and finite.
    pub fn gaussian_product(ratio: f64, inner: f64) -> Result<Self, SpectrumError> {
        for value in [ratio, inner] {
            if !(value > 0.0 && value < f64::INFINITY) {
                return Err(SpectrumError::Ratio { value });
            }
        }
        let mut sizes = [1.0, ratio, inner];
        sizes.sort_by(f64::total_cmp);
        let [smallest, middle, largest] = sizes;
        let shares = [1.0, smallest / middle, smallest / largest];
        // A share of the min(m, n) directions; their mean square over the n inputs is one.
        let share = (smallest / ratio.min(1.0)).min(1.0);
        let mut atoms: Vec<(f64, f64)> = nodes()
            .map(|(psi, width)| {
                let (square, weight) = at_angle(psi, shares);
                (square / smallest, share * width * weight)
            })
            .collect();
        if share < 1.0 {
            atoms.push((0.0, 1.0 - share));
        }
        Self::new(ratio, &atoms)
    }
}

/// Nodes and weights on `(0, pi)`, graded towards zero.
fn nodes() -> impl Iterator<Item = (f64, f64)> {
    let end = |panel: i32| if panel < PANELS { PI * 0.5_f64.powi(panel) } else { 0.0 };
    (0..PANELS).flat_map(move |panel| {
        let (high, low) = (end(panel), end(panel + 1));
        let (centre, half) = (0.5 * (high + low), 0.5 * (high - low));
        let rule = LEGENDRE.iter().flat_map(|&(x, w)| [(-x, w), (x, w)]);
        rule.map(move |(x, w)| (half.mul_add(x, centre), half * w))
    })
}

/// The point `x = P(u) / u` of the curve at `u = r exp(i (pi - psi))`, and the density per angle there.
///
/// `Im P(u) / u = 0` is `s^3 - c s + 2 a b cos(psi) = 0` for `s = 1 / r` and `c = a + b + a b`. Its three roots are real,
/// as `c^3 >= 27 a^2 b^2`, and the largest is the one that the generating function takes.
///
/// With `v = u P'(u) / P(u) - 1` and `d log u / dt = r' / r + i` the derivative of `log x` is real, so it is
/// `-|v|^2 / Im v`, and with `Im v = r sin(t) sum_i a_i / |1 + a_i u|^2` the density per angle `r sin(t) |x' / x| / pi`
/// has neither a difference nor a sine.
fn at_angle(psi: f64, shares: [f64; 3]) -> (f64, f64) {
    let [_, a, b] = shares;
    let c = a + b + a * b;
    let bend = (a * b * (3.0 / c).powf(1.5)).min(1.0);
    let half_sine = (0.5 * psi).sin();
    // 1 - bend cos(psi) without its cancellation: the angle is pi - 2 asin(sqrt of the half of it).
    let angle = PI - 2.0 * (0.5 * (1.0 - bend) + bend * half_sine * half_sine).sqrt().asin();
    let r = (2.0 * (c / 3.0).sqrt() * (angle / 3.0).cos()).recip();
    let (mut product, mut real, mut imaginary, mut sum) = (1.0, 2.0, 0.0, 0.0);
    for share in shares {
        let below = 1.0 - share * r;
        let lift = 2.0 * share * r * half_sine * half_sine;
        let (re, im) = (below + lift, share * r * psi.sin());
        let norm = below * below + 2.0 * lift;
        product *= norm;
        real -= re / norm;
        imaginary += im / norm;
        sum += share / norm;
    }
    let weight = (real * real + imaginary * imaginary) / (PI * sum);
    (product.sqrt() / r, weight)
}

#[cfg(test)]
mod tests {
    use faer::Mat;
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    use rand_pcg::Pcg64;

    use super::*;
    use fg_linalg::spectral::thin_svd;

    /// Sums of a few hundred terms that are rounded a few times each.
    const ROUNDING: f64 = 1e-12;

    /// `m / n` and `k / n`: each size the smallest, the largest, equal to one or both of the others, or next to it.
    const RATIOS: [(f64, f64); 11] = [
        (0.5, 0.8),
        (0.5, 0.3),
        (2.0, 1.5),
        (2.0, 0.7),
        (0.6, 3.0),
        (1.0, 1.0),
        (1.0, 0.4),
        (1.0, 1.001),
        (0.5, 0.5),
        (3.0, 1.0),
        (1.0, 1e6),
    ];

    /// The average of a function of the square over the `n` inputs.
    fn over_inputs(spectrum: &Spectrum, f: impl Fn(f64) -> f64) -> f64 {
        let directions = spectrum.directions();
        directions.iter().filter(|d| d.input > 0.0).map(|d| d.input * f(d.square)).sum()
    }

    #[test]
    fn moments_are_those_of_the_product() {
        for (ratio, inner) in RATIOS {
            let spectrum = Spectrum::gaussian_product(ratio, inner).unwrap();
            let (a, b) = (inner.recip(), ratio.recip());
            // By Lagrange's inversion of u = z (1 + u)(1 + a u)(1 + b u).
            let expected = [1.0, 1.0, 1.0 + a + b, a + b + a * b + (1.0 + a + b).powi(2)];
            for (power, expected) in (0..).zip(expected) {
                let found = over_inputs(&spectrum, |s| s.powi(power));
                let error = (found / expected - 1.0).abs();
                assert!(error < ROUNDING, "{ratio} {inner}, moment {power}: {found} {expected}");
            }
        }
    }

    #[test]
    fn weights_of_directions_are_a_law_before_they_are_normalised() {
        for shares in [[1.0, 1.0, 1.0], [1.0, 0.999, 0.3], [1.0, 0.5, 0.2], [1.0, 1e-3, 1e-6]] {
            let mass: f64 = nodes().map(|(psi, width)| width * at_angle(psi, shares).1).sum();
            assert!((mass - 1.0).abs() < ROUNDING, "{shares:?}: {mass}");
        }
    }

    #[test]
    fn inverses_are_those_of_full_rank_products() {
        // E 1 / s^2 = S(-1) = 1 / ((1 - n / k)(1 - n / m)), S(u) = 1 / ((1 + a u)(1 + b u)) where n is smallest.
        for (ratio, inner) in [(2.0, 1.5), (1.5, 4.0), (1.1, 1.1)] {
            let spectrum = Spectrum::gaussian_product(ratio, inner).unwrap();
            let expected = ((1.0 - inner.recip()) * (1.0 - ratio.recip())).recip();
            let found = over_inputs(&spectrum, f64::recip);
            assert!((found / expected - 1.0).abs() < ROUNDING, "{ratio} {inner}: {found}");
        }
    }

    #[test]
    fn a_wide_inner_size_leaves_one_matrix() {
        // 1e6 inner rows: as far from the law of Marchenko and Pastur as that.
        let (product, one) =
            (Spectrum::gaussian_product(0.5, 1e6), Spectrum::marchenko_pastur(0.5));
        let mean = |s: &Spectrum| over_inputs(s, |s| 1.0 / (0.1 + s));
        let (found, expected) = (mean(&product.unwrap()), mean(&one.unwrap()));
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }

    #[test]
    fn rank_is_the_smallest_size() {
        for (ratio, inner) in RATIOS {
            let spectrum = Spectrum::gaussian_product(ratio, inner).unwrap();
            let atom = |side: fn(&super::super::spectrum::Direction) -> f64| -> f64 {
                spectrum.directions().iter().filter(|d| d.square == 0.0).map(side).sum()
            };
            let (n, m) = (atom(|d| d.input), atom(|d| d.output));
            let rank = ratio.min(inner).min(1.0);
            assert!((n - (1.0 - rank)).abs() < ROUNDING, "{ratio} {inner}: {n} of the inputs");
            assert!((m - (1.0 - rank / ratio)).abs() < ROUNDING, "{ratio} {inner}: {m} of outputs");
        }
        assert!(Spectrum::gaussian_product(0.0, 1.0).is_err(), "no outputs");
        assert!(Spectrum::gaussian_product(1.0, f64::NAN).is_err(), "no inner size");
    }

    /// Largest distance of two distribution functions for 600 values: one spectrum deviates from its law by a few of
    /// the steps of its own distribution function.
    const DISTANCE: f64 = 6.0 / 600.0;

    #[test]
    fn a_drawn_product_has_this_spectrum() {
        let rng = &mut Pcg64::seed_from_u64(3);
        for (m, k, n) in [(1000, 700, 600), (1000, 600, 800), (600, 1000, 600)] {
            let mut matrix = |rows: usize, columns: usize| {
                let scale = (rows as f64).recip().sqrt();
                Mat::from_fn(rows, columns, |_, _| {
                    let normal: f64 = StandardNormal.sample(rng);
                    scale * normal
                })
            };
            let (b, c) = (matrix(m, k), matrix(k, n));
            let a = &b * &c;
            let mut values = thin_svd(a.as_ref()).unwrap().s;
            values.iter_mut().for_each(|s| *s *= *s);
            values.sort_by(f64::total_cmp);
            let spectrum =
                Spectrum::gaussian_product(m as f64 / n as f64, k as f64 / n as f64).unwrap();
            let mut atoms = spectrum.atoms().to_vec();
            atoms.sort_by(|p, q| p.0.total_cmp(&q.0));
            let mut below = 0.0;
            for (square, weight) in atoms {
                // Singular values that are zero but for rounding are below all that aren't.
                let drawn = values.partition_point(|v| *v < square.max(ROUNDING));
                let drawn = drawn as f64 / values.len() as f64;
                let middle = if square == 0.0 { weight } else { below + 0.5 * weight };
                below += weight;
                assert!(
                    (drawn - middle).abs() < DISTANCE,
                    "{m} {k} {n} {square}: {drawn} {middle}"
                );
            }
        }
    }
}
