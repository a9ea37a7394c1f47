//! Minimiser of total variation over an image plus a square, by an accelerated dual method with a certified error.

use fg_core::special::number::{Lanes, Number};
use pulp::{Simd, WithSimd};

use super::Steps;
use super::regions::{Regions, Union};

/// An image, the bound on its error, and how many iterations may be spent on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem {
    pub(super) width: usize,
    pub(super) steps: Steps,
    /// Weight of the total variation against half of the square.
    pub(super) weight: f64,
    /// Bound on the duality gap.
    pub(super) gap: f64,
    pub(super) iterations: usize,
}

/// What a minimisation has come to, and what it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The duality gap: half of the squared distance to the minimiser, at most.
    pub(super) gap: f64,
    pub(super) iterations: usize,
}

/// Dual variables of an image, in units of the weight: what the steps to the right and the steps down are multiplied by.
/// They are zero where there is no such step.
#[derive(Clone, Debug)]
pub(super) struct Dual {
    right: Vec<f64>,
    below: Vec<f64>,
}

/// Upper bound of the squared norm of the differences of an image in both directions.
const NORM: f64 = 8.0;
/// The duality gap costs most of an iteration: it is asked once in so many.
const CHECK: usize = 8;

impl Dual {
    pub(super) fn zero(pixels: usize) -> Self {
        Self { right: vec![0.0; pixels], below: vec![0.0; pixels] }
    }
}

impl Problem {
    /// The pixel on the right and the one below, where there are such.
    fn neighbours(&self, i: usize, pixels: usize) -> [Option<usize>; 2] {
        let right = (!(i + 1).is_multiple_of(self.width)).then_some(i + 1);
        [right, Some(i + self.width).filter(|&below| below < pixels)]
    }

    /// Difference to the right and to the pixel below; zero at the border.
    fn differences(&self, x: &[f64], i: usize) -> [f64; 2] {
        self.neighbours(i, x.len()).map(|other| other.map_or(0.0, |j| x[j] - x[i]))
    }

    /// Total variation of `x`, without its weight.
    pub(super) fn variation_at(&self, x: &[f64], i: usize) -> f64 {
        let [right, below] = self.differences(x, i);
        match self.steps {
            Steps::Isotropic => right.hypot(below),
            Steps::Anisotropic => right.abs() + below.abs(),
        }
    }

    /// Writes the minimiser of `|x - y|^2 / 2 + weight * variation` into `x`, starting from the dual `p` and leaving the
    /// final one there; none when the iterations don't suffice.
    ///
    /// Projected gradient steps on the dual with momentum, which is dropped whenever it leads uphill. The cost is strongly
    /// convex, so twice the duality gap bounds the squared distance to the minimiser.
    pub(super) fn minimise(&self, y: &[f64], p: &mut Dual, x: &mut [f64]) -> Option<Found> {
        if self.weight <= 0.0 {
            x.copy_from_slice(y);
            return Some(Found { gap: 0.0, iterations: 0 });
        }
        let data = y.iter().map(|y| y / self.weight).collect();
        let mut climb = Climb::new(*self, data, core::mem::replace(p, Dual::zero(0)));
        let found = pulp::Arch::new().dispatch(&mut climb);
        x.iter_mut().zip(&climb.x).for_each(|(x, own)| *x = self.weight * own);
        *p = climb.p;
        found.map(|found| Found { gap: self.weight * self.weight * found.gap, ..found })
    }

    /// Where the minimiser `x` with this dual is flat, and what pulls at its regions elsewhere.
    ///
    /// A pixel is held to its neighbours where a step of its dual stays within bounds: which these are doesn't change after
    /// finitely many steps. Elsewhere the length of a gradient is smooth, and steps that are counted by absolute values have a
    /// sign.
    pub(super) fn regions(&self, x: &[f64], p: &Dual) -> Regions {
        let mut union = Union::new(x.len());
        let (mut steps, mut slopes) = (Vec::new(), Vec::new());
        for i in 0..if self.weight > 0.0 { x.len() } else { 0 } {
            let gradient = self.differences(x, i);
            let reach = gradient.map(|step| step / (NORM * self.weight));
            let ahead = [p.right[i] + reach[0], p.below[i] + reach[1]];
            let neighbours = self.neighbours(i, x.len());
            let turned = self.steps == Steps::Isotropic;
            let length = ahead[0].hypot(ahead[1]);
            // Without a gradient there is no direction.
            let loose = turned && length >= 1.0 && gradient.iter().any(|step| step.abs() > 0.0);
            if loose {
                slopes.push([i, neighbours[0].unwrap_or(i), neighbours[1].unwrap_or(i)]);
            }
            for (neighbour, ahead) in neighbours.into_iter().zip(ahead) {
                match neighbour {
                    Some(j) if !turned && ahead.abs() >= 1.0 => {
                        steps.push(([i, j], ahead.signum()));
                    }
                    Some(j) if !loose => union.join(i, j),
                    _ => {}
                }
            }
        }
        let mut regions = union.finish();
        steps.into_iter().for_each(|(pixels, sign)| regions.count_step(pixels, sign));
        slopes.into_iter().for_each(|pixels| regions.count_slope(pixels));
        regions
    }
}

/// The state of the iteration, in units of the weight: all duals are of length one at most.
struct Climb {
    problem: Problem,
    y: Vec<f64>,
    p: Dual,
    /// `y - D'p`.
    x: Vec<f64>,
    /// Those of the iteration before, which the next ones replace.
    former: Dual,
    former_x: Vec<f64>,
    /// The next point is ahead of the present one by this share of the last move.
    share: f64,
    /// A line of the image ahead and the one below, with the last pixel repeated at the end: no step leads out of an image.
    here: Vec<f64>,
    below: Vec<f64>,
}

impl Climb {
    fn new(problem: Problem, y: Vec<f64>, p: Dual) -> Self {
        let (x, line) = (y.clone(), vec![0.0; problem.width + 1]);
        Self {
            problem,
            former: p.clone(),
            former_x: x.clone(),
            y,
            p,
            x,
            share: 0.0,
            here: line.clone(),
            below: line,
        }
    }

    fn lines(&self) -> usize {
        self.y.len() / self.problem.width
    }
}

impl WithSimd for &mut Climb {
    type Output = Option<Found>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Option<Found> {
        let bound = self.problem.gap / self.problem.weight / self.problem.weight;
        for i in 0..self.lines() {
            primal(&self.y, &self.p, &mut self.x, i, self.problem.width);
        }
        self.former_x.copy_from_slice(&self.x);
        let mut momentum = 1.0;
        for iterations in 0..=self.problem.iterations {
            if iterations.is_multiple_of(CHECK) || iterations == self.problem.iterations {
                let gap = self.gap(simd);
                if gap <= bound {
                    return Some(Found { gap, iterations });
                }
            }
            let uphill = self.step(simd);
            let next = 0.5 + (0.25f64 + momentum * momentum).sqrt();
            self.share = if uphill > 0.0 { 0.0 } else { (momentum - 1.0) / next };
            momentum = if uphill > 0.0 { 1.0 } else { next };
        }
        None
    }
}

impl Climb {
    /// One iteration, line by line: a projected gradient step from the point ahead, and the image of the new dual. Returns
    /// the scalar product of that step's gradient and the move.
    #[inline(always)]
    fn step<S: Simd>(&mut self, simd: S) -> f64 {
        let width = self.problem.width;
        let mut uphill = 0.0;
        self.look_ahead(0);
        for i in 0..self.lines() {
            core::mem::swap(&mut self.here, &mut self.below);
            if i + 1 < self.lines() {
                self.look_ahead(i + 1);
            } else {
                self.below.copy_from_slice(&self.here);
            }
            let line = i * width..(i + 1) * width;
            let moves = Moves {
                steps: self.problem.steps,
                share: self.share,
                here: &self.here[..width],
                right: &self.here[1..],
                below: &self.below[..width],
                p: [&self.p.right[line.clone()], &self.p.below[line.clone()]],
                next: [&mut self.former.right[line.clone()], &mut self.former.below[line]],
            };
            uphill += moves.with_simd(simd);
            primal(&self.y, &self.former, &mut self.former_x, i, width);
        }
        core::mem::swap(&mut self.p, &mut self.former);
        core::mem::swap(&mut self.x, &mut self.former_x);
        uphill
    }

    /// Line `i` of the image of the point ahead, into `below`: that image is as far ahead as its dual.
    #[inline(always)]
    fn look_ahead(&mut self, i: usize) {
        let width = self.problem.width;
        let (now, former) = (&self.x[i * width..][..width], &self.former_x[i * width..][..width]);
        for ((ahead, now), former) in self.below[..width].iter_mut().zip(now).zip(former) {
            *ahead = now + self.share * (now - former);
        }
        self.below[width] = self.below[width - 1];
    }

    /// The duality gap: a sum of terms that aren't negative, since `y = x + D'p`.
    #[inline(always)]
    fn gap<S: Simd>(&mut self, simd: S) -> f64 {
        let width = self.problem.width;
        let mut gap = 0.0;
        for i in 0..self.lines() {
            let line = i * width..(i + 1) * width;
            self.here[..width].copy_from_slice(&self.x[line.clone()]);
            self.here[width] = self.here[width - 1];
            let next = if i + 1 < self.lines() { line.end } else { line.start };
            let terms = Gaps {
                steps: self.problem.steps,
                here: &self.here[..width],
                right: &self.here[1..],
                below: &self.x[next..next + width],
                p: [&self.p.right[line.clone()], &self.p.below[line]],
            };
            gap += terms.with_simd(simd);
        }
        gap
    }
}

/// Line `i` of `x = y - D'p`.
#[inline(always)]
fn primal(y: &[f64], p: &Dual, x: &mut [f64], i: usize, width: usize) {
    let (start, end) = (i * width, (i + 1) * width);
    let (y, x) = (&y[start..end], &mut x[start..end]);
    let (right, below) = (&p.right[start..end], &p.below[start..end]);
    if i == 0 {
        x.iter_mut().zip(y).zip(below).for_each(|((x, y), below)| *x = y + below);
    } else {
        let above = &p.below[start - width..start];
        for (((x, y), below), above) in x.iter_mut().zip(y).zip(below).zip(above) {
            *x = y + (below - above);
        }
    }
    x[0] += right[0];
    for ((x, right), left) in x[1..].iter_mut().zip(&right[1..]).zip(right) {
        *x += right - left;
    }
}

/// The nearest dual pair that is legal.
#[inline(always)]
fn project<N: Number>(steps: Steps, [a, b]: [N; 2]) -> [N; 2] {
    let one = a.constant(1.0);
    match steps {
        Steps::Isotropic => {
            let shrink = one / a.mul_add(a, b * b).sqrt().at_least(one);
            [a * shrink, b * shrink]
        }
        Steps::Anisotropic => [a, b].map(|p| p.at_least(-one).at_most(one)),
    }
}

/// A line of projected gradient steps.
struct Moves<'a> {
    steps: Steps,
    share: f64,
    here: &'a [f64],
    right: &'a [f64],
    below: &'a [f64],
    p: [&'a [f64]; 2],
    /// The duals before, and afterwards the new ones.
    next: [&'a mut [f64]; 2],
}

impl Moves<'_> {
    /// The new dual of a pixel and its part of what leads uphill.
    #[inline(always)]
    fn pixel<N: Number>(&self, image: [N; 3], p: [N; 2], former: [N; 2]) -> ([N; 2], N) {
        let [here, right, below] = image;
        let (share, length) = (here.constant(self.share), here.constant(1.0 / NORM));
        let ahead = [0, 1].map(|e| share.mul_add(p[e] - former[e], p[e]));
        let slopes = [right - here, below - here];
        let next = project(self.steps, [0, 1].map(|e| length.mul_add(slopes[e], ahead[e])));
        let [a, b] = [0, 1].map(|e| (ahead[e] - next[e], next[e] - p[e]));
        (next, a.0.mul_add(a.1, b.0 * b.1))
    }
}

impl WithSimd for Moves<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> f64 {
        let own = |v: &S::f64s| Lanes::new(simd, *v);
        let (image, image_rest) = registers::<S, 3>([self.here, self.right, self.below]);
        let (p, p_rest) = registers::<S, 2>(self.p);
        let [next_right, next_below] = core::mem::take(&mut self.next);
        let (right, right_rest) = Lanes::<S>::registers_mut(next_right);
        let (below, below_rest) = Lanes::<S>::registers_mut(next_below);
        let mut sum = Lanes::splat(simd, 0.0);
        for (k, (right, below)) in right.iter_mut().zip(below).enumerate() {
            let image = [0, 1, 2].map(|e| own(&image[e][k]));
            let (p, former) = ([own(&p[0][k]), own(&p[1][k])], [own(right), own(below)]);
            let ([a, b], uphill) = self.pixel(image, p, former);
            (*right, *below) = (a.get(), b.get());
            sum = sum + uphill;
        }
        let mut sum = sum.sum();
        for (k, (right, below)) in right_rest.iter_mut().zip(below_rest).enumerate() {
            let image = [0, 1, 2].map(|e| image_rest[e][k]);
            let p = [p_rest[0][k], p_rest[1][k]];
            let ([a, b], uphill) = self.pixel(image, p, [*right, *below]);
            (*right, *below) = (a, b);
            sum += uphill;
        }
        sum
    }
}

/// A line of the terms of the duality gap.
struct Gaps<'a> {
    steps: Steps,
    here: &'a [f64],
    right: &'a [f64],
    below: &'a [f64],
    p: [&'a [f64]; 2],
}

impl Gaps<'_> {
    #[inline(always)]
    fn pixel<N: Number>(&self, [here, right, below]: [N; 3], p: [N; 2]) -> N {
        let [a, b] = [right - here, below - here];
        let length = match self.steps {
            Steps::Isotropic => a.mul_add(a, b * b).sqrt(),
            Steps::Anisotropic => a.abs() + b.abs(),
        };
        (length - a.mul_add(p[0], b * p[1])).at_least(here.constant(0.0))
    }
}

impl WithSimd for Gaps<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let all = [self.here, self.right, self.below, self.p[0], self.p[1]];
        let (registers, rest) = registers::<S, 5>(all);
        let mut sum = Lanes::splat(simd, 0.0);
        for k in 0..registers[0].len() {
            let own = |e: usize| Lanes::new(simd, registers[e][k]);
            sum = sum + self.pixel([own(0), own(1), own(2)], [own(3), own(4)]);
        }
        let mut sum = sum.sum();
        for k in 0..rest[0].len() {
            let own = |e: usize| rest[e][k];
            sum += self.pixel([own(0), own(1), own(2)], [own(3), own(4)]);
        }
        sum
    }
}

/// Lines of one length as registers, and what is left over.
#[inline(always)]
fn registers<S: Simd, const K: usize>(lines: [&[f64]; K]) -> ([&[S::f64s]; K], [&[f64]; K]) {
    let length = lines[0].len();
    let (mut registers, mut rest) = ([&[][..]; K], [&[][..]; K]);
    for (k, line) in lines.into_iter().enumerate() {
        (registers[k], rest[k]) = Lanes::<S>::registers(&line[..length]);
    }
    (registers, rest)
}
