//! Gaussian rows around known centres, seen through a Gaussian cavity: what a Gaussian prior and Gaussian noise share.

use fg_core::denoiser::{GaussianRow, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;
use fg_core::special::number::Number;
use fg_core::special::{open_uniform, quantile};

use super::Spread;
use super::formula::{self, Formula};

/// The estimate of rows `x_i ~ N(c_i, C)`: mean `c + S (n - Gamma c)`, covariance `S = (C^-1 + Gamma)^-1`.
///
/// `centre(i)` is the centre of row `i` of the cavity. The form by the innovation keeps its digits when `C` is
/// tiny, where `S (C^-1 c + n)` multiplies and divides by huge numbers.
pub(crate) fn estimate<'c>(
    spread: &Spread,
    centre: impl Fn(usize) -> &'c [f64],
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
    scratch: &mut Scratch,
) -> Result<(), Breakdown> {
    let d = cavity.columns();
    let size = d * d;
    let (s, rest) = scratch.slice(5 * size + d).split_at_mut(size);
    let (innovation, rest) = rest.split_at_mut(d);
    spread.combine(cavity.precision(), s, rest, d);
    if s.iter().any(|v| !v.is_finite()) {
        return Err(Breakdown::NotFinite { port: 0, row: cavity.first_row() });
    }
    for i in 0..cavity.len() {
        let (n, c) = (&cavity.natural()[i * d..(i + 1) * d], centre(i));
        let mean = &mut out.mean[i * d..(i + 1) * d];
        innovate(cavity, n, c, innovation);
        small::row_times(innovation, s, mean, d);
        mean.iter_mut().zip(c).for_each(|(m, c)| *m += c);
        out.covariance[i * size..(i + 1) * size].copy_from_slice(s);
    }
    Ok(())
}

/// As [`estimate`], for one column with a centre for each row.
pub(crate) fn estimate_column(
    spread: &Spread,
    centres: &[f64],
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
) -> Result<(), Breakdown> {
    formula::apply_observed(&Column::new(spread, cavity)?, centres, cavity, out);
    Ok(())
}

/// As [`estimate_column`], with one centre for all rows.
pub(crate) fn estimate_around(
    spread: &Spread,
    centre: f64,
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
) -> Result<(), Breakdown> {
    let column = Column::new(spread, cavity)?;
    formula::apply(&Around { column, centre }, cavity, out);
    Ok(())
}

/// The estimate of one column: natural parameter and centre to mean and variance.
struct Column {
    s: f64,
    gamma: f64,
}

impl Column {
    fn new(spread: &Spread, cavity: &RowCavity<'_>) -> Result<Self, Breakdown> {
        let (gamma, mut s) = (cavity.scalar_precision(), [0.0]);
        spread.combine(&[gamma], &mut s, &mut [0.0; 4], 1);
        let [s] = s;
        if !s.is_finite() {
            return Err(Breakdown::NotFinite { port: 0, row: cavity.first_row() });
        }
        Ok(Self { s, gamma })
    }
}

impl Formula<2> for Column {
    #[inline(always)]
    fn row<N: Number>(&self, [n, c]: [N; 2]) -> [N; 2] {
        let s = n.constant(self.s);
        [s.mul_add(c.mul_add(n.constant(-self.gamma), n), c), s]
    }
}

/// The same around one centre.
struct Around {
    column: Column,
    centre: f64,
}

impl Formula<1> for Around {
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        self.column.row([n, n.constant(self.centre)])
    }
}

/// `log int N(x; c, C) exp(n'x - x' Gamma x / 2) dx`, with `k = n - Gamma c`:
/// `c'n - c' Gamma c / 2 + k' S k / 2 - log det(I + C Gamma) / 2`.
pub(crate) fn log_partition<'c>(
    spread: &Spread,
    centre: impl Fn(usize) -> &'c [f64],
    cavity: &RowCavity<'_>,
    out: &mut [f64],
) {
    let d = cavity.columns();
    let (mut s, mut innovation) = (vec![0.0; d * d], vec![0.0; d]);
    let log_determinant = spread.combine(cavity.precision(), &mut s, &mut vec![0.0; 4 * d * d], d);
    for i in 0..cavity.len() {
        let (n, c) = (&cavity.natural()[i * d..(i + 1) * d], centre(i));
        innovate(cavity, n, c, &mut innovation);
        // c'n - c' Gamma c / 2 = c' (n + k) / 2.
        let at_centre: f64 = (0..d).map(|j| 0.5 * c[j] * (n[j] + innovation[j])).sum();
        let around = small::bilinear(&innovation, &s, &innovation, d);
        out[i] = at_centre + 0.5 * (around - log_determinant);
    }
}

/// `k = n - Gamma c`.
pub(crate) fn innovate(cavity: &RowCavity<'_>, n: &[f64], c: &[f64], out: &mut [f64]) {
    small::row_times(c, cavity.precision(), out, n.len());
    out.iter_mut().zip(n).for_each(|(o, n)| *o = n - *o);
}

/// The message of a Gaussian row.
pub(crate) fn message(spread: &Spread, centre: &[f64]) -> GaussianRow {
    let d = centre.len();
    if spread.is_known() {
        return GaussianRow { natural: centre.to_vec(), precision: vec![0.0; d * d], known: true };
    }
    let precision = spread.precision(d);
    let mut natural = vec![0.0; d];
    small::row_times(centre, &precision, &mut natural, d);
    GaussianRow { natural, precision, known: false }
}

/// Adds noise of this covariance, made of as many uniforms as the row has columns.
pub(crate) fn add_noise(spread: &Spread, uniforms: &[f64], row: &mut [f64]) {
    spread.add_factor_times(|k| quantile(open_uniform(uniforms[k])), row);
}
