//! Arrays through files: round trips, and every way a file can be wrong.

use std::path::PathBuf;

use fg_core::Rows;
use fg_models::report::{NpzFile, ReadProblem, read_npy, write_npy, write_npy_vector};
use npyz::WriterBuilder;

/// A folder of its own for a test, removed at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fg-models-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that has failed has more to say than this.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes an `.npz` of matrices as numpy's `savez_compressed` does.
pub(crate) fn write_npz(path: &std::path::Path, arrays: &[(&str, &Rows)]) {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, rows) in arrays {
        let file = npyz::npz::file_name_from_array_name(name);
        archive.start_file(file, zip::write::SimpleFileOptions::default()).unwrap();
        let shape = [rows.rows() as u64, rows.columns() as u64];
        let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
        let mut writer = options.writer(&mut archive).begin_nd().unwrap();
        writer.extend(rows.as_slice()).unwrap();
        writer.finish().unwrap();
    }
    archive.finish().unwrap();
}

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/two_layer_small.npz")
}

#[test]
fn what_is_written_is_read() {
    let folder = Folder::new("round-trip");
    let matrix = Rows::from_fn(4, 3, |i, j| (i as f64).exp() / (1.0 + j as f64));
    let path = folder.path("matrix.npy");
    write_npy(&path, &matrix).unwrap();
    assert_eq!(read_npy(&path).unwrap(), matrix);
    write_npy_vector(&path, &[1.0, -2.0]).unwrap();
    assert_eq!(read_npy(&path).unwrap(), Rows::column(vec![1.0, -2.0]));
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1, "a temporary file stayed");
}

#[test]
fn arrays_written_by_numpy_are_read() {
    let file = NpzFile::open(&example()).unwrap();
    assert_eq!(file.rows("X").unwrap().shape(), (342, 10));
    assert_eq!(file.rows("W2").unwrap().as_slice(), [1.0, -1.0, 1.0, -1.0]);
    assert_eq!(file.rows("noise_variance").unwrap().as_slice(), [0.5]);
    assert_eq!(file.rows("b2").unwrap().shape(), (1, 1));
    assert!(file.optional("W1").unwrap().is_none());
}

#[test]
fn errors_name_the_file_and_the_array() {
    let folder = Folder::new("errors");
    let absent = folder.path("absent.npy");
    let error = read_npy(&absent).unwrap_err();
    assert!(matches!(error.problem, ReadProblem::Io(_)));
    assert!(error.to_string().contains("absent.npy"), "{error}");

    let bytes = std::fs::read(example()).unwrap();
    let cut = folder.path("cut.npz");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let error = NpzFile::open(&cut).unwrap_err();
    assert!(matches!(error.problem, ReadProblem::Format(_)), "{error}");

    let file = NpzFile::open(&example()).unwrap();
    let error = file.rows("W1").unwrap_err();
    assert!(
        error.to_string().ends_with("two_layer_small.npz: array W1: not in the file"),
        "{error}"
    );
    let error = file.rows_of_shape("Y", (Some(7), None), "as many rows as X").unwrap_err();
    let expected = "array Y: needs 7 x any (as many rows as X), got 342 x 1";
    assert!(error.to_string().ends_with(expected), "{error}");

    let nan = folder.path("nan.npz");
    write_npz(&nan, &[("X", &Rows::column(vec![1.0, f64::NAN]))]);
    let error = NpzFile::open(&nan).unwrap().rows("X").unwrap_err();
    assert!(
        error.to_string().ends_with("nan.npz: array X: value at row 1, column 0 is NaN"),
        "{error}"
    );
}

#[test]
fn a_damaged_archive_is_refused() {
    let folder = Folder::new("damaged");
    let mut bytes = std::fs::read(example()).unwrap();
    // A byte in the middle of the first array's compressed data.
    bytes[200] ^= 0xff;
    let path = folder.path("damaged.npz");
    std::fs::write(&path, &bytes).unwrap();
    let file = NpzFile::open(&path).unwrap();
    let names = ["X", "Y", "W2", "b2", "X_test", "Y_test", "noise_variance"];
    let refused = names.iter().filter(|name| file.rows(name).is_err()).count();
    assert!(refused >= 1, "the damage went unnoticed");
}
