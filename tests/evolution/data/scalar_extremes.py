"""Mean squared errors of scalar estimators given r = x + N(0, 1 / gamma), by quadrature in 50 digits."""

from mpmath import erfc, exp, mp, mpf, pi, quad, sqrt

mp.dps = 50
SPARSITY, VARIANCE, SCALE = mpf(1) / 10, mpf(1), mpf(1)


def phi(t):
    return exp(-t * t / 2) / sqrt(2 * pi)


def tail(t):
    return erfc(t / sqrt(mpf(2))) / 2


def panels(finest, end):
    """Break points from zero on, doubling from the finest scale to the end."""
    points, at = [mpf(0)], finest / 4
    while at < end:
        points.append(at)
        at *= 2
    return points + [end]


def even(f, finest, end):
    return 2 * quad(f, panels(finest, end))


def normal(r, variance):
    """The density and its first two derivatives."""
    p = exp(-r * r / (2 * variance)) / sqrt(2 * pi * variance)
    return p, -r / variance * p, (r * r / variance - 1) / variance * p


def bernoulli_gauss(r, s2):
    parts = [(1 - SPARSITY, normal(r, s2)), (SPARSITY, normal(r, VARIANCE + s2))]
    return tuple(sum(w * p[k] for w, p in parts) for k in range(3))


def laplace(r, s2):
    """Of the marginal: the sum of both sides, each an exponential times a normal tail."""
    s, rate = sqrt(s2), 1 / SCALE
    half = rate / 2 * exp(rate * rate * s2 / 2)
    right = half * exp(-rate * r) * tail(rate * s - r / s)
    left = half * exp(rate * r) * tail(rate * s + r / s)
    p = right + left
    # Derivatives of the tails cancel in the first and add up in the second.
    return p, rate * (left - right), rate * rate * p - rate * rate * normal(r, s2)[0]


def posterior_mean(marginal, gamma, width):
    """E Var(x | r), by Tweedie's formula."""
    s2 = 1 / gamma
    s = sqrt(s2)

    def integrand(r):
        p, d, dd = marginal(r, s2)
        return p * (s2 + s2 * s2 * (dd / p - (d / p) ** 2))

    return even(integrand, min(s, mpf(1)), width * (1 + s) if width > 50 else width * sqrt(1 + s2))


def soft_error(x, gamma):
    """E (soft threshold of x + noise at 1 / gamma, minus x)^2."""
    s, t = 1 / sqrt(gamma), 1 / gamma
    a, b = (t - x) / s, (t + x) / s
    side = lambda a: s * s * (a * phi(a) + tail(a)) - 2 * s * t * phi(a) + t * t * tail(a)
    return side(a) + side(b) + x * x * (1 - tail(a) - tail(b))


def soft_threshold(density, atom, gamma):
    finest = min(1 / sqrt(gamma), 1 / gamma, mpf(1))
    rest = even(lambda x: density(x) * soft_error(x, gamma), finest, mpf(120))
    return atom * soft_error(mpf(0), gamma) + rest


def rows():
    for power in range(-8, 9):
        gamma = mpf(10) ** power
        slab = lambda x: SPARSITY * normal(x, VARIANCE)[0]
        double = lambda x: exp(-abs(x) / SCALE) / (2 * SCALE)
        yield "gauss", "mean", power, VARIANCE / (1 + gamma * VARIANCE)
        yield "bernoulli-gauss", "mean", power, posterior_mean(bernoulli_gauss, gamma, 16)
        yield "laplace", "mean", power, posterior_mean(laplace, gamma, 120)
        yield "bernoulli-gauss", "l1", power, soft_threshold(slab, 1 - SPARSITY, gamma)
        yield "laplace", "l1", power, soft_threshold(double, mpf(0), gamma)


print("law,estimator,log10_gamma,mse")
for law, estimator, power, mse in rows():
    print(f"{law},{estimator},{power},{mp.nstr(mse, 20)}", flush=True)
