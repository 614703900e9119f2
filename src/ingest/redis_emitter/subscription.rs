//! A subscription to what is published, with a bound on what waits: what comes on top is counted and dropped, for Redis would
//! rather close the connection than wait.

use crate::config::RedisEmitterConfig;
use crate::ingest::redis::{connect, glob, version};
use crate::ingest::trouble::Trouble;
use crate::redis_server::RedisServer;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue as _, PushInfo, PushKind, RedisError, Value, cmd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// How long Redis may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that may wait, for a burst that comes faster than it can be sent.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What a message costs besides its text.
const MESSAGE_BYTES: usize = 256;

/// A message that was published.
#[derive(Debug)]
pub(super) struct PublishedMessage {
    pub(super) channel: String,
    pub(super) bytes: Vec<u8>,
    /// Its room in the queue.
    _room: OwnedSemaphorePermit,
}

/// A subscription; it ends with this.
pub(super) struct Subscription {
    connection: MultiplexedConnection,
    messages: mpsc::Receiver<PublishedMessage>,
    dropped: Arc<AtomicU64>,
}

/// Where messages wait until they are taken.
struct PublishedQueue {
    messages: mpsc::Sender<PublishedMessage>,
    /// For how many bytes there is room.
    room: Arc<Semaphore>,
    dropped: Arc<AtomicU64>,
}

impl PublishedQueue {
    /// Room for so many bytes.
    fn new(bytes: usize) -> (Self, mpsc::Receiver<PublishedMessage>, Arc<AtomicU64>) {
        let (messages, receiver) = mpsc::channel(bytes / MESSAGE_BYTES);
        let dropped = Arc::new(AtomicU64::new(0));
        let room = Arc::new(Semaphore::new(bytes));
        (Self { messages, room, dropped: Arc::clone(&dropped) }, receiver, dropped)
    }

    fn push(&self, push: PushInfo) -> Result<(), Dropped> {
        let PushInfo { kind: PushKind::PMessage, data } = push else { return Ok(()) };
        self.take_in(data).inspect_err(|Dropped| {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn take_in(&self, data: Vec<Value>) -> Result<(), Dropped> {
        let (channel, bytes) = read(data).ok_or(Dropped)?;
        let cost = MESSAGE_BYTES.saturating_add(channel.len()).saturating_add(bytes.len());
        let cost = u32::try_from(cost).map_err(|_| Dropped)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(cost).map_err(|_| Dropped)?;
        let message = PublishedMessage { channel, bytes, _room: room };
        self.messages.try_send(message).map_err(|_| Dropped)
    }
}

/// There was no room for a message.
#[derive(Debug, PartialEq, Eq)]
struct Dropped;

impl Subscription {
    /// By patterns: a plain subscription would count among the servers of Node's, which wait for the answers of all.
    pub(super) async fn open(
        server: &RedisServer,
        config: &RedisEmitterConfig,
    ) -> Result<Self, Trouble> {
        let mut it = Self::connect(server).await?;
        it.subscribe(config).await?;
        Ok(it)
    }

    /// Connects; nothing is heard yet.
    pub(super) async fn connect(server: &RedisServer) -> Result<Self, Trouble> {
        let (queue, messages, dropped) = PublishedQueue::new(WAITING_BYTES_MAX);
        let pushed = move |push| queue.push(push);
        let connection = connect(server, PATIENCE, pushed).await?;
        Ok(Self { connection, messages, dropped })
    }

    /// Hears what is published from now on.
    pub(super) async fn subscribe(&mut self, config: &RedisEmitterConfig) -> Result<(), Trouble> {
        Ok(self.connection.psubscribe(&patterns(config)).await?)
    }

    /// The version of Redis.
    pub(super) async fn version(&mut self) -> Result<String, Trouble> {
        version(&mut self.connection).await
    }

    /// The next message; `None` when the connection is gone.
    pub(super) async fn next(&mut self) -> Option<PublishedMessage> {
        self.messages.recv().await
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.messages.len()
    }

    /// How many were dropped since this was asked last.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// Asks for a sign of life.
    pub(super) async fn ping(&mut self) -> Result<(), Trouble> {
        Ok(cmd("PING").exec_async(&mut self.connection).await?)
    }

    /// A channel of the sharded adapter, if one of its servers is there: what goes by these channels cannot be heard by
    /// pattern. None as well where Redis has no such channels, before its version 7.
    pub(super) async fn sharded_channel(&mut self, key: &str) -> Option<String> {
        let mut ask = cmd("PUBSUB");
        ask.arg("SHARDCHANNELS").arg(format!("{}*", glob(key)));
        let channels: Result<Vec<String>, RedisError> = ask.query_async(&mut self.connection).await;
        channels.ok()?.pop()
    }
}

/// What is subscribed to.
pub(super) fn patterns(config: &RedisEmitterConfig) -> Vec<String> {
    let key = glob(&config.key);
    let mut patterns = vec![format!("{key}#*"), format!("{key}-request#*")];
    patterns.extend(config.python_channel.as_deref().map(glob));
    patterns
}

/// Channel and text, without the pattern that fitted.
fn read(data: Vec<Value>) -> Option<(String, Vec<u8>)> {
    let [_, channel, bytes] = <[Value; 3]>::try_from(data).ok()?;
    let channel = String::from_redis_value(channel).ok()?;
    let bytes = Vec::<u8>::from_redis_value(bytes).ok()?;
    Some((channel, bytes))
}

#[cfg(test)]
mod tests {
    use super::{Dropped, MESSAGE_BYTES, PublishedQueue};
    use redis::{PushInfo, PushKind, Value};
    use std::sync::atomic::Ordering;

    fn published(bytes: usize) -> PushInfo {
        let text = |it: &str| Value::BulkString(it.as_bytes().to_vec());
        let data =
            vec![text("socket.io#*"), text("socket.io#/#"), Value::BulkString(vec![7; bytes])];
        PushInfo { kind: PushKind::PMessage, data }
    }

    #[test]
    fn what_has_no_room_is_dropped_and_counted_until_there_is_room_again() {
        let (queue, mut messages, dropped) = PublishedQueue::new(4 * MESSAGE_BYTES);

        assert_eq!(queue.push(published(4 * MESSAGE_BYTES)), Err(Dropped), "too large at all");
        assert_eq!(queue.push(published(2 * MESSAGE_BYTES)), Ok(()));
        assert_eq!(queue.push(published(0)), Err(Dropped));
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
        drop(messages.try_recv().unwrap());
        assert_eq!(queue.push(published(0)), Ok(()));
        assert_eq!(messages.try_recv().unwrap().channel, "socket.io#/#");
        assert!(messages.try_recv().is_err());
    }

    #[test]
    fn what_else_redis_says_is_no_message() {
        let (queue, mut messages, dropped) = PublishedQueue::new(4 * MESSAGE_BYTES);

        let subscribed = PushInfo { kind: PushKind::PSubscribe, data: Vec::new() };
        assert_eq!(queue.push(subscribed), Ok(()));
        assert!(messages.try_recv().is_err());
        assert_eq!(dropped.load(Ordering::Relaxed), 0);
    }
}
