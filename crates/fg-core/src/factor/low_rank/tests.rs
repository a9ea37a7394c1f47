//! The low-rank factor refuses bad data.

use super::*;
use crate::operator::OperatorError;

#[test]
fn bad_data_and_variances_are_named() {
    let data = Rows::from_fn(2, 2, |i, j| (i + 2 * j) as f64);
    let error = LowRankFactor::symmetric(&data, 1.0).unwrap_err();
    assert_eq!(error, LowRankError::NotSymmetric { row: 1, column: 0 });
    for value in [0.0, -1.0, f64::INFINITY] {
        let error = LowRankFactor::new(&data, value).unwrap_err();
        assert_eq!(error, LowRankError::Variance { value });
    }
    assert!(LowRankFactor::new(&data, f64::NAN).is_err());
    let data = Rows::from_fn(2, 3, |i, j| if (i, j) == (1, 2) { f64::NAN } else { 1.0 });
    let error = LowRankFactor::symmetric(&data, 1.0).unwrap_err();
    assert_eq!(error, LowRankError::NotSquare { rows: 2, columns: 3 });
    let error = LowRankFactor::new(&data, 1.0).unwrap_err();
    let at =
        matches!(error, LowRankError::Data(OperatorError::NotFinite { row: 1, column: 2, .. }));
    assert!(at, "{error}");
    let empty = LowRankFactor::new(&Rows::zeros(0, 3), 1.0).unwrap_err();
    assert_eq!(empty.to_string(), "data: operator needs a matrix with entries, got 0 x 3");
}
