//! How a drawn scene becomes files: SVG text, the bytes of a PNG, and both in a folder.

use std::path::Path;

use kuva::backend::raster::RasterBackend;
use kuva::backend::svg::SvgBackend;
use kuva::render::render::Scene;

use super::{WriteError, write_atomically};

/// Pixels of the PNG for one pixel of the SVG, so that print and dense screens look sharp.
const PNG_SCALE: f32 = 2.0;

/// The scene as SVG text.
pub(super) fn svg(scene: &Scene) -> String {
    SvgBackend.render_scene(scene)
}

/// The scene as the bytes of a PNG file; an error in the words of the encoder.
pub(super) fn png(scene: &Scene) -> Result<Vec<u8>, String> {
    RasterBackend::new().with_scale(PNG_SCALE).render_scene(scene)
}

/// Writes `NAME.svg` and `NAME.png` into `folder`, nothing when the scene can't be encoded.
pub(super) fn write(scene: &Scene, folder: &Path, name: &str) -> Result<(), WriteError> {
    let path = folder.join(format!("{name}.png"));
    let bytes = png(scene)
        .map_err(|error| WriteError { path: path.clone(), error: std::io::Error::other(error) })?;
    write_atomically(&folder.join(format!("{name}.svg")), svg(scene).as_bytes())?;
    write_atomically(&path, &bytes)
}
