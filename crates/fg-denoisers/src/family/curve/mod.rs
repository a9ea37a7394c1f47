//! Densities of one column with a smooth logarithm, seen through a Gaussian cavity: posterior moments by quadrature that
//! finds its peaks, and maximisers.

mod climb;
mod peaks;

pub(crate) use peaks::{Peaks, rule};

use fg_core::denoiser::{Estimation, RowCavity, RowEstimate};
use fg_core::factor::Breakdown;

use super::Rule;
use super::pieces::Answer;

/// What a curve is where the cavity says nothing of its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flat {
    /// Mass, mean or variance is infinite.
    Improper,
    /// All are finite.
    Proper,
}

/// Where a logarithm has a feature: next to `centre` it is smooth over lengths of `scale`, elsewhere over lengths of `scale`
/// and the distance to the centre. For a function with a pole off the real axis, the pole's distance from the axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mark {
    pub(crate) centre: f64,
    pub(crate) scale: f64,
}

/// The logarithm `l` of a density in `z`.
pub(crate) trait Curve {
    /// `l(z)`, or another function of `z` from which differences of `l` keep more digits.
    fn value(&self, z: f64) -> f64;

    /// `l(z)` less `l` where [`value`](Self::value) is `base`.
    fn rise(&self, z: f64, base: f64) -> f64 {
        self.value(z) - base
    }

    /// `l` where [`value`](Self::value) is `base`.
    fn log(&self, base: f64) -> f64 {
        base
    }

    /// First and second derivative of `l`.
    fn slopes(&self, z: f64) -> [f64; 2];

    /// Whether the second derivative is nowhere positive.
    fn is_concave(&self) -> bool {
        true
    }

    /// Where the density is positive; its ends may be infinite.
    fn support(&self) -> (f64, f64) {
        (f64::NEG_INFINITY, f64::INFINITY)
    }

    /// Its features; infinite centres are none. Outside of all of them a curve that isn't concave is monotone.
    fn marks(&self) -> [Mark; 2];

    /// Where to start the climb to the peak of `l(z) + n z - gamma z^2 / 2`, within the support.
    fn start(&self, n: f64, gamma: f64) -> f64 {
        if gamma > 0.0 { n / gamma } else { self.marks()[0].centre }
    }

    /// What `exp(l(z) + n z)` is.
    fn flat(&self, n: f64) -> Flat;
}

/// Natural parameter and precision of one entry of a cavity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tilt {
    pub(crate) n: f64,
    pub(crate) gamma: f64,
}

impl Tilt {
    /// Slope of the exponent `n z - gamma z^2 / 2`.
    #[inline]
    pub(crate) fn slope(self, z: f64) -> f64 {
        self.n - self.gamma * z
    }

    /// Exponent at `z` less that at `origin`, as a product of differences.
    #[inline]
    pub(crate) fn rise(self, z: f64, origin: f64) -> f64 {
        (z - origin) * (self.n - 0.5 * self.gamma * (z + origin))
    }
}

/// Mean, variance and log-partition of one entry.
pub(crate) fn average(curve: &impl Curve, tilt: Tilt, rule: &Rule) -> Result<Answer, Fault> {
    if tilt.gamma == 0.0 && curve.flat(tilt.n) == Flat::Improper {
        return Err(Fault::Improper);
    }
    let peaks = Peaks::find(curve, tilt)?;
    let (mut mass, mut first, mut second) = (0.0, 0.0, 0.0);
    peaks.visit(curve, tilt, rule, |offset, weight| {
        mass += weight;
        first += weight * offset;
        second += weight * offset * offset;
    });
    let shift = first / mass;
    // The mean lies no further from the highest peak than about a deviation: little cancels.
    let variance = second / mass - shift * shift;
    let mean = peaks.top() + shift;
    let log_partition = peaks.height(curve, tilt) + mass.ln();
    Ok(Answer { mean, variance, log_partition })
}

/// Maximiser of one entry of a concave curve, one over the curvature there, and the maximum.
pub(crate) fn maximise(curve: &impl Curve, tilt: Tilt) -> Result<Answer, Fault> {
    if tilt.gamma == 0.0 && curve.flat(tilt.n) == Flat::Improper {
        return Err(Fault::Improper);
    }
    let mean = climb::summit(curve, tilt, climb::EXACT)?;
    let variance = 1.0 / (tilt.gamma - curve.slopes(mean)[1]);
    let log_partition = curve.log(curve.value(mean)) + tilt.rise(mean, 0.0);
    Ok(Answer { mean, variance, log_partition })
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The posterior is improper.
    Improper,
    /// Its peak or its ends weren't found.
    Lost,
}

impl Fault {
    pub(crate) fn breakdown(self, row: usize) -> Breakdown {
        match self {
            Self::Improper => Breakdown::ImproperCavity { port: 0, row },
            Self::Lost => Breakdown::NoConvergence { port: 0, row },
        }
    }
}

fn answer(
    curve: &impl Curve,
    tilt: Tilt,
    estimation: Estimation,
    rule: &Rule,
) -> Result<Answer, Fault> {
    match estimation {
        Estimation::Mmse => average(curve, tilt, rule),
        Estimation::Map => maximise(curve, tilt),
    }
}

/// Estimates all rows of a cavity; `curve(i)` is the curve of row `i`.
pub(crate) fn estimate<C: Curve>(
    curve: impl Fn(usize) -> C,
    (estimation, rule): (Estimation, &Rule),
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
) -> Result<(), Breakdown> {
    let gamma = cavity.scalar_precision();
    for (i, &n) in cavity.natural().iter().enumerate() {
        let found = answer(&curve(i), Tilt { n, gamma }, estimation, rule)
            .map_err(|fault| fault.breakdown(cavity.first_row() + i))?;
        (out.mean[i], out.covariance[i]) = (found.mean, found.variance);
    }
    Ok(())
}

/// As [`estimate`], of the rows alone that a formula has left open: those of a mean or a variance that isn't a number.
pub(crate) fn settle<C: Curve>(
    curve: impl Fn(usize) -> C,
    how: (Estimation, &Rule),
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
) -> Result<(), Breakdown> {
    settle_by(|i, tilt| answer(&curve(i), tilt, how.0, how.1), cavity, out)
}

/// As [`settle`], by any answer to a row.
pub(crate) fn settle_by(
    answer: impl Fn(usize, Tilt) -> Result<Answer, Fault>,
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
) -> Result<(), Breakdown> {
    let gamma = cavity.scalar_precision();
    for (i, &n) in cavity.natural().iter().enumerate() {
        if out.mean[i].is_finite() && out.covariance[i].is_finite() {
            continue;
        }
        let found = answer(i, Tilt { n, gamma })
            .map_err(|fault| fault.breakdown(cavity.first_row() + i))?;
        (out.mean[i], out.covariance[i]) = (found.mean, found.variance);
    }
    Ok(())
}

/// Log-partition of all rows; false where one has none.
pub(crate) fn log_partition<C: Curve>(
    curve: impl Fn(usize) -> C,
    (estimation, rule): (Estimation, &Rule),
    cavity: &RowCavity<'_>,
    out: &mut [f64],
) -> bool {
    let gamma = cavity.scalar_precision();
    for (i, (&n, out)) in cavity.natural().iter().zip(out).enumerate() {
        match answer(&curve(i), Tilt { n, gamma }, estimation, rule) {
            Ok(found) => *out = found.log_partition,
            Err(_) => return false,
        }
    }
    true
}

/// As [`log_partition`], given for each row a place and the logarithm of the integral over the density there, of a maximiser
/// zero; rows of which either isn't a number are integrated.
pub(crate) fn log_partition_from<C: Curve>(
    curve: impl Fn(usize) -> C,
    (estimation, rule): (Estimation, &Rule),
    found: (&[f64], &[f64]),
    cavity: &RowCavity<'_>,
    out: &mut [f64],
) -> bool {
    let gamma = cavity.scalar_precision();
    let places = found.0.iter().zip(found.1);
    for (i, ((place, mass), out)) in places.zip(out).enumerate() {
        let (curve, tilt) = (curve(i), Tilt { n: cavity.natural()[i], gamma });
        if (place + mass).is_finite() {
            *out = curve.log(curve.value(*place)) + tilt.rise(*place, 0.0) + mass;
            continue;
        }
        match answer(&curve, tilt, estimation, rule) {
            Ok(found) => *out = found.log_partition,
            Err(_) => return false,
        }
    }
    true
}
