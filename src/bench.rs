//! Load for any Socket.IO server, with every delivery checked.
//!
//! One thread, raw WebSocket: thousands of sockets must cost less here than in the server that is measured.
//!
//! ```text
//!   kinds     connect, idle · churn · echo · publishing (fan-out, targeted) · storm ──► report
//!   run       what all kinds begin and end with
//!   fleet     all sockets and publishers of a run ──► client (Socket.IO)
//!   load      what is sent, to whom, how fast        measure   how long it took, what it cost
//! ```

mod error;
mod fleet;
mod kinds;
mod load;
mod measure;
mod progress;
mod report;
mod run;

pub(crate) use error::BenchError;
pub(crate) use kinds::churn::churn;
pub(crate) use kinds::connect::{connect, idle};
pub(crate) use kinds::echo::{EchoSettings, echo};
pub(crate) use kinds::publishing::{Eagerness, PublishingSettings, Receivers, publish};
pub(crate) use kinds::storm::storm;
pub(crate) use load::{
    BrowserHeaders, LoadPlan, MARKER_BYTES_MAX, PostTemplate, ServerAddress, Template, TokenGrants,
    TokenSigner,
};
pub(crate) use report::BenchReport;
