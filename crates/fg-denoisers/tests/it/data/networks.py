"""Densities of the labels of two-layer networks, as functions of their hidden rows."""

from densities import plane_digits, quadratic, scalar
from integration import plane
from mpmath import erfc, exp, log, matrix, mp, mpf, pi, sqrt, tanh


def link(x, variance):
    """Log-probability of a label that the output `x` agrees with: logistic, or with noise of this variance."""
    return log(erfc(-x / sqrt(2 * variance)) / 2) if variance > 0 else -log(1 + exp(-x))


def label(order, y, weight, bias, variance):
    """One ReLU unit."""
    output = lambda z: weight * max(z, mpf(0)) + bias
    zero = -bias / weight
    marks = [(zero, 1 / abs(weight))] if zero > 0 else []
    return scalar(lambda z: link(y * output(z), variance), order, breaks=[mpf(0)], marks=marks)


def labels(order, y, first, second, bias):
    """Two tanh units. Along either column there are poles where the output is an odd multiple of `i pi`, not nearer to the axis
    than `atan(pi / weight)`, since the other unit and the bias add what is real."""

    def answer(n, gamma):
        tilt = quadratic(n, gamma)
        f = lambda a, b: tilt(a, b) + link(y * (first * tanh(a) + second * tanh(b) + bias), mpf(0))
        covariance = matrix(gamma) ** -1
        mean = covariance * matrix(n)
        starts = [[mean[0], mean[1]]]
        # Given the other column.
        steps = [min(1 / sqrt(gamma[k][k]) * mpf(2) / 5, pi / 60) * 30 / order for k in (0, 1)]
        with mp.workdps(plane_digits(order)):
            return plane(f, starts, [[steps[0], mpf(0)], [mpf(0), steps[1]]])

    return answer
