//! `[guests]`: clients without credentials, where `auth.anonymous` lets them in.

use super::reader::{Checked, SettingsReader};
use crate::types::Room;
use std::collections::BTreeSet;
use std::sync::Arc;

const ROOMS_LEN_MAX: usize = 16;

/// How clients without credentials are taken.
#[derive(Debug, Clone)]
pub struct GuestsConfig {
    /// Whether they are.
    pub is_on: bool,
    /// Their connections at once.
    pub max: usize,
    /// Of these, of one address; 0 is no limit.
    pub per_address: usize,
    /// Rooms that each of them is in.
    pub rooms: Arc<[Room]>,
    /// What they may do of what users may.
    pub may: BTreeSet<GuestRight>,
    /// Whether hooks tell that they come and go.
    pub has_hooks: bool,
}

/// What guests do not do unless they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GuestRight {
    /// Send to other clients.
    Emit,
    /// Send events that the backend answers.
    Events,
    /// See who is online.
    Presence,
    /// Have an inbox.
    Inbox,
}

impl GuestRight {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Emit, Self::Events, Self::Presence, Self::Inbox];

    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emit => "emit",
            Self::Events => "events",
            Self::Presence => "presence",
            Self::Inbox => "inbox",
        }
    }
}

impl GuestsConfig {
    /// `is_on` is `auth.anonymous`; `has_resume` says whether there are resume tokens, if that is known.
    pub(super) fn read(
        reader: &mut SettingsReader,
        is_on: bool,
        has_resume: Option<bool>,
    ) -> Checked<Self> {
        if is_on && has_resume == Some(false) {
            let rule = "needs sessions.resume_ttl: without resume tokens a guest would be another one after each reconnect";
            reader.reject("auth.anonymous", rule);
        }
        let max = reader.number("guests.max", 1..=10_000_000);
        let per_address = reader.number("guests.per_address", 0..=10_000_000);
        let rule = "must be the name of a room, and neither a user's (`user:…`) nor a socket's";
        let rooms = reader
            .list("guests.rooms", ROOMS_LEN_MAX, rule, |text| Room::parse_grantable(text).ok());
        let rule = "must be emit, events, presence or inbox";
        let may = reader.list("guests.may", GuestRight::ALL.len(), rule, |text| {
            GuestRight::ALL.into_iter().find(|it| it.as_str() == text)
        });
        let has_hooks = reader.switch("guests.hooks");
        let rooms: BTreeSet<Room> = rooms?.into_iter().collect();
        Ok(Self {
            is_on,
            max: max?,
            per_address: per_address?,
            rooms: rooms.into_iter().collect(),
            may: may?.into_iter().collect(),
            has_hooks: has_hooks?,
        })
    }
}
