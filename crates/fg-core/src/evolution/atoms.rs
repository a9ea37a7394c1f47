//! Values that a scalar law takes with a probability, and where the map of a law of one uniform passes them.

use crate::denoiser::Law;

/// Draws of the law that find its atoms: values that come twice in a row.
const PROBES: usize = 257;
/// The ends of a piece are looked at where this share of it is left.
const END: f64 = 1e-12;
/// Halvings that leave nothing of an interval but rounding.
const HALVINGS: usize = 60;

/// The atoms of a law of one uniform: values that it takes with a probability of at least `1 / PROBES`.
pub(super) fn atoms(law: &dyn Law) -> Vec<f64> {
    let mut values: Vec<f64> = (0..PROBES)
        .map(|k| {
            let mut row = [0.0];
            law.draw(&[(k as f64 + 0.5) / PROBES as f64], &mut row);
            row[0]
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let mut atoms: Vec<f64> =
        values.windows(2).filter(|w| w[0].to_bits() == w[1].to_bits()).map(|w| w[0]).collect();
    atoms.dedup();
    atoms
}

/// The uniforms, ascending and beside its `jumps`, at which the map of a law of one uniform passes one of `values`. What an
/// estimator has there is the narrower the more precisely it is told, and rules that end there see it at every width.
pub(super) fn passes(law: &dyn Law, jumps: &[f64], values: &[f64]) -> Vec<f64> {
    let draw = |u: f64| {
        let mut row = [0.0];
        law.draw(&[u], &mut row);
        row[0]
    };
    let mut ends = vec![0.0];
    ends.extend(jumps.iter().copied().filter(|j| *j > 0.0 && *j < 1.0));
    ends.push(1.0);
    let mut passed = Vec::new();
    for piece in ends.windows(2) {
        let width = piece[1] - piece[0];
        let inner = [width.mul_add(END, piece[0]), width.mul_add(-END, piece[1])];
        for value in values {
            let above = |u: f64| draw(u) > *value;
            if above(inner[0]) == above(inner[1]) {
                continue;
            }
            let rises = above(inner[1]);
            let [mut low, mut high] = inner;
            for _ in 0..HALVINGS {
                let middle = 0.5 * (low + high);
                if above(middle) == rises { high = middle } else { low = middle }
            }
            passed.push(0.5 * (low + high));
        }
    }
    passed.sort_by(f64::total_cmp);
    passed.dedup();
    passed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::quantile;

    /// Nothing with a probability of one half, otherwise normal.
    #[derive(Debug)]
    struct Sparse;

    impl Law for Sparse {
        fn uniforms(&self, _d: usize) -> usize {
            1
        }

        fn jumps(&self) -> Option<Vec<f64>> {
            Some(vec![0.5])
        }

        fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
            row[0] = if uniforms[0] < 0.5 { 0.0 } else { quantile(2.0 * uniforms[0] - 1.0) };
        }
    }

    #[test]
    fn a_slab_passes_its_spike_in_the_middle() {
        assert_eq!(atoms(&Sparse), [0.0]);
        let passed = passes(&Sparse, &[0.5], &[0.0]);
        assert_eq!(passed.len(), 1);
        assert!((passed[0] - 0.75).abs() < 1e-15, "{passed:?}");
        assert_eq!(passes(&Sparse, &[0.5], &[]), [0.0; 0]);
    }
}
