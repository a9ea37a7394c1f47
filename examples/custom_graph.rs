//! Your own graph: one sparse signal seen by two instruments, one precise and one noisy, in a single model.
//!
//! Two operators share the variable `signal`; the graph is printed, and run with either instrument and with both.
//! `--out DIR` (default `out/custom_graph`) receives `graph.dot` and the figure `custom_graph.svg` + `.png`.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Parser;
use fg_core::operator::Dense;
use fg_core::{Graph, GraphBuilder, IterationInfo, Options, Rows};
use fg_denoisers::{Awgn, BernoulliGauss};
use fg_models::metrics::nmse_db;
use fg_models::report::{Axis, Figure, Panel, Series, write_atomically};
use fg_models::synthetic::{add_noise, bernoulli_gauss, gaussian_matrix};
use rand::SeedableRng;
use rand_pcg::Pcg64;

#[derive(Parser)]
#[command(about = "One sparse signal, two instruments, one graph")]
struct Arguments {
    /// Folder for the results.
    #[arg(long, default_value = "out/custom_graph")]
    out: PathBuf,
    /// Seed of signal, operators and noise.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// An instrument: its name, operator, noise variance and what it saw.
struct Instrument(&'static str, Dense, f64, Rows);

fn graph(rows: usize, instruments: &[&Instrument]) -> Result<Graph, Box<dyn std::error::Error>> {
    let mut graph = GraphBuilder::new();
    let signal = graph.variable("signal", rows, 1);
    graph.prior("sparse", signal, BernoulliGauss::new(0.1, 0.0, 1.0)?);
    for Instrument(name, operator, variance, seen) in instruments {
        let output = graph.variable(&format!("{name} output"), seen.rows(), 1);
        graph.linear(&format!("{name} operator"), signal, output, operator.clone());
        graph.likelihood(
            &format!("{name} noise"),
            output,
            seen.clone(),
            Awgn::from_variance(*variance)?,
        );
    }
    Ok(graph.build()?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { out, seed } = Arguments::parse();
    let rng = &mut Pcg64::seed_from_u64(seed);
    let (n, m) = (1000, 300);
    let signal = bernoulli_gauss((n, 1), 0.1, 0.0, 1.0, rng);
    let mut instrument = |name, variance| -> Result<Instrument, Box<dyn std::error::Error>> {
        let matrix = gaussian_matrix(m, n, 1.0 / m as f64, rng);
        let clean = &matrix * fg_core::faer::MatRef::from_row_major_slice(signal.as_slice(), n, 1);
        let clean = Rows::from_fn(m, 1, |i, j| clean[(i, j)]);
        Ok(Instrument(name, Dense::new(matrix)?, variance, add_noise(&clean, variance, rng)))
    };
    let (precise, noisy) = (instrument("precise", 1e-4)?, instrument("noisy", 1e-2)?);
    let both = graph(n, &[&precise, &noisy])?;
    println!("{}", both.to_mermaid());

    let mut lines = Vec::new();
    for (name, color, graph) in [
        ("noisy alone", "firebrick", graph(n, &[&noisy])?),
        ("precise alone", "darkorange", graph(n, &[&precise])?),
        ("both", "steelblue", both),
    ] {
        let x = graph.find_variable("signal").ok_or("the graph has a signal")?;
        let mut curve = Vec::new();
        let mut watch = |info: &mut IterationInfo<'_>| {
            let error = info.mean(x).map_or(f64::NAN, |mean| nmse_db(mean, &signal));
            curve.push((info.sweep() as f64, error));
            ControlFlow::Continue(())
        };
        let solution = graph.infer_observed(&Options::default().with_damping(0.9), &mut watch)?;
        println!(
            "{name:14} NMSE {:6.2} dB, {}",
            nmse_db(solution.mean(x), &signal),
            solution.report()
        );
        lines.push(Series::new(name, color, curve));
        if name == "both" {
            write_atomically(&out.join("graph.dot"), graph.to_graphviz().as_bytes())?;
        }
    }
    let panel = Panel {
        title: "one sparse signal, two instruments".into(),
        x: Axis::linear("sweep"),
        y: Axis::linear("NMSE / dB"),
        series: lines,
        references: Vec::new(),
    };
    Figure { title: String::new(), columns: 1, panels: vec![panel] }.write(&out, "custom_graph")?;
    Ok(())
}
