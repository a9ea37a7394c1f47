//! Learning from the user's own arrays.

use std::path::Path;

use fg_core::Rows;
use fg_denoisers::likelihood::TwoLayer;
use fg_models::TwoLayerModel;
use fg_models::metrics::match_units;
use fg_models::report::{
    CsvTable, NpzFile, ReadError, ReadProblem, TextTable, write_npy, write_npy_vector,
};

use crate::options::OwnData;
use crate::support::{Failure, say, short};

/// Prior variance of the bias, that of the weights.
const BIAS_VARIANCE: f64 = 1.0;

/// The arrays of the file, checked against each other.
struct Arrays {
    inputs: Rows,
    targets: Rows,
    output_weights: Rows,
    output_bias: Vec<f64>,
    test_inputs: Option<Rows>,
    test_targets: Option<Rows>,
    input_weights: Option<Rows>,
    noise_variance: Option<f64>,
}

/// Learns `W1` from the file and writes what was learned into `folder`.
pub(crate) fn learn(task: &OwnData, folder: &Path) -> Result<(), Failure> {
    let arrays = Arrays::read(&task.file).map_err(Failure::input)?;
    let named =
        |error: &dyn std::fmt::Display| Failure::input(format!("{}: {error}", task.file.display()));
    let (weights, bias) = (arrays.output_weights.clone(), arrays.output_bias.clone());
    let known = noise_variance(task, &arrays)?;
    let model = match known {
        Some(variance) => TwoLayer::new(weights, bias, task.activation, variance.recip())
            .map(TwoLayerModel::new)
            .map_err(|error| named(&error)),
        None => TwoLayerModel::learning(weights, bias, task.activation, &arrays.targets)
            .map_err(|error| named(&error)),
    };
    let mut model = model?;
    if task.bias {
        model = model.with_bias(BIAS_VARIANCE);
    }
    let options = TwoLayerModel::options();
    let fit =
        model.fit(&arrays.inputs, &arrays.targets, &options).map_err(|error| named(&error))?;
    if !fit.report().status.is_usable() {
        return Err(Failure::other(format!("{}: {}", task.file.display(), fit.report())));
    }
    let variance = known.or(fit.noise_variance()).unwrap_or(f64::NAN);
    let inputs = arrays.test_inputs.as_ref().unwrap_or(&arrays.inputs);
    let predictions = model.predict_averaged(fit.belief(), inputs);
    let weights = fit.input_weights();

    let mut errors = Vec::new();
    let training = model.predict_averaged(fit.belief(), &arrays.inputs);
    errors.push(("training_mse", training.mean_squared_error(&arrays.targets)));
    if let (Some(inputs), Some(targets)) = (&arrays.test_inputs, &arrays.test_targets) {
        let plugin = model.predict(fit.belief().mean(), inputs);
        errors.push(("test_mse_plugin", plugin.mean_squared_error(targets)));
        errors.push(("test_mse_averaged", predictions.mean_squared_error(targets)));
    }
    if let Some(truth) = &arrays.input_weights {
        let matching = match_units(&weights, truth, &arrays.output_weights);
        errors.push(("parameter_mse", weights.mean_squared_error(truth)));
        errors.push(("matched_parameter_mse", matching.parameter_error));
    }
    let mut table = TextTable::new(["error", "value", "over noise variance"]);
    let mut csv = CsvTable::new(["error", "value"]);
    for (name, value) in &errors {
        let relative = match name.contains("parameter") {
            true => String::new(),
            false => short(value / variance),
        };
        table.push([(*name).to_owned(), short(*value), relative]);
        csv.push([(*name).to_owned(), value.to_string()]);
    }

    write_npy(&folder.join("W1.npy"), &weights).map_err(Failure::other)?;
    write_npy_vector(&folder.join("b1.npy"), &fit.input_bias()).map_err(Failure::other)?;
    write_npy(&folder.join("W1_deviation.npy"), &fit.deviation()).map_err(Failure::other)?;
    write_npy(&folder.join("predictions.npy"), &predictions).map_err(Failure::other)?;
    csv.write(&folder.join("errors.csv")).map_err(Failure::other)?;
    say(format_args!("{}; noise variance {}", fit.report(), short(variance)));
    if known.is_none() {
        let mut csv = CsvTable::new(["parameter", "value"]);
        for (_, parameter) in fit.solution().parameters() {
            say(format_args!("Learned: {parameter}"));
            csv.push([parameter.name.to_string(), parameter.values[0].to_string()]);
        }
        csv.write(&folder.join("parameters.csv")).map_err(Failure::other)?;
    }
    say(table);
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

impl Arrays {
    fn read(file: &Path) -> Result<Self, ReadError> {
        let file = NpzFile::open(file)?;
        let inputs = file.rows("X")?;
        let (samples, columns) = inputs.shape();
        let targets = file.rows_of_shape("Y", (Some(samples), None), "as many rows as X")?;
        let outputs = targets.columns();
        let output_weights =
            file.rows_of_shape("W2", (None, Some(outputs)), "as many columns as Y")?;
        let d = output_weights.rows();
        let optional = |name: &str, shape, reason: &str| -> Result<Option<Rows>, ReadError> {
            let array = file.optional(name)?;
            array.iter().try_for_each(|rows| file.check_shape(name, rows, shape, reason))?;
            Ok(array)
        };
        let output_bias = match file.optional("b2")? {
            Some(b2) if b2.rows() * b2.columns() == outputs => b2.into_vec(),
            Some(b2) => {
                file.check_shape("b2", &b2, (Some(outputs), Some(1)), "one value a column of Y")?;
                b2.into_vec()
            }
            None => vec![0.0; outputs],
        };
        let test_inputs = optional("X_test", (None, Some(columns)), "as many columns as X")?;
        let test_rows = test_inputs.as_ref().map(Rows::rows);
        let test_targets =
            optional("Y_test", (test_rows, Some(outputs)), "rows of X_test, columns of Y")?;
        if test_targets.is_some() && test_inputs.is_none() {
            return Err(file.error("X_test", ReadProblem::Missing));
        }
        let input_weights = optional("W1", (Some(columns), Some(d)), "columns of X, rows of W2")?;
        let variance = optional("noise_variance", (Some(1), Some(1)), "a scalar")?;
        let noise_variance = variance.map(|v| v[(0, 0)]);
        if let Some(variance) = noise_variance.filter(|v| !(*v > 0.0)) {
            let words = format!("must be above 0, got {variance}");
            return Err(file.error("noise_variance", ReadProblem::Value(words)));
        }
        Ok(Self {
            inputs,
            targets,
            output_weights,
            output_bias,
            test_inputs,
            test_targets,
            input_weights,
            noise_variance,
        })
    }
}

/// From the command line, the file, or the ratio of the mean square of `Y` to it: with noise in `Y`, that is the
/// signal-to-noise ratio as a power plus one. None where nobody knows: it is learned then.
fn noise_variance(task: &OwnData, arrays: &Arrays) -> Result<Option<f64>, Failure> {
    let variance = task.noise_variance.or(arrays.noise_variance).or_else(|| {
        let snr = task.snr_db?;
        let count = (arrays.targets.rows() * arrays.targets.columns()) as f64;
        Some(arrays.targets.norm_squared() / count / (1.0 + 10_f64.powf(snr / 10.0)))
    });
    match variance {
        Some(variance) if !(variance > 0.0 && variance.recip().is_finite()) => {
            Err(Failure::input(format!(
                "{}: --snr gives a noise variance of {variance}: Y must not be zero",
                task.file.display()
            )))
        }
        variance => Ok(variance),
    }
}
