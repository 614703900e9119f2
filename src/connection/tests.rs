//! Connections over real TCP, with an engine that a test plays.

mod clients;
mod closing;
mod elsewhere;
mod fixture;
mod heartbeat;
mod homeless;
mod incoming;
mod loans;
mod polling;
mod pump;
mod sizes;
mod slow;
mod unfinished;
mod untaken;
mod upgrade;
mod vitals;
mod waiting;
