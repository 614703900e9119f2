//! The kinds of load, one file each.

pub(super) mod churn;
pub(super) mod connect;
pub(super) mod echo;
pub(super) mod publishing;
pub(super) mod storm;
