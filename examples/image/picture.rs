//! Picture files to rows of grey levels and back.

use std::io::Cursor;
use std::path::Path;

use fg_core::Rows;
use fg_models::report::write_atomically;
use image::{GrayImage, ImageFormat};

use crate::support::Failure;

/// Grey levels from 0 to 1: pixel `(i, j)` is row `i * width + j`.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    height: u32,
    width: u32,
    pixels: Rows,
}

impl Picture {
    /// Of the bytes of a file in any common format.
    pub(crate) fn decode(bytes: &[u8], source: &str) -> Result<Self, Failure> {
        let decoded = image::load_from_memory(bytes)
            .map_err(|error| Failure::input(format!("{source}: {error}")))?
            .into_luma16();
        let (width, height) = (decoded.width(), decoded.height());
        if width == 0 || height == 0 {
            return Err(Failure::input(format!("{source}: {width} x {height} pixels")));
        }
        let grey = |pixel: &u16| f64::from(*pixel) / f64::from(u16::MAX);
        let pixels = Rows::column(decoded.as_raw().iter().map(grey).collect());
        Ok(Self { height, width, pixels })
    }

    /// Height and width.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.height as usize, self.width as usize)
    }

    pub(crate) fn pixels(&self) -> &Rows {
        &self.pixels
    }

    /// Other pixels in the same shape.
    pub(crate) fn with_pixels(&self, pixels: &Rows) -> Self {
        Self { pixels: pixels.clone(), ..*self }
    }

    /// Writes `NAME.png` into `folder`; what is darker than black or lighter than white can't be shown.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> Result<(), Failure> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 255"
        )]
        let byte = |value: &f64| (value.clamp(0.0, 1.0) * f64::from(u8::MAX)).round() as u8;
        let bytes = self.pixels.as_slice().iter().map(byte).collect();
        let picture = GrayImage::from_raw(self.width, self.height, bytes)
            .ok_or_else(|| Failure::other("a picture of another size than its pixels"))?;
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, ImageFormat::Png).map_err(Failure::other)?;
        write_atomically(&folder.join(format!("{name}.png")), file.get_ref())
            .map_err(Failure::other)
    }
}
