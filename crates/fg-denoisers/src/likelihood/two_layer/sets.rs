//! How many lines a row is given: few where data say little, more where they say much.

use fg_core::special::points::GaussianPoints;

use super::{Output, TwoLayer};

/// How many scramblings rows take turns at: their errors average out, and they stay in the cache.
pub(super) const SCRAMBLINGS: usize = 16;
/// Units whose default points are corners of solids, which are exact to degree five.
const SOLID_UNITS: usize = 4;
/// Rows of kinked units take more lines where data make a direction more precise by more than this many times the cavity:
/// the posterior is narrow next to the cavity, and its width differs from line to line.
const INFORMED: f64 = 2.0;
/// Default of [`with_points`](super::TwoLayerMmse::with_points) for activations with kinks and other numbers of units.
const KINKED_POINTS: usize = 32;
/// The same for smooth activations, whose posteriors differ less from line to line.
const SMOOTH_POINTS: usize = 16;
/// The same for labels.
const LABEL_POINTS: usize = 32;

/// The points at which lines cross the plane of the cavity's mean, scrambling by scrambling.
#[derive(Clone, Debug)]
pub(super) struct Sets {
    usual: Vec<GaussianPoints>,
    /// For rows of which data say much; empty where these take the usual ones.
    informed: Vec<GaussianPoints>,
}

impl Sets {
    /// Those of default accuracy.
    pub(super) fn new(network: &TwoLayer) -> Self {
        let kinked = network.activation.slopes().is_some();
        match network.output {
            Output::Noise { .. } if network.hidden() == SOLID_UNITS => Self {
                usual: all(GaussianPoints::cubic),
                informed: if kinked { all(GaussianPoints::icosahedral) } else { Vec::new() },
            },
            Output::Noise { .. } if kinked => Self::with_count(network, KINKED_POINTS),
            Output::Noise { .. } => Self::with_count(network, SMOOTH_POINTS),
            Output::Label(_) => Self::with_count(network, LABEL_POINTS),
        }
    }

    /// Those of at least `count` lines for every row.
    pub(super) fn with_count(network: &TwoLayer, count: usize) -> Self {
        let dimension = network.hidden() - 1;
        // A single unit has nothing across its line, and two one direction, in which equal steps are far better.
        let count = if dimension == 0 { 1 } else { count };
        let usual = match network.output {
            Output::Label(_) if dimension == 1 => {
                all(|seed| GaussianPoints::stepped_halves(count, seed))
            }
            Output::Noise { .. } if dimension == 1 => {
                all(|seed| GaussianPoints::steps(count, seed))
            }
            Output::Label(_) if dimension > 0 => {
                all(|seed| GaussianPoints::halves(dimension, count, seed))
            }
            _ => all(|seed| GaussianPoints::new(dimension, count, seed)),
        };
        Self { usual, informed: Vec::new() }
    }

    /// Lines of a row, at most.
    pub(super) fn most(&self) -> usize {
        self.usual.iter().chain(&self.informed).map(GaussianPoints::count).fold(0, usize::max)
    }

    /// The points of a row of this scrambling, of which data tell so much.
    #[inline(always)]
    pub(super) fn of(&self, scrambling: usize, information: f64) -> &GaussianPoints {
        let informed = information > INFORMED && !self.informed.is_empty();
        if informed { &self.informed[scrambling] } else { &self.usual[scrambling] }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a few scramblings")]
fn all(set: impl Fn(u32) -> GaussianPoints) -> Vec<GaussianPoints> {
    (0..SCRAMBLINGS as u32).map(set).collect()
}
