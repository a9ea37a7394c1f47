//! MAP estimates minimise their cost, on ordinary and on nearly singular precisions.

use fg_core::denoiser::Denoiser;
use fg_core::testing::strategies::{neighbour, positive_matrix, row, singular_matrix};
use fg_core::testing::{Input, Subject, check_maximiser};
use fg_denoisers::{ElasticNet, L1, L2, ParameterError};
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
    ])
}

#[track_caller]
fn check_all(input: &Input) {
    for (penalty, cost) in penalties().expect("valid parameters") {
        if let Err(violation) = check_maximiser(Subject::Denoiser(&*penalty), input, &*cost) {
            panic!("{violation}");
        }
    }
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
