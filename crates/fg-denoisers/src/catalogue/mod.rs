//! One instance or more of everything the crate has, by name: what the conformance tests iterate over.
//!
//! A test compares the names of the modules with this list, so that a family can't be left out.

mod likelihoods;

use fg_core::Rows;
use fg_core::denoiser::{BlackBox, BlackBoxOptions, Channel, Denoiser, Likelihood};

use crate::structured::Steps;
use crate::{
    BernoulliGauss, ColumnMixing, Discrete, ElasticNet, Exponential, Gaussian, GaussianMixture,
    GaussianNoise, GroupBernoulliGauss, GroupLasso, Grouped, HardThreshold, Horseshoe, Huber,
    ImageTotalVariation, Interval, L1, L2, Laplace, LogDensity, Lq, MinimaxConcave, NonLocalMeans,
    NonNegative, NuclearNorm, ParameterError, PerRow, PiecewiseLinear, Product, Scad, Scaled,
    Simplex, Smooth, Stacked, StudentT, Tabulated, TotalVariation, TruncatedGaussian, Uniform,
    UnitModulus, WaveletShrinkage,
};

/// A named instance of a family, for variables of `columns` columns.
#[derive(Debug)]
pub struct Entry<T: ?Sized> {
    /// The module it is from, such as `prior/gaussian`.
    pub module: &'static str,
    /// What is particular about this instance.
    pub instance: &'static str,
    /// Number of columns to try it with.
    pub columns: usize,
    /// The estimator.
    pub estimator: Box<T>,
}

impl<T: ?Sized> Entry<T> {
    fn new(
        module: &'static str,
        instance: &'static str,
        columns: usize,
        estimator: Box<T>,
    ) -> Self {
        Self { module, instance, columns, estimator }
    }
}

/// Covariances and precisions of the instances with full matrices.
const CORRELATED: [f64; 4] = [1.0, 0.6, 0.6, 2.0];

/// Rows with data: all but every third.
const GAPS: [bool; 24] = {
    let mut observed = [true; 24];
    let mut i = 1;
    while i < observed.len() {
        observed[i] = false;
        i += 3;
    }
    observed
};

/// Every third row is of the second group.
const THIRDS: [usize; 24] = {
    let mut groups = [0; 24];
    let mut i = 1;
    while i < groups.len() {
        groups[i] = 1;
        i += 3;
    }
    groups
};

type Denoisers = Result<Vec<Entry<dyn Denoiser>>, ParameterError>;
type Likelihoods = Result<Vec<Entry<dyn Likelihood>>, ParameterError>;

/// Priors and penalties of one row.
///
/// # Errors
/// None in practice: the parameters are constants, which a test checks.
pub fn denoisers() -> Result<Vec<Entry<dyn Denoiser>>, ParameterError> {
    let mut all = gaussian_priors()?;
    all.extend(sparse_priors()?);
    all.extend(other_priors()?);
    all.extend(heavy_tails()?);
    all.extend(combinations()?);
    all.extend(penalties()?);
    all.extend(jumping_penalties()?);
    Ok(all)
}

fn entry(
    module: &'static str,
    instance: &'static str,
    columns: usize,
    estimator: impl Denoiser + 'static,
) -> Entry<dyn Denoiser> {
    Entry::new(module, instance, columns, Box::new(estimator))
}

fn gaussian_priors() -> Denoisers {
    Ok(vec![
        entry("prior/gaussian", "one column", 1, Gaussian::new(0.5, 2.0)?),
        entry("prior/gaussian", "isotropic", 3, Gaussian::new(-1.0, 0.3)?),
        entry(
            "prior/gaussian",
            "correlated",
            2,
            Gaussian::with_covariance(&[1.0, -2.0], &CORRELATED)?,
        ),
        entry(
            "prior/gaussian",
            "learning",
            2,
            Gaussian::with_covariance(&[1.0, -2.0], &CORRELATED)?.learn_mean().learn_covariance(),
        ),
        entry(
            "prior/gaussian",
            "independent columns, learning",
            2,
            Gaussian::with_variances(&[1.0, -2.0], &[0.5, 3.0])?.learn_mean().learn_covariance(),
        ),
        entry("prior/gaussian", "known", 2, Gaussian::new(3.0, 0.0)?),
    ])
}

fn sparse_priors() -> Denoisers {
    Ok(vec![
        entry("prior/bernoulli_gauss", "centred", 1, BernoulliGauss::new(0.1, 0.0, 1.0)?),
        entry("prior/bernoulli_gauss", "off centre", 1, BernoulliGauss::new(0.3, 2.0, 0.5)?),
        entry("prior/bernoulli_gauss", "no zeros", 1, BernoulliGauss::new(1.0, -1.0, 4.0)?),
        entry(
            "prior/bernoulli_gauss",
            "learning",
            1,
            BernoulliGauss::new(0.3, 2.0, 0.5)?.learn_sparsity().learn_mean().learn_variance(),
        ),
        entry("prior/group_bernoulli_gauss", "one column", 1, GroupBernoulliGauss::new(0.2, 2.0)?),
        entry("prior/group_bernoulli_gauss", "isotropic", 3, GroupBernoulliGauss::new(0.2, 2.0)?),
        entry("prior/group_bernoulli_gauss", "complex", 2, GroupBernoulliGauss::complex(0.2, 2.0)?),
        entry(
            "prior/group_bernoulli_gauss",
            "complex, learning",
            2,
            GroupBernoulliGauss::complex(0.2, 2.0)?.learn_sparsity().learn_covariance(),
        ),
        entry(
            "prior/group_bernoulli_gauss",
            "correlated",
            2,
            GroupBernoulliGauss::with_covariance(0.1, 2, &CORRELATED)?
                .learn_sparsity()
                .learn_covariance(),
        ),
    ])
}

fn other_priors() -> Denoisers {
    Ok(vec![
        entry("prior/uniform", "off centre", 1, Uniform::new(-0.5, 2.0)?),
        entry("prior/exponential", "unit", 1, Exponential::new(1.0)?),
        entry(
            "prior/truncated_gaussian",
            "two ends",
            1,
            TruncatedGaussian::new(0.5, 2.0, -1.0, 0.8)?,
        ),
        entry(
            "prior/truncated_gaussian",
            "far tail",
            1,
            TruncatedGaussian::new(0.0, 1.0, 6.0, f64::INFINITY)?,
        ),
        entry(
            "prior/truncated_gaussian",
            "sparse",
            1,
            TruncatedGaussian::nonnegative(0.2, 0.3, 1.5)?,
        ),
        entry(
            "prior/gaussian_mixture",
            "scalar",
            1,
            GaussianMixture::scalar(&[(0.3, -2.0, 0.5), (0.6, 1.0, 2.0), (0.1, 1.5, 0.01)])?,
        ),
        entry(
            "prior/gaussian_mixture",
            "with a point",
            1,
            GaussianMixture::scalar(&[(0.7, 0.0, 0.0), (0.3, 0.5, 2.0)])?,
        ),
        entry(
            "prior/gaussian_mixture",
            "two columns, learning",
            2,
            GaussianMixture::new(
                2,
                &[0.4, 0.6],
                &[1.0, 0.0, -0.5, 2.0],
                &[&CORRELATED[..], &[0.5, 0.0, 0.0, 0.1]].concat(),
            )?
            .learn_weights()
            .learn_means()
            .learn_covariances(),
        ),
        entry("prior/discrete", "binary", 1, Discrete::binary()),
        entry(
            "prior/discrete",
            "five points",
            1,
            Discrete::new(1, &[-2.0, -0.3, 0.0, 1.0, 1.1], &[1.0, 2.0, 3.0, 1.0, 0.1])?,
        ),
        entry(
            "prior/discrete",
            "triangle",
            2,
            Discrete::new(2, &[1.0, 0.0, -0.5, 0.8, -0.4, -0.9], &[0.5, 0.3, 0.2])?,
        ),
        entry("prior/discrete", "QPSK", 2, Discrete::qpsk()),
        entry("prior/discrete", "16-QAM, learning", 2, Discrete::qam16().learn_weights()),
        entry("prior/unit_modulus", "unit", 2, UnitModulus::new()),
        entry("prior/unit_modulus", "radius 3", 2, UnitModulus::with_radius(3.0)?),
        entry("prior/laplace", "unit", 1, Laplace::new(1.0)?),
        entry("prior/laplace", "narrow", 1, Laplace::new(0.05)?),
        entry(
            "prior/stacked",
            "sparse above dense",
            1,
            Stacked::new(3, BernoulliGauss::new(0.2, 0.0, 1.0)?)?
                .then(61, Gaussian::new(0.0, 1.0)?)?,
        ),
    ])
}

fn heavy_tails() -> Denoisers {
    Ok(vec![
        entry("prior/student_t", "three degrees", 1, StudentT::new(3.0, 0.7)?),
        entry("prior/student_t", "nearly Gaussian", 1, StudentT::new(200.0, 1.0)?),
        entry("prior/horseshoe", "unit", 1, Horseshoe::new(1.0)?),
        entry("prior/horseshoe", "narrow", 1, Horseshoe::new(0.05)?),
    ])
}

fn combinations() -> Denoisers {
    let learner = BernoulliGauss::new(0.3, 0.5, 1.0)?.learn_sparsity().learn_variance();
    let gaussians = (0..24).map(|i| Gaussian::new(0.1 * f64::from(i), 0.5 + f64::from(i % 5)));
    Ok(vec![
        entry(
            "prior/stacked",
            "learning",
            1,
            Stacked::new(2, learner.clone())?.then(30, Gaussian::new(0.0, 1.0)?.learn_mean())?,
        ),
        entry("prior/scaled", "mirrored, learning", 1, Scaled::new(learner, -1.5, &[0.7])?),
        entry(
            "prior/scaled",
            "two columns",
            2,
            Scaled::new(Discrete::new(2, &[1.0, 0.0, -0.5, 0.8], &[0.5, 0.3])?, 2.0, &[0.1, -0.2])?,
        ),
        entry("prior/scaled", "penalty", 2, Scaled::new(L1::new(0.7)?, 0.5, &[1.0, 2.0])?),
        entry("prior/per_row", "Gaussians", 1, {
            PerRow::denoisers(gaussians.collect::<Result<_, _>>()?)?
        }),
        entry("prior/grouped", "learning", 2, {
            let wide = |v: f64| Gaussian::new(0.5, v).map(Gaussian::learn_covariance);
            Grouped::denoisers([wide(1.0)?, wide(4.0)?], &THIRDS)?
        }),
        entry("prior/product", "Gaussian and Laplace", 1, {
            Product::new(Gaussian::new(0.5, 2.0)?, Laplace::new(0.7)?)?
        }),
        entry("prior/product", "sparse, two wells", 1, {
            let wells = LogDensity::new(|x| -(x * x - 1.0).powi(2));
            Product::new(BernoulliGauss::new(0.3, 0.5, 1.0)?, wells)?
        }),
        entry("prior/tabulated", "few points", 1, {
            Tabulated::new(&[-2.0, -0.5, 0.0, 1.5, 2.5], &[-3.0, 0.2, -1.0, 0.4, -6.0])?
        }),
        entry("prior/tabulated", "many points", 1, {
            Tabulated::of(|x| -0.25 * (x * x - 1.0).powi(2), (-3.0, 3.0), 100)?
        }),
    ])
}

fn penalties() -> Denoisers {
    Ok(vec![
        entry("penalty/l1", "one column", 1, L1::new(0.7)?),
        entry("penalty/l1", "three columns", 3, L1::new(0.7)?),
        entry("penalty/l2", "one column", 1, L2::new(0.7)?),
        entry("penalty/l2", "three columns", 3, L2::new(0.7)?),
        entry("penalty/elastic_net", "one column", 1, ElasticNet::new(0.7, 0.2)?),
        entry("penalty/elastic_net", "two columns", 2, ElasticNet::new(0.7, 0.2)?),
        entry("penalty/nonnegative", "one column", 1, NonNegative::new().with_weight(0.7)?),
        entry("penalty/nonnegative", "three columns", 3, NonNegative::new().with_weight(0.7)?),
        entry("penalty/interval", "one column", 1, Interval::new(-0.6, 1.8)?),
        entry("penalty/interval", "three columns", 3, Interval::new(-0.6, 1.8)?),
        entry("penalty/interval", "away from zero", 2, Interval::new(0.8, 2.2)?),
        entry("penalty/huber", "one column", 1, Huber::new(0.7, 0.8)?),
        entry("penalty/huber", "three columns", 3, Huber::new(0.7, 0.8)?),
        entry("penalty/simplex", "one column", 1, Simplex::new()),
        entry("penalty/simplex", "three columns", 3, Simplex::new().with_total(2.0)?),
        entry("penalty/group_lasso", "one column", 1, GroupLasso::new(0.7)?),
        entry("penalty/group_lasso", "three columns", 3, GroupLasso::new(0.7)?),
    ])
}

/// With a step of zero: laws are about the slope of a row, and the jumps of others aren't part of that.
fn jumping_penalties() -> Denoisers {
    let hard = HardThreshold::new(0.7)?.with_step(0.0)?;
    let mcp = MinimaxConcave::new(0.7, 1.7)?.with_step(0.0)?;
    let scad = Scad::new(0.7, 3.7)?.with_step(0.0)?;
    let root = Lq::new(0.7, 0.5)?.with_step(0.0)?;
    Ok(vec![
        entry("penalty/hard_threshold", "slopes", 1, hard.clone()),
        entry("penalty/hard_threshold", "three columns, slopes", 3, hard),
        entry("penalty/mcp", "slopes", 1, mcp.clone()),
        entry("penalty/mcp", "three columns, slopes", 3, mcp),
        entry("penalty/scad", "slopes", 1, scad.clone()),
        entry("penalty/scad", "two columns, slopes", 2, scad),
        entry("penalty/lq", "root, slopes", 1, root.clone()),
        entry("penalty/lq", "root, three columns, slopes", 3, root),
    ])
}

/// Penalties of all rows together, for which [`Denoiser::separable`] is false.
///
/// # Errors
/// As [`denoisers`].
pub fn structured() -> Result<Vec<Entry<dyn Denoiser>>, ParameterError> {
    let image = ImageTotalVariation::new(4, 5, 0.7)?;
    Ok(vec![
        entry("structured/image_total_variation", "isotropic", 1, image.clone()),
        entry("structured/image_total_variation", "two columns", 2, image.clone()),
        entry(
            "structured/image_total_variation",
            "anisotropic",
            1,
            image.with_steps(Steps::Anisotropic),
        ),
        entry("structured/total_variation", "one column", 1, TotalVariation::new(0.7)?),
        entry("structured/total_variation", "two columns", 2, TotalVariation::new(0.7)?),
        entry("structured/total_variation", "three columns", 3, TotalVariation::new(0.7)?),
        entry(
            "structured/non_local_means",
            "grey",
            1,
            probed(NonLocalMeans::new(4, 5)?.with_sizes(1, 2).denoiser()),
        ),
        entry(
            "structured/wavelet_shrinkage",
            "grey",
            1,
            probed(WaveletShrinkage::new(4, 5)?.with_shifts(1)?.denoiser()),
        ),
        entry("structured/nuclear_norm", "three columns", 3, NuclearNorm::new(1.5)?),
        entry("structured/nuclear_norm", "two columns", 2, NuclearNorm::new(4.0)?),
        entry("structured/nuclear_norm", "one column", 1, NuclearNorm::new(1.5)?),
    ])
}

/// With enough probes that the spread of these few pixels is known.
fn probed<F: Fn(&Rows, f64) -> Rows + Send + Sync>(denoiser: BlackBox<F>) -> BlackBox<F> {
    denoiser
        .with_options(BlackBoxOptions::default().with_probes(24, 24))
        .unwrap_or_else(|_| unreachable!("24 probes are legal"))
}

/// Likelihoods, to be tried with data they draw themselves.
///
/// # Errors
/// As [`denoisers`].
pub fn likelihoods() -> Result<Vec<Entry<dyn Likelihood>>, ParameterError> {
    let mut all = likelihoods::explicit()?;
    all.extend(likelihoods::phaseless()?);
    all.extend(likelihoods::tuned()?);
    all.extend(likelihoods::smooth()?);
    all.extend(likelihoods::labels()?);
    all.extend(likelihoods::noisy_layers()?);
    Ok(all)
}

/// Channels.
///
/// # Errors
/// As [`denoisers`].
pub fn channels() -> Result<Vec<Entry<dyn Channel>>, ParameterError> {
    let entry = |module, instance, columns, estimator: Box<dyn Channel>| {
        Entry::new(module, instance, columns, estimator)
    };
    Ok(vec![
        entry("channel/gaussian_noise", "one column", 1, Box::new(GaussianNoise::new(0.5)?)),
        entry(
            "channel/gaussian_noise",
            "correlated",
            2,
            Box::new(GaussianNoise::with_covariance(2, &CORRELATED)?),
        ),
        entry("channel/gaussian_noise", "no noise", 2, Box::new(GaussianNoise::new(0.0)?)),
        entry("channel/column_mixing", "to fewer", 2, {
            Box::new(ColumnMixing::new(Rows::column(vec![1.0, -0.7]))?.with_bias(&[0.3])?)
        }),
        entry("channel/column_mixing", "to more", 1, {
            Box::new(ColumnMixing::new(Rows::from_fn(1, 3, |_, j| j as f64 - 0.5))?)
        }),
        entry("channel/column_mixing", "as many", 2, {
            let matrix = Rows::from_fn(2, 2, |i, j| CORRELATED[2 * i + j]);
            Box::new(ColumnMixing::new(matrix)?.with_bias(&[-1.0, 0.2])?)
        }),
        entry("channel/smooth", "sigmoid", 1, Box::new(Smooth::sigmoid())),
        entry("channel/smooth", "tanh", 1, Box::new(Smooth::tanh())),
        entry("channel/smooth", "noisy tanh", 1, Box::new(Smooth::tanh().with_noise(0.2)?)),
        entry("channel/smooth", "softplus", 1, Box::new(Smooth::softplus())),
        entry("channel/smooth", "falling", 1, {
            Box::new(Smooth::new("falling", 0.5, 1.0, |z: f64| {
                let root = (z - 0.5).hypot(1.0);
                [(0.5 - z) / root, -1.0 / (root * root * root)]
            })?)
        }),
        entry("channel/piecewise_linear", "ReLU", 1, Box::new(PiecewiseLinear::relu())),
        entry(
            "channel/piecewise_linear",
            "leaky ReLU",
            1,
            Box::new(PiecewiseLinear::leaky_relu(0.1)?),
        ),
        entry("channel/piecewise_linear", "absolute", 1, Box::new(PiecewiseLinear::absolute())),
        entry("channel/piecewise_linear", "sign", 1, Box::new(PiecewiseLinear::sign())),
        entry("channel/piecewise_linear", "hard tanh", 1, Box::new(PiecewiseLinear::hard_tanh())),
        entry(
            "channel/piecewise_linear",
            "jumps and slopes",
            1,
            Box::new(PiecewiseLinear::new(
                &[-1.0, -0.5, 2.0],
                &[(0.5, 0.0), (0.0, 2.0), (-1.0, 0.3), (2.0, 0.0)],
            )?),
        ),
    ])
}
