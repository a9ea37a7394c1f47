//! Exact minimiser of total variation along a line plus a square.

/// Working memory of [`minimise`]: the kinks of a message, in a list that grows at both ends, and a band for each point.
pub(super) struct Workspace<'a> {
    place: &'a mut [f64],
    slope: &'a mut [f64],
    level: &'a mut [f64],
    low: &'a mut [f64],
    high: &'a mut [f64],
}

impl<'a> Workspace<'a> {
    /// Values of memory for `n` points.
    pub(super) fn len(n: usize) -> usize {
        8 * n
    }

    pub(super) fn new(memory: &'a mut [f64], n: usize) -> Self {
        let (place, rest) = memory.split_at_mut(2 * n);
        let (slope, rest) = rest.split_at_mut(2 * n);
        let (level, rest) = rest.split_at_mut(2 * n);
        let (low, rest) = rest.split_at_mut(n);
        Self { place, slope, level, low, high: &mut rest[..n] }
    }
}

/// A straight line `slope x + level`.
#[derive(Clone, Copy)]
struct Line {
    slope: f64,
    level: f64,
}

impl Line {
    fn at(self, x: f64) -> f64 {
        self.slope * x + self.level
    }

    fn meets(self, value: f64) -> f64 {
        (value - self.level) / self.slope
    }
}

/// Replaces `x` by the minimiser of `|x - y|^2 / 2 + weight sum |x_{i+1} - x_i|`, `y` being its former content.
///
/// Dynamic programming. The least cost of points `1..i` as a function of `x_i` is convex, its derivative increasing and
/// made of straight pieces. Minimising over `x_i` with the cost of a step to `x_{i+1}` cuts the derivative off at
/// `-weight` and `weight`, at the ends of a band: backwards, `x_i` is `x_{i+1}` moved into the band. Each point adds two
/// kinks, and each kink is removed at most once: `O(n)`. Slopes are whole numbers, so only sums of `y` round.
pub(super) fn minimise(x: &mut [f64], weight: f64, workspace: &mut Workspace<'_>) {
    let n = x.len();
    if n < 2 || weight == 0.0 {
        return;
    }
    // The kinks are `start..end`, the first and the last straight piece lie beyond them.
    let (mut start, mut end) = (n, n);
    let mut first = Line { slope: 1.0, level: -x[0] };
    let mut last = first;
    for i in 0..n - 1 {
        while start < end && first.at(workspace.place[start]) <= -weight {
            first.slope += workspace.slope[start];
            first.level += workspace.level[start];
            start += 1;
        }
        // With no kink left the last piece is the first.
        if start == end {
            last = first;
        }
        while start < end && last.at(workspace.place[end - 1]) >= weight {
            end -= 1;
            last.slope -= workspace.slope[end];
            last.level -= workspace.level[end];
        }
        if start == end {
            first = last;
        }
        let low = first.meets(-weight);
        // Rounding must not turn the band round.
        let high = last.meets(weight).max(low);
        start -= 1;
        workspace.place[start] = low;
        workspace.slope[start] = first.slope;
        workspace.level[start] = first.level + weight;
        workspace.place[end] = high;
        workspace.slope[end] = -last.slope;
        workspace.level[end] = weight - last.level;
        end += 1;
        (workspace.low[i], workspace.high[i]) = (low, high);
        first = Line { slope: 1.0, level: -weight - x[i + 1] };
        last = Line { slope: 1.0, level: weight - x[i + 1] };
    }
    while start < end && first.at(workspace.place[start]) < 0.0 {
        first.slope += workspace.slope[start];
        first.level += workspace.level[start];
        start += 1;
    }
    x[n - 1] = first.meets(0.0);
    for i in (0..n - 1).rev() {
        x[i] = x[i + 1].max(workspace.low[i]).min(workspace.high[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn solve(y: &[f64], weight: f64) -> Vec<f64> {
        let mut memory = vec![f64::NAN; Workspace::len(y.len())];
        let mut x = y.to_vec();
        minimise(&mut x, weight, &mut Workspace::new(&mut memory, y.len()));
        x
    }

    /// The dual certificate: sums of `y - x` stay within the weight, and are at it, with the right sign, at each step.
    #[track_caller]
    fn certify(y: &[f64], weight: f64) {
        let x = solve(y, weight);
        let size = y.iter().map(|v| v.abs()).sum::<f64>() + weight;
        let tolerance = 64.0 * f64::EPSILON * size;
        let mut sum = 0.0;
        for i in 0..y.len() {
            sum += y[i] - x[i];
            if i + 1 == y.len() {
                assert!(sum.abs() <= tolerance, "{y:?} {weight} {x:?} {sum:e}");
                continue;
            }
            assert!(sum.abs() <= weight + tolerance, "{y:?} {weight} {x:?} {i} {sum}");
            let step = x[i + 1] - x[i];
            if step != 0.0 {
                let expected = -weight.copysign(step);
                assert!((sum - expected).abs() <= tolerance, "{y:?} {weight} {x:?} {i} {sum}");
            }
        }
    }

    proptest! {
        #[test]
        fn solutions_carry_their_certificate(
            y in prop::collection::vec(-3.0..3.0f64, 1..60),
            weight in 0.0..4.0f64,
        ) {
            certify(&y, weight);
        }
    }

    #[test]
    fn ties_ramps_and_extreme_weights_carry_theirs() {
        certify(&[1.0; 9], 0.7);
        certify(&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 0.5);
        let ramp: Vec<f64> = (0..50).map(f64::from).collect();
        for weight in [1e-9, 0.5, 1.0, 1.5, 300.0, 1e9] {
            certify(&ramp, weight);
        }
    }

    #[test]
    fn a_large_weight_leaves_the_mean_and_none_the_data() {
        assert_eq!(solve(&[1.0, 2.0, 6.0], 100.0), [3.0; 3].to_vec());
        assert_eq!(solve(&[1.0, 2.0, 6.0], 0.0), [1.0, 2.0, 6.0].to_vec());
        assert_eq!(solve(&[4.0], 1.0), [4.0].to_vec());
    }
}
