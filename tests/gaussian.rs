//! On Gaussian models expectation propagation is exact: means on trees and loops with every message structure,
//! row-averaged covariances with one operator.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use core::ops::Range;

use fg_core::faer::Mat;
use fg_core::faer::linalg::solvers::Solve;
use fg_core::operator::Dense;
use fg_core::{
    ColumnForm, Graph, GraphBuilder, Inference, Options, Rows, ScheduleChoice, Solution, Status,
    Structure, VariableId,
};
use fg_denoisers::channel::GaussianNoise;
use fg_denoisers::likelihood::Awgn;
use fg_denoisers::prior::Gaussian;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

/// Means agree with the dense solve to this, relative to the largest: conditions stay below 1e4, and messages are
/// iterated to `CONVERGED`.
const AGREEMENT: f64 = 1e-10;

/// Below this the moves of beliefs are rounding.
const CONVERGED: f64 = 1e-13;

/// The joint Gaussian of all entries of all variables, row after row, variable after variable.
struct Joint {
    mean: Mat<f64>,
    covariance: Mat<f64>,
    /// Where each variable starts.
    offsets: Vec<usize>,
    observed: Vec<Observation>,
}

/// One observed number: which entries it sums with which factors, its value, its row of the noise covariance.
type Observation = (Vec<(usize, f64)>, f64, Vec<f64>);

/// A random model: its graph and the same thing as one dense Gaussian.
struct Model {
    graph: Graph,
    variables: Vec<(VariableId, usize)>,
    joint: Joint,
    columns: usize,
}

fn normal(rng: &mut Pcg64) -> f64 {
    StandardNormal.sample(rng)
}

fn matrix(rng: &mut Pcg64, rows: usize, columns: usize) -> Mat<f64> {
    Mat::from_fn(rows, columns, |_, _| normal(rng) / (columns as f64).sqrt())
}

/// `G G' / d + I / 4`: condition of order ten.
fn covariance(rng: &mut Pcg64, d: usize) -> Mat<f64> {
    let g = matrix(rng, d, d);
    &g * g.transpose() + Mat::<f64>::identity(d, d) * fg_core::faer::Scale(0.25)
}

fn flat(m: &Mat<f64>) -> Vec<f64> {
    (0..m.nrows()).flat_map(|i| (0..m.ncols()).map(move |j| m[(i, j)])).collect()
}

/// Noise of this covariance.
fn awgn(covariance: &Mat<f64>) -> Awgn {
    let d = covariance.nrows();
    let precision = covariance.partial_piv_lu().solve(Mat::<f64>::identity(d, d));
    let symmetric = Mat::from_fn(d, d, |i, j| 0.5 * (precision[(i, j)] + precision[(j, i)]));
    Awgn::from_precision_matrix(d, &flat(&symmetric)).unwrap()
}

fn structure(rng: &mut Pcg64, rows: usize) -> Structure {
    let structure = match rng.random_range(0..3) {
        0 => Structure::shared(),
        1 if rows > 1 => Structure::blocks([1, rows - 1]),
        _ => Structure::per_row(),
    };
    let forms = [ColumnForm::Isotropic, ColumnForm::Diagonal, ColumnForm::Full];
    structure.with_columns(forms[rng.random_range(0..3)])
}

impl Joint {
    fn prior(mean: &[f64], covariance: &Mat<f64>, rows: usize) -> Self {
        let d = mean.len();
        let block = |i: usize, j: usize| {
            if i / d == j / d { covariance[(i % d, j % d)] } else { 0.0 }
        };
        Self {
            mean: Mat::from_fn(rows * d, 1, |i, _| mean[i % d]),
            covariance: Mat::from_fn(rows * d, rows * d, block),
            offsets: vec![0, rows * d],
            observed: Vec::new(),
        }
    }

    /// Adds `x_new = map x_parent + noise`, with `map` acting on rows and `noise` the covariance of a row.
    fn extend(&mut self, parent: usize, map: &Mat<f64>, noise: Option<&Mat<f64>>, d: usize) {
        let total = self.covariance.nrows();
        let (start, new) = (self.offsets[parent], map.nrows() * d);
        // The whole vector, old and new, as a linear map of the old one.
        let lift = Mat::from_fn(total + new, total, |i, j| {
            if i < total {
                f64::from(u8::from(i == j))
            } else {
                let (row, column) = ((i - total) / d, (i - total) % d);
                let inside = j >= start && j < start + map.ncols() * d;
                if inside && (j - start) % d == column { map[(row, (j - start) / d)] } else { 0.0 }
            }
        });
        self.mean = &lift * &self.mean;
        self.covariance = &lift * &self.covariance * lift.transpose();
        if let Some(noise) = noise {
            for i in 0..new {
                for j in (0..new).filter(|j| j / d == i / d) {
                    self.covariance[(total + i, total + j)] += noise[(i % d, j % d)];
                }
            }
        }
        self.offsets.push(total + new);
    }

    /// Observes rows: `h x = value + noise`, each group of `d` entries with one noise covariance.
    fn observe(&mut self, entries: Vec<(usize, f64)>, value: f64, noise_row: Vec<f64>) {
        self.observed.push((entries, value, noise_row));
    }

    /// Posterior mean and covariance of the whole vector; noise is independent between groups of `d` rows.
    fn posterior(&self, d: usize) -> (Mat<f64>, Mat<f64>) {
        let m = self.observed.len();
        let h = Mat::from_fn(m, self.mean.nrows(), |i, j| {
            self.observed[i].0.iter().filter(|e| e.0 == j).map(|e| e.1).sum::<f64>()
        });
        let mut s = &h * &self.covariance * h.transpose();
        for i in 0..m {
            for j in (0..m).filter(|j| j / d == i / d) {
                s[(i, j)] += self.observed[i].2[j % d];
            }
        }
        let gain = s.partial_piv_lu().solve(&h * &self.covariance);
        let y = Mat::from_fn(m, 1, |i, _| self.observed[i].1);
        let mean = &self.mean + gain.transpose() * (&y - &h * &self.mean);
        (mean, &self.covariance - gain.transpose() * &h * &self.covariance)
    }
}

/// A random tree of operators and noise channels, observed at its leaves and elsewhere; with `looped`, one more
/// channel between two of its variables.
fn model(seed: u64, looped: bool) -> Model {
    of_rows(seed, looped, 2..6, structure)
}

/// The same with numbers of rows from a range, and messages of these structures.
fn of_rows(
    seed: u64,
    looped: bool,
    range: Range<usize>,
    structure: fn(&mut Pcg64, usize) -> Structure,
) -> Model {
    let mut rng = Pcg64::seed_from_u64(seed);
    let rng = &mut rng;
    let d = rng.random_range(1..=4);
    let mut builder = GraphBuilder::new();
    let rows = rng.random_range(range.clone());
    let x = builder.variable("x0", rows, d);
    builder.structure(x, structure(rng, rows));
    let mean: Vec<f64> = (0..d).map(|_| normal(rng)).collect();
    let prior = covariance(rng, d);
    builder.prior("prior", x, Gaussian::with_covariance(&mean, &flat(&prior)).unwrap());
    let mut variables = vec![(x, rows)];
    let mut joint = Joint::prior(&mean, &prior, rows);
    let mut leaf = vec![true];
    for k in 1..=rng.random_range(1..5) {
        let parent = rng.random_range(0..k);
        let (x, n) = variables[parent];
        let linear = rng.random_bool(0.6);
        let rows = if linear { rng.random_range(range.clone()) } else { n };
        let z = builder.variable(&format!("x{k}"), rows, d);
        builder.structure(z, structure(rng, rows));
        if linear {
            let a = matrix(rng, rows, n);
            joint.extend(parent, &a, None, d);
            builder.linear(&format!("f{k}"), x, z, Dense::new(a).unwrap());
        } else {
            let noise = covariance(rng, d);
            joint.extend(parent, &Mat::identity(n, n), Some(&noise), d);
            let channel = GaussianNoise::with_covariance(d, &flat(&noise)).unwrap();
            builder.channel(&format!("f{k}"), x, z, channel);
        }
        leaf[parent] = false;
        leaf.push(true);
        variables.push((z, rows));
    }
    for (k, &(z, rows)) in variables.iter().enumerate() {
        if leaf[k] || rng.random_bool(0.4) {
            let noise = covariance(rng, d);
            let y = Rows::from_fn(rows, d, |_, _| normal(rng));
            for i in 0..rows * d {
                let noise_row = (0..d).map(|j| noise[(i % d, j)]).collect();
                joint.observe(vec![(joint.offsets[k] + i, 1.0)], y.as_slice()[i], noise_row);
            }
            let likelihood = awgn(&noise);
            builder.likelihood(&format!("y{k}"), z, y, likelihood);
        }
    }
    if looped {
        let pairs: Vec<(usize, usize)> = (0..variables.len())
            .flat_map(|a| (0..a).map(move |b| (b, a)))
            .filter(|&(a, b)| variables[a].1 == variables[b].1)
            .collect();
        if let Some(&(a, b)) = pairs.first() {
            let noise = covariance(rng, d);
            for i in 0..variables[a].1 * d {
                let noise_row = (0..d).map(|j| noise[(i % d, j)]).collect();
                let entries = vec![(joint.offsets[b] + i, 1.0), (joint.offsets[a] + i, -1.0)];
                joint.observe(entries, 0.0, noise_row);
            }
            let channel = GaussianNoise::with_covariance(d, &flat(&noise)).unwrap();
            builder.channel("loop", variables[a].0, variables[b].0, channel);
        }
    }
    Model { graph: builder.build().unwrap(), variables, joint, columns: d }
}

fn check_means(model: &Model) -> Result<(), TestCaseError> {
    let options =
        Options::default().with_tolerance(CONVERGED).with_max_sweeps(5000).with_damping(0.8);
    let solution = model.graph.infer(&options).unwrap();
    let report = solution.report();
    prop_assert_eq!(&report.status, &Status::Converged, "{}\n{}", report, model.graph.to_mermaid());
    compare_means(model, &solution)
}

fn compare_means(model: &Model, solution: &Solution) -> Result<(), TestCaseError> {
    let report = solution.report();
    let (mean, _) = model.joint.posterior(model.columns);
    let scale = mean.col_as_slice(0).iter().fold(0.0f64, |s, v| s.max(v.abs()));
    for (k, &(x, _)) in model.variables.iter().enumerate() {
        let expected = &mean.col_as_slice(0)[model.joint.offsets[k]..model.joint.offsets[k + 1]];
        for (got, expected) in solution.mean(x).as_slice().iter().zip(expected) {
            let error = (got - expected).abs() / scale;
            prop_assert!(error < AGREEMENT, "x{k}: {got} against {expected}, {report}");
        }
    }
    Ok(())
}

/// The response to a pull at any variable is its column of the dense covariance, in which the errors of different rows hang
/// together, whatever the messages' structure.
fn check_response(seed: u64, looped: bool) -> Result<(), TestCaseError> {
    /// A pull of one deviation: on Gaussian models the response is linear, so that rounding alone limits it.
    const SIZE: f64 = 1.0;
    let model = model(seed, looped);
    let options =
        Options::default().with_tolerance(CONVERGED).with_max_sweeps(5000).with_damping(0.8);
    let mut run = Inference::new(&model.graph, &options).unwrap();
    let before = run.run(&mut ()).unwrap();
    let (_, covariance) = model.joint.posterior(model.columns);
    let rng = &mut Pcg64::seed_from_u64(seed);
    for (k, &(x, rows)) in model.variables.iter().enumerate() {
        let direction = Rows::from_fn(rows, model.columns, |_, _| normal(rng));
        let found = run.response(x, &direction, SIZE).unwrap();
        let start = model.joint.offsets[k];
        let block = covariance.submatrix(start, start, rows * model.columns, rows * model.columns);
        let h = Mat::from_fn(rows * model.columns, 1, |i, _| direction.as_slice()[i]);
        let expected = block * &h;
        let scale = expected.norm_max();
        for (got, expected) in found.covariance.as_slice().iter().zip(expected.col_as_slice(0)) {
            let error = (got - expected).abs() / scale;
            prop_assert!(error < 10.0 * AGREEMENT, "x{k}: {got} against {expected}");
        }
        prop_assert_eq!(&found.status, &[Status::Converged, Status::Converged]);
    }
    // The run is where it was.
    let after = run.run(&mut ()).unwrap();
    for &(x, _) in &model.variables {
        prop_assert!(after.mean(x).mean_squared_error(before.mean(x)).sqrt() < AGREEMENT);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn responses_on_trees_are_the_dense_covariance(seed in any::<u64>()) {
        check_response(seed, false)?;
    }

    #[test]
    fn responses_on_loops_are_the_dense_covariance(seed in any::<u64>()) {
        check_response(seed, true)?;
    }

    #[test]
    fn accelerated_runs_end_where_others_do(seed in any::<u64>()) {
        let model = model(seed, true);
        let options =
            Options::default().with_tolerance(CONVERGED).with_max_sweeps(5000).with_damping(0.8);
        let plain = model.graph.infer(&options).unwrap();
        let fast = model.graph.infer(&options.with_acceleration(5)).unwrap();
        prop_assert_eq!(&fast.report().status, &Status::Converged, "{}", fast.report());
        for &(x, _) in &model.variables {
            let scale = plain.mean(x).norm_squared().sqrt();
            let gap = fast.mean(x).mean_squared_error(plain.mean(x)).sqrt() / scale;
            prop_assert!(gap < AGREEMENT, "{gap:e}, {}", fast.report());
        }
        // Damped by 0.8, a loop of any strength leaves room for more than one sweep to be saved.
        let slow = plain.report().sweeps;
        prop_assert!(slow < 100 || fast.report().sweeps < slow, "{slow}: {}", fast.report());
    }

    #[test]
    fn means_on_trees_are_those_of_the_dense_joint(seed in any::<u64>()) {
        check_means(&model(seed, false))?;
    }

    #[test]
    fn means_on_loops_are_those_of_the_dense_joint(seed in any::<u64>()) {
        check_means(&model(seed, true))?;
    }

    /// One row a variable: messages hold all that there is to say, and don't depend on where a sweep starts.
    #[test]
    fn one_sweep_inward_and_outward_is_exact_from_any_root(seed in any::<u64>()) {
        let whole = |_: &mut Pcg64, _: usize| Structure::shared().with_columns(ColumnForm::Full);
        let model = of_rows(seed, false, 1..2, whole);
        for &(root, _) in &model.variables {
            let choice = ScheduleChoice::ForwardBackward(root);
            let options = Options::default().with_schedule(choice).with_max_sweeps(1);
            compare_means(&model, &model.graph.infer(&options).unwrap())?;
        }
    }

    #[test]
    fn covariances_with_one_operator_are_row_averages_of_the_dense_joint(
        seed in any::<u64>(), d in 1usize..=4, m in 1usize..7, n in 1usize..7,
    ) {
        let mut rng = Pcg64::seed_from_u64(seed);
        let rng = &mut rng;
        let (prior, noise, a) = (covariance(rng, d), covariance(rng, d), matrix(rng, m, n));
        let mut joint = Joint::prior(&vec![0.0; d], &prior, n);
        joint.extend(0, &a, None, d);
        let mut builder = GraphBuilder::new();
        let x = builder.variable("x", n, d);
        let z = builder.variable("z", m, d);
        builder.prior("prior", x, Gaussian::with_covariance(&vec![0.0; d], &flat(&prior)).unwrap());
        builder.linear("A", x, z, Dense::new(a).unwrap());
        let y = Rows::from_fn(m, d, |_, _| normal(rng));
        for i in 0..m * d {
            let noise_row = (0..d).map(|j| noise[(i % d, j)]).collect();
            joint.observe(vec![(n * d + i, 1.0)], y.as_slice()[i], noise_row);
        }
        builder.likelihood("y", z, y, awgn(&noise));
        let solution = builder.build().unwrap().infer(&Options::default()).unwrap();
        let (_, covariance) = joint.posterior(d);
        for (variable, start, rows) in [(x, 0, n), (z, n * d, m)] {
            for i in 0..d {
                for j in 0..d {
                    let entry = |r: usize| covariance[(start + r * d + i, start + r * d + j)];
                    let expected = (0..rows).map(entry).sum::<f64>() / rows as f64;
                    let got = solution.covariance(variable)[i * d + j];
                    let error = (got - expected).abs();
                    prop_assert!(error < AGREEMENT, "entry {i}, {j}: {got} against {expected}");
                }
            }
        }
    }
}
