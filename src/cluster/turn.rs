//! What one node at a time does, such as listening to what others publish: whose turn it is.

use super::member::{ClusterMember, Unattached};
use crate::clock::Clock;
use crate::core::cluster::ledger::{LedgerAsk, LedgerReply, OwnerToken};
use crate::types::{Timestamp, WallMs};
use std::sync::Arc;
use std::time::Duration;

/// Something that one node at a time does.
#[derive(Debug, Clone)]
pub struct ClusterTurn {
    member: ClusterMember,
    name: Arc<str>,
    lasts: Duration,
    clock: Clock,
}

/// The turn, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnTaken {
    /// Another one with each node, and each time a node was taken for gone.
    pub token: OwnerToken,
    /// Until then no other node has it.
    pub until: Timestamp,
    /// What was noted last by whoever had it before; `None`: nobody had it yet.
    pub noted: Option<WallMs>,
}

impl ClusterTurn {
    /// `name` is what nodes compete for; `lease` is how long a node may be silent.
    pub fn new(member: ClusterMember, name: &str, lease: Duration, clock: Clock) -> Self {
        // A node beats three times in a lease. So one that was known when it asked is not taken for gone before half of it.
        Self { member, name: format!("turn:{name}").into(), lasts: lease / 2, clock }
    }

    /// Takes the turn or keeps it, and notes a time for whoever has it next; `None`: another node has it.
    pub async fn take(&self, note: Option<WallMs>) -> Result<Option<TurnTaken>, Unattached> {
        let until = self.clock.now() + self.lasts;
        let incarnation = self.member.incarnation().ok_or(Unattached)?;
        let asked = LedgerAsk::TakeTurn { incarnation, note };
        let reply = self.member.ledger(Arc::clone(&self.name), asked).await?;
        let LedgerReply::Turn(turn) = reply else { return Err(Unattached) };
        Ok(turn.map(|(token, noted)| TurnTaken { token, until, noted }))
    }

    /// Gives the turn back, so that nobody has to wait.
    pub async fn give(&self, note: Option<WallMs>) {
        if note.is_some() {
            // What is not noted any more is only said to be longer ago.
            let _kept = self.take(note).await;
        }
        if let Some(incarnation) = self.member.incarnation() {
            // Without an answer another node finds out that this one is gone.
            let asked = self.member.ledger(Arc::clone(&self.name), LedgerAsk::Give(incarnation));
            let _given = asked.await;
        }
    }
}
