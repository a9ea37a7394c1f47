//! Tables for other programs: CSV with one header line.

use std::path::Path;

use super::{WriteError, write_atomically};

/// A table of text under named columns.
///
/// ```
/// use fg_models::report::CsvTable;
/// let mut table = CsvTable::new(["run", "status"]);
/// table.push(["0", "converged"]);
/// assert_eq!(table.to_bytes(), b"run,status\n0,converged\n");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CsvTable {
    columns: usize,
    bytes: Vec<u8>,
}

impl CsvTable {
    /// A table of no records.
    pub fn new<T: AsRef<str>>(header: impl IntoIterator<Item = T>) -> Self {
        let header: Vec<_> = header.into_iter().collect();
        let mut table = Self { columns: header.len(), bytes: Vec::new() };
        table.push(header);
        table
    }

    /// Appends a record.
    ///
    /// # Panics
    /// When the number of fields differs from the header's.
    #[track_caller]
    pub fn push<T: AsRef<str>>(&mut self, record: impl IntoIterator<Item = T>) {
        let fields: Vec<_> = record.into_iter().collect();
        assert_eq!(fields.len(), self.columns, "record of another number of fields");
        let mut writer = csv::WriterBuilder::new().from_writer(&mut self.bytes);
        let written = writer
            .write_record(fields.iter().map(AsRef::as_ref))
            .and_then(|()| Ok(writer.flush()?));
        // Memory takes every byte, and a record alone in its writer can't have an unequal length.
        debug_assert!(written.is_ok(), "record not written: {written:?}");
    }

    /// The table as CSV.
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes the file, complete or not at all.
    ///
    /// # Errors
    /// [`WriteError`] naming the file.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        write_atomically(path, &self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_and_quotes_survive() {
        let mut table = CsvTable::new(["a", "b"]);
        table.push(["x, y", "say \"z\""]);
        assert_eq!(table.to_bytes(), b"a,b\n\"x, y\",\"say \"\"z\"\"\"\n");
    }

    #[test]
    #[should_panic(expected = "record of another number of fields")]
    fn records_fit_the_header() {
        CsvTable::new(["a", "b"]).push(["x"]);
    }
}
