//! Figures: lines with quartile bands on linear or logarithmic axes, in a grid of panels with one legend.

use std::path::Path;
use std::sync::Arc;

use kuva::plot::legend::{LegendEntry, LegendShape};
use kuva::plot::{BandPlot, LinePlot, ScatterPlot};
use kuva::render::annotations::ReferenceLine;
use kuva::render::figure::Figure as Grid;
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::render::Scene;

use super::{WriteError, picture};

/// Width and height of a panel in pixels, at which labels of the default size are easy to read.
const PANEL: (f64, f64) = (520.0, 380.0);
/// The same for panels that have a row of their own.
pub(super) const WIDE_PANEL: (f64, f64) = (760.0, 440.0);
/// Largest size of the figure's title in pixels, and the width of its average letter as a share of the size.
pub(super) const TITLE: (f64, f64) = (20.0, 0.58);
/// Room left beyond the data on each side of an axis, as a share of its length.
const MARGIN: f64 = 0.04;
/// Number of labelled ticks that a linear axis aims at.
const TICKS: f64 = 8.0;

/// How an axis maps values to lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scale {
    /// Equal differences are equal lengths.
    #[default]
    Linear,
    /// Equal ratios are equal lengths; values that aren't positive aren't drawn.
    Logarithmic,
}

/// One axis of a panel.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Axis {
    /// What is measured, with its unit.
    pub label: String,
    /// Linear or logarithmic.
    pub scale: Scale,
    /// Lowest and highest value shown; `None` fits the data. Points outside aren't drawn.
    pub range: Option<(f64, f64)>,
    /// Of a horizontal axis, names of the values 1, 2 and so on, in place of numbers; none when empty.
    pub names: Vec<String>,
}

impl Axis {
    /// A linear axis that fits the data.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), scale: Scale::Linear, range: None, names: Vec::new() }
    }

    /// A logarithmic axis that fits the data.
    pub fn logarithmic(label: impl Into<String>) -> Self {
        Self { scale: Scale::Logarithmic, ..Self::linear(label) }
    }

    /// A linear horizontal axis whose values 1, 2 and so on have names.
    pub fn named(label: impl Into<String>, names: Vec<String>) -> Self {
        Self { names, ..Self::linear(label) }
    }

    /// The same axis from `low` to `high`.
    #[must_use]
    pub fn with_range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    fn shows(&self, value: f64) -> bool {
        let inside = self.range.is_none_or(|(low, high)| (low..=high).contains(&value));
        value.is_finite() && inside && (self.scale == Scale::Linear || value > 0.0)
    }

    fn ticks(&self) -> TickFormat {
        match self.scale {
            Scale::Linear => TickFormat::Auto,
            Scale::Logarithmic => TickFormat::Custom(Arc::new(logarithmic_tick)),
        }
    }

    /// The range shown: the one asked for, or the data's with a margin.
    fn fitted(&self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        if let Some(range) = self.range {
            return range;
        }
        let map = |v: f64| if self.scale == Scale::Logarithmic { v.ln() } else { v };
        let bounds = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = values
            .filter(|v| self.shows(*v))
            .fold(bounds, |(low, high), v| (low.min(map(v)), high.max(map(v))));
        let (low, high) = match high - low {
            length if length > 0.0 => (low - MARGIN * length, high + MARGIN * length),
            0.0 => (low - 1.0, high + 1.0),
            _ => (0.0, 1.0),
        };
        if self.scale == Scale::Logarithmic { (low.exp(), high.exp()) } else { (low, high) }
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Stroke {
    /// Without gaps.
    #[default]
    Solid,
    /// Long dashes.
    Dashed,
    /// Dots.
    Dotted,
    /// No line: a dot for each point, as for single runs.
    Dots,
}

impl Stroke {
    /// The line so drawn.
    pub(super) fn on(self, line: LinePlot) -> LinePlot {
        match self {
            Self::Dashed => line.with_dashed(),
            Self::Dotted => line.with_dotted(),
            Self::Solid | Self::Dots => line,
        }
    }
}

/// A line through points, with an optional band around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name in the legend; series of one name share one entry.
    pub label: String,
    /// A colour as CSS writes it.
    pub color: String,
    /// How the line is drawn.
    pub stroke: Stroke,
    /// The points `(x, y)`; those that can't be shown interrupt the line.
    pub points: Vec<(f64, f64)>,
    /// Lower and upper end of the band at each point, such as quartiles.
    pub band: Option<Vec<(f64, f64)>>,
}

impl Series {
    /// A solid line without a band.
    pub fn new(
        label: impl Into<String>,
        color: impl Into<String>,
        points: Vec<(f64, f64)>,
    ) -> Self {
        let (label, color) = (label.into(), color.into());
        Self { label, color, stroke: Stroke::Solid, points, band: None }
    }

    /// Default: solid.
    #[must_use]
    pub fn with_stroke(mut self, stroke: Stroke) -> Self {
        self.stroke = stroke;
        self
    }

    /// Shades the area between `(lower, upper)` at each point.
    ///
    /// # Panics
    /// When there isn't one pair a point.
    #[must_use]
    #[track_caller]
    pub fn with_band(mut self, band: Vec<(f64, f64)>) -> Self {
        assert_eq!(band.len(), self.points.len(), "band needs a pair a point");
        self.band = Some(band);
        self
    }
}

/// A dashed horizontal line at a known value, named in the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Where it is.
    pub value: f64,
    /// What it is.
    pub label: String,
}

/// One pair of axes with its lines.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Panel {
    /// Title above the panel.
    pub title: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Lines, the first lowest.
    pub series: Vec<Series>,
    /// Known values.
    pub references: Vec<Reference>,
}

/// Panels in a grid, row after row, with one legend below them.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Title above all panels; none when empty.
    pub title: String,
    /// Number of panels side by side, at least one.
    pub columns: usize,
    /// The panels.
    pub panels: Vec<Panel>,
}

impl Figure {
    /// The figure as SVG text.
    pub fn svg(&self) -> String {
        picture::svg(&self.scene())
    }

    /// The figure as the bytes of a PNG file.
    ///
    /// # Errors
    /// The words of the encoder.
    pub fn png(&self) -> Result<Vec<u8>, String> {
        picture::png(&self.scene())
    }

    /// Writes `NAME.svg` and `NAME.png` into `folder`.
    ///
    /// # Errors
    /// [`WriteError`] naming the file that can't be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<(), WriteError> {
        picture::write(&self.scene(), folder, name)
    }

    fn scene(&self) -> Scene {
        let columns = self.columns.clamp(1, self.panels.len().max(1));
        let (width, height) = if columns == 1 { WIDE_PANEL } else { PANEL };
        let (plots, layouts): (Vec<_>, Vec<_>) = self.panels.iter().map(Panel::plots).unzip();
        let mut grid = Grid::new(self.panels.len().div_ceil(columns), columns)
            .with_plots(plots)
            .with_layouts(layouts)
            .with_cell_size(width, height)
            .with_shared_legend_bottom()
            .with_shared_legend_entries(self.legend());
        if !self.title.is_empty() {
            let letters = self.title.chars().count() as f64;
            let size = TITLE.0.min(width * columns as f64 / (letters * TITLE.1));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and the largest size"
            )]
            let size = size as u32;
            grid = grid.with_title(&self.title).with_title_size(size);
        }
        grid.render()
    }

    fn legend(&self) -> Vec<LegendEntry> {
        let lines = self.panels.iter().flat_map(|panel| &panel.series);
        let lines = lines.map(|s| (&s.label, s.color.as_str(), s.stroke));
        let known = self.panels.iter().flat_map(|panel| &panel.references);
        let known = known.map(|r| (&r.label, REFERENCE_COLOR, Stroke::Dashed));
        let mut entries: Vec<LegendEntry> = Vec::new();
        for (label, color, stroke) in lines.chain(known) {
            if entries.iter().all(|entry| entry.label != *label) {
                entries.push(LegendEntry {
                    label: label.clone(),
                    color: color.to_owned(),
                    shape: match stroke {
                        Stroke::Dots => LegendShape::Circle,
                        _ => LegendShape::Line,
                    },
                    dasharray: dashes(stroke).map(str::to_owned),
                });
            }
        }
        entries
    }
}

/// Grey, so that it stands back behind what was measured.
const REFERENCE_COLOR: &str = "#666666";

fn dashes(stroke: Stroke) -> Option<&'static str> {
    match stroke {
        Stroke::Dashed => Some("8 4"),
        Stroke::Dotted => Some("2 4"),
        Stroke::Solid | Stroke::Dots => None,
    }
}

impl Panel {
    fn plots(&self) -> (Vec<Plot>, Layout) {
        let points = || self.series.iter().flat_map(|s| &s.points);
        let bands = self.series.iter().flat_map(|s| s.band.iter().flatten());
        let heights = points().map(|p| p.1).chain(bands.flat_map(|b| [b.0, b.1]));
        let x_range = self.x.fitted(points().map(|p| p.0));
        let y_range = self.y.fitted(heights.chain(self.references.iter().map(|r| r.value)));
        let mut plots = Vec::new();
        let mut lines = Vec::new();
        for series in &self.series {
            for part in self.drawable_parts(series) {
                let points = part.clone().map(|k| series.points[k]);
                if let Some(band) = &series.band {
                    let ends = part.clone().map(|k| band[k]);
                    plots.push(Self::band(series, points.clone(), ends, y_range));
                }
                lines.push(Self::line(series, points.collect()));
            }
        }
        plots.append(&mut lines);
        (plots, self.layout(x_range, y_range))
    }

    /// Runs of neighbouring points that can all be shown.
    fn drawable_parts(&self, series: &Series) -> Vec<core::ops::Range<usize>> {
        let shown = |k: usize| self.x.shows(series.points[k].0) && self.y.shows(series.points[k].1);
        let mut parts: Vec<core::ops::Range<usize>> = Vec::new();
        for k in (0..series.points.len()).filter(|&k| shown(k)) {
            match parts.last_mut() {
                Some(part) if part.end == k => part.end += 1,
                _ => parts.push(k..k + 1),
            }
        }
        parts
    }

    fn band(
        series: &Series,
        points: impl Iterator<Item = (f64, f64)>,
        ends: impl Iterator<Item = (f64, f64)> + Clone,
        (low, high): (f64, f64),
    ) -> Plot {
        /// Faint enough that crossing bands can be told apart.
        const OPACITY: f64 = 0.15;
        let shown = |end: f64| if end.is_nan() { high } else { end.clamp(low, high) };
        let lower = ends.clone().map(|e| shown(e.0));
        let upper = ends.map(|e| shown(e.1));
        let plot = BandPlot::new(points.map(|p| p.0), lower, upper);
        Plot::Band(plot.with_color(&series.color).with_opacity(OPACITY))
    }

    fn line(series: &Series, points: Vec<(f64, f64)>) -> Plot {
        /// Pixels: wide enough to tell colours apart.
        const WIDTH: f64 = 2.0;
        /// Pixels: radius of a dot.
        const DOT: f64 = 2.5;
        let dots = series.stroke == Stroke::Dots || points.len() == 1;
        if dots {
            let plot =
                ScatterPlot::new().with_data(points).with_color(&series.color).with_size(DOT);
            return Plot::Scatter(plot);
        }
        let plot =
            LinePlot::new().with_data(points).with_color(&series.color).with_stroke_width(WIDTH);
        Plot::Line(series.stroke.on(plot))
    }

    fn layout(&self, x_range: (f64, f64), y_range: (f64, f64)) -> Layout {
        let mut layout = Layout::new(x_range, y_range)
            .with_x_label(&self.x.label)
            .with_y_label(&self.y.label)
            .with_x_axis_min(x_range.0)
            .with_x_axis_max(x_range.1)
            .with_y_axis_min(y_range.0)
            .with_y_axis_max(y_range.1)
            .with_x_tick_format(self.x.ticks())
            .with_y_tick_format(self.y.ticks());
        if !self.title.is_empty() {
            layout = layout.with_title(&self.title);
        }
        match self.x.scale {
            Scale::Logarithmic => layout = layout.with_log_x(),
            Scale::Linear => layout = layout.with_x_tick_step(tick_step(x_range)),
        }
        match self.y.scale {
            Scale::Logarithmic => layout = layout.with_log_y(),
            Scale::Linear => layout = layout.with_y_tick_step(tick_step(y_range)),
        }
        if !self.x.names.is_empty() {
            /// Degrees: names of any length then have room below their ticks.
            const TURN: f64 = -45.0;
            layout = layout.with_x_categories(self.x.names.clone()).with_x_tick_rotate(TURN);
        }
        for reference in &self.references {
            let line = ReferenceLine::horizontal(reference.value).with_color(REFERENCE_COLOR);
            layout = layout.with_reference_line(line);
        }
        layout
    }
}

/// A round number as people write it: in full where that is short, otherwise with an exponent.
fn logarithmic_tick(value: f64) -> String {
    if (1e-3..1e5).contains(&value) {
        format!("{}", rounded(value))
    } else {
        format!("{value:.0e}")
    }
}

/// Ticks are computed as products, whose last bit would show.
fn rounded(value: f64) -> f64 {
    const DIGITS: f64 = 1e6;
    (value * DIGITS).round() / DIGITS
}

/// A step of 1, 2 or 5 times a power of ten that gives about [`TICKS`] ticks.
pub(super) fn tick_step((low, high): (f64, f64)) -> f64 {
    let raw = ((high - low) / TICKS).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(raw.log10().floor());
    let multiple = [1.0, 2.0, 5.0].into_iter().find(|m| m * power >= raw * (1.0 - 1e-9));
    multiple.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(points: Vec<(f64, f64)>) -> Panel {
        Panel {
            title: "decay".to_owned(),
            x: Axis::linear("iteration"),
            y: Axis::logarithmic("error"),
            series: vec![Series::new("measured", "#4477aa", points)],
            references: Vec::new(),
        }
    }

    #[test]
    fn values_that_cannot_be_shown_interrupt_the_line() {
        let gap = panel(vec![(0.0, 1.0), (1.0, 0.5), (2.0, f64::NAN), (3.0, 0.1), (4.0, -1.0)]);
        assert_eq!(gap.drawable_parts(&gap.series[0]), [0..2, 3..4]);
    }

    #[test]
    fn values_of_a_named_axis_show_their_names() {
        let mut named = panel(vec![(1.0, 1.0), (2.0, 0.5)]);
        named.x = Axis::named("column", vec!["weight".to_owned(), "age".to_owned()]);
        let svg = Figure { title: String::new(), columns: 1, panels: vec![named] }.svg();
        assert!(svg.contains("weight") && svg.contains("age"), "{svg}");
    }

    #[test]
    fn axes_fit_the_data_with_a_margin() {
        let (low, high) = Axis::linear("x").fitted([0.0, f64::NAN, 10.0].into_iter());
        assert_eq!((low, high), (-10.0 * MARGIN, 10.0 + 10.0 * MARGIN));
        let (low, high) = Axis::logarithmic("x").fitted([0.01, -5.0, 100.0].into_iter());
        assert!(low < 0.01 && low > 0.005 && high > 100.0 && high < 200.0, "{low} to {high}");
        assert_eq!(Axis::linear("x").fitted(core::iter::empty()), (0.0, 1.0));
    }

    #[test]
    fn logarithmic_ticks_are_short() {
        let ticks = [0.1, 0.5, 0.05, 2.0, 4000.0, 1e-5, 2e6].map(logarithmic_tick);
        assert_eq!(ticks, ["0.1", "0.5", "0.05", "2", "4000", "1e-5", "2e6"]);
        assert_eq!(logarithmic_tick(3.0 * 0.1), "0.3");
    }

    #[test]
    fn steps_are_round() {
        for ((low, high), step) in [((0.0, 8.0), 1.0), ((0.0, 4000.0), 500.0), ((1.0, 1.7), 0.1)] {
            let found = tick_step((low, high));
            assert!((found / step - 1.0).abs() < 1e-12, "{low} to {high}: {found}");
        }
    }

    #[test]
    fn svg_and_png_hold_the_figure() {
        let figure = Figure {
            title: "a title".to_owned(),
            columns: 2,
            panels: vec![panel(vec![(0.0, 1.0), (1.0, 0.1)]), panel(Vec::new())],
        };
        let svg = figure.svg();
        for text in ["a title", "decay", "iteration", "measured"] {
            assert!(svg.contains(text), "{text} is missing");
        }
        assert_eq!(&figure.png().unwrap()[1..4], b"PNG");
    }
}
