//! Estimates against many digits, symmetries and limits.

use super::*;

fn run(channel: &PiecewiseLinear, [n, g, m, h]: [f64; 4]) -> Result<[f64; 4], Breakdown> {
    let (input, output, gammas) = ([n], [m], [[g], [h]]);
    let cavities = [
        RowCavity::new(0, 1, &input, &[0.0], &gammas[0]),
        RowCavity::new(0, 1, &output, &[0.0], &gammas[1]),
    ];
    let mut values = [[f64::NAN; 2]; 2];
    let [[z, vz], [u, vu]] = &mut values;
    let slice = core::slice::from_mut;
    let mut out = [
        RowEstimate { mean: slice(z), covariance: slice(vz) },
        RowEstimate { mean: slice(u), covariance: slice(vu) },
    ];
    let [a, b] = &mut out;
    channel.estimate([&cavities[0], &cavities[1]], [a, b], &mut Scratch::default())?;
    let [[z, vz], [u, vu]] = values;
    Ok([z, vz, u, vu])
}

fn named(name: &str) -> PiecewiseLinear {
    match name {
        "relu" => PiecewiseLinear::relu(),
        "abs" => PiecewiseLinear::absolute(),
        "sign" => PiecewiseLinear::sign(),
        "tanh" => PiecewiseLinear::hard_tanh(),
        _ => PiecewiseLinear::leaky_relu(0.1).unwrap(),
    }
}

/// Function, `n, g, m, h`, and mean and variance of input and output: mpmath 1.3 with 400 digits, masses and raw moments
/// of the pieces by `erfc`, inputs being the doubles shown.
#[rustfmt::skip]
const EXACT: [(&str, [f64; 4], [f64; 4]); 23] = [
    ("relu", [0.3, 1.0, 0.5, 2.0], [-0.035848917498883202, 0.63040427398845096, 0.2982794305708222, 0.16437719187907278]),
    ("relu", [-3.0, 4.0, 0.0, 0.0], [-0.75, 0.25, 0.014653396881302314, 0.0054970306160768204]),
    ("relu", [-30.0, 1.0, 2.0, 0.5], [-30.0, 1.0, 1.8689637212667329e-199, 1.3274123389354419e-200]),
    ("relu", [-30.0, 1.0, 40.0, 3.0], [-30.0, 1.0, 1.2390082124019756e-190, 3.2214213154039832e-190]),
    ("relu", [2.0, 0.0, -1.0, 3.0], [0.28510231543008323, 0.44354614401959994, 0.42979536913983354, 0.19541236123939853]),
    ("relu", [1e-06, 1e-12, -25.0, 1.0], [-525135.24417589975, 199097670240.15009, 2.4285961180555868e-9, 1.9336539362194014e-10]),
    ("relu", [5.0, 1000000.0, -30000.0, 1000000.0], [-0.00077454591960285501, 3.7030250381905356e-7, 8.6154388140703372e-7, 5.63263094292215e-11]),
    ("abs", [0.2, 0.7, -1.5, 0.1], [0.076891356793344471, 0.38682359348115395, 0.46745971464941909, 0.17421728941055903]),
    ("abs", [-0.4, 0.0, 30.0, 10.0], [-2.5409638210364658, 2.8451799658666805, 3.0333461842804862, 0.10048803199393185]),
    ("abs", [3.0, 0.5, 900.0, 900.0], [0.99781728255035439, 0.010998301816858378, 1.0027597055818493, 0.0011106040344350186]),
    ("abs", [1.0, 2.0, -35.0, 1.0], [0.0016142926800791675, 0.0016168491123851252, 0.028478740786295798, 0.00080841637646905461]),
    ("sign", [-0.7, 1.5, 0.4, 3.0], [-0.21511704555227648, 0.72077927797058882, -0.062727327592831675, 0.99606528237306158]),
    ("sign", [-8.0, 1.0, 30.0, 100.0], [0.12136811212179778, 0.01432488438560846, 0.99999999997184836, 5.6303271225762611e-11]),
    ("sign", [-33.0, 1.0, 0.0, 0.0], [-33.0, 1.0, -1.0, 1.624474248366342e-238]),
    ("sign", [0.1, 0.0001, 3.0, 1000000000000.0], [1000.0, 9999.9999999999995, 1.0, 7.5550909078062311e-26]),
    ("tanh", [0.4, 1.0, 0.3, 2.0], [0.39581297750187889, 0.6761304062656245, 0.28633397550130929, 0.33309299322816718]),
    ("tanh", [9.0, 1.0, -20.0, 0.0], [8.9999641281059411, 1.0003551988637164, 0.99999300156069138, 1.3679150283922775e-5]),
    ("tanh", [0.05, 0.001, 0.1, 0.001], [50.663193979974451, 966.43137475713496, 0.90534463892972099, 0.17593361377414283]),
    ("tanh", [-3000.0, 100.0, 20000.0, 10000.0], [-30.0, 0.01, -1.0, 0.0]),
    ("tanh", [4.0, 0.25, 30.0, 400.0], [0.084946908182386009, 0.0024984384759525297, 0.084946908182386009, 0.0024984384759525297]),
    ("tanh", [2000000.0, 1000000.0, 0.0, 1.0], [2.0, 1.0e-6, 1.0, 0.0]),
    ("leaky", [0.0, 0.0, -2.0, 4.0], [-6.3139835809246297, 16.267316817863723, -0.6270246398797159, 0.17035242092357054]),
    ("leaky", [12.0, 9.0, -60.0, 25.0], [-0.10531537076590066, 0.013292338717743406, -0.0081983199065025666, 0.00027925758525557716]),
];

/// Rounding of shares, relative, for exponents of up to some ten.
const BULK: f64 = 1e-12;

#[test]
fn estimates_agree_with_many_digits() {
    for (name, cavity, expected) in EXACT {
        let found = run(&named(name), cavity).unwrap();
        let [n, g, m, h] = cavity;
        // Exponents at the peak of either cavity: shares are exponentials of their differences.
        let exponent = |n: f64, gamma: f64| if gamma > 0.0 { n * n / gamma } else { 0.0 };
        let relative = BULK + 4.0 * f64::EPSILON * (exponent(n, g) + exponent(m, h));
        for port in 0..2 {
            let (mean, variance) = (found[2 * port], found[2 * port + 1]);
            let (exact, spread) = (expected[2 * port], expected[2 * port + 1]);
            let error = (mean - exact).abs();
            assert!(
                error <= relative * (exact.abs() + spread.sqrt()),
                "{name} {cavity:?}, mean {port}: {found:?}, not {expected:?}"
            );
            let error = (variance - spread).abs();
            // A variance whose logarithm is beyond the range of numbers is zero.
            assert!(
                error <= relative * spread || variance == 0.0 && spread < f64::MIN_POSITIVE,
                "{name} {cavity:?}, variance {port}: {found:?}, not {expected:?}"
            );
        }
    }
}

#[test]
fn one_line_is_a_gaussian_and_equal_lines_are_one() {
    let line = PiecewiseLinear::new(&[], &[(2.0, 1.0)]).unwrap();
    let cavity = [0.3, 0.5, 1.2, 0.8];
    let found = run(&line, cavity).unwrap();
    // z has precision 0.5 + 4 * 0.8 and natural parameter 0.3 + 2 (1.2 - 0.8).
    let (mean, variance) = (1.1 / 3.7, 1.0 / 3.7);
    let expected = [mean, variance, 2.0 * mean + 1.0, 4.0 * variance];
    let split = PiecewiseLinear::new(&[-1.0, 0.2, 0.3], &[(2.0, 1.0); 4]).unwrap();
    let parts = run(&split, cavity).unwrap();
    for k in 0..4 {
        assert!((found[k] - expected[k]).abs() < 1e-15 * 4.0, "{found:?} {expected:?}");
        assert!((parts[k] - expected[k]).abs() < BULK, "{parts:?} {expected:?}");
    }
}

#[test]
fn mirrored_cavities_have_mirrored_estimates() {
    for name in ["sign", "tanh"] {
        for [n, g, m, h] in [[0.4, 0.3, -1.0, 2.0], [-7.0, 1.0, 4.0, 0.0]] {
            let found = run(&named(name), [n, g, m, h]).unwrap();
            let mirrored = run(&named(name), [-n, g, -m, h]).unwrap();
            for (k, (a, b)) in found.iter().zip(mirrored).enumerate() {
                let b = if k % 2 == 0 { -b } else { b };
                assert!((a - b).abs() <= BULK * a.abs(), "{name}: {found:?} {mirrored:?}");
            }
        }
    }
}

#[test]
fn an_input_that_nothing_bounds_is_refused() {
    let improper = Err(Breakdown::ImproperCavity { port: 0, row: 0 });
    for name in ["relu", "sign", "tanh"] {
        assert_eq!(run(&named(name), [0.0, 0.0, 1.0, 2.0]), improper, "{name}");
    }
    // The output of an absolute value bounds its input; a slope alone bounds the flat side of a ReLU.
    assert!(run(&named("abs"), [0.0, 0.0, 1.0, 2.0]).is_ok());
    assert!(run(&named("relu"), [0.5, 0.0, 1.0, 2.0]).is_ok());
}

#[test]
#[expect(clippy::float_cmp, reason = "values that rounding does not touch")]
fn a_break_belongs_to_the_right_piece_and_parameters_are_checked() {
    assert_eq!(PiecewiseLinear::sign().value(0.0), 1.0);
    assert_eq!(PiecewiseLinear::hard_tanh().value(-3.0), -1.0);
    assert_eq!(PiecewiseLinear::absolute().value(-3.0), 3.0);
    let error = PiecewiseLinear::new(&[0.0], &[(1.0, 0.0)]).unwrap_err();
    assert_eq!(error, ParameterError::Length { parameter: "lines", expected: 2, found: 1 });
    let error = PiecewiseLinear::new(&[1.0, 1.0], &[(0.0, 0.0); 3]).unwrap_err();
    assert_eq!(error.to_string(), "break must be above the one before it, got 1");
    assert!(PiecewiseLinear::new(&[f64::NAN], &[(0.0, 0.0); 2]).is_err());
    assert!(PiecewiseLinear::new(&[], &[(f64::INFINITY, 0.0)]).is_err());
    assert!(PiecewiseLinear::leaky_relu(f64::NAN).is_err());
}
