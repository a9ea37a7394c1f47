"""Forty digits of log-partition, mean and covariance of the families, from their densities by quadrature.

Usage: python3 references.py [family ..] > references.csv

Needs mpmath 1.3; one process, some minutes with gmpy2 beside it and three times as many without. Every row is computed twice, with two working precisions, two
rules and two subdivisions; only digits in which both agree are written, and a row in which fewer than DIGITS do
ends the run. Digits are counted as the tests count errors: of a log-partition next to one nat, of a mean next to its
deviation, of a covariance next to the deviations. Parameters and cavities are the doubles printed.
"""

import sys

import densities as d
import networks
from mpmath import exp, floor, inf, log, log10, mp, mpf, nstr, sqrt, tanh

DIGITS = 40
# Working precision and order of the rules.
RUNS = ((75, 32), (95, 41))

INFINITY = float("inf")
CORRELATED = (1.0, 0.6, 0.6, 2.0)
COVARIANCE = (1.0, 0.6, -0.2, 0.6, 2.0, 0.3, -0.2, 0.3, 0.5)


def square(values, size):
    return [[mpf(values[size * i + j]) for j in range(size)] for i in range(size)]


def vector(values):
    return [mpf(v) for v in values]


def line(build, *parameters):
    """A family whose density takes its parameters as they are written."""
    return parameters, lambda order: build(order, *vector(parameters))


def priors():
    for rho, m, v in ((0.1, 0.0, 1.0), (0.01, 2.0, 0.5)):
        parts = lambda rho=rho, m=m, v=v: [(1 - mpf(rho), [mpf(0)], None), (mpf(rho), [mpf(m)], [[mpf(v)]])]
        yield "bernoulli_gauss", (rho, m, v), lambda order, parts=parts: d.mixture(parts())
    for b in (1.0, 0.05):
        scale = lambda order, b=b: d.scalar(lambda x: -abs(x) / b - log(2 * mpf(b)), order, breaks=[mpf(0)])
        yield "laplace", (b,), scale
    for b in (0.8, 20.0):
        yield "exponential", (b,), lambda order, b=b: d.scalar(lambda x: -x / b - log(mpf(b)), order, (mpf(0), inf))
    for all in ((0.5, 2.0, -1.0, 0.8), (0.0, 1.0, 6.0, INFINITY), (-30.0, 1.0, 0.0, 1.0)):
        yield "truncated_gaussian", *line(d.truncated, *all)
    nonnegative = lambda order: d.truncated(order, mpf(0.3), mpf(1.5), mpf(0), inf, mpf(0.2))
    yield "nonnegative", (0.2, 0.3, 1.5), nonnegative
    yield "uniform", (-0.5, 2.0), lambda order: d.scalar(lambda x: -log(mpf(2.5)), order, (mpf(-0.5), mpf(2.0)))
    yield "binary", (), lambda order: d.mixture([(mpf(1), [mpf(-1)], None), (mpf(1), [mpf(1)], None)])
    components = (0.3, -2.0, 0.5, 0.6, 1.0, 2.0, 0.1, 1.5, 0.01)
    parts = lambda: [(w, [m], [[v]]) for w, m, v in zip(*[iter(vector(components))] * 3)]
    yield "mixture", components, lambda order: d.mixture(parts())
    for nu, s in ((3.0, 0.7), (1.0, 1.0), (0.5, 2.0), (8.0, 1.0), (200.0, 1.0)):
        yield "student_t", *line(d.student, nu, s)
    for s in (1.0, 0.05):
        yield "horseshoe", *line(d.horseshoe, s)
    grid = (-2.0, -3.0, -0.5, 0.2, 0.0, -1.0, 1.5, 0.4, 2.5, -6.0)
    table = lambda order: d.tabulated(order, vector(grid[::2]), vector(grid[1::2]))
    yield "tabulated", grid, table
    yield from products(grid)


def products(grid):
    zero = [mpf(0)]
    pair = lambda order: d.product(order, [d.log_laplace(mpf(1.0)), d.log_student(mpf(3.0), mpf(0.7))], breaks=zero)
    yield "laplace_student", (1.0, 3.0, 0.7), pair
    wide = lambda order: d.product(order, [d.log_normal(mpf(0.5), mpf(2.0)), d.log_laplace(mpf(0.05))], breaks=zero)
    yield "gaussian_laplace", (0.5, 2.0, 0.05), wide
    well = lambda x: -((x * x - 1) ** 2)
    wells = lambda order: d.product(order, [d.log_normal(mpf(0.5), mpf(2.0)), well])
    yield "gaussian_wells", (0.5, 2.0), wells

    def sparse(order):
        laplace, rho, slab = d.log_laplace(mpf(0.8)), mpf(0.2), d.log_normal(mpf(0), mpf(1.5))
        return d.product(order, [lambda x: log(rho) + slab(x), laplace], breaks=zero, atoms=[(zero[0], log(1 - rho) + laplace(zero[0]))])

    yield "sparse_laplace", (0.2, 0.0, 1.5, 0.8), sparse
    points, logs = grid[::2], grid[1::2]
    table = lambda order: d.product(
        order, [d.log_tabulated(vector(points), vector(logs)), d.log_student(mpf(1.0), mpf(0.3))], (points[0], points[-1]), vector(points)
    )
    yield "tabulated_student", (*grid, 1.0, 0.3), table
    three = lambda order: d.product(
        order, [lambda x: -log(mpf(2.5)), d.log_student(mpf(1.0), mpf(1.0)), d.log_laplace(mpf(1.0))], (mpf(-0.5), mpf(2.0)), zero
    )
    yield "uniform_student_laplace", (-0.5, 2.0, 1.0, 1.0, 1.0), three


def likelihoods():
    """The observed value is the first parameter."""
    for all in ((1.0, 0.0, 0.0), (-1.0, 0.1, 0.0), (1.0, 0.0, 0.5), (-1.0, 0.02, 0.5)):
        yield "sign", *line(d.sign, *all)
    for all in ((0.2, 1.0, 0.0), (0.2, 1.0, 0.3), (-INFINITY, 0.2, 0.3), (1.0, INFINITY, 0.0)):
        yield "quantised", *line(d.quantised, *all)
    for all in ((0.6, -1.0, 0.6, 0.5), (-1.0, -1.0, 0.6, 0.0), (0.1, -1.0, 0.6, 0.5)):
        yield "censored", *line(d.censored, *all)
    for y, noise in ((0.7, 0.25), (1.2, 1e-3)):
        seen = lambda order, y=y, noise=noise: d.seen_through(order, abs, mpf(y), mpf(noise), [mpf(0)])
        yield "magnitude", (y, noise), seen
    for y, noise in ((0.7, 0.25), (-1.5, 2.0), (1.2, 1e-3), (2.0, 1e-12)):
        yield "intensity", *line(d.intensity, y, noise)
    for y, slope, noise in ((0.9, 0.0, 0.3), (-0.4, 0.0, 0.3), (-0.3, 0.1, 0.3)):
        bent = lambda z, slope=slope: max(z, mpf(0)) + mpf(slope) * min(z, mpf(0))
        seen = lambda order, bent=bent, y=y, noise=noise: d.seen_through(order, bent, mpf(y), mpf(noise), [mpf(0)])
        yield "rectified", (y, slope, noise), seen
    # Weight and bias of the one hidden unit, and the precision of the noise.
    unit = lambda z: mpf(1.5) * max(z, mpf(0)) + mpf(0.25)
    seen = lambda order: d.seen_through(order, unit, mpf(0.9), 1 / mpf(4.0), [mpf(0)])
    yield "two_layer", (0.9, 1.5, 0.25, 4.0), seen
    # The label, weight and bias of the hidden unit, and the variance of the link's noise, zero for the logistic function.
    for all in ((1.0, 1.5, 0.25, 0.0), (-1.0, -2.0, 0.7, 0.0), (1.0, 1.5, -0.6, 0.5)):
        yield "label", *line(networks.label, *all)
    laplace = lambda order: d.scalar(lambda z: -abs(mpf(0.4) - z) / mpf(0.6) - log(2 * mpf(0.6)), order, breaks=[mpf(0.4)])
    yield "laplace_noise", (0.4, 0.6), laplace
    yield "huber", *line(d.huber, 0.4, 0.7, 1.345)
    for y in (1.0, -1.0):
        yield "logistic", *line(d.logistic, y)
        yield "hinge", *line(d.hinge, y, 0.8)
    for y in (0.0, 3.0, 1e6):
        yield "poisson", *line(d.poisson, y)
    for y in (0.0, 1.0, 12.0):
        yield "rate", *line(d.rate, y)
    for y, nu, s in ((1.0, 4.0, 0.6), (7.0, 3.0, 0.02), (-2.0, 1.0, 0.3)):
        noise = lambda order, y=y, nu=nu, s=s: d.student(order, mpf(nu), mpf(s), mpf(y))
        yield "student_noise", (y, nu, s), noise
    for all in ((0.6, 1.0, 1.7), (2.5, 0.0, 1.7)):
        yield "survival", *line(d.survival, *all)


# Precisions, and means in deviations of the cavity.
CAVITIES = [
    (1e-6, 30.0), (0.01, -2.0), (1.0, 0.7), (1.0, -30.0), (40.0, -5.0), (1e4, 30.0), (1e8, -1.1), (1e12, 30.0),
]
# A mean far beyond everything, for families cut off at an end.
FAR = [(1.0, -2e4), (4.0, 3e4)]
POINTS = [(1.0, 200.0), (1e6, -0.3)]
MORE = {
    "truncated_gaussian": FAR, "exponential": FAR, "sign": FAR, "quantised": FAR, "tabulated": FAR, "binary": POINTS,
}


def scalar_rows():
    for make in (priors, likelihoods):
        for family, parameters, build in make():
            for gamma, deviations in CAVITIES + MORE.get(family, []):
                yield family, parameters, build, (deviations * gamma**0.5,), (gamma,)


def cavities(precisions, means):
    """Natural parameters and precisions from precisions and means."""
    for gamma in precisions:
        for mean in means:
            size = len(mean)
            yield tuple(sum(gamma[size * j + k] * mean[k] for k in range(size)) for j in range(size)), gamma


FULL = (1.0, 0.5, 0.5, 2.0)
PAIRS = [(0.01, 0.0, 0.0, 0.01), FULL, (400.0, -90.0, -90.0, 50.0)]
TRIPLES = [
    (0.3, 0.0, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.3), (4.0, 1.0, -0.5, 1.0, 2.0, 0.3, -0.5, 0.3, 60.0),
    (1e6, 2e5, 0.0, 2e5, 1e5, 1e3, 0.0, 1e3, 300.0),
]
# The first and the last column independent given the second one.
CHAIN = (1.0, 0.4, 0.0, 0.4, 1.5, -0.3, 0.0, -0.3, 0.8)
# In the bulk, and 30 deviations out for a precision of about one.
NEAR, OUT = (0.4, -0.7), (30.0, -8.0)


def row_rows():
    """Rows of two and three columns."""
    weights, means = (0.4, 0.6), (1.0, 0.0, -0.5, 2.0)
    second = (0.5, 0.0, 0.0, 0.1)
    parts = lambda: [
        (mpf(w), vector(means[2 * k : 2 * k + 2]), square(c, 2)) for k, (w, c) in enumerate(zip(weights, (CORRELATED, second)))
    ]
    for n, gamma in cavities(PAIRS, (NEAR, OUT)):
        yield "gaussian_mixture", (*weights, *means, *CORRELATED, *second), lambda order: d.mixture(parts()), n, gamma
    rows = lambda: [(1 - mpf(0.1), vector((0.0,) * 3), None), (mpf(0.1), vector((0.0,) * 3), square(COVARIANCE, 3))]
    for n, gamma in cavities(TRIPLES, ((0.4, -0.7, 0.2), (30.0, -8.0, 3.0), (0.02, -0.01, 0.3))):
        yield "group_bernoulli_gauss", (0.1, *COVARIANCE), lambda order: d.mixture(rows()), n, gamma
    points, shares = (1.0, 0.0, -0.5, 0.8, -0.4, -0.9), (0.5, 0.3, 0.2)
    triangle = lambda: [(mpf(w), vector(points[2 * k : 2 * k + 2]), None) for k, w in enumerate(shares)]
    for n, gamma in cavities(PAIRS, (NEAR, OUT)):
        yield "discrete", (*points, *shares), lambda order: d.mixture(triangle()), n, gamma
    for radius in (1.0, 3.0):
        for n, gamma in cavities([*PAIRS, (1e6, 0.0, 0.0, 1e6), (9.0, 0.0, 0.0, 0.5)], (NEAR, OUT, (-1e-3, 1e-3))):
            yield "unit_modulus", (radius,), lambda order, radius=radius: d.unit_modulus(order, mpf(radius)), n, gamma
    data = (0.3, -1.0)
    for n, gamma in cavities(PAIRS, (NEAR, OUT)):
        yield "awgn", (*data, *CORRELATED), lambda order: d.awgn(vector(data), square(CORRELATED, 2)), n, gamma
    measured = (0.3, 0.0, -1.0)
    for n, gamma in cavities(TRIPLES, ((0.4, -0.7, 0.2), (30.0, -8.0, 3.0))):
        diagonal = lambda order: d.diagonal_noise(vector(measured), vector((2.0, 0.0, 0.5)))
        yield "diagonal_noise", (*measured, 2.0, 0.0, 0.5), diagonal, n, gamma
    for y in (1.0, -1.0):
        for n, gamma in cavities([FULL, PAIRS[2]], (NEAR, OUT)):
            yield "sampled_label", *line(networks.labels, y, 1.2, -0.7, 0.25), n, gamma
    for y, flips in ((1.0, 0.0), (-1.0, 0.1)):
        for n, gamma in cavities([(0.5, 0.0, 0.0, 0.5), FULL, PAIRS[2]], (NEAR, OUT)):
            yield "committee", *line(d.committee, y, flips), n, gamma
    diagonal = [(0.3, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.4), (2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 60.0)]
    for y, flips in ((1.0, 0.0), (-1.0, 0.1)):
        for n, gamma in cavities(diagonal, ((0.4, -0.7, 0.2), (20.0, -8.0, 3.0))):
            yield "vote", *line(d.vote, y, flips), n, gamma
    for n, gamma in cavities([CHAIN], ((0.4, -0.7, 0.2), (1.5, 0.3, -0.9))):
        yield "sampled_vote", *line(d.vote, 1.0, 0.1), n, gamma
    for y, n in ((0.0, (0.4, -0.3, 0.2)), (2.0, (1.5, 0.5, -1.0))):
        yield "sampled_classes", *line(d.classes, y), n, CHAIN
    for y, weights, precision in ((0.3, (0.3, 0.7), 4.0), (-2.0, (1.0, 1.0), 1e4)):
        build = lambda order, y=y, weights=weights, precision=precision: d.mixed_columns(mpf(y), vector(weights), mpf(precision))
        for n, gamma in cavities([*PAIRS], (NEAR, OUT)):
            yield "mixed_columns", (y, precision, *weights), build, n, gamma
    build = lambda order: d.mixed_columns(mpf(1.5), vector((1.0, 2.0, 0.5)), mpf(20.0))
    for n, gamma in cavities(TRIPLES, ((0.4, -0.7, 0.2), (30.0, -8.0, 3.0))):
        yield "mixed_columns", (1.5, 20.0, 1.0, 2.0, 0.5), build, n, gamma
    some = [(0.5, 0.0, 0.0, 0.5), FULL, PAIRS[2]]
    for y, precisions in ((0.0, some), (1.0, [FULL])):
        for n, gamma in cavities(precisions, (NEAR, OUT)):
            yield "softmax", *line(d.softmax, y), n, gamma
    for y, v, precisions in ((1.3, 0.25, some), (0.8, 0.01, [FULL])):
        for n, gamma in cavities(precisions, (NEAR, OUT)):
            yield "complex_magnitude", *line(d.complex_magnitude, y, v), n, gamma


    for y, v, precisions in ((1.3, 0.25, [*some, (900.0, 0.0, 0.0, 0.01)]), (-0.5, 1.0, [FULL]), (0.8, 1e-3, [FULL])):
        for n, gamma in cavities(precisions, (NEAR, OUT)):
            yield "complex_intensity", *line(d.complex_intensity, y, v), n, gamma


def channel_rows():
    """Cavities `n, g` of the input and `m, h` of the output."""
    zero, one = [mpf(0)], mpf(1)
    hard = lambda z: max(-one, min(one, z))
    sigmoid, softplus = (lambda z: 1 / (1 + exp(-z))), (lambda z: log(1 + exp(z)) if z < 0 else z + log(1 + exp(-z)))
    centre = [(mpf(0), one)]
    kinds = [
        ("relu", lambda order: d.channel(order, lambda z: max(z, mpf(0)), zero)),
        ("absolute", lambda order: d.channel(order, abs, zero)),
        ("sign_channel", lambda order: d.channel(order, lambda z: one if z > 0 else -one, zero)),
        ("hard_tanh", lambda order: d.channel(order, hard, [-one, one])),
        ("tanh", lambda order: d.channel(order, tanh, marks=centre)),
        ("sigmoid", lambda order: d.channel(order, sigmoid, marks=centre)),
        ("softplus", lambda order: d.channel(order, softplus, marks=centre)),
        ("gaussian_noise", lambda order: d.gaussian_noise(mpf(0.5))),
    ]
    leaky = lambda z: max(z, mpf(0)) + mpf(0.1) * min(z, mpf(0))
    kinds.append(("leaky_relu", lambda order: d.channel(order, leaky, zero)))
    seen = [(0.3, 1.0, 0.4, 2.0), (-3.0, 0.1, 50.0, 60.0), (30.0, 1.0, -3.0, 10.0), (-200.0, 40.0, 900.0, 1e3)]
    for family, build in kinds:
        for n, g, m, h in seen:
            yield family, (), build, (n, m), (g, 0.0, 0.0, h)
    yield from mixings()


def mixings():
    """Matrix and bias of a map from two columns to one and to three, and from one to two."""
    maps = [((1.0, -0.7), (0.3,), 2), ((0.5, 1.0, -2.0, 0.0, 0.3, 1.5), (0.1, 0.0, -1.0), 2), ((2.0, -0.5), (0.0, 0.4), 1)]
    inputs = {1: [(0.5,), (1e4,)], 2: PAIRS}
    outputs = {1: (3.0,), 2: FULL, 3: (4.0, 1.0, -0.5, 1.0, 2.0, 0.3, -0.5, 0.3, 60.0)}
    for matrix, bias, size in maps:
        e = len(bias)
        rows = [vector(matrix[j * e : (j + 1) * e]) for j in range(size)]
        for own in inputs[size]:
            for pull in (0.4, 30.0):
                n = [pull * own[j * (size + 1)] ** 0.5 for j in range(size)] + [0.7 - k for k in range(e)]
                gamma = [0.0] * (size + e) ** 2
                for i in range(size):
                    gamma[i * (size + e) : i * (size + e) + size] = own[i * size : (i + 1) * size]
                for k in range(e):
                    start = (size + k) * (size + e) + size
                    gamma[start : start + e] = outputs[e][k * e : (k + 1) * e]
                build = lambda order, rows=rows, bias=bias: d.column_mixing(rows, vector(bias))
                yield "column_mixing", (float(size), *matrix, *bias), build, tuple(n), tuple(gamma)


def certain(value, other, scale):
    """The digits of a number in which both computations agree, next to the scale."""
    if scale == 0:
        return "0.0"
    apart = abs(value - other) / scale
    if apart > mpf(10) ** -DIGITS:
        raise ArithmeticError(f"agree to {nstr(apart, 3)} only")
    size = DIGITS if abs(value) >= scale else DIGITS + int(floor(log10(abs(value) / scale))) if value else 0
    return nstr(value, size) if size > 0 else "0.0"


def computed(build, n, gamma):
    """One row of numbers, as text."""
    answers = []
    for digits, order in RUNS:
        mp.dps = digits
        size = len(n)
        answers.append(build(order)(vector(n), square(gamma, size)))
    (log, mean, covariance), (other, others, spreads) = answers[1], answers[0]
    deviation = [sqrt(row[j]) for j, row in enumerate(covariance)]
    means = [certain(a, b, abs(a) + s) for a, b, s in zip(mean, others, deviation)]
    pairs = [(j, k) for j in range(len(n)) for k in range(len(n))]
    entries = [certain(covariance[j][k], spreads[j][k], deviation[j] * deviation[k]) for j, k in pairs]
    return certain(log, other, 1 + abs(log)), " ".join(means), " ".join(entries)


def main():
    print("# family, parameters, n, Gamma, log-partition, mean, covariance: output of references.py")
    wanted = sys.argv[1:]
    failed = False
    for rows in (scalar_rows, row_rows, channel_rows):
        for family, parameters, build, n, gamma in rows():
            if wanted and family not in wanted:
                continue
            text = [" ".join(repr(float(v)) for v in values) for values in (parameters, n, gamma)]
            try:
                print(",".join([family, *text, *computed(build, n, gamma)]), flush=True)
            except ArithmeticError as error:
                failed = True
                print("unsure:", family, *text, error, file=sys.stderr, flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
