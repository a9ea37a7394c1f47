//! Rules that rows share against rows one by one, and those against what is known in closed form.

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};

use super::*;

const LINKS: [Link; 3] =
    [Link::Logistic, Link::Probit { variance: 0.5 }, Link::Probit { variance: 9.0 }];
/// Weights and biases.
const UNITS: [(f64, f64); 7] =
    [(1.5, 0.25), (-1.5, 0.25), (1.5, -2.0), (-0.3, 1.0), (3.0, 0.0), (0.0, 0.7), (1e-7, -0.4)];
/// Errors of means, next to their size and the deviation, and of variances, as a share.
const AGREEMENT: [f64; 2] = [5e-12, 2e-11];

fn unit((weight, bias): (f64, f64), link: Link) -> OneUnit {
    OneUnit::of(&TwoLayer::labels(&[weight], bias, Activation::Relu, link).unwrap()).unwrap()
}

/// Means and variances of rows of these natural parameters, for labels that take turns; whether rules did them all.
fn ask(unit: &OneUnit, natural: &[f64], gamma: f64) -> (Vec<f64>, Vec<f64>, Option<bool>) {
    let (mut mean, mut variance) = (vec![0.0; natural.len()], vec![0.0; natural.len()]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
    let precision = [gamma];
    let cavity = RowCavity::new(0, 1, natural, natural, &precision);
    let labels = labels(natural.len());
    let shared = unit.shared(&labels, &cavity, &mut out, &mut Scratch::default());
    unit.estimate(&labels, &cavity, &mut out, &mut Scratch::default()).unwrap();
    (mean, variance, shared)
}

fn labels(rows: usize) -> Vec<f64> {
    (0..rows).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect()
}

/// Deviations from zero of cavities' means: dense next to it, and as far as a million.
fn places() -> Vec<f64> {
    let near = (-200..=200).map(|k| 0.3 * f64::from(k));
    let far = (0..60).flat_map(|k| {
        let size = 10f64.powf(0.1 * f64::from(k));
        [size, -size]
    });
    near.chain(far).flat_map(|h| [h, h]).collect()
}

/// Roundings that exponents of rows one by one have, whose logarithms and squares of means are large far out.
const ROUNDINGS: f64 = 4.0;

#[test]
fn shared_rules_agree_with_rows_one_by_one() {
    // Of 525 cavities a third are so wide, next to what the link turns over, that rows are answered one by one.
    const SHARED: usize = 340;
    let mut shared = 0;
    for link in LINKS {
        for parameters in UNITS {
            let unit = unit(parameters, link);
            for decade in -12..=12 {
                let gamma = 10f64.powi(decade);
                let natural: Vec<f64> = places().iter().map(|h| h * gamma.sqrt()).collect();
                let (mean, variance, complete) = ask(&unit, &natural, gamma);
                assert_ne!(complete, Some(false), "{link:?} {parameters:?} {gamma:e}");
                shared += usize::from(complete == Some(true));
                for (i, y) in labels(natural.len()).into_iter().enumerate() {
                    let n = natural[i];
                    let slow = unit.answer(y, Tilt { n, gamma }).unwrap();
                    let size = slow.log_partition.abs() + n * n / gamma;
                    let rounding = ROUNDINGS * f64::EPSILON * size;
                    let scale = slow.mean.abs() + slow.variance.sqrt();
                    let off = [(mean[i] - slow.mean) / scale, variance[i] / slow.variance - 1.0];
                    let close = off.iter().zip(AGREEMENT).all(|(e, a)| e.abs() <= a + rounding);
                    let found = (mean[i], variance[i]);
                    let at = format!("{link:?} {parameters:?} {gamma:e} {n:e} {y}");
                    assert!(close && variance[i] > 0.0, "{at}: {found:?}, {slow:?}, off {off:?}");
                }
            }
        }
    }
    assert!(shared >= SHARED, "{shared}");
}
