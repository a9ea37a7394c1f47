//! Costs of the rows of an unknown, estimated by maximisers: proximal operators with their Jacobians.

mod active_set;
mod branch_and_bound;
mod crossings;
mod elastic_net;
mod group_lasso;
mod hard_threshold;
mod huber;
mod interval;
mod jointly;
mod l1;
mod l2;
mod lq;
mod mcp;
mod nonnegative;
mod patterns;
mod piecewise;
mod powers;
mod scad;
mod shrinkage;
mod simplex;
mod thresholding;

pub use elastic_net::ElasticNet;
pub use group_lasso::GroupLasso;
pub use hard_threshold::HardThreshold;
pub use huber::Huber;
pub use interval::Interval;
pub use l1::L1;
pub use l2::L2;
pub use lq::Lq;
pub use mcp::MinimaxConcave;
pub use nonnegative::NonNegative;
pub use scad::Scad;
pub use simplex::Simplex;
