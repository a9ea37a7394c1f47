//! Costs that are a power: which entries are zero, the signs of the others, and the one maximum that these leave.
//!
//! With all signs given, `D(x)` the curvature that the cost takes away and `P` the precision, a maximum needs `P - D(x)` to be
//! positive. Every entry of `D` is convex in the size of its entry, so that the places where it is are a convex set, on which the
//! exponent is concave: a pattern of signs has one maximum at most. Along the path of maximisers of
//! `exponent + mu log det(P - D(x))`, which is concave too and kept from the set's edge, it can't be missed.

use fg_core::message::small;

use super::branch_and_bound::{
    MOST_COLUMNS, Maximum, Partial, Pattern, Row, SQUARE, Search, taken,
};

/// Bounds of a pattern, one closer than the other: what the last of them leaves out costs more to find than to climb.
const ROUNDS: usize = 6;

/// Newton's steps of one climb: from anywhere in the set, where a few tens are usual.
const STEPS: usize = 100;

/// Halvings of a step, after which a climb has met the edge of the set: with a barrier, steps that need more than a few are those
/// from far away, and one without that needs more is left to the barrier.
const HALVINGS: [usize; 2] = [8, 40];

/// A square of Newton's step in the metric of the curvature, relative to the terms of the exponent, after which the next step is
/// exact to rounding.
const LAST: f64 = 1e-16;

/// The same relative to the weight of the barrier, close enough to the path.
const CENTRED: f64 = 1e-2;

/// From one weight of the barrier to the next.
const FALL: f64 = 0.03;

/// Weights of the barrier, from the size of the exponent's terms downwards: a maximum closer to the edge than the last of them leads
/// has no curvature to rounding.
const LEVELS: usize = 8;

/// Rounding of the exponent, relative to its terms.
const ROUNDING: f64 = 1e-14;

/// All rows that share a precision, and cost `weight |x_j|^exponent`.
pub(super) struct Powers {
    weight: f64,
    exponent: f64,
    partial: Partial,
    /// Factor of the precision, and the variances of its inverse.
    factor: [f64; SQUARE],
    variances: [f64; MOST_COLUMNS],
    /// What an entry that isn't zero is at least, the others where they are.
    least: [f64; MOST_COLUMNS],
}

/// What the cost of an entry is at least, between the least and the most that it can be.
#[derive(Clone, Copy, Default)]
struct Chord {
    constant: f64,
    slope: f64,
}

/// One row: its partial exponents, and for entries that may differ from zero a line below the cost.
pub(super) struct Lined {
    row: Row,
    chords: [Option<Chord>; MOST_COLUMNS],
}

impl Powers {
    /// None where the precision isn't positive definite.
    ///
    /// # Panics
    /// With more than [`MOST_COLUMNS`] columns.
    pub(super) fn new(weight: f64, exponent: f64, precision: &[f64], d: usize) -> Option<Self> {
        let partial = Partial::new(precision, d)?;
        let (mut factor, mut inverse) = ([0.0; SQUARE], [0.0; SQUARE]);
        factor[..d * d].copy_from_slice(precision);
        small::cholesky(&mut factor[..d * d], d).ok()?;
        small::invert_lower(&factor[..d * d], &mut inverse[..d * d], d);
        let mut variances = [0.0; MOST_COLUMNS];
        let mut least = [0.0; MOST_COLUMNS];
        for j in 0..d {
            variances[j] = (j..d).map(|i| inverse[i * d + j] * inverse[i * d + j]).sum();
            let ratio = 2.0 * weight * (1.0 - exponent) / precision[j * d + j];
            least[j] = ratio.powf(1.0 / (2.0 - exponent));
        }
        Some(Self { weight, exponent, partial, factor, variances, least })
    }

    /// The exponent of the entries of a pattern, as a function of their sizes.
    fn folded(&self, row: &Row, pattern: &Pattern) -> Folded {
        let d = self.columns();
        let Self { weight, exponent, .. } = *self;
        let (mut precision, mut pull) = ([0.0; SQUARE], [0.0; MOST_COLUMNS]);
        let size = self.partial.gather(d, d, pattern, &mut precision);
        for (a, (j, kind)) in taken(&pattern[..d]).enumerate() {
            pull[a] = SIGNS[kind] * row.natural[d - 1][j];
            for (b, (_, other)) in taken(&pattern[..d]).enumerate() {
                precision[a * size + b] *= SIGNS[kind] * SIGNS[other];
            }
        }
        Folded { weight, exponent, size, precision, pull }
    }
}

/// Signs of the kinds of an entry.
const SIGNS: [f64; 2] = [-1.0, 1.0];

impl Search for Powers {
    const QUADRATIC: bool = false;

    type Row = Lined;

    fn columns(&self) -> usize {
        self.partial.columns()
    }

    fn choices(&self) -> usize {
        1 + SIGNS.len()
    }

    fn row(&self, natural: &[f64]) -> Lined {
        let d = self.columns();
        let mut mean = [0.0; MOST_COLUMNS];
        mean[..d].copy_from_slice(natural);
        small::solve_lower(&self.factor[..d * d], &mut mean[..d], d);
        small::solve_lower_transposed(&self.factor[..d * d], &mut mean[..d], d);
        // Beyond this ellipsoid even without cost everything is below zero.
        let square: f64 = mean[..d].iter().zip(natural).map(|(m, n)| m * n).sum();
        let mut chords = [None; MOST_COLUMNS];
        for j in 0..d {
            let most = mean[j].abs() + (square * self.variances[j]).max(0.0).sqrt();
            let least = self.least[j];
            if most > least {
                let cost = |x: f64| self.weight * x.powf(self.exponent);
                let slope = (cost(most) - cost(least)) / (most - least);
                chords[j] = Some(Chord { constant: cost(least) - slope * least, slope });
            }
        }
        Lined { row: self.partial.row(natural), chords }
    }

    /// Below the cost its chord, and for entries that the maximum leaves short of the least that they can be a multiple of what they
    /// lack: whatever the multiple, that is nowhere less than the exponent.
    fn bound(&self, k: usize, row: &Lined, pattern: &Pattern, level: f64) -> f64 {
        let (mut factor, mut pull) = ([0.0; SQUARE], [0.0; MOST_COLUMNS]);
        let size = self.partial.gather(k, k, pattern, &mut factor);
        let mut constants = -row.row.constant[k - 1];
        for (a, (j, kind)) in taken(&pattern[..k]).enumerate() {
            let Some(chord) = row.chords[j] else { return f64::NEG_INFINITY };
            pull[a] = row.row.natural[k - 1][j] - SIGNS[kind] * chord.slope;
            constants += chord.constant;
        }
        let curvature = factor;
        if small::cholesky(&mut factor[..size * size], size).is_err() {
            return f64::INFINITY;
        }
        let (mut least, mut more) = (f64::INFINITY, [0.0; MOST_COLUMNS]);
        for _ in 0..ROUNDS {
            let mut x = pull;
            small::solve_lower(&factor, &mut x[..size], size);
            let square: f64 = x[..size].iter().map(|p| p * p).sum();
            least = least.min(0.5 * square - constants);
            if !(least > level) {
                break;
            }
            small::solve_lower_transposed(&factor, &mut x[..size], size);
            let mut any = false;
            for (a, (j, kind)) in taken(&pattern[..k]).enumerate() {
                let lack = self.least[j] - SIGNS[kind] * x[a];
                let change = (lack * curvature[a * (size + 1)]).max(-more[a]);
                more[a] += change;
                pull[a] += SIGNS[kind] * change;
                constants += change * self.least[j];
                any |= change != 0.0;
            }
            if !any {
                break;
            }
        }
        least
    }

    fn visit(&self, row: &Lined, pattern: &Pattern, _: f64, level: f64) -> Option<Maximum> {
        let d = self.columns();
        let mut start = [0.0; MOST_COLUMNS];
        (0..d).zip(taken(&pattern[..d])).for_each(|(a, (j, _))| start[a] = self.least[j]);
        let folded = self.folded(&row.row, pattern);
        let (sizes, height) = folded.maximum(&start, level)?;
        if !(height > level) {
            return None;
        }
        let mut x = [0.0; MOST_COLUMNS];
        for (a, (j, kind)) in taken(&pattern[..d]).enumerate() {
            x[j] = SIGNS[kind] * sizes[a];
        }
        Some(Maximum { pattern: *pattern, x, height })
    }

    fn slopes(&self, maximum: &Maximum, out: &mut [f64]) -> bool {
        let (mut curvature, d) = ([0.0; SQUARE], self.columns());
        let size = self.partial.gather(d, d, &maximum.pattern, &mut curvature);
        for (a, (j, _)) in taken(&maximum.pattern[..d]).enumerate() {
            curvature[a * (size + 1)] -= bend(self.weight, self.exponent, maximum.x[j].abs());
        }
        self.partial.scatter_inverse(&curvature, &maximum.pattern, out)
    }
}

/// The curvature that the cost of an entry of this size takes away.
fn bend(weight: f64, exponent: f64, size: f64) -> f64 {
    weight * exponent * (1.0 - exponent) * size.powf(exponent - 2.0)
}

/// The exponent `p' t - t' Q t / 2 - weight sum_j t_j^exponent` of sizes `t > 0`.
struct Folded {
    weight: f64,
    exponent: f64,
    size: usize,
    precision: [f64; SQUARE],
    pull: [f64; MOST_COLUMNS],
}

/// The exponent at a place of the set, with its barrier.
struct Place {
    value: f64,
    /// Sum of the sizes of the exponent's terms.
    terms: f64,
    /// `Q - D(t)`.
    curvature: [f64; SQUARE],
    bends: [f64; MOST_COLUMNS],
}

impl Folded {
    /// The maximum and its height; none where there is none, or none above `level`.
    fn maximum(&self, least: &[f64], level: f64) -> Option<([f64; MOST_COLUMNS], f64)> {
        let n = self.size;
        // Without cost, but no closer to zero than a maximum of all entries can be: mostly in the set.
        let mut t = self.pull;
        let mut factor = self.precision;
        small::cholesky(&mut factor[..n * n], n).ok()?;
        small::solve_lower(&factor, &mut t[..n], n);
        small::solve_lower_transposed(&factor, &mut t[..n], n);
        (0..n).for_each(|a| t[a] = t[a].max(least[a]));
        if let Some(top) = self.climb(&mut t, 0.0) {
            return Some((t, top.value));
        }
        self.along_barrier(t, &factor, level)
    }

    /// The same by a path that starts no closer to zero than `t`, given the factor of the precision.
    fn along_barrier(
        &self,
        mut t: [f64; MOST_COLUMNS],
        factor: &[f64],
        level: f64,
    ) -> Option<([f64; MOST_COLUMNS], f64)> {
        let n = self.size;
        // Where the bends are below half of the least eigenvalue the curvature is positive.
        let mut inverse = [0.0; SQUARE];
        small::invert_lower(&factor[..n * n], &mut inverse[..n * n], n);
        let trace: f64 = inverse[..n * n].iter().map(|x| x * x).sum();
        let (l, q) = (self.weight, self.exponent);
        let far = (2.0 * l * q * (1.0 - q) * trace).powf(1.0 / (2.0 - q));
        (0..n).for_each(|a| t[a] = t[a].max(far));
        let mut barrier = self.place(&t, 0.0)?.terms;
        for _ in 0..LEVELS {
            self.climb(&mut t, barrier)?;
            // At the edge of the set steps without a barrier lead out of it, however close the path has come.
            let here = self.place(&t, 0.0)?;
            let mut own = t;
            let (step, _) = self.newton(&t, &here, 0.0)?;
            (0..n).for_each(|a| own[a] += step[a]);
            if let Some(top) = self.climb(&mut own, 0.0) {
                return Some((own, top.value));
            }
            // What the path gains from here to its end, and as much for being next to it.
            if !(here.value + 2.0 * n as f64 * barrier > level) {
                return None;
            }
            barrier *= FALL;
        }
        None
    }

    /// None outside the set.
    fn place(&self, t: &[f64], barrier: f64) -> Option<Place> {
        let n = self.size;
        let (l, q) = (self.weight, self.exponent);
        if !t[..n].iter().all(|t| *t > 0.0) {
            return None;
        }
        let mut curvature = self.precision;
        let mut bends = [0.0; MOST_COLUMNS];
        let (mut linear, mut square, mut cost) = (0.0, 0.0, 0.0);
        let mut size = 0.0;
        for a in 0..n {
            bends[a] = bend(l, q, t[a]);
            curvature[a * (n + 1)] -= bends[a];
            let row = &self.precision[a * n..][..n];
            square += t[a] * row.iter().zip(t).map(|(p, t)| p * t).sum::<f64>();
            linear += self.pull[a] * t[a];
            size += (self.pull[a] * t[a]).abs();
            cost += l * t[a].powf(q);
        }
        let mut factor = curvature;
        small::cholesky(&mut factor[..n * n], n).ok()?;
        let mut value = linear - 0.5 * square - cost;
        if barrier > 0.0 {
            let half: f64 = (0..n).map(|a| factor[a * (n + 1)].ln()).sum();
            value += 2.0 * barrier * half;
        }
        Some(Place { value, terms: size + 0.5 * square + cost, curvature, bends })
    }

    /// Newton's steps from a place of the set to the maximum of the exponent with its barrier; none where they end at the edge, or
    /// start outside.
    fn climb(&self, t: &mut [f64; MOST_COLUMNS], barrier: f64) -> Option<Place> {
        let n = self.size;
        let halvings = HALVINGS[usize::from(barrier > 0.0)];
        let mut here = self.place(t, barrier)?;
        for _ in 0..STEPS {
            let (step, gain) = self.newton(t, &here, barrier)?;
            let enough = if barrier > 0.0 { CENTRED * barrier } else { LAST * here.terms };
            let close = gain <= enough;
            let slack = ROUNDING * here.terms;
            let mut share = 1.0;
            let next = (0..halvings).find_map(|_| {
                let mut next = *t;
                (0..n).for_each(|a| next[a] += share * step[a]);
                let there = self.place(&next, barrier);
                let least = here.value + 0.1 * share * gain - slack;
                share *= 0.5;
                there.filter(|there| there.value >= least).map(|there| (next, there))
            });
            (*t, here) = next?;
            if close {
                return Some(here);
            }
        }
        None
    }

    /// The step, and twice what it gains.
    fn newton(
        &self,
        t: &[f64; MOST_COLUMNS],
        here: &Place,
        barrier: f64,
    ) -> Option<([f64; MOST_COLUMNS], f64)> {
        let (n, q) = (self.size, self.exponent);
        let mut gradient = [0.0; MOST_COLUMNS];
        for a in 0..n {
            let row = &self.precision[a * n..][..n];
            let pull: f64 = row.iter().zip(t).map(|(p, t)| p * t).sum();
            gradient[a] = self.pull[a] - pull - here.bends[a] * t[a] / (1.0 - q);
        }
        let mut hessian = here.curvature;
        if barrier > 0.0 {
            let (mut inverse, mut work) = ([0.0; SQUARE], [0.0; 2 * SQUARE]);
            let (curvature, inverse) = (&here.curvature[..n * n], &mut inverse[..n * n]);
            small::invert_positive(curvature, inverse, &mut work[..2 * n * n], n).ok()?;
            let falls = |a: usize| (2.0 - q) * here.bends[a] / t[a];
            for a in 0..n {
                let own = inverse[a * (n + 1)];
                gradient[a] += barrier * own * falls(a);
                hessian[a * (n + 1)] += barrier * own * falls(a) * (3.0 - q) / t[a];
                for b in 0..n {
                    let both = inverse[a * n + b];
                    hessian[a * n + b] += barrier * both * both * falls(a) * falls(b);
                }
            }
        }
        small::cholesky(&mut hessian[..n * n], n).ok()?;
        let mut step = gradient;
        small::solve_lower(&hessian, &mut step[..n], n);
        let gain = step[..n].iter().map(|s| s * s).sum();
        small::solve_lower_transposed(&hessian, &mut step[..n], n);
        Some((step, gain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_maximum_of_a_pattern_is_missed() {
        let mut found = 0;
        for k in 0..600 {
            let part = |step: f64| (f64::from(k) * step).fract();
            let (a, b) = (0.3 + 2.0 * part(0.754_877_7), 0.3 + 2.0 * part(0.569_840_3));
            let correlation = 1.98 * part(0.438_579) - 0.99;
            let across = correlation * (a * b).sqrt();
            let pull = [4.0 * part(0.347_810_4), 4.0 * part(0.682_327_8)];
            let powers = Powers::new(0.8, 0.5, &[a, across, across, b], 2).unwrap();
            let folded = powers.folded(&powers.row(&pull).row, &[2; MOST_COLUMNS]);
            let maximum = folded.maximum(&powers.least, f64::NEG_INFINITY);
            if let Some((t, _)) = maximum {
                // In the set, and nothing pulls: a maximum, whatever else is found.
                let (_, gain) = folded.newton(&t, &folded.place(&t, 0.0).unwrap(), 0.0).unwrap();
                assert!(gain < 1e-24, "{k}: {t:?} {gain:e}");
                found += 1;
            }
            // The path finds what steps from the start do.
            let mut factor = folded.precision;
            small::cholesky(&mut factor[..4], 2).unwrap();
            let path = folded.along_barrier([0.0; MOST_COLUMNS], &factor, f64::NEG_INFINITY);
            match (maximum, path) {
                (Some((_, height)), Some((_, other))) => assert!((height - other).abs() < 1e-12),
                (one, other) => assert!(one.is_none() && other.is_none(), "{k}: {one:?} {other:?}"),
            }
            if let Some((u, other)) = climbed(&folded) {
                let (t, height) = maximum.unwrap_or_else(|| panic!("{k}: {u:?} is missed"));
                assert!((height - other).abs() < 1e-6, "{k}: {t:?} {height} for {u:?} {other}");
            }
        }
        assert!(found > 100, "{found} patterns have a maximum");
    }

    /// Slow and obvious: up in steps that don't leap over what is between, from every point of a grid.
    fn climbed(folded: &Folded) -> Option<([f64; 2], f64)> {
        let exponent = |t: &[f64; 2]| {
            let Folded { precision: p, pull, weight, .. } = folded;
            let square = p[0] * t[0] * t[0] + 2.0 * p[1] * t[0] * t[1] + p[3] * t[1] * t[1];
            pull[0] * t[0] + pull[1] * t[1] - 0.5 * square - weight * (t[0].sqrt() + t[1].sqrt())
        };
        let mut best = None;
        for start in 0..16 {
            let mut t = [0.3 + 1.5 * f64::from(start % 4), 0.3 + 1.5 * f64::from(start / 4)];
            let (mut step, mut value) = (0.02, exponent(&t));
            while step > 1e-7 {
                let moves = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, -1.0]];
                let mut moved = false;
                for m in moves {
                    for sign in [-1.0, 1.0] {
                        let u = [t[0] + sign * step * m[0], t[1] + sign * step * m[1]];
                        if u.iter().all(|u| *u > 0.0) && exponent(&u) > value {
                            (t, value, moved) = (u, exponent(&u), true);
                        }
                    }
                }
                if !moved {
                    step *= 0.5;
                }
            }
            // Next to zero it isn't a maximum of this pattern.
            if t.iter().all(|t| *t > 0.03) && best.is_none_or(|(_, top)| value > top) {
                best = Some((t, value));
            }
        }
        best
    }
}
