//! Errors put into subjects that are right otherwise, each found by its law.

use super::*;
use crate::Rows;
use crate::denoiser::{
    Channel, Denoiser, Estimation, Law, Likelihood, Pointwise, PointwiseLikelihood, RowCavity,
    RowEstimate, Scratch,
};
use crate::evolution::Spectrum;
use crate::factor::Breakdown;
use crate::operator::{Dense, Ensemble, LinearOperator};

/// Posterior of a Gaussian of variance one, with an error put in.
fn shrink(
    wrong: impl Fn(f64, f64, (f64, f64)) -> (f64, f64) + Send + Sync,
) -> Pointwise<impl Fn(f64, f64) -> (f64, f64) + Send + Sync> {
    Pointwise::new("shrink", move |r: f64, gamma: f64| {
        let share = gamma / (1.0 + gamma);
        wrong(r, gamma, (share * r, share))
    })
}

#[derive(Debug)]
struct Normal {
    deviation: f64,
}

impl Law for Normal {
    fn uniforms(&self, _d: usize) -> usize {
        1
    }
    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        use crate::special::{open_uniform, quantile};
        row[0] = self.deviation * quantile(open_uniform(uniforms[0]));
    }
}

fn broken_law(result: Result<(), Violation>) -> Option<&'static str> {
    result.err().map(|violation| violation.law)
}

#[test]
fn a_right_estimator_passes_and_each_error_is_found_by_its_law() {
    let right = shrink(|_, _, answer| answer);
    assert_eq!(check(Subject::denoiser(&right), 1), Ok(()));

    let overconfident = shrink(|_, _, (x, slope)| (x, 0.999 * slope));
    assert_eq!(broken_law(check(Subject::denoiser(&overconfident), 1)), Some("jacobian"));

    let timid = shrink(|_, _, (x, slope)| (0.5 * x, 0.5 * slope));
    assert_eq!(broken_law(check(Subject::denoiser(&timid), 1)), Some("precise cavity"));

    let negative = shrink(|r, _, _| (-r, -1.0));
    assert_eq!(broken_law(check(Subject::denoiser(&negative), 1)), Some("covariance"));

    // Overflow far out only: the slope stays right.
    let fragile = shrink(|r, _, (x, slope)| (x + 0.0 * (r * 1e-3).powi(2).exp(), slope));
    assert_eq!(broken_law(check(Subject::denoiser(&fragile), 1)), Some("finite"));
}

/// The posterior of a Gaussian of variance one, off by this share in calls of at least so many rows.
#[derive(Debug)]
struct Shared {
    rows: usize,
    share: f64,
}

impl Denoiser for Shared {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let share = if cavity.len() < self.rows { 0.0 } else { self.share };
        let variance = 1.0 / (1.0 + cavity.scalar_precision());
        for (i, n) in cavity.natural().iter().enumerate() {
            (out.mean[i], out.covariance[i]) = ((1.0 + share) * n * variance, variance);
        }
        Ok(())
    }

    fn name(&self) -> String {
        "shared".to_owned()
    }
}

#[test]
fn answers_that_depend_on_their_company_are_found() {
    let law = |rows, share| broken_law(check(Subject::denoiser(&Shared { rows, share }), 1));
    assert_eq!(law(16, 0.0), None);
    // A few units in the last place, from as many rows on as share work.
    for rows in [2, 16, 100] {
        assert_eq!(law(rows, 1e-15), Some("batching"), "{rows}");
    }
}

#[test]
fn a_claim_that_does_not_match_the_law_is_found_by_drawing() {
    let right = shrink(|_, _, answer| answer).with_law(Normal { deviation: 1.0 });
    assert_eq!(check_calibration(Subject::denoiser(&right), 1), Ok(()));
    let wrong = shrink(|_, _, answer| answer).with_law(Normal { deviation: 1.2 });
    let law = broken_law(check_calibration(Subject::denoiser(&wrong), 1));
    assert_eq!(law, Some("calibration"));
}

#[test]
fn a_point_that_is_not_the_minimum_is_found_by_its_neighbours() {
    let input = Input::new(1, vec![3.0], vec![2.0]);
    let cost = |x: &[f64]| 0.5 * x[0] * x[0];
    let right = shrink(|_, _, answer| answer).with_estimation(Estimation::Map);
    assert_eq!(check_maximiser(Subject::denoiser(&right), &input, &cost), Ok(()));
    let wrong = shrink(|_, _, (x, slope)| (1.01 * x, slope)).with_estimation(Estimation::Map);
    let law = broken_law(check_maximiser(Subject::denoiser(&wrong), &input, &cost));
    assert_eq!(law, Some("maximiser"));
}

#[test]
fn an_estimate_that_moves_too_far_is_found() {
    let right = shrink(|_, _, answer| answer).with_estimation(Estimation::Map);
    assert_eq!(check(Subject::denoiser(&right).log_concave(), 1), Ok(()));
    let hard = shrink(|r, _, _| if r.abs() > 1.0 { (r, 1.0) } else { (0.0, 0.0) })
        .with_estimation(Estimation::Map);
    let found = report(Subject::denoiser(&hard).log_concave(), 1);
    assert!(found.violations().iter().any(|v| v.law == "firmly non-expansive"), "{found}");
}

#[test]
fn quadrature_finds_an_error_of_one_in_a_billion() {
    use crate::special::log_pdf;
    let density = Density {
        log: &|x| log_pdf(x),
        support: (f64::NEG_INFINITY, f64::INFINITY),
        breaks: &[],
        atoms: &[],
    };
    let right = shrink(|_, _, answer| answer);
    assert_eq!(check_against_density(Subject::denoiser(&right), &density), Ok(()));
    let wrong = shrink(|_, _, (x, slope)| (x, slope * (1.0 + 1e-9)));
    let law = broken_law(check_against_density(Subject::denoiser(&wrong), &density));
    assert_eq!(law, Some("density"));
    let shown = check_against_density(Subject::denoiser(&wrong), &density).unwrap_err();
    assert!(shown.to_string().contains("shrink breaks the law `density` at row 0"), "{shown}");
}

#[test]
fn a_point_of_infinite_cost_is_no_minimum() {
    let input = Input::new(1, vec![3.0], vec![2.0]);
    let cost = |x: &[f64]| if x[0] > 9.0 { 0.0 } else { f64::INFINITY };
    let right = shrink(|_, _, answer| answer).with_estimation(Estimation::Map);
    let law = broken_law(check_maximiser(Subject::denoiser(&right), &input, &cost));
    assert_eq!(law, Some("maximiser"));
}

#[test]
fn one_call_covers_what_is_claimed_and_says_what_does_not_apply() {
    let ridge = shrink(|_, _, answer| answer).with_estimation(Estimation::Map);
    let cost = |x: &[f64]| 0.5 * x[0] * x[0];
    let subject = Subject::denoiser(&ridge).with_cost(&cost).log_concave().rotation_invariant();
    let found = report(subject, 1);
    assert!(found.passes(), "{found}");
    for law in ["maximiser", "log-concave", "firmly non-expansive", "rotation"] {
        assert!(found.laws().contains(&law), "{found}");
    }
    assert!(found.silent().contains(&("density", "it answers with maximisers")), "{found}");
    let wrong = |x: &[f64]| 0.6 * x[0] * x[0];
    let law = broken_law(check(Subject::denoiser(&ridge).with_cost(&wrong), 1));
    assert_eq!(law, Some("maximiser"));

    let log = |x: f64| -0.5 * x * x - 0.5 * core::f64::consts::TAU.ln();
    let support = (f64::NEG_INFINITY, f64::INFINITY);
    let density = Density { log: &log, support, breaks: &[], atoms: &[] };
    let mean = shrink(|_, _, answer| answer);
    let found = report(Subject::denoiser(&mean).with_density(&density), 1);
    assert!(found.passes() && found.laws().contains(&"density"), "{found}");
}

/// A label of either sign, seen through errors put in.
fn label(draw: impl Fn(f64, f64) -> f64 + Send + Sync + 'static) -> impl Likelihood {
    PointwiseLikelihood::new("label", |_, r, gamma: f64| {
        (r * gamma / (1.0 + gamma), gamma / (1.0 + gamma))
    })
    .with_draw(1, move |z, u: &[f64]| draw(z, u[0]))
}

#[test]
fn draws_that_are_not_finite_are_found() {
    let subject = label(|_, u| u.ln());
    let found = report(Subject::likelihood(&subject, &[1.0]), 1);
    assert!(found.violations().iter().any(|v| v.law == "draws"), "{found}");
    let law = shrink(|_, _, answer| answer).with_law(Normal { deviation: f64::INFINITY });
    let found = report(Subject::denoiser(&law), 1);
    assert!(found.violations().iter().any(|v| v.law == "draws"), "{found}");
}

/// Labels above one, of which it draws others.
#[derive(Debug)]
struct Picky;

impl Likelihood for Picky {
    fn estimate(
        &self,
        _observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let s = 1.0 / (1.0 + cavity.scalar_precision());
        out.covariance.fill(s);
        out.mean.iter_mut().zip(cavity.natural()).for_each(|(m, n)| *m = s * n);
        Ok(())
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        if observed[0] > 1.0 { Ok(()) } else { Err(format!("above 1, got {}", observed[0])) }
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    fn draw(&self, _z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        y[0] = 0.5 + uniforms[0];
    }

    fn name(&self) -> String {
        "picky".to_owned()
    }
}

#[test]
fn data_that_its_own_check_refuses_are_found() {
    let found = report(Subject::likelihood(&Picky, &[2.0]), 1);
    let drawn = found.violations().iter().find(|v| v.law == "draws").expect("refused data");
    assert!(drawn.input.contains("above 1, got"), "{drawn}");
    // Nothing is compared on data that are illegal from the start.
    let found = report(Subject::likelihood(&Picky, &[0.0]), 1);
    assert_eq!((found.laws(), found.violations().len()), (&["columns"][..], 1), "{found}");
}

/// The input again, of one column.
#[derive(Debug)]
struct Wire;

impl Channel for Wire {
    fn estimate(
        &self,
        cavities: [&RowCavity<'_>; 2],
        out: [&mut RowEstimate<'_>; 2],
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let total = cavities[0].scalar_precision() + cavities[1].scalar_precision();
        if !(total > 0.0) {
            return Err(Breakdown::ImproperCavity { port: 0, row: 0 });
        }
        for port in out {
            port.covariance.fill(1.0 / total);
            let sums = cavities[0].natural().iter().zip(cavities[1].natural());
            port.mean.iter_mut().zip(sums).for_each(|(m, (a, b))| *m = (a + b) / total);
        }
        Ok(())
    }

    fn output_columns(&self, d: usize) -> Option<usize> {
        (d == 1).then_some(1)
    }

    fn name(&self) -> String {
        "wire".to_owned()
    }
}

#[test]
fn columns_that_nobody_takes_are_found() {
    assert_eq!(check(Subject::channel(&Wire), 1), Ok(()));
    assert_eq!(broken_law(check(Subject::channel(&Wire), 2)), Some("columns"));
    let found = report(Subject::channel(&Wire), 2);
    assert_eq!(found.laws(), ["columns"], "{found}");
    let right = shrink(|_, _, answer| answer);
    for d in [0, 2] {
        assert_eq!(broken_law(check(Subject::denoiser(&right), d)), Some("columns"));
    }
}

#[test]
fn channels_and_operators_are_reported() {
    let found = report(Subject::channel(&Wire), 1);
    assert!(found.passes() && found.laws().contains(&"cross derivative"), "{found}");
    assert!(found.silent().contains(&("draws", "it draws nothing")), "{found}");
    let dense = Dense::from_rows(&Rows::from_fn(2, 3, |i, j| (i + 2 * j) as f64)).expect("finite");
    let found = report(Subject::operator(&dense).log_concave(), 2);
    assert!(found.passes() && found.laws().contains(&"adjoint"), "{found}");
    assert!(found.silent().iter().any(|(law, _)| *law == "log-concave"), "{found}");
    let ensemble = Ensemble::new(40, Spectrum::marchenko_pastur(0.5).expect("a ratio"));
    let found = report(Subject::operator(&ensemble), 1);
    assert!(found.passes() && found.laws() == ["realised", "spectrum"], "{found}");
    // What is for estimators finds none.
    let wrong = check_calibration(Subject::operator(&ensemble), 1);
    assert_eq!(broken_law(wrong), Some("calibration"));
}

/// Sizes and a norm, and nothing else.
#[derive(Debug)]
struct Empty;

impl LinearOperator for Empty {
    fn outputs(&self) -> usize {
        2
    }

    fn inputs(&self) -> usize {
        3
    }

    fn apply(&self, _x: &[f64], _z: &mut [f64], _columns: usize) {}

    fn apply_adjoint(&self, _z: &[f64], _x: &mut [f64], _columns: usize) {}

    fn squared_norm(&self) -> f64 {
        1.0
    }

    fn is_realised(&self) -> bool {
        false
    }

    fn name(&self) -> String {
        "empty".to_owned()
    }
}

#[test]
fn an_operator_that_nothing_is_known_of_is_found() {
    assert_eq!(broken_law(check(Subject::operator(&Empty), 1)), Some("realised"));
}

/// Rows of their own, three of them.
#[derive(Debug)]
struct Three([f64; 3]);

impl Denoiser for Three {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let own = &self.0[cavity.first_row()..cavity.first_row() + cavity.len()];
        for (i, own) in own.iter().enumerate() {
            out.covariance[i] = 1.0 / (own + cavity.scalar_precision());
            out.mean[i] = out.covariance[i] * cavity.natural()[i];
        }
        Ok(())
    }

    fn rows(&self) -> Option<usize> {
        Some(3)
    }

    fn name(&self) -> String {
        "three".to_owned()
    }
}

#[test]
fn a_subject_of_few_rows_is_tried_on_these() {
    assert_eq!(check(Subject::denoiser(&Three([0.5, 1.0, 4.0])).log_concave(), 1), Ok(()));
}
