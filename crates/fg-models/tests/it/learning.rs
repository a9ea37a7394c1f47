//! Learning noise, sparsity and size along with a sparse signal, against knowing them.

use fg_core::evolution::EvolutionError;
use fg_core::operator::Dense;
use fg_core::{GraphBuilder, Options, Rows};
use fg_denoisers::Awgn;
use fg_denoisers::prior::{BernoulliGauss, Gaussian};
use fg_models::metrics::{Quartiles, nmse_db};
use fg_models::synthetic::{
    add_noise, derived_seed, exactly_sparse, gaussian_rows, geometric_spectrum, noise_variance,
    rotationally_invariant,
};
use fg_models::{GeneralisedGraph, ModelError, linear};
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// Errors in decibels with known and with learned parameters.
fn compare((m, n): (usize, usize), runs: u64) -> Vec<[f64; 2]> {
    let spectrum = geometric_spectrum(m, 100.0).unwrap();
    let run = |seed: u64| {
        let mut rng = Pcg64::seed_from_u64(derived_seed(3, &[seed]));
        let matrix = rotationally_invariant(m, n, &spectrum, &mut rng).unwrap();
        let operator = Dense::new(matrix).unwrap();
        let signal = exactly_sparse((n, 1), 0.1, 0.0, 1.0, &mut rng);
        let clean = linear::outputs(&operator, &signal);
        let variance = noise_variance(&clean, 40.0);
        let data = add_noise(&clean, variance, &mut rng);
        let known = BernoulliGauss::new(0.1, 0.0, 1.0).unwrap();
        let known = linear::graph(operator.clone(), data.clone(), known, variance.recip()).unwrap();
        let learned = linear::sparse(operator, data).unwrap();
        let options = Options::default();
        let fit = |model: GeneralisedGraph| model.fit_settling(&options, 0.7, &mut ()).unwrap();
        let (known, learned) = (fit(known), fit(learned));
        assert!(learned.solution().report().status.is_usable(), "run {seed}");
        [nmse_db(known.estimate(), &signal), nmse_db(learned.estimate(), &signal)]
    };
    (0..runs).map(run).collect()
}

/// A median of the differences of so many runs has a standard error below a twentieth of it.
const BAND: f64 = 0.3;

fn assert_as_good((m, n): (usize, usize), runs: u64) {
    let errors = compare((m, n), runs);
    let median = |k: usize| Quartiles::of(&errors.iter().map(|e| e[k]).collect::<Vec<_>>());
    let (known, learned) = (median(0).unwrap().median, median(1).unwrap().median);
    assert!(learned < known + BAND, "known {known}, learned {learned}");
}

#[test]
fn a_sparse_signal_teaches_its_parameters() {
    assert_as_good((200, 400), 8);
}

#[test]
#[ignore = "half a minute: the size and number of runs that the method is judged by"]
fn forty_runs_learn_as_well_as_they_know() {
    assert_as_good((500, 1000), 40);
}

/// `-2 log p(y)` but for a constant, for `y = A x + noise` and both Gaussian with these variances: in the left singular
/// basis entries are independent.
fn evidence(squares: &[f64], power: &[f64], signal: f64, noise: f64) -> f64 {
    let variance = |k: usize| signal * squares[k] + noise;
    (0..power.len()).map(|k| variance(k).ln() + power[k] / variance(k)).sum()
}

#[test]
fn gaussian_variances_are_those_of_greatest_evidence() {
    // Relative steps in a variance, and how flat the evidence must be there: its curvature is of the order of the size.
    const STEP: f64 = 1e-3;
    const FLAT: f64 = 1e-4;
    let (m, n, d) = (60, 30, 1);
    let mut rng = Pcg64::seed_from_u64(8);
    // A diagonal operator, so that its singular basis is known.
    let values: Vec<f64> = (0..n).map(|k| 0.3 + 0.1 * k as f64).collect();
    let a = Rows::from_fn(m, n, |i, k| if i == k { values[k] } else { 0.0 });
    let signal = gaussian_rows(n, d, 2.0, &mut rng);
    let operator = Dense::from_rows(&a).unwrap();
    let y = add_noise(&linear::outputs(&operator, &signal), 0.5, &mut rng);
    let prior = Gaussian::new(0.0, 1.0).unwrap().learn_covariance();
    let noise = Awgn::new(1.0).unwrap().learn_noise();
    let mut builder = GraphBuilder::new();
    let (x, z) = (builder.variable("x", n, d), builder.variable("z", m, d));
    let prior = builder.prior("prior", x, prior);
    builder.linear("A", x, z, operator);
    let data = builder.likelihood("data", z, y.clone(), noise);
    let options = Options::default().with_max_sweeps(3000).with_tolerance(1e-13);
    let solution = builder.build().unwrap().infer(&options).unwrap();
    let found = solution.parameter(prior, "variance").unwrap();
    let noise = solution.parameter(data, "noise variance").unwrap();
    let squares: Vec<f64> = (0..m).map(|k| values.get(k).map_or(0.0, |s| s * s)).collect();
    let power: Vec<f64> = y.as_slice().iter().map(|v| v * v).collect();
    let at = |signal: f64, noise: f64| evidence(&squares, &power, signal, noise);
    for (up, down) in [
        (at(found * (1.0 + STEP), noise), at(found * (1.0 - STEP), noise)),
        (at(found, noise * (1.0 + STEP)), at(found, noise * (1.0 - STEP))),
    ] {
        let slope = (up - down) / (2.0 * STEP);
        assert!(slope.abs() < FLAT, "slope {slope} at {found} and {noise}");
        assert!(up + down > 2.0 * at(found, noise), "no minimum at {found} and {noise}");
    }
    // The figures of the sweeps hold the way there.
    let history = &solution.report().history;
    let first = &history[0].learned;
    assert_eq!((first.len(), first[0].1.name.as_ref()), (2, "variance"));
    assert_eq!(history[history.len() - 1].learned, solution.parameters());
}

#[test]
fn what_is_learned_is_not_predicted() {
    let operator = Dense::from_rows(&Rows::from_fn(2, 3, |i, k| (i + k) as f64)).unwrap();
    let graph = linear::sparse(operator, Rows::column(vec![1.0, 2.0])).unwrap();
    let graph = graph.builder.build().unwrap();
    let error = graph.predict(&Options::default()).unwrap_err();
    assert_eq!(error, EvolutionError::Learning { factor: "prior".to_owned() });
}

#[test]
fn a_run_that_goes_on_keeps_what_it_has_learned() {
    let mut rng = Pcg64::seed_from_u64(5);
    let operator = Dense::new(fg_models::synthetic::gaussian_matrix(60, 100, 1.0 / 60.0, &mut rng));
    let operator = operator.unwrap();
    let signal = exactly_sparse((100, 1), 0.1, 0.0, 1.0, &mut rng);
    let data = add_noise(&linear::outputs(&operator, &signal), 1e-3, &mut rng);
    let options = Options::default().with_max_sweeps(15).with_tolerance(0.0);
    let mut learned: Vec<f64> = Vec::new();
    let mut observer = |info: &mut fg_core::IterationInfo<'_>| {
        let values = info.figures().learned.iter().map(|(_, parameter)| parameter.values[0]);
        learned.push(values.fold(0.0, |size, value: f64| size + value.abs().ln().abs()));
        std::ops::ControlFlow::Continue(())
    };
    let model = linear::sparse(operator, data).unwrap();
    let fit = model.fit_settling(&options, 0.7, &mut observer).unwrap();
    assert_eq!((learned.len(), fit.report().sweeps), (30, 15));
    // From sweep to sweep they change less and less; a run that starts anew goes back to where the first one began.
    let (first, change) = ((learned[1] - learned[14]).abs(), (learned[15] - learned[14]).abs());
    assert!(change < 0.1 * first, "{learned:?}");
}

/// In a direction in which all observations vanish their density has no maximum: runs went to a noise of nothing, or broke.
#[test]
fn observations_that_have_no_best_noise_are_refused_by_name() {
    let mut rng = Pcg64::seed_from_u64(9);
    let a = gaussian_rows(30, 60, 1.0 / 30.0, &mut rng);
    let w = gaussian_rows(30, 1, 1.0, &mut rng);
    let of = |made: &[f64]| Rows::from_fn(30, made.len(), |i, j| made[j] * w[(i, 0)]);
    let sparse = |data: Rows| linear::sparse(Dense::from_rows(&a).unwrap(), data);
    for (made, columns) in
        [(&[1.0, 1.0][..], vec![0, 1]), (&[1.0, 2.0, -1.0], vec![0, 1]), (&[1.0, 0.0], vec![1])]
    {
        let error = sparse(of(made)).unwrap_err();
        assert_eq!(error, ModelError::Dependent { columns });
        assert!(error.to_string().starts_with("column"), "{error}");
    }
    let error = sparse(of(&[0.0])).unwrap_err().to_string();
    assert!(error.starts_with("mean square of the observations must be finite and above 0"));
    let error = sparse(Rows::zeros(0, 1)).unwrap_err().to_string();
    assert_eq!(error, "number of observations must be at least 1, got 0");
    // A little noise in one of them is enough.
    let mut apart = of(&[1.0, 1.0]);
    (0..30).for_each(|i| apart[(i, 1)] += 1e-3 * (i as f64).cos());
    let fit = sparse(apart).unwrap().fit_settling(&Options::default(), 0.7, &mut ()).unwrap();
    assert!(fit.report().status.is_usable(), "{}", fit.report());
}
