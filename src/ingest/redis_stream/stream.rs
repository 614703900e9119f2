//! What is asked of Redis. Whatever changes something does so in one script, with the question whose turn it is.

use super::entry::{EndedEntry, StreamEntry, written_ms};
use crate::config::RedisStreamConfig;
use crate::ingest::ordered::MessageVerdict;
use crate::ingest::redis::{connect, version};
use crate::ingest::reporter::WaitingMessages;
use crate::ingest::trouble::{Trouble, TroubleKind};
use crate::redis_server::RedisServer;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, PushInfo, Value, cmd};
use std::convert::Infallible;
use std::time::Duration;

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long Redis waits for a new entry before it says that there is none.
const WAIT: Duration = Duration::from_secs(1);
/// How long a server that gives no sign of life keeps its turn.
pub(super) const LEASE: Duration = Duration::from_secs(6);
/// All servers read under one name, for one reads at a time.
const CONSUMER: &str = "userline";

/// Takes the turn, or keeps it. KEYS: lease. ARGV: owner, milliseconds.
const CLAIM: &str = "
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1";

/// Gives the turn back. KEYS: lease. ARGV: owner.
const RELEASE: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1";

/// Acknowledges and deletes entries, and keeps those that failed. KEYS: lease, stream, failed. ARGV: owner, milliseconds of
/// the lease, group, most entries that are kept, then id and error of each; no error is ''. An entry with very many fields
/// is kept without them: a script may not have so many values.
const SETTLE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
for i = 5, #ARGV, 2 do
  local id, why = ARGV[i], ARGV[i + 1]
  if why ~= '' then
    local found = redis.call('XRANGE', KEYS[2], id, id)[1]
    local fields = found and found[2] or {}
    if #fields > 1000 then fields = {} end
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'id', id, 'error', why, unpack(fields))
  end
  redis.call('XACK', KEYS[2], ARGV[3], id)
  redis.call('XDEL', KEYS[2], id)
end
return 1";

/// A stream, as one server sees it.
pub(super) struct EmitStream {
    connection: MultiplexedConnection,
    owner: String,
    config: RedisStreamConfig,
    lease: String,
    failed: String,
}

impl EmitStream {
    /// Where a stream begins.
    pub(super) const FIRST: &str = "0-0";

    /// Connects; `owner` is what this server is called in the lease.
    pub(super) async fn connect(
        server: &RedisServer,
        config: RedisStreamConfig,
        owner: String,
    ) -> Result<Self, Trouble> {
        let unasked = |_: PushInfo| -> Result<(), Infallible> { Ok(()) };
        let connection = connect(server, PATIENCE, unasked).await?;
        let (lease, failed) =
            (format!("{}:reader", config.stream), format!("{}:failed", config.stream));
        Ok(Self { connection, owner, config, lease, failed })
    }

    /// Makes the group, if it is not there: it reads from the beginning of the stream.
    pub(super) async fn prepare(&mut self) -> Result<(), Trouble> {
        let RedisStreamConfig { stream, group, .. } = &self.config;
        let mut make = cmd("XGROUP");
        make.arg("CREATE").arg(stream).arg(group).arg("0").arg("MKSTREAM");
        match make.exec_async(&mut self.connection).await {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Takes the turn, or keeps it; false if another server has it.
    pub(super) async fn claim(&mut self) -> Result<bool, Trouble> {
        let mut claim = cmd("EVAL");
        claim.arg(CLAIM).arg(1).arg(&self.lease).arg(&self.owner).arg(millis(LEASE));
        self.ask(claim).await
    }

    /// Gives the turn back.
    pub(super) async fn release(&mut self) -> Result<(), Trouble> {
        let mut release = cmd("EVAL");
        release.arg(RELEASE).arg(1).arg(&self.lease).arg(&self.owner);
        self.ask::<u8>(release).await.map(drop)
    }

    /// Entries that were read and not acknowledged, by a server that is gone or before a failure: the first ones from
    /// `after` on, and from where on there may be more.
    pub(super) async fn take_over(
        &mut self,
        after: &str,
    ) -> Result<(Vec<StreamEntry>, Option<String>), Trouble> {
        let RedisStreamConfig { stream, group, batch, .. } = &self.config;
        let mut claim = cmd("XAUTOCLAIM");
        claim.arg(stream).arg(group).arg(CONSUMER).arg(0).arg(after).arg("COUNT").arg(*batch);
        let answer: Value = self.ask(claim).await.map_err(|trouble| {
            // Redis 6.0 knows the rest.
            if trouble.to_string().contains("unknown command") {
                return Trouble::new(
                    TroubleKind::TooOld,
                    "Redis 6.2 or newer is needed, for XAUTOCLAIM",
                );
            }
            trouble
        })?;
        let Value::Array(parts) = answer else { return Err(unexpected()) };
        let mut parts = parts.into_iter();
        let (next, entries) = (parts.next(), parts.next());
        let (next, entries) = next.zip(entries).ok_or_else(unexpected)?;
        let next = String::from_redis_value(next).map_err(|_| unexpected())?;
        let entries = StreamEntry::read_all(entries).ok_or_else(unexpected)?;
        Ok((entries, Some(next).filter(|it| it != Self::FIRST)))
    }

    /// New entries; waits a moment for the first one.
    pub(super) async fn read(&mut self) -> Result<Vec<StreamEntry>, Trouble> {
        let RedisStreamConfig { stream, group, batch, .. } = &self.config;
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(group).arg(CONSUMER).arg("COUNT").arg(*batch);
        read.arg("BLOCK").arg(millis(WAIT)).arg("STREAMS").arg(stream).arg(">");
        // By stream; nothing if no entry came.
        let streams: Option<Vec<(Value, Value)>> = self.ask(read).await?;
        let entries = streams.and_then(|mut it| it.pop()).map_or(Value::Nil, |(_, it)| it);
        StreamEntry::read_all(entries).ok_or_else(unexpected)
    }

    /// Acknowledges and deletes what is over, and keeps what failed; false if another server has the turn by now.
    pub(super) async fn settle(&mut self, ended: &[EndedEntry]) -> Result<bool, Trouble> {
        let RedisStreamConfig { stream, group, failed_max, .. } = &self.config;
        let mut settle = cmd("EVAL");
        settle.arg(SETTLE).arg(3).arg(&self.lease).arg(stream).arg(&self.failed);
        settle.arg(&self.owner).arg(millis(LEASE)).arg(group).arg(*failed_max);
        for EndedEntry { id, verdict } in ended {
            let why = match verdict {
                MessageVerdict::Done | MessageVerdict::Expired => "",
                MessageVerdict::Failed(why) => why,
            };
            settle.arg(id).arg(why);
        }
        self.ask(settle).await
    }

    /// The time of Redis, in milliseconds.
    pub(super) async fn now_ms(&mut self) -> Result<u64, Trouble> {
        let (seconds, micros): (u64, u64) = self.ask(cmd("TIME")).await?;
        Ok(seconds.saturating_mul(1000).saturating_add(micros / 1000))
    }

    /// What waits.
    pub(super) async fn waiting(&mut self) -> Result<WaitingMessages, Trouble> {
        let now_ms = self.now_ms().await?;
        let RedisStreamConfig { stream, .. } = &self.config;
        let (mut count, mut failed, mut first) = (cmd("XLEN"), cmd("XLEN"), cmd("XRANGE"));
        count.arg(stream);
        failed.arg(&self.failed);
        first.arg(stream).arg("-").arg("+").arg("COUNT").arg(1);
        let backlog = self.ask(count).await?;
        let failed = self.ask(failed).await?;
        let first = StreamEntry::read_all(self.ask(first).await?).ok_or_else(unexpected)?;
        let written = first.first().and_then(|it| written_ms(&it.id)).unwrap_or(now_ms);
        let lag = Duration::from_millis(now_ms.saturating_sub(written));
        Ok(WaitingMessages { backlog, failed, lag })
    }

    /// The version of Redis.
    pub(super) async fn version(&mut self) -> Result<String, Trouble> {
        version(&mut self.connection).await
    }

    /// Whether a server has the turn.
    pub(super) async fn has_reader(&mut self) -> Result<bool, Trouble> {
        let mut get = cmd("GET");
        get.arg(&self.lease);
        Ok(self.ask::<Option<String>>(get).await?.is_some())
    }

    /// The key of the stream.
    pub(super) fn name(&self) -> &str {
        &self.config.stream
    }

    /// What Redis answers.
    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: Cmd) -> Result<T, Trouble> {
        Ok(command.query_async(&mut self.connection).await?)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn unexpected() -> Trouble {
    Trouble::new(TroubleKind::Failed, "Redis gave an answer that is not as documented")
}
