//! Entries of a stream in Redis that are emits, for those who cannot lose what they emit.
//!
//! ```text
//!   stream ─► group: who has read what ─► batch: who waits behind whom ─► sent ─► acknowledged and deleted, in one script
//!     ▲ one server at a time: a lease, which the same script asks for ┘
//! ```
//!
//! Several consumers of a group would share the entries, and their order would be lost: so there is one. Who takes over takes
//! what was read and not acknowledged first. An entry is acknowledged after it was sent: it is sent at least once, and what
//! is stored, once.

mod check;
mod entry;
mod session;
mod stream;

pub use check::check_redis_stream;

use super::intake::Intake;
use super::redis;
use super::reporter::Reporter;
use super::trouble::TroubleKind;
use crate::clock::Clock;
use crate::config::RedisStreamConfig;
use crate::core::backend::backoff;
use crate::entropy;
use crate::redis_server::RedisServer;
use session::StreamSource;
use stream::EmitStream;
use tokio_util::sync::CancellationToken;

/// A stream that can be read.
pub(super) struct RedisStreamTask {
    server: RedisServer,
    /// What this server is called in the lease.
    owner: String,
    source: StreamSource,
}

impl RedisStreamTask {
    pub(super) fn new(
        config: &RedisStreamConfig,
        intake: Intake,
        reporter: Reporter,
        clock: Clock,
        stop: CancellationToken,
    ) -> Self {
        let source = StreamSource {
            config: config.clone(),
            intake,
            reporter,
            clock,
            stop,
            unmarked: Vec::new(),
            failures: 0,
        };
        Self { server: redis::server(&config.server), owner: entropy::token(""), source }
    }

    /// Takes entries until it is stopped; what is being sent then is sent and acknowledged.
    pub(super) async fn run(mut self) {
        let stop = self.source.stop.clone();
        while !stop.is_cancelled() {
            let connecting =
                EmitStream::connect(&self.server, self.source.config.clone(), self.owner.clone());
            let connected = tokio::select! {
                () = stop.cancelled() => return,
                connected = connecting => connected,
            };
            let ended = match connected {
                Ok(stream) => self.source.session(stream).await,
                Err(trouble) => Err(trouble),
            };
            let Err(trouble) = ended else { continue };
            let (source, kind) = (&mut self.source, trouble.kind);
            if kind == TroubleKind::Superseded {
                source.reporter.standby();
                continue;
            }
            source.reporter.fail(kind.as_str(), trouble.to_string(), kind.gravity());
            source.failures = source.failures.saturating_add(1);
            let pause = backoff::delay(source.failures, entropy::number().unwrap_or(u32::MAX));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
