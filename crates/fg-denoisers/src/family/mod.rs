//! Building blocks that several families share.

pub(crate) mod alike;
pub(crate) mod bent;
pub(crate) mod circle;
pub(crate) mod components;
pub(crate) mod curve;
mod cut;
pub(crate) mod finite;
pub(crate) mod formula;
pub(crate) mod gathered;
pub(crate) mod growth;
mod half_line;
pub(crate) mod halves;
mod interval;
pub(crate) mod label;
pub(crate) mod lines;
pub(crate) mod logit;
pub(crate) mod normal;
mod normal_rows;
mod outwards;
pub(crate) mod part;
pub(crate) mod parted;
pub(crate) mod pieces;
#[cfg(test)]
pub(crate) mod plane;
pub(crate) mod positive_rate;
pub(crate) mod proper;
pub(crate) mod quartic;
mod replicates;
mod residuals;
pub(crate) mod ring;
pub(crate) mod root;
mod scale_mixture;
mod segments;
mod spread;
pub(crate) mod survey;
mod two_ends;

pub(crate) use cut::{Cut, anchor};
pub(crate) use half_line::HalfLine;
pub(crate) use interval::Rule;
pub(crate) use normal_rows::NormalRows;
pub(crate) use pieces::Piece;
pub(crate) use replicates::Replicates;
pub(crate) use residuals::Residuals;
pub(crate) use scale_mixture::{Mixing, ScaleMixture};
pub(crate) use spread::Spread;
pub(crate) use two_ends::{OneOf, TwoEnds};
