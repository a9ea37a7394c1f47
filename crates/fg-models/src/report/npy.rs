//! Arrays from and to numpy: what of the `.npy` and `.npz` formats is a matrix here, and what is refused.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use fg_core::Rows;
use npyz::{DType, NpyFile, Order, TypeChar, WriterBuilder};
use zip::ZipArchive;

use super::error::{ReadError, ReadProblem};
use super::{WriteError, write_atomically};

/// Reads an `.npy` file of real numbers: a scalar as `1 x 1`, one dimension as a column, two as they are.
///
/// Floats of 16, 32 and 64 bits and integers of every size, in either byte order, C and Fortran order.
///
/// # Errors
/// [`ReadError`] when the file can't be read, is cut short, holds other types or more dimensions, has no rows or no
/// columns, or holds NaN or infinity.
pub fn read_npy(path: &Path) -> Result<Rows, ReadError> {
    let read = || -> Result<Rows, ReadProblem> {
        let bytes = fs::read(path).map_err(ReadProblem::Io)?;
        decode(&bytes)
    };
    read().map_err(|problem| ReadError { path: path.to_owned(), array: None, problem })
}

/// An `.npz` archive, held in memory.
#[derive(Debug)]
pub struct NpzFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl NpzFile {
    /// Reads the archive and checks that it is one.
    ///
    /// # Errors
    /// [`ReadError`] when the file can't be read or isn't an archive, for example because it is cut short.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let fail = |problem| ReadError { path: path.to_owned(), array: None, problem };
        let bytes = fs::read(path).map_err(|error| fail(ReadProblem::Io(error)))?;
        let archive = ZipArchive::new(Cursor::new(&bytes));
        archive.map_err(|error| fail(ReadProblem::Format(error.to_string())))?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error about array `name` of this file.
    pub fn error(&self, name: &str, problem: ReadProblem) -> ReadError {
        ReadError { path: self.path.clone(), array: Some(name.to_owned()), problem }
    }

    /// Reads array `name`, as [`read_npy`] does.
    ///
    /// # Errors
    /// As [`read_npy`], and when there is no such array.
    pub fn rows(&self, name: &str) -> Result<Rows, ReadError> {
        self.optional(name)?.ok_or_else(|| self.error(name, ReadProblem::Missing))
    }

    /// Reads array `name` where there is one.
    ///
    /// # Errors
    /// As [`read_npy`].
    pub fn optional(&self, name: &str) -> Result<Option<Rows>, ReadError> {
        let read = || self.array(name)?.map(|bytes| decode(&bytes)).transpose();
        read().map_err(|problem| self.error(name, problem))
    }

    /// Reads the text that array `name` holds, of one byte a letter.
    ///
    /// # Errors
    /// [`ReadError`] when there is no such array, or it holds anything else.
    pub(super) fn text(&self, name: &str) -> Result<String, ReadError> {
        let read = || -> Result<String, ReadProblem> {
            let bytes = self.array(name)?.ok_or(ReadProblem::Missing)?;
            let format = |error: &dyn ToString| ReadProblem::Format(error.to_string());
            let file = NpyFile::new(&bytes[..]).map_err(|e| format(&e))?;
            let texts = file.into_vec::<Vec<u8>>().map_err(|e| format(&e))?;
            let text = texts.into_iter().next().ok_or(ReadProblem::Missing)?;
            String::from_utf8(text).map_err(|e| format(&e))
        };
        read().map_err(|problem| self.error(name, problem))
    }

    /// The bytes of array `name`, where there is one.
    fn array(&self, name: &str) -> Result<Option<Vec<u8>>, ReadProblem> {
        let format = |error: &dyn ToString| ReadProblem::Format(error.to_string());
        let mut archive = ZipArchive::new(Cursor::new(&self.bytes)).map_err(|e| format(&e))?;
        let file = npyz::npz::file_name_from_array_name(name);
        if archive.index_for_name(&file).is_none() {
            return Ok(None);
        }
        let mut entry = archive.by_name(&file).map_err(|e| format(&e))?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| format(&e))?;
        Ok(Some(bytes))
    }

    /// Reads array `name` and checks its shape; `None` where any size will do, `reason` says where sizes come from.
    ///
    /// # Errors
    /// As [`rows`](Self::rows), and [`ReadProblem::Shape`].
    pub fn rows_of_shape(
        &self,
        name: &str,
        expected: (Option<usize>, Option<usize>),
        reason: &str,
    ) -> Result<Rows, ReadError> {
        let rows = self.rows(name)?;
        self.check_shape(name, &rows, expected, reason)?;
        Ok(rows)
    }

    /// Checks the shape of array `name`, already read.
    ///
    /// # Errors
    /// [`ReadProblem::Shape`] naming both shapes.
    pub fn check_shape(
        &self,
        name: &str,
        rows: &Rows,
        expected: (Option<usize>, Option<usize>),
        reason: &str,
    ) -> Result<(), ReadError> {
        let found = rows.shape();
        let fits = |needed: Option<usize>, size| needed.is_none_or(|needed| needed == size);
        if fits(expected.0, found.0) && fits(expected.1, found.1) {
            return Ok(());
        }
        let reason = reason.to_owned();
        Err(self.error(name, ReadProblem::Shape { expected, found, reason }))
    }
}

fn decode(bytes: &[u8]) -> Result<Rows, ReadProblem> {
    let format = |error: std::io::Error| ReadProblem::Format(error.to_string());
    let mut data = bytes;
    let header = npyz::NpyHeader::from_reader(&mut data).map_err(format)?;
    let dtype = header.dtype();
    let shape = header.shape().to_vec();
    let (rows, columns) = match shape[..] {
        [] => (1, 1),
        [n] => (n, 1),
        [n, d] => (n, d),
        _ => return Err(ReadProblem::Dimensions { shape }),
    };
    // Sizes come from an untrusted header: checked against the data before anything is allocated.
    let item = dtype.num_bytes().unwrap_or(0) as u64;
    let expected = rows.checked_mul(columns).and_then(|count| count.checked_mul(item));
    let expected = expected.unwrap_or(u64::MAX);
    let found = data.len() as u64;
    if found < expected {
        return Err(ReadProblem::Truncated { expected, found });
    }
    let size =
        |n: u64| usize::try_from(n).map_err(|_| ReadProblem::Dimensions { shape: shape.clone() });
    let (rows, columns) = (size(rows)?, size(columns)?);
    if rows == 0 || columns == 0 {
        return Err(ReadProblem::Empty { shape: (rows, columns) });
    }
    let order = header.order();
    let values = real_values(NpyFile::with_header(header, data), &dtype)?;
    let matrix = match order {
        Order::C => Rows::from_vec(rows, columns, values)
            .map_err(|error| ReadProblem::Format(error.to_string()))?,
        Order::Fortran => Rows::from_fn(rows, columns, |i, j| values[j * rows + i]),
    };
    match matrix.first_non_finite() {
        Some((row, column)) => {
            Err(ReadProblem::NotFinite { row, column, value: matrix[(row, column)] })
        }
        None => Ok(matrix),
    }
}

/// All elements as `f64`. Integers beyond 2^53 are rounded to the nearest `f64`, as numpy does.
fn real_values(file: NpyFile<&[u8]>, dtype: &DType) -> Result<Vec<f64>, ReadProblem> {
    let format = |error: std::io::Error| ReadProblem::Format(error.to_string());
    let refused = || ReadProblem::ElementType(dtype.descr());
    let DType::Plain(kind) = dtype else { return Err(refused()) };
    macro_rules! widen {
        ($from:ty, $convert:expr) => {
            file.into_vec::<$from>().map_err(format)?.into_iter().map($convert).collect()
        };
    }
    #[expect(clippy::cast_precision_loss, reason = "as numpy converts integers to float64")]
    let values: Vec<f64> = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Float, 8) => file.into_vec().map_err(format)?,
        (TypeChar::Float, 4) => widen!(f32, f64::from),
        (TypeChar::Float, 2) => widen!(half::f16, f64::from),
        (TypeChar::Int, 1) => widen!(i8, f64::from),
        (TypeChar::Int, 2) => widen!(i16, f64::from),
        (TypeChar::Int, 4) => widen!(i32, f64::from),
        (TypeChar::Int, 8) => widen!(i64, |v| v as f64),
        (TypeChar::Uint, 1) => widen!(u8, f64::from),
        (TypeChar::Uint, 2) => widen!(u16, f64::from),
        (TypeChar::Uint, 4) => widen!(u32, f64::from),
        (TypeChar::Uint, 8) => widen!(u64, |v| v as f64),
        _ => return Err(refused()),
    };
    Ok(values)
}

/// Writes a matrix as a two-dimensional float64 `.npy` file in C order.
///
/// # Errors
/// [`WriteError`] naming the file, which is then as it was before.
pub fn write_npy(path: &Path, matrix: &Rows) -> Result<(), WriteError> {
    let shape = [matrix.rows() as u64, matrix.columns() as u64];
    write_array(path, &shape, matrix.as_slice())
}

/// Writes values as a one-dimensional float64 `.npy` file.
///
/// # Errors
/// As [`write_npy`].
pub fn write_npy_vector(path: &Path, values: &[f64]) -> Result<(), WriteError> {
    write_array(path, &[values.len() as u64], values)
}

fn write_array(path: &Path, shape: &[u64], values: &[f64]) -> Result<(), WriteError> {
    let encode = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::new().default_dtype().shape(shape);
        let mut writer = options.writer(&mut bytes).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()?;
        Ok(bytes)
    };
    let bytes = encode().map_err(|error| WriteError { path: path.to_owned(), error })?;
    write_atomically(path, &bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn encoded<T: npyz::AutoSerialize + Clone>(
        shape: &[u64],
        order: Order,
        values: &[T],
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::new().default_dtype().shape(shape).order(order);
        let mut writer = options.writer(&mut bytes).begin_nd().unwrap();
        writer.extend(values.iter().cloned()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn both_orders_give_one_matrix() {
        let expected = Rows::from_vec(2, 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let c = encoded(&[2, 3], Order::C, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let fortran = encoded(&[2, 3], Order::Fortran, &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(decode(&c).unwrap(), expected);
        assert_eq!(decode(&fortran).unwrap(), expected);
    }

    #[test]
    fn scalars_vectors_and_narrow_types_are_read() {
        assert_eq!(decode(&encoded(&[], Order::C, &[2.5])).unwrap().shape(), (1, 1));
        assert_eq!(
            decode(&encoded(&[3], Order::C, &[1_i64, -2, 3])).unwrap().as_slice(),
            [1.0, -2.0, 3.0]
        );
        assert_eq!(
            decode(&encoded(&[2], Order::C, &[0.5_f32, 2.0])).unwrap().as_slice(),
            [0.5, 2.0]
        );
        let halves = [0.5, -65504.0, 6e-8].map(half::f16::from_f64);
        assert_eq!(
            decode(&encoded(&[3], Order::C, &halves)).unwrap().as_slice(),
            // The largest one, and the smallest.
            [0.5, -65504.0, 2.0_f64.powi(-24)]
        );
        assert_eq!(
            decode(&encoded(&[2], Order::C, &[0_u8, 255])).unwrap().as_slice(),
            [0.0, 255.0]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let bytes = encoded(&[2, 2], Order::C, &[1.0, 2.0, 3.0, 4.0]);
        let error = decode(&bytes[..bytes.len() - 1]).unwrap_err();
        assert!(matches!(error, ReadProblem::Truncated { expected: 32, found: 31 }), "{error:?}");
        let error = decode(&bytes[..20]).unwrap_err();
        assert!(matches!(error, ReadProblem::Format(_)), "{error:?}");
        let error = decode(b"PK").unwrap_err();
        assert!(matches!(error, ReadProblem::Format(_)), "{error:?}");
        let error = decode(&encoded(&[1, 1, 1], Order::C, &[1.0])).unwrap_err();
        assert!(matches!(error, ReadProblem::Dimensions { .. }), "{error:?}");
        let error = decode(&encoded(&[0, 3], Order::C, &[] as &[f64])).unwrap_err();
        assert!(matches!(error, ReadProblem::Empty { shape: (0, 3) }), "{error:?}");
        let error = decode(&encoded(&[1, 2], Order::C, &[1.0, f64::NAN])).unwrap_err();
        assert!(matches!(error, ReadProblem::NotFinite { row: 0, column: 1, .. }), "{error:?}");
        let error = decode(&encoded(&[1], Order::C, &[true])).unwrap_err();
        assert!(matches!(error, ReadProblem::ElementType(_)), "{error:?}");
    }

    #[test]
    fn a_header_that_promises_terabytes_allocates_nothing() {
        let header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 1), }\n";
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header);
        bytes.extend(1.0_f64.to_le_bytes());
        let error = decode(&bytes).unwrap_err();
        assert!(matches!(error, ReadProblem::Truncated { .. }), "{error:?}");
    }
}
