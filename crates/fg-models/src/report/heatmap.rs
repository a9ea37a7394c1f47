//! Heat maps: a colour for every cell of a grid, with lines on top.

use std::path::Path;

use kuva::plot::colormap::ColorMap;
use kuva::plot::legend::LegendPosition;
use kuva::plot::{Heatmap, LinePlot, ScatterPlot};
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;
use kuva::render::render::{Scene, render_multiple};

use super::figure::{Series, Stroke, TITLE, WIDE_PANEL, tick_step};
use super::{WriteError, picture};

/// A grid of numbers as colours over two linear axes.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// Title above; it says what the colours mean, with the unit.
    pub title: String,
    /// What the horizontal axis measures, and its ends: the outer edges of the first and last cell.
    pub x: (String, f64, f64),
    /// The same for the vertical axis, upwards.
    pub y: (String, f64, f64),
    /// Rows of cells from the bottom, cells from the left. Cells that aren't finite are marked by a dot.
    pub values: Vec<Vec<f64>>,
    /// Lowest and highest value told apart; `None` fits the data.
    pub range: Option<(f64, f64)>,
    /// Lines on top; bands aren't drawn.
    pub series: Vec<Series>,
}

/// Width of a line in pixels and radius of a dot: wide enough to be seen on any colour.
const LINE: f64 = 3.0;

impl HeatMap {
    /// The picture as SVG text.
    pub fn svg(&self) -> String {
        picture::svg(&self.scene())
    }

    /// The picture as the bytes of a PNG file.
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

    /// The cells as they are drawn, all finite, and the centres of those that weren't.
    fn cells(&self) -> (Vec<Vec<f64>>, Vec<(f64, f64)>) {
        let (low, high) = self.range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        let shown = |v: f64| v.is_finite().then(|| v.clamp(low, high));
        let smallest = self.values.iter().flatten().filter_map(|v| shown(*v)).reduce(f64::min);
        let (mut cells, mut missing) = (Vec::new(), Vec::new());
        let centre = |(start, end): (f64, f64), k: usize, count: usize| {
            start + (end - start) * (k as f64 + 0.5) / count as f64
        };
        for (i, row) in self.values.iter().enumerate() {
            let mut line = Vec::with_capacity(row.len());
            for (j, value) in row.iter().enumerate() {
                line.push(shown(*value).or(smallest).unwrap_or(0.0));
                if shown(*value).is_none() {
                    let x = centre((self.x.1, self.x.2), j, row.len());
                    missing.push((x, centre((self.y.1, self.y.2), i, self.values.len())));
                }
            }
            cells.push(line);
        }
        (cells, missing)
    }

    fn scene(&self) -> Scene {
        let (cells, missing) = self.cells();
        let map = Heatmap::new()
            .with_data(cells)
            .with_color_map(ColorMap::Viridis)
            .with_x_range(self.x.1, self.x.2)
            .with_y_range(self.y.1, self.y.2)
            .with_cell_size(1.0);
        let mut plots = vec![Plot::Heatmap(map)];
        if !missing.is_empty() {
            let dots = ScatterPlot::new().with_data(missing).with_color("black").with_size(LINE);
            plots.push(Plot::Scatter(dots.with_legend("failed")));
        }
        plots.extend(self.series.iter().map(|series| self.line(series)));
        let letters = self.title.chars().count() as f64;
        let size = TITLE.0.min(WIDE_PANEL.0 / (letters.max(1.0) * TITLE.1));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the largest size"
        )]
        let size = size as u32;
        let layout = Layout::auto_from_plots(&plots)
            .with_title(&self.title)
            .with_title_size(size)
            .with_x_label(&self.x.0)
            .with_y_label(&self.y.0)
            .with_x_axis_min(self.x.1)
            .with_x_axis_max(self.x.2)
            .with_y_axis_min(self.y.1)
            .with_y_axis_max(self.y.2)
            .with_x_tick_step(tick_step((self.x.1, self.x.2)))
            .with_y_tick_step(tick_step((self.y.1, self.y.2)))
            .with_width(WIDE_PANEL.0)
            .with_height(WIDE_PANEL.0)
            .with_legend_box(false)
            .with_legend_position(LegendPosition::OutsideBottomCenter);
        render_multiple(plots, layout)
    }

    fn line(&self, series: &Series) -> Plot {
        let inside = |p: &&(f64, f64)| {
            (self.x.1..=self.x.2).contains(&p.0) && (self.y.1..=self.y.2).contains(&p.1)
        };
        let points: Vec<(f64, f64)> = series.points.iter().filter(inside).copied().collect();
        if series.stroke == Stroke::Dots {
            let dots = ScatterPlot::new().with_data(points).with_size(LINE);
            return Plot::Scatter(dots.with_color(&series.color).with_legend(&series.label));
        }
        let line = LinePlot::new().with_data(points).with_color(&series.color);
        let line = line.with_stroke_width(LINE).with_legend(&series.label);
        Plot::Line(series.stroke.on(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(values: Vec<Vec<f64>>) -> HeatMap {
        HeatMap {
            title: "error (dB)".to_owned(),
            x: ("ratio".to_owned(), 0.0, 1.0),
            y: ("sparsity".to_owned(), 0.0, 2.0),
            values,
            range: Some((-60.0, 0.0)),
            series: vec![Series::new("edge", "white", vec![(0.1, 0.1), (0.9, 1.5), (0.5, 7.0)])],
        }
    }

    #[test]
    fn cells_are_clamped_and_missing_ones_marked() {
        let (cells, missing) = map(vec![vec![-80.0, 3.0], vec![f64::NAN, -20.0]]).cells();
        assert_eq!(cells, [[-60.0, 0.0], [-60.0, -20.0]]);
        assert_eq!(missing, [(0.25, 1.5)]);
        let (cells, missing) = map(vec![vec![f64::INFINITY]]).cells();
        assert_eq!((cells, missing.len()), (vec![vec![0.0]], 1));
    }

    #[test]
    fn svg_and_png_hold_the_picture() {
        let picture = map(vec![vec![-50.0, -3.0], vec![f64::NAN, -20.0]]);
        let svg = picture.svg();
        for text in ["error (dB)", "ratio", "sparsity", "edge", "failed"] {
            assert!(svg.contains(text), "{text} is missing");
        }
        assert_eq!(&picture.png().unwrap()[1..4], b"PNG");
        assert!(!map(Vec::new()).svg().is_empty(), "a map without cells");
    }
}
