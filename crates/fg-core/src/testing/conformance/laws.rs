//! The list of laws: which of them apply to a subject, and whether they hold.

use super::case::Case;
use super::channel::Pipe;
use super::operator::Map;
use super::subject::{Claims, Node, Subject};
use super::{Violation, calculus, calibration, channel, convexity, coupled, draws, fits, learning};
use super::{operator, oracle, robustness, shape};

/// What comes of a law.
pub(super) enum Outcome {
    Obeyed,
    Broken(Violation),
    /// There is nothing to compare, and why.
    Silent(&'static str),
}

/// Whether there is something to compare, or why not.
pub(super) type Applies = Result<(), &'static str>;

/// Nothing where it holds, the reason where it doesn't.
pub(super) fn given(holds: bool, reason: &'static str) -> Applies {
    if holds { Ok(()) } else { Err(reason) }
}

/// Outcomes by the names of their laws, found when asked for.
type Outcomes<'a> = Box<dyn Iterator<Item = (&'static str, Outcome)> + 'a>;

/// A law of subjects of the kind `S`.
struct Law<S> {
    name: &'static str,
    applies: fn(&S) -> Applies,
    holds: fn(&S) -> Result<(), Violation>,
}

impl<S> Law<S> {
    fn new(
        name: &'static str,
        applies: fn(&S) -> Applies,
        holds: fn(&S) -> Result<(), Violation>,
    ) -> Self {
        Self { name, applies, holds }
    }

    fn outcome(&self, case: &S) -> Outcome {
        match (self.applies)(case) {
            Err(reason) => Outcome::Silent(reason),
            Ok(()) => (self.holds)(case).map_or_else(Outcome::Broken, |()| Outcome::Obeyed),
        }
    }
}

/// Every law for `subject` on variables of `d` columns.
pub(super) fn outcomes(subject: Subject<'_>, d: usize) -> Outcomes<'_> {
    let claims = subject.claims;
    match subject.node {
        Node::OnePort(node) => judge(estimator_laws(), Case { node, d, claims }),
        Node::Channel(node) => {
            Box::new(judge(channel_laws(), Pipe::new(node, d)).chain(unused(claims)))
        }
        Node::Operator(node) => {
            Box::new(judge(operator_laws(), Map::new(node, d)).chain(unused(claims)))
        }
    }
}

/// Holds `case` to the laws one after the other; to none but the first where that is broken: whether it fits the columns.
fn judge<'a, S: 'a>(laws: Vec<Law<S>>, case: S) -> Outcomes<'a> {
    let mut fits = true;
    Box::new(laws.into_iter().enumerate().map(move |(k, law)| {
        if !fits {
            return (law.name, Outcome::Silent("it isn't for such rows"));
        }
        let outcome = law.outcome(&case);
        fits = k > 0 || !matches!(outcome, Outcome::Broken(_));
        (law.name, outcome)
    }))
}

fn always<S>(_: &S) -> Applies {
    Ok(())
}

/// Of priors, penalties and likelihoods.
fn estimator_laws<'a>() -> Vec<Law<Case<'a>>> {
    vec![
        Law::new("columns", always, fits::one_port),
        Law::new(
            "gradient",
            |c| c.row_wise().and_then(|()| c.log_partition()),
            |c| c.inputs().iter().try_for_each(|input| calculus::gradient(c.node, input)),
        ),
        Law::new("jacobian", Case::row_wise, |c| {
            c.inputs().iter().try_for_each(|input| calculus::jacobian(c.node, input))
        }),
        Law::new("covariance", always, |c| {
            c.inputs().iter().try_for_each(|input| robustness::covariance(c.node, input))
        }),
        Law::new("batching", Case::row_wise, |c| {
            c.inputs().iter().try_for_each(|input| robustness::batching(c.node, input))
        }),
        Law::new("order", Case::exchangeable, |c| {
            c.inputs().iter().try_for_each(|input| robustness::order(c.node, input))
        }),
        Law::new("column form", Case::several_columns, |c| {
            c.inputs().iter().try_for_each(|input| robustness::column_form(c.node, input))
        }),
        Law::new(
            "precise cavity",
            |c| c.row_wise().and_then(|()| c.free()),
            |c| robustness::precise_cavity(c.node, c.d),
        ),
        Law::new("finite", Case::row_wise, |c| robustness::finite(c.node, c.d)),
        Law::new("coupled", Case::together, coupled::coupled),
        Law::new("learning", Case::learns, |c| learning::learning(c.node, &c.inputs())),
        Law::new("draws", Case::draws, draws::one_port),
        Law::new(
            "law",
            |c| c.row_wise().and_then(|()| c.mean()).and_then(|()| c.uninformed()),
            |c| calibration::moments(c.node, c.d),
        ),
        Law::new(
            "normalisation",
            |c| c.row_wise().and_then(|()| c.mean()).and_then(|()| c.normalised()),
            |c| calibration::normalisation(c.node, c.d),
        ),
        Law::new(
            "calibration",
            |c| c.row_wise().and_then(|()| c.mean()).and_then(|()| c.draws()),
            |c| calibration::calibration(c.node, c.d, calibration::draws_of(c)),
        ),
        Law::new("maximiser", Case::costs, oracle::minimum),
        Law::new("density", Case::integrates, oracle::integrals),
        Law::new(
            "log-concave",
            |c| c.row_wise().and_then(|()| c.log_concave()),
            shape::log_concave,
        ),
        Law::new(
            "firmly non-expansive",
            |c| c.maximiser().and_then(|()| c.log_concave()),
            convexity::firmly_nonexpansive,
        ),
        Law::new("rotation", Case::rotation_invariant, shape::rotation),
    ]
}

fn channel_laws<'a>() -> Vec<Law<Pipe<'a>>> {
    vec![
        Law::new("columns", always, fits::channel),
        Law::new("gradient", Pipe::log_partition, channel::gradient),
        Law::new("jacobian", always, channel::jacobian),
        Law::new("cross derivative", always, channel::cross_derivative),
        Law::new("covariance", always, channel::covariance),
        Law::new("batching", always, channel::batching),
        Law::new("column form", Pipe::several_columns, channel::column_form),
        Law::new("finite", always, channel::finite),
        Law::new(
            "normalisation",
            |c| c.mean().and_then(|()| c.log_partition()),
            channel::normalisation,
        ),
        Law::new("draws", Pipe::draws, draws::channel),
        Law::new("calibration", |c| c.mean().and_then(|()| c.draws()), channel::calibration),
    ]
}

fn operator_laws<'a>() -> Vec<Law<Map<'a>>> {
    vec![
        Law::new("realised", always, operator::realised),
        Law::new("adjoint", Map::realised, operator::adjoint),
        Law::new("linearity", Map::realised, operator::linearity),
        Law::new("columns alone", Map::realised, operator::alone),
        Law::new("matrix", Map::stored, operator::matrix),
        Law::new("squared norm", Map::realised, operator::squared_norm),
        Law::new("spectrum", Map::spectral, operator::spectrum),
    ]
}

/// Claims that say nothing of a subject that is no estimator of one port.
fn unused<'a>(claims: Claims<'a>) -> impl Iterator<Item = (&'static str, Outcome)> + use<'a> {
    let Claims { cost, density, log_concave, rotation_invariant } = claims;
    let claimed = [
        ("maximiser", cost.is_some()),
        ("density", density.is_some()),
        ("log-concave", log_concave),
        ("rotation", rotation_invariant),
    ];
    let made = claimed.into_iter().filter(|&(_, made)| made);
    made.map(|(law, _)| (law, Outcome::Silent("it is claimed of estimators of one port only")))
}
