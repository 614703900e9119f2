//! Presence as it is recorded, over a real store and with time that the tests own.

mod expiry;
mod fixture;
mod graces;
mod rooms;
mod sign_in;
mod sweep;
mod threads;
