//! A belief is what a factor answers at one port: mean, covariance and, where it can, the exact gain.

use crate::message::Layout;
use crate::rows::Rows;

/// Mean and covariance of a variable at a factor, given all its cavities.
///
/// A factor fills the mean and one of the two covariances; row covariances (`n x d x d`) are averaged over the
/// blocks of the layout by the engine. Where it can compute the information it adds without cancellation it also
/// fills the [`Gain`].
#[derive(Clone, Debug)]
pub struct Belief {
    layout: Layout,
    mean: Rows,
    rows: Vec<f64>,
    blocks: Vec<f64>,
    form: CovarianceForm,
    known: Vec<bool>,
    gain: Gain,
    has_gain: bool,
    memory: Rows,
    standard_error: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CovarianceForm {
    Missing,
    Rows,
    Blocks,
}

/// What a factor adds to its cavity, computed without subtracting nearly equal numbers.
#[derive(Clone, Debug)]
pub struct Gain {
    /// `Xhat Lambda - N`, `n x d`.
    pub natural: Rows,
    /// `Lambda - Gamma`, one symmetric `d x d` matrix a block of rows.
    pub precision: Vec<f64>,
}

impl Belief {
    /// An empty belief about a variable of this layout.
    pub fn new(layout: Layout) -> Self {
        let (n, d, blocks) = (layout.rows(), layout.columns(), layout.blocks());
        Self {
            mean: Rows::zeros(n, d),
            rows: Vec::new(),
            blocks: vec![0.0; blocks * d * d],
            form: CovarianceForm::Missing,
            known: vec![false; blocks],
            gain: Gain { natural: Rows::zeros(n, d), precision: vec![0.0; blocks * d * d] },
            has_gain: false,
            memory: Rows::default(),
            standard_error: 0.0,
            layout,
        }
    }

    /// Forgets everything but the storage; the engine calls it before each update.
    pub fn reset(&mut self) {
        self.form = CovarianceForm::Missing;
        self.known.fill(false);
        self.has_gain = false;
        self.standard_error = 0.0;
    }

    /// Shape and structure of the variable.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// `Xhat`, `n x d`.
    pub fn mean(&self) -> &Rows {
        &self.mean
    }

    /// `Xhat`, `n x d`, to be filled.
    pub fn mean_mut(&mut self) -> &mut Rows {
        &mut self.mean
    }

    /// Mean and row covariances (`n x d x d`), both to be filled.
    pub fn rows_mut(&mut self) -> (&mut Rows, &mut [f64]) {
        self.form = CovarianceForm::Rows;
        let d = self.layout.columns();
        self.rows.resize(self.layout.rows() * d * d, 0.0);
        (&mut self.mean, &mut self.rows)
    }

    /// Mean and covariances averaged over each block of rows (`blocks x d x d`), both to be filled.
    pub fn blocks_mut(&mut self) -> (&mut Rows, &mut [f64]) {
        self.form = CovarianceForm::Blocks;
        (&mut self.mean, &mut self.blocks)
    }

    /// The gain, to be filled; the engine uses it in place of a subtraction.
    pub fn gain_mut(&mut self) -> &mut Gain {
        self.has_gain = true;
        &mut self.gain
    }

    /// The gain, where the factor gave one.
    pub fn gain(&self) -> Option<&Gain> {
        self.has_gain.then_some(&self.gain)
    }

    /// What the factor wants to remember with the message that is made of this belief, `rows x columns`, to be filled.
    /// It is damped, kept and given back as the message is: see [`Sent`](super::Sent).
    pub fn memory_mut(&mut self, rows: usize, columns: usize) -> &mut Rows {
        if self.memory.shape() != (rows, columns) {
            self.memory = Rows::zeros(rows, columns);
        }
        &mut self.memory
    }

    /// What is to be remembered with the message; empty for most factors.
    pub fn memory(&self) -> &Rows {
        &self.memory
    }

    /// Declares the rows of block `b` known: the mean is exact, the covariance zero.
    pub fn set_known(&mut self, b: usize) {
        self.known[b] = true;
    }

    /// Whether the rows of block `b` are known.
    pub fn is_known(&self, b: usize) -> bool {
        self.known[b]
    }

    /// Declares the relative standard error of the averaged covariance of a factor that samples.
    pub fn set_standard_error(&mut self, relative: f64) {
        self.standard_error = relative;
    }

    /// The relative standard error of the averaged covariance; zero when it is exact.
    pub fn standard_error(&self) -> f64 {
        self.standard_error
    }

    /// Covariance of each row (`n x d x d`), where the factor computes it.
    pub fn row_covariances(&self) -> Option<&[f64]> {
        (self.form == CovarianceForm::Rows).then_some(&self.rows[..])
    }

    /// Covariance averaged over the rows of each block (`blocks x d x d`).
    ///
    /// Valid once the engine, or a caller of [`average`](Self::average), has averaged the rows.
    pub fn covariances(&self) -> &[f64] {
        &self.blocks
    }

    /// Averages row covariances over the blocks, where the factor gave row covariances.
    ///
    /// # Panics
    /// When the factor gave no covariance at all.
    pub fn average(&mut self) {
        assert_ne!(self.form, CovarianceForm::Missing, "a factor must fill a covariance");
        if self.form == CovarianceForm::Blocks {
            return;
        }
        let size = self.layout.columns() * self.layout.columns();
        for b in 0..self.layout.blocks() {
            let range = self.layout.range(b);
            let count = range.len() as f64;
            let out = &mut self.blocks[b * size..(b + 1) * size];
            out.fill(0.0);
            for row in self.rows[range.start * size..range.end * size].chunks_exact(size) {
                for (o, v) in out.iter_mut().zip(row) {
                    *o += v;
                }
            }
            out.iter_mut().for_each(|o| *o /= count);
        }
    }
}
