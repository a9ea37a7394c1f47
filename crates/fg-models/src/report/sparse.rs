//! Sparse matrices from scipy: which of its formats are read.

use std::path::Path;

use fg_core::operator::Sparse;

use super::error::{ReadError, ReadProblem};
use super::npy::NpzFile;

/// Reads a matrix that `scipy.sparse.save_npz` wrote in format `csr`, `csc` or `coo`.
///
/// # Errors
/// [`ReadError`] when the file can't be read, is of another format, or an array of it is missing or holds what can't be: the
/// array is named.
pub fn read_sparse(path: &Path) -> Result<Sparse, ReadError> {
    let file = NpzFile::open(path)?;
    let shape = whole(&file, "shape")?;
    let &[rows, columns] = &shape[..] else {
        return Err(
            file.error("shape", ReadProblem::Value(format!("needs 2 sizes, got {shape:?}")))
        );
    };
    let values = file.rows_of_shape("data", (None, Some(1)), "one value an entry")?;
    let values = values.as_slice();
    let format = file.text("format")?;
    let (places, array) = match format.as_str() {
        "coo" => (places(&file, "row", "col", values.len())?, "row"),
        "csr" => (compressed(&file, rows, values.len())?, "indices"),
        "csc" => {
            let places = compressed(&file, columns, values.len())?;
            (places.into_iter().map(|(column, row)| (row, column)).collect(), "indices")
        }
        other => {
            let reason = format!("must be csr, csc or coo, got {other}");
            return Err(file.error("format", ReadProblem::Value(reason)));
        }
    };
    let entries: Vec<_> = places
        .into_iter()
        .zip(values)
        .map(|((row, column), value)| (row, column, *value))
        .collect();
    Sparse::from_triplets(rows, columns, &entries)
        .map_err(|error| file.error(array, ReadProblem::Value(error.to_string())))
}

/// Pairs of two arrays of places.
fn places(
    file: &NpzFile,
    first: &str,
    second: &str,
    count: usize,
) -> Result<Vec<(usize, usize)>, ReadError> {
    let [first, second] = [of_length(file, first, count)?, of_length(file, second, count)?];
    Ok(first.into_iter().zip(second).collect())
}

/// The slice that each entry is in, which `indptr` says, and its place there.
fn compressed(
    file: &NpzFile,
    slices: usize,
    count: usize,
) -> Result<Vec<(usize, usize)>, ReadError> {
    let indices = of_length(file, "indices", count)?;
    let starts = of_length(file, "indptr", slices.saturating_add(1))?;
    if starts.first() != Some(&0) || starts.last() != Some(&count) || !starts.is_sorted() {
        let reason = format!("must rise from 0 to the number of entries, {count}");
        return Err(file.error("indptr", ReadProblem::Value(reason)));
    }
    let slice = starts.windows(2).enumerate();
    let slices = slice.flat_map(|(slice, ends)| std::iter::repeat_n(slice, ends[1] - ends[0]));
    Ok(slices.zip(indices).collect())
}

fn of_length(file: &NpzFile, name: &str, length: usize) -> Result<Vec<usize>, ReadError> {
    let values = whole(file, name)?;
    if values.len() == length {
        return Ok(values);
    }
    let reason = format!("needs {length} values, got {}", values.len());
    Err(file.error(name, ReadProblem::Value(reason)))
}

/// The whole numbers of an array.
fn whole(file: &NpzFile, name: &str) -> Result<Vec<usize>, ReadError> {
    let values = file.rows_of_shape(name, (None, Some(1)), "a list of whole numbers")?;
    // Whole numbers of floating point end at 2^53; no matrix is as large.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    let convert = |value: &f64| {
        let fits = value.fract() == 0.0 && (0.0..=LARGEST).contains(value);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number below 2^53"
        )]
        let whole = *value as usize;
        let refused = || ReadProblem::Value(format!("needs whole numbers from 0, got {value}"));
        if fits { Ok(whole) } else { Err(file.error(name, refused())) }
    };
    values.as_slice().iter().map(convert).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::npy::tests::encoded;
    use fg_core::operator::LinearOperator;
    use npyz::WriterBuilder;
    use std::io::{Cursor, Write};
    use zip::write::SimpleFileOptions;

    type Array<'a> = (&'a str, &'a [f64]);

    /// A file as scipy writes it.
    fn written(format: &[u8], arrays: &[Array<'_>]) -> std::path::PathBuf {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let mut add = |name: &str, bytes: &[u8]| {
            archive.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        };
        let mut bytes = Vec::new();
        let dtype = npyz::DType::new_scalar(format!("|S{}", format.len()).parse().unwrap());
        let mut writer = npyz::WriteOptions::new()
            .dtype(dtype)
            .shape(&[])
            .writer(&mut bytes)
            .begin_nd()
            .unwrap();
        writer.push(format).unwrap();
        writer.finish().unwrap();
        add("format", &bytes);
        for (name, values) in arrays {
            add(name, &encoded(&[values.len() as u64], npyz::Order::C, values));
        }
        let bytes = archive.finish().unwrap().into_inner();
        let file = tempfile(&bytes);
        std::fs::write(&file, bytes).unwrap();
        file
    }

    /// A path of its own for each content.
    fn tempfile(bytes: &[u8]) -> std::path::PathBuf {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        std::env::temp_dir().join(format!("fg-{}-{}.npz", std::process::id(), hasher.finish()))
    }

    const SHAPE: Array<'_> = ("shape", &[2.0, 3.0]);
    const DATA: Array<'_> = ("data", &[1.0, 2.0, 3.0]);

    /// `[[1, 0, 2], [0, 3, 0]]`.
    #[test]
    fn all_three_formats_give_one_matrix() {
        let files = [
            written(b"coo", &[SHAPE, DATA, ("row", &[0.0, 0.0, 1.0]), ("col", &[0.0, 2.0, 1.0])]),
            written(
                b"csr",
                &[SHAPE, DATA, ("indices", &[0.0, 2.0, 1.0]), ("indptr", &[0.0, 2.0, 3.0])],
            ),
            written(
                b"csc",
                &[
                    SHAPE,
                    ("data", &[1.0, 3.0, 2.0]),
                    ("indices", &[0.0, 1.0, 0.0]),
                    ("indptr", &[0.0, 1.0, 2.0, 3.0]),
                ],
            ),
        ];
        for file in files {
            let operator = read_sparse(&file).unwrap();
            let mut z = [0.0; 2];
            operator.apply(&[1.0, 10.0, 100.0], &mut z, 1);
            assert_eq!(z.as_slice(), [201.0, 30.0], "{}", file.display());
            std::fs::remove_file(file).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let places: [Array<'_>; 2] = [("indices", &[0.0, 2.0, 1.0]), ("indptr", &[0.0, 2.0, 3.0])];
        let [indices, indptr] = places;
        let cases: [(&[u8], Vec<Array<'_>>, &str); 8] = [
            (b"bsr", vec![SHAPE, DATA], "array format: must be csr, csc or coo, got bsr"),
            (b"csr", vec![DATA, indices, indptr], "array shape: not in the file"),
            (b"csr", vec![("shape", &[2.0]), DATA], "array shape: needs 2 sizes, got [2]"),
            (b"csr", vec![SHAPE, DATA, indices], "array indptr: not in the file"),
            (
                b"csr",
                vec![SHAPE, DATA, indices, ("indptr", &[0.0, 3.0])],
                "array indptr: needs 3 values, got 2",
            ),
            (
                b"csr",
                vec![SHAPE, DATA, indices, ("indptr", &[0.0, 4.0, 3.0])],
                "array indptr: must rise from 0 to the number of entries, 3",
            ),
            (
                b"csr",
                vec![SHAPE, DATA, ("indices", &[0.0, 3.0, 1.0]), indptr],
                "array indices: operator entry at row 0, column 3 is outside of 2 x 3",
            ),
            (
                b"csr",
                vec![SHAPE, DATA, ("indices", &[0.0, 0.5, 1.0]), indptr],
                "array indices: needs whole numbers from 0, got 0.5",
            ),
        ];
        for (format, arrays, expected) in cases {
            let file = written(format, &arrays);
            let error = read_sparse(&file).unwrap_err().to_string();
            assert_eq!(error, format!("{}: {expected}", file.display()));
            std::fs::remove_file(file).unwrap();
        }
    }
}
