//! Calls to the backend: whether one may be made now, to which address, and how it is signed.

pub mod address;
pub mod backoff;
pub mod circuit;
pub mod signature;
