//! A factor of a product: the logarithm of a density, where it isn't smooth, and its points.

use core::fmt;
use std::sync::Arc;

use fg_core::denoiser::Denoiser;
use fg_core::special::log_pdf;

use crate::error::{self, ParameterError};
use crate::family::curve::Mark;
use crate::prior::{
    BernoulliGauss, Discrete, Exponential, Gaussian, GaussianMixture, Laplace, StudentT, Tabulated,
    TruncatedGaussian, Uniform,
};

pub(super) type Log = Arc<dyn Fn(f64) -> f64 + Send + Sync>;

/// One factor of a [`Product`](super::Product): a density of one column, by its logarithm.
///
/// From a closure, or from any of these priors, of one column, by [`From`] or [`TryFrom`]: [`Gaussian`], [`Laplace`], [`Exponential`], [`Uniform`],
/// [`TruncatedGaussian`], [`BernoulliGauss`], [`GaussianMixture`], [`Discrete`], [`StudentT`], [`Tabulated`].
#[derive(Clone)]
pub struct LogDensity {
    name: String,
    pub(super) kind: Kind,
    pub(super) support: (f64, f64),
    pub(super) breaks: Vec<f64>,
    pub(super) marks: Vec<Mark>,
    /// Places and logarithms of their weights.
    pub(super) points: Vec<(f64, f64)>,
}

/// What the part that isn't points is.
#[derive(Clone)]
pub(super) enum Kind {
    /// `exp(height + natural x - precision x^2 / 2)`.
    Gaussian { natural: f64, precision: f64, height: f64 },
    /// Any, with the estimator that knows the density by itself, if there is one.
    Smooth { log: Log, own: Option<Arc<dyn Denoiser>> },
    /// There are only points.
    Nothing,
}

impl Kind {
    /// The logarithm at a place within the support.
    pub(super) fn at(&self, x: f64) -> f64 {
        match self {
            Self::Gaussian { natural, precision, height } => {
                height + x * (natural - 0.5 * precision * x)
            }
            Self::Smooth { log, .. } => log(x),
            Self::Nothing => f64::NEG_INFINITY,
        }
    }
}

impl LogDensity {
    /// The density `exp(log)`, up to a constant, smooth on the whole line at distances from zero of about one and more.
    /// The logarithm may be negative infinity, and must be a number otherwise.
    pub fn new(log: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Self {
        let marks = vec![Mark { centre: 0.0, scale: 1.0 }];
        Self { name: "density".to_owned(), marks, ..Self::smooth(Arc::new(log), None) }
    }

    fn smooth(log: Log, own: Option<Arc<dyn Denoiser>>) -> Self {
        Self {
            name: own.as_ref().map_or_else(String::new, |own| own.name()),
            kind: Kind::Smooth { log, own },
            support: (f64::NEG_INFINITY, f64::INFINITY),
            breaks: Vec::new(),
            marks: Vec::new(),
            points: Vec::new(),
        }
    }

    /// Of a prior that knows its density.
    fn known(
        own: impl Denoiser + 'static,
        log: impl Fn(f64) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self::smooth(Arc::new(log), Some(Arc::new(own)))
    }

    /// The same density within an interval and zero outside. Default: the whole line.
    ///
    /// # Errors
    /// [`ParameterError`] unless `start < end`; infinite ends are none.
    pub fn within(mut self, start: f64, end: f64) -> Result<Self, ParameterError> {
        error::above("end", end, start, "above start")?;
        self.support = (self.support.0.max(start), self.support.1.min(end));
        self.points.retain(|&(x, _)| start <= x && x <= end);
        self.forget();
        Ok(self)
    }

    /// Where the logarithm has kinks or jumps. Default: nowhere.
    ///
    /// # Errors
    /// [`ParameterError`] unless all are finite.
    pub fn with_breaks(mut self, breaks: &[f64]) -> Result<Self, ParameterError> {
        for &x in breaks {
            self.breaks.push(error::finite("break", x)?);
        }
        Ok(self)
    }

    /// Where the logarithm has a feature, and the length over which it is smooth there; elsewhere it is smooth over the
    /// distance from there. Default: at zero, of length one.
    ///
    /// # Errors
    /// [`ParameterError`] unless the place is finite, and the scale positive and finite.
    pub fn with_feature(mut self, centre: f64, scale: f64) -> Result<Self, ParameterError> {
        let centre = error::finite("centre", centre)?;
        self.marks.push(Mark { centre, scale: error::positive("scale", scale)? });
        Ok(self)
    }

    /// A point of this log-weight beside the density. Default: none.
    ///
    /// # Errors
    /// [`ParameterError`] unless both are finite.
    pub fn with_point(mut self, at: f64, log_weight: f64) -> Result<Self, ParameterError> {
        self.points.push((error::finite("point", at)?, error::finite("log-weight", log_weight)?));
        self.forget();
        Ok(self)
    }

    /// The estimator is of the density as it was.
    fn forget(&mut self) {
        if let Kind::Smooth { own, .. } = &mut self.kind {
            *own = None;
        }
    }

    /// Whether it is a Gaussian on the whole line, without points.
    pub(super) fn is_gaussian(&self) -> bool {
        let whole = self.support == (f64::NEG_INFINITY, f64::INFINITY);
        matches!(self.kind, Kind::Gaussian { .. }) && whole && self.points.is_empty()
    }

    /// The logarithm of the part that isn't points; negative infinity outside of the support.
    pub fn log(&self, x: f64) -> f64 {
        let inside = self.support.0 <= x && x <= self.support.1;
        if inside { self.kind.at(x) } else { f64::NEG_INFINITY }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for LogDensity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind: _, support, breaks, marks: _, points } = self;
        f.debug_struct("LogDensity")
            .field("name", name)
            .field("support", support)
            .field("breaks", breaks)
            .field("points", points)
            .finish_non_exhaustive()
    }
}

/// `height + log N(x; mean, deviation^2)`.
fn log_normal(height: f64, mean: f64, deviation: f64) -> impl Fn(f64) -> f64 {
    let (height, scale) = (height + log_pdf(0.0) - deviation.ln(), deviation.recip());
    move |x| {
        let t = (x - mean) * scale;
        height - 0.5 * t * t
    }
}

impl TryFrom<Gaussian> for LogDensity {
    type Error = ParameterError;

    /// Of one column.
    fn try_from(prior: Gaussian) -> Result<Self, ParameterError> {
        one_column("columns of the Gaussian", &prior)?;
        let (mean, variance) = (prior.mean(1)[0], prior.covariance(1)[0]);
        let mut own = Self { name: prior.name(), ..Self::smooth(Arc::new(|_| 0.0), None) };
        if variance > 0.0 {
            let (precision, height) =
                (variance.recip(), log_normal(0.0, mean, variance.sqrt())(0.0));
            own.kind = Kind::Gaussian { natural: mean * precision, precision, height };
        } else {
            (own.kind, own.points) = (Kind::Nothing, vec![(mean, 0.0)]);
        }
        Ok(own)
    }
}

impl From<Laplace> for LogDensity {
    fn from(prior: Laplace) -> Self {
        let b = prior.scale();
        let height = -(2.0 * b).ln();
        let log = move |x: f64| height - x.abs() / b;
        let marks = vec![Mark { centre: 0.0, scale: b }];
        Self { breaks: vec![0.0], marks, ..Self::known(prior, log) }
    }
}

impl From<Exponential> for LogDensity {
    fn from(prior: Exponential) -> Self {
        let b = prior.scale();
        let marks = vec![Mark { centre: 0.0, scale: b }];
        let (support, height) = ((0.0, f64::INFINITY), -b.ln());
        Self { support, marks, ..Self::known(prior, move |x| height - x / b) }
    }
}

impl From<Uniform> for LogDensity {
    fn from(prior: Uniform) -> Self {
        let support = (prior.start(), prior.end());
        let height = -(support.1 - support.0).ln();
        Self { support, ..Self::known(prior, move |_| height) }
    }
}

impl From<TruncatedGaussian> for LogDensity {
    fn from(prior: TruncatedGaussian) -> Self {
        let (mean, deviation, rho) = (prior.mean(), prior.variance().sqrt(), prior.sparsity());
        let support = prior.ends();
        let log = log_normal(prior.log_height() + deviation.ln(), mean, deviation);
        let marks = vec![Mark { centre: mean, scale: deviation }];
        let points = if rho < 1.0 { vec![(0.0, (-rho).ln_1p())] } else { Vec::new() };
        Self { support, marks, points, ..Self::known(prior, log) }
    }
}

impl From<BernoulliGauss> for LogDensity {
    fn from(prior: BernoulliGauss) -> Self {
        let (rho, mean, deviation) = (prior.sparsity(), prior.mean(), prior.variance().sqrt());
        let points = if rho < 1.0 { vec![(0.0, (-rho).ln_1p())] } else { Vec::new() };
        let marks = vec![Mark { centre: mean, scale: deviation }];
        let log = log_normal(rho.ln(), mean, deviation);
        Self { marks, points, ..Self::known(prior, log) }
    }
}

impl TryFrom<GaussianMixture> for LogDensity {
    type Error = ParameterError;

    /// Of one column.
    fn try_from(prior: GaussianMixture) -> Result<Self, ParameterError> {
        one_column("columns of the mixture", &prior)?;
        let weights = prior.weights();
        let part = |k: usize| (weights[k].ln(), prior.mean(k)[0], prior.covariance(k)[0]);
        let parts: Vec<(f64, f64, f64)> = (0..weights.len()).map(part).collect();
        let points = parts.iter().filter(|p| p.2 == 0.0).map(|p| (p.1, p.0)).collect();
        let wide: Vec<_> =
            parts.into_iter().filter(|p| p.2 > 0.0).map(|p| (p.0, p.1, p.2.sqrt())).collect();
        let marks = wide.iter().map(|p| Mark { centre: p.1, scale: p.2 }).collect();
        if wide.is_empty() {
            let kind = Kind::Nothing;
            return Ok(Self { kind, points, ..Self::known(prior, |_| f64::NEG_INFINITY) });
        }
        let logs: Vec<_> = wide.iter().map(|p| log_normal(p.0, p.1, p.2)).collect();
        let log = move |x: f64| {
            let top = logs.iter().map(|log| log(x)).fold(f64::NEG_INFINITY, f64::max);
            top + logs.iter().map(|log| (log(x) - top).exp()).sum::<f64>().ln()
        };
        Ok(Self { marks, points, ..Self::known(prior, log) })
    }
}

impl TryFrom<Discrete> for LogDensity {
    type Error = ParameterError;

    /// Of one column.
    fn try_from(prior: Discrete) -> Result<Self, ParameterError> {
        one_column("columns of the points", &prior)?;
        let total: f64 = prior.weights().iter().sum();
        let weigh = |(&x, w): (&f64, &f64)| (x, (w / total).ln());
        let points = prior.points().iter().zip(prior.weights()).map(weigh).collect();
        Ok(Self { kind: Kind::Nothing, points, ..Self::known(prior, |_| f64::NEG_INFINITY) })
    }
}

fn one_column(parameter: &'static str, prior: &dyn Denoiser) -> Result<(), ParameterError> {
    match prior.columns() {
        None | Some(1) => Ok(()),
        Some(found) => Err(ParameterError::Length { parameter, expected: 1, found }),
    }
}

impl From<StudentT> for LogDensity {
    fn from(prior: StudentT) -> Self {
        let (nu, s) = (prior.degrees(), prior.scale());
        let height = libm::lgamma(0.5 * (nu + 1.0))
            - libm::lgamma(0.5 * nu)
            - 0.5 * (nu * core::f64::consts::PI).ln()
            - s.ln();
        let log = move |x: f64| height - 0.5 * (nu + 1.0) * ((x / s).powi(2) / nu).ln_1p();
        let marks = vec![Mark { centre: 0.0, scale: s * nu.sqrt() }];
        Self { marks, ..Self::known(prior, log) }
    }
}

impl From<Tabulated> for LogDensity {
    fn from(prior: Tabulated) -> Self {
        let points = prior.points().to_vec();
        let support = (points[0], points[points.len() - 1]);
        let table = prior.clone();
        Self { support, breaks: points, ..Self::known(prior, move |x| table.log_at(x)) }
    }
}
