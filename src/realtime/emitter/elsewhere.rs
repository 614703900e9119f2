//! Acks for another node: its event is sent to the sockets of this one, and what these say is told.

use super::asking::{Recipients, asker, send_asking};
use super::{Emitter, NotSent};
use crate::connection::ReceivedAck;
use crate::core::cluster::bus::words::{AckNews, AckWords, AskedSocket, EmitCounts, NodeAnswer};
use crate::core::emit::acks::WhyNoAck;
use crate::core::emit::message::Emit;
use crate::registry::Socket;
use crate::types::SocketId;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Acks that are told at once, at most.
const NEWS_MAX: usize = 64;
/// Bytes of what is told at once, after which nothing is added.
const NEWS_BYTES: usize = 256_000;

/// The acks of this node's sockets, for another node.
pub struct AnsweredElsewhere {
    answers: FuturesUnordered<BoxFuture<'static, (SocketId, Option<ReceivedAck>)>>,
}

impl fmt::Debug for AnsweredElsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnsweredElsewhere").field("awaited", &self.answers.len()).finish()
    }
}

impl Emitter {
    /// Sends an event that came to another node, and asks each recipient for an ack.
    pub async fn ask_for_another(
        &self,
        emit: &Emit,
        recipients: Recipients,
    ) -> (EmitCounts, AnsweredElsewhere) {
        let ack_id = self.next_ack_id();
        let (mut asked, mut answers) = (Vec::new(), Vec::new());
        let counts = send_asking(
            (emit, ack_id),
            &self.pump,
            recipients.fanout,
            |socket: &Arc<Socket>, send| {
                let mut refused = None;
                let sent = match socket.connection.await_ack(&socket.namespace, ack_id, asker(emit))
                {
                    Ok(awaited) => send(socket).map(|()| {
                        let id = socket.id;
                        let answer = async move { (id, awaited.received().await) };
                        answers.push(answer.boxed());
                    }),
                    Err(_) => Err(NotSent::TooManyAcks),
                };
                if let Err(why) = &sent {
                    refused = Some(match why {
                        NotSent::TooManyAcks => WhyNoAck::TooMany,
                        NotSent::Volatile | NotSent::Closed => WhyNoAck::NotSent,
                    });
                }
                asked.push(AskedSocket { socket: socket.id, user: socket.user().clone(), refused });
                sent
            },
        );
        let counts = counts.await;
        self.counters.count_sockets(&counts);
        let users = counts.users.into_iter().map(|(_, it)| it).collect();
        let counts = EmitCounts { matched: counts.matched, sent: counts.sent, users, asked };
        (counts, AnsweredElsewhere { answers: answers.into_iter().collect() })
    }
}

impl AnsweredElsewhere {
    /// Tells what the sockets say as it comes, until all have spoken or `timeout` is over.
    pub async fn tell(mut self, timeout: Duration, tell: impl Fn(NodeAnswer)) {
        let telling = async {
            while let Some(news) = self.next().await {
                tell(NodeAnswer::Acked(news));
            }
        };
        // Whoever asked has stopped waiting by then.
        drop(tokio::time::timeout(timeout, telling).await);
    }

    /// The next ack, and what is there already.
    async fn next(&mut self) -> Option<Vec<AckNews>> {
        let (mut news, mut bytes) = (Vec::new(), 0);
        let mut next = Some(self.answers.next().await?);
        while let Some((socket, ack)) = next {
            let said = ack.map(|it| AckWords { args: it.args, buffers: it.buffers });
            bytes += said.as_ref().map_or(0, AckWords::len);
            news.push(AckNews { socket, said });
            let is_full = NEWS_MAX <= news.len() || NEWS_BYTES <= bytes;
            let there = self.answers.next();
            next = if is_full { None } else { there.now_or_never().flatten() };
        }
        Some(news)
    }
}
