//! Estimates against quadrature of the density, and against values computed with 80 to 250 digits.

use fg_core::denoiser::{Denoiser, RowEstimate, Scratch};
use fg_core::special::{cdf, log_cdf, log_pdf};
use fg_core::testing::{Density, Input, Subject, check_against_density};
use fg_denoisers::{
    Awgn, BernoulliGauss, Censored, Exponential, Gaussian, HuberNoise, Laplace, LaplaceNoise,
    Quantised, Rectified, TruncatedGaussian, Uniform,
};

/// Log-partition, mean and variance of one row.
fn run(denoiser: &dyn Denoiser, n: f64, gamma: f64) -> [f64; 3] {
    let input = Input::new(1, vec![n], vec![gamma]);
    let (mut mean, mut variance, mut log) = ([0.0], [0.0], [0.0]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
    denoiser.estimate(&input.cavity(), &mut out, &mut Scratch::default()).expect("an estimate");
    assert!(denoiser.log_partition(&input.cavity(), &mut log), "a log-partition function");
    [log[0], mean[0], variance[0]]
}

/// Rounding of a log ratio of up to some hundred nats, which weights inherit as a relative error.
const BULK: f64 = 1e-12;

#[track_caller]
fn compare(label: &str, found: [f64; 3], expected: [f64; 3]) {
    let deviation = expected[2].sqrt();
    let tolerances = [
        BULK * (1.0 + expected[0].abs()),
        BULK * (expected[1].abs() + deviation),
        BULK * expected[2],
    ];
    for k in 0..3 {
        let error = (found[k] - expected[k]).abs();
        assert!(error <= tolerances[k], "{label}: {found:?}, not {expected:?}, error {error:e}");
    }
}

/// `rho, m, v, n, gamma, log-partition, mean, variance`: mpmath 1.3 with 80 digits, the mixture of spike and slab
/// evaluated as written, `variance = second moment - mean^2`, inputs being the doubles shown.
#[rustfmt::skip]
const BERNOULLI_GAUSS: [[f64; 8]; 19] = [
    [0.1, 0.0, 1.0, 5e-07, 1e-12, -3.7499999999981174e-14, 4.9999999999933126e-8, 9.9999999999888756e-2],
    [0.1, 0.0, 1.0, -0.30000000000000004, 0.01, 4.0291706600212079e-3, -3.0777908316360798e-2, 1.1078770104612802e-1],
    [0.1, 0.0, 1.0, 0.3, 1.0, -2.8070617063137237e-2, 1.1156778248732463e-2, 3.8738303865526691e-2],
    [0.1, 0.0, 1.0, 4.0, 4.0, 1.1467273159535178e-1, 1.5800630651171073e-1, 1.4094062893982359e-1],
    [0.1, 0.0, 1.0, -10.606601717798213, 50.0, -5.9547640218164511e-2, -9.3128686026278754e-3, 2.7281174862047091e-3],
    [0.1, 0.0, 1.0, 22.627416997969522, 50.0, 1.1050419245047043, 3.1142544511438761e-1, 5.494901788763379e-2],
    [0.1, 0.0, 1.0, 260.0, 10000.0, -7.3259770484370376e-2, 8.2128349126047127e-4, 2.3835511734884464e-5],
    [0.1, 0.0, 1.0, 3000.0, 10000.0, 4.4304719922306774e+2, 2.9997000299970003e-1, 9.999000099990001e-5],
    [0.1, 0.0, 1.0, 5000000.0, 1000000000000.0, -7.5981094496836705e-2, 1.447602079110063e-7, 7.3179756334207118e-13],
    [0.1, 0.0, 1.0, -1000000000.0, 1000000000000.0, 4.9998388190384904e+5, -9.99999999999e-4, 9.99999999999e-13],
    [0.1, 0.0, 1.0, 30.0, 1.0, 2.2235084131672598e+2, 1.5e+1, 5.0e-1],
    [0.1, 0.0, 1.0, 1000.0, 1e-06, 4.9999719741490701e+5, 9.99999000001e+2, 9.99999000001e-1],
    [0.3, 2.0, 0.5, -2.0, 0.25, -3.3883355760546684e-1, 1.5718374332116754e-2, 2.1584008169628723e-2],
    [0.3, 2.0, 0.5, 1.212435565298214, 3.0, -2.8423052515868976e-1, 7.2851665844743917e-2, 8.4616069134567023e-2],
    [0.3, 2.0, 0.5, 160.0, 400.0, 2.5597111060057837e+1, 4.0796019900279223e-1, 2.4875621899319481e-3],
    [0.3, 2.0, 0.5, -600.0, 400.0, 4.3395532001527637e+2, -1.4825870646766169, 2.4875621890547264e-3],
    [1e-06, 0.0, 4.0, 5.0, 1.0, 9.801344472329933e-3, 3.9017832353019003e-2, 1.6235250464115152e-1],
    [1e-06, 0.0, 4.0, 65.0, 100.0, 4.2738538245448765, 6.3934843568284764e-1, 1.5609840431328474e-2],
    [1e-06, 0.0, 4.0, 30000.0, 100000000.0, -9.9549963900083577e-7, 1.3502582934349474e-12, 4.5008609497575796e-16],
];

/// `b, n, gamma, log-partition, mean, variance`: mpmath 1.3 with 250 digits, the two truncated Gaussians by
/// `erfc` and raw moments, inputs being the doubles shown.
#[rustfmt::skip]
const LAPLACE: [[f64; 6]; 17] = [
    [1.0, 5.000000000000001e-11, 1e-10, -9.9999999972500004e-11, 9.9999999950000017e-11, 1.999999999],
    [1.0, -0.30000000000000004, 0.01, 7.9642371254060351e-2, -6.2127677947513038e-1, 2.4252382567606253],
    [1.0, 0.3, 1.0, -4.006559573219786e-1, 1.4323567912639916e-1, 4.8262135570488222e-1],
    [1.0, 4.0, 4.0, 6.3649853481676442e-1, 7.7343206675519387e-1, 2.2809559935930863e-1],
    [1.0, -10.606601717798213, 50.0, -8.1757852113692172e-1, -1.9524231293774695e-1, 1.9208733901853656e-2],
    [1.0, 3000.0, 10000.0, 4.4532067116665664e+2, 2.999e-1, 1.0e-4],
    [1.0, 5000000.0, 1000000000000.0, -1.0897242053191536, 4.9999990000005733e-6, 9.9999999999702655e-13],
    [1.0, 30.0, 1.0, 4.2072579135264473e+2, 2.9e+1, 1.0],
    [0.05, 2.0, 1.0, 7.4408357927769187e-3, 9.9738486182262689e-3, 5.0844400938343394e-3],
    [0.05, 21.0, 1.0, 3.5557558560607068, 1.2784665380330593, 6.3720603919693484e-1],
    [0.05, -18.0, 1.0, 1.4988790917753246, -3.4974772121103296e-1, 1.164309723843344e-1],
    [0.05, 0.1, 0.01, -1.249750052329311e-9, 4.9995000624918766e-4, 4.9997499625249905e-3],
    [0.05, 3.0, 0.01, 2.2729059032958502e-2, 1.5343234375192665e-2, 5.349777042080191e-3],
    [0.05, 18.0, 900.0, -5.3149146553150748e-1, 1.2242685632801969e-2, 7.0453118583389828e-4],
    [10.0, 2.5, 1.0, 8.0269359217600797e-1, 2.4015377881401977, 9.9582398999855685e-1],
    [10.0, -300.0, 100.0, 4.4532067116665664e+2, -2.999, 1.0e-2],
    [1.0, 0.3, 0.0001, 9.4157389411183398e-2, 6.5892150219507931e-1, 2.6301638870691167],
];

#[test]
fn bernoulli_gauss_agrees_with_many_digits() {
    for [rho, m, v, n, gamma, log, mean, variance] in BERNOULLI_GAUSS {
        let prior = BernoulliGauss::new(rho, m, v).unwrap();
        let label = format!("rho {rho}, m {m}, v {v}, n {n}, gamma {gamma}");
        compare(&label, run(&prior, n, gamma), [log, mean, variance]);
    }
}

#[test]
fn laplace_agrees_with_many_digits() {
    for [scale, n, gamma, log, mean, variance] in LAPLACE {
        let prior = Laplace::new(scale).unwrap();
        compare(
            &format!("b {scale}, n {n}, gamma {gamma}"),
            run(&prior, n, gamma),
            [log, mean, variance],
        );
    }
}

const LINE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

#[track_caller]
fn integrate(subject: Subject<'_>, log: impl Fn(f64) -> f64, breaks: &[f64], atoms: &[(f64, f64)]) {
    integrate_within(LINE, subject, log, breaks, atoms);
}

#[track_caller]
fn integrate_within(
    support: (f64, f64),
    subject: Subject<'_>,
    log: impl Fn(f64) -> f64,
    breaks: &[f64],
    atoms: &[(f64, f64)],
) {
    let density = Density { log: &log, support, breaks, atoms };
    if let Err(violation) = check_against_density(subject, &density) {
        panic!("{violation}");
    }
}

fn log_normal(x: f64, mean: f64, variance: f64) -> f64 {
    log_pdf((x - mean) / variance.sqrt()) - 0.5 * variance.ln()
}

#[test]
fn gaussian_agrees_with_quadrature() {
    let prior = Gaussian::new(0.5, 2.0).unwrap();
    integrate(Subject::denoiser(&prior), |x| log_normal(x, 0.5, 2.0), &[], &[]);
}

#[test]
fn bernoulli_gauss_agrees_with_quadrature() {
    for (rho, m, v) in [(0.1, 0.0, 1.0), (0.4, 2.0, 0.5), (0.01, -1.0, 9.0)] {
        let prior = BernoulliGauss::new(rho, m, v).unwrap();
        let slab = |x| f64::ln(rho) + log_normal(x, m, v);
        integrate(Subject::denoiser(&prior), slab, &[], &[(0.0, (-rho).ln_1p())]);
    }
}

#[test]
fn laplace_agrees_with_quadrature() {
    for b in [1.0, 0.05, 10.0] {
        let prior = Laplace::new(b).unwrap();
        let log = |x: f64| -x.abs() / b - (2.0 * b).ln();
        integrate(Subject::denoiser(&prior), log, &[0.0], &[]);
    }
}

#[test]
fn awgn_agrees_with_quadrature() {
    let model = Awgn::new(4.0).unwrap();
    integrate(Subject::likelihood(&model, &[-0.7]), |z| log_normal(-0.7, z, 0.25), &[], &[]);
}

#[test]
fn priors_within_an_interval_agree_with_quadrature() {
    let uniform = Uniform::new(-0.5, 2.0).unwrap();
    integrate_within((-0.5, 2.0), Subject::denoiser(&uniform), |_| -f64::ln(2.5), &[], &[]);
    let exponential = Exponential::new(0.8).unwrap();
    let log = |x: f64| -x / 0.8 - f64::ln(0.8);
    integrate_within((0.0, f64::INFINITY), Subject::denoiser(&exponential), log, &[], &[]);
    let (start, end) = (-1.0, 0.8);
    let cut = TruncatedGaussian::new(0.5, 2.0, start, end).unwrap();
    let root = f64::sqrt(2.0);
    let mass = (cdf((end - 0.5) / root) - cdf((start - 0.5) / root)).ln();
    let log = |x: f64| log_normal(x, 0.5, 2.0) - mass;
    integrate_within((start, end), Subject::denoiser(&cut), log, &[], &[]);
    let sparse = TruncatedGaussian::nonnegative(0.2, 0.3, 1.5).unwrap();
    let mass = cdf(0.3 / f64::sqrt(1.5)).ln();
    let log = |x: f64| f64::ln(0.2) + log_normal(x, 0.3, 1.5) - mass;
    let atoms = [(0.0, f64::ln(0.8))];
    integrate_within((0.0, f64::INFINITY), Subject::denoiser(&sparse), log, &[], &atoms);
}

#[test]
fn robust_noises_agree_with_quadrature() {
    let laplace = LaplaceNoise::new(0.6).unwrap();
    let log = |z: f64| -(0.4 - z).abs() / 0.6 - f64::ln(1.2);
    integrate(Subject::likelihood(&laplace, &[0.4]), log, &[0.4], &[]);
    let (s, t) = (0.7, 1.345);
    let huber = HuberNoise::new(s, t).unwrap();
    let middle = core::f64::consts::TAU.sqrt() * (1.0 - 2.0 * cdf(-t));
    let total = (s * (middle + 2.0 * f64::exp(-0.5 * t * t) / t)).ln();
    let log = |z: f64| {
        let e = ((0.4 - z) / s).abs();
        -total - if e < t { 0.5 * e * e } else { t * e - 0.5 * t * t }
    };
    let breaks = [0.4 - s * t, 0.4 + s * t];
    integrate(Subject::likelihood(&huber, &[0.4]), log, &breaks, &[]);
}

#[test]
fn bins_and_limits_agree_with_quadrature() {
    let bins = Quantised::new(&[-0.5, 0.2, 1.0], 0.3).unwrap();
    let root = f64::sqrt(0.3);
    // The difference of two tails from the side on which both are small.
    let inner = |z: f64| {
        let (a, b) = ((0.2 - z) / root, (1.0 - z) / root);
        let mass = if a > 0.0 { cdf(-a) - cdf(-b) } else { cdf(b) - cdf(a) };
        // Beyond the smallest number the nearer edge alone counts.
        if mass > 1e-290 { mass.ln() } else { log_cdf(-a.abs().min(b.abs())) }
    };
    integrate(Subject::likelihood(&bins, &[2.0]), inner, &[], &[]);
    integrate(Subject::likelihood(&bins, &[0.0]), |z| log_cdf((-0.5 - z) / root), &[], &[]);
    let clipped = Censored::new(-1.0, 0.6, 0.3).unwrap();
    integrate(Subject::likelihood(&clipped, &[0.6]), |z| log_cdf((z - 0.6) / root), &[], &[]);
    let inside = |z: f64| log_normal(0.1, z, 0.3);
    integrate(Subject::likelihood(&clipped, &[0.1]), inside, &[], &[]);
}

#[test]
fn rectified_outputs_agree_with_quadrature() {
    for (slope, y) in [(0.1, 0.9), (0.1, -0.3), (0.0, -0.4)] {
        let node = Rectified::leaky_relu(slope, 0.3).unwrap();
        let log = |z: f64| log_normal(y, z.max(0.0) + slope * z.min(0.0), 0.3);
        integrate(Subject::likelihood(&node, &[y]), log, &[0.0], &[]);
    }
}
