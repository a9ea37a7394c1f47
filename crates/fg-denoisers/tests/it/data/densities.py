"""The densities of the families as their pages state them, each as a function of a cavity that answers with moments.

Scalar parameters are exact doubles; an answer is as in `integration`. `order` is that of the rule, and sets how dense lattices
are, so that two orders are two independent quadratures.
"""

from mpmath import (
    atan2, besseli, cos, e1, erfc, exp, fac, gamma as gamma_function, inf, isinf, log, mp, mpf, pi, sin, sqrt,
)

from integration import Line, atom, gaussian, mixed, normal, plane


def log_normal(mean, variance):
    constant = log(2 * pi * variance) / 2
    return lambda x: -((x - mean) ** 2) / (2 * variance) - constant


def log_cdf(x):
    """Of the normal law."""
    return log(erfc(-x / sqrt(mpf(2))) / 2)


def log_between(a, b):
    """Mass of the normal law between two points, from the side where both tails are small."""
    if a > 0:
        a, b = -b, -a
    return log((erfc(-b / sqrt(mpf(2))) - erfc(-a / sqrt(mpf(2)))) / 2)


def cavity_marks(n, gamma):
    return [(n / gamma, 1 / sqrt(gamma))] if gamma > 0 else []


def scalar(log_density, order, support=(-inf, inf), breaks=(), marks=(), atoms=()):
    """A density of one column, with points of these log-weights."""

    def answer(n, gamma):
        n, gamma = n[0], gamma[0][0]
        parts = [atom(weight, [x], [n], [[gamma]]) for x, weight in atoms]
        if log_density:
            f = lambda x: log_density(x) + x * (n - gamma * x / 2)
            line = Line(f, support, breaks, [*marks, *cavity_marks(n, gamma)])
            parts.append(line.answer(order))
        return mixed(parts)

    return answer


def mixture(parts):
    """Of normal laws and, without covariance, points: weight, mean and covariance."""
    total = sum(part[0] for part in parts)

    def answer(n, gamma):
        answers = []
        for weight, mean, covariance in parts:
            share = log(weight / total)
            answers.append(normal(share, mean, covariance, n, gamma) if covariance else atom(share, mean, n, gamma))
        return mixed(answers)

    return answer


def student(order, nu, s, y=mpf(0)):
    own = log_student(nu, s)
    return scalar(lambda x: own(x - y), order, marks=[(y, s * sqrt(nu))])


def scaled_integral(y):
    """exp(y) E1(y), by its continued fraction where that gives more digits than anybody asks for."""
    if y < 400:
        return exp(y) * e1(y)
    value = y + 401
    for k in range(200, 0, -1):
        value = y + 2 * k - 1 - mpf(k) ** 2 / value
    return 1 / value


def horseshoe(order, s):
    """The integral over the deviation is exp(y) E1(y) / (pi s sqrt(2 pi)), y = x^2 / (2 s^2): singular at zero, and so
    integrated over the logarithm of either sign."""
    constant = log(pi * s * sqrt(2 * pi))

    def answer(n, gamma):
        n, gamma = n[0], gamma[0][0]
        parts = []
        for sign in (1, -1):
            place = lambda t, sign=sign: sign * exp(t)

            def f(t, place=place):
                x = place(t)
                return log(scaled_integral((x / s) ** 2 / 2)) - constant + x * (n - gamma * x / 2) + t

            marks = [(log(s), mpf(1)), (log(abs(n) / gamma), 1 / abs(n) * sqrt(gamma)), (-log(gamma) / 2, mpf(1))]
            parts.append(Line(f, marks=marks, place=lambda t, place=place: [place(t)]).answer(order))
        return mixed(parts)

    return answer


def huber(order, y, s, t):
    total = log(s * (sqrt(2 * pi) * (1 - erfc(t / sqrt(mpf(2)))) + 2 * exp(-t * t / 2) / t))

    def value(z):
        a = abs(y - z) / s
        return -total - (a * a / 2 if a < t else t * a - t * t / 2)

    return scalar(value, order, breaks=[y - s * t, y + s * t])


def truncated(order, m, v, a, b, rho=mpf(1)):
    root, inner = sqrt(v), log_normal(m, v)
    mass = log_cdf((m - a) / root) if isinf(b) else log_between((a - m) / root, (b - m) / root)
    atoms = [(mpf(0), log(1 - rho))] if rho < 1 else []
    return scalar(lambda x: log(rho) + inner(x) - mass, order, (a, b), marks=[(m, root)], atoms=atoms)


def log_tabulated(points, logs):
    pieces = list(zip(points, logs, points[1:], logs[1:]))
    slope = lambda p: (p[3] - p[1]) / (p[2] - p[0])
    mass = lambda p: exp(p[1]) * (mp.expm1(p[3] - p[1]) / slope(p) if p[3] != p[1] else p[2] - p[0])
    total = log(sum(mass(p) for p in pieces))

    def value(x):
        piece = next((p for p in pieces if x <= p[2]), pieces[-1])
        return piece[1] + (x - piece[0]) * slope(piece) - total

    return value


def tabulated(order, points, logs):
    return scalar(log_tabulated(points, logs), order, (points[0], points[-1]), points)


def unit_modulus(order, radius):
    def answer(n, gamma):
        start = atan2(n[1], n[0])
        place = lambda t: [radius * cos(start + t), radius * sin(start + t)]

        def f(t):
            x, y = place(t)
            square = gamma[0][0] * x * x + 2 * gamma[0][1] * x * y + gamma[1][1] * y * y
            return n[0] * x + n[1] * y - square / 2 - log(2 * pi)

        grid = [pi * k / 16 for k in range(-15, 16)]
        return Line(f, (-pi, pi), [mpf(0)], [(mpf(0), pi)], grid, place).answer(order)

    return answer


def log_laplace(b):
    return lambda x: -abs(x) / b - log(2 * b)


def log_student(nu, s):
    c = log(gamma_function((nu + 1) / 2) / gamma_function(nu / 2)) - log(pi * nu) / 2 - log(s)
    return lambda x: c - (nu + 1) / 2 * log(1 + (x / s) ** 2 / nu)


def product(order, logs, support=(-inf, inf), breaks=(), atoms=()):
    """Of densities with these logarithms, normalised; points are those of the product."""
    marks = [(mpf(0), mpf(1))]
    own = scalar(lambda x: sum(log(x) for log in logs), order, support, breaks, marks, atoms)
    total = own([mpf(0)], [[mpf(0)]])[0]

    def answer(n, gamma):
        log, mean, covariance = own(n, gamma)
        return log - total, mean, covariance

    return answer


def sign(order, y, flips, variance):
    if variance == 0:
        if flips == 0:
            return scalar(lambda z: mpf(0), order, (0, inf) if y > 0 else (-inf, 0))
        right, wrong = log(1 - flips), log(flips)
        return scalar(lambda z: right if y * z > 0 else wrong, order, breaks=[mpf(0)])
    root = sqrt(variance)
    log_right = lambda z: log(flips + (1 - 2 * flips) * erfc(-y * z / root / sqrt(mpf(2))) / 2)
    return scalar(log_right, order, marks=[(mpf(0), root)])


def quantised(order, low, high, noise):
    if noise == 0:
        return scalar(lambda z: mpf(0), order, (low, high))
    r = sqrt(noise)
    if isinf(low):
        return scalar(lambda z: log_cdf((high - z) / r), order, marks=[(high, r)])
    if isinf(high):
        return scalar(lambda z: log_cdf((z - low) / r), order, marks=[(low, r)])
    return scalar(lambda z: log_between((low - z) / r, (high - z) / r), order, breaks=[(low + high) / 2], marks=[(low, r)])


def censored(order, y, low, high, noise):
    if low < y < high:
        return scalar(log_normal(y, noise), order, marks=[(y, sqrt(noise))])
    if noise == 0:
        return scalar(lambda z: mpf(0), order, (high, inf) if y >= high else (-inf, low))
    r = sqrt(noise)
    value = lambda z: log_cdf((z - high) / r) if y >= high else log_cdf((low - z) / r)
    return scalar(value, order, marks=[(high if y >= high else low, r)])


def seen_through(order, function, y, noise, breaks=()):
    """Normal noise of this variance on a function of the unknown."""
    inner = log_normal(y, noise)
    return scalar(lambda z: inner(function(z)), order, breaks=breaks, marks=[(y, sqrt(noise)), (-y, sqrt(noise))])


def logistic(order, y):
    return scalar(lambda z: -log(1 + exp(-y * z)), order, marks=[(mpf(0), mpf(1))])


def hinge(order, y, c):
    return scalar(lambda z: -c * max(mpf(0), 1 - y * z), order, breaks=[y])


def poisson(order, y):
    constant = log(fac(y))
    return scalar(lambda z: y * z - exp(z) - constant, order, marks=[(log(y + mpf(1) / 2), 1 / sqrt(y + 1))])


def rate(order, y):
    """Counts at the rate max(z, 0)."""
    constant = log(fac(y))
    if y > 0:
        return scalar(lambda z: y * log(z) - z - constant, order, (mpf(0), inf), marks=[(y, sqrt(y))])
    return scalar(lambda z: -max(z, mpf(0)), order, breaks=[mpf(0)])


def survival(order, t, event, k):
    def value(z):
        x = k * (log(t) - z)
        return event * (log(k / t) + x) - exp(x)

    return scalar(value, order, marks=[(log(t), 1 / k)])


def awgn(y, precision):
    d = range(len(y))
    pull = [sum(precision[j][k] * y[k] for k in d) for j in d]
    height = log(mp.det(mp.matrix(precision))) / 2 - len(y) * log(2 * pi) / 2 - sum(p * v for p, v in zip(pull, y)) / 2
    return lambda n, gamma: gaussian(height, pull, precision, n, gamma)


def diagonal_noise(y, precisions):
    """Columns of precision zero aren't measured."""
    measured = [log_normal(v, 1 / p)(mpf(0)) for v, p in zip(y, precisions) if p > 0]
    pull = [v * p for v, p in zip(y, precisions)]
    matrix = [[p if j == k else mpf(0) for k in range(len(y))] for j, p in enumerate(precisions)]
    return lambda n, gamma: gaussian(sum(measured), pull, matrix, n, gamma)


def committee(order, y, flips):
    """The second column is integrated; given it, the first is a normal law cut at zero."""
    weight = lambda s, t: flips + (1 - 2 * flips) * (mpf(1) if s == t == y else mpf(0) if s == t else mpf(1) / 2)

    def answer(n, gamma):
        (a, b), (_, c) = gamma
        root = sqrt(a)

        def inner(x):
            """Log-weight, mean and variance of the first column given the second."""
            m, t = (n[0] - b * x) / a, (1 if x > 0 else -1)
            parts = []
            for s in (1, -1):
                u, w = s * m * root, weight(s, t)
                if w > 0:
                    mass = erfc(-u / sqrt(mpf(2))) / 2
                    mills = exp(-u * u / 2) / sqrt(2 * pi) / mass
                    mean, variance = m + s * mills / root, (1 - mills * (mills + u)) / a
                    parts.append((log(w * mass), [mean], [[variance]]))
            if not parts:
                return -inf, m, mpf(0)
            total, (mean,), ((variance,),) = mixed(parts)
            height = total + x * (n[1] - c * x / 2) + a * m * m / 2 + log(2 * pi / a) / 2
            return height, mean, variance

        known = {}
        cached = lambda x: known[x] if x in known else known.setdefault(x, inner(x))
        precision = c - b * b / a
        marks = [((n[1] - b * n[0] / a) / precision, 1 / sqrt(precision))]
        line = Line(
            lambda x: cached(x)[0], breaks=[mpf(0)], marks=marks, place=lambda x: [cached(x)[1], x],
            spread=lambda x: [cached(x)[2], mpf(0), mpf(0), mpf(0)],
        )
        return line.answer(order)

    return answer


def quadratic(n, gamma):
    return lambda x, y: n[0] * x + n[1] * y - (gamma[0][0] * x * x + 2 * gamma[0][1] * x * y + gamma[1][1] * y * y) / 2


# Working precision along a plane, where all terms are positive, for rules of this order.
def plane_digits(order):
    return 46 + order // 5


def softmax(order, y):
    def answer(n, gamma):
        tilt = quadratic(n, gamma)
        f = lambda a, b: tilt(a, b) - log(1 + exp(b - a if y == 0 else a - b))
        covariance = mp.matrix(gamma) ** -1
        mean = covariance * mp.matrix(n)
        moved = covariance * mp.matrix([1 if y == 0 else -1, -1 if y == 0 else 1])
        starts = [[mean[k] + share * moved[k] for k in (0, 1)] for share in (mpf(0), mpf(1) / 2, mpf(1))]
        # Along (1, 1) the density is Gaussian of this deviation; along the conjugate direction, in which the
        # difference moves, it has poles at differences of +-i pi.
        (a, b), (_, c) = gamma
        common = 1 / sqrt(a + 2 * b + c)
        other = [(c + b) * common**2, -(a + b) * common**2]
        deviation = 1 / sqrt((a * c - b * b) * common**2)
        across = min(deviation * mpf(2) / 5, pi / 17) * 30 / order
        along = common * mpf(2) / 5 * 30 / order
        axes = [[along, across * other[0]], [along, across * other[1]]]
        with mp.workdps(plane_digits(order)):
            return plane(f, starts, axes)

    return answer


def classes(order, y):
    """Three of them: the differences from the last one are integrated; given these, what all have in common is Gaussian."""
    differences = mp.matrix([[1, 0, -1], [0, 1, -1]])

    def answer(n, gamma):
        spread = mp.matrix(gamma) ** -1
        mean = spread * mp.matrix(n)
        own, cross = differences * spread * differences.T, spread * differences.T
        centre, precision = differences * mean, own**-1
        constant = log(2 * pi) + log(mp.det(own)) / 2

        def f(a, b):
            x, z = (a - centre[0], b - centre[1]), (a, b, mpf(0))
            square = sum(x[i] * precision[i, j] * x[j] for i in (0, 1) for j in (0, 1))
            return z[int(y)] - log(exp(a) + exp(b) + 1) - square / 2 - constant

        root, axes = mp.cholesky(own), [[0, 0], [0, 0]]
        for k in (0, 1):
            # No pole where the imaginary parts of all classes are within pi of each other.
            apart = max(abs(root[0, k]), abs(root[1, k]), abs(root[0, k] - root[1, k]))
            step = min(mpf(2) / 5, pi / (17 * apart)) * 30 / order
            axes[0][k], axes[1][k] = root[0, k] * step, root[1, k] * step
        pull = own * mp.matrix([(1 if y == k else 0) - mpf(1) / 3 for k in (0, 1)])
        starts = [[centre[k] + share * pull[k] for k in (0, 1)] for share in (mpf(0), mpf(1) / 2, mpf(1))]
        with mp.workdps(plane_digits(order)):
            total, found, moments = plane(f, starts, axes)
        gain = cross * precision
        within = spread - gain * cross.T + gain * mp.matrix(moments) * gain.T
        moved = mean + gain * (mp.matrix(found) - centre)
        height = sum(a * b for a, b in zip(n, mean)) / 2 + 3 * log(2 * pi) / 2 - log(mp.det(mp.matrix(gamma))) / 2
        return height + total, list(moved), [[within[i, j] for j in range(3)] for i in range(3)]

    return answer


def complex_magnitude(order, y, v):
    constant = log(y / v) - y * y / (2 * v)

    def answer(n, gamma):
        tilt = quadratic(n, gamma)

        def f(a, b):
            square = a * a + b * b
            return constant - square / (2 * v) + log(besseli(0, y * sqrt(square) / v)) + tilt(a, b)

        ring = [[y * cos(pi * k / 8), y * sin(pi * k / 8)] for k in range(16)]
        # Without the Bessel function, which is entire, a normal law of deviation one along these axes.
        factor = mp.cholesky(mp.matrix([[gamma[0][0] + 1 / v, gamma[0][1]], [gamma[0][1], gamma[1][1] + 1 / v]]))
        axes = (factor**-1).T * (mpf(2) / 5 * 30 / order)
        with mp.workdps(plane_digits(order)):
            return plane(f, ring, axes)

    return answer


def intensity(order, y, v):
    """Noise on the square: peaks where it is the data's, and where the cavity has its mean."""
    inner = log_normal(y, v)
    root = sqrt(abs(y))
    width = sqrt(v) / (2 * root + sqrt(sqrt(v)))
    return scalar(lambda z: inner(z * z), order, breaks=[mpf(0)], marks=[(root, width), (-root, width)])


def complex_intensity(order, y, v):
    """A lattice that resolves the ring."""
    inner = log_normal(y, v)

    def answer(n, gamma):
        tilt = quadratic(n, gamma)
        f = lambda a, b: inner(a * a + b * b) + tilt(a, b)
        radius = sqrt(max(y, mpf(0)) + sqrt(v))
        starts = [[radius * cos(pi * k / 8), radius * sin(pi * k / 8)] for k in range(16)]
        mean = mp.matrix(gamma) ** -1 * mp.matrix(n)
        starts += [[mean[0] * k / 64, mean[1] * k / 64] for k in range(65)]
        # The largest curvature of the data's exponent where it counts: within fifteen deviations of the square of where
        # the tilt and the fourth power balance, or nearer to the cavity's mean.
        balance = sqrt(max(y, mpf(0))) + (mp.hypot(*n) * v / 2) ** (mpf(1) / 3)
        out = min(balance, mp.hypot(*mean)) ** 2
        largest = (6 * (max(abs(y), out) + 15 * sqrt(v)) + 2 * abs(y)) / v
        axes = (mp.cholesky(mp.matrix(gamma) + largest * mp.eye(2)) ** -1).T * (mpf(2) / 5 * 30 / order)
        with mp.workdps(plane_digits(order)):
            return plane(f, starts, axes)

    return answer


def channel(order, function, breaks=(), marks=()):
    """A deterministic one, whose two unknowns are input and output."""

    def answer(n, gamma):
        (n, m), (g, h) = n, (gamma[0][0], gamma[1][1])

        def f(z):
            a = function(z)
            return z * (n - g * z / 2) + a * (m - h * a / 2)

        own = [*marks, *cavity_marks(n, g), *cavity_marks(m, h)]
        return Line(f, breaks=breaks, marks=own, place=lambda z: [z, function(z)]).answer(order)

    return answer


def gaussian_noise(v):
    p = 1 / v
    height = log_normal(mpf(0), v)(mpf(0))
    return lambda n, gamma: gaussian(height, [mpf(0), mpf(0)], [[p, -p], [-p, p]], n, gamma)


def mixed_columns(y, weights, precision):
    """One column, nobody knows which, with noise."""
    total, d = sum(weights), range(len(weights))

    def part(k, n, gamma):
        pull = [precision * y if j == k else mpf(0) for j in d]
        lambdas = [[precision if i == j == k else mpf(0) for j in d] for i in d]
        constant = log(weights[k] / total) + log_normal(y, 1 / precision)(y) - precision * y * y / 2
        return gaussian(constant, pull, lambdas, n, gamma)

    return lambda n, gamma: mixed([part(k, n, gamma) for k in d])


def column_mixing(matrix, bias):
    """Both unknowns side by side, the output a linear map of the input."""

    def answer(n, gamma):
        d, e = range(len(matrix)), range(len(bias))
        m, h = n[len(d):], [row[len(d):] for row in gamma[len(d):]]
        out = [m[k] - sum(bias[l] * h[l][k] for l in e) for k in e]
        pull = [sum(out[k] * matrix[j][k] for k in e) for j in d]
        lambdas = [[sum(matrix[i][k] * h[k][l] * matrix[j][l] for k in e for l in e) for j in d] for i in d]
        constant = sum(bias[k] * (m[k] + out[k]) for k in e) / 2
        total, x, s = gaussian(constant, pull, lambdas, n[: len(d)], [row[: len(d)] for row in gamma[: len(d)]])
        wide, both = [[mpf(i == j) for j in d] + list(matrix[i]) for i in d], range(len(d) + len(e))
        shift = [mpf(0)] * len(d) + list(bias)
        mean = [shift[k] + sum(x[j] * wide[j][k] for j in d) for k in both]
        return total, mean, [[sum(wide[i][k] * s[i][j] * wide[j][l] for i in d for j in d) for l in both] for k in both]

    return answer


def vote(order, y, flips):
    """Three units, of which the first and the last are independent given the one between them."""

    weight = lambda signs: 1 - flips if (1 if sum(signs) > 0 else -1) == y else flips

    def half(s, pull, precision):
        """Logarithm of the mass, mean and variance of `exp(pull z - precision z^2 / 2)` on one side of zero."""
        root = sqrt(precision)
        u = s * pull / root
        mass = erfc(-u / sqrt(mpf(2))) / 2
        mills = exp(-u * u / 2) / sqrt(2 * pi) / mass
        height = pull * pull / (2 * precision) + log(2 * pi / precision) / 2 + log(mass)
        return height, pull / precision + s * mills / root, (1 - mills * (mills + u)) / precision

    def answer(n, gamma):
        links, ends = [gamma[0][1], gamma[2][1]], [gamma[0][0], gamma[2][2]]

        def octant(signs):
            known = {}

            def inner(x):
                pulls = [n[0] - links[0] * x, n[2] - links[1] * x]
                return known.get(x) or known.setdefault(x, [half(*all) for all in zip((signs[0], signs[2]), pulls, ends)])

            f = lambda x: x * (n[1] - gamma[1][1] * x / 2) + sum(side[0] for side in inner(x)) + log(weight(signs))
            spread = lambda x: [inner(x)[0][2]] + [mpf(0)] * 7 + [inner(x)[1][2]]
            support = (mpf(0), inf) if signs[1] > 0 else (-inf, mpf(0))
            place = lambda x: [inner(x)[0][1], x, inner(x)[1][1]]
            precision = gamma[1][1] - sum(b * b / a for a, b in zip(ends, links))
            pull = n[1] - sum(b * m / a for a, b, m in zip(ends, links, (n[0], n[2])))
            return Line(f, support=support, marks=[(pull / precision, 1 / sqrt(precision))], place=place, spread=spread).answer(order)

        all = [(a, b, c) for a in (1, -1) for b in (1, -1) for c in (1, -1)]
        return mixed([octant(signs) for signs in all if weight(signs) > 0])

    return answer
