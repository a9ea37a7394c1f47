//! A teacher network with known weights decides what the two-layer model should learn, and how well it can.

use fg_core::Rows;
use fg_denoisers::ParameterError;
use fg_denoisers::likelihood::{Activation, Link, TwoLayer};
use rand::Rng;

use super::labels::{draw_labels, scale_and_bias};
use super::signal::{add_noise, gaussian_rows, noise_variance};

/// The setting of a two-layer experiment. The default is that of Pandit, Sahraee-Ardakan, Rangan, Schniter and
/// Fletcher (2020), figure 2, with 1000 training samples and the ReLU.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TeacherSettings {
    /// `N_in`. Default: 100.
    pub inputs: usize,
    /// `d`. Default: 4.
    pub hidden: usize,
    /// `N_out`. Default: 1.
    pub outputs: usize,
    /// Whether the hidden units have a bias, drawn as the weights are. Default: no.
    pub bias: bool,
    /// Default: ReLU.
    pub activation: Activation,
    /// Turns the outputs into labels by this link. Default: none, noise is added.
    pub link: Option<Link>,
    /// Mean square of the noiseless output over the noise variance, in decibels; with labels that of the noise before the
    /// sign is taken, [`Link::noise_variance`]. Default: 10.
    pub snr_db: f64,
    /// Training samples. Default: 1000.
    pub train: usize,
    /// Test samples. Default: 1000.
    pub test: usize,
}

impl Default for TeacherSettings {
    fn default() -> Self {
        Self {
            inputs: 100,
            hidden: 4,
            outputs: 1,
            bias: false,
            activation: Activation::Relu,
            link: None,
            snr_db: 10.0,
            train: 1000,
            test: 1000,
        }
    }
}

/// A network `y = W2' sigma(W1' x + b1) + b2` that draws data.
#[derive(Clone, Debug, PartialEq)]
pub struct Teacher {
    /// `W1`, `N_in x d`.
    pub input_weights: Rows,
    /// `b1`, of length `d`; zero without a bias.
    pub input_bias: Vec<f64>,
    /// `W2`, the activation, and `b2`: zero with noise, minus the mean output with labels.
    pub output: TwoLayer,
}

/// Inputs with their outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// `X`, `N x N_in`.
    pub inputs: Rows,
    /// Outputs without noise, `N x N_out`: what the [`Link`] makes probabilities of labels of.
    pub clean: Rows,
    /// Outputs with noise, or labels -1 and 1, `N x N_out`.
    pub noisy: Rows,
}

/// A teacher with training and test data.
#[derive(Clone, Debug, PartialEq)]
pub struct TwoLayerProblem {
    /// The truth; its output layer has the precision of the noise in the data, or their link.
    pub teacher: Teacher,
    /// What is learned from.
    pub train: Samples,
    /// What the learner is judged on.
    pub test: Samples,
    /// Variance of the noise on each output, with labels before its sign is taken.
    pub noise_variance: f64,
}

impl TeacherSettings {
    fn check(&self) -> Result<(), ParameterError> {
        let refuse = |parameter, size: usize, requirement| {
            let value = size as f64;
            Err(ParameterError::OutOfRange { parameter, value, requirement })
        };
        for (name, size) in [
            ("inputs", self.inputs),
            ("hidden", self.hidden),
            ("outputs", self.outputs),
            ("train", self.train),
            ("test", self.test),
        ] {
            if size == 0 {
                return refuse(name, size, "at least 1");
            }
        }
        match self.link {
            Some(_) if self.outputs > 1 => refuse("outputs", self.outputs, "1 with labels"),
            _ => Ok(()),
        }
    }
}

impl Teacher {
    /// Noiseless outputs for `inputs` (`N x N_in`).
    ///
    /// # Panics
    /// When the inputs have another number of columns.
    #[track_caller]
    pub fn outputs(&self, inputs: &Rows) -> Rows {
        let (n, d) = self.input_weights.shape();
        assert_eq!(inputs.columns(), n, "inputs need a column a row of W1");
        let mut clean = Rows::zeros(inputs.rows(), self.output.outputs());
        let mut hidden = vec![0.0; d];
        for i in 0..inputs.rows() {
            hidden.copy_from_slice(&self.input_bias);
            for (k, x) in inputs.row(i).iter().enumerate() {
                hidden.iter_mut().zip(self.input_weights.row(k)).for_each(|(z, w)| *z += x * w);
            }
            self.output.predict(&hidden, clean.row_mut(i));
        }
        clean
    }
}

impl TwoLayerProblem {
    /// Draws a teacher and its data: weights `N(0, 1)`, inputs `N(0, 1 / N_in)`, noise variance from the mean
    /// square of the noiseless outputs of training and test data together, as published. The noise of labels is their
    /// link's: the output weights are scaled to the ratio instead, and the output bias takes the mean output away.
    ///
    /// # Errors
    /// [`ParameterError`] when a size is zero, there are labels of several outputs, or the signal-to-noise ratio isn't a
    /// positive finite number as a power.
    pub fn draw<R: Rng + ?Sized>(
        settings: &TeacherSettings,
        rng: &mut R,
    ) -> Result<Self, ParameterError> {
        settings.check()?;
        let TeacherSettings { inputs, hidden, outputs, activation, train, test, .. } = *settings;
        let input_weights = gaussian_rows(inputs, hidden, 1.0, rng);
        let input_bias = match settings.bias {
            true => gaussian_rows(1, hidden, 1.0, rng).into_vec(),
            false => vec![0.0; hidden],
        };
        let output_weights = gaussian_rows(hidden, outputs, 1.0, rng);
        let all = gaussian_rows(train + test, inputs, 1.0 / inputs as f64, rng);
        // Noise or output weights are known only once there are outputs to measure them against.
        let layer = |precision| {
            TwoLayer::new(output_weights.clone(), vec![0.0; outputs], activation, precision)
        };
        let mut teacher = Teacher { input_weights, input_bias, output: layer(1.0)? };
        let outputs = teacher.outputs(&all);
        let (clean, noisy, variance) = match settings.link {
            None => {
                let variance = noise_variance(&outputs, settings.snr_db);
                teacher.output = layer(variance.recip())?;
                let noisy = add_noise(&outputs, variance, rng);
                (outputs, noisy, variance)
            }
            Some(link) => {
                let (scale, bias) = scale_and_bias(&outputs, link, settings.snr_db);
                let weights: Vec<f64> =
                    output_weights.as_slice().iter().map(|w| scale * w).collect();
                teacher.output = TwoLayer::labels(&weights, bias, activation, link)?;
                let clean = teacher.outputs(&all);
                let labels = draw_labels(&clean, link, rng);
                (clean, labels, link.noise_variance())
            }
        };
        let part = |start: usize, count: usize| {
            let cut = |of: &Rows| Rows::from_fn(count, of.columns(), |i, j| of[(start + i, j)]);
            Samples { inputs: cut(&all), clean: cut(&clean), noisy: cut(&noisy) }
        };
        let (train, test) = (part(0, train), part(train, test));
        Ok(Self { teacher, train, test, noise_variance: variance })
    }
}

/// Weights that share the part `share` of their variance with `truth`, whose entries have variance 1:
/// `sqrt(share) truth + sqrt(1 - share) noise`. The published start is `share = 0.25`.
///
/// # Panics
/// When `share` is outside `[0, 1]`.
#[track_caller]
pub fn correlated_weights<R: Rng + ?Sized>(truth: &Rows, share: f64, rng: &mut R) -> Rows {
    assert!((0.0..=1.0).contains(&share), "share {share} outside [0, 1]");
    let mut weights = gaussian_rows(truth.rows(), truth.columns(), 1.0 - share, rng);
    for (w, t) in weights.as_mut_slice().iter_mut().zip(truth.as_slice()) {
        *w += share.sqrt() * t;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    #[test]
    fn outputs_of_a_small_teacher_by_hand() {
        let output_weights = Rows::from_vec(2, 1, vec![2.0, -1.0]).unwrap();
        let teacher = Teacher {
            input_weights: Rows::from_vec(2, 2, vec![1.0, 0.5, -1.0, 2.0]).unwrap(),
            input_bias: vec![0.5, -10.0],
            output: TwoLayer::new(output_weights, vec![0.25], Activation::Relu, 1.0).unwrap(),
        };
        let inputs = Rows::from_vec(2, 2, vec![3.0, 1.0, 0.0, 6.0]).unwrap();
        // Hidden rows (3 - 1 + 0.5, 1.5 + 2 - 10) and (-6 + 0.5, 12 - 10).
        assert_eq!(teacher.outputs(&inputs).as_slice(), [2.0 * 2.5 + 0.25, -2.0 + 0.25]);
    }

    #[test]
    fn the_noise_has_the_ratio_asked_for() {
        let settings = TeacherSettings { train: 20_000, test: 20_000, ..Default::default() };
        let problem = TwoLayerProblem::draw(&settings, &mut Pcg64::seed_from_u64(1)).unwrap();
        // Relative standard error of a variance from 2e4 samples: 0.01; 5 of them.
        let measured = problem.test.noisy.mean_squared_error(&problem.test.clean);
        assert!((measured / problem.noise_variance - 1.0).abs() < 0.05, "noise {measured}");
        let count = 20_000.0;
        let power = (problem.train.clean.norm_squared() + problem.test.clean.norm_squared())
            / (2.0 * count);
        assert!((power / problem.noise_variance - 10.0).abs() < 1e-10, "power {power}");
        assert!(
            (problem.teacher.output.noise_precision().unwrap() * problem.noise_variance - 1.0)
                .abs()
                < 1e-14
        );
    }

    #[test]
    fn labels_have_the_ratio_and_the_probabilities_asked_for() {
        let link = Link::Logistic;
        let settings = TeacherSettings {
            link: Some(link),
            snr_db: 3.0,
            train: 20_000,
            test: 20_000,
            ..Default::default()
        };
        let problem = TwoLayerProblem::draw(&settings, &mut Pcg64::seed_from_u64(4)).unwrap();
        let parts = [&problem.train, &problem.test];
        let outputs: Vec<f64> = parts.iter().flat_map(|p| p.clean.as_slice()).copied().collect();
        let count = outputs.len() as f64;
        let power = outputs.iter().map(|u| u * u).sum::<f64>() / count;
        let expected = 10_f64.powf(0.3) * link.noise_variance();
        assert!((power / expected - 1.0).abs() < 1e-10, "power {power}");
        assert!(outputs.iter().sum::<f64>().abs() < 1e-8 * count, "mean output");
        // In each fifth of the outputs as many labels 1 as their probabilities say; 8000 of them, four standard errors.
        let mut pairs: Vec<(f64, f64)> = parts
            .iter()
            .flat_map(|p| p.clean.as_slice().iter().zip(p.noisy.as_slice()))
            .map(|(u, y)| (link.probability(*u), *y))
            .collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        for fifth in pairs.chunks(8000) {
            let expected = fifth.iter().map(|(p, _)| p).sum::<f64>();
            let deviation = fifth.iter().map(|(p, _)| p * (1.0 - p)).sum::<f64>().sqrt();
            let found = fifth.iter().filter(|(_, y)| *y > 0.0).count() as f64;
            assert!((found - expected).abs() < 4.0 * deviation, "{found} for {expected}");
        }
    }

    #[test]
    fn labels_are_of_one_output() {
        let settings =
            TeacherSettings { link: Some(Link::Logistic), outputs: 2, ..Default::default() };
        let error = TwoLayerProblem::draw(&settings, &mut Pcg64::seed_from_u64(5)).unwrap_err();
        assert_eq!(error.to_string(), "outputs must be 1 with labels, got 2");
    }

    #[test]
    fn starts_are_as_correlated_as_asked() {
        let mut rng = Pcg64::seed_from_u64(2);
        let truth = gaussian_rows(10_000, 4, 1.0, &mut rng);
        let start = correlated_weights(&truth, 0.25, &mut rng);
        let dot: f64 = truth.as_slice().iter().zip(start.as_slice()).map(|(a, b)| a * b).sum();
        let correlation = dot / (truth.norm_squared() * start.norm_squared()).sqrt();
        // Standard error (1 - r^2) / sqrt(4e4) = 0.004; 5 of them.
        assert!((correlation - 0.5).abs() < 0.02, "correlation {correlation}");
    }

    #[test]
    fn sizes_of_zero_are_named() {
        let settings = TeacherSettings { hidden: 0, ..Default::default() };
        let error = TwoLayerProblem::draw(&settings, &mut Pcg64::seed_from_u64(3)).unwrap_err();
        assert_eq!(error.to_string(), "hidden must be at least 1, got 0");
    }
}
