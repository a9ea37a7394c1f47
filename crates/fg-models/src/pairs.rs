//! What is known of the outputs of new inputs before there are any: the joint law of true and estimated ones.

use fg_core::Rows;
use fg_core::evolution::EstimateLaw;
use fg_core::message::small;
use fg_core::special::{cdf, points::GaussianPoints};

use crate::matrices::of_eigenvalues;

/// Points of the law of the outputs `(z0, zhat)` of a new input with independent entries and `E |x|^2 = input_power`, jointly
/// normal with the moments of `(x0, xhat)`: truths and estimates, `points x d`, and as many `uniforms` as asked for.
pub(crate) fn pairs(
    law: &EstimateLaw,
    input_power: f64,
    uniforms: usize,
    points: usize,
) -> (Rows, Rows, Rows) {
    let d = law.columns();
    let size = 2 * d;
    let mut moments = vec![0.0; size * size];
    for j in 0..d {
        for k in 0..d {
            moments[j * size + k] = law.truth()[j * d + k];
            moments[j * size + d + k] = law.overlap()[j * d + k];
            moments[(d + k) * size + j] = law.overlap()[j * d + k];
            moments[(d + j) * size + d + k] = law.estimate()[j * d + k];
        }
    }
    let root = of_eigenvalues(&moments, size, |v| (input_power * v).sqrt());
    let points = GaussianPoints::new(size + uniforms, points, 0);
    let [mut truth, mut mean] = [(); 2].map(|()| Rows::zeros(points.count(), d));
    let (mut normal, mut pair) = (vec![0.0; size], vec![0.0; size]);
    for i in 0..points.count() {
        (0..size).for_each(|k| normal[k] = points.component(k)[i]);
        small::row_times(&normal, &root, &mut pair, size);
        truth.row_mut(i).copy_from_slice(&pair[..d]);
        mean.row_mut(i).copy_from_slice(&pair[d..]);
    }
    let uniform = |i: usize, k: usize| cdf(points.component(size + k)[i]);
    let uniforms = Rows::from_fn(points.count(), uniforms, uniform);
    (truth, mean, uniforms)
}
