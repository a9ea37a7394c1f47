//! Two units of any precision, all rows of a call: which are answered alone, and the others a register at a time.

use fg_core::denoiser::{RowCavity, RowEstimate};
use fg_core::factor::Breakdown;
use fg_core::special::number::{Lanes, Number, Pair, align_frame};
use pulp::Simd;

use super::Committee;
use super::decided::SURE;
use super::mixture::Part;
use super::pair::{QUADRANTS, symmetric};
use super::quadrant::Quadrant;
use crate::family::curve::Fault;
use crate::family::lines::LONGEST;

/// A determinant below this share of the product of the diagonal is rounding of zero.
const SINGULAR: f64 = 8.0 * f64::EPSILON;

/// Rows that are answered at once: two registers, of which one doesn't wait for what the other waits for.
const TOGETHER: usize = 2 * LONGEST;

/// One call on a batch of rows.
pub(super) struct Rows<'a, 'b> {
    pub(super) vote: &'a Committee,
    pub(super) observed: &'a [f64],
    pub(super) cavity: &'a RowCavity<'a>,
    /// Moments, where they are asked for.
    pub(super) out: Option<&'a mut RowEstimate<'b>>,
    /// Log-partition functions, where they are asked for.
    pub(super) log_partition: Option<&'a mut [f64]>,
}

/// The precision of a call.
struct Shape<'a> {
    /// `a, b, c`.
    gamma: [f64; 3],
    /// Of each column given the other one.
    deviations: [f64; 2],
    /// Distances of the mean from zero up to which no sign is beyond doubt.
    doubtful: [f64; 2],
    /// The quadrant of equal signs; none where columns are nearer to one line than rules are for.
    quadrant: Option<Quadrant<'a>>,
}

impl<'a> Shape<'a> {
    /// None unless positive definite.
    fn new(vote: &'a Committee, precision: &[f64]) -> Option<Self> {
        let gamma = symmetric(precision);
        let [a, b, c] = gamma;
        let rest = 1.0 - (b / a) * (b / c);
        let deviations = [a.sqrt().recip(), c.sqrt().recip()];
        let quadrant = Quadrant::new(b * deviations[0] * deviations[1], rest, &vote.corners);
        let doubtful = [a, c].map(|own| SURE / (own * rest).sqrt());
        let legal = a > 0.0 && c > 0.0 && rest > SINGULAR;
        legal.then_some(Self { gamma, deviations, doubtful, quadrant })
    }
}

impl pulp::WithSimd for Rows<'_, '_> {
    type Output = Result<(), Breakdown>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Self::Output {
        align_frame();
        let Self { vote, observed, cavity, .. } = self;
        let Some(shape) = Shape::new(vote, cavity.precision()) else {
            return Err(Fault::Improper.breakdown(cavity.first_row()));
        };
        // Ties are other quadrants than votes, which are those for 1 after a change of signs.
        for tie in [false, true] {
            let (mut waiting, mut count) = ([0; TOGETHER], 0);
            for i in 0..=observed.len() {
                if i < observed.len() {
                    if (observed[i] == 0.0) != tie {
                        continue;
                    }
                    let [n, r] = self.row(i);
                    let doubtful = r[0].abs() < shape.doubtful[0] && r[1].abs() < shape.doubtful[1];
                    if !doubtful && let Some(part) = vote.decided(observed[i], n, r, shape.gamma) {
                        self.put(i, &part)?;
                        continue;
                    }
                    if shape.quadrant.is_none() {
                        self.alone(&shape, i)?;
                        continue;
                    }
                    waiting[count] = i;
                    count += 1;
                }
                let full = count == 2 * S::F64_LANES || i == observed.len();
                if let Some(quadrant) = shape.quadrant.filter(|_| full && count > 0) {
                    self.registers(simd, (&shape, &quadrant), &waiting[..count])?;
                    count = 0;
                }
            }
        }
        Ok(())
    }
}

impl Rows<'_, '_> {
    /// Natural parameter and mean.
    fn row(&self, i: usize) -> [[f64; 2]; 2] {
        [self.cavity.natural(), self.cavity.mean()].map(|rows| [rows[2 * i], rows[2 * i + 1]])
    }

    /// Answers a row by panels.
    fn alone(&mut self, shape: &Shape<'_>, i: usize) -> Result<(), Breakdown> {
        let part = self.vote.pair(self.observed[i], self.row(i)[0], shape.gamma);
        let row = self.cavity.first_row() + i;
        self.put(i, &part.map_err(|fault| fault.breakdown(row))?)
    }

    /// Writes down an answer.
    fn put(&mut self, i: usize, part: &Part<f64>) -> Result<(), Breakdown> {
        if !part.is_finite() {
            return Err(Fault::Lost.breakdown(self.cavity.first_row() + i));
        }
        let [xx, xy, yy] = part.covariance;
        if let Some(out) = &mut self.out {
            out.mean[2 * i..2 * i + 2].copy_from_slice(&part.mean);
            out.covariance[4 * i..4 * i + 4].copy_from_slice(&[xx, xy, xy, yy]);
        }
        if let Some(out) = &mut self.log_partition {
            out[i] = part.log_mass;
        }
        Ok(())
    }

    /// Answers some rows of one kind, two registers or fewer.
    #[inline(always)]
    fn registers<S: Simd>(
        &mut self,
        simd: S,
        (shape, quadrant): (&Shape<'_>, &Quadrant<'_>),
        rows: &[usize],
    ) -> Result<(), Breakdown> {
        let mut input = [[0.0; TOGETHER]; 2];
        let [first, second] = &mut input;
        for (lane, (first, second)) in first.iter_mut().zip(second).enumerate() {
            // Lanes without a row repeat the first one.
            let i = rows[if lane < rows.len() { lane } else { 0 }];
            let ([[n, m], _], towards) = (self.row(i), self.towards(i));
            *first = towards * n * shape.deviations[0];
            *second = towards * m * shape.deviations[1];
        }
        let [first, second] = [&input[0], &input[1]].map(|values| Lanes::<S>::registers(values).0);
        let h = [
            Pair(Lanes::new(simd, first[0]), Lanes::new(simd, first[1])),
            Pair(Lanes::new(simd, second[0]), Lanes::new(simd, second[1])),
        ];
        let y = if self.observed[rows[0]] == 0.0 { 0.0 } else { 1.0 };
        let mut output = [[0.0; TOGETHER]; 6];
        if rows.len() > S::F64_LANES {
            let found = posterior(self.vote, y, quadrant, h).numbers();
            for (output, Pair(one, other)) in output.iter_mut().zip(found) {
                let output = Lanes::<S>::registers_mut(output).0;
                (output[0], output[1]) = (one.get(), other.get());
            }
        } else {
            let found = posterior(self.vote, y, quadrant, [h[0].0, h[1].0]).numbers();
            for (output, found) in output.iter_mut().zip(found) {
                Lanes::<S>::registers_mut(output).0[0] = found.get();
            }
        }
        let [d, e] = shape.deviations;
        let constant = d.ln() + e.ln();
        for (lane, &i) in rows.iter().enumerate() {
            let [log_mass, x, y, xx, xy, yy] = output.map(|values| values[lane]);
            let towards = self.towards(i);
            let part = Part {
                log_mass: log_mass + constant,
                mean: [towards * d * x, towards * e * y],
                covariance: [d * d * xx, d * e * xy, e * e * yy],
            };
            if part.is_finite() {
                self.put(i, &part)?;
            } else {
                self.alone(shape, i)?;
            }
        }
        Ok(())
    }

    /// The sign that turns a vote into 1.
    fn towards(&self, i: usize) -> f64 {
        if self.observed[i] < 0.0 { -1.0 } else { 1.0 }
    }
}

/// Posterior of both columns for the label `y`, each in deviations given the other one.
#[inline(always)]
fn posterior<N: Number>(vote: &Committee, y: f64, quadrant: &Quadrant<'_>, h: [N; 2]) -> Part<N> {
    let zero = h[0].constant(0.0);
    let mut parts = [Part::none(zero); 4];
    for ([s, t], part) in QUADRANTS.into_iter().zip(&mut parts) {
        let share = vote.share(y, usize::from(s > 0.0) + usize::from(t > 0.0));
        if share > 0.0 {
            let own = if s * t > 0.0 { *quadrant } else { quadrant.mirrored() };
            let (s, t, both) = (zero.constant(s), zero.constant(t), zero.constant(s * t));
            let found = own.sizes([s * h[0], t * h[1]]);
            let [uu, ux, xx] = found.covariance;
            *part = Part {
                log_mass: found.log_mass + zero.constant(share.ln()),
                mean: [s * found.mean[0], t * found.mean[1]],
                covariance: [uu, both * ux, xx],
            };
        }
    }
    Part::mixture(parts)
}
