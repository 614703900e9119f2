//! The subscription: opened, kept alive, and opened again.

use super::rooms::RoomRules;
use super::subscription::{PublishedMessage, Subscription};
use super::turn::{ASK_EVERY, ListeningTurn};
use super::{RedisMessage, emit_json, node, python};
use crate::clock::Clock;
use crate::cluster::ClusterTurn;
use crate::config::RedisEmitterConfig;
use crate::core::backend::backoff;
use crate::entropy;
use crate::ingest::intake::{Intake, MessageRefusal, Posted};
use crate::ingest::redis;
use crate::ingest::reporter::{MessageOutcome, Reporter};
use crate::ingest::trouble::{Trouble, TroubleKind};
use crate::redis_server::RedisServer;
use crate::types::WallMs;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often Redis is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(5);

/// Hears what is published for as long as the server runs.
pub(in crate::ingest) struct RedisEmitterTask {
    server: RedisServer,
    config: RedisEmitterConfig,
    rules: RoomRules,
    intake: Intake,
    /// Whose turn it is, if there are other nodes.
    cluster: Option<ClusterTurn>,
    reporter: Reporter,
    clock: Clock,
    stop: CancellationToken,
    /// Until when it certainly heard all that was published; `None` before the first time.
    heard_until: Option<WallMs>,
    /// What comes in vain, and was said in the log already.
    said: BTreeSet<&'static str>,
}

impl RedisEmitterTask {
    pub(in crate::ingest) fn new(
        config: &RedisEmitterConfig,
        intake: Intake,
        reporter: Reporter,
        clock: Clock,
        stop: CancellationToken,
    ) -> Self {
        let cluster = intake.parts.cluster.clone().map(|(member, lease)| {
            ClusterTurn::new(member, config.name.as_str(), lease, clock.clone())
        });
        Self {
            server: redis::server(&config.server),
            cluster,
            rules: RoomRules(config.user_rooms.clone()),
            config: config.clone(),
            intake,
            reporter,
            clock,
            stop,
            heard_until: None,
            said: BTreeSet::new(),
        }
    }

    pub(in crate::ingest) async fn run(mut self) {
        let stop = self.stop.clone();
        let mut failures = 0_u32;
        while !stop.is_cancelled() {
            let Some(mut turn) = self.turn().await else { return };
            let subscribed = tokio::select! {
                () = stop.cancelled() => return,
                subscribed = Subscription::open(&self.server, &self.config) => subscribed,
            };
            let ended = match subscribed {
                Ok(subscription) => {
                    failures = 0;
                    self.active(&turn);
                    self.hear(subscription, &mut turn).await
                }
                Err(trouble) => Err(trouble),
            };
            // Where this node hears nothing, another one may.
            turn.give(self.heard_until).await;
            let Err(trouble) = ended else { return };
            let kind = trouble.kind;
            if kind == TroubleKind::Superseded {
                self.reporter.standby();
                continue;
            }
            self.reporter.fail(kind.as_str(), trouble.to_string(), kind.gravity());
            failures = failures.saturating_add(1);
            let pause = backoff::delay(failures, entropy::number().unwrap_or(u32::MAX));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Waits until it is the turn of this node; `None`: it stops.
    async fn turn(&mut self) -> Option<ListeningTurn> {
        let Some(cluster) = &self.cluster else {
            return Some(ListeningTurn::alone(self.clock.clone()));
        };
        loop {
            if let Some(turn) = ListeningTurn::take(cluster, &self.clock).await {
                return Some(turn);
            }
            self.reporter.standby();
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
        }
    }

    fn active(&mut self, turn: &ListeningTurn) {
        let now = self.clock.wall();
        let before = self.heard_until.replace(now).max(turn.heard_before());
        if let Some(since) = before {
            self.reporter.missed(since, now);
        }
        self.reporter.active();
    }

    /// Hears until the subscription ends, or is stopped, or it is another node's turn. While it is not certain whose turn it is,
    /// what comes waits.
    async fn hear(
        &mut self,
        mut subscription: Subscription,
        turn: &mut ListeningTurn,
    ) -> Result<(), Trouble> {
        self.warn_of_sharded(&mut subscription).await;
        let mut pings = tokio::time::interval(PING_EVERY);
        let (mut was_certain, mut next) = (true, None);
        loop {
            let is_certain = turn.is_certain();
            if is_certain != was_certain {
                was_certain = is_certain;
                self.certain(is_certain);
            }
            if is_certain && let Some(message) = next.take() {
                self.take(message).await;
                continue;
            }
            tokio::select! {
                () = self.stop.cancelled() => {
                    // What was heard is sent to its end.
                    for _ in 0..subscription.waiting() {
                        if turn.is_certain() && let Some(message) = subscription.next().await {
                            self.take(message).await;
                        }
                    }
                    return Ok(());
                }
                kept = turn.keep(self.heard_until) => kept?,
                message = subscription.next(), if is_certain => {
                    // This process may have stood still: it is asked once more whose turn it is.
                    next = message;
                    if next.is_none() {
                        self.lost(subscription.take_dropped());
                        return Err(Trouble::new(TroubleKind::Unreachable, "the connection was closed"));
                    }
                }
                _ = pings.tick() => {
                    let at = self.clock.wall();
                    subscription.ping().await?;
                    // What was published before is here, or on its way to be taken.
                    if turn.is_certain() {
                        self.heard_until = Some(at);
                    }
                    self.lost(subscription.take_dropped());
                }
            }
        }
    }

    /// Whether it is certain whose turn it is has changed.
    fn certain(&mut self, is_certain: bool) {
        if is_certain {
            self.reporter.active();
        } else {
            let kind = TroubleKind::Unavailable;
            let why = "the cluster cannot be reached: another node may listen, and what comes waits here until that is known";
            self.reporter.fail(kind.as_str(), why.to_owned(), kind.gravity());
        }
    }

    /// Messages came faster than they could be taken.
    fn lost(&self, dropped: u64) {
        if 0 < dropped {
            let source = &self.config.name;
            tracing::warn!(
                %source, dropped,
                "messages for `{source}` were published faster than they can be emitted: {dropped} were dropped"
            );
            self.reporter.count_many(MessageOutcome::Lost, dropped);
        }
    }

    /// Says in the log once that somebody uses what cannot be heard.
    async fn warn_of_sharded(&mut self, subscription: &mut Subscription) {
        if let Some(channel) = subscription.sharded_channel(&self.config.key).await
            && self.said.insert("sharded")
        {
            let source = &self.config.name;
            tracing::warn!(
                %source, channel,
                "a server with the sharded adapter (`createShardedAdapter`) listens on `{channel}`: what is emitted through \
                 it cannot be heard by `{source}`; use `createAdapter`"
            );
        }
    }

    async fn take(&mut self, message: PublishedMessage) {
        let PublishedMessage { channel, bytes, .. } = &message;
        let posted = match self.read(channel, bytes) {
            Ok(RedisMessage::NotForUs) => return,
            Ok(RedisMessage::Unsupported(what)) => {
                let message = format!("`{what}` is not done for others; the admin API can");
                return self.refuse_aloud(
                    channel,
                    &MessageRefusal { code: "unsupported", message },
                    what,
                );
            }
            Ok(RedisMessage::Sockets(..)) if !self.config.allow_control => {
                let message = "having sockets join, leave or disconnected needs `allow_control = true` of the source";
                let refusal = MessageRefusal { code: "forbidden", message: message.to_owned() };
                return self.refuse_aloud(channel, &refusal, "control");
            }
            Ok(RedisMessage::Sockets(verb, json)) => {
                self.intake.change(verb, &emit_json::bytes(&*json)).await
            }
            Ok(RedisMessage::Emit(emit)) => match self.intake.read(&emit_json::bytes(&*emit), None)
            {
                Ok(message) => self.intake.post(message).await,
                Err(refusal) => Posted::Refused(refusal),
            },
            Err(refusal) if refusal.code == python::PICKLED => {
                return self.refuse_aloud(channel, &refusal, python::PICKLED);
            }
            Err(refusal) => Posted::Refused(refusal),
        };
        let outcome = match posted {
            Posted::Refused(refusal) => return self.refuse(channel, &refusal),
            Posted::Later(_) => MessageOutcome::Lost,
            Posted::Emitted => MessageOutcome::Emitted,
            Posted::Repeated => MessageOutcome::Repeated,
            Posted::Unmatched => MessageOutcome::Unmatched,
            Posted::Changed => MessageOutcome::Changed,
        };
        self.reporter.count(outcome);
    }

    fn read(&self, channel: &str, bytes: &[u8]) -> Result<RedisMessage, MessageRefusal> {
        let payload_max = self.intake.parts.payload_max;
        if payload_max < bytes.len() {
            Err(MessageRefusal::too_large(bytes.len(), payload_max))
        } else if self.config.python_channel.as_deref() == Some(channel) {
            python::message(bytes, &self.rules)
        } else if channel.strip_prefix(&*self.config.key).is_some_and(|it| it.starts_with('#')) {
            node::emit(bytes, &self.rules).map(|it| RedisMessage::Emit(Box::new(it)))
        } else {
            node::request(channel, bytes, &self.rules)
        }
    }

    fn refuse(&self, channel: &str, refusal: &MessageRefusal) {
        self.reporter.refuse(&format!("a message on `{channel}`"), refusal);
    }

    /// Says it in the log as well, once for each `what`: whoever sends it does so all the time.
    fn refuse_aloud(&mut self, channel: &str, refusal: &MessageRefusal, what: &'static str) {
        self.refuse(channel, refusal);
        if self.said.insert(what) {
            let (source, MessageRefusal { code, message }) = (&self.config.name, refusal);
            tracing::warn!(%source, channel, code, "`{source}` cannot take what comes on `{channel}`: {message}");
        }
    }
}
