//! Minimiser of total variation over an image plus a square, by an accelerated dual method with a certified error.

use super::image_total_variation::Steps;

/// An image, the bound on its error, and how many iterations may be spent on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem {
    pub(super) width: usize,
    pub(super) steps: Steps,
    /// Weight of the total variation against half of the square.
    pub(super) weight: f64,
    /// Bound on the Euclidean distance to the minimiser.
    pub(super) distance: f64,
    pub(super) iterations: usize,
}

/// Upper bound of the squared norm of the differences of an image in both directions.
const NORM: f64 = 8.0;

impl Problem {
    /// Difference to the right and to the pixel below; zero at the border.
    fn differences(&self, x: &[f64], i: usize) -> [f64; 2] {
        let right = if (i + 1).is_multiple_of(self.width) { 0.0 } else { x[i + 1] - x[i] };
        [right, x.get(i + self.width).map_or(0.0, |below| below - x[i])]
    }

    fn length(&self, [a, b]: [f64; 2]) -> f64 {
        match self.steps {
            Steps::Isotropic => a.hypot(b),
            Steps::Anisotropic => a.abs() + b.abs(),
        }
    }

    /// The nearest dual pair that is legal.
    fn project(&self, [a, b]: [f64; 2]) -> [f64; 2] {
        let w = self.weight;
        match self.steps {
            Steps::Isotropic => {
                let length = a.hypot(b);
                if length > w { [a * (w / length), b * (w / length)] } else { [a, b] }
            }
            Steps::Anisotropic => [a.max(-w).min(w), b.max(-w).min(w)],
        }
    }

    /// `x = y - D'p`.
    fn primal(&self, y: &[f64], p: &[[f64; 2]], x: &mut [f64]) {
        x.copy_from_slice(y);
        for (i, &[right, below]) in p.iter().enumerate() {
            if !(i + 1).is_multiple_of(self.width) {
                x[i] += right;
                x[i + 1] -= right;
            }
            if i + self.width < x.len() {
                x[i] += below;
                x[i + self.width] -= below;
            }
        }
    }

    /// Total variation of `x`, without its weight.
    pub(super) fn variation_at(&self, x: &[f64], i: usize) -> f64 {
        self.length(self.differences(x, i))
    }

    /// The duality gap: a sum of terms that aren't negative, since `y = x + D'p`.
    fn gap(&self, x: &[f64], p: &[[f64; 2]]) -> f64 {
        let term = |(i, p): (usize, &[f64; 2])| {
            let step = self.differences(x, i);
            let product = step[0] * p[0] + step[1] * p[1];
            (self.weight * self.length(step) - product).max(0.0)
        };
        p.iter().enumerate().map(term).sum()
    }

    /// Writes the minimiser of `|x - y|^2 / 2 + weight * variation` into `x`, starting from the dual `p` and leaving the
    /// final one there; false when the iterations don't suffice.
    ///
    /// Projected gradient steps on the dual with momentum, which is dropped whenever it leads uphill. The cost is strongly
    /// convex, so twice the duality gap bounds the squared distance to the minimiser.
    pub(super) fn minimise(&self, y: &[f64], p: &mut [[f64; 2]], x: &mut [f64]) -> bool {
        let bound = 0.5 * self.distance * self.distance;
        p.iter_mut().for_each(|p| *p = self.project(*p));
        self.primal(y, p, x);
        let (mut ahead, mut before) = (p.to_vec(), p.to_vec());
        let mut at_ahead = x.to_vec();
        let mut momentum = 1.0;
        for _ in 0..self.iterations {
            if self.gap(x, p) <= bound {
                return true;
            }
            before.copy_from_slice(p);
            let mut uphill = 0.0;
            for i in 0..p.len() {
                let [a, b] = ahead[i];
                let [right, below] = self.differences(&at_ahead, i);
                p[i] = self.project([a + right / NORM, b + below / NORM]);
                for e in 0..2 {
                    uphill += (ahead[i][e] - p[i][e]) * (p[i][e] - before[i][e]);
                }
            }
            self.primal(y, p, x);
            let next = 0.5 + (0.25f64 + momentum * momentum).sqrt();
            let share = if uphill > 0.0 { 0.0 } else { (momentum - 1.0) / next };
            momentum = if uphill > 0.0 { 1.0 } else { next };
            for i in 0..p.len() {
                ahead[i] = [0, 1].map(|e| p[i][e] + share * (p[i][e] - before[i][e]));
            }
            self.primal(y, &ahead, &mut at_ahead);
        }
        self.gap(x, p) <= bound
    }
}
