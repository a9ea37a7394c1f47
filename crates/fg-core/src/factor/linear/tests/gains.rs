//! The message sent to the side that knows far more than the other keeps its digits.

use super::{ColumnForm, Numbers, Solver, beliefs, distance, factor, shared};
use crate::message::small;
use crate::{Message, Precision, Rows, Structure};

/// What `N` and `Gamma` of a message keep when it adds `1e-12` of what is known.
const ACCURACY: f64 = 1e-8;

/// `A = H_u diag(s) H_v` by two reflections: its singular vectors are exact without any decomposition.
struct Reflected {
    singular: Vec<f64>,
    u: Rows,
    v: Rows,
}

impl Reflected {
    fn new(m: usize, n: usize, numbers: &mut Numbers) -> Self {
        let singular = (0..m.min(n)).map(|_| 1.25 + 0.75 * numbers.next()).collect();
        Self { singular, u: numbers.rows(m, 1), v: numbers.rows(n, 1) }
    }

    fn matrix(&self) -> Rows {
        let (m, n) = (self.u.rows(), self.v.rows());
        let diagonal = Rows::from_fn(m, n, |i, j| if i == j { self.singular[i] } else { 0.0 });
        let left = reflect(&self.u, &diagonal);
        let transposed = Rows::from_fn(n, m, |i, j| left[(j, i)]);
        let both = reflect(&self.v, &transposed);
        Rows::from_fn(m, n, |i, j| both[(j, i)])
    }
}

/// `(I - 2 h h' / h'h) x`.
fn reflect(h: &Rows, x: &Rows) -> Rows {
    let square = h.norm_squared();
    Rows::from_fn(x.rows(), x.columns(), |i, c| {
        let dot: f64 = (0..x.rows()).map(|k| h[(k, 0)] * x[(k, c)]).sum();
        x[(i, c)] - 2.0 * h[(i, 0)] * dot / square
    })
}

fn inverse(matrix: &[f64], d: usize) -> Vec<f64> {
    let mut out = vec![0.0; d * d];
    small::invert_positive(matrix, &mut out, &mut vec![0.0; 2 * d * d], d).unwrap();
    out
}

fn product(a: &[f64], b: &[f64], d: usize) -> Vec<f64> {
    let mut out = vec![0.0; d * d];
    small::multiply(a, b, &mut out, d);
    out
}

/// `(N, Gamma)` gained at one port, row by row in the singular basis and without subtraction: with
/// `P = Gx + s^2 Gz`, `I - C Gx = mean(s^2 P^-1 Gz)` and `x Gx - nx = s (nz P^-1 Gx - s nx P^-1 Gz)` for X;
/// `I - C Gz = mean(P^-1 Gx)` and `z Gz - nz = -(nz P^-1 Gx - s nx P^-1 Gz)` for Z.
fn expected(a: &Reflected, messages: [&Message; 2], port: usize) -> (Rows, Vec<f64>) {
    let d = messages[0].layout().columns();
    let (gx, gz) = (messages[0].precision().block(0), messages[1].precision().block(0));
    let rotated = [reflect(&a.v, messages[0].natural()), reflect(&a.u, messages[1].natural())];
    let rows = messages[port].layout().rows();
    let (mut covariance, mut gained) = (vec![0.0; d * d], vec![0.0; d * d]);
    let (mut mean, mut residual) = (Rows::zeros(rows, d), Rows::zeros(rows, d));
    let zeros = vec![0.0; d];
    for k in 0..rows {
        let s = a.singular.get(k).copied().unwrap_or(0.0);
        let p: Vec<f64> = (0..d * d).map(|e| gx[e] + s * s * gz[e]).collect();
        let p = inverse(&p, d);
        let (px, pz) = (product(&p, gx, d), product(&p, gz, d));
        let nx = if k < rotated[0].rows() { rotated[0].row(k) } else { &zeros };
        let nz = if k < rotated[1].rows() { rotated[1].row(k) } else { &zeros };
        let (weight, share) = if port == 0 { (1.0, &pz) } else { (s * s, &px) };
        let beyond = port == 1 && k >= rotated[0].rows();
        for e in 0..d * d {
            covariance[e] += weight * p[e] / rows as f64;
            let own = if port == 0 { s * s * share[e] } else { share[e] };
            let identity = f64::from(u8::from(e / d == e % d));
            gained[e] += if beyond { identity } else { own } / rows as f64;
        }
        for c in 0..d {
            let dot = |x: &[f64], m: &[f64]| -> f64 { (0..d).map(|e| x[e] * m[e * d + c]).sum() };
            let misfit = if beyond { nz[c] } else { dot(nz, &px) - s * dot(nx, &pz) };
            let x = dot(nx, &p) + s * dot(nz, &p);
            (mean[(k, c)], residual[(k, c)]) =
                if port == 0 { (x, s * misfit) } else { (s * x, -misfit) };
        }
    }
    let precision = product(&inverse(&covariance, d), &gained, d);
    let basis = if port == 0 { &a.v } else { &a.u };
    let (mean, residual) = (reflect(basis, &mean), reflect(basis, &residual));
    let natural = Rows::from_fn(rows, d, |i, c| {
        residual[(i, c)] + (0..d).map(|e| mean[(i, e)] * precision[e * d + c]).sum::<f64>()
    });
    (natural, precision)
}

#[test]
fn both_directions_all_decompositions() {
    for (seed, (m, n)) in [(5, 9), (9, 5), (6, 6), (1, 3), (4, 1)].into_iter().enumerate() {
        for d in 1..4 {
            for form in [ColumnForm::Isotropic, ColumnForm::Diagonal, ColumnForm::Full] {
                for exponent in [-12, -6, 0, 6, 12] {
                    let mut numbers = Numbers::new(seed as u64);
                    let a = Reflected::new(m, n, &mut numbers);
                    let x = numbers.message(&shared(form, n, d), 1.0);
                    let z = numbers.message(&shared(form, m, d), 10f64.powi(exponent));
                    for solver in [Solver::Svd, Solver::Gram] {
                        let factor = factor(&a.matrix(), solver);
                        for wanted in [[true, true], [true, false], [false, true]] {
                            let found = beliefs(&factor, [&x, &z], wanted).unwrap();
                            for port in (0..2).filter(|&p| wanted[p]) {
                                let gain = found[port].gain().unwrap();
                                let (natural, precision) = expected(&a, [&x, &z], port);
                                let errors = [
                                    distance(gain.natural.as_slice(), natural.as_slice()),
                                    distance(&gain.precision, &precision),
                                ];
                                assert!(
                                    errors.iter().all(|&e| e < ACCURACY),
                                    "{m} x {n}, d {d}, {form:?}, 1e{exponent}, {solver:?}, port {port}: \
                                     {errors:?}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn scales_twenty_four_decades_apart_are_legal() {
    let mut numbers = Numbers::new(9);
    for (m, n) in [(3, 5), (5, 3), (4, 4)] {
        let a = Reflected::new(m, n, &mut numbers);
        for (ex, ez) in [(-12, 12), (12, -12)] {
            let precision = |rows, exponent: i32| {
                let layout = shared(ColumnForm::Diagonal, rows, 2);
                let scale = 10f64.powi(exponent);
                Precision::from_matrix(layout, &[scale, 0.0, 0.0, 2.0 * scale]).unwrap()
            };
            let x = Message::from_mean(&numbers.rows(n, 2), precision(n, ex)).unwrap();
            let z = Message::from_mean(&numbers.rows(m, 2), precision(m, ez)).unwrap();
            let found = beliefs(&factor(&a.matrix(), Solver::Auto), [&x, &z], [true; 2]).unwrap();
            for port in 0..2 {
                let gain = found[port].gain().unwrap();
                let (natural, precision) = expected(&a, [&x, &z], port);
                assert!(distance(gain.natural.as_slice(), natural.as_slice()) < ACCURACY);
                assert!(distance(&gain.precision, &precision) < ACCURACY);
            }
        }
    }
}

/// `N` and `Gamma` gained row by row at Z where every row has a precision of its own, for columns that share one: with
/// `B = diag(sqrt gz) A diag(1 / sqrt gx)` all precisions are one, and `I - C Gz` is the diagonal of `U diag(1 / (1 + s^2)) U'`.
#[test]
fn rows_of_their_own_keep_the_digits_at_both_ports() {
    for (seed, (m, n)) in [(4, 7), (5, 5), (6, 3)].into_iter().enumerate() {
        for exponent in [-12, -6, 0, 6, 12] {
            for (structure, columns) in [(Structure::per_row(), 1), (Structure::per_row(), 2)] {
                let mut numbers = Numbers::new(20 + seed as u64);
                let b = Reflected::new(m, n, &mut numbers);
                let weak = 10f64.powi(-exponent);
                let levels = |count: usize, scale: f64, numbers: &mut Numbers| -> Vec<f64> {
                    (0..count).map(|_| scale * (1.5 + numbers.next())).collect()
                };
                let (gx, gz) = (levels(n, weak, &mut numbers), levels(m, 1.0, &mut numbers));
                // B in place of A: its precisions are `weak` and one, so that the round matrix is of size one.
                let plain = b.matrix();
                let matrix = Rows::from_fn(m, n, |i, j| {
                    plain[(i, j)] * (gx[j] / weak).sqrt() / gz[i].sqrt()
                });
                let layout = |rows: usize| {
                    structure
                        .clone()
                        .with_columns(ColumnForm::Isotropic)
                        .layout(rows, columns)
                        .unwrap()
                };
                let message = |rows: usize, levels: &[f64], numbers: &mut Numbers| {
                    let mut precision = Precision::zero(layout(rows));
                    for (i, g) in levels.iter().enumerate() {
                        let block: Vec<f64> = (0..columns * columns)
                            .map(|e| if e / columns == e % columns { *g } else { 0.0 })
                            .collect();
                        precision.set_block(i, &block).unwrap();
                    }
                    Message::from_mean(&numbers.rows(rows, columns), precision).unwrap()
                };
                let (x, z) = (message(n, &gx, &mut numbers), message(m, &gz, &mut numbers));
                let round = |message: &Message, levels: &[f64], unit: f64| {
                    let rows = message.layout().rows();
                    let layout = shared(ColumnForm::Isotropic, rows, columns);
                    let identity: Vec<f64> = (0..columns * columns)
                        .map(|e| if e / columns == e % columns { unit } else { 0.0 })
                        .collect();
                    let natural = Rows::from_fn(rows, columns, |i, c| {
                        message.natural()[(i, c)] / (levels[i] / unit).sqrt()
                    });
                    let precision = Precision::from_matrix(layout, &identity).unwrap();
                    Message::new(natural, precision).unwrap()
                };
                let (rx, rz) = (round(&x, &gx, weak), round(&z, &gz, 1.0));
                let found = beliefs(&factor(&matrix, Solver::Auto), [&x, &z], [true; 2]).unwrap();
                // Where Z is the stronger by far the normal equations have lost the digits that X keeps of its own.
                let ports = [(0, &gx, weak), (1, &gz, 1.0)];
                for (port, levels, unit) in ports.into_iter().skip(usize::from(exponent > 6)) {
                    let (natural, precision) = rowwise(&b, [&rx, &rz], port);
                    let natural = Rows::from_fn(levels.len(), columns, |i, c| {
                        natural[(i, c)] * (levels[i] / unit).sqrt()
                    });
                    let rows: Vec<f64> =
                        (0..levels.len()).map(|i| precision[i] * levels[i] / unit).collect();
                    let own = [&x, &z][port];
                    let (gained, scalars) = match found[port].gain() {
                        Some(gain) => (gain.natural.clone(), gain.precision.clone()),
                        None => difference(&found[port], own),
                    };
                    let scalars: Vec<f64> =
                        scalars.chunks(columns * columns).map(|block| block[0]).collect();
                    let errors = [
                        distance(gained.as_slice(), natural.as_slice()),
                        distance(&scalars, &rows),
                    ];
                    assert!(
                        errors.iter().all(|&e| e < ACCURACY),
                        "{m} x {n}, {columns} columns, 1e{exponent}, port {port}: {errors:?}"
                    );
                }
            }
        }
    }
}

/// What the engine makes of a belief without a gain.
fn difference(belief: &crate::factor::Belief, own: &Message) -> (Rows, Vec<f64>) {
    let d = own.layout().columns();
    let mut gained = Vec::new();
    let mut natural = Rows::zeros(own.layout().rows(), d);
    for i in 0..own.layout().rows() {
        let lambda = inverse(&belief.covariances()[i * d * d..(i + 1) * d * d], d);
        gained.extend(lambda.iter().zip(own.precision().block(i)).map(|(l, g)| l - g));
        for c in 0..d {
            let total: f64 = (0..d).map(|e| belief.mean()[(i, e)] * lambda[e * d + c]).sum();
            natural[(i, c)] = total - own.natural()[(i, c)];
        }
    }
    (natural, gained)
}

/// As [`expected`] for isotropic precisions, for a gain of its own in every row: `(N, gamma)`.
fn rowwise(a: &Reflected, messages: [&Message; 2], port: usize) -> (Rows, Vec<f64>) {
    let d = messages[0].layout().columns();
    let (gx, gz) = (messages[0].precision().block(0)[0], messages[1].precision().block(0)[0]);
    let rotated = [reflect(&a.v, messages[0].natural()), reflect(&a.u, messages[1].natural())];
    let rows = messages[port].layout().rows();
    let basis = if port == 0 { &a.v } else { &a.u };
    let unit = Rows::from_fn(rows, rows, |i, j| f64::from(u8::from(i == j)));
    let vectors = reflect(basis, &unit);
    let (mut covariance, mut share) = (vec![0.0; rows], vec![0.0; rows]);
    let (mut mean, mut residual) = (Rows::zeros(rows, d), Rows::zeros(rows, d));
    for k in 0..rows {
        let s = a.singular.get(k).copied().unwrap_or(0.0);
        let p = 1.0 / (gx + s * s * gz);
        let beyond = port == 1 && k >= rotated[0].rows();
        let own = if port == 0 {
            (p, s * s * gz * p)
        } else {
            (s * s * p, if beyond { 1.0 } else { gx * p })
        };
        for i in 0..rows {
            covariance[i] += own.0 * vectors[(i, k)].powi(2);
            share[i] += own.1 * vectors[(i, k)].powi(2);
        }
        for c in 0..d {
            let nx = if k < rotated[0].rows() { rotated[0][(k, c)] } else { 0.0 };
            let nz = if k < rotated[1].rows() { rotated[1][(k, c)] } else { 0.0 };
            let misfit = if beyond { nz } else { p * (nz * gx - s * nx * gz) };
            let x = p * (nx + s * nz);
            (mean[(k, c)], residual[(k, c)]) =
                if port == 0 { (x, s * misfit) } else { (s * x, -misfit) };
        }
    }
    let precision: Vec<f64> = share.iter().zip(&covariance).map(|(s, c)| s / c).collect();
    let (mean, residual) = (reflect(basis, &mean), reflect(basis, &residual));
    let natural = Rows::from_fn(rows, d, |i, c| residual[(i, c)] + mean[(i, c)] * precision[i]);
    (natural, precision)
}
