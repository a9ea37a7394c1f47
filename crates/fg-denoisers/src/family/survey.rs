//! Posterior moments under any log-density of one column: its peaks are looked for, and panels halved until they agree.

use super::Rule;
use super::curve::{Fault, Mark, Tilt};

/// Nodes of a panel.
const NODES: usize = 16;
/// A panel and its halves may differ by this much of the whole; the halves are better by far.
const AGREEMENT: f64 = 1e-11;
/// Roundings of an exponent that a panel's sum and those of its halves may differ by.
const ROUNDINGS: f64 = 8.0;
/// Halvings of a panel: what disagrees after that is a feature of no width.
const HALVINGS: usize = 40;
/// What lies this many nats below the highest peak, third powers of the distance included, is left out.
const DEPTH: f64 = 40.0;
/// Moments up to the second one and the length of the tail itself.
const POWER: f64 = 3.0;
/// Where a density that still counts is improper: squares must be finite.
const EDGE: f64 = 1e150;
/// Places looked at on either side of the cavity's mean, as powers of two of its deviations: first and last, and from where
/// on every [`STRIDE`]th one is enough.
const AROUND_CAVITY: [i32; 3] = [-2, 8, 20];
/// The same around a mark, in its scales.
const AROUND_MARK: [i32; 3] = [-8, 12, 40];
const STRIDE: i32 = 4;
/// Places looked at near either end of a segment, each half as far from it as the last.
const AT_ENDS: i32 = 6;
/// Values kept of a hill, and hills kept beside those of as many segments; the lowest give way.
const KEPT: usize = 4;
const HILLS: usize = 32;
/// Steps of a climb, and the gain in nats below which it ends: a peak only says where to integrate.
const STEPS: usize = 200;
const GAIN: f64 = 1e-3;
/// Halvings and doublings of the length over which a peak falls by a nat: over the range of doubles.
const SEARCH: usize = 2200;
/// `2 / (1 + sqrt(5))`.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// The logarithm of a density between its edges.
#[derive(Clone, Copy)]
pub(crate) struct Survey<'a> {
    pub(crate) log: &'a dyn Fn(f64) -> f64,
    /// Ends and, between them, every place where the logarithm isn't smooth; in ascending order, the ends may be infinite.
    pub(crate) edges: &'a [f64],
    /// Where it has features.
    pub(crate) marks: &'a [Mark],
}

/// Moments of the part that has a density.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    pub(crate) log_mass: f64,
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

/// A stretch of a segment with one peak, and the peak.
#[derive(Clone, Copy)]
struct Hill {
    low: f64,
    peak: f64,
    high: f64,
    height: f64,
}

impl Hill {
    fn from_slice(values: &[f64]) -> Self {
        Self { low: values[0], peak: values[1], high: values[2], height: values[3] }
    }
}

/// Keeps a hill behind the others; where there is no room, in place of the lowest.
fn keep(hills: &mut [f64], count: &mut usize, hill: Hill) {
    let Hill { low, peak, high, height } = hill;
    let mut place = *count;
    if KEPT * place < hills.len() {
        *count += 1;
    } else {
        let heights = |k: &usize| hills[KEPT * k + 3];
        let lowest = (0..*count).min_by(|a, b| heights(a).total_cmp(&heights(b)));
        match lowest {
            Some(lowest) if heights(&lowest) < height => place = lowest,
            _ => return,
        }
    }
    hills[KEPT * place..KEPT * (place + 1)].copy_from_slice(&[low, peak, high, height]);
}

/// The exponent relative to its highest peak.
struct Exponent<'a> {
    log: &'a dyn Fn(f64) -> f64,
    top: f64,
    base: f64,
    slope: f64,
    gamma: f64,
    /// Length over which the highest peak falls by a nat.
    width: f64,
}

impl Exponent<'_> {
    fn at(&self, offset: f64) -> f64 {
        let quadratic = offset * (self.slope - 0.5 * self.gamma * offset);
        (self.log)(self.top + offset) - self.base + quadratic
    }

    /// Rounding of the exponent as far as `reach`: logarithms of that size, of places that are rounded themselves.
    fn rounding(&self, reach: f64) -> f64 {
        let size = self.base.abs() + self.slope.abs() * (self.top.abs() + reach);
        ROUNDINGS * f64::EPSILON * size
    }

    /// From the peak of a hill to the end of its stretch, or until nothing counts any more.
    fn walk(&self, hill: Hill, way: f64, mut act: impl FnMut((f64, f64))) -> Result<(), Fault> {
        let peak = hill.peak - self.top;
        let reach = if way > 0.0 { hill.high - hill.peak } else { hill.peak - hill.low };
        if !(reach > 0.0) || !self.counts(peak) {
            return Ok(());
        }
        let (mut near, mut far) = (0.0, fall(self, peak, way * reach));
        loop {
            let last = !(far < reach);
            let end = if last { reach } else { far };
            if !(end < EDGE) {
                return Err(Fault::Improper);
            }
            let (a, b) = (peak + way * near, peak + way * end);
            act(if way > 0.0 { (a, b) } else { (b, a) });
            if last || !(end > near) || !self.counts(peak + way * end) {
                return Ok(());
            }
            (near, far) = (far, 2.0 * far);
        }
    }

    /// Whether what lies there counts.
    fn counts(&self, offset: f64) -> bool {
        self.at(offset) + POWER * (offset / self.width).abs().ln_1p() > -DEPTH
    }
}

/// A panel, by offsets from the highest peak, and its mass, first and second moment.
type Panel = (f64, f64, [f64; 3]);

impl Survey<'_> {
    /// Places of a segment at most, and hills.
    fn sizes(&self) -> (usize, usize) {
        let count = |powers: [i32; 3]| 2 * exponents(powers).count() + 1;
        let marks = self.marks.len() * count(AROUND_MARK);
        let places = count(AROUND_CAVITY) + marks + 2 * AT_ENDS as usize + 2;
        (places, self.edges.len() + HILLS)
    }

    /// Values of memory that [`moments`](Self::moments) needs.
    pub(crate) fn memory(&self) -> usize {
        let (places, hills) = self.sizes();
        2 * places + KEPT * hills
    }

    /// The rule of its panels.
    pub(crate) fn rule() -> Rule {
        Rule::of(NODES)
    }

    /// Mass, mean and variance under a tilt.
    pub(crate) fn moments(
        &self,
        tilt: Tilt,
        rule: &Rule,
        memory: &mut [f64],
    ) -> Result<Moments, Fault> {
        let mut sums = [0.0; 3];
        let (top, height) = self.visit(tilt, rule, memory, |(_, _, part)| {
            (0..3).for_each(|k| sums[k] += part[k]);
        })?;
        let shift = sums[1] / sums[0];
        let variance = (sums[2] / sums[0] - shift * shift).max(0.0);
        let log_mass = height + tilt.rise(top, 0.0) + sums[0].ln();
        if !(log_mass.is_finite() && variance.is_finite()) {
            return Err(Fault::Lost);
        }
        Ok(Moments { log_mass, mean: top + shift, variance })
    }

    /// Calls `act` with panels that hold all of the mass; returns the highest peak and the logarithm of the density there.
    pub(crate) fn visit(
        &self,
        tilt: Tilt,
        rule: &Rule,
        memory: &mut [f64],
        mut act: impl FnMut(Panel),
    ) -> Result<(f64, f64), Fault> {
        let found = self.stretches(tilt, memory, |exponent, (a, b)| {
            let panels = Panels { exponent, rule };
            panels.halve((a, b, panels.sums(a, b)), HALVINGS, &mut act);
        })?;
        Ok((found.top, found.base))
    }

    /// Places between which all of the mass lies.
    pub(crate) fn reach(&self, tilt: Tilt, memory: &mut [f64]) -> Result<(f64, f64), Fault> {
        let (mut low, mut high) = (0.0f64, 0.0f64);
        let found = self.stretches(tilt, memory, |_, (a, b)| {
            (low, high) = (low.min(a), high.max(b));
        })?;
        Ok((found.top + low, found.top + high))
    }

    /// Calls `act` with stretches that hold all of the mass, by offsets from the highest peak, from every peak outwards.
    fn stretches<'a>(
        &'a self,
        tilt: Tilt,
        memory: &mut [f64],
        mut act: impl FnMut(&Exponent<'a>, (f64, f64)),
    ) -> Result<Exponent<'a>, Fault> {
        let (places, hills) = self.sizes();
        let (places, rest) = memory[..2 * places + KEPT * hills].split_at_mut(places);
        let (values, hills) = rest.split_at_mut(places.len());
        let mut count = 0;
        self.hills(tilt, (places, values), |hill| keep(hills, &mut count, hill))?;
        let hills = || hills.chunks_exact(KEPT).take(count).map(Hill::from_slice);
        let best = hills().reduce(|a, b| if b.height > a.height { b } else { a });
        let best = best.ok_or(Fault::Lost)?;
        let (top, slope, gamma) = (best.peak, tilt.slope(best.peak), tilt.gamma);
        let base = (self.log)(top);
        let mut exponent = Exponent { log: self.log, top, base, slope, gamma, width: 1.0 };
        let left = fall(&exponent, 0.0, best.low - top);
        exponent.width = left.max(fall(&exponent, 0.0, best.high - top));
        for hill in hills() {
            exponent.walk(hill, -1.0, |ends| act(&exponent, ends))?;
            exponent.walk(hill, 1.0, |ends| act(&exponent, ends))?;
        }
        Ok(exponent)
    }

    /// Calls `act` with every stretch between two dips, from left to right.
    fn hills(
        &self,
        tilt: Tilt,
        (places, values): (&mut [f64], &mut [f64]),
        mut act: impl FnMut(Hill),
    ) -> Result<(), Fault> {
        let (first, last) = (self.edges[0], self.edges[self.edges.len() - 1]);
        let own = if tilt.gamma > 0.0 { tilt.n / tilt.gamma } else { 0.0 };
        let origin = own.clamp(first, last);
        let value = |x: f64| (self.log)(x) + tilt.rise(x, origin);
        for ends in self.edges.windows(2) {
            let count = self.places(tilt, (ends[0], ends[1]), places);
            let (places, values) = (&places[..count], &mut values[..count]);
            for (value_at, &x) in values.iter_mut().zip(places) {
                *value_at = value(x);
                if value_at.is_nan() {
                    return Err(Fault::Lost);
                }
            }
            let (mut start, mut k) = (ends[0], 0);
            while k < count {
                // Places next to each other may have equal values on any slope: only a rise ends a fall.
                let rises = |k: usize| k + 1 < count && !(values[k + 1] < values[k]);
                let peak = k + (k..count).take_while(|&k| rises(k)).count();
                let falls = |k: usize| k + 1 < count && !(values[k + 1] > values[k]);
                let dip = peak + (peak..count).take_while(|&k| falls(k)).count();
                let high = if dip + 1 < count { places[dip] } else { ends[1] };
                if values[peak] > f64::NEG_INFINITY {
                    let a = if peak > 0 { places[peak - 1] } else { ends[0] };
                    let b = if peak + 1 < count { places[peak + 1] } else { ends[1] };
                    let (at, height) = climb(&value, (a, places[peak], b), values[peak]);
                    act(Hill { low: start, peak: at, high, height });
                }
                (start, k) = (high, dip.max(k + 1));
                if dip + 1 >= count {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Places to look at within a segment, in ascending order, and how many.
    fn places(&self, tilt: Tilt, (low, high): (f64, f64), memory: &mut [f64]) -> usize {
        // A jump belongs to one of its sides.
        let (low, high) = (low.next_up(), high.next_down());
        let mut count = 0;
        let mut add = |x: f64| {
            if low <= x && x <= high && x.abs() < EDGE {
                memory[count] = x;
                count += 1;
            }
        };
        let mut around = |centre: f64, scale: f64, powers: [i32; 3]| {
            add(centre);
            for k in exponents(powers) {
                let step = scale * f64::from(k).exp2();
                add(centre - step);
                add(centre + step);
            }
        };
        if tilt.gamma > 0.0 {
            around(tilt.n / tilt.gamma, tilt.gamma.sqrt().recip(), AROUND_CAVITY);
        }
        self.marks.iter().for_each(|m| around(m.centre, m.scale, AROUND_MARK));
        let length = high - low;
        add(low);
        add(high);
        for k in 1..=AT_ENDS {
            let step = length * f64::from(-k).exp2();
            add(low + step);
            add(high - step);
        }
        if count == 0 {
            // Between neighbouring doubles, or beyond all that counts.
            memory[0] = if low.abs() < EDGE { low } else { high };
            count = 1;
        }
        let places = &mut memory[..count];
        places.sort_unstable_by(f64::total_cmp);
        let mut kept = 1;
        for k in 1..count {
            if places[k] > places[kept - 1] {
                places[kept] = places[k];
                kept += 1;
            }
        }
        kept
    }
}

/// Powers of two at which to look.
fn exponents([first, dense, last]: [i32; 3]) -> impl Iterator<Item = i32> {
    (first..=last).filter(move |k| *k <= dense || (k - dense) % STRIDE == 0)
}

/// The peak between two places, by golden sections around the best one so far.
fn climb(value: &impl Fn(f64) -> f64, (a, x, b): (f64, f64, f64), height: f64) -> (f64, f64) {
    let (mut a, mut x, mut b, mut height) = (a, x, b, height);
    for _ in 0..STEPS {
        // The longer side, unless it has no end.
        let left = b.is_infinite() || (a.is_finite() && x - a > b - x);
        if (if left { a } else { b }).is_infinite() {
            break;
        }
        let y = if left { x - (1.0 - GOLDEN) * (x - a) } else { x + (1.0 - GOLDEN) * (b - x) };
        let other = value(y);
        if !(y > a && y < b) {
            break;
        }
        let gain = other - height;
        if gain > 0.0 {
            (a, b) = if left { (a, x) } else { (x, b) };
            (x, height) = (y, other);
        } else if left {
            a = y;
        } else {
            b = y;
        }
        if gain.abs() < GAIN {
            break;
        }
    }
    (x, height)
}

/// The length from `offset` on, within `reach` (negative to the left), over which the exponent falls by a nat.
fn fall(exponent: &Exponent<'_>, offset: f64, reach: f64) -> f64 {
    let (far, way) = (reach.abs(), reach.signum());
    let height = exponent.at(offset);
    let drop = |step: f64| height - exponent.at(offset + way * step);
    let mut step = far.min(1.0);
    for _ in 0..SEARCH {
        if !(step > f64::MIN_POSITIVE && drop(step) > 1.0) {
            break;
        }
        step *= 0.5;
    }
    for _ in 0..SEARCH {
        if !(2.0 * step < far.min(EDGE) && drop(2.0 * step) < 1.0) {
            break;
        }
        step *= 2.0;
    }
    step
}

/// Sums over panels.
struct Panels<'a, 'b> {
    exponent: &'b Exponent<'a>,
    rule: &'a Rule,
}

impl Panels<'_, '_> {
    fn sums(&self, a: f64, b: f64) -> [f64; 3] {
        let (centre, half) = (0.5 * (a + b), 0.5 * (b - a));
        let mut sums = [0.0; 3];
        for &(x, w) in self.rule.nodes() {
            let offset = half.mul_add(x, centre);
            let weight = half * w * self.exponent.at(offset).exp();
            sums[0] += weight;
            sums[1] += weight * offset;
            sums[2] += weight * offset * offset;
        }
        sums
    }

    /// Hands on halves that agree with the whole.
    fn halve(&self, (a, b, whole): Panel, halvings: usize, act: &mut impl FnMut(Panel)) {
        let middle = 0.5 * (a + b);
        let (left, right) = (self.sums(a, middle), self.sums(middle, b));
        let width = self.exponent.width;
        let (mass, second) = (width.max(whole[0]), (width * width * width).max(whole[2]));
        let scales = [mass, (mass * second).sqrt(), second];
        let share = AGREEMENT.max(self.exponent.rounding(a.abs().max(b.abs())));
        let agree = |k: usize| !((left[k] + right[k] - whole[k]).abs() > share * scales[k]);
        if halvings == 0 || (0..3).all(agree) {
            act((a, middle, left));
            act((middle, b, right));
        } else {
            self.halve((a, middle, left), halvings - 1, act);
            self.halve((middle, b, right), halvings - 1, act);
        }
    }
}
