"""Thirteen digits or more of log-partition, mean and variance of every scalar family, from densities as their pages state them.

Usage: python3 references.py [family ..] > references.csv

Needs mpmath. A density is integrated piece by piece between its breaks, around its modes under the cavity, in 36-digit
arithmetic by two rules that must agree; nothing of the estimators' own formulas is used. Parameters and cavities are the doubles printed.
"""

import sys

from mpmath import (
    cos, e1, erfc, exp, gamma as gamma_function, inf, isinf, log, mp, mpf, pi, sqrt,
)

mp.dps = 36

# Panels towards each mark.
HALVINGS = 14
# The same towards a logarithmic singularity.
HALVINGS_LOGARITHM = 48
# Points of the rule in each panel, and of a coarser one whose answers must be the same to AGREEMENT.
ORDERS = (16, 12)
AGREEMENT = mpf(10) ** -13
# Nats below the peak at which a density is cut off.
DEPTH = mpf(60)


def log_normal(x, mean, variance):
    return -(x - mean) ** 2 / (2 * variance) - log(2 * pi * variance) / 2


def log_cdf(x):
    """Of the normal law."""
    return log(erfc(-x / sqrt(mpf(2))) / 2)


def log_between(a, b):
    """Mass of the normal law between two points, from the side where both tails are small."""
    if a > 0:
        a, b = -b, -a
    return log((erfc(-b / sqrt(mpf(2))) - erfc(-a / sqrt(mpf(2)))) / 2)


def legendre(order):
    """Nodes and weights of the Gauss-Legendre rule on [0, 1]."""
    rule = []
    for k in range(order):
        x = cos(pi * (k + mpf(3) / 4) / (order + mpf(1) / 2))
        for _ in range(8):
            before, p = mpf(1), x
            for j in range(2, order + 1):
                before, p = p, ((2 * j - 1) * x * p - (j - 1) * before) / j
            slope = order * (x * p - before) / (x * x - 1)
            x -= p / slope
        rule.append(((1 + x) / 2, 1 / ((1 - x * x) * slope * slope)))
    return rule


RULES = {}


def panels(left, right, order, halvings):
    """Nodes and weights between two marks: panels that halve towards those that may be sharp."""
    rule = RULES.setdefault(order, legendre(order))
    (left, left_sharp), (right, right_sharp) = left, right
    if left_sharp and right_sharp:
        sides = ((left, (left + right) / 2), (right, (left + right) / 2))
    else:
        sides = ((left, right),) if left_sharp else ((right, left),)
    for end, inner in sides:
        near = mpf(0)
        for k in range(-halvings, 1):
            far = mpf(2) ** k
            for u, w in rule:
                share = near + (far - near) * u
                yield end + (inner - end) * share, w * (far - near) * abs(inner - end)
            near = far


class Density:
    """`log` between the ends of `support`, smooth between `breaks`; `atoms` are pairs of a point and a log-weight."""

    def __init__(self, log=None, support=(-inf, inf), breaks=(), atoms=(), halvings=HALVINGS):
        self.halvings = halvings
        self.log, self.support, self.breaks, self.atoms = log, support, list(breaks), list(atoms)

    def maximum(self, f, low, high):
        """Where `f`, of a single peak on each smooth piece, is largest."""
        for _ in range(90):
            third = (high - low) / 3
            if f(low + third) < f(high - third):
                low += third
            else:
                high -= third
            if high - low < mpf(10) ** -14 * (abs(low) + abs(high)):
                break
        return (low + high) / 2

    def edge(self, f, peak, end, height):
        """The point between a peak and an end where `f` has fallen by DEPTH, or the end."""
        if not isinf(end) and f(end) > height - DEPTH:
            return end
        step, direction = mpf(10) ** -25, 1 if end > peak else -1
        beyond = lambda s: (not isinf(end) and s > abs(end - peak)) or f(peak + direction * s) < height - DEPTH
        while not beyond(step):
            step *= 2
        low, high = step / 2, step
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if beyond(middle) else (middle, high)
        return peak + direction * high

    def moments(self, n, gamma, start):
        """Log-partition, mean and variance under `exp(n x - gamma x^2 / 2)`, by every rule of ORDERS."""
        tilt = lambda x: n * x - gamma * x * x / 2
        atoms = [(x, w + tilt(x)) for x, w in self.atoms]
        parts, height, centre = [], -inf, mpf(0)
        f = lambda x: self.log(x) + tilt(x)
        if self.log is not None:
            low, high = self.support
            reach = 10**4 * (1 + abs(start) + sum(abs(b) for b in self.breaks))
            edges = [low if not isinf(low) else -reach]
            edges += [b for b in sorted(self.breaks) if low < b < high]
            edges += [high if not isinf(high) else reach]
            tiny = mpf(10) ** -30
            for a, b in zip(edges, edges[1:]):
                inner = (a + tiny * (b - a), b - tiny * (b - a))
                # Searches by thirds find one peak: look at the mean of the cavity, and decade by decade from each end.
                spans = [inner, (max(inner[0], start - abs(start) / 3), min(inner[1], start + abs(start) / 3))]
                for k in range(-8, 9):
                    near, far = mpf(10) ** k, mpf(10) ** (k + 1)
                    spans += [(a + near, min(a + far, inner[1])), (max(b - far, inner[0]), b - near)]
                found = [(low, high, self.maximum(f, low, high)) for low, high in spans if low < high]
                inside = lambda low, high, p: min(p - low, high - p) > (high - low) / 10**6
                peaks = [p for low, high, p in found if inside(low, high, p)]
                peaks.append(max((p for _, _, p in found), key=f))
                close = lambda p, q: abs(p - q) < (abs(p) + abs(q)) / 10**10
                peaks = [p for k, p in enumerate(peaks) if not any(close(p, q) for q in peaks[:k])]
                parts.append((a, b, peaks))
            height, centre = max((f(p), p) for _, _, peaks in parts for p in peaks)
        for x, w in atoms:
            if w > height:
                height, centre = w, x
        return [self.sums(f, parts, atoms, height, centre, order) for order in ORDERS]

    def sums(self, f, parts, atoms, height, centre, order):
        total = first = second = mpf(0)
        for a, b, peaks in parts:
            peaks = sorted(set(p for p in peaks if f(p) > height - DEPTH))
            if not peaks:
                continue
            outer = [self.edge(f, peaks[0], a, height), self.edge(f, peaks[-1], b, height)]
            marks = [(p, True) for p in peaks]
            marks += [(end, end == limit) for end, limit in zip(outer, (a, b)) if end not in peaks]
            marks = sorted(m for m in marks if a <= m[0] <= b)
            for left, right in zip(marks, marks[1:]):
                for x, w in panels(left, right, order, self.halvings):
                    weight = w * exp(f(x) - height)
                    total, first = total + weight, first + weight * (x - centre)
                    second += weight * (x - centre) ** 2
        for x, w in atoms:
            weight = exp(w - height)
            total, first = total + weight, first + weight * (x - centre)
            second += weight * (x - centre) ** 2
        shift = first / total
        return height + log(total), centre + shift, second / total - shift**2


def student(nu, s):
    c = log(gamma_function((nu + 1) / 2) / gamma_function(nu / 2)) - log(pi * nu) / 2 - log(s)
    return Density(lambda x: c - (nu + 1) / 2 * log(1 + x * x / (nu * s * s)), breaks=[0])


def horseshoe(s):
    # The integral over the deviation is exp(y) E1(y) / (pi s sqrt(2 pi)), y = x^2 / (2 s^2).
    def value(x):
        y = x * x / (2 * s * s)
        tail = exp(y) * e1(y) if y < 400 else scaled_integral(y)
        return log(tail) - log(pi * s * sqrt(2 * pi))
    return Density(value, breaks=[0], halvings=HALVINGS_LOGARITHM)


def scaled_integral(y):
    """exp(y) E1(y) by its continued fraction, to 60 digits for y > 100."""
    value = y + 401
    for k in range(200, 0, -1):
        value = y + 2 * k - 1 - mpf(k) ** 2 / value
    return 1 / value


def huber(y, s, t):
    total = log(s * (sqrt(2 * pi) * (1 - erfc(t / sqrt(mpf(2)))) + 2 * exp(-t * t / 2) / t))

    def value(z):
        a = abs(y - z) / s
        return -total - (a * a / 2 if a < t else t * a - t * t / 2)
    return Density(value, breaks=[y - s * t, y + s * t])


def truncated(m, v, a, b, rho=mpf(1)):
    root = sqrt(v)
    mass = log_cdf((m - a) / root) if isinf(b) else log_between((a - m) / root, (b - m) / root)
    atoms = [(mpf(0), log(1 - rho))] if rho < 1 else []
    return Density(lambda x: log(rho) + log_normal(x, m, v) - mass, support=(a, b), atoms=atoms)


def sign(y, flips, variance):
    if variance == 0:
        if flips == 0:
            return Density(lambda z: mpf(0), support=(0, inf) if y > 0 else (-inf, 0))
        return Density(lambda z: log(1 - flips) if y * z > 0 else log(flips), breaks=[0])
    return Density(lambda z: log(flips + (1 - 2 * flips) * exp(log_cdf(y * z / sqrt(variance)))), breaks=[0])


def quantised(low, high, noise):
    if noise == 0:
        return Density(lambda z: mpf(0), support=(low, high))
    r = sqrt(noise)
    if isinf(low):
        return Density(lambda z: log_cdf((high - z) / r), breaks=[high])
    if isinf(high):
        return Density(lambda z: log_cdf((z - low) / r), breaks=[low])
    return Density(lambda z: log_between((low - z) / r, (high - z) / r), breaks=[(low + high) / 2])


def censored(y, low, high, noise):
    if low < y < high:
        return Density(lambda z: log_normal(y, z, noise))
    if noise == 0:
        return Density(lambda z: mpf(0), support=(high, inf) if y >= high else (-inf, low))
    r = sqrt(noise)
    value = lambda z: log_cdf((z - high) / r) if y >= high else log_cdf((low - z) / r)
    return Density(value, breaks=[high if y >= high else low])


def magnitude(y, noise):
    return Density(lambda z: log_normal(y, abs(z), noise), breaks=[0])


def rectified(y, slope, noise):
    return Density(lambda z: log_normal(y, max(z, 0) + slope * min(z, 0), noise), breaks=[0])


def families():
    """Name, parameters (observed value first, for likelihoods) and density; a scale to place cavities by."""
    f = mpf
    for rho, m, v in ((0.1, 0.0, 1.0), (0.01, 2.0, 0.5)):
        slab = lambda x, m=m, v=v, rho=rho: log(f(rho)) + log_normal(x, f(m), f(v))
        yield "bernoulli_gauss", (rho, m, v), Density(slab, atoms=[(f(0), log(1 - f(rho)))])
    for b in (1.0, 0.05):
        yield "laplace", (b,), Density(lambda x, b=b: -abs(x) / f(b) - log(2 * f(b)), breaks=[f(0)])
    for b in (0.8, 20.0):
        yield "exponential", (b,), Density(lambda x, b=b: -x / f(b) - log(f(b)), support=(f(0), inf))
    for m, v, a, b in ((0.5, 2.0, -1.0, 0.8), (0.0, 1.0, 6.0, float("inf")), (-30.0, 1.0, 0.0, 1.0)):
        yield "truncated_gaussian", (m, v, a, b), truncated(f(m), f(v), f(a), f(b))
    yield "nonnegative", (0.2, 0.3, 1.5), truncated(f(0.3), f(1.5), f(0), inf, f(0.2))
    yield "uniform", (-0.5, 2.0), Density(lambda x: -log(f(2.5)), support=(f(-0.5), f(2)))
    yield "binary", (), Density(atoms=[(f(-1), log(f(0.5))), (f(1), log(f(0.5)))])
    mixture = [(0.3, -2.0, 0.5), (0.6, 1.0, 2.0), (0.1, 1.5, 0.01)]
    yield "mixture", tuple(x for part in mixture for x in part), [
        (f(w) / (f(0.3) + f(0.6) + f(0.1)), f(m), f(v)) for w, m, v in mixture
    ]
    for nu, s in ((3.0, 0.7), (1.0, 1.0), (0.5, 2.0), (8.0, 1.0), (200.0, 1.0)):
        yield "student_t", (nu, s), student(f(nu), f(s))
    for s in (1.0, 0.05):
        yield "horseshoe", (s,), horseshoe(f(s))
    for y, flips, variance in ((1, 0.0, 0.0), (-1, 0.1, 0.0), (1, 0.0, 0.5), (-1, 0.02, 0.5)):
        yield "sign", (y, flips, variance), sign(y, f(flips), f(variance))
    for low, high, noise in ((0.2, 1.0, 0.0), (0.2, 1.0, 0.3), (-float("inf"), 0.2, 0.3), (1.0, float("inf"), 0.0)):
        yield "quantised", (low, high, noise), quantised(f(low), f(high), f(noise))
    for y, low, high, noise in ((0.6, -1.0, 0.6, 0.5), (-1.0, -1.0, 0.6, 0.0), (0.1, -1.0, 0.6, 0.5)):
        yield "censored", (y, low, high, noise), censored(f(y), f(low), f(high), f(noise))
    for y, noise in ((0.7, 0.25), (1.2, 1e-3)):
        yield "magnitude", (y, noise), magnitude(f(y), f(noise))
    for y, slope, noise in ((0.9, 0.0, 0.3), (-0.4, 0.0, 0.3), (-0.3, 0.1, 0.3)):
        yield "rectified", (y, slope, noise), rectified(f(y), f(slope), f(noise))
    yield "laplace_noise", (0.4, 0.6), Density(
        lambda z: -abs(f(0.4) - z) / f(0.6) - log(2 * f(0.6)), breaks=[f(0.4)]
    )
    yield "huber", (0.4, 0.7, 1.345), huber(f(0.4), f(0.7), f(1.345))


# Precisions, and means in deviations of the cavity.
CAVITIES = [
    (1e-6, 30.0), (0.01, -2.0), (1.0, 0.7), (1.0, -30.0), (40.0, -5.0), (1e4, 30.0), (1e8, -1.1), (1e12, 30.0),
]
# A mean far beyond everything, for families cut off at an end.
FAR = [(1.0, -2e4), (4.0, 3e4)]


def mixture_moments(parts, n, gamma):
    """Of Gaussians, each combined with the cavity in closed form."""
    answers = []
    for w, m, v in parts:
        precision = 1 / v + gamma
        mean = (m / v + n) / precision
        mass = log(w) + precision * mean**2 / 2 - m * m / (2 * v) - log(v * precision) / 2
        answers.append((mass, mean, 1 / precision))
    height = max(a[0] for a in answers)
    shares = [exp(a[0] - height) for a in answers]
    total = sum(shares)
    mean = sum(p * a[1] for p, a in zip(shares, answers)) / total
    variance = sum(p * (a[2] + (a[1] - mean) ** 2) for p, a in zip(shares, answers)) / total
    return height + log(total), mean, variance


def main():
    print("# family, parameters, n, gamma, log-partition, mean, variance: output of references.py")
    wanted = sys.argv[1:]
    for family, parameters, density in families():
        if wanted and family not in wanted:
            continue
        far = FAR if family in ("truncated_gaussian", "exponential", "sign", "quantised") else []
        if family == "binary":
            far = [(1.0, 200.0), (1e6, -0.3)]
        for gamma, deviations in CAVITIES + far:
            n = deviations * gamma**0.5
            if isinstance(density, list):
                found = mixture_moments(density, mpf(n), mpf(gamma))
            else:
                r = mpf(n) / mpf(gamma)
                found, coarse = density.moments(mpf(n), mpf(gamma), r)
                scales = (1 + abs(found[0]), abs(found[1]) + sqrt(found[2]), found[2])
                for fine, other, scale in zip(found, coarse, scales):
                    if abs(fine - other) > AGREEMENT * scale:
                        print("unsure", family, parameters, n, gamma, mp.nstr(abs(fine - other) / scale, 3), file=sys.stderr)
            values = " ".join(repr(float(p)) for p in parameters)
            numbers = ",".join(mp.nstr(v, 20) for v in found)
            print(f"{family},{values},{n!r},{gamma!r},{numbers}", flush=True)
        print(family, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
