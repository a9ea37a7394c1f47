//! The LASSO by coordinate descent, its weight chosen by cross-validation.

use fg_core::Rows;
use fg_denoisers::ParameterError;

use crate::{ModelError, check};

/// A fitted LASSO.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lasso {
    /// Weight of the penalty.
    pub weight: f64,
    /// One coefficient a column.
    pub coefficients: Vec<f64>,
}

/// Weights tried by cross-validation, in geometric progression from the smallest at which all coefficients are zero down to
/// this share of it, as `glmnet` does.
const WEIGHTS: u32 = 60;
const SMALLEST: f64 = 1e-3;
/// A round in which no coefficient moves the fitted values by more than this share of the target is the last, as is this one.
const SETTLED: f64 = 1e-6;
const ROUNDS: usize = 10_000;

impl Lasso {
    /// The minimiser of `|y - X b|^2 / (2 m) + weight |b|_1` for `inputs` `X` (`m x n`) and a `target` `y` of `m` values.
    ///
    /// Reference: J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized linear models via coordinate
    /// descent", Journal of Statistical Software 33 (2010), doi 10.18637/jss.v033.i01.
    ///
    /// # Errors
    /// [`ModelError::Shape`] when there isn't a value of the target a row of inputs, [`ModelError::NotFinite`], and
    /// [`ModelError::Parameter`] for a negative weight.
    pub fn fit(inputs: &Rows, target: &[f64], weight: f64) -> Result<Self, ModelError> {
        check_data(inputs, target)?;
        if !(weight >= 0.0 && weight.is_finite()) {
            let (parameter, requirement) = ("weight", "finite and not negative");
            return Err(ParameterError::OutOfRange { parameter, value: weight, requirement }.into());
        }
        let mut problem = Problem::new(inputs, target, &|_| true);
        let mut coefficients = vec![0.0; inputs.columns()];
        problem.descend(weight, &mut coefficients);
        Ok(Self { weight, coefficients })
    }

    /// As [`fit`](Self::fit), with the weight of the smallest squared error on the rows left out, in `folds` parts of which
    /// part `k` has the rows `k`, `k + folds`, ...: rows should be in random order.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`ModelError::Folds`] when there aren't between two folds and as many as rows.
    pub fn cross_validated(
        inputs: &Rows,
        target: &[f64],
        folds: usize,
    ) -> Result<Self, ModelError> {
        check_data(inputs, target)?;
        let (m, n) = inputs.shape();
        if !(2..=m).contains(&folds) {
            return Err(ModelError::Folds { folds, rows: m });
        }
        let mut whole = Problem::new(inputs, target, &|_| true);
        let largest = whole.largest_weight();
        let weight = |k: u32| largest * SMALLEST.powf(f64::from(k) / f64::from(WEIGHTS - 1));
        let mut errors = vec![0.0; WEIGHTS as usize];
        for fold in 0..folds {
            let mut rest = Problem::new(inputs, target, &|i| i % folds != fold);
            let mut coefficients = vec![0.0; n];
            for (k, error) in (0..WEIGHTS).zip(&mut errors) {
                rest.descend(weight(k), &mut coefficients);
                for i in (fold..m).step_by(folds) {
                    let fitted = inputs.row(i).iter().zip(&coefficients).map(|(x, b)| x * b);
                    *error += (target[i] - fitted.sum::<f64>()).powi(2);
                }
            }
        }
        let best = (0..WEIGHTS).zip(&errors).min_by(|(_, a), (_, b)| a.total_cmp(b));
        let best = best.map_or(0, |(k, _)| k);
        let mut coefficients = vec![0.0; n];
        (0..=best).for_each(|k| whole.descend(weight(k), &mut coefficients));
        Ok(Self { weight: weight(best), coefficients })
    }
}

fn check_data(inputs: &Rows, target: &[f64]) -> Result<(), ModelError> {
    check::shape("target", (inputs.rows(), 1), (target.len(), 1))?;
    check::finite("inputs", inputs)?;
    match target.iter().position(|y| !y.is_finite()) {
        Some(row) => Err(ModelError::NotFinite { part: "target", row }),
        None => Ok(()),
    }
}

/// Some rows of the data, as far as coefficients need them: `X'X`, and `X'` times what is left of the target.
struct Problem {
    gram: Rows,
    pulls: Vec<f64>,
    rows: f64,
    /// Norm of the target.
    scale: f64,
}

impl Problem {
    fn new(inputs: &Rows, target: &[f64], taken: &dyn Fn(usize) -> bool) -> Self {
        let n = inputs.columns();
        let (mut gram, mut pulls, mut rows, mut power) =
            (Rows::zeros(n, n), vec![0.0; n], 0.0, 0.0);
        for i in (0..inputs.rows()).filter(|&i| taken(i)) {
            let x = inputs.row(i);
            for (j, pull) in pulls.iter_mut().enumerate() {
                *pull += x[j] * target[i];
                gram.row_mut(j).iter_mut().zip(x).for_each(|(g, v)| *g += x[j] * v);
            }
            rows += 1.0;
            power += target[i] * target[i];
        }
        Self { gram, pulls, rows, scale: power.sqrt() }
    }

    /// The smallest weight at which all coefficients are zero.
    fn largest_weight(&self) -> f64 {
        self.pulls.iter().map(|pull| pull.abs() / self.rows).fold(0.0, f64::max)
    }

    /// Goes on from `coefficients`, those of the call before or zeros, to the minimiser.
    fn descend(&mut self, weight: f64, coefficients: &mut [f64]) {
        let threshold = weight * self.rows;
        for _ in 0..ROUNDS {
            let mut moved: f64 = 0.0;
            for (j, b) in coefficients.iter_mut().enumerate() {
                let square = self.gram[(j, j)];
                if square == 0.0 {
                    continue;
                }
                let pull = self.pulls[j] + square * *b;
                let new = pull.signum() * (pull.abs() - threshold).max(0.0) / square;
                let step = new - *b;
                if step != 0.0 {
                    let column = self.gram.row(j);
                    self.pulls.iter_mut().zip(column).for_each(|(p, g)| *p -= step * g);
                    moved = moved.max(step.abs() * square.sqrt());
                    *b = new;
                }
            }
            if moved <= SETTLED * self.scale {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{gaussian_matrix, gaussian_rows};
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    fn problem(m: usize, n: usize) -> (Rows, Vec<f64>) {
        let rng = &mut Pcg64::seed_from_u64(5);
        let matrix = gaussian_matrix(m, n, 1.0, rng);
        let noise = gaussian_rows(m, 1, 1.0, rng);
        let inputs = Rows::from_fn(m, n, |i, j| matrix[(i, j)] + 0.5 * matrix[(i, 0)]);
        let target = (0..m).map(|i| 2.0 * inputs[(i, 0)] - inputs[(i, 1)] + noise[(i, 0)]);
        let target = target.collect();
        (inputs, target)
    }

    #[test]
    fn coefficients_are_optimal() {
        /// The gradient over its threshold, from the tolerance of the fitted values.
        const TOLERANCE: f64 = 1e-4;
        let (inputs, target) = problem(60, 12);
        let Lasso { weight, coefficients } = Lasso::fit(&inputs, &target, 0.1).unwrap();
        let mut zeros = 0;
        for j in 0..12 {
            let gradient: f64 = (0..60)
                .map(|i| {
                    let fitted: f64 =
                        inputs.row(i).iter().zip(&coefficients).map(|(x, b)| x * b).sum();
                    inputs[(i, j)] * (target[i] - fitted) / 60.0
                })
                .sum();
            if coefficients[j] == 0.0 {
                zeros += 1;
                assert!(gradient.abs() < weight * (1.0 + TOLERANCE), "{j}: {gradient}");
            } else {
                let expected = weight * coefficients[j].signum();
                assert!((gradient - expected).abs() < TOLERANCE * weight, "{j}: {gradient}");
            }
        }
        assert!((1..12).contains(&zeros), "{coefficients:?}");
    }

    #[test]
    fn a_large_weight_leaves_nothing_and_validation_does_not_take_it() {
        let (inputs, target) = problem(60, 12);
        let largest = Problem::new(&inputs, &target, &|_| true).largest_weight();
        let nothing = Lasso::fit(&inputs, &target, largest * 1.000_001).unwrap().coefficients;
        assert!(nothing.iter().all(|b| *b == 0.0));
        let chosen = Lasso::cross_validated(&inputs, &target, 10).unwrap();
        assert!(chosen.weight < 0.5 * largest);
        assert!((chosen.coefficients[0] - 2.0).abs() < 0.5, "{chosen:?}");
    }
    #[test]
    fn data_that_do_not_fit_are_refused() {
        let (inputs, target) = problem(20, 3);
        let said = |found: Result<Lasso, ModelError>| found.unwrap_err().to_string();
        assert_eq!(
            said(Lasso::fit(&inputs, &target[1..], 0.1)),
            "target must be 20 x 1, got 19 x 1"
        );
        let mut broken = target.clone();
        broken[7] = f64::NAN;
        assert_eq!(said(Lasso::fit(&inputs, &broken, 0.1)), "row 7 of the target isn't finite");
        assert!(said(Lasso::fit(&inputs, &target, -1.0)).contains("weight"));
        let folds = said(Lasso::cross_validated(&inputs, &target, 21));
        assert!(folds.starts_with("21 folds of 20 rows"), "{folds}");
    }
}
