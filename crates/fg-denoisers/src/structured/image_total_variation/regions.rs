//! The regions in which total variation holds a column of an image flat, and what pulls at them.

/// Where one column of an estimate is flat, and what the variation says of the rest.
#[derive(Debug)]
pub(super) struct Regions {
    /// The region of each pixel.
    of: Vec<usize>,
    /// Pixels of each region.
    sizes: Vec<f64>,
    /// Slope of the variation in the value of each region, by steps of a known sign.
    pulls: Vec<f64>,
    /// Pixels with a gradient, each with the one on its right and the one below; with itself where there is none.
    slopes: Vec<[usize; 3]>,
}

/// Regions that grow: every pixel points to an earlier one of its region, or to itself.
#[derive(Debug)]
pub(super) struct Union {
    earlier: Vec<usize>,
}

impl Union {
    /// Each of so many pixels by itself.
    pub(super) fn new(pixels: usize) -> Self {
        Self { earlier: (0..pixels).collect() }
    }

    fn first(&mut self, mut i: usize) -> usize {
        while self.earlier[i] != i {
            self.earlier[i] = self.earlier[self.earlier[i]];
            i = self.earlier[i];
        }
        i
    }

    /// Makes one region of those of two pixels.
    pub(super) fn join(&mut self, i: usize, j: usize) {
        let (i, j) = (self.first(i), self.first(j));
        self.earlier[i.max(j)] = i.min(j);
    }

    /// The regions, with nothing that pulls at them.
    pub(super) fn finish(mut self) -> Regions {
        let (mut of, mut sizes) = (vec![0; self.earlier.len()], Vec::new());
        for i in 0..of.len() {
            let first = self.first(i);
            if first == i {
                of[i] = sizes.len();
                sizes.push(0.0);
            } else {
                of[i] = of[first];
            }
            sizes[of[i]] += 1.0;
        }
        let pulls = vec![0.0; sizes.len()];
        Regions { of, sizes, pulls, slopes: Vec::new() }
    }
}

impl Regions {
    pub(super) fn len(&self) -> usize {
        self.sizes.len()
    }

    /// The region of a pixel.
    pub(super) fn of(&self, pixel: usize) -> usize {
        self.of[pixel]
    }

    /// Pixels of each region.
    pub(super) fn sizes(&self) -> &[f64] {
        &self.sizes
    }

    /// Whether there are gradients, whose lengths bend.
    pub(super) fn bends(&self) -> bool {
        !self.slopes.is_empty()
    }

    /// Counts `sign (x_j - x_i)` of two pixels.
    pub(super) fn count_step(&mut self, [i, j]: [usize; 2], sign: f64) {
        self.pulls[self.of[i]] -= sign;
        self.pulls[self.of[j]] += sign;
    }

    /// Counts the length of the gradient of these pixels, unless others hold all of them together.
    pub(super) fn count_slope(&mut self, pixels: [usize; 3]) {
        let [i, j, k] = pixels.map(|pixel| self.of[pixel]);
        if i != j || i != k {
            self.slopes.push(pixels);
        }
    }

    /// Pixels with a gradient at `x`, and its two steps. Regions that happen to be equal have none, and pull at nothing.
    fn gradients<'a>(
        &'a self,
        x: &'a [f64],
    ) -> impl Iterator<Item = ([usize; 3], [f64; 2], f64)> + 'a {
        let gradient = |&[i, j, k]: &[usize; 3]| {
            let steps = [x[j] - x[i], x[k] - x[i]];
            ([i, j, k], steps, steps[0].hypot(steps[1]))
        };
        self.slopes.iter().map(gradient).filter(|(_, _, length)| *length > 0.0)
    }

    /// Replaces a column by its averages over regions.
    pub(super) fn flatten(&self, x: &mut [f64]) {
        let mut means = vec![0.0; self.len()];
        x.iter().zip(&self.of).for_each(|(x, &region)| means[region] += x / self.sizes[region]);
        x.iter_mut().zip(&self.of).for_each(|(x, &region)| *x = means[region]);
    }

    /// Adds `cost` times the slope of the variation at `x` in the value of each region.
    pub(super) fn add_pulls(&self, x: &[f64], cost: f64, out: &mut [f64]) {
        out.iter_mut().zip(&self.pulls).for_each(|(out, pull)| *out += cost * pull);
        for ([i, j, k], [right, below], length) in self.gradients(x) {
            let scale = cost / length;
            out[self.of[i]] -= scale * (right + below);
            out[self.of[j]] += scale * right;
            out[self.of[k]] += scale * below;
        }
    }

    /// Second derivatives `(region, region, value)` of `cost` times the variation at `x`, on and below the diagonal.
    ///
    /// A gradient `g` may grow as it likes, and is held across: the second derivative of its length there is `1 / |g|`.
    pub(super) fn curvature(&self, x: &[f64], cost: f64) -> Vec<(usize, usize, f64)> {
        let mut entries = Vec::with_capacity(6 * self.slopes.len());
        for (pixels, [right, below], length) in self.gradients(x) {
            // One step by itself has no direction to turn to.
            if pixels[1] == pixels[0] || pixels[2] == pixels[0] {
                continue;
            }
            let across = [(below - right) / length, -below / length, right / length];
            for a in 0..3 {
                for b in 0..=a {
                    let (p, q) = (self.of[pixels[a]], self.of[pixels[b]]);
                    // Both orders of a pair of factors, where they are those of one region.
                    let times = if a != b && p == q { 2.0 } else { 1.0 };
                    let value = times * cost / length * across[a] * across[b];
                    entries.push((p.max(q), p.min(q), value));
                }
            }
        }
        entries
    }
}
