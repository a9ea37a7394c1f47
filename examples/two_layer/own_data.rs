//! Learning from the user's own arrays.

use std::path::Path;

use fg_core::Rows;
use fg_core::special::logistic;
use fg_denoisers::ParameterError;
use fg_denoisers::likelihood::{Link, TwoLayer};
use fg_models::metrics::match_units;
use fg_models::report::{
    CsvTable, NpzFile, ReadError, ReadProblem, TextTable, write_npy, write_npy_vector,
};
use fg_models::two_layer::LabelErrors;
use fg_models::{TwoLayerFit, TwoLayerModel};

use crate::loss::{Loss, Predictor, predictions};
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
    let arrays = Arrays::read(task).map_err(Failure::input)?;
    let named =
        |error: &dyn std::fmt::Display| Failure::input(format!("{}: {error}", task.file.display()));
    let (weights, bias) = (arrays.output_weights.clone(), arrays.output_bias.clone());
    let known = match task.loss {
        Loss::Squared => noise_variance(task, &arrays)?,
        Loss::Logistic => None,
    };
    let layer = |layer: Result<TwoLayer, ParameterError>| {
        layer.map(TwoLayerModel::new).map_err(|error| named(&error))
    };
    let mut model = match (task.loss, known) {
        (Loss::Squared, Some(variance)) => {
            layer(TwoLayer::new(weights, bias, task.activation, variance.recip()))?
        }
        (Loss::Squared, None) => {
            TwoLayerModel::learning(weights, bias, task.activation, &arrays.targets)
                .map_err(|error| named(&error))?
        }
        (Loss::Logistic, _) => {
            let link = Link::Logistic;
            layer(TwoLayer::labels(weights.as_slice(), bias[0], task.activation, link))?
        }
    };
    if task.bias {
        model = model.with_bias(BIAS_VARIANCE);
    }
    let options = TwoLayerModel::options();
    let fit =
        model.fit(&arrays.inputs, &arrays.targets, &options).map_err(|error| named(&error))?;
    let (report, belief) = (fit.fit().report(), fit.fit().belief());
    if !report.status.is_usable() {
        return Err(Failure::other(format!("{}: {report}", task.file.display())));
    }
    let variance = known.or(fit.noise_variance());
    let weights = fit.input_weights();

    let singular = || Failure::other(format!("{}: a covariance is singular", task.file.display()));
    let mut errors = arrays.errors(&model, &fit).ok_or_else(singular)?;
    if let Some(truth) = &arrays.input_weights {
        let matching = match_units(&weights, truth, &arrays.output_weights);
        errors.push(("parameter_mse".to_owned(), weights.mean_squared_error(truth)));
        errors.push(("matched_parameter_mse".to_owned(), matching.parameter_error));
    }
    let inputs = arrays.test_inputs.as_ref().unwrap_or(&arrays.inputs);
    let averaged = Predictor::Averaged(belief);
    let mut predictions = predictions(&model, averaged, inputs).ok_or_else(singular)?;
    if task.loss == Loss::Logistic {
        predictions.as_mut_slice().iter_mut().for_each(|odds| *odds = logistic(*odds));
    }

    write_npy(&folder.join("W1.npy"), &weights).map_err(Failure::other)?;
    write_npy_vector(&folder.join("b1.npy"), &fit.input_bias()).map_err(Failure::other)?;
    write_npy(&folder.join("W1_deviation.npy"), &fit.input_weights_deviation())
        .map_err(Failure::other)?;
    write_npy(&folder.join("predictions.npy"), &predictions).map_err(Failure::other)?;
    let mut csv = CsvTable::new(["error", "value"]);
    for (name, value) in &errors {
        csv.push([name.clone(), value.to_string()]);
    }
    csv.write(&folder.join("errors.csv")).map_err(Failure::other)?;
    match variance {
        Some(variance) => say(format_args!("{report}; noise variance {}", short(variance))),
        None => say(format_args!("{report}; labels")),
    }
    let learned = fit.fit().solution().parameters();
    if !learned.is_empty() {
        let mut csv = CsvTable::new(["parameter", "value"]);
        for (_, parameter) in learned {
            say(format_args!("Learned: {parameter}"));
            csv.push([parameter.name.to_string(), parameter.values[0].to_string()]);
        }
        csv.write(&folder.join("parameters.csv")).map_err(Failure::other)?;
    }
    say(table(&errors, variance));
    say(format_args!("Results in {}", folder.display()));
    Ok(())
}

fn table(errors: &[(String, f64)], variance: Option<f64>) -> TextTable {
    let mut header = vec!["error", "value"];
    header.extend(variance.map(|_| "over noise variance"));
    let mut table = TextTable::new(header);
    for (name, value) in errors {
        let mut row = vec![name.clone(), short(*value)];
        row.extend(variance.map(|variance| match name.contains("parameter") {
            true => String::new(),
            false => short(value / variance),
        }));
        table.push(row);
    }
    table
}

/// How far predictions are from these targets: names and values.
fn measured(model: &TwoLayerModel, found: &Rows, targets: &Rows) -> Vec<(&'static str, f64)> {
    if model.link().is_none() {
        return vec![("mse", found.mean_squared_error(targets))];
    }
    let seen: Vec<f64> = targets.as_slice().iter().map(|y| y * f64::INFINITY).collect();
    let errors = LabelErrors::of(found.as_slice(), &seen);
    vec![("log_loss", errors.log_loss), ("error_rate", errors.error_rate)]
}

impl Arrays {
    /// Errors of the predictions: names and values. `None` where a covariance is singular.
    fn errors(&self, model: &TwoLayerModel, fit: &TwoLayerFit) -> Option<Vec<(String, f64)>> {
        let belief = fit.fit().belief();
        let (plugin, averaged) = (Predictor::Plugin(belief.mean()), Predictor::Averaged(belief));
        let mut cases = vec![("training", "", averaged, &self.inputs, &self.targets)];
        if let (Some(inputs), Some(targets)) = (&self.test_inputs, &self.test_targets) {
            cases.push(("test", "_plugin", plugin, inputs, targets));
            cases.push(("test", "_averaged", averaged, inputs, targets));
        }
        let mut errors = Vec::new();
        for (data, how, predictor, inputs, targets) in cases {
            let found = predictions(model, predictor, inputs)?;
            let measured = measured(model, &found, targets);
            errors.extend(measured.iter().map(|(what, v)| (format!("{data}_{what}{how}"), *v)));
        }
        Some(errors)
    }

    fn read(task: &OwnData) -> Result<Self, ReadError> {
        let file = NpzFile::open(&task.file)?;
        let inputs = file.rows("X")?;
        let (samples, columns) = inputs.shape();
        let (width, reason) = match task.loss {
            Loss::Squared => (None, "as many rows as X"),
            Loss::Logistic => (Some(1), "a label for each row of X"),
        };
        let targets = file.rows_of_shape("Y", (Some(samples), width), reason)?;
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
        if task.loss == Loss::Logistic {
            check_labels(&file, "Y", &targets)?;
            test_targets.iter().try_for_each(|rows| check_labels(&file, "Y_test", rows))?;
        }
        let input_weights = optional("W1", (Some(columns), Some(d)), "columns of X, rows of W2")?;
        let variance = optional("noise_variance", (Some(1), Some(1)), "a scalar")?;
        let noise_variance = variance.map(|v| v[(0, 0)]);
        if let Some(variance) = noise_variance {
            let refuse = |words| Err(file.error("noise_variance", ReadProblem::Value(words)));
            if !(variance > 0.0 && variance.recip().is_finite()) {
                let got = short(variance);
                return refuse(format!("must be above 0 and its inverse finite, got {got}"));
            }
            if task.snr_db.is_some() {
                return refuse("says the noise, --snr has no meaning with it".to_owned());
            }
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

fn check_labels(file: &NpzFile, name: &str, labels: &Rows) -> Result<(), ReadError> {
    let other = labels.as_slice().iter().position(|y| (y.abs() - 1.0).abs() != 0.0);
    let Some(row) = other else { return Ok(()) };
    let words = format!("labels must be -1 or 1, got {} in row {row}", labels[(row, 0)]);
    Err(file.error(name, ReadProblem::Value(words)))
}

/// From the command line, the file, or the ratio of the mean square of `Y` to it: with noise in `Y`, that is the
/// signal-to-noise ratio as a power plus one. None where nobody knows: it is learned then.
fn noise_variance(task: &OwnData, arrays: &Arrays) -> Result<Option<f64>, Failure> {
    let given = task.noise_variance.or(arrays.noise_variance);
    let Some(snr) = task.snr_db.filter(|_| given.is_none()) else { return Ok(given) };
    let count = (arrays.targets.rows() * arrays.targets.columns()) as f64;
    let power = arrays.targets.norm_squared() / count;
    let variance = power / (1.0 + 10_f64.powf(snr / 10.0));
    if variance > 0.0 && variance.is_finite() && variance.recip().is_finite() {
        return Ok(Some(variance));
    }
    Err(Failure::input(format!(
        "{}: array Y: of mean square {} --snr {snr} makes a noise variance of {}",
        task.file.display(),
        short(power),
        short(variance)
    )))
}
