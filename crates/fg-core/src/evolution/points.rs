//! Points decide how exact row integrals are: low-discrepancy uniforms and normal rows uncorrelated with all before.

use super::port::{add_product, mean, second_moment};
use crate::factor::Uniforms;
use crate::message::small;
use crate::rows::Rows;
use crate::special::{cdf, open_uniform, pdf, points::uniform, quantile};

/// A growing low-discrepancy sequence: `rows` points, more dimensions as they are asked for.
#[derive(Debug)]
pub(super) struct Points {
    weights: Vec<f64>,
    seed: u32,
    next: usize,
    /// Columns of a grid, handed out in place of the first coordinate and the first normal column.
    grid: Option<Grid>,
    /// Normal rows handed out so far, and the truths they are kept uncorrelated with.
    known: Vec<Rows>,
}

/// A product of one uniform and one normal variable.
#[derive(Debug)]
struct Grid {
    uniform: Option<Vec<f64>>,
    normal: Option<Vec<f64>>,
}

/// Grids of normal variables end here: what is beyond has a probability of 2e-10.
const GRID_END: f64 = 6.4;
/// Nodes of a grid that count for less than this share of an average node are left out.
const NEGLIGIBLE: f64 = 1e-12;

/// The golden section, whose multiples fill the unit interval most evenly.
const GOLDEN: f64 = 0.618_033_988_749_894_8;

/// Estimators may treat every row in turn by one of so many rules of their own, or by one that divides this number.
const TURNS: usize = 16;

/// The point of the sequence that row `i` of `rows` stands for. Every 16th point of a Sobol sequence lies in the same
/// sixteenth of each coordinate; rows whose turn it is at the same time have consecutive points instead, which are as
/// even as all are.
pub(super) fn in_turn(i: usize, rows: usize) -> usize {
    let (turn, place) = (i % TURNS, i / TURNS);
    turn * (rows / TURNS) + turn.min(rows % TURNS) + place
}

impl Points {
    pub(super) fn new(rows: usize, seed: u32) -> Self {
        let weights = vec![1.0 / rows as f64; rows];
        Self { weights, seed, next: 0, grid: None, known: Vec::new() }
    }

    /// About `points` nodes for one uniform, cut where a law jumps, and one normal variable: on each piece the uniform
    /// is the distribution function of a normal variable, and both together lie on a rank-one lattice. Functions that
    /// are analytic between the jumps converge exponentially; kinks and jumps of an estimator, or features of its own
    /// that are narrow in one direction, are met by all nodes at different places.
    pub(super) fn grid(jumps: &[f64], points: usize) -> Self {
        let mut ends = vec![0.0];
        ends.extend(jumps.iter().copied().filter(|j| *j > 0.0 && *j < 1.0));
        ends.push(1.0);
        let side = points.div_ceil(ends.len() - 1);
        let node =
            |k: usize, shift: f64| GRID_END * (2.0 * ((k as f64 + shift) * GOLDEN).fract() - 1.0);
        let nodes: Vec<[f64; 2]> = (0..side)
            .map(|k| [GRID_END * ((2 * k + 1) as f64 / side as f64 - 1.0), node(k, 0.5)])
            .collect();
        let density = |n: &[f64; 2]| pdf(n[0]) * pdf(n[1]);
        let total: f64 = nodes.iter().map(density).sum();
        let (mut weights, mut uniform, mut normal) = (Vec::new(), Vec::new(), Vec::new());
        for piece in ends.windows(2) {
            let width = piece[1] - piece[0];
            for node in &nodes {
                let weight = density(node) / total;
                if weight * (side as f64) < NEGLIGIBLE {
                    continue;
                }
                // From the nearer end, so that both keep their digits.
                let [t, z] = *node;
                let below = t < 0.0;
                let u = if below {
                    width.mul_add(cdf(t), piece[0])
                } else {
                    piece[1] - width * cdf(-t)
                };
                weights.push(width * weight);
                uniform.push(u);
                normal.push(z);
            }
        }
        let grid = Some(Grid { uniform: Some(uniform), normal: Some(normal) });
        Self { weights, seed: 0, next: 0, grid, known: Vec::new() }
    }

    pub(super) fn rows(&self) -> usize {
        self.weights.len()
    }

    /// What each point counts for; they add up to one.
    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The next coordinate of all points, in `(0, 1)`.
    fn coordinate(&mut self) -> Vec<f64> {
        if let Some(column) = self.grid.as_mut().and_then(|grid| grid.uniform.take()) {
            return column;
        }
        let (dimension, seed, rows) = (self.next, self.seed, self.rows());
        self.next += 1;
        (0..rows).map(|i| uniform(in_turn(i, rows), dimension, seed)).collect()
    }

    /// Rows that later normal rows shall be uncorrelated with.
    pub(super) fn keep(&mut self, rows: &Rows) {
        self.known.push(rows.clone());
    }

    /// `rows x d` standard normal values of mean zero and second moment one, uncorrelated with all rows kept and
    /// handed out before, to rounding: what the recursion's equations assume holds on the points, too.
    pub(super) fn normals(&mut self, d: usize) -> Rows {
        let mut rows = Rows::zeros(self.rows(), d);
        for j in 0..d {
            let column = match self.grid.as_mut().and_then(|grid| grid.normal.take()) {
                Some(column) => column,
                None => {
                    let uniforms = self.coordinate().into_iter();
                    uniforms.map(|u| quantile(open_uniform(u))).collect()
                }
            };
            column.iter().enumerate().for_each(|(i, v)| rows[(i, j)] = *v);
        }
        let weights = &self.weights;
        // A second pass removes what rounding and nearly dependent rows left of the first.
        let known = stacked(&self.known);
        for _ in 0..2 {
            let centre = mean(&rows, weights);
            for row in rows.as_mut_slice().chunks_exact_mut(d) {
                row.iter_mut().zip(&centre).for_each(|(r, c)| *r -= c);
            }
            if known.columns() > 0 {
                remove(&mut rows, &known, weights);
            }
        }
        let mut root = second_moment(&rows, &rows, weights);
        if small::cholesky(&mut root, d).is_ok() {
            for row in rows.as_mut_slice().chunks_exact_mut(d) {
                small::solve_lower(&root, row, d);
            }
        }
        self.known.push(rows.clone());
        rows
    }
}

/// The row, of `n`, that each point stands for: in ascending order, all as often.
pub(super) fn places(n: usize, points: &mut Points) -> Vec<usize> {
    let mut uniforms = Vec::new();
    points.fill(points.rows(), 1, &mut uniforms);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a uniform times a number of rows"
    )]
    let place = |u: &f64| ((u * n as f64) as usize).min(n - 1);
    let mut places: Vec<usize> = uniforms.iter().map(place).collect();
    places.sort_unstable();
    places
}

/// All rows side by side.
fn stacked(parts: &[Rows]) -> Rows {
    let (rows, columns) =
        (parts.first().map_or(0, Rows::rows), parts.iter().map(Rows::columns).sum());
    let mut all = Rows::zeros(rows, columns);
    let mut at = 0;
    for part in parts {
        for i in 0..rows {
            all.row_mut(i)[at..at + part.columns()].copy_from_slice(part.row(i));
        }
        at += part.columns();
    }
    all
}

/// Removes from `rows` its regression on the deviations of `known` from their mean.
fn remove(rows: &mut Rows, known: &Rows, weights: &[f64]) {
    let (d, k) = (rows.columns(), known.columns());
    let centre = mean(known, weights);
    let mut moment = second_moment(known, known, weights);
    for (index, m) in moment.iter_mut().enumerate() {
        *m -= centre[index / k] * centre[index % k];
    }
    let inverse = super::innovation::pseudo_inverse(&moment, k);
    let mut cross = vec![0.0; k * d];
    let pairs = known.as_slice().chunks_exact(k).zip(rows.as_slice().chunks_exact(d));
    for ((a, b), w) in pairs.zip(weights) {
        for i in 0..k {
            let deviation = w * (a[i] - centre[i]);
            cross[i * d..(i + 1) * d].iter_mut().zip(b).for_each(|(c, b)| *c += deviation * b);
        }
    }
    // Minus the regression coefficients, k x d.
    let mut coefficients = vec![0.0; k * d];
    for i in 0..k {
        let out = &mut coefficients[i * d..(i + 1) * d];
        add_product(&inverse[i * k..(i + 1) * k], &cross, out);
        out.iter_mut().for_each(|v| *v = -*v);
    }
    let mut deviation = vec![0.0; k];
    for (a, b) in known.as_slice().chunks_exact(k).zip(rows.as_mut_slice().chunks_exact_mut(d)) {
        deviation.iter_mut().zip(a.iter().zip(&centre)).for_each(|(v, (a, c))| *v = a - c);
        add_product(&deviation, &coefficients, b);
    }
}

impl Uniforms for Points {
    fn fill(&mut self, rows: usize, dimension: usize, out: &mut Vec<f64>) {
        assert_eq!(rows, self.rows(), "as many points as rows");
        out.clear();
        out.resize(rows * dimension, 0.0);
        for k in 0..dimension {
            for (i, u) in self.coordinate().into_iter().enumerate() {
                out[i * dimension + k] = u;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_take_all_points_and_each_turn_fills_the_interval() {
        for rows in [16, 100, 1024, 4097] {
            let mut taken: Vec<usize> = (0..rows).map(|i| in_turn(i, rows)).collect();
            taken.sort_unstable();
            assert!(taken.iter().enumerate().all(|(k, i)| k == *i), "{rows}");
        }
        let column = Points::new(1024, 5).coordinate();
        for turn in 0..TURNS {
            // 64 points that are a net of their own: one in each of as many intervals.
            let mut cells = [0; 64];
            for u in column.iter().skip(turn).step_by(TURNS) {
                let cell = (0..63).take_while(|cell| f64::from(cell + 1) <= u * 64.0).count();
                cells[cell] += 1;
            }
            assert!(cells.iter().all(|count| *count == 1), "{turn}: {cells:?}");
        }
    }

    #[test]
    fn normal_rows_are_white_and_uncorrelated_with_what_came_before() {
        const ROUNDING: f64 = 1e-12;
        let mut points = Points::new(512, 3);
        let mut uniforms = Vec::new();
        points.fill(512, 1, &mut uniforms);
        let truth = Rows::from_fn(512, 1, |i, _| uniforms[i].powi(3));
        points.keep(&truth);
        let (first, second) = (points.normals(2), points.normals(3));
        let (mass, weights) = (512.0, points.weights().to_vec());
        let moment = second_moment(&second, &second, &weights);
        for (k, m) in moment.iter().enumerate() {
            let expected = if k / 3 == k % 3 { 1.0 } else { 0.0 };
            assert!((m - expected).abs() < ROUNDING, "{moment:?}");
        }
        assert!(mean(&second, &weights).iter().all(|m| m.abs() < ROUNDING), "mean");
        for (j, k) in [(0, 0), (1, 2), (0, 1)] {
            let dot: f64 = (0..512).map(|i| first[(i, j)] * second[(i, k)]).sum();
            assert!((dot / mass).abs() < ROUNDING, "correlation {j} {k}");
            let dot: f64 = (0..512).map(|i| truth[(i, 0)] * second[(i, k)]).sum();
            assert!((dot / mass).abs() < ROUNDING, "correlation with the truth {k}");
        }
    }
}
