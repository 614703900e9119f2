//! When a user is online, and when "gone" is final.
//!
//! Two parts answer that for each user: the [`roster`] knows which sockets the user has on this node, and the
//! [`session`] machine knows whether the user is online at all, and numbers the changes. The roster tells the machine
//! two facts only: the first socket came, the last one went. So the machine can stand where many nodes agree, while each
//! node has rosters of its own.

pub mod lifecycle;
pub mod roster;
pub mod session;
pub mod standstill;
