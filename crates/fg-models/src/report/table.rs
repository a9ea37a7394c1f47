//! Tables for people: aligned columns of text.

use core::fmt;

/// A table whose columns are as wide as their widest cell: the first column aligned left, the others right.
///
/// ```
/// use fg_models::report::TextTable;
/// let mut table = TextTable::new(["name", "error"]);
/// table.push(["adam", "1.5"]);
/// table.push(["amp", "12.25"]);
/// assert_eq!(table.to_string(), "name  error\nadam    1.5\namp   12.25\n");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TextTable {
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// A table of no rows.
    pub fn new<T: Into<String>>(header: impl IntoIterator<Item = T>) -> Self {
        Self { rows: vec![header.into_iter().map(Into::into).collect()] }
    }

    /// Appends a row.
    ///
    /// # Panics
    /// When the number of cells differs from the header's.
    #[track_caller]
    pub fn push<T: Into<String>>(&mut self, row: impl IntoIterator<Item = T>) {
        let row: Vec<String> = row.into_iter().map(Into::into).collect();
        assert_eq!(row.len(), self.rows[0].len(), "row of another number of cells");
        self.rows.push(row);
    }
}

impl fmt::Display for TextTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => line.push_str(&format!("{cell:<width$}")),
                    _ => line.push_str(&format!("  {cell:>width$}")),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
