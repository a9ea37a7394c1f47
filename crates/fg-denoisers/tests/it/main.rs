//! Everything in the catalogue, held to the laws of its kind and to independent values.

mod allocations;
mod catalogue;
mod exact;
mod learning;
mod optimality;
mod references;
mod rows;
mod sampling;
mod smooth;
