"""Posterior moments of densities to the working precision of mpmath, with nothing but the density given.

An answer is (log-partition, mean, covariance): a number, a list, a list of rows. Integrals along a line are taken panel by
panel with a Gauss-Legendre rule, each panel halved until the halves agree with the whole; integrals over a plane by
the trapezoidal rule, which converges exponentially for smooth densities that vanish at infinity.
"""

from mpmath import cos, exp, inf, isinf, log, matrix, mp, mpf, pi, sqrt

# Nats below its peak at which a density is cut off: 1e-52 of it.
DEPTH = 120
# Disagreement of a panel with its halves. The halves are far better than that: an error that falls by half the length to
# the power of twice the order.
AGREEMENT = mpf(10) ** -36
# A halved panel that still disagrees has a feature that isn't one of the breaks.
HALVINGS = 60

RULES = {}


def legendre(order):
    """Nodes and weights of the Gauss-Legendre rule on [0, 1]."""
    key = (order, mp.dps)
    if key not in RULES:
        rule = []
        for k in range(order):
            x = cos(pi * (k + mpf(3) / 4) / (order + mpf(1) / 2))
            # From four digits on, each step doubles them.
            for _ in range(8):
                before, p = mpf(1), x
                for j in range(2, order + 1):
                    before, p = p, ((2 * j - 1) * x * p - (j - 1) * before) / j
                slope = order * (x * p - before) / (x * x - 1)
                x -= p / slope
            rule.append(((1 + x) / 2, 1 / ((1 - x * x) * slope * slope)))
        RULES[key] = rule
    return RULES[key]


def mixed(parts):
    """The answer of a sum of densities."""
    parts = [part for part in parts if part[0] > -inf]
    height = max(part[0] for part in parts)
    shares = [exp(part[0] - height) for part in parts]
    total = sum(shares)
    d = range(len(parts[0][1]))
    mean = [sum(s * part[1][j] for s, part in zip(shares, parts)) / total for j in d]

    def entry(j, k):
        spread = lambda part: part[2][j][k] + (part[1][j] - mean[j]) * (part[1][k] - mean[k])
        return sum(s * spread(part) for s, part in zip(shares, parts)) / total

    return height + log(total), mean, [[entry(j, k) for k in d] for j in d]


def atom(log_weight, point, n, gamma):
    """The answer of a single point."""
    d = range(len(point))
    tilt = sum(n[j] * point[j] for j in d) - sum(point[j] * gamma[j][k] * point[k] for j in d for k in d) / 2
    return log_weight + tilt, list(point), [[mpf(0) for _ in d] for _ in d]


def gaussian(height, pull, precision, n, gamma):
    """The answer of `exp(height + pull'x - x' precision x / 2)`."""
    d = len(n)
    whole = matrix([[precision[j][k] + gamma[j][k] for k in range(d)] for j in range(d)])
    covariance = whole**-1
    force = matrix([pull[j] + n[j] for j in range(d)])
    mean = covariance * force
    square = sum(force[j] * mean[j] for j in range(d))
    total = height + square / 2 + d * log(2 * pi) / 2 - log(mp.det(whole)) / 2
    return total, list(mean), [[covariance[j, k] for k in range(d)] for j in range(d)]


def normal(log_weight, mean, covariance, n, gamma):
    """The answer of a normal law of this weight."""
    d = range(len(mean))
    spread = matrix(covariance)
    precision = spread**-1
    pull = [sum(precision[j, k] * mean[k] for k in d) for j in d]
    height = log_weight - sum(p * m for p, m in zip(pull, mean)) / 2 - log(mp.det(2 * pi * spread)) / 2
    return gaussian(height, pull, [[precision[j, k] for k in d] for j in d], n, gamma)


class Line:
    """`exp(f)` along a line, smooth between `breaks`; `marks` are places where it has features and their lengths, `grid` some
    more places to look for peaks.

    What is asked for are moments of `place(x)`, a list, given `x` of covariance `spread(x)`.
    """

    def __init__(self, f, support=(-inf, inf), breaks=(), marks=(), grid=(), place=None, spread=None):
        self.f, self.support, self.marks, self.grid = f, support, list(marks), list(grid)
        self.breaks = sorted(b for b in set(breaks) if support[0] < b < support[1])
        self.place = place or (lambda x: [x])
        self.spread = spread

    def segments(self):
        ends = [self.support[0], *self.breaks, self.support[1]]
        return list(zip(ends, ends[1:]))

    def samples(self, low, high):
        """Places in ascending order, ever finer towards the marks, the breaks and the ends."""
        found = set(self.grid)
        for centre, length in self.marks + [(b, mpf(1)) for b in (*self.breaks, low, high) if not isinf(b)]:
            found.add(centre)
            for k in range(-40, 64):
                found.update((centre - length * mpf(2) ** k, centre + length * mpf(2) ** k))
        return sorted(x for x in found if low < x < high)

    def peaks(self, low, high):
        """Places and heights of the peaks between two breaks."""
        x = self.samples(low, high)
        y = [self.f(x) for x in x]
        found = []
        for k, value in enumerate(y):
            left, right = (y[k - 1] if k else -inf), (y[k + 1] if k + 1 < len(y) else -inf)
            if value >= left and value >= right and value > -inf:
                a = x[k - 1] if k else (low if not isinf(low) else x[k])
                b = x[k + 1] if k + 1 < len(y) else (high if not isinf(high) else x[k])
                found.append(self.climb(a, x[k], value, b))
        return found

    def climb(self, a, x, value, b):
        """The peak between `a` and `b`, to a tenth of a nat: by golden sections around the best place so far."""
        golden = (sqrt(mpf(5)) - 1) / 2
        for _ in range(200):
            left = b - x < x - a
            y = x - (1 - golden) * (x - a) if left else x + (1 - golden) * (b - x)
            other = self.f(y)
            if abs(other - value) < mpf(1) / 1000:
                break
            if other > value:
                a, b, x, value = (a, x, y, other) if left else (x, b, y, other)
            else:
                a, b = (y, b) if left else (a, y)
        return (x, value) if value >= other else (y, other)

    def ladder(self, peak, value, end):
        """Places from a peak towards an end, each twice as far as the one before, until nothing is left."""
        far, way = abs(end - peak), 1 if end > peak else -1
        drop = lambda step: value - self.f(peak + way * step)
        step = min(mpf(1), far / 2)
        while step > 0 and drop(step) > 1:
            step /= 2
        while 2 * step < far and drop(2 * step) < 1:
            step *= 2
        places = []
        while step < far:
            places.append(peak + way * step)
            if drop(step) > DEPTH:
                return places
            step *= 2
        return places + [end]

    def answer(self, order):
        """Segment by segment, each as far down from its own peak: one that hardly counts may be all that has a spread."""
        self.rule = legendre(order)
        return mixed([part for part in (self.segment(low, high) for low, high in self.segments()) if part])

    def segment(self, low, high):
        peaks = self.peaks(low, high)
        if not peaks:
            return None
        top, height = max(peaks, key=lambda peak: peak[1])
        edges = set()
        for peak, value in peaks:
            if value > height - DEPTH:
                edges.update([peak, *self.ladder(peak, value, low), *self.ladder(peak, value, high)])
        self.height, self.centre = height, self.place(top)
        edges = sorted(edges)
        panels = [(a, b, self.panel(a, b)) for a, b in zip(edges, edges[1:])]
        d = len(self.centre)
        totals = [sum(part[k] for _, _, part in panels) for k in range(1 + d + d * d)]
        # First moments next to the deviation.
        square = lambda j: totals[1 + d + j * d + j]
        scales = [totals[0]] + [sqrt(totals[0] * square(j)) for j in range(d)]
        scales += [sqrt(square(j) * square(k)) for j in range(d) for k in range(d)]
        self.scales = [scale * AGREEMENT for scale in scales]
        sums = [mpf(0)] * len(totals)
        for a, b, part in panels:
            sums = [s + v for s, v in zip(sums, self.halved(a, b, part, HALVINGS))]
        shift = [sums[1 + j] / sums[0] for j in range(d)]
        second = lambda j, k: sums[1 + d + j * d + k] / sums[0] - shift[j] * shift[k]
        mean = [c + s for c, s in zip(self.centre, shift)]
        return height + log(sums[0]), mean, [[second(j, k) for k in range(d)] for j in range(d)]

    def panel(self, a, b):
        d = len(self.centre)
        sums = [mpf(0)] * (1 + d + d * d)
        for u, w in self.rule:
            x = a + (b - a) * u
            weight = w * exp(self.f(x) - self.height)
            at = [p - c for p, c in zip(self.place(x), self.centre)]
            sums[0] += weight
            for j in range(d):
                sums[1 + j] += weight * at[j]
                for k in range(d):
                    sums[1 + d + j * d + k] += weight * at[j] * at[k]
            if self.spread:
                for k, value in enumerate(self.spread(x)):
                    sums[1 + d + k] += weight * value
        return [(b - a) * s for s in sums]

    def halved(self, a, b, whole, halvings):
        middle = (a + b) / 2
        left, right = self.panel(a, middle), self.panel(middle, b)
        sums = [p + q for p, q in zip(left, right)]
        if all(abs(s - w) <= scale for s, w, scale in zip(sums, whole, self.scales)):
            return sums
        if not halvings:
            raise ArithmeticError(f"no agreement between {a} and {b}")
        left, right = self.halved(a, middle, left, halvings - 1), self.halved(middle, b, right, halvings - 1)
        return [p + q for p, q in zip(left, right)]


def plane(f, starts, axes):
    """The answer of `exp(f)` over a plane: a lattice along the columns of `axes`, grown from the places `starts`."""
    axes = matrix(axes)
    inverse = axes**-1
    place = lambda i, j: (axes[0, 0] * i + axes[0, 1] * j, axes[1, 0] * i + axes[1, 1] * j)
    cell = lambda x: tuple(int(mp.nint(inverse[k, 0] * x[0] + inverse[k, 1] * x[1])) for k in (0, 1))
    height = max(f(*place(*cell(x))) for x in starts)
    known, front = {}, [cell(x) for x in starts]
    while front:
        at = front.pop()
        if at in known:
            continue
        known[at] = value = f(*place(*at))
        height = max(height, value)
        if value > height - DEPTH:
            i, j = at
            front += [(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)]
    top = place(*max(known, key=known.get))
    sums = [mpf(0)] * 6
    for at, value in known.items():
        weight = exp(value - height)
        x, y = (p - c for p, c in zip(place(*at), top))
        for k, moment in enumerate((1, x, y, x * x, x * y, y * y)):
            sums[k] += weight * moment
    x, y, xx, xy, yy = (s / sums[0] for s in sums[1:])
    total = height + log(sums[0] * abs(mp.det(axes)))
    return total, [top[0] + x, top[1] + y], [[xx - x * x, xy - x * y], [xy - x * y, yy - y * y]]
