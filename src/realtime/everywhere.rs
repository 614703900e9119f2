//! What is done to sockets on every node: here, and where else there are any.
//!
//! The others are asked first: what cannot be said to them is not begun here.

use super::bulk::{Bulk, Dismissal, MovedSockets};
use super::control::{Control, ControlError, kicked};
use super::people::Farewell;
use crate::cluster::{Answers, AskedNodes, Bus, BusError, MissingNodes, OnNodes};
use crate::core::cluster::bus::words::{BusRequest, NodeAnswer};
use crate::core::emit::audience::Audience;
use crate::core::presence::session::Grace;
use crate::tasks::TaskLost;
use crate::types::{FamilyId, Room, SocketId, UserId};
use std::sync::Arc;
use thiserror::Error;

/// Changes sockets, on whatever node they are.
#[derive(Debug)]
pub struct Everywhere {
    bulk: Arc<Bulk>,
    control: Arc<Control>,
    /// The other nodes, if there are any.
    bus: Option<Bus>,
}

/// Why it was not done, or not wholly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EverywhereError {
    /// It could not be done here.
    #[error(transparent)]
    Here(#[from] ControlError),
    /// The other nodes could not be asked; it was begun nowhere.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl From<TaskLost> for EverywhereError {
    fn from(lost: TaskLost) -> Self {
        Self::Here(lost.into())
    }
}

impl Everywhere {
    /// On this node by `bulk` and `control`, on others by `bus`.
    pub fn new(bulk: Arc<Bulk>, control: Arc<Control>, bus: Option<Bus>) -> Self {
        Self { bulk, control, bus }
    }

    /// As [`Bulk::join`].
    pub async fn join(
        &self,
        audience: Audience,
        rooms: Vec<Room>,
    ) -> Result<OnNodes<MovedSockets>, EverywhereError> {
        let (to, which) = (audience.clone(), rooms.clone());
        let asked = self.ask(|| BusRequest::Join { audience: to, rooms: which })?;
        Ok(moved(self.bulk.join(audience, rooms).await?, asked).await)
    }

    /// As [`Bulk::leave`].
    pub async fn leave(
        &self,
        audience: Audience,
        rooms: Vec<Room>,
    ) -> Result<OnNodes<MovedSockets>, EverywhereError> {
        let (to, which) = (audience.clone(), rooms.clone());
        let asked = self.ask(|| BusRequest::Leave { audience: to, rooms: which })?;
        Ok(moved(self.bulk.leave(audience, rooms).await?, asked).await)
    }

    /// As [`Bulk::disconnect`].
    pub async fn disconnect(
        &self,
        dismissal: Dismissal,
    ) -> Result<OnNodes<usize>, EverywhereError> {
        let asked = self.ask(|| BusRequest::Disconnect(dismissal.clone()))?;
        let here = self.bulk.disconnect(dismissal).await?;
        let Answers { answers, missing } = answers(asked).await;
        let elsewhere = answers
            .iter()
            .map(|it| if let NodeAnswer::Disconnected(count) = it { *count } else { 0 });
        Ok(OnNodes { done: here + elsewhere.sum::<usize>(), missing })
    }

    /// As [`Control::kick`].
    pub async fn kick(
        &self,
        user: &UserId,
        reason: Option<&str>,
        grace: Grace,
    ) -> Result<OnNodes<Vec<SocketId>>, EverywhereError> {
        let asked = self.ask(|| BusRequest::KickUser {
            user: user.clone(),
            reason: reason.map(str::to_owned),
            grace,
        })?;
        let farewell = Farewell { reason, ..Farewell::default() };
        let done = self.control.kick(user, farewell, grace).await?;
        Ok(kicked(done, answers(asked).await))
    }

    /// As [`Control::log_out`].
    pub async fn log_out(
        &self,
        user: &UserId,
        family: Option<FamilyId>,
        reason: Option<&str>,
    ) -> Result<OnNodes<Vec<SocketId>>, EverywhereError> {
        let asked = self.ask(|| {
            let (user, reason) = (user.clone(), reason.map(str::to_owned));
            match family {
                Some(family) => BusRequest::LogOutFamily { user, family, reason },
                None => BusRequest::LogOut { user, reason },
            }
        })?;
        let done = self.control.log_out(user, family, reason).await?;
        Ok(kicked(done, answers(asked).await))
    }

    /// As [`Control::kick_socket`]. Returns whose it was, if it was anywhere.
    pub async fn kick_socket(
        &self,
        id: SocketId,
    ) -> Result<OnNodes<Option<UserId>>, EverywhereError> {
        if let Some(socket) = self.control.kick_socket(id).await? {
            return Ok(OnNodes::here(Some(socket.user().clone())));
        }
        let asked = self.ask(|| BusRequest::KickSocket(id))?;
        let Answers { answers, missing } = answers(asked).await;
        let user = answers
            .into_iter()
            .find_map(|it| if let NodeAnswer::KickedSocket(user) = it { user } else { None });
        // A socket is on one node: when that is found, nobody is missing.
        let missing = if user.is_some() { MissingNodes::default() } else { missing };
        Ok(OnNodes { done: user, missing })
    }

    fn ask(
        &self,
        request: impl FnOnce() -> BusRequest,
    ) -> Result<Option<AskedNodes>, EverywhereError> {
        Ok(self.bus.as_ref().map(|bus| bus.ask(request())).transpose()?)
    }
}

async fn answers(asked: Option<AskedNodes>) -> Answers {
    match asked {
        Some(asked) => asked.answers().await,
        None => Answers::default(),
    }
}

async fn moved(mut here: MovedSockets, asked: Option<AskedNodes>) -> OnNodes<MovedSockets> {
    let Answers { answers, missing } = answers(asked).await;
    for answer in answers {
        if let NodeAnswer::Moved(moved) = answer {
            here.add(moved);
        }
    }
    OnNodes { done: here, missing }
}
