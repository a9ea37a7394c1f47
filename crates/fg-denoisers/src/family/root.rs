//! The root of a rising function within a bracket: Newton's steps, and bisections where they leave it.

/// Goes on from `x` until a step is `close` or there have been so many; `at` gives value and slope.
///
/// The bracket shrinks with every value, so that a function whose slope misleads is still halved.
pub(crate) fn rising(
    mut x: f64,
    (mut low, mut high): (f64, f64),
    steps: usize,
    mut at: impl FnMut(f64) -> (f64, f64),
    close: impl Fn(f64, f64) -> bool,
) -> f64 {
    for _ in 0..steps {
        let (value, slope) = at(x);
        if value > 0.0 {
            high = x;
        } else {
            low = x;
        }
        let newton = x - value / slope;
        let next = if low < newton && newton < high { newton } else { 0.5 * (low + high) };
        let step = (next - x).abs();
        x = next;
        if close(step, x) {
            break;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misleading_slopes_are_halved() {
        let close = |step: f64, x: f64| step <= f64::EPSILON * x.abs();
        let cube = |slope: fn(f64) -> f64| {
            rising(1.9, (0.0, 2.0), 200, |x| (x * x * x - 2.0, slope(x)), close)
        };
        for slope in [(|x| 3.0 * x * x) as fn(f64) -> f64, |_| 0.0, |_| -1.0] {
            assert!((cube(slope) - 2f64.cbrt()).abs() < 1e-15, "{}", cube(slope));
        }
    }
}
