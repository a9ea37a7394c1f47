//! How far an average over low-discrepancy points may be off: the difference between two independent halves of them.

use fg_core::message::small;

/// Differences of the covariances that both halves of the points give, summed over the rows that share these points.
///
/// Rows that share points share their error as far as they are alike; rows of different points don't. So the error of the
/// average is found from the sums of each group, squared and added.
#[derive(Debug)]
pub(crate) struct Replicates<'a> {
    /// One sum a group, `groups x (d x d)`.
    sums: &'a mut [f64],
    product: &'a mut [f64],
}

impl<'a> Replicates<'a> {
    /// Values of memory for rows of `d` columns that take turns at `groups` sets of points.
    pub(crate) fn len(groups: usize, d: usize) -> usize {
        (groups + 2) * d * d
    }

    pub(crate) fn new(groups: usize, d: usize, memory: &'a mut [f64]) -> Self {
        let (sums, product) = memory.split_at_mut(groups * d * d);
        sums.fill(0.0);
        Self { sums, product }
    }

    /// Takes down the difference (`d x d`) of a row with the points of `group`.
    pub(crate) fn add(&mut self, group: usize, difference: &[f64]) {
        let sum = &mut self.sums[group * difference.len()..(group + 1) * difference.len()];
        sum.iter_mut().zip(difference).for_each(|(s, d)| *s += d);
    }

    /// Standard error of the average over the rows of `covariances`, relative to that average, both whitened by the
    /// cavity's precision.
    ///
    /// The mean of two independent numbers is off by half their difference, root mean square.
    pub(crate) fn relative_error(&mut self, precision: &[f64], covariances: &[f64]) -> f64 {
        let size = precision.len();
        let (product, total) = self.product.split_at_mut(size);
        let squares: f64 =
            self.sums.chunks_exact(size).map(|s| whitened_square(s, precision, product)).sum();
        total.fill(0.0);
        for covariance in covariances.chunks_exact(size) {
            total.iter_mut().zip(covariance).for_each(|(t, c)| *t += c);
        }
        let whole = whitened_square(total, precision, product);
        if squares > 0.0 && whole > 0.0 { 0.5 * (squares / whole).sqrt() } else { 0.0 }
    }
}

/// Squared Frobenius norm of `L' X L` for a symmetric `X` and `L L' = precision`: the trace of `(precision X)^2`.
pub(crate) fn whitened_square(x: &[f64], precision: &[f64], product: &mut [f64]) -> f64 {
    let d = precision.len().isqrt();
    small::multiply(precision, x, product, d);
    (0..d * d).map(|k| product[k] * product[k % d * d + k / d]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_group_add_up_and_those_of_groups_average_out() {
        // Whitened, a difference of 0.2 in one entry and an average of the identity in two columns.
        let precision = [4.0, 0.0, 0.0, 1.0];
        let covariances = [0.25, 0.0, 0.0, 1.0].repeat(4);
        let difference = [0.05, 0.0, 0.0, 0.0];
        let error = |groups: [usize; 4]| {
            let mut memory = vec![f64::NAN; Replicates::len(4, 2)];
            let mut replicates = Replicates::new(4, 2, &mut memory);
            groups.into_iter().for_each(|group| replicates.add(group, &difference));
            replicates.relative_error(&precision, &covariances)
        };
        let row = 0.5 * 0.2 / 2f64.sqrt();
        assert!((error([0; 4]) - row).abs() < 1e-15, "{}", error([0; 4]));
        assert!((error([0, 1, 2, 3]) - row / 2.0).abs() < 1e-15, "{}", error([0, 1, 2, 3]));
    }
}
