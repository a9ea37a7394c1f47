//! A phase diagram: one prediction for every pair of two parameters, computed in parallel.

use crate::parallel::in_order;

/// One number or set of numbers, or an error, for every pair of values of two parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseDiagram<T, E> {
    xs: Vec<f64>,
    ys: Vec<f64>,
    cells: Vec<Result<T, E>>,
}

impl<T: Send, E: Send> PhaseDiagram<T, E> {
    /// Calls `cell(x, y)` for every pair, on `threads` threads, at least one; the result doesn't depend on their
    /// number as long as `cell` depends on nothing but its arguments. A cell that fails keeps its error.
    ///
    /// ```
    /// use fg_core::evolution::PhaseDiagram;
    /// let root = |x: f64, y: f64| if x < y { Err("below") } else { Ok((x - y).sqrt()) };
    /// let diagram = PhaseDiagram::compute(&[1.0, 4.0], &[0.0, 2.0], 2, root);
    /// assert_eq!(diagram.cell(1, 0), &Ok(2.0));
    /// assert_eq!(diagram.cell(0, 1), &Err("below"));
    /// ```
    pub fn compute(
        xs: &[f64],
        ys: &[f64],
        threads: usize,
        cell: impl Fn(f64, f64) -> Result<T, E> + Sync,
    ) -> Self {
        let cells =
            in_order(xs.len() * ys.len(), threads, |k| cell(xs[k % xs.len()], ys[k / xs.len()]));
        Self { xs: xs.to_vec(), ys: ys.to_vec(), cells }
    }
}

impl<T, E> PhaseDiagram<T, E> {
    /// Values of the first parameter.
    pub fn xs(&self) -> &[f64] {
        &self.xs
    }

    /// Values of the second parameter.
    pub fn ys(&self) -> &[f64] {
        &self.ys
    }

    /// What was computed for `xs[x]` and `ys[y]`.
    ///
    /// # Panics
    /// When there is no such cell.
    #[track_caller]
    pub fn cell(&self, x: usize, y: usize) -> &Result<T, E> {
        assert!(x < self.xs.len(), "column {x} of a diagram of {}", self.xs.len());
        &self.cells[y * self.xs.len() + x]
    }

    /// All cells with both parameters, the first changing fastest.
    pub fn cells(&self) -> impl Iterator<Item = (f64, f64, &Result<T, E>)> {
        let pairs = self.ys.iter().flat_map(|y| self.xs.iter().map(move |x| (*x, *y)));
        pairs.zip(&self.cells).map(|((x, y), cell)| (x, y, cell))
    }

    /// The first cell that failed, if any.
    pub fn first_error(&self) -> Option<(f64, f64, &E)> {
        self.cells().find_map(|(x, y, cell)| cell.as_ref().err().map(|error| (x, y, error)))
    }

    /// The line on which `value` is `level`: for every `ys[y]` the first place along `xs` where it is crossed, between
    /// two neighbours and linear there; `None` where it isn't, or where a value isn't finite.
    pub fn contour(&self, level: f64, value: impl Fn(&T) -> f64) -> Vec<Option<f64>> {
        let row = |y: usize| {
            let at = |x: usize| self.cell(x, y).as_ref().ok().map(|cell| value(cell) - level);
            (1..self.xs.len()).find_map(|x| {
                let (left, right) = (at(x - 1)?, at(x)?);
                let crosses = left.is_finite() && right.is_finite() && left * right <= 0.0;
                let fall = left - right;
                let share = if fall == 0.0 { 0.5 } else { left / fall };
                crosses.then(|| self.xs[x - 1] + share * (self.xs[x] - self.xs[x - 1]))
            })
        };
        (0..self.ys.len()).map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_the_same_on_any_number_of_threads() {
        let (xs, ys) = ([1.0, 2.0, 3.0], [10.0, 20.0]);
        let cell = |x: f64, y: f64| if x < 2.5 && x * y > 39.0 { Err(x * y) } else { Ok(x + y) };
        let one = PhaseDiagram::compute(&xs, &ys, 1, cell);
        for threads in [0, 2, 3, 50] {
            assert_eq!(PhaseDiagram::compute(&xs, &ys, threads, cell), one);
        }
        assert_eq!(one.cell(2, 1), &Ok(23.0));
        assert_eq!(one.first_error(), Some((2.0, 20.0, &40.0)));
        let order: Vec<_> = one.cells().map(|(x, y, _)| (x, y)).collect();
        assert_eq!(order[..4], [(1.0, 10.0), (2.0, 10.0), (3.0, 10.0), (1.0, 20.0)]);
    }

    #[test]
    fn contours_are_where_a_value_is_crossed_first() {
        let xs = [0.0, 1.0, 2.0, 3.0];
        let cell = |x: f64, y: f64| if y > 2.5 && x < 2.0 { Err(()) } else { Ok((x - y).powi(2)) };
        let diagram = PhaseDiagram::compute(&xs, &[0.0, 1.5, 9.0, 2.6], 1, cell);
        // Squares 0, 1, 4, 9; then 2.25, 0.25, ..; then 81 down to 36; then two cells that failed, 0.36, 0.16.
        let found = diagram.contour(2.0, |v| *v);
        let expected = [Some(1.0 + 1.0 / 3.0), Some(0.125), None, None];
        for (found, expected) in found.iter().zip(expected) {
            match (found, expected) {
                (Some(a), Some(b)) => assert!((a - b).abs() < 1e-12, "{a} {b}"),
                (a, b) => assert_eq!(*a, b),
            }
        }
        assert_eq!(diagram.contour(0.2, |v| *v)[3], Some(2.8));
    }

    #[test]
    fn a_diagram_without_cells_is_empty() {
        let empty = PhaseDiagram::compute(&[], &[1.0], 4, |_, _| Ok::<f64, ()>(0.0));
        assert_eq!((empty.cells().count(), empty.first_error()), (0, None));
    }

    #[test]
    #[should_panic(expected = "cell of one and two")]
    fn a_panic_in_a_cell_reaches_the_caller() {
        let _ = PhaseDiagram::compute(&[0.0, 1.0], &[2.0], 2, |x, _| {
            assert!(x < 1.0, "cell of one and two");
            Ok::<_, ()>(x)
        });
    }
}
