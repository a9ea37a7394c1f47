use fg_core::message::{ColumnForm, small};

use super::*;
use crate::structured::TotalVariation;

/// Estimate, covariances and their declared standard error.
type Answer = (Vec<f64>, Vec<f64>, f64);

fn run(penalty: &dyn Denoiser, n: &[f64], precision: &[f64]) -> Result<Answer, Breakdown> {
    let d = precision.len().isqrt();
    let (mut x, mut covariance) = (vec![0.0; n.len()], vec![0.0; n.len() * d]);
    let (mut inverse, mut r) = (vec![0.0; d * d], vec![0.0; n.len()]);
    small::invert_positive(precision, &mut inverse, &mut vec![0.0; 2 * d * d], d).unwrap();
    for (r, n) in r.chunks_exact_mut(d).zip(n.chunks_exact(d)) {
        small::row_times(n, &inverse, r, d);
    }
    let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
    let cavity = RowCavity::new(0, d, n, &r, precision);
    let mut scratch = Scratch::default();
    penalty.estimate(&cavity, &mut out, &mut scratch)?;
    Ok((x, covariance, scratch.take_standard_error()))
}

fn wave(n: usize) -> Vec<f64> {
    (0..n).map(|i| 5.0 * (1.3 * i as f64).sin() + (i / 20) as f64).collect()
}

/// A picture of two colours in which regions, slopes and noise are of one size.
fn colours(height: usize, width: usize) -> Vec<f64> {
    let pixel = |k: usize| {
        let (i, j) = (k / 2 / width, k / 2 % width);
        let edge = if i + j > (height + width) / 2 { 2.0 } else { 0.0 };
        edge + 0.9 * (k as f64 * 7.3).sin() + 0.4 * (k % 2) as f64 * j as f64
    };
    (0..2 * height * width).map(pixel).collect()
}

/// With a tolerance at which these small images have the right regions, so that Newton's steps end at rounding.
fn penalty(height: usize, width: usize, steps: Steps) -> ImageTotalVariation {
    let penalty = ImageTotalVariation::new(height, width, 0.8).unwrap();
    penalty.with_steps(steps).with_tolerance(1e-5).unwrap()
}

const STEPS: [Steps; 2] = [Steps::Isotropic, Steps::Anisotropic];
/// Two columns that know of each other.
const COUPLED: [f64; 4] = [2.0, -0.9, -0.9, 1.0];

#[test]
fn an_image_of_one_row_or_column_is_a_line() {
    let n = wave(60);
    let (exact, covariance, _) = run(&TotalVariation::new(0.8).unwrap(), &n, &[2.0]).unwrap();
    for (height, width) in [(1, 60), (60, 1)] {
        for steps in STEPS {
            let penalty = penalty(height, width, steps);
            let (x, own, error) = run(&penalty, &n, &[2.0]).unwrap();
            let off = x.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-13, "{height} {steps:?}: {off:e}");
            let near = |(own, exact): (&f64, &f64)| (own - exact).abs() < 1e-14;
            assert!(own.iter().zip(&covariance).all(near) && error == 0.0, "{own:?}");
        }
    }
}

#[test]
fn covariances_are_the_derivatives_of_the_estimate() {
    let (height, width) = (6, 5);
    for steps in STEPS {
        for precision in [&[0.7][..], &[2.0, 0.0, 0.0, 1.0], &COUPLED] {
            let d = precision.len().isqrt();
            let n: Vec<f64> = colours(height, width).into_iter().step_by(3 - d).collect();
            let penalty = penalty(height, width, steps);
            let (_, covariance, _) = run(&penalty, &n, precision).unwrap();
            let h = 1e-3;
            for (entry, _) in n.iter().enumerate() {
                let (i, j) = (entry / d, entry % d);
                let moved = |by: f64| {
                    let mut n = n.clone();
                    n[entry] += by;
                    run(&penalty, &n, precision).unwrap().0
                };
                let (up, down) = (moved(h), moved(-h));
                for k in 0..d {
                    let slope = (up[i * d + k] - down[i * d + k]) / (2.0 * h);
                    let own = covariance[i * d * d + k * d + j];
                    // Quotients of differences are off by the square of the step, times third derivatives.
                    assert!((own - slope).abs() < 1e-5, "{steps:?} {d} {entry} {k}: {own} {slope}");
                }
            }
        }
    }
}

#[test]
fn estimates_are_exact_whatever_the_tolerance() {
    let n = colours(9, 8);
    for steps in STEPS {
        let (exact, covariance, _) = run(&penalty(9, 8, steps), &n, &COUPLED).unwrap();
        for tolerance in [1e-4, 1e-6] {
            let other = penalty(9, 8, steps).with_tolerance(tolerance).unwrap();
            let (x, variances, _) = run(&other, &n, &COUPLED).unwrap();
            assert!(x.iter().zip(&exact).all(|(x, e)| (x - e).abs() < 1e-12), "{steps:?}");
            assert!(variances.iter().zip(&covariance).all(|(v, e)| (v - e).abs() < 1e-11));
        }
        // What isn't polished is within the tolerance, and no better.
        let rough = penalty(9, 8, steps).with_tolerance(1e-2).unwrap().with_polish(0);
        let (x, ..) = run(&rough, &n, &COUPLED).unwrap();
        let off: Vec<f64> = x.iter().zip(&exact).map(|(x, e)| x - e).collect();
        let off =
            off.chunks_exact(2).map(|row| small::bilinear(row, &COUPLED, row, 2)).sum::<f64>();
        let bound = 1e-4 * x.len() as f64;
        assert!(off <= bound && off > 1e-8 * bound, "{steps:?} {off:e} {bound:e}");
    }
}

#[test]
fn steps_along_the_axes_count_regions() {
    let (height, width) = (20, 30);
    let n: Vec<f64> = colours(height, width).into_iter().step_by(2).collect();
    let penalty = penalty(height, width, Steps::Anisotropic);
    let (x, covariance, _) = run(&penalty, &n, &[1.0]).unwrap();
    let mut seen = vec![false; x.len()];
    let mut regions = 0;
    for first in 0..x.len() {
        let mut open = vec![first];
        regions += usize::from(!seen[first]);
        while let Some(i) = open.pop() {
            if !core::mem::replace(&mut seen[i], true) {
                let next = [i.wrapping_sub(width), i + width].into_iter();
                let next = next.chain((i % width > 0).then(|| i - 1));
                let next = next.chain((i % width + 1 < width).then_some(i + 1));
                open.extend(next.filter(|&j| j < x.len() && (x[j] - x[i]).abs() < 1e-12));
            }
        }
    }
    assert!(regions > 5 && regions < 500, "{regions}");
    let divergence: f64 = covariance.iter().sum();
    assert!((divergence - regions as f64).abs() < 1e-9, "{divergence} {regions}");
}

#[test]
fn probes_agree_with_the_exact_divergence() {
    let (height, width) = (12, 16);
    let n: Vec<f64> = colours(height, width).into_iter().step_by(2).collect();
    for steps in STEPS {
        let penalty = penalty(height, width, steps).with_tolerance(1e-4).unwrap();
        let (x, covariance, error) = run(&penalty, &n, &[1.0]).unwrap();
        assert!(error == 0.0, "{error}");
        let probes = BlackBoxOptions::default().with_probes(24, 24);
        let (y, probed, error) = run(&penalty.with_probes(probes).unwrap(), &n, &[1.0]).unwrap();
        assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() < 1e-3), "{steps:?}");
        let [exact, probed] = [covariance, probed].map(|c| c.iter().sum::<f64>());
        // Six standard errors, false alarm below 1e-6 were they normal.
        assert!((probed / exact - 1.0).abs() < 6.0 * error, "{probed} {exact} {error}");
    }
}

#[test]
fn neighbours_cost_more_and_transposing_changes_nothing() {
    let (height, width) = (5, 4);
    let n = wave(height * width);
    for steps in STEPS {
        let own = penalty(height, width, steps);
        let (x, ..) = run(&own, &n, &[1.0]).unwrap();
        let here = cost(&x, &n, &[1.0], width, steps);
        for k in 0..200 {
            for size in [1e-1, 1e-3] {
                let moved = shaken(&x, k, size);
                let there = cost(&moved, &n, &[1.0], width, steps);
                assert!(there >= here - 1e-12, "{steps:?} {k} {size}");
            }
        }
        if steps == Steps::Anisotropic {
            let turned: Vec<f64> = (0..20).map(|k| n[k % height * width + k / height]).collect();
            let (y, ..) = run(&penalty(width, height, steps), &turned, &[1.0]).unwrap();
            for k in 0..20 {
                assert!((y[k] - x[k % height * width + k / height]).abs() < 1e-13, "{y:?}");
            }
        }
    }
}

/// `x` with every entry moved by about so much.
fn shaken(x: &[f64], k: u32, size: f64) -> Vec<f64> {
    let move_of = |i: usize| (1.0 + f64::from(k) + f64::from(3 * k + 1) * i as f64).sin();
    x.iter().enumerate().map(|(i, x)| x + size * move_of(i)).collect()
}

/// Half of the square and the variation of all columns, of weight 0.8.
fn cost(x: &[f64], n: &[f64], precision: &[f64], width: usize, steps: Steps) -> f64 {
    let d = precision.len().isqrt();
    let pixels = x.len() / d;
    let length = |a: f64, b: f64| match steps {
        Steps::Isotropic => a.hypot(b),
        Steps::Anisotropic => a.abs() + b.abs(),
    };
    let mut sum = 0.0;
    for (i, row) in x.chunks_exact(d).enumerate() {
        sum += 0.5 * small::bilinear(row, precision, row, d);
        for (j, own) in row.iter().enumerate() {
            let right = if i % width + 1 < width { x[(i + 1) * d + j] - own } else { 0.0 };
            let below = if i + width < pixels { x[(i + width) * d + j] - own } else { 0.0 };
            sum += 0.8 * length(right, below) - n[i * d + j] * own;
        }
    }
    sum
}

#[test]
fn coupled_columns_are_minimised_together() {
    let (height, width) = (6, 7);
    let n = colours(height, width);
    for correlation in [0.5, -0.99] {
        let precision = [1.0, correlation, correlation, 1.0];
        for steps in STEPS {
            // The closer columns are to one, the more turns they take.
            let penalty = penalty(height, width, steps).with_tolerance(1e-4).unwrap();
            let (x, ..) = run(&penalty, &n, &precision).unwrap();
            let here = cost(&x, &n, &precision, width, steps);
            for k in 0..100 {
                for size in [1e-1, 1e-3] {
                    let there = cost(&shaken(&x, k, size), &n, &precision, width, steps);
                    assert!(there >= here - 1e-12, "{steps:?} {correlation} {k} {size}");
                }
            }
        }
    }
}

#[test]
fn columns_of_a_diagonal_precision_are_images_of_their_own() {
    let (height, width) = (6, 7);
    let n = colours(height, width);
    for following in [false, true] {
        let penalty = penalty(height, width, Steps::Isotropic);
        let penalty = if following { penalty.following_noise() } else { penalty };
        let (x, covariance, _) = run(&penalty, &n, &[2.0, 0.0, 0.0, 0.5]).unwrap();
        for (j, gamma) in [2.0, 0.5].into_iter().enumerate() {
            let column: Vec<f64> = n.iter().skip(j).step_by(2).copied().collect();
            let (y, variances, _) = run(&penalty, &column, &[gamma]).unwrap();
            for i in 0..height * width {
                let entry = covariance[4 * i + 3 * j];
                assert!((x[2 * i + j] - y[i]).abs() < 1e-13, "{i} {j}");
                assert!((entry - variances[i]).abs() < 1e-13, "{i} {j} {entry}");
                assert!(covariance[4 * i + 1] == 0.0, "{i} {j}");
            }
        }
    }
}

#[test]
fn what_does_not_work_is_said() {
    let penalty = ImageTotalVariation::new(4, 5, 0.8).unwrap();
    let hasty = penalty.clone().with_iterations(1).unwrap();
    assert_eq!(run(&hasty, &wave(20), &[1.0]), Err(Breakdown::NoConvergence { port: 0, row: 0 }));
    // Columns that are nearly one take more turns than there are.
    let close = [1.0, 1.0 - 1e-9, 1.0 - 1e-9, 1.0];
    let result = run(&penalty.clone().with_iterations(50).unwrap(), &colours(4, 5), &close);
    assert_eq!(result, Err(Breakdown::NoConvergence { port: 0, row: 0 }));
    for precision in [&[0.0][..], &[1.0, 1.0, 1.0, 1.0], &[1.0, 0.0, 0.0, 0.0]] {
        let entries = 20 * precision.len().isqrt();
        let (n, r) = (vec![1.0; entries], vec![0.0; entries]);
        let cavity = RowCavity::new(0, precision.len().isqrt(), &n, &r, precision);
        let mut out = RowEstimate { mean: &mut [0.0; 40], covariance: &mut [0.0; 80] };
        let result = penalty.estimate(&cavity, &mut out, &mut Scratch::default());
        assert_eq!(result, Err(Breakdown::ImproperCavity { port: 0, row: 0 }));
    }
    let probed = penalty.clone().with_probes(BlackBoxOptions::default()).unwrap();
    let result = run(&probed, &colours(4, 5), &COUPLED);
    assert_eq!(result, Err(Breakdown::Form { port: 0, needed: ColumnForm::Isotropic }));
    assert!(ImageTotalVariation::new(0, 3, 1.0).is_err());
    assert!(ImageTotalVariation::new(3, 3, f64::NAN).is_err());
    assert!(penalty.clone().with_tolerance(0.0).is_err() && penalty.with_iterations(0).is_err());
}
