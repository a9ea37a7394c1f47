//! Whether two linear factors that meet at a variable share a singular basis, which state evolution takes for independent.

use super::error::Warning;
use super::truth::{Anatomy, anatomy};
use crate::graph::Graph;
use crate::operator::LinearOperator;
use crate::special::hash::sign;

/// Probes, vectors of signs: a Gram matrix that is almost all in one direction is then seen by some.
const PROBES: u64 = 8;
/// Seed of the probes: warnings are the same in every call.
const SEED: u64 = 1;
/// The square of a commutator, as a share of what independent bases give on average, below which a basis counts as shared. It
/// is at rounding where the basis is the same, and 1e-3 where a matrix differs from the other by 3 percent. Independent bases
/// give 1/2 and more, but for two Gram matrices that are almost all in one direction each: these two directions are as good as
/// orthogonal, so that hardly anything is left to commute, in one of forty cases.
const SHARED: f64 = 1e-3;
/// The variance of the eigenvalues of a Gram matrix, as a share of the square of their mean, below which it is a multiple of
/// the identity: it has any basis, and predictions move by less than they are integrated to.
const FLAT: f64 = 1e-6;

/// The pairs of linear factors that meet at a variable and share a basis there.
///
/// Of the Gram matrices `G` and `H` about the variable, `A'A` for its input and `A A'` for its output, without their means,
/// the commutator is applied to probes `v`. For independent bases
///
/// ```text
/// E |(G H - H G) v|^2 / n = 2 tr(G^2) / n tr(H^2) / n,        E |G v|^2 = tr(G^2)
/// ```
///
/// as the alternating trace of free variables of mean zero vanishes; for a common basis it is zero. Operators that are no more
/// than a law have no basis.
pub(super) fn shared_bases(graph: &Graph) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for node in graph.variable_nodes() {
        let size = node.layout.rows() * node.layout.columns();
        let grams: Vec<Gram<'_>> =
            node.edges.iter().filter_map(|&e| Gram::at(graph, e, size)).collect();
        for (k, first) in grams.iter().enumerate() {
            for second in grams[k + 1..].iter().filter(|g| g.factor != first.factor) {
                if commute(first, second, size) {
                    let name = |gram: &Gram<'_>| graph.factor_nodes()[gram.factor].name.clone();
                    warnings.push(Warning::SharedBasis {
                        variable: node.name.clone(),
                        factors: [name(first), name(second)],
                    });
                }
            }
        }
    }
    warnings
}

/// The Gram matrix of a linear factor about one of its variables.
struct Gram<'g> {
    factor: usize,
    operator: &'g dyn LinearOperator,
    /// Whether the variable is the factor's input.
    input: bool,
    /// Columns that the operator is applied to: one where it is one on entries.
    columns: usize,
    /// Entries of the factor's other variable.
    other: usize,
}

impl<'g> Gram<'g> {
    /// That of an edge, where its factor is linear and has a matrix.
    fn at(graph: &'g Graph, edge: usize, size: usize) -> Option<Self> {
        let edge = graph.edges()[edge];
        let linear = match anatomy(graph, edge.factor)? {
            Anatomy::Linear(linear) | Anatomy::Entries(linear) => linear,
            _ => return None,
        };
        let operator = linear.operator();
        if !operator.is_realised() {
            return None;
        }
        let input = edge.port == 0;
        let (own, other) = if input {
            (operator.inputs(), operator.outputs())
        } else {
            (operator.outputs(), operator.inputs())
        };
        let columns = size / own;
        Some(Self { factor: edge.factor, operator, input, columns, other: other * columns })
    }

    fn apply(&self, v: &[f64]) -> Vec<f64> {
        let (mut between, mut out) = (vec![0.0; self.other], vec![0.0; v.len()]);
        if self.input {
            self.operator.apply(v, &mut between, self.columns);
            self.operator.apply_adjoint(&between, &mut out, self.columns);
        } else {
            self.operator.apply_adjoint(v, &mut between, self.columns);
            self.operator.apply(&between, &mut out, self.columns);
        }
        out
    }

    /// `v` times the matrix less its mean eigenvalue, as far as `v` tells it, and that.
    fn centred(&self, v: &[f64]) -> (Vec<f64>, f64) {
        let mut product = self.apply(v);
        let mean = product.iter().zip(v).map(|(g, v)| g * v).sum::<f64>() / v.len() as f64;
        product.iter_mut().zip(v).for_each(|(g, v)| *g -= mean * v);
        (product, mean)
    }
}

/// Whether two Gram matrices about `size` entries share a basis, and neither is a multiple of the identity.
fn commute(first: &Gram<'_>, second: &Gram<'_>, size: usize) -> bool {
    let square = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>() / size as f64;
    let (mut commutator, mut squares, mut means) = (0.0, [0.0; 2], [0.0; 2]);
    for probe in 0..PROBES {
        let v: Vec<f64> = (0..size).map(|i| sign(SEED, probe, i)).collect();
        let (g, a) = first.centred(&v);
        let (h, b) = second.centred(&v);
        // (G - a) (H - b) v - (H - b) (G - a) v.
        let (mut difference, other) = (first.apply(&h), second.apply(&g));
        for i in 0..size {
            difference[i] += b * g[i] - a * h[i] - other[i];
        }
        commutator += square(&difference);
        squares[0] += square(&g);
        squares[1] += square(&h);
        means[0] += a * a;
        means[1] += b * b;
    }
    let flat = (0..2).any(|k| !(squares[k] > FLAT * means[k]));
    let probes = PROBES as f64;
    !flat && commutator / probes < SHARED * 2.0 * (squares[0] / probes) * (squares[1] / probes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolution::Spectrum;
    use crate::graph::GraphBuilder;
    use crate::message::{ColumnForm, Structure};
    use crate::operator::{Cosine, Dense, Ensemble, Permutation, Spectral};
    use crate::rows::Rows;
    use crate::special::{hash::fraction, quantile};

    /// Independent normal entries.
    fn gaussian(m: usize, n: usize, seed: u64) -> Dense {
        let entry = |i: usize, j: usize| quantile(fraction(seed, i as u64, j));
        Dense::from_rows(&Rows::from_fn(m, n, entry)).unwrap()
    }

    /// What is said of two operators on the rows of a variable of `d` columns.
    fn of_two(
        d: usize,
        first: impl LinearOperator + 'static,
        second: impl LinearOperator + 'static,
    ) -> Vec<Warning> {
        let mut builder = GraphBuilder::new();
        let x = builder.variable("x", first.inputs(), d);
        let y = builder.variable("y", first.outputs(), d);
        let z = builder.variable("z", second.outputs(), d);
        builder.linear("A", x, y, first);
        builder.linear("B", x, z, second);
        shared_bases(&builder.build().unwrap())
    }

    fn named() -> Vec<Warning> {
        let factors = ["A".to_owned(), "B".to_owned()];
        vec![Warning::SharedBasis { variable: "x".to_owned(), factors }]
    }

    #[test]
    fn a_matrix_used_twice_is_found() {
        let a = gaussian(30, 50, 1);
        assert_eq!(of_two(1, a.clone(), a.clone()), named());
        assert_eq!(of_two(3, a.clone(), a), named());
    }

    #[test]
    fn rows_of_the_same_transform_share_its_basis() {
        let rows = |from: usize| {
            let rows: Vec<usize> = (from..from + 20).collect();
            Spectral::rows_of(Cosine::new(64).unwrap(), &rows).unwrap()
        };
        assert_eq!(of_two(1, rows(0), rows(31)), named());
        // All of them: a multiple of the identity, which has any basis.
        let all: Vec<usize> = (0..64).collect();
        let whole = Spectral::rows_of(Cosine::new(64).unwrap(), &all).unwrap();
        assert_eq!(of_two(1, rows(0), whole), []);
        // Behind a permutation the basis is another one.
        let order: Vec<usize> = (0..64).map(|i| (i * 37 + 11) % 64).collect();
        let chain = crate::operator::Chain::new(Permutation::new(order).unwrap());
        let turned = chain.then(Cosine::new(64).unwrap()).unwrap();
        let shuffled = Spectral::rows_of(turned, &(0..20).collect::<Vec<_>>()).unwrap();
        assert_eq!(of_two(1, rows(0), shuffled), []);
    }

    #[test]
    fn an_output_that_is_an_input_is_looked_at_from_its_side() {
        // B takes the output of A back by the transposed matrix: A A' and A A' about what is between.
        let a = gaussian(40, 40, 2);
        let transposed = |m: &Dense| {
            let mut columns = Rows::zeros(40, 40);
            let mut unit = vec![0.0; 40];
            for j in 0..40 {
                unit[j] = 1.0;
                m.apply(&unit, columns.row_mut(j), 1);
                unit[j] = 0.0;
            }
            Dense::from_rows(&columns).unwrap()
        };
        for (second, expected) in [(transposed(&a), 1), (a.clone(), 0)] {
            let mut builder = GraphBuilder::new();
            let [x, y, z] = ["x", "y", "z"].map(|name| builder.variable(name, 40, 1));
            builder.linear("A", x, y, a.clone());
            builder.linear("B", y, z, second);
            assert_eq!(shared_bases(&builder.build().unwrap()).len(), expected);
        }
    }

    #[test]
    fn operators_on_entries_are_compared_with_those_on_rows() {
        let a = gaussian(10, 20, 3);
        let twice = |i: usize, j: usize| {
            if i % 2 == j % 2 { a.dense().unwrap()[(i / 2, j / 2)] } else { 0.0 }
        };
        let entries = Dense::from_rows(&Rows::from_fn(20, 40, twice)).unwrap();
        for (operator, expected) in [(entries, 1), (gaussian(20, 40, 4), 0)] {
            let mut builder = GraphBuilder::new();
            let x = builder.variable("x", 20, 2);
            let [y, z] = ["y", "z"].map(|name| builder.variable(name, 10, 2));
            for v in [x, y, z] {
                builder.structure(v, Structure::shared().with_columns(ColumnForm::Isotropic));
            }
            builder.linear("A", x, y, a.clone());
            builder.linear_entries("B", x, z, operator);
            assert_eq!(shared_bases(&builder.build().unwrap()).len(), expected);
        }
    }

    #[test]
    fn laws_have_no_basis() {
        let law = || Ensemble::new(50, Spectrum::marchenko_pastur(0.5).unwrap());
        assert_eq!(of_two(1, law(), law()), []);
        assert_eq!(of_two(1, law(), gaussian(30, 50, 1)), []);
    }

    /// As many rows and columns, with singular values over five decades.
    fn over_decades(m: usize, n: usize, seed: u64) -> Dense {
        let a = gaussian(m, n, seed);
        let entry = |i: usize, j: usize| {
            10.0_f64.powf(-5.0 * i as f64 / m as f64) * a.dense().unwrap()[(i, j)]
        };
        Dense::from_rows(&Rows::from_fn(m, n, entry)).unwrap()
    }

    #[test]
    fn independent_operators_raise_no_alarm() {
        for seed in 0..20 {
            let seeds = [2 * seed, 2 * seed + 1];
            for (m, n) in [(10, 100), (50, 100), (100, 100), (400, 100)] {
                let [a, b] = seeds.map(|seed| gaussian(m, n, seed));
                let [c, d] = seeds.map(|seed| over_decades(m.max(50), n, seed));
                assert_eq!(of_two(1, a.clone(), b), [], "{m} of {n}");
                assert_eq!(of_two(1, c.clone(), d), [], "{m} of {n} over decades");
                assert_eq!(of_two(1, c, a.clone()), [], "{m} of {n}, one over decades");
                assert_eq!(of_two(1, a, over_decades(10, n, seeds[1])), [], "{m}, one of few");
            }
        }
    }

    /// Two Gram matrices of which nine tenths are in one direction each: see the constant.
    #[test]
    fn few_directions_raise_few_alarms() {
        let pairs = 400;
        let alarm = |seed: &u64| {
            let [a, b] = [2 * seed, 2 * seed + 1].map(|seed| over_decades(10, 100, seed));
            !of_two(1, a, b).is_empty()
        };
        let alarms = (0..pairs).filter(alarm).count();
        assert!(alarms <= 10, "{alarms} of {pairs}");
    }
}
