//! Nothing is allocated for a row: after a first call estimators take as many allocations for many rows as for few.

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_denoisers::catalogue;

/// Few enough for every entry of the catalogue.
const MANY: usize = 24;
const FEW: usize = 6;
const _: () = assert!(MANY > 2 * FEW, "an allocation for each row must stand out");

/// Natural parameters and an isotropic precision.
fn cavity(d: usize) -> (Vec<f64>, Vec<f64>) {
    const PRECISION: f64 = 3.0;
    let n = (0..MANY * d).map(|i| PRECISION * (0.7 + (1.3 * i as f64).sin())).collect();
    (n, (0..d * d).map(|k| if k % (d + 1) == 0 { PRECISION } else { 0.0 }).collect())
}

/// Allocations of a second call of `run` with so many rows.
fn count(rows: usize, mut run: impl FnMut(usize)) -> u64 {
    run(rows);
    allocation_counter::measure(|| run(rows)).count_total
}

#[track_caller]
fn compare(name: &str, mut run: impl FnMut(usize)) {
    let (few, many) = (count(FEW, &mut run), count(MANY, &mut run));
    assert_eq!(few, many, "{name}: allocations for {FEW} rows and for {MANY}");
}

/// Data of all rows that the likelihood draws itself, or labels.
fn data(model: &dyn Likelihood, d: usize) -> Vec<f64> {
    let outputs = model.outputs(d);
    let mut y = vec![1.0; MANY * outputs];
    for (i, y) in y.chunks_exact_mut(outputs.max(1)).enumerate() {
        let row = model.row_model(i).unwrap_or(model);
        let z: Vec<f64> = (0..d).map(|j| (i as f64 - 0.9 * j as f64).sin()).collect();
        if let Some(uniforms) = row.uniforms(d) {
            row.draw(&z, &vec![0.37; uniforms], y);
        }
    }
    y
}

/// Where the estimates of the first rows go.
fn first<'a>(
    mean: &'a mut [f64],
    covariance: &'a mut [f64],
    rows: usize,
    d: usize,
) -> RowEstimate<'a> {
    RowEstimate { mean: &mut mean[..rows * d], covariance: &mut covariance[..rows * d * d] }
}

#[test]
fn denoisers_allocate_nothing_for_a_row() {
    for entry in catalogue::denoisers().unwrap() {
        let (d, denoiser) = (entry.columns, &*entry.estimator);
        let (n, precision) = cavity(d);
        let (mut mean, mut covariance) = (vec![0.0; MANY * d], vec![0.0; MANY * d * d]);
        let mut scratch = Scratch::default();
        compare(&format!("{}, {}", entry.module, entry.instance), |rows| {
            let n = &n[..rows * d];
            let mut out = first(&mut mean, &mut covariance, rows, d);
            let cavity = RowCavity::new(0, d, n, n, &precision);
            denoiser.estimate(&cavity, &mut out, &mut scratch).unwrap();
        });
    }
}

#[test]
fn likelihoods_allocate_nothing_for_a_row() {
    for entry in catalogue::likelihoods().unwrap() {
        let (d, model) = (entry.columns, &*entry.estimator);
        let (n, precision) = cavity(d);
        let (y, outputs) = (data(model, d), model.outputs(d));
        let (mut mean, mut covariance) = (vec![0.0; MANY * d], vec![0.0; MANY * d * d]);
        let mut scratch = Scratch::default();
        compare(&format!("{}, {}", entry.module, entry.instance), |rows| {
            let n = &n[..rows * d];
            let mut out = first(&mut mean, &mut covariance, rows, d);
            let cavity = RowCavity::new(0, d, n, n, &precision);
            model.estimate(&y[..rows * outputs], &cavity, &mut out, &mut scratch).unwrap();
        });
    }
}

#[test]
fn channels_allocate_nothing_for_a_row() {
    for entry in catalogue::channels().unwrap() {
        let (d, channel) = (entry.columns, &*entry.estimator);
        let e = channel.output_columns(d).unwrap();
        let ((n, precision), (m, weight)) = (cavity(d), cavity(e));
        let (mut input, mut input_covariance) = (vec![0.0; MANY * d], vec![0.0; MANY * d * d]);
        let (mut output, mut output_covariance) = (vec![0.0; MANY * e], vec![0.0; MANY * e * e]);
        let mut scratch = Scratch::default();
        compare(&format!("{}, {}", entry.module, entry.instance), |rows| {
            let (n, m) = (&n[..rows * d], &m[..rows * e]);
            let cavities =
                [RowCavity::new(0, d, n, n, &precision), RowCavity::new(0, e, m, m, &weight)];
            let mut x = first(&mut input, &mut input_covariance, rows, d);
            let mut z = first(&mut output, &mut output_covariance, rows, e);
            let [told, asked] = &cavities;
            channel.estimate([told, asked], [&mut x, &mut z], &mut scratch).unwrap();
        });
    }
}
