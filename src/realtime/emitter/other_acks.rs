//! What the sockets of other nodes say to an emit of this one.

use crate::cluster::NodeNews;
use crate::connection::ReceivedAck;
use crate::core::cluster::bus::words::{AckNews, AckWords, AskedSocket, NodeAnswer};
use crate::core::emit::acks::{Acks, NotKept};
use crate::types::Timestamp;
use std::future::pending;
use tokio::sync::mpsc;

/// What the sockets of other nodes say to an emit of this one.
#[derive(Debug)]
pub(super) struct OtherAcks {
    news: mpsc::Receiver<NodeNews>,
    /// Whether it is known which sockets were asked.
    is_whole: bool,
    asked_at: Timestamp,
}

impl OtherAcks {
    pub(super) fn new(news: mpsc::Receiver<NodeNews>, asked_at: Timestamp) -> Self {
        Self { news, is_whole: false, asked_at }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What comes next; nothing more comes if nobody is asked.
    pub(super) async fn next(others: &mut Option<Self>) -> Option<NodeNews> {
        match others {
            Some(others) => others.news.recv().await,
            None => pending().await,
        }
    }

    /// Takes what came. What acks say is kept as `keep` allows.
    pub(super) fn take(
        &mut self,
        news: Option<NodeNews>,
        acks: &mut Acks<ReceivedAck>,
        keep: impl Fn(ReceivedAck) -> Result<ReceivedAck, NotKept>,
        now: Timestamp,
    ) {
        match news {
            Some(NodeNews::Answer(NodeAnswer::Emitted(counts))) => {
                for AskedSocket { socket, user, refused } in counts.asked {
                    match refused {
                        Some(why) => acks.refuse(socket, user, why),
                        None => acks.ask(socket, user, self.asked_at),
                    }
                }
            }
            Some(NodeNews::Answer(NodeAnswer::Acked(news))) => {
                for AckNews { socket, said } in news {
                    match said {
                        Some(AckWords { args, buffers }) => {
                            acks.hear(socket, keep(ReceivedAck { args, buffers }), now);
                        }
                        None => acks.lose(socket),
                    }
                }
            }
            Some(NodeNews::Answer(NodeAnswer::Failed)) => acks.may_lack_some(),
            Some(NodeNews::Answer(_)) => {}
            Some(NodeNews::Whole { is_nobody_missing }) => {
                self.is_whole = true;
                if !is_nobody_missing {
                    acks.may_lack_some();
                }
            }
            None => {
                self.is_whole = true;
                acks.may_lack_some();
            }
        }
    }
}
