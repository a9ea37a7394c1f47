//! Time an element of every estimator of one column, beside the floor of the same loop: reading, writing, and nothing but
//! the transcendental functions it needs.
//!
//! Estimator and floor take turns, and the best of each counts. The table at the end is that of `docs/performance.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use divan::{Bencher, black_box, counter::ItemsCount};
use fg_core::denoiser::{Denoiser, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_denoisers::catalogue;

#[path = "priors/floor.rs"]
mod floor;

use floor::Floor;

fn main() {
    divan::main();
    report();
}

/// Fits the caches, and does not.
const ROWS: [usize; 2] = [4096, 1 << 20];
/// Precision of the cavity, whose means go to and fro over three units.
const PRECISION: f64 = 50.0;

enum Estimator {
    Denoiser(Box<dyn Denoiser>),
    Likelihood(Box<dyn Likelihood>),
}

struct Subject {
    name: String,
    estimator: Estimator,
    floor: Floor,
}

static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for e in
        catalogue::denoisers().expect("legal parameters").into_iter().filter(|e| e.columns == 1)
    {
        let (name, floor) =
            (format!("{}, {}", e.module, e.instance), floor::of(e.module, e.instance));
        all.push(Subject { name, floor, estimator: Estimator::Denoiser(e.estimator) });
    }
    for e in
        catalogue::likelihoods().expect("legal parameters").into_iter().filter(|e| e.columns == 1)
    {
        let (name, floor) =
            (format!("{}, {}", e.module, e.instance), floor::of(e.module, e.instance));
        all.push(Subject { name, floor, estimator: Estimator::Likelihood(e.estimator) });
    }
    all
});

/// An entry of the catalogue by its place there, and a number of rows.
#[derive(Clone, Copy)]
struct Case {
    subject: usize,
    rows: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} rows", SUBJECTS[self.subject].name, self.rows)
    }
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (subject, s) in SUBJECTS.iter().enumerate() {
        let own = match &s.estimator {
            Estimator::Denoiser(denoiser) => denoiser.rows(),
            Estimator::Likelihood(likelihood) => likelihood.rows(),
        };
        match (own, s.floor) {
            (Some(rows), _) => all.push(Case { subject, rows }),
            (None, Floor::Points(_)) => all.push(Case { subject, rows: ROWS[0] }),
            (None, _) => all.extend(ROWS.map(|rows| Case { subject, rows })),
        }
    }
    all
}

/// Best seconds an element of the estimator and of its floor.
static BEST: Mutex<BTreeMap<(usize, usize), [f64; 2]>> = Mutex::new(BTreeMap::new());

#[divan::bench(args = cases(), max_time = 0.25)]
fn element(bencher: Bencher<'_, '_>, case: Case) {
    let Subject { estimator, floor, .. } = &SUBJECTS[case.subject];
    let rows = case.rows;
    let mean: Vec<f64> = (0..rows).map(|i| 3.0 * (i as f64 * 0.618).fract() - 1.5).collect();
    let natural: Vec<f64> = mean.iter().map(|r| PRECISION * r).collect();
    let observed = match estimator {
        Estimator::Denoiser(_) => Vec::new(),
        Estimator::Likelihood(likelihood) => data(&**likelihood, &mean),
    };
    let (mut estimate, mut covariance) = (vec![0.0; rows], vec![0.0; rows]);
    let (mut first, mut second) = (vec![0.0; rows], vec![0.0; rows]);
    let mut scratch = Scratch::default();
    let mut best = [f64::INFINITY; 2];
    let mut clock = |which: usize, started: Instant| {
        best[which] = best[which].min(started.elapsed().as_secs_f64() / rows as f64);
    };
    let clock = std::cell::RefCell::new(&mut clock);
    bencher
        .counter(ItemsCount::new(rows))
        .with_inputs(|| {
            let started = Instant::now();
            floor.run(black_box(&natural), &mut first, &mut second);
            clock.borrow_mut()(1, started);
        })
        .bench_local_values(|()| {
            let started = Instant::now();
            let cavity = RowCavity::new(0, 1, black_box(&natural), &mean, &[PRECISION]);
            let mut out = RowEstimate { mean: &mut estimate, covariance: &mut covariance };
            let found = match estimator {
                Estimator::Denoiser(d) => d.estimate(&cavity, &mut out, &mut scratch),
                Estimator::Likelihood(l) => l.estimate(&observed, &cavity, &mut out, &mut scratch),
            };
            clock.borrow_mut()(0, started);
            found.expect("an estimate");
        });
    BEST.lock().expect("no panic before").insert((case.subject, rows), best);
}

/// Data that the likelihood draws near the means of the cavity, or labels.
fn data(likelihood: &dyn Likelihood, mean: &[f64]) -> Vec<f64> {
    let outputs = likelihood.outputs(1);
    let mut observed = vec![1.0; mean.len() * outputs];
    for (i, (y, r)) in observed.chunks_exact_mut(outputs).zip(mean).enumerate() {
        let row = likelihood.row_model(i).unwrap_or(likelihood);
        if let Some(uniforms) = row.uniforms(1) {
            let uniforms: Vec<f64> = (0..uniforms)
                .map(|k| ((i + 1) as f64 * 0.754_877_7 + 0.37 * k as f64).fract())
                .collect();
            row.draw(&[r + 0.1], &uniforms, y);
        }
    }
    observed
}

/// The table of everything that was timed.
fn report() {
    let best = BEST.lock().expect("no panic before");
    let mut out = std::io::stdout().lock();
    let mut line = |text: fmt::Arguments<'_>| writeln!(out, "{text}").expect("standard output");
    line(format_args!(
        "\n| instance | rows | ns | floor / ns | ratio | floor |\n|---|---|---|---|---|---|"
    ));
    for (&(subject, rows), [own, floor]) in best.iter() {
        let Subject { name, floor: kind, .. } = &SUBJECTS[subject];
        let (ns, floor_ns, ratio) = (1e9 * own, 1e9 * floor, own / floor);
        line(format_args!("| {name} | {rows} | {ns:.2} | {floor_ns:.2} | {ratio:.2} | {kind} |"));
    }
}
