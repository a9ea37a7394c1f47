//! Costs of the rows of an unknown, estimated by maximisers: proximal operators with their Jacobians.

mod active_set;
mod elastic_net;
mod group_lasso;
mod huber;
mod interval;
mod l1;
mod l2;
mod nonnegative;
mod piecewise;
mod shrinkage;
mod simplex;

pub use elastic_net::ElasticNet;
pub use group_lasso::GroupLasso;
pub use huber::Huber;
pub use interval::Interval;
pub use l1::L1;
pub use l2::L2;
pub use nonnegative::NonNegative;
pub use simplex::Simplex;
