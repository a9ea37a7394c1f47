//! The conformance laws over the catalogue, and the catalogue against the list of modules.

use std::collections::BTreeSet;
use std::path::Path;

use fg_core::denoiser::{Denoiser, Estimation};
use fg_core::testing::{
    Subject, Violation, check, check_calibration, check_channel, check_coupled,
    check_firmly_nonexpansive, check_log_concave, check_rotation_invariance,
};
use fg_denoisers::catalogue;
use fg_denoisers::{
    Awgn, Discrete, ElasticNet, Exponential, Gaussian, GroupBernoulliGauss, HuberNoise, L1, L2,
    Laplace, LaplaceNoise, Quantised, Sign, TruncatedGaussian, Uniform, UnitModulus,
};

#[track_caller]
fn report(module: &str, instance: &str, verdict: Result<(), Violation>) {
    if let Err(violation) = verdict {
        panic!("{module}, {instance}: {violation}");
    }
}

#[test]
fn denoisers_obey_their_laws() {
    for entry in catalogue::denoisers().unwrap() {
        let subject = Subject::Denoiser(&*entry.estimator);
        report(entry.module, entry.instance, check(subject, entry.columns));
        report(entry.module, entry.instance, check_calibration(subject, entry.columns));
    }
}

#[test]
fn likelihoods_obey_their_laws_on_data_they_draw() {
    for entry in catalogue::likelihoods().unwrap() {
        let (model, d) = (&*entry.estimator, entry.columns);
        // Of the signs of the means that the kit tries, so that no label is impossible there.
        let z: Vec<f64> = (0..d).map(|j| 0.3 + 0.2 * j as f64).collect();
        // Rows may have models of their own; a cost that is no law of data is tried with a label.
        let first = model.row_model(0).unwrap_or(model);
        let mut y = vec![1.0; model.outputs(d)];
        if let Some(uniforms) = first.uniforms(d) {
            first.draw(&z, &vec![0.8; uniforms], &mut y);
        }
        assert_eq!(first.check(&y), Ok(()), "{} draws what it refuses", entry.module);
        let subject = Subject::Likelihood(model, &y);
        report(entry.module, entry.instance, check(subject, d));
        report(entry.module, entry.instance, check_calibration(subject, d));
    }
}

#[test]
fn estimators_of_all_rows_together_obey_theirs() {
    for entry in catalogue::structured().unwrap() {
        let verdict = check_coupled(&*entry.estimator, entry.columns);
        report(entry.module, entry.instance, verdict);
    }
}

#[test]
fn channels_obey_their_laws() {
    for entry in catalogue::channels().unwrap() {
        report(entry.module, entry.instance, check_channel(&*entry.estimator, entry.columns));
    }
}

#[test]
fn models_without_a_direction_are_the_same_in_all() {
    let round: [(&str, Box<dyn Denoiser>, usize); 6] = [
        ("Gaussian", Box::new(Gaussian::new(0.0, 0.7).unwrap()), 3),
        ("sparse rows", Box::new(GroupBernoulliGauss::new(0.2, 2.0).unwrap()), 3),
        ("complex", Box::new(GroupBernoulliGauss::complex(0.2, 2.0).unwrap()), 2),
        ("unit modulus", Box::new(UnitModulus::with_radius(1.3).unwrap()), 2),
        ("ridge", Box::new(L2::new(0.7).unwrap()), 4),
        ("one column", Box::new(Laplace::new(1.0).unwrap()), 1),
    ];
    for (name, prior, d) in &round {
        report(name, "rotation", check_rotation_invariance(Subject::Denoiser(&**prior), *d));
    }
    let noise = Awgn::new(4.0).unwrap();
    let data = Subject::Likelihood(&noise, &[0.3, -1.0]);
    report("noise", "rotation", check_rotation_invariance(data, 2));
    // Each of these prefers its columns or its points.
    let edged: [Box<dyn Denoiser>; 2] =
        [Box::new(Discrete::qpsk()), Box::new(L1::new(0.7).unwrap())];
    for prior in &edged {
        assert!(check_rotation_invariance(Subject::Denoiser(&**prior), 2).is_err(), "{prior:?}");
    }
}

#[test]
fn log_concave_models_never_know_less_than_the_cavity() {
    let priors: [(Box<dyn Denoiser>, usize); 9] = [
        (Box::new(Gaussian::new(0.5, 0.7).unwrap()), 3),
        (Box::new(Laplace::new(0.3).unwrap()), 1),
        (Box::new(Exponential::new(0.8).unwrap()), 1),
        (Box::new(Uniform::new(-0.5, 2.0).unwrap()), 1),
        (Box::new(TruncatedGaussian::new(0.5, 2.0, -1.0, 0.8).unwrap()), 1),
        (Box::new(TruncatedGaussian::new(0.0, 1.0, 6.0, f64::INFINITY).unwrap()), 1),
        (Box::new(L2::new(0.7).unwrap()), 3),
        (Box::new(L1::new(0.7).unwrap()), 1),
        (Box::new(ElasticNet::new(0.7, 0.2).unwrap()), 1),
    ];
    for (prior, d) in &priors {
        report(&prior.name(), "shape", check_log_concave(Subject::Denoiser(&**prior), *d));
    }
    let sign = Sign::probit(0.5).unwrap();
    report("sign", "shape", check_log_concave(Subject::Likelihood(&sign, &[-1.0]), 1));
    let bins = Quantised::new(&[-0.5, 0.2, 1.0], 0.3).unwrap();
    report("quantised", "shape", check_log_concave(Subject::Likelihood(&bins, &[1.0]), 1));
    let laplace = LaplaceNoise::new(0.6).unwrap();
    report("Laplace noise", "shape", check_log_concave(Subject::Likelihood(&laplace, &[0.4]), 1));
    let huber = HuberNoise::new(0.7, 1.345).unwrap();
    report("Huber", "shape", check_log_concave(Subject::Likelihood(&huber, &[0.4]), 1));
    // Between two points a row is less certain than its cavity.
    let points = Discrete::binary();
    assert!(check_log_concave(Subject::Denoiser(&points), 1).is_err());
}

/// Penalties that aren't convex: their estimates jump.
const NOT_CONVEX: [&str; 4] =
    ["penalty/hard_threshold", "penalty/mcp", "penalty/scad", "penalty/lq"];

#[test]
fn maximisers_of_convex_costs_are_firmly_nonexpansive() {
    let mut maximisers = catalogue::denoisers().unwrap();
    maximisers.retain(|e| e.module.starts_with("penalty/"));
    maximisers.extend(catalogue::structured().unwrap());
    for entry in maximisers {
        let maximiser = entry.estimator.estimation() == Estimation::Map;
        if maximiser && !NOT_CONVEX.contains(&entry.module) {
            let subject = Subject::Denoiser(&*entry.estimator);
            let verdict = check_firmly_nonexpansive(subject, entry.columns);
            report(entry.module, entry.instance, verdict);
        }
    }
}

/// Files under these folders that hold what several families share, not a family.
const SHARED: [&str; 7] = [
    "penalty/active_set",
    "penalty/piecewise",
    "penalty/shrinkage",
    "penalty/thresholding",
    "structured/chain",
    "structured/image",
    "structured/picture",
];

#[test]
fn every_family_is_in_the_catalogue() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = BTreeSet::new();
    for folder in ["prior", "penalty", "structured", "likelihood", "channel"] {
        for file in std::fs::read_dir(source.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let module = format!("{folder}/{name}");
            if name != "mod" && !SHARED.contains(&module.as_str()) {
                modules.insert(module);
            }
        }
    }
    let mut listed: BTreeSet<String> = BTreeSet::new();
    listed.extend(catalogue::denoisers().unwrap().iter().map(|e| e.module.to_owned()));
    listed.extend(catalogue::structured().unwrap().iter().map(|e| e.module.to_owned()));
    listed.extend(catalogue::likelihoods().unwrap().iter().map(|e| e.module.to_owned()));
    listed.extend(catalogue::channels().unwrap().iter().map(|e| e.module.to_owned()));
    assert_eq!(modules, listed, "modules on the left, catalogue on the right");
    let page = source.join("../../../docs/catalogue.md");
    let page = std::fs::read_to_string(page).unwrap();
    for module in &modules {
        assert!(page.contains(&format!("src/{module}")), "docs/catalogue.md leaves out {module}");
    }
}
