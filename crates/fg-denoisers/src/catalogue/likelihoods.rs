//! The instances of likelihoods.

use fg_core::Rows;
use fg_core::denoiser::Likelihood;

use super::{CORRELATED, Entry, GAPS, Likelihoods, THIRDS};
use crate::likelihood::{Activation, Link, TwoLayer, TwoLayerMap, TwoLayerMmse};
use crate::{
    Awgn, Censored, Committee, ComplexIntensity, ComplexMagnitude, DiagonalNoise, Grouped, Hinge,
    HuberNoise, Intensity, LaplaceNoise, Logistic, Magnitude, Masked, MixedColumns, ParameterError,
    PerRow, Poisson, Quantised, Rectified, Sign, Softmax, StudentNoise, Survival, Tuned,
};

/// Labels of several columns. Averages over points take few of them, and obey the laws within the error that they declare.
pub(super) fn labels() -> Likelihoods {
    let entry = |module, instance, columns, estimator: Box<dyn Likelihood>| {
        Entry::new(module, instance, columns, estimator)
    };
    let one = |link| TwoLayer::labels(&[1.5], 0.25, Activation::Relu, link);
    let flipped = Committee::new().with_flips(0.1)?;
    let three = Committee::new().with_units(3)?.with_flips(0.1)?.with_points(32)?;
    let pair = |link| TwoLayer::labels(&[1.2, -0.7], 0.2, Activation::Relu, link);
    Ok(vec![
        entry("likelihood/committee", "exact", 2, Box::<Committee>::default()),
        entry("likelihood/committee", "flipped", 2, Box::new(flipped)),
        entry("likelihood/committee", "ties seen", 2, Box::new(Committee::new().with_ties())),
        entry("likelihood/committee", "three units", 3, Box::new(three)),
        entry("likelihood/softmax", "two classes, mean", 2, Box::new(Softmax::new(2)?)),
        entry("likelihood/softmax", "three classes, mean", 3, {
            Box::new(Softmax::new(3)?.with_points(64)?)
        }),
        entry("likelihood/softmax", "maximum", 3, Box::new(Softmax::new(3)?.maximised())),
        entry("likelihood/two_layer", "one ReLU, logistic, mean", 1, {
            Box::new(TwoLayerMmse::new(one(Link::Logistic)?))
        }),
        entry("likelihood/two_layer", "one ReLU, probit, mean", 1, {
            Box::new(TwoLayerMmse::new(one(Link::Probit { variance: 0.3 })?))
        }),
        entry("likelihood/two_layer", "two ReLU, logistic, mean", 2, {
            Box::new(TwoLayerMmse::new(pair(Link::Logistic)?))
        }),
        entry("likelihood/two_layer", "two tanh, logistic, mean", 2, {
            let layer = TwoLayer::labels(&[1.5, -0.5], 0.25, Activation::Tanh, Link::Logistic)?;
            Box::new(TwoLayerMmse::new(layer))
        }),
        entry("likelihood/two_layer", "tanh, logistic, maximum", 2, {
            let layer = TwoLayer::labels(&[1.5, -0.5], 0.25, Activation::Tanh, Link::Logistic)?;
            Box::new(TwoLayerMap::new(layer)?.with_step(0.0)?)
        }),
    ])
}

/// Explicit ones with a parameter that is learned by its evidence.
pub(super) fn tuned() -> Likelihoods {
    let entry = |instance, tuned| Entry::new("likelihood/tuned", instance, 1, tuned);
    let magnitudes = Tuned::new("noise variance", 0.5, Magnitude::new)?;
    let signs = Tuned::new("variance", 0.5, Sign::probit)?;
    Ok(vec![
        entry("magnitudes", Box::new(magnitudes) as Box<dyn Likelihood>),
        entry("probit", Box::new(signs)),
    ])
}

/// Likelihoods whose posteriors are integrated along a line, and maximisers.
pub(super) fn smooth() -> Likelihoods {
    let entry = |module, instance, estimator: Box<dyn Likelihood>| {
        Entry::new(module, instance, 1, estimator)
    };
    Ok(vec![
        entry("likelihood/logistic", "mean", Box::<Logistic>::default()),
        entry("likelihood/logistic", "maximum", Box::new(Logistic::new().maximised())),
        entry("likelihood/poisson", "exponential, mean", Box::new(Poisson::exponential())),
        entry("likelihood/poisson", "exponential, maximum", {
            Box::new(Poisson::exponential().maximised())
        }),
        entry("likelihood/poisson", "rectified, mean", Box::new(Poisson::rectified())),
        entry("likelihood/poisson", "rectified, maximum", {
            Box::new(Poisson::rectified().maximised())
        }),
        entry("likelihood/student_noise", "usual", Box::new(StudentNoise::new(4.0, 0.6)?)),
        entry("likelihood/student_noise", "precise", Box::new(StudentNoise::new(3.0, 0.02)?)),
        entry("likelihood/student_noise", "Cauchy", Box::new(StudentNoise::new(1.0, 0.3)?)),
        entry("likelihood/survival", "mean", Box::new(Survival::new(1.7)?.with_horizon(2.0)?)),
        entry("likelihood/survival", "events", Box::new(Survival::new(0.6)?)),
        entry("likelihood/survival", "maximum", Box::new(Survival::new(1.7)?.maximised())),
        entry("likelihood/hinge", "maximum", Box::new(Hinge::new(0.8)?)),
        entry("likelihood/hinge", "mean", Box::new(Hinge::new(0.8)?.averaged())),
        entry("likelihood/laplace_noise", "maximum", Box::new(LaplaceNoise::new(0.6)?.maximised())),
        entry("likelihood/huber", "maximum", Box::new(HuberNoise::new(0.7, 1.345)?.maximised())),
    ])
}

/// Magnitudes and intensities.
pub(super) fn phaseless() -> Likelihoods {
    let entry = |module, instance, columns, estimator: Box<dyn Likelihood>| {
        Entry::new(module, instance, columns, estimator)
    };
    Ok(vec![
        entry("likelihood/complex_magnitude", "noisy", 2, Box::new(ComplexMagnitude::new(0.25)?)),
        entry("likelihood/complex_intensity", "noisy", 2, Box::new(ComplexIntensity::new(0.5)?)),
        entry("likelihood/complex_intensity", "thin", 2, Box::new(ComplexIntensity::new(1e-3)?)),
        entry("likelihood/intensity", "noisy", 1, Box::new(Intensity::new(0.5)?)),
        entry("likelihood/intensity", "precise", 1, Box::new(Intensity::new(1e-3)?)),
        entry("likelihood/magnitude", "noisy", 1, Box::new(Magnitude::new(0.25)?)),
        entry("likelihood/magnitude", "precise", 1, Box::new(Magnitude::new(1e-3)?)),
    ])
}

pub(super) fn explicit() -> Likelihoods {
    let entry = |module, instance, columns, estimator: Box<dyn Likelihood>| {
        Entry::new(module, instance, columns, estimator)
    };
    Ok(vec![
        entry("likelihood/awgn", "one column", 1, Box::new(Awgn::new(4.0)?)),
        entry(
            "likelihood/awgn",
            "correlated",
            2,
            Box::new(Awgn::from_precision_matrix(2, &CORRELATED)?),
        ),
        entry("likelihood/awgn", "learning", 2, Box::new(Awgn::new(4.0)?.learn_noise())),
        entry("likelihood/awgn", "noise-free", 2, Box::new(Awgn::new(f64::INFINITY)?)),
        entry("likelihood/censored", "noisy", 1, Box::new(Censored::new(-1.0, 0.6, 0.5)?)),
        entry("likelihood/censored", "exact, one limit", 1, {
            Box::new(Censored::new(f64::NEG_INFINITY, 0.1, 0.0)?)
        }),
        entry("likelihood/diagonal_noise", "one column missing", 3, {
            Box::new(DiagonalNoise::new(&[2.0, 0.0, 0.5])?)
        }),
        entry("likelihood/masked", "signs, all there", 1, {
            Box::new(Masked::new(Sign::probit(0.5)?, &[true; 24])?)
        }),
        entry("likelihood/masked", "noise, learning", 1, {
            Box::new(Masked::new(Awgn::new(4.0)?.learn_noise(), &GAPS)?)
        }),
        entry("likelihood/mixed_columns", "two, learning", 2, {
            Box::new(MixedColumns::new(&[0.3, 0.7], 4.0)?.learn_noise().learn_weights())
        }),
        entry("likelihood/mixed_columns", "three", 3, {
            Box::new(MixedColumns::new(&[1.0, 2.0, 0.5], 20.0)?)
        }),
        entry("prior/grouped", "noise, learning", 1, {
            let noise = |p: f64| Awgn::new(p).map(Awgn::learn_noise);
            Box::new(Grouped::likelihoods([noise(4.0)?, noise(0.5)?], &THIRDS)?)
        }),
        entry("prior/per_row", "noise", 1, {
            let noise = (0..24).map(|i| Awgn::new(0.5 + f64::from(i % 5)));
            Box::new(PerRow::likelihoods(noise.collect::<Result<_, _>>()?)?)
        }),
        entry("likelihood/huber", "usual", 1, Box::new(HuberNoise::new(0.7, 1.345)?)),
        entry("likelihood/laplace_noise", "unit", 1, Box::new(LaplaceNoise::new(1.0)?)),
        entry("likelihood/quantised", "inner bin", 1, {
            Box::new(Quantised::new(&[-0.5, 0.2, 1.0, 1.7], 0.0)?)
        }),
        entry("likelihood/quantised", "dithered", 1, {
            let dither: Vec<f64> = (0..24).map(|i| 0.1 * f64::from(i % 5)).collect();
            Box::new(Quantised::new(&[-0.5, 0.2, 1.0, 1.7], 0.3)?.with_dither(&dither)?)
        }),
        entry(
            "likelihood/quantised",
            "outer bin, noisy",
            1,
            Box::new(Quantised::new(&[-0.5], 0.3)?),
        ),
        entry("likelihood/rectified", "ReLU", 1, Box::new(Rectified::relu(0.3)?)),
        entry("likelihood/rectified", "leaky", 1, Box::new(Rectified::leaky_relu(0.1, 0.3)?)),
        entry("likelihood/sign", "exact", 1, Box::new(Sign::new())),
        entry("likelihood/sign", "flipped", 1, Box::new(Sign::new().with_flips(0.1)?)),
        entry("likelihood/sign", "probit", 1, Box::new(Sign::probit(0.5)?)),
        entry(
            "likelihood/sign",
            "flipped probit",
            1,
            Box::new(Sign::probit(2.0)?.with_flips(0.02)?),
        ),
        entry(
            "likelihood/two_layer",
            "one ReLU, mean",
            1,
            Box::new(TwoLayerMmse::new(unit(Activation::Relu)?)),
        ),
        entry(
            "likelihood/two_layer",
            "linear, maximum",
            1,
            Box::new(TwoLayerMap::new(unit(Activation::Linear)?)?),
        ),
    ])
}

/// Noisy outputs of several hidden units, posterior means: averages over lines.
pub(super) fn noisy_layers() -> Likelihoods {
    const WEIGHTS: [f64; 4] = [1.2, -0.7, 0.5, -1.5];
    let entry = |instance, columns: usize, activation| {
        let weights = Rows::column(WEIGHTS[..columns].to_vec());
        let node = TwoLayerMmse::new(TwoLayer::new(weights, vec![0.25], activation, 4.0)?);
        Ok(Entry::new(
            "likelihood/two_layer",
            instance,
            columns,
            Box::new(node) as Box<dyn Likelihood>,
        ))
    };
    [
        entry("two ReLU, mean", 2, Activation::Relu),
        entry("two leaky ReLU, mean", 2, Activation::LeakyRelu { slope: 0.1 }),
        entry("two sigmoids, mean", 2, Activation::Sigmoid),
        entry("two tanh, mean", 2, Activation::Tanh),
        entry("two erf, mean", 2, Activation::Erf),
        entry("four ReLU, mean", 4, Activation::Relu),
        entry("four sigmoids, mean", 4, Activation::Sigmoid),
    ]
    .into_iter()
    .collect()
}

/// One hidden unit and one output: what can be compared with the laws to full accuracy.
fn unit(activation: Activation) -> Result<TwoLayer, ParameterError> {
    TwoLayer::new(Rows::column(vec![1.5]), vec![0.25], activation, 4.0)
}
