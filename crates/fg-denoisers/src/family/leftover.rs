//! Rows that a short formula leaves open, put next to each other for a long one.

use fg_core::denoiser::RowEstimate;

use super::formula::{self, Formula};
use super::parted::{PIECE, apply_at};

/// Rows that are looked at together.
const GLANCE: usize = 32;

/// As [`formula::apply_to`] by the short formula, and by the long one in the rows that it leaves [open](Formula::OPEN): those whose
/// mean or variance isn't finite.
pub(crate) fn apply_then<const K: usize>(
    short: &impl Formula<K>,
    long: &impl Formula<K>,
    input: [&[f64]; K],
    out: &mut RowEstimate<'_>,
) -> bool {
    if formula::apply_to(short, input, out) {
        return true;
    }
    let (mut complete, rows) = (true, out.mean.len());
    let (mut places, mut kept) = ([0; PIECE], [[0.0; PIECE]; K]);
    let mut answers = [[0.0; PIECE]; 2];
    let (mut count, mut start) = (0, 0);
    while start < rows {
        let end = rows.min(start + GLANCE);
        let open = |i: usize, out: &RowEstimate<'_>| {
            !(out.mean[i].is_finite() && out.covariance[i].is_finite())
        };
        if (start..end).fold(false, |any, i| any | open(i, out)) {
            for i in start..end {
                if open(i, out) {
                    places[count] = i;
                    for (kept, input) in kept.iter_mut().zip(input) {
                        kept[count] = input[i];
                    }
                    count += 1;
                }
            }
        }
        start = end;
        if count > PIECE - GLANCE || start == rows {
            complete &= apply_at(long, &kept, &places[..count], &mut answers, out);
            count = 0;
        }
    }
    complete
}

#[cfg(test)]
mod tests {
    use fg_core::special::number::Number;

    use super::*;

    /// Below a bound, or any: the number and its half.
    struct Upto(f64);

    impl Formula<1> for Upto {
        const OPEN: bool = true;

        #[inline(always)]
        fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
            let nothing = n.constant(f64::NAN);
            [n.constant(self.0).if_above(n, n, nothing), n * n.constant(0.5)]
        }
    }

    #[test]
    fn open_rows_are_answered_by_the_long_formula() {
        for rows in [0, 1, 31, 32, 257, 1000] {
            let input: Vec<f64> = (0..rows).map(|i| (i * 7 % 10) as f64).collect();
            for (bounds, complete) in
                [([3.0, 20.0], true), ([0.0, 20.0], true), ([3.0, 8.5], rows < 8)]
            {
                let (mut mean, mut variance) = (vec![7.0; rows], vec![7.0; rows]);
                let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
                let [short, long] = bounds.map(Upto);
                assert_eq!(apply_then(&short, &long, [&input], &mut out), complete, "{rows}");
                for ((n, m), v) in input.iter().zip(&mean).zip(&variance) {
                    let own = if *n < bounds[1] { *n } else { f64::NAN };
                    assert_eq!(
                        [m, v].map(|x| x.to_bits()),
                        [own, 0.5 * n].map(f64::to_bits),
                        "{n}"
                    );
                }
            }
        }
    }
}
