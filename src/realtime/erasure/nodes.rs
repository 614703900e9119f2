//! Erasing a user whom many nodes know: what they share goes, and each forgets.
//!
//! The user goes first, on every node, and its hooks are told. What is in Redis goes then; what nodes have copies of is changed
//! there, so that one that hears nothing follows by itself. Last every node is asked to forget, and says whether the user has come
//! back meanwhile: then all of it is done once more.

use super::{EraseError, Erased, Erasure, HOOKS_WAIT, LOOK_EVERY, PendingHooks};
use crate::clock::Clock;
use crate::cluster::{Answers, Bus, ClusterErasing, FoundEvents, MissingNodes};
use crate::core::cluster::book::BookName;
use crate::core::cluster::bus::words::{BusRequest, NodeAnswer, NodeQuery};
use crate::hooks::HookLedger;
use crate::realtime::control::Control;
use crate::realtime::memberships::MembershipControl;
use crate::types::{Timestamp, UserId};
use std::sync::Arc;
use tokio::time::sleep;

/// What nodes have copies of.
const BOOKS: [BookName; 2] = [BookName::Restrictions, BookName::Memberships];
/// Looks before the user is kicked once more.
const LOOKS: u32 = 20;

/// Erases users whom many nodes know.
#[derive(Debug)]
pub struct ErasureOfNodes {
    erasing: ClusterErasing,
    bus: Bus,
    control: Arc<Control>,
    memberships: Arc<MembershipControl>,
    hooks: HookLedger,
    clock: Clock,
}

impl ErasureOfNodes {
    /// What Redis has goes by `erasing`, what nodes have copies of by `control` and `memberships`; the others are asked by `bus`.
    pub fn new(
        (erasing, bus): (ClusterErasing, Bus),
        (control, memberships): (Arc<Control>, Arc<MembershipControl>),
        (hooks, clock): (HookLedger, Clock),
    ) -> Self {
        Self { erasing, bus, control, memberships, hooks, clock }
    }

    /// As [`Erasure::erase`], with `here` as this node's part of it.
    pub(super) async fn erase(
        &self,
        here: &Erasure,
        user: &UserId,
        hooks: PendingHooks,
    ) -> Result<Erased, EraseError> {
        let (erased, is_kept) = self.erasing.confirmed(self.erase_all(here, user, hooks)).await;
        let erased = erased?;
        is_kept?;
        Ok(erased)
    }

    async fn erase_all(
        &self,
        here: &Erasure,
        user: &UserId,
        hooks: PendingHooks,
    ) -> Result<Erased, EraseError> {
        let until = self.clock.now() + HOOKS_WAIT;
        let (mut erased, mut events) = (Erased::default(), FoundEvents::default());
        loop {
            self.see_off(here, user, &mut erased, until).await?;
            if hooks == PendingHooks::Send {
                self.wait_for_hooks(user, &mut events, until).await?;
            } else {
                self.erasing.look(user, &mut events).await?;
            }
            here.attendance.revoke_where_all_agree(user).await.map_err(|_| EraseError::Away)?;
            let with_waiting = hooks == PendingHooks::Drop;
            let (dropped, left) = self.erasing.erase(user, &events, with_waiting).await?;
            erased.dropped += dropped;
            self.control.erase(user).await.map_err(|_| EraseError::Away)?;
            self.memberships.erase(user).await.map_err(|_| EraseError::Away)?;
            for book in BOOKS {
                self.erasing.calm(book, user).await?;
            }
            let (came_back, missing) = self.disconnect(here, user, true).await?;
            for book in BOOKS {
                self.erasing.forget_changes(book, user).await?;
            }
            erased.disconnected += came_back;
            if came_back == 0 && left == 0 && self.erasing.is_offline(user).await? {
                self.leave_no_trace_in_the_log().await;
                return Ok(Erased { missing, ..erased });
            }
            if until <= self.clock.now() {
                return Err(EraseError::Busy);
            }
        }
    }

    /// The user goes, on every node, until it is offline.
    async fn see_off(
        &self,
        here: &Erasure,
        user: &UserId,
        erased: &mut Erased,
        until: Timestamp,
    ) -> Result<(), EraseError> {
        loop {
            let (disconnected, missing) = self.disconnect(here, user, false).await?;
            erased.disconnected += disconnected;
            for _ in 0..LOOKS {
                if self.erasing.is_offline(user).await? {
                    return Ok(());
                }
                sleep(LOOK_EVERY).await;
            }
            if until <= self.clock.now() {
                return Err(if missing.is_nobody() {
                    EraseError::Busy
                } else {
                    EraseError::StillThere
                });
            }
        }
    }

    async fn wait_for_hooks(
        &self,
        user: &UserId,
        events: &mut FoundEvents,
        until: Timestamp,
    ) -> Result<(), EraseError> {
        loop {
            let waiting = self.erasing.look(user, events).await?;
            if waiting == 0 {
                return Ok(());
            }
            if until <= self.clock.now() {
                let count = u64::try_from(waiting).unwrap_or(u64::MAX);
                return Err(EraseError::HooksWait { count });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The user's sockets go, on every node; with `forget` each forgets it, too. Returns how many sockets there were, and the nodes
    /// of which that is not known.
    async fn disconnect(
        &self,
        here: &Erasure,
        user: &UserId,
        forget: bool,
    ) -> Result<(usize, MissingNodes), EraseError> {
        let asked = self.bus.ask(BusRequest::Erase { user: user.clone(), forget });
        let asked = asked.map_err(|_| EraseError::Away)?;
        let count = self.disconnect_here(here, user, forget).await.ok_or(EraseError::Away)?;
        let Answers { answers, missing } = asked.answers().await;
        if missing.is_degraded {
            return Err(EraseError::Away);
        }
        let counted =
            answers.iter().map(|it| if let NodeAnswer::Counted(it) = it { *it } else { 0 });
        Ok((count + counted.sum::<usize>(), missing))
    }

    /// This node's part of that; `None` if it does not know what the nodes have agreed on.
    pub(super) async fn disconnect_here(
        &self,
        here: &Erasure,
        user: &UserId,
        forget: bool,
    ) -> Option<usize> {
        // Whoever is not here was seen off before.
        let count = if forget && here.is_offline(user) { 0 } else { here.kick(user) };
        if forget {
            self.control.follow(0).await.ok()?;
            self.memberships.follow(0).await.ok()?;
            self.hooks.erase(user);
            here.forget(user);
        }
        Some(count)
    }

    /// The newest entry of the log stays until there is another one. So there is one that names nobody.
    async fn leave_no_trace_in_the_log(&self) {
        if let Ok(asked) = self.bus.look(NodeQuery::SocketCounts(Vec::new())) {
            asked.answers().await;
        }
    }
}
