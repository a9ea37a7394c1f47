//! Time a row of every estimator of one column, and of some of two, beside the floor of the same loop: reading, writing, and
//! nothing but the transcendental functions it needs.
//!
//! A floor's exponentials are those of the full range; the last column is the ratio to the floor with the cheapest ones that do for the
//! family. Estimator and floors take turns, and the best of each counts. The table at the end is that of `docs/performance.md`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use divan::{Bencher, black_box, counter::ItemsCount};
use fg_core::denoiser::{Denoiser, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::message::small::row_times;
use fg_denoisers::{
    Awgn, BernoulliGauss, Committee, Gaussian, Grouped, Masked, ParameterError, PerRow, Quantised,
    Sign, Stacked, catalogue,
};

#[path = "priors/floor.rs"]
mod floor;
#[path = "priors/loops.rs"]
mod loops;

use floor::Floor;

fn main() {
    // Before the clock of the first case runs.
    LazyLock::force(&SUBJECTS);
    divan::main();
    report();
}

/// Fits the caches, and does not.
const ROWS: [usize; 2] = [4096, 1 << 20];
/// Precision of the cavity, whose means go to and fro over three units.
const PRECISION: f64 = 50.0;
/// The same of two columns, correlated by 0.6.
const JOINT: [f64; 4] = [50.0, -30.0, -30.0, 50.0];

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
    let mut add = |module: &str, instance: &str, estimator: Estimator| {
        let (name, floor) = (format!("{module}, {instance}"), floor::of(module, instance));
        all.push(Subject { name, floor, estimator });
    };
    // Those for a number of rows have few in the catalogue, where a call is most of what they take.
    for e in catalogue::denoisers().expect("legal parameters") {
        if e.columns == 1 && e.estimator.rows().is_none() {
            add(e.module, e.instance, Estimator::Denoiser(e.estimator));
        }
    }
    for e in catalogue::likelihoods().expect("legal parameters") {
        if e.columns == 1 && e.estimator.rows().is_none() {
            add(e.module, e.instance, Estimator::Likelihood(e.estimator));
        }
    }
    for (module, instance, estimator) in combined().expect("legal parameters") {
        add(module, instance, estimator);
    }
    all
});

/// Models of rows that differ, for as many rows as fit the caches.
fn combined() -> Result<Vec<(&'static str, &'static str, Estimator)>, ParameterError> {
    let rows = ROWS[0];
    let sparse = BernoulliGauss::new(0.2, 0.0, 1.0)?;
    let stacked = Stacked::new(rows / 2, sparse)?.then(rows / 2, Gaussian::new(0.0, 1.0)?)?;
    let steps = || (0..rows).map(|i| (i % 5) as f64);
    let gaussians = steps().map(|s| Gaussian::new(0.1 * s, 0.5 + s)).collect::<Result<_, _>>()?;
    let noises = steps().map(|s| Awgn::new(0.5 + s)).collect::<Result<_, _>>()?;
    let seen: Vec<_> = (0..rows).map(|i| i % 3 != 1).collect();
    let groups: Vec<_> = (0..rows).map(|i| usize::from(i % 3 == 1)).collect();
    let dither: Vec<_> = steps().map(|s| 0.1 * s).collect();
    let bins = Quantised::new(&[-0.5, 0.2, 1.0, 1.7], 0.3)?.with_dither(&dither)?;
    let two = Grouped::likelihoods([Awgn::new(4.0)?, Awgn::new(0.5)?], &groups)?;
    let prior = |d: Box<dyn Denoiser>| Estimator::Denoiser(d);
    let data = |l: Box<dyn Likelihood>| Estimator::Likelihood(l);
    Ok(vec![
        ("prior/stacked", "sparse above dense", prior(Box::new(stacked))),
        ("prior/per_row", "Gaussians", prior(Box::new(PerRow::denoisers(gaussians)?))),
        ("prior/per_row", "noise", data(Box::new(PerRow::likelihoods(noises)?))),
        ("prior/grouped", "noise", data(Box::new(two))),
        ("likelihood/masked", "signs", data(Box::new(Masked::new(Sign::probit(0.5)?, &seen)?))),
        ("likelihood/masked", "noise", data(Box::new(Masked::new(Awgn::new(4.0)?, &seen)?))),
        ("likelihood/quantised", "dithered", data(Box::new(bins))),
        ("likelihood/committee", "two units", data(Box::<Committee>::default())),
    ])
}

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
            (
                None,
                Floor::Points(_)
                | Floor::TailPoints(_)
                | Floor::Climbed { .. }
                | Floor::Parted(_)
                | Floor::Pieces(_)
                | Floor::Heavy(2..),
            ) => {
                all.push(Case { subject, rows: ROWS[0] });
            }
            (None, _) => all.extend(ROWS.map(|rows| Case { subject, rows })),
        }
    }
    all
}

/// Best seconds an element of the estimator, of its floor, and of the floor with the cheapest exponentials.
static BEST: Mutex<BTreeMap<(usize, usize), [f64; 3]>> = Mutex::new(BTreeMap::new());

#[divan::bench(args = cases(), max_time = 0.25, skip_ext_time)]
fn element(bencher: Bencher<'_, '_>, case: Case) {
    let Subject { estimator, floor, .. } = &SUBJECTS[case.subject];
    let rows = case.rows;
    let (observed, d) = match estimator {
        Estimator::Denoiser(_) => (None, 1),
        Estimator::Likelihood(likelihood) => {
            (Some(&**likelihood), likelihood.columns().unwrap_or(1))
        }
    };
    let precision = if d == 1 { &[PRECISION][..] } else { &JOINT };
    let mean: Vec<f64> = (0..d * rows).map(|i| 3.0 * (i as f64 * 0.618).fract() - 1.5).collect();
    let mut natural = vec![0.0; d * rows];
    for (n, r) in natural.chunks_exact_mut(d).zip(mean.chunks_exact(d)) {
        row_times(r, precision, n, d);
    }
    let observed = observed.map_or_else(Vec::new, |likelihood| data(likelihood, &mean, d));
    // What is handed on are natural parameters and means.
    let data = if matches!(floor, Floor::HandedOn) { &mean } else { &observed };
    // Both write to the same places: where these are makes a difference of up to a half in the caches.
    let answers = RefCell::new([vec![0.0; d * rows], vec![0.0; d * d * rows]]);
    let mut scratch = Scratch::default();
    let best = RefCell::new([f64::INFINITY; 3]);
    let clock = |which: usize, started: Instant| {
        let seconds = started.elapsed().as_secs_f64() / rows as f64;
        let best = &mut best.borrow_mut()[which];
        *best = best.min(seconds);
    };
    bencher
        .counter(ItemsCount::new(rows))
        .with_inputs(|| {
            let [first, second] = &mut *answers.borrow_mut();
            let (first, second) = (&mut first[..rows], &mut second[..rows]);
            let started = Instant::now();
            floor.run::<true>(black_box(&natural[..rows]), data, first, second);
            clock(1, started);
            let started = Instant::now();
            floor.run::<false>(black_box(&natural[..rows]), data, first, second);
            clock(2, started);
        })
        .bench_local_values(|()| {
            let [estimate, covariance] = &mut *answers.borrow_mut();
            let started = Instant::now();
            let cavity = RowCavity::new(0, d, black_box(&natural), &mean, precision);
            let mut out = RowEstimate { mean: estimate, covariance };
            let found = match estimator {
                Estimator::Denoiser(d) => d.estimate(&cavity, &mut out, &mut scratch),
                Estimator::Likelihood(l) => l.estimate(&observed, &cavity, &mut out, &mut scratch),
            };
            clock(0, started);
            found.expect("an estimate");
        });
    BEST.lock().expect("no panic before").insert((case.subject, rows), best.into_inner());
}

/// Data that the likelihood draws near the means of the cavity, or labels.
fn data(likelihood: &dyn Likelihood, mean: &[f64], d: usize) -> Vec<f64> {
    let outputs = likelihood.outputs(d);
    let mut observed = vec![1.0; mean.len() / d * outputs];
    for (i, (y, r)) in observed.chunks_exact_mut(outputs).zip(mean.chunks_exact(d)).enumerate() {
        let row = likelihood.row_model(i).unwrap_or(likelihood);
        if let Some(uniforms) = row.uniforms(d) {
            let uniforms: Vec<f64> = (0..uniforms)
                .map(|k| ((i + 1) as f64 * 0.754_877_7 + 0.37 * k as f64).fract())
                .collect();
            let z: Vec<f64> = r.iter().map(|r| r + 0.1).collect();
            row.draw(&z, &uniforms, y);
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
        "\n| instance | rows | ns | floor / ns | ratio | floor | by cheapest |\n|---|---|---|---|---|---|---|"
    ));
    for (&(subject, rows), [own, floor, cheapest]) in best.iter() {
        let Subject { name, floor: kind, .. } = &SUBJECTS[subject];
        let (ns, floor_ns, ratio) = (1e9 * own, 1e9 * floor, own / floor);
        let cheapest = own / cheapest;
        line(format_args!(
            "| {name} | {rows} | {ns:.2} | {floor_ns:.2} | {ratio:.2} | {kind} | {cheapest:.2} |"
        ));
    }
}
