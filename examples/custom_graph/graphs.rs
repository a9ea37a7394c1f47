//! Three graphs of instruments that see sparse signals: what a model is, is what is written here.

use fg_core::denoiser::Denoiser;
use fg_core::operator::Dense;
use fg_core::{Graph, GraphBuilder, Rows};
use fg_denoisers::{Awgn, ColumnMixing};
use fg_models::ModelError;

/// An instrument: its operator, and what it saw.
pub(crate) struct Instrument {
    pub(crate) operator: Dense,
    pub(crate) seen: Rows,
}

/// One signal `x` and any number of instruments, each with noise of its own: `y_k = A_k x + noise_k`.
pub(crate) fn one_signal(
    prior: impl Denoiser + 'static,
    instruments: &[(&Instrument, f64)],
) -> Result<Graph, ModelError> {
    let mut graph = GraphBuilder::new();
    let x = graph.variable("x", instruments[0].0.operator.matrix().ncols(), 1);
    graph.prior("prior", x, prior);
    for (k, (Instrument { operator, seen }, variance)) in (1..).zip(instruments) {
        let z = graph.variable(&format!("z{k}"), seen.rows(), 1);
        graph.linear(&format!("A{k}"), x, z, operator.clone());
        graph.likelihood(&format!("noise {k}"), z, seen.clone(), Awgn::from_variance(*variance)?);
    }
    Ok(graph.build()?)
}

/// One signal, two instruments, and noise that both have in common: `(y_1, y_2) = (A_1 x, A_2 x) + noise + hum (1, 1)`.
/// The readings are the columns of one variable, and the graph has a loop: `x - z1 - readings - z2 - x`.
pub(crate) fn with_hum(
    prior: impl Denoiser + 'static,
    instruments: [&Instrument; 2],
    noise: f64,
    hum: f64,
) -> Result<Graph, ModelError> {
    let mut graph = GraphBuilder::new();
    let (m, n) = (instruments[0].seen.rows(), instruments[0].operator.matrix().ncols());
    let x = graph.variable("x", n, 1);
    graph.prior("prior", x, prior);
    let readings = graph.variable("readings", m, 2);
    for (k, Instrument { operator, .. }) in (1..).zip(instruments) {
        let z = graph.variable(&format!("z{k}"), m, 1);
        graph.linear(&format!("A{k}"), x, z, operator.clone());
        graph.channel(&format!("column {k}"), readings, z, column(k)?);
    }
    // The inverse of the covariance (noise + hum, hum; hum, noise + hum).
    let determinant = noise * (noise + 2.0 * hum);
    let precision = [noise + hum, -hum, -hum, noise + hum].map(|v| v / determinant);
    let seen = Rows::from_fn(m, 2, |i, k| instruments[k].seen[(i, 0)]);
    graph.likelihood("noise and hum", readings, seen, Awgn::from_precision_matrix(2, &precision)?);
    Ok(graph.build()?)
}

/// Two signals, the columns of one variable with a prior for both, each seen by an instrument of its own:
/// `y_k = A_k X e_k + noise_k`.
pub(crate) fn two_signals(
    prior: impl Denoiser + 'static,
    instruments: [&Instrument; 2],
    noise: f64,
) -> Result<Graph, ModelError> {
    let mut graph = GraphBuilder::new();
    let n = instruments[0].operator.matrix().ncols();
    let both = graph.variable("X", n, 2);
    graph.prior("prior", both, prior);
    for (k, Instrument { operator, seen }) in (1..).zip(instruments) {
        let x = graph.variable(&format!("x{k}"), n, 1);
        graph.channel(&format!("column {k}"), both, x, column(k)?);
        let z = graph.variable(&format!("z{k}"), seen.rows(), 1);
        graph.linear(&format!("A{k}"), x, z, operator.clone());
        graph.likelihood(&format!("noise {k}"), z, seen.clone(), Awgn::from_variance(noise)?);
    }
    Ok(graph.build()?)
}

/// Takes column `k`, 1 or 2, of a row of two.
fn column(k: usize) -> Result<ColumnMixing, ModelError> {
    Ok(ColumnMixing::new(Rows::from_fn(2, 1, |j, _| f64::from(j + 1 == k)))?)
}
