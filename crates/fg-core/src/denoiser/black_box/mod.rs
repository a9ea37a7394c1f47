//! Any function of all rows and a noise level as a denoiser: its divergence comes by Monte Carlo probes.

mod options;

pub use options::{BlackBoxError, BlackBoxOptions};

use core::fmt;

use super::{Denoiser, Estimation, Law, RowCavity, RowEstimate, Scratch};
use crate::factor::Breakdown;
use crate::message::{ColumnForm, small};
use crate::rows::Rows;
use crate::special::hash::sign;

/// A denoiser from any function `|rows, noise| -> rows` of all `n x d` rows and the standard deviation of their
/// noise: a trained network, a wavelet shrinkage, a call into another program.
///
/// The function is called once for the estimate and `2 k` times for its derivative, `k` the number of probes
/// (`2 k d` times when the precision isn't a multiple of the identity). With signs `s` that are `+1` or `-1`, one
/// probe of step `h` is
///
/// ```text
/// J = 1/n sum_i s_i [f(R + h s) - f(R - h s)]_i / (2 h)        E J = 1/n sum_i d f_i / d r_i
/// ```
///
/// * The signs are a hash (`SplitMix64`) of seed, probe and index: the same call gives the same answer, and there
///   is no generator to carry along. They are alike in every sweep, which keeps the error from jittering a run.
/// * The step is `options.step * noise`, and not below what rounding of the rows resolves.
/// * An isotropic precision `gamma I` is answered by the covariance `div / (n d gamma) I`; any other by the
///   symmetric part of the full `d x d` average `J Gamma^-1`, and the noise handed over is then
///   `sqrt(trace(Gamma^-1) / d)`. All rows get the averaged covariance.
/// * The precision must be positive definite, since noise without bound has no level.
///
/// The standard error over the probes is [declared](Scratch::declare).
///
/// ```
/// use fg_core::{Rows, denoiser::{BlackBox, BlackBoxOptions}};
/// let shrink = BlackBox::new("shrink", |rows: &Rows, noise: f64| {
///     Rows::from_fn(rows.rows(), rows.columns(), |i, j| rows[(i, j)] / (1.0 + noise * noise))
/// })
/// .with_options(BlackBoxOptions::default().with_target(0.05))?;
/// # Ok::<(), fg_core::denoiser::BlackBoxError>(())
/// ```
pub struct BlackBox<F> {
    name: String,
    function: F,
    options: BlackBoxOptions,
    estimation: Estimation,
    law: Option<Box<dyn Law>>,
    rows: Option<usize>,
}

impl<F: Fn(&Rows, f64) -> Rows + Send + Sync> BlackBox<F> {
    /// The denoiser of this function, with default options; it is taken to answer with posterior means.
    pub fn new(name: impl Into<String>, function: F) -> Self {
        Self {
            name: name.into(),
            function,
            options: BlackBoxOptions::default(),
            estimation: Estimation::default(),
            law: None,
            rows: None,
        }
    }

    /// The same with other options.
    ///
    /// # Errors
    /// [`BlackBoxError`] when they are out of bounds.
    pub fn with_options(mut self, options: BlackBoxOptions) -> Result<Self, BlackBoxError> {
        options.validate()?;
        self.options = options;
        Ok(self)
    }

    /// Says whether the function is a posterior mean or a maximiser. Default: posterior mean.
    #[must_use]
    pub fn with_estimation(mut self, estimation: Estimation) -> Self {
        self.estimation = estimation;
        self
    }

    /// The distribution rows are drawn from. Default: none, the model can't draw data.
    #[must_use]
    pub fn with_law(mut self, law: impl Law + 'static) -> Self {
        self.law = Some(Box::new(law));
        self
    }

    /// The number of rows the function is for. Default: any.
    #[must_use]
    pub fn with_rows(mut self, rows: usize) -> Self {
        self.rows = Some(rows);
        self
    }

    /// How the divergence is measured.
    pub fn options(&self) -> &BlackBoxOptions {
        &self.options
    }

    /// Calls the function and refuses an answer of another shape or with a number that isn't finite.
    fn call(&self, rows: &Rows, noise: f64) -> Result<Rows, Breakdown> {
        let answer = (self.function)(rows, noise);
        if answer.shape() != rows.shape() {
            let (expected, found) = (rows.shape(), answer.shape());
            return Err(Breakdown::WrongShape { port: 0, expected, found });
        }
        match answer.first_non_finite() {
            Some((row, _)) => Err(Breakdown::NotFinite { port: 0, row }),
            None => Ok(answer),
        }
    }

    /// One probe of the averaged Jacobian `d x d`; `column` is perturbed alone when given, all columns otherwise,
    /// where only the mean diagonal is measured, into `out[0]`.
    fn probe(
        &self,
        point: &mut Probe<'_>,
        column: Option<usize>,
        out: &mut [f64],
    ) -> Result<(), Breakdown> {
        let (n, d) = point.base.shape();
        let step = point.step;
        let sign = |i: usize, j: usize| sign(self.options.seed, point.index, i * d + j);
        let perturbed = |j: usize| column.is_none_or(|c| c == j);
        let answers = [step, -step].map(|h| {
            point.moved.copy_from(point.base);
            for i in 0..n {
                let row = point.moved.row_mut(i);
                for j in (0..d).filter(|&j| perturbed(j)) {
                    row[j] += h * sign(i, j);
                }
            }
            self.call(point.moved, point.noise)
        });
        let [forward, backward] = answers;
        let (forward, backward) = (forward?, backward?);
        out.fill(0.0);
        for i in 0..n {
            for j in 0..d {
                // The step actually taken, after rounding, would differ by row; the rule for the step keeps that
                // difference below the bias.
                let slope = (forward[(i, j)] - backward[(i, j)]) / (2.0 * step * n as f64);
                match column {
                    None => out[0] += sign(i, j) * slope / d as f64,
                    Some(k) => out[j * d + k] += sign(i, k) * slope,
                }
            }
        }
        Ok(())
    }

    /// Mean of the probes in `mean` and its relative standard error, with as many probes as that needs.
    fn average(
        &self,
        mut point: Probe<'_>,
        isotropic: bool,
        mean: &mut [f64],
    ) -> Result<f64, Breakdown> {
        let d = point.base.columns();
        let (mut sample, mut squares) = (vec![0.0; d * d], vec![0.0; d * d]);
        let mut column = vec![0.0; d * d];
        mean.fill(0.0);
        let mut error = f64::INFINITY;
        for k in 0..self.options.max_probes {
            point.index = k as u64;
            if isotropic {
                self.probe(&mut point, None, &mut sample)?;
            } else {
                sample.fill(0.0);
                for c in 0..d {
                    self.probe(&mut point, Some(c), &mut column)?;
                    sample.iter_mut().zip(&column).for_each(|(s, v)| *s += v);
                }
            }
            let count = (k + 1) as f64;
            for ((m, q), s) in mean.iter_mut().zip(&mut squares).zip(&sample) {
                let before = s - *m;
                *m += before / count;
                *q += before * (s - *m);
            }
            if k + 1 >= self.options.min_probes {
                let norm = mean.iter().map(|m| m * m).sum::<f64>();
                let variance = squares.iter().sum::<f64>() / (count * (count - 1.0));
                // Nothing measured and nothing seen: a constant function, whose zero Jacobian is exact.
                error = if variance == 0.0 { 0.0 } else { (variance / norm).sqrt() };
                if error <= self.options.target {
                    break;
                }
            }
        }
        Ok(error)
    }
}

/// Where the function is probed.
struct Probe<'a> {
    base: &'a Rows,
    moved: &'a mut Rows,
    noise: f64,
    step: f64,
    index: u64,
}

/// Central differences lose no more to rounding than to curvature at the cube root of the rounding unit.
const RESOLVED_STEP: f64 = 6e-6;

impl<F: Fn(&Rows, f64) -> Rows + Send + Sync> Denoiser for BlackBox<F> {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let (n, d) = (cavity.len(), cavity.columns());
        if n == 0 {
            return Ok(());
        }
        let size = d * d;
        let (inverse, rest) = scratch.slice(5 * size).split_at_mut(size);
        let (jacobian, rest) = rest.split_at_mut(size);
        let (covariance, workspace) = rest.split_at_mut(size);
        if small::invert_positive(cavity.precision(), inverse, workspace, d).is_err() {
            return Err(Breakdown::ImproperCavity { port: 0, row: cavity.first_row() });
        }
        let noise = (small::trace(inverse, d) / d as f64).sqrt();
        let base = Rows::from_fn(n, d, |i, j| cavity.mean()[i * d + j]);
        out.mean.copy_from_slice(self.call(&base, noise)?.as_slice());

        let root_mean_square = (base.norm_squared() / (n * d) as f64).sqrt();
        let step = (self.options.step * noise).max(RESOLVED_STEP * root_mean_square);
        let isotropic = ColumnForm::Isotropic.holds(cavity.precision(), d);
        let mut moved = base.clone();
        let point = Probe { base: &base, moved: &mut moved, noise, step, index: 0 };
        let error = self.average(point, isotropic, jacobian)?;

        if isotropic {
            covariance.fill(0.0);
            (0..d).for_each(|j| covariance[j * d + j] = jacobian[0] * inverse[0]);
        } else {
            small::multiply(jacobian, inverse, covariance, d);
            small::symmetrise(covariance, d);
        }
        out.covariance.chunks_exact_mut(size).for_each(|row| row.copy_from_slice(covariance));
        scratch.declare(error);
        Ok(())
    }

    fn rows(&self) -> Option<usize> {
        self.rows
    }

    fn estimation(&self) -> Estimation {
        self.estimation
    }

    fn separable(&self) -> bool {
        false
    }

    fn law(&self) -> Option<&dyn Law> {
        self.law.as_deref()
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl<F> fmt::Debug for BlackBox<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, function: _, options, estimation, law, rows } = self;
        f.debug_struct("BlackBox")
            .field("name", name)
            .field("options", options)
            .field("estimation", estimation)
            .field("law", law)
            .field("rows", rows)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean, covariance and declared standard error.
    type Answer = (Vec<f64>, Vec<f64>, f64);

    fn run(denoiser: &dyn Denoiser, mean: &Rows, precision: &[f64]) -> Result<Answer, Breakdown> {
        let (n, d) = mean.shape();
        let mut natural = vec![0.0; n * d];
        for i in 0..n {
            small::row_times(mean.row(i), precision, &mut natural[i * d..(i + 1) * d], d);
        }
        let cavity = RowCavity::new(0, d, &natural, mean.as_slice(), precision);
        let (mut estimate, mut covariance) = (vec![0.0; n * d], vec![f64::NAN; n * d * d]);
        let mut out = RowEstimate { mean: &mut estimate, covariance: &mut covariance };
        let mut scratch = Scratch::default();
        denoiser.estimate(&cavity, &mut out, &mut scratch)?;
        Ok((estimate, covariance, scratch.take_standard_error()))
    }

    fn wave(n: usize, d: usize) -> Rows {
        Rows::from_fn(n, d, |i, j| (0.7 * i as f64 + j as f64).sin())
    }

    #[test]
    fn an_elementwise_function_is_measured_exactly_and_without_spread() {
        let cube = BlackBox::new("cube", |rows: &Rows, _: f64| {
            Rows::from_fn(rows.rows(), 1, |i, _| rows[(i, 0)].powi(3))
        });
        let r = wave(50, 1);
        let (_, covariance, error) = run(&cube, &r, &[4.0]).unwrap();
        let exact = 3.0 * r.norm_squared() / 50.0 / 4.0;
        // Bias: the cube of the default step of half a percent.
        assert!((covariance[7] - exact).abs() < 1e-4, "{} {exact}", covariance[7]);
        assert!(error < 1e-10, "signs square to one: {error}");
    }

    #[test]
    fn couplings_between_rows_stay_within_the_reported_error() {
        // Divergence n/2; the coupling to the next row is noise to the probes.
        let blend = BlackBox::new("blend", |rows: &Rows, _: f64| {
            let n = rows.rows();
            Rows::from_fn(n, 1, |i, _| 0.5 * rows[(i, 0)] + 0.5 * rows[((i + 1) % n, 0)])
        })
        .with_options(BlackBoxOptions::default().with_probes(8, 200))
        .unwrap();
        let (_, covariance, error) = run(&blend, &wave(2000, 1), &[2.0]).unwrap();
        assert!(error > 0.0 && error <= 0.01, "{error}");
        // Five standard errors: a false alarm in a million.
        assert!((covariance[0] / 0.25 - 1.0).abs() < 5.0 * error, "{} {error}", covariance[0]);
    }

    #[test]
    fn a_full_precision_gets_the_full_jacobian() {
        let matrix = [0.5, 0.1, 0.2, 0.3];
        let mixing = BlackBox::new("mixing", move |rows: &Rows, _: f64| {
            Rows::from_fn(rows.rows(), 2, |i, j| {
                rows[(i, 0)] * matrix[2 * j] + rows[(i, 1)] * matrix[2 * j + 1]
            })
        });
        let (_, covariance, _) = run(&mixing, &wave(10, 2), &[2.0, 0.0, 0.0, 4.0]).unwrap();
        // J Gamma^-1 = [0.25, 0.025; 0.1, 0.075], symmetrised.
        for (found, expected) in covariance.iter().zip([0.25, 0.0625, 0.0625, 0.075]) {
            assert!((found - expected).abs() < 1e-12, "{covariance:?}");
        }
        let (_, covariance, _) = run(&mixing, &wave(10, 2), &[2.0, 0.0, 0.0, 2.0]).unwrap();
        assert!(
            covariance[1] == 0.0 && covariance[0].to_bits() == covariance[3].to_bits(),
            "{covariance:?}"
        );
    }

    #[test]
    fn wrong_answers_are_breakdowns() {
        let short = BlackBox::new("short", |_: &Rows, _: f64| Rows::zeros(1, 1));
        let wrong = Breakdown::WrongShape { port: 0, expected: (5, 1), found: (1, 1) };
        assert_eq!(run(&short, &wave(5, 1), &[1.0]), Err(wrong));
        let nan = BlackBox::new("nan", |rows: &Rows, _: f64| {
            Rows::from_fn(rows.rows(), 1, |i, _| if i == 2 { f64::NAN } else { 0.0 })
        });
        assert_eq!(run(&nan, &wave(5, 1), &[1.0]), Err(Breakdown::NotFinite { port: 0, row: 2 }));
        let improper = Err(Breakdown::ImproperCavity { port: 0, row: 0 });
        assert_eq!(run(&nan, &wave(5, 1), &[0.0]), improper);
    }

    #[test]
    fn jumps_count_in_the_average() {
        // Hard threshold on a fine grid of a uniform law on [-2, 2]: slope 1/2 plus two jumps of 1 over length 4.
        let hard = BlackBox::new("hard", |rows: &Rows, _: f64| {
            Rows::from_fn(rows.rows(), 1, |i, _| {
                let r = rows[(i, 0)];
                if r.abs() > 1.0 { r } else { 0.0 }
            })
        });
        let n = 40_000;
        let grid = Rows::from_fn(n, 1, |i, _| -2.0 + 4.0 * (i as f64 + 0.5) / n as f64);
        let (_, covariance, _) = run(&hard, &grid, &[1.0]).unwrap();
        // Grid points within a step of 0.01 of a jump number 200 each: one more or less is half a percent of 1/2.
        assert!((covariance[0] - 1.0).abs() < 0.01, "{}", covariance[0]);
    }
}
