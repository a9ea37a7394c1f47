//! Products that are known in closed form, and products that don't exist.

use super::*;
use crate::{BernoulliGauss, Discrete, Gaussian, GaussianMixture, Laplace, StudentT, Uniform};

/// Agreement of quadrature with closed forms, of values of order one.
const QUADRATURE: f64 = 1e-11;

fn ask(prior: &dyn Denoiser, n: f64, gamma: f64) -> [f64; 3] {
    let (natural, precision) = ([n], [gamma]);
    let cavity = RowCavity::new(0, 1, &natural, &[0.0], &precision);
    let (mut mean, mut variance, mut log) = ([0.0], [0.0], [0.0]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
    prior.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
    assert!(prior.log_partition(&cavity, &mut log));
    [mean[0], variance[0], log[0]]
}

#[track_caller]
fn assert_close(a: &dyn Denoiser, b: &dyn Denoiser) {
    for (n, gamma) in [(0.0, 0.0), (0.7, 0.0), (3.0, 2.0), (-40.0, 30.0), (1e5, 1e6)] {
        let (found, expected) = (ask(a, n, gamma), ask(b, n, gamma));
        for (f, e) in found.iter().zip(&expected) {
            let close = (f - e).abs() < QUADRATURE * (1e-3 + e.abs());
            assert!(close, "{n} {gamma}: {found:?} {expected:?}");
        }
    }
}

fn normal(mean: f64, variance: f64) -> Gaussian {
    Gaussian::new(mean, variance).unwrap()
}

#[test]
fn gaussians_multiply_and_a_closure_is_the_prior_it_writes_down() {
    // Precisions 2 and 1 / 2, pulls 2 and -1.
    let product = Product::new(normal(1.0, 0.5), normal(-2.0, 2.0)).unwrap();
    assert_close(&product, &normal(0.4, 0.4));
    let row = product.gaussian(0, 1).unwrap();
    assert!((row.natural[0] - 1.0).abs() < 1e-15 && (row.precision[0] - 2.5).abs() < 1e-15);
    let parabola = || LogDensity::new(|x| -(x - 1.0).powi(2));
    assert_close(&Product::new(parabola(), normal(-2.0, 2.0)).unwrap(), &normal(0.4, 0.4));
    // Without any formula: two closures.
    let half = || LogDensity::new(|x| -0.5 * x.abs()).with_breaks(&[0.0]).unwrap();
    let both = Product::new(half(), half()).unwrap();
    let laplace = Laplace::new(1.0).unwrap();
    for (n, gamma) in [(0.3, 0.0), (5.0, 2.0), (1e5, 1e6)] {
        let (found, expected) = (ask(&both, n, gamma), ask(&laplace, n, gamma));
        assert!(
            (0..3)
                .all(|k| (found[k] - expected[k]).abs() < QUADRATURE * (1e-3 + expected[k].abs()))
        );
    }
}

#[test]
fn points_keep_their_places_and_are_weighed_by_the_other_factor() {
    // Spike and slab times a Gaussian: the slab becomes N(0.5, 0.5), the spike counts N(0; 1, 1).
    let sparse = BernoulliGauss::new(0.3, 0.0, 1.0).unwrap();
    let density = |x: f64, v: f64| (-0.5 * x * x / v).exp() / (TAU * v).sqrt();
    let (spike, slab) = (0.7 * density(1.0, 1.0), 0.3 * density(1.0, 2.0));
    let rho = slab / (spike + slab);
    let expected = BernoulliGauss::new(rho, 0.5, 0.5).unwrap();
    assert_close(&Product::new(sparse.clone(), normal(1.0, 1.0)).unwrap(), &expected);
    // The same by quadrature, the Gaussian being a closure.
    let closure = LogDensity::new(|x| -0.5 * (x - 1.0).powi(2));
    assert_close(&Product::new(sparse, closure).unwrap(), &expected);
    let points = Discrete::new(1, &[-1.0, 0.5, 2.0], &[1.0, 1.0, 2.0]).unwrap();
    let product = Product::new(points.clone(), Uniform::new(0.0, 3.0).unwrap()).unwrap();
    let left = Discrete::new(1, &[0.5, 2.0], &[1.0, 2.0]).unwrap();
    assert_close(&product, &left);
    assert_close(&Product::new(points, normal(0.0, 1e300)).unwrap(), &{
        Discrete::new(1, &[-1.0, 0.5, 2.0], &[1.0, 1.0, 2.0]).unwrap()
    });
}

#[test]
fn draws_are_quantiles() {
    let sparse = BernoulliGauss::new(0.3, 0.0, 1.0).unwrap();
    let product = Product::new(sparse, Laplace::new(1.0).unwrap()).unwrap();
    let law = product.law().unwrap();
    let mut x = [0.0];
    let mut last = f64::NEG_INFINITY;
    for k in 0..1000 {
        law.draw(&[(f64::from(k) + 0.5) / 1000.0], &mut x);
        assert!(x[0] >= last, "{k}: {x:?} below {last}");
        last = x[0];
    }
    law.draw(&[0.5], &mut x);
    assert!(x[0].abs() < f64::MIN_POSITIVE, "the spike: {x:?}");
    let jumps = law.jumps().unwrap();
    assert!(jumps.len() == 2 && (jumps[0] + jumps[1] - 1.0).abs() < 1e-12, "{jumps:?}");
}

#[test]
fn a_product_without_an_own_mass_needs_a_cavity() {
    let flat = Product::new(LogDensity::new(|_| 1.5), LogDensity::new(|x| 0.1 * x)).unwrap();
    assert!(flat.law().is_none());
    let [mean, variance, log] = ask(&flat, 0.3, 2.0);
    let expected = 1.5 + 0.5 * (0.4 * 0.2 + f64::ln(TAU / 2.0));
    assert!((mean - 0.2).abs() < QUADRATURE && (variance - 0.5).abs() < QUADRATURE);
    assert!((log - expected).abs() < QUADRATURE, "{log} {expected}");
    let cavity = RowCavity::new(4, 1, &[0.3], &[0.0], &[0.0]);
    let (mut mean, mut variance) = ([0.0], [0.0]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
    let found = flat.estimate(&cavity, &mut out, &mut Scratch::default());
    assert_eq!(found, Err(Breakdown::ImproperCavity { port: 0, row: 4 }));
}

#[test]
fn a_single_factor_beside_gaussians_answers_by_itself() {
    let product = Product::new(StudentT::new(3.0, 0.7).unwrap(), normal(0.5, 2.0)).unwrap();
    let [mean, variance, _] = ask(&product, 3.0, 1.0);
    let own = ask(&StudentT::new(3.0, 0.7).unwrap(), 3.25, 1.5);
    assert!((mean - own[0]).abs() < 1e-15 && (variance - own[1]).abs() < 1e-15);
    // An interval makes another density of it.
    let cut = LogDensity::from(StudentT::new(3.0, 0.7).unwrap()).within(0.0, 1.0).unwrap();
    let [mean, ..] = ask(&Product::new(cut, normal(0.5, 2.0)).unwrap(), 3.0, 1.0);
    assert!(mean > 0.0 && mean < 1.0, "{mean}");
}

#[test]
fn a_row_takes_hundreds_of_evaluations() {
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;
    const ROWS: [(f64, f64); 4] = [(0.0, 0.01), (30.0, 50.0), (-3.0, 1.0), (1e6, 1e9)];
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let wells = LogDensity::new(move |x| {
        counter.fetch_add(1, Ordering::Relaxed);
        -(x * x - 1.0).powi(2)
    });
    let product = Product::new(Laplace::new(0.3).unwrap(), wells).unwrap();
    count.store(0, Ordering::Relaxed);
    let (mut mean, mut variance) = ([0.0], [0.0]);
    for (n, gamma) in ROWS {
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
        let (natural, precision) = ([n], [gamma]);
        let cavity = RowCavity::new(0, 1, &natural, &[0.0], &precision);
        product.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
    }
    let each = count.load(Ordering::Relaxed) / ROWS.len();
    assert!((300..1500).contains(&each), "{each} a row");
}

#[test]
fn products_that_do_not_exist_are_refused() {
    let spike = || BernoulliGauss::new(0.3, 0.0, 1.0).unwrap();
    assert!(Product::new(spike(), spike()).is_err(), "the square of a point");
    let apart = Product::new(Uniform::new(0.0, 1.0).unwrap(), Uniform::new(2.0, 3.0).unwrap());
    assert!(apart.is_err(), "supports that don't meet");
    let wide = Gaussian::with_covariance(&[0.0; 2], &[1.0, 0.0, 0.0, 1.0]).unwrap();
    assert!(Product::new(wide, spike()).is_err(), "two columns");
    assert!(Product::new(LogDensity::new(|_| f64::NAN), spike()).is_err(), "no number");
    assert!(LogDensity::new(|x| -x).within(1.0, 1.0).is_err());
    assert!(LogDensity::new(|x| -x).with_feature(0.0, 0.0).is_err());
    let mixture = GaussianMixture::scalar(&[(0.5, 0.0, 0.0), (0.5, 1.0, 1.0)]).unwrap();
    let product = Product::new(mixture, Laplace::new(1.0).unwrap()).unwrap();
    assert_eq!(product.points.len(), 1);
}

/// Rows that share a lattice are off from rows one by one by this much, of means next to their size and the deviation and of
/// variances as a share; and where exponents are large, by their rounding.
const LATTICE: f64 = 1e-11;

/// Products that are smooth but for points of one factor.
fn smooth() -> Vec<Product> {
    let wells = || LogDensity::new(|x| -(x * x - 1.0).powi(2));
    let sparse = |rho, m, v| BernoulliGauss::new(rho, m, v).unwrap();
    let bump = LogDensity::new(|x| -(x * x).ln_1p()).with_feature(0.0, 1.0).unwrap();
    let far = LogDensity::new(|x| -0.02 * (x * x - 400.0).powi(2) / 400.0)
        .with_feature(20.0, 1.0)
        .unwrap()
        .with_feature(-20.0, 1.0)
        .unwrap();
    vec![
        Product::new(sparse(0.3, 0.5, 1.0), wells()).unwrap(),
        Product::new(sparse(0.01, 0.0, 1.0), wells()).unwrap(),
        Product::new(normal(0.3, 4.0), wells()).unwrap(),
        Product::new(StudentT::new(3.0, 0.7).unwrap(), wells())
            .unwrap()
            .times(normal(-0.5, 9.0))
            .unwrap(),
        Product::new(bump, LogDensity::new(|x| -0.1 * x * x + 0.3 * x.sin())).unwrap(),
        Product::new(sparse(0.2, 3.0, 50.0), far).unwrap(),
    ]
}

#[test]
fn rows_that_share_a_lattice_agree_with_rows_one_by_one() {
    let (mut shared, mut rows) = (0, 0);
    for (k, product) in smooth().iter().enumerate() {
        for decade in -12..=12 {
            let gamma = 10f64.powi(decade);
            // Next to each other, over hundreds of deviations, and up to a million.
            let near = (-40..=40).map(|i| 0.1 * f64::from(i) * (gamma.sqrt() + 1.0));
            let wide = (-40..=40).map(|i| 3.0 * f64::from(i) * gamma.sqrt());
            let far = (0..20).map(|i| 10f64.powf(0.3 * f64::from(i)) * gamma.sqrt());
            let natural: Vec<f64> = near.chain(wide).chain(far).collect();
            let (mut mean, mut variance) = (vec![0.0; natural.len()], vec![0.0; natural.len()]);
            let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
            let precision = [gamma];
            let cavity = RowCavity::new(0, 1, &natural, &natural, &precision);
            product.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
            let mut memory = vec![0.0; product.survey(&|x| product.log(x)).memory()];
            let mut lattice = vec![0.0; product.lattice_memory()];
            if product.own().is_none() {
                let mut all = [vec![0.0; natural.len()], vec![0.0; natural.len()]];
                let [mean, covariance] = &mut all;
                let mut out = RowEstimate { mean, covariance };
                let memory = [&mut lattice[..], &mut memory[..]];
                Batch { product, cavity: &cavity, out: &mut out, memory }.run();
                shared += out.mean.iter().filter(|m| m.is_finite()).count();
                rows += natural.len();
            }
            for (i, &n) in natural.iter().enumerate() {
                let slow = product.answer(Tilt { n, gamma }, &mut memory).unwrap();
                let scale = slow.mean.abs() + slow.variance.sqrt();
                let rounding =
                    8.0 * f64::EPSILON * (slow.log_partition.abs() + n * n / gamma.max(1.0));
                let off = [(mean[i] - slow.mean) / scale, variance[i] / slow.variance - 1.0];
                let close = off.iter().all(|off| off.abs() <= LATTICE + rounding);
                let found = (mean[i], variance[i]);
                assert!(
                    close && variance[i] > 0.0,
                    "{k} {gamma:e} {n:e}: {found:?}, {slow:?}, off {off:?}"
                );
            }
        }
    }
    assert!(2 * shared > rows, "{shared} of {rows}");
}

#[test]
fn many_rows_take_no_more_evaluations_than_a_few() {
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;
    const ROWS: usize = 1000;
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let wells = LogDensity::new(move |x| {
        counter.fetch_add(1, Ordering::Relaxed);
        -(x * x - 1.0).powi(2)
    });
    let product = Product::new(BernoulliGauss::new(0.3, 0.5, 1.0).unwrap(), wells).unwrap();
    count.store(0, Ordering::Relaxed);
    let natural: Vec<f64> = (0..ROWS).map(|i| 0.15 * i as f64 - 75.0).collect();
    let (mut mean, mut variance) = (vec![0.0; ROWS], vec![0.0; ROWS]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
    let precision = [50.0];
    let cavity = RowCavity::new(0, 1, &natural, &natural, &precision);
    product.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
    let all = count.load(Ordering::Relaxed);
    assert!(all < 3000, "{all} in all");
}
