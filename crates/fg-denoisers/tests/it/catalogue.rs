//! The conformance laws over the catalogue, and the catalogue against the list of modules.

use std::collections::BTreeSet;
use std::path::Path;

use fg_core::testing::{
    Subject, Violation, check, check_calibration, check_channel, check_coupled,
    check_firmly_nonexpansive,
};
use fg_denoisers::catalogue;

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
        let z: Vec<f64> = (0..d).map(|j| 0.3 - 0.9 * j as f64).collect();
        let uniforms = vec![0.8; model.uniforms(d).unwrap_or(0)];
        let mut y = vec![0.0; model.outputs(d)];
        model.draw(&z, &uniforms, &mut y);
        assert_eq!(model.check(&y), Ok(()), "{} draws what it refuses", entry.module);
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

/// Penalties that aren't convex: their estimates jump.
const NOT_CONVEX: [&str; 4] =
    ["penalty/hard_threshold", "penalty/mcp", "penalty/scad", "penalty/lq"];

#[test]
fn maximisers_of_convex_costs_are_firmly_nonexpansive() {
    let mut maximisers = catalogue::denoisers().unwrap();
    maximisers.retain(|e| e.module.starts_with("penalty/"));
    maximisers.extend(catalogue::structured().unwrap());
    for entry in maximisers {
        if !NOT_CONVEX.contains(&entry.module) {
            let subject = Subject::Denoiser(&*entry.estimator);
            let verdict = check_firmly_nonexpansive(subject, entry.columns);
            report(entry.module, entry.instance, verdict);
        }
    }
}

/// Files under these folders that hold what several families share, not a family.
const SHARED: [&str; 6] = [
    "penalty/active_set",
    "penalty/piecewise",
    "penalty/shrinkage",
    "penalty/thresholding",
    "structured/chain",
    "structured/image",
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
