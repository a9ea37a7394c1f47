//! Families of closed form or quadrature against values of forty digits, from the bulk to 30 deviations out.

use core::ops::Range;
use std::collections::BTreeMap;

use fg_core::Rows;
use fg_core::denoiser::{Channel, Denoiser, Likelihood, RowEstimate, Scratch};
use fg_core::testing::Input;
use fg_denoisers::likelihood::{Activation, Link, TwoLayer, TwoLayerMmse};
use fg_denoisers::{
    Awgn, BernoulliGauss, Censored, ColumnMixing, Committee, ComplexIntensity, ComplexMagnitude,
    DiagonalNoise, Discrete, Exponential, Gaussian, GaussianMixture, GaussianNoise,
    GroupBernoulliGauss, Hinge, Horseshoe, HuberNoise, Intensity, Laplace, LaplaceNoise,
    LogDensity, Logistic, Magnitude, MixedColumns, ParameterError, PiecewiseLinear, Poisson,
    Product, Quantised, Rectified, Sign, Smooth, Softmax, StudentNoise, StudentT, Survival,
    Tabulated, TruncatedGaussian, Uniform, UnitModulus,
};

/// `family, parameters, n, Gamma, log-partition, mean, covariance`, written by `data/references.py`.
const REFERENCES: &str = include_str!("data/references.csv");
/// Families in it, so that a truncated file doesn't pass.
const FAMILIES: usize = 58;
/// Errors of a mean next to its size and the deviation, and of a covariance next to the deviations.
const BULK: f64 = 1e-10;
/// The same where the cavity's mean is this many of its deviations away from zero, or more.
const TAIL: f64 = 1e-6;
const FAR: f64 = 10.0;
/// Accuracy of the sums of exponentials that stand for the links of labels of several units, next to one.
const LINKS: f64 = 5e-7;

/// Errors of estimates that are averages over points, in units of the standard error that they declare.
const SAMPLED: f64 = 4.0;
/// Rows of such an estimate: the error that one of them declares is that of two numbers.
const COPIES: usize = 16;

/// Rounding of an exponent of a component two units from zero, in units of the precision.
const MIXTURE: f64 = f64::EPSILON;
/// Rounding of a value of a function, on which the deviation of a saturated output can't be better known.
const OUTPUT: f64 = 4.0 * f64::EPSILON;

/// What a row of references is about.
enum Model {
    Prior(Box<dyn Denoiser>),
    /// With the observed values.
    Likelihood(Box<dyn Likelihood>, Vec<f64>),
    /// The columns of its references are those of the input, so many, and then those of the output.
    Channel(Box<dyn Channel>, usize),
}

type Found = Result<Model, ParameterError>;

fn prior(prior: impl Denoiser + 'static) -> Found {
    Ok(Model::Prior(Box::new(prior)))
}

fn data(model: impl Likelihood + 'static, y: &[f64]) -> Found {
    Ok(Model::Likelihood(Box::new(model), y.to_vec()))
}

fn channel(channel: impl Channel + 'static) -> Found {
    Ok(Model::Channel(Box::new(channel), 1))
}

fn quantised(low: f64, high: f64, variance: f64) -> Found {
    let edges: Vec<f64> = [low, high].into_iter().filter(|e| e.is_finite()).collect();
    let bin = if low.is_finite() { 1.0 } else { 0.0 };
    data(Quantised::new(&edges, variance)?, &[bin])
}

fn sign(label: f64, flips: f64, variance: f64) -> Found {
    let model = if variance > 0.0 { Sign::probit(variance)? } else { Sign::new() };
    data(if flips > 0.0 { model.with_flips(flips)? } else { model }, &[label])
}

/// Points of a grid and the log-densities there.
fn table(pairs: &[f64]) -> Result<Tabulated, ParameterError> {
    let of = |k: usize| pairs.iter().skip(k).step_by(2).copied().collect::<Vec<_>>();
    Tabulated::new(&of(0), &of(1))
}

/// The model of a family with these parameters.
fn model(family: &str, parameters: &[f64]) -> Found {
    match (family, parameters) {
        ("bernoulli_gauss", &[rho, m, v]) => prior(BernoulliGauss::new(rho, m, v)?),
        ("laplace", &[b]) => prior(Laplace::new(b)?),
        ("exponential", &[b]) => prior(Exponential::new(b)?),
        ("truncated_gaussian", &[m, v, a, b]) => prior(TruncatedGaussian::new(m, v, a, b)?),
        ("nonnegative", &[rho, m, v]) => prior(TruncatedGaussian::nonnegative(rho, m, v)?),
        ("uniform", &[a, b]) => prior(Uniform::new(a, b)?),
        ("binary", &[]) => prior(Discrete::binary()),
        ("mixture", all) => {
            let parts: Vec<_> = all.chunks_exact(3).map(|p| (p[0], p[1], p[2])).collect();
            prior(GaussianMixture::scalar(&parts)?)
        }
        ("student_t", &[nu, s]) => prior(StudentT::new(nu, s)?),
        ("horseshoe", &[s]) => prior(Horseshoe::new(s)?),
        ("tabulated", all) => prior(table(all)?),
        ("gaussian_mixture", all) => {
            prior(GaussianMixture::new(2, &all[..2], &all[2..6], &all[6..])?)
        }
        ("group_bernoulli_gauss", all) => {
            prior(GroupBernoulliGauss::with_covariance(all[0], 3, &all[1..])?)
        }
        ("discrete", all) => prior(Discrete::new(2, &all[..6], &all[6..])?),
        ("unit_modulus", &[radius]) => prior(UnitModulus::with_radius(radius)?),
        _ => product(family, parameters),
    }
}

fn product(family: &str, parameters: &[f64]) -> Found {
    match (family, parameters) {
        ("laplace_student", &[b, nu, s]) => {
            prior(Product::new(Laplace::new(b)?, StudentT::new(nu, s)?)?)
        }
        ("gaussian_laplace", &[m, v, b]) => {
            prior(Product::new(Gaussian::new(m, v)?, Laplace::new(b)?)?)
        }
        ("gaussian_wells", &[m, v]) => {
            let wells = LogDensity::new(|x| -(x * x - 1.0).powi(2));
            prior(Product::new(Gaussian::new(m, v)?, wells)?)
        }
        ("sparse_laplace", &[rho, m, v, b]) => {
            prior(Product::new(BernoulliGauss::new(rho, m, v)?, Laplace::new(b)?)?)
        }
        ("tabulated_student", all) => {
            let (grid, student) = all.split_at(all.len() - 2);
            prior(Product::new(table(grid)?, StudentT::new(student[0], student[1])?)?)
        }
        ("uniform_student_laplace", &[a, b, nu, s, scale]) => {
            let two = Product::new(Uniform::new(a, b)?, StudentT::new(nu, s)?)?;
            prior(two.times(Laplace::new(scale)?)?)
        }
        _ => likelihood(family, parameters),
    }
}

fn likelihood(family: &str, parameters: &[f64]) -> Found {
    match (family, parameters) {
        ("sign", &[y, flips, v]) => sign(y, flips, v),
        ("quantised", &[low, high, v]) => quantised(low, high, v),
        ("censored", &[y, low, high, v]) => data(Censored::new(low, high, v)?, &[y]),
        ("magnitude", &[y, v]) => data(Magnitude::new(v)?, &[y]),
        ("rectified", &[y, slope, v]) if slope > 0.0 => {
            data(Rectified::leaky_relu(slope, v)?, &[y])
        }
        ("rectified", &[y, _, v]) => data(Rectified::relu(v)?, &[y]),
        ("two_layer", &[y, weight, bias, precision]) => {
            let weights = Rows::column(vec![weight]);
            let unit = TwoLayer::new(weights, vec![bias], Activation::Relu, precision)?;
            data(TwoLayerMmse::new(unit), &[y])
        }
        ("label", &[y, weight, bias, variance]) => {
            let link = if variance > 0.0 { Link::Probit { variance } } else { Link::Logistic };
            let unit = TwoLayer::labels(&[weight], bias, Activation::Relu, link)?;
            data(TwoLayerMmse::new(unit), &[y])
        }
        ("sampled_label", &[y, first, second, bias]) => {
            let weights = [first, second];
            let units = TwoLayer::labels(&weights, bias, Activation::Tanh, Link::Logistic)?;
            // So many nodes that the units are as good as curved between them.
            data(TwoLayerMmse::new(units).with_points(256)?.with_nodes(129)?, &[y])
        }
        ("laplace_noise", &[y, b]) => data(LaplaceNoise::new(b)?, &[y]),
        ("huber", &[y, s, t]) => data(HuberNoise::new(s, t)?, &[y]),
        ("logistic", &[y]) => data(Logistic::new(), &[y]),
        ("hinge", &[y, c]) => data(Hinge::new(c)?.averaged(), &[y]),
        ("poisson", &[y]) => data(Poisson::exponential(), &[y]),
        ("rate", &[y]) => data(Poisson::rectified(), &[y]),
        ("student_noise", &[y, nu, s]) => data(StudentNoise::new(nu, s)?, &[y]),
        ("survival", &[t, event, k]) => data(Survival::new(k)?, &[t, event]),
        ("awgn", all) => data(Awgn::from_precision_matrix(2, &all[2..])?, &all[..2]),
        ("diagonal_noise", all) => data(DiagonalNoise::new(&all[3..])?, &all[..3]),
        ("committee", &[y, flips]) => data(Committee::new().with_flips(flips)?, &[y]),
        ("softmax", &[y]) => data(Softmax::new(2)?, &[y]),
        ("intensity", &[y, v]) => data(Intensity::new(v)?, &[y]),
        ("complex_intensity", &[y, v]) => data(ComplexIntensity::new(v)?, &[y]),
        ("complex_magnitude", &[y, v]) => data(ComplexMagnitude::new(v)?, &[y]),
        ("relu", []) => channel(PiecewiseLinear::relu()),
        ("absolute", []) => channel(PiecewiseLinear::absolute()),
        ("sign_channel", []) => channel(PiecewiseLinear::sign()),
        ("hard_tanh", []) => channel(PiecewiseLinear::hard_tanh()),
        ("tanh", []) => channel(Smooth::tanh()),
        ("sigmoid", []) => channel(Smooth::sigmoid()),
        ("softplus", []) => channel(Smooth::softplus()),
        ("leaky_relu", []) => channel(PiecewiseLinear::leaky_relu(0.1)?),
        ("gaussian_noise", []) => channel(GaussianNoise::new(0.5)?),
        ("column_mixing", &[d, ref all @ ..]) => mixing(d, all),
        ("mixed_columns", &[y, precision, ref weights @ ..]) => {
            data(MixedColumns::new(weights, precision)?, &[y])
        }
        ("vote" | "sampled_vote", &[y, flips]) => {
            data(Committee::new().with_units(3)?.with_flips(flips)?, &[y])
        }
        ("sampled_classes", &[y]) => data(Softmax::new(3)?, &[y]),
        _ => panic!("no family {family} of parameters {parameters:?}"),
    }
}

/// A map from `d` columns: its matrix, then its bias.
fn mixing(d: f64, all: &[f64]) -> Found {
    let (inputs, columns) = if d > 1.0 { (2, all.len() / 3) } else { (1, all.len() / 2) };
    let (matrix, bias) = all.split_at(inputs * columns);
    let matrix = Rows::from_fn(inputs, columns, |i, k| matrix[i * columns + k]);
    Ok(Model::Channel(Box::new(ColumnMixing::new(matrix)?.with_bias(bias)?), inputs))
}

/// What a model says of a row; entries of the covariance that it doesn't have are NaN.
struct Row {
    log: Option<f64>,
    mean: Vec<f64>,
    covariance: Vec<f64>,
    /// Standard error that goes with the estimate.
    declared: f64,
}

/// Averages over so many rows that are all the same.
fn average(model: &dyn Likelihood, y: &[f64], n: &[f64], gamma: &[f64]) -> Row {
    let d = n.len();
    let input = Input::new(d, n.repeat(COPIES), gamma.to_vec());
    let (mut means, mut covariances) = (vec![0.0; COPIES * d], vec![0.0; COPIES * d * d]);
    let (mut logs, mut scratch) = (vec![0.0; COPIES], Scratch::default());
    let mut out = RowEstimate { mean: &mut means, covariance: &mut covariances };
    let y = y.repeat(COPIES);
    model.estimate(&y, &input.cavity(), &mut out, &mut scratch).expect("an estimate");
    assert!(model.log_partition(&y, &input.cavity(), &mut logs), "a log-partition function");
    let of = |all: &[f64], k: usize, size: usize| {
        all.iter().skip(k).step_by(size).sum::<f64>() / COPIES as f64
    };
    Row {
        log: Some(of(&logs, 0, 1)),
        mean: (0..d).map(|k| of(&means, k, d)).collect(),
        covariance: (0..d * d).map(|k| of(&covariances, k, d * d)).collect(),
        declared: scratch.take_standard_error(),
    }
}

fn ask(model: &Model, n: &[f64], gamma: &[f64]) -> Row {
    let d = n.len();
    let (mut mean, mut covariance, mut log) =
        (vec![f64::NAN; d], vec![f64::NAN; d * d], [f64::NAN]);
    let mut scratch = Scratch::default();
    let input = Input::new(d, n.to_vec(), gamma.to_vec());
    let cavity = input.cavity();
    let known = match model {
        Model::Prior(prior) => {
            let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
            prior.estimate(&cavity, &mut out, &mut scratch).expect("an estimate");
            prior.log_partition(&cavity, &mut log)
        }
        Model::Likelihood(model, y) => {
            let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
            model.estimate(y, &cavity, &mut out, &mut scratch).expect("an estimate");
            model.log_partition(y, &cavity, &mut log)
        }
        Model::Channel(channel, inputs) => {
            let all = 0..d;
            let parts = [all.start..*inputs, *inputs..all.end];
            let block = |m: &[f64], part: &Range<usize>| -> Vec<f64> {
                part.clone().flat_map(|i| part.clone().map(move |j| m[i * d + j])).collect()
            };
            let ports = parts
                .each_ref()
                .map(|part| Input::new(part.len(), n[part.clone()].to_vec(), block(gamma, part)));
            let mut means = parts.each_ref().map(|part| vec![0.0; part.len()]);
            let mut spreads = parts.each_ref().map(|part| vec![0.0; part.len() * part.len()]);
            let cavities = ports.each_ref().map(Input::cavity);
            let ([a, b], [c, e]) = (means.each_mut(), spreads.each_mut());
            let mut input = RowEstimate { mean: a, covariance: c };
            let mut output = RowEstimate { mean: b, covariance: e };
            channel
                .estimate(cavities.each_ref(), [&mut input, &mut output], &mut scratch)
                .expect("estimates");
            for ((part, own), spread) in parts.iter().zip(&means).zip(&spreads) {
                mean[part.clone()].copy_from_slice(own);
                for (k, value) in spread.iter().enumerate() {
                    let (i, j) = (k / part.len(), k % part.len());
                    covariance[(part.start + i) * d + part.start + j] = *value;
                }
            }
            channel.log_partition(cavities.each_ref(), &mut log)
        }
    };
    assert!(known || matches!(model, Model::Channel(..)), "a log-partition function");
    let declared = scratch.take_standard_error();
    Row { log: known.then_some(log[0]), mean, covariance, declared }
}

/// Errors of log-partition, mean and covariance, as the bands count them, beyond the rounding of exponents and outputs.
fn errors(found: &Row, expected: &Row, (rounding, outputs): (f64, f64)) -> [f64; 3] {
    let d = expected.mean.len();
    let deviation = |j: usize| expected.covariance[j * d + j].sqrt();
    let log = found.log.zip(expected.log).map_or(0.0, |(found, expected)| {
        ((found - expected).abs() - rounding).max(0.0) / (1.0 + expected.abs())
    });
    let (mut mean, mut covariance) = (0.0_f64, 0.0_f64);
    for j in 0..d {
        let scale = expected.mean[j].abs() + deviation(j);
        mean = mean.max((found.mean[j] - expected.mean[j]).abs() / scale);
        for k in (0..d).filter(|&k| !found.covariance[j * d + k].is_nan()) {
            let (a, b) = (found.covariance[j * d + k], expected.covariance[j * d + k]);
            assert!(j != k || a >= 0.0, "a negative variance {a:e}");
            // A variance too small for a double is zero.
            let scale = deviation(j) * deviation(k);
            let apart = ((a - b).abs() - outputs * expected.mean[j].abs() * deviation(k)).max(0.0);
            covariance = covariance.max(if scale > 0.0 { apart / scale } else { a.abs() });
        }
    }
    [log, mean, covariance]
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace().map(|t| t.parse().expect("a number")).collect()
}

/// Whether the cavity's mean is far out: `n' Gamma^-1 n` is the square of its deviations.
fn is_far(n: &[f64], gamma: &[f64]) -> bool {
    let input = Input::new(n.len(), n.to_vec(), gamma.to_vec());
    let square: f64 = input.cavity().mean().iter().zip(n).map(|(r, n)| r * n).sum();
    square >= FAR * FAR
}

#[test]
fn every_family_agrees_with_forty_digits() {
    let mut worst: BTreeMap<&str, [f64; 5]> = BTreeMap::new();
    let mut failures = Vec::new();
    for line in REFERENCES.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(',').collect();
        let [family, parameters, n, gamma, log, mean, covariance] = fields[..] else {
            panic!("{line}")
        };
        let (n, gamma) = (numbers(n), numbers(gamma));
        let expected = Row {
            log: Some(log.parse().expect("a number")),
            mean: numbers(mean),
            covariance: numbers(covariance),
            declared: 0.0,
        };
        let model = model(family, &numbers(parameters)).expect("legal parameters");
        let found = match &model {
            Model::Likelihood(model, y) if family.starts_with("sampled") => {
                average(&**model, y, &n, &gamma)
            }
            model => ask(model, &n, &gamma),
        };
        // Exponents of components grow as their squares times the precision, and so does their rounding.
        let rounding = if family == "mixture" { MIXTURE * gamma[0] } else { 0.0 };
        let outputs = if matches!(model, Model::Channel(..)) { OUTPUT } else { 0.0 };
        let [log, mean, covariance] = errors(&found, &expected, (rounding, outputs));
        assert_eq!(found.declared > 0.0, family.starts_with("sampled"), "{line}");
        let far = is_far(&n, &gamma);
        let own = worst.entry(family).or_default();
        own[0] = own[0].max(log);
        let place = if far { 3 } else { 1 };
        own[place] = own[place].max(mean);
        own[place + 1] = own[place + 1].max(covariance);
        let stated = if family == "sampled_label" { LINKS } else { 0.0 };
        let sampled = SAMPLED * found.declared + stated;
        let limit = sampled + if far { TAIL } else { BULK };
        if !(log <= BULK + sampled && mean <= limit && covariance <= limit) {
            let Row { log, mean, covariance, .. } = found;
            failures.push(format!("{line}\n  found {log:?} {mean:?} {covariance:?}"));
        }
    }
    println!("worst errors: log-partition; mean and covariance in the bulk, and far out");
    for (family, [log, mean, covariance, far, tail]) in &worst {
        println!("{family:24} {log:8.1e} {mean:8.1e} {covariance:8.1e} {far:8.1e} {tail:8.1e}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(worst.len(), FAMILIES, "{:?}", worst.keys());
}
