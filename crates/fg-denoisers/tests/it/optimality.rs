//! MAP estimates minimise their cost, on ordinary and on nearly singular precisions.

use fg_core::denoiser::{Denoiser, RowEstimate, Scratch};
use fg_core::testing::strategies::{neighbour, positive_matrix, row, singular_matrix};
use fg_core::testing::{Input, Subject, check_maximiser};
use fg_denoisers::{
    ElasticNet, GroupLasso, Huber, Interval, L1, L2, NonNegative, ParameterError, Simplex,
};
use proptest::prelude::*;

type Cost = Box<dyn Fn(&[f64]) -> f64>;
type Penalty = (Box<dyn Denoiser>, Cost);

fn elastic_cost(l1: f64, l2: f64) -> Cost {
    Box::new(move |x: &[f64]| x.iter().map(|v| l1 * v.abs() + 0.5 * l2 * v * v).sum())
}

fn penalties() -> Result<Vec<Penalty>, ParameterError> {
    Ok(vec![
        (Box::new(L1::new(0.7)?), elastic_cost(0.7, 0.0)),
        (Box::new(L2::new(0.7)?), elastic_cost(0.0, 0.7)),
        (Box::new(ElasticNet::new(0.7, 0.2)?), elastic_cost(0.7, 0.2)),
        (Box::new(NonNegative::new().with_weight(0.7)?), legal(0.7, |v| v >= 0.0)),
        (Box::new(Interval::new(-0.6, 1.8)?), legal(0.0, |v| (-0.6..=1.8).contains(&v))),
        (Box::new(Interval::new(0.8, 2.2)?), legal(0.0, |v| (0.8..=2.2).contains(&v))),
        (
            Box::new(Huber::new(0.7, 0.8)?),
            Box::new(|x: &[f64]| {
                let cost = |v: f64| if v.abs() <= 0.8 { 0.5 * v * v } else { 0.8 * v.abs() - 0.32 };
                x.iter().map(|&v| 0.7 * cost(v)).sum()
            }),
        ),
        (
            Box::new(GroupLasso::new(0.7)?),
            Box::new(|x: &[f64]| 0.7 * x.iter().map(|v| v * v).sum::<f64>().sqrt()),
        ),
    ])
}

/// A cost of this weight a unit where all entries are legal.
fn legal(weight: f64, holds: fn(f64) -> bool) -> Cost {
    Box::new(move |x: &[f64]| {
        if x.iter().all(|&v| holds(v)) { weight * x.iter().sum::<f64>() } else { f64::INFINITY }
    })
}

/// Optimality of a row in the simplex: the pulls of entries above zero agree, and those of the others aren't larger.
#[track_caller]
fn check_simplex(input: &Input) {
    let (d, total) = (input.columns(), 1.5);
    let penalty = Simplex::new().with_total(total).expect("a total");
    let (mut mean, mut covariance) = (vec![0.0; input.rows() * d], vec![0.0; input.rows() * d * d]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
    penalty.estimate(&input.cavity(), &mut out, &mut Scratch::default()).expect("a legal cavity");
    for (n, x) in input.natural().chunks_exact(d).zip(mean.chunks_exact(d)) {
        let product = |j: usize| (0..d).map(move |k| input.precision()[j * d + k] * x[k]);
        let pull: Vec<f64> = (0..d).map(|j| n[j] - product(j).sum::<f64>()).collect();
        let size = (0..d).map(|j| n[j].abs() + product(j).map(f64::abs).sum::<f64>());
        // Rounding of the pulls themselves, through a solve of the free block.
        let tolerance = 1e-12 * size.fold(total, f64::max);
        let top = pull.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!((x.iter().sum::<f64>() - total).abs() < 1e-12 * total, "{x:?} {input:?}");
        for j in 0..d {
            assert!(x[j] >= 0.0, "{x:?} {input:?}");
            assert!(x[j] == 0.0 || top - pull[j] <= tolerance, "{x:?} {pull:?} {input:?}");
        }
    }
}

#[track_caller]
fn check_all(input: &Input) {
    for (penalty, cost) in penalties().expect("valid parameters") {
        if let Err(violation) = check_maximiser(Subject::denoiser(&*penalty), input, &*cost) {
            panic!("{violation}");
        }
    }
    check_simplex(input);
}

#[test]
fn estimates_on_the_examples_are_minima() {
    for d in [1, 2, 3, 5] {
        // Without information the ridge alone determines the rows; the last example has none.
        for input in Input::examples(d) {
            check_all(&input);
        }
    }
}

proptest! {
    #[test]
    fn estimates_at_ill_conditioned_precisions_are_minima(
        precision in positive_matrix(4, -8..=3),
        mean in row(4, -2..=2),
    ) {
        check_all(&Input::from_mean(4, &mean, precision));
    }

    #[test]
    fn estimates_at_singular_precisions_are_minima(
        precision in singular_matrix(3, -2..=2),
        mean in row(3, -2..=2),
    ) {
        check_all(&Input::from_mean(3, &mean, precision));
    }

    #[test]
    fn thresholds_are_met_exactly(n in neighbour(0.7)) {
        let input = Input::new(1, vec![n, -n], vec![2.0]);
        check_all(&input);
    }
}
