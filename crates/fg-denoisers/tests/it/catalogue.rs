//! The conformance laws over the catalogue, and the catalogue against the list of modules.

use std::collections::BTreeSet;
use std::path::Path;

use fg_core::denoiser::{Denoiser, Likelihood};
use fg_core::testing::{Report, Subject, Violation, check, report};
use fg_denoisers::catalogue::{self, Entry};
use fg_denoisers::{Discrete, L1};

/// Families whose densities are log-concave or whose costs are convex, all instances but those of [`NOT_CONCAVE`].
const LOG_CONCAVE: [&str; 32] = [
    "prior/gaussian",
    "prior/uniform",
    "prior/exponential",
    "prior/truncated_gaussian",
    "prior/laplace",
    "prior/per_row",
    "prior/grouped",
    "prior/product",
    "penalty/l1",
    "penalty/l2",
    "penalty/elastic_net",
    "penalty/nonnegative",
    "penalty/interval",
    "penalty/huber",
    "penalty/simplex",
    "penalty/group_lasso",
    "structured/image_total_variation",
    "structured/total_variation",
    "structured/nuclear_norm",
    "likelihood/awgn",
    "likelihood/censored",
    "likelihood/diagonal_noise",
    "likelihood/masked",
    "likelihood/huber",
    "likelihood/laplace_noise",
    "likelihood/quantised",
    "likelihood/sign",
    "likelihood/logistic",
    "likelihood/poisson",
    "likelihood/survival",
    "likelihood/hinge",
    "likelihood/softmax",
];

/// Instances of these families with a zero, a second peak or flipped labels.
const NOT_CONCAVE: [(&str, &str); 4] = [
    ("prior/truncated_gaussian", "sparse"),
    ("prior/product", "sparse, two wells"),
    ("likelihood/sign", "flipped"),
    ("likelihood/sign", "flipped probit"),
];

/// Instances of several columns that prefer no direction.
const ROUND: [(&str, &str); 11] = [
    ("prior/group_bernoulli_gauss", "isotropic"),
    ("prior/group_bernoulli_gauss", "complex"),
    ("prior/unit_modulus", "unit"),
    ("prior/unit_modulus", "radius 3"),
    ("penalty/l2", "three columns"),
    ("penalty/group_lasso", "three columns"),
    ("structured/nuclear_norm", "two columns"),
    ("structured/nuclear_norm", "three columns"),
    ("likelihood/awgn", "learning"),
    ("likelihood/awgn", "noise-free"),
    ("likelihood/complex_magnitude", "noisy"),
];

/// Holds entries to every law, to those of their shape and their symmetry among them, and shows all that are broken.
#[track_caller]
fn hold<T: ?Sized>(
    entries: Vec<Entry<T>>,
    verdict: impl Fn(&Entry<T>, &dyn Fn(Subject<'_>) -> Report) -> Report,
) {
    let mut broken = Vec::new();
    for entry in entries {
        let name = (entry.module, entry.instance);
        let claim = |mut subject: Subject<'_>| {
            if LOG_CONCAVE.contains(&entry.module) && !NOT_CONCAVE.contains(&name) {
                subject = subject.log_concave();
            }
            if ROUND.contains(&name) {
                subject = subject.rotation_invariant();
            }
            report(subject, entry.columns)
        };
        let found = verdict(&entry, &claim);
        if !found.passes() {
            broken.push(format!("{}, {}: {found}", entry.module, entry.instance));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn denoisers_obey_their_laws() {
    hold(catalogue::denoisers().unwrap(), |entry, found| {
        found(Subject::denoiser(&*entry.estimator))
    });
}

/// Of the signs of the means that the kit tries, so that no label is impossible there.
fn drawn(model: &dyn Likelihood, d: usize) -> Vec<f64> {
    let z: Vec<f64> = (0..d).map(|j| 0.3 + 0.2 * j as f64).collect();
    // Rows may have models of their own; a cost that is no law of data is tried with a label.
    let first = model.row_model(0).unwrap_or(model);
    let mut y = vec![1.0; model.outputs(d)];
    if let Some(uniforms) = first.uniforms(d) {
        first.draw(&z, &vec![0.8; uniforms], &mut y);
    }
    y
}

#[test]
fn likelihoods_obey_their_laws_on_data_they_draw() {
    hold(catalogue::likelihoods().unwrap(), |entry, found| {
        let y = drawn(&*entry.estimator, entry.columns);
        found(Subject::likelihood(&*entry.estimator, &y))
    });
}

#[test]
fn estimators_of_all_rows_together_obey_theirs() {
    hold(catalogue::structured().unwrap(), |entry, found| {
        found(Subject::denoiser(&*entry.estimator))
    });
}

#[test]
fn channels_obey_their_laws() {
    hold(catalogue::channels().unwrap(), |entry, found| found(Subject::channel(&*entry.estimator)));
}

#[test]
fn claims_that_are_wrong_are_found() {
    let law = |subject, d| check(subject, d).err().map(|violation: Violation| violation.law);
    // Each of these prefers its columns or its points.
    let edged: [Box<dyn Denoiser>; 2] =
        [Box::new(Discrete::qpsk()), Box::new(L1::new(0.7).unwrap())];
    for prior in &edged {
        let subject = Subject::denoiser(&**prior);
        assert_eq!(law(subject.rotation_invariant(), 2), Some("rotation"), "{prior:?}");
    }
    // Between two points a row is less certain than its cavity.
    let points = Discrete::binary();
    assert_eq!(law(Subject::denoiser(&points).log_concave(), 1), Some("log-concave"));
}

#[test]
fn claims_are_about_instances_that_there_are() {
    let mut names: BTreeSet<(&str, &str)> = BTreeSet::new();
    let names_of = |entry: &Entry<dyn Denoiser>| (entry.module, entry.instance);
    names.extend(catalogue::denoisers().unwrap().iter().map(names_of));
    names.extend(catalogue::structured().unwrap().iter().map(names_of));
    let likelihoods = catalogue::likelihoods().unwrap();
    names.extend(likelihoods.iter().map(|entry| (entry.module, entry.instance)));
    for module in LOG_CONCAVE {
        assert!(names.iter().any(|name| name.0 == module), "{module}");
    }
    for name in NOT_CONCAVE.iter().chain(&ROUND) {
        assert!(names.contains(name), "{name:?}");
    }
}

/// Files under these folders that hold what several families share, not a family.
const SHARED: [&str; 14] = [
    "penalty/active_set",
    "penalty/branch_and_bound",
    "penalty/crossings",
    "penalty/jointly",
    "penalty/patterns",
    "penalty/piecewise",
    "penalty/powers",
    "penalty/shrinkage",
    "penalty/thresholding",
    "structured/chain",
    "structured/chains",
    "structured/low_rank",
    "structured/picture",
    "structured/precisions",
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
