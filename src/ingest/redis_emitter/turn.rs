//! Whose turn it is to listen, where nodes share the work: each message is to act once.

use crate::clock::Clock;
use crate::cluster::{ClusterTurn, TurnTaken, Unattached};
use crate::ingest::trouble::{Trouble, TroubleKind};
use crate::types::{Timestamp, WallMs};
use futures_util::future::BoxFuture;
use std::time::Duration;

/// How often the node whose turn it is says so, and others ask.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(1);

/// The turn of this node, as long as it lasts.
pub(super) struct ListeningTurn {
    /// `None`: there are no other nodes.
    cluster: Option<TurnOfMany>,
    clock: Clock,
}

struct TurnOfMany {
    turn: ClusterTurn,
    taken: TurnTaken,
    asking: Option<AskedTurn>,
    ask_at: Timestamp,
}

type AskedTurn = BoxFuture<'static, Result<Option<TurnTaken>, Unattached>>;

impl ListeningTurn {
    /// That of a node that is alone.
    pub(super) fn alone(clock: Clock) -> Self {
        Self { cluster: None, clock }
    }

    /// Asks for the turn; `None`: another node has it, or nobody can say.
    pub(super) async fn take(turn: &ClusterTurn, clock: &Clock) -> Option<Self> {
        let taken = turn.take(None).await.ok().flatten()?;
        // Once more as soon as it listens, so that whoever comes after it knows from when on it did.
        let (ask_at, clock) = (clock.now(), clock.clone());
        let cluster = Some(TurnOfMany { turn: turn.clone(), taken, asking: None, ask_at });
        Some(Self { cluster, clock })
    }

    /// Until when whoever had it before certainly heard all.
    pub(super) fn heard_before(&self) -> Option<WallMs> {
        self.cluster.as_ref()?.taken.noted
    }

    /// Whether it is certain that no other node has it.
    pub(super) fn is_certain(&self) -> bool {
        self.cluster.as_ref().is_none_or(|it| self.clock.now() < it.taken.until)
    }

    /// Keeps it, with a note for the next one: ends when something is known, or may be, that was not. An error says that another
    /// node has it.
    pub(super) async fn keep(&mut self, heard_until: Option<WallMs>) -> Result<(), Trouble> {
        let Self { cluster, clock } = self;
        let Some(TurnOfMany { turn, taken, asking, ask_at }) = cluster else {
            return std::future::pending().await;
        };
        if asking.is_none() {
            clock.sleep_until(*ask_at).await;
        }
        let now = clock.now();
        let asked = asking.get_or_insert_with(|| {
            let turn = turn.clone();
            Box::pin(async move { turn.take(heard_until).await })
        });
        let uncertain = if now < taken.until { taken.until } else { now + ASK_EVERY };
        let answer = tokio::select! {
            answer = asked => answer,
            () = clock.sleep_until(uncertain) => return Ok(()),
        };
        (*asking, *ask_at) = (None, clock.now() + ASK_EVERY);
        match answer {
            Ok(Some(kept)) if kept.token == taken.token => taken.until = kept.until,
            // As another incarnation it may have it anew; between, another node may have had it.
            Ok(Some(_) | None) => return Err(superseded()),
            Err(Unattached) => {}
        }
        Ok(())
    }

    /// Gives it back.
    pub(super) async fn give(self, heard_until: Option<WallMs>) {
        let is_certain = self.is_certain();
        if let Some(TurnOfMany { turn, .. }) = self.cluster {
            turn.give(heard_until.filter(|_| is_certain)).await;
        }
    }
}

fn superseded() -> Trouble {
    Trouble::new(TroubleKind::Superseded, "another node listens by now")
}
