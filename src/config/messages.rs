//! `[messages]`: what is remembered of messages, and what clients may send to each other.

use super::events::patterns;
use super::reader::{Checked, SettingsReader};
use crate::core::contacts::ContactRule;
use crate::types::{EventPattern, NamePattern};
use std::time::Duration;

const RULES_LEN_MAX: usize = 64;

/// What is remembered of messages: of those that asked for acks what became of them, of all that they were.
#[derive(Debug, Clone)]
pub struct MessagesConfig {
    /// How long, from the emit.
    pub keep: Duration,
    /// How many; beyond, the oldest is forgotten. Zero remembers none.
    pub entries_max: usize,
    /// Bytes of all of them.
    pub bytes_max: usize,
    /// How many of all that were emitted last. Zero remembers none.
    pub recent: usize,
    /// Bytes that the acks of all requests under way may say; beyond, acks count, and what they say is left out.
    pub ack_bytes_max: usize,
    /// What clients may send to each other.
    pub clients: ClientMessagesConfig,
}

/// What clients may send to each other.
#[derive(Debug, Clone)]
pub struct ClientMessagesConfig {
    /// Whether they may send anything.
    pub is_on: bool,
    /// The events. Nobody else emits these: a receiver knows by the name who may have sent it.
    pub allow: Vec<EventPattern>,
    /// Which users a client may send to.
    pub to_users: Vec<ContactRule>,
    /// To which of its own rooms.
    pub to_rooms: Vec<NamePattern>,
    /// About which of its own rooms the backend is asked, whatever `to_rooms` says.
    pub to_rooms_by_hook: Vec<NamePattern>,
}

impl MessagesConfig {
    /// `may_emit` is what the backend emits when it answers, if that is right.
    pub(super) fn read(
        reader: &mut SettingsReader,
        may_emit: Option<&[EventPattern]>,
    ) -> Checked<Self> {
        let keep = Duration::from_mins(1)..=Duration::from_hours(7 * 24);
        let keep = reader.duration("messages.keep", keep);
        let entries_max = reader.number("messages.max", 0..=10_000_000);
        let bytes_max = reader.size("messages.bytes", 1_000_000..=10_000_000_000);
        let recent = reader.number("messages.recent", 0..=100_000);
        let ack_bytes_max = reader.size("messages.ack_bytes", 1_000_000..=10_000_000_000);
        let clients = ClientMessagesConfig::read(reader, may_emit.unwrap_or_default());
        Ok(Self {
            keep: keep?,
            entries_max: entries_max?,
            bytes_max: bytes_max?,
            recent: recent?,
            ack_bytes_max: ack_bytes_max?,
            clients: clients?,
        })
    }
}

impl ClientMessagesConfig {
    fn read(reader: &mut SettingsReader, may_emit: &[EventPattern]) -> Checked<Self> {
        let is_on =
            reader.parsed("messages.client_to_client", "must be off or rule", |text| match text {
                "off" => Some(false),
                "rule" => Some(true),
                _ => None,
            });
        let allow = patterns(reader, "messages.allow").and_then(|allow| {
            if let Some(all) = allow.iter().find(|it| it.is_any()) {
                let rule = "must not be all events: a client could send what only your backend may";
                return Err(reader.reject_value("messages.allow", Some(format!("\"{all}\"")), rule));
            }
            let both = |it: &&EventPattern| may_emit.iter().any(|other| other.overlaps(it));
            match allow.iter().find(both) {
                Some(both) => {
                    let rule = "must have no name in common with events.may_emit: a receiver could not \
                                tell a client from your backend";
                    let value = Some(format!("\"{both}\""));
                    Err(reader.reject_value("messages.allow", value, rule))
                }
                None => Ok(allow),
            }
        });
        let to_users = rules(reader, "messages.to_users");
        let to_rooms = names(reader, "messages.to_rooms");
        let to_rooms_by_hook = names(reader, "messages.to_rooms_by_hook");
        if let (Ok(true), Ok(allow)) = (&is_on, &allow)
            && allow.is_empty()
        {
            let rule =
                "must name at least one event: else messages.client_to_client allows nothing";
            reader.reject("messages.allow", rule);
        }
        Ok(Self {
            is_on: is_on?,
            allow: allow?,
            to_users: to_users?,
            to_rooms: to_rooms?,
            to_rooms_by_hook: to_rooms_by_hook?,
        })
    }

    /// The events that only clients send.
    pub fn events(&self) -> &[EventPattern] {
        if self.is_on { &self.allow } else { &[] }
    }
}

fn names(reader: &mut SettingsReader, key: &str) -> Checked<Vec<NamePattern>> {
    reader.list(key, RULES_LEN_MAX, NamePattern::RULE, |text| NamePattern::parse(text).ok())
}

/// A list of rules about who is in reach of a client.
pub(super) fn rules(reader: &mut SettingsReader, key: &str) -> Checked<Vec<ContactRule>> {
    reader.list(key, RULES_LEN_MAX, ContactRule::RULE, ContactRule::parse)
}
