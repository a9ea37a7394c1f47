//! What the engine bounds, drops or clamps: beliefs and counts against formulas by hand, direction by direction.
//!
//! Data of precision `G` see a row whose estimator keeps the share `a` of what it sees along a direction, with the
//! covariance `a / G`: its message has the precision `G (1 / a - 1)` there.

use fg_core::denoiser::{Denoiser, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::Policy;
use fg_core::{
    GraphBuilder, Inference, Message, Options, Precision, Rows, Schedule, ScheduleChoice, Update,
};

/// Precision of the data.
const PRECISION: f64 = 4.0;
/// Data along both directions.
const SEEN: [f64; 2] = [3.0, -2.0];

/// What the estimator believes along both directions where it is told nothing.
const CENTRE: [f64; 2] = [0.7, 1.1];

/// Both directions, at an angle to the columns.
fn directions() -> [[f64; 2]; 2] {
    let (sin, cos) = 0.5_f64.sin_cos();
    [[cos, sin], [-sin, cos]]
}

fn along(row: &[f64], direction: [f64; 2]) -> f64 {
    row[0] * direction[0] + row[1] * direction[1]
}

/// Keeps a share of what it sees along each direction, and takes the rest from its centre.
#[derive(Clone, Copy, Debug)]
struct Shares([f64; 2]);

impl Denoiser for Shares {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _: &mut Scratch,
    ) -> Result<(), Breakdown> {
        out.mean.fill(0.0);
        out.covariance.fill(0.0);
        for ((share, centre), q) in self.0.iter().zip(CENTRE).zip(directions()) {
            for (seen, mean) in cavity.mean().chunks_exact(2).zip(out.mean.chunks_exact_mut(2)) {
                let value = share * along(seen, q) + (1.0 - share) * centre;
                (0..2).for_each(|j| mean[j] += value * q[j]);
            }
            for covariance in out.covariance.chunks_exact_mut(4) {
                for (k, entry) in covariance.iter_mut().enumerate() {
                    *entry += share / cavity.precision()[0] * q[k / 2] * q[k % 2];
                }
            }
        }
        Ok(())
    }

    fn name(&self) -> String {
        "shares".to_owned()
    }
}

/// Stands where the data do. What it says first is set by hand; what it answers afterwards nobody hears any more.
#[derive(Debug)]
struct Told;

impl Likelihood for Told {
    fn estimate(
        &self,
        _: &[f64],
        _: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _: &mut Scratch,
    ) -> Result<(), Breakdown> {
        out.mean.fill(0.0);
        out.covariance.chunks_exact_mut(4).for_each(|c| c.copy_from_slice(&[1e-6, 0.0, 0.0, 1e-6]));
        Ok(())
    }

    fn outputs(&self, d: usize) -> usize {
        d
    }

    fn name(&self) -> String {
        "told".to_owned()
    }
}

/// What is believed along a direction.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Along {
    mean: f64,
    variance: f64,
}

/// What the data and the estimator's message say together after one sweep, and how many directions were dropped, clamped and bounded.
fn after(shares: [f64; 2], options: &Options) -> ([Along; 2], [usize; 3]) {
    let mut builder = GraphBuilder::new();
    let x = builder.variable("x", 3, 2);
    let prior = builder.prior("prior", x, Shares(shares));
    let data = builder.likelihood("data", x, Rows::zeros(3, 2), Told);
    let graph = builder.build().unwrap();
    let sweep = vec![Update::new(prior, 0), Update::new(data, 0)];
    let schedule = ScheduleChoice::Explicit(Schedule { start: Vec::new(), sweep });
    let options = options.clone().with_schedule(schedule).with_max_sweeps(1);
    let along_columns = |j: usize| (0..2).map(|k| SEEN[k] * directions()[k][j]).sum::<f64>();
    let layout = graph.layout(x).clone();
    let told = Message::from_mean(
        &Rows::from_fn(3, 2, |_, j| along_columns(j)),
        Precision::isotropic(layout, PRECISION).unwrap(),
    );
    let mut run = Inference::new(&graph, &options).unwrap();
    run.start(data, 0, told.unwrap()).unwrap();
    let report = run.run(&mut ()).unwrap().report().clone();
    let message = run.message(prior, 0);
    let (natural, precision) = (message.natural().row(2), message.precision().block(0));
    let believed = [0, 1].map(|k| {
        let q = directions()[k];
        let told = q[0] * along(&precision[..2], q) + q[1] * along(&precision[2..], q);
        let total = PRECISION + told;
        Along { mean: (PRECISION * SEEN[k] + along(natural, q)) / total, variance: total.recip() }
    });
    let figures = &report.history[0].edges[0];
    assert_eq!(figures.factor, prior, "the first update");
    (believed, [figures.dropped, figures.clamped, figures.bounded])
}

/// The estimator's mean along direction `k`, with the variance of a message of this share.
fn answer(k: usize, share: f64, bounded: f64) -> Along {
    let mean = share * SEEN[k] + (1.0 - share) * CENTRE[k];
    Along { mean, variance: bounded / PRECISION }
}

/// What an estimator that keeps this share believes along direction `k`.
fn kept(k: usize, share: f64) -> Along {
    answer(k, share, share)
}

#[track_caller]
fn assert_near(found: [Along; 2], expected: [Along; 2]) {
    for (found, expected) in found.iter().zip(expected) {
        for (found, expected) in [(found.mean, expected.mean), (found.variance, expected.variance)]
        {
            assert!(
                (found - expected).abs() < 1e-12 * (1.0 + expected.abs()),
                "{found} {expected}"
            );
        }
    }
}

#[test]
fn a_belief_within_all_limits_is_the_estimators() {
    let (found, counts) = after([0.25, 0.8], &Options::default());
    assert_near(found, [kept(0, 0.25), kept(1, 0.8)]);
    assert_eq!(counts, [0, 0, 0]);
}

/// A direction that the estimator widens carries no message, neither precision nor mean; the other does.
#[test]
fn a_direction_without_information_is_dropped_alone() {
    let (found, counts) = after([0.25, 1.5], &Options::default());
    assert_near(found, [kept(0, 0.25), kept(1, 1.0)]);
    assert_eq!(counts, [1, 0, 0]);
}

/// Clamped precisions keep the estimator's mean.
#[test]
fn clamps_move_precisions_and_keep_the_mean() {
    let (minimum, maximum) = (0.5, 10.0);
    let options = Options::default().with_policy(Policy::Clamp { minimum, maximum });
    let (found, counts) = after([0.25, 1.5], &options);
    let of =
        |k: usize, share: f64, message: f64| answer(k, share, PRECISION / (PRECISION + message));
    assert_near(found, [of(0, 0.25, maximum), of(1, 1.5, minimum)]);
    assert_eq!(counts, [0, 2, 0]);
}

/// Shares outside `[alpha_min, alpha_max]` are moved to its ends; those above one are left to the policy.
#[test]
fn ratios_of_covariances_are_bounded_and_keep_the_mean() {
    let options = Options::default().with_alpha_bounds(0.1, 0.5);
    let (found, counts) = after([1e-3, 0.8], &options);
    assert_near(found, [answer(0, 1e-3, 0.1), answer(1, 0.8, 0.5)]);
    assert_eq!(counts, [0, 0, 2]);
    let (found, counts) = after([1e-3, 1.5], &options);
    assert_near(found, [answer(0, 1e-3, 0.1), kept(1, 1.0)]);
    assert_eq!(counts, [1, 0, 1]);
}

/// Messages as precise as what they answer to: the mean is the estimator's, the variance half of the cavity's.
#[test]
fn fixed_precisions_are_those_of_the_cavity() {
    let (found, counts) = after([0.25, 1.5], &Options::default().with_policy(Policy::Fixed));
    assert_near(found, [answer(0, 0.25, 0.5), answer(1, 1.5, 0.5)]);
    assert_eq!(counts, [0, 0, 0]);
}
