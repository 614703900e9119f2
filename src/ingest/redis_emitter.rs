//! What `@socket.io/redis-emitter` and the write-only manager of python-socketio publish on Redis: translated into emits as the
//! admin API takes them.
//!
//! Nothing keeps what is published: what comes while the subscription is down is lost, and from when to when is said. Of several
//! nodes one listens at a time.

mod check;
mod emit_json;
mod node;
mod python;
mod rooms;
mod subscription;
mod task;
mod turn;

pub use check::check_redis_emitter;
pub(super) use task::RedisEmitterTask;

use crate::ingest::intake::SocketVerb;
use emit_json::{EmitJson, SocketsJson};

/// What was published.
#[derive(Debug)]
enum RedisMessage {
    /// An emit.
    Emit(Box<EmitJson>),
    /// Sockets join or leave rooms, or are disconnected.
    Sockets(SocketVerb, Box<SocketsJson>),
    /// Something that this server does not do for others.
    Unsupported(&'static str),
    /// Something that others say to each other.
    NotForUs,
}
