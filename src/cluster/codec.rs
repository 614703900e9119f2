//! Commands as Redis is given them, and its answers as the core reads them.

mod answers;
mod attach;
mod attached;
mod book;
mod entries;
mod erasing;
mod feed;
mod inboxes;
mod ledger;
mod places;
mod resuming;
mod seats;
mod sessions;
mod sockets;

use super::scripts::Script;
use crate::core::cluster::agreement::Agreement;
use crate::core::cluster::command::{
    Applied, Apply, Command, LingeringUsers, Observation, Reap, ReapReason, Reply, UserCounts,
};
use crate::core::cluster::facts::FactOp;
use crate::core::cluster::incarnation::Incarnation;
use crate::core::presence::session::{PresenceStatus, UserSession};
use crate::types::{Reason, UserId, millis};
use redis::Value;
use std::time::Duration;
use thiserror::Error;

/// Users that one call of a script lets go, or makes offline, at most: it takes about a millisecond.
const USERS_MAX: usize = 200;

/// Where in Redis the cluster is, and what all its nodes have to agree on.
#[derive(Debug, Clone)]
pub struct ClusterPlace {
    /// What every key begins with; the hash tag in it keeps all of them in one slot.
    pub prefix: String,
    /// What this node means by what is there.
    pub agreement: Agreement,
    /// Who is told of presence changes.
    pub endpoints: Vec<String>,
    /// Bytes of events that the log may hold.
    pub log_bytes: usize,
    /// How long the log is kept for clients that come back.
    pub window: Duration,
    /// How long presence changes are kept.
    pub events_kept: Duration,
    /// How long a node may be silent.
    pub lease: Duration,
    /// How long users of a lost node stay online without a socket.
    pub node_grace: Duration,
    /// How long nobody goes offline after an outage.
    pub hold: Duration,
    /// The longest time without anybody doing what is due that is no outage.
    pub silence: Duration,
    /// The longest grace of all.
    pub grace_max: Duration,
}

/// What Redis is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisCall {
    /// A script, with the key that says where it runs, and its arguments.
    Script {
        /// Which one.
        script: Script,
        /// The first key.
        key: String,
        /// The arguments.
        arguments: Vec<Vec<u8>>,
    },
    /// `XREAD COUNT entries_max STREAMS keys… after…`
    Read {
        /// The log, and what this incarnation was told.
        keys: [String; 2],
        /// The ids after which these begin.
        after: [String; 2],
        /// Entries at most, of each.
        entries_max: usize,
    },
}

/// Redis answered what no script of this version says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("Redis answered what this version does not understand")]
pub struct CodecError;

/// What every key of the cluster with this name begins with.
pub(super) fn prefix(name: &str) -> String {
    format!("userline:{{{name}}}:")
}

impl ClusterPlace {
    /// What Redis is asked for a command.
    pub fn call(&self, command: &Command) -> RedisCall {
        match command {
            Command::Attach(attach) => self.script(Script::Attach, self.attach(attach)),
            Command::Apply(apply) => self.script(Script::Apply, self.apply(apply)),
            Command::Reap(reap) => self.script(Script::Reap, self.reap(reap)),
            Command::Tend => self.script(Script::Tend, self.tend()),
            Command::Observe => self.script(Script::Observe, Vec::new()),
            Command::Missed { after, entries_max } => {
                self.script(Script::Missed, vec![number(*after), number(*entries_max)])
            }
            Command::Claim(claim) => self.script(Script::Claim, sessions::claim(claim)),
            Command::Presence(users) => {
                let users = users.iter().map(|it| text(it.as_str()));
                self.script(Script::Presence, users.collect())
            }
            Command::Lingering(users_max) => {
                self.script(Script::Lingering, vec![number(*users_max)])
            }
            Command::CountUsers => self.script(Script::Count, Vec::new()),
            Command::Ledger(question) => self.ledger(question),
            Command::Book(question) => self.book(question),
            Command::Answers(question) => self.answers(question),
            Command::Inboxes(ask) => self.inboxes(ask),
            Command::Tell(hooks) => self.script(Script::Tell, ledger::tell(hooks)),
            Command::Feed(question) => self.feed(question),
            Command::Seats(question) => self.seats(question),
            Command::Attached(question) => self.attached(question),
            Command::Moved(question) => self.moved(*question),
            Command::Places(users) => self.places(users),
            Command::Erase(ask) => self.erase(ask),
            Command::Resume(question) => self.resuming(question),
            Command::Read { after, told: (own, told), entries_max } => RedisCall::Read {
                keys: [self.key("log"), self.key_to(own)],
                after: [format!("{after}-0"), told.0.to_string()],
                entries_max: *entries_max,
            },
        }
    }

    /// A key of the cluster.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The key of what an incarnation was told.
    pub fn key_to(&self, incarnation: &Incarnation) -> String {
        self.key(&format!("to:{}", incarnation.as_str()))
    }

    fn script(&self, script: Script, mut arguments: Vec<Vec<u8>>) -> RedisCall {
        arguments.insert(0, self.prefix.clone().into_bytes());
        RedisCall::Script { script, key: self.key("meta"), arguments }
    }

    fn apply(&self, apply: &Apply) -> Vec<Vec<u8>> {
        let mut arguments = vec![
            text(apply.incarnation.as_str()),
            number(apply.number),
            text(&*apply.epoch),
            number(apply.read),
            number(self.log_bytes),
            text(&*apply.told.0),
        ];
        arguments.extend(sockets::earlier(apply));
        for fact in &apply.facts {
            match fact {
                FactOp::Up { user, hint, is_kept } => {
                    let hint = hint.map(number).unwrap_or_default();
                    let op = if *is_kept { "K" } else { "U" };
                    arguments.extend([text(op), text(user.as_str()), hint]);
                }
                FactOp::Down { user, departure } => arguments.extend([
                    text("D"),
                    text(user.as_str()),
                    number(millis(departure.grace)),
                    text(departure.reason.as_str()),
                    number(departure.closed_at.0),
                ]),
                FactOp::Describe { granted } => arguments.extend([text("G"), text(&**granted)]),
                FactOp::Place { user, rooms } => {
                    arguments.extend([text("P"), text(user.as_str()), text(&**rooms)]);
                }
                FactOp::Socket { user, op } => arguments.extend(sockets::operation(user, op)),
                FactOp::EndGrace { user, reason } => {
                    arguments.extend([text("X"), text(user.as_str()), text(reason.as_str())]);
                }
                FactOp::Departed { user, session, departure } => arguments.extend([
                    text("L"),
                    text(user.as_str()),
                    number(*session),
                    number(millis(departure.grace)),
                    text(departure.reason.as_str()),
                    number(departure.closed_at.0),
                ]),
            }
        }
        for (name, op) in &apply.sessions {
            arguments.extend(sessions::operation(name, op));
        }
        if apply.marker {
            arguments.push(text("M"));
        }
        for event in &apply.events {
            arguments.extend([text("E"), event.to_vec()]);
        }
        for (to, message) in &apply.tells {
            arguments.extend([text("R"), text(to.as_str()), message.to_vec()]);
        }
        arguments
    }

    fn reap(&self, reap: &Reap) -> Vec<Vec<u8>> {
        let expected = match reap.why {
            ReapReason::Silent(batch) => number(batch),
            ReapReason::Begun => text("*"),
            ReapReason::Own => text("own"),
        };
        vec![
            text(reap.incarnation.as_str()),
            expected,
            number(USERS_MAX),
            number(millis(self.node_grace)),
            text(Reason::NodeLost.as_str()),
            text(reap.name.as_str()),
        ]
    }

    fn tend(&self) -> Vec<Vec<u8>> {
        vec![
            number(USERS_MAX),
            number(millis(self.silence)),
            number(millis(self.hold)),
            number(millis(self.grace_max)),
            number(millis(self.window)),
            number(millis(self.events_kept)),
        ]
    }
}

/// The answer to a command.
pub fn reply(command: &Command, value: &Value) -> Result<Reply, CodecError> {
    match command {
        Command::Attach(_) => attach::reply(value),
        Command::Apply(_) => applied(value).map(Reply::Applied),
        Command::Reap(_) => match items(value)? {
            [_, left] => Ok(Reply::Reaped { left: parsed(left)? }),
            _ => Err(CodecError),
        },
        Command::Read { .. } => {
            entries::of_streams(value).map(|(log, told)| Reply::Entries(log, told))
        }
        Command::Missed { .. } => entries::of_stream(value).map(Reply::Missed),
        Command::Claim(_) => sessions::claimed(value).map(Reply::Claimed),
        Command::Presence(_) => presence(value).map(Reply::Presence),
        Command::Lingering(_) => lingering(value).map(Reply::Lingering),
        Command::CountUsers => counts(value).map(Reply::UserCounts),
        Command::Ledger(question) => ledger::reply(&question.what, value).map(Reply::Ledger),
        Command::Answers(_) => answers::reply(value).map(Reply::Answers),
        Command::Tell(_) => match items(value)? {
            [status] if string(status)? == "OK" => Ok(Reply::Heard),
            _ => Err(CodecError),
        },
        Command::Inboxes(ask) => inboxes::reply(ask, value).map(Reply::Inboxes),
        Command::Feed(question) => feed::reply(question, value).map(Reply::Feed),
        Command::Seats(_) => seats::reply(value).map(Reply::Seats),
        Command::Attached(question) => attached::reply(question, value).map(Reply::Attachments),
        Command::Moved(_) => places::moved(value).map(Reply::Moved),
        Command::Places(_) => places::places(value).map(Reply::Places),
        Command::Erase(_) => erasing::reply(value).map(Reply::Erased),
        Command::Resume(_) => resuming::reply(value).map(Reply::Resume),
        Command::Book(question) => book::reply(&question.what, value).map(Reply::Book),
        Command::Observe => observed(value).map(Reply::Observed),
        Command::Tend => match items(value)? {
            [_, _, head] => Ok(Reply::Tended { head: parsed(head)? }),
            _ => Err(CodecError),
        },
    }
}

fn applied(value: &Value) -> Result<Applied, CodecError> {
    let [status, rest @ ..] = items(value)? else { return Err(CodecError) };
    match (string(status)?, rest) {
        ("OK" | "DUP", [answer]) => {
            let answer = string(answer)?;
            let (numbers, nodes) = answer.split_once(" | ").unwrap_or((answer, ""));
            let mut numbers = numbers.split(' ').map(str::parse::<u64>);
            let mut next = || numbers.next().ok_or(CodecError)?.map_err(|_| CodecError);
            let (first, head) = (next()?, next()?);
            let sessions = numbers.collect::<Result<_, _>>().map_err(|_| CodecError)?;
            let nodes = nodes.split_whitespace().map(Incarnation::from_text).collect();
            Ok(Applied::Done { first, head, sessions, nodes })
        }
        ("FENCED" | "OLD" | "GAP" | "EPOCH", []) => Ok(Applied::Refused),
        _ => Err(CodecError),
    }
}

fn presence(value: &Value) -> Result<Vec<PresenceStatus>, CodecError> {
    let status = |pair: &[Value]| match pair {
        [session, _] if string(session)?.is_empty() => Ok(PresenceStatus::Offline),
        [session, is_lingering] => {
            let session = UserSession::numbered(parsed(session)?);
            Ok(match parsed(is_lingering)? {
                0 => PresenceStatus::Online(session),
                _ => PresenceStatus::Lingering(session),
            })
        }
        _ => Err(CodecError),
    };
    items(value)?.chunks(2).map(status).collect()
}

fn lingering(value: &Value) -> Result<LingeringUsers, CodecError> {
    let [total, users] = items(value)? else { return Err(CodecError) };
    let user = |it: &Value| UserId::parse(string(it)?).map_err(|_| CodecError);
    Ok(LingeringUsers {
        total: usize::try_from(parsed(total)?).map_err(|_| CodecError)?,
        users: items(users)?.iter().map(user).collect::<Result<_, _>>()?,
    })
}

fn counts(value: &Value) -> Result<UserCounts, CodecError> {
    let [users, lingering] = items(value)? else { return Err(CodecError) };
    let count = |it| usize::try_from(parsed(it)?).map_err(|_| CodecError);
    Ok(UserCounts { users: count(users)?, lingering: count(lingering)? })
}

fn observed(value: &Value) -> Result<Observation, CodecError> {
    let [nodes, dead] = items(value)? else { return Err(CodecError) };
    let incarnation = |value: &Value| Ok(Incarnation::from_text(string(value)?));
    let pair = |pair: &[Value]| match pair {
        [name, batch] => Ok((incarnation(name)?, parsed(batch)?)),
        _ => Err(CodecError),
    };
    Ok(Observation {
        nodes: items(nodes)?.chunks(2).map(pair).collect::<Result<_, _>>()?,
        dead: items(dead)?.iter().map(incarnation).collect::<Result<_, _>>()?,
    })
}

fn text(it: impl Into<Vec<u8>>) -> Vec<u8> {
    it.into()
}

fn number(it: impl std::fmt::Display) -> Vec<u8> {
    it.to_string().into_bytes()
}

fn items(value: &Value) -> Result<&[Value], CodecError> {
    if let Value::Array(items) = value { Ok(items) } else { Err(CodecError) }
}

fn string(value: &Value) -> Result<&str, CodecError> {
    let Value::BulkString(bytes) = value else { return Err(CodecError) };
    std::str::from_utf8(bytes).map_err(|_| CodecError)
}

fn parsed(value: &Value) -> Result<u64, CodecError> {
    if let Value::Int(number) = value {
        return u64::try_from(*number).map_err(|_| CodecError);
    }
    string(value)?.parse().map_err(|_| CodecError)
}
