//! Every scalar family against values of many digits, from the bulk to 30 deviations out.

use std::collections::BTreeMap;

use fg_core::denoiser::{Denoiser, Likelihood, RowEstimate, Scratch};
use fg_core::testing::Input;
use fg_denoisers::{
    BernoulliGauss, Censored, Discrete, Exponential, GaussianMixture, Horseshoe, HuberNoise,
    Laplace, LaplaceNoise, Magnitude, ParameterError, Quantised, Rectified, Sign, StudentT,
    TruncatedGaussian, Uniform,
};

/// `family, parameters, n, gamma, log-partition, mean, variance`, written by `data/references.py`.
const REFERENCES: &str = include_str!("data/references.csv");
/// Relative errors of the variance, and of the mean next to its size and the deviation.
const BULK: f64 = 1e-10;
/// The same where the cavity's mean is this many of its deviations away from zero, or more.
const TAIL: f64 = 1e-6;
const FAR: f64 = 10.0;

/// Rounding of an exponent of a component two units from zero, in units of the precision.
const MIXTURE: f64 = f64::EPSILON;

/// What a row of references is about.
enum Model {
    Prior(Box<dyn Denoiser>),
    /// With the observed value.
    Likelihood(Box<dyn Likelihood>, f64),
}

fn quantised(low: f64, high: f64, variance: f64) -> Result<Model, ParameterError> {
    let edges: Vec<f64> = [low, high].into_iter().filter(|e| e.is_finite()).collect();
    let bin = if low.is_finite() { 1.0 } else { 0.0 };
    Ok(Model::Likelihood(Box::new(Quantised::new(&edges, variance)?), bin))
}

fn sign(label: f64, flips: f64, variance: f64) -> Result<Model, ParameterError> {
    let model = if variance > 0.0 { Sign::probit(variance)? } else { Sign::new() };
    let model = if flips > 0.0 { model.with_flips(flips)? } else { model };
    Ok(Model::Likelihood(Box::new(model), label))
}

/// The model of a family with these parameters.
fn model(family: &str, parameters: &[f64]) -> Result<Model, ParameterError> {
    let prior = |prior: Box<dyn Denoiser>| Ok(Model::Prior(prior));
    let data = |model: Box<dyn Likelihood>, y: f64| Ok(Model::Likelihood(model, y));
    match (family, parameters) {
        ("bernoulli_gauss", &[rho, m, v]) => prior(Box::new(BernoulliGauss::new(rho, m, v)?)),
        ("laplace", &[b]) => prior(Box::new(Laplace::new(b)?)),
        ("exponential", &[b]) => prior(Box::new(Exponential::new(b)?)),
        ("truncated_gaussian", &[m, v, a, b]) => {
            prior(Box::new(TruncatedGaussian::new(m, v, a, b)?))
        }
        ("nonnegative", &[rho, m, v]) => {
            prior(Box::new(TruncatedGaussian::nonnegative(rho, m, v)?))
        }
        ("uniform", &[a, b]) => prior(Box::new(Uniform::new(a, b)?)),
        ("binary", &[]) => prior(Box::new(Discrete::binary())),
        ("mixture", all) => {
            let parts: Vec<_> = all.chunks_exact(3).map(|p| (p[0], p[1], p[2])).collect();
            prior(Box::new(GaussianMixture::scalar(&parts)?))
        }
        ("student_t", &[nu, s]) => prior(Box::new(StudentT::new(nu, s)?)),
        ("horseshoe", &[s]) => prior(Box::new(Horseshoe::new(s)?)),
        ("sign", &[y, flips, v]) => sign(y, flips, v),
        ("quantised", &[low, high, v]) => quantised(low, high, v),
        ("censored", &[y, low, high, v]) => data(Box::new(Censored::new(low, high, v)?), y),
        ("magnitude", &[y, v]) => data(Box::new(Magnitude::new(v)?), y),
        ("rectified", &[y, slope, v]) if slope > 0.0 => {
            data(Box::new(Rectified::leaky_relu(slope, v)?), y)
        }
        ("rectified", &[y, _, v]) => data(Box::new(Rectified::relu(v)?), y),
        ("laplace_noise", &[y, b]) => data(Box::new(LaplaceNoise::new(b)?), y),
        ("huber", &[y, s, t]) => data(Box::new(HuberNoise::new(s, t)?), y),
        _ => panic!("no family {family} of parameters {parameters:?}"),
    }
}

/// Log-partition, mean and variance of a row.
fn ask(model: &Model, input: &Input) -> [f64; 3] {
    let (mut mean, mut variance, mut log) = ([f64::NAN], [f64::NAN], [f64::NAN]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
    let (cavity, mut scratch) = (input.cavity(), Scratch::default());
    let known = match model {
        Model::Prior(prior) => {
            prior.estimate(&cavity, &mut out, &mut scratch).expect("an estimate");
            prior.log_partition(&cavity, &mut log)
        }
        Model::Likelihood(model, y) => {
            model.estimate(&[*y], &cavity, &mut out, &mut scratch).expect("an estimate");
            model.log_partition(&[*y], &cavity, &mut log)
        }
    };
    assert!(known, "a log-partition function");
    [log[0], mean[0], variance[0]]
}

fn numbers<'t>(text: impl Iterator<Item = &'t str>) -> Vec<f64> {
    text.map(|t| t.parse().expect("a number")).collect()
}

#[test]
fn every_scalar_family_agrees_with_many_digits() {
    /// Families that the references must cover, so that a truncated file doesn't pass.
    const FAMILIES: usize = 17;
    let mut worst: BTreeMap<&str, [f64; 4]> = BTreeMap::new();
    let mut failures = Vec::new();
    for line in REFERENCES.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(',').collect();
        let (family, parameters) = (fields[0], numbers(fields[1].split_whitespace()));
        let values = numbers(fields[2..].iter().copied());
        let [n, gamma, log, mean, variance] = values[..] else { panic!("{line}") };
        let model = model(family, &parameters).expect("legal parameters");
        let found = ask(&model, &Input::new(1, vec![n], vec![gamma]));
        let far = n.abs() >= FAR * gamma.sqrt();
        // Exponents of components grow as their squares times the precision, and so does their rounding.
        let rounding = if family == "mixture" { MIXTURE * gamma } else { 0.0 };
        let errors = [
            ((found[0] - log).abs() - rounding).max(0.0) / (1.0 + log.abs()),
            (found[1] - mean).abs() / (mean.abs() + variance.sqrt()),
            // A variance too small for a double is zero.
            if variance == 0.0 { found[2] } else { (found[2] / variance - 1.0).abs() },
        ];
        let own = worst.entry(family).or_default();
        own[0] = own[0].max(errors[0]);
        own[1] = own[1].max(errors[1]);
        let place = if far { 3 } else { 2 };
        own[place] = own[place].max(errors[2]);
        let limit = if far { TAIL } else { BULK };
        if !(errors[0] <= BULK && errors[1] <= limit && errors[2] <= limit) {
            failures.push(format!("{line}\n  found {found:?}, errors {errors:?}"));
        }
    }
    println!("worst errors: log-partition, mean, variance in the bulk and far out");
    for (family, [log, mean, bulk, tail]) in &worst {
        println!("{family:20} {log:8.1e} {mean:8.1e} {bulk:8.1e} {tail:8.1e}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(worst.len(), FAMILIES, "{:?}", worst.keys());
}
