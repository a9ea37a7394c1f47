//! A CSV file as a regression problem: one column to be explained, all others to explain it.

use std::path::Path;

use fg_core::Rows;

use crate::support::Failure;

/// Numbers under named columns, and the column to be explained.
pub(crate) struct Table {
    pub(crate) names: Vec<String>,
    pub(crate) inputs: Rows,
    pub(crate) target: Vec<f64>,
}

impl Table {
    /// Reads a file with a header line.
    pub(crate) fn read(path: &Path, target: &str) -> Result<Self, Failure> {
        let failed = |message: String| Failure::input(format!("{}: {message}", path.display()));
        let mut reader = csv::Reader::from_path(path).map_err(|error| failed(error.to_string()))?;
        let header = reader.headers().map_err(|error| failed(error.to_string()))?.clone();
        let Some(place) = header.iter().position(|name| name == target) else {
            let names: Vec<&str> = header.iter().collect();
            return Err(failed(format!("no column `{target}` among {}", names.join(", "))));
        };
        let (mut values, mut targets) = (Vec::new(), Vec::new());
        for (i, record) in reader.records().enumerate() {
            let record = record.map_err(|error| failed(error.to_string()))?;
            for (j, (field, name)) in record.iter().zip(&header).enumerate() {
                let number = field.trim().parse::<f64>().ok().filter(|value| value.is_finite());
                let value = number.ok_or_else(|| {
                    failed(format!("row {}, column `{name}`: `{field}` is not a number", i + 1))
                })?;
                if j == place { targets.push(value) } else { values.push(value) }
            }
        }
        let (rows, columns) = (targets.len(), header.len() - 1);
        if rows < MINIMUM || columns == 0 {
            return Err(failed(format!(
                "needs {MINIMUM} rows and a column beside `{target}`, has {rows} and {columns}"
            )));
        }
        if targets.iter().all(|y| (y - targets[0]).abs() == 0.0) {
            return Err(failed(format!("column `{target}` is constant: nothing to explain")));
        }
        let names = header.iter().filter(|name| *name != target).map(str::to_owned).collect();
        let inputs = Rows::from_fn(rows, columns, |i, j| values[i * columns + j]);
        Ok(Self { names, inputs, target: targets })
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.target.len()
    }

    /// With the product of any two columns, and the square of each that has more than two values: that of two says nothing
    /// more.
    pub(crate) fn with_products(self) -> Self {
        let Self { mut names, inputs, target } = self;
        let n = inputs.columns();
        let values = |j: usize| {
            let mut values: Vec<u64> =
                (0..inputs.rows()).map(|i| inputs[(i, j)].to_bits()).collect();
            values.sort_unstable();
            values.dedup();
            values.len()
        };
        let mean = |j: usize| {
            (0..inputs.rows()).map(|i| inputs[(i, j)]).sum::<f64>() / inputs.rows() as f64
        };
        // Products of centred columns are less like the columns themselves.
        let means: Vec<f64> = (0..n).map(mean).collect();
        let mut pairs = Vec::new();
        for j in 0..n {
            for k in (j..n).filter(|&k| k != j || values(j) > 2) {
                names.push(if j == k {
                    format!("{}^2", names[j])
                } else {
                    format!("{} {}", names[j], names[k])
                });
                pairs.push((j, k));
            }
        }
        let inputs = Rows::from_fn(inputs.rows(), n + pairs.len(), |i, c| {
            if c < n {
                return inputs[(i, c)];
            }
            let (j, k) = pairs[c - n];
            (inputs[(i, j)] - means[j]) * (inputs[(i, k)] - means[k])
        });
        Self { names, inputs, target }
    }
}

/// Fewer rows can't be divided into those held out and parts of a cross-validation.
const MINIMUM: usize = 20;
