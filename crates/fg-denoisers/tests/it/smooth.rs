//! Estimates by quadrature along a line, against quadrature of the density and values computed with 34 digits.

use fg_core::denoiser::{Channel, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::special::{log1pexp, logistic};
use fg_core::testing::{Density, Input, Subject, check_against_density, check_maximiser};
use fg_denoisers::{Hinge, HuberNoise, Logistic, Poisson, Smooth, StudentNoise, Survival};

const LINE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

#[track_caller]
fn integrate(
    model: &dyn Likelihood,
    data: &[f64],
    log: impl Fn(f64) -> f64,
    (support, breaks): ((f64, f64), &[f64]),
) {
    let density = Density { log: &log, support, breaks, atoms: &[] };
    if let Err(violation) = check_against_density(Subject::likelihood(model, data), &density) {
        panic!("{violation}");
    }
}

#[test]
fn labels_agree_with_quadrature() {
    for y in [-1.0, 1.0] {
        let log = |z: f64| -log1pexp(-y * z);
        integrate(&Logistic::new(), &[y], log, (LINE, &[0.0]));
        let hinge = Hinge::new(0.8).unwrap().averaged();
        let log = |z: f64| -0.8 * (1.0 - y * z).max(0.0);
        integrate(&hinge, &[y], log, (LINE, &[y]));
    }
}

#[test]
fn counts_agree_with_quadrature() {
    let factorial = |y: f64| libm::lgamma(y + 1.0);
    for y in [0.0, 1.0, 12.0] {
        let log = |z: f64| y * z - z.exp() - factorial(y);
        integrate(&Poisson::exponential(), &[y], log, (LINE, &[0.0]));
        let log = |z: f64| if y > 0.0 { y * z.ln() } else { 0.0 } - z.max(0.0) - factorial(y);
        let support = if y > 0.0 { (0.0, f64::INFINITY) } else { LINE };
        integrate(&Poisson::rectified(), &[y], log, (support, &[0.0]));
    }
}

#[test]
fn survival_times_agree_with_quadrature() {
    let k = 1.7;
    let model = Survival::new(k).unwrap();
    for (t, e) in [(0.6, 1.0), (2.5, 0.0)] {
        let log = |z: f64| {
            let x = k * (f64::ln(t) - z);
            e * (f64::ln(k / t) + x) - x.exp()
        };
        integrate(&model, &[t, e], log, (LINE, &[f64::ln(t)]));
    }
}

#[test]
fn maximisers_minimise_their_costs() {
    type Cost = Box<dyn Fn(&[f64]) -> f64>;
    let huber = |e: f64| {
        let e = e.abs() / 0.7;
        if e < 1.345 { 0.5 * e * e } else { 1.345 * e - 0.5 * 1.345 * 1.345 }
    };
    let cases: [(Box<dyn Likelihood>, Vec<f64>, Cost); 6] = [
        (Box::new(Logistic::new().maximised()), vec![-1.0], Box::new(|z| log1pexp(z[0]))),
        (
            Box::new(Poisson::exponential().maximised()),
            vec![3.0],
            Box::new(|z| z[0].exp() - 3.0 * z[0]),
        ),
        (
            Box::new(Poisson::rectified().maximised()),
            vec![2.0],
            Box::new(|z| if z[0] > 0.0 { z[0] - 2.0 * z[0].ln() } else { f64::INFINITY }),
        ),
        (
            Box::new(Survival::new(2.0).unwrap().maximised()),
            vec![1.0, 0.0],
            Box::new(|z| (-2.0 * z[0]).exp()),
        ),
        (Box::new(Hinge::new(0.8).unwrap()), vec![1.0], Box::new(|z| 0.8 * (1.0 - z[0]).max(0.0))),
        (
            Box::new(HuberNoise::new(0.7, 1.345).unwrap().maximised()),
            vec![0.4],
            Box::new(move |z| huber(z[0] - 0.4)),
        ),
    ];
    for (model, data, cost) in cases {
        for input in Input::examples(1) {
            let subject = Subject::likelihood(&*model, &data);
            // The last example has no information: a model that doesn't bound the unknown refuses it.
            if input.precision()[0] > 0.0
                && let Err(violation) = check_maximiser(subject, &input, &*cost)
            {
                panic!("{violation}");
            }
        }
    }
}

/// Rounding of exponents of up to some hundred nats, which weights inherit as a relative error.
const BULK: f64 = 1e-11;

#[track_caller]
fn compare(model: &dyn Likelihood, data: &[f64], (n, gamma): (f64, f64), expected: [f64; 3]) {
    let (natural, precision) = ([n], [gamma]);
    let cavity = RowCavity::new(0, 1, &natural, &natural, &precision);
    let (mut mean, mut variance, mut log) = ([0.0], [0.0], [0.0]);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
    model.estimate(data, &cavity, &mut out, &mut Scratch::default()).expect("an estimate");
    assert!(model.log_partition(data, &cavity, &mut log), "a log-partition function");
    let found = [log[0], mean[0], variance[0]];
    let tolerances = [
        BULK * (1.0 + expected[0].abs()),
        BULK * (expected[1].abs() + expected[2].sqrt()),
        BULK * expected[2],
    ];
    for k in 0..3 {
        let error = (found[k] - expected[k]).abs();
        assert!(
            error <= tolerances[k],
            "{data:?}, n {n}, gamma {gamma}: {found:?}, not {expected:?}, error {error:e}"
        );
    }
}

/// `y, n, gamma`, and log-partition, mean and variance: mpmath 1.3 with 34 digits, Gauss-Legendre panels graded towards the
/// peaks, the bend and the data; inputs being the doubles shown. So are the tables below.
#[rustfmt::skip]
const LOGISTIC: [(f64, f64, f64, [f64; 3]); 6] = [
    (1.0, 0.3, 1.0, [0.38716326595255482, 0.66288456150185997, 0.83550105276583469]),
    (-1.0, 30.0, 1.0, [421.41893853320425, 29.000000000000419, 0.99999999999958062]),
    (1.0, -300000.0, 100000000.0, [441.01394985567272, -0.0029999949925000182, 9.9999999750000564e-9]),
    (1.0, -3e-05, 1e-12, [10.413205136307832, 33259.667334980751, 1.1037715151799352e+9]),
    (-1.0, 0.4, 0.0, [1.1949116757710186, -1.0207653306919255, 10.911566261431955]),
    (1.0, 2000000000000.0, 1000000000000.0, [1.9999999999869765e+12, 2.0000000000001192, 9.9999999999989501e-13]),
];

#[rustfmt::skip]
const POISSON: [(f64, f64, f64, [f64; 3]); 6] = [
    (0.0, 0.5, 1.0, [-0.30809029842905042, -0.38341887260778051, 0.55804139548968345]),
    (3.0, -30.0, 1.0, [363.62717906397352, -27.000000000003099, 0.99999999999690118]),
    (1000000.0, 0.1, 0.01, [-13.3883011472485, 13.815510019809076, 1.0000005281552858e-6]),
    (0.0, 30.0, 1e-12, [71.257038967162265, 3.3844381326854107, 0.033895060357742644]),
    (2.0, -1.5, 0.0, [-0.12078223763524522, -1.9635100260214235, 4.9348022005446793]),
    (7.0, -2000000.0, 1000000000000.0, [-20.421745385809516, -1.999993999998e-6, 9.99999999999e-13]),
];

#[rustfmt::skip]
const RATE: [(f64, f64, f64, [f64; 3]); 4] = [
    (1.0, 0.5, 1.0, [-0.57657773118265982, 1.0598731483480931, 0.34673233523667984]),
    (3.0, -30.0, 1.0, [-13.746295694407608, 0.12836848249189685, 0.0040985754539251359]),
    (40.0, -30000.0, 1000000.0, [-423.5831224694239, 0.0013082388779858255, 4.0036459673637261e-8]),
    (2.0, 0.25, 0.0, [0.86304621735534278, 4.0, 5.3333333333333333]),
];

type Outlier = ([f64; 2], f64, f64, f64, [f64; 3]);

/// Degrees of freedom and scale, then as above: one peak, two far apart, heavy tails, a far outlier, a precise cavity.
#[rustfmt::skip]
const STUDENT: [Outlier; 6] = [
    ([4.0, 0.5], 1.0, 0.3, 1.0, [-0.30179397687002092, 0.82085907663830371, 0.26573644581034857]),
    ([3.0, 0.02], 7.0, 0.0, 1.0, [-17.170266428264772, 0.65364148794636479, 1.1503604791235833]),
    ([1.0, 0.3], -2.0, 0.5, 1e-08, [12499972.325509128, 49999995.999999679, 1.0000000800000224e+8]),
    ([2.5, 0.01], 4.0, 20.0, 100.0, [-14.976764476201039, 0.20923926844556033, 0.010024466192949256]),
    ([5.0, 1.0], 1000.0, 0.0, 0.0001, [-31.834455571059694, 64.993954475084451, 10770.097743505736]),
    ([3.0, 0.5], 0.2, 30000000.0, 1000000000000.0, [436.6917972060127, 3.0000001012521708e-5, 9.9999999999544923e-13]),
];

#[test]
fn estimates_agree_with_many_digits() {
    for (y, n, gamma, expected) in LOGISTIC {
        compare(&Logistic::new(), &[y], (n, gamma), expected);
    }
    for (y, n, gamma, expected) in POISSON {
        compare(&Poisson::exponential(), &[y], (n, gamma), expected);
    }
    for (y, n, gamma, expected) in RATE {
        compare(&Poisson::rectified(), &[y], (n, gamma), expected);
    }
    for ([dof, scale], y, n, gamma, expected) in STUDENT {
        let noise = StudentNoise::new(dof, scale).unwrap();
        compare(&noise, &[y], (n, gamma), expected);
    }
}

/// Name, cavities `n, g, m, h` of input and output, then mean and variance of the input and of the output.
#[rustfmt::skip]
const SMOOTH: [(&str, [f64; 4], [f64; 4]); 8] = [
    ("tanh", [0.3, 1.0, 0.4, 2.0], [0.37744400000671061, 0.68642485220506237, 0.24721656388341066, 0.2774329436572283]),
    ("tanh", [-3.0, 0.1, 50.0, 60.0], [1.0430419421390182, 0.098329565305813578, 0.75292064101657204, 0.012177489151425448]),
    ("tanh", [0.0, 1e-08, 50000000.0, 100000000.0], [0.54930617100072493, 1.777778046419827e-8, 0.50000001333333462, 1.0000000444444531e-8]),
    ("tanh", [300.0, 100.0, -10000.0, 10000.0], [-1.2512369995960342, 6.2435141862301809e-4, -0.84848200069446063, 4.8842945261111627e-5]),
    ("sigmoid", [-30.0, 1.0, 1000000.0, 1000000.0], [5.1333259215946118, 0.014544437762584969, 0.99409600986100393, 4.9075700618829224e-7]),
    ("softplus", [0.5, 0.0, 1.0, 2.0], [-0.59614067137260805, 3.94759941278551, 0.72699016663721587, 0.34019399770423254]),
    ("softplus", [-0.2, 0.01, -30.0, 1.0], [-21.182459975456892, 79.970047557017176, 3.9934435199606737e-4, 1.1183915085778175e-5]),
    ("sigmoid", [0.0, 1e-06, 3.0, 0.0], [722.90420663904473, 478381.58158938348, 0.95221523611306814, 0.045260412158322353]),
];

fn activation(name: &str) -> Smooth {
    match name {
        "tanh" => Smooth::tanh(),
        "sigmoid" => Smooth::sigmoid(),
        _ => Smooth::softplus(),
    }
}

fn run(channel: &Smooth, [n, g, m, h]: [f64; 4]) -> [f64; 4] {
    let (input, output) = (([n], [g]), ([m], [h]));
    let cavities = [&input, &output].map(|(n, g)| RowCavity::new(0, 1, n, n, g));
    let mut ports = [([0.0], [0.0]); 2];
    let [a, b] = &mut ports;
    let mut out = [a, b].map(|(mean, covariance)| RowEstimate { mean, covariance });
    let [x, y] = &mut out;
    let cavities = [&cavities[0], &cavities[1]];
    channel.estimate(cavities, [x, y], &mut Scratch::default()).expect("an estimate");
    [ports[0].0[0], ports[0].1[0], ports[1].0[0], ports[1].1[0]]
}

#[test]
fn smooth_activations_agree_with_many_digits() {
    for (name, cavities, expected) in SMOOTH {
        let found = run(&activation(name), cavities);
        for port in [0, 2] {
            let (mean, variance) = (expected[port], expected[port + 1]);
            let label = format!("{name} {cavities:?}: {found:?}, not {expected:?}");
            // Exponents of cavities of precision 1e8 round by 1e-8 of a nat.
            let accuracy = if cavities[3] > 1e5 { 1e3 * BULK } else { BULK };
            let tolerance = accuracy * (mean.abs() + variance.sqrt());
            assert!((found[port] - mean).abs() <= tolerance, "mean {port}, {label}");
            let error = (found[port + 1] - variance).abs();
            assert!(error <= accuracy * variance, "variance {port}, {label}");
        }
    }
}

#[test]
fn noise_behind_an_activation_widens_the_outputs_cavity() {
    // Seen through noise of variance v, an output of precision h has precision h / (1 + h v).
    let (h, v, m) = (2.0, 0.3, 0.9);
    let k = 1.0 / (1.0 + h * v);
    let noisy = run(&Smooth::tanh().with_noise(v).unwrap(), [0.4, 1.0, m, h]);
    let exact = run(&Smooth::tanh(), [0.4, 1.0, k * m, k * h]);
    let output = [k * (v * m + exact[2]), k * v + k * k * exact[3]];
    for (found, expected) in noisy.iter().zip([exact[0], exact[1], output[0], output[1]]) {
        assert!((found - expected).abs() < 1e-15 * 8.0, "{noisy:?} {exact:?}");
    }
}

#[test]
fn a_scaled_activation_is_the_activation_of_a_scaled_input() {
    // sigmoid(z) = (1 + tanh(z / 2)) / 2, so that inputs and outputs of the one are those of the other, scaled.
    let [n, g, m, h] = [0.7, 0.8, -3.0, 9.0];
    let sigmoid = run(&Smooth::sigmoid(), [n, g, m, h]);
    let tanh = run(&Smooth::tanh(), [2.0 * n, 4.0 * g, 0.5 * m - 0.25 * h, 0.25 * h]);
    let expected = [2.0 * tanh[0], 4.0 * tanh[1], 0.5 + 0.5 * tanh[2], 0.25 * tanh[3]];
    for (f, e) in sigmoid.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-12 * e.abs(), "{sigmoid:?} {expected:?}");
    }
    let share = logistic(0.3);
    assert!((Smooth::sigmoid().value(0.3) - share).abs() < 1e-16, "{share}");
}

#[test]
fn inputs_that_an_activation_does_not_bound_are_refused() {
    use fg_core::factor::Breakdown;
    let improper = |channel: &Smooth, n: f64, h: f64| {
        let (input, output) = (([n], [0.0]), ([0.0], [h]));
        let cavities = [&input, &output].map(|(n, g)| RowCavity::new(5, 1, n, n, g));
        let mut ports = [([0.0], [0.0]); 2];
        let [a, b] = &mut ports;
        let mut out = [a, b].map(|(mean, covariance)| RowEstimate { mean, covariance });
        let [x, y] = &mut out;
        let found = channel.estimate([&cavities[0], &cavities[1]], [x, y], &mut Scratch::default());
        found == Err(Breakdown::ImproperCavity { port: 0, row: 5 })
    };
    assert!(improper(&Smooth::tanh(), 0.3, 2.0) && improper(&Smooth::softplus(), 0.0, 2.0));
    assert!(improper(&Smooth::softplus(), 0.5, 0.0) && !improper(&Smooth::softplus(), 0.5, 2.0));
}
