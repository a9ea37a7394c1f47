//! A sparse signal of which nothing is known, behind any likelihood: sparsity and size are learned along with it.

use fg_core::Rows;
use fg_core::denoiser::{Estimation, Likelihood, RowCavity};
use fg_core::message::small;
use fg_core::operator::LinearOperator;
use fg_core::special::{cdf, pdf};
use fg_denoisers::prior::{BernoulliGauss, GroupBernoulliGauss};

use super::{GeneralisedGraph, graph};
use crate::ModelError;
use crate::linear::dependence::dependent_columns;

/// The graph of [`graph`] for a Bernoulli-Gauss signal whose sparsity and variance are learned by expectation-maximisation
/// in the loop, one step a sweep. Of several columns rows are zero or not as a whole, and their full covariance is learned.
/// The likelihood learns what it is asked to: its noise by `learn_noise`, where it has that, or any one parameter as
/// [`Tuned`](fg_denoisers::Tuned). Learned values are in [`Solution::parameters`](fg_core::Solution::parameters).
///
/// It starts from as many non-zero entries as basis pursuit can recover from `m` observations of `n` entries, and from
/// slabs that make the rows of `A X` as large as the data say: of the variance at which the data have the greatest
/// evidence while they are Gaussian. Where all variances are alike, as for signs, it is 1. A signal whose size the data
/// don't tell, such as that behind exact signs, has none to be learned: there, fix the prior. Data that tell little of it are
/// learned from slowly: two labels an entry take 200 to 550 sweeps of [`Options::with_max_sweeps`](fg_core::Options), and until
/// then there are many small entries in place of few large ones.
///
/// ```
/// use fg_core::{Options, Rows, operator::Dense};
/// use fg_denoisers::{Rectified, Tuned};
/// use fg_models::generalised;
///
/// // Rectified outputs of thirty samples with a little noise; only the second of five inputs matters.
/// let features = Rows::from_fn(30, 5, |i, j| ((i * (2 * j + 3) + j * j) as f64).sin());
/// let outputs = Rows::from_fn(30, 1, |i, _| (2.0 * features[(i, 1)]).max(0.0) + 0.01 * (i as f64).cos());
/// let noisy = Tuned::new("noise variance", 0.1, Rectified::relu)?;
/// let model = generalised::sparse(Dense::from_rows(&features)?, noisy, outputs)?;
/// let fit = model.fit(&Options::default().with_damping(0.8), &mut ())?;
/// assert!((fit.estimate()[(1, 0)] - 2.0).abs() < 0.1);
/// assert!(fit.solution().parameters().iter().any(|(_, p)| p.name == "sparsity"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ModelError`] when the operator vanishes, so that there is nothing to start from;
/// [`ModelError::Dependent`] where the likelihood learns and as many columns of data as unknown ones are linearly dependent: as
/// the noise goes to zero with the covariance of the columns, their density grows without bound. Shapes and data are checked
/// when the graph is built.
pub fn sparse(
    operator: impl LinearOperator + 'static,
    likelihood: impl Likelihood + 'static,
    data: Rows,
) -> Result<GeneralisedGraph, ModelError> {
    let columns = likelihood.columns().unwrap_or(data.columns());
    let several = columns > 1 && data.columns() == columns && data.first_non_finite().is_none();
    if several
        && !likelihood.learning().is_empty()
        && let Some(columns) = dependent_columns(&data)
    {
        return Err(ModelError::Dependent { columns });
    }
    let variance = explaining_variance(&likelihood, &data, columns);
    sparse_of(operator, likelihood, data, columns, variance)
}

/// As [`sparse`], from this variance of the entries of `A X` on.
pub(crate) fn sparse_of(
    operator: impl LinearOperator + 'static,
    likelihood: impl Likelihood + 'static,
    data: Rows,
    columns: usize,
    output_variance: f64,
) -> Result<GeneralisedGraph, ModelError> {
    let (m, n) = (operator.outputs() as f64, operator.inputs() as f64);
    let sparsity = recoverable(m / n);
    let variance = m * output_variance / (sparsity * operator.squared_norm());
    Ok(if columns == 1 {
        let prior = BernoulliGauss::new(sparsity, 0.0, variance)?;
        graph(operator, prior.learn_sparsity().learn_variance(), likelihood, data)
    } else {
        let covariance = small::scalar_matrix(variance, columns);
        let prior = GroupBernoulliGauss::with_covariance(sparsity, columns, &covariance)?;
        graph(operator, prior.learn_sparsity().learn_covariance(), likelihood, data)
    })
}

/// The variance of independent Gaussian entries of `Z` at which the data have the greatest evidence, 1 where all have the
/// same; and where the likelihood doesn't tell.
fn explaining_variance(likelihood: &dyn Likelihood, data: &Rows, columns: usize) -> f64 {
    /// Variances tried: powers of two from `2^-SPAN` to `2^SPAN`. It is a start.
    const SPAN: i32 = 30;
    /// What counts as more evidence, a row: well above the rounding of a log-partition function.
    const MORE: f64 = 1e-9;
    let rows = data.rows();
    let model = |i: usize| likelihood.row_model(i).unwrap_or(likelihood);
    // What doesn't fit is refused when the graph is built.
    let fits = data.columns() == likelihood.outputs(columns)
        && likelihood.rows().is_none_or(|expected| expected == rows)
        && data.first_non_finite().is_none()
        && (0..rows).all(|i| model(i).check(data.row(i)).is_ok());
    // Maximisers have no evidence.
    if !fits || likelihood.estimation() != Estimation::Mmse {
        return 1.0;
    }
    let (nothing, mut out) = (vec![0.0; rows * columns], vec![0.0; rows]);
    let mut evidence = |variance: f64| -> Option<f64> {
        let precision = small::scalar_matrix(variance.recip(), columns);
        let cavity = RowCavity::new(0, columns, &nothing, &nothing, &precision);
        // Less the logarithm of `int exp(-z' z / (2 variance)) dz`, but for a constant.
        let volume = 0.5 * (rows * columns) as f64 * variance.ln();
        let told = likelihood.log_partition(data.as_slice(), &cavity, &mut out);
        told.then(|| out.iter().sum::<f64>() - volume)
    };
    let mut best = (1.0, evidence(1.0).unwrap_or(f64::NEG_INFINITY));
    for k in (1..=SPAN).flat_map(|k| [k, -k]) {
        let variance = 2_f64.powi(k);
        let more = |found: &f64| *found > best.1 + MORE * rows as f64;
        if let Some(found) = evidence(variance).filter(more) {
            best = (variance, found);
        }
    }
    best.0
}

/// Share of non-zero entries that basis pursuit recovers at the sampling ratio `delta = m / n`, with independent entries
/// of the operator: `delta max_c (1 - 2 g / delta) / (1 + c^2 - 2 g)`, `g = (1 + c^2) Phi(-c) - c phi(c)` (Donoho, Maleki
/// and Montanari 2009). Beyond `delta = 1` as there.
fn recoverable(delta: f64) -> f64 {
    /// Thresholds tried, and the largest: the maximum is flat, and beyond six deviations nothing is left of a Gaussian.
    const TRIED: u32 = 600;
    const LARGEST: f64 = 6.0;
    let delta = delta.min(1.0);
    let at = |c: f64| {
        let tail = (1.0 + c * c) * cdf(-c) - c * pdf(c);
        (1.0 - 2.0 * tail / delta) / (1.0 + c * c - 2.0 * tail)
    };
    let best = (1..=TRIED).map(|k| at(LARGEST * f64::from(k) / f64::from(TRIED)));
    delta * best.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fg_core::operator::Dense;
    use fg_denoisers::{Awgn, Logistic, Magnitude, Masked};

    #[test]
    fn what_basis_pursuit_recovers() {
        // Donoho and Tanner's weak transition, k / m at m / n = 0.5 and 0.1; the grid is exact to its square.
        const TOLERANCE: f64 = 5e-4;
        for (delta, expected) in [(0.5, 0.3857), (0.1, 0.1894)] {
            let found = recoverable(delta) / delta;
            assert!((found - expected).abs() < TOLERANCE, "{delta}: {found}");
        }
        assert!(recoverable(2.0) > 0.9 && recoverable(2.0) <= 1.0);
    }

    #[test]
    fn dependent_columns_are_refused_where_noise_is_learned() {
        let model = |noise: Awgn| {
            let operator =
                Dense::from_rows(&Rows::from_fn(6, 4, |i, j| ((i * j + i) as f64).sin()));
            let data = Rows::from_fn(6, 2, |i, j| (j as f64 + 1.0) * (i as f64).cos());
            sparse(operator.unwrap(), noise, data)
        };
        let noise = || Awgn::new(4.0).unwrap();
        assert!(model(noise()).is_ok());
        let error = model(noise().learn_noise()).unwrap_err();
        assert_eq!(error, ModelError::Dependent { columns: vec![0, 1] });
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "powers of two")]
    fn the_size_of_the_output_is_what_the_data_say_within_the_grid() {
        // Mean square 64, of which one is noise: the grid has 64 next to 63.
        let data = Rows::from_fn(10, 1, |i, _| if i % 2 == 0 { 8.0 } else { -8.0 });
        assert_eq!(explaining_variance(&Awgn::new(1.0).unwrap(), &data, 1), 64.0);
        let sizes = Rows::from_fn(10, 1, |_, _| 8.0);
        assert_eq!(explaining_variance(&Magnitude::new(1.0).unwrap(), &sizes, 1), 64.0);
        // Nor does what stands in the place of data that are missing.
        let gaps = Rows::from_fn(10, 1, |i, _| if i == 0 { f64::NAN } else { 8.0 });
        let (masked, filled) = Masked::with_gaps(Magnitude::new(1.0).unwrap(), &gaps).unwrap();
        assert_eq!(explaining_variance(&masked, &filled, 1), 64.0);
        // Signs say nothing of it, what isn't one neither.
        let labels = Rows::from_fn(10, 1, |i, _| if i < 3 { 1.0 } else { -1.0 });
        assert_eq!(explaining_variance(&Logistic::new(), &labels, 1), 1.0);
        assert_eq!(explaining_variance(&Logistic::new(), &data, 1), 1.0);
    }
}
