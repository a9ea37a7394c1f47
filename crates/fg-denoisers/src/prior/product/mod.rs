//! Entries whose density is a product of densities.

mod density;
mod lattice;
mod law;
mod shared;
#[cfg(test)]
mod tests;

pub use density::LogDensity;

use core::f64::consts::TAU;

use fg_core::denoiser::{Denoiser, GaussianRow, Law, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use crate::error::{self, ParameterError};
use crate::family::Rule;
use crate::family::curve::{Fault, Mark, Tilt};
use crate::family::pieces::Answer;
use crate::family::survey::Survey;
use density::Kind;
use law::Table;
use shared::Batch;

/// A product of two or more densities: what several experts know of an entry of a variable of one column.
///
/// # Density
///
/// ```text
/// f(x) = g_1(x) g_2(x) ..  / Z
/// ```
///
/// `Z` is one where the product has no finite mass, mean and variance of its own; then it needs a cavity.
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | factors `g` | - | [`LogDensity`] | closures, and priors of one column that know their density |
///
/// # Estimate
///
/// * Gaussian factors move the cavity: `n + sum natural`, `gamma + sum precision`.
/// * Where one factor is left, it answers by its own formulas.
/// * Points of a factor keep their places, with their weight times the densities of the other factors there.
/// * What isn't points is integrated: between the breaks of all factors, around every peak that is found.
///
/// # Numerical notes and limits
///
/// * Peaks are looked for around the cavity's mean and the factors' features, on grids whose steps grow with the distance from
///   there, and near all breaks. Gauss-Legendre panels from each peak outwards are halved until halves agree with the whole
///   to `1e-11` of the total, over all that is within 40 nats of the highest peak: mean and variance to `1e-12` or so
///   where factors are smooth between their breaks.
/// * A feature that is narrower than its distance from every mark, break and the cavity's mean may be overlooked: say where it is
///   ([`LogDensity::with_feature`]).
/// * Exponents are differences from the highest peak. Where logarithms of factors are large there and cancel, their rounding
///   stays: relative errors of `1e-16` times their size.
/// * Points of two factors at one place are refused: the square of a point has no meaning. At a jump, a density has the value
///   that its function has there.
/// * Where all factors are smooth on the whole line, points of sparse ones apart, rows of a cell of natural parameters share equal
///   steps: four to five hundred evaluations of each factor for all of them, and 40 nanoseconds a row. Where cells are is a matter of the
///   precision alone, so that answers don't depend on which rows share a call.
/// * Rows whose even points say something else than the odd ones, cells that take too many points, and products with ends, kinks or
///   jumps are answered one by one: where both ways answer they agree to `1e-11`.
/// * One by one, some 800 evaluations of each factor a row, 15 microseconds; a single factor beside Gaussians as fast as by itself.
///
/// # Reference
///
/// G. E. Hinton, "Training Products of Experts by Minimizing Contrastive Divergence", Neural Computation 14 (2002), doi
/// 10.1162/089976602760128018.
///
/// # Example
///
/// A Laplace prior of which it is also known that values near `-1` and `1` are more likely.
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// use fg_denoisers::{Laplace, LogDensity, Product};
/// let wells = LogDensity::new(|x| -(x * x - 1.0).powi(2));
/// let prior = Product::new(Laplace::new(1.0)?, wells)?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// prior.estimate(&RowCavity::new(0, 1, &[3.0], &[0.5], &[6.0]), &mut out, &mut Scratch::default())?;
/// // The Laplace prior alone says 0.383.
/// assert!((mean[0] - 0.487).abs() < 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Product {
    factors: Vec<LogDensity>,
    /// Of all Gaussian factors together.
    natural: f64,
    precision: f64,
    /// Logarithm of what all Gaussian factors are at zero, over `Z`.
    height: f64,
    edges: Vec<f64>,
    marks: Vec<Mark>,
    /// Places and log-weights of the product's points, without the Gaussian factors and `Z`.
    points: Vec<(f64, f64)>,
    rule: Rule,
    /// For draws, where it is a distribution.
    table: Option<Table>,
}

impl Product {
    /// The product of two densities.
    ///
    /// # Errors
    /// [`ParameterError`] when two points share a place, or nothing is left of the product.
    pub fn new<A, B>(first: A, second: B) -> Result<Self, ParameterError>
    where
        A: TryInto<LogDensity, Error: Into<ParameterError>>,
        B: TryInto<LogDensity, Error: Into<ParameterError>>,
    {
        let first = first.try_into().map_err(Into::into)?;
        Self::of(vec![first, second.try_into().map_err(Into::into)?])
    }

    /// The product with one more density.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn times<F>(self, factor: F) -> Result<Self, ParameterError>
    where
        F: TryInto<LogDensity, Error: Into<ParameterError>>,
    {
        let mut factors = self.factors;
        factors.push(factor.try_into().map_err(Into::into)?);
        Self::of(factors)
    }

    fn of(factors: Vec<LogDensity>) -> Result<Self, ParameterError> {
        let mut whole = Self {
            natural: 0.0,
            precision: 0.0,
            height: 0.0,
            edges: edges(&factors)?,
            marks: Vec::new(),
            points: points(&factors)?,
            factors,
            rule: Survey::rule(),
            table: None,
        };
        for factor in &whole.factors {
            if factor.is_gaussian()
                && let Kind::Gaussian { natural, precision, height } = factor.kind
            {
                whole.natural += natural;
                whole.precision += precision;
                whole.height += height;
            }
        }
        whole.marks = whole.features();
        let mut memory = vec![0.0; whole.survey(&|x| whole.log(x)).memory()];
        let alone = Tilt { n: 0.0, gamma: 0.0 };
        match whole.answer(alone, &mut memory) {
            Ok(found) => whole.height -= found.log_partition,
            Err(Fault::Improper) => return Ok(whole),
            Err(Fault::Lost) => {
                let (parameter, requirement) = ("mass of the product", "above 0 and finite");
                return Err(ParameterError::OutOfRange { parameter, value: 0.0, requirement });
            }
        }
        whole.table = Table::new(&whole, &mut memory);
        Ok(whole)
    }

    /// The densities that are multiplied.
    pub fn factors(&self) -> &[LogDensity] {
        &self.factors
    }

    /// Factors that don't just move the cavity.
    fn rest(&self) -> impl Iterator<Item = &LogDensity> {
        self.factors.iter().filter(|factor| !factor.is_gaussian())
    }

    /// The logarithm of the part that isn't points, without Gaussian factors and `Z`.
    fn log(&self, x: f64) -> f64 {
        self.rest().map(|factor| factor.log(x)).sum()
    }

    /// Whether a part isn't points.
    fn is_wide(&self) -> bool {
        let nothing = |factor: &LogDensity| matches!(factor.kind, Kind::Nothing);
        self.edges.len() > 1 && !self.factors.iter().any(nothing)
    }

    /// Features of the factors; what has none has those of its edges, or one at zero.
    fn features(&self) -> Vec<Mark> {
        let mut marks: Vec<Mark> = self.rest().flat_map(|f| f.marks.iter().copied()).collect();
        if self.precision > 0.0 {
            let centre = self.natural / self.precision;
            marks.push(Mark { centre, scale: self.precision.sqrt().recip() });
        }
        let scale = marks.iter().map(|m| m.scale).fold(f64::INFINITY, f64::min);
        let scale = if scale.is_finite() { scale } else { 1.0 };
        // Towards infinity from the last edge.
        let inner: Vec<f64> = self.edges.iter().copied().filter(|e| e.is_finite()).collect();
        let ends = [inner.first(), inner.last()];
        marks.extend(ends.into_iter().flatten().map(|&centre| Mark { centre, scale }));
        marks.sort_unstable_by(|a, b| {
            a.centre.total_cmp(&b.centre).then(a.scale.total_cmp(&b.scale))
        });
        // At one place the finest grid holds the others.
        marks.dedup_by(|b, a| a.centre.total_cmp(&b.centre).is_eq());
        if marks.is_empty() {
            marks.push(Mark { centre: 0.0, scale });
        }
        marks
    }

    fn survey<'a>(&'a self, log: &'a dyn Fn(f64) -> f64) -> Survey<'a> {
        Survey { log, edges: &self.edges, marks: &self.marks }
    }

    /// What the Gaussian factors make of a tilt.
    fn moved(&self, tilt: Tilt) -> Tilt {
        Tilt { n: tilt.n + self.natural, gamma: tilt.gamma + self.precision }
    }

    /// The answer to a tilt, by quadrature.
    fn answer(&self, tilt: Tilt, memory: &mut [f64]) -> Result<Answer, Fault> {
        let tilt = self.moved(tilt);
        if self.rest().next().is_none() {
            return bare(tilt, self.height);
        }
        let log = |x: f64| self.log(x);
        let wide = if self.is_wide() {
            let found = self.survey(&log).moments(tilt, &self.rule, memory);
            match found {
                // Points alone are all that is left where the others' supports don't meet.
                Err(Fault::Lost) if !self.points.is_empty() => None,
                found => Some(found?),
            }
        } else {
            None
        };
        let wide = wide.map(|m| [m.log_mass, m.mean, m.variance]);
        let all = || parts_of(&self.points, tilt).chain(wide);
        // Moments are taken about the heaviest part, as in any mixture.
        let [top, centre, _] = all().reduce(heavier).ok_or(Fault::Lost)?;
        if !top.is_finite() {
            return Err(Fault::Lost);
        }
        let (mut total, mut shift) = (0.0, 0.0);
        for part in all() {
            let share = (part[0] - top).exp();
            total += share;
            shift += share * (part[1] - centre);
        }
        shift /= total;
        let mut variance = 0.0;
        for part in all() {
            let apart = part[1] - centre - shift;
            variance += (part[0] - top).exp() / total * (part[2] + apart * apart);
        }
        Ok(Answer { mean: centre + shift, variance, log_partition: top + total.ln() + self.height })
    }

    /// The factor that is left beside Gaussian ones, if it knows its estimate.
    fn own(&self) -> Option<&dyn Denoiser> {
        let mut rest = self.rest();
        match (rest.next().map(|factor| &factor.kind), rest.next()) {
            (Some(Kind::Smooth { own, .. }), None) => own.as_deref(),
            _ => None,
        }
    }

    /// What the Gaussian factors make of a cavity.
    fn inner<'m>(&self, cavity: &RowCavity<'_>, memory: &'m mut [f64]) -> RowCavity<'m> {
        let len = cavity.len();
        let (natural, rest) = memory.split_at_mut(len);
        let (mean, precision) = rest.split_at_mut(len);
        precision[0] = cavity.scalar_precision() + self.precision;
        for (i, n) in cavity.natural().iter().enumerate() {
            natural[i] = n + self.natural;
            mean[i] = if precision[0] > 0.0 { natural[i] / precision[0] } else { 0.0 };
        }
        RowCavity::new(cavity.first_row(), 1, natural, mean, precision)
    }
}

fn heavier(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    if b[0] > a[0] { b } else { a }
}

/// Log-weight, place and no variance of each point.
fn parts_of(points: &[(f64, f64)], tilt: Tilt) -> impl Iterator<Item = [f64; 3]> {
    points.iter().map(move |&(x, w)| [w + tilt.rise(x, 0.0), x, 0.0])
}

/// The answer of a product of Gaussians.
fn bare(tilt: Tilt, height: f64) -> Result<Answer, Fault> {
    if !(tilt.gamma > 0.0) {
        return Err(Fault::Improper);
    }
    let (mean, variance) = (tilt.n / tilt.gamma, tilt.gamma.recip());
    let log_partition = height + 0.5 * (tilt.n * mean + (TAU * variance).ln());
    Ok(Answer { mean, variance, log_partition })
}

/// The ends of the common support and, between them, all breaks and points, in ascending order; none where supports don't meet.
fn edges(factors: &[LogDensity]) -> Result<Vec<f64>, ParameterError> {
    let low = factors.iter().map(|f| f.support.0).fold(f64::NEG_INFINITY, f64::max);
    let high = factors.iter().map(|f| f.support.1).fold(f64::INFINITY, f64::min);
    if low > high {
        error::above("end of the common support", high, low, "above its start")?;
    }
    let breaks = factors.iter().flat_map(|f| f.breaks.iter().copied());
    let points = factors.iter().flat_map(|f| f.points.iter().map(|p| p.0));
    let mut edges: Vec<f64> = breaks.chain(points).filter(|&x| low < x && x < high).collect();
    edges.extend([low, high]);
    edges.sort_unstable_by(f64::total_cmp);
    edges.dedup();
    Ok(edges)
}

/// Points of each factor, weighed by the densities of the others there.
fn points(factors: &[LogDensity]) -> Result<Vec<(f64, f64)>, ParameterError> {
    let mut found = Vec::new();
    for (k, factor) in factors.iter().enumerate() {
        for &(x, weight) in &factor.points {
            let others = || factors.iter().enumerate().filter(|&(j, _)| j != k).map(|(_, f)| f);
            if others().any(|f| f.points.iter().any(|p| p.0.total_cmp(&x).is_eq())) {
                let (parameter, requirement) = ("point", "a point of one factor only");
                return Err(ParameterError::OutOfRange { parameter, value: x, requirement });
            }
            // Gaussian factors count with the cavity.
            let own = others().filter(|f| !f.is_gaussian()).map(|f| f.log(x)).sum::<f64>();
            if weight + own > f64::NEG_INFINITY {
                found.push((x, weight + own));
            }
        }
    }
    Ok(found)
}

impl Denoiser for Product {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        if let Some(own) = self.own() {
            let (memory, scratch) = scratch.nested(2 * cavity.len() + 1);
            return own.estimate(&self.inner(cavity, memory), out, scratch);
        }
        let gamma = cavity.scalar_precision();
        let (survey, lattice) = (self.survey(&|x| self.log(x)).memory(), self.lattice_memory());
        let (memory, lattice) = scratch.slice(survey + lattice).split_at_mut(survey);
        let shared = self.is_smooth() && self.is_wide();
        if shared {
            Batch { product: self, cavity, out, memory: [lattice, memory] }.run();
        }
        // What lattices leave open is another method's, to the same accuracy: nothing to report.
        for (i, &n) in cavity.natural().iter().enumerate() {
            if shared && out.mean[i].is_finite() && out.covariance[i].is_finite() {
                continue;
            }
            let found = self
                .answer(Tilt { n, gamma }, memory)
                .map_err(|fault| fault.breakdown(cavity.first_row() + i))?;
            (out.mean[i], out.covariance[i]) = (found.mean, found.variance);
        }
        Ok(())
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn gaussian(&self, _row: usize, _d: usize) -> Option<GaussianRow> {
        let (natural, precision) = (vec![self.natural], vec![self.precision]);
        self.rest().next().is_none().then_some(GaussianRow { natural, precision, known: false })
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        if let Some(own) = self.own() {
            let mut memory = vec![0.0; 2 * cavity.len() + 1];
            let known = own.log_partition(&self.inner(cavity, &mut memory), out);
            out.iter_mut().for_each(|log| *log += self.height);
            return known;
        }
        let gamma = cavity.scalar_precision();
        let mut memory = vec![0.0; self.survey(&|x| self.log(x)).memory()];
        cavity.natural().iter().zip(out).all(|(&n, out)| {
            let found = self.answer(Tilt { n, gamma }, &mut memory);
            found.map(|found| *out = found.log_partition).is_ok()
        })
    }

    fn law(&self) -> Option<&dyn Law> {
        self.table.as_ref().map(|table| table as &dyn Law)
    }

    fn name(&self) -> String {
        let names: Vec<&str> = self.factors.iter().map(LogDensity::name).collect();
        names.join(" times ")
    }
}
