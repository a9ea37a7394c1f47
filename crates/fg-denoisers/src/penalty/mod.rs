//! Costs of the rows of an unknown, estimated by maximisers: proximal operators with their Jacobians.

mod active_set;
mod elastic_net;
mod l1;
mod l2;
mod shrinkage;

pub use elastic_net::ElasticNet;
pub use l1::L1;
pub use l2::L2;
