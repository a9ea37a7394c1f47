//! What is printed and written: a table of thresholds, the cells, the picture.

use std::path::Path;

use fg_core::evolution::{EvolutionError, PhaseDiagram};
use fg_models::report::{CsvTable, HeatMap, TextTable};

use crate::options::Setting;
use crate::support::{Failure, say, short};

/// Lines of the printed table.
const LINES: usize = 8;

/// Writes all files and prints the table; `line` holds sparsities and sampling ratios.
pub(crate) fn write(
    setting: &Setting,
    diagram: &PhaseDiagram<f64, EvolutionError>,
    line: &[(f64, f64)],
    picture: &HeatMap,
    folder: &Path,
) -> Result<(), Failure> {
    let mut cells = CsvTable::new(["sampling_ratio", "sparsity", "nmse_db", "error"]);
    for (alpha, rho, cell) in diagram.cells() {
        let (value, error) = match cell {
            Ok(value) => (value.to_string(), String::new()),
            Err(error) => (String::new(), error.to_string()),
        };
        cells.push([alpha.to_string(), rho.to_string(), value, error]);
    }
    cells.write(&folder.join("phase_diagram.csv")).map_err(Failure::other)?;
    let mut edge = CsvTable::new(["sparsity", "sampling_ratio"]);
    let number = |v: f64| if v.is_finite() { v.to_string() } else { String::new() };
    line.iter().for_each(|(rho, alpha)| edge.push([rho.to_string(), number(*alpha)]));
    edge.write(&folder.join("threshold.csv")).map_err(Failure::other)?;
    picture.write(folder, "phase_diagram").map_err(Failure::other)?;

    let mut table = TextTable::new(["sparsity", "threshold ratio", "recovered cells"]);
    for (y, (rho, alpha)) in line.iter().enumerate().step_by(line.len().div_ceil(LINES)) {
        let recovered =
            |x: &usize| diagram.cell(*x, y).as_ref().is_ok_and(|error| setting.recovers(*error));
        let recovered = (0..diagram.xs().len()).filter(recovered).count();
        let threshold = if alpha.is_finite() { short(*alpha) } else { "above 1".to_owned() };
        table.push([short(*rho), threshold, format!("{recovered} of {}", line.len())]);
    }
    say(table);
    if let Some((alpha, rho, error)) = diagram.first_error() {
        say(format_args!("Some cells failed; the first, ratio {alpha}, sparsity {rho}: {error}"));
    }
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}
