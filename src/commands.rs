//! The JSON of the verbs, read in one place: whoever gives a command, and by whatever way, it is parsed here into the
//! values that the verbs take, and a mistake is named by its field and a stable code. Nothing here knows HTTP.
//!
//! [`json`] reads one object strictly: fields that are not known, or given twice, are refused, and `null` for an optional
//! field means that it is absent. [`schema`] says the same rules to machines, made from the constants that parse.

pub mod batch;
pub mod block;
pub mod bounds;
pub mod bulk;
pub mod disconnect;
pub mod emit;
pub mod error;
pub mod event_answer;
pub mod inbox;
pub mod json;
pub mod logout;
pub mod membership;
pub mod names;
pub mod number;
pub mod presence;
pub mod replay;
pub mod schema;
mod target;
pub mod time;
